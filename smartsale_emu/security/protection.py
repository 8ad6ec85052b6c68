"""How a pinpad and its bank protect PINs and messages: the scheme of the keys, and the keys of one message.

Master/session: PIN and MAC keys lie in slots, and new ones come under the master key by a key change. DUKPT
(ANSI X9.24-1 under triple DES, X9.24-3 under AES): every message has keys of its own, derived from the
pinpad's initial key by the serial number (KSN) that the message carries.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from smartsale_emu.errors import KeySlotError
from smartsale_emu.security import dukpt_aes, dukpt_tdes
from smartsale_emu.security.key_slot import Algorithm, KeySlot, KeyUsage
from smartsale_emu.security.mac import KEY_SIZES, MacAlgorithm, mac_is_right, make_mac
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.security.pin_block import PinFormat

_PIN_KEY_SIZES = {Algorithm.TDES: (16, 24), Algorithm.AES: (16, 24, 32)}
_BASE_KEY_SIZES = {Algorithm.TDES: (16,), Algorithm.AES: (16, 24, 32)}


class KeyScheme(StrEnum):
    """Where the keys of a message come from."""

    MASTER_SESSION = "master-session"
    DUKPT_TDES = "dukpt-tdes"
    DUKPT_AES = "dukpt-aes"

    @property
    def algorithm(self) -> Algorithm:
        """What the base key of a DUKPT scheme is a key of."""
        return Algorithm.AES if self is KeyScheme.DUKPT_AES else Algorithm.TDES


@dataclass(frozen=True, slots=True)
class MacRule:
    """How a message is sealed. ``padding``: 1 or 2, of the retail MAC; ``size``: 4 to 8 bytes."""

    algorithm: MacAlgorithm
    padding: int = 1
    size: int = 8

    def make(self, covered: bytes, key: SecretBytes) -> bytes:
        """Return the MAC of the bytes that it covers."""
        return make_mac(covered, key, self.algorithm, padding=self.padding, size=self.size)

    def is_right(self, covered: bytes, mac: bytes, key: SecretBytes) -> bool:
        """Tell whether this is their MAC."""
        return mac_is_right(covered, mac, key, self.algorithm, padding=self.padding, size=self.size)


@dataclass(frozen=True, slots=True)
class SlotNames:
    """The key slots of a scheme. ``base``: at the bank only, ``initial``: at the pinpad only."""

    master: str = "terminal-master"
    pin: str = "terminal-pin"
    mac: str = "terminal-mac"
    initial: str = "terminal-dukpt-tdes"
    base: str = "bank-dukpt-tdes"

    def of(self, usage: KeyUsage) -> str:
        """Return the slot whose key a key change replaces.

        Raises:
            KeySlotError: keys for this use are not changed.
        """
        if usage not in (KeyUsage.PIN, KeyUsage.MAC):
            raise KeySlotError(f"a key for {usage}: is not changed by messages")
        return self.pin if usage is KeyUsage.PIN else self.mac


@dataclass(frozen=True, slots=True)
class Protection:
    """What a bank has agreed on with its pinpads. ``mac``: None where messages have none."""

    scheme: KeyScheme = KeyScheme.MASTER_SESSION
    pin_format: PinFormat = PinFormat.ISO_0
    mac: MacRule | None = None
    slots: SlotNames = SlotNames()

    def need_key(self, key: KeySlot) -> None:
        """Refuse a key of another algorithm or length than what is made with it.

        Raises:
            KeySlotError: it is such a key; the message names its slot.
        """
        wanted = self.scheme.algorithm
        if self.scheme is KeyScheme.MASTER_SESSION:
            mac = self.mac is not None and self.mac.algorithm is MacAlgorithm.AES_CMAC
            aes = self.pin_format is PinFormat.ISO_4 if key.usage is KeyUsage.PIN else mac
            wanted = Algorithm.AES if aes else Algorithm.TDES
        if key.algorithm is not wanted:
            raise KeySlotError(f"key slot {key.name}: the bank's profile needs a key of {wanted} here")
        sizes = self._key_sizes(key)
        if len(key.value.reveal()) not in sizes:
            lengths = " or ".join(map(str, sizes))
            raise KeySlotError(f"key slot {key.name}: a key for {key.usage} has {lengths} bytes here")

    def _key_sizes(self, key: KeySlot) -> tuple[int, ...]:
        if self.scheme is not KeyScheme.MASTER_SESSION:
            return _BASE_KEY_SIZES[key.algorithm]
        if key.usage is KeyUsage.MAC and self.mac is not None:
            return KEY_SIZES[self.mac.algorithm]
        return _PIN_KEY_SIZES[key.algorithm]


@dataclass(frozen=True, slots=True)
class SessionKey:
    """A key that a key change has brought, as it may be kept and sent.

    ``usage``: PIN or MAC. ``cryptogram``: hex, enciphered under the master key. ``kcv``: six hex.
    """

    usage: KeyUsage
    cryptogram: str
    kcv: str


@dataclass(frozen=True, slots=True)
class KeysHeld:
    """What a pinpad must not forget of its keys. ``ksn``: hex, the last one used; empty before the first."""

    session: tuple[SessionKey, ...] = ()
    ksn: str = ""


NOTHING_HELD = KeysHeld()
"""A new pinpad: the keys of its slots, and the first KSN to come."""


@dataclass(frozen=True, slots=True)
class MessageKeys:
    """The keys of one request and its answer. The MAC keys are None where messages have no MAC."""

    pin: SecretBytes
    request_mac: SecretBytes | None
    answer_mac: SecretBytes | None


def dukpt_keys(scheme: KeyScheme, initial: SecretBytes, ksn: bytes) -> MessageKeys:
    """Return the keys of the message with this KSN.

    >>> initial = SecretBytes(bytes.fromhex("6AC292FAA1315B4D858AB3A3D7D5933A"))
    >>> keys = dukpt_keys(KeyScheme.DUKPT_TDES, initial, bytes.fromhex("FFFF9876543210E00001"))
    >>> keys.pin.reveal().hex().upper()
    '042666B49184CF5C68DE9628D0397B36'

    Raises:
        KsnError: it is no KSN of the scheme.
        ValueError: the scheme has no KSN.
    """
    match scheme:
        case KeyScheme.DUKPT_TDES:
            key = dukpt_tdes.transaction_key(initial, ksn)
            return MessageKeys(
                dukpt_tdes.pin_key(key), dukpt_tdes.mac_request_key(key), dukpt_tdes.mac_response_key(key)
            )
        case KeyScheme.DUKPT_AES:
            usages = (
                dukpt_aes.DukptUsage.PIN,
                dukpt_aes.DukptUsage.MAC_GENERATION,
                dukpt_aes.DukptUsage.MAC_VERIFICATION,
            )
            return MessageKeys(*(dukpt_aes.working_key(initial, ksn, usage) for usage in usages))
        case KeyScheme.MASTER_SESSION:
            raise ValueError("session keys have no KSN")
        case _:
            assert_never(scheme)


def initial_key(scheme: KeyScheme, base: SecretBytes, ksn: bytes) -> SecretBytes:
    """Return the initial key of the pinpad that sent this KSN, as the bank derives it.

    Raises:
        KsnError: it is no KSN of the scheme.
    """
    if scheme is KeyScheme.DUKPT_AES:
        return dukpt_aes.initial_key(base, ksn[: dukpt_aes.KEY_ID_SIZE])
    return dukpt_tdes.initial_key(base, ksn)


def is_same_key(scheme: KeyScheme, one: bytes, other: bytes) -> bool:
    """Tell whether two KSNs are of the same initial key: they differ in their counters at most.

    >>> one, other = bytes.fromhex("FFFF9876543210E00000"), bytes.fromhex("FFFF9876543210E00FF0")
    >>> is_same_key(KeyScheme.DUKPT_TDES, one, other), is_same_key(KeyScheme.DUKPT_AES, one, other)
    (True, False)
    """
    dukpt = dukpt_aes if scheme is KeyScheme.DUKPT_AES else dukpt_tdes
    ids = {int.from_bytes(ksn) >> dukpt.COUNTER_BITS for ksn in (one, other)}
    return len(one) == len(other) == dukpt.KSN_SIZE and len(ids) == 1


def next_ksn(scheme: KeyScheme, ksn: bytes) -> bytes:
    """Return the KSN of the next message.

    Raises:
        KsnError: it is no KSN of the scheme.
        DukptExhaustedError: this was the last one.
    """
    if scheme is KeyScheme.DUKPT_AES:
        return dukpt_aes.next_ksn(ksn)
    return dukpt_tdes.next_ksn(ksn)
