"""Arrays of tables in a TOML file (``[[rule]]``), read key by key.

Every error names the file, the table with its place and line, and the key; none quotes a value, since a value
that stands where it should not may be a card number.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from enum import StrEnum
from typing import TypeVar

from smartsale_emu.errors import ProfileError

_Word = TypeVar("_Word", bound=StrEnum)
_Value = TypeVar("_Value", bound=date | time)
_CARD_NUMBER = re.compile(r"(?:\d[ -]?){13,}")


class Table:
    """One table of an array. ``place``: where it stands, such as ``x.toml:12: rule 3``."""

    def __init__(self, values: Mapping[str, object], place: str) -> None:
        self._values, self.place = values, place
        self._asked: set[str] = set()

    def error(self, key: str, problem: str) -> ProfileError:
        """Return the error to raise about one key."""
        return ProfileError(f"{self.place}: {key}: {problem}")

    def _get(self, key: str) -> object:
        self._asked.add(key)
        return self._values.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a printable text without a card number in it; without ``default`` it must be there."""
        value = self._get(key)
        if value is None and default is not None:
            return default
        if value is None:
            raise self.error(key, "is missing")
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise self.error(key, "must be a text in one line")
        if _CARD_NUMBER.search(value):
            raise self.error(key, "must not hold a card number: it stands in traces")
        return value

    def identifier(self, key: str, *, most: int) -> str:
        """Return a number or name that an acquirer gave: at most ``most`` printable ASCII characters."""
        return self._identifier(key, self._get(key), most)

    def identifiers(self, key: str, *, most: int) -> frozenset[str]:
        """Return a list of such, none when the key is absent."""
        return frozenset(self._identifier(key, value, most) for value in self.texts(key))

    def _identifier(self, key: str, value: object, most: int) -> str:
        good = isinstance(value, str) and value.isascii() and value.isprintable() and value.strip() == value
        if not isinstance(value, str) or not good or not 1 <= len(value) <= most:
            raise self.error(key, f"must be 1 to {most} characters, without spaces around")
        return value

    def texts(self, key: str) -> frozenset[str]:
        """Return a list of texts, none when the key is absent; an empty list is refused."""
        value = self._get(key)
        if value is None:
            return frozenset()
        if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
            raise self.error(key, "must be a list of texts, not empty")
        return frozenset(value)

    def prefixes(self, key: str) -> frozenset[str]:
        """Return a list of beginnings of card numbers, 1 to 10 digits each."""
        found = self.texts(key)
        if not all(one.isascii() and one.isdigit() and len(one) <= 10 for one in found):
            raise self.error(key, "must be beginnings of card numbers, 1 to 10 digits each")
        return found

    def words(self, key: str, allowed: type[_Word]) -> frozenset[_Word]:
        """Return a list of values of an enum."""
        try:
            return frozenset(map(allowed, self.texts(key)))
        except ValueError:
            pass
        raise self.error(key, f"must be of {', '.join(allowed)}")

    def number(self, key: str, *, least: int, most: int) -> int | None:
        """Return a whole number from ``least`` to ``most``, None when the key is absent."""
        value = self._get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.error(key, f"must be a whole number from {least} to {most}")
        return value

    def day(self, key: str) -> date | None:
        """Return a local date (``2026-11-23``), None when the key is absent."""
        return self._moment(key, date, "a date: 2026-11-23, without quotes")

    def clock(self, key: str) -> time | None:
        """Return a local time (``09:30:00``), None when the key is absent."""
        return self._moment(key, time, "a time: 09:30:00, without quotes")

    def _moment(self, key: str, kind: type[_Value], form: str) -> _Value | None:
        value = self._get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or isinstance(value, datetime):
            raise self.error(key, f"must be {form}")
        return value

    def refuse_unknown(self) -> None:
        """Raise ProfileError for the first key that nobody asked for, usually a slip of the pen."""
        for key in self._values:
            if key not in self._asked:
                raise ProfileError(f"{self.place}: {_shown(key)}: is not a key of such a table")


def read_tables(text: str, origin: str, names: Sequence[str]) -> tuple[str, dict[str, list[Table]]]:
    """Return the title of a TOML file and its arrays of tables by name; ``origin`` names the file in errors.

    >>> title, tables = read_tables('title = "T"\\n\\n[[rule]]\\nname = "a"', "x.toml", ["rule"])
    >>> title, tables["rule"][0].place
    ('T', 'x.toml:3: rule 1')

    Raises:
        ProfileError: broken TOML (with its line), no title, or something that is no such array.
    """
    document = _document(text, origin)
    title = document.pop("title", None)
    if not isinstance(title, str):
        raise ProfileError(f"{origin}: title: is missing")
    for key in document:
        if key not in names:
            known = ", ".join(f"[[{name}]]" for name in names)
            raise ProfileError(f"{origin}: {_shown(key)}: is not known here; there is: title, {known}")
    return title, {name: _tables(document.get(name, []), name, text, origin) for name in names}


def _document(text: str, origin: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except ValueError as error:
        problem = _CARD_NUMBER.sub("*", str(error))  # it quotes keys
    raise ProfileError(f"{origin}: {problem}")


def _tables(value: object, name: str, text: str, origin: str) -> list[Table]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ProfileError(f"{origin}: {name}: must be written as [[{name}]]")
    lines = _lines(text, name)
    known = len(lines) == len(value)  # else some stand inline, or a text looks like a header
    places = [f"{origin}:{line}" for line in lines] if known else [origin] * len(value)
    return [
        Table(values, f"{place}: {name} {index}")
        for index, (values, place) in enumerate(zip(value, places, strict=True), start=1)
    ]


def _lines(text: str, name: str) -> list[int]:
    """The lines on which the tables of an array begin, from 1."""
    header = re.compile(rf"[ \t]*\[\[[ \t]*{re.escape(name)}[ \t]*\]\]")
    return [number for number, line in enumerate(text.splitlines(), start=1) if header.match(line)]


def _shown(key: str) -> str:
    return "a key" if _CARD_NUMBER.search(key) else key
