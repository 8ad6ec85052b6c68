"""Chip payments at the bank: the cryptogram is proved, the counter rises, and the issuer answers the card."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import bank_kit as kit
import profile_kit
import pytest

from smartsale_emu.errors import KeySlotError, ProfileError
from smartsale_emu.host.bank import Bank
from smartsale_emu.host.chip_rows import ChipRows, Scrutiny
from smartsale_emu.host.ledger import Ledger, MemoryLedger
from smartsale_emu.host.rulebook import NO_RULES, Rulebook
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    Original,
    Transaction,
)
from smartsale_emu.payment.ber_tlv import DataObjects
from smartsale_emu.payment.card import EntryMode, PinRule, TestCard
from smartsale_emu.payment.chip import Chip, ChipProfile, Cryptogram
from smartsale_emu.payment.chip_data import CryptogramKind, TerminalData
from smartsale_emu.payment.cvm import CvmOutcome, CvmResult
from smartsale_emu.payment.field55 import field55, read_answer
from smartsale_emu.payment.verification import NO_FINDINGS, Tvr
from smartsale_emu.runtime.ledger_file import open_ledger
from smartsale_emu.security.keys import KeyRing, KeyUsage, seal_key
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.security.pin_block import encrypt_pin_block
from smartsale_emu.units import CurrencyCode, MinorUnits

ARQC = CryptogramKind.ARQC
TODAY = kit.NOW.date()
CVN18: dict[str, object] = {
    "aid": "A0000006581010",
    "label": "MIR",
    "aip": "3900",
    "cvm_list": "000000000000000042031E031F03",
    "usage_control": "FF00",
    "sequence": "01",
    "cvn": 18,
}
CVN10 = {**CVN18, "cvn": 10}


def issuer_key(name: str) -> SecretBytes:
    return kit.KEYS.get(name).value


class Payment:
    """One payment by chip: the card, what the terminal says, the first cryptogram, and the request."""

    def __init__(
        self,
        stan: int,
        amount: int = 1200,
        name: str = "mir-chip",
        *,
        atc: int | None = None,
        rows: dict[str, object] | None = None,
        slot: str = "issuer-mir",
        on: date = TODAY,
        tvr: Tvr = NO_FINDINGS,
        pin: str | None = None,
    ) -> None:
        counter = stan if atc is None else atc
        profile = ChipProfile.parse(rows or CVN18, where="test")
        self.chip = Chip.of(profile, kit.CARDS[name].card.pan, issuer_key=issuer_key(slot), atc=counter)
        self.data = TerminalData(MinorUnits(amount), on, stan.to_bytes(4, "big"), tvr=tvr)
        self.made: Cryptogram = self.chip.first_generate(self.data, ARQC)
        request = kit.sale(stan, amount, name, pin=pin)
        self.request = replace(request, icc=SecretBytes(field55(self.chip, self.made, self.data)))

    def changed(self, tag: str, value: bytes | None) -> AuthorizationRequest:
        """The request with another value of one tag in DE55, or without that tag."""
        return with_tag(self.request, tag, value)

    def second(self, answer: AuthorizationAnswer) -> Cryptogram:
        """What the card says to the bank's answer."""
        assert answer.icc is not None
        told = read_answer(answer.icc.reveal())
        return self.chip.second_generate(
            self.made, code=told.code, issuer_authentication=told.authentication, data=self.data
        )


def with_tag(request: AuthorizationRequest, tag: str, value: bytes | None) -> AuthorizationRequest:
    assert request.icc is not None
    objects = DataObjects.parse(request.icc.reveal())
    assert tag in objects.tags()
    pairs = [(item.tag, value if item.tag == tag else item.value) for item in objects]
    left = DataObjects.of((name, held) for name, held in pairs if held is not None)
    return replace(request, icc=SecretBytes(left.encode()))


def bank(
    text: str = "",
    ledger: Ledger | None = None,
    *,
    keys: KeyRing = kit.KEYS,
    cards: tuple[TestCard, ...] = tuple(kit.CARDS.values()),
    **rows: object,
) -> Bank:
    """A bank with a rulebook; ``rows``: of the table chip, instead of ours."""
    habits = replace(kit.PROFILE.chip, **({"counter": Scrutiny.CHECK} | rows))  # type: ignore[arg-type]
    book = Rulebook.parse(f'title = "T"\n{text}', "x.toml") if text else NO_RULES
    held = MemoryLedger() if ledger is None else ledger
    return Bank(replace(kit.PROFILE, chip=habits), cards, held, keys, book)


def counter(host: Bank, name: str = "mir-chip") -> int | None:
    account = host.account(name)
    assert account is not None
    return account.counter


def refused(host: Bank, request: AuthorizationRequest, code: str = "05") -> str:
    """Have a request declined without a trace on any account, and return why."""
    before = {name: host.account(name) for name in kit.CARDS}
    told = host.handle(request, kit.NOW)
    assert (told.response_code, told.icc, told.authorization_code) == (code, None, "")
    assert {name: host.account(name) for name in kit.CARDS} == before
    return told.because


@pytest.fixture(params=["memory", "file"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with ExitStack() as stack:
        if request.param == "memory":
            yield MemoryLedger()
        else:
            yield stack.enter_context(open_ledger(tmp_path / "bank.sqlite"))


# --- published and own vectors ---


def vector_card(pan: str, currency: str = "643") -> TestCard:
    card = replace(kit.CARDS["mir-chip"].card, pan=pan, pin_rule=PinRule.NEVER, sequence="")
    account = replace(kit.CARDS["mir-chip"].account, currency=CurrencyCode(currency))
    return TestCard(card, account)


def vector_request(card: TestCard, icc: str, amount: int, at: datetime) -> AuthorizationRequest:
    known = kit.sale(1, amount, pin="", at=at)
    assert known.card is not None
    return replace(
        known,
        card=replace(known.card, pan=card.card.pan, sequence=""),
        currency=card.account.currency,
        icc=SecretBytes(bytes.fromhex(icc)),
    )


OUR_SAMPLE = (
    "9F2608F5F74F6C0CA217F4 9F270180 9F100706011203A0B800 9F3704DEADBEEF 9F36020001 95050000008000"
    "9A03261123 9C0100 9F0206000000010000 5F2A020643 82023900 9F1A020643 9F0306000000000000 5F340101"
)
PUBLISHED = (
    "9F260829CCA15AE665FA2E 9F270180 9F100706010A03A06010 9F370452BF4585 9F3602001C 95058000048000"
    "9A03191105 9C0101 9F0206000000004000 5F2A020124 82021800 9F1A020124 9F0306000000000000 5F340100"
)


def test_our_sample_is_approved_and_answered_by_method_2() -> None:
    card = vector_card("2200000000000004")
    host = bank(cards=(card,))
    told = host.handle(vector_request(card, OUR_SAMPLE, 10000, kit.NOW), kit.NOW)
    assert (told.response_code, told.because) == ("00", "mir-chip: approved, 9990000 left")
    assert told.icc is not None
    assert told.icc.reveal().hex().upper() == "910872E225C8008200008A023030"


def test_a_published_cryptogram_of_version_10_is_answered_by_method_1() -> None:
    card, then = vector_card("1234567890123456", "124"), datetime(2019, 11, 5, 12, 0, 0)
    host = bank('[[issuer]]\nname = "test"\nbins = ["1234"]\nkey = "issuer-mir"\n', cards=(card,))
    asked = vector_request(card, PUBLISHED, 4000, then)
    pin = encrypt_pin_block(card.account.pin, card.card.pan, kit.PIN_KEY)
    told = host.handle(replace(asked, pin_block=pin), then)
    assert (told.response_code, told.because) == ("00", "mir-chip: approved, 9996000 left")
    assert told.icc is not None
    assert told.icc.reveal().hex().upper() == "910A28993816AFAE4AEB30308A023030"


# --- a card and its issuer agree ---

CARDS = [
    ("mir-chip", CVN18, "issuer-mir"),
    ("mir-chip", CVN10, "issuer-mir"),
    ("visa-chip", CVN10, "issuer-visa"),
]


@pytest.mark.parametrize(("name", "rows", "slot"), CARDS, ids=["mir 18", "mir 10", "visa 10"])
def test_the_card_believes_an_approval_and_a_decline(
    name: str, rows: dict[str, object], slot: str, ledger: Ledger
) -> None:
    host = bank(ledger=ledger)
    good = Payment(1, 1200, name, rows=rows, slot=slot)
    told = host.handle(good.request, kit.NOW)
    assert (told.response_code, good.second(told).cid) == ("00", CryptogramKind.TC)
    dear = Payment(2, kit.balance(host, name) + 1, name, rows=rows, slot=slot)
    told = host.handle(dear.request, kit.NOW)
    second = dear.second(told)
    assert (told.response_code, second.cid) == ("51", CryptogramKind.AAC)
    assert not second.issuer_authentication_failed, "the decline is the issuer's own"
    assert kit.moved(host, name) == -1200


def test_a_contactless_card_is_told_the_code_alone() -> None:
    host = bank()
    told = host.handle(Payment(1, 1200, "mir-contactless", pin="").request, kit.NOW)
    assert told.response_code == "00"
    assert told.icc is not None
    assert told.icc.reveal().hex() == "8a023030"


def test_the_sequence_number_of_de23_is_that_of_the_card() -> None:
    host, payment = bank(), Payment(1)
    card = payment.request.card
    assert card is not None
    other = replace(payment.request, card=replace(card, sequence="02"))
    assert refused(host, other) == "mir-chip: 5F34 is of another card"
    strange = replace(payment.request, stan=2, card=replace(card, sequence="123"))
    assert refused(host, strange) == "mir-chip: a PAN sequence number is two digits"


def test_a_partial_approval_is_answered_with_its_code() -> None:
    rule = '[[rule]]\nname = "half"\napprove_share = 50\noperations = ["purchase"]\n'
    payment = Payment(1)
    told = bank(rule).handle(payment.request, kit.NOW)
    assert (told.response_code, told.amount, payment.second(told).cid) == ("10", 600, CryptogramKind.TC)


def test_what_a_rule_or_a_card_file_declines_is_answered_too() -> None:
    host = bank('[[rule]]\nname = "no"\ncode = "57"\namount_from = 5000\n')
    ruled = Payment(1, 5000)
    told = host.handle(ruled.request, kit.NOW)
    assert (told.response_code, ruled.second(told).issuer_authentication_failed) == ("57", False)
    forced = Payment(2, 1200, "visa-do-not-honour", slot="issuer-visa", rows=CVN10)
    told = host.handle(forced.request, kit.NOW)
    assert (told.response_code, forced.second(told).issuer_authentication_failed) == ("05", False)
    assert (counter(host), counter(host, "visa-do-not-honour")) == (1, 2)


# --- what is not the card's, or not about this payment ---

CHANGES = [
    ("9F02", "000000000100", "mir-chip: field 55: 9F02 is not the amount (DE4)"),
    ("9F02", None, "mir-chip: field 55: 9F02 is not the amount (DE4)"),
    ("5F2A", "0840", "mir-chip: field 55: 5F2A is not the currency (DE49)"),
    ("5F2A", None, "mir-chip: field 55: 5F2A is not the currency (DE49)"),
    ("9A", "261124", "mir-chip: field 55: 9A is not the date (DE13)"),
    ("9A", "261121", "mir-chip: field 55: 9A is not the date (DE13)"),
    ("9A", None, "mir-chip: field 55: 9A is not the date (DE13)"),
    ("9A", "261122", "mir-chip: the cryptogram (9F26) is wrong"),
    ("9F03", "000000000001", "mir-chip: the cryptogram (9F26) is wrong"),
    ("9F1A", "0840", "mir-chip: the cryptogram (9F26) is wrong"),
    ("95", "0000000001", "mir-chip: the cryptogram (9F26) is wrong"),
    ("9C", "20", "mir-chip: the cryptogram (9F26) is wrong"),
    ("9F37", "00000000", "mir-chip: the cryptogram (9F26) is wrong"),
    ("82", "3800", "mir-chip: the cryptogram (9F26) is wrong"),
    ("9F36", "0002", "mir-chip: the cryptogram (9F26) is wrong"),
    ("9F10", "06011203A00001", "mir-chip: the cryptogram (9F26) is wrong"),
    ("9F26", "0000000000000000", "mir-chip: the cryptogram (9F26) is wrong"),
    ("9F26", None, "mir-chip: field 55 has no 9F26"),
    ("9F27", "40", "mir-chip: 9F27 is not that of an ARQC"),
    ("5F34", "02", "mir-chip: 5F34 is of another card"),
]


@pytest.mark.parametrize(
    ("tag", "value", "says"), CHANGES, ids=[f"{tag} {value}" for tag, value, _ in CHANGES]
)
def test_what_was_changed_moves_nothing_and_takes_no_pin_try(tag: str, value: str | None, says: str) -> None:
    payment = Payment(1, pin="9999")
    assert refused(bank(), payment.changed(tag, None if value is None else bytes.fromhex(value))) == says


def test_a_changed_amount_of_the_message_is_found_by_what_the_card_saw() -> None:
    dearer = replace(Payment(1).request, amount=MinorUnits(120_000))
    assert refused(bank(), dearer) == "mir-chip: field 55: 9F02 is not the amount (DE4)"


def test_a_terminal_that_changes_both_amounts_is_found_by_the_cryptogram() -> None:
    both = replace(Payment(1).changed("9F02", bytes.fromhex("000000120000")), amount=MinorUnits(120_000))
    assert refused(bank(), both) == "mir-chip: the cryptogram (9F26) is wrong"


def test_the_cryptogram_of_another_card_or_under_another_key_is_wrong() -> None:
    of_another = replace(Payment(1).request, icc=Payment(1, name="mir-poor").request.icc)
    assert refused(bank(), of_another) == "mir-chip: the cryptogram (9F26) is wrong"
    under_another = Payment(2, slot="issuer-visa").request
    assert refused(bank(), under_another) == "mir-chip: the cryptogram (9F26) is wrong"


JUNK = [
    ("9F26", "mir-chip: offset 0: tag 9F26: its length is missing"),
    ("57059999999999", "mir-chip: field 55: tag 57: may not stand in it"),
    ("9A03261123 9A03261123", "mir-chip: field 55: tag 9A: stands twice"),
]


@pytest.mark.parametrize(("icc", "says"), JUNK, ids=[row[0] for row in JUNK])
def test_a_field_55_that_cannot_be_read_is_declined(icc: str, says: str) -> None:
    request = replace(kit.sale(1, 1200), icc=SecretBytes(bytes.fromhex(icc)))
    assert refused(bank(), request) == says


def test_a_card_that_was_read_before_midnight_is_good_after_it() -> None:
    assert bank().handle(Payment(1, on=TODAY - timedelta(days=1)).request, kit.NOW).response_code == "00"


def test_a_wrong_cryptogram_is_found_before_the_state_of_the_card_is_told() -> None:
    host = bank()
    wrong = Payment(1, name="mir-blocked").changed("9F26", bytes(8))
    assert refused(host, wrong) == "mir-blocked: the cryptogram (9F26) is wrong"
    right = Payment(2, name="mir-blocked")
    told = host.handle(right.request, kit.NOW)
    assert (told.response_code, right.second(told).issuer_authentication_failed) == ("41", False)


# --- the counter ---


def test_the_counter_must_rise_and_may_leap(ledger: Ledger) -> None:
    host = bank(ledger=ledger)
    assert (host.handle(Payment(1, atc=5).request, kit.NOW).response_code, counter(host)) == ("00", 5)
    for stan, atc in ((2, 5), (3, 4), (4, 0)):
        because = refused(host, Payment(stan, atc=atc).request)
        told = f"mir-chip: the card's counter (9F36) says {atc}, it was 5 before"
        assert because == f"{told}: was it copied, or its count lost?"
    again = bank(ledger=ledger)
    assert (again.handle(Payment(5, atc=900).request, kit.NOW).response_code, counter(again)) == ("00", 900)
    assert again.handle(Payment(6, name="mir-poor", atc=1).request, kit.NOW).response_code != "05", (
        "each its own"
    )


def test_a_cryptogram_of_counter_zero_is_good_once() -> None:
    host = bank()
    assert host.handle(Payment(1, atc=0).request, kit.NOW).response_code == "00"
    assert "it was 0 before" in refused(host, Payment(2, atc=0).request)


def test_after_the_highest_counter_it_begins_again(ledger: Ledger) -> None:
    host = bank(ledger=ledger)
    codes = [
        host.handle(Payment(stan, atc=atc).request, kit.NOW).response_code
        for stan, atc in enumerate((65534, 65535, 65535, 0, 1), start=1)
    ]
    assert (codes, counter(host)) == (["00", "00", "05", "05", "00"], 1)


def test_a_declined_payment_counts_and_a_wrong_cryptogram_does_not() -> None:
    host = bank()
    refused(host, Payment(1, atc=9).changed("9F26", bytes(8)))
    assert counter(host) is None
    assert host.handle(Payment(2, kit.balance(host) + 1, atc=7).request, kit.NOW).response_code == "51"
    assert counter(host) == 7
    assert "it was 7 before" in refused(host, Payment(3, atc=7).request)


def test_a_wrong_pin_takes_its_try_and_counts() -> None:
    host, wrong = bank(), Payment(1, pin="9999")
    told = host.handle(wrong.request, kit.NOW)
    account = host.account("mir-chip")
    assert account is not None
    assert (told.response_code, account.pin_tries_left, account.counter) == ("55", 2, 1)
    assert not wrong.second(told).issuer_authentication_failed


def test_the_counter_outlives_money_and_the_reset_of_the_pin() -> None:
    host, payment = bank(), Payment(8)
    host.handle(payment.request, kit.NOW)
    host.reset_pin("mir-chip")
    host.handle(kit.sale(9, 1200), kit.NOW)
    host.handle(kit.reversal(payment.request), kit.NOW)
    assert (counter(host), kit.moved(host)) == (8, -1200)


def test_a_counter_that_is_not_watched_may_repeat() -> None:
    host = bank(counter=Scrutiny.IGNORE)
    codes = [host.handle(Payment(stan, atc=1).request, kit.NOW).response_code for stan in (1, 2)]
    assert codes == ["00", "00"]
    assert refused(host, Payment(3, atc=1).changed("9F26", bytes(8))).endswith("(9F26) is wrong")


# --- the PIN that the chip tells of ---

ONLINE_PIN = CvmResult(CvmOutcome.ONLINE_PIN, 0x42, 3, 0)
TOLD = [
    (Tvr.ONLINE_PIN_ENTERED, bytes.fromhex("3F0000"), True),
    (NO_FINDINGS, bytes.fromhex("420300"), True),
    (NO_FINDINGS, bytes.fromhex("020300"), True),
    (Tvr.CVM_FAILED, bytes.fromhex("020301"), False),
    (Tvr.PIN_NOT_ENTERED, bytes.fromhex("1E0300"), False),
    (NO_FINDINGS, bytes.fromhex("1F0302"), False),
]


@pytest.mark.parametrize(
    ("tvr", "result", "missed"), TOLD, ids=[f"{t.encode().hex()} {r.hex()}" for t, r, _ in TOLD]
)
def test_a_pin_that_was_given_must_have_come(tvr: Tvr, result: bytes, missed: bool) -> None:
    host, payment = bank(), Payment(1, name="mir-contactless", tvr=tvr, pin="")
    told = host.handle(payment.changed("9F34", result), kit.NOW)
    assert told.response_code == ("55" if missed else "00")
    account = host.account("mir-contactless")
    assert account is not None
    assert (account.pin_tries_left, account.counter, told.icc is not None) == (3, 1, True)
    if missed:
        assert (
            told.because == "mir-contactless: field 55 tells of a PIN to be checked here, and none was sent"
        )
        assert kit.moved(host, "mir-contactless") == 0


def test_a_pin_that_came_is_checked_whatever_field_55_tells() -> None:
    host = bank()
    with_pin = Payment(1, tvr=Tvr.ONLINE_PIN_ENTERED)
    assert host.handle(with_pin.changed("9F34", ONLINE_PIN.encode()), kit.NOW).response_code == "00"


# --- whose key, and whether one looks at all ---

NO_KEY = "mir-chip: approved, 9998800 left; the cryptogram is not checked: there is no key of its issuer"


def without(*names: str) -> KeyRing:
    return KeyRing(slot for slot in kit.KEYS.slots() if slot.name not in names)


def test_without_the_issuers_key_the_reason_says_that_nothing_was_proved() -> None:
    host = bank(keys=without("issuer-mir"))
    told = host.handle(Payment(1).changed("9F26", bytes(8)), kit.NOW)
    assert (told.response_code, told.icc, told.because, counter(host)) == ("00", None, NO_KEY, None)


def test_the_rulebook_names_the_key_before_the_beginnings_of_the_keys() -> None:
    issuer = '[[issuer]]\nname = "mir"\nbins = ["220"]\nkey = "issuer-visa"\n'
    host = bank(issuer)
    assert refused(host, Payment(1).request) == "mir-chip: the cryptogram (9F26) is wrong"
    payment = Payment(2, slot="issuer-visa")
    assert payment.second(host.handle(payment.request, kit.NOW)).cid is CryptogramKind.TC


@pytest.mark.parametrize(
    ("slot", "says"), [("issuer-moon", "there is no key"), ("terminal-pin", "is for pin")]
)
def test_a_key_that_the_rulebook_names_must_be_an_issuers(slot: str, says: str) -> None:
    issuer = f'[[issuer]]\nname = "mir"\nbins = ["220"]\nkey = "{slot}"\n'
    with pytest.raises(KeySlotError, match=says):
        bank(issuer)
    assert bank(issuer, arqc=Scrutiny.IGNORE).handle(Payment(1).request, kit.NOW).response_code == "00"


@pytest.mark.parametrize("opener", ["terminal-master", "wrapping-tdes"])
def test_a_bank_does_not_begin_with_an_issuer_key_that_does_not_match_its_check_value(opener: str) -> None:
    """Not only when a card of that issuer pays: that would be in the midst of a payment."""
    sealed = seal_key(kit.KEYS.get("issuer-mir", KeyUsage.ISSUER), kit.KEYS.get(opener), bytes)
    wrong = replace(sealed, kcv="000000", origin="mir.toml")
    ring = KeyRing([*without("issuer-mir").slots(), wrong])
    with pytest.raises(KeySlotError, match=r"^mir\.toml: key slot issuer-mir: kcv: the key does not match"):
        bank(keys=ring)
    assert bank(keys=ring, arqc=Scrutiny.IGNORE).handle(Payment(1).request, kit.NOW).response_code == "00"
    assert (
        bank(keys=KeyRing([*without("issuer-mir").slots(), sealed])).handle(Payment(1).request, kit.NOW).icc
    )


def test_a_bank_that_ignores_field_55_neither_reads_nor_answers_it() -> None:
    host = bank(arqc=Scrutiny.IGNORE)
    told = host.handle(replace(kit.sale(1, 1200), icc=SecretBytes(b"\x9f")), kit.NOW)
    assert (told.response_code, told.icc) == ("00", None)
    assert told.because == "mir-chip: approved, 9998800 left; field 55 is not looked at"


def test_a_chip_payment_without_field_55_is_decided_as_ever() -> None:
    told = bank().handle(kit.sale(1, 1200), kit.NOW)
    assert (told.response_code, told.icc, told.because) == ("00", None, "mir-chip: approved, 9998800 left")


def test_a_chip_card_that_was_swiped_is_a_matter_of_a_row() -> None:
    swiped = kit.sale(1, 1200)
    assert swiped.card is not None
    swiped = replace(swiped, card=replace(swiped.card, entry_mode=EntryMode.MAGSTRIPE))
    assert bank().handle(swiped, kit.NOW).response_code == "00"
    strict = bank(chip_by_stripe=False)
    assert refused(strict, swiped) == "mir-chip: its stripe was read, and it has a chip"
    stripe_only = kit.sale(2, 1200, "mastercard-magstripe", pin="")
    assert strict.handle(stripe_only, kit.NOW).response_code == "00"
    assert strict.handle(kit.sale(3, 1200), kit.NOW).response_code == "00"


ROWS = [
    ("chip__arqc", "sometimes"),
    ("chip__counter", True),
    ("chip__chip_by_stripe", "no"),
    ("chip__atc", "check"),
]


@pytest.mark.parametrize(("row", "value"), ROWS, ids=[row for row, _ in ROWS])
def test_the_rows_of_a_profile_are_checked(row: str, value: object) -> None:
    with pytest.raises(ProfileError, match=row.replace("__", r"\.")):
        profile_kit.changed("generic-ascii", **{row: value})


@pytest.mark.parametrize("name", profile_kit.NAMES)
def test_our_profiles_look_at_field_55_unless_told_otherwise(name: str) -> None:
    """The counters are left alone: pinpads with a state each share our cards."""
    assert profile_kit.load(name).chip == ChipRows(Scrutiny.CHECK, Scrutiny.IGNORE, chip_by_stripe=True)
    changed = profile_kit.changed(
        name, chip__arqc="ignore", chip__counter="check", chip__chip_by_stripe=False
    )
    assert changed.chip == ChipRows(Scrutiny.IGNORE, Scrutiny.CHECK, chip_by_stripe=False)


# --- repeats, reversals, followers ---


@pytest.mark.parametrize("amount", [1200, 99_999_999], ids=["approved", "declined"])
def test_the_same_request_gets_the_same_field_55(amount: int, ledger: Ledger) -> None:
    payment = Payment(1, amount)
    told = bank(ledger=ledger).handle(payment.request, kit.NOW)
    again = bank(ledger=ledger, keys=without("issuer-mir"))
    assert told.icc is not None
    assert again.handle(payment.request, kit.NOW + timedelta(seconds=9)) == told


def test_the_same_stan_with_another_cryptogram_is_another_request() -> None:
    host, payment = bank(), Payment(1)
    host.handle(payment.request, kit.NOW)
    for other in (
        payment.changed("9F26", bytes(8)),
        Payment(1, atc=2).request,
        replace(payment.request, icc=None),
    ):
        told = host.handle(other, kit.NOW)
        assert (told.response_code, told.icc) == ("94", None)
    assert (kit.moved(host), counter(host)) == (-1200, 1)


def test_a_reversal_gives_the_money_back_whatever_its_field_55_says(ledger: Ledger) -> None:
    host, payment = bank(ledger=ledger), Payment(1)
    host.handle(payment.request, kit.NOW)
    undone = replace(kit.reversal(payment.request), icc=SecretBytes(b"\x9f"))
    told = host.handle(undone, kit.NOW)
    assert (told.response_code, told.icc, kit.moved(host), counter(host)) == ("00", None, 0, 1)
    late = host.handle(payment.request, kit.NOW)
    assert (late.response_code, late.icc) == ("05", None)


def test_a_reversal_that_comes_first_leaves_no_counter() -> None:
    host, payment = bank(), Payment(1)
    host.handle(kit.reversal(payment.request), kit.NOW)
    told = host.handle(payment.request, kit.NOW)
    assert (told.response_code, told.icc, kit.moved(host), counter(host)) == ("05", None, 0, None)


def following(told: AuthorizationAnswer, paid: Payment, payment: Payment) -> AuthorizationRequest:
    return replace(
        payment.request,
        transaction=Transaction.VOID,
        original=Original(None, paid.request.stan, kit.NOW, told.rrn, told.authorization_code),
    )


def test_what_follows_is_proved_like_the_rest() -> None:
    host, paid = bank(), Payment(1)
    told = host.handle(paid.request, kit.NOW)
    wrong = replace(following(told, paid, Payment(2)), icc=Payment(2).changed("9F26", bytes(8)).icc)
    assert refused(host, wrong) == "mir-chip: the cryptogram (9F26) is wrong"
    void = Payment(3)
    undone = host.handle(following(told, paid, void), kit.NOW)
    assert (undone.response_code, void.second(undone).cid, kit.moved(host)) == ("00", CryptogramKind.TC, 0)
    assert counter(host) == 3


def test_an_original_that_is_not_found_leaves_no_counter() -> None:
    host, payment = bank(), Payment(1)
    lost = replace(payment.request, transaction=Transaction.VOID, original=Original(None, 77, kit.NOW))
    assert refused(host, lost, "25") == "the original is not known"


# --- over the wire ---

EVERY: list[Callable[[Payment], AuthorizationRequest]] = [
    lambda payment: payment.request,
    lambda payment: payment.changed("9F26", bytes(8)),
]


@pytest.mark.parametrize("name", profile_kit.NAMES)
def test_every_host_carries_question_and_answer(name: str) -> None:
    line = profile_kit.Line(profile_kit.load(name))
    codes = []
    for stan, ask in enumerate(EVERY, start=1):
        payment = Payment(stan)
        answer = line.send(line.message(ask(payment), pin="1234"))
        codes.append(answer.response_code)
        if answer.icc is not None:
            assert payment.second(answer).cid is CryptogramKind.TC
    assert codes == ["00", "05"]


def test_a_host_of_three_digits_says_100_to_a_wrong_cryptogram() -> None:
    line = profile_kit.Line(profile_kit.load("tbank-style"))
    assert line.profile.wire.responses.to_host("05", "financial") == "100"
    assert line.ask(Payment(1).changed("9F26", bytes(8)), pin="1234") == "05"
    assert line.exchange is not None
    assert kit.moved(line.bank) == 0


def test_nothing_of_it_shows_a_card_number_or_a_key() -> None:
    payment, keys = Payment(1), kit.KEYS
    host = bank()
    told = host.handle(payment.request, kit.NOW)
    refusal = host.handle(Payment(2).changed("9F26", bytes(8)), kit.NOW)
    shown = f"{payment.request}{told}{refusal}".upper()
    card = payment.request.card
    assert card is not None
    for secret in (
        card.pan,
        keys.get("issuer-mir").value.reveal().hex().upper(),
        payment.made.ac.hex().upper(),
    ):
        assert secret not in shown


# --- a cardholder who could not be verified ---

HOLDER = [
    (NO_FINDINGS, "1F0302", "00"),
    (NO_FINDINGS, "1E0300", "00"),
    (NO_FINDINGS, "1E0301", "55"),
    (NO_FINDINGS, "3F0001", "55"),
    (NO_FINDINGS, "000001", "55"),
    (Tvr.CVM_FAILED, "1F0302", "55"),
    (Tvr.CVM_FAILED, "000001", "55"),
    (Tvr.PIN_PAD_MISSING | Tvr.CVM_FAILED, "010301", "55"),
    (Tvr.PIN_PAD_MISSING, "1F0302", "00"),
]


@pytest.mark.parametrize(
    ("tvr", "result", "code"), HOLDER, ids=[f"{t.encode().hex()} {r}" for t, r, _ in HOLDER]
)
def test_a_proof_that_the_cardholder_failed_spares_no_pin(tvr: Tvr, result: str, code: str) -> None:
    """mir-chip asks for its PIN always, and a proved cryptogram spares it where card and terminal agreed."""
    host, payment = bank(), Payment(1, tvr=tvr, pin="")
    told = host.handle(payment.changed("9F34", bytes.fromhex(result)), kit.NOW)
    assert (told.response_code, kit.moved(host)) == (code, -1200 if code == "00" else 0)
    account = host.account("mir-chip")
    assert account is not None
    assert (account.pin_tries_left, account.counter) == (3, 1), "no try was taken"
    assert not payment.second(told).issuer_authentication_failed
    if code != "00":
        assert told.because == "mir-chip: a PIN is needed and none was sent"


def test_a_pin_that_came_is_checked_whatever_the_terminal_says() -> None:
    host = bank()
    assert host.handle(Payment(1, tvr=Tvr.CVM_FAILED).request, kit.NOW).response_code == "00"
    assert host.handle(Payment(2, tvr=Tvr.CVM_FAILED, pin="9999").request, kit.NOW).response_code == "55"


def test_the_answer_to_a_cardholder_who_failed_is_a_row_of_the_profile() -> None:
    host = Bank(replace(kit.PROFILE, pin_missing="05"), tuple(kit.CARDS.values()), MemoryLedger(), kit.KEYS)
    told = host.handle(Payment(1, tvr=Tvr.CVM_FAILED, pin="").request, kit.NOW)
    assert (told.response_code, kit.moved(host)) == ("05", 0)
