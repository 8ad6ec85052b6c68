"""One suite for every transport: what a port promises its listener and its register."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from line_lab import Bench, Register, TcpRegister

from smartsale_emu.errors import PortError
from smartsale_emu.runtime.port_table import open_port

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
PTY, SERIAL = pytest.param("pty", marks=POSIX), pytest.param("serial", marks=POSIX)
every_transport = pytest.mark.parametrize("transport", [PTY, SERIAL, "tcp"])
that_tells_who_is_there = pytest.mark.parametrize("transport", [PTY, "tcp"])

ALL_BYTES = bytes(range(256))


def with_port(transport: str, directory: Path, story: Callable[[Bench], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Bench(transport, directory) as bench:
            await story(bench)

    asyncio.run(run())


async def is_closed(register: Register) -> bool:
    """Tell whether the other side ended the connection, politely or not."""
    try:
        return await register.read(1) == b""
    except ConnectionResetError:
        return True


@every_transport
def test_bytes_pass_unchanged_both_ways_and_opened_comes_first(transport: str, tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        register = await bench.opened()
        await register.write(ALL_BYTES)
        await bench.recorder.until_events("opened", ALL_BYTES)
        bench.port.write(ALL_BYTES)
        assert await register.read(256) == ALL_BYTES

    with_port(transport, tmp_path, story)


@every_transport
def test_a_register_that_writes_byte_by_byte(transport: str, tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        register = await bench.opened()
        for byte in ALL_BYTES:
            await register.write(bytes([byte]))
        await bench.recorder.until_events("opened", ALL_BYTES)
        for byte in ALL_BYTES:
            bench.port.write(bytes([byte]))
        assert await register.read(256) == ALL_BYTES

    with_port(transport, tmp_path, story)


@every_transport
def test_100_kilobytes_lose_nothing_when_the_register_reads_late(transport: str, tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        register = await bench.opened()
        much = ALL_BYTES * 400
        await register.write(b"\x06")
        await bench.recorder.until(lambda: bench.recorder.received == b"\x06")
        bench.port.write(much)
        bench.port.write(b"the end")
        assert await register.read(len(much) + 7) == much + b"the end"
        await register.write(much)
        await bench.recorder.until(lambda: bench.recorder.received == b"\x06" + much)

    with_port(transport, tmp_path, story)


@that_tells_who_is_there
def test_a_register_that_opens_and_says_nothing_is_seen(transport: str, tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await bench.opened()
        await bench.recorder.until_events("opened")

    with_port(transport, tmp_path, story)


@that_tells_who_is_there
def test_closing_is_told_after_the_last_bytes(transport: str, tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        register = await bench.opened()
        await register.write(b"\x06\x04")
        register.close()
        await bench.recorder.until_events("opened", b"\x06\x04", "closed")

    with_port(transport, tmp_path, story)


@that_tells_who_is_there
def test_a_register_that_reopens_for_every_operation(transport: str, tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        told: list[str | bytes] = []
        for number in range(20):
            register = await bench.opened()
            await register.write(b"\x02%d" % number)
            told += ["opened", b"\x02%d" % number]
            await bench.recorder.until_events(*told)
            bench.port.write(b"answer %02d" % number)
            assert await register.read(9) == b"answer %02d" % number
            register.close()
            told += ["closed"]
            await bench.recorder.until_events(*told)

    with_port(transport, tmp_path, story)


@POSIX
def test_flush_drops_what_the_register_has_not_read(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        register = await bench.opened()
        await register.write(b"\x02")
        await bench.recorder.until_events("opened", b"\x02")
        bench.port.write(ALL_BYTES * 400)  # more than the kernel takes: some of it waits in the port
        bench.port.flush()
        bench.port.write(b"fresh")
        assert await register.read(5) == b"fresh"

    with_port("pty", tmp_path, story)


@POSIX
def test_flush_of_a_serial_line_drops_what_has_not_left(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        register = await bench.opened()
        bench.port.write(bytes(100_000))
        bench.port.flush()
        bench.port.write(b"fresh")
        got = b""
        while not got.endswith(b"fresh"):
            got += await register.read(1)
        assert len(got) < 50_000

    with_port("serial", tmp_path, story)


@that_tells_who_is_there
def test_a_register_that_opens_later_reads_nothing_stale(transport: str, tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        first = await bench.opened()
        await first.write(b"\x02")
        await bench.recorder.until_events("opened", b"\x02")
        bench.port.write(b"an approval that nobody read")
        first.close()
        await bench.recorder.until_events("opened", b"\x02", "closed")
        second = await bench.opened()
        await second.write(b"\x02")
        await bench.recorder.until_events("opened", b"\x02", "closed", "opened", b"\x02")
        bench.port.write(b"fresh")
        assert await second.read(5) == b"fresh"

    with_port(transport, tmp_path, story)


@every_transport
def test_nothing_is_told_after_close_and_closing_twice_is_once(transport: str, tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        register = await bench.opened()
        await register.write(b"\x02")
        await bench.recorder.until_events("opened", b"\x02")
        bench.port.close()
        bench.port.close()
        bench.port.write(b"into the void")
        bench.port.flush()
        for _ in range(5):
            await asyncio.sleep(0)
        assert bench.recorder.events == ["opened", b"\x02"]

    with_port(transport, tmp_path, story)


def test_a_second_connection_is_closed_untouched_while_an_operation_runs(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        first = await bench.opened()
        await first.write(b"\x02one")
        await bench.recorder.until_events("opened", b"\x02one")
        bench.recorder.busy = True
        second = await bench.opened()
        assert await is_closed(second)
        bench.port.write(b"answer")
        assert await first.read(6) == b"answer"
        assert bench.recorder.events == ["opened", b"\x02one"]

    with_port("tcp", tmp_path, story)


def test_a_second_connection_replaces_an_idle_one(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        first = await bench.opened()
        await first.write(b"\x02one")
        await bench.recorder.until_events("opened", b"\x02one")
        second = await bench.opened()
        await second.write(b"\x02two")
        await bench.recorder.until_events("opened", b"\x02one", "closed", "opened", b"\x02two")
        assert await is_closed(first)
        bench.port.write(b"answer")
        assert await second.read(6) == b"answer"

    with_port("tcp", tmp_path, story)


def test_a_connection_that_breaks_is_told(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        register = bench.register()
        assert isinstance(register, TcpRegister)
        await register.open()
        await bench.recorder.until_events("opened")
        import socket
        import struct

        register.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        register.close()
        await bench.recorder.until_events("opened", "closed")

    with_port("tcp", tmp_path, story)


def test_a_tcp_port_that_is_taken(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        with pytest.raises(PortError, match=r"^tcp:127\.0\.0\.1:\d+: address already in use$"):
            await open_port(bench.port.name, default_link=None).open(bench.recorder)

    with_port("tcp", tmp_path, story)


@POSIX
def test_a_serial_port_that_is_taken(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        with pytest.raises(PortError, match=r"^serial:/dev/pts/\d+: in use by another program$"):
            await open_port(bench.port.name, default_link=None).open(bench.recorder)

    with_port("serial", tmp_path, story)


@POSIX
def test_a_serial_port_that_disappears_is_told_once(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        bench.unplug()
        await bench.recorder.until_events("opened", "failed")
        assert str(bench.recorder.error) == f"serial:{bench.port.name}: the port has disappeared"
        bench.port.write(b"\x06")
        bench.port.flush()

    with_port("serial", tmp_path, story)


@POSIX
def test_a_write_to_a_port_that_has_just_disappeared_raises_nothing(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        bench.unplug()
        bench.port.write(b"\x06")
        bench.port.flush()
        assert bench.recorder.events == ["opened"]  # told from the loop, not from within the write
        await bench.recorder.until_events("opened", "failed")

    with_port("serial", tmp_path, story)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("usb:1", "is not understood: use pty:"),
        ("", "is not understood: use pty:"),
        ("5555", "is not understood: use pty:"),
        ("tcp:5555", "use tcp:HOST:PORT"),
        ("tcp:127.0.0.1:65536", "use tcp:HOST:PORT"),
        ("tcp:127.0.0.1:-1", "use tcp:HOST:PORT"),
        ("tcp:a..b:5", "'a..b' is no host name"),
        (f"tcp:{'x' * 70}:5", "is no host name"),
        ("serial:", "use serial:DEVICE"),
        ("serial:/dev/ttyS0?baud=fast", "use serial:DEVICE"),
        ("/dev/ttyS0?baud=0", "use serial:DEVICE"),
        ("/dev/ttyS0?speed=9600", "use serial:DEVICE"),
    ],
)
def test_a_wrong_url_is_one_clear_line(url: str, words: str) -> None:
    with pytest.raises(PortError) as caught:
        open_port(url, default_link=None)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("/dev/no-such", "serial:/dev/no-such: no such file or device", marks=POSIX),
        pytest.param("serial:/dev/null", "serial:/dev/null: not a serial port", marks=POSIX),
        ("tcp:192.0.2.1:0", "tcp:192.0.2.1:0: this computer has no such address"),
    ],
)
def test_a_port_that_does_not_exist_is_one_clear_line(url: str, message: str) -> None:
    async def run() -> None:
        from line_lab import Recorder

        await open_port(url, default_link=None).open(Recorder())

    with pytest.raises(PortError) as caught:
        asyncio.run(run())
    assert str(caught.value) == message


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])
def test_the_name_of_a_port_on_every_address_can_be_connected_to(host: str) -> None:
    async def run() -> str:
        from line_lab import Recorder

        port = open_port(f"tcp:{host}:0", default_link=None)
        await port.open(Recorder())
        port.close()
        return port.name

    assert asyncio.run(run()).startswith("tcp:127.0.0.1:" if host == "0.0.0.0" else "tcp:[::1]:")


@pytest.mark.skipif(sys.platform != "win32", reason="the words for Windows")
def test_windows_has_no_pty() -> None:
    with pytest.raises(PortError, match="use tcp:127"):
        open_port("pty:", default_link=None)
