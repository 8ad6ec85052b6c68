"""Questions to the cashier, operation 52 (the Document, 2.3, step 1; sections 0.1, 5.5, 9.4)."""

from collections.abc import Callable

import pytest
from emulator_kit import (
    ACK,
    EOT,
    PROFILE,
    SALE_AMOUNT,
    Delivery,
    HandTill,
    Shop,
    assert_agreed,
    changed,
    outcome,
    request,
    text,
)
from operation_kit import COMPLETION, HOLD, REFUND, RETURN, SALE, VOID, close_the_day, money

from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.events import CancelPressed
from smartsale_emu.terminal.originals import CashierAbsent
from smartsale_emu.terminal.table import State
from smartsale_emu.units import Millis

RRN, CODE = PROFILE.questions["rrn"], PROFILE.questions["authorization_code"]
INTERRUPTED = ("53", "ER3", "ОПЕРАЦИЯ ПРЕРВАНА^TERMINATED.JPG~", "0")
NO_REFERENCE = ("16", None, "НЕТ RRN ИЛИ КОДА АВТОРИЗАЦИИ", "0")
LAST = changed(follow={"cashier_absent": CashierAbsent.LAST})
NO_WINDOW = request({25: 52, 67: "3"})


def reply(word: str | None, result: object = 0) -> bytes:
    return request({25: 52, 67: result, 77: word})


class CashierTill(HandTill):
    """A register whose cashier gives these replies, one for each question that comes; then he is silent.

    A reply leaves with the ACK of its question. ``say`` as of a ``HandTill``, for questions too.
    """

    def __init__(self, replies: list[bytes], say: Callable[[int, bool], bytes] | None = None) -> None:
        super().__init__(say)
        self._replies = list(replies)
        self.questions: list[str] = []

    def _copy(self, wire: bytes) -> bytes:
        return b"" if b"\x19\x02\x0052" in wire else super()._copy(wire)

    def _final(self, message: Message) -> bytes:
        if text(message, 25) != "52":
            return super()._final(message)
        assert [record.tag for record in message.records] == [25, 76]
        self.heard[-1] = (self.heard[-1][0], "question")
        self.questions.append(text(message, 76) or "")
        return self._spoken(final=False) + (self._replies.pop(0) if self._replies else b"")


def ask(
    shop: Shop, frame: bytes, *replies: bytes, say: Callable[[int, bool], bytes] | None = None
) -> CashierTill:
    """A register asks, its cashier has these replies; nothing has happened yet."""
    till = CashierTill(list(replies), say)
    shop.tills.append(till)
    shop.world.plug(till)
    shop.world.write(frame)
    return till


def serve(shop: Shop, frame: bytes, *replies: bytes) -> CashierTill:
    till = ask(shop, frame, *replies)
    assert shop.until(lambda: bool(till.finals)), "no final answer came"
    shop.rest(50)
    return till


def with_a_sale(shop: Shop, amount: int = SALE_AMOUNT) -> tuple[str, str]:
    """Return RRN and authorization code of a new sale."""
    sold = shop.serve(money(SALE, amount))
    return text(sold, 14) or "", text(sold, 13) or ""


def agreed(shop: Shop) -> None:
    shop.settle()
    assert_agreed(shop)


# --- what is missing is asked for --------------------------------------------------------------------------


def test_rrn_then_code_are_asked_for_and_complete_the_void() -> None:
    """Document, 2.3, step 1: the cashier enters authorization code and RRN when needed."""
    shop = Shop()
    rrn, code = with_a_sale(shop)
    till = serve(shop, money(VOID), reply(rrn), reply(code))
    assert till.questions == [RRN, CODE]
    assert text(till.final, 39) == "1"
    heard = shop.bank.heard[-1].original
    assert heard is not None
    assert (heard.rrn, heard.authorization_code) == (rrn, code)
    assert [what for _, what in till.heard[:5]] == ["ACK", "question", "ACK", "question", "ACK"]
    assert shop.kept_amount == 0
    agreed(shop)


def test_only_what_is_missing_is_asked_for() -> None:
    """Section 5.5: missing 13 or 14."""
    shop = Shop()
    rrn, code = with_a_sale(shop)
    till = serve(shop, money(VOID, 100, f14=rrn), reply(code))
    assert (till.questions, text(till.final, 39)) == ([CODE], "1")
    till = serve(shop, money(VOID, 100, f13=code), reply(rrn))
    assert (till.questions, text(till.final, 39)) == ([RRN], "1")
    till = serve(shop, money(VOID, 100, f108=1))
    assert (till.questions, text(till.final, 39)) == ([], "1")
    agreed(shop)


@pytest.mark.parametrize("code", [RETURN, REFUND])
def test_a_return_of_an_earlier_day_asks_too(code: int) -> None:
    """Document, 2.3, step 1."""
    shop = Shop()
    rrn, authorization = with_a_sale(shop)
    close_the_day(shop)
    till = serve(shop, money(code), reply(rrn), reply(authorization))
    assert (till.questions, text(till.final, 39)) == ([RRN, CODE], "1")
    agreed(shop)


def test_completion_and_raise_ask_too() -> None:
    shop = Shop()
    held = shop.serve(money(HOLD, 5000))
    rrn, code = text(held, 14) or "", text(held, 13) or ""
    till = serve(shop, money(HOLD, 1000, f14=rrn), reply(code))
    assert (till.questions, text(till.final, 39)) == ([CODE], "1")
    till = serve(shop, money(COMPLETION, 6000), reply(rrn), reply(code))
    assert (till.questions, text(till.final, 39)) == ([RRN, CODE], "1")
    agreed(shop)


def test_what_the_cashier_names_is_judged_like_a_field() -> None:
    shop = Shop()
    rrn, _ = with_a_sale(shop)
    till = serve(shop, money(VOID), reply(rrn), reply("000000"))
    assert outcome(till.final)[0] == "16"
    assert len(shop.bank.heard) == 1
    agreed(shop)


def test_nonsense_is_asked_again_and_not_for_ever() -> None:
    shop = Shop()
    rrn, code = with_a_sale(shop)
    till = serve(shop, money(VOID), reply("1234567890123"), reply(rrn), reply("123456789"), reply(code))
    assert (till.questions, text(till.final, 39)) == ([RRN, RRN, CODE, CODE], "1")
    till = serve(shop, money(VOID), *[reply(f"123456789012{n}") for n in range(9)])
    assert till.questions == [RRN] * 4
    assert outcome(till.final) == NO_REFERENCE
    agreed(shop)


@pytest.mark.parametrize("most", [0, 1])
def test_how_often_is_a_row_of_the_profile(most: int) -> None:
    shop = Shop(changed(rules={"most_questions": most}))
    till = serve(shop, money(VOID), reply("1234567890123"), reply("1234567890123"))
    assert (till.questions, outcome(till.final)) == ([RRN] * most, NO_REFERENCE)
    agreed(shop)


def test_the_same_nonsense_twice_is_two_replies() -> None:
    shop = Shop()
    rrn, code = with_a_sale(shop)
    wrong = reply("1234567890123")
    till = serve(shop, money(VOID), wrong, wrong, reply(rrn), reply(code))
    assert (till.questions, text(till.final, 39)) == ([RRN, RRN, RRN, CODE], "1")
    agreed(shop)


# --- nobody answers ----------------------------------------------------------------------------------------


def test_a_register_without_a_window_gets_a_decline_with_a_text() -> None:
    """Section 9.4: 67 = 3; then the terminal declines (profile)."""
    shop = Shop()
    with_a_sale(shop)
    till = serve(shop, money(VOID), NO_WINDOW)
    assert till.questions == [RRN]
    assert outcome(till.final) == NO_REFERENCE
    assert len(shop.bank.heard) == 1
    agreed(shop)


def test_without_a_window_the_profile_may_take_the_last_that_matches() -> None:
    """``cashier_absent = last``: the latest operation of the day to which all that was given applies."""
    shop = Shop(LAST)
    first, code = with_a_sale(shop, 1000)
    with_a_sale(shop, 500)
    shop.serve(money(SALE, 100_000_000))  # declined: no candidate

    def voided(frame: bytes, *replies: bytes) -> tuple[str | None, str | None]:
        till = serve(shop, frame, *replies)
        heard = shop.bank.heard[-1].original
        return text(till.final, 39), heard.rrn if heard else None

    second = shop.operations[1].rrn
    assert voided(money(VOID, 200), NO_WINDOW) == ("1", second)
    assert voided(money(VOID, 301), NO_WINDOW) == ("1", first), "more than is left of the second"
    assert voided(money(VOID, 100, f13=code), NO_WINDOW) == ("1", first)
    assert voided(money(VOID, 100), reply(first), NO_WINDOW) == ("1", first)
    assert voided(money(VOID, 100, f1=1000), NO_WINDOW) == ("1", first), "field 1 is the original's amount"
    final = serve(shop, money(VOID, 9999), NO_WINDOW).final
    assert outcome(final)[0] == "16"
    agreed(shop)


CANCELS = {
    "cancel": reply(None, 1),
    "cancel-with-a-word": reply("632709000001", 1),
    "empty": reply(""),
    "no-word": reply(None),
    "no-result": reply("1", ""),
    "nonsense-result": reply("1", "x"),
}


@pytest.mark.parametrize("said", CANCELS.values(), ids=CANCELS)
def test_a_cashier_who_cancels(said: bytes) -> None:
    """Section 0.2: 53; another 67 than 0 and 3, or no word at all."""
    shop = Shop()
    with_a_sale(shop)
    since = shop.world.now
    till = serve(shop, money(VOID), said)
    assert outcome(till.final) == INTERRUPTED
    assert (till.questions, shop.world.now - since < 1000) == ([RRN], True), "at once, nothing is asked again"
    assert len(shop.bank.heard) == 1
    agreed(shop)


def test_the_cancel_key_ends_a_question() -> None:
    shop = Shop()
    till = ask(shop, money(VOID))
    shop.reach(State.CASHIER)
    shop.world.tell(CancelPressed())
    agreed(shop)
    assert outcome(till.final) == INTERRUPTED


@pytest.mark.parametrize(("field_57", "seconds"), [(None, 60), (5, 5), (90, 90)])
def test_the_time_for_a_reply(field_57: object, seconds: int) -> None:
    """Section 0.1, timers: field 57 or 60 s; no wait frame meanwhile."""
    shop = Shop()
    till = ask(shop, money(VOID, f57=field_57))
    shop.reach(State.CASHIER)
    since = shop.world.now
    assert shop.until(lambda: bool(till.finals))
    assert 0 <= shop.world.now - since - seconds * 1000 < 50
    assert outcome(till.final) == INTERRUPTED
    assert (till.waits, shop.bank.heard) == ([], [])
    agreed(shop)


def test_each_question_has_its_own_time() -> None:
    shop = Shop()
    rrn, code = with_a_sale(shop)
    till = ask(shop, money(VOID))
    for number, word in enumerate((rrn, code), 1):
        assert shop.until(lambda number=number: len(till.questions) == number)  # type: ignore[misc]
        shop.rest(59_000)
        shop.world.write(reply(word))
    assert shop.until(lambda: bool(till.finals))
    assert text(till.final, 39) == "1"
    agreed(shop)


def test_no_wait_frame_while_a_question_is_open() -> None:
    """Section 0.1: the register is blocked. Waits have begun here, because a reversal was owed before."""
    shop = Shop()
    rrn, code = with_a_sale(shop)
    shop.world.delivery = lambda number: Delivery.FINE if number != 2 else Delivery.LOST_BACK
    shop.ask(money(SALE, 500), say=lambda _number, final: EOT if final else ACK)
    shop.reach(State.OWING)
    till = ask(shop, money(VOID))
    assert shop.until(lambda: bool(till.questions))
    asked, before = shop.world.now, len(till.waits)
    assert before == 1
    shop.rest(45_000)
    shop.world.write(reply(rrn))
    assert shop.until(lambda: len(till.questions) == 2)
    shop.rest(45_000)
    assert len(till.waits) == before
    shop.world.write(reply(code))
    shop.world.cardholder = shop.world.cardholder.__class__(None)
    assert shop.until(lambda: bool(till.finals))
    assert len(till.waits) > before, "and they go on afterwards"
    assert asked < till.waits[before]
    agreed(shop)


# --- replies that come late or twice -----------------------------------------------------------------------


def test_a_late_reply_answers_nothing() -> None:
    shop = Shop(traced=True)
    rrn, _ = with_a_sale(shop)
    till = ask(shop, money(VOID))
    assert shop.until(lambda: bool(till.finals))
    heard = len(till.heard)
    shop.world.write(reply(rrn))
    shop.rest(1000)
    assert [what for _, what in till.heard[heard:]] == ["ACK"], "never another request (section 0.1)"
    assert shop.state is State.IDLE
    assert any("nobody asked" in trace.because for _, trace in shop.world.traces)
    agreed(shop)


def test_a_reply_while_the_card_is_asked_for_changes_nothing() -> None:
    shop = Shop()
    rrn, code = with_a_sale(shop)
    till = ask(shop, money(VOID), reply(rrn), reply(code))
    shop.reach(State.CARD_PROMPT)
    shop.world.write(reply("000000"))
    assert shop.until(lambda: bool(till.finals))
    assert text(till.final, 39) == "1"
    agreed(shop)


@pytest.mark.parametrize("after_the_question_was_acknowledged", [False, True])
def test_a_copy_of_a_reply_never_answers_the_second_question(
    after_the_question_was_acknowledged: bool,
) -> None:
    """The ACK of the first reply was lost: the register repeats it; here it would be a possible code."""
    shop = Shop()
    shop.serve(money(SALE))
    first = reply("63270900")
    till = ask(shop, money(VOID), say=lambda number, _: ACK if number == 0 else b"")
    assert shop.until(lambda: bool(till.questions))
    shop.world.write(first)
    assert shop.until(lambda: len(till.questions) == 2)
    if after_the_question_was_acknowledged:
        shop.world.write(ACK)
    shop.world.write(first)
    shop.rest(5000)
    assert shop.state is State.CASHIER, "the second question is still open"
    shop.world.write(reply(None, 1))
    assert shop.until(lambda: "EOT" in [what for _, what in till.heard] or bool(till.finals))
    agreed(shop)


def test_a_question_whose_ack_was_lost_is_answered_by_the_reply() -> None:
    """The question goes out again, and a second reply to it answers nothing."""
    shop = Shop()
    rrn, code = with_a_sale(shop)
    till = ask(
        shop, money(VOID), reply(rrn), reply(rrn), reply(code), say=lambda n, _: b"" if n == 0 else ACK
    )
    assert shop.until(lambda: bool(till.finals))
    assert till.questions == [RRN, RRN, CODE]
    assert text(till.final, 39) == "1"
    agreed(shop)


# --- the register leaves -----------------------------------------------------------------------------------


def eot(shop: Shop) -> None:
    shop.world.write(EOT)


def close(shop: Shop) -> None:
    shop.world.plug(None)


def ask_for_a_sale(shop: Shop) -> None:
    shop.world.write(money(SALE, 500))


@pytest.mark.parametrize("leave", [eot, close, ask_for_a_sale], ids=lambda leave: leave.__name__)
def test_the_register_leaves_instead_of_a_reply(leave: Callable[[Shop], None]) -> None:
    """Section 0.3: the bank was not asked, nothing has to be undone."""
    shop = Shop()
    rrn, _ = with_a_sale(shop)
    till = ask(shop, money(VOID))
    shop.reach(State.CASHIER)
    shop.rest(1000)
    leave(shop)
    shop.rest(20)
    assert shop.state is (State.CARD_PROMPT if leave is ask_for_a_sale else State.IDLE)
    shop.settle()
    assert [text(final, 25) for final in till.finals] == (["1"] if leave is ask_for_a_sale else [])
    shop.world.plug(None)
    shop.till()
    shop.world.write(reply(rrn))
    agreed(shop)
    assert shop.kept_amount == SALE_AMOUNT + (500 if leave is ask_for_a_sale else 0)


def test_eot_instead_of_the_ack_of_a_question() -> None:
    shop = Shop()
    with_a_sale(shop)
    till = ask(shop, money(VOID), say=lambda _number, _final: EOT)
    agreed(shop)
    assert (till.finals, len(till.questions)) == ([], 1)


def test_a_question_that_nobody_acknowledges_is_given_up() -> None:
    """Section 0.1: three sends, EOT."""
    shop = Shop()
    with_a_sale(shop)
    till = ask(shop, money(VOID), say=lambda _number, _final: b"")
    agreed(shop)
    assert [what for _, what in till.heard] == ["ACK", "question", "question", "question", "EOT"]
    assert shop.world.now > Millis(20_000)


def test_the_power_fails_while_a_question_is_open() -> None:
    shop = Shop()
    rrn, code = with_a_sale(shop)
    ask(shop, money(VOID))
    shop.reach(State.CASHIER)
    shop.power_cycle()
    agreed(shop)
    assert text(serve(shop, money(VOID), reply(rrn), reply(code)).final, 39) == "1"
    agreed(shop)
