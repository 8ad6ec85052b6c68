"""The actions of a settlement (PROTOCOL.md, sections 0.3 and 5.5): totals, upload, totals again, a new day.

A settlement is never reversed. From its first message on it is owed: it is repeated with the same batch
number until the bank has answered, whether a register waits for it or not.
"""

from dataclasses import replace

from smartsale_emu.payment.authorization import AuthorizationRequest, Step, Totals, Transaction
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.terminal.effects import Wait
from smartsale_emu.terminal.journal import Entry, EntryState
from smartsale_emu.terminal.money import SettlementVerdict, settlement_verdict
from smartsale_emu.terminal.operations import OPERATIONS, Name
from smartsale_emu.terminal.outcome import Outcome, OutcomeKind
from smartsale_emu.terminal.profile import Screen
from smartsale_emu.terminal.slips import Slip, day_values, totals_values
from smartsale_emu.terminal.work import Reconciling, Work
from smartsale_emu.units import RUB, MinorUnits

OWED = "the bank has been asked to close the day and its answer is not known"


# --- messages --------------------------------------------------------------------------------------------


def begin(work: Work) -> None:
    """A register asks for the settlement."""
    work.hang_up()
    work.ask(Wait())
    attempt(work)


def attempt(work: Work) -> None:
    """Tell the bank the totals of the day: remembered before it leaves."""
    work.hang_up()
    work.reconciling = Reconciling(asked=bool(work.memory.settling))
    _tell_totals(work, Transaction.SETTLEMENT)


def _tell_totals(work: Work, transaction: Transaction) -> None:
    work.display(Screen.SETTLEMENT)
    work.reconciling.waiting = transaction
    work.next_message()
    work.remember(replace(work.memory, settling=OWED))
    work.dial(_message(work, Step.RECONCILIATION, transaction, totals=work.memory.journal.totals()))


def begin_upload(work: Work) -> None:
    """The bank counts otherwise: it is told every operation of the day, then the totals again."""
    work.note("decision", f"{work.because}: the operations of the day are uploaded", batch=work.memory.day)
    work.reconciling.to_upload = work.memory.journal.kept()
    _upload_next(work)


def go_on(work: Work) -> None:
    """The bank has taken, or refused, one operation."""
    entry, code = work.reconciling.waiting, work.bank_said.response_code
    work.reconciling.uploaded += 1
    refused = settlement_verdict(code) is not SettlementVerdict.AGREED
    if refused and isinstance(entry, Entry) and entry.request is not None:
        text = f"the bank answered {code} to its upload"
        work.memory = work.memory.remarked("alarm", entry.request.stan, text)
    _upload_next(work)


def _upload_next(work: Work) -> None:
    entry = next(work.reconciling.to_upload, None)
    if entry is None:
        _tell_totals(work, Transaction.CLOSING)
        return
    work.reconciling.waiting, kept = entry, entry.request
    if kept is None:
        raise AssertionError("what counts was asked of the bank")
    work.next_message()
    message = replace(
        _message(work, Step.UPLOAD, kept.transaction),
        amount=MinorUnits(kept.amount),
        currency=kept.money,
        card=kept.card(work.safe),
        original=kept.as_original(entry.rrn, entry.authorization_code),
        follows=entry.follows,
    )
    work.dial(message)


def _message(
    work: Work, step: Step, transaction: Transaction, *, totals: Totals | None = None
) -> AuthorizationRequest:
    return AuthorizationRequest(
        step=step,
        transaction=transaction,
        stan=work.memory.stan,
        sent_at=work.date,
        terminal_id=work.profile.terminal_id,
        merchant_id=work.profile.merchant_id,
        currency=RUB if totals is not None else None,
        batch=work.memory.day,
        totals=totals,
    )


# --- the bank has agreed ---------------------------------------------------------------------------------


def answer_settled(work: Work) -> None:
    """The bank agreed: the day is closed, whatever the register makes of the answer."""
    outcome = _close_day(work)
    work.answer(outcome)


def settle_alone(work: Work) -> None:
    """The bank agreed and nobody waits."""
    _close_day(work)
    work.rest()


def close_day(work: Work) -> None:
    """The bank agreed and a request waits its turn: the slip of the settlement stays for a copy."""
    _close_day(work)
    work.slip = None


def _close_day(work: Work) -> Outcome:
    memory, bank = work.memory, work.bank_said
    ours = memory.journal.totals()
    theirs = bank.totals if bank.totals is not None and bank.totals != ours else None
    outcome = Outcome(OutcomeKind.APPROVED, work.because, bank=bank, totals=ours)
    work.slip = _slip(work, ours, theirs)
    entry = Entry(
        number=0,
        operation=Name.SETTLEMENT,
        state=EntryState.TOLD,
        request=None,
        form=work.slip.form,
        values=work.slip.kept_values(),
    )
    work.note("decision", f"day {memory.day} is closed: the bank answered {bank.response_code}")
    if theirs is not None:
        nets = f"{format_amount(ours.net)} here and {format_amount(theirs.net)} at the bank"
        memory = memory.remarked("alarm", memory.stan, f"batch {memory.day} was closed with {nets}")
    work.remember(memory.next_day(), entry, anew=True)
    return outcome


def _slip(work: Work, ours: Totals, theirs: Totals | None) -> Slip:
    operation = OPERATIONS[Name.SETTLEMENT]
    values = day_values(operation, ours, work.profile, work.memory, work.date)
    values |= {
        "uploaded": str(work.reconciling.uploaded) if work.reconciling.uploaded else "",
        "result": "ИТОГИ СОВПАЛИ" if theirs is None else "ДЕНЬ ЗАКРЫТ С РАСХОЖДЕНИЕМ",
    }
    if theirs is not None:
        values |= totals_values(theirs, "bank_") | {"difference": format_amount(theirs.net - ours.net)}
    return Slip(operation.form, values)


# --- it has not ------------------------------------------------------------------------------------------


def answer_refused(work: Work) -> None:
    """The bank will not close the day: it stays open, and nothing is owed."""
    give_up(work)
    work.end(OutcomeKind.TOTALS_DIFFER, work.because, bank=work.bank, totals=work.memory.journal.totals())


def give_up(work: Work) -> None:
    """The bank has said its last word, and it was no."""
    work.note("decision", f"the day stays open: the bank answered {work.bank_said.response_code}")
    work.remember(replace(work.memory, settling=""))


def refuse_alone(work: Work) -> None:
    """The bank said no, and nobody waits."""
    give_up(work)
    work.rest()


def answer_failed(work: Work) -> None:
    """No answer: the settlement stays owed, if ever a byte of it has left."""
    work.hang_up()
    forget_unasked(work)
    owed = bool(work.memory.settling)
    work.end(OutcomeKind.SETTLEMENT_OWED if owed else OutcomeKind.NO_CONNECTION, work.because)


def forget_unasked(work: Work) -> None:
    """Not one byte of the settlement has left: it is as if nobody had asked for it."""
    if work.memory.settling and not work.reconciling.asked:
        work.remember(replace(work.memory, settling=""))
