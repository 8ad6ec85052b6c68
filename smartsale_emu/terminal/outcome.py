"""How an operation ended, before it becomes fields (PROTOCOL.md, section 0.2)."""

from dataclasses import dataclass
from enum import StrEnum

from smartsale_emu.payment.authorization import AuthorizationAnswer
from smartsale_emu.payment.receipt import CardFace
from smartsale_emu.sa.codes import Status


class OutcomeKind(StrEnum):
    """The rows of the outcome table; the value is the key of the profile's text for field 19."""

    APPROVED = "approved"
    DECLINED = "declined"
    INTERRUPTED = "interrupted"
    NO_CONNECTION = "no_connection"
    REVERSAL_OWED = "reversal_owed"
    UNKNOWN_OPERATION = "unknown_operation"
    BAD_FIELD = "bad_field"
    WRONG_TERMINAL = "wrong_terminal"


@dataclass(frozen=True, slots=True)
class Ending:
    """Fields 39 and 15 of an outcome. ``code`` is field 15 where it is not the bank's: None for none."""

    status: Status
    code: str | None
    screen: str


ENDINGS: dict[OutcomeKind, Ending] = {
    OutcomeKind.APPROVED: Ending(Status.DONE, None, "approved"),
    OutcomeKind.DECLINED: Ending(Status.DECLINED, None, "declined"),
    OutcomeKind.INTERRUPTED: Ending(Status.ABORTED, "ER3", "interrupted"),
    OutcomeKind.NO_CONNECTION: Ending(Status.NO_CONNECTION, None, "no_connection"),
    OutcomeKind.REVERSAL_OWED: Ending(Status.NO_CONNECTION, None, "no_connection"),
    OutcomeKind.UNKNOWN_OPERATION: Ending(Status.NOT_PERFORMED, "ER1", "interrupted"),
    OutcomeKind.BAD_FIELD: Ending(Status.ABORTED, "ER2", "interrupted"),
    OutcomeKind.WRONG_TERMINAL: Ending(Status.ABORTED, "ER2", "interrupted"),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ended. ``bank``: its answer, if one came. ``field``: the offending request field."""

    kind: OutcomeKind
    because: str
    bank: AuthorizationAnswer | None = None
    card: CardFace | None = None
    field: int | None = None

    @property
    def status(self) -> Status:
        """Field 39."""
        return ENDINGS[self.kind].status
