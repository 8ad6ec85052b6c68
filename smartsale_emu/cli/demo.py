"""``demo``: pinpad, bank and register in one go, on virtual time, told step by step."""

import argparse
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from smartsale_emu.cli.told import told
from smartsale_emu.emulator.emulator import Emulator
from smartsale_emu.host.ledger import MemoryLedger
from smartsale_emu.payment.card import TestCard
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.payment.chip_shelf import ChipShelf, CounterBook
from smartsale_emu.register.answers import till_view
from smartsale_emu.register.requests import OPERATIONS, link_test_request, reversal_request, sale_request
from smartsale_emu.register.session import Habits
from smartsale_emu.runtime import DEFAULT_BANK_PROFILE, DEFAULT_RECEIPT_LAYOUT, DEFAULT_TERMINAL_PROFILE
from smartsale_emu.runtime.assembly import (
    build_bank,
    build_emulator,
    load_bank_profile,
    load_cards,
    load_keys,
    load_layout,
    load_terminal_profile,
)
from smartsale_emu.runtime.resources import read_scenario
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.agreement import compare
from smartsale_emu.scenario.story import StoryStep, parse_story
from smartsale_emu.scenario.till import SessionTill
from smartsale_emu.scenario.virtual import World
from smartsale_emu.security.masking import Secret
from smartsale_emu.units import Millis

STORY = "first-steps"
SHOWN = frozenset({"state", "decision", "bank", "message"})


def run(args: argparse.Namespace) -> int:
    """Play the story; status 0 when bank and pinpad agree at its end."""
    console = Console(highlight=False, soft_wrap=True)
    text, origin = read_scenario(STORY)
    story = parse_story(text, origin=origin)
    stage = _Stage.build()
    console.print(f"[bold]{escape(story.title)}[/]  (virtual time: what takes a minute here is told at once)")
    for number, step in enumerate(story.steps, start=1):
        console.rule(f"{number}. {step.operation}", align="left")
        console.print(f"[italic]{escape(step.tell)}[/]\n")
        _play(stage, step, console, frames=args.frames)
    agreement = compare(
        stage.ledger.operations(),
        stage.ledger.closed_batches(),
        stage.world.emulator.memory,
        terminal_id=stage.terminal_id,
    )
    console.rule(align="left")
    for sentence in (*agreement.disagreements, *agreement.notes):
        console.print(escape(sentence))
    console.print("Bank and pinpad agree." if agreement.agree else "Bank and pinpad do NOT agree.")
    console.print("Next: smartsale-emu run --card mir-chip --pin 1234")
    return 0 if agreement.agree else 1


@dataclass(slots=True)
class _Stage:
    """What the story is played on."""

    world: World
    ledger: MemoryLedger
    cards: dict[str, TestCard]
    terminal_id: str

    @classmethod
    def build(cls) -> "_Stage":
        keys, epoch = load_keys(), datetime.now().replace(microsecond=0)
        profile, bank_profile = (
            load_terminal_profile(DEFAULT_TERMINAL_PROFILE),
            load_bank_profile(DEFAULT_BANK_PROFILE),
        )
        layout, ledger = load_layout(DEFAULT_RECEIPT_LAYOUT), MemoryLedger()
        bank = build_bank(bank_profile, ledger, keys)

        def boot(saved: str | None) -> Emulator:
            return build_emulator(
                profile,
                bank_profile,
                keys,
                layout=layout,
                memory_text=saved,
                memory_origin="memory",
                epoch=epoch,
                traced=True,
            )

        shelf = ChipShelf(keys, CounterBook())
        world = World(boot, bank.connect, cardholder=Cardholder(None), shelf=shelf, epoch=epoch)
        return cls(world, ledger, load_cards(), profile.terminal_id)


def _play(stage: _Stage, step: StoryStep, console: Console, *, frames: bool) -> None:
    world, seen = stage.world, len(stage.world.traces)
    started = world.now
    world.cardholder = Cardholder(
        stage.cards[step.card].card if step.card else None, Secret(step.pin) if step.pin else None
    )
    till = SessionTill(_request(step), Habits(final=step.final))
    world.plug(till)
    world.run(lambda: till.outcome is not None and not world.emulator.serving, within=300_000)
    world.rest(2_000)
    reason = ""
    for moment, trace in world.traces[seen:]:
        repeated, reason = trace.because == reason, trace.because
        if frames or (trace.kind in SHOWN and not repeated):
            line = Text(f"{_clock(Millis(moment - started))}  ")
            console.print(line.append_text(told(trace, briefly=True)))
    if till.outcome is not None:
        view = till_view(till.outcome, operation=OPERATIONS[step.operation])
        console.print(f"\nThe till shows: [bold]{escape(view.message)}[/]")
        for slip in view.slips[:1]:
            console.print(escape(slip.text.rstrip()), style="dim")
    console.print()


def _request(step: StoryStep) -> Message:
    match step.operation:
        case "sale":
            return sale_request(amount=step.amount)
        case "reversal":
            return reversal_request(amount=step.amount or None)
        case _:
            return link_test_request()


def _clock(moment: Millis) -> str:
    return f"{moment // 1000:4d}.{moment % 1000:03d} s"
