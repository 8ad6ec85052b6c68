"""Our register as one end of a world's line; it lends the pinpad its way to the bank when it has one."""

from collections import deque
from collections.abc import Callable, Iterable

from smartsale_emu.register.effects import (
    AskCashier,
    CloseHost,
    FetchHost,
    OpenHost,
    Outcome,
    RegisterEffect,
    Send,
    SendHost,
)
from smartsale_emu.register.habits import Habits, RegisterTiming
from smartsale_emu.register.session import RegisterSession
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.connection import Connection
from smartsale_emu.units import Millis, later

FETCH_WAIT = Millis(1000)
"""A fetch waits so long for bytes of the bank before the register says "nothing yet"."""


class SessionTill:
    """One exchange of our register, in the shape that ``World.plug`` takes.

    ``connect``: its way to the bank, usually ``World.connect``; without one it has none to lend (КПХ).
    ``window``: there is a cashier: ``asks`` is what he is asked, until ``said`` or ``cancel``.
    """

    def __init__(
        self,
        request: Message,
        habits: Habits | None = None,
        *,
        timing: RegisterTiming | None = None,
        connect: Callable[[], Connection | None] | None = None,
        window: bool = False,
    ) -> None:
        self._session = RegisterSession(
            request, timing=timing, habits=habits, channel=connect is not None, window=window
        )
        self.asks: str | None = None
        self._connect = connect
        self._connection: Connection | None = None
        self._fetch_ends: Millis | None = None
        self._started = False
        self.told: list[RegisterEffect] = []

    @property
    def outcome(self) -> Outcome | None:
        """How the exchange ended; None while it runs."""
        return self._session.outcome

    def receive(self, data: bytes, now: Millis) -> list[bytes]:
        """Take bytes of the pinpad."""
        return self._carry_out(self._session.receive(data, now), now)

    def tick(self, now: Millis) -> list[bytes]:
        """Let time pass; the first call sends the request."""
        if not self._started:
            self._started = True
            return self._carry_out(self._session.start(now), now)
        return self._carry_out([*self._session.tick(now), *self._fetched(now)], now)

    def said(self, text: str | None, now: Millis) -> list[bytes]:
        """The cashier answers the question; None: cancels it."""
        self.asks = None
        session = self._session
        effects = session.cashier_refused(now) if text is None else session.cashier_said(text, now)
        return self._carry_out(effects, now)

    def cancel(self, now: Millis) -> list[bytes]:
        """The register gives the operation up."""
        return self._carry_out(self._session.cancel(now), now)

    def leave(self, now: Millis) -> None:
        """The register's port is closed."""
        self._carry_out(self._session.lose_line(now), now)

    def next_deadline(self) -> Millis | None:
        """When ``tick`` has something to do."""
        deadlines = [self._session.next_deadline()]
        if self._fetch_ends is not None:
            arrival = self._connection.next_arrival() if self._connection else None
            deadlines += [self._fetch_ends, arrival]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    # --- effects -----------------------------------------------------------------------------------------

    def _carry_out(self, effects: Iterable[RegisterEffect], now: Millis) -> list[bytes]:
        """Do what the session asks, and what it asks for that in turn; returns what is to be written."""
        written, queue = [], deque(effects)
        while queue:
            effect = queue.popleft()
            self.told.append(effect)
            if isinstance(effect, Send):
                written.append(effect.data)
            else:
                queue += self._at_bank(effect, now)
        return written

    def _at_bank(self, effect: RegisterEffect, now: Millis) -> list[RegisterEffect]:
        match effect:
            case OpenHost():
                self._connection = self._connect() if self._connect else None
                return self._session.host_opened(self._connection is not None, now)
            case SendHost(data):
                sent = self._connection is not None and self._connection.send(data)
                return self._session.host_sent(sent, now)
            case FetchHost():
                self._fetch_ends = later(now, FETCH_WAIT)
                return self._fetched(now)
            case CloseHost():
                self._connection = self._fetch_ends = None
            case AskCashier(text):
                self.asks = text
            case _:
                pass
        return []

    def _fetched(self, now: Millis) -> list[RegisterEffect]:
        """What has come for the fetch that is under way; "nothing yet" when its time is over."""
        if self._fetch_ends is None or self._connection is None:
            return []
        data = self._connection.read(now)
        if data is None:
            return self._session.host_closed(now)
        if not data and now < self._fetch_ends:
            return []
        self._fetch_ends = None
        return self._session.host_fetched(data or None, now)
