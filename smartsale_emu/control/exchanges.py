"""What registers have asked and how it ended, as a test looks at it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.register.effects import NoAnswer
from smartsale_emu.register.requests import operation_of
from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.overheard import Heard
from smartsale_emu.units import MinorUnits

Amount = str | Decimal

_WRITTEN = re.compile(r"\d{1,10}(?:\.\d{1,2})?", re.ASCII)
_KOPECK, _LIMIT = Decimal("0.01"), 10**10


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request of a register and what it heard of it.

    ``operation``: by the name of its command, such as ``sale``; empty when it is none. ``lost``: why the
    register has no answer, empty when it acknowledged one or still waits.
    """

    operation: str
    request: Message
    answer: Message | None
    lost: str = ""

    @property
    def amount(self) -> MinorUnits | None:
        """What was asked for, in minor units."""
        text = self.request.text(Tag.AMOUNT)
        return MinorUnits(int(text)) if text is not None and text.isdigit() else None

    @property
    def over(self) -> bool:
        """Whether the register has acknowledged an answer, or will never have one."""
        return self.answer is not None or bool(self.lost)

    @property
    def approved(self) -> bool:
        """Whether the register was told 39 = 1."""
        return self.field(Tag.STATUS) == "1"

    @property
    def rrn(self) -> str:
        """Field 14 of the answer, empty without one."""
        return self.field(Tag.REFERENCE_NUMBER)

    @property
    def code(self) -> str:
        """Field 13 of the answer, the authorization code; empty without one."""
        return self.field(Tag.AUTHORIZATION_CODE)

    @property
    def receipt(self) -> str:
        """Field 90 of the answer, the slip; empty without one."""
        return self.field(Tag.RECEIPT_DATA)

    def field(self, number: int) -> str:
        """Return the text of a field of the answer, empty without it."""
        return (self.answer.text(number) if self.answer is not None else None) or ""

    def __str__(self) -> str:
        code = self.request.text(Tag.OPERATION_CODE)
        asked = self.operation or (f"a request with 25 = {code!r}" if code else "a request without field 25")
        money = f" {format_amount(self.amount)}" if self.amount is not None else ""
        if self.answer is not None:
            said = f" {self.field(Tag.TEXT_RESPONSE)}" if self.field(Tag.TEXT_RESPONSE) else ""
            return f"{asked}{money}: 39 = {self.field(Tag.STATUS) or 'missing'}{said}"
        return f"{asked}{money}: {self.lost or 'not answered yet'}"


def exchanges(requests: Sequence[Message], heard: Iterable[Heard]) -> list[Exchange]:
    """Return what was asked, each with what was heard of it."""
    return [
        Exchange(
            operation_of(request),
            request,
            one.answer,
            one.outcome.because.value if isinstance(one.outcome, NoAnswer) else "",
        )
        for request, one in zip(requests, heard, strict=True)
    ]


def minor_units(amount: Amount) -> MinorUnits:
    """Return an amount as the line counts it.

    >>> minor_units("100.00"), minor_units(Decimal("7.5"))
    (10000, 750)

    Raises:
        TypeError: a number that could be roubles or kopecks.
        ValueError: it is no amount.
    """
    if not isinstance(amount, str | Decimal):
        raise TypeError(f"an amount is a text or a Decimal, such as '100.00', not {amount!r}")
    written = isinstance(amount, Decimal) or _WRITTEN.fullmatch(amount) is not None
    if not written or not _is_payable(value := Decimal(amount)):
        raise ValueError(f"{amount!r} is no amount such as 100.00")
    return MinorUnits(int(value * 100))


def _is_payable(value: Decimal) -> bool:
    return value.is_finite() and 0 <= value < _LIMIT and not value % _KOPECK
