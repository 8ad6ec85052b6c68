"""The bank's rules for every operation: what moves, what is left, and what a reversal restores."""

from dataclasses import replace
from datetime import timedelta

import bank_kit as kit
import pytest
from bank_kit import moved

from smartsale_emu.host.bank import Bank
from smartsale_emu.host.ledger import MemoryLedger, OperationState
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    Original,
    Transaction,
)
from smartsale_emu.units import CurrencyCode, MinorUnits

LATER = kit.NOW + timedelta(hours=1)
TOMORROW = kit.NOW + timedelta(days=1)
Made = tuple[AuthorizationRequest, AuthorizationAnswer]


def make(bank: Bank, request: AuthorizationRequest) -> Made:
    answer = bank.handle(request, kit.NOW)
    assert answer.response_code == "00", answer.because
    return request, answer


def code(bank: Bank, request: AuthorizationRequest) -> str:
    return bank.handle(request, LATER).response_code


def sale_of(bank: Bank, stan: int = 1, amount: int = 1000, name: str = "mir-chip") -> Made:
    return make(bank, kit.sale(stan, amount, name))


def hold_of(bank: Bank, stan: int = 1, amount: int = 1000) -> Made:
    return make(bank, kit.ask(Transaction.PREAUTHORIZATION, stan, amount, pin="1234"))


# --- operations that stand alone ---


def test_cash_always_wants_a_pin() -> None:
    bank = kit.bank()
    assert code(bank, kit.ask(Transaction.CASH, 1, 700, "mastercard-magstripe")) == kit.PROFILE.pin_missing
    assert code(bank, kit.ask(Transaction.CASH, 2, 700, "mastercard-magstripe", pin="1234")) == "00"
    assert moved(bank, "mastercard-magstripe") == -700
    assert code(bank, kit.ask(Transaction.CASH, 3, 1001, "mir-poor", pin="1234")) == "51"


def test_a_top_up_gives_and_wants_no_pin() -> None:
    bank = kit.bank()
    assert code(bank, kit.ask(Transaction.TOP_UP, 1, 700)) == "00"
    assert moved(bank) == 700
    assert code(bank, kit.ask(Transaction.TOP_UP, 2, 0)) == "13"
    assert code(bank, kit.ask(Transaction.TOP_UP, 3, 100, "mir-blocked")) == "41"
    assert code(bank, kit.ask(Transaction.TOP_UP, 4, 100, pin="0000")) == "55", "a PIN that comes is checked"


def test_a_balance_moves_nothing_and_wants_a_pin() -> None:
    ledger = MemoryLedger()
    bank = kit.bank(ledger)
    sale_of(bank, 1, 1200)
    assert code(bank, kit.ask(Transaction.BALANCE, 2)) == "55"
    request = kit.ask(Transaction.BALANCE, 3, pin="1234")
    first = bank.handle(request, LATER)
    assert (first.response_code, first.balance) == ("00", 10_000_000 - 1200)
    sale_of(bank, 4, 100)
    assert bank.handle(request, LATER) == first, "a repeat is told the same"
    assert moved(bank) == -1300
    assert bank.handle(kit.ask(Transaction.BALANCE, 5, pin="0000"), LATER).balance is None


def test_a_return_without_reference_is_a_credit() -> None:
    bank = kit.bank()
    assert code(bank, kit.ask(Transaction.RETURN, 1, 700)) == "00"
    assert moved(bank) == 700


# --- holds ---


def test_a_hold_is_raised_completed_and_gives_the_rest_back() -> None:
    bank = kit.bank()
    hold = hold_of(bank)
    assert moved(bank) == -1000
    make(bank, kit.follow(Transaction.RAISE, 2, 500, *hold))
    assert moved(bank) == -1500
    assert code(bank, kit.follow(Transaction.COMPLETION, 3, 1501, *hold)) == "13"
    assert code(bank, kit.follow(Transaction.COMPLETION, 4, 0, *hold)) == "13"
    completed = kit.follow(Transaction.COMPLETION, 5, 1200, *hold, card=False)
    first = bank.handle(completed, LATER)
    assert first.response_code == "00"
    assert moved(bank) == -1200
    assert bank.handle(completed, TOMORROW) == first
    assert code(bank, kit.follow(Transaction.COMPLETION, 6, 100, *hold)) == "12", "once"
    assert code(bank, kit.follow(Transaction.RAISE, 7, 100, *hold)) == "12"
    assert code(bank, kit.follow(Transaction.VOID_OF_HOLD, 8, 1500, *hold)) == "12"
    assert moved(bank) == -1200


@pytest.mark.parametrize("told", [1000, 1500])
def test_a_hold_is_released_whole_with_its_raises(told: int) -> None:
    bank = kit.bank()
    hold = hold_of(bank)
    make(bank, kit.follow(Transaction.RAISE, 2, 500, *hold))
    assert code(bank, kit.follow(Transaction.VOID_OF_HOLD, 3, 700, *hold)) == "13"
    assert code(bank, kit.follow(Transaction.VOID_OF_HOLD, 4, told, *hold)) == "00"
    assert moved(bank) == 0
    assert code(bank, kit.follow(Transaction.COMPLETION, 5, 100, *hold)) == "12"


def test_a_raise_is_asked_like_a_new_hold() -> None:
    bank = kit.bank()
    hold = make(bank, kit.ask(Transaction.PREAUTHORIZATION, 1, 600, "mir-poor", pin="1234"))
    assert code(bank, kit.follow(Transaction.RAISE, 2, 401, *hold)) == "51"
    assert code(bank, kit.follow(Transaction.RAISE, 3, 400, *hold)) == "00"
    limited = make(bank, kit.ask(Transaction.PREAUTHORIZATION, 4, 100_000, "mir-limited", pin="1234"))
    assert code(bank, kit.follow(Transaction.RAISE, 5, 100_001, *limited)) == "61"


def test_a_hold_is_no_purchase_and_a_purchase_no_hold() -> None:
    bank = kit.bank()
    hold, sale = hold_of(bank, 1), sale_of(bank, 2)
    assert code(bank, kit.follow(Transaction.VOID, 3, 1000, *hold)) == "12"
    assert code(bank, kit.follow(Transaction.RETURN, 4, 1000, *hold)) == "12"
    assert code(bank, kit.follow(Transaction.COMPLETION, 5, 1000, *sale)) == "12"
    assert code(bank, kit.follow(Transaction.VOID_OF_CREDIT, 6, 1000, *sale)) == "12"
    assert moved(bank) == -2000


# --- voids and returns ---


def test_partial_voids_up_to_what_is_left() -> None:
    bank = kit.bank()
    sale = sale_of(bank)
    assert code(bank, kit.follow(Transaction.VOID, 2, 300, *sale)) == "00"
    assert code(bank, kit.follow(Transaction.VOID, 3, 701, *sale)) == "13"
    assert code(bank, kit.follow(Transaction.VOID, 4, 0, *sale)) == "13"
    assert code(bank, kit.follow(Transaction.VOID, 5, 700, *sale)) == "00"
    assert code(bank, kit.follow(Transaction.VOID, 6, 1, *sale)) == "13"
    assert moved(bank) == 0


def test_a_bank_that_takes_no_parts() -> None:
    bank = kit.bank(partial_void=False, partial_return=False)
    sale, other = sale_of(bank), sale_of(bank, 2)
    assert code(bank, kit.follow(Transaction.VOID, 3, 300, *sale)) == "13"
    assert code(bank, kit.follow(Transaction.RETURN, 4, 300, *other)) == "13"
    assert code(bank, kit.follow(Transaction.VOID, 5, 1000, *sale)) == "00"
    assert code(bank, kit.follow(Transaction.RETURN, 6, 1000, *other)) == "00"
    assert moved(bank) == 0


@pytest.mark.parametrize("first", [Transaction.PURCHASE, Transaction.CASH])
def test_purchase_and_cash_are_voided(first: Transaction) -> None:
    bank = kit.bank()
    made = make(bank, kit.ask(first, 1, 1000, pin="1234"))
    assert code(bank, kit.follow(Transaction.VOID, 2, 1000, *made, card=False)) == "00"
    assert moved(bank) == 0


def test_cash_is_not_returned() -> None:
    bank = kit.bank()
    made = make(bank, kit.ask(Transaction.CASH, 1, 1000, pin="1234"))
    assert code(bank, kit.follow(Transaction.RETURN, 2, 1000, *made)) == "12"


def test_a_completion_is_voided_and_returned_and_its_hold_stays_closed() -> None:
    bank = kit.bank()
    hold = hold_of(bank)
    done = make(bank, kit.follow(Transaction.COMPLETION, 2, 800, *hold))
    assert code(bank, kit.follow(Transaction.VOID, 3, 300, *done)) == "00"
    assert code(bank, kit.follow(Transaction.RETURN, 4, 501, *done)) == "13"
    assert code(bank, kit.follow(Transaction.RETURN, 5, 500, *done)) == "00"
    assert moved(bank) == 0
    assert code(bank, kit.follow(Transaction.COMPLETION, 6, 100, *hold)) == "12"


def test_voids_and_returns_share_what_is_left_across_days() -> None:
    bank = kit.bank()
    sale = sale_of(bank)
    make(bank, kit.follow(Transaction.VOID, 2, 300, *sale))
    make(bank, kit.by_rrn(kit.follow(Transaction.RETURN, 3, 300, *sale, at=TOMORROW)))
    over = kit.by_rrn(kit.follow(Transaction.RETURN, 4, 401, *sale, at=TOMORROW + timedelta(days=30)))
    assert code(bank, over) == "13"
    make(bank, replace(over, stan=5, amount=MinorUnits(400)))
    assert moved(bank) == 0


def test_credits_are_voided_and_a_voided_return_may_be_made_again() -> None:
    bank = kit.bank()
    sale = sale_of(bank)
    back = make(bank, kit.follow(Transaction.RETURN, 2, 1000, *sale))
    make(bank, kit.follow(Transaction.VOID_OF_CREDIT, 3, 400, *back))
    assert moved(bank) == -400
    assert code(bank, kit.follow(Transaction.RETURN, 4, 401, *sale)) == "13"
    make(bank, kit.follow(Transaction.RETURN, 5, 400, *sale))
    assert code(bank, kit.follow(Transaction.VOID_OF_CREDIT, 6, 601, *back)) == "13"
    topped = make(bank, kit.ask(Transaction.TOP_UP, 7, 50))
    make(bank, kit.follow(Transaction.VOID_OF_CREDIT, 8, 50, *topped))
    assert moved(bank) == 0


def test_a_credit_that_was_spent_is_not_taken_back() -> None:
    bank = kit.bank()
    topped = make(bank, kit.ask(Transaction.TOP_UP, 1, 500, "mir-poor"))
    sale_of(bank, 2, 1001, "mir-poor")
    assert code(bank, kit.follow(Transaction.VOID_OF_CREDIT, 3, 500, *topped)) == "51"


def test_a_void_is_kind_to_a_card_that_is_no_longer_good() -> None:
    bank = kit.bank()
    sale = sale_of(bank)
    for stan in (2, 3, 4):
        assert code(bank, kit.sale(stan, 1, pin="0000")) == "55"
    assert code(bank, kit.sale(5, 1)) == "75"
    assert code(bank, kit.follow(Transaction.VOID, 6, 1000, *sale)) == "00"


# --- which original ---


def test_an_original_that_is_not_known() -> None:
    bank = kit.bank()
    request, answer = sale_of(bank)
    void = kit.follow(Transaction.VOID, 2, 1000, request, answer)
    assert void.original is not None
    for stan, wrong in enumerate(
        (
            None,
            Original(None, None, None, "000000000000"),
            Original(None, None, None, answer.rrn, "000000"),
            Original(None, 77, kit.NOW),
            Original(None, 1, LATER),
            replace(void.original, authorization_code="000000"),
            Original(None, 1, kit.NOW, "000000000000"),
            Original(None, None, None),
        ),
        start=3,
    ):
        said = bank.handle(replace(void, stan=stan, original=wrong), LATER)
        assert (said.response_code, wrong) == ("25", wrong)
    elsewhere = replace(kit.by_rrn(void), stan=20, merchant_id="222222222")
    assert code(bank, elsewhere) == "25", "an RRN is a merchant's"
    assert moved(bank) == -1000


@pytest.mark.parametrize("named", ["stan", "rrn", "both, of another time"])
def test_an_original_is_found_by_stan_and_time_or_by_rrn(named: str) -> None:
    bank = kit.bank()
    request, answer = sale_of(bank)
    void = kit.follow(Transaction.VOID, 2, 1000, request, answer)
    by = {
        "stan": Original(None, 1, kit.NOW),
        "rrn": Original(None, None, None, answer.rrn, answer.authorization_code),
        "both, of another time": Original(None, 1, LATER, answer.rrn),
    }
    assert code(bank, replace(void, original=by[named])) == "00"


def test_stan_and_time_yield_to_an_rrn_that_says_otherwise() -> None:
    ledger = MemoryLedger()
    bank = kit.bank(ledger)
    first, second = sale_of(bank, 1), sale_of(bank, 2)
    mixed = Original(None, 1, kit.NOW, second[1].rrn)
    assert code(bank, replace(kit.follow(Transaction.VOID, 3, 1000, *first), original=mixed)) == "00"
    original = ledger.operations()[-1].original
    assert original is not None
    assert original.stan == 2


def test_another_terminal_of_the_merchant_may_return_by_rrn() -> None:
    bank = kit.bank()
    back = kit.by_rrn(kit.follow(Transaction.RETURN, 2, 1000, *sale_of(bank)))
    assert code(bank, replace(back, terminal_id="00060057")) == "00"


def test_of_several_under_one_rrn_the_own_terminals_is_meant_else_nobody_knows() -> None:
    ledger = MemoryLedger()
    bank = kit.bank(ledger)
    request, answer = sale_of(bank, 1, 1000)
    bank.handle(replace(kit.sale(1, 700), terminal_id="00060057"), kit.NOW)
    plain = Original(None, None, None, answer.rrn)
    back = replace(kit.follow(Transaction.RETURN, 2, 500, request, answer), original=plain)
    said = bank.handle(replace(back, terminal_id="00060058"), LATER)
    assert (said.response_code, said.because) == ("25", "operations that could be the original: 2")
    assert code(bank, back) == "00"
    coded = replace(plain, authorization_code=answer.authorization_code)
    assert code(bank, replace(back, stan=3, terminal_id="00060058", original=coded)) == "00"
    assert [held.original.terminal_id for held in ledger.operations() if held.original] == ["00060056"] * 2


def test_another_card_another_currency_a_decline_a_reversal() -> None:
    bank = kit.bank()
    request, answer = sale_of(bank)
    void = kit.follow(Transaction.VOID, 2, 1000, request, answer)
    other = bank.handle(replace(void, card=kit.card_data("visa-chip")), LATER)
    assert (other.response_code, "another card" in other.because) == ("14", True)
    unknown = replace(kit.card_data("visa-chip"), pan="4111111111111111")
    assert code(bank, replace(void, stan=3, card=unknown)) == "14"
    assert code(bank, replace(void, stan=4, currency=CurrencyCode("840"))) == "05"
    declined = kit.sale(5, 1001, "mir-poor")
    refused = bank.handle(declined, kit.NOW)
    assert code(bank, kit.follow(Transaction.VOID, 6, 1001, declined, refused)) == "12"
    bank.handle(kit.reversal(request), LATER)
    assert code(bank, replace(void, stan=7)) == "12"
    assert moved(bank) == 0


def test_a_void_that_a_card_file_refuses_moves_nothing() -> None:
    ledger = MemoryLedger()
    made = make(kit.bank(ledger), kit.sale(1, 1000))
    card = kit.CARDS["mir-chip"]
    grumpy = replace(card, account=replace(card.account, force="05"))
    bank = Bank(kit.PROFILE, [grumpy], ledger, kit.KEYS)
    assert code(bank, kit.follow(Transaction.VOID, 2, 1000, *made)) == "05"
    assert moved(bank) == -1000


def test_a_forced_approval_gives_no_more_than_was_paid() -> None:
    card = kit.CARDS["mir-chip"]
    generous = replace(card, account=replace(card.account, force="00"))
    bank = Bank(kit.PROFILE, [generous], MemoryLedger(), kit.KEYS)
    made = make(bank, kit.sale(1, 1000))
    assert code(bank, kit.follow(Transaction.VOID, 2, 1001, *made)) == "13"
    assert code(bank, kit.follow(Transaction.VOID, 3, 1000, *made)) == "00"
    assert moved(bank) == 0


# --- reversals of everything ---


def test_the_reversal_of_a_void_restores_the_original_and_what_is_left() -> None:
    bank = kit.bank()
    sale = sale_of(bank)
    void = make(bank, kit.follow(Transaction.VOID, 2, 600, *sale))[0]
    assert code(bank, kit.reversal(void)) == "00"
    assert code(bank, kit.reversal(void, attempt=1)) == "00"
    assert moved(bank) == -1000
    assert code(bank, kit.follow(Transaction.VOID, 3, 1000, *sale)) == "00"


def test_the_reversal_of_a_raise_leaves_the_hold_its_former_amount() -> None:
    bank = kit.bank()
    hold = hold_of(bank)
    raised = make(bank, kit.follow(Transaction.RAISE, 2, 500, *hold))[0]
    assert code(bank, kit.reversal(raised)) == "00"
    assert moved(bank) == -1000
    assert code(bank, kit.follow(Transaction.COMPLETION, 3, 1001, *hold)) == "13"
    assert code(bank, kit.follow(Transaction.COMPLETION, 4, 1000, *hold)) == "00"


def test_the_reversal_of_a_completion_gives_the_whole_hold_back() -> None:
    bank = kit.bank()
    hold = hold_of(bank)
    done = make(bank, kit.follow(Transaction.COMPLETION, 2, 300, *hold, card=False))[0]
    assert moved(bank) == -300
    assert code(bank, kit.reversal(done)) == "00"
    assert moved(bank) == -1000
    assert code(bank, kit.follow(Transaction.COMPLETION, 3, 1000, *hold)) == "00"


def test_the_reversal_of_a_release_holds_again_and_of_credits_takes_again() -> None:
    bank = kit.bank()
    hold = hold_of(bank)
    released = make(bank, kit.follow(Transaction.VOID_OF_HOLD, 2, 1000, *hold))[0]
    assert code(bank, kit.reversal(released)) == "00"
    assert moved(bank) == -1000
    topped = make(bank, kit.ask(Transaction.TOP_UP, 3, 500))
    untopped = make(bank, kit.follow(Transaction.VOID_OF_CREDIT, 4, 200, *topped))[0]
    assert code(bank, kit.reversal(untopped)) == "00"
    assert moved(bank) == -500
    assert code(bank, kit.reversal(topped[0])) == "00"
    assert moved(bank) == -1000
    assert code(bank, kit.reversal(hold[0])) == "00"
    assert moved(bank) == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Transaction.PURCHASE, Transaction.VOID),
        (Transaction.PURCHASE, Transaction.RETURN),
        (Transaction.PREAUTHORIZATION, Transaction.RAISE),
        (Transaction.PREAUTHORIZATION, Transaction.COMPLETION),
        (Transaction.TOP_UP, Transaction.VOID_OF_CREDIT),
    ],
)
def test_what_others_build_on_is_not_reversed(first: Transaction, second: Transaction) -> None:
    ledger = MemoryLedger()
    bank = kit.bank(ledger)
    made = make(bank, kit.ask(first, 1, 1000, pin="1234"))
    later = make(bank, kit.follow(second, 2, 400, *made))[0]
    before = moved(bank)
    for attempt in range(2):
        said = bank.handle(kit.reversal(made[0], attempt=attempt), LATER)
        assert (said.response_code, "build on it" in said.because) == ("12", True)
    assert moved(bank) == before
    assert ledger.operations()[0].state is OperationState.APPROVED
    assert code(bank, kit.reversal(later)) == "00"
    assert code(bank, kit.reversal(made[0])) == "00"
    assert moved(bank) == 0


def test_a_raise_is_not_reversed_after_its_hold_was_closed() -> None:
    bank = kit.bank()
    hold = hold_of(bank)
    raised = make(bank, kit.follow(Transaction.RAISE, 2, 500, *hold))[0]
    make(bank, kit.follow(Transaction.COMPLETION, 3, 1200, *hold))
    assert code(bank, kit.reversal(raised)) == "12"
    assert moved(bank) == -1200


def test_what_was_taken_back_and_returned_once_more_is_not_given_twice() -> None:
    bank = kit.bank()
    sale = sale_of(bank)
    back = make(bank, kit.follow(Transaction.RETURN, 2, 500, *sale))
    taken = make(bank, kit.follow(Transaction.VOID_OF_CREDIT, 3, 500, *back))[0]
    make(bank, kit.follow(Transaction.RETURN, 4, 1000, *sale))
    assert code(bank, kit.reversal(taken)) == "12"
    assert moved(bank) == 0


@pytest.mark.parametrize("transaction", [Transaction.VOID, Transaction.RETURN])
def test_a_reversal_that_overtakes_a_follower_is_remembered(transaction: Transaction) -> None:
    bank = kit.bank()
    sale = sale_of(bank)
    follower = kit.follow(transaction, 2, 400, *sale)
    assert code(bank, kit.reversal(follower)) == "25"
    assert code(bank, follower) == kit.PROFILE.late_original
    assert moved(bank) == -1000
    assert code(bank, kit.follow(transaction, 3, 1000, *sale)) == "00"


def test_a_repeated_follower_with_another_original_is_refused() -> None:
    bank = kit.bank()
    first, second = sale_of(bank, 1), sale_of(bank, 2)
    void = kit.follow(Transaction.VOID, 3, 1000, *first)
    assert code(bank, void) == "00"
    other = kit.follow(Transaction.VOID, 3, 1000, *second)
    assert code(bank, other) == "94"
    assert moved(bank) == -1000
