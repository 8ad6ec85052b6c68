"""Plays the pinpad's side of a scenario on a real port, against a register that somebody else has written."""

import asyncio
import time
from collections.abc import Callable

from smartsale_emu.errors import ScenarioError
from smartsale_emu.runtime.live_stage import live_stage
from smartsale_emu.runtime.live_world import LiveWorld
from smartsale_emu.scenario.commands import PHRASES, LineCloses, Pass
from smartsale_emu.scenario.loader import Case
from smartsale_emu.scenario.model import Step
from smartsale_emu.scenario.phrases import read_phrase
from smartsale_emu.scenario.player import Player
from smartsale_emu.scenario.registers import ForeignRegister
from smartsale_emu.scenario.requests import Ask, read_register
from smartsale_emu.scenario.results import Result
from smartsale_emu.units import Millis

LONGEST = Millis(600_000)
"""So long a step may let time pass on a real port: ten minutes."""


def play_live(case: Case, url: str, *, seed: int, ready: Callable[[str], None]) -> Result:
    """Play one case in real time on the port ``url``; ``ready`` is told what a register opens.

    Raises:
        SetupError: the port cannot be opened, or the scenario cannot be played on one.
    """
    scenario = case.scenario
    refuse_what_needs_virtual_time(case)
    begun, loop = time.monotonic(), asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        stage = live_stage(scenario, url, loop.run_until_complete, seed=seed, ready=ready)
        world, register = stage.world, ForeignRegister(stage.overheard)
        assert isinstance(world, LiveWorld)
        try:
            world.power_on()
            played = Player(scenario, stage, seed=seed, told=True, register=register).play()
        finally:
            world.close()
    finally:
        _end(loop)
    return Result(case, seed, time.monotonic() - begun, played, tuple(world.traces))


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop; what an interruption has left of it is cancelled."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.close()


def refuse_what_needs_virtual_time(case: Case) -> None:
    """See to it that a case can be played in real time on a port. Raises ScenarioError."""
    for line, step in zip(case.lines, case.scenario.steps, strict=True):
        passes = read_phrase(step.clock, PHRASES["clock"]) if step.clock else None
        if isinstance(passes, Pass) and passes.time > LONGEST:
            minutes = LONGEST // 60_000
            raise ScenarioError(f"{case.origin}:{line}: clock: on a real port {minutes} minutes at most")
        verb = _only_for_ours(step)
        if verb:
            raise ScenarioError(f"{case.origin}:{line}: {verb}: a register of your own does what it likes")


def _only_for_ours(step: Step) -> str:
    """Return the verb by which a step tells our register what to do, beyond an operation."""
    if step.asks and not isinstance(read_register(step.asks), Ask):
        return "register"
    if step.cashier:
        return "cashier"
    closes = step.line and isinstance(read_phrase(step.line, PHRASES["line"]), LineCloses)
    return "line" if closes else ""
