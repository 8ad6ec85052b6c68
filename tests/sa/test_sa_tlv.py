"""Records and messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.errors import TlvError
from smartsale_emu.sa.tlv import Message, Record, decode_records, encode_records

records = st.lists(st.builds(Record, st.integers(0, 255), st.binary(max_size=300)), max_size=25)


@given(records)
def test_records_round_trip_in_order_repeated_and_unknown_ones_too(given_records: list[Record]) -> None:
    assert decode_records(encode_records(given_records)) == tuple(given_records)


@given(st.binary(max_size=80))
def test_bytes_are_records_or_a_tlv_error(data: bytes) -> None:
    try:
        decoded = decode_records(data)
    except TlvError:
        return
    assert encode_records(decoded) == data


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x19", "offset 0: 1 bytes are too few"),
        (b"\x19\x01\x001\x27\x01", "offset 4: 2 bytes are too few"),
        (b"\x19\x01\x001\x27\x05\x0012", "offset 4: field 39 says 5 bytes, 2 are left"),
    ],
)
def test_what_does_not_fit_is_named_with_its_offset_and_without_its_value(data: bytes, text: str) -> None:
    with pytest.raises(TlvError) as caught:
        decode_records(data)
    assert str(caught.value).startswith(text)


def test_the_last_of_a_repeated_field_counts() -> None:
    message = Message((Record(0, b"100"), Record(25, b"1"), Record(0, b"200")))
    assert (message.get(0), message.text(0), message.repeated) == (b"200", "200", (0,))
    assert Message.parse(message.encode()) == message


def test_a_missing_field_is_not_an_empty_one() -> None:
    message = Message.of({27: "", 13: None})
    assert (message.get(27), message.get(13), message.text(13)) == (b"", None, None)


def test_of_writes_ascending_and_converts() -> None:
    message = Message.of({39: 1, 19: "ОДОБРЕНО", 0: b"100"})
    assert message.records == (Record(0, b"100"), Record(19, "ОДОБРЕНО".encode("cp1251")), Record(39, b"1"))


def test_text_never_raises_and_unwritable_letters_become_question_marks() -> None:
    every_byte = Message((Record(19, bytes(range(256))),)).text(19)
    assert every_byte is not None
    assert len(every_byte) == 256
    assert every_byte[0x98] == "\N{REPLACEMENT CHARACTER}"
    assert Message.of({19: "中 ё"}).text(19) == "? ё"


@pytest.mark.parametrize("record", [Record(256, b""), Record(-1, b""), Record(0, bytes(65536))])
def test_what_fits_no_record_is_our_own_mistake(record: Record) -> None:
    with pytest.raises(ValueError, match="does not fit a record"):
        encode_records([record])
