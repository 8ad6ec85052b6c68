"""The options of ``host check``."""

import argparse
from collections.abc import Callable
from pathlib import Path

from smartsale_emu.cli.keys_options import add_directory
from smartsale_emu.cli.option_types import seconds, terminal_id
from smartsale_emu.errors import SetupError
from smartsale_emu.runtime import DEFAULT_BANK_PROFILE

_OF_THE_MOCK_BANK = {
    "--listen": "listen",
    "--tls-cert": "tls_cert",
    "--tls-key": "tls_key",
    "--tls-ca": "tls_ca",
    "--state": "state",
    "--rules": "rules",
    "--card": "own_cards",
    "--trace": "trace",
    "--headless": "headless",
}


def refuse_useless(args: argparse.Namespace) -> None:
    """Refuse options of the mock bank before ``check``: they would change nothing. Raises SetupError."""
    for option, dest, default in args.useless:
        if getattr(args, dest) != default:
            raise SetupError(
                f"{option} before check: is an option of the mock bank, and changes nothing here"
            )


def add_host_check(host: argparse.ArgumentParser, pin: Callable[[str], str]) -> None:
    """Add the command to its parent. ``pin``: reads a PIN."""
    of_the_mock_bank = [(option, dest, host.get_default(dest)) for option, dest in _OF_THE_MOCK_BANK.items()]
    errands = host.add_subparsers(
        dest="errand", metavar="[check]", required=False, title="another host instead of the mock bank"
    )
    check = errands.add_parser(
        "check",
        help="whether another host speaks a bank profile",
        description="Send a link test, a purchase of 1.00 and its reversal to a host, and tell each answer. "
        "Once the purchase has left, the reversal is sent whatever happens, Ctrl-C included. "
        "Status 0: every step passed; 1: one did not.",
    )
    check.set_defaults(useless=of_the_mock_bank)
    check.add_argument("--to", required=True, metavar="URL", help="tcp:HOST:PORT or tls:HOST:PORT")
    check.add_argument(
        "--profile",
        "--bank-profile",
        dest="bank_profile",
        default=argparse.SUPPRESS,  # one that stands before "check" counts
        metavar="NAME",
        help=f"of the bank, by name or file (default: {DEFAULT_BANK_PROFILE})",
    )
    _add_card(check, pin)
    check.add_argument("--terminal-id", type=terminal_id, metavar="ID", help="DE41, up to 8 characters")
    check.add_argument("--merchant-id", type=_merchant_id, metavar="ID", help="DE42, up to 15 characters")
    check.add_argument(
        "--timeout", type=_timeout, default=30_000, metavar="S", help="of each answer (default: 30)"
    )
    add_directory(check, default=argparse.SUPPRESS)
    check.add_argument("--ca", metavar="FILE", type=Path, help="PEM; who signed the host's certificate")
    check.add_argument("--client-cert", metavar="FILE", type=Path, help="PEM; our own certificate")
    check.add_argument("--client-key", metavar="FILE", type=Path, help="PEM; its private key")


def _add_card(check: argparse.ArgumentParser, pin: Callable[[str], str]) -> None:
    check.add_argument(
        "--card",
        default="mir-chip",
        metavar="NAME",
        help="by name or file; a chip comes without field 55 (default: %(default)s)",
    )
    check.add_argument(
        "--pin",
        type=pin,
        metavar="DIGITS",
        help="of the card (default: the card file's, where the card demands one)",
    )
    check.add_argument(
        "--allow-live-cards",
        action="store_true",
        help="let --card be a file whose number is not a known test number",
    )


def _merchant_id(text: str) -> str:
    if not (text.isascii() and text.isprintable() and 1 <= len(text) <= 15):
        raise argparse.ArgumentTypeError("a merchant id has 1 to 15 characters")
    return text


def _timeout(text: str) -> int:
    given = seconds(text)
    if given < 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 3600")
    return given
