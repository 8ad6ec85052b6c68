"""The one driver: it calls the core's doors, carries out effects in their order and arms one timer.

Nothing polls. Events that come while effects are being carried out wait their turn, so the core is never
entered twice.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol, assert_never

from smartsale_emu.emulator.doors import (
    CallHost,
    Effect,
    Event,
    FlushLine,
    LineClosed,
    LineOpened,
    Trace,
    WriteLine,
    at_reader,
    hand_event,
)
from smartsale_emu.emulator.emulator import Emulator
from smartsale_emu.errors import PortError, SetupError
from smartsale_emu.payment.cardholder import Action, Cardholder
from smartsale_emu.payment.chip_shelf import ChipShelf
from smartsale_emu.runtime.bank_link import BankLink
from smartsale_emu.runtime.ports import Port
from smartsale_emu.terminal.effects import (
    Display,
    EnterPin,
    HandsOff,
    HangUp,
    Print,
    ReadCard,
    Remember,
    SelectAgain,
)
from smartsale_emu.terminal.events import PoweredOn
from smartsale_emu.terminal.memory import dump_change, dump_memory
from smartsale_emu.units import Millis, later


class Store(Protocol):
    """Where the memory is written, atomically and synced."""

    def save(self, text: str) -> None:
        """Write the whole text in place of the former one. Raises StateError."""

    def append(self, line: str) -> None:
        """Write a line behind the text. Raises StateError."""


class Clock:
    """Milliseconds since the start, ``speed`` times as fast as the wall."""

    def __init__(self, speed: float = 1.0) -> None:
        self._start, self.speed = time.monotonic(), speed

    def now(self) -> Millis:
        """Return the moment."""
        return Millis(int((time.monotonic() - self._start) * 1000 * self.speed))

    def advance(self, millis: Millis) -> None:
        """Let so many milliseconds have passed at once; whoever waits for a moment has to look again."""
        self._start -= millis / 1000 / self.speed

    def strike(self) -> None:
        """Something comes from outside now."""

    def wall(self, moment: Millis) -> float:
        """Return the monotonic time at which ``now`` reaches a moment, in seconds."""
        return self._start + (moment + 0.5) / 1000 / self.speed


class SteadyClock(Clock):
    """A clock that stands still from one thing that comes from outside to the next.

    What follows from it, the bank's answer too, happens at its moment, as on virtual time: so a session that
    is recorded plays to the same bytes, even where a second ends in between.
    """

    def __init__(self, speed: float = 1.0) -> None:
        super().__init__(speed)
        self._struck = super().now()

    def now(self) -> Millis:
        """Return the moment of the last strike."""
        return self._struck

    def strike(self) -> None:
        """Go on to the present moment."""
        self._struck = super().now()


class Watcher(Protocol):
    """Whoever looks on: a screen, a trace file. Told of every effect after it was carried out."""

    def see(self, effect: Effect, now: Millis) -> None:
        """Look at one effect."""


class Listener(Protocol):
    """Whoever takes down what comes in, before the pinpad hears of it."""

    def received(self, data: bytes, now: Millis) -> None:
        """Bytes of the register."""

    def happened(self, event: Event, now: Millis) -> None:
        """Anything else."""


class Driver:
    """Runs one pinpad on one port until it is stopped or its port is gone."""

    def __init__(
        self,
        emulator: Emulator,
        port: Port,
        bank: BankLink,
        store: Store,
        *,
        clock: Clock,
        cardholder: Cardholder,
        shelf: ChipShelf | None = None,
        watchers: tuple[Watcher, ...] = (),
        listener: Listener | None = None,
    ) -> None:
        self.emulator, self._port, self._bank, self._store = emulator, port, bank, store
        self._clock, self.cardholder, self._watchers = clock, cardholder, watchers
        self._shelf, self._listener = shelf, listener
        self._inbox: deque[Callable[[Millis], list[Effect]]] = deque()
        self._draining = False
        self._hand: tuple[Millis, Event] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed: Millis | None = None
        self._done: asyncio.Future[None] | None = None

    async def run(self, ready: Callable[[str], None]) -> None:
        """Open the port, tell ``ready`` its name, and serve until ``stop``.

        Raises:
            SetupError: the port cannot be opened or has gone, or the memory cannot be written.
        """
        self._done = asyncio.get_running_loop().create_future()
        try:
            await self._port.open(self)
            ready(self._port.name)
            self.tell(PoweredOn())
            await self._done
        finally:
            if self._timer:
                self._timer.cancel()
            self._bank.close()
            self._port.close()

    def stop(self, error: Exception | None = None) -> None:
        """End ``run``: well, or with an error; the next start finishes what was under way."""
        if self._done is None or self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)

    def tell(self, event: Event) -> None:
        """Something happens to the pinpad now."""
        self._clock.strike()
        self._tell(event)

    def _tell(self, event: Event) -> None:
        def enter(now: Millis) -> list[Effect]:
            if self._listener is not None:
                self._listener.happened(event, now)
            return self.emulator.handle(at_reader(event, self._shelf), now)

        self._enter(enter)

    def change_customer(self, cardholder: Cardholder) -> None:
        """Another customer stands there, or he thinks again: what was about to be done is not done."""
        self.cardholder, self._hand = cardholder, None

    def look_at_the_clock(self) -> None:
        """The clock was put forward: do what is due, one deadline after the other."""
        if self._timer:
            self._timer.cancel()
        self._on_timer()

    # --- the line (LineListener) -------------------------------------------------------------------------

    def line_opened(self) -> None:
        """A register opened the line."""
        self.tell(LineOpened())

    def line_received(self, data: bytes) -> None:
        """Bytes of the register."""
        self._clock.strike()

        def enter(now: Millis) -> list[Effect]:
            if self._listener is not None:
                self._listener.received(data, now)
            return self.emulator.receive(data, now)

        self._enter(enter)

    def line_closed(self, because: str) -> None:
        """The register closed the line."""
        self.tell(LineClosed(because))

    def line_failed(self, error: PortError) -> None:
        """The port is gone; what is unfinished is in the memory and is finished by the next start."""
        self.stop(error)

    def line_busy(self) -> bool:
        """Tell whether an operation is running."""
        return self.emulator.serving

    # --- the core ----------------------------------------------------------------------------------------

    def _enter(self, door: Callable[[Millis], list[Effect]]) -> None:
        self._inbox.append(door)
        if self._draining:
            return
        if self._done is None or self._done.done():
            self._inbox.clear()  # stopped: an effect may be missing, so nothing follows it
            return
        self._draining = True
        try:
            while self._inbox:
                now = self._clock.now()
                for effect in self._inbox.popleft()(now):
                    self._carry_out(effect, now)
        except Exception as error:
            self._inbox.clear()
            self.stop(error)
        finally:
            self._draining = False
        self._arm()

    def _carry_out(self, effect: Effect, now: Millis) -> None:
        match effect:
            case WriteLine(data):
                self._port.write(data)
            case FlushLine():
                self._port.flush()
            case Remember() | SelectAgain():
                self._keep(effect)
            case CallHost(call, payload):
                self._bank.call(call, payload, self._tell)
            case HangUp(call, answered):
                self._bank.hang_up(call, answered=answered)
            case ReadCard(_, refused):
                self._act(self.cardholder.on_card_prompt(refused), now)
            case EnterPin(attempt):
                self._act(self.cardholder.on_pin_prompt(attempt), now)
            case HandsOff():
                self._hand = None
            case Display() | Print() | Trace():
                pass
            case _:
                assert_never(effect)
        for watcher in self._watchers:
            try:
                watcher.see(effect, now)
            except SetupError as error:  # a trace that cannot be written must not cost the effects behind it
                self.stop(error)

    def _keep(self, effect: Remember | SelectAgain) -> None:
        if isinstance(effect, SelectAgain):
            if self._shelf is not None:
                self._shelf.selected_again(effect.card)
        elif effect.anew:
            self._store.save(dump_memory(effect.memory))
        else:
            self._store.append(dump_change(effect.memory, effect.entries))

    # --- hands and time ----------------------------------------------------------------------------------

    def _act(self, action: Action | None, now: Millis) -> None:
        self._hand = None
        if action is None:
            return
        event = hand_event(action, self.cardholder.card)
        self._hand = (later(now, action.after), event)

    def _arm(self) -> None:
        """Arm the timer for the next moment; one that is armed for an earlier moment is left alone."""
        deadline = self.emulator.next_deadline()
        if self._hand is not None and (deadline is None or self._hand[0] < deadline):
            deadline = self._hand[0]
        if deadline is None or (self._armed is not None and self._armed <= deadline):
            return
        if self._timer:
            self._timer.cancel()
        self._armed = deadline
        loop = asyncio.get_running_loop()
        delay = self._clock.wall(deadline) - time.monotonic()
        self._timer = loop.call_later(max(0.0, delay), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = self._armed = None
        self._clock.strike()
        now = self._clock.now()
        if self._hand is not None and now >= self._hand[0]:
            event, self._hand = self._hand[1], None
            self.tell(event)
        self._enter(self.emulator.tick)
