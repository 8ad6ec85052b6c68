"""The pinpad's memory on disk: the whole text or the former one, whatever happens in between."""

import contextlib
import os
import sys
import time
from pathlib import Path

from smartsale_emu.errors import StateError
from smartsale_emu.runtime.ports import plain_reason

_WINDOWS_TRIES, _WINDOWS_PAUSE = 20, 0.02  # seconds


class MemoryFile:
    """One UTF-8 file, replaced as a whole. What `save` returned from survives a power cut."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fresh = path.with_name(path.name + ".new")

    def load(self) -> str | None:
        """Return the text that was saved last, or None if there never was one.

        Raises:
            StateError: there is one, but it cannot be read.
        """
        try:
            return self._path.read_bytes().decode()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"memory {self._path}: {plain_reason(error)}") from None
        except UnicodeDecodeError:
            raise StateError(f"memory {self._path}: is damaged, it is no UTF-8 text") from None

    def save(self, text: str) -> None:
        """Replace the text; it is on the disk when this returns.

        Raises:
            StateError: it cannot be written; the former text stands.
        """
        try:
            self._write_fresh(text.encode())
            self._replace()
            _sync_directory(self._path.parent)
        except OSError as error:
            raise StateError(f"memory {self._path}: {plain_reason(error)}") from None

    def _replace(self) -> None:
        """Windows refuses while a reader or a virus scanner has the old file open: try a little longer."""
        tries = _WINDOWS_TRIES if sys.platform == "win32" else 1
        for left in reversed(range(tries)):
            try:
                self._fresh.replace(self._path)
                return
            except PermissionError:
                if not left:
                    raise
                time.sleep(_WINDOWS_PAUSE)

    def _write_fresh(self, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self._fresh, flags, 0o600)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync_directory(path: Path) -> None:
    """Make a rename last; Windows and some file systems know no such thing."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
