"""Every point at which power, register or bank can interrupt an operation (PROTOCOL.md, 0.3).

What is undone is as if it had never been, a void, a raise and a completion too: the void's original has its
money again and may be voided, the hold its former amount, the whole hold is back. Never anything half.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest
from emulator_kit import ACK, EOT, Shop, assert_agreed, hand_over, reversal, text
from operation_kit import CASH, COMPLETION, HOLD, RETURN, SALE, TOP_UP, VOID, VOUCHER, close_the_day
from play_kit import Done, approved, ask_for, do, once_more, picture
from test_emulator_vanishing import LEAVING, LIVE_STATES

from smartsale_emu.host.ledger import OperationKey
from smartsale_emu.payment.authorization import Step
from smartsale_emu.scenario.virtual import NO_BYTE_LEAVES, Delivery
from smartsale_emu.terminal.table import State


@dataclass(frozen=True)
class Case:
    """An operation that is about to be asked for, in a shop where everything before it is done."""

    name: str
    shop: Shop
    frame: bytes
    keys: tuple[OperationKey, ...]

    def again(self) -> Shop:
        """The shop as it was; a customer with a chip card where the operation asks for a PIN."""
        return once_more(self.shop)

    def picture(self, shop: Shop) -> tuple[object, ...]:
        return picture(shop, self.keys)


def case(
    name: str, code: int, amount: int, before: Callable[[Shop], Done | None], *, card: str = "mir-contactless"
) -> Case:
    shop = Shop(card=card)
    original = before(shop)
    shop.settle()
    return Case(name, shop, ask_for(code, amount, original), tuple(row.key for row in approved(shop)))


def a_sale(shop: Shop) -> Done:
    return do(shop, SALE, 1000)


def something_else(shop: Shop) -> None:
    a_sale(shop)


def a_sale_voided_in_part(shop: Shop) -> Done:
    paid = a_sale(shop)
    do(shop, VOID, 300, paid)
    return paid


def a_sale_of_the_day_before(shop: Shop) -> Done:
    paid = a_sale_voided_in_part(shop)
    close_the_day(shop)
    return paid


def a_hold(shop: Shop) -> Done:
    return do(shop, HOLD, 500)


def a_raised_hold(shop: Shop) -> Done:
    hold = a_hold(shop)
    do(shop, HOLD, 100, hold)
    return hold


def a_hold_of_the_day_before(shop: Shop) -> Done:
    hold = a_raised_hold(shop)
    close_the_day(shop)
    return hold


def a_completion(shop: Shop) -> Done:
    return do(shop, COMPLETION, 550, a_raised_hold(shop))


def a_top_up(shop: Shop) -> Done:
    return do(shop, TOP_UP, 70)


def a_return(shop: Shop) -> Done:
    return do(shop, RETURN, 400, a_sale_of_the_day_before(shop))


CASES = [
    case("void", VOID, 1000, a_sale),
    case("partial void", VOID, 250, a_sale_voided_in_part),
    case("void of a completion", VOID, 550, a_completion),
    case("void of a hold", VOID, 600, a_raised_hold),
    case("void of a top-up", VOID, 70, a_top_up),
    case("void of a return", VOID, 150, a_return),
    case("return", RETURN, 700, a_sale_of_the_day_before),
    case("return without reference", VOUCHER, 33, something_else),
    case("hold", HOLD, 500, something_else),
    case("raise", HOLD, 100, a_hold),
    case("completion", COMPLETION, 450, a_raised_hold),
    case("completion days later", COMPLETION, 450, a_hold_of_the_day_before),
    case("top-up", TOP_UP, 70, something_else),
    case("cash", CASH, 90, something_else, card="mir-chip"),
]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
VOIDS = [case for case in CASES if case.name.startswith(("void", "partial"))]


def test_every_case_is_approved_and_changes_the_picture() -> None:
    for case in CASES:
        shop = case.again()
        assert text(shop.serve(case.frame), 39) == "1", case.name
        shop.settle()
        assert_agreed(shop)
        assert whole(case) == case.picture(shop) != case.picture(case.shop), case.name


@cache
def whole(case: Case) -> tuple[object, ...]:
    """The picture after the operation, where nothing interrupts it."""
    shop = case.again()
    assert text(shop.serve(case.frame), 39) == "1"
    return case.picture(shop)


def assert_undone_and_possible_again(case: Case, shop: Shop) -> None:
    """As if it had never been: the money, what is left, and that it can be done now."""
    shop.settle()
    assert_agreed(shop)
    assert case.picture(shop) == case.picture(case.shop)
    assert_possible_again(case, shop)


def assert_possible_again(case: Case, shop: Shop) -> None:
    shop.rest(2000)
    hand_over(shop, "mir-chip" if case.name == "cash" else "mir-contactless")
    assert text(shop.serve(case.frame), 39) == "1"
    shop.settle()
    assert_agreed(shop)
    assert case.picture(shop) == whole(case)


# --- the power -------------------------------------------------------------------------------------------


def _ask_and_rest(case: Case, shop: Shop, *, lost: bool) -> None:
    shop.ask(case.frame, say=(lambda _number, final: b"" if final else ACK) if lost else None)
    shop.rest(60_000)


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "answer-lost"])
@every_case
def test_the_power_fails_before_every_single_effect_of(case: Case, lost: bool) -> None:
    """Whole or not at all; what was not at all can be done again."""
    nothing, seen = case.picture(case.shop), set()
    for cut in range(1000):
        shop = case.again()
        was_cut = shop.run_with_cut(lambda shop=shop: _ask_and_rest(case, shop, lost=lost), cut)  # type: ignore[misc]
        shop.settle()
        assert_agreed(shop)
        now = case.picture(shop)
        assert now in (whole(case), nothing)
        seen.add(now == whole(case))
        if now == nothing:
            assert_possible_again(case, shop)
        if not was_cut:
            break
    assert 10 < cut < 1000
    assert seen == ({False} if lost else {True, False})


@pytest.mark.parametrize("second", [0, 1, 3])
@every_case
def test_the_power_fails_twice_in(case: Case, second: int) -> None:
    for cut in range(second, 1000, 4):
        shop = case.again()
        if not shop.run_with_cut(lambda shop=shop: _ask_and_rest(case, shop, lost=True), cut):  # type: ignore[misc]
            break
        shop.run_with_cut(lambda shop=shop: shop.rest(60_000), second)  # type: ignore[misc]
        shop.settle()
        assert_agreed(shop)
        assert case.picture(shop) == case.picture(case.shop)


# --- the register ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("leave", LEAVING, ids=lambda leave: leave.__name__)
@pytest.mark.parametrize("state", LIVE_STATES)
@every_case
def test_the_register_leaves(case: Case, state: State, leave: Callable[[Shop], None]) -> None:
    """Asked or not, the money is as before; what the register asks instead it does not acknowledge either."""
    shop = case.again()
    shop.ask(case.frame, say=lambda _number, final: b"" if final else ACK)
    if not shop.until(lambda: shop.state is state):
        assert state in (State.CARD_PROMPT, State.PIN_ENTRY), "not every operation asks for card and PIN"
        return
    leave(shop)
    shop.settle()
    assert shop.steps.count(Step.REVERSAL) == shop.steps.count(Step.FINANCIAL)
    assert_undone_and_possible_again(case, shop)


@pytest.mark.parametrize("said", [b"", EOT], ids=["silence", "EOT"])
@every_case
def test_the_final_answer_is_not_taken(case: Case, said: bytes) -> None:
    shop = case.again()
    till = shop.ask(case.frame, say=lambda _number, final: said if final else ACK)
    assert_undone_and_possible_again(case, shop)
    assert shop.bank.heard[1].step is Step.REVERSAL
    assert till.taken == [] or said == b""


# --- the bank --------------------------------------------------------------------------------------------

FAILURES = [delivery for delivery in Delivery if delivery is not Delivery.FINE]
THEN = [Delivery.FINE, Delivery.UNREACHABLE, Delivery.LOST_BACK, Delivery.OVERTAKEN]


@pytest.mark.parametrize("at_reversal", THEN, ids=lambda delivery: f"then-{delivery.name}")
@pytest.mark.parametrize("delivery", FAILURES, ids=lambda delivery: delivery.name)
@every_case
def test_the_bank_fails(case: Case, delivery: Delivery, at_reversal: Delivery) -> None:
    """53 after the first attempt (34 where nothing left), then alone until the bank has answered."""
    shop = case.again()
    first = shop.world.bank_messages
    shop.world.delivery = lambda number: delivery if number == first else at_reversal
    final = shop.serve(case.frame)
    assert text(final, 39) == ("34" if delivery in NO_BYTE_LEAVES else "53")
    shop.world.delivery = lambda _: Delivery.FINE
    assert_undone_and_possible_again(case, shop)


# --- operation 53 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("delivery", list(Delivery), ids=lambda delivery: delivery.name)
@every_case
def test_the_register_reverses_it(case: Case, delivery: Delivery) -> None:
    """Document, 2.4: the last operation, but never a void; undone whatever the bank does."""
    shop = case.again()
    shop.serve(case.frame)
    done = case.picture(shop)
    first = shop.world.bank_messages
    shop.world.delivery = lambda number: delivery if number == first else Delivery.FINE
    final = shop.serve(reversal(None))
    if case in VOIDS:
        assert text(final, 39) == "53"
        assert shop.world.bank_messages == first
        shop.settle()
        assert case.picture(shop) == done
        return
    assert text(final, 39) == ("1" if delivery is Delivery.FINE else "34")
    assert_undone_and_possible_again(case, shop)


@pytest.mark.parametrize("case", [case for case in CASES if case not in VOIDS], ids=lambda case: case.name)
def test_the_power_fails_before_every_single_effect_of_the_reversal_of(case: Case) -> None:
    for cut in range(1000):
        shop = case.again()
        shop.serve(case.frame)
        done = case.picture(shop)
        was_cut = shop.run_with_cut(lambda shop=shop: _reverse_and_rest(shop), cut)  # type: ignore[misc]
        shop.settle()
        assert_agreed(shop)
        assert case.picture(shop) in (done, case.picture(case.shop))
        if not was_cut:
            break
    assert 5 < cut < 1000
    assert case.picture(shop) == case.picture(case.shop)


def _reverse_and_rest(shop: Shop) -> None:
    shop.ask(reversal(None))
    shop.rest(60_000)
