"""A request to the bank and its answer, in the field's words and in no message format's.

The terminal fills a request, the ISO 8583 dialect of a bank profile writes it, the mock bank reads the same
object back. ``STAN``: 1 to 999999. Dates are naive local dates and times with whole seconds.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from smartsale_emu.pan import mask_pan
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.units import NOTHING, CurrencyCode, MinorUnits


class Step(StrEnum):
    """What a message to the bank does."""

    FINANCIAL = "financial"  # 0200: money moves if it is approved
    REVERSAL = "reversal"  # 0400, repeats 0401: as if the original had never been
    NETWORK = "network"  # 0800: is the bank there


class Transaction(StrEnum):
    """What is asked of the issuer; the bank profile maps it to a processing code (DE3)."""

    PURCHASE = "purchase"
    ECHO = "echo"


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
    """The operation that a reversal undoes: step, STAN, transmission date and time, what the bank gave."""

    step: Step
    stan: int
    sent_at: datetime
    rrn: str = ""
    authorization_code: str = ""


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """One message from the terminal to the bank.

    ``attempt``: 0 for the first sending, more for repeats of a reversal (0401).
    ``original``: only in a reversal, whose ``stan``, ``amount``, ``card`` are those of the original.
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


@dataclass(frozen=True, slots=True)
class AuthorizationAnswer:
    """The bank's answer. ``response_code`` as the bank wrote it, two or three characters.

    ``because``: why the bank decided so, for the trace; it does not travel.
    """

    step: Step
    stan: int
    response_code: str
    rrn: str = ""
    authorization_code: str = ""
    answered_at: datetime | None = None
    terminal_id: str = ""
    because: str = ""
