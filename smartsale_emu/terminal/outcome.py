"""How an operation ended, before it becomes fields (PROTOCOL.md, section 0.2)."""

from dataclasses import dataclass
from enum import StrEnum

from smartsale_emu.payment.authorization import AuthorizationAnswer, Totals
from smartsale_emu.payment.receipt import CardFace
from smartsale_emu.sa.codes import Status


class OutcomeKind(StrEnum):
    """The rows of the outcome table; the value is the key of the profile's text for field 19."""

    APPROVED = "approved"
    DECLINED = "declined"
    INTERRUPTED = "interrupted"
    NO_CONNECTION = "no_connection"
    REVERSAL_OWED = "reversal_owed"
    SETTLEMENT_OWED = "settlement_owed"
    UNKNOWN_OPERATION = "unknown_operation"
    BAD_FIELD = "bad_field"
    WRONG_TERMINAL = "wrong_terminal"
    # declined by the pinpad itself
    NO_REFERENCE = "no_reference"
    NOT_FOUND = "not_found"
    SAME_DAY = "same_day"
    NOT_ALLOWED = "not_allowed"
    TOO_MUCH = "too_much"
    PARTIAL_FORBIDDEN = "partial_forbidden"
    WRONG_CARD = "wrong_card"
    CARD_DECLINED = "card_declined"
    NO_KEYS = "no_keys"
    JOURNAL_FULL = "journal_full"
    NO_COPY = "no_copy"
    TOTALS_DIFFER = "totals_differ"
    NO_PAPER = "no_paper"
    KEYS_REFUSED = "keys_refused"


@dataclass(frozen=True, slots=True)
class Ending:
    """Fields 39 and 15 of an outcome, and what the customer reads (a key of the profile's ``screen``).

    ``code``: field 15 where it is not the bank's, None for none.
    """

    status: Status
    code: str | None
    screen: str


_DECLINED_HERE = Ending(Status.DECLINED, None, "declined")

ENDINGS: dict[OutcomeKind, Ending] = {
    OutcomeKind.APPROVED: Ending(Status.DONE, None, "approved"),
    OutcomeKind.DECLINED: Ending(Status.DECLINED, None, "declined"),
    OutcomeKind.INTERRUPTED: Ending(Status.ABORTED, "ER3", "interrupted"),
    OutcomeKind.NO_CONNECTION: Ending(Status.NO_CONNECTION, None, "no_connection"),
    OutcomeKind.REVERSAL_OWED: Ending(Status.NO_CONNECTION, None, "no_connection"),
    OutcomeKind.SETTLEMENT_OWED: Ending(Status.NO_CONNECTION, None, "no_connection"),
    OutcomeKind.UNKNOWN_OPERATION: Ending(Status.NOT_PERFORMED, "ER1", "interrupted"),
    OutcomeKind.BAD_FIELD: Ending(Status.ABORTED, "ER2", "interrupted"),
    OutcomeKind.WRONG_TERMINAL: Ending(Status.ABORTED, "ER2", "interrupted"),
    OutcomeKind.NO_REFERENCE: _DECLINED_HERE,
    OutcomeKind.NOT_FOUND: _DECLINED_HERE,
    OutcomeKind.SAME_DAY: _DECLINED_HERE,
    OutcomeKind.NOT_ALLOWED: _DECLINED_HERE,
    OutcomeKind.TOO_MUCH: _DECLINED_HERE,
    OutcomeKind.PARTIAL_FORBIDDEN: _DECLINED_HERE,
    OutcomeKind.WRONG_CARD: _DECLINED_HERE,
    OutcomeKind.CARD_DECLINED: _DECLINED_HERE,
    OutcomeKind.NO_KEYS: _DECLINED_HERE,
    OutcomeKind.JOURNAL_FULL: _DECLINED_HERE,
    OutcomeKind.NO_COPY: _DECLINED_HERE,
    OutcomeKind.TOTALS_DIFFER: _DECLINED_HERE,
    OutcomeKind.NO_PAPER: Ending(Status.ABORTED, "ER3", "no_paper"),
    OutcomeKind.KEYS_REFUSED: Ending(Status.ABORTED, "ER3", "interrupted"),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ended.

    ``bank``: its answer, if one came. ``field``: the offending request field. ``track2``: what the register
    may read of the card. ``totals``: of the day that a settlement closed.
    """

    kind: OutcomeKind
    because: str
    bank: AuthorizationAnswer | None = None
    card: CardFace | None = None
    field: int | None = None
    track2: str | None = None
    totals: Totals | None = None

    @property
    def status(self) -> Status:
        """Field 39."""
        return ENDINGS[self.kind].status
