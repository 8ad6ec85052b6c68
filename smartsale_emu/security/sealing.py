"""Sealing of what the pinpad keeps on disk, so that its memory file holds no clear card number.

AES in Galois/Counter Mode: who has the key reads it, nobody changes it unseen. The nonce is handed in, since
the core draws no randomness by itself.
"""

from typing import TYPE_CHECKING

from smartsale_emu.errors import StateError
from smartsale_emu.security.masking import SecretBytes

if TYPE_CHECKING:  # cryptography is slow to import: only when something is sealed
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_SIZE = 12
"""Bytes of a nonce; the same nonce never twice under one key."""

_TAG_SIZE = 16


class Sealer:
    """Seals and opens under one AES key of 16, 24 or 32 bytes."""

    def __init__(self, key: SecretBytes) -> None:
        self._key = key
        self._gcm: AESGCM | None = None

    def seal(self, plain: bytes, nonce: bytes) -> bytes:
        """Return the nonce, the enciphered bytes and the 16 bytes of the tag.

        >>> sealer = Sealer(SecretBytes(b"smartsale-emu 01"))
        >>> blob = sealer.seal(b"2200", bytes(12))
        >>> len(blob), sealer.open(blob)
        (32, b'2200')

        Raises:
            ValueError: the nonce is not 12 bytes.
        """
        if len(nonce) != NONCE_SIZE:
            raise ValueError(f"a nonce is {NONCE_SIZE} bytes")
        return nonce + self._cipher().encrypt(nonce, plain, None)

    def open(self, blob: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            StateError: it was sealed under another key, or it is damaged.
        """
        from cryptography.exceptions import InvalidTag

        if len(blob) < NONCE_SIZE + _TAG_SIZE:
            raise StateError("a sealed record is too short")
        try:
            return self._cipher().decrypt(blob[:NONCE_SIZE], blob[NONCE_SIZE:], None)
        except InvalidTag:
            raise StateError("a sealed record is damaged, or was sealed under another key") from None

    def _cipher(self) -> "AESGCM":
        if self._gcm is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._gcm = AESGCM(self._key.reveal())
        return self._gcm
