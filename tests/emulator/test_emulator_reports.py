"""Reports, receipt copies, a full journal, and what is served while a reversal is owed (section 5.2)."""

import pytest
from emulator_kit import (
    CARDS,
    SALE_AMOUNT,
    Delivery,
    Shop,
    assert_agreed,
    changed,
    link_test,
    outcome,
    request,
    reversal,
    text,
)
from operation_kit import (
    BALANCE,
    CARD_DATA,
    CASH,
    COPY,
    FULL,
    HOLD,
    RETURN,
    RUB,
    SALE,
    SHORT,
    TOP_UP,
    VOID,
    VOUCHER,
    close_the_day,
    just_now,
    lines,
    lose_the_answer,
    money,
    settlement,
    slips,
    user_command,
    void,
)

from smartsale_emu.payment.authorization import Step
from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.events import CancelPressed
from smartsale_emu.terminal.memory import SLIP_LAST, Memory
from smartsale_emu.terminal.table import State

NO_COPY = ("16", None, "ЧЕК НЕ НАЙДЕН", None)
FULL_JOURNAL = ("16", None, "ЖУРНАЛ ЗАПОЛНЕН: ВЫПОЛНИТЕ СВЕРКУ ИТОГОВ", "0")
OWED = ("34", None, "НЕТ СВЯЗИ: АВАРИЙНАЯ ОТМЕНА НЕ ЗАВЕРШЕНА")
UNDONE = ("ОПЕРАЦИЯ", "ОТМЕНЕНА")
TOO_MUCH = CARDS["mir-contactless"].account.balance + 1


def report(shop: Shop, mode: int = FULL) -> list[tuple[str, ...]]:
    """Return the lines of a report, those of the head left out."""
    (slip,) = slips(shop.serve(user_command(mode)))
    all_lines = lines(slip)
    return all_lines[all_lines.index(("-" * 32,)) + 1 : -1]


def copy(shop: Shop, **chosen: object) -> str:
    """Return the client's slip of a copy."""
    final = shop.serve(user_command(COPY, **chosen))
    assert (text(final, 39), text(final, 67), text(final, 65)) == ("1", "0", "22")
    return slips(final)[0]


def assert_copy(duplicate: str, original: str) -> None:
    """The same slip, but for a line that says it is a copy."""
    without = [line for line in duplicate.splitlines() if line.strip() != "КОПИЯ"]
    assert len(without) == len(duplicate.splitlines()) - 1
    assert without == original.splitlines()


def agreed(shop: Shop) -> None:
    shop.settle()
    assert_agreed(shop)


NOTHING = [
    ("ДЕБЕТ:", "0", "0.00"),
    ("ОТМЕНЫ", "ДЕБЕТА:", "0", "0.00"),
    ("КРЕДИТ:", "0", "0.00"),
    ("ОТМЕНЫ", "КРЕДИТА:", "0", "0.00"),
    ("ИТОГО", "(РУБ):", "0.00"),
]

# --- reports -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [SHORT, FULL])
def test_a_reversed_sale_disappears_from_both_reports(mode: int) -> None:
    """Section 5.3; Document, 2.4: whether the register asked for it or the pinpad did it by itself."""
    shop = Shop()
    shop.serve(money(SALE))
    assert report(shop, mode) != NOTHING
    shop.serve(reversal())
    assert report(shop, mode) == NOTHING
    lose_the_answer(shop, money(SALE))
    assert report(shop, mode) == NOTHING
    agreed(shop)


@pytest.mark.parametrize("mode", [SHORT, FULL])
def test_a_sale_whose_reversal_the_bank_refused_stays_in_the_report(mode: int) -> None:
    shop = Shop()
    shop.serve(money(SALE))
    shop.bank.says = lambda asked: "05" if asked.step is Step.REVERSAL else None
    assert text(shop.serve(reversal()), 39) == "16"
    assert ("ДЕБЕТ:", "1", "12.00") in report(shop, mode)


def test_the_full_report_lists_what_was_approved_and_nothing_else() -> None:
    """Document, 2.1, «Печать полного отчета»."""
    shop = Shop()
    sold = shop.serve(money(SALE, 5000))
    shop.serve(money(SALE, TOO_MUCH))
    voided = shop.serve(void(2000, sold))
    shop.serve(request({4: RUB, 25: BALANCE}))
    topped_up = shop.serve(money(TOP_UP, 700))
    rows = [
        (("0001", "ОПЛАТА", "50.00"), sold),
        (("0003", "ОТМЕНА", "20.00"), voided),
        (("0005", "ПОПОЛНЕНИЕ", "СЧЕТА", "7.00"), topped_up),
    ]
    expected = []
    for head, final in rows:
        stamp = text(final, 21) or ""
        expected += [
            head,
            (f"{stamp[8:10]}:{stamp[10:12]}:{stamp[12:]}", "0013", text(final, 13)),
            (text(final, 14),),
            ("-" * 32,),
        ]
    totals = [
        ("ДЕБЕТ:", "1", "50.00"),
        ("ОТМЕНЫ", "ДЕБЕТА:", "1", "20.00"),
        ("КРЕДИТ:", "1", "7.00"),
        ("ОТМЕНЫ", "КРЕДИТА:", "0", "0.00"),
        ("ИТОГО", "(РУБ):", "23.00"),
    ]
    assert report(shop) == expected + totals
    assert report(shop, SHORT) == totals
    agreed(shop)


@pytest.mark.parametrize("mode", [SHORT, FULL])
def test_a_new_day_reports_nothing(mode: int) -> None:
    shop = Shop()
    shop.serve(money(SALE))
    close_the_day(shop)
    final = shop.serve(user_command(mode))
    assert ("ОПЕРАЦИОННЫЙ", "ДЕНЬ:", "000002") in lines(slips(final)[0])
    assert report(shop, mode) == NOTHING


@pytest.mark.parametrize("frame", [user_command(SHORT), user_command(FULL), user_command(COPY, f64=1)])
def test_a_report_asks_nobody_and_waits_for_nobody(frame: bytes) -> None:
    shop = Shop()
    shop.serve(money(SALE))
    before = shop.memory
    till = shop.ask(frame)
    shop.rest(200)
    assert till.waits == []
    assert just_now(shop, text(till.final, 21))
    assert (shop.memory, len(shop.bank.heard)) == (before, 1)


# --- copies ------------------------------------------------------------------------------------------------


def test_the_last_receipt_again() -> None:
    """Document, 2.1, «Печать копии чека»; 64 = 1, or nothing that chooses another."""
    shop = Shop()
    shop.serve(money(SALE, 500))
    original = slips(shop.serve(money(SALE)))[0]
    for chosen in ({"f64": 1}, {}, {"f64": 0}, {"f64": 1, "f108": 1}):
        assert_copy(copy(shop, **chosen), original)


def test_a_receipt_chosen_by_rrn_code_or_number() -> None:
    """Sections 5.2 and 5.5: 64 = 0 with 13, 14, 108 or 52."""
    shop = Shop()
    sold = shop.serve(money(SALE, 500))
    shop.serve(money(SALE))
    original = slips(sold)[0]
    rrn, code = text(sold, 14), text(sold, 13)
    choices: list[dict[str, object]] = [
        {"f14": rrn},
        {"f13": code},
        {"f108": "1"},
        {"f108": "0001"},
        {"f52": 1},
        {"f14": rrn, "f13": code, "f108": 1},
    ]
    for chosen in choices:
        for mode in ({}, {"f64": 0}):
            assert_copy(copy(shop, **chosen, **mode), original)


@pytest.mark.parametrize(
    "chosen",
    [{"f14": "632709000099"}, {"f13": "000000"}, {"f108": 9}, {"f52": 9}, {"f13": "314159", "f108": 2}],
)
def test_a_receipt_that_is_not_found(chosen: dict[str, object]) -> None:
    shop = Shop()
    shop.serve(money(SALE))
    shop.serve(money(SALE))
    final = shop.serve(user_command(COPY, f64=0, **chosen))
    assert outcome(final) == NO_COPY
    assert (text(final, 67), text(final, 90)) == ("1", None)


def test_a_new_pinpad_has_nothing_to_print_again() -> None:
    assert outcome(Shop().serve(user_command(COPY, f64=1))) == NO_COPY


def test_the_copy_has_both_slips_and_the_cards_records() -> None:
    shop = Shop()
    sold = text(shop.serve(money(SALE)), 90) or ""
    again = text(shop.serve(user_command(COPY)), 90) or ""
    assert again.count("КОПИЯ") == 2
    for record in ("0xDF^^", "0xDA^^", "0xDE^^", "0x4F^^", "0x95^^"):
        assert (record in sold, record in again) == (True, True)


def test_a_declined_receipt_again() -> None:
    shop = Shop(card="mir-poor")
    original = slips(shop.serve(money(SALE, 5000)))[0]
    assert ("ОТКЛОНЕНО",) in lines(original)
    assert_copy(copy(shop), original)
    assert_copy(copy(shop, f108=1), original)
    assert_copy(copy(shop, f14=shop.operations[0].rrn), original)


def test_the_copy_of_an_undone_operation_says_that_it_is_undone() -> None:
    """Nobody gets a slip that says ОДОБРЕНО for money that has gone back."""
    shop = Shop()
    sold = shop.serve(money(SALE))
    undone = slips(shop.serve(reversal()))[0]
    assert_copy(copy(shop), undone)
    assert_copy(copy(shop, f14=text(sold, 14)), undone)
    lose_the_answer(shop, money(SALE, 500))
    for chosen, title in (({"f108": 1}, "ОПЛАТА"), ({"f108": 2}, "АВАРИЙНАЯ"), ({"f108": 3}, "ОПЛАТА")):
        said = lines(copy(shop, **chosen))
        assert title in [line[0] for line in said]
        assert UNDONE in said
        assert ("ОДОБРЕНО",) not in said


def test_the_copy_of_an_interrupted_operation_still_says_so() -> None:
    shop = Shop()
    shop.ask(money(SALE))
    shop.reach(State.BANK_ANSWER)
    shop.world.tell(CancelPressed())
    shop.settle()
    original = slips(shop.tills[-1].final)[0]
    assert ("ОПЕРАЦИЯ", "ПРЕРВАНА") in lines(original)
    assert_copy(copy(shop), original)


def test_the_last_settlement_can_be_printed_in_the_new_day() -> None:
    """Its slip is the last one until another is printed; the operations of the closed day are gone."""
    shop = Shop()
    sold = shop.serve(money(SALE))
    settled = slips(shop.serve(settlement()))[0]
    assert_copy(copy(shop), settled)
    shop.power_cycle()
    assert_copy(copy(shop, f64=1), settled)
    assert outcome(shop.serve(user_command(COPY, f14=text(sold, 14)))) == NO_COPY
    assert outcome(shop.serve(user_command(COPY, f108=1))) == NO_COPY
    new = slips(shop.serve(money(SALE, 500)))[0]
    assert_copy(copy(shop), new)
    assert report(shop)[0] == ("0001", "ОПЛАТА", "5.00")
    agreed(shop)


def test_a_copy_survives_a_power_cut() -> None:
    shop = Shop()
    original = slips(shop.serve(money(SALE)))[0]
    shop.power_cycle()
    assert_copy(copy(shop), original)


# --- the journal is full -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3])
def test_a_full_journal_is_freed_by_a_settlement(size: int) -> None:
    """Nothing is asked of customer or bank; what needs no room is served; then the day is closed."""
    shop = Shop(changed(rules={"journal_size": size}))
    for _ in range(2):
        for number in range(size):
            assert text(shop.serve(money(SALE, 500 + number)), 39) == "1"
        asked = len(shop.bank.heard)
        last = text(shop.tills[-1].final, 14), text(shop.tills[-1].final, 13)
        for frame in (
            money(SALE),
            money(CASH),
            money(TOP_UP),
            money(VOUCHER),
            money(HOLD),
            money(VOID, 500, f14=last[0], f13=last[1]),
            request({4: RUB, 25: BALANCE}),
        ):
            assert outcome(shop.serve(frame)) == FULL_JOURNAL
        assert len(shop.bank.heard) == asked
        assert text(shop.serve(link_test()), 39) == "1"
        assert text(shop.serve(user_command(FULL)), 39) == "1"
        assert text(shop.serve(request({25: CARD_DATA})), 39) == "1"
        close_the_day(shop)
    agreed(shop)


def test_the_last_operation_of_a_full_journal_can_be_reversed() -> None:
    shop = Shop(changed(rules={"journal_size": 1}))
    shop.serve(money(SALE))
    assert text(shop.serve(reversal()), 39) == "1"
    assert outcome(shop.serve(money(SALE))) == FULL_JOURNAL, "its slips fill the journal all the same"
    agreed(shop)


def test_a_slip_number_in_use_is_passed_over() -> None:
    """After 9999 comes 1 again; an operation of the day is never written over."""
    shop = Shop(memory=Memory(slip=SLIP_LAST - 1))
    for number in (SLIP_LAST, 1, 2):
        shop.serve(money(SALE, number))
        assert shop.memory.slip == number
    shop = Shop(memory=Memory(slip=SLIP_LAST, journal=shop.memory.journal))
    shop.serve(money(SALE, 777))
    assert shop.memory.slip == 3
    assert shop.kept_count == 4


# --- while a reversal is owed ------------------------------------------------------------------------------


def owing() -> Shop:
    """A kept sale, and one whose reversal the bank does not answer."""
    shop = Shop()
    shop.serve(money(SALE, 500))
    shop.world.delivery = lambda number: Delivery.FINE if number < 2 else Delivery.LOST_THERE
    shop.ask(money(SALE), say=lambda _number, final: b"\x04" if final else b"\x06")
    shop.reach(State.OWING)
    return shop


SERVED = {
    "short-report": user_command(SHORT),
    "full-report": user_command(FULL),
    "copy": user_command(COPY),
    "card-data": request({25: CARD_DATA}),
}


@pytest.mark.parametrize("frame", SERVED.values(), ids=SERVED)
def test_what_needs_no_bank_is_served_after_one_attempt(frame: bytes) -> None:
    """Section 0.3: every request is ACKed, waits run, one attempt is made."""
    shop = owing()
    pending = shop.memory.pending
    assert pending is not None
    till = shop.ask(frame)
    assert shop.until(lambda: bool(till.finals))
    shop.rest(50)
    assert (text(till.final, 39), len(till.waits) > 1) == ("1", True)
    now_pending = shop.memory.pending
    assert now_pending is not None
    assert now_pending.attempts == pending.attempts + 1
    assert shop.state is State.OWING
    if text(till.final, 65) == str(FULL):
        assert ("0001", "ОПЛАТА", "5.00") in lines(slips(till.final)[0])
        assert ("ДЕБЕТ:", "1", "5.00") in lines(slips(till.final)[0])
    shop.world.delivery = lambda _: Delivery.FINE
    agreed(shop)


NEED_THE_BANK = {
    "sale": money(SALE),
    "void": money(VOID, 500, f14="632709000001", f13="314159"),
    "void-by-question": money(VOID),
    "return": money(RETURN, 500, f14="632709000001", f13="314159"),
    "voucher": money(VOUCHER),
    "hold": money(HOLD),
    "completion": money(16, 100, f14="632709000001", f13="314159"),
    "top-up": money(TOP_UP),
    "cash": money(CASH),
    "balance": request({4: RUB, 25: BALANCE}),
    "link-test": link_test(),
    "reversal": reversal(),
    "settlement": settlement(),
}


@pytest.mark.parametrize("frame", NEED_THE_BANK.values(), ids=NEED_THE_BANK)
def test_what_needs_the_bank_is_answered_34_after_one_attempt(frame: bytes) -> None:
    """Section 0.3: 39 = 34 with a text."""
    shop = owing()
    till = shop.ask(frame)
    assert shop.until(lambda: bool(till.finals))
    shop.rest(50)
    assert outcome(till.final)[:3] == OWED
    assert shop.memory.day == 1
    assert {heard.step for heard in shop.bank.heard} == {Step.FINANCIAL}, (
        "the attempts were lost on their way"
    )
    shop.world.delivery = lambda _: Delivery.FINE
    agreed(shop)
    assert (shop.kept_count, shop.kept_amount) == (1, 500)


def test_a_request_is_served_when_the_attempt_succeeds() -> None:
    shop = owing()
    shop.world.delivery = lambda _: Delivery.FINE
    final: Message = shop.serve(user_command(FULL))
    assert text(final, 39) == "1"
    assert shop.memory.pending is None
    agreed(shop)
    assert shop.kept_amount != SALE_AMOUNT
