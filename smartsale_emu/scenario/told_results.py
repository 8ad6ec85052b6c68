"""What all reports tell of a result in the same words: status, place, what was expected, replay."""

import re
import shlex
from collections.abc import Sequence

import yaml

from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.scenario.checks import Failure
from smartsale_emu.scenario.exchange import hidden
from smartsale_emu.scenario.results import Result

_AMOUNTS, _TIMES = ("net", "balance"), ("after", "at", "ack_delay", "packet", "total")
_UNREADABLE = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def readable(text: str) -> str:
    """Return a text that XML 1.0, a page and UTF-8 can hold, other characters replaced.

    >>> readable("a\\x00b")
    'a\N{REPLACEMENT CHARACTER}b'
    """
    return _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n").replace("\r", "\n"))


def replay(result: Result) -> str:
    """Return the command that plays it again."""
    return f"smartsale-emu play {shlex.quote(result.case.origin)} --seed {result.seed}"


def status(result: Result) -> str:
    """Return passed, failed or stopped."""
    return "stopped" if result.stopped else "passed" if result.passed else "failed"


def place(result: Result, failure: Failure) -> str:
    """Return which step it is, as people count."""
    steps = len(result.case.scenario.steps)
    return f"step {failure.step + 1} of {steps}" if failure.step < steps else "the end"


def expected(result: Result, failure: Failure) -> str:
    """Return what should have been, in the words of the file."""
    if failure.step >= len(result.case.scenario.steps):
        return "bank, pinpad memory and what registers were told agree"
    return told_step(result, failure.step)


def told_step(result: Result, number: int) -> str:
    """Return a step as a file would say it, on as many lines as it needs; ``number`` from 0.

    No PIN is in it and no track.
    """
    step = result.case.scenario.steps[number]
    said = _as_written(step.model_dump(mode="json", by_alias=True, exclude_unset=True), "")
    text: str = yaml.safe_dump(said, allow_unicode=True, sort_keys=False, width=100).strip()
    return hidden(text)


def _as_written(value: object, key: str) -> object:
    """Put amounts and times back into the words of a file."""
    if isinstance(value, dict):
        inside = {name: key if key == "balance" else name for name in value}
        return {name: _as_written(inner, inside[name]) for name, inner in value.items() if inner is not None}
    if isinstance(value, int) and not isinstance(value, bool):
        if key in _AMOUNTS:
            return format_amount(value)
        told = f"{value}ms" if value % 1000 else f"{value // 1000}s"
        return told if key in _TIMES else value
    return value


def totals(results: Sequence[Result]) -> dict[str, int | float]:
    """Return how many there were of each kind, and how long it took."""
    found = [status(result) for result in results]
    return {
        "scenarios": len(found),
        "passed": found.count("passed"),
        "failed": found.count("failed"),
        "stopped": found.count("stopped"),
        "virtual_ms": sum(result.played.took for result in results if result.played is not None),
        "wall_s": round(sum(result.wall for result in results), 6),
    }
