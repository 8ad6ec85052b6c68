"""The bank profile: ours is whole, and a wrong one is refused by file and key."""

import bank_kit as kit
import pytest

from smartsale_emu.errors import ProfileError
from smartsale_emu.host.fields import FIELDS, ascii_spec, well_formed
from smartsale_emu.host.profile import BankProfile, MessageKind
from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.profile_rows import Mark

TEXT = kit.PROFILE_FILE.read_text(encoding="utf-8")


def test_ours_reads_whole() -> None:
    profile = kit.PROFILE
    assert profile.messages[MessageKind.REVERSAL].repeat == "0401"
    assert profile.messages[MessageKind.FINANCIAL].repeat == "0200"
    assert profile.marks["codes.reversal_of_unknown"] is Mark.ASSUMED


WRONG = {
    "wire.framing": ('value = "2B"', 'value = "4A"'),
    "wire.field_table": ('value = "ascii"', 'value = "bcd"'),
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
    assert set(ascii_spec()) == {"h", "t", "p", "1"} | {str(number) for number in FIELDS}
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
