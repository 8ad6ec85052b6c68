"""A trace as packets: one for each unit that passed the line, with the reasons as its comment."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from smartsale_emu import __version__
from smartsale_emu.errors import TraceError
from smartsale_emu.sa.fields import FIELDS
from smartsale_emu.sa.framing import Control
from smartsale_emu.sa.redaction import NO_FIELD
from smartsale_emu.traces.pcapng import Packet, Way, pcapng
from smartsale_emu.traces.records import Record, TraceText, joined

_WAYS = {"in": Way.INBOUND, "out": Way.OUTBOUND}
_NAME = "SA line"
_DESCRIPTION = "register and pinpad, seen from the pinpad: inbound is what the register sent"
_PLAIN = frozenset({"frame", "a complete message"})
_BESIDE = frozenset({"unit", "screen"})
_REASONS = frozenset({"line", "state", "decision", "ignored"})


def capture(packets: Iterable[Packet]) -> bytes:
    """Return packets of the line as a pcapng file of link type USER0."""
    return pcapng(packets, name=_NAME, description=_DESCRIPTION, application=f"smartsale-emu {__version__}")


def packets_of(trace: TraceText) -> list[Packet]:
    """Return a packet for each unit, in the order of the trace.

    Raises:
        TraceError: there is no frame in it, or one without its bytes.
    """
    packets = list(_packets(trace))
    if not packets:
        raise TraceError(f"{trace.origin}: there is no frame in it")
    return packets


def _packets(trace: TraceText) -> Iterator[Packet]:
    records = trace.records
    for place, record in enumerate(records):
        if record.kind != "frame":
            continue
        way, wire = _WAYS.get(record.text("direction")), _wire(record, trace.origin)
        if way is None:
            raise TraceError(f"{trace.origin}:{record.line}: a frame is in or out")
        comment = _comment(records, place)
        for unit in _units(wire):
            yield Packet(_microseconds(record.at), way, unit, comment)


def _wire(record: Record, origin: str) -> bytes:
    written = record.details.get("hex")
    if not isinstance(written, str):
        raise TraceError(
            f"{origin}:{record.line}: a frame without its bytes; an older version wrote this trace"
        )
    try:
        return bytes.fromhex(written)
    except ValueError:
        raise TraceError(f"{origin}:{record.line}: the bytes of this frame are not hexadecimal") from None


def _units(wire: bytes) -> list[bytes]:
    """Part an EOT from the frame that left in one write with it."""
    eot = Control.EOT.wire
    return [eot, wire[1:]] if wire[:1] == eot and len(wire) > 1 else [wire]


def _microseconds(at: datetime) -> int:
    """A trace has local time; a capture has that of the world."""
    return round(at.timestamp() * 1_000_000)


def _comment(records: Sequence[Record], place: int) -> str:
    """Say why: what the pinpad says of what it sends, or what it made of what came."""
    record = records[place]
    if record.text("direction") == "out":
        before = next((one for one in reversed(records[:place]) if one.kind not in _BESIDE), record)
        of = before.because if before.kind == "message" else ""
        why = joined([of, record.because if record.because not in _PLAIN else ""])
    else:
        why = joined(_consequences(records[place + 1 :]))
    return joined([why, _about_masks(record)])


def _consequences(following: Sequence[Record]) -> Iterator[str]:
    """Yield what the pinpad made of a unit at once: up to the next unit, its own ACK aside."""
    for record in following:
        own_ack = (record.text("direction"), record.text("unit")) == ("out", Control.ACK.name)
        if (record.kind == "frame" and not own_ack) or record.ms != following[0].ms:
            return
        if record.kind == "state":
            yield f"{record.text('from')} → {record.text('to')}: {record.because}"
        elif record.kind in _REASONS:
            yield record.because


def _about_masks(record: Record) -> str:
    masked = record.details.get("masked")
    if not isinstance(masked, list):
        return ""
    names = [_field_name(tag) for tag in masked]
    return f"masked: {', '.join(dict.fromkeys(names))}; a CRC is that of the masked bytes"


def _field_name(tag: int) -> str:
    if tag == NO_FIELD:
        return "bytes of no field"
    return f"{tag} {FIELDS[tag].name}" if tag in FIELDS else f"field {tag}"
