"""A pinpad that is controlled from outside of the process: its customer, its power, its clock, its memory."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from smartsale_emu.control.customer import Customer, pin_of
from smartsale_emu.control.event_log import EventLog
from smartsale_emu.control.fault_book import ConflictError, FaultBook
from smartsale_emu.control.hub import Hub
from smartsale_emu.emulator.doors import Trace
from smartsale_emu.payment.cardholder import Prompt
from smartsale_emu.runtime.live_world import LiveWorld
from smartsale_emu.scenario.commands import BLINK, Command, CutPower, FillDisk, LoadPaper
from smartsale_emu.scenario.hands import Hands
from smartsale_emu.scenario.meter import always
from smartsale_emu.scenario.registers import ForeignRegister
from smartsale_emu.scenario.stage import Stage
from smartsale_emu.terminal.events import PaperChanged
from smartsale_emu.terminal.memory import Memory, dump_memory, parse_memory
from smartsale_emu.terminal.table import State
from smartsale_emu.units import Millis

Result = TypeVar("Result")


class ServedPinpad:
    """A pinpad on a port, with a bank of its own. Its methods are for any thread but that of its hub.

    ``ports``: grows by what a register opens, whenever it is opened.
    ``epoch``: the local time of moment 0. ``vet``: raises StateError for a memory that is not this pinpad's,
    with the words for where it comes from.
    ``forgotten``: so many of the registers' requests are older than the last reset.
    """

    def __init__(
        self,
        stage: Stage,
        hub: Hub,
        log: EventLog,
        *,
        epoch: datetime,
        vet: Callable[[str, str], None],
        ports: Sequence[str],
    ) -> None:
        assert isinstance(stage.world, LiveWorld)
        self.stage, self.world, self.log, self.epoch = stage, stage.world, log, epoch
        self.hub, self._vet, self._ports = hub, vet, ports
        self.customer = Customer(stage, self.world.tell)
        self._hands = Hands(stage, ForeignRegister(stage.overheard), told=True)
        self.forgotten = 0
        self._busy = threading.RLock()
        self.faults = FaultBook(self, self._busy)

    @property
    def port(self) -> str:
        """What a register opens."""
        return self._ports[-1] if self._ports else ""

    def look(self, act: Callable[[], Result]) -> Result:
        """Look at several things at one moment."""
        return self.hub.call(act)

    # --- the power ---------------------------------------------------------------------------------------

    @property
    def on(self) -> bool:
        """Whether it has power."""
        return not self.world.off

    @property
    def rests(self) -> bool:
        """Whether nothing is under way: no register is served, and the bank is not asked."""
        emulator = self.world.emulator
        return self.on and not emulator.serving and emulator.state in (State.IDLE, State.OWING)

    @property
    def back_in(self) -> Millis | None:
        """In how many milliseconds the power is back by itself; None: it is on, or stays off."""
        back_at = self.world.back_at
        return Millis(max(0, back_at - self.now())) if back_at is not None else None

    def power_on(self) -> None:
        """Switch it on; what is on stays so. Raises PortError when its port cannot be opened."""
        with self._busy:
            self.world.power_on()

    def power_off(self) -> None:
        """Switch it off, and give its port back; what is off stays so, even if it was to come back."""
        with self._busy:
            if self.on:
                self.look(lambda: self.world.tell_trace(Trace("power", "the power is switched off")))
            self.world.power_off()

    def close(self) -> None:
        """Give everything back. Twice is once."""
        with self._busy:
            self.world.close()

    # --- the customer ------------------------------------------------------------------------------------

    def type_pin(self, digits: str) -> None:
        """The customer types a PIN.

        Raises:
            ConflictError: none is asked for.
            ValueError: it is none.
        """
        pin = pin_of(digits)
        if self.world.asked is not Prompt.PIN:
            raise ConflictError("no PIN is asked for now")
        self.customer.type_pin(pin)

    def cancel(self) -> None:
        """He presses the red key. Raises ConflictError when the pinpad has no power."""
        if self.world.off:
            raise ConflictError("the pinpad has no power")
        self.customer.cancel()

    # --- time and memory ---------------------------------------------------------------------------------

    def now(self) -> Millis:
        """Return the moment, in milliseconds since it began."""
        return self.world.now

    def advance(self, time: Millis) -> None:
        """Let time pass at once, with all that is due in it. Who switches the power off does not wait."""
        self.world.advance(time)

    def advance_to(self, moment: Millis) -> None:
        """Let time pass until a moment. Raises ConflictError when that is past."""
        if moment < self.now():
            raise ConflictError("that moment is past: a clock is not put back")
        self.world.advance_to(moment)

    def snapshot(self) -> str:
        """Return its memory, as it stands in its file."""
        return self.look(lambda: self.world.saved or dump_memory(Memory()))

    def restore(self, text: str) -> None:
        """Start it again with a memory of former times; its bank knows what it knows.

        Raises:
            StateError: it is no memory, or one of another pinpad.
        """
        self._vet(text, "memory")
        self._anew(lambda: setattr(self.world.disk, "text", dump_memory(parse_memory(text, origin="memory"))))

    def reset(self) -> None:
        """Pinpad and bank are new: nothing is remembered, nothing goes wrong, nobody stands there."""
        with self._busy:
            self.faults.clear()
            self.customer.take_card()
            self._anew(self._forget_all)

    def _forget_all(self) -> None:
        self.world.disk.text = dump_memory(Memory())
        self.world.forget_messages()
        self.stage.ledger.forget_all()
        self.world.printed.clear()
        self.forgotten = len(self.stage.overheard.requests)

    def _anew(self, act: Callable[[], None]) -> None:
        with self._busy:
            self.world.power_off()
            self.look(act)
            self.world.power_on()

    # --- what goes wrong (see `fault_book.Faulty`) -------------------------------------------------------

    @property
    def paper(self) -> bool:
        """Whether its own printer has paper."""
        return self.world.paper

    @property
    def disk_full(self) -> bool:
        """Whether its memory takes nothing more."""
        return self.world.disk_full

    def do(self, command: Command, allows: Callable[[], bool] = always) -> None:
        """Do what a command says, now. Raises ValueError when it cannot be done."""
        match command:
            case LoadPaper(loaded):
                self.world.tell(PaperChanged(loaded))
            case FillDisk(full):
                self.world.disk_full = full
            case _:
                self.look(lambda: self._hands.do(command, allows))

    def cut(self, away: Millis) -> None:
        """Cut the power for so long; returns at once."""
        with self._busy:
            self.world.cut(away)

    def cut_at(self, cut: CutPower) -> Callable[[], bool]:
        """Cut the power once the pinpad gets there; returns what tells whether that is still to come."""
        world = self.world
        world.away = cut.away
        if cut.state:
            world.cut_at = cut.state
            return lambda: world.cut_at == cut.state

        def before(effect: object) -> bool:
            return type(effect).__name__ == cut.effect

        world.cut_before = before
        return lambda: world.cut_before is before

    def mend_power(self) -> None:
        """Cut no power any more."""
        self.world.cut_before, self.world.cut_at, self.world.away = None, "", BLINK
