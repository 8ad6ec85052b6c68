"""The file format pcapng, as much of it as a trace of a line needs.

Source: draft-ietf-opsawg-pcapng, sections 3.1 (block), 3.5 (options), 4.1 (section header), 4.2 (interface
description), 4.3 (enhanced packet). Written by hand: four blocks of plain integers need no library.
All numbers low byte first.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

LINKTYPE_USER0: Final = 147
"""The first of the link types that are free for everybody's own use."""

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER = 0x1A2B3C4D
_COMMENT, _END = 1, 0
_SHB_APPLICATION, _IF_NAME, _IF_DESCRIPTION, _IF_RESOLUTION, _EPB_FLAGS = 4, 2, 3, 9, 2
_MICROSECONDS = b"\x06"
_MAX_OPTION = 0xFFFF


class Way(IntEnum):
    """The direction of a packet in its flags (section 4.3.1), as the pinpad sees it."""

    INBOUND = 1  # register to pinpad
    OUTBOUND = 2  # pinpad to register


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet. ``at``: microseconds since 1970 UTC; ``comment``: UTF-8, empty for none."""

    at: int
    way: Way
    data: bytes
    comment: str = ""


def pcapng(packets: Iterable[Packet], *, name: str, description: str, application: str) -> bytes:
    """Return a whole file with one interface; ``name``, ``description``: of it.

    >>> file = pcapng([Packet(0, Way.INBOUND, b"\\x06")], name="line", description="", application="test")
    >>> file[:4].hex(), len(file) % 4
    ('0a0d0d0a', 0)
    """
    head = struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1)  # version 1.0, length of the section not told
    interface = struct.pack("<HHI", LINKTYPE_USER0, 0, 0)  # no limit of the length
    described = _options(
        (_IF_NAME, name.encode()), (_IF_DESCRIPTION, description.encode()), (_IF_RESOLUTION, _MICROSECONDS)
    )
    parts = [
        _block(_SECTION, head + _options((_SHB_APPLICATION, application.encode()))),
        _block(_INTERFACE, interface + described),
        *(_packet(packet) for packet in packets),
    ]
    return b"".join(parts)


def _packet(packet: Packet) -> bytes:
    size = len(packet.data)
    head = struct.pack("<IIIII", 0, packet.at >> 32, packet.at & 0xFFFFFFFF, size, size)
    flags = struct.pack("<I", packet.way)
    options = _options((_COMMENT, packet.comment.encode()), (_EPB_FLAGS, flags))
    return _block(_PACKET, head + _padded(packet.data) + options)


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _options(*options: tuple[int, bytes]) -> bytes:
    """Write the options that are not empty, and their end."""
    filled = [(code, value[:_MAX_OPTION]) for code, value in options if value]
    written = b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in filled)
    return written + struct.pack("<HH", _END, 0) if filled else b""


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
