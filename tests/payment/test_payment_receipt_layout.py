"""The language of a layout, mark by mark, and its mistakes, each told in one line."""

import pytest

from smartsale_emu.errors import ProfileError
from smartsale_emu.payment.receipt import Form, ReceiptLayout


def layout_text(
    *, form: str = "approved", text: str = "{title}", paper: str = 'width = 32\nfeed = ""', parts: str = ""
) -> str:
    """A small layout with one form of interest; the others print the title."""
    texts = {each.value: "{title}" for each in Form} | {form: text}
    forms = "\n".join(f"{name} = '''\n{body}\n'''" for name, body in texts.items())
    return f'title = "T"\n[paper]\n{paper}\n{parts}\n[forms]\n{forms}\n'


def printed(
    text: str, form: str = "approved", *rows: dict[str, str], parts: str = "", **values: str
) -> list[str]:
    layout = ReceiptLayout.parse(layout_text(form=form, text=text, parts=parts), origin="x.toml")
    return layout.render(form, values, rows).split("\r\n")[:-1]


def mistake(toml: str) -> str:
    with pytest.raises(ProfileError) as caught:
        ReceiptLayout.parse(toml, origin="x.toml")
    text = str(caught.value)
    assert "\n" not in text
    return text


# ---------------------------------------------------------------------- the marks


def test_text_stands_as_it_is_written() -> None:
    assert printed("  ДВА  ПРОБЕЛА  \n\n*не строка отчёта") == [
        "  ДВА  ПРОБЕЛА",
        "",
        "*не строка отчёта",
    ]


def test_rules_centred_texts_and_pairs() -> None:
    assert printed("-\n < ЧЕК > \nA | B\n | B\nA |\n=\n--") == [
        "-" * 32,
        "              ЧЕК",
        "A                              B",
        "                               B",
        "A",
        "=" * 32,
        "--",
    ]


def test_a_line_without_values_is_left_out() -> None:
    assert printed("A {rrn}\nB {rrn}{code}\n< {rrn} >\nRRN: | {rrn}\nC", code="00") == ["B 00", "C"]


def test_a_side_of_a_pair_without_values_is_left_out() -> None:
    assert printed("N {number} | RRN {rrn}\nN {number} | {code}", rrn="1", code="00") == [
        "RRN 1".rjust(32),
        "00".rjust(32),
    ]
    assert printed("N {number} | RRN {rrn}", number="0001") == ["N 0001"]
    assert printed("N {number} | RRN", rrn="1") == []


def test_conditions_print_nothing_themselves() -> None:
    form = "{rrn?} С НОМЕРОМ\n{rrn!}БЕЗ НОМЕРА\n{rrn?}\n{rrn?}{code?}-\nСУММА{rrn?}: | {amount}"
    assert printed(form, rrn="1", amount="2.00") == ["С НОМЕРОМ", "", "СУММА:" + "2.00".rjust(26)]
    assert printed(form) == ["БЕЗ НОМЕРА"]
    assert printed(form, rrn="1", code="00") == ["С НОМЕРОМ", "", "-" * 32]


def test_a_value_of_blanks_is_empty() -> None:
    assert printed("{rrn?}A\nRRN {rrn}\nB", rrn=" \r\n ") == ["B"]


def test_neighbouring_row_lines_are_repeated_together() -> None:
    rows = [{"row_number": "1", "row_code": "X"}, {"row_number": "2"}]
    assert printed("A\n* {row_number}\n* {row_code?}< {row_code} >\n*\nB\n* -", "full_report", *rows) == [
        "A",
        *("1", "               X", ""),
        *("2", ""),
        "B",
        *("-" * 32, "-" * 32),
    ]


def test_a_part_stands_in_many_forms_with_the_values_of_each() -> None:
    parts = "[parts]\nhead = '''\n< ЧЕК >\n{title}\n'''"
    assert printed("@head\n-\n@ head", parts=parts, title="T") == [
        *("              ЧЕК", "T"),
        "-" * 32,
        *("              ЧЕК", "T"),
    ]


def test_long_texts_go_on_in_the_next_line() -> None:
    assert printed("ПОЯСНЕНИЕ ДЛЯ КАССИРА {reason}", reason="ОБРАТИТЕСЬ В БАНК, ВЫПУСТИВШИЙ КАРТУ") == [
        "ПОЯСНЕНИЕ ДЛЯ КАССИРА ОБРАТИТЕСЬ",
        "В БАНК, ВЫПУСТИВШИЙ КАРТУ",
    ]
    assert printed("< {reason} >", reason="ОБРАТИТЕСЬ В БАНК, ВЫПУСТИВШИЙ КАРТУ") == [
        " ОБРАТИТЕСЬ В БАНК, ВЫПУСТИВШИЙ",
        "             КАРТУ",
    ]
    assert printed("ОПЛАТА В КАССЕ МАГАЗИНА {reason}", reason="ОНЛАЙН-КАССА") == [
        "ОПЛАТА В КАССЕ МАГАЗИНА",
        "ОНЛАЙН-КАССА",
    ]
    assert printed("{rrn}", rrn="1" * 40) == ["1" * 32, "1" * 8]


@pytest.mark.parametrize(
    ("title", "lines"),
    [
        ("A" * 26, ["A" * 26 + " 12.00"]),
        ("A" * 27, ["A" * 27, "12.00".rjust(32)]),
        ("A" * 32, ["A" * 32, "12.00".rjust(32)]),
        ("A" * 30 + " B", ["A" * 30 + " B", "12.00".rjust(32)]),
        ("A" * 30 + " BBB", ["A" * 30, "BBB" + "12.00".rjust(29)]),
    ],
)
def test_a_pair_that_is_too_wide_keeps_its_right_side_whole(title: str, lines: list[str]) -> None:
    assert printed("{title} | {amount}", title=title, amount="12.00") == lines


def test_a_right_side_that_is_too_wide_stands_below() -> None:
    assert printed("A | {reason}", reason="B" * 30 + " " + "C" * 4) == [
        "A",
        "  " + "B" * 30,
        "CCCC".rjust(32),
    ]


def test_the_feed_follows_the_last_line() -> None:
    toml = layout_text(paper='width = 32\nfeed = "\\n\\n\\r\\n"')
    layout = ReceiptLayout.parse(toml, origin="x.toml")
    assert layout.render("approved", {"title": "T"}) == "T\r\n\n\n\r\n"


# ---------------------------------------------------------------------- the mistakes

GOOD = layout_text()

MISTAKES = {
    "broken TOML": (GOOD.replace("[paper]", "[paper"), "x.toml: Expected"),
    "no title": (GOOD.replace('title = "T"', ""), "x.toml: title: must be a text"),
    "title of a wrong type": (GOOD.replace('title = "T"', "title = 1"), "x.toml: title: must be a text"),
    "unknown table": (GOOD + "[fonts]\n", "x.toml: fonts: is not a key of a receipt layout"),
    "no paper": (
        GOOD.replace("[paper]", "[parts]").replace("width = 32", "").replace('feed = ""', ""),
        "x.toml: paper: the table is missing",
    ),
    "unknown key of the paper": (
        layout_text(paper='width = 32\nfeed = ""\ncut = 1'),
        "x.toml: paper.cut: is not a key of a receipt layout",
    ),
    "paper too narrow": (
        layout_text(paper='width = 23\nfeed = ""'),
        "x.toml: paper.width: must be a whole number from 24 to 48",
    ),
    "width as a text": (
        layout_text(paper='width = "32"\nfeed = ""'),
        "x.toml: paper.width: must be a whole number from 24 to 48",
    ),
    "feed with a text": (
        layout_text(paper='width = 32\nfeed = "---\\r\\n"'),
        "x.toml: paper.feed: must be empty, or line breaks of which the last one is \\r\\n",
    ),
    "feed that ends in LF": (
        layout_text(paper='width = 32\nfeed = "\\r\\n\\n"'),
        "x.toml: paper.feed: must be empty, or line breaks of which the last one is \\r\\n",
    ),
    "no forms": (GOOD.partition("[forms]")[0], "x.toml: forms: the table is missing"),
    "a missing form": (
        GOOD.replace("balance = '''\n{title}\n'''\n", ""),
        "x.toml: forms.balance: is missing",
    ),
    "an unknown form": (
        layout_text(form="aproved"),
        f"x.toml: forms.aproved: is no form; the forms are {', '.join(Form)}",
    ),
    "a form that is no text": (
        GOOD.replace("balance = '''\n{title}\n'''", "balance = 1"),
        "x.toml: forms.balance: must be a text that is not empty",
    ),
    "an empty form": (
        layout_text(form="balance", text="\n"),
        "x.toml: forms.balance: must be a text that is not empty",
    ),
    "an unknown name": (
        layout_text(text="A\n\nСУММА | {ammount}"),
        "x.toml: forms.approved: line 3: there is no {ammount}; perhaps {amount}",
    ),
    "an unknown condition": (
        layout_text(text="{сумма?}A"),
        "x.toml: forms.approved: line 1: there is no {сумма}",
    ),
    "a name of other forms": (
        layout_text(form="declined", text="{title}\n{net}"),
        "x.toml: forms.declined: line 2: {net} has no value in the form declined",
    ),
    "a name of other forms in a report": (
        layout_text(form="short_report", text="{card_number}"),
        "x.toml: forms.short_report: line 1: {card_number} has no value in the form short_report",
    ),
    "a row's name outside of rows": (
        layout_text(form="full_report", text="{row_rrn}"),
        "x.toml: forms.full_report: line 1: {row_rrn} is of a row: only a line that begins with * has it",
    ),
    "another name in a row": (
        layout_text(form="full_report", text="* {row_rrn} {currency}"),
        "x.toml: forms.full_report: line 1: {currency} has no value in a line that is repeated for rows",
    ),
    "rows where there are none": (
        layout_text(text="* A"),
        "x.toml: forms.approved: line 1: is repeated for rows, and the form approved has none",
    ),
    "a brace too many": (
        layout_text(text="{title}}"),
        "x.toml: forms.approved: line 1: has a brace that belongs to no {name}, {name?} or {name!}",
    ),
    "an empty name": (
        layout_text(text="{}"),
        "x.toml: forms.approved: line 1: has a brace that belongs to no {name}, {name?} or {name!}",
    ),
    "two bars": (layout_text(text="A | B | C"), "x.toml: forms.approved: line 1: has more than one |"),
    "centred by half": (
        layout_text(text="< ЧЕК"),
        "x.toml: forms.approved: line 1: is centred at one end only: < text >",
    ),
    "a separator": (
        layout_text(text="A\nA^B"),
        "x.toml: forms.approved: line 2: holds ^ or ~, which separate the records of field 90",
    ),
    "a character of no code page": (
        layout_text(text="СУММА, ₽"),
        "x.toml: forms.approved: line 1: holds '₽', which no slip can print (windows-1251, no controls)",
    ),
    "a tab": (
        layout_text(text="A\tB"),
        "x.toml: forms.approved: line 1: holds '\\t', which no slip can print (windows-1251, no controls)",
    ),
    "an unknown part": (
        layout_text(text="A\n@head"),
        "x.toml: forms.approved: line 2: there is no part 'head'",
    ),
    "a part that nobody uses": (
        layout_text(parts="[parts]\nhead = 'A'"),
        "x.toml: parts.head: is used by no form",
    ),
    "a mistake in a part": (
        layout_text(text="@head", parts="[parts]\nhead = '''\nA\n{titel}\n'''"),
        "x.toml: parts.head: line 2: there is no {titel}; perhaps {title}",
    ),
    "a part with names that a form lacks": (
        layout_text(form="settlement", text="@card", parts="[parts]\ncard = '{card_number}'"),
        "x.toml: parts.card: line 1: {card_number} has no value in the form settlement",
    ),
    "a part within a part": (
        layout_text(text="@a", parts="[parts]\na = '@b'\nb = 'B'"),
        "x.toml: parts.a: line 1: names a part: that is for a form's own line, with nothing beside it",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_one_line(name: str) -> None:
    toml, told = MISTAKES[name]
    text = mistake(toml)
    assert text == told or (name == "broken TOML" and text.startswith(told))


def test_the_good_one_is_good() -> None:
    assert ReceiptLayout.parse(GOOD, origin="x.toml").render(Form.BALANCE, {"title": "T"}) == "T\r\n"
