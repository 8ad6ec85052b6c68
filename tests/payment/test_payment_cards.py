"""The card files: all readable, all test numbers, and a wrong one refused by file and key."""

from dataclasses import replace
from pathlib import Path

import pytest

from smartsale_emu.errors import ProfileError
from smartsale_emu.payment.card import EntryMode, PinRule, TestCard, luhn_valid, parse_card
from smartsale_emu.payment.chip_data import Cvn

FOLDER = Path(__file__).parents[2] / "smartsale_emu" / "payment" / "cards"
FILES = {file.stem: file.read_text(encoding="utf-8") for file in sorted(FOLDER.glob("*.toml"))}


def read(name: str) -> TestCard:
    return parse_card(FILES[name], name=name, origin=f"{name}.toml")


def test_the_promised_cards_are_there() -> None:
    promised = {
        "mir-chip",
        "mir-contactless",
        "visa-chip",
        "mastercard-magstripe",
        "mir-expired",
        "mir-blocked",
    }
    assert promised <= FILES.keys()


@pytest.mark.parametrize("name", FILES)
def test_every_card_reads_whole(name: str) -> None:
    card = read(name).card
    assert card.name == name
    assert luhn_valid(card.pan)
    assert len(card.track2.reveal()) <= 37
    assert card.pan not in repr(card)
    assert (card.entry_mode is EntryMode.MAGSTRIPE) is (card.service_code[0] == "1")
    assert bool(card.aid) is (card.entry_mode is not EntryMode.MAGSTRIPE)


def test_no_two_cards_share_a_number() -> None:
    assert len({read(name).card.pan for name in FILES}) == len(FILES)


def test_no_card_hides_a_forgotten_pin_block() -> None:
    """A number whose middle is all zeros gives the same block with and without the card mixed in."""
    assert all(read(name).card.pan[-13:-1] != "0" * 12 for name in FILES)


def test_what_the_everyday_cards_are() -> None:
    chip, tapped, stripe = read("mir-chip"), read("mir-contactless"), read("mastercard-magstripe")
    assert (chip.card.pan, chip.account.pin.reveal()) == ("2200123456789019", "1234")
    assert (chip.card.pin_rule, tapped.card.pin_rule) == (PinRule.ALWAYS, PinRule.OVER_LIMIT)
    assert (stripe.card.pin_rule, stripe.card.service_code) == (PinRule.NEVER, "101")
    assert chip.card.track2.reveal().startswith("2200123456789019=3012201")


def test_the_service_code_tells_of_a_chip_by_its_first_digit() -> None:
    card = read("mir-chip").card
    for first in "0123456789":
        assert replace(card, service_code=f"{first}20").says_chip is (first in "26"), first
    assert not replace(card, service_code="102").says_chip


def test_every_chip_and_tapped_card_signs_and_no_stripe_does() -> None:
    cards = [read(name).card for name in FILES]
    assert all((card.chip_rows is None) is (card.entry_mode is EntryMode.MAGSTRIPE) for card in cards)
    assert {name for name in FILES if (rows := read(name).card.chip_rows) and rows.fails} == {
        "mir-broken-chip"
    }


def test_the_chip_says_what_the_card_says() -> None:
    for name, cvn, issuer_key in (
        ("mir-chip", Cvn.CVN18, "issuer-mir"),
        ("visa-chip", Cvn.CVN10, "issuer-visa"),
    ):
        card = read(name).card
        assert card.chip_rows is not None
        profile = card.chip_rows.profile
        assert (profile.application_data.cvn, card.chip_rows.issuer_key) == (cvn, issuer_key)
        assert (profile.aid.hex().upper(), profile.label) == (card.aid, card.label)
        assert (profile.sequence, card.chip) == (card.sequence, None)
        assert profile.action_codes.denial.encode().hex() == "0010000000"


WRONG = {
    "no table": ("[account]", "[acount]", "x.toml: the table [account] is missing"),
    "check digit": ('"2200123456789019"', '"2200123456789018"', "x.toml: card.pan"),
    "expiry": ('"3012"', '"30"', "x.toml: card.expiry"),
    "entry mode": ('"chip"', '"chips"', "x.toml: card.entry_mode"),
    "PIN": ('pin = "1234"', "pin = 1234", "x.toml: account.pin"),
    "label": ('label = "', 'label = "A~', "x.toml: card.label: is printed on slips"),
    "AID": ('aid = "', 'aid = "A^', "x.toml: card.aid: is printed on slips"),
    "sequence": ('sequence = "01"', 'sequence = "x1"', "x.toml: card.sequence"),
    "no balance": ("balance = 10_000_000", "", "x.toml: account.balance"),
    "no response code": (
        "[account]",
        '[account]\nforce = "down"',
        "x.toml: account.force: must be a response",
    ),
    "AID twice": (
        "[chip]",
        '[chip]\naid = "A0000006582010"',
        "x.toml: chip.aid: is said in the table [card]",
    ),
    "no issuer key": ('issuer_key = "issuer-mir"', "", "x.toml: chip.issuer_key: is missing"),
    "CVN": ("cvn = 18", "cvn = 17", "x.toml: chip.cvn: must be 10 or 18"),
    "CVM list": ('cvm_list = "0000', 'cvm_list = "00', "x.toml: chip.cvm_list"),
    "fails": ("[chip]", "[chip]\nfails = 1", "x.toml: chip.fails: must be true or false"),
    "chip row": ("[chip]", "[chip]\nauc = 1", "x.toml: chip.auc: is not a key of a chip"),
    "chip of a stripe": (
        'entry_mode = "chip"',
        'entry_mode = "magstripe"',
        "x.toml: chip.cvn: a card with this entry_mode has no chip",
    ),
    "unknown": ("[account]", "[account]\nbalnce = 1", "x.toml: account.balnce"),
    "broken": ("[account]", "[account", "x.toml: "),
}


@pytest.mark.parametrize(("good", "bad", "says"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_card_file_is_refused_by_file_and_key(good: str, bad: str, says: str) -> None:
    assert good in FILES["mir-chip"]
    with pytest.raises(ProfileError) as caught:
        parse_card(FILES["mir-chip"].replace(good, bad, 1), name="x", origin="x.toml")
    assert str(caught.value).startswith(says)
    assert "220012345678901" not in str(caught.value)


def test_only_a_chip_that_is_inserted_can_fail() -> None:
    text = FILES["mir-contactless"].replace("[chip]", "[chip]\nfails = true")
    with pytest.raises(ProfileError, match=r"^x\.toml: chip\.fails: only a chip that is inserted can fail"):
        parse_card(text, name="x", origin="x.toml")
