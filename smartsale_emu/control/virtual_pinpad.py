"""A pinpad in memory, with a clock that jumps: a minute of timeouts in a millisecond, no port, no thread."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Literal

from smartsale_emu.control.desk import Desk
from smartsale_emu.control.exchanges import Exchange
from smartsale_emu.control.near_misses import unfinished
from smartsale_emu.control.settings import setting_of, the_library
from smartsale_emu.register.habits import FinalHabit
from smartsale_emu.scenario.commands import BLINK, CutPower
from smartsale_emu.scenario.model import Register
from smartsale_emu.scenario.phrases import duration
from smartsale_emu.scenario.registers import our_register
from smartsale_emu.scenario.requests import Ask, card_of, read_register, with_track
from smartsale_emu.scenario.stage import build_stage
from smartsale_emu.scenario.virtual import World
from smartsale_emu.units import Millis

LONGEST = Millis(3_600_000)
ON_THE_LINE = Millis(20)


class VirtualPinpad(Desk):
    """A pinpad on virtual time, with our register at its line or bytes of your own.

    What it is made of is that of a `Pinpad`; ``bank_delay`` and ``date`` are the same in every run.

    >>> with VirtualPinpad(card="mir-contactless") as pinpad:
    ...     sale = pinpad.ask("sale 100.00")
    >>> sale.approved, sale.field(15)
    (True, '001')

    Raises:
        SetupError: a profile, a card or a key is wrong or missing.
    """

    def __init__(
        self,
        *,
        card: str | None = None,
        pin: str | None = None,
        scheme: Literal["kph", "pkh"] = "kph",
        terminal_profile: str = "unipos-2023",
        terminal_set: Mapping[str, str] | None = None,
        bank_profile: str = "generic-ascii",
        bank_set: Mapping[str, str] | None = None,
        rules: str = "default",
        bank_delay: str = "300ms",
        date: datetime = datetime(2026, 1, 15, 10, 0),
        seed: int = 1,
    ) -> None:
        setting = setting_of(
            card=card,
            pin=pin,
            scheme=scheme,
            terminal={"profile": terminal_profile, "set": dict(terminal_set or {})},
            bank={"profile": bank_profile, "set": dict(bank_set or {}), "rules": rules, "delay": bank_delay},
            date=date,
        )
        stage = build_stage(setting, the_library(), seed=seed, traced=True)
        self._register = our_register(stage)
        super().__init__(stage, self._register)
        self._line = _Bytes()
        self._cut: CutPower | None = None
        self._served, self._seen = False, self._virtual.emulator

    @property
    def _virtual(self) -> World:
        world = self._stage.world
        assert isinstance(world, World)
        return world

    def ask(self, text: str, *, cashier: Sequence[str] = (), final: FinalHabit = FinalHabit.ACK) -> Exchange:
        """Let our register ask, in the words of a scenario, and return how it ended: ``sale 100.00``.

        ``cashier``: what the cashier types when the pinpad has a question (25 = 52), a text for each, such as
        RRN and code of a void that names none; then he cancels. Without it nobody is there to be asked.
        ``final``: what the register says to the answer.

        Raises:
            TypeError: ``cashier`` is one text.
            ValueError: it is no operation.
            UnexpectedError: it does not end within an hour; the text says what it waits for.
        """
        __tracebackhide__ = True
        if isinstance(cashier, str):
            raise TypeError(f"cashier is a list of texts, such as [{cashier!r}]")
        command = read_register(text)
        if not isinstance(command, Ask):
            raise ValueError(f"{text!r} is no operation")
        card = card_of(command)
        ask = with_track(command, self._stage.card(card).track2.reveal()) if card else command
        habits = Register(final=final, cashier=bool(cashier))
        self._hands.guard(lambda: self._register.ask(ask, habits, {}))
        self._run_to_the_end(iter(cashier))
        self._virtual.rest(ON_THE_LINE)  # what the register says last is still on its way
        return self.exchanges[-1]

    def _run_to_the_end(self, typed: Iterator[str]) -> None:
        """Let the register's exchange come to its end, and the cashier answer what he is asked."""
        __tracebackhide__ = True
        register = self._register
        while self._run(lambda: register.over or register.cashier_asked, within=LONGEST):
            if register.over:
                return
            self._hands.guard(lambda: register.answer_cashier(next(typed, None)))
        self._complain(f"after {LONGEST / 1000:g} s {unfinished(self._stage, self.exchanges[-1])}")

    def write(self, data: bytes) -> None:
        """Write bytes to the pinpad, as a register of your own does."""
        if self._virtual.till is not self._line:
            self._hands.guard(lambda: self._virtual.plug(self._line))
        self._virtual.write(data)

    def read(self, within: str = "1s") -> bytes:
        """Return what the pinpad has written since; empty when there is nothing within that time."""
        self._run(lambda: bool(self._line.read), within=duration(within))
        data, self._line.read = self._line.read, b""
        return data

    def _advance(self, time: Millis) -> None:
        self._run(lambda: False, within=time)

    def _cut_at(self, state: str, away: Millis) -> None:
        self._cut = CutPower(away or BLINK, state) if state else None

    def _run(self, until: Callable[[], bool], *, within: Millis) -> bool:
        """Let time pass; where the power is to be cut at a state, it is cut on the way."""

        def stops() -> bool:
            self._notice()
            return self._due_cut() is not None or until()

        limit = self._world.now + within
        while True:
            left = Millis(max(0, limit - self._world.now))
            reached = super()._run(stops, within=left)
            cut = self._due_cut()
            if cut is None:
                if not reached:
                    self._virtual.rest(max(0, limit - self._world.now))
                return reached
            self._cut = None
            self._hands.do(CutPower(cut.away))

    def _due_cut(self) -> CutPower | None:
        """Return the power cut that the pinpad has come to."""
        cut = self._cut
        return cut if cut is not None and cut.state == self._world.emulator.state else None

    def _notice(self) -> None:
        """Look at the pinpad between two moments: whether it is another one, or its session has ended."""
        emulator = self._world.emulator
        if emulator is not self._seen:
            self._stage.overheard.gone()
        elif self._served and not emulator.serving:
            self._stage.overheard.ended()
        self._served, self._seen = emulator.serving, emulator

    def __enter__(self) -> "VirtualPinpad":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        if error is None:
            self.check()


class _Bytes:
    """The end of a line that only keeps what it reads."""

    def __init__(self) -> None:
        self.read = b""

    def receive(self, data: bytes, now: Millis) -> list[bytes]:  # noqa: ARG002
        """Keep it."""
        self.read += data
        return []

    def tick(self, now: Millis) -> list[bytes]:  # noqa: ARG002
        """Write nothing by itself."""
        return []

    def next_deadline(self) -> None:
        """There is nothing to do."""
