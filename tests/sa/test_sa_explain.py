"""Bytes told to a person."""

import json

import pytest
from frames import VECTORS, Vector
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.sa.explain import Explained, explain
from smartsale_emu.sa.framing import crc16, encode_blocks, encode_frame, encode_message
from smartsale_emu.sa.tlv import Message

FRAME = encode_frame(Message.of({0: 100, 4: 643, 25: 1}).encode())
LEN_TURNED = b"\x02" + FRAME[2:0:-1] + FRAME[3:-2]
LEN_TURNED += crc16(LEN_TURNED).to_bytes(2, "big")


def only(data: bytes) -> Explained:
    (piece,) = explain(data)
    return piece


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_every_vector_is_told_by_name_and_without_problems(vector: Vector) -> None:
    piece = only(bytes.fromhex(vector.frame))
    assert [row.number for row in piece.fields] == [number for number, _ in vector.fields]
    assert not any(row.name.startswith("FIELD_") for row in piece.fields)
    assert piece.problems == ()
    assert len(piece.lines()) == 1 + len(vector.fields)


def test_an_approved_sale_reads_well() -> None:
    vector = next(vector for vector in VECTORS if vector.name == "sale-approved-2018")
    piece = only(bytes.fromhex(vector.frame))
    assert piece.lines()[0] == "    0  frame of 158 bytes: sale"
    shown = {row.name: row.text for row in piece.fields}
    assert (shown["PAN"], shown["TEXT_RESPONSE"]) == ("************6639", "ОДОБРЕНО")
    assert json.loads(json.dumps(piece.as_json()))["fields"][0] == {
        "number": 0,
        "name": "AMOUNT",
        "text": "100",
        "meaning": "amount in minor units",
    }


@pytest.mark.parametrize(
    ("data", "kind", "problem"),
    [
        (FRAME[:-1] + b"\x00", "bad CRC", "these bytes need"),
        (FRAME[:-2] + FRAME[:-3:-1], "bad CRC", "high byte first"),
        (FRAME[:1] + b"\x0f" + FRAME[2:-1], "bad CRC", "TLV: offset 12: field 25 says 1 bytes, 0 are left"),
        (FRAME[:-1], "unfinished", "LEN says 16 bytes of data and 2 of CRC, 17 came"),
        (FRAME[:1] + b"\x20" + FRAME[2:], "unfinished", "it would be right with LEN 16"),
        (LEN_TURNED, "unfinished", "LEN looks written high byte first"),
        (b"\x02\x05", "unfinished", "LEN is not complete"),
        (b"\x02\xff\xff", "noise", "above the limit"),
        (
            encode_frame(b"\x19\x01\x001\x00\x05\x001"),
            "frame",
            "TLV: offset 4: field 0 says 5 bytes, 1 are left",
        ),
        (encode_frame(b"\x19\x01\x001\x19\x01\x002"), "frame", "field 25 stands there more than once"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, kind: str, problem: str) -> None:
    piece = only(data)
    assert piece.kind == kind
    assert any(problem in told for told in piece.problems), piece.problems
    assert any(problem in line for line in piece.lines())


def test_bytes_before_a_frame_and_controls_are_pieces_of_their_own() -> None:
    pieces = explain(b"\xff\xfe\x06" + FRAME + b"\x04")
    assert [(piece.kind, piece.offset) for piece in pieces] == [
        ("noise", 0),
        ("ACK", 2),
        ("frame", 3),
        ("EOT", 3 + len(FRAME)),
    ]
    assert pieces[0].summary == "2 bytes outside any frame: ff fe"


def test_blocks_are_told_one_by_one_and_the_message_at_the_last() -> None:
    wires = encode_message(Message.of({25: 1, 90: "0xDF^^" + "Ч" * 1495 + "~"}).encode())
    pieces = explain(b"".join(wires))
    assert [piece.kind for piece in pieces] == ["block"] * 4
    assert [len(piece.fields) for piece in pieces] == [0, 0, 0, 2]
    assert pieces[-1].summary == "block 0, the last, 33 bytes, 18 of the message; whole message: sale"


def test_blocks_out_of_order_are_told_so() -> None:
    wires = encode_blocks(bytes(1000))
    assert explain(wires[1])[0].problems == ("out of order: block 2 came instead of 1",)


def test_a_broken_block_header_is_told() -> None:
    covered = b"\x01\x02\x00\x00\x00"
    piece = only(covered + crc16(covered).to_bytes(2, "big"))
    assert (piece.kind, piece.summary) == ("bad header", "block of 7 bytes, header broken")


@given(st.binary(max_size=80) | st.binary(max_size=30).map(lambda data: data + FRAME + data))
def test_every_byte_is_in_one_piece(data: bytes) -> None:
    pieces = explain(data)
    assert sum(piece.length for piece in pieces) == len(data)
    assert [piece.offset for piece in pieces] == [
        sum(piece.length for piece in pieces[:place]) for place in range(len(pieces))
    ]
    assert json.dumps([piece.as_json() for piece in pieces])


def test_no_card_data_is_shown_even_of_damaged_frames() -> None:
    pan = "2200123456789019"
    secret = Message.of({10: pan, 12: f"{pan}=3012", 90: f"0xDF^^{pan}~", 200: pan, 0: pan}).encode()
    for data in (
        encode_frame(secret),
        encode_frame(secret)[:-1] + b"\x00",
        b"\xff" + pan.encode(),
        b"\x02\xff" * 9,
    ):
        told = repr(explain(data)) + "".join(line for piece in explain(data) for line in piece.lines())
        assert pan not in told
