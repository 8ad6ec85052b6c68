"""What may be shown of a card number. Every room masks by these and by nothing else.

Source: PCI DSS 4 requirement 3.4.1 (first six and last four digits at most); field 10 of an answer shows the
last four (PROTOCOL.md, section 4).
"""

import re
from typing import Final

CARD_DIGITS: Final = re.compile(r"(\d(?:[ -]?\d){12,})([=D][0-9=D]*)?")
"""Digits that could be a card number, and the rest of a track behind them."""


def mask_pan(pan: str) -> str:
    """Return the PAN with everything but its first six and last four digits starred.

    Shorter than 13 digits: everything but the last four is starred.

    >>> mask_pan("2200123456789019")
    '220012******9019'
    >>> mask_pan("12345678")
    '****5678'
    """
    shown = 6 if len(pan) >= 13 else 0
    hidden = max(0, len(pan) - shown - 4)
    return pan[:shown] + "*" * hidden + pan[shown + hidden :]


def last_four(pan: str) -> str:
    """Return the PAN, clear or masked, with everything but its last four digits starred.

    >>> last_four("2200123456789019"), last_four("220012******9019")
    ('************9019', '************9019')
    """
    return "*" * (len(pan) - 4) + pan[-4:]


def mask_text(text: str) -> str:
    """Return a text with every card number in it masked, and the rest of a track left out.

    >>> mask_text("card '2200 1234 5678 9019' is not known"), mask_text("2200123456789019=3012")
    ("card '220012******9019' is not known", '220012******9019=***')
    """
    return CARD_DIGITS.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    return mask_pan(re.sub(r"\D", "", found[1])) + ("=***" if found[2] else "")
