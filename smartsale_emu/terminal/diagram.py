"""The table as a picture: ``python -m smartsale_emu.terminal.diagram`` prints it in Mermaid's language.

The README carries this text; a test fails when the two differ.
"""

from itertools import groupby

from smartsale_emu.terminal.table import DEADLINES, TRANSITIONS, State


def mermaid() -> str:
    """Return the state diagram: one arrow for every pair of states, its event kinds a line each.

    >>> print("\\n".join(mermaid().splitlines()[:3]))
    stateDiagram-v2
        [*] --> IDLE
        CASHIER : cashier's answer (timer cashier)
    """
    lines = ["stateDiagram-v2", "    [*] --> IDLE"]
    lines += [f"    {state.name} : {_label(state)}" for state in State if _label(state) != state.name]
    arrows = sorted(
        ((list(State).index(row.source), list(State).index(row.target or row.source)), row.kind.value)
        for row in TRANSITIONS
    )
    for (source, target), group in groupby(arrows, key=lambda arrow: arrow[0]):
        kinds = "<br/>".join(kind.replace(":", "") for _, kind in group)
        lines.append(f"    {list(State)[source].name} --> {list(State)[target].name} : {kinds}")
    return "\n".join(lines) + "\n"


def _label(state: State) -> str:
    deadline = DEADLINES.get(state)
    if deadline is None:
        return state.name if state.value == state.name.lower() else state.value
    return f"{state.value} (timer {deadline.timer})"


if __name__ == "__main__":
    print(mermaid(), end="")
