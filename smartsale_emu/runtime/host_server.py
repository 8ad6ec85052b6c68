"""The mock bank as a server of its own: ISO 8583 over TCP, a two-byte length before each message."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from smartsale_emu.errors import PortError, SetupError, StateError
from smartsale_emu.host.session import BankSession, Exchange
from smartsale_emu.runtime.ports import TcpAddress, plain_reason

MAX_CONNECTIONS = 256


class HostServer:
    """Serves a bank on one address. ``watch`` is shown every exchange."""

    def __init__(
        self, address: TcpAddress, connect: Callable[[], BankSession], *, watch: Callable[[Exchange], None]
    ) -> None:
        self._address, self._connect, self._watch = address, connect, watch
        self._done: asyncio.Future[None] | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def run(self, ready: Callable[[str], None]) -> None:
        """Listen, tell ``ready`` the address as a port URL, and serve until ``stop``.

        Raises:
            SetupError: the address cannot be had, or the ledger cannot be written.
        """
        self._done = asyncio.get_running_loop().create_future()
        try:
            server = await asyncio.start_server(self._serve, self._address.host, self._address.port)
        except OSError as error:
            raise PortError(f"{self._address.url}: {plain_reason(error)}") from None
        async with server:
            host, port = server.sockets[0].getsockname()[:2]
            ready(TcpAddress(host, port).url)
            try:
                await self._done
            finally:
                for writer in list(self._open):
                    writer.close()

    def stop(self, error: SetupError | None = None) -> None:
        """End ``run``: well, or with an error."""
        if self._done is None or self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._open.add(writer)
        session = self._connect()
        try:
            while not session.closed and (data := await reader.read(4096)):
                reply, exchanges = session.receive(data, datetime.now().replace(microsecond=0))
                for exchange in exchanges:
                    self._watch(exchange)
                writer.write(reply)
                await writer.drain()
        except StateError as error:
            self.stop(error)
        except OSError:
            pass  # the peer is gone; what it asked for is in the ledger
        finally:
            self._open.discard(writer)
            writer.close()
