"""Every row of the terminal's table is exercised by a story, here or in the other test modules."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import test_emulator_chip as chip
import test_emulator_keys as keys
import test_emulator_outcomes as outcomes
import test_emulator_requests as requests
import test_emulator_reversals as reversals
import test_emulator_settlement as settlements
import test_emulator_vanishing as vanishing
from emulator_kit import EOT, PRINTER, PROFILE, PROFILES, Shop, hand_over, request, sale, text
from operation_kit import COMPLETION, HOLD, SALE, VOID, settlement
from play_kit import ask_for, do, report

from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.payment.cardholder import Prompt
from smartsale_emu.scenario.virtual import Delivery
from smartsale_emu.security.masking import Secret
from smartsale_emu.terminal.events import CancelPressed, PaperChanged
from smartsale_emu.terminal.operations import Name, PinNeed
from smartsale_emu.terminal.profile import AlreadyReversed, TerminalProfile
from smartsale_emu.terminal.settling import OWED
from smartsale_emu.terminal.table import TRANSITIONS, Kind, Row, State
from smartsale_emu.terminal.terminal import Terminal


def leave_in(*states: State) -> Iterator[Callable[[], None]]:
    test = vanishing.test_the_register_leaves_in
    for state in states:
        yield lambda state=state: test(state, vanishing.close)  # type: ignore[misc]


def leave_while_a_reversal_runs_in(*states: State) -> Iterator[Callable[[], None]]:
    test = vanishing.test_the_register_leaves_while_a_reversal_runs_in
    for state in states:
        yield lambda state=state: test(state, vanishing.close)  # type: ignore[misc]


def a_link_test_is_given_up() -> None:
    shop = Shop()
    shop.ask(request({25: 26}))
    shop.reach(State.BANK_ANSWER)
    shop.world.write(EOT)
    shop.settle()


def an_answer_that_moves_nothing_is_lost() -> None:
    shop = Shop()
    shop.ask(request({25: 99}), say=lambda _number, _final: EOT)
    shop.settle()


# --- the cashier is asked --------------------------------------------------------------------------------

STRIPE, CHIP_STRIPE = "2200123456789019=30121010000000000", "2200123456789019=30122010000000000"


def a_question(code: int = VOID, shop: Shop | None = None, **more: object) -> Shop:
    """A void, a raise or a completion without its references: the first question is open."""
    shop = shop or Shop(card="mir-chip")
    done = do(shop, HOLD if code != VOID else SALE, 500)
    if code == HOLD:
        more = {"f14": done.rrn, **more}
    shop.ask(ask_for(code, 100, None, **more))
    shop.reach(State.CASHIER)
    shop.rest(100)
    return shop


def reply(shop: Shop, said: str, result: int = 0) -> None:
    shop.world.write(request({25: 52, 67: result, 77: said}))
    shop.rest(100)


def the_cashier_names_the_original(code: int = VOID, shop: Shop | None = None, **more: object) -> None:
    """RRN, then the authorization code; what comes next depends on the operation and on field 12."""
    shop = a_question(code, shop, **more)
    last = shop.memory.last
    assert last is not None
    if code != HOLD:
        reply(shop, last.rrn)
    reply(shop, last.authorization_code)
    shop.settle()


def the_cashier_names_nothing_known() -> None:
    shop = a_question()
    reply(shop, "1")
    reply(shop, "2")
    shop.settle()


def the_cashier_cancels() -> None:
    shop = a_question()
    reply(shop, "", result=1)
    shop.settle()


def changed_pin(name: Name) -> TerminalProfile:
    """A profile that always wants the PIN at one operation."""
    return replace(PROFILE, pins={**PROFILE.pins, name: PinNeed.ALWAYS})


def a_void_that_asks_for_the_pin() -> None:
    shop = Shop(changed_pin(Name.VOID), card="mir-chip")
    the_cashier_names_the_original(shop=shop, f12=STRIPE)


def nobody_says_anything() -> None:
    a_question().settle()


def the_register_leaves_the_question() -> None:
    shop = a_question()
    shop.world.plug(None)
    shop.settle()


# --- the card, the paper, the journal --------------------------------------------------------------------


def the_register_read_the_card() -> None:
    for track, profile in ((STRIPE, PROFILE), (CHIP_STRIPE, PROFILE), (STRIPE, changed_pin(Name.SALE))):
        shop = Shop(profile, card="mir-chip")
        shop.ask(sale(f12=track))
        shop.settle()


def the_card_is_read_and_told() -> None:
    shop = Shop()
    shop.serve(request({25: 57}))


def a_void_with_another_card() -> None:
    shop = Shop()
    paid = do(shop, SALE, 100)
    hand_over(shop, "mir-chip")
    assert text(shop.serve(ask_for(VOID, 100, paid)), 39) == "16"
    assert text(shop.serve(ask_for(VOID, 101, paid)), 39) == "16"


# --- something is owed -----------------------------------------------------------------------------------


def a_reversal_is_owed(shop: Shop) -> Shop:
    shop.world.delivery = lambda _: Delivery.LOST_BACK
    shop.serve(sale())
    shop.reach(State.OWING)
    return shop


def what_needs_no_bank_is_served() -> None:
    shop = a_reversal_is_owed(Shop())
    for frame in (report(), request({25: 99}), request({25: 57})):
        shop.serve(frame)
    shop = a_reversal_is_owed(Shop(PRINTER))
    shop.world.tell(PaperChanged(loaded=False))
    assert text(shop.serve(report()), 39) == "53"


def both_are_owed() -> None:
    """No story leads there, a memory may hold it: reversal, settlement, then the sale."""
    shop = a_reversal_is_owed(Shop())
    memory = replace(shop.memory, settling=OWED)
    other = Shop(memory=memory)
    other.world.delivery = lambda _: Delivery.LOST_THERE
    other.world._disk.clear()
    other.power_cycle()
    other.reach(State.OWING)
    other.world.delivery = lambda _: Delivery.FINE
    assert text(other.serve(sale()), 39) == "1"
    assert other.steps[-3:] == [Step.REVERSAL, Step.RECONCILIATION, Step.FINANCIAL]


def a_settlement_that_waits_is_uploaded(*, alone: bool, refused: bool) -> None:
    """Owed and the bank counts otherwise: in front of a sale, or with nobody."""
    shop, _ = settlements.damaged()
    shop.world.delivery = lambda _: Delivery.LOST_THERE
    shop.serve(settlement())
    shop.reach(State.OWING)
    shop.world.delivery = lambda _: Delivery.FINE
    if refused:
        shop.bank.says = lambda asked: "05" if asked.transaction is Transaction.CLOSING else None
    if not alone:
        shop.serve(sale())
    shop.settle()


STORIES: list[Callable[[], object]] = [
    *leave_in(State.CARD_PROMPT, State.PIN_ENTRY, State.BANK_CONNECT, State.BANK_ANSWER, State.ANSWERING),
    *leave_while_a_reversal_runs_in(State.UNDOING, State.REVERSING, State.CLEARING),
    lambda: vanishing.test_eot_in_answer_to_a_repeat_of(3),
    lambda: vanishing.test_the_bank_fails_at_operation_53(Delivery.CLOSED),
    lambda: vanishing.test_the_bank_fails_at_the_sale(Delivery.LOST_BACK),
    vanishing.test_a_kept_sale_survives_a_power_cut,
    vanishing.test_a_final_that_was_acknowledged_in_the_dark_is_undone_and_said_to_be_believed,
    lambda: outcomes.test_an_approved_sale(PROFILES["unipos-2018"]),
    lambda: outcomes.test_declined_by_the_bank("mir-poor", PROFILES["unipos-2018"]),
    lambda: outcomes.test_wrong_pins_with_tries_left(1),
    *[lambda prompt=prompt: outcomes.test_the_customer_cancels_at(prompt) for prompt in Prompt],
    *[lambda pin=pin: outcomes.test_card_or_pin_not_given_in_time(pin) for pin in (None, Secret("1"))],
    lambda: outcomes.test_the_customer_cancels_before_the_bank_was_asked(CancelPressed()),
    lambda: outcomes.test_approved_then_refused_here(CancelPressed(), PROFILES["unipos-2018"]),
    outcomes.test_a_swiped_chip_card_is_asked_for_its_chip,
    outcomes.test_a_link_test_without_an_answer_owes_nothing,
    outcomes.test_a_link_test_has_its_own_text,
    lambda: outcomes.test_the_bank_is_not_reached(sale()),
    reversals.test_the_same_53_again_after_its_answer_was_lost,
    lambda: reversals.test_nothing_to_reverse(None),
    lambda: reversals.test_53_after_the_pinpad_has_reversed_by_itself(AlreadyReversed.APPROVE),
    lambda: reversals.test_every_request_is_served_when_the_attempt_succeeds(sale()),
    lambda: reversals.test_what_needs_the_bank_is_answered_34_when_the_one_attempt_fails(sale()),
    reversals.test_a_request_joins_the_attempt_that_is_under_way,
    requests.test_the_other_timers,
    *[
        lambda code=code, more=more: the_cashier_names_the_original(code, **more)
        for code, more in (
            (VOID, {}),
            (VOID, {"f12": CHIP_STRIPE}),
            (COMPLETION, {}),
            (HOLD, {"f12": STRIPE}),
        )
    ],
    the_cashier_names_nothing_known,
    the_cashier_cancels,
    a_void_that_asks_for_the_pin,
    nobody_says_anything,
    the_register_leaves_the_question,
    the_register_read_the_card,
    the_card_is_read_and_told,
    a_void_with_another_card,
    lambda: Shop().serve(report()),
    what_needs_no_bank_is_served,
    both_are_owed,
    *[
        lambda alone=alone, refused=refused: a_settlement_that_waits_is_uploaded(alone=alone, refused=refused)
        for alone in (True, False)
        for refused in (True, False)
    ],
    settlements.test_a_report_is_served_while_the_settlement_is_owed,
    settlements.test_the_register_leaves_and_the_bank_is_not_reached,
    lambda: settlements.test_a_settlement_asked_again_while_it_is_owed_is_the_same_one(True),
    settlements.test_a_settlement_asked_again_during_a_lone_attempt_takes_its_place,
    settlements.test_a_bank_that_takes_no_surplus_leaves_the_day_open_and_operations_go_on,
    lambda: settlements.test_the_register_leaves_at_message(3, vanishing.close),
    lambda: settlements.test_the_bank_fails_at_message(2, Delivery.LOST_BACK),
    lambda: keys.test_twice_in_a_row("nac-bcd"),
    lambda: keys.test_a_key_that_is_wrong_leaves_the_old_ones("nac-bcd", False, keys.wrong_kcv),
    lambda: keys.test_a_key_change_heals_a_pinpad_whose_macs_the_bank_refuses("nac-bcd"),
    a_link_test_is_given_up,
    an_answer_that_moves_nothing_is_lost,
    chip.test_why_it_is_reversed_is_told,
    chip.test_the_stripe_is_read_when_the_chip_does_not_answer,
]


@pytest.fixture(scope="module")
def fired() -> set[tuple[State, Kind]]:
    """The pairs of state and kind by which the stories moved."""
    pairs: set[tuple[State, Kind]] = set()
    fire = Terminal._fire

    def recorded(terminal: Terminal, kind: Kind) -> None:
        pairs.add((terminal.state, kind))
        fire(terminal, kind)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Terminal, "_fire", recorded)
        for story in STORIES:
            story()
    return pairs


@pytest.mark.parametrize("row", TRANSITIONS, ids=lambda row: f"{row.source}-{row.kind}")
def test_a_row_is_exercised(row: Row, fired: set[tuple[State, Kind]]) -> None:
    assert (row.source, row.kind) in fired
