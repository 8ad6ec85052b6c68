"""The options of ``wait-ready``."""

import argparse
from pathlib import Path

from smartsale_emu.units import Millis

LONGEST_WAIT = Millis(3_600_000)
LARGEST_PID = 2**31 - 1


def add_wait_ready(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    wait = commands.add_parser(
        "wait-ready",
        help="until a pinpad that runs beside can be used",
        description="Wait until a pinpad that another process runs can be used, and print its port. "
        "Status 0: it can; 1: not in time, or --pid has ended. "
        "Without --state, --port and --api: the first one of this user.",
    )
    which = wait.add_mutually_exclusive_group()
    which.add_argument(
        "--state", metavar="DIR", type=Path, help="its state directory; knows any port, and a bank's too"
    )
    which.add_argument(
        "--port",
        metavar="LINK|URL",
        help="pty:LINK, or tcp:HOST:PORT; this one is asked by a connection, which the pinpad takes for a "
        "register: one that has connected already loses its line",
    )
    which.add_argument("--api", metavar="URL", help="HOST:PORT or http://HOST:PORT of its control API")
    wait.add_argument("--token", metavar="TEXT", default="", help="of the control API, where it wants one")
    wait.add_argument(
        "--within",
        metavar="TIME",
        type=_within,
        default=Millis(30_000),
        help="how long: 500ms, 30s, 2m (default: 30s)",
    )
    wait.add_argument(
        "--pid",
        metavar="PID",
        type=_pid,
        help="the process that was started ($! of the shell): wait no longer than it lives; not on Windows",
    )


def _pid(text: str) -> int:
    """Read the number of a process."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 0 < int(text) <= LARGEST_PID):
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a process")
    return int(text)


def _within(text: str) -> Millis:
    """Read a time up to an hour."""
    from smartsale_emu.scenario.phrases import duration

    try:
        time = duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if time > LONGEST_WAIT:
        raise argparse.ArgumentTypeError(f"{text!r} is more than an hour")
    return time
