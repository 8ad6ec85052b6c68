"""What the page is made of: every file of it is served, and what it says of the test cards is so."""

import re
from pathlib import Path

import smartsale_emu
from smartsale_emu.control.web import FILES
from smartsale_emu.runtime.assembly import load_cards

PAGE = Path(smartsale_emu.__file__).parent / "control" / "page"


def test_every_file_is_served_and_no_other() -> None:
    assert sorted(name for name, _ in FILES.values()) == sorted(file.name for file in PAGE.iterdir())


def test_every_module_that_is_imported_is_served() -> None:
    asked = {
        path
        for file in PAGE.glob("*.js")
        for path in re.findall(r'from "([^"]+)"', file.read_text(encoding="utf-8"))
    }
    assert len(asked) > 5
    assert asked <= FILES.keys()


def test_the_hint_tells_the_pin_of_every_card() -> None:
    hints = re.findall(r'cardsHint: ".*: (\d{4}); Visa: (\d{4})\."', (PAGE / "words.js").read_text("utf-8"))
    assert len(hints) == 2
    for others, visa in hints:
        for name, one in load_cards().items():
            assert one.account.pin.reveal() == (visa if one.card.pan.startswith("4") else others), name
