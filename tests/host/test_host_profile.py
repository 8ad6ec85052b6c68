"""The bank profile: ours is whole, and a wrong one is refused by file and key."""

import re

import bank_kit as kit
import profile_kit
import pytest

from smartsale_emu.errors import ProfileError
from smartsale_emu.host.fields import FIELDS, well_formed
from smartsale_emu.host.framing import Framing
from smartsale_emu.host.packing import Packing, field_rows, field_spec
from smartsale_emu.host.profile import BankProfile, MessageKind
from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.profile_rows import Mark
from smartsale_emu.security.mac import MacAlgorithm
from smartsale_emu.security.protection import MacRule

TEXT = kit.PROFILE_FILE.read_text(encoding="utf-8")


def test_ours_reads_whole() -> None:
    profile = kit.PROFILE
    assert profile.messages[MessageKind.REVERSAL].repeat == "0401"
    assert profile.messages[MessageKind.FINANCIAL].repeat == "0200"
    assert profile.marks["codes.reversal_of_unknown"] is Mark.ASSUMED


WRONG = {
    "wire.framing": ('value = "2B"', 'value = "3B"'),
    "wire.field_table": ('value = "ascii"', 'value = "ebcdic"'),
    "wire.nii": ('nii = { value = "001"', 'nii = { value = "01"'),
    "financial.request": ('value = "0200"', 'value = "20"'),
    "financial.answer_fields": ("value = [3, 4, 7, 11", "value = [3, 4, 7, 200"),
    "reversal.repeat": ("repeat =", "repaet ="),
    "processing.return": ('return = { value = "200000"', 'return = { value = "000000"'),
    "processing.completion": ('completion = { value = "advice"', 'completion = { value = "authorization"'),
    "processing.raise": ('value = "020000", mark = "assumed"', 'value = "000000", mark = "assumed"'),
    "processing.cash": ('cash = { value = "010000"', 'cash = { value = "01000"'),
    "carried_by.purchase": ('purchase = { value = "financial"', 'purchase = { value = "network"'),
    "carried_by.echo": ('echo = { value = "network"', 'echo = { value = "financial"'),
    "carried_by.closing": ('closing = { value = "reconciliation"', 'closing = { value = "postcard"'),
    "authorization.request": ('value = "0100"', 'value = "0200"'),
    "upload.answer": ('value = "0330"', 'value = "0510"'),
    "codes.in_balance": ('in_balance = { value = "00"', 'in_balance = { value = "95"'),
    "rules.partial_void": ("partial_void = { value = true", 'partial_void = { value = "yes"'),
    "rules.surplus_at_closing": ('value = "accept"', 'value = "perhaps"'),
    "entry_mode.chip": ('chip = { value = "05"', 'chip = { value = "07"'),
    "codes.reversal_of_unknown": ('unknown = { value = "25"', 'unknown = { value = "250"'),
    "codes.late_original": ('late_original = { value = "05"', 'late_original = { value = "00"'),
    "wire.track2": ('track2 = { value = "characters"', 'track2 = { value = "left-0"'),
    "wire.currency": ('currency = { value = "characters"', 'currency = { value = "packed"'),
    "wire.response_code": ('response_code = { value = "characters"', 'response_code = { value = "packed"'),
    "wire.response_code_length": ("response_code_length = { value = 2", "response_code_length = { value = 4"),
    "response_codes.00": ("response_code_length = { value = 2", "response_code_length = { value = 3"),
    "wire.bitmap": ('bitmap = { value = "binary"', 'bitmap = { value = "octal"'),
    "wire.time": ('time = { value = "hhmmss"', 'time = { value = "hhmm"'),
    "wire.element_24": ('element_24 = { value = "nii"', 'element_24 = { value = "other"'),
    "wire.answer_repeats_time": (
        "answer_repeats_time = { value = true",
        'answer_repeats_time = { value = "yes"',
    ),
    "function_code.echo": ('echo = { value = "831"', 'echo = { value = "83"'),
    "places.batch": ("follows = { value = 61", "follows = { value = 62"),
    "places.told": ("told = { value = 60", "told = { value = 41"),
    "pin.field": ("field = { value = 52", "field = { value = 35"),
    "pin.ksn_field": ("ksn_field = { value = 0", "ksn_field = { value = 52"),
    "mac.algorithm": ('algorithm = { value = "none"', 'algorithm = { value = "crc"'),
    "mac.size": ("size = { value = 8", "size = { value = 3"),
    "mac.request_fields": ('input = { value = "message"', 'input = { value = "fields"'),
    "mac.answer_fields": ("answer_fields = { value = []", "answer_fields = { value = [11, 64]"),
    "codes.typo": ("[codes]", '[codes]\ntypo = { value = "1", mark = "assumed", source = "" }'),
    "codes.pin_missing": (
        'pin_missing = { value = "55", mark = "assumed"',
        'pin_missing = { value = "55", mark = "sure"',
    ),
}


@pytest.mark.parametrize(("good", "bad", "key"), [(*parts, key) for key, parts in WRONG.items()], ids=WRONG)
def test_a_wrong_profile_is_refused_by_file_and_key(good: str, bad: str, key: str) -> None:
    assert TEXT.count(good) >= 1
    with pytest.raises(ProfileError) as caught:
        BankProfile.parse(TEXT.replace(good, bad, 1), "mine.toml")
    assert str(caught.value).startswith(f"mine.toml: {key}")


def test_a_declining_code_may_not_approve() -> None:
    with pytest.raises(ProfileError, match=r"codes\.pin_missing: must be a code that declines"):
        BankProfile.parse(
            TEXT.replace('pin_missing = { value = "55"', 'pin_missing = { value = "10"', 1), "mine.toml"
        )


def test_what_cannot_be_told_apart_is_named_by_both_names() -> None:
    wrong = TEXT.replace('cash = { value = "010000"', 'cash = { value = "000000"', 1)
    says = r"mine\.toml: processing\.cash: cannot be told from purchase"
    with pytest.raises(ProfileError, match=says):
        BankProfile.parse(wrong, "mine.toml")


def test_a_host_that_repeats_reversals_unchanged() -> None:
    profile = BankProfile.parse(TEXT.replace('"0401"', '"0400"', 1), "mine.toml")
    assert profile.messages[MessageKind.REVERSAL].repeat == "0400"


@pytest.mark.parametrize("name", profile_kit.NAMES)
def test_a_function_code_tells_the_kind_of_a_message(name: str) -> None:
    profile = profile_kit.load(name)
    kinds: dict[str, set[MessageKind]] = {}
    for transaction, kind in profile.carried_by.items():
        kinds.setdefault(profile.wire.function_codes[transaction], set()).add(kind)
    for kind in (MessageKind.REVERSAL, MessageKind.UPLOAD):
        kinds.setdefault(profile.wire.function_codes[kind], set()).add(kind)
    assert {len(sharing) for sharing in kinds.values()} == {1}
    assert set.union(*kinds.values()) == set(MessageKind)


def test_a_message_kind_hangs_on_the_transaction() -> None:
    kind = kit.PROFILE.kind
    assert kind(Step.FINANCIAL, Transaction.CASH) is MessageKind.FINANCIAL
    assert kind(Step.FINANCIAL, Transaction.RAISE) is MessageKind.AUTHORIZATION
    assert kind(Step.FINANCIAL, Transaction.COMPLETION) is MessageKind.ADVICE
    assert kind(Step.REVERSAL, Transaction.COMPLETION) is MessageKind.REVERSAL
    assert {kind.step for kind in MessageKind} == set(Step)


def test_a_new_bank_is_data() -> None:
    profile = BankProfile.parse(
        TEXT.replace('nii = { value = "001"', 'nii = { value = "200"', 1), "mine.toml"
    )
    assert profile.nii == "200"


def test_the_field_table_is_that_of_the_standard() -> None:
    assert set(FIELDS) == set(range(2, 129)) - {65}
    assert set(field_spec(Packing(), field_rows(Packing()))) == {"h", "t", "p", "1"} | {
        str(number) for number in FIELDS
    }
    assert (FIELDS[35].length, FIELDS[35].prefix, FIELDS[48].prefix, FIELDS[90].length) == (37, 2, 3, 42)


KINDS = [
    (11, "000123", True),
    (11, "00012", False),
    (11, "٠٠٠١٢٣", False),
    (38, "31415 ", True),
    (38, "31415-", False),
    (41, "0006\x0056", False),
    (35, "2200123456789019D30122010", True),
    (35, "2200123456789019=30D2", False),
    (52, "B64B7ABE2B16BDBC", True),
    (52, "B64B7ABE2B16BD", False),
    (2, "", False),
]


@pytest.mark.parametrize(("number", "value", "good"), KINDS)
def test_contents_are_checked_by_kind(number: int, value: str, good: bool) -> None:
    assert well_formed(number, value) is good


TPDUS = ["", "60000100", "6100010000", "60000100zz", "60000100000000", "60 00010000"]


@pytest.mark.parametrize("tpdu", TPDUS)
def test_a_tpdu_is_ten_hexadecimal_digits_that_begin_with_60(tpdu: str) -> None:
    with pytest.raises(ProfileError, match=r"wire\.tpdu: must be ten"):
        profile_kit.changed("nac-bcd", wire__tpdu=tpdu)
    assert not profile_kit.changed("generic-ascii", wire__tpdu=tpdu).wire.framing.tpdu, "not asked for"


CONTRADICTIONS: list[tuple[dict[str, object], str]] = [
    ({"pin__field": 62}, "places.batch"),
    ({"pin__field": 53, "pin__ksn_field": 53}, "places.batch"),
    ({"mac__algorithm": "aes-cmac", "mac__padding": 2}, "mac.padding"),
    ({"response_codes__51": "116"}, "response_codes.51: must be a response code of 2"),
    ({"response_codes__51": "00"}, "response_codes.51: approves on one side only"),
    ({"response_codes__00": "51"}, "response_codes.00: approves on one side only"),
    ({"response_codes__00": "10"}, "response_codes.00: approves on one side only"),
    ({"response_codes__00-postcard": "00"}, "response_codes.00-postcard: must be a code"),
    ({"response_codes__5": "51"}, "response_codes.5: must be a code"),
]


@pytest.mark.parametrize(("rows", "says"), CONTRADICTIONS, ids=[row[1] for row in CONTRADICTIONS])
def test_rows_that_contradict_each_other_are_refused(rows: dict[str, object], says: str) -> None:
    with pytest.raises(ProfileError, match=re.escape(f"mine.toml: {says}")):
        profile_kit.changed("generic-ascii", **rows)


def test_a_long_code_is_needed_for_each_word_of_the_bank() -> None:
    with pytest.raises(ProfileError, match=r"response_codes\.07: is missing"):
        profile_kit.changed("tbank-style", codes__late_original="07")


@pytest.mark.parametrize("name", profile_kit.NAMES)
def test_every_row_of_every_profile_is_marked(name: str) -> None:
    profile = profile_kit.load(name)
    assert profile.marks["wire.framing"] in Mark
    assert set(profile.marks.values()) == set(Mark)


def test_the_three_profiles_differ_where_they_say() -> None:
    ascii_, nac, tbank = (profile_kit.load(name).wire for name in ("generic-ascii", "nac-bcd", "tbank-style"))
    assert (ascii_.framing.framing, ascii_.mac, ascii_.packing) == (Framing.TWO_BYTES, None, Packing())
    assert nac.framing.tpdu.hex() == "6000010000"
    assert nac.mac is not None
    assert (nac.mac.rule, nac.mac.request_fields) == (MacRule(MacAlgorithm.RETAIL), None)
    assert tbank.pin_field == 61
    assert tbank.mac is not None
    assert tbank.mac.request_fields is not None
    assert tbank.mac.answer_fields is not None
    assert 55 in tbank.mac.request_fields - tbank.mac.answer_fields
