"""A register that shares no code with the package: its own framing, on pyserial or a socket.

It knows sections 1 to 3 of PROTOCOL.md, written a second time, so that a mistake of the package cannot hide
behind itself. Its habits are those of registers in the field.
"""

import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import serial

ACK, NAK, EOT = b"\x06", b"\x15", b"\x04"
Fields = dict[int, bytes]

SALE: Fields = {0: b"1200", 4: b"643", 25: b"1"}
LINK_TEST: Fields = {25: b"26", 27: b""}


class Gone(Exception):  # noqa: N818
    """The pinpad's end of the line is closed."""


class TimeIsUp(Exception):  # noqa: N818
    """The deadline passed before the unit came."""


def crc16(data: bytes) -> int:
    """Bit by bit, as the sheet says it."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x8005) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc


def frame(fields: Fields) -> bytes:
    """Return one STX frame."""
    body = b"".join(struct.pack("<BH", tag, len(value)) + value for tag, value in fields.items())
    covered = b"\x02" + struct.pack("<H", len(body)) + body
    return covered + struct.pack(">H", crc16(covered))


def fields_of(body: bytes) -> Fields:
    """Read TLV records."""
    fields: Fields = {}
    while body:
        tag, length = struct.unpack_from("<BH", body)
        fields[tag], body = body[3 : 3 + length], body[3 + length :]
    return fields


class Wire:
    """One opened line. ``bare``: a plain descriptor, since pyserial drops unread input when it opens."""

    def __init__(self, port: str, *, bare: bool = False) -> None:
        self._socket: socket.socket | None = None
        self._serial: serial.Serial | None = None
        self._bare: int | None = None
        if port.startswith("tcp:"):
            host, _, number = port.removeprefix("tcp:").rpartition(":")
            self._socket = socket.create_connection((host, int(number)), timeout=10)
        elif bare:
            self._bare = os.open(port, os.O_RDWR | getattr(os, "O_NOCTTY", 0))
        else:
            self._serial = serial.Serial(port, 115_200, timeout=0)

    def fileno(self) -> int:
        if self._socket:
            return self._socket.fileno()
        return int(self._serial.fileno()) if self._serial else self._bare or -1

    def read(self, within: float) -> bytes:
        """Return what comes within so many seconds, or nothing. Raises Gone."""
        try:
            if not select.select([self], [], [], max(0.0, within))[0]:
                return b""
            data = self._socket.recv(4096) if self._socket else os.read(self.fileno(), 4096)
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        return data

    def write(self, data: bytes) -> None:
        try:
            if self._socket:
                self._socket.sendall(data)
            elif self._serial:
                self._serial.write(data)
            else:
                os.write(self.fileno(), data)
        except OSError as error:
            raise Gone from error

    def close(self) -> None:
        if self._socket:
            self._socket.close()
        elif self._serial:
            self._serial.close()
        elif self._bare is not None:
            os.close(self._bare)
            self._bare = None


@dataclass
class Till:
    """A register with habits, on one opened line; ``seen``: every unit it read, in order."""

    wire: Wire
    byte_by_byte: bool = False
    ack_after: float = 0.0  # seconds that it thinks before every ACK
    farewell: bytes = ACK  # what it says to the final answer's last block
    seen: list[bytes] = field(default_factory=list)
    _held: bytes = b""

    def write(self, data: bytes) -> None:
        for piece in [data[place : place + 1] for place in range(len(data))] if self.byte_by_byte else [data]:
            self.wire.write(piece)

    def ask(self, fields: Fields, *, within: float = 30.0) -> Fields:
        """Send a request and return the final answer. Raises TimeIsUp, Gone."""
        self.write(frame(fields))
        return self.answer(within=within)

    def answer(self, *, within: float = 30.0) -> Fields:
        """Acknowledge waits until the final answer is whole, then say farewell."""
        chunks = b""
        for unit in self.units(within):
            if unit[:1] == b"\x02" and fields_of(unit[3:-2]).get(25) == b"21":
                self._say(ACK)
            elif unit[:1] == b"\x02":
                self._say(self.farewell)
                return fields_of(unit[3:-2])
            elif unit[:1] == b"\x01":
                header = 5 + unit[3]
                chunks += unit[header:-2]
                last = fields_of(unit[5:header])[2] == b"0"
                self._say(self.farewell if last else ACK)
                if last:
                    return fields_of(chunks)
        raise TimeIsUp

    def units(self, within: float = 30.0) -> Iterator[bytes]:
        """Yield control bytes and whole good frames as they come, until the deadline. Raises Gone."""
        deadline = time.monotonic() + within
        while (unit := self._next(deadline)) is not None:
            self.seen.append(unit)
            yield unit

    def _next(self, deadline: float) -> bytes | None:
        while True:
            size = 1
            if self._held[:1] in (b"\x01", b"\x02"):
                size = 5 + int.from_bytes(self._held[1:3], "little") if len(self._held) >= 3 else 3
            if self._held and len(self._held) >= size:
                unit, self._held = self._held[:size], self._held[size:]
                assert size == 1 or crc16(unit) == 0, "a damaged frame"
                return unit
            if (left := deadline - time.monotonic()) <= 0:
                return None
            self._held += self.wire.read(left)

    def _say(self, data: bytes) -> None:
        if self.ack_after:
            time.sleep(self.ack_after)  # the habit itself: this register is slow
        self.write(data)
