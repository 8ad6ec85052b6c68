"""The journal of the day: totals and what is left are worked out from the entries (section 0.5)."""

from dataclasses import replace

import pytest
from terminal_kit import ENTRY, KEPT

from smartsale_emu.payment.totals import Tally, Totals
from smartsale_emu.payment.transaction import Transaction
from smartsale_emu.terminal.journal import Entry, EntryState, Journal
from smartsale_emu.terminal.operations import Name


def entry(
    number: int, operation: Name, amount: int, follows: int = 0, state: EntryState = EntryState.KEPT
) -> Entry:
    """Return an entry whose RRN is its number; ``follows``: the number of its original."""
    return replace(
        ENTRY,
        number=number,
        operation=operation,
        state=state,
        request=replace(KEPT, amount=amount),
        rrn=str(number),
        authorization_code=str(number * 10),
        follows=str(follows) if follows else "",
    )


@pytest.mark.parametrize(
    ("first", "followers", "left"),
    [
        (Name.SALE, [], 1000),
        (Name.SALE, [entry(2, Name.VOID, 300, 1)], 700),
        (Name.SALE, [entry(2, Name.VOID, 300, 1), entry(3, Name.RETURN, 200, 1)], 500),
        (Name.SALE, [entry(2, Name.VOID, 300, 1, EntryState.UNDONE)], 1000),
        (Name.SALE, [entry(2, Name.VOID, 300, 1, EntryState.TOLD)], 1000),
        (Name.SALE, [entry(2, Name.VOID, 300, 9)], 1000),
        (Name.SALE, [entry(2, Name.RETURN, 600, 1), entry(3, Name.VOID, 200, 2)], 600),
        (Name.PREAUTHORIZATION, [entry(2, Name.RAISE, 500, 1)], 1500),
        (Name.PREAUTHORIZATION, [entry(2, Name.RAISE, 500, 1), entry(3, Name.VOID, 1500, 1)], 0),
        (Name.PREAUTHORIZATION, [entry(2, Name.COMPLETION, 100, 1)], 0),
        (Name.PREAUTHORIZATION, [entry(2, Name.COMPLETION, 100, 1), entry(3, Name.VOID, 100, 2)], 0),
        (Name.PREAUTHORIZATION, [entry(2, Name.COMPLETION, 100, 1, EntryState.UNDONE)], 1000),
    ],
)
def test_what_is_left_of_an_operation(first: Name, followers: list[Entry], left: int) -> None:
    one = entry(1, first, 1000)
    assert Journal().plus((one, *followers)).left(one) == left


def test_what_has_the_rrn_of_its_own_original_does_not_follow_itself() -> None:
    """An RRN may be given twice: two terminals of a shop may both have one."""
    bought = entry(1, Name.SALE, 500)
    one = replace(entry(2, Name.RETURN, 300, 7), rrn="7")
    other = replace(entry(3, Name.RETURN, 200, 1), rrn="1")
    journal = Journal().plus((bought, one, other))
    assert [journal.left(each) for each in (bought, one, other)] == [300, 300, 200]
    assert journal.plus((entry(4, Name.VOID, 100, 7),)).left(one) == 200


def test_the_totals_count_what_is_kept() -> None:
    void = replace(
        entry(2, Name.VOID, 300, 1), request=replace(KEPT, transaction=Transaction.VOID, amount=300)
    )
    hold = replace(
        ENTRY, number=5, request=replace(KEPT, transaction=Transaction.PREAUTHORIZATION, amount=9000)
    )
    journal = Journal().plus(
        (
            entry(1, Name.SALE, 1000),
            void,
            entry(3, Name.SALE, 50, state=EntryState.UNDONE),
            entry(4, Name.SALE, 70, state=EntryState.TOLD),
            hold,
        )
    )
    assert journal.totals() == Totals(debit=Tally(1, 1000), void_debit=Tally(1, 300))


def test_all_that_is_given_must_apply_and_the_latest_comes_first() -> None:
    journal = Journal().plus(entry(number, Name.SALE, 10) for number in (1, 2, 3))
    assert [found.number for found in journal.find()] == [3, 2, 1]
    assert [found.number for found in journal.find(rrn="2")] == [2]
    assert [found.number for found in journal.find(rrn="2", authorization_code="20", number=2)] == [2]
    assert list(journal.find(rrn="2", authorization_code="30")) == []
    assert list(journal.find(rrn="2", number=1)) == []


def test_an_entry_written_again_keeps_its_place() -> None:
    journal = Journal().plus((entry(1, Name.SALE, 10), entry(2, Name.SALE, 20)))
    undone = journal.plus((replace(journal.entries[1], state=EntryState.UNDONE),))
    assert list(undone.entries) == [1, 2]
    assert [kept.number for kept in undone.kept()] == [2]


def test_the_settlement_of_the_day_before_takes_no_room() -> None:
    settled = replace(ENTRY, number=0, operation=Name.SETTLEMENT, state=EntryState.TOLD, request=None)
    assert len(Journal({0: settled})) == 0
    assert len(Journal({0: settled}).plus((ENTRY,))) == 1
    assert Journal({0: settled}).last_slip() == settled
    assert Journal({0: settled}).plus((ENTRY,)).last_slip() == ENTRY
