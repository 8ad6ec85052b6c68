"""The trace holds every byte that passes the line, both ways, and of a secret its length only."""

import re
from functools import cache

import pytest

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.runtime.resources import read_scenarios
from smartsale_emu.scenario.loader import load_cases
from smartsale_emu.scenario.player import Player
from smartsale_emu.scenario.stage import build_stage

STORIES = [
    "everyday/own-card-of-the-register",
    "everyday/sale-through-the-register",
    "everyday/void-asks-the-cashier",
    "line/byte-by-byte",
    "line/half-a-request-and-a-new-line",
    "line/noise-before-frames",
    "line/request-cut-short",
    "line/request-damaged-three-times",
    "power/cut-in-every-state",
    "vending/answer-not-taken",
]
TRACK = re.compile(rb"\d{13,19}[=D]\d{7,}")


class Passed:
    """One story: what the pinpad read and wrote, and what its trace tells of it."""

    def __init__(self, name: str) -> None:
        library, self.read, self.written = FileLibrary(), b"", b""
        text = next(text for origin, text in read_scenarios() if origin == f"scenarios/{name}.yaml")
        case, *_ = load_cases(text, origin=name, library=library)
        stage = build_stage(case.scenario, library, seed=1, traced=True)
        world = stage.world
        reads, writes = world._pinpad_reads, world._to_register

        def read(data: bytes) -> None:
            self.read += b"" if world.off else data
            reads(data)

        def write(data: bytes) -> None:
            self.written += data
            writes(data)

        world._pinpad_reads, world._to_register = read, write  # type: ignore[method-assign]
        assert Player(case.scenario, stage, seed=1).play().passed
        self.frames = [trace for _, trace in world.traces if trace.kind == "frame"]

    def told(self, direction: str) -> bytes:
        return b"".join(_wire(frame) for frame in self.frames if frame.details["direction"] == direction)


def _wire(frame: Trace) -> bytes:
    wire = bytes.fromhex(str(frame.details["hex"]))
    assert len(wire) == frame.details["bytes"]
    return wire


@cache
def story(name: str) -> Passed:
    return Passed(name)


def agree(told: bytes, passed: bytes) -> bool:
    """Whether they are the same but for stars, and for a CRC over stars."""
    return len(told) == len(passed) and (b"*" in told or told == passed)


each = pytest.mark.parametrize("name", STORIES)


@each
def test_every_byte_that_the_pinpad_read(name: str) -> None:
    assert agree(story(name).told("in"), story(name).read)


@each
def test_every_byte_that_the_pinpad_wrote(name: str) -> None:
    assert agree(story(name).told("out"), story(name).written)


def test_a_track_that_the_register_read_is_stars() -> None:
    passed = story("everyday/own-card-of-the-register")
    assert TRACK.search(passed.read), "the register has sent one"
    assert not TRACK.search(passed.told("in"))
    masked = [frame.details["masked"] for frame in passed.frames if "masked" in frame.details]
    assert any(12 in tags for tags in masked if isinstance(tags, list))


def test_what_came_is_named() -> None:
    names = {str(frame.details["unit"]) for name in STORIES for frame in story(name).frames}
    assert names == {"STX", "SOH", "ACK", "NAK", "EOT", "noise", "bad CRC", "cut short"}
