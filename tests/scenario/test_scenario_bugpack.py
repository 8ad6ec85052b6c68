"""A bugpack as text, and a trace told again."""

from datetime import datetime, timedelta

import pytest

from smartsale_emu.scenario.bugpack import Chapter, pack_text
from smartsale_emu.scenario.retold import retold
from smartsale_emu.traces.records import Record
from smartsale_emu.units import Millis

EPOCH = datetime(2026, 11, 23, 9, 30)
BACK = {"event": "power is back, nothing is owed"}


def record(ms: int, kind: str, because: str = "", *, start: int = 0, **details: object) -> Record:
    """``start``: milliseconds after the epoch at which this process began."""
    at = EPOCH + timedelta(milliseconds=start + ms)
    return Record(1, at, Millis(ms), kind, because, details)


def asked(ms: int, stan: int, start: int = 0) -> Record:
    return record(ms, "bank", "asked", start=start, direction="out", call=stan, stan=stan)


def test_no_card_number_and_no_control_sign_in_a_comment() -> None:
    lines = ("PAN 2200123456789019=30122010", "at 20261123093000", "two\nlines")
    text = pack_text([Chapter("Title", lines)], {"format": "1"}, ())
    assert "#   PAN 220012******9019*********\n" in text
    assert "#   at 20261123093000\n" in text
    assert "#   two lines\n" in text


def test_a_bank_that_takes_its_time() -> None:
    answered = record(350, "bank", "answered", direction="in", call=1, response_code="00")
    assert retold([record(0, "state", **BACK), asked(50, 1), answered], {}).delay == 300


@pytest.mark.parametrize(("stan", "earlier"), [(2, 0), (1, 1)])
def test_a_new_memory_begins_a_new_story(stan: int, earlier: int) -> None:
    first = [record(100, "state", **BACK), record(150, "line", "the register opened the line"), asked(200, 1)]
    again = [record(90, "state", start=60_000, **BACK), asked(200, stan, start=60_000)]
    told = retold([*first, *again], {})
    assert told.earlier == earlier
    if earlier:
        assert told.date == EPOCH + timedelta(seconds=60)
        assert told.steps == ()
    else:
        assert told.steps == (
            (150, "register", "opens"),
            (200, "register", "leaves"),
            (200, "power", "cut for 59890ms"),
        )


def test_no_record() -> None:
    with pytest.raises(ValueError, match="no record"):
        retold([], {})
