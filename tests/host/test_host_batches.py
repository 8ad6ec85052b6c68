"""Operating days at the bank: settlement, upload, closing, and a batch that is closed."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import bank_kit as kit
import pytest
from bank_kit import moved

from smartsale_emu.host.bank import Bank
from smartsale_emu.host.ledger import BatchKey, Claim, Ledger, MemoryLedger, OperationState
from smartsale_emu.host.profile import Surplus
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Transaction
from smartsale_emu.payment.totals import Tally, Totals
from smartsale_emu.runtime.ledger_file import open_ledger
from smartsale_emu.units import MinorUnits

EVENING = kit.NOW + timedelta(hours=8)
KEY = BatchKey("00060056", "111111111", 7)
Made = tuple[AuthorizationRequest, AuthorizationAnswer]


@pytest.fixture(params=["memory", "file"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with ExitStack() as stack:
        if request.param == "memory":
            yield MemoryLedger()
        else:
            yield stack.enter_context(open_ledger(tmp_path / "bank.sqlite"))


def made(bank: Bank, request: AuthorizationRequest) -> Made:
    answer = bank.handle(request, kit.NOW)
    assert answer.response_code == "00", answer.because
    return request, answer


def a_day(bank: Bank) -> dict[str, Made]:
    """One of each kind in batch 7; the totals are DAY."""
    day: dict[str, Made] = {}
    day["sale"] = made(bank, kit.ask(Transaction.PURCHASE, 1, 1000, pin="1234", batch=7))
    day["cash"] = made(bank, kit.ask(Transaction.CASH, 2, 500, pin="1234", batch=7))
    day["void"] = made(bank, kit.follow(Transaction.VOID, 3, 300, *day["sale"], batch=7))
    day["hold"] = made(bank, kit.ask(Transaction.PREAUTHORIZATION, 4, 900, pin="1234", batch=7))
    day["raise"] = made(bank, kit.follow(Transaction.RAISE, 5, 100, *day["hold"], batch=7))
    day["done"] = made(bank, kit.follow(Transaction.COMPLETION, 6, 800, *day["hold"], batch=7, card=False))
    day["back"] = made(bank, kit.ask(Transaction.RETURN, 7, 200, batch=7))
    day["untop"] = made(bank, kit.follow(Transaction.VOID_OF_CREDIT, 8, 50, *day["back"], batch=7))
    bank.handle(kit.ask(Transaction.PURCHASE, 9, 1, "mir-blocked", batch=7), kit.NOW)
    undone = made(bank, kit.ask(Transaction.PURCHASE, 10, 77, pin="1234", batch=7))[0]
    bank.handle(kit.reversal(undone), kit.NOW)
    made(bank, kit.ask(Transaction.PURCHASE, 11, 5, pin="1234", batch=8))
    made(bank, replace(kit.ask(Transaction.PURCHASE, 12, 5, pin="1234", batch=7), terminal_id="00060057"))
    made(bank, kit.ask(Transaction.BALANCE, 13, pin="1234", batch=7))
    return day


DAY = Totals(debit=Tally(3, 2300), credit=Tally(1, 200), void_debit=Tally(1, 300), void_credit=Tally(1, 50))


def settle(bank: Bank, totals: Totals, stan: int = 100) -> AuthorizationAnswer:
    return bank.handle(kit.reconciliation(stan, 7, totals), EVENING)


def close(bank: Bank, totals: Totals, stan: int = 101) -> AuthorizationAnswer:
    return bank.handle(kit.reconciliation(stan, 7, totals, Transaction.CLOSING), EVENING)


def less(totals: Totals, amount: int) -> Totals:
    """Without one purchase of an amount."""
    return replace(totals, debit=Tally(totals.debit.count - 1, totals.debit.amount - amount))


def test_a_day_in_balance_is_closed_once_and_answered_alike(ledger: Ledger) -> None:
    bank = kit.bank(ledger)
    a_day(bank)
    said = settle(bank, DAY)
    assert (said.response_code, said.totals, said.answered_at) == ("00", DAY, EVENING)
    for totals in (DAY, Totals()):
        again = bank.handle(kit.reconciliation(200, 7, totals), EVENING + timedelta(days=1))
        assert again == replace(said, stan=200)
    (closed,) = ledger.closed_batches()
    assert (closed.key, closed.claimed, closed.counted) == (KEY, DAY, DAY)
    assert closed == ledger.closed_batch(KEY)


def test_a_day_without_operations_is_closed_too(ledger: Ledger) -> None:
    bank = kit.bank(ledger)
    assert settle(bank, Totals()).response_code == "00"
    assert ledger.closed_batch(KEY) is not None


@pytest.mark.parametrize("totals", [less(DAY, 1000), replace(DAY, void_credit=Tally(1, 51)), Totals()])
def test_a_day_out_of_balance_stays_open_and_gets_the_banks_totals(totals: Totals) -> None:
    ledger = MemoryLedger()
    bank = kit.bank(ledger)
    a_day(bank)
    said = settle(bank, totals)
    assert (said.response_code, said.totals) == ("95", DAY)
    assert ledger.closed_batches() == ()
    assert {held.claim for held in ledger.operations()} == {Claim.UNASKED}


def test_a_reconciliation_without_batch_or_totals_is_invalid() -> None:
    bank = kit.bank()
    assert bank.handle(kit.reconciliation(1, 0, Totals()), EVENING).response_code == "12"
    assert bank.handle(kit.reconciliation(1, 7, None), EVENING).response_code == "12"


# --- a closed batch ---


def test_nothing_enters_a_closed_batch(ledger: Ledger) -> None:
    bank = kit.bank(ledger)
    day = a_day(bank)
    settle(bank, DAY)
    before = moved(bank)
    requests = [
        kit.ask(Transaction.PURCHASE, 20, 100, pin="1234", batch=7),
        kit.ask(Transaction.TOP_UP, 21, 100, batch=7),
        kit.follow(Transaction.RETURN, 22, 100, *day["sale"], batch=7),
    ]
    for request in requests:
        said = bank.handle(request, EVENING)
        assert (said.response_code, "the batch is closed" in said.because) == ("12", True)
    assert bank.handle(day["sale"][0], EVENING) == day["sale"][1], "a repeat is no new operation"
    assert moved(bank) == before


def test_after_the_day_no_void_but_a_return(ledger: Ledger) -> None:
    bank = kit.bank(ledger)
    day = a_day(bank)
    settle(bank, DAY)
    void = bank.handle(kit.follow(Transaction.VOID, 20, 100, *day["sale"], batch=8), EVENING)
    assert (void.response_code, void.because) == ("12", "the batch is closed: a return it must be")
    unback = kit.follow(Transaction.VOID_OF_CREDIT, 21, 100, *day["back"], batch=8)
    assert bank.handle(unback, EVENING).response_code == "12"
    assert (
        bank.handle(kit.follow(Transaction.RETURN, 22, 700, *day["sale"], batch=8), EVENING).response_code
        == "00"
    )
    assert (
        bank.handle(kit.follow(Transaction.RETURN, 23, 1, *day["sale"], batch=8), EVENING).response_code
        == "13"
    )


def test_a_hold_outlives_its_day() -> None:
    bank = kit.bank()
    hold = made(bank, kit.ask(Transaction.PREAUTHORIZATION, 1, 900, pin="1234", batch=7))
    other = made(bank, kit.ask(Transaction.PREAUTHORIZATION, 2, 900, pin="1234", batch=7))
    assert settle(bank, Totals()).response_code == "00", "a hold counts nowhere"
    made(bank, kit.follow(Transaction.COMPLETION, 3, 400, *hold, batch=8))
    made(bank, kit.follow(Transaction.VOID_OF_HOLD, 4, 900, *other, batch=8))
    assert moved(bank) == -400


def test_another_terminals_batch_of_the_same_number_is_another_batch() -> None:
    bank = kit.bank()
    a_day(bank)
    settle(bank, DAY)
    other = replace(kit.reconciliation(1, 7, Totals(debit=Tally(1, 5))), terminal_id="00060057")
    assert bank.handle(other, EVENING).response_code == "00"


# --- the bank forgot ---


def test_an_upload_repairs_what_the_bank_forgot(ledger: Ledger) -> None:
    remembering = kit.bank()
    day = a_day(remembering)
    bank = kit.bank(ledger)  # has forgotten all of it
    told = ("sale", "cash", "void", "done", "back", "untop")
    follows = {"void": "sale", "done": "hold", "untop": "back"}
    for count in range(2):
        for stan, name in enumerate(told, start=200):
            request, answer = day[name]
            rrn = day[follows[name]][1].rrn if name in follows else ""
            again = kit.upload(stan, request, answer.rrn, answer.authorization_code, follows=rrn)
            if name == "done":
                again = replace(again, card=replace(kit.card_data("mir-chip"), track2=None))
            said = bank.handle(again, EVENING)
            assert (said.response_code, said.rrn, said.authorization_code) == (
                "00",
                answer.rrn,
                answer.authorization_code,
            )
        assert moved(bank) == -1000 - 500 + 300 - 800 + 200 - 50, f"upload {count}"
    assert len(ledger.operations()) == len(told)
    said = close(bank, DAY)
    assert (said.response_code, said.totals) == ("00", DAY)
    over = kit.by_rrn(kit.follow(Transaction.RETURN, 300, 701, *day["sale"], batch=8))
    assert bank.handle(over, EVENING).response_code == "13", "the uploaded void counts"


def test_an_uploaded_completion_gives_the_rest_of_a_known_hold_back(ledger: Ledger) -> None:
    bank = kit.bank(ledger)
    hold = made(bank, kit.ask(Transaction.PREAUTHORIZATION, 1, 900, pin="1234", batch=7))
    made(bank, kit.follow(Transaction.RAISE, 2, 100, *hold, batch=7))
    done = kit.follow(Transaction.COMPLETION, 3, 800, *hold, batch=7, card=False)
    said = bank.handle(kit.upload(4, done, "632709000003", "111111", follows=hold[1].rrn), EVENING)
    assert said.response_code == "00"
    assert moved(bank) == -800
    assert ledger.operations()[-1].card_masked == "220012******9019"
    assert (
        bank.handle(kit.follow(Transaction.COMPLETION, 5, 1, *hold, batch=7), EVENING).response_code == "12"
    )
    assert bank.handle(kit.reversal(done), EVENING).response_code == "00"
    assert moved(bank) == -1000


def test_an_uploaded_release_frees_a_known_hold_and_an_unknown_one_moves_nothing() -> None:
    bank = kit.bank()
    hold = made(bank, kit.ask(Transaction.PREAUTHORIZATION, 1, 900, pin="1234", batch=7))
    release = kit.follow(Transaction.VOID_OF_HOLD, 3, 900, *hold, batch=7)
    for stan, rrn, effect in ((4, "000000000000", -900), (5, hold[1].rrn, 0)):
        told = kit.upload(stan, replace(release, stan=stan + 50), "", "", follows=rrn)
        assert bank.handle(told, EVENING).response_code == "00"
        assert moved(bank) == effect


def test_an_upload_that_nobody_can_book_is_refused() -> None:
    bank = kit.bank()
    sale = kit.ask(Transaction.PURCHASE, 1, 1000, batch=7)
    unknown = replace(kit.card_data("visa-chip"), pan="4111111111111111", track2=None)
    assert bank.handle(replace(kit.upload(2, sale), card=unknown), EVENING).response_code == "14"
    assert bank.handle(replace(kit.upload(3, sale), card=None), EVENING).response_code == "14"
    assert bank.handle(replace(kit.upload(4, sale), original=None), EVENING).response_code == "96"
    assert bank.handle(replace(kit.upload(5, sale), batch=0), EVENING).response_code == "96"
    assert moved(bank) == 0


def test_an_upload_that_contradicts_the_bank_is_refused() -> None:
    ledger = MemoryLedger()
    bank = kit.bank(ledger)
    sale = made(bank, kit.ask(Transaction.PURCHASE, 1, 1000, pin="1234", batch=7))[0]
    undone = made(bank, kit.ask(Transaction.PURCHASE, 2, 1000, pin="1234", batch=7))[0]
    early, declined = (kit.ask(Transaction.PURCHASE, stan, 1000, pin="1234", batch=7) for stan in (3, 4))
    declined = replace(declined, amount=MinorUnits(99_999_999))
    bank.handle(kit.reversal(undone), kit.NOW)
    bank.handle(kit.reversal(early), kit.NOW)
    assert bank.handle(declined, kit.NOW).response_code == "51"
    before = ledger.operations()
    for told, because in (
        (undone, "reversed"),
        (early, "reversed-early"),
        (declined, "declined"),
        (replace(sale, amount=MinorUnits(1001)), "amount"),
        (replace(sale, card=kit.card_data("visa-chip")), "card"),
        (replace(sale, transaction=Transaction.CASH), "transaction"),
        (replace(sale, batch=8), "it is of batch 7"),
    ):
        said = bank.handle(kit.upload(50, told), EVENING)
        assert (said.response_code, because in said.because) == ("94", True)
    assert ledger.operations() == before
    assert moved(bank) == -1000


# --- the bank knows more, or less ---


def _partly_claimed(bank: Bank) -> Totals:
    """Three sales of which the terminal tells the first two; return its totals."""
    sales = [made(bank, kit.ask(Transaction.PURCHASE, n, 100 * n, pin="1234", batch=7)) for n in (1, 2, 3)]
    for n, (request, answer) in enumerate(sales[:2], start=50):
        told = kit.upload(n, request, answer.rrn, answer.authorization_code)
        assert bank.handle(told, EVENING).response_code == "00"
    return Totals(debit=Tally(2, 300))


def test_a_surplus_is_accepted_marked_and_told(ledger: Ledger) -> None:
    bank = kit.bank(ledger)
    totals = _partly_claimed(bank)
    assert settle(bank, totals).response_code == "95", "only the closing lets it pass"
    said = close(bank, totals)
    assert (said.response_code, said.totals) == ("00", Totals(debit=Tally(3, 600)))
    assert said.because == "batch 7: not claimed by the terminal: 1, 300 in all"
    assert [held.claim for held in ledger.of_batch(KEY)] == [Claim.CLAIMED, Claim.CLAIMED, Claim.UNCLAIMED]
    assert {held.state for held in ledger.of_batch(KEY)} == {OperationState.APPROVED}
    closed = ledger.closed_batch(KEY)
    assert closed is not None
    assert (closed.claimed, closed.counted) == (totals, said.totals)
    assert moved(bank) == -600
    assert close(bank, totals, 102) == replace(said, stan=102)


def test_a_surplus_may_be_refused(ledger: Ledger) -> None:
    bank = kit.bank(ledger, surplus_at_closing=Surplus.REFUSE)
    totals = _partly_claimed(bank)
    said = close(bank, totals)
    assert (said.response_code, "not claimed by the terminal: 1, 300 in all" in said.because) == ("95", True)
    assert ledger.closed_batches() == ()
    assert Claim.UNCLAIMED not in {held.claim for held in ledger.operations()}


def test_a_bank_that_still_lacks_something_does_not_close() -> None:
    ledger = MemoryLedger()
    bank = kit.bank(ledger)
    totals = _partly_claimed(bank)
    assert close(bank, totals.plus(Transaction.PURCHASE, 50)).response_code == "95"
    assert ledger.closed_batches() == ()


def test_an_upload_after_the_batch_is_closed_changes_nothing() -> None:
    ledger = MemoryLedger()
    bank = kit.bank(ledger)
    totals = _partly_claimed(bank)
    close(bank, totals)
    before = ledger.operations()
    known = kit.ask(Transaction.PURCHASE, 3, 300, pin="1234", batch=7)
    unknown = kit.ask(Transaction.PURCHASE, 33, 300, pin="1234", batch=7)
    for told in (known, unknown):
        assert bank.handle(kit.upload(60, told), EVENING).response_code == "00"
    assert ledger.operations() == before
    assert moved(bank) == -600
