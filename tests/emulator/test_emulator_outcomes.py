"""Every outcome of the table (PROTOCOL.md, section 0.2), and recorded answers byte for byte."""

from dataclasses import replace

import pytest
from emulator_kit import (
    CARDS,
    PROFILES,
    Shop,
    assert_agreed,
    changed,
    customer,
    link_test,
    outcome,
    sale,
    text,
)

from smartsale_emu.emulator.doors import Event, HostBytes
from smartsale_emu.host.ledger import OperationState
from smartsale_emu.payment.authorization import Step
from smartsale_emu.payment.cardholder import Cardholder, Prompt
from smartsale_emu.sa.receipt_data import ReceiptTag, parse_receipt
from smartsale_emu.scenario.virtual import Delivery
from smartsale_emu.security.masking import Secret
from smartsale_emu.terminal.events import (
    BankAsked,
    BankFailed,
    BankUnreachable,
    CancelPressed,
    CardPresented,
    CardPulled,
)
from smartsale_emu.terminal.profile import TerminalProfile
from smartsale_emu.terminal.table import State

INTERRUPTED = ("53", "ER3", "ОПЕРАЦИЯ ПРЕРВАНА^TERMINATED.JPG~", "0")
APPROVED_26 = "ОПЕРАЦИЯ ОДОБРЕНА^APPROVED.JPG~"

# --- approved ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_an_approved_sale(profile: TerminalProfile) -> None:
    shop = Shop(profile)
    final = shop.serve(sale())
    assert outcome(final) == ("1", profile.answer.approved_code, "ОДОБРЕНО", "111111111")
    row = shop.operations[0]
    assert (text(final, 13), text(final, 14)) == (row.authorization_code, row.rrn)
    assert [record.tag for record in final.records] == list(profile.answer.fields["money"])
    assert text(final, 10) == "************0013"
    assert text(final, 11) == "3012"
    assert (text(final, 6), text(final, 21)) == ("20261123093000", "20261123093000")


def test_the_receipt_of_an_approved_sale() -> None:
    final = Shop().serve(sale())
    records = parse_receipt(text(final, 90) or "")
    assert [record.tag for record in records] == [
        ReceiptTag.SLIP,
        ReceiptTag.CASHIER_COPY,
        ReceiptTag.CARD_TYPE,
        ReceiptTag.AID,
        ReceiptTag.TVR,
    ]
    assert (text(final, 90) or "").startswith("0xDF^^")
    for record in records[:2]:
        assert record.value.endswith("\r\n")
        assert "12.00" in record.value
        assert CARDS["mir-contactless"].card.pan not in record.value
        assert all(len(line) <= 32 for line in record.value.splitlines())


def test_without_receipts_there_is_no_field_90() -> None:
    final = Shop(changed(answer={"receipt": False})).serve(sale())
    assert text(final, 90) is None
    assert text(final, 39) == "1"


@pytest.mark.parametrize(
    ("amount", "asked"), [(300_000, False), (300_001, True)], ids=["at-the-limit", "above-the-limit"]
)
def test_the_limit_without_a_pin(amount: int, asked: bool) -> None:
    shop = Shop()
    assert text(shop.serve(sale(amount=amount)), 39) == "1"
    assert any("ПИН" in screen for screen in shop.world.screens) is asked


@pytest.mark.parametrize("card", ["mir-chip", "visa-chip", "mastercard-magstripe", "mir-contactless"])
def test_every_way_to_read_a_card(card: str) -> None:
    shop = Shop(card=card)
    assert text(shop.serve(sale()), 39) == "1"
    shop.settle()
    assert_agreed(shop)


def test_a_link_test_has_its_own_text() -> None:
    final = Shop().serve(link_test())
    assert outcome(final) == ("1", None, APPROVED_26, None)
    assert [record.tag for record in final.records] == [19, 21, 25, 27, 39]


# --- declined ----------------------------------------------------------------------------------------------

DECLINES = {
    "mir-blocked": "41",
    "mir-expired": "54",
    "mir-issuer-down": "91",
    "mir-poor": "51",
    "mir-system-error": "96",
    "mir-unknown": "14",
    "visa-do-not-honour": "05",
}


@pytest.mark.parametrize("card", DECLINES)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_declined_by_the_bank(card: str, profile: TerminalProfile) -> None:
    shop = Shop(profile, card=card)
    final = shop.serve(sale())
    code = DECLINES[card]
    newer = {"51": "076"}.get(code, f"0{code}")
    shown = code if profile is PROFILES["unipos-2018"] else newer
    assert outcome(final) == ("16", shown, "ОТКЛОНЕНО", "111111111")
    assert text(final, 13) is None
    assert text(final, 14) == shop.operations[0].rrn
    assert [record.tag for record in parse_receipt(text(final, 90) or "")] == [
        ReceiptTag.SLIP,
        ReceiptTag.CARD_TYPE,
        ReceiptTag.AID,
        ReceiptTag.TVR,
    ]
    shop.settle()
    assert_agreed(shop)
    assert shop.steps == [Step.FINANCIAL], "a decline is never reversed"


def test_over_the_limit_of_one_operation() -> None:
    final = Shop(card="mir-limited").serve(sale(amount=100_001))
    assert (text(final, 39), text(final, 15)) == ("16", "061")


def test_a_link_test_that_the_bank_declines() -> None:
    shop = Shop()
    shop.bank.says = lambda _request: "91"
    assert outcome(shop.serve(link_test())) == ("16", None, "ОПЕРАЦИЯ ОТКЛОНЕНА^DECLINED.JPG~", None)


@pytest.mark.parametrize("code", ["08", "10", "11"])
def test_an_approval_of_a_part_or_with_a_condition_is_undone(code: str) -> None:
    """Partial approval is off (0.2): money may have moved otherwise than asked, so it is given back."""
    shop = Shop()
    shop.bank.says = lambda request: code if request.step is Step.FINANCIAL else None
    assert outcome(shop.serve(sale())) == INTERRUPTED
    shop.settle()
    assert shop.steps == [Step.FINANCIAL, Step.REVERSAL]
    assert_agreed(shop)


# --- the PIN -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_wrong_pins_with_tries_left(wrong: int) -> None:
    shop = Shop(cardholder=customer("mir-chip", wrong_pins=wrong))
    assert text(shop.serve(sale()), 39) == "1"
    asked = [screen for screen in shop.world.screens if "ПИН" in screen]
    assert len(asked) == 1 + wrong
    assert [screen.rpartition(" ")[2] for screen in asked[1:]] == ["2", "1"][:wrong]
    shop.settle()
    assert_agreed(shop)
    assert [row.key.stan for row in shop.operations] == list(range(1, wrong + 2)), "a new STAN for every try"


def test_wrong_pins_until_the_tries_are_over() -> None:
    shop = Shop(cardholder=customer("mir-chip", wrong_pins=9))
    assert outcome(shop.serve(sale()))[:3] == ("16", "055", "ОТКЛОНЕНО")
    assert len(shop.operations) == 3
    assert outcome(shop.serve(sale()))[:2] == ("16", "075"), "75 ends at once"
    assert len(shop.operations) == 4
    shop.settle()
    assert_agreed(shop)


def test_a_wrong_pin_is_not_asked_again_after_the_last_try_of_the_profile() -> None:
    shop = Shop(changed(rules={"pin_tries": 1}), cardholder=customer("mir-chip", wrong_pins=1))
    assert outcome(shop.serve(sale()))[:2] == ("16", "055")


def test_a_pin_code_for_a_card_without_pin_is_a_decline() -> None:
    shop = Shop()
    shop.bank.says = lambda _request: "55"
    assert outcome(shop.serve(sale()))[:2] == ("16", "055")


# --- cancelled, and not given ------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", Prompt)
def test_the_customer_cancels_at(prompt: Prompt) -> None:
    shop = Shop(cardholder=customer("mir-chip", cancels_at=prompt))
    assert outcome(shop.serve(sale())) == INTERRUPTED
    shop.settle()
    assert_agreed(shop)
    assert shop.bank.heard == []


def test_the_customer_cancels_after_a_wrong_pin() -> None:
    shop = Shop(cardholder=customer("mir-chip", wrong_pins=1))
    till = shop.ask(sale())
    shop.reach(State.BANK_ANSWER)
    shop.reach(State.PIN_ENTRY)
    shop.world.tell(CancelPressed())
    shop.settle()
    assert_agreed(shop)
    assert outcome(till.final) == INTERRUPTED


@pytest.mark.parametrize("pin", [None, Secret("1234")], ids=["no-PIN", "no-card"])
def test_card_or_pin_not_given_in_time(pin: Secret | None) -> None:
    shop = Shop(cardholder=Cardholder(None if pin else CARDS["mir-chip"].card, pin))
    assert outcome(shop.serve(sale())) == INTERRUPTED
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize("act", [CancelPressed(), CardPulled()], ids=["cancel", "card-pulled"])
def test_the_customer_cancels_before_the_bank_was_asked(act: CancelPressed | CardPulled) -> None:
    shop = Shop()
    till = shop.ask(sale())
    shop.reach(State.BANK_CONNECT)
    shop.world.tell(act)
    shop.settle()
    assert_agreed(shop)
    assert outcome(till.final) == INTERRUPTED
    assert shop.bank.heard == [], "after the hang-up not one byte leaves"


@pytest.mark.parametrize("act", [CancelPressed(), CardPulled()], ids=["cancel", "card-pulled"])
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_approved_then_refused_here(act: CancelPressed | CardPulled, profile: TerminalProfile) -> None:
    """The bank's code, 13, 14 and 28 are told, 39 is 53, and it is undone."""
    shop = Shop(profile)
    till = shop.ask(sale())
    shop.reach(State.BANK_ANSWER)
    shop.world.tell(act)
    shop.settle()
    assert_agreed(shop)
    row = shop.operations[0]
    assert outcome(till.final) == ("53", profile.answer.approved_code, INTERRUPTED[2], "111111111")
    assert (text(till.final, 13), text(till.final, 14)) == (row.authorization_code, row.rrn)
    assert row.state is OperationState.REVERSED
    assert shop.memory.last is not None
    assert shop.memory.last.status == 53


def test_cancelled_while_the_bank_declines_is_a_decline() -> None:
    shop = Shop(card="mir-poor")
    till = shop.ask(sale())
    shop.reach(State.BANK_ANSWER)
    shop.world.tell(CancelPressed())
    shop.settle()
    assert_agreed(shop)
    assert outcome(till.final)[0] == "16"


def test_hands_that_nobody_asked_for_change_nothing() -> None:
    """A card or a PIN when none is wanted."""
    shop = Shop(card="mir-chip")
    shop.world.tell(CancelPressed())
    till = shop.ask(sale())
    assert shop.until(lambda: bool(till.finals))
    shop.world.tell(CancelPressed())
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_count == 1


def test_a_swiped_chip_card_is_asked_for_its_chip() -> None:
    swiped = replace(CARDS["mir-contactless"].card, entry_mode=CARDS["mastercard-magstripe"].card.entry_mode)
    shop = Shop(cardholder=Cardholder(swiped, Secret("1234")))
    till = shop.ask(sale())
    assert shop.until(lambda: any("ЧИПОМ" in screen for screen in shop.world.screens))
    shop.world.tell(CardPresented(CARDS["mir-contactless"].card))
    assert shop.until(lambda: bool(till.finals))
    assert text(till.final, 39) == "1"


def test_a_swiped_chip_card_that_never_shows_its_chip() -> None:
    """The time for the card runs from the first prompt."""
    swiped = replace(CARDS["mir-contactless"].card, entry_mode=CARDS["mastercard-magstripe"].card.entry_mode)
    shop = Shop(cardholder=Cardholder(swiped))
    till = shop.ask(sale())
    assert shop.until(lambda: bool(till.finals))
    assert outcome(till.final) == INTERRUPTED
    assert shop.world.now < 31_000


# --- no bank -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [sale(), link_test()], ids=["sale", "link-test"])
def test_the_bank_is_not_reached(frame: bytes) -> None:
    shop = Shop()
    shop.world.delivery = lambda _: Delivery.UNREACHABLE
    final = shop.serve(frame)
    assert outcome(final)[:3] == ("34", None, "НЕТ СВЯЗИ")
    shop.settle()
    assert_agreed(shop)
    assert shop.bank.heard == [], "nothing to reverse"


def test_a_link_test_without_an_answer_owes_nothing() -> None:
    shop = Shop()
    shop.world.delivery = lambda _: Delivery.LOST_BACK
    assert outcome(shop.serve(link_test()))[:3] == INTERRUPTED[:3]
    shop.settle()
    assert_agreed(shop)
    assert shop.steps == [Step.NETWORK]


def test_a_late_approval_changes_nothing() -> None:
    """It comes 40 s late, when the reversal is answered and the register has its 53."""
    shop = Shop()
    shop.world.delivery = lambda number: Delivery.LATE if number == 0 else Delivery.FINE
    till = shop.ask(sale())
    shop.rest(120_000)
    shop.settle()
    assert_agreed(shop)
    assert [outcome(final) for final in till.finals] == [INTERRUPTED]
    assert [row.state for row in shop.operations] == [OperationState.REVERSED]


@pytest.mark.parametrize(
    "event",
    [
        BankAsked(1),
        BankFailed(1, "late"),
        BankUnreachable(1, "late"),
        HostBytes(1, b"\x00\x010"),
        HostBytes(1, b"garbage"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_comes_of_a_call_that_was_given_up_changes_nothing(event: Event) -> None:
    shop = Shop()
    shop.world.delivery = lambda _: Delivery.LOST_BACK
    shop.ask(sale())
    shop.reach(State.UNDOING)
    before = shop.memory, shop.world.emulator.next_deadline()
    shop.world.tell(event)
    assert shop.state is State.UNDOING
    assert (shop.memory, shop.world.emulator.next_deadline()) == before


def test_an_answer_in_pieces_and_to_another_question() -> None:
    """Bytes of the bank in any slicing; an answer with another STAN is none."""
    shop = Shop()
    real = shop.world._reply

    def in_pieces(call: int, reply: bytes, delivery: Delivery) -> None:
        other = reply.replace(b"000001", b"000009")
        for piece in (other, reply[:1], reply[1:9], reply[9:]):
            real(call, piece, delivery)

    shop.world._reply = in_pieces  # type: ignore[method-assign]
    assert text(shop.serve(sale()), 39) == "1"


@pytest.mark.parametrize(
    ("asked", "approved"),
    [(b"000000001200", b"000000000600"), (b"000000001200", b"000000001201"), (b"643", b"840")],
    ids=["a-part", "more", "another-currency"],
)
def test_an_approval_of_other_money_than_asked_is_undone(asked: bytes, approved: bytes) -> None:
    """Code 00, and elements 4 or 49 that are not the request's: what was approved is not known."""
    shop = Shop()
    real = shop.world._reply

    def of_other_money(call: int, reply: bytes, delivery: Delivery) -> None:
        assert reply.count(asked) == 1
        real(call, reply.replace(asked, approved), delivery)

    shop.world._reply = of_other_money  # type: ignore[method-assign]
    assert outcome(shop.serve(sale())) == INTERRUPTED
    shop.settle()
    assert shop.steps == [Step.FINANCIAL, Step.REVERSAL]
    assert_agreed(shop)


def test_a_decline_may_speak_of_other_money() -> None:
    shop = Shop(card="mir-poor")
    real = shop.world._reply

    def of_nothing(call: int, reply: bytes, delivery: Delivery) -> None:
        assert reply.count(b"000000001200") == 1
        real(call, reply.replace(b"000000001200", b"000000000000"), delivery)

    shop.world._reply = of_nothing  # type: ignore[method-assign]
    assert outcome(shop.serve(sale()))[:2] == ("16", "076")
    shop.settle()
    assert shop.steps == [Step.FINANCIAL]
