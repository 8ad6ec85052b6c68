"""What a bank's response code means for the money: the same for whoever asks and for whoever answers.

Two characters as in ISO 8583:1987, three digits as in the 1993 action codes.
"""

APPROVALS = frozenset({"00", "000"})
"""What was asked has been done."""

CONDITIONAL_APPROVALS = frozenset({"08", "10", "11", "16", "32", "85", "87"})
"""Approvals of a part or with a condition; so are all other three-digit codes with a leading 0 (assumed)."""


def is_bank_code(text: str) -> bool:
    """Tell whether a text is a response code of two characters, as the mock bank's own ones are.

    >>> [is_bank_code(text) for text in ("00", "A0", "000", "0-", "0ё")]
    [True, True, False, False, False]
    """
    return len(text) == 2 and text.isascii() and text.isalnum()


def approves(response_code: str) -> bool:
    """Tell whether what was asked has been done.

    >>> approves("00"), approves("10"), approves("05")
    (True, False, False)
    """
    return response_code in APPROVALS


def moves_money(response_code: str) -> bool:
    """Tell whether money may have moved, as it was asked or otherwise.

    >>> moves_money("00"), moves_money("10"), moves_money("002"), moves_money("116")
    (True, True, True, False)
    """
    three_digits = len(response_code) == 3 and response_code.startswith("0")
    return three_digits or approves(response_code) or response_code in CONDITIONAL_APPROVALS
