"""Profile rows: a value, how sure we are of it, and where it comes from.

``ack_timeout_ms = { value = 7000, mark = "assumed", source = "0.1" }``. Terminal and bank profiles are TOML
files of such rows, so that what nobody documented is data, and says so.
"""

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from smartsale_emu.errors import ProfileError


class Mark(StrEnum):
    """How sure we are of a row."""

    DOCUMENTED = "documented"
    OBSERVED = "observed"
    ASSUMED = "assumed"


_MOST_BASES = 8


def _toml(text: str, origin: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except ValueError as error:  # a number of thousands of digits is no TOMLDecodeError
        raise ProfileError(f"{origin}: {error}") from None


def _merged(documents: list[dict[str, object]]) -> dict[str, object]:
    """Return one document of several; the rows of an earlier one stand before those of a later one."""
    merged: dict[str, object] = {}
    for document in reversed(documents):
        for key, value in document.items():
            former = merged.get(key)
            rows = isinstance(value, dict) and isinstance(former, dict)
            merged[key] = {**former, **value} if rows else value  # type: ignore[dict-item]
    return merged


class Rows:
    """The rows of one profile file; every error names file, table and key.

    >>> text = '[line]\\nsends = { value = 3, mark = "observed", source = "0.1" }'
    >>> rows = Rows.parse(text, origin="x.toml")
    >>> rows.number("line", "sends"), rows.marks()
    (3, {'line.sends': <Mark.OBSERVED: 'observed'>})
    """

    def __init__(self, document: dict[str, object], origin: str) -> None:
        self._origin = origin
        self._tables: dict[str, dict[str, object]] = {}
        self._plain = {key: value for key, value in document.items() if not isinstance(value, dict)}
        self._marks: dict[str, Mark] = {}
        self._asked: set[str] = set()
        for name, table in document.items():
            if isinstance(table, dict):
                self._tables[name] = {key: self._row(name, key, row) for key, row in table.items()}

    @classmethod
    def parse(cls, text: str, *, origin: str, base: Callable[[str], tuple[str, str]] | None = None) -> "Rows":
        """Read the TOML text of a profile; ``origin`` names the file in errors.

        A profile that says ``extends = "NAME"`` has the rows of that one (``base`` gives its text and
        origin), except those that it writes itself.

        Raises:
            ProfileError: broken TOML (with its line), a row without value, mark and source, or profiles
                that extend each other in a circle.
        """
        documents: list[dict[str, object]] = []
        first_origin = origin
        while True:
            document = _toml(text, origin)
            documents.append(document)
            name = document.pop("extends", None)
            if name is None:
                return cls(_merged(documents), first_origin)
            if not isinstance(name, str) or base is None:
                raise ProfileError(f"{origin}: extends: must be the name of another profile")
            if len(documents) > _MOST_BASES:
                raise ProfileError(f"{first_origin}: extends: profiles extend each other in a circle")
            text, origin = base(name)

    def _row(self, table: str, key: str, row: object) -> object:
        if not isinstance(row, dict) or not {"value", "mark", "source"} <= row.keys():
            raise self.error(table, key, "must be { value = …, mark = …, source = … }")
        try:
            self._marks[f"{table}.{key}"] = Mark(row["mark"])
        except ValueError:
            raise self.error(table, key, "mark must be documented, observed or assumed") from None
        value: object = row["value"]
        return value

    def error(self, table: str, key: str, problem: str) -> ProfileError:
        """Return the error to raise about one key."""
        return ProfileError(f"{self._origin}: {table}.{key}: {problem}")

    def marks(self) -> dict[str, Mark]:
        """Return the mark of every row, by ``table.key``."""
        return self._marks

    def values(self) -> dict[str, object]:
        """Return the value of every row, by ``table.key``."""
        return {f"{name}.{key}": row for name, table in self._tables.items() for key, row in table.items()}

    def title(self) -> str:
        """Return the profile's title."""
        title = self._plain.get("title")
        if not isinstance(title, str):
            raise ProfileError(f"{self._origin}: title: is missing")
        return title

    def _get(self, table: str, key: str) -> object:
        self._asked.add(f"{table}.{key}")
        try:
            return self._tables[table][key]
        except KeyError:
            raise self.error(table, key, "is missing") from None

    def text(self, table: str, key: str) -> str:
        """Return a row that must be a text."""
        value = self._get(table, key)
        if not isinstance(value, str):
            raise self.error(table, key, "must be a text")
        return value

    def template(self, table: str, key: str, **values: object) -> str:
        """Return a row that must be a text with no other ``{placeholders}`` than these."""
        text = self.text(table, key)
        try:
            text.format(**values)
        except (ValueError, LookupError, AttributeError):
            names = ", ".join(f"{{{name}}}" for name in values)
            raise self.error(table, key, f"holds braces other than {names}") from None
        return text

    def number(self, table: str, key: str, *, least: int = 0, most: int = 999_999_999) -> int:
        """Return a row that must be a whole number from ``least`` to ``most``."""
        value = self._get(table, key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.error(table, key, f"must be a whole number from {least} to {most}")
        return value

    def flag(self, table: str, key: str) -> bool:
        """Return a row that must be true or false."""
        value = self._get(table, key)
        if not isinstance(value, bool):
            raise self.error(table, key, "must be true or false")
        return value

    def choice(self, table: str, key: str, allowed: Iterable[str]) -> str:
        """Return a row that must be one of these values, such as those of an enum."""
        value, words = self.text(table, key), tuple(allowed)
        if value not in words:
            raise self.error(table, key, f"must be one of {', '.join(words)}")
        return value

    def digits(self, table: str, key: str, *, least: int, most: int) -> str:
        """Return a row that must be a text of ``least`` to ``most`` digits."""
        value = self.text(table, key)
        if not (value.isascii() and value.isdigit() and least <= len(value) <= most):
            raise self.error(table, key, f"must be {least} to {most} digits")
        return value

    def numbers(self, table: str, key: str) -> tuple[int, ...]:
        """Return a row that must be a list of field numbers, 0 to 255."""
        value = self._get(table, key)
        good = isinstance(value, list) and all(isinstance(item, int) and 0 <= item <= 255 for item in value)
        if not isinstance(value, list) or not good:
            raise self.error(table, key, "must be a list of numbers from 0 to 255")
        return tuple(value)

    def texts(self, table: str) -> dict[str, str]:
        """Return a whole table of texts, by key; an absent table is empty."""
        return {key: self.text(table, key) for key in self._tables.get(table, {})}

    def refuse_unknown(self) -> None:
        """Raise for the first row that nobody asked for.

        Raises:
            ProfileError: a key that no profile of this kind has, usually a slip of the pen.
        """
        for table, rows in self._tables.items():
            for key in rows:
                if f"{table}.{key}" not in self._asked:
                    raise self.error(table, key, "is not a key of this kind of profile")
        for key in self._plain:
            if key != "title":
                raise ProfileError(f"{self._origin}: {key}: is not a key of this kind of profile")


def overriding(name: str, rows: Mapping[str, str]) -> str:
    """Return the text of a profile that differs from another in these rows, named ``table.key``.

    >>> print(overriding("unipos-2023", {"rules.fallback": "false"}))
    extends = "unipos-2023"
    [rules]
    fallback = { value = false, mark = "assumed", source = "the scenario" }
    <BLANKLINE>

    Raises:
        ProfileError: a name is not ``table.key``.
    """
    text, tables = f'extends = "{name}"\n', dict[str, list[str]]()
    for row, value in rows.items():
        table, dot, key = row.partition(".")
        if not dot or not key:
            raise ProfileError(f"{row}: must be the name of a row, table.key")
        tables.setdefault(table, []).append(
            f'{key} = {{ value = {_literal(value)}, mark = "assumed", source = "the scenario" }}'
        )
    return text + "".join(f"[{table}]\n" + "\n".join(lines) + "\n" for table, lines in tables.items())


def _literal(text: str) -> str:
    """Return a value as TOML writes it: a number, true, false, a list of them, or else a text."""
    try:
        tomllib.loads(f"value = {text}")
    except ValueError:
        return json.dumps(text, ensure_ascii=False)
    return text
