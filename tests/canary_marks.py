"""The marks that the canary tests look for, and every dress in which they could go out."""

import base64
import re
from collections.abc import Iterator
from datetime import datetime

from smartsale_emu.payment.card import Card, EntryMode, PinRule
from smartsale_emu.payment.cardholder import wrong_pin
from smartsale_emu.security.keys import Algorithm, KeyRing, KeySlot, KeyUsage, check_value
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.security.pin_block import encrypt_pin_block

# --- the marks: nothing of this is a real card or key -------------------------------------------------------

PAN = "2200779183746520912"
LONG_PIN, SHORT_PIN = "908172635449", "7391"
DISCRETIONARY = "5810293746"
PIN_KEY = bytes.fromhex("4A6F8C31B5D3E97F1C26A8D54B70E3F2")
STORAGE_KEY = bytes.fromhex("93E1C7055AD24F8E61B73C90A4F8D216")
EPOCH = datetime(2026, 11, 23, 9, 30)

CARD = Card(
    name="canary",
    pan=PAN,
    expiry="3012",
    entry_mode=EntryMode.CHIP,
    service_code="201",
    pin_rule=PinRule.ALWAYS,
    label="Canary",
    sequence="01",
    discretionary=DISCRETIONARY,
)
TRACK2 = CARD.track2.reveal()


def pin_block(pin: str) -> bytes:
    return encrypt_pin_block(Secret(pin), PAN, SecretBytes(PIN_KEY)).reveal()


def clear_pin_block(pin: str) -> bytes:
    """The block before it is enciphered, written here a second time (ISO 9564-1, format 0)."""
    first = bytes.fromhex(f"0{len(pin):X}{pin}".ljust(16, "F"))
    second = bytes.fromhex("0000" + PAN[-13:-1])
    return bytes(a ^ b for a, b in zip(first, second, strict=True))


PINS = (LONG_PIN, SHORT_PIN, wrong_pin(Secret(LONG_PIN)).reveal())
TEXTS = {
    "PAN": PAN,
    "hidden digits of the PAN": PAN[6:-4],
    "PIN": LONG_PIN,
    "track 2": TRACK2,
    "track 2 tail": DISCRETIONARY,
}
BYTES = {"PIN key": PIN_KEY, "storage key": STORAGE_KEY}
BYTES |= {f"PIN block {number}": pin_block(pin) for number, pin in enumerate(PINS)}
BYTES |= {f"clear PIN block {number}": clear_pin_block(pin) for number, pin in enumerate(PINS)}


def in_base64(data: bytes) -> Iterator[bytes]:
    """The characters that stand for these bytes alone, at each of the three places that they may have."""
    for before, touched in ((0, 0), (1, 2), (2, 3)):
        whole = base64.b64encode(bytes(before) + data)
        yield whole[touched : (before + len(data)) * 8 // 6]


def dresses(data: bytes) -> Iterator[bytes]:
    """Every dress in which a secret could go out."""
    yield data
    yield data.hex().encode()
    yield data.hex().upper().encode()
    yield data.hex(" ").encode()
    yield repr(data)[2:-1].encode()
    yield from in_base64(data)


def text_dresses(text: str) -> Iterator[bytes]:
    """A text in bytes, and its digits packed two to a byte, padded on either side."""
    yield from dresses(text.encode())
    yield text.encode("utf-16-le")
    digits = text.replace("=", "D")
    for packed in {digits, "0" + digits, digits + "F"}:
        if len(packed) % 2 == 0:
            yield from dresses(bytes.fromhex(packed))


MARKS = {name: frozenset(text_dresses(text)) for name, text in TEXTS.items()}
MARKS |= {name: frozenset(dresses(data)) for name, data in BYTES.items()}
SHORT_PIN_ALONE = re.compile(rb"(?<![0-9A-Za-z+/])%s(?![0-9A-Za-z+/])" % SHORT_PIN.encode())


def found_in(out: str | bytes) -> set[str]:
    """Return the names of the secrets that can be seen in what came out."""
    data = out.encode() if isinstance(out, str) else out
    found = {name for name, shapes in MARKS.items() if any(shape in data for shape in shapes)}
    return found | ({"short PIN"} if SHORT_PIN_ALONE.search(data) else set())


def assert_clean(everything: dict[str, str | bytes]) -> None:
    """Fail and name the place and the secret, never the secret itself."""
    seen = {place: found for place, out in everything.items() if (found := found_in(out))}
    assert not seen, f"secrets came out: {seen}"


def keys() -> KeyRing:
    def slot(name: str, usage: KeyUsage, algorithm: Algorithm, key: bytes) -> KeySlot:
        return KeySlot(name, usage, algorithm, SecretBytes(key), check_value(algorithm, SecretBytes(key)))

    return KeyRing(
        [
            slot("terminal-pin", KeyUsage.PIN, Algorithm.TDES, PIN_KEY),
            slot("terminal-storage", KeyUsage.STORAGE, Algorithm.AES, STORAGE_KEY),
        ]
    )


CARD_TOML = f"""
[card]
pan = "{PAN}"
expiry = "3012"
entry_mode = "chip"
service_code = "201"
pin_rule = "always"
label = "Canary"
sequence = "01"

[account]
balance = 10_000_000
pin = "{SHORT_PIN}"
"""
KEY_TOML = f"""
name = "terminal-pin"
usage = "pin"
algorithm = "TDES"
value = "{PIN_KEY.hex().upper()}"
kcv = "{check_value(Algorithm.TDES, SecretBytes(PIN_KEY))}"
source = "self-made for this test"
"""
