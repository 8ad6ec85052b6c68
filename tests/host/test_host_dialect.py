"""ISO 8583 messages: vectors written out by hand, everything read back, no bytes that break the reader."""

from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta

import bank_kit as kit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.errors import DialectError
from smartsale_emu.host.dates import with_year
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    CardData,
    Original,
    Step,
    Transaction,
)
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.units import CurrencyCode, MinorUnits

DIALECT = Dialect(kit.PROFILE)
TODAY = kit.NOW.date()

PURCHASE = b"".join(
    [
        b"0200",
        bytes.fromhex(
            "72 3C 07 80 20 C0 90 00"
        ),  # 2 3 4 7 | 11 12 13 14 | 22 23 24 | 25 | 35 | 41 42 | 49 52
        b"162200123456789019",  # 2
        b"000000",  # 3
        b"000000001200",  # 4
        b"1123093000",  # 7
        b"000123",  # 11
        b"093000",  # 12
        b"1123",  # 13
        b"3012",  # 14
        b"051",  # 22: chip, PIN possible
        b"001",  # 23
        b"001",  # 24
        b"00",  # 25
        b"342200123456789019=30122010000000000",  # 35
        b"00060056",  # 41
        b"111111111      ",  # 42
        b"643",  # 49
        bytes.fromhex("B64B7ABE2B16BDBC"),  # 52: PIN 1234 under the published key
    ]
)
APPROVAL = b"".join(
    [
        b"0210",
        bytes.fromhex("32 38 00 00 0E C0 80 00"),  # 3 4 7 | 11 12 13 | 37 38 39 | 41 42 | 49
        b"000000",
        b"000000001200",
        b"1123093000",
        b"000123",
        b"093001",
        b"1123",
        b"632709000123",
        b"314159",
        b"00",
        b"00060056",
        b"111111111      ",
        b"643",
    ]
)
REVERSAL = b"".join(
    [
        b"0400",
        bytes.fromhex("F2 3C 07 80 0C C0 80 00"),  # 1 2 3 4 7 | 11-14 | 22 23 24 | 25 | 37 38 | 41 42 | 49
        bytes.fromhex("00 00 00 40 00 00 00 00"),  # 90
        b"162200123456789019",
        b"000000",
        b"000000001200",
        b"1123093040",
        b"000123",
        b"093040",
        b"1123",
        b"3012",
        b"051",
        b"001",
        b"001",
        b"00",
        b"632709000123",
        b"314159",
        b"00060056",
        b"111111111      ",
        b"643",
        b"0200",
        b"000123",
        b"1123093000",
        b"0" * 22,  # 90
    ]
)
REVERSED = b"".join(
    [
        b"0410",
        bytes.fromhex("32 38 00 00 0A C0 80 00"),  # no 38
        b"000000",
        b"000000001200",
        b"1123093040",
        b"000123",
        b"093041",
        b"1123",
        b"632709000123",
        b"00",
        b"00060056",
        b"111111111      ",
        b"643",
    ]
)
ECHO = b"".join(
    [
        b"0800",
        bytes.fromhex("22 20 01 00 00 C0 00 00"),  # 3 7 | 11 | 24 | 41 42
        b"990000",
        b"1123093000",
        b"000007",
        b"001",
        b"00060056",
        b"111111111      ",
    ]
)
ECHO_ANSWER = b"".join(
    [
        b"0810",
        bytes.fromhex("22 38 00 00 02 C0 00 00"),  # 3 7 | 11 12 13 | 39 | 41 42
        b"990000",
        b"1123093000",
        b"000007",
        b"093001",
        b"1123",
        b"00",
        b"00060056",
        b"111111111      ",
    ]
)


def reversal_request() -> AuthorizationRequest:
    request = kit.reversal(kit.sale(123, 1200))
    return replace(request, original=Original(Transaction.PURCHASE, 123, kit.NOW, "632709000123", "314159"))


def answer(
    step: Step, stan: int, at: str, *, rrn: str = "", authorization_code: str = ""
) -> AuthorizationAnswer:
    moment = datetime.fromisoformat(at)
    return AuthorizationAnswer(step, stan, "00", rrn, authorization_code, moment, "00060056")


def test_requests_to_the_byte() -> None:
    assert DIALECT.encode_request(kit.sale(123, 1200)) == PURCHASE
    assert DIALECT.encode_request(reversal_request()) == REVERSAL
    assert DIALECT.encode_request(replace(reversal_request(), attempt=3)) == b"0401" + REVERSAL[4:]
    assert DIALECT.encode_request(kit.echo(7)) == ECHO


def test_requests_read_whole() -> None:
    assert DIALECT.decode_request(PURCHASE, TODAY) == kit.sale(123, 1200)
    assert DIALECT.decode_request(REVERSAL, TODAY) == reversal_request()
    assert DIALECT.decode_request(b"0401" + REVERSAL[4:], TODAY) == replace(reversal_request(), attempt=1)
    assert DIALECT.decode_request(ECHO, TODAY) == kit.echo(7)


ANSWERS = [
    (
        kit.sale(123, 1200),
        answer(Step.FINANCIAL, 123, "2026-11-23T09:30:01", rrn="632709000123", authorization_code="314159"),
        APPROVAL,
    ),
    (reversal_request(), answer(Step.REVERSAL, 123, "2026-11-23T09:30:41", rrn="632709000123"), REVERSED),
    (kit.echo(7), answer(Step.NETWORK, 7, "2026-11-23T09:30:01"), ECHO_ANSWER),
]


@pytest.mark.parametrize(("request_", "said", "wire"), ANSWERS, ids=["0210", "0410", "0810"])
def test_answers_to_the_byte_and_back(
    request_: AuthorizationRequest, said: AuthorizationAnswer, wire: bytes
) -> None:
    assert DIALECT.encode_answer(request_, replace(said, because="does not travel")) == wire
    assert DIALECT.decode_answer(wire, TODAY) == said


@pytest.mark.parametrize("wire", [PURCHASE, REVERSAL, ECHO], ids=["0200", "0400", "0800"])
def test_a_request_cut_anywhere_or_with_a_byte_after_it_is_refused(wire: bytes) -> None:
    for end in range(len(wire)):
        with pytest.raises(DialectError):
            DIALECT.decode_request(wire[:end], TODAY)
    with pytest.raises(DialectError):
        DIALECT.decode_request(wire + b"0", TODAY)


PARTS = {
    "PAN with a letter": (b"162200123456789019", b"16220012345678901X", "DE2"),
    "amount with a letter": (b"000000001200", b"00000000120O", "DE4"),
    "processing code unknown": (b"19000000000000001200", b"19770000000000001200", "DE3"),
    "no such day": (b"1123093000", b"0230093000", "date"),
    "no such hour": (b"1123093000", b"1123253000", "date"),
    "STAN of zero": (b"000123", b"000000", "DE11"),
    "entry mode unknown": (b"3012051", b"3012991", "DE22"),
    "track 2 with two separators": (b"=30122010000000000", b"=301220100000=0000", "DE35"),
    "type unknown": (b"0200", b"0900", "type"),
    "an answer": (b"0200", b"0210", "type"),
}


@pytest.mark.parametrize(("good", "bad", "names"), PARTS.values(), ids=PARTS.keys())
def test_malformed_elements_are_named_and_never_quoted(good: bytes, bad: bytes, names: str) -> None:
    assert PURCHASE.count(good) >= 1
    with pytest.raises(DialectError, match=names) as caught:
        DIALECT.decode_request(PURCHASE.replace(good, bad, 1), TODAY)
    assert "220012345678901" not in str(caught.value)
    assert caught.value.__context__ is None or "220012345678901" not in repr(vars(caught.value.__context__))


def test_errors_of_the_codec_do_not_hang_on_ours() -> None:
    with pytest.raises(DialectError) as caught:
        DIALECT.decode_request(PURCHASE[:-1], TODAY)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_values_that_do_not_fit_are_refused() -> None:
    sale = kit.sale(123, 1200)
    for bad in (
        replace(sale, terminal_id="000600567"),
        replace(sale, terminal_id="ТЕРМИНАЛ"),
        replace(sale, merchant_id="1" * 16),
        replace(sale, stan=0),
        replace(sale, stan=1_000_000),
        replace(sale, amount=MinorUnits(1_000_000_000_000)),
        replace(sale, amount=MinorUnits(-1)),
        replace(sale, pin_block=SecretBytes(b"short")),
        replace(sale, currency=CurrencyCode("RU")),
    ):
        with pytest.raises(DialectError):
            DIALECT.encode_request(bad)


def test_track_and_pin_never_stand_in_a_reversal() -> None:
    sale = kit.sale(123, 1200)
    wire = DIALECT.encode_request(replace(reversal_request(), card=sale.card, pin_block=sale.pin_block))
    assert wire == REVERSAL


def test_the_card_is_read_from_track_2_alone() -> None:
    only_track = bytearray(PURCHASE)
    only_track[4] = 0x32  # no 2
    only_track[5] = 0x38  # no 14
    wire = bytes(only_track).replace(b"162200123456789019", b"", 1).replace(b"1123" + b"3012", b"1123", 1)
    request = DIALECT.decode_request(wire, TODAY)
    assert request == kit.sale(123, 1200)


def test_a_real_hosts_answer_with_elements_of_its_own_is_read() -> None:
    wire = b"0210" + bytes.fromhex("20 20 00 00 0A 80 00 02")  # 3 | 11 | 37 39 | 41 | 63
    wire += b"000000" + b"000123" + b"000001007050" + b"00" + b"00060056"
    wire += b"011" + "ОДОБРЕНО!!!".encode("cp1251")
    got = DIALECT.decode_answer(wire, TODAY)
    assert (got.response_code, got.rrn, got.answered_at) == ("00", "000001007050", None)


def test_a_refusal_needs_type_and_stan() -> None:
    refused = b"0210" + bytes.fromhex("00 20 00 00 02 80 00 00") + b"000123" + b"96" + b"00060056"
    for bad in (b"000000" + b"00000000120O", b"770000" + b"000000001200"):
        wire = PURCHASE.replace(b"000000" + b"000000001200", bad, 1)
        assert DIALECT.refusal(wire, "96") == refused
    assert DIALECT.refusal(PURCHASE.replace(b"000123", b"00012X", 1), "96") is None
    assert DIALECT.refusal(APPROVAL, "96") is None
    assert DIALECT.refusal(b"0200", "96") is None


YEARS = [
    ("1231235959", date(2027, 1, 2), "2026-12-31T23:59:59"),
    ("0101000000", date(2026, 12, 31), "2027-01-01T00:00:00"),
    ("1123093000", date(2026, 11, 23), "2026-11-23T09:30:00"),
    ("0229120000", date(2028, 3, 1), "2028-02-29T12:00:00"),
    ("0229120000", date(2027, 12, 1), "2028-02-29T12:00:00"),
]


@pytest.mark.parametrize(("text", "today", "moment"), YEARS)
def test_the_year_is_the_nearest(text: str, today: date, moment: str) -> None:
    assert with_year(text, today) == datetime.fromisoformat(moment)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), st.integers(-180, 180))
def test_dates_within_half_a_year_come_back(moment: datetime, days: int) -> None:
    moment = moment.replace(microsecond=0)
    today = (moment + timedelta(days=days)).date()
    assert with_year(moment.strftime("%m%d%H%M%S"), today) == moment


CARD = st.builds(
    CardData,
    pan=st.from_regex(r"[0-9]{13,19}", fullmatch=True),
    expiry=st.from_regex(r"([0-9]{4})?", fullmatch=True),
    entry_mode=st.sampled_from(EntryMode),
    track2=st.none() | st.from_regex(r"[0-9]{13,19}=[0-9]{7,17}", fullmatch=True).map(Secret),
    sequence=st.from_regex(r"([0-9]{2})?", fullmatch=True),
    pin_capable=st.booleans(),
)
TEXT = st.from_regex(r"[A-Z0-9]{0,7}[A-Z0-9]", fullmatch=True)


@given(
    card=CARD,
    stan=st.integers(1, 999_999),
    amount=st.integers(0, 999_999_999_999),
    ids=st.tuples(TEXT, TEXT),
    block=st.none() | st.binary(min_size=8, max_size=8).map(SecretBytes),
    seconds=st.integers(-10_000_000, 10_000_000),
)
def test_any_purchase_comes_back(
    card: CardData, stan: int, amount: int, ids: tuple[str, str], block: SecretBytes | None, seconds: int
) -> None:
    if card.track2 is not None and not card.expiry:
        card = replace(card, track2=None)
    request = AuthorizationRequest(
        Step.FINANCIAL,
        Transaction.PURCHASE,
        stan,
        kit.NOW + timedelta(seconds=seconds),
        *ids,
        MinorUnits(amount),
        CurrencyCode("643"),
        card,
        block,
    )
    assert DIALECT.decode_request(DIALECT.encode_request(request), TODAY) == request


@given(st.binary(max_size=80), st.sampled_from([b"", b"0200", b"0400", b"0800", b"0210"]))
def test_no_bytes_make_the_reader_fail_otherwise(tail: bytes, head: bytes) -> None:
    for read in (DIALECT.decode_request, DIALECT.decode_answer):
        with suppress(DialectError):
            read(head + tail, TODAY)


@given(st.data())
def test_no_damage_to_a_purchase_makes_the_reader_fail_otherwise(data: st.DataObject) -> None:
    wire = bytearray(PURCHASE)
    for _ in range(data.draw(st.integers(1, 3))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    told = ""
    try:
        DIALECT.decode_request(bytes(wire), TODAY)
    except DialectError as error:
        told = str(error)
    assert "2200123" not in told
    DIALECT.refusal(bytes(wire), "96")
