"""Named keys with their check values, read from files of published or self-made test keys.

Keys may lie under one another, as they do on their way from a bank to a pinpad: a ``KeyRing`` opens them,
whatever the order of the files, and gives out none that does not match its check value. What a key and a key
file are is told in ``key_slot`` and ``key_file``; their names are at hand here too.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from smartsale_emu.errors import KeySlotError
from smartsale_emu.security.key_file import dump_key, parse_key, require_right
from smartsale_emu.security.key_slot import (
    Algorithm,
    KeyForm,
    KeySlot,
    KeyUsage,
    SealedKey,
    check_value,
    random_key,
    tdes_cipher,
)
from smartsale_emu.security.masking import SecretBytes

if TYPE_CHECKING:  # cryptography is slow to import: only when a key is used
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import ECB

    from smartsale_emu.security.tr31 import Tr31Key

__all__ = [
    "Algorithm",
    "KeyForm",
    "KeyRing",
    "KeySlot",
    "KeyUsage",
    "SealedKey",
    "check_value",
    "dump_key",
    "parse_key",
    "random_key",
    "seal_key",
    "tdes_cipher",
]

_Result = TypeVar("_Result")
_OPENER = {KeyForm.CRYPTOGRAM: KeyUsage.MASTER, KeyForm.TR31: KeyUsage.WRAPPING}


class KeyRing:
    """The keys at hand, by name; ``origin``: their directory. One under another is opened when asked for.

    So a start opens no key that it does not use. A sealed key that does not match its check value is refused
    then: a pinpad and a bank ask for every slot of their scheme when they are made, ``keys verify`` for all.

    Raises:
        KeySlotError: two slots have one name; the key that opens another is missing, for another use, or lies
            itself under what it should open.
    """

    def __init__(self, keys: Iterable[KeySlot | SealedKey] = (), *, origin: str = "") -> None:
        self._origin, self._where = origin, f"{origin}: " if origin else ""
        self._held: dict[str, KeySlot | SealedKey] = {}
        for key in keys:
            if key.name in self._held:
                raise KeySlotError(f"{self._where}key slot {key.name}: is filled twice")
            self._held[key.name] = key
        for key in self._held.values():
            _require_openers(key, self._held)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._held)})"

    def names(self) -> tuple[str, ...]:
        """Return the names of the filled slots, in the order they were given."""
        return tuple(self._held)

    def slots(self) -> tuple[KeySlot, ...]:
        """Return the filled slots, in the order they were given.

        Raises:
            KeySlotError: a key cannot be opened, or does not match its check value.
        """
        return tuple(self._opened(name) for name in self._held)

    def get(self, name: str, usage: KeyUsage | None = None) -> KeySlot:
        """Return the slot ``name``; with ``usage``, only if the key is meant for it.

        Raises:
            KeySlotError: the slot is empty, its key is for another use, cannot be opened, or does not match
                its check value.
        """
        key = self._held.get(name)
        if key is None:
            held = ", ".join(self._held) or "none"
            raise KeySlotError(f"{self._where}key slot {name}: there is no key (there are: {held})")
        if usage is not None and key.usage is not usage:
            raise KeySlotError(f"{self._where}key slot {name}: its key is for {key.usage}, not for {usage}")
        return self._opened(name)

    def issuer_of(self, pan: str) -> KeySlot | None:
        """Return the issuer key whose ``bins`` say most of a card number, if any says something.

        Raises:
            KeySlotError: it cannot be opened, or does not match its check value.
        """
        fitting = [
            (len(prefix), key.name)
            for key in self._held.values()
            for prefix in key.bins
            if pan.startswith(prefix)
        ]
        return self._opened(max(fitting, key=lambda found: found[0])[1]) if fitting else None

    def open_issuers(self) -> None:
        """Open every issuer key, so that ``issuer_of`` finds none that is wrong.

        Raises:
            KeySlotError: one cannot be opened, or does not match its check value.
        """
        for key in tuple(self._held.values()):
            if key.usage is KeyUsage.ISSUER:
                self._opened(key.name)

    def changed(self, name: str, *, cryptogram: bytes, kcv: str, under: str) -> "KeyRing":
        """Return a ring with a new key in the slot ``name``, as a key change message brings it.

        The key comes enciphered under the master key ``under``; use and algorithm stay. This ring stays as it
        is, so that a key that is refused leaves the old one in place.

        Raises:
            KeySlotError: there is no such slot or master key, or the key does not match ``kcv`` (six hex).
        """
        old, blob = self.get(name), cryptogram.hex().upper()
        new = SealedKey(
            name, old.usage, old.algorithm, KeyForm.CRYPTOGRAM, blob, under, kcv.upper(), "a key change"
        )
        ring = KeyRing({**self._held, name: new}.values(), origin=self._origin)
        ring.get(name)
        return ring

    def _opened(self, name: str) -> KeySlot:
        key = self._held[name]
        if isinstance(key, SealedKey):
            key = _unsealed(key, self._opened(key.under))
            self._held[name] = key
        return key


def seal_key(key: KeySlot, opener: KeySlot, entropy: Callable[[int], bytes]) -> SealedKey:
    """Return a key under another: a cryptogram under a master key, a TR-31 block under a wrapping key.

    >>> master = SecretBytes(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
    >>> opener = KeySlot("master", KeyUsage.MASTER, Algorithm.TDES, master, "08D7B4")
    >>> value = SecretBytes(bytes.fromhex("A1B3C2D5E5F70719293B4A5D6D7F8F91"))
    >>> key = KeySlot("pin", KeyUsage.PIN, Algorithm.TDES, value, "76CDB5")
    >>> seal_key(key, opener, bytes).blob
    '541B3C01A778416611C2E290748628CC'

    Raises:
        KeySlotError: ``opener`` is the key itself or for another use, or the key's length does not fit.
    """
    where = f"key slot {key.name}"
    if opener.name == key.name:
        raise KeySlotError(f"{where}: under: a key does not lie under itself")
    form = next((form for form, usage in _OPENER.items() if usage is opener.usage), None)
    if form is None:
        raise KeySlotError(f"{where}: under: the key {opener.name} is for {opener.usage}, not for other keys")
    if form is KeyForm.TR31:
        from smartsale_emu.security.tr31 import wrap

        blob = _told(where, lambda: wrap(key, opener, entropy))
    else:
        _require_whole_blocks(key.value.reveal(), opener, where)
        blob = _ecb(opener).encryptor().update(key.value.reveal()).hex().upper()
    return SealedKey(
        key.name, key.usage, key.algorithm, form, blob, opener.name, key.kcv, key.source, key.ksn, key.bins
    )


def _require_openers(key: KeySlot | SealedKey, held: Mapping[str, KeySlot | SealedKey]) -> None:
    """Follow a key to the clear one above it. Raises KeySlotError when the way does not lead there."""
    way: list[SealedKey] = []
    while isinstance(key, SealedKey):
        way.append(key)
        names = [passed.name for passed in way]
        if key.under in names:
            around = " under ".join((*names[names.index(key.under) :], key.under))
            raise KeySlotError(f"{_where(key)}: under: the keys lie in a circle: {around}")
        if key.under not in held:
            raise KeySlotError(f"{_where(key)}: under: there is no key slot {key.under}")
        key = held[key.under]
    for sealed in way:
        opener = held[sealed.under]
        if opener.usage is not _OPENER[sealed.form]:
            needed = f"is for {opener.usage}, not for {_OPENER[sealed.form]}"
            raise KeySlotError(f"{_where(sealed)}: under: the key {opener.name} {needed}")


def _where(key: SealedKey) -> str:
    return f"{key.origin}: key slot {key.name}" if key.origin else f"key slot {key.name}"


def _unsealed(key: SealedKey, opener: KeySlot) -> KeySlot:
    where = _where(key)
    if key.form is KeyForm.TR31:
        from smartsale_emu.security.tr31 import unwrap

        value = _from_block(key, _told(f"{where}: tr31", lambda: unwrap(key.blob, opener)), where)
    else:
        cryptogram = bytes.fromhex(key.blob)
        _require_whole_blocks(cryptogram, opener, f"{where}: cryptogram")
        value = SecretBytes(_ecb(opener).decryptor().update(cryptogram))
    require_right(key.algorithm, value, kcv=key.kcv, where=where, row=key.form)
    return KeySlot(
        key.name,
        key.usage,
        key.algorithm,
        value,
        key.kcv,
        key.source,
        key.ksn,
        key.bins,
        form=key.form,
        under=key.under,
    )


def _from_block(key: SealedKey, found: "Tr31Key", where: str) -> SecretBytes:
    if found.algorithm is not key.algorithm:
        raise KeySlotError(f"{where}: tr31: the block holds a key of {found.algorithm}")
    if not found.fits(key.usage):
        raise KeySlotError(f"{where}: tr31: the block says {found.usage}, which is not a key for {key.usage}")
    if key.ksn and not key.ksn.startswith(found.ksn):
        raise KeySlotError(f"{where}: ksn: the block tells another one")
    return found.value


def _require_whole_blocks(key: bytes, opener: KeySlot, where: str) -> None:
    size = 8 if opener.algorithm is Algorithm.TDES else 16
    if len(key) % size:
        raise KeySlotError(f"{where}: under a master key of {opener.algorithm} go multiples of {size} bytes")


def _ecb(opener: KeySlot) -> "Cipher[ECB]":
    if opener.algorithm is Algorithm.TDES:
        return tdes_cipher(opener.value)
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import ECB

    return Cipher(AES(opener.value.reveal()), ECB())


def _told(where: str, step: Callable[[], _Result]) -> _Result:
    from smartsale_emu.security.tr31 import Tr31Error

    try:
        return step()
    except Tr31Error as error:
        raise KeySlotError(f"{where}: {error}") from None
