"""No text of an error holds a card number, a track, a PIN, a PIN block or a key."""

import base64
import json
import traceback
from collections.abc import Callable
from datetime import date
from functools import partial

import pytest
from canary_marks import (
    CARD_TOML,
    EPOCH,
    KEY_TOML,
    LONG_PIN,
    PAN,
    PIN_KEY,
    SHORT_PIN,
    STORAGE_KEY,
    TRACK2,
    found_in,
    keys,
    pin_block,
)

from smartsale_emu.errors import (
    DialectError,
    KeySlotError,
    ProfileError,
    SmartSaleError,
    StateError,
    TlvError,
)
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.payment.authorization import AuthorizationRequest, CardData, Step, Transaction
from smartsale_emu.payment.card import EntryMode, parse_card
from smartsale_emu.payment.cardholder import wrong_pin
from smartsale_emu.profile_rows import Rows
from smartsale_emu.runtime import DEFAULT_BANK_PROFILE
from smartsale_emu.runtime.assembly import (
    load_bank_profile,
    load_card,
)
from smartsale_emu.sa.tlv import Message
from smartsale_emu.security.keys import parse_key
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.security.pin_block import PinBlockError, decrypt_pin_block, encrypt_pin_block
from smartsale_emu.security.safe import TerminalSafe
from smartsale_emu.terminal.memory import parse_memory
from smartsale_emu.units import RUB, MinorUnits

# --- texts of errors --------------------------------------------------------------------------------------


TODAY = date(2026, 11, 23)


def dialect() -> Dialect:
    return Dialect(load_bank_profile(DEFAULT_BANK_PROFILE))


def sale_to_bank(pan: str = PAN, track2: str = TRACK2, expiry: str = "3012") -> AuthorizationRequest:
    return AuthorizationRequest(
        step=Step.FINANCIAL,
        transaction=Transaction.PURCHASE,
        stan=7,
        sent_at=EPOCH,
        terminal_id="00060056",
        merchant_id="111111111",
        amount=MinorUnits(1200),
        currency=RUB,
        card=CardData(
            pan=pan, expiry=expiry, entry_mode=EntryMode.CHIP, track2=Secret(track2), sequence="01"
        ),
        pin_block=SecretBytes(pin_block(LONG_PIN)),
    )


GOOD_MESSAGE = dialect().encode_request(sale_to_bank())
BROKEN_MESSAGES = {f"cut at {place}": GOOD_MESSAGE[:place] for place in range(0, len(GOOD_MESSAGE), 9)}
BROKEN_MESSAGES["and more"] = GOOD_MESSAGE + PAN.encode()
BROKEN_MESSAGES["letters in the PAN"] = GOOD_MESSAGE.replace(PAN.encode(), PAN[:-1].encode() + b"x", 1)
BROKEN_MESSAGES["a request as an answer"] = GOOD_MESSAGE.replace(b"0200", b"0210", 1)
BROKEN_MESSAGES["no such processing code"] = GOOD_MESSAGE.replace(b"000000", b"990099", 1)


def no_card(change: Callable[[str], str]) -> Callable[[], object]:
    return lambda: parse_card(change(CARD_TOML), name="canary", origin="canary.toml")


def no_key(change: Callable[[str], str]) -> Callable[[], object]:
    return lambda: parse_key(change(KEY_TOML), "canary.toml")


def safe() -> TerminalSafe:
    return TerminalSafe(keys(), bytes)


MISHAPS: dict[str, tuple[type[SmartSaleError], Callable[[], object]]] = {
    **{
        f"bank message: {name}": (DialectError, partial(dialect().decode_request, data, TODAY))
        for name, data in BROKEN_MESSAGES.items()
    },
    "answer": (DialectError, lambda: dialect().decode_answer(GOOD_MESSAGE, TODAY)),
    "PAN too long": (DialectError, lambda: dialect().encode_request(sale_to_bank(pan=PAN * 2))),
    "track too long": (DialectError, lambda: dialect().encode_request(sale_to_bank(track2=TRACK2 * 2))),
    "expiry that is a PIN": (DialectError, lambda: dialect().encode_request(sale_to_bank(expiry=LONG_PIN))),
    "records": (TlvError, lambda: Message.parse(TRACK2.encode())),
    "records, a length": (TlvError, lambda: Message.parse(b"\x0c\xff\x00" + TRACK2.encode())),
    "memory": (StateError, lambda: parse_memory(PAN, origin="memory")),
    "memory, a key": (
        StateError,
        lambda: parse_memory(json.dumps({"format": 1, PAN: LONG_PIN}), origin="memory"),
    ),
    "memory, no JSON": (StateError, lambda: parse_memory("{" + TRACK2, origin="memory")),
    "sealed": (StateError, lambda: safe().unseal(PAN)),
    "sealed, base64": (StateError, lambda: safe().unseal(base64.b64encode(PIN_KEY * 3).decode())),
    "card, no TOML": (ProfileError, no_card(lambda text: text.replace(f'"{PAN}"', PAN + "x"))),
    "card, quotes": (ProfileError, no_card(lambda text: text.replace(f'"{PAN}"', f'"{PAN}'))),
    "card, twice": (ProfileError, no_card(lambda text: text.replace("[account]", f'pan = "{PAN}"'))),
    "card, check digit": (
        ProfileError,
        no_card(lambda text: text.replace(PAN, PAN[:-1] + wrong_pin(Secret(PAN)).reveal()[-1])),
    ),
    "card, a number": (ProfileError, no_card(lambda text: text.replace(f'"{PAN}"', PAN[:-1]))),
    "card, too long a PIN": (ProfileError, no_card(lambda text: text.replace(SHORT_PIN, LONG_PIN))),
    "card, PIN a number": (ProfileError, no_card(lambda text: text.replace(f'"{SHORT_PIN}"', LONG_PIN))),
    "card, expiry a track": (ProfileError, no_card(lambda text: text.replace("3012", TRACK2))),
    "card, mode a PAN": (ProfileError, no_card(lambda text: text.replace('"chip"', f'"{PAN}"'))),
    "card, unknown key": (ProfileError, no_card(lambda text: text + f'track = "{TRACK2}"')),
    "card that is a PAN": (ProfileError, lambda: load_card(PAN)),
    "profile row": (ProfileError, lambda: Rows.parse(f'[keys]\npin = "{PIN_KEY.hex()}"', origin="x.toml")),
    "profile, no TOML": (ProfileError, lambda: Rows.parse(f"[keys]\npin = {PIN_KEY.hex()}", origin="x.toml")),
    "key, no TOML": (
        KeySlotError,
        no_key(lambda text: text.replace(f'"{PIN_KEY.hex().upper()}"', PIN_KEY.hex())),
    ),
    "key, no hex": (
        KeySlotError,
        no_key(lambda text: text.replace(PIN_KEY.hex().upper(), PIN_KEY.hex() + "xy")),
    ),
    "key, too long": (
        KeySlotError,
        no_key(lambda text: text.replace(PIN_KEY.hex().upper(), PIN_KEY.hex() * 2)),
    ),
    "key, wrong check value": (KeySlotError, no_key(lambda text: text.replace('kcv = "', 'kcv = "00'))),
    "key, check value a key": (
        KeySlotError,
        no_key(lambda text: text.replace('kcv = "', f'kcv = "{PIN_KEY.hex()}')),
    ),
    "key, usage a key": (KeySlotError, no_key(lambda text: text.replace('"pin"', f'"{PIN_KEY.hex()}"'))),
    "key, algorithm a key": (KeySlotError, no_key(lambda text: text.replace('"TDES"', f'"{PIN_KEY.hex()}"'))),
    "PIN block, letters": (
        PinBlockError,
        lambda: encrypt_pin_block(Secret(LONG_PIN + "x"), PAN, SecretBytes(PIN_KEY)),
    ),
    "PIN block, PAN": (
        PinBlockError,
        lambda: encrypt_pin_block(Secret(LONG_PIN), PAN + "x", SecretBytes(PIN_KEY)),
    ),
    "PIN block of another key": (
        PinBlockError,
        lambda: decrypt_pin_block(SecretBytes(pin_block(LONG_PIN)), PAN, key=SecretBytes(STORAGE_KEY)),
    ),
}


def told_by(error: BaseException) -> str:
    """Return everything that a log could take from an error, and from every error behind it."""
    told = "".join(traceback.format_exception(error))
    behind: BaseException | None = error
    while behind is not None:
        told += f"\n{behind} {behind!r} {behind.args!r} {getattr(behind, '__notes__', '')}"
        behind = behind.__cause__ or behind.__context__
    return told


@pytest.mark.parametrize("name", MISHAPS)
def test_no_canary_in_the_text_of_an_error(name: str) -> None:
    kind, mishap = MISHAPS[name]
    with pytest.raises(kind) as caught:
        mishap()
    assert found_in(told_by(caught.value)) == set()
