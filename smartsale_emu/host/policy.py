"""Which rule of a rulebook decides about a request, and what the limits of an issuer say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from smartsale_emu.host.ledger import Ledger, Operation, OperationState
from smartsale_emu.host.rulebook import PARTIAL, BookRule, Conditions, Issuer
from smartsale_emu.host.rules import OVER_LIMIT, RULES, TOO_OFTEN, Objection
from smartsale_emu.payment.authorization import AuthorizationRequest
from smartsale_emu.payment.response_codes import moves_money
from smartsale_emu.units import MinorUnits

_TAKES = frozenset(
    transaction for transaction, rule in RULES.items() if rule.direction < 0 and (rule.alone or rule.like_new)
)
"""What counts against the limits of a day: whatever newly takes money. A void gives nothing of it back."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the conditions of a rule look at. ``issuer``: its name or nothing; ``at``: the bank's time."""

    request: AuthorizationRequest
    card: str
    pan: str
    issuer: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Ruling:
    """The rule that decides, if one does, and how often each counted rule has held by now."""

    rule: BookRule | None = None
    counts: tuple[tuple[str, int], ...] = ()


def rule_on(rules: Sequence[BookRule], asked: Asked, counted: Callable[[str], int]) -> Ruling:
    """Return the first rule that matches. ``counted``: how often a rule, by name, has held before.

    A rule whose conditions hold is counted though it is not its turn; those after the one that decides are
    not looked at.
    """
    counts: list[tuple[str, int]] = []
    for rule in rules:
        if not _holds(rule, asked):
            continue
        if not rule.counted:
            return Ruling(rule, tuple(counts))
        count = counted(rule.name) + 1
        counts.append((rule.name, count))
        if _its_turn(rule, count):
            return Ruling(rule, tuple(counts))
    return Ruling(None, tuple(counts))


def declines(rule: BookRule) -> bool:
    """Tell whether a rule says no; a yes is still subject to the card, its PIN, and its money."""
    return bool(rule.code) and not moves_money(rule.code)


def approved_amount(rule: BookRule | None, asked: MinorUnits) -> MinorUnits:
    """Return how much of what was asked a rule would approve; a share is rounded down to the kopeck.

    >>> approved_amount(BookRule("half", "", Conditions(), share=50), MinorUnits(1201))
    600
    """
    if rule is not None and rule.amount is not None:
        return min(rule.amount, asked)
    if rule is not None and rule.share is not None:
        return MinorUnits(asked * rule.share // 100)
    return asked


def told(rule: BookRule) -> str:
    """Return a rule as a reason names it: its name, its place, and what it says itself."""
    reason = f": {rule.because}" if rule.because else ""
    return f'rule "{rule.name}" ({rule.place}){reason}'


def limit_objection(
    issuer: Issuer, ledger: Ledger, *, account: str, amount: MinorUnits, at: datetime
) -> Objection | None:
    """Return which limit of the issuer one more operation would break. ``account``: the card's name."""
    limit, name = issuer.operation_limit, issuer.name
    if limit is not None and amount > limit:
        return Objection(OVER_LIMIT, f"{account}: the issuer {name} allows {limit} an operation")
    if issuer.day_limit is None and issuer.day_count is None:
        return None
    today = [one for one in ledger.of_day(account, at.date()) if _taken(one)]
    if issuer.day_count is not None and len(today) >= issuer.day_count:
        return Objection(
            TOO_OFTEN, f"{account}: the issuer {name} allows {issuer.day_count} operations a day"
        )
    spent = sum(one.money for one in today)
    if issuer.day_limit is not None and spent + amount > issuer.day_limit:
        because = f"{account}: the issuer {name} allows {issuer.day_limit} a day, {spent} is spent"
        return Objection(OVER_LIMIT, because)
    return None


def _taken(operation: Operation) -> bool:
    return operation.state is OperationState.APPROVED and operation.transaction in _TAKES


def _its_turn(rule: BookRule, count: int) -> bool:
    if rule.every is not None:
        return count % rule.every == 0
    return count == rule.nth


def _holds(rule: BookRule, asked: Asked) -> bool:
    conditions, request = rule.conditions, asked.request
    if not rule.code and request.transaction not in PARTIAL:
        return False
    return (
        _one_of(conditions.cards, asked.card)
        and _one_of(conditions.issuers, asked.issuer)
        and _one_of(conditions.operations, request.transaction)
        and _one_of(conditions.entry_modes, request.card.entry_mode if request.card is not None else None)
        and _one_of(conditions.terminals, request.terminal_id)
        and _one_of(conditions.merchants, request.merchant_id)
        and (not conditions.pans or asked.pan.startswith(tuple(conditions.pans)))
        and _within(conditions.amount_from, request.amount, conditions.amount_to)
        and _in_time(conditions, asked.at)
    )


def _one_of(wanted: frozenset[str], value: str | None) -> bool:
    return not wanted or value in wanted


def _within(least: int | None, value: int, most: int | None) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def _in_time(conditions: Conditions, at: datetime) -> bool:
    first, last = conditions.date_from, conditions.date_to
    if (first is not None and at.date() < first) or (last is not None and at.date() > last):
        return False
    start, end, now = conditions.time_from, conditions.time_to, at.time()
    if start is not None and end is not None and start > end:  # over midnight
        return now >= start or now < end
    return (start is None or now >= start) and (end is None or now < end)
