"""The chip, the terminal's questions to it, and its issuer: they agree, and nothing else agrees with them."""

from dataclasses import replace
from datetime import date

import pytest
from chip_kit import ISSUER_KEY, ROWS
from chip_kit import PAN as MIR
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.errors import ProfileError
from smartsale_emu.payment.action_analysis import (
    NO_ACTION_CODES,
    TERMINAL_ACTION_CODES,
    ActionCodes,
    first_request,
    restrictions,
)
from smartsale_emu.payment.ber_tlv import DataObjects
from smartsale_emu.payment.chip import Chip, ChipProfile, Cryptogram
from smartsale_emu.payment.chip_data import ApplicationData, CryptogramKind, Cvn, TerminalData, card_code
from smartsale_emu.payment.chip_issuer import cryptogram_problem, make_arpc
from smartsale_emu.payment.cvm import NOT_PERFORMED, CashKind, CvmFacts, CvmOutcome
from smartsale_emu.payment.field55 import field55, read_field55
from smartsale_emu.payment.verification import NO_FINDINGS, Tsi, Tvr
from smartsale_emu.security.cryptogram import CryptogramError
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.units import CurrencyCode, MinorUnits

AAC, TC, ARQC = CryptogramKind.AAC, CryptogramKind.TC, CryptogramKind.ARQC
OTHER_KEY = SecretBytes(bytes.fromhex("F039121BEC83D26B169BDCD5B22AAF8F"))
MIR_DATA = TerminalData(
    amount=MinorUnits(10000),
    on=date(2026, 11, 23),
    unpredictable=bytes.fromhex("DEADBEEF"),
    tvr=Tvr.FLOOR_LIMIT_EXCEEDED,
)
OLD_DATA = TerminalData(
    amount=MinorUnits(4000),
    on=date(2019, 11, 5),
    unpredictable=bytes.fromhex("52BF4585"),
    tvr=Tvr.parse(bytes.fromhex("8000048000")),
    transaction_type="01",
    currency=CurrencyCode("124"),
    country="124",
)
OLD_ROWS = {"aip": "1800", "sequence": "00"}


def profile(**rows: object) -> ChipProfile:
    return ChipProfile.parse({**ROWS, **rows}, where="mir.toml: chip")


def chip(pan: str = MIR, atc: int = 1, **rows: object) -> Chip:
    return Chip.of(profile(**rows), pan, issuer_key=ISSUER_KEY, atc=atc)


CVN10_ROWS = {"cvn": 10, "application_data": "06010A03006010"}
CHIPS = {Cvn.CVN10: chip(**CVN10_ROWS), Cvn.CVN18: chip()}


def test_our_mir_sample() -> None:
    card = chip()
    assert card.icc_key.reveal().hex().upper() == "61FEA197D0B9759BF268AEA10E4F7AA7"
    made = card.first_generate(MIR_DATA, ARQC)
    assert (made.cid, made.ac.hex().upper(), made.iad.hex().upper()) == (
        ARQC,
        "F5F74F6C0CA217F4",
        "06011203A0B800",
    )
    assert (made.atc, made.tvr, made.tsi) == (1, MIR_DATA.tvr, Tsi.CARD_RISK_DONE)
    answer = make_arpc(ISSUER_KEY, asked(card, made), pan=MIR, sequence="01", response_code="00")
    assert answer.hex().upper() == "72E225C800820000"


OLD = {
    "CVN 10": (CVN10_ROWS, "29CCA15AE665FA2E", "28993816AFAE4AEB3030"),
    "CVN 18": ({}, "7A788EA6B8A3E733", None),
}


@pytest.mark.parametrize(("rows", "arqc", "answer"), OLD.values(), ids=OLD)
def test_published_cryptograms_come_out_of_the_chip(
    rows: dict[str, object], arqc: str, answer: str | None
) -> None:
    card = chip("1234567890123456", 0x1C, **OLD_ROWS, **rows)
    made = card.first_generate(OLD_DATA, ARQC)
    assert made.ac.hex().upper() == arqc
    objects = read_field55(field55(card, made, OLD_DATA))
    assert not cryptogram_problem(ISSUER_KEY, objects, pan="1234567890123456", sequence="00")
    if answer:
        told = make_arpc(ISSUER_KEY, objects, pan="1234567890123456", sequence="00", response_code="00")
        assert told.hex().upper() == answer


def asked(card: Chip, made: Cryptogram, data: TerminalData = MIR_DATA) -> DataObjects:
    return read_field55(field55(card, made, data))


def changed(objects: DataObjects, tag: str, value: bytes | None) -> DataObjects:
    """Return the objects with another value of one tag, or without it."""
    pairs = [(item.tag, value if item.tag == tag else item.value) for item in objects]
    return DataObjects.of((name, held) for name, held in pairs if held is not None)


@pytest.mark.parametrize("card", CHIPS.values(), ids=[cvn.name for cvn in CHIPS])
def test_the_issuer_refuses_what_was_changed_anywhere(card: Chip) -> None:
    objects = asked(card, card.first_generate(MIR_DATA, ARQC))
    assert cryptogram_problem(ISSUER_KEY, objects, pan=MIR, sequence="01") == ""
    for tag in ("9F02", "9F03", "9F1A", "95", "5F2A", "9A", "9C", "9F37", "82", "9F36", "9F26", "9F10"):
        value = objects.get(tag)
        assert value is not None
        flipped = value[:-1] + bytes([value[-1] ^ 1])
        assert cryptogram_problem(ISSUER_KEY, changed(objects, tag, flipped), pan=MIR, sequence="01"), tag
        missing = cryptogram_problem(ISSUER_KEY, changed(objects, tag, None), pan=MIR, sequence="01")
        assert missing == f"field 55 has no {tag}"
        longer = changed(objects, tag, value + bytes(32))
        assert cryptogram_problem(ISSUER_KEY, longer, pan=MIR, sequence="01").endswith(f"{tag}: wrong length")


def test_the_issuer_refuses_another_key_card_and_sequence_number() -> None:
    card = chip()
    objects = asked(card, card.first_generate(MIR_DATA, ARQC))
    without = changed(objects, "5F34", None)
    assert cryptogram_problem(OTHER_KEY, objects, pan=MIR, sequence="01")
    assert cryptogram_problem(ISSUER_KEY, objects, pan="2200123456789019", sequence="01")
    assert not cryptogram_problem(ISSUER_KEY, without, pan=MIR, sequence="01")
    assert cryptogram_problem(ISSUER_KEY, without, pan=MIR, sequence="02")
    assert cryptogram_problem(ISSUER_KEY, objects, pan=MIR, sequence="") == "5F34 is of another card"
    with pytest.raises(CryptogramError):
        cryptogram_problem(ISSUER_KEY, objects, pan="22", sequence="01")


def test_the_issuer_tells_the_kinds_apart() -> None:
    card = chip(online_only=False)
    for kind in CryptogramKind:
        objects = asked(card, card.first_generate(MIR_DATA, kind))
        for wanted in CryptogramKind:
            problem = cryptogram_problem(ISSUER_KEY, objects, pan=MIR, sequence="01", kind=wanted)
            assert problem == ("" if wanted is kind else f"9F27 is not that of an {wanted.name}")


def test_an_unknown_form_of_9f10_is_told() -> None:
    card = chip()
    objects = asked(card, card.first_generate(MIR_DATA, ARQC))
    for value in ("06011103A0B800", "0FA501A2380000000000000000000000", "06"):
        other = changed(objects, "9F10", bytes.fromhex(value))
        assert cryptogram_problem(ISSUER_KEY, other, pan=MIR, sequence="01").startswith("9F10: ")
        with pytest.raises(ValueError, match=r"must be 10 or 18|at least"):
            make_arpc(ISSUER_KEY, other, pan=MIR, sequence="01", response_code="00")
    with pytest.raises(ValueError, match="needs 9F26, 9F36 and 9F10"):
        make_arpc(ISSUER_KEY, changed(objects, "9F36", None), pan=MIR, sequence="01", response_code="00")


@given(
    st.lists(st.tuples(st.sampled_from(["9F10", "9F26", "9F27", "9F36", "95", "9A"]), st.binary(max_size=12)))
)
def test_no_field_55_upsets_the_issuer(pairs: list[tuple[str, bytes]]) -> None:
    assert cryptogram_problem(ISSUER_KEY, DataObjects.of(pairs), pan=MIR, sequence="01")


ANSWERS = [("00", TC), ("10", TC), ("000", TC), ("05", AAC), ("116", AAC)]


@pytest.mark.parametrize(("response_code", "kind"), ANSWERS)
@pytest.mark.parametrize("cvn", CHIPS)
def test_the_card_follows_its_issuer(cvn: Cvn, response_code: str, kind: CryptogramKind) -> None:
    card, code = CHIPS[cvn], card_code(response_code)
    first = card.first_generate(MIR_DATA, ARQC)
    told = make_arpc(ISSUER_KEY, asked(card, first), pan=MIR, sequence="01", response_code=response_code)
    assert len(told) == {Cvn.CVN10: 10, Cvn.CVN18: 8}[cvn]
    second = card.second_generate(first, code=code, issuer_authentication=told, data=MIR_DATA)
    assert (second.cid, second.tvr, second.issuer_authentication_failed) == (kind, MIR_DATA.tvr, False)
    assert second.tsi == Tsi.CARD_RISK_DONE | Tsi.ISSUER_AUTHENTICATION_DONE
    assert second.iad[4] == (0x60 if kind is TC else 0x20)
    assert second.ac != first.ac
    objects = asked(card, second)
    assert cryptogram_problem(ISSUER_KEY, objects, pan=MIR, sequence="01", kind=kind) == ""


@pytest.mark.parametrize("cvn", CHIPS)
def test_the_card_refuses_an_answer_that_its_issuer_did_not_write(cvn: Cvn) -> None:
    card = CHIPS[cvn]
    first = card.first_generate(MIR_DATA, ARQC)
    told = make_arpc(ISSUER_KEY, asked(card, first), pan=MIR, sequence="01", response_code="00")
    foreign = make_arpc(OTHER_KEY, asked(card, first), pan=MIR, sequence="01", response_code="00")
    wrong = [told[:place] + bytes([told[place] ^ 1]) + told[place + 1 :] for place in range(len(told))]
    for given_bytes in (*wrong, told[:-1], told + bytes(9), b"", foreign):
        second = card.second_generate(first, code="00", issuer_authentication=given_bytes, data=MIR_DATA)
        assert second.cid is AAC
        assert second.issuer_authentication_failed
        assert second.tvr == MIR_DATA.tvr | Tvr.ISSUER_AUTHENTICATION_FAILED
        assert second.tsi & Tsi.ISSUER_AUTHENTICATION_DONE
        assert second.iad[4] == 0x28
        assert cryptogram_problem(ISSUER_KEY, asked(card, second), pan=MIR, sequence="01", kind=AAC) == ""
    later = replace(card, atc=2).first_generate(MIR_DATA, ARQC)
    replayed = replace(card, atc=2).second_generate(
        later, code="00", issuer_authentication=told, data=MIR_DATA
    )
    assert replayed.issuer_authentication_failed


@pytest.mark.parametrize("cvn", CHIPS)
def test_a_refusal_turned_into_an_approval_on_the_way_is_refused(cvn: Cvn) -> None:
    card = CHIPS[cvn]
    first = card.first_generate(MIR_DATA, ARQC)
    told = make_arpc(ISSUER_KEY, asked(card, first), pan=MIR, sequence="01", response_code="05")
    second = card.second_generate(first, code="00", issuer_authentication=told, data=MIR_DATA)
    assert (second.cid, second.issuer_authentication_failed) == (AAC, False)


WITHOUT = [
    (False, "00", TC),
    (False, "05", AAC),
    (True, "00", AAC),
    (True, "Y3", TC),
    (True, "Z3", AAC),
    (False, "Z3", AAC),
]


@pytest.mark.parametrize(("demands", "code", "kind"), WITHOUT)
def test_without_an_issuer_cryptogram_the_card_decides_by_its_rule(
    demands: bool, code: str, kind: CryptogramKind
) -> None:
    card = chip(demands_issuer=demands)
    first = card.first_generate(MIR_DATA, ARQC)
    second = card.second_generate(first, code=code, issuer_authentication=None, data=MIR_DATA)
    assert (second.cid, second.tvr, second.tsi) == (kind, MIR_DATA.tvr, Tsi.CARD_RISK_DONE)


def test_a_second_cryptogram_needs_a_request_and_a_code() -> None:
    card = chip()
    refused = card.first_generate(MIR_DATA, AAC)
    with pytest.raises(ValueError, match="follows an ARQC"):
        card.second_generate(refused, code="00", issuer_authentication=None, data=MIR_DATA)
    with pytest.raises(ValueError, match="two characters"):
        card.second_generate(
            card.first_generate(MIR_DATA, ARQC), code="000", issuer_authentication=None, data=MIR_DATA
        )


FIRST = [
    (True, ARQC, ARQC, 0xA0),
    (True, TC, ARQC, 0xA0),
    (True, AAC, AAC, 0x80),
    (False, TC, TC, 0x90),
    (False, ARQC, ARQC, 0xA0),
]


@pytest.mark.parametrize(("online_only", "want", "gets", "told"), FIRST)
def test_the_card_gives_what_is_wanted_or_asks_its_issuer(
    online_only: bool, want: CryptogramKind, gets: CryptogramKind, told: int
) -> None:
    made = chip(online_only=online_only).first_generate(MIR_DATA, want)
    assert (made.cid, made.iad[4], made.iad[5:]) == (gets, told, bytes.fromhex("B800"))


def test_counter_and_unpredictable_number_make_another_cryptogram() -> None:
    for cvn, card in CHIPS.items():
        same = card.first_generate(MIR_DATA, ARQC)
        assert same == card.first_generate(MIR_DATA, ARQC)
        others = {
            replace(card, atc=2).first_generate(MIR_DATA, ARQC).ac,
            card.first_generate(replace(MIR_DATA, unpredictable=bytes(4)), ARQC).ac,
        }
        assert len(others | {same.ac}) == 3, cvn


@given(st.integers(0, 2**40 - 1), st.integers(0, 2**40 - 1), st.integers(0, 2**40 - 1), st.booleans())
def test_one_bit_in_a_mask_decides(tvr: int, denial: int, online: int, of_card: bool) -> None:
    codes, none = ActionCodes(Tvr(denial), Tvr(online)), ActionCodes(Tvr(0), Tvr(0))
    card, terminal = (codes, none) if of_card else (none, codes)
    expected = AAC if tvr & denial else ARQC if tvr & online else TC
    assert first_request(Tvr(tvr), card=card, terminal=terminal) is expected


def test_usual_codes_send_a_usual_payment_online_and_refuse_a_wrong_use() -> None:
    usual = TERMINAL_ACTION_CODES
    nothing = ActionCodes(Tvr(0), Tvr(0))
    assert first_request(Tvr.ODA_NOT_PERFORMED, card=nothing, terminal=usual) is ARQC
    assert first_request(Tvr.SERVICE_NOT_ALLOWED, card=nothing, terminal=usual) is AAC
    assert first_request(NO_FINDINGS, card=NO_ACTION_CODES, terminal=usual) is TC
    assert first_request(Tvr.NEW_CARD, card=NO_ACTION_CODES, terminal=usual) is ARQC


USES = {
    (0x0000, True, CashKind.NONE): False,
    (0x2100, True, CashKind.NONE): True,
    (0x0900, True, CashKind.NONE): True,
    (0x2000, True, CashKind.NONE): False,
    (0x2100, False, CashKind.NONE): False,
    (0x1100, False, CashKind.NONE): True,
    (0x0500, False, CashKind.NONE): True,
    (0x8100, True, CashKind.CASH): True,
    (0x8100, False, CashKind.CASH): False,
    (0x4100, False, CashKind.CASH): True,
    (0x7F7F, True, CashKind.CASH): False,
    (0xFF00, True, CashKind.CASHBACK): False,
    (0x0180, True, CashKind.CASHBACK): True,
    (0x0140, False, CashKind.CASHBACK): True,
    (0x0140, True, CashKind.CASHBACK): False,
}


@pytest.mark.parametrize(("use", "allowed"), USES.items())
def test_the_use_must_be_allowed(use: tuple[int, bool, CashKind], allowed: bool) -> None:
    found = restrictions(
        usage_control=use[0], domestic=use[1], cash=use[2], expiry="2812", on=date(2028, 12, 31)
    )
    assert found == (NO_FINDINGS if allowed else Tvr.SERVICE_NOT_ALLOWED)


@pytest.mark.parametrize(
    ("on", "expired"), [(date(2028, 12, 31), False), (date(2029, 1, 1), True), (date(2028, 11, 30), False)]
)
def test_a_card_is_good_to_the_end_of_its_month(on: date, expired: bool) -> None:
    found = restrictions(usage_control=0xFF00, domestic=True, cash=CashKind.NONE, expiry="2812", on=on)
    assert found == (Tvr.EXPIRED if expired else NO_FINDINGS)


def test_a_profile_reads_whole() -> None:
    read = profile(
        iac_denial="0010000000",
        iac_online="FC68FCF800",
        country="398",
        demands_issuer=True,
    )
    assert read.aid == bytes.fromhex("A0000006581010")
    assert (read.label, read.aip.hex(), read.usage_control, read.sequence) == ("MIR", "3900", 0xFF00, "01")
    assert read.cvm_list.encode().hex().upper() == ROWS["cvm_list"]
    assert read.application_data == ApplicationData(bytes.fromhex("0601120300B800"))
    codes = (read.action_codes.denial, read.action_codes.online)
    assert [code.encode().hex().upper() for code in codes] == ["0010000000", "FC68FCF800"]
    assert (read.country, read.online_only, read.demands_issuer) == ("398", True, True)
    assert (profile().action_codes, profile().demands_issuer) == (NO_ACTION_CODES, False)


WRONG: dict[str, tuple[dict[str, object], str]] = {
    "missing": ({"aid": None}, "aid: is missing"),
    "empty": ({"label": ""}, "label: must be a text"),
    "number": ({"aip": 3900}, "aip: must be a text"),
    "hex": ({"aip": "39xx"}, "aip: must be hexadecimal"),
    "short": ({"aip": "39"}, "aip: must be 2 bytes"),
    "long AID": ({"aid": "A0" * 17}, "aid: must be 5 to 16 bytes"),
    "CVM list": ({"cvm_list": "00" * 11}, "cvm_list: a CVM list is 10 to 252 bytes"),
    "sequence": ({"sequence": "1"}, "sequence: must be 2 digits"),
    "CVN": ({"cvn": 17}, "cvn: must be 10 or 18"),
    "CVN text": ({"cvn": "18"}, "cvn: must be 10 or 18"),
    "other CVN": ({"cvn": 10}, "application_data: its cryptogram version number is not that of cvn"),
    "9F10": ({"application_data": "07011203000000"}, "application_data: issuer application data are"),
    "IAC": ({"iac_online": "FFFF"}, "iac_online: must be 5 bytes"),
    "flag": ({"online_only": 1}, "online_only: must be true or false"),
    "country": ({"country": "RUS"}, "country: must be 3 digits"),
    "unknown": ({"atc": 1}, "atc: is not a key of a chip"),
}


@pytest.mark.parametrize(("rows", "says"), WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_named(rows: dict[str, object], says: str) -> None:
    given_rows = {key: value for key, value in {**ROWS, **rows}.items() if value is not None}
    with pytest.raises(ProfileError) as caught:
        ChipProfile.parse(given_rows, where="mir.toml: chip")
    assert str(caught.value).startswith(f"mir.toml: chip.{says}")


def test_a_card_without_cardholder_verification_needs_none() -> None:
    facts = CvmFacts(MinorUnits(10000))
    assert profile(aip="2800").choose_cvm(facts) is NOT_PERFORMED
    assert NOT_PERFORMED.encode().hex().upper() == "3F0000"
    assert profile().choose_cvm(facts).outcome is CvmOutcome.ONLINE_PIN


def test_no_key_and_no_card_number_is_shown() -> None:
    shown = repr(chip())
    assert MIR not in shown
    assert "61fea197" not in shown.lower()
    assert r"a\xfe" not in shown


BAD_DATA: dict[str, object] = {
    "amount": MinorUnits(1_000_000_000_000),
    "unpredictable": bytes(3),
    "transaction_type": "0",
    "currency": CurrencyCode("RUB"),
    "country": "7",
    "capabilities": bytes(2),
    "terminal_type": "222",
    "serial": "1",
    "version": b"",
    "counter": 0,
}


@pytest.mark.parametrize(("name", "value"), BAD_DATA.items())
def test_terminal_data_that_do_not_fit(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"terminal data: {name} does not fit"):
        replace(MIR_DATA, **{name: value})  # type: ignore[arg-type]
