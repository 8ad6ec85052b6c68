"""What goes through the doors of the core: events and bytes in, effects out.

Effects are carried out in their order; that order is a promise (see ``terminal/effects.py``).
"""

from dataclasses import dataclass, field

from smartsale_emu.payment.card import Card
from smartsale_emu.payment.cardholder import Act, Action
from smartsale_emu.payment.chip_shelf import ChipShelf
from smartsale_emu.terminal.effects import (
    Display,
    EnterPin,
    HandsOff,
    HangUp,
    Print,
    ReadCard,
    Remember,
    SelectAgain,
)
from smartsale_emu.terminal.events import (
    BankAsked,
    BankFailed,
    BankUnreachable,
    CancelPressed,
    CardPresented,
    HandEvent,
    PinEntered,
    PoweredOn,
)


@dataclass(frozen=True, slots=True)
class WriteLine:
    """Write these bytes to the line, in one go."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FlushLine:
    """Drop what the register has not read yet, so that its next session reads nothing stale."""


@dataclass(frozen=True, slots=True)
class CallHost:
    """Connect to the bank and send these bytes, length included; ``BankAsked`` before the first leaves."""

    call: int
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Trace:
    """One line of the trace: ``kind`` frame, message, line, state, decision, ignored, bank or hands."""

    kind: str
    because: str
    details: dict[str, object] = field(default_factory=dict)


Effect = (
    WriteLine
    | FlushLine
    | CallHost
    | HangUp
    | Remember
    | Display
    | Print
    | ReadCard
    | EnterPin
    | HandsOff
    | SelectAgain
    | Trace
)


@dataclass(frozen=True, slots=True)
class LineOpened:
    """A register opened the line: everything on it is new."""


@dataclass(frozen=True, slots=True)
class LineClosed:
    """The register closed the line."""

    because: str


@dataclass(frozen=True, slots=True)
class HostBytes:
    """Bytes from the bank, in any slicing."""

    call: int
    data: bytes = field(repr=False)


Event = HandEvent | PoweredOn | LineOpened | LineClosed | BankAsked | BankUnreachable | BankFailed | HostBytes


def hand_event(action: Action, card: Card | None) -> HandEvent:
    """Return what a cardholder's act is to the pinpad; ``card``: the one he carries."""
    if action.act is Act.PRESENT_CARD and card is not None:
        return CardPresented(card)
    if action.act is Act.TYPE_PIN and action.pin is not None:
        return PinEntered(action.pin)
    return CancelPressed()


def at_reader(event: Event, shelf: ChipShelf | None) -> Event:
    """Return the event as the pinpad gets it: a presented card with its chip selected. None: no chips.

    Raises:
        KeySlotError: the key of the card's issuer is missing.
        StateError: the card's counter cannot be kept.
    """
    if isinstance(event, CardPresented) and shelf is not None:
        return CardPresented(shelf.presented(event.card))
    return event
