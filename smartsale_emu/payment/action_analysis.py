"""What the terminal asks the card for: the TVR against the action codes of card and terminal.

Source: EMV Book 3, 10.4 (restrictions) and 10.7 (action analysis). Every bit of the TVR that is set in one of
the two masks decides.
"""

from dataclasses import dataclass
from datetime import date

from smartsale_emu.payment.chip_data import CryptogramKind
from smartsale_emu.payment.cvm import CashKind
from smartsale_emu.payment.verification import NO_FINDINGS, Tvr

EVERYTHING = Tvr(0xFFFFFFFFFF)
"""All forty bits, those without a name too."""

_NOT_AT_ATMS = 0x01_00
# (domestic, abroad), each the bits of which one must be set
_USES = {
    CashKind.NONE: (0x28_00, 0x14_00),  # goods or services
    CashKind.CASH: (0x80_00, 0x40_00),
    CashKind.CASHBACK: (0x00_80, 0x00_40),
}


@dataclass(frozen=True, slots=True)
class ActionCodes:
    """Masks over the TVR, of the card (9F0E, 9F0F) or of the terminal: what is refused, what goes online.

    The third (9F0D) would say what is approved when the bank is silent: here nothing is. The defaults stand
    for codes that are missing: nothing is refused, everything goes online.
    """

    denial: Tvr = NO_FINDINGS
    online: Tvr = EVERYTHING


NO_ACTION_CODES = ActionCodes()
"""Of a card that brings none."""

TERMINAL_ACTION_CODES = ActionCodes(Tvr(0x0010000000), Tvr(0xDC4004F800))
"""Usual codes of a terminal that goes online (assumed)."""


def first_request(tvr: Tvr, *, card: ActionCodes, terminal: ActionCodes) -> CryptogramKind:
    """Return what to ask for before the bank is asked: AAC to refuse, ARQC to go online, TC to approve.

    >>> codes = ActionCodes(Tvr.SERVICE_NOT_ALLOWED, Tvr.ODA_NOT_PERFORMED)
    >>> first_request(Tvr.ODA_NOT_PERFORMED, card=codes, terminal=codes).name
    'ARQC'
    """
    if tvr & (card.denial | terminal.denial):
        return CryptogramKind.AAC
    return CryptogramKind.ARQC if tvr & (card.online | terminal.online) else CryptogramKind.TC


def restrictions(*, usage_control: int, domestic: bool, cash: CashKind, expiry: str, on: date) -> Tvr:
    """Return what the TVR tells of a card that is too old, or not for this use.

    ``usage_control``: 9F07 as a number. ``expiry``: YYMM, the last month it is good in, of this century.

    >>> late = date(2029, 1, 1)
    >>> restrictions(usage_control=0xFF00, domestic=True, cash=CashKind.NONE, expiry="2812", on=late).words()
    ('expired',)
    """
    found = Tvr.EXPIRED if (on.year, on.month) > (2000 + int(expiry[:2]), int(expiry[2:])) else NO_FINDINGS
    use = _USES[cash][0 if domestic else 1]
    allowed = usage_control & _NOT_AT_ATMS and usage_control & use
    return found if allowed else found | Tvr.SERVICE_NOT_ALLOWED
