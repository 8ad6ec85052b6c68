"""TLV records and the message that they make (PROTOCOL.md, section 1).

A record is one byte of field number, two bytes of length, low byte first, and the value.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from smartsale_emu.errors import TlvError

ENCODING = "windows-1251"
"""The encoding of every text on the line."""

MAX_VALUE = 0xFFFF


class Record(NamedTuple):
    """One field: its number (0 to 255) and its value, at most 65535 bytes. The repr never shows the value."""

    tag: int
    value: bytes

    def __repr__(self) -> str:
        return f"Record({self.tag}, ‹{len(self.value)} bytes›)"


def decode_records(data: bytes) -> tuple[Record, ...]:
    """Read records that stand back to back and fill ``data`` exactly.

    >>> [(record.tag, record.value) for record in decode_records(bytes.fromhex("19 02 00 32 36 1b 00 00"))]
    [(25, b'26'), (27, b'')]

    Raises:
        TlvError: a record does not fit; the text names field and offset, never a value.
    """
    records = []
    position, end = 0, len(data)
    while position < end:
        start = position + 3
        if start > end:
            raise TlvError(
                f"offset {position}: {end - position} bytes are too few for a field number and length"
            )
        stop = start + (data[position + 1] | data[position + 2] << 8)
        if stop > end:
            raise TlvError(
                f"offset {position}: field {data[position]} says {stop - start} bytes, {end - start} are left"
            )
        records.append(Record(data[position], data[start:stop]))
        position = stop
    return tuple(records)


def encode_records(records: Iterable[Record]) -> bytes:
    """Write records back to back, in the order given.

    >>> encode_records([Record(25, b"21")]).hex(" ")
    '19 02 00 32 31'

    Raises:
        ValueError: a field number outside 0 to 255, or a value over 65535 bytes.
    """
    parts = []
    for tag, value in records:
        if not 0 <= tag <= 255 or len(value) > MAX_VALUE:
            raise ValueError(f"field {tag} with {len(value)} bytes does not fit a record")
        parts.append(bytes((tag, len(value) & 0xFF, len(value) >> 8)) + value)
    return b"".join(parts)


def encode_value(value: str | bytes | int) -> bytes:
    """Write one value: bytes as they are, a number in decimal, a text in windows-1251 (else ``?``).

    >>> encode_value(643), encode_value("ДА").hex(), encode_value("10 ₽")
    (b'643', 'c4c0', b'10 ?')
    """
    if isinstance(value, bytes):
        return value
    return str(value).encode(ENCODING, errors="replace")


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """An ordered multi-map of fields, unknown and repeated ones kept. The last of a repeated field counts.

    The repr shows field numbers only, since values may be card data.

    >>> request = Message.of({25: 1, 4: "643", 0: "1200"})
    >>> request, request.text(0), request.get(39)
    (Message(0, 4, 25), '1200', None)
    """

    records: tuple[Record, ...] = ()

    @classmethod
    def of(cls, fields: Mapping[int, str | bytes | int | None]) -> Self:
        """Build a message, fields ascending as real terminals write them; None leaves one out."""
        return cls(
            tuple(
                Record(int(tag), encode_value(value))
                for tag, value in sorted(fields.items())
                if value is not None
            )
        )

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the data part of a frame, or of all blocks together.

        Raises:
            TlvError: the records do not fill ``data``.
        """
        return cls(decode_records(data))

    def encode(self) -> bytes:
        """Write the records in their order.

        Raises:
            ValueError: a value over 65535 bytes.
        """
        return encode_records(self.records)

    def get(self, tag: int) -> bytes | None:
        """Return the value of the last record with this field number, or None."""
        for record in reversed(self.records):
            if record.tag == tag:
                return record.value
        return None

    def text(self, tag: int) -> str | None:
        """Return the field as a windows-1251 text, or None. Never raises: byte 0x98 becomes U+FFFD."""
        value = self.get(tag)
        return None if value is None else value.decode(ENCODING, errors="replace")

    def number(self, tag: int, *, most_digits: int = 3) -> int | None:
        """Return the field as a number; None if it is anything but 1 to ``most_digits`` digits.

        >>> message = Message.of({25: "063", 39: "1 ", 67: ""})
        >>> message.number(25), message.number(39), message.number(67), message.number(0)
        (63, None, None, None)
        """
        value = self.get(tag)
        good = value is not None and value.isdigit() and len(value) <= most_digits
        return int(value) if value is not None and good else None

    @property
    def repeated(self) -> tuple[int, ...]:
        """The field numbers that stand in the message more than once, ascending."""
        tags = [record.tag for record in self.records]
        return tuple(sorted({tag for tag in tags if tags.count(tag) > 1}))

    def __repr__(self) -> str:
        return f"Message({', '.join(str(record.tag) for record in self.records)})"
