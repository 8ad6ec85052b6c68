"""Framing as hosts differ in it: lengths of four kinds, and a TPDU whose addresses swap."""

from dataclasses import replace

import bank_kit as kit
import profile_kit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.errors import DialectError
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.framing import MAX_MESSAGE, Framing, StreamDecoder, Wire
from smartsale_emu.host.session import BankSession

TPDU = bytes.fromhex("6000010000")
BACK = bytes.fromhex("6000000001")
WIRES = {
    Framing.TWO_BYTES: (Wire(Framing.TWO_BYTES), b"\x00\x04" + b"0800"),
    Framing.TWO_BYTES_INCLUSIVE: (Wire(Framing.TWO_BYTES_INCLUSIVE), b"\x00\x06" + b"0800"),
    Framing.FOUR_DIGITS: (Wire(Framing.FOUR_DIGITS), b"0004" + b"0800"),
    Framing.WITH_TPDU: (Wire(Framing.WITH_TPDU, TPDU), b"\x00\x09" + TPDU + b"0800"),
}
every_wire = pytest.mark.parametrize("framing", Framing)


@every_wire
def test_a_frame_to_the_byte_and_back(framing: Framing) -> None:
    wire, expected = WIRES[framing]
    assert wire.frame(b"0800") == expected
    (packet,) = StreamDecoder(wire).feed(expected)
    message, way_back = wire.open_request(packet)
    assert message == b"0800"
    (answer,) = StreamDecoder(wire).feed(way_back.frame(b"0810"))
    assert wire.open_answer(answer) == b"0810"


@every_wire
@given(messages=st.lists(st.binary(min_size=1, max_size=300), max_size=6), data=st.data())
def test_any_slicing_gives_the_same_messages(
    framing: Framing, messages: list[bytes], data: st.DataObject
) -> None:
    wire, _ = WIRES[framing]
    stream = b"".join(map(wire.frame, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = StreamDecoder(wire)
    got = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += decoder.feed(stream[start:end])
    assert [wire.open_request(packet)[0] for packet in got] == messages
    assert len(decoder.feed(wire.frame(b"next"))) == 1, "nothing is left over"


@every_wire
@given(pieces=st.lists(st.binary(max_size=9000), max_size=5))
def test_noise_neither_grows_nor_breaks_otherwise(framing: Framing, pieces: list[bytes]) -> None:
    wire, _ = WIRES[framing]
    decoder = StreamDecoder(wire)
    for piece in pieces:
        try:
            decoder.feed(piece)
        except DialectError:
            assert decoder.broken
        assert len(decoder._kept) < wire.prefix + MAX_MESSAGE


WRONG = {
    "nothing": (Framing.TWO_BYTES, b"\x00\x00", "of 0 bytes"),
    "only the length itself": (Framing.TWO_BYTES_INCLUSIVE, b"\x00\x02", "of 0 bytes"),
    "less than the length itself": (Framing.TWO_BYTES_INCLUSIVE, b"\x00\x01", "of -1 bytes"),
    "too long by one": (Framing.TWO_BYTES_INCLUSIVE, b"\x10\x03", "of 4097 bytes"),
    "four zeros": (Framing.FOUR_DIGITS, b"0000", "of 0 bytes"),
    "too long": (Framing.FOUR_DIGITS, b"4097", "of 4097 bytes"),
    "no digits": (Framing.FOUR_DIGITS, b"00x4", "no number"),
    "a sign": (Framing.FOUR_DIGITS, b"+004", "no number"),
    "blanks": (Framing.FOUR_DIGITS, b"  04", "no number"),
    "bytes": (Framing.FOUR_DIGITS, b"\x00\x04\x30\x38", "no number"),
}


@pytest.mark.parametrize(("framing", "head", "says"), WRONG.values(), ids=WRONG)
def test_lengths_that_cannot_be(framing: Framing, head: bytes, says: str) -> None:
    decoder = StreamDecoder(WIRES[framing][0])
    with pytest.raises(DialectError, match=says):
        decoder.feed(head)
    assert decoder.broken


@every_wire
def test_the_longest_message_passes_and_no_longer_one(framing: Framing) -> None:
    wire, _ = WIRES[framing]
    longest = bytes(MAX_MESSAGE - len(wire.tpdu))
    assert StreamDecoder(wire).feed(wire.frame(longest)) == [wire.tpdu + longest]
    for bad in (longest + b"0", b""):
        with pytest.raises(DialectError, match="cannot be framed"):
            wire.frame(bad)


# --- TPDU ---

OTHERS = [b"", TPDU[:4], TPDU, bytes.fromhex("6100010000") + b"0800", bytes.fromhex("6000020000") + b"0800"]


@pytest.mark.parametrize("packet", OTHERS)
def test_a_packet_for_somebody_else_is_refused(packet: bytes) -> None:
    with pytest.raises(DialectError, match="TPDU"):
        WIRES[Framing.WITH_TPDU][0].open_request(packet)


@pytest.mark.parametrize("packet", [BACK, TPDU + b"0810", BACK[:4] + b"\x02" + b"0810", b"0810"])
def test_an_answer_must_carry_our_addresses_swapped(packet: bytes) -> None:
    with pytest.raises(DialectError, match="TPDU"):
        WIRES[Framing.WITH_TPDU][0].open_answer(packet)


def test_the_bank_answers_whoever_asked() -> None:
    dialect = Dialect(profile_kit.load("nac-bcd"))
    mine = replace(dialect.wire, tpdu=bytes.fromhex("6000010077"))
    session = BankSession(kit.bank(), dialect)
    reply, _ = session.receive(mine.frame(dialect.encode_request(kit.echo())), kit.NOW)
    assert reply[2:7].hex() == "6000770001"
    (packet,) = StreamDecoder(mine).feed(reply)
    assert dialect.decode_answer(mine.open_answer(packet), kit.NOW.date()).response_code == "00"


def test_a_session_ends_with_a_packet_for_another_host() -> None:
    dialect = Dialect(profile_kit.load("nac-bcd"))
    session = BankSession(kit.bank(), dialect)
    other = replace(dialect.wire, tpdu=bytes.fromhex("6000020000"))
    reply, exchanges = session.receive(other.frame(dialect.encode_request(kit.echo())), kit.NOW)
    assert reply == b""
    assert session.closed == exchanges[0].because == "closed: the TPDU is not addressed to this host"
