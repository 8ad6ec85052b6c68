"""Message authentication codes: ISO 9797-1 algorithm 3, and CMAC under triple DES or AES (ISO 9797-1
algorithm 5, NIST SP 800-38B).

Of a MAC the leftmost bytes go on the wire. A MAC is compared in constant time, and whole: a peer that sends
fewer bytes than agreed on has sent a wrong one.
"""

from enum import StrEnum
from hmac import compare_digest
from typing import assert_never

from smartsale_emu.security.library import psec, whole_tdes_key
from smartsale_emu.security.masking import SecretBytes


class MacAlgorithm(StrEnum):
    """How a MAC is made."""

    RETAIL = "retail"  # ISO 9797-1 algorithm 3: single DES in CBC, triple DES at the end
    TDES_CMAC = "tdes-cmac"
    AES_CMAC = "aes-cmac"


KEY_SIZES = {
    MacAlgorithm.RETAIL: (16,),
    MacAlgorithm.TDES_CMAC: (16, 24),
    MacAlgorithm.AES_CMAC: (16, 24, 32),
}
"""Bytes of a key."""


def make_mac(
    data: bytes, key: SecretBytes, algorithm: MacAlgorithm, *, padding: int = 1, size: int = 8
) -> bytes:
    """Return the leftmost ``size`` bytes of the MAC of ``data``.

    ``key``: 16 bytes for the retail MAC, 16 or 24 for triple DES, 16, 24 or 32 for AES. ``padding``: of the
    retail MAC, ISO 9797-1 method 1 (zeros as needed) or 2 (``80`` and zeros); CMAC has its own and takes 1
    only. ``size``: 4 to 8 bytes, of AES 4 to 16.

    >>> key = SecretBytes(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
    >>> make_mac(b"Now is the time for all ", key, MacAlgorithm.RETAIL).hex().upper()
    'A1C72E74EA3FA9B6'

    Raises:
        ValueError: the key, the padding or the size is not one of the algorithm.
    """
    _check(key, algorithm, padding=padding, size=size)
    match algorithm:
        case MacAlgorithm.RETAIL:
            whole = _retail_mac(data, key, padding)
        case MacAlgorithm.TDES_CMAC | MacAlgorithm.AES_CMAC:
            whole = _cmac(data, key, algorithm)
        case _:
            assert_never(algorithm)
    return whole[:size]


def mac_is_right(
    data: bytes, mac: bytes, key: SecretBytes, algorithm: MacAlgorithm, *, padding: int = 1, size: int = 8
) -> bool:
    """Tell whether ``mac`` is the MAC of ``data``, all ``size`` bytes of it; the rest as of ``make_mac``.

    >>> key = SecretBytes(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
    >>> mac_is_right(b"Now is the time for all ", bytes(8), key, MacAlgorithm.RETAIL)
    False

    Raises:
        ValueError: the key, the padding or the size is not one of the algorithm.
    """
    return compare_digest(make_mac(data, key, algorithm, padding=padding, size=size), mac)


def _check(key: SecretBytes, algorithm: MacAlgorithm, *, padding: int, size: int) -> None:
    most = 16 if algorithm is MacAlgorithm.AES_CMAC else 8
    if len(key.reveal()) not in KEY_SIZES[algorithm]:
        lengths = " or ".join(str(length) for length in KEY_SIZES[algorithm])
        raise ValueError(f"a {algorithm} key has {lengths} bytes")
    if padding not in ((1, 2) if algorithm is MacAlgorithm.RETAIL else (1,)):
        raise ValueError(f"{algorithm} knows no padding method {padding}")
    if not 4 <= size <= most:
        raise ValueError(f"a {algorithm} MAC has 4 to {most} bytes")


def _retail_mac(data: bytes, key: SecretBytes, padding: int) -> bytes:
    left, right = key.reveal()[:8], key.reveal()[8:]  # whole keys would be taken too, and give another MAC
    mac: bytes = psec("mac").generate_retail_mac(left, right, data, padding)
    return mac


def _cmac(data: bytes, key: SecretBytes, algorithm: MacAlgorithm) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.cmac import CMAC

    secret = key.reveal()
    aes = algorithm is MacAlgorithm.AES_CMAC
    mac = CMAC(AES(secret) if aes else TripleDES(whole_tdes_key(secret)))
    mac.update(data)
    return mac.finalize()
