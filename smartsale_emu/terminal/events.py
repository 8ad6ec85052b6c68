"""What happens to the terminal, in the past tense. Events come in through one door, with the time."""

from dataclasses import dataclass
from enum import StrEnum

from smartsale_emu.payment.authorization import AuthorizationAnswer
from smartsale_emu.payment.card import Card
from smartsale_emu.sa.tlv import Message
from smartsale_emu.security.masking import Secret


class FinalFate(StrEnum):
    """What became of the final answer on the line (PROTOCOL.md, section 0.3)."""

    ACKED = "the answer was acknowledged"
    EOT_TO_FIRST = "EOT in answer to the first copy"
    EOT_TO_REPEAT = "EOT in answer to a repeat"
    UNANSWERED = "no acknowledgement to any copy"
    GONE = "the register left before it acknowledged"
    NEVER_LEFT = "the register left before the answer did"


@dataclass(frozen=True, slots=True)
class PoweredOn:
    """The pinpad has started; a pending reversal is tried at once."""


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A complete request of the register, already acknowledged.

    ``debt_tried``: it has waited for one attempt at what is owed to the bank, in vain.
    """

    message: Message
    debt_tried: bool = False


@dataclass(frozen=True, slots=True)
class CashierReplied:
    """The register's reply to a question: field 67, None if it is no number, and field 77."""

    result: int | None
    text: str


@dataclass(frozen=True, slots=True)
class RegisterLeft:
    """The register closed, sent EOT, fell silent or turned to another request."""

    because: str


@dataclass(frozen=True, slots=True)
class AnswerFate:
    """The final answer's fate is known."""

    fate: FinalFate


@dataclass(frozen=True, slots=True)
class CardPresented:
    """A card was inserted, tapped or swiped."""

    card: Card


@dataclass(frozen=True, slots=True)
class CardPulled:
    """A chip card was taken out of the reader."""


@dataclass(frozen=True, slots=True)
class PinEntered:
    """The cardholder typed a PIN (4 to 12 digits) and confirmed it."""

    pin: Secret


@dataclass(frozen=True, slots=True)
class CancelPressed:
    """The cancel key of the pinpad."""


@dataclass(frozen=True, slots=True)
class PaperChanged:
    """The terminal's own printer has run out of paper, or has some again."""

    loaded: bool


@dataclass(frozen=True, slots=True)
class BankAsked:
    """The first byte of the message left for the bank: from now on money may have moved."""

    call: int


@dataclass(frozen=True, slots=True)
class BankUnreachable:
    """Not one byte left for the bank."""

    call: int
    because: str


@dataclass(frozen=True, slots=True)
class BankReplied:
    """The bank's answer to this call."""

    call: int
    answer: AuthorizationAnswer


@dataclass(frozen=True, slots=True)
class BankFailed:
    """The bank was asked, and the connection or its answer is of no use."""

    call: int
    because: str


@dataclass(frozen=True, slots=True)
class DeadlineReached:
    """The deadline of the present state has come."""


HandEvent = CardPresented | CardPulled | PinEntered | CancelPressed | PaperChanged
BankEvent = BankAsked | BankUnreachable | BankReplied | BankFailed
LineEvent = RequestReceived | CashierReplied | RegisterLeft | AnswerFate
TerminalEvent = PoweredOn | DeadlineReached | HandEvent | BankEvent | LineEvent


def said(event: TerminalEvent) -> str:
    """Return what happened in a few words, for the trace; nothing secret is in them.

    >>> said(CancelPressed()), said(BankUnreachable(1, "nobody listens"))
    ('cancel was pressed', 'nobody listens')
    """
    match event:
        case BankUnreachable(_, because) | BankFailed(_, because) | RegisterLeft(because):
            return because
        case CardPresented(card):
            return f"card {card.name}, {card.entry_mode}"
        case BankReplied(_, answer):
            return f"the bank answered {answer.response_code}"
        case AnswerFate(fate):
            return str(fate)
        case CashierReplied(result, text):
            return (
                "the cashier answered" if result == 0 and text else f"the cashier did not answer ({result})"
            )
        case PaperChanged(loaded):
            return "paper was loaded" if loaded else "the paper has run out"
        case _:
            return _SAID[type(event)]


_SAID: dict[type[TerminalEvent], str] = {
    PoweredOn: "the power is on",
    RequestReceived: "a request came",
    CancelPressed: "cancel was pressed",
    CardPulled: "the card was pulled",
    PinEntered: "a PIN was entered",
    BankAsked: "the first byte left for the bank",
    DeadlineReached: "a timer ran out",
}
