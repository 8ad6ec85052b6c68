"""``run --api`` and ``run --web``: a pinpad that programs steer over HTTP, and people on a page.

It is a pinpad as ``run`` has one, with its files, on a stage where everything can be made to go wrong.
"""

import argparse
import asyncio
import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime

from smartsale_emu.cli.file_trace import FileTrace, this_millisecond
from smartsale_emu.cli.parser import DEFAULT_API
from smartsale_emu.cli.signals import on_stop_signal
from smartsale_emu.control.api import create_app
from smartsale_emu.control.api_models import Setup
from smartsale_emu.control.api_service import Service
from smartsale_emu.control.event_log import EventLog
from smartsale_emu.control.fault_book import ConflictError
from smartsale_emu.control.guard import Guard, is_local
from smartsale_emu.control.hub import the_hub
from smartsale_emu.control.served_pinpad import ServedPinpad
from smartsale_emu.control.server import Server, bound_to, serve, url_of
from smartsale_emu.control.settings import setting_of
from smartsale_emu.control.story_teller import StoryTeller
from smartsale_emu.control.web import add_page
from smartsale_emu.errors import SetupError
from smartsale_emu.payment.card import TestCard
from smartsale_emu.runtime.assembly import load_card
from smartsale_emu.runtime.chip_counters import ChipCounters
from smartsale_emu.runtime.disk import FileDisk
from smartsale_emu.runtime.ledger_file import open_ledger
from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.runtime.live_stage import Outfit, live_stage
from smartsale_emu.runtime.memory_file import MemoryFile
from smartsale_emu.runtime.ports import TcpAddress, parse_tcp
from smartsale_emu.runtime.state_dir import StateDir, default_state_dir
from smartsale_emu.runtime.trace_file import TraceFile
from smartsale_emu.scenario.model import Setting
from smartsale_emu.scenario.stage import Belongings
from smartsale_emu.security.safe import TerminalSafe
from smartsale_emu.terminal.memory import Memory, check_sealed, dump_memory, parse_memory

SHORTEST_TOKEN = 12
_KEPT_TRACES = 20_000
_ONLY_WITHOUT = {
    "host": "the faults of a bank elsewhere are not ours to set",
    "record": "a session that is steered from outside cannot be repeated byte by byte",
    "ca": "it belongs to --host",
    "client_cert": "it belongs to --host",
    "client_key": "it belongs to --host",
    "keep_connection": "it belongs to --host",
}


def run(args: argparse.Namespace) -> int:
    """Serve a pinpad until it is stopped; status 0 then."""
    address = _address(args)
    with ExitStack() as stack:
        asyncio.run(_serve(args, address, stack))
    return 0


def _address(args: argparse.Namespace) -> TcpAddress:
    """Return where to listen. Raises SetupError when the options do not fit together."""
    for name, why in _ONLY_WITHOUT.items():
        if getattr(args, name):
            raise SetupError(f"--{name.replace('_', '-')}: not with --api and --web: {why}")
    address = parse_tcp(args.api or DEFAULT_API)
    if args.token is not None and (len(args.token) < SHORTEST_TOKEN or not args.token.isascii()):
        raise SetupError(f"--token: must have {SHORTEST_TOKEN} characters or more, of ASCII")
    if args.token is None and not is_local(address.host):
        raise SetupError(
            f"--api {address.host}:{address.port}: can be reached from other machines: it needs --token TEXT"
        )
    return address


async def _serve(args: argparse.Namespace, address: TcpAddress, stack: ExitStack) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    died: list[BaseException] = []

    def end(error: BaseException) -> None:
        died.append(error)
        loop.call_soon_threadsafe(stop.set)

    bound, taken = bound_to(address)
    stack.callback(bound.close)
    service = _service(args, stack, end)
    pinpad = service.pinpad
    app = create_app(service)
    if args.web:
        add_page(app)
    guarded = Guard(app, bound=taken, token=args.token or "")
    on_stop_signal(stop.set)
    try:
        pinpad.power_on()
        await serve(Server(guarded, lambda: _ready(args, service, taken)), bound, stop, service.over)
    finally:
        with suppress(ConflictError):
            service.stories.stop()
        pinpad.close()
    if died:
        raise died[0]


def _service(args: argparse.Namespace, stack: ExitStack, died: Callable[[BaseException], None]) -> Service:
    """Return the pinpad, still without power. Raises SetupError."""
    epoch = this_millisecond()
    state = stack.enter_context(StateDir(args.state) if args.state else default_state_dir())
    own = [load_card(args.card, allow_live=args.allow_live_cards)] if args.card else []
    library = FileLibrary(keys=args.keys, receipts=args.receipts, own=own)
    setting = _setting(args, epoch, own)
    outfit = _outfit(args, stack, state, died)
    vet = _vet(library, setting)
    if outfit.disk.text:
        vet(outfit.disk.text, str(state.memory))
    outfit.disk.text = outfit.disk.text or dump_memory(Memory())  # a disk that is full is told before READY
    log = EventLog(epoch)
    trace = stack.enter_context(TraceFile(args.trace)) if args.trace else None
    ports: list[str] = []
    stage = live_stage(
        setting,
        args.port,
        the_hub().wait,
        seed=setting.seed,
        ready=_told(state, ports),
        watchers=(log, FileTrace(trace, epoch)) if trace else (log,),
        library=library,
        revives=True,
        keeps=_KEPT_TRACES,
        outfit=outfit,
    )
    for one in own:
        stage.shelf.require_key(one.card)
    pinpad = ServedPinpad(stage, the_hub(), log, epoch=epoch, vet=vet, ports=ports)
    setup = Setup(
        terminal_profile=args.terminal_profile,
        bank_profile=args.bank_profile,
        rules=args.rules,
        scheme=args.scheme,
        terminal_id=stage.terminal.terminal_id,
    )
    return Service(pinpad, setup, StoryTeller(pinpad, library, setup))


def _told(state: StateDir, ports: list[str]) -> Callable[[str], None]:
    def ready(port: str) -> None:
        state.tell_port(port)
        ports.append(port)

    return ready


def _outfit(
    args: argparse.Namespace, stack: ExitStack, state: StateDir, died: Callable[[BaseException], None]
) -> Outfit:
    """Return what is kept in the state directory, and what the options say of the pinpad."""
    ledger = stack.enter_context(open_ledger(state.ledger))
    belongings = Belongings(ledger, ChipCounters(state.card_counters), args.allow_live_cards, os.urandom)
    disk = FileDisk(stack.enter_context(MemoryFile(state.memory)))
    return Outfit(belongings, disk, link=state.port, speed=args.speed, died=died)


def _setting(args: argparse.Namespace, epoch: datetime, own: list[TestCard]) -> Setting:
    acts = {
        "card_after": f"{args.card_delay}ms",
        "pin_after": f"{args.pin_delay}ms",
        "wrong_pins": args.wrong_pins,
        "cancels_at": args.cancel_at,
    }
    return setting_of(
        card=own[0].card.name if own else None,
        pin=args.pin,
        acts=acts,
        scheme=args.scheme,
        date=epoch,
        terminal={"profile": args.terminal_profile},
        bank={"profile": args.bank_profile, "rules": args.rules, "delay": "0ms"},
    )


def _vet(library: FileLibrary, setting: Setting) -> Callable[[str, str], None]:
    """Return what refuses a memory that this pinpad cannot use, and a bank that cannot be."""
    profile = library.bank_profile(setting.bank.profile, {})
    rulebook = library.rulebook(setting.bank.rules)
    rulebook.check_cards(library.cards())
    rulebook.check_codes(profile.wire.responses)
    safe = TerminalSafe(library.keys(), os.urandom, profile.protection)

    def vet(text: str, origin: str) -> None:
        check_sealed(parse_memory(text, origin=origin), safe, origin=origin)

    return vet


def _ready(args: argparse.Namespace, service: Service, address: TcpAddress) -> None:
    url = url_of(address)
    if args.headless:
        print(f"READY port={service.pinpad.port} api={url}", flush=True)
        return
    token = f"/#token={args.token}" if args.token else "/"
    print(f"The pinpad is on {service.pinpad.port}")
    print(f"Its control API is at {url}/api/v1, its description at {url}/api/v1/openapi.json")
    if args.web:
        print(f"Its page is at {url}{token}")
    print("Ctrl-C ends it.", flush=True)
