"""A message put together from SOH blocks (PROTOCOL.md, section 1, multi-block messages)."""

from enum import Enum, auto

from smartsale_emu.errors import TlvError
from smartsale_emu.sa.framing import Block
from smartsale_emu.sa.tlv import Message


class Verdict(Enum):
    """What ``Assembly.add`` says of a block."""

    ACCEPTED = auto()
    REPEATED = auto()  # the block just accepted, once more: ACK it, it is not appended
    RESTARTED = auto()  # number 1 in the middle: the sender begins anew
    OUT_OF_ORDER = auto()
    TOO_LONG = auto()
    BAD_TLV = auto()  # the last block came and the records do not fill the message


class Assembly:
    """Blocks in order: 1, 2, … and 0 as the last; a single block 0 is a whole message.

    A refused block changes nothing, so its repeat is judged the same way. Holds at most ``max_message`` bytes
    of data and twice as many of wire.

    >>> from smartsale_emu.sa.framing import FrameDecoder, encode_blocks
    >>> (block,) = FrameDecoder().feed(encode_blocks(bytes.fromhex("19 02 00 32 31"))[0])
    >>> assembly = Assembly(max_message=65536)
    >>> assembly.add(block)[0], assembly.take() == (Message.of({25: 21}), block.wire)
    (<Verdict.ACCEPTED: 1>, True)
    """

    def __init__(self, max_message: int) -> None:
        self._max = max_message
        self.reset()

    def reset(self) -> None:
        """Forget the blocks, the last accepted one too."""
        self._data, self._wire = bytearray(), bytearray()
        self._expected = 1
        self._accepted = b""  # the wire of the block just accepted
        self._complete: tuple[Message, bytes] | None = None
        self._refused: tuple[Message, bytes] | None = None

    @property
    def begun(self) -> bool:
        """Some blocks of an unfinished message are held."""
        return self._expected > 1

    def take(self) -> tuple[Message, bytes] | None:
        """Return a message that has become complete, with all its bytes; once."""
        complete, self._complete = self._complete, None
        return complete

    def refuse(self, complete: tuple[Message, bytes]) -> None:
        """Take back a message that was not acknowledged: a repeat of its last block completes it again."""
        self._refused = complete

    def add(self, block: Block) -> tuple[Verdict, str]:
        """Judge a block and keep it if it is the next one. The text says why and holds no data."""
        if block.wire == self._accepted:
            if self._refused is not None:
                self._complete, self._refused = self._refused, None
                return Verdict.ACCEPTED, ""
            return Verdict.REPEATED, f"block {block.number}"
        verdict, detail = Verdict.ACCEPTED, ""
        if block.number == 1 and self.begun:
            verdict, detail = Verdict.RESTARTED, f"block 1 came instead of {self._expected}"
            self.reset()
        elif block.number not in (self._expected, 0):
            return Verdict.OUT_OF_ORDER, f"block {block.number} came instead of {self._expected}"
        if self._too_long(block):
            return Verdict.TOO_LONG, f"more than {self._max} bytes"
        if block.last:
            return self._finish(block)
        self._refused = None
        self._data += block.chunk
        self._wire += block.wire
        self._accepted = block.wire
        self._expected += 1
        return verdict, detail

    def _too_long(self, block: Block) -> bool:
        return (
            len(self._data) + len(block.chunk) > self._max
            or len(self._wire) + len(block.wire) > 2 * self._max
        )

    def _finish(self, block: Block) -> tuple[Verdict, str]:
        try:
            message = Message.parse(bytes(self._data) + block.chunk)
        except TlvError as error:
            return Verdict.BAD_TLV, str(error)
        wire, several = bytes(self._wire) + block.wire, self.begun
        self.reset()
        # Block 0 after others can only be repeated; a whole message in one block 0 may be asked again.
        self._accepted = block.wire if several else b""
        self._complete = message, wire
        return Verdict.ACCEPTED, ""
