"""The marks that the canary tests look for, and every dress in which they could go out."""

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from smartsale_emu.payment.card import Card, EntryMode, PinRule, luhn_valid, parse_card
from smartsale_emu.payment.cardholder import wrong_pin
from smartsale_emu.security.keys import Algorithm, KeyRing, KeySlot, KeyUsage, check_value, dump_key, seal_key
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.security.pin_block import encrypt_pin_block
from smartsale_emu.security.protection import KeyScheme, initial_key

# --- the marks: nothing of this is a real card or key -------------------------------------------------------

PAN = "2200779183746520912"
LONG_PIN, SHORT_PIN = "908172635449", "7391"
DISCRETIONARY = "5810293746"
PIN_KEY = bytes.fromhex("4A6F8C31B5D3E97F1C26A8D54B70E3F2")
STORAGE_KEY = bytes.fromhex("93E1C7055AD24F8E61B73C90A4F8D216")


def self_made(name: str) -> bytes:
    return sha256(f"canary {name}".encode()).digest()[:16]


KSNS = {KeyScheme.DUKPT_TDES: "FFFF98765432A0E00000", KeyScheme.DUKPT_AES: "12345678901234AA00000000"}
BASES = {scheme: self_made(f"bank-{scheme}") for scheme in KSNS}
INITIALS = {
    scheme: initial_key(scheme, SecretBytes(BASES[scheme]), bytes.fromhex(ksn)).reveal()
    for scheme, ksn in KSNS.items()
}
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
PLAIN_KEYS: dict[str, tuple[KeyUsage, Algorithm]] = {
    "terminal-master": (KeyUsage.MASTER, Algorithm.TDES),
    "terminal-mac": (KeyUsage.MAC, Algorithm.TDES),
    "terminal-data": (KeyUsage.DATA, Algorithm.TDES),
    "wrapping-tdes": (KeyUsage.WRAPPING, Algorithm.TDES),
    "wrapping-aes": (KeyUsage.WRAPPING, Algorithm.AES),
}
ISSUERS = {"issuer-mir": "2200", "issuer-visa": "4", "issuer-mastercard": "5"}
BYTES = {"PIN key": PIN_KEY, "storage key": STORAGE_KEY}
BYTES |= {name: self_made(name) for name in (*PLAIN_KEYS, *ISSUERS)}
BYTES |= {f"base key of {scheme}": key for scheme, key in BASES.items()}
BYTES |= {f"initial key of {scheme}": key for scheme, key in INITIALS.items()}
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


CARD_NUMBER = re.compile(
    rb"(?<![0-9A-Za-z+/])(?:220[0-4]|2[2-7]|4|5[1-5]|35|62)[0-9]{11,17}(?![0-9A-Za-z+/])"
)


def card_numbers_in(out: str | bytes) -> int:
    """Count what looks like any card's number: it begins as one, and its check digit is right."""
    data = out.encode() if isinstance(out, str) else out
    numbers = (found[0].decode() for found in CARD_NUMBER.finditer(data))
    return sum(13 <= len(number) <= 19 and luhn_valid(number) for number in numbers)


def assert_clean(everything: dict[str, str | bytes]) -> None:
    """Fail and name the place and the secret, never the secret itself."""
    seen = {place: found for place, out in everything.items() if (found := found_in(out))}
    seen |= {place: {"a card number"} for place, out in everything.items() if card_numbers_in(out)}
    assert not seen, f"secrets came out: {seen}"


def keys() -> KeyRing:
    """Every slot that a scheme or an issuer asks for, under the names of our own keys."""

    def slot(
        name: str, usage: KeyUsage, algorithm: Algorithm, key: bytes, ksn: str = "", bins: str = ""
    ) -> KeySlot:
        value = SecretBytes(key)
        kcv, prefixes = check_value(algorithm, value), (bins,) if bins else ()
        return KeySlot(
            name, usage, algorithm, value, kcv, "self-made for this test", bytes.fromhex(ksn), prefixes
        )

    return KeyRing(
        [
            slot("terminal-pin", KeyUsage.PIN, Algorithm.TDES, PIN_KEY),
            slot("terminal-storage", KeyUsage.STORAGE, Algorithm.AES, STORAGE_KEY),
            *(slot(name, *kind, self_made(name)) for name, kind in PLAIN_KEYS.items()),
            *(slot(f"bank-{kind}", KeyUsage.DERIVATION, kind.algorithm, key) for kind, key in BASES.items()),
            *(
                slot(f"terminal-{kind}", KeyUsage.INITIAL, kind.algorithm, key, ksn=KSNS[kind])
                for kind, key in INITIALS.items()
            ),
            *(
                slot(name, KeyUsage.ISSUER, Algorithm.TDES, self_made(name), bins=bins)
                for name, bins in ISSUERS.items()
            ),
        ]
    )


UNDER = {
    "terminal-pin": "terminal-master",
    "terminal-data": "wrapping-tdes",
    "bank-dukpt-aes": "wrapping-aes",
}
"""The keys whose files hold them under another: as a cryptogram, as TR-31 blocks of versions B and D."""


def key_files() -> Iterator[tuple[str, str]]:
    """Yield every key file as (name, text)."""
    ring = keys()
    for key in ring.slots():
        held = seal_key(key, ring.get(UNDER[key.name]), bytes) if key.name in UNDER else key
        yield f"{key.name}.toml", dump_key(held).reveal()


def recorded_in(out: str | bytes, secrets: Iterable[str | bytes]) -> set[str]:
    """Return those of many secrets that can be seen in what came out; short ones are not looked for."""
    data = out.encode() if isinstance(out, str) else out
    found = set()
    for secret in secrets:
        shapes = (
            text_dresses(secret) if isinstance(secret, str) and secret.isdigit() else dresses(_bytes(secret))
        )
        if len(secret) >= 8 and any(shape in data for shape in shapes):
            found.add(repr(secret))
    return found


def _bytes(secret: str | bytes) -> bytes:
    return secret.encode() if isinstance(secret, str) else secret


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
CHIP_TOML = f"""{CARD_TOML.replace("label =", 'aid = "A0000006581010"' + chr(10) + "label =")}
[chip]
issuer_key = "issuer-mir"
cvn = 18
aip = "3900"
usage_control = "FF00"
cvm_list = "000000000000000042031E031F03"
"""
CHIP_CARD = replace(parse_card(CHIP_TOML, name="canary", origin="").card, discretionary=DISCRETIONARY)
KEY_TOML = f"""
name = "terminal-pin"
usage = "pin"
algorithm = "TDES"
value = "{PIN_KEY.hex().upper()}"
kcv = "{check_value(Algorithm.TDES, SecretBytes(PIN_KEY))}"
source = "self-made for this test"
"""
