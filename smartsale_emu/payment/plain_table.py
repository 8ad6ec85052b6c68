"""One table of plain values, as a card file has them: read key by key, and whole."""

from collections.abc import Iterable, Mapping

from smartsale_emu.errors import ProfileError


class PlainTable:
    """The values of a table; errors name ``where`` it stands and the key, never a value.

    ``kind``: of what its keys are, for a key that nobody has asked for.

    >>> table = PlainTable({"cvn": 18, "odd": 1}, where="mir.toml: chip", kind="a chip")
    >>> table.number("cvn")
    18
    >>> table.refuse_unknown()
    Traceback (most recent call last):
    smartsale_emu.errors.ProfileError: mir.toml: chip.odd: is not a key of a chip
    """

    def __init__(self, values: Mapping[str, object], *, where: str, kind: str) -> None:
        self._values, self.where, self._kind = values, where, kind
        self._asked: set[str] = set()

    def rows(self) -> dict[str, object]:
        """Return a copy of everything in it."""
        return dict(self._values)

    def error(self, key: str, problem: str) -> ProfileError:
        """Return the error to raise about one key."""
        return ProfileError(f"{self.where}.{key}: {problem}")

    def get(self, key: str, default: object = None) -> object:
        """Return a value of any kind; without ``default`` it must be there."""
        self._asked.add(key)
        value = self._values.get(key, default)
        if value is None:
            raise self.error(key, "is missing")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text."""
        value = self.get(key, default)
        if not isinstance(value, str):
            raise self.error(key, "must be a text")
        return value

    def digits(self, key: str, count: int, default: str | None = None) -> str:
        """Return so many digits; the default may be anything."""
        value = self.text(key, default)
        if value == default:
            return value
        if not (value.isascii() and value.isdigit() and len(value) == count):
            raise self.error(key, f"must be {count} digits")
        return value

    def choice(self, key: str, allowed: Iterable[str]) -> str:
        """Return one of these texts."""
        value, possible = self.text(key), list(allowed)
        if value not in possible:
            raise self.error(key, f"must be one of {', '.join(possible)}")
        return value

    def number(self, key: str, default: int | None = None) -> int:
        """Return a whole number."""
        value = self.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(key, "must be a whole number (minor units)")
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return true or false."""
        value = self.get(key, default)
        if not isinstance(value, bool):
            raise self.error(key, "must be true or false")
        return value

    def refuse_unknown(self) -> None:
        """Refuse a key that nobody has asked for."""
        for key in self._values:
            if key not in self._asked:
                raise self.error(key, f"is not a key of {self._kind}")
