"""Void and return: what may follow what, and how much of it (the Document, 2.3; PROTOCOL.md, section 0.5)."""

from dataclasses import replace

import pytest
from emulator_kit import (
    CARDS,
    SALE_AMOUNT,
    Shop,
    changed,
    hand_over,
    outcome,
    request,
    text,
)
from operation_kit import (
    CARD,
    CASH,
    COMPLETION,
    HOLD,
    IMPOSSIBLE,
    OTHER_CARD,
    RUB,
    SALE,
    TOO_MUCH,
    TOP_UP,
    USE_RETURN,
    USE_VOID,
    VOID,
    VOUCHER,
    WHOLE_ONLY,
    agreed,
    close_the_day,
    done,
    lines,
    lose_the_answer,
    money,
    refund,
    refused_by_the_bank,
    refused_here,
    slips,
    sold,
    spent,
    strict_bank,
    void,
)

from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.cardholder import Cardholder

# --- void: only inside the operating day (Document, 2.3; section 0.5) --------------------------------------


def test_a_void_after_the_settlement_is_declined_and_told_to_be_a_return() -> None:
    """Document, 2.3: a void during the current operating day, after «Сверка итогов» only a return."""
    shop = Shop()
    sale = sold(shop)
    close_the_day(shop)
    refused_here(shop, void(SALE_AMOUNT, sale), USE_RETURN)
    done(shop, refund(SALE_AMOUNT, sale))
    assert spent(shop) == 0
    agreed(shop)


def test_a_return_that_finds_nothing_is_not_told_to_be_a_return() -> None:
    shop = Shop()
    final = shop.serve(money(29, 100, f108=77))
    assert outcome(final)[:3] == ("16", None, "НЕТ ТАКОЙ ОПЕРАЦИИ")


def test_a_void_of_what_never_was_is_declined() -> None:
    shop = Shop()
    sold(shop)
    refused_here(shop, money(VOID, 100, f14="632709000099", f13="123456"), USE_RETURN)


@pytest.mark.parametrize("wrong", [{"f13": "000000"}, {"f14": "632709000099"}])
def test_both_references_must_name_the_same_operation(wrong: dict[str, str]) -> None:
    shop = Shop()
    sale = sold(shop)
    refused_here(shop, void(SALE_AMOUNT, sale, **wrong), USE_RETURN)


def test_a_void_of_a_void_of_a_raise_and_of_a_declined_sale_are_declined() -> None:
    shop = Shop()
    sale = sold(shop)
    undone = done(shop, void(200, sale))
    refused_here(shop, void(200, undone), IMPOSSIBLE)
    held = done(shop, money(HOLD, 5000))
    raised = done(shop, money(HOLD, 1000, held))
    refused_here(shop, void(1000, raised), IMPOSSIBLE)
    declined = shop.serve(money(SALE, CARDS[CARD].account.balance + 1))
    refused_here(shop, money(VOID, 100, f14=text(declined, 14), f108=5), IMPOSSIBLE)
    agreed(shop)


@pytest.mark.parametrize("tag", [108, 52])
def test_a_void_may_name_the_slip_instead(tag: int) -> None:
    """Section 5.1: 108 or 52 is the number of the slip."""
    shop = Shop()
    sold(shop, 500)
    sale = sold(shop)
    done(shop, request({0: SALE_AMOUNT, 4: RUB, 25: VOID, tag: 2}))
    heard = shop.bank.heard[-1].original
    assert heard is not None
    assert (heard.rrn, heard.authorization_code) == (text(sale, 14), text(sale, 13))
    refused_here(shop, request({0: SALE_AMOUNT, 4: RUB, 25: VOID, tag: 9}), USE_RETURN)
    agreed(shop)


@pytest.mark.parametrize("unset", ["0", "-1", "000000"])
def test_a_slip_number_that_is_unset_names_nothing(unset: str) -> None:
    shop = Shop()
    sale = sold(shop)
    done(shop, void(SALE_AMOUNT, sale, f108=unset, f52=unset))
    agreed(shop)


def test_another_currency_than_the_originals_is_declined() -> None:
    shop = Shop()
    refused_here(shop, void(100, sold(shop), f4="840"), IMPOSSIBLE)


# --- void: the card is read again and compared (Document, 2.3, step 3) -------------------------------------


def test_a_void_asks_for_the_card_again() -> None:
    """Document, 2.3, step 3: the cashier has the customer's card read."""
    shop = Shop()
    sale = sold(shop)
    shop.world.screens.clear()
    done(shop, void(SALE_AMOUNT, sale))
    assert any("ПРИЛОЖИТЕ КАРТУ" in screen for screen in shop.world.screens)
    assert not any("ПИН" in screen for screen in shop.world.screens)
    agreed(shop)


@pytest.mark.parametrize("second", ["mir-chip", "mastercard-magstripe"])
def test_a_void_with_another_card_is_declined_without_the_bank(second: str) -> None:
    """Document, 2.3, step 3; section 0.5: a void's card must be the original's."""
    shop = Shop()
    sale = sold(shop)
    hand_over(shop, second)
    final = refused_here(shop, void(SALE_AMOUNT, sale), OTHER_CARD)
    assert (text(final, 10) or "")[-4:] == CARDS[second].card.pan[-4:], "the card that was read"
    hand_over(shop, CARD)
    done(shop, void(SALE_AMOUNT, sale))
    agreed(shop)


def test_a_raise_with_another_card_is_declined_without_the_bank() -> None:
    shop = Shop()
    held = done(shop, money(HOLD, 5000))
    hand_over(shop, "mir-chip")
    refused_here(shop, money(HOLD, 1000, held), OTHER_CARD)
    agreed(shop)


def test_a_return_of_an_earlier_day_with_another_card_is_declined_by_the_bank() -> None:
    """Document, 2.3: the terminal has forgotten the day, the bank has not."""
    shop = Shop()
    sale = sold(shop)
    close_the_day(shop)
    hand_over(shop, "mastercard-magstripe")
    final = shop.serve(refund(SALE_AMOUNT, sale))
    assert outcome(final)[:2] == ("16", "014")
    assert (spent(shop), spent(shop, "mastercard-magstripe")) == (SALE_AMOUNT, 0)
    agreed(shop)


def test_the_same_card_swiped_and_tapped_is_the_same_card() -> None:
    shop = Shop(card="mastercard-magstripe")
    sale = sold(shop)
    card = replace(CARDS["mastercard-magstripe"].card, entry_mode=EntryMode.CONTACTLESS)
    shop.world.cardholder = Cardholder(card)
    done(shop, void(SALE_AMOUNT, sale))
    agreed(shop)


# --- partial voids (Document, 2.3, note) -------------------------------------------------------------------


def test_partial_voids_never_exceed_what_is_left() -> None:
    """Document, 2.3, note: void of a part; several of them; section 0.5: never more than the original."""
    shop = Shop()
    sale = sold(shop, 1000)
    done(shop, void(300, sale))
    done(shop, void(300, sale))
    refused_here(shop, void(401, sale), TOO_MUCH)
    final = done(shop, void(400, sale))
    assert ("СУММА", "ОПЕРАЦИИ", "(РУБ):", "10.00") in lines(slips(final)[0])
    refused_here(shop, void(1, sale), IMPOSSIBLE)
    assert spent(shop) == 0
    agreed(shop)


def test_a_void_of_more_than_the_sale_is_declined() -> None:
    shop = Shop()
    refused_here(shop, void(SALE_AMOUNT + 1, sold(shop)), TOO_MUCH)


@pytest.mark.parametrize("code", [CASH, TOP_UP, VOUCHER])
def test_every_voidable_operation_is_voided_up_to_its_amount(code: int) -> None:
    shop = Shop()
    first = done(shop, money(code, 1000))
    done(shop, void(400, first))
    refused_here(shop, void(601, first), TOO_MUCH)
    done(shop, void(600, first))
    assert spent(shop) == 0
    agreed(shop)


def test_a_void_that_was_lost_leaves_as_much_as_before() -> None:
    """Section 0.3: the bank restores the original and the amount still voidable."""
    shop = Shop()
    sale = sold(shop, 1000)
    done(shop, void(400, sale))
    lose_the_answer(shop, void(600, sale))
    assert spent(shop) == 600
    refused_here(shop, void(601, sale), TOO_MUCH)
    done(shop, void(600, sale))
    agreed(shop)


def test_field_1_of_a_partial_void_must_be_the_amount_of_the_original() -> None:
    shop = Shop()
    sale = sold(shop, 1000)
    final = shop.serve(void(300, sale, f1=999))
    assert outcome(final)[:3] == ("53", "ER2", "ОШИБКА В ЗАПРОСЕ: ПОЛЕ 1")
    done(shop, void(300, sale, f1=1000))
    agreed(shop)


@pytest.mark.parametrize("code", [SALE, CASH, TOP_UP])
def test_a_profile_that_forbids_partial_voids(code: int) -> None:
    """Document, 2.3, note: not all banks allow them."""
    shop = Shop(changed(follow={"partial_void": False}))
    first = done(shop, money(code, 1000))
    refused_here(shop, void(999, first), WHOLE_ONLY)
    done(shop, void(1000, first))
    agreed(shop)


def test_a_bank_that_forbids_partial_voids() -> None:
    """Document, 2.3, note: not all banks allow them; the terminal asks, and nothing moves."""
    shop = Shop()
    strict_bank(shop, partial_void=False)
    sale = sold(shop, 1000)
    refused_by_the_bank(shop, void(999, sale), "013")
    done(shop, void(1000, sale))
    agreed(shop)


# --- return (Document, 2.3) --------------------------------------------------------------------------------


def test_a_return_of_the_same_day_is_refused_by_default() -> None:
    """Document, 2.3: returns are for earlier operating days; section 0.5: ``return_same_day``."""
    shop = Shop()
    sale = sold(shop)
    refused_here(shop, refund(SALE_AMOUNT, sale), USE_VOID)


def test_a_return_of_the_same_day_where_the_profile_allows_it() -> None:
    """Section 0.5; a void and a return take from the same rest."""
    shop = Shop(changed(follow={"return_same_day": True}))
    sale = sold(shop, 1000)
    done(shop, void(300, sale))
    done(shop, refund(400, sale))
    refused_here(shop, refund(301, sale), TOO_MUCH)
    refused_here(shop, void(301, sale), TOO_MUCH)
    done(shop, void(300, sale))
    assert spent(shop) == 0
    agreed(shop)


def test_a_return_of_the_same_day_with_another_card_is_declined_without_the_bank() -> None:
    shop = Shop(changed(follow={"return_same_day": True}))
    sale = sold(shop)
    hand_over(shop, "mir-chip")
    refused_here(shop, refund(SALE_AMOUNT, sale), OTHER_CARD)


def test_a_return_that_was_voided_may_be_returned_once_more() -> None:
    """What is left of a sale is what its standing returns leave: bank and pinpad count alike."""
    shop = Shop(changed(follow={"return_same_day": True}))
    sale = sold(shop, 1000)
    returned = done(shop, refund(1000, sale))
    refused_here(shop, refund(1, sale), IMPOSSIBLE)
    done(shop, void(400, returned))
    refused_here(shop, refund(401, sale), TOO_MUCH)
    done(shop, refund(400, sale))
    assert spent(shop) == 0
    agreed(shop)


def test_partial_returns_across_days_never_exceed_what_is_left() -> None:
    """Document, 2.3, note; section 0.5: never more than the original, across days too: the bank keeps it."""
    shop = Shop()
    sale = sold(shop, 1000)
    done(shop, void(100, sale))
    close_the_day(shop)
    done(shop, refund(300, sale))
    refused_by_the_bank(shop, refund(601, sale), "013")
    close_the_day(shop)
    done(shop, refund(300, sale))
    close_the_day(shop)
    refused_by_the_bank(shop, refund(301, sale), "013")
    done(shop, refund(300, sale))
    refused_by_the_bank(shop, refund(1, sale), "013")
    assert spent(shop) == 0
    agreed(shop)


def test_a_return_that_was_lost_leaves_as_much_as_before() -> None:
    """Section 0.3: a return whose answer is lost is as if it had never been."""
    shop = Shop()
    sale = sold(shop, 1000)
    close_the_day(shop)
    lose_the_answer(shop, refund(1000, sale))
    assert spent(shop) == 1000
    done(shop, refund(1000, sale))
    agreed(shop)


def test_a_return_of_a_completion_and_of_nothing_else() -> None:
    shop = Shop(changed(follow={"return_same_day": True}))
    held = done(shop, money(HOLD, 1000))
    refused_here(shop, refund(1000, held), IMPOSSIBLE)
    completed = done(shop, money(COMPLETION, 800, held))
    done(shop, refund(800, completed))
    for code in (CASH, TOP_UP, VOUCHER):
        refused_here(shop, refund(100, done(shop, money(code, 500))), IMPOSSIBLE)
    agreed(shop)


def test_a_profile_that_forbids_partial_returns() -> None:
    """Document, 2.3, note: not all banks allow them."""
    shop = Shop(changed(follow={"partial_return": False, "return_same_day": True}))
    sale = sold(shop, 1000)
    refused_here(shop, refund(999, sale), WHOLE_ONLY)
    done(shop, refund(1000, sale))
    agreed(shop)


def test_a_bank_that_forbids_partial_returns() -> None:
    """Document, 2.3, note; of an earlier day the terminal cannot know what the whole is."""
    shop = Shop(changed(follow={"partial_return": False}))
    strict_bank(shop, partial_return=False)
    sale = sold(shop, 1000)
    close_the_day(shop)
    refused_by_the_bank(shop, refund(999, sale), "013")
    done(shop, refund(1000, sale))
    agreed(shop)
