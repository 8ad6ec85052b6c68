"""The data elements of ISO 8583:1987 as one table: what each may hold and how long it is.

The dialect writes a few of them; the others stand here so that a message of somebody else's bank can be read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_HEX = frozenset("0123456789ABCDEFabcdef")


class Kind(StrEnum):
    """What a data element may hold."""

    N = "n"  # digits
    AN = "an"  # letters, digits and the spaces that fill them up
    ANS = "ans"  # printable characters
    Z = "z"  # track 2: digits and one separator, = or D
    B = "b"  # bytes


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One data element. ``length``: characters, or bytes of kind B; the most when ``prefix`` is not 0.

    ``prefix``: decimal digits of the length in front of a variable element, 0 for a fixed one.
    """

    kind: Kind
    length: int
    prefix: int = 0


def _rows(table: str) -> dict[int, FieldRow]:
    rows: dict[int, FieldRow] = {}
    for line in table.split():
        numbers, kind, length = line.split(":")
        first, _, last = numbers.partition("-")
        prefix = length.count(".")
        for number in range(int(first), int(last or first) + 1):
            rows[number] = FieldRow(Kind(kind), int(length.strip(".")), prefix)
    return rows


# number:kind:length; two dots before the length: two digits of length precede it (LLVAR), three dots: LLLVAR.
FIELDS = _rows(
    """
    2:n:..19 3:n:6 4-6:n:12 7:n:10 8-10:n:8 11-12:n:6 13-18:n:4 19-25:n:3 26:n:2 27:n:1 28-31:an:9
    32-33:n:..11 34:ans:..28 35:z:..37 36:ans:...104 37:an:12 38:an:6 39:an:2 40:an:3 41:ans:8 42:ans:15
    43:ans:40 44:ans:..25 45:ans:..76 46-48:ans:...999 49-51:an:3 52:b:8 53:n:16 54:ans:...120 55:b:...999
    56-63:ans:...999 64:b:8 66:n:1 67:n:2 68-70:n:3 71-72:n:4 73:n:6 74-81:n:10 82-85:n:12 86-89:n:16 90:n:42
    91:an:1 92:an:2 93:an:5 94:an:7 95:an:42 96:b:8 97:an:17 98:ans:25 99-100:n:..11 101:ans:..17
    102-103:ans:..28 104:ans:...100 105-127:ans:...999 128:b:8
    """
)
FIELDS[25] = FieldRow(Kind.N, 2)


def well_formed(number: int, value: str, rows: Mapping[int, FieldRow] = FIELDS) -> bool:
    """Tell whether a value, bytes as hex, is of the kind and length of its data element in a table.

    >>> well_formed(4, "000000001200"), well_formed(4, "1200"), well_formed(4, "00000000120O")
    (True, False, False)
    """
    row = rows[number]
    size = len(value) // 2 if row.kind is Kind.B else len(value)
    return (0 < size <= row.length if row.prefix else size == row.length) and _of_kind(row.kind, value)


def _of_kind(kind: Kind, value: str) -> bool:
    if not value.isascii():
        return False
    match kind:
        case Kind.N:
            return value.isdigit()
        case Kind.AN:
            return value.replace(" ", "").isalnum() or value.isspace()
        case Kind.ANS:
            return value.isprintable()
        case Kind.Z:
            return value.replace("=", "D", 1).replace("D", "", 1).isdigit()
        case Kind.B:
            return len(value) % 2 == 0 and set(value) <= _HEX
