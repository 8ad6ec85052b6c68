"""A small register: it knows the SA protocol and pyserial, and nothing of the pinpad that it talks to."""

import time
from typing import Self

import serial

STX, SOH, ACK, NAK = b"\x02", b"\x01", b"\x06", b"\x15"
AMOUNT, CURRENCY, CODE, RRN, OPERATION, STATUS = 0, 4, 13, 14, 25, 39
SALE, VOID, WAIT, REVERSAL, SETTLEMENT = 1, 4, 21, 53, 59
Fields = dict[int, str]


class NoAnswer(Exception):  # noqa: N818
    """The pinpad has not answered in time: whether it has taken the money, nobody knows."""


def crc16(data: bytes) -> bytes:
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x8005) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc.to_bytes(2, "big")


def encode(fields: Fields) -> bytes:
    texts = {number: text.encode("cp1251") for number, text in fields.items()}
    body = b"".join(
        bytes([number]) + len(text).to_bytes(2, "little") + text for number, text in texts.items()
    )
    frame = STX + len(body).to_bytes(2, "little") + body
    return frame + crc16(frame)


def decode(body: bytes) -> Fields:
    fields = {}
    while body:
        end = 3 + int.from_bytes(body[1:3], "little")
        fields[body[0]], body = body[3:end].decode("cp1251"), body[end:]
    return fields


class Register:
    """Asks a pinpad. ``patience``: seconds that it waits for the pinpad's next word."""

    def __init__(self, port: str, *, patience: float = 45.0) -> None:
        self._line = serial.serial_for_url(port, baudrate=115_200, timeout=patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    def pay(self, amount: int) -> Fields:
        """Ask for a sale, in minor units; where no answer comes, make sure that nothing was taken."""
        try:
            return self.ask({AMOUNT: str(amount), CURRENCY: "643", OPERATION: str(SALE)})
        except NoAnswer:
            self._line.close()
            self._line.open()
            return self.ask({AMOUNT: str(amount), CURRENCY: "643", OPERATION: str(REVERSAL)})

    def ask(self, fields: Fields) -> Fields:
        """Send a request and return the final answer. Raises NoAnswer."""
        self._line.write(encode(fields))
        chunks = b""
        while True:
            start, body = self._frame()
            self._line.write(ACK)
            if start == SOH:  # a block: its header says whether it is the last one
                header = 2 + int.from_bytes(body[:2], "little")
                chunks += body[header:]
                if decode(body[2:header])[2] != "0":
                    continue
            answer = decode(chunks or body)
            if answer[OPERATION] != str(WAIT):
                return answer
            chunks = b""

    def _frame(self) -> tuple[bytes, bytes]:
        """Return the next sound frame: what it begins with, and its data. One that is damaged gets a NAK."""
        while True:
            start = self._read(1)
            if start in (STX, SOH):
                size = self._read(2)
                body, crc = self._read(int.from_bytes(size, "little")), self._read(2)
                if crc == crc16(start + size + body):
                    return start, body
                time.sleep(0.1)  # let the rest of a damaged frame come, and drop it
                self._line.reset_input_buffer()
                self._line.write(NAK)

    def _read(self, size: int) -> bytes:
        data: bytes = self._line.read(size)
        if len(data) < size:
            raise NoAnswer
        return data
