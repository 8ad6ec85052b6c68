"""How data elements stand on the wire: ASCII or BCD, bitmaps and bytes raw or as hex, odd digits filled up.

Inside, an element is one text whatever the packing: digits as digits, bytes as hex, track 2 with ``=``. The
packing turns into a field table for ``pyiso8583``, which does the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from smartsale_emu.host.fields import FIELDS, FieldRow, Kind

FieldSpec = dict[str, dict[str, Any]]
"""The form in which ``pyiso8583`` takes a field table."""

TRACK_2, RESPONSE_CODE = 35, 39
SIGNED = frozenset({*range(28, 32), 97})
"""Amounts of the kind x+n: the letter C or D, then digits."""

_LONG_TIME = 12
_CURRENCIES = frozenset({49, 50, 51})
_OTHER_BYTES = 48
"""The most bytes of a fixed text element that a profile chose for bytes; it is LLVAR then (DE53 in 1993)."""


class FieldTable(StrEnum):
    """How digits and lengths are packed."""

    ASCII = "ascii"  # a character each
    BCD = "bcd"  # two digits in a byte


class Form(StrEnum):
    """How bytes are written."""

    BINARY = "binary"
    HEX = "hex"  # two characters for each


class OddPad(StrEnum):
    """What makes an odd number of packed digits even."""

    LEFT_0 = "left-0"
    RIGHT_F = "right-F"


class Track2(StrEnum):
    """How track 2 is written."""

    CHARACTERS = "characters"
    LEFT_0 = "left-0"  # packed, with D for its separator
    RIGHT_F = "right-F"


class Digits(StrEnum):
    """How a code is written that some hosts pack and others do not."""

    CHARACTERS = "characters"
    PACKED = "packed"


class TimeForm(StrEnum):
    """What DE12 holds."""

    TIME = "hhmmss"
    DATE_AND_TIME = "YYMMDDhhmmss"


@dataclass(frozen=True, slots=True)
class Packing:
    """How one host packs its elements.

    ``fixed_bytes``: form of DE52, 64, 96 and 128. ``code_length``: of DE39, 2 or 3. ``chosen_bytes``: what
    the profile uses for bytes, whatever the standard says of these elements.
    """

    table: FieldTable = FieldTable.ASCII
    bitmap: Form = Form.BINARY
    fixed_bytes: Form = Form.BINARY
    odd_pad: OddPad = OddPad.LEFT_0
    track2: Track2 = Track2.CHARACTERS
    currency: Digits = Digits.CHARACTERS
    response_code: Digits = Digits.CHARACTERS
    code_length: int = 2
    time: TimeForm = TimeForm.TIME
    chosen_bytes: frozenset[int] = frozenset()


def field_rows(packing: Packing) -> dict[int, FieldRow]:
    """Return what each data element may hold under a packing.

    >>> field_rows(Packing(code_length=3))[39].length, field_rows(Packing(chosen_bytes=frozenset({53})))[53]
    (3, FieldRow(kind=<Kind.B: 'b'>, length=48, prefix=2))
    """
    rows = dict(FIELDS)
    if packing.time is TimeForm.DATE_AND_TIME:
        rows[_LONG_TIME] = FieldRow(Kind.N, 12)
    kind = Kind.N if packing.response_code is Digits.PACKED else Kind.AN
    rows[RESPONSE_CODE] = FieldRow(kind, packing.code_length)
    if packing.currency is Digits.PACKED:
        rows |= dict.fromkeys(_CURRENCIES, FieldRow(Kind.N, 3))
    for number in packing.chosen_bytes:
        row = rows[number]
        if row.kind is not Kind.B:
            variable = (row.length, row.prefix) if row.prefix else (_OTHER_BYTES, 2)
            rows[number] = FieldRow(Kind.B, *variable)
    return rows


def field_spec(packing: Packing, rows: Mapping[int, FieldRow]) -> FieldSpec:
    """Return the table for ``pyiso8583``."""
    packed = packing.table is FieldTable.BCD
    bits = _text("ascii", 0, 16) if packing.bitmap is Form.HEX else _text("b", 0, 8)
    spec: FieldSpec = {
        "h": _text("ascii", 0, 0),
        "t": _text("b", 0, 2) if packed else _text("ascii", 0, 4),
        "p": bits,
        "1": bits,
    }
    for number, row in rows.items():
        made = _field(number, row, packing)
        if packed and row.prefix:  # a BCD length is counted in bytes: two digits in one, three in two
            made |= {"len_enc": "bcd", "len_type": (row.prefix + 1) // 2}
        spec[str(number)] = made
    return spec


def _field(number: int, row: FieldRow, packing: Packing) -> dict[str, Any]:
    if row.kind is Kind.B:
        as_hex = packing.fixed_bytes is Form.HEX and not row.prefix
        return _text("ascii", 0, 2 * row.length) if as_hex else _text("b", row.prefix, row.length)
    if number == TRACK_2 and packing.track2 is not Track2.CHARACTERS:
        return _nibbles(row, OddPad(packing.track2))
    if packing.table is FieldTable.BCD:
        if row.kind is Kind.N:
            return _nibbles(row, packing.odd_pad)
        if number in SIGNED:  # the letter as a byte, the digits packed
            return _text("b", 0, 1 + row.length // 2)
    # ISO 8859-1 reads any byte, so a text in a national alphabet does not make a message unreadable
    return _text("latin-1" if row.kind is Kind.ANS else "ascii", row.prefix, row.length)


def _nibbles(row: FieldRow, pad: OddPad) -> dict[str, Any]:
    filled = {"left_pad": "0"} if pad is OddPad.LEFT_0 else {"right_pad": "F"}
    return _text("b", row.prefix, row.length) | {"len_count": "nibbles"} | filled


def _text(encoding: str, prefix: int, length: int) -> dict[str, Any]:
    return {"data_enc": encoding, "len_enc": "ascii", "len_type": prefix, "max_len": length, "desc": ""}
