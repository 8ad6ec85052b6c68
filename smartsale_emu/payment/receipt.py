"""Receipts as data: a bank's layout is a file, read here and filled with values (PROTOCOL.md, section 8).

A layout has one form for each kind of slip. The language of its lines is explained at the head of
``payment/receipts/standard.toml``; what a line may ask for stands in the tables below.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby

from smartsale_emu.errors import ProfileError
from smartsale_emu.pan import last_four
from smartsale_emu.payment.card import Card
from smartsale_emu.payment.receipt_lines import Line, printable

WIDTH = 32
"""Columns of most real slips."""

LEAST_WIDTH, MOST_WIDTH = 24, 48
"""Columns that a layout may have; real slips have 31 to 33."""

NEWLINE = "\r\n"


class Form(StrEnum):
    """The kinds of slips; every layout has all of them."""

    APPROVED = "approved"
    DECLINED = "declined"
    INTERRUPTED = "interrupted"
    REVERSED = "reversed"
    BALANCE = "balance"
    SETTLEMENT = "settlement"
    SHORT_REPORT = "short_report"
    FULL_REPORT = "full_report"


ANY_FORM: dict[str, str] = {
    "copy": "whose copy it is: ЧЕК КЛИЕНТА, ЧЕК КАССИРА; empty where there is only one",
    "duplicate": "КОПИЯ on a slip that is printed again, else empty",
    "number": "number of the slip within the operating day, 4 digits",
    "title": "the operation: ОПЛАТА",
    "date": "of the terminal, dd.mm.yyyy",
    "time": "of the terminal, hh:mm:ss",
    "terminal_id": "field 27, 8 digits",
    "merchant_id": "field 28",
    "batch": "number of the operating day",
    "ern": "the register's own number of the operation, field 26",
    "currency": "as people write it: РУБ",
    "code": "the bank's code, field 15",
    "reason": "what the cashier is told, field 19",
}

OPERATION_FORMS: dict[str, str] = {
    "card_label": "the card's application: MIR DEBIT",
    "card_number": "all but the last four digits starred",
    "expiry": "of the card, MM/YY",
    "holder": "of the card",
    "aid": "application identifier of a chip card, hexadecimal",
    "tvr": "terminal verification results of a chip card, hexadecimal",
    "entry": "how the card was read: ЧИП",
    "amount": "of the operation: 12.00",
    "original_amount": "of the operation that this one follows, where the amounts differ",
    "original_rrn": "reference number of the operation that this one follows",
    "balance": "what the cardholder may spend: 12.00",
    "authorization_code": "field 13",
    "rrn": "reference number, field 14",
    "signature": "1 on the cashier's copy that wants a signature, else empty",
}

_BUCKETS: dict[str, str] = {
    "debit_count": "payments and cash: how many",
    "debit_amount": "payments and cash: 12.00",
    "credit_count": "returns and top-ups: how many",
    "credit_amount": "returns and top-ups: 12.00",
    "void_debit_count": "voids of payments and cash: how many",
    "void_debit_amount": "voids of payments and cash: 12.00",
    "void_credit_count": "voids of returns and top-ups: how many",
    "void_credit_amount": "voids of returns and top-ups: 12.00",
    "net": "what the bank owes the shop, or -12.00 the other way",
}

DAY_FORMS: dict[str, str] = {
    **_BUCKETS,
    **{f"bank_{name}": f"the bank's count, only if it differs; {what}" for name, what in _BUCKETS.items()},
    "uploaded": "how many operations the bank was told again, empty if none",
    "difference": "between the nets of bank and terminal, empty if none",
    "result": "ИТОГИ СОВПАЛИ",
}

ROWS: dict[str, str] = {
    "row_number": "number of its slip, 4 digits",
    "row_time": "hh:mm:ss",
    "row_title": "the operation: ОПЛАТА",
    "row_card": "last four digits",
    "row_amount": "12.00",
    "row_rrn": "reference number",
    "row_code": "authorization code",
}

PLACEHOLDERS: dict[str, str] = {**ANY_FORM, **OPERATION_FORMS, **DAY_FORMS, **ROWS}
"""Every name that a layout may ask for, and what it is. ``ROWS`` stand in repeated lines, and only there."""

_OF_THE_DAY = frozenset({Form.SETTLEMENT, Form.SHORT_REPORT, Form.FULL_REPORT})


@dataclass(frozen=True, slots=True)
class CardFace:
    """What may be printed of a card. ``masked``: all but the last four digits starred; ``expiry`` YYMM."""

    masked: str
    expiry: str
    label: str = ""
    holder: str = ""
    aid: str = ""

    @classmethod
    def of(cls, card: Card) -> "CardFace":
        """Return the printable face of a card."""
        return cls(last_four(card.pan), card.expiry, card.label, card.holder, card.aid)

    @classmethod
    def of_masked(cls, masked_pan: str, expiry: str) -> "CardFace":
        """Return the printable face of a card of which only the 6/4 masked number is known."""
        return cls(last_four(masked_pan), expiry)


def format_amount(amount: int) -> str:
    """Return an amount of minor units as people write it; a net may be negative.

    >>> format_amount(1200), format_amount(5), format_amount(-1205)
    ('12.00', '0.05', '-12.05')
    """
    return f"{'-' if amount < 0 else ''}{abs(amount) // 100}.{abs(amount) % 100:02d}"


@dataclass(frozen=True, slots=True)
class ReceiptLayout:
    """One bank's slips. ``width`` in columns; ``feed``: the line breaks that follow the last line."""

    title: str
    width: int
    feed: str
    forms: Mapping[Form, tuple[Line, ...]] = field(repr=False)

    @classmethod
    def parse(cls, text: str, *, origin: str) -> "ReceiptLayout":
        """Read the TOML text of a layout; ``origin`` names the file in errors.

        Raises:
            ProfileError: the TOML is broken, a form is missing or unknown, or a line of one cannot be read;
                the text names file, form and line (counted from the form's first).
        """
        try:
            file = _LayoutFile(tomllib.loads(text), origin)
        except ValueError as error:  # a number of thousands of digits is no TOMLDecodeError
            raise ProfileError(f"{origin}: {error}") from None
        return cls(file.title(), file.width(), file.feed(), file.forms())

    def render(
        self, form: Form | str, values: Mapping[str, str], rows: Sequence[Mapping[str, str]] = ()
    ) -> str:
        """Return the text of a slip, every line ending in CR LF; a name without a value is empty.

        Whatever the values hold, no line is wider than ``width``, all is windows-1251, and there is
        neither ``^`` nor ``~``. ``rows``: one for each repetition of the repeated lines.

        Raises:
            ValueError: a form or name that does not exist: a mistake of ours, not of the layout.
        """
        tamed, tamed_rows = _tamed(values), [_tamed(row) for row in rows]
        printed: list[str] = []
        for per_row, group in groupby(self.forms[Form(form)], key=lambda line: line.per_row):
            lines = list(group)
            for filling in tamed_rows if per_row else [tamed]:
                for line in lines:
                    printed += line.lay(filling, self.width)
        return "".join(line + NEWLINE for line in printed) + self.feed


def _tamed(values: Mapping[str, str]) -> dict[str, str]:
    for name in values:
        if name not in PLACEHOLDERS:
            raise ValueError(f"{name!r} is no placeholder of a receipt")
    return {name: printable(value).strip() for name, value in values.items()}


class _LayoutFile:
    """A layout file being read; every error names file, table and key, and the line of a form."""

    _KEYS = ("title", "paper", "parts", "forms")
    _FEED = re.compile(r"(?:(?:\r?\n)*\r\n)?")

    def __init__(self, document: Mapping[str, object], origin: str) -> None:
        self._document, self._origin = document, origin
        for key in document:
            if key not in self._KEYS:
                raise self._error(key, "is not a key of a receipt layout")
        self._paper = self._table("paper")
        for key in self._paper:
            if key not in ("width", "feed"):
                raise self._error(f"paper.{key}", "is not a key of a receipt layout")
        self._parts = self._texts("parts") if "parts" in document else {}
        self._used: set[str] = set()

    def _error(self, place: str, problem: str) -> ProfileError:
        return ProfileError(f"{self._origin}: {place}: {problem}")

    def _table(self, name: str) -> Mapping[str, object]:
        table = self._document.get(name)
        if not isinstance(table, dict):
            raise self._error(name, "the table is missing")
        return table

    def _texts(self, name: str) -> dict[str, str]:
        texts = {}
        for key, text in self._table(name).items():
            if not isinstance(text, str) or not text.strip():
                raise self._error(f"{name}.{key}", "must be a text that is not empty")
            texts[key] = text
        return texts

    def title(self) -> str:
        title = self._document.get("title")
        if not isinstance(title, str):
            raise self._error("title", "must be a text")
        return title

    def width(self) -> int:
        width = self._paper.get("width")
        if not isinstance(width, int) or not LEAST_WIDTH <= width <= MOST_WIDTH:
            raise self._error("paper.width", f"must be a whole number from {LEAST_WIDTH} to {MOST_WIDTH}")
        return width

    def feed(self) -> str:
        feed = self._paper.get("feed")
        if not isinstance(feed, str) or not self._FEED.fullmatch(feed):
            raise self._error("paper.feed", r"must be empty, or line breaks of which the last one is \r\n")
        return feed

    def forms(self) -> dict[Form, tuple[Line, ...]]:
        texts = self._texts("forms")
        for name in texts:
            if name not in list(Form):
                raise self._error(f"forms.{name}", f"is no form; the forms are {', '.join(Form)}")
        for form in Form:
            if form not in texts:
                raise self._error(f"forms.{form}", "is missing")
        forms = {form: tuple(self._form(form, texts[form])) for form in Form}
        for part in self._parts:
            if part not in self._used:
                raise self._error(f"parts.{part}", "is used by no form")
        return forms

    def _form(self, form: Form, text: str) -> Iterator[Line]:
        place = f"forms.{form}"
        for number, line in _numbered(text):
            if not line.startswith("@"):
                yield self._line(f"{place}: line {number}", line, form)
                continue
            part = line[1:].strip()
            if part not in self._parts:
                raise self._error(f"{place}: line {number}", f"there is no part {part!r}")
            self._used.add(part)
            for inner, inner_line in _numbered(self._parts[part]):
                yield self._line(f"parts.{part}: line {inner}", inner_line, form)

    def _line(self, place: str, text: str, form: Form) -> Line:
        try:
            line = Line.parse(text)
        except ValueError as error:
            raise self._error(place, str(error)) from None
        if line.per_row and form not in _OF_THE_DAY:
            raise self._error(place, f"is repeated for rows, and the form {form} has none")
        allowed = ROWS if line.per_row else ANY_FORM | (DAY_FORMS if form in _OF_THE_DAY else OPERATION_FORMS)
        for name in line.names:
            if name not in allowed:
                raise self._error(place, _why_not(name, form, allowed, per_row=line.per_row))
        return line


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    return enumerate(text.removesuffix("\n").split("\n"), 1)


def _why_not(name: str, form: Form, allowed: Mapping[str, str], *, per_row: bool) -> str:
    """Return why a line may not ask for a name, with the nearest one where there is one."""
    if name in ROWS:
        return f"{{{name}}} is of a row: only a line that begins with * has it"
    if name in PLACEHOLDERS:
        where = "in a line that is repeated for rows" if per_row else f"in the form {form}"
        return f"{{{name}}} has no value {where}"
    near = difflib.get_close_matches(name, allowed, n=1)
    return f"there is no {{{name}}}" + "".join(f"; perhaps {{{other}}}" for other in near)
