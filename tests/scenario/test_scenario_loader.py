"""A scenario file is read whole: what is wrong in it is told by line and key, all of it at once."""

import json

import pytest

from smartsale_emu.errors import ScenarioError
from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.scenario.loader import Case, load_cases
from smartsale_emu.scenario.model import VERBS, json_schema

HEAD = "format: 1\ntitle: A story\nsteps:\n"
GOOD = HEAD + "  - register: sale 100.00\n  - card: tap mir-contactless\n  - expect: {answer: {39: '1'}}\n"


def wrong(text: str) -> list[str]:
    """Return the lines that tell what is wrong in a file."""
    with pytest.raises(ScenarioError) as told:
        load_cases(text, origin="x.yaml")
    return str(told.value).splitlines()


def step(text: str) -> str:
    return f"{HEAD}  - {text}\n"


def test_a_good_file_is_one_case() -> None:
    (case,) = load_cases(GOOD, origin="x.yaml")
    assert (case.name, case.number, case.values) == ("A story", 1, ())
    assert [one.asks for one in case.scenario.steps] == ["sale 100.00", None, None]


MISTAKES = {
    "no YAML": ("format: 1\ntitle: [", "x.yaml:3: is no YAML: "),
    "no table": ("- a\n", "x.yaml:1: a scenario is a table of keys: format, title, steps"),
    "another format": (
        GOOD.replace("format: 1", "format: 2"),
        "x.yaml:1: format: must be '1'",
    ),
    "no title": (GOOD.replace("title: A story\n", ""), "x.yaml:1: title: is missing"),
    "no steps": ("format: 1\ntitle: A story\nsteps: []\n", "x.yaml:3: steps: must not be empty"),
    "a key twice": (GOOD + "title: Again\n", "x.yaml:7: title: stands twice"),
    "a misspelt key": (
        GOOD + "teachs: nothing\n",
        "x.yaml:7: teachs: is no key here; is teaches meant?",
    ),
    "a misspelt key of a step": (
        step("{register: sale 1.00, wen: now}"),
        "x.yaml:4: steps[1].wen: is no key here; is when meant?",
    ),
    "no verb": (step("{after: 2s}"), "x.yaml:4: steps[1]: a step has exactly one of "),
    "two verbs": (step("{key: cancel, pin: '1234'}"), "; pin, key stand together"),
    "no operation": (step("register: sail 1.00"), "x.yaml:4: steps[1].register: 'sail 1.00' is no operation"),
    "no amount": (step("register: sale"), "x.yaml:4: steps[1].register: sale needs amount"),
    "an argument that is none": (
        step("register: sale 1.00 rnn=1"),
        "x.yaml:4: steps[1].register: 'rnn' is no argument",
    ),
    "an argument out of place": (step("register: sale 1.00 rrn=1"), "sale has no place for rrn"),
    "a phrase that is none": (
        step("bank: decline"),
        "x.yaml:4: steps[1].bank: 'decline' is not understood; there is: decline CODE [to",
    ),
    "a unit that is none": (
        step("line: drop the final"),
        "steps[1].line: 'drop the final' is not understood",
    ),
    "a time without a unit": (
        step("{key: cancel, after: 5}"),
        "x.yaml:4: steps[1].after: must be a time such as",
    ),
    "a moment that is none": (step("{key: cancel, when: card asked}"), "; there is: card is asked"),
    "an amount that is none": (
        step("expect: {bank: {net: ten}}"),
        "x.yaml:4: steps[1].expect.bank.net: must be an amount such as 100.00",
    ),
    "a choice": (
        GOOD + "scheme: kpk\n",
        "x.yaml:7: scheme: must be 'kph' or 'pkh'",
    ),
    "a state that is none": (step("expect: {state: sleeping}"), "steps[1].expect.state: must be 'idle', "),
    "a truth that is none": (step("expect: {agree: maybe}"), "steps[1].expect.agree: must be true or false"),
    "a number that is none": (GOOD + "seed: many\n", "x.yaml:7: seed: must be a whole number"),
    "a PIN too short": (GOOD + "customer: {pin: '12'}\n", "x.yaml:7: customer.pin: must be 4 to 12 digits"),
    "a date that is none": (GOOD + "date: tomorrow\n", "x.yaml:7: date: must be a date and a time such as"),
    "a parameter that is none": (
        step("register: sale ${amount}"),
        "x.yaml:4: steps[1].register: ${amount}: there is no such parameter",
    ),
    "a matrix that is none": (
        GOOD + "matrix: {card: mir-chip}\n",
        "x.yaml:7: matrix.card: must be a list of values",
    ),
    "a parameter twice": (
        GOOD + "parameters: {a: 1}\nmatrix: {a: [1]}\n",
        "x.yaml:8: matrix.a: stands in parameters too",
    ),
    "too many cases": (
        GOOD + f"matrix: {{a: {list(range(200))}, b: {list(range(200))}}}\n",
        "x.yaml:7: matrix: makes 40000 cases, 10000 are possible",
    ),
    "an anchor": (
        "format: 1\ntitle: &a A story\nteaches: *a\nsteps: []\n",
        "x.yaml:2: teaches: anchors and aliases are not read here; use parameters",
    ),
    "a tag": (GOOD.replace("A story", "!!python/object:os.system x"), "title: a tag is not read here"),
    "a field that is none": (
        step("expect: {answer: {STATUSS: '1'}}"),
        "x.yaml:4: steps[1].expect.answer.STATUSS: is no field, by number or name",
    ),
    "a pattern that is none": (
        step("expect: {answer: {14: '/(/'}}"),
        "x.yaml:4: steps[1].expect.answer.14: is no pattern: ",
    ),
    "a unit of the line that is none": (
        step("expect: {line: [request, akc]}"),
        "x.yaml:4: steps[1].expect.line[2]: 'akc' is no unit of the line; there is: ",
    ),
    "a duration that is none": (
        step("expect: {took: about 5s}"),
        "x.yaml:4: steps[1].expect.took: must be such as < 5s, ",
    ),
    "an answer that nobody has named": (
        step("register: void 1.00 rrn=${frist.rrn}"),
        "x.yaml:4: steps[1].register: ${frist.rrn}: no step before this one is named frist",
    ),
    "a field that no answer has": (
        HEAD + "  - {register: sale 1.00, name: a}\n  - expect: {answer: {14: '${a.rrm}'}}\n",
        "x.yaml:5: steps[2].expect.answer: ${a.rrm}: an answer has rrn, code, amount and number",
    ),
    "an answer where nobody looks for it": (
        HEAD + "  - {register: sale 1.00, name: a}\n  - cashier: type ${a.rrn}\n",
        "x.yaml:5: steps[2].cashier: ${a.rrn}: earlier answers stand in register and expect only",
    ),
    "a PIN of one digit": (step("pin: '1'"), "x.yaml:4: steps[1].pin: '1' is not understood"),
    "digits of another script": (
        GOOD + "customer: {pin: '١٢٣٤'}\n",
        "x.yaml:7: customer.pin: must be 4 to 12 digits",
    ),
    "an amount of another script": (step("register: sale ١٠٠.٠٠"), "must be an amount such as 100.00"),
    "a time without end": (step("clock: +99999999d"), "x.yaml:4: steps[1].clock: must be a year at most"),
    "a day of long ago": (GOOD + "date: 0001-01-01 00:00\n", "x.yaml:7: date: must be a local time, of the"),
    "a day with a time zone": (
        GOOD + "date: 2026-01-15 10:00+03:00\n",
        "x.yaml:7: date: must be a local time, of the years 2000 to 2099",
    ),
    "a brace without quotes": (
        step("expect: {receipt: [${a.rrn}]}"),
        "; within { } and [ ] a text with ${name} needs quotes",
    ),
    "a nest without end": ("[" * 100_000, "x.yaml:1: is nested too deep"),
    "a sign that is none": ("format: 1\ntitle: a\x01b\n", "x.yaml:2: is no YAML: "),
    "a parameter without end": (
        GOOD + f"parameters: {{a: {'x' * 5000}}}\n",
        "x.yaml:7: parameters.a: has 5000 characters, 4000 are possible",
    ),
    "an answer that comes later": (
        HEAD + "  - expect: {of: first}\n  - {register: sale 1.00, name: first}\n",
        "x.yaml:4: steps[1].expect.of: no step before this one is named first",
    ),
    "a name beside a card": (
        step("{card: tap mir-chip, name: first}"),
        "name and habits go with register only",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_line_and_what_would_be_right(mistake: str) -> None:
    text, says = MISTAKES[mistake]
    lines = wrong(text)
    assert any(says in line for line in lines), lines
    assert all(line.startswith("x.yaml:") for line in lines)


def test_a_name_that_the_library_does_not_know_is_told_once() -> None:
    library = FileLibrary()
    for text, says in (
        (
            "terminal: {profile: nobody}",
            ["x.yaml:7: terminal.profile: terminal profile 'nobody' does not exist;"],
        ),
        ("terminal: {keys_left: 2}", ["x.yaml:7: terminal.keys_left: the keys of this bank have no serial"]),
        ("bank: {rules: /dev/zero}", ["x.yaml:7: bank.rules: rulebook /dev/zero: is no file"]),
        ("terminal: {set: {timers.card_ms: " + "9" * 5000 + "}}", ["x.yaml:7: terminal.set: "]),
    ):
        with pytest.raises(ScenarioError) as told:
            load_cases(f"{GOOD}{text}\n", origin="x.yaml", library=library)
        lines = str(told.value).splitlines()
        assert [line.startswith(begin) for line, begin in zip(lines, says, strict=True)] == [True], lines


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = HEAD + "  - register: sale\n  - card: tip mir-chip\n  - {}\nseed: -1\n"
    assert [line.split(":")[1] for line in wrong(text)] == ["4", "5", "6", "7"]


def test_a_matrix_is_a_case_for_each_and_all_of_them() -> None:
    text = HEAD + (
        "  - register: sale ${amount}\n  - card: tap ${card}\n"
        "parameters: {amount: 7.50}\nmatrix: {card: [mir-contactless, visa-chip], n: [1, 2]}\n"
    )
    cases = load_cases(text, origin="x.yaml")
    assert [case.number for case in cases] == [1, 2, 3, 4]
    assert [one.scenario.steps[1].card for one in cases] == ["tap mir-contactless"] * 2 + [
        "tap visa-chip"
    ] * 2
    assert cases[3].name == "A story [amount=7.50, card=visa-chip, n=2]"
    assert {one.scenario.steps[0].asks for one in cases} == {"sale 7.50"}


def test_what_is_of_an_answer_is_left_for_the_play() -> None:
    text = step("{register: sale 1.00, name: first}") + "  - register: void 1.00 rrn=${first.rrn}\n"
    (case,) = load_cases(text, origin="x.yaml")
    assert case.scenario.steps[1].asks == "void 1.00 rrn=${first.rrn}"


def test_texts_stay_as_they_are_written() -> None:
    (case,) = load_cases(step("pin: 0123"), origin="x.yaml")
    assert isinstance(case, Case)
    assert case.scenario.steps[0].pin == "0123"


def test_the_json_schema_knows_every_verb_and_form() -> None:
    schema = json_schema()
    assert json.loads(json.dumps(schema)) == schema
    steps = schema["$defs"]["Step"]["properties"]
    assert set(VERBS) <= set(steps)
    assert "drop" in json.dumps(steps["line"])
