"""Single keys from a terminal, without an Enter and without blocking the loop."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def keys(press: Callable[[str], None]) -> Iterator[bool]:
    """Call ``press`` in the running loop for every key; yields whether there is a keyboard at all."""
    if not sys.stdin.isatty():
        yield False
    elif sys.platform == "win32":
        with _windows_keys(press):
            yield True
    else:
        with _posix_keys(press):
            yield True


@contextmanager
def _posix_keys(press: Callable[[str], None]) -> Iterator[None]:
    import os
    import termios
    import tty

    descriptor, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(descriptor)

    def read() -> None:
        typed = os.read(descriptor, 64).decode(errors="ignore")
        if typed.startswith(("\x1b[", "\x1bO")):
            return  # an arrow or a function key
        for key in typed:
            press(key)

    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _windows_keys(press: Callable[[str], None]) -> Iterator[None]:
    import msvcrt

    loop = asyncio.get_running_loop()

    def read() -> None:
        while True:
            key = msvcrt.getwch()  # type: ignore[attr-defined,unused-ignore]
            if key in ("\x00", "\xe0"):  # an arrow or a function key: one more character tells which
                msvcrt.getwch()  # type: ignore[attr-defined,unused-ignore]
            else:
                loop.call_soon_threadsafe(press, "q" if key == "\x03" else key)

    threading.Thread(target=read, name="keyboard", daemon=True).start()
    yield
