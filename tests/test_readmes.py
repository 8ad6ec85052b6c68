"""README.md and README.ru.md: the commands that they show exist, and both show the same ones."""

import re
import shlex
from pathlib import Path

import pytest

from smartsale_emu.cli.parser import build_parser
from smartsale_emu.register.requests import OPERATIONS
from smartsale_emu.runtime.resources import read_card_files

READMES = sorted(Path(__file__).parents[1].glob("README*.md"))
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
each_readme = pytest.mark.parametrize("readme", READMES, ids=lambda readme: readme.name)


def prose(readme: Path) -> str:
    """Return the text of a README without its blocks of code."""
    return BLOCK.sub("", readme.read_text(encoding="utf-8"))


def shown_commands(readme: Path) -> list[list[str]]:
    """Return the arguments of every line in a block that begins with our command."""
    blocks = BLOCK.findall(readme.read_text(encoding="utf-8"))
    lines = [line.strip().removeprefix("$ ") for _, block in blocks for line in block.splitlines()]
    ours = [re.split("[>;]", line)[0] for line in lines if line.startswith("smartsale-emu ")]
    return [shlex.split(line, comments=True)[1:] for line in ours]


def operation_commands(readme: Path) -> list[list[str]]:
    """Return the first command of every row in the table of the operations."""
    rows = re.findall(r"^\|[^|]+\| \d+[^|`]*\| `([a-z][^`]*)`", prose(readme), re.MULTILINE)
    return [row.replace("…", "1").split() for row in rows]


@each_readme
def test_every_shown_command_is_one_that_the_program_takes(readme: Path) -> None:
    """The parser ends the test with status 2 at an unknown option."""
    commands = shown_commands(readme)
    assert {command[0] for command in commands} == {
        "run",
        "register",
        "host",
        "ledger",
        "play",
        "keys",
        "trace",
        "explain",
        "bugpack",
    }
    for command in commands:
        build_parser().parse_args(command)


@each_readme
def test_the_table_of_operations_holds_every_command_of_the_register(readme: Path) -> None:
    """One row each, with options that the command takes."""
    commands = operation_commands(readme)
    assert sorted(command[0] for command in commands) == sorted(OPERATIONS)
    for command in commands:
        build_parser().parse_args(["register", *command, "--port", "PORT"])


@each_readme
def test_the_table_of_cards_holds_every_card_once(readme: Path) -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|[^|]+\| [\d–]+ \| \d+ \| \d{3} \|", prose(readme), re.MULTILINE)
    assert sorted(rows) == sorted(read_card_files())


def test_both_languages_show_the_same_commands_and_the_same_sections() -> None:
    """A change of one README that the other one lacks; what is said in words, only a reader can compare."""
    english, russian = (prose(readme) for readme in READMES)
    assert shown_commands(READMES[1]) == shown_commands(READMES[0])
    for pattern in (r"^#+ |^\|", r"`[^`\n]*--[^`\n]*`"):  # headings and rows; spans with options
        assert re.findall(pattern, russian, re.MULTILINE) == re.findall(pattern, english, re.MULTILINE)


@each_readme
def test_the_table_of_scenarios_is_true(readme: Path) -> None:
    """How many files each folder has, as the README counts them."""
    text = readme.read_text(encoding="utf-8")
    told = {name: int(count) for name, count in re.findall(r"^\| `([a-z]+)` \| (\d+) \|", text, re.MULTILINE)}
    folders = [folder for folder in (readme.parent / "scenarios").iterdir() if folder.is_dir()]
    assert told == {folder.name: len(list(folder.glob("*.yaml"))) for folder in folders}
