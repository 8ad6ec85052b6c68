"""The bank's server: over TCP and TLS, its limits, and its end."""

import asyncio
import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
from bank_lab import DEADLINE, HERE, Ear, Papers, framed, issue_papers, nobodys_address, play, taker

from smartsale_emu.cli import main
from smartsale_emu.emulator.doors import HostBytes
from smartsale_emu.errors import PortError, StateError
from smartsale_emu.host.framing import PLAIN, StreamDecoder
from smartsale_emu.host.session import BankSession, Exchange
from smartsale_emu.runtime import host_server
from smartsale_emu.runtime.bank_link import TcpBank
from smartsale_emu.runtime.host_server import HostServer
from smartsale_emu.runtime.ports import BankAddress, bank_address
from smartsale_emu.runtime.tls import client_tls, server_tls
from smartsale_emu.terminal.events import BankAsked, BankFailed, BankUnreachable

QUESTION = framed(b"0800")
every_way = pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])


class Parrot:
    """A session that says every message back; ``!`` breaks its ledger, ``.`` ends it."""

    def __init__(self) -> None:
        self._stream, self.closed = StreamDecoder(), ""

    def receive(self, data: bytes, at: datetime) -> tuple[bytes, list[Exchange]]:
        messages = self._stream.feed(data)
        if b"!" in messages:
            raise StateError("ledger: no space left on device")
        self.closed = "goodbye" if b"." in messages else ""
        return b"".join(map(PLAIN.frame, messages)), [Exchange(None, None, f"{len(messages)} heard")]


def parrot() -> BankSession:
    return cast("BankSession", Parrot())


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return issue_papers(tmp_path_factory.mktemp("papers"))


class Served:
    """A server at work, its exchanges, and the pinpad's settings to reach it."""

    def __init__(self, papers: Papers, *, tls: bool, ca: Path | None = None) -> None:
        address = BankAddress(HERE, 0, tls=tls)
        settings = server_tls(address, cert=papers.cert, key=papers.key, ca=ca) if tls else None
        self.exchanges: list[str] = []
        self.server = HostServer(
            address, parrot, watch=lambda exchange: self.exchanges.append(exchange.because), tls=settings
        )
        self._tls = client_tls([address], ca=papers.ca) if tls else None

    async def during(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Serve as long as a story lasts; the end of the server ends every connection."""
        name: asyncio.Queue[str] = asyncio.Queue()
        serving = asyncio.create_task(self.server.run(name.put_nowait))
        self.url = await name.get()
        try:
            await story()
        finally:
            self.server.stop()
            await serving

    def link(self, *, keep: bool = False) -> TcpBank:
        return TcpBank([bank_address(self.url, "")], connect_timeout=5, keep=keep, tls=self._tls)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = bank_address(self.url, "")
        return await asyncio.open_connection(address.host, address.port, ssl=self._tls)


async def end_of(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the server ends the connection, politely or not."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def answered(link: TcpBank, number: int, question: bytes = QUESTION) -> None:
    ear = taker(link, question)
    link.call(number, question, ear)
    assert [await ear.next(), await ear.next()] == [BankAsked(number), HostBytes(number, question)]


@every_way
@pytest.mark.parametrize("keep", [False, True])
def test_calls_of_a_pinpad(papers: Papers, tls: bool, keep: bool) -> None:
    async def story() -> None:
        served = Served(papers, tls=tls)

        async def calls() -> None:
            assert served.url.startswith("tls:127.0.0.1:" if tls else "tcp:127.0.0.1:")
            link = served.link(keep=keep)
            for number in range(5):
                await answered(link, number)
            link.close()

        await served.during(calls)
        assert served.exchanges == ["1 heard"] * 5

    play(story)


@every_way
def test_the_end_of_the_server_ends_every_connection(
    papers: Papers, tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        served, readers = Served(papers, tls=tls), []

        async def calls() -> None:
            for _ in range(3):
                reader, writer = await served.connect()
                writer.write(QUESTION)
                assert await reader.readexactly(len(QUESTION)) == QUESTION
                readers.append((reader, writer))

        await served.during(calls)
        for reader, writer in readers:
            assert await end_of(reader) == b""
            writer.transport.abort()

    with caplog.at_level(logging.WARNING):
        play(story)
    assert caplog.records == []


@every_way
def test_a_session_that_ends_takes_its_connection_along(papers: Papers, tls: bool) -> None:
    async def story() -> None:
        served = Served(papers, tls=tls)

        async def calls() -> None:
            reader, writer = await served.connect()
            writer.write(framed(b"."))
            assert await reader.read() == framed(b".")
            writer.close()
            await writer.wait_closed()

        await served.during(calls)

    play(story)


@every_way
def test_a_ledger_that_cannot_be_written_ends_the_server(papers: Papers, tls: bool) -> None:
    async def story() -> None:
        served = Served(papers, tls=tls)

        async def calls() -> None:
            reader, writer = await served.connect()
            writer.write(framed(b"!"))
            assert await reader.read() == b""
            writer.transport.abort()

        with pytest.raises(StateError, match="no space left"):
            await served.during(calls)

    play(story)


@every_way
def test_too_many_connections_are_refused(papers: Papers, tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_server, "MAX_CONNECTIONS", 1)

    async def story() -> None:
        served = Served(papers, tls=tls)

        async def calls() -> None:
            link = served.link(keep=True)
            await answered(link, 1)
            reader, writer = await served.connect()
            assert await end_of(reader) == b""
            writer.transport.abort()
            await answered(link, 2)
            link.close()

        await served.during(calls)

    play(story)


def test_clients_without_a_certificate_are_not_served(papers: Papers) -> None:
    async def story() -> None:
        served = Served(papers, tls=True, ca=papers.ca)

        async def calls() -> None:
            served.link().call(1, QUESTION, ear := Ear())
            assert isinstance(await ear.next(), BankUnreachable)

        await served.during(calls)
        assert served.exchanges == []

    play(story)


def test_an_address_that_is_taken_is_one_line(papers: Papers) -> None:
    async def story() -> None:
        served = Served(papers, tls=False)

        async def again() -> None:
            second = HostServer(bank_address(served.url, ""), parrot, watch=lambda _: None)
            with pytest.raises(PortError) as caught:
                await second.run(lambda _: None)
            assert str(caught.value) == f"{served.url}: address already in use"

        await served.during(again)

    play(story)


class TestCommand:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--listen", "tls:127.0.0.1:0"], "--listen tls: needs --tls-cert FILE and --tls-key FILE"),
            (["--tls-key", "x"], "--tls-key is of use only with --listen tls:HOST:PORT"),
            (["--listen", "pty:"], "--listen 'pty:': a bank is reached over tcp:HOST:PORT or tls:HOST:PORT"),
            (
                ["--listen", "tls:127.0.0.1:0", "--tls-cert", "none"],
                "--tls-cert none: no such file or device",
            ),
        ],
    )
    def test_wrong_options_are_one_line(
        self, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["host", *options]) == 2
        assert capsys.readouterr().err == f"smartsale-emu: {said}\n"

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
    def test_a_bank_behind_tls_in_a_process_of_its_own(self, papers: Papers, tmp_path: Path) -> None:
        options = ["--tls-cert", str(papers.cert), "--tls-key", str(papers.key), "--tls-ca", str(papers.ca)]
        command = [sys.executable, "-m", "smartsale_emu", "host", "--listen", "tls:127.0.0.1:0", *options]
        with subprocess.Popen(
            [*command, "--headless", "--state", str(tmp_path / "bank")],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent.parent,
        ) as process:
            try:
                assert process.stdout is not None
                ready = process.stdout.readline().decode().strip()
                assert ready.startswith("READY port=tls:127.0.0.1:")
                address = bank_address(ready.removeprefix("READY port="), "")
                settings = client_tls([address], ca=papers.ca, cert=papers.client)

                async def story() -> None:
                    link = TcpBank([address], connect_timeout=5, tls=settings)
                    link.call(1, QUESTION, ear := Ear())
                    assert await ear.next() == BankAsked(1)
                    assert isinstance(await ear.next(), HostBytes | BankFailed)  # it does not know such words
                    link.close()

                play(story)
            finally:
                process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE) == 0


def test_tls_needs_settings() -> None:
    with pytest.raises(ValueError, match="needs TLS settings"):
        HostServer(BankAddress(HERE, 0, tls=True), parrot, watch=lambda _: None)


def test_an_address_is_free_again_after_the_end(papers: Papers) -> None:
    async def story() -> None:
        address = await nobodys_address()
        for _ in range(2):
            name: asyncio.Queue[str] = asyncio.Queue()
            server = HostServer(address, parrot, watch=lambda _: None)
            serving = asyncio.create_task(server.run(name.put_nowait))
            assert await name.get() == address.url
            await answered(TcpBank([address], connect_timeout=5), 1)
            server.stop()
            await serving

    play(story)
