"""tshark reads our captures with the dissector that we make: every field by its name, and no complaint."""

import json
import re
import struct
from pathlib import Path

import pytest
from peers_kit import TSHARK, done, needs_tshark, ours
from traces.traces_kit import SALE

from smartsale_emu.sa.fields import FIELDS
from smartsale_emu.sa.framing import encode_blocks, encode_frame
from smartsale_emu.sa.tlv import Message, Record, encode_records
from smartsale_emu.traces.pcapng import Packet, Way, pcapng

pytestmark = needs_tshark

COMPLAINTS = ("Lua Error", "Malformed", "exception", "lua:")
PORT = 5555


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("lua") / "sa.lua"
    status, said = done(ours("trace", "dissector", file))
    assert status == 0, said
    return file


@pytest.fixture(scope="module")
def sale(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sale")
    story, trace, file = folder / "story.yaml", folder / "trace.jsonl", folder / "line.pcapng"
    story.write_text(SALE, encoding="utf-8")
    for words in (["play", story, "-q", "--trace", trace], ["trace", "pcapng", trace, file]):
        status, said = done(ours(*words))
        assert status == 0, said
    return file


def read(file: Path, script: Path, *options: str, complaints: tuple[str, ...] = COMPLAINTS) -> str:
    status, said = done([str(TSHARK), "-r", str(file), "-X", f"lua_script:{script}", *options])
    assert status == 0, said
    assert not any(complaint in said for complaint in complaints), said
    lines = said.splitlines()
    return "\n".join(line for line in lines if not line.startswith("Running as user"))


def infos(file: Path, script: Path, *options: str, complaints: tuple[str, ...] = COMPLAINTS) -> list[str]:
    """Return the Info column; ``complaints``: what may not be said."""
    columns = ("-T", "fields", "-e", "_ws.col.Info")
    return read(file, script, *columns, *options, complaints=complaints).splitlines()


def capture(file: Path, *units: tuple[Way, bytes]) -> Path:
    packets = [Packet(at * 1000, way, data) for at, (way, data) in enumerate(units)]
    file.write_bytes(pcapng(packets, name="line", description="", application="test"))
    return file


class TestSale:
    def test_the_list_reads_like_a_story(self, sale: Path, script: Path) -> None:
        told = infos(sale, script)
        assert told[:3] == ["sale 100.00", "ACK of sale", "wait"]
        assert "wait [again]" in told
        finals = [line for line in told if "final: 1 ОДОБРЕНО  (sale 100.00)  RRN 601510000001" in line]
        assert len(finals) == 2
        assert finals[1].endswith("[again]")
        assert told[-1] == "ACK of final"

    def test_the_direction_is_told_once(self, sale: Path, script: Path) -> None:
        first, second, *_ = (line.split(maxsplit=2)[2] for line in read(sale, script).splitlines())
        assert re.sub(" +", " ", first) == "register → pinpad SA 39 sale 100.00"
        assert re.sub(" +", " ", second) == "pinpad → register SA 1 ACK of sale"

    def test_every_field_of_the_answer_stands_there_by_its_name(self, sale: Path, script: Path) -> None:
        tree = read(sale, script, "-V", "-Y", "sa.status")
        for number in (0, 4, 6, 10, 11, 13, 14, 15, 19, 21, 23, 25, 26, 27, 28, 39, 90):
            assert f"    {number} {FIELDS[number].name}: " in tree
        assert "39 STATUS: 1  (done)" in tree
        assert "0 AMOUNT: 10000  (100.00)" in tree
        assert "19 TEXT_RESPONSE: ОДОБРЕНО" in tree
        assert "0xDF slip: " in tree
        assert "0xDA cashier copy: " in tree
        assert "|: ЧЕК КЛИЕНТА" in tree
        assert "[Blocks of the message: 3]" in tree
        assert "CRC is: good" in tree
        assert "CRC is: bad" not in tree

    def test_the_values_can_be_filtered(self, sale: Path, script: Path) -> None:
        names = ["sa.rrn", "sa.amount", "sa.field.39", "sa.operation", "sa.direction"]
        options = [word for name in names for word in ("-e", name)]
        found = read(
            sale, script, "-Y", 'sa.status == 1 && sa.field.14 == "601510000001"', "-T", "fields", *options
        )
        assert found.splitlines()[0].split("\t") == ["601510000001", "10000", "1", "1", "pinpad → register"]
        assert len(infos(sale, script, "-Y", "sa.unit == ACK || sa.crc.status == 0")) >= 5

    def test_direction_time_and_reasons(self, sale: Path, script: Path) -> None:
        names = ("frame.packet_flags_direction", "frame.time_relative", "frame.comment")
        rows = read(sale, script, "-T", "fields", *(word for name in names for word in ("-e", name)))
        first, last = rows.splitlines()[0].split("\t"), rows.splitlines()[-1].split("\t")
        assert int(first[0], 0) == 1
        assert first[2] == "idle → card prompt: operation sale"
        assert float(last[1]) > 20

    def test_the_interface_is_described(self, sale: Path, script: Path) -> None:
        document = json.loads(read(sale, script, "-T", "json", "-c", "1"))
        shown = json.dumps(document, ensure_ascii=False)
        assert "seen from the pinpad" in shown
        assert "SA line" in shown


def test_every_row_of_the_field_table(script: Path, tmp_path: Path) -> None:
    data = encode_records([Record(number, b"1") for number in sorted(FIELDS)])
    file = capture(tmp_path / "all.pcapng", (Way.INBOUND, encode_frame(data)))
    tree = read(file, script, "-V")
    for number, row in FIELDS.items():
        assert f"    {number} {row.name}: 1" in tree
        assert row.meaning in tree


def test_damage_is_named(script: Path, tmp_path: Path) -> None:
    request = encode_frame(Message.of({0: 100, 4: "643", 25: 1, 200: "?"}).encode())
    bad = request[:-1] + bytes((request[-1] ^ 1,))
    misfit = encode_frame(b"\x19\x05\x001")
    twice = encode_frame(encode_records([Record(25, b"1"), Record(25, b"2")]))
    blocks = encode_blocks(bytes(1200))
    units = (request, bad, misfit, twice, blocks[1], b"?!", request[:9], b"\x15")
    file = capture(tmp_path / "bad.pcapng", *((Way.INBOUND, unit) for unit in units))
    told = infos(file, script, complaints=("Lua Error",))
    assert told[0] == "sale 1.00"
    assert told[1].endswith("[CRC BAD]")
    assert "fields do not fill the data" in told[2]
    assert "noise, 2 bytes" in told[5]
    assert "cut short, 9 bytes" in told[6]
    assert told[7] == "NAK"


def tcp(way: Way, data: bytes, sequence: int) -> bytes:
    """A segment of TCP over IPv4; the pinpad listens on our port."""
    ports = (40_000, PORT) if way is Way.INBOUND else (PORT, 40_000)
    head = struct.pack(">HHIIBBHHH", *ports, sequence, 1, 0x50, 0x18, 8192, 0, 0) + data
    here = bytes([127, 0, 0, 1])
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(head), 1, 0, 64, 6, 0, here, here) + head


def test_over_tcp_by_decode_as(script: Path, tmp_path: Path) -> None:
    """A frame in two segments, and a unit beside another in one."""
    request = encode_frame(Message.of({0: 100, 4: "643", 25: 1}).encode())
    wait = encode_frame(Message.of({25: 21}).encode())
    segments = [
        tcp(Way.INBOUND, request[:10], 1),
        tcp(Way.INBOUND, request[10:], 11),
        tcp(Way.OUTBOUND, b"\x06" + wait, 1),
    ]
    file = tmp_path / "tcp.pcap"
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101)
    packets = (struct.pack("<IIII", 1, 0, len(one), len(one)) + one for one in segments)
    file.write_bytes(head + b"".join(packets))
    told = infos(file, script, "-d", f"tcp.port=={PORT},sa")
    assert told[1].endswith("register → pinpad  sale 1.00")
    assert told[2].endswith("pinpad → register  ACK of sale, wait")
