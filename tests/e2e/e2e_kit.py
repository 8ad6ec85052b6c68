"""Real processes on real ports: a headless pinpad, a bank of its own, and a look into their files.

Nothing here sleeps for luck: every wait is for a condition and has a deadline.
"""

import contextlib
import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

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


def memory_of(state: Path) -> dict[str, object]:
    """Return the pinpad's memory as it lies on the disk; an empty one if it was never written."""
    try:
        document = json.loads((state / "memory.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"pending": None, "last": None, "kept_count": 0, "kept_amount": 0, "remarks": []}
    assert isinstance(document, dict)
    return document


def settled(state: Path) -> bool:
    """Tell whether nothing is owed to anybody."""
    return memory_of(state)["pending"] is None


def bank_kept(state: Path) -> tuple[int, int]:
    """Return count and sum of what the bank holds, read from its file by a query of our own."""
    file = state / "bank.sqlite"
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        query = "SELECT count(*), coalesce(sum(amount), 0) FROM operations WHERE state = 'approved'"
        count, amount = database.execute(query).fetchone()
    return int(count), int(amount)


def ledger(capsys: object, state: Path, bank_state: Path | None = None) -> dict[str, object]:
    """Return what ``ledger --json`` prints; its exit status must say the same as its ``agree``."""
    arguments = ["ledger", "--json", "--state", str(state)]
    status = main(arguments + (["--bank-state", str(bank_state)] if bank_state else []))
    report = json.loads(capsys.readouterr().out)  # type: ignore[attr-defined]
    assert isinstance(report, dict)
    assert status == (0 if report["agree"] else 1)
    return report
