"""``bugpack``: everything about a bug in one scenario file."""

import argparse
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from smartsale_emu import __version__
from smartsale_emu.cli.bugpack_profiles import Profiles, profiles_of
from smartsale_emu.cli.ledger import about_pinpad, read_bank, read_memory
from smartsale_emu.emulator.doors import Trace
from smartsale_emu.errors import SetupError, TraceError
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.runtime.assembly import load_cards
from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.runtime.ports import plain_reason
from smartsale_emu.runtime.trace_file import load_trace, write_new
from smartsale_emu.scenario.agreement import compare
from smartsale_emu.scenario.bugpack import Chapter, pack_text, read_recording
from smartsale_emu.scenario.loader import load_cases
from smartsale_emu.scenario.player import Player
from smartsale_emu.scenario.recording import scenario_text
from smartsale_emu.scenario.retold import Did, retold, written
from smartsale_emu.scenario.stage import build_stage
from smartsale_emu.traces.records import Record, TraceText
from smartsale_emu.traces.words import words

_TITLE = "A bug, packed by smartsale-emu. `smartsale-emu play FILE` replays it; -v tells each step."
_TYPED = (
    "It holds no keys and no whole card number. The PINs below stand as they were typed: test cards' PINs."
)
_GUESSED = (
    "It holds no keys and no whole card number. The PINs below are the test cards' own, or `wrong` where the"
    " bank said so: a trace does not hold what was typed."
)
_SAME = "It gives the same bytes. This was tried when the pack was made."


@dataclass(frozen=True, slots=True)
class _Session:
    """What is replayed. ``wrote``: what the pinpad wrote, of a trace; None: the scenario knows itself."""

    source: str
    head: dict[str, object]
    steps: tuple[Did, ...]
    doubts: tuple[str, ...]
    wrote: tuple[str, ...] | None = None
    typed: bool = False


def run(args: argparse.Namespace) -> int:
    """Pack; status 0 when the file is made, whether or not its replay is the same."""
    if args.trace is None and args.recording is None and args.state is None:
        raise SetupError("bugpack: needs --recording, --trace or --state: there is nothing to pack")
    trace = load_trace(args.trace) if args.trace else None
    session, profiles = _session(args, trace)
    head, verdict = _replayed(session)
    chapters = [
        Chapter(_TITLE, (_TYPED if session.typed else _GUESSED, f"The session is from {session.source}.")),
        Chapter("Replay", (verdict, *session.doubts)),
        Chapter("Versions", tuple(_versions())),
        Chapter("Profiles", profiles.told),
        *_about_state(args),
        *(_about_trace(trace, args.last) if trace else ()),
    ]
    text = pack_text(chapters, head, session.steps)
    if args.out is None:
        print(text, end="")
        return 0
    write_new(args.out, text.encode("utf-8"), force=args.force)
    print(f"{args.out}: {len(session.steps)} steps. {verdict}")
    return 0


# --- the session -------------------------------------------------------------------------------------------


def _session(args: argparse.Namespace, trace: TraceText | None) -> tuple[_Session, Profiles]:
    if args.recording is not None:
        return _recorded(args.recording)
    profiles = profiles_of({"profile": args.terminal_profile}, _bank_of(args))
    head: dict[str, object] = {"format": "1", "title": "A bug", "seed": "1", "latency": "0ms"}
    head |= {"terminal": profiles.terminal, "bank": profiles.bank}
    if trace is None:
        nothing = "A state directory holds no inputs: there is nothing to replay."
        return _Session("no file: only a state directory was given", head, (), (nothing,)), profiles
    pins = {name: one.account.pin.reveal() for name, one in load_cards().items()}
    try:
        told = retold(trace.records, pins)
    except (ValueError, KeyError) as error:
        raise TraceError(f"{trace.origin}: cannot be told again: {error}") from None
    head["title"] = f"A bug of {told.date:%Y-%m-%d at %H:%M}"
    head["date"] = f"{told.date:%Y-%m-%d %H:%M:%S.%f}"[:-3]
    head["bank"] = {**profiles.bank, "delay": f"{told.delay}ms"}
    earlier = (f"{told.earlier} earlier sessions of the trace are left out.",) if told.earlier else ()
    cut = ("The trace still grows: its last line was not whole.",) if trace.cut_short else ()
    return _Session("a trace", head, told.steps, (*told.doubts, *earlier, *cut), told.wrote), profiles


def _bank_of(args: argparse.Namespace) -> dict[str, object]:
    return {"profile": args.bank_profile, "rules": args.rules, "delay": "0ms"}


def _recorded(path: Path) -> tuple[_Session, Profiles]:
    try:
        recording = read_recording(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        problem = plain_reason(error) if isinstance(error, OSError) else "is no UTF-8 text"
        raise SetupError(f"{path}: {problem}") from None
    head = recording.head
    profiles = profiles_of(_table(head.get("terminal")), _table(head.get("bank")))
    head |= {"terminal": profiles.terminal, "bank": profiles.bank}
    starred = ("Card data that the register sent are starred here: the replay has stars too.",)
    doubts = starred if recording.starred else ()
    return _Session("a recording", head, recording.steps, doubts, typed=True), profiles


def _table(part: object) -> dict[str, object]:
    return dict(part) if isinstance(part, Mapping) else {}


def _replayed(session: _Session) -> tuple[dict[str, object], str]:
    """Play the session. Return its head, which says what a replay must give, and the verdict in words."""
    head, library = dict(session.head), FileLibrary()
    (case,) = load_cases(scenario_text(head, session.steps), origin="bugpack", library=library)
    stage = build_stage(case.scenario, library, seed=case.scenario.seed, traced=True)
    played = Player(case.scenario, stage, seed=case.scenario.seed, told=True).play()
    why = f" It does not pass: {played.failure.problem}." if played.failure else ""
    if not session.steps:
        return head, "There is none."
    if session.wrote is None:
        if "wrote" not in head:
            return head | {"agree": False}, f"Whether it gives the same bytes is not known.{why}"
        return head, why.strip() or _SAME
    again = written([(trace.kind, trace.details) for _, trace in stage.world.traces])
    if tuple(again[: len(session.wrote)]) == session.wrote:
        return head | {"wrote": stage.line.written()}, _SAME + why
    return head | {"agree": False}, f"It does NOT give the same bytes: {_first(session.wrote, again)}.{why}"


def _first(was: Sequence[str], again: Sequence[str]) -> str:
    place = next((n for n, pair in enumerate(zip(was, again, strict=False)) if pair[0] != pair[1]), None)
    if place is None:
        return f"{len(again)} frames instead of {len(was)}"
    return f"frame {place + 1} of {len(was)} differs"


# --- what is told of it ------------------------------------------------------------------------------------


def _versions() -> Iterator[str]:
    yield f"smartsale-emu {__version__}, Python {platform.python_version()}, {platform.platform()}"
    try:
        wanted = [row for row in requires("smartsale-emu") or () if "extra ==" not in row]
    except PackageNotFoundError:
        yield "It is not installed: its libraries are not listed."
        return
    names = [found[0] for row in wanted if (found := re.match(r"[\w.-]+", row))]
    yield ", ".join(f"{name} {version(name)}" for name in sorted(names, key=str.lower))


def _about_state(args: argparse.Namespace) -> Iterator[Chapter]:
    if args.state is None:
        return
    memory = read_memory(args.state)
    try:
        operations, closed = read_bank(args.bank_state or args.state, needed=memory.stan > 0)
    except SetupError:  # another bank's ledger is not ours to read
        yield Chapter("Memory", (*about_pinpad(memory), "There is no ledger of the bank to compare with."))
        return
    agreement = compare(operations, closed, memory, terminal_id=memory.terminal_id)
    verdict = "Bank and pinpad agree." if agreement.agree else "Bank and pinpad do NOT agree."
    yield Chapter(
        "Memory", (*about_pinpad(memory), *(f"Remark {one.kind}: {one.text}" for one in memory.remarks))
    )
    rows = [
        f"day {row.batch or '-'}  STAN {row.key.stan:06d}  {row.transaction}  {format_amount(row.amount)}"
        f"  {row.card_masked}  {row.state}  {row.response_code}  RRN {row.rrn or '-'}"
        + (f"  reversed {row.reversal_count} times" if row.reversal_count else "")
        for row in operations
    ]
    yield Chapter("Ledger", (verdict, *agreement.disagreements, *agreement.notes, *rows[-args.last :]))


def _about_trace(trace: TraceText, last: int) -> Iterator[Chapter]:
    shown = trace.records[-last:] if last else ()
    title = f"Trace: the last {len(shown)} of {len(trace.records)} lines; seconds since the start"
    yield Chapter(title, tuple(f"{record.ms / 1000:10.3f}  {_words(record)}" for record in shown))


def _words(record: Record) -> str:
    try:
        return words(Trace(record.kind, record.because, dict(record.details)))
    except (KeyError, TypeError, ValueError):  # of another version
        return f"{record.kind}: {record.because}"
