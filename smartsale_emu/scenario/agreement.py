"""Whether the bank's ledger and the pinpad's memory agree about the money (PROTOCOL.md, section 0.3).

All are values; nothing is asked and nothing is changed. What is still owed to the bank is no disagreement:
the pinpad knows of it and will settle it. A doubt (the register may believe otherwise) is none either.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from smartsale_emu.host.ledger import Claim, ClosedBatch, Operation, OperationState
from smartsale_emu.payment.authorization import Transaction
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.terminal.journal import Entry
from smartsale_emu.terminal.kept import KeptRequest
from smartsale_emu.terminal.memory import Memory, Pending

_NO_MONEY = frozenset({Transaction.BALANCE, Transaction.ECHO})


@dataclass(frozen=True, slots=True)
class Agreement:
    """``disagreements`` and ``notes`` (what is owed, doubted or alarming): a sentence each."""

    agree: bool
    disagreements: tuple[str, ...]
    notes: tuple[str, ...]


def compare(
    operations: Sequence[Operation], closed: Sequence[ClosedBatch], memory: Memory, *, terminal_id: str
) -> Agreement:
    """Compare what a bank holds of one terminal with what that pinpad remembers.

    The open day is compared operation by operation; of earlier days, whether the bank closed them.

    >>> compare((), (), Memory(), terminal_id="00060056")
    Agreement(agree=True, disagreements=(), notes=())
    """
    mine = [
        row for row in operations if row.key.terminal_id == terminal_id and row.transaction not in _NO_MONEY
    ]
    today = [row for row in mine if row.batch in (0, memory.day)]
    before = [row for row in mine if row.batch not in (0, memory.day)]
    disagreements = (
        *_about_day(today, memory),
        *_about_closed(before, closed, memory),
        *_about_open(closed, memory, terminal_id),
    )
    notes = (*_about_pending(mine, memory.pending), *_about_settlement(memory), *_unclaimed(mine))
    return Agreement(not disagreements, disagreements, (*notes, *_remarks(memory)))


class _Rows:
    """The bank's rows of one terminal, found by STAN and time."""

    def __init__(self, rows: Sequence[Operation]) -> None:
        self._rows = {(row.key.stan, row.key.sent_at): row for row in rows}

    def of(self, kept: KeptRequest) -> Operation | None:
        """Return the row of a request."""
        return self._rows.get((kept.stan, datetime.fromisoformat(kept.sent_at)))


def _about_day(rows: Sequence[Operation], memory: Memory) -> Iterator[str]:
    """Every operation of the open day: held by both, or by neither. What is being undone is left out."""
    unfinished = memory.pending.request if memory.pending else None
    found = _Rows(rows)
    looked_at = {found.of(unfinished)} if unfinished else set()
    for entry in memory.journal.kept():
        if entry.request is None or entry.request == unfinished:
            continue
        row = found.of(entry.request)
        looked_at.add(row)
        if row is None or row.state is not OperationState.APPROVED:
            yield f"the pinpad keeps {_name(entry.request)}, the bank {_holds(row)}"
        else:
            yield from _different_content(row, entry, _name(entry.request))
    for row in rows:
        if row.state is OperationState.APPROVED and row not in looked_at:
            yield f"the bank holds {_row_name(row)} as approved, the pinpad {_stands(row, memory)}"


def _different_content(row: Operation, entry: Entry, name: str) -> Iterator[str]:
    if row.amount != entry.amount:
        yield f"{name} is one of {format_amount(row.amount)} for the bank"
    if (row.rrn, row.authorization_code) != (entry.rrn, entry.authorization_code):
        yield f"{name} has another RRN or authorization code at the bank"


def _about_closed(rows: Sequence[Operation], closed: Sequence[ClosedBatch], memory: Memory) -> Iterator[str]:
    """The days before: closed by the bank, all of them."""
    known = {batch.key for batch in closed}
    held = {row.batch_key for row in rows if row.state is OperationState.APPROVED}
    for key in sorted(held - known, key=lambda key: key.number):
        yield f"the bank has not closed batch {key.number}; for the pinpad the open one is {memory.day}"


def _about_open(closed: Sequence[ClosedBatch], memory: Memory, terminal_id: str) -> Iterator[str]:
    """The open day: not closed by the bank, unless the pinpad knows that it has not heard yet."""
    if not memory.settling and (terminal_id, memory.day) in {
        (batch.key.terminal_id, batch.key.number) for batch in closed
    }:
        yield f"the bank has closed batch {memory.day}; for the pinpad it is the open one"


def _about_pending(operations: Sequence[Operation], pending: Pending | None) -> Iterator[str]:
    if pending is not None:
        row = _Rows(operations).of(pending.request)
        how_far = f"{pending.stage}: {pending.because}"
        yield f"unfinished: {_name(pending.request)} ({how_far}); the bank {_holds(row)}"


def _about_settlement(memory: Memory) -> Iterator[str]:
    if memory.settling:
        yield f"unfinished: the settlement of batch {memory.day}: {memory.settling}"


def _unclaimed(rows: Sequence[Operation]) -> Iterator[str]:
    for row in rows:
        if row.claim is Claim.UNCLAIMED:
            yield f"the bank holds {_row_name(row)} in batch {row.batch}, which was closed without it"


def _remarks(memory: Memory) -> Iterator[str]:
    for remark in memory.remarks:
        yield f"{remark.kind}: STAN {remark.stan}: {remark.text}"


def _holds(row: Operation | None) -> str:
    return f"has it as {row.state}" if row is not None else "has never heard of it"


def _stands(row: Operation, memory: Memory) -> str:
    last = memory.last
    if last is not None and last.request.stan == row.key.stan and last.reversed_by:
        return f"has it as undone ({last.reversed_by})"
    return "does not keep it"


def _row_name(row: Operation) -> str:
    return f"STAN {row.key.stan} of {format_amount(row.amount)}"


def _name(request: KeptRequest) -> str:
    return f"STAN {request.stan} of {format_amount(request.amount)}"
