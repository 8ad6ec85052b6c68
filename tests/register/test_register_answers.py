"""What a till shows: success for 39 = 1 only, and a sentence for every other end."""

import json

import pytest

from smartsale_emu.register.answers import Slip, till_view
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
    view = till_view(Answered(Message.of({25: 1, 39: status})), operation=1)
    assert (view.succeeded, view.status) == (succeeded, number)
    assert ("выполнено" in view.message and "не выполнено" not in view.message) is succeeded


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({39: 1, 19: "ОДОБРЕНО"}, "Оплата товаров и услуг: выполнено. ОДОБРЕНО"),
        ({39: 16, 15: "51", 19: "ОТКЛОНЕНО"}, "Оплата товаров и услуг: отклонено банком, код 51. ОТКЛОНЕНО"),
        ({39: 16}, "Оплата товаров и услуг: отклонено банком."),
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
    assert till_view(Answered(Message.of({25: 1, **fields})), operation=1).message == message


@pytest.mark.parametrize("because", list(Because))
@pytest.mark.parametrize(
    ("operation", "advice"),
    [(1, "пинпад сам выполнит аварийную отмену."), (53, "Повторите аварийную отмену."), (26, "Повторите")],
)
def test_every_end_without_an_answer_has_a_sentence(because: Because, operation: int, advice: str) -> None:
    view = till_view(NoAnswer(because), operation=operation)
    assert not view.succeeded
    assert view.status is None
    assert "операция не завершена, " in view.message
    assert advice in view.message


def test_slips_and_details_of_field_90() -> None:
    text = "0xDF^^ЧЕК\r\nСУММА 12.00\r\n~0xDA^^КАССИРУ\r\n~0xDE^^Мир~0x99^Имя^?~обрывок"
    view = till_view(Answered(Message.of({25: 1, 39: 1, 90: text})), operation=1)
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
    text = json.dumps(till_view(Answered(message), operation=1).as_json(), ensure_ascii=False)
    assert "2200123456789019" not in text
    assert json.loads(text)["fields"]["10"] == {"name": "PAN", "text": "220012******9019"}
    assert json.loads(text)["succeeded"] is True
