"""Traces read back: whole lines, a line that is still being written, and lines that are none."""

from datetime import datetime

import pytest
from traces_kit import SALE, played, trace

from smartsale_emu.errors import TraceError
from smartsale_emu.traces.records import fields_of

LINE = b'{"time":"2026-01-15T10:00:00.001","ms":1,"kind":"line","direction":"in","because":"EOT"}'


def test_a_line_is_a_record() -> None:
    (record,) = trace(LINE).records
    assert (record.at, record.ms, record.kind) == (datetime(2026, 1, 15, 10, 0, 0, 1000), 1, "line")
    assert (record.because, dict(record.details)) == ("EOT", {"direction": "in"})


def test_empty_lines_are_passed_over_and_counted() -> None:
    assert [record.line for record in trace(b"\n" + LINE + b"\n\n" + LINE + b"\n").records] == [2, 4]


@pytest.mark.parametrize("length", range(1, len(LINE)))
def test_a_last_line_that_is_cut_short_is_left_out(length: int) -> None:
    read = trace(LINE + b"\n" + LINE[:length])
    assert (len(read.records), read.cut_short) == (1, True)


def test_a_last_line_without_its_end_counts_when_it_is_whole() -> None:
    read = trace(LINE + b"\n" + LINE)
    assert (len(read.records), read.cut_short) == (2, False)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"no json", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"[1]", "is no record of a trace"),
        (b'{"time":"x"}', "is no record of a trace"),
        (LINE.replace(b'"ms":1', b'"ms":"1"'), "is no record of a trace"),
        (LINE.replace(b"2026-01-15T", b"yesterday "), "its time is no date and time"),
    ],
)
def test_a_bad_line_is_named(line: bytes, said: str) -> None:
    with pytest.raises(TraceError, match=r"^trace\.jsonl:2: ") as raised:
        trace(LINE + b"\n" + line + b"\n")
    assert said in str(raised.value)


def test_the_fields_of_a_message() -> None:
    request = next(record for record in trace(played(SALE)).records if record.kind == "message")
    assert fields_of(request)[25] == "1"
    assert fields_of(trace(LINE).records[0]) == {}
