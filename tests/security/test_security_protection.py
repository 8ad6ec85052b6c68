"""Both ends of the line to the bank: what the pinpad protects, its bank can open, and nobody else."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from smartsale_emu.errors import KeySlotError
from smartsale_emu.runtime.assembly import load_keys
from smartsale_emu.security.bank_safe import MOST_OFFERS, BankSafe
from smartsale_emu.security.dukpt_tdes import KsnError
from smartsale_emu.security.keys import Algorithm, KeyRing, KeySlot, KeyUsage, check_value, seal_key
from smartsale_emu.security.mac import MacAlgorithm
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.security.pin_block import PinBlockError, PinFormat, encrypt_pin_block
from smartsale_emu.security.protection import (
    NOTHING_HELD,
    KeyScheme,
    KeysHeld,
    MacRule,
    MessageKeys,
    Protection,
    SessionKey,
    SlotNames,
    dukpt_keys,
)
from smartsale_emu.security.safe import TerminalSafe

PAN, PIN = "2200123456789019", Secret("4931")
KEYS = load_keys()
RETAIL, AES_MAC = MacRule(MacAlgorithm.RETAIL), MacRule(MacAlgorithm.AES_CMAC, size=4)
SESSION = Protection(mac=RETAIL)
TDES = Protection(KeyScheme.DUKPT_TDES, PinFormat.ISO_3, RETAIL)
AES = Protection(
    KeyScheme.DUKPT_AES,
    PinFormat.ISO_4,
    AES_MAC,
    SlotNames(initial="terminal-dukpt-aes", base="bank-dukpt-aes"),
)
ALL = {"session": SESSION, "dukpt-tdes": TDES, "dukpt-aes": AES}


def counted() -> Callable[[int], bytes]:
    """Return entropy that never repeats."""
    drawn = iter(range(1, 1_000_000))
    return lambda size: next(drawn).to_bytes(4) * (size // 4) + bytes(size % 4)


def ends(protection: Protection, keys: KeyRing = KEYS) -> tuple[TerminalSafe, BankSafe]:
    return TerminalSafe(keys, counted(), protection), BankSafe(keys, counted(), protection)


@pytest.mark.parametrize("protection", ALL.values(), ids=ALL)
def test_the_bank_reads_the_pin_of_every_message(protection: Protection) -> None:
    pinpad, bank = ends(protection)
    held, blocks = NOTHING_HELD, set()
    for _ in range(5):
        held = pinpad.for_next_message(held)
        block = pinpad.pin_block(PIN, PAN, held)
        blocks.add(block)
        assert bank.pin(block, PAN, bank.candidates(bytes.fromhex(held.ksn), [()])) == PIN
    assert len(blocks) == (1 if protection is SESSION else 5)


@pytest.mark.parametrize("protection", ALL.values(), ids=ALL)
def test_each_end_checks_the_mac_of_the_other(protection: Protection) -> None:
    pinpad, bank = ends(protection)
    held = pinpad.for_next_message(NOTHING_HELD)
    mac = pinpad.mac(b"request", held)
    assert protection.mac is not None
    assert len(mac) == protection.mac.size
    keys = bank.sealed_with(b"request", mac, bank.candidates(bytes.fromhex(held.ksn), [()]))
    assert len(keys) == 1
    assert bank.sealed_with(b"Request", mac, keys) == ()
    assert bank.sealed_with(b"request", mac[:-1], keys) == ()
    back = bank.mac(b"answer", keys[0])
    assert pinpad.mac_is_right(b"answer", back, held)
    assert not pinpad.mac_is_right(b"Answer", back, held)
    assert not pinpad.mac_is_right(b"answer", bytes(len(back)), held)


@pytest.mark.parametrize("protection", [TDES, AES], ids=["dukpt-tdes", "dukpt-aes"])
def test_no_two_messages_share_keys(protection: Protection) -> None:
    pinpad, bank = ends(protection)
    one = pinpad.for_next_message(NOTHING_HELD)
    two = pinpad.for_next_message(one)
    assert one.ksn != two.ksn
    block = pinpad.pin_block(PIN, PAN, one)
    with pytest.raises(PinBlockError):
        bank.pin(block, PAN, bank.candidates(bytes.fromhex(two.ksn), ()))
    assert pinpad.mac(b"x", one) != pinpad.mac(b"x", two)
    assert pinpad.mac(b"x", one) == pinpad.mac(b"x", one)


def test_the_first_ksn_is_that_of_the_standards_first_transaction() -> None:
    """ANSI X9.24-1, A.4, and X9.24-3: the counter begins with 1."""
    assert TerminalSafe(KEYS, bytes, TDES).for_next_message(NOTHING_HELD).ksn == "FFFF9876543210E00001"
    assert TerminalSafe(KEYS, bytes, AES).for_next_message(NOTHING_HELD).ksn == "123456789012345600000001"


def test_a_pinpad_whose_initial_key_is_used_up_says_so() -> None:
    pinpad, _ = ends(TDES)
    last = KeysHeld(ksn="FFFF9876543210FFF800")
    assert not pinpad.is_used_up(KeysHeld(ksn="FFFF9876543210FFF400"))
    assert pinpad.is_used_up(last)
    assert pinpad.for_next_message(last) == last, "what is owed can still be undone"
    assert not ends(SESSION)[0].is_used_up(NOTHING_HELD)


@pytest.mark.parametrize("protection", [TDES, AES], ids=["dukpt-tdes", "dukpt-aes"])
@pytest.mark.parametrize("ksn", [b"", bytes(9), bytes(11), bytes(13)])
def test_the_bank_refuses_what_is_no_ksn(protection: Protection, ksn: bytes) -> None:
    _, bank = ends(protection)
    with pytest.raises(KsnError):
        bank.candidates(ksn, ())


# --- key change --------------------------------------------------------------------------------------------


def test_after_a_key_change_both_ends_use_the_new_keys() -> None:
    pinpad, bank = ends(SESSION)
    offer = bank.offer()
    held = pinpad.accepted(offer, NOTHING_HELD)
    assert [key.usage for key in held.session] == [KeyUsage.PIN, KeyUsage.MAC]
    old, new = pinpad.pin_block(PIN, PAN, NOTHING_HELD), pinpad.pin_block(PIN, PAN, held)
    assert old != new
    newest = bank.candidates(b"", [offer])[:1]
    assert bank.pin(new, PAN, newest) == PIN
    with pytest.raises(PinBlockError):
        bank.pin(old, PAN, newest)
    assert bank.sealed_with(b"x", pinpad.mac(b"x", held), newest) == newest
    assert bank.sealed_with(b"x", pinpad.mac(b"x", NOTHING_HELD), newest) == ()


def test_a_pinpad_that_never_took_an_offer_is_understood_with_its_old_keys() -> None:
    """The answer was lost, or the power: the bank cannot know, and tries."""
    pinpad, bank = ends(SESSION)
    first, second = bank.offer(), bank.offer()
    held = pinpad.accepted(first, NOTHING_HELD)
    keys = bank.candidates(b"", [second, first, ()])
    for state in (held, NOTHING_HELD):
        assert bank.pin(pinpad.pin_block(PIN, PAN, state), PAN, keys) == PIN
        assert len(bank.sealed_with(b"x", pinpad.mac(b"x", state), keys)) == 1


def test_a_second_key_change_replaces_the_first() -> None:
    pinpad, bank = ends(SESSION)
    held = pinpad.accepted(bank.offer(), NOTHING_HELD)
    offer = bank.offer()
    assert pinpad.accepted(offer, held).session == offer


@pytest.mark.parametrize("spoiled", [{"kcv": "000000"}, {"cryptogram": "00" * 16}])
def test_a_key_that_does_not_match_its_check_value_is_not_taken(spoiled: dict[str, str]) -> None:
    pinpad, bank = ends(SESSION)
    pin_key, mac_key = bank.offer()
    with pytest.raises(KeySlotError) as caught:
        pinpad.accepted([pin_key, replace(mac_key, **spoiled)], NOTHING_HELD)
    assert "terminal-mac" in str(caught.value)
    assert mac_key.cryptogram not in str(caught.value)


@pytest.mark.parametrize("usage", [KeyUsage.STORAGE, KeyUsage.MASTER, KeyUsage.DERIVATION])
def test_only_session_keys_are_changed(usage: KeyUsage) -> None:
    pinpad, bank = ends(SESSION)
    with pytest.raises(KeySlotError, match=usage):
        pinpad.accepted([replace(bank.offer()[0], usage=usage)], NOTHING_HELD)


def test_what_is_offered_and_kept_is_no_clear_key() -> None:
    _, bank = ends(SESSION)
    (offered, *_) = bank.offer()
    assert isinstance(offered, SessionKey)
    opened = KEYS.changed(
        "terminal-pin",
        cryptogram=bytes.fromhex(offered.cryptogram),
        kcv=offered.kcv,
        under="terminal-master",
    ).get("terminal-pin", KeyUsage.PIN)
    assert opened.value != SecretBytes(bytes.fromhex(offered.cryptogram))


# --- missing and wrong slots -------------------------------------------------------------------------------


def without(name: str) -> KeyRing:
    return KeyRing(slot for slot in KEYS.slots() if slot.name != name)


@pytest.mark.parametrize(
    ("protection", "name"),
    [
        (SESSION, "terminal-pin"),
        (SESSION, "terminal-mac"),
        (TDES, "terminal-dukpt-tdes"),
        (AES, "terminal-dukpt-aes"),
        (TDES, "terminal-storage"),
    ],
)
def test_a_pinpad_without_a_key_of_its_scheme_does_not_start(protection: Protection, name: str) -> None:
    with pytest.raises(KeySlotError, match=name):
        TerminalSafe(without(name), bytes, protection)


@pytest.mark.parametrize(
    ("protection", "name"),
    [(SESSION, "terminal-pin"), (TDES, "bank-dukpt-tdes"), (AES, "bank-dukpt-aes")],
)
def test_a_bank_without_a_key_of_its_scheme_does_not_start(protection: Protection, name: str) -> None:
    with pytest.raises(KeySlotError, match=name):
        BankSafe(without(name), bytes, protection)


def test_a_scheme_that_has_no_mac_needs_no_key_for_it() -> None:
    pinpad = TerminalSafe(without("terminal-mac"), bytes, Protection())
    assert pinpad.mac_is_right(b"anything", b"", NOTHING_HELD)


def test_session_keys_have_no_ksn() -> None:
    with pytest.raises(ValueError, match="KSN"):
        dukpt_keys(KeyScheme.MASTER_SESSION, SecretBytes(bytes(16)), bytes(10))


def test_an_offer_is_known_to_be_in_use_only_if_no_other_fits() -> None:
    """A block of another key may look like one, so two that fit tell nothing."""
    pinpad, bank = ends(SESSION)
    first, second = bank.offer(), bank.offer()
    mac = pinpad.mac(b"x", pinpad.accepted(first, NOTHING_HELD))
    offers = [second, first, ()]
    assert bank.offer_used(offers, lambda keys: bool(bank.sealed_with(b"x", mac, [keys]))) == first
    assert bank.offer_used(offers, lambda _: True) is None
    assert bank.offer_used(offers, lambda _: False) is None


# --- keys of a length that their use does not take ---------------------------------------------------------

CMAC = Protection(mac=MacRule(MacAlgorithm.TDES_CMAC))
ISO_4 = Protection(pin_format=PinFormat.ISO_4, mac=MacRule(MacAlgorithm.AES_CMAC))
LENGTHS = [
    (SESSION, KeyUsage.MAC, (16,)),
    (CMAC, KeyUsage.MAC, (16, 24)),
    (ISO_4, KeyUsage.MAC, (16, 24, 32)),
    (SESSION, KeyUsage.PIN, (16, 24)),
    (ISO_4, KeyUsage.PIN, (16, 24, 32)),
    (TDES, KeyUsage.INITIAL, (16,)),
    (TDES, KeyUsage.DERIVATION, (16,)),
]
CASES = [
    (protection, usage, size, size in right)
    for protection, usage, right in LENGTHS
    for size in ((16, 24, 32) if protection is ISO_4 else (8, 16, 24))
]
CHANGES = [case for case in CASES if case[1] in (KeyUsage.PIN, KeyUsage.MAC)]


def slot_of(name: str, usage: KeyUsage, algorithm: Algorithm, size: int) -> KeySlot:
    value = SecretBytes(bytes(range(1, size + 1)))
    ksn = bytes.fromhex("FFFF9876543210E00000") if usage is KeyUsage.INITIAL else b""
    return KeySlot(name, usage, algorithm, value, check_value(algorithm, value), ksn=ksn)


def with_slots(*new: KeySlot) -> KeyRing:
    names = {slot.name for slot in new}
    return KeyRing([*(slot for slot in KEYS.slots() if slot.name not in names), *new])


def name_of(usage: KeyUsage) -> str:
    of_dukpt = {KeyUsage.INITIAL: "terminal-dukpt-tdes", KeyUsage.DERIVATION: "bank-dukpt-tdes"}
    return of_dukpt.get(usage, f"terminal-{usage}")


def aes_slots() -> list[KeySlot]:
    return [slot_of(name_of(usage), usage, Algorithm.AES, 16) for usage in (KeyUsage.PIN, KeyUsage.MAC)]


def ring_for(protection: Protection, *new: KeySlot) -> KeyRing:
    names = {slot.name for slot in new}
    others = [slot for slot in aes_slots() if slot.name not in names] if protection is ISO_4 else []
    return with_slots(*others, *new)


@pytest.mark.parametrize(("protection", "usage", "size", "right"), CASES)
def test_a_slot_with_a_key_of_a_length_that_its_use_does_not_take_is_named_at_the_start(
    protection: Protection, usage: KeyUsage, size: int, right: bool
) -> None:
    algorithm = Algorithm.AES if protection is ISO_4 else Algorithm.TDES
    keys = ring_for(protection, slot_of(name_of(usage), usage, algorithm, size))
    makers: list[Callable[..., object]] = [TerminalSafe, BankSafe]
    if protection is TDES:
        makers = [TerminalSafe if usage is KeyUsage.INITIAL else BankSafe]
    for make in makers:
        if right:
            make(keys, counted(), protection)
            continue
        with pytest.raises(KeySlotError, match=f"^key slot {name_of(usage)}: a key for {usage} has .* bytes"):
            make(keys, counted(), protection)


@pytest.mark.parametrize(("protection", "usage", "size", "right"), CHANGES)
def test_a_key_change_with_a_key_of_a_length_that_its_use_does_not_take_is_refused(
    protection: Protection, usage: KeyUsage, size: int, right: bool
) -> None:
    algorithm = Algorithm.AES if protection is ISO_4 else Algorithm.TDES
    long = slot_of("terminal-master", KeyUsage.MASTER, Algorithm.TDES, 24)
    pinpad, bank = ends(protection, ring_for(protection, long))
    new = slot_of("new", usage, algorithm, size)
    offered = SessionKey(usage, seal_key(new, long, counted()).blob, new.kcv)
    if right:
        held = pinpad.accepted([offered], NOTHING_HELD)
        mac = pinpad.mac(b"x", pinpad.for_next_message(held))
        assert bank.sealed_with(b"x", mac, bank.candidates(b"", [(offered,)]))
        return
    with pytest.raises(KeySlotError, match=f"^key slot {name_of(usage)}: a key for {usage} has .* bytes"):
        pinpad.accepted([offered], NOTHING_HELD)
    assert pinpad.for_next_message(KeysHeld((offered,))) == NOTHING_HELD, "an older run took it"
    assert bank.candidates(b"", [(offered,)]) == bank.candidates(b"", [()])


# --- PINs under several keys -------------------------------------------------------------------------------


def ambiguous_block(one: MessageKeys, other: MessageKeys, bank: BankSafe) -> SecretBytes:
    """A block of format 1 of this PIN under one key that is one of another PIN under the other."""
    entropy = counted()
    while True:
        block = encrypt_pin_block(PIN, PAN, one.pin, form=PinFormat.ISO_1, entropy=entropy)
        if bank.is_block(block, PAN, other) and bank.pin(block, PAN, [other]) != PIN:
            return block


def test_a_block_of_two_pins_is_none() -> None:
    pinpad, bank = ends(Protection(pin_format=PinFormat.ISO_1))
    new, old = bank.candidates(b"", [bank.offer(), ()])
    block = ambiguous_block(old, new, bank)
    for keys in ([new, old], [old, new]):
        with pytest.raises(PinBlockError, match="under several keys"):
            bank.pin(block, PAN, keys)
    assert bank.pin(block, PAN, [old, old]) == PIN
    assert pinpad.pin_block(PIN, PAN, NOTHING_HELD) != block


# --- offers that no pinpad can use any more, and too many of them ------------------------------------------


def test_a_pinpad_and_its_bank_agree_after_the_master_key_was_replaced_at_both_ends() -> None:
    pinpad, bank = ends(SESSION)
    offer = bank.offer()
    held = pinpad.accepted(offer, NOTHING_HELD)
    pinpad, bank = ends(SESSION, with_slots(slot_of("terminal-master", KeyUsage.MASTER, Algorithm.TDES, 16)))
    assert pinpad.for_next_message(held) == NOTHING_HELD
    assert bank.usable([offer]) == ((),)
    mac = pinpad.mac(b"x", NOTHING_HELD)
    fitting = bank.sealed_with(b"x", mac, bank.candidates(b"", [offer]))
    assert bank.pin(pinpad.pin_block(PIN, PAN, NOTHING_HELD), PAN, fitting) == PIN
    new = bank.offer()
    assert bank.usable([new, offer]) == (new, ()), "whether it has taken the new one, nobody knows"
    assert bank.usable([new]) == (new,)
    assert bank.offer_used([offer], lambda keys: keys in fitting) == ()


def test_from_a_number_of_offers_on_the_newest_comes_again() -> None:
    _, bank = ends(SESSION)
    offers: tuple[tuple[SessionKey, ...], ...] = ((),)
    for _ in range(MOST_OFFERS - 1):
        new = bank.offer(offers)
        assert new not in offers
        offers = (new, *offers)
    assert bank.offer(offers) == offers[0]
    assert bank.offer([(), *offers]) == offers[0], "the keys of the slots are none to offer"
