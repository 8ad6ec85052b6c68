"""Field 55, built and read: every byte in its place, and nothing in it that may not travel."""

from datetime import date

import chip_kit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.payment.ber_tlv import BerTlvError, DataObjects
from smartsale_emu.payment.chip import Chip, ChipProfile
from smartsale_emu.payment.chip_data import CryptogramKind, TerminalData
from smartsale_emu.payment.cvm import CvmFacts
from smartsale_emu.payment.emv_tags import REQUEST_TAGS, TAGS, shown
from smartsale_emu.payment.field55 import (
    IssuerAnswer,
    answer_field55,
    field55,
    read_answer,
    read_field55,
    reversal_field55,
)
from smartsale_emu.payment.verification import Tvr
from smartsale_emu.units import MinorUnits

PROFILE = ChipProfile.parse(chip_kit.ROWS, where="mir.toml: chip")
CHIP = Chip.of(PROFILE, chip_kit.PAN, issuer_key=chip_kit.ISSUER_KEY, atc=1)
DATA = TerminalData(
    amount=MinorUnits(10000),
    on=date(2026, 11, 23),
    unpredictable=bytes.fromhex("DEADBEEF"),
    tvr=Tvr.FLOOR_LIMIT_EXCEEDED,
    cvm=PROFILE.choose_cvm(CvmFacts(MinorUnits(10000))),
    counter=57,
)
MADE = CHIP.first_generate(DATA, CryptogramKind.ARQC)
WHOLE = """
9F2608F5F74F6C0CA217F4 9F270180 9F100706011203A0B800 9F3704DEADBEEF 9F36020001 95050000008000 9A03261123
9C0100 9F0206000000010000 5F2A020643 82023900 9F1A020643 9F0306000000000000 9F3303E06800 9F3403420300 9F350122
8407A0000006581010 5F340101 9F1E083030303030303031 9F09020001 9F410400000057
"""


def test_a_request_byte_by_byte() -> None:
    data = field55(CHIP, MADE, DATA)
    assert data == bytes.fromhex(WHOLE)
    assert read_field55(data).tags() == REQUEST_TAGS
    assert len(REQUEST_TAGS) == 21


def test_a_reversal_tells_the_last_cryptogram() -> None:
    second = CHIP.second_generate(MADE, code="00", issuer_authentication=bytes(8), data=DATA)
    written = reversal_field55(CHIP, second, DATA).hex().upper()
    head = "950500000080409F10070601120328B8009F1E0830303030303030319F2608"
    assert written == head + second.ac.hex().upper() + "9F36020001"


def test_an_answer_keeps_its_scripts_in_order() -> None:
    answer = IssuerAnswer(bytes(range(8)), (("72", b"\x01"), ("71", b"\x02"), ("72", b"\x03")), "00")
    data = answer_field55(answer)
    assert data.hex().upper() == "910800010203040506077201017101027201038A023030"
    assert read_answer(data) == answer
    assert read_answer(b"") == IssuerAnswer()


def test_what_is_too_long_for_the_field_is_refused() -> None:
    with pytest.raises(BerTlvError, match="262 bytes are more than 255"):
        answer_field55(IssuerAnswer(scripts=(("71", bytes(128)), ("72", bytes(128)))))


@pytest.mark.parametrize("tag", ["57", "5A", "5F20", "5F24", "9F1F", "9F20", "56", "99"])
def test_what_may_not_travel_is_refused_and_never_shown(tag: str) -> None:
    objects = DataObjects.of([(tag, bytes.fromhex("2200123456789019"))])
    with pytest.raises(BerTlvError, match=f"tag {tag}: may not stand in it") as caught:
        read_field55(objects.encode())
    assert "2200" not in str(caught.value)
    assert shown(objects) == f"{tag}=(8 bytes)"
    assert tag not in TAGS


WRONG = {
    "9F360100": "tag 9F36: application transaction counter: 1 bytes do not fit",
    "9F3603000001": "tag 9F36: application transaction counter: 3 bytes do not fit",
    "9A0326112A": "tag 9A: transaction date: is not a number",
    "8A02FF30": "tag 8A: authorisation response code: is not a text",
    "8A020030": "tag 8A: authorisation response code: is not a text",
    "9A032611239A03261124": "tag 9A: stands twice",
    "DF010100DF010100": "tag DF01: stands twice",
    "9F36": "offset 0: tag 9F36: its length is missing",
}


@pytest.mark.parametrize(("data", "says"), WRONG.items())
def test_what_does_not_fit_is_named(data: str, says: str) -> None:
    with pytest.raises(BerTlvError) as caught:
        read_field55(bytes.fromhex(data))
    assert says in str(caught.value)


@given(
    st.binary(max_size=60)
    | st.lists(st.tuples(st.sampled_from([*TAGS, "DF01", "5A"]), st.binary(max_size=9))).map(
        lambda pairs: DataObjects.of(pairs).encode()
    )
)
def test_any_bytes_are_a_field_or_a_clean_error(data: bytes) -> None:
    try:
        objects = read_field55(data)
    except BerTlvError:
        with pytest.raises(BerTlvError):
            read_answer(data)
        return
    assert read_field55(objects.encode()) == objects
    assert read_answer(data).authentication == objects.get("91")


def test_a_trace_shows_what_is_known_and_no_more() -> None:
    trace = shown(read_field55(bytes.fromhex(WHOLE + "DF0101227201AA9F7C0131")))
    assert trace.startswith("9F26=F5F74F6C0CA217F4 9F27=80 9F10=06011203A0B800 ")
    assert trace.endswith("9F41=00000057 DF01=(1 bytes) 72=(1 bytes) 9F7C=(1 bytes)")
    assert shown(DataObjects.of([("95", bytes(8))])) == "95=(8 bytes)"
