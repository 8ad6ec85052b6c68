"""Registers of three transports and a listener that remembers, for the port tests."""

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from smartsale_emu.errors import PortError
from smartsale_emu.runtime.port_table import open_port
from smartsale_emu.runtime.ports import Port

DEADLINE = 5.0  # seconds: far more than any of these takes


class Recorder:
    """A `LineListener` that writes down what it is told. Bytes that follow each other are joined."""

    def __init__(self) -> None:
        self.events: list[str | bytes] = []
        self.busy = False
        self.error: PortError | None = None
        self._news = asyncio.Event()

    def line_opened(self) -> None:
        self._note("opened")

    def line_received(self, data: bytes) -> None:
        if self.events and isinstance(self.events[-1], bytes):
            self.events[-1] += data
            self._news.set()
        else:
            self._note(data)

    def line_closed(self, because: str) -> None:
        assert because
        self._note("closed")

    def line_failed(self, error: PortError) -> None:
        self.error = error
        self._note("failed")

    def line_busy(self) -> bool:
        return self.busy

    @property
    def received(self) -> bytes:
        return b"".join(event for event in self.events if isinstance(event, bytes))

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not met():
                self._news.clear()
                await self._news.wait()

    async def until_events(self, *events: str | bytes) -> None:
        """Wait for exactly these events from the start; a wrong one shows in the assertion."""
        wanted = list(events)
        try:
            await self.until(lambda: self.events == wanted)
        except TimeoutError:
            assert self.events == wanted

    def _note(self, event: str | bytes) -> None:
        self.events.append(event)
        self._news.set()


class Register(Protocol):
    async def open(self) -> None: ...
    async def write(self, data: bytes) -> None: ...
    async def read(self, size: int) -> bytes: ...
    def close(self) -> None: ...


class DescriptorRegister:
    """A register on a tty: a pty's slave by its path, or the master behind a fake serial device."""

    def __init__(self, path: str | None = None, descriptor: int = -1) -> None:
        self._path, self.descriptor = path, descriptor

    async def open(self) -> None:
        self.open_now()

    def open_now(self) -> None:
        if self._path is not None:
            self.descriptor = os.open(self._path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    async def write(self, data: bytes) -> None:
        async with asyncio.timeout(DEADLINE):
            while data:
                try:
                    data = data[os.write(self.descriptor, data) :]
                except BlockingIOError:
                    await self._ready(writing=True)

    async def read(self, size: int) -> bytes:
        data = b""
        async with asyncio.timeout(DEADLINE):
            while len(data) < size:
                try:
                    data += os.read(self.descriptor, size - len(data))
                except BlockingIOError:
                    await self._ready(writing=False)
        return data

    async def _ready(self, *, writing: bool) -> None:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        add, remove = (
            (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
        )
        add(self.descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            remove(self.descriptor)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class TcpRegister:
    def __init__(self, name: str) -> None:
        _, host, port = name.split(":")
        self._address = (host, int(port))

    async def open(self) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        await asyncio.get_running_loop().sock_connect(self.socket, self._address)

    async def write(self, data: bytes) -> None:
        async with asyncio.timeout(DEADLINE):
            await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def read(self, size: int) -> bytes:
        data = b""
        async with asyncio.timeout(DEADLINE):
            while len(data) < size:
                piece = await asyncio.get_running_loop().sock_recv(self.socket, size - len(data))
                if not piece:
                    break
                data += piece
        return data

    def close(self) -> None:
        self.socket.close()


class Bench:
    """One open port of a transport, its recorder, and registers for it."""

    def __init__(self, transport: str, directory: Path) -> None:
        self.transport = transport
        self.recorder = Recorder()
        self._directory = directory
        self._registers: list[Register] = []
        self._pair: list[int] = []

    async def __aenter__(self) -> "Bench":
        self.port: Port = open_port(self._url(), default_link=self._directory / "port")
        await self.port.open(self.recorder)
        return self

    def _url(self) -> str:
        if self.transport == "tcp":
            return "tcp:127.0.0.1:0"
        if self.transport == "pty":
            return "pty:"
        assert sys.platform != "win32"
        import tty

        self._pair = list(os.openpty())
        tty.setraw(self._pair[1])
        os.set_blocking(self._pair[0], False)
        return f"serial:{os.ttyname(self._pair[1])}"

    def register(self) -> Register:
        """Return another register for the port, not yet open. A serial line has one only, always there."""
        register: Register
        if self.transport == "tcp":
            register = TcpRegister(self.port.name)
        elif self.transport == "pty":
            register = DescriptorRegister(self.port.name)
        else:
            register = DescriptorRegister(descriptor=self._pair[0])
        self._registers.append(register)
        return register

    async def opened(self) -> Register:
        register = self.register()
        await register.open()
        return register

    def unplug(self) -> None:
        """Take the fake serial device away."""
        for descriptor in self._pair:
            os.close(descriptor)
        self._pair = []

    async def __aexit__(self, *_: object) -> None:
        for register in self._registers:
            if self.transport != "serial":
                register.close()
        self.port.close()
        for descriptor in self._pair:
            os.close(descriptor)
        for _turn in range(3):  # let the loop finish with closed transports
            await asyncio.sleep(0)
