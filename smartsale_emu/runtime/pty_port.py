"""``pty:`` a pseudo-terminal that looks to a register like a serial port.

We keep the register's end (the slave) open too: so its mode lasts from one register to the next, reading our
end (the master) never fails when a register leaves, and what nobody read can be flushed (PROTOCOL.md, section
0.1, "a pty's client closes the port").

Who is there is told by inotify. Its events are taken before and after every read, so a listener always hears
"opened", then the bytes, then "closed". Only when one register closes and another opens and writes between
two turns of the loop, the bytes of both come in one piece: the second begins at the first STX or SOH, since
what a register says last is ACK, NAK or EOT. Where there is no inotify, only a missing ACK tells.
"""

import asyncio
import contextlib
import os
import re
import sys
from pathlib import Path

from smartsale_emu.errors import PortError
from smartsale_emu.runtime.descriptor import Outbox
from smartsale_emu.runtime.file_lock import FileLock
from smartsale_emu.runtime.inotify import OpenWatch, Touch, open_watch
from smartsale_emu.runtime.ports import LineListener, plain_reason

if sys.platform != "win32":  # there `ports` refuses, but a test runner reads this module all the same
    import fcntl
    import termios
    import tty

_READ_SIZE = 65_536
_MOST_READS = 64  # of one turn: a register that floods must not starve the others
_FRAME_START = re.compile(rb"[\x01\x02]")


class PtyPort:
    """A pseudo-terminal, with a symlink of a stable name if ``link`` is given."""

    def __init__(self, link: Path | None) -> None:
        self.name = str(link) if link else "pty:"
        self._link = StableLink(link) if link else None
        self._descriptors: list[int] = []
        self._watch: OpenWatch | None = None
        self._open_count = 0

    async def open(self, listener: LineListener) -> None:
        """See `ports.Port.open`."""
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        try:
            if self._link:
                self._link.reserve()
            self._master, self._slave = os.openpty()
            self._descriptors = [self._master, self._slave]
            self._prepare()
            if self._link:
                self._link.point_to(self._device)
        except OSError as error:
            self.close()
            raise PortError(f"{self._url}: {plain_reason(error)}") from None
        except PortError:
            self.close()
            raise

    def _prepare(self) -> None:
        os.set_blocking(self._master, False)
        tty.setraw(self._slave)
        self._mode = termios.tcgetattr(self._slave)
        self._device = os.ttyname(self._slave)
        self._outbox = Outbox(self._loop, self._master, self._fail)
        self._watch = open_watch(self._device)
        if self._link is None:
            self.name = self._device
        self._loop.add_reader(self._master, self._turn)
        if self._watch:
            self._loop.add_reader(self._watch.fd, self._turn)

    @property
    def _url(self) -> str:
        return f"pty:{self.name.removeprefix('pty:')}"

    def write(self, data: bytes) -> None:
        """See `ports.Port.write`."""
        if self._descriptors:
            self._outbox.write(data)

    def flush(self) -> None:
        """Drop everything that the register has not read yet: here and in the kernel."""
        if self._descriptors:
            self._outbox.clear()
            termios.tcflush(self._slave, termios.TCIFLUSH)

    def close(self) -> None:
        """See `ports.Port.close`; the symlink goes too."""
        if self._watch:
            self._loop.remove_reader(self._watch.fd)
            self._watch.close()
            self._watch = None
        if self._descriptors:
            self._loop.remove_reader(self._master)
            self._outbox.clear()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []
        if self._link:
            self._link.remove()

    def _turn(self) -> None:
        """Take all there is, in an order that cannot lie about who wrote what."""
        touches, data = self._drain(), self._read()
        while self._descriptors and (more := self._drain()):
            touches += more
            data += self._read()
        for place, touch in enumerate(touches):
            if touch is Touch.OPENED:
                self._count_open()
            elif self._open_count <= 1:
                reopened = Touch.OPENED in touches[place:]
                said, data = split_at_reopening(data) if reopened else (data, b"")
                self._count_last_close(said)
            else:
                self._open_count -= 1
        self._deliver(data)
        if touches and not self._open_count:
            self._make_fresh()

    def _drain(self) -> list[Touch]:
        return self._watch.drain() if self._watch else []

    def _read(self) -> bytes:
        """Return what the register wrote, up to a bound; the loop calls again for more."""
        data = b""
        with contextlib.suppress(BlockingIOError):
            for _ in range(_MOST_READS):
                piece = os.read(self._master, _READ_SIZE)
                data += piece
                if not piece:
                    break
        return data

    def _count_open(self) -> None:
        self._open_count += 1
        if self._open_count == 1 and self._descriptors:
            self._listener.line_opened()

    def _count_last_close(self, said: bytes) -> None:
        self._deliver(said)
        if self._open_count and self._descriptors:
            self._open_count = 0
            self._listener.line_closed("the register closed the port")
        self.flush()

    def _deliver(self, data: bytes) -> None:
        if not data or not self._descriptors:
            return
        if not self._open_count:  # an open that the kernel joined with another, or no inotify
            self._count_open()
        self._listener.line_received(data)

    def _make_fresh(self) -> None:
        """Undo what the last register did to the mode of the port."""
        if self._descriptors:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._slave, termios.TIOCNXCL)
                termios.tcsetattr(self._slave, termios.TCSANOW, self._mode)

    def _fail(self, error: OSError) -> None:
        if self._descriptors:
            self.close()
            self._listener.line_failed(PortError(f"{self._url}: {plain_reason(error)}"))


class StableLink:
    """A symlink of one name to a device whose name changes; one live pinpad at a time has it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: FileLock | None = None
        self._target = ""

    def reserve(self) -> None:
        """Make sure that the name is ours to take.

        Raises:
            PortError: another pinpad has it, or it is something that we must not replace.
            OSError: the lock file beside it cannot be made.
        """
        self._lock = FileLock.acquire(self._path.with_name(self._path.name + ".lock"))
        if self._lock is None:
            raise PortError(f"pty:{self._path}: in use by another pinpad")
        if self._path.is_symlink():
            target = self._path.readlink()
            if self._path.exists() and not target.is_relative_to("/dev/pts"):
                raise PortError(f"pty:{self._path}: is a link to {target}, which is not a pinpad's")
        elif self._path.exists():
            raise PortError(f"pty:{self._path}: already exists and is not a symlink")

    def point_to(self, device: str) -> None:
        """Let the name lead to the device, at once or not at all."""
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(device)
        fresh.replace(self._path)
        self._target = device

    def remove(self) -> None:
        """Take the name away, if it is still ours."""
        if self._target:
            with contextlib.suppress(OSError):
                if str(self._path.readlink()) == self._target:
                    self._path.unlink()
            self._target = ""
        if self._lock:
            self._lock.release(remove=True)
            self._lock = None


def split_at_reopening(data: bytes) -> tuple[bytes, bytes]:
    r"""Cut bytes of two registers, the second of which opened after the first had closed.

    >>> split_at_reopening(b"\x06\x04\x02\x00")
    (b'\x06\x04', b'\x02\x00')
    """
    start = _FRAME_START.search(data)
    return (data[: start.start()], data[start.start() :]) if start else (data, b"")
