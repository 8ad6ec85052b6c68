"""The bank's side of the core: calls by the pinpad itself (КПХ) or through the register's tunnel (ПКХ)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, assert_never

from smartsale_emu.emulator.bank_calls import BankCalls, MessageSafe
from smartsale_emu.emulator.doors import CallHost, Effect, HostBytes
from smartsale_emu.emulator.tracing import Tracer
from smartsale_emu.emulator.tunnel import Closed, Say, Tell, Tunnel, TunnelEffect, TunnelToken, Withdraw
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.effects import CallBank, HangUp
from smartsale_emu.terminal.events import BankAsked, BankEvent, BankFailed, BankReplied, BankUnreachable, said
from smartsale_emu.terminal.kept import Safe
from smartsale_emu.units import Millis, calendar


class PinpadSafe(Safe, MessageSafe, Protocol):
    """The secure part of the pinpad, for its terminal and for its messages."""


class Owner(Protocol):
    """Whoever has a bank's side: the core."""

    def tell_of_bank(self, event: BankEvent, now: Millis) -> None:
        """Something happened to the open call."""

    def say(self, message: Message, token: TunnelToken, now: Millis, *, data: bool) -> None:
        """Hand a request of the tunnel to the link; ``data``: bytes for the bank."""

    def withdraw(self, token: TunnelToken) -> None:
        """Take a request of the tunnel back from the link."""

    def tunnel_closed(self, now: Millis) -> None:
        """Nothing of the register is needed any more: the final answer may leave."""

    def put(self, effect: Effect) -> None:
        """Ask for an effect."""


class BankSide:
    """The way to the bank. ``tunnel``: None in scheme КПХ."""

    def __init__(
        self,
        owner: Owner,
        dialect: Dialect,
        safe: MessageSafe,
        tunnel: Tunnel | None,
        epoch: datetime,
        trace: Tracer,
    ) -> None:
        self._owner, self._tunnel, self._epoch, self._trace = owner, tunnel, epoch, trace
        self._calls = BankCalls(dialect, safe, trace)

    @property
    def register_is_busy(self) -> bool:
        """A reply of the register is awaited: it can take no wait frame now (0.1)."""
        return self._tunnel is not None and self._tunnel.awaiting

    def next_deadline(self) -> Millis | None:
        """When ``tick`` has something to do."""
        return self._tunnel.next_deadline() if self._tunnel else None

    def tick(self, now: Millis) -> None:
        """Let time pass."""
        if self._tunnel is not None:
            self._follow(self._tunnel.tick(now), now)

    # --- what the terminal wants -------------------------------------------------------------------------

    def call(self, wanted: CallBank, now: Millis, *, register: bool) -> None:
        """Send a request. ``register``: one is being served, and could carry it."""
        call = wanted.call
        payload = self._calls.dial(call, wanted.request, wanted.keys)
        if isinstance(payload, BankUnreachable):
            self._tell(payload, now)
        elif self._tunnel is None:
            self._owner.put(CallHost(call, payload))
        elif register:
            self._follow(self._tunnel.call(call, payload, now), now)
        else:
            self._tell(BankUnreachable(call, "no register, and the bank is behind it"), now)

    def hang_up(self, call: int, now: Millis, *, answered: bool = False) -> None:
        """End a call. The tunnel's connection serves the next one too, unless an answer may still come."""
        self._calls.hang_up()
        if self._tunnel is not None:
            self._follow(self._tunnel.hang_up(call, keep=answered), now)
        else:
            self._owner.put(HangUp(call, answered))

    def close(self, now: Millis) -> None:
        """The session ends well: the register closes the connection that it opened for us."""
        if self._tunnel is None:
            self._owner.tunnel_closed(now)
        else:
            self._follow(self._tunnel.close(now), now)

    def drop(self, now: Millis) -> None:
        """The register has left."""
        if self._tunnel is not None:
            self._follow(self._tunnel.drop("the register has left, and the bank is behind it"), now)

    # --- what comes from outside -------------------------------------------------------------------------

    def receive(self, call: int, data: bytes, now: Millis) -> None:
        """Take bytes of the bank."""
        ending = self._calls.hear(call, data, calendar(self._epoch, now).date())
        if ending is not None:
            self.hang_up(call, now, answered=isinstance(ending, BankReplied))
            self._owner.tell_of_bank(ending, now)

    def reply(self, message: Message, now: Millis) -> bool:
        """Take a reply of the register to a request of the tunnel; False when there is no tunnel."""
        if self._tunnel is None:
            return False
        self._follow(self._tunnel.reply(message, now), now)
        return True

    def sent(self, token: TunnelToken, now: Millis) -> None:
        """The first byte of a request of the tunnel has left."""
        if self._tunnel is not None:
            self._follow(self._tunnel.sent(token), now)

    def delivered(self, token: TunnelToken, now: Millis) -> None:
        """The register has acknowledged a request of the tunnel."""
        if self._tunnel is not None:
            self._follow(self._tunnel.delivered(token, now), now)

    def _follow(self, effects: Iterable[TunnelEffect], now: Millis) -> None:
        for effect in effects:
            match effect:
                case Say(message, token, data):
                    self._owner.say(message, token, now, data=data)
                case Withdraw(token):
                    self._owner.withdraw(token)
                case Tell(event):
                    self._tell(event, now)
                case Closed():
                    self._owner.tunnel_closed(now)
                case _:
                    assert_never(effect)

    def _tell(self, event: BankAsked | BankUnreachable | BankFailed | HostBytes, now: Millis) -> None:
        if isinstance(event, HostBytes):
            self.receive(event.call, event.data, now)
        else:
            self._trace.note("bank", said(event), call=event.call)
            self._owner.tell_of_bank(event, now)
