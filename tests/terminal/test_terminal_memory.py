"""What survives a power cut survives the way to its file and back; anything else is refused in one line."""

import json
from dataclasses import replace

import pytest
from terminal_kit import KEPT

from smartsale_emu.errors import StateError
from smartsale_emu.terminal.memory import (
    REMARKS_KEPT,
    LastOperation,
    Memory,
    Pending,
    ReversedBy,
    Stage,
    dump_memory,
    parse_memory,
)

FULL = Memory(
    terminal_id="00060056",
    stan=7,
    slip=3,
    kept_count=2,
    kept_amount=2400,
    last=LastOperation(1, KEPT, 1, "000000000001", "000001", in_doubt=True, reversed_by=ReversedBy.REFUSED),
    pending=Pending(
        1, replace(KEPT, stan=8), Stage.REVERSING, "…", attempts=2, reversing_at="2026-11-23T09:31:00"
    ),
).remarked("doubt", 7, "kept in doubt")


@pytest.mark.parametrize("memory", [Memory(), FULL], ids=["new", "full"])
def test_there_and_back(memory: Memory) -> None:
    assert parse_memory(dump_memory(memory), origin="memory") == memory


DOCUMENT = json.loads(dump_memory(FULL))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        dump_memory(FULL)[:-9],
        json.dumps({**DOCUMENT, "format": 99}),
        json.dumps({**DOCUMENT, "surprise": 1}),
        json.dumps({**DOCUMENT, "pending": {"stan": 1}}),
        json.dumps({**DOCUMENT, "last": {**DOCUMENT["last"], "reversed_by": "nobody knows"}}),
    ],
    ids=["empty", "list", "no-format", "cut", "format", "key", "pending", "reversed-by"],
)
def test_what_is_no_memory_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(StateError) as caught:
        parse_memory(text, origin="memory.json")
    assert str(caught.value).startswith("memory.json: ")
    assert "\n" not in str(caught.value)


def test_counters_wrap() -> None:
    assert replace(Memory(), stan=999_999).next_stan().stan == 1
    assert replace(Memory(), slip=9999).next_slip().slip == 1


def test_only_so_many_remarks_are_kept() -> None:
    memory = Memory()
    for stan in range(REMARKS_KEPT + 5):
        memory = memory.remarked("doubt", stan, "…")
    assert [remark.stan for remark in memory.remarks] == list(range(5, REMARKS_KEPT + 5))
