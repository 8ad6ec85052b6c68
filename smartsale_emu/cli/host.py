"""``host``: the mock bank as a server."""

import argparse
import asyncio
from contextlib import ExitStack
from datetime import datetime

from smartsale_emu.cli.signals import on_stop_signal
from smartsale_emu.host.session import Exchange
from smartsale_emu.host.shown import shown_answer, shown_request
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.runtime.assembly import build_bank, load_bank_profile, load_card, load_keys
from smartsale_emu.runtime.host_server import HostServer
from smartsale_emu.runtime.ledger_file import open_ledger
from smartsale_emu.runtime.ports import bank_address
from smartsale_emu.runtime.state_dir import StateDir, default_state_dir
from smartsale_emu.runtime.tls import server_tls
from smartsale_emu.runtime.trace_file import TraceFile


def run(args: argparse.Namespace) -> int:
    """Serve until stopped, status 0 then; or check somebody else's host."""
    if args.errand == "check":
        from smartsale_emu.cli import host_check

        return host_check.run(args)
    with ExitStack() as stack:
        address = bank_address(args.listen, "--listen")
        tls = server_tls(address, cert=args.tls_cert, key=args.tls_key, ca=args.tls_ca)
        state = stack.enter_context(StateDir(args.state) if args.state else default_state_dir("bank"))
        trace = stack.enter_context(TraceFile(args.trace)) if args.trace else None
        ledger = stack.enter_context(open_ledger(state.ledger))
        profile, keys = load_bank_profile(args.bank_profile), load_keys(args.keys)
        parts = build_bank(profile, ledger, keys, rules=args.rules, own_cards=map(load_card, args.own_cards))

        def watch(exchange: Exchange) -> None:
            if trace:
                trace.write(_record(exchange))
            if not args.headless:
                print(_line(exchange), flush=True)

        server = HostServer(address, parts.connect, watch=watch, tls=tls)
        asyncio.run(_serve(server, headless=args.headless, state=state))
    return 0


async def _serve(server: HostServer, *, headless: bool, state: StateDir) -> None:
    on_stop_signal(server.stop)

    def ready(name: str) -> None:
        state.tell_port(name)
        text = (
            f"READY port={name}"
            if headless
            else f"The bank listens on {name}, its ledger is in {state.path}. Ctrl-C ends it."
        )
        print(text, flush=True)

    await server.run(ready)


def _record(exchange: Exchange) -> dict[str, object]:
    record: dict[str, object] = {"time": datetime.now().isoformat(timespec="milliseconds"), "kind": "host"}
    if exchange.request:
        record["request"] = shown_request(exchange.request)
    if exchange.answer:
        record["answer"] = shown_answer(exchange.answer)
    return {**record, "because": exchange.because}


def _line(exchange: Exchange) -> str:
    stamp = datetime.now().strftime("%H:%M:%S")
    if exchange.request is None or exchange.answer is None:
        return f"{stamp}  a message that could not be read: {exchange.because}"
    request, answer = exchange.request, exchange.answer
    card = request.card.masked if request.card else "-"
    amount = format_amount(request.amount) if request.amount else "-"
    head = f"{stamp}  {request.step:<9} STAN {request.stan:06d} {card:<19} {amount:>12}"
    return f"{head} -> {answer.response_code}  {exchange.because}"
