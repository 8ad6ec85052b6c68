"""The terminal's desk: what is being worked on, the memory, and the effects asked for so far.

The actions of the table (``serving``, ``settling``, ``undoing``) are functions over this desk. They ask for
effects and replace the memory; they never change the state: that is the table's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from smartsale_emu.errors import KeySlotError
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    Step,
    Totals,
    Transaction,
)
from smartsale_emu.payment.card import Card
from smartsale_emu.payment.receipt import CardFace, Form, ReceiptLayout, format_amount
from smartsale_emu.sa.tlv import Message
from smartsale_emu.security.masking import Secret
from smartsale_emu.security.protection import SessionKey
from smartsale_emu.terminal.answers import Asked, build_answer, field_15, field_19
from smartsale_emu.terminal.chip_reading import Reading
from smartsale_emu.terminal.effects import (
    Answer,
    CallBank,
    Display,
    HandsOff,
    HangUp,
    Note,
    Print,
    Remember,
    TerminalEffect,
)
from smartsale_emu.terminal.events import FinalFate, TerminalEvent
from smartsale_emu.terminal.journal import Entry, EntryState
from smartsale_emu.terminal.kept import KeptRequest, Safe
from smartsale_emu.terminal.memory import Memory, Pending, Stage
from smartsale_emu.terminal.operations import Name, Undo
from smartsale_emu.terminal.originals import Refused
from smartsale_emu.terminal.outcome import ENDINGS, Outcome, OutcomeKind
from smartsale_emu.terminal.profile import Screen, TerminalProfile
from smartsale_emu.terminal.requests import Refusal, Request
from smartsale_emu.terminal.slips import Slip, card_values, terminal_values
from smartsale_emu.units import Millis, MinorUnits, calendar, later


class Scheme(StrEnum):
    """How the bank is reached (the Document, 1.2 and 1.3)."""

    KPH = "kph"  # the pinpad calls it
    PKH = "pkh"  # through the register


@dataclass(slots=True)
class Reconciling:
    """A settlement under way: what is still to be uploaded, and whether the bank has been asked anything.

    ``waiting``: the transaction or the entry that the open call is about. ``uploaded``: how many entries the
    bank has taken or refused.
    """

    waiting: Transaction | Entry = Transaction.SETTLEMENT
    to_upload: Iterator[Entry] = field(default_factory=lambda: iter(()))
    uploaded: int = 0
    asked: bool = False


class Work:
    """The desk. ``followups``: events that an action hands back to the table, taken before anything else."""

    def __init__(
        self,
        profile: TerminalProfile,
        layout: ReceiptLayout,
        memory: Memory,
        safe: Safe,
        epoch: datetime,
        scheme: Scheme,
    ) -> None:
        self.profile, self.layout, self.memory, self.safe = profile, layout, memory, safe
        self.scheme = scheme
        self.now = Millis(0)
        self.effects: list[TerminalEffect] = []
        self.followups: list[TerminalEvent] = []
        self.call: int | None = None
        self.paper = True
        self._epoch = epoch
        self._calls = 0
        self._unsent: Step | None = None  # of a call of which no byte has left
        self._keys_on_disk = memory.keys
        self.reconciling = Reconciling()
        self.clear_desk()

    def clear_desk(self) -> None:
        """Forget the operation; the memory stays."""
        self.message: Message | None = None
        self.request: Request | Refusal | None = None
        self.original: Entry | None = None
        self.refused: Refused | None = None
        self.asking: int | None = None  # the field that the cashier is asked for
        self.questions = 0
        self.can_ask = True
        self.debt_tried = False
        self.card: Card | None = None
        self.chip: Reading | None = None
        self.chip_failed = False
        self.pin: Secret | None = None
        self.pin_entered = False
        self.bank: AuthorizationAnswer | None = None
        self.fate: FinalFate | None = None
        self.because = ""
        self.outcome: Outcome | None = None
        self.slip: Slip | None = None
        self.pin_attempt = 0
        self.withdrawn = False

    # --- what lies on the desk ---------------------------------------------------------------------------

    @property
    def undo(self) -> Undo:
        """What an interruption of the running operation means for the money."""
        return self.request.operation.undo if isinstance(self.request, Request) else Undo.NOTHING

    @property
    def name(self) -> Name | None:
        """The running operation, None if none is known."""
        return self.request.operation.name if isinstance(self.request, Request) else None

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
        """What may be printed of the card: the one read, or the original's."""
        if self.card is not None:
            return CardFace.of(self.card)
        kept = self.original.request if self.original else None
        return CardFace.of_masked(kept.masked_pan, kept.expiry) if kept and kept.masked_pan else None

    @property
    def date(self) -> datetime:
        """The local date and time."""
        return calendar(self._epoch, self.now)

    def timer(self, name: str) -> Millis | None:
        """Return a timer: the request's own where it has one (field 57), else the profile's; None: never."""
        timers = self.profile.timers
        if name in ("card", "cashier") and isinstance(self.request, Request) and self.request.within:
            return self.request.within
        pkh = self.scheme is Scheme.PKH
        connect = timers.tunnel_open if pkh else timers.bank_connect
        match name:
            case "bank_connect":
                return connect
            case "settlement":
                return later(connect, timers.bank_answer)
            case "reversal_attempt" if pkh:
                return later(connect, timers.bank_answer)
            case "reversal_retry" if pkh:
                return None  # without a register there is no way to the bank
            case _:
                value: Millis = getattr(timers, name)
                return value

    # --- effects -----------------------------------------------------------------------------------------

    def ask(self, *effects: TerminalEffect) -> None:
        """Ask for effects, in this order."""
        self.effects.extend(effects)

    def note(self, kind: str, because: str, **details: object) -> None:
        """Leave a line for the trace."""
        self.ask(Note(kind, because, details))

    def remember(self, memory: Memory, *entries: Entry, anew: bool = False) -> None:
        """Replace the memory, on disk too, before the next effect. ``entries`` go into its journal."""
        self.memory = replace(memory, journal=memory.journal.plus(entries)) if entries else memory
        self._keys_on_disk = self.memory.keys
        self.ask(Remember(self.memory, entries, anew))

    def forget_pending(self) -> None:
        """Nothing is owed for the running operation; said to the disk only if it knew of it.

        An operation that was approved, or is being undone, is never forgotten here.
        """
        if self.memory.pending is not None and self.memory.pending.stage is Stage.ASKED:
            self.remember(replace(self.memory, pending=None))

    def note_left(self) -> None:
        """The first byte of the call has left."""
        self._unsent = None

    def take_attempt_back(self) -> None:
        """Not one byte of a reversal left: the next one is no repeat, even if the power fails before it."""
        unsent, self._unsent, pending = self._unsent, None, self.memory.pending
        if unsent is Step.REVERSAL and pending is not None and pending.attempts > 0:
            self.remember(replace(self.memory, pending=replace(pending, attempts=pending.attempts - 1)))

    def display(self, screen: Screen, *, tries: int = 0) -> None:
        """Show a screen of the profile."""
        request = self.request
        title = request.operation.title if isinstance(request, Request) else ""
        amount = ""
        if request is not None and request.amount is not None:
            amount = f"{format_amount(request.amount)} {self.profile.currency(request.currency or '')}"
        text = self.profile.screen(screen, self.name).format(title=title, amount=amount, tries=tries)
        self.ask(Display("\n".join(line.strip() for line in text.split("\n"))))

    def rest(self) -> None:
        """Nobody is being served."""
        self.clear_desk()
        self.ask(HandsOff())
        self.display(Screen.IDLE)

    # --- the bank ----------------------------------------------------------------------------------------

    def next_message(self) -> None:
        """The next message to the bank has a STAN and keys of its own."""
        self.memory = self.memory.next_stan()
        self.next_keys()

    def next_keys(self) -> None:
        """The next message to the bank has keys of its own."""
        held = self.memory.keys
        self.memory = replace(self.memory, keys=self.safe.for_next_message(held))
        if held.session and not self.memory.keys.session:
            self.note("decision", "the session keys are of no use any more: those of the slots are used")

    def are_right(self, offered: Iterable[SessionKey]) -> bool:
        """Tell whether the bank's new keys match their check values."""
        offered = tuple(offered)
        try:
            self.safe.accepted(offered, self.memory.keys)
        except KeySlotError as error:
            self.note("decision", str(error))
            return False
        return bool(offered)

    def dial(self, request: AuthorizationRequest) -> None:
        """Call the bank; what the call brings carries its number. No KSN leaves before it is on disk."""
        keys = self.memory.keys
        self._calls += 1
        self.call, self._unsent = self._calls, request.step
        if keys != self._keys_on_disk:
            self.remember(self.memory)
        self.ask(CallBank(self.call, replace(request, ksn=bytes.fromhex(keys.ksn)), keys))

    def hang_up(self) -> None:
        """Give the open call up, if there is one."""
        if self.call is not None:
            self.ask(HangUp(self.call))
            self.call = None

    # --- the slip ----------------------------------------------------------------------------------------

    def write_slip(self, outcome: Outcome, form: Form, **more: str) -> Slip:
        """Number a new slip and lay it on the desk; it leaves with the answer."""
        self.memory = self.memory.next_slip()
        request, bank, face = self.good_request, outcome.bank, outcome.card
        values = terminal_values(self.profile, self.memory, self.date) | {
            "number": f"{self.memory.slip:04d}",
            "title": request.operation.title,
            "ern": request.ern,
            "code": field_15(outcome, self.profile) or "",
            "reason": field_19(self.name, outcome, self.profile).partition("^")[0],
            "currency": self.profile.currency(request.currency or ""),
        }
        if request.amount is not None:
            values["amount"] = format_amount(request.amount)
        if request.operation.follows:
            values["original_rrn"] = request.rrn
        if self.original is not None and self.original.amount != request.amount:
            values["original_amount"] = format_amount(self.original.amount)
        if face is not None:
            values |= {
                "card_label": face.label,
                "card_number": face.masked,
                "expiry": f"{face.expiry[2:]}/{face.expiry[:2]}" if face.expiry else "",
                "holder": face.holder if face.holder != "/" else "",
                "aid": face.aid,
            }
        if self.card is not None:
            tvr = self.chip.tvr_at_the_end if self.chip else None
            values |= card_values(self.card, tvr, pin_entered=self.pin_entered)
        if bank is not None:
            values |= {"authorization_code": bank.authorization_code, "rrn": bank.rrn}
            if bank.balance is not None:
                values["balance"] = format_amount(bank.balance)
        self.slip = Slip(form, values | more)
        return self.slip

    def entry(self, state: EntryState, request: KeptRequest | None) -> Entry:
        """Return the journal entry of the slip on the desk."""
        slip, bank, asked = self.slip, self.bank, self.good_request
        if slip is None:
            raise AssertionError("no slip was written")
        return Entry(
            number=self.memory.slip,
            operation=asked.operation.name,
            state=state,
            request=request,
            rrn=bank.rrn if bank else "",
            authorization_code=bank.authorization_code if bank else "",
            follows=asked.rrn if asked.operation.follows else "",
            form=slip.form,
            values=slip.kept_values(),
        )

    # --- the final answer --------------------------------------------------------------------------------

    def answer(self, outcome: Outcome) -> None:
        """Give the register its final answer, with the slip that lies on the desk."""
        request = self.request
        if request is None:
            raise AssertionError("an answer without a request")
        self.outcome = outcome
        good = request if isinstance(request, Request) else None
        asked = Asked(
            operation=good.operation if good else None,
            code=request.code,
            mode=request.mode,
            amount=request.amount,
            currency=request.currency,
            ern=request.ern,
        )
        message = build_answer(asked, outcome, self.profile, at=self.date, receipt=self._printed())
        self.note("decision", outcome.because, status=int(outcome.status), outcome=str(outcome.kind))
        self.ask(HandsOff())
        self.display(Screen(ENDINGS[outcome.kind].screen))
        self.ask(Answer(message))

    def _printed(self) -> str | None:
        """Return field 90 if there is a slip for it; a terminal with a printer prints the slip itself."""
        slip = self.slip
        if slip is None:
            return None
        if not self.profile.rules.printer:
            return slip.field_90(self.layout) if self.profile.answer.receipt else None
        self.ask(Print(slip.client(self.layout)))
        if (copy := slip.cashier(self.layout)) is not None:
            self.ask(Print(copy))
        return None

    def end(
        self,
        kind: OutcomeKind,
        because: str,
        *,
        bank: AuthorizationAnswer | None = None,
        field: int | None = None,
        totals: Totals | None = None,
    ) -> None:
        """Answer with the card on the desk and, where it said something, the bank."""
        self.answer(Outcome(kind, because, bank=bank, card=self.face, field=field, totals=totals))

    def with_amount(self, amount: int) -> None:
        """The request gave no amount: the answer tells this one."""
        if self.good_request.amount is None:
            self.request = replace(self.good_request, amount=MinorUnits(amount))
