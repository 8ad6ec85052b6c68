"""A request to the bank and its answer, in the field's words and in no message format's.

The terminal fills a request, the ISO 8583 dialect of a bank profile writes it, the mock bank reads the same
object back. ``STAN``: 1 to 999999. Dates are naive local dates and times with whole seconds.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from smartsale_emu.pan import mask_pan
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.totals import Totals
from smartsale_emu.payment.transaction import Transaction
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.units import NOTHING, CurrencyCode, MinorUnits

__all__ = [
    "AuthorizationAnswer",
    "AuthorizationRequest",
    "CardData",
    "Original",
    "Step",
    "Totals",
    "Transaction",
]


class Step(StrEnum):
    """What a message to the bank does."""

    FINANCIAL = (
        "financial"  # asks something of an account; its type (0100, 0200, 0220) hangs on the transaction
    )
    REVERSAL = "reversal"  # 0400, repeats 0401: as if the original had never been
    NETWORK = "network"  # 0800: is the bank there
    RECONCILIATION = "reconciliation"  # 0500: closes a batch, totals in hand
    UPLOAD = "upload"  # 0320: an operation of the batch, told again so that the bank can repair its books


@dataclass(frozen=True, slots=True)
class CardData:
    """What a bank message carries of a card. ``expiry`` YYMM; ``sequence`` two digits or empty."""

    pan: str = field(repr=False)
    expiry: str
    entry_mode: EntryMode
    track2: Secret | None = None
    sequence: str = ""
    pin_capable: bool = True

    @property
    def masked(self) -> str:
        """The PAN, masked 6/4."""
        return mask_pan(self.pan)


@dataclass(frozen=True, slots=True)
class Original:
    """The operation that a message refers to: what a reversal undoes, a void or a completion follows.

    ``stan`` and ``sent_at`` are None when the terminal no longer knows them (a return days later); the bank
    then finds the operation by ``rrn``. ``transaction``: None where the message does not tell it.
    """

    transaction: Transaction | None
    stan: int | None
    sent_at: datetime | None
    rrn: str = ""
    authorization_code: str = ""


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """One message from the terminal to the bank.

    ``attempt``: 0 for the first sending, more for repeats of a reversal (0401). ``original``: the operation
    that this one refers to. Of a reversal, ``stan``, ``amount`` and ``card`` are those of the original; an
    upload has a STAN of its own, and ``follows`` is the RRN of what the uploaded void or completion followed.
    ``batch``: number of the operating day, 1 to 999999, 0 for none. ``totals``: only in a reconciliation.
    """

    step: Step
    transaction: Transaction
    stan: int
    sent_at: datetime
    terminal_id: str
    merchant_id: str
    amount: MinorUnits = NOTHING
    currency: CurrencyCode | None = None
    card: CardData | None = None
    pin_block: SecretBytes | None = None
    original: Original | None = None
    attempt: int = 0
    batch: int = 0
    totals: Totals | None = None
    follows: str = ""


@dataclass(frozen=True, slots=True)
class AuthorizationAnswer:
    """The bank's answer. ``response_code`` as the bank wrote it, two or three characters.

    ``totals``: what the bank counts itself, in its answer to a reconciliation. ``balance``: available, minor
    units. ``because``: why the bank decided so, for the trace; it does not travel. ``amount`` and
    ``currency``: the request's, as an answer that was read repeats them, None where it does not; they make
    no other answer of it.
    """

    step: Step
    stan: int
    response_code: str
    rrn: str = ""
    authorization_code: str = ""
    answered_at: datetime | None = None
    terminal_id: str = ""
    totals: Totals | None = None
    balance: MinorUnits | None = None
    because: str = ""
    amount: MinorUnits | None = field(default=None, compare=False)
    currency: CurrencyCode | None = field(default=None, compare=False)
