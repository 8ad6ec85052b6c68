"""Bytes of the line told to a person: each unit, its fields by name, and what is wrong with a damaged one.

For the ``decode`` command. Values are masked as in ``fields.display``; what cannot be read is counted only.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import assert_never

from smartsale_emu.errors import TlvError
from smartsale_emu.sa.assembly import Assembly, Verdict
from smartsale_emu.sa.codes import title
from smartsale_emu.sa.fields import FIELDS, Tag, display
from smartsale_emu.sa.framing import (
    DEFAULT_MAX_FRAME,
    SOH,
    STX,
    Block,
    Control,
    Frame,
    FrameDecoder,
    Garbage,
    GarbageReason,
    Unit,
    crc16,
)
from smartsale_emu.sa.tlv import Message, Record, decode_records

_CONTROLS = {
    Control.ACK: "ACK: received, CRC good",
    Control.NAK: "NAK: repeat, please",
    Control.EOT: "EOT: end of session, or the other side has given up",
}


@dataclass(frozen=True, slots=True)
class ExplainedField:
    """One field: its number, its name, what may be shown of its value, and what the field means."""

    number: int
    name: str
    text: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Explained:
    """One piece of the stream. ``offset`` and ``length`` in bytes; no ``problems``: it is good."""

    kind: str
    offset: int
    length: int
    summary: str
    fields: tuple[ExplainedField, ...] = ()
    problems: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the text for a screen, a line each."""
        head = f"{self.offset:>5}  {self.summary}"
        fields = [f"       {row.number:>3}  {row.name:<22} {row.text}" for row in self.fields]
        return [head, *fields, *(f"       !    {problem}" for problem in self.problems)]

    def as_json(self) -> dict[str, object]:
        """Return the same as values that ``json.dumps`` takes."""
        return {
            "kind": self.kind,
            "offset": self.offset,
            "length": self.length,
            "summary": self.summary,
            "fields": [
                {"number": row.number, "name": row.name, "text": row.text, "meaning": row.meaning}
                for row in self.fields
            ],
            "problems": list(self.problems),
        }


def explain(data: bytes, *, max_frame: int = DEFAULT_MAX_FRAME) -> list[Explained]:
    """Tell what the bytes are, in order; every byte belongs to one piece. Never raises.

    >>> for piece in explain(bytes.fromhex("06 02 05 00 19 02 00 32 31 a5 c2")):
    ...     print(*piece.lines(), sep="\\n")
        0  ACK: received, CRC good
        1  frame of 10 bytes: wait
            25  OPERATION_CODE         21
    """
    decoder, assembly = FrameDecoder(max_frame), Assembly(len(data) + max_frame)
    pieces: list[Explained] = []
    offset = 0
    for unit in _coalesced(decoder.feed(data)):
        piece = _piece(unit, offset, assembly)
        pieces.append(piece)
        offset += piece.length
    if decoder.pending:
        pieces.append(_unfinished(decoder.drop(), offset))
    return pieces


def _coalesced(units: list[Unit]) -> Iterator[Unit]:
    """Join neighbouring bytes of noise."""
    noise = b""
    for unit in units:
        if isinstance(unit, Garbage) and unit.reason is GarbageReason.NOISE:
            noise += unit.data
            continue
        if noise:
            yield Garbage(noise, GarbageReason.NOISE)
            noise = b""
        yield unit
    if noise:
        yield Garbage(noise, GarbageReason.NOISE)


def _piece(unit: Unit, offset: int, assembly: Assembly) -> Explained:
    match unit:
        case Control():
            return Explained(unit.name, offset, 1, _CONTROLS[unit])
        case Frame():
            return _message("frame", unit.data, offset, len(unit.wire), f"frame of {len(unit.wire)} bytes")
        case Block():
            return _block(unit, offset, assembly)
        case Garbage():
            return _garbage(unit, offset)
        case _:
            assert_never(unit)


def _message(kind: str, data: bytes, offset: int, length: int, summary: str) -> Explained:
    records, problems = _readable(data)
    message = Message(records)
    code = message.number(Tag.OPERATION_CODE)
    if code is not None:
        summary += f": {title(code).english}"
    problems += [f"field {tag} stands there more than once; the last one counts" for tag in message.repeated]
    return Explained(
        kind, offset, length, summary, tuple(_field(record) for record in records), tuple(problems)
    )


def _readable(data: bytes) -> tuple[tuple[Record, ...], list[str]]:
    """Return the records up to the first that does not fit, and why it does not."""
    try:
        return decode_records(data), []
    except TlvError as error:
        problem = f"TLV: {error}"
    position, stop = 0, 0
    while stop <= len(data):
        position = stop
        stop = position + 3 + int.from_bytes(data[position + 1 : position + 3], "little")
    return decode_records(data[:position]), [problem]


def _field(record: Record) -> ExplainedField:
    name, text = display(record)
    row = FIELDS.get(record.tag)
    return ExplainedField(record.tag, name, text, row.meaning if row else "not in the field table")


def _block(block: Block, offset: int, assembly: Assembly) -> Explained:
    number = "0, the last" if block.last else str(block.number)
    summary = f"block {number}, {len(block.wire)} bytes, {len(block.chunk)} of the message"
    verdict, detail = assembly.add(block)
    if verdict is Verdict.BAD_TLV:
        return Explained("block", offset, len(block.wire), summary, problems=(f"TLV: {detail}",))
    if (complete := assembly.take()) is not None:
        whole = f"{summary}; whole message"
        return _message("block", complete[0].encode(), offset, len(block.wire), whole)
    problems = () if verdict is Verdict.ACCEPTED else (f"{verdict.name.lower().replace('_', ' ')}: {detail}",)
    return Explained("block", offset, len(block.wire), summary, problems=problems)


def _garbage(garbage: Garbage, offset: int) -> Explained:
    data = garbage.data
    what = "frame" if data[0] == STX else "block"
    match garbage.reason:
        case GarbageReason.NOISE:
            shown = f": {data.hex(' ')}" if len(data) <= 4 else ""
            problems = (
                ("a frame seems to begin here, but its LEN is above the limit",)
                if data[0] in (SOH, STX)
                else ()
            )
            summary = f"{len(data)} bytes outside any frame{shown}"
            return Explained("noise", offset, len(data), summary, problems=problems)
        case GarbageReason.BAD_CRC:
            summary = f"{what} of {len(data)} bytes, CRC wrong"
            return Explained("bad CRC", offset, len(data), summary, problems=tuple(_crc_problems(data)))
        case GarbageReason.BAD_HEADER:
            problem = "no readable version 1 and block number in its header"
            return Explained(
                "bad header",
                offset,
                len(data),
                f"block of {len(data)} bytes, header broken",
                problems=(problem,),
            )
        case _:
            assert_never(garbage.reason)


def _crc_problems(wire: bytes) -> Iterator[str]:
    wanted, got = crc16(wire[:-2]), int.from_bytes(wire[-2:], "big")
    yield f"CRC is {got:04X}, these bytes need {wanted:04X}"
    for guess, matches in _GUESSES.items():
        if matches(wire):
            yield guess
    if wire[0] == STX and (records_problem := _readable(wire[3:-2])[1]):
        yield records_problem[0]


def _crc_without_start(wire: bytes) -> bool:
    return crc16(wire[1:-2]) == int.from_bytes(wire[-2:], "big")


def _crc_of_data_only(wire: bytes) -> bool:
    return crc16(wire[3:-2]) == int.from_bytes(wire[-2:], "big")


def _crc_low_byte_first(wire: bytes) -> bool:
    return crc16(wire[:-2]) == int.from_bytes(wire[-2:], "little")


_GUESSES: dict[str, Callable[[bytes], bool]] = {
    "it would be right with its high byte first": _crc_low_byte_first,
    "it was computed without the STX or SOH": _crc_without_start,
    "it was computed over the data only, without STX and LEN": _crc_of_data_only,
}


def _unfinished(wire: bytes, offset: int) -> Explained:
    what = "frame" if wire[0] == STX else "block"
    if len(wire) < 3:
        problem = f"{len(wire)} bytes, its LEN is not complete"
        return Explained("unfinished", offset, len(wire), f"begin of a {what}", problems=(problem,))
    said, came = int.from_bytes(wire[1:3], "little"), max(0, len(wire) - 5)
    problems = [f"LEN says {said} bytes of data and 2 of CRC, {len(wire) - 3} came"]
    mended = wire[:1] + came.to_bytes(2, "little") + wire[3:]
    if crc16(mended) == 0:
        problems.append(f"it would be right with LEN {came}")
    elif int.from_bytes(wire[1:3], "big") == came:
        problems.append("LEN looks written high byte first; it is low byte first")
    return Explained("unfinished", offset, len(wire), f"begin of a {what}", problems=tuple(problems))
