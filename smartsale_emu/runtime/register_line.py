"""The blocking line of our own register: one exchange over a serial port, a pty or a TCP connection.

What the pinpad asks meanwhile, the way to the bank or a word of the cashier, is worked aside, so that the
line is read all the time. A register's ``--port`` is what a pinpad prints: ``tcp:HOST:PORT``, the path of a
pty, or a serial device.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, assert_never

from smartsale_emu.errors import PortError
from smartsale_emu.register.effects import (
    AskCashier,
    Because,
    CloseHost,
    Ended,
    FetchHost,
    NoAnswer,
    OpenHost,
    Outcome,
    RegisterEffect,
    Remarked,
    Send,
    SendHost,
    Waited,
)
from smartsale_emu.register.session import RegisterSession
from smartsale_emu.runtime.ports import (
    URL_HELP,
    SerialAddress,
    TcpAddress,
    parse_serial,
    parse_tcp,
    plain_reason,
    split_url,
)
from smartsale_emu.runtime.register_host import HostChannel
from smartsale_emu.runtime.serial_device import open_device
from smartsale_emu.units import Millis

CONNECT_TIMEOUT = 10.0  # seconds
_READ_SIZE = 65_536
_POLL = 0.01  # seconds between looks at bank and cashier, while they are at work


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


@dataclass(frozen=True, slots=True)
class CashierWord:
    """What the cashier said: a text, empty for a plain OK; None: there is no window. Or he ``cancelled``."""

    text: str | None
    cancelled: bool = False


class Cashier(Protocol):
    """Who is asked on behalf of a pinpad. Nothing here waits."""

    def ask(self, text: str) -> None:
        """Put a question."""

    def said(self) -> CashierWord | None:
        """Return the answer to the question; None: there is none yet."""

    def withdraw(self) -> None:
        """Take the question back; without one nothing happens."""


OnEffect = Callable[[RegisterEffect], None]


def exchange(
    port: str,
    session: RegisterSession,
    *,
    cashier: Cashier | None = None,
    on_effect: OnEffect = lambda _: None,
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
        return converse(line, session, cashier=cashier, on_effect=on_effect)
    finally:
        line.close()


def converse(
    line: Line,
    session: RegisterSession,
    *,
    cashier: Cashier | None = None,
    channel: HostChannel | None = None,
    on_effect: OnEffect = lambda _: None,
) -> Outcome:
    """Run one exchange on an open line, which stays open: for registers that never close their port.

    ``channel``: the way to the bank, if it shall have other times than the usual; closed at the end.
    """
    conversation = _Conversation(line, session, cashier, channel or HostChannel(), on_effect)
    try:
        conversation.run()
    except OSError as error:
        for effect in session.lose_line(_now(), plain_reason(error)):
            on_effect(effect)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            conversation.carry_out(session.cancel(_now()))
        raise
    finally:
        conversation.end()
    return session.outcome or NoAnswer(Because.LINE_LOST)


class _Conversation:
    """Carries out the effects of one session and brings it what came of them."""

    def __init__(
        self,
        line: Line,
        session: RegisterSession,
        cashier: Cashier | None,
        channel: HostChannel,
        on_effect: OnEffect,
    ) -> None:
        self._line, self._session, self._cashier, self._channel = line, session, cashier, channel
        self._on_effect = on_effect
        self._asking = False

    def run(self) -> None:
        """Converse until the session has its outcome. Raises OSError when the line breaks."""
        session = self._session
        self.carry_out(session.start(_now()))
        while session.outcome is None:
            if data := self._line.read(self._patience()):
                self.carry_out(session.receive(data, _now()))
            self._collect()
            self.carry_out(session.tick(_now()))

    def end(self) -> None:
        """Give connection and question back."""
        self._channel.close()
        if self._cashier is not None:
            self._cashier.withdraw()

    def carry_out(self, effects: Iterable[RegisterEffect]) -> None:
        """Do it, in order."""
        for effect in effects:
            match effect:
                case Send(data):
                    self._line.write(data)
                case OpenHost(host, port):
                    self._channel.open(host, port)
                case SendHost(data):
                    self._channel.send(data)
                case FetchHost():
                    self._channel.fetch()
                case CloseHost():
                    self._channel.close()
                case AskCashier(text):
                    self._ask(text)
                case Waited() | Remarked() | Ended():
                    pass
                case _:
                    assert_never(effect)
            self._on_effect(effect)

    def _patience(self) -> float:
        deadline = self._session.next_deadline()
        wait = 0.0 if deadline is None else max(0.0, (deadline - _now()) / 1000)
        return min(wait, _POLL) if self._asking or self._channel.open_or_opening else wait

    def _collect(self) -> None:
        while (told := self._channel.told()) is not None:
            self.carry_out(told(self._session, _now()))
        if self._asking and (word := self._cashier.said() if self._cashier else CashierWord(None)):
            self._asking = False
            if word.cancelled:
                self.carry_out(self._session.cashier_refused(_now()))
            else:
                self.carry_out(self._session.cashier_said(word.text, _now()))

    def _ask(self, text: str) -> None:
        self._asking = True
        if self._cashier is not None:
            self._cashier.ask(text)


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
