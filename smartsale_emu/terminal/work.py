"""What the terminal does at each row of its table: the actions, and what they work on.

An action is a method without arguments; the event's content lies in ``Work`` (request, card, PIN, the bank's
answer). Actions ask for effects and replace the memory; they never change the state: that is the table's.
"""

from dataclasses import replace
from datetime import datetime

from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    CardData,
    Step,
)
from smartsale_emu.payment.card import Card, EntryMode
from smartsale_emu.payment.receipt import CardFace, format_amount
from smartsale_emu.sa.tlv import Message
from smartsale_emu.security.masking import Secret
from smartsale_emu.terminal.answers import Asked, build_answer
from smartsale_emu.terminal.effects import (
    Answer,
    CallBank,
    Display,
    EnterPin,
    HandsOff,
    HangUp,
    Note,
    ReadCard,
    Remember,
    TerminalEffect,
    Wait,
)
from smartsale_emu.terminal.events import FinalFate, RequestReceived, TerminalEvent
from smartsale_emu.terminal.memory import (
    LastOperation,
    Memory,
    Pending,
    ReversedBy,
    Safe,
    Stage,
    answered,
    keep_request,
    reversal_of,
)
from smartsale_emu.terminal.money import ReversalVerdict, Undo, reversal_verdict
from smartsale_emu.terminal.outcome import ENDINGS, Outcome, OutcomeKind
from smartsale_emu.terminal.profile import TerminalProfile
from smartsale_emu.terminal.requests import Refusal, Request
from smartsale_emu.units import Millis, MinorUnits, calendar


class Work:
    """The terminal's desk: what is being worked on, the memory, and the effects asked for so far."""

    def __init__(self, profile: TerminalProfile, memory: Memory, safe: Safe, epoch: datetime) -> None:
        self.profile, self.memory = profile, memory
        self.now = Millis(0)
        self.effects: list[TerminalEffect] = []
        self.followups: list[TerminalEvent] = []
        self.call: int | None = None
        self._safe, self._epoch = safe, epoch
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

    @property
    def undo(self) -> Undo:
        """What an interruption of the running operation means for the money."""
        return self.request.operation.undo if isinstance(self.request, Request) else Undo.NOTHING

    # --- effects -----------------------------------------------------------------------------------------

    def ask(self, *effects: TerminalEffect) -> None:
        """Ask for effects, in this order."""
        self.effects.extend(effects)

    def note(self, kind: str, because: str, **details: object) -> None:
        """Leave a line for the trace."""
        self.ask(Note(kind, because, details))

    def _remember(self, memory: Memory) -> None:
        self.memory = memory
        self.ask(Remember(memory))

    def _display(self, screen: str, **values: object) -> None:
        amount = self.request.amount if self.request else None
        shown = f"{format_amount(amount)} РУБ" if amount is not None else ""
        self.ask(Display(self.profile.screen[screen].format(amount=shown, **values)))

    def _hang_up(self) -> None:
        if self.call is not None:
            self.ask(HangUp(self.call))
            self.call = None

    def _dial(self, request: AuthorizationRequest) -> None:
        self._calls += 1
        self.call = self._calls
        self.ask(CallBank(self.call, request))

    @property
    def _date(self) -> datetime:
        return calendar(self._epoch, self.now)

    # --- the final answer --------------------------------------------------------------------------------

    def _answer(self, outcome: Outcome) -> None:
        self.outcome = outcome
        request = self.request
        if request is None:
            raise AssertionError("an answer without a request")
        operation = request.operation if isinstance(request, Request) else None
        asked = Asked(
            code=str(int(operation.code)) if operation else getattr(request, "code", "0"),
            title=operation.title if operation else "",
            amount=request.amount,
            currency=request.currency,
            ern=request.ern,
        )
        message = build_answer(asked, outcome, self.profile, at=self._date, slip=self.memory.slip)
        self.note("decision", outcome.because, status=int(outcome.status), outcome=str(outcome.kind))
        self.ask(HandsOff())
        self._display(ENDINGS[outcome.kind].screen)
        self.ask(Answer(message))

    def _end(self, kind: OutcomeKind, because: str, *, bank: AuthorizationAnswer | None = None) -> None:
        face = CardFace.of(self.card) if self.card else None
        self._answer(Outcome(kind, because, bank=bank, card=face))

    def answer_refusal(self) -> None:
        """Unknown operation or bad field: no wait, no card, no bank."""
        refusal = self.request
        if not isinstance(refusal, Refusal):
            raise AssertionError("no refusal to answer")
        self._answer(Outcome(refusal.kind, refusal.because, field=refusal.field))

    def answer_cancelled(self) -> None:
        """The customer pressed cancel or pulled the card, and the bank was not asked."""
        self._hang_up()
        self._forget()
        self._end(OutcomeKind.INTERRUPTED, self.because)

    def answer_not_given(self) -> None:
        """Card or PIN did not come in time."""
        self._end(OutcomeKind.INTERRUPTED, self.because)

    def answer_unreachable(self) -> None:
        """Not one byte left for the bank."""
        self._hang_up()
        self._forget()
        self._end(OutcomeKind.NO_CONNECTION, self.because)

    def answer_no_answer(self) -> None:
        """The bank was asked something harmless and did not answer."""
        self._hang_up()
        self._end(OutcomeKind.INTERRUPTED, self.because)

    def answer_declined(self) -> None:
        """The bank said no: nothing is owed, and that is remembered before the register hears it."""
        self._forget()
        self.memory = self.memory.next_slip()
        self._end(OutcomeKind.DECLINED, self.because, bank=self.bank)

    def answer_approved(self) -> None:
        """The bank said yes: the approval is on disk before the answer leaves, still as something to undo."""
        pending, bank = self.memory.pending, self.bank
        if pending is not None and bank is not None and self.undo is Undo.BY_REVERSAL:
            waiting = answered(pending, bank, status=1, because="the register has not acknowledged the answer")
            self._remember(replace(self.memory, pending=waiting).next_slip())
        self._end(OutcomeKind.APPROVED, self.because, bank=bank)

    # --- the customer ------------------------------------------------------------------------------------

    def prompt_card(self) -> None:
        """Ask for a card."""
        self.ask(Wait())
        self._display("card")
        self.ask(ReadCard(self.profile.timers.card))

    def prompt_chip(self) -> None:
        """The service code of a swiped card demands its chip."""
        self.card = None
        self._display("use_chip")
        self.ask(ReadCard(self.profile.timers.card))

    def prompt_pin(self) -> None:
        """Ask for the PIN."""
        self.pin_attempt += 1
        self._display("pin")
        self.ask(EnterPin(self.pin_attempt, self.profile.timers.pin))

    def prompt_pin_again(self) -> None:
        """The bank said the PIN is wrong and tries are left: nothing is owed for that message."""
        self._forget()
        self.pin_attempt += 1
        self._display("pin_again", tries=self.profile.rules.pin_tries - self.pin_attempt + 1)
        self.ask(EnterPin(self.pin_attempt, self.profile.timers.pin))

    def withdraw(self) -> None:
        """The customer cancels while the bank is thinking: an approval will be refused and reversed."""
        self.withdrawn = True
        self.note("decision", "cancelled while the bank was asked: an approval will be reversed")

    def drop(self) -> None:
        """The register left and nothing is owed."""
        self._hang_up()
        self._forget()
        self.rest()

    def rest(self) -> None:
        """Nobody is being served."""
        self.clear_desk()
        self.ask(HandsOff())
        self._display("idle")

    # --- the bank ----------------------------------------------------------------------------------------

    def call_for_test(self) -> None:
        """Ask the bank whether it is there."""
        self.ask(Wait())
        self._display("bank")
        self.memory = self.memory.next_stan()
        self._dial(self._message())

    def call_for_money(self) -> None:
        """Remember the operation as one to undo, then ask the bank."""
        self.memory = self.memory.next_stan()
        message = self._message()
        pending = Pending(
            operation=int(self._operation_code()),
            request=keep_request(message, self._safe),
            stage=Stage.ASKED,
            because="the bank has been asked and its answer is not known",
        )
        self.ask(HandsOff())
        self._display("bank")
        self._remember(replace(self.memory, pending=pending))
        self._dial(message)

    def note_asked(self) -> None:
        """From now on the bank may have moved money."""
        self.note("decision", "the first byte has left for the bank")

    def _operation_code(self) -> int:
        return int(self.request.operation.code) if isinstance(self.request, Request) else 0

    def _message(self) -> AuthorizationRequest:
        request, card, pin = self.request, self.card, self.pin
        if not isinstance(request, Request):
            raise AssertionError("no request to put to the bank")
        self.pin = None
        return AuthorizationRequest(
            step=request.operation.step,
            transaction=request.operation.transaction,
            stan=self.memory.stan,
            sent_at=self._date,
            terminal_id=self.profile.terminal_id,
            merchant_id=self.profile.merchant_id,
            amount=request.amount or MinorUnits(0),
            currency=request.currency,
            card=_card_data(card) if card else None,
            pin_block=self._safe.pin_block(pin, card.pan) if pin and card else None,
        )

    def _forget(self) -> None:
        """Nothing is owed for the running operation; said to the disk only if it knew of it."""
        if self.memory.pending is not None:
            self._remember(replace(self.memory, pending=None))

    # --- the emergency reversal --------------------------------------------------------------------------

    def _start_reversal(self, because: str) -> None:
        pending = self.memory.pending
        if pending is None:
            raise AssertionError("a reversal of nothing")
        self.memory = replace(self.memory, pending=replace(pending, stage=Stage.REVERSING, because=because))
        self._attempt()

    def _attempt(self) -> None:
        """Send the reversal that is owed: 0400 at first, 0401 after. Remembered before it leaves."""
        pending = self.memory.pending
        if pending is None:
            raise AssertionError("a reversal of nothing")
        self._hang_up()
        stamped = replace(pending, reversing_at=pending.reversing_at or self._date.isoformat())
        message = reversal_of(stamped, self._safe)
        counted = replace(stamped, stage=Stage.REVERSING, attempts=pending.attempts + 1)
        self.note("decision", pending.because, reversal_of=pending.request.stan, attempt=counted.attempts)
        self._display("reversal")
        self._remember(replace(self.memory, pending=counted))
        self._dial(message)

    def _end_reversal(self) -> ReversalVerdict:
        """Settle the memory with the bank's answer to the reversal."""
        pending, bank = self.memory.pending, self.bank
        if pending is None or bank is None:
            raise AssertionError("no reversal was answered")
        self.call = None
        verdict = reversal_verdict(bank.response_code)
        memory = replace(self.memory, pending=None)
        if verdict is ReversalVerdict.ALARM:
            text = f"the bank answered {bank.response_code} to the reversal: it may still hold the operation"
            memory = memory.remarked("alarm", pending.request.stan, text)
        memory = _undone(memory, pending, verdict)
        self.note("decision", f"reversal {verdict}: the bank answered {bank.response_code}", stan=pending.request.stan)
        self._remember(memory)
        return verdict

    def undo_unanswered(self) -> None:
        """The bank was asked and gave no usable answer: reverse, then tell the register 39 = 53."""
        self._hang_up()
        face = CardFace.of(self.card) if self.card else None
        self.outcome = Outcome(OutcomeKind.INTERRUPTED, self.because, card=face)
        self._start_reversal(self.because)

    def undo_withdrawn(self) -> None:
        """The bank approved what the customer had cancelled: 13 and 14 are told, 39 is 53."""
        pending, bank, because = self.memory.pending, self.bank, "approved, but the customer had cancelled"
        if pending is None or bank is None:
            raise AssertionError("nothing was approved")
        face = CardFace.of(self.card) if self.card else None
        self.outcome = Outcome(OutcomeKind.INTERRUPTED, because, bank=bank, card=face)
        status = int(self.outcome.status)
        self.memory = replace(self.memory, pending=answered(pending, bank, status=status, because=because))
        self._start_reversal(because)

    def undo_abandoned(self) -> None:
        """The register left while the bank was asked."""
        self._hang_up()
        because = self.because
        self.ask(HandsOff())
        self.clear_desk()
        self._start_reversal(because)

    def undo_lost(self) -> None:
        """The register did not take an approved answer."""
        pending, fate = self.memory.pending, self.fate
        if pending is not None and fate is not FinalFate.EOT_TO_FIRST:
            text = f"the register may believe 39 = 1: {fate}"
            self.memory = self.memory.remarked("doubt", pending.request.stan, text)
        self.clear_desk()
        self._start_reversal(f"{fate}" if fate else "the register left")

    def answer_undone(self) -> None:
        """The reversal is answered; the register hears how its operation ended."""
        self._end_reversal()
        self._answer_prepared()

    def answer_undo_failed(self) -> None:
        """The first attempt failed; the register hears the same, the reversal stays owed."""
        self._hang_up()
        self._answer_prepared()

    def _answer_prepared(self) -> None:
        if self.outcome is None:
            raise AssertionError("no outcome was prepared")
        self._answer(self.outcome)

    def go_on_alone(self) -> None:
        """The register left; the attempt that is under way goes on."""
        self.note("decision", f"{self.because}; the reversal goes on")
        self.clear_desk()

    def retry(self) -> None:
        """Try the reversal that is owed."""
        self._attempt()

    def clear_first(self) -> None:
        """A request came: one attempt at the reversal that is owed, then the request."""
        self.ask(Wait())
        self._attempt()

    def hold(self) -> None:
        """A request came while an attempt is under way: that attempt is the one."""
        self.ask(Wait())
        self.note("decision", "a reversal is owed: the request waits for it")

    def serve_held(self) -> None:
        """Nothing is owed any more: the request is served as if it came now."""
        self._end_reversal()
        message = self.message
        self.clear_desk()
        if message is not None:
            self.followups.append(RequestReceived(message))

    def answer_owing(self) -> None:
        """The reversal is still owed: the request needs the bank and cannot be served."""
        self._hang_up()
        self._end(OutcomeKind.REVERSAL_OWED, "a reversal is owed and the bank has not answered it")

    def break_off_and_refuse(self) -> None:
        """A bad request is answered at once; the attempt is repeated later."""
        self._hang_up()
        self.answer_refusal()

    def settle(self) -> None:
        """The reversal is answered and nobody waits."""
        self._end_reversal()
        self.rest()

    def settle_failed(self) -> None:
        """The attempt failed and nobody waits; the next one is due later."""
        self._hang_up()
        self.note("decision", f"reversal attempt failed: {self.because}")
        self.rest()

    # --- operation 53 ------------------------------------------------------------------------------------

    def reverse_for_register(self) -> None:
        """The register asks to undo the last operation; from now on it is owed whatever happens."""
        last = self.memory.last
        if last is None:
            raise AssertionError("there is nothing to reverse")
        pending = Pending(
            operation=last.operation,
            request=last.request,
            stage=Stage.REVERSING,
            because="the register asked for it (operation 53)",
            status=last.status,
            rrn=last.rrn,
            authorization_code=last.authorization_code,
            by_register=True,
        )
        self.ask(Wait())
        self.memory = replace(self.memory, pending=pending)
        self._attempt()

    def answer_reversed(self) -> None:
        """The bank answered the reversal that the register asked for."""
        verdict = self._end_reversal()
        if verdict is ReversalVerdict.ENDED:
            self._answer_about_last(OutcomeKind.APPROVED, self.because)
        else:
            self._end(OutcomeKind.DECLINED, self.because, bank=self.bank)

    def answer_not_reversed(self) -> None:
        """No answer yet; the reversal goes on without the register."""
        self._hang_up()
        self._end(OutcomeKind.REVERSAL_OWED, "the bank has not answered the reversal; it will be repeated")

    def answer_already_reversed(self) -> None:
        """The last operation is undone already."""
        self._answer_about_last(OutcomeKind.APPROVED, self.because)

    def answer_reversal_refused(self) -> None:
        """There is nothing that operation 53 may undo."""
        self._end(OutcomeKind.INTERRUPTED, self.because)

    def _answer_about_last(self, kind: OutcomeKind, because: str) -> None:
        last, request = self.memory.last, self.request
        if last is None or not isinstance(request, Request):
            raise AssertionError("nothing was reversed")
        kept = last.request
        bank = AuthorizationAnswer(
            Step.REVERSAL,
            kept.stan,
            self.bank.response_code if self.bank else "00",
            rrn=last.rrn,
            authorization_code=last.authorization_code,
            answered_at=self.bank.answered_at if self.bank else None,
        )
        if request.amount is None:
            self.request = replace(request, amount=MinorUnits(kept.amount))
        face = CardFace.of_masked(kept.masked_pan, kept.expiry) if kept.masked_pan else None
        self._answer(Outcome(kind, because, bank=bank, card=face))

    # --- the end -----------------------------------------------------------------------------------------

    def complete(self) -> None:
        """The register has the answer: what was approved is the last operation, nothing is owed for it."""
        self._complete(in_doubt=False)

    def complete_in_doubt(self) -> None:
        """Kept, although the register answered the final by EOT: bank and pinpad agree, the register may not."""
        pending = self.memory.pending
        if pending is not None:
            text = f"kept in doubt: {self.fate}"
            self.memory = self.memory.remarked("doubt", pending.request.stan, text)
        self._complete(in_doubt=True)

    def _complete(self, *, in_doubt: bool) -> None:
        memory, pending = self.memory, self.memory.pending
        if pending is not None and pending.stage is Stage.ANSWERED:
            memory = replace(
                memory,
                last=_last_of(pending, in_doubt=in_doubt),
                pending=None,
                kept_count=memory.kept_count + 1,
                kept_amount=memory.kept_amount + pending.request.amount,
            )
        elif self._told_reversed() and memory.last is not None:
            memory = replace(memory, last=replace(memory.last, told=True))
        if memory is not self.memory:
            self._remember(memory)
        self.rest()

    def _told_reversed(self) -> bool:
        approved = self.outcome is not None and self.outcome.kind is OutcomeKind.APPROVED
        return approved and self.undo is Undo.NEVER

    def finish_unheard(self) -> None:
        """The register did not take an answer that moves nothing."""
        self.note("decision", f"the answer was not taken ({self.fate}); nothing follows for the money")
        self.rest()


def _card_data(card: Card) -> CardData:
    return CardData(
        pan=card.pan,
        expiry=card.expiry,
        entry_mode=card.entry_mode,
        track2=card.track2 if card.entry_mode is not EntryMode.MANUAL else None,
        sequence=card.sequence,
    )


def _last_of(pending: Pending, *, in_doubt: bool = False) -> LastOperation:
    return LastOperation(
        operation=pending.operation,
        request=pending.request,
        status=pending.status,
        rrn=pending.rrn,
        authorization_code=pending.authorization_code,
        in_doubt=in_doubt,
    )


def _undone(memory: Memory, pending: Pending, verdict: ReversalVerdict) -> Memory:
    """Return the memory after the bank's word on a reversal: who undid what, and the totals."""
    ended = verdict is ReversalVerdict.ENDED
    if pending.by_register:
        if not ended or memory.last is None:
            return memory
        return replace(
            memory,
            last=replace(memory.last, reversed_by=ReversedBy.REGISTER, told=False),
            kept_count=memory.kept_count - 1,
            kept_amount=memory.kept_amount - pending.request.amount,
        )
    if pending.status == 0:  # the pinpad never heard of an approval: the last operation is still the one before
        return memory
    reversed_by = ReversedBy.PINPAD if ended else ReversedBy.NOBODY
    return replace(memory, last=replace(_last_of(pending), reversed_by=reversed_by))
