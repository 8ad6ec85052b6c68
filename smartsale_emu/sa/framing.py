"""Frames, blocks and control bytes: the stream of bytes cut into units (PROTOCOL.md, sections 1 and 2)."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from smartsale_emu.errors import TlvError
from smartsale_emu.sa.tlv import Record, decode_records, encode_records

SOH: Final = 0x01
STX: Final = 0x02

DEFAULT_BLOCK_SIZE = 512
"""Bytes on the wire of one block, as recorded from real terminals."""

DEFAULT_MAX_FRAME = 8192
"""A LEN above this is noise: it guards the line against a stray 0x02."""

MIN_BLOCK_SIZE = 32

_FRAME_OVERHEAD = 5  # STX, LEN, CRC
_BLOCK_OVERHEAD = 7  # SOH, LEN, HLEN, CRC
_VERSION = Record(1, b"1")


class Control(Enum):
    """A control byte that stands alone between frames."""

    EOT = 0x04
    ACK = 0x06
    NAK = 0x15

    @property
    def wire(self) -> bytes:
        """The byte itself."""
        return bytes((self.value,))


class GarbageReason(Enum):
    """Why bytes are no unit of the protocol."""

    NOISE = "noise"  # a byte outside any frame, ENQ and ETX included
    BAD_CRC = "bad CRC"  # a whole frame by its LEN, with a wrong CRC
    BAD_HEADER = "bad block header"  # a block with a good CRC whose header cannot be read


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """A whole message in one STX frame, CRC good. ``data``: its TLV records; ``wire``: all its bytes."""

    data: bytes
    wire: bytes

    def __repr__(self) -> str:
        return f"Frame(‹{len(self.wire)} bytes›)"


@dataclass(frozen=True, slots=True, repr=False)
class Block:
    """One SOH block, CRC and header good. ``number`` as announced: 1, 2, …; 0 (``last``) ends the message."""

    number: int
    last: bool
    chunk: bytes
    wire: bytes

    def __repr__(self) -> str:
        return f"Block({self.number}, ‹{len(self.wire)} bytes›)"


@dataclass(frozen=True, slots=True, repr=False)
class Garbage:
    """Bytes that are no unit: one byte of noise, or a whole damaged frame."""

    data: bytes
    reason: GarbageReason

    def __repr__(self) -> str:
        return f"Garbage({self.reason.value}, ‹{len(self.data)} bytes›)"


Unit = Frame | Block | Control | Garbage


def _crc_table() -> tuple[int, ...]:
    table = [0]
    for bit in range(8):
        value = 0x8005 if bit == 0 else table[1 << (bit - 1)] << 1
        value = (value ^ 0x18005) if value & 0x10000 else value
        table += [entry ^ value for entry in table]
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc16(data: bytes) -> int:
    """Return the CRC-16: polynomial 0x8005, start 0, high bit first, nothing reflected or inverted.

    It covers STX or SOH, LEN and the data. Over a whole good frame, its CRC included, it is 0.

    >>> hex(crc16(bytes.fromhex("02 05 00 19 02 00 32 31")))
    '0xa5c2'
    """
    crc, table = 0, _CRC_TABLE
    for byte in data:
        crc = (crc << 8 & 0xFF00) ^ table[crc >> 8 ^ byte]
    return crc


def _seal(start: int, body: bytes) -> bytes:
    covered = bytes((start, len(body) & 0xFF, len(body) >> 8)) + body
    return covered + crc16(covered).to_bytes(2, "big")


def encode_frame(data: bytes) -> bytes:
    """Write one STX frame around TLV records.

    >>> encode_frame(bytes.fromhex("19 02 00 32 31")).hex(" ")
    '02 05 00 19 02 00 32 31 a5 c2'

    Raises:
        ValueError: over 65535 bytes of data.
    """
    if len(data) > 0xFFFF:
        raise ValueError(f"{len(data)} bytes do not fit one frame")
    return _seal(STX, data)


def encode_blocks(data: bytes, block_size: int = DEFAULT_BLOCK_SIZE) -> list[bytes]:
    """Cut TLV records into SOH blocks of at most ``block_size`` bytes on the wire; the last has number 0.

    Cuts ignore field borders. Numbers are decimal texts, so from block 10 on a header is one byte longer.

    >>> [block.hex(" ") for block in encode_blocks(bytes.fromhex("19 02 00 32 31"))]
    ['01 0f 00 08 00 01 01 00 31 02 01 00 30 19 02 00 32 31 fe 95']

    Raises:
        ValueError: ``block_size`` outside 32 to 65535.
    """
    if not MIN_BLOCK_SIZE <= block_size <= 0xFFFF:
        raise ValueError(f"a block of {block_size} bytes is outside {MIN_BLOCK_SIZE} to 65535")
    blocks: list[bytes] = []
    position, last = 0, False
    while not last:
        last = len(data) - position <= block_size - _BLOCK_OVERHEAD - len(_header(0))
        number = 0 if last else len(blocks) + 1
        stop = position + block_size - _BLOCK_OVERHEAD - len(_header(number))
        blocks.append(encode_block(number, data[position:stop]))
        position = stop
    return blocks


def encode_block(number: int, chunk: bytes) -> bytes:
    """Write one SOH block: 1, 2, … and 0 as the last.

    >>> encode_block(0, bytes.fromhex("19 02 00 32 31")).hex(" ")
    '01 0f 00 08 00 01 01 00 31 02 01 00 30 19 02 00 32 31 fe 95'
    """
    header = _header(number)
    return _seal(SOH, len(header).to_bytes(2, "little") + header + chunk)


def encode_message(data: bytes, block_size: int = DEFAULT_BLOCK_SIZE) -> list[bytes]:
    """Write TLV records as one STX frame if it fits ``block_size`` bytes on the wire, as SOH blocks if not.

    >>> [len(wire) for wire in encode_message(bytes(507))], [len(wire) for wire in encode_message(bytes(508))]
    ([512], [512, 26])

    Raises:
        ValueError: as ``encode_blocks``.
    """
    if len(data) + _FRAME_OVERHEAD <= block_size:
        return [encode_frame(data)]
    return encode_blocks(data, block_size)


def _header(number: int) -> bytes:
    return encode_records((_VERSION, Record(2, b"%d" % number)))


class FrameDecoder:
    """Cuts a stream into units, however it is sliced. Never raises; holds less than ``max_frame`` + 5 bytes.

    >>> FrameDecoder().feed(bytes.fromhex("06 02 05 00 19 02 00 32 31 a5 c2 ff"))
    [<Control.ACK: 6>, Frame(‹10 bytes›), Garbage(noise, ‹1 bytes›)]
    """

    __slots__ = ("_held", "_max_frame", "_need")

    def __init__(self, max_frame: int = DEFAULT_MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._held = b""
        self._need = 0  # with fewer bytes than this no further unit can be told

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame are held; 0 between frames."""
        return len(self._held)

    def drop(self) -> bytes:
        """Forget the unfinished frame and return its bytes."""
        dropped, self._held, self._need = self._held, b"", 0
        return dropped

    def feed(self, data: bytes) -> list[Unit]:
        """Take the next bytes of the stream and return the units that are complete now."""
        buffer = self._held + data if self._held else data
        units: list[Unit] = []
        position, end, need = 0, len(buffer), self._need
        if end < need:
            self._held = buffer
            return units
        while position < end:
            first = buffer[position]
            if first != STX and first != SOH:
                units.append(_ALONE[first])
                position += 1
                continue
            if (need := 3) > end - position:
                break
            length = buffer[position + 1] | buffer[position + 2] << 8
            if length > self._max_frame:
                units.append(_ALONE[first])
                position += 1
                continue
            if (need := length + _FRAME_OVERHEAD) > end - position:
                break
            units.append(_unit(buffer[position : position + need]))
            position += need
        self._held = buffer[position:]
        self._need = need if self._held else 0
        return units


def _unit(wire: bytes) -> Unit:
    if crc16(wire):
        return Garbage(wire, GarbageReason.BAD_CRC)
    return Frame(wire[3:-2], wire) if wire[0] == STX else _block(wire)


def _block(wire: bytes) -> Unit:
    header_end = 5 + int.from_bytes(wire[3:5], "little")
    try:
        header = dict(decode_records(wire[5:header_end]))
    except TlvError:
        header = {}
    number = header.get(2, b"")
    if (
        header_end > len(wire) - 2
        or header.get(1) != _VERSION.value
        or not (number.isdigit() and len(number) <= 5)
    ):
        return Garbage(wire, GarbageReason.BAD_HEADER)
    return Block(int(number), int(number) == 0, wire[header_end:-2], wire)


def _alone(byte: int) -> Control | Garbage:
    if byte in {control.value for control in Control}:
        return Control(byte)
    return Garbage(bytes((byte,)), GarbageReason.NOISE)


_ALONE = tuple(_alone(byte) for byte in range(256))
