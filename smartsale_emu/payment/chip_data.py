"""What card, terminal and issuer must agree on for a cryptogram to come out the same (EMV Book 2, 8.1).

A cryptogram version number (CVN) in the issuer application data tells which data, which key and which padding
were taken. Version numbers of the Mir system are not public: its test cards use version 18.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import IntEnum

from smartsale_emu.payment.cvm import NOT_PERFORMED, CvmResult
from smartsale_emu.payment.response_codes import moves_money
from smartsale_emu.payment.verification import NO_FINDINGS, Tvr
from smartsale_emu.security.cryptogram import Padding, application_cryptogram, session_key
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.units import MAX_AMOUNT, NOTHING, RUB, CurrencyCode, MinorUnits

_INPUT_TAGS = ("9F02", "9F03", "9F1A", "95", "5F2A", "9A", "9C", "9F37", "82", "9F36")
CRYPTOGRAM_TAGS = (*_INPUT_TAGS, "9F10")
"""What a cryptogram is computed over."""

OFFLINE_APPROVALS = frozenset({"Y1", "Y3"})
"""A terminal approves by itself (EMV Book 4, annex A6): ``1`` unasked, ``3`` with no bank at hand."""


class CryptogramKind(IntEnum):
    """What a cryptogram says; the upper two bits of 9F27."""

    AAC = 0x00  # refused
    TC = 0x40  # approved
    ARQC = 0x80  # ask the issuer


class Cvn(IntEnum):
    """How a cryptogram is computed."""

    CVN10 = 10  # under the card's key, over ten objects and the CVR; answer by method 1
    CVN18 = 18  # under a session key, over ten objects and all of 9F10; answer by method 2


@dataclass(frozen=True, slots=True)
class ApplicationData:
    """Issuer application data (9F10), 7 to 32 bytes: ``06``, key index, CVN, four bytes of CVR, and more.

    Raises:
        ValueError: it is not of this form, or its CVN is not supported.
    """

    value: bytes

    def __post_init__(self) -> None:
        if not 7 <= len(self.value) <= 32 or self.value[0] != 6 or self.value[3] != 3:
            raise ValueError("issuer application data are 06, key index, CVN, 03 and three bytes at least")
        if self.value[2] not in set(Cvn):
            raise ValueError("the cryptogram version number must be 10 or 18")

    @property
    def cvn(self) -> Cvn:
        """The cryptogram version number."""
        return Cvn(self.value[2])

    @property
    def results(self) -> bytes:
        """The card verification results (CVR), four bytes with their length."""
        return self.value[3:7]

    def telling(
        self, first: CryptogramKind, second: CryptogramKind | None = None, *, failed: bool = False
    ) -> "ApplicationData":
        """Return the same with a CVR that tells the cryptograms given, and a failed issuer authentication.

        >>> ApplicationData(bytes.fromhex("06011203000000")).telling(CryptogramKind.ARQC).value.hex()
        '06011203a00000'
        """
        not_asked_for = 0x80
        later = not_asked_for if second is None else second.value
        told = later | first.value >> 2 | (0x08 if failed else 0)
        return ApplicationData(self.value[:4] + bytes([told]) + self.value[5:])


@dataclass(frozen=True, slots=True)
class TerminalData:
    """What the terminal says about itself and the payment.

    Amounts in minor units. ``currency`` and ``country``: ISO numeric, three digits. ``transaction_type``: the
    first two digits of the processing code. ``unpredictable``: 4 bytes. ``capabilities``: 9F33, 3 bytes (the
    default: all readers; online PIN, signature, no CVM; no offline data authentication). ``terminal_type``:
    9F35, two digits (22: attended, online, may approve by itself). ``serial``: 8 characters. ``version``:
    9F09, 2 bytes. ``counter``: 9F41, 1 to 99999999.

    Raises:
        ValueError: one of them does not fit.
    """

    amount: MinorUnits
    on: date
    unpredictable: bytes
    tvr: Tvr = NO_FINDINGS
    cvm: CvmResult = NOT_PERFORMED
    transaction_type: str = "00"
    other_amount: MinorUnits = NOTHING
    currency: CurrencyCode = RUB
    country: str = "643"
    capabilities: bytes = bytes.fromhex("E06800")
    terminal_type: str = "22"
    serial: str = "00000001"
    version: bytes = b"\x00\x01"
    counter: int = 1

    def __post_init__(self) -> None:
        fits = {
            "amount": 0 <= self.amount <= MAX_AMOUNT and 0 <= self.other_amount <= MAX_AMOUNT,
            "unpredictable": len(self.unpredictable) == 4,
            "transaction_type": _digits(self.transaction_type, 2),
            "currency": _digits(self.currency, 3),
            "country": _digits(self.country, 3),
            "capabilities": len(self.capabilities) == 3,
            "terminal_type": _digits(self.terminal_type, 2),
            "serial": len(self.serial) == 8 and self.serial.isascii(),
            "version": len(self.version) == 2,
            "counter": 1 <= self.counter <= 99_999_999,
        }
        for name, good in fits.items():
            if not good:
                raise ValueError(f"terminal data: {name} does not fit")

    def values(self, tvr: Tvr) -> dict[str, bytes]:
        """Return all of it by tag; ``tvr``: as it was when the cryptogram was made."""
        return {
            "9F02": bytes.fromhex(f"{self.amount:012}"),
            "9F03": bytes.fromhex(f"{self.other_amount:012}"),
            "9F1A": bytes.fromhex(f"0{self.country}"),
            "95": tvr.encode(),
            "5F2A": bytes.fromhex(f"0{self.currency}"),
            "9A": bytes.fromhex(f"{self.on:%y%m%d}"),
            "9C": bytes.fromhex(self.transaction_type),
            "9F37": self.unpredictable,
            "9F33": self.capabilities,
            "9F34": self.cvm.encode(),
            "9F35": bytes.fromhex(self.terminal_type),
            "9F1E": self.serial.encode("ascii"),
            "9F09": self.version,
            "9F41": bytes.fromhex(f"{self.counter:08}"),
        }


def cryptogram_key(cvn: Cvn, icc_key: SecretBytes, atc: int) -> SecretBytes:
    """Return the key of a cryptogram and of the answer to it: the card's own, or one for this payment."""
    return icc_key if cvn is Cvn.CVN10 else session_key(icc_key, atc)


def make_cryptogram(icc_key: SecretBytes, values: Mapping[str, bytes]) -> bytes:
    """Return the cryptogram, 8 bytes, over ``values`` (all of ``CRYPTOGRAM_TAGS``), as their 9F10 says.

    Raises:
        ValueError: the 9F10 is of another form.
        KeyError: an object is missing.
    """
    told = ApplicationData(values["9F10"])
    data = b"".join(values[tag] for tag in _INPUT_TAGS)
    key = cryptogram_key(told.cvn, icc_key, int.from_bytes(values["9F36"], "big"))
    if told.cvn is Cvn.CVN10:
        return application_cryptogram(key, data + told.results, Padding.ZEROS)
    return application_cryptogram(key, data + told.value, Padding.MARKED)


def card_code(response_code: str) -> str:
    """Return a bank's response code as the card is told it (8A), two characters.

    Of three digits only "approved" or "not" is left.

    >>> card_code("00"), card_code("000"), card_code("116"), card_code("Z3")
    ('00', '00', '05', 'Z3')
    """
    if len(response_code) == 2:
        return response_code
    return "00" if moves_money(response_code) else "05"


def code_approves(code: str) -> bool:
    """Tell whether a code of two characters asks the card to approve."""
    return code in OFFLINE_APPROVALS or moves_money(code)


def _digits(text: str, count: int) -> bool:
    return len(text) == count and text.isascii() and text.isdigit()
