"""The settlement (PROTOCOL.md, 0.3, 5.5; Document, 2.1, 2.3): whatever fails, the day is closed once."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from emulator_kit import (
    ACK,
    BANK_PROFILE,
    EOT,
    WAIT_FRAME,
    Shop,
    assert_agreed,
    changed,
    outcome,
    reversal,
    sale,
    text,
)
from operation_kit import (
    CASH,
    COMPLETION,
    HOLD,
    RETURN,
    SALE,
    TOP_UP,
    VOID,
    VOUCHER,
    close_the_day,
    lines,
    settlement,
    slips,
)
from play_kit import approved, ask_for, balances, do, forget, invent, once_more, report
from test_emulator_vanishing import LEAVING

from smartsale_emu.emulator.doors import Effect, WriteLine
from smartsale_emu.host.ledger import BatchKey, Operation
from smartsale_emu.host.profile import Surplus
from smartsale_emu.payment.authorization import AuthorizationRequest, Step, Transaction
from smartsale_emu.payment.totals import Tally, Totals
from smartsale_emu.scenario.agreement import compare
from smartsale_emu.scenario.virtual import NO_BYTE_LEAVES, Delivery, World
from smartsale_emu.terminal.effects import Remember
from smartsale_emu.terminal.table import State

FAILURES = [delivery for delivery in Delivery if delivery is not Delivery.FINE]
SETTLED = ("1", "001", "ОДОБРЕНО", "111111111")
OWED = ("34", None, "НЕТ СВЯЗИ: СВЕРКА ИТОГОВ НЕ ЗАВЕРШЕНА", "0")
UNREACHED = ("34", None, "НЕТ СВЯЗИ", "0")
REFUSING = replace(BANK_PROFILE, surplus_at_closing=Surplus.REFUSE)


def a_day() -> Shop:
    """Eleven operations that count; at the end of it nothing is owed."""
    shop = Shop(card="mir-chip")
    paid = do(shop, SALE, 1000)
    do(shop, VOID, 300, paid)
    do(shop, VOID, 200, paid)
    hold = do(shop, HOLD, 500)
    do(shop, HOLD, 100, hold)
    do(shop, COMPLETION, 550, hold)
    released = do(shop, HOLD, 40)
    do(shop, VOID, 40, released)
    topped = do(shop, TOP_UP, 70)
    do(shop, VOID, 30, topped)
    do(shop, CASH, 900)
    do(shop, VOUCHER, 15)
    return shop


DAY = a_day()
COUNT = len(approved(DAY))
TOTALS = Totals(Tally(3, 2450), Tally(2, 85), Tally(2, 500), Tally(1, 30))
MESSAGES = COUNT + 2
"""Of a settlement with uploads: totals, every operation, totals again."""


def damaged(*, lost: tuple[int, ...] = (0, 4, 9)) -> tuple[Shop, dict[str, int]]:
    """The day again, at a bank that forgot some of its operations; and the balances before it did."""
    shop = once_more(DAY)
    before = balances(shop)
    forget(shop, [approved(shop)[index] for index in lost])
    return shop, before


def heard(shop: Shop, step: Step) -> list[AuthorizationRequest]:
    return [request for request in shop.bank.heard if request.step is step]


def fails_at(shop: Shop, step: int, delivery: Delivery) -> None:
    """The bank fails from the n-th message on."""
    first = shop.world.bank_messages
    shop.world.delivery = lambda number: delivery if number - first >= step else Delivery.FINE


def fields(shop: Shop) -> dict[int, str | None]:
    final = shop.tills[-1].final
    return {tag: text(final, tag) for tag in (29, 30, 31, 32, 49, 50, 51, 52)}


# --- the bank agrees -------------------------------------------------------------------------------------


def test_a_day_in_balance_is_closed_at_once_and_its_totals_are_told() -> None:
    shop = once_more(DAY)
    assert outcome(shop.serve(settlement())) == SETTLED
    (asked,) = shop.bank.heard
    assert (asked.transaction, asked.batch, asked.totals) == (Transaction.SETTLEMENT, 1, TOTALS)
    told = {29: "2450", 30: "3", 31: "85", 32: "2", 49: "500", 50: "2", 51: "30", 52: "1"}
    assert fields(shop) == told
    assert (shop.memory.day, shop.memory.slip, shop.kept_count, shop.memory.remarks) == (2, 0, 0, ())
    shop.settle()
    assert_agreed(shop)


def test_a_settlement_ends_what_an_emergency_reversal_could_undo() -> None:
    shop = once_more(DAY)
    close_the_day(shop)
    assert text(shop.serve(reversal(None)), 39) == "53"
    assert heard(shop, Step.REVERSAL) == []
    assert_agreed(shop)


def test_a_day_without_operations_is_closed_too() -> None:
    shop = Shop()
    close_the_day(shop)
    close_the_day(shop)
    assert [batch.key.number for batch in shop.ledger.closed_batches()] == [1, 2]
    assert_agreed(shop)


@pytest.mark.parametrize("said", [b"", EOT], ids=["silence", "EOT"])
def test_once_the_bank_agreed_the_day_is_closed_whatever_the_register_acknowledges(said: bytes) -> None:
    shop = once_more(DAY)
    shop.ask(settlement(), say=lambda _number, final: said if final else ACK)
    shop.settle()
    assert (shop.memory.day, shop.memory.settling, shop.steps) == (2, "", [Step.RECONCILIATION])
    assert_agreed(shop)


# --- the bank counts otherwise ---------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [*range(COUNT), None])
def test_what_the_bank_forgot_is_repaired_by_the_upload_to_the_kopeck(lost: int | None) -> None:
    """Each of them, with the sale that makes the totals differ (a hold counts nowhere); and all of them."""
    indices = sorted({0, lost}) if lost is not None else range(COUNT)
    shop, before = damaged(lost=tuple(indices))
    assert len(approved(shop)) == COUNT - len(indices)
    final = shop.serve(settlement())
    assert outcome(final) == SETTLED
    assert ("ДОСЛАНО", "ОПЕРАЦИЙ:", str(COUNT)) in lines(slips(final)[0])
    assert balances(shop) == before
    assert (shop.memory.day, shop.memory.remarks) == (2, ())
    assert [asked.step for asked in shop.bank.heard] == UPLOADED
    shop.settle()
    assert_agreed(shop)


UPLOADED = [Step.RECONCILIATION, *[Step.UPLOAD] * COUNT, Step.RECONCILIATION]


def test_the_upload_tells_every_operation_in_its_order_and_then_the_totals_again() -> None:
    shop, _ = damaged()
    shop.serve(settlement())
    assert shop.steps == UPLOADED
    told = heard(shop, Step.UPLOAD)
    rows = approved(DAY)
    assert [asked.original.rrn if asked.original else "" for asked in told] == [row.rrn for row in rows]
    assert [(asked.transaction, asked.amount) for asked in told] == [
        (row.transaction, row.amount) for row in rows
    ]
    assert {asked.batch for asked in shop.bank.heard} == {1}
    assert len({asked.stan for asked in shop.bank.heard}) == MESSAGES
    first, last = heard(shop, Step.RECONCILIATION)
    assert (first.transaction, last.transaction) == (Transaction.SETTLEMENT, Transaction.CLOSING)
    assert first.totals == last.totals == TOTALS


def test_what_the_bank_holds_beyond_the_pinpads_day_is_reported_everywhere() -> None:
    shop = once_more(DAY)
    invented = invent(shop, (111, 222))
    final = shop.serve(settlement())
    assert outcome(final) == SETTLED
    assert fields(shop)[31] == "85", "the register hears the pinpad's totals"
    slip = text(final, 90) or ""
    for line in ("РАСХОЖДЕНИЕ: -3.33", "КРЕДИТ: 4 4.18", "КРЕДИТ: 2 0.85", "ДЕНЬ ЗАКРЫТ С РАСХОЖДЕНИЕМ"):
        assert line in " ".join(slip.split()), line
    (remark,) = shop.memory.remarks
    assert (remark.kind, "18.95" in remark.text, "15.62" in remark.text) == ("alarm", True, True)
    said = compare(shop.operations, shop.ledger.closed_batches(), shop.memory, terminal_id="00060056")
    assert said.agree
    assert len([note for note in said.notes if "which was closed without it" in note]) == len(invented)
    shop.settle()
    assert_agreed(shop)


def test_a_bank_that_forgot_some_and_holds_others_is_repaired_and_reported() -> None:
    shop, before = damaged()
    invent(shop, (111, 222))
    assert outcome(shop.serve(settlement())) == SETTLED
    assert balances(shop) == before | {"visa-chip": 333}
    assert len(shop.memory.remarks) == 1
    shop.settle()
    assert_agreed(shop)


def test_a_day_that_was_closed_with_a_difference_is_not_told_twice_when_the_answer_was_lost() -> None:
    """The bank answers a batch that it has closed in the same way; the difference is reported once."""
    shop = once_more(DAY)
    invent(shop, (111, 222))
    fails_at(shop, MESSAGES - 1, Delivery.LOST_BACK)
    assert outcome(shop.serve(settlement())) == OWED
    shop.settle()
    assert shop.steps == [*UPLOADED, *[Step.RECONCILIATION] * (len(shop.steps) - len(UPLOADED))]
    assert len(shop.steps) > len(UPLOADED)
    assert [remark.kind for remark in shop.memory.remarks] == ["alarm"]
    assert_agreed(shop)


def test_a_bank_that_takes_no_surplus_leaves_the_day_open_and_operations_go_on() -> None:
    shop = once_more(DAY, profile=REFUSING)
    invented = invent(shop, (111, 222))
    assert outcome(shop.serve(settlement()))[:3] == ("16", "095", "ИТОГИ НЕ СОВПАЛИ")
    assert (shop.memory.day, shop.memory.settling, shop.ledger.closed_batches()) == (1, "", ())
    assert shop.kept_count == COUNT
    paid = do(shop, SALE, 10)
    do(shop, VOID, 4, paid)
    forget(shop, invented)
    close_the_day(shop)
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize("step", [0, 4, MESSAGES - 1])
@pytest.mark.parametrize("code", ["05", "12"])
def test_a_bank_that_declines_leaves_the_day_open(code: str, step: int) -> None:
    """A declined upload is told in a remark, and the totals decide; the day is never half closed."""
    shop, _ = damaged()
    shop.bank.says = lambda _asked: code if len(shop.bank.heard) == step + 1 else None
    final = shop.serve(settlement())
    if 0 < step < MESSAGES - 1:
        assert outcome(final) == SETTLED, "the bank knew that one"
        assert [remark.kind for remark in shop.memory.remarks] == ["alarm"]
    else:
        assert outcome(final)[:3] == ("16", f"0{code}", "ИТОГИ НЕ СОВПАЛИ")
        assert (shop.memory.day, shop.memory.settling) == (1, "")
        close_the_day(shop)
    shop.settle()
    assert_agreed(shop)


# --- the bank is silent ----------------------------------------------------------------------------------


def test_a_bank_that_was_not_reached_owes_nothing() -> None:
    shop = once_more(DAY)
    shop.world.delivery = lambda _: Delivery.UNREACHABLE
    assert outcome(shop.serve(settlement())) == UNREACHED
    assert shop.memory.settling == ""
    shop.world.delivery = lambda _: Delivery.FINE
    do(shop, SALE, 10)
    shop.settle()
    assert (shop.memory.day, heard(shop, Step.RECONCILIATION)) == (1, [])
    assert_agreed(shop)


@pytest.mark.parametrize("delivery", FAILURES, ids=lambda delivery: delivery.name)
@pytest.mark.parametrize("step", range(MESSAGES))
def test_the_bank_fails_at_message(step: int, delivery: Delivery) -> None:
    """34, owed; money waits; the same batch is told again until it is closed; nothing counts twice."""
    shop, before = damaged()
    fails_at(shop, step, delivery)
    final = shop.serve(settlement())
    if step == 0 and delivery in NO_BYTE_LEAVES:
        assert outcome(final) == UNREACHED
        return
    assert outcome(final) == OWED
    assert shop.memory.settling
    asked = len(heard(shop, Step.FINANCIAL))
    assert outcome(shop.serve(sale())) == OWED
    assert len(heard(shop, Step.FINANCIAL)) == asked, "money waits"
    shop.settle()
    assert (shop.memory.day, shop.memory.settling) == (2, "")
    assert {request.batch for request in shop.bank.heard} == {1}
    assert balances(shop) == before
    assert_agreed(shop)


@pytest.mark.parametrize("code", ["91", "96", "30"])
@pytest.mark.parametrize("step", [0, 3, MESSAGES - 1])
def test_a_bank_that_cannot_answer_now_is_asked_again(step: int, code: str) -> None:
    shop, before = damaged()
    shop.bank.says = lambda _asked: code if len(shop.bank.heard) == step + 1 else None
    assert outcome(shop.serve(settlement())) == OWED
    shop.settle()
    assert shop.memory.day == 2
    assert balances(shop) == before
    assert_agreed(shop)


def test_a_settlement_that_is_owed_is_tried_every_thirty_seconds() -> None:
    shop = once_more(DAY)
    shop.world.delivery = lambda _: Delivery.LOST_BACK
    shop.serve(settlement())
    shop.rest(170_000)
    asked = [request.sent_at for request in shop.bank.heard]
    gaps = [(later - before).total_seconds() for before, later in pairwise(asked)]
    assert gaps[:3] == [70, 45, 45], "40 s of the register's attempt or 15 s of a lone one, then 30 s of rest"
    shop.settle()
    assert len(shop.ledger.closed_batches()) == 1
    assert_agreed(shop)


def owing(*, closed: bool = True) -> Shop:
    """A shop whose settlement is owed; the bank closed the day (its answer was lost) or never heard of it."""
    shop = once_more(DAY)
    shop.world.delivery = lambda _: Delivery.LOST_BACK if closed else Delivery.LOST_THERE
    assert outcome(shop.serve(settlement())) == OWED
    shop.reach(State.OWING)
    return shop


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "never-heard"])
def test_a_settlement_asked_again_while_it_is_owed_is_the_same_one(closed: bool) -> None:
    shop = owing(closed=closed)
    shop.world.delivery = lambda _: Delivery.FINE
    assert outcome(shop.serve(settlement())) == SETTLED
    assert fields(shop)[29] == "2450"
    assert (shop.memory.day, len(shop.ledger.closed_batches())) == (2, 1)
    shop.settle()
    assert_agreed(shop)


def test_a_settlement_asked_again_during_a_lone_attempt_takes_its_place() -> None:
    shop = owing()
    shop.reach(State.RETRYING)
    shop.world.delivery = lambda _: Delivery.FINE
    assert outcome(shop.serve(settlement())) == SETTLED
    shop.settle()
    assert shop.memory.day == 2
    assert_agreed(shop)


def test_a_report_is_served_while_the_settlement_is_owed() -> None:
    shop = owing()
    before = len(shop.bank.heard)
    final = shop.serve(report())
    assert (text(final, 39), "ДЕБЕТ: 3" in (text(final, 90) or "")) == ("1", True)
    assert len(shop.bank.heard) == before + 1, "one attempt, then the report"
    shop.settle()
    assert_agreed(shop)


def test_a_report_that_waited_for_the_settlement_tells_of_the_new_day() -> None:
    shop = owing()
    shop.world.delivery = lambda _: Delivery.FINE
    final = shop.serve(report())
    assert (text(final, 39), "ДЕБЕТ: 0" in (text(final, 90) or "")) == ("1", True)
    assert shop.memory.day == 2
    shop.settle()
    assert_agreed(shop)


def test_a_sale_that_waited_for_the_settlement_is_made_in_the_new_day() -> None:
    shop = owing()
    shop.world.delivery = lambda _: Delivery.FINE
    assert text(shop.serve(sale()), 39) == "1"
    (row,) = approved(shop)[COUNT:]
    assert (row.batch, shop.memory.day) == (2, 2)
    shop.settle()
    assert_agreed(shop)


def test_a_sale_that_waited_for_a_settlement_which_is_refused_is_made_in_the_open_day() -> None:
    shop = owing(closed=False)
    shop.bank.says = lambda asked: "05" if asked.step is Step.RECONCILIATION else None
    shop.world.delivery = lambda _: Delivery.FINE
    assert text(shop.serve(sale()), 39) == "1"
    assert (approved(shop)[-1].batch, shop.memory.day, shop.memory.settling) == (1, 1, "")
    shop.settle()
    assert_agreed(shop)


def test_a_refusal_that_nobody_waits_for_ends_the_settlement() -> None:
    shop = owing(closed=False)
    shop.bank.says = lambda asked: "05" if asked.step is Step.RECONCILIATION else None
    shop.settle()
    assert (shop.state, shop.memory.day, shop.memory.settling) == (State.IDLE, 1, "")
    shop.bank.says = lambda _asked: None
    assert_agreed(shop)


def test_a_reversal_that_is_owed_goes_before_the_settlement() -> None:
    shop = once_more(DAY)
    shop.world.delivery = lambda _: Delivery.LOST_BACK
    shop.serve(sale())
    before = len(heard(shop, Step.RECONCILIATION))
    assert text(shop.serve(settlement()), 39) == "34"
    assert len(heard(shop, Step.RECONCILIATION)) == before
    shop.world.delivery = lambda _: Delivery.FINE
    close_the_day(shop)
    assert shop.steps[-2:] == [Step.REVERSAL, Step.RECONCILIATION]
    shop.settle()
    assert_agreed(shop)


# --- the register goes, the power fails ------------------------------------------------------------------


@pytest.mark.parametrize("leave", LEAVING, ids=lambda leave: leave.__name__)
@pytest.mark.parametrize("step", range(MESSAGES))
def test_the_register_leaves_at_message(step: int, leave: Callable[[Shop], None]) -> None:
    """A settlement is never reversed: it goes on alone."""
    shop, before = damaged()
    before_this = shop.world.bank_messages
    shop.ask(settlement())
    assert shop.until(lambda: shop.world.bank_messages - before_this > step)
    leave(shop)
    shop.settle()
    assert (shop.memory.day, shop.memory.settling) == (2, "")
    assert heard(shop, Step.REVERSAL) == []
    if leave.__name__ == "close":
        assert shop.steps == UPLOADED, "nothing is told twice: the call that is under way goes on"
    sold = 500 if leave.__name__ == "ask_again" else 0
    assert balances(shop) == {"mir-chip": before["mir-chip"] - sold}
    assert_agreed(shop)


def test_the_register_leaves_and_the_bank_is_not_reached() -> None:
    """Not one byte has left: nothing is owed, and no day is closed that nobody waits for."""
    shop = once_more(DAY)
    shop.world.delivery = lambda _: Delivery.UNREACHABLE
    shop.ask(settlement())
    shop.reach(State.SETTLING)
    shop.world.plug(None)
    shop.until(lambda: shop.memory.settling == "")
    assert shop.state is State.IDLE
    shop.settle()
    assert (shop.memory.day, heard(shop, Step.RECONCILIATION)) == (1, [])
    assert_agreed(shop)


@pytest.mark.parametrize("delivery", FAILURES, ids=lambda delivery: delivery.name)
def test_the_register_leaves_and_the_bank_is_silent(delivery: Delivery) -> None:
    shop, before = damaged()
    shop.ask(settlement())
    shop.reach(State.SETTLING)
    fails_at(shop, 3, delivery)
    shop.world.plug(None)
    shop.rest(300_000)
    assert shop.memory.settling
    shop.settle()
    assert shop.memory.day == 2
    assert balances(shop) == before
    assert_agreed(shop)


@pytest.mark.parametrize("delivery", [Delivery.FINE, Delivery.LOST_BACK], ids=lambda delivery: delivery.name)
def test_the_power_fails_before_every_single_effect_of_a_settlement(delivery: Delivery) -> None:
    """Closed exactly once or open, nothing counted twice, nothing lost; and then it can be closed."""
    for cut in range(1000):
        shop, before = damaged()
        fails_at(shop, 4, delivery)
        was_cut = shop.run_with_cut(lambda shop=shop: _ask_and_rest(shop), cut)  # type: ignore[misc]
        shop.settle()
        if shop.memory.day == 1:
            close_the_day(shop)
        assert (shop.memory.day, len(shop.ledger.closed_batches())) == (2, 1)
        assert balances(shop) == before
        assert_agreed(shop)
        if not was_cut:
            break
    assert 2 * MESSAGES < cut < 1000


def _ask_and_rest(shop: Shop) -> None:
    shop.ask(settlement())
    shop.rest(120_000)


@pytest.mark.parametrize("second", [0, 1, 2, 3, 5, 8, 13])
def test_the_power_fails_twice_in_a_settlement(second: int) -> None:
    for cut in range(0, 1000, 3):
        shop, before = damaged()
        if not shop.run_with_cut(lambda shop=shop: _ask_and_rest(shop), cut):  # type: ignore[misc]
            break
        shop.run_with_cut(lambda shop=shop: shop.rest(120_000), second)  # type: ignore[misc]
        shop.settle()
        if shop.memory.day == 1:
            close_the_day(shop)
        assert len(shop.ledger.closed_batches()) == 1
        assert balances(shop) == before
        assert_agreed(shop)


def test_a_settlement_that_is_owed_is_tried_at_once_when_the_power_is_back() -> None:
    shop = owing(closed=False)
    shop.world.delivery = lambda _: Delivery.FINE
    shop.power_cycle()
    shop.rest(1000)
    assert (shop.memory.day, shop.steps, shop.state) == (2, [Step.RECONCILIATION], State.IDLE)
    assert_agreed(shop)


def test_the_new_day_is_on_disk_before_the_register_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Effect] = []
    carry_out = World._carry_out

    def recorded(world: World, effect: Effect) -> None:
        done.append(effect)
        carry_out(world, effect)

    monkeypatch.setattr(World, "_carry_out", recorded)
    close_the_day(once_more(DAY))
    written = [isinstance(effect, Remember) and effect.memory.day == 2 for effect in done].index(True)
    frames = [isinstance(effect, WriteLine) and len(effect.data) > len(WAIT_FRAME) for effect in done]
    assert written < frames.index(True)


# --- the day after ---------------------------------------------------------------------------------------


def test_after_the_settlement_a_sale_can_only_be_returned() -> None:
    """Document, 2.3: a void inside the operating day, afterwards a return."""
    shop = Shop()
    paid = do(shop, SALE, 1000)
    do(shop, VOID, 300, paid)
    close_the_day(shop)
    assert text(shop.serve(ask_for(VOID, 100, paid)), 39) == "16"
    do(shop, RETURN, 500, paid)
    assert text(shop.serve(ask_for(RETURN, 201, paid)), 39) == "16"
    close_the_day(shop)
    do(shop, RETURN, 200, paid)
    assert text(shop.serve(ask_for(RETURN, 1, paid)), 39) == "16"
    close_the_day(shop)
    assert balances(shop) == {}
    assert_agreed(shop)


def test_a_full_journal_asks_for_the_settlement_that_empties_it() -> None:
    shop = Shop(changed(rules={"journal_size": 3}))
    for _ in range(3):
        do(shop, SALE, 10)
    assert outcome(shop.serve(sale()))[:3] == ("16", None, "ЖУРНАЛ ЗАПОЛНЕН: ВЫПОЛНИТЕ СВЕРКУ ИТОГОВ")
    close_the_day(shop)
    do(shop, SALE, 10)
    assert_agreed(shop)


def test_the_same_day_is_closed_under_one_number_for_ever() -> None:
    """The bank answers a batch that it has closed in the same way, whatever is claimed later."""
    shop = owing()
    shop.settle()
    key = BatchKey("00060056", "111111111", 1)
    batch = shop.ledger.closed_batch(key)
    assert batch is not None
    assert batch.claimed == batch.counted == TOTALS
    rows: list[Operation] = approved(shop)
    assert {row.batch for row in rows} == {1}
