"""What happens to a pinpad, as numbered records: kept for a while, and told to whoever follows."""

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from smartsale_emu.emulator.doors import Effect, Trace
from smartsale_emu.terminal.effects import Display, EnterPin, HandsOff, Print, ReadCard
from smartsale_emu.traces.records import as_line
from smartsale_emu.traces.words import words
from smartsale_emu.units import Millis

KEPT: Final = 5_000
HEARTBEAT: Final = 10.0
"""Seconds without a record after which whoever follows is told that we are still here."""


@dataclass(frozen=True, slots=True)
class Event:
    """One record. ``number``: from 1 on, since the process began; ``text``: its JSON object."""

    number: int
    text: str


class EventLog:
    """A `runtime.driver.Watcher` that keeps the last records. ``epoch``: the local time of moment 0.

    Records are those of the trace file; a screen, a prompt and a slip are records too. Each has ``words``.
    """

    def __init__(self, epoch: datetime, *, keeps: int = KEPT) -> None:
        self._epoch = epoch
        self._kept: deque[Event] = deque(maxlen=keeps)
        self._last = 0
        self._lock = threading.Lock()
        self._wake: set[Callable[[], object]] = set()

    @property
    def last(self) -> int:
        """The number of the newest record, 0 before the first."""
        return self._last

    def see(self, effect: Effect, now: Millis) -> None:
        """Keep a record of an effect that people or programs can see."""
        trace = _seen(effect)
        if trace is None:
            return
        with self._lock:
            self._last += 1
            record = as_line(trace, now, self._epoch)
            told = words(trace) if isinstance(effect, Trace) else trace.because
            text = json.dumps({"id": self._last, **record, "words": told}, ensure_ascii=False, default=str)
            self._kept.append(Event(self._last, text))
        for wake in tuple(self._wake):
            wake()

    def since(self, number: int) -> list[Event]:
        """Return what is kept of the records behind a number; all, if that is of another process."""
        with self._lock:
            after = number if number <= self._last else 0
            return [event for event in self._kept if event.number > after]

    async def follow(
        self, number: int, over: asyncio.Event, *, heartbeat: float = HEARTBEAT
    ) -> AsyncIterator[list[Event]]:
        """Yield the records behind a number as they come, an empty list as a sign of life, until ``over``."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        self._wake.add(wake)
        try:
            while not over.is_set():
                woken.clear()
                events = self.since(number)
                number = events[-1].number if events else number
                yield events
                if not events or not self.since(number):
                    await _either(woken, over, heartbeat)
        finally:
            self._wake.discard(wake)


async def _either(woken: asyncio.Event, over: asyncio.Event, seconds: float) -> None:
    waits = [asyncio.ensure_future(one.wait()) for one in (woken, over)]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _seen(effect: Effect) -> Trace | None:
    match effect:
        case Trace():
            return effect
        case Display(text):
            return Trace("screen", text)
        case ReadCard():
            return Trace("asks", "card")
        case EnterPin(attempt):
            return Trace("asks", "pin", {"attempt": attempt})
        case HandsOff():
            return Trace("asks", "")
        case Print(text):
            return Trace("print", text)
        case _:
            return None
