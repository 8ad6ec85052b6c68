"""What a till makes of an outcome: the fields by name, the slips, one sentence for the cashier.

Success is field 39 = 1 and nothing else (PROTOCOL.md, section 6). Only the answer to a report or a copy may
come without field 39: then field 67 = 0 is success, and without both of them that there is something to print
(section 5.1). Without an answer the till says so, and the pinpad undoes by itself what the bank may have done
(the Document, 2.2; section 0.3).
"""

import re
from dataclasses import dataclass
from typing import Final

from smartsale_emu.pan import mask_pan
from smartsale_emu.register.effects import Because, NoAnswer, Outcome
from smartsale_emu.register.requests import Operation
from smartsale_emu.sa.codes import CommandMode, CommandResult, OperationCode, Status
from smartsale_emu.sa.fields import Tag, display
from smartsale_emu.sa.receipt_data import REMAINDER, ReceiptRecord, ReceiptTag, parse_receipt
from smartsale_emu.sa.tlv import Message, Record


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


def till_view(outcome: Outcome, *, operation: Operation) -> TillView:
    """Return what a till shows. ``operation``: the row of the request.

    >>> from smartsale_emu.register.effects import Answered
    >>> from smartsale_emu.register.requests import OPERATIONS
    >>> answer = Answered(Message.of({25: 1, 39: 16, 15: "51", 19: "ОТКЛОНЕНО"}))
    >>> view = till_view(answer, operation=OPERATIONS["sale"])
    >>> view.succeeded, view.message
    (False, 'Оплата товаров и услуг: отклонено банком, код 51. ОТКЛОНЕНО')
    """
    if isinstance(outcome, NoAnswer):
        return TillView(succeeded=False, status=None, message=_unanswered(outcome.because, operation))
    message = outcome.message
    status = message.number(Tag.STATUS)
    succeeded = status == Status.DONE or (Tag.STATUS not in _tags(message) and _served(message, operation))
    return TillView(
        succeeded=succeeded,
        status=status,
        message=_answered(message, Status.DONE if succeeded else status, operation),
        fields=tuple(
            _field(record, operation) for record in message.records if record.tag != Tag.RECEIPT_DATA
        ),
        slips=_slips(message.text(Tag.RECEIPT_DATA) or "", operation),
    )


def _tags(message: Message) -> set[int]:
    return {record.tag for record in message.records}


def _served(message: Message, operation: Operation) -> bool:
    """Tell whether an answer without field 39 brings the report or the copy that was asked for."""
    if operation.mode is None:
        return False
    result = message.text(Tag.COMMAND_RESULT)
    return bool(message.get(Tag.RECEIPT_DATA)) if result is None else result == str(int(CommandResult.OK))


_TRACK = re.compile(r"([0-9]{13,19})[=D][0-9]*")


def _field(record: Record, operation: Operation) -> FieldView:
    """Return a field to look at. Field 52 is a total in a settlement, else the number of a slip."""
    name, text = display(record)
    if record.tag == Tag.SLIP_NUMBER_52 and operation.code is OperationCode.SETTLEMENT:
        name = "VOID_CREDIT_COUNT"
    if record.tag == Tag.TRACK2 and (track := _TRACK.fullmatch(record.value.decode("ascii", "replace"))):
        text = f"{mask_pan(track[1])}=***"
    return FieldView(record.tag, name, text)


def _answered(message: Message, status: int | None, operation: Operation) -> str:
    host_code = message.text(Tag.RESPONSE_CODE_HOST)
    said = _plain(message.text(Tag.TEXT_RESPONSE) or "")
    match status:
        case Status.DONE:
            end = "выполнено"
        case Status.DECLINED:
            end = f"отклонено банком, код {host_code}" if host_code else "отклонено"
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
    return f"{operation.title.russian}: {end}. {said}".rstrip()


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
    Because.VANISHED: "касса пропала со связи",
    Because.ASKED_ANEW: "касса спросила о другом, не дождавшись ответа",
    Because.PINPAD_GONE: "пинпад выключился",
}


_UNDONE: Final = frozenset(
    {
        OperationCode.SALE,
        OperationCode.CASH,
        OperationCode.VOID,
        OperationCode.PREAUTHORIZATION,
        OperationCode.COMPLETION,
        OperationCode.TOP_UP,
        OperationCode.RETURN,
        OperationCode.CREDIT_VOUCHER,
    }
)
"""What the pinpad reverses by itself when it was interrupted (section 0.3)."""

_REPEATED: Final = {
    OperationCode.TEST_CONNECTION: "Повторите проверку.",
    OperationCode.EMERGENCY_REVERSAL: "Повторите аварийную отмену.",
    OperationCode.SETTLEMENT: "Повторите сверку итогов.",
}


def _unanswered(because: Because, operation: Operation) -> str:
    if operation.code in _UNDONE:
        advice = "Если банк её провёл, пинпад сам выполнит аварийную отмену."
    else:
        advice = _REPEATED.get(operation.code, "Повторите запрос.")
    return f"{operation.title.russian}: операция не завершена, {_UNANSWERED[because]}. {advice}"


_COPIES: Final = (ReceiptTag.SLIP, ReceiptTag.CASHIER_COPY)
_REPORTS: Final = frozenset({CommandMode.SHORT_REPORT, CommandMode.FULL_REPORT})
_DETAILS: Final = {
    ReceiptTag.CARD_TYPE: "Карта",
    ReceiptTag.CARD_HOLDER: "Держатель",
    ReceiptTag.AID: "AID",
    ReceiptTag.TVR: "TVR",
    REMAINDER: "Не разобрано",
}


def _slips(text: str, operation: Operation) -> tuple[Slip, ...]:
    titles = dict(zip(_COPIES, _slip_titles(operation), strict=True))
    return tuple(_slip(record, titles) for record in parse_receipt(text))


def _slip_titles(operation: Operation) -> tuple[str, str]:
    """Return what records 0xDF and 0xDA are: a report has no client, but may come twice (section 8)."""
    if operation.mode in _REPORTS or operation.code is OperationCode.SETTLEMENT:
        return operation.title.russian, f"{operation.title.russian}, второй экземпляр"
    if operation.mode is CommandMode.RECEIPT_COPY:
        return "Копия чека клиента", "Копия чека кассира"
    return "Чек клиента", "Чек кассира"


def _slip(record: ReceiptRecord, titles: dict[ReceiptTag, str]) -> Slip:
    if record.tag in _COPIES:
        return Slip(titles[ReceiptTag(record.tag)], record.value.replace("\r\n", "\n"), printed=True)
    detail = record.name or _DETAILS.get(record.tag, f"0x{record.tag:02X}")
    return Slip(detail, record.value, printed=False)
