"""A register's message, read as a request: what is asked, or why it cannot be (PROTOCOL.md, section 0.1)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from smartsale_emu.payment.card import Card, card_of_track2
from smartsale_emu.payment.test_pans import is_test_pan
from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.operations import CODE_DIGITS, CODES, Operation, find_operation
from smartsale_emu.terminal.outcome import OutcomeKind
from smartsale_emu.units import MAX_AMOUNT, CurrencyCode, Millis, MinorUnits

CARD_WAIT_MOST = 3600
"""Seconds of field 57."""

_LIVE_CARD = "the card of field 12 is not a known test card; --allow-live-cards takes it all the same"


@dataclass(frozen=True, slots=True)
class Request:
    """A request that can be served.

    ``code`` and ``mode``: fields 25 and 65, which the answer repeats. ``ern``: field 26 without leading
    zeros, empty if it is no number. ``within``: field 57, how long card or cashier have, None for the
    profile's time. ``rrn``, ``authorization_code`` and ``slip`` name an original; ``original_amount``: its
    amount (field 1). ``copy_of_last``: field 64 of a receipt copy. ``card``: read by the register (field 12).
    """

    operation: Operation
    code: str
    mode: str | None = None
    amount: MinorUnits | None = None
    currency: CurrencyCode | None = None
    ern: str = ""
    within: Millis | None = None
    rrn: str = ""
    authorization_code: str = ""
    slip: int | None = None
    original_amount: MinorUnits | None = None
    copy_of_last: bool = False
    card: Card | None = None

    def answered_by_cashier(self, tag: int, text: str) -> "Request":
        """Return the request with what the cashier said for field 14 or 13; nonsense changes nothing."""
        said = _READ[tag](text) or ""
        if tag == Tag.REFERENCE_NUMBER:
            return replace(self, rrn=said)
        return replace(self, authorization_code=said)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is answered at once, without card or bank.

    ``code``: what field 25 of the answer repeats. ``field``: the number of the offending field, if one is.
    """

    kind: OutcomeKind
    code: str
    because: str
    field: int | None = None
    mode: str | None = None
    amount: MinorUnits | None = None
    currency: CurrencyCode | None = None
    ern: str = ""


def parse_request(
    message: Message, *, terminal_id: str, check_terminal_id: bool, live_cards: bool
) -> Request | Refusal:
    """Read a register's message. Never raises; a field that stands twice counts with its last value.

    ``live_cards``: a card of the register may have any number, not only a known test number.
    """
    code, mode = message.number(Tag.OPERATION_CODE, most_digits=CODE_DIGITS), message.text(Tag.COMMAND_MODE2)
    values = {tag: read(message.text(tag) or "") for tag, read in _READ.items()}
    amount, currency, ern = values[Tag.AMOUNT], values[Tag.CURRENCY_CODE], _ern(message)

    def refuse(kind: OutcomeKind, because: str, field: int | None = None) -> Refusal:
        return Refusal(kind, str(code or 0), because, field, mode, amount, currency, ern)

    if code is None:
        return refuse(OutcomeKind.BAD_FIELD, "no operation code (field 25)", Tag.OPERATION_CODE)
    operation = find_operation(message)
    if operation is None:
        what = f"operation {code}" + (f" with field 65 = {mode}" if code in CODES else "")
        return refuse(OutcomeKind.UNKNOWN_OPERATION, f"{what} is not known")
    for field in (*operation.needs, *operation.optional):
        given = (message.text(field) or "").strip()
        if values[field] is None and (given or field in operation.needs):
            return refuse(
                OutcomeKind.BAD_FIELD, f"field {field} is {'malformed' if given else 'missing'}", field
            )
    given_id = message.text(Tag.TERMINAL_ID)
    if check_terminal_id and given_id and given_id != terminal_id:
        return refuse(OutcomeKind.WRONG_TERMINAL, "field 27 names another terminal", Tag.TERMINAL_ID)
    card = values[Tag.TRACK2] if Tag.TRACK2 in operation.optional else None
    if card is not None and not live_cards and not is_test_pan(card.pan):
        return refuse(OutcomeKind.BAD_FIELD, _LIVE_CARD, Tag.TRACK2)
    return Request(
        operation,
        str(code),
        mode=mode if operation.mode is not None else None,
        amount=amount if Tag.AMOUNT in (*operation.needs, *operation.optional) else None,
        currency=currency,
        ern=ern,
        within=values[Tag.CARD_WAIT_TIMEOUT],
        rrn=values[Tag.REFERENCE_NUMBER] or "",
        authorization_code=values[Tag.AUTHORIZATION_CODE] or "",
        slip=values[Tag.RECEIPT_NUMBER] or values[Tag.SLIP_NUMBER_52] or None,
        original_amount=values[Tag.ADDITIONAL_AMOUNT],
        copy_of_last=bool(values[Tag.COMMAND_MODE]),
        card=card,
    )


# --- fields ------------------------------------------------------------------------------------------------


def _is_number(text: str, most_digits: int = 9) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= most_digits


def _amount(text: str) -> MinorUnits | None:
    amount = int(text) if _is_number(text, most_digits=32) else 0
    return MinorUnits(amount) if 0 < amount <= MAX_AMOUNT else None


def _currency(text: str) -> CurrencyCode | None:
    return CurrencyCode(text) if len(text) == 3 and _is_number(text) else None


def _word(text: str, longest: int) -> str | None:
    text = text.strip()
    return text if 0 < len(text) <= longest and text.isascii() and text.isprintable() else None


def _slip(text: str) -> int | None:
    """A slip number; "0" and "-1" are how registers leave a number unset: 0."""
    if text == "-1":
        return 0
    return int(text) if _is_number(text, most_digits=6) else None


def _flag(text: str) -> int | None:
    return {"0": 0, "1": 1}.get(text)


def _seconds(text: str) -> Millis | None:
    """Field 57: seconds, 1 to 3600; anything else counts as not given."""
    seconds = int(text) if _is_number(text) else 0
    return Millis(seconds * 1000) if 0 < seconds <= CARD_WAIT_MOST else None


def _ern(message: Message) -> str:
    number = message.number(Tag.TERMINAL_TRX_ID, most_digits=6)
    return "" if number is None else str(number)


_READ: dict[int, Callable[[str], Any]] = {
    Tag.AMOUNT: _amount,
    Tag.ADDITIONAL_AMOUNT: _amount,
    Tag.CURRENCY_CODE: _currency,
    Tag.REFERENCE_NUMBER: partial(_word, longest=12),
    Tag.AUTHORIZATION_CODE: partial(_word, longest=8),
    Tag.RECEIPT_NUMBER: _slip,
    Tag.SLIP_NUMBER_52: _slip,
    Tag.COMMAND_MODE: _flag,
    Tag.CARD_WAIT_TIMEOUT: _seconds,
    Tag.TRACK2: card_of_track2,
}
"""How each field of a request is read: its value, or None when it is absent or malformed."""
