"""The options of ``trace`` and ``explain``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    _Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001


def add_trace(commands: "_Commands") -> None:
    """Add the command ``trace``."""
    trace = commands.add_parser(
        "trace",
        help="a trace for Wireshark",
        description="What `run --trace` and `play --trace` have written, for Wireshark and tshark.",
    )
    made = trace.add_subparsers(dest="made", metavar="WHAT", required=True)
    _add_pcapng(made)
    _add_dissector(made)


def _add_pcapng(made: "_Commands") -> None:
    pcapng = made.add_parser(
        "pcapng",
        help="the bytes of the line as a capture file",
        description="Write what passed the line as pcapng: a packet for each frame, block, ACK, NAK, EOT and "
        "for bytes that are none, with its time, its direction as the pinpad sees it (inbound: from the "
        "register) and the reason as its comment. A trace holds no secret, so card numbers, tracks, PIN "
        "blocks and what the register carries for the bank are starred; the CRC of such a frame is that of "
        "the starred bytes, and its comment says so.",
    )
    pcapng.add_argument("trace", type=Path, metavar="TRACE.jsonl", help="a trace, also one that still grows")
    pcapng.add_argument("file", type=Path, metavar="FILE.pcapng", help="is written, and must not be there")
    _add_force(pcapng)


def _add_dissector(made: "_Commands") -> None:
    dissector = made.add_parser(
        "dissector",
        help="the protocol for Wireshark",
        description="Make the dissector of the SA protocol, a Lua script: every field by its name, blocks "
        "put together, amounts, statuses and texts in words. Printed, unless it is told where to go.",
    )
    dissector.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="is written, and must not be there"
    )
    dissector.add_argument(
        "--install", action="store_true", help="write it where Wireshark finds it by itself"
    )
    _add_force(dissector)


def _add_force(to: argparse.ArgumentParser) -> None:
    to.add_argument("--force", action="store_true", help="write over a file that is there")


def add_explain(commands: "_Commands") -> None:
    """Add the command ``explain``."""
    explain = commands.add_parser(
        "explain",
        help="the life of one operation",
        description="Tell everything that a trace knows of one operation, in order and with every reason, "
        "and who holds the money at its end.",
    )
    explain.add_argument(
        "number", metavar="NUMBER", help="its reference number (RRN), or its STAN: 1 to 6 digits"
    )
    explain.add_argument(
        "--trace", type=Path, required=True, metavar="FILE", help="of `run --trace` or `play --trace`"
    )
    explain.add_argument(
        "--state", type=Path, metavar="DIR", help="the pinpad's state directory: what it remembers"
    )
    explain.add_argument(
        "--ledger",
        type=Path,
        metavar="FILE",
        help="the bank's ledger, a file or its state directory (default: the one in --state)",
    )
