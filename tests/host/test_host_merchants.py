"""Shops and their terminals: who may ask, for what, in which currency."""

from dataclasses import replace

import bank_kit as kit
import pytest

from smartsale_emu.host.bank import Bank
from smartsale_emu.host.ledger import MemoryLedger
from smartsale_emu.host.rulebook import Rulebook
from smartsale_emu.payment.authorization import AuthorizationRequest, Transaction
from smartsale_emu.payment.totals import Tally, Totals
from smartsale_emu.units import CurrencyCode

KIOSK = """
[[merchant]]
id = "111111111"
name = "Kiosk"
terminals = ["00060056", "00060058"]
currencies = ["643"]
operations = ["purchase", "void"]
"""
BAKERY = """
[[merchant]]
id = "222222222222222"
name = "Bakery"
"""
ELSEWHERE = "333333333"


def bank(text: str = KIOSK + BAKERY, rules: str = "", ledger: MemoryLedger | None = None) -> Bank:
    book = Rulebook.parse(f'title = "T"\n{text}{rules}', "x.toml")
    held = MemoryLedger() if ledger is None else ledger
    return Bank(kit.PROFILE, kit.CARDS.values(), held, kit.KEYS, book)


SALE = kit.sale(1, 1200)
CASES: list[tuple[str, AuthorizationRequest, str, str]] = [
    ("its own", SALE, "00", "approved"),
    ("the other terminal", replace(SALE, terminal_id="00060058"), "00", "approved"),
    ("no such terminal", replace(SALE, terminal_id="00060057"), "03", "Kiosk: the terminal is not"),
    ("no such merchant", replace(SALE, merchant_id=ELSEWHERE), "03", "this merchant is not among"),
    ("any terminal", replace(SALE, merchant_id="222222222222222", terminal_id="X"), "00", "approved"),
    ("not its operation", kit.ask(Transaction.CASH, 1, 1200, pin="1234"), "58", "Kiosk: no cash"),
    ("not its currency", replace(SALE, currency=CurrencyCode("840")), "58", "Kiosk: the currency"),
    ("no currency told", replace(SALE, currency=None), "00", "approved"),
    ("a link test", kit.echo(), "00", "the bank is here"),
    ("a batch", kit.reconciliation(1, 7, Totals()), "00", "in balance"),
]


@pytest.mark.parametrize(
    ("asked", "code", "because"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_who_may_ask_for_what(asked: AuthorizationRequest, code: str, because: str) -> None:
    told = bank().handle(asked, kit.NOW)
    assert told.response_code == code
    assert because in told.because


def test_everybody_is_welcome_where_no_merchant_is_listed() -> None:
    stranger = replace(SALE, terminal_id="X", merchant_id=ELSEWHERE)
    assert bank("").handle(stranger, kit.NOW).response_code == "00"


@pytest.mark.parametrize(
    "asked",
    [
        kit.reconciliation(1, 7, Totals(debit=Tally(1, 5))),
        kit.upload(1, replace(SALE, batch=7)),
        replace(SALE, batch=7),
    ],
    ids=["reconciliation", "upload", "sale"],
)
def test_a_stranger_changes_nothing(asked: AuthorizationRequest) -> None:
    ledger = MemoryLedger()
    host = bank(ledger=ledger)
    assert host.handle(replace(asked, merchant_id=ELSEWHERE), kit.NOW).response_code == "03"
    assert (ledger.closed_batches(), ledger.accounts(), kit.moved(host)) == ((), (), 0)


def test_a_link_test_names_a_terminal_of_somebody() -> None:
    host = bank(KIOSK)
    stranger = replace(kit.echo(), terminal_id="00060057", merchant_id="")
    told = host.handle(stranger, kit.NOW)
    assert (told.response_code, "this terminal is not among" in told.because) == ("03", True)
    assert host.handle(replace(kit.echo(), merchant_id=""), kit.NOW).response_code == "00"


def test_a_reversal_is_never_refused_for_who_sends_it() -> None:
    ledger = MemoryLedger()
    bank("", ledger=ledger).handle(replace(SALE, merchant_id=ELSEWHERE), kit.NOW)
    host = bank(ledger=ledger)
    undone = kit.reversal(replace(SALE, merchant_id=ELSEWHERE))
    assert host.handle(undone, kit.NOW).response_code == "00"
    assert kit.moved(host) == 0


def test_a_repeat_gets_its_answer_though_the_merchant_is_listed_no_more() -> None:
    ledger = MemoryLedger()
    first = bank(ledger=ledger).handle(SALE, kit.NOW)
    assert bank(BAKERY, ledger=ledger).handle(SALE, kit.NOW) == first


def test_merchants_are_asked_before_the_rules() -> None:
    ledger = MemoryLedger()
    host = bank(rules='[[rule]]\nname = "r"\nevery = 1\ncode = "91"\n', ledger=ledger)
    assert host.handle(replace(SALE, merchant_id=ELSEWHERE), kit.NOW).response_code == "03"
    assert ledger.rule_count("r") == 0
