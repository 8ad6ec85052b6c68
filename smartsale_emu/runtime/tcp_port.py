"""``tcp:HOST:PORT`` the register connects to us (PROTOCOL.md, section 3, "Transport").

A new connection is a new session: it replaces an idle one, and is refused while an operation runs (section
0.1).
"""

import asyncio
import contextlib
import socket

from smartsale_emu.errors import PortError
from smartsale_emu.runtime.ports import LineListener, TcpAddress, plain_reason

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class TcpPort:
    """Listens on one address and serves one connection at a time."""

    def __init__(self, address: TcpAddress) -> None:
        self._address = address
        self.name = address.url
        self._server: asyncio.Server | None = None
        self._line: _Line | None = None

    async def open(self, listener: LineListener) -> None:
        """See `ports.Port.open`; afterwards ``name`` holds the port that was taken."""
        self._listener = listener
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Line(self), self._address.host, self._address.port
            )
        except socket.gaierror:
            raise PortError(f"{self._address.url}: unknown host") from None
        except OSError as error:
            raise PortError(f"{self._address.url}: {plain_reason(error)}") from None
        port: int = self._server.sockets[0].getsockname()[1]
        host = _ANY_ADDRESS.get(self._address.host, self._address.host)
        self.name = TcpAddress(host, port).url

    def write(self, data: bytes) -> None:
        """See `ports.Port.write`; nobody connected: nobody to hear it."""
        if self._line and not self._line.transport.is_closing():
            self._line.transport.write(data)

    def flush(self) -> None:
        """Nothing to do: what a connection did not read dies with the connection."""

    def close(self) -> None:
        """See `ports.Port.close`."""
        if self._server:
            self._server.close()
            self._server = None
        if self._line:
            line, self._line = self._line, None
            line.transport.close()

    def connected(self, line: "_Line") -> None:
        """Take a new connection, or refuse it untouched while an operation runs."""
        if self._server is None or (self._line and self._listener.line_busy()):
            line.transport.abort()
            return
        if self._line:
            old, self._line = self._line, None
            old.transport.abort()
            self._listener.line_closed("a new connection replaced it")
        self._line = line
        self._listener.line_opened()

    def received(self, line: "_Line", data: bytes) -> None:
        """Pass bytes on, if they come from the connection that we serve."""
        if line is self._line:
            self._listener.line_received(data)

    def lost(self, line: "_Line", error: Exception | None) -> None:
        """Tell that the connection is over, if it is the one that we serve."""
        if line is self._line:
            self._line = None
            reason = "the connection broke" if error else "the register closed the connection"
            self._listener.line_closed(reason)


class _Line(asyncio.Protocol):
    """One connection, whoever is behind it."""

    transport: asyncio.Transport

    def __init__(self, port: TcpPort) -> None:
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        connection = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._port.connected(self)

    def data_received(self, data: bytes) -> None:
        self._port.received(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._port.lost(self, exc)
