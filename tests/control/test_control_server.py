"""The HTTP server of the control API on a real socket: who waits, says nothing, leaves, or takes nothing."""

import asyncio
import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from smartsale_emu.control import server as http
from smartsale_emu.control.api_events import MOST_FOLLOWERS
from smartsale_emu.control.guard import Guard
from smartsale_emu.control.server import Connection, Server, bound_to, serve
from smartsale_emu.runtime.ports import TcpAddress
from tests.control.api_kit import DEADLINE, Served, served

WAITING = 60
HEAD = "Host: localhost\r\n\r\n"


def until(so: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not so():
        assert time.monotonic() < deadline, f"{what}: never"
        time.sleep(0.005)


class Line:
    """A client's end of a connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)

    def ask(self, path: str) -> None:
        self.send(f"GET /api/v1{path} HTTP/1.1\r\n{HEAD}".encode())

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> tuple[int, Any]:
        """Return the status and the JSON of one answer."""
        told = b""
        while b"\r\n\r\n" not in told:
            told += self._more()
        head, _, body = told.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while lengths and len(body) < int(lengths[0].split(b":")[1]):
            body += self._more()
        return int(head.split(b" ")[1]), json.loads(body) if lengths else None

    def end(self) -> bytes:
        """Return what comes until the server closes."""
        told = b""
        with contextlib.suppress(ConnectionResetError):
            while data := self.socket.recv(65_536):
                told += data
        return told

    def _more(self) -> bytes:
        data = self.socket.recv(65_536)
        assert data, "the server has closed"
        return data


class Serving:
    """A server in a thread of its own."""

    def __init__(self, app: Any, over: asyncio.Event) -> None:
        self._bound, address = bound_to(TcpAddress("127.0.0.1", 0))
        self.port, self._stop, up = address.port, asyncio.Event(), threading.Event()
        self._loop = asyncio.new_event_loop()
        self.server, self._lines = Server(app, up.set), list[Line]()
        work = serve(self.server, self._bound, self._stop, over)
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(work))
        self._thread.start()
        assert up.wait(DEADLINE)

    def line(self) -> Line:
        self._lines.append(Line(self.port))
        return self._lines[-1]

    def under_way(self, number: int) -> None:
        """Wait until so many requests are being answered."""
        until(lambda: len(self.server.server_state.tasks) == number, f"{number} requests")

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        self._loop.close()
        self._bound.close()
        for line in self._lines:
            line.socket.close()


@contextlib.contextmanager
def serving(app: Any, over: asyncio.Event) -> Iterator[Serving]:
    one = Serving(app, over)
    try:
        yield one
    finally:
        one.end()


@pytest.fixture
def desk() -> Iterator[Served]:
    with served() as it:
        yield it


@pytest.fixture
def api(desk: Served) -> Iterator[Serving]:
    with serving(desk.client._app, desk.service.over) as it:
        yield it


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """A server that is soon tired of waiting."""
    monkeypatch.setattr(Connection, "head_within", 0.1)
    monkeypatch.setattr(Connection, "taken_within", 0.1)
    with serving(Guard(hello, bound=TcpAddress("127.0.0.1", 80)), asyncio.Event()) as it:
        yield it


# --- those who wait --------------------------------------------------------------------------------------


def test_others_are_answered_while_many_wait_and_all_are_told_of_the_end(api: Serving, desk: Served) -> None:
    waiting = [api.line() for _ in range(WAITING)]
    for line in waiting:
        line.ask("/state?asks=pin&within=60s")
    api.under_way(WAITING)
    for path in ("/health", "/state", "/journal"):
        other = api.line()
        other.ask(path)
        assert other.answer()[0] == 200
    desk.service.over.set()
    assert [line.answer() for line in waiting] == [(503, {"error": "the pinpad is being ended"})] * WAITING


def test_who_waits_is_told_as_soon_as_it_is_so(api: Serving, desk: Served) -> None:
    line = api.line()
    line.ask("/state?screen=%D0%92%D0%A1%D0%A2%D0%90%D0%92&within=20s")
    api.under_way(1)
    register = desk.register("sale", "1.00")
    status, state = line.answer()
    assert (status, state["asks"]) == (200, "card")
    desk.pinpad.cancel()
    register.communicate(timeout=DEADLINE)


def test_a_wait_ends_where_the_client_leaves(
    api: Serving, desk: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait, ended = desk.pinpad.world.wait, threading.Event()

    async def watched(so: Callable[[], bool], within: int) -> bool:
        try:
            return await wait(so, within)
        finally:
            ended.set()

    monkeypatch.setattr(desk.pinpad.world, "wait", watched)
    line = api.line()
    line.ask("/state?asks=pin&within=60s")
    api.under_way(1)
    assert not ended.is_set()
    line.socket.close()
    api.under_way(0)
    assert ended.wait(DEADLINE)


# --- how many --------------------------------------------------------------------------------------------


def test_the_events_have_so_many_followers_and_no_more(api: Serving) -> None:
    followers = [api.line() for _ in range(MOST_FOLLOWERS)]
    for line in followers:
        line.ask("/events")
        assert line.answer()[0] == 200
    one_more = api.line()
    one_more.ask("/events")
    reason = f"{MOST_FOLLOWERS} follow the events already: one of them must end first"
    assert one_more.answer() == (503, {"error": reason})
    once = api.line()
    once.ask("/events?follow=false")
    assert once.answer()[0] == 200
    followers[0].socket.close()
    once.socket.close()
    one_more.socket.close()
    api.under_way(MOST_FOLLOWERS - 1)
    next_one = api.line()
    next_one.ask("/events")
    assert next_one.answer()[0] == 200


def test_too_many_requests_at_the_same_time(api: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_REQUESTS", 1)
    waiting, other = api.line(), api.line()
    waiting.ask("/state?asks=pin&within=60s")
    api.under_way(1)
    other.ask("/health")
    assert other.answer() == (503, {"error": "1 requests are under way already"})


def test_too_many_connections(api: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_CONNECTIONS", 1)
    first, second = api.line(), api.line()
    assert second.end() == b""
    first.ask("/health")
    assert first.answer()[0] == 200


# --- those who are slow ----------------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [b"", b"GET /api/v1/health HTTP/1.1\r\nHost: loc", b"GET"])
def test_who_does_not_ask_is_not_waited_for(quick: Serving, begun: bytes) -> None:
    line = quick.line()
    line.send(begun)
    assert line.end() == b""


def test_nor_who_asks_a_second_time_by_halves(quick: Serving) -> None:
    line = quick.line()
    line.ask("/health")
    assert line.answer() == (200, {})
    line.send(b"GET /api/v1/hea")
    assert line.end() == b""


def test_a_body_that_nobody_wants_is_not_waited_for(quick: Serving) -> None:
    line = quick.line()
    line.send(b"PUT /api/v1/card HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 9\r\n\r\n")
    assert line.answer()[0] == 403
    line.send(b"x")
    assert line.end() == b""


def test_who_takes_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "taken_within", 0.1)
    ended = threading.Event()

    async def much(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1_000):
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        ended.set()
        await send({"type": "http.response.body"})

    with serving(much, asyncio.Event()) as it:
        line = it.line()
        line.ask("/health")
        assert ended.wait(DEADLINE)
        assert len(line.end()) < 1_000 * 65_536


# --- what is no HTTP -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"\x02\x22\x00\r\n\r\n",
        b"GET /api/v1/health HTTP/1.1\r\n\r\n",
        b"GET /api/v1/health HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"PUT /api/v1/card HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http(quick: Serving, sent: bytes) -> None:
    line = quick.line()
    line.send(sent)
    assert line.answer() == (400, {"error": "this is not what HTTP allows"})
    assert line.end() == b""


def test_nonsense_behind_a_refusal_is_no_event_of_ours(
    quick: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    line = quick.line()
    line.send(b"PUT /api/v1/card HTTP/1.1\r\nHost: evil.example\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert line.answer()[0] == 403
    with caplog.at_level(logging.WARNING, logger="asyncio"):
        line.send(b"zzz\r\n\r\n")
        assert line.end() == b""
    assert caplog.records == []


@pytest.mark.parametrize("host", ["localhost \t", "\tlocalhost", "[::1]:8765  "])
def test_blanks_around_a_value_are_no_part_of_it(quick: Serving, host: str) -> None:
    line = quick.line()
    line.send(f"GET /api/v1/health HTTP/1.1\r\nHost:{host}\r\n\r\n".encode())
    assert line.answer()[0] == 200


def test_requests_one_behind_the_other_are_answered_in_their_order(quick: Serving) -> None:
    line, ask = quick.line(), b"GET /api/v1/health HTTP/1.1\r\nHost: "
    line.send(ask + b"localhost\r\n\r\n" + ask + b"evil.example\r\n\r\n" + ask)
    line.send(b"localhost\r\nConnection: close\r\n\r\n")
    told = line.end()
    assert [part[:3] for part in told.split(b"HTTP/1.1 ")[1:]] == [b"200", b"403", b"200"]
