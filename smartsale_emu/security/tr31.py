"""TR-31 key blocks: a key, what it is for, and a MAC over both, under a wrapping key (KBPK).

A block is printable text: a header of 16 characters (version, length, usage, algorithm, mode of use, key
version, exportability, number of optional blocks), optional blocks, the enciphered key, the MAC. ``psec``
reads versions A, B, C and D. It also writes them, but draws the padding by itself; so a block is built here:
version B under a TDES wrapping key, version D under an AES one (ANSI TR-31:2018, 5.3).
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from smartsale_emu.errors import WireError
from smartsale_emu.security.key_slot import Algorithm, KeySlot, KeyUsage
from smartsale_emu.security.library import psec, whole_tdes_key
from smartsale_emu.security.masking import SecretBytes

if TYPE_CHECKING:  # cryptography is slow to import
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers.algorithms import AES

_VERSIONS: Final = MappingProxyType({Algorithm.TDES: "ABC", Algorithm.AES: "D"})
"""The versions that a wrapping key can open."""

_ALGORITHMS: Final = MappingProxyType({"A": Algorithm.AES, "D": Algorithm.TDES, "T": Algorithm.TDES})

_USAGES: Final = MappingProxyType(
    {
        KeyUsage.MASTER: ("K0",),
        KeyUsage.PIN: ("P0",),
        KeyUsage.MAC: ("M3", "M6", "M0", "M1", "M2", "M4", "M5", "M8"),
        KeyUsage.DATA: ("D0",),
        KeyUsage.STORAGE: ("D0",),
        KeyUsage.DERIVATION: ("B0",),
        KeyUsage.INITIAL: ("B1",),
        KeyUsage.ISSUER: ("E0",),
        KeyUsage.WRAPPING: ("K1",),
    }
)
"""The usage letters that stand for each of our usages."""

_KINDS: Final = MappingProxyType(
    {
        (Algorithm.TDES, 128): 0,
        (Algorithm.TDES, 192): 1,
        (Algorithm.AES, 128): 2,
        (Algorithm.AES, 192): 3,
        (Algorithm.AES, 256): 4,
    }
)
"""How the derivation names the algorithm and length of a wrapping key."""

_DERIVING = {KeyUsage.DERIVATION, KeyUsage.INITIAL, KeyUsage.ISSUER}


class Tr31Error(WireError):
    """A TR-31 block cannot be built or read. The text says what is wrong, with no value in it."""


@dataclass(frozen=True, slots=True)
class Tr31Key:
    """What a block held.

    ``usage``: its two letters (``P0``). ``ksn``: the serial number of a DUKPT initial key, 10 bytes (optional
    block ``KS``), or its 8-byte id (``IK``); empty when the block tells none.
    """

    value: SecretBytes
    usage: str
    algorithm: Algorithm
    ksn: bytes = b""

    def fits(self, usage: KeyUsage) -> bool:
        """Tell whether a key with these usage letters may be used so."""
        return self.usage in _USAGES[usage]


def usage_letters(usage: KeyUsage, algorithm: Algorithm) -> str:
    """Return the usage letters of a key.

    A MAC key is ``M3`` (ISO 9797-1 algorithm 3), an AES one ``M6`` (CMAC).

    >>> usage_letters(KeyUsage.PIN, Algorithm.TDES), usage_letters(KeyUsage.MAC, Algorithm.AES)
    ('P0', 'M6')
    """
    letters = _USAGES[usage]
    return letters[1] if usage is KeyUsage.MAC and algorithm is Algorithm.AES else letters[0]


def unwrap(block: str, wrapping: KeySlot) -> Tr31Key:
    """Return the key of a block; its MAC is checked.

    >>> kbpk = SecretBytes(bytes.fromhex("89E88CF7931444F334BD7547FC3F380C"))
    >>> wrapping = KeySlot("wrapping", KeyUsage.WRAPPING, Algorithm.TDES, kbpk, "D1D812")
    >>> block = "A0072P0TE00E0000F5161ED902807AF26F1D62263644BD24192FDB3193C730301CEE8701"
    >>> key = unwrap(block, wrapping)
    >>> key, key.fits(KeyUsage.PIN), key.value.reveal().hex().upper()[:4]
    (Tr31Key(value=SecretBytes(***), usage='P0', algorithm=<Algorithm.TDES: 'TDES'>, ksn=b''), True, 'F039')

    Raises:
        Tr31Error: it is no block of version A, B, C (under TDES) or D (under AES), or not under this key.
    """
    if block[:1] not in tuple(_VERSIONS[wrapping.algorithm]):
        allowed = " or ".join(_VERSIONS[wrapping.algorithm])
        raise Tr31Error(f"not a TR-31 block of version {allowed}, as go under a key of {wrapping.algorithm}")
    found: Tr31Key | None = None
    with suppress(ValueError, LookupError):  # they quote the block
        header, key = psec("tr31").unwrap(wrapping.value.reveal(), block)
        ksn = bytes.fromhex(next((header.blocks[name] for name in ("KS", "IK") if name in header.blocks), ""))
        found = Tr31Key(SecretBytes(key), header.key_usage, _ALGORITHMS[header.algorithm], ksn)
    if found is None:
        raise Tr31Error("not a TR-31 block of a TDES or AES key, or not under this wrapping key")
    return found


def wrap(key: KeySlot, wrapping: KeySlot, entropy: Callable[[int], bytes]) -> str:
    """Return the block of a key: version B under a TDES wrapping key, version D under an AES one.

    The key's length is hidden: padding fills it up to that of the longest of its algorithm. An initial key
    carries its serial number or id. Exportable under a wrapping key (``E``).

    Raises:
        Tr31Error: an AES key under a TDES one, which is weaker; or a single DES wrapping key.
    """
    if wrapping.algorithm is Algorithm.TDES:
        if key.algorithm is Algorithm.AES:
            raise Tr31Error("an AES key goes under an AES wrapping key only")
        if wrapping.bits < 128:
            raise Tr31Error("a wrapping key has 128 bits or more")
    value = key.value.reveal()
    longest = 24 if key.algorithm is Algorithm.TDES else 32
    cipher, size = _cipher(wrapping.algorithm), 8 if wrapping.algorithm is Algorithm.TDES else 16
    clear_size = -(-(2 + longest) // size) * size
    clear = key.bits.to_bytes(2) + value + entropy(clear_size - 2 - len(value))
    header = _header(key, version="B" if wrapping.algorithm is Algorithm.TDES else "D", longest=longest)
    encipherment, authentication = _derived(wrapping, cipher)
    mac = _cmac(cipher(authentication), header.encode() + clear)
    return header + _cbc(cipher(encipherment), mac, clear).hex().upper() + mac.hex().upper()


def _header(key: KeySlot, *, version: str, longest: int) -> str:
    letter = "A" if key.algorithm is Algorithm.AES else "D" if key.bits == 64 else "T"
    mode = "X" if key.usage in _DERIVING else "C" if key.usage is KeyUsage.MAC else "B"
    letters = usage_letters(key.usage, key.algorithm)
    header = psec("tr31").Header(version, letters, letter, mode, "00", "E")
    if key.ksn:
        name, told = ("IK", key.ksn[:8]) if key.algorithm is Algorithm.AES else ("KS", key.ksn)
        header.blocks[name] = told.hex().upper()
    text: str = header.dump(longest)
    return text


def _derived(wrapping: KeySlot, cipher: "Callable[[bytes], TripleDES | AES]") -> tuple[bytes, bytes]:
    """Return the keys that encipher and authenticate a block: CMACs of a counter, a purpose and a length."""
    size, kind = wrapping.bits // 8, _KINDS[wrapping.algorithm, wrapping.bits]
    keys = []
    for purpose in (0, 1):  # to encipher, to authenticate
        tail = purpose.to_bytes(2) + b"\0" + kind.to_bytes(2) + wrapping.bits.to_bytes(2)
        parts = (_cmac(cipher(wrapping.value.reveal()), bytes([counter]) + tail) for counter in (1, 2, 3))
        keys.append(b"".join(parts)[:size])
    return keys[0], keys[1]


def _cipher(algorithm: Algorithm) -> "Callable[[bytes], TripleDES | AES]":
    if algorithm is Algorithm.AES:
        from cryptography.hazmat.primitives.ciphers.algorithms import AES

        return AES
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES

    return lambda key: TripleDES(whole_tdes_key(key))


def _cmac(algorithm: "TripleDES | AES", data: bytes) -> bytes:
    from cryptography.hazmat.primitives.cmac import CMAC

    mac = CMAC(algorithm)
    mac.update(data)
    return mac.finalize()


def _cbc(algorithm: "TripleDES | AES", vector: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    return Cipher(algorithm, CBC(vector)).encryptor().update(data)
