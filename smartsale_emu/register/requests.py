"""A register's requests: one row per operation, one builder for all (PROTOCOL.md, sections 5.1, 5.2, 5.5)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from smartsale_emu.sa.codes import CommandMode, OperationCode, Title, title
from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.tlv import Message
from smartsale_emu.security.masking import Secret
from smartsale_emu.units import MAX_AMOUNT, RUB, CurrencyCode, MinorUnits

MODEL: Final = "smartsale-emu"
"""Field 89: how our register calls itself; free text."""

MAGNETIC_STRIPE: Final = 2
"""Field 8 beside a track 2 that the register read. Only 3, by the pinpad, is known: this one is assumed."""


class Argument(StrEnum):
    """What a request may say beside its operation; the values are the names in `Arguments`."""

    AMOUNT = "amount"
    ORIGINAL_AMOUNT = "original_amount"
    CURRENCY = "currency"
    TRACK2 = "track2"
    CODE = "code"
    RRN = "rrn"
    NUMBER = "number"
    TERMINAL_ID = "terminal_id"
    CARD_WITHIN = "card_within"
    MODEL = "model"
    SLIP = "slip"


TAGS: Final[Mapping[Argument, Tag]] = MappingProxyType(
    {
        Argument.AMOUNT: Tag.AMOUNT,
        Argument.ORIGINAL_AMOUNT: Tag.ADDITIONAL_AMOUNT,
        Argument.CURRENCY: Tag.CURRENCY_CODE,
        Argument.TRACK2: Tag.TRACK2,
        Argument.CODE: Tag.AUTHORIZATION_CODE,
        Argument.RRN: Tag.REFERENCE_NUMBER,
        Argument.NUMBER: Tag.TERMINAL_TRX_ID,
        Argument.TERMINAL_ID: Tag.TERMINAL_ID,
        Argument.CARD_WITHIN: Tag.CARD_WAIT_TIMEOUT,
        Argument.MODEL: Tag.MODEL_NO,
        Argument.SLIP: Tag.RECEIPT_NUMBER,
    }
)
"""Where an argument stands in a request (section 4)."""

DEFAULTED: Final = frozenset({Argument.CURRENCY, Argument.MODEL})
"""Arguments that have a value unasked; an operation that has no place for them leaves them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One row: what an operation is on the line, and what its request may and must say.

    ``mode``: field 65. ``needs``: without it the request would be none, or another operation's.
    ``any_terminal``: field 27 is sent empty when no terminal id is given. ``chosen_by``: field 64 is 0 when
    one of these is given, else 1.
    """

    code: OperationCode
    mode: CommandMode | None = None
    takes: frozenset[Argument]
    needs: frozenset[Argument] = frozenset()
    any_terminal: bool = False
    chosen_by: frozenset[Argument] = frozenset()
    named: Title | None = None

    @property
    def title(self) -> Title:
        """Its names for people."""
        return self.named or title(self.code)


_A = Argument
_AMOUNT = frozenset({_A.AMOUNT})
_ALWAYS = frozenset({_A.NUMBER, _A.TERMINAL_ID})
_CARD = frozenset({_A.CARD_WITHIN, _A.TRACK2})
_MONEY = _ALWAYS | _AMOUNT | {_A.CURRENCY}
_CARD_MONEY = _MONEY | _CARD | {_A.MODEL}
_REFERENCE = frozenset({_A.RRN, _A.CODE})
_CHOICE = _REFERENCE | {_A.SLIP}
_C = OperationCode

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        "sale": Operation(code=_C.SALE, takes=_CARD_MONEY, needs=_AMOUNT),
        "cash": Operation(code=_C.CASH, takes=_CARD_MONEY, needs=_AMOUNT),
        "top-up": Operation(code=_C.TOP_UP, takes=_CARD_MONEY, needs=_AMOUNT),
        "void": Operation(code=_C.VOID, takes=_MONEY | _CARD | _CHOICE | {_A.ORIGINAL_AMOUNT}, needs=_AMOUNT),
        "return": Operation(code=_C.RETURN, takes=_CARD_MONEY | _CHOICE, needs=_AMOUNT),
        "return-without-reference": Operation(code=_C.CREDIT_VOUCHER, takes=_CARD_MONEY, needs=_AMOUNT),
        "preauth": Operation(code=_C.PREAUTHORIZATION, takes=_CARD_MONEY, needs=_AMOUNT),
        "raise": Operation(
            code=_C.PREAUTHORIZATION,
            takes=_CARD_MONEY | _REFERENCE,
            needs=_AMOUNT | _REFERENCE,
            named=Title("raise of a pre-authorization", "Доавторизация"),
        ),
        "completion": Operation(code=_C.COMPLETION, takes=_CARD_MONEY | _REFERENCE, needs=_AMOUNT),
        "balance": Operation(code=_C.BALANCE, takes=_ALWAYS | _CARD | {_A.CURRENCY}),
        "card-data": Operation(code=_C.CARD_DATA, takes=_ALWAYS | {_A.CARD_WITHIN}),
        "settlement": Operation(code=_C.SETTLEMENT, takes=_ALWAYS | {_A.MODEL}, any_terminal=True),
        "short-report": Operation(
            code=_C.USER_COMMAND,
            mode=CommandMode.SHORT_REPORT,
            takes=_ALWAYS | {_A.MODEL},
            named=Title("short report", "Краткий отчёт"),
        ),
        "full-report": Operation(
            code=_C.USER_COMMAND,
            mode=CommandMode.FULL_REPORT,
            takes=_ALWAYS | {_A.MODEL},
            named=Title("full report", "Полный отчёт"),
        ),
        "copy": Operation(
            code=_C.USER_COMMAND,
            mode=CommandMode.RECEIPT_COPY,
            takes=_ALWAYS | _CHOICE,
            chosen_by=_CHOICE,
            named=Title("copy of a receipt", "Копия чека"),
        ),
        "test": Operation(code=_C.TEST_CONNECTION, takes=_ALWAYS, any_terminal=True),
        "reversal": Operation(code=_C.EMERGENCY_REVERSAL, takes=_MONEY | _REFERENCE),
        "key-change": Operation(code=_C.LOAD_KEYS, takes=_ALWAYS, any_terminal=True),
    }
)
"""What our register can ask, by the name that the command line and stories use.

Field 89 goes where a known connector sends it (section 11.3): not with a void, a reversal, a copy, a test.
"""


def operation_of(message: Message) -> str:
    """Return the name of the operation that a request asks for, empty when it is none of them.

    >>> operation_of(Message.of({25: 1, 0: 100})), operation_of(Message.of({25: 99}))
    ('sale', '')
    """
    code, mode = message.text(Tag.OPERATION_CODE), message.text(Tag.COMMAND_MODE2)

    def asks(row: Operation) -> bool:
        right_mode = row.mode is None or mode == str(int(row.mode))
        whole = all(message.text(TAGS[argument]) is not None for argument in row.needs)
        return code == str(int(row.code)) and right_mode and whole

    found = [name for name, row in OPERATIONS.items() if asks(row)]
    return max(found, key=lambda name: len(OPERATIONS[name].needs), default="")


def _within(lowest: int, highest: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and lowest <= value <= highest


def _like(pattern: str) -> Callable[[Any], bool]:
    return lambda value: re.fullmatch(pattern, value) is not None


_LIMITS: Final[Mapping[Argument, tuple[Callable[[Any], bool], str]]] = MappingProxyType(
    {
        _A.AMOUNT: (_within(1, MAX_AMOUNT), "an amount is 0.01 to 9999999999.99"),
        _A.ORIGINAL_AMOUNT: (_within(1, MAX_AMOUNT), "an amount is 0.01 to 9999999999.99"),
        _A.CURRENCY: (_like(r"[0-9]{3}"), "a currency is a number of three digits"),
        _A.TRACK2: (
            lambda value: re.fullmatch(r"[0-9]{8,19}[=D][0-9]{4,28}", value.reveal()) is not None,
            "a track 2 is a card number, =, expiry YYMM and what follows",
        ),
        _A.CODE: (_like(r"[ -~]{1,8}"), "an authorization code has up to 8 characters"),
        _A.RRN: (_like(r"[ -~]{1,12}"), "a reference number (RRN) has up to 12 characters"),
        _A.NUMBER: (_within(0, 999_999), "the number of an operation is 0 to 999999"),
        _A.TERMINAL_ID: (_like(r"[ -~]{0,8}"), "a terminal id has up to 8 characters"),
        _A.CARD_WITHIN: (_within(1, 3600), "a card is awaited 1 to 3600 seconds"),
        _A.MODEL: (lambda value: len(value) <= 256, "a model has up to 256 characters"),
        _A.SLIP: (_like(r"[0-9]{1,12}"), "the number of a slip has up to 12 digits"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What a request says beside its operation; None is left out.

    ``amount``, ``original_amount``: 1 to 999999999999 minor units. ``rrn``, ``code``, ``slip``: of the
    operation that this one refers to, up to 12 characters, 8 characters, 12 digits. ``number``: field 26, the
    register's own number, 0 to 999999. ``terminal_id``: up to 8 characters. ``card_within``: seconds, 1 to
    3600. ``track2``: of a card that the register read itself.

    Raises:
        ValueError: a value is out of its range; the text does not hold it.
    """

    amount: MinorUnits | None = None
    original_amount: MinorUnits | None = None
    currency: CurrencyCode | None = RUB
    track2: Secret | None = None
    code: str | None = None
    rrn: str | None = None
    number: int | None = None
    terminal_id: str | None = None
    card_within: int | None = None
    model: str | None = MODEL
    slip: str | None = None

    def __post_init__(self) -> None:
        """Hold every value against its limits."""
        for argument in self.given:
            good, limits = _LIMITS[argument]
            if not good(getattr(self, argument)):
                raise ValueError(limits)

    @property
    def given(self) -> frozenset[Argument]:
        """The arguments that have a value."""
        return frozenset(argument for argument in Argument if getattr(self, argument) is not None)


def operation_request(name: str, arguments: Arguments | None = None) -> Message:
    """Return the request for an operation, by its name in `OPERATIONS`.

    >>> request = operation_request("void", Arguments(amount=MinorUnits(1200), rrn="000000000012"))
    >>> [(record.tag, record.value) for record in request.records]
    [(0, b'1200'), (4, b'643'), (14, b'000000000012'), (25, b'4')]
    >>> operation_request("copy").encode().hex(" "), operation_request("copy", Arguments(slip="7")).text(64)
    ('19 02 00 36 33 40 01 00 31 41 02 00 32 32', '0')

    Raises:
        ValueError: no such operation, an argument that it needs is missing, or it has no place for one.
    """
    row = OPERATIONS.get(name)
    if row is None:
        raise ValueError(f"no operation {name!r}; there is: {', '.join(OPERATIONS)}")
    arguments = arguments or Arguments()
    _check(name, row, arguments.given)
    fields: dict[int, str | bytes | int | None] = {
        TAGS[argument]: getattr(arguments, argument) for argument in row.takes
    }
    fields |= {Tag.OPERATION_CODE: row.code, Tag.COMMAND_MODE2: row.mode}
    if arguments.track2 is not None:
        fields |= {Tag.TRACK2: arguments.track2.reveal(), Tag.CARD_ENTRY_MODE: MAGNETIC_STRIPE}
    if row.any_terminal and arguments.terminal_id is None:
        fields[Tag.TERMINAL_ID] = ""
    if row.chosen_by:
        fields[Tag.COMMAND_MODE] = 0 if row.chosen_by & arguments.given else 1
    return Message.of(fields)


def _check(name: str, row: Operation, given: frozenset[Argument]) -> None:
    if missing := row.needs - given:
        raise ValueError(f"{name} needs {', '.join(sorted(missing))}")
    if surplus := given - row.takes - DEFAULTED:
        raise ValueError(f"{name} has no place for {', '.join(sorted(surplus))}")


def link_test_request(*, terminal_id: str = "") -> Message:
    """Return a request for operation 26. An empty terminal id asks whatever terminal is there.

    >>> link_test_request().encode().hex(" ")
    '19 02 00 32 36 1b 00 00'

    Raises:
        ValueError: the terminal id is longer than 8 characters.
    """
    return operation_request("test", Arguments(terminal_id=terminal_id))


def sale_request(
    *,
    amount: MinorUnits,
    currency: CurrencyCode = RUB,
    number: int | None = None,
    terminal_id: str | None = None,
    model: str | None = MODEL,
) -> Message:
    """Return a request for operation 1. Ranges as in `Arguments`; what is None is left out.

    >>> request = sale_request(amount=MinorUnits(1200), number=7)
    >>> [(tag, request.text(tag)) for tag in (0, 4, 25, 26, 89)]
    [(0, '1200'), (4, '643'), (25, '1'), (26, '7'), (89, 'smartsale-emu')]

    Raises:
        ValueError: a value is out of its range.
    """
    arguments = Arguments(
        amount=amount, currency=currency, number=number, terminal_id=terminal_id, model=model
    )
    return operation_request("sale", arguments)


def reversal_request(
    *,
    amount: MinorUnits | None = None,
    currency: CurrencyCode | None = RUB,
    number: int | None = None,
    terminal_id: str | None = None,
) -> Message:
    """Return a request for operation 53, the emergency reversal of the last operation (section 0.4).

    Ranges as in `Arguments`; what is None is left out.

    >>> reversal_request(amount=MinorUnits(1200)).encode().hex(" ")
    '00 04 00 31 32 30 30 04 03 00 36 34 33 19 02 00 35 33'

    Raises:
        ValueError: a value is out of its range.
    """
    arguments = Arguments(amount=amount, currency=currency, number=number, terminal_id=terminal_id)
    return operation_request("reversal", arguments)
