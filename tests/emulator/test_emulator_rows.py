"""Every row of the terminal's table is exercised by a story of the other test modules."""

from collections.abc import Callable, Iterator

import pytest
import test_emulator_outcomes as outcomes
import test_emulator_requests as requests
import test_emulator_reversals as reversals
import test_emulator_vanishing as vanishing
from emulator_kit import EOT, PROFILES, Shop, request, sale

from smartsale_emu.payment.cardholder import Prompt
from smartsale_emu.scenario.virtual import Delivery
from smartsale_emu.security.masking import Secret
from smartsale_emu.terminal.events import CancelPressed
from smartsale_emu.terminal.profile import AlreadyReversed
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


STORIES: list[Callable[[], None]] = [
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
    a_link_test_is_given_up,
    an_answer_that_moves_nothing_is_lost,
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
