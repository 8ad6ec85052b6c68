"""The terminal application: three doors (line and hands and bank events, time), a table behind them.

``transitions`` runs the table; a deadline belongs to a state: entering arms it, leaving forgets it.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import cast

from transitions import EventData, Machine

from smartsale_emu.payment.receipt import ReceiptLayout
from smartsale_emu.sa.codes import CommandResult
from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.chip_work import tell_chip
from smartsale_emu.terminal.classify import classify, reversal_decision
from smartsale_emu.terminal.effects import Note, TerminalEffect
from smartsale_emu.terminal.events import (
    AnswerFate,
    BankAsked,
    BankFailed,
    BankReplied,
    BankUnreachable,
    CardPresented,
    CashierReplied,
    DeadlineReached,
    FinalFate,
    PaperChanged,
    PinEntered,
    RegisterLeft,
    RequestReceived,
    TerminalEvent,
    said,
)
from smartsale_emu.terminal.kept import Safe
from smartsale_emu.terminal.memory import Memory
from smartsale_emu.terminal.needs import Need, plan
from smartsale_emu.terminal.profile import TerminalProfile
from smartsale_emu.terminal.requests import Request, parse_request
from smartsale_emu.terminal.table import ATTEMPTS, DEADLINES, IGNORED, REST, TRANSITIONS, Kind, Row, State
from smartsale_emu.terminal.work import Scheme, Work
from smartsale_emu.units import Millis, later

BANK_EVENTS = BankAsked | BankUnreachable | BankReplied | BankFailed


class Position:
    """The model that ``transitions`` moves: one pinpad's state, and the work that its rows act on."""

    __slots__ = ("state", "work")

    def __init__(self, work: Work) -> None:
        self.state, self.work = State.IDLE, work


@cache
def the_machine() -> Machine:
    """Return the machine that runs the table: its transitions are the rows and nothing else.

    It holds nothing of any pinpad, so that all of them share it; building it takes longer than a sale.
    """

    def runner(row: Row) -> Callable[[EventData], None]:
        return lambda event: row.action(cast("Position", event.model).work)

    machine = Machine(model=None, states=State, initial=State.IDLE, auto_transitions=False, send_event=True)
    for row in TRANSITIONS:
        machine.add_transition(row.kind.name, source=row.source, dest=row.target, before=[runner(row)])
    return machine


class Terminal:
    """The Smart Sale application.

    ``layout``: of its slips; ``epoch``: local date and time of ``now`` = 0. ``live_cards``: a card that the
    register read may have any number, not only a known test number.
    """

    def __init__(
        self,
        profile: TerminalProfile,
        layout: ReceiptLayout,
        memory: Memory,
        safe: Safe,
        epoch: datetime,
        *,
        scheme: Scheme = Scheme.KPH,
        live_cards: bool = False,
    ) -> None:
        memory = replace(memory, terminal_id=profile.terminal_id)
        self._work = Work(profile, layout, memory, safe, epoch, scheme)
        self._live_cards = live_cards
        self._position = Position(self._work)
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
            if self.state is State.IDLE and not queue and work.memory.owes:
                self._fire(Kind.DEBT_FOUND)
            elif self.state is State.OWING and not queue and not work.memory.owes:
                self._fire(Kind.DEBT_GONE)
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
        need = self._take(event)
        kind = classify(state, event, need, work)
        if kind is None:
            return
        reason = IGNORED.get((state, kind))
        if reason is not None:
            work.note("ignored", reason, state=str(state), event=str(kind))
        else:
            self._fire(kind)

    def _fire(self, kind: Kind) -> None:
        """Move by one row of the table; the state's deadline is armed anew when the row has a target."""
        work, before = self._work, self.state
        mark, because, call = len(work.effects), work.because or str(kind), work.call
        the_machine().events[kind.name].trigger(self._position)
        after = self.state
        if (before, kind) in _MOVING:
            same_attempt = before in ATTEMPTS and after in ATTEMPTS and call == work.call
            if not same_attempt:  # an attempt has one deadline, whoever waits for its end
                deadline = DEADLINES.get(after)
                within = work.timer(deadline.timer) if deadline else None
                self._deadline = later(work.now, within) if within is not None else None
            details: dict[str, object] = {"from": str(before), "to": str(after), "event": str(kind)}
            work.effects.insert(mark, Note("state", because, details))

    def _take(self, event: TerminalEvent) -> Need | None:
        """Lay the content of an event on the desk; returns what the request needs next, if that is new."""
        work = self._work
        work.because = said(event)
        _count_attempt(event, work)
        match event:
            case RequestReceived(message, debt_tried):
                return self._take_request(message, debt_tried=debt_tried)
            case CashierReplied() if self.state is State.CASHIER:
                return self._take_cashier(event)
            case CardPresented(card) if self.state is State.CARD_PROMPT:
                work.card = card
                return self._plan()
            case PinEntered(pin) if self.state is State.PIN_ENTRY:
                work.pin, work.pin_entered = pin, True
            case PaperChanged(loaded):
                work.paper = loaded
            case BankReplied(_, answer):
                work.bank = answer
                if self.state is State.BANK_ANSWER:
                    tell_chip(work)
            case RegisterLeft():
                work.fate = FinalFate.GONE
            case AnswerFate(fate):
                work.fate = fate
            case DeadlineReached():
                work.because = f"timer {DEADLINES[self.state].timer} ran out"
            case _:
                pass
        return None

    def _take_request(self, message: Message, *, debt_tried: bool) -> Need | None:
        work, profile = self._work, self._work.profile
        work.clear_desk()
        work.message, work.debt_tried = message, debt_tried
        work.request = parse_request(
            message,
            terminal_id=profile.terminal_id,
            check_terminal_id=profile.rules.check_terminal_id,
            live_cards=self._live_cards,
        )
        request = work.request
        if message.repeated:
            work.note("decision", f"fields {sorted(message.repeated)} stand twice: the last one counts")
        if not isinstance(request, Request):
            work.because = request.because
            return None
        work.because = f"operation {request.operation.name}"
        need = self._plan()
        if need is Need.REVERSAL and not work.memory.owes:
            work.because = str(reversal_decision(request, work))
        return need

    def _take_cashier(self, reply: CashierReplied) -> Need | None:
        """A register without an operator window says so; any other result than 0 is a cancel."""
        work = self._work
        if reply.result == CommandResult.NO_OPERATOR_WINDOW:
            work.can_ask = False
        elif reply.result != CommandResult.OK or not reply.text.strip() or work.asking is None:
            return None
        else:
            work.request = work.good_request.answered_by_cashier(work.asking, reply.text)
        return self._plan()

    def _plan(self) -> Need:
        """Find out what the request needs next, and lay what was found on the desk."""
        work, found = self._work, plan(self._work)
        work.request, work.original, work.asking = found.request, found.original, found.asking
        work.card, work.refused = found.card or work.card, found.refused
        work.chip = found.chip or work.chip
        if found.refused is not None:
            work.because = found.refused.because
        return found.need


def _count_attempt(event: TerminalEvent, work: Work) -> None:
    """A reversal of which no byte has left when its call ends was no attempt."""
    if isinstance(event, BankAsked | BankReplied | BankFailed):
        work.note_left()
    elif isinstance(event, BankUnreachable | DeadlineReached):
        work.take_attempt_back()


_MOVING = frozenset((row.source, row.kind) for row in TRANSITIONS if row.target is not None)
