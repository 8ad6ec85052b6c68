"""The blocking line of our own register: one exchange over a serial port, a pty or a TCP connection.

A register's ``--port`` is what a pinpad prints: ``tcp:HOST:PORT``, the path of a pty, or a serial device.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Iterable
from typing import Protocol, assert_never

from smartsale_emu.errors import PortError
from smartsale_emu.register.session import (
    Because,
    Ended,
    NoAnswer,
    Outcome,
    RegisterEffect,
    RegisterSession,
    Remarked,
    Send,
    Waited,
)
from smartsale_emu.runtime.ports import (
    URL_HELP,
    SerialAddress,
    TcpAddress,
    parse_serial,
    parse_tcp,
    plain_reason,
    split_url,
)
from smartsale_emu.runtime.serial_device import open_device
from smartsale_emu.units import Millis

CONNECT_TIMEOUT = 10.0  # seconds
_READ_SIZE = 65_536


class Line(Protocol):
    """An open line to a pinpad."""

    def read(self, timeout: float) -> bytes:
        """Return what has come, at the latest after ``timeout`` seconds; nothing came: empty.

        Raises:
            OSError: the line is gone.
        """

    def write(self, data: bytes) -> None:
        """Send everything.

        Raises:
            OSError: the line is gone.
        """

    def close(self) -> None:
        """Close the line; what was written still goes out."""


def exchange(
    port: str, session: RegisterSession, *, on_effect: Callable[[RegisterEffect], None] = lambda _: None
) -> Outcome:
    """Run one exchange on a line opened for it, and return how it ended.

    ``on_effect`` hears of every effect: waits, remarks. A line that breaks after it was opened is an outcome,
    `NoAnswer` with `LINE_LOST`, since the operation may have been carried out. Ctrl-C cancels the operation
    with EOT and then goes on as KeyboardInterrupt.

    Raises:
        PortError: the line cannot be opened; one clear line.
    """
    line = open_line(port)
    try:
        return converse(line, session, on_effect=on_effect)
    finally:
        line.close()


def converse(
    line: Line, session: RegisterSession, *, on_effect: Callable[[RegisterEffect], None] = lambda _: None
) -> Outcome:
    """Run one exchange on an open line, which stays open: for registers that never close their port."""
    try:
        _carry_out(line, session.start(_now()), on_effect)
        while session.outcome is None:
            deadline = session.next_deadline()
            wait = 0.0 if deadline is None else max(0.0, (deadline - _now()) / 1000)
            if data := line.read(wait):
                _carry_out(line, session.receive(data, _now()), on_effect)
            _carry_out(line, session.tick(_now()), on_effect)
    except OSError as error:
        for effect in session.lose_line(_now(), plain_reason(error)):
            on_effect(effect)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            _carry_out(line, session.cancel(_now()), on_effect)
        raise
    return session.outcome or NoAnswer(Because.LINE_LOST)


def open_line(port: str) -> Line:
    """Open a line to the pinpad that has this port.

    Raises:
        PortError: it is wrong, busy, missing, or nobody listens; one clear line.
    """
    match _address(port):
        case TcpAddress() as address:
            return TcpLine(address)
        case SerialAddress() as address:
            return SerialLine(address)
        case other:
            assert_never(other)


def _address(port: str) -> TcpAddress | SerialAddress:
    """Read a register's port: a URL, or just a path or a device."""
    if ":" not in port:
        if not port:
            raise PortError(f"port '' is not understood: {URL_HELP}")
        return parse_serial(port)
    scheme, rest = split_url(port)
    return parse_tcp(rest) if scheme == "tcp" else parse_serial(rest)


def _carry_out(
    line: Line, effects: Iterable[RegisterEffect], on_effect: Callable[[RegisterEffect], None]
) -> None:
    for effect in effects:
        match effect:
            case Send(data):
                line.write(data)
            case Waited() | Remarked() | Ended():
                pass
            case _:
                assert_never(effect)
        on_effect(effect)


def _now() -> Millis:
    return Millis(time.monotonic_ns() // 1_000_000)


class SerialLine:
    """A serial port or the path of a pty."""

    def __init__(self, address: SerialAddress) -> None:
        self._serial = open_device(address, timeout=0)

    def read(self, timeout: float) -> bytes:
        """See `Line.read`."""
        self._serial.timeout = timeout
        first: bytes = self._serial.read(1)
        if not first:
            return first
        rest: bytes = self._serial.read(self._serial.in_waiting)
        return first + rest

    def write(self, data: bytes) -> None:
        """See `Line.write`."""
        self._serial.write(data)

    def close(self) -> None:
        """See `Line.close`."""
        with contextlib.suppress(OSError):
            self._serial.close()


class TcpLine:
    """A TCP connection to a pinpad that listens."""

    def __init__(self, address: TcpAddress) -> None:
        try:
            self._socket = socket.create_connection((address.host, address.port), CONNECT_TIMEOUT)
        except socket.gaierror:
            raise PortError(f"{address.url}: unknown host") from None
        except TimeoutError:
            raise PortError(f"{address.url}: no answer in {CONNECT_TIMEOUT:.0f} s") from None
        except OSError as error:
            raise PortError(f"{address.url}: {plain_reason(error)}") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self, timeout: float) -> bytes:
        """See `Line.read`."""
        self._socket.settimeout(max(timeout, 0.001))  # zero would make the socket non-blocking
        try:
            data = self._socket.recv(_READ_SIZE)
        except TimeoutError:
            return b""
        if not data:
            raise ConnectionResetError("the pinpad closed the connection")
        return data

    def write(self, data: bytes) -> None:
        """See `Line.write`."""
        self._socket.settimeout(CONNECT_TIMEOUT)
        self._socket.sendall(data)

    def close(self) -> None:
        """See `Line.close`."""
        self._socket.close()
