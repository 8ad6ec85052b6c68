"""A story in plain words."""

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.traces.words import story
from smartsale_emu.units import Millis


def test_no_line_is_told_earlier_than_the_one_before_it() -> None:
    """In real time a unit is written a moment after the pinpad began to act."""
    log = [
        (Millis(36), Trace("unit", "request", {"to": "pinpad", "fate": "arrives"})),
        (Millis(90), Trace("line", "what no story tells", {})),
        (Millis(37), Trace("unit", "ack of request", {"to": "register", "fate": "arrives"})),
        (Millis(36), Trace("screen", "ДОБРО")),
        (Millis(40), Trace("power", "the power is cut")),
    ]
    assert [line.split(" s  ")[0].strip() for line in story(log)] == ["0.036", "0.037", "0.037", "0.040"]
