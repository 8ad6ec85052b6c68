"""Plays the pinpad's side of a scenario on a real port, against a register that somebody else has written."""

import asyncio
import socket
import time
from collections.abc import Callable
from datetime import datetime

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.errors import ScenarioError
from smartsale_emu.host.session import BankSession
from smartsale_emu.runtime.driver import Clock
from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.runtime.live_bank import BankBehindRegister, bound_socket
from smartsale_emu.runtime.live_world import FaultyBank, FaultyPort, LiveWorld
from smartsale_emu.runtime.port_table import open_port
from smartsale_emu.runtime.ports import Port
from smartsale_emu.scenario.bank_faults import BankFaults
from smartsale_emu.scenario.commands import PHRASES, LineCloses, Pass
from smartsale_emu.scenario.line_faults import LineFaults
from smartsale_emu.scenario.loader import Case
from smartsale_emu.scenario.model import Scenario, Step
from smartsale_emu.scenario.phrases import read_phrase
from smartsale_emu.scenario.player import Player
from smartsale_emu.scenario.registers import ForeignRegister
from smartsale_emu.scenario.requests import Ask, read_register
from smartsale_emu.scenario.results import Result
from smartsale_emu.scenario.stage import Props, Stage
from smartsale_emu.units import Millis, calendar

LONGEST = Millis(600_000)
"""So long a step may let time pass on a real port: ten minutes."""


def play_live(case: Case, url: str, *, seed: int, ready: Callable[[str], None]) -> Result:
    """Play one case in real time on the port ``url``; ``ready`` is told what a register opens.

    Raises:
        SetupError: the port cannot be opened, or the scenario cannot be played on one.
    """
    scenario = case.scenario
    _refuse_what_needs_virtual_time(case)
    begun, loop = time.monotonic(), asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        stage, register = _stage(case, url, loop, seed=seed, ready=ready)
        try:
            stage.world.power_on()
            played = Player(scenario, stage, seed=seed, told=True, register=register).play()
        finally:
            stage.world.power_off()
    finally:
        _end(loop)
    return Result(case, seed, time.monotonic() - begun, played, tuple(stage.world.traces))


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop; what an interruption has left of it is cancelled."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.close()


def _refuse_what_needs_virtual_time(case: Case) -> None:
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


def _telling(world: Callable[[], LiveWorld]) -> Callable[[Trace], None]:
    """Return who keeps the traces of the line; the world is made after it."""

    def tell(trace: Trace) -> None:
        world().tell_trace(trace)

    return tell


def _bank(
    props: Props, faults: BankFaults, scenario: Scenario, clock: Clock, bound: socket.socket | None
) -> FaultyBank | BankBehindRegister:
    """Return the bank in this process, or, on a socket, the one that a register connects to."""

    def connect() -> BankSession:
        return props.connect(faults)

    def today() -> datetime:
        return calendar(scenario.date, clock.now())

    if bound is None:
        return FaultyBank(connect, faults.fate, today, delay=scenario.bank.delay)
    return BankBehindRegister(
        bound,
        connect,
        props.bank_profile.wire.framing,
        fate=faults.fate,
        reachable=faults.reachable,
        today=today,
        delay=scenario.bank.delay,
    )


def _stage(
    case: Case, url: str, loop: asyncio.AbstractEventLoop, *, seed: int, ready: Callable[[str], None]
) -> tuple[Stage, ForeignRegister]:
    scenario, clock = case.scenario, Clock()
    bound, address = bound_socket() if scenario.scheme == "pkh" else (None, None)
    props = Props(scenario, FileLibrary(address) if address else FileLibrary(), seed=seed, traced=True)
    faults = props.faults(clock.now)
    bank = _bank(props, faults, scenario, clock, bound)
    if isinstance(bank, BankBehindRegister):
        bank.start(loop)
    register, overheard = ForeignRegister(props.overheard), props.overheard

    def watch(name: str, data: bytes, *, to_register: bool) -> None:
        before = len(overheard.requests)
        overheard.see(name, data, to_register=to_register)
        if len(overheard.requests) > before:  # what the story expects is of this exchange
            unit = line.seen[-1]
            line.seen.clear()
            line.seen.append(unit)
            world.screens.clear()

    line = LineFaults(clock.now, _telling(lambda: world), watch=watch)

    def port() -> Port:
        return FaultyPort(open_port(url, default_link=None), line, overheard.closed)

    world = LiveWorld(
        loop,
        props.boot,
        port,
        bank,
        clock=clock,
        cardholder=props.cardholder,
        shelf=props.shelf,
        ready=ready,
        ended=overheard.ended,
    )
    return props.stage(world, faults, line), register
