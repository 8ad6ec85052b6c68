"""The emergency reversal, by the pinpad itself and by operation 53 (PROTOCOL.md, sections 0.3 and 0.4)."""

import pytest
from emulator_kit import (
    ACK,
    EOT,
    SALE_AMOUNT,
    HandTill,
    Shop,
    assert_agreed,
    changed,
    hand_over,
    link_test,
    outcome,
    request,
    reversal,
    sale,
    text,
)

from smartsale_emu.host.ledger import OperationState
from smartsale_emu.payment.authorization import AuthorizationRequest, Step
from smartsale_emu.scenario.agreement import compare
from smartsale_emu.scenario.virtual import Delivery
from smartsale_emu.terminal.events import CancelPressed
from smartsale_emu.terminal.memory import ReversedBy
from smartsale_emu.terminal.profile import AlreadyReversed
from smartsale_emu.terminal.table import State

REFUSED = ("53", "ER3", "ОПЕРАЦИЯ ПРЕРВАНА^TERMINATED.JPG~", "0")
OWED = ("34", None, "НЕТ СВЯЗИ: АВАРИЙНАЯ ОТМЕНА НЕ ЗАВЕРШЕНА", "0")


def lose_the_answer(shop: Shop) -> None:
    """A sale whose answer the register refuses by EOT."""
    shop.ask(sale(), say=lambda _number, final: EOT if final else ACK)
    shop.reach(State.RETRYING)


def owing(delivery: Delivery = Delivery.LOST_THERE) -> Shop:
    """A shop with an approved sale whose reversal gets no answer, at rest."""
    shop = Shop()
    shop.world.delivery = lambda number: Delivery.FINE if number == 0 else delivery
    lose_the_answer(shop)
    shop.reach(State.OWING)
    return shop


# --- the message -------------------------------------------------------------------------------------------


def test_0400_first_then_0401_with_the_same_stan_time_and_card() -> None:
    shop = Shop()
    shop.world.delivery = lambda number: Delivery.FINE if number == 0 else Delivery.LOST_BACK
    lose_the_answer(shop)
    for _ in range(3):
        shop.reach(State.OWING)
        shop.reach(State.RETRYING)
    shop.settle()
    assert_agreed(shop)
    original, *reversals = shop.bank.heard
    assert [heard.attempt > 0 for heard in reversals] == [False, *([True] * (len(reversals) - 1))]
    for heard in reversals:
        assert heard.original is not None
        assert (heard.stan, heard.original.stan, heard.amount) == (1, 1, SALE_AMOUNT)
        assert heard.original.sent_at == original.sent_at
        assert heard.sent_at == reversals[0].sent_at
        assert heard.card is not None
        assert original.card is not None
        assert heard.card.pan == original.card.pan
        assert heard.card.track2 is None
        assert heard.pin_block is None
    row = shop.operations[0]
    assert (row.state, row.reversal_count) == (OperationState.REVERSED, len(reversals))


@pytest.mark.parametrize("code", ["91", "96", "30"])
def test_answers_that_are_tried_again(code: str) -> None:
    shop = Shop()
    refusals = iter([code, code])
    shop.bank.says = lambda asked: next(refusals, None) if asked.step is Step.REVERSAL else None
    lose_the_answer(shop)
    shop.reach(State.OWING)
    assert shop.memory.pending is not None
    shop.settle()
    assert_agreed(shop)
    assert [heard.step for heard in shop.bank.heard] == [Step.FINANCIAL, *[Step.REVERSAL] * 3]
    assert shop.operations[0].state is OperationState.REVERSED


@pytest.mark.parametrize("code", ["00", "25"])
def test_answers_that_end_it(code: str) -> None:
    """25: the bank never saw the original, here because it really never came."""
    shop = Shop()
    shop.world.delivery = lambda number: (
        Delivery.LOST_THERE if code == "25" and number == 0 else Delivery.FINE
    )
    if code == "25":
        assert outcome(shop.serve(sale())) == REFUSED
    else:
        lose_the_answer(shop)
    shop.settle()
    assert_agreed(shop)
    assert shop.operations[0].reversal_code == code
    assert shop.operations[0].reversal_count == 1


def test_any_other_answer_ends_it_with_an_alarm_and_the_ledger_says_so() -> None:
    shop = Shop()
    shop.bank.says = lambda asked: "05" if asked.step is Step.REVERSAL else None
    lose_the_answer(shop)
    shop.settle()
    assert shop.memory.pending is None
    assert [(remark.kind, remark.stan) for remark in shop.memory.remarks] == [("alarm", 1)]
    assert shop.memory.last is not None
    assert shop.memory.last.reversed_by is ReversedBy.REFUSED
    agreement = compare(
        shop.operations, shop.ledger.closed_batches(), shop.memory, terminal_id=shop.profile.terminal_id
    )
    assert not agreement.agree
    assert agreement.disagreements == (
        "the bank holds STAN 1 of 12.00 as approved, the pinpad has it as undone (refused)",
    )
    assert "alarm" in agreement.notes[0]


def test_after_an_alarm_operation_53_tries_once_more_and_the_totals_stay_right() -> None:
    shop = Shop()
    shop.bank.says = lambda asked: "05" if asked.step is Step.REVERSAL else None
    lose_the_answer(shop)
    shop.settle()
    shop.bank.says = lambda _request: None
    assert text(shop.serve(reversal()), 39) == "1"
    shop.settle()
    assert_agreed(shop)
    assert (shop.kept_count, shop.kept_amount) == (0, 0)


def test_the_bank_refuses_operation_53() -> None:
    shop = Shop()
    shop.serve(sale())
    shop.bank.says = lambda _request: "05"
    assert outcome(shop.serve(reversal()))[:3] == ("16", "005", "ОТКЛОНЕНО")
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_count == 1


# --- requests while a reversal is owed ---------------------------------------------------------------------

HELD = {"sale": sale(amount=500), "link-test": link_test(), "53": reversal()}


@pytest.mark.parametrize("frame", HELD.values(), ids=HELD)
def test_what_needs_the_bank_is_answered_34_when_the_one_attempt_fails(frame: bytes) -> None:
    shop = owing()
    before = shop.world.bank_messages
    since = shop.world.now
    till = shop.ask(frame)
    assert shop.until(lambda: bool(till.finals))
    said = outcome(till.final)
    assert said[:3] == OWED[:3]
    assert shop.world.bank_messages == before + 1, "one attempt"
    assert [moment - since for moment in till.waits] == [2, 10_002], "waits run"
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [(request({25: 99}), ("0", "ER1")), (request({25: 1}), ("53", "ER2"))],
    ids=["unknown-operation", "missing-field"],
)
def test_what_does_not_need_the_bank_is_served_after_the_attempt(
    frame: bytes, expected: tuple[str, str]
) -> None:
    shop = owing()
    before = shop.world.bank_messages
    till = shop.ask(frame)
    assert shop.until(lambda: bool(till.finals))
    assert outcome(till.final)[:2] == expected
    assert shop.world.bank_messages == before + 1
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize("frame", HELD.values(), ids=HELD)
def test_every_request_is_served_when_the_attempt_succeeds(frame: bytes) -> None:
    shop = owing()
    shop.world.delivery = lambda _: Delivery.FINE
    assert text(shop.serve(frame), 39) == "1"
    assert shop.operations[0].state is OperationState.REVERSED
    shop.settle()
    assert_agreed(shop)


def test_a_call_that_is_no_reversal_takes_no_attempt_back() -> None:
    """What was sent once is repeated as 0401, whatever else could not reach the bank meanwhile."""
    shop = Shop(card="mir-contactless")
    lost = {0, 1}  # the sale, its first reversal
    shop.world.delivery = lambda number: Delivery.LOST_BACK if number in lost else Delivery.UNREACHABLE
    shop.serve(sale())
    shop.serve(request({25: 66}))
    shop.settle()
    undone = [heard for heard in shop.bank.heard if heard.step is Step.REVERSAL]
    assert [heard.attempt > 0 for heard in undone] == [False, *([True] * (len(undone) - 1))]
    assert len(undone) > 1
    assert_agreed(shop)


def test_a_request_joins_the_attempt_that_is_under_way() -> None:
    shop = owing()
    shop.reach(State.RETRYING)
    before = shop.world.bank_messages
    till = shop.ask(sale())
    shop.reach(State.CLEARING)
    shop.reach(State.ANSWERING)
    assert shop.world.bank_messages == before
    assert shop.until(lambda: bool(till.finals))
    assert [what for _, what in till.heard][:2] == ["ACK", "wait"]
    assert outcome(till.final)[:3] == OWED[:3]
    shop.settle()
    assert_agreed(shop)


def test_a_request_that_keeps_coming_does_not_starve_the_reversal() -> None:
    """Every request makes an attempt, also one that is refused at once when nothing is owed."""
    shop = owing()
    shop.world.delivery = lambda number: Delivery.FINE if number > 5 else Delivery.LOST_THERE
    for _ in range(6):
        shop.serve(request({25: 99}))
    assert shop.memory.pending is None


def test_the_power_is_back_and_the_reversal_is_tried_at_once() -> None:
    shop = owing()
    shop.world.delivery = lambda _: Delivery.FINE
    before = shop.world.bank_messages
    shop.power_cycle()
    shop.reach(State.RETRYING)
    assert shop.world.bank_messages == before + 1
    shop.rest(1000)
    assert shop.operations[0].state is OperationState.REVERSED
    assert shop.state is State.IDLE


def test_a_reversal_overtakes_its_original() -> None:
    shop = Shop()
    shop.world.delivery = lambda number: Delivery.OVERTAKEN if number == 0 else Delivery.FINE
    assert outcome(shop.serve(sale())) == REFUSED
    shop.settle()
    assert_agreed(shop)
    assert [row.state for row in shop.operations] == [OperationState.REVERSED_EARLY]


# --- operation 53 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [reversal(), reversal(None), reversal(f13="314159", f14="632709000001"), reversal(f13="", f14="-1")],
    ids=["amount", "bare", "everything", "unset"],
)
def test_operation_53_undoes_the_last_sale(frame: bytes) -> None:
    shop = Shop()
    sold = shop.serve(sale())
    final = shop.serve(frame)
    assert outcome(final) == ("1", "001", "ОДОБРЕНО", "111111111")
    assert (text(final, 0), text(final, 25)) == ("1200", "53")
    assert (text(final, 13), text(final, 14)) == (text(sold, 13), text(sold, 14))
    assert (text(final, 10), text(final, 11)) == (text(sold, 10), text(sold, 11))
    assert "АВАРИЙНАЯ ОТМЕНА" in (text(final, 90) or "")
    assert "N 0002" in (text(final, 90) or ""), "a slip number of its own"
    shop.settle()
    assert_agreed(shop)
    assert (shop.kept_count, shop.kept_amount) == (0, 0)


def test_no_card_is_asked_for() -> None:
    shop = Shop()
    shop.serve(sale())
    screens = len(shop.world.screens)
    shop.serve(reversal())
    assert not any("КАРТУ" in screen for screen in shop.world.screens[screens:])


@pytest.mark.parametrize("amount", [SALE_AMOUNT, None])
def test_nothing_to_reverse(amount: int | None) -> None:
    assert outcome(Shop().serve(reversal(amount))) == REFUSED


def test_another_amount() -> None:
    shop = Shop()
    shop.serve(sale())
    assert outcome(shop.serve(reversal(SALE_AMOUNT - 1))) == REFUSED
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_count == 1


def test_an_operation_that_did_not_end_with_1() -> None:
    shop = Shop()
    shop.ask(sale())
    shop.reach(State.BANK_ANSWER)
    shop.world.tell(CancelPressed())
    shop.settle()
    assert outcome(shop.serve(reversal())) == REFUSED


@pytest.mark.parametrize("between", ["declined", "cancelled", "link-test", "bad-field", "unknown"])
def test_what_happened_between_does_not_count(between: str) -> None:
    shop = Shop()
    shop.serve(sale())
    if between == "declined":
        hand_over(shop, "mir-poor")
        assert text(shop.serve(sale(amount=5000)), 39) == "16"
    elif between == "cancelled":
        shop.ask(sale(amount=5000))
        shop.reach(State.CARD_PROMPT)
        shop.world.write(EOT)
        shop.rest(100)
    else:
        shop.serve({"link-test": link_test(), "bad-field": request({25: 1})}.get(between, request({25: 99})))
    assert text(shop.serve(reversal()), 39) == "1"
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_count == 0


def test_only_the_last_of_two_sales() -> None:
    shop = Shop()
    shop.serve(sale())
    shop.serve(sale(amount=500))
    assert outcome(shop.serve(reversal())) == REFUSED
    assert text(shop.serve(reversal(500)), 39) == "1"
    assert outcome(shop.serve(reversal())) == REFUSED
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_amount == SALE_AMOUNT


def test_the_same_53_again_after_its_answer_was_lost() -> None:
    shop = Shop()
    shop.serve(sale())
    shop.ask(reversal(), say=lambda _number, final: b"" if final else ACK)
    shop.settle()
    messages = shop.world.bank_messages
    assert text(shop.serve(reversal()), 39) == "1"
    assert shop.world.bank_messages == messages, "nothing is asked of the bank"
    assert outcome(shop.serve(reversal())) == REFUSED, "its answer was taken: nothing is left"
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize("rule", AlreadyReversed)
def test_53_after_the_pinpad_has_reversed_by_itself(rule: AlreadyReversed) -> None:
    shop = Shop(changed(rules={"already_reversed": rule}))
    lose_the_answer(shop)
    shop.settle()
    final = shop.serve(reversal())
    if rule is AlreadyReversed.APPROVE:
        assert outcome(final)[:2] == ("1", "001")
        assert "N 0002" in (text(final, 90) or ""), "the lost answer's slip was number 1"
        assert outcome(shop.serve(reversal())) == REFUSED
    else:
        assert outcome(final) == REFUSED
    shop.settle()
    assert_agreed(shop)


def test_53_goes_on_without_its_register_and_over_a_power_cut() -> None:
    shop = Shop()
    shop.serve(sale())
    shop.world.delivery = lambda _: Delivery.LOST_BACK
    till: HandTill = shop.ask(reversal())
    shop.reach(State.REVERSING)
    shop.world.plug(None)
    shop.rest(5000)
    shop.power_cycle()
    shop.settle()
    assert_agreed(shop)
    assert till.finals == []
    assert shop.operations[0].state is OperationState.REVERSED
    assert text(shop.serve(reversal()), 39) == "1", "its answer was lost"


def test_a_pending_53_is_repeated_and_the_register_hears_34_meanwhile() -> None:
    shop = Shop()
    shop.serve(sale())
    shop.world.delivery = lambda _: Delivery.LOST_BACK
    assert outcome(shop.serve(reversal()))[:3] == OWED[:3]
    assert outcome(shop.serve(reversal()))[:3] == OWED[:3]
    shop.world.delivery = lambda _: Delivery.FINE
    assert text(shop.serve(reversal()), 39) == "1"
    shop.settle()
    assert_agreed(shop)
    asked: list[AuthorizationRequest] = [heard for heard in shop.bank.heard if heard.step is Step.REVERSAL]
    assert [heard.attempt for heard in asked][:1] == [0]
    assert all(heard.attempt for heard in asked[1:])


def test_what_is_owed_is_a_note_and_no_disagreement() -> None:
    for shop in (owing(), owing(Delivery.LOST_BACK)):
        agreement = compare(
            shop.operations, shop.ledger.closed_batches(), shop.memory, terminal_id=shop.profile.terminal_id
        )
        assert agreement.agree
        assert agreement.notes[0].startswith("unfinished: STAN 1 of 12.00 (reversing")


def test_a_bank_that_has_forgotten_is_a_disagreement() -> None:
    shop = Shop()
    shop.serve(sale())
    assert compare((), (), shop.memory, terminal_id=shop.profile.terminal_id).disagreements == (
        "the pinpad keeps STAN 1 of 12.00, the bank has never heard of it",
    )
    assert (
        compare(shop.operations, shop.ledger.closed_batches(), shop.memory, terminal_id="99999999").agree
        is False
    )


def test_a_register_that_keeps_knocking_does_not_put_the_reversal_off() -> None:
    """One attempt lasts its 15 s, whoever waits for its end; then the next request makes the next one."""
    shop = owing()
    shop.reach(State.RETRYING)
    pending = shop.memory.pending
    assert pending is not None
    before = pending.attempts
    shop.till()
    for knock in range(9):
        shop.world.write(sale(amount=500 + knock))
        shop.rest(10_000)
    pending = shop.memory.pending
    assert pending is not None
    assert pending.attempts >= before + 4
    assert any(text(final, 39) == "34" for final in shop.tills[-1].finals)


def test_an_answer_to_another_terminal_is_none() -> None:
    shop = Shop()
    real = shop.world._reply

    def misdirected(call: int, reply: bytes, delivery: Delivery) -> None:
        first = shop.steps == [Step.FINANCIAL]
        real(call, reply.replace(b"00060056", b"99999999") if first else reply, delivery)

    shop.world._reply = misdirected  # type: ignore[method-assign]
    assert outcome(shop.serve(sale()))[:2] == ("53", "ER3")
    shop.settle()
    assert_agreed(shop)
    assert [row.state for row in shop.operations] == [OperationState.REVERSED]
