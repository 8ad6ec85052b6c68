"""BER-TLV data objects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.payment.ber_tlv import BerTlvError, DataObject, DataObjects, is_tag

LONG = st.integers(0, 7).map(lambda high: high << 5 | 0x1F)
SHORT = st.integers(1, 255).filter(lambda byte: byte & 0x1F != 0x1F)
TAGS = st.one_of(
    st.builds(lambda first: bytes([first]), SHORT),
    st.builds(
        lambda first, more, last: bytes([first, *(byte | 0x80 for byte in more), last]),
        LONG,
        st.lists(st.integers(0, 127), max_size=2),
        st.integers(0, 127),
    ),
).map(lambda tag: tag.hex().upper())
LISTS = st.lists(st.tuples(TAGS, st.binary(max_size=300))).map(DataObjects.of)


@given(LISTS)
def test_what_was_built_reads_back_in_order_with_repeats(objects: DataObjects) -> None:
    assert DataObjects.parse(objects.encode()) == objects


@given(st.lists(st.tuples(TAGS, st.binary(max_size=20), st.integers(0, 3))), st.integers(0, 3))
def test_zeros_between_objects_mean_nothing(parts: list[tuple[str, bytes, int]], before: int) -> None:
    padded = bytes(before) + b"".join(
        DataObjects.of([(tag, value)]).encode() + bytes(zeros) for tag, value, zeros in parts
    )
    assert DataObjects.parse(padded) == DataObjects.of((tag, value) for tag, value, _ in parts)


@given(st.binary(max_size=60))
def test_any_bytes_are_objects_or_a_clean_error(data: bytes) -> None:
    try:
        objects = DataObjects.parse(data)
    except BerTlvError:
        return
    assert DataObjects.parse(objects.encode()) == objects


@pytest.mark.parametrize("size", [0, 127, 128, 255, 256, 65535, 65536])
def test_lengths_of_every_form(size: int) -> None:
    head = {0: "5000", 127: "507F", 128: "508180", 255: "5081FF", 256: "50820100", 65535: "5082FFFF"}
    data = bytes.fromhex(head.get(size, "5083010000")) + bytes(size)
    objects = DataObjects.parse(data)
    assert objects.objects == (DataObject("50", bytes(size)),)
    assert objects.encode() == data


def test_a_length_may_be_longer_than_it_must() -> None:
    assert DataObjects.parse(bytes.fromhex("5084000000014A")).encode().hex().upper() == "50014A"


def test_a_directory_with_two_entries_keeps_both() -> None:
    entries = "610B4F09A00000065810100102 00 610B4F09A00000065820100102"
    directory = bytes.fromhex("BF0C1B" + entries.replace(" ", ""))
    found = DataObjects.parse(directory).objects[0].children()
    assert found.tags() == ("61", "61")
    assert [DataObject("61", value).children().get("4F") for value in found.all("61")] == [
        bytes.fromhex("A00000065810100102"),
        bytes.fromhex("A00000065820100102"),
    ]
    assert (found.get("4F"), found.all("4F"), len(found)) == (None, (), 2)


def test_only_a_constructed_object_opens() -> None:
    assert not DataObject("57", b"").constructed
    with pytest.raises(BerTlvError, match="tag 57: holds no data objects"):
        DataObject("57", bytes.fromhex("500141")).children()


WRONG = {
    "9F": "offset 0: no whole tag",
    "9F8181818101": "offset 0: no whole tag",
    "5001419F26": "offset 3: tag 9F26: its length is missing",
    "9F26081122": "offset 0: tag 9F26: says 8 bytes, 2 are left",
    "5001419F2604112233": "offset 3: tag 9F26: says 4 bytes, 3 are left",
    "5080": "offset 0: tag 50: its length begins with 80",
    "508500000000014A": "offset 0: tag 50: its length begins with 85",
    "00508201": "offset 1: tag 50: its length says 2 bytes, 1 are left",
    "DF810105": "offset 0: tag of 3 bytes: says 5 bytes, 0 are left",
}


@pytest.mark.parametrize(("data", "says"), WRONG.items())
def test_what_is_no_list_is_named_by_offset_and_tag(data: str, says: str) -> None:
    with pytest.raises(BerTlvError) as caught:
        DataObjects.parse(bytes.fromhex(data))
    assert str(caught.value).startswith(says)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("tag", ["", "9", "9F", "9f26", "00", "9F2601", "xx", "9F81818101", "95 "])
def test_what_is_no_tag(tag: str) -> None:
    assert not is_tag(tag)
    with pytest.raises(ValueError, match="a tag is"):
        DataObject(tag, b"")


def test_no_value_is_shown() -> None:
    assert "2200" not in repr(DataObjects.of([("5A", b"2200123456789019")]))
