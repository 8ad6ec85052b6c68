"""A register's message, read as a request: what is asked, or why it cannot be (PROTOCOL.md, section 0.1)."""

from dataclasses import dataclass

from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.operations import OPERATIONS, Operation
from smartsale_emu.terminal.outcome import OutcomeKind
from smartsale_emu.units import MAX_AMOUNT, CurrencyCode, Millis, MinorUnits

CARD_WAIT_MOST = 3600


@dataclass(frozen=True, slots=True)
class Request:
    """A request that can be served.

    ``ern``: field 26 without leading zeros, empty if it is no number. ``card_within``: field 57, how long the
    customer has for the card, None for the profile's time.
    """

    operation: Operation
    amount: MinorUnits | None
    currency: CurrencyCode | None
    ern: str
    card_within: Millis | None = None

    @property
    def code(self) -> str:
        """What field 25 of the answer repeats."""
        return str(int(self.operation.code))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is answered at once, without card or bank.

    ``code``: what field 25 of the answer repeats. ``field``: the number of the offending field, if one is.
    """

    kind: OutcomeKind
    code: str
    because: str
    field: int | None = None
    amount: MinorUnits | None = None
    currency: CurrencyCode | None = None
    ern: str = ""


def parse_request(message: Message, *, terminal_id: str, check_terminal_id: bool) -> Request | Refusal:
    """Read a register's message. Never raises; a field that stands twice counts with its last value."""
    code = message.text(Tag.OPERATION_CODE)
    amount, currency, ern = _amount(message), _currency(message), _ern(message)

    def refuse(
        kind: OutcomeKind, because: str, field: int | None = None, *, code: str = code or "0"
    ) -> Refusal:
        return Refusal(kind, code, because, field, amount, currency, ern)

    if not _is_number(code):
        return refuse(OutcomeKind.BAD_FIELD, "no operation code (field 25)", Tag.OPERATION_CODE, code="0")
    number = int(code or 0)
    operation = OPERATIONS.get(number)
    if operation is None:
        return refuse(OutcomeKind.UNKNOWN_OPERATION, f"operation {number} is not known", code=str(number))
    values: dict[int, MinorUnits | CurrencyCode | None] = {Tag.AMOUNT: amount, Tag.CURRENCY_CODE: currency}
    for field in (*operation.needs, *operation.optional):
        given = message.text(field)
        if values[field] is None and (given or field in operation.needs):
            return refuse(
                OutcomeKind.BAD_FIELD, f"field {field} is {'malformed' if given else 'missing'}", field
            )
    given_id = message.text(Tag.TERMINAL_ID)
    if check_terminal_id and given_id and given_id != terminal_id:
        return refuse(OutcomeKind.WRONG_TERMINAL, "field 27 names another terminal", Tag.TERMINAL_ID)
    return Request(operation, amount, currency, ern, _card_within(message))


def _is_number(text: str | None, most_digits: int = 9) -> bool:
    return bool(text) and text is not None and text.isascii() and text.isdigit() and len(text) <= most_digits


def _amount(message: Message) -> MinorUnits | None:
    text = message.text(Tag.AMOUNT)
    if not _is_number(text, most_digits=32):
        return None
    amount = int(text or 0)
    return MinorUnits(amount) if 0 < amount <= MAX_AMOUNT else None


def _currency(message: Message) -> CurrencyCode | None:
    text = message.text(Tag.CURRENCY_CODE)
    return CurrencyCode(text) if text and len(text) == 3 and _is_number(text) else None


def _ern(message: Message) -> str:
    text = message.text(Tag.TERMINAL_TRX_ID)
    return str(int(text)) if text and _is_number(text, most_digits=6) else ""


def _card_within(message: Message) -> Millis | None:
    """Field 57: seconds, 1 to 3600; anything else counts as not given."""
    text = message.text(Tag.CARD_WAIT_TIMEOUT)
    seconds = int(text) if text and _is_number(text) else 0
    return Millis(seconds * 1000) if 0 < seconds <= CARD_WAIT_MOST else None
