"""Key files: what is wrong with one is told by file and row, never by a value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keys_kit import KEY_ID, KSN, MASTER, TEXT, VALUE, slot

from smartsale_emu.errors import KeySlotError
from smartsale_emu.security.key_file import dump_key, parse_key
from smartsale_emu.security.key_slot import Algorithm, KeySlot, KeyUsage
from smartsale_emu.security.keys import KeyRing, seal_key

USAGES = ", ".join(KeyUsage)
WRONG = {
    "check value": ("08D7B4", "08D7B5", "pin.toml: key slot terminal-pin: kcv: the key does not match"),
    "one digit of the key": (VALUE, "1" + VALUE[1:], "kcv: the key does not match"),
    "not hexadecimal": (VALUE, VALUE[:-1] + "G", "value: must be hexadecimal"),
    "too short": (VALUE, VALUE[:-2], "value: a TDES key has 8 or 16 or 24 bytes"),
    "algorithm": ('"TDES"', '"DES"', "algorithm: must be one of TDES, AES"),
    "usage": ('usage = "pin"', 'usage = "any"', f"usage: must be one of {USAGES}"),
    "no check value": ('kcv = "08D7B4"', "", "pin.toml: key slot terminal-pin: kcv: is missing"),
    "empty check value": ('kcv = "08D7B4"', 'kcv = ""', "key slot terminal-pin: kcv: must be a text"),
    "unknown": ("source =", "origin =", "pin.toml: key slot terminal-pin: source: is missing"),
    "one more": ("source =", 'note = "x"\nsource =', "pin.toml: note: is not a row of such a key file"),
    "a key as a row": ("source =", f'"{VALUE.lower()}" = 1\nsource =', "pin.toml: is not a row"),
    "a key as a name": ('"terminal-pin"', f'"{VALUE.lower()}"', "pin.toml: name: must be words"),
    "a key of letters as a name": ('"terminal-pin"', f'"{VALUE.lower()[10:]}"', "pin.toml: name: must be"),
    "broken TOML": (f'value = "{VALUE}"', f'value = "{VALUE}', "pin.toml: is not a TOML file"),
    "no key": (f'value = "{VALUE}"', "", "pin.toml: one of value, cryptogram, tr31 must hold the key"),
    "two keys": (
        "kcv =",
        f'cryptogram = "{VALUE}"\nkcv =',
        "one of value, cryptogram, tr31 must hold the key",
    ),
    "under nothing": ("value =", "cryptogram =", "pin.toml: under: is missing"),
    "clear and under": ("kcv =", 'under = "master"\nkcv =', "pin.toml: under: is not a row"),
    "under a key": ("value =", f'under = "{VALUE}"\ncryptogram =', "pin.toml: under: must be words"),
    "cryptogram not hex": (f'value = "{VALUE}"', 'under = "a"\ncryptogram = "G"', "cryptogram: must be hex"),
    "KSN of no initial key": ("kcv =", f'ksn = "{KSN}"\nkcv =', "ksn: goes with a key for initial, and only"),
    "initial key, no KSN": ('"pin"', '"initial"', "terminal-pin: ksn: goes with a key for initial, and only"),
    "short KSN": (
        '"pin"',
        f'"initial"\nksn = "{KSN[2:]}"',
        "terminal-pin: ksn: of a key of TDES has 10 bytes",
    ),
    "KSN that counts": (
        '"pin"',
        f'"initial"\nksn = "{KSN[:-1]}1"',
        "ksn: its counter, the last 21 bits, must be zero",
    ),
    "KSN not hex": ('"pin"', f'"initial"\nksn = "{VALUE}x"', "ksn: must be hexadecimal"),
    "issuer of no cards": ('"pin"', '"issuer"', "bins: goes with a key for issuer, and only with one"),
    "no issuer of cards": ("kcv =", 'bins = ["4"]\nkcv =', "bins: goes with a key for issuer, and only"),
    "bins empty": ('"pin"', '"issuer"\nbins = []', "bins: must be a list of texts of 1 to 8 digits"),
    "bins numbers": ('"pin"', '"issuer"\nbins = [4]', "bins: must be a list of texts of 1 to 8 digits"),
    "bins a card": ('"pin"', f'"issuer"\nbins = ["{VALUE[:9]}"]', "bins: must be a list of texts of 1 to 8"),
    "bins a text": ('"pin"', '"issuer"\nbins = "4"', "bins: must be a list of texts of 1 to 8 digits"),
}


@pytest.mark.parametrize(("good", "bad", "says"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_key_file_is_refused_without_its_value(good: str, bad: str, says: str) -> None:
    assert good in TEXT
    with pytest.raises(KeySlotError) as caught:
        parse_key(TEXT.replace(good, bad, 1), "pin.toml")
    assert says in str(caught.value)
    for shown in (str(caught.value), repr(caught.value.__context__), repr(caught.value.__cause__)):
        assert VALUE[10:-2].lower() not in shown.lower()
    assert VALUE not in repr(vars(caught.value.__context__ or caught.value))


@given(st.text() | st.text().map(lambda text: TEXT + text))
def test_any_text_is_a_key_or_a_clean_error(text: str) -> None:
    said = ""
    try:
        parse_key(text, "pin.toml")
    except KeySlotError as error:
        said = str(error)
    assert not said or said.startswith("pin.toml: ")
    assert VALUE not in said


@pytest.mark.parametrize(
    "key",
    [
        slot("pin", KeyUsage.PIN, source='a "quoted" источник \\'),
        slot("initial-aes", KeyUsage.INITIAL, VALUE, Algorithm.AES, ksn=bytes.fromhex(KEY_ID + "00000000")),
        slot("issuer", KeyUsage.ISSUER, bins=("2200", "4"), source="x"),
    ],
    ids=["text", "serial number", "bins"],
)
def test_a_key_file_we_write_is_read_as_the_same_key(key: KeySlot) -> None:
    if not key.source:
        key = KeySlot(key.name, key.usage, key.algorithm, key.value, key.kcv, "x", key.ksn, key.bins)
    assert parse_key(dump_key(key).reveal(), "new.toml") == key
    for opener in (MASTER, slot("wrapping", KeyUsage.WRAPPING, VALUE, Algorithm.AES)):
        text = dump_key(seal_key(key, opener, bytes)).reveal()
        assert VALUE not in text
        again = KeyRing([opener, parse_key(text, "new.toml")]).get(key.name)
        assert (again.value, again.ksn, again.bins, again.source) == (
            key.value,
            key.ksn,
            key.bins,
            key.source,
        )
    assert VALUE not in repr(dump_key(key))


@pytest.mark.parametrize(
    ("algorithm", "good", "counts", "bits"),
    [
        (Algorithm.TDES, KSN, KSN[:-5] + "80000", 21),
        (Algorithm.TDES, KSN, KSN[:-6] + "F00000", 21),
        (Algorithm.AES, KEY_ID[:-1] + "700000000", KEY_ID + "80000000", 32),
    ],
)
def test_the_whole_counter_of_a_serial_number_must_be_zero(
    algorithm: Algorithm, good: str, counts: str, bits: int
) -> None:
    key = slot("initial", KeyUsage.INITIAL, VALUE, algorithm, source="x", ksn=bytes.fromhex(good))
    text = dump_key(key).reveal()
    assert parse_key(text, "initial.toml").ksn == key.ksn
    with pytest.raises(KeySlotError, match=f"its counter, the last {bits} bits, must be zero"):
        parse_key(text.replace(good, counts), "initial.toml")
