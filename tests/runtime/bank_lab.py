"""Banks that do what a test tells them, certificates for them, and an ear for what a call tells."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import trustme

from smartsale_emu.emulator.doors import Event, HostBytes
from smartsale_emu.runtime.bank_link import TcpBank
from smartsale_emu.runtime.ports import BankAddress

DEADLINE = 10.0
HERE = "127.0.0.1"


def framed(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a story within bounds; it must leave no task behind."""

    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE):
            await story()
            for _ in range(5):
                await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(bounded())


@dataclass(frozen=True)
class Papers:
    """PEM files: a bank's for 127.0.0.1 and localhost, a bank's for another name, a client's, two CAs."""

    ca: Path
    cert: Path
    key: Path
    elsewhere: Path
    client: Path
    stranger_ca: Path
    stranger: Path


def issue_papers(directory: Path) -> Papers:
    """Write new papers; ``elsewhere``, ``client`` and ``stranger`` hold certificate and key in one file."""
    ca, other = trustme.CA(), trustme.CA()
    bank = ca.issue_cert(HERE, "localhost")
    papers = Papers(**{name: directory / f"{name}.pem" for name in Papers.__dataclass_fields__})
    ca.cert_pem.write_to_path(str(papers.ca))
    other.cert_pem.write_to_path(str(papers.stranger_ca))
    bank.cert_chain_pems[0].write_to_path(str(papers.cert))
    bank.private_key_pem.write_to_path(str(papers.key))
    for path, leaf in (
        (papers.elsewhere, ca.issue_cert("bank.example")),
        (papers.client, ca.issue_cert("pinpad.example")),
        (papers.stranger, other.issue_cert("pinpad.example")),
    ):
        leaf.private_key_and_cert_chain_pem.write_to_path(str(path))
    return papers


class Visit:
    """One connection as the bank sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._peeked = b""

    async def peek(self) -> bytes:
        """Return the first bytes that come, or none when nothing ever will; `rest` has them too."""
        with contextlib.suppress(ConnectionError):
            self._peeked = await self._reader.read(65_536)
        return self._peeked

    async def some(self) -> bytes:
        """Return the next bytes that come, in any number; none at the end."""
        return await self._reader.read(65_536)

    async def read(self, count: int) -> bytes:
        return await self._reader.readexactly(count)

    async def rest(self) -> bytes:
        """Return all that still comes until the pinpad closes, politely or not."""
        rest = bytearray(self._peeked)
        with contextlib.suppress(ConnectionError):
            while data := await self._reader.read(65_536):
                rest += data
        return bytes(rest)

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    def finish(self) -> None:
        """Say goodbye at once: the system knows before any event loop does."""
        self.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.writer.transport.abort()


class FakeBank:
    """Accepts connections and hands them to the test."""

    def __init__(self, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._tls, self._port = tls, port
        self._visits: asyncio.Queue[Visit] = asyncio.Queue()
        self.visits: list[Visit] = []

    async def __aenter__(self) -> "FakeBank":
        self._server = await asyncio.start_server(self._accepted, HERE, self._port, ssl=self._tls)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for visit in self.visits:
            visit.close()
        await self._server.wait_closed()

    @property
    def address(self) -> BankAddress:
        return BankAddress(HERE, self._port, tls=self._tls is not None)

    async def visit(self) -> Visit:
        return await self._visits.get()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits.append(visit := Visit(reader, writer))
        self._visits.put_nowait(visit)


async def nobodys_address() -> BankAddress:
    """Return an address where nobody listens."""
    async with FakeBank() as bank:
        return bank.address


class Ear:
    """What is told of one call. ``on`` lets a test act from within the telling."""

    def __init__(self, on: Callable[[Event], None] = lambda _: None) -> None:
        self._on = on
        self.told: list[Event] = []
        self._queue: asyncio.Queue[Event] = asyncio.Queue()

    def __call__(self, event: Event) -> None:
        self.told.append(event)
        self._queue.put_nowait(event)
        self._on(event)

    async def next(self) -> Event:
        return await self._queue.get()


def taker(bank: TcpBank, whole: bytes) -> Ear:
    """Return an ear that hangs up as the pinpad does: from within the telling of the answer's last byte."""

    def take(event: Event) -> None:
        if isinstance(event, HostBytes):
            heard = b"".join(told.data for told in ear.told if isinstance(told, HostBytes))
            if len(heard) >= len(whole):
                bank.hang_up(event.call, answered=True)

    ear = Ear(take)
    return ear
