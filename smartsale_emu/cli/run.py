"""``run``: the pinpad in the foreground, or headless."""

import argparse
import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from smartsale_emu.cli.bank_way import LocalBank, way_to_bank
from smartsale_emu.cli.file_trace import FileTrace, this_millisecond
from smartsale_emu.cli.recorded import entropy_for, recorded
from smartsale_emu.cli.signals import on_stop_signal
from smartsale_emu.emulator.doors import Trace
from smartsale_emu.emulator.emulator import Emulator
from smartsale_emu.emulator.tunnel import Tunnel
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.host.session import Exchange
from smartsale_emu.payment.card import TestCard
from smartsale_emu.payment.cardholder import Cardholder, Prompt
from smartsale_emu.payment.chip_shelf import ChipShelf
from smartsale_emu.runtime.assembly import (
    build_bank,
    build_emulator,
    load_bank_profile,
    load_card,
    load_cards,
    load_keys,
    load_layout,
    load_terminal_profile,
)
from smartsale_emu.runtime.bank_link import EmbeddedBank
from smartsale_emu.runtime.chip_counters import ChipCounters
from smartsale_emu.runtime.driver import Clock, Driver, SteadyClock, Watcher
from smartsale_emu.runtime.ledger_file import open_ledger
from smartsale_emu.runtime.memory_file import MemoryFile
from smartsale_emu.runtime.port_table import open_port
from smartsale_emu.runtime.state_dir import StateDir, default_state_dir
from smartsale_emu.runtime.trace_file import TraceFile
from smartsale_emu.security.keys import KeyRing
from smartsale_emu.security.masking import Secret
from smartsale_emu.terminal.memory import dump_memory
from smartsale_emu.terminal.profile import TerminalProfile
from smartsale_emu.units import Millis, calendar

if TYPE_CHECKING:
    from smartsale_emu.cli.screen import Screen
    from smartsale_emu.scenario.recording import Recorder


def run(args: argparse.Namespace) -> int:
    """Run the pinpad until it is stopped; status 0 then."""
    if args.api or args.web or args.token:
        from smartsale_emu.cli import served

        return served.run(args)
    with ExitStack() as stack:
        asyncio.run(_run(args, stack))
    return 0


@dataclass(frozen=True, slots=True)
class _Setup:
    """What a pinpad is made of, read from files."""

    clock: Clock
    epoch: datetime
    state: StateDir
    recording: "Recorder | None"
    keys: KeyRing
    profile: TerminalProfile
    bank_profile: BankProfile
    memory: MemoryFile
    cards: list[TestCard]


def _setup(args: argparse.Namespace, stack: ExitStack) -> _Setup:
    epoch = this_millisecond()
    state = stack.enter_context(StateDir(args.state) if args.state else default_state_dir())
    return _Setup(
        clock=SteadyClock(args.speed) if args.record else Clock(args.speed),
        epoch=epoch,
        state=state,
        recording=stack.enter_context(recorded(args, state, epoch)) if args.record else None,
        keys=load_keys(args.keys),
        profile=load_terminal_profile(args.terminal_profile),
        bank_profile=load_bank_profile(args.bank_profile),
        memory=stack.enter_context(MemoryFile(state.memory)),
        cards=_cards(args),
    )


async def _run(args: argparse.Namespace, stack: ExitStack) -> None:
    setup = _setup(args, stack)
    watchers = _watchers(args, setup.epoch, stack)
    cardholder = _cardholder(args, setup.cards)
    shelf = _shelf(setup.keys, setup.state, cardholder)
    port = open_port(args.port, default_link=setup.state.port)
    local = None if args.host else _local_bank(args, setup, watchers, stack)
    async with way_to_bank(args, setup.profile, setup.bank_profile.wire.framing, local) as way:
        emulator = _emulator(args, setup, way.tunnel)
        setup.memory.save(dump_memory(emulator.memory))  # a disk that takes nothing is told before READY
        screen = None if args.headless else _screen(setup, cardholder, shelf, watchers)
        driver = Driver(
            emulator,
            port,
            way.link,
            setup.memory,
            clock=setup.clock,
            cardholder=cardholder,
            shelf=shelf,
            watchers=(*watchers, setup.recording) if setup.recording else tuple(watchers),
            listener=setup.recording,
        )
        told = setup.state.tell_port
        await (screen.serve(driver, told) if screen else _serve(driver, told))


def _emulator(args: argparse.Namespace, setup: _Setup, tunnel: Tunnel | None) -> Emulator:
    return build_emulator(
        setup.profile,
        setup.bank_profile,
        setup.keys,
        layout=load_layout(args.receipts),
        memory_text=setup.memory.load(),
        memory_origin=setup.state.memory,
        epoch=setup.epoch,
        traced=bool(args.trace) or not args.headless,
        tunnel=tunnel,
        live_cards=args.allow_live_cards,
        entropy=entropy_for("pinpad", setup.recording),
    )


def _watchers(args: argparse.Namespace, epoch: datetime, stack: ExitStack) -> list[Watcher]:
    return [FileTrace(stack.enter_context(TraceFile(args.trace)), epoch)] if args.trace else []


def _shelf(keys: KeyRing, state: StateDir, cardholder: Cardholder) -> ChipShelf:
    """Return the cards' chips. Raises KeySlotError when that of the customer's card would get no key."""
    shelf = ChipShelf(keys, ChipCounters(state.card_counters))
    if cardholder.card is not None:
        shelf.require_key(cardholder.card)
    return shelf


def _screen(setup: _Setup, cardholder: Cardholder, shelf: ChipShelf, watchers: list[Watcher]) -> "Screen":
    from smartsale_emu.cli.screen import Screen

    cards = [one.card for one in load_cards().values() if shelf.has_key(one.card)]
    screen = Screen(setup.state.path, cardholder, cards, setup.epoch)
    watchers.append(screen)
    return screen


async def _serve(driver: Driver, told: Callable[[str], None]) -> None:
    on_stop_signal(driver.stop)

    def ready(name: str) -> None:
        told(name)
        print(f"READY port={name}", flush=True)

    await driver.run(ready)


def _cards(args: argparse.Namespace) -> list[TestCard]:
    """Return the customer's card, if he has one."""
    return [load_card(args.card, allow_live=args.allow_live_cards)] if args.card else []


def _cardholder(args: argparse.Namespace, cards: list[TestCard]) -> Cardholder:
    return Cardholder(
        card=cards[0].card if cards else None,
        pin=Secret(args.pin) if args.pin else None,
        card_after=Millis(args.card_delay),
        pin_after=Millis(args.pin_delay),
        wrong_pins=args.wrong_pins,
        cancels_at=Prompt(args.cancel_at) if args.cancel_at else None,
    )


def _local_bank(
    args: argparse.Namespace, setup: _Setup, watchers: list[Watcher], stack: ExitStack
) -> LocalBank:
    """Return the bank in this process; ``watchers`` may still grow."""
    ledger, entropy = (
        stack.enter_context(open_ledger(setup.state.ledger)),
        entropy_for("bank", setup.recording),
    )
    parts = build_bank(
        setup.bank_profile, ledger, setup.keys, rules=args.rules, own_cards=setup.cards, entropy=entropy
    )

    def watch(exchange: Exchange) -> None:
        for watcher in watchers:
            watcher.see(Trace("host", exchange.because), setup.clock.now())

    link = EmbeddedBank(parts.connect, today=lambda: calendar(setup.epoch, setup.clock.now()), watch=watch)
    return LocalBank(link, parts.connect, watch)
