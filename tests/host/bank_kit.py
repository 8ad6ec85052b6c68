"""What the tests of the bank share: profile, cards, keys, and requests made of a few words."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from smartsale_emu.host.bank import Bank
from smartsale_emu.host.ledger import Ledger, MemoryLedger
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    CardData,
    Original,
    Step,
    Totals,
    Transaction,
)
from smartsale_emu.payment.card import TestCard, parse_card
from smartsale_emu.security.keys import KeyRing, parse_key
from smartsale_emu.security.masking import Secret
from smartsale_emu.security.pin_block import encrypt_pin_block
from smartsale_emu.units import RUB, MinorUnits

TOP = Path(__file__).parents[2]
PACKAGE = TOP / "smartsale_emu"
PROFILE_FILE = PACKAGE / "host" / "profiles" / "generic-ascii.toml"
NOW = datetime(2026, 11, 23, 9, 30, 0)


def profile() -> BankProfile:
    return BankProfile.parse(PROFILE_FILE.read_text(encoding="utf-8"), PROFILE_FILE.name)


def cards() -> dict[str, TestCard]:
    files = sorted((PACKAGE / "payment" / "cards").glob("*.toml"))
    return {
        file.stem: parse_card(file.read_text(encoding="utf-8"), name=file.stem, origin=file.name)
        for file in files
    }


def keys() -> KeyRing:
    files = sorted((TOP / "keys").glob("*.toml"))
    return KeyRing(parse_key(file.read_text(encoding="utf-8"), file.name) for file in files)


PROFILE, CARDS, KEYS = profile(), cards(), keys()
PIN_KEY = KEYS.get("terminal-pin").value


def bank(ledger: Ledger | None = None, **rows: object) -> Bank:
    """A bank with all cards; ``rows``: what its profile says instead of ours."""
    changed = replace(PROFILE, **rows)  # type: ignore[arg-type]
    return Bank(changed, CARDS.values(), MemoryLedger() if ledger is None else ledger, KEYS)


def balance(bank: Bank, name: str = "mir-chip") -> int:
    account = bank.account(name)
    assert account is not None
    return account.balance


def moved(bank: Bank, name: str = "mir-chip") -> int:
    """What the account has now and had not at the opening."""
    return balance(bank, name) - CARDS[name].account.balance


def card_data(name: str) -> CardData:
    card = CARDS[name].card
    return CardData(
        pan=card.pan,
        expiry=card.expiry,
        entry_mode=card.entry_mode,
        track2=card.track2,
        sequence=card.sequence,
    )


def sale(
    stan: int, amount: int, name: str = "mir-chip", *, pin: str | None = None, at: datetime = NOW
) -> AuthorizationRequest:
    """A purchase with the card's own PIN; ``pin``: another one, or an empty text for none."""
    card = card_data(name)
    secret = CARDS[name].account.pin if pin is None else Secret(pin)
    return AuthorizationRequest(
        step=Step.FINANCIAL,
        transaction=Transaction.PURCHASE,
        stan=stan,
        sent_at=at,
        terminal_id="00060056",
        merchant_id="111111111",
        amount=MinorUnits(amount),
        currency=RUB,
        card=card,
        pin_block=encrypt_pin_block(secret, card.pan, PIN_KEY) if secret.reveal() else None,
    )


def ask(
    transaction: Transaction,
    stan: int,
    amount: int = 0,
    name: str = "mir-chip",
    *,
    pin: str = "",
    batch: int = 0,
    at: datetime = NOW,
) -> AuthorizationRequest:
    """Any transaction that stands alone, without a PIN unless one is given."""
    return replace(sale(stan, amount, name, pin=pin, at=at), transaction=transaction, batch=batch)


def follow(
    transaction: Transaction,
    stan: int,
    amount: int,
    original: AuthorizationRequest,
    answer: AuthorizationAnswer,
    *,
    batch: int = 0,
    at: datetime = NOW,
    card: bool = True,
) -> AuthorizationRequest:
    """A transaction that follows another, named by STAN, time, RRN and authorization code."""
    return replace(
        original,
        transaction=transaction,
        stan=stan,
        sent_at=at,
        amount=MinorUnits(amount),
        card=original.card if card else None,
        pin_block=None,
        original=Original(None, original.stan, original.sent_at, answer.rrn, answer.authorization_code),
        batch=batch,
    )


def by_rrn(request: AuthorizationRequest) -> AuthorizationRequest:
    """The same follower from a terminal that no longer knows STAN and time."""
    assert request.original is not None
    return replace(request, original=replace(request.original, stan=None, sent_at=None))


def reversal(original: AuthorizationRequest, *, attempt: int = 0) -> AuthorizationRequest:
    return replace(
        original,
        step=Step.REVERSAL,
        sent_at=original.sent_at + timedelta(seconds=40),
        card=replace(original.card, track2=None) if original.card is not None else None,
        pin_block=None,
        original=Original(original.transaction, original.stan, original.sent_at),
        attempt=attempt,
    )


def reconciliation(
    stan: int, batch: int, totals: Totals | None, transaction: Transaction = Transaction.SETTLEMENT
) -> AuthorizationRequest:
    return replace(echo(stan), step=Step.RECONCILIATION, transaction=transaction, batch=batch, totals=totals)


def upload(
    stan: int, told: AuthorizationRequest, rrn: str = "", code: str = "", *, follows: str = ""
) -> AuthorizationRequest:
    """An operation told again at the end of the day."""
    return replace(
        told,
        step=Step.UPLOAD,
        stan=stan,
        sent_at=told.sent_at + timedelta(hours=8),
        card=replace(told.card, track2=None) if told.card is not None else None,
        pin_block=None,
        original=Original(told.transaction, told.stan, told.sent_at, rrn, code),
        follows=follows,
    )


def echo(stan: int = 1) -> AuthorizationRequest:
    return AuthorizationRequest(
        step=Step.NETWORK,
        transaction=Transaction.ECHO,
        stan=stan,
        sent_at=NOW,
        terminal_id="00060056",
        merchant_id="111111111",
    )
