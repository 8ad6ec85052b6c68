"""``register``: a small cash register for people without one."""

import argparse
import json
import sys

from smartsale_emu.register.answers import TillView, till_view
from smartsale_emu.register.requests import OPERATIONS, link_test_request, reversal_request, sale_request
from smartsale_emu.register.session import RegisterEffect, RegisterSession, RegisterTiming, Remarked, Waited
from smartsale_emu.runtime.register_line import exchange
from smartsale_emu.sa.tlv import Message
from smartsale_emu.units import Millis


def run(args: argparse.Namespace) -> int:
    """Do one operation; status 0 only for 39 = 1."""
    session = RegisterSession(_request(args), timing=RegisterTiming(total=Millis(args.timeout)))
    outcome = exchange(args.port, session, on_effect=_tell)
    view = till_view(outcome, operation=OPERATIONS[args.operation])
    if args.json:
        print(json.dumps(view.as_json(), ensure_ascii=False, indent=1))
    else:
        _print(view)
    return 0 if view.succeeded else 1


def _request(args: argparse.Namespace) -> Message:
    terminal_id = args.terminal_id or None
    match args.operation:
        case "sale":
            return sale_request(
                amount=args.amount, currency=args.currency, number=args.ern, terminal_id=terminal_id
            )
        case "reversal":
            return reversal_request(amount=args.amount, currency=args.currency, terminal_id=terminal_id)
        case _:
            return link_test_request(terminal_id=args.terminal_id)


def _tell(effect: RegisterEffect) -> None:
    """Progress goes to standard error, so that the answer can be piped."""
    match effect:
        case Waited(count):
            print(f"… the pinpad asks for patience ({count})", file=sys.stderr)
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
