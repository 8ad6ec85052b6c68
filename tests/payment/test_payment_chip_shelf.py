"""Cards at the reader: each gets its chip and its counter, and nobody else's."""

from dataclasses import replace
from pathlib import Path

import pytest

from smartsale_emu.errors import KeySlotError
from smartsale_emu.payment.card import Card, EntryMode, parse_card
from smartsale_emu.payment.chip import Chip
from smartsale_emu.payment.chip_shelf import ATC_LAST, ChipShelf, CounterBook, name_of
from smartsale_emu.security.keys import KeyRing, parse_key

TOP = Path(__file__).parents[2]
KEYS = KeyRing(
    parse_key(file.read_text(encoding="utf-8"), file.name) for file in sorted((TOP / "keys").glob("*.toml"))
)


def card(name: str) -> Card:
    file = TOP / "smartsale_emu" / "payment" / "cards" / f"{name}.toml"
    return parse_card(file.read_text(encoding="utf-8"), name=name, origin=file.name).card


def chip_of(presented: Card) -> Chip:
    assert presented.chip is not None
    return presented.chip


def test_a_card_counts_when_it_is_presented() -> None:
    shelf = ChipShelf(KEYS, CounterBook())
    assert [chip_of(shelf.presented(card("mir-chip"))).atc for _ in range(3)] == [1, 2, 3]
    assert chip_of(shelf.presented(card("visa-chip"))).atc == 1


def test_the_key_is_the_cards_own_of_its_issuers() -> None:
    shelf = ChipShelf(KEYS, CounterBook())
    presented = [shelf.presented(card(name)) for name in ("mir-chip", "mir-poor", "visa-chip")]
    assert len({chip_of(one).icc_key.reveal() for one in presented}) == 3
    mir, issuer_key = presented[0], KEYS.get("issuer-mir").value
    assert chip_of(mir) == Chip.of(chip_of(mir).profile, mir.pan, issuer_key=issuer_key, atc=1)
    assert replace(mir, chip=None) == card("mir-chip")


def test_nothing_of_it_is_shown() -> None:
    presented = ChipShelf(KEYS, CounterBook()).presented(card("mir-chip"))
    assert presented.pan not in repr(presented)
    assert chip_of(presented).icc_key.reveal().hex() not in repr(presented).lower()
    assert name_of(presented) == "220012******9019-01"


@pytest.mark.parametrize("name", ["mastercard-magstripe", "mir-broken-chip"])
def test_a_card_whose_chip_says_nothing_stays_as_it_is(name: str) -> None:
    book = CounterBook()
    assert ChipShelf(KEYS, book).presented(card(name)) == card(name)
    assert book.get(name_of(card(name))) == 0


def test_a_counter_at_its_end_begins_again() -> None:
    book = CounterBook()
    book.put(name_of(card("mir-chip")), ATC_LAST)
    assert chip_of(ChipShelf(KEYS, book).presented(card("mir-chip"))).atc == 1


def test_a_card_that_was_selected_again_goes_on_from_there() -> None:
    shelf = ChipShelf(KEYS, CounterBook())
    presented = shelf.presented(card("mir-chip"))
    shelf.selected_again(replace(presented, chip=replace(chip_of(presented), atc=7)))
    assert chip_of(shelf.presented(card("mir-chip"))).atc == 8


def test_a_key_that_is_missing_is_told_before_anybody_waits() -> None:
    shelf = ChipShelf(KeyRing(), CounterBook())
    with pytest.raises(KeySlotError, match="issuer-mir"):
        shelf.require_key(card("mir-chip"))
    with pytest.raises(KeySlotError, match="issuer-mir"):
        shelf.presented(card("mir-chip"))
    shelf.require_key(card("mastercard-magstripe"))


def test_a_key_for_another_use_is_no_issuers() -> None:
    rows = card("mir-chip").chip_rows
    assert rows is not None
    wrong = replace(card("mir-chip"), chip_rows=replace(rows, issuer_key="terminal-storage"))
    with pytest.raises(KeySlotError, match="terminal-storage"):
        ChipShelf(KEYS, CounterBook()).require_key(wrong)


def test_a_stripe_read_in_the_chips_place_tells_nothing_of_the_chip() -> None:
    plain = card("mir-broken-chip")
    swiped = plain.by_its_stripe()
    assert swiped.entry_mode is EntryMode.FALLBACK
    assert (swiped.aid, swiped.sequence, swiped.chip_rows, swiped.chip) == ("", "", None, None)
    assert (swiped.track2, swiped.pin_rule, swiped.masked) == (plain.track2, plain.pin_rule, plain.masked)
