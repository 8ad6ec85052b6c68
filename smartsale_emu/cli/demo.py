"""``demo``: pinpad, bank and register in one go, on virtual time, told step by step."""

import argparse
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from rich.markup import escape

from smartsale_emu.emulator import Emulator, Trace
from smartsale_emu.host.ledger import MemoryLedger
from smartsale_emu.payment.card import TestCard
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.register.answers import till_view
from smartsale_emu.register.requests import link_test_request, reversal_request, sale_request
from smartsale_emu.register.session import Habits
from smartsale_emu.runtime.assembly import (
    DEFAULT_BANK_PROFILE,
    DEFAULT_TERMINAL_PROFILE,
    build_bank,
    build_emulator,
    load_bank_profile,
    load_cards,
    load_keys,
    load_terminal_profile,
)
from smartsale_emu.runtime.resources import read_scenario
from smartsale_emu.sa.codes import OperationCode
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.agreement import compare
from smartsale_emu.scenario.story import StoryStep, parse_story
from smartsale_emu.scenario.till import SessionTill
from smartsale_emu.scenario.virtual import World
from smartsale_emu.security.masking import Secret
from smartsale_emu.units import Millis

STORY = "first-steps"
SHOWN = {"state": "cyan", "decision": "yellow", "bank": "magenta", "message": "bold", "hands": "green"}
CODES = {
    "sale": OperationCode.SALE,
    "test": OperationCode.TEST_CONNECTION,
    "reversal": OperationCode.EMERGENCY_REVERSAL,
}


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
    agreement = compare(stage.ledger.operations(), stage.world.emulator.memory, terminal_id=stage.terminal_id)
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
        ledger = MemoryLedger()
        bank = build_bank(bank_profile, ledger, keys)

        def boot(saved: str | None) -> Emulator:
            return build_emulator(
                profile,
                bank_profile,
                keys,
                memory_text=saved,
                memory_origin="memory",
                epoch=epoch,
                traced=True,
            )

        world = World(boot, bank.connect, cardholder=Cardholder(None), epoch=epoch)
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
    for moment, trace in world.traces[seen:]:
        line = _line(trace, frames=frames)
        if line:
            console.print(f"{_clock(Millis(moment - started))}  {line}")
    if till.outcome is not None:
        view = till_view(till.outcome, operation=CODES[step.operation])
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


def _line(trace: Trace, *, frames: bool) -> str:
    style, details = SHOWN.get(trace.kind), trace.details
    if style is None:
        return f"[dim]{trace.kind}: {escape(trace.because)}[/]" if frames else ""
    match trace.kind:
        case "message":
            arrow = "register → pinpad" if details["direction"] == "in" else "pinpad → register"
            return f"[{style}]{arrow}  {escape(_fields(details['fields']))}[/]"
        case "state":
            return f"[{style}]{details['from']} → {details['to']}[/]  [dim]{escape(trace.because)}[/]"
        case "bank":
            return f"[{style}]bank {escape(trace.because)}[/]  {escape(_bank(details))}"
        case _:
            return f"[{style}]{escape(trace.because)}[/]"


def _bank(details: dict[str, object]) -> str:
    shown = ("step", "stan", "attempt", "amount", "card", "response_code", "rrn")
    return "  ".join(f"{name}={details[name]}" for name in shown if name in details)


def _fields(fields: object) -> str:
    if not isinstance(fields, list):
        return ""
    told = {0, 13, 14, 15, 19, 25, 39}
    return "  ".join(f"{number}={value}" for number, _, value in fields if number in told)
