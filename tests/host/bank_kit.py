"""What the tests of the bank share: profile, cards, keys, and requests made of a few words."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from smartsale_emu.host.bank import Bank
from smartsale_emu.host.ledger import Ledger, MemoryLedger
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.payment.authorization import AuthorizationRequest, CardData, Original, Step, Transaction
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


def bank(ledger: Ledger | None = None) -> Bank:
    return Bank(PROFILE, CARDS.values(), MemoryLedger() if ledger is None else ledger, KEYS)


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


def reversal(original: AuthorizationRequest, *, attempt: int = 0) -> AuthorizationRequest:
    assert original.card is not None
    return replace(
        original,
        step=Step.REVERSAL,
        sent_at=original.sent_at + timedelta(seconds=40),
        card=replace(original.card, track2=None),
        pin_block=None,
        original=Original(Step.FINANCIAL, original.stan, original.sent_at),
        attempt=attempt,
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
