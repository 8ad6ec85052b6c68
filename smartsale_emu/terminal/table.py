"""The terminal as a table. Rule 1: everything that moves it from state to state stands in this file.

One row per (state, event kind): target and action. A guard is folded into the event kind (``classify.py``),
so the table has no conditions. Every other pair is listed in IGNORED with its reason; a test holds that both
together are total. The diagram in the README is drawn from these rows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from smartsale_emu.terminal import serving, undoing
from smartsale_emu.terminal.work import Work


class State(StrEnum):
    """What the terminal is about."""

    IDLE = "idle"
    CARD_PROMPT = "card prompt"
    PIN_ENTRY = "PIN entry"
    BANK_CONNECT = "bank connect"
    BANK_ANSWER = "bank answer"
    ANSWERING = "answering"  # the final answer is on the line
    UNDOING = "undoing"  # a reversal, while the register waits to hear 39 = 53
    REVERSING = "reversing"  # operation 53, asked by the register
    OWING = "owing"  # idle, and a reversal is owed to the bank
    RETRYING = "retrying"  # a reversal attempt while no register waits
    CLEARING = "clearing"  # a reversal attempt while a request waits its turn


class Kind(StrEnum):
    """Event kinds: an event with every guard already answered."""

    REQUEST_REFUSED = "request refused"
    SALE_REQUESTED = "sale requested"
    TEST_REQUESTED = "link test requested"
    REVERSAL_GRANTED = "reversal granted"
    REVERSAL_MOOT = "reversal already done"
    REVERSAL_REFUSED = "reversal refused"
    REQUEST_HELD = "request while a reversal is owed"
    CARD_NEEDS_PIN = "card, PIN needed"
    CARD_NEEDS_NO_PIN = "card, no PIN"
    CARD_NEEDS_CHIP = "card, chip must be used"
    PIN_ENTERED = "PIN entered"
    CANCELLED = "cancelled by the customer"
    BANK_ASKED = "bank asked"
    BANK_UNREACHABLE = "bank unreachable"
    BANK_APPROVED = "bank approved"
    APPROVED_TOO_LATE = "bank approved, customer had cancelled"
    BANK_DECLINED = "bank declined"
    PIN_WRONG = "wrong PIN, tries left"
    NO_ANSWER = "no usable answer, money at stake"
    NO_ANSWER_HARMLESS = "no usable answer, nothing to undo"
    REVERSAL_ENDED = "reversal answered"
    REVERSAL_FAILED = "reversal attempt failed"
    ANSWER_TAKEN = "final answer acknowledged"
    ANSWER_IN_DOUBT = "final answer kept in doubt"
    ANSWER_LOST = "final answer lost, money at stake"
    ANSWER_LOST_HARMLESS = "final answer lost, nothing to undo"
    REGISTER_LEFT = "register left, nothing to undo"
    REGISTER_LEFT_OWING = "register left, money at stake"
    NOT_GIVEN_IN_TIME = "card or PIN not given in time"
    RETRY_DUE = "next reversal attempt is due"
    REVERSAL_FOUND = "a reversal is owed at rest"
    POWER_BACK = "power is back, nothing is owed"
    POWER_BACK_OWING = "power is back, an operation is unfinished"


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
    Row(S.IDLE, K.SALE_REQUESTED, S.CARD_PROMPT, serving.prompt_card),
    Row(S.IDLE, K.TEST_REQUESTED, S.BANK_CONNECT, serving.call_for_test),
    Row(S.IDLE, K.REVERSAL_GRANTED, S.REVERSING, undoing.reverse_for_register),
    Row(S.IDLE, K.REVERSAL_MOOT, S.ANSWERING, undoing.answer_already_reversed),
    Row(S.IDLE, K.REVERSAL_REFUSED, S.ANSWERING, undoing.answer_reversal_refused),
    Row(S.IDLE, K.REVERSAL_FOUND, S.OWING, serving.rest),
    # the customer
    Row(S.CARD_PROMPT, K.CARD_NEEDS_PIN, S.PIN_ENTRY, serving.prompt_pin),
    Row(S.CARD_PROMPT, K.CARD_NEEDS_NO_PIN, S.BANK_CONNECT, serving.call_for_money),
    Row(S.CARD_PROMPT, K.CARD_NEEDS_CHIP, None, serving.prompt_chip),
    Row(S.CARD_PROMPT, K.CANCELLED, S.ANSWERING, serving.answer_cancelled),
    Row(S.CARD_PROMPT, K.NOT_GIVEN_IN_TIME, S.ANSWERING, serving.answer_not_given),
    Row(S.CARD_PROMPT, K.REGISTER_LEFT, S.IDLE, serving.drop),
    Row(S.PIN_ENTRY, K.PIN_ENTERED, S.BANK_CONNECT, serving.call_for_money),
    Row(S.PIN_ENTRY, K.CANCELLED, S.ANSWERING, serving.answer_cancelled),
    Row(S.PIN_ENTRY, K.NOT_GIVEN_IN_TIME, S.ANSWERING, serving.answer_not_given),
    Row(S.PIN_ENTRY, K.REGISTER_LEFT, S.IDLE, serving.drop),
    # the bank
    Row(S.BANK_CONNECT, K.BANK_ASKED, S.BANK_ANSWER, serving.note_asked),
    Row(S.BANK_CONNECT, K.BANK_UNREACHABLE, S.ANSWERING, serving.answer_unreachable),
    Row(S.BANK_CONNECT, K.CANCELLED, S.ANSWERING, serving.answer_cancelled),
    Row(S.BANK_CONNECT, K.REGISTER_LEFT, S.IDLE, serving.drop),
    Row(S.BANK_ANSWER, K.BANK_APPROVED, S.ANSWERING, serving.answer_approved),
    Row(S.BANK_ANSWER, K.APPROVED_TOO_LATE, S.UNDOING, undoing.undo_withdrawn),
    Row(S.BANK_ANSWER, K.BANK_DECLINED, S.ANSWERING, serving.answer_declined),
    Row(S.BANK_ANSWER, K.PIN_WRONG, S.PIN_ENTRY, serving.prompt_pin_again),
    Row(S.BANK_ANSWER, K.CANCELLED, None, serving.withdraw),
    Row(S.BANK_ANSWER, K.NO_ANSWER, S.UNDOING, undoing.undo_unanswered),
    Row(S.BANK_ANSWER, K.NO_ANSWER_HARMLESS, S.ANSWERING, serving.answer_no_answer),
    Row(S.BANK_ANSWER, K.REGISTER_LEFT, S.IDLE, serving.drop),
    Row(S.BANK_ANSWER, K.REGISTER_LEFT_OWING, S.RETRYING, undoing.undo_abandoned),
    # the emergency reversal, with a register that waits
    Row(S.UNDOING, K.REVERSAL_ENDED, S.ANSWERING, undoing.answer_undone),
    Row(S.UNDOING, K.REVERSAL_FAILED, S.ANSWERING, undoing.answer_undo_failed),
    Row(S.UNDOING, K.REGISTER_LEFT, S.RETRYING, undoing.go_on_alone),
    Row(S.REVERSING, K.REVERSAL_ENDED, S.ANSWERING, undoing.answer_reversed),
    Row(S.REVERSING, K.REVERSAL_FAILED, S.ANSWERING, undoing.answer_not_reversed),
    Row(S.REVERSING, K.REGISTER_LEFT, S.RETRYING, undoing.go_on_alone),
    Row(S.CLEARING, K.REVERSAL_ENDED, S.IDLE, undoing.serve_held),
    Row(S.CLEARING, K.REVERSAL_FAILED, S.ANSWERING, undoing.answer_owing),
    Row(S.CLEARING, K.REGISTER_LEFT, S.RETRYING, undoing.go_on_alone),
    # the emergency reversal, on its way
    Row(S.UNDOING, K.BANK_ASKED, None, serving.note_asked),
    Row(S.REVERSING, K.BANK_ASKED, None, serving.note_asked),
    Row(S.CLEARING, K.BANK_ASKED, None, serving.note_asked),
    Row(S.RETRYING, K.BANK_ASKED, None, serving.note_asked),
    # the emergency reversal, with nobody
    Row(S.OWING, K.REQUEST_HELD, S.CLEARING, undoing.clear_first),
    Row(S.OWING, K.RETRY_DUE, S.RETRYING, undoing.attempt),
    Row(S.RETRYING, K.REQUEST_HELD, S.CLEARING, undoing.hold),
    Row(S.RETRYING, K.REVERSAL_ENDED, S.IDLE, undoing.settle),
    Row(S.RETRYING, K.REVERSAL_FAILED, S.OWING, undoing.settle_failed),
    # the final answer
    Row(S.ANSWERING, K.ANSWER_TAKEN, S.IDLE, serving.complete),
    Row(S.ANSWERING, K.ANSWER_IN_DOUBT, S.IDLE, serving.complete_in_doubt),
    Row(S.ANSWERING, K.ANSWER_LOST, S.RETRYING, undoing.undo_lost),
    Row(S.ANSWERING, K.ANSWER_LOST_HARMLESS, S.IDLE, serving.finish_unheard),
)


@dataclass(frozen=True, slots=True)
class Deadline:
    """The deadline of a state: the profile's timer that entering arms, and the kind it raises."""

    timer: str
    kind: Kind


DEADLINES: dict[State, Deadline] = {
    S.CARD_PROMPT: Deadline("card", K.NOT_GIVEN_IN_TIME),
    S.PIN_ENTRY: Deadline("pin", K.NOT_GIVEN_IN_TIME),
    S.BANK_CONNECT: Deadline("bank_connect", K.BANK_UNREACHABLE),
    S.BANK_ANSWER: Deadline("bank_answer", K.NO_ANSWER),
    S.UNDOING: Deadline("reversal_attempt", K.REVERSAL_FAILED),
    S.REVERSING: Deadline("reversal_attempt", K.REVERSAL_FAILED),
    S.CLEARING: Deadline("reversal_attempt", K.REVERSAL_FAILED),
    S.RETRYING: Deadline("reversal_attempt", K.REVERSAL_FAILED),
    S.OWING: Deadline("reversal_retry", K.RETRY_DUE),
}
"""IDLE waits for nobody; the final answer's time is the link's (three sends)."""

ATTEMPTS: frozenset[State] = frozenset({S.UNDOING, S.REVERSING, S.CLEARING, S.RETRYING})
"""A reversal is on its way to the bank."""

REST: frozenset[State] = frozenset({S.IDLE, S.OWING, S.RETRYING})
"""No register is being served: a request begins a session."""

REQUESTS = frozenset(
    {
        K.REQUEST_REFUSED,
        K.SALE_REQUESTED,
        K.TEST_REQUESTED,
        K.REVERSAL_GRANTED,
        K.REVERSAL_MOOT,
        K.REVERSAL_REFUSED,
        K.REQUEST_HELD,
    }
)
HANDS = frozenset({K.CARD_NEEDS_PIN, K.CARD_NEEDS_NO_PIN, K.CARD_NEEDS_CHIP, K.PIN_ENTERED, K.CANCELLED})
BANK = frozenset(
    {
        K.BANK_ASKED,
        K.BANK_UNREACHABLE,
        K.BANK_APPROVED,
        K.APPROVED_TOO_LATE,
        K.BANK_DECLINED,
        K.PIN_WRONG,
        K.NO_ANSWER,
        K.NO_ANSWER_HARMLESS,
    }
)
REVERSAL = frozenset({K.REVERSAL_ENDED, K.REVERSAL_FAILED})
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
        frozenset({S.OWING, S.RETRYING}),
        _kinds(REQUESTS, K.REQUEST_HELD),
        "a reversal is owed: every request is held behind it",
    ),
    Ignored(frozenset({S.IDLE}), frozenset({K.REQUEST_HELD}), "nothing is owed, nothing is held"),
    Ignored(
        _but(S.CARD_PROMPT, S.PIN_ENTRY, S.BANK_CONNECT, S.BANK_ANSWER),
        HANDS,
        "nothing is asked of the customer",
    ),
    Ignored(frozenset({S.CARD_PROMPT}), frozenset({K.PIN_ENTERED}), "no PIN before a card"),
    Ignored(
        frozenset({S.PIN_ENTRY}), _kinds(HANDS, K.PIN_ENTERED, K.CANCELLED), "a card is already being served"
    ),
    Ignored(
        frozenset({S.BANK_CONNECT, S.BANK_ANSWER}),
        _kinds(HANDS, K.CANCELLED),
        "the card has been read already",
    ),
    Ignored(_but(S.BANK_CONNECT, S.BANK_ANSWER), _kinds(BANK, K.BANK_ASKED), "no call to the bank is open"),
    Ignored(
        _but(S.BANK_CONNECT, S.UNDOING, S.REVERSING, S.CLEARING, S.RETRYING),
        frozenset({K.BANK_ASKED}),
        "no call to the bank is being made",
    ),
    Ignored(
        frozenset({S.BANK_CONNECT}),
        _kinds(BANK, K.BANK_ASKED, K.BANK_UNREACHABLE),
        "no answer can come before the question: the call is then told as asked first",
    ),
    Ignored(frozenset({S.BANK_ANSWER}), frozenset({K.BANK_UNREACHABLE}), "the bank was reached already"),
    Ignored(
        _but(S.UNDOING, S.REVERSING, S.CLEARING, S.RETRYING), REVERSAL, "no reversal attempt is under way"
    ),
    Ignored(_but(S.ANSWERING), FINAL, "no final answer is on the line"),
    Ignored(frozenset({S.ANSWERING}), GONE, "told as the fate of the final answer"),
    Ignored(REST, GONE, "no register was being served"),
    Ignored(
        frozenset({S.CARD_PROMPT, S.PIN_ENTRY, S.BANK_CONNECT, S.UNDOING, S.REVERSING, S.CLEARING}),
        frozenset({K.REGISTER_LEFT_OWING}),
        "the bank has not been asked, or its reversal is under way: nothing more to undo",
    ),
    Ignored(
        _but(S.CARD_PROMPT, S.PIN_ENTRY), frozenset({K.NOT_GIVEN_IN_TIME}), "nothing is asked of the customer"
    ),
    Ignored(_but(S.OWING), frozenset({K.RETRY_DUE}), "a reversal is retried from rest only"),
    Ignored(
        _but(S.IDLE), frozenset({K.REVERSAL_FOUND}), "a reversal is looked for only when an operation ends"
    ),
    Ignored(_but(S.IDLE), POWER, "the power comes back once, to a pinpad that does nothing yet"),
)

IGNORED: dict[tuple[State, Kind], str] = {
    (state, kind): row.reason for row in IGNORED_ROWS for state in row.states for kind in row.kinds
}
