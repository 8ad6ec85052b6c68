"""From the start of the process to a port that a register may open."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.line import pinpad, start


def ready(state: str) -> None:
    """Start a pinpad, read READY, end it."""
    process = pinpad(state)
    assert process.stdout is not None
    line = process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    assert line.startswith(b"READY port="), line


def in_new_state() -> None:
    """The very first start: the ledger is made too."""
    with tempfile.TemporaryDirectory() as directory:
        ready(str(Path(directory) / "new"))


def bare() -> None:
    """The interpreter alone."""
    process = start("-c", "pass")
    process.wait()
    if process.stdout:
        process.stdout.close()


def imported_in_vain() -> list[str]:
    """Return modules of the heavier kind that are imported before READY."""
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            "-m",
            "smartsale_emu",
            "run",
            "--headless",
            "--port",
            "tcp:127.0.0.1:99999",
        ],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    return sorted(names & {"rich", "psec", "iso8583", "serial", "pygments", "cryptography", "transitions"})
