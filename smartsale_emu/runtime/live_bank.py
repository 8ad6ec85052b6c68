"""The bank of a story on a port of this machine, for a register that lends its way there (scheme ПКХ)."""

import asyncio
import socket
from collections.abc import Callable
from datetime import datetime

from smartsale_emu.host.framing import Wire
from smartsale_emu.host.session import BankSession
from smartsale_emu.runtime.bank_link import NoBank
from smartsale_emu.runtime.ports import BankAddress
from smartsale_emu.scenario.virtual import NONSENSE, Delivery, Fate
from smartsale_emu.units import Millis

_LOOPBACK = "127.0.0.1"
_ON_ITS_WAY = frozenset({Delivery.LOST_THERE, Delivery.OVERTAKEN, Delivery.HANGS})


def bound_socket() -> tuple[socket.socket, BankAddress]:
    """Return a socket for the bank on a free port of this machine, and where that is."""
    bound = socket.create_server((_LOOPBACK, 0))
    host, port = bound.getsockname()
    return bound, BankAddress(host, port)


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
        self._bound = bound
        self._serving: asyncio.Task[None] | None = None
        self.messages = 0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve in this loop until its tasks are cancelled."""
        self._serving = loop.create_task(self._serve())

    async def _serve(self) -> None:
        await (await asyncio.start_server(self._talk, sock=self._bound)).serve_forever()

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
                asyncio.get_running_loop().call_later(fate.late / 1000, session.receive, data, self._today())
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
