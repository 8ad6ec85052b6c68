"""The terminal application: three doors (line and hands and bank events, time), a table behind them.

``transitions`` runs the table; a deadline belongs to a state: entering arms it, leaving forgets it.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from transitions import EventData, Machine

from smartsale_emu.sa.codes import OperationCode
from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.classify import classify, reversal_decision
from smartsale_emu.terminal.effects import Note, TerminalEffect
from smartsale_emu.terminal.events import (
    AnswerFate,
    BankAsked,
    BankFailed,
    BankReplied,
    BankUnreachable,
    CardPresented,
    DeadlineReached,
    FinalFate,
    PinEntered,
    RegisterLeft,
    RequestReceived,
    TerminalEvent,
    said,
)
from smartsale_emu.terminal.memory import Memory, Safe
from smartsale_emu.terminal.profile import TerminalProfile
from smartsale_emu.terminal.requests import Request, parse_request
from smartsale_emu.terminal.table import ATTEMPTS, DEADLINES, IGNORED, REST, TRANSITIONS, Kind, Row, State
from smartsale_emu.terminal.work import Work
from smartsale_emu.units import Millis, later

BANK_EVENTS = BankAsked | BankUnreachable | BankReplied | BankFailed


class _Position:
    """The model that ``transitions`` moves."""

    def __init__(self) -> None:
        self.state = State.IDLE


def build_machine(position: _Position, work: Work) -> Machine:
    """Return the machine that runs the table: its transitions are the rows and nothing else."""

    def runner(row: Row) -> Callable[[EventData], None]:
        return lambda _: row.action(work)

    machine = Machine(
        model=position,
        states=State,
        initial=State.IDLE,
        auto_transitions=False,
        send_event=True,
    )
    for row in TRANSITIONS:
        machine.add_transition(row.kind.name, source=row.source, dest=row.target, before=[runner(row)])
    return machine


class Terminal:
    """The Smart Sale application. ``epoch``: the local date and time of ``now`` = 0."""

    def __init__(self, profile: TerminalProfile, memory: Memory, safe: Safe, epoch: datetime) -> None:
        self._work = Work(profile, replace(memory, terminal_id=profile.terminal_id), safe, epoch)
        self._position = _Position()
        self._machine = build_machine(self._position, self._work)
        self._deadline: Millis | None = None

    @property
    def state(self) -> State:
        """The state of the table."""
        return self._position.state

    @property
    def memory(self) -> Memory:
        """What the pinpad remembers at this moment."""
        return self._work.memory

    @property
    def profile(self) -> TerminalProfile:
        """The firmware that is played."""
        return self._work.profile

    @property
    def at_rest(self) -> bool:
        """True when no register is being served: a request begins a session."""
        return self.state in REST

    def next_deadline(self) -> Millis | None:
        """Return the moment at which ``tick`` has something to do, or None."""
        return self._deadline

    def tick(self, now: Millis) -> list[TerminalEffect]:
        """Let time pass; returns the effects of a deadline that has come."""
        if self._deadline is None or now < self._deadline:
            return []
        self._deadline = None
        return self.handle(DeadlineReached(), now)

    def handle(self, event: TerminalEvent, now: Millis) -> list[TerminalEffect]:
        """Take an event in; returns the effects to carry out, in order."""
        work = self._work
        work.now, work.effects = now, []
        queue: list[TerminalEvent] = [event]
        while queue:
            self._one(queue.pop(0))
            queue += work.followups
            work.followups = []
            if self.state is State.IDLE and not queue and work.memory.pending is not None:
                self._fire(Kind.REVERSAL_FOUND)
        effects, work.effects = work.effects, []
        return effects

    def _one(self, event: TerminalEvent) -> None:
        work, state = self._work, self.state
        if isinstance(event, BANK_EVENTS) and event.call != work.call:
            work.note("ignored", "the call was given up: its answer changes nothing", event=said(event))
            return
        if isinstance(event, RequestReceived) and state not in REST:
            work.note("ignored", IGNORED[(state, Kind.REQUEST_REFUSED)], event=said(event))
            return
        if isinstance(event, BankReplied | BankFailed) and state is State.BANK_CONNECT:
            self._fire(Kind.BANK_ASKED)
            state = self.state
        if isinstance(event, BankReplied):
            work.call = None
        self._take(event)
        kind = classify(state, event, work)
        reason = IGNORED.get((state, kind))
        if reason is not None:
            work.note("ignored", reason, state=str(state), event=str(kind))
        else:
            self._fire(kind)

    def _fire(self, kind: Kind) -> None:
        """Move by one row of the table; the state's deadline is armed anew when the row has a target."""
        work, before = self._work, self.state
        mark, because, call = len(work.effects), work.because or str(kind), work.call
        self._machine.events[kind.name].trigger(self._position)
        after = self.state
        if (before, kind) in _MOVING:
            same_attempt = before in ATTEMPTS and after in ATTEMPTS and call == work.call
            if not same_attempt:  # an attempt has one deadline, whoever waits for its end
                deadline = DEADLINES.get(after)
                self._deadline = later(work.now, work.timer(deadline.timer)) if deadline else None
            details: dict[str, object] = {"from": str(before), "to": str(after), "event": str(kind)}
            work.effects.insert(mark, Note("state", because, details))

    def _take(self, event: TerminalEvent) -> None:
        """Lay the content of an event on the desk."""
        work = self._work
        work.because = said(event)
        match event:
            case RequestReceived(message):
                self._take_request(message)
            case CardPresented(card) if self.state is State.CARD_PROMPT:
                work.card = card
            case PinEntered(pin) if self.state is State.PIN_ENTRY:
                work.pin = pin
            case BankReplied(_, answer):
                work.bank = answer
            case RegisterLeft():
                work.fate = FinalFate.GONE
            case AnswerFate(fate):
                work.fate = fate
            case BankUnreachable():
                work.take_attempt_back()
            case DeadlineReached():
                work.because = f"timer {DEADLINES[self.state].timer} ran out"
            case _:
                pass

    def _take_request(self, message: Message) -> None:
        work, profile = self._work, self._work.profile
        work.clear_desk()
        work.message = message
        work.request = parse_request(
            message, terminal_id=profile.terminal_id, check_terminal_id=profile.rules.check_terminal_id
        )
        request = work.request
        if isinstance(request, Request):
            work.because = f"operation {int(request.operation.code)}"
            if request.operation.code is OperationCode.EMERGENCY_REVERSAL and work.memory.pending is None:
                work.because = str(reversal_decision(request, work))
        else:
            work.because = request.because
        if message.repeated:
            work.note("decision", f"fields {sorted(message.repeated)} stand twice: the last one counts")


_MOVING = frozenset((row.source, row.kind) for row in TRANSITIONS if row.target is not None)
