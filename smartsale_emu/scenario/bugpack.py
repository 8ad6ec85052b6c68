"""A bugpack: one scenario file with everything that helps to understand a bug, told in comments at its head.

Pure: what is known goes in, the text comes out. No card number that is whole leaves it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import yaml

from smartsale_emu.errors import ScenarioError
from smartsale_emu.pan import CARD_DIGITS, mask_pan
from smartsale_emu.sa.fields import DATE_TIME
from smartsale_emu.sa.framing import FrameDecoder
from smartsale_emu.sa.redaction import Redaction
from smartsale_emu.scenario.recording import scenario_text
from smartsale_emu.scenario.retold import Did
from smartsale_emu.units import Millis

_SENDS = "sends "
_STEP = {"at", "when"}


@dataclass(frozen=True, slots=True)
class Chapter:
    """One part of the head: a title, and what is told, a line each."""

    title: str
    lines: tuple[str, ...]


def pack_text(chapters: Iterable[Chapter], head: Mapping[str, object], steps: Sequence[Did]) -> str:
    """Return the file."""
    told = []
    for chapter in chapters:
        told += ["#", f"# {_plain(chapter.title)}", *(f"#   {_plain(line)}" for line in chapter.lines)]
    return "\n".join([*told[1:], "", scenario_text(head, steps)])


def _plain(line: str) -> str:
    """Return a line of a comment: printable, without a card number."""
    shown = CARD_DIGITS.sub(_masked, line)
    return "".join(sign if sign.isprintable() else " " for sign in shown)


def _masked(found: re.Match[str]) -> str:
    if DATE_TIME.fullmatch(found[0]):
        return found[0]
    return mask_pan(re.sub(r"\D", "", found[1])) + "*" * len(found[2] or "")


# --- a recording -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recording:
    """What ``run --record`` wrote. ``starred``: its card data were taken out."""

    head: dict[str, object]
    steps: tuple[Did, ...]
    starred: bool = False


def read_recording(text: str, origin: str) -> Recording:
    """Read a recording; card data that the register sent are starred.

    Raises:
        ScenarioError: it is none.
    """
    if not text.strip():
        raise ScenarioError(f"{origin}: is empty; `run --record` writes it when the session ends")
    try:
        document = yaml.safe_load(text)
        head = {key: value for key, value in document.items() if key != "steps"}
        steps = [_did(step) for step in document["steps"]]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError):
        raise ScenarioError(f"{origin}: is no recording, as `run --record` writes it") from None
    shown = _without_secrets(steps)
    if shown != steps:
        head.pop("wrote", None)
    return Recording(head, tuple(shown), shown != steps)


def _did(step: Mapping[str, str]) -> Did:
    ((verb, said),) = [(key, value) for key, value in step.items() if key not in _STEP]
    return Millis(int(step["at"].removesuffix("ms"))), verb, str(said)


def _without_secrets(steps: Sequence[Did]) -> list[Did]:
    """Star what may not be seen of the bytes that the register sent; each piece keeps its length."""
    pieces = [bytes.fromhex(said[len(_SENDS) :]) for _, _, said in steps if said.startswith(_SENDS)]
    decoder, redaction, shown = FrameDecoder(), Redaction(), bytearray()
    for unit in decoder.feed(b"".join(pieces)):
        shown += redaction.unit(unit).wire
    if decoder.pending:
        shown += redaction.unit(decoder.drop()).wire
    told, at = [], 0
    for moment, verb, said in steps:
        if said.startswith(_SENDS):
            size = len(bytes.fromhex(said[len(_SENDS) :]))
            said, at = _SENDS + shown[at : at + size].hex(" "), at + size  # noqa: PLW2901
        told.append((moment, verb, said))
    return told
