"""``run --api``: a real process, real sockets, and curl."""

import json
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from e2e_kit import PACKAGE_PARENT, Server, environment, run_cli, until

HERE = Path(__file__).parent
TOKEN = "a-long-enough-token"


class ApiServer(Server):
    """A pinpad with the control API."""

    def __init__(self, state: Path, *arguments: str) -> None:
        port = ("--port", "tcp:127.0.0.1:0")
        super().__init__(state, "run", *port, *(arguments or ("--api", "127.0.0.1:0")))
        self.port, _, self.url = self.port.partition(" api=")

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def get(self, path: str, token: str = "") -> object:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        asked = urllib.request.Request(f"{self.url}/api/v1{path}", headers=headers)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.load(answer)

    def raw(self, data: bytes) -> bytes:
        """Send bytes, and return all that comes until the server closes, or says nothing for a second."""
        with socket.create_connection(self.address, timeout=3) as line:
            line.sendall(data)
            told = b""
            while b"}" not in told.partition(b"\r\n\r\n")[2]:
                try:
                    piece = line.recv(65_536)
                except (TimeoutError, ConnectionResetError):
                    break
                if not piece:
                    break
                told += piece
            return told


@contextmanager
def api(state: Path, *arguments: str) -> Iterator[ApiServer]:
    server = ApiServer(state, *arguments)
    try:
        yield server
    except BaseException:
        server.kill()
        raise
    server.must_end_well()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api(tmp_path_factory.mktemp("api") / "state") as it:
        yield it


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no shell")
def test_curl_alone_drives_a_whole_sale_with_a_pin_and_a_lost_answer(tmp_path: Path) -> None:
    with api(tmp_path / "state") as server:
        register = f"{sys.executable} -m smartsale_emu register"
        done = subprocess.run(
            ["sh", str(HERE / "api_sale.sh"), server.url, server.port, register],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environment(),
            cwd=PACKAGE_PARENT,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        assert (
            done.stdout.splitlines()[-1] == "Bank and pinpad agree: 100.00 were paid, 50.00 were given back."
        )


def test_the_state_survives_a_restart(tmp_path: Path) -> None:
    arguments = ("--api", "127.0.0.1:0", "--card", "mir-contactless", "--card-delay", "0")
    with api(tmp_path / "state", *arguments) as server:
        assert run_cli("register", "sale", "7.00", "--port", server.port).returncode == 0
        before = server.get("/journal"), server.get("/bank/ledger")
        assert len(before[0]) == 1  # type: ignore[arg-type]
    with api(tmp_path / "state", *arguments) as server:
        assert (server.get("/journal"), server.get("/bank/ledger")) == before
    assert run_cli("ledger", "--state", tmp_path / "state").returncode == 0


def test_through_the_register(tmp_path: Path) -> None:
    options = ("--scheme", "pkh", "--card", "mir-contactless", "--card-delay", "0", "--api", "127.0.0.1:0")
    with api(tmp_path / "state", *options) as server:
        assert run_cli("register", "sale", "7.00", "--port", server.port).returncode == 0


def test_its_trace_can_be_explained(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    options = (
        "--trace",
        str(trace),
        "--card",
        "mir-contactless",
        "--card-delay",
        "0",
        "--web",
        "--api",
        ":0",
    )
    with api(tmp_path / "state", *options[:-1], "127.0.0.1:0") as server:
        assert run_cli("register", "sale", "7.00", "--port", server.port).returncode == 0
    told = run_cli("explain", "1", "--trace", trace)
    if told.returncode == 2:
        told = run_cli("explain", trace, "1")
    assert told.returncode == 0, told.stderr
    assert "7.00" in told.stdout


def test_it_ends_although_somebody_follows_the_events(tmp_path: Path) -> None:
    with api(tmp_path / "state") as server, socket.create_connection(server.address, timeout=10) as line:
        line.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        told = b""
        while b'"kind": "screen"' not in told:
            told += line.recv(65_536)
        assert server.stop() == 0
        while line.recv(65_536):
            pass
        server.must_end_well = lambda: None  # type: ignore[method-assign]


# --- strangers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /api/v1/health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (b"GET /api/v1/health HTTP/1.1\r\n\r\n", 400),
        (b"GET /api/v1/health HTTP/1.0\r\n\r\n", 403),
        (b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET http://evil.example/api/v1/health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (b"GET http://localhost/api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET //etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"PUT /api/v1/card HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n", 403),
        (
            b"PUT / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
            400,
        ),
        (b"\x02\x22\x00\x00\x05\r\n\r\n", 400),
        (b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", 400),
        (
            b"PUT /api/v1/card HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 20,
            413,
        ),
    ],
)
def test_strangers_are_refused(server: ApiServer, sent: bytes, status: int) -> None:
    told = server.raw(sent)
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == str(status).encode(), told
    assert json.loads(body)["error"]
    assert server.get("/health") == {"status": "ok", "version": "0.1.0", "on": True}


def test_a_length_that_is_too_large_is_refused_before_the_body_comes(server: ApiServer) -> None:
    head = b"PUT /api/v1/card HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n"
    assert server.raw(head).startswith(b"HTTP/1.1 413 ")


# --- the options -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--api", "0.0.0.0:0"], "it needs --token"),
        (["--api", "192.0.2.1:8765", "--web"], "it needs --token"),
        (["--api", "127.0.0.1:0", "--token", "short"], "must have 12 characters"),
        (["--api", "nonsense"], "is not understood"),
        (["--api", "192.0.2.1:8765", "--token", TOKEN], "--api 192.0.2.1:8765: "),
        (["--web", "--host", "tcp:127.0.0.1:1"], "--host: not with --api and --web: the faults of a bank"),
        (["--api", "--record", "x.yaml"], "--record: not with --api and --web"),
        (["--api", "--keep-connection"], "--keep-connection: not with --api"),
        (["--api", "127.0.0.1:0", "--card", "no-such"], "no-such"),
        (["--api", "127.0.0.1:0", "--bank-profile", "no-such"], "no-such"),
    ],
)
def test_options_that_do_not_fit_are_one_clear_line(tmp_path: Path, options: list[str], told: str) -> None:
    done = run_cli("run", *options, "--headless", "--state", tmp_path / "state")
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_address_that_is_taken(tmp_path: Path, server: ApiServer) -> None:
    taken = "{}:{}".format(*server.address)
    done = run_cli("run", "--api", taken, "--headless", "--state", tmp_path / "state")
    assert (done.returncode, done.stderr) == (
        2,
        f"smartsale-emu: --api {taken}: address already in use; --api 127.0.0.1:0 takes any free port\n",
    )


def test_with_a_token(tmp_path: Path) -> None:
    with api(tmp_path / "state", "--api", "0.0.0.0:0", "--token", TOKEN) as server:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            server.get("/health")
        assert server.get("/state", TOKEN)["state"] == "idle"  # type: ignore[index,call-overload]


def test_a_plain_run_loads_nothing_of_it() -> None:
    question = (
        "import sys; from smartsale_emu.cli.parser import build_parser; import smartsale_emu.cli.run\n"
        "build_parser('run').parse_args(['run'])\n"
        "print(sorted({'fastapi', 'starlette', 'uvicorn', 'pydantic', 'httpx'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", question], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stdout == "[]\n"


def test_what_is_kept_in_the_port_is_found_again_after_a_power_cut(server: ApiServer) -> None:
    asked = urllib.request.Request(
        f"{server.url}/api/v1/power",
        data=b'{"on": false, "for": "100ms"}',
        method="PUT",
        headers={"content-type": "application/json"},
    )
    urllib.request.urlopen(asked, timeout=10).close()
    until(lambda: server.get("/power") == {"on": True, "back_in_ms": None}, "the power comes back")
    assert server.get("/state")["port"] == server.port  # type: ignore[index,call-overload]
