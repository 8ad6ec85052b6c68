"""The bank of a story in real time: called by the pinpad itself, or behind a register (scheme ПКХ)."""

import asyncio
import socket
from collections.abc import Callable
from datetime import datetime
from functools import partial

from smartsale_emu.emulator.doors import HostBytes
from smartsale_emu.host.framing import Wire
from smartsale_emu.host.session import BankSession
from smartsale_emu.runtime.bank_link import NoBank, Tell
from smartsale_emu.runtime.ports import BankAddress
from smartsale_emu.scenario.virtual import NONSENSE, Delivery, Fate
from smartsale_emu.terminal.events import BankAsked, BankFailed, BankUnreachable
from smartsale_emu.units import Millis

_LOOPBACK = "127.0.0.1"
_ON_ITS_WAY = frozenset({Delivery.LOST_THERE, Delivery.OVERTAKEN, Delivery.HANGS})


def bound_socket() -> tuple[socket.socket, BankAddress]:
    """Return a socket for the bank on a free port of this machine, and where that is."""
    bound = socket.create_server((_LOOPBACK, 0))
    host, port = bound.getsockname()
    return bound, BankAddress(host, port)


class _Way:
    """Messages that reach the bank late. They outlive the pinpad's power."""

    def __init__(self) -> None:
        self._handles: list[asyncio.TimerHandle] = []

    def later(self, delay: Millis, act: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        self._handles = [one for one in self._handles if one.when() > loop.time()]
        self._handles.append(loop.call_later(delay / 1000, act))

    def lose(self) -> None:
        """They never arrive."""
        for handle in self._handles:
            handle.cancel()
        self._handles.clear()


class FaultyBank:
    """The bank of a story in this process, at the other end of a way that errs when it is told to."""

    def __init__(
        self,
        connect: Callable[[], BankSession],
        fate: Callable[[bytes], Fate],
        today: Callable[[], datetime],
        *,
        delay: Millis,
    ) -> None:
        self._connect, self._fate, self._today, self._delay = connect, fate, today, delay
        self._open: set[int] = set()
        self._way = _Way()
        self.messages = 0

    def call(self, call: int, payload: bytes, tell: Tell) -> None:
        """See `BankLink.call`."""
        self.messages += 1
        fate, loop = self._fate(payload), asyncio.get_running_loop()
        if fate.delivery is Delivery.HANGS:
            return
        if fate.delivery is Delivery.UNREACHABLE:
            tell(BankUnreachable(call, "the bank cannot be reached"))
            return
        self._open.add(call)
        tell(BankAsked(call))
        if fate.delivery is Delivery.LOST_THERE or call not in self._open:
            return
        if fate.delivery is Delivery.OVERTAKEN:
            self._way.later(fate.late, partial(self._connect().receive, payload, self._today()))
            return
        reply, _ = self._connect().receive(payload, self._today())
        loop.call_later((self._delay + fate.late) / 1000, self._answer, call, reply, fate, tell)

    def _answer(self, call: int, reply: bytes, fate: Fate, tell: Tell) -> None:
        if call not in self._open:
            return
        match fate.delivery:
            case Delivery.GARBAGE:
                tell(HostBytes(call, NONSENSE))
            case Delivery.CLOSED:
                tell(BankFailed(call, "the bank closed the connection"))
            case Delivery.FINE | Delivery.LATE:
                for _ in range(fate.copies):
                    tell(HostBytes(call, fate.spoil(reply)))
            case _:
                pass

    def hang_up(self, call: int, *, answered: bool = False) -> None:  # noqa: ARG002
        """See `BankLink.hang_up`."""
        self._open.discard(call)

    def close(self) -> None:
        """Nothing is open any more."""
        self._open.clear()

    def forget_messages(self) -> None:
        """Lose what is on its way to it."""
        self._way.lose()

    async def start(self) -> None:
        """It is there already."""

    async def stop(self) -> None:
        """There is nothing that listens."""


class BankBehindRegister(NoBank):
    """A TCP server whose way there and back errs when it is told to. ``messages``: how many came.

    ``reachable``: False aborts a connection as soon as it is there, the nearest thing to none. ``today``: the
    story's calendar.
    """

    def __init__(
        self,
        bound: socket.socket,
        connect: Callable[[], BankSession],
        wire: Wire,
        *,
        fate: Callable[[bytes], Fate],
        reachable: Callable[[], bool],
        today: Callable[[], datetime],
        delay: Millis,
    ) -> None:
        self._connect, self._wire, self._delay = connect, wire, delay
        self._fate, self._reachable, self._today = fate, reachable, today
        self._bound: socket.socket | None = bound
        self._address: tuple[str, int] = bound.getsockname()
        self._server: asyncio.Server | None = None
        self._way = _Way()
        self.messages = 0

    async def start(self) -> None:
        """Serve in this loop until `stop`; one that serves already goes on."""
        if self._server is None:
            bound = self._bound or socket.create_server(self._address)
            self._server = await asyncio.start_server(self._talk, sock=bound)

    async def stop(self) -> None:
        """Listen no longer. It can be started again."""
        if self._server is not None:
            self._server.close()
        elif self._bound is not None:
            self._bound.close()
        self._server = self._bound = None

    def forget_messages(self) -> None:
        """Lose what is on its way to it."""
        self._way.lose()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._reachable():
                await self._converse(self._connect(), reader, writer)
            else:
                self.messages += 1
        except (OSError, asyncio.IncompleteReadError):
            pass  # the register is gone; what it brought is in the ledger
        finally:
            writer.transport.abort()

    async def _converse(
        self, session: BankSession, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while not session.closed:
            head = await reader.readexactly(self._wire.prefix)
            data = head + await reader.readexactly(self._wire.size_in(head) or 0)
            self.messages += 1
            fate = self._fate(data)
            if fate.delivery is Delivery.UNREACHABLE:
                return
            if fate.delivery is Delivery.OVERTAKEN:
                self._way.later(fate.late, partial(session.receive, data, self._today()))
            if fate.delivery not in _ON_ITS_WAY:
                reply, _ = session.receive(data, self._today())
                await asyncio.sleep((self._delay + fate.late) / 1000)
                if not _answer(writer, reply, fate):
                    return


def _answer(writer: asyncio.StreamWriter, reply: bytes, fate: Fate) -> bool:
    """Send what becomes of a reply; False when the bank hangs up instead."""
    match fate.delivery:
        case Delivery.GARBAGE:
            writer.write(NONSENSE)
        case Delivery.FINE | Delivery.LATE:
            writer.write(fate.spoil(reply) * fate.copies)
    return fate.delivery is not Delivery.CLOSED
