"""Every guard of the terminal: an event, seen from a state, becomes a kind that the table knows.

Nothing is changed here. ``Work`` already holds the content of the event (see ``Terminal.handle``).
"""

from typing import assert_never

from smartsale_emu.payment.card import Card, EntryMode, PinRule
from smartsale_emu.sa.codes import OperationCode
from smartsale_emu.terminal.events import (
    AnswerFate,
    BankAsked,
    BankFailed,
    BankReplied,
    BankUnreachable,
    CancelPressed,
    CardPresented,
    CardPulled,
    DeadlineReached,
    FinalFate,
    PinEntered,
    PoweredOn,
    RegisterLeft,
    RequestReceived,
    TerminalEvent,
)
from smartsale_emu.terminal.memory import Stage
from smartsale_emu.terminal.money import (
    BankVerdict,
    Fate,
    ReversalRequest,
    ReversalVerdict,
    bank_verdict,
    fate_of_final,
    must_reverse,
    reversal_request,
    reversal_verdict,
)
from smartsale_emu.terminal.outcome import OutcomeKind
from smartsale_emu.terminal.requests import Request
from smartsale_emu.terminal.table import ATTEMPTS, DEADLINES, Kind, State
from smartsale_emu.terminal.work import Work


def classify(state: State, event: TerminalEvent, work: Work) -> Kind:
    """Return the kind of an event in a state."""
    match event:
        case RequestReceived():
            return _request(work)
        case RegisterLeft():
            return _register_left(state, work)
        case AnswerFate(fate):
            return _answer_fate(fate, work)
        case CardPresented(card):
            return _card(card, work)
        case PinEntered():
            return Kind.PIN_ENTERED
        case CancelPressed() | CardPulled():
            return Kind.CANCELLED
        case BankAsked() | BankUnreachable() | BankFailed() | BankReplied():
            return _bank(state, event, work)
        case DeadlineReached():
            return _deadline(state, work)
        case PoweredOn():
            return Kind.POWER_BACK if work.memory.pending is None else Kind.POWER_BACK_OWING
        case _:
            assert_never(event)


def reversal_decision(request: Request, work: Work) -> ReversalRequest:
    """Return what operation 53 gets of the present memory."""
    rule = work.profile.rules.already_reversed
    return reversal_request(work.memory.last, request.amount, already_reversed=rule)


def _request(work: Work) -> Kind:
    request = work.request
    if work.memory.pending is not None:
        return Kind.REQUEST_HELD
    if not isinstance(request, Request):
        return Kind.REQUEST_REFUSED
    match request.operation.code:
        case OperationCode.SALE:
            return Kind.SALE_REQUESTED
        case OperationCode.TEST_CONNECTION:
            return Kind.TEST_REQUESTED
        case OperationCode.EMERGENCY_REVERSAL:
            return _REVERSAL_KINDS.get(reversal_decision(request, work), Kind.REVERSAL_REFUSED)
        case other:
            raise AssertionError(f"operation {int(other)} has a row and no kind of its own")


_REVERSAL_KINDS = {
    ReversalRequest.SEND: Kind.REVERSAL_GRANTED,
    ReversalRequest.ALREADY_BY_PINPAD: Kind.REVERSAL_MOOT,
    ReversalRequest.ALREADY_BY_REGISTER: Kind.REVERSAL_MOOT,
}


def _card(card: Card, work: Work) -> Kind:
    if card.entry_mode is EntryMode.MAGSTRIPE and card.service_code[:1] in ("2", "6"):
        return Kind.CARD_NEEDS_CHIP
    amount = work.request.amount if isinstance(work.request, Request) else None
    over_limit = (amount or 0) > work.profile.rules.no_pin_limit
    match card.pin_rule:
        case PinRule.ALWAYS:
            return Kind.CARD_NEEDS_PIN
        case PinRule.NEVER:
            return Kind.CARD_NEEDS_NO_PIN
        case PinRule.OVER_LIMIT:
            return Kind.CARD_NEEDS_PIN if over_limit else Kind.CARD_NEEDS_NO_PIN
        case _:
            assert_never(card.pin_rule)


def _bank(state: State, event: BankAsked | BankUnreachable | BankFailed | BankReplied, work: Work) -> Kind:
    match event:
        case BankAsked():
            return Kind.BANK_ASKED
        case BankReplied(_, answer) if state in ATTEMPTS:
            retry = reversal_verdict(answer.response_code) is ReversalVerdict.RETRY
            return Kind.REVERSAL_FAILED if retry else Kind.REVERSAL_ENDED
        case BankUnreachable() | BankFailed() if state in ATTEMPTS:
            return Kind.REVERSAL_FAILED
        case BankUnreachable():
            return Kind.BANK_UNREACHABLE
        case BankFailed():
            return _no_answer(work)
        case BankReplied(_, answer):
            return _verdict(bank_verdict(answer.response_code), work)
        case _:
            assert_never(event)


def _verdict(verdict: BankVerdict, work: Work) -> Kind:
    match verdict:
        case BankVerdict.APPROVED:
            return Kind.APPROVED_TOO_LATE if work.withdrawn and _money_at_stake(work) else Kind.BANK_APPROVED
        case BankVerdict.WRONG_PIN if (
            0 < work.pin_attempt < work.profile.rules.pin_tries and not work.withdrawn
        ):
            return Kind.PIN_WRONG
        case BankVerdict.UNUSABLE:
            return _no_answer(work)
        case BankVerdict.WRONG_PIN | BankVerdict.DECLINED:
            return Kind.BANK_DECLINED
        case _:
            assert_never(verdict)


def _money_at_stake(work: Work) -> bool:
    return must_reverse(bank_asked=True, declined=False, acknowledged=False, undo=work.undo)


def _no_answer(work: Work) -> Kind:
    return Kind.NO_ANSWER if _money_at_stake(work) else Kind.NO_ANSWER_HARMLESS


def _deadline(state: State, work: Work) -> Kind:
    kind = DEADLINES[state].kind
    return _no_answer(work) if kind is Kind.NO_ANSWER else kind


def _register_left(state: State, work: Work) -> Kind:
    if state is State.ANSWERING:
        return _answer_fate(FinalFate.GONE, work)
    owing = state is State.BANK_ANSWER and _money_at_stake(work)
    return Kind.REGISTER_LEFT_OWING if owing else Kind.REGISTER_LEFT


def _answer_fate(fate: FinalFate, work: Work) -> Kind:
    line, pending = work.profile.line, work.memory.pending
    approved = work.outcome is not None and work.outcome.kind is OutcomeKind.APPROVED
    at_stake = approved and pending is not None and pending.stage is Stage.ANSWERED and _money_at_stake(work)
    if not at_stake:
        return Kind.ANSWER_TAKEN if fate is FinalFate.ACKED else Kind.ANSWER_LOST_HARMLESS
    match fate_of_final(fate, eot_first=line.final_eot_first, eot_repeat=line.final_eot_repeat):
        case Fate.KEEP:
            return Kind.ANSWER_TAKEN
        case Fate.KEEP_IN_DOUBT:
            return Kind.ANSWER_IN_DOUBT
        case Fate.REVERSE:
            return Kind.ANSWER_LOST
