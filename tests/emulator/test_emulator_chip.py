"""Chip cards in whole operations: what they sign, what they are told, and when they say no."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from emulator_kit import (
    CARDS,
    EPOCH,
    KEYS,
    PROFILE,
    Shop,
    assert_agreed,
    changed,
    customer,
    outcome,
    request,
    reversal,
    sale,
    text,
)
from operation_kit import (
    BALANCE,
    CASH,
    HOLD,
    LINK_TEST,
    RETURN,
    SALE,
    TOP_UP,
    VOID,
    VOUCHER,
    close_the_day,
    done,
    money,
    refused_here,
    spent,
)

from smartsale_emu.payment.action_analysis import ActionCodes
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Step
from smartsale_emu.payment.ber_tlv import DataObjects
from smartsale_emu.payment.card import Card, EntryMode
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.payment.chip_issuer import make_arpc
from smartsale_emu.payment.chip_shelf import name_of
from smartsale_emu.payment.cvm import CvmList
from smartsale_emu.payment.field55 import IssuerAnswer, answer_field55, read_answer, read_field55
from smartsale_emu.payment.verification import NO_FINDINGS, Tvr
from smartsale_emu.scenario.virtual import Delivery
from smartsale_emu.security.keys import KeyUsage
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.terminal.events import CancelPressed
from smartsale_emu.terminal.memory import ReversedBy
from smartsale_emu.terminal.table import State

NOT_AGREED = ("53", "001", "ОПЕРАЦИЯ ПРЕРВАНА^TERMINATED.JPG~")
REFUSED_BY_CARD = "ОТКЛОНЕНО КАРТОЙ"
ONLINE_PIN = "000000000000000042031E031F03"
SILENT = "06011203200000"
SIGNATURE = "00000000000000001E031F03"
NO_CVM = "00000000000000001F03"
PIN_FROM_TEN_ROUBLES = "000003E8000000001F060200"


def card_with(card: str = "mir-chip", **rows: Any) -> Card:
    """Return a shipped card whose chip says something else about itself."""
    plain = CARDS[card].card
    assert plain.chip_rows is not None
    return replace(
        plain, chip_rows=replace(plain.chip_rows, profile=replace(plain.chip_rows.profile, **rows))
    )


def holder_of(card: Card, name: str = "mir-chip") -> Cardholder:
    return Cardholder(card, CARDS[name].account.pin)


def shop_with(card: str = "mir-chip", **rows: Any) -> Shop:
    return Shop(cardholder=holder_of(card_with(card, **rows), card), traced=True)


def cvm(listed: str) -> CvmList:
    return CvmList.parse(bytes.fromhex(listed))


def signed(heard: AuthorizationRequest) -> DataObjects:
    """Return field 55 of a request that reached the bank."""
    assert heard.icc is not None
    return read_field55(heard.icc.reveal())


def number(objects: DataObjects, tag: str) -> int:
    return int.from_bytes(objects.get(tag) or b"", "big")


def hexed(objects: DataObjects, tag: str) -> str:
    return (objects.get(tag) or b"").hex().upper()


def chip_said(shop: Shop) -> list[str]:
    """Return what the chip has answered, in its order."""
    said = (trace.because for _, trace in shop.world.traces if trace.kind == "decision")
    return [because.removeprefix("the chip answers ") for because in said if "the chip answers" in because]


def pins_asked(shop: Shop) -> int:
    return sum("ПИН" in screen for screen in shop.world.screens)


def bank_answers(shop: Shop, change: Callable[[AuthorizationAnswer], AuthorizationAnswer]) -> None:
    """From now on the bank decides as it does, and its answers to money are changed on their way."""

    def says(heard: AuthorizationRequest) -> AuthorizationAnswer | None:
        if heard.step is not Step.FINANCIAL:
            return None
        return change(shop.bank.bank.handle(heard, EPOCH))

    shop.bank.says = says


def authentication(answer: AuthorizationAnswer) -> bytes:
    assert answer.icc is not None
    told = read_answer(answer.icc.reveal())
    assert told.authentication is not None
    return told.authentication


def with_91(answer: AuthorizationAnswer, data: bytes | None) -> AuthorizationAnswer:
    return replace(answer, icc=SecretBytes(answer_field55(IssuerAnswer(data, code="00"))))


# --- it goes well ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("card", "cvn"), [("mir-chip", "12"), ("visa-chip", "0A")])
def test_a_sale_with_a_chip_is_signed_by_the_card_and_answered_by_its_issuer(card: str, cvn: str) -> None:
    shop = Shop(card=card, traced=True)
    final = done(shop, sale(1200))
    (heard,) = shop.bank.heard
    objects = signed(heard)
    assert {
        tag: hexed(objects, tag) for tag in ("9F02", "9A", "9C", "5F2A", "9F1A", "95", "9F34", "9F36")
    } == {
        "9F02": "000000001200",
        "9A": "261123",
        "9C": "00",
        "5F2A": "0643",
        "9F1A": "0643",
        "95": "8000048000",
        "9F34": "420300",
        "9F36": "0001",
    }
    assert (hexed(objects, "84"), hexed(objects, "9F27"), hexed(objects, "5F34")) == (
        CARDS[card].card.aid,
        "80",
        "01",
    )
    assert hexed(objects, "9F10")[4:6] == cvn
    assert hexed(objects, "9F1E") == PROFILE.terminal_id.encode().hex().upper()
    assert hexed(objects, "9F41") == f"{heard.stan:08}"
    assert chip_said(shop) == ["ARQC", "TC"]
    receipt = text(final, 90) or ""
    assert "0x95^^8000048000~" in receipt
    assert CARDS[card].card.aid in receipt
    shop.settle()
    assert_agreed(shop)


def test_what_the_chip_did_stands_in_the_trace_and_nothing_secret_does() -> None:
    shop = Shop(card="mir-chip", traced=True)
    done(shop, sale())
    traces = [trace for _, trace in shop.world.traces if "the chip answers" in trace.because]
    assert traces[0].details == {
        "atc": 1,
        "tvr": "oda not performed, online pin entered, floor limit exceeded",
        "cvm": "online PIN",
    }
    assert traces[1].details["tsi"] == (
        "cvm done, card risk done, issuer authentication done, terminal risk done"
    )
    told = repr([trace for _, trace in shop.world.traces]) + repr(shop.world.cardholder)
    card, rows = CARDS["mir-chip"].card, CARDS["mir-chip"].card.chip_rows
    assert rows is not None
    assert card.pan not in told
    assert KEYS.get(rows.issuer_key, KeyUsage.ISSUER).value.reveal().hex() not in told.lower()
    assert hexed(signed(shop.bank.heard[0]), "9F26") not in told.upper()


def test_every_payment_has_an_unpredictable_number_of_its_own() -> None:
    shop = Shop(card="mir-chip")
    for _ in range(3):
        done(shop, sale())
    assert len({hexed(signed(heard), "9F37") for heard in shop.bank.heard}) == 3


@pytest.mark.parametrize(
    ("code", "kind"), [(SALE, "00"), (CASH, "01"), (HOLD, "00"), (TOP_UP, "21"), (VOUCHER, "20")]
)
def test_field_55_tells_what_is_asked_of_the_account(code: int, kind: str) -> None:
    shop = Shop(card="mir-chip")
    done(shop, money(code))
    assert hexed(signed(shop.bank.heard[0]), "9C") == kind
    shop.settle()
    assert_agreed(shop)


def test_a_balance_is_signed_too_and_tells_no_amount() -> None:
    shop = Shop(card="mir-chip", traced=True)
    done(shop, request({4: "643", 25: BALANCE}))
    objects = signed(shop.bank.heard[0])
    assert (hexed(objects, "9C"), number(objects, "9F02")) == ("31", 0)
    assert chip_said(shop) == ["ARQC", "TC"]


def test_what_follows_an_operation_only_takes_the_number_of_the_card() -> None:
    shop = Shop(card="mir-chip")
    sold, held = done(shop, money(SALE)), done(shop, money(HOLD))
    done(shop, money(VOID, 100, sold))
    done(shop, money(HOLD, 100, held))
    close_the_day(shop)
    done(shop, money(RETURN, 100, sold))
    kept = [heard.icc is not None for heard in shop.bank.heard if heard.step is Step.FINANCIAL]
    assert kept == [True, True, False, False, False]
    shop.settle()
    assert_agreed(shop)


def undoings(shop: Shop) -> list[DataObjects]:
    """Return field 55 of every reversal that reached the bank, or tried to."""
    return [signed(heard) for heard in shop.bank.heard if heard.step is Step.REVERSAL]


def test_a_reversal_tells_the_last_cryptogram_and_nothing_of_the_card() -> None:
    shop = Shop(card="mir-chip")
    done(shop, sale())
    asked = signed(shop.bank.heard[0])
    done(shop, reversal())
    (undone,) = undoings(shop)
    assert undone.tags() == ("95", "9F10", "9F1E", "9F26", "9F36")
    assert [undone.get(tag) for tag in ("9F1E", "9F36")] == [asked.get(tag) for tag in ("9F1E", "9F36")]
    assert undone.get("9F26") != asked.get("9F26")  # that of the TC
    shop.settle()
    assert_agreed(shop)


def test_a_chip_is_told_that_the_bank_is_silent_and_refuses() -> None:
    shop = Shop(card="mir-chip", traced=True)
    shop.world.delivery = lambda number: Delivery.FINE if number > 2 else Delivery.LOST_BACK
    assert text(shop.serve(sale()), 39) == "53"
    shop.settle()
    asked, undone = signed(shop.bank.heard[0]), undoings(shop)
    assert chip_said(shop) == ["ARQC", "AAC"]
    assert len({one.get("9F26") for one in undone}) == 1
    assert undone[0].get("9F26") != asked.get("9F26")
    assert {hexed(one, "9F10") for one in undone} == {SILENT}
    assert_agreed(shop)


def test_a_chip_is_told_that_the_bank_was_not_reached() -> None:
    shop = Shop(card="mir-chip", traced=True)
    shop.world.delivery = lambda _number: Delivery.UNREACHABLE
    assert text(shop.serve(sale()), 39) == "34"
    assert chip_said(shop) == ["ARQC", "AAC"]


def test_a_reversal_after_a_power_cut_tells_the_first_cryptogram() -> None:
    shop = Shop(card="mir-chip")
    shop.world.delivery = lambda _number: Delivery.LOST_BACK
    shop.ask(sale())
    shop.reach(State.BANK_ANSWER)
    shop.power_cycle()
    shop.settle()
    asked, undone = signed(shop.bank.heard[0]), undoings(shop)
    assert {one.get("9F26") for one in undone} == {asked.get("9F26")}
    assert_agreed(shop)


def test_a_reversal_of_a_stripe_has_no_field_55() -> None:
    shop = Shop(card="mastercard-magstripe")
    done(shop, sale())
    done(shop, reversal())
    assert (shop.bank.heard[-1].step, shop.bank.heard[-1].icc) == (Step.REVERSAL, None)


def test_a_card_without_a_chip_table_is_as_it_always_was() -> None:
    plain = replace(CARDS["mir-chip"].card, chip_rows=None)
    shop = Shop(cardholder=holder_of(plain), traced=True)
    final = done(shop, sale())
    assert (shop.bank.heard[0].icc, chip_said(shop), pins_asked(shop)) == (None, [], 1)
    assert "0x95^^8000048000~" in (text(final, 90) or "")
    assert not shop.counters.get(name_of(plain))


def test_a_stripe_has_no_field_55() -> None:
    shop = Shop(card="mastercard-magstripe")
    done(shop, sale())
    assert (shop.bank.heard[0].icc, pins_asked(shop)) == (None, 0)


# --- contactless -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "asked", "tvr", "results"),
    [(300_000, 0, "8000008000", "1F0302"), (300_001, 1, "8000048000", "420300")],
)
def test_a_tapped_card_asks_for_the_pin_above_the_limit(
    amount: int, asked: int, tvr: str, results: str
) -> None:
    shop = Shop(card="mir-contactless", traced=True)
    final = done(shop, sale(amount))
    objects = signed(shop.bank.heard[0])
    assert (pins_asked(shop), hexed(objects, "95"), hexed(objects, "9F34")) == (asked, tvr, results)
    assert f"0x95^^{tvr}~" in (text(final, 90) or "")
    assert chip_said(shop) == ["ARQC"]
    assert shop.bank.heard[0].card is not None
    assert shop.bank.heard[0].card.entry_mode is EntryMode.CONTACTLESS


def test_the_limit_is_a_row_of_the_profile() -> None:
    shop = Shop(changed(rules={"no_pin_limit": 1199}), card="mir-contactless")
    done(shop, sale(1200))
    assert pins_asked(shop) == 1


def test_a_tapped_card_has_gone_and_checks_no_answer() -> None:
    shop = Shop(card="mir-contactless", traced=True)
    bank_answers(shop, lambda answer: with_91(answer, bytes(8)))
    done(shop, sale())
    assert (chip_said(shop), shop.steps) == (["ARQC"], [Step.FINANCIAL])


# --- the card refuses the bank's answer --------------------------------------------------------------------


def last_bit(answer: AuthorizationAnswer) -> AuthorizationAnswer:
    right = authentication(answer)
    return with_91(answer, right[:-1] + bytes([right[-1] ^ 1]))


def first_bit(answer: AuthorizationAnswer) -> AuthorizationAnswer:
    right = authentication(answer)
    return with_91(answer, bytes([right[0] ^ 0x80]) + right[1:])


def another_length(answer: AuthorizationAnswer) -> AuthorizationAnswer:
    return with_91(answer, bytes(16))


def unreadable(answer: AuthorizationAnswer) -> AuthorizationAnswer:
    return replace(answer, icc=SecretBytes(b"\x91\x08\x00"))


@pytest.mark.parametrize("card", ["mir-chip", "visa-chip"])
@pytest.mark.parametrize("change", [last_bit, first_bit, another_length, unreadable])
def test_an_approval_that_the_issuer_did_not_write_is_reversed(
    change: Callable[[AuthorizationAnswer], AuthorizationAnswer], card: str
) -> None:
    shop = Shop(card=card, traced=True)
    bank_answers(shop, change)
    final = shop.serve(sale())
    assert outcome(final)[:3] == NOT_AGREED
    assert text(final, 14) == shop.operations[0].rrn
    assert (text(final, 0), shop.steps) == ("1200", [Step.FINANCIAL, Step.REVERSAL])
    assert shop.bank.heard[1].stan == shop.bank.heard[0].stan
    assert chip_said(shop) == ["ARQC", "AAC"]
    assert "0x95^^8000048040~" in (text(final, 90) or ""), "the TVR tells of the issuer's failure"
    assert spent(shop, card) == 0
    shop.settle()
    assert_agreed(shop)
    assert shop.memory.last is not None
    assert shop.memory.last.reversed_by is ReversedBy.PINPAD


def test_why_it_is_reversed_is_told() -> None:
    shop = Shop(card="mir-chip", traced=True)
    bank_answers(shop, last_bit)
    shop.serve(sale())
    told = {trace.because for _, trace in shop.world.traces}
    assert "the card refused the approval: its issuer did not write it" in told


def test_an_approval_in_which_the_issuer_refuses_the_card_is_reversed() -> None:
    """The issuer's own word is right and says no; the bank's code says yes."""
    shop = Shop(card="mir-chip", traced=True)
    key, card = KEYS.get("issuer-mir", KeyUsage.ISSUER).value, CARDS["mir-chip"].card

    def refused(answer: AuthorizationAnswer) -> AuthorizationAnswer:
        asked = signed(shop.bank.heard[0])
        return with_91(answer, make_arpc(key, asked, pan=card.pan, sequence="01", response_code="05"))

    bank_answers(shop, refused)
    final = shop.serve(sale())
    assert outcome(final)[:3] == NOT_AGREED
    assert "0x95^^8000048000~" in (text(final, 90) or ""), "its issuer has not failed"
    shop.settle()
    assert_agreed(shop)


def without_icc(answer: AuthorizationAnswer) -> AuthorizationAnswer:
    return replace(answer, icc=None)


def without_91(answer: AuthorizationAnswer) -> AuthorizationAnswer:
    return with_91(answer, None)


@pytest.mark.parametrize("change", [without_icc, without_91])
@pytest.mark.parametrize("demands", [False, True])
def test_whether_a_silent_issuer_will_do_is_the_cards_own_row(
    demands: bool, change: Callable[[AuthorizationAnswer], AuthorizationAnswer]
) -> None:
    shop = shop_with(demands_issuer=demands)
    bank_answers(shop, change)
    final = shop.serve(sale())
    assert text(final, 39) == ("53" if demands else "1")
    assert chip_said(shop) == ["ARQC", "AAC" if demands else "TC"]
    shop.settle()
    assert_agreed(shop)
    assert spent(shop, "mir-chip") == (0 if demands else 1200)


def test_a_balance_whose_answer_the_card_refuses_is_not_told_and_nothing_is_reversed() -> None:
    shop = Shop(card="mir-chip")
    bank_answers(shop, last_bit)
    final = shop.serve(request({4: "643", 25: BALANCE}))
    assert text(final, 39) == "53"
    assert shop.steps == [Step.FINANCIAL]
    assert CARDS["mir-chip"].account.balance != int(text(final, 0) or 0)
    shop.settle()
    assert_agreed(shop)


def test_a_refusal_by_the_bank_is_an_aac_and_nothing_is_reversed() -> None:
    shop = Shop(card="mir-poor", traced=True)
    final = shop.serve(sale(100_000))
    assert (text(final, 39), chip_said(shop), shop.steps) == ("16", ["ARQC", "AAC"], [Step.FINANCIAL])


def test_a_wrong_answer_to_a_refusal_changes_nothing() -> None:
    shop = Shop(card="mir-poor")
    bank_answers(shop, last_bit)
    final = shop.serve(sale(100_000))
    assert (text(final, 39), shop.steps) == ("16", [Step.FINANCIAL])
    assert "0x95^^8000048040~" in (text(final, 90) or "")


def test_an_approval_of_a_part_is_a_refusal_to_the_card() -> None:
    shop = Shop(card="mir-chip", traced=True)
    shop.bank.says = lambda heard: "10" if heard.step is Step.FINANCIAL else None
    final = shop.serve(sale())
    assert (text(final, 39), chip_said(shop)) == ("53", ["ARQC", "AAC"])


def test_who_cancelled_is_the_reason_even_when_the_card_refuses_too() -> None:
    shop = Shop(card="mir-chip", traced=True)
    bank_answers(shop, last_bit)
    till = shop.ask(sale())
    shop.reach(State.BANK_ANSWER)
    shop.world.tell(CancelPressed())
    assert shop.until(lambda: bool(till.finals))
    assert outcome(till.final)[:3] == NOT_AGREED
    assert "approved, but the customer had cancelled" in {trace.because for _, trace in shop.world.traces}
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize("leaves", [False, True], ids=["cancelled", "register left"])
def test_a_chip_refuses_what_nobody_wants_any_more(leaves: bool) -> None:
    shop = Shop(card="mir-chip", traced=True)
    shop.ask(sale())
    shop.reach(State.BANK_ANSWER)
    if leaves:
        shop.world.plug(None)
    else:
        shop.world.tell(CancelPressed())
    shop.settle()
    assert chip_said(shop) == ["ARQC", "AAC"]
    assert {hexed(one, "9F10") for one in undoings(shop)} == {SILENT}
    assert_agreed(shop)


def test_a_link_test_after_a_chip_payment_tells_the_chip_nothing() -> None:
    shop = Shop(card="mir-chip", traced=True)
    done(shop, sale())
    done(shop, request({25: LINK_TEST, 27: ""}))
    assert chip_said(shop) == ["ARQC", "TC"]


def test_a_card_of_another_issuers_key_is_declined_by_the_bank() -> None:
    plain = CARDS["mir-chip"].card
    assert plain.chip_rows is not None
    shop = Shop(
        cardholder=holder_of(replace(plain, chip_rows=replace(plain.chip_rows, issuer_key="issuer-visa")))
    )
    final = shop.serve(sale())
    assert text(final, 39) == "16"
    assert spent(shop, "mir-chip") == 0


# --- the PIN -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "code", "amount", "asked", "results"),
    [
        (ONLINE_PIN, SALE, 1200, 1, "420300"),
        (SIGNATURE, SALE, 1200, 0, "1E0300"),
        (NO_CVM, SALE, 1200, 0, "1F0302"),
        (PIN_FROM_TEN_ROUBLES, SALE, 999, 0, "1F0602"),
        (PIN_FROM_TEN_ROUBLES, SALE, 1000, 1, "020000"),
        (SIGNATURE, CASH, 1200, 1, "020000"),  # always, says the profile
        (ONLINE_PIN, VOUCHER, 1200, 0, "3F0000"),  # never, says the profile
    ],
)
def test_the_list_of_the_card_decides_about_the_pin_unless_the_profile_does(
    listed: str, code: int, amount: int, asked: int, results: str
) -> None:
    shop = shop_with(cvm_list=cvm(listed))
    if not asked:
        shop.bank.says = lambda _heard: "00"  # to the bank this card always has a PIN
    final = done(shop, money(code, amount))
    objects = signed(shop.bank.heard[0])
    pin_bit = Tvr.parse(objects.get("95") or b"") & Tvr.ONLINE_PIN_ENTERED
    assert (pins_asked(shop), hexed(objects, "9F34")) == (asked, results)
    assert (bool(pin_bit), shop.bank.heard[0].pin_block is not None) == (bool(asked), bool(asked))
    assert f"0x95^^{'8000048000' if asked else '8000008000'}~" in (text(final, 90) or "")


def test_a_card_that_knows_no_cardholder_verification_is_asked_for_none() -> None:
    shop = shop_with(aip=bytes.fromhex("2900"))
    shop.bank.says = lambda _heard: "00"
    done(shop, sale())
    assert (pins_asked(shop), hexed(signed(shop.bank.heard[0]), "9F34")) == (0, "3F0000")


def test_after_a_wrong_pin_the_card_signs_anew() -> None:
    shop = Shop(cardholder=customer("mir-chip", wrong_pins=2), traced=True)
    done(shop, sale())
    assert [number(signed(heard), "9F36") for heard in shop.bank.heard] == [1, 2, 3]
    assert chip_said(shop) == ["ARQC", "AAC", "ARQC", "AAC", "ARQC", "TC"]
    assert shop.counters.get(name_of(CARDS["mir-chip"].card)) == 3
    shop.world.cardholder = customer("mir-chip")
    done(shop, sale())
    assert number(signed(shop.bank.heard[-1]), "9F36") == 4
    shop.settle()
    assert_agreed(shop)


def test_a_tapped_card_signs_anew_after_a_wrong_pin_as_well() -> None:
    shop = Shop(cardholder=customer("mir-contactless", wrong_pins=1))
    done(shop, sale(300_001))
    assert [number(signed(heard), "9F36") for heard in shop.bank.heard] == [1, 2]


# --- refused without the bank ------------------------------------------------------------------------------


def test_a_card_that_may_not_be_used_so_refuses_without_the_bank() -> None:
    """Application usage control: goods and services, but no cash."""
    shop = shop_with(usage_control=0x2B00)
    refused_here(shop, money(CASH), REFUSED_BY_CARD)
    assert pins_asked(shop) == 0
    because = {trace.because for _, trace in shop.world.traces}
    assert any("AAC" in reason and "service not allowed" in reason for reason in because)
    done(shop, sale())


def test_a_card_of_another_country_looks_at_its_use_abroad() -> None:
    refused_here(shop_with(country="840", usage_control=0xA900), sale(), REFUSED_BY_CARD)
    done(shop_with(country="840", usage_control=0x5500), sale())


def test_an_expired_card_asks_the_bank_unless_its_issuer_says_otherwise() -> None:
    shop = shop_with("mir-expired")
    assert text(shop.serve(sale()), 39) == "16"
    assert Tvr.parse(signed(shop.bank.heard[0]).get("95") or b"") & Tvr.EXPIRED
    strict = shop_with("mir-expired", action_codes=ActionCodes(denial=Tvr.EXPIRED))
    refused_here(strict, sale(), REFUSED_BY_CARD)


def test_a_card_that_would_approve_by_itself_is_not_asked_to() -> None:
    """This terminal always asks the bank."""
    lenient = ActionCodes(NO_FINDINGS, NO_FINDINGS)
    shop = shop_with(online_only=False, action_codes=lenient)
    done(shop, sale())
    assert chip_said(shop) == ["ARQC", "TC"]


# --- the counter -------------------------------------------------------------------------------------------


def test_the_counter_rises_with_every_payment_and_every_card_has_its_own() -> None:
    shop = Shop(card="mir-chip")
    for card in ("mir-chip", "visa-chip", "mir-chip", "mir-contactless", "mir-chip"):
        shop.world.cardholder = customer(card)
        done(shop, sale())
    assert [number(signed(heard), "9F36") for heard in shop.bank.heard] == [1, 1, 2, 1, 3]


def test_the_counter_rises_over_power_cuts_before_every_effect() -> None:
    shop = Shop(cardholder=customer("mir-chip", wrong_pins=1))
    cut = 0
    while shop.run_with_cut(lambda: shop.serve(sale()), cut):
        cut += 1
        shop.settle()
        assert_agreed(shop)
    assert cut > 20
    atcs = [number(signed(heard), "9F36") for heard in shop.bank.heard if heard.step is Step.FINANCIAL]
    assert len(atcs) >= 10
    assert atcs == sorted(set(atcs))


def test_a_payment_goes_on_in_the_next_day_with_the_date_of_its_message() -> None:
    shop = Shop(card="mir-chip", epoch=datetime(2026, 11, 23, 23, 59, 58))
    done(shop, sale())
    (heard,) = shop.bank.heard
    assert hexed(signed(heard), "9A") == f"{heard.sent_at:%y%m%d}"


# --- the chip does not answer ------------------------------------------------------------------------------


def test_the_stripe_is_read_when_the_chip_does_not_answer() -> None:
    shop = Shop(card="mir-broken-chip", traced=True)
    final = done(shop, sale())
    (heard,) = shop.bank.heard
    assert heard.card is not None
    assert (heard.card.entry_mode, heard.card.sequence, heard.icc) == (EntryMode.FALLBACK, "", None)
    assert heard.card.track2 is not None
    assert any("ЧИП НЕ ЧИТАЕТСЯ" in screen for screen in shop.world.screens)
    assert pins_asked(shop) == 1
    assert "0x95" not in (text(final, 90) or "")
    assert "МАГНИТНАЯ ПОЛОСА" in (text(final, 90) or "")
    assert "801" in shop.sent[0].decode("latin-1"), "DE22"
    shop.settle()
    assert_agreed(shop)


def test_another_card_is_taken_by_its_stripe_after_a_chip_failed() -> None:
    """The customer swipes: the service code demands a chip, and it has been tried."""
    shop = Shop(card="mir-broken-chip")
    shop.ask(sale())
    assert shop.until(lambda: "ЧИП" in shop.world.screen)
    card = replace(CARDS["mir-chip"].card, entry_mode=EntryMode.MAGSTRIPE, chip_rows=None)
    shop.world.cardholder = holder_of(card)
    assert shop.until(lambda: bool(shop.bank.heard))
    heard = shop.bank.heard[0].card
    assert heard is not None
    assert heard.entry_mode is EntryMode.FALLBACK


def test_whether_a_failed_chip_may_be_passed_over_is_a_row_of_the_profile() -> None:
    shop = Shop(changed(rules={"fallback": False}), card="mir-broken-chip")
    refused_here(shop, sale(), REFUSED_BY_CARD)


def test_a_chip_that_failed_is_forgotten_with_its_operation() -> None:
    shop = Shop(card="mir-broken-chip")
    done(shop, sale())
    swiped = replace(CARDS["mir-chip"].card, entry_mode=EntryMode.MAGSTRIPE, chip_rows=None)
    shop.world.cardholder = holder_of(swiped)
    till = shop.ask(sale())
    assert shop.until(lambda: "ЧИПОМ" in shop.world.screen)
    assert not till.finals
    assert shop.steps == [Step.FINANCIAL]
