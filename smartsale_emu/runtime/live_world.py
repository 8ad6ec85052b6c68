"""The world of a story in real time: a pinpad on a real port, with a register that somebody else has written.

It is for a player what `scenario.virtual.World` is, and runs the event loop only while the player waits.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from smartsale_emu.emulator.doors import Effect, Event, HostBytes, Trace
from smartsale_emu.emulator.emulator import Emulator
from smartsale_emu.errors import PortError
from smartsale_emu.host.session import BankSession
from smartsale_emu.payment.cardholder import Cardholder, Prompt
from smartsale_emu.payment.chip_shelf import ChipShelf
from smartsale_emu.runtime.bank_link import Tell
from smartsale_emu.runtime.driver import Clock, Driver
from smartsale_emu.runtime.live_bank import BankBehindRegister
from smartsale_emu.runtime.ports import LineListener, Port
from smartsale_emu.sa.framing import FrameDecoder, Garbage, Unit
from smartsale_emu.scenario.line_faults import LineFaults
from smartsale_emu.scenario.virtual import NONSENSE, Delivery, Fate, Pieces, PowerCutError
from smartsale_emu.terminal.effects import Display, EnterPin, HandsOff, Print, ReadCard
from smartsale_emu.terminal.events import BankAsked, BankFailed, BankUnreachable
from smartsale_emu.units import Millis

GAP = 0.1
"""Seconds of silence after which a frame that has only begun goes on as it is."""

LOOKS_EVERY = 0.02
"""Seconds after which a condition that no effect has touched is looked at again."""


class FaultyPort:
    """A port whose line does what a story wants, in both directions."""

    def __init__(self, port: Port, line: LineFaults, closed: Callable[[], None]) -> None:
        self._port, self._line, self._closed = port, line, closed
        self._listener: LineListener | None = None
        self._decoder = FrameDecoder()
        self._gap: asyncio.TimerHandle | None = None
        self.name = port.name

    async def open(self, listener: LineListener) -> None:
        """Make the port ready. Raises PortError."""
        self._listener = listener
        await self._port.open(self)
        self.name = self._port.name

    def write(self, data: bytes) -> None:
        """Send what the line lets through."""
        self._later(self._line(data, to_register=True), self._port.write)

    def flush(self) -> None:
        """Drop what the register has not read."""
        self._port.flush()

    def close(self) -> None:
        """Give the port back; the register hears no more of its exchange."""
        self._closed()
        self._forget()
        self._port.close()

    def line_opened(self) -> None:
        """See `LineListener`."""
        if self._listener is not None:
            self._listener.line_opened()

    def line_received(self, data: bytes) -> None:
        """Take bytes as the system cuts them: each unit passes the line by itself.

        The beginning of a frame is held until its end is there, or until nothing more comes.
        """
        if self._gap is not None:
            self._gap.cancel()
            self._gap = None
        for unit in self._decoder.feed(data):
            self._pass(_bytes_of(unit))
        if self._decoder.pending:
            self._gap = asyncio.get_running_loop().call_later(GAP, self._let_go)

    def _let_go(self) -> None:
        self._gap = None
        self._pass(self._decoder.drop())

    def _forget(self) -> None:
        self._decoder.drop()
        if self._gap is not None:
            self._gap.cancel()
            self._gap = None

    def _pass(self, data: bytes) -> None:
        if self._listener is not None:
            self._later(self._line(data, to_register=False), self._listener.line_received)

    def line_closed(self, because: str) -> None:
        """See `LineListener`."""
        self._forget()
        self._closed()
        if self._listener is not None:
            self._listener.line_closed(because)

    def line_failed(self, error: PortError) -> None:
        """See `LineListener`."""
        if self._listener is not None:
            self._listener.line_failed(error)

    def line_busy(self) -> bool:
        """See `LineListener`."""
        return self._listener is not None and self._listener.line_busy()

    def _later(self, pieces: Pieces, act: Callable[[bytes], None]) -> None:
        for late, data in pieces:
            if late:
                asyncio.get_running_loop().call_later(late / 1000, act, data)
            else:
                act(data)


def _bytes_of(unit: Unit) -> bytes:
    return unit.data if isinstance(unit, Garbage) else unit.wire


class FaultyBank:
    """The bank of a story in this process, at the other end of a way that errs when it is told to."""

    def __init__(
        self,
        connect: Callable[[], BankSession],
        fate: Callable[[bytes], Fate],
        today: Callable[[], datetime],
        *,
        delay: Millis,
    ) -> None:
        self._connect, self._fate, self._today, self._delay = connect, fate, today, delay
        self._open: set[int] = set()
        self.messages = 0

    def call(self, call: int, payload: bytes, tell: Tell) -> None:
        """See `BankLink.call`."""
        self.messages += 1
        fate, loop = self._fate(payload), asyncio.get_running_loop()
        if fate.delivery is Delivery.HANGS:
            return
        if fate.delivery is Delivery.UNREACHABLE:
            tell(BankUnreachable(call, "the bank cannot be reached"))
            return
        self._open.add(call)
        tell(BankAsked(call))
        if fate.delivery is Delivery.LOST_THERE or call not in self._open:
            return
        if fate.delivery is Delivery.OVERTAKEN:
            loop.call_later(fate.late / 1000, self._connect().receive, payload, self._today())
            return
        reply, _ = self._connect().receive(payload, self._today())
        loop.call_later((self._delay + fate.late) / 1000, self._answer, call, reply, fate, tell)

    def _answer(self, call: int, reply: bytes, fate: Fate, tell: Tell) -> None:
        if call not in self._open:
            return
        match fate.delivery:
            case Delivery.GARBAGE:
                tell(HostBytes(call, NONSENSE))
            case Delivery.CLOSED:
                tell(BankFailed(call, "the bank closed the connection"))
            case Delivery.FINE | Delivery.LATE:
                for _ in range(fate.copies):
                    tell(HostBytes(call, fate.spoil(reply)))
            case _:
                pass

    def hang_up(self, call: int, *, answered: bool = False) -> None:  # noqa: ARG002
        """See `BankLink.hang_up`."""
        self._open.discard(call)

    def close(self) -> None:
        """Nothing is open any more."""
        self._open.clear()


class Disk:
    """The pinpad's memory as long as the story lasts; ``full``: it takes nothing more."""

    def __init__(self) -> None:
        self.text, self.full = "", False

    def save(self, text: str) -> None:
        """Write all of it. Raises PowerCutError when it is full: the pinpad stops there."""
        self._need_room()
        self.text = text

    def append(self, line: str) -> None:
        """Write a line behind it. Raises PowerCutError when it is full."""
        self._need_room()
        self.text += line

    def _need_room(self) -> None:
        if self.full:
            raise PowerCutError


class FragileDriver(Driver):
    """A driver whose power fails before an effect; see `LiveWorld.cut_before`."""

    cut: Callable[[Effect], bool] = staticmethod(lambda _: False)

    def _carry_out(self, effect: Effect, now: Millis) -> None:
        if self.cut(effect):
            raise PowerCutError
        super()._carry_out(effect, now)


class LiveWorld:
    """See `scenario.place.Place`. ``boot`` makes a pinpad from what its disk holds; it begins off.

    ``ready`` is told what a register opens, ``ended`` that the pinpad serves its request no longer.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        boot: Callable[[str | None], Emulator],
        port: Callable[[], Port],
        bank: FaultyBank | BankBehindRegister,
        *,
        clock: Clock,
        cardholder: Cardholder,
        shelf: ChipShelf,
        ready: Callable[[str], None],
        ended: Callable[[], None],
    ) -> None:
        self._loop, self._boot, self._port, self._bank = loop, boot, port, bank
        self._clock, self._shelf, self._ready = clock, shelf, ready
        self._ended, self._served = ended, False
        self._cardholder = cardholder
        self._disk = Disk()
        self._driver: FragileDriver | None = None
        self._task: asyncio.Task[None] | None = None
        self._touched = asyncio.Event()
        self.asked: Prompt | None = None
        self.screen, self.screens = "", list[str]()
        self.printed, self.traces = list[str](), list[tuple[Millis, Trace]]()
        self.cut_before: Callable[[Effect], bool] | None = None
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
        return self._disk.text or None

    @property
    def disk_full(self) -> bool:
        """Whether its memory takes nothing more."""
        return self._disk.full

    @disk_full.setter
    def disk_full(self, full: bool) -> None:
        self._disk.full = full

    @property
    def cardholder(self) -> Cardholder:
        """The customer."""
        return self._cardholder

    @cardholder.setter
    def cardholder(self, cardholder: Cardholder) -> None:
        self._cardholder = cardholder
        if self._driver is not None:
            self._driver.cardholder = cardholder

    # --- time --------------------------------------------------------------------------------------------

    def run(self, until: Callable[[], bool], *, within: int = 600_000) -> bool:
        """Let time pass until a condition holds; False when it does not within so many milliseconds."""
        return self._loop.run_until_complete(self._wait(until, within / 1000))

    def rest(self, millis: int) -> None:
        """Let so many milliseconds pass."""
        self.run(lambda: False, within=millis)

    async def _wait(self, until: Callable[[], bool], within: float) -> bool:
        limit = self._loop.time() + within
        await asyncio.sleep(0)
        while True:
            if self._task is not None and self._task.done() and not self.off:
                self._task.result()  # the power has failed; or the port has gone, and the story ends
                return False
            if until():
                return True
            left = limit - self._loop.time()
            if left <= 0:
                return False
            self._touched.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._touched.wait(), min(left, LOOKS_EVERY))

    # --- what happens ------------------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Something happens to the pinpad now."""

        async def act() -> None:
            if self._driver is not None:
                self._driver.tell(event)

        self._loop.run_until_complete(act())

    def tell_trace(self, trace: Trace) -> None:
        """Keep a trace that somebody else makes."""
        self.traces.append((self.now, trace))

    def see(self, effect: Effect, now: Millis) -> None:
        """Look at what the pinpad does (`driver.Watcher`)."""
        if self._served and not self.emulator.serving:
            self._ended()
        self._served = self.emulator.serving
        match effect:
            case Display(text):
                self.screen = text
                self.screens.append(text)
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
        """The pinpad is dead, its port is gone."""
        self.off, self.asked, self.screen = True, None, ""
        self.cut_before = None
        if self._driver is not None:
            self._driver.stop()
        if self._task is not None:
            self._loop.run_until_complete(asyncio.wait([self._task]))
        self._driver = self._task = None

    def power_on(self) -> None:
        """Start the pinpad on what it had saved, and wait until it is on its port.

        Raises:
            SetupError: the port cannot be opened.
            PowerCutError: its memory is full, and it must write.
        """
        self.off = False
        self.emulator = self._boot(self.saved)
        self._driver = FragileDriver(
            self.emulator,
            self._port(),
            self._bank,
            self._disk,
            clock=self._clock,
            cardholder=self._cardholder,
            shelf=self._shelf,
            watchers=(self,),
        )
        self._driver.cut = lambda effect: self.cut_before is not None and self.cut_before(effect)
        names: list[str] = []
        self._task = self._loop.create_task(self._driver.run(names.append))
        self.run(lambda: bool(names))
        self._ready(names[0])
