"""The actions of what is answered from the pinpad's memory: reports and receipt copies (PROTOCOL.md, 5.2)."""

from smartsale_emu.payment.receipt import Form
from smartsale_emu.terminal.journal import Entry
from smartsale_emu.terminal.operations import Name
from smartsale_emu.terminal.outcome import Outcome, OutcomeKind
from smartsale_emu.terminal.slips import Slip, day_values, report_rows
from smartsale_emu.terminal.work import Work


def answer_from_memory(work: Work) -> None:
    """Answer a report, or a copy of a receipt."""
    operation = work.good_request.operation
    if operation.name is Name.RECEIPT_COPY:
        _answer_copy(work)
        return
    journal = work.memory.journal
    rows = report_rows(journal.kept()) if operation.form is Form.FULL_REPORT else ()
    values = day_values(operation, journal.totals(), work.profile, work.memory, work.date)
    work.slip = Slip(operation.form, values, rows)
    work.answer(Outcome(OutcomeKind.APPROVED, "reported from the journal"))


def _answer_copy(work: Work) -> None:
    entry = _entry(work)
    if entry is None:
        work.end(OutcomeKind.NO_COPY, "the journal has no slip like this")
        return
    work.slip = Slip.of_entry(entry)
    work.answer(Outcome(OutcomeKind.APPROVED, f"slip {entry.number} again"))


def _entry(work: Work) -> Entry | None:
    request, journal = work.good_request, work.memory.journal
    chosen = bool(request.rrn or request.authorization_code or request.slip)
    if request.copy_of_last or not chosen:
        return journal.last_slip()
    found = journal.find(rrn=request.rrn, authorization_code=request.authorization_code, number=request.slip)
    return next((entry for entry in found if entry.form), None)
