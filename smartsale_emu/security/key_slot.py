"""What a key is: its use, its algorithm, its check value, and the two forms in which it is held.

``KeySlot`` is a key at hand. ``SealedKey`` is one that still lies under another key, as a cryptogram or as a
TR-31 block; a ``KeyRing`` opens it. Both show their name and check value only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from smartsale_emu.security.library import psec, whole_tdes_key
from smartsale_emu.security.masking import SecretBytes

if TYPE_CHECKING:  # cryptography is slow to import: only when a key is used
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import ECB


class Algorithm(StrEnum):
    """What the key is a key of."""

    TDES = "TDES"
    AES = "AES"


class KeyUsage(StrEnum):
    """The one thing that a key is for."""

    MASTER = "master"  # session keys on their way to the pinpad (TMK)
    PIN = "pin"  # PIN blocks between pinpad and bank (TPK)
    MAC = "mac"  # MACs of their messages (TAK)
    DATA = "data"  # enciphered data in their messages (TDK)
    STORAGE = "storage"  # what the pinpad keeps on disk
    DERIVATION = "derivation"  # the bank's DUKPT base key (BDK)
    INITIAL = "initial"  # the pinpad's DUKPT initial key, which goes with a KSN
    ISSUER = "issuer"  # a card issuer's master key for application cryptograms (IMK-AC)
    WRAPPING = "wrapping"  # TR-31 blocks (KBPK)


class KeyForm(StrEnum):
    """How a key stands in its file; also the name of the row that holds it."""

    CLEAR = "value"
    CRYPTOGRAM = "cryptogram"  # under a master key, in ECB mode
    TR31 = "tr31"  # a block under a wrapping key


KEY_LENGTHS: Final = MappingProxyType({Algorithm.TDES: (8, 16, 24), Algorithm.AES: (16, 24, 32)})
"""Bytes of a key."""


@dataclass(frozen=True, slots=True, repr=False)
class KeySlot:
    """One key at hand.

    ``value``: 8, 16 or 24 bytes of a TDES key, 16, 24 or 32 of an AES key. ``kcv``: six upper-case hex.
    ``ksn``: of an initial key, 10 bytes (TDES) or 12 (AES: its key id and four zero bytes), the counter zero.
    ``bins``: of an issuer key, the first digits of its cards. ``form`` and ``under``: how its file held it.
    """

    name: str
    usage: KeyUsage
    algorithm: Algorithm
    value: SecretBytes
    kcv: str
    source: str = ""
    ksn: bytes = b""
    bins: tuple[str, ...] = ()
    form: KeyForm = KeyForm.CLEAR
    under: str = ""

    @property
    def bits(self) -> int:
        """The length of the key, parity bits of TDES included: 64 to 256."""
        return 8 * len(self.value.reveal())

    def __repr__(self) -> str:
        return f"KeySlot({self.name}, KCV {self.kcv})"


@dataclass(frozen=True, slots=True, repr=False)
class SealedKey:
    """One key under another. ``blob``: hex digits of a cryptogram, or a TR-31 block; ``origin``: its file."""

    name: str
    usage: KeyUsage
    algorithm: Algorithm
    form: KeyForm
    blob: str
    under: str
    kcv: str
    source: str = ""
    ksn: bytes = b""
    bins: tuple[str, ...] = ()
    origin: str = ""

    def __repr__(self) -> str:
        return f"SealedKey({self.name}, KCV {self.kcv})"


def check_value(algorithm: Algorithm, key: SecretBytes) -> str:
    """Return the key check value, six upper-case hex digits.

    TDES: the first three bytes of enciphered zeros (ANSI X9.24-1). AES: those of the CMAC of sixteen zeros.

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


def random_key(algorithm: Algorithm, bits: int, entropy: Callable[[int], bytes]) -> SecretBytes:
    """Return a key of ``bits`` made of ``entropy``; a TDES one with odd parity in every byte.

    >>> random_key(Algorithm.TDES, 128, bytes) == SecretBytes(b"\\x01" * 16)
    True

    Raises:
        ValueError: the algorithm has no key of that length.
    """
    if bits // 8 not in KEY_LENGTHS[algorithm] or bits % 8:
        raise ValueError(f"{algorithm} has no key of {bits} bits")
    key = entropy(bits // 8)
    return SecretBytes(psec("des").adjust_key_parity(key) if algorithm is Algorithm.TDES else key)


@lru_cache(maxsize=8)
def tdes_cipher(key: SecretBytes) -> "Cipher[ECB]":
    """Return triple DES in ECB mode under a key of 8, 16 or 24 bytes, for keys and single blocks only.

    Shorter keys are written out to 24 bytes, since ``cryptography`` is about to refuse them.
    """
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import ECB

    return Cipher(TripleDES(whole_tdes_key(key.reveal())), ECB())
