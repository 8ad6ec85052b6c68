"""Real processes on real ports: a headless pinpad, a bank of its own, and a look into their files.

Nothing here sleeps for luck: every wait is for a condition and has a deadline.
"""

import contextlib
import dataclasses
import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import smartsale_emu
from smartsale_emu.cli import main

PACKAGE_PARENT = Path(smartsale_emu.__file__).resolve().parent.parent
DEADLINE = 30.0


def environment(package_parent: Path = PACKAGE_PARENT) -> dict[str, str]:
    """Return the environment of a child that finds the package under test from any directory."""
    return {**os.environ, "PYTHONPATH": str(package_parent), "PYTHONIOENCODING": "utf-8"}


def run_cli(*arguments: str | Path, given: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, ``given`` on its standard input."""
    command = [sys.executable, "-m", "smartsale_emu", *map(str, arguments)]
    options = {"env": environment(), "cwd": PACKAGE_PARENT, "encoding": "utf-8", "timeout": DEADLINE}
    return subprocess.run(command, input=given, capture_output=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


def until(condition: Callable[[], object], what: str, *, within: float = DEADLINE) -> None:
    """Wait until a condition holds. Raises AssertionError that says what never came."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {within} s"
        time.sleep(0.005)


class Server:
    """One child process that says READY; its output goes to files beside its state directory."""

    def __init__(self, state: Path, *arguments: str, package_parent: Path = PACKAGE_PARENT) -> None:
        self.state = state
        state.parent.mkdir(parents=True, exist_ok=True)
        self.stderr_file = state.with_name(state.name + ".stderr")
        command = [sys.executable, "-m", "smartsale_emu", *arguments, "--headless", "--state", str(state)]
        with self.stderr_file.open("ab") as stderr:
            self.process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment(package_parent),
                cwd=package_parent,
            )
        try:
            self.port = self._ready()
        except BaseException:
            self.kill()
            raise

    def _ready(self) -> str:
        assert self.process.stdout is not None
        line, deadline = b"", time.monotonic() + DEADLINE
        while not line.endswith(b"\n"):
            ready = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]
            data = os.read(self.process.stdout.fileno(), 1) if ready else b""
            assert data, f"no READY; standard error: {self.stderr()}"
            line += data
        assert line.startswith(b"READY port="), line
        return line.decode().strip().removeprefix("READY port=")

    def stderr(self) -> str:
        return self.stderr_file.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self._buried()

    def stop(self) -> int:
        """End it by SIGTERM and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self._buried()

    def must_end_well(self) -> None:
        """End it by SIGTERM: status 0, and nothing on standard error."""
        ended = self.stop(), self.stderr()
        assert ended == (0, ""), f"status and standard error: {ended}"

    def wait(self) -> int:
        """Wait until it ends by itself."""
        return self._buried()

    def _buried(self) -> int:
        try:
            status = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            if self.process.stdout:
                self.rest = b""
                with contextlib.suppress(ValueError):
                    self.rest = self.process.stdout.read()
                self.process.stdout.close()
        return status


QUICK = ("--card", "mir-chip", "--pin", "1234", "--card-delay", "0", "--pin-delay", "0")


@contextlib.contextmanager
def pinpad(
    state: Path, *arguments: str, port: str = "pty:", package_parent: Path = PACKAGE_PARENT
) -> Iterator[Server]:
    """Run a pinpad for a while; it must end by SIGTERM with status 0 and nothing on standard error."""
    server = Server(state, "run", "--port", port, *(arguments or QUICK), package_parent=package_parent)
    try:
        yield server
    except BaseException:
        server.kill()
        raise
    server.must_end_well()


@contextlib.contextmanager
def bank(state: Path, *arguments: str, package_parent: Path = PACKAGE_PARENT) -> Iterator[Server]:
    """Run a bank of its own for a while."""
    server = Server(state, "host", *arguments, package_parent=package_parent)
    try:
        yield server
    except BaseException:
        server.kill()
        raise
    server.must_end_well()


def memory_of(state: Path) -> dict[str, Any]:
    """Return the pinpad's memory as it lies on the disk, its journal beside it; read by rules of our own.

    A line without its end was cut by the power and counts for nothing; a new day begins an empty journal.
    """
    memory: dict[str, Any] = {
        "pending": None,
        "last": None,
        "remarks": [],
        "settling": "",
        "stan": 0,
        "day": 1,
    }
    journal: dict[int, dict[str, Any]] = {}
    with contextlib.suppress(FileNotFoundError):
        for line in (state / "memory.json").read_text(encoding="utf-8").split("\n")[:-1]:
            document = json.loads(line)
            if document["memory"]["day"] != memory["day"]:
                journal.clear()
            memory = document["memory"]
            journal |= {entry["number"]: entry for entry in document["entries"]}
    return {**memory, "journal": list(journal.values())}


def pinpad_kept(state: Path) -> tuple[int, int]:
    """Return count and sum of what the pinpad keeps of its open day, whatever the sign of the money."""
    kept = [entry for entry in memory_of(state)["journal"] if entry["state"] == "kept"]
    return len(kept), sum(entry["request"]["amount"] for entry in kept)


def settled(state: Path) -> bool:
    """Tell whether nothing is owed to anybody."""
    memory = memory_of(state)
    return memory["pending"] is None and not memory["settling"]


def bank_kept(state: Path, batch: int = 1) -> tuple[int, int]:
    """Return count and sum of what the bank holds of a day, read from its file by a query of our own."""
    file = state / "bank.sqlite"
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        held = "FROM operations WHERE state = 'approved' AND batch = ?"
        query = f"SELECT count(*), coalesce(sum(amount), 0) {held}"
        count, amount = database.execute(query, (batch,)).fetchone()
    return int(count), int(amount)


def ledger(capsys: object, state: Path, bank_state: Path | None = None) -> dict[str, object]:
    """Return what ``ledger --json`` prints; its exit status must say the same as its ``agree``."""
    arguments = ["ledger", "--json", "--state", str(state)]
    status = main(arguments + (["--bank-state", str(bank_state)] if bank_state else []))
    report = json.loads(capsys.readouterr().out)  # type: ignore[attr-defined]
    assert isinstance(report, dict)
    assert status == (0 if report["agree"] else 1)
    return report


@dataclass(frozen=True)
class Told:
    """What ``register --json`` said, and its exit status; ``aside`` is its standard error."""

    status: int
    view: dict[str, Any]
    aside: str

    def __getitem__(self, number: int) -> str | None:
        """Return the text of a field, None if the answer does not have it."""
        field = self.view["fields"].get(str(number))
        return field["text"] if field else None

    @property
    def slips(self) -> list[str]:
        """What there is to print."""
        return [slip["text"] for slip in self.view["slips"] if slip["printed"]]

    @property
    def reference(self) -> tuple[str, ...]:
        """The options by which a later operation names this one."""
        rrn, code = self[14], self[13]
        assert rrn is not None
        assert code is not None
        return "--rrn", rrn, "--code", code


@dataclass
class Desk:
    """A cash desk: every operation is a ``register`` process of its own. ``told``: all of them, by name."""

    port: str
    told: list[tuple[str, Told]] = dataclasses.field(default_factory=list)

    def ask(self, *words: str, given: str = "") -> Told:
        """Do one operation, whatever comes of it."""
        done = run_cli("register", *words, "--port", self.port, "--json", given=given)
        assert done.returncode in (0, 1), done.stderr
        assert done.stdout, done.stderr
        told = Told(done.returncode, json.loads(done.stdout), done.stderr)
        self.told.append((words[0], told))
        assert told.view["succeeded"] is (told.status == 0)
        return told

    def done(self, *words: str) -> Told:
        """Do one operation that must succeed."""
        told = self.ask(*words)
        assert (told.status, told[39]) == (0, "1"), (words, told.view["message"])
        return told

    def refused(self, status: int, *words: str) -> Told:
        """Do one operation that must not succeed, with this field 39."""
        told = self.ask(*words)
        assert (told.status, told[39]) == (1, str(status)), (words, told.view["message"])
        return told
