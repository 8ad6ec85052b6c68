"""The commands and their options."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from smartsale_emu import __version__
from smartsale_emu.cli.bugpack_options import add_bugpack
from smartsale_emu.cli.keys_options import add_directory, add_keys
from smartsale_emu.cli.option_types import number, seconds
from smartsale_emu.cli.play_options import add_play
from smartsale_emu.cli.trace_options import add_explain, add_trace
from smartsale_emu.runtime import (
    DEFAULT_BANK_PROFILE,
    DEFAULT_RECEIPT_LAYOUT,
    DEFAULT_RULEBOOK,
    DEFAULT_TERMINAL_PROFILE,
)

DEFAULT_PORT = "tcp:127.0.0.1:0" if sys.platform == "win32" else "pty:"

DEFAULT_API = "127.0.0.1:8765"

DESCRIPTION = """\
A bank pinpad in software. It speaks the SA protocol to a cash register, on a virtual or real serial port or
over TCP, and ISO 8583 to a mock bank that comes with it. A first sale:

  smartsale-emu run --card mir-chip --pin 1234      in one window; it prints its port
  smartsale-emu register sale 12.00 --port PORT     in another
"""


if TYPE_CHECKING:
    _Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001


def build_parser(command: str = "") -> argparse.ArgumentParser:
    """Return the parser of the command line: for one command, which is quicker, or for all of them."""
    parser = argparse.ArgumentParser(
        prog="smartsale-emu", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"smartsale-emu {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    adders: dict[str, Callable[[_Commands], None]] = {
        "run": _add_run,
        "register": _add_register,
        "demo": _add_demo,
        "decode": _add_decode,
        "host": _add_host,
        "ledger": _add_ledger,
        "keys": add_keys,
        "play": add_play,
        "trace": add_trace,
        "explain": add_explain,
        "bugpack": add_bugpack,
        "wait-ready": _add_wait_ready,
        "recipe": _add_recipe,
    }
    for add in [adders[command]] if command in adders else adders.values():
        add(commands)
    return parser


def _add_run(commands: "_Commands") -> None:
    run = commands.add_parser(
        "run",
        help="the pinpad in the foreground",
        description="The pinpad: its screen, keys, and the line decoded. Without --card the customer is you.",
    )
    run.add_argument(
        "--port",
        default=DEFAULT_PORT,
        metavar="URL",
        help="pty:[LINK], serial:DEVICE[?baud=115200] or tcp:HOST:PORT, 0 for any (default: %(default)s)",
    )
    _add_customer(run)
    _add_bank(run)
    _add_pinpad(run)
    _add_record(run)
    _add_control(run)


def _add_register(commands: "_Commands") -> None:
    from smartsale_emu.cli.register_options import add_register

    add_register(commands)


def _add_wait_ready(commands: "_Commands") -> None:
    from smartsale_emu.cli.wait_ready_options import add_wait_ready

    add_wait_ready(commands)


def _add_recipe(commands: "_Commands") -> None:
    recipe = commands.add_parser(
        "recipe",
        help="job files for CI and a systemd unit, to copy",
        description="Print a recipe; without a name tell which there are.",
    )
    recipe.add_argument("name", nargs="?", metavar="NAME", help="such as github-linux")


def _add_customer(run: argparse.ArgumentParser) -> None:
    people = run.add_argument_group("the customer")
    people.add_argument("--card", metavar="NAME", help="a test card that presents itself when asked for")
    people.add_argument(
        "--allow-live-cards",
        action="store_true",
        help="let --card, and a card that the register read, have a number that is not a known test number",
    )
    people.add_argument("--pin", metavar="DIGITS", type=_pin, help="the PIN that is typed when asked for")
    people.add_argument(
        "--card-delay", metavar="S", type=seconds, default=500, help="before the card (default: 0.5)"
    )
    people.add_argument(
        "--pin-delay", metavar="S", type=seconds, default=1500, help="before the PIN (default: 1.5)"
    )
    people.add_argument(
        "--wrong-pins",
        metavar="N",
        type=_count,
        default=0,
        help="wrong tries before the right one; three block the card for this --state",
    )
    people.add_argument("--cancel-at", choices=["card", "pin"], help="press cancel at that prompt")


def _add_record(run: argparse.ArgumentParser) -> None:
    run.add_argument(
        "--record",
        metavar="FILE",
        type=Path,
        help="write the session as a scenario that `play` repeats byte by byte; a PIN that is typed stands "
        "in it. It needs a new --state, our test cards, and the mock bank in this process",
    )


def _add_control(run: argparse.ArgumentParser) -> None:
    control = run.add_argument_group("from outside")
    control.add_argument(
        "--api",
        metavar="HOST:PORT",
        nargs="?",
        const=DEFAULT_API,
        help=f"steer it over HTTP there, port 0 for any (without a value: {DEFAULT_API})",
    )
    control.add_argument("--web", action="store_true", help="the same, and a page with the pinpad to touch")
    control.add_argument(
        "--token", metavar="TEXT", help="what callers must show; needed where other machines can call"
    )


def _add_bank(run: argparse.ArgumentParser) -> None:
    bank = run.add_argument_group("the bank")
    bank.add_argument(
        "--host",
        metavar="URL",
        action="append",
        help="tcp:HOST:PORT or tls:HOST:PORT of a bank; a second one is its backup "
        "(default: the mock bank in this process)",
    )
    bank.add_argument(
        "--ca",
        metavar="FILE",
        type=Path,
        help="PEM; who signed the bank's certificate (default: the system's)",
    )
    bank.add_argument("--client-cert", metavar="FILE", type=Path, help="PEM; the pinpad's own certificate")
    bank.add_argument(
        "--client-key", metavar="FILE", type=Path, help="PEM; its private key (default: in --client-cert)"
    )
    bank.add_argument(
        "--keep-connection", action="store_true", help="one connection for all calls (default: one for each)"
    )
    bank.add_argument(
        "--scheme",
        choices=["kph", "pkh"],
        default="kph",
        help="who calls the bank: the pinpad (kph) or the register for it (pkh) (default: %(default)s)",
    )
    bank.add_argument(
        "--bank-profile",
        metavar="NAME",
        default=DEFAULT_BANK_PROFILE,
        help="by name or file (default: %(default)s)",
    )
    _add_rules(bank)
    add_directory(bank)


def _add_rules(to: argparse._ActionsContainer) -> None:
    to.add_argument(
        "--rules",
        metavar="NAME",
        default=DEFAULT_RULEBOOK,
        help="what the mock bank decides, by name or file (default: %(default)s)",
    )


def _add_pinpad(run: argparse.ArgumentParser) -> None:
    pinpad = run.add_argument_group("the pinpad")
    pinpad.add_argument(
        "--state", metavar="DIR", type=Path, help="memory and ledger (default: one kept per user)"
    )
    pinpad.add_argument(
        "--terminal-profile",
        metavar="NAME",
        default=DEFAULT_TERMINAL_PROFILE,
        help="by name or file (default: %(default)s)",
    )
    pinpad.add_argument(
        "--receipts",
        metavar="NAME",
        default=DEFAULT_RECEIPT_LAYOUT,
        help="layout of the slips, by name or file (default: %(default)s)",
    )
    pinpad.add_argument(
        "--trace",
        metavar="FILE",
        type=Path,
        help="append everything that happens as JSON lines: for `trace` and `explain`",
    )
    pinpad.add_argument(
        "--speed",
        metavar="X",
        type=_speed,
        default=1.0,
        help="the pinpad's clock, and with it every timer, runs X times as fast",
    )
    pinpad.add_argument(
        "--headless", action="store_true", help="no screen; first line READY port=…; ends at SIGTERM"
    )


def _add_demo(commands: "_Commands") -> None:
    demo = commands.add_parser(
        "demo",
        help="pinpad, bank and register in one go, told step by step",
        description="A sale, a decline, and a lost answer with its emergency reversal, on virtual time.",
    )
    demo.add_argument("--frames", action="store_true", help="show every frame on the line")


def _add_decode(commands: "_Commands") -> None:
    decode = commands.add_parser(
        "decode",
        help="frames into fields",
        description="Decode frames of the SA protocol, explain damaged ones; spaces, colons, 0x are skipped. "
        "Status 0 when all is sound, 1 when something is damaged.",
    )
    decode.add_argument(
        "hex", nargs="*", metavar="HEX", help="bytes in hexadecimal (default: read from standard input)"
    )
    decode.add_argument("--json", action="store_true", help="one JSON object instead of text")


def _add_host(commands: "_Commands") -> None:
    host = commands.add_parser(
        "host",
        help="the mock bank as a server",
        description="The mock bank: ISO 8583 over TCP or TLS with a two-byte length; accounts of the test "
        "cards.",
    )
    host.add_argument(
        "--listen",
        default="tcp:127.0.0.1:0",
        metavar="URL",
        help="tcp:HOST:PORT or tls:HOST:PORT, 0 for any (default: %(default)s)",
    )
    host.add_argument("--tls-cert", metavar="FILE", type=Path, help="PEM; its certificate, for tls:")
    host.add_argument(
        "--tls-key", metavar="FILE", type=Path, help="PEM; the private key (default: in --tls-cert)"
    )
    host.add_argument(
        "--tls-ca", metavar="FILE", type=Path, help="PEM; clients must show a certificate that it signed"
    )
    host.add_argument("--state", metavar="DIR", type=Path, help="its ledger (default: one kept per user)")
    host.add_argument(
        "--bank-profile",
        metavar="NAME",
        default=DEFAULT_BANK_PROFILE,
        help="by name or file (default: %(default)s)",
    )
    _add_own_cards(host)
    _add_rules(host)
    add_directory(host)
    host.add_argument("--trace", metavar="FILE", type=Path, help="append every exchange as JSON lines")
    host.add_argument(
        "--headless", action="store_true", help="no output but the first line READY port=…; ends at SIGTERM"
    )
    from smartsale_emu.cli.host_check_options import add_host_check

    add_host_check(host, _pin)


def _add_own_cards(host: argparse.ArgumentParser) -> None:
    host.add_argument(
        "--card",
        dest="own_cards",
        metavar="FILE",
        action="append",
        default=[],
        help="a card of your own that has its account here; may be repeated",
    )


def _add_ledger(commands: "_Commands") -> None:
    ledger = commands.add_parser(
        "ledger",
        help="what bank and pinpad remember, and whether they agree",
        description="Compare the pinpad's memory with the bank's ledger. Status 0: agree; 1: do not.",
    )
    ledger.add_argument(
        "--state", type=Path, required=True, metavar="DIR", help="the pinpad's state directory"
    )
    ledger.add_argument(
        "--bank-state", type=Path, metavar="DIR", help="the bank's, if it ran as a server of its own"
    )
    ledger.add_argument("--json", action="store_true", help="one JSON object instead of text")


def _pin(text: str) -> str:
    if not (text.isascii() and text.isdigit() and 4 <= len(text) <= 12):
        raise argparse.ArgumentTypeError("a PIN has 4 to 12 digits")
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 2):
        raise argparse.ArgumentTypeError(f"{text!r} is not a small number")
    return int(text)


def _speed(text: str) -> float:
    factor = number(text)
    if not 0.01 <= factor <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a speed from 0.01 to 1000")
    return factor
