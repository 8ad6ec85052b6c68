"""Scenario files become cases: parameters put in, a matrix multiplied out, mistakes told by line."""

import difflib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from smartsale_emu.errors import ProfileError, ScenarioError
from smartsale_emu.scenario.commands import PHRASES, PresentCard
from smartsale_emu.scenario.document import Document, Path, read_document, shown
from smartsale_emu.scenario.key_counters import held_near_the_end
from smartsale_emu.scenario.model import Scenario, Step, map_texts
from smartsale_emu.scenario.phrases import read_phrase
from smartsale_emu.scenario.requests import REFERENCE, Ask, card_of, read_register
from smartsale_emu.scenario.stage import Library

MOST_CASES = 10_000
"""Cases that one file may multiply out to."""

MOST_SIGNS = 4000
"""Characters of one parameter: it may stand in many places."""

Mistake = tuple[Path, str]
"""Where something is wrong, and what."""

_PARAMETER = re.compile(r"\$\{(\w+)\}")
_OF_ANSWER = re.compile(r"\$\{(\w+)\.[^}]*\}")
_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is no key here",
    "string_type": "must be a text",
    "list_type": "must be a list",
    "dict_type": "must be a table of keys",
    "model_type": "must be a table of keys",
    "bool_parsing": "must be true or false",
    "int_parsing": "must be a whole number",
    "none_required": "must be left out",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One story to play. ``number``: of the case in its file, from 1; ``values``: of its parameters.

    ``lines``: on which its steps stand.
    """

    origin: str
    number: int
    scenario: Scenario
    values: tuple[tuple[str, str], ...] = ()
    lines: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """How reports call it."""
        told = ", ".join(f"{name}={value}" for name, value in self.values)
        return f"{self.scenario.title} [{told}]" if told else self.scenario.title


def load_cases(text: str, *, origin: str, library: Library | None = None) -> list[Case]:
    """Read a scenario file. ``origin`` names it in errors; ``library``: what its names must stand for.

    Raises:
        ScenarioError: something in it is wrong; a line for every mistake, each with file, line and key.
    """
    document = read_document(text, origin=origin)
    value = document.value
    if not isinstance(value, dict):
        raise document.error((), "a scenario is a table of keys: format, title, steps")
    steps = value.get("steps")
    count = len(steps) if isinstance(steps, list) else 0
    lines = tuple(document.lines.get(("steps", place), 1) for place in range(count))
    cases = []
    for number, values in enumerate(_values(document, value), start=1):
        scenario = _scenario(document, value, values)
        _vet(document, scenario, library)
        told = tuple(values.items()) if value.get("matrix") else ()
        cases.append(Case(origin, number, scenario, told, lines))
    return cases


def _scenario(document: Document, value: dict[str, object], values: Mapping[str, str]) -> Scenario:
    filled = {
        key: item if key in ("parameters", "matrix") else _filled(document, item, values, (key,))
        for key, item in value.items()
    }
    try:
        return Scenario.model_validate(filled)
    except ValidationError as error:
        raise _all_at_once(document, map(_told, error.errors())) from None


def _vet(document: Document, scenario: Scenario, library: Library | None) -> None:
    """See to it that every name in a scenario stands for something. Raises ScenarioError."""
    wrong = [*_wrong_references(scenario), *(_wrong_names(scenario, library) if library else ())]
    if wrong:
        raise _all_at_once(document, wrong)


def _wrong_names(scenario: Scenario, library: Library) -> Iterator[Mistake]:
    """Yield what names no profile, no row, no rulebook or no card."""
    terminal, bank = scenario.terminal, scenario.bank
    asked: list[tuple[Path, Callable[[], object]]] = [
        (("terminal", "profile"), lambda: library.terminal_profile(terminal.profile, {})),
        (("terminal", "set"), lambda: library.terminal_profile(terminal.profile, terminal.set)),
        (("bank", "profile"), lambda: library.bank_profile(bank.profile, {})),
        (("bank", "set"), lambda: library.bank_profile(bank.profile, bank.set)),
        (("bank", "rules"), lambda: library.rulebook(bank.rules)),
    ]
    told = set()
    for path, ask in asked:
        try:
            ask()
        except ProfileError as error:
            problem = str(error).removeprefix(f"{shown(path)}: ")
            if problem not in told:
                yield path, problem
            told.add(problem)
    if terminal.keys_left is not None:
        try:
            profile = library.bank_profile(bank.profile, bank.set)
            held_near_the_end(terminal.keys_left, profile.protection, library.keys())
        except ProfileError as error:
            yield ("terminal", "keys_left"), str(error).removeprefix("terminal.keys_left: ")
    ours = library.cards()
    for path, name in _cards_in(scenario):
        known = ours if path[0] == "cards" else {**ours, **scenario.cards}
        if name not in known:
            yield path, f"card {name!r} is not known; there is: {', '.join(known)}"


def _cards_in(scenario: Scenario) -> Iterator[tuple[Path, str]]:
    """Yield every card that is named, and where."""
    for name, row in scenario.cards.items():
        yield ("cards", name, "like"), row.like
    if scenario.customer.card is not None:
        yield ("customer", "card"), scenario.customer.card
    for place, step in enumerate(scenario.steps):
        command = read_phrase(step.card, PHRASES["card"]) if step.card else None
        if isinstance(command, PresentCard):
            yield ("steps", place, "card"), command.card
        asks = read_register(step.asks) if step.asks else None
        named = card_of(asks) if isinstance(asks, Ask) else None
        if named is not None:
            yield ("steps", place, "register"), named
        if step.expect is not None and step.expect.bank is not None:
            for card in step.expect.bank.balance or {}:
                yield ("steps", place, "expect", "bank", "balance"), card


def _wrong_references(scenario: Scenario) -> Iterator[Mistake]:
    """Yield what refers to an answer that no step before has named, or stands where nobody looks for it."""
    named: set[str] = set()
    for place, step in enumerate(scenario.steps):
        texts = [(("steps", place, "register"), step.asks or ""), *_texts_in(step, place)]
        for path, text in texts:
            for found in _OF_ANSWER.finditer(text):
                if not REFERENCE.fullmatch(found[0]):
                    yield path, f"{found[0]}: an answer has rrn, code, amount and number"
                elif found[1] not in named:
                    yield path, f"{found[0]}: no step before this one is named {found[1]}"
        if step.expect is not None and step.expect.of not in (None, *named):
            yield ("steps", place, "expect", "of"), f"no step before this one is named {step.expect.of}"
        for key in ("cashier", "when", "while_", "until"):
            found_there = _OF_ANSWER.search(getattr(step, key) or "")
            if found_there:
                told = f"{found_there[0]}: earlier answers stand in register and expect only"
                yield ("steps", place, key.rstrip("_")), told
        if step.name is not None:
            named.add(step.name)


def _texts_in(step: Step, place: int) -> list[tuple[Path, str]]:
    """Return the texts of an expectation in which an earlier answer may stand."""
    found: list[tuple[Path, str]] = []

    def note(key: str, text: str) -> str:
        found.append((("steps", place, "expect", key), text))
        return text

    if step.expect is not None:
        map_texts(step.expect, note)
    return found


def _all_at_once(document: Document, wrong: Iterable[Mistake]) -> ScenarioError:
    """Return one error of all mistakes, in the order of their lines."""
    told = sorted((document.line(path), str(document.error(path, problem))) for path, problem in wrong)
    return ScenarioError("\n".join(text for _, text in told))


# --- parameters ------------------------------------------------------------------------------------------


def _values(document: Document, value: dict[str, object]) -> Iterator[dict[str, str]]:
    """Yield the parameters of every case."""
    fixed = _table(document, value, "parameters")
    matrix = {
        name: _several(document, name, items) for name, items in _table(document, value, "matrix").items()
    }
    for name in matrix:
        if name in fixed:
            raise document.error(("matrix", name), "stands in parameters too")
    cases = 1
    for items in matrix.values():
        cases *= len(items)
    if cases > MOST_CASES:
        raise document.error(("matrix",), f"makes {cases} cases, {MOST_CASES} are possible")
    plain = {name: _plain(document, ("parameters", name), item) for name, item in fixed.items()}
    for chosen in itertools.product(*matrix.values()):
        yield {**plain, **dict(zip(matrix, chosen, strict=True))} if matrix else plain


def _table(document: Document, value: dict[str, object], key: str) -> dict[str, object]:
    table = value.get(key) or {}
    if not isinstance(table, dict):
        raise document.error((key,), "must be a table of keys")
    return table


def _several(document: Document, name: str, items: object) -> list[str]:
    path: Path = ("matrix", name)
    if not isinstance(items, list) or not items:
        raise document.error(path, "must be a list of values")
    return [_plain(document, (*path, place), item) for place, item in enumerate(items)]


def _plain(document: Document, path: Path, item: object) -> str:
    if not isinstance(item, str):
        raise document.error(path, "must be a plain value")
    if len(item) > MOST_SIGNS:
        raise document.error(path, f"has {len(item)} characters, {MOST_SIGNS} are possible")
    return item


def _filled(document: Document, item: object, values: Mapping[str, str], path: Path) -> object:
    """Put parameters in where ``${name}`` stands; what holds a point is of an answer, and is left."""
    match item:
        case str():

            def put(found: re.Match[str]) -> str:
                if found[1] not in values:
                    there = f"; there is: {', '.join(values)}" if values else ""
                    raise document.error(path, f"{found[0]}: there is no such parameter{there}")
                return values[found[1]]

            return _PARAMETER.sub(put, item)
        case list():
            return [_filled(document, one, values, (*path, place)) for place, one in enumerate(item)]
        case dict():
            return {
                str(_filled(document, key, values, (*path, key))): _filled(
                    document, one, values, (*path, key)
                )
                for key, one in item.items()
            }
        case _:
            return item


# --- mistakes --------------------------------------------------------------------------------------------


def _told(error: ErrorDetails) -> Mistake:
    path = tuple(part for part in error["loc"] if part != "[key]")
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return path, f"{_WORDS[kind]}{_meant(str(path[-1]), _keys_at(path[:-1]))}"
    if kind in _WORDS:
        return path, _WORDS[kind]
    match kind:
        case "value_error":
            return path, str(context.get("error", error["msg"]))
        case "literal_error" | "enum":
            return path, f"must be {context.get('expected')}"
        case "string_pattern_mismatch":
            return path, f"must look like {context.get('pattern')}"
        case "too_short":
            return path, "must not be empty"
        case _:
            return path, error["msg"].lower()


def _keys_at(path: Path) -> list[str]:
    """Return the keys that the schema knows at a place."""
    model: object = Scenario
    for part in path:
        if isinstance(part, int):
            continue
        fields = getattr(model, "model_fields", {})
        found = [field for name, field in fields.items() if part in (name, field.alias)]
        if not found:
            return []
        model = _model_of(found[0].annotation)
    return [field.alias or name for name, field in getattr(model, "model_fields", {}).items()]


def _model_of(annotation: object) -> object:
    """Return the model in an annotation such as ``list[Step]`` or ``Expect | None``."""
    if hasattr(annotation, "model_fields"):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_of(inner)
        if found is not None:
            return found
    return None


def _meant(key: str, keys: list[str]) -> str:
    near = difflib.get_close_matches(key, keys, n=1)
    if near:
        return f"; is {near[0]} meant?"
    return f"; there is: {', '.join(keys)}" if keys else ""
