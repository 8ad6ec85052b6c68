"""A terminal with a printer of its own (the Document's «POS-терминал», Glossary and 2.2; section 5.5)."""

import pytest
from emulator_kit import PRINTER, Shop, assert_agreed, link_test, outcome, request, reversal, text
from operation_kit import (
    BALANCE,
    CARD_DATA,
    CASH,
    COPY,
    FULL,
    HOLD,
    RUB,
    SALE,
    SHORT,
    TOP_UP,
    VOID,
    VOUCHER,
    money,
    settlement,
    slips,
    user_command,
)

from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.terminal.events import CancelPressed, PaperChanged
from smartsale_emu.terminal.table import State

NO_PAPER = ("53", "ER3", "НЕТ БУМАГИ", "0")


def printer_without_paper() -> Shop:
    shop = Shop(PRINTER)
    shop.serve(money(SALE))
    shop.world.tell(PaperChanged(loaded=False))
    shop.world.printed.clear()
    return shop


A_DAY = [
    money(SALE),
    money(SALE, 100_000_000),
    reversal(),
    money(CASH, 500),
    request({4: RUB, 25: BALANCE}),
    user_command(SHORT),
    user_command(FULL),
    user_command(COPY, f64=1),
    settlement(),
    user_command(COPY, f64=1),
]
SLIPS = [2, 1, 2, 2, 1, 1, 1, 1, 1, 1]


def test_the_terminal_prints_what_a_pinpad_would_send() -> None:
    """Document, Glossary: a POS terminal has a printer for the results; field 90 stays away."""
    printing, sending = Shop(PRINTER), Shop()
    for frame, count in zip(A_DAY, SLIPS, strict=True):
        printing.world.printed.clear()
        answer, sent = printing.serve(frame), sending.serve(frame)
        assert printing.world.printed == slips(sent)
        assert len(printing.world.printed) == count
        tags = [record.tag for record in sent.records if record.tag != 90]
        assert [record.tag for record in answer.records] == tags
    printing.settle()
    assert_agreed(printing)


def test_an_interrupted_operation_prints_its_slip_too() -> None:
    shop = Shop(PRINTER)
    shop.ask(money(SALE))
    shop.reach(State.BANK_ANSWER)
    shop.world.tell(CancelPressed())
    shop.settle()
    (slip,) = shop.world.printed
    assert "ОПЕРАЦИЯ ПРЕРВАНА" in slip
    assert_agreed(shop)


PRINT = {
    "sale": money(SALE),
    "void": money(VOID, 100, f108=1),
    "voucher": money(VOUCHER),
    "hold": money(HOLD),
    "top-up": money(TOP_UP),
    "cash": money(CASH),
    "balance": request({4: RUB, 25: BALANCE}),
    "short-report": user_command(SHORT),
    "full-report": user_command(FULL),
    "copy": user_command(COPY),
}


@pytest.mark.parametrize("frame", PRINT.values(), ids=PRINT)
def test_without_paper_nothing_begins_that_prints(frame: bytes) -> None:
    """Paper can run out: 53 with a text, neither customer nor bank is asked; paper comes, and it goes on."""
    shop = printer_without_paper()
    shop.world.screens.clear()
    final = shop.serve(frame)
    assert outcome(final)[:3] == NO_PAPER[:3]
    assert text(final, 67) in (None, "1")
    assert shop.world.printed == []
    assert len(shop.bank.heard) == 1
    assert not any("КАРТУ" in screen for screen in shop.world.screens)
    assert "НЕТ БУМАГИ" in shop.world.screens
    shop.world.tell(PaperChanged(loaded=True))
    assert text(shop.serve(frame), 39) == "1"
    assert shop.world.printed
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize("frame", [link_test(), request({25: CARD_DATA})], ids=["link-test", "card-data"])
def test_what_prints_nothing_needs_no_paper(frame: bytes) -> None:
    shop = printer_without_paper()
    assert text(shop.serve(frame), 39) == "1"


def test_the_emergency_reversal_needs_no_paper() -> None:
    """Document, 2.4: it is asked for just when a slip could not be printed."""
    shop = printer_without_paper()
    shop.world.cardholder = Cardholder(None)
    assert text(shop.serve(reversal()), 39) == "1"
    assert shop.kept_count == 0
    shop.settle()
    assert_agreed(shop)


def test_paper_that_runs_out_while_the_bank_is_asked_stops_nothing() -> None:
    shop = Shop(PRINTER)
    till = shop.ask(money(SALE))
    shop.reach(State.BANK_ANSWER)
    shop.world.tell(PaperChanged(loaded=False))
    assert shop.until(lambda: bool(till.finals))
    shop.rest(50)
    assert text(till.final, 39) == "1"
    assert outcome(shop.serve(money(SALE))) == NO_PAPER
    shop.settle()
    assert_agreed(shop)


def test_a_pinpad_without_a_printer_has_no_paper_to_run_out() -> None:
    shop = Shop()
    shop.world.tell(PaperChanged(loaded=False))
    assert text(shop.serve(money(SALE)), 39) == "1"
    assert shop.world.printed == []
