"""Framing: every vector whole, byte by byte and with bytes after it; any slicing of any stream."""

import pytest
from frames import VECTORS, Vector
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.sa.framing import (
    Block,
    Control,
    Frame,
    FrameDecoder,
    Garbage,
    GarbageReason,
    Unit,
    crc16,
    encode_blocks,
    encode_frame,
    encode_message,
)
from smartsale_emu.sa.tlv import Message, Record, encode_records

every_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)


def cut(data: bytes, *, max_frame: int = 8192) -> list[Unit]:
    return FrameDecoder(max_frame).feed(data)


def bitwise_crc(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x8005) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc


def noise(text: bytes) -> list[Unit]:
    return [Garbage(bytes((byte,)), GarbageReason.NOISE) for byte in text]


def message_of(vector: Vector) -> Message:
    return Message(tuple(Record(tag, text.encode("cp1251")) for tag, text in vector.fields))


# ---------------------------------------------------------------------- vectors


def test_all_vectors_are_here() -> None:
    assert len(VECTORS) == 23
    assert sum(vector.recorded for vector in VECTORS) == 10


@every_vector
def test_vector_is_read_whole(vector: Vector) -> None:
    wire = bytes.fromhex(vector.frame)
    (frame,) = cut(wire)
    assert isinstance(frame, Frame)
    assert frame.wire == wire
    assert Message.parse(frame.data) == message_of(vector)
    assert tuple((tag, Message.parse(frame.data).text(tag)) for tag, _ in vector.fields) == vector.fields


@every_vector
def test_vector_is_rebuilt_byte_for_byte(vector: Vector) -> None:
    assert encode_message(message_of(vector).encode()) == [bytes.fromhex(vector.frame)]


@every_vector
def test_vector_is_read_byte_by_byte(vector: Vector) -> None:
    wire = bytes.fromhex(vector.frame)
    decoder = FrameDecoder()
    for index, byte in enumerate(wire[:-1]):
        assert decoder.feed(bytes((byte,))) == []
        assert decoder.pending == index + 1
    assert decoder.feed(wire[-1:]) == cut(wire)
    assert decoder.pending == 0


@every_vector
def test_vector_is_read_with_bytes_after_it(vector: Vector) -> None:
    wire = bytes.fromhex(vector.frame)
    decoder = FrameDecoder()
    assert decoder.feed(wire + b"\x06\xff" + wire + b"\x02\x05") == [
        *cut(wire),
        Control.ACK,
        *noise(b"\xff"),
        *cut(wire),
    ]
    assert decoder.drop() == b"\x02\x05"
    assert decoder.pending == 0


# ---------------------------------------------------------------------- blocks

FOUR_BLOCKS = Message.of(
    {0: 100, 4: 643, 6: "20190225153202", 10: "************6639", 13: "212840", 25: 1, 39: 1, 90: "Ч" * 1501}
).encode()


def blocks_of(wires: list[bytes]) -> list[Block]:
    units = cut(b"".join(wires))
    blocks = [unit for unit in units if isinstance(unit, Block)]
    assert len(blocks) == len(units)
    return blocks


def test_a_receipt_of_1501_bytes_makes_four_blocks_as_recorded() -> None:
    wires = encode_message(FOUR_BLOCKS)
    blocks = blocks_of(wires)
    assert [len(wire) for wire in wires[:3]] == [512, 512, 512]
    assert all(wire.startswith(bytes.fromhex("01 fb 01 08 00 01 01 00 31 02 01 00")) for wire in wires[:3])
    assert [block.number for block in blocks] == [1, 2, 3, 0]
    assert [block.last for block in blocks] == [False, False, False, True]
    assert [len(block.chunk) for block in blocks[:3]] == [497, 497, 497]
    assert b"".join(block.chunk for block in blocks) == FOUR_BLOCKS


def test_from_block_ten_on_the_header_has_nine_bytes() -> None:
    wires = encode_blocks(bytes(100) + FOUR_BLOCKS, block_size=100)
    blocks = blocks_of(wires)
    assert [block.number for block in blocks] == [*range(1, len(blocks)), 0]
    assert len(blocks) > 11
    assert wires[8][3:13] == bytes.fromhex("08 00 01 01 00 31 02 01 00 39")
    assert wires[9][3:14] == bytes.fromhex("09 00 01 01 00 31 02 02 00 31 30")
    assert [len(blocks[place].chunk) for place in (8, 9)] == [85, 84]
    assert {len(wire) for wire in wires[:-1]} == {100}
    assert b"".join(block.chunk for block in blocks) == bytes(100) + FOUR_BLOCKS


def test_five_hundred_byte_blocks_carry_485_bytes_as_recorded() -> None:
    assert encode_blocks(bytes(1000), block_size=500)[0][1:3] == b"\xef\x01"
    assert [len(block.chunk) for block in blocks_of(encode_blocks(bytes(1000), 500))] == [485, 485, 30]


@pytest.mark.parametrize(("length", "starts"), [(507, b"\x02"), (508, b"\x01")])
def test_what_fits_the_block_size_is_one_frame(length: int, starts: bytes) -> None:
    wires = encode_message(bytes(length))
    assert wires[0][:1] == starts
    assert max(map(len, wires)) == 512


def test_a_single_block_zero_is_legal() -> None:
    (block,) = blocks_of(encode_blocks(b"\x19\x02\x0021"))
    assert (block.number, block.last, block.chunk) == (0, True, b"\x19\x02\x0021")


@given(st.binary(max_size=3000), st.integers(32, 600))
def test_blocks_round_trip(data: bytes, block_size: int) -> None:
    wires = encode_blocks(data, block_size)
    blocks = blocks_of(wires)
    assert b"".join(block.chunk for block in blocks) == data
    assert all(len(wire) <= block_size for wire in wires)
    assert [block.last for block in blocks] == [False] * (len(blocks) - 1) + [True]


@pytest.mark.parametrize("block_size", [31, 65536])
def test_a_senseless_block_size_is_refused(block_size: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        encode_blocks(b"", block_size)


def test_a_frame_longer_than_len_can_say_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        encode_frame(bytes(65536))


# ---------------------------------------------------------------------- damage


def block_with(header: bytes, header_length: int | None = None) -> bytes:
    length = len(header) if header_length is None else header_length
    body = b"\x01" + (len(header) + 2).to_bytes(2, "little") + length.to_bytes(2, "little") + header
    return body + crc16(body).to_bytes(2, "big")


BAD_HEADERS = {
    "no header": block_with(b""),
    "not even its length": b"\x01\x00\x00" + crc16(b"\x01\x00\x00").to_bytes(2, "big"),
    "half its length": b"\x01\x01\x00\x08" + crc16(b"\x01\x01\x00\x08").to_bytes(2, "big"),
    "no number": block_with(encode_records([Record(1, b"1")])),
    "no version": block_with(encode_records([Record(2, b"0")])),
    "version two": block_with(encode_records([Record(1, b"2"), Record(2, b"0")])),
    "empty number": block_with(encode_records([Record(1, b"1"), Record(2, b"")])),
    "negative number": block_with(encode_records([Record(1, b"1"), Record(2, b"-1")])),
    "number of six digits": block_with(encode_records([Record(1, b"1"), Record(2, b"100000")])),
    "records that do not fit": block_with(b"\x01\x01\x00"),
    "longer than the block": block_with(encode_records([Record(1, b"1"), Record(2, b"1")]), header_length=9),
}


@pytest.mark.parametrize("wire", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_broken_block_header_is_named(wire: bytes) -> None:
    assert cut(wire) == [Garbage(wire, GarbageReason.BAD_HEADER)]


@given(st.sampled_from(VECTORS), st.data())
def test_one_changed_byte_after_len_is_one_bad_frame(vector: Vector, data: st.DataObject) -> None:
    wire = bytearray.fromhex(vector.frame)
    place = data.draw(st.integers(3, len(wire) - 1))
    wire[place] ^= data.draw(st.integers(1, 255))
    assert cut(bytes(wire) + b"\x06") == [Garbage(bytes(wire), GarbageReason.BAD_CRC), Control.ACK]


def test_a_len_above_the_limit_is_noise_and_the_search_goes_on() -> None:
    frame = encode_frame(b"\x19\x02\x0021")
    assert cut(b"\x02\xff\xff" + frame, max_frame=100) == [*noise(b"\x02\xff\xff"), *cut(frame)]
    assert cut(encode_frame(bytes(100)), max_frame=100) == cut(encode_frame(bytes(100)))
    assert cut(encode_frame(bytes(101)), max_frame=100)[0] == noise(b"\x02")[0]


def test_enq_etx_and_the_start_up_bytes_of_an_adapter_are_noise_and_controls() -> None:
    assert cut(b"\x05\x03\x04\x04\x15") == [*noise(b"\x05\x03"), Control.EOT, Control.EOT, Control.NAK]


def test_no_repr_shows_bytes_of_the_peer() -> None:
    secret = Message.of({12: "2200123456789019=3012"})
    frame, block = cut(encode_frame(secret.encode()) + encode_blocks(secret.encode())[0])
    shown = repr([secret, secret.records, frame, block, Garbage(secret.encode(), GarbageReason.BAD_CRC)])
    assert "2200123456789019" not in shown


# ---------------------------------------------------------------------- any stream

pieces = st.one_of(
    st.binary(max_size=40).map(encode_frame),
    st.binary(max_size=60).flatmap(lambda data: st.sampled_from(encode_blocks(data, 32))),
    st.sampled_from([bytes.fromhex(vector.frame) for vector in VECTORS]),
    st.sampled_from([b"\x06", b"\x15", b"\x04", b"\x05", b"\x03", b"\xff", b"A", *BAD_HEADERS.values()]),
    st.sampled_from(
        [b"\x02", b"\x01", b"\x02\xff\xff", b"\x02\x05\x00\x19", encode_frame(b"abc")[:-1] + b"\x00"]
    ),
)
streams = st.lists(pieces, max_size=8).map(b"".join) | st.binary(max_size=60)


@given(streams, st.lists(st.integers(1, 60)), st.sampled_from([16, 8192]))
def test_any_slicing_gives_the_same_units(stream: bytes, sizes: list[int], max_frame: int) -> None:
    decoder, units, position = FrameDecoder(max_frame), [], 0
    for size in [*sizes, len(stream)]:
        units += decoder.feed(stream[position : position + size])
        position += size
    whole = FrameDecoder(max_frame)
    assert units == whole.feed(stream)
    assert decoder.drop() == whole.drop()


@given(st.lists(streams, max_size=6), st.sampled_from([0, 16, 200]))
def test_every_byte_is_in_one_unit_or_held_and_the_hold_is_bounded(
    parts: list[bytes], max_frame: int
) -> None:
    decoder, seen = FrameDecoder(max_frame), b""
    for part in parts:
        for unit in decoder.feed(part):
            seen += unit.data if isinstance(unit, Garbage) else unit.wire
        assert decoder.pending < 5 + max_frame
    assert seen + decoder.drop() == b"".join(parts)


@given(st.binary(max_size=200))
def test_the_crc_is_the_bitwise_one_and_a_sealed_frame_has_crc_zero(data: bytes) -> None:
    assert crc16(data) == bitwise_crc(data)
    assert crc16(encode_frame(data)) == 0
