"""The dissector has every row of every table, and is text that Lua can read."""

import re

import pytest

from smartsale_emu.runtime.resources import read_dissector_template
from smartsale_emu.sa.codes import (
    TITLES,
    CommandMode,
    CommandResult,
    ConnectorError,
    Status,
)
from smartsale_emu.sa.fields import FIELDS, Field
from smartsale_emu.sa.receipt_data import ReceiptTag
from smartsale_emu.traces.dissector import dissector, tables

SCRIPT = dissector(read_dissector_template())


def table(name: str) -> str:
    found = re.search(rf"^local {name} = {{\n(.*?)^}}", SCRIPT, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("row", FIELDS.values(), ids=lambda row: row.name)
def test_every_field_is_there(row: Field) -> None:
    assert f'  [{row.number}] = {{ "{row.name}", "{row.meaning}", ' in table("FIELDS")


def test_no_field_is_there_that_the_table_does_not_have() -> None:
    assert len(table("FIELDS").splitlines()) == len(FIELDS)


def test_every_operation_has_its_words() -> None:
    for code, title in TITLES.items():
        assert f'  [{int(code)}] = "{title.english}",' in table("OPERATIONS")


@pytest.mark.parametrize(
    ("name", "values", "rows"),
    [
        ("STATUSES", Status, ['[1] = "done"', '[34] = "no connection"', '[-1] = "no value"']),
        ("COMMANDS", CommandMode, ['[16] = "host connection"', '[22] = "receipt copy"']),
        ("RESULTS", CommandResult, ['[0] = "ok"', '[3] = "no operator window"']),
        ("RECORDS", ReceiptTag, ['[223] = "slip"', '[218] = "cashier copy"', '[79] = "aid"']),
    ],
    ids=["39", "65", "67", "90"],
)
def test_every_number_has_its_words(name: str, values: type[Status], rows: list[str]) -> None:
    made = table(name)
    assert [int(number) for number in re.findall(r"^  \[(-?\d+)\]", made, re.MULTILINE)] == [
        *map(int, values)
    ]
    assert [row for row in rows if f"  {row},\n" not in made] == []


def test_every_connector_error_is_there() -> None:
    for one in ConnectorError:
        assert f'  [{int(one)}] = "{one.name}",' in table("CONNECTOR_ERRORS")


def test_the_texts_are_windows_1251() -> None:
    rows = table("CP1251")
    assert len(rows.splitlines()) == 128
    assert '  [192] = "А",' in rows
    assert '  [184] = "ё",' in rows


def test_every_word_table_is_one_that_there_is() -> None:
    for line in table("WORDS").splitlines():
        assert table(line.rpartition("= ")[2].rstrip(","))


def test_it_says_how_it_was_made() -> None:
    head = SCRIPT[:500]
    assert "-- Made by smartsale-emu" in head
    assert "trace dissector --install" in head
    assert "-- TABLES" not in SCRIPT


def test_a_template_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        dissector("-- nothing")


def test_the_tables_are_lua() -> None:
    """Every line is a number, a table's begin, a row, an end or a comment."""
    line = re.compile(r'local \w+ = (\{|\d+)|\}|-- .*|  \[("\d+/\d+"|-?\d+)\] = (\{.*\}|".*"|[A-Z_]+),')
    for one in tables().splitlines():
        assert line.fullmatch(one), one
