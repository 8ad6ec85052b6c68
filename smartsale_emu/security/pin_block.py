"""ISO 9564-1 PIN blocks: formats 0, 1 and 3 under triple DES, format 4 under AES.

Formats 0 and 3 mix the PIN with twelve digits of the card number, format 4 with all of them; format 1 knows
no card. The fill of formats 1, 3 and 4 is made from random bytes that are handed in, since the core draws
none: what ``psec`` has for 3 and 4 draws by itself, so it only reads them. No PIN and no block ever stands in
the text of an error, nor in an error behind it: those of ``psec`` quote the digits.
"""

from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import assert_never

from smartsale_emu.errors import WireError
from smartsale_emu.security.keys import tdes_cipher
from smartsale_emu.security.library import psec, xor
from smartsale_emu.security.masking import Secret, SecretBytes

Entropy = Callable[[int], bytes]
"""Gives so many random bytes."""


class PinFormat(StrEnum):
    """The format of a PIN block, by its control digit."""

    ISO_0 = "0"
    ISO_1 = "1"  # knows no card number
    ISO_3 = "3"
    ISO_4 = "4"  # 16 bytes, AES


class PinBlockError(WireError):
    """A PIN block cannot be built or read. The text says what is wrong, with no value in it."""


def encrypt_pin_block(
    pin: Secret,
    pan: str,
    key: SecretBytes,
    *,
    form: PinFormat = PinFormat.ISO_0,
    entropy: Entropy | None = None,
) -> SecretBytes:
    """Return the enciphered PIN block: 8 bytes, in format 4 16.

    ``pin``: 4 to 12 digits. ``pan``: 13 to 19 digits; format 1 does not look at it. ``key``: 8, 16 or 24
    bytes of triple DES, for format 4 16, 24 or 32 of AES. ``entropy``: the source of the fill of formats 1, 3
    and 4.

    >>> key = SecretBytes(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
    >>> encrypt_pin_block(Secret("1234"), "2200123456789019", key).reveal().hex().upper()
    'B64B7ABE2B16BDBC'
    >>> key = SecretBytes(bytes.fromhex("AF8CB133A78F8DC2D1359F18527593FB"))
    >>> fill = bytes.fromhex("2F69ADDE2E9E7ACE")
    >>> encrypt_pin_block(
    ...     Secret("1234"), "4111111111111111", key, form=PinFormat.ISO_4, entropy=lambda size: fill[:size]
    ... ).reveal().hex().upper()
    'A912150391AB65A67E52883D81CE2D15'

    Raises:
        PinBlockError: the PIN or the card number is not such a run of digits.
        ValueError: the key is not one of the format, or a fill is needed and there is no ``entropy``.
    """
    digits = pin.reveal()
    if not _is_digits(digits, least=4, most=12) or not _fits(pan, form):
        raise PinBlockError("a PIN of 4 to 12 digits and a card number of 13 to 19 are needed")
    _check_key(key, form)
    clear = _clear_block(digits, pan, form, entropy)
    if form is not PinFormat.ISO_4:
        return SecretBytes(tdes_cipher(key).encryptor().update(clear))
    encipher = psec("aes").encrypt_aes_ecb
    pan_field = psec("pinblock").encode_pan_field_iso_4(pan)
    return SecretBytes(encipher(key.reveal(), xor(encipher(key.reveal(), clear), pan_field)))


def decrypt_pin_block(
    block: SecretBytes, pan: str, *, key: SecretBytes, form: PinFormat = PinFormat.ISO_0
) -> Secret:
    """Return the PIN of an enciphered block; the arguments are those of ``encrypt_pin_block``.

    >>> key = SecretBytes(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
    >>> block = SecretBytes(bytes.fromhex("B64B7ABE2B16BDBC"))
    >>> decrypt_pin_block(block, "2200123456789019", key=key).reveal()
    '1234'

    Raises:
        PinBlockError: it has another size, or is not a block of this format and card under this key.
        ValueError: the key is not one of the format.
    """
    _check_key(key, form)
    enciphered = block.reveal()
    size, words = (16, "sixteen") if form is PinFormat.ISO_4 else (8, "eight")
    if len(enciphered) != size:
        raise PinBlockError(f"a format {form} PIN block is {words} bytes")
    pin: str | None = None
    if _fits(pan, form):
        with suppress(ValueError):
            pin = _read(enciphered, pan, key, form)
    if pin is None:
        raise PinBlockError("not a PIN block of this card under this key")
    return Secret(pin)


def _clear_block(pin: str, pan: str, form: PinFormat, entropy: Entropy | None) -> bytes:
    """Return the block before it is enciphered, in format 4 its PIN field."""
    if form is PinFormat.ISO_0:
        clear: bytes = psec("pinblock").encode_pinblock_iso_0(pin, pan)
        return clear
    if entropy is None:
        raise ValueError(f"a format {form} PIN block needs entropy for its fill")
    start = f"{form}{len(pin):X}{pin}"
    match form:
        case PinFormat.ISO_1:
            return bytes.fromhex((start + entropy(5).hex())[:16])
        case PinFormat.ISO_3:
            return xor(
                bytes.fromhex((start + _letters(entropy(16)))[:16]), bytes.fromhex(f"0000{pan[-13:-1]}")
            )
        case PinFormat.ISO_4:
            return bytes.fromhex(start.ljust(16, "A")) + entropy(8)
        case _:
            assert_never(form)


def _letters(drawn: bytes) -> str:
    """Return ten letters A to F of 16 random bytes, each as likely as the others to within 2**-100."""
    number, letters = int.from_bytes(drawn), ""
    for _ in range(10):
        number, place = divmod(number, 6)
        letters += "ABCDEF"[place]
    return letters


def _read(enciphered: bytes, pan: str, key: SecretBytes, form: PinFormat) -> str:
    library = psec("pinblock")
    pin: str
    if form is PinFormat.ISO_4:
        pin = library.decipher_pinblock_iso_4(key.reveal(), enciphered, pan)
        return pin
    clear = tdes_cipher(key).decryptor().update(enciphered)
    match form:
        case PinFormat.ISO_0:
            pin = library.decode_pinblock_iso_0(clear, pan)
        case PinFormat.ISO_1:
            pin = _read_format_1(clear)
        case PinFormat.ISO_3:
            pin = library.decode_pinblock_iso_3(clear, pan)
        case _:
            assert_never(form)
    return pin


def _read_format_1(clear: bytes) -> str:
    text = clear.hex()
    pin = text[2 : 2 + int(text[1], 16)]
    if text[0] != PinFormat.ISO_1 or not _is_digits(pin, least=4, most=12):
        raise ValueError("not a format 1 block")
    return pin


def _check_key(key: SecretBytes, form: PinFormat) -> None:
    size = len(key.reveal())
    if form is PinFormat.ISO_4 and size not in (16, 24, 32):
        raise ValueError("a format 4 PIN block needs an AES key of 16, 24 or 32 bytes")
    if form is not PinFormat.ISO_4 and size not in (8, 16, 24):
        raise ValueError(f"a format {form} PIN block needs a triple DES key of 8, 16 or 24 bytes")


def _fits(pan: str, form: PinFormat) -> bool:
    return form is PinFormat.ISO_1 or _is_digits(pan, least=13, most=19)


def _is_digits(text: str, *, least: int, most: int) -> bool:
    return least <= len(text) <= most and text.isascii() and text.isdigit()
