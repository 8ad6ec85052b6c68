"""The door of the control API: who is let in, with what, and what everybody else is told."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from api_kit import BOUND, Served, served

from smartsale_emu.control.guard import MOST, Guard
from smartsale_emu.runtime.ports import TcpAddress

TOKEN = "a-long-enough-token"
HOST = (b"host", b"localhost:8765")


@pytest.fixture(scope="module")
def desk() -> Iterator[Served]:
    with served() as it:
        yield it


@pytest.fixture(scope="module")
def closed() -> Iterator[Served]:
    with served(TOKEN) as it:
        yield it


def ask(
    desk: Served, method: str = "GET", path: str = "/api/v1/health", **options: object
) -> tuple[int, str]:
    answer = desk.client.ask(method, path, **options)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json() if answer.headers.get("content-type") == "application/json" else {}
    return answer.status_code, told.get("error", "")


# --- names and origins -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8765", "localhost:8765", "LOCALHOST", "[::1]:8765", "localhost:1"]
)
def test_our_names(desk: Served, host: str) -> None:
    assert ask(desk, headers={"host": host})[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8765",
        "evil.example",
        "127.0.0.1.evil.example:8765",
        "localhost.:8765",
        "user@127.0.0.1:8765",
        "127.0.0.1:8765/",
        "127.0.0.1:http",
        "0.0.0.0:8765",
        "",
        "[::1",
        "локальный:8765".encode().decode("latin-1"),
    ],
)
def test_names_of_others(desk: Served, host: str) -> None:
    status, told = ask(desk, headers={"host": host.encode("latin-1")})
    assert (status, told[:21]) == (403, "this name is not ours")


@pytest.mark.parametrize(
    ("bound", "host", "let_in"),
    [
        ("0.0.0.0", "192.168.1.7:8765", True),
        ("0.0.0.0", "pinpad:8765", True),
        ("0.0.0.0", "evil.example:8765", False),
        ("::", "[fe80::1]:8765", True),
        ("192.168.1.7", "192.168.1.7:8765", True),
        ("192.168.1.7", "192.168.1.8:8765", False),
        ("192.168.1.7", "localhost:8765", False),
    ],
)
def test_names_by_where_it_listens(bound: str, host: str, let_in: bool) -> None:
    told = through(Guard(hello, bound=TcpAddress(bound, 8765)), headers=[(b"host", host.encode())])
    assert told[0] == (200 if let_in else 403)


def test_one_host_exactly() -> None:
    for headers in ([], [HOST, HOST]):
        assert through(Guard(hello, bound=BOUND), headers=headers)[0] == 403


CHUNKED = [(b"transfer-encoding", b"chunked")]


@pytest.mark.parametrize(
    ("version", "headers", "status"),
    [
        ("1.1", CHUNKED, 200),
        ("1.1", [*CHUNKED, (b"content-length", b"5")], 400),
        ("1.0", CHUNKED, 400),
        ("1.1", [(b"content-length", str(MOST).encode())], 200),
        ("1.1", [(b"content-length", str(MOST + 1).encode())], 413),
    ],
)
def test_how_long_a_body_is(version: str, headers: list[tuple[bytes, bytes]], status: int) -> None:
    told = through(Guard(hello, bound=BOUND), headers=[HOST, *headers], http_version=version)
    assert told[0] == status


@pytest.mark.parametrize("path", ["http://localhost:8765/api/v1/health", "*", "localhost:8765"])
def test_a_target_that_is_no_path(path: str) -> None:
    status, told = through(Guard(hello, bound=BOUND), path=path)
    assert (status, str(told["error"])[:14]) == (400, "ask for a path")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://localhost:3000", "https://127.0.0.1:8765"]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST", "OPTIONS"])
def test_pages_of_others_are_refused(desk: Served, origin: str, method: str) -> None:
    status, told = ask(desk, method, "/api/v1/card", headers={"origin": origin})
    assert (status, told) == (403, "a page of another origin may not do this")


def test_our_own_page_is_not(desk: Served) -> None:
    assert ask(desk, headers={"origin": "http://127.0.0.1:8765"})[0] == 200


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]
)
def test_what_the_browser_says_of_the_asking_page(desk: Served, site: str, status: int) -> None:
    assert ask(desk, headers={"sec-fetch-site": site})[0] == status


# --- the token -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shown",
    [None, "", "Bearer", "Bearer wrong", f"bearer {TOKEN}", TOKEN, f"Bearer {TOKEN} ", f"Basic {TOKEN}"],
)
def test_without_the_token_nothing_is_told(closed: Served, shown: str | None) -> None:
    headers = {"authorization": shown} if shown is not None else {}
    for path in ("/api/v1/health", "/api/v1/nothing", "/api/v1/openapi.json", "/api/v1/events"):
        answer = closed.client.ask("GET", path, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.json() == {"error": "the token is missing or wrong"}


def test_with_the_token_everything_is(closed: Served) -> None:
    assert ask(closed, headers={"authorization": f"Bearer {TOKEN}"})[0] == 200


def test_the_page_itself_holds_no_secret_and_needs_no_token(closed: Served) -> None:
    answer = closed.client.ask("GET", "/")
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]


# --- bodies ----------------------------------------------------------------------------------------------


def test_a_body_that_is_too_large(desk: Served) -> None:
    body = b'{"card": "' + b"x" * MOST + b'"}'
    json_kind = {"content-type": "application/json"}
    assert ask(desk, "PUT", "/api/v1/card", content=body, headers=json_kind) == (413, "the body is too large")

    async def pieces() -> Any:
        for _ in range(MOST // 1000 + 2):
            yield b"x" * 1000

    assert ask(desk, "PUT", "/api/v1/card", content=pieces(), headers=json_kind)[0] == 413


def test_a_memory_may_be_larger(desk: Served) -> None:
    status, told = ask(desk, "PUT", "/api/v1/memory", json={"memory": "x" * (2 * MOST)})
    assert (status, told) == (422, "memory: is not a pinpad's memory")


def test_a_body_that_does_not_come() -> None:
    async def nothing() -> Any:
        await asyncio.sleep(60)

    guard = Guard(hello, bound=BOUND, body_within=0.02)
    assert through(guard, receive=nothing) == (408, {"error": "the body did not come in time"})


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"{", 400, "body: is no JSON from line 1, column 2 on"),
        (b'{"card":\n "a", }', 400, "body: is no JSON from line 2, column 7 on"),
        (b"nonsense", 400, "body: is no JSON from line 1, column 1 on"),
        (b"\x00", 400, "body: is no JSON from line 1, column 1 on"),
        (b'{"card": "\xff"}', 400, "body: is no JSON: byte 11 is no text"),
        (b"[" * 20_000, 400, "body: is nested too deep"),
        (b'{"card": ' + b"9" * 5000 + b"}", 400, "body: a number in it has too many digits"),
        (b"", 422, "body: is missing"),
        (b"null", 422, "body: is no object"),
        (b'{"\\ud800": 1}', 422, "body: is no text"),
    ],
)
def test_no_json(desk: Served, body: bytes, status: int, told: str) -> None:
    kind = {"content-type": "application/json"}
    assert ask(desk, "PUT", "/api/v1/card", content=body, headers=kind) == (status, told)


@pytest.mark.parametrize("kind", [{}, {"content-type": "application/x-www-form-urlencoded"}])
def test_a_body_that_is_not_said_to_be_json(desk: Served, kind: dict[str, str]) -> None:
    status, told = ask(desk, "PUT", "/api/v1/paper", content=b'{"loaded": false}', headers=kind)
    assert (status, told[:21]) == (415, "the body must be JSON")
    assert desk.get("/state").json()["paper"] is True


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("PUT", "card", {"card": "mir-chip", "x": 1}, "x: is no key here"),
        ("PUT", "card", {}, "card: is missing"),
        ("PUT", "card", [], "body: "),
        ("PUT", "card", {"card": "../../etc/passwd"}, "card: "),
        ("PUT", "card", {"card": "mir-chpi"}, "is 'mir-chip' meant?"),
        ("PUT", "card", {"card": "mir-chip", "how": "throw"}, "how: "),
        ("POST", "pin", {"pin": "12"}, "pin: "),
        ("POST", "pin", {"pin": "1234"}, "no PIN is asked for now"),
        ("POST", "keys", {"key": "green"}, "key: "),
        ("PUT", "card", {"card": 5}, "card: must be a valid string"),
        ("PUT", "power", {"on": "yes"}, "on: must be true or false"),
        ("PUT", "power", {"on": 1}, "on: must be true or false"),
        ("PUT", "power", {"on": False, "for": 1}, "for: must be a valid string"),
        ("PUT", "paper", {"loaded": 1}, "loaded: must be true or false"),
        ("PUT", "clock", {"ms": "5"}, "ms: must be a whole number"),
        ("PUT", "clock", {"ms": 5.0}, "ms: must be a whole number"),
        ("PUT", "clock", {"ms": True}, "ms: must be a whole number"),
        ("PUT", "faults", {"faults": []}, "faults: is no object"),
        ("PUT", "faults", {"faults": {"a/b": "bank: down"}}, "faults.a/b: must match pattern"),
        ("PUT", "clock", {"ms": -1}, "ms: "),
        ("PUT", "scenario", {"yaml": "format: 1\ntitle: x"}, "scenario:"),
        ("PUT", "faults/a b", {"phrase": "bank: down"}, "name: "),
        ("PUT", "faults/a", {"phrase": "x" * 300}, "phrase: "),
    ],
)
def test_a_wrong_value_is_named(desk: Served, method: str, path: str, body: object, told: str) -> None:
    status, reason = ask(desk, method, f"/api/v1/{path}", json=body)
    assert status in (409, 422)
    assert told in reason


def test_a_reason_never_repeats_a_pin(desk: Served) -> None:
    for pin in ("12345678901234567", "9182-7364", "91827"):
        for path, body in (("pin", {"pin": pin}), ("card", {"card": "mir-chip", "pin": pin})):
            answer = desk.client.ask("PUT" if path == "card" else "POST", f"/api/v1/{path}", json=body)
            assert pin not in answer.text
    desk.delete("/card")


# --- paths -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api/v1",
        "/api/v1/",
        "/api/v1/health/",
        "/api/v2/health",
        "/../pyproject.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/page.js/../../server.py",
        "/page.css%00",
        "/page/index.html",
        "/index.html",
        "/api/v1/faults/%2e%2e%2f%2e%2e",
        "/docs",
        "/openapi.json",
    ],
)
def test_there_is_nothing_else(desk: Served, path: str) -> None:
    status, told = ask(desk, "GET", path)
    assert status in (404, 422)
    assert told


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/"), ("POST", "/api/v1/health"), ("PATCH", "/api/v1/card"), ("OPTIONS", "/api/v1/card")],
)
def test_no_such_method(desk: Served, method: str, path: str) -> None:
    assert ask(desk, method, path) == (405, "this resource has no such method")


# --- a guard alone ---------------------------------------------------------------------------------------


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def through(
    guard: Guard, headers: list[tuple[bytes, bytes]] | None = None, receive: Any = None, **more: object
) -> tuple[int, dict[str, object]]:
    """Send one request through a guard; returns the status and the JSON of the answer."""
    told: list[dict[str, Any]] = []

    async def empty() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        told.append(message)

    scope = {
        "type": "http",
        "path": "/api/v1/health",
        "headers": [HOST] if headers is None else headers,
        **more,
    }
    asyncio.run(guard(scope, receive or empty, send))
    return told[0]["status"], json.loads(told[1]["body"])


def test_a_body_that_breaks_off_does_nothing() -> None:
    """A reset whose sender has gone must not be carried out half heard."""
    told: list[Any] = []

    async def broken() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        told.append(message)

    scope = {"type": "http", "path": "/api/v1/reset", "headers": [HOST]}
    asyncio.run(Guard(hello, bound=BOUND)(scope, broken, send))
    assert told == []


def test_what_is_no_http_is_left_alone() -> None:
    asyncio.run(Guard(hello, bound=BOUND)({"type": "websocket"}, None, None))  # type: ignore[arg-type]
