"""What somebody who controls a pinpad does to it, on a real port as on virtual time."""

from collections.abc import Callable
from datetime import timedelta

from smartsale_emu.control.bank import BankDesk
from smartsale_emu.control.customer import AT_ONCE, Customer, pin_of
from smartsale_emu.control.fault_book import Fault
from smartsale_emu.control.fault_words import read_fault, tidy
from smartsale_emu.control.plainly import plainly
from smartsale_emu.control.watched import WITHIN, UnexpectedError, Watched
from smartsale_emu.emulator.doors import Event
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.cardholder import Prompt
from smartsale_emu.scenario.commands import (
    BLINK,
    BankCommand,
    BankRecovers,
    CutPower,
    LineCommand,
    LineRecovers,
)
from smartsale_emu.scenario.hands import Hands
from smartsale_emu.scenario.phrases import duration
from smartsale_emu.scenario.registers import RegisterSide
from smartsale_emu.scenario.stage import Stage
from smartsale_emu.units import Millis

__all__ = ["WITHIN", "Desk", "DeskClock", "UnexpectedError"]


class Desk(Watched):
    """Hands on a pinpad, and eyes (`Watched`). ``bank``: the one behind it."""

    def __init__(self, stage: Stage, register: RegisterSide) -> None:
        super().__init__(stage, Hands(stage, register, told=True))
        self._customer = Customer(stage, self._tell)
        self.bank = BankDesk(stage, self.fault)
        self.clock = DeskClock(lambda: self._world.now, self._advance)

    # --- the customer ------------------------------------------------------------------------------------

    def insert(self, card: str, *, pin: str | None = None) -> None:
        """The customer puts this card into the reader, now and whenever he is asked for one.

        ``pin``: what he types when he is asked; without it nothing, until `type_pin`.

        Raises:
            ProfileError: there is no such card; the text says which there are.
        """
        __tracebackhide__ = True
        plainly(lambda: self._customer.present(card, EntryMode.CHIP, pin))

    def tap(self, card: str, *, pin: str | None = None) -> None:
        """He taps it; otherwise as `insert`."""
        __tracebackhide__ = True
        plainly(lambda: self._customer.present(card, EntryMode.CONTACTLESS, pin))

    def swipe(self, card: str, *, pin: str | None = None) -> None:
        """He swipes it; otherwise as `insert`."""
        __tracebackhide__ = True
        plainly(lambda: self._customer.present(card, EntryMode.MAGSTRIPE, pin))

    def remove(self) -> None:
        """He takes his card away, out of the reader if it is there, and presents none any more."""
        self._customer.take_card()

    def type_pin(self, digits: str, *, within: str = WITHIN) -> None:
        """He types a PIN as soon as he is asked for one.

        Raises:
            UnexpectedError: nobody asks for a PIN within that time.
            ValueError: a PIN has 4 to 12 digits.
        """
        __tracebackhide__ = True
        pin = plainly(lambda: pin_of(digits))
        if not self._run(lambda: self._world.asked is Prompt.PIN, within=duration(within)):
            self._complain(f"the pinpad did not ask for a PIN within {within}; its state is «{self.state}»")
        self._customer.type_pin(pin)

    def cancel(self) -> None:
        """He presses the red key."""
        self._customer.cancel()

    # --- what goes wrong ---------------------------------------------------------------------------------

    def fault(self, text: str) -> None:
        """Do what a step of a scenario would do: ``line: drop ack of final``, ``bank: no answer to money``.

        A power cut at a state, or before an effect, waits until the pinpad gets there; the pinpad is back by
        itself. What waits for a message or a unit and never meets it is told by `check`.

        Raises:
            ValueError: it is not understood; the text says what there is.
        """
        __tracebackhide__ = True
        command = plainly(lambda: read_fault(text))
        if isinstance(command, CutPower) and command.state:
            self._cut_at(command.state, command.away)
        elif isinstance(command, CutPower) and not command.effect:
            self._cut_now(command)
        elif isinstance(command, BankCommand | LineCommand):
            phrase = tidy(text)
            plainly(lambda: self._look(lambda: self._arm(Fault(phrase, phrase, command))))
        else:
            plainly(lambda: self._hands.do(command))

    def clear_faults(self) -> None:
        """Nothing goes wrong any more: line, bank and power; the memory takes more, the paper is loaded."""
        self._world.cut_before, self._world.away = None, BLINK
        self._cut_at("", AT_ONCE)
        self.fault("line: recovers")
        self.fault("bank: recovers")
        if self._world.disk_full:
            self.fault("memory: free")
        self.fault("paper: in")

    def _tell(self, event: Event) -> None:
        self._hands.guard(lambda: self._world.tell(event))

    def _arm(self, fault: Fault) -> None:
        self._hands.do(fault.command, fault.allows)
        if isinstance(fault.command, BankRecovers | LineRecovers):
            self._faults = [one for one in self._faults if one.verb != fault.verb]
        elif fault.times is not None:
            self._faults.append(fault)

    def _cut_now(self, cut: CutPower) -> None:
        """Cut the power now, and wait until it is back."""
        self._hands.do(cut)

    def _cut_at(self, state: str, away: Millis) -> None:
        """Cut the power, for so long, once the pinpad gets to a state; empty: no longer."""
        raise NotImplementedError

    def _advance(self, time: Millis) -> None:
        raise NotImplementedError


class DeskClock:
    """The pinpad's time."""

    def __init__(self, now: Callable[[], Millis], advance: Callable[[Millis], None]) -> None:
        self._now, self._advance = now, advance

    @property
    def now(self) -> timedelta:
        """How long it has been since the pinpad began."""
        return timedelta(milliseconds=self._now())

    def advance(self, time: str | timedelta) -> None:
        """Let time pass at once: ``24h``, ``30s``. Raises ValueError when it is no time."""
        whole = time // timedelta(milliseconds=1) if isinstance(time, timedelta) else duration(time)
        if whole < 0:
            raise ValueError("time does not run backwards")
        self._advance(Millis(whole))
