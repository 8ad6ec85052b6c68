"""What cannot work is one clear line and exit status 2, never a traceback."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are not Windows's", allow_module_level=True)

from e2e_kit import PACKAGE_PARENT, QUICK, Server, environment, pinpad, run_cli
from foreign_till import SALE, Gone, Till, Wire

from smartsale_emu.register.requests import OPERATIONS

PACKAGE = PACKAGE_PARENT / "smartsale_emu"
PROFILES = {
    "terminal": PACKAGE / "terminal" / "profiles" / "unipos-2023.toml",
    "bank": PACKAGE / "host" / "profiles" / "generic-ascii.toml",
}
COMMANDS = ["run", "host", "demo", "decode", "ledger", "register"]
COMMANDS += [f"register {operation}" for operation in OPERATIONS]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_help_reads_well(command: str) -> None:
    done = run_cli(*command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: smartsale-emu {command}".rstrip())
    assert "==SUPPRESS==" not in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 120


def refused(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the one line that a refused command leaves."""
    assert "Traceback" not in done.stderr, done.stderr
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout, len(lines)) == (2, "", 1), done.stderr
    assert lines[0].startswith("smartsale-emu: ")
    return lines[0]


def refuse(tmp_path: Path, *arguments: str) -> str:
    """Run a pinpad that must not start."""
    return refused(run_cli("run", "--headless", "--state", tmp_path / "refused", *arguments))


@pytest.mark.parametrize(
    ("port", "reason"),
    [
        ("nonsense", "not understood"),
        ("udp:127.0.0.1:1", "not understood"),
        ("tcp:127.0.0.1", "not understood"),
        ("tcp:127.0.0.1:65536", "not understood"),
        ("tcp:no-such-host.invalid:5555", "unknown host"),
        ("tcp:192.0.2.1:5555", "no such address"),
        ("serial:/dev/no-such-port", "no such file or device"),
        ("serial:/dev/null", "not a serial port"),
        ("serial:", "not understood"),
        ("serial:COM9?baud=fast", "not understood"),
        ("pty:/no/such/directory/link", "no such file or device"),
    ],
)
def test_a_wrong_port(tmp_path: Path, port: str, reason: str) -> None:
    line = refuse(tmp_path, "--port", port)
    assert reason in line
    assert port.partition(":")[2].partition("?")[0] in line


@pytest.mark.parametrize("port", ["nonsense", "serial:/dev/no-such-port", "tcp:127.0.0.1:1"])
def test_a_wrong_port_of_a_register(port: str) -> None:
    refused(run_cli("register", "test", "--port", port))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--scheme pkh --host tcp:127.0.0.1:1 --host tcp:127.0.0.1:2", "a second --host"),
        ("--scheme pkh --host tcp:127.0.0.1:1 --keep-connection", "--keep-connection"),
        ("--keep-connection", "--keep-connection"),
        ("--ca no-such.pem", "--ca"),
        ("--host tcp:127.0.0.1:1 --client-cert no-such.pem", "--client-cert"),
        ("--host tls:127.0.0.1:1 --ca no-such.pem", "no-such.pem"),
        ("--receipts no-such", "there is:"),
    ],
)
def test_options_of_no_use_and_files_that_are_not_there(tmp_path: Path, options: str, said: str) -> None:
    assert said in refuse(tmp_path, *options.split())


@pytest.mark.parametrize("url", ["serial:COM1", "127.0.0.1:5000", "tcp:127.0.0.1:70000"])
def test_a_wrong_address_of_a_bank(tmp_path: Path, url: str) -> None:
    assert "tcp:HOST:PORT" in refuse(tmp_path, "--host", url)
    assert "tcp:HOST:PORT" in refused(run_cli("host", "--state", tmp_path / "bank", "--listen", url))


def test_a_link_that_another_pinpad_has(tmp_path: Path) -> None:
    link = tmp_path / "pinpad-port"
    with pinpad(tmp_path / "first", port=f"pty:{link}") as first:
        assert first.port == str(link)
        assert "in use by another pinpad" in refuse(tmp_path, "--port", f"pty:{link}")


def test_a_link_whose_name_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear", encoding="utf-8")
    assert "already exists" in refuse(tmp_path, "--port", f"pty:{tmp_path / 'letter'}")
    assert (tmp_path / "letter").read_text(encoding="utf-8") == "dear"


def test_a_tcp_port_that_is_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"tcp:127.0.0.1:{taken.getsockname()[1]}"
        assert "already in use" in refuse(tmp_path, "--port", url)
        assert "already in use" in refused(run_cli("host", "--state", tmp_path / "bank", "--listen", url))


def test_a_state_directory_that_is_in_use(tmp_path: Path) -> None:
    with pinpad(tmp_path / "state") as first:
        line = refused(run_cli("run", "--headless", "--state", first.state))
        assert str(first.state) in line
        assert "in use by another process" in line


def test_a_state_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "refused").write_text("no directory", encoding="utf-8")
    assert "refused" in refuse(tmp_path)
    refused(run_cli("ledger", "--state", tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("memory.json", b'{"format": 1'),
        ("memory.json", b"\xff\xfe"),
        ("memory.json", b"[]"),
        ("bank.sqlite", b"ledger? " * 99),
    ],
)
def test_a_damaged_state(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "refused").mkdir()
    (tmp_path / "refused" / name).write_bytes(content)
    assert name in refuse(tmp_path)
    assert name in refused(run_cli("ledger", "--state", tmp_path / "refused"))
    assert (tmp_path / "refused" / name).read_bytes() == content


@pytest.mark.parametrize("kind", PROFILES)
@pytest.mark.parametrize(
    "fault",
    ["unknown key", "wrong type", "broken TOML", "a row without its mark", "no such file", "no such name"],
)
def test_a_bad_profile(tmp_path: Path, kind: str, fault: str) -> None:
    file = tmp_path / "mine.toml"
    lines = PROFILES[kind].read_text(encoding="utf-8").splitlines()
    place, row = next((place, line) for place, line in enumerate(lines) if "= { value = " in line)
    key = row.partition(" = ")[0]
    match fault:
        case "unknown key":
            lines.insert(place, row.replace(key, "no_such_key", 1))
        case "wrong type":
            lines[place] = f'{key} = {{ value = [["a list"]], mark = "assumed", source = "0" }}'
        case "broken TOML":
            lines.insert(place, "this is = = no TOML")
        case "a row without its mark":
            lines[place] = f'{key} = {{ value = "x" }}'
    if fault != "no such file":
        file.write_text("\n".join(lines), encoding="utf-8")
    line = refuse(tmp_path, f"--{kind}-profile", "no-such" if fault == "no such name" else str(file))
    assert ("no-such" if fault == "no such name" else "mine.toml") in line
    expected = {"unknown key": "no_such_key", "broken TOML": f"line {place + 1}", "no such name": "there is:"}
    assert expected.get(fault, "" if fault == "no such file" else key) in line


def test_an_unknown_card(tmp_path: Path) -> None:
    line = refuse(tmp_path, "--card", "mir-gold")
    assert "mir-gold" in line
    assert "mir-chip" in line


@pytest.fixture
def own_copy(tmp_path: Path) -> Path:
    """A checkout of our own, to take things out of."""
    copy = tmp_path / "checkout"
    shutil.copytree(PACKAGE, copy / "smartsale_emu", ignore=shutil.ignore_patterns("__pycache__"))
    keys = PACKAGE / "data" / "keys"
    shutil.copytree(keys if keys.is_dir() else PACKAGE_PARENT / "keys", copy / "keys")
    shutil.rmtree(copy / "smartsale_emu" / "data", ignore_errors=True)
    return copy


@pytest.mark.parametrize("fault", ["all", "terminal-pin", "terminal-storage", "kcv", "broken"])
def test_a_missing_or_wrong_key(own_copy: Path, tmp_path: Path, fault: str) -> None:
    keys = own_copy / "keys"
    secret = "0123456789ABCDEFFEDCBA9876543210"
    pin_key = keys / "terminal-pin.toml"
    text = pin_key.read_text(encoding="utf-8")
    match fault:
        case "all":
            shutil.rmtree(keys)
        case "kcv":
            pin_key.write_text(text.replace('kcv = "08D7B4"', 'kcv = "08D7B5"'), encoding="utf-8")
        case "broken":
            pin_key.write_text(text.replace("cryptogram = ", "cryptogram == "), encoding="utf-8")
        case _:
            (keys / f"{fault}.toml").unlink()
    command = [
        sys.executable,
        "-m",
        "smartsale_emu",
        "run",
        "--headless",
        "--state",
        str(tmp_path / "refused"),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment(own_copy),
        cwd=own_copy,
        timeout=30,
        check=False,
    )
    line = refused(done)
    assert ("keys" if fault == "all" else fault if fault.startswith("terminal") else "terminal-pin") in line
    assert secret not in line


def test_a_serial_port_that_disappears_while_running(tmp_path: Path) -> None:
    master, slave = os.openpty()
    device = os.ttyname(slave)
    server = Server(tmp_path / "state", "run", *QUICK, "--port", f"serial:{device}")
    try:
        assert server.port == device
        os.close(slave)
        os.close(master)
        assert server.wait() == 2
    finally:
        if server.process.poll() is None:
            server.kill()
    assert server.stderr().splitlines() == [f"smartsale-emu: serial:{device}: the port has disappeared"]


def test_a_state_directory_that_disappears_while_running(tmp_path: Path) -> None:
    """The memory cannot be written: the sale stops before the bank is asked, and the pinpad says why."""
    server = Server(tmp_path / "state", "run", *QUICK, "--port", "tcp:127.0.0.1:0")
    try:
        shutil.rmtree(server.state)
        till = Till(Wire(server.port))
        with pytest.raises(Gone):
            till.ask(SALE)
        till.wire.close()
        assert server.wait() == 2
    finally:
        if server.process.poll() is None:
            server.kill()
    (line,) = server.stderr().splitlines()
    assert line.startswith("smartsale-emu: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_trace_on_a_full_disk(tmp_path: Path) -> None:
    server = None
    try:
        server = Server(
            tmp_path / "state", "run", *QUICK, "--port", "tcp:127.0.0.1:0", "--trace", "/dev/full"
        )
    except AssertionError as error:
        assert "no space left" in str(error)  # noqa: PT017
        return
    assert server.wait() == 2
    (line,) = server.stderr().splitlines()
    assert "no space left" in line


@pytest.mark.parametrize(("options", "told"), [((), ("53", "ER2")), (("--allow-live-cards",), ("16", "014"))])
def test_a_card_of_the_register_that_is_no_test_card(
    tmp_path: Path, options: tuple[str, ...], told: tuple[str, str]
) -> None:
    """The mock bank does not know it either, but it is asked only where that is allowed."""
    with pinpad(tmp_path / "state", *QUICK, *options, port="tcp:127.0.0.1:0") as server:
        till = Till(Wire(server.port))
        answer = till.ask({**SALE, 12: b"2200110000000001=30121010000000000"})
        till.wire.close()
        assert (answer[39].decode(), answer[15].decode()) == told
