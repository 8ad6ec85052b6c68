"""The one way to psec and pyemv: published vectors come out, and nobody hears a warning."""

import subprocess
import sys
from pathlib import Path

import pytest

from smartsale_emu.security.library import psec, pyemv, whole_tdes_key, xor

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
TOP = Path(__file__).parents[2]
BLOCK = "A0072P0TE00E0000F5161ED902807AF26F1D62263644BD24192FDB3193C730301CEE8701"


def test_tdes_of_each_key_length_goes_through_without_a_warning() -> None:
    kcv = psec("des").generate_kcv
    assert kcv(KEY, 3).hex().upper() == "08D7B4"
    assert kcv(KEY + KEY[:8], 3).hex().upper() == "08D7B4"
    assert kcv(KEY[:8], 3) == kcv(KEY[:8] * 3, 3) != kcv(KEY, 3)
    assert kcv(bytearray(KEY), 3).hex().upper() == "08D7B4"


def test_what_is_no_tdes_key_is_still_refused() -> None:
    with pytest.raises(ValueError, match="key size"):
        psec("des").generate_kcv(KEY[:15], 3)


def test_aes_goes_through() -> None:
    plain = bytes.fromhex("FF" * 16)
    assert psec("aes").encrypt_aes_ecb(KEY, plain).hex().upper() == "592373540AE1B202615E6D210D868A8C"


def test_a_published_key_block_is_unwrapped() -> None:
    header, key = psec("tr31").unwrap(bytes.fromhex("89E88CF7931444F334BD7547FC3F380C"), BLOCK)
    assert (str(header), key.hex().upper()) == ("A0016P0TE00E0000", "F039121BEC83D26B169BDCD5B22AAF8F")


def test_published_cryptograms_come_out() -> None:
    card_key = pyemv("kd").derive_icc_mk_a(KEY, "9901234567890123", "45")
    assert card_key.hex().upper() == "F84315C7B95BD3B0C74694922C3808B0"
    session_key = pyemv("kd").derive_common_sk(card_key, bytes.fromhex("1234567890123456"))
    assert session_key.hex().upper() == "3E736BF8D37664348A04E3ABE00DEFC1"
    data = bytes.fromhex("0123456789ABCDEF" * 2)
    padding = pyemv("ac").PaddingType.EMV
    assert pyemv("ac").generate_ac(session_key, data, padding).hex().upper() == "4B46013359B7A58B"


@pytest.mark.parametrize("name", ["", "tr32", "typing", "__name__"])
def test_a_module_that_is_not_there_is_named(name: str) -> None:
    for library, title in ((psec, "psec"), (pyemv, "pyemv")):
        with pytest.raises(ValueError, match=f"{title} has no module {name}$"):
            library(name)


def test_a_key_is_written_out_as_its_keying_option_says() -> None:
    left, right = KEY[:8], KEY[8:]
    assert whole_tdes_key(left) == left + left + left
    assert whole_tdes_key(KEY) == left + right + left
    assert whole_tdes_key(KEY + bytes(8)) == left + right + bytes(8)


def test_bytes_of_two_lengths_are_not_mixed() -> None:
    assert xor(b"\x01\x02\x03", b"\x01\x00\xff") == b"\x00\x02\xfc"
    assert xor(b"", b"") == b""
    with pytest.raises(ValueError, match="one length"):
        xor(b"\x01", b"\x01\x02")


def test_a_user_hears_no_warning() -> None:
    code = (
        "from smartsale_emu.security.library import psec, pyemv;"
        f"key = bytes.fromhex('{KEY.hex()}');"
        "psec('mac').generate_retail_mac(key[:8], key[8:], b'', 1); psec('des').generate_kcv(key);"
        "pyemv('kd').derive_icc_mk_a(key, '9901234567890123');"
        "pyemv('mac').mac_iso9797_3(key[:8], key[8:], b'', 1)"
    )
    ran = [sys.executable, "-W", "always", "-c", code]
    ended = subprocess.run(ran, cwd=TOP, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
