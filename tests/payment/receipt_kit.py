"""The layouts of the package and the values of one day, for tests of receipts."""

from smartsale_emu.payment.receipt import NEWLINE, Form, ReceiptLayout
from smartsale_emu.runtime.resources import read_receipt_layout

NAMES = ("standard", "compact")


def layout_of(name: str) -> ReceiptLayout:
    text, origin = read_receipt_layout(name)
    return ReceiptLayout.parse(text, origin=origin)


LAYOUTS = {name: layout_of(name) for name in NAMES}

TERMINAL = {
    "number": "0007",
    "date": "23.11.2026",
    "time": "09:30:00",
    "terminal_id": "00060056",
    "merchant_id": "111111111",
    "batch": "000003",
    "currency": "РУБ",
}

CARD = {
    "card_label": "MIR DEBIT",
    "card_number": "************9019",
    "expiry": "12/30",
    "holder": "IVANOV/IVAN",
    "aid": "A0000006582010",
    "tvr": "8000048000",
    "entry": "ЧИП",
}

SALE = {
    **TERMINAL,
    **CARD,
    "title": "ОПЛАТА",
    "copy": "ЧЕК КЛИЕНТА",
    "amount": "12.00",
    "code": "001",
    "reason": "ОДОБРЕНО",
    "authorization_code": "123456",
    "rrn": "632709000007",
    "ern": "42",
}

TOTALS = {
    "debit_count": "12",
    "debit_amount": "1234.00",
    "credit_count": "1",
    "credit_amount": "34.00",
    "void_debit_count": "2",
    "void_debit_amount": "200.00",
    "void_credit_count": "0",
    "void_credit_amount": "0.00",
    "net": "1000.00",
}

DAY = {**TERMINAL, **TOTALS, "title": "СВЕРКА ИТОГОВ", "result": "ИТОГИ СОВПАЛИ"}

ROWS = (
    {
        "row_number": "0001",
        "row_time": "09:00:00",
        "row_title": "ОПЛАТА",
        "row_card": "9019",
        "row_amount": "12.00",
        "row_rrn": "632709000001",
        "row_code": "123456",
    },
    {
        "row_number": "0002",
        "row_time": "09:01:00",
        "row_title": "ЗАВЕРШЕНИЕ ПРЕАВТОРИЗАЦИИ",
        "row_card": "0013",
        "row_amount": "9999999999.99",
        "row_rrn": "632709000002",
        "row_code": "654321",
    },
)


def values_of(form: Form) -> dict[str, str]:
    """Everyday values of a form."""
    return DAY if form in (Form.SETTLEMENT, Form.SHORT_REPORT, Form.FULL_REPORT) else SALE


def paper(golden: str, feed: str) -> str:
    """Return the text that a golden slip stands for: every line ends in CR LF, then the feed."""
    return "".join(line + NEWLINE for line in golden.strip("\n").split("\n")) + feed
