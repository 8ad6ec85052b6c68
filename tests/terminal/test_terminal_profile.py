"""Terminal profiles: whole, marked, extended, and refused with one clear line when they are not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from smartsale_emu.errors import ProfileError
from smartsale_emu.payment.authorization import AuthorizationAnswer, Step
from smartsale_emu.profile_rows import Mark
from smartsale_emu.terminal.answers import field_15, field_19
from smartsale_emu.terminal.operations import CardNeed, Name, PinNeed
from smartsale_emu.terminal.originals import CashierAbsent
from smartsale_emu.terminal.outcome import Outcome, OutcomeKind
from smartsale_emu.terminal.profile import Screen, TerminalProfile

FOLDER = Path(__file__).parents[2] / "smartsale_emu" / "terminal" / "profiles"
FILES = sorted(FOLDER.glob("*.toml"))
TEXT = (FOLDER / "unipos-2023.toml").read_text(encoding="utf-8")


def package(name: str) -> tuple[str, str]:
    file = FOLDER / f"{name}.toml"
    return file.read_text(encoding="utf-8"), file.name


def shelf(**texts: str) -> Callable[[str], tuple[str, str]]:
    """Profiles by name, beside those of the package."""
    return lambda name: (texts[name], f"{name}.toml") if name in texts else package(name)


def profile(name: str) -> TerminalProfile:
    text, origin = package(name)
    return TerminalProfile.parse(text, origin=origin, base=package)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_profile_of_the_package(file: Path) -> None:
    parsed = profile(file.stem)
    assert parsed.marks["answer.approved_code"] is Mark.OBSERVED
    assert parsed.marks["timers.card_ms"] is Mark.ASSUMED
    longest = parsed.timers.card + parsed.timers.bank_connect + parsed.timers.bank_answer
    assert longest + parsed.timers.pin + parsed.timers.reversal_attempt < 120_000


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_answer_of_a_profile_breaks_the_limits_of_known_registers(file: Path) -> None:
    """Section 4: at most 20 fields; section 1: real terminals answer in ascending order."""
    for fields in profile(file.stem).answer.fields.values():
        assert list(fields) == sorted(set(fields))
        assert len(fields) <= 20
        assert {25, 39} <= set(fields)


# --- one profile extends another ---------------------------------------------------------------------------


def test_an_extended_profile_has_the_rows_of_its_base_but_for_its_own() -> None:
    """A new firmware is one file with the rows that differ."""
    old, new = profile("unipos-2018"), profile("unipos-2023")
    assert (old.answer.approved_code, new.answer.approved_code) == ("00", "001")
    assert (old.settlement.totals, new.settlement.totals) == (False, True)
    assert old.codes == {"51": "51"}, "single rows of a table are replaced"
    assert old.answer.fields["money"] == new.answer.fields["money"]
    assert (old.line, old.timers, old.rules, old.texts) == (new.line, new.timers, new.rules, new.texts)
    assert old.title != new.title


def test_a_profile_may_extend_one_that_extends_another() -> None:
    vending = profile("unipos-2018-vending")
    assert (vending.vending.begins, vending.answer.approved_code) == (True, "00")
    assert profile("unipos-2018").vending.begins is False


def test_a_row_of_its_own_has_a_mark_of_its_own() -> None:
    row = 'sends = { value = 5, mark = "assumed", source = "" }'
    text = f'extends = "unipos-2023"\ntitle = "mine"\n[line]\n{row}'
    mine = TerminalProfile.parse(text, origin="mine.toml", base=package)
    assert (mine.title, mine.line.sends, mine.line.max_frame) == ("mine", 5, 8192)
    assert (mine.marks["line.sends"], mine.marks["line.block_size"]) == (Mark.ASSUMED, Mark.OBSERVED)


@pytest.mark.parametrize(
    "texts",
    [
        {"a": 'extends = "a"\ntitle = "a"'},
        {"a": 'extends = "b"\ntitle = "a"', "b": 'extends = "a"\ntitle = "b"'},
    ],
    ids=["itself", "each-other"],
)
def test_profiles_that_extend_each_other_in_a_circle(texts: dict[str, str]) -> None:
    with pytest.raises(ProfileError) as caught:
        TerminalProfile.parse(texts["a"], origin="a.toml", base=shelf(**texts))
    assert str(caught.value).startswith("a.toml: extends: ")
    assert "circle" in str(caught.value)


@pytest.mark.parametrize("value", ["3", "[]", "{}"])
def test_extends_must_name_a_profile(value: str) -> None:
    with pytest.raises(ProfileError, match=r"^a\.toml: extends: must be the name of another profile$"):
        TerminalProfile.parse(f'extends = {value}\ntitle = "a"', origin="a.toml", base=package)


def test_nothing_can_be_extended_where_there_are_no_others() -> None:
    with pytest.raises(ProfileError, match=r"^a\.toml: extends: "):
        TerminalProfile.parse('extends = "unipos-2023"\ntitle = "a"', origin="a.toml")


def test_an_unknown_key_of_an_extending_profile() -> None:
    text = (
        'extends = "unipos-2023"\ntitle = "a"\n[rules]\nspeed = { value = 1, mark = "assumed", source = "" }'
    )
    with pytest.raises(ProfileError, match=r"^a\.toml: rules\.speed: is not a key of this kind of profile$"):
        TerminalProfile.parse(text, origin="a.toml", base=package)


# --- what an operation does --------------------------------------------------------------------------------


def test_a_profile_speaks_of_single_operations_and_the_table_of_the_rest() -> None:
    parsed = profile("unipos-2023")
    assert parsed.card_need(Name.COMPLETION) is CardNeed.NONE
    assert (parsed.card_need(Name.VOID), parsed.card_need(Name.SALE)) == (CardNeed.ORIGINAL, CardNeed.ANY)
    assert (parsed.pin_need(Name.VOID), parsed.pin_need(Name.CASH)) == (PinNeed.NEVER, PinNeed.ALWAYS)


def test_a_text_of_one_operation_goes_before_the_general_one() -> None:
    parsed = profile("unipos-2023")
    assert parsed.text(OutcomeKind.APPROVED, Name.LINK_TEST).startswith("ОПЕРАЦИЯ ОДОБРЕНА")
    assert (
        parsed.text(OutcomeKind.APPROVED, Name.SALE) == parsed.text(OutcomeKind.APPROVED, None) == "ОДОБРЕНО"
    )
    assert parsed.screen(Screen.CARD, Name.SALE) != parsed.screen(Screen.CARD, Name.VOID)


def test_what_was_decided_for_this_project() -> None:
    """Section 0.5 and the Document, 2.3, note."""
    follow = profile("unipos-2023").follow
    assert (follow.partial_void, follow.partial_return, follow.return_same_day) == (True, True, False)
    assert follow.cashier_absent is CashierAbsent.DECLINE


# --- the bank's codes ---------------------------------------------------------------------------------------


def test_a_code_of_the_bank_has_fields_15_and_19_of_its_own_in_both_forms() -> None:
    """Section 7: two or three characters, as the bank likes."""
    rows = """
        [codes]
        55 = { value = "077", mark = "assumed", source = "" }
        116 = { value = "076", mark = "assumed", source = "" }
        [texts]
        declined-51 = { value = "НЕТ ДЕНЕГ", mark = "assumed", source = "" }
        declined-116 = { value = "НЕТ ДЕНЕГ ({code})", mark = "assumed", source = "" }
        declined-balance = { value = "НЕ СКАЖУ", mark = "assumed", source = "" }
    """
    text = f'extends = "unipos-2023"\ntitle = "mine"\n{rows}'
    mine = TerminalProfile.parse(text, origin="mine.toml", base=package)

    def told(code: str, name: Name = Name.SALE) -> tuple[int, str | None, str]:
        said = AuthorizationAnswer(Step.FINANCIAL, 1, code)
        outcome = Outcome(OutcomeKind.DECLINED, "the bank said so", bank=said)
        return outcome.status, field_15(outcome, mine), field_19(name, outcome, mine)

    assert told("51") == (16, "076", "НЕТ ДЕНЕГ")
    assert told("116") == (16, "076", "НЕТ ДЕНЕГ (116)")
    assert told("55") == (16, "077", "ОТКЛОНЕНО")
    assert told("117") == (16, "117", "ОТКЛОНЕНО")
    assert told("116", Name.BALANCE) == (16, "076", "НЕ СКАЖУ"), "an operation's own text comes first"
    assert told("A0", Name.LINK_TEST)[2] == "ОПЕРАЦИЯ ОТКЛОНЕНА^DECLINED.JPG~"


# --- what is no profile ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "instead", "complaint"),
    [
        ("sends = { value = 3,", "sends = { value = 0,", "line.sends: must be a whole number from 1 to 10"),
        ("sends = { value = 3,", "send = { value = 3,", "line.sends: is missing"),
        ('value = "takeover"', 'value = "queue"', "line.busy: must be one of takeover, nak, ignore"),
        ('value = "approve"', 'value = "yes"', "rules.already_reversed: must be one of approve, refuse"),
        ('value = "decline"', 'value = "ask"', "rules.cashier_absent: must be one of decline, last"),
        (
            "partial_void = { value = true",
            "partial_void = { value = 1",
            "rules.partial_void: must be true or",
        ),
        ("journal_size = { value = 2000", "journal_size = { value = 9999", "from 1 to 9000"),
        (
            'completion = { value = "none"',
            'completion = { value = "yes"',
            "card.completion: must be one of none",
        ),
        (
            'completion = { value = "none"',
            'refund = { value = "none"',
            "card.refund: must be one of sale, void",
        ),
        (
            'void = { value = "never"',
            'void = { value = "no"',
            "pin.void: must be one of never, by-card, always",
        ),
        ("link-test = { value = [15,", "link-test = { value = [256,", "fields.link-test: must be a list of"),
        ("report = { value = [15,", "reports = { value = [15,", "fields.report: is missing"),
        ('"0{code}"', '"0{kode}"', "answer.declined_code: holds braces other than {code}"),
        ("ПОЛЕ {field}", "ПОЛЕ {feld}", "texts.bad_field: holds braces other than {field}, {code}"),
        (
            "ПОПЫТОК: {tries}",
            "ПОПЫТОК: {left}",
            "screen.pin_again: holds braces other than {title}, {amount}",
        ),
        ("approved-link-test", "approvd-link-test", "texts.approvd-link-test: must be one of approved"),
        ("approved-link-test", "approved-x", "texts.approved-x: must be one of approved"),
        ("approved-link-test", "approved-51", "texts.approved-51: must be one of approved"),
        ("approved-link-test", "declined-5", "texts.declined-5: must be one of approved"),
        ("no_paper = { value", "no_papers = { value", "texts.no_paper: is missing"),
        ("rrn = { value", "rnn = { value", "questions.rrn: is missing"),
        ('value = "00060056"', 'value = "60056"', "identity.terminal_id: must be 8 to 8 digits"),
        ("funds = { value = 20000", "funds = { value = 0", "vending.funds: must be a whole number from 1"),
        (
            "[line]",
            "[line]\nspeed = { value = 1, mark = 'assumed', source = '' }",
            "line.speed: is not a key",
        ),
        (
            "[line]",
            "[speed]\nx = { value = 1, mark = 'assumed', source = '' }\n[line]",
            "speed.x: is not a key",
        ),
        ("[line]", "[line]\nspeed = 1", "line.speed: must be { value = …, mark = …, source = … }"),
        (", source = ", ", sauce = ", "must be { value = …"),
        ("[line]", "[line", "Expected ']'"),
        ("title = ", "titel = ", "title: is missing"),
        ("title = ", "x = 1\ntitle = ", "x: is not a key of this kind of profile"),
    ],
)
def test_a_bad_profile_is_one_clear_line(row: str, instead: str, complaint: str) -> None:
    assert row in TEXT
    with pytest.raises(ProfileError) as caught:
        TerminalProfile.parse(TEXT.replace(row, instead, 1), origin="my.toml")
    assert str(caught.value).startswith("my.toml: ")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
