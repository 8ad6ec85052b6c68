"""MACs against published vectors, read whole; what is no MAC of the data is told from one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.security.mac import MacAlgorithm, mac_is_right, make_mac
from smartsale_emu.security.masking import SecretBytes

RETAIL, TDES_CMAC, AES_CMAC = MacAlgorithm
KEY = SecretBytes(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
OTHER_KEY = SecretBytes(bytes.fromhex("7CA110454A1A6E570131D9619DC1376E"))
LONG_TEXT, SHORT_TEXT = b"Now is the time for all ", b"Now is the time for it"
AES_KEY = SecretBytes(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))
AES_KEY_256 = SecretBytes(bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"))
AES_BLOCK = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
TDES_KEY = SecretBytes(bytes.fromhex("8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5"))
TDES_KEY_2 = SecretBytes(bytes.fromhex("4cf15134a2850dd58a3d10ba80570d38"))

# ISO 9797-1 annex B.4; the one of another key is BouncyCastle's
RETAIL_VECTORS = [
    (KEY, LONG_TEXT, 1, "A1C72E74EA3FA9B6"),
    (KEY, LONG_TEXT, 2, "E9086230CA3BE796"),
    (KEY, SHORT_TEXT, 1, "2E2B1428CC78254F"),
    (KEY, SHORT_TEXT, 2, "5A692CE64F404145"),
    (OTHER_KEY, b"Hello World !!!!", 1, "F09B856213BAB83B"),
]
# RFC 4493 and NIST SP 800-38B
CMAC_VECTORS = [
    (AES_CMAC, AES_KEY, AES_BLOCK, "070a16b46b4d4144f79bdd9dd04a287c"),
    (AES_CMAC, AES_KEY, b"", "bb1d6929e95937287fa37d129b756746"),
    (AES_CMAC, AES_KEY_256, AES_BLOCK, "28a7023f452e8f82bd4bf28d8c37c35c"),
    (TDES_CMAC, TDES_KEY, b"", "b7a688e122ffaf95"),
    (TDES_CMAC, TDES_KEY, AES_BLOCK[:8], "8e8f293136283797"),
    (TDES_CMAC, TDES_KEY_2, b"", "bd2ebf9a3ba00361"),
]


@pytest.mark.parametrize(("key", "data", "padding", "mac"), RETAIL_VECTORS)
def test_published_retail_macs(key: SecretBytes, data: bytes, padding: int, mac: str) -> None:
    assert make_mac(data, key, RETAIL, padding=padding).hex().upper() == mac
    assert mac_is_right(data, bytes.fromhex(mac), key, RETAIL, padding=padding)
    assert not mac_is_right(data, bytes.fromhex(mac), key, RETAIL, padding=3 - padding)


@pytest.mark.parametrize(("algorithm", "key", "data", "mac"), CMAC_VECTORS)
def test_published_cmacs(algorithm: MacAlgorithm, key: SecretBytes, data: bytes, mac: str) -> None:
    size = len(mac) // 2
    assert make_mac(data, key, algorithm, size=size).hex() == mac
    assert mac_is_right(data, bytes.fromhex(mac), key, algorithm, size=size)


def test_the_leftmost_bytes_go_on_the_wire() -> None:
    for size in range(4, 9):
        assert make_mac(LONG_TEXT, KEY, RETAIL, size=size).hex().upper() == "A1C72E74EA3FA9B6"[: size * 2]
    for size in range(4, 17):
        whole = "070a16b46b4d4144f79bdd9dd04a287c"
        assert make_mac(AES_BLOCK, AES_KEY, AES_CMAC, size=size).hex() == whole[: size * 2]


@given(st.binary(min_size=1, max_size=64), st.data())
def test_no_changed_message_or_mac_is_right(data: bytes, draw: st.DataObject) -> None:
    algorithm = draw.draw(st.sampled_from(MacAlgorithm))
    mac = make_mac(data, KEY, algorithm)
    assert mac_is_right(data, mac, KEY, algorithm)
    for original, wrong in ((data, False), (mac, True)):
        place = draw.draw(st.integers(0, len(original) * 8 - 1))
        changed = bytearray(original)
        changed[place // 8] ^= 1 << place % 8
        told = (data, bytes(changed)) if wrong else (bytes(changed), mac)
        assert not mac_is_right(*told, KEY, algorithm)
    assert not mac_is_right(data, mac, OTHER_KEY, algorithm)


def test_a_mac_of_another_size_is_wrong() -> None:
    mac = make_mac(LONG_TEXT, KEY, RETAIL)
    for wrong in (b"", mac[:4], mac[:7], mac + b"\x00", mac * 2):
        assert not mac_is_right(LONG_TEXT, wrong, KEY, RETAIL)
    assert not mac_is_right(LONG_TEXT, mac, KEY, RETAIL, size=4)
    assert mac_is_right(LONG_TEXT, mac[:4], KEY, RETAIL, size=4)


@pytest.mark.parametrize(
    ("algorithm", "lengths"), [(RETAIL, {16}), (TDES_CMAC, {16, 24}), (AES_CMAC, {16, 24, 32})]
)
def test_a_key_of_another_length_is_refused_unseen(algorithm: MacAlgorithm, lengths: set[int]) -> None:
    for length in (0, 8, 15, 16, 17, 24, 32, 33):
        key = SecretBytes(bytes(range(0xC0, 0xC0 + length)))
        if length in lengths:
            assert len(make_mac(b"data", key, algorithm)) == 8
            continue
        with pytest.raises(ValueError, match="key has") as caught:
            make_mac(b"data", key, algorithm)
        assert caught.value.__context__ is None


@pytest.mark.parametrize("size", [-1, 0, 3, 9, 17])
def test_a_size_that_no_mac_has_is_refused(size: int) -> None:
    for algorithm in MacAlgorithm:
        if algorithm is AES_CMAC and size == 9:
            continue
        with pytest.raises(ValueError, match="MAC has 4 to"):
            make_mac(b"data", KEY, algorithm, size=size)
        with pytest.raises(ValueError, match="MAC has 4 to"):
            mac_is_right(b"data", bytes(max(size, 0)), KEY, algorithm, size=size)


def test_a_padding_that_the_algorithm_does_not_know_is_refused() -> None:
    for algorithm, padding in ((RETAIL, 0), (RETAIL, 3), (TDES_CMAC, 2), (AES_CMAC, 2)):
        with pytest.raises(ValueError, match=f"{algorithm} knows no padding method {padding}"):
            make_mac(b"data", KEY, algorithm, padding=padding)
