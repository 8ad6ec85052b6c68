"""Bytes of the line without their secrets: every secret byte a ``*``, every length and border as it was.

What may be seen of a field is decided by the rows of ``fields``, denied by default. A CRC is computed anew
over what is left to see; one that was wrong stays wrong by the same bits.
"""

import re
from dataclasses import dataclass, field

from smartsale_emu.pan import CARD_DIGITS, mask_pan
from smartsale_emu.sa.fields import DATE_TIME, FIELDS, MASKED_PAN, Policy
from smartsale_emu.sa.framing import (
    STX,
    Block,
    Control,
    Frame,
    Garbage,
    GarbageReason,
    Unit,
    crc16,
)

_DIGIT = re.compile(rb"[0-9]")
_AT_THE_CUT = re.compile(rb"^[0-9=D -]*[0-9][0-9=D -]*|[0-9][0-9=D -]*$")
_RECORD_HEAD = 3  # field number and length
_BEFORE_DATA = 3  # STX or SOH, and LEN


@dataclass(frozen=True, slots=True, repr=False)
class Redacted:
    """``wire``: as many bytes as there were. ``masked``: the fields that lost something, or `NO_FIELD`."""

    wire: bytes
    masked: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"Redacted(‹{len(self.wire)} bytes›, masked={self.masked})"


NO_FIELD = -1
"""Stands among the masked for bytes that belong to no field that can be told."""


@dataclass(slots=True, repr=False)
class _Walk:
    """Where a walk over records stands: in a record's head, or ``left`` bytes before the end of its value."""

    head: bytes = b""
    left: int = 0
    masked: set[int] = field(default_factory=set)

    def over(self, data: bytes, *, goes_on: bool) -> bytes:
        """Return the next part of the records. ``goes_on``: a value that is cut at its end has its rest."""
        shown = bytearray()
        position = 0
        while position < len(data):
            if not self.left:
                part = data[position : position + _RECORD_HEAD - len(self.head)]
                shown += part
                self.head += part
                position += len(part)
                if len(self.head) == _RECORD_HEAD:
                    self.left = int.from_bytes(self.head[1:], "little")
                    self.head = self.head if self.left else b""
                continue
            part = data[position : position + self.left]
            shown += self._value(part, goes_on=goes_on)
            position += len(part)
            self.left -= len(part)
            self.head = self.head if self.left else b""
        return bytes(shown)

    def _value(self, part: bytes, *, goes_on: bool) -> bytes:
        tag, length = self.head[0], int.from_bytes(self.head[1:], "little")
        if len(part) == length:
            shown = visible(tag, part)
        elif goes_on or self.left < length:
            shown = _visible_part(tag, part, length)
        else:
            shown = _stars(part)
        if shown != part:
            self.masked.add(tag)
        return shown


def visible(tag: int, value: bytes) -> bytes:
    """Return a whole value with what may not be seen of it starred, as long as it was.

    >>> visible(12, b"2200123456789019=3012"), visible(19, b"card 2200 1234 5678 9019, yes")
    (b'*********************', b'card 2200 12** **** 9019, yes')
    """
    row = FIELDS.get(tag)
    if row is None:
        return _stars(value)
    text = value.decode("latin-1")
    match row.policy:
        case Policy.SHOW if row.max_length is None or len(value) <= row.max_length:
            return CARD_DIGITS.sub(_star_card, text).encode("latin-1")
        case Policy.DATE if DATE_TIME.fullmatch(text):
            return value
        case Policy.MASK if MASKED_PAN.fullmatch(text):
            return mask_pan(text).encode("latin-1")
        case _:
            return _stars(value)


def _visible_part(tag: int, part: bytes, length: int) -> bytes:
    """Return a part of a value that was cut into blocks: digits at the cut may be half a card number."""
    row = FIELDS.get(tag)
    free = row is not None and row.policy is Policy.SHOW and (row.max_length or length) >= length
    return _AT_THE_CUT.sub(lambda found: _stars(found[0]), visible(tag, part)) if free else _stars(part)


def _star_card(found: re.Match[str]) -> str:
    digits = mask_pan(re.sub(r"\D", "", found[1]))
    signs = iter(digits)
    return "".join(next(signs) if sign.isdigit() else sign for sign in found[1]) + "*" * len(found[2] or "")


def _stars(value: bytes) -> bytes:
    return b"*" * len(value)


class Redaction:
    """Takes the secrets out of the units of one direction, one after another.

    >>> from smartsale_emu.sa.framing import FrameDecoder, encode_frame
    >>> (frame,) = FrameDecoder().feed(encode_frame(b"\\x0c\\x04\\x00TRK2\\x19\\x01\\x001"))
    >>> shown = Redaction().unit(frame)
    >>> shown.wire[3:-2], shown.masked, crc16(shown.wire)
    (b'\\x0c\\x04\\x00****\\x19\\x01\\x001', (12,), 0)
    """

    def __init__(self) -> None:
        self._walk = _Walk()
        self._expected = 1
        self._last: tuple[bytes, Redacted] = (b"", Redacted(b""))
        self._whole, self._shown, self._offset = b"", Redacted(b""), 0

    def expect(self, data: bytes) -> None:
        """Tell the records of a message before it is cut into blocks: then no cut costs a digit."""
        walk = _Walk()
        shown = walk.over(data, goes_on=False)
        self._whole, self._shown, self._offset = data, Redacted(shown, tuple(sorted(walk.masked))), 0

    def unit(self, unit: Unit | bytes) -> Redacted:
        """Return what may be seen of the next unit; bytes: of a frame whose rest never came."""
        match unit:
            case Control():
                return Redacted(unit.wire)
            case Frame():
                return _sealed(unit.wire, _Walk())
            case Block():
                return self._block(unit)
            case Garbage():
                return _garbage(unit)
            case _:
                return _unfinished(unit)

    def _block(self, block: Block) -> Redacted:
        if block.wire == self._last[0]:
            return self._last[1]
        begins = block.number == 1 or (block.last and self._expected == 1)
        if begins:
            self._walk, self._offset = _Walk(), 0
        known = begins or (self._expected > 0 and (block.last or block.number == self._expected))
        self._expected = 1 if block.last else block.number + 1 if known else 0
        chunk = self._chunk(block.chunk) if known else Redacted(_stars(block.chunk), (NO_FIELD,))
        start = len(block.wire) - 2 - len(block.chunk)
        wire = _with_crc(block.wire, block.wire[:start] + chunk.wire)
        self._last = block.wire, Redacted(wire, chunk.masked)
        return self._last[1]

    def _chunk(self, chunk: bytes) -> Redacted:
        begin, self._offset = self._offset, self._offset + len(chunk)
        self._walk.masked = set()
        shown, masked = self._walk.over(chunk, goes_on=True), tuple(sorted(self._walk.masked))
        if self._whole[begin : self._offset] == chunk:
            shown, masked = self._shown.wire[begin : self._offset], self._shown.masked
        return Redacted(shown, masked if shown != chunk else ())


def _sealed(wire: bytes, walk: _Walk) -> Redacted:
    shown = wire[:_BEFORE_DATA] + walk.over(wire[_BEFORE_DATA:-2], goes_on=False)
    return Redacted(_with_crc(wire, shown), tuple(sorted(walk.masked)))


def _with_crc(wire: bytes, shown: bytes) -> bytes:
    """Put a CRC behind what is shown: as right, or as wrong, as it was."""
    wrong = crc16(wire[:-2]) ^ int.from_bytes(wire[-2:], "big")
    return shown + (crc16(shown) ^ wrong).to_bytes(2, "big")


def _garbage(garbage: Garbage) -> Redacted:
    data = garbage.data
    match garbage.reason:
        case GarbageReason.NOISE:
            shown = _DIGIT.sub(b"*", data)
            return Redacted(shown, (NO_FIELD,) if shown != data else ())
        case GarbageReason.BAD_CRC if data[0] == STX:
            return _sealed(data, _Walk())
        case _:
            shown = _with_crc(data, data[:_BEFORE_DATA] + _stars(data[_BEFORE_DATA:-2]))
            return Redacted(shown, (NO_FIELD,))


def _unfinished(data: bytes) -> Redacted:
    begin, rest = data[:_BEFORE_DATA], data[_BEFORE_DATA:]
    walk = _Walk()
    shown = walk.over(rest, goes_on=False) if data[:1] == bytes((STX,)) else _stars(rest)
    masked = tuple(sorted(walk.masked)) or ((NO_FIELD,) if shown != rest else ())
    return Redacted(begin + shown, masked)
