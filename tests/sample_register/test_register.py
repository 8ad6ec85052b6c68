"""Five tests of a register, to be copied: a newcomer's way into the fixtures."""

from collections.abc import Iterator

import pytest
from register import AMOUNT, CODE, CURRENCY, OPERATION, RRN, SETTLEMENT, STATUS, VOID, Register

from smartsale_emu.control import Pinpad
from smartsale_emu.control.bank import BankDesk


@pytest.fixture
def register(pinpad: Pinpad) -> Iterator[Register]:
    with Register(pinpad.port, patience=5) as register:
        yield register


def test_a_sale_with_a_pin(pinpad: Pinpad, bank: BankDesk, register: Register) -> None:
    pinpad.insert("mir-chip", pin="1234")
    assert register.pay(10000)[STATUS] == "1"
    sale = pinpad.expect_sale(amount="100.00")
    assert sale.approved
    assert [row.rrn for row in bank.ledger] == [sale.rrn]


def test_a_sale_that_the_bank_declines(pinpad: Pinpad, bank: BankDesk, register: Register) -> None:
    pinpad.insert("mir-chip", pin="1234")
    bank.decline("51")  # not enough money
    assert register.pay(10000)[STATUS] == "16"
    assert bank.net == 0


def test_an_answer_that_the_line_loses(pinpad: Pinpad, bank: BankDesk) -> None:
    pinpad.insert("mir-chip", pin="1234")
    pinpad.fault("line: drop final")
    with Register(pinpad.port, patience=1) as register:
        answer = register.pay(10000)
    assert (answer[OPERATION], answer[STATUS]) == ("53", "1")  # the emergency reversal
    assert not pinpad.expect_sale("100.00").answer
    pinpad.expect_reversal("100.00")
    assert bank.net == 0


def test_a_void(pinpad: Pinpad, bank: BankDesk, register: Register) -> None:
    pinpad.insert("mir-chip", pin="1234")
    sale = register.pay(10000)
    before = bank.balance("mir-chip")
    void = {AMOUNT: "10000", CURRENCY: "643", CODE: sale[CODE], RRN: sale[RRN], OPERATION: str(VOID)}
    assert register.ask(void)[STATUS] == "1"
    pinpad.expect_sale("100.00")
    pinpad.expect_void("100.00")
    assert bank.balance("mir-chip") - before == 10000


@pytest.mark.pinpad(card="mir-contactless")
def test_a_settlement(pinpad: Pinpad, register: Register) -> None:
    register.pay(10000)
    register.pay(2550)
    assert register.ask({OPERATION: str(SETTLEMENT)})[STATUS] == "1"
    pinpad.expect_sale("100.00")
    pinpad.expect_sale("25.50")
    assert "125.50" in pinpad.expect_settlement().receipt
