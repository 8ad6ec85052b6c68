"""Field 90 read back the ways that registers do it; the letters are sources (PROTOCOL.md, section 8)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from receipt_kit import DAY, LAYOUTS, NAMES, ROWS, SALE

from smartsale_emu.payment.receipt import Form
from smartsale_emu.sa.receipt_data import ReceiptRecord, ReceiptTag, build_receipt, parse_receipt

CASHIER = {"copy": "ЧЕК КАССИРА", "signature": "1"}


def field_90(name: str, values: dict[str, str]) -> tuple[str, str, str]:
    """Return the client's slip, the cashier's slip, and the field with both and the card's details."""
    layout = LAYOUTS[name]
    client = layout.render(Form.APPROVED, values)
    cashier = layout.render(Form.APPROVED, values | CASHIER)
    details = ((ReceiptTag.CARD_TYPE, "MIR DEBIT"), (ReceiptTag.AID, "A0000006582010"))
    records = [
        ReceiptRecord(ReceiptTag.SLIP, "", client),
        ReceiptRecord(ReceiptTag.CASHIER_COPY, "", cashier),
        *(ReceiptRecord(tag, "", text) for tag, text in details),
    ]
    return client, cashier, build_receipt(records).encode("cp1251").decode("cp1251")


nasty = st.text(st.characters(), max_size=40) | st.text("0xDA^~\r\n", max_size=30)
values_with = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("title", "holder", "card_label", "reason", "rrn", "ern"), nasty)
).map(lambda given_values: SALE | given_values)
each_layout = pytest.mark.parametrize("name", NAMES)


@each_layout
@given(values=values_with)
def test_n_splits_by_an_expression_and_drops_the_last_character(name: str, values: dict[str, str]) -> None:
    client, cashier, text = field_90(name, values)
    pieces = [piece[:-1] for piece in re.split(r"0x..\^\^", text)[1:]]
    assert pieces == [client, cashier, "MIR DEBIT", "A0000006582010"]


@each_layout
@given(values=values_with)
def test_f_drops_the_character_before_the_first_separator(name: str, values: dict[str, str]) -> None:
    client, cashier, text = field_90(name, values)
    first, second, *_ = text.split("~")
    assert first[:-1] == "0xDF^^" + client[:-1], "a line feed is lost, and no more"
    assert client.endswith("\r\n")
    assert second == "0xDA^^" + cashier


@each_layout
@given(values=values_with)
def test_f_g_and_m_search_for_the_two_records(name: str, values: dict[str, str]) -> None:
    client, cashier, text = field_90(name, values)
    assert text.startswith("0xDF^^")
    assert (text.count("0xDF^^"), text.count("~0xDA^^")) == (1, 1)
    begin, cut = text.index("0xDF^^") + 6, text.index("~0xDA^^")
    assert text[begin:cut] == client
    assert text[cut + 7 : text.index("~", cut + 7)] == cashier


@each_layout
@given(values=values_with)
def test_t_reads_records_in_their_order(name: str, values: dict[str, str]) -> None:
    client, cashier, text = field_90(name, values)
    assert parse_receipt(text) == [
        ReceiptRecord(0xDF, "", client),
        ReceiptRecord(0xDA, "", cashier),
        ReceiptRecord(0xDE, "", "MIR DEBIT"),
        ReceiptRecord(0x4F, "", "A0000006582010"),
    ]


@each_layout
@pytest.mark.parametrize("form", [Form.SETTLEMENT, Form.SHORT_REPORT, Form.FULL_REPORT])
def test_f_makes_one_text_of_two_copies_of_a_report(name: str, form: Form) -> None:
    report = LAYOUTS[name].render(form, DAY, ROWS)
    records = [ReceiptRecord(tag, "", report) for tag in (ReceiptTag.SLIP, ReceiptTag.CASHIER_COPY)]
    text = build_receipt(records).replace("~0xDA^^", "\r\n")
    joined, rest = text.split("~")
    assert (joined, rest) == (f"0xDF^^{report}\r\n{report}", "")


def test_a_full_slip_leaves_in_more_than_one_block() -> None:
    """The recorded one had 1501 bytes of field 90; a block holds 497 (section 1)."""
    _, _, text = field_90("standard", SALE)
    assert 2 * 497 < len(text.encode("cp1251")) < 2000
