"""The actions of a reversal: by the pinpad itself, and operation 53 (PROTOCOL.md, sections 0.3 and 0.4)."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from smartsale_emu.payment.authorization import AuthorizationAnswer, Step
from smartsale_emu.payment.receipt import CardFace, Form
from smartsale_emu.terminal import settling
from smartsale_emu.terminal.chip_work import tell_chip_of_silence
from smartsale_emu.terminal.effects import HandsOff, Wait
from smartsale_emu.terminal.events import FinalFate, RequestReceived
from smartsale_emu.terminal.journal import Entry, EntryState
from smartsale_emu.terminal.memory import Memory, Pending, ReversedBy, Stage, answered, last_of, reversal_of
from smartsale_emu.terminal.money import ReversalVerdict, reversal_verdict
from smartsale_emu.terminal.outcome import Outcome, OutcomeKind
from smartsale_emu.terminal.profile import Screen
from smartsale_emu.terminal.work import Work

# --- one attempt, and the bank's word on it --------------------------------------------------------------


def _start(work: Work, because: str) -> None:
    work.memory = replace(work.memory, pending=replace(work.owed, stage=Stage.REVERSING, because=because))
    attempt(work)


def pay(work: Work) -> None:
    """Try what is owed to the bank: a reversal before anything else, then the rest of a settlement."""
    if work.memory.pending is not None:
        attempt(work)
    else:
        settling.attempt(work)


def attempt(work: Work) -> None:
    """Send the reversal that is owed: 0400 at first, 0401 after. Remembered before it leaves.

    Its time is later than the original's, so that the answer to one is never taken for that to the other.
    """
    work.hang_up()
    work.next_keys()
    soonest = datetime.fromisoformat(work.owed.request.sent_at) + timedelta(seconds=1)
    moment = max(work.date, soonest).isoformat()
    stamped = replace(work.owed, reversing_at=work.owed.reversing_at or moment)
    message = reversal_of(stamped, work.safe)
    counted = replace(stamped, stage=Stage.REVERSING, attempts=stamped.attempts + 1)
    work.note("decision", counted.because, reversal_of=counted.request.stan, attempt=counted.attempts)
    work.display(Screen.REVERSAL)
    work.remember(replace(work.memory, pending=counted))
    work.dial(message)


def _finish(work: Work) -> ReversalVerdict:
    """End what was owed by the bank's answer to the reversal."""
    pending, code = work.owed, work.bank_said.response_code
    verdict = reversal_verdict(code)
    memory = replace(work.memory, pending=None)
    if verdict is ReversalVerdict.ALARM:
        text = f"the bank answered {code} to the reversal: it may still hold the operation"
        memory = memory.remarked("alarm", pending.request.stan, text)
    work.note("decision", f"reversal {verdict}: the bank answered {code}", stan=pending.request.stan)
    if pending.by_register:
        _by_register(work, memory, verdict)
    else:
        _by_pinpad(work, memory, pending, verdict)
    return verdict


def _by_register(work: Work, memory: Memory, verdict: ReversalVerdict) -> None:
    """Operation 53: undone, or as before. What is undone goes from the totals of the day."""
    last = memory.last
    if last is None or verdict is not ReversalVerdict.ENDED:
        work.remember(memory)
        return
    reversed_last = replace(last, reversed_by=ReversedBy.REGISTER, told=False)
    _remember_undone(work, replace(memory, last=reversed_last), memory.journal.entries.get(last.number))


def _by_pinpad(work: Work, memory: Memory, pending: Pending, verdict: ReversalVerdict) -> None:
    """An operation that was never kept; without a known approval the last one is still the one before."""
    if pending.status == 0:
        work.remember(memory)
        return
    ended = verdict is ReversalVerdict.ENDED
    last = last_of(pending, ReversedBy.PINPAD if ended else ReversedBy.REFUSED)
    _remember_undone(work, replace(memory, last=last), pending.entry)


def _remember_undone(work: Work, memory: Memory, entry: Entry | None) -> None:
    work.remember(memory, *([entry.undone()] if entry is not None else []))


# --- an operation is undone ------------------------------------------------------------------------------


def undo_unanswered(work: Work) -> None:
    """The bank was asked and gave no usable answer: reverse, then tell the register 39 = 53."""
    work.hang_up()
    tell_chip_of_silence(work)
    work.outcome = Outcome(OutcomeKind.INTERRUPTED, work.because, card=work.face)
    work.write_slip(work.outcome, Form.INTERRUPTED)
    _start(work, work.because)


def undo_withdrawn(work: Work) -> None:
    """The bank approved what the customer had cancelled: 13 and 14 are told, 39 is 53."""
    _undo_approved(work, "approved, but the customer had cancelled")


def undo_refused_by_card(work: Work) -> None:
    """The bank approved what the card refuses: 13 and 14 are told, 39 is 53."""
    _undo_approved(work, work.because)


def _undo_approved(work: Work, because: str) -> None:
    work.outcome = Outcome(OutcomeKind.INTERRUPTED, because, bank=work.bank_said, card=work.face)
    work.write_slip(work.outcome, Form.INTERRUPTED)
    refused = answered(
        work.owed,
        work.bank_said,
        status=int(work.outcome.status),
        because=because,
        entry=work.entry(EntryState.KEPT, work.owed.request),
    )
    work.memory = replace(work.memory, pending=refused)
    _start(work, because)


def undo_abandoned(work: Work) -> None:
    """The register left while the bank was asked."""
    because = work.because
    work.hang_up()
    tell_chip_of_silence(work)
    work.ask(HandsOff())
    work.clear_desk()
    _start(work, because)


def undo_lost(work: Work) -> None:
    """The register did not take an approved answer."""
    fate = work.fate
    match fate:
        case FinalFate.UNANSWERED | FinalFate.GONE | FinalFate.EOT_TO_REPEAT:
            _remark_belief(work, str(fate))
        case FinalFate.EOT_TO_FIRST | FinalFate.NEVER_LEFT:
            pass
        case FinalFate.ACKED | None:
            raise AssertionError("the answer was not lost")
        case _:
            assert_never(fate)
    work.clear_desk()
    _start(work, str(fate))


def resume(work: Work) -> None:
    """The power is back and something is owed: it is tried at once."""
    work.rest()
    pending = work.memory.pending
    if pending is None:
        settling.attempt(work)
        return
    if pending.stage is Stage.ANSWERED:
        _remark_belief(work, "the power failed before its acknowledgement was seen")
    if pending.stage is Stage.REVERSING:
        attempt(work)
    else:
        _start(work, f"the power failed: {pending.because}")


def _remark_belief(work: Work, because: str) -> None:
    text = f"the register may believe 39 = 1: {because}"
    work.memory = work.memory.remarked("doubt", work.owed.request.stan, text)


def answer_undone(work: Work) -> None:
    """The reversal is answered; the register hears how its operation ended."""
    _finish(work)
    _answer_prepared(work)


def answer_undo_failed(work: Work) -> None:
    """The first attempt failed; the register hears the same, the reversal stays owed."""
    work.hang_up()
    _answer_prepared(work)


def _answer_prepared(work: Work) -> None:
    if work.outcome is None:
        raise AssertionError("no outcome was prepared")
    work.answer(work.outcome)


# --- nobody waits, or a request waits its turn -----------------------------------------------------------


def go_on_alone(work: Work) -> None:
    """The register left; the attempt that is under way goes on."""
    work.note("decision", f"{work.because}; what is owed to the bank goes on")
    work.clear_desk()


def finish_alone(work: Work) -> None:
    """The reversal is answered and nobody waits."""
    _finish(work)
    work.rest()


def fail_alone(work: Work) -> None:
    """The attempt failed and nobody waits; the next one is due later."""
    work.hang_up()
    work.note("decision", f"the attempt failed: {work.because}")
    if work.memory.pending is None:
        settling.forget_unasked(work)
    work.rest()


def clear_first(work: Work) -> None:
    """A request came: one attempt at what is owed, then the request."""
    work.ask(Wait())
    pay(work)


def hold(work: Work) -> None:
    """A request came while an attempt is under way: that attempt is the one."""
    work.ask(Wait())
    work.note("decision", "something is owed to the bank: the request waits for it")


def serve_held(work: Work) -> None:
    """The reversal is answered: the request is served as if it came now."""
    _finish(work)
    _serve(work)


def serve_in_new_day(work: Work) -> None:
    """The day is closed: the request is served as if it came now."""
    settling.close_day(work)
    _serve(work)


def serve_in_open_day(work: Work) -> None:
    """The bank will not close the day: the request is served as if it came now."""
    settling.give_up(work)
    _serve(work)


def serve_without_bank(work: Work) -> None:
    """The attempt failed, and the request needs no bank, or brings the keys to speak with it."""
    work.hang_up()
    _serve(work, debt_tried=True)


def _serve(work: Work, *, debt_tried: bool = False) -> None:
    message = work.message
    work.clear_desk()
    if message is not None:
        work.followups.append(RequestReceived(message, debt_tried))


def answer_owing(work: Work) -> None:
    """The debt stands: what needs the bank cannot be served."""
    work.hang_up()
    reversal = work.memory.pending is not None
    kind = OutcomeKind.REVERSAL_OWED if reversal else OutcomeKind.SETTLEMENT_OWED
    work.end(kind, f"{'a reversal' if reversal else 'a settlement'} is owed and the bank has not answered it")


# --- operation 53 ----------------------------------------------------------------------------------------


def reverse_for_register(work: Work) -> None:
    """The register asks to undo the last operation; from now on it is owed whatever happens."""
    last = work.memory.last
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
    work.ask(Wait())
    work.memory = replace(work.memory, pending=pending)
    attempt(work)


def answer_reversed(work: Work) -> None:
    """The bank answered the reversal that the register asked for."""
    if _finish(work) is ReversalVerdict.ENDED:
        _answer_about_last(work)
    else:
        work.end(OutcomeKind.DECLINED, work.because, bank=work.bank)


def answer_not_reversed(work: Work) -> None:
    """No answer yet; the reversal goes on without the register."""
    work.hang_up()
    work.end(OutcomeKind.REVERSAL_OWED, "the bank has not answered the reversal; it will be repeated")


def answer_already_reversed(work: Work) -> None:
    """The last operation is undone already; the slip that says so is a new one."""
    _answer_about_last(work)


def answer_reversal_refused(work: Work) -> None:
    """There is nothing that operation 53 may undo."""
    work.end(OutcomeKind.INTERRUPTED, work.because)


def _answer_about_last(work: Work) -> None:
    """Tell the register that the last operation is undone, with what the bank once gave for it."""
    last, said = work.memory.last, work.bank
    if last is None:
        raise AssertionError("nothing was reversed")
    kept = last.request
    bank = AuthorizationAnswer(
        Step.REVERSAL,
        kept.stan,
        said.response_code if said else "00",
        rrn=last.rrn,
        authorization_code=last.authorization_code,
        answered_at=said.answered_at if said else None,
    )
    work.with_amount(kept.amount)
    work.bank = bank
    face = CardFace.of_masked(kept.masked_pan, kept.expiry) if kept.masked_pan else None
    outcome = Outcome(OutcomeKind.APPROVED, work.because, bank=bank, card=face)
    work.write_slip(outcome, Form.REVERSED, currency=work.profile.currency(kept.currency))
    work.remember(work.memory, work.entry(EntryState.TOLD, None))
    work.answer(outcome)
