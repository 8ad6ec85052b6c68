"""The world of a story in real time: a pinpad on a real port, with a register that somebody else has written.

It is for a player what `scenario.virtual.World` is, and runs the event loop only while the player waits.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, MutableSequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from smartsale_emu.emulator.doors import Effect, Event, Trace
from smartsale_emu.emulator.emulator import Emulator
from smartsale_emu.errors import SetupError
from smartsale_emu.payment.cardholder import Cardholder, Prompt
from smartsale_emu.payment.chip_shelf import ChipShelf
from smartsale_emu.runtime.disk import Disk
from smartsale_emu.runtime.driver import Clock, Driver, Watcher
from smartsale_emu.runtime.live_bank import BankBehindRegister, FaultyBank
from smartsale_emu.runtime.ports import Port
from smartsale_emu.scenario.commands import BLINK
from smartsale_emu.scenario.virtual import PowerCutError
from smartsale_emu.terminal.effects import Display, EnterPin, HandsOff, Print, ReadCard
from smartsale_emu.terminal.events import PaperChanged
from smartsale_emu.units import Millis, later

Result = TypeVar("Result")

LOOKS_EVERY = 0.02
"""Seconds after which a condition that no effect has touched is looked at again."""

_ACK_WITHIN = 250
"""Milliseconds that a register is given for its ACK while the clock is put forward."""

_PORT_WITHIN = 30_000


class Waits(Protocol):
    """Whoever runs a coroutine in the loop of a world and waits for its end, from outside of that loop."""

    def __call__(self, work: Coroutine[Any, Any, Result], /) -> Result:
        """Return what it returns, or raise what it raises."""


class FragileDriver(Driver):
    """A driver whose power fails before an effect, or after a turn; see `LiveWorld.cut_before`, `cut_at`."""

    cut: Callable[[Effect], bool] = staticmethod(lambda _: False)
    reached: Callable[[], bool] = staticmethod(lambda: False)
    _falls = False

    def _carry_out(self, effect: Effect, now: Millis) -> None:
        if self.cut(effect):
            raise PowerCutError
        super()._carry_out(effect, now)

    def _enter(self, door: Callable[[Millis], list[Effect]]) -> None:
        def watched(now: Millis) -> list[Effect]:
            effects = door(now)
            self._falls = self._falls or self.reached()
            return effects

        super()._enter(watched)
        if self._falls and not self._draining:
            self.stop(PowerCutError())


class LiveWorld:
    """See `scenario.place.Place`. ``boot`` makes a pinpad from what its disk holds; it begins off.

    ``ready`` is told what a register opens, ``ended`` that the pinpad serves its request no longer.
    ``cut_at``: a state; once the pinpad has got there its power fails, as by ``cut_before``.
    ``paper``: whether its own printer has some; a power cut loads none.
    ``revives``: where its power fails it comes back by itself, although nobody waits for anything; else who
    waits is told (PowerCutError). ``back_at``: the moment at which it does.
    ``keeps``: so many traces, the last ones; None: all. ``disk``: of its memory.
    ``died``: told why when it has stopped by itself otherwise.
    """

    def __init__(
        self,
        wait: Waits,
        boot: Callable[[str | None], Emulator],
        port: Callable[[], Port],
        bank: FaultyBank | BankBehindRegister,
        *,
        clock: Clock,
        cardholder: Cardholder,
        shelf: ChipShelf,
        ready: Callable[[str], None],
        ended: Callable[[], None],
        watchers: tuple[Watcher, ...] = (),
        revives: bool = False,
        keeps: int | None = None,
        disk: Disk | None = None,
        died: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._wait_for, self._boot, self._port, self._bank = wait, boot, port, bank
        self._watchers, self._revives, self._died = watchers, revives, died
        self._clock, self._shelf, self._ready = clock, shelf, ready
        self._ended, self._served = ended, False
        self._cardholder = cardholder
        self.disk = disk or Disk()
        self._driver: FragileDriver | None = None
        self._task: asyncio.Task[None] | None = None
        self._touched = asyncio.Event()
        self.asked: Prompt | None = None
        self.screen, self.screens = "", list[str]()
        self.printed = list[str]()
        self.traces: MutableSequence[tuple[Millis, Trace]] = deque(maxlen=keeps)
        self.away = BLINK
        self.paper = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._switch = asyncio.Lock()
        self._returns: asyncio.Task[None] | None = None
        self.back_at: Millis | None = None
        self.cut_before: Callable[[Effect], bool] | None = None
        self.cut_at = ""
        self.off = True
        self.emulator = boot(None)

    # --- what is so --------------------------------------------------------------------------------------

    @property
    def now(self) -> Millis:
        """Milliseconds since the beginning."""
        return self._clock.now()

    @property
    def bank_messages(self) -> int:
        """How many messages the pinpad has sent."""
        return self._bank.messages

    @property
    def saved(self) -> str | None:
        """What its disk holds."""
        return self.disk.text or None

    @property
    def disk_full(self) -> bool:
        """Whether its memory takes nothing more."""
        return self.disk.full

    @disk_full.setter
    def disk_full(self, full: bool) -> None:
        self.disk.full = full

    @property
    def cardholder(self) -> Cardholder:
        """The customer."""
        return self._cardholder

    @cardholder.setter
    def cardholder(self, cardholder: Cardholder) -> None:
        self._cardholder = cardholder
        if self._driver is not None:
            self._driver.change_customer(cardholder)

    # --- time --------------------------------------------------------------------------------------------

    def run(self, until: Callable[[], bool], *, within: int = 600_000) -> bool:
        """Let time pass until a condition holds; False when it does not within so many milliseconds of it."""
        return self._wait_for(self.wait(until, within / self._clock.speed))

    def rest(self, millis: int) -> None:
        """Let so many milliseconds pass."""
        self.run(lambda: False, within=millis)

    def advance(self, millis: int) -> None:
        """Let so many milliseconds have passed at once, with all that was due in them.

        What travels over a real line or to a bank takes its real time all the same.
        """
        self._wait_for(self._jump(lambda: later(self.now, Millis(millis))))

    def advance_to(self, moment: Millis) -> None:
        """Do the same until a moment; one that is past is left alone."""
        self._wait_for(self._jump(lambda: moment))

    async def _jump(self, to: Callable[[], Millis]) -> None:
        target = to()
        while self.now < target:
            await self.wait(lambda: self.off or not self.emulator.awaits_ack, _ACK_WITHIN)
            due = self.back_at if self.off else self.emulator.next_deadline()
            moment = target if due is None else min(target, max(due, self.now + 1))
            self._clock.advance(Millis(moment - self.now))
            if self._driver is not None:
                self._driver.look_at_the_clock()
            await asyncio.sleep(0)
            if self._returns is not None and self.now >= moment == due:
                await asyncio.wait([self._returns])

    async def wait(self, until: Callable[[], bool], within: float) -> bool:
        """Do what `run` does, for who is in the loop himself; in milliseconds of the wall."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + within / 1000
        await asyncio.sleep(0)
        while True:
            if self._task is not None and self._task.done() and not self._comes_back_from(self._task):
                self._task.result()  # the power has failed; or the port has gone, and the story ends
                return False
            if until():
                return True
            left = limit - loop.time()
            if left <= 0:
                return False
            self._touched.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._touched.wait(), min(left, LOOKS_EVERY))

    # --- what happens ------------------------------------------------------------------------------------

    def at_once(self, act: Callable[[], Result]) -> Result:
        """Do several things at one moment, between two turns of the loop."""
        if self._is_in_loop():
            return act()

        async def work() -> Result:
            return act()

        return self._wait_for(work())

    def _is_in_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def tell(self, event: Event) -> None:
        """Something happens to the pinpad now."""

        def act() -> None:
            if isinstance(event, PaperChanged):
                self.paper = event.loaded
            if self._driver is not None:
                self._driver.tell(event)

        self.at_once(act)

    def forget_messages(self) -> None:
        """What is on its way to the bank never arrives."""
        self._bank.forget_messages()

    def tell_trace(self, trace: Trace) -> None:
        """Keep a trace that somebody else makes."""
        self.traces.append((self.now, trace))
        for watcher in self._watchers:
            watcher.see(trace, self.now)

    def see(self, effect: Effect, now: Millis) -> None:
        """Look at what the pinpad does (`driver.Watcher`)."""
        if self._served and not self.emulator.serving:
            self._ended()
        self._served = self.emulator.serving
        match effect:
            case Display(text):
                self.screen = text
                self.screens.append(text)
                self.traces.append((now, Trace("screen", text)))
            case ReadCard():
                self.asked = Prompt.CARD
            case EnterPin():
                self.asked = Prompt.PIN
            case HandsOff():
                self.asked = None
            case Print(text):
                self.printed.append(text)
            case Trace():
                self.traces.append((now, effect))
            case _:
                pass
        self._touched.set()

    # --- the power ---------------------------------------------------------------------------------------

    def power_off(self) -> None:
        """The pinpad is dead, its port is gone, until somebody switches it on."""
        self._wait_for(self._switch_off(None))

    def cut(self, away: Millis) -> None:
        """Let it be without power for so long of its time; returns at once."""
        self._wait_for(self._switch_off(away))

    def power_on(self) -> None:
        """Start the pinpad on what it had saved, and wait until it is on its port; one that is on stays so.

        Raises:
            SetupError: the port cannot be opened; the pinpad is without power then.
            PowerCutError: its memory is full, and it must write.
        """
        self._wait_for(self._switch_on())

    def close(self) -> None:
        """Power off, and the bank stops listening too. It can be switched on again."""
        self.power_off()
        self._wait_for(self._bank.stop())

    async def _switch_off(self, away: Millis | None) -> None:
        async with self._switch:
            self._stay_off()
            driver, task = self._driver, self._task
            self._go_dark()
            if driver is not None:
                driver.stop()
            if task is not None:
                await asyncio.wait([task])
            if away is not None:
                self._tell_cut(away)
                self._come_back_in(away)

    async def _switch_on(self) -> None:
        async with self._switch:
            self._stay_off()
            if self.off:
                await self._start()

    async def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._bank.start()
        self.emulator = self._boot(self.saved)
        driver = FragileDriver(
            self.emulator,
            self._port(),
            self._bank,
            self.disk,
            clock=self._clock,
            cardholder=self._cardholder,
            shelf=self._shelf,
            watchers=(self, *self._watchers),
        )
        driver.cut = lambda effect: self.cut_before is not None and self.cut_before(effect)
        driver.reached = lambda: self.emulator.state == self.cut_at
        names: list[str] = []
        self._driver = driver
        self._task = task = asyncio.create_task(driver.run(names.append))
        try:
            await self.wait(lambda: bool(names), _PORT_WITHIN)
        except (SetupError, PowerCutError):
            self._go_dark()
            raise
        self.off = False
        if names:
            self._ready(names[0])
        if not self.paper:
            driver.tell(PaperChanged(loaded=False))
        task.add_done_callback(self._fallen)

    def _fallen(self, task: asyncio.Task[None]) -> None:
        """It has stopped by itself, or somebody has switched it off."""
        if task is not self._task or task.cancelled():
            return
        if self._comes_back_from(task):
            away = self.away
            self._tell_cut(away)
            self._go_dark()
            self._come_back_in(away)
        elif (error := task.exception()) is not None and self._died is not None:
            self._died(error)

    def _tell_cut(self, away: Millis) -> None:
        self.tell_trace(Trace("power", f"the power is cut, for {away / 1000:g} s"))

    def _comes_back_from(self, task: asyncio.Task[None]) -> bool:
        """Tell whether a pinpad that has ended in this way comes back by itself."""
        return self._revives and isinstance(task.exception(), PowerCutError)

    def _go_dark(self) -> None:
        self._driver = self._task = None
        self.off, self.asked, self.screen = True, None, ""
        self.cut_before, self.cut_at, self.away = None, "", BLINK
        self.emulator = self._boot(self.saved)  # all that is known of it now is what its disk holds

    def _come_back_in(self, away: Millis) -> None:
        self.back_at = later(self.now, away)
        self._returns = asyncio.create_task(self._come_back(self.back_at))

    async def _come_back(self, moment: Millis) -> None:
        """Where its memory is full and must be written it falls again."""
        while self.now < moment:
            await asyncio.sleep(LOOKS_EVERY)
        async with self._switch:
            try:
                await self._start()
            except SetupError as error:
                self.tell_trace(Trace("power", f"the pinpad cannot come back: {error}"))
            finally:
                self._returns = self.back_at = None

    def _stay_off(self) -> None:
        if self._returns is not None:
            self._returns.cancel()
        self._returns = self.back_at = None
