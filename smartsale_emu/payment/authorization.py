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
from smartsale_emu.security.protection import SessionKey
from smartsale_emu.units import NOTHING, CurrencyCode, MinorUnits

__all__ = [
    "AuthorizationAnswer",
    "AuthorizationRequest",
    "CardData",
    "Original",
    "Sealed",
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
class Sealed:
    """The MAC that a message came with, and the bytes that it covers; not compared with anything yet.

    >>> Sealed(SecretBytes(b"0200"), bytes(8))
    Sealed(covered=SecretBytes(***))
    """

    covered: SecretBytes
    mac: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """One message from the terminal to the bank.

    ``attempt``: 0 for the first sending, more for repeats of a reversal (0401). ``original``: the operation
    that this one refers to. Of a reversal, ``stan``, ``amount`` and ``card`` are those of the original; an
    upload has a STAN of its own, and ``follows`` is the RRN of what the uploaded void or completion followed.
    ``batch``: number of the operating day, 1 to 999999, 0 for none. ``totals``: only in a reconciliation.
    ``icc``: DE55, the chip's data objects. ``ksn``: serial number of the DUKPT key that was used, 10 or 12
    bytes, empty for none. ``sealed``: of a request that was read, its MAC.
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
    icc: SecretBytes | None = None
    ksn: bytes = field(default=b"", repr=False)
    sealed: Sealed | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AuthorizationAnswer:
    """The bank's answer. ``response_code`` as the bank wrote it, two or three characters.

    ``asked_at``: MMDDhhmmss, and ``processing``, six digits: time and processing code of the request, as an
    answer that was read repeats them, empty where it does not.
    ``totals``: what the bank counts itself, in its answer to a reconciliation. ``balance``: available, minor
    units. ``because``: why the bank decided so, for the trace; it does not travel. ``amount`` and
    ``currency``: the request's, as an answer that was read repeats them, None where it does not; they make
    no other answer of it; an ``amount`` that the bank sets is what it approved of the request's. ``icc``:
    DE55, the issuer's data objects. ``keys``: new session keys,
    under the master key. ``sealed``: of an answer that was read, its MAC.
    """

    step: Step
    stan: int
    response_code: str
    rrn: str = ""
    authorization_code: str = ""
    answered_at: datetime | None = None
    terminal_id: str = ""
    asked_at: str = field(default="", compare=False)
    processing: str = field(default="", compare=False)
    totals: Totals | None = None
    balance: MinorUnits | None = None
    because: str = ""
    amount: MinorUnits | None = field(default=None, compare=False)
    currency: CurrencyCode | None = field(default=None, compare=False)
    icc: SecretBytes | None = None
    keys: tuple[SessionKey, ...] = ()
    sealed: Sealed | None = field(default=None, compare=False, repr=False)
