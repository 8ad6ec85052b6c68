"""Commands as short texts, ``decline 51 after 2s``: a table of forms reads them and tells what there is.

A form holds words, ``{placeholders}`` and ``[ parts that may be left out]``, blanks included. The same table
gives the patterns of the JSON Schema, so that an editor knows what the player knows.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

from smartsale_emu.units import Millis, MinorUnits

Command = TypeVar("Command", covariant=True)

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST = 366 * _UNITS["d"]
_TOLD = 80
_NTH = r"\d+(?:st|nd|rd|th)"
_ORDINAL = rf"every {_NTH}|{_NTH}|first|every"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a placeholder stands for: a pattern without groups, and what its text becomes."""

    pattern: str
    read: Callable[[str], object]


def duration(text: str) -> Millis:
    """Read a time: a number and its unit.

    >>> duration("2s"), duration("1.5s"), duration("24h")
    (2000, 1500, 86400000)

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"(\d+)(?:\.(\d{1,3}))?\s?(ms|s|m|h|d)", text, re.ASCII)
    if found is None:
        raise ValueError("must be a time such as 500ms, 2s, 1.5s, 3m or 24h")
    parts = f"{found[1]}{(found[2] or '').ljust(3, '0')}"
    time = int(parts) * _UNITS[found[3]] // 1000
    if time > _LONGEST:
        raise ValueError("must be a year at most")
    return Millis(time)


def money(text: str) -> MinorUnits:
    """Read an amount: units and, behind a point, two digits.

    >>> money("100.00"), money("7")
    (10000, 700)

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"(\d{1,10})(?:\.(\d\d))?", text, re.ASCII)
    if found is None:
        raise ValueError("must be an amount such as 100.00")
    return MinorUnits(int(found[1]) * 100 + int(found[2] or 0))


def ordinal(text: str) -> int:
    """Read which one is meant: n for the n-th alone, 0 for every one, -n for every n-th.

    >>> ordinal("2nd"), ordinal("first"), ordinal("every"), ordinal("every 3rd")
    (2, 1, 0, -3)

    Raises:
        ValueError: there is no 0th.
    """
    words = {"first": 1, "every": 0}
    if text in words:
        return words[text]
    number = int(text.removeprefix("every ")[:-2])
    if number == 0:
        raise ValueError("the first one is the 1st")
    return -number if text.startswith("every ") else number


def unquoted(text: str) -> str:
    """Return a text without the quotation marks around it."""
    return text[1:-1] if text[:1] in "«\"'" and text[-1:] in "»\"'" and len(text) > 1 else text


KINDS: dict[str, Kind] = {
    "amount": Kind(r"\d+(?:\.\d\d)?", money),
    "time": Kind(r"\d+(?:\.\d{1,3})?\s?(?:ms|s|m|h|d)", duration),
    "count": Kind(r"\d{1,9}", int),
    "which": Kind(_ORDINAL, ordinal),
    "code": Kind(r"[0-9A-Za-z]{2,3}", str),
    "name": Kind(r"[A-Za-z0-9_-]+", str),
    "digits": Kind(r"\d{4,12}", str),
    "hex": Kind(r"(?:[0-9A-Fa-f]{2}\s?)+", bytes.fromhex),
    "text": Kind(r"\S.*", unquoted),
}


@dataclass(frozen=True, slots=True)
class Phrase(Generic[Command]):
    """One form. ``build`` takes the placeholders that were there, by name; ``about``: one line on it.

    A placeholder is ``{kind}`` or ``{name:kind}``, and ``{name:one|other}`` for a choice of words.

    >>> Phrase("decline {code}[ after {time}]", lambda **given: given, "the bank says no").shown
    'decline CODE [after TIME]'
    """

    form: str
    build: Callable[..., Command]
    about: str

    @property
    def pattern(self) -> str:
        """The form as a regular expression without named groups (of ECMA 262 too)."""
        return re.sub(r"\?P<\w+>", "", _pattern(self.form))

    @property
    def shown(self) -> str:
        """The form as it is told in an error: ``decline CODE [after TIME]``."""
        form = self.form.replace("[ ", " [").replace(" ]", "] ").replace("\\", "")
        return re.sub(r"\{([^}]+)\}", lambda found: _placeholder(found[1]), form)

    def read(self, text: str) -> Command | None:
        """Return the command, or None when the text has another form.

        Raises:
            ValueError: a value in it is out of its range.
        """
        pattern, kinds = _compiled(self.form)
        found = pattern.fullmatch(text)
        if found is None:
            return None
        given = {name: value for name, value in found.groupdict().items() if value is not None}
        return self.build(**{name: _value(kinds[name], value) for name, value in given.items()})


def read_phrase(text: str, phrases: Sequence[Phrase[Command]]) -> Command:
    """Return the command that a text stands for.

    >>> table = [Phrase("decline {code}[ after {time}]", lambda **given: given, "the bank says no")]
    >>> read_phrase("decline 51 after 2s", table)
    {'code': '51', 'time': 2000}

    Raises:
        ValueError: it has none of the forms; the text lists those that begin with the same word, or with one
            that is nearly the same and all first words, or all.
    """
    tidy = " ".join(text.split())
    for phrase in phrases:
        command = phrase.read(tidy)
        if command is not None:
            return command
    by_word = _by_first_word(phrases)
    first = tidy.split(" ")[0]
    near = [first] if first in by_word else difflib.get_close_matches(first, by_word, n=1)
    alike = [phrase for word in near for phrase in by_word[word]]
    possible = "; ".join(phrase.shown for phrase in alike or phrases)
    others = f"; the first words are: {', '.join(by_word)}" if alike and first not in near else ""
    raise ValueError(f"{quoted(text)} is not understood; there is: {possible}{_choices(alike)}{others}")


def _by_first_word(phrases: Sequence[Phrase[Command]]) -> dict[str, list[Phrase[Command]]]:
    by_word: dict[str, list[Phrase[Command]]] = {}
    for phrase in phrases:
        by_word.setdefault(re.split(r"[ \[{]", phrase.form)[0], []).append(phrase)
    return by_word


def _choices(phrases: Sequence[Phrase[Command]]) -> str:
    """Return what a placeholder stands for where its form shows only its name."""
    found = {
        name: ", ".join(sorted(kind.split("|")))
        for phrase in phrases
        for name, kind in _placeholders(phrase.form)
        if kind not in KINDS and _placeholder(f"{name}:{kind}") == name.upper()
    }
    return "".join(f"; {name.upper()} is one of: {kind}" for name, kind in found.items())


def quoted(text: str) -> str:
    """Return a text as an error tells it: in quotation marks, and not all of a long one."""
    return repr(text) if len(text) <= _TOLD else f"{text[:_TOLD]!r}…"


@cache
def _compiled(form: str) -> tuple[re.Pattern[str], dict[str, str]]:
    return re.compile(_pattern(form), re.ASCII), dict(_placeholders(form))


def _placeholders(form: str) -> list[tuple[str, str]]:
    pairs = [part.partition(":") for part in re.findall(r"\{([^}]+)\}", form)]
    return [(name, kind or name) for name, _, kind in pairs]


def _placeholder(text: str) -> str:
    name, _, kind = text.partition(":")
    return kind if kind and kind not in KINDS and len(kind) < 30 else name.upper()


def _value(kind: str, text: str) -> object:
    return KINDS[kind].read(text) if kind in KINDS else text


def _pattern(form: str) -> str:
    """Turn a form into a regular expression."""
    text = form.replace("[", "(?:").replace("]", ")?")

    def group(found: re.Match[str]) -> str:
        name, _, kind = found[1].partition(":")
        kind = kind or name
        return f"(?P<{name}>{KINDS[kind].pattern if kind in KINDS else kind})"

    return re.sub(r"\{([^}]+)\}", group, text)
