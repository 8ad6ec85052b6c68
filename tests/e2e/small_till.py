"""A register in fifty lines: pyserial, sections 1 to 3 of PROTOCOL.md, and nothing of the package."""

from collections.abc import Iterator

import serial

ACK = b"\x06"


def crc16(data: bytes) -> bytes:
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x8005) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc.to_bytes(2, "big")


def records(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        end = 3 + int.from_bytes(data[1:3], "little")
        yield data[0], data[3:end]
        data = data[end:]


class SmallTill:
    """Opens a port, asks, acknowledges waits and blocks, and returns the fields of the answer."""

    def __init__(self, port: str) -> None:
        self._port = serial.Serial(port, 115200, timeout=30)

    def ask(self, fields: dict[int, bytes]) -> dict[int, bytes]:
        data = b"".join(bytes([number, len(value), 0]) + value for number, value in fields.items())
        frame = b"\x02" + len(data).to_bytes(2, "little") + data
        self._port.write(frame + crc16(frame))
        message = b""
        while True:
            chunk, last = self._unit()
            message += chunk
            if last and dict(records(message)).get(25) != b"21":
                return dict(records(message))
            message = message if not last else b""  # a wait frame is forgotten

    def _unit(self) -> tuple[bytes, bool]:
        """Return the data of the next frame or block, acknowledged, and whether it is the last one."""
        while (start := self._port.read()) not in (b"\x01", b"\x02"):
            assert start, "the pinpad is silent"
        size = self._port.read(2)
        body = self._port.read(int.from_bytes(size, "little"))
        assert crc16(start + size + body) == self._port.read(2), "a damaged frame"
        self._port.write(ACK)
        if start == b"\x02":
            return body, True
        head = 2 + int.from_bytes(body[:2], "little")
        return body[head:], dict(records(body[2:head]))[2] == b"0"
