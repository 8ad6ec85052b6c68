"""The slips of both layouts, as a printer gets them (PROTOCOL.md, section 8)."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from receipt_kit import DAY, LAYOUTS, NAMES, ROWS, SALE, TOTALS, paper, values_of

from smartsale_emu.errors import ProfileError
from smartsale_emu.payment.receipt import PLACEHOLDERS, WIDTH, CardFace, Form, ReceiptLayout
from smartsale_emu.payment.receipt import ROWS as ROW_NAMES
from smartsale_emu.runtime.resources import read_receipt_layout

STANDARD, COMPACT = LAYOUTS["standard"], LAYOUTS["compact"]
FEED = "\n\n\r\n"

CLIENT = """
   ТЕСТОВЫЙ ЭМУЛЯТОР ПИНПАДА
ЧЕК КЛИЕНТА               N 0007
ОПЛАТА
23.11.2026              09:30:00
ТЕРМИНАЛ:               00060056
МЕРЧАНТ:               111111111
КАРТА:                 MIR DEBIT
************9019             ЧИП
СРОК ДЕЙСТВИЯ:             12/30
КЛИЕНТ:              IVANOV/IVAN
AID:              A0000006582010
TVR:                  8000048000
СУММА (РУБ):               12.00
            ОДОБРЕНО
КОД ОТВЕТА:                  001
КОД АВТОРИЗАЦИИ:          123456
RRN:                632709000007
НОМЕР КАССЫ:                  42
================================
"""


def test_the_client_s_copy_of_an_approved_slip() -> None:
    assert STANDARD.render(Form.APPROVED, SALE) == paper(CLIENT, FEED)
    assert STANDARD.render("approved", SALE) == paper(CLIENT, FEED)


def test_the_cashier_s_copy_has_a_line_for_the_signature() -> None:
    golden = CLIENT.replace("ЧЕК КЛИЕНТА", "ЧЕК КАССИРА").replace(
        "=" * WIDTH, f"\nПОДПИСЬ: {'_' * 23}\n{'=' * WIDTH}"
    )
    cashier = {**SALE, "copy": "ЧЕК КАССИРА", "signature": "1"}
    assert STANDARD.render(Form.APPROVED, cashier) == paper(golden, FEED)
    assert "ПОДПИСЬ" not in STANDARD.render(Form.DECLINED, cashier)


def test_a_copy_says_so() -> None:
    text = STANDARD.render(Form.APPROVED, {**SALE, "duplicate": "КОПИЯ"})
    assert text.splitlines()[1] == "КОПИЯ".center(WIDTH).rstrip()
    assert text.replace("КОПИЯ".center(WIDTH).rstrip() + "\r\n", "") == paper(CLIENT, FEED)


def test_a_partial_void_with_little_known() -> None:
    values = {
        "number": "0008",
        "title": "ОТМЕНА",
        "date": "23.11.2026",
        "time": "10:00:00",
        "card_number": "************9019",
        "amount": "2.00",
        "currency": "РУБ",
        "original_amount": "12.00",
        "original_rrn": "632709000007",
    }
    golden = """
   ТЕСТОВЫЙ ЭМУЛЯТОР ПИНПАДА
                          N 0008
ОТМЕНА
23.11.2026              10:00:00
************9019
СУММА (РУБ):                2.00
СУММА ОПЕРАЦИИ (РУБ):      12.00
RRN ОПЕРАЦИИ:       632709000007
            ОДОБРЕНО
================================
"""
    assert STANDARD.render(Form.APPROVED, values) == paper(golden, FEED)


def test_a_declined_and_an_interrupted_slip_give_the_cashier_s_text() -> None:
    approved = "            ОДОБРЕНО"
    declined = CLIENT.replace(approved, "          ДРУГАЯ КАРТА")
    assert STANDARD.render(Form.DECLINED, {**SALE, "reason": "ДРУГАЯ КАРТА"}) == paper(declined, FEED)
    interrupted = CLIENT.replace(approved, "       ОПЕРАЦИЯ ПРЕРВАНА")
    with_reason = {**SALE, "reason": "ОПЕРАЦИЯ ПРЕРВАНА"}
    assert STANDARD.render(Form.INTERRUPTED, with_reason) == paper(interrupted, FEED)


@pytest.mark.parametrize(
    ("form", "outcome"),
    [
        (Form.APPROVED, "ОДОБРЕНО"),
        (Form.DECLINED, "ОТКЛОНЕНО"),
        (Form.INTERRUPTED, "ОПЕРАЦИЯ ПРЕРВАНА"),
        (Form.REVERSED, "ОПЕРАЦИЯ ОТМЕНЕНА"),
        (Form.BALANCE, "ОДОБРЕНО"),
    ],
)
def test_a_slip_without_a_text_still_tells_how_it_ended(form: Form, outcome: str) -> None:
    lines = STANDARD.render(form, {**SALE, "reason": ""}).splitlines()
    assert outcome.center(WIDTH).rstrip() in lines


def test_an_emergency_reversal() -> None:
    values = {**SALE, "title": "АВАРИЙНАЯ ОТМЕНА"}
    golden = CLIENT.replace("ОПЛАТА", "АВАРИЙНАЯ ОТМЕНА")
    golden = golden.replace("            ОДОБРЕНО", "       ОПЕРАЦИЯ ОТМЕНЕНА")
    assert STANDARD.render(Form.REVERSED, values) == paper(golden, FEED)


def test_a_balance() -> None:
    values = {name: value for name, value in SALE.items() if name not in ("amount", "authorization_code")}
    golden = CLIENT.replace("ОПЛАТА", "ЗАПРОС БАЛАНСА")
    golden = golden.replace("СУММА (РУБ):               12.00", "ДОСТУПНО (РУБ):          1500.00")
    golden = golden.replace("КОД АВТОРИЗАЦИИ:          123456\n", "")
    given_values = {**values, "title": "ЗАПРОС БАЛАНСА", "balance": "1500.00"}
    assert STANDARD.render(Form.BALANCE, given_values) == paper(golden, FEED)


DAY_HEAD = """
   ТЕСТОВЫЙ ЭМУЛЯТОР ПИНПАДА
                          N 0007
СВЕРКА ИТОГОВ
23.11.2026              09:30:00
ТЕРМИНАЛ:               00060056
МЕРЧАНТ:               111111111
ОПЕРАЦИОННЫЙ ДЕНЬ:        000003
--------------------------------
"""
DAY_TOTALS = """ДЕБЕТ: 12                1234.00
ОТМЕНЫ ДЕБЕТА: 2          200.00
КРЕДИТ: 1                  34.00
ОТМЕНЫ КРЕДИТА: 0           0.00
ИТОГО (РУБ):             1000.00
"""


def test_a_settlement_that_agrees() -> None:
    golden = f"""{DAY_HEAD}{DAY_TOTALS}--------------------------------
         ИТОГИ СОВПАЛИ
================================
"""
    assert STANDARD.render(Form.SETTLEMENT, DAY) == paper(golden, FEED)


def test_a_settlement_that_differs() -> None:
    bank = {name: value for name, value in DAY.items() if name.endswith(("_count", "_amount"))}
    values = DAY | {f"bank_{name}": value for name, value in bank.items()}
    values |= {"bank_debit_count": "11", "bank_debit_amount": "1222.00", "bank_net": "988.00"}
    values |= {"difference": "-12.00", "uploaded": "12", "result": "ДЕНЬ ЗАКРЫТ С РАСХОЖДЕНИЕМ"}
    bank_totals = DAY_TOTALS.replace("ДЕБЕТ: 12                1234", "ДЕБЕТ: 11                1222")
    golden = f"""{DAY_HEAD}{DAY_TOTALS}--------------------------------
        ПО ДАННЫМ БАНКА
{bank_totals.replace("1000.00", " 988.00")}--------------------------------
РАСХОЖДЕНИЕ:              -12.00
ДОСЛАНО ОПЕРАЦИЙ:             12
   ДЕНЬ ЗАКРЫТ С РАСХОЖДЕНИЕМ
КОД ОТВЕТА:                  095
================================
"""
    assert STANDARD.render(Form.SETTLEMENT, {**values, "code": "095"}) == paper(golden, FEED)


def test_a_short_report() -> None:
    golden = f"{DAY_HEAD}{DAY_TOTALS}{'=' * WIDTH}\n"
    assert STANDARD.render(Form.SHORT_REPORT, DAY) == paper(golden, FEED)


def test_a_full_report_has_every_row_and_no_amount_is_cut() -> None:
    golden = f"""{DAY_HEAD}0001 ОПЛАТА                12.00
09:00:00 9019             123456
632709000001
--------------------------------
0002 ЗАВЕРШЕНИЕ ПРЕАВТОРИЗАЦИИ
                   9999999999.99
09:01:00 0013             654321
632709000002
--------------------------------
{DAY_TOTALS}================================
"""
    assert STANDARD.render(Form.FULL_REPORT, DAY, ROWS) == paper(golden, FEED)
    empty = f"{DAY_HEAD}{DAY_TOTALS}{'=' * WIDTH}\n"
    assert STANDARD.render(Form.FULL_REPORT, DAY) == paper(empty, FEED)


def test_another_bank_s_look() -> None:
    golden = """
===============================
          УЧЕБНЫЙ БАНК
===============================
             ОПЛАТА
Чек 0007    23.11.2026 09:30:00
Т 00060056          М 111111111
MIR DEBIT ************9019
до 12/30                    ЧИП
IVANOV/IVAN
-------------------------------
           12.00 РУБ
     * * *  ОДОБРЕНО  * * *
-------------------------------
Ответ 001            Код 123456
RRN 632709000007           № 42
A0000006582010       8000048000
          ЧЕК КЛИЕНТА
"""
    assert COMPACT.render(Form.APPROVED, SALE) == paper(golden, "")


def test_another_bank_s_full_report() -> None:
    golden = """
===============================
          УЧЕБНЫЙ БАНК
===============================
         СВЕРКА ИТОГОВ
Чек 0007    23.11.2026 09:30:00
Т 00060056          М 111111111
День 000003
-------------------------------
0001 9019 123456          12.00
                         ОПЛАТА
0002 0013 654321  9999999999.99
      ЗАВЕРШЕНИЕ ПРЕАВТОРИЗАЦИИ
-------------------------------
Дебет 12                1234.00
 отмены 2                200.00
Кредит 1                  34.00
 отмены 0                  0.00
Итог, РУБ               1000.00
"""
    assert COMPACT.render(Form.FULL_REPORT, DAY, ROWS) == paper(golden, "")


# ---------------------------------------------------------------------- what holds for every slip


ALWAYS = ("title", "number", "date", "time", "terminal_id", "merchant_id")
OF_A_CARD = ("card_label", "card_number", "expiry", "holder", "aid", "code", "rrn", "authorization_code")
WANTED: dict[Form, tuple[str, ...]] = {
    Form.APPROVED: (*OF_A_CARD, "amount", "copy"),
    Form.DECLINED: (*OF_A_CARD, "amount", "copy", "reason"),
    Form.INTERRUPTED: (*OF_A_CARD, "amount", "copy", "reason"),
    Form.REVERSED: (*OF_A_CARD, "amount", "copy"),
    Form.BALANCE: (*OF_A_CARD, "balance"),
    Form.SETTLEMENT: (*TOTALS, "batch", "result"),
    Form.SHORT_REPORT: (*TOTALS, "batch"),
    Form.FULL_REPORT: (*TOTALS, "batch"),
}
MORE = {
    Form.DECLINED: {"reason": "ДРУГАЯ КАРТА"},
    Form.INTERRUPTED: {"reason": "ОПЕРАЦИЯ ПРЕРВАНА"},
    Form.BALANCE: {"balance": "1500.00"},
}


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("name", NAMES)
def test_every_form_prints_what_matters(name: str, form: Form) -> None:
    values = values_of(form) | MORE.get(form, {})
    text = LAYOUTS[name].render(form, values, ROWS)
    wanted = [values[key] for key in (*ALWAYS, *WANTED[form])]
    assert [value for value in wanted if value not in text] == []
    assert_printable(text, LAYOUTS[name].width)


def assert_printable(text: str, width: int) -> None:
    assert "^" not in text
    assert "~" not in text
    assert text.endswith("\r\n")
    assert text.encode("cp1251").decode("cp1251") == text
    lines = text.replace("\r\n", "\n").split("\n")
    assert all(len(line) <= width for line in lines)
    assert all(line.isprintable() for line in lines)


anything = st.text(st.characters(), max_size=90) | st.text("^~\r\n\t 0x", max_size=40)


@given(
    name=st.sampled_from(NAMES),
    form=st.sampled_from(Form),
    values=st.dictionaries(st.sampled_from(sorted(PLACEHOLDERS)), anything),
    rows=st.lists(st.dictionaries(st.sampled_from(sorted(ROW_NAMES)), anything), max_size=3),
)
def test_whatever_the_values_hold_the_slip_can_be_printed(
    name: str, form: Form, values: dict[str, str], rows: list[dict[str, str]]
) -> None:
    layout = LAYOUTS[name]
    assert_printable(layout.render(form, values, rows), layout.width)


amounts = st.integers(0, 999_999_999_999).map(lambda number: f"{number // 100}.{number % 100:02d}")


@given(
    name=st.sampled_from(NAMES),
    amount=amounts,
    rrn=st.text("0123456789", min_size=1, max_size=12),
    title=anything,
    label=anything,
)
def test_no_amount_and_no_number_is_ever_cut(
    name: str, amount: str, rrn: str, title: str, label: str
) -> None:
    values = {**SALE, "title": title, "card_label": label, "amount": amount, "rrn": rrn}
    words = LAYOUTS[name].render(Form.APPROVED, values).split()
    assert {amount, rrn} <= set(words)


def test_a_control_is_a_space_and_an_unknown_character_a_question_mark() -> None:
    lines = STANDARD.render(Form.APPROVED, {"title": " A\r\nB^C~D\x85E₽\u2028F\u00a0G\u00adH№ "}).splitlines()
    assert lines[1] == "A  B C D E??F G H№"


def test_a_name_or_form_that_does_not_exist_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="'ammount' is no placeholder"):
        STANDARD.render(Form.APPROVED, {"ammount": "12.00"})
    with pytest.raises(ValueError, match="'row_ammount'"):
        STANDARD.render(Form.FULL_REPORT, DAY, [{"row_ammount": "12.00"}])
    with pytest.raises(ValueError, match="slip"):
        STANDARD.render("slip", SALE)


# ---------------------------------------------------------------------- the files


def test_the_layouts_differ_in_more_than_their_name() -> None:
    assert (STANDARD.width, STANDARD.feed) == (32, FEED)
    assert (COMPACT.width, COMPACT.feed) == (31, "")
    assert STANDARD.title != COMPACT.title


def test_the_head_of_the_standard_layout_tells_every_name() -> None:
    text, _ = read_receipt_layout("standard")
    comment = text.partition("title =")[0].partition("The names, in every form")[2]
    lines = [line.removeprefix("#").strip() for line in comment.splitlines() if not line.endswith(":")]
    told = {word for line in lines for word in re.split(r", ?", line.partition("   ")[0])} & set(PLACEHOLDERS)
    assert told == set(PLACEHOLDERS)


def test_a_layout_is_read_by_name_or_by_path(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    text, origin = read_receipt_layout("compact")
    assert origin == "compact.toml"
    own.write_text(text, encoding="utf-8")
    assert read_receipt_layout(str(own)) == (text, str(own))
    with pytest.raises(
        ProfileError, match="receipt layout 'nice' does not exist; there is: compact, standard"
    ):
        read_receipt_layout("nice")


def test_a_layout_is_a_value() -> None:
    text, origin = read_receipt_layout("compact")
    assert ReceiptLayout.parse(text, origin=origin) == COMPACT


def test_of_a_kept_card_only_the_last_four_are_printed() -> None:
    assert CardFace.of_masked("220012******9019", "3012") == CardFace("************9019", "3012")
