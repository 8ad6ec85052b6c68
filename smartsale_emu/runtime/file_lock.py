"""One process at a time: a lock file that the system releases when its owner dies, however it dies."""

import contextlib
import os
import sys
from pathlib import Path


class FileLock:
    """An exclusive lock that this process holds until `release`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, path: Path) -> "FileLock | None":
        """Take the lock; None when another process, or another lock of this one, holds it. Never waits.

        Raises:
            OSError: the file cannot be made or opened.
        """
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            if not _try_lock(descriptor):
                os.close(descriptor)
                return None
            if _is_still(descriptor, path):
                return cls(path, descriptor)
            os.close(descriptor)  # its former owner removed the file after we had opened it

    @staticmethod
    def is_held(path: Path) -> bool:
        """Tell whether somebody holds the lock. Where nobody does it is taken for an instant, to see that.

        Raises:
            OSError: the file cannot be opened.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(descriptor)
        finally:
            os.close(descriptor)

    def release(self, *, remove: bool = False) -> None:
        """Give the lock back; ``remove`` also deletes the file. Twice is once."""
        if self._descriptor is None:
            return
        if remove and sys.platform != "win32":  # Windows does not delete open files
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
        os.close(self._descriptor)
        self._descriptor = None


def _is_still(descriptor: int, path: Path) -> bool:
    if sys.platform == "win32":
        return True  # a lock file is never removed there
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
