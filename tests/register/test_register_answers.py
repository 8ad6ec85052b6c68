"""What a till shows: success for 39 = 1 only, and a sentence for every other end."""

import json

import pytest

from smartsale_emu.register.answers import Slip, till_view
from smartsale_emu.register.requests import OPERATIONS
from smartsale_emu.register.session import Answered, Because, NoAnswer
from smartsale_emu.sa.tlv import Message


@pytest.mark.parametrize(
    ("status", "number", "succeeded"),
    [
        ("1", 1, True),
        ("0", 0, False),
        ("2", 2, False),
        ("16", 16, False),
        ("17", 17, False),
        ("34", 34, False),
        ("53", 53, False),
        ("-1", None, False),
        ("", None, False),
        ("1 ", None, False),
        ("1x", None, False),
        ("٠1", None, False),
        (None, None, False),
    ],
)
def test_only_status_1_is_success(status: str | None, number: int | None, succeeded: bool) -> None:
    view = till_view(Answered(Message.of({25: 1, 39: status})), operation=OPERATIONS["sale"])
    assert (view.succeeded, view.status) == (succeeded, number)
    assert ("выполнено" in view.message and "не выполнено" not in view.message) is succeeded


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({39: 1, 19: "ОДОБРЕНО"}, "Оплата товаров и услуг: выполнено. ОДОБРЕНО"),
        ({39: 16, 15: "51", 19: "ОТКЛОНЕНО"}, "Оплата товаров и услуг: отклонено банком, код 51. ОТКЛОНЕНО"),
        ({39: 16}, "Оплата товаров и услуг: отклонено."),
        (
            {39: 53, 15: "ER3", 19: "ОПЕРАЦИЯ ПРЕРВАНА^TERMINATED.JPG~"},
            "Оплата товаров и услуг: прервано. ОПЕРАЦИЯ ПРЕРВАНА",
        ),
        ({39: 34, 19: "НЕТ СВЯЗИ"}, "Оплата товаров и услуг: не выполнено, нет связи с банком. НЕТ СВЯЗИ"),
        ({39: 0, 19: "A\x1b[2J\r\nB"}, "Оплата товаров и услуг: не выполнено пинпадом. A [2J B"),
        ({}, "Оплата товаров и услуг: не выполнено, в ответе нет статуса."),
    ],
)
def test_the_sentence_of_an_answer(fields: dict[int, str | bytes | int | None], message: str) -> None:
    assert till_view(Answered(Message.of({25: 1, **fields})), operation=OPERATIONS["sale"]).message == message


@pytest.mark.parametrize("because", list(Because))
@pytest.mark.parametrize(
    ("operation", "advice"),
    [
        ("sale", "пинпад сам выполнит аварийную отмену."),
        ("void", "пинпад сам выполнит аварийную отмену."),
        ("raise", "пинпад сам выполнит аварийную отмену."),
        ("completion", "пинпад сам выполнит аварийную отмену."),
        ("return-without-reference", "пинпад сам выполнит аварийную отмену."),
        ("reversal", "Повторите аварийную отмену."),
        ("test", "Повторите проверку."),
        ("settlement", "Повторите сверку итогов."),
        ("balance", "Повторите запрос."),
        ("copy", "Повторите запрос."),
    ],
)
def test_every_end_without_an_answer_has_a_sentence(because: Because, operation: str, advice: str) -> None:
    view = till_view(NoAnswer(because), operation=OPERATIONS[operation])
    assert not view.succeeded
    assert view.status is None
    assert "операция не завершена, " in view.message
    assert advice in view.message


def test_slips_and_details_of_field_90() -> None:
    text = "0xDF^^ЧЕК\r\nСУММА 12.00\r\n~0xDA^^КАССИРУ\r\n~0xDE^^Мир~0x99^Имя^?~обрывок"
    view = till_view(Answered(Message.of({25: 1, 39: 1, 90: text})), operation=OPERATIONS["sale"])
    assert view.slips == (
        Slip("Чек клиента", "ЧЕК\nСУММА 12.00\n", printed=True),
        Slip("Чек кассира", "КАССИРУ\n", printed=True),
        Slip("Карта", "Мир", printed=False),
        Slip("Имя", "?", printed=False),
        Slip("Не разобрано", "обрывок", printed=False),
    )
    assert [field.number for field in view.fields] == [25, 39]


def test_the_json_holds_no_card_number() -> None:
    message = Message.of({10: "2200123456789019", 12: "2200123456789019=3012", 25: 1, 39: 1, 200: "x"})
    text = json.dumps(
        till_view(Answered(message), operation=OPERATIONS["sale"]).as_json(), ensure_ascii=False
    )
    assert "2200123456789019" not in text
    assert json.loads(text)["fields"]["10"] == {"name": "PAN", "text": "220012******9019"}
    assert json.loads(text)["fields"]["12"] == {"name": "TRACK2", "text": "220012******9019=***"}
    assert json.loads(text)["succeeded"] is True


@pytest.mark.parametrize(
    "track", ["2200123456789019", "2200123456789019=30x", "=3012", "²²00123456789019=3012"]
)
def test_what_is_no_track_2_is_shown_as_its_length(track: str) -> None:
    view = till_view(Answered(Message.of({12: track, 25: 57, 39: 1})), operation=OPERATIONS["card-data"])
    assert view.fields[0].text.endswith(" bytes›")


@pytest.mark.parametrize(
    ("operation", "fields", "succeeded"),
    [
        ("short-report", {67: 0, 90: "0xDF^^ИТОГИ\r\n~"}, True),
        ("short-report", {67: 0, 39: 1, 90: "0xDF^^ИТОГИ\r\n~"}, True),
        ("full-report", {39: 1, 90: "0xDF^^ИТОГИ\r\n~"}, True),
        ("copy", {90: "0xDF^^ЧЕК\r\n~"}, True),
        ("copy", {}, False),
        ("copy", {67: 1}, False),
        ("copy", {67: 1, 90: "0xDF^^ЧЕК\r\n~"}, False),
        ("short-report", {39: 0, 67: 0}, False),
        ("short-report", {39: "", 67: 0}, False),
        ("short-report", {67: "0 "}, False),
        ("settlement", {67: 0, 90: "0xDF^^ИТОГИ\r\n~"}, False),
        ("sale", {67: 0, 90: "0xDF^^ЧЕК\r\n~"}, False),
    ],
)
def test_a_report_may_succeed_without_field_39(
    operation: str, fields: dict[int, str | bytes | int | None], succeeded: bool
) -> None:
    view = till_view(Answered(Message.of(fields)), operation=OPERATIONS[operation])
    assert view.succeeded is succeeded
    assert (": выполнено." in view.message) is succeeded


@pytest.mark.parametrize(
    ("operation", "titles"),
    [
        ("settlement", ["Сверка итогов", "Сверка итогов, второй экземпляр"]),
        ("full-report", ["Полный отчёт", "Полный отчёт, второй экземпляр"]),
        ("short-report", ["Краткий отчёт", "Краткий отчёт, второй экземпляр"]),
        ("copy", ["Копия чека клиента", "Копия чека кассира"]),
        ("void", ["Чек клиента", "Чек кассира"]),
    ],
)
def test_the_titles_of_what_is_printed(operation: str, titles: list[str]) -> None:
    answer = Answered(Message.of({39: 1, 90: "0xDF^^A\r\n~0xDA^^B\r\n~"}))
    view = till_view(answer, operation=OPERATIONS[operation])
    assert [(slip.title, slip.printed) for slip in view.slips] == [(title, True) for title in titles]


def test_the_totals_of_a_settlement_have_names() -> None:
    totals = {29: 1200, 30: 1, 31: 200, 32: 2, 49: 300, 50: 3, 51: 400, 52: 4}
    view = till_view(Answered(Message.of({**totals, 39: 1})), operation=OPERATIONS["settlement"])
    assert [(field.name, field.text) for field in view.fields] == [
        ("DEBIT_AMOUNT", "1200"),
        ("DEBIT_COUNT", "1"),
        ("CREDIT_AMOUNT", "200"),
        ("CREDIT_COUNT", "2"),
        ("STATUS", "1"),
        ("VOID_DEBIT_AMOUNT", "300"),
        ("VOID_DEBIT_COUNT", "3"),
        ("VOID_CREDIT_AMOUNT", "400"),
        ("VOID_CREDIT_COUNT", "4"),
    ]
    copied = till_view(Answered(Message.of({39: 1, 52: 4})), operation=OPERATIONS["copy"])
    assert copied.fields[1].name == "SLIP_NUMBER_52"
