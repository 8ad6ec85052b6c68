"""A line of the trace as people read it; the same words for the live screen and for the demo."""

from rich.text import Text

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.sa.fields import Tag

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


def told(trace: Trace, *, briefly: bool = False) -> Text:
    """Return what a trace tells, in the colour of its kind; ``briefly``: only what a story needs."""
    return Text(_words(trace, briefly=briefly), style=STYLES.get(trace.kind, ""))


def _words(trace: Trace, *, briefly: bool) -> str:
    details = trace.details
    match trace.kind:
        case "message":
            arrow = "register → pinpad" if details["direction"] == "in" else "pinpad → register"
            return f"{arrow}  {_fields(details['fields'], briefly=briefly)}"
        case "state":
            return f"{details['from']} → {details['to']}: {trace.because}"
        case "frame":
            size = f" of {details['bytes']} bytes" if details["bytes"] != 1 else ""
            return f"{details['unit']}{size}: {trace.because}"
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
