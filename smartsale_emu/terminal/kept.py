"""What is kept of a request to the bank, so that it can be undone or told again after a power cut.

The card number is kept sealed under the terminal's storage key and masked, never in clear; PIN and track
never at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from smartsale_emu.payment.authorization import AuthorizationRequest, CardData, Original, Transaction
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.security.protection import KeysHeld, SessionKey
from smartsale_emu.units import CurrencyCode


class Safe(Protocol):
    """The secure part of the pinpad: it encrypts PINs and seals what must not lie in clear.

    What changes of its keys is a value that the memory holds (``KeysHeld``).
    """

    def for_next_message(self, held: KeysHeld) -> KeysHeld:
        """Return what is held once the next message to the bank has keys of its own."""

    def is_used_up(self, held: KeysHeld) -> bool:
        """Tell whether there are no keys for a new message."""

    def pin_block(self, pin: Secret, pan: str, held: KeysHeld) -> SecretBytes:
        """Return the enciphered PIN block of the bank's format, 8 or 16 bytes."""

    def unpredictable_number(self) -> bytes:
        """Return four bytes that nobody can foresee, for a chip to sign."""

    def accepted(self, offered: Iterable[SessionKey], held: KeysHeld) -> KeysHeld:
        """Return what is held after a key change. Raises KeySlotError if a key is not taken."""

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
    ``icc``: DE55 of its reversal, hexadecimal, empty without a chip.
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
    icc: str = ""

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


def keep_request(request: AuthorizationRequest, safe: Safe, icc: str) -> KeptRequest:
    """Return what must be kept of a financial request. ``icc``: DE55 of its reversal, hexadecimal."""
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
        icc=icc,
    )
