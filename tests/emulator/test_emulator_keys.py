"""Whole days under every key scheme, and key changes that go well, badly, or are interrupted anywhere."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from emulator_kit import (
    BANK_PROFILE,
    KEYS,
    Delivery,
    HandTill,
    Shop,
    assert_agreed,
    bank_profile,
    customer,
    hand_over,
    outcome,
    request,
    reversal,
    sale,
    text,
)
from operation_kit import SALE, VOID, close_the_day, done, settlement
from play_kit import approved, ask_for, do, forget, once_more
from tunnel_kit import TunnelShop

from smartsale_emu.emulator.doors import CallHost
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Step, Transaction
from smartsale_emu.security.key_slot import Algorithm, KeySlot, KeyUsage, check_value
from smartsale_emu.security.keys import seal_key
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.security.protection import NOTHING_HELD, KeysHeld, SessionKey
from smartsale_emu.terminal.memory import Memory, dump_memory, parse_memory

CHIP = "mir-chip"
PROFILES: dict[str, BankProfile] = {
    name: bank_profile(name)
    for name in ("generic-ascii", "nac-bcd", "tbank-style", "dukpt-tdes", "dukpt-aes")
}
SESSION = {name: profile for name, profile in PROFILES.items() if not name.startswith("dukpt")}
DUKPT = {name: profile for name, profile in PROFILES.items() if name.startswith("dukpt")}
SEALED = {name: profile for name, profile in PROFILES.items() if name != "generic-ascii"}
every_profile = pytest.mark.parametrize("name", PROFILES)
every_session_profile = pytest.mark.parametrize("name", SESSION)
every_dukpt_profile = pytest.mark.parametrize("name", DUKPT)

REFUSED = ("53", "ER3", "КЛЮЧИ НЕ ПРИНЯТЫ", None)


def shop_of(name: str, make: type[Shop] = Shop, *, card: str = CHIP, **more: object) -> Shop:
    return make(bank_profile=PROFILES[name], card=card, **more)  # type: ignore[arg-type]


def key_change(code: int = 66) -> bytes:
    return request({25: code})


class Overhearing:
    """Notes every message that the pinpad hands to its line, whether or not it arrives."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.messages = shop, list[bytes]()
        call, carry = shop.world._call, shop.world._carry

        def called(effect: CallHost) -> None:
            self.messages.append(effect.payload)
            call(effect)

        def carried(session: object, data: bytes, coming: object) -> bool:
            self.messages.append(data)
            return carry(session, data, coming)  # type: ignore[arg-type]

        shop.world._call, shop.world._carry = called, carried  # type: ignore[method-assign]

    @property
    def requests(self) -> list[AuthorizationRequest]:
        dialect = self.shop.dialect
        today = self.shop._epoch.date()
        return [
            dialect.decode_request(dialect.wire.open_request(message[2:])[0], today)
            for message in self.messages
        ]

    def assert_no_ksn_twice(self) -> None:
        """Two messages may have one KSN only if they are the same, byte for byte."""
        with_ksn = zip((heard.ksn for heard in self.requests), self.messages, strict=True)
        seen: dict[bytes, bytes] = {}
        for ksn, message in with_ksn:
            assert ksn
            assert seen.setdefault(ksn, message) == message, "one key for two messages"


def assert_all_understood(shop: Shop) -> None:
    """The bank has refused no MAC and no PIN block."""
    codes = [exchange.answer.response_code for exchange in shop.exchanges if exchange.answer is not None]
    assert len(codes) == len(shop.exchanges) == len(shop.sent)
    assert not {"A0", "81"} & set(codes)


# --- days ------------------------------------------------------------------------------------------------


def a_sale_with_a_wrong_pin_twice(shop: Shop) -> None:
    shop.world.cardholder = customer(CHIP, wrong_pins=2)
    done(shop, sale(300))
    hand_over(shop, CHIP)


def a_sale_whose_answer_is_lost(shop: Shop, *, repeats: int) -> None:
    """The reversal's answer too, so many times: 0401 follow."""
    first = shop.world.bank_messages
    lost = range(first, first + 1 + repeats)
    shop.world.delivery = lambda number: Delivery.LOST_BACK if number in lost else Delivery.FINE
    assert text(shop.serve(sale(700)), 39) == "53"
    while shop.memory.pending is not None:  # behind a register the reversal needs one to carry it
        shop.rest(1000)
        if isinstance(shop, TunnelShop):
            shop.serve(request({25: 26}))
    shop.world.delivery = lambda _: Delivery.FINE


def a_day(shop: Shop) -> None:
    paid = do(shop, SALE, 1000)
    do(shop, VOID, 250, paid)
    a_sale_with_a_wrong_pin_twice(shop)
    a_sale_whose_answer_is_lost(shop, repeats=2)
    hand_over(shop, "mir-contactless")
    done(shop, sale(50))
    done(shop, reversal(50))
    hand_over(shop, CHIP)
    done(shop, ask_for(SALE, 4000))
    forget(shop, approved(shop)[-1:])
    close_the_day(shop)
    do(shop, SALE, 1)


@every_profile
@pytest.mark.parametrize("make", [Shop, TunnelShop])
def test_a_day(name: str, make: type[Shop]) -> None:
    """PINs, a void, reversals and their repeats, a settlement with an upload: all of it is understood."""
    shop = shop_of(name, make)
    overhearing = Overhearing(shop)
    a_day(shop)
    shop.settle()
    assert_all_understood(shop)
    assert set(shop.steps) >= {Step.FINANCIAL, Step.REVERSAL, Step.RECONCILIATION, Step.UPLOAD}
    assert len([row for row in approved(shop) if row.batch == 1]) >= 2
    assert all(heard.ksn == b"" for heard in overhearing.requests) is (name in SESSION)
    if name in DUKPT:
        overhearing.assert_no_ksn_twice()
        ksns = [heard.ksn for heard in overhearing.requests]
        assert ksns == sorted(set(ksns)), "one after the other, and none comes again"


@every_dukpt_profile
def test_every_repeat_of_a_reversal_has_keys_of_its_own(name: str) -> None:
    shop = shop_of(name)
    a_sale_whose_answer_is_lost(shop, repeats=3)
    shop.settle()
    reversals = [heard for heard in shop.bank.heard if heard.step is Step.REVERSAL]
    assert [heard.attempt for heard in reversals] == [0, 1, 1, 1]
    assert len({heard.ksn for heard in reversals}) == 4
    assert len({(heard.stan, heard.original) for heard in reversals}) == 1
    assert_all_understood(shop)
    assert_agreed(shop)


@every_profile
def test_a_pin_block_is_of_the_banks_format_and_never_the_pin(name: str) -> None:
    shop = shop_of(name)
    done(shop, sale())
    (heard,) = shop.bank.heard
    assert heard.pin_block is not None
    assert len(heard.pin_block.reveal()) == (16 if name == "dukpt-aes" else 8)
    assert b"1234" not in heard.pin_block.reveal()


@every_profile
def test_the_third_wrong_pin_blocks_the_card(name: str) -> None:
    """Tries are counted at the bank, and what comes then is declined though its PIN be right."""
    shop = shop_of(name)
    shop.world.cardholder = customer(CHIP, wrong_pins=9)
    final = shop.serve(sale())
    wide = name == "tbank-style"
    assert outcome(final)[:2] == ("16", "117" if wide else "055")
    assert [exchange.answer and exchange.answer.response_code for exchange in shop.exchanges] == ["55"] * 3
    account = shop.ledger.account(CHIP)
    assert account is not None
    assert account.pin_tries_left == 0
    hand_over(shop, CHIP)
    final = shop.serve(sale())
    assert outcome(final)[:2] == ("16", "106" if wide else "075")
    assert approved(shop) == []
    shop.settle()
    assert_agreed(shop)


def _a_sale_and_its_void(shop: Shop) -> None:
    with suppress(AssertionError):  # the power may have failed the first time
        shop.ask(sale(800))
        shop.rest(60_000)
        shop.world.cardholder = customer(CHIP)
        shop.ask(reversal(800))
        shop.rest(60_000)


@every_dukpt_profile
def test_the_power_fails_before_every_single_effect_and_no_ksn_is_used_twice(name: str) -> None:
    cut, before = 0, shop_of(name)
    done(before, sale(10))
    before.settle()
    for cut in range(1000):
        shop = once_more(before)
        shop.world.cardholder = customer(CHIP)
        overhearing = Overhearing(shop)
        was_cut = shop.run_with_cut(lambda shop=shop: _a_sale_and_its_void(shop), cut)  # type: ignore[misc]
        shop.settle()
        hand_over(shop, CHIP)
        done(shop, sale(20))
        shop.settle()
        assert_agreed(shop)
        assert_all_understood(shop)
        overhearing.assert_no_ksn_twice()
        assert before.bank.heard[0].ksn not in {heard.ksn for heard in overhearing.requests}
        if not was_cut:
            break
    assert 10 < cut < 1000


@every_dukpt_profile
def test_a_ksn_is_on_disk_before_it_leaves(name: str) -> None:
    shop = shop_of(name)
    call = shop.world._call

    def called(effect: CallHost) -> None:
        assert shop.world.saved is not None
        saved = parse_memory(shop.world.saved, origin="memory")
        message = shop.dialect.wire.open_request(effect.payload[2:])[0]
        ksn = shop.dialect.decode_request(message, shop._epoch.date()).ksn
        assert saved.keys.ksn == ksn.hex().upper()
        call(effect)

    shop.world._call = called  # type: ignore[method-assign]
    done(shop, request({25: 26}))
    done(shop, sale())
    done(shop, settlement())
    assert len(shop.sent) == 3


# --- a key change that goes well ---------------------------------------------------------------------------


def kcvs(shop: Shop) -> list[str]:
    return [key.kcv for key in shop.memory.keys.session]


def newest(shop: Shop) -> tuple[SessionKey, ...]:
    return tuple(shop.ledger.offers(shop.profile.terminal_id)[0])


@every_session_profile
@pytest.mark.parametrize("make", [Shop, TunnelShop])
@pytest.mark.parametrize("code", [66, 76])
def test_new_keys_are_used_from_then_on(name: str, make: type[Shop], code: int) -> None:
    shop = shop_of(name, make)
    done(shop, sale(100))
    final = done(shop, key_change(code))
    assert (text(final, 25), text(final, 39), text(final, 90)) == (str(code), "1", None)
    assert shop.memory.keys.session == newest(shop)
    usages = [KeyUsage.PIN] if name == "generic-ascii" else [KeyUsage.PIN, KeyUsage.MAC]
    assert [key.usage for key in shop.memory.keys.session] == usages
    saved = parse_memory(shop.world.saved or "", origin="memory")
    assert saved.keys == shop.memory.keys, "on disk before the register is told"
    hand_over(shop, CHIP)
    done(shop, sale(200))
    one, two = [heard.pin_block for heard in shop.bank.heard if heard.pin_block is not None]
    assert one != two, "the same PIN of the same card, under another key"
    assert shop.ledger.offers(shop.profile.terminal_id) == (newest(shop),), "those before are forgotten"
    shop.settle()
    assert_all_understood(shop)
    assert_agreed(shop)


def with_keys(shop: Shop, keys: KeysHeld) -> Shop:
    """The pinpad has other keys than the bank thinks."""
    memory = replace(shop.memory, keys=keys)
    shop.world._disk[:] = [dump_memory(memory)]
    shop.power_cycle()
    assert shop.memory.keys == keys
    return shop


def with_the_first_keys_again(name: str) -> Shop:
    """The bank has seen new keys in use; the pinpad has lost its memory of them."""
    shop = shop_of(name)
    done(shop, key_change())
    done(shop, sale(100))
    shop.settle()
    with_keys(shop, NOTHING_HELD)
    shop.rest(1000)
    hand_over(shop, CHIP)
    return shop


def test_a_pin_under_the_old_key_is_refused_once_the_new_one_was_used() -> None:
    shop = with_the_first_keys_again("generic-ascii")
    money = approved(shop)
    assert outcome(shop.serve(sale(200)))[:3] == ("16", "081", "ОТКЛОНЕНО")
    assert approved(shop) == money
    done(shop, key_change())
    hand_over(shop, CHIP)
    done(shop, sale(300))
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize("name", [name for name in SESSION if name in SEALED])
def test_a_key_change_heals_a_pinpad_whose_macs_the_bank_refuses(name: str) -> None:
    """It does not believe the refusals either; what it owes by then waits for the new keys."""
    shop = with_the_first_keys_again(name)
    money = approved(shop)
    assert text(shop.serve(sale(200)), 39) == "53"
    assert [exchange.answer and exchange.answer.response_code for exchange in shop.exchanges[-2:]] == [
        "A0"
    ] * 2
    shop.rest(120_000)
    assert shop.memory.pending is not None
    assert text(shop.serve(sale(200)), 39) == "34", "still owed"
    assert approved(shop) == money
    done(shop, key_change())
    shop.settle()
    assert shop.memory.pending is None
    hand_over(shop, CHIP)
    done(shop, sale(300))
    shop.settle()
    assert [row.amount for row in approved(shop)] == [100, 300]
    assert_agreed(shop)


@every_session_profile
def test_what_is_owed_does_not_hinder_a_key_change(name: str) -> None:
    """The bank can be reached again only when the register asks."""
    shop = shop_of(name)
    first = shop.world.bank_messages
    shop.world.delivery = lambda number: Delivery.FINE if number > first + 2 else Delivery.LOST_BACK
    assert text(shop.serve(sale(200)), 39) == "53"
    assert shop.memory.pending is not None
    final = shop.serve(key_change())
    assert text(final, 39) == "1"
    assert shop.memory.keys.session == newest(shop)
    shop.settle()
    assert approved(shop) == []
    assert_all_understood(shop)
    assert_agreed(shop)


@every_session_profile
def test_twice_in_a_row(name: str) -> None:
    shop, seen = shop_of(name), list[list[str]]()
    for _ in range(2):
        done(shop, key_change())
        seen.append(kcvs(shop))
    assert seen[0] != seen[1]
    done(shop, sale())
    assert shop.ledger.offers(shop.profile.terminal_id) == (newest(shop),)
    assert kcvs(shop) == [key.kcv for key in newest(shop)] == seen[1]
    shop.power_cycle()
    shop.rest(1000)
    assert kcvs(shop) == seen[1]
    hand_over(shop, CHIP)
    done(shop, sale())
    assert_all_understood(shop)


@every_session_profile
def test_a_key_change_leaves_no_slip_and_is_no_operation_that_can_be_reversed(name: str) -> None:
    shop = shop_of(name)
    done(shop, sale(500))
    shop.settle()
    done(shop, key_change())
    assert shop.memory.journal.totals().net == -500 or shop.kept_count == 1
    assert text(shop.serve(reversal(500)), 39) == "1", "the last operation with money is the sale"
    shop.settle()
    assert_all_understood(shop)
    assert_agreed(shop)


# --- a key change that does not ----------------------------------------------------------------------------


def spoiled(shop: Shop, spoil: Callable[[tuple[SessionKey, ...]], tuple[SessionKey, ...]]) -> None:
    """The bank sends other keys than it has written down, until further notice."""

    def says(asked: AuthorizationRequest) -> AuthorizationAnswer | None:
        if asked.transaction is not Transaction.KEY_CHANGE:
            return None
        said = shop.bank.bank.handle(asked, asked.sent_at)
        return replace(said, keys=spoil(said.keys))

    shop.bank.says = says


def wrong_kcv(keys: tuple[SessionKey, ...]) -> tuple[SessionKey, ...]:
    return (*keys[:-1], replace(keys[-1], kcv="000000"))


def wrong_first_kcv(keys: tuple[SessionKey, ...]) -> tuple[SessionKey, ...]:
    return (replace(keys[0], kcv="FFFFFF"), *keys[1:])


def other_cryptogram(keys: tuple[SessionKey, ...]) -> tuple[SessionKey, ...]:
    return (replace(keys[0], cryptogram="11" * 16), *keys[1:])


def other_length(keys: tuple[SessionKey, ...]) -> tuple[SessionKey, ...]:
    """Right in all but this: a retail MAC has keys of 16 bytes, a PIN none of 8."""
    return (*keys[:-1], key_of_length(keys[-1].usage, 8 if keys[-1].usage is KeyUsage.PIN else 24))


def key_of_length(usage: KeyUsage, size: int) -> SessionKey:
    value = SecretBytes(bytes(range(1, size + 1)))
    key = KeySlot("new", usage, Algorithm.TDES, value, check_value(Algorithm.TDES, value))
    return SessionKey(usage, seal_key(key, KEYS.get("terminal-master"), bytes).blob, key.kcv)


def short_cryptogram(keys: tuple[SessionKey, ...]) -> tuple[SessionKey, ...]:
    return (replace(keys[0], cryptogram="AB"), *keys[1:])


def long_cryptogram(keys: tuple[SessionKey, ...]) -> tuple[SessionKey, ...]:
    return (replace(keys[0], cryptogram="AB" * 100), *keys[1:])


def no_keys(keys: tuple[SessionKey, ...]) -> tuple[SessionKey, ...]:
    return ()


SPOILS = [
    wrong_kcv,
    wrong_first_kcv,
    other_cryptogram,
    other_length,
    short_cryptogram,
    long_cryptogram,
    no_keys,
]


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("before", [False, True], ids=["first", "second"])
@every_session_profile
def test_a_key_that_is_wrong_leaves_the_old_ones(
    name: str, before: bool, spoil: Callable[[tuple[SessionKey, ...]], tuple[SessionKey, ...]]
) -> None:
    """The register is told, all keys stay as they were, also those that would have been right."""
    shop = shop_of(name)
    if before:
        done(shop, key_change())
    held = shop.memory.keys
    spoiled(shop, spoil)
    assert outcome(shop.serve(key_change())) == REFUSED
    assert shop.memory.keys == held
    done(shop, sale())
    shop.bank.says = lambda _: None
    done(shop, key_change())
    assert shop.memory.keys.session == newest(shop)
    hand_over(shop, CHIP)
    done(shop, sale())
    shop.settle()
    assert_all_understood(shop)
    assert_agreed(shop)


@every_dukpt_profile
def test_a_scheme_without_session_keys_declines_with_its_code(name: str) -> None:
    shop = shop_of(name)
    final = shop.serve(key_change())
    assert outcome(final)[:3] == ("16", "012", "ОТКЛОНЕНО")
    assert shop.exchanges[-1].because == "this scheme has no session keys"
    assert shop.memory.keys.session == ()
    done(shop, sale())


FAILURES = [delivery for delivery in Delivery if delivery is not Delivery.FINE]


@pytest.mark.parametrize("make", [Shop, TunnelShop])
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("delivery", FAILURES, ids=lambda delivery: delivery.name)
@every_session_profile
def test_the_answer_is_lost(name: str, delivery: Delivery, times: int, make: type[Shop]) -> None:
    """The register is told so, nothing is owed, and the next sale is made with the keys of before."""
    shop = shop_of(name, make)
    done(shop, key_change())
    held = shop.memory.keys
    shop.world.delivery = lambda _: delivery
    for _ in range(times):
        not_asked = delivery in (Delivery.UNREACHABLE, Delivery.HANGS)
        assert text(shop.serve(key_change()), 39) == ("34" if not_asked else "53")
    shop.world.delivery = lambda _: Delivery.FINE
    assert (shop.memory.keys, shop.memory.pending) == (held, None)
    done(shop, sale())
    shop.rest(60_000)
    hand_over(shop, CHIP)
    done(shop, sale())
    done(shop, key_change())
    hand_over(shop, CHIP)
    done(shop, sale())
    shop.settle()
    assert_all_understood(shop)
    assert_agreed(shop)


@pytest.mark.parametrize("make", [Shop, TunnelShop])
@every_session_profile
def test_the_power_fails_before_every_single_effect_of_a_key_change(name: str, make: type[Shop]) -> None:
    cut, taken = 0, set()
    for cut in range(1000):
        shop = shop_of(name, make)

        def change(shop: Shop = shop) -> None:
            shop.ask(key_change())
            shop.rest(60_000)

        was_cut = shop.run_with_cut(change, cut)
        shop.rest(1000)
        taken.add(shop.memory.keys.session != ())
        if shop.memory.keys.session:
            assert shop.memory.keys.session == newest(shop)
        hand_over(shop, CHIP)
        done(shop, sale(100))
        done(shop, key_change())
        hand_over(shop, CHIP)
        done(shop, sale(200))
        shop.settle()
        assert_all_understood(shop)
        assert_agreed(shop)
        if not was_cut:
            break
    assert 5 < cut < 1000
    assert taken == {False, True}


@every_session_profile
def test_the_power_fails_in_one_key_change_after_the_other(name: str) -> None:
    """However often no answer came, the bank still knows the keys that the pinpad uses."""
    shop = shop_of(name)
    done(shop, key_change())
    done(shop, sale(1))

    def change() -> None:
        shop.ask(key_change())
        shop.rest(60_000)

    for cut in range(3, 39, 3):
        shop.run_with_cut(change, cut)
        shop.rest(1000)
    hand_over(shop, CHIP)
    done(shop, sale(100))
    shop.settle()
    assert_all_understood(shop)
    assert_agreed(shop)


@every_session_profile
def test_the_register_leaves_during_a_key_change(name: str) -> None:
    for moment in range(0, 700, 50):
        shop = shop_of(name)
        shop.ask(key_change())
        shop.rest(moment)
        shop.world.plug(None)
        shop.settle()
        hand_over(shop, CHIP)
        done(shop, sale())
        shop.settle()
        assert_all_understood(shop)
        assert_agreed(shop)


def test_a_declined_key_change_is_told_with_the_banks_code() -> None:
    shop = Shop()
    shop.bank.says = lambda asked: "05" if asked.transaction is Transaction.KEY_CHANGE else None
    assert outcome(shop.serve(key_change()))[:3] == ("16", "005", "ОТКЛОНЕНО")
    assert shop.memory.keys == NOTHING_HELD


def test_no_key_and_no_cryptogram_is_in_a_trace_or_on_the_line() -> None:
    shop = Shop(traced=True, bank_profile=PROFILES["nac-bcd"])
    till: HandTill = shop.ask(key_change())
    assert shop.until(lambda: bool(till.finals))
    shop.rest(100)
    told = repr([trace for _, trace in shop.world.traces]) + repr(till.finals)
    assert shop.memory.keys.session
    for key in shop.memory.keys.session:
        assert key.kcv in told, "the check value says which key it was"
        assert key.cryptogram not in told
        assert key.cryptogram.lower() not in told


# --- a memory that is of other keys ------------------------------------------------------------------------

FOREIGN = {
    "session keys under another master key": (
        "nac-bcd",
        KeysHeld((SessionKey(KeyUsage.MAC, "AB" * 16, "123456"),)),
    ),
    "a session key of a length that a retail MAC does not take": (
        "nac-bcd",
        KeysHeld((key_of_length(KeyUsage.MAC, 24),)),
    ),
    "a session key of single DES": ("generic-ascii", KeysHeld((key_of_length(KeyUsage.PIN, 8),))),
    "a serial number of triple DES": ("dukpt-aes", KeysHeld(ksn="FFFF9876543210E00005")),
    "a serial number of AES": ("dukpt-tdes", KeysHeld(ksn="123456789012345600000005")),
    "of another initial key": ("dukpt-tdes", KeysHeld(ksn="FFFF9876543211000005")),
    "of another initial key of AES": ("dukpt-aes", KeysHeld(ksn="123456789012345700000005")),
    "a serial number where none is used": ("generic-ascii", KeysHeld(ksn="FFFF9876543210E00005")),
}


@pytest.mark.parametrize(("name", "held"), FOREIGN.values(), ids=FOREIGN)
def test_keys_that_do_not_fit_the_slots_any_more_are_given_up(name: str, held: KeysHeld) -> None:
    """Whoever changes slots or bank profile starts from the slots: no state has to be thrown away."""
    shop = shop_of(name, memory=Memory(keys=held))
    done(shop, sale())
    shop.settle()
    assert_all_understood(shop)
    assert_agreed(shop)


def test_a_key_of_another_length_that_an_older_run_took_does_not_keep_a_debt_from_being_paid() -> None:
    shop = shop_of("nac-bcd")
    shop.world.delivery = lambda number: Delivery.LOST_BACK if number == 0 else Delivery.LOST_THERE
    assert text(shop.serve(sale()), 39) == "53"
    memory = replace(shop.memory, keys=KeysHeld((key_of_length(KeyUsage.MAC, 24),)))
    shop.world._disk[:] = [dump_memory(memory)]
    shop.power_cycle()
    shop.world.delivery = lambda _: Delivery.FINE
    shop.settle()
    assert shop.memory.pending is None
    assert shop.memory.keys == NOTHING_HELD
    assert_agreed(shop)


@pytest.mark.parametrize(
    ("name", "last"),
    [("dukpt-tdes", "FFFF9876543210FFF800"), ("dukpt-aes", "1234567890123456FFFF0000")],
)
def test_an_initial_key_that_is_used_up_is_told_and_nothing_breaks(name: str, last: str) -> None:
    shop = shop_of(name, memory=Memory(keys=KeysHeld(ksn=last)))
    for frame in (sale(), settlement(), sale()):
        final = shop.serve(frame)
        assert (text(final, 39), text(final, 19)) == ("16", "НЕТ КЛЮЧЕЙ: ЗАМЕНИТЕ ПИНПАД")
        shop.rest(1000)
        hand_over(shop, CHIP)
    assert shop.sent == []
    assert shop.memory.keys.ksn == last
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize(
    ("name", "last"),
    [("dukpt-tdes", "FFFF9876543210FFF400"), ("dukpt-aes", "1234567890123456FFFE8000")],
)
def test_the_last_key_enciphers_one_pin(name: str, last: str) -> None:
    """After a wrong one there is no key for another: the bank's answer is the last word."""
    shop = shop_of(name, memory=Memory(keys=KeysHeld(ksn=last)))
    shop.world.cardholder = customer(CHIP, wrong_pins=1)
    overheard = Overhearing(shop)
    final = shop.serve(sale())
    assert (text(final, 39), text(final, 15)) == ("16", "055")
    assert len(overheard.messages) == 1
    overheard.assert_no_ksn_twice()
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize(
    ("name", "last"),
    [("dukpt-tdes", "FFFF9876543210FFF400"), ("dukpt-aes", "1234567890123456FFFE8000")],
)
def test_the_last_keys_undo_what_was_asked_with_them(name: str, last: str) -> None:
    """What is owed is paid even by an initial key that is used up."""
    shop = shop_of(name, memory=Memory(keys=KeysHeld(ksn=last)))
    shop.world.delivery = lambda number: Delivery.LOST_BACK if number == 0 else Delivery.FINE
    final = shop.serve(sale())
    assert text(final, 39) == "53"
    shop.world.delivery = lambda _: Delivery.FINE
    shop.settle()
    assert shop.steps == [Step.FINANCIAL, Step.REVERSAL]
    assert_agreed(shop)


def test_the_kit_still_speaks_generic_ascii() -> None:
    assert Shop().bank_profile is BANK_PROFILE
