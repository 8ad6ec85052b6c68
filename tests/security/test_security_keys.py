"""The key ring: our own key files, keys under keys, a key change."""

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from keys_kit import (
    AES_MASTER,
    CRYPTOGRAM,
    KEY_ID,
    KSN,
    MASTER,
    SEALED,
    SESSION,
    SESSION_KCV,
    TEXT,
    VALUE,
    WRAPPING,
    slot,
)

from smartsale_emu.errors import KeySlotError
from smartsale_emu.security.keys import (
    Algorithm,
    KeyForm,
    KeyRing,
    KeySlot,
    KeyUsage,
    SealedKey,
    check_value,
    parse_key,
    seal_key,
)
from smartsale_emu.security.masking import SecretBytes

FILES = sorted((Path(__file__).parents[2] / "keys").glob("*.toml"))


def under(name: str, above: str, usage: KeyUsage = KeyUsage.MASTER) -> SealedKey:
    return SealedKey(
        name, usage, Algorithm.TDES, KeyForm.CRYPTOGRAM, CRYPTOGRAM, above, SESSION_KCV, origin=f"{name}.toml"
    )


OURS = {
    "bank-dukpt-aes": (KeyUsage.DERIVATION, "AES 128", "FEDCBA9876543210F1F1F1F1F1F1F1F1"),
    "bank-dukpt-tdes": (KeyUsage.DERIVATION, "TDES 128", VALUE),
    "issuer-mastercard": (KeyUsage.ISSUER, "TDES 128", "9E15204313F7318ACB79B90BD986AD29"),
    "issuer-mir": (KeyUsage.ISSUER, "TDES 128", VALUE),
    "issuer-visa": (KeyUsage.ISSUER, "TDES 128", "2315208C9110AD40" * 2),
    "terminal-data": (KeyUsage.DATA, "TDES 128", ""),
    "terminal-dukpt-aes": (KeyUsage.INITIAL, "AES 128", "1273671EA26AC29AFA4D1084127652A1"),
    "terminal-dukpt-tdes": (KeyUsage.INITIAL, "TDES 128", "6AC292FAA1315B4D858AB3A3D7D5933A"),
    "terminal-mac": (KeyUsage.MAC, "TDES 128", ""),
    "terminal-master": (KeyUsage.MASTER, "TDES 128", ""),
    "terminal-pin": (KeyUsage.PIN, "TDES 128", VALUE),
    "terminal-storage": (KeyUsage.STORAGE, "AES 128", b"smartsale-emu 01".hex().upper()),
    "wrapping-aes": (
        KeyUsage.WRAPPING,
        "AES 256",
        "88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6",
    ),
    "wrapping-tdes": (KeyUsage.WRAPPING, "TDES 128", "DD7515F2BFC17F85CE48F3CA25CB21F6"),
}


def our_ring() -> KeyRing:
    return KeyRing(parse_key(file.read_text(encoding="utf-8"), file.name) for file in FILES)


def test_our_key_files_read_whole() -> None:
    ring = our_ring()
    assert [file.stem for file in FILES] == list(ring.names()) == sorted(OURS)
    for name, (usage, kind, value) in OURS.items():
        key = ring.get(name, usage)
        assert f"{key.algorithm} {key.bits}" == kind
        assert key.value.reveal().hex().upper() == value or not value
        assert key.kcv == check_value(key.algorithm, key.value)
        assert key.source
    assert ring.get("terminal-dukpt-tdes").ksn.hex().upper() == KSN
    assert ring.get("terminal-dukpt-aes").ksn.hex() == KEY_ID + "00000000"
    assert {key.form for key in ring.slots()} == set(KeyForm)


def test_issuers_are_found_by_the_longest_beginning_of_a_card_number() -> None:
    ring, names = our_ring(), {}
    for pan in ("2200000000000004", "4761739001010119", "5413330089020011", "2223000048400011"):
        found = ring.issuer_of(pan)
        names[pan[:4]] = found.name if found else ""
    assert names == {
        "2200": "issuer-mir",
        "4761": "issuer-visa",
        "5413": "issuer-mastercard",
        "2223": "issuer-mastercard",
    }
    assert ring.issuer_of("6212345678901232") is None
    near = slot("near", KeyUsage.ISSUER, bins=("4761",))
    for both in permutations([near, slot("far", KeyUsage.ISSUER, bins=("4", "47"))]):
        assert KeyRing(both).issuer_of("4761739001010119") is near


def test_mastercard_and_mir_prefixes_meet_at_no_number() -> None:
    ring = our_ring()
    found = {prefix: ring.issuer_of(f"{prefix}000000000000") for prefix in range(2200, 2800)}
    mir = {prefix for prefix, key in found.items() if key and key.name == "issuer-mir"}
    mastercard = {prefix for prefix, key in found.items() if key and key.name == "issuer-mastercard"}
    assert (mir, mastercard) == (set(range(2200, 2205)), set(range(2221, 2721)))


def test_an_empty_slot_is_named() -> None:
    with pytest.raises(KeySlotError, match="key slot terminal-mac: there is no key"):
        KeyRing([parse_key(TEXT, "pin.toml")]).get("terminal-mac")


def test_a_key_is_for_one_use() -> None:
    with pytest.raises(KeySlotError, match="is for pin, not for storage"):
        KeyRing([parse_key(TEXT, "pin.toml")]).get("terminal-pin", KeyUsage.STORAGE)


def test_a_slot_is_filled_once() -> None:
    key = parse_key(TEXT, "pin.toml")
    with pytest.raises(KeySlotError, match="terminal-pin: is filled twice"):
        KeyRing([key, key])


def test_a_key_shows_its_name_and_check_value_only() -> None:
    assert repr(parse_key(TEXT, "pin.toml")) == "KeySlot(terminal-pin, KCV 08D7B4)"
    assert repr(SEALED) == "SealedKey(session, KCV 76CDB5)"
    assert repr(KeyRing([MASTER, SEALED])) == "KeyRing(master, session)"


class TestKeysUnderKeys:
    def test_a_cryptogram_is_opened_under_the_master_key(self) -> None:
        key = KeyRing([MASTER, SEALED]).get("session", KeyUsage.PIN)
        assert key.value.reveal().hex().upper() == SESSION
        assert (key.form, key.under) == (KeyForm.CRYPTOGRAM, "master")

    def test_the_order_of_the_files_does_not_matter(self) -> None:
        middle = seal_key(slot("middle", KeyUsage.MASTER, "11" * 16), MASTER, bytes)
        lowest = seal_key(
            slot("low", KeyUsage.PIN, SESSION), slot("middle", KeyUsage.MASTER, "11" * 16), bytes
        )
        for order in permutations([MASTER, middle, lowest]):
            ring = KeyRing(order)
            assert ring.names() == tuple(key.name for key in order)
            assert ring.get("low").value.reveal().hex().upper() == SESSION

    def test_a_wrong_check_value_is_told_with_file_and_slot(self) -> None:
        says = "^session.toml: key slot session: kcv: the key does not match its check value$"
        with pytest.raises(KeySlotError, match=says):
            KeyRing([MASTER, replace(SEALED, kcv="76CDB6")]).get("session")

    def test_a_key_is_opened_when_it_is_asked_for_and_then_kept(self) -> None:
        """So a start with many keys opens what its scheme needs, and no key that is wrong is ever given."""
        ring = KeyRing([MASTER, SEALED, replace(SEALED, name="wrong", kcv="76CDB6", bins=("4",))])
        assert ring.names() == ("master", "session", "wrong")
        assert ring.get("session") is ring.get("session")
        asks: list[Callable[[], object]] = [
            lambda: ring.get("wrong"),
            ring.slots,
            lambda: ring.issuer_of("4761739001010119"),
        ]
        for ask in asks * 2:
            with pytest.raises(KeySlotError, match="key slot wrong: kcv: the key does not match"):
                ask()
        with pytest.raises(KeySlotError, match="its key is for pin, not for mac"):
            ring.get("wrong", KeyUsage.MAC)
        assert ring.issuer_of("2200000000000004") is None

    def test_a_wrong_master_key_does_not_match(self) -> None:
        with pytest.raises(KeySlotError, match="session: kcv: the key does not match"):
            KeyRing([slot("master", KeyUsage.MASTER, "11" * 16), SEALED]).get("session")

    def test_a_missing_slot_is_one_clear_line(self) -> None:
        with pytest.raises(
            KeySlotError, match=r"^session\.toml: key slot session: under: there is no key slot master$"
        ):
            KeyRing([SEALED])

    @pytest.mark.parametrize(
        ("keys", "around"),
        [
            ([under("a", "a")], "a under a"),
            ([under("a", "b"), under("b", "a")], "a under b under a"),
            (
                [under("x", "a"), under("a", "b"), under("b", "c"), under("c", "a")],
                "a under b under c under a",
            ),
        ],
        ids=["one", "two", "three"],
    )
    def test_a_circle_is_one_clear_line(self, keys: list[SealedKey], around: str) -> None:
        with pytest.raises(KeySlotError, match=f"under: the keys lie in a circle: {around}$"):
            KeyRing([MASTER, *keys])

    @pytest.mark.parametrize(
        ("opener", "form", "needed"),
        [(WRAPPING, KeyForm.CRYPTOGRAM, "master"), (MASTER, KeyForm.TR31, "wrapping")],
    )
    def test_the_key_above_is_for_just_that(self, opener: KeySlot, form: KeyForm, needed: str) -> None:
        sealed = replace(SEALED, form=form, under=opener.name)
        says = f"under: the key {opener.name} is for {opener.usage}, not for {needed}"
        with pytest.raises(KeySlotError, match=says):
            KeyRing([opener, sealed])

    def test_a_cryptogram_fills_whole_blocks(self) -> None:
        with pytest.raises(
            KeySlotError, match="cryptogram: under a master key of AES go multiples of 16 bytes"
        ):
            KeyRing([AES_MASTER, replace(SEALED, blob=VALUE + VALUE[:16], under="aes-master")]).get("session")
        with pytest.raises(
            KeySlotError, match="cryptogram: under a master key of TDES go multiples of 8 bytes"
        ):
            KeyRing([MASTER, replace(SEALED, blob=VALUE[:-2])]).get("session")

    def test_a_cryptogram_has_the_length_of_a_key(self) -> None:
        with pytest.raises(KeySlotError, match="cryptogram: a TDES key has 8 or 16 or 24 bytes"):
            KeyRing([MASTER, replace(SEALED, blob=CRYPTOGRAM * 2)]).get("session")

    def test_aes_keys_lie_under_an_aes_master_key(self) -> None:
        key = slot("session", KeyUsage.PIN, VALUE * 2, Algorithm.AES)
        sealed = seal_key(key, AES_MASTER, bytes)
        assert VALUE not in sealed.blob
        assert KeyRing([AES_MASTER, sealed]).get("session").value == key.value

    def test_a_block_is_opened_under_the_wrapping_key(self) -> None:
        block = "B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E"
        kcv = check_value(Algorithm.TDES, SecretBytes(bytes.fromhex("3F419E1CB7079442AA37474C2EFBF8B8")))
        sealed = replace(SEALED, form=KeyForm.TR31, blob=block, under="wrapping", kcv=kcv)
        key = KeyRing([WRAPPING, sealed]).get("session")
        assert key.value.reveal().hex().upper() == "3F419E1CB7079442AA37474C2EFBF8B8"
        assert key.form is KeyForm.TR31
        for wrong, says in (
            ({"usage": KeyUsage.MAC}, "tr31: the block says P0, which is not a key for mac"),
            ({"algorithm": Algorithm.AES}, "tr31: the block holds a key of TDES"),
            ({"kcv": "000000"}, "kcv: the key does not match its check value"),
            ({"blob": block[:-1] + "F"}, "session.toml: key slot session: tr31: not a TR-31 block"),
        ):
            with pytest.raises(KeySlotError, match=says) as caught:
                KeyRing([WRAPPING, replace(sealed, **wrong)]).get("session")
            assert block[20:40] not in str(caught.value)

    def test_a_block_tells_the_same_serial_number_as_its_file(self) -> None:
        initial = slot("initial", KeyUsage.INITIAL, ksn=bytes.fromhex(KSN))
        sealed = seal_key(initial, WRAPPING, bytes)
        assert KeyRing([WRAPPING, sealed]).get("initial").ksn == initial.ksn
        with pytest.raises(KeySlotError, match="ksn: the block tells another one"):
            KeyRing([WRAPPING, replace(sealed, ksn=bytes.fromhex("00" + KSN[2:]))]).get("initial")

    @pytest.mark.parametrize(
        ("key", "opener", "says"),
        [
            (MASTER, MASTER, "under: a key does not lie under itself"),
            (MASTER, slot("pin", KeyUsage.PIN), "under: the key pin is for pin, not for other keys"),
            (slot("pin", KeyUsage.PIN, VALUE * 2, Algorithm.AES), WRAPPING, "AES wrapping key only"),
            (slot("pin", KeyUsage.PIN, VALUE[:16]), AES_MASTER, "go multiples of 16 bytes"),
        ],
    )
    def test_what_does_not_lie_under_what(self, key: KeySlot, opener: KeySlot, says: str) -> None:
        with pytest.raises(KeySlotError, match=f"key slot {key.name}: .*{says}"):
            seal_key(key, opener, bytes)


class TestKeyChange:
    RING = KeyRing([MASTER, slot("session", KeyUsage.PIN, "11" * 16), slot("other", KeyUsage.MAC)])

    def test_a_new_key_takes_the_place_of_the_old_one(self) -> None:
        changed = self.RING.changed(
            "session", cryptogram=bytes.fromhex(CRYPTOGRAM), kcv=SESSION_KCV.lower(), under="master"
        )
        assert changed.get("session", KeyUsage.PIN).value.reveal().hex().upper() == SESSION
        assert changed.names() == self.RING.names()
        assert changed.get("other") is self.RING.get("other")

    @pytest.mark.parametrize("kcv", ["76CDB6", "", "76CD", "é"])
    def test_a_wrong_check_value_leaves_the_old_key(self, kcv: str) -> None:
        with pytest.raises(KeySlotError, match="key slot session: kcv: the key does not match"):
            self.RING.changed("session", cryptogram=bytes.fromhex(CRYPTOGRAM), kcv=kcv, under="master")
        assert self.RING.get("session").value.reveal().hex() == "11" * 16

    @pytest.mark.parametrize(
        ("name", "above", "says"),
        [
            ("none", "master", "key slot none: there is no key"),
            ("session", "none", "there is no key slot none"),
            ("session", "other", "the key other is for mac, not for master"),
        ],
    )
    def test_slots_that_do_not_do(self, name: str, above: str, says: str) -> None:
        with pytest.raises(KeySlotError, match=says):
            self.RING.changed(name, cryptogram=bytes.fromhex(CRYPTOGRAM), kcv=SESSION_KCV, under=above)
