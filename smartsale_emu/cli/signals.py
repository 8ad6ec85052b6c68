"""Ending a server cleanly at SIGTERM or Ctrl-C, on systems with and without signal handlers in the loop."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def on_stop_signal(stop: Callable[[], None]) -> None:
    """Call ``stop`` from the running loop when SIGTERM or SIGINT comes."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """As long as this lasts, SIGTERM is what Ctrl-C is: whatever is open is given back."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
