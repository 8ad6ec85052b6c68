"""What may be shown of a card number, and a wrapper for what may never be shown.

Source: PCI DSS 4 requirement 3.4.1 (first six and last four digits at most).
"""

from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """Text that must not reach a log: a PIN or a track. ``repr`` and ``str`` show nothing of it.

    >>> Secret("1234")
    Secret(***)
    >>> f"{Secret('1234')}", Secret("1234").reveal()
    ('Secret(***)', '1234')
    """

    _value: str

    def reveal(self) -> str:
        """Return the text itself; the only way to it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


@dataclass(frozen=True, slots=True, repr=False)
class SecretBytes:
    """Bytes that must not reach a log: a key or a PIN block.

    >>> SecretBytes(bytes(8))
    SecretBytes(***)
    """

    _value: bytes

    def reveal(self) -> bytes:
        """Return the bytes themselves; the only way to them."""
        return self._value

    def __repr__(self) -> str:
        return "SecretBytes(***)"

    __str__ = __repr__
