"""Traces of played scenarios, and what a capture file holds, read by a reader of our own."""

import json
import struct
from dataclasses import dataclass
from functools import cache

from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.runtime.resources import read_scenarios
from smartsale_emu.scenario.loader import load_cases
from smartsale_emu.scenario.results import play_case
from smartsale_emu.traces.records import TraceText, as_line, read_trace

SALE = """
format: 1
title: A sale with a PIN; the ACK of a wait is lost, and then the answer
steps:
  - line: drop ack of wait
  - line: drop final
  - register: sale 100.00
  - card: insert mir-chip
    after: 15s
  - pin: "1234"
  - expect: {answer: {39: "1"}}
"""


@cache
def played(text: str) -> bytes:
    """Return the trace of a scenario, as it lies on a disk."""

    library = FileLibrary()
    case, *_ = load_cases(text, origin="a test", library=library)
    _, log = play_case(case, library, seed=1, told=True)
    lines = [json.dumps(as_line(trace, at, case.scenario.date), default=str) for at, trace in log]
    return "".join(f"{line}\n" for line in lines).encode()


def ours(name: str) -> bytes:
    """Return the trace of a scenario that comes with the package, by its folder and name."""
    text = next(text for origin, text in read_scenarios() if origin == f"scenarios/{name}.yaml")
    return played(text)


def trace(text: bytes) -> TraceText:
    """Read a trace."""
    return read_trace(text, "trace.jsonl")


@dataclass(frozen=True)
class Block:
    """One block of a pcapng file: its type, what stands in front of the options, and the options."""

    kind: int
    body: bytes
    options: dict[int, bytes]


@dataclass(frozen=True)
class Read:
    """One packet."""

    at: int
    inbound: bool
    data: bytes
    comment: str


_FIXED = {0x0A0D0D0A: 16, 1: 8}


def blocks(file: bytes) -> list[Block]:
    """Read the blocks of a file, every length checked twice."""
    found, at = [], 0
    while at < len(file):
        kind, size = struct.unpack_from("<II", file, at)
        assert size % 4 == 0
        assert struct.unpack_from("<I", file, at + size - 4) == (size,)
        body = file[at + 8 : at + size - 4]
        fixed = _FIXED.get(kind)
        if fixed is None:
            captured = struct.unpack_from("<I", body, 12)[0]
            fixed = 20 + captured + -captured % 4
        found.append(Block(kind, body[:fixed], _options(body[fixed:])))
        at += size
    return found


def _options(data: bytes) -> dict[int, bytes]:
    options, at = {}, 0
    while at < len(data):
        code, size = struct.unpack_from("<HH", data, at)
        if code == 0:
            assert at + 4 == len(data)
            break
        options[code] = data[at + 4 : at + 4 + size]
        at += 4 + size + -size % 4
    return options


def packets(file: bytes) -> list[Read]:
    """Return the packets of a file with one interface."""
    return [_packet(block) for block in blocks(file) if block.kind == 6]


def _packet(block: Block) -> Read:
    interface, high, low, captured, original = struct.unpack_from("<IIIII", block.body)
    assert (interface, captured) == (0, original)
    (flags,) = struct.unpack("<I", block.options[2])
    assert flags in (1, 2)
    comment = block.options.get(1, b"").decode()
    return Read(high << 32 | low, flags == 1, block.body[20 : 20 + captured], comment)
