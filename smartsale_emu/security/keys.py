"""Named keys with their check values, read from files of published or self-made test keys.

A key file is TOML: ``name``, ``usage``, ``algorithm``, ``value`` and ``kcv`` (hex), ``source``. The key check
value (KCV) tells a slip of the pen from a key. TDES: zeros encrypted, first three bytes; AES: CMAC of a block
of zeros, first three bytes. Texts of errors name the file and the slot, never a value.
"""

import tomllib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from smartsale_emu.errors import KeySlotError
from smartsale_emu.security.masking import SecretBytes

if TYPE_CHECKING:  # cryptography is slow to import: only when a key is used
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import ECB

_Kind = TypeVar("_Kind", bound=StrEnum)
_TEXTS = ("name", "usage", "algorithm", "value", "kcv", "source")


class Algorithm(StrEnum):
    """What the key is a key of."""

    TDES = "TDES"
    AES = "AES"


class KeyUsage(StrEnum):
    """The one thing that a key is for."""

    PIN = "pin"  # PIN blocks between pinpad and bank
    STORAGE = "storage"  # what the pinpad keeps on disk


_LENGTHS = {Algorithm.TDES: (8, 16, 24), Algorithm.AES: (16, 24, 32)}


@dataclass(frozen=True, slots=True)
class KeySlot:
    """One key.

    ``value``: 8, 16 or 24 bytes of a TDES key, 16, 24 or 32 of an AES key. ``kcv``: six upper-case hex.
    """

    name: str
    usage: KeyUsage
    algorithm: Algorithm
    value: SecretBytes
    kcv: str


class KeyRing:
    """The keys at hand, by name.

    Raises:
        KeySlotError: two slots have one name.
    """

    def __init__(self, slots: Iterable[KeySlot] = ()) -> None:
        self._slots: dict[str, KeySlot] = {}
        for slot in slots:
            if slot.name in self._slots:
                raise KeySlotError(f"key slot {slot.name}: is filled twice")
            self._slots[slot.name] = slot

    def names(self) -> tuple[str, ...]:
        """Return the names of the filled slots, in the order they were given."""
        return tuple(self._slots)

    def get(self, name: str, usage: KeyUsage | None = None) -> KeySlot:
        """Return the slot ``name``; with ``usage``, only if the key is meant for it.

        Raises:
            KeySlotError: the slot is empty, or its key is for another use.
        """
        slot = self._slots.get(name)
        if slot is None:
            held = ", ".join(self._slots) or "none"
            raise KeySlotError(f"key slot {name}: no key is loaded (loaded: {held})")
        if usage is not None and slot.usage is not usage:
            raise KeySlotError(f"key slot {name}: its key is for {slot.usage}, not for {usage}")
        return slot


def parse_key(text: str, origin: str) -> KeySlot:
    """Read a key file and compare the key with its check value. ``origin`` names the file in errors.

    >>> slot = parse_key('''
    ... name = "terminal-pin"
    ... usage = "pin"
    ... algorithm = "TDES"
    ... value = "0123456789ABCDEFFEDCBA9876543210"
    ... kcv = "08D7B4"
    ... source = "published"
    ... ''', "pin.toml")
    >>> slot.name, slot.value, slot.kcv
    ('terminal-pin', SecretBytes(***), '08D7B4')

    Raises:
        KeySlotError: the file is not a key file, or the key does not match its check value.
    """
    fields = _fields(text, origin)
    where = f"{origin}: key slot {fields['name']}"
    algorithm = _choice(Algorithm, fields["algorithm"], f"{where}: algorithm")
    usage = _choice(KeyUsage, fields["usage"], f"{where}: usage")
    key = _hex(fields["value"], f"{where}: value")
    if len(key) not in _LENGTHS[algorithm]:
        raise KeySlotError(f"{where}: value: a {algorithm} key has {_lengths(algorithm)} bytes")
    kcv = _hex(fields["kcv"], f"{where}: kcv").hex().upper()
    value = SecretBytes(key)
    if check_value(algorithm, value) != kcv:
        raise KeySlotError(f"{where}: kcv: the key does not match its check value")
    return KeySlot(fields["name"], usage, algorithm, value, kcv)


def check_value(algorithm: Algorithm, key: SecretBytes) -> str:
    """Return the key check value, six upper-case hex digits.

    >>> check_value(Algorithm.TDES, SecretBytes(bytes.fromhex("11" * 16)))
    '82E136'
    """
    if algorithm is Algorithm.TDES:
        return tdes_cipher(key).encryptor().update(bytes(8))[:3].hex().upper()
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.cmac import CMAC

    mac = CMAC(AES(key.reveal()))
    mac.update(bytes(16))
    return mac.finalize()[:3].hex().upper()


@lru_cache(maxsize=8)
def tdes_cipher(key: SecretBytes) -> "Cipher[ECB]":
    """Return triple DES in ECB mode under a key of 8, 16 or 24 bytes; only single blocks ever go through it.

    Shorter keys are written out to 24 bytes, since ``cryptography`` is about to refuse them.
    """
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import ECB

    short = key.reveal()
    whole = {8: short * 3, 16: short + short[:8]}.get(len(short), short)
    return Cipher(TripleDES(whole), ECB())


def _fields(text: str, origin: str) -> dict[str, str]:
    document: dict[str, object] | None = None
    with suppress(
        tomllib.TOMLDecodeError
    ):  # it carries the text, and the text is the key: not even as a context
        document = tomllib.loads(text)
    if document is None:
        raise KeySlotError(f"{origin}: is not a TOML file")
    fields: dict[str, str] = {}
    for key in _TEXTS:
        value = document.pop(key, None)
        if not isinstance(value, str) or not value:
            raise KeySlotError(f"{origin}: {key}: must be a text")
        fields[key] = value
    if document:
        raise KeySlotError(f"{origin}: {min(document)}: is not a key of a key file")
    return fields


def _choice(kind: type[_Kind], value: str, where: str) -> _Kind:
    if value not in list(kind):
        raise KeySlotError(f"{where}: must be one of {', '.join(kind)}")
    return kind(value)


def _hex(text: str, where: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise KeySlotError(f"{where}: must be hexadecimal") from None


def _lengths(algorithm: Algorithm) -> str:
    return " or ".join(str(length) for length in _LENGTHS[algorithm])
