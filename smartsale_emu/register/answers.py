"""What a till makes of an outcome: the fields by name, the slips, one sentence for the cashier.

Success is field 39 = 1 and nothing else (PROTOCOL.md, section 6). Without an answer the till says so, and the
pinpad undoes by itself what the bank may have done (the Document, 2.2; section 0.3).
"""

from dataclasses import dataclass
from typing import Final

from smartsale_emu.register.session import Because, NoAnswer, Outcome
from smartsale_emu.sa.codes import OperationCode, Status, title
from smartsale_emu.sa.fields import Tag, display
from smartsale_emu.sa.receipt_data import REMAINDER, ReceiptTag, parse_receipt
from smartsale_emu.sa.tlv import Message


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field as people read it: number, name, and what may be shown of its value."""

    number: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Slip:
    """A piece of field 90. ``printed``: it is for paper; else a detail such as the card type."""

    title: str
    text: str
    printed: bool


@dataclass(frozen=True, slots=True)
class TillView:
    """What a till shows at the end. ``status``: field 39 as a number, None if there is none."""

    succeeded: bool
    status: int | None
    message: str
    fields: tuple[FieldView, ...] = ()
    slips: tuple[Slip, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the view as JSON types, fields under their numbers."""
        return {
            "succeeded": self.succeeded,
            "status": self.status,
            "message": self.message,
            "fields": {str(field.number): {"name": field.name, "text": field.text} for field in self.fields},
            "slips": [
                {"title": slip.title, "text": slip.text, "printed": slip.printed} for slip in self.slips
            ],
        }


def till_view(outcome: Outcome, *, operation: int) -> TillView:
    """Return what a till shows. ``operation``: field 25 of the request.

    >>> from smartsale_emu.register.session import Answered
    >>> view = till_view(Answered(Message.of({25: 1, 39: 16, 15: "51", 19: "ОТКЛОНЕНО"})), operation=1)
    >>> view.succeeded, view.message
    (False, 'Оплата товаров и услуг: отклонено банком, код 51. ОТКЛОНЕНО')
    """
    if isinstance(outcome, NoAnswer):
        return TillView(succeeded=False, status=None, message=_unanswered(outcome.because, operation))
    message = outcome.message
    status = _status(message)
    return TillView(
        succeeded=status == Status.DONE,
        status=status,
        message=_answered(message, status, operation),
        fields=tuple(
            FieldView(record.tag, *display(record))
            for record in message.records
            if record.tag != Tag.RECEIPT_DATA
        ),
        slips=_slips(message.text(Tag.RECEIPT_DATA) or ""),
    )


def _status(message: Message) -> int | None:
    """Return field 39; a till that is strict about money takes plain digits only."""
    text = message.text(Tag.STATUS) or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else None


def _answered(message: Message, status: int | None, operation: int) -> str:
    host_code = message.text(Tag.RESPONSE_CODE_HOST)
    said = _plain(message.text(Tag.TEXT_RESPONSE) or "")
    match status:
        case Status.DONE:
            end = "выполнено"
        case Status.DECLINED:
            end = f"отклонено банком, код {host_code}" if host_code else "отклонено банком"
        case Status.NO_CONNECTION:
            end = "не выполнено, нет связи с банком"
        case Status.ABORTED:
            end = "прервано"
        case Status.NOT_PERFORMED:
            end = "не выполнено пинпадом"
        case None:
            end = "не выполнено, в ответе нет статуса"
        case _:
            end = f"не выполнено, статус {status}"
    return f"{title(operation).russian}: {end}. {said}".rstrip()


def _plain(text: str) -> str:
    """Return field 19 without the name of its picture, on one line (section 7)."""
    words = "".join(char if char.isprintable() else " " for char in text.partition("^")[0])
    return " ".join(words.split())


_UNANSWERED: Final = {
    Because.NOT_ACKED: "пинпад не подтвердил запрос",
    Because.PINPAD_ENDED: "пинпад закончил сеанс",
    Because.SILENT: "нет ответа от пинпада",
    Because.TOO_LONG: "истекло время операции",
    Because.DAMAGED: "ответы пинпада повреждены",
    Because.CANCELLED: "отменено кассиром",
    Because.LINE_LOST: "потеряна связь с пинпадом",
    Because.ANSWER_LOST: "ответ пинпада потерян",
}


def _unanswered(because: Because, operation: int) -> str:
    match operation:
        case OperationCode.TEST_CONNECTION:
            advice = "Повторите проверку."
        case OperationCode.EMERGENCY_REVERSAL:
            advice = "Повторите аварийную отмену."
        case _:
            advice = "Если банк её провёл, пинпад сам выполнит аварийную отмену."
    return f"{title(operation).russian}: операция не завершена, {_UNANSWERED[because]}. {advice}"


_SLIPS: Final = {ReceiptTag.SLIP: "Чек клиента", ReceiptTag.CASHIER_COPY: "Чек кассира"}
_DETAILS: Final = {
    ReceiptTag.CARD_TYPE: "Карта",
    ReceiptTag.CARD_HOLDER: "Держатель",
    ReceiptTag.AID: "AID",
    ReceiptTag.TVR: "TVR",
    REMAINDER: "Не разобрано",
}


def _slips(text: str) -> tuple[Slip, ...]:
    return tuple(_slip(tag, name, value) for tag, name, value in parse_receipt(text))


def _slip(tag: int, name: str, value: str) -> Slip:
    if tag in _SLIPS:
        return Slip(_SLIPS[ReceiptTag(tag)], value.replace("\r\n", "\n"), printed=True)
    return Slip(name or _DETAILS.get(tag, f"0x{tag:02X}"), value, printed=False)
