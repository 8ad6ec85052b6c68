"""``play``: scenario files on virtual time, and how they ended."""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.text import Text

from smartsale_emu.cli.signals import sigterm_interrupts
from smartsale_emu.cli.told import told
from smartsale_emu.errors import ScenarioError, SetupError
from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.runtime.playing import Turn, play_all, turns_of
from smartsale_emu.runtime.ports import plain_reason
from smartsale_emu.runtime.resources import read_scenarios
from smartsale_emu.runtime.trace_file import TraceFile
from smartsale_emu.scenario.loader import Case, load_cases
from smartsale_emu.scenario.model import json_schema
from smartsale_emu.scenario.results import Log, Result
from smartsale_emu.scenario.told_results import place, replay
from smartsale_emu.traces.records import as_line
from smartsale_emu.traces.words import of_the_story

_INTERRUPTED = 130
"""The status when not all were played; what a shell makes of SIGINT."""

SUFFIXES = (".yaml", ".yml")


def run(args: argparse.Namespace) -> int:
    """Play; status 0 when all passed."""
    if args.schema:
        print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
        return 0
    cases, wrong = _cases(args.paths)
    if not cases:
        if not wrong:
            raise SetupError("play: there is no scenario (*.yaml) there")
        return 2
    teller = _Teller(args)
    if args.port is not None:
        return 2 if wrong else _play_live(cases, args, teller)
    turns = turns_of(cases, seed=args.seed, told=_is_told(args))
    if args.shuffle:
        random.Random(args.seed or 0).shuffle(turns)
    with sigterm_interrupts():
        for round_ in _rounds(turns, until_failure=args.until_failure):
            teller.play(round_, workers=args.workers)
            if teller.interrupted or not teller.passed:
                break
    teller.end()
    _write_reports(args, teller.results)
    if wrong:
        return 2
    if teller.interrupted and not args.until_failure:
        return _INTERRUPTED
    return 0 if teller.passed else 1


def _play_live(cases: list[Case], args: argparse.Namespace, teller: "_Teller") -> int:
    """Play one case on a real port."""
    from smartsale_emu.runtime.live_play import play_live

    if len(cases) != 1:
        raise SetupError(f"--port plays one scenario at a time, these are {len(cases)}")
    if args.workers > 1 or args.shuffle or args.until_failure:
        raise SetupError("--port: --workers, --shuffle and --until-failure are of virtual time")
    seed = cases[0].scenario.seed if args.seed is None else args.seed
    with sigterm_interrupts():
        teller.take(play_live(cases[0], args.port, seed=seed, ready=_tell_ready))
    teller.end()
    _write_reports(args, teller.results)
    return 0 if teller.passed else 1


def _tell_ready(port: str) -> None:
    print(f"READY port={port}", flush=True)


def _is_told(args: argparse.Namespace) -> bool:
    return args.verbose or args.html is not None or args.trace is not None


def _rounds(turns: list[Turn], *, until_failure: bool) -> Iterator[list[Turn]]:
    if not until_failure:
        yield turns
        return
    for number in count():
        yield [replace(turn, seed=turn.seed + number) for turn in turns]


# --- files -----------------------------------------------------------------------------------------------


def _cases(paths: list[Path]) -> tuple[list[Case], bool]:
    """Return the cases of all files, and whether one was wrong: its mistakes are told at once."""
    cases, wrong, library = [], False, FileLibrary()
    for origin, read in _texts(paths):
        try:
            cases += load_cases(read(), origin=origin, library=library)
        except ScenarioError as error:
            print(error, file=sys.stderr)
            wrong = True
    return cases, wrong


def _texts(paths: list[Path]) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield the files that were named, or those that come with the program, and how each is read."""
    if not paths:
        for origin, text in read_scenarios():
            yield origin, partial(str, text)
    for path in paths:
        ours = [] if path.exists() else [row for row in read_scenarios() if _below(row[0], path)]
        for origin, text in ours:
            yield origin, partial(str, text)
        if path.is_dir():
            for file in sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES):
                yield str(file), partial(_read, file)
        elif not ours:
            yield str(path), partial(_read, path)


def _below(origin: str, path: Path) -> bool:
    """Tell whether one of our own scenarios is meant, by its file or its folder."""
    named = path.as_posix().rstrip("/")
    return origin == named or origin.startswith(f"{named}/")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"{file}: {plain_reason(error)}") from None
    except UnicodeDecodeError:
        raise ScenarioError(f"{file}: is no UTF-8 text") from None


def _write_reports(args: argparse.Namespace, results: list[Result]) -> None:
    if args.trace is not None:
        _write_trace(args.trace, results)
    for kind in ("junit", "html", "json"):
        file: Path | None = getattr(args, kind)
        if file is None:
            continue
        report = import_module(f"smartsale_emu.scenario.report_{kind}").report
        try:
            file.write_text(report(results), encoding="utf-8")
        except OSError as error:
            raise SetupError(f"{file}: {plain_reason(error)}") from None


def _write_trace(path: Path, results: list[Result]) -> None:
    """Append the log of each scenario, which begins at its own date."""
    with TraceFile(path) as file:
        for result in results:
            for moment, trace in result.log:
                file.write(as_line(trace, moment, result.case.scenario.date))


# --- what is told ----------------------------------------------------------------------------------------


class _Teller:
    """Tells each result as it comes, and all of them at the end."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._console = Console(highlight=False, soft_wrap=True)
        self._begun = time.monotonic()
        self.results: list[Result] = []
        self._played = self._failed = 0
        self.interrupted = False
        self._virtual = 0

    @property
    def passed(self) -> bool:
        """Whether none has failed so far."""
        return not self._failed

    def play(self, turns: list[Turn], *, workers: int) -> None:
        """Play one round of all."""
        self.results = []
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            bar = progress.add_task("playing", total=len(turns))
            try:
                for result in play_all(turns, workers=workers):
                    self.take(result)
                    progress.advance(bar)
            except KeyboardInterrupt:
                self._console.print("interrupted")
                self.interrupted = True

    def take(self, result: Result) -> None:
        """One result is there."""
        self.results.append(result)
        self._played += 1
        self._failed += not result.passed
        self._virtual += result.played.took if result.played is not None else 0
        if not (self._args.quiet and result.passed):
            self._tell(result)

    def _tell(self, result: Result) -> None:
        mark = "[green]passed[/]" if result.passed else "[red]FAILED[/]"
        case = result.case
        self._console.print(f"{mark}  {escape(case.origin)}: {escape(case.name)}")
        if self._args.verbose or not result.passed:
            self._console.print(_story(result.log))
        if not result.passed:
            self._console.print(escape(_why(result)), style="bold")
            where = f" --port {self._args.port}" if self._args.port else ""
            self._console.print(f"  again: {escape(f'{replay(result)}{where} -v')}\n")

    def end(self) -> None:
        """Sum up."""
        wall = max(time.monotonic() - self._begun, 0.001)
        well, simulated = self._played - self._failed, self._virtual / 1000
        self._console.print(
            f"{well} of {self._played} scenarios passed: {simulated:,.0f} s simulated in {wall:.2f} s"
        )


def _story(log: Log) -> Text:
    lines = []
    for moment, trace in of_the_story(log):
        line = Text(f"  {moment / 1000:9.3f} s  ")
        lines.append(line.append_text(told(trace, briefly=True)))
    return Text("\n").join(lines)


def _why(result: Result) -> str:
    if result.failure is None:
        return f"  {result.stopped}"
    failure, where = result.failure, place(result, result.failure)
    if failure.step < len(result.case.lines):
        where = f"{result.case.origin}:{result.case.lines[failure.step]}: {where}"
    path = " → ".join(str(trace.details.get("to")) for _, trace in result.log if trace.kind == "state")
    return (
        f"  {where}, after {failure.at / 1000:.3f} s, terminal «{failure.state}»: {failure.problem}\n"
        f"  states: {path}"
    )
