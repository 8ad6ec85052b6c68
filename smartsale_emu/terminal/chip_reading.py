"""What the terminal finds out by reading a chip, before the chip signs anything (EMV Book 3, 10.4 to 10.7).

Restrictions, the way to verify the cardholder, and what follows from both: pure functions over the card, the
request and the profile. The terminal's floor limit is zero, and offline data authentication is not performed.
"""

from dataclasses import dataclass
from datetime import date

from smartsale_emu.payment.action_analysis import TERMINAL_ACTION_CODES, first_request, restrictions
from smartsale_emu.payment.card import Card, EntryMode
from smartsale_emu.payment.chip import Chip, Cryptogram
from smartsale_emu.payment.chip_data import CryptogramKind, TerminalData
from smartsale_emu.payment.cvm import NOT_PERFORMED, CashKind, CvmFacts, CvmMethod, CvmOutcome, CvmResult
from smartsale_emu.payment.transaction import Transaction
from smartsale_emu.payment.verification import NO_STEPS, Tsi, Tvr
from smartsale_emu.terminal.operations import PinNeed
from smartsale_emu.terminal.profile import TerminalProfile
from smartsale_emu.terminal.requests import Request
from smartsale_emu.units import NOTHING, RUB

HOME = "643"
"""Country of the terminal, ISO 3166 numeric."""

ALWAYS_FOUND = Tvr.ODA_NOT_PERFORMED | Tvr.FLOOR_LIMIT_EXCEEDED
"""What this terminal finds of every chip."""

_PIN_BY_RULE = CvmResult(CvmOutcome.ONLINE_PIN, CvmMethod.ONLINE_PIN, 0, 0, Tvr.ONLINE_PIN_ENTERED)
"""The profile asks for the PIN, whatever the card's list says."""

_TYPES = {
    Transaction.CASH: "01",
    Transaction.RETURN: "20",
    Transaction.TOP_UP: "21",
    Transaction.BALANCE: "31",
}
"""Transaction type (9C), the first two digits of a processing code; all others are goods or services."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One chip in the reader, and how far it has come.

    ``tvr``: what was found before the bank is asked; a PIN that is asked for counts as entered. ``first`` and
    ``second``: the cryptograms, with ``data`` that they are made over. A tapped chip makes no second.
    """

    chip: Chip
    tapped: bool
    cvm: CvmResult
    tvr: Tvr
    data: TerminalData | None = None
    first: Cryptogram | None = None
    second: Cryptogram | None = None

    @property
    def wants(self) -> CryptogramKind:
        """What the terminal asks for at first: AAC refuses, ARQC asks the bank.

        Never TC: that offline data authentication was not performed sends every payment online.
        """
        cards = self.chip.profile.action_codes
        return first_request(self.tvr, card=cards, terminal=TERMINAL_ACTION_CODES)

    @property
    def asks_pin(self) -> bool:
        """Whether the cardholder must give a PIN."""
        return self.cvm.outcome is CvmOutcome.ONLINE_PIN

    @property
    def tvr_at_the_end(self) -> Tvr:
        """The TVR as the slip tells it: with what the second cryptogram brought."""
        return self.second.tvr if self.second else self.tvr

    @property
    def tsi(self) -> Tsi:
        """The steps that were taken."""
        done = Tsi.TERMINAL_RISK_DONE
        done |= NO_STEPS if self.cvm == NOT_PERFORMED else Tsi.CVM_DONE
        for made in (self.first, self.second):
            done |= made.tsi if made else NO_STEPS
        return done


def read_chip(
    chip: Chip, card: Card, request: Request, profile: TerminalProfile, *, need: PinNeed, on: date
) -> Reading:
    """Return what is found before the chip signs. ``need``: the profile's word about the PIN."""
    cash = CashKind.CASH if request.operation.transaction is Transaction.CASH else CashKind.NONE
    tapped, country = card.entry_mode is EntryMode.CONTACTLESS, chip.profile.country
    found = restrictions(
        usage_control=chip.profile.usage_control,
        domestic=country == HOME,
        cash=cash,
        expiry=card.expiry,
        on=on,
    )
    facts = CvmFacts(
        amount=request.amount or NOTHING,
        card_currency=(request.currency or RUB) == country,  # 643 is both country and currency
        unattended=profile.vending.begins,
        cash=cash,
        contactless_limit=profile.rules.no_pin_limit if tapped else None,
    )
    cvm = _cvm(chip, facts, need)
    return Reading(chip, tapped, cvm, found | cvm.tvr | ALWAYS_FOUND)


def terminal_data(
    reading: Reading, request: Request, profile: TerminalProfile, *, on: date, unpredictable: bytes, stan: int
) -> TerminalData:
    """Return what the terminal tells the chip. ``unpredictable``: four bytes; ``stan``: 1 to 999999."""
    return TerminalData(
        amount=request.amount or NOTHING,
        on=on,
        unpredictable=unpredictable,
        tvr=reading.tvr,
        cvm=reading.cvm,
        transaction_type=_TYPES.get(request.operation.transaction, "00"),
        currency=request.currency or RUB,
        country=HOME,
        terminal_type="25" if profile.vending.begins else "22",
        serial=profile.terminal_id,
        counter=stan,
    )


def _cvm(chip: Chip, facts: CvmFacts, need: PinNeed) -> CvmResult:
    if need is PinNeed.NEVER:
        return NOT_PERFORMED
    chosen = chip.profile.choose_cvm(facts)
    return _PIN_BY_RULE if need is PinNeed.ALWAYS and chosen.outcome is not CvmOutcome.ONLINE_PIN else chosen


def words(tvr: Tvr) -> str:
    """Return what a TVR says, for the trace.

    >>> words(Tvr.EXPIRED | Tvr.SERVICE_NOT_ALLOWED), words(Tvr(0))
    ('expired, service not allowed', 'nothing')
    """
    return ", ".join(tvr.words()) or "nothing"
