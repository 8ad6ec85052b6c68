"""What an exchange of the register asks of whoever drives it, and how it may end."""

from dataclasses import dataclass, field
from enum import StrEnum

from smartsale_emu.sa.tlv import Message


class Because(StrEnum):
    """Why there is no answer."""

    NOT_ACKED = "the pinpad did not acknowledge the request"
    PINPAD_ENDED = "the pinpad ended the session"
    SILENT = "the pinpad fell silent"
    TOO_LONG = "the operation took too long"
    DAMAGED = "what the pinpad sent was damaged three times in a row"
    CANCELLED = "the register cancelled the operation"
    LINE_LOST = "the line to the pinpad broke"
    ANSWER_LOST = "the answer was lost on the way"
    VANISHED = "the register vanished"
    ASKED_ANEW = "the register asked for something else before the answer came"
    PINPAD_GONE = "the pinpad went away: its power was cut, or its port was closed"


@dataclass(frozen=True, slots=True)
class Answered:
    """The pinpad's final answer; whether it is a success is in field 39."""

    message: Message


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The exchange ended without an answer. ``detail`` is for a log."""

    because: Because
    detail: str = ""


Outcome = Answered | NoAnswer


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes to the pinpad now, in one go."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Waited:
    """The pinpad asks for patience: a wait frame, the ``count``-th."""

    count: int


@dataclass(frozen=True, slots=True)
class OpenHost:
    """Connect to the bank for the pinpad, then call ``host_opened``."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class SendHost:
    """Send these bytes of the pinpad to the bank, then call ``host_sent``."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FetchHost:
    """Wait a moment for bytes of the bank, then call ``host_fetched``, with None if nothing has come."""


@dataclass(frozen=True, slots=True)
class CloseHost:
    """Close the connection to the bank, also one that is being made; nothing more is told of it."""


@dataclass(frozen=True, slots=True)
class AskCashier:
    """Put this to the cashier, then call ``cashier_said`` or ``cashier_refused``."""

    text: str


@dataclass(frozen=True, slots=True)
class Remarked:
    """Something on the line that a log may want."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The exchange is over; nothing follows, and a question to the cashier is withdrawn."""

    outcome: Outcome


RegisterEffect = Send | Waited | OpenHost | SendHost | FetchHost | CloseHost | AskCashier | Remarked | Ended
