"""Terminal profiles: whole, marked, and refused with one clear line when they are not."""

from pathlib import Path

import pytest

from smartsale_emu.errors import ProfileError
from smartsale_emu.profile_rows import Mark
from smartsale_emu.terminal.profile import TerminalProfile

FOLDER = Path(__file__).parents[2] / "smartsale_emu" / "terminal" / "profiles"
FILES = sorted(FOLDER.glob("*.toml"))
TEXT = (FOLDER / "unipos-2023.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_profile_of_the_package(file: Path) -> None:
    profile = TerminalProfile.parse(file.read_text(encoding="utf-8"), origin=file.name)
    assert profile.marks["answer.approved_code"] is Mark.OBSERVED
    assert profile.marks["timers.card_ms"] is Mark.ASSUMED
    longest = profile.timers.card + profile.timers.bank_connect + profile.timers.bank_answer
    assert longest + profile.timers.pin + profile.timers.reversal_attempt < 120_000


@pytest.mark.parametrize(
    ("row", "instead", "complaint"),
    [
        ("sends = { value = 3,", "sends = { value = 0,", "line.sends: must be a whole number from 1 to 10"),
        ("sends = { value = 3,", "send = { value = 3,", "line.sends: is missing"),
        ('value = "takeover"', 'value = "queue"', "line.busy: must be one of takeover, nak, ignore"),
        ('value = "approve"', 'value = "yes"', "rules.already_reversed: must be one of approve, refuse"),
        ('"0{code}"', '"0{kode}"', "answer.declined_code: holds braces other than {code}"),
        (
            "ПОПЫТОК: {tries}",
            "ПОПЫТОК: {left}",
            "screen.pin_again: holds braces other than {amount}, {tries}",
        ),
        ("approved-26", "approvd-26", "texts.approvd-26: must be an outcome"),
        ("approved-26", "approved-x", "texts.approved-x: must be an outcome"),
        ('value = "00060056"', 'value = "60056"', "identity.terminal_id: must be 8 to 8 digits"),
        (
            "[line]",
            "[line]\nspeed = { value = 1, mark = 'assumed', source = '' }",
            "line.speed: is not a key",
        ),
        ("[line]", "[line]\nspeed = 1", "line.speed: must be { value = …, mark = …, source = … }"),
        ("[line]", "[line", "Expected ']'"),
        ("title = ", "titel = ", "title: is missing"),
    ],
)
def test_a_bad_profile_is_one_clear_line(row: str, instead: str, complaint: str) -> None:
    assert row in TEXT
    with pytest.raises(ProfileError) as caught:
        TerminalProfile.parse(TEXT.replace(row, instead), origin="my.toml")
    assert str(caught.value).startswith("my.toml: ")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
