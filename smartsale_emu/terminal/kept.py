"""What is kept of a request to the bank, so that it can be undone or told again after a power cut.

The card number is kept sealed under the terminal's storage key and masked, never in clear; PIN and track
never at all.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from smartsale_emu.payment.authorization import AuthorizationRequest, CardData, Original, Transaction
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.units import CurrencyCode


class Safe(Protocol):
    """The secure part of the pinpad: it encrypts PINs and seals what must not lie in clear."""

    def pin_block(self, pin: Secret, pan: str) -> SecretBytes:
        """Return the ISO 9564 format 0 block under the PIN key, 8 bytes."""

    def seal(self, text: str) -> str:
        """Return the text under the storage key, in printable characters."""

    def unseal(self, sealed: str) -> str:
        """Return the text of a sealed one. Raises StateError if it was sealed under another key."""


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """A financial request, in words that a file can hold.

    ``amount`` in minor units; ``currency`` empty for none; ``expiry`` YYMM; ``batch``: of its operating day.
    Without a card ``masked_pan``, ``sealed_pan`` and ``expiry`` are empty; ``sealed_pan`` opens with the
    terminal's storage key only. ``follows``: the RRN of the operation that it refers to, empty for none.
    """

    transaction: Transaction
    terminal_id: str
    merchant_id: str
    stan: int
    sent_at: str  # ISO 8601, local
    amount: int
    currency: str
    masked_pan: str
    sealed_pan: str
    expiry: str
    sequence: str
    entry_mode: EntryMode
    pin_capable: bool
    batch: int = 0
    follows: str = ""

    def card(self, safe: Safe) -> CardData | None:
        """Return the card as a later message carries it, without track."""
        if not self.sealed_pan:
            return None
        return CardData(
            pan=safe.unseal(self.sealed_pan),
            expiry=self.expiry,
            entry_mode=self.entry_mode,
            sequence=self.sequence,
            pin_capable=self.pin_capable,
        )

    def as_original(self, rrn: str, authorization_code: str) -> Original:
        """Return this request as the one that a later message refers to."""
        return Original(
            self.transaction,
            self.stan,
            datetime.fromisoformat(self.sent_at),
            rrn=rrn,
            authorization_code=authorization_code,
        )

    @property
    def money(self) -> CurrencyCode | None:
        """The currency, None if none was given."""
        return CurrencyCode(self.currency) if self.currency else None


def keep_request(request: AuthorizationRequest, safe: Safe) -> KeptRequest:
    """Return what must be kept of a financial request."""
    card = request.card
    return KeptRequest(
        transaction=request.transaction,
        terminal_id=request.terminal_id,
        merchant_id=request.merchant_id,
        stan=request.stan,
        sent_at=request.sent_at.isoformat(),
        amount=request.amount,
        currency=request.currency or "",
        masked_pan=card.masked if card else "",
        sealed_pan=safe.seal(card.pan) if card else "",
        expiry=card.expiry if card else "",
        sequence=card.sequence if card else "",
        entry_mode=card.entry_mode if card else EntryMode.MANUAL,
        pin_capable=card.pin_capable if card else True,
        batch=request.batch,
        follows=request.original.rrn if request.original else "",
    )
