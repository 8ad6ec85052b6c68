"""Ways to the bank: the one in this process, or one over TCP or TLS. All tell the same events.

The promise that the terminal rests on (PROTOCOL.md, section 0.3): ``BankAsked`` is told before the first byte
of the message leaves, and after ``hang_up`` not one more byte of that call leaves. What TLS says before the
message, and its farewell on a connection whose call was answered, are no bytes of a call.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol

from smartsale_emu.emulator.doors import Event, HostBytes
from smartsale_emu.host.framing import PLAIN, Wire
from smartsale_emu.host.session import BankSession, Exchange
from smartsale_emu.runtime.bank_connection import Connection, connect
from smartsale_emu.runtime.ports import BankAddress
from smartsale_emu.terminal.events import BankAsked, BankFailed, BankUnreachable

Tell = Callable[[Event], None]


class BankLink(Protocol):
    """A way to the bank. One call is open at a time."""

    def call(self, call: int, payload: bytes, tell: Tell) -> None:
        """Connect, send the payload, tell what happens.

        ``BankUnreachable`` first and last: not a byte of it left. ``BankAsked`` first: then ``HostBytes`` as
        they come, until somebody hangs up or ``BankFailed`` is told.
        """

    def hang_up(self, call: int, *, answered: bool = False) -> None:
        """End the call; unknown or finished calls are fine. Nothing more is told of it.

        ``answered``: its answer has just been told, and was taken; else one may still come, and meet nobody.
        """

    def close(self) -> None:
        """Give everything back."""


class NoBank:
    """No way of the pinpad's own: the register is asked instead (scheme ПКХ)."""

    def call(self, call: int, payload: bytes, tell: Tell) -> None:  # noqa: ARG002
        """Nobody is there."""
        tell(BankUnreachable(call, "the pinpad has no channel of its own"))

    def hang_up(self, call: int, *, answered: bool = False) -> None:
        """Nothing is ever open."""

    def close(self) -> None:
        """Nothing is ever open."""


class EmbeddedBank:
    """The mock bank in this process: every call is a connection of its own and is answered at once.

    ``today`` gives the bank's local date and time; ``watch`` is shown every exchange.
    """

    def __init__(
        self,
        connect: Callable[[], BankSession],
        *,
        today: Callable[[], datetime],
        watch: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._connect, self._today, self._watch = connect, today, watch

    def call(self, call: int, payload: bytes, tell: Tell) -> None:
        """Answer at once. Raises StateError when the ledger cannot be written."""
        tell(BankAsked(call))
        session = self._connect()
        reply, exchanges = session.receive(payload, self._today())
        for exchange in exchanges:
            if self._watch:
                self._watch(exchange)
        if reply:
            tell(HostBytes(call, reply))
        if session.closed or not reply:
            tell(BankFailed(call, "the bank closed the connection without an answer"))

    def hang_up(self, call: int, *, answered: bool = False) -> None:
        """Nothing is open between calls."""

    def close(self) -> None:
        """Nothing is open between calls."""


@dataclass(slots=True)
class _Call:
    """One message on its way, from dialling to hanging up."""

    number: int
    payload: bytes = field(repr=False)
    tell: Tell
    wire: Wire
    dialling: asyncio.Task[None] | None = None
    connection: Connection | None = None
    answer: bytearray = field(default_factory=bytearray, repr=False)
    being_told: bool = False

    @property
    def answered(self) -> bool:
        """True while the one whole answer is being told: nothing besides it has come."""
        return self.being_told and self.wire.is_one_packet(self.answer)


class TcpBank:
    """A bank over TCP or TLS, at a primary address and perhaps at a backup.

    For every new connection the addresses are tried in their order, ``connect_timeout`` seconds each, TLS
    handshake included; the first one that answers is used. The other timers are the terminal's, not ours.
    ``tls`` is needed when one of the addresses is ``tls:`` (`tls.client_tls`). ``wire``: how the bank
    delimits messages.

    ``keep``: a connection serves one call after the other instead of one. It is kept only when the answer was
    taken as it was told and was one whole message, so that no other can be under way; every other call takes
    its connection along. One that the bank has closed meanwhile
    is replaced in silence, as long as not a byte of the message has left.

    Raises:
        ValueError: no address, or one is ``tls:`` and ``tls`` is None.
    """

    def __init__(
        self,
        addresses: Sequence[BankAddress],
        *,
        connect_timeout: float,
        wire: Wire = PLAIN,
        keep: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if not addresses or (tls is None and any(address.tls for address in addresses)):
            raise ValueError("a bank needs an address, and TLS settings for tls:")
        self._addresses, self._timeout, self._tls = addresses, connect_timeout, tls
        self._wire, self._keep = wire, keep
        self._call: _Call | None = None
        self._kept: Connection | None = None

    def call(self, call: int, payload: bytes, tell: Tell) -> None:
        """Connect and send in the background; a call that is still open is given up."""
        self._give_up()
        self._call = opened = _Call(call, payload, tell, self._wire)
        opened.dialling = asyncio.get_running_loop().create_task(self._converse(opened))

    def hang_up(self, call: int, *, answered: bool = False) -> None:
        """See `BankLink.hang_up`."""
        if self._call is not None and self._call.number == call:
            self._give_up(answered=answered)

    def close(self) -> None:
        """Give the call up, and the connection that was kept."""
        self._give_up()
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _give_up(self, *, answered: bool = False) -> None:
        call, self._call = self._call, None
        if call is None:
            return
        if call.dialling is not None:
            call.dialling.cancel()
        if call.connection is None:
            return
        if not (answered and call.answered):
            call.connection.abort()
        elif self._keep:
            call.connection.rest()
            self._kept = call.connection
        else:
            call.connection.close()

    async def _converse(self, call: _Call) -> None:
        failed = "" if self._reuse(call) else await self._dial(call)
        call.dialling = None
        if failed or call.connection is None:
            self._call = None
            call.tell(BankUnreachable(call.number, failed))
            return
        call.connection.listen(partial(self._heard, call), partial(self._ended, call))
        call.tell(BankAsked(call.number))
        call.connection.send(call.payload)  # nothing, if the call was hung up while that was told

    def _reuse(self, call: _Call) -> bool:
        kept, self._kept = self._kept, None
        if kept is None:
            return False
        if not kept.usable():
            kept.close()
            return False
        call.connection = kept
        return True

    async def _dial(self, call: _Call) -> str:
        """Give the call a connection; return "", or why no address gave one."""
        failures = []
        for address in self._addresses:
            call.connection = connect(address, self._tls)
            failed = await call.connection.dial(address, self._timeout)
            if not failed:
                return ""
            failures.append(f"the bank at {address.url}: {failed}")
        return "; ".join(failures)

    def _heard(self, call: _Call, data: bytes) -> None:
        call.answer += data
        call.being_told = True
        call.tell(HostBytes(call.number, data))
        call.being_told = False

    def _ended(self, call: _Call, because: str) -> None:
        self._call = None
        call.tell(BankFailed(call.number, because))
