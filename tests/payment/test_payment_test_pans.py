"""Known test numbers: whole, Luhn-valid, and every card file among them; another is refused."""

from pathlib import Path

import pytest

from smartsale_emu.errors import ProfileError
from smartsale_emu.payment.card import luhn_valid, parse_card
from smartsale_emu.payment.test_pans import KNOWN_TEST_PANS, is_test_pan
from smartsale_emu.runtime.assembly import load_card

FOLDER = Path(__file__).parents[2] / "smartsale_emu" / "payment" / "cards"
FILES = {file.stem: file.read_text(encoding="utf-8") for file in sorted(FOLDER.glob("*.toml"))}
LIVE = "2200000000000012"  # right check digit, in a range of Mir, on no list


def test_every_known_number_has_a_right_check_digit() -> None:
    numbers = [pan for pans in KNOWN_TEST_PANS.values() for pan in pans]
    assert len(set(numbers)) == len(numbers) == 21
    assert all(luhn_valid(pan) and is_test_pan(pan) for pan in numbers)


@pytest.mark.parametrize("name", FILES)
def test_every_card_that_comes_along_is_known(name: str) -> None:
    assert is_test_pan(parse_card(FILES[name], name=name, origin=name).card.pan)
    assert load_card(name).card.name == name


@pytest.mark.parametrize(
    "pan", [LIVE, "220012345678901", "22001234567890190", " 2200123456789019", "2200123456789018", ""]
)
def test_only_whole_numbers_are_known(pan: str) -> None:
    assert not is_test_pan(pan)


@pytest.fixture
def live_card(tmp_path: Path) -> Path:
    path = tmp_path / f"card-{LIVE}.toml"
    path.write_text(FILES["mir-chip"].replace("2200123456789019", LIVE), encoding="utf-8")
    return path


def test_a_card_that_may_be_live_is_refused_without_its_number(live_card: Path) -> None:
    assert luhn_valid(LIVE)
    with pytest.raises(ProfileError, match=r"card-\*\.toml: card\.pan: .*--allow-live-cards") as caught:
        load_card(str(live_card))
    assert LIVE not in str(caught.value)


def test_a_card_that_may_be_live_is_taken_when_allowed(live_card: Path) -> None:
    card = load_card(str(live_card), allow_live=True).card
    assert (card.pan, card.name) == (LIVE, "card-*")


def test_a_card_file_of_the_users_own_with_a_test_number_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(FILES["mir-chip"], encoding="utf-8")
    assert load_card(str(path)).card.name == "mine"


def test_a_card_file_that_is_not_there_is_told_without_a_number(tmp_path: Path) -> None:
    with pytest.raises(ProfileError) as caught:
        load_card(str(tmp_path / f"{LIVE}.toml"))
    assert str(caught.value).startswith("card file ")
    assert LIVE not in str(caught.value)
