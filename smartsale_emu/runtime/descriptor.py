"""Writing to a non-blocking file descriptor from the event loop, in one go if the system takes it."""

import os
from asyncio import AbstractEventLoop
from collections.abc import Callable


class Outbox:
    """What the system did not take yet. ``failed`` is called from the loop, never from within `write`."""

    def __init__(self, loop: AbstractEventLoop, descriptor: int, failed: Callable[[OSError], None]) -> None:
        self._loop, self._descriptor, self._failed = loop, descriptor, failed
        self._kept = bytearray()

    def write(self, data: bytes) -> None:
        """Send now what can be sent; keep the rest, in order, until the descriptor takes it."""
        if self._kept:
            self._kept += data
            return
        taken = self._send(data)
        if taken < len(data):
            self._kept += data[taken:]
            self._loop.add_writer(self._descriptor, self._drain)

    def clear(self) -> None:
        """Drop what is kept."""
        if self._kept:
            self._kept.clear()
            self._loop.remove_writer(self._descriptor)

    def _drain(self) -> None:
        del self._kept[: self._send(bytes(self._kept))]
        if not self._kept:
            self._loop.remove_writer(self._descriptor)

    def _send(self, data: bytes) -> int:
        """Return how many bytes are done with: on a dead descriptor, all of them."""
        sent = 0
        try:
            while sent < len(data):
                sent += os.write(self._descriptor, data[sent:])
        except BlockingIOError:
            return sent
        except OSError as error:
            self._loop.call_soon(self._failed, error)
            return len(data)
        return sent
