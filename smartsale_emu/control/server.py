"""The HTTP server of the control API: one socket, one event loop, ended by whoever started it."""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from smartsale_emu.control.guard import CLOSES, Refusal
from smartsale_emu.errors import PortError
from smartsale_emu.runtime.ports import TcpAddress, plain_reason

MOST_REQUESTS: Final = 100
"""At the same time; whoever comes then is told 503."""

MOST_CONNECTIONS: Final = 400
"""At the same time, the silent ones too; whoever comes then is not heard."""

HEAD_WITHIN: Final = 10.0
"""Seconds in which the head of a request must have come."""

TAKEN_WITHIN: Final = 30.0
"""Seconds in which a client must take what waits for him."""

_HEADERS_MOST = 16 * 1024
_ENDS_WITHIN = 2


def bound_to(address: TcpAddress) -> tuple[socket.socket, TcpAddress]:
    """Return a socket that listens on an address, and the address with the port that was taken.

    Raises:
        PortError: it cannot be taken.
    """
    try:
        family, *_, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.create_server(place[:2], family=family)
    except socket.gaierror:
        raise PortError(f"--api {address.host}:{address.port}: unknown host") from None
    except OSError as error:
        hint = "; --api 127.0.0.1:0 takes any free port" if address.port else ""
        raise PortError(f"--api {address.host}:{address.port}: {plain_reason(error)}{hint}") from None
    return bound, TcpAddress(address.host, bound.getsockname()[1])


def url_of(address: TcpAddress) -> str:
    """Return where a browser on this machine finds an address.

    >>> url_of(TcpAddress("0.0.0.0", 80)), url_of(TcpAddress("::1", 8765))
    ('http://127.0.0.1:80', 'http://[::1]:8765')
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)
    return f"http://[{host}]:{address.port}" if ":" in host else f"http://{host}:{address.port}"


class Connection(H11Protocol):
    """A connection of uvicorn's on which nobody can be waited for without end.

    ``head_within``, ``taken_within``: see `HEAD_WITHIN`, `TAKEN_WITHIN`.
    """

    head_within, taken_within = HEAD_WITHIN, TAKEN_WITHIN

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the head of a request."""
        super().connection_made(transport)
        self._head = _Timer(self.loop, self.head_within, self.timeout_keep_alive_handler)
        self._taking = _Timer(self.loop, self.taken_within, transport.abort)
        self._head.start()
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        super().connection_lost(exc)
        self._head.stop()
        self._taking.stop()

    def data_received(self, data: bytes) -> None:
        """Read on. What comes behind an answer is the next head, or a body that nobody wants any more."""
        super().data_received(data)
        if _is_answered(self.cycle):
            self._head.start()
        else:
            self._head.stop()

    def pause_writing(self) -> None:
        """Wait until the client takes what has been written."""
        super().pause_writing()
        self._taking.start()

    def resume_writing(self) -> None:
        """Write on."""
        super().resume_writing()
        self._taking.stop()

    def send_400_response(self, _msg: str) -> None:
        """Tell that something is no HTTP, unless an answer has been given already."""
        if _can_be_answered(self.cycle):
            self.transport.write(_as_http(Refusal(400, "this is not what HTTP allows", CLOSES)))
        self.transport.close()


class _Timer:
    """Does something after some seconds, unless it is stopped; to start it again changes nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, act: Callable[[], None]) -> None:
        self._loop, self._seconds, self._act = loop, seconds, act
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self._handle is None:
            self._handle = self._loop.call_later(self._seconds, self._act)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


def _is_answered(cycle: RequestResponseCycle | None) -> bool:
    return cycle is None or cycle.response_complete


def _can_be_answered(cycle: RequestResponseCycle | None) -> bool:
    return cycle is None or not cycle.response_started or not cycle.more_body


def _as_http(refusal: Refusal) -> bytes:
    head = f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\n".encode()
    return head + b"".join(b"%b: %b\r\n" % pair for pair in refusal.headers) + b"\r\n" + refusal.body


class Server(uvicorn.Server):
    """A server that leaves the signals to others. ``started_up`` is called once it answers."""

    def __init__(self, app: ASGIApp, started_up: Callable[[], None]) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # what strangers send is no event of ours
        config = uvicorn.Config(
            self._let_in,
            interface="asgi3",
            access_log=False,
            log_config=None,
            lifespan="off",
            http=Connection,
            ws="none",
            loop="asyncio",
            server_header=False,
            h11_max_incomplete_event_size=_HEADERS_MOST,
            timeout_graceful_shutdown=_ENDS_WITHIN,
        )
        super().__init__(config)
        self._app, self._started_up = app, started_up

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        if len(self.server_state.tasks) > MOST_REQUESTS:
            await Refusal(503, f"{MOST_REQUESTS} requests are under way already", CLOSES).answer(send)
        else:
            await self._app(scope, receive, send)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer from now on."""
        await super().startup(sockets)
        self._started_up()


async def serve(server: Server, bound: socket.socket, stop: asyncio.Event, over: asyncio.Event) -> None:
    """Serve until ``stop`` is set; ``over`` tells those who follow the events."""
    serving = asyncio.create_task(server.serve([bound]))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopped], return_when=asyncio.FIRST_COMPLETED)
    over.set()
    server.should_exit = True
    stopped.cancel()
    await serving
