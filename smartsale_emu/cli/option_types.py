"""Values on the command line: what is read there, and in one line what is wrong with it.

What a till types may be card data in the wrong place: no text of an error repeats a value of a request.
"""

import argparse
import re
from decimal import Decimal, InvalidOperation

from smartsale_emu.security.masking import Secret
from smartsale_emu.units import MAX_AMOUNT, CurrencyCode, MinorUnits


def amount(text: str) -> MinorUnits:
    """Read roubles, ``12.00`` or ``12,00``; minor units inside."""
    try:
        kopecks = Decimal(text.replace(",", ".")) * 100
    except InvalidOperation:
        raise argparse.ArgumentTypeError("not an amount such as 12.00") from None
    if not kopecks.is_finite() or kopecks != int(kopecks) or not 0 < kopecks <= MAX_AMOUNT:
        raise argparse.ArgumentTypeError("not an amount from 0.01 to 9999999999.99")
    return MinorUnits(int(kopecks))


def currency(text: str) -> CurrencyCode:
    """Read a numeric currency code."""
    if not (text.isascii() and text.isdigit() and len(text) == 3):
        raise argparse.ArgumentTypeError("not a numeric currency code such as 643")
    return CurrencyCode(text)


def terminal_id(text: str) -> str:
    """Read a terminal id, up to 8 characters."""
    return _printable(text, 0, 8, "a terminal id")


def rrn(text: str) -> str:
    """Read a reference number, up to 12 characters."""
    return _printable(text, 1, 12, "a reference number (RRN)")


def code(text: str) -> str:
    """Read an authorization code, up to 8 characters."""
    return _printable(text, 1, 8, "an authorization code")


def ern(text: str) -> int:
    """Read the register's number of an operation, 0 to 999999."""
    return int(_digits(text, 6, "a number from 0 to 999999"))


def slip(text: str) -> str:
    """Read the number of a slip, up to 12 digits."""
    return _digits(text, 12, "the number of a slip")


def card_seconds(text: str) -> int:
    """Read whole seconds, 1 to 3600."""
    if not 1 <= int(_digits(text, 4, "a number of seconds from 1 to 3600")) <= 3600:
        raise argparse.ArgumentTypeError("not a number of seconds from 1 to 3600")
    return int(text)


def track2(text: str) -> Secret:
    """Read a track 2; what is wrong with one is told without it."""
    bare = text.strip().removeprefix(";").removesuffix("?")
    if re.fullmatch(r"[0-9]{8,19}[=D][0-9]{4,28}", bare) is None:
        raise argparse.ArgumentTypeError("a track 2 is a card number, =, expiry YYMM and what follows")
    return Secret(bare)


def seconds(text: str) -> int:
    """Seconds on the command line, milliseconds inside."""
    given = number(text)
    if not 0 <= given <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 3600")
    return int(given * 1000)


def number(text: str) -> float:
    """Read any number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _printable(text: str, least: int, most: int, what: str) -> str:
    if not (text.isascii() and text.isprintable() and least <= len(text) <= most):
        raise argparse.ArgumentTypeError(f"{what} has {least} to {most} characters")
    return text


def _digits(text: str, most: int, what: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= most):
        raise argparse.ArgumentTypeError(f"not {what}")
    return text
