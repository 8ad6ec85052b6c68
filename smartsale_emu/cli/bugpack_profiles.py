"""Profiles as a bugpack carries them: one of the user's own becomes one of ours with other rows."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from smartsale_emu.profile_rows import Rows
from smartsale_emu.runtime import DEFAULT_BANK_PROFILE, DEFAULT_RULEBOOK, DEFAULT_TERMINAL_PROFILE
from smartsale_emu.runtime.resources import read_bank_profile, read_rulebook, read_terminal_profile

_Read = Callable[[str], tuple[str, str]]
_Table = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Profiles:
    """The keys ``terminal`` and ``bank`` of a scenario, and what is told of them."""

    terminal: dict[str, object]
    bank: dict[str, object]
    told: tuple[str, ...]


def profiles_of(terminal: _Table, bank: _Table) -> Profiles:
    """Return what a scenario needs to have the same profiles on another machine.

    Raises:
        ProfileError: there is no such profile, or it is wrong.
    """
    own, of_bank = (
        _carried(terminal, read_terminal_profile, DEFAULT_TERMINAL_PROFILE),
        _carried(bank, read_bank_profile, DEFAULT_BANK_PROFILE),
    )
    rules = str(bank.get("rules", DEFAULT_RULEBOOK))
    told = (*_told("terminal", terminal, own), *_told("bank", bank, of_bank), *_about_rules(rules))
    if _is_own(rules):
        of_bank["rules"] = DEFAULT_RULEBOOK
    return Profiles(own, of_bank, told)


def _is_own(name: str) -> bool:
    return "/" in name or "\\" in name or name.endswith(".toml")


def _carried(table: _Table, read: _Read, default: str) -> dict[str, object]:
    name = str(table.get("profile", default))
    if not _is_own(name):
        read(name)
        return dict(table)
    rows, usual = (_rows(read, one) for one in (name, default))
    other = {
        row: json.dumps(value, ensure_ascii=False) for row, value in rows.items() if value != usual.get(row)
    }
    return {**table, "profile": default, "set": other}


def _rows(read: _Read, name: str) -> dict[str, object]:
    text, origin = read(name)
    return Rows.parse(text, origin=origin, base=read).values()


def _told(whose: str, table: _Table, carried: _Table) -> Iterator[str]:
    name, rows = carried.get("profile"), carried.get("set")
    own = ", from a file of the user's own" if table.get("profile") != name else ""
    yield f"{whose}: {name}{own}"
    if isinstance(rows, Mapping):
        yield from (f"  {row} = {value}" for row, value in rows.items())


def _about_rules(name: str) -> Iterator[str]:
    if not _is_own(name):
        yield f"rules of the bank: {name}"
        return
    yield "rules of the bank: a file of the user's own; the replay has the default ones. Its text:"
    yield from (f"  {line}" for line in read_rulebook(name)[0].splitlines())
