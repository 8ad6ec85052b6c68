"""Cutting a byte stream into ISO 8583 messages: a length in front of each, and with some hosts an address.

The address (TPDU) is five bytes: ``60``, destination, source, two bytes each. An answer carries them swapped.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from smartsale_emu.errors import DialectError

MAX_MESSAGE = 4096
"""The longest message that is believed, in bytes, its TPDU counted."""

TPDU_SIZE = 5
TPDU_ID = b"\x60"


class Framing(StrEnum):
    """How a message is delimited on a stream."""

    TWO_BYTES = "2B"  # two bytes big-endian, not counting themselves
    TWO_BYTES_INCLUSIVE = "2B-inclusive"  # two bytes big-endian, counting themselves
    FOUR_DIGITS = "4A"  # four ASCII digits, not counting themselves
    WITH_TPDU = "2B+TPDU"  # two bytes big-endian; the TPDU behind them is counted


@dataclass(frozen=True, slots=True)
class Wire:
    """How one host delimits messages. ``tpdu``: what the terminal writes, 5 bytes, empty without one."""

    framing: Framing = Framing.TWO_BYTES
    tpdu: bytes = b""

    @property
    def prefix(self) -> int:
        """Bytes of the length."""
        return 4 if self.framing is Framing.FOUR_DIGITS else 2

    @property
    def _counted(self) -> int:
        """Bytes of the length that it counts itself."""
        return 2 if self.framing is Framing.TWO_BYTES_INCLUSIVE else 0

    def frame(self, message: bytes) -> bytes:
        """Return a message with its length, and its TPDU, in front.

        >>> Wire(Framing.FOUR_DIGITS).frame(b"0800")
        b'00040800'
        >>> Wire(Framing.WITH_TPDU, bytes.fromhex("6000010000")).frame(b"0800").hex()
        '0009600001000030383030'

        Raises:
            DialectError: the message is empty, or with its TPDU longer than 4096 bytes.
        """
        packet = self.tpdu + message
        if not message or len(packet) > MAX_MESSAGE:
            raise DialectError(f"a message of {len(message)} bytes cannot be framed")
        size = len(packet) + self._counted
        if self.framing is Framing.FOUR_DIGITS:
            return b"%04d" % size + packet
        return size.to_bytes(2, "big") + packet

    def size_in(self, head: bytes) -> int | None:
        """Return the size of the packet behind a length of ``prefix`` bytes; None when it is no number.

        >>> Wire(Framing.TWO_BYTES_INCLUSIVE).size_in(bytes([0, 6]))
        4
        """
        if self.framing is not Framing.FOUR_DIGITS:
            return int.from_bytes(head, "big") - self._counted
        return int(head) if head.isdigit() else None

    def is_one_packet(self, data: bytes | bytearray) -> bool:
        """Tell whether this is one packet with its length in front, and nothing besides.

        >>> [Wire().is_one_packet(bytes.fromhex(data)) for data in ("00024142", "000241", "000141000142")]
        [True, False, False]
        """
        size = self.size_in(bytes(data[: self.prefix]))
        return size is not None and size > 0 and len(data) == self.prefix + size

    def open_request(self, packet: bytes) -> tuple[bytes, "Wire"]:
        """Return the message in a packet that a terminal sent, and how its answer is framed.

        Raises:
            DialectError: it is addressed to somebody else, or holds no message.
        """
        if not self.tpdu:
            return packet, self
        came = packet[:TPDU_SIZE]
        if len(packet) <= TPDU_SIZE or came[:3] != self.tpdu[:3]:
            raise DialectError("the TPDU is not addressed to this host")
        return packet[TPDU_SIZE:], replace(self, tpdu=swapped(came))

    def open_answer(self, packet: bytes) -> bytes:
        """Return the message in a packet that answers one of this wire.

        Raises:
            DialectError: its TPDU is not ours with the addresses swapped, or it holds no message.
        """
        if not self.tpdu:
            return packet
        if len(packet) <= TPDU_SIZE or packet[:TPDU_SIZE] != swapped(self.tpdu):
            raise DialectError("the TPDU is not that of an answer to this terminal")
        return packet[TPDU_SIZE:]


PLAIN = Wire()
"""Two bytes of length that do not count themselves."""


def swapped(tpdu: bytes) -> bytes:
    """Return a TPDU with its addresses swapped.

    >>> swapped(bytes.fromhex("6000010000")).hex()
    '6000000001'
    """
    return tpdu[:1] + tpdu[3:] + tpdu[1:3]


class StreamDecoder:
    """Collects bytes and gives back whole packets, however the stream was sliced: messages, TPDU in front.

    Between calls it holds less than one packet. A wrong length ends the stream: ``broken`` says why.
    """

    def __init__(self, wire: Wire = PLAIN) -> None:
        self._wire = wire
        self._kept = bytearray()
        self.broken = ""

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes of the stream and return the packets that are whole now.

        >>> decoder = StreamDecoder()
        >>> decoder.feed(b"\\x00"), decoder.feed(b"\\x02AB\\x00\\x01C\\x00")
        ([], [b'AB', b'C'])

        Raises:
            DialectError: the stream is broken, and no packet stood before the break. Close it.
        """
        packets: list[bytes] = []
        if not self.broken:
            self._kept += data
            packets = self._whole()
        if self.broken and not packets:
            raise DialectError(self.broken)
        return packets

    def _whole(self) -> list[bytes]:
        packets = []
        start, prefix = 0, self._wire.prefix
        while len(self._kept) >= start + prefix:
            begin = start + prefix
            size = self._wire.size_in(bytes(self._kept[start:begin]))
            if size is None or not 0 < size <= MAX_MESSAGE:
                announced = "something that is no number" if size is None else f"a message of {size} bytes"
                self.broken = f"{announced} is announced, 1 to {MAX_MESSAGE} are possible"
                start = len(self._kept)
                break
            if len(self._kept) < begin + size:
                break
            packets.append(bytes(self._kept[begin : begin + size]))
            start = begin + size
        del self._kept[:start]
        return packets
