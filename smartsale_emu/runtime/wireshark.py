"""Wireshark on this computer: where it looks for a script of its user's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from smartsale_emu.errors import SetupError
from smartsale_emu.runtime.ports import plain_reason

SCRIPT = "smartsale-sa.lua"
_ASK = ("tshark", "-G", "folders")
_ANSWER = "Personal Lua Plugins:"
_PATIENCE_S = 20


def install_script(text: str) -> Path:
    """Put a Lua script where Wireshark of this user finds it, over an older one; returns the file.

    Raises:
        SetupError: it cannot be written.
    """
    file = lua_folder() / SCRIPT
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise SetupError(f"{file}: {plain_reason(error)}") from None
    return file


def lua_folder() -> Path:
    """Return the personal Lua folder: as tshark says, or where it is by default on this system."""
    return _told_by_tshark() or _by_default()


def _told_by_tshark() -> Path | None:
    tshark = shutil.which(_ASK[0])
    if tshark is None:
        return None
    try:
        done = subprocess.run(
            [tshark, *_ASK[1:]],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    for line in done.stdout.splitlines():
        if line.startswith(_ANSWER):
            return Path(line.removeprefix(_ANSWER).strip())
    return None


def _by_default() -> Path:
    if sys.platform == "win32":
        roaming = os.environ.get("APPDATA") or str(Path.home() / "AppData" / "Roaming")
        return Path(roaming) / "Wireshark" / "plugins"
    return Path.home() / ".local" / "lib" / "wireshark" / "plugins"
