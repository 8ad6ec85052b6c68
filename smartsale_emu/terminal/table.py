"""The terminal as a table. Rule 1: everything that moves it from state to state stands in this file.

One row per (state, event kind): target and action. A guard is folded into the event kind (``classify.py``),
so the table has no conditions. Every other pair is listed in IGNORED with its reason; a test holds that both
together are total. The diagram in the README is drawn from these rows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from smartsale_emu.terminal import reports, serving, settling, undoing
from smartsale_emu.terminal.work import Work


class State(StrEnum):
    """What the terminal is about."""

    IDLE = "idle"
    CASHIER = "cashier's answer"
    CARD_PROMPT = "card prompt"
    PIN_ENTRY = "PIN entry"
    BANK_CONNECT = "bank connect"
    BANK_ANSWER = "bank answer"
    ANSWERING = "answering"  # the final answer is on the line
    SETTLING = "settling"  # operation 59, asked by the register
    UNDOING = "undoing"  # a reversal, while the register waits to hear 39 = 53
    REVERSING = "reversing"  # operation 53, asked by the register
    OWING = "owing"  # idle, and a reversal or a settlement is owed to the bank
    RETRYING = "retrying"  # an attempt at what is owed while no register waits
    CLEARING = "clearing"  # an attempt at what is owed while a request waits its turn


class Kind(StrEnum):
    """Event kinds: an event with every guard already answered."""

    REQUEST_REFUSED = "request refused"
    CASHIER_NEEDED = "a reference is missing"
    CARD_NEEDED = "card needed"
    CHIP_NEEDED = "card, chip must be used"
    STRIPE_NEEDED = "card, chip does not answer"
    PIN_NEEDED = "card, PIN needed"
    BANK_NEEDED = "nothing more is needed, the bank is asked"
    CARD_ANSWERED = "card, no bank needed"
    MEMORY_ANSWERED = "answered from memory"
    REFUSED_HERE = "refused by the terminal"
    SETTLEMENT_NEEDED = "settlement requested"
    REVERSAL_GRANTED = "reversal granted"
    REVERSAL_MOOT = "reversal already done"
    REVERSAL_REFUSED = "reversal refused"
    REQUEST_HELD = "request while something is owed"
    PIN_ENTERED = "PIN entered"
    CANCELLED = "cancelled by customer or cashier"
    BANK_ASKED = "bank asked"
    BANK_UNREACHABLE = "bank unreachable"
    BANK_APPROVED = "bank approved"
    APPROVED_TOO_LATE = "bank approved, customer had cancelled"
    CARD_REFUSED = "bank approved, the card refused it"
    BANK_DECLINED = "bank declined"
    PIN_WRONG = "wrong PIN, tries left"
    NO_ANSWER = "no usable answer, money at stake"
    KEYS_TAKEN = "bank gave keys that are right"
    KEYS_REFUSED = "bank gave a key that is wrong"
    NO_ANSWER_HARMLESS = "no usable answer, nothing to undo"
    REVERSAL_ENDED = "reversal answered"
    DAY_CLOSED = "bank agreed, day closed"
    TOTALS_DIFFER = "bank counts otherwise"
    UPLOAD_TAKEN = "bank took an upload"
    CLOSING_REFUSED = "bank will not close the day"
    ATTEMPT_FAILED = "attempt failed"
    ATTEMPT_FAILED_HARMLESS = "attempt failed, the request needs no bank or brings keys"
    ANSWER_TAKEN = "final answer acknowledged"
    ANSWER_IN_DOUBT = "final answer kept in doubt"
    ANSWER_LOST = "final answer lost, money at stake"
    ANSWER_LOST_HARMLESS = "final answer lost, nothing to undo"
    REGISTER_LEFT = "register left, nothing to undo"
    REGISTER_LEFT_OWING = "register left, money at stake"
    NOT_GIVEN_IN_TIME = "card, PIN or reference not given in time"
    RETRY_DUE = "next attempt is due"
    DEBT_FOUND = "something is owed at rest"
    DEBT_GONE = "nothing is owed any more"
    POWER_BACK = "power is back, nothing is owed"
    POWER_BACK_OWING = "power is back, something is owed"


@dataclass(frozen=True, slots=True)
class Row:
    """One transition. ``target`` None: the action runs, the state and its deadline stay."""

    source: State
    kind: Kind
    target: State | None
    action: Callable[[Work], None]


S, K = State, Kind

TRANSITIONS: tuple[Row, ...] = (
    # at rest
    Row(S.IDLE, K.POWER_BACK, S.IDLE, serving.rest),
    Row(S.IDLE, K.POWER_BACK_OWING, S.RETRYING, undoing.resume),
    Row(S.IDLE, K.REQUEST_REFUSED, S.ANSWERING, serving.answer_refusal),
    Row(S.IDLE, K.REFUSED_HERE, S.ANSWERING, serving.answer_refused_here),
    Row(S.IDLE, K.MEMORY_ANSWERED, S.ANSWERING, reports.answer_from_memory),
    Row(S.IDLE, K.CASHIER_NEEDED, S.CASHIER, serving.ask_cashier),
    Row(S.IDLE, K.CARD_NEEDED, S.CARD_PROMPT, serving.prompt_card),
    Row(S.IDLE, K.CHIP_NEEDED, S.CARD_PROMPT, serving.prompt_chip),
    Row(S.IDLE, K.PIN_NEEDED, S.PIN_ENTRY, serving.prompt_pin),
    Row(S.IDLE, K.BANK_NEEDED, S.BANK_CONNECT, serving.call_bank),
    Row(S.IDLE, K.SETTLEMENT_NEEDED, S.SETTLING, settling.begin),
    Row(S.IDLE, K.REVERSAL_GRANTED, S.REVERSING, undoing.reverse_for_register),
    Row(S.IDLE, K.REVERSAL_MOOT, S.ANSWERING, undoing.answer_already_reversed),
    Row(S.IDLE, K.REVERSAL_REFUSED, S.ANSWERING, undoing.answer_reversal_refused),
    Row(S.IDLE, K.REQUEST_HELD, S.CLEARING, undoing.clear_first),
    Row(S.IDLE, K.DEBT_FOUND, S.OWING, serving.rest),
    # the cashier
    Row(S.CASHIER, K.CASHIER_NEEDED, S.CASHIER, serving.ask_cashier),
    Row(S.CASHIER, K.CARD_NEEDED, S.CARD_PROMPT, serving.prompt_card),
    Row(S.CASHIER, K.CHIP_NEEDED, S.CARD_PROMPT, serving.prompt_chip),
    Row(S.CASHIER, K.PIN_NEEDED, S.PIN_ENTRY, serving.prompt_pin),
    Row(S.CASHIER, K.BANK_NEEDED, S.BANK_CONNECT, serving.call_bank),
    Row(S.CASHIER, K.REFUSED_HERE, S.ANSWERING, serving.answer_refused_here),
    Row(S.CASHIER, K.CANCELLED, S.ANSWERING, serving.answer_cancelled),
    Row(S.CASHIER, K.NOT_GIVEN_IN_TIME, S.ANSWERING, serving.answer_not_given),
    Row(S.CASHIER, K.REGISTER_LEFT, S.IDLE, serving.drop),
    # the customer
    Row(S.CARD_PROMPT, K.PIN_NEEDED, S.PIN_ENTRY, serving.prompt_pin),
    Row(S.CARD_PROMPT, K.BANK_NEEDED, S.BANK_CONNECT, serving.call_bank),
    Row(S.CARD_PROMPT, K.CHIP_NEEDED, None, serving.prompt_chip),
    Row(S.CARD_PROMPT, K.STRIPE_NEEDED, None, serving.prompt_stripe),
    Row(S.CARD_PROMPT, K.CARD_ANSWERED, S.ANSWERING, serving.answer_card),
    Row(S.CARD_PROMPT, K.REFUSED_HERE, S.ANSWERING, serving.answer_refused_here),
    Row(S.CARD_PROMPT, K.CANCELLED, S.ANSWERING, serving.answer_cancelled),
    Row(S.CARD_PROMPT, K.NOT_GIVEN_IN_TIME, S.ANSWERING, serving.answer_not_given),
    Row(S.CARD_PROMPT, K.REGISTER_LEFT, S.IDLE, serving.drop),
    Row(S.PIN_ENTRY, K.PIN_ENTERED, S.BANK_CONNECT, serving.call_bank),
    Row(S.PIN_ENTRY, K.CANCELLED, S.ANSWERING, serving.answer_cancelled),
    Row(S.PIN_ENTRY, K.NOT_GIVEN_IN_TIME, S.ANSWERING, serving.answer_not_given),
    Row(S.PIN_ENTRY, K.REGISTER_LEFT, S.IDLE, serving.drop),
    # the bank
    Row(S.BANK_CONNECT, K.BANK_ASKED, S.BANK_ANSWER, serving.note_asked),
    Row(S.BANK_CONNECT, K.BANK_UNREACHABLE, S.ANSWERING, serving.answer_unreachable),
    Row(S.BANK_CONNECT, K.CANCELLED, S.ANSWERING, serving.answer_cancelled),
    Row(S.BANK_CONNECT, K.REGISTER_LEFT, S.IDLE, serving.drop),
    Row(S.BANK_ANSWER, K.BANK_APPROVED, S.ANSWERING, serving.answer_approved),
    Row(S.BANK_ANSWER, K.KEYS_TAKEN, S.ANSWERING, serving.take_keys),
    Row(S.BANK_ANSWER, K.KEYS_REFUSED, S.ANSWERING, serving.refuse_keys),
    Row(S.BANK_ANSWER, K.APPROVED_TOO_LATE, S.UNDOING, undoing.undo_withdrawn),
    Row(S.BANK_ANSWER, K.CARD_REFUSED, S.UNDOING, undoing.undo_refused_by_card),
    Row(S.BANK_ANSWER, K.BANK_DECLINED, S.ANSWERING, serving.answer_declined),
    Row(S.BANK_ANSWER, K.PIN_WRONG, S.PIN_ENTRY, serving.prompt_pin_again),
    Row(S.BANK_ANSWER, K.CANCELLED, None, serving.withdraw),
    Row(S.BANK_ANSWER, K.NO_ANSWER, S.UNDOING, undoing.undo_unanswered),
    Row(S.BANK_ANSWER, K.NO_ANSWER_HARMLESS, S.ANSWERING, serving.answer_no_answer),
    Row(S.BANK_ANSWER, K.REGISTER_LEFT, S.IDLE, serving.drop),
    Row(S.BANK_ANSWER, K.REGISTER_LEFT_OWING, S.RETRYING, undoing.undo_abandoned),
    # the settlement, with a register that waits
    Row(S.SETTLING, K.DAY_CLOSED, S.ANSWERING, settling.answer_settled),
    Row(S.SETTLING, K.TOTALS_DIFFER, S.SETTLING, settling.begin_upload),
    Row(S.SETTLING, K.UPLOAD_TAKEN, S.SETTLING, settling.go_on),
    Row(S.SETTLING, K.CLOSING_REFUSED, S.ANSWERING, settling.answer_refused),
    Row(S.SETTLING, K.ATTEMPT_FAILED, S.ANSWERING, settling.answer_failed),
    Row(S.SETTLING, K.REGISTER_LEFT, S.RETRYING, undoing.go_on_alone),
    # the emergency reversal, with a register that waits
    Row(S.UNDOING, K.REVERSAL_ENDED, S.ANSWERING, undoing.answer_undone),
    Row(S.UNDOING, K.ATTEMPT_FAILED, S.ANSWERING, undoing.answer_undo_failed),
    Row(S.UNDOING, K.REGISTER_LEFT, S.RETRYING, undoing.go_on_alone),
    Row(S.REVERSING, K.REVERSAL_ENDED, S.ANSWERING, undoing.answer_reversed),
    Row(S.REVERSING, K.ATTEMPT_FAILED, S.ANSWERING, undoing.answer_not_reversed),
    Row(S.REVERSING, K.REGISTER_LEFT, S.RETRYING, undoing.go_on_alone),
    # what is owed, with a request that waits its turn
    Row(S.CLEARING, K.REVERSAL_ENDED, S.IDLE, undoing.serve_held),
    Row(S.CLEARING, K.DAY_CLOSED, S.IDLE, undoing.serve_in_new_day),
    Row(S.CLEARING, K.TOTALS_DIFFER, S.CLEARING, settling.begin_upload),
    Row(S.CLEARING, K.UPLOAD_TAKEN, S.CLEARING, settling.go_on),
    Row(S.CLEARING, K.CLOSING_REFUSED, S.IDLE, undoing.serve_in_open_day),
    Row(S.CLEARING, K.ATTEMPT_FAILED, S.ANSWERING, undoing.answer_owing),
    Row(S.CLEARING, K.ATTEMPT_FAILED_HARMLESS, S.OWING, undoing.serve_without_bank),
    Row(S.CLEARING, K.REGISTER_LEFT, S.RETRYING, undoing.go_on_alone),
    # messages on their way
    Row(S.SETTLING, K.BANK_ASKED, None, serving.note_asked),
    Row(S.UNDOING, K.BANK_ASKED, None, serving.note_asked),
    Row(S.REVERSING, K.BANK_ASKED, None, serving.note_asked),
    Row(S.CLEARING, K.BANK_ASKED, None, serving.note_asked),
    Row(S.RETRYING, K.BANK_ASKED, None, serving.note_asked),
    # what is owed, with nobody
    Row(S.OWING, K.REQUEST_HELD, S.CLEARING, undoing.clear_first),
    Row(S.OWING, K.BANK_NEEDED, S.BANK_CONNECT, serving.call_bank),
    Row(S.OWING, K.SETTLEMENT_NEEDED, S.SETTLING, settling.begin),
    Row(S.OWING, K.RETRY_DUE, S.RETRYING, undoing.pay),
    Row(S.OWING, K.DEBT_GONE, S.IDLE, serving.rest),
    Row(S.RETRYING, K.REQUEST_HELD, S.CLEARING, undoing.hold),
    Row(S.RETRYING, K.SETTLEMENT_NEEDED, S.SETTLING, settling.begin),
    Row(S.RETRYING, K.REVERSAL_ENDED, S.IDLE, undoing.finish_alone),
    Row(S.RETRYING, K.DAY_CLOSED, S.IDLE, settling.settle_alone),
    Row(S.RETRYING, K.TOTALS_DIFFER, S.RETRYING, settling.begin_upload),
    Row(S.RETRYING, K.UPLOAD_TAKEN, S.RETRYING, settling.go_on),
    Row(S.RETRYING, K.CLOSING_REFUSED, S.IDLE, settling.refuse_alone),
    Row(S.RETRYING, K.ATTEMPT_FAILED, S.OWING, undoing.fail_alone),
    # what needs no bank is served although something is owed
    Row(S.OWING, K.REQUEST_REFUSED, S.ANSWERING, serving.answer_refusal),
    Row(S.OWING, K.REFUSED_HERE, S.ANSWERING, serving.answer_refused_here),
    Row(S.OWING, K.MEMORY_ANSWERED, S.ANSWERING, reports.answer_from_memory),
    Row(S.OWING, K.CARD_NEEDED, S.CARD_PROMPT, serving.prompt_card),
    # the final answer
    Row(S.ANSWERING, K.ANSWER_TAKEN, S.IDLE, serving.complete),
    Row(S.ANSWERING, K.ANSWER_IN_DOUBT, S.IDLE, serving.complete_in_doubt),
    Row(S.ANSWERING, K.ANSWER_LOST, S.RETRYING, undoing.undo_lost),
    Row(S.ANSWERING, K.ANSWER_LOST_HARMLESS, S.IDLE, serving.finish_unheard),
)


@dataclass(frozen=True, slots=True)
class Deadline:
    """The deadline of a state: the timer that entering arms, and the kind it raises."""

    timer: str
    kind: Kind


DEADLINES: dict[State, Deadline] = {
    S.CASHIER: Deadline("cashier", K.NOT_GIVEN_IN_TIME),
    S.CARD_PROMPT: Deadline("card", K.NOT_GIVEN_IN_TIME),
    S.PIN_ENTRY: Deadline("pin", K.NOT_GIVEN_IN_TIME),
    S.BANK_CONNECT: Deadline("bank_connect", K.BANK_UNREACHABLE),
    S.BANK_ANSWER: Deadline("bank_answer", K.NO_ANSWER),
    S.SETTLING: Deadline("settlement", K.ATTEMPT_FAILED),
    S.UNDOING: Deadline("reversal_attempt", K.ATTEMPT_FAILED),
    S.REVERSING: Deadline("reversal_attempt", K.ATTEMPT_FAILED),
    S.CLEARING: Deadline("reversal_attempt", K.ATTEMPT_FAILED),
    S.RETRYING: Deadline("reversal_attempt", K.ATTEMPT_FAILED),
    S.OWING: Deadline("reversal_retry", K.RETRY_DUE),
}
"""IDLE waits for nobody; the final answer's time is the link's (three sends)."""

ATTEMPTS: frozenset[State] = frozenset({S.SETTLING, S.UNDOING, S.REVERSING, S.CLEARING, S.RETRYING})
"""A message that must be answered some day is on its way to the bank."""

REST: frozenset[State] = frozenset({S.IDLE, S.OWING, S.RETRYING})
"""No register is being served: a request begins a session."""

REQUESTS = frozenset(
    {
        K.REQUEST_REFUSED,
        K.MEMORY_ANSWERED,
        K.SETTLEMENT_NEEDED,
        K.REVERSAL_GRANTED,
        K.REVERSAL_MOOT,
        K.REVERSAL_REFUSED,
        K.REQUEST_HELD,
    }
)
NEEDS = frozenset(
    {
        K.CASHIER_NEEDED,
        K.CARD_NEEDED,
        K.CHIP_NEEDED,
        K.STRIPE_NEEDED,
        K.PIN_NEEDED,
        K.BANK_NEEDED,
        K.CARD_ANSWERED,
        K.REFUSED_HERE,
    }
)
HANDS = frozenset({K.PIN_ENTERED, K.CANCELLED})
BANK = frozenset(
    {
        K.BANK_ASKED,
        K.BANK_UNREACHABLE,
        K.BANK_APPROVED,
        K.KEYS_TAKEN,
        K.KEYS_REFUSED,
        K.APPROVED_TOO_LATE,
        K.CARD_REFUSED,
        K.BANK_DECLINED,
        K.PIN_WRONG,
        K.NO_ANSWER,
        K.NO_ANSWER_HARMLESS,
    }
)
REVERSAL = frozenset({K.REVERSAL_ENDED, K.ATTEMPT_FAILED})
SETTLEMENT = frozenset({K.DAY_CLOSED, K.TOTALS_DIFFER, K.UPLOAD_TAKEN, K.CLOSING_REFUSED})
FINAL = frozenset({K.ANSWER_TAKEN, K.ANSWER_IN_DOUBT, K.ANSWER_LOST, K.ANSWER_LOST_HARMLESS})
GONE = frozenset({K.REGISTER_LEFT, K.REGISTER_LEFT_OWING})
POWER = frozenset({K.POWER_BACK, K.POWER_BACK_OWING})


@dataclass(frozen=True, slots=True)
class Ignored:
    """Pairs without a transition, and why. No pair stands twice, neither here nor in TRANSITIONS."""

    states: frozenset[State]
    kinds: frozenset[Kind]
    reason: str


def _but(*states: State) -> frozenset[State]:
    return frozenset(State) - frozenset(states)


def _kinds(kinds: Iterable[Kind], *but: Kind) -> frozenset[Kind]:
    return frozenset(kinds) - frozenset(but)


IGNORED_ROWS: tuple[Ignored, ...] = (
    Ignored(
        _but(*REST),
        REQUESTS,
        "one request at a time: the session gives up the running one before it hands over another",
    ),
    Ignored(
        frozenset({S.OWING}),
        _kinds(REQUESTS | NEEDS, *(row.kind for row in TRANSITIONS if row.source is S.OWING)),
        "something is owed: what needs the bank is held behind it",
    ),
    Ignored(
        frozenset({S.RETRYING}),
        _kinds(REQUESTS | NEEDS, K.REQUEST_HELD, K.SETTLEMENT_NEEDED),
        "something is owed: every request is held behind it",
    ),
    Ignored(frozenset({S.IDLE}), frozenset({K.CARD_ANSWERED}), "no card is asked for"),
    Ignored(frozenset({S.IDLE, S.CASHIER}), frozenset({K.STRIPE_NEEDED}), "no chip has been in the reader"),
    Ignored(
        frozenset({S.CASHIER}), frozenset({K.CARD_ANSWERED}), "what asks the cashier asks the bank as well"
    ),
    Ignored(
        frozenset({S.CARD_PROMPT}),
        frozenset({K.CASHIER_NEEDED, K.CARD_NEEDED}),
        "the cashier was asked before, and a card has come",
    ),
    Ignored(_but(S.IDLE, S.CASHIER, S.CARD_PROMPT, S.OWING, S.RETRYING), NEEDS, "nobody is asked anything"),
    Ignored(
        _but(S.CASHIER, S.CARD_PROMPT, S.PIN_ENTRY, S.BANK_CONNECT, S.BANK_ANSWER),
        HANDS,
        "nothing is asked of the customer",
    ),
    Ignored(frozenset({S.CASHIER, S.CARD_PROMPT}), frozenset({K.PIN_ENTERED}), "no PIN before a card"),
    Ignored(
        frozenset({S.BANK_CONNECT, S.BANK_ANSWER}),
        frozenset({K.PIN_ENTERED}),
        "the PIN has been entered already",
    ),
    Ignored(_but(S.BANK_CONNECT, S.BANK_ANSWER), _kinds(BANK, K.BANK_ASKED), "no call to the bank is open"),
    Ignored(_but(S.BANK_CONNECT, *ATTEMPTS), frozenset({K.BANK_ASKED}), "no call to the bank is being made"),
    Ignored(
        frozenset({S.BANK_CONNECT}),
        _kinds(BANK, K.BANK_ASKED, K.BANK_UNREACHABLE),
        "no answer can come before the question: the call is then told as asked first",
    ),
    Ignored(frozenset({S.BANK_ANSWER}), frozenset({K.BANK_UNREACHABLE}), "the bank was reached already"),
    Ignored(_but(*ATTEMPTS), REVERSAL, "no attempt is under way"),
    Ignored(frozenset({S.SETTLING}), frozenset({K.REVERSAL_ENDED}), "a settlement is under way"),
    Ignored(
        _but(S.CLEARING),
        frozenset({K.ATTEMPT_FAILED_HARMLESS}),
        "no request waits for an attempt",
    ),
    Ignored(_but(S.SETTLING, S.CLEARING, S.RETRYING), SETTLEMENT, "no settlement is under way"),
    Ignored(_but(S.ANSWERING), FINAL, "no final answer is on the line"),
    Ignored(frozenset({S.ANSWERING}), GONE, "told as the fate of the final answer"),
    Ignored(REST, GONE, "no register was being served"),
    Ignored(
        _but(S.BANK_ANSWER, S.ANSWERING, *REST),
        frozenset({K.REGISTER_LEFT_OWING}),
        "the bank has not been asked, or what is owed is under way: nothing more to undo",
    ),
    Ignored(
        _but(S.CASHIER, S.CARD_PROMPT, S.PIN_ENTRY),
        frozenset({K.NOT_GIVEN_IN_TIME}),
        "nothing is asked of customer or cashier",
    ),
    Ignored(_but(S.OWING), frozenset({K.RETRY_DUE}), "what is owed is retried from rest only"),
    Ignored(_but(S.IDLE), frozenset({K.DEBT_FOUND}), "a debt is looked for only when an operation ends"),
    Ignored(_but(S.OWING), frozenset({K.DEBT_GONE}), "only who rests in debt looks whether it still stands"),
    Ignored(_but(S.IDLE), POWER, "the power comes back once, to a pinpad that does nothing yet"),
)

IGNORED: dict[tuple[State, Kind], str] = {
    (state, kind): row.reason for row in IGNORED_ROWS for state in row.states for kind in row.kinds
}
