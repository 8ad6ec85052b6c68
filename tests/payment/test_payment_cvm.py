"""The card's list of cardholder verification methods, walked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.payment.cvm import (
    CashKind,
    CvmFacts,
    CvmList,
    CvmMethod,
    CvmOutcome,
    CvmResult,
    CvmRule,
    choose_cvm,
)
from smartsale_emu.payment.verification import NO_FINDINGS, Tsi, Tvr
from smartsale_emu.units import MinorUnits

USUAL = "42031E031F03"
AMOUNT = MinorUnits(10000)


def chosen(rules: str, facts: CvmFacts | None = None, amounts: str = "00000000 00000000") -> CvmResult:
    return choose_cvm(CvmList.parse(bytes.fromhex(amounts + rules)), facts or CvmFacts(AMOUNT))


def said(result: CvmResult) -> tuple[CvmOutcome, str, Tvr]:
    return result.outcome, result.encode().hex().upper(), result.tvr


PIN = (CvmOutcome.ONLINE_PIN, Tvr.ONLINE_PIN_ENTERED)
NO_PIN_PAD, FAILED = Tvr.PIN_PAD_MISSING, Tvr.CVM_FAILED
WALKS = {
    "online PIN": (USUAL, CvmFacts(AMOUNT), PIN[0], "420300", PIN[1]),
    "online PIN, no way on": ("0203", CvmFacts(AMOUNT), PIN[0], "020300", PIN[1]),
    "signature": (USUAL, CvmFacts(AMOUNT, online_pin=False), CvmOutcome.SIGNATURE, "1E0300", NO_FINDINGS),
    "no CVM": (
        USUAL,
        CvmFacts(AMOUNT, online_pin=False, signature=False),
        CvmOutcome.NO_CVM,
        "1F0302",
        NO_FINDINGS,
    ),
    "nothing supported": (
        USUAL,
        CvmFacts(AMOUNT, online_pin=False, signature=False, no_cvm=False),
        CvmOutcome.FAILED,
        "3F0001",
        FAILED,
    ),
    "PIN pad missing, go on": (
        "42001E00",
        CvmFacts(AMOUNT, online_pin=False),
        CvmOutcome.SIGNATURE,
        "1E0000",
        NO_PIN_PAD,
    ),
    "PIN pad missing, stop": (
        "02001E00",
        CvmFacts(AMOUNT, online_pin=False),
        CvmOutcome.FAILED,
        "020001",
        NO_PIN_PAD | FAILED,
    ),
    "offline PIN, go on": ("41004200", CvmFacts(AMOUNT), PIN[0], "420000", NO_PIN_PAD | PIN[1]),
    "offline PIN if supported": ("01034203", CvmFacts(AMOUNT), PIN[0], "420300", PIN[1]),
    "the list ends": ("5E00", CvmFacts(AMOUNT, signature=False), CvmOutcome.FAILED, "5E0001", FAILED),
    "fail": ("00001F00", CvmFacts(AMOUNT), CvmOutcome.FAILED, "000001", FAILED),
    "fail, go on": ("40001F00", CvmFacts(AMOUNT), CvmOutcome.NO_CVM, "1F0002", NO_FINDINGS),
    "unknown, go on": ("60001F00", CvmFacts(AMOUNT), CvmOutcome.NO_CVM, "1F0002", Tvr.CVM_UNKNOWN),
    "unknown, stop": ("20001F00", CvmFacts(AMOUNT), CvmOutcome.FAILED, "200001", Tvr.CVM_UNKNOWN | FAILED),
    "unknown condition": ("020A02801F00", CvmFacts(AMOUNT), CvmOutcome.NO_CVM, "1F0002", NO_FINDINGS),
}


@pytest.mark.parametrize(("rules", "facts", "outcome", "results", "tvr"), WALKS.values(), ids=WALKS)
def test_the_list_is_walked(rules: str, facts: CvmFacts, outcome: CvmOutcome, results: str, tvr: Tvr) -> None:
    assert said(chosen(rules, facts)) == (outcome, results, tvr)


GOODS, CASH, CASHBACK = (
    CvmFacts(AMOUNT),
    CvmFacts(AMOUNT, cash=CashKind.CASH),
    CvmFacts(AMOUNT, cash=CashKind.CASHBACK),
)
MACHINE = CvmFacts(AMOUNT, cash=CashKind.CASH, unattended=True)
VENDING = CvmFacts(AMOUNT, unattended=True)
CONDITIONS = {
    "00": [GOODS, CASH, CASHBACK, MACHINE, VENDING],
    "01": [MACHINE],
    "02": [GOODS, VENDING],
    "03": [GOODS, CASH, CASHBACK, MACHINE, VENDING],
    "04": [CASH],
    "05": [CASHBACK],
    "0A": [],
}


@pytest.mark.parametrize(("condition", "met"), CONDITIONS.items())
def test_conditions_of_cash(condition: str, met: list[CvmFacts]) -> None:
    counted = [
        facts
        for facts in (GOODS, CASH, CASHBACK, MACHINE, VENDING)
        if chosen("02" + condition + "1F00", facts).outcome is CvmOutcome.ONLINE_PIN
    ]
    assert counted == met


X_AND_Y = "000003E8 000007D0"
AMOUNTS = {"06": [999], "07": [1001, 1999, 2000, 2001], "08": [999, 1000, 1001, 1999], "09": [2001]}


@pytest.mark.parametrize(("condition", "met"), AMOUNTS.items())
def test_conditions_of_amounts_count_in_the_currency_of_the_card(condition: str, met: list[int]) -> None:
    def counts(amount: int, *, own: bool) -> bool:
        facts = CvmFacts(MinorUnits(amount), card_currency=own)
        return chosen("02" + condition + "1F00", facts, X_AND_Y).outcome is CvmOutcome.ONLINE_PIN

    amounts = (999, 1000, 1001, 1999, 2000, 2001)
    assert [amount for amount in amounts if counts(amount, own=True)] == met
    assert not any(counts(amount, own=False) for amount in amounts)


LIMIT = MinorUnits(300_000)
CONTACTLESS = {
    "up to the limit": (USUAL, 300_000, True, "1F0302"),
    "up to the limit, no such rule": ("0203", 300_000, True, "1F0002"),
    "above it": (USUAL, 300_001, True, "420300"),
    "above it, no PIN pad": ("42031F00", 300_001, False, "1F0001"),
}


@pytest.mark.parametrize(("rules", "amount", "pin", "results"), CONTACTLESS.values(), ids=CONTACTLESS)
def test_contactless_needs_nothing_up_to_the_limit(rules: str, amount: int, pin: bool, results: str) -> None:
    facts = CvmFacts(MinorUnits(amount), online_pin=pin, contactless_limit=LIMIT)
    assert chosen(rules, facts).encode().hex().upper() == results


@pytest.mark.parametrize("size", [0, 8, 9, 11, 253, 254])
def test_a_list_of_a_wrong_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="10 to 252"):
        CvmList.parse(bytes(size))


@given(
    st.binary(min_size=2, max_size=60).filter(lambda rules: len(rules) % 2 == 0),
    st.binary(min_size=8, max_size=8),
)
def test_any_list_reads_back_and_has_an_outcome(rules: bytes, amounts: bytes) -> None:
    read = CvmList.parse(amounts + rules)
    assert read.encode() == amounts + rules
    result = choose_cvm(read, CvmFacts(AMOUNT))
    assert (result.outcome is CvmOutcome.FAILED) == bool(result.tvr & Tvr.CVM_FAILED)
    assert (result.outcome is CvmOutcome.ONLINE_PIN) == bool(result.tvr & Tvr.ONLINE_PIN_ENTERED)


def test_a_rule_tells_its_method() -> None:
    assert (CvmRule(0x5E, 0).method, CvmRule(0x5E, 0).goes_on) == (CvmMethod.SIGNATURE, True)
    assert (CvmRule(0x06, 0).method, CvmRule(0x06, 0).goes_on) == (None, False)


BITS = {
    "8000048000": Tvr.ODA_NOT_PERFORMED | Tvr.ONLINE_PIN_ENTERED | Tvr.FLOOR_LIMIT_EXCEEDED,
    "7C00000000": Tvr.SDA_FAILED | Tvr.DATA_MISSING | Tvr.ON_EXCEPTION_FILE | Tvr.DDA_FAILED | Tvr.CDA_FAILED,
    "00F8000000": Tvr.VERSION_DIFFERS
    | Tvr.EXPIRED
    | Tvr.NOT_YET_EFFECTIVE
    | Tvr.SERVICE_NOT_ALLOWED
    | Tvr.NEW_CARD,
    "0000800000": Tvr.CVM_FAILED,
    "0000400000": Tvr.CVM_UNKNOWN,
    "0000200000": Tvr.PIN_TRY_LIMIT,
    "0000100000": Tvr.PIN_PAD_MISSING,
    "0000080000": Tvr.PIN_NOT_ENTERED,
    "0000006000": Tvr.LOWER_CONSECUTIVE_LIMIT | Tvr.UPPER_CONSECUTIVE_LIMIT,
    "0000001000": Tvr.RANDOM_ONLINE,
    "0000000800": Tvr.FORCED_ONLINE,
    "0000000080": Tvr.DEFAULT_TDOL,
    "0000000040": Tvr.ISSUER_AUTHENTICATION_FAILED,
    "0000000020": Tvr.SCRIPT_FAILED_BEFORE,
    "0000000010": Tvr.SCRIPT_FAILED_AFTER,
}


@pytest.mark.parametrize(("written", "bits"), BITS.items())
def test_bits_of_the_tvr(written: str, bits: Tvr) -> None:
    assert bits.encode().hex().upper() == written
    assert Tvr.parse(bytes.fromhex(written)) == bits


def test_bits_of_the_tsi() -> None:
    written = {bit.name: bit.encode().hex().upper() for bit in Tsi}
    assert written == {
        "ODA_DONE": "8000",
        "CVM_DONE": "4000",
        "CARD_RISK_DONE": "2000",
        "ISSUER_AUTHENTICATION_DONE": "1000",
        "TERMINAL_RISK_DONE": "0800",
        "SCRIPT_DONE": "0400",
    }


def test_bits_without_a_name_are_kept_and_the_size_is_checked() -> None:
    assert Tvr.parse(b"\xff" * 5).encode() == b"\xff" * 5
    for size in (4, 6):
        with pytest.raises(ValueError, match="5 bytes"):
            Tvr.parse(bytes(size))
    with pytest.raises(ValueError, match="2 bytes"):
        Tsi.parse(bytes(5))
