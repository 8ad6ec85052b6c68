"""Card and issuer over the whole way: what is changed between them is found, and nothing is lost by it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from emulator_kit import (
    CARDS,
    KEYS,
    Delivery,
    Shop,
    assert_agreed,
    bank_profile,
    customer,
    hand_over,
    outcome,
    text,
)
from operation_kit import (
    BALANCE,
    CASH,
    HOLD,
    SALE,
    TOP_UP,
    VOUCHER,
    close_the_day,
    done,
    money,
    refund,
    spent,
    void,
)

from smartsale_emu.host.bank import Bank
from smartsale_emu.host.chip_rows import Scrutiny
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Step
from smartsale_emu.payment.ber_tlv import DataObjects
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.payment.cvm import CvmList
from smartsale_emu.payment.field55 import read_answer
from smartsale_emu.security.key_slot import KeySlot
from smartsale_emu.security.keys import KeyRing
from smartsale_emu.security.masking import SecretBytes

CHIP, TAPPED = "mir-chip", "mir-contactless"
PROFILES = ["generic-ascii", "nac-bcd", "tbank-style", "dukpt-tdes", "dukpt-aes"]
SEEN = [(name, card) for name in PROFILES for card in (CHIP, "visa-chip", TAPPED)]


def changed(icc: SecretBytes | None, tag: str, value: str) -> SecretBytes:
    """Field 55 with another value of one tag."""
    assert icc is not None
    objects = DataObjects.parse(icc.reveal())
    assert tag in objects.tags()
    pairs = ((one.tag, bytes.fromhex(value) if one.tag == tag else one.value) for one in objects)
    return SecretBytes(DataObjects.of(pairs).encode())


def forge(shop: Shop, change: Callable[[AuthorizationRequest], AuthorizationRequest]) -> None:
    """Somebody changes what is asked of an account on its way to the bank."""
    inner = shop.bank.bank

    def says(request: AuthorizationRequest) -> AuthorizationAnswer | None:
        if request.step is not Step.FINANCIAL:
            return None
        return inner.handle(change(request), request.sent_at)

    shop.bank.says = says


def asked(shop: Shop) -> list[AuthorizationRequest]:
    return [one for one in shop.bank.heard if one.step is Step.FINANCIAL]


def counters(shop: Shop) -> list[int]:
    """The counter (9F36) of every cryptogram that reached the bank."""
    found = (DataObjects.parse(one.icc.reveal()).get("9F36") for one in asked(shop) if one.icc is not None)
    return [int.from_bytes(value or b"", "big") for value in found]


@pytest.mark.parametrize(("name", "card"), SEEN, ids=[f"{name} {card}" for name, card in SEEN])
def test_card_and_issuer_agree_under_every_profile(name: str, card: str) -> None:
    shop = Shop(bank_profile=bank_profile(name), card=card)
    done(shop, money(SALE, 500_000))
    (exchange,) = (one for one in shop.exchanges if one.answer and one.answer.step is Step.FINANCIAL)
    assert exchange.answer is not None
    assert exchange.answer.icc is not None
    told = read_answer(exchange.answer.icc.reveal())
    assert (told.code, told.authentication is None) == ("00", card == TAPPED)
    assert exchange.answer.because.endswith(" left"), "the cryptogram was checked"
    account = shop.ledger.account(card)
    assert account is not None
    assert (spent(shop, card), account.counter) == (500_000, 1)
    shop.settle()
    assert_agreed(shop)


FORGERIES: dict[str, Callable[[AuthorizationRequest], AuthorizationRequest]] = {
    "the amount in DE55": lambda one: replace(one, icc=changed(one.icc, "9F02", "000000000100")),
    "the currency in DE55": lambda one: replace(one, icc=changed(one.icc, "5F2A", "0840")),
    "the date in DE55": lambda one: replace(one, icc=changed(one.icc, "9A", "261124")),
    "the terminal's findings": lambda one: replace(one, icc=changed(one.icc, "95", "0000000000")),
    "the card's counter": lambda one: replace(one, icc=changed(one.icc, "9F36", "7FFF")),
    "the card's own data": lambda one: replace(one, icc=changed(one.icc, "9F10", "06011203A0B800")),
    "the cryptogram": lambda one: replace(one, icc=changed(one.icc, "9F26", "0123456789ABCDEF")),
}


@pytest.mark.parametrize("card", [CHIP, TAPPED])
@pytest.mark.parametrize("what", FORGERIES)
@pytest.mark.parametrize(("name", "code"), [("generic-ascii", "005"), ("tbank-style", "100")])
def test_changed_data_are_declined_and_the_register_sees_it(
    name: str, code: str, what: str, card: str
) -> None:
    shop = Shop(bank_profile=bank_profile(name), card=card)
    forge(shop, FORGERIES[what])
    assert outcome(shop.serve(money(SALE, 1200)))[:3] == ("16", code, "ОТКЛОНЕНО")
    assert (spent(shop, card), shop.ledger.account(card)) == (0, None), "no money, no PIN try, no counter"
    shop.bank.says = lambda _request: None
    done(shop, money(SALE, 1200))
    shop.settle()
    assert_agreed(shop)


def test_another_amount_than_the_card_has_seen_is_declined() -> None:
    shop = Shop(card=CHIP)
    forge(shop, lambda one: replace(one, amount=type(one.amount)(one.amount * 100)))
    assert outcome(shop.serve(money(SALE, 1200)))[:3] == ("16", "005", "ОТКЛОНЕНО")
    assert spent(shop, CHIP) == 0


def test_a_bank_with_another_issuer_key_declines_what_is_right() -> None:
    shop, other = Shop(card=CHIP), KEYS.get("issuer-visa")
    wrong = KeySlot("issuer-mir", other.usage, other.algorithm, other.value, other.kcv, bins=("2200",))
    ring = KeyRing([wrong if slot.name == "issuer-mir" else slot for slot in KEYS.slots()])
    shop.bank.bank = Bank(shop.bank_profile, CARDS.values(), shop.ledger, ring)
    assert outcome(shop.serve(money(SALE, 1200)))[:3] == ("16", "005", "ОТКЛОНЕНО")
    assert spent(shop, CHIP) == 0


@pytest.mark.parametrize("value", ["0000000000820000", "72E225C800820000"])
def test_an_approval_that_the_issuer_did_not_write_is_reversed(value: str) -> None:
    shop = Shop(card=CHIP)
    inner = shop.bank.bank

    def says(request: AuthorizationRequest) -> AuthorizationAnswer | None:
        if request.step is not Step.FINANCIAL:
            return None
        told = inner.handle(request, request.sent_at)
        return replace(told, icc=changed(told.icc, "91", value))

    shop.bank.says = says
    assert text(shop.serve(money(SALE, 1200)), 39) == "53"
    shop.settle()
    assert shop.steps == [Step.FINANCIAL, Step.REVERSAL]
    assert spent(shop, CHIP) == 0
    assert_agreed(shop)


@pytest.mark.parametrize("card", [CHIP, TAPPED])
def test_whatever_a_chip_asks_in_a_day_is_proved_and_counts_once(card: str) -> None:
    shop = Shop(card=card)
    bought = done(shop, money(SALE, 3000))
    done(shop, void(3000, bought))
    sold = done(shop, money(SALE, 5000))
    for code in (CASH, HOLD, TOP_UP, VOUCHER):
        done(shop, money(code, 1000))
    done(shop, money(BALANCE, 0))
    close_the_day(shop)
    done(shop, refund(2000, sold))
    without = [one.original is not None for one in asked(shop) if one.icc is None]
    assert (without, len(counters(shop))) == ([True, True], 7), "void and return name what they follow"
    assert counters(shop) == sorted(set(counters(shop)))
    for exchange in shop.exchanges:
        if exchange.request is not None and exchange.request.icc is not None:
            assert exchange.answer is not None
            assert exchange.answer.icc is not None, exchange.answer.because
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize("card", [CHIP, TAPPED])
def test_a_wrong_pin_makes_a_new_cryptogram_and_both_are_good(card: str) -> None:
    shop = Shop(card=card, cardholder=customer(card, wrong_pins=1))
    done(shop, money(SALE, 500_000))
    codes = [one.answer.response_code for one in shop.exchanges if one.answer]
    assert (codes, counters(shop)) == (["55", "00"], [1, 2])
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize("delivery", Delivery)
def test_whatever_the_line_loses_the_next_payment_is_good(delivery: Delivery) -> None:
    shop = Shop(card=CHIP)
    shop.world.delivery = lambda _number: delivery
    shop.serve(money(SALE, 1200))
    shop.settle()
    assert_agreed(shop)
    before = spent(shop, CHIP)
    done(shop, money(SALE, 700))
    assert spent(shop, CHIP) - before == 700


def test_wherever_the_power_fails_the_next_payment_is_good() -> None:
    cut = 0
    while True:
        shop = Shop(card=CHIP)
        if not shop.run_with_cut(lambda: shop.serve(money(SALE, 1200)), cut):  # noqa: B023
            break
        shop.settle()
        assert_agreed(shop)
        before = spent(shop, CHIP)
        done(shop, money(SALE, 700))
        assert spent(shop, CHIP) - before == 700
        cut += 1
    assert cut > 10


def test_a_bank_that_watches_the_counter_declines_a_card_whose_count_was_lost() -> None:
    shop = Shop(card=CHIP)
    usual = shop.bank_profile
    shop.bank = shop.bank_with(replace(usual, chip=replace(usual.chip, counter=Scrutiny.CHECK)))
    done(shop, money(SALE, 1200))
    done(shop, money(SALE, 1200))
    shop.counters.put("220012******9019-01", 0)
    assert outcome(shop.serve(money(SALE, 1200)))[:3] == ("16", "005", "ОТКЛОНЕНО")
    assert shop.exchanges[-1].answer is not None
    assert shop.exchanges[-1].answer.because.endswith("was it copied, or its count lost?")
    shop.bank = shop.bank_with(usual)
    done(shop, money(SALE, 1200))
    shop.settle()
    assert_agreed(shop)


def test_a_stripe_has_no_field_55() -> None:
    shop = Shop(card="mastercard-magstripe")
    done(shop, money(SALE, 1200))
    hand_over(shop, CHIP)
    done(shop, money(SALE, 1200))
    assert [one.icc is None for one in asked(shop)] == [True, False]


def test_a_decline_is_the_issuers_own_word() -> None:
    shop = Shop(card="mir-poor")
    assert text(shop.serve(money(SALE, 9_999_999)), 15) == "076"
    (exchange,) = shop.exchanges
    assert exchange.answer is not None
    assert exchange.answer.icc is not None
    told = read_answer(exchange.answer.icc.reveal())
    assert told.code == "51"
    assert told.authentication is not None
    assert told.authentication[4:] == bytes(4), "the card is told to refuse"


@pytest.mark.parametrize("rules", ["0100", "0000", "4100"])
def test_a_cardholder_who_could_not_be_verified_pays_nothing(rules: str) -> None:
    """The card's only way is a PIN that the terminal cannot check, or none at all; none goes to the bank."""
    known = CARDS[CHIP]
    rows = known.card.chip_rows
    assert rows is not None
    verified = replace(rows.profile, cvm_list=CvmList.parse(bytes(8) + bytes.fromhex(rules)))
    card = replace(known.card, chip_rows=replace(rows, profile=verified))
    shop = Shop(cardholder=Cardholder(card, known.account.pin))
    assert outcome(shop.serve(money(SALE, 500_000)))[:3] == ("16", "055", "ОТКЛОНЕНО")
    (request,) = asked(shop)
    assert (request.pin_block, spent(shop, CHIP)) == (None, 0)
    assert shop.exchanges[-1].because == "mir-chip: a PIN is needed and none was sent"
    shop.settle()
    assert_agreed(shop)
