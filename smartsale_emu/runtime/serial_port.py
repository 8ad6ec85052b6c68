"""``serial:`` a real serial port, 8N1 without flow control (PROTOCOL.md, section 3).

POSIX: the descriptor lives in the event loop. Windows: a thread reads and posts to the loop, another writes.
A serial line does not tell whether a register is there, so it counts as opened from the start and never as
closed.
"""

import asyncio
import contextlib
import os
import queue
import sys
import threading
from typing import TYPE_CHECKING

from smartsale_emu.errors import PortError
from smartsale_emu.runtime.descriptor import Outbox
from smartsale_emu.runtime.ports import LineListener, Port, SerialAddress
from smartsale_emu.runtime.serial_device import open_device

if TYPE_CHECKING:
    import serial

_READ_SIZE = 65_536
_WRITE_TIMEOUT = 5.0  # seconds
_THREAD_PAUSE = 0.2  # seconds after which the reader thread looks whether it is still wanted


def open_serial_port(address: SerialAddress) -> Port:
    """Return the serial port of this system, not yet open."""
    return WindowsSerialPort(address) if sys.platform == "win32" else PosixSerialPort(address)


def _gone(address: SerialAddress) -> PortError:
    return PortError(f"{address.url}: the port has disappeared")


class PosixSerialPort:
    """A serial port whose descriptor the event loop watches."""

    def __init__(self, address: SerialAddress) -> None:
        self.name = address.device
        self._address = address
        self._serial: serial.Serial | None = None

    async def open(self, listener: LineListener) -> None:
        """See `ports.Port.open`; the line counts as opened at once."""
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._serial = open_device(self._address, timeout=0)
        self._descriptor: int = self._serial.fileno()
        os.set_blocking(self._descriptor, False)
        self._outbox = Outbox(self._loop, self._descriptor, lambda _: self._fail())
        self._loop.add_reader(self._descriptor, self._read)
        listener.line_opened()

    def write(self, data: bytes) -> None:
        """See `ports.Port.write`."""
        if self._serial:
            self._outbox.write(data)

    def flush(self) -> None:
        """Drop what has not left the computer yet."""
        if self._serial:
            self._outbox.clear()
            with contextlib.suppress(OSError):
                _drop_output(self._descriptor)

    def close(self) -> None:
        """See `ports.Port.close`."""
        if self._serial:
            self._loop.remove_reader(self._descriptor)
            self._outbox.clear()
            port, self._serial = self._serial, None
            with contextlib.suppress(OSError):
                port.close()

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            self._fail()
            return
        if data:
            self._listener.line_received(data)
        elif _hung_up(self._descriptor):
            self._fail()

    def _fail(self) -> None:
        if self._serial:
            self.close()
            self._listener.line_failed(_gone(self._address))


def _drop_output(descriptor: int) -> None:
    if sys.platform != "win32":
        import termios

        try:
            termios.tcflush(descriptor, termios.TCOFLUSH)
        except termios.error as error:
            raise OSError(*error.args) from None


def _hung_up(descriptor: int) -> bool:
    """Tell whether a descriptor that is ready and gives nothing has lost its device."""
    if sys.platform == "win32":
        return False
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))


class WindowsSerialPort:
    """A serial port that a thread reads, since the event loop of Windows cannot watch one."""

    def __init__(self, address: SerialAddress) -> None:
        self.name = address.device
        self._address = address
        self._serial: serial.Serial | None = None

    async def open(self, listener: LineListener) -> None:
        """See `ports.Port.open`; the line counts as opened at once."""
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._serial = open_device(self._address, timeout=_THREAD_PAUSE)
        self._serial.write_timeout = _WRITE_TIMEOUT
        self._unsent: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, args=(self._serial,), daemon=True)
        self._thread.start()
        threading.Thread(target=self._write, args=(self._serial,), daemon=True).start()
        listener.line_opened()

    def write(self, data: bytes) -> None:
        """See `ports.Port.write`."""
        if self._serial:
            self._unsent.put(data)

    def flush(self) -> None:
        """Drop what has not left the computer yet."""
        if self._serial:
            with contextlib.suppress(queue.Empty):
                while True:
                    self._unsent.get_nowait()
            with contextlib.suppress(OSError):
                self._serial.reset_output_buffer()

    def close(self) -> None:
        """See `ports.Port.close`; waits for the reader thread, at most one pause."""
        if self._serial:
            port, self._serial = self._serial, None
            self._unsent.put(None)
            self._thread.join(2 * _THREAD_PAUSE)
            with contextlib.suppress(OSError):
                port.close()

    def _read(self, port: "serial.Serial") -> None:
        """Run in the thread until the port is closed or gone."""
        while self._serial is port:
            try:
                data = port.read(1)
                data += port.read(port.in_waiting)
            except (OSError, TypeError):  # pyserial: TypeError when closed under a read
                self._post_failure()
                return
            if data:
                self._loop.call_soon_threadsafe(self._deliver, port, data)

    def _write(self, port: "serial.Serial") -> None:
        """Run in the thread: one write at a time; what nobody takes in time is dropped like unread bytes."""
        while (data := self._unsent.get()) is not None:
            try:
                port.write(data)
            except OSError as error:
                if "timeout" not in str(error).lower():
                    self._post_failure()
                    return

    def _post_failure(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._fail)

    def _deliver(self, port: "serial.Serial", data: bytes) -> None:
        if self._serial is port:
            self._listener.line_received(data)

    def _fail(self) -> None:
        if self._serial:
            self.close()
            self._listener.line_failed(_gone(self._address))
