"""The issuer's decision about one request: pure rules over a card, its account and what is asked.

The rules stand in the order in which they are asked; the first that objects decides.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from smartsale_emu.host.accounts import moved
from smartsale_emu.host.ledger import AccountState, Operation
from smartsale_emu.host.profile import APPROVED
from smartsale_emu.host.rules import (
    BAD_AMOUNT,
    BLOCKED,
    EXPIRED,
    NOT_HONOURED,
    OVER_LIMIT,
    PIN_TRIES_OVER,
    POOR,
    RULES,
    SYSTEM_ERROR,
    WRONG_PIN,
    Objection,
    PinDemand,
    Rule,
)
from smartsale_emu.payment.authorization import AuthorizationRequest, Transaction
from smartsale_emu.payment.card import PinRule, TestCard
from smartsale_emu.payment.response_codes import moves_money
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.security.pin_block import PinBlockError, decrypt_pin_block
from smartsale_emu.units import MAX_AMOUNT, MinorUnits


@dataclass(frozen=True, slots=True)
class Decision:
    """A response code, why, and the account after it.

    ``effect``: what was added to the account, minor units with a sign. ``original``: the operation that this
    one follows. ``balance``: what an inquiry is told.
    """

    code: str
    because: str
    account: AccountState
    effect: int = 0
    original: Operation | None = None
    balance: MinorUnits | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """All that the issuer looks at. ``pin_missing``: the answer when a PIN is demanded and none came."""

    request: AuthorizationRequest
    holder: TestCard
    account: AccountState
    at: datetime
    pin_key: SecretBytes
    pin_missing: str

    @property
    def name(self) -> str:
        """The card's name."""
        return self.holder.card.name

    @property
    def rule(self) -> Rule:
        """The row of the transaction that is asked for."""
        return RULES[self.request.transaction]


def decide(case: Case) -> Decision:
    """Decide about a transaction that stands alone, of a known card."""
    effect = case.rule.direction * case.request.amount
    forced = case.holder.account.force
    if forced:
        return _forced(case, forced, effect, None)
    objection = _standing(case)
    return _with_pin(case, effect, None) if objection is None else _declined(case, objection)


def decide_following(case: Case, original: Operation, effect: int) -> Decision:
    """Decide about a transaction whose original and effect the acquirer has found good."""
    forced = case.holder.account.force
    if forced:
        return _forced(case, forced, effect, original)
    objection = _standing(case) if case.rule.like_new else None
    return _with_pin(case, effect, original) if objection is None else _declined(case, objection)


def _with_pin(case: Case, effect: int, original: Operation | None) -> Decision:
    objection, account = _pin(case)
    if objection is None:
        objection = _money(case, effect, original)
    if objection is not None:
        return Decision(objection.code, objection.because, account, original=original)
    after = moved(account, effect)
    because = f"{case.name}: approved, {after.balance} left"
    return Decision(APPROVED, because, after, effect, original, _told(case, after))


def _forced(case: Case, code: str, effect: int, original: Operation | None) -> Decision:
    because = f"{case.name}: its card file forces this answer"
    if not moves_money(code):
        return Decision(code, because, case.account, original=original)
    after = moved(case.account, effect)
    return Decision(code, because, after, effect, original, _told(case, after))


def _declined(case: Case, objection: Objection) -> Decision:
    return Decision(objection.code, objection.because, case.account)


def _told(case: Case, account: AccountState) -> MinorUnits | None:
    """The balance that an inquiry is told: no more than an amount may be."""
    asks = case.request.transaction is Transaction.BALANCE
    return MinorUnits(min(account.balance, MAX_AMOUNT)) if asks else None


def _standing(case: Case) -> Objection | None:
    """What speaks against the card itself."""
    request, card, name = case.request, case.holder.card, case.name
    if case.account.blocked:
        return Objection(BLOCKED, f"{name}: reported lost or stolen")
    sent = request.card.expiry if request.card is not None else ""
    if sent and sent != card.expiry:
        return Objection(EXPIRED, f"{name}: the expiry date sent is not the card's")
    if f"{case.at:%y%m}" > card.expiry:
        return Objection(EXPIRED, f"{name}: good until {card.expiry} (YYMM)")
    if case.account.pin_tries_left <= 0:
        return Objection(PIN_TRIES_OVER, f"{name}: no PIN tries are left")
    return None


def _pin(case: Case) -> tuple[Objection | None, AccountState]:
    """Check the PIN. A wrong one takes a try, a right one gives them all back."""
    request, account, name = case.request, case.account, case.name
    if request.pin_block is None or request.card is None:
        needed = _needs_pin(case)
        because = f"{name}: a PIN is needed and none was sent"
        return (Objection(case.pin_missing, because) if needed else None), account
    try:
        pin = decrypt_pin_block(request.pin_block, request.card.pan, key=case.pin_key)
    except PinBlockError:
        because = f"{name}: the PIN block cannot be read, is it under another key?"
        return Objection(SYSTEM_ERROR, because), account
    if account.pin_tries_left <= 0:
        return Objection(PIN_TRIES_OVER, f"{name}: no PIN tries are left"), account
    if pin != case.holder.account.pin:
        left = account.pin_tries_left - 1
        return Objection(WRONG_PIN, f"{name}: wrong PIN, {left} tries left"), replace(
            account, pin_tries_left=left
        )
    return None, replace(account, pin_tries_left=case.holder.account.pin_tries)


def _needs_pin(case: Case) -> bool:
    match case.rule.pin:
        case PinDemand.ALWAYS:
            return True
        case PinDemand.NEVER:
            return False
        case PinDemand.BY_CARD:
            return case.holder.card.pin_rule is PinRule.ALWAYS


def _money(case: Case, effect: int, original: Operation | None) -> Objection | None:
    """What speaks against the amount."""
    request, holder, account, name = case.request, case.holder.account, case.account, case.name
    if request.amount <= 0 and case.rule.direction:
        return Objection(BAD_AMOUNT, f"{name}: a {request.transaction} of nothing")
    if request.currency not in (None, holder.currency):
        return Objection(NOT_HONOURED, f"{name}: the account is kept in {holder.currency}")
    limited = original is None or case.rule.like_new
    if limited and holder.limit is not None and request.amount > holder.limit:
        return Objection(OVER_LIMIT, f"{name}: one operation may be {holder.limit} at most")
    if effect < 0 and -effect > account.balance:
        return Objection(POOR, f"{name}: {account.balance} on the account")
    return None
