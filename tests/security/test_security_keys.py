"""Key files: published check values, and errors that name file and slot and never a value."""

from pathlib import Path

import pytest

from smartsale_emu.errors import KeySlotError
from smartsale_emu.security.keys import Algorithm, KeyRing, KeyUsage, check_value, parse_key
from smartsale_emu.security.masking import SecretBytes

FILES = sorted((Path(__file__).parents[2] / "keys").glob("*.toml"))
VALUE = "0123456789ABCDEFFEDCBA9876543210"
TEXT = f"""
name = "terminal-pin"
usage = "pin"
algorithm = "TDES"
value = "{VALUE}"
kcv = "08D7B4"
source = "published"
"""

CHECK_VALUES = [
    (Algorithm.TDES, VALUE, "08D7B4"),
    (Algorithm.TDES, "11" * 16, "82E136"),
    (Algorithm.TDES, "F039121BEC83D26B169BDCD5B22AAF8F", "CB9DEA"),
    (Algorithm.TDES, VALUE + VALUE[:16], "08D7B4"),
    (Algorithm.AES, "3F419E1CB7079442AA37474C2EFBF8B8", "08793E"),
]


@pytest.mark.parametrize(("algorithm", "key", "kcv"), CHECK_VALUES)
def test_published_check_values(algorithm: Algorithm, key: str, kcv: str) -> None:
    assert check_value(algorithm, SecretBytes(bytes.fromhex(key))) == kcv


def test_our_key_files_read_whole() -> None:
    ring = KeyRing(parse_key(file.read_text(encoding="utf-8"), file.name) for file in FILES)
    assert ring.names() == ("terminal-pin", "terminal-storage")
    assert [file.stem for file in FILES] == list(ring.names())
    assert ring.get("terminal-pin", KeyUsage.PIN).value.reveal().hex().upper() == VALUE
    assert ring.get("terminal-storage").algorithm is Algorithm.AES


def test_an_empty_slot_is_named() -> None:
    with pytest.raises(KeySlotError, match="key slot terminal-mac: no key is loaded"):
        KeyRing([parse_key(TEXT, "pin.toml")]).get("terminal-mac")


def test_a_key_is_for_one_use() -> None:
    with pytest.raises(KeySlotError, match="is for pin, not for storage"):
        KeyRing([parse_key(TEXT, "pin.toml")]).get("terminal-pin", KeyUsage.STORAGE)


def test_a_slot_is_filled_once() -> None:
    slot = parse_key(TEXT, "pin.toml")
    with pytest.raises(KeySlotError, match="terminal-pin: is filled twice"):
        KeyRing([slot, slot])


WRONG = {
    "check value": ("08D7B4", "08D7B5", "pin.toml: key slot terminal-pin: kcv: the key does not match"),
    "one digit of the key": (VALUE, "1" + VALUE[1:], "kcv: the key does not match"),
    "not hexadecimal": (VALUE, VALUE[:-1] + "G", "value: must be hexadecimal"),
    "too short": (VALUE, VALUE[:-2], "value: a TDES key has 8 or 16 or 24 bytes"),
    "algorithm": ('"TDES"', '"DES"', "algorithm: must be one of TDES, AES"),
    "usage": ('usage = "pin"', 'usage = "any"', "usage: must be one of pin, storage"),
    "missing": ('kcv = "08D7B4"', "", "pin.toml: kcv: must be a text"),
    "unknown": ("source =", "origin =", "pin.toml: source: must be a text"),
    "one more": ("source =", 'note = "x"\nsource =', "pin.toml: note: is not a key"),
    "broken TOML": (f'value = "{VALUE}"', f'value = "{VALUE}', "pin.toml: is not a TOML file"),
}


@pytest.mark.parametrize(("good", "bad", "says"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_key_file_is_refused_without_its_value(good: str, bad: str, says: str) -> None:
    assert good in TEXT
    with pytest.raises(KeySlotError) as caught:
        parse_key(TEXT.replace(good, bad, 1), "pin.toml")
    assert says in str(caught.value)
    for shown in (str(caught.value), repr(caught.value.__context__), repr(caught.value.__cause__)):
        assert VALUE[1:-2].lower() not in shown.lower()
    assert VALUE not in repr(vars(caught.value.__context__ or caught.value))


def test_a_slot_shows_no_value() -> None:
    assert VALUE not in repr(parse_key(TEXT, "pin.toml")).upper()
