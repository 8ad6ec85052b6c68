"""The session that a pinpad in a vending machine opens by itself (PROTOCOL.md, section 9.5).

At rest, it tells the machine how much the customer may spend; the machine acknowledges, and asks for a sale
when goods were chosen. Nobody chose: EOT, and the next session some time later.
"""

from enum import Enum, auto
from typing import Protocol

from smartsale_emu.emulator.doors import Effect, WriteLine
from smartsale_emu.emulator.tracing import Tracer
from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.framing import Control
from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.effects import Display
from smartsale_emu.terminal.profile import Screen, TerminalProfile, VendingRows
from smartsale_emu.units import RUB, Millis, later


class Owner(Protocol):
    """Whoever opens such sessions: the core."""

    def begin_session(self, message: Message, now: Millis) -> None:
        """Hand the message that opens a session to the link."""

    def put(self, effect: Effect) -> None:
        """Ask for an effect."""


class _Step(Enum):
    """What is due next."""

    BEGIN = auto()
    END = auto()


class Vending:
    """When a session is opened and when it is over. Under most profiles: never."""

    def __init__(self, owner: Owner, profile: TerminalProfile, trace: Tracer) -> None:
        self._owner, self._profile, self._trace = owner, profile, trace
        self._rows = profile.vending
        self._next: tuple[Millis, _Step] | None = None

    def begin(self, now: Millis) -> None:
        """The power is back, or a machine is there that knows of no session yet: it begins at once."""
        if self._rows.begins:
            self._next = now, _Step.BEGIN

    def rest(self, now: Millis) -> None:
        """The pinpad is at rest: it begins after its pause."""
        if self._rows.begins:
            self._next = later(now, self._rows.begin_after), _Step.BEGIN

    def begun(self, now: Millis) -> None:
        """The machine has acknowledged: the customer chooses."""
        self._next = later(now, self._rows.choice_within), _Step.END
        self._owner.put(Display(self._profile.screen(Screen.VENDING, None)))

    def register_left(self, now: Millis) -> None:
        """The register has gone, while nothing was served: nobody chooses any more."""
        if self._next is not None and self._next[1] is _Step.END:
            self._over(now)

    def stop(self) -> None:
        """Something else is going on."""
        self._next = None

    def next_deadline(self) -> Millis | None:
        """When ``tick`` has something to do."""
        return self._next[0] if self._next else None

    def tick(self, now: Millis) -> None:
        """Begin or end a session if its time has come. Not while a request is served."""
        if self._next is None or now < self._next[0]:
            return
        step, self._next = self._next[1], None
        if step is _Step.BEGIN:
            self._owner.begin_session(begin_message(self._rows), now)
        else:
            self._owner.put(WriteLine(Control.EOT.wire))
            self._trace.frame(Control.EOT.wire, "nothing was chosen")
            self._over(now)

    def _over(self, now: Millis) -> None:
        self._owner.put(Display(self._profile.screen(Screen.IDLE, None)))
        self.rest(now)


def begin_message(rows: VendingRows) -> Message:
    """Return the message that opens a session: fields 0, 4 and 86.

    >>> from smartsale_emu.units import MinorUnits
    >>> rows = VendingRows(True, Millis(75_000), Millis(120_000), MinorUnits(20_000), "201000")
    >>> begin_message(rows).encode().hex(" ")
    '00 05 00 32 30 30 30 30 04 03 00 36 34 33 56 06 00 32 30 31 30 30 30'
    """
    return Message.of(
        {Tag.AMOUNT: str(rows.funds), Tag.CURRENCY_CODE: RUB, Tag.ADDITIONAL_DATA: rows.additional}
    )
