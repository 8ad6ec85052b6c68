"""A trace told again as the steps of a scenario: what came from outside, and when.

A trace holds no PIN: the card's own stands for each that was typed, or a wrong one where the bank said so.
What is secret on the line is starred there. ``doubts`` say what else is not as it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from smartsale_emu.payment.card import EntryMode
from smartsale_emu.scenario.recording import presented
from smartsale_emu.terminal.money import WRONG_PIN
from smartsale_emu.traces.records import Record
from smartsale_emu.units import Millis

Did = tuple[Millis, str, str]
"""When, since the beginning of the story; the verb of a step; its phrase."""

_OPENED = "the register opened the line"
_OF_NO_DOOR = ("the same request again", "a reply that nobody asked for")
_HANDS = {
    "the card was pulled": ("card", "remove"),
    "cancel was pressed": ("key", "cancel"),
    "paper was loaded": ("paper", "in"),
    "the paper has run out": ("paper", "out"),
}
_TYPED = "a PIN was entered"
_POWER_BACK = "power is back"


@dataclass(frozen=True, slots=True)
class Retold:
    """``date``: when the story begins. ``delay``: how long the bank took. ``earlier``: stories left out.

    ``wrote``: what the pinpad wrote, in hexadecimal, its secrets starred.
    """

    date: datetime
    delay: Millis
    steps: tuple[Did, ...]
    wrote: tuple[str, ...]
    doubts: tuple[str, ...]
    earlier: int = 0


def retold(records: Sequence[Record], pins: Mapping[str, str]) -> Retold:
    """Tell the last story of a trace again. ``pins``: those of the cards, by their names.

    A story goes on over a power cut, also one that ended the process; a new memory begins another.

    Raises:
        ValueError: there is no record.
    """
    if not records:
        raise ValueError("there is no record in it")
    stories = list(_stories(records))
    story = stories[-1]
    date = story[0].at - timedelta(milliseconds=story[0].ms)
    steps = () if _strangers(story, pins) else tuple(_steps(story, date, pins))
    doubts = tuple(_doubts(story, pins))
    return Retold(date, _delay(story), steps, tuple(_written(story)), doubts, len(stories) - 1)


def written(frames: Sequence[tuple[str, Mapping[str, object]]]) -> list[str]:
    """Return the bytes that the pinpad wrote, of traces given as kind and details."""
    return [
        str(details.get("hex", ""))
        for kind, details in frames
        if kind == "frame" and details.get("direction") == "out"
    ]


def _written(story: Sequence[Record]) -> list[str]:
    return written([(record.kind, record.details) for record in story])


# --- stories -----------------------------------------------------------------------------------------------


def _stories(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    begin = 0
    for place in range(1, len(records)):
        back = records[place].at < records[place - 1].at
        if back or (_is_start(records, place) and _is_new(records, begin, place)):
            yield records[begin:place]
            begin = place
    yield records[begin:]


def _is_start(records: Sequence[Record], place: int) -> bool:
    """Tell whether a process begins here: its time does too."""
    return _power_back(records[place]) and records[place].ms < records[place - 1].ms


def _is_new(records: Sequence[Record], begin: int, place: int) -> bool:
    """Tell whether the pinpad that begins here knows nothing of what stands before."""
    after = next((stan for stan in map(_stan, records[place:]) if stan), 0)
    return after == 1 and any(map(_stan, records[begin:place]))


def _power_back(record: Record) -> bool:
    return record.kind == "state" and record.text("event").startswith(_POWER_BACK)


def _stan(record: Record) -> int:
    stan = record.details.get("stan") if _asked(record) else 0
    return stan if isinstance(stan, int) else 0


def _asked(record: Record) -> bool:
    return record.kind == "bank" and record.text("direction") == "out"


# --- steps -------------------------------------------------------------------------------------------------


def _steps(story: Sequence[Record], date: datetime, pins: Mapping[str, str]) -> Iterator[Did]:
    card, is_open, last = "", False, Millis(0)
    for place, record in enumerate(story):
        now = Millis(round((record.at - date) / timedelta(milliseconds=1)))
        if place and _power_back(record):
            if is_open:
                yield last, "register", "leaves"
            is_open = False
            yield last, "power", f"cut for {max(1, now - last)}ms"
        elif record.kind == "frame" and record.text("direction") == "in":
            yield now, "register", f"sends {bytes.fromhex(record.text('hex')).hex(' ')}"
        elif record.kind == "line" and not record.details and not record.because.startswith(_OF_NO_DOOR):
            is_open = record.because == _OPENED
            yield now, "register", "opens" if is_open else "leaves"
        elif record.kind == "hands":
            card = _card(record)[0] or card
            yield now, *_hand(record, pins.get(card, ""), wrong=_was_wrong(story[place + 1 :]))
        last = now
    if is_open:
        yield last, "register", "leaves"


def _card(record: Record) -> tuple[str, str]:
    """Return name and entry mode of the card that a hand presents, empty for another act."""
    name, comma, mode = record.because.removeprefix("card ").rpartition(", ")
    return (name, mode) if record.because.startswith("card ") and comma else ("", "")


def _hand(record: Record, pin: str, *, wrong: bool) -> tuple[str, str]:
    name, mode = _card(record)
    if name:
        return "card", presented(name, EntryMode(mode))
    if record.because == _TYPED:
        return "pin", "wrong" if wrong or not pin else pin
    return _HANDS[record.because]


def _was_wrong(following: Sequence[Record]) -> bool:
    """Tell whether the bank called a PIN wrong before another was typed, or the answer made."""
    for record in following:
        if record.kind == "hands" and record.because == _TYPED:
            return False
        if record.kind == "bank" and record.text("response_code") in WRONG_PIN:
            return True
    return False


def _delay(story: Sequence[Record]) -> Millis:
    """Return how long the bank took at its first answer."""
    asked: dict[object, Millis] = {}
    for record in story:
        call = record.details.get("call")
        if _asked(record):
            asked[call] = record.ms
        elif record.kind == "bank" and record.text("direction") == "in" and call in asked:
            return Millis(record.ms - asked[call])
    return Millis(0)


# --- doubts ------------------------------------------------------------------------------------------------


def _doubts(story: Sequence[Record], pins: Mapping[str, str]) -> Iterator[str]:
    first = next((stan for stan in map(_stan, story) if stan), 1)
    if first != 1 or not _power_back(story[0]):
        yield (
            "The trace does not begin with a new memory"
            + (f" (its first STAN is {first:06d})" if first != 1 else "")
            + ": what went before is missing in the replay."
        )
    if any(map(_asked, story)) and not any(record.kind == "host" for record in story):
        yield "The bank was not the mock bank in this process: in the replay the mock bank answers."
    starred = sum(
        bool(record.details.get("masked"))
        for record in story
        if record.kind == "frame" and record.text("direction") == "in"
    )
    if starred:
        yield f"{starred} frames of the register hold stars where card data stood: they are replayed so."
    faults = sum(
        record.kind == "fault" or (record.kind == "unit" and record.text("fate") != "arrives")
        for record in story
    )
    if faults:
        yield f"Faults were at work ({faults}): the replay is without them."
    for name in _strangers(story, pins):
        yield f"Card {name} is none of the test cards: nothing is replayed."


def _strangers(story: Sequence[Record], pins: Mapping[str, str]) -> list[str]:
    names = (_card(record)[0] for record in story if record.kind == "hands")
    return [name for name in dict.fromkeys(names) if name and name not in pins]
