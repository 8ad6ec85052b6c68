"""The pinpad in the foreground, seen without a terminal: what it prints is exactly what is so."""

from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console

from smartsale_emu.cli.screen import Screen, day_table
from smartsale_emu.emulator.doors import Trace
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.payment.receipt import Form
from smartsale_emu.payment.transaction import Transaction
from smartsale_emu.runtime.assembly import load_card
from smartsale_emu.security.masking import Secret
from smartsale_emu.terminal.journal import Entry, EntryState, Journal
from smartsale_emu.terminal.kept import KeptRequest
from smartsale_emu.terminal.memory import Memory
from smartsale_emu.terminal.operations import Name
from smartsale_emu.units import Millis


def screen(state: str, holder: Cardholder) -> Screen:
    return Screen(Path(state), holder, (), datetime(2026, 11, 23, 9, 30))


def test_brackets_in_a_path_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    screen("/tmp/a[b]c", Cardholder(None))._ready("/tmp/a[/b]c/port")
    printed = capsys.readouterr().out
    assert "The pinpad is on /tmp/a[/b]c/port  (memory in /tmp/a[b]c)\n" in printed
    assert "--port /tmp/a[/b]c/port\n" in printed
    assert "The customer is you" in printed


def test_a_customer_who_acts_by_himself_is_announced(capsys: pytest.CaptureFixture[str]) -> None:
    holder = Cardholder(load_card("mir-chip").card, Secret("1234"))
    screen("x", holder)._ready("COM9")
    printed = capsys.readouterr().out
    assert "The card mir-chip is ready: it presents itself when asked for, and its PIN is typed." in printed
    assert "1234" not in printed


def test_traces_have_the_time_of_the_calendar(capsys: pytest.CaptureFixture[str]) -> None:
    shown = screen("x", Cardholder(None))
    shown.see(Trace("frame", "frame", {"direction": "out", "unit": "STX", "bytes": 10}), Millis(61_500))
    shown.see(Trace("frame", "heard", {"direction": "in", "unit": "SOH", "bytes": 99}), Millis(61_500))
    shown.see(
        Trace("message", "m", {"direction": "in", "fields": [[25, "OPERATION_CODE", "1"], [90, "R", "x"]]}),
        Millis(61_501),
    )
    assert capsys.readouterr().out.splitlines() == [
        "09:31:01.500  frame    STX of 10 bytes: frame",
        "09:31:01.501  message  register → pinpad  OPERATION_CODE=1  R=‹receipt›",
    ]


def entry(
    number: int, operation: Name, transaction: Transaction, state: EntryState = EntryState.KEPT
) -> Entry:
    """Return an operation of as many hundreds of roubles as its slip has for a number."""
    asked = KeptRequest(
        transaction=transaction,
        terminal_id="00060056",
        merchant_id="111111111",
        stan=number,
        sent_at="2026-11-23T09:30:00",
        amount=number * 10_000,
        currency="643",
        masked_pan="",
        sealed_pan="",
        expiry="",
        sequence="",
        entry_mode=EntryMode.CHIP,
        pin_capable=True,
    )
    return Entry(number, operation, state, asked, rrn=f"63270900000{number}")


def day_shown(memory: Memory) -> list[list[str]]:
    """Return the words of every line."""
    console = Console(width=100)
    with console.capture() as shown:
        console.print(day_table(memory))
    return [line.split() for line in shown.get().splitlines()]


def test_the_day_is_shown_with_its_totals_and_its_last_slips() -> None:
    """What counts makes the net; the oldest slips go from the screen, not from the totals."""
    slips = [entry(number, Name.SALE, Transaction.PURCHASE) for number in range(1, 5)]
    slips += [
        entry(5, Name.VOID, Transaction.VOID),
        entry(6, Name.SALE, Transaction.PURCHASE, EntryState.UNDONE),
        Entry(7, Name.SALE, EntryState.TOLD, None, form=Form.DECLINED),
        Entry(8, Name.REVERSAL, EntryState.TOLD, None, form=Form.REVERSED),
    ]
    title, *rows = day_shown(Memory(day=3, settling="asked", journal=Journal().plus(slips)))
    assert " ".join(title) == "day 3: 5 kept, net 500.00 settlement owed"
    assert rows == [
        ["0004", "ОПЛАТА", "400.00", "632709000004"],
        ["0005", "ОТМЕНА", "500.00", "632709000005"],
        ["0006", "ОПЛАТА", "600.00", "632709000006", "undone"],
        ["0007", "ОПЛАТА", "declined"],
        ["0008", "АВАРИЙНАЯ", "ОТМЕНА"],
    ]


def test_a_day_without_operations_is_shown_too() -> None:
    assert [" ".join(line) for line in day_shown(Memory())][:1] == ["day 1: 0 kept, net 0.00"]
