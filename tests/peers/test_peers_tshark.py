"""The dissector ``iso8583`` of tshark reads the length and every element of our link test and its answer."""

import json
import struct
from datetime import datetime
from pathlib import Path

import pytest
from peers_kit import TSHARK, done, needs_tshark

from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Step, Transaction
from smartsale_emu.runtime.resources import read_bank_profile

pytestmark = needs_tshark

PORT = 8583
AT = datetime(2026, 11, 23, 9, 30, 0)
ECHO = AuthorizationRequest(Step.NETWORK, Transaction.ECHO, 17, AT, "00060056", "111111111")
YES = AuthorizationAnswer(Step.NETWORK, 17, "00", answered_at=AT)
BCD = """
title = "BCD without a TPDU, which tshark does not know"
extends = "nac-bcd"
[wire]
framing = { value = "2B", mark = "assumed", source = "" }
"""
each_packing = pytest.mark.parametrize(
    ("name", "digits"),
    [("ascii", "Digits represented as ASCII Characters"), ("bcd", "Digits represented in nibbles")],
    ids=["ascii", "bcd"],
)


def dialect(name: str) -> Dialect:
    if name == "bcd":
        return Dialect(BankProfile.parse(BCD, "bcd.toml", base=read_bank_profile))
    return Dialect(BankProfile.parse(*read_bank_profile("generic-ascii"), base=read_bank_profile))


def capture(payload: bytes) -> bytes:
    """One packet of TCP over IPv4 to our port, as a file of libpcap (link type 101: raw IP)."""
    tcp = struct.pack(">HHIIBBHHH", 40_000, PORT, 1, 1, 0x50, 0x18, 8192, 0, 0) + payload
    here = bytes([127, 0, 0, 1])
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, here, here) + tcp
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101)
    return head + struct.pack("<IIII", 1, 0, len(ip), len(ip)) + ip


def dissected(framed: bytes, digits: str, file: Path) -> dict[str, str]:
    file.write_bytes(capture(framed))
    options = ("len_endian:Big endian", "binencode:Bin data not encoded", f"charset:{digits}")
    words = [word for option in options for word in ("-o", f"iso8583.{option}")]
    decode = ["-d", f"tcp.port=={PORT},iso8583", "-T", "json", "-J", "iso8583"]
    status, said = done([str(TSHARK), "-r", str(file), *decode, *words])
    assert status == 0, said
    document = json.loads(said[said.index("[\n") : said.rindex("]") + 1])
    layer = document[0]["_source"]["layers"]["iso8583"]
    return {name.removeprefix("iso8583."): value for name, value in layer.items()}


@each_packing
def test_it_reads_our_link_test(name: str, digits: str, tmp_path: Path) -> None:
    ours = dialect(name)
    framed = ours.wire.frame(ours.encode_request(ECHO))
    shown = dissected(framed, digits, tmp_path / "echo.pcap")
    assert int(shown["len"]) == len(framed) - 2
    assert shown["mti"] == "0800"
    assert shown["map1"] == "2220010000c00000"
    assert (shown["bit3"], shown["bit7"], shown["bit11"]) == ("990000", "1123093000", "000017")
    assert shown["bit24"].lstrip("0") == "1"
    assert (shown["bit41"], shown["bit42"]) == ("00060056", "111111111      ")


@each_packing
def test_it_reads_our_answer(name: str, digits: str, tmp_path: Path) -> None:
    ours = dialect(name)
    framed = ours.wire.frame(ours.encode_answer(ECHO, YES))
    shown = dissected(framed, digits, tmp_path / "answer.pcap")
    assert int(shown["len"]) == len(framed) - 2
    assert (shown["mti"], shown["bit11"], shown["bit39"]) == ("0810", "000017", "00")
    assert (shown["bit12"], shown["bit13"], shown["bit41"]) == ("093000", "1123", "00060056")
