"""``register``: a small cash register for people without one."""

import argparse
import json
import sys

from smartsale_emu.cli.register_cashier import KeyboardCashier, ScriptedCashier
from smartsale_emu.register.answers import TillView, till_view
from smartsale_emu.register.effects import OpenHost, RegisterEffect, Remarked, Waited
from smartsale_emu.register.habits import RegisterTiming
from smartsale_emu.register.requests import OPERATIONS, Argument, Arguments, operation_request
from smartsale_emu.register.session import RegisterSession
from smartsale_emu.runtime.register_line import Cashier, exchange
from smartsale_emu.sa.tlv import Message
from smartsale_emu.units import Millis


def run(args: argparse.Namespace) -> int:
    """Do one operation; status 0 only for success."""
    cashier = _cashier(args)
    session = RegisterSession(
        _request(args),
        timing=RegisterTiming(total=Millis(args.timeout)),
        channel=not args.no_channel,
        window=cashier is not None,
    )
    outcome = exchange(args.port, session, cashier=cashier, on_effect=_tell)
    view = till_view(outcome, operation=OPERATIONS[args.operation])
    if args.json:
        print(json.dumps(view.as_json(), ensure_ascii=False, indent=1))
    else:
        _print(view)
    return 0 if view.succeeded else 1


def _request(args: argparse.Namespace) -> Message:
    given = {name.value: value for name in Argument if (value := getattr(args, name, None)) not in (None, "")}
    return operation_request(args.operation, Arguments(**given))


def _cashier(args: argparse.Namespace) -> Cashier | None:
    if args.answer:
        return ScriptedCashier(args.answer)
    return KeyboardCashier() if sys.stdin is not None and sys.stdin.isatty() else None


def _tell(effect: RegisterEffect) -> None:
    """Progress goes to standard error, so that the answer can be piped."""
    match effect:
        case Waited(count):
            print(f"… the pinpad asks for patience ({count})", file=sys.stderr)
        case OpenHost(host, port):
            print(f"… reaching the bank for the pinpad: {host}:{port}", file=sys.stderr)
        case Remarked(text):
            print(f"! {text}", file=sys.stderr)
        case _:
            pass


def _print(view: TillView) -> None:
    for field in view.fields:
        print(f"{field.number:>3}  {field.name:<22} {field.text}")
    for slip in view.slips:
        if slip.printed:
            print(f"\n--- {slip.title} ---\n{slip.text.rstrip()}")
    print(f"\n{view.message}")
