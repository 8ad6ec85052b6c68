"""Serial numbers of messages (KSN) near the end of a DUKPT key: what a pinpad has that used nearly all."""

from smartsale_emu.errors import ProfileError
from smartsale_emu.security import dukpt_aes, dukpt_tdes
from smartsale_emu.security.dukpt_tdes import DukptExhaustedError, KsnError
from smartsale_emu.security.keys import KeyRing, KeyUsage
from smartsale_emu.security.protection import KeyScheme, KeysHeld, Protection, next_ksn


def held_near_the_end(left: int, protection: Protection, keys: KeyRing) -> KeysHeld:
    """Return what a pinpad holds whose initial key has so many serial numbers left.

    Raises:
        ProfileError: the keys of this bank have no serial numbers.
        KeySlotError: the initial key is missing.
    """
    scheme = protection.scheme
    if scheme is KeyScheme.MASTER_SESSION:
        raise ProfileError("terminal.keys_left: the keys of this bank have no serial numbers (DUKPT has)")
    bits = dukpt_aes.COUNTER_BITS if scheme is KeyScheme.DUKPT_AES else dukpt_tdes.COUNTER_BITS
    first = keys.get(protection.slots.initial, KeyUsage.INITIAL).ksn
    initial = int.from_bytes(first) >> bits << bits
    counter = _last_up_to((1 << bits) - 1, initial, len(first), scheme)
    for _ in range(left):
        counter = _last_up_to(counter - 1, initial, len(first), scheme)
    return KeysHeld(ksn=(initial | counter).to_bytes(len(first)).hex().upper())


def _last_up_to(most: int, initial: int, size: int, scheme: KeyScheme) -> int:
    """Return the highest counter up to this one that a message may have: a number may have so many 1-bits."""
    counter = 0
    for place in reversed(range(most.bit_length())):
        bit = most & 1 << place
        if bit and _is_counter((initial | counter | bit).to_bytes(size), scheme):
            counter |= bit
    return counter


def _is_counter(ksn: bytes, scheme: KeyScheme) -> bool:
    try:
        next_ksn(scheme, ksn)
    except DukptExhaustedError:
        return True
    except KsnError:
        return False
    return True
