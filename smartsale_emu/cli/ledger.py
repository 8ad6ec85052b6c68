"""``ledger``: what the bank holds, what the pinpad remembers, and whether they agree."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from smartsale_emu.errors import StateError
from smartsale_emu.host.ledger import ClosedBatch, Operation
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.runtime.ledger_file import read_ledger
from smartsale_emu.runtime.memory_file import MemoryFile
from smartsale_emu.runtime.state_dir import LEDGER_NAME, MEMORY_NAME
from smartsale_emu.scenario.agreement import Agreement, compare
from smartsale_emu.terminal.journal import Entry
from smartsale_emu.terminal.kept import KeptRequest
from smartsale_emu.terminal.memory import Memory, parse_memory

if TYPE_CHECKING:
    from rich.table import Table


WIDTH = 100
"""Columns that the table needs; a narrower window wraps it."""


def run(args: argparse.Namespace) -> int:
    """Compare; status 0 when they agree, 1 when not."""
    memory = read_memory(args.state)
    operations, closed = read_bank(args.bank_state or args.state, needed=memory.stan > 0)
    agreement = compare(operations, closed, memory, terminal_id=memory.terminal_id)
    if args.json:
        print(json.dumps(_document(agreement, operations, memory), ensure_ascii=False, indent=1))
    else:
        _print(agreement, operations, memory)
    return 0 if agreement.agree else 1


def read_memory(directory: Path) -> Memory:
    """Return what the pinpad of this state directory remembers. Raises StateError."""
    if not directory.is_dir():
        raise StateError(f"state directory {directory}: no such directory")
    path = directory / MEMORY_NAME
    text = MemoryFile(path).load()
    return Memory() if text is None else parse_memory(text, origin=str(path))


def read_bank(directory: Path, *, needed: bool) -> tuple[Sequence[Operation], Sequence[ClosedBatch]]:
    """Return what the bank of this state directory holds; ``needed``: it must be there. Raises StateError."""
    if not directory.is_dir():
        raise StateError(f"state directory {directory}: no such directory")
    path = directory / LEDGER_NAME
    if not path.exists():
        if needed:
            raise StateError(
                f"{path}: no such ledger; the directory of a bank of its own is --bank-state DIR"
            )
        return (), ()
    with read_ledger(path) as ledger:
        return ledger.operations(), ledger.closed_batches()


def _document(agreement: Agreement, operations: Sequence[Operation], memory: Memory) -> dict[str, object]:
    return {
        "agree": agreement.agree,
        "disagreements": agreement.disagreements,
        "notes": agreement.notes,
        "bank": {"operations": [_bank_row(operation) for operation in operations]},
        "pinpad": {
            "terminal_id": memory.terminal_id,
            "day": memory.day,
            "totals": asdict(memory.journal.totals()),
            "journal": [_entry_row(entry) for entry in memory.journal.entries.values()],
            "settlement_owed": memory.settling or None,
            "last_operation": _public(asdict(memory.last)) if memory.last else None,
            "pending_reversal": _public(asdict(memory.pending)) if memory.pending else None,
            "remarks": [asdict(remark) for remark in memory.remarks],
        },
    }


def _entry_row(entry: Entry) -> dict[str, object]:
    return {
        "slip": entry.number,
        "operation": str(entry.operation),
        "state": str(entry.state),
        "amount": entry.amount,
        "stan": entry.request.stan if entry.request else None,
        "card": entry.request.masked_pan if entry.request else None,
        "rrn": entry.rrn,
        "authorization_code": entry.authorization_code,
        "follows": entry.follows or None,
    }


def _public(kept: dict[str, object]) -> dict[str, object]:
    """The request's own fields, without the sealed card number."""
    request = kept["request"]
    if isinstance(request, dict):
        kept["request"] = {key: value for key, value in request.items() if key != "sealed_pan"}
    return kept


def _bank_row(operation: Operation) -> dict[str, object]:
    key = operation.key
    return {
        "terminal_id": key.terminal_id,
        "merchant_id": key.merchant_id,
        "stan": key.stan,
        "sent_at": key.sent_at.isoformat(),
        "transaction": str(operation.transaction),
        "batch": operation.batch,
        "original_stan": operation.original.stan if operation.original else None,
        "amount": operation.amount,
        "currency": operation.currency,
        "card": operation.card_masked,
        "account": operation.account,
        "state": str(operation.state),
        "response_code": operation.response_code,
        "rrn": operation.rrn,
        "authorization_code": operation.authorization_code,
        "reversals": operation.reversal_count,
        "reversed_at": operation.reversed_at.isoformat() if operation.reversed_at else None,
        "because": operation.because,
    }


def _print(agreement: Agreement, operations: Sequence[Operation], memory: Memory) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.width = max(console.width, WIDTH)
    console.print(_bank_table(operations))
    for sentence in about_pinpad(memory):
        console.print(sentence)
    for sentence in (*agreement.disagreements, *agreement.notes):
        console.print(f"- {sentence}")
    console.print("They agree." if agreement.agree else "They do NOT agree.")


def _bank_table(operations: Sequence[Operation]) -> "Table":
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(title=f"The bank ({len(operations)})", title_justify="left", box=SIMPLE, padding=0)
    for name in ("day", "STAN", "sent", "what", "card", "amount", "state", "code", "RRN", "undone"):
        right = name in ("day", "amount", "undone")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for row in operations:
        table.add_row(
            str(row.batch or "-"),
            f"{row.key.stan:06d}",
            f"{row.key.sent_at:%d.%m %H:%M}",
            str(row.transaction),
            row.card_masked,
            format_amount(row.amount),
            str(row.state),
            row.response_code,
            row.rrn,
            str(row.reversal_count or "-"),
        )
    return table


def about_pinpad(memory: Memory) -> Iterator[str]:
    """Tell what the pinpad keeps, its last operation, and what it owes."""
    last, pending = memory.last, memory.pending
    kept, net = len(list(memory.journal.kept())), format_amount(memory.journal.totals().net)
    yield f"The pinpad keeps (approved, not reversed): {kept} in day {memory.day}, net {net}"
    yield f"Last operation: {_told(last.request, last.reversed_by) if last else 'none'}"
    yield f"Pending: {_told(pending.request, '')}: {pending.because}" if pending else "Pending: none"


def _told(kept: KeptRequest, reversed_by: str) -> str:
    undone = f", reversed by the {reversed_by}" if reversed_by else ""
    return f"STAN {kept.stan:06d}, {format_amount(kept.amount)}, {kept.masked_pan}{undone}"
