"""PIN blocks of format 0 against published vectors, and sealing of what lies on disk."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.errors import StateError
from smartsale_emu.security.keys import tdes_cipher
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.security.pin_block import PinBlockError, decrypt_pin_block, encrypt_pin_block
from smartsale_emu.security.sealing import Sealer

KEY = SecretBytes(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
OTHER_KEY = SecretBytes(bytes.fromhex("F039121BEC83D26B169BDCD5B22AAF8F"))
CLEAR = [
    ("1234", "4012345678909", "041274EDCBA9876F"),
    ("1234", "5555555551234567", "041261AAAAEDCBA9"),
    ("123456789012", "5555555551234567", "0C1261032D8226A9"),
    ("1234", "2200123456789019", "041235DCBA9876FE"),
]


@pytest.mark.parametrize(("pin", "pan", "clear"), CLEAR)
def test_published_clear_blocks(pin: str, pan: str, clear: str) -> None:
    block = encrypt_pin_block(Secret(pin), pan, KEY)
    assert tdes_cipher(KEY).decryptor().update(block.reveal()).hex().upper() == clear
    assert decrypt_pin_block(block, pan, key=KEY) == Secret(pin)


def test_a_published_enciphered_block() -> None:
    block = encrypt_pin_block(Secret("1234"), "2200123456789019", KEY)
    assert block.reveal().hex().upper() == "B64B7ABE2B16BDBC"


@given(st.from_regex(r"[0-9]{4,12}", fullmatch=True), st.from_regex(r"[0-9]{13,19}", fullmatch=True))
def test_any_pin_comes_back_under_any_key_length(pin: str, pan: str) -> None:
    for size in (8, 16, 24):
        key = SecretBytes(bytes(range(1, size + 1)))
        assert decrypt_pin_block(encrypt_pin_block(Secret(pin), pan, key), pan, key=key).reveal() == pin


@pytest.mark.parametrize("pin", ["123", "1234567890123", "12a4", "", "١٢٣٤"])
def test_what_is_no_pin(pin: str) -> None:
    with pytest.raises(PinBlockError, match="4 to 12") as caught:
        encrypt_pin_block(Secret(pin), "2200123456789019", KEY)
    assert caught.value.__context__ is None
    assert not pin or pin not in str(caught.value)


def test_a_block_of_another_key_card_or_size_is_refused_without_a_digit() -> None:
    block = encrypt_pin_block(Secret("1234"), "2200123456789019", KEY)
    for wrong, pan, key in (
        (block, "2200123456789019", OTHER_KEY),
        (block, "4761739001010119", KEY),
        (SecretBytes(block.reveal()[:7]), "2200123456789019", KEY),
        (SecretBytes(block.reveal() * 2), "2200123456789019", KEY),
    ):
        with pytest.raises(PinBlockError) as caught:
            decrypt_pin_block(wrong, pan, key=key)
        assert caught.value.__context__ is None
        assert not any(character.isdigit() for character in str(caught.value).replace("format 0", ""))


@given(st.binary(max_size=200), st.binary(min_size=12, max_size=12))
def test_what_is_sealed_opens_and_does_not_show(plain: bytes, nonce: bytes) -> None:
    blob = Sealer(KEY).seal(plain, nonce)
    assert Sealer(KEY).open(blob) == plain
    assert len(plain) < 8 or plain not in blob[12:]


def test_a_nonce_is_twelve_bytes() -> None:
    with pytest.raises(ValueError, match="12"):
        Sealer(KEY).seal(b"", bytes(11))


def test_no_changed_cut_or_foreign_blob_opens() -> None:
    blob = Sealer(KEY).seal(b"2200123456789019", bytes(12))
    for place in range(len(blob)):
        changed = bytearray(blob)
        changed[place] ^= 1
        with pytest.raises(StateError):
            Sealer(KEY).open(bytes(changed))
        with pytest.raises(StateError):
            Sealer(KEY).open(blob[:place])
    with pytest.raises(StateError, match="another key"):
        Sealer(OTHER_KEY).open(blob)


def test_importing_the_rooms_imports_no_cryptography() -> None:
    rooms = "security.pin_block, security.sealing, host.session, host.bank"
    code = (
        f"import sys, {', '.join('smartsale_emu.' + room for room in rooms.split(', '))};"
        "print(sorted({'cryptography', 'psec', 'iso8583', 'sqlite3'} & set(sys.modules)))"
    )
    top = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", code], cwd=top, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
