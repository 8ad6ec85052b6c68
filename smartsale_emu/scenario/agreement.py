"""Whether the bank's ledger and the pinpad's memory agree about the money (PROTOCOL.md, section 0.3).

Both are values; nothing is asked and nothing is changed. What is still owed to the bank is no disagreement:
the pinpad knows of it and will settle it. A doubt (the register may believe otherwise) is none either.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from smartsale_emu.host.ledger import Operation, OperationState
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.terminal.memory import KeptRequest, LastOperation, Memory, Pending, ReversedBy
from smartsale_emu.units import MinorUnits


@dataclass(frozen=True, slots=True)
class Agreement:
    """``disagreements`` and ``notes`` (what is owed, doubted or alarming): a sentence each."""

    agree: bool
    disagreements: tuple[str, ...]
    notes: tuple[str, ...]


def compare(operations: Sequence[Operation], memory: Memory, *, terminal_id: str) -> Agreement:
    """Compare what a bank holds of one terminal with what that pinpad remembers.

    >>> compare((), Memory(), terminal_id="00060056")
    Agreement(agree=True, disagreements=(), notes=())
    """
    mine = [operation for operation in operations if operation.key.terminal_id == terminal_id]
    disagreements = (*_about_last(mine, memory), *_about_totals(mine, memory))
    return Agreement(
        not disagreements, disagreements, (*_about_pending(mine, memory.pending), *_remarks(memory))
    )


def _find(operations: Sequence[Operation], kept: KeptRequest) -> Operation | None:
    """Return the bank's row of a request, told by STAN and time."""
    sent_at = datetime.fromisoformat(kept.sent_at)
    rows = [row for row in operations if row.key.stan == kept.stan and row.key.sent_at == sent_at]
    return rows[-1] if rows else None


def _about_last(operations: Sequence[Operation], memory: Memory) -> Iterator[str]:
    """The last operation: held by both, or by neither. One that is being undone is left out."""
    last = memory.last
    if last is None or _is_pending(memory.pending, last):
        return
    row, name = _find(operations, last.request), _name(last.request)
    kept = last.reversed_by is ReversedBy.NOBODY
    held = row is not None and row.state is OperationState.APPROVED
    if kept and not held:
        yield f"the pinpad keeps {name}, the bank {_holds(row)}"
    if held and not kept:
        yield f"the bank holds {name} as approved, for the pinpad it is undone ({last.reversed_by})"
    if kept and row is not None and held:
        yield from _different_content(row, last, name)


def _different_content(row: Operation, last: LastOperation, name: str) -> Iterator[str]:
    if row.amount != last.request.amount:
        yield f"{name} is one of {format_amount(row.amount)} for the bank"
    if (row.rrn, row.authorization_code) != (last.rrn, last.authorization_code):
        yield f"{name} has another RRN or authorization code at the bank"


def _about_totals(operations: Sequence[Operation], memory: Memory) -> Iterator[str]:
    """Everything that was approved and not undone, the unfinished operation left out on both sides."""
    pending = memory.pending
    unfinished = _find(operations, pending.request) if pending else None
    held = [row for row in operations if row.state is OperationState.APPROVED and row is not unfinished]
    count, amount = memory.kept_count, memory.kept_amount
    if pending is not None and pending.by_register and _counted(memory):
        count, amount = count - 1, amount - pending.request.amount
    total = sum(row.amount for row in held)
    if (len(held), total) != (count, amount):
        yield (
            f"the bank holds {len(held)} approved for {format_amount(MinorUnits(total))}, "
            f"the pinpad keeps {count} for {_signed(amount)}"
        )


def _about_pending(operations: Sequence[Operation], pending: Pending | None) -> Iterator[str]:
    if pending is not None:
        row = _find(operations, pending.request)
        how_far = f"{pending.stage}: {pending.because}"
        yield f"unfinished: {_name(pending.request)} ({how_far}); the bank {_holds(row)}"


def _remarks(memory: Memory) -> Iterator[str]:
    for remark in memory.remarks:
        yield f"{remark.kind}: STAN {remark.stan}: {remark.text}"


def _is_pending(pending: Pending | None, last: LastOperation) -> bool:
    return pending is not None and pending.request == last.request


def _counted(memory: Memory) -> bool:
    """The totals hold the last operation as long as nobody has undone it."""
    return memory.last is not None and memory.last.reversed_by is ReversedBy.NOBODY


def _holds(row: Operation | None) -> str:
    return f"has it as {row.state}" if row is not None else "has never heard of it"


def _name(request: KeptRequest) -> str:
    return f"STAN {request.stan} of {format_amount(MinorUnits(request.amount))}"


def _signed(amount: int) -> str:
    return format_amount(MinorUnits(amount)) if amount >= 0 else f"-{format_amount(MinorUnits(-amount))}"
