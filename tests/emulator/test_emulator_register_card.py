"""A card that the register read itself (the Document, 2.2, step 4; PROTOCOL.md, section 0.5)."""

import pytest
from emulator_kit import (
    CARDS,
    SALE_AMOUNT,
    Shop,
    customer,
    outcome,
    text,
)
from operation_kit import (
    CASH,
    HOLD,
    OTHER_CARD,
    SALE,
    TOP_UP,
    VOUCHER,
    agreed,
    done,
    money,
    refused_here,
    sold,
    void,
)

from smartsale_emu.payment.authorization import Step
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.security.masking import Secret
from smartsale_emu.terminal.table import State

STRIPE = CARDS["mastercard-magstripe"].card
STRIPE_TRACK = f";{STRIPE.pan}={STRIPE.expiry}101000000000?"
CHIP = CARDS["mir-chip"].card
CHIP_TRACK = f"{CHIP.pan}D{CHIP.expiry}2010000000000"


@pytest.mark.parametrize("track", [STRIPE_TRACK, STRIPE_TRACK[1:-1], STRIPE_TRACK[1:-1].replace("=", "D")])
def test_a_card_of_the_register_is_used_without_a_prompt(track: str) -> None:
    """Document, 2.2, step 4: only a card read on the pinpad is asked for; section 0.5."""
    shop = Shop(cardholder=Cardholder(None))
    final = done(shop, money(SALE, SALE_AMOUNT, f12=track))
    assert not any("КАРТУ" in screen for screen in shop.world.screens)
    heard = shop.bank.heard[-1].card
    assert heard is not None
    assert (heard.pan, heard.expiry, heard.entry_mode) == (STRIPE.pan, "3012", EntryMode.MAGSTRIPE)
    assert (text(final, 10), text(final, 11)) == ("************0011", "3012")
    done(shop, void(SALE_AMOUNT, final, f12=track))
    assert not any("КАРТУ" in screen for screen in shop.world.screens)
    agreed(shop)


def test_a_chip_card_of_the_register_is_asked_for_its_chip() -> None:
    """Section 0.5: if its service code demands the chip, the terminal asks for the chip."""
    shop = Shop(card="mir-chip")
    shop.ask(money(SALE, SALE_AMOUNT, f12=CHIP_TRACK))
    shop.reach(State.CARD_PROMPT)
    assert "ЧИПОМ" in shop.world.screen
    assert shop.until(lambda: bool(shop.tills[-1].finals))
    assert text(shop.tills[-1].final, 39) == "1"
    heard = shop.bank.heard[-1].card
    assert heard is not None
    assert heard.entry_mode is EntryMode.CHIP
    agreed(shop)


def test_a_card_of_the_register_that_is_not_the_originals() -> None:
    """Section 0.5: compared like a card that was read here."""
    shop = Shop()
    refused_here(shop, void(SALE_AMOUNT, sold(shop), f12=STRIPE_TRACK), OTHER_CARD)


def test_a_card_of_the_register_with_a_pin_in_its_service_code_is_asked_for_the_pin() -> None:
    track = f"{STRIPE.pan}=3012120000000000"
    shop = Shop(cardholder=Cardholder(None, Secret("1234")))
    done(shop, money(SALE, SALE_AMOUNT, f12=track))
    assert shop.bank.heard[-1].pin_block is not None


LIVE_TRACK = "2200110000000001=30121010000000000"
"""Of a card that is in no list of test cards, in a range of real ones."""


@pytest.mark.parametrize("code", [SALE, CASH, TOP_UP, HOLD, VOUCHER])
def test_a_card_of_the_register_that_is_no_test_card_is_refused(code: int) -> None:
    """A real card by mistake: nothing of it leaves for the bank."""
    shop = Shop(traced=True)
    final = shop.serve(money(code, SALE_AMOUNT, f12=LIVE_TRACK))
    assert outcome(final)[:3] == ("53", "ER2", "ОШИБКА В ЗАПРОСЕ: ПОЛЕ 12")
    assert shop.bank.heard == []


def test_a_card_of_the_register_that_is_no_test_card_goes_to_the_bank_where_it_is_allowed() -> None:
    shop = Shop(live_cards=True)
    assert outcome(shop.serve(money(SALE, SALE_AMOUNT, f12=LIVE_TRACK)))[:2] == ("16", "014")
    heard = shop.bank.heard[-1].card
    assert heard is not None
    assert heard.pan == LIVE_TRACK[:16]


GOODS_ONLY, ANYTHING, CASH_ONLY, MACHINES_ONLY = "102", "101", "104", "103"


@pytest.mark.parametrize(
    ("service", "code", "allowed"),
    [
        (GOODS_ONLY, SALE, True),
        (GOODS_ONLY, HOLD, True),
        (GOODS_ONLY, CASH, False),
        ("105", CASH, False),
        ("107", CASH, False),
        (ANYTHING, CASH, True),
        (CASH_ONLY, CASH, True),
        (CASH_ONLY, SALE, False),
        (CASH_ONLY, HOLD, False),
        (MACHINES_ONLY, CASH, False),
        (MACHINES_ONLY, SALE, False),
    ],
)
def test_a_stripe_is_used_for_what_its_service_code_allows(service: str, code: int, allowed: bool) -> None:
    shop = Shop(traced=True)
    final = shop.serve(money(code, SALE_AMOUNT, f12=f"5555555555554444=3012{service}0000000000"))
    heard = [one for one in shop.bank.heard if one.step is Step.FINANCIAL]
    assert (bool(heard), outcome(final)[2] == "ОТКЛОНЕНО КАРТОЙ") == (allowed, not allowed)


BAD_TRACKS = [
    "1",
    f"{STRIPE.pan}=3012",
    f"{STRIPE.pan[:-1]}9=3012101000",
    f"{STRIPE.pan}=3013101000",
    "x" * 60,
]


@pytest.mark.parametrize("track", BAD_TRACKS)
@pytest.mark.parametrize("code", [SALE, CASH, TOP_UP, HOLD, VOUCHER])
def test_a_malformed_card_of_the_register(code: int, track: str) -> None:
    shop = Shop()
    final = shop.serve(money(code, SALE_AMOUNT, f12=track))
    assert outcome(final)[:3] == ("53", "ER2", "ОШИБКА В ЗАПРОСЕ: ПОЛЕ 12")
    assert shop.bank.heard == []


def test_the_customer_who_voids_needs_no_pin_where_the_profile_says_so() -> None:
    shop = Shop(cardholder=customer("mir-chip"))
    sale = sold(shop)
    shop.world.screens.clear()
    done(shop, void(SALE_AMOUNT, sale))
    assert not any("ПИН" in screen for screen in shop.world.screens)
    agreed(shop)
