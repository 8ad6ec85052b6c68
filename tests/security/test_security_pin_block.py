"""PIN blocks of formats 0, 1, 3 and 4 against published vectors, and sealing of what lies on disk."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.errors import StateError
from smartsale_emu.security.keys import tdes_cipher
from smartsale_emu.security.library import psec
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.security.pin_block import (
    PinBlockError,
    PinFormat,
    _letters,
    decrypt_pin_block,
    encrypt_pin_block,
)
from smartsale_emu.security.sealing import Sealer

KEY = SecretBytes(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
OTHER_KEY = SecretBytes(bytes.fromhex("F039121BEC83D26B169BDCD5B22AAF8F"))
AES_KEY = SecretBytes(bytes.fromhex("AF8CB133A78F8DC2D1359F18527593FB"))
PAN = "2200123456789019"
ISO_0, ISO_1, ISO_3, ISO_4 = PinFormat
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


def opened(block: SecretBytes) -> str:
    return tdes_cipher(KEY).decryptor().update(block.reveal()).hex().upper()


def fill(text: str) -> Callable[[int], bytes]:
    drawn = bytes.fromhex(text)
    return lambda size: drawn.ljust(size, b"\x00")[:size]


def test_a_published_format_1_block_knows_no_card() -> None:
    for pan in (PAN, "4761739001010119", ""):
        block = encrypt_pin_block(Secret("12345"), pan, KEY, form=ISO_1, entropy=fill("EDCBA98765"))
        assert opened(block) == "1512345EDCBA9876"
        assert decrypt_pin_block(block, pan, key=KEY, form=ISO_1) == Secret("12345")


@pytest.mark.parametrize(
    ("drawn", "clear"),
    [("00" * 16, "341261FFFFB89EFC"), ("00" * 15 + "01", "341261EFFFB89EFC"), ("FF" * 16, None)],
)
def test_a_format_3_block_has_letters_for_fill(drawn: str, clear: str | None) -> None:
    pan = "5555555551234567"
    block = encrypt_pin_block(Secret("1234"), pan, KEY, form=ISO_3, entropy=fill(drawn))
    assert opened(block)[:6] == "341261"
    assert clear is None or opened(block) == clear
    mixed = int(opened(block), 16) ^ 0x555555123456
    assert set(f"{mixed:016X}"[6:]) <= set("ABCDEF")


def test_each_letter_of_the_fill_is_as_likely_as_the_others() -> None:
    drawn = (sha256(number.to_bytes(2)).digest()[:16] for number in range(2000))
    letters = Counter("".join(map(_letters, drawn)))
    assert sorted(letters) == list("ABCDEF")
    assert max(letters.values()) - min(letters.values()) < 400  # of 20,000, 3,333 each


def test_a_published_format_4_block() -> None:
    pan = "4111111111111111"
    entropy = fill("2F69ADDE2E9E7ACE")
    block = encrypt_pin_block(Secret("1234"), pan, AES_KEY, form=ISO_4, entropy=entropy)
    assert block.reveal().hex().upper() == "A912150391AB65A67E52883D81CE2D15"
    assert decrypt_pin_block(block, pan, key=AES_KEY, form=ISO_4) == Secret("1234")


@given(
    st.from_regex(r"[0-9]{4,12}", fullmatch=True), st.from_regex(r"[0-9]{13,19}", fullmatch=True), st.data()
)
def test_psec_reads_every_format_3_and_4_block(pin: str, pan: str, data: st.DataObject) -> None:
    drawn = data.draw(st.binary(min_size=16, max_size=16))
    block = encrypt_pin_block(Secret(pin), pan, KEY, form=ISO_3, entropy=lambda size: drawn[:size])
    assert psec("pinblock").decode_pinblock_iso_3(bytes.fromhex(opened(block)), pan) == pin
    block = encrypt_pin_block(Secret(pin), pan, AES_KEY, form=ISO_4, entropy=lambda size: drawn[:size])
    assert psec("pinblock").decipher_pinblock_iso_4(AES_KEY.reveal(), block.reveal(), pan) == pin


@given(
    st.from_regex(r"[0-9]{4,12}", fullmatch=True), st.from_regex(r"[0-9]{13,19}", fullmatch=True), st.data()
)
def test_any_pin_comes_back_in_any_format(pin: str, pan: str, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(PinFormat))
    size = data.draw(st.sampled_from((16, 24, 32) if form is ISO_4 else (8, 16, 24)))
    key = SecretBytes(bytes(range(1, size + 1)))
    drawn = data.draw(st.binary(min_size=16, max_size=16))
    block = encrypt_pin_block(Secret(pin), pan, key, form=form, entropy=lambda size: drawn[:size])
    assert len(block.reveal()) == (16 if form is ISO_4 else 8)
    assert decrypt_pin_block(block, pan, key=key, form=form) == Secret(pin)


def test_psec_writes_what_we_read() -> None:
    library = psec("pinblock")
    for pin in ("1234", "123456", "123456789012"):
        clear = library.encode_pinblock_iso_3(pin, PAN)
        block = SecretBytes(tdes_cipher(KEY).encryptor().update(clear))
        assert decrypt_pin_block(block, PAN, key=KEY, form=ISO_3) == Secret(pin)
        block = SecretBytes(library.encipher_pinblock_iso_4(AES_KEY.reveal(), pin, PAN))
        assert decrypt_pin_block(block, PAN, key=AES_KEY, form=ISO_4) == Secret(pin)


@pytest.mark.parametrize("form", [ISO_1, ISO_3, ISO_4])
def test_another_fill_makes_another_block(form: PinFormat) -> None:
    key = AES_KEY if form is ISO_4 else KEY
    blocks = {
        encrypt_pin_block(Secret("1234"), PAN, key, form=form, entropy=fill(f"{number:02X}" * 16))
        for number in range(10)
    }
    assert len(blocks) == 10


@pytest.mark.parametrize("form", [ISO_1, ISO_3, ISO_4])
def test_a_fill_is_never_drawn_by_itself(form: PinFormat) -> None:
    with pytest.raises(ValueError, match=f"format {form} PIN block needs entropy"):
        encrypt_pin_block(Secret("1234"), PAN, AES_KEY if form is ISO_4 else KEY, form=form)


@pytest.mark.parametrize("form", PinFormat)
def test_a_key_that_is_none_of_the_format_is_refused_unseen(form: PinFormat) -> None:
    for size in (0, 7, 8, 15, 24, 32, 33):
        if size in ((24, 32) if form is ISO_4 else (8, 24)):
            continue
        key = SecretBytes(bytes(range(0xC0, 0xC0 + size)))
        for call in (
            lambda key=key: encrypt_pin_block(Secret("1234"), PAN, key, form=form, entropy=bytes),
            lambda key=key: decrypt_pin_block(SecretBytes(bytes(16)), PAN, key=key, form=form),
        ):
            with pytest.raises(ValueError, match=f"format {form} PIN block needs a.* key of") as caught:
                call()
            assert caught.value.__context__ is None


@pytest.mark.parametrize("form", PinFormat)
def test_a_block_of_another_format_or_key_or_card_is_refused_without_a_digit(form: PinFormat) -> None:
    for other in PinFormat:
        block = encrypt_pin_block(Secret("987654"), PAN, KEY, form=other, entropy=bytes)
        wrongs = [(block, PAN, KEY)] if other is not form else [(block, PAN, OTHER_KEY)]
        if other is form and form is not ISO_1:
            wrongs.append((block, "4761739001010119", KEY))
            wrongs.append((block, PAN[1:] + "x", KEY))
            wrongs.append((block, "9999" + PAN, KEY))
        wrongs.append((SecretBytes(block.reveal()[1:]), PAN, KEY))
        wrongs.append((SecretBytes(block.reveal() * 3), PAN, KEY))
        for wrong, pan, key in wrongs:
            with pytest.raises(PinBlockError) as caught:
                decrypt_pin_block(wrong, pan, key=key, form=form)
            assert caught.value.__context__ is None
            assert not re.search(r"\d", str(caught.value).replace(f"format {form}", ""))


BROKEN = {
    "control digit": "2412345EDCBA9876",
    "length 3": "13123EDCBA987654",
    "length 13": "1D1234567890123E",
    "length 15": "1F12345678901234",
    "a letter in the PIN": "151234AEDCBA9876",
}


@pytest.mark.parametrize("clear", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_format_1_block(clear: str) -> None:
    block = SecretBytes(tdes_cipher(KEY).encryptor().update(bytes.fromhex(clear)))
    with pytest.raises(PinBlockError, match="not a PIN block"):
        decrypt_pin_block(block, PAN, key=KEY, form=ISO_1)


@pytest.mark.parametrize("form", PinFormat)
@pytest.mark.parametrize(
    ("pin", "pan"),
    [("123", PAN), ("1234567890123", PAN), ("12a4", PAN), ("", PAN), ("١٢٣٤", PAN), ("²²²²", PAN)]
    + [("1234", pan) for pan in ("220012345678", PAN + "1234", PAN[:-1] + "x", "", "٢٢" + PAN[2:])],
)
def test_what_is_no_pin_or_no_card_in_any_format(form: PinFormat, pin: str, pan: str) -> None:
    if form is ISO_1 and pin == "1234":
        pin = "123"
    with pytest.raises(PinBlockError, match="4 to 12") as caught:
        encrypt_pin_block(Secret(pin), pan, KEY, form=form, entropy=bytes)
    assert caught.value.__context__ is None


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
    rooms = (
        "security.pin_block, security.mac, security.dukpt_tdes, security.dukpt_aes, security.sealing, "
        "host.session, host.bank"
    )
    code = (
        f"import sys, {', '.join('smartsale_emu.' + room for room in rooms.split(', '))};"
        "print(sorted({'cryptography', 'psec', 'pyemv', 'iso8583', 'sqlite3'} & set(sys.modules)))"
    )
    top = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", code], cwd=top, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
