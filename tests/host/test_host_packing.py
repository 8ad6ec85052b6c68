"""Packing: BCD vectors written out by hand, a published message, and each form that a host may want."""

from dataclasses import replace

import bank_kit as kit
import iso8583
import profile_kit
import pytest

from smartsale_emu.errors import DialectError
from smartsale_emu.host.codec import Codec
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.packing import (
    Digits,
    FieldTable,
    Form,
    OddPad,
    Packing,
    TimeForm,
    Track2,
    field_rows,
    field_spec,
)
from smartsale_emu.host.profile import BankProfile, MessageKind
from smartsale_emu.host.shown import shown_answer, shown_request
from smartsale_emu.payment.authorization import AuthorizationAnswer, Original, Step, Transaction
from smartsale_emu.payment.totals import Tally, Totals
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.units import MinorUnits

TODAY = kit.NOW.date()
BCD = Packing(table=FieldTable.BCD, track2=Track2.RIGHT_F)

SIGN_ON = bytes.fromhex(
    "603100311001 0800 0020000000C00016 000027 3838383838383838 313030303030303030303030303031"
    "0011 000000010030 0028 53657175656E6365204E6F3135333133353332302D3031372D363837 0003 303120"
)
"""A published sign-on of a UnionPay terminal, behind its TPDU: a header of six bytes, then BCD."""

PURCHASE = bytes.fromhex(
    "0200 723C078020C09000"  # 2 3 4 7 | 11 12 13 14 | 22 23 24 | 25 | 35 | 41 42 | 49 52
    "16 2200123456789019 000000 000000001200 1123093000 000123 093000 1123 3012"
    "0051 0001 0001 00"  # 22 to 25, zeros on the left
    "34 2200123456789019D30122010000000000"  # 34 digits in 17 bytes
    "3030303630303536 313131313131313131202020202020 363433"
    "B64B7ABE2B16BDBC"
)


def without_mac(**rows: object) -> BankProfile:
    return profile_kit.changed("nac-bcd", mac__algorithm="none", **rows)


def test_a_published_sign_on_is_read_and_written_again() -> None:
    spec = field_spec(BCD, field_rows(BCD))
    spec["h"] = {"data_enc": "b", "len_enc": "ascii", "len_type": 0, "max_len": 6, "desc": ""}
    spec["60"] |= {"data_enc": "b", "len_count": "nibbles", "right_pad": "0"}  # this host packs it
    document, _ = iso8583.decode(SIGN_ON, spec)
    assert document == {
        "h": "603100311001",
        "t": "0800",
        "p": "0020000000C00016",
        "11": "000027",
        "41": "88888888",
        "42": "100000000000001",
        "60": "00000001003",
        "62": "Sequence No15313532" + "0-017-687",
        "63": "01 ",
    }
    assert iso8583.encode(document, spec)[0] == SIGN_ON


def test_a_purchase_in_bcd_to_the_byte_and_back() -> None:
    dialect = Dialect(without_mac())
    assert dialect.encode_request(kit.sale(123, 1200)) == PURCHASE
    assert dialect.decode_request(PURCHASE, TODAY) == kit.sale(123, 1200)


def test_a_purchase_in_bcd_cut_anywhere_or_with_a_byte_after_it_is_refused() -> None:
    dialect = Dialect(without_mac())
    for bad in [*(PURCHASE[:end] for end in range(len(PURCHASE))), PURCHASE + b"0"]:
        with pytest.raises(DialectError):
            dialect.decode_request(bad, TODAY)


def test_digits_that_are_none_are_refused_and_never_quoted() -> None:
    dialect = Dialect(without_mac())
    for good, bad, names in (
        ("000000001200", "00000000120A", "DE4"),
        ("2200123456789019000000", "220012345678901A000000", "DE2"),
        ("0051", "A051", "22"),
        ("D30122", "DD0122", "DE35"),
    ):
        assert good in PURCHASE.hex().upper()
        wire = bytes.fromhex(PURCHASE.hex().upper().replace(good, bad, 1))
        with pytest.raises(DialectError, match=names) as caught:
            dialect.decode_request(wire, TODAY)
        assert "220012345" not in str(caught.value)
        assert caught.value.__context__ is None


PIECES: list[tuple[str, Packing, int, str, str]] = [
    ("even LLVAR", BCD, 2, "2200123456789019", "162200123456789019"),
    ("odd, zero on the left", BCD, 2, "123", "030123"),
    ("odd, F on the right", replace(BCD, odd_pad=OddPad.RIGHT_F), 2, "123", "03123F"),
    ("odd fixed, zero on the left", BCD, 22, "051", "0051"),
    ("odd fixed, F on the right", replace(BCD, odd_pad=OddPad.RIGHT_F), 22, "051", "051F"),
    ("LLLVAR text: two bytes of length", BCD, 62, "000007", "0006303030303037"),
    ("LLLVAR bytes count bytes", BCD, 55, "9F2608", "00039F2608"),
    ("track 2 in characters", replace(BCD, track2=Track2.CHARACTERS), 35, "12=34", "0531323D3334"),
    ("track 2, F on the right", BCD, 35, "12=34", "0512D34F"),
    ("track 2, zero on the left", replace(BCD, track2=Track2.LEFT_0), 35, "12=34", "05012D34"),
    ("currency in characters", BCD, 49, "643", "363433"),
    ("currency packed", replace(BCD, currency=Digits.PACKED), 49, "643", "0643"),
    ("code in characters", BCD, 39, "A0", "4130"),
    ("code packed into one byte", replace(BCD, response_code=Digits.PACKED), 39, "51", "51"),
    ("long code packed", replace(BCD, response_code=Digits.PACKED, code_length=3), 39, "116", "0116"),
    ("long code in characters", replace(BCD, code_length=3), 39, "116", "313136"),
    ("signed amount", BCD, 97, "D0000000000001200", "440000000000001200"),
    ("signed fee", BCD, 28, "C00000150", "4300000150"),
    ("DE90", BCD, 90, "0200000123112309300" + "0" * 23, "0200000123112309300" + "0" * 23),
    ("date and time", replace(BCD, time=TimeForm.DATE_AND_TIME), 12, "261123093000", "261123093000"),
    ("PIN block as it is", BCD, 52, "B64B7ABE2B16BDBC", "B64B7ABE2B16BDBC"),
    ("PIN block as hex", Packing(fixed_bytes=Form.HEX), 52, "B64B7ABE2B16BDBC", b"B64B7ABE2B16BDBC".hex()),
    ("MAC as hex", Packing(fixed_bytes=Form.HEX), 128, "B64B7ABE2B16BDBC", b"B64B7ABE2B16BDBC".hex()),
    ("signed amount, ASCII", Packing(), 97, "D0000000000001200", b"D0000000000001200".hex()),
    ("serial number of a key", Packing(chosen_bytes=frozenset({53})), 53, "FFFF98", "3033FFFF98"),
    ("bytes in a private element", Packing(chosen_bytes=frozenset({61})), 61, "FFFF98", "303033FFFF98"),
]


@pytest.mark.parametrize(
    ("packing", "number", "value", "wire"), [row[1:] for row in PIECES], ids=[row[0] for row in PIECES]
)
def test_each_form_to_the_byte_and_back(packing: Packing, number: int, value: str, wire: str) -> None:
    codec = Codec(packing)
    written = codec.write("0200", {number: value})
    assert written.pieces[number].hex().upper() == wire.upper()
    assert written.raw.endswith(bytes.fromhex(wire))
    read = codec.read(written.raw)
    assert (read.mti, read.fields, read.raw, read.pieces) == (
        "0200",
        {number: value},
        written.raw,
        written.pieces,
    )
    codec.check(number, read.fields[number])


def test_a_bitmap_as_hex() -> None:
    codec = Codec(Packing(bitmap=Form.HEX))
    written = codec.write("0800", {11: "000027", 70: "301"})
    assert written.raw == b"0800" + b"8020000000000000" + b"0400000000000000" + b"000027301"
    assert codec.read(written.raw).fields == {11: "000027", 70: "301"}
    with pytest.raises(DialectError):
        codec.read(written.raw.replace(b"8020", b"80x0"))


def test_hex_on_the_wire_is_checked() -> None:
    codec = Codec(Packing(fixed_bytes=Form.HEX))
    wire = codec.write("0200", {52: "B64B7ABE2B16BDBC"}).raw
    assert codec.read(wire.lower()).fields[52] == "B64B7ABE2B16BDBC"
    with pytest.raises(DialectError, match="DE52"):
        codec.check(52, codec.read(wire.replace(b"B64B", b"B6 B")).fields[52])


def test_a_code_that_cannot_be_packed_is_refused() -> None:
    codec = Codec(replace(BCD, response_code=Digits.PACKED))
    with pytest.raises(DialectError, match="DE39"):
        codec.write("0210", {39: "A0"})


def test_a_signed_amount_that_holds_letters_is_refused_without_its_value() -> None:
    with pytest.raises(DialectError) as caught:
        Codec(BCD).write("0500", {97: "D000000000000120X"})
    assert caught.value.__context__ is None


# --- what the profile moves ---


def test_date_and_time_in_one_element() -> None:
    dialect = Dialect(profile_kit.changed("generic-ascii", wire__time="YYMMDDhhmmss"))
    wire = dialect.encode_request(kit.sale(123, 1200))
    assert b"000123" + b"261123093000" + b"1123" in wire
    assert dialect.decode_request(wire, TODAY) == kit.sale(123, 1200)
    answer = AuthorizationAnswer(Step.NETWORK, 7, "00", answered_at=kit.NOW.replace(year=2021))
    got = dialect.decode_answer(dialect.encode_answer(kit.echo(7), answer), TODAY)
    assert got.answered_at == kit.NOW.replace(year=2021), "the year is on the wire"


def test_a_date_and_time_that_does_not_exist_is_refused() -> None:
    fields = [3, 11, 12, 24, 41, 42]
    dialect = Dialect(
        profile_kit.changed("generic-ascii", wire__time="YYMMDDhhmmss", network__request_fields=fields)
    )
    wire = dialect.encode_request(kit.echo(7))
    assert dialect.decode_request(wire, TODAY).sent_at == kit.NOW
    with pytest.raises(DialectError, match="does not exist"):
        dialect.decode_request(wire.replace(b"261123", b"260230"), TODAY)


FUNCTIONS = [
    (kit.sale(1, 100), "200"),
    (kit.ask(Transaction.PREAUTHORIZATION, 1, 100), "101"),
    (kit.ask(Transaction.BALANCE, 1), "108"),
    (kit.reversal(kit.ask(Transaction.BALANCE, 1)), "400"),
    (kit.upload(2, kit.ask(Transaction.PREAUTHORIZATION, 1, 100)), "301"),
    (kit.echo(1), "831"),
]


@pytest.mark.parametrize(("request_", "code"), FUNCTIONS, ids=[row[0].step for row in FUNCTIONS])
def test_a_function_code_in_place_of_the_network(request_: kit.AuthorizationRequest, code: str) -> None:
    for what, expected in (("function-code", code), ("nii", "777")):
        profile = profile_kit.changed("generic-ascii", wire__element_24=what, wire__nii="777")
        wire = Dialect(profile).encode_request(request_)
        assert Codec(profile.wire.packing).read(wire).fields[24] == expected


def with_24(profile: BankProfile, wire: bytes, code: str | None) -> bytes:
    """A message with another function code, or without one."""
    codec = Codec(profile.wire.packing)
    parts = codec.read(wire)
    fields = {number: value for number, value in {**parts.fields, 24: code}.items() if value is not None}
    return codec.write(parts.mti, fields).raw


@pytest.mark.parametrize("base", ["generic-ascii", "nac-bcd"])
@pytest.mark.parametrize(("request_", "code"), FUNCTIONS, ids=[row[0].step for row in FUNCTIONS])
def test_a_function_code_of_something_else_is_refused(
    base: str, request_: kit.AuthorizationRequest, code: str
) -> None:
    profile = profile_kit.changed(base, wire__element_24="function-code", mac__algorithm="none")
    dialect = Dialect(profile)
    wire = dialect.encode_request(request_)
    assert with_24(profile, wire, code) == wire
    for other in {known for _, known in FUNCTIONS} | {"999"} - {code}:
        if other != code:
            with pytest.raises(DialectError, match=r"^DE24: is the function code of something else$"):
                dialect.decode_request(with_24(profile, wire, other), TODAY)
    with pytest.raises(DialectError, match=r"^DE24: is missing$"):
        dialect.decode_request(with_24(profile, wire, None), TODAY)


def test_a_number_of_a_network_is_not_looked_at() -> None:
    dialect = Dialect(kit.PROFILE)
    request = kit.sale(1, 100)
    for code in ("777", None):
        wire = with_24(kit.PROFILE, dialect.encode_request(request), code)
        assert dialect.decode_request(wire, TODAY) == request


def test_a_function_code_that_the_profile_does_not_list_may_be_left_out() -> None:
    fields = [number for number in kit.PROFILE.messages[MessageKind.FINANCIAL].request_fields if number != 24]
    profile = profile_kit.changed(
        "generic-ascii", wire__element_24="function-code", financial__request_fields=fields
    )
    dialect, request = Dialect(profile), kit.sale(1, 100)
    wire = dialect.encode_request(request)
    assert dialect.decode_request(wire, TODAY) == request
    assert dialect.decode_request(with_24(profile, wire, "200"), TODAY) == request
    with pytest.raises(DialectError, match=r"^DE24: is the function code"):
        dialect.decode_request(with_24(profile, wire, "101"), TODAY)


# Of the message with the type on the left, made one with the type on the right.
RETYPED = [
    (kit.sale(1, 1200), b"0100"),
    (kit.ask(Transaction.PREAUTHORIZATION, 1, 1200, pin="1234"), b"0200"),
    (kit.ask(Transaction.PREAUTHORIZATION, 1, 1200, pin="1234"), b"0220"),
    (kit.upload(2, kit.sale(1, 1200)), b"0200"),
    (kit.upload(2, kit.sale(1, 1200)), b"0400"),
    (kit.reversal(kit.sale(1, 1200)), b"0320"),
    (kit.reversal(kit.sale(1, 1200)), b"0200"),
]


@pytest.mark.parametrize(
    ("request_", "mti"), RETYPED, ids=[f"{row[0].transaction} {row[0].step} {row[1]!r}" for row in RETYPED]
)
def test_a_type_that_no_mac_covers_cannot_be_changed(request_: kit.AuthorizationRequest, mti: bytes) -> None:
    line = profile_kit.Line(profile_kit.load("tbank-style"))
    message = line.message(request_, pin="1234" if request_.pin_block is not None else "")
    answer = line.send(message[:2] + mti + message[6:])
    assert (answer.response_code, answer.sealed) == ("96", None)
    assert line.exchange is not None
    assert line.exchange.because == "answered 96: DE24: is the function code of something else"
    assert kit.moved(line.bank) == 0


LONG_BLOCK = SecretBytes(bytes.fromhex("A912150391AB65A67E52883D81CE2D15"))
SERIAL = bytes.fromhex("FFFF9876543210E00001")


def dukpt_sale() -> kit.AuthorizationRequest:
    return replace(kit.sale(123, 1200), ksn=SERIAL)


def test_a_long_pin_block_and_a_serial_number_have_their_places() -> None:
    dialect = Dialect(
        profile_kit.changed("generic-ascii", pin__field=63, pin__ksn_field=53, places__follows=61)
    )
    short, long = dukpt_sale(), replace(dukpt_sale(), pin_block=LONG_BLOCK)
    wire = dialect.encode_request(short)
    assert wire.endswith(b"643" + bytes.fromhex("B64B7ABE2B16BDBC") + b"10" + SERIAL)
    assert dialect.decode_request(wire, TODAY) == short
    wire = dialect.encode_request(long)
    assert wire.endswith(b"643" + b"10" + SERIAL + b"016" + LONG_BLOCK.reveal())
    assert dialect.decode_request(wire, TODAY) == long
    undone = replace(long, step=Step.REVERSAL, original=Original(Transaction.PURCHASE, 123, kit.NOW))
    wire = dialect.encode_request(undone)
    assert SERIAL in wire
    careless = profile_kit.changed(
        "generic-ascii",
        pin__field=63,
        pin__ksn_field=53,
        reversal__request_fields=[2, 3, 11, 22, 35, 41, 52, 90],
    )
    for profile in (careless, dialect._profile):
        wire = Dialect(profile).encode_request(replace(undone, card=long.card))
        assert LONG_BLOCK.reveal() not in wire, "no terminal keeps a PIN block"
        assert b"=30122010" not in wire, "nor a track"
    assert SERIAL not in dialect.encode_answer(long, AuthorizationAnswer(Step.FINANCIAL, 123, "00"))


def test_what_has_no_place_is_refused() -> None:
    dialect = Dialect(kit.PROFILE)
    with pytest.raises(DialectError, match="DE52"):
        dialect.encode_request(replace(kit.sale(1, 1), pin_block=LONG_BLOCK))


def test_a_serial_number_left_from_another_scheme_does_not_travel() -> None:
    """The pinpad remembers its last one, so that it never uses it again."""
    dialect, left = Dialect(kit.PROFILE), bytes.fromhex("FFFF9876543210E00005")
    wire = dialect.encode_request(replace(kit.sale(1, 1), ksn=left))
    assert wire == dialect.encode_request(kit.sale(1, 1))


CHIP = SecretBytes(bytes.fromhex("9F2608F5F74F6C0CA217F4"))
ISSUER = SecretBytes(bytes.fromhex("910A72E225C800820000"))


@pytest.mark.parametrize("profile", [kit.PROFILE, without_mac()], ids=["ascii", "bcd"])
def test_chip_data_travel_both_ways(profile: BankProfile) -> None:
    dialect = Dialect(profile)
    request = replace(kit.sale(123, 1200), icc=CHIP)
    wire = dialect.encode_request(request)
    length = b"011" if profile is kit.PROFILE else b"\x00\x11"
    assert length + CHIP.reveal() in wire
    assert dialect.decode_request(wire, TODAY) == request
    said = AuthorizationAnswer(Step.FINANCIAL, 123, "00", icc=ISSUER)
    answered = dialect.encode_answer(request, said)
    assert ISSUER.reveal() in answered
    assert CHIP.reveal() not in answered, "the terminal's do not come back as the issuer's"
    assert dialect.decode_answer(answered, TODAY).icc == ISSUER
    silent = dialect.encode_answer(request, replace(said, icc=None))
    assert dialect.decode_answer(silent, TODAY).icc is None


def test_chip_data_block_and_serial_number_are_never_shown() -> None:
    request = replace(dukpt_sale(), pin_block=LONG_BLOCK, icc=CHIP)
    said = AuthorizationAnswer(Step.FINANCIAL, 123, "00", icc=ISSUER)
    shown = shown_request(request)
    assert (shown["icc"], shown["ksn"], shown["pin_block"]) == ("present", "present", "present")
    assert shown_answer(said)["icc"] == "present"
    assert "icc" not in shown_request(kit.sale(1, 1))
    text = repr([shown, request, said, shown_answer(said)]).upper()
    for secret in (SERIAL, LONG_BLOCK.reveal(), CHIP.reveal(), ISSUER.reveal()):
        assert secret.hex().upper() not in text
        assert repr(secret).upper() not in text


def test_the_amount_that_was_approved_stands_in_the_answer() -> None:
    dialect = Dialect(kit.PROFILE)
    part = AuthorizationAnswer(Step.FINANCIAL, 123, "10", amount=MinorUnits(700))
    wire = dialect.encode_answer(kit.sale(123, 1200), part)
    assert dialect.decode_answer(wire, TODAY).amount == 700
    wire = dialect.encode_answer(kit.sale(123, 1200), replace(part, amount=None))
    assert dialect.decode_answer(wire, TODAY).amount == 1200


def test_batch_and_what_was_followed_stand_where_the_profile_says() -> None:
    dialect = Dialect(
        profile_kit.changed(
            "generic-ascii",
            places__batch=60,
            places__follows=63,
            places__told=57,
            upload__request_fields=[2, 3, 4, 7, 11, 22, 37, 41, 42, 49, 57, 60, 63, 90],
        )
    )
    card = replace(kit.card_data("mir-chip"), track2=None, expiry="", sequence="")
    void = replace(
        kit.ask(Transaction.VOID, 124, 500, batch=7), original=Original(None, 123, kit.NOW), card=card
    )
    told = kit.upload(201, void, "632711000124", follows="632709000123")
    wire = dialect.encode_request(told)
    assert b"643" + b"0100200000124" + b"006000007" + b"012632709000123" + b"0200000124" in wire
    assert dialect.decode_request(wire, TODAY) == told


def test_totals_in_bcd_come_back() -> None:
    dialect = Dialect(without_mac())
    totals = Totals(debit=Tally(2, 1500), void_debit=Tally(1, 300))
    request = kit.reconciliation(200, 7, totals)
    wire = dialect.encode_request(request)
    assert wire.endswith(b"D" + bytes.fromhex("0000000000001200"))
    assert dialect.decode_request(wire, TODAY) == request
