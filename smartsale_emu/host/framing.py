"""Cutting a byte stream into ISO 8583 messages: a two-byte big-endian length that does not count itself."""

from smartsale_emu.errors import DialectError

MAX_MESSAGE = 4096
"""The longest message that is believed, in bytes."""


def frame(message: bytes) -> bytes:
    """Return a message with its length in front.

    >>> frame(b"0800").hex()
    '000430383030'

    Raises:
        DialectError: the message is empty or longer than 4096 bytes.
    """
    if not 0 < len(message) <= MAX_MESSAGE:
        raise DialectError(f"a message of {len(message)} bytes cannot be framed")
    return len(message).to_bytes(2, "big") + message


def is_one_message(data: bytes | bytearray) -> bool:
    """Tell whether this is one message with its length in front, and nothing besides.

    >>> [is_one_message(bytes.fromhex(data)) for data in ("00024142", "000241", "000141000142")]
    [True, False, False]
    """
    return len(data) > 2 and len(data) == 2 + int.from_bytes(data[:2], "big")


class StreamDecoder:
    """Collects bytes and gives back whole messages, however the stream was sliced.

    Between calls it holds less than one message. A wrong length ends the stream: ``broken`` says why.
    """

    def __init__(self) -> None:
        self._kept = bytearray()
        self.broken = ""

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes of the stream and return the messages that are whole now.

        >>> decoder = StreamDecoder()
        >>> decoder.feed(b"\\x00"), decoder.feed(b"\\x02AB\\x00\\x01C\\x00")
        ([], [b'AB', b'C'])

        Raises:
            DialectError: the stream is broken, and no message stood before the break. Close it.
        """
        messages: list[bytes] = []
        if not self.broken:
            self._kept += data
            messages = self._whole()
        if self.broken and not messages:
            raise DialectError(self.broken)
        return messages

    def _whole(self) -> list[bytes]:
        messages = []
        start = 0
        while len(self._kept) >= start + 2:
            size = int.from_bytes(self._kept[start : start + 2], "big")
            if not 0 < size <= MAX_MESSAGE:
                self.broken = f"a message of {size} bytes is announced, 1 to {MAX_MESSAGE} are possible"
                start = len(self._kept)
                break
            if len(self._kept) < start + 2 + size:
                break
            messages.append(bytes(self._kept[start + 2 : start + 2 + size]))
            start += 2 + size
        del self._kept[:start]
        return messages
