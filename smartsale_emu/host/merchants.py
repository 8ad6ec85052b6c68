"""The shops that the bank serves, and their terminals: what an acquirer asks before any issuer is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from smartsale_emu.host.rules import NOT_AT_TERMINAL, UNKNOWN_TERMINAL, Objection
from smartsale_emu.payment.authorization import AuthorizationRequest, Step, Transaction
from smartsale_emu.units import CurrencyCode


@dataclass(frozen=True, slots=True)
class Merchant:
    """A shop. ``number``: DE42; ``terminals``: DE41 of each; an empty set allows everything."""

    number: str
    name: str
    terminals: frozenset[str] = frozenset()
    currencies: frozenset[CurrencyCode] = frozenset()
    operations: frozenset[Transaction] = frozenset()


def merchant_objection(merchants: Sequence[Merchant], request: AuthorizationRequest) -> Objection | None:
    """Return what speaks against whoever sends a request; nothing does when no merchant is listed.

    A reversal is never refused: what it undoes was made by the same terminal or does not exist. A link test
    names no merchant, its terminal must be somebody's. What closes or repairs a batch is no operation.

    >>> from datetime import datetime
    >>> shop = Merchant("111111111", "Kiosk", terminals=frozenset({"00060056"}))
    >>> request = AuthorizationRequest(
    ...     Step.FINANCIAL, Transaction.PURCHASE, 1, datetime(2026, 11, 23), "00060057", "111111111"
    ... )
    >>> merchant_objection([shop], request)
    Objection(code='03', because='Kiosk: the terminal is not one of its terminals')
    """
    if not merchants or request.step is Step.REVERSAL:
        return None
    if request.step is Step.NETWORK:
        return None if any(_owns(one, request) for one in merchants) else _unknown("terminal")
    merchant = next((one for one in merchants if one.number == request.merchant_id), None)
    if merchant is None:
        return _unknown("merchant")
    if not _owns(merchant, request):
        return Objection(UNKNOWN_TERMINAL, f"{merchant.name}: the terminal is not one of its terminals")
    return _not_allowed(merchant, request) if request.step is Step.FINANCIAL else None


def _owns(merchant: Merchant, request: AuthorizationRequest) -> bool:
    return not merchant.terminals or request.terminal_id in merchant.terminals


def _unknown(what: str) -> Objection:
    return Objection(UNKNOWN_TERMINAL, f"the rulebook lists merchants, this {what} is not among them")


def _not_allowed(merchant: Merchant, request: AuthorizationRequest) -> Objection | None:
    if merchant.operations and request.transaction not in merchant.operations:
        return Objection(NOT_AT_TERMINAL, f"{merchant.name}: no {request.transaction} is allowed here")
    if merchant.currencies and request.currency not in (None, *merchant.currencies):
        return Objection(NOT_AT_TERMINAL, f"{merchant.name}: the currency is not allowed here")
    return None
