"""The options of ``play``."""

import argparse
from pathlib import Path

MOST_WORKERS = 64


def add_play(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    play = commands.add_parser(
        "play",
        help="scripted scenarios, on virtual time",
        description="Play scenario files: pinpad, bank, register and customer on virtual time. "
        "Status 0: all passed; 1: one did not; 2: a file is wrong, or there is none.",
    )
    play.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="FILE|DIR",
        help="YAML files, or folders of them (default: all that come with it)",
    )
    play.add_argument(
        "--schema", action="store_true", help="print the JSON Schema of a scenario file, and end"
    )
    play.add_argument(
        "--port",
        metavar="URL",
        help="play the pinpad's side of one scenario in real time on this port (as of `run`), against a "
        "register of your own",
    )
    _add_order(play)
    _add_reports(play)


def _add_order(play: argparse.ArgumentParser) -> None:
    order = play.add_argument_group("what is played, and how often")
    order.add_argument(
        "--seed", type=_count, metavar="N", help="of all random bytes (default: each file's own)"
    )
    order.add_argument("--shuffle", action="store_true", help="in another order, which --seed decides")
    order.add_argument(
        "-n", "--workers", type=_workers, default=1, metavar="N", help="processes (default: %(default)s)"
    )
    order.add_argument(
        "--until-failure",
        action="store_true",
        help="again and again, each time with the next seed, until one fails or Ctrl-C",
    )


def _add_reports(play: argparse.ArgumentParser) -> None:
    reports = play.add_argument_group("what is told")
    reports.add_argument("-v", "--verbose", action="store_true", help="what happened, also where all is well")
    reports.add_argument("-q", "--quiet", action="store_true", help="failures and the last line only")
    reports.add_argument("--junit", type=Path, metavar="FILE", help="write a report as JUnit XML")
    reports.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page with a diagram of each story"
    )
    reports.add_argument("--json", type=Path, metavar="FILE", help="write a report as JSON")
    reports.add_argument(
        "--trace",
        type=Path,
        metavar="FILE",
        help="append everything that happens as JSON lines, as `run` does: for `trace` and `explain`",
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of up to nine digits")
    return int(text)


def _workers(text: str) -> int:
    count = _count(text)
    if not 1 <= count <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"must be 1 to {MOST_WORKERS}")
    return count
