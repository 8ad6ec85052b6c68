"""What may be shown of a card number. Every room masks by these and by nothing else.

Source: PCI DSS 4 requirement 3.4.1 (first six and last four digits at most); field 10 of an answer shows the
last four (PROTOCOL.md, section 4).
"""


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
