"""Records of a trace in words: who did what to whom, and why."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from smartsale_emu.payment.authorization import Step
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.sa.codes import CommandMode, OperationCode, Status, title
from smartsale_emu.sa.fields import Tag
from smartsale_emu.traces.records import Record, fields_of
from smartsale_emu.units import NOTHING, MinorUnits

REQUEST, ANSWER = "register → pinpad", "pinpad → register"
ASKED, TOLD, HANDS = "pinpad → bank", "bank → pinpad", "customer → pinpad"
PINPAD, LINE, BANK = "pinpad", "line", "bank"

_Teller = Callable[[Record], "Moment | None"]
_TUNNEL = frozenset({int(CommandMode.HOST_CONNECTION), int(CommandMode.HOST_DATA)})
_STATUSES = {int(one): one.name.lower().replace("_", " ") for one in Status}
_SAID_TWICE = frozenset({"the first byte left for the bank", "the bank counts as asked from here on"})
_NOT_TOLD = frozenset({"the register acknowledged the wait", "the register opened the line"})
_IN_OTHER_WORDS = frozenset({"reversal_of", "stan", "attempt", "tvr", "tsi"})


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened. ``who``: who did it, to whom; ``code``: of a bank's answer, empty for none.

    ``times``: how often the same happened in a row, the last time at ``until``.
    """

    at: datetime
    who: str
    what: str
    because: str = ""
    code: str = ""
    times: int = 1
    until: datetime | None = None


def is_request(record: Record) -> bool:
    """Tell whether the register asks for an operation with this: no reply about the bank or the cashier."""
    if record.kind != "message" or record.text("direction") != "in":
        return False
    fields = fields_of(record)
    code, mode = fields.get(Tag.OPERATION_CODE, ""), fields.get(Tag.COMMAND_MODE2, "")
    of_tunnel = code == str(int(OperationCode.USER_COMMAND)) and _number(mode) in _TUNNEL
    return not of_tunnel and code != str(int(OperationCode.CASHIER_QUESTION))


def moment_of(record: Record) -> Moment | None:
    """Return what a record tells, None when nothing that another does not tell better."""
    tell = _TELLERS.get(record.kind)
    if tell is None or record.because in _SAID_TWICE | _NOT_TOLD:
        return None
    return tell(record)


def amount_of(record: Record) -> MinorUnits:
    """Return the amount of a bank record, 0 for none."""
    amount = record.details.get("amount")
    return MinorUnits(amount) if isinstance(amount, int) else NOTHING


def stan_told(stan: object) -> str:
    """Return a STAN as people write it.

    >>> stan_told(17)
    'STAN 000017'
    """
    return f"STAN {_number(stan):06d}"


def _message(record: Record) -> Moment | None:
    fields = fields_of(record)
    if record.text("direction") == "out":
        status = fields.get(Tag.STATUS)
        if status is None:
            return Moment(record.at, ANSWER, record.because)
        words = _STATUSES.get(_number(status), "")
        text = fields.get(Tag.TEXT_RESPONSE, "").partition("^")[0]
        return Moment(record.at, ANSWER, _joined(f"final answer: {status} {words}", text))
    code = fields.get(Tag.OPERATION_CODE, "")
    amount = fields.get(Tag.AMOUNT, "")
    told = format_amount(MinorUnits(int(amount))) if amount.isdigit() else ""
    original = f"of RRN {fields[Tag.REFERENCE_NUMBER]}" if fields.get(Tag.REFERENCE_NUMBER) else ""
    what = title(int(code)).english if code.isdigit() else "a request without an operation"
    return Moment(record.at, REQUEST, " ".join(part for part in (what, told, original) if part))


def _frame(record: Record) -> Moment | None:
    unit, out = record.text("unit"), record.text("direction") == "out"
    if out and ("copy" in record.because or unit in ("NAK", "EOT")):
        because = record.because
        return Moment(record.at, ANSWER, unit if unit in ("NAK", "EOT") else "sent again", because)
    if not out and unit == "NAK":
        return Moment(record.at, REQUEST, "NAK: the register asks for it again")
    return None


def _line(record: Record) -> Moment:
    what = record.text("what")
    told = _joined(what, record.because, sign=": ")
    return Moment(record.at, REQUEST if record.text("direction") == "in" else LINE, told)


def _state(record: Record) -> Moment:
    before, after = record.text("from"), record.text("to")
    event = record.text("event")
    because = record.because if record.because != event else ""
    return Moment(record.at, PINPAD, f"{before} → {after}: {event}", because)


def _decision(record: Record) -> Moment:
    attempt = record.text("attempt")
    if attempt:
        return Moment(record.at, PINPAD, f"reversal, attempt {attempt}", record.because)
    told = [f"{key} {value}" for key, value in record.details.items() if key not in _IN_OTHER_WORDS]
    if not told:
        return Moment(record.at, PINPAD, record.because)
    return Moment(record.at, PINPAD, ", ".join(told), record.because)


def _bank(record: Record) -> Moment:
    direction, of = record.text("direction"), record.details
    if direction == "out":
        undo = "undo the " if of.get("step") == Step.REVERSAL else ""
        what = f"{undo}{record.text('transaction').replace('_', ' ')}"
        what += f" {format_amount(amount)}" if (amount := amount_of(record)) else ""
        repeat = f"repeat {of['attempt']}" if of.get("attempt") else ""
        return Moment(record.at, ASKED, _joined(what, stan_told(of.get("stan", 0)), repeat))
    if direction == "in":
        code = record.text("response_code")
        names = {"rrn": "RRN", "authorization_code": "authorization code"}
        told = names if of.get("step") != Step.REVERSAL else {}
        given = [f"{name} {of[key]}" for key, name in told.items() if of.get(key)]
        because = record.because if record.because != "answered" else ""
        return Moment(record.at, TOLD, _joined(*given), because, code=code)
    return Moment(record.at, BANK, record.because)


def _plain(who: str) -> _Teller:
    return lambda record: Moment(record.at, who, record.because)


def _unit(record: Record) -> Moment | None:
    fate = record.text("fate")
    return None if fate == "arrives" else Moment(record.at, LINE, f"{record.because}: {fate}")


def _joined(*parts: str, sign: str = ", ") -> str:
    return sign.join(part for part in parts if part)


def _number(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else 0


_TELLERS: dict[str, _Teller] = {
    "message": _message,
    "frame": _frame,
    "line": _line,
    "state": _state,
    "decision": _decision,
    "bank": _bank,
    "unit": _unit,
    "hands": _plain(HANDS),
    "host": _plain(BANK),
    "fault": _plain("fault"),
    "power": _plain("power"),
    "print": _plain("printer"),
    "ignored": _plain(PINPAD),
}
