"""Every PIN block format, and MACs of other kinds than those of our profiles, in a whole payment."""

from collections.abc import Callable

import pytest
from emulator_kit import CARDS, Shop, _bank_profile_text, assert_agreed, customer, outcome, sale, text

from smartsale_emu.host.profile import BankProfile
from smartsale_emu.payment.authorization import Step

CHIP = "mir-chip"


def profile(base: str, table: str, rows: dict[str, object]) -> BankProfile:
    """A bank profile with other rows in one table."""
    shown = {key: f'"{value}"' if isinstance(value, str) else value for key, value in rows.items()}
    lines = [f'{key} = {{ value = {value}, mark = "assumed", source = "" }}' for key, value in shown.items()]
    document = "\n".join([f'extends = "{base}"', 'title = "T"', f"[{table}]", *lines])
    return BankProfile.parse(document, "t.toml", base=_bank_profile_text)


def balance(shop: Shop) -> int:
    account = shop.ledger.account(CHIP)
    assert account is not None
    return account.balance - CARDS[CHIP].account.balance


@pytest.mark.parametrize("base", ["generic-ascii", "nac-bcd", "dukpt-tdes"])
@pytest.mark.parametrize("pin_format", ["0", "1", "3"])
def test_a_pin_of_each_format_under_triple_des_is_compared_by_the_bank(base: str, pin_format: str) -> None:
    bank = profile(base, "keys", {"pin_format": pin_format})
    shop = Shop(bank_profile=bank, card=CHIP)
    assert text(shop.serve(sale(1200)), 39) == "1"
    (heard,) = shop.bank.heard
    assert heard.pin_block is not None
    shop.world.cardholder = customer(CHIP, wrong_pins=1)
    assert text(shop.serve(sale(300)), 39) == "1"
    codes = [exchange.answer.response_code for exchange in shop.exchanges if exchange.answer is not None]
    assert codes == ["00", "55", "00"]
    assert balance(shop) == -1500
    shop.settle()
    assert_agreed(shop)


def damaged(data: bytes) -> bytes:
    """Change the last byte of a MAC of four; of one of eight the fourth."""
    return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]


MACS: list[dict[str, object]] = [
    {"algorithm": "retail", "padding": 2},
    {"algorithm": "retail", "size": 4},
    {"algorithm": "tdes-cmac"},
    {"algorithm": "tdes-cmac", "size": 4, "input": "message"},
    {"algorithm": "tdes-cmac", "input": "fields", "request_fields": [3, 4, 11], "answer_fields": [11, 39]},
]


@pytest.mark.parametrize("base", ["nac-bcd", "dukpt-tdes"])
@pytest.mark.parametrize("rows", MACS, ids=lambda rows: "-".join(str(value) for value in rows.values()))
def test_a_mac_of_each_kind_is_checked_at_both_ends(base: str, rows: dict[str, object]) -> None:
    shop = Shop(bank_profile=profile(base, "mac", rows), card=CHIP)
    assert text(shop.serve(sale(1200)), 39) == "1"
    shop.settle()
    shop.on_way_there = damaged
    assert outcome(shop.serve(sale(300)))[:2] == ("16", "0A0")
    shop.on_way_there = lambda data: data
    assert balance(shop) == -1200
    shop.on_way_back = damaged
    assert outcome(shop.serve(sale(500)))[0] in ("34", "53")
    shop.on_way_back = lambda data: data
    shop.settle()
    assert any(heard.step is Step.REVERSAL for heard in shop.bank.heard)
    assert balance(shop) == -1200
    assert_agreed(shop)


@pytest.mark.parametrize("base", ["nac-bcd", "dukpt-tdes"])
def test_a_mac_that_is_longer_than_agreed_is_a_wrong_one(base: str) -> None:
    """The bank says so with its code; it does not find the message malformed."""
    shop = Shop(bank_profile=profile(base, "mac", {"size": 4}), card=CHIP)
    shop.on_way_there = lambda data: data[:-1] + b"\1"
    assert outcome(shop.serve(sale(300)))[:2] == ("16", "0A0")
    shop.on_way_there = lambda data: data
    shop.on_way_back = lambda data: data[:-1] + b"\1"
    assert outcome(shop.serve(sale(500)))[0] in ("34", "53")
    shop.on_way_back = lambda data: data
    shop.settle()
    assert balance(shop) == 0
    assert_agreed(shop)


def _exchanged(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new)


def test_a_field_that_the_profile_leaves_out_of_the_mac_is_not_covered_by_it() -> None:
    """DE42 may be changed on its way where only 3, 4 and 11 count; DE4 may not."""
    rows: dict[str, object] = {"input": "fields", "request_fields": [3, 4, 11], "answer_fields": [11, 39]}
    for old, new, code in ((b"111111111", b"111111112", "1"), (b"000000001200", b"000000001201", "16")):
        shop = Shop(bank_profile=profile("tbank-style", "mac", rows), card="mastercard-magstripe")
        shop.on_way_there = _exchanged(old, new)
        final = shop.serve(sale(1200))
        assert text(final, 39) == code, outcome(final)
