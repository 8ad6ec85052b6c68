"""EMV application cryptograms and the issuer's answer to them (EMV Book 2, 8 and annex A1).

An issuer master key gives every card its own key, the card's key and its transaction counter (ATC) a session
key, and the session key the cryptogram over the data of one payment. ``pyemv`` computes them all; no error
carries a key, a card number or a cryptogram.
"""

from enum import Enum

from smartsale_emu.errors import WireError
from smartsale_emu.security.library import pyemv
from smartsale_emu.security.masking import SecretBytes

CRYPTOGRAM_SIZE = 8
"""Bytes of an application cryptogram and of a method 1 answer."""

KEY_SIZE = 16
"""Bytes of every key in here: triple DES with two halves."""

STATUS_SIZE = 4
"""Bytes of a card status update (CSU) and of a method 2 answer."""


class CryptogramError(WireError):
    """A cryptogram cannot be computed. The text says what is wrong, with no value in it."""


class Padding(Enum):
    """How the data of a cryptogram is filled up to whole blocks (ISO/IEC 9797-1, 6.3)."""

    ZEROS = "VISA"  # method 1: zeros, none if the blocks are full
    MARKED = "EMV"  # method 2: 80, then zeros


def icc_master_key(issuer_key: SecretBytes, pan: str, sequence: str) -> SecretBytes:
    """Return the key of one card, 16 bytes of odd parity.

    ``pan``: 12 to 19 digits; above 16 of them option B is used, else option A (EMV Book 2, A1.4).
    ``sequence``: PAN sequence number, two digits; empty stands for ``00``.

    >>> issuer_key = SecretBytes(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
    >>> icc_master_key(issuer_key, "9901234567890123", "45").reveal().hex().upper()
    'F84315C7B95BD3B0C74694922C3808B0'

    Raises:
        CryptogramError: the key, the card number or its sequence number is not such a thing.
    """
    if not (_digits(pan) and 12 <= len(pan) <= 19):
        raise CryptogramError("a card number of 12 to 19 digits is needed")
    if sequence and not (_digits(sequence) and len(sequence) == 2):
        raise CryptogramError("a PAN sequence number is two digits")
    kd = pyemv("kd")
    derive = kd.derive_icc_mk_b if len(pan) > 16 else kd.derive_icc_mk_a
    return SecretBytes(derive(_key(issuer_key), pan, sequence or "00"))


def common_session_key(icc_key: SecretBytes, diversifier: bytes) -> SecretBytes:
    """Return a session key by the EMV common method (EMV Book 2, A1.3.1); ``diversifier``: 8 bytes.

    Its third byte takes no part: it becomes ``F0`` for the left half of the key, ``0F`` for the right one.

    Raises:
        CryptogramError: the key or the diversifier has another length.
    """
    if len(diversifier) != 8:
        raise CryptogramError("a session key is made from 8 bytes")
    return SecretBytes(pyemv("kd").derive_common_sk(_key(icc_key), diversifier))


def session_key(icc_key: SecretBytes, atc: int) -> SecretBytes:
    """Return the key for the cryptograms of one payment; ``atc``: 0 to 65535.

    >>> icc_key = SecretBytes(bytes.fromhex("154F349D8585CB7F6B0798E9839B10C1"))
    >>> session_key(icc_key, 0x001C).reveal().hex().upper()
    '436B942AD637E08564B532B0EC97CB26'

    Raises:
        CryptogramError: the key has not 16 bytes.
        ValueError: the counter does not fit two bytes.
    """
    if not 0 <= atc <= 0xFFFF:
        raise ValueError("a transaction counter is 0 to 65535")
    return common_session_key(icc_key, atc.to_bytes(2, "big") + bytes(6))


def application_cryptogram(key: SecretBytes, data: bytes, padding: Padding) -> bytes:
    """Return the 8 bytes of a cryptogram (ARQC, TC or AAC) over ``data`` (EMV Book 2, 8.1.2).

    >>> key = SecretBytes(bytes.fromhex("AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBB"))
    >>> payment = "00000000200000000000000001240000008000012411030900" "3804823E58000001"
    >>> application_cryptogram(key, bytes.fromhex(payment), Padding.MARKED).hex().upper()
    '3B76CF10FECD8789'

    Raises:
        CryptogramError: the key has not 16 bytes.
    """
    ac = pyemv("ac")
    cryptogram: bytes = ac.generate_ac(_key(key), data, ac.PaddingType[padding.value])
    return cryptogram


def arpc_method_1(key: SecretBytes, arqc: bytes, response_code: bytes) -> bytes:
    """Return the issuer's answer of 8 bytes over a cryptogram and two characters (EMV Book 2, 8.2.1).

    >>> key = SecretBytes(bytes.fromhex("154F349D8585CB7F6B0798E9839B10C1"))
    >>> arpc_method_1(key, bytes.fromhex("29CCA15AE665FA2E"), b"00").hex().upper()
    '28993816AFAE4AEB'

    Raises:
        CryptogramError: the key, the cryptogram (8 bytes) or the code (2 bytes) has another length.
    """
    if len(response_code) != 2:
        raise CryptogramError("a response code for the card is two bytes")
    answer: bytes = pyemv("ac").generate_arpc_1(_key(key), _cryptogram(arqc), response_code)
    return answer


def arpc_method_2(key: SecretBytes, arqc: bytes, status: bytes, proprietary: bytes = b"") -> bytes:
    """Return the issuer's answer of 4 bytes over a cryptogram and a card status update (EMV Book 2, 8.2.2).

    ``status``: 4 bytes. ``proprietary``: at most 8 bytes.

    >>> key = SecretBytes(bytes.fromhex("436B942AD637E08564B532B0EC97CB26"))
    >>> arpc_method_2(key, bytes.fromhex("7A788EA6B8A3E733"), bytes(4)).hex().upper()
    '9AF514C1'

    Raises:
        CryptogramError: the key, the cryptogram (8 bytes) or another part has a wrong length.
    """
    if len(status) != STATUS_SIZE or len(proprietary) > 8:
        raise CryptogramError("a card status update is four bytes, with at most eight after it")
    answer: bytes = pyemv("ac").generate_arpc_2(_key(key), _cryptogram(arqc), status, proprietary)
    return answer


def _key(key: SecretBytes) -> bytes:
    if len(key.reveal()) != KEY_SIZE:
        raise CryptogramError(f"a key for cryptograms is {KEY_SIZE} bytes")
    return key.reveal()


def _cryptogram(arqc: bytes) -> bytes:
    if len(arqc) != CRYPTOGRAM_SIZE:
        raise CryptogramError(f"a cryptogram is {CRYPTOGRAM_SIZE} bytes")
    return arqc


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
