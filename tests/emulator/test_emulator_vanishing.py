"""Every point of a sale at which the register, the bank or the power can vanish (PROTOCOL.md, 0.3)."""

from collections.abc import Callable

import pytest
from emulator_kit import (
    ACK,
    CARDS,
    EOT,
    SALE_AMOUNT,
    Shop,
    assert_agreed,
    changed,
    link_test,
    outcome,
    reversal,
    sale,
    text,
)

from smartsale_emu.host.ledger import OperationState
from smartsale_emu.payment.authorization import Step
from smartsale_emu.scenario.virtual import NO_BYTE_LEAVES, Delivery
from smartsale_emu.terminal.profile import OnEot
from smartsale_emu.terminal.table import State

UNDONE = ("53", "ER3", "ОПЕРАЦИЯ ПРЕРВАНА^TERMINATED.JPG~", "0")

# --- the register vanishes ---------------------------------------------------------------------------------


def close(shop: Shop) -> None:
    shop.world.plug(None)


def pull_the_cable(shop: Shop) -> None:
    """The port cannot tell: the register is just silent from now on."""
    shop.world.plug(None, tell=False)


def send_eot(shop: Shop) -> None:
    shop.world.write(EOT)
    shop.world.plug(None, tell=False)


def reopen(shop: Shop) -> None:
    shop.till()


def ask_again(shop: Shop) -> None:
    """Another request on the same line."""
    shop.world.write(sale(amount=500))


LEAVING = [close, pull_the_cable, send_eot, reopen, ask_again]
LIVE_STATES = [State.CARD_PROMPT, State.PIN_ENTRY, State.BANK_CONNECT, State.BANK_ANSWER, State.ANSWERING]


@pytest.mark.parametrize("leave", LEAVING, ids=lambda leave: leave.__name__)
@pytest.mark.parametrize("state", LIVE_STATES)
def test_the_register_leaves_in(state: State, leave: Callable[[Shop], None]) -> None:
    shop = Shop(card="mir-chip")
    shop.ask(sale(), say=lambda _number, final: b"" if final else ACK)
    shop.reach(state)
    leave(shop)
    shop.settle()
    assert_agreed(shop)
    first = shop.operations[0].state if shop.operations else None
    assert first in (None, OperationState.REVERSED)


@pytest.mark.parametrize("leave", LEAVING, ids=lambda leave: leave.__name__)
@pytest.mark.parametrize("state", [State.UNDOING, State.REVERSING, State.CLEARING])
def test_the_register_leaves_while_a_reversal_runs_in(state: State, leave: Callable[[Shop], None]) -> None:
    shop = Shop()
    shop.serve(sale())
    shop.world.delivery = lambda _: Delivery.LOST_BACK
    if state is State.REVERSING:
        shop.ask(reversal())
    else:
        shop.ask(sale())
        shop.reach(State.UNDOING)
    if state is State.CLEARING:
        close(shop)
        shop.ask(sale())
    shop.reach(state)
    leave(shop)
    shop.settle()
    assert_agreed(shop)
    kept = [row.key.stan for row in shop.operations if row.state is OperationState.APPROVED]
    assert kept == ([] if state is State.REVERSING else [1])


def frames_of_a_sale() -> int:
    """A wait and the blocks of the final answer."""
    shop = Shop()
    till = shop.ask(sale())
    assert shop.until(lambda: bool(till.finals))
    assert till.frames == 4, "a wait and three blocks: this test wants an answer of several blocks"
    return till.frames


FRAMES = range(frames_of_a_sale())


@pytest.mark.parametrize("said", [b"", EOT], ids=["silence", "EOT"])
@pytest.mark.parametrize("frame", FRAMES, ids=["wait", "block-1", "block-2", "last-block"])
def test_the_register_stops_answering_at(frame: int, said: bytes) -> None:
    """No ACK to any copy, or EOT to the first copy: nothing is kept."""
    shop = Shop()
    till = shop.ask(sale(), say=lambda number, _final: ACK if number < frame else said)
    shop.settle()
    assert_agreed(shop)
    assert [row.state for row in shop.operations] in ([], [OperationState.REVERSED])
    assert shop.kept_count == 0
    assert bool(till.finals) is (frame == max(FRAMES))
    assert bool(shop.remarks("doubt")) is (frame > 0 and said == b"")


@pytest.mark.parametrize("frame", FRAMES, ids=["wait", "block-1", "block-2", "last-block"])
def test_eot_in_answer_to_a_repeat_of(frame: int) -> None:
    """Only who was sent the last block again may have the whole answer: kept, in doubt. Else undone."""
    shop = Shop()

    def say(number: int, _final: bool) -> bytes:
        return ACK if number < frame else EOT if number > frame else b""

    shop.ask(sale(), say=say)
    shop.settle()
    assert_agreed(shop)
    kept = frame == max(FRAMES)
    assert shop.kept_count == kept
    assert shop.remarks("doubt") == [1] * kept


@pytest.mark.parametrize("copy", [0, 1, 2])
def test_an_ack_of_any_copy_of_the_final_completes(copy: int) -> None:
    shop = Shop(changed(answer={"receipt": False}))
    finals = 0

    def say(_number: int, final: bool) -> bytes:
        nonlocal finals
        finals += final
        return ACK if not final or finals > copy else b""

    shop.ask(sale(), say=say)
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_count == 1
    assert shop.memory.remarks == ()


@pytest.mark.parametrize("first", OnEot)
@pytest.mark.parametrize("repeat", OnEot)
@pytest.mark.parametrize("to_first", [True, False], ids=["to-the-first-copy", "to-a-repeat"])
def test_eot_to_the_final_follows_the_profile(first: OnEot, repeat: OnEot, to_first: bool) -> None:
    line = {"final_eot_first": first, "final_eot_repeat": repeat}
    shop = Shop(changed(answer={"receipt": False}, line=line))
    finals = 0

    def say(_number: int, final: bool) -> bytes:
        nonlocal finals
        finals += final
        return ACK if not final else EOT if to_first or finals > 1 else b""

    shop.ask(sale(), say=say)
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_count == ((first if to_first else repeat) is OnEot.KEEP)
    assert shop.memory.last is not None
    assert shop.memory.last.in_doubt is bool(shop.kept_count)


def test_the_approval_that_waits_behind_an_unanswered_wait_is_undone() -> None:
    """The final never left: the register cannot believe anything, and no remark says that it may."""
    shop = Shop()
    till = shop.ask(sale(), say=lambda _number, _final: b"")
    shop.settle()
    assert_agreed(shop)
    assert [row.state for row in shop.operations] == [OperationState.REVERSED]
    assert till.finals == []
    assert shop.memory.remarks == ()
    assert [what for _, what in till.heard] == ["ACK", "wait", "wait", "wait", "EOT"]


def test_an_approval_a_moment_after_the_eot_to_a_wait_changes_nothing() -> None:
    shop = Shop()
    shop.ask(sale())
    shop.reach(State.BANK_ANSWER)
    shop.world.write(EOT)
    shop.settle()
    assert_agreed(shop)
    assert [row.state for row in shop.operations] == [OperationState.REVERSED]
    assert shop.steps == [Step.FINANCIAL, Step.REVERSAL]


# --- the bank vanishes -------------------------------------------------------------------------------------

FAILURES = [delivery for delivery in Delivery if delivery is not Delivery.FINE]


@pytest.mark.parametrize("delivery", FAILURES, ids=lambda delivery: delivery.name)
def test_the_bank_fails_at_the_sale(delivery: Delivery) -> None:
    shop = Shop()
    shop.world.delivery = lambda number: delivery if number == 0 else Delivery.FINE
    final = shop.serve(sale())
    if delivery in NO_BYTE_LEAVES:
        assert outcome(final) == ("34", None, "НЕТ СВЯЗИ", "0")
    else:
        assert outcome(final) == UNDONE
        assert shop.steps[-1] is Step.REVERSAL
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_count == 0


@pytest.mark.parametrize("at_reversal", FAILURES, ids=lambda delivery: f"reversal-{delivery.name}")
@pytest.mark.parametrize(
    "at_sale",
    [delivery for delivery in FAILURES if delivery not in NO_BYTE_LEAVES],
    ids=lambda delivery: f"sale-{delivery.name}",
)
def test_the_bank_fails_at_the_sale_and_at_its_reversal(at_sale: Delivery, at_reversal: Delivery) -> None:
    """The register hears 53 after the first attempt, answered or not; the pinpad goes on alone."""
    shop = Shop()
    shop.world.delivery = lambda number: at_sale if number == 0 else at_reversal
    assert outcome(shop.serve(sale())) == UNDONE
    pending = shop.memory.pending
    assert pending is not None
    assert pending.attempts == (at_reversal not in NO_BYTE_LEAVES), "what never left is no attempt"
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_count == 0


@pytest.mark.parametrize("delivery", FAILURES, ids=lambda delivery: delivery.name)
def test_the_bank_fails_at_operation_53(delivery: Delivery) -> None:
    """Never reversed, repeated until it is answered; the register hears 34 meanwhile."""
    shop = Shop()
    shop.serve(sale())
    shop.world.delivery = lambda number: delivery if number == 1 else Delivery.FINE
    assert text(shop.serve(reversal()), 39) == "34"
    shop.settle()
    assert_agreed(shop)
    assert [row.state for row in shop.operations] == [OperationState.REVERSED]
    assert shop.kept_count == 0


@pytest.mark.parametrize("delivery", FAILURES, ids=lambda delivery: delivery.name)
def test_the_bank_fails_at_the_reversal_of_a_lost_answer(delivery: Delivery) -> None:
    shop = Shop()
    shop.world.delivery = lambda number: delivery if number == 1 else Delivery.FINE
    shop.ask(sale(), say=lambda _number, final: EOT if final else ACK)
    shop.reach(State.OWING)
    shop.settle()
    assert_agreed(shop)
    assert [row.state for row in shop.operations] == [OperationState.REVERSED]


# --- the power fails ---------------------------------------------------------------------------------------


def a_sale(shop: Shop) -> None:
    shop.ask(sale())
    shop.rest(60_000)


def a_sale_whose_answer_is_lost(shop: Shop) -> None:
    shop.ask(sale(), say=lambda _number, final: b"" if final else ACK)
    shop.rest(60_000)


def a_sale_that_the_bank_does_not_answer(shop: Shop) -> None:
    shop.world.delivery = lambda _: Delivery.LOST_BACK
    shop.ask(sale())
    shop.rest(60_000)


def a_declined_sale(shop: Shop) -> None:
    shop.ask(sale(amount=CARDS["mir-contactless"].account.balance + 100))
    shop.rest(60_000)


def a_sale_and_its_reversal(shop: Shop) -> None:
    shop.ask(sale())
    shop.rest(60_000)
    shop.ask(reversal())
    shop.rest(60_000)


def a_link_test(shop: Shop) -> None:
    shop.ask(link_test())
    shop.rest(60_000)


STORIES = [
    a_sale,
    a_sale_whose_answer_is_lost,
    a_sale_that_the_bank_does_not_answer,
    a_declined_sale,
    a_sale_and_its_reversal,
    a_link_test,
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_the_power_fails_before_every_single_effect(story: Callable[[Shop], None]) -> None:
    """The pinpad is cut off before its n-th effect, for every n, and finishes the story alone."""
    for before in range(1000):
        shop = Shop(card="mir-chip")
        if not shop.run_with_cut(lambda shop=shop: story(shop), before):  # type: ignore[misc]
            break
        shop.settle()
        assert_agreed(shop)
    else:
        pytest.fail("the story never ended")
    assert before > 10
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize("second", [0, 1, 2, 3, 5, 8])
def test_the_power_fails_twice(second: int) -> None:
    """Also while the reversal of the first cut is under way."""
    for before in range(1000):
        shop = Shop()
        if not shop.run_with_cut(lambda shop=shop: a_sale(shop), before):  # type: ignore[misc]
            break
        shop.run_with_cut(lambda shop=shop: shop.rest(60_000), second)  # type: ignore[misc]
        shop.settle()
        assert_agreed(shop)


def test_a_final_that_was_acknowledged_in_the_dark_is_undone_and_said_to_be_believed() -> None:
    """The register took 39 = 1, the power failed before its ACK was read: the ledger says so."""
    shop = Shop()
    till = shop.ask(sale())
    assert shop.until(lambda: bool(till.finals))
    shop.power_cycle()
    shop.settle()
    assert_agreed(shop)
    assert text(till.final, 39) == "1"
    assert shop.kept_count == 0
    assert shop.remarks("doubt") == [1]


def test_a_kept_sale_survives_a_power_cut() -> None:
    shop = Shop()
    shop.serve(sale())
    shop.power_cycle()
    shop.settle()
    assert_agreed(shop)
    assert (shop.kept_count, shop.kept_amount) == (1, SALE_AMOUNT)
