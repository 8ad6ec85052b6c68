"""The terminal's desk: what is being worked on, the memory, and the effects asked for so far.

The actions of the table (``serving``, ``undoing``) are functions over this desk. They ask for effects and
replace the memory; they never change the state: that is the table's.
"""

from dataclasses import replace
from datetime import datetime

from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest
from smartsale_emu.payment.card import Card
from smartsale_emu.payment.receipt import CardFace, format_amount
from smartsale_emu.sa.tlv import Message
from smartsale_emu.security.masking import Secret
from smartsale_emu.terminal.answers import Asked, build_answer
from smartsale_emu.terminal.effects import (
    Answer,
    CallBank,
    Display,
    HandsOff,
    HangUp,
    Note,
    Remember,
    TerminalEffect,
)
from smartsale_emu.terminal.events import FinalFate, TerminalEvent
from smartsale_emu.terminal.memory import Memory, Pending, Safe, Stage
from smartsale_emu.terminal.money import Undo
from smartsale_emu.terminal.outcome import ENDINGS, Outcome, OutcomeKind
from smartsale_emu.terminal.profile import TerminalProfile
from smartsale_emu.terminal.requests import Refusal, Request
from smartsale_emu.units import Millis, calendar


class Work:
    """The desk. ``followups``: events that an action hands back to the table, taken before anything else."""

    def __init__(self, profile: TerminalProfile, memory: Memory, safe: Safe, epoch: datetime) -> None:
        self.profile, self.memory, self.safe = profile, memory, safe
        self.now = Millis(0)
        self.effects: list[TerminalEffect] = []
        self.followups: list[TerminalEvent] = []
        self.call: int | None = None
        self._epoch = epoch
        self._calls = 0
        self.clear_desk()

    def clear_desk(self) -> None:
        """Forget the operation; the memory stays."""
        self.message: Message | None = None
        self.request: Request | Refusal | None = None
        self.card: Card | None = None
        self.pin: Secret | None = None
        self.bank: AuthorizationAnswer | None = None
        self.fate: FinalFate | None = None
        self.because = ""
        self.outcome: Outcome | None = None
        self.pin_attempt = 0
        self.withdrawn = False

    # --- what lies on the desk ---------------------------------------------------------------------------

    @property
    def undo(self) -> Undo:
        """What an interruption of the running operation means for the money."""
        return self.request.operation.undo if isinstance(self.request, Request) else Undo.NOTHING

    @property
    def good_request(self) -> Request:
        """The request that is being served."""
        if not isinstance(self.request, Request):
            raise AssertionError("no good request is being served")
        return self.request

    @property
    def owed(self) -> Pending:
        """The operation that is unfinished."""
        if self.memory.pending is None:
            raise AssertionError("no operation is unfinished")
        return self.memory.pending

    @property
    def bank_said(self) -> AuthorizationAnswer:
        """The bank's answer to the call just made."""
        if self.bank is None:
            raise AssertionError("the bank has not answered")
        return self.bank

    @property
    def face(self) -> CardFace | None:
        """What may be printed of the card."""
        return CardFace.of(self.card) if self.card else None

    @property
    def date(self) -> datetime:
        """The local date and time."""
        return calendar(self._epoch, self.now)

    def timer(self, name: str) -> Millis:
        """Return a timer: the request's own where it has one (field 57), else the profile's."""
        if name == "card" and isinstance(self.request, Request) and self.request.card_within is not None:
            return self.request.card_within
        value: Millis = getattr(self.profile.timers, name)
        return value

    # --- effects -----------------------------------------------------------------------------------------

    def ask(self, *effects: TerminalEffect) -> None:
        """Ask for effects, in this order."""
        self.effects.extend(effects)

    def note(self, kind: str, because: str, **details: object) -> None:
        """Leave a line for the trace."""
        self.ask(Note(kind, because, details))

    def remember(self, memory: Memory) -> None:
        """Replace the memory, on disk too, before the next effect."""
        self.memory = memory
        self.ask(Remember(memory))

    def forget_pending(self) -> None:
        """Nothing is owed for the running operation; said to the disk only if it knew of it.

        An operation that was approved, or is being undone, is never forgotten here.
        """
        if self.memory.pending is not None and self.memory.pending.stage is Stage.ASKED:
            self.remember(replace(self.memory, pending=None))

    def take_attempt_back(self) -> None:
        """Not one byte of the reversal left: the next one is no repeat. Written with the next attempt."""
        pending = self.memory.pending
        if pending is not None and pending.attempts > 0:
            self.memory = replace(self.memory, pending=replace(pending, attempts=pending.attempts - 1))

    def display(self, screen: str, **values: object) -> None:
        """Show a screen of the profile."""
        amount = self.request.amount if self.request else None
        shown = f"{format_amount(amount)} РУБ" if amount is not None else ""
        self.ask(Display(self.profile.screen[screen].format(amount=shown, **values)))

    def rest(self) -> None:
        """Nobody is being served."""
        self.clear_desk()
        self.ask(HandsOff())
        self.display("idle")

    # --- the bank ----------------------------------------------------------------------------------------

    def dial(self, request: AuthorizationRequest) -> None:
        """Call the bank; what the call brings carries its number."""
        self._calls += 1
        self.call = self._calls
        self.ask(CallBank(self.call, request))

    def hang_up(self) -> None:
        """Give the open call up, if there is one."""
        if self.call is not None:
            self.ask(HangUp(self.call))
            self.call = None

    # --- the final answer --------------------------------------------------------------------------------

    def answer(self, outcome: Outcome) -> None:
        """Give the register its final answer."""
        request = self.request
        if request is None:
            raise AssertionError("an answer without a request")
        self.outcome = outcome
        asked = Asked(
            code=request.code,
            title=request.operation.title if isinstance(request, Request) else "",
            amount=request.amount,
            currency=request.currency,
            ern=request.ern,
        )
        message = build_answer(asked, outcome, self.profile, at=self.date, slip=self.memory.slip)
        self.note("decision", outcome.because, status=int(outcome.status), outcome=str(outcome.kind))
        self.ask(HandsOff())
        self.display(ENDINGS[outcome.kind].screen)
        self.ask(Answer(message))

    def end(self, kind: OutcomeKind, because: str, *, bank: AuthorizationAnswer | None = None) -> None:
        """Answer with the card on the desk and, where it said something, the bank."""
        self.answer(Outcome(kind, because, bank=bank, card=self.face))
