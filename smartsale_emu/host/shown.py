"""Requests and answers as a trace may show them: by name, the card number masked 6/4, no secrets."""

from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, CardData, Original
from smartsale_emu.payment.totals import Bucket, Tally, Totals


def shown_request(request: AuthorizationRequest) -> dict[str, str | int]:
    """Return what may be seen of a request, names to values; what is empty is left out."""
    shown: dict[str, str | int] = {
        "step": str(request.step),
        "transaction": str(request.transaction),
        "stan": request.stan,
        "sent_at": request.sent_at.isoformat(),
        "terminal_id": request.terminal_id,
        "merchant_id": request.merchant_id,
        "amount": request.amount,
        "currency": request.currency or "",
        "pin_block": "present" if request.pin_block is not None else "",
        "icc": "present" if request.icc is not None else "",
        "ksn": "present" if request.ksn else "",
        "mac": "present" if request.sealed is not None else "",
        "attempt": request.attempt,
        "batch": request.batch,
        "follows": request.follows,
    }
    if request.totals is not None:
        shown["totals"] = _totals(request.totals)
    if request.card is not None:
        shown |= _card(request.card)
    if request.original is not None:
        shown |= _original(request.original)
    return {name: value for name, value in shown.items() if value}


def shown_answer(answer: AuthorizationAnswer) -> dict[str, str | int]:
    """Return what may be seen of an answer, names to values; what is empty is left out.

    >>> from smartsale_emu.payment.authorization import Step
    >>> shown_answer(AuthorizationAnswer(Step.NETWORK, 7, "00", because="the bank is here"))
    {'step': 'network', 'stan': 7, 'response_code': '00', 'because': 'the bank is here'}
    """
    shown: dict[str, str | int] = {
        "step": str(answer.step),
        "stan": answer.stan,
        "response_code": answer.response_code,
        "rrn": answer.rrn,
        "authorization_code": answer.authorization_code,
        "answered_at": answer.answered_at.isoformat() if answer.answered_at is not None else "",
        "terminal_id": answer.terminal_id,
        "totals": _totals(answer.totals) if answer.totals is not None else "",
        "balance": str(answer.balance) if answer.balance is not None else "",
        "icc": "present" if answer.icc is not None else "",
        "mac": "present" if answer.sealed is not None else "",
        "because": answer.because,
    }
    return {name: value for name, value in shown.items() if value}


def _card(card: CardData) -> dict[str, str | int]:
    return {
        "card": card.masked,
        "entry_mode": str(card.entry_mode),
        "sequence": card.sequence,
        "track2": "present" if card.track2 is not None else "",
    }


def _original(original: Original) -> dict[str, str | int]:
    return {
        "original_transaction": str(original.transaction or ""),
        "original_stan": original.stan or "",
        "original_sent_at": original.sent_at.isoformat() if original.sent_at is not None else "",
        "original_rrn": original.rrn,
        "original_authorization_code": original.authorization_code,
    }


def _totals(totals: Totals) -> str:
    """Every bucket as count and amount, the net in the end.

    >>> _totals(Totals(debit=Tally(2, 1500), void_debit=Tally(1, 300)))
    'debit 2 of 1500, credit 0 of 0, void_debit 1 of 300, void_credit 0 of 0, net 1200'
    """
    tallies: dict[Bucket, Tally] = {bucket: getattr(totals, bucket) for bucket in Bucket}
    told = [f"{bucket} {tally.count} of {tally.amount}" for bucket, tally in tallies.items()]
    return ", ".join([*told, f"net {totals.net}"])
