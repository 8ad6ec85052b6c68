"""Derived unique key per transaction under triple DES (ANSI X9.24-1): a key for one transaction, once.

The bank holds a base key (BDK). The pinpad holds an initial key, derived from it for this pinpad alone, and
sends a key serial number (KSN) with each transaction: ten bytes, of which the last 21 bits count. Both sides
derive the transaction key from it, step by step for each 1 in the counter; counters with more than ten of
them are left out. From the transaction key a variant is made for each use.
"""

from smartsale_emu.errors import KeySlotError, WireError
from smartsale_emu.security.library import psec, xor
from smartsale_emu.security.masking import SecretBytes

KSN_SIZE = 10
"""Bytes of a key serial number."""

COUNTER_BITS = 21
"""Of a key serial number, the last ones: they count its messages."""

_MOST_ONES = 10
_COUNTER = (1 << COUNTER_BITS) - 1
_OTHER_HALF = bytes.fromhex("C0C0C0C000000000" * 2)
_PIN = bytes.fromhex("00000000000000FF" * 2)
_MAC_REQUEST = bytes.fromhex("000000000000FF00" * 2)
_MAC_RESPONSE = bytes.fromhex("00000000FF000000" * 2)


class KsnError(WireError):
    """A key serial number is none: wrong size, or a counter that no transaction ever has."""


class DukptExhaustedError(KeySlotError):
    """The counter of a key serial number has come to its end: the pinpad needs a new initial key."""


def initial_key(bdk: SecretBytes, ksn: bytes) -> SecretBytes:
    """Return the 16 bytes of the initial key of the pinpad with this KSN, whose counter does not matter.

    >>> bdk = SecretBytes(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
    >>> initial_key(bdk, bytes.fromhex("FFFF9876543210E00000")).reveal().hex().upper()
    '6AC292FAA1315B4D858AB3A3D7D5933A'

    Raises:
        KsnError: the KSN is not ten bytes.
        ValueError: the base key is not 16 bytes.
    """
    key = _two_halves(bdk)
    serial = (_number(ksn) & ~_COUNTER).to_bytes(KSN_SIZE)[:8]
    encipher = psec("des").encrypt_tdes_ecb
    return SecretBytes(encipher(key, serial) + encipher(xor(key, _OTHER_HALF), serial))


def transaction_key(initial: SecretBytes, ksn: bytes) -> SecretBytes:
    """Return the 16 bytes of the transaction key; it is never used itself, only its variants are.

    >>> initial = SecretBytes(bytes.fromhex("6AC292FAA1315B4D858AB3A3D7D5933A"))
    >>> transaction_key(initial, bytes.fromhex("FFFF9876543210E00001")).reveal().hex().upper()
    '042666B49184CFA368DE9628D0397BC9'

    Raises:
        KsnError: the KSN is not ten bytes, or its counter is zero or has more than ten 1-bits.
        ValueError: the initial key is not 16 bytes.
    """
    key = _two_halves(initial)
    serial = _number(ksn)
    counter = serial & _COUNTER
    check_counter(counter, _MOST_ONES)
    register = serial & ~_COUNTER
    for place in reversed(range(COUNTER_BITS)):
        if counter >> place & 1:
            register |= 1 << place
            key = _step(key, register.to_bytes(KSN_SIZE)[2:])
    return SecretBytes(key)


def pin_key(transaction: SecretBytes) -> SecretBytes:
    """Return the variant of a transaction key for its PIN block, 16 bytes."""
    return _variant(transaction, _PIN)


def mac_request_key(transaction: SecretBytes) -> SecretBytes:
    """Return the variant for the MAC of the pinpad's message, 16 bytes."""
    return _variant(transaction, _MAC_REQUEST)


def mac_response_key(transaction: SecretBytes) -> SecretBytes:
    """Return the variant for the MAC of the bank's message, 16 bytes."""
    return _variant(transaction, _MAC_RESPONSE)


def next_ksn(ksn: bytes) -> bytes:
    """Return the KSN of the next transaction; a new pinpad starts from the one with the counter zero.

    >>> next_ksn(bytes.fromhex("FFFF9876543210EFFC00")).hex().upper()
    'FFFF9876543210F00000'

    Raises:
        KsnError: the KSN is not ten bytes, or its counter has more than ten 1-bits.
        DukptExhaustedError: this was the last one.
    """
    serial = _number(ksn)
    counter = next_counter(serial & _COUNTER, bits=COUNTER_BITS, ones=_MOST_ONES)
    return (serial & ~_COUNTER | counter).to_bytes(KSN_SIZE)


def next_counter(counter: int, *, bits: int, ones: int) -> int:
    """Return the next higher counter of ``bits`` bits that has at most ``ones`` 1-bits.

    Raises:
        KsnError: the counter itself has more of them.
        DukptExhaustedError: there is none.
    """
    check_counter(counter or 1, ones)
    full = counter.bit_count() == ones  # each counter up to the next carry has one 1 too many
    following = counter + (counter & -counter if full else 1)
    if following >> bits:
        raise DukptExhaustedError("all transaction keys of the initial key are used up")
    return following


def check_counter(counter: int, ones: int) -> None:
    """Refuse a counter that no transaction ever has.

    Raises:
        KsnError: it is zero, or has more 1-bits than ``ones``.
    """
    if not 0 < counter.bit_count() <= ones:
        raise KsnError("a key serial number with a counter that no transaction has")


def _step(key: bytes, register: bytes) -> bytes:
    """Return the key one step further down; there is no way back."""
    return _half(xor(key, _OTHER_HALF), register) + _half(key, register)


def _half(key: bytes, register: bytes) -> bytes:
    left, right = key[:8], key[8:]
    enciphered: bytes = psec("des").encrypt_tdes_ecb(left, xor(right, register))  # a short key: single DES
    return xor(enciphered, right)


def _variant(transaction: SecretBytes, mask: bytes) -> SecretBytes:
    return SecretBytes(xor(_two_halves(transaction), mask))


def _two_halves(key: SecretBytes) -> bytes:
    if len(key.reveal()) != 16:
        raise ValueError("a DUKPT key of triple DES is 16 bytes")
    return key.reveal()


def _number(ksn: bytes) -> int:
    if len(ksn) != KSN_SIZE:
        raise KsnError(f"a key serial number of triple DES is {KSN_SIZE} bytes")
    return int.from_bytes(ksn)
