"""``run``: the pinpad in the foreground, or headless."""

import argparse
import asyncio
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from smartsale_emu.cli.bank_way import LocalBank, way_to_bank
from smartsale_emu.cli.signals import on_stop_signal
from smartsale_emu.emulator.doors import Effect, Trace
from smartsale_emu.host.session import Exchange
from smartsale_emu.payment.card import TestCard
from smartsale_emu.payment.cardholder import Cardholder, Prompt
from smartsale_emu.payment.chip_shelf import ChipShelf
from smartsale_emu.runtime.assembly import (
    BankParts,
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
from smartsale_emu.runtime.driver import Clock, Driver, Watcher
from smartsale_emu.runtime.ledger_file import open_ledger
from smartsale_emu.runtime.memory_file import MemoryFile
from smartsale_emu.runtime.port_table import open_port
from smartsale_emu.runtime.state_dir import StateDir, default_state_dir
from smartsale_emu.runtime.trace_file import TraceFile
from smartsale_emu.security.keys import KeyRing
from smartsale_emu.security.masking import Secret
from smartsale_emu.terminal.memory import dump_memory
from smartsale_emu.units import Millis, calendar

if TYPE_CHECKING:
    from smartsale_emu.cli.screen import Screen


def run(args: argparse.Namespace) -> int:
    """Run the pinpad until it is stopped; status 0 then."""
    with ExitStack() as stack:
        asyncio.run(_run(args, stack))
    return 0


async def _run(args: argparse.Namespace, stack: ExitStack) -> None:
    clock, epoch = Clock(args.speed), datetime.now()
    state = stack.enter_context(StateDir(args.state) if args.state else default_state_dir())
    watchers = _watchers(args, epoch, stack)
    keys, profile = load_keys(args.keys), load_terminal_profile(args.terminal_profile)
    bank_profile, layout = load_bank_profile(args.bank_profile), load_layout(args.receipts)
    memory, cards = stack.enter_context(MemoryFile(state.memory)), _cards(args)
    cardholder = _cardholder(args, cards)
    shelf = _shelf(keys, state, cardholder)
    port, local = open_port(args.port, default_link=state.port), None
    if not args.host:
        ledger = stack.enter_context(open_ledger(state.ledger))
        parts = build_bank(bank_profile, ledger, keys, rules=args.rules, own_cards=cards)
        local = _local_bank(parts, watchers, clock, epoch)
    async with way_to_bank(args, profile, bank_profile.wire.framing, local) as way:
        emulator = build_emulator(
            profile,
            bank_profile,
            keys,
            layout=layout,
            memory_text=memory.load(),
            memory_origin=state.memory,
            epoch=epoch,
            traced=bool(args.trace) or not args.headless,
            tunnel=way.tunnel,
            live_cards=args.allow_live_cards,
        )
        memory.save(dump_memory(emulator.memory))  # a disk that takes nothing is told before READY
        screen = None if args.headless else _screen(state, cardholder, shelf, epoch, watchers)
        driver = Driver(
            emulator,
            port,
            way.link,
            memory,
            clock=clock,
            cardholder=cardholder,
            shelf=shelf,
            watchers=tuple(watchers),
        )
        await (screen.serve(driver) if screen else _serve(driver))


def _watchers(args: argparse.Namespace, epoch: datetime, stack: ExitStack) -> list[Watcher]:
    return [FileTrace(stack.enter_context(TraceFile(args.trace)), epoch)] if args.trace else []


def _shelf(keys: KeyRing, state: StateDir, cardholder: Cardholder) -> ChipShelf:
    """Return the cards' chips. Raises KeySlotError when that of the customer's card would get no key."""
    shelf = ChipShelf(keys, ChipCounters(state.card_counters))
    if cardholder.card is not None:
        shelf.require_key(cardholder.card)
    return shelf


def _screen(
    state: StateDir, cardholder: Cardholder, shelf: ChipShelf, epoch: datetime, watchers: list[Watcher]
) -> "Screen":
    from smartsale_emu.cli.screen import Screen

    cards = [one.card for one in load_cards().values() if shelf.has_key(one.card)]
    screen = Screen(state.path, cardholder, cards, epoch)
    watchers.append(screen)
    return screen


async def _serve(driver: Driver) -> None:
    on_stop_signal(driver.stop)
    await driver.run(lambda name: print(f"READY port={name}", flush=True))


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


def _local_bank(parts: BankParts, watchers: list[Watcher], clock: Clock, epoch: datetime) -> LocalBank:
    """Return the bank in this process; ``watchers`` may still grow."""

    def watch(exchange: Exchange) -> None:
        for watcher in watchers:
            watcher.see(Trace("host", exchange.because), clock.now())

    link = EmbeddedBank(parts.connect, today=lambda: calendar(epoch, clock.now()), watch=watch)
    return LocalBank(link, parts.connect, watch)


class FileTrace:
    """The trace as JSON lines: one per frame, message, state change, bank message and decision."""

    def __init__(self, file: TraceFile, epoch: datetime) -> None:
        self._file, self._epoch = file, epoch

    def see(self, effect: Effect, now: Millis) -> None:
        """Write a Trace effect down; others are told by the traces beside them."""
        if isinstance(effect, Trace):
            moment = (self._epoch + timedelta(milliseconds=now)).isoformat(timespec="milliseconds")
            head = {"time": moment, "ms": now, "kind": effect.kind}
            self._file.write({**head, **effect.details, "because": effect.because})
