"""The secure part of the bank: it reads PIN blocks, checks and makes MACs, and offers new session keys.

For every pinpad the bank holds the keys that it offered and those in use before: whether the pinpad took an
offer, the bank sees only by the messages that follow. Which of them fit is tried, the newest first. None is
forgotten until a newer one is seen in use; so there is a most of them, and then the newest is offered again.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache

from smartsale_emu.errors import KeySlotError
from smartsale_emu.security.key_slot import KeySlot, check_value, random_key
from smartsale_emu.security.keys import KeyRing, KeyUsage, seal_key
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.security.pin_block import PinBlockError, decrypt_pin_block
from smartsale_emu.security.protection import (
    KeyScheme,
    MessageKeys,
    Protection,
    SessionKey,
    dukpt_keys,
    initial_key,
)
from smartsale_emu.security.safe import session_keys

Offer = tuple[SessionKey, ...]
"""The session keys of one key change; empty: those of the slots."""

Offers = Sequence[Offer]
"""What one pinpad may be using, the newest first."""

MOST_OFFERS = 8
"""From so many on, the one in use included, no new keys are made."""


class BankSafe:
    """The bank's keys.

    Raises:
        KeySlotError: a slot of the scheme is empty, or holds a key for another use or of a length that this
            does not take.
    """

    def __init__(self, keys: KeyRing, entropy: Callable[[int], bytes], protection: Protection) -> None:
        self._keys, self._entropy, self._protection = keys, entropy, protection
        if protection.scheme is KeyScheme.MASTER_SESSION:
            session_keys(keys, protection, ())
        else:
            protection.need_key(keys.get(protection.slots.base, KeyUsage.DERIVATION))
        self._derived = lru_cache(maxsize=64)(self._of_ksn)
        self._opened = lru_cache(maxsize=64)(self._open)

    def candidates(self, ksn: bytes, offers: Offers) -> tuple[MessageKeys, ...]:
        """Return the keys that a message may have been made with, the likeliest first.

        Raises:
            KsnError: it is no KSN of the scheme.
        """
        if self._protection.scheme is not KeyScheme.MASTER_SESSION:
            return (self._derived(ksn),)
        return tuple(self._opened(tuple(offers)).values())

    def usable(self, offers: Offers) -> tuple[Offer, ...]:
        """Return those of the offers that a pinpad can use, and the slots' where it goes back to them.

        None in a scheme without session keys: those that there are were made under another scheme.
        """
        if self._protection.scheme is not KeyScheme.MASTER_SESSION:
            return ()
        return tuple(self._opened(tuple(offers)))

    def offer_used(self, offers: Offers, fits: Callable[[MessageKeys], bool]) -> Offer | None:
        """Return the one usable offer whose keys fit a message; None if none do, or more than one."""
        if self._protection.scheme is not KeyScheme.MASTER_SESSION:
            return None
        used = [offer for offer, keys in self._opened(tuple(offers)).items() if fits(keys)]
        return used[0] if len(used) == 1 else None

    def _open(self, offers: tuple[Offer, ...]) -> Mapping[Offer, MessageKeys]:
        """Return the keys of the offers that open under the present slots.

        A pinpad that holds one of the others cannot open it either: it goes back to the keys of the slots.
        """
        opened = {}
        for offer in offers:
            with suppress(KeySlotError):
                opened[offer] = session_keys(self._keys, self._protection, offer)
        if any(offer not in opened for offer in offers):
            opened.setdefault((), session_keys(self._keys, self._protection, ()))
        return opened

    def is_block(self, block: SecretBytes, pan: str, keys: MessageKeys) -> bool:
        """Tell whether this is a PIN block of a card under these keys, whatever the PIN."""
        with suppress(PinBlockError):
            self.pin(block, pan, [keys])
            return True
        return False

    def pin(self, block: SecretBytes, pan: str, keys: Sequence[MessageKeys]) -> Secret:
        """Return the PIN of a block.

        Raises:
            PinBlockError: under none of the keys is it a block of this card, or it is one of different PINs.
        """
        pins: list[Secret] = []
        for candidate in keys:
            with suppress(PinBlockError):
                pins.append(
                    decrypt_pin_block(block, pan, key=candidate.pin, form=self._protection.pin_format)
                )
        if not pins:
            raise PinBlockError("not a PIN block of this card under any key of this terminal")
        if any(pin != pins[0] for pin in pins):
            raise PinBlockError("a PIN block under several keys of this terminal, of a different PIN each")
        return pins[0]

    def sealed_with(self, covered: bytes, mac: bytes, keys: Sequence[MessageKeys]) -> tuple[MessageKeys, ...]:
        """Return those of the keys under which this is the MAC of a request."""
        rule = self._protection.mac
        if rule is None:
            return ()
        return tuple(
            candidate
            for candidate in keys
            if candidate.request_mac is not None and rule.is_right(covered, mac, candidate.request_mac)
        )

    def mac(self, covered: bytes, keys: MessageKeys) -> bytes:
        """Return the MAC of an answer."""
        rule = self._protection.mac
        if rule is None or keys.answer_mac is None:
            raise AssertionError("messages of this bank have no MAC")
        return rule.make(covered, keys.answer_mac)

    def offer(self, offers: Offers = ()) -> Offer:
        """Return new session keys, one for the PIN slot, one for that of the MAC where there is one.

        The newest of ``offers``, those that its pinpad can use, comes again when there are ``MOST_OFFERS``.

        Raises:
            KeySlotError: there is no master key, or the scheme has no session keys.
        """
        if len(offers) >= MOST_OFFERS:
            return next(offer for offer in offers if offer)
        slots = self._protection.slots
        master = self._keys.get(slots.master, KeyUsage.MASTER)
        names = [slots.pin] if self._protection.mac is None else [slots.pin, slots.mac]
        return tuple(self._new(self._keys.get(name), master) for name in names)

    def _new(self, old: KeySlot, master: KeySlot) -> SessionKey:
        value = random_key(old.algorithm, old.bits, self._entropy)
        kcv = check_value(old.algorithm, value)
        new = KeySlot(old.name, old.usage, old.algorithm, value, kcv)
        return SessionKey(old.usage, seal_key(new, master, self._entropy).blob, kcv)

    def _of_ksn(self, ksn: bytes) -> MessageKeys:
        scheme = self._protection.scheme
        base = self._keys.get(self._protection.slots.base, KeyUsage.DERIVATION).value
        return dukpt_keys(scheme, initial_key(scheme, base, ksn), ksn)
