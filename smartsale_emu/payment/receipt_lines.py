"""The lines of a receipt layout: how one is read, filled and set in columns (PROTOCOL.md, section 8).

The marks of a line are explained at the head of ``payment/receipts/standard.toml``.
"""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_CONDITION = re.compile(r"\{(\w+)([?!])\} ?")
_RULES = ("-", "=")

_TAMED = dict.fromkeys((*range(0x20), *range(0x7F, 0xA1), 0xAD, ord("^"), ord("~")), " ")
"""Controls, the invisible ones of windows-1251, and what registers split field 90 by: all become spaces."""


class Look(Enum):
    """How a line stands on the paper."""

    PLAIN = auto()
    CENTRED = auto()
    PAIR = auto()  # one text at the left edge, one at the right
    RULE = auto()  # one character over the whole width


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text with places to fill: ``texts`` stand around and between ``names``, so there is one more."""

    texts: tuple[str, ...]
    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Phrase":
        """Read a text with ``{names}`` in it."""
        pieces = _PLACEHOLDER.split(text)
        return cls(tuple(pieces[::2]), tuple(pieces[1::2]))

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the text; nothing at all when it has places and every one of them stays empty.

        >>> Phrase.parse("СУММА {amount}").fill({"amount": "12.00"})
        'СУММА 12.00'
        >>> Phrase.parse("СУММА {amount}").fill({})
        ''
        """
        given = [values.get(name, "") for name in self.names]
        if given and not any(given):
            return ""
        return self.texts[0] + "".join(
            value + text for value, text in zip(given, self.texts[1:], strict=True)
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a form. ``phrases``: two for a pair, else one. ``per_row``: it is repeated for every row.

    ``present`` and ``absent``: names that must have a value, or must have none, for the line to stand.
    """

    look: Look
    phrases: tuple[Phrase, ...]
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    per_row: bool = False

    @classmethod
    def parse(cls, text: str) -> "Line":
        """Read one line of a layout.

        >>> line = Line.parse("КАРТА: | {card_label}")
        >>> line.look, line.names
        (<Look.PAIR: 3>, ('card_label',))

        Raises:
            ValueError: the line cannot be read; the text says why, not where.
        """
        _check_characters(text)
        per_row = text == "*" or text.startswith("* ")
        text = text[2:] if per_row else text
        conditions = _CONDITION.findall(text)
        look, phrases = _read(_CONDITION.sub("", text).rstrip())
        present = tuple(name for name, mark in conditions if mark == "?")
        absent = tuple(name for name, mark in conditions if mark == "!")
        return cls(look, phrases, present, absent, per_row)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that the line asks for."""
        return (*self._printed, *self.present, *self.absent)

    @property
    def _printed(self) -> tuple[str, ...]:
        return tuple(name for phrase in self.phrases for name in phrase.names)

    def stands(self, values: Mapping[str, str]) -> bool:
        """Tell whether the line is printed: its conditions hold, and not all of its places stay empty."""
        if not all(map(values.get, self.present)) or any(map(values.get, self.absent)):
            return False
        printed = self._printed
        return not printed or any(map(values.get, printed))

    def lay(self, values: Mapping[str, str], width: int) -> list[str]:
        """Return the printed lines, each at most ``width`` columns; none when the line does not stand.

        >>> Line.parse("СУММА: | {amount}").lay({"amount": "12.00"}, 20)
        ['СУММА:         12.00']
        """
        if not self.stands(values):
            return []
        texts = [phrase.fill(values) for phrase in self.phrases]
        match self.look:
            case Look.PLAIN:
                return wrap(texts[0], width)
            case Look.CENTRED:
                return [piece.center(width).rstrip() for piece in wrap(texts[0], width)]
            case Look.PAIR:
                return _pair(*texts, width=width)
            case Look.RULE:
                return [texts[0] * width]
            case other:
                assert_never(other)


def printable(text: str) -> str:
    r"""Return what a slip prints of a text: windows-1251 (others become ``?``), no control, ``^`` or ``~``.

    >>> printable("Чай\t5 ₽~")
    'Чай 5 ? '
    """
    return text.translate(_TAMED).encode("cp1251", "replace").decode("cp1251")


def wrap(text: str, width: int) -> list[str]:
    """Return a text in lines of at most ``width`` columns, at least one; a word is cut only if it is wider.

    >>> wrap("ИТОГО К ОПЛАТЕ 12.00", 16)
    ['ИТОГО К ОПЛАТЕ', '12.00']
    """
    if len(text.rstrip()) <= width:
        return [text.rstrip()]
    return textwrap.wrap(text, width, break_on_hyphens=False)


def _pair(left: str, right: str, *, width: int) -> list[str]:
    """Set two texts at the two edges: the right one beside the end of the left one, or below it."""
    above, below = wrap(left, width) if left else [], wrap(right, width) if right else []
    if above and len(below) == 1 and len(above[-1]) + 1 + len(right) <= width:
        return [*above[:-1], above[-1] + right.rjust(width - len(above[-1]))]
    return [*above, *(piece.rjust(width) for piece in below)]


def _check_characters(text: str) -> None:
    if printable(text) == text:
        return
    for character in text:
        if character in "^~":
            raise ValueError("holds ^ or ~, which separate the records of field 90")
        if printable(character) != character:
            raise ValueError(f"holds {character!r}, which no slip can print (windows-1251, no controls)")


def _read(text: str) -> tuple[Look, tuple[Phrase, ...]]:
    """Read a line without its row mark and conditions."""
    bare = text.strip()
    if any(brace in _PLACEHOLDER.sub("", text) for brace in "{}"):
        raise ValueError("has a brace that belongs to no {name}, {name?} or {name!}")
    if bare.startswith("@"):
        raise ValueError("names a part: that is for a form's own line, with nothing beside it")
    if bare in _RULES:
        return Look.RULE, (Phrase.parse(bare),)
    if bare.startswith("<") or bare.endswith(">"):
        if not (bare.startswith("<") and bare.endswith(">")):
            raise ValueError("is centred at one end only: < text >")
        return Look.CENTRED, (Phrase.parse(bare[1:-1].strip()),)
    if text.count("|") > 1:
        raise ValueError("has more than one |")
    if "|" in text:
        left, _, right = text.partition("|")
        return Look.PAIR, (Phrase.parse(left.rstrip()), Phrase.parse(right.strip()))
    return Look.PLAIN, (Phrase.parse(text),)
