"""The options of ``keys``."""

import argparse
from pathlib import Path

from smartsale_emu.security.key_slot import Algorithm, KeyUsage


def add_keys(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command with its four commands."""
    keys = commands.add_parser(
        "keys",
        help="the test keys of pinpad and bank",
        description="Key files: slots, check values, new keys, TR-31 blocks. No key is ever shown in clear.",
    )
    actions = keys.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_list(actions)
    _add_verify(actions)
    _add_generate(actions)
    _add_export(actions)


def _add_list(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    lister = actions.add_parser(
        "list", help="every slot with its check value", description="Every slot with its check value (KCV)."
    )
    add_directory(lister)


def _add_verify(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verify = actions.add_parser(
        "verify",
        help="whether key files are right",
        description="Compare every key with its check value. Status 0: all are right; 1: one is not.",
    )
    verify.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="DIR|FILE",
        help="what to compare; the key above that of a FILE stands beside it, or comes with the program "
        "(default: all that come with it)",
    )


def _add_generate(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    generate = actions.add_parser(
        "generate",
        help="a new random test key",
        description="Write a random test key with its check value into a new file.",
    )
    generate.add_argument("name", metavar="NAME", help="of its slot: small letters, digits, hyphens")
    generate.add_argument("--usage", required=True, choices=[usage.value for usage in KeyUsage])
    generate.add_argument("--algorithm", required=True, choices=[kind.value for kind in Algorithm])
    generate.add_argument(
        "--bits", type=int, default=128, choices=[128, 192, 256], help="256: AES only (default: %(default)s)"
    )
    generate.add_argument("--out", required=True, metavar="FILE", type=Path, help="never overwritten")
    generate.add_argument(
        "--under",
        metavar="SLOT",
        help="a master key (the file then holds a cryptogram) or a wrapping key (a TR-31 block) "
        "(default: none, the file holds the key in clear)",
    )
    generate.add_argument(
        "--ksn", metavar="HEX", type=_hex, default=b"", help="of an initial key: 10 bytes, AES 12; counter 0"
    )
    generate.add_argument(
        "--bin", metavar="DIGITS", action="append", default=[], help="of an issuer's cards; may be repeated"
    )
    add_directory(generate)


def _add_export(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    export = actions.add_parser(
        "export",
        help="a key as a TR-31 block",
        description="Print a key under a wrapping key: version B under TDES, version D under AES.",
    )
    export.add_argument("name", metavar="NAME", help="the slot")
    export.add_argument("--tr31", action="store_true", required=True, help="the only form there is")
    export.add_argument("--under", required=True, metavar="SLOT", help="the wrapping key")
    add_directory(export)


def add_directory(to: argparse._ActionsContainer, default: str | None = None) -> None:
    """Add ``--keys``: the directory that takes the place of our own keys."""
    to.add_argument(
        "--keys",
        metavar="DIR",
        type=Path,
        default=default,
        help="of key files (default: the keys that come with it)",
    )


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be hexadecimal") from None
