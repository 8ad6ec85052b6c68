"""What the terminal wants done, in the imperative. Effects are carried out in their order.

The order is a promise: ``Remember`` stands before the ``CallBank`` or the ``Answer`` that it protects.
"""

from dataclasses import dataclass, field

from smartsale_emu.payment.authorization import AuthorizationRequest
from smartsale_emu.payment.card import Card, EntryMode
from smartsale_emu.sa.tlv import Message
from smartsale_emu.security.protection import NOTHING_HELD, KeysHeld
from smartsale_emu.terminal.journal import Entry
from smartsale_emu.terminal.memory import Memory
from smartsale_emu.units import Millis


@dataclass(frozen=True, slots=True)
class Wait:
    """Tell the register to be patient, now and every wait period until the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The final answer to the register."""

    message: Message


@dataclass(frozen=True, slots=True)
class Display:
    """Text on the pinpad's screen, lines split by LF."""

    text: str


@dataclass(frozen=True, slots=True)
class ReadCard:
    """Open the readers; the customer has ``within`` milliseconds.

    ``refused``: the way in which a card with a chip was read just now, and may not be; None: any will do.
    """

    within: Millis
    refused: EntryMode | None = None


@dataclass(frozen=True, slots=True)
class EnterPin:
    """Open the keypad for a PIN; ``attempt`` counts from 1."""

    attempt: int
    within: Millis


@dataclass(frozen=True, slots=True)
class SelectAgain:
    """The chip in the reader was selected once more: its counter, raised, is kept before the next effect."""

    card: Card


@dataclass(frozen=True, slots=True)
class AskCashier:
    """Put a question to the cashier through the register; ``text`` is field 76."""

    text: str


@dataclass(frozen=True, slots=True)
class Print:
    """Print a slip on the terminal's own printer."""

    text: str


@dataclass(frozen=True, slots=True)
class HandsOff:
    """Readers and keypad are closed: nothing is expected of the customer."""


@dataclass(frozen=True, slots=True)
class CallBank:
    """Send a message to the bank; events about it carry the same ``call``.

    ``keys``: what its MAC, and that of the answer, is made with.
    """

    call: int
    request: AuthorizationRequest
    keys: KeysHeld = NOTHING_HELD


@dataclass(frozen=True, slots=True)
class HangUp:
    """Give up a call: after this not one more byte of it leaves, and its answer is of no interest.

    ``answered``: its answer has come and was taken, so that no other can be under way.
    """

    call: int
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Remember:
    """Write the memory to disk and sync it before the next effect.

    ``entries``: what is new or changed in its journal. ``anew``: the journal has begun anew; write the whole.
    """

    memory: Memory
    entries: tuple[Entry, ...] = ()
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the trace. ``because`` names the row, rule or timer; no secret is ever in it."""

    kind: str
    because: str
    details: dict[str, object] = field(default_factory=dict)


TerminalEffect = (
    Wait
    | Answer
    | AskCashier
    | Display
    | Print
    | ReadCard
    | EnterPin
    | SelectAgain
    | HandsOff
    | CallBank
    | HangUp
    | Remember
    | Note
)
