"""What the ledger says about bank and pinpad: every way in which they can differ is a sentence (0.3)."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from smartsale_emu.host.ledger import BatchKey, Claim, ClosedBatch, Operation, OperationKey, OperationState
from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.totals import Tally, Totals
from smartsale_emu.scenario.agreement import Agreement, compare
from smartsale_emu.terminal.journal import Entry, EntryState, Journal
from smartsale_emu.terminal.kept import KeptRequest
from smartsale_emu.terminal.memory import LastOperation, Memory, Pending, Remark, ReversedBy, Stage
from smartsale_emu.terminal.operations import Name
from smartsale_emu.units import RUB, MinorUnits

TERMINAL, MERCHANT = "00060056", "111111111"
NOON = datetime(2026, 11, 23, 12, 0, 0)
RRN, CODE = "632712000007", "314159"


def kept_request(stan: int = 7, amount: int = 1200) -> KeptRequest:
    return KeptRequest(
        transaction=Transaction.PURCHASE,
        terminal_id=TERMINAL,
        merchant_id=MERCHANT,
        stan=stan,
        sent_at=NOON.isoformat(),
        amount=amount,
        currency=RUB,
        masked_pan="220138******0013",
        sealed_pan="",
        expiry="3012",
        sequence="",
        entry_mode=EntryMode.CHIP,
        pin_capable=True,
        batch=1,
    )


def entry(number: int = 1, *, state: EntryState = EntryState.KEPT, amount: int = 1200) -> Entry:
    return Entry(number, Name.SALE, state, kept_request(6 + number, amount), rrn=RRN, authorization_code=CODE)


def row(stan: int = 7, *, state: OperationState = OperationState.APPROVED, batch: int = 1) -> Operation:
    return Operation(
        key=OperationKey(TERMINAL, MERCHANT, stan, NOON),
        step=Step.FINANCIAL,
        transaction=Transaction.PURCHASE,
        amount=MinorUnits(1200),
        currency=RUB,
        card_masked="220138******0013",
        account="mir-contactless",
        content="",
        state=state,
        response_code="00",
        rrn=RRN,
        authorization_code=CODE,
        received_at=NOON,
        because="",
        batch=batch,
        effect=-1200,
    )


def closed(number: int) -> ClosedBatch:
    totals = Totals(debit=Tally(1, 1200))
    return ClosedBatch(BatchKey(TERMINAL, MERCHANT, number), totals, totals, "00", NOON, "")


def memory(*entries: Entry, day: int = 1) -> Memory:
    return Memory(terminal_id=TERMINAL, day=day, journal=Journal().plus(entries))


def said(rows: list[Operation], pinpad: Memory, *batches: ClosedBatch) -> Agreement:
    return compare(rows, batches, pinpad, terminal_id=TERMINAL)


def test_what_both_hold_is_agreed() -> None:
    assert said([row()], memory(entry())) == Agreement(agree=True, disagreements=(), notes=())


@pytest.mark.parametrize("state", [OperationState.DECLINED, OperationState.REVERSED])
def test_what_neither_counts_is_agreed(state: OperationState) -> None:
    assert said([row(state=state)], memory(entry(state=EntryState.UNDONE))).agree
    assert said([row(state=state)], memory(entry(state=EntryState.TOLD))).agree
    assert said([row(state=state)], memory()).agree


@pytest.mark.parametrize(
    ("rows", "holds"),
    [
        ([], "the bank has never heard of it"),
        ([row(state=OperationState.REVERSED)], "the bank has it as reversed"),
        ([row(state=OperationState.DECLINED)], "the bank has it as declined"),
    ],
    ids=["unknown", "reversed", "declined"],
)
def test_what_only_the_pinpad_holds(rows: list[Operation], holds: str) -> None:
    assert said(rows, memory(entry())).disagreements == (f"the pinpad keeps STAN 7 of 12.00, {holds}",)


@pytest.mark.parametrize("state", [None, EntryState.UNDONE, EntryState.TOLD])
def test_what_only_the_bank_holds(state: EntryState | None) -> None:
    pinpad = memory(entry(state=state)) if state else memory()
    assert said([row()], pinpad).disagreements == (
        "the bank holds STAN 7 of 12.00 as approved, the pinpad does not keep it",
    )


def test_what_the_pinpad_has_undone_and_the_bank_has_not() -> None:
    last = LastOperation(Name.SALE, 1, kept_request(), 53, RRN, CODE, reversed_by=ReversedBy.REFUSED)
    pinpad = replace(memory(entry(state=EntryState.UNDONE)), last=last)
    (sentence,) = said([row()], pinpad).disagreements
    assert sentence.endswith("the pinpad has it as undone (refused)")


def test_the_same_operation_with_another_content() -> None:
    pinpad = memory(entry(amount=1300))
    assert said([row()], pinpad).disagreements == ("STAN 7 of 13.00 is one of 12.00 for the bank",)
    other = replace(row(), rrn="632712999999")
    assert said([other], memory(entry())).disagreements == (
        "STAN 7 of 12.00 has another RRN or authorization code at the bank",
    )


def test_a_stan_that_came_round_again_is_another_operation() -> None:
    earlier = row(state=OperationState.REVERSED)
    earlier = replace(earlier, key=replace(earlier.key, sent_at=NOON - timedelta(days=9)))
    assert said([earlier, row()], memory(entry())).agree
    assert not said([earlier], memory(entry())).agree


def test_what_is_being_undone_is_a_note_and_no_disagreement() -> None:
    pending = Pending(Name.SALE, kept_request(), Stage.REVERSING, "the register left", attempts=1)
    for rows, holds in (([row()], "has it as approved"), ([], "has never heard of it")):
        agreement = said(rows, replace(memory(), pending=pending))
        assert agreement.agree
        sentence = f"unfinished: STAN 7 of 12.00 (reversing: the register left); the bank {holds}"
        assert agreement.notes == (sentence,)


def test_a_kept_operation_that_the_register_reverses_is_left_out_on_both_sides() -> None:
    pending = Pending(Name.SALE, kept_request(), Stage.REVERSING, "operation 53", by_register=True)
    for rows in ([row()], [row(state=OperationState.REVERSED)]):
        assert said(rows, replace(memory(entry()), pending=pending)).agree


def test_a_settlement_that_is_owed_is_a_note() -> None:
    agreement = said([row()], replace(memory(entry()), settling="no answer yet"))
    assert agreement.agree
    assert agreement.notes == ("unfinished: the settlement of batch 1: no answer yet",)


def test_a_day_that_only_the_pinpad_has_closed_is_a_disagreement() -> None:
    pinpad = memory(day=2)
    assert said([row()], pinpad).disagreements == (
        "the bank has not closed batch 1; for the pinpad the open one is 2",
    )
    assert said([row()], pinpad, closed(1)).agree


def test_a_day_that_only_the_bank_has_closed_is_a_disagreement() -> None:
    """Every operation would be declined; no disagreement while the pinpad knows that the answer is due."""
    assert said([row()], memory(entry()), closed(1)).disagreements == (
        "the bank has closed batch 1; for the pinpad it is the open one",
    )
    assert said([row()], replace(memory(entry()), settling="no answer yet"), closed(1)).agree
    other = replace(closed(1), key=replace(closed(1).key, terminal_id="00060057"))
    assert said([row()], memory(entry()), other).agree


def test_what_a_batch_was_closed_without_is_noted() -> None:
    surplus = replace(row(), claim=Claim.UNCLAIMED)
    agreement = said([surplus], memory(day=2), closed(1))
    assert agreement.agree
    assert agreement.notes == ("the bank holds STAN 7 of 12.00 in batch 1, which was closed without it",)


def test_remarks_come_last_and_disagree_with_nobody() -> None:
    pinpad = replace(memory(entry()), remarks=(Remark("doubt", 7, "the register may believe 39 = 1"),))
    agreement = said([row()], pinpad)
    assert (agreement.agree, agreement.notes) == (True, ("doubt: STAN 7: the register may believe 39 = 1",))


def test_another_terminal_and_what_is_no_money_are_left_out() -> None:
    other = replace(row(), key=replace(row().key, terminal_id="00060057"))
    balance = replace(row(8), transaction=Transaction.BALANCE, batch=0, amount=MinorUnits(0))
    assert said([other, balance], memory()).agree


def test_the_day_is_compared_whole() -> None:
    pinpad = memory(entry(1), entry(2), entry(3))
    assert len(said([row(7), row(10)], pinpad).disagreements) == 3, (
        "two unknown to the bank, one to the pinpad"
    )
