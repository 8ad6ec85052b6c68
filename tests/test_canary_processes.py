"""The marked card through real processes: their files, outputs and screens, and what commands repeat."""

import json
import os
import re
import select
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from canary_marks import (
    CARD,
    CHIP_TOML,
    LONG_PIN,
    PAN,
    PIN_KEY,
    SHORT_PIN,
    TRACK2,
    assert_clean,
    found_in,
    key_files,
)
from e2e.e2e_kit import DEADLINE, bank, environment, pinpad, run_cli, settled, until
from e2e.foreign_till import ACK, EOT, Till, Wire
from test_canary import TALKATIVE_SALE

import smartsale_emu
from smartsale_emu.cli import main
from smartsale_emu.sa.framing import encode_frame

if sys.platform != "win32":
    import fcntl
    import termios

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGTERM and a pseudo-terminal")


@pytest.fixture(scope="module")
def marked_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the marked card and the marked keys in it."""
    return mark(tmp_path_factory.mktemp("marked"))


def mark(root: Path) -> Path:
    """Copy the package there, with the marked card and the marked keys in it."""
    package = Path(smartsale_emu.__file__).parent
    shutil.copytree(package, root / "smartsale_emu", ignore=shutil.ignore_patterns("__pycache__", "data"))
    (root / "smartsale_emu" / "payment" / "cards" / "canary.toml").write_text(CHIP_TOML, encoding="utf-8")
    (root / "keys").mkdir()
    for name, text in key_files():
        (root / "keys" / name).write_text(text, encoding="utf-8")
    return root


HANDS = ("--card", "canary", "--allow-live-cards", "--card-delay", "0", "--pin-delay", "0", "--speed", "50")
WAYS = {
    "embedded bank": "generic-ascii",
    "embedded bank, DUKPT": "dukpt-tdes",
    "bank over TCP": "dukpt-aes",
    "bank through the register": "nac-bcd",
}
"""The ways to the bank, and a bank profile for each."""


@POSIX
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("pin", [SHORT_PIN, LONG_PIN], ids=["right PIN", "wrong PIN"])
def test_no_canary_in_the_files_and_outputs_of_real_processes(
    marked_checkout: Path, tmp_path: Path, pin: str, way: str
) -> None:
    state, heard = tmp_path / "state", Heard()
    with ExitStack() as stack:
        profile = ["--bank-profile", WAYS[way]]
        options = [*HANDS, *profile, "--pin", pin, "--trace", str(tmp_path / "trace.jsonl")]
        if not way.startswith("embedded bank"):
            traced = (*profile, "--trace", str(tmp_path / "bank.jsonl"))
            host = stack.enter_context(bank(tmp_path / "bank", *traced, package_parent=marked_checkout))
            options += ["--host", host.port]
        if way == "bank through the register":
            options += ["--scheme", "pkh"]
        server = stack.enter_context(
            pinpad(state, *options, port="tcp:127.0.0.1:0", package_parent=marked_checkout)
        )
        if pin == SHORT_PIN:
            a_day_of_every_operation(heard, server.port)
        if way != "bank through the register":
            registers_with_bad_manners(heard, server.port, approved=pin == SHORT_PIN)
        else:
            heard.register("sale", "5", port=server.port)
        until(lambda: settled(state), "the reversals")
    outputs: dict[str, str | bytes] = {
        file.name: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()
    }
    outputs |= {"line": heard.line, "registers": heard.told, "standard output": server.rest}
    books = [] if way.startswith("embedded bank") else ["--bank-state", str(tmp_path / "bank")]
    for extra in ([], ["--json"]):
        command = ["ledger", "--state", str(state), *books, *extra]
        outputs[f"ledger {extra}"] = told_by_command(marked_checkout, *command)
    assert {"memory.json", "bank.sqlite", "trace.jsonl"} <= outputs.keys()
    assert CARD.masked.encode() in outputs["trace.jsonl"]  # type: ignore[operator]
    assert_clean(outputs)


@pytest.mark.parametrize("damage", ["", "no TOML", "check value", "blob"])
def test_no_canary_in_what_the_keys_commands_tell(marked_checkout: Path, tmp_path: Path, damage: str) -> None:
    """Keys in clear, as a cryptogram and as TR-31 blocks; right ones and wrong ones."""
    directory, damages = (
        tmp_path / "keys",
        {
            "no TOML": lambda text: text.replace('"', "", 1),
            "check value": lambda text: re.sub('kcv = "..', 'kcv = "00', text),
            "blob": lambda text: re.sub('((?:value|cryptogram|tr31) = ".*).."', '\\1"', text),
            "": str,
        },
    )
    directory.mkdir()
    for name, text in key_files():
        (directory / name).write_text(damages[damage](text), encoding="utf-8")
    there = ("--keys", str(directory))
    commands = [["keys", "list", *there], ["keys", "verify", str(directory)]]
    commands += [
        ["run", "--headless", "--port", "tcp:127.0.0.1:99999", "--state", str(tmp_path / "p"), *there]
    ]
    commands += [
        ["host", "--headless", "--listen", "tcp:192.0.2.1:1", "--state", str(tmp_path / "h"), *there]
    ]
    exports = [
        ["keys", "export", name, "--tr31", "--under", under, *there]
        for name in ("terminal-pin", "terminal-master", "bank-dukpt-tdes", "issuer-mir")
        for under in ("wrapping-tdes", "wrapping-aes")
    ]
    asked = commands + (exports[:2] if damage else exports)
    told = {" ".join(words): told_by_command(marked_checkout, *words) for words in asked}
    assert all(told.values())
    assert_clean(dict(told))
    if not damage:
        assert all(re.fullmatch(rb"[BD]\d{4}[A-Z0-9]+\s+", told[" ".join(words)]) for words in exports)


class Heard:
    """What registers heard of the pinpad: ``line`` in bytes, ``told`` by our own register's words."""

    def __init__(self) -> None:
        self.line, self.told = b"", ""

    def register(self, *words: str, port: str) -> list[str]:
        """Do one operation; returns the options by which a later one names it, if it was approved."""
        done = run_cli("register", *words, "--port", port, "--json")
        shown = run_cli("register", "copy", "--port", port)
        self.told += done.stdout + done.stderr + shown.stdout + shown.stderr
        fields = json.loads(done.stdout)["fields"]
        return ["--rrn", fields["14"]["text"], "--code", fields["13"]["text"]] if "13" in fields else []


def a_day_of_every_operation(heard: Heard, port: str) -> None:
    def do(*words: str) -> list[str]:
        return heard.register(*words, port=port)

    sale = do("sale", "50")
    do("sale", "1", "--track2", TRACK2)
    do("void", "20", *sale)
    do("void", "5", *(f"--answer={answer}" for answer in sale[1::2]))
    do("void", "5", "--answer", PAN, "--answer", TRACK2)
    hold = do("preauth", "50")
    do("raise", "10", *hold)
    do("completion", "55", *hold)
    for words in ("top-up 1", "cash 1", "return-without-reference 1", "reversal", "balance", "card-data"):
        do(*words.split())
    do("key-change")
    do("sale", "3")
    for name in ("short-report", "full-report", "copy", "settlement"):
        do(name)
    assert do("return", "10", *sale), "the day ended otherwise than it should"


def registers_with_bad_manners(heard: Heard, port: str, *, approved: bool) -> None:
    for farewell, fields in ((ACK, TILL_SALE), (b"", TILL_SALE), (EOT, TILL_SALE), (ACK, TALKATIVE_FIELDS)):
        till = Till(Wire(port), farewell=farewell)
        assert till.ask(fields)[39] == (b"1" if approved else b"16")
        till.wire.close()
        heard.line += b"".join(till.seen)


@POSIX
def test_no_canary_on_the_screen_not_even_when_the_pin_is_typed(
    marked_checkout: Path, tmp_path: Path
) -> None:
    """The live screen on a terminal; card and PIN come from its keyboard."""
    with screen(marked_checkout, "--state", str(tmp_path / "state"), "--port", "tcp:127.0.0.1:0") as glass:
        port = glass.shows(r"register sale 12.00 --port (tcp:\S+:[0-9]+)")
        command = [sys.executable, "-m", "smartsale_emu", "register", "cash", "5", "--port", port]
        register = subprocess.Popen(
            command, env=environment(), stdout=-1, stderr=-1, stdin=subprocess.DEVNULL
        )
        try:
            glass.types(glass.shows(r"\b([a-z])\S* canary"))
            glass.shows("(Type the PIN)")
            glass.types(f"{SHORT_PIN}\r")
            glass.shows(r"(pinpad → register .*STATUS=1)")  # read on, or the pinpad waits for us
            outputs = register.communicate(timeout=DEADLINE)
            assert register.returncode == 0, outputs
        finally:
            register.kill()
            register.wait()
        glass.types("q")
        glass.ended()
    assert CARD.masked in glass.text
    assert_clean({"screen": glass.text, "register": b"".join(outputs)})


class Glass:
    """A terminal with a pinpad's live screen on it."""

    def __init__(self, descriptor: int, process: "subprocess.Popen[bytes]") -> None:
        self._descriptor, self._process, self.text = descriptor, process, ""

    def types(self, keys_: str) -> None:
        os.write(self._descriptor, keys_.encode())

    def shows(self, pattern: str) -> str:
        """Wait until the whole of what was shown, colours aside, matches; return the first group."""
        deadline = time.monotonic() + DEADLINE
        while not (found := re.search(pattern, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.text))):
            assert self._reads(deadline), f"the screen never showed {pattern}"
        return found[1]

    def ended(self) -> None:
        """Read until the pinpad has ended; it must have ended well."""
        deadline = time.monotonic() + DEADLINE
        while self._reads(deadline):
            pass
        assert self._process.wait(DEADLINE) == 0

    def _reads(self, deadline: float) -> bool:
        if not select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._descriptor, 65_536)
        except OSError:  # the other end is closed
            return False
        self.text += data.decode(errors="replace")
        return bool(data)


@contextmanager
def screen(checkout: Path, *arguments: str) -> Iterator[Glass]:
    """Run a pinpad of the marked copy on a terminal of its own."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    command = [sys.executable, "-m", "smartsale_emu", "run", *arguments]
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment(checkout), cwd=checkout
    )
    os.close(slave)
    try:
        yield Glass(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)


TILL_SALE = {0: b"1200", 4: b"643", 25: b"1"}
TALKATIVE_FIELDS = {record.tag: record.value for record in TALKATIVE_SALE.records}


def told_by_command(checkout: Path, *arguments: str) -> bytes:
    """Return both outputs of a command of the marked copy."""
    command = [sys.executable, "-m", "smartsale_emu", *arguments]
    done = subprocess.run(
        command, capture_output=True, env=environment(checkout), cwd=checkout, timeout=30, check=False
    )
    assert b"Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--headless", "--port", "tcp:127.0.0.1:0", "--card", PAN],
        ["run", "--headless", "--port", "tcp:127.0.0.1:0", "--card", TRACK2],
        ["run", "--headless", "--pin", LONG_PIN + "x"],
        ["run", "--headless", "--pin", LONG_PIN * 2],
        ["decode", encode_frame(TALKATIVE_SALE.encode()).hex()],
        ["decode", "--json", encode_frame(TALKATIVE_SALE.encode()).hex()],
        ["decode", encode_frame(TALKATIVE_SALE.encode()).hex()[:-2]],
        ["decode", encode_frame(TALKATIVE_SALE.encode()).hex()[:-4] + "0000"],
        ["decode", PIN_KEY.hex()],
        ["decode", TRACK2.encode().hex()],
        ["register", "sale", PAN, "--port", "tcp:127.0.0.1:1"],
        ["register", "sale", "12", "--track2", TRACK2 + "x", "--port", "tcp:127.0.0.1:1"],
        ["register", "sale", "12", "--track2", TRACK2, "--port", "tcp:127.0.0.1:1"],
        ["register", "void", "12", "--rrn", PAN, "--port", "tcp:127.0.0.1:1"],
        ["register", "void", "12", "--answer", PAN, "--port", "tcp:127.0.0.1:1"],
    ],
    ids=str,
)
def test_no_canary_is_echoed_by_a_command(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if arguments[0] == "run":
        arguments = [*arguments, "--state", str(tmp_path / "state")]
    with suppress(SystemExit):
        main(arguments)
    out = capsys.readouterr()
    assert out.out or out.err
    assert found_in(out.out + out.err) == set()
