"""``explain``: the life of one operation, from a trace, the bank's ledger and the pinpad's memory."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from smartsale_emu.cli.code_words import meaning
from smartsale_emu.errors import StateError
from smartsale_emu.host.ledger import Operation
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.runtime.ledger_file import read_ledger
from smartsale_emu.runtime.memory_file import MemoryFile
from smartsale_emu.runtime.state_dir import LEDGER_NAME, MEMORY_NAME
from smartsale_emu.runtime.trace_file import load_trace
from smartsale_emu.terminal.memory import Memory, parse_memory
from smartsale_emu.traces.life import Life, Undone, lives
from smartsale_emu.traces.moments import ANSWER, ASKED, BANK, HANDS, PINPAD, REQUEST, TOLD, Moment, stan_told
from smartsale_emu.traces.money import row_of, who_holds

WIDTH = 100
_STYLES = {
    REQUEST: "bold",
    ANSWER: "bold",
    ASKED: "magenta",
    TOLD: "magenta",
    BANK: "dim magenta",
    HANDS: "green",
    PINPAD: "cyan",
    "fault": "red",
    "power": "red",
}


def run(args: argparse.Namespace) -> int:
    """Tell the life of every operation that has the number; status 0."""
    trace = load_trace(args.trace)
    found = lives(trace, args.number)
    memory = _memory(args.state)
    ledger = _ledger(args.ledger, args.state)
    console = Console(highlight=False, markup=False)
    console.width = max(console.width, WIDTH)
    for number, life in enumerate(found, start=1):
        several = f"{number} of {len(found)} with this number: " if len(found) > 1 else ""
        console.print(Text(f"{several}{_title(life)}", style="bold"), soft_wrap=True)
        _show(life, console)
        for sentence in (*_about_bank(ledger, life), *_about_memory(memory, life)):
            console.print(sentence, soft_wrap=True)
        console.print(Text(f"Who holds the money: {who_holds(life, ledger)}.", style="bold"), soft_wrap=True)
        if number < len(found):
            console.print()
    return 0


# --- what there is beside the trace ------------------------------------------------------------------------


def _memory(directory: Path | None) -> Memory | None:
    if directory is None:
        return None
    path = directory / MEMORY_NAME
    if not path.is_file():
        raise StateError(f"{path}: no such memory; --state is the pinpad's state directory")
    text = MemoryFile(path).load()
    return Memory() if text is None else parse_memory(text, origin=str(path))


def _ledger(given: Path | None, state: Path | None) -> tuple[Operation, ...] | None:
    """Return the bank's operations; None: no ledger was named, and there is none beside the memory."""
    path = given / LEDGER_NAME if given is not None and given.is_dir() else given
    if path is None:
        path = state / LEDGER_NAME if state is not None else None
        if path is None or not path.exists():
            return None
    with read_ledger(path) as ledger:
        return tuple(ledger.operations())


def _about_bank(ledger: tuple[Operation, ...] | None, life: Life) -> Iterator[str]:
    if ledger is None:
        return
    row = row_of(life, ledger)
    if row is None:
        yield "The bank's ledger has never heard of it."
        return
    code, back = row.response_code, row.reversal_code
    answer = f"; it answered {code}, {meaning(code)}, because {row.because}" if code else ""
    undone = f"; reversal asked {_times(row.reversal_count)}, answered {back}" if row.reversal_count else ""
    yield f"The bank's ledger: {row.state}, {format_amount(row.money)}{answer}{undone}"


def _about_memory(memory: Memory | None, life: Life) -> Iterator[str]:
    if memory is None:
        return
    mine = (life.stan, life.sent_at)
    entries = [
        entry
        for entry in memory.journal.entries.values()
        if entry.request is not None and (entry.request.stan, entry.request.sent_at) == mine
    ]
    for entry in entries:
        yield f"The pinpad's journal: slip {entry.number:04d}, {entry.operation}, {entry.state}"
    if not entries:
        yield f"The pinpad's journal of day {memory.day} has no slip of it"
    pending = memory.pending
    if pending is not None and (pending.request.stan, pending.request.sent_at) == mine:
        yield (
            f"The pinpad has not finished it: {pending.stage}, {pending.attempts} reversals sent:"
            f" {pending.because}"
        )
    for remark in memory.remarks:
        if remark.stan == life.stan:
            yield f"The pinpad's remark, {remark.kind}: {remark.text}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


# --- what is shown -----------------------------------------------------------------------------------------


def _title(life: Life) -> str:
    rrn = f", RRN {life.rrn}" if life.rrn else ", no RRN"
    card = f", card {life.card}" if life.card else ""
    amount = f" {format_amount(life.amount)}" if life.amount else ""
    sent = life.sent_at.replace("T", " ")
    return f"{life.transaction.replace('_', ' ')}{amount}, {stan_told(life.stan)}{rrn}{card}, sent {sent}"


def _show(life: Life, console: Console) -> None:
    """Print the moments: as wide as the terminal, and one line each where a program may read it."""
    rows = list(_rows(life))
    if not console.is_terminal:
        width = max((len(who) for _, who, _, _ in rows), default=0)
        for time, who, what, _ in rows:
            console.print(f"{time}  {who:{width}}  {what.plain}".rstrip(), soft_wrap=True)
        return
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name in ("time", "who"):
        table.add_column(name, no_wrap=True)
    table.add_column("what, and why")
    for time, who, what, style in rows:
        table.add_row(time, who, what, style=style)
    console.print(table)


def _rows(life: Life) -> Iterator[tuple[str, str, Text, str]]:
    """Yield time, who, what and style of every moment; a new day has a row of its own."""
    day = life.sent_at.partition("T")[0]
    for moment in life.moments:
        if (new := f"{moment.at:%Y-%m-%d}") != day:
            day = new
            yield day, "", Text(), "dim"
        why = Text(f"  because {moment.because}" if moment.because else "", style="not bold dim")
        yield _time(moment), moment.who, Text(_what(moment)).append_text(why), _style(moment, life)


def _time(moment: Moment) -> str:
    return moment.at.strftime("%H:%M:%S.%f")[:-3]


def _what(moment: Moment) -> str:
    words = f"answer {moment.code}, {meaning(moment.code)}" if moment.code else ""
    what = ", ".join(part for part in (words, moment.what) if part)
    if moment.until is None:
        return what
    return f"{what} ({moment.times} times, the last at {moment.until:%d.%m %H:%M:%S})"


def _style(moment: Moment, life: Life) -> str:
    if moment.what.startswith("reversal, attempt") and life.undone is not Undone.NOT_ASKED:
        return "yellow"
    return _STYLES.get(moment.who, "dim")
