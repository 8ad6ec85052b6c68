"""What survives a power cut survives the way to its file and back; anything else is refused in one line."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from terminal_kit import ENTRY, KEPT

from smartsale_emu.errors import StateError
from smartsale_emu.terminal.journal import EntryState, Journal
from smartsale_emu.terminal.memory import (
    BATCH_LAST,
    REMARKS_KEPT,
    LastOperation,
    Memory,
    Pending,
    ReversedBy,
    Stage,
    check_sealed,
    dump_change,
    dump_memory,
    parse_memory,
)
from smartsale_emu.terminal.operations import Name

SECOND = replace(ENTRY, number=2, operation=Name.VOID, rrn="632709000008", follows=ENTRY.rrn)
TOLD = replace(ENTRY, number=3, operation=Name.BALANCE, state=EntryState.TOLD, request=None)
LAST = LastOperation(
    Name.SALE, 1, KEPT, 1, "632709000007", "314159", in_doubt=True, reversed_by=ReversedBy.REFUSED
)
OWED = Pending(
    Name.VOID,
    replace(KEPT, stan=8),
    Stage.REVERSING,
    "…",
    entry=SECOND,
    attempts=2,
    reversing_at="2026-11-23T09:31:00",
)
FULL = Memory(
    terminal_id="00060056",
    stan=7,
    slip=3,
    day=12,
    settling="asked",
    last=LAST,
    pending=OWED,
    journal=Journal().plus((ENTRY, SECOND, TOLD)),
).remarked("doubt", 7, "kept in doubt")


# --- there and back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", [Memory(), FULL], ids=["new", "full"])
def test_there_and_back(memory: Memory) -> None:
    assert parse_memory(dump_memory(memory), origin="memory") == memory


def test_a_memory_is_one_line() -> None:
    assert dump_memory(FULL).count("\n") == 1
    assert dump_memory(FULL).endswith("\n")


def test_the_last_memory_counts_and_the_entries_add_up() -> None:
    undone = replace(ENTRY, state=EntryState.UNDONE)
    first, second, third = Memory(stan=1), Memory(stan=2), Memory(stan=3)
    lines = [dump_change(first, (ENTRY,)), dump_change(second, (SECOND,)), dump_change(third, (undone,))]
    memory = parse_memory("".join(lines), origin="memory")
    assert memory == Memory(stan=3, journal=Journal({1: undone, 2: SECOND}))
    assert [entry.number for entry in memory.journal.entries.values()] == [1, 2], "in the order of the slips"


def test_a_line_without_entries_leaves_the_journal_as_it_was() -> None:
    memory = parse_memory(dump_memory(FULL) + dump_change(replace(FULL, stan=9), ()), origin="memory")
    assert memory == replace(FULL, stan=9)


def test_the_entries_of_a_day_before_do_not_come_into_the_new_one() -> None:
    closed = replace(ENTRY, number=0, operation=Name.SETTLEMENT, state=EntryState.TOLD, request=None)
    text = dump_memory(FULL) + dump_change(FULL.next_day(), (closed,))
    memory = parse_memory(text, origin="memory")
    assert (memory.day, memory.journal) == (13, Journal({0: closed}))


# --- the power fails while a line is written ---------------------------------------------------------------


@pytest.mark.parametrize("entries", [(), (SECOND,)], ids=["memory-alone", "with-an-entry"])
def test_a_torn_last_line_is_left_out_wherever_it_was_torn(entries: tuple[Any, ...]) -> None:
    """Memory and entries of a line come together or not at all: the cut line, and only it, is lost."""
    before = Memory(stan=1, journal=Journal({1: ENTRY}))
    whole, change = dump_memory(before), dump_change(replace(before, stan=2), entries)
    for cut in range(len(change)):
        assert parse_memory(whole + change[:cut], origin="memory") == before
    after = replace(before, stan=2, journal=before.journal.plus(entries))
    assert parse_memory(whole + change, origin="memory") == after


def test_a_first_line_that_was_torn_is_no_memory() -> None:
    text = dump_memory(FULL)
    for cut in range(0, len(text) - 1, 7):
        with pytest.raises(StateError):
            parse_memory(text[:cut], origin="memory")


def test_a_torn_line_in_the_middle_is_damage_and_no_power_cut() -> None:
    line = dump_memory(FULL)
    with pytest.raises(StateError):
        parse_memory(line + line[:50] + "\n" + line, origin="memory")


# --- what is no memory -------------------------------------------------------------------------------------

DOCUMENT: Mapping[str, Any] = json.loads(dump_memory(FULL))
MEMORY = DOCUMENT["memory"]


def line(memory: Mapping[str, Any] = MEMORY, **more: object) -> str:
    return json.dumps({**DOCUMENT, "memory": memory, **more}) + "\n"


def without(values: Mapping[str, Any], missing: str) -> Mapping[str, Any]:
    return {name: value for name, value in values.items() if name != missing}


def with_request(**values: object) -> Mapping[str, Any]:
    """The first entry, something else in its request."""
    entry = DOCUMENT["entries"][0]
    return {**entry, "request": {**entry["request"], **values}}


NO_MEMORIES = {
    "empty": "",
    "blank": "\n",
    "list": "[]\n",
    "no-format": "{}\n",
    "cut": dump_memory(FULL)[:-9],
    "surprise": line({**MEMORY, "surprise": 1}),
    "missing-day": line(without(MEMORY, "day")),
    "text-for-a-number": line({**MEMORY, "stan": "7"}),
    "flag-for-a-number": line({**MEMORY, "stan": True}),
    "number-for-a-text": line({**MEMORY, "settling": 1}),
    "pending": line({**MEMORY, "pending": {"stan": 1}}),
    "stage": line({**MEMORY, "pending": {**MEMORY["pending"], "stage": "?"}}),
    "reversed-by": line({**MEMORY, "last": {**MEMORY["last"], "reversed_by": "nobody knows"}}),
    "operation": line({**MEMORY, "last": {**MEMORY["last"], "operation": 1}}),
    "missing-attempts": line({**MEMORY, "pending": without(MEMORY["pending"], "attempts")}),
    "missing-told": line({**MEMORY, "last": without(MEMORY["last"], "told")}),
    "missing-values": line(entries=[without(DOCUMENT["entries"][0], "values")]),
    "missing-batch": line(
        entries=[{**DOCUMENT["entries"][0], "request": without(DOCUMENT["entries"][0]["request"], "batch")}]
    ),
    "transaction": line(entries=[with_request(transaction="a gift")]),
    "entry-mode": line(entries=[with_request(entry_mode="by heart")]),
    "sent-at": line(entries=[with_request(sent_at="yesterday")]),
    "entry": line(entries=[{"number": 1}]),
    "entry-state": line(entries=[{**DOCUMENT["entries"][0], "state": "?"}]),
    "no-entries": line(entries=None),
}


@pytest.mark.parametrize("text", NO_MEMORIES.values(), ids=NO_MEMORIES)
def test_what_is_no_memory_is_refused_in_one_line(text: str) -> None:
    for broken in (text, dump_memory(FULL) + text) if text.endswith("}\n") else (text,):
        with pytest.raises(StateError) as caught:
            parse_memory(broken, origin="memory")
        assert str(caught.value) == "memory: is not a pinpad's memory"


@pytest.mark.parametrize("version", [1, 2, 99, "3"])
def test_a_memory_of_another_version_says_what_to_do(version: object) -> None:
    with pytest.raises(StateError) as caught:
        parse_memory(line(format=version), origin="memory")
    assert str(caught.value).startswith("memory: a memory of another version")
    assert "--state" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_error_tells_what_stood_in_the_file() -> None:
    with pytest.raises(StateError) as caught:
        parse_memory(line({**MEMORY, "stan": "5413330089020011"}), origin="memory")
    assert "5413330089020011" not in str(caught.value)
    assert caught.value.__cause__ is None


# --- counters ----------------------------------------------------------------------------------------------


def test_counters_wrap() -> None:
    assert replace(Memory(), stan=999_999).next_stan().stan == 1
    assert replace(Memory(), slip=9999).next_slip().slip == 1
    assert replace(Memory(), day=BATCH_LAST).next_day().day == 1


def test_a_slip_number_in_use_is_passed_over() -> None:
    memory = Memory(slip=9999, journal=Journal().plus((ENTRY, SECOND)))
    assert memory.next_slip().slip == 3


def test_a_full_book_of_slips_begins_anew_instead_of_searching_for_ever() -> None:
    journal = Journal(dict.fromkeys(range(1, 10_000), ENTRY))
    assert Memory(slip=9999, journal=journal).next_slip().slip == 1


def test_a_new_day_begins_with_an_empty_journal_and_nothing_to_reverse() -> None:
    day = replace(FULL, pending=None).next_day()
    assert (day.day, day.slip, day.settling, day.last, day.journal) == (13, 0, "", None, Journal())
    assert (day.stan, day.remarks, day.terminal_id) == (7, FULL.remarks, "00060056"), "these go on"


def test_only_so_many_remarks_are_kept() -> None:
    memory = Memory()
    for stan in range(REMARKS_KEPT + 5):
        memory = memory.remarked("doubt", stan, "…")
    assert [remark.stan for remark in memory.remarks] == list(range(5, REMARKS_KEPT + 5))


# --- under whose key ---------------------------------------------------------------------------------------


class OtherSafe:
    """A safe with another storage key than the one that has sealed ``foreign``."""

    foreign = "Zm9yZWlnbg=="

    def unseal(self, sealed: str) -> str:
        if sealed == self.foreign:
            raise StateError("a sealed record is damaged, or was sealed under another key")
        return "2200000000000004"


FOREIGN = replace(KEPT, sealed_pan=OtherSafe.foreign)
STRANGE = {
    "last": replace(FULL, last=replace(LAST, request=FOREIGN)),
    "pending": replace(FULL, pending=replace(OWED, request=FOREIGN)),
    "entry": replace(FULL, journal=Journal().plus((ENTRY, TOLD, replace(SECOND, request=FOREIGN)))),
}


@pytest.mark.parametrize("where", STRANGE)
def test_card_numbers_under_another_storage_key_are_told_at_once(where: str) -> None:
    """Not in the middle of a reversal: there it would never end."""
    with pytest.raises(StateError, match=r"^memory\.json: .*terminal-storage.*--state DIR$") as told:
        check_sealed(STRANGE[where], OtherSafe(), origin="memory.json")  # type: ignore[arg-type]
    assert OtherSafe.foreign not in str(told.value)


@pytest.mark.parametrize(
    "memory", [Memory(), FULL, replace(FULL, last=replace(LAST, request=replace(KEPT, sealed_pan="")))]
)
def test_card_numbers_under_the_storage_key_are_let_in(memory: Memory) -> None:
    check_sealed(memory, OtherSafe(), origin="memory.json")  # type: ignore[arg-type]
