"""Issuers by the beginnings of card numbers: whose card, which limits; and every way to a decline."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import bank_kit as kit
import pytest

from smartsale_emu.host.bank import Bank
from smartsale_emu.host.ledger import Ledger, MemoryLedger
from smartsale_emu.host.rulebook import Rulebook
from smartsale_emu.payment.authorization import AuthorizationRequest, Transaction
from smartsale_emu.runtime.ledger_file import open_ledger
from smartsale_emu.units import CurrencyCode

MIR = '[[issuer]]\nname = "mir"\nbins = ["220"]\n'
TOMORROW = kit.NOW + timedelta(days=1)


@pytest.fixture(params=["memory", "file"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with ExitStack() as stack:
        if request.param == "memory":
            yield MemoryLedger()
        else:
            yield stack.enter_context(open_ledger(tmp_path / "bank.sqlite"))


def bank(text: str, ledger: Ledger | None = None) -> Bank:
    book = Rulebook.parse(f'title = "T"\n{text}', "x.toml")
    held = MemoryLedger() if ledger is None else ledger
    return Bank(kit.PROFILE, kit.CARDS.values(), held, kit.KEYS, book)


# --- whose card ---


def test_a_card_of_no_issuer_is_unknown() -> None:
    host = bank(MIR)
    told = host.handle(kit.sale(1, 1200, "visa-chip"), kit.NOW)
    assert (told.response_code, kit.moved(host, "visa-chip")) == ("14", 0)
    assert told.because == "visa-chip: it belongs to no issuer of the rulebook"
    assert host.handle(kit.sale(2, 1200), kit.NOW).response_code == "00"


def test_what_was_paid_may_be_voided_though_its_issuer_is_listed_no_more() -> None:
    ledger, paid = MemoryLedger(), kit.sale(1, 1200, "visa-chip")
    told = bank("", ledger).handle(paid, kit.NOW)
    host = bank(MIR, ledger)
    assert host.handle(kit.follow(Transaction.VOID, 2, 1200, paid, told), kit.NOW).response_code == "00"
    assert kit.moved(host, "visa-chip") == 0


def test_the_longest_beginning_wins_wherever_it_stands() -> None:
    special = '[[issuer]]\nname = "special"\nbins = ["22001"]\noperation_limit = 1000\n'
    for text in (MIR + special, special + MIR):
        host = bank(text)
        assert host.handle(kit.sale(1, 1200), kit.NOW).response_code == "61"
        assert host.handle(kit.sale(2, 1200, "mir-contactless"), kit.NOW).response_code == "00"


# --- limits ---


def test_the_limit_of_one_operation() -> None:
    host = bank(MIR + "operation_limit = 1200")
    assert host.handle(kit.sale(1, 1200), kit.NOW).response_code == "00"
    told = host.handle(kit.sale(2, 1201), kit.NOW)
    assert (told.response_code, told.because) == ("61", "mir-chip: the issuer mir allows 1200 an operation")


def test_the_limit_of_a_day_is_of_one_card_and_begins_anew(ledger: Ledger) -> None:
    host = bank(MIR + "day_limit = 2000", ledger)
    assert host.handle(kit.sale(1, 1500), kit.NOW).response_code == "00"
    told = host.handle(kit.sale(2, 501), kit.NOW)
    assert (told.response_code, told.because) == (
        "61",
        "mir-chip: the issuer mir allows 2000 a day, 1500 is spent",
    )
    assert host.handle(kit.sale(3, 500), kit.NOW).response_code == "00"
    assert host.handle(kit.sale(4, 2000, "mir-contactless"), kit.NOW).response_code == "00"
    midnight = kit.NOW.replace(hour=23, minute=59, second=59)
    assert host.handle(kit.sale(5, 1), midnight).response_code == "61"
    assert host.handle(kit.sale(6, 2000), midnight + timedelta(seconds=1)).response_code == "00"
    assert host.handle(kit.sale(7, 1), TOMORROW).response_code == "61"


def test_how_many_operations_a_day(ledger: Ledger) -> None:
    host = bank(MIR + "day_count = 2", ledger)
    codes = [host.handle(kit.sale(stan, 100), kit.NOW).response_code for stan in (1, 2, 3)]
    assert codes == ["00", "00", "65"]
    assert host.handle(kit.sale(4, 100), TOMORROW).response_code == "00"


def test_only_what_was_approved_and_stands_counts_for_the_day(ledger: Ledger) -> None:
    host = bank(MIR + "day_count = 1\nday_limit = 2000", ledger)
    undone = kit.sale(1, 1500)
    assert host.handle(kit.sale(2, 2001), kit.NOW).response_code == "61"
    assert host.handle(undone, kit.NOW).response_code == "00"
    assert host.handle(kit.reversal(undone), kit.NOW).response_code == "00"
    assert host.handle(kit.sale(3, 2000), kit.NOW).response_code == "00"


def test_the_day_counts_what_was_approved_of_a_part() -> None:
    half = '[[rule]]\nname = "half"\namount_to = 2000\napprove_share = 50\n'
    host = bank(MIR + "day_limit = 2500\n" + half)
    assert host.handle(kit.sale(1, 2000), kit.NOW).amount == 1000
    assert host.handle(kit.sale(2, 2001), kit.NOW).response_code == "61"
    assert host.handle(kit.sale(3, 2000), kit.NOW).response_code == "10"


def test_what_gives_money_has_no_limit() -> None:
    host = bank(MIR + "operation_limit = 100\nday_count = 1\nday_limit = 100")
    assert host.handle(kit.sale(1, 100), kit.NOW).response_code == "00"
    for stan, transaction in ((2, Transaction.TOP_UP), (3, Transaction.RETURN)):
        assert host.handle(kit.ask(transaction, stan, 5000), kit.NOW).response_code == "00"
    assert host.handle(kit.ask(Transaction.BALANCE, 4, pin="1234"), kit.NOW).response_code == "00"


def test_what_gives_money_does_not_count_for_the_day() -> None:
    host = bank(MIR + "day_count = 1\nday_limit = 100")
    for stan, transaction in ((1, Transaction.TOP_UP), (2, Transaction.RETURN)):
        assert host.handle(kit.ask(transaction, stan, 5000), kit.NOW).response_code == "00"
    assert host.handle(kit.sale(3, 100), kit.NOW).response_code == "00"


def test_a_completion_does_not_count_for_the_day_again() -> None:
    host = bank(MIR + "day_count = 2\nday_limit = 1100")
    hold = kit.ask(Transaction.PREAUTHORIZATION, 1, 1000, pin="1234")
    held = host.handle(hold, kit.NOW)
    done = kit.follow(Transaction.COMPLETION, 2, 1000, hold, held)
    assert host.handle(done, kit.NOW).response_code == "00"
    assert host.handle(kit.sale(3, 100), kit.NOW).response_code == "00"


def test_a_completion_is_no_new_operation_and_a_raise_is_one() -> None:
    host = bank(MIR + "day_count = 2")
    hold = kit.ask(Transaction.PREAUTHORIZATION, 1, 1000, pin="1234")
    held = host.handle(hold, kit.NOW)
    asked = [
        kit.follow(Transaction.RAISE, 2, 100, hold, held),
        kit.follow(Transaction.RAISE, 3, 100, hold, held),
        kit.follow(Transaction.COMPLETION, 4, 1100, hold, held),
    ]
    assert [host.handle(one, kit.NOW).response_code for one in asked] == ["00", "65", "00"]


def test_the_currency_of_an_issuer() -> None:
    host = bank(MIR + 'currency = "840"')
    assert host.handle(kit.sale(1, 1200), kit.NOW).response_code == "05"
    dollars = replace(kit.sale(2, 1200), currency=CurrencyCode("840"))
    assert host.handle(dollars, kit.NOW).response_code == "00"


# --- PIN tries ---


def test_the_third_wrong_pin_blocks_the_pin_until_the_bank_resets_it(ledger: Ledger) -> None:
    host = bank("", ledger)
    wrong = [host.handle(kit.sale(stan, 100, pin="9999"), kit.NOW) for stan in (1, 2, 3)]
    assert [told.response_code for told in wrong] == ["55", "55", "55"]
    assert "0 tries left" in wrong[-1].because
    for stan, pin in ((4, "1234"), (5, "9999")):
        assert host.handle(kit.sale(stan, 100, pin=pin), TOMORROW).response_code == "75"
    host.reset_pin("mir-chip")
    assert host.handle(kit.sale(6, 100, pin="9999"), TOMORROW).because == "mir-chip: wrong PIN, 2 tries left"
    assert host.handle(kit.sale(7, 100), TOMORROW).response_code == "00"
    assert kit.moved(host) == -100


def test_a_reset_gives_no_money_and_knows_its_card() -> None:
    ledger = MemoryLedger()
    host = bank("", ledger)
    host.handle(kit.sale(1, 1200), kit.NOW)
    host.reset_pin("mir-chip")
    host.reset_pin("nobody's")
    assert kit.moved(host) == -1200
    assert [account.name for account in ledger.accounts()] == ["mir-chip"]


def test_an_issuer_may_allow_another_number_of_tries() -> None:
    host = bank(MIR + "pin_tries = 2")
    told = [host.handle(kit.sale(stan, 100, pin="9999"), kit.NOW).response_code for stan in (1, 2, 3)]
    assert told == ["55", "55", "75"]
    host.reset_pin("mir-chip")
    assert host.handle(kit.sale(4, 100, pin="9999"), kit.NOW).because == "mir-chip: wrong PIN, 1 tries left"
    assert host.handle(kit.sale(5, 100), kit.NOW).response_code == "00"
    assert host.handle(kit.sale(6, 100, pin="9999"), kit.NOW).because == "mir-chip: wrong PIN, 1 tries left"


# --- every decline of a card has a way to it ---


def stolen() -> str:
    return '[[rule]]\nname = "stolen"\ncards = ["visa-chip"]\ncode = "43"\n'


def restricted() -> str:
    return '[[rule]]\nname = "restricted"\npans = ["54"]\ncode = "62"\n'


WAYS: list[tuple[str, AuthorizationRequest]] = [
    ("14", kit.sale(1, 1200, "mir-unknown")),
    ("41", kit.sale(1, 1200, "mir-blocked")),
    ("43", kit.sale(1, 1200, "visa-chip")),
    ("51", kit.sale(1, 1200, "mir-poor")),
    ("54", kit.sale(1, 1200, "mir-expired")),
    ("55", kit.sale(1, 1200, pin="9999")),
    ("61", kit.sale(1, 100_001, "mir-limited")),
    ("62", kit.sale(1, 1200, "mastercard-magstripe", pin="")),
]


@pytest.mark.parametrize(("code", "asked"), WAYS, ids=[code for code, _ in WAYS])
def test_every_decline_moves_nothing_and_says_why(code: str, asked: AuthorizationRequest) -> None:
    host = bank(stolen() + restricted())
    told = host.handle(asked, kit.NOW)
    assert (told.response_code, told.authorization_code) == (code, "")
    assert told.because
    assert all(kit.moved(host, name) == 0 for name in kit.CARDS)
