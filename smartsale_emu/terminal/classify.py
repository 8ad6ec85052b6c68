"""Every guard of the terminal: an event, seen from a state, becomes a kind that the table knows.

Nothing is changed here. ``Work`` already holds the content of the event (see ``Terminal.handle``).
"""

from typing import assert_never

from smartsale_emu.payment.authorization import AuthorizationAnswer, Transaction
from smartsale_emu.terminal.chip_work import chip_refuses
from smartsale_emu.terminal.events import (
    AnswerFate,
    BankAsked,
    BankFailed,
    BankReplied,
    BankUnreachable,
    CancelPressed,
    CardPresented,
    CardPulled,
    CashierReplied,
    DeadlineReached,
    FinalFate,
    PaperChanged,
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
    SettlementVerdict,
    bank_verdict,
    fate_of_final,
    reversal_request,
    reversal_verdict,
    settlement_verdict,
)
from smartsale_emu.terminal.needs import Need
from smartsale_emu.terminal.operations import Name, Undo
from smartsale_emu.terminal.outcome import OutcomeKind
from smartsale_emu.terminal.profile import NamesOther
from smartsale_emu.terminal.requests import Request
from smartsale_emu.terminal.table import ATTEMPTS, DEADLINES, Kind, State
from smartsale_emu.terminal.work import Work


def classify(state: State, event: TerminalEvent, need: Need | None, work: Work) -> Kind | None:
    """Return the kind of an event in a state; None for what only the desk takes note of.

    ``need``: what the request needs next, where the event brought something for it.
    """
    match event:
        case PaperChanged():
            return None
        case RequestReceived():
            return _request(need, work)
        case CashierReplied() | CardPresented():
            return _brought(state, event, need)
        case RegisterLeft():
            return _register_left(state, work)
        case AnswerFate(fate):
            return _answer_fate(fate, work)
        case PinEntered():
            return Kind.PIN_ENTERED
        case CancelPressed() | CardPulled():
            return Kind.CANCELLED
        case BankAsked() | BankUnreachable() | BankFailed() | BankReplied():
            return _bank(state, event, work)
        case DeadlineReached():
            return _deadline(state, work)
        case PoweredOn():
            return Kind.POWER_BACK_OWING if work.memory.owes else Kind.POWER_BACK
        case _:
            assert_never(event)


def reversal_decision(request: Request, work: Work) -> ReversalRequest:
    """Return what operation 53 gets of the present memory."""
    rules = work.profile.rules
    compared = rules.names_other is NamesOther.REFUSE
    return reversal_request(
        work.memory.last,
        request.amount,
        already_reversed=rules.already_reversed,
        rrn=request.rrn if compared else "",
        authorization_code=request.authorization_code if compared else "",
    )


def _brought(state: State, event: CashierReplied | CardPresented, need: Need | None) -> Kind | None:
    """A reference or a card: what the request needs next, if it was asked for."""
    if need is not None:
        return _KINDS_OF_NEEDS[need]
    if isinstance(event, CardPresented):
        return Kind.CARD_ANSWERED  # ignored wherever no card is asked for
    return Kind.CANCELLED if state is State.CASHIER else None


def _request(need: Need | None, work: Work) -> Kind:
    request = work.request
    if work.memory.owes and not work.debt_tried:
        only_settlement = work.memory.pending is None and need is Need.SETTLEMENT
        return Kind.SETTLEMENT_NEEDED if only_settlement else Kind.REQUEST_HELD
    if not isinstance(request, Request) or need is None:
        return Kind.REQUEST_REFUSED
    if need is Need.REVERSAL:
        return _REVERSAL_KINDS.get(reversal_decision(request, work), Kind.REVERSAL_REFUSED)
    return Kind.MEMORY_ANSWERED if need is Need.NOTHING else _KINDS_OF_NEEDS[need]


_KINDS_OF_NEEDS = {
    Need.CASHIER: Kind.CASHIER_NEEDED,
    Need.CARD: Kind.CARD_NEEDED,
    Need.CHIP: Kind.CHIP_NEEDED,
    Need.STRIPE: Kind.STRIPE_NEEDED,
    Need.PIN: Kind.PIN_NEEDED,
    Need.BANK: Kind.BANK_NEEDED,
    Need.NOTHING: Kind.CARD_ANSWERED,
    Need.REFUSED: Kind.REFUSED_HERE,
    Need.SETTLEMENT: Kind.SETTLEMENT_NEEDED,
}

_REVERSAL_KINDS = {
    ReversalRequest.SEND: Kind.REVERSAL_GRANTED,
    ReversalRequest.ALREADY_BY_PINPAD: Kind.REVERSAL_MOOT,
    ReversalRequest.ALREADY_BY_REGISTER: Kind.REVERSAL_MOOT,
}


def _bank(state: State, event: BankAsked | BankUnreachable | BankFailed | BankReplied, work: Work) -> Kind:
    match event:
        case BankAsked():
            return Kind.BANK_ASKED
        case BankReplied(_, answer) if state in ATTEMPTS:
            return _attempt_answered(state, answer.response_code, work)
        case BankUnreachable() | BankFailed() if state in ATTEMPTS:
            return _attempt_failed(state, work)
        case BankUnreachable():
            return Kind.BANK_UNREACHABLE
        case BankFailed():
            return _no_answer(work)
        case BankReplied(_, answer):
            return _verdict(bank_verdict(answer.response_code), answer, work)
        case _:
            assert_never(event)


def _attempt_answered(state: State, code: str, work: Work) -> Kind:
    if work.memory.pending is not None:
        retry = reversal_verdict(code) is ReversalVerdict.RETRY
        return _attempt_failed(state, work) if retry else Kind.REVERSAL_ENDED
    waiting, verdict = work.reconciling.waiting, settlement_verdict(code)
    if verdict is SettlementVerdict.RETRY:
        return _attempt_failed(state, work)
    if not isinstance(waiting, Transaction):
        return Kind.UPLOAD_TAKEN
    match verdict:
        case SettlementVerdict.AGREED:
            return Kind.DAY_CLOSED
        case SettlementVerdict.DIFFERS if waiting is Transaction.SETTLEMENT:
            return Kind.TOTALS_DIFFER
        case SettlementVerdict.DIFFERS | SettlementVerdict.REFUSED:
            return Kind.CLOSING_REFUSED


def _attempt_failed(state: State, work: Work) -> Kind:
    """A request that waits behind the attempt is served all the same when it needs no bank.

    A key change too: keys that the bank does not take may be why the attempt failed.
    """
    request = work.request
    needs_bank = isinstance(request, Request) and request.operation.asks_bank and not _changes_keys(work)
    harmless = state is State.CLEARING and not needs_bank
    return Kind.ATTEMPT_FAILED_HARMLESS if harmless else Kind.ATTEMPT_FAILED


def _verdict(verdict: BankVerdict, answer: AuthorizationAnswer, work: Work) -> Kind:
    match verdict:
        case BankVerdict.APPROVED if _changes_keys(work):
            return Kind.KEYS_TAKEN if work.are_right(answer.keys) else Kind.KEYS_REFUSED
        case BankVerdict.APPROVED if work.withdrawn and _money_at_stake(work):
            return Kind.APPROVED_TOO_LATE
        case BankVerdict.APPROVED if chip_refuses(work):
            return Kind.CARD_REFUSED if _money_at_stake(work) else Kind.NO_ANSWER_HARMLESS
        case BankVerdict.APPROVED:
            return Kind.BANK_APPROVED
        case BankVerdict.WRONG_PIN if _may_try_again(work):
            return Kind.PIN_WRONG
        case BankVerdict.UNUSABLE:
            return _no_answer(work)
        case BankVerdict.WRONG_PIN | BankVerdict.DECLINED:
            return Kind.BANK_DECLINED
        case _:
            assert_never(verdict)


def _may_try_again(work: Work) -> bool:
    """Whether the customer is asked for the PIN once more. No key enciphers two PINs."""
    tries_left = 0 < work.pin_attempt < work.profile.rules.pin_tries
    return tries_left and not work.withdrawn and not work.safe.is_used_up(work.memory.keys)


def _changes_keys(work: Work) -> bool:
    return work.name is Name.KEY_CHANGE


def _money_at_stake(work: Work) -> bool:
    """Whether what the bank was asked, or has approved, is to be undone when the operation is interrupted."""
    return work.undo is Undo.BY_REVERSAL


def _no_answer(work: Work) -> Kind:
    return Kind.NO_ANSWER if _money_at_stake(work) else Kind.NO_ANSWER_HARMLESS


def _deadline(state: State, work: Work) -> Kind:
    kind = DEADLINES[state].kind
    match kind:
        case Kind.NO_ANSWER:
            return _no_answer(work)
        case Kind.ATTEMPT_FAILED:
            return _attempt_failed(state, work)
        case _:
            return kind


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
