"""Where one pinpad (or one bank) keeps what must survive: a directory that one process at a time owns."""

import contextlib
import os
import sys
from itertools import count
from pathlib import Path

from smartsale_emu.errors import StateError
from smartsale_emu.runtime.file_lock import FileLock
from smartsale_emu.runtime.ports import plain_reason

MEMORY_NAME = "memory.json"
LEDGER_NAME = "bank.sqlite"
COUNTERS_NAME = "cards.json"
LISTENING_NAME = "listening"
LOCK_NAME = "lock"


class StateInUseError(StateError):
    """Another process has the state directory."""


class StateDir:
    """A state directory, made if need be (for its owner only), locked until `close` or the process's end.

    Raises:
        StateInUseError: another process has it.
        StateError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._closed = False
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock.acquire(self.path / LOCK_NAME)
        except OSError as error:
            raise StateError(f"state directory {path}: {plain_reason(error)}") from None
        if lock is None:
            raise StateInUseError(f"state directory {path}: in use by another process")
        self._lock = lock
        self._forget_port()  # of an owner who died

    @property
    def memory(self) -> Path:
        """The pinpad's memory: operating day, last operation, counters, pending reversal."""
        return self.path / MEMORY_NAME

    @property
    def ledger(self) -> Path:
        """The bank's ledger."""
        return self.path / LEDGER_NAME

    @property
    def card_counters(self) -> Path:
        """The transaction counters of the chip cards that were presented here."""
        return self.path / COUNTERS_NAME

    @property
    def port(self) -> Path:
        """The symlink of a pseudo-terminal port."""
        return self.path / "port"

    def tell_port(self, name: str) -> None:
        """Write down under which name a register finds the pinpad: who waits for it looks here.

        Raises:
            StateError: the file cannot be written.
        """
        file = self.path / LISTENING_NAME
        fresh = file.with_name(file.name + ".new")
        try:
            fresh.write_text(name, encoding="utf-8")
            fresh.replace(file)
        except OSError as error:
            raise StateError(f"{file}: {plain_reason(error)}") from None

    def _forget_port(self) -> None:
        with contextlib.suppress(OSError):
            (self.path / LISTENING_NAME).unlink()

    def close(self) -> None:
        """Let another process have the directory. Twice is once."""
        if not self._closed:
            self._closed = True
            self._forget_port()
            self._lock.release()

    def __enter__(self) -> "StateDir":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def default_state_dir(kind: str = "pinpad") -> StateDir:
    """Return the first state directory of this user that no other process has.

    ``kind``-named under the user's state home: ``pinpad``, ``pinpad-2``, ``pinpad-3``, ...

    Raises:
        StateError: the directory cannot be made.
    """
    home = state_home()
    for number in count(1):
        path = home / (kind if number == 1 else f"{kind}-{number}")
        with contextlib.suppress(StateInUseError):
            return StateDir(path)
    raise AssertionError("there is always a next number")


def state_home() -> Path:
    """Return this program's directory among the user's state: ``$XDG_STATE_HOME`` or the system's way."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "smartsale-emu"
