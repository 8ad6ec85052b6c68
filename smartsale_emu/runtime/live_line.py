"""The line of a story on a real port: it does what the story wants, in both directions."""

import asyncio
from collections.abc import Callable

from smartsale_emu.errors import PortError
from smartsale_emu.runtime.ports import LineListener, Port
from smartsale_emu.sa.framing import FrameDecoder, Garbage, Unit
from smartsale_emu.scenario.line_faults import LineFaults
from smartsale_emu.scenario.overheard import Overheard
from smartsale_emu.scenario.virtual import Pieces

GAP = 0.1
"""Seconds of silence after which a frame that has only begun goes on as it is."""


class FaultyPort:
    """A port whose line does what a story wants, in both directions."""

    def __init__(self, port: Port, line: LineFaults, overheard: Overheard) -> None:
        self._port, self._line, self._overheard = port, line, overheard
        self._listener: LineListener | None = None
        self._decoder = FrameDecoder()
        self._gap: asyncio.TimerHandle | None = None
        self._on_its_way: set[asyncio.TimerHandle] = set()
        self.name = port.name

    async def open(self, listener: LineListener) -> None:
        """Make the port ready. Raises PortError."""
        self._listener = listener
        await self._port.open(self)
        self.name = self._port.name

    def write(self, data: bytes) -> None:
        """Send what the line lets through."""
        self._later(self._line(data, to_register=True), self._port.write)

    def flush(self) -> None:
        """Drop what the register has not read."""
        self._port.flush()

    def close(self) -> None:
        """Give the port back; the register hears no more of its exchange."""
        self._overheard.gone()
        self._forget()
        self._port.close()

    def line_opened(self) -> None:
        """See `LineListener`."""
        if self._listener is not None:
            self._listener.line_opened()

    def line_received(self, data: bytes) -> None:
        """Take bytes as the system cuts them: each unit passes the line by itself.

        The beginning of a frame is held until its end is there, or until nothing more comes.
        """
        if self._gap is not None:
            self._gap.cancel()
            self._gap = None
        for unit in self._decoder.feed(data):
            self._pass(_bytes_of(unit))
        if self._decoder.pending:
            self._gap = asyncio.get_running_loop().call_later(GAP, self._let_go)

    def _let_go(self) -> None:
        self._gap = None
        self._pass(self._decoder.drop())

    def _forget(self) -> None:
        """What is on its way goes with the connection."""
        for handle in self._on_its_way:
            handle.cancel()
        self._on_its_way.clear()
        self._decoder.drop()
        if self._gap is not None:
            self._gap.cancel()
            self._gap = None

    def _pass(self, data: bytes) -> None:
        if self._listener is not None:
            self._later(self._line(data, to_register=False), self._listener.line_received)

    def line_closed(self, because: str) -> None:
        """See `LineListener`."""
        self._forget()
        self._overheard.closed()
        if self._listener is not None:
            self._listener.line_closed(because)

    def line_failed(self, error: PortError) -> None:
        """See `LineListener`."""
        if self._listener is not None:
            self._listener.line_failed(error)

    def line_busy(self) -> bool:
        """See `LineListener`."""
        return self._listener is not None and self._listener.line_busy()

    def _later(self, pieces: Pieces, act: Callable[[bytes], None]) -> None:
        for late, data in pieces:
            if late:
                loop = asyncio.get_running_loop()
                self._on_its_way = {one for one in self._on_its_way if one.when() > loop.time()}
                self._on_its_way.add(loop.call_later(late / 1000, act, data))
            else:
                act(data)


def _bytes_of(unit: Unit) -> bytes:
    return unit.data if isinstance(unit, Garbage) else unit.wire
