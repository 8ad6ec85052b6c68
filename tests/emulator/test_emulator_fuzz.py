"""Anything that can happen, in any order: never an exception, and at rest the money is right.

The draws are guided: mostly what the state of the terminal waits for, sometimes anything else.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from emulator_kit import (
    ACK,
    CARDS,
    EOT,
    NAK,
    Shop,
    assert_agreed,
    changed,
    customer,
    link_test,
    request,
    reversal,
    sale,
    text,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from play_kit import CARDS_USED, SAYINGS

from smartsale_emu.payment.authorization import AuthorizationRequest, Step
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.cardholder import Cardholder, Prompt
from smartsale_emu.scenario.virtual import Delivery
from smartsale_emu.security.masking import Secret
from smartsale_emu.terminal.events import CancelPressed, CardPresented, CardPulled, PinEntered
from smartsale_emu.terminal.profile import AlreadyReversed, Busy, OnEot
from smartsale_emu.terminal.table import State

Act = Callable[[Shop], object]

REQUESTS = [
    sale(),
    sale(amount=500),
    reversal(),
    reversal(None),
    link_test(),
    request({25: 99}),
    request({25: 1}),
]
NOISE = [
    b"\x00",
    b"\x03\x05",
    sale()[:7],
    sale()[:-1] + b"\x00",
    NAK,
    request({25: 52, 67: 3}),
    b"\x02\xff\xff",
]


def ask(frame: bytes, saying: str) -> Act:
    return lambda shop: shop.ask(frame, SAYINGS[saying])


def write(data: bytes) -> Act:
    return lambda shop: shop.world.write(data)


def stray(data: bytes) -> Act:
    """An ACK or EOT that says something else than the register did: what it believes is its own affair."""

    def act(shop: Shop) -> None:
        if shop.memory.pending is not None:
            shop.unsure.update(row.rrn for row in shop.operations)
            shop.unsure.update(text(final, 14) or "" for till in shop.tills for final in till.finals)
        shop.world.write(data)

    return act


def plug(*, tell: bool) -> Act:
    return lambda shop: shop.world.plug(None, tell=tell)


def hands(event: CardPresented | CardPulled | PinEntered | CancelPressed) -> Act:
    return lambda shop: shop.world.tell(event)


def bank(delivery: Delivery) -> Act:
    def act(shop: Shop) -> None:
        shop.world.delivery = lambda _number: delivery

    return act


def bank_says(code: str | None, *, to_reversals: bool) -> Act:
    """Codes that leave the money where it is: a decline, or a reversal that has to be tried again."""

    def said(asked: AuthorizationRequest) -> str | None:
        return code if (asked.step is Step.REVERSAL) is to_reversals else None

    def act(shop: Shop) -> None:
        shop.bank.says = said

    return act


def holder(card: str, habit: dict[str, Any]) -> Act:
    def act(shop: Shop) -> None:
        shop.world.cardholder = customer(card, **habit)

    return act


def nobody(shop: Shop) -> None:
    """No customer comes."""
    shop.world.cardholder = Cardholder(None)


def rest(millis: int) -> Act:
    return lambda shop: shop.rest(millis)


def cut(before: int, millis: int) -> Act:
    return lambda shop: shop.run_with_cut(lambda: shop.rest(millis), before)


def power(shop: Shop) -> None:
    shop.power_cycle()


HABITS: list[dict[str, Any]] = [{}, {"wrong_pins": 1}, {"wrong_pins": 9}, {"cancels_at": Prompt.PIN}]
CHIP = CARDS["mir-chip"].card
HANDS: list[CardPresented | CardPulled | PinEntered | CancelPressed] = [
    CardPresented(CHIP),
    CardPresented(CARDS["mir-contactless"].card),
    CardPresented(replace(CHIP, entry_mode=EntryMode.MAGSTRIPE)),
    PinEntered(Secret("1234")),
    PinEntered(Secret("9999")),
    CancelPressed(),
    CardPulled(),
]
BANKS = [
    *(bank(delivery) for delivery in Delivery),
    *(bank_says(code, to_reversals=True) for code in ("91", "96", "30")),
    *(bank_says(code, to_reversals=False) for code in ("05", "55", "75", "91", None)),
]
CUSTOMERS = [holder(card, habit) for card in CARDS_USED for habit in HABITS]
ASKED = [ask(frame, saying) for frame in REQUESTS for saying in SAYINGS]
GOOD = [ask(frame, "ack") for frame in (sale(), sale(amount=500), reversal(), reversal(None), link_test())]
LEAVING = [plug(tell=True), plug(tell=False), stray(EOT), write(sale(amount=500)), *GOOD[:1]]
CUTS = [power, *(cut(before, millis) for before in (0, 1, 2, 3, 5, 8) for millis in (1, 400, 8000))]
ODD = [
    *(write(data) for data in [*REQUESTS, *NOISE]),
    *(stray(data) for data in (ACK, EOT, ACK + EOT, EOT + sale(), ACK + sale(amount=500))),
    *(hands(event) for event in HANDS),
    *BANKS,
    *LEAVING,
    *CUTS,
]
PATIENCE = [rest(millis) for millis in (1, 40, 300, 300, 7000, 15_000, 30_000)]
AT_REST = [*GOOD * 3, *ASKED, *BANKS, *CUSTOMERS[:8], nobody, nobody, *PATIENCE]

LEGAL: dict[State, list[Act]] = {
    State.IDLE: AT_REST,
    State.OWING: AT_REST,
    State.CARD_PROMPT: [
        *(hands(event) for event in HANDS),
        *BANKS,
        rest(600),
        rest(600),
        rest(30_000),
        *LEAVING,
    ],
    State.PIN_ENTRY: [*(hands(event) for event in HANDS[3:]), *BANKS, rest(1500), rest(30_000), *LEAVING],
    State.BANK_CONNECT: [rest(1), rest(1), rest(1), rest(1), rest(10_000), hands(CancelPressed()), *LEAVING],
    State.BANK_ANSWER: [*PATIENCE, hands(CancelPressed()), *LEAVING, power],
    State.ANSWERING: [*PATIENCE, rest(10), rest(21_000), *LEAVING, write(NAK), power],
    State.UNDOING: [*PATIENCE, *LEAVING, *BANKS, power],
    State.REVERSING: [*PATIENCE, *LEAVING, *BANKS, power],
    State.CLEARING: [*PATIENCE, *LEAVING, *BANKS, power],
    State.RETRYING: [*PATIENCE, *GOOD, *BANKS, power],
}
"""What the terminal waits for, or has to bear with, in each state."""


@dataclass(frozen=True)
class Draw:
    """A draw means something else in every state: mostly what is legal there, one time in eight anything."""

    number: int

    def __call__(self, shop: Shop) -> None:
        choices = LEGAL[shop.state] if self.number % 8 else ODD
        choices[self.number // 8 % len(choices)](shop)
        shop.world.run(lambda: shop.state is State.BANK_CONNECT, within=2)


DRAWS = st.builds(Draw, st.sampled_from(range(8 * 5040)))

LINES = st.fixed_dictionaries(
    {
        "busy": st.sampled_from(Busy),
        "final_eot_first": st.sampled_from(OnEot),
        "final_eot_repeat": st.sampled_from(OnEot),
    }
)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    acts=st.lists(DRAWS, min_size=12, max_size=40),
    line=LINES,
    receipt=st.booleans(),
    already=st.sampled_from(AlreadyReversed),
)
def test_whatever_happens_the_money_is_right(
    acts: list[Draw], line: dict[str, object], receipt: bool, already: AlreadyReversed
) -> None:
    profile = changed(line=line, answer={"receipt": receipt}, rules={"already_reversed": already})
    shop = Shop(profile, traced=True)
    for act in acts:
        act(shop)
    shop.bank.says = lambda _request: None
    shop.settle()
    assert_agreed(shop)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([*REQUESTS, *NOISE, ACK, EOT])), max_size=12)
)
def test_no_bytes_make_the_pinpad_raise(pieces: list[bytes]) -> None:
    shop = Shop(card="mir-chip")
    shop.till(SAYINGS["silence"])
    for piece in pieces:
        shop.world.write(piece)
        shop.rest(700)
    shop.settle()
    assert shop.state is State.IDLE
    assert shop.memory.pending is None
