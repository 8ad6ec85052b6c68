"""A live session as a scenario: what came in, and when, so that playing it gives the same bytes.

Recorded is what the pinpad cannot know beforehand: bytes of the register, cards, PINs, keys, paper. What it
answered is kept as a fingerprint. The PIN stands in the file as it was typed: these are test cards.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from smartsale_emu.emulator.doors import Effect, Event, LineClosed, LineOpened, WriteLine
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.terminal.events import (
    CancelPressed,
    CardPresented,
    CardPulled,
    PaperChanged,
    PinEntered,
)
from smartsale_emu.units import Millis

_WAYS = {EntryMode.CHIP: "insert", EntryMode.CONTACTLESS: "tap", EntryMode.MAGSTRIPE: "swipe"}
_BEGINNING = Millis(0)


@dataclass(slots=True)
class Recorder:
    """Takes down one session. ``head``: the keys of the scenario that stand before its steps.

    One that ends in the middle of an operation ends with a register that leaves: that writes nothing more.
    """

    epoch: datetime
    seed: int
    head: dict[str, object]
    _steps: list[tuple[Millis, str, str]] = field(default_factory=list)
    _open: bool = False
    _last: Millis = _BEGINNING  # when something happened for the last time
    _written: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def received(self, data: bytes, now: Millis) -> None:
        """Bytes of the register came."""
        self._add(now, "register", f"sends {data.hex(' ')}")

    def see(self, effect: Effect, now: Millis) -> None:
        """Look at what the pinpad does: what it writes is kept as a fingerprint."""
        self._last = now
        if isinstance(effect, WriteLine):
            self._written.update(effect.data)

    def happened(self, event: Event, now: Millis) -> None:
        """Something else happened to the pinpad; what follows from the rest is left out."""
        match event:
            case LineOpened():
                self._open = True
                self._add(now, "register", "opens")
            case LineClosed():
                self._open = False
                self._add(now, "register", "leaves")
            case CardPresented(card):
                self._add(now, "card", presented(card.name, card.entry_mode))
            case CardPulled():
                self._add(now, "card", "remove")
            case PinEntered(pin):
                self._add(now, "pin", pin.reveal())
            case CancelPressed():
                self._add(now, "key", "cancel")
            case PaperChanged(loaded):
                self._add(now, "paper", "in" if loaded else "out")
            case _:
                pass

    def _add(self, now: Millis, verb: str, said: str) -> None:
        self._steps.append((now, verb, said))
        self._last = now

    def text(self) -> str:
        """Return the scenario file."""
        head = {
            "format": "1",
            "title": f"Recorded on {self.epoch:%Y-%m-%d at %H:%M}",
            "date": f"{self.epoch:%Y-%m-%d %H:%M:%S.%f}"[:-3],
            "seed": str(self.seed),
            "latency": "0ms",
            "wrote": self._written.hexdigest()[:16],
            **self.head,
        }
        ends = [(self._last, "register", "leaves")] if self._open else []
        return scenario_text(head, [*self._steps, *ends])


def scenario_text(head: Mapping[str, object], steps: Sequence[tuple[Millis, str, str]]) -> str:
    """Return a scenario file: its keys, and when (since its ``date``) what is done, as verb and phrase."""
    lines = [f"{key}: {_yaml(value)}" for key, value in head.items()]
    told = [
        f"  - {verb}: {_yaml(said)}\n    at: {moment}ms\n    when: now"
        for moment, verb, said in steps or [(_BEGINNING, "clock", "+1s")]
    ]
    return "\n".join([*lines, "steps:", *told]) + "\n"


def presented(name: str, mode: EntryMode) -> str:
    """Return the phrase for a card that is presented."""
    return f"{_WAYS.get(mode, 'present')} {name}"


def _yaml(value: object) -> str:
    """Return a value in one line: YAML takes JSON."""
    return json.dumps(value, ensure_ascii=False)
