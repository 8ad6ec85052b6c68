"""Scheme ПКХ on virtual time (Document, 1.2; PROTOCOL.md, sections 0.1 and 9.2)."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from emulator_kit import (
    DIALECT,
    Shop,
    Step,
    assert_agreed,
    changed,
    customer,
    hand_over,
    link_test,
    outcome,
    request,
    reversal,
    sale,
    text,
)
from operation_kit import (
    BALANCE,
    CARD_DATA,
    CASH,
    COMPLETION,
    HOLD,
    SALE,
    TOP_UP,
    VOUCHER,
    money,
    refund,
    settlement,
    user_command,
    void,
)
from play_kit import forget
from tunnel_kit import Ask, OurTill, TunnelShop, TunnelTill, settle_and_agree

from smartsale_emu.host.framing import PLAIN
from smartsale_emu.payment.authorization import AuthorizationRequest
from smartsale_emu.register.effects import Waited
from smartsale_emu.register.habits import FinalHabit, Habits
from smartsale_emu.register.session import Answered
from smartsale_emu.sa.framing import Block, Frame, FrameDecoder, encode_frame
from smartsale_emu.sa.tlv import Message, Record
from smartsale_emu.scenario.virtual import NO_BYTE_LEAVES, Delivery
from smartsale_emu.terminal.originals import CashierAbsent
from smartsale_emu.units import Millis

HOST_OPEN = bytes.fromhex(
    "02 21 00 19 02 00 36 33 40 01 00 31 41 02 00 31 36 46 10 00 31 39 32 2e 30 2e 32 2e 31 30"
    "3b 31 39 37 39 3b 96 22"
)
HOST_RECEIVE = bytes.fromhex("02 0e 00 19 02 00 36 33 40 01 00 31 41 02 00 31 37 8e a6")
HOST_CLOSE = bytes.fromhex(
    "02 21 00 19 02 00 36 33 40 01 00 30 41 02 00 31 36 46 10 00 31 39 32 2e 30 2e 32 2e 31 30"
    "3b 31 39 37 39 3b 63 75"
)
HOST_SEND = bytes.fromhex(
    "02 a2 00 19 02 00 36 33 40 01 00 30 41 02 00 31 37 46 91 00 50 4f 53 54 20 2f 73 65 72 76"
    "69 63 65 2d 73 65 6c 65 63 74 6f 72 2f 20 48 54 54 50 2f 31 2e 31 0d 0a 48 6f 73 74 3a 20"
    "31 39 32 2e 30 2e 32 2e 31 30 3a 31 39 37 39 0d 0a 43 6f 6e 74 65 6e 74 2d 54 79 70 65 3a"
    "20 61 70 70 6c 69 63 61 74 69 6f 6e 2f 6f 63 74 65 74 2d 73 74 72 65 61 6d 0d 0a 43 6f 6e"
    "74 65 6e 74 2d 4c 65 6e 67 74 68 3a 20 33 34 31 0d 0a 43 61 63 68 65 2d 43 6f 6e 74 72 6f"
    "6c 3a 20 6e 6f 2d 73 74 6f 72 65 0d 0a 0d 0a b4 a7"
)
"""Recorded, with an address reserved for documentation."""
LETTERS = {Ask.OPEN: "O", Ask.SEND: "S", Ask.FETCH: "F", Ask.CLOSE: "C"}
TEST_CONNECTION = link_test()


def letters(till: TunnelTill) -> str:
    """What was asked of the channel: O open, S send, F fetch, C close."""
    return "".join(LETTERS[step] for step in till.steps)


def data_of(wire: bytes) -> Message:
    (unit,) = FrameDecoder(8192).feed(wire)
    assert isinstance(unit, Frame)
    return Message.parse(unit.data)


# --- the frames ---------------------------------------------------------------------------------------------


def test_a_sale_sends_its_frames_in_the_recorded_order_and_shape() -> None:
    """Document, 1.2: the pinpad has the connection opened, sends, fetches, and then answers."""
    shop = TunnelShop(bank_delay=2500)
    shop.serve(sale())
    opened, sent, *fetched, closed, first_of_answer = shop.last.frames_heard[:7]
    assert opened == HOST_OPEN
    assert fetched == [HOST_RECEIVE] * 3
    assert closed == HOST_CLOSE
    message = data_of(sent)
    (asked,) = shop.bank.heard
    assert message.get(70) == PLAIN.frame(DIALECT.encode_request(asked))
    of_record = [
        Record(tag, data_of(HOST_SEND).get(70) or b"") if tag == 70 else Record(tag, value)
        for tag, value in message.records
    ]
    assert encode_frame(Message(tuple(of_record)).encode()) == HOST_SEND
    assert first_of_answer[0] == 1, "the answer is long: a first block"


def test_data_for_the_bank_goes_in_blocks_of_their_own_size() -> None:
    shop = TunnelShop(changed(line={"host_block_size": 100}))
    assert text(shop.serve(sale()), 39) == "1"
    blocks = [wire for wire in shop.last.frames_heard if wire[0] == 1]
    sizes = [len(wire) for wire in blocks]
    assert sizes[0] == 100
    assert max(sizes) == 512, "the answer keeps the blocks of the line"
    units = [unit for wire in blocks for unit in FrameDecoder(8192).feed(wire) if isinstance(unit, Block)]
    last = next(place for place, unit in enumerate(units) if unit.last)
    assert all(size <= 100 for size in sizes[: last + 1])
    assert last > 0


def test_what_the_registers_of_the_field_add_to_a_reply_is_borne() -> None:
    """DualConnector adds a key to its reply to an open (section 9.2)."""
    shop = TunnelShop()
    shop.habits = {"opened_with": {69: b"\x01\x00\x01", 70: bytes(range(128)), 200: b"?"}}
    assert text(shop.serve(sale()), 39) == "1"
    assert letters(shop.last) == "OSFC"
    settle_and_agree(shop)


@pytest.mark.parametrize("portion", [1, 7, 40])
def test_the_bank_answer_comes_in_any_portions(portion: int) -> None:
    shop = TunnelShop()
    shop.habits = {"portion": portion}
    assert text(shop.serve(sale()), 39) == "1"
    assert re.fullmatch("OSF{3,}C", letters(shop.last))
    settle_and_agree(shop)


# --- waits --------------------------------------------------------------------------------------------------


def test_no_wait_is_sent_while_the_register_works_for_us() -> None:
    """16 s for the open and 7 s for "nothing yet" were seen of a real register (section 9.2)."""
    shop = TunnelShop(bank_delay=20_000)
    shop.habits = {"open_delay": 16_000, "nothing_after": 7000}
    assert text(shop.serve(sale()), 39) == "1"
    till = shop.last
    assert letters(till) == "OSFFFC"
    assert len(till.waits) == 1
    assert till.waits[0] < till.asked[0][0]
    settle_and_agree(shop)


def test_waits_go_on_while_the_customer_is_asked_again() -> None:
    holder = replace(customer("mir-chip", wrong_pins=1), pin_after=Millis(12_000))
    shop = TunnelShop(cardholder=holder, bank_delay=12_000)
    assert text(shop.serve(sale()), 39) == "1"
    till = shop.last
    sends = [moment for moment, step in till.asked if step is Ask.SEND]
    opened, closed = till.asked[0][0], till.asked[-1][0]
    answered = next(moment for moment, what in till.heard if sends[0] + 12_000 <= moment and what == "ACK")
    assert letters(till).count("O") == letters(till).count("C") == 1, "both tries over one connection"
    assert [answered < moment < sends[1] for moment in till.waits if opened < moment < closed] == [True]
    assert len(till.waits) == 3
    assert_agreed(shop)


@pytest.mark.parametrize(("delay", "status"), [(44_900, "1"), (45_100, "34")])
def test_an_open_has_45_seconds(delay: int, status: str) -> None:
    shop = TunnelShop()
    shop.habits = {"open_delay": delay}
    assert text(shop.serve(sale()), 39) == status
    shop.rest(60_000)
    settle_and_agree(shop)
    assert shop.steps == ([Step.FINANCIAL] if status == "1" else [])


# --- every operation ----------------------------------------------------------------------------------------

Told = tuple[Message, str, list[AuthorizationRequest]]


def a_day(shop: Shop, serve: Callable[[bytes], Message]) -> dict[str, Told]:
    """Every kind of operation once, in one day and the next: what was answered, and asked on the way."""
    told: dict[str, Told] = {}

    def ask(name: str, frame: bytes, card: str = "mir-contactless") -> Message:
        heard = len(shop.bank.heard)
        hand_over(shop, card)
        final = serve(frame)
        asked = letters(till) if isinstance(till := shop.tills[-1], TunnelTill) else ""
        told[name] = final, asked, shop.bank.heard[heard:]
        return final

    sold = ask("sale", money(SALE, 1200))
    ask("void", void(500, sold))
    hold = ask("pre-authorization", money(HOLD, 5000))
    ask("raise", money(HOLD, 1000, hold))
    ask("completion", money(COMPLETION, 5500, hold))
    ask("top-up", money(TOP_UP, 700))
    ask("cash", money(CASH, 900), "mir-chip")
    ask("balance", request({4: "643", 25: BALANCE}), "mir-chip")
    ask("declined", money(SALE, 900), "mir-blocked")
    ask("link test", TEST_CONNECTION)
    ask("sale to be reversed", money(SALE, 300))
    ask("reversal", reversal(300))
    ask("card data", request({25: CARD_DATA}))
    ask("short report", user_command(20))
    ask("copy", user_command(22, f64=1))
    ask("return without reference", money(VOUCHER, 40))
    forget(shop, shop.operations[:1])
    ask("settlement", settlement())
    ask("return", refund(200, sold))
    return told


@pytest.fixture(scope="module")
def days() -> tuple[Shop, dict[str, Told], TunnelShop, dict[str, Told]]:
    own, borrowed = Shop(), TunnelShop()
    return own, a_day(own, own.serve), borrowed, a_day(borrowed, borrowed.serve)


Days = tuple[Shop, dict[str, Told], TunnelShop, dict[str, Told]]
COMPARED = (0, 4, 10, 11, 13, 14, 15, 19, 23, 25, 26, 27, 28, 29, 30, 31, 32, 39, 49, 50, 51, 52, 65, 67)


def test_every_operation_ends_as_over_the_pinpads_own_line(days: Days) -> None:
    """Document, 1.2 and 1.3: two ways, the same operations."""
    own, told, borrowed, told_too = days
    assert list(told) == list(told_too)
    for name, (final, _, heard) in told.items():
        final_too, _, heard_too = told_too[name]
        assert [text(final, tag) for tag in COMPARED] == [text(final_too, tag) for tag in COMPARED], name
        assert [_said(asked) for asked in heard] == [_said(asked) for asked in heard_too], name
    assert own.memory.journal.totals() == borrowed.memory.journal.totals()


def _said(asked: AuthorizationRequest) -> tuple[object, ...]:
    return asked.step, asked.transaction, asked.stan, asked.amount, asked.batch, asked.totals


def test_every_operation_opens_once_asks_all_and_closes(days: Days) -> None:
    *_, told = days
    for name, (_, asked, heard) in told.items():
        expected = "OC" if not heard else "O" + "SF+" * len(heard) + "C"
        assert re.fullmatch(expected if heard else "", asked), (name, asked)
    counts = {name: len(heard) for name, (_, _, heard) in told.items() if len(heard) != 1}
    assert counts == {"card data": 0, "short report": 0, "copy": 0, "settlement": counts["settlement"]}
    assert counts["settlement"] > 3, "totals, uploads, totals again"


def test_after_that_day_bank_and_pinpad_agree(days: Days) -> None:
    _, _, shop, told = days
    assert [text(final, 39) for final, _, _ in told.values()].count("1") == len(told) - 1
    shop.unsure.update(
        text(final, 14) or "" for final, _, _ in told.values()
    )  # the bank forgot one for a while
    settle_and_agree(shop)


# --- the bank fails -----------------------------------------------------------------------------------------

TOLD = {Delivery.FINE: "1", **dict.fromkeys(NO_BYTE_LEAVES, "34")}


@pytest.mark.parametrize(
    "then", [Delivery.FINE, Delivery.UNREACHABLE, Delivery.LOST_BACK, Delivery.OVERTAKEN]
)
@pytest.mark.parametrize("delivery", list(Delivery))
def test_the_bank_fails_behind_the_register(delivery: Delivery, then: Delivery) -> None:
    """Asked, and no usable answer: 53 after one attempt at the reversal, whatever came of it."""
    shop = TunnelShop()
    shop.world.delivery = lambda number: delivery if number == 0 else then
    final = shop.serve(sale())
    assert text(final, 39) == TOLD.get(delivery, "53")
    owed = delivery not in TOLD and then is not Delivery.FINE
    assert (shop.memory.pending is not None) == owed
    settle_and_agree(shop)
    assert shop.kept_count == (delivery is Delivery.FINE)
    assert (Step.REVERSAL in shop.steps) == (delivery not in TOLD)


def test_after_a_silent_bank_the_reversal_goes_over_a_new_connection() -> None:
    """A late approval could come over the old one."""
    shop = TunnelShop()
    shop.world.delivery = lambda number: Delivery.LATE if number == 0 else Delivery.FINE
    assert outcome(shop.serve(sale()))[:2] == ("53", "ER3")
    assert re.fullmatch("OSF+COSFC", letters(shop.last))
    assert shop.steps == [Step.FINANCIAL, Step.REVERSAL]
    assert_agreed(shop)


# --- our own register ---------------------------------------------------------------------------------------


def test_our_register_lends_its_way_to_the_bank() -> None:
    shop = TunnelShop(bank_delay=2500)
    till = shop.ours("sale", amount=1200)
    assert isinstance(till.inner.outcome, Answered)
    assert text(till.final, 39) == "1"
    assert [
        type(effect).__name__ for effect in till.inner.told if type(effect).__name__.endswith("Host")
    ] == [
        "OpenHost",
        "SendHost",
        "FetchHost",
        "FetchHost",
        "FetchHost",
        "CloseHost",
    ]
    shop.ours("settlement")
    assert shop.memory.day == 2
    settle_and_agree(shop)


def test_our_register_without_a_way_to_the_bank_says_so() -> None:
    shop = TunnelShop()
    till = OurTill(data_of(sale()), None)
    shop.tills.append(till)
    shop.world.plug(till)
    shop.until(lambda: bool(till.finals))
    assert text(till.final, 39) == "34"
    settle_and_agree(shop)
    assert shop.steps == []


def test_our_slow_register_is_waited_for() -> None:
    shop = TunnelShop(bank_delay=2500)
    till = shop.ours("sale", Habits(open_delay=Millis(16_000), fetch_delay=Millis(7000)), amount=1200)
    assert text(till.final, 39) == "1"
    assert till.inner.told.count(Waited(1)) == 1
    assert Waited(2) not in till.inner.told
    assert_agreed(shop)


@pytest.mark.parametrize("delivery", list(Delivery))
def test_the_bank_fails_behind_our_register(delivery: Delivery) -> None:
    shop = TunnelShop()
    shop.world.delivery = lambda number: delivery if number == 0 else Delivery.FINE
    till = shop.ours("sale", amount=1200)
    assert text(till.final, 39) == TOLD.get(delivery, "53")
    settle_and_agree(shop)


@pytest.mark.parametrize("final", list(FinalHabit))
def test_our_register_and_the_final_answer(final: FinalHabit) -> None:
    shop = TunnelShop()
    shop.ours("sale", Habits(final=final), amount=1200)
    shop.settle()
    kept = final in (FinalHabit.ACK, FinalHabit.ACK_EOT)
    assert (shop.memory.pending is None) == kept, "without a register there is no way to the bank"
    settle_and_agree(shop)
    assert shop.kept_count == kept


@pytest.mark.parametrize(("absent", "status"), [(CashierAbsent.LAST, "1"), (CashierAbsent.DECLINE, "16")])
def test_a_register_without_a_cashier_is_asked_and_then_the_bank(absent: CashierAbsent, status: str) -> None:
    """Document, 2.3: what is missing of the original is asked for; this register says that it has nobody."""
    shop = TunnelShop(changed(follow={"cashier_absent": absent}))
    shop.ours("sale", amount=1200)
    assert text(shop.ours("void", amount=1200).final, 39) == status
    assert shop.steps == [Step.FINANCIAL] * (2 if status == "1" else 1)
    settle_and_agree(shop)
