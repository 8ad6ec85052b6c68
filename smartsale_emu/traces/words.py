"""A line of the trace in plain words; the same for the live screen, the demo, a story and a failed test."""

from collections.abc import Iterable, Iterator

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.sa.fields import Tag
from smartsale_emu.units import Millis

STORY_KINDS = frozenset(
    {"step", "state", "decision", "bank", "message", "unit", "hands", "screen", "fault", "power"}
)
"""What is told of a story; the rest is for who looks closer."""

BRIEF_FIELDS = frozenset(
    {
        Tag.AMOUNT,
        Tag.AUTHORIZATION_CODE,
        Tag.REFERENCE_NUMBER,
        Tag.RESPONSE_CODE_HOST,
        Tag.TEXT_RESPONSE,
        Tag.OPERATION_CODE,
        Tag.STATUS,
    }
)
BRIEF_BANK = ("step", "stan", "attempt", "amount", "card", "response_code", "rrn")


def words(trace: Trace, *, briefly: bool = False) -> str:
    """Return what a trace tells; ``briefly``: only what a story needs."""
    details = trace.details
    match trace.kind:
        case "message":
            arrow = "register → pinpad" if details["direction"] == "in" else "pinpad → register"
            return f"{arrow}  {_fields(details['fields'], briefly=briefly)}"
        case "state":
            return f"{details['from']} → {details['to']}: {trace.because}"
        case "frame":
            size = f" of {details['bytes']} bytes" if details["bytes"] != 1 else ""
            arrow = "← " if details["direction"] == "in" else ""
            return f"{arrow}{details['unit']}{size}" + (f": {trace.because}" if not arrow else "")
        case "unit":
            arrow = "pinpad → register" if details["to"] == "register" else "register → pinpad"
            return f"{arrow}  {trace.because}" + (
                "" if details["fate"] == "arrives" else f" ({details['fate']})"
            )
        case "screen":
            return f"screen  «{' / '.join(trace.because.splitlines())}»"
        case "step":
            return f"step {details['step']}  {trace.because}"
        case "bank":
            names = BRIEF_BANK if briefly else tuple(details)
            shown = {name: details[name] for name in names if name in details}
            return f"bank: {trace.because}  {_pairs(shown)}".rstrip()
        case _:
            return trace.because if briefly else f"{trace.because}  {_pairs(details)}".rstrip()


def _pairs(details: dict[str, object]) -> str:
    return "  ".join(f"{name}={value}" for name, value in details.items())


def _fields(fields: object, *, briefly: bool) -> str:
    """Return the fields of a message: by number in brief, else by name; a receipt is only mentioned."""
    if not isinstance(fields, list):
        return ""
    if briefly:
        return "  ".join(f"{number}={value}" for number, _, value in fields if number in BRIEF_FIELDS)
    shown = [(name, "‹receipt›" if number == Tag.RECEIPT_DATA else value) for number, name, value in fields]
    return "  ".join(f"{name}={value}" for name, value in shown)


def of_the_story(log: Iterable[tuple[Millis, Trace]]) -> Iterator[tuple[Millis, Trace]]:
    """Yield what is told of a story, in its order, and nothing earlier than what stands before it.

    In real time a unit of the line has the moment at which it was written, and what follows from it the one
    at which the pinpad began to act.
    """
    latest = Millis(0)
    for moment, trace in log:
        if trace.kind in STORY_KINDS:
            latest = max(latest, moment)
            yield latest, trace


def story(log: Iterable[tuple[Millis, Trace]]) -> list[str]:
    """Return what happened, a line for each thing, with the seconds since the beginning."""
    return [f"{moment / 1000:9.3f} s  {words(trace, briefly=True)}" for moment, trace in of_the_story(log)]
