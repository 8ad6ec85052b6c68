"""The door of the control API: who may come in, from where, with how much. Everything else is refused here.

A page of another site must neither read nor steer the pinpad: the names by which we are called are known
(against DNS rebinding), a page's origin must be our own, and a token is compared in constant time.
"""

import asyncio
import ipaddress
import json
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from secrets import compare_digest
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smartsale_emu.runtime.ports import TcpAddress

MOST: Final = 64 * 1024
"""Bytes of a body."""

MOST_MEMORY: Final = 8 * 1024 * 1024
"""Bytes of a pinpad's memory that is put back."""

BODY_WITHIN: Final = 10.0
"""Seconds in which a body must have come."""

API: Final = "/api/"
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::[0-9]{1,5})?")
_MEMORY_PATH = "/api/v1/memory"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody is not let in."""

    status: int
    reason: str
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """What is told."""
        return json.dumps({"error": self.reason}).encode()

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What is told before it."""
        own = {"content-type": "application/json", "content-length": str(len(self.body))}
        return _pairs({**own, **self.more, **_HEADERS})

    async def answer(self, send: Send) -> None:
        """Tell it."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


CLOSES: Final = {"connection": "close"}
"""A header: the rest of the request is not read."""

_UNCLEAR: Final = Refusal(
    400, "where the body ends is not clear: send content-length, or in HTTP/1.1 transfer-encoding", CLOSES
)
_TOO_LARGE: Final = Refusal(413, "the body is too large", CLOSES)


def is_local(host: str) -> bool:
    """Tell whether only this machine can reach an address.

    >>> is_local("127.0.0.1"), is_local("localhost"), is_local("::1"), is_local("0.0.0.0")
    (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """An ASGI application in front of another. ``bound``: where it listens; ``token``: empty for none."""

    def __init__(
        self, app: ASGIApp, *, bound: TcpAddress, token: str = "", body_within: float = BODY_WITHIN
    ) -> None:
        self._app, self._token, self._body_within = app, token.encode(), body_within
        self._names = _names(bound.host)
        self._anywhere = bound.host in ("0.0.0.0", "::")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal.answer(send)
            return
        try:
            async with asyncio.timeout(self._body_within):
                body = await _body(receive, _most(scope))
        except ConnectionResetError:
            return
        except TimeoutError:
            await Refusal(408, "the body did not come in time", CLOSES).answer(send)
            return
        if body is None:
            await _TOO_LARGE.answer(send)
            return
        await self._app(scope, _again(body, receive), _with_headers(send))

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = _Headers(scope["headers"])
        host = headers.one("host")
        if host is None or not self._is_ours(_name_of(host)):
            return Refusal(403, "this name is not ours: use the address that was told at the start")
        origin = headers.one("origin")
        if headers.has("origin") and origin != f"http://{host}":
            return Refusal(403, "a page of another origin may not do this")
        return _odd(scope, headers) or self._stranger(scope, headers)

    def _stranger(self, scope: Scope, headers: "_Headers") -> Refusal | None:
        """Refuse who may see the page, but not use the API."""
        if not scope["path"].startswith(API):
            return None
        if headers.has("sec-fetch-site") and headers.one("sec-fetch-site") not in ("same-origin", "none"):
            return Refusal(403, "a page of another site may not do this")
        given = (headers.one("authorization") or "").encode()
        if self._token and not compare_digest(given, b"Bearer " + self._token):
            return Refusal(401, "the token is missing or wrong", {"www-authenticate": "Bearer"})
        return None

    def _is_ours(self, name: str) -> bool:
        """Tell whether we go by this name. Where we listen everywhere: any address, and names without a dot.

        Such a name is of a local network; nobody else's domain leads here by it.
        """
        if name in self._names:
            return True
        return self._anywhere and (_is_address(name) or ("." not in name and name != ""))


class _Headers:
    """The headers of a request; one that comes twice is none."""

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._found: dict[str, list[str]] = {}
        for name, value in pairs:
            self._found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))

    def has(self, name: str) -> bool:
        return name in self._found

    def one(self, name: str) -> str | None:
        found = self._found.get(name, [])
        return found[0] if len(found) == 1 else None


def _odd(scope: Scope, headers: _Headers) -> Refusal | None:
    """Refuse what two readers could understand in two ways, and a length that is too large already."""
    if not scope["path"].startswith("/"):
        return Refusal(400, "ask for a path such as /api/v1/health, not for a whole URL", CLOSES)
    chunked = headers.has("transfer-encoding")
    if chunked and (headers.has("content-length") or scope.get("http_version") == "1.0"):
        return _UNCLEAR
    length = headers.one("content-length")
    return _TOO_LARGE if length is not None and int(length) > _most(scope) else None


def _most(scope: Scope) -> int:
    return MOST_MEMORY if scope["path"] == _MEMORY_PATH else MOST


def _names(host: str) -> frozenset[str]:
    own = {host.lower()}
    if is_local(host) or host in ("0.0.0.0", "::"):
        own |= _LOCAL
    if not is_local(host):
        own.add(socket.gethostname().lower())
    return frozenset(own)


def _name_of(host: str) -> str:
    """Return the name in a Host header, without its port; empty when it is none.

    >>> _name_of("localhost:8765"), _name_of("[::1]:8765"), _name_of("a@b:1")
    ('localhost', '::1', '')
    """
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower() if found is not None else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _body(receive: Receive, most: int) -> bytes | None:
    """Read a body; None when there is more than that.

    Raises:
        ConnectionResetError: it broke off. Nothing of it is done, and nobody waits for an answer.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read, then what else comes."""
    given = False

    async def read() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return read


def _with_headers(send: Send) -> Send:
    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *_pairs(_HEADERS)]}
        await send(message)

    return tell


def _pairs(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
