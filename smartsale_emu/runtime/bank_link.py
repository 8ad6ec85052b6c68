"""Ways to the bank: the one in this process, or one over TCP. Both tell the same events.

The promise that the terminal rests on: ``BankAsked`` is told before the first byte leaves, and after
``hang_up`` not one more byte of that call leaves.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from smartsale_emu.emulator import Event, HostBytes
from smartsale_emu.host.session import BankSession, Exchange
from smartsale_emu.runtime.ports import TcpAddress, plain_reason
from smartsale_emu.terminal.events import BankAsked, BankFailed, BankUnreachable

Tell = Callable[[Event], None]


class BankLink(Protocol):
    """A way to the bank. One call is open at a time."""

    def call(self, call: int, payload: bytes, tell: Tell) -> None:
        """Connect, send the payload, tell what happens."""

    def hang_up(self, call: int) -> None:
        """Give the call up; unknown or finished calls are fine."""

    def close(self) -> None:
        """Give everything back."""


class EmbeddedBank:
    """The mock bank in this process: every call is a connection of its own and is answered at once.

    ``today`` gives the bank's local date and time; ``watch`` is shown every exchange.
    """

    def __init__(
        self,
        connect: Callable[[], BankSession],
        *,
        today: Callable[[], datetime],
        watch: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._connect, self._today, self._watch = connect, today, watch

    def call(self, call: int, payload: bytes, tell: Tell) -> None:
        """Answer at once. Raises StateError when the ledger cannot be written."""
        tell(BankAsked(call))
        session = self._connect()
        reply, exchanges = session.receive(payload, self._today())
        for exchange in exchanges:
            if self._watch:
                self._watch(exchange)
        if reply:
            tell(HostBytes(call, reply))
        if session.closed or not reply:
            tell(BankFailed(call, "the bank closed the connection without an answer"))

    def hang_up(self, call: int) -> None:
        """Nothing is open between calls."""

    def close(self) -> None:
        """Nothing is open between calls."""


class TcpBank:
    """A bank over TCP, a connection for every call. Times are the terminal's, not ours."""

    def __init__(self, address: TcpAddress) -> None:
        self._address = address
        self._calls: dict[int, asyncio.Task[None]] = {}

    def call(self, call: int, payload: bytes, tell: Tell) -> None:
        """Connect and send in the background."""
        task = asyncio.get_running_loop().create_task(self._converse(call, payload, tell))
        self._calls[call] = task
        task.add_done_callback(lambda _: self._calls.pop(call, None))

    def hang_up(self, call: int) -> None:
        """Cancel the call: a connection that is not made yet never will be, one that is made is closed."""
        task = self._calls.pop(call, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def close(self) -> None:
        """Cancel every call."""
        for call in list(self._calls):
            self.hang_up(call)

    async def _converse(self, call: int, payload: bytes, tell: Tell) -> None:
        try:
            reader, writer = await asyncio.open_connection(self._address.host, self._address.port)
        except OSError as error:
            tell(BankUnreachable(call, f"the bank at {self._address.url}: {plain_reason(error)}"))
            return
        try:
            tell(BankAsked(call))
            if call in self._calls:
                writer.write(payload)
            while call in self._calls and (data := await reader.read(4096)):
                tell(HostBytes(call, data))
            if call in self._calls:
                tell(BankFailed(call, "the bank closed the connection"))
        except OSError as error:
            tell(BankFailed(call, f"the connection to the bank broke: {plain_reason(error)}"))
        finally:
            writer.close()
