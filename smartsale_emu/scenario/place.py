"""Where a story happens, as a player sees it: on virtual time, or on a real port in real time."""

from collections.abc import Callable, MutableSequence
from typing import Protocol, TypeVar

from smartsale_emu.emulator.doors import Effect, Event, Trace
from smartsale_emu.emulator.emulator import Emulator
from smartsale_emu.payment.cardholder import Cardholder, Prompt
from smartsale_emu.units import Millis

Result = TypeVar("Result")


class Place(Protocol):
    """A pinpad with its customer, its bank and its line. ``asked``: what the pinpad waits for, of a customer.

    ``off``: it has no power. ``disk_full``: its memory takes nothing more. ``cut_before``: the power fails
    before an effect for which this is true, and is ``away`` for so long then.
    """

    emulator: Emulator
    cardholder: Cardholder
    asked: Prompt | None
    screen: str
    screens: list[str]
    printed: list[str]
    traces: MutableSequence[tuple[Millis, Trace]]
    off: bool
    disk_full: bool
    cut_before: Callable[[Effect], bool] | None
    away: Millis

    @property
    def now(self) -> Millis:
        """Milliseconds since the beginning."""

    @property
    def bank_messages(self) -> int:
        """How many messages the pinpad has sent to its bank."""

    @property
    def saved(self) -> str | None:
        """The text of the memory's file, None as long as nothing was written."""

    def run(self, until: Callable[[], bool], *, within: int = 600_000) -> bool:
        """Let time pass until a condition holds; False when it does not within so many milliseconds."""

    def rest(self, millis: int) -> None:
        """Let so many milliseconds pass."""

    def at_once(self, act: Callable[[], Result]) -> Result:
        """Do several things at one moment; `tell` may be one of them."""

    def tell(self, event: Event) -> None:
        """Something happens to the pinpad now."""

    def tell_trace(self, trace: Trace) -> None:
        """Keep a trace that somebody else makes."""

    def power_off(self) -> None:
        """The pinpad is dead."""

    def power_on(self) -> None:
        """Start the pinpad again on what it had saved."""
