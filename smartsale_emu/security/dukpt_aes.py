"""Derived unique key per transaction under AES (ANSI X9.24-3): a key for one transaction, once.

As under triple DES (``dukpt_tdes``), but the key serial number (KSN) is twelve bytes, the id of the initial
key (8) and a counter (4) with at most sixteen 1-bits, and every key is derived by enciphering a block that
says what the key is for. All keys of one chain have the size of the base key (BDK): 16, 24 or 32 bytes.
"""

from enum import IntEnum

from smartsale_emu.security.dukpt_tdes import KsnError, check_counter, next_counter
from smartsale_emu.security.library import psec
from smartsale_emu.security.masking import SecretBytes

KSN_SIZE = 12
"""Bytes of a key serial number."""

KEY_ID_SIZE = 8
"""Bytes of the id of an initial key, the first of a key serial number."""

COUNTER_BITS = 32
"""Of a key serial number, the last ones: they count its messages."""

_MOST_ONES = 16
_DERIVATION = 0x8000
_INITIAL = 0x8001
_ALGORITHMS = {16: 2, 24: 3, 32: 4}  # AES-128, AES-192, AES-256


class DukptUsage(IntEnum):
    """What a working key is for, by its code in the derivation block."""

    PIN = 0x1000
    MAC_GENERATION = 0x2000
    MAC_VERIFICATION = 0x2001
    MAC_BOTH = 0x2002
    DATA_ENCRYPTION = 0x3000
    DATA_DECRYPTION = 0x3001
    DATA_BOTH = 0x3002


def initial_key(bdk: SecretBytes, key_id: bytes) -> SecretBytes:
    """Return the initial key of the pinpad with this id of 8 bytes, in the size of the base key.

    >>> bdk = SecretBytes(bytes.fromhex("FEDCBA9876543210F1F1F1F1F1F1F1F1"))
    >>> initial_key(bdk, bytes.fromhex("1234567890123456")).reveal().hex().upper()
    '1273671EA26AC29AFA4D1084127652A1'

    Raises:
        KsnError: the id is not 8 bytes.
        ValueError: the base key is not 16, 24 or 32 bytes.
    """
    if len(key_id) != KEY_ID_SIZE:
        raise KsnError(f"the id of an initial key is {KEY_ID_SIZE} bytes")
    return SecretBytes(_derive(_whole(bdk), _INITIAL, key_id))


def transaction_key(initial: SecretBytes, ksn: bytes) -> SecretBytes:
    """Return the key that the working keys of a transaction are derived from, in the size of the initial key.

    >>> initial = SecretBytes(bytes.fromhex("1273671EA26AC29AFA4D1084127652A1"))
    >>> transaction_key(initial, bytes.fromhex("123456789012345600000001")).reveal().hex().upper()
    '4F21B565BAD9835E112B6465635EAE44'

    Raises:
        KsnError: the KSN is not twelve bytes, or its counter is zero or has more than sixteen 1-bits.
        ValueError: the initial key is not 16, 24 or 32 bytes.
    """
    key_id, counter = _parts(ksn)
    check_counter(counter, _MOST_ONES)
    key, reached = _whole(initial), 0
    for place in reversed(range(COUNTER_BITS)):
        if counter >> place & 1:
            reached |= 1 << place
            key = _derive(key, _DERIVATION, key_id[4:] + reached.to_bytes(4))
    return SecretBytes(key)


def working_key(initial: SecretBytes, ksn: bytes, usage: DukptUsage) -> SecretBytes:
    """Return the key for one use in the transaction with this KSN, in the size of the initial key.

    >>> initial = SecretBytes(bytes.fromhex("1273671EA26AC29AFA4D1084127652A1"))
    >>> ksn = bytes.fromhex("123456789012345600000001")
    >>> working_key(initial, ksn, DukptUsage.PIN).reveal().hex().upper()
    'AF8CB133A78F8DC2D1359F18527593FB'

    Raises:
        KsnError: the KSN is not twelve bytes, or its counter is zero or has more than sixteen 1-bits.
        ValueError: the initial key is not 16, 24 or 32 bytes.
    """
    return SecretBytes(_derive(transaction_key(initial, ksn).reveal(), usage, ksn[4:]))


def next_ksn(ksn: bytes) -> bytes:
    """Return the KSN of the next transaction; a new pinpad starts from the one with the counter zero.

    >>> next_ksn(bytes.fromhex("12345678901234560001FFFE")).hex().upper()
    '123456789012345600020000'

    Raises:
        KsnError: the KSN is not twelve bytes, or its counter has more than sixteen 1-bits.
        DukptExhaustedError: this was the last one.
    """
    key_id, counter = _parts(ksn)
    return key_id + next_counter(counter, bits=COUNTER_BITS, ones=_MOST_ONES).to_bytes(4)


def _derive(key: bytes, usage: int, context: bytes) -> bytes:
    """Return a key of the same size: as many blocks enciphered, numbered from 1, as it takes.

    A block: version 1, its number, usage (2), algorithm (2), size of the new key in bits (2), context (8).
    """
    size = len(key)
    told = b"".join(number.to_bytes(2) for number in (usage, _ALGORITHMS[size], size * 8)) + context
    blocks = b"".join(bytes((1, number)) + told for number in range(1, (size + 15) // 16 + 1))
    derived: bytes = psec("aes").encrypt_aes_ecb(key, blocks)
    return derived[:size]


def _whole(key: SecretBytes) -> bytes:
    if len(key.reveal()) not in _ALGORITHMS:
        raise ValueError("a DUKPT key of AES is 16, 24 or 32 bytes")
    return key.reveal()


def _parts(ksn: bytes) -> tuple[bytes, int]:
    if len(ksn) != KSN_SIZE:
        raise KsnError(f"a key serial number of AES is {KSN_SIZE} bytes")
    return ksn[:KEY_ID_SIZE], int.from_bytes(ksn[KEY_ID_SIZE:])
