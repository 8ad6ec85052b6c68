"""ISO 9564 PIN blocks, format 0, under triple DES.

The clear block is ``0``, the PIN's length, the PIN and ``F`` padding, mixed with twelve digits of the card
number; ``psec`` writes and reads it, ``cryptography`` enciphers it. No PIN and no block ever stands in the
text of an error, nor in an error behind it: those of ``psec`` quote the digits.
"""

from contextlib import suppress

from smartsale_emu.errors import WireError
from smartsale_emu.security.keys import tdes_cipher
from smartsale_emu.security.masking import Secret, SecretBytes


class PinBlockError(WireError):
    """A PIN block cannot be built or read. The text says what is wrong, with no value in it."""


def encrypt_pin_block(pin: Secret, pan: str, key: SecretBytes) -> SecretBytes:
    """Return the eight enciphered bytes of a PIN (4 to 12 digits) for a card (13 to 19 digits).

    >>> key = SecretBytes(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
    >>> encrypt_pin_block(Secret("1234"), "2200123456789019", key).reveal().hex().upper()
    'B64B7ABE2B16BDBC'

    Raises:
        PinBlockError: the PIN or the card number is not such a run of digits.
    """
    from psec.pinblock import encode_pinblock_iso_0

    clear: bytes | None = None
    with suppress(ValueError):
        clear = encode_pinblock_iso_0(pin.reveal(), pan)
    if clear is None:
        raise PinBlockError("a PIN of 4 to 12 digits and a card number of 13 to 19 are needed")
    return SecretBytes(tdes_cipher(key).encryptor().update(clear))


def decrypt_pin_block(block: SecretBytes, pan: str, *, key: SecretBytes) -> Secret:
    """Return the PIN of an enciphered format 0 block.

    >>> key = SecretBytes(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
    >>> block = SecretBytes(bytes.fromhex("B64B7ABE2B16BDBC"))
    >>> decrypt_pin_block(block, "2200123456789019", key=key).reveal()
    '1234'

    Raises:
        PinBlockError: it is not eight bytes, or not a block of this card under this key.
    """
    from psec.pinblock import decode_pinblock_iso_0

    enciphered = block.reveal()
    if len(enciphered) != 8:
        raise PinBlockError("a format 0 PIN block is eight bytes")
    pin: str | None = None
    with suppress(ValueError):
        pin = decode_pinblock_iso_0(tdes_cipher(key).decryptor().update(enciphered), pan)
    if pin is None:
        raise PinBlockError("not a PIN block of this card under this key")
    return Secret(pin)
