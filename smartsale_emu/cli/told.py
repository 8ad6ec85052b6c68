"""A line of the trace as people read it on a screen: its words, in the colour of its kind."""

from rich.text import Text

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.traces.words import words

STYLES = {
    "message": "bold",
    "frame": "dim",
    "line": "dim",
    "state": "cyan",
    "decision": "yellow",
    "ignored": "dim yellow",
    "bank": "magenta",
    "host": "dim magenta",
    "hands": "green",
    "step": "bold green",
    "fault": "red",
    "power": "red",
    "screen": "green",
    "unit": "dim",
}


def told(trace: Trace, *, briefly: bool = False) -> Text:
    """Return what a trace tells; ``briefly``: only what a story needs."""
    return Text(words(trace, briefly=briefly), style=STYLES.get(trace.kind, ""))
