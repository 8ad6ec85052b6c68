"""One contract for both ledgers, and what only the file does: it outlives its program, and refuses junk."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import bank_kit as kit
import pytest

from smartsale_emu.errors import StateError
from smartsale_emu.host.ledger import (
    AccountState,
    BatchKey,
    Changes,
    Claim,
    ClosedBatch,
    KeyOffer,
    Ledger,
    MemoryLedger,
    Operation,
    OperationKey,
    OperationState,
)
from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.payment.totals import Tally, Totals
from smartsale_emu.runtime.ledger_file import open_ledger, read_ledger
from smartsale_emu.security.key_slot import KeyUsage
from smartsale_emu.security.protection import SessionKey
from smartsale_emu.units import RUB, MinorUnits


@pytest.fixture(params=["memory", "file"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with ExitStack() as stack:
        if request.param == "memory":
            yield MemoryLedger()
        else:
            yield stack.enter_context(open_ledger(tmp_path / "bank.sqlite"))


def operation(stan: int = 1) -> Operation:
    return Operation(
        key=OperationKey("00060056", "111111111", stan, kit.NOW),
        step=Step.FINANCIAL,
        transaction=Transaction.PURCHASE,
        amount=MinorUnits(1200),
        currency=RUB,
        card_masked="220012******9019",
        account="mir-chip",
        content="purchase 1200 643 mir-chip chip pin",
        state=OperationState.APPROVED,
        response_code="00",
        rrn="632709000001",
        authorization_code="314159",
        received_at=kit.NOW + timedelta(seconds=1),
        because="approved",
    )


ACCOUNT = AccountState("mir-chip", MinorUnits(998_800), 2, blocked=True)


def test_an_empty_ledger_knows_nothing(ledger: Ledger) -> None:
    assert ledger.operation(operation().key) is None
    assert ledger.account("mir-chip") is None
    assert (tuple(ledger.operations()), tuple(ledger.accounts()), ledger.authorizations()) == ((), (), 0)


def test_the_last_approved_operation_can_be_lost(ledger: MemoryLedger) -> None:
    first = replace(operation(1), effect=-1200)
    last = replace(operation(2), effect=-500)
    declined = replace(operation(3), state=OperationState.DECLINED)
    ledger.commit(Changes((first, last, declined), ACCOUNT))
    ledger.forget_last()
    assert tuple(ledger.operations()) == (first, declined)
    account = ledger.account("mir-chip")
    assert account is not None
    assert account.balance == ACCOUNT.balance + 500
    ledger.forget_last()
    ledger.forget_last()  # there is none any more
    assert tuple(ledger.operations()) == (declined,)


def test_everything_can_be_lost(ledger: MemoryLedger) -> None:
    ledger.commit(Changes((operation(),), ACCOUNT, 7, rule_counts=(("r", 2),)))
    ledger.forget_all()
    assert (tuple(ledger.operations()), tuple(ledger.accounts()), ledger.authorizations()) == ((), (), 0)
    assert ledger.rule_count("r") == 0


def test_what_is_committed_is_read_back(ledger: Ledger) -> None:
    ledger.commit(Changes((operation(),), ACCOUNT, 1))
    assert ledger.operation(operation().key) == operation()
    assert ledger.account("mir-chip") == ACCOUNT
    assert ledger.authorizations() == 1


def test_a_key_differs_in_each_of_its_parts(ledger: Ledger) -> None:
    ledger.commit(Changes((operation(),)))
    key = operation().key
    for other in (
        replace(key, terminal_id="00060057"),
        replace(key, merchant_id=""),
        replace(key, stan=2),
        replace(key, sent_at=kit.NOW + timedelta(seconds=1)),
    ):
        assert ledger.operation(other) is None


def test_a_later_commit_replaces_and_keeps_the_order(ledger: Ledger) -> None:
    for stan in (3, 1, 2):
        ledger.commit(Changes((operation(stan),), replace(ACCOUNT, name=f"card-{stan}"), stan))
    later = replace(
        operation(3),
        state=OperationState.REVERSED,
        reversal_code="00",
        reversal_count=2,
        reversed_at=kit.NOW + timedelta(minutes=1),
        currency=None,
    )
    ledger.commit(Changes((later,)))
    assert tuple(ledger.operations()) == (later, operation(1), operation(2))
    assert [account.name for account in ledger.accounts()] == ["card-1", "card-2", "card-3"]
    assert ledger.authorizations() == 2


def test_what_an_operation_follows_moves_and_tells_is_kept(ledger: Ledger) -> None:
    full = replace(
        operation(2),
        batch=7,
        original=replace(operation().key, terminal_id="00060057"),
        effect=-1200,
        balance=MinorUnits(-5),
        claim=Claim.UNCLAIMED,
    )
    ledger.commit(Changes((operation(), full)))
    assert tuple(ledger.operations()) == (operation(), full)


def test_operations_of_an_rrn_are_a_merchants(ledger: Ledger) -> None:
    first, second = operation(), replace(operation(), key=replace(operation().key, terminal_id="00060057"))
    abroad = replace(operation(), key=replace(operation().key, merchant_id="222222222"))
    other = replace(operation(2), rrn="632709000002")
    ledger.commit(Changes((first, second, abroad, other)))
    assert tuple(ledger.by_rrn("111111111", "632709000001")) == (first, second)
    assert tuple(ledger.by_rrn("111111111", "000000000000")) == ()


def test_followers_are_the_approved_ones(ledger: Ledger) -> None:
    key = operation().key
    void = replace(operation(2), original=key)
    declined = replace(operation(3), original=key, state=OperationState.DECLINED)
    elsewhere = replace(operation(4), original=replace(key, terminal_id="00060057"))
    ledger.commit(Changes((operation(), void, declined, elsewhere)))
    assert tuple(ledger.followers(key)) == (void,)
    ledger.commit(Changes((replace(void, state=OperationState.REVERSED),)))
    assert tuple(ledger.followers(key)) == ()


def test_operations_of_a_batch(ledger: Ledger) -> None:
    seventh = [replace(operation(stan), batch=7) for stan in (3, 1)]
    ledger.commit(Changes((*seventh, replace(operation(2), batch=8))))
    key = BatchKey("00060056", "111111111", 7)
    assert tuple(ledger.of_batch(key)) == tuple(seventh)
    assert {held.batch_key for held in seventh} == {key}
    for other in (
        replace(key, terminal_id="00060057"),
        replace(key, merchant_id="222222222"),
        replace(key, number=9),
    ):
        assert tuple(ledger.of_batch(other)) == ()


def test_closed_batches_are_kept_in_order(ledger: Ledger) -> None:
    key = BatchKey("00060056", "111111111", 7)
    claimed, counted = Totals(Tally(1, 2), Tally(3, 4), Tally(5, 6), Tally(7, 8)), Totals(Tally(9, 10))
    late = ClosedBatch(key, claimed, counted, "00", kit.NOW, "because")
    early = replace(late, key=replace(key, number=6))
    for batch in (late, early):
        ledger.commit(Changes(closed=batch))
    assert tuple(ledger.closed_batches()) == (late, early)
    assert ledger.closed_batch(key) == late
    assert ledger.closed_batch(replace(key, terminal_id="00060057")) is None


def test_a_bank_behaves_alike_on_both(ledger: Ledger) -> None:
    bank, in_memory = kit.bank(ledger), kit.bank(MemoryLedger())
    first, second = kit.sale(1, 1200), kit.sale(2, 700, "mir-contactless", pin="")
    late = kit.sale(3, 100)
    wrong = kit.sale(4, 100, pin="0000")
    story = [
        first,
        first,
        second,
        kit.reversal(late),
        late,
        wrong,
        kit.reversal(first),
        kit.reversal(first),
        wrong,
    ]
    for request in story:
        assert bank.handle(request, kit.NOW) == in_memory.handle(request, kit.NOW)
    assert bank.account("mir-chip") == in_memory.account("mir-chip")


def test_the_file_outlives_its_program(tmp_path: Path) -> None:
    path = tmp_path / "bank.sqlite"
    code = (
        "import os, sys; sys.path[:0] = sys.argv[1:3]; import bank_kit as kit; from pathlib import Path;"
        "from smartsale_emu.runtime.ledger_file import open_ledger;"
        "kit.bank(open_ledger(Path(sys.argv[3]))).handle(kit.sale(1, 1200), kit.NOW); os._exit(9)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(kit.TOP), str(Path(__file__).parent), str(path)], check=False
    )
    assert ended.returncode == 9
    with read_ledger(path) as found:
        assert found.operations()[0].state is OperationState.APPROVED
    with open_ledger(path) as found:
        account = kit.bank(found).account("mir-chip")
        assert account is not None
        assert account.balance == 10_000_000 - 1200
        assert b"2200123456789019" not in path.read_bytes()


def test_a_failed_commit_leaves_nothing_behind(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "bank.sqlite") as ledger:
        broken = replace(ACCOUNT, balance=None)  # type: ignore[arg-type]
        with pytest.raises(StateError):
            ledger.commit(Changes((operation(),), broken, 1))
        assert ledger.operations() == ()
        ledger.commit(Changes((operation(),), ACCOUNT, 1))
        assert len(ledger.operations()) == 1


def test_a_reader_sees_what_is_written_meanwhile_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bank.sqlite"
    with open_ledger(path) as writer, read_ledger(path) as reader:
        writer.commit(Changes((operation(),)))
        assert len(reader.operations()) == 1
        with pytest.raises(StateError, match="cannot be used"):
            reader.commit(Changes((operation(2),)))
        assert len(writer.operations()) == 1


def test_a_file_that_is_no_ledger_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "bank.sqlite"
    path.write_bytes(b"this is a shopping list, not a ledger" * 40)
    for open_it in (open_ledger, read_ledger):
        with pytest.raises(StateError, match=r"bank\.sqlite: is damaged, or is no ledger") as caught:
            open_it(path)
        assert "\n" not in str(caught.value)


def test_a_locked_file_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smartsale_emu.runtime.ledger_file._LOCK_TIMEOUT_S", 0.01)
    path = tmp_path / "bank.sqlite"
    open_ledger(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="in use"):
            open_ledger(path)


def _of_another_version(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA user_version = 99")


def _with_an_unknown_word(path: Path) -> None:
    with open_ledger(path) as ledger:
        ledger.commit(Changes((operation(),)))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE operations SET state = 'lost'")


def _of_the_first_version(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA user_version = 1")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_of_another_version, "version 99"),
        (_of_the_first_version, "version 1, .* start anew"),
        (_with_an_unknown_word, "damaged"),
    ],
)
def test_a_ledger_that_cannot_be_understood(spoil: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    path = tmp_path / "bank.sqlite"
    open_ledger(path).close()
    spoil(path)
    with pytest.raises(StateError, match=says), ExitStack() as stack:
        stack.enter_context(read_ledger(path)).operations()


def test_no_ledger_at_all(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="there is no ledger"):
        read_ledger(tmp_path / "bank.sqlite")
    with pytest.raises(StateError, match="cannot be opened"):
        open_ledger(tmp_path / "nowhere" / "bank.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_operations_of_a_day_are_an_accounts(ledger: Ledger) -> None:
    midnight = kit.NOW.replace(hour=0, minute=0, second=0)
    first, last = replace(operation(2), received_at=midnight), replace(operation(1), received_at=_END_OF_DAY)
    before = replace(operation(3), received_at=midnight - timedelta(seconds=1))
    after = replace(operation(4), received_at=midnight + timedelta(days=1))
    other = replace(operation(5), account="visa-chip")
    ledger.commit(Changes((first, last, before, after, other)))
    assert tuple(ledger.of_day("mir-chip", kit.NOW.date())) == (first, last)
    assert tuple(ledger.of_day("nobody's", kit.NOW.date())) == ()


_END_OF_DAY = kit.NOW.replace(hour=23, minute=59, second=59)


def test_an_operation_approved_in_part_is_read_back(ledger: Ledger) -> None:
    part = replace(operation(), approved=MinorUnits(700))
    ledger.commit(Changes((part,)))
    assert ledger.operation(part.key) == part
    assert (part.money, operation().money) == (700, 1200)


def test_rules_are_counted_by_name(ledger: Ledger) -> None:
    assert ledger.rule_count("one") == 0
    ledger.commit(Changes(rule_counts=(("one", 1), ("two", 5))))
    ledger.commit(Changes(rule_counts=(("one", 2),)))
    assert (ledger.rule_count("one"), ledger.rule_count("two"), ledger.rule_count("three")) == (2, 5, 0)


# --- offers of session keys --------------------------------------------------------------------------------

TERMINAL = "00060056"


def offer(number: int, terminal: str = TERMINAL) -> KeyOffer:
    keys = tuple(
        SessionKey(usage, f"{number:032X}", f"{number:06X}") for usage in (KeyUsage.PIN, KeyUsage.MAC)
    )
    return KeyOffer(terminal, keys)


def test_without_a_key_change_the_keys_are_those_of_the_slots(ledger: Ledger) -> None:
    assert ledger.offers(TERMINAL) == ((),)


def test_offers_come_before_the_keys_of_the_slots_the_newest_first(ledger: Ledger) -> None:
    for number in (1, 2):
        ledger.commit(Changes(offer=offer(number)))
    assert ledger.offers(TERMINAL) == (offer(2).keys, offer(1).keys, ())
    assert ledger.offers("another") == ((),)


def test_an_offer_that_was_taken_forgets_those_before_it(ledger: Ledger) -> None:
    for number in (1, 2, 3):
        ledger.commit(Changes(offer=offer(number)))
        ledger.commit(Changes(offer=offer(number, "another")))
    ledger.commit(Changes(taken=offer(2)))
    assert ledger.offers(TERMINAL) == (offer(3).keys, offer(2).keys)
    assert ledger.offers("another") == (*(offer(number).keys for number in (3, 2, 1)), ())
    ledger.commit(Changes(taken=offer(3)))
    ledger.commit(Changes(taken=offer(3)))
    assert ledger.offers(TERMINAL) == (offer(3).keys,)
    ledger.commit(Changes(offer=offer(4)))
    assert ledger.offers(TERMINAL) == (offer(4).keys, offer(3).keys), "the slots never come back"


def test_the_keys_of_the_slots_may_be_those_in_use(ledger: Ledger) -> None:
    ledger.commit(Changes(offer=offer(1)))
    ledger.commit(Changes(taken=KeyOffer(TERMINAL, ())))
    assert ledger.offers(TERMINAL) == (offer(1).keys, ())


def test_of_many_offers_that_nobody_took_none_is_forgotten(ledger: Ledger) -> None:
    """Any of them may be in use."""
    for number in range(1, 30):
        ledger.commit(Changes(offer=offer(number)))
    assert ledger.offers(TERMINAL) == (*(offer(number).keys for number in range(29, 0, -1)), ())


def test_the_keys_of_the_slots_may_be_held_again(ledger: Ledger) -> None:
    ledger.commit(Changes(offer=offer(1)))
    ledger.commit(Changes(taken=offer(1)))
    ledger.commit(Changes(offer=KeyOffer(TERMINAL, ())))
    assert ledger.offers(TERMINAL) == ((), offer(1).keys)
    ledger.commit(Changes(taken=KeyOffer(TERMINAL, ())))
    assert ledger.offers(TERMINAL) == ((),)
