"""Link tests over a pseudo-terminal beside echoes that make the same turns with the same sizes."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smartsale_emu.sa.framing import Frame, FrameDecoder, encode_frame
from smartsale_emu.sa.tlv import Message

CHECKOUT = Path(__file__).resolve().parents[2]
ACK = b"\x06"
LINK_TEST = encode_frame(Message.of({25: 26, 27: ""}).encode())
SECONDS = 1.0

Turn = tuple[int, tuple[int, ...]]
"""How many bytes the register writes, and the sizes of the writes that answer them."""


def start(*arguments: str) -> "subprocess.Popen[bytes]":
    """Start a child that runs from this checkout and says on its first line where it is."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, env=environment, cwd=CHECKOUT
    )


@contextmanager
def opened(process: "subprocess.Popen[bytes]") -> Iterator[int]:
    """Open the port that a child announces; end the child afterwards."""
    assert process.stdout is not None
    try:
        name = process.stdout.readline().decode().strip().partition("port=")[2]
        descriptor = os.open(name, os.O_RDWR | os.O_NOCTTY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def pinpad(state: str) -> "subprocess.Popen[bytes]":
    return start("-m", "smartsale_emu", "run", "--headless", "--state", state)


def learn(descriptor: int) -> list[Turn]:
    """Do one link test, look at it closely, and return its turns."""
    turns: list[Turn] = []
    say, final = LINK_TEST, False
    while not final:
        os.write(descriptor, say)
        sizes, decoder, frame = [], FrameDecoder(), None
        while frame is None:
            data = os.read(descriptor, 4096)
            for unit in decoder.feed(data):
                sizes.append(len(unit.wire))  # type: ignore[union-attr]
                frame = unit if isinstance(unit, Frame) else None
        turns.append((len(say), tuple(sizes)))
        message = Message.parse(frame.data)
        say, final = ACK, message.text(25) == "26"
    assert message.text(39) == "1"
    os.write(descriptor, ACK)
    return [*turns, (1, ())]


def talk(descriptor: int, turns: list[Turn], seconds: float = SECONDS) -> float:
    """Make the turns again and again; return how often a second. Knows sizes only, whoever answers."""
    says = [(LINK_TEST if size > 1 else ACK, sum(answer)) for size, answer in turns]
    count, begin = 0, time.perf_counter()
    while (now := time.perf_counter()) < begin + seconds:
        for say, size in says:
            os.write(descriptor, say)
            left = size
            while left > 0:
                left -= len(os.read(descriptor, 4096))
        count += 1
    return count / (now - begin)


def compare(rounds: int = 3) -> tuple[float, float, float, list[Turn]]:
    """Return link tests a second, and those of an echo in a loop and of a blocking one, at best."""
    best = {"pinpad": 0.0, "loop": 0.0, "blocking": 0.0}
    with tempfile.TemporaryDirectory() as state, opened(pinpad(state)) as descriptor:
        turns = learn(descriptor)
        talk(descriptor, turns, 0.2)
        script = repr(turns)
        with (
            opened(start("-m", "tests.bench.line", "loop", script)) as loop,
            opened(start("-m", "tests.bench.line", "blocking", script)) as blocking,
        ):
            for _ in range(rounds):
                for name, line in (("pinpad", descriptor), ("loop", loop), ("blocking", blocking)):
                    best[name] = max(best[name], talk(line, turns))
    return best["pinpad"], best["loop"], best["blocking"], turns


class Echo:
    """The other end of the turns: counts bytes, writes zeros."""

    def __init__(self, turns: list[Turn]) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self._turns, self._place, self._left = turns, 0, turns[0][0]
        print(f"READY port={os.ttyname(slave)}", flush=True)

    def take(self) -> None:
        self._left -= len(os.read(self.master, 4096))
        while self._left <= 0:  # the last ACK and the next request may come in one piece
            for size in self._turns[self._place][1]:
                os.write(self.master, bytes(size))
            self._place = (self._place + 1) % len(self._turns)
            self._left += self._turns[self._place][0]

    def block(self) -> None:
        while True:
            self.take()

    async def loop(self) -> None:
        os.set_blocking(self.master, False)
        asyncio.get_running_loop().add_reader(self.master, self.take)
        await asyncio.Event().wait()


if __name__ == "__main__":
    import ast

    echo = Echo(ast.literal_eval(sys.argv[2]))
    if sys.argv[1] == "loop":
        asyncio.run(echo.loop())
    else:
        echo.block()
