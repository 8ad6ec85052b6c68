"""Every story of the library passes, teaches something, and is the same twice, byte by byte."""

import json
from collections import Counter
from functools import cache
from pathlib import Path

import jsonschema
import pytest
import yaml

from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.scenario.loader import Case, load_cases
from smartsale_emu.scenario.model import json_schema
from smartsale_emu.scenario.results import play_case

TOP = Path(__file__).parents[2]
STORIES = TOP / "scenarios"
FILES = sorted(STORIES.rglob("*.yaml"))
THEMES = {
    "everyday",
    "declines",
    "customer",
    "line",
    "bank",
    "reversal",
    "power",
    "day",
    "preauth",
    "tunnel",
    "vending",
}


@cache
def library() -> FileLibrary:
    return FileLibrary()


def cases(file: Path) -> list[Case]:
    return load_cases(file.read_text(encoding="utf-8"), origin=str(file.relative_to(TOP)))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(STORIES).with_suffix("")))
def test_a_story_passes_and_is_the_same_twice(file: Path) -> None:
    for case in cases(file):
        seed = case.scenario.seed
        played, log = play_case(case, library(), seed=seed, told=True)
        assert played.failure is None, f"{case.name}: {played.failure}"
        assert log
        again, _ = play_case(case, library(), seed=seed, told=False)
        assert again == played, f"{case.name}: another play gave other bytes"


def test_there_are_at_least_sixty_in_every_theme_some() -> None:
    themes = Counter(file.relative_to(STORIES).parts[0] for file in FILES)
    assert set(themes) == THEMES
    assert sum(themes.values()) >= 60
    assert min(themes.values()) >= 2


def test_every_story_teaches_something_else() -> None:
    told = [case.scenario for file in FILES for case in cases(file)[:1]]
    assert all(one.teaches for one in told)
    for key in ("title", "teaches"):
        texts = Counter(getattr(one, key) for one in told)
        assert [text for text, count in texts.items() if count > 1] == []


def test_the_documents_own_examples_are_there() -> None:
    titles = " ".join(case.scenario.title for file in FILES for case in cases(file)[:1])
    for operation in ("«Оплата»", "«Отмена»", "«Возврат»", "«Аварийная отмена»"):
        assert operation in titles


def test_an_editor_takes_every_story_and_no_other() -> None:
    """Read as an editor does, with numbers and truths in it, a story fits the schema that `play` prints."""
    validator = jsonschema.Draft202012Validator(json_schema())
    for file in FILES:
        story = json.loads(json.dumps(yaml.safe_load(file.read_text(encoding="utf-8")), default=str))
        errors = [
            f"{'/'.join(map(str, error.path))}: {error.message[:200]}"
            for error in validator.iter_errors(story)
        ]
        assert not errors, f"{file.relative_to(STORIES)}: {errors[:3]}"
    for wrong in (
        {"format": 2, "title": "A story", "steps": [{"key": "cancel"}]},
        {"format": 1, "title": "A story", "steps": [{"kee": "cancel"}]},
        {"format": 1, "title": "A story", "steps": [{"line": "drop nothing"}]},
        {"format": 1, "title": "A story", "steps": [{"key": "cancel", "after": "5"}]},
    ):
        assert list(validator.iter_errors(wrong)), wrong
