"""Plays a scenario on a pinpad that is there already, against the register at its port."""

import threading
from dataclasses import dataclass, field

from smartsale_emu.control import api_models as api
from smartsale_emu.control.fault_book import ConflictError
from smartsale_emu.control.served_pinpad import ServedPinpad
from smartsale_emu.emulator.doors import Trace
from smartsale_emu.errors import ScenarioError, SetupError
from smartsale_emu.runtime.live_play import refuse_what_needs_virtual_time
from smartsale_emu.scenario.commands import FillDisk, LineSlow, LoadPaper
from smartsale_emu.scenario.hands import StoryStoppedError
from smartsale_emu.scenario.loader import Case, load_cases
from smartsale_emu.scenario.model import Bank, Scenario, Terminal
from smartsale_emu.scenario.player import Played, Player
from smartsale_emu.scenario.registers import ForeignRegister
from smartsale_emu.scenario.stage import Library, cardholder

_STOPS_WITHIN = 5.0


@dataclass(slots=True)
class _Telling:
    """One scenario that is played, or was. ``stop``: somebody has asked it to stop; ``told``: how it is."""

    told: api.Scenario
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def end(self, **told: object) -> None:
        """It is over, and this is how."""
        self.told = self.told.model_copy(update={"playing": False, **told})


class StoryTeller:
    """Plays one scenario at a time, in a thread of its own. ``setup``: what the pinpad was started with.

    Its methods are for any thread.
    """

    def __init__(self, pinpad: ServedPinpad, library: Library, setup: api.Setup) -> None:
        self._pinpad, self._library, self._setup = pinpad, library, setup
        self._lock = threading.Lock()
        self._telling = _Telling(api.Scenario(title="", playing=False, passed=None, step=0, problem=""))

    @property
    def playing(self) -> str:
        """The title of the scenario that is played, else empty."""
        told = self.told()
        return told.title if told.playing else ""

    def told(self) -> api.Scenario:
        """Return what is known of the scenario that is played, or was played last."""
        return self._telling.told

    def play(self, text: str) -> None:
        """Begin to play a scenario; one that is played is stopped.

        Raises:
            ScenarioError: it is wrong, or needs another pinpad.
            ConflictError: the one that is played does not stop.
        """
        case = self._case(text)
        begun = api.Scenario(title=case.scenario.title, playing=True, passed=None, step=0, problem="")
        with self._lock:
            self._stop()
            self._telling = telling = _Telling(begun)
            telling.thread = threading.Thread(target=self._tell, args=(case, telling), daemon=True)
            telling.thread.start()

    def stop(self) -> None:
        """Stop it; what it has let go wrong is as it was before. Nothing is done when none is played.

        Raises:
            ConflictError: it does not stop.
        """
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        telling = self._telling
        if telling.thread is not None and telling.thread.is_alive():
            telling.stop.set()
            telling.thread.join(_STOPS_WITHIN)
            if telling.thread.is_alive():
                raise ConflictError("the scenario that is played does not stop")

    def _case(self, text: str) -> Case:
        cases = load_cases(text, origin="scenario", library=self._library)
        if len(cases) != 1:
            raise ScenarioError(f"scenario: its matrix makes {len(cases)} cases, and one can be played here")
        case = cases[0]
        refuse_what_needs_virtual_time(case)
        for problem in _needs_another(case.scenario, self._setup):
            raise ScenarioError(f"scenario: {problem}; only customer is taken from its setting")
        return case

    def _tell(self, case: Case, telling: _Telling) -> None:
        """Play it to its end, however that comes; then nothing that it has let go wrong does so any more."""
        told: dict[str, object] = {"passed": False, "problem": "a mistake of ours"}
        try:
            told = self._outcome(case, telling.stop)
        finally:
            telling.stop.set()
            try:
                self._tidy_up({step.verb for step in case.scenario.steps})
            finally:
                telling.end(**told)

    def _outcome(self, case: Case, stop: threading.Event) -> dict[str, object]:
        try:
            played = self._played(case, stop)
        except StoryStoppedError:
            return {"problem": "it was stopped"}
        except SetupError as error:
            return {"passed": False, "problem": str(error)}
        failure = played.failure
        step, problem = (failure.step + 1, failure.problem) if failure else (0, "")
        end = f"the scenario failed: {problem}" if failure else "the scenario passed"
        self._pinpad.look(lambda: self._pinpad.world.tell_trace(Trace("scenario", end)))
        return {"passed": played.passed, "step": step, "problem": problem}

    def _tidy_up(self, verbs: set[str]) -> None:
        """Take back what lasts: a fault that waits for its moment ends with its story (see `Hands`)."""
        pinpad = self._pinpad
        if "paper" in verbs:
            pinpad.do(LoadPaper(loaded=True))
        if "memory" in verbs:
            pinpad.do(FillDisk(full=False))
        if "line" in verbs:
            pinpad.do(LineSlow(0))
        if "power" in verbs:
            pinpad.mend_power()

    def _played(self, case: Case, stop: threading.Event) -> Played:
        pinpad, scenario, stage = self._pinpad, case.scenario, self._pinpad.stage
        if "customer" in scenario.model_fields_set:
            holder = cardholder(scenario.customer, stage.cards)
            pinpad.look(lambda: setattr(pinpad.world, "cardholder", holder))
        before = len(stage.overheard.requests)
        fresh = not before and not pinpad.look(stage.ledger.operations)
        scenario = scenario.model_copy(update={"agree": scenario.agree and fresh})
        register = ForeignRegister(stage.overheard, met=before)
        player = Player(scenario, stage, seed=scenario.seed, told=True, register=register, stops=stop.is_set)
        return player.play()


def _needs_another(scenario: Scenario, setup: api.Setup) -> list[str]:
    """Return what a scenario wants that this pinpad is not."""
    given = scenario.model_fields_set
    bank = Bank(profile=setup.bank_profile, rules=setup.rules, delay=scenario.bank.delay)
    wrong = {
        "terminal": scenario.terminal != Terminal(profile=setup.terminal_profile),
        "bank": scenario.bank != bank,
        "cards": bool(scenario.cards),
        "scheme": scenario.scheme != setup.scheme,
    }
    return [f"{key} is not as this pinpad's" for key, differs in wrong.items() if differs and key in given]
