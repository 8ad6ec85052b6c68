"""Programs of others that speak ISO 8583, as processes: where they are, and a port to reach each at.

None of them comes with the tests, and no code of theirs is imported. Whoever wants these tests installs them:

* ``iso8583sim`` (PyPI): on the PATH, beside this Python, or named by SMARTSALE_ISO8583SIM
* ``iso_8583`` and ``serialport`` (npm) for ``node``: SMARTSALE_NODE_MODULES names the directory node_modules
  that holds them
* ``tshark``: on the PATH
"""

import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TOP = HERE.parents[1]
DEADLINE = 30.0


def _iso8583sim() -> str | None:
    beside = shutil.which("iso8583sim", path=str(Path(sys.executable).parent))
    return os.environ.get("SMARTSALE_ISO8583SIM") or shutil.which("iso8583sim") or beside


ISO8583SIM = _iso8583sim()
NODE, TSHARK = shutil.which("node"), shutil.which("tshark")
NODE_MODULES = os.environ.get("SMARTSALE_NODE_MODULES", "")

needs_iso8583sim = pytest.mark.skipif(
    ISO8583SIM is None, reason="iso8583sim is not installed (PyPI; or SMARTSALE_ISO8583SIM names it)"
)
needs_iso_8583 = pytest.mark.skipif(
    NODE is None or not (Path(NODE_MODULES or "-") / "iso_8583").is_dir(),
    reason="node or the npm package iso_8583 is not there (SMARTSALE_NODE_MODULES names node_modules)",
)
needs_serialport = pytest.mark.skipif(
    NODE is None or sys.platform == "win32" or not (Path(NODE_MODULES or "-") / "serialport").is_dir(),
    reason="node or the npm package serialport is not there (SMARTSALE_NODE_MODULES names node_modules)",
)
needs_tshark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(TOP),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "NODE_PATH": NODE_MODULES,
        "COLUMNS": "200",
    }


def ours(*arguments: str | Path) -> list[str]:
    """Return the command line of one of our own commands."""
    return [sys.executable, "-m", "smartsale_emu", *map(str, arguments)]


def done(command: list[str]) -> tuple[int, str]:
    """Run a command to its end; its status, and all that it said."""
    ended = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=_environment(),
        timeout=DEADLINE,
        check=False,
    )
    return ended.returncode, ended.stdout


@contextmanager
def serving(command: list[str], port: str) -> Iterator[int]:
    """Run a server as long as this lasts; ``port``: a pattern that finds its port in what it says."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_environment()
    ) as process:
        try:
            yield _port_of(process, re.compile(port))
        finally:
            process.kill()


def _port_of(process: "subprocess.Popen[bytes]", port: re.Pattern[str]) -> int:
    assert process.stdout is not None
    said, deadline = b"", time.monotonic() + DEADLINE
    while (found := port.search(said.decode("utf-8", "replace"))) is None:
        ready = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]
        data = os.read(process.stdout.fileno(), 4096) if ready else b""
        assert data, f"it does not say its port: {said!r}"
        said += data
    return int(found[1])


@contextmanager
def our_host(profile: str | Path, state: Path) -> Iterator[int]:
    """Run our mock bank."""
    command = ours("host", "--listen", "tcp:127.0.0.1:0", "--state", state, "--bank-profile", profile)
    with serving([*command, "--headless"], r"READY port=tcp:127\.0\.0\.1:(\d+)\n") as port:
        yield port


def check(port: int, profile: str | Path, *more: str) -> tuple[int, str]:
    """Run ``host check`` against somebody else's host."""
    return done(ours("host", "check", "--to", f"tcp:127.0.0.1:{port}", "--profile", profile, *more))


def steps(said: str) -> list[tuple[str, str]]:
    """Return what ``host check`` told: each step with the types of its messages, and how it ended.

    >>> steps("echo: 0800  stan=1\\n  0810  DE39 00: approved\\n  passed: approved\\n")
    [('echo 0800 0810', 'passed')]
    """
    found = re.findall(r"^(\w+): (\d{4})  .*\n(?:  (\d{4})  .*\n)?  (\w+):", said, re.MULTILINE)
    return [(f"{name} {sent} {answered}".rstrip(), ended) for name, sent, answered, ended in found]


ALL_PASSED = [
    ("echo 0800 0810", "passed"),
    ("purchase 0200 0210", "passed"),
    ("reversal 0400 0410", "passed"),
]
