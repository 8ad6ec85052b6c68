"""The bytes of the line without their secrets: same lengths, same borders, a CRC as right as it was."""

import pytest
from frames import VECTORS, Vector
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.sa.fields import FIELDS, Policy
from smartsale_emu.sa.framing import (
    Block,
    FrameDecoder,
    Garbage,
    GarbageReason,
    Unit,
    crc16,
    encode_blocks,
    encode_frame,
)
from smartsale_emu.sa.redaction import NO_FIELD, Redaction, visible
from smartsale_emu.sa.tlv import Record, decode_records, encode_records

PAN = b"2200123456789019"
TRACK2 = PAN + b"=30122010000012345678"
SALE = [Record(0, b"1200"), Record(4, b"643"), Record(25, b"1")]
every_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)


def units(wire: bytes) -> list[Unit]:
    return FrameDecoder(0xFFFF).feed(wire)


def shown(wire: bytes) -> bytes:
    return b"".join(Redaction().unit(unit).wire for unit in units(wire))


def whole(blocks: list[bytes]) -> bytes:
    """Put the parts of redacted blocks together again."""
    read = units(b"".join(blocks))
    assert all(isinstance(unit, Block) for unit in read), "every CRC is right"
    return b"".join(unit.chunk for unit in read if isinstance(unit, Block))


@pytest.mark.parametrize("row", FIELDS.values(), ids=lambda row: row.name)
def test_no_row_shows_a_card_number_or_a_track(row: object) -> None:
    tag = row.number  # type: ignore[attr-defined]
    for value in (PAN, TRACK2, b"%B" + PAN + b"^X^3012", b"0" * 40):
        left = visible(tag, value)
        assert len(left) == len(value)
        assert PAN not in left
        assert b"30122010000012345678" not in left


@pytest.mark.parametrize(
    "row",
    [row for row in FIELDS.values() if row.policy in (Policy.HIDE, Policy.LENGTH)],
    ids=lambda r: r.name,
)
def test_a_secret_is_stars_only(row: object) -> None:
    assert visible(row.number, b"secret 12") == b"*" * 9  # type: ignore[attr-defined]


def test_an_unknown_field_is_stars_only() -> None:
    assert visible(200, b"anything") == b"********"


def test_a_date_is_shown_and_what_is_none_is_not() -> None:
    assert visible(6, b"20261123093000") == b"20261123093000"
    assert visible(6, b"22001234567890") == b"*" * 14


def test_bytes_that_no_encoding_has_are_kept() -> None:
    assert visible(19, b"\x98\xce\xca") == b"\x98\xce\xca"


@every_vector
def test_a_vector_without_secrets_stays_as_it_is(vector: Vector) -> None:
    wire = bytes.fromhex(vector.frame)
    left = shown(wire)
    assert len(left) == len(wire)
    assert crc16(left) == 0
    secret = [tag for tag, _ in vector.fields if FIELDS[tag].policy in (Policy.HIDE, Policy.LENGTH)]
    assert secret or b"*" in left or left == wire


def test_a_frame_keeps_its_records_and_gets_a_crc_of_its_own() -> None:
    wire = encode_frame(encode_records([*SALE, Record(12, TRACK2)]))
    (frame,) = units(wire)
    redacted = Redaction().unit(frame)
    assert redacted.masked == (12,)
    assert decode_records(redacted.wire[3:-2]) == (*SALE, Record(12, b"*" * len(TRACK2)))
    assert crc16(redacted.wire) == 0


def test_a_wrong_crc_stays_wrong_by_the_same_bits() -> None:
    wire = bytearray(encode_frame(encode_records([Record(12, TRACK2)])))
    wire[-1] ^= 0x21
    (garbage,) = units(bytes(wire))
    left = Redaction().unit(garbage).wire
    assert PAN not in left
    assert crc16(left[:-2]) ^ int.from_bytes(left[-2:], "big") == 0x21


def test_what_does_not_fit_is_stars() -> None:
    wire = encode_frame(encode_records(SALE) + b"\x13\x40\x00" + PAN)
    left = shown(wire)
    assert left[3:-2] == encode_records(SALE) + b"\x13\x40\x00" + b"*" * len(PAN)


@pytest.mark.parametrize("size", range(32, 64))
def test_no_cut_into_blocks_shows_a_card_number(size: int) -> None:
    data = encode_records(
        [Record(19, b"card " + PAN + b" and " + TRACK2), Record(12, TRACK2), Record(25, b"1")]
    )
    blocks = encode_blocks(data, size)
    redaction = Redaction()
    left = [redaction.unit(unit).wire for unit in units(b"".join(blocks))]
    assert [len(one) for one in left] == [len(one) for one in blocks]
    together = whole(left)
    assert b"12345678" not in together
    assert TRACK2[17:23] not in together, "nor what stands behind it on the track"
    assert decode_records(together)[2] == Record(25, b"1")


@pytest.mark.parametrize("size", range(32, 64))
def test_what_is_expected_loses_no_digit_to_a_cut(size: int) -> None:
    data = encode_records([Record(14, b"632719000001"), Record(90, b"0xDF^^RRN 632719000001, 12.00~" * 3)])
    redaction = Redaction()
    redaction.expect(data)
    left = [redaction.unit(unit).wire for unit in units(b"".join(encode_blocks(data, size)))]
    assert whole(left) == data


def test_a_repeated_block_is_shown_the_same() -> None:
    blocks = encode_blocks(encode_records([Record(12, TRACK2 * 3), Record(25, b"1")]), 40)
    redaction = Redaction()
    read = units(b"".join(blocks))
    once = [redaction.unit(unit).wire for unit in read]
    twice = [redaction.unit(unit).wire for unit in read for _ in range(2)]
    assert twice == [wire for wire in once for _ in range(2)]


def test_a_block_out_of_order_is_stars() -> None:
    blocks = encode_blocks(encode_records([Record(19, b"text " * 40)]), 64)
    left = Redaction().unit(units(blocks[2])[0])
    assert left.masked == (NO_FIELD,)
    assert b"text" not in left.wire


def test_noise_shows_no_digit() -> None:
    left = Redaction().unit(Garbage(b"AT " + PAN, GarbageReason.NOISE))
    assert left.wire == b"AT " + b"*" * 16


@pytest.mark.parametrize("length", range(1, 60))
def test_a_frame_cut_short_shows_no_part_of_a_track(length: int) -> None:
    wire = encode_frame(encode_records([*SALE, Record(12, TRACK2)]))
    left = Redaction().unit(wire[:length]).wire
    assert len(left) == min(length, len(wire))
    assert b"2200" not in left
    assert length < 10 or left[:10] == wire[:10], "a whole record is shown"


@given(st.binary(max_size=300), st.lists(st.integers(1, 9), max_size=4))
def test_any_bytes_keep_their_length(noise: bytes, numbers: list[int]) -> None:
    redaction = Redaction()
    blocks = [encode_blocks(noise, 40)[number % 3 - 1 : number % 3] for number in numbers]
    for unit in units(noise + b"".join(wire for few in blocks for wire in few)):
        wire = unit.data if isinstance(unit, Garbage) else unit.wire
        assert len(redaction.unit(unit).wire) == len(wire)
