"""The records of a trace, read back: JSON lines as ``run --trace`` writes them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeGuard

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.errors import TraceError
from smartsale_emu.units import Millis

_HEAD = ("time", "ms", "kind", "because")


@dataclass(frozen=True, slots=True)
class Record:
    """One line. ``line``: its number in the file, from 1. ``at``: local; ``ms``: since the emulator's start.

    ``kind`` and ``because`` are those of the trace, ``details`` its other keys.
    """

    line: int
    at: datetime
    ms: Millis
    kind: str
    because: str
    details: Mapping[str, object] = field(default_factory=dict)

    def text(self, key: str) -> str:
        """Return a detail as text, empty when there is none."""
        return str(self.details.get(key, ""))


@dataclass(frozen=True, slots=True)
class TraceText:
    """What was read. ``cut_short``: the last line is not whole, and was left out: somebody is writing it."""

    origin: str
    records: tuple[Record, ...]
    cut_short: bool = False


def as_line(trace: Trace, now: Millis, epoch: datetime) -> dict[str, object]:
    """Return a trace as one record of the file. ``epoch``: the local date and time of ``now`` = 0.

    >>> as_line(Trace("line", "EOT", {"direction": "in"}), Millis(1500), datetime(2026, 11, 23, 9, 30))
    ... # doctest: +NORMALIZE_WHITESPACE
    {'time': '2026-11-23T09:30:01.500', 'ms': 1500, 'kind': 'line', 'direction': 'in', 'because': 'EOT'}
    """
    moment = (epoch + timedelta(milliseconds=now)).isoformat(timespec="milliseconds")
    head: dict[str, object] = {"time": moment, "ms": now, "kind": trace.kind}
    return {**head, **trace.details, "because": trace.because}


def read_trace(text: bytes, origin: str) -> TraceText:
    """Read a trace file. ``origin``: its name in errors.

    Raises:
        TraceError: a line is no record of a trace; only the last may be cut short.
    """
    lines = text.split(b"\n")
    records = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        problem, record = _record(line, number)
        if record is not None:
            records.append(record)
        elif number == len(lines) and number > 1:
            return TraceText(origin, tuple(records), cut_short=True)
        else:
            raise TraceError(f"{origin}:{number}: {problem}")
    return TraceText(origin, tuple(records))


def _record(line: bytes, number: int) -> tuple[str, Record | None]:
    """Return the record of a line, or what is wrong with it."""
    try:
        read = json.loads(line)
    except ValueError:  # no UTF-8 is a ValueError too
        return "this line is no JSON; a trace has one object on each line", None
    if not _is_record(read):
        return f"this line is no record of a trace, which has {', '.join(_HEAD)}", None
    try:
        at = datetime.fromisoformat(str(read["time"]))
    except ValueError:
        return "its time is no date and time as in 2026-11-23T09:30:00.000", None
    details = {key: value for key, value in read.items() if key not in _HEAD}
    return "", Record(number, at, Millis(read["ms"]), str(read["kind"]), str(read["because"]), details)


def _is_record(read: object) -> TypeGuard[dict[str, "int"]]:
    return isinstance(read, dict) and all(key in read for key in _HEAD) and isinstance(read["ms"], int)


def fields_of(record: Record) -> dict[int, str]:
    """Return what a message record shows of its fields, by number; empty for others."""
    rows = record.details.get("fields")
    found = rows if isinstance(rows, list) else []
    return {int(row[0]): str(row[2]) for row in found if isinstance(row, list) and len(row) == 3}


def joined(records: Iterable[str]) -> str:
    """Return reasons as one text, a repeated one once.

    >>> joined(["the bank answered 00", "", "the bank answered 00", "told"])
    'the bank answered 00; told'
    """
    return "; ".join(dict.fromkeys(reason for reason in records if reason))
