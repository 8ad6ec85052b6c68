"""Plays a scenario on its stage, step by step, and says how it ended."""

import hashlib
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.errors import ProfileError
from smartsale_emu.payment.cardholder import Prompt
from smartsale_emu.scenario.checks import Failure, check, final_disagreement, with_answers
from smartsale_emu.scenario.commands import PHRASES
from smartsale_emu.scenario.hands import PATIENCE, Hands
from smartsale_emu.scenario.meter import always, never
from smartsale_emu.scenario.model import Scenario, Step
from smartsale_emu.scenario.overheard import Heard
from smartsale_emu.scenario.phrases import read_phrase
from smartsale_emu.scenario.registers import RegisterSide, our_register
from smartsale_emu.scenario.requests import (
    ACTS,
    Ask,
    Cancel,
    Come,
    Crash,
    Leave,
    SendBytes,
    card_of,
    read_register,
    with_track,
)
from smartsale_emu.scenario.stage import Stage
from smartsale_emu.scenario.triggers import TRIGGERS, Moment, Trigger
from smartsale_emu.terminal.table import State
from smartsale_emu.units import Millis

SETTLES_WITHIN = Millis(7_200_000)
"""So much virtual time everything has to come to rest at the end."""

_HAPPENS = frozenset({"register", "card", "pin", "key", "cashier", "power", "clock"})
"""Steps from which on a trigger counts; the others only prepare something, or look."""

_AT_REST = frozenset({State.IDLE, State.OWING})
_USUAL = {
    "register": Moment.RESTS,
    "card": Moment.CARD_ASKED,
    "pin": Moment.PIN_ASKED,
    "cashier": Moment.CASHIER_ASKED,
    "clock": Moment.RESTS,
    "expect": Moment.RESTS,
}


@dataclass(frozen=True, slots=True)
class Played:
    """How a scenario ended. ``digest``: of every byte and its moment; ``took``: virtual milliseconds."""

    title: str
    failure: Failure | None
    took: Millis
    digest: str

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return self.failure is None


class _FailedError(Exception):
    """The story is not as it should be, and ends here."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.problem)
        self.failure = failure


class Player:
    """Plays one scenario once. ``seed``: of what is left to chance; ``told``: steps stand in the traces.

    ``stops``: asked all the time; once it is so, playing ends with a StoryStoppedError.
    """

    def __init__(
        self,
        scenario: Scenario,
        stage: Stage,
        *,
        seed: int,
        told: bool = False,
        register: RegisterSide | None = None,
        stops: Callable[[], bool] = never,
    ) -> None:
        self._scenario, self._stage, self._world = scenario, stage, stage.world
        self._register_side = register or our_register(stage)
        self._told = told
        self._answers: dict[str, dict[str, str]] = {}
        self._heard: dict[str, Heard] = {}
        self._named = ""
        self._asked_at = Millis(0)
        self._marks = dict.fromkeys((Moment.BANK_ASKED, Moment.REGISTER_WAITS, Moment.FINAL_LEFT), 0)
        self._hands = Hands(stage, self._register_side, told=told, stops=stops)
        self._dice = random.Random(seed)

    def play(self) -> Played:
        """Play it to its end."""
        failure = None
        try:
            for number, step in enumerate(self._scenario.steps):
                self._step(number, step)
            self._end()
        except _FailedError as error:
            failure = error.failure
        return Played(self._scenario.title, failure, self._world.now, self._digest())

    # --- one step ----------------------------------------------------------------------------------------

    def _step(self, number: int, step: Step) -> None:
        verb = step.verb
        trigger = read_phrase(step.when, TRIGGERS) if step.when else Trigger(_usual(verb, step))
        waits_for_it = verb == "register" and not step.when and self._register_side.comes() is not None
        until = self._comes if waits_for_it else lambda: self._holds(trigger)
        if not self._hands.run(until, PATIENCE):
            told = step.when or trigger.moment.value
            raise _FailedError(self._failure(number, f"it waits for «{told}», which never comes"))
        if step.after is not None:
            self._hands.let_pass(step.after)
        if step.at is not None and step.at > self._world.now:
            self._hands.let_pass(Millis(step.at - self._world.now))
        if self._scenario.latency == 0:
            self._hands.run(lambda: False, Millis(0))  # what was sent at this moment has arrived
        self._tell_step(number, verb, step)
        if verb in _HAPPENS:
            self._note_marks()
        try:
            self._do(number, verb, step)
        except (ValueError, ProfileError) as error:
            raise _FailedError(self._failure(number, str(error))) from None

    def _tell_step(self, number: int, verb: str, step: Step) -> None:
        if self._told:
            said = "" if step.expect is not None else f": {_shown(verb, step)}"
            self._world.tell_trace(
                Trace("step", f"{verb}{said}", {"step": number + 1, "note": step.note or ""})
            )

    def _do(self, number: int, verb: str, step: Step) -> None:
        if step.expect is not None:
            self._keep_answer()
            of = step.expect.of
            heard = self._heard[of] if of else self._register_side.heard()
            problem = check(with_answers(step.expect, self._answers), self._stage, heard, self._asked_at)
            if problem:
                raise _FailedError(self._failure(number, problem))
        elif verb == "register":
            self._register(number, step)
        else:
            self._hands.do(read_phrase(str(step.said(verb)), PHRASES[verb]), self._allows(step))

    # --- the register ------------------------------------------------------------------------------------

    def _register(self, number: int, step: Step) -> None:
        side, command = self._register_side, read_register(str(step.asks))
        match command:
            case Ask():
                self._keep_answer()
                self._named, self._asked_at = step.name or "", self._world.now
                if side.comes() is None:  # one that came by itself has begun a while ago
                    self._stage.line.seen.clear()
                    self._world.screens.clear()
                ask, habits = self._with_track(command), step.habits or self._scenario.till
                problem = self._hands.guard(lambda: side.ask(ask, habits, self._answers))
                if problem:
                    raise _FailedError(self._failure(number, problem))
            case SendBytes(data):
                side.send(data)
            case Cancel():
                self._hands.guard(side.cancel)
            case Leave():
                self._hands.guard(side.leave)
            case Crash():
                side.crash()
            case Come():
                self._hands.guard(side.come_back)
            case _:
                assert_never(command)

    def _with_track(self, ask: Ask) -> Ask:
        card = card_of(ask)
        return with_track(ask, self._stage.card(card).track2.reveal()) if card else ask

    def _keep_answer(self) -> None:
        heard = self._register_side.heard()
        if self._named:
            self._heard[self._named] = heard
            self._answers[self._named] = heard.values()

    # --- everything else ---------------------------------------------------------------------------------

    def _allows(self, step: Step) -> Callable[[], bool]:
        """Return whether a fault of this step may happen, asked each time it could."""
        during = read_phrase(step.while_, TRIGGERS) if step.while_ else None
        until = read_phrase(step.until, TRIGGERS) if step.until else None
        over = False

        def allows() -> bool:
            nonlocal over
            over = over or (until is not None and self._holds(until))
            if over or (during is not None and not self._holds(during)):
                return False
            return step.chance is None or self._dice.random() < step.chance

        return allows if during or until or step.chance is not None else always

    def _note_marks(self) -> None:
        counts = self._stage.line.counts
        self._marks = {
            Moment.BANK_ASKED: self._world.bank_messages,
            Moment.REGISTER_WAITS: counts["wait"],
            Moment.FINAL_LEFT: counts["final"],
        }

    def _holds(self, trigger: Trigger) -> bool:
        world, counts = self._world, self._stage.line.counts
        match trigger.moment:
            case Moment.NOW:
                return True
            case Moment.CARD_ASKED:
                return world.asked is Prompt.CARD
            case Moment.PIN_ASKED:
                return world.asked is Prompt.PIN
            case Moment.CASHIER_ASKED:
                return self._register_side.cashier_asked
            case Moment.BANK_ASKED:
                return world.bank_messages - self._marks[trigger.moment] >= trigger.which
            case Moment.REGISTER_WAITS:
                return counts["wait"] - self._marks[trigger.moment] >= trigger.which
            case Moment.FINAL_LEFT:
                return counts["final"] - self._marks[trigger.moment] >= trigger.which
            case Moment.ANSWERED:
                return self._register_side.over
            case Moment.RESTS:
                return self._rests()
            case Moment.STATE:
                return world.emulator.state == trigger.text
            case Moment.SCREEN:
                return trigger.text in world.screen
            case _:
                assert_never(trigger.moment)

    def _comes(self) -> bool:
        return bool(self._register_side.comes())

    def _rests(self) -> bool:
        over = self._register_side.over
        emulator = self._world.emulator
        return over and not self._world.off and emulator.state in _AT_REST and not emulator.serving

    # --- the end -----------------------------------------------------------------------------------------

    def _end(self) -> None:
        """Let everything come to rest, and see whether all books agree."""
        self._keep_answer()
        self._hands.run(lambda: self._rests() and not self._world.emulator.memory.owes, SETTLES_WITHIN)
        wrote = self._stage.line.written()
        if self._scenario.wrote not in (None, wrote):
            last = len(self._scenario.steps)
            raise _FailedError(self._failure(last, f"the pinpad wrote other bytes than recorded ({wrote})"))
        if self._scenario.agree:
            problem = final_disagreement(self._stage)
            if problem:
                raise _FailedError(self._failure(len(self._scenario.steps), problem))

    def _failure(self, number: int, problem: str) -> Failure:
        return Failure(number, problem, self._world.now, self._world.emulator.state.value)

    def _digest(self) -> str:
        """A fingerprint of all that passed: the same seed gives the same one."""
        made = hashlib.sha256()
        made.update(repr(sorted(self._stage.line.counts.items())).encode())
        made.update(self._stage.line.digest())
        made.update((self._world.saved or "").encode())
        return made.hexdigest()[:16]


def _shown(verb: str, step: Step) -> str:
    """Return what a step says; a PIN is only counted, and a track is only named."""
    said = str(step.said(verb))
    if verb == "pin" and said.isdigit():
        return f"{len(said)} digits"
    return re.sub(r"track2=\d\S*", "track2=…", said)


def _usual(verb: str, step: Step) -> Moment:
    if verb == "register" and str(step.asks).split(" ")[0] in ACTS:
        return Moment.NOW
    return _USUAL.get(verb, Moment.NOW)
