"""The requests of a register (PROTOCOL.md, section 5.1)."""

from smartsale_emu.sa.codes import OperationCode
from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.tlv import Message
from smartsale_emu.units import MAX_AMOUNT, RUB, CurrencyCode, MinorUnits

OPERATIONS: dict[str, OperationCode] = {
    "sale": OperationCode.SALE,
    "test": OperationCode.TEST_CONNECTION,
    "reversal": OperationCode.EMERGENCY_REVERSAL,
}
"""What our register can ask, by the name that the command line and stories use."""

MODEL = "smartsale-emu"
"""Field 89: how our register calls itself; free text."""


def link_test_request(*, terminal_id: str = "") -> Message:
    """Return a request for operation 26. An empty terminal id asks whatever terminal is there.

    >>> link_test_request().encode().hex(" ")
    '19 02 00 32 36 1b 00 00'

    Raises:
        ValueError: the terminal id is longer than 8 characters.
    """
    return Message.of(
        {Tag.OPERATION_CODE: OperationCode.TEST_CONNECTION, Tag.TERMINAL_ID: _terminal(terminal_id)}
    )


def sale_request(
    *,
    amount: MinorUnits,
    currency: CurrencyCode = RUB,
    number: int | None = None,
    terminal_id: str | None = None,
    model: str | None = MODEL,
) -> Message:
    """Return a request for operation 1.

    ``amount``: 1 to 999999999999. ``number``: field 26, the register's own number of the operation, 0 to
    999999. ``terminal_id``: up to 8 characters. What is None is left out.

    >>> request = sale_request(amount=MinorUnits(1200), number=7)
    >>> [(tag, request.text(tag)) for tag in (0, 4, 25, 26, 89)]
    [(0, '1200'), (4, '643'), (25, '1'), (26, '7'), (89, 'smartsale-emu')]

    Raises:
        ValueError: a value is out of its range.
    """
    return Message.of(
        {
            Tag.AMOUNT: _amount(amount),
            Tag.CURRENCY_CODE: currency,
            Tag.OPERATION_CODE: OperationCode.SALE,
            Tag.TERMINAL_TRX_ID: _number(number),
            Tag.TERMINAL_ID: _terminal(terminal_id),
            Tag.MODEL_NO: model,
        }
    )


def reversal_request(
    *,
    amount: MinorUnits | None = None,
    currency: CurrencyCode | None = RUB,
    number: int | None = None,
    terminal_id: str | None = None,
) -> Message:
    """Return a request for operation 53, the emergency reversal of the last operation (section 0.4).

    Ranges as in `sale_request`. What is None is left out.

    >>> reversal_request(amount=MinorUnits(1200)).encode().hex(" ")
    '00 04 00 31 32 30 30 04 03 00 36 34 33 19 02 00 35 33'

    Raises:
        ValueError: a value is out of its range.
    """
    return Message.of(
        {
            Tag.AMOUNT: None if amount is None else _amount(amount),
            Tag.CURRENCY_CODE: currency,
            Tag.OPERATION_CODE: OperationCode.EMERGENCY_REVERSAL,
            Tag.TERMINAL_TRX_ID: _number(number),
            Tag.TERMINAL_ID: _terminal(terminal_id),
        }
    )


def _amount(amount: MinorUnits) -> int:
    if not 1 <= amount <= MAX_AMOUNT:
        raise ValueError("an amount is 0.01 to 9999999999.99")
    return amount


def _number(number: int | None) -> int | None:
    if number is not None and not 0 <= number <= 999_999:
        raise ValueError("the number of an operation is 0 to 999999")
    return number


def _terminal(terminal_id: str | None) -> str | None:
    if terminal_id is not None and len(terminal_id) > 8:
        raise ValueError("a terminal id has up to 8 characters")
    return terminal_id
