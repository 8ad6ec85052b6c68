"""A pinpad behind the control API in this process, and a register that asks it."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
from starlette.types import ASGIApp

from smartsale_emu.control.api import create_app
from smartsale_emu.control.api_models import Setup
from smartsale_emu.control.api_service import Service
from smartsale_emu.control.event_log import EventLog
from smartsale_emu.control.guard import Guard
from smartsale_emu.control.hub import the_hub
from smartsale_emu.control.served_pinpad import ServedPinpad
from smartsale_emu.control.settings import setting_of, the_library
from smartsale_emu.control.story_teller import StoryTeller
from smartsale_emu.control.web import add_page
from smartsale_emu.runtime.live_stage import Outfit, live_stage
from smartsale_emu.runtime.ports import TcpAddress
from smartsale_emu.terminal.memory import parse_memory

EPOCH = datetime(2026, 11, 23, 9, 30)
BOUND = TcpAddress("127.0.0.1", 8765)
SETUP = Setup(
    terminal_profile="unipos-2023",
    bank_profile="generic-ascii",
    rules="default",
    scheme="kph",
    terminal_id="00060056",
)
DEADLINE = 30


def vet(text: str, origin: str) -> None:
    parse_memory(text, origin=origin)


class Client:
    """Asks an application, one request at a time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def ask(self, method: str, path: str, **options: object) -> httpx.Response:
        return asyncio.run(self._ask(method, path, options))

    async def _ask(self, method: str, path: str, options: dict[str, object]) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8765", timeout=DEADLINE
        ) as client:
            return await client.request(method, path, **options)  # type: ignore[arg-type]


@dataclass
class Served:
    """A pinpad that is on, and a client of its API."""

    service: Service
    client: Client

    @property
    def pinpad(self) -> ServedPinpad:
        return self.service.pinpad

    def get(self, path: str, **options: object) -> httpx.Response:
        return self.client.ask("GET", f"/api/v1{path}", **options)

    def put(self, path: str, body: object) -> httpx.Response:
        return self.client.ask("PUT", f"/api/v1{path}", json=body)

    def post(self, path: str, body: object = None) -> httpx.Response:
        return self.client.ask("POST", f"/api/v1{path}", json=body)

    def delete(self, path: str) -> httpx.Response:
        return self.client.ask("DELETE", f"/api/v1{path}")

    def register(self, *words: str) -> "subprocess.Popen[str]":
        """Let our register ask, in a process of its own."""
        command = [sys.executable, "-m", "smartsale_emu", "register", *words, "--port", self.pinpad.port]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def sale(self, amount: str = "100.00") -> int:
        """Let it sell something to whom has a card and a PIN; returns its exit status."""
        process = self.register("sale", amount)
        process.communicate(timeout=DEADLINE)
        return process.returncode


@contextlib.contextmanager
def served(token: str = "", scheme: str = "kph") -> Iterator[Served]:
    """Switch a pinpad on, and off at the end."""
    library, ports, log = the_library(), list[str](), EventLog(EPOCH)
    stage = live_stage(
        setting_of(card=None, pin=None, date=EPOCH, scheme=scheme, bank={"delay": "0ms"}),
        "tcp:127.0.0.1:0",
        the_hub().wait,
        seed=1,
        ready=ports.append,
        watchers=(log,),
        library=library,
        revives=True,
        keeps=10_000,
        outfit=Outfit(),
    )
    pinpad = ServedPinpad(stage, the_hub(), log, epoch=EPOCH, vet=vet, ports=ports)
    service = Service(pinpad, SETUP, StoryTeller(pinpad, library, SETUP))
    app = create_app(service)
    add_page(app)
    pinpad.power_on()
    guard = Guard(app, bound=BOUND, token=token)
    try:
        yield Served(service, Client(guard))
    finally:
        service.stories.stop()
        pinpad.close()


def over(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Wait for a register and return its exit status and all that it said."""
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out + err


HERE = Path(__file__).parent
