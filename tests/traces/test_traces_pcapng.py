"""The capture file byte by byte, and what of a trace goes into it."""

import json
from datetime import datetime

import pytest
from traces_kit import SALE, blocks, ours, packets, played, trace

from smartsale_emu.errors import TraceError
from smartsale_emu.sa.framing import Control, Frame, FrameDecoder, Garbage, crc16
from smartsale_emu.traces.capture import capture, packets_of
from smartsale_emu.traces.pcapng import Packet, Way, pcapng
from smartsale_emu.traces.records import TraceText

FILE = """
 0a0d0d0a 28000000 4d3c2b1a 0100 0000 ffffffffffffffff 0400 0100 65 000000 0000 0000 28000000
 01000000 30000000 9300 0000 00000000 0200 0100 6e 000000 0300 0100 64 000000 0900 0100 06 000000
 0000 0000 30000000
 06000000 38000000 00000000 0f270500 d5e3a06c 02000000 02000000 0615 0000
 0100 0300 796573 00 0200 0400 01000000 0000 0000 38000000
"""


def captured(text: TraceText) -> bytes:
    return capture(packets_of(text))


def test_a_file_byte_by_byte() -> None:
    one = Packet(0x0005270F6CA0E3D5, Way.INBOUND, b"\x06\x15", "yes")
    assert pcapng([one], name="n", description="d", application="e") == bytes.fromhex(FILE)


@pytest.mark.parametrize("size", range(9))
def test_every_length_is_padded(size: int) -> None:
    data, comment = bytes(range(size)), "я" * size
    file = pcapng([Packet(1, Way.OUTBOUND, data, comment)], name="n" * size, description="", application="")
    (read,) = packets(file)
    assert (read.data, read.comment, read.inbound) == (data, comment, False)


def test_a_comment_too_long_is_cut_short() -> None:
    (read,) = packets(
        pcapng([Packet(1, Way.INBOUND, b"", "x" * 70_000)], name="", description="", application="")
    )
    assert len(read.comment) == 0xFFFF


def test_the_interface_says_what_it_is() -> None:
    head, interface, *_ = blocks(captured(trace(played(SALE))))
    assert head.options[4].startswith(b"smartsale-emu ")
    assert interface.body[:2] == (147).to_bytes(2, "little")
    assert interface.options[2] == b"SA line"
    assert b"seen from the pinpad" in interface.options[3]


class TestSale:
    """One sale with a PIN, waits, a lost ACK, and an answer of several blocks that is lost once."""

    def test_every_unit_is_a_packet_of_its_own(self) -> None:
        for packet in packets(captured(trace(played(SALE)))):
            (unit,) = FrameDecoder(0xFFFF).feed(packet.data)
            assert not isinstance(unit, Garbage)

    def test_who_said_what(self) -> None:
        said = [(one.inbound, one.data[0]) for one in packets(captured(trace(played(SALE))))]
        assert said[:5] == [(True, 2), (False, 6), (False, 2), (False, 2), (True, 6)], "a wait goes out again"
        assert said.count((False, 1)) == 4, "three blocks, the last twice"
        assert said[-1] == (True, 6)

    def test_the_times_are_those_of_the_trace(self) -> None:
        text = trace(played(SALE))
        frames = [record for record in text.records if record.kind == "frame"]
        read = packets(captured(text))
        assert [one.at for one in read] == [round(one.at.timestamp() * 1e6) for one in frames]
        assert read[-1].at - read[0].at > 20_000_000, (
            "a slow customer, and twice seven seconds without an ACK"
        )

    def test_the_reasons_are_comments(self) -> None:
        comments = [one.comment for one in packets(captured(trace(played(SALE))))]
        assert "idle → card prompt: operation sale" in comments[0]
        assert any(comment.startswith("the final answer; block 1 of 3") for comment in comments)
        assert any("copy 2 of 3: no ACK in 7000 ms" in comment for comment in comments)
        assert "answering → idle" in comments[-1]

    def test_no_card_number_is_in_it(self) -> None:
        assert b"2200123456789019" not in captured(trace(played(SALE)))


def test_bytes_of_no_unit_are_packets_too() -> None:
    noise = packets(captured(trace(ours("line/noise-before-frames"))))
    assert noise[0].inbound
    assert isinstance(FrameDecoder().feed(noise[0].data)[0], Garbage)
    cut = packets(captured(trace(ours("line/request-cut-short"))))
    assert cut[0].data[0] == 2
    assert FrameDecoder().feed(cut[0].data) == []
    bad = packets(captured(trace(ours("line/request-damaged"))))
    assert crc16(bad[0].data) != 0


def test_what_the_register_carries_for_the_bank_is_masked_and_says_so() -> None:
    read = packets(captured(trace(ours("everyday/sale-through-the-register"))))
    masked = [one for one in read if "masked: 70 FILE_DATA" in one.comment]
    assert masked
    for one in masked:
        (frame,) = FrameDecoder(0xFFFF).feed(one.data)
        assert isinstance(frame, Frame), "its CRC is right"
        assert b"*" * 18 in frame.data
        assert "a CRC is that of the masked bytes" in one.comment


def test_an_eot_before_a_repeat_is_a_packet_of_its_own() -> None:
    line = '{"time":"2026-01-15T10:00:00.000","ms":0,"kind":"frame","direction":"out","unit":"STX",'
    text = trace((line + '"bytes":11,"hex":"0402050019020032 31a5c2","because":"frame"}').encode())
    assert [one.data for one in packets_of(text)] == [
        Control.EOT.wire,
        bytes.fromhex("02050019020032 31a5c2"),
    ]


def frame(**details: object) -> bytes:
    head = {"time": datetime(2026, 1, 15).isoformat(), "ms": 0, "kind": "frame", "because": ""}
    return json.dumps(head | details).encode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "trace.jsonl: there is no frame in it"),
        (frame(direction="out", bytes=1), "trace.jsonl:1: a frame without its bytes"),
        (
            b"\n" + frame(direction="out", hex="0"),
            "trace.jsonl:2: the bytes of this frame are not hexadecimal",
        ),
        (frame(hex="06"), "trace.jsonl:1: a frame is in or out"),
    ],
    ids=["empty", "old", "not-hex", "no-direction"],
)
def test_what_is_wrong_is_one_line(text: bytes, said: str) -> None:
    with pytest.raises(TraceError) as raised:
        captured(trace(text))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
