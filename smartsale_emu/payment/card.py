"""Test cards as data: what the reader sees of a card and what the issuer keeps about it.

A card file (``payment/cards/*.toml``) has a table ``[card]``, which the pinpad reads, and a table
``[account]``, which only the mock bank reads; a table ``[chip]``, if there is one, makes its chip answer with
cryptograms.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from smartsale_emu.errors import ProfileError
from smartsale_emu.pan import mask_pan
from smartsale_emu.payment.chip import Chip, ChipProfile
from smartsale_emu.payment.plain_table import PlainTable
from smartsale_emu.payment.response_codes import is_bank_code
from smartsale_emu.security.masking import Secret
from smartsale_emu.units import RUB, CurrencyCode, MinorUnits

_HAVE_A_CHIP = ("2", "6")
_NOT_FOR_CASH = ("2", "3", "5", "7")
_NOT_FOR_GOODS = ("3", "4")
"""First digit of the service code."""


class EntryMode(StrEnum):
    """How the card was read."""

    CHIP = "chip"
    CONTACTLESS = "contactless"
    MAGSTRIPE = "magstripe"
    MANUAL = "manual"
    FALLBACK = "fallback"  # the stripe of a card whose chip did not answer


class PinRule(StrEnum):
    """When the cardholder must give a PIN."""

    ALWAYS = "always"
    NEVER = "never"
    OVER_LIMIT = "over-limit"  # contactless: only above the no-PIN limit of the terminal profile


@dataclass(frozen=True, slots=True)
class ChipRows:
    """What a card file says of the chip.

    ``issuer_key``: the slot of the key that its own was made from. ``fails``: the chip answers nothing.
    """

    profile: ChipProfile
    issuer_key: str
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """A card as the reader sees it.

    ``pan``: 13 to 19 digits, Luhn-valid. ``expiry``: YYMM. ``service_code``: three digits (ISO 7813).
    ``sequence``: PAN sequence number, two digits, or empty on a magnetic stripe. All of them make ``track2``.
    ``chip_rows``: of a card whose chip makes cryptograms. ``chip``: that chip, as long as the card is at the
    reader (see ``payment.chip_shelf``).
    """

    name: str
    pan: str = field(repr=False)
    expiry: str
    entry_mode: EntryMode
    service_code: str
    pin_rule: PinRule
    label: str
    holder: str = "/"
    aid: str = ""
    sequence: str = ""
    discretionary: str = field(default="0000000000", repr=False)
    chip_rows: ChipRows | None = None
    chip: Chip | None = None

    @property
    def masked(self) -> str:
        """The PAN, masked 6/4."""
        return mask_pan(self.pan)

    @property
    def says_chip(self) -> bool:
        """Whether the service code, which the stripe tells too, says that there is a chip (ISO/IEC 7813)."""
        return self.service_code[:1] in _HAVE_A_CHIP

    def stripe_forbids(self, *, cash: bool) -> bool:
        """Tell whether the service code is of a card for the other use: goods and services, or cash.

        A card that is for cash machines only is for neither here (ISO/IEC 7813, third digit).
        """
        return self.service_code[2:] in (_NOT_FOR_CASH if cash else _NOT_FOR_GOODS)

    def by_its_stripe(self) -> "Card":
        """Return the card as its stripe shows it, read because the chip did not answer."""
        return replace(self, entry_mode=EntryMode.FALLBACK, aid="", sequence="", chip_rows=None, chip=None)

    @property
    def track2(self) -> Secret:
        """Track 2 as ISO 7813 writes it, separator ``=``, at most 37 characters."""
        return Secret(f"{self.pan}={self.expiry}{self.service_code}{self.discretionary}"[:37])


@dataclass(frozen=True, slots=True)
class Account:
    """What the issuer keeps about a card. Amounts in minor units; ``force``: one code answers everything."""

    balance: MinorUnits
    pin: Secret
    pin_tries: int = 3
    limit: MinorUnits | None = None  # the largest amount of one operation: above it 61
    blocked: bool = False  # lost or stolen: 41
    force: str = ""  # a response code given to every request of this card, e.g. "91"
    currency: CurrencyCode = RUB


@dataclass(frozen=True, slots=True)
class TestCard:
    """A named test card with its account."""

    __test__ = False  # not a test class, whatever its name looks like to pytest

    card: Card
    account: Account


def luhn_valid(pan: str) -> bool:
    """Tell whether the last digit of the PAN is its Luhn check digit (ISO/IEC 7812-1, annex B).

    >>> luhn_valid("2200123456789019"), luhn_valid("2200123456789018")
    (True, False)
    """
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(pan))]
    return sum(number // 10 + number % 10 for number in doubled) % 10 == 0


def parse_card(text: str, *, name: str, origin: str) -> TestCard:
    """Read a card file.

    ``name`` is the card's name (the file's stem), ``origin`` names the file in errors.

    Raises:
        ProfileError: the TOML is broken, a key is unknown, missing, or has a bad value.
    """
    try:
        document = tomllib.loads(text)
    except ValueError as error:  # a number of thousands of digits is no TOMLDecodeError
        raise ProfileError(f"{origin}: {error}") from None
    card_table, account_table = _Table(document, "card", origin), _Table(document, "account", origin)
    card = _card(card_table, name)
    if "chip" in document:
        card = replace(card, chip_rows=_chip(_Table(document, "chip", origin), card))
    account = _account(account_table)
    for table in (card_table, account_table):
        table.refuse_unknown()
    return TestCard(card, account)


def _card(table: "_Table", name: str) -> Card:
    pan = table.text("pan")
    if not (pan.isascii() and pan.isdigit() and 13 <= len(pan) <= 19 and luhn_valid(pan)):
        raise table.error("pan", "must be 13 to 19 digits with a right check digit")
    return Card(
        name=name,
        pan=pan,
        expiry=table.digits("expiry", 4),
        entry_mode=EntryMode(table.choice("entry_mode", EntryMode)),
        service_code=table.digits("service_code", 3),
        pin_rule=PinRule(table.choice("pin_rule", PinRule)),
        label=table.printed("label"),
        holder=table.printed("holder", "/"),
        aid=table.printed("aid", ""),
        sequence=table.digits("sequence", 2, default=""),
    )


def _chip(table: "_Table", card: Card) -> ChipRows:
    """The chip: what it shares with the card is said there, once."""
    rows = table.rows()
    shared = {"aid": card.aid, "label": card.label, "sequence": card.sequence or "00"}
    for key in shared:
        if key in rows:
            raise table.error(key, "is said in the table [card]")
    if card.entry_mode not in (EntryMode.CHIP, EntryMode.CONTACTLESS):
        raise table.error("cvn", "a card with this entry_mode has no chip to be read")
    issuer_key, fails = table.text("issuer_key"), table.flag("fails")
    if fails and card.entry_mode is EntryMode.CONTACTLESS:
        raise table.error("fails", "only a chip that is inserted can fail")
    own = {key: value for key, value in rows.items() if key not in ("issuer_key", "fails")}
    return ChipRows(ChipProfile.parse(own | shared, where=table.where), issuer_key, fails)


def _account(table: "_Table") -> Account:
    limit = table.number("limit", -1)
    return Account(
        balance=MinorUnits(table.number("balance")),
        pin=Secret(table.digits("pin", 4)),
        pin_tries=table.number("pin_tries", 3),
        limit=None if limit < 0 else MinorUnits(limit),
        blocked=table.flag("blocked"),
        force=_response_code(table, "force"),
    )


def _response_code(table: "_Table", key: str) -> str:
    code = table.text(key, "")
    if code and not is_bank_code(code):
        raise table.error(key, "must be a response code of two characters")
    return code


_TRACK2 = re.compile(r";?(\d{13,19})[=D](\d{2}(?:0[1-9]|1[0-2]))(\d{3})(\d*)\??")
_PIN_IN_SERVICE_CODE = frozenset("03567")


def card_of_track2(text: str) -> Card | None:
    """Return the card whose magnetic stripe the register has read by itself, or None if that is no track 2.

    The third digit of the service code tells whether a PIN belongs to it (ISO/IEC 7813).

    >>> card_of_track2("2200123456789019=28122010000000000").service_code
    '201'
    >>> card_of_track2("2200123456789019") is None
    True
    """
    found = _TRACK2.fullmatch(text.strip())
    if found is None or not luhn_valid(found[1]) or len(found[0]) > 40:
        return None
    return Card(
        name="card of the register",
        pan=found[1],
        expiry=found[2],
        entry_mode=EntryMode.MAGSTRIPE,
        service_code=found[3],
        pin_rule=PinRule.ALWAYS if found[3][2] in _PIN_IN_SERVICE_CODE else PinRule.NEVER,
        label="",
        discretionary=found[4],
    )


class _Table(PlainTable):
    """One table of a card file."""

    def __init__(self, document: Mapping[str, object], name: str, origin: str) -> None:
        values = document.get(name)
        if not isinstance(values, dict):
            raise ProfileError(f"{origin}: the table [{name}] is missing")
        super().__init__(values, where=f"{origin}: {name}", kind="a card file")

    def printed(self, key: str, default: str | None = None) -> str:
        value = self.text(key, default)
        if not value.isprintable() or "^" in value or "~" in value:
            raise self.error(key, "is printed on slips: no line breaks, ^ or ~")
        return value
