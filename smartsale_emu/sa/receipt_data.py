"""Receipt data, field 90: a chain of records ``0xTT^name^value~`` (PROTOCOL.md, section 8)."""

import re
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple


class ReceiptTag(IntEnum):
    """The known records of field 90."""

    SLIP = 0xDF  # client copy; the only copy of a declined slip, a report, a settlement
    CASHIER_COPY = 0xDA
    CARD_TYPE = 0xDE  # e.g. VISA Classic
    CARD_HOLDER = 0xDD  # "/" when there is none
    AID = 0x4F
    TVR = 0x95


REMAINDER: Final = -1
"""The tag of text that is no record: cut off, or not of this form. Its value is that text."""

_RECORD = re.compile(r"\s*0[xX]([0-9A-Fa-f]{2})\^([^^~]*)\^([^~]*)~")


class ReceiptRecord(NamedTuple):
    """One record. ``tag``: a byte, or ``REMAINDER``. ``name``: mostly empty. Lines of ``value`` end CR LF."""

    tag: int
    name: str
    value: str


def parse_receipt(text: str) -> list[ReceiptRecord]:
    """Read the records of a decoded field 90. Never raises: what is no record is kept as ``REMAINDER``.

    >>> parse_receipt("0xDF^^SLIP\\r\\n~0xDE^^VISA~0xDA^^cut")
    ... # doctest: +NORMALIZE_WHITESPACE
    [ReceiptRecord(tag=223, name='', value='SLIP\\r\\n'), ReceiptRecord(tag=222, name='', value='VISA'),
     ReceiptRecord(tag=-1, name='', value='0xDA^^cut')]
    """
    records = []
    position = 0
    while position < len(text):
        if match := _RECORD.match(text, position):
            records.append(ReceiptRecord(int(match[1], 16), match[2], match[3]))
            position = match.end()
            continue
        closing = text.find("~", position) + 1 or len(text)
        records.append(ReceiptRecord(REMAINDER, "", text[position:closing]))
        position = closing
    return records


def build_receipt(records: Iterable[ReceiptRecord]) -> str:
    """Write records in their order. The slip goes first: registers look for ``0xDF^^`` at the start.

    >>> build_receipt([ReceiptRecord(ReceiptTag.SLIP, "", "TEXT"), ReceiptRecord(ReceiptTag.AID, "", "A0")])
    '0xDF^^TEXT~0x4F^^A0~'

    Raises:
        ValueError: a name or value holds ``^`` or ``~``, or a tag is not one byte.
    """
    parts = []
    for tag, name, value in records:
        if not 0 <= tag <= 0xFF:
            raise ValueError(f"{int(tag)} is not the tag of a receipt record")
        if any(mark in part for part in (name, value) for mark in "^~"):
            raise ValueError(f"receipt record 0x{tag:02X} holds a ^ or ~, which are separators")
        parts.append(f"0x{tag:02X}^{name}^{value}~")
    return "".join(parts)
