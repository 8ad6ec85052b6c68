"""What an expectation may say of a text: the text itself, `any`, `missing`, or a /pattern/."""

import re

from smartsale_emu.sa.fields import FIELDS
from smartsale_emu.sa.framing import Control
from smartsale_emu.scenario.commands import Unit

LINE_NAMES = (*(unit.value for unit in Unit), *(control.name for control in Control), "bytes")
"""What passes the line, as a story calls it."""


def field_number(name: str) -> int:
    """Return a field's number by its number or its name.

    >>> field_number("39"), field_number("STATUS")
    (39, 39)

    Raises:
        ValueError: there is no such field.
    """
    if name.isdecimal() and int(name) in FIELDS:
        return int(name)
    found = [number for number, row in FIELDS.items() if row.name == name.upper()]
    if not found:
        raise ValueError("is no field, by number or name")
    return found[0]


def read_wanted(text: str) -> str:
    """Return what a text must be.

    Raises:
        ValueError: a pattern in it cannot be read.
    """
    pattern = _pattern(text)
    if pattern is not None:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no pattern: {error}") from None
    return text


def matches(wanted: str, got: str | None) -> bool:
    """Tell whether a text is as wanted; None: there is none.

    >>> matches("/^0/", "001"), matches("any", "001"), matches("missing", None), matches("1", "001")
    (True, True, True, False)
    """
    if wanted == "missing" or got is None:
        return wanted == "missing" and got is None
    pattern = _pattern(wanted)
    if pattern is not None:
        return re.search(pattern, got) is not None
    return wanted in ("any", got)


def _pattern(wanted: str) -> str | None:
    return wanted[1:-1] if len(wanted) > 1 and wanted[0] == wanted[-1] == "/" else None
