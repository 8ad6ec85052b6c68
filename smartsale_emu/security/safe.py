"""The secure part of the pinpad: PIN blocks and MACs by the scheme, sealing under the storage key.

Randomness is handed in (``entropy``), so that a run with the same inputs gives the same bytes. What changes
with time, session keys and the KSN, is a value that the caller keeps (``KeysHeld``).
"""

import base64
import binascii
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from smartsale_emu.errors import KeySlotError, StateError
from smartsale_emu.security.dukpt_tdes import DukptExhaustedError
from smartsale_emu.security.keys import KeyRing, KeyUsage
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.security.pin_block import encrypt_pin_block
from smartsale_emu.security.protection import (
    NOTHING_HELD,
    KeyScheme,
    KeysHeld,
    MessageKeys,
    Protection,
    SessionKey,
    dukpt_keys,
    is_same_key,
    next_ksn,
)
from smartsale_emu.security.sealing import NONCE_SIZE, Sealer

STORAGE_SLOT = "terminal-storage"
DEFAULT = Protection()

_COUNTER, _MOST_ONES = 0xF_FFFF, 8
"""A DUKPT counter to begin at: far from its end, with few enough 1-bits for both schemes."""


class TerminalSafe:
    """Keys that never leave it.

    Raises:
        KeySlotError: a slot of the scheme, or ``terminal-storage``, is empty or holds a key for another use;
            or a key of the scheme has a length that its use does not take.
    """

    def __init__(
        self, keys: KeyRing, entropy: Callable[[int], bytes], protection: Protection = DEFAULT
    ) -> None:
        self._keys, self._entropy, self._protection = keys, entropy, protection
        self._sealer = Sealer(keys.get(STORAGE_SLOT, KeyUsage.STORAGE).value)
        self._last: tuple[KeysHeld, MessageKeys] | None = None
        if protection.scheme is KeyScheme.MASTER_SESSION:
            self._of_session(NOTHING_HELD)
        else:
            protection.need_key(keys.get(protection.slots.initial, KeyUsage.INITIAL))

    # --- the keys of messages ----------------------------------------------------------------------------

    def for_next_message(self, held: KeysHeld) -> KeysHeld:
        """Return what is held once the next message has its keys: a new KSN in the schemes that have one.

        Session keys that are of no use, since the slots were replaced or their length is not one that their
        use takes, are given up: those of the slots are used, until the next key change. An initial key
        that is used up gives its last keys once more, so that what is owed can still be undone.
        """
        if self._protection.scheme is KeyScheme.MASTER_SESSION:
            with suppress(KeySlotError):
                self._of(held)
                return held
            return replace(held, session=())
        with suppress(DukptExhaustedError):
            return replace(held, ksn=self._next_ksn(held).hex().upper())
        return held

    def is_used_up(self, held: KeysHeld) -> bool:
        """Tell whether there are no keys for a new message: a DUKPT initial key has had its last KSN."""
        if self._protection.scheme is KeyScheme.MASTER_SESSION:
            return False
        try:
            self._next_ksn(held)
        except DukptExhaustedError:
            return True
        return False

    def _next_ksn(self, held: KeysHeld) -> bytes:
        scheme, last = self._protection.scheme, bytes.fromhex(held.ksn)
        first = self._keys.get(self._protection.slots.initial, KeyUsage.INITIAL).ksn
        return next_ksn(scheme, last if is_same_key(scheme, first, last) else first)

    def pin_block(self, pin: Secret, pan: str, held: KeysHeld) -> SecretBytes:
        """Return the PIN block of the scheme, enciphered: 8 bytes, 16 in format 4.

        Raises:
            PinBlockError: PIN or card number do not fit the format.
        """
        form = self._protection.pin_format
        return encrypt_pin_block(pin, pan, self._of(held).pin, form=form, entropy=self._entropy)

    def unpredictable_number(self) -> bytes:
        """Return four bytes that nobody can foresee (EMV tag 9F37)."""
        return self._entropy(4)

    def mac(self, covered: bytes, held: KeysHeld) -> bytes:
        """Return the MAC of a request."""
        rule, key = self._protection.mac, self._of(held).request_mac
        if rule is None or key is None:
            raise AssertionError("messages of this bank have no MAC")
        return rule.make(covered, key)

    def mac_is_right(self, covered: bytes, mac: bytes, held: KeysHeld) -> bool:
        """Tell whether an answer has its MAC: the answer to the request that had the keys of ``held``."""
        rule, key = self._protection.mac, self._of(held).answer_mac
        return rule is None or key is None or rule.is_right(covered, mac, key)

    def accepted(self, offered: Iterable[SessionKey], held: KeysHeld) -> KeysHeld:
        """Return what is held after a key change; ``held`` stays as it is if a key is not taken.

        Raises:
            KeySlotError: a key does not match its check value, has a length that its use does not take, or is
                for a use that is never changed.
        """
        new = {key.usage: key for key in (*held.session, *offered)}
        changed = replace(held, session=tuple(new.values()))
        self._of_session(changed)
        return changed

    def _of(self, held: KeysHeld) -> MessageKeys:
        if self._last is None or self._last[0] != held:
            self._last = held, self._derived(held)
        return self._last[1]

    def _derived(self, held: KeysHeld) -> MessageKeys:
        protection = self._protection
        if protection.scheme is KeyScheme.MASTER_SESSION:
            return self._of_session(held)
        initial = self._keys.get(protection.slots.initial, KeyUsage.INITIAL).value
        return dukpt_keys(protection.scheme, initial, bytes.fromhex(held.ksn))

    def _of_session(self, held: KeysHeld) -> MessageKeys:
        return session_keys(self._keys, self._protection, held.session)

    # --- what the pinpad keeps on disk -------------------------------------------------------------------

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


def session_keys(keys: KeyRing, protection: Protection, changed: Iterable[SessionKey]) -> MessageKeys:
    """Return the keys of the slots, or those that a key change has put there since.

    Raises:
        KeySlotError: a slot is empty, its key is for another use or of a length that this does not take, or a
            changed key has another check value.
    """
    slots, ring = protection.slots, keys
    for key in changed:
        blob = bytes.fromhex(key.cryptogram)
        ring = ring.changed(slots.of(key.usage), cryptogram=blob, kcv=key.kcv, under=slots.master)
    pin = ring.get(slots.pin, KeyUsage.PIN)
    protection.need_key(pin)
    if protection.mac is None:
        return MessageKeys(pin.value, None, None)
    mac = ring.get(slots.mac, KeyUsage.MAC)
    protection.need_key(mac)
    return MessageKeys(pin.value, mac.value, mac.value)


def keys_to_begin_with(protection: Protection, keys: KeyRing, entropy: Callable[[int], bytes]) -> KeysHeld:
    """Return what a talk of a pinpad without a memory begins with: any serial number, so that the next talk
    hardly begins at the same.

    Raises:
        KeySlotError: the initial key of a DUKPT scheme is missing.
    """
    if protection.scheme is KeyScheme.MASTER_SESSION:
        return NOTHING_HELD
    first = keys.get(protection.slots.initial, KeyUsage.INITIAL).ksn
    counter = int.from_bytes(entropy(3)) & _COUNTER
    while counter.bit_count() > _MOST_ONES:
        counter &= counter - 1
    ksn = int.from_bytes(first) | counter  # whose own counter is zero
    return KeysHeld(ksn=ksn.to_bytes(len(first)).hex().upper())
