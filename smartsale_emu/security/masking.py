"""Wrappers for what may never be shown; what may be shown of a card number is said in ``pan.py``."""

from dataclasses import dataclass


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
