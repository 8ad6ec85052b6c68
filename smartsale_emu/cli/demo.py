"""``demo``: pinpad, bank and register in one go, on virtual time, told step by step."""

import argparse
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from smartsale_emu.cli.told import told
from smartsale_emu.emulator.doors import Trace
from smartsale_emu.register.answers import till_view
from smartsale_emu.register.requests import OPERATIONS
from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.runtime.resources import read_scenarios
from smartsale_emu.scenario.loader import Case, load_cases
from smartsale_emu.scenario.overheard import Heard
from smartsale_emu.scenario.player import Player
from smartsale_emu.scenario.requests import Ask, read_register
from smartsale_emu.scenario.results import Log
from smartsale_emu.scenario.stage import build_stage
from smartsale_emu.units import Millis

STORY = "everyday/first-steps.yaml"
SHOWN = frozenset({"state", "decision", "bank", "message"})


def run(args: argparse.Namespace) -> int:
    """Play the story; status 0 when bank and pinpad agree at its end."""
    console, library = Console(highlight=False, soft_wrap=True), FileLibrary()
    origin, text = next((origin, text) for origin, text in read_scenarios() if origin.endswith(STORY))
    (case,) = load_cases(text, origin=origin, library=library)
    stage = build_stage(case.scenario, library, seed=case.scenario.seed, traced=True)
    played = Player(case.scenario, stage, seed=case.scenario.seed, told=True).play()
    console.print(
        f"[bold]{escape(case.scenario.title)}[/]  (virtual time: what takes a minute here is told at once)"
    )
    heard = iter(stage.overheard.exchanges())
    for number, (operation, note, log) in enumerate(_scenes(case, stage.world.traces), start=1):
        console.rule(f"{number}. {operation}", align="left")
        console.print(f"[italic]{escape(note)}[/]\n")
        _tell(log, console, frames=args.frames)
        _tell_till(next(heard), operation, console)
    console.rule(align="left")
    if played.failure is not None:
        console.print(escape(played.failure.problem))
    console.print("Bank and pinpad agree." if played.passed else "Bank and pinpad do NOT agree.")
    console.print("Next: smartsale-emu run --card mir-chip --pin 1234")
    return 0 if played.passed else 1


def _scenes(case: Case, traces: Log) -> Iterator[tuple[str, str, Log]]:
    """Cut the traces where the register asks for something: its operation, the note, and what came of it."""
    begins = [place for place, (_, trace) in enumerate(traces) if _asks(trace)]
    for begin, end in zip(begins, [*begins[1:], len(traces)], strict=True):
        step = case.scenario.steps[int(str(traces[begin][1].details["step"])) - 1]
        asked = read_register(str(step.asks))
        yield asked.operation if isinstance(asked, Ask) else "", step.note or "", traces[begin:end]


def _asks(trace: Trace) -> bool:
    return trace.kind == "step" and trace.because.startswith("register: ")


def _tell(log: Log, console: Console, *, frames: bool) -> None:
    started, reason = log[0][0], ""
    for moment, trace in log:
        repeated, reason = trace.because == reason, trace.because
        if (frames and trace.kind != "step") or (trace.kind in SHOWN and not repeated):
            line = Text(f"{_clock(Millis(moment - started))}  ")
            console.print(line.append_text(told(trace, briefly=True)))


def _tell_till(heard: Heard, operation: str, console: Console) -> None:
    if heard.outcome is not None:
        view = till_view(heard.outcome, operation=OPERATIONS[operation])
        console.print(f"\nThe till shows: [bold]{escape(view.message)}[/]")
        for slip in view.slips[:1]:
            console.print(escape(slip.text.rstrip()), style="dim")
    console.print()


def _clock(moment: Millis) -> str:
    return f"{moment // 1000:4d}.{moment % 1000:03d} s"
