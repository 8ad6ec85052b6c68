"""The options of ``register``: a command per operation, made of the rows of its table."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from smartsale_emu.cli.option_types import (
    amount,
    card_seconds,
    code,
    currency,
    ern,
    rrn,
    seconds,
    slip,
    terminal_id,
    track2,
)
from smartsale_emu.register.requests import OPERATIONS, Argument, Operation
from smartsale_emu.units import RUB

PORT_HELP: Final = (
    "where the pinpad is: a device (/dev/pts/5, COM9), serial:DEVICE[?baud=115200] or tcp:HOST:PORT"
)


@dataclass(frozen=True, slots=True)
class _Option:
    """How one argument of a request is given. Its name in the result is that of the argument."""

    flag: str
    metavar: str
    read: Callable[[str], Any]
    help: str
    default: object = None


_OPTIONS: Final[Mapping[Argument, _Option]] = MappingProxyType(
    {
        Argument.RRN: _Option("--rrn", "RRN", rrn, "field 14, of the operation referred to"),
        Argument.CODE: _Option("--code", "CODE", code, "field 13, its authorization code"),
        Argument.SLIP: _Option("--slip", "N", slip, "field 108, the number of its slip"),
        Argument.ORIGINAL_AMOUNT: _Option("--original-amount", "AMOUNT", amount, "field 1, its whole amount"),
        Argument.NUMBER: _Option("--ern", "N", ern, "field 26, 0 to 999999 (default: not sent)"),
        Argument.CURRENCY: _Option("--currency", "CODE", currency, "field 4 (default: 643)", RUB),
        Argument.CARD_WITHIN: _Option(
            "--card-within", "S", card_seconds, "field 57, how long the customer has"
        ),
        Argument.TRACK2: _Option(
            "--track2", "TRACK", track2, "field 12, of a card that the register read itself"
        ),
        Argument.TERMINAL_ID: _Option("--terminal-id", "ID", terminal_id, "field 27 (default: any)"),
    }
)
"""Every argument that is an option; the amount has a place of its own, the model is ours."""


def add_register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and, under it, one per operation."""
    register = commands.add_parser(
        "register",
        help="a small cash register, to try a pinpad",
        description="Send one request; print the answer and its receipt. Status 0 only for 39 = 1, and for a "
        "report or copy that came without field 39.",
    )
    operations = register.add_subparsers(dest="operation", metavar="OPERATION", required=True)
    for name, row in OPERATIONS.items():
        _add_operation(operations, name, row)


def _add_operation(
    operations: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, row: Operation
) -> None:
    number = str(int(row.code)) if row.mode is None else f"{int(row.code)}/{int(row.mode)}"
    said = f"operation {number}: {row.title.english}"
    chosen = " Without --rrn, --code or --slip: of the last one." if row.chosen_by else ""
    parser = operations.add_parser(name, help=said, description=f"{said[:1].upper()}{said[1:]}.{chosen}")
    if Argument.AMOUNT in row.takes:
        optional: dict[str, Any] = {} if Argument.AMOUNT in row.needs else {"nargs": "?"}
        said = "in roubles, e.g. 12.00" + (", if known" if optional else "")
        parser.add_argument("amount", type=amount, metavar="AMOUNT", help=said, **optional)
    for argument, option in _OPTIONS.items():
        if argument in row.takes:
            parser.add_argument(
                option.flag,
                dest=argument.value,
                type=option.read,
                metavar=option.metavar,
                default=option.default,
                required=argument in row.needs,
                help=option.help,
            )
    _add_exchange(parser)


def _add_exchange(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", required=True, metavar="PORT", help=PORT_HELP)
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=180_000,
        metavar="S",
        help="for the whole operation (default: 180)",
    )
    parser.add_argument(
        "--no-channel",
        action="store_true",
        help="no way to the bank for a pinpad that asks for one (scheme ПКХ)",
    )
    parser.add_argument(
        "--answer",
        action="append",
        default=[],
        metavar="TEXT",
        help="what the cashier answers to a question, one after the other (default: you are asked)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
