"""The rules of money: every function against its whole truth table, written out a second time."""

from dataclasses import replace
from itertools import product

import pytest
from terminal_kit import KEPT

from smartsale_emu.terminal.events import FinalFate
from smartsale_emu.terminal.memory import LastOperation, ReversedBy
from smartsale_emu.terminal.money import (
    BankVerdict,
    Fate,
    ReversalRequest,
    ReversalVerdict,
    SettlementVerdict,
    bank_verdict,
    fate_of_final,
    reversal_request,
    reversal_verdict,
    settlement_verdict,
)
from smartsale_emu.terminal.operations import Name
from smartsale_emu.terminal.profile import AlreadyReversed, OnEot
from smartsale_emu.units import MinorUnits

TWO_DIGITS = [f"{number:02d}" for number in range(100)]
THREE_DIGITS = [f"{number:03d}" for number in range(1000)]
CODES = [*TWO_DIGITS, *THREE_DIGITS, "", "A0", "Z3", "0", "0000", "٠٠"]


@pytest.mark.parametrize("code", ["00", "000"])
def test_these_codes_and_no_others_approve(code: str) -> None:
    assert bank_verdict(code) is BankVerdict.APPROVED
    assert [other for other in CODES if bank_verdict(other) is BankVerdict.APPROVED] == ["00", "000"]


def test_other_approvals_are_of_no_use_and_everything_else_declines() -> None:
    """A part or a condition is not what was asked: money may have moved, so it is undone."""
    unusable = {code for code in CODES if bank_verdict(code) is BankVerdict.UNUSABLE}
    conditional = {"08", "10", "11", "16", "32", "85", "87"}
    assert unusable == conditional | {f"{number:03d}" for number in range(1, 100)}
    named = {"05", "12", "14", "41", "51", "54", "61", "75", "91", "96", "100", "116", "907", ""}
    assert all(bank_verdict(code) is BankVerdict.DECLINED for code in named)


def test_these_codes_and_no_others_mean_a_wrong_pin() -> None:
    assert [code for code in CODES if bank_verdict(code) is BankVerdict.WRONG_PIN] == ["55", "117"]


def test_what_ends_a_reversal() -> None:
    """Section 0.3: 00, 000, 400 and 25, 914 end it; 91, 96, 30, a wrong MAC: tried again; else an alarm."""
    ends = {code for code in CODES if reversal_verdict(code) is ReversalVerdict.ENDED}
    retried = {code for code in CODES if reversal_verdict(code) is ReversalVerdict.RETRY}
    assert ends == {"00", "000", "400", "25", "914"}
    assert retried == {"91", "907", "96", "909", "30", "904", "A0", "916"}
    assert all(
        reversal_verdict(code) is ReversalVerdict.ALARM for code in CODES if code not in ends | retried
    )


def test_what_an_answer_to_totals_means() -> None:
    """Section 0.3: 95/501 differ, what is retried for a reversal is retried here, all else refuses."""
    expected = {
        SettlementVerdict.AGREED: {"00", "000", "500"},
        SettlementVerdict.DIFFERS: {"95", "501"},
        SettlementVerdict.RETRY: {"91", "907", "96", "909", "30", "904", "A0", "916"},
    }
    for verdict, codes in expected.items():
        assert {code for code in CODES if settlement_verdict(code) is verdict} == codes
    named = {"05", "12", "25", "914", ""}
    assert all(settlement_verdict(code) is SettlementVerdict.REFUSED for code in named)


FATES = {
    # the fate of the answer, final_eot_first, final_eot_repeat
    (FinalFate.ACKED, "*", "*"): Fate.KEEP,
    (FinalFate.EOT_TO_FIRST, "reverse", "*"): Fate.REVERSE,
    (FinalFate.EOT_TO_FIRST, "keep", "*"): Fate.KEEP_IN_DOUBT,
    (FinalFate.EOT_TO_REPEAT, "*", "keep"): Fate.KEEP_IN_DOUBT,
    (FinalFate.EOT_TO_REPEAT, "*", "reverse"): Fate.REVERSE,
}


@pytest.mark.parametrize(("fate", "first", "repeat"), list(product(FinalFate, OnEot, OnEot)), ids=str)
def test_fate_of_the_final_answer(fate: FinalFate, first: OnEot, repeat: OnEot) -> None:
    expected = [
        outcome
        for (row, of_first, of_repeat), outcome in FATES.items()
        if row is fate and of_first in ("*", first.value) and of_repeat in ("*", repeat.value)
    ]
    assert [fate_of_final(fate, eot_first=first, eot_repeat=repeat)] == (expected or [Fate.REVERSE])


BOOLEANS = (False, True)


SALE = LastOperation(
    operation=Name.SALE,
    number=1,
    request=KEPT,
    status=1,
    rrn="632709000007",
    authorization_code="123456",
)
R = ReversalRequest


def expected_53(last: LastOperation, amount: int | None, rule: AlreadyReversed) -> ReversalRequest:
    """Section 0.4, sentence by sentence."""
    if last.status != 1:
        return R.REFUSE_STATUS  # when 39 of it was not 1
    if last.operation is Name.VOID:
        return R.REFUSE_VOID  # when the candidate is a void
    if amount not in (None, last.request.amount):
        return R.REFUSE_AMOUNT  # when a given amount differs from its amount
    if last.reversed_by in (ReversedBy.PINPAD, ReversedBy.REGISTER) and last.told:
        return R.REFUSE_DONE  # its answer was acknowledged: nothing is left to reverse
    if last.reversed_by is ReversedBy.REGISTER:
        return R.ALREADY_BY_REGISTER  # the same 53 again after its answer was lost: 39 = 1 again
    if last.reversed_by is ReversedBy.PINPAD:
        return R.REFUSE_BY_PINPAD if rule is AlreadyReversed.REFUSE else R.ALREADY_BY_PINPAD
    return R.SEND


@pytest.mark.parametrize("reversed_by", ReversedBy)
@pytest.mark.parametrize("status", [0, 1, 2, 13, 16, 17, 34, 53])
@pytest.mark.parametrize("operation", Name)
def test_operation_53(operation: Name, status: int, reversed_by: ReversedBy) -> None:
    for told, rule, amount in product(BOOLEANS, AlreadyReversed, (None, 1200, 1201, 12, 120000)):
        last = replace(SALE, operation=operation, status=status, reversed_by=reversed_by, told=told)
        given = None if amount is None else MinorUnits(amount)
        assert reversal_request(last, given, already_reversed=rule) is expected_53(last, amount, rule)


@pytest.mark.parametrize("reversed_by", ReversedBy)
@pytest.mark.parametrize("rrn", ["", "0", "000000000000", "-1", SALE.rrn, "632709000006"])
@pytest.mark.parametrize("code", ["", "0", "000000", "-1", SALE.authorization_code, "654321"])
def test_operation_53_that_names_an_operation(rrn: str, code: str, reversed_by: ReversedBy) -> None:
    """Document, 2.4, note: not for an operation that is not the last one."""
    last, rule = replace(SALE, reversed_by=reversed_by), AlreadyReversed.APPROVE
    said = reversal_request(last, None, already_reversed=rule, rrn=rrn, authorization_code=code)
    other = rrn == "632709000006" or code == "654321"
    assert said is (R.REFUSE_OTHER if other else expected_53(last, None, rule))


@pytest.mark.parametrize("rule", AlreadyReversed)
@pytest.mark.parametrize("amount", [None, 1200])
def test_nothing_to_reverse(amount: int | None, rule: AlreadyReversed) -> None:
    given = None if amount is None else MinorUnits(amount)
    assert reversal_request(None, given, already_reversed=rule) is R.REFUSE_NONE
