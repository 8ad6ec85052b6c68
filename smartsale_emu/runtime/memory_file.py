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
    """One UTF-8 file of lines. What `save` or `append` returned from survives a power cut.

    A line that the power cut short stands at the end without its line break; its reader leaves it out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fresh = path.with_name(path.name + ".new")
        self._appending: int | None = None

    def load(self) -> str | None:
        """Return the text that was saved last and what was appended to it; None if there never was one.

        The last line may have been cut anywhere, in the middle of a letter too.

        Raises:
            StateError: there is one, but it cannot be read.
        """
        try:
            lines, end, cut = self._path.read_bytes().rpartition(b"\n")
            return (lines + end).decode() + cut.decode(errors="replace" if end else "strict")
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
            self.close()
            self._write_fresh(text.encode())
            self._replace()
            _sync_directory(self._path.parent)
        except OSError as error:
            raise StateError(f"memory {self._path}: {plain_reason(error)}") from None

    def append(self, line: str) -> None:
        """Write a line behind the text; it is on the disk when this returns.

        Raises:
            StateError: it cannot be written, or it is not sure that it is on the disk.
        """
        try:
            if self._appending is None:
                self._appending = os.open(self._path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
            _write(self._appending, line.encode())
        except OSError as error:
            raise StateError(f"memory {self._path}: {plain_reason(error)}") from None

    def close(self) -> None:
        """Close the file; the next `append` opens it again."""
        if self._appending is not None:
            os.close(self._appending)
            self._appending = None

    def __enter__(self) -> "MemoryFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
            _write(descriptor, data)
        finally:
            os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


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
