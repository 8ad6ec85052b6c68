"""What a link says, its timers and its bounds (PROTOCOL.md, sections 0.1 and 3)."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum

from smartsale_emu.sa.framing import DEFAULT_BLOCK_SIZE, DEFAULT_MAX_FRAME, Unit
from smartsale_emu.sa.tlv import Message
from smartsale_emu.units import Millis

ACK_TIMEOUT = Millis(7000)
"""Longer than the 5 s after which one known register ACKs."""

INTER_BYTE = Millis(5000)
NEXT_BLOCK = Millis(45_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTiming:
    """Timers and bounds of a link. Times in milliseconds, sizes in bytes.

    ``ack_timeout``: a copy of a frame waits so long for its answer. ``inter_byte``: after so long a silence
    half a frame is dropped. ``next_block``: an unfinished message of blocks is kept so long. ``sends``: how
    often a frame is sent in all. ``naks_in_a_row``: with so many NAKs of ours the session is given up.
    """

    ack_timeout: Millis = ACK_TIMEOUT
    inter_byte: Millis = INTER_BYTE
    next_block: Millis = NEXT_BLOCK
    sends: int = 3
    naks_in_a_row: int = 3
    block_size: int = DEFAULT_BLOCK_SIZE
    max_frame: int = DEFAULT_MAX_FRAME
    max_message: int = 65536


class NoteKind(Enum):
    """What a ``Noted`` tells the trace."""

    NOISE = "noise"
    BAD_CRC = "bad CRC"
    BAD_HEADER = "bad block header"
    BAD_TLV = "bad TLV"
    INTER_BYTE_TIMEOUT = "inter-byte timeout"
    LATE_ACK = "late ACK"  # of a copy of something that was already resolved
    STRAY_ACK = "stray ACK"  # nothing was owed
    STRAY_NAK = "stray NAK"
    REPEATED_BLOCK = "repeated block"
    BLOCK_OUT_OF_ORDER = "block out of order"
    MESSAGE_TOO_LONG = "message too long"
    ASSEMBLY_DROPPED = "unfinished message dropped"
    REFUSED = "message refused"


class Admission(Enum):
    """What the owner of a link does with a complete good message."""

    ACK = "ack"
    NAK = "nak"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Transmit:
    """Write these bytes now, in one go. ``because`` is for the trace."""

    data: bytes
    because: str

    def __repr__(self) -> str:
        return f"Transmit(‹{len(self.data)} bytes›, {self.because!r})"


@dataclass(frozen=True, slots=True)
class Received:
    """A complete good message, ACKed by a ``Transmit`` before. ``wire``: all its bytes, to know repeats."""

    message: Message
    wire: bytes

    def __repr__(self) -> str:
        return f"Received({self.message}, ‹{len(self.wire)} bytes›)"


@dataclass(frozen=True, slots=True)
class Started:
    """The first byte of this message left, in the ``Transmit`` just before."""

    token: Hashable


@dataclass(frozen=True, slots=True)
class Delivered:
    """Every block of this message was ACKed."""

    token: Hashable


@dataclass(frozen=True, slots=True)
class Refused:
    """The peer answered EOT; the message and everything queued behind it are dropped.

    ``copy``: how often the current block had been sent, from 1; 0 when the EOT came between two blocks.
    ``last_block``: the current block was the last one, so the peer may have the whole message.
    """

    token: Hashable
    copy: int
    last_block: bool


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The session is given up; an EOT stands in a ``Transmit`` before. Everything queued is dropped.

    ``token``: the message that was sent in vain, or None when we refused too often what the peer sent; then a
    message of ours that was under way is dropped as well.
    """

    token: Hashable | None
    because: str


@dataclass(frozen=True, slots=True)
class PeerEot:
    """EOT with nothing of ours unanswered: the end of a session. What was queued and not begun is dropped."""


@dataclass(frozen=True, slots=True)
class Noted:
    """Something for the trace. ``detail`` never holds bytes of the peer."""

    kind: NoteKind
    detail: str


LinkEvent = Transmit | Received | Started | Delivered | Refused | GaveUp | PeerEot | Noted


Hear = Callable[[Unit | bytes], None]
"""Told of every unit of the peer as it comes, neighbouring noise as one; bytes: a frame cut short."""


def hear_nothing(_unit: Unit | bytes) -> None:
    """Nobody listens."""


Admit = Callable[[Message, bytes], Admission]
"""Asked about every complete good message, with its wire bytes, before it is acknowledged."""


def admit_all(_message: Message, _wire: bytes) -> Admission:
    """Acknowledge every good message."""
    return Admission.ACK
