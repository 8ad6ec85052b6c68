"""What came of playing: one result for each case, told again in full when it failed."""

from collections.abc import Sequence
from dataclasses import dataclass

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.scenario.checks import Failure
from smartsale_emu.scenario.loader import Case
from smartsale_emu.scenario.player import Played, Player
from smartsale_emu.scenario.stage import Library, build_stage
from smartsale_emu.units import Millis


@dataclass(frozen=True, slots=True)
class Result:
    """One case that was played. ``wall``: seconds that it took; ``log``: what happened, if asked for.

    ``stopped``: why it could not be played at all, empty when it was.
    """

    case: Case
    seed: int
    wall: float
    played: Played | None
    log: Sequence[tuple[Millis, Trace]] = ()
    stopped: str = ""

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return self.played is not None and self.played.passed

    @property
    def failure(self) -> Failure | None:
        """Where it went wrong."""
        return self.played.failure if self.played is not None else None


Log = Sequence[tuple[Millis, Trace]]


def play_case(case: Case, library: Library, *, seed: int, told: bool) -> tuple[Played, Log]:
    """Play one case. ``told``: keep a log; it changes no byte.

    Raises:
        SetupError: a profile, a card or a key that it names is wrong or missing.
    """
    stage = build_stage(case.scenario, library, seed=seed, traced=told)
    played = Player(case.scenario, stage, seed=seed, told=told).play()
    return played, tuple(stage.world.traces)
