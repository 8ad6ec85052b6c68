"""A pinpad that a test or a program runs in its own process, on a real port, with a bank of its own."""

import asyncio
import os
import secrets
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Literal

from smartsale_emu.control.desk import Desk
from smartsale_emu.control.exchanges import Amount, Exchange
from smartsale_emu.control.hub import Result, the_hub
from smartsale_emu.control.settings import setting_of, the_library
from smartsale_emu.control.watched import WITHIN
from smartsale_emu.emulator.doors import Trace
from smartsale_emu.runtime.live_stage import live_stage
from smartsale_emu.runtime.live_world import LiveWorld
from smartsale_emu.scenario.commands import BLINK, CutPower
from smartsale_emu.scenario.phrases import duration
from smartsale_emu.scenario.registers import ForeignRegister
from smartsale_emu.terminal.memory import Memory, dump_memory, parse_memory
from smartsale_emu.units import Millis

ANY_PORT = "tcp:127.0.0.1:0" if sys.platform == "win32" else "pty:"
"""A port of its own, of the kind that a register opens like a serial one where the system has such."""

LONGEST_START = Millis(30_000)

KEPT_TRACES = 5_000
"""About 150 sales."""


class _Told(deque[tuple[Millis, Trace]]):
    """The last traces, without the bytes of frames: they weigh, and no story tells them."""

    def append(self, row: tuple[Millis, Trace]) -> None:
        if row[1].kind != "frame":
            super().append(row)


class Pinpad(Desk):
    """A pinpad on a port. As a context manager it starts, and at the end checks (`Desk.check`) and stops.

    ``port``: where it listens, as of ``run --port``. ``pinpad.port`` is what a register opens then, as a text
    for pyserial: a device, or ``socket://HOST:PORT``; it stays the same when the power is cut. ``card`` and
    ``pin``: of a customer who presents it whenever he is asked. ``terminal_set``, ``bank_set``: rows of the
    profiles with other values, such as ``{"timers.card_ms": "3000"}``. ``bank_delay``: before each answer of
    the bank. ``date``: of the beginning; without it now. Its methods may be called from any thread. A
    coroutine uses ``async with``, and waits by `aexpect`, `aexpect_screen`, `arests` and `acheck`.

    >>> with Pinpad("tcp:127.0.0.1:0", card="mir-contactless") as pinpad:
    ...     pinpad.state, pinpad.port.partition(":")[0]
    ('idle', 'socket')

    >>> async def test_of_a_coroutine() -> str:
    ...     async with Pinpad("tcp:127.0.0.1:0", card="mir-contactless") as pinpad:
    ...         await pinpad.arests()  # here your register asks, in the same loop
    ...         return pinpad.state
    >>> asyncio.run(test_of_a_coroutine())
    'idle'

    Raises:
        SetupError: the port cannot be opened; a profile, a card or a key is wrong or missing.
    """

    def __init__(
        self,
        port: str = ANY_PORT,
        *,
        card: str | None = None,
        pin: str | None = None,
        scheme: Literal["kph", "pkh"] = "kph",
        terminal_profile: str = "unipos-2023",
        terminal_set: Mapping[str, str] | None = None,
        bank_profile: str = "generic-ascii",
        bank_set: Mapping[str, str] | None = None,
        rules: str = "default",
        bank_delay: str = "0ms",
        date: datetime | None = None,
        seed: int = 1,
    ) -> None:
        setting = setting_of(
            card=card,
            pin=pin,
            scheme=scheme,
            terminal={"profile": terminal_profile, "set": dict(terminal_set or {})},
            bank={"profile": bank_profile, "set": dict(bank_set or {}), "rules": rules, "delay": bank_delay},
            date=date or datetime.now().replace(microsecond=0),
        )
        self.port = ""
        self._switch = threading.RLock()  # whoever switches it on or off holds it
        stage = live_stage(
            setting,
            _own_name(port),
            the_hub().wait,
            seed=seed,
            ready=self._ready,
            library=the_library(),
            revives=True,
            keeps=0,
        )
        super().__init__(stage, ForeignRegister(stage.overheard))
        self._live.traces = _Told(maxlen=KEPT_TRACES)

    def _ready(self, port: str) -> None:
        scheme, colon, address = port.partition(":")
        self.port = f"socket://{address}" if scheme == "tcp" and colon else port

    @property
    def _live(self) -> LiveWorld:
        world = self._stage.world
        assert isinstance(world, LiveWorld)
        return world

    def start(self) -> "Pinpad":
        """Switch it on; returns it. Raises SetupError."""
        with self._switch:
            self._live.power_on()
        return self

    def close(self) -> None:
        """Switch it off and give its port back. Twice is once."""
        with self._switch:
            self._live.close()

    def restart(self) -> None:
        """Cut its power; it is back at once, with the memory that it had saved."""
        with self._switch:
            self._live.power_off()
            self._live.power_on()

    def snapshot(self) -> str:
        """Return the pinpad's memory, as it stands in its file; `restore` takes it."""
        return self._look(lambda: self._live.saved or dump_memory(Memory()))

    def restore(self, memory: str) -> None:
        """Start it again with a memory of former times; its bank knows what it knows.

        Raises:
            StateError: it is no memory; nothing has happened then.
        """
        text = dump_memory(parse_memory(memory, origin="the memory to restore"))
        with self._switch:
            self._live.power_off()
            self._live.disk.text = text
            self._live.power_on()

    def _advance(self, time: Millis) -> None:
        self._live.advance(time)

    def _cut_now(self, cut: CutPower) -> None:
        """Cut the power now. A coroutine does not wait until it is back: `arests` does."""
        with self._switch:
            self._live.cut(cut.away)
        if not _in_a_loop():
            self._live.run(lambda: self._live.back_at is None, within=cut.away + LONGEST_START)

    def _cut_at(self, state: str, away: Millis) -> None:
        self._live.cut_at, self._live.away = state, away or BLINK

    def _look(self, act: Callable[[], Result]) -> Result:
        return the_hub().call(act)

    def _run(self, until: Callable[[], bool], *, within: Millis) -> bool:
        if self._look(until):
            return True
        if within and _in_a_loop():
            raise RuntimeError(
                "this would hold up the event loop that it is called in, and a register in it: async with, "
                "await pinpad.aexpect(...), aexpect_screen(...), arests() or acheck()"
            )
        return super()._run(until, within=within)

    # --- context managers --------------------------------------------------------------------------------

    def __enter__(self) -> "Pinpad":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        try:
            if error is None:
                self.check()
        finally:
            self.close()

    async def __aenter__(self) -> "Pinpad":
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        try:
            if error is None:
                await self.acheck()
        finally:
            await asyncio.to_thread(self.close)

    # --- for coroutines: what waits, without holding up their loop -----------------------------------------

    async def aexpect(
        self, operation: str, amount: Amount | None = None, *, within: str = WITHIN
    ) -> Exchange:
        """Do what `expect` does."""
        __tracebackhide__ = True
        money = self._money(amount)
        await self._arun(self._next_is_over, within)
        return self._take(operation, money, within)

    async def aexpect_screen(self, text: str, *, within: str = WITHIN) -> None:
        """Do what `expect_screen` does."""
        __tracebackhide__ = True
        if not await self._arun(lambda: text in self.screen, within):
            self.expect_screen(text, within="0s")

    async def arests(self, *, within: str = WITHIN) -> bool:
        """Do what `rests` does."""
        return await self._arun(self._at_rest, within)

    async def acheck(self, *, within: str = WITHIN) -> None:
        """Do what `check` does."""
        __tracebackhide__ = True
        await self.arests(within=within)
        self._judge(within)

    async def _arun(self, until: Callable[[], bool], within: str) -> bool:
        return await the_hub().wait_from_another_loop(self._live.wait(until, duration(within)))


def _own_name(port: str) -> str:
    """Return the port with a name of its own where it is a pseudo-terminal without one.

    The system gives a device another number after a power cut; a link of this name leads to it.
    """
    if port != "pty:":
        return port
    return f"pty:{Path(tempfile.gettempdir(), f'pinpad-{os.getpid()}-{secrets.token_hex(4)}')}"


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
