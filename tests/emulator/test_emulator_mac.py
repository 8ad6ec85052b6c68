"""What the other end rejects, as the register sees it: PIN blocks, PINs, MACs, repeats; and MACs here.

Whatever is rejected moves no money: the bank's books are afterwards what they were before.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest
from emulator_kit import (
    CARDS,
    KEYS,
    ScriptedBank,
    Shop,
    assert_agreed,
    customer,
    hand_over,
    outcome,
    sale,
    text,
)
from operation_kit import done, settlement
from play_kit import approved
from test_emulator_keys import (
    CHIP,
    DUKPT,
    PROFILES,
    SEALED,
    SESSION,
    assert_all_understood,
    every_profile,
    key_change,
    shop_of,
)
from tunnel_kit import TunnelShop

from smartsale_emu.host.bank import Bank
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.ledger import OperationState
from smartsale_emu.host.sealing import Seal
from smartsale_emu.payment.authorization import Step
from smartsale_emu.security.bank_safe import BankSafe
from smartsale_emu.security.keys import KeyRing
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.security.pin_block import PinFormat

every_sealed_profile = pytest.mark.parametrize("name", SEALED)
CODES = {"55": "117", "75": "106", "81": "920", "94": "913", "A0": "916"}
OTHER_KEY = SecretBytes(bytes.fromhex("00112233445566778899AABBCCDDEEFF"))


def declined(name: str, code: str) -> tuple[str, str, str]:
    """Fields 39, 15 and 19 of an operation that the bank has declined with its code."""
    return "16", CODES[code] if name == "tbank-style" else f"0{code}", "ОТКЛОНЕНО"


def books(shop: Shop) -> tuple[object, ...]:
    """All money at the bank."""
    return approved(shop), {account.name: account.balance for account in shop.ledger.accounts()}


def opened(name: str, make: type[Shop] = Shop) -> Shop:
    """A shop in which one sale was paid, so that the bank has something in its books."""
    shop = shop_of(name, make)
    done(shop, sale(100))
    shop.settle()
    hand_over(shop, CHIP)
    return shop


def ring_with_another_pin_key(name: str) -> KeyRing:
    """The bank's keys, but for one: that of the PIN blocks, or the base key that it comes from."""
    protection = PROFILES[name].protection
    offered = BankSafe(KEYS, lambda count: bytes(range(count)), PROFILES["generic-ascii"].protection).offer()
    return KEYS.changed(
        protection.slots.pin,
        cryptogram=bytes.fromhex(offered[0].cryptogram),
        kcv=offered[0].kcv,
        under=protection.slots.master,
    )


# --- the bank rejects a PIN --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SESSION)
def test_a_pin_block_under_another_key(name: str) -> None:
    shop = opened(name)
    before = books(shop)
    keys = ring_with_another_pin_key(name)
    shop.bank = ScriptedBank(Bank(PROFILES[name], CARDS.values(), shop.ledger, keys))
    assert outcome(shop.serve(sale(200)))[:3] == declined(name, "81")
    shop.settle()
    assert books(shop) == before
    assert "under another key or of another format" in shop.exchanges[-1].because
    account = shop.ledger.account(CHIP)
    assert account is not None
    assert account.pin_tries_left == CARDS[CHIP].account.pin_tries, "no try was taken"


@pytest.mark.parametrize("agreed", [PinFormat.ISO_0, PinFormat.ISO_1, PinFormat.ISO_3])
@pytest.mark.parametrize("name", [name for name in PROFILES if name != "dukpt-aes"])
def test_a_pin_block_of_another_format(name: str, agreed: PinFormat) -> None:
    profile = PROFILES[name]
    sent = profile.protection.pin_format
    shop = opened(name)
    before = books(shop)
    other = replace(profile, protection=replace(profile.protection, pin_format=agreed))
    shop.bank = shop.bank_with(other)
    final = shop.serve(sale(200))
    if sent is agreed:
        assert text(final, 39) == "1"
        return
    assert outcome(final)[:3] == declined(name, "81")
    shop.settle()
    assert books(shop) == before


def test_a_short_pin_block_where_a_long_one_is_agreed() -> None:
    shop = opened("dukpt-aes")
    before = books(shop)
    shop.bank.says = lambda asked: shop.bank.bank.handle(
        replace(asked, pin_block=SecretBytes(bytes(range(8)))), asked.sent_at
    )
    assert outcome(shop.serve(sale(200)))[:3] == declined("dukpt-aes", "81")
    shop.settle()
    assert books(shop) == before


@every_profile
def test_a_wrong_pin_is_counted_and_the_third_blocks(name: str) -> None:
    shop = opened(name)
    left: list[int] = []

    def counted(data: bytes) -> bytes:
        account = shop.ledger.account(CHIP)
        assert account is not None
        left.append(account.pin_tries_left)
        return data

    shop.on_way_back = counted
    shop.world.cardholder = customer(CHIP, wrong_pins=2)
    done(shop, sale(200))
    assert left == [2, 1, 3], "the right one gives them all back"
    shop.settle()
    before = books(shop)
    shop.world.cardholder = customer(CHIP, wrong_pins=9)
    assert outcome(shop.serve(sale(200)))[:3] == declined(name, "55")
    shop.settle()
    hand_over(shop, CHIP)
    assert outcome(shop.serve(sale(200)))[:3] == declined(name, "75")
    shop.settle()
    assert books(shop) == before
    assert_all_understood(shop)
    assert_agreed(shop)


# --- the bank rejects a message ----------------------------------------------------------------------------


def flipped(shop: Shop, at: int, bit: int = 0, *, when: int = 0) -> Callable[[bytes], bytes]:
    """Turn one bit of the n-th message from now."""
    count = iter(range(1000))

    def turn(data: bytes) -> bytes:
        if next(count) != when or at >= len(data):
            return data
        return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]

    return turn


@every_sealed_profile
@pytest.mark.parametrize("make", [Shop, TunnelShop])
def test_a_message_whose_amount_was_changed_on_its_way(name: str, make: type[Shop]) -> None:
    shop = opened(name, make)
    before = books(shop)
    amount = bytes.fromhex("000000000200") if name == "nac-bcd" else b"000000000200"
    changed = bytes.fromhex("000000000100") if name == "nac-bcd" else b"000000000100"
    shop.on_way_there = lambda data: data.replace(amount, changed, 1)
    assert outcome(shop.serve(sale(200)))[:3] == declined(name, "A0")
    assert shop.exchanges[-1].because == "the MAC is wrong: another key, or a changed message"
    shop.settle()
    assert books(shop) == before
    assert len(shop.steps) == 1, "the bank has not looked at it"
    shop.on_way_there = lambda data: data
    hand_over(shop, CHIP)
    done(shop, sale(300))
    shop.settle()
    assert_agreed(shop)


@every_sealed_profile
def test_no_bit_of_a_message_can_be_changed_on_its_way(name: str) -> None:
    """Declined or without an answer, and then undone; the purchase under it is never another."""
    probe = opened(name)
    done(probe, sale(200))
    for at in range(2, len(probe.sent[-1])):
        shop = shop_of(name)
        shop.on_way_there = flipped(shop, at, at % 8)
        final = shop.serve(sale(200))
        assert text(final, 39) in ("16", "53"), f"byte {at}"
        if text(final, 39) == "16":
            assert outcome(final)[:3] == declined(name, "A0")
        shop.settle()
        assert approved(shop) == [], f"byte {at}"
        assert_agreed(shop)


@every_sealed_profile
def test_a_message_without_a_mac(name: str) -> None:
    shop = opened(name)
    before = books(shop)
    real, plain = shop.dialect, Dialect(replace(PROFILES[name], wire=replace(PROFILES[name].wire, mac=None)))

    def stripped(data: bytes) -> bytes:
        message, _ = real.wire.open_request(data[2:])
        request = real.decode_request(message, shop._epoch.date())
        return plain.wire.frame(plain.encode_request(request))

    shop.on_way_there = stripped
    assert outcome(shop.serve(sale(200)))[:3] == declined(name, "A0")
    assert shop.exchanges[-1].because == "there is no MAC"
    shop.settle()
    assert books(shop) == before


@pytest.mark.parametrize("name", DUKPT)
def test_a_message_with_a_serial_number_that_none_has(name: str) -> None:
    """Whose keys the answer needs is not known: it has no MAC, and the pinpad does not believe it."""
    shop = opened(name)
    before = books(shop)
    real = shop.dialect

    def foreign(data: bytes) -> bytes:
        message, _ = real.wire.open_request(data[2:])
        request = real.decode_request(message, shop._epoch.date())
        return real.wire.frame(real.encode_request(replace(request, ksn=b"\xff" * 7), lambda _: bytes(8)))

    shop.on_way_there = foreign
    assert text(shop.serve(sale(200)), 39) == "53"
    assert shop.exchanges[-1].because == "no key has this serial number"
    assert shop.exchanges[-1].answer is not None
    assert shop.exchanges[-1].answer.response_code == "A0"
    shop.on_way_there = lambda data: data
    shop.settle()
    assert books(shop) == before
    assert_agreed(shop)


@every_profile
def test_a_stan_that_comes_again_with_another_content(name: str) -> None:
    """A pinpad without its memory, at the very time of its first sale."""
    first = shop_of(name)
    done(first, sale(100))
    shop = shop_of(name)
    vars(shop.ledger).update(deepcopy(vars(first.ledger)))
    before = books(shop)
    assert outcome(shop.serve(sale(200)))[:3] == declined(name, "94")
    assert books(shop) == before
    assert shop.exchanges[-1].because == "the same STAN and time with another content"


@every_profile
def test_the_same_message_again_moves_nothing_twice(name: str) -> None:
    shop = opened(name)
    before = books(shop)
    session = shop._answer_the_phone()
    _, (exchange,) = session.receive(shop.sent[0], shop._epoch)
    assert exchange.answer is not None
    assert exchange.answer.response_code == "00"
    assert books(shop) == before


# --- the pinpad rejects an answer --------------------------------------------------------------------------


def told_again(shop: Shop, dialect: Dialect, seal: Seal | None) -> bytes:
    """The bank's last answer, sealed by somebody else."""
    request, answer = shop.exchanges[-1].request, shop.exchanges[-1].answer
    assert request is not None
    assert answer is not None
    way_back = shop.dialect.wire.open_request(shop.sent[-1][2:])[1]
    return way_back.frame(dialect.encode_answer(request, answer, seal))


def under_another_key(shop: Shop) -> bytes:
    rule = shop.bank_profile.protection.mac
    assert rule is not None
    return told_again(shop, shop.dialect, lambda data: rule.make(data, OTHER_KEY))


def without_a_mac(shop: Shop) -> bytes:
    profile = shop.bank_profile
    return told_again(shop, Dialect(replace(profile, wire=replace(profile.wire, mac=None))), None)


def with_a_mac_of_zeros(shop: Shop) -> bytes:
    return told_again(shop, shop.dialect, lambda _: bytes(8))


def under_the_keys_of_the_message_before(shop: Shop) -> bytes:
    """Of session keys: of those before the key change."""
    safe, offers = shop.bank.bank._safe, [()]
    request = shop.exchanges[-1].request
    assert request is not None
    before = (int.from_bytes(request.ksn) - 1).to_bytes(len(request.ksn)) if request.ksn else b""
    (keys,) = safe.candidates(before, offers)
    return told_again(shop, shop.dialect, lambda data: safe.mac(data, keys))


def sealed_as_a_request(shop: Shop) -> bytes:
    """With a key for every message the two directions have keys of their own."""
    rule, request = shop.bank_profile.protection.mac, shop.exchanges[-1].request
    assert rule is not None
    assert request is not None
    (keys, *_) = shop.bank.bank._safe.candidates(request.ksn, [()])
    key = keys.request_mac
    assert key is not None
    return told_again(shop, shop.dialect, lambda data: rule.make(data, key))


FORGERIES = [
    under_another_key,
    without_a_mac,
    with_a_mac_of_zeros,
    under_the_keys_of_the_message_before,
    sealed_as_a_request,
]


@pytest.mark.parametrize("make", [Shop, TunnelShop])
@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
@every_sealed_profile
def test_an_answer_is_no_answer(name: str, forge: Callable[[Shop], bytes], make: type[Shop]) -> None:
    """The bank has approved, the register is told 53; the reversal, answered as it should be, undoes it."""
    shop = opened(name, make)
    if name in SESSION:
        done(shop, key_change())
        hand_over(shop, CHIP)
        done(shop, sale(50))
        hand_over(shop, CHIP)
    before = books(shop)[1]
    count = iter(range(1000))
    shop.on_way_back = lambda reply: reply if next(count) else forge(shop)
    assert text(shop.serve(sale(200)), 39) == "53"
    shop.settle()
    *_, undone = shop.operations
    assert (undone.amount, undone.state) == (200, OperationState.REVERSED)
    assert shop.steps[-1] is Step.REVERSAL
    assert books(shop)[1] == before
    assert_agreed(shop)


@every_sealed_profile
def test_the_answer_to_a_reversal_is_believed_only_with_its_mac(name: str) -> None:
    shop = opened(name)
    count = iter(range(1000))
    shop.on_way_back = lambda reply: under_another_key(shop) if next(count) < 3 else reply
    assert text(shop.serve(sale(200)), 39) == "53"
    shop.rest(100)
    assert shop.memory.pending is not None, "the answer to the first 0400 was no answer"
    shop.settle()
    assert shop.memory.pending is None
    reversals = [heard for heard in shop.bank.heard if heard.step is Step.REVERSAL]
    assert [heard.attempt for heard in reversals] == [0, 1, 1]
    assert_agreed(shop)


@every_sealed_profile
def test_the_answers_of_a_settlement_are_believed_only_with_their_macs(name: str) -> None:
    shop = opened(name)
    shop.on_way_back = lambda _: under_another_key(shop)
    assert text(shop.serve(settlement()), 39) == "34"
    assert shop.memory.day == 1
    shop.on_way_back = lambda reply: reply
    shop.settle()
    assert shop.memory.day == 2
    assert_agreed(shop)


@every_sealed_profile
def test_no_bit_of_an_answer_can_be_changed_on_its_way(name: str) -> None:
    """Of a card without a chip: what an issuer tells a chip has a cryptogram of its own."""
    stripe = "mastercard-magstripe"
    probe, replies = shop_of(name, card=stripe), list[bytes]()

    def noted(reply: bytes) -> bytes:
        replies.append(reply)
        return reply

    probe.on_way_back = noted
    done(probe, sale(200))
    for at in range(2, len(replies[0])):
        shop = shop_of(name, card=stripe)
        shop.on_way_back = flipped(shop, at, at % 8)
        assert text(shop.serve(sale(200)), 39) == "53", f"byte {at}"
        shop.settle()
        assert approved(shop) == [], f"byte {at}"
        assert_agreed(shop)
