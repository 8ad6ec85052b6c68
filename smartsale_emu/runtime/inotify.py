"""Who opens and closes a file: Linux inotify, by three calls of the C library.

The kernel joins equal events that follow each other unread, so two opens may count as one. Who counts them
must be able to recover (`pty_port` does).
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterator
from enum import Enum

_CLOSE_WRITE, _CLOSE_NOWRITE, _OPEN = 0x08, 0x10, 0x20
_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows


class Touch(Enum):
    """What somebody did to the watched file."""

    OPENED = "opened"
    CLOSED = "closed"


class OpenWatch:
    """Watches the opens and closes of one file.

    Raises:
        OSError: the kernel has no inotify left for us.
    """

    def __init__(self, path: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "inotify is not available")
        mask = _OPEN | _CLOSE_WRITE | _CLOSE_NOWRITE
        if libc.inotify_add_watch(self.fd, os.fsencode(path), mask) < 0:
            error = ctypes.get_errno()
            os.close(self.fd)
            raise OSError(error, "the pseudo-terminal cannot be watched")

    def drain(self) -> list[Touch]:
        """Return what happened since the last call, oldest first; never waits."""
        touches: list[Touch] = []
        while True:
            try:
                data = os.read(self.fd, 4096)
            except BlockingIOError:
                return touches
            touches += _touches(data)

    def close(self) -> None:
        """Stop watching."""
        os.close(self.fd)


def open_watch(path: str) -> OpenWatch | None:
    """Return a watch on the file, or None where the system has no such thing."""
    if sys.platform != "linux":
        return None
    try:
        return OpenWatch(path)
    except (OSError, AttributeError):
        return None


def _touches(data: bytes) -> Iterator[Touch]:
    place = 0
    while place < len(data):
        _, mask, _, name_length = _EVENT.unpack_from(data, place)
        place += _EVENT.size + name_length
        if mask & _OPEN:
            yield Touch.OPENED
        elif mask & (_CLOSE_WRITE | _CLOSE_NOWRITE):
            yield Touch.CLOSED
