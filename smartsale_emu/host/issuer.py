"""The issuer's decision about one purchase: pure rules over a card, its account and a request.

The rules stand in the order in which they are asked; the first that objects decides.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from smartsale_emu.host.ledger import AccountState
from smartsale_emu.host.profile import APPROVED, BankProfile
from smartsale_emu.payment.authorization import AuthorizationRequest
from smartsale_emu.payment.card import PinRule, TestCard
from smartsale_emu.payment.response_codes import moves_money
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.security.pin_block import PinBlockError, decrypt_pin_block
from smartsale_emu.units import MinorUnits

NOT_HONOURED = "05"
BAD_AMOUNT = "13"
UNKNOWN_CARD = "14"
BLOCKED = "41"
POOR = "51"
EXPIRED = "54"
WRONG_PIN = "55"
OVER_LIMIT = "61"
PIN_TRIES_OVER = "75"
ORIGINAL_DIFFERS = "94"
SYSTEM_ERROR = "96"


@dataclass(frozen=True, slots=True)
class Decision:
    """A response code, why, and the account after it."""

    code: str
    because: str
    account: AccountState


def decide(
    request: AuthorizationRequest,
    holder: TestCard,
    account: AccountState,
    *,
    at: datetime,
    pin_key: SecretBytes,
    profile: BankProfile,
) -> Decision:
    """Decide about a purchase of a known card. An approval takes the amount off the balance."""
    forced = holder.account.force
    if forced:
        after = _debited(account, request.amount) if moves_money(forced) else account
        return Decision(forced, f"{holder.card.name}: its card file forces this answer", after)
    objection = _standing(request, holder, account, at)
    if objection is not None:
        return Decision(*objection, account)
    pin = _pin(request, holder, account, pin_key, profile.pin_missing)
    if pin.code != APPROVED:
        return pin
    objection = _money(request, holder, pin.account)
    if objection is not None:
        return Decision(*objection, pin.account)
    after = _debited(pin.account, request.amount)
    return Decision(APPROVED, f"{holder.card.name}: approved, {after.balance} left", after)


def _debited(account: AccountState, amount: MinorUnits) -> AccountState:
    return replace(account, balance=MinorUnits(account.balance - amount))


def _standing(
    request: AuthorizationRequest, holder: TestCard, account: AccountState, at: datetime
) -> tuple[str, str] | None:
    """What speaks against the card itself."""
    name = holder.card.name
    if account.blocked:
        return BLOCKED, f"{name}: reported lost or stolen"
    sent = request.card.expiry if request.card is not None else ""
    if sent and sent != holder.card.expiry:
        return EXPIRED, f"{name}: the expiry date sent is not the card's"
    if f"{at:%y%m}" > holder.card.expiry:
        return EXPIRED, f"{name}: good until {holder.card.expiry} (YYMM)"
    if account.pin_tries_left <= 0:
        return PIN_TRIES_OVER, f"{name}: no PIN tries are left"
    return None


def _pin(
    request: AuthorizationRequest, holder: TestCard, account: AccountState, key: SecretBytes, missing: str
) -> Decision:
    """Check the PIN. A wrong one takes a try, a right one gives them all back."""
    name = holder.card.name
    if request.pin_block is None or request.card is None:
        if holder.card.pin_rule is PinRule.ALWAYS:
            return Decision(missing, f"{name}: a PIN is needed and none was sent", account)
        return Decision(APPROVED, "no PIN", account)
    try:
        pin = decrypt_pin_block(request.pin_block, request.card.pan, key=key)
    except PinBlockError:
        return Decision(
            SYSTEM_ERROR, f"{name}: the PIN block cannot be read, is it under another key?", account
        )
    if pin != holder.account.pin:
        left = account.pin_tries_left - 1
        return Decision(
            WRONG_PIN, f"{name}: wrong PIN, {left} tries left", replace(account, pin_tries_left=left)
        )
    return Decision(APPROVED, "right PIN", replace(account, pin_tries_left=holder.account.pin_tries))


def _money(request: AuthorizationRequest, holder: TestCard, account: AccountState) -> tuple[str, str] | None:
    """What speaks against the amount."""
    name = holder.card.name
    if request.amount <= 0:
        return BAD_AMOUNT, f"{name}: a purchase of nothing"
    if request.currency not in (None, holder.account.currency):
        return NOT_HONOURED, f"{name}: the account is kept in {holder.account.currency}"
    if holder.account.limit is not None and request.amount > holder.account.limit:
        return OVER_LIMIT, f"{name}: one operation may be {holder.account.limit} at most"
    if request.amount > account.balance:
        return POOR, f"{name}: {account.balance} on the account"
    return None
