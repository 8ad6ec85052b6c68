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
    Ledger,
    MemoryLedger,
    Operation,
    OperationKey,
    OperationState,
)
from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.payment.totals import Tally, Totals
from smartsale_emu.runtime.ledger_file import open_ledger, read_ledger
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
