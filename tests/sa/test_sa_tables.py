"""Fields, codes and receipt data: the tables are whole, and what they show is safe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.sa.codes import OLD_FORMS, TITLES, CommandMode, ControlByte, OperationCode, Status, title
from smartsale_emu.sa.fields import FIELDS, Policy, Tag, display
from smartsale_emu.sa.framing import Control
from smartsale_emu.sa.receipt_data import REMAINDER, ReceiptRecord, ReceiptTag, build_receipt, parse_receipt
from smartsale_emu.sa.tlv import Record

PAN = "2200123456789019"


# ---------------------------------------------------------------------- fields


def test_every_tag_has_one_row_with_a_meaning_and_a_mark() -> None:
    assert set(FIELDS) == {int(tag) for tag in Tag}
    assert all(row.meaning and row.mark.startswith("[") for row in FIELDS.values())


@pytest.mark.parametrize("number", [12, 16, 17, 18, 36, 40, 41, 44, 47, 95, 97])
def test_secrets_are_hidden(number: int) -> None:
    assert FIELDS[number].policy is Policy.HIDE
    assert display(Record(number, b"1234"))[1] == "‹4 bytes›"


@pytest.mark.parametrize("number", [55, 59, 70, 77, 86, 91])
def test_bulky_and_binary_fields_show_their_length(number: int) -> None:
    assert display(Record(number, b"1234"))[1] == "‹4 bytes›"


@given(
    st.integers(0, 255), st.sampled_from(["{}", "a {} b", "{}=30122011", "x{}", "{}1", "2200 1234 5678 9019"])
)
def test_no_field_shows_a_card_number(number: int, shape: str) -> None:
    shown = display(Record(number, shape.format(PAN).encode()))[1]
    assert PAN not in shown
    assert "123456789" not in shown
    assert "2011" not in shown


@pytest.mark.parametrize(
    ("number", "value", "shown"),
    [
        (0, "00000100", "00000100"),
        (10, "************6639", "************6639"),
        (10, PAN, "220012******9019"),
        (42, PAN, "220012******9019"),
        (10, PAN + "=3012", "‹21 bytes›"),
        (6, "20190225153202", "20190225153202"),
        (6, "22001234567890", "‹14 bytes›"),
        (13, "212840", "212840"),
        (27, "", ""),
        (39, "1", "1"),
        (39, "1234", "‹4 bytes›"),
        (90, "0xDF^^ЧЕК\r\n~", "0xDF^^ЧЕК\\r\\n~"),
        (19, "\x1b[2J", "\\x1b[2J"),
    ],
)
def test_what_is_shown(number: int, value: str, shown: str) -> None:
    assert display(Record(number, value.encode("cp1251"))) == (FIELDS[number].name, shown)


@given(st.integers(0, 255), st.binary(max_size=40))
def test_display_is_one_printable_line_whatever_comes(number: int, value: bytes) -> None:
    name, shown = display(Record(number, value))
    assert name
    assert shown.isprintable()


# ---------------------------------------------------------------------- codes


def test_every_operation_has_both_names() -> None:
    assert set(TITLES) == set(OperationCode)
    assert all(names.english and names.russian for names in TITLES.values())
    assert not OLD_FORMS & {int(code) for code in OperationCode}


def test_names_of_codes_that_are_in_no_enum() -> None:
    assert title(1).russian == "Оплата товаров и услуг"
    assert title(17).english == "old operation 17"
    assert title(200).russian == "неизвестная операция 200"


def test_numbers_that_the_rest_rests_on() -> None:
    assert (Status.DONE, Status.DECLINED, Status.NO_CONNECTION, Status.ABORTED) == (1, 16, 34, 53)
    assert (CommandMode.HOST_CONNECTION, CommandMode.HOST_DATA, CommandMode.RECEIPT_COPY) == (16, 17, 22)
    assert {control.name: control.value for control in Control} == {
        name: int(ControlByte[name]) for name in ("EOT", "ACK", "NAK")
    }


# ---------------------------------------------------------------------- receipt data

names = st.text(st.characters(codec="cp1251", exclude_characters="^~"), max_size=10)
values = st.text(st.characters(codec="cp1251", exclude_characters="^~"), max_size=60)
receipts = st.lists(st.builds(ReceiptRecord, st.integers(0, 255), names, values), max_size=6)


@given(receipts)
def test_a_receipt_round_trips(records: list[ReceiptRecord]) -> None:
    assert parse_receipt(build_receipt(records)) == records


@given(st.text() | st.lists(st.sampled_from(["0xDF", "^", "~", "0x4", "A", "\r\n"])).map("".join))
def test_parsing_never_raises_and_loses_no_text(text: str) -> None:
    records = parse_receipt(text)
    kept = sum(len(record.value) + len(record.name) for record in records)
    marks = sum(7 for record in records if record.tag != REMAINDER)
    spaces = len(text) - len("".join(text.split()))
    assert len(text) - spaces <= kept + marks <= len(text)


def test_the_order_of_the_recorded_receipt() -> None:
    text = "0xDF^^ЧЕК КЛИЕНТА\r\n\r\n~0xDA^^ЧЕК КАССИРА\r\n~0xDE^^VISA Classic~"
    records = parse_receipt(text)
    assert [record.tag for record in records] == [
        ReceiptTag.SLIP,
        ReceiptTag.CASHIER_COPY,
        ReceiptTag.CARD_TYPE,
    ]
    assert build_receipt(records) == text


def test_a_receipt_that_is_cut_off_keeps_its_rest_as_data() -> None:
    assert parse_receipt("x~0xDF^Карта^V~\n0xDA^^cut") == [
        ReceiptRecord(REMAINDER, "", "x~"),
        ReceiptRecord(0xDF, "Карта", "V"),
        ReceiptRecord(REMAINDER, "", "\n0xDA^^cut"),
    ]


@pytest.mark.parametrize(
    "record",
    [ReceiptRecord(0xDF, "", "a~b"), ReceiptRecord(0xDF, "a^b", ""), ReceiptRecord(REMAINDER, "", "x")],
)
def test_separators_in_a_receipt_are_our_own_mistake(record: ReceiptRecord) -> None:
    with pytest.raises(ValueError, match="record"):
        build_receipt([record])
