"""The MAC of a message: what it covers, where it stands, and what comes of one that is missing or wrong."""

from dataclasses import replace
from datetime import datetime

import bank_kit as kit
import profile_kit
import pytest

from smartsale_emu.errors import DialectError
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.framing import StreamDecoder
from smartsale_emu.host.guard import Admission, Guard
from smartsale_emu.host.session import BankSession
from smartsale_emu.host.shown import shown_answer, shown_request
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    Original,
    Step,
    Transaction,
)
from smartsale_emu.security.mac import MacAlgorithm, make_mac
from smartsale_emu.security.masking import SecretBytes

TODAY = kit.NOW.date()
KEY = SecretBytes(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
BCD = Dialect(profile_kit.load("nac-bcd"))
LISTED = Dialect(profile_kit.load("tbank-style"))

COVERED = bytes.fromhex(
    "0200 723C078020C09001"  # as without a MAC, and 64
    "16 2200123456789019 000000 000000001200 1123093000 000123 093000 1123 3012 0051 0001 0001 00"
    "34 2200123456789019D30122010000000000 3030303630303536 313131313131313131202020202020 363433"
    "B64B7ABE2B16BDBC"
)
"""A purchase in BCD, all of it but the MAC."""


def retail(data: bytes) -> bytes:
    return make_mac(data, KEY, MacAlgorithm.RETAIL)


def marked(data: bytes) -> bytes:
    """Not a MAC: tells that something was sealed."""
    return b"\x5a" * 8


def undone() -> AuthorizationRequest:
    request = kit.reversal(kit.sale(123, 1200))
    return replace(request, original=Original(Transaction.PURCHASE, 123, kit.NOW))


def covered_by(dialect: Dialect, request: AuthorizationRequest, *, size: int = 8) -> bytes:
    seen: list[bytes] = []

    def spy(data: bytes) -> bytes:
        seen.append(data)
        return bytes(size)

    dialect.encode_request(request, spy)
    (data,) = seen
    return data


def test_the_whole_message_before_the_mac_is_covered_from_its_type_on() -> None:
    wire = BCD.encode_request(kit.sale(123, 1200), retail)
    assert wire == COVERED + retail(COVERED)
    assert wire[-8:].hex().upper() == "8621385BFF7FC908", "ISO 9797-1 algorithm 3, worked out by hand"
    request = BCD.decode_request(wire, TODAY)
    assert request == kit.sale(123, 1200)
    assert request.sealed is not None
    assert (request.sealed.covered.reveal(), request.sealed.mac) == (COVERED, wire[-8:])


def test_behind_a_secondary_bitmap_the_mac_is_in_128() -> None:
    wire = BCD.encode_request(undone(), retail)
    assert wire[2:18].hex().upper() == "F23C078000C08000" + "0000004000000001"
    assert wire[-8:] == retail(wire[:-8])
    request = BCD.decode_request(wire, TODAY)
    assert request.sealed is not None
    assert request.sealed.covered.reveal() == wire[:-8]


def test_a_mac_in_64_behind_a_secondary_bitmap_is_none() -> None:
    plain = Dialect(profile_kit.changed("nac-bcd", mac__algorithm="none"))
    parts = plain._codec.read(plain.encode_request(undone()))
    wire = plain._codec.write("0400", parts.fields | {64: "00" * 8}).raw
    assert BCD.decode_request(wire, TODAY).sealed is None


def test_the_answer_is_covered_too() -> None:
    said = AuthorizationAnswer(Step.FINANCIAL, 123, "00", rrn="632709000123", answered_at=kit.NOW)
    wire = BCD.encode_answer(kit.sale(123, 1200), said, retail)
    got = BCD.decode_answer(wire, TODAY)
    assert got.sealed is not None
    assert (got.sealed.covered.reveal(), got.sealed.mac) == (wire[:-8], retail(wire[:-8]))


def test_a_message_without_its_mac_is_read_and_says_so() -> None:
    plain = Dialect(profile_kit.changed("nac-bcd", mac__algorithm="none"))
    request = BCD.decode_request(plain.encode_request(kit.sale(1, 1)), TODAY)
    assert request.sealed is None
    said = AuthorizationAnswer(Step.FINANCIAL, 1, "00")
    assert BCD.decode_answer(plain.encode_answer(kit.sale(1, 1), said), TODAY).sealed is None


@pytest.mark.parametrize("at", [3, 12, 30, 60, 90, len(COVERED) - 1, len(COVERED), len(COVERED) + 7])
def test_a_changed_bit_shows(at: int) -> None:
    wire = bytearray(BCD.encode_request(kit.sale(123, 1200), retail))
    wire[at] ^= 0x01
    try:
        sealed = BCD.decode_request(bytes(wire), TODAY).sealed
    except DialectError:
        return
    assert sealed is None or retail(sealed.covered.reveal()) != sealed.mac


def test_without_anything_to_seal_with_nothing_is_written() -> None:
    with pytest.raises(DialectError, match="a MAC is needed"):
        BCD.encode_request(kit.sale(1, 1))
    with pytest.raises(DialectError, match="a MAC is needed"):
        BCD.encode_answer(kit.sale(1, 1), AuthorizationAnswer(Step.FINANCIAL, 1, "00"))
    with pytest.raises(DialectError, match="a MAC of 8 bytes"):
        BCD.encode_request(kit.sale(1, 1), lambda data: b"1234")


def test_a_host_without_a_mac_is_not_sealed() -> None:
    dialect = Dialect(kit.PROFILE)
    assert kit.PROFILE.wire.mac is None
    wire = dialect.encode_request(kit.sale(1, 1), marked)
    assert b"\x5a" * 8 not in wire
    assert dialect.decode_request(wire, TODAY).sealed is None


def test_messages_of_network_management_only_where_the_profile_says() -> None:
    assert not BCD.is_sealed(Step.NETWORK)
    assert BCD.is_sealed(Step.REVERSAL)
    assert marked(b"") not in BCD.encode_request(kit.echo(), marked)
    assert BCD.decode_request(BCD.encode_request(kit.echo()), TODAY).sealed is None
    all_of_them = Dialect(profile_kit.changed("nac-bcd", mac__network=True))
    wire = all_of_them.encode_request(kit.echo(), marked)
    assert wire.endswith(marked(b""))
    assert all_of_them.decode_request(wire, TODAY).sealed is not None


@pytest.mark.parametrize("size", [4, 5, 6, 7, 8])
def test_a_short_mac_is_filled_up_with_zeros(size: int) -> None:
    dialect = Dialect(profile_kit.changed("nac-bcd", mac__size=size))
    wire = dialect.encode_request(kit.sale(123, 1200), lambda data: retail(data)[:size])
    assert wire == COVERED + retail(COVERED)[:size] + bytes(8 - size)
    sealed = dialect.decode_request(wire, TODAY).sealed
    assert sealed is not None
    assert sealed.mac == retail(COVERED)[:size]
    if size < 8:
        longer = dialect.decode_request(wire[:-1] + b"\x01", TODAY).sealed
        assert longer is not None
        assert longer.mac == wire[-8:-1] + b"\x01", "a wrong MAC, and no message that cannot be read"


def test_a_mac_as_hex_is_as_long_as_its_element() -> None:
    dialect = Dialect(profile_kit.changed("nac-bcd", wire__fixed_bytes="hex"))
    wire = dialect.encode_request(kit.sale(123, 1200), retail)
    covered = COVERED[:-8] + b"B64B7ABE2B16BDBC"
    assert wire == covered + retail(covered).hex().upper().encode()
    sealed = dialect.decode_request(wire, TODAY).sealed
    assert sealed is not None
    assert (sealed.covered.reveal(), sealed.mac) == (covered, retail(covered))
    with pytest.raises(DialectError, match="DE64"):
        dialect.decode_request(wire[:-1] + b"G", TODAY)


# --- listed elements ---


def test_only_listed_elements_are_covered_with_their_lengths() -> None:
    request = replace(kit.sale(123, 1200), icc=SecretBytes(bytes.fromhex("9F3602000A")))
    covered = b"".join(
        [
            b"162200123456789019" + b"000000" + b"000000001200" + b"1123093000" + b"000123" + b"261123093000",
            b"050" + b"200" + b"00" + b"342200123456789019=30122010000000000" + b"00060056",
            b"111111111      " + b"643" + bytes.fromhex("B64B7ABE2B16BDBC"),
            b"005" + bytes.fromhex("9F3602000A"),
        ]
    )
    assert covered_by(LISTED, request) == covered
    wire = LISTED.encode_request(request, retail)
    bitmap = "723005802 0C09201".replace(" ", "")
    assert wire[:12] == b"0200" + bytes.fromhex(bitmap), "2 3 4 7 11 12 | 22 24 25 | 35 | 41 42 49 52 55 64"
    assert wire[-8:] == retail(covered)
    got = LISTED.decode_request(wire, TODAY)
    assert got.sealed is not None
    assert got.sealed.covered.reveal() == covered


def test_chip_data_of_an_answer_are_not_covered() -> None:
    said = AuthorizationAnswer(
        Step.FINANCIAL, 123, "51", "632709000123", "", kit.NOW, icc=SecretBytes(b"\x8a\x0251")
    )
    wire = LISTED.encode_answer(kit.sale(123, 1200), said, retail)
    got = LISTED.decode_answer(wire, TODAY)
    assert got.sealed is not None
    assert got.icc == said.icc
    assert got.sealed.covered.reveal() == b"".join(
        [
            b"162200123456789019" + b"000000" + b"000000001200" + b"1123093000" + b"000123" + b"261123093000",
            b"632709000123" + b"116" + b"00060056" + b"643",
        ]
    )


def test_zero_is_the_type() -> None:
    dialect = Dialect(
        profile_kit.changed(
            "nac-bcd", mac__input="fields", mac__request_fields=[0, 11], mac__answer_fields=[11]
        )
    )
    assert covered_by(dialect, kit.sale(123, 1200)) == bytes.fromhex("0200 000123")
    assert covered_by(dialect, replace(undone(), attempt=1)) == bytes.fromhex("0401 000123")


# --- a session, and traces ---


class Believer(Guard):
    """Believes every MAC and makes one that is none."""

    def __init__(self) -> None:
        """Without keys."""

    def admit(self, request: AuthorizationRequest, at: datetime) -> Admission:
        return Admission(seal=marked)


def test_the_bank_seals_what_it_answers() -> None:
    bank = BankSession(kit.bank(), BCD, Believer())
    reply, exchanges = bank.receive(BCD.wire.frame(BCD.encode_request(kit.sale(1, 1200), retail)), kit.NOW)
    assert reply.endswith(marked(b""))
    assert exchanges[0].request is not None
    assert exchanges[0].request.sealed is not None, "whoever decides can compare it"


def test_an_answer_that_cannot_be_sealed_ends_the_session() -> None:
    bank = BankSession(kit.bank(), BCD)
    request = BCD.wire.frame(BCD.encode_request(kit.sale(1, 1200), retail))
    reply, exchanges = bank.receive(request, kit.NOW)
    assert reply == b""
    assert bank.closed == exchanges[0].because
    assert "a MAC is needed" in bank.closed


def test_a_refusal_has_no_mac() -> None:
    bank = BankSession(kit.bank(), BCD, Believer())
    wire = BCD.encode_request(kit.sale(123, 1200), retail).replace(bytes.fromhex("000000001200"), b"\xaa" * 6)
    reply, _ = bank.receive(BCD.wire.frame(wire), kit.NOW)
    (packet,) = StreamDecoder(BCD.wire).feed(reply)
    answer = BCD.decode_answer(BCD.wire.open_answer(packet), TODAY)
    assert (answer.response_code, answer.sealed) == ("96", None)


def test_a_trace_says_that_there_is_a_mac_and_no_more() -> None:
    wire = BCD.encode_request(kit.sale(123, 1200), retail)
    request = BCD.decode_request(wire, TODAY)
    assert shown_request(request)["mac"] == "present"
    said = AuthorizationAnswer(Step.FINANCIAL, 1, "00")
    assert shown_answer(replace(said, sealed=request.sealed))["mac"] == "present"
    text = repr([request, request.sealed, replace(said, sealed=request.sealed), shown_request(request)])
    assert "220012345" not in text
    assert repr(wire[-8:]) not in text
