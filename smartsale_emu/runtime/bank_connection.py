"""One connection to a bank: TCP, with TLS on it if the address says so.

No message leaves before the connection is sound, TLS handshake included; `Connection.send` is the only way
for one to leave, and after `Connection.abort` not one more byte leaves.
"""

import asyncio
import selectors
import socket
import ssl
from collections.abc import Callable

from smartsale_emu.errors import ChannelError
from smartsale_emu.runtime.ports import BankAddress, plain_reason
from smartsale_emu.runtime.tls import TlsLayer

VERDICT_S = 0.5
"""How long a bank of TLS 1.3 may be silent about our certificate until no news is good news, in seconds.

The client of TLS 1.3 is done before the server has seen its certificate. OpenSSL's servers send session
tickets when they are content; some servers send nothing.
"""


class Connection(asyncio.Protocol):
    """One connection. What it hears goes to its listener; with no listener, hearing anything ends it."""

    def __init__(self, layer: TlsLayer | None) -> None:
        self._layer = layer
        self._transport: asyncio.Transport | None = None
        self._ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._verdict: asyncio.TimerHandle | None = None
        self._patience = VERDICT_S
        self._heard: Callable[[bytes], None] | None = None
        self._ended: Callable[[str], None] | None = None
        self.over = ""  # why it is of no more use; "" while it is

    async def dial(self, address: BankAddress, within: float) -> str:
        """Connect within so many seconds, TLS included; return "", or why it did not come to be."""
        loop = asyncio.get_running_loop()
        self._patience = min(VERDICT_S, within / 4)
        try:
            async with asyncio.timeout(within):
                await loop.create_connection(lambda: self, address.host, address.port)
                failed = await self._ready
        except OSError as error:
            failed = _dial_reason(error)
        except BaseException:
            self.abort()
            raise
        if failed:
            self.abort()
        return failed or self.over

    def listen(self, heard: Callable[[bytes], None], ended: Callable[[str], None]) -> None:
        """Tell ``heard`` the plain bytes that come, in any slicing, and ``ended`` why it is over."""
        self._heard, self._ended = heard, ended

    def rest(self) -> None:
        """Nobody listens any more; the connection waits for its next message."""
        self._heard = self._ended = None

    def usable(self) -> bool:
        """Tell whether a message may leave on it after a rest.

        The system is asked, not only the event loop, which may not know yet: an idle connection on which
        there is something to read has either ended or brings what nobody asked for.
        """
        if self.over or self._transport is None or (self._layer and self._layer.broken):
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self._transport.get_extra_info("socket"), selectors.EVENT_READ)
            return not selector.select(0)

    def send(self, plain: bytes) -> None:
        """Send one message."""
        if self._transport is None or self.over:
            return
        try:
            data = self._layer.seal(plain) if self._layer else plain
        except ChannelError as error:
            self._end(str(error))
            return
        self._transport.write(data)

    def close(self) -> None:
        """End it politely. Does not linger: what the system does not take at once is dropped."""
        if self._transport and not self.over and self._layer:
            self._transport.write(self._layer.close())
        self.abort()

    def abort(self) -> None:
        """End it now. The listener hears nothing more."""
        self.rest()
        self._end("it was given up")

    # --- asyncio.Protocol --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TCP connection stands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self.over:
            transport.abort()
        elif self._layer:
            transport.write(self._layer.start())
        else:
            self._is_ready()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self.over:
            return
        try:
            plain = self._opened(data) if self._layer else data
        except ChannelError as error:
            self._end(str(error))
            return
        if plain and self._heard is None:
            self._end("the bank spoke before it was asked")
        elif plain and self._heard is not None:
            self._heard(plain)
        if self._layer and self._layer.broken:
            self._end(self._layer.broken)  # the last bytes came together with the end

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        reason = "the bank closed the connection"
        if exc:
            detail = f": {plain_reason(exc)}" if isinstance(exc, OSError) else ""
            reason = f"the connection to the bank broke{detail}"
        if self._layer and not self._ready.done():
            reason += " during the TLS handshake; the bank may demand a client certificate"
        self._end(reason)

    # --- inside ------------------------------------------------------------------------------------------

    def _opened(self, data: bytes) -> bytes:
        """Return the plain bytes in what TLS brought; send what TLS wants sent. Raises ChannelError."""
        assert self._layer is not None
        assert self._transport is not None
        was_established = self._layer.established
        plain, to_send, established = self._layer.feed(data)
        if to_send:
            self._transport.write(to_send)
        if was_established or (established and not self._layer.accepted_late):
            self._is_ready()
        elif established:
            self._verdict = asyncio.get_running_loop().call_later(self._patience, self._is_ready)
        return plain

    def _is_ready(self) -> None:
        self._settle("")

    def _settle(self, failed: str) -> None:
        if self._verdict:
            self._verdict.cancel()
            self._verdict = None
        if not self._ready.done():
            self._ready.set_result(failed)

    def _end(self, because: str) -> None:
        if self.over:
            return
        self.over = because
        if self._transport:
            if self._layer and self._layer.broken:
                self._transport.write(self._layer.close())  # the alert that tells the bank why
            self._transport.abort()
        self._settle(because)
        if self._ended:
            self._ended(because)


def connect(address: BankAddress, tls: ssl.SSLContext | None) -> Connection:
    """Return a connection to be dialled; ``tls`` is needed when the address is ``tls:``."""
    if not address.tls:
        return Connection(None)
    assert tls is not None
    return Connection(TlsLayer(tls, address.host))


def _dial_reason(error: OSError) -> str:
    match error:
        case TimeoutError():
            return "no connection in time"
        case socket.gaierror():
            return "unknown host"
        case OSError(errno=None):  # several network addresses behind one name, each with its own reason
            return "none of its network addresses answers"
        case _:
            return plain_reason(error)
