"""BER-TLV data objects as EMV writes them (EMV Book 3, annex B): an ordered list that keeps repeats.

A tag has one to four bytes, a length one to five, and ``00`` bytes between objects mean nothing. Objects that
hold others are opened only when somebody asks. No error carries a value, and ``repr`` shows lengths only.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from smartsale_emu.errors import WireError

_CONSTRUCTED, _LONG_TAG, _MORE, _LONG_LENGTH = 0x20, 0x1F, 0x80, 0x80
_MOST_TAG_BYTES, _MOST_LENGTH_BYTES = 4, 4


class BerTlvError(WireError):
    """Bytes are no list of data objects. Names the offset and, if it has at most two bytes, the tag."""


@dataclass(frozen=True, slots=True)
class DataObject:
    """One data object. ``tag``: upper-case hex, ``"95"`` or ``"9F26"``; ``value``: at most 4 GiB.

    Raises:
        ValueError: there is no such tag.
    """

    tag: str
    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not is_tag(self.tag):
            raise ValueError("a tag is one to four bytes in upper-case hex")

    @property
    def constructed(self) -> bool:
        """Whether the value is made of data objects."""
        return bool(int(self.tag[:2], 16) & _CONSTRUCTED)

    def children(self) -> "DataObjects":
        """Return the objects of the value.

        >>> DataObject("77", bytes.fromhex("9F36020001")).children().get("9F36")
        b'\\x00\\x01'

        Raises:
            BerTlvError: the value is no list of data objects, or the tag does not promise one.
        """
        if not self.constructed:
            raise BerTlvError(f"tag {_shown(self.tag)}: holds no data objects")
        return DataObjects.parse(self.value)


@dataclass(frozen=True, slots=True)
class DataObjects:
    """Data objects in their order; a tag may stand there more than once."""

    objects: tuple[DataObject, ...] = ()

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, bytes]]) -> "DataObjects":
        """Return the list of these tags and values.

        Raises:
            ValueError: there is no such tag.
        """
        return cls(tuple(DataObject(tag, value) for tag, value in pairs))

    @classmethod
    def parse(cls, data: bytes) -> "DataObjects":
        """Read data objects until the bytes end.

        >>> found = DataObjects.parse(bytes.fromhex("9F3602 0001 00 95 05 0000008000"))
        >>> found.tags(), found.encode().hex()
        (('9F36', '95'), '9f3602000195050000008000')

        Raises:
            BerTlvError: an object does not fit what is left, or its tag or length is none.
        """
        return cls(tuple(_objects(data)))

    def encode(self) -> bytes:
        """Return the bytes: no padding, every length as short as can be."""
        return b"".join(
            bytes.fromhex(item.tag) + _length_bytes(len(item.value)) + item.value for item in self.objects
        )

    def tags(self) -> tuple[str, ...]:
        """Return the tags in their order, repeated ones too."""
        return tuple(item.tag for item in self.objects)

    def get(self, tag: str) -> bytes | None:
        """Return the value of the first object of a tag, or None."""
        return next((item.value for item in self.objects if item.tag == tag), None)

    def all(self, tag: str) -> tuple[bytes, ...]:
        """Return the values of all objects of a tag, in their order."""
        return tuple(item.value for item in self.objects if item.tag == tag)

    def __iter__(self) -> Iterator[DataObject]:
        return iter(self.objects)

    def __len__(self) -> int:
        return len(self.objects)


@lru_cache(maxsize=1024)
def is_tag(text: str) -> bool:
    """Tell whether a text is one whole tag in upper-case hex, of one to four bytes.

    >>> is_tag("9F26"), is_tag("9F"), is_tag("5A"), is_tag("DF8101"), is_tag("00"), is_tag("9f26")
    (True, False, True, True, False, False)
    """
    if not text or len(text) % 2 or set(text) - set("0123456789ABCDEF"):
        return False
    data = bytes.fromhex(text)
    return data[0] != 0 and _tag_size(data, 0) == len(data)


def _objects(data: bytes) -> Iterator[DataObject]:
    offset = 0
    while offset < len(data):
        if data[offset] == 0:
            offset += 1
            continue
        start, size = offset, _tag_size(data, offset)
        if size is None:
            raise BerTlvError(f"offset {start}: no whole tag of at most {_MOST_TAG_BYTES} bytes")
        tag = data[start : start + size].hex().upper()
        where = f"offset {start}: tag {_shown(tag)}"
        offset, length = _length(data, start + size, where)
        if length > len(data) - offset:
            raise BerTlvError(f"{where}: says {length} bytes, {len(data) - offset} are left")
        yield DataObject(tag, data[offset : offset + length])
        offset += length


def _tag_size(data: bytes, offset: int) -> int | None:
    if data[offset] & _LONG_TAG != _LONG_TAG:
        return 1
    for size, byte in enumerate(data[offset + 1 : offset + _MOST_TAG_BYTES], start=2):
        if not byte & _MORE:
            return size
    return None


def _length(data: bytes, offset: int, where: str) -> tuple[int, int]:
    """Return where the value begins and how long it is."""
    if offset == len(data):
        raise BerTlvError(f"{where}: its length is missing")
    first = data[offset]
    if first < _LONG_LENGTH:
        return offset + 1, first
    count = first - _LONG_LENGTH
    if not 1 <= count <= _MOST_LENGTH_BYTES:
        raise BerTlvError(f"{where}: its length begins with {first:02X}")
    end = offset + 1 + count
    if end > len(data):
        raise BerTlvError(f"{where}: its length says {count} bytes, {len(data) - offset - 1} are left")
    return end, int.from_bytes(data[offset + 1 : end], "big")


def _length_bytes(length: int) -> bytes:
    if length < _LONG_LENGTH:
        return bytes([length])
    size = (length.bit_length() + 7) // 8
    return bytes([_LONG_LENGTH | size]) + length.to_bytes(size, "big")


def _shown(tag: str) -> str:
    """Return the tag, or its size: what looks like a long tag may be the inside of a value."""
    return tag if len(tag) <= 4 else f"of {len(tag) // 2} bytes"
