"""Our own register on real lines, against a pinpad of twenty lines that knows `Link` only."""

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from smartsale_emu.errors import PortError
from smartsale_emu.register.requests import link_test_request
from smartsale_emu.register.session import (
    Answered,
    Because,
    FinalHabit,
    Habits,
    NoAnswer,
    RegisterEffect,
    RegisterSession,
    Send,
    Waited,
)
from smartsale_emu.runtime.port_table import open_port
from smartsale_emu.runtime.register_line import converse, exchange, open_line
from smartsale_emu.sa.events import LinkEvent, Received, Transmit
from smartsale_emu.sa.link import Link
from smartsale_emu.sa.tlv import Message
from smartsale_emu.units import Millis

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
transports = pytest.mark.parametrize("transport", [pytest.param("pty", marks=POSIX), "tcp"])

ANSWER = Message.of({25: 26, 39: 1})


class TinyPinpad:
    """Answers every request with a wait and an approval."""

    def __init__(self, url: str, link: Path) -> None:
        self.port = open_port(url, default_link=link)
        self.told: list[str] = []
        self._link = Link()

    def line_opened(self) -> None:
        self.told.append("opened")
        self._link.reset()

    def line_received(self, data: bytes) -> None:
        self._follow(self._link.receive(data, self._now()))

    def line_closed(self, because: str) -> None:
        self.told.append("closed")

    def line_failed(self, error: PortError) -> None:
        raise error

    def line_busy(self) -> bool:
        return False

    def _follow(self, events: list[LinkEvent]) -> None:
        for event in events:
            match event:
                case Transmit(data):
                    self.port.write(data)
                case Received():
                    self._follow(self._link.send(Message.of({25: 21}), self._now(), "wait"))
                    self._follow(self._link.send(ANSWER, self._now(), "final"))
                case _:
                    self.told.append(type(event).__name__)

    @staticmethod
    def _now() -> Millis:
        return Millis(time.monotonic_ns() // 1_000_000)


@contextmanager
def pinpad(transport: str, directory: Path) -> Iterator[TinyPinpad]:
    """Run a pinpad in a thread of its own, as a register sees it: somewhere else."""
    tiny = TinyPinpad("pty:" if transport == "pty" else "tcp:127.0.0.1:0", directory / "port")
    ready, stopped = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        await tiny.port.open(tiny)
        ready.set()
        await stopped.wait()
        tiny.port.close()
        await asyncio.sleep(0)

    def run() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(5)
        yield tiny
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(5)


@transports
@pytest.mark.parametrize(
    "habits",
    [
        Habits(),
        Habits(final=FinalHabit.ACK_EOT),
        Habits(byte_by_byte=True),
        Habits(ack_delay=Millis(20)),
    ],
)
def test_a_register_that_reopens_for_every_operation(transport: str, habits: Habits, tmp_path: Path) -> None:
    with pinpad(transport, tmp_path) as tiny:
        for _ in range(10):
            heard: list[RegisterEffect] = []
            session = RegisterSession(link_test_request(), habits=habits)
            assert exchange(tiny.port.name, session, on_effect=heard.append) == Answered(ANSWER)
            assert Waited(1) in heard


@transports
def test_a_register_that_never_closes_its_port(transport: str, tmp_path: Path) -> None:
    with pinpad(transport, tmp_path) as tiny:
        line = open_line(tiny.port.name)
        try:
            for _ in range(50):
                assert converse(line, RegisterSession(link_test_request())) == Answered(ANSWER)
        finally:
            line.close()
    assert tiny.told.count("opened") == 1


def test_ctrl_c_sends_eot() -> None:
    class Keyboard:
        """A line whose reader is interrupted."""

        written = b""

        def read(self, timeout: float) -> bytes:
            raise KeyboardInterrupt

        def write(self, data: bytes) -> None:
            self.written += data

        def close(self) -> None:
            pass

    line = Keyboard()
    session = RegisterSession(link_test_request())
    with pytest.raises(KeyboardInterrupt):
        converse(line, session)
    assert line.written.endswith(b"\x04")
    assert session.outcome == NoAnswer(Because.CANCELLED)


def test_a_pinpad_that_hangs_up_is_an_outcome() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        heard: list[RegisterEffect] = []

        def hang_up(effect: RegisterEffect) -> None:
            heard.append(effect)
            if isinstance(effect, Send):
                server.accept()[0].close()

        outcome = exchange(f"tcp:{host}:{port}", RegisterSession(link_test_request()), on_effect=hang_up)
    assert isinstance(outcome, NoAnswer)
    assert outcome.because is Because.LINE_LOST


@POSIX
def test_a_device_that_disappears_is_an_outcome() -> None:
    master, slave = os.openpty()

    def unplug(effect: RegisterEffect) -> None:
        if isinstance(effect, Send):
            os.close(master)

    outcome = exchange(os.ttyname(slave), RegisterSession(link_test_request()), on_effect=unplug)
    os.close(slave)
    assert isinstance(outcome, NoAnswer)
    assert outcome.because is Because.LINE_LOST


@pytest.mark.parametrize(
    ("port", "message"),
    [
        ("", "port '' is not understood"),
        ("usb:1", "port 'usb:1' is not understood"),
        ("tcp:5555", "port 'tcp:5555' is not understood"),
        pytest.param("/no/such", "serial:/no/such: no such file or device", marks=POSIX),
        pytest.param("no-such", "serial:no-such: no such file or device", marks=POSIX),
        pytest.param("pty:/no/such", "serial:/no/such: no such file or device", marks=POSIX),
    ],
)
def test_a_wrong_port_is_one_clear_line(port: str, message: str) -> None:
    with pytest.raises(PortError) as caught:
        open_line(port)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
    with pytest.raises(PortError, match=rf"^tcp:{host}:{port}: nobody listens there$"):
        open_line(f"tcp:{host}:{port}")


@POSIX
def test_a_port_that_another_register_has(tmp_path: Path) -> None:
    with pinpad("pty", tmp_path) as tiny:
        line = open_line(tiny.port.name)
        with pytest.raises(PortError, match=r"in use by another program$"):
            open_line(tiny.port.name)
        line.close()
