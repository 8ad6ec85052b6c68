"""Check values of published keys, and keys made at random."""

import pytest
from keys_kit import SESSION, SESSION_KCV, VALUE

from smartsale_emu.security.key_slot import Algorithm, check_value, random_key
from smartsale_emu.security.masking import SecretBytes

CHECK_VALUES = [
    (Algorithm.TDES, VALUE, "08D7B4"),
    (Algorithm.TDES, "11" * 16, "82E136"),
    (Algorithm.TDES, "F039121BEC83D26B169BDCD5B22AAF8F", "CB9DEA"),
    (Algorithm.TDES, VALUE + VALUE[:16], "08D7B4"),
    (Algorithm.TDES, "2315208C9110AD40" * 2, "F7D5A0"),
    (Algorithm.TDES, "2315208C9110AD40", "F7D5A0"),
    (Algorithm.TDES, "9E15204313F7318ACB79B90BD986AD29", "850571"),
    (Algorithm.TDES, SESSION, SESSION_KCV),
    (Algorithm.AES, "3F419E1CB7079442AA37474C2EFBF8B8", "08793E"),
]


@pytest.mark.parametrize(("algorithm", "key", "kcv"), CHECK_VALUES)
def test_published_check_values(algorithm: Algorithm, key: str, kcv: str) -> None:
    assert check_value(algorithm, SecretBytes(bytes.fromhex(key))) == kcv


@pytest.mark.parametrize(
    ("algorithm", "bits"),
    [(Algorithm.TDES, 64), (Algorithm.TDES, 128), (Algorithm.TDES, 192)]
    + [(Algorithm.AES, bits) for bits in (128, 192, 256)],
)
def test_a_random_key_is_made_of_the_entropy(algorithm: Algorithm, bits: int) -> None:
    drawn = bytes(range(bits // 8))
    key = random_key(algorithm, bits, lambda size: drawn[:size]).reveal()
    assert len(key) == bits // 8
    if algorithm is Algorithm.TDES:
        assert all(byte.bit_count() % 2 == 1 for byte in key)
        assert bytes(byte & 0xFE for byte in key) == bytes(byte & 0xFE for byte in drawn)
    else:
        assert key == drawn


@pytest.mark.parametrize(
    ("algorithm", "bits"), [(Algorithm.TDES, 256), (Algorithm.AES, 64), (Algorithm.AES, 129)]
)
def test_there_is_no_key_of_another_length(algorithm: Algorithm, bits: int) -> None:
    with pytest.raises(ValueError, match=f"{algorithm} has no key of {bits} bits"):
        random_key(algorithm, bits, bytes)
