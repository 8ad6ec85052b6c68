"""The original of a void, return, raise or completion: which one is meant, and whether it may be followed.

Pure rules over a request and the journal (PROTOCOL.md, sections 0.5 and 5.5; the Document, 2.3). What the
journal does not know, because its day is closed, the bank decides.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from smartsale_emu.sa.fields import Tag
from smartsale_emu.terminal.journal import Entry, Journal
from smartsale_emu.terminal.operations import Day, Name
from smartsale_emu.terminal.outcome import OutcomeKind
from smartsale_emu.terminal.requests import Request


class CashierAbsent(StrEnum):
    """What happens when a reference is missing and no cashier can be asked."""

    DECLINE = "decline"
    LAST = "last"  # the last operation of the day that matches what was given


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowRules:
    """What the acquirer allows; see the profile."""

    partial_void: bool
    partial_return: bool
    return_same_day: bool
    cashier_absent: CashierAbsent


@dataclass(frozen=True, slots=True)
class Ask:
    """The cashier must be asked for this field: 14 or 13."""

    tag: int


@dataclass(frozen=True, slots=True)
class Refused:
    """It may not be. ``field``: the offending field of the request, if one is."""

    kind: OutcomeKind
    because: str
    field: int | None = None


@dataclass(frozen=True, slots=True)
class Follow:
    """It may be: the request with its references complete, and the entry, None if its day is closed."""

    request: Request
    entry: Entry | None


def original_of(
    request: Request, journal: Journal, rules: FollowRules, *, can_ask: bool
) -> Ask | Refused | Follow:
    """Tell which operation a request refers to. ``can_ask``: the cashier has not been found absent."""
    if request.slip is not None:
        return _by_slip(request, request.slip, journal, rules)
    missing = [
        tag
        for tag, given in (
            (Tag.REFERENCE_NUMBER, request.rrn),
            (Tag.AUTHORIZATION_CODE, request.authorization_code),
        )
        if not given
    ]
    if not missing:
        return _by_reference(request, journal, rules)
    if can_ask:
        return Ask(missing[0])
    if rules.cashier_absent is CashierAbsent.DECLINE:
        return Refused(OutcomeKind.NO_REFERENCE, f"field {missing[0]} is missing and no cashier answers")
    return _last_matching(request, journal, rules)


def _by_slip(request: Request, slip: int, journal: Journal, rules: FollowRules) -> Refused | Follow:
    entries = journal.find(rrn=request.rrn, authorization_code=request.authorization_code, number=slip)
    entry = next(entries, None)
    if entry is None:
        return Refused(OutcomeKind.NOT_FOUND, f"no slip {slip} like this in the operating day")
    return _may_follow(request, entry, journal, rules)


def _by_reference(request: Request, journal: Journal, rules: FollowRules) -> Refused | Follow:
    entries = tuple(journal.find(rrn=request.rrn, authorization_code=request.authorization_code))
    if entries:
        entry = next((entry for entry in entries if entry.kept), entries[0])
        return _may_follow(request, entry, journal, rules)
    if request.operation.day is Day.OPEN:
        return Refused(OutcomeKind.NOT_FOUND, f"RRN {request.rrn} is not of this operating day")
    return Follow(request, None)


def _last_matching(request: Request, journal: Journal, rules: FollowRules) -> Refused | Follow:
    for entry in journal.find(rrn=request.rrn, authorization_code=request.authorization_code):
        decision = _may_follow(request, entry, journal, rules)
        if isinstance(decision, Follow):
            return decision
    return Refused(OutcomeKind.NOT_FOUND, "no operation of this day matches")


def _may_follow(request: Request, entry: Entry, journal: Journal, rules: FollowRules) -> Refused | Follow:
    operation = request.operation
    if not entry.kept or entry.operation not in operation.follows:
        return Refused(OutcomeKind.NOT_ALLOWED, f"slip {entry.number} is no operation for that")
    if operation.day is Day.LATER and not rules.return_same_day:
        return Refused(OutcomeKind.SAME_DAY, "it is of the open operating day: a void it must be")
    if entry.request is not None and request.currency != (entry.request.currency or None):
        return Refused(OutcomeKind.NOT_ALLOWED, "another currency than the original's")
    if request.original_amount is not None and request.original_amount != entry.amount:
        because = "field 1 is not the amount of the original"
        return Refused(OutcomeKind.BAD_FIELD, because, Tag.ADDITIONAL_AMOUNT)
    refused = _amount(request, entry, journal.left(entry), rules)
    if refused is not None:
        return refused
    return Follow(replace(request, rrn=entry.rrn, authorization_code=entry.authorization_code), entry)


def _amount(request: Request, entry: Entry, left: int, rules: FollowRules) -> Refused | None:
    amount, name = request.amount or 0, request.operation.name
    if left <= 0:
        return Refused(OutcomeKind.NOT_ALLOWED, f"nothing is left of slip {entry.number}")
    if name is Name.RAISE:
        return None
    if amount > left:
        return Refused(OutcomeKind.TOO_MUCH, f"{left} is left of slip {entry.number}, not {amount}")
    if name is Name.VOID and amount < left and entry.operation is Name.PREAUTHORIZATION:
        return Refused(OutcomeKind.PARTIAL_FORBIDDEN, "a hold is released as a whole")
    partial = amount < entry.amount
    allowed = {Name.VOID: rules.partial_void, Name.RETURN: rules.partial_return}.get(name, True)
    if partial and not allowed:
        return Refused(OutcomeKind.PARTIAL_FORBIDDEN, "the bank takes no partial ones")
    return None
