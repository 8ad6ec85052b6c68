"""Sale requests encoded and decoded."""

from smartsale_emu.sa.framing import Frame, FrameDecoder, encode_frame
from smartsale_emu.sa.tlv import Message

REQUEST: dict[int, str | int] = {0: 1200, 4: "643", 25: 1, 26: "17", 27: "00060056"}
WIRE = encode_frame(Message.of(REQUEST).encode())


def encode(count: int) -> None:
    """From values to wire bytes."""
    for _ in range(count):
        encode_frame(Message.of(REQUEST).encode())


def decode(count: int) -> None:
    """From wire bytes to a message, a frame at a time."""
    feed = FrameDecoder().feed
    for _ in range(count):
        (frame,) = feed(WIRE)
        assert isinstance(frame, Frame)
        Message.parse(frame.data)


def decode_stream(count: int) -> None:
    """The same from pieces of 4096 bytes that know nothing of frames."""
    stream, feed, done = WIRE * count, FrameDecoder().feed, 0
    for place in range(0, len(stream), 4096):
        for frame in feed(stream[place : place + 4096]):
            assert isinstance(frame, Frame)
            Message.parse(frame.data)
            done += 1
    assert done == count
