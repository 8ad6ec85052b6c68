"""The secure part of the pinpad: PIN blocks under the PIN key, sealing under the storage key.

Randomness is handed in (``entropy``), so that a run with the same inputs gives the same bytes.
"""

import base64
import binascii
from collections.abc import Callable

from smartsale_emu.errors import StateError
from smartsale_emu.security.keys import KeyRing, KeyUsage
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.security.pin_block import encrypt_pin_block
from smartsale_emu.security.sealing import NONCE_SIZE, Sealer

PIN_SLOT = "terminal-pin"
STORAGE_SLOT = "terminal-storage"


class TerminalSafe:
    """Keys that never leave it.

    Raises:
        KeySlotError: the slot ``terminal-pin`` or ``terminal-storage`` is empty.
    """

    def __init__(self, keys: KeyRing, entropy: Callable[[int], bytes]) -> None:
        self._pin_key = keys.get(PIN_SLOT, KeyUsage.PIN).value
        self._sealer = Sealer(keys.get(STORAGE_SLOT, KeyUsage.STORAGE).value)
        self._entropy = entropy

    def pin_block(self, pin: Secret, pan: str) -> SecretBytes:
        """Return the ISO 9564 format 0 block of a PIN, enciphered, 8 bytes."""
        return encrypt_pin_block(pin, pan, self._pin_key)

    def seal(self, text: str) -> str:
        """Return the text sealed, in base64."""
        return base64.b64encode(self._sealer.seal(text.encode(), self._entropy(NONCE_SIZE))).decode()

    def unseal(self, sealed: str) -> str:
        """Return the text of a sealed one.

        Raises:
            StateError: it was sealed under another key, or is damaged.
        """
        try:
            return self._sealer.open(base64.b64decode(sealed, validate=True)).decode()
        except binascii.Error:
            raise StateError("a sealed record is damaged") from None
