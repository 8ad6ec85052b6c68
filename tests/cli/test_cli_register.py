"""``register`` as its user meets it: options, progress, questions, what is printed, the exit status."""

import io
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from smartsale_emu.cli import main
from smartsale_emu.cli.parser import build_parser
from smartsale_emu.cli.register_cashier import KeyboardCashier
from smartsale_emu.register.requests import OPERATIONS
from smartsale_emu.runtime.register_line import CashierWord
from smartsale_emu.sa.events import LinkEvent, Received, Transmit
from smartsale_emu.sa.link import Link
from smartsale_emu.sa.tlv import Message
from smartsale_emu.units import Millis

Fields = dict[int, str | bytes | int | None]
TRACK = "2200123456789019=30122010000000000"


@dataclass
class Pinpad:
    """Says what it was given, one message after another, to the first register that comes."""

    says: list[Message]
    port: str = ""
    heard: list[Message] = field(default_factory=list)
    link: Link = field(default_factory=Link)

    def serve(self, server: socket.socket) -> None:
        client, _ = server.accept()
        with client:
            client.settimeout(10)
            while data := client.recv(65_536):
                self._follow(client, self.link.receive(data, Millis(0)))

    def _follow(self, client: socket.socket, events: list[LinkEvent]) -> None:
        for event in events:
            match event:
                case Transmit(data):
                    client.sendall(data)
                case Received(message):
                    self.heard.append(message)
                    if self.says:
                        self._follow(client, self.link.send(self.says.pop(0), Millis(0), "next"))
                case _:
                    pass


@contextmanager
def pinpad(*says: Fields) -> Iterator[Pinpad]:
    """Run a pinpad on a TCP port until its register has gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        host, port = server.getsockname()
        served = Pinpad([Message.of(fields) for fields in says], f"tcp:{host}:{port}")
        thread = threading.Thread(target=served.serve, args=(server,))
        thread.start()
        try:
            yield served
        finally:
            thread.join(10)
            assert not thread.is_alive()


WORDS = {
    "amount": ["12.00"],
    "rrn": ["--rrn", "000000000012"],
    "code": ["--code", "123456"],
}


def words_of(name: str) -> list[str]:
    """Return the least that this operation can be called with."""
    needed = sorted(OPERATIONS[name].needs)
    return ["register", name, *(word for argument in needed for word in WORDS[argument])]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_asked_and_told(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    row = OPERATIONS[name]
    with pinpad({25: int(row.code), 39: 1, 90: "0xDF^^ТЕКСТ\r\n~"}) as served:
        assert main([*words_of(name), "--port", served.port]) == 0
    printed = capsys.readouterr().out
    assert f"{row.title.russian}: выполнено." in printed
    assert "ТЕКСТ" in printed
    (request,) = served.heard
    assert request.text(25) == str(int(row.code))
    assert request.text(65) == (None if row.mode is None else str(int(row.mode)))


def test_every_option_reaches_the_request() -> None:
    words = ["void", "12.00", "--rrn", "12", "--code", "AB", "--slip", "7", "--original-amount", "50"]
    words += ["--ern", "3", "--currency", "933", "--terminal-id", "00266286", "--card-within", "20"]
    with pinpad({25: 4, 39: 16}) as served:
        assert main(["register", *words, "--track2", TRACK, "--port", served.port, "--json"]) == 1
    shown = {record.tag: record.value.decode() for record in served.heard[0].records}
    expected = {0: "1200", 1: "5000", 4: "933", 8: "2", 12: TRACK, 13: "AB", 14: "12", 25: "4"}
    assert shown == expected | {26: "3", 27: "00266286", 57: "20", 108: "7"}


@pytest.mark.parametrize(
    "words",
    [
        ["void"],
        ["raise", "12"],
        ["raise", "12", "--rrn", "1"],
        ["settlement", "12"],
        ["test", "--rrn", "1"],
        ["sale", "12", "--rrn", "1"],
        ["void", "12", "--rrn", "1234567890123"],
        ["void", "12", "--rrn", ""],
        ["void", "12", "--code", "123456789"],
        ["void", "12", "--slip", "x"],
        ["sale", "12", "--card-within", "0"],
        ["sale", "12", "--card-within", "3601"],
        ["sale", "12", "--track2", "2200123456789019"],
        ["sale", TRACK],
        ["void", "12", "--rrn", TRACK],
        ["void", "12", "--ern", TRACK],
        ["void", "12", "--slip", "2200123456789019"],
    ],
)
def test_bad_options_end_with_status_2_and_repeat_no_card(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["register", *words, "--port", "COM1"])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("usage: smartsale-emu ")
    assert "2200123456789019" not in error


def test_no_secret_in_what_was_read() -> None:
    args = build_parser().parse_args(["register", "sale", "12", "--track2", f";{TRACK}?", "--port", "COM1"])
    assert args.track2.reveal() == TRACK
    assert "2200" not in repr(args)


def test_the_channel_is_lent_and_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        host, port = closed.getsockname()
    with pinpad({25: 63, 64: 1, 65: 16, 70: f"{host};{port};"}, {25: 26, 39: 34}) as served:
        assert main(["register", "test", "--port", served.port]) == 1
    error = capsys.readouterr().err
    assert f"… reaching the bank for the pinpad: {host}:{port}\n" in error
    assert "! the bank was not reached: " in error
    assert served.heard[1] == Message.of({25: 63, 65: 16, 67: 1})


def test_no_channel(capsys: pytest.CaptureFixture[str]) -> None:
    with pinpad({25: 63, 64: 1, 65: 16, 70: "192.0.2.10;1979;"}, {25: 26, 39: 34}) as served:
        assert main(["register", "test", "--no-channel", "--port", served.port]) == 1
    assert served.heard[1] == Message.of({25: 63, 65: 16, 67: 1})
    assert "reaching" not in capsys.readouterr().err


QUESTION: Fields = {25: 52, 76: "4^1^5^Отмена^Введите RRN~"}


def test_answers_given_beforehand(capsys: pytest.CaptureFixture[str]) -> None:
    with pinpad(QUESTION, QUESTION, QUESTION, {25: 4, 39: 1}) as served:
        words = ["register", "void", "12", "--answer", "000000000012", "--answer", "ДА"]
        assert main([*words, "--port", served.port]) == 0
    assert served.heard[1:] == [
        Message.of({25: 52, 67: 0, 77: "000000000012"}),
        Message.of({25: 52, 67: 0, 77: "ДА"}),
        Message.of({25: 52, 67: 3}),
    ]
    assert "? Введите RRN\n" in capsys.readouterr().err


def test_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pinpad(QUESTION, {25: 4, 39: 53}) as served:
        assert main(["register", "void", "12", "--port", served.port, "--json"]) == 1
    assert served.heard[1] == Message.of({25: 52, 67: 3})


def test_a_report_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    with pinpad({25: 63, 65: 20, 67: 0, 90: "0xDF^^ИТОГИ\r\n~"}) as served:
        assert main(["register", "short-report", "--port", served.port, "--json"]) == 0
    view = json.loads(capsys.readouterr().out)
    assert (view["succeeded"], view["status"]) == (True, None)
    assert view["slips"] == [{"title": "Краткий отчёт", "text": "ИТОГИ\n", "printed": True}]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
class TestKeyboard:
    @pytest.fixture
    def keyboard(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
        """A terminal as standard input; the descriptor of whoever types."""
        master, slave = os.openpty()
        with os.fdopen(slave, encoding="utf-8") as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            yield master
            os.close(master)

    @staticmethod
    def answer(cashier: KeyboardCashier) -> CashierWord:
        deadline = time.monotonic() + 10
        while (word := cashier.said()) is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        return word

    @pytest.mark.parametrize(
        ("typed", "word"),
        [
            ("0012\n", CashierWord("0012")),
            ("да\n", CashierWord("да")),
            ("\n", CashierWord("")),
            ("\x04", CashierWord("", cancelled=True)),
        ],
    )
    def test_a_line_is_the_answer(self, keyboard: int, typed: str, word: CashierWord) -> None:
        cashier = KeyboardCashier()
        cashier.ask("RRN?")
        os.write(keyboard, typed.encode())
        assert self.answer(cashier) == word

    def test_a_line_for_a_withdrawn_question_is_no_answer(
        self, keyboard: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cashier = KeyboardCashier()
        cashier.ask("RRN?")
        cashier.withdraw()
        os.write(keyboard, b"late\n")
        while cashier._lines.empty():
            time.sleep(0.002)
        cashier.ask("Code?")
        os.write(keyboard, b"123\n")
        assert self.answer(cashier) == CashierWord("123")
        assert "! the question was withdrawn" in capsys.readouterr().err

    def test_the_user_is_asked(self, keyboard: int, capsys: pytest.CaptureFixture[str]) -> None:
        os.write(keyboard, b"000000000012\n")
        with pinpad(QUESTION, {25: 4, 39: 1}) as served:
            assert main(["register", "void", "12", "--port", served.port]) == 0
        assert served.heard[1] == Message.of({25: 52, 67: 0, 77: "000000000012"})
        assert "? Введите RRN (Enter: OK, Ctrl-D: cancel) " in capsys.readouterr().err
