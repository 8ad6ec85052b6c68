"""The register leaves an operation behind the bank: section 0.3, first table (the Document, 2.2, 2.3)."""

from collections.abc import Callable

import pytest
from emulator_kit import (
    Shop,
    assert_agreed,
    request,
    reversal,
)
from operation_kit import (
    CASH,
    COMPLETION,
    HOLD,
    LINK_TEST,
    RUB,
    SALE,
    TOO_MUCH,
    TOP_UP,
    VOUCHER,
    agreed,
    close_the_day,
    done,
    lose_the_answer,
    money,
    refund,
    refused_here,
    sold,
    spent,
    vanish_behind_the_bank,
    void,
)

from smartsale_emu.host.ledger import OperationState
from smartsale_emu.payment.authorization import Step, Transaction

Leave = Callable[[Shop, bytes], object]
LEAVE = pytest.mark.parametrize(
    "leave", [lose_the_answer, vanish_behind_the_bank], ids=["answer-refused", "line-closed"]
)


@LEAVE
@pytest.mark.parametrize("code", [SALE, CASH, HOLD, TOP_UP, VOUCHER])
def test_the_register_leaves_an_operation_of_its_own(code: int, leave: Leave) -> None:
    """Section 0.3, row 1; Document, 2.2: as if it had never been."""
    shop = Shop()
    leave(shop, money(code, 1000))
    assert (spent(shop), shop.kept_count) == (0, 0)
    assert shop.steps == [Step.FINANCIAL, Step.REVERSAL]
    assert_agreed(shop)


@LEAVE
@pytest.mark.parametrize("code", [29, 3])
def test_the_register_leaves_a_return(code: int, leave: Leave) -> None:
    """Section 0.3, row 1; Document, 2.3."""
    shop = Shop()
    sale = sold(shop, 1000)
    close_the_day(shop)
    leave(shop, money(code, 400, sale))
    assert (spent(shop), shop.kept_count) == (1000, 0)
    done(shop, refund(1000, sale))
    agreed(shop)


@LEAVE
def test_the_register_leaves_a_raise_and_the_hold_has_its_former_amount(leave: Leave) -> None:
    """Section 0.3, row 2: 0400 of the raise only."""
    shop = Shop()
    held = done(shop, money(HOLD, 5000))
    leave(shop, money(HOLD, 1000, held))
    assert spent(shop) == 5000
    heard = shop.bank.heard[-1]
    assert (heard.step, heard.transaction, heard.amount) == (Step.REVERSAL, Transaction.RAISE, 1000)
    assert_agreed(shop)
    refused_here(shop, money(COMPLETION, 5001, held), TOO_MUCH)
    done(shop, money(COMPLETION, 5000, held))
    agreed(shop)


@LEAVE
def test_the_register_leaves_a_void_and_the_original_stands(leave: Leave) -> None:
    """Section 0.3, row 3; Document, 2.3: the pinpad's own reversal may be of a void."""
    shop = Shop()
    sale = sold(shop, 1000)
    leave(shop, void(1000, sale))
    assert (spent(shop), shop.kept_count, shop.kept_amount) == (1000, 1, 1000)
    assert (shop.bank.heard[-1].step, shop.bank.heard[-1].transaction) == (Step.REVERSAL, Transaction.VOID)
    assert_agreed(shop)
    done(shop, void(1000, sale))
    agreed(shop)


@LEAVE
def test_the_register_leaves_a_completion_and_the_whole_hold_is_back(leave: Leave) -> None:
    """Section 0.3, row 4."""
    shop = Shop()
    held = done(shop, money(HOLD, 5000))
    done(shop, money(HOLD, 1000, held))
    leave(shop, money(COMPLETION, 2000, held))
    assert (spent(shop), shop.kept_amount) == (6000, 0)
    assert_agreed(shop)
    done(shop, money(COMPLETION, 6000, held))
    agreed(shop)


@LEAVE
def test_the_register_leaves_a_reversal_and_it_goes_on(leave: Leave) -> None:
    """Section 0.3, row 5: never reversed, repeated until answered."""
    shop = Shop()
    sold(shop)
    leave(shop, reversal())
    assert spent(shop) == 0
    assert shop.operations[0].state is OperationState.REVERSED
    assert_agreed(shop)


@LEAVE
@pytest.mark.parametrize("frame", [request({4: RUB, 25: 13}), request({25: LINK_TEST})], ids=["13", "26"])
def test_the_register_leaves_what_moves_nothing(frame: bytes, leave: Leave) -> None:
    """Section 0.3, last row: nothing is sent."""
    shop = Shop()
    leave(shop, frame)
    assert Step.REVERSAL not in shop.steps
    assert_agreed(shop)
