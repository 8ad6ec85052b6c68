"""The table is total, reachable, and the machine that runs it holds nothing else."""

from collections import Counter
from datetime import datetime
from itertools import product
from pathlib import Path

import pytest
from transitions import MachineError

from smartsale_emu.terminal.diagram import mermaid
from smartsale_emu.terminal.memory import Memory
from smartsale_emu.terminal.profile import TerminalProfile
from smartsale_emu.terminal.table import DEADLINES, IGNORED, IGNORED_ROWS, REST, TRANSITIONS, Kind, State
from smartsale_emu.terminal.terminal import Position, the_machine
from smartsale_emu.terminal.work import Scheme, Work

TOP = Path(__file__).parents[2]
READMES = sorted(TOP.glob("README*.md"))
MARKERS = ("<!-- state-diagram -->", "<!-- /state-diagram -->")


def test_every_pair_is_a_transition_or_ignored_with_a_reason() -> None:
    """Exactly one of both, and no pair twice in either."""
    moved = Counter((row.source, row.kind) for row in TRANSITIONS)
    ignored = Counter(pair for row in IGNORED_ROWS for pair in product(row.states, row.kinds))
    assert moved + ignored == Counter(product(State, Kind))
    assert all(IGNORED.values())


def test_every_state_is_reached() -> None:
    reached, before = {State.IDLE}, set[State]()
    while reached != before:
        before = set(reached)
        reached |= {row.target for row in TRANSITIONS if row.source in before and row.target is not None}
    assert reached == set(State)


def test_every_state_but_rest_can_be_left_by_time_or_by_the_line() -> None:
    """Nothing hangs: a state has a deadline, or the link's three sends end it, or it waits for nobody."""
    assert set(State) - set(DEADLINES) == {State.IDLE, State.ANSWERING}


def desk(scheme: Scheme = Scheme.KPH) -> Work:
    """A desk of the newest profile, with nothing on it."""
    file = TOP / "smartsale_emu" / "terminal" / "profiles" / "unipos-2023.toml"
    profile = TerminalProfile.parse(file.read_text(encoding="utf-8"), origin=file.name)
    return Work(profile, None, Memory(), None, datetime(2026, 1, 1), scheme)  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize("state", DEADLINES)
def test_a_deadline_is_a_row_and_a_timer(state: State, scheme: Scheme) -> None:
    deadline = DEADLINES[state]
    within = desk(scheme).timer(deadline.timer)
    without_a_register = (deadline.timer, scheme) == ("reversal_retry", Scheme.PKH)
    assert (within is None) is without_a_register
    assert any((row.source, row.kind) == (state, deadline.kind) and row.target for row in TRANSITIONS)


@pytest.mark.parametrize("state", sorted(set(State) - REST))
def test_the_register_can_leave_every_state_in_which_it_is_served(state: State) -> None:
    fates = {Kind.REGISTER_LEFT, Kind.REGISTER_LEFT_OWING, Kind.ANSWER_LOST, Kind.ANSWER_LOST_HARMLESS}
    targets = {row.target for row in TRANSITIONS if row.source is state and row.kind in fates}
    assert targets
    assert targets <= REST


def test_the_machine_has_no_transitions_beyond_the_rows() -> None:
    position, machine = Position(desk()), the_machine()
    built = Counter(
        (transition.source, name, transition.dest)
        for name, event in machine.events.items()
        for transitions in event.transitions.values()
        for transition in transitions
    )
    rows = Counter(
        (row.source.name, row.kind.name, row.target.name if row.target else None) for row in TRANSITIONS
    )
    assert built == rows
    with pytest.raises(MachineError):
        machine.events[Kind.PIN_ENTERED.name].trigger(position)
    assert position.state is State.IDLE


@pytest.mark.parametrize("readme", READMES, ids=lambda readme: readme.name)
def test_the_diagram_in_a_readme_is_the_table(readme: Path) -> None:
    """When it is stale: ``python -m smartsale_emu.terminal.diagram`` prints the new one."""
    text = readme.read_text(encoding="utf-8")
    start, end = (text.find(marker) for marker in MARKERS)
    assert 0 <= start < end, f"{readme.name} lacks {MARKERS[0]} … {MARKERS[1]}"
    drawn = text[start + len(MARKERS[0]) : end].strip()
    assert drawn == f"```mermaid\n{mermaid()}```"
