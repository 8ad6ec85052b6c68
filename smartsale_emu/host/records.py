"""Requests, the operations that the bank keeps of them, and answers: one into the other."""

from dataclasses import replace
from datetime import datetime

from smartsale_emu.host.ledger import BatchKey, Operation, OperationKey
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Original

_AUTHORIZATION_STRIDE = 314_159  # shares no factor with a million: every code once in a million


def own_key(request: AuthorizationRequest) -> OperationKey:
    """Return the key of the operation that a request asks for."""
    return OperationKey(request.terminal_id, request.merchant_id, request.stan, request.sent_at)


def original_key(request: AuthorizationRequest, original: Original) -> OperationKey | None:
    """Return the key of the original of a request; None when its STAN or time is not known."""
    if original.stan is None or original.sent_at is None:
        return None
    return OperationKey(request.terminal_id, request.merchant_id, original.stan, original.sent_at)


def batch_key(request: AuthorizationRequest) -> BatchKey:
    """Return the batch that a request belongs to; number 0 is none."""
    return BatchKey(request.terminal_id, request.merchant_id, request.batch)


def same_money(request: AuthorizationRequest, held: Operation) -> bool:
    """Tell whether a reversal or an upload means the same amount and card as the operation that is held.

    Of one that was approved in part both amounts are right: what was asked for and what was approved.
    """
    if request.amount not in (held.amount, held.money) or request.currency not in (None, held.currency):
        return False
    return request.card is None or request.card.masked == held.card_masked


def rrn_of(stan: int, at: datetime) -> str:
    """Return the usual form of a retrieval reference number: YDDDHH and the STAN.

    >>> rrn_of(123, datetime(2026, 11, 23, 5, 0, 0))
    '632705000123'
    """
    return f"{at:%Y}"[-1] + f"{at:%j%H}{stan:06d}"


def authorization_code(count: int) -> str:
    """Return the code of the ``count``-th approval: six digits that look drawn and are not.

    >>> authorization_code(1), authorization_code(2)
    ('314159', '628318')
    """
    return f"{count * _AUTHORIZATION_STRIDE % 1_000_000:06d}"


def answer(
    request: AuthorizationRequest, code: str, at: datetime, *, because: str, rrn: str = ""
) -> AuthorizationAnswer:
    """Return an answer that no operation stands behind."""
    return AuthorizationAnswer(
        step=request.step,
        stan=request.stan,
        response_code=code,
        rrn=rrn,
        answered_at=at,
        terminal_id=request.terminal_id,
        because=because,
    )


def answer_again(request: AuthorizationRequest, held: Operation) -> AuthorizationAnswer:
    """Return the answer to an original, the same each time."""
    said = answer(request, held.response_code, held.received_at, because=held.because, rrn=held.rrn)
    return replace(
        said,
        authorization_code=held.authorization_code,
        balance=held.balance,
        amount=held.approved,
        icc=held.icc,
    )
