"""The EMV data objects that travel between terminal and issuer (EMV Book 3, annexes A and B)."""

from dataclasses import dataclass
from enum import StrEnum

from smartsale_emu.payment.ber_tlv import DataObjects


class Kind(StrEnum):
    """How a value is written."""

    BINARY = "b"
    NUMERIC = "n"  # two digits a byte
    LETTERS = "an"


@dataclass(frozen=True, slots=True)
class TagRow:
    """One data object. ``least`` and ``most``: bytes. ``shown``: a trace may hold its value."""

    tag: str
    name: str
    kind: Kind
    least: int
    most: int
    shown: bool = True


_ROWS = (
    TagRow("9F26", "application cryptogram", Kind.BINARY, 8, 8),
    TagRow("9F27", "cryptogram information data", Kind.BINARY, 1, 1),
    TagRow("9F10", "issuer application data", Kind.BINARY, 1, 32),
    TagRow("9F37", "unpredictable number", Kind.BINARY, 4, 4),
    TagRow("9F36", "application transaction counter", Kind.BINARY, 2, 2),
    TagRow("95", "terminal verification results", Kind.BINARY, 5, 5),
    TagRow("9A", "transaction date", Kind.NUMERIC, 3, 3),
    TagRow("9C", "transaction type", Kind.NUMERIC, 1, 1),
    TagRow("9F02", "amount, authorised", Kind.NUMERIC, 6, 6),
    TagRow("5F2A", "transaction currency code", Kind.NUMERIC, 2, 2),
    TagRow("82", "application interchange profile", Kind.BINARY, 2, 2),
    TagRow("9F1A", "terminal country code", Kind.NUMERIC, 2, 2),
    TagRow("9F03", "amount, other", Kind.NUMERIC, 6, 6),
    TagRow("9F33", "terminal capabilities", Kind.BINARY, 3, 3),
    TagRow("9F34", "CVM results", Kind.BINARY, 3, 3),
    TagRow("9F35", "terminal type", Kind.NUMERIC, 1, 1),
    TagRow("84", "dedicated file name", Kind.BINARY, 5, 16),
    TagRow("5F34", "PAN sequence number", Kind.NUMERIC, 1, 1),
    TagRow("9F1E", "interface device serial number", Kind.LETTERS, 8, 8),
    TagRow("9F09", "application version number", Kind.BINARY, 2, 2),
    TagRow("9F41", "transaction sequence counter", Kind.NUMERIC, 2, 4),
    TagRow("9F66", "terminal transaction qualifiers", Kind.BINARY, 4, 4),
    TagRow("9F6E", "form factor indicator", Kind.BINARY, 4, 32),
    TagRow("9F7C", "customer exclusive data", Kind.BINARY, 1, 32, shown=False),
    TagRow("9F5B", "issuer script results", Kind.BINARY, 1, 252),
    TagRow("9B", "transaction status information", Kind.BINARY, 2, 2),
    TagRow("8A", "authorisation response code", Kind.LETTERS, 2, 2),
    TagRow("91", "issuer authentication data", Kind.BINARY, 8, 16),
    TagRow("71", "issuer script 1", Kind.BINARY, 0, 128, shown=False),
    TagRow("72", "issuer script 2", Kind.BINARY, 0, 128, shown=False),
)
TAGS = {row.tag: row for row in _ROWS}
"""Every data object we know, by its tag."""

REQUEST_TAGS = tuple(row.tag for row in _ROWS[:21])
"""What field 55 of a request holds, in this order."""

REVERSAL_TAGS = ("95", "9F10", "9F1E", "9F26", "9F36")
"""What field 55 of a reversal holds, those of them that are there."""

REPEATED_TAGS = frozenset({"71", "72"})
"""What may stand more than once."""

FORBIDDEN_TAGS = frozenset({"57", "5A", "5F20", "5F24", "9F1F", "9F20", "56", "99"})
"""Track, card number, holder, expiry and PIN block: never in field 55, and never shown."""


def shown(objects: DataObjects) -> str:
    """Return the objects as a trace may show them: of what is secret or unknown only the length.

    >>> shown(DataObjects.of([("9F36", bytes(2)), ("5A", bytes(8)), ("DF01", b"1")]))
    '9F36=0000 5A=(8 bytes) DF01=(1 bytes)'
    """
    return " ".join(f"{item.tag}={_value(item.tag, item.value)}" for item in objects)


def _value(tag: str, value: bytes) -> str:
    row = TAGS.get(tag)
    fits = row is not None and row.shown and row.least <= len(value) <= row.most
    return value.hex().upper() if fits else f"({len(value)} bytes)"
