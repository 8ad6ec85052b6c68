"""Pre-authorization, its raise, completion and release (the Document, 2.1; PROTOCOL.md, section 5.5)."""

from emulator_kit import (
    Shop,
    text,
)
from operation_kit import (
    COMPLETION,
    HOLD,
    IMPOSSIBLE,
    TOO_MUCH,
    WHOLE_ONLY,
    agreed,
    close_the_day,
    done,
    money,
    refused_by_the_bank,
    refused_here,
    spent,
    void,
)

from smartsale_emu.payment.cardholder import Cardholder


def test_a_completion_takes_up_to_what_is_held_raises_included() -> None:
    shop = Shop()
    held = done(shop, money(HOLD, 5000))
    done(shop, money(HOLD, 2000, held))
    assert spent(shop) == 7000
    refused_here(shop, money(COMPLETION, 7001, held), TOO_MUCH)
    done(shop, money(COMPLETION, 7000, held))
    refused_here(shop, money(COMPLETION, 1, held), IMPOSSIBLE)
    refused_here(shop, money(HOLD, 1, held), IMPOSSIBLE)
    refused_here(shop, void(7000, held), IMPOSSIBLE)
    assert spent(shop) == 7000
    agreed(shop)


def test_a_smaller_completion_gives_the_rest_back() -> None:
    shop = Shop()
    held = done(shop, money(HOLD, 5000))
    completed = done(shop, money(COMPLETION, 3000, held))
    assert spent(shop) == 3000
    done(shop, void(1000, completed))
    assert spent(shop) == 2000
    agreed(shop)


def test_a_completion_needs_no_card() -> None:
    shop = Shop()
    held = done(shop, money(HOLD, 5000))
    shop.world.cardholder = Cardholder(None)
    final = done(shop, money(COMPLETION, 3000, held))
    assert text(final, 10) == "************0013", "the original's"
    agreed(shop)


def test_a_completion_after_the_settlement_is_the_banks_to_judge() -> None:
    """Its hold is unknown to the journal: no card goes to the bank, and the bank knows how much is held."""
    shop = Shop()
    held = done(shop, money(HOLD, 5000))
    close_the_day(shop)
    refused_by_the_bank(shop, money(COMPLETION, 5001, held), "013")
    final = done(shop, money(COMPLETION, 3000, held))
    assert shop.bank.heard[-1].card is None
    assert text(final, 10) is None
    assert spent(shop) == 3000
    refused_by_the_bank(shop, money(COMPLETION, 1, held), "012")
    assert shop.memory.journal.totals().debit.amount == 3000
    agreed(shop)


def test_a_hold_of_an_earlier_day_may_be_raised_with_its_card() -> None:
    shop = Shop()
    held = done(shop, money(HOLD, 5000))
    close_the_day(shop)
    done(shop, money(HOLD, 1000, held))
    done(shop, money(COMPLETION, 6000, held))
    assert spent(shop) == 6000
    agreed(shop)


def test_a_hold_is_released_as_a_whole_only() -> None:
    shop = Shop()
    held = done(shop, money(HOLD, 5000))
    done(shop, money(HOLD, 1000, held))
    refused_here(shop, void(5999, held), WHOLE_ONLY)
    refused_here(shop, void(6001, held), TOO_MUCH)
    done(shop, void(6000, held))
    assert spent(shop) == 0
    refused_here(shop, money(COMPLETION, 1, held), IMPOSSIBLE)
    agreed(shop)
