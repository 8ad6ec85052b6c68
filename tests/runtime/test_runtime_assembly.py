"""What is put together from files: a bank with cards of the user's own, and rules that its host can write."""

from pathlib import Path

import pytest

from smartsale_emu.errors import KeySlotError, ProfileError
from smartsale_emu.host.ledger import MemoryLedger
from smartsale_emu.runtime.assembly import build_bank, load_bank_profile, load_card, load_keys
from smartsale_emu.runtime.resources import bank_profile_names
from smartsale_emu.units import MinorUnits

CARDS = Path(__file__).parents[2] / "smartsale_emu" / "payment" / "cards"


@pytest.mark.parametrize(
    "number", ["2200123456789019", "2202201234567895"], ids=["of a test card", "another"]
)
def test_a_card_of_ones_own_has_its_account(number: str, tmp_path: Path) -> None:
    text = (CARDS / "mir-chip.toml").read_text(encoding="utf-8")
    file = tmp_path / "own.toml"
    changed = text.replace("2200123456789019", number).replace("10_000_000", "777")
    file.write_text(changed, encoding="utf-8")
    own = load_card(str(file))
    bank = build_bank(load_bank_profile("generic-ascii"), MemoryLedger(), load_keys(), own_cards=[own]).bank
    account = bank.account("own")
    assert account is not None
    assert account.balance == MinorUnits(777)


@pytest.mark.parametrize("name", bank_profile_names())
@pytest.mark.parametrize("rules", ["default", "accidents"])
def test_our_rulebooks_can_be_written_by_our_profiles(rules: str, name: str) -> None:
    build_bank(load_bank_profile(name), MemoryLedger(), load_keys(), rules=rules)


def book(place: Path, text: str) -> str:
    file = place / "book.toml"
    file.write_text(f'title = "ours"\n\n{text}', encoding="utf-8")
    return str(file)


def test_a_code_that_the_profile_cannot_write_is_refused(tmp_path: Path) -> None:
    rules = book(tmp_path, '[[rule]]\nname = "odd"\ncode = "63"\n')
    build_bank(load_bank_profile("generic-ascii"), MemoryLedger(), load_keys(), rules=rules)
    with pytest.raises(ProfileError, match=r"book\.toml:3: rule 1: code: .* no way to write 63"):
        build_bank(load_bank_profile("tbank-style"), MemoryLedger(), load_keys(), rules=rules)


@pytest.mark.parametrize(
    ("key", "says"),
    [("issuer-mri", "key slot issuer-mri: there is no key"), ("terminal-pin", "is for pin, not for issuer")],
)
def test_an_issuers_key_that_is_none_is_told_with_its_place(key: str, says: str, tmp_path: Path) -> None:
    rules = book(tmp_path, f'[[issuer]]\nname = "us"\nbins = ["22"]\nkey = "{key}"\n')
    with pytest.raises(KeySlotError, match=rf"book\.toml:3: issuer 1: key: .*{says}"):
        build_bank(load_bank_profile("generic-ascii"), MemoryLedger(), load_keys(), rules=rules)
