"""``wait-ready``: a pinpad that runs beside is seen when it can be used, not before, and is not disturbed."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from smartsale_emu.cli import main
from smartsale_emu.runtime import lookout
from smartsale_emu.runtime.file_lock import FileLock
from smartsale_emu.runtime.state_dir import StateDir

Capture = pytest.CaptureFixture[str]
NO_PTY = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")


def wait(capsys: Capture, *arguments: str | Path, within: str = "1ms") -> tuple[int, str, str]:
    """Return the status and what was told on both streams."""
    try:
        status = main(["wait-ready", *map(str, arguments), "--within", within])
    except SystemExit as error:
        status = int(error.code or 0)
    told = capsys.readouterr()
    return status, told.out.strip(), told.err.strip()


@contextmanager
def pinpad(state: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """A pinpad in a process of its own; nobody has read its READY."""
    command = [sys.executable, "-m", "smartsale_emu", "run", "--headless", "--state", str(state), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


class TestState:
    def test_a_pinpad_that_starts_is_waited_for_and_its_port_printed(
        self, tmp_path: Path, capsys: Capture
    ) -> None:
        with pinpad(tmp_path / "s", "--port", "tcp:127.0.0.1:0") as process:
            status, out, err = wait(capsys, "--state", tmp_path / "s", within="30s")
            assert process.stdout is not None
            assert (status, err) == (0, "")
            assert process.stdout.readline() == f"READY port={out}\n"
            assert wait(capsys, "--state", tmp_path / "s")[0] == 0

    def test_one_that_was_killed_is_not_there(self, tmp_path: Path, capsys: Capture) -> None:
        """Whatever it left behind; and the next one is seen by its own port, not by the old."""
        with pinpad(tmp_path, "--port", "tcp:127.0.0.1:0"):
            first = wait(capsys, "--state", tmp_path, within="30s")
        assert (tmp_path / "listening").exists()
        status, out, err = wait(capsys, "--state", tmp_path, within="100ms")
        assert (status, out) == (1, "")
        assert err == (
            f"smartsale-emu: not ready within 100ms: state directory {tmp_path}: nobody there has a port"
        )
        with pinpad(tmp_path, "--port", "tcp:127.0.0.1:0") as process:
            second = wait(capsys, "--state", tmp_path, within="30s")
            assert process.stdout is not None
            assert process.stdout.readline() == f"READY port={second[1]}\n"
        assert (first[0], second[0]) == (0, 0)

    def test_a_bank_too(self, tmp_path: Path, capsys: Capture) -> None:
        command = [sys.executable, "-m", "smartsale_emu", "host", "--headless", "--state", str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                status, out, _ = wait(capsys, "--state", tmp_path, within="30s")
                assert process.stdout is not None
                assert (status, process.stdout.readline()) == (0, f"READY port={out}\n")
            finally:
                process.kill()

    def test_an_owner_without_a_port_is_not_ready(self, tmp_path: Path, capsys: Capture) -> None:
        with StateDir(tmp_path) as state:
            assert wait(capsys, "--state", tmp_path)[0] == 1
            state.tell_port("tcp:127.0.0.1:5555")
            assert wait(capsys, "--state", tmp_path) == (0, "tcp:127.0.0.1:5555", "")
            state.tell_port(str(tmp_path / "gone"))
            assert "has no power" in wait(capsys, "--state", tmp_path)[2]
        assert not (tmp_path / "listening").exists()

    def test_no_directory(self, tmp_path: Path, capsys: Capture) -> None:
        status, _, err = wait(capsys, "--state", tmp_path / "none")
        assert (status, err) == (
            1,
            f"smartsale-emu: not ready within 1ms: state directory {tmp_path / 'none'}: there is none",
        )

    def test_without_an_option_the_first_one_of_this_user(
        self, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
        with StateDir(tmp_path / "smartsale-emu" / "pinpad") as state:
            state.tell_port("COM9")
            assert wait(capsys) == (0, "COM9", "")


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not watched there")
class TestPid:
    def test_one_that_dies_at_once(self, tmp_path: Path, capsys: Capture) -> None:
        """Long before the time is up, and although nobody has asked for its status yet."""
        with pinpad(tmp_path / "s", "--port", "nonsense") as process:
            status, out, err = wait(capsys, "--state", tmp_path / "s", "--pid", process.pid, within="1h")
            assert (status, out) == (1, "")
            assert err.startswith(
                f"smartsale-emu: not ready: process {process.pid} has ended; state directory"
            )
        assert process.returncode == 2

    def test_the_pinpad_of_another_process_is_not_the_one_that_was_started(
        self, tmp_path: Path, capsys: Capture
    ) -> None:
        with subprocess.Popen([sys.executable, "-c", ""]) as ended:
            ended.wait()
        with StateDir(tmp_path) as state:
            state.tell_port("COM9")
            status, out, err = wait(capsys, "--state", tmp_path, "--pid", ended.pid, within="1h")
        assert (status, out) == (1, "")
        assert err == f"smartsale-emu: not ready: process {ended.pid} has ended; COM9 is of another one"

    def test_one_that_lives(self, tmp_path: Path, capsys: Capture) -> None:
        with pinpad(tmp_path, "--port", "tcp:127.0.0.1:0") as process:
            status, out, err = wait(capsys, "--state", tmp_path, "--pid", process.pid, within="30s")
            assert process.stdout is not None
            assert (status, err) == (0, "")
            assert process.stdout.readline() == f"READY port={out}\n"

    def test_where_there_are_no_descriptors_of_processes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(lookout.os, "pidfd_open", raising=False)
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
            assert not lookout.has_ended(process.pid)
        assert lookout.has_ended(process.pid)
        assert not lookout.has_ended(1), "of another user, it may be"

    @pytest.mark.parametrize("pid", ["0", "-1", "x", "1.5", "²", "99999999999999999999"])
    def test_what_is_no_process(self, pid: str, capsys: Capture) -> None:
        status, _, err = wait(capsys, "--pid", pid)
        assert status == 2
        assert "--pid" in err


def test_a_process_cannot_be_watched_on_windows(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    status, _, err = wait(capsys, "--pid", "1")
    assert status == 2
    assert "on Windows" in err


@NO_PTY
class TestLink:
    @pytest.mark.parametrize("scheme", ["", "pty:"])
    def test_a_pinpad_at_its_link(self, scheme: str, tmp_path: Path, capsys: Capture) -> None:
        link = tmp_path / "port"
        with pinpad(tmp_path / "state", "--port", f"pty:{link}"):
            assert wait(capsys, "--port", f"{scheme}{link}", within="30s") == (0, str(link), "")
        assert link.is_symlink()
        status, _, err = wait(capsys, "--port", link)
        assert status == 1
        assert err.endswith(f"{link}: was left by a pinpad that runs no more")

    def test_a_link_whose_device_is_gone(self, tmp_path: Path, capsys: Capture) -> None:
        lock = FileLock.acquire(tmp_path / "port.lock")
        assert lock is not None
        (tmp_path / "port").symlink_to(tmp_path / "nowhere")
        assert wait(capsys, "--port", tmp_path / "port")[0] == 1
        lock.release()

    def test_none(self, tmp_path: Path, capsys: Capture) -> None:
        assert wait(capsys, "--port", tmp_path / "port")[2].endswith("/port: there is none")

    def test_what_is_no_link_is_a_wrong_option(self, tmp_path: Path, capsys: Capture) -> None:
        (tmp_path / "port").touch()
        status, _, err = wait(capsys, "--port", tmp_path / "port", within="30s")
        assert status == 2
        assert "is not the link of a pinpad; use --state DIR" in err


class TestTcp:
    def test_a_port_that_accepts(self, tmp_path: Path, capsys: Capture) -> None:
        with pinpad(tmp_path, "--port", "tcp:127.0.0.1:0") as process:
            assert process.stdout is not None
            port = process.stdout.readline().strip().removeprefix("READY port=")
            assert wait(capsys, "--port", port, within="5s") == (0, port, "")
        status, _, err = wait(capsys, "--port", port)
        assert (status, err) == (
            1,
            f"smartsale-emu: not ready within 1ms: {port}: nobody listens there",
        )


class Answers(BaseHTTPRequestHandler):
    """Health as the class says it."""

    body: object = {"status": "ok", "version": "0", "on": True}
    token = ""

    def do_GET(self) -> None:
        good = not self.token or self.headers["authorization"] == f"Bearer {self.token}"
        known = self.path == "/api/v1/health"
        self.send_response((200 if known else 404) if good else 401)
        self.end_headers()
        self.wfile.write(json.dumps(self.body).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def answering(**attributes: object) -> Iterator[str]:
    """Somebody who answers; gives HOST:PORT."""
    with HTTPServer(("127.0.0.1", 0), type("These", (Answers,), attributes)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class TestApi:
    def test_every_way_to_write_it(self, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """A proxy of the environment is for other addresses."""
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        with answering() as address:
            for url in (address, f"http://{address}", f"http://{address}/", f"http://{address}/api/v1"):
                assert wait(capsys, "--api", url) == (0, f"http://{address}", "")

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ({"status": "ok", "version": "0", "on": False}, "the pinpad has no power"),
            ({"status": "fine"}, "another program answers there"),
            ([], "another program answers there"),
        ],
    )
    def test_not_ready(self, body: object, told: str, capsys: Capture) -> None:
        with answering(body=body) as address:
            status, _, err = wait(capsys, "--api", address)
        assert (status, err) == (1, f"smartsale-emu: not ready within 1ms: http://{address}: {told}")

    def test_nobody(self, capsys: Capture) -> None:
        with answering() as address:
            pass
        status, _, err = wait(capsys, "--api", address)
        assert (status, err) == (
            1,
            f"smartsale-emu: not ready within 1ms: http://{address}: nobody listens there",
        )

    def test_a_token(self, capsys: Capture) -> None:
        with answering(token="a long token") as address:
            assert wait(capsys, "--api", address, "--token", "a long token")[0] == 0
            status, _, err = wait(capsys, "--api", address, within="30s")
        assert (status, err) == (2, f"smartsale-emu: --api http://{address}: --token is missing or wrong")

    def test_a_served_pinpad(self, tmp_path: Path, capsys: Capture) -> None:
        with pinpad(tmp_path, "--port", "tcp:127.0.0.1:0", "--api", "127.0.0.1:0") as process:
            port = wait(capsys, "--state", tmp_path, within="30s")[1]
            assert process.stdout is not None
            ready = process.stdout.readline().split()
            assert ready[1] == f"port={port}"
            assert wait(capsys, "--api", ready[2].removeprefix("api="), within="5s")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--port", "COM9"], "use --state DIR or --api URL"),
        (["--port", "serial:/dev/ttyUSB0"], "use --state DIR or --api URL"),
        (["--port", "pty:"], "use pty:LINK, or --state DIR"),
        (["--port", "tcp:127.0.0.1:0"], "use --state DIR"),
        (["--port", "tcp:127.0.0.1"], "use tcp:HOST:PORT"),
        (["--api", "ftp://127.0.0.1:1"], "use HOST:PORT or http://HOST:PORT"),
        (["--api", "127.0.0.1"], "use tcp:HOST:PORT"),
        (["--token", "x"], "belongs to --api"),
        (["--port", "a", "--state", "b"], "not allowed with argument"),
    ],
)
def test_a_wrong_option(arguments: list[str], told: str, capsys: Capture) -> None:
    status, out, err = wait(capsys, *arguments, within="30s")
    assert (status, out) == (2, "")
    assert told in err


@pytest.mark.parametrize("time", ["5", "soon", "2h"])
def test_a_wrong_time(time: str, capsys: Capture) -> None:
    status, _, err = wait(capsys, within=time)
    assert status == 2
    assert "--within" in err
