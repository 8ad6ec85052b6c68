"""What only a pseudo-terminal has: its name, its mode, registers that come and go faster than the loop."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("Windows has no pseudo-terminals", allow_module_level=True)

import fcntl
import termios

from line_lab import Bench, DescriptorRegister, Recorder

from smartsale_emu.errors import PortError
from smartsale_emu.runtime import pty_port
from smartsale_emu.runtime.port_table import open_port

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


def with_pty(directory: Path, story: Callable[[Bench], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Bench("pty", directory) as bench:
            await story(bench)

    asyncio.run(run())


def open_and_fail(url: str) -> str:
    """Return the message of the PortError that opening this port raises."""

    async def run() -> None:
        port = open_port(url, default_link=None)
        try:
            await port.open(Recorder())
        finally:
            port.close()

    with pytest.raises(PortError) as caught:
        asyncio.run(run())
    return str(caught.value)


@LINUX
def test_a_register_that_leaves_and_one_that_comes_between_two_turns(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        first = DescriptorRegister(bench.port.name)
        first.open_now()
        os.write(first.descriptor, b"\x02request")
        await bench.recorder.until_events("opened", b"\x02request")
        os.write(first.descriptor, b"\x06\x04")
        first.close()
        second = bench.register()
        await second.open()  # awaits nothing: the loop has not turned since the first one's last byte
        await second.write(b"\x02next")
        await bench.recorder.until_events("opened", b"\x02request\x06\x04", "closed", "opened", b"\x02next")

    with_pty(tmp_path, story)


@LINUX
def test_a_register_that_opens_writes_and_leaves_between_two_turns(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        for _ in range(2):
            register = DescriptorRegister(bench.port.name)
            register.open_now()
            os.write(register.descriptor, b"\x02")
            register.close()
        await bench.recorder.until(lambda: bench.recorder.events.count("closed") == 2)
        assert bench.recorder.events[0] == "opened"
        assert bench.recorder.received == b"\x02\x02"

    with_pty(tmp_path, story)


@LINUX
def test_a_look_at_the_port_by_a_second_program_closes_nothing(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        register = await bench.opened()
        await bench.recorder.until_events("opened")
        subprocess.run(["stty", "-F", bench.port.name], check=True, capture_output=True)
        await register.write(b"\x02")
        await bench.recorder.until_events("opened", b"\x02")
        register.close()
        await bench.recorder.until_events("opened", b"\x02", "closed")

    with_pty(tmp_path, story)


@LINUX
def test_two_opens_that_the_kernel_joins_heal_with_the_next_byte(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        left, right = DescriptorRegister(bench.port.name), DescriptorRegister(bench.port.name)
        left.open_now()
        right.open_now()
        await bench.recorder.until_events("opened")
        left.close()
        await bench.recorder.until_events("opened", "closed")  # wrong, the kernel told of one open only
        await right.write(b"\x02")
        await bench.recorder.until_events("opened", "closed", "opened", b"\x02")
        right.close()
        await bench.recorder.until_events("opened", "closed", "opened", b"\x02", "closed")

    with_pty(tmp_path, story)


def test_without_inotify_the_first_byte_opens_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pty_port, "open_watch", lambda _path: None)

    async def story(bench: Bench) -> None:
        for number in (b"1", b"2"):
            register = await bench.opened()
            await register.write(number)
            await bench.recorder.until(lambda number=number: bench.recorder.received.endswith(number))
            register.close()
        assert bench.recorder.events == ["opened", b"12"]

    with_pty(tmp_path, story)


@LINUX
def test_the_next_register_finds_the_port_as_if_new(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        device = os.path.realpath(bench.port.name)
        rude = os.open(device, os.O_RDWR | os.O_NOCTTY)
        fresh = termios.tcgetattr(rude)
        changed = termios.tcgetattr(rude)
        changed[3] |= termios.ECHO | termios.ICANON
        termios.tcsetattr(rude, termios.TCSANOW, changed)
        fcntl.ioctl(rude, termios.TIOCEXCL)
        os.close(rude)
        await bench.recorder.until_events("opened", "closed")
        polite = os.open(device, os.O_RDWR | os.O_NOCTTY)
        assert termios.tcgetattr(polite) == fresh
        os.close(polite)

    with_pty(tmp_path, story)


def test_the_link_has_the_ports_name_and_goes_with_it(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        link = tmp_path / "port"
        assert bench.port.name == str(link)
        assert link.is_symlink()
        assert os.path.realpath(link).startswith("/dev/")

    with_pty(tmp_path, story)
    assert list(tmp_path.iterdir()) == []


def test_without_a_link_the_name_is_the_device() -> None:
    async def run() -> None:
        port = open_port("pty:", default_link=None)
        await port.open(Recorder())
        assert port.name.startswith("/dev/")
        assert Path(port.name).is_char_device()
        port.close()

    asyncio.run(run())


def test_what_a_killed_pinpad_left_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "port").symlink_to("/dev/pts/99999")
    (tmp_path / "port.lock").touch()

    async def story(bench: Bench) -> None:
        register = await bench.opened()
        await register.write(b"\x02")
        await bench.recorder.until_events("opened", b"\x02")

    with_pty(tmp_path, story)
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_a_live_pinpad_has_is_refused_and_stays(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        other = open_port(f"pty:{bench.port.name}", default_link=None)
        with pytest.raises(PortError, match=r"in use by another pinpad$"):
            await other.open(Recorder())
        register = await bench.opened()
        await register.write(b"\x02")
        await bench.recorder.until_events("opened", b"\x02")

    with_pty(tmp_path, story)


def test_a_file_of_that_name_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("do not touch")
    assert open_and_fail(f"pty:{path}") == f"pty:{path}: already exists and is not a symlink"
    assert path.read_text() == "do not touch"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_to_something_else_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "link"
    path.symlink_to("/dev/null")
    assert open_and_fail(f"pty:{path}") == f"pty:{path}: is a link to /dev/null, which is not a pinpad's"
    assert path.readlink() == Path("/dev/null")


def test_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "port"
    assert open_and_fail(f"pty:{path}") == f"pty:{path}: no such file or device"
