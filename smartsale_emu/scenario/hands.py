"""The hands of a story: people, devices and faults. They do what a command says, now."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar, assert_never

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.payment.card import Card, EntryMode
from smartsale_emu.payment.cardholder import wrong_pin
from smartsale_emu.scenario.commands import (
    BLINK,
    AnswerCashier,
    BankApprovesPart,
    BankCommand,
    BankDeclines,
    BankDoes,
    BankForgets,
    BankRecovers,
    Command,
    CutPower,
    DeviceCommand,
    FillDisk,
    LineCloses,
    LineCommand,
    LineDoes,
    LineRecovers,
    LineSlow,
    LoadPaper,
    Pass,
    PersonCommand,
    PresentCard,
    PressCancel,
    PullCard,
    TypePin,
)
from smartsale_emu.scenario.meter import always, never
from smartsale_emu.scenario.registers import RegisterSide
from smartsale_emu.scenario.stage import Stage
from smartsale_emu.scenario.virtual import PowerCutError
from smartsale_emu.security.masking import Secret
from smartsale_emu.terminal.events import CancelPressed, CardPresented, CardPulled, PaperChanged, PinEntered
from smartsale_emu.units import Millis

_Result = TypeVar("_Result")


class StoryStoppedError(Exception):
    """Somebody has stopped the story from outside."""


PATIENCE = Millis(3_600_000)
"""So much of its time a story waits for something: an hour."""


class Hands:
    """Acts on a stage. Where the power fails in the middle of an act, it is away for a while and comes back.

    ``told``: what is done to the power stands in the traces. ``stops``: asked while time passes; once it is
    so, StoryStoppedError is raised, a pinpad without power has it back, and no fault happens any more.
    """

    def __init__(
        self, stage: Stage, register: RegisterSide, *, told: bool, stops: Callable[[], bool] = never
    ) -> None:
        self._stage, self._world, self._stops = stage, stage.world, stops
        self._register_side, self._told = register, told
        self._card: Card | None = None
        self._tapped = self._waits_for_room = False

    def do(self, command: Command, allows: Callable[[], bool] = always) -> None:
        """Do it. ``allows``: asked each time whether a fault may happen.

        Raises:
            ValueError, ProfileError: it cannot be done.
        """
        if isinstance(command, PersonCommand):
            self._person(command)
        elif isinstance(command, DeviceCommand):
            self._device(command)
        else:
            self._fault(command, allows)

    def _person(self, command: PersonCommand) -> None:
        world = self._world
        match command:
            case PresentCard(name, mode):
                card = self._stage.card(name)
                self._card = card
                shown = replace(card, entry_mode=mode) if mode is not None else card
                self._tapped = shown.entry_mode is EntryMode.CONTACTLESS
                self.guard(lambda: world.tell(CardPresented(shown)))
            case PullCard():
                if self._tapped:
                    raise ValueError("a card that was tapped is not in the reader")
                self.guard(lambda: world.tell(CardPulled()))
            case TypePin(digits):
                pin = Secret(digits) if digits else self._wrong_pin()
                self.guard(lambda: world.tell(PinEntered(pin)))
            case PressCancel():
                self.guard(lambda: world.tell(CancelPressed()))
            case AnswerCashier(text):
                self._register_side.answer_cashier(text)
            case _:
                assert_never(command)

    def _device(self, command: DeviceCommand) -> None:
        match command:
            case LoadPaper(loaded):
                self.guard(lambda: self._world.tell(PaperChanged(loaded)))
            case FillDisk(full):
                self._world.disk_full = full
                if self._waits_for_room and not full:
                    self._start()
            case CutPower():
                self._cut(command)
            case Pass(time):
                self.let_pass(time)
            case _:
                assert_never(command)

    def _fault(self, command: BankCommand | LineCommand, allows: Callable[[], bool]) -> None:
        stage, stops = self._stage, self._stops
        if stops is not never:
            allows = partial(_allows_until, stops, allows)
        match command:
            case BankDoes() | BankDeclines() | BankApprovesPart():
                stage.bank_faults.arm(command, allows)
            case BankForgets():
                stage.ledger.forget_last()
            case BankRecovers():
                stage.bank_faults.recover()
            case LineDoes():
                stage.line.arm(command, allows)
            case LineSlow():
                stage.line.slow(command)
            case LineRecovers():
                stage.line.recover()
            case LineCloses(closed):
                self.guard(self._register_side.unplug if closed else self._register_side.come_back)
            case _:
                assert_never(command)

    def _wrong_pin(self) -> Secret:
        card = self._card or self._world.cardholder.card
        if card is None:
            return Secret("0000")
        return wrong_pin(self._stage.cards[card.name].account.pin)

    # --- the power ---------------------------------------------------------------------------------------

    def _cut(self, cut: CutPower) -> None:
        if cut.state:
            reached = self.run(lambda: self._world.emulator.state == cut.state, PATIENCE)
            if not reached:
                raise ValueError(f"the terminal never gets to «{cut.state}»")
        if cut.effect:
            self._world.away = cut.away
            self._world.cut_before = lambda effect: type(effect).__name__ == cut.effect
            return
        self._dark(cut.away)

    def _dark(self, away: Millis) -> None:
        """Let the pinpad be without power for so long."""
        if self._told:
            self._world.tell_trace(Trace("power", f"the power is cut, for {away / 1000:g} s"))
        self._world.power_off()
        try:
            self._rest(away)
        except StoryStoppedError:
            self._start()
            raise
        self._start()

    def _start(self) -> None:
        """Start the pinpad; one that cannot write at once stays dead until its memory is free."""
        self._waits_for_room = False
        try:
            self._world.power_on()
        except PowerCutError:
            self._world.power_off()
            self._waits_for_room = True

    def _failed(self) -> None:
        """The power has failed where the story wanted it, or the pinpad has stopped by itself."""
        away, self._world.away = self._world.away, BLINK
        self._dark(away)

    def guard(self, act: Callable[[], _Result]) -> _Result | None:
        """Do something; the power may fail in the middle of it: then there is no result."""
        try:
            return act()
        except PowerCutError:
            self._failed()
            return None

    # --- time --------------------------------------------------------------------------------------------

    def run(self, until: Callable[[], bool], within: Millis) -> bool:
        limit = self._world.now + within
        while True:
            try:
                return self._run(until, max(0, limit - self._world.now))
            except PowerCutError:
                self._failed()

    def let_pass(self, time: Millis) -> None:
        limit = self._world.now + time
        while self._world.now < limit:
            try:
                self._rest(limit - self._world.now)
                return
            except PowerCutError:
                self._failed()

    def _run(self, until: Callable[[], bool], within: int) -> bool:
        def so() -> bool:
            if self._stops():
                raise StoryStoppedError
            return until()

        return self._world.run(so, within=within)

    def _rest(self, millis: int) -> None:
        limit = self._world.now + millis
        self._run(never, millis)
        self._world.rest(max(0, limit - self._world.now))


def _allows_until(stops: Callable[[], bool], allows: Callable[[], bool]) -> bool:
    return not stops() and allows()
