"""What survives a power cut: counters, the day's journal, the last operation, and what is owed to the bank.

A memory is a value; the terminal replaces it and asks for it to be written (effect ``Remember``). The file is
a text of lines, each a JSON object ``{"memory": …, "entries": […]}``: a memory, and the journal entries that
came with it. The last memory counts and the entries add up, so that writing one line is one step for both; a
line that the power cut short was never synced, and what it protects never happened.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from smartsale_emu.errors import StateError
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Step, Transaction
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.security.key_slot import KeyUsage
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.security.protection import NOTHING_HELD, KeysHeld, SessionKey
from smartsale_emu.terminal.journal import Entry, EntryState, Journal
from smartsale_emu.terminal.kept import KeptRequest, Safe
from smartsale_emu.terminal.operations import Name
from smartsale_emu.units import MinorUnits

FORMAT = 3
REMARKS_KEPT = 100
STAN_LAST = 999_999
BATCH_LAST = 999_999
SLIP_LAST = 9999


class ReversedBy(StrEnum):
    """Who undid an operation."""

    NOBODY = ""
    PINPAD = "pinpad"
    REGISTER = "register"
    REFUSED = "refused"  # nobody: the pinpad disowns it, and the bank refused the reversal


class Stage(StrEnum):
    """How far an unfinished operation has come."""

    ASKED = "asked"  # the bank was asked, or is about to be
    ANSWERED = "answered"  # the bank approved; the final answer may have left
    REVERSING = "reversing"  # it is being undone


@dataclass(frozen=True, slots=True)
class LastOperation:
    """The last money operation that the bank approved: the candidate of operation 53 (section 0.4).

    ``number``: its slip in the journal. ``status``: field 39 that the register was sent. ``in_doubt``: kept
    although EOT answered its final. ``told``: the register acknowledged that operation 53 undid it.
    """

    operation: Name
    number: int
    request: KeptRequest
    status: int
    rrn: str
    authorization_code: str
    in_doubt: bool = False
    reversed_by: ReversedBy = ReversedBy.NOBODY
    told: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """An operation that the register has not acknowledged, or whose reversal is owed to the bank.

    ``status``: field 39 of its final answer, 0 as long as no approval is known. ``entry``: how it will stand
    in the journal, once an approval is known. ``attempts``: reversals sent; ``reversing_at``: the time that
    all of them carry, ISO 8601. ``by_register``: operation 53 asked for it.
    """

    operation: Name
    request: KeptRequest
    stage: Stage
    because: str
    status: int = 0
    rrn: str = ""
    authorization_code: str = ""
    entry: Entry | None = None
    attempts: int = 0
    reversing_at: str = ""
    by_register: bool = False


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence for the ledger about one operation: a doubt or an alarm."""

    kind: str  # "doubt": the register may believe otherwise; "alarm": bank and pinpad may differ
    stan: int
    text: str


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything the pinpad keeps.

    ``terminal_id``: under which it last ran. ``stan`` and ``slip``: the numbers last used. ``day``: number of
    the open operating day, the bank's batch. ``settling``: why a settlement that was begun is not ended yet,
    empty if none is. ``keys``: session keys that a key change brought, and the last KSN used.
    """

    terminal_id: str = ""
    stan: int = 0
    slip: int = 0
    day: int = 1
    settling: str = ""
    last: LastOperation | None = None
    pending: Pending | None = None
    remarks: tuple[Remark, ...] = ()
    keys: KeysHeld = NOTHING_HELD
    journal: Journal = field(default=Journal())

    @property
    def owes(self) -> bool:
        """Whether something is owed to the bank: a reversal, or the rest of a settlement."""
        return self.pending is not None or bool(self.settling)

    def next_stan(self) -> "Memory":
        """Return a memory with the next STAN: 1 to 999999, then 1 again."""
        return replace(self, stan=self.stan % STAN_LAST + 1)

    def next_slip(self) -> "Memory":
        """Return a memory with the next slip number: 1 to 9999, then 1 again; one in use is passed over."""
        slip = self.slip % SLIP_LAST + 1
        while slip in self.journal.entries and len(self.journal) < SLIP_LAST:
            slip = slip % SLIP_LAST + 1
        return replace(self, slip=slip)

    def next_day(self) -> "Memory":
        """Return the memory of a new operating day: slips from 1, an empty journal, nothing to reverse."""
        day = self.day % BATCH_LAST + 1
        return replace(self, day=day, slip=0, settling="", last=None, journal=Journal())

    def remarked(self, kind: str, stan: int, text: str) -> "Memory":
        """Return a memory with one more remark; the oldest of a hundred goes."""
        remarks = (*self.remarks, Remark(kind, stan, text))
        return replace(self, remarks=remarks[-REMARKS_KEPT:])


# --- values of the memory ----------------------------------------------------------------------------------


def reversal_of(pending: Pending, safe: Safe) -> AuthorizationRequest:
    """Return the reversal message for a pending operation: STAN, amount and card of the original.

    A repeat differs from the first sending in ``attempt`` only.
    """
    kept = pending.request
    return AuthorizationRequest(
        step=Step.REVERSAL,
        transaction=kept.transaction,
        stan=kept.stan,
        sent_at=datetime.fromisoformat(pending.reversing_at),
        terminal_id=kept.terminal_id,
        merchant_id=kept.merchant_id,
        amount=MinorUnits(kept.amount),
        currency=kept.money,
        card=kept.card(safe),
        original=kept.as_original(pending.rrn, pending.authorization_code),
        attempt=pending.attempts,
        batch=kept.batch,
        follows=kept.follows,
        icc=SecretBytes(bytes.fromhex(kept.icc)) if kept.icc else None,
    )


def answered(
    pending: Pending, answer: AuthorizationAnswer, *, status: int, because: str, entry: Entry
) -> Pending:
    """Return the pending operation with the bank's approval and the status its final answer will carry."""
    return replace(
        pending,
        stage=Stage.ANSWERED,
        status=status,
        rrn=answer.rrn,
        authorization_code=answer.authorization_code,
        because=because,
        entry=entry,
    )


def last_of(
    pending: Pending, reversed_by: ReversedBy = ReversedBy.NOBODY, *, in_doubt: bool = False
) -> LastOperation:
    """Return a finished operation that the bank had approved as the last one."""
    return LastOperation(
        operation=pending.operation,
        number=pending.entry.number if pending.entry else 0,
        request=pending.request,
        status=pending.status,
        rrn=pending.rrn,
        authorization_code=pending.authorization_code,
        in_doubt=in_doubt,
        reversed_by=reversed_by,
    )


# --- the file ----------------------------------------------------------------------------------------------


def dump_memory(memory: Memory) -> str:
    """Return the whole memory as the text of its file: one line."""
    return dump_change(memory, memory.journal.entries.values())


def dump_change(memory: Memory, entries: Iterable[Entry]) -> str:
    """Return a line to append: the memory, and the entries that are new or changed since the line before."""
    document = {"format": FORMAT, "memory": _values(memory, but="journal"), "entries": list(entries)}
    return json.dumps(document, ensure_ascii=False, default=_values) + "\n"


def _values(record: Any, but: str = "") -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__ if name != but}


def parse_memory(text: str, *, origin: str) -> Memory:
    """Read the memory from its file's text; ``origin`` names the file in errors.

    A last line without its end was cut by the power and is left out. The first line must be whole.

    Raises:
        StateError: not a memory of this format.
    """
    lines = text.split("\n")[:-1] or [text]
    memory, journal, day = Memory(), dict[int, Entry](), 0
    for line in lines:
        memory, entries = _line(line, origin)
        if memory.day != day:
            journal, day = {}, memory.day
        journal |= {entry.number: entry for entry in entries}
    return replace(memory, journal=Journal(journal))


def check_sealed(memory: Memory, safe: Safe, *, origin: str) -> None:
    """Refuse a memory that keeps card numbers under another storage key than the safe's.

    None of its operations could be undone, followed or uploaded. ``origin`` names the file in errors.

    Raises:
        StateError: it is such a memory, or one of its sealed records is damaged.
    """
    records = [memory.last, memory.pending, *memory.journal.entries.values()]
    sealed = {one.request.sealed_pan for one in records if one is not None and one.request is not None}
    try:
        for record in sealed - {""}:
            safe.unseal(record)
    except StateError as error:
        raise StateError(
            f"{origin}: {error}: it needs the key of slot terminal-storage with which it was written, "
            "or start anew with another --state DIR"
        ) from None


def _line(line: str, origin: str) -> tuple[Memory, list[Entry]]:
    try:
        document = json.loads(line)
        if document["format"] != FORMAT:
            raise StateError(f"{origin}: a memory of another version; start anew with another --state DIR")
        return _memory(document["memory"]), [_entry(entry) for entry in document["entries"]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise StateError(f"{origin}: is not a pinpad's memory") from None


def _whole(kind: type, values: dict[str, Any], *but: str) -> None:
    """Refuse a record that lacks something: a default would be a lie about what was kept."""
    if values.keys() != kind.__dataclass_fields__.keys() - set(but):  # type: ignore[attr-defined]
        raise KeyError


def _memory(values: dict[str, Any]) -> Memory:
    _whole(Memory, values, "journal")
    last, pending = values.pop("last"), values.pop("pending")
    remarks = tuple(Remark(**remark) for remark in values.pop("remarks"))
    keys = _keys(values.pop("keys"))
    texts: dict[str, Any] = {name: _text(values.pop(name)) for name in ("terminal_id", "settling")}
    if not all(type(count) is int for count in values.values()):
        raise TypeError
    return Memory(**texts, **values, last=_last(last), pending=_pending(pending), remarks=remarks, keys=keys)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _keys(values: dict[str, Any]) -> KeysHeld:
    _whole(KeysHeld, values)
    session, ksn = values.pop("session"), _text(values.pop("ksn"))
    for key in session:
        _whole(SessionKey, key)
        bytes.fromhex(_text(key["cryptogram"]) + _text(key["kcv"]))
        key["usage"] = KeyUsage(key["usage"])
    bytes.fromhex(ksn)
    return KeysHeld(tuple(SessionKey(**key) for key in session), ksn)


def _last(values: dict[str, Any] | None) -> LastOperation | None:
    if values is None:
        return None
    _whole(LastOperation, values)
    words: dict[str, Any] = {
        "operation": Name(values.pop("operation")),
        "request": _request(values.pop("request")),
        "reversed_by": ReversedBy(values.pop("reversed_by")),
    }
    return LastOperation(**words, **values)


def _pending(values: dict[str, Any] | None) -> Pending | None:
    if values is None:
        return None
    _whole(Pending, values)
    entry = values.pop("entry")
    words: dict[str, Any] = {
        "operation": Name(values.pop("operation")),
        "request": _request(values.pop("request")),
        "stage": Stage(values.pop("stage")),
        "entry": _entry(entry) if entry is not None else None,
    }
    return Pending(**words, **values)


def _entry(values: dict[str, Any]) -> Entry:
    _whole(Entry, values)
    request = values.pop("request")
    words: dict[str, Any] = {
        "operation": Name(values.pop("operation")),
        "state": EntryState(values.pop("state")),
        "request": _request(request) if request is not None else None,
    }
    return Entry(**words, **values)


def _request(values: dict[str, Any]) -> KeptRequest:
    _whole(KeptRequest, values)
    datetime.fromisoformat(values["sent_at"])
    bytes.fromhex(_text(values["icc"]))
    words: dict[str, Any] = {
        "transaction": Transaction(values.pop("transaction")),
        "entry_mode": EntryMode(values.pop("entry_mode")),
    }
    return KeptRequest(**words, **values)
