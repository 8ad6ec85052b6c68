"""Plays many cases, in this process or in several, and gives the results in the order of the cases."""

import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache

from smartsale_emu.errors import SetupError
from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.scenario.loader import Case
from smartsale_emu.scenario.results import Result, play_case

_CHUNK = 16
"""Cases that a worker is given at a time."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One case to play. ``told``: keep its log although it passes."""

    case: Case
    seed: int
    told: bool = False


def play_all(turns: Sequence[Turn], *, workers: int) -> Iterator[Result]:
    """Yield a result for every turn, in their order, as soon as it is there.

    Whoever stops asking ends the workers: nothing is left running.
    """
    if workers < 2 or len(turns) < 2:
        yield from map(play_one, turns)
        return
    with ProcessPoolExecutor(max_workers=workers, initializer=_leave_signals) as pool:
        try:
            yield from pool.map(play_one, turns, chunksize=_CHUNK)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _leave_signals() -> None:
    """Let the process that has asked decide what Ctrl-C means; a worker ends when it is told to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def play_one(turn: Turn) -> Result:
    """Play a case; one that fails is played again for its log, which changes no byte of it."""
    begun = time.monotonic()
    try:
        played, log = play_case(turn.case, _library(), seed=turn.seed, told=turn.told)
        wall = time.monotonic() - begun
        if not played.passed and not turn.told:
            played, log = play_case(turn.case, _library(), seed=turn.seed, told=True)
    except SetupError as error:
        return Result(turn.case, turn.seed, time.monotonic() - begun, None, stopped=str(error))
    return Result(turn.case, turn.seed, wall, played, log)


def turns_of(cases: Iterable[Case], *, seed: int | None, told: bool) -> list[Turn]:
    """Return the cases with their seeds: the same for all, or each file's own."""
    return [Turn(case, case.scenario.seed if seed is None else seed, told) for case in cases]


@cache
def _library() -> FileLibrary:
    return FileLibrary()
