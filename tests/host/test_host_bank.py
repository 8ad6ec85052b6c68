"""The bank's decisions, code by code, and what it does with repeats and reversals."""

from dataclasses import replace
from datetime import datetime, timedelta

import bank_kit as kit
import pytest
from bank_kit import balance

from smartsale_emu.errors import KeySlotError
from smartsale_emu.host.bank import Bank
from smartsale_emu.host.ledger import MemoryLedger, OperationState
from smartsale_emu.payment.authorization import AuthorizationRequest, Step, Transaction
from smartsale_emu.security.keys import KeyRing
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.units import CurrencyCode, MinorUnits

LATER = kit.NOW + timedelta(minutes=5)


def unknown_card() -> AuthorizationRequest:
    request = kit.sale(1, 100, pin="")
    assert request.card is not None
    return replace(request, card=replace(request.card, pan="4111111111111111"))


def garbled_pin_block() -> AuthorizationRequest:
    return replace(kit.sale(1, 100), pin_block=SecretBytes(bytes(8)))


def wrong_expiry() -> AuthorizationRequest:
    request = kit.sale(1, 100)
    assert request.card is not None
    return replace(request, card=replace(request.card, expiry="3011"))


DECISIONS: list[tuple[str, AuthorizationRequest, str, str]] = [
    ("approved", kit.sale(1, 1200), "00", "9998800 left"),
    ("the whole balance", kit.sale(1, 1000, "mir-poor"), "00", "0 left"),
    ("contactless, no PIN", kit.sale(1, 1200, "mir-contactless", pin=""), "00", "approved"),
    ("contactless with PIN", kit.sale(1, 1200, "mir-contactless"), "00", "approved"),
    ("stripe, no PIN", kit.sale(1, 1200, "mastercard-magstripe", pin=""), "00", "approved"),
    ("at the limit", kit.sale(1, 100_000, "mir-limited"), "00", "approved"),
    ("refused by the issuer", kit.sale(1, 1200, "visa-do-not-honour"), "05", "forces"),
    ("another currency", replace(kit.sale(1, 1200), currency=CurrencyCode("840")), "05", "kept in 643"),
    ("nothing", kit.sale(1, 0), "13", "nothing"),
    ("unknown to the bank", unknown_card(), "14", "no account"),
    ("unknown by its file", kit.sale(1, 1200, "mir-unknown"), "14", "forces"),
    ("blocked", kit.sale(1, 1200, "mir-blocked"), "41", "lost or stolen"),
    ("poor", kit.sale(1, 1001, "mir-poor"), "51", "1000 on the account"),
    ("expired", kit.sale(1, 1200, "mir-expired"), "54", "2401"),
    ("another expiry date", wrong_expiry(), "54", "not the card's"),
    ("wrong PIN", kit.sale(1, 1200, pin="9999"), "55", "2 tries left"),
    ("no PIN", kit.sale(1, 1200, pin=""), "55", "none was sent"),
    ("over the limit", kit.sale(1, 100_001, "mir-limited"), "61", "100000 at most"),
    ("issuer down", kit.sale(1, 1200, "mir-issuer-down"), "91", "forces"),
    ("issuer broken", kit.sale(1, 1200, "mir-system-error"), "96", "forces"),
    ("PIN block of another key", garbled_pin_block(), "81", "another key"),
    ("no card", replace(kit.sale(1, 1200), card=None), "96", "without a card"),
    ("no purchase", replace(kit.sale(1, 1200), transaction=Transaction.ECHO), "96", "asks nothing"),
]


@pytest.mark.parametrize(
    ("request_", "code", "because"), [row[1:] for row in DECISIONS], ids=[row[0] for row in DECISIONS]
)
def test_every_decision(request_: AuthorizationRequest, code: str, because: str) -> None:
    ledger = MemoryLedger()
    answer = kit.bank(ledger).handle(request_, LATER)
    assert (answer.response_code, answer.stan, answer.step) == (code, 1, Step.FINANCIAL)
    assert because in answer.because
    assert answer.rrn == "632709000001"
    assert answer.authorization_code == ("314159" if code == "00" else "")
    (held,) = ledger.operations()
    assert held.state is (OperationState.APPROVED if code == "00" else OperationState.DECLINED)
    assert held.response_code == code


def test_a_card_is_good_until_its_month_ends() -> None:
    bank = kit.bank()
    assert bank.handle(kit.sale(1, 100), datetime(2030, 12, 31, 23, 59, 59)).response_code == "00"
    assert bank.handle(kit.sale(2, 100), datetime(2031, 1, 1)).response_code == "54"


def test_three_wrong_pins_block_and_a_right_one_gives_the_tries_back() -> None:
    bank = kit.bank()
    codes = []
    for stan, pin in enumerate(["0000", "0001", "1234", "0002", "0003", "0004", "1234", ""], start=1):
        codes.append(bank.handle(kit.sale(stan, 100, pin=pin), LATER).response_code)
    assert codes == ["55", "55", "00", "55", "55", "55", "75", "75"]


def test_a_right_pin_counts_even_when_the_money_is_short() -> None:
    bank = kit.bank()
    bank.handle(kit.sale(1, 100, "mir-poor", pin="0000"), LATER)
    assert bank.handle(kit.sale(2, 9999, "mir-poor"), LATER).response_code == "51"
    account = bank.account("mir-poor")
    assert account is not None
    assert account.pin_tries_left == 3


def test_a_missing_pin_takes_no_try() -> None:
    bank = kit.bank()
    for stan in range(1, 6):
        assert bank.handle(kit.sale(stan, 100, pin=""), LATER).response_code == "55"
    assert bank.handle(kit.sale(6, 100), LATER).response_code == "00"


def test_a_repeat_gets_the_same_answer_and_moves_nothing() -> None:
    ledger = MemoryLedger()
    bank = kit.bank(ledger)
    first = bank.handle(kit.sale(1, 1200), kit.NOW)
    assert bank.handle(kit.sale(1, 1200), LATER) == first
    assert balance(bank) == 10_000_000 - 1200
    assert len(ledger.operations()) == 1


def test_a_repeat_of_a_wrong_pin_takes_one_try_only() -> None:
    bank = kit.bank()
    for _ in range(5):
        assert bank.handle(kit.sale(1, 1200, pin="0000"), LATER).response_code == "55"
    assert bank.handle(kit.sale(2, 1200), LATER).response_code == "00"


def test_the_same_number_with_another_amount_is_refused() -> None:
    bank = kit.bank()
    bank.handle(kit.sale(1, 1200), kit.NOW)
    assert bank.handle(kit.sale(1, 1300), kit.NOW).response_code == "94"
    assert bank.handle(kit.sale(1, 1200, "mir-contactless"), kit.NOW).response_code == "94"
    assert balance(bank) == 10_000_000 - 1200


def test_the_same_number_at_another_time_is_another_operation() -> None:
    bank = kit.bank()
    bank.handle(kit.sale(1, 1200), kit.NOW)
    assert bank.handle(kit.sale(1, 1300, at=LATER), LATER).response_code == "00"
    assert balance(bank) == 10_000_000 - 2500


def test_a_reversal_gives_the_money_back_once_and_is_answered_alike() -> None:
    ledger = MemoryLedger()
    bank = kit.bank(ledger)
    original = kit.sale(1, 1200)
    approval = bank.handle(original, kit.NOW)
    first = bank.handle(kit.reversal(original), LATER)
    again = [bank.handle(kit.reversal(original, attempt=n), LATER + timedelta(hours=n)) for n in range(1, 4)]
    assert first.response_code == "00"
    assert (first.rrn, first.authorization_code) == (approval.rrn, approval.authorization_code)
    assert again == [first] * 3
    assert balance(bank) == 10_000_000
    (held,) = ledger.operations()
    assert (held.state, held.reversal_count, held.reversed_at) == (OperationState.REVERSED, 4, LATER)


def test_a_reversal_of_a_decline_changes_nothing() -> None:
    ledger = MemoryLedger()
    bank = kit.bank(ledger)
    original = kit.sale(1, 1001, "mir-poor")
    bank.handle(original, kit.NOW)
    answers = [bank.handle(kit.reversal(original, attempt=n), LATER) for n in range(3)]
    assert [answer.response_code for answer in answers] == ["00"] * 3
    assert ledger.operations()[0].state is OperationState.DECLINED
    assert balance(bank, "mir-poor") == 1000


def test_a_reversal_that_overtakes_its_original_is_remembered() -> None:
    ledger = MemoryLedger()
    bank = kit.bank(ledger)
    original = kit.sale(1, 1200)
    first = bank.handle(kit.reversal(original), kit.NOW)
    assert first.response_code == kit.PROFILE.reversal_of_unknown == "25"
    assert bank.handle(kit.reversal(original, attempt=1), LATER) == first
    late = bank.handle(original, LATER)
    assert (late.response_code, late.authorization_code) == (kit.PROFILE.late_original, "")
    assert bank.handle(original, LATER + timedelta(minutes=1)) == late
    assert bank.handle(kit.reversal(original, attempt=2), LATER) == first
    assert balance(bank) == 10_000_000
    (held,) = ledger.operations()
    assert (held.state, held.reversal_count) == (OperationState.REVERSED_EARLY, 3)


def test_an_original_repeated_after_its_reversal_is_declined() -> None:
    bank = kit.bank()
    original = kit.sale(1, 1200)
    bank.handle(original, kit.NOW)
    bank.handle(kit.reversal(original), LATER)
    assert bank.handle(original, LATER).response_code == kit.PROFILE.late_original
    assert balance(bank) == 10_000_000


def test_a_reversal_with_another_amount_or_card_moves_nothing() -> None:
    bank = kit.bank()
    original = kit.sale(1, 1200)
    bank.handle(original, kit.NOW)
    wrong_amount = replace(kit.reversal(original), amount=MinorUnits(1100))
    wrong_card = replace(kit.reversal(original), card=kit.card_data("visa-chip"))
    assert bank.handle(wrong_amount, LATER).response_code == "94"
    assert bank.handle(wrong_card, LATER).response_code == "94"
    assert balance(bank) == 10_000_000 - 1200
    assert bank.handle(kit.reversal(original), LATER).response_code == "00"


def test_a_reversal_of_nothing_is_a_system_error() -> None:
    assert (
        kit.bank().handle(replace(kit.reversal(kit.sale(1, 1)), original=None), LATER).response_code == "96"
    )


def test_a_reversal_for_an_account_that_has_gone_is_a_system_error_and_is_not_forgotten() -> None:
    original = kit.sale(1, 1200)
    forgetful = _ForgetsAccounts()
    kit.bank(forgetful).handle(original, kit.NOW)
    without_cards = Bank(kit.PROFILE, [], forgetful, kit.KEYS)
    answer = without_cards.handle(kit.reversal(original), LATER)
    assert answer.response_code == "96"
    assert "mir-chip" in answer.because
    assert forgetful.operations()[0].state is OperationState.APPROVED


class _ForgetsAccounts(MemoryLedger):
    def account(self, name: str) -> None:
        return None


def test_a_link_test_leaves_no_trace_in_the_ledger() -> None:
    ledger = MemoryLedger()
    answer = kit.bank(ledger).handle(kit.echo(7), LATER)
    assert (answer.step, answer.stan, answer.response_code) == (Step.NETWORK, 7, "00")
    assert ledger.operations() == ()


def test_a_bank_without_its_pin_key_does_not_start() -> None:
    with pytest.raises(KeySlotError, match="terminal-pin"):
        Bank(kit.PROFILE, [], MemoryLedger(), KeyRing())


def test_a_forced_approval_moves_money_and_a_reversal_gives_it_back() -> None:
    card = kit.CARDS["mir-poor"]
    generous = replace(card, account=replace(card.account, force="00"))
    bank = Bank(kit.PROFILE, [generous], MemoryLedger(), kit.KEYS)
    original = kit.sale(1, 1500, "mir-poor")
    assert bank.handle(original, kit.NOW).response_code == "00"
    assert balance(bank, "mir-poor") == -500
    bank.handle(kit.reversal(original), LATER)
    assert balance(bank, "mir-poor") == 1000


def test_only_accounts_that_changed_are_kept() -> None:
    ledger = MemoryLedger()
    bank = kit.bank(ledger)
    bank.handle(kit.sale(1, 100, "mir-blocked"), kit.NOW)
    bank.handle(kit.sale(2, 100, "mir-chip"), kit.NOW)
    assert [account.name for account in ledger.accounts()] == ["mir-chip"]


def test_the_ledger_holds_no_card_number_and_no_pin() -> None:
    ledger = MemoryLedger()
    bank = kit.bank(ledger)
    requests = [kit.sale(1, 100), kit.sale(2, 100, pin="7531"), unknown_card()]
    for request in [*requests, kit.reversal(kit.sale(9, 100))]:
        bank.handle(request, LATER)
    held = repr(ledger.operations())
    for secret in ("2200123456789019", "4111111111111111", "7531", "2200123456789019="):
        assert secret not in held
    assert "220012******9019" in held
