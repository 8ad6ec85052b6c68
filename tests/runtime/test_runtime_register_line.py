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
from smartsale_emu.register.effects import AskCashier
from smartsale_emu.register.requests import link_test_request
from smartsale_emu.register.session import (
    Answered,
    Because,
    FinalHabit,
    Habits,
    NoAnswer,
    RegisterEffect,
    RegisterSession,
    Remarked,
    Send,
    Waited,
)
from smartsale_emu.runtime.port_table import open_port
from smartsale_emu.runtime.register_host import HostChannel
from smartsale_emu.runtime.register_line import CashierWord, converse, exchange, open_line
from smartsale_emu.sa.events import Delivered, LinkEvent, Received, Transmit
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


class AskingPinpad:
    """The far end of a line: asks its questions one after the other, then answers. Keeps the replies."""

    def __init__(self, *asked: dict[int, str | bytes | int | None], patience: float = 10) -> None:
        self.replies: list[Message] = []
        self.patience = patience
        self._asked = [Message.of(fields) for fields in asked]
        self._link = Link()
        self._unread = b""

    def read(self, timeout: float) -> bytes:
        """Wait as a line does, unless there is something to read."""
        if not self._unread:
            time.sleep(min(timeout, 0.005))
            self.patience -= 0.005
            assert self.patience > 0, "the register does not reply"
        data, self._unread = self._unread, b""
        return data

    def write(self, data: bytes) -> None:
        self._follow(self._link.receive(data, Millis(0)))

    def close(self) -> None:
        pass

    def _follow(self, events: list[LinkEvent]) -> None:
        for event in events:
            match event:
                case Transmit(data):
                    self._unread += data
                case Received(message):
                    if message.text(25) != "26":
                        self.replies.append(message)
                    following = self._asked.pop(0) if self._asked else ANSWER
                    self._follow(self._link.send(following, Millis(0), "next"))
                case _:
                    pass


def open_fields(host: str, port: int) -> dict[int, str | bytes | int | None]:
    return {25: 63, 64: 1, 65: 16, 70: f"{host};{port};"}


FETCH: dict[int, str | bytes | int | None] = {25: 63, 64: 1, 65: 17}
CLOSE: dict[int, str | bytes | int | None] = {25: 63, 64: 0, 65: 16, 70: "h;1;"}


def send_fields(data: bytes) -> dict[int, str | bytes | int | None]:
    return {25: 63, 64: 0, 65: 17, 70: data}


@contextmanager
def echo_bank(answers: int = 1) -> Iterator[tuple[str, int, list[bytes]]]:
    """Run a bank that says back what it hears, ``answers`` times, and then hangs up."""
    heard: list[bytes] = []

    def serve(server: socket.socket) -> None:
        client, _ = server.accept()
        with client:
            client.settimeout(10)
            for _ in range(answers):
                data = client.recv(65_536)
                if not data:
                    break
                heard.append(data)
                client.sendall(data)
            if answers > 1:
                heard.append(client.recv(65_536))

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        try:
            yield (*server.getsockname(), heard)
        finally:
            thread.join(10)
            assert not thread.is_alive()


def lent(pinpad: AskingPinpad, channel: HostChannel | None = None) -> list[RegisterEffect]:
    told: list[RegisterEffect] = []
    session = RegisterSession(link_test_request(), channel=True, window=True)
    outcome = converse(
        pinpad, session, channel=channel or HostChannel(fetch_wait=0.05), on_effect=told.append
    )
    assert outcome == Answered(ANSWER)
    return told


def results(pinpad: AskingPinpad) -> list[tuple[str | None, str | None]]:
    return [(reply.text(65), reply.text(67)) for reply in pinpad.replies]


def test_a_bank_reached_through_the_register() -> None:
    payload = bytes(range(256)) * 4
    with echo_bank(answers=2) as (host, port, heard):
        pinpad = AskingPinpad(
            open_fields(host, port),
            FETCH,
            send_fields(payload),
            FETCH,
            send_fields(b"again"),
            FETCH,
            CLOSE,
        )
        lent(pinpad)
    assert results(pinpad) == [
        ("16", "0"),
        ("17", "1"),
        ("17", "0"),
        ("17", "0"),
        ("17", "0"),
        ("17", "0"),
        ("16", "0"),
    ]
    assert [reply.get(70) for reply in pinpad.replies if reply.get(70)] == [payload, b"again"]
    assert heard == [payload, b"again", b""]  # and it saw us close


def test_a_bank_that_hangs_up() -> None:
    with echo_bank(answers=1) as (host, port, _):
        pinpad = AskingPinpad(open_fields(host, port), send_fields(b"x"), FETCH, FETCH, send_fields(b"y"))
        lent(pinpad)
    assert results(pinpad) == [("16", "0"), ("17", "0"), ("17", "0"), ("17", "1"), ("17", "1")]


def test_the_end_of_the_exchange_closes_the_banks_connection() -> None:
    with echo_bank(answers=2) as (host, port, heard):
        lent(AskingPinpad(open_fields(host, port)))
    assert heard == [b""]


def test_a_bank_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
    pinpad = AskingPinpad(open_fields(host, port), open_fields("no-such-host.invalid", 1))
    told = [effect.text for effect in lent(pinpad) if isinstance(effect, Remarked)]
    assert results(pinpad) == [("16", "1"), ("16", "1")]
    assert told == [
        f"the bank was not reached: {host}:{port}: nobody listens there",
        "the bank was not reached: no-such-host.invalid:1: unknown host",
    ]


def test_the_line_is_read_while_the_bank_is_being_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection attempt ends only when a wait that the pinpad sent meanwhile was ACKed."""
    acknowledged = threading.Event()

    class Impatient(AskingPinpad):
        def _follow(self, events: list[LinkEvent]) -> None:
            super()._follow(events)
            if Delivered("next") in events and not self.replies:
                self._follow(self._link.send(Message.of({25: 21}), Millis(0), "wait"))
            if Delivered("wait") in events:
                acknowledged.set()

    def slowly(address: tuple[str, int], timeout: float) -> socket.socket:
        assert acknowledged.wait(5)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", slowly)
    pinpad = Impatient(open_fields("192.0.2.10", 1979))
    told = lent(pinpad)
    assert Waited(1) in told
    assert Remarked("the bank was not reached: 192.0.2.10:1979: no answer") in told
    assert results(pinpad) == [("16", "1")]


class Counter:
    """A cashier who answers at the second look."""

    def __init__(self, word: CashierWord) -> None:
        self.word, self.looks, self.withdrawn = word, 0, 0

    def ask(self, text: str) -> None:
        assert text == "RRN?"

    def said(self) -> CashierWord | None:
        self.looks += 1
        return self.word if self.looks > 1 else None

    def withdraw(self) -> None:
        self.withdrawn += 1


@pytest.mark.parametrize(
    ("word", "reply"),
    [
        (CashierWord("12"), {25: 52, 67: 0, 77: "12"}),
        (CashierWord(None), {25: 52, 67: 3}),
        (CashierWord("", cancelled=True), {25: 52, 67: 1}),
    ],
)
def test_a_question_to_the_cashier(word: CashierWord, reply: dict[int, str | bytes | int | None]) -> None:
    pinpad, cashier = AskingPinpad({25: 52, 76: "RRN?~"}), Counter(word)
    session = RegisterSession(link_test_request(), window=True)
    assert converse(pinpad, session, cashier=cashier) == Answered(ANSWER)
    assert pinpad.replies == [Message.of(reply)]
    assert cashier.withdrawn == 1


def test_a_question_without_a_cashier() -> None:
    pinpad = AskingPinpad({25: 52, 76: "RRN?~"})
    assert AskCashier("RRN?") in lent(pinpad)
    assert pinpad.replies == [Message.of({25: 52, 67: 3})]


def test_ctrl_c_while_the_bank_is_asked_closes_its_connection() -> None:
    class Interrupted(AskingPinpad):
        def read(self, timeout: float) -> bytes:
            if self.replies:
                raise KeyboardInterrupt
            return super().read(timeout)

    with echo_bank(answers=2) as (host, port, heard):
        pinpad = Interrupted(open_fields(host, port), FETCH)
        session = RegisterSession(link_test_request(), channel=True)
        with pytest.raises(KeyboardInterrupt):
            converse(pinpad, session)
    assert heard == [b""]
    assert session.outcome == NoAnswer(Because.CANCELLED)


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
