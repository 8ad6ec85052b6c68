"""The mock bank as a server: ISO 8583 over TCP or TLS, framed as its profile says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from smartsale_emu.errors import PortError, SetupError, StateError
from smartsale_emu.host.session import BankSession, Exchange
from smartsale_emu.runtime.ports import BankAddress, plain_reason

MAX_CONNECTIONS = 256
HANDSHAKE_S = 10.0
"""How long a client may take for its TLS handshake, and afterwards for its farewell, in seconds."""


class HostServer:
    """Serves a bank on one address. ``watch`` is shown every exchange.

    ``tls`` is needed for a ``tls:`` address (`tls.server_tls`); clients that it refuses are not served.
    """

    def __init__(
        self,
        address: BankAddress,
        connect: Callable[[], BankSession],
        *,
        watch: Callable[[Exchange], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if address.tls and tls is None:
            raise ValueError(f"{address.url} needs TLS settings")
        self._address, self._connect, self._watch = address, connect, watch
        self._tls = tls if address.tls else None
        self._done: asyncio.Future[None] | None = None
        self._open: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def run(self, ready: Callable[[str], None]) -> None:
        """Listen, tell ``ready`` the address as a URL, and serve until ``stop``.

        Raises:
            SetupError: the address cannot be had, or the ledger cannot be written.
        """
        self._done = asyncio.get_running_loop().create_future()
        server = await self._listen()
        async with server:
            host, port = server.sockets[0].getsockname()[:2]
            ready(BankAddress(host, port, tls=self._address.tls).url)
            try:
                await self._done
            finally:
                await self._end_all()

    def stop(self, error: SetupError | None = None) -> None:
        """End ``run``: well, or with an error."""
        if self._done is None or self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)

    async def _end_all(self) -> None:
        """What was sent has left; a client need not say goodbye."""
        for writer in self._open.values():
            writer.transport.abort()
        if serving := [task for task in self._open if task is not None]:
            await asyncio.wait(serving)

    async def _listen(self) -> asyncio.Server:
        patience = HANDSHAKE_S if self._tls else None
        try:
            return await asyncio.start_server(
                self._serve,
                self._address.host,
                self._address.port,
                ssl=self._tls,
                ssl_handshake_timeout=patience,
                ssl_shutdown_timeout=patience,
            )
        except OSError as error:
            raise PortError(f"{self._address.url}: {plain_reason(error)}") from None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        self._open[task] = writer
        try:
            await self._converse(reader, writer)
            writer.close()
            await writer.wait_closed()
        except StateError as error:
            self.stop(error)
        except OSError:
            pass  # the peer is gone; what it asked for is in the ledger
        finally:
            del self._open[task]
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = self._connect()
        while not session.closed and (data := await reader.read(4096)):
            reply, exchanges = session.receive(data, datetime.now().replace(microsecond=0))
            for exchange in exchanges:
                self._watch(exchange)
            writer.write(reply)
            await writer.drain()


@asynccontextmanager
async def served(server: HostServer) -> AsyncIterator[str]:
    """Run a server beside something else, as long as that lasts; gives its address as a URL.

    Raises:
        SetupError: as `HostServer.run`, now or at the end.
    """
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.ensure_future(server.run(listening.set_result))
    try:
        both: set[asyncio.Future[Any]] = {running, listening}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if listening.done():
            yield listening.result()
    finally:
        server.stop()
        await running
