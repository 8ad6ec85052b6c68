"""Every bank profile, and profiles with every row turned: whatever can occur comes back."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b

import bank_kit as kit
import profile_kit
import pytest
from hypothesis import given
from hypothesis import strategies as st
from message_strategies import ALL_TOTALS, CODES, MOMENTS, RRNS, requests

from smartsale_emu.errors import DialectError
from smartsale_emu.host.dates import month_to_second
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.host.sealing import Seal
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    Sealed,
    Step,
    Totals,
    Transaction,
)
from smartsale_emu.payment.totals import Tally
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.units import MinorUnits

TODAY = kit.NOW.date()
PROFILES: dict[str, BankProfile] = {
    **{name: profile_kit.load(name) for name in profile_kit.NAMES},
    "ascii, all as hex": profile_kit.changed(
        "generic-ascii",
        wire__bitmap="hex",
        wire__fixed_bytes="hex",
        wire__framing="4A",
        mac__algorithm="aes-cmac",
        mac__size=4,
    ),
    "bcd, all packed": profile_kit.changed(
        "nac-bcd",
        wire__bitmap="hex",
        wire__track2="left-0",
        wire__odd_pad="right-F",
        wire__currency="packed",
        wire__response_code="packed",
        wire__time="YYMMDDhhmmss",
        wire__element_24="function-code",
        pin__field=63,
        pin__ksn_field=53,
        mac__input="fields",
        mac__request_fields=[0, 2, 4, 11],
        mac__answer_fields=[0, 11, 39],
        mac__network=True,
    ),
}
every_profile = pytest.mark.parametrize("name", PROFILES)


def seal(profile: BankProfile) -> Seal:
    size = profile.wire.mac.rule.size if profile.wire.mac else 8
    return lambda data: blake2b(data, digest_size=size).digest()


def as_it_travels(request: AuthorizationRequest, profile: BankProfile) -> AuthorizationRequest:
    """A request without what its message has no element for."""
    listed = profile.messages[profile.kind(request.step, request.transaction)].request_fields
    card = request.card
    if card is not None and 14 not in listed:
        track = card.track2.reveal() if card.track2 is not None else "="
        card = replace(card, expiry=track.partition("=")[2][:4])
    if card is not None and 23 not in listed:
        card = replace(card, sequence="")
    return replace(request, card=card, icc=request.icc if 55 in listed else None)


def check_seal(sealed: Sealed | None, profile: BankProfile, step: Step) -> None:
    if not Dialect(profile).is_sealed(step):
        assert sealed is None
    else:
        assert sealed is not None
        assert seal(profile)(sealed.covered.reveal()) == sealed.mac


CHIP_DATA = st.none() | st.binary(min_size=1, max_size=255).map(SecretBytes)


@every_profile
@given(request_=requests(), icc=CHIP_DATA, block=st.binary(min_size=16, max_size=16), serial=st.data())
def test_any_request_comes_back(
    name: str, request_: AuthorizationRequest, icc: SecretBytes | None, block: bytes, serial: st.DataObject
) -> None:
    profile = PROFILES[name]
    dialect = Dialect(profile)
    if request_.step not in (Step.NETWORK, Step.RECONCILIATION):
        request_ = replace(request_, icc=icc)
    if request_.pin_block is not None and profile.wire.pin_field != 52 and serial.draw(st.booleans()):
        request_ = replace(request_, pin_block=SecretBytes(block))
    if profile.wire.ksn_field:
        request_ = replace(request_, ksn=serial.draw(st.sampled_from([b"", bytes(10), bytes(12)])))
    got = dialect.decode_request(dialect.encode_request(request_, seal(profile)), TODAY)
    assert got == as_it_travels(request_, profile)
    check_seal(got.sealed, profile, request_.step)


@every_profile
@given(
    request_=requests(),
    code=st.sampled_from(["00", "05", "10", "51", "95", "96"]),
    rrn=RRNS | st.just(""),
    authorization=CODES,
    at=MOMENTS,
    totals=st.none() | ALL_TOTALS,
    icc=CHIP_DATA,
)
def test_any_answer_comes_back(
    name: str,
    request_: AuthorizationRequest,
    code: str,
    rrn: str,
    authorization: str,
    at: datetime,
    totals: Totals | None,
    icc: SecretBytes | None,
) -> None:
    profile = PROFILES[name]
    dialect = Dialect(profile)
    kind = profile.kind(request_.step, request_.transaction)
    listed = profile.messages[kind].answer_fields
    said = AuthorizationAnswer(
        step=request_.step,
        stan=request_.stan,
        response_code=code,
        rrn=rrn if 37 in listed else "",
        authorization_code=authorization if 38 in listed else "",
        answered_at=at,
        terminal_id="00060056",
        totals=totals if request_.step is Step.RECONCILIATION else None,
        icc=icc if 55 in listed else None,
    )
    got = dialect.decode_answer(dialect.encode_answer(request_, said, seal(profile)), TODAY)
    assert got == replace(said, response_code=profile.wire.responses.to_host(code, kind))
    check_seal(got.sealed, profile, request_.step)


@every_profile
@given(request_=requests(), at=MOMENTS)
def test_an_answer_repeats_time_and_code_of_its_request(
    name: str, request_: AuthorizationRequest, at: datetime
) -> None:
    profile = PROFILES[name]
    said = AuthorizationAnswer(request_.step, request_.stan, "00", answered_at=at, terminal_id="00060056")
    dialect = Dialect(profile)
    asked = dialect.decode_request(dialect.encode_request(request_, seal(profile)), TODAY)
    wire = dialect.encode_answer(asked, said, seal(profile))
    got = dialect.decode_answer(wire, TODAY)
    assert got.asked_at == month_to_second(request_.sent_at)
    assert got.processing == dialect.processing(request_.transaction)
    assert got.answered_at == at, "12 and 13 hold the bank's own"
    own = replace(profile, wire=replace(profile.wire, answer_repeats_time=False))
    assert Dialect(own).decode_answer(wire, TODAY).asked_at == ""


def test_what_was_not_asked_is_not_repeated() -> None:
    """A link test without DE3 and 7: what a host writes there is its own."""
    bare, dialect = (
        profile_kit.changed("generic-ascii", network__request_fields=[11, 41]),
        Dialect(kit.PROFILE),
    )
    wire = dialect.encode_answer(kit.echo(1), AuthorizationAnswer(Step.NETWORK, 1, "00"))
    assert dialect.decode_answer(wire, TODAY).asked_at == "1123093000"
    got = Dialect(bare).decode_answer(wire, TODAY)
    assert (got.asked_at, got.processing) == ("", "")


@every_profile
@given(data=st.data())
def test_no_damage_makes_the_reader_fail_otherwise(name: str, data: st.DataObject) -> None:
    dialect = Dialect(PROFILES[name])
    wire = bytearray(dialect.encode_request(kit.sale(123, 1200), seal(PROFILES[name])))
    for _ in range(data.draw(st.integers(1, 3))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    caught: DialectError | None = None
    try:
        dialect.decode_request(bytes(wire), TODAY)
    except DialectError as error:
        caught = error
    assert "2200123" not in str(caught)
    assert caught is None or caught.__context__ is None
    dialect.refusal(bytes(wire), "96")
    with suppress(DialectError):
        dialect.decode_answer(bytes(wire), TODAY)


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "ascii, all as hex"])
def test_a_day_over_a_stream(name: str) -> None:
    """Every MAC and PIN block is real; the profile left out has AES for its MAC and no key for that."""
    line = profile_kit.Line(PROFILES[name])

    def said(request: AuthorizationRequest) -> AuthorizationAnswer:
        pins = {1: "1234", 3: "9999", 4: "1234", 5: "1234"}
        pin = pins.get(request.stan, "") if request.step is Step.FINANCIAL else ""
        return line.send(line.message(request, pin=pin))

    sale = kit.ask(Transaction.PURCHASE, 1, 1200, batch=7)
    sold = said(sale)
    assert sold.response_code == "00"
    assert said(kit.follow(Transaction.VOID, 2, 200, sale, sold, batch=7)).response_code == "00"
    assert said(kit.ask(Transaction.PURCHASE, 3, 1, batch=7)).response_code == "55"
    lost = kit.ask(Transaction.PURCHASE, 4, 500, batch=7)
    assert said(lost).response_code == "00"
    assert said(kit.reversal(lost)).response_code == "00"
    assert said(kit.reversal(lost, attempt=1)).response_code == "00"
    balance = said(kit.ask(Transaction.BALANCE, 5, batch=7))
    assert balance.balance == MinorUnits(10_000_000 - 1000)
    totals = Totals(debit=Tally(1, 1200), void_debit=Tally(1, 200))
    settled = said(kit.reconciliation(7, 7, totals))
    assert (settled.response_code, settled.totals) == ("00", totals)
    assert line.session.closed == ""
