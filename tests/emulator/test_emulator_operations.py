"""Every operation of the Document, 2.1: its answer, slip, bank message and totals (PROTOCOL.md, 5.5)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import emulator_kit
import pytest
from emulator_kit import (
    PACKAGE,
    PROFILE,
    SALE_AMOUNT,
    Delivery,
    Shop,
    State,
    assert_agreed,
    changed,
    customer,
    outcome,
    request,
    text,
)
from operation_kit import (
    AUTHORIZATION,
    BALANCE,
    CARD_DATA,
    CASH,
    COMPLETION,
    FULL,
    HOLD,
    LINK_TEST,
    REFUND,
    RETURN,
    REVERSAL,
    RUB,
    SALE,
    SETTLEMENT,
    SHORT,
    TOP_UP,
    VOID,
    VOUCHER,
    close_the_day,
    just_now,
    lines,
    money,
    slips,
    user_command,
)

from smartsale_emu.payment.authorization import Step, Totals, Transaction
from smartsale_emu.payment.receipt import ReceiptLayout
from smartsale_emu.payment.totals import Tally
from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.events import CancelPressed
from smartsale_emu.terminal.operations import OPERATIONS, CardNeed, Name, PinNeed

T = Transaction
MONEY_FIELDS = [0, 4, 6, 10, 11, 13, 14, 15, 19, 21, 23, 25, 26, 27, 28, 39, 90]


def nothing_before(_shop: Shop) -> Message | None:
    return None


def after_a(code: int, amount: int = SALE_AMOUNT) -> Callable[[Shop], Message]:
    return lambda shop: shop.serve(money(code, amount))


def after_a_day(shop: Shop) -> Message:
    """A sale of the day before."""
    sold = shop.serve(money(SALE))
    close_the_day(shop)
    return sold


def tally(**buckets: int) -> Totals:
    return Totals(**{name: Tally(1, amount) for name, amount in buckets.items()})


@dataclass(frozen=True)
class Case:
    """An operation that moves money. ``effect``: on the account; ``counts``: what the totals gain."""

    name: Name
    code: int
    transaction: Transaction
    effect: int
    counts: Totals = field(default=Totals())
    before: Callable[[Shop], Message | None] = nothing_before
    amount: int = SALE_AMOUNT
    card: bool = True
    pin: bool = False

    def __str__(self) -> str:
        return f"{self.name}-{self.code}"


CASES = [
    Case(Name.SALE, SALE, T.PURCHASE, -1200, tally(debit=1200)),
    Case(Name.VOID, VOID, T.VOID, 1200, tally(void_debit=1200), after_a(SALE)),
    Case(Name.VOID, VOID, T.VOID, 700, tally(void_debit=700), after_a(SALE), amount=700),
    Case(Name.VOID, VOID, T.VOID, 1200, tally(void_debit=1200), after_a(CASH)),
    Case(Name.VOID, VOID, T.VOID_OF_CREDIT, -1200, tally(void_credit=1200), after_a(TOP_UP)),
    Case(Name.VOID, VOID, T.VOID_OF_CREDIT, -1200, tally(void_credit=1200), after_a(VOUCHER)),
    Case(Name.VOID, VOID, T.VOID_OF_HOLD, 1200, before=after_a(HOLD)),
    Case(Name.RETURN, RETURN, T.RETURN, 1200, tally(credit=1200), after_a_day),
    Case(Name.RETURN, REFUND, T.RETURN, 1200, tally(credit=1200), after_a_day),
    Case(Name.RETURN_WITHOUT_REFERENCE, VOUCHER, T.RETURN, 1200, tally(credit=1200)),
    Case(Name.PREAUTHORIZATION, HOLD, T.PREAUTHORIZATION, -1200),
    Case(Name.PREAUTHORIZATION, AUTHORIZATION, T.PREAUTHORIZATION, -1200),
    Case(Name.RAISE, HOLD, T.RAISE, -1200, before=after_a(HOLD, 5000)),
    Case(Name.RAISE, AUTHORIZATION, T.RAISE, -1200, before=after_a(HOLD, 5000)),
    Case(Name.COMPLETION, COMPLETION, T.COMPLETION, 3800, tally(debit=1200), after_a(HOLD, 5000), card=False),
    Case(Name.TOP_UP, TOP_UP, T.TOP_UP, 1200, tally(credit=1200)),
    Case(Name.CASH, CASH, T.CASH, -1200, tally(debit=1200), pin=True),
]


@dataclass(frozen=True)
class Served:
    """An operation that was served, and what it started from."""

    shop: Shop
    final: Message
    original: Message | None
    before: Totals


@pytest.fixture(name="served")
def _served(request: pytest.FixtureRequest) -> Served:
    case: Case = request.param
    shop = Shop()
    original = case.before(shop)
    before = shop.memory.journal.totals()
    final = shop.serve(money(case.code, f"{case.amount:08d}", original, f26="000007"))
    return Served(shop, final, original, before)


every_case = pytest.mark.parametrize(
    ("case", "served"), [(case, case) for case in CASES], indirect=["served"], ids=str
)


@every_case
def test_the_answer_to_money_holds_exactly_these_fields(case: Case, served: Served) -> None:
    final, row = served.final, served.shop.operations[-1]
    assert [record.tag for record in final.records] == MONEY_FIELDS
    values = {record.tag: text(final, record.tag) for record in final.records}
    assert all(just_now(served.shop, values.pop(tag)) for tag in (6, 21))
    assert values.pop(90)
    assert values == {
        0: str(case.amount),
        4: RUB,
        10: "************0013",
        11: "3012",
        13: row.authorization_code,
        14: row.rrn,
        15: "001",
        19: "ОДОБРЕНО",
        23: "0",
        25: str(case.code),
        26: "7",
        27: "00060056",
        28: "111111111",
        39: "1",
    }


@every_case
def test_the_bank_hears_the_transaction(case: Case, served: Served) -> None:
    heard, original = served.shop.bank.heard[-1], served.original
    assert (heard.step, heard.transaction) == (Step.FINANCIAL, case.transaction)
    assert (heard.amount, heard.currency, heard.batch) == (case.amount, RUB, served.shop.memory.day)
    assert heard.card is not None
    assert heard.card.pan == "2201382000000013"
    assert (heard.card.track2 is not None) is case.card, "a card that was read, or the one that is kept"
    assert (heard.pin_block is not None) is case.pin
    assert (heard.original is None) is (original is None)
    if heard.original is not None:
        named = (heard.original.rrn, heard.original.authorization_code)
        assert named == (text(original, 14), text(original, 13))


@every_case
def test_money_moves_and_counts(case: Case, served: Served) -> None:
    shop = served.shop
    assert shop.operations[-1].effect == case.effect
    after, before = shop.memory.journal.totals(), served.before
    for bucket in ("debit", "credit", "void_debit", "void_credit"):
        gained = getattr(case.counts, bucket)
        had, has = getattr(before, bucket), getattr(after, bucket)
        assert (has.count - had.count, has.amount - had.amount) == (gained.count, gained.amount), bucket
    shop.settle()
    assert_agreed(shop)


@every_case
def test_both_slips_say_what_was_done(case: Case, served: Served) -> None:
    final = served.final
    client, cashier = slips(final)
    roubles = f"{case.amount // 100}.{case.amount % 100:02d}"
    number = f"{served.shop.memory.slip:04d}"
    expected = {
        tuple(OPERATIONS[case.name].title.split()),
        ("СУММА", "(РУБ):", roubles),
        ("ОДОБРЕНО",),
        ("КОД", "ОТВЕТА:", "001"),
        ("КОД", "АВТОРИЗАЦИИ:", text(final, 13)),
        ("RRN:", text(final, 14)),
        ("НОМЕР", "КАССЫ:", "7"),
        ("СРОК", "ДЕЙСТВИЯ:", "12/30"),
    }
    if served.original is not None:
        expected.add(("RRN", "ОПЕРАЦИИ:", text(served.original, 14)))
    assert expected <= set(lines(client))
    assert expected <= set(lines(cashier))
    assert ("ЧЕК", "КЛИЕНТА", "N", number) in lines(client)
    assert ("ЧЕК", "КАССИРА", "N", number) in lines(cashier)
    assert ["ПОДПИСЬ:" in line for line in (client, cashier)] == [False, True]


# --- what moves no money -----------------------------------------------------------------------------------


def test_a_balance_is_told_in_field_0_and_on_the_slip() -> None:
    shop = Shop()
    shop.serve(money(SALE))
    final = shop.serve(request({4: RUB, 25: BALANCE}, f26="7"))
    assert [record.tag for record in final.records] == MONEY_FIELDS
    assert (text(final, 0), text(final, 39), text(final, 26)) == ("9998800", "1", "7")
    assert [text(final, tag) for tag in (13, 14)] == [
        shop.operations[-1].authorization_code,
        shop.operations[-1].rrn,
    ]
    (slip,) = slips(final)
    assert {("ЗАПРОС", "БАЛАНСА"), ("ДОСТУПНО", "(РУБ):", "99988.00")} <= set(lines(slip))
    heard = shop.bank.heard[-1]
    assert (heard.transaction, heard.amount, heard.batch) == (T.BALANCE, 0, 0)
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_count == 1
    assert shop.memory.journal.totals() == tally(debit=SALE_AMOUNT)


def test_a_balance_that_the_bank_refuses_tells_none() -> None:
    final = Shop(card="mir-blocked").serve(request({4: RUB, 25: BALANCE}))
    assert (text(final, 0), text(final, 39)) == ("0", "16")
    assert "ДОСТУПНО" not in slips(final)[0]


@pytest.mark.parametrize("track2", [False, True])
def test_card_data_ask_no_bank_and_tell_the_track_only_where_the_profile_allows_it(track2: bool) -> None:
    """Document, 2.1, «Получение данных карты»."""
    shop = Shop(changed(rules={"card_data_track2": track2}), card="mir-chip")
    final = shop.serve(request({25: CARD_DATA}, f26="7"))
    tags = [8, 10, 11, 12, 15, 19, 21, 25, 26, 27, 39]
    assert [record.tag for record in final.records] == [tag for tag in tags if track2 or tag != 12]
    values = [text(final, tag) for tag in (8, 10, 11, 15, 19, 25, 26, 27, 39)]
    assert values == ["3", "************9019", "3012", "001", "ОДОБРЕНО", "57", "7", "00060056", "1"]
    assert text(final, 12) == ("2200123456789019=30122010000000000" if track2 else None)
    assert just_now(shop, text(final, 21))
    assert shop.bank.heard == []
    assert shop.memory.slip == 0
    assert not any("ПИН" in screen for screen in shop.world.screens)


def test_a_link_test_reaches_the_bank_and_needs_no_terminal_id() -> None:
    """Document, 2.1, «Проверка соединения»."""
    for fields in ({25: LINK_TEST}, {25: LINK_TEST, 27: ""}):
        shop = Shop()
        final = shop.serve(request(fields))
        assert [record.tag for record in final.records] == [19, 21, 25, 27, 39]
        assert [text(final, tag) for tag in (19, 25, 27, 39)] == [
            "ОПЕРАЦИЯ ОДОБРЕНА^APPROVED.JPG~",
            "26",
            "00060056",
            "1",
        ]
        assert [(heard.step, heard.transaction) for heard in shop.bank.heard] == [(Step.NETWORK, T.ECHO)]
        assert shop.memory.slip == 0


def test_an_emergency_reversal_answers_with_the_codes_of_what_it_undid() -> None:
    """Document, 2.4; the fields of section 5.3."""
    shop = Shop()
    sold = shop.serve(money(SALE))
    final = shop.serve(request({0: SALE_AMOUNT, 4: RUB, 25: REVERSAL}, f26="7"))
    assert [record.tag for record in final.records] == MONEY_FIELDS
    told = {tag: text(final, tag) for tag in (0, 4, 10, 13, 14, 15, 19, 25, 26, 39)}
    assert told == {
        0: str(SALE_AMOUNT),
        4: RUB,
        10: "************0013",
        13: text(sold, 13),
        14: text(sold, 14),
        15: "001",
        19: "ОДОБРЕНО",
        25: "53",
        26: "7",
        39: "1",
    }
    client, cashier = slips(final)
    for slip in (client, cashier):
        expected = {("АВАРИЙНАЯ", "ОТМЕНА"), ("ОПЕРАЦИЯ", "ОТМЕНЕНА"), ("СУММА", "(РУБ):", "12.00")}
        assert expected <= set(lines(slip))
    heard = shop.bank.heard[-1]
    assert (heard.step, heard.transaction, heard.stan, heard.amount) == (Step.REVERSAL, T.PURCHASE, 1, 1200)
    assert shop.memory.journal.totals() == Totals()
    shop.settle()
    assert_agreed(shop)


def test_a_settlement_tells_the_totals_and_closes_the_day() -> None:
    """Document, 2.1, «Сверка итогов»; fields 29 to 32 and 49 to 52."""
    shop = Shop()
    sold = shop.serve(money(SALE, 5000))
    shop.serve(money(VOID, 2000, sold))
    credited = shop.serve(money(TOP_UP, 700))
    shop.serve(money(VOID, 300, credited))
    final = shop.serve(request({25: SETTLEMENT, 27: ""}, f26="7"))
    tags = [6, 15, 19, 21, 23, 25, 26, 27, 28, 29, 30, 31, 32, 39, 49, 50, 51, 52, 90]
    assert [record.tag for record in final.records] == tags
    values = {tag: text(final, tag) for tag in tags}
    assert all(just_now(shop, values.pop(tag)) for tag in (6, 21))
    (slip,) = slips(final)
    assert values.pop(90)
    codes = {15: "001", 19: "ОДОБРЕНО", 23: "0", 25: "59", 26: "7", 27: "00060056", 28: "111111111", 39: "1"}
    totals = {29: "5000", 30: "1", 31: "700", 32: "1", 49: "2000", 50: "1", 51: "300", 52: "1"}
    assert values == codes | totals
    expected = {
        ("СВЕРКА", "ИТОГОВ"),
        ("ОПЕРАЦИОННЫЙ", "ДЕНЬ:", "000001"),
        ("ДЕБЕТ:", "1", "50.00"),
        ("ОТМЕНЫ", "ДЕБЕТА:", "1", "20.00"),
        ("КРЕДИТ:", "1", "7.00"),
        ("ОТМЕНЫ", "КРЕДИТА:", "1", "3.00"),
        ("ИТОГО", "(РУБ):", "26.00"),
        ("ИТОГИ", "СОВПАЛИ"),
    }
    assert expected <= set(lines(slip))
    assert [heard.step for heard in shop.bank.heard][-1:] == [Step.RECONCILIATION]
    assert (shop.memory.day, shop.memory.journal.totals(), shop.memory.slip) == (2, Totals(), 0)
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize(("mode", "title"), [(SHORT, "КРАТКИЙ ОТЧЕТ"), (FULL, "ПОЛНЫЙ ОТЧЕТ")])
def test_a_report_answers_both_67_and_39(mode: int, title: str) -> None:
    """Section 5.1: registers read the one or the other."""
    shop = Shop()
    shop.serve(money(SALE))
    asked = len(shop.bank.heard)
    final = shop.serve(user_command(mode, f26="7"))
    assert [record.tag for record in final.records] == [19, 21, 25, 26, 27, 39, 65, 67, 90]
    values = [text(final, tag) for tag in (19, 25, 26, 27, 39, 65, 67)]
    assert values == ["ОДОБРЕНО", "63", "7", "00060056", "1", str(mode), "0"]
    (slip,) = slips(final)
    expected = {tuple(title.split()), ("ДЕБЕТ:", "1", "12.00"), ("ИТОГО", "(РУБ):", "12.00")}
    assert expected <= set(lines(slip))
    assert (("0001", "ОПЛАТА", "12.00") in lines(slip)) is (mode == FULL)
    assert len(shop.bank.heard) == asked


def test_every_operation_of_the_table_is_tried_here() -> None:
    here = {case.name for case in CASES}
    others = {
        Name.BALANCE,
        Name.CARD_DATA,
        Name.LINK_TEST,
        Name.KEY_CHANGE,  # test_emulator_keys.py
        Name.REVERSAL,
        Name.SETTLEMENT,
    }
    reports = {Name.SHORT_REPORT, Name.FULL_REPORT, Name.RECEIPT_COPY}
    assert here | others | reports == set(Name)


# --- what is asked of the customer -------------------------------------------------------------------------

PIN_ALWAYS = [money(CASH, 100), request({4: RUB, 25: BALANCE})]


@pytest.mark.parametrize("frame", PIN_ALWAYS, ids=["cash", "balance"])
@pytest.mark.parametrize("card", ["mir-contactless", "mastercard-magstripe", "mir-chip"])
def test_cash_and_balance_always_ask_for_the_pin(frame: bytes, card: str) -> None:
    """Section 5.5: whatever the card says and however small the amount."""
    shop = Shop(card=card)
    assert text(shop.serve(frame), 39) == "1"
    assert any("ПИН" in screen for screen in shop.world.screens)
    assert shop.bank.heard[-1].pin_block is not None


@pytest.mark.parametrize("frame", PIN_ALWAYS, ids=["cash", "balance"])
def test_a_wrong_pin_at_cash_and_balance_is_asked_again(frame: bytes) -> None:
    shop = Shop(cardholder=customer("mir-chip", wrong_pins=1))
    assert text(shop.serve(frame), 39) == "1"
    assert len([screen for screen in shop.world.screens if "ПИН" in screen]) == 2
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize("code", [VOUCHER, TOP_UP])
def test_a_card_with_a_pin_is_not_asked_for_it_at_a_top_up_or_return(code: int) -> None:
    shop = Shop(card="mir-chip")
    assert text(shop.serve(money(code)), 39) == "1"
    assert not any("ПИН" in screen for screen in shop.world.screens)


def test_a_card_with_a_pin_is_asked_for_it_at_a_sale_and_a_hold_and_at_nothing_that_follows() -> None:
    """Section 5.5, column PIN."""
    shop = Shop(card="mir-chip")

    def asks(frame: bytes) -> tuple[Message, bool]:
        screens = len(shop.world.screens)
        final = shop.serve(frame)
        assert text(final, 39) == "1"
        return final, any("ПИН" in screen for screen in shop.world.screens[screens:])

    sold, at_sale = asks(money(SALE))
    held, at_hold = asks(money(HOLD))
    _, at_raise = asks(money(HOLD, 100, held))
    _, at_void = asks(money(VOID, 100, sold))
    close_the_day(shop)
    _, at_return = asks(money(RETURN, 100, sold))
    assert [at_sale, at_hold, at_raise, at_void, at_return] == [True, True, False, False, False]


@pytest.mark.parametrize(("amount", "tvr"), [(300_000, "8000008000"), (300_001, "8000048000")])
def test_the_tvr_tells_whether_a_pin_was_entered(amount: int, tvr: str) -> None:
    """PROTOCOL.md, 0.6; EMV Book 3, annex C5: byte 3, bit 3."""
    final = Shop().serve(money(SALE, amount))
    assert f"0x95^^{tvr}~" in (text(final, 90) or "")


@pytest.mark.parametrize("cancelled", [True, False], ids=["cancelled", "no-answer"])
def test_an_interrupted_operation_has_a_form_of_its_own(
    cancelled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Section 8: a bank may print another slip for it than for a decline."""
    file = PACKAGE / "payment" / "receipts" / "standard.toml"
    own = file.read_text(encoding="utf-8").replace('interrupted = """', 'interrupted = """\n< OF ITS OWN >')
    monkeypatch.setattr(emulator_kit, "LAYOUT", ReceiptLayout.parse(own, origin="own.toml"))
    shop = Shop()
    till = shop.ask(money(SALE))
    shop.world.delivery = lambda _: Delivery.FINE if cancelled else Delivery.LOST_THERE
    shop.reach(State.BANK_ANSWER)
    if cancelled:
        shop.world.tell(CancelPressed())
    shop.settle()
    assert text(till.final, 39) == "53"
    assert ("OF", "ITS", "OWN") in lines(slips(till.final)[0])


def test_the_profile_says_which_operation_asks_for_card_and_pin() -> None:
    """Rows [card] and [pin]: a completion with the card, a top-up with the PIN."""
    shop = Shop()
    held = shop.serve(money(HOLD))
    prompts = len(shop.world.screens)
    shop.serve(money(COMPLETION, SALE_AMOUNT, held))
    assert not any("КАРТУ" in screen for screen in shop.world.screens[prompts:])
    shop.profile = replace(
        PROFILE,
        cards={**PROFILE.cards, Name.COMPLETION: CardNeed.ORIGINAL},
        pins={**PROFILE.pins, Name.TOP_UP: PinNeed.ALWAYS},
    )
    shop.power_cycle()
    held = shop.serve(money(HOLD))
    prompts = len(shop.world.screens)
    assert text(shop.serve(money(COMPLETION, SALE_AMOUNT, held)), 39) == "1"
    assert any("КАРТУ" in screen for screen in shop.world.screens[prompts:])
    assert text(shop.serve(money(TOP_UP)), 39) == "1"
    assert shop.bank.heard[-1].pin_block is not None


# --- what is asked wrongly ---------------------------------------------------------------------------------

NEEDS_MONEY = [SALE, VOID, RETURN, REFUND, VOUCHER, HOLD, AUTHORIZATION, COMPLETION, TOP_UP, CASH]
BAD_FIELD = "ОШИБКА В ЗАПРОСЕ: ПОЛЕ {}"


@pytest.mark.parametrize("code", NEEDS_MONEY)
@pytest.mark.parametrize(("tag", "value"), [(0, None), (0, "12.00"), (0, "0"), (4, None), (4, "RUB")])
def test_every_operation_with_money_needs_amount_and_currency(code: int, tag: int, value: object) -> None:
    shop = Shop()
    till = shop.ask(request({0: SALE_AMOUNT, 4: RUB, 25: code, tag: value}))
    shop.settle()
    assert [what for _, what in till.heard] == ["ACK", "final"], "no wait"
    assert outcome(till.final) == ("53", "ER2", BAD_FIELD.format(tag), "0")
    assert text(till.final, 25) == str(code)
    assert shop.bank.heard == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({25: BALANCE}, 4),
        ({25: BALANCE, 4: "6"}, 4),
        ({25: VOID, 0: 100, 4: RUB, 14: "1234567890123"}, 14),
        ({25: VOID, 0: 100, 4: RUB, 13: "123456789"}, 13),
        ({25: VOID, 0: 100, 4: RUB, 1: "x"}, 1),
        ({25: RETURN, 0: 100, 4: RUB, 108: "x"}, 108),
        ({25: COMPLETION, 0: 100, 4: RUB, 52: "-2"}, 52),
        ({25: HOLD, 0: 100, 4: RUB, 14: "1234567890123"}, 14),
        ({25: 53, 0: 100, 14: "1234567890123"}, 14),
        ({25: 63, 65: 22, 64: "2"}, 64),
        ({25: 63, 65: 22, 13: "123456789"}, 13),
    ],
)
def test_a_field_that_an_operation_may_have_must_not_be_malformed(
    fields: dict[int, object], named: int
) -> None:
    shop = Shop()
    final = shop.serve(request(fields))
    assert outcome(final)[:3] == ("53", "ER2", BAD_FIELD.format(named))
    assert shop.bank.heard == []


@pytest.mark.parametrize("mode", [None, "", 0, 19, 23, 99, "x"])
def test_a_user_command_that_nobody_knows(mode: object) -> None:
    shop = Shop()
    till = shop.ask(user_command(mode))
    shop.settle()
    assert [what for _, what in till.heard] == ["ACK", "final"], "no wait"
    assert outcome(till.final) == ("0", "ER1", "ОПЕРАЦИЯ НЕ ПОДДЕРЖИВАЕТСЯ", "0")
    assert text(till.final, 25) == "63"
