"""The emergency reversal undoes the last operation and no other (the Document, 2.4; PROTOCOL.md, 0.4)."""

import pytest
from emulator_kit import (
    SALE_AMOUNT,
    Shop,
    changed,
    hand_over,
    outcome,
    request,
    reversal,
    text,
)
from operation_kit import (
    CARD,
    CASH,
    HOLD,
    LINK_TEST,
    REFUSED_53,
    REVERSAL,
    SALE,
    TOP_UP,
    VOUCHER,
    agreed,
    close_the_day,
    done,
    money,
    sold,
    spent,
    void,
)

from smartsale_emu.payment.authorization import Step
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.terminal.events import CancelPressed
from smartsale_emu.terminal.profile import NamesOther
from smartsale_emu.terminal.table import State


def test_only_the_last_operation_is_reversed() -> None:
    """Document, 2.4, note: not for an earlier operation that is not the last one."""
    shop = Shop()
    sold(shop, 500)
    last = sold(shop, 700)
    assert outcome(shop.serve(reversal(500))) == REFUSED_53
    assert spent(shop) == 1200
    done(shop, reversal(700, f14=text(last, 14), f13=text(last, 13)))
    assert spent(shop) == 500
    assert outcome(shop.serve(reversal(500))) == REFUSED_53, "what is the last one now was not then"
    assert spent(shop) == 500
    agreed(shop)


@pytest.mark.parametrize("tag", [13, 14])
def test_an_earlier_operation_of_the_same_amount_is_not_reversed(tag: int) -> None:
    """Document, 2.4, note: what 13 and 14 name must be the last operation, or another customer is undone."""
    shop = Shop()
    first = sold(shop, 500)
    sold(shop, 500)
    assert outcome(shop.serve(reversal(500, **{f"f{tag}": text(first, tag)}))) == REFUSED_53
    assert (spent(shop), shop.steps.count(Step.REVERSAL)) == (1000, 0)
    agreed(shop)


def test_a_profile_may_have_it_read_neither_code_nor_number() -> None:
    """The profile's row ``names_other``."""
    shop = Shop(changed(rules={"names_other": NamesOther.IGNORE}))
    first = sold(shop, 500)
    sold(shop, 500)
    done(shop, reversal(500, f14=text(first, 14), f13=text(first, 13)))
    assert spent(shop) == 500
    agreed(shop)


def test_an_operation_of_the_day_before_is_not_reversed() -> None:
    """Document, 2.4, note: the last operation is of the new day, the one that is named is not."""
    shop = Shop()
    first = sold(shop, 500)
    close_the_day(shop)
    sold(shop, 500)
    assert outcome(shop.serve(reversal(500, f14=text(first, 14)))) == REFUSED_53
    assert spent(shop) == 1000
    agreed(shop)


@pytest.mark.parametrize("code", [SALE, CASH, TOP_UP, VOUCHER, HOLD])
def test_every_operation_but_a_void_is_reversed_without_card_or_pin(code: int) -> None:
    """Document, 2.4: no further data and no card."""
    shop = Shop()
    done(shop, money(code, 1000))
    shop.world.cardholder = Cardholder(None)
    shop.world.screens.clear()
    done(shop, request({25: REVERSAL}))
    assert not any("КАРТУ" in screen or "ПИН" in screen for screen in shop.world.screens)
    assert spent(shop) == 0
    agreed(shop)


def test_a_void_is_never_reversed_on_request() -> None:
    """Document, 2.4, note: not available for «Отмена»."""
    shop = Shop()
    sale = sold(shop)
    done(shop, void(SALE_AMOUNT, sale))
    assert outcome(shop.serve(reversal())) == REFUSED_53
    assert spent(shop) == 0
    assert Step.REVERSAL not in shop.steps
    agreed(shop)


def test_an_operation_without_status_1_is_not_reversed() -> None:
    """Document, 2.4, note: only operations with field 39 = 1. A decline in between does not count."""
    shop = Shop(card="mir-poor")
    shop.serve(money(SALE, 5000))
    assert outcome(shop.serve(reversal(5000))) == REFUSED_53
    hand_over(shop, CARD)
    sold(shop)
    hand_over(shop, "mir-poor")
    shop.serve(money(SALE, 5000))
    shop.serve(request({25: LINK_TEST}))
    done(shop, reversal())
    agreed(shop)


def test_an_approval_that_the_customer_refused_is_not_reversed_on_request() -> None:
    """Document, 2.4, note: its field 39 was 53; the pinpad has undone it by itself."""
    shop = Shop()
    till = shop.ask(money(SALE))
    shop.reach(State.BANK_ANSWER)
    shop.world.tell(CancelPressed())
    assert shop.until(lambda: bool(till.finals))
    shop.rest(50)
    assert text(till.final, 39) == "53"
    assert outcome(shop.serve(reversal())) == REFUSED_53
    assert shop.steps.count(Step.REVERSAL) == 1
    agreed(shop)


def test_a_settlement_ends_the_chance_of_a_reversal() -> None:
    """Section 0.4: a settlement ends it."""
    shop = Shop()
    sold(shop)
    close_the_day(shop)
    assert outcome(shop.serve(reversal())) == REFUSED_53
    assert spent(shop) == SALE_AMOUNT
    agreed(shop)
