"""The exchange of a log: who said what to whom, traces of the same thing put together; all reports show it.

``kind`` of a happening is step, unit (on the line), bank, hands, state, or another word of the trace. Its
``source`` and ``target`` are customer, register, pinpad and bank; both empty where nobody says anything to
anybody. ``fate``: what the line did to a unit, ``arrives`` when nothing. ``details``: fields by number, or
what may be shown of a bank message.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.sa.fields import Tag
from smartsale_emu.scenario.results import Log
from smartsale_emu.units import Millis

ARRIVES = "arrives"
_TOLD_FIELDS = (25, 65, 64, 67, 39, 15, 19, 0, 13, 14)
_REQUEST, _CLOSING = ("request", "reply"), ("final", "question", "tunnel request")
_SECRET = re.compile(r"(^pin: |\btrack2=)'?(\d[\d=D]*)(?!\d| digits)'?", re.MULTILINE)
_DOUBLE = ("the first byte left for the bank", "the bank counts as asked from here on")


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened, traces of the same thing put together; see the head of this module."""

    at: Millis
    until: Millis
    kind: str
    source: str = ""
    target: str = ""
    label: str = ""
    text: str = ""
    fate: str = ARRIVES
    details: Mapping[str, object] = field(default_factory=dict)


def read_exchange(log: Log) -> list[Happening]:
    """Return what happened, in order."""
    reading = _Reading(units=any(trace.kind == "unit" for _, trace in log))
    for moment, trace in log:
        reading.take(moment, trace)
    return reading.rows


def told_line(row: Happening) -> str:
    """Return a line for people.

    >>> told_line(Happening(1500, 1500, "unit", "register", "pinpad", "ack of wait", fate="lost"))
    '    1.500 s  register → pinpad  ack of wait (lost)'
    """
    arrow = f"{row.source} → {row.target}  " if row.source else ""
    fate = f" ({row.fate})" if row.fate != ARRIVES else ""
    text = f": {row.text}" if row.label and row.text else row.text
    return f"{row.at / 1000:9.3f} s  {arrow}{row.label}{fate}{text}"


class _Reading:
    """Puts the traces of one thing together: a unit, its frame and the message that it carries."""

    def __init__(self, *, units: bool) -> None:
        self._units, self._waits = units, 0
        self._coming: dict[str, Trace] = {}  # messages of the pinpad whose first unit has not left
        self.rows: list[Happening] = []

    def take(self, moment: Millis, trace: Trace) -> None:
        """Take the next trace."""
        match trace.kind:
            case "unit":
                self._unit(moment, trace)
            case "frame":
                if trace.details["direction"] == "out":  # what comes in is told by its unit
                    self._frame(moment, trace)
            case "message":
                self._message(moment, trace)
            case "bank" if "direction" in trace.details:
                self._bank(moment, trace)
            case "hands":
                self._put(moment, trace, "customer", "pinpad", label=trace.because)
            case "state":
                self._state(moment, trace)
            case "step":
                self._put(moment, trace, label=f"step {trace.details.get('step', '')}", text=_noted(trace))
            case "line" if trace.details.get("direction") == "in" and not self._units:
                self._put(moment, trace, "register", "pinpad", label=trace.because)
            case "line" if trace.because == "EOT" or trace.because.startswith("the register acknowledged"):
                pass  # its unit has told it
            case "line" if "what" in trace.details:
                self._put(moment, trace, label=str(trace.details["what"]), text=trace.because)
            case _:
                self._other(moment, trace)

    def _put(
        self,
        moment: Millis,
        trace: Trace,
        source: str = "",
        target: str = "",
        *,
        label: str = "",
        text: str = "",
    ) -> None:
        shown = {} if trace.kind == "message" else dict(trace.details)
        self.rows.append(Happening(moment, moment, trace.kind, source, target, label, text, ARRIVES, shown))

    def _other(self, moment: Millis, trace: Trace) -> None:
        """Tell a decision or anything else, unless the row before says the same."""
        last = self.rows[-1] if self.rows else None
        same = last is not None and last.at == moment and trace.because in (last.text, last.label)
        if not same and not (trace.because in _DOUBLE and last is not None and last.text in _DOUBLE):
            self._put(moment, trace, text=trace.because)

    def _state(self, moment: Millis, trace: Trace) -> None:
        last = self.rows[-1] if self.rows else None
        if last is not None and last.kind == "bank" and not last.source and last.text == trace.because:
            self.rows.pop()
        said = last is not None and last.at == moment and last.kind == "hands" and last.label == trace.because
        before, after = trace.details["from"], trace.details["to"]
        label = f"{before} → {after}" if before != after else str(after)
        self._put(moment, trace, label=label, text="" if said else trace.because)

    # --- the line ----------------------------------------------------------------------------------------

    def _unit(self, moment: Millis, trace: Trace) -> None:
        out, name = trace.details["to"] == "register", trace.because
        source, target = ("pinpad", "register") if out else ("register", "pinpad")
        row = Happening(moment, moment, "unit", source, target, name, fate=str(trace.details["fate"]))
        last = self.rows[-1] if self.rows else None
        if name == "bytes" and last is not None and last.label[:5] == name and last.source == source:
            count = int(last.label.partition("×")[2] or 1) + 1
            self.rows[-1] = replace(last, until=moment, label=f"bytes ×{count}")
            return
        if name == "request":
            self._waits = 0
        message = self._coming.pop(_family(name), None) if out else None
        if message is not None:
            row = replace(row, text=_fields(message), details=_by_number(message))
        self.rows.append(row)

    def _frame(self, moment: Millis, trace: Trace) -> None:
        """What the pinpad wrote, and why; its unit stands just before."""
        last = self.rows[-1] if self.rows else None
        because, copy = trace.because, "copy" in trace.because
        if not self._units:
            unit = "wait" if trace.details["bytes"] == 10 else str(trace.details["unit"])
            unit_trace = Trace("unit", unit, {"to": "register", "fate": ARRIVES})
            self._unit(moment, unit_trace)
            last = self.rows[-1]
        if last is None or last.source != "pinpad" or last.kind != "unit":
            return
        if last.label == "wait":
            self._waits += 0 if copy else 1
            last = replace(last, label=f"wait {self._waits}")
        part, _, why = because.partition(", ")
        if part.startswith("block"):
            last = replace(last, label=part if last.label == "block" else f"{last.label}, {part}")
        elif not part.startswith(("frame", "ACK of")):
            why = because
        if why:
            last = replace(last, text=f"{last.text} · {why}" if last.text else why)
        self.rows[-1] = last

    def _message(self, moment: Millis, trace: Trace) -> None:
        """A message is told by its fields, at the unit that brings it: one of before, or one that comes."""
        if trace.details["direction"] == "out":
            self._coming[_family(trace.because)] = trace
            return
        for place in range(len(self.rows) - 1, -1, -1):
            row = self.rows[place]
            if row.source == "register" and (row.label in _REQUEST or row.label[:5] in ("block", "bytes")):
                self.rows[place] = replace(row, text=_fields(trace), details=_by_number(trace))
                return
        self._put(moment, trace, "register", "pinpad", label="request", text=_fields(trace))

    def _bank(self, moment: Millis, trace: Trace) -> None:
        shown = trace.details
        if shown["direction"] == "out":
            label = " ".join(str(shown[name]) for name in ("step", "transaction") if name in shown)
            text = _joined(shown, "amount", "stan", "attempt", "card")
            self._put(moment, trace, "pinpad", "bank", label=label, text=text)
        else:
            label = f"39={shown.get('response_code', '?')} {shown.get('step', '')}".rstrip()
            text = _joined(shown, "stan", "rrn", "because")
            self._put(moment, trace, "bank", "pinpad", label=label, text=text)


def _family(name: str) -> str:
    """Say which message of the pinpad a unit carries, by the name of either."""
    if name.startswith(("a question", "question")):
        return "question"
    if name.startswith(("request to", "tunnel")):
        return "tunnel"
    return "answer" if name in ("final", "block", "STX", "SOH") or name.startswith("the ") else name


def _noted(trace: Trace) -> str:
    note = trace.details.get("note")
    return hidden(f"{trace.because} — {note}" if note else trace.because)


def hidden(text: str) -> str:
    """Return what a step says without a PIN or a track."""
    return _SECRET.sub(lambda found: f"{found[1]}‹{len(found[2])} digits›", text)


def _rows_of(trace: Trace) -> list[tuple[int, str, str]]:
    fields = trace.details.get("fields")
    return [tuple(row) for row in fields] if isinstance(fields, list) else []


def _fields(trace: Trace) -> str:
    known = {number: value for number, _, value in _rows_of(trace)}
    return " ".join(f"{number}={known[number]}" for number in _TOLD_FIELDS if known.get(number))


def _by_number(trace: Trace) -> dict[str, object]:
    return {str(number): value for number, _, value in _rows_of(trace) if number != Tag.RECEIPT_DATA}


def _joined(shown: Mapping[str, object], *names: str) -> str:
    told = {name: shown[name] for name in names if name in shown}
    if isinstance(amount := told.get("amount"), int):
        told["amount"] = format_amount(amount)
    return " ".join(f"{name}={value}" for name, value in told.items())
