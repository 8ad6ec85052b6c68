"""The mutation check of the scenario library: ``python -m tests.mutants [-n WORKERS] [--only WORD]``.

Each mutant is the emulator with one thing broken on purpose. The library is played against it, alone; a
mutant is caught when a scenario fails. No file is changed: each mutant is a process of its own, in which the
source of one module (or the text of the terminal profile) is changed while it is read.

A row of the table that is "ignored" does nothing, and its state stays; one that "goes to" another state ends
there; one that "does" something else runs another action of the same module.
"""

import argparse
import ast
import multiprocessing
import re
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from multiprocessing.pool import AsyncResult
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NoReturn

TOP = Path(__file__).resolve().parents[1]
PACKAGE = TOP / "smartsale_emu"
LIBRARY = TOP / "scenarios"
TABLE, PROFILE = "terminal/table.py", "terminal/profiles/unipos-2023.toml"
SECONDS = 60
"""So long a library may take; what takes longer hangs, and is caught."""

AIM = 95
HEAVY = ("pydantic", "yaml", "cryptography", "transitions", "psec", "pyemv.cvn", "iso8583", "serial", "rich")
"""What every mutant imports: read once, before the first."""


@dataclass(frozen=True, slots=True)
class Edit:
    """In this file, this text becomes that. ``within``: a function; without one, the whole file."""

    path: str
    old: str
    new: str
    within: str = ""

    def apply(self, text: str) -> str:
        """Return the text with this change. Raises LookupError when the old one is not there just once."""
        first, last = _span(text, self.within) if self.within else (0, len(text))
        if text.count(self.old, first, last) != 1:
            raise LookupError(f"{self.path} {self.within}: {self.old!r} is not there exactly once")
        return text[:first] + text[first:last].replace(self.old, self.new) + text[last:]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One thing that is broken."""

    name: str
    edits: tuple[Edit, ...]


def _span(text: str, function: str) -> tuple[int, int]:
    found = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    if len(found) != 1:
        raise LookupError(f"there is no function {function}, or more than one")
    lines = text.splitlines(keepends=True)
    return (
        len("".join(lines[: found[0].lineno - 1])),
        len("".join(lines[: found[0].end_lineno])),
    )


# --- rows of the table -----------------------------------------------------------------------------------

_ROW = re.compile(r"^    Row\(S\.(\w+), K\.(\w+), (?:S\.)?(\w+), (\w+\.\w+)\),\n", re.MULTILINE)
_DEADLINE = re.compile(r'^    S\.(\w+): Deadline\("(\w+)", K\.(\w+)\),\n', re.MULTILINE)

OTHER_TARGET = {
    "IDLE": "ANSWERING",
    "CASHIER": "CARD_PROMPT",
    "CARD_PROMPT": "PIN_ENTRY",
    "PIN_ENTRY": "CARD_PROMPT",
    "BANK_CONNECT": "BANK_ANSWER",
    "BANK_ANSWER": "BANK_CONNECT",
    "ANSWERING": "IDLE",
    "SETTLING": "RETRYING",
    "UNDOING": "REVERSING",
    "REVERSING": "UNDOING",
    "OWING": "IDLE",
    "RETRYING": "OWING",
    "CLEARING": "RETRYING",
}

OTHER_ACTION = {
    "serving.rest": "serving.withdraw",
    "serving.answer_refusal": "serving.answer_not_given",
    "serving.answer_refused_here": "serving.answer_not_given",
    "reports.answer_from_memory": "serving.answer_not_given",
    "serving.ask_cashier": "serving.prompt_card",
    "serving.prompt_card": "serving.prompt_chip",
    "serving.prompt_chip": "serving.prompt_stripe",
    "serving.prompt_stripe": "serving.prompt_chip",
    "serving.prompt_pin": "serving.prompt_pin_again",
    "serving.prompt_pin_again": "serving.prompt_pin",
    "serving.call_bank": "serving.note_asked",
    "serving.answer_cancelled": "serving.answer_unreachable",
    "serving.answer_not_given": "serving.answer_unreachable",
    "serving.drop": "serving.withdraw",
    "serving.note_asked": "serving.withdraw",
    "serving.withdraw": "serving.note_asked",
    "serving.answer_card": "serving.answer_not_given",
    "serving.answer_unreachable": "serving.answer_not_given",
    "serving.answer_approved": "serving.answer_declined",
    "serving.answer_declined": "serving.answer_no_answer",
    "serving.answer_no_answer": "serving.answer_unreachable",
    "serving.take_keys": "serving.refuse_keys",
    "serving.refuse_keys": "serving.take_keys",
    "serving.complete": "serving.finish_unheard",
    "serving.complete_in_doubt": "serving.complete",
    "serving.finish_unheard": "serving.complete",
    "settling.begin": "settling.attempt",
    "settling.begin_upload": "settling.go_on",
    "settling.go_on": "settling.begin_upload",
    "settling.answer_settled": "settling.settle_alone",
    "settling.answer_refused": "settling.answer_failed",
    "settling.answer_failed": "settling.answer_refused",
    "settling.settle_alone": "settling.refuse_alone",
    "settling.refuse_alone": "settling.settle_alone",
    "undoing.resume": "undoing.pay",
    "undoing.reverse_for_register": "undoing.answer_reversal_refused",
    "undoing.answer_already_reversed": "undoing.answer_reversal_refused",
    "undoing.answer_reversal_refused": "undoing.answer_already_reversed",
    "undoing.clear_first": "undoing.pay",
    "undoing.undo_withdrawn": "undoing.undo_unanswered",
    "undoing.undo_refused_by_card": "undoing.undo_unanswered",
    "undoing.undo_unanswered": "undoing.undo_abandoned",
    "undoing.undo_abandoned": "undoing.undo_unanswered",
    "undoing.undo_lost": "undoing.undo_abandoned",
    "undoing.go_on_alone": "undoing.fail_alone",
    "undoing.answer_undone": "undoing.answer_undo_failed",
    "undoing.answer_undo_failed": "undoing.answer_owing",
    "undoing.answer_reversed": "undoing.answer_not_reversed",
    "undoing.answer_not_reversed": "undoing.answer_reversal_refused",
    "undoing.serve_held": "undoing.finish_alone",
    "undoing.serve_in_new_day": "undoing.serve_in_open_day",
    "undoing.serve_in_open_day": "undoing.serve_in_new_day",
    "undoing.serve_without_bank": "undoing.answer_owing",
    "undoing.answer_owing": "undoing.answer_reversal_refused",
    "undoing.pay": "undoing.attempt",
    "undoing.hold": "undoing.clear_first",
    "undoing.finish_alone": "undoing.fail_alone",
    "undoing.fail_alone": "undoing.go_on_alone",
}
SPECIAL_ACTION = {
    ("IDLE", "DEBT_FOUND"): "serving.drop",
    ("BANK_CONNECT", "CANCELLED"): "serving.answer_not_given",
    ("BANK_CONNECT", "REGISTER_LEFT"): "serving.finish_unheard",
    ("BANK_ANSWER", "REGISTER_LEFT"): "serving.finish_unheard",
}

OTHER_TIMER = {
    "cashier": "bank_connect",
    "card": "cashier",
    "pin": "cashier",
    "bank_connect": "cashier",
    "bank_answer": "cashier",
    "settlement": "cashier",
    "reversal_attempt": "cashier",
    "reversal_retry": "reversal_attempt",
}
OTHER_KIND = {
    "CASHIER": "REGISTER_LEFT",
    "CARD_PROMPT": "REGISTER_LEFT",
    "PIN_ENTRY": "PIN_ENTERED",
    "BANK_CONNECT": "REGISTER_LEFT",
    "BANK_ANSWER": "NO_ANSWER_HARMLESS",
    "SETTLING": "REGISTER_LEFT",
    "UNDOING": "REGISTER_LEFT",
    "REVERSING": "REGISTER_LEFT",
    "CLEARING": "ATTEMPT_FAILED_HARMLESS",
    "RETRYING": "REQUEST_HELD",
    "OWING": "DEBT_GONE",
}


def rows() -> Iterator[Mutant]:
    """Every transition: ignored, moved, and doing otherwise."""
    for found in _ROW.finditer(_text(TABLE)):
        source, kind, target, action = found.groups()
        line, name = found[0], f"row {source} {kind}"
        ignored = "IGNORED: dict[tuple[State, Kind], str] = {"
        there = f'IGNORED: dict[tuple[State, Kind], str] = {{(S.{source}, K.{kind}): "a mutant"}} | {{'
        yield Mutant(f"{name}: ignored", (Edit(TABLE, line, ""), Edit(TABLE, ignored, there)))
        other = f"S.{source}" if target == "None" else "None" if target == source else ""
        other = other or f"S.{OTHER_TARGET[target]}"
        own = "None" if target == "None" else f"S.{target}"
        yield _row(f"{name}: goes to {other}", line, f", {own}, {action})", f", {other}, {action})")
        does = SPECIAL_ACTION.get((source, kind)) or OTHER_ACTION[action]
        yield _row(f"{name}: does {does}", line, f"{action})", f"{does})")


def _row(name: str, line: str, old: str, new: str) -> Mutant:
    return Mutant(name, (Edit(TABLE, line, line.replace(old, new)),))


def deadlines() -> Iterator[Mutant]:
    """Every deadline: none, another time, another kind."""
    for found in _DEADLINE.finditer(_text(TABLE)):
        (state, timer, kind), line, name = found.groups(), found[0], f"deadline of {found[1]}"
        yield Mutant(f"{name}: none", (Edit(TABLE, line, ""),))
        yield _row(f"{name}: timer {OTHER_TIMER[timer]}", line, f'"{timer}"', f'"{OTHER_TIMER[timer]}"')
        yield _row(f"{name}: raises {OTHER_KIND[state]}", line, f"K.{kind}", f"K.{OTHER_KIND[state]}")


# --- rows of the terminal profile ------------------------------------------------------------------------

OTHER_VALUES: dict[str, tuple[str, ...]] = {
    "line.ack_timeout_ms": ("700", "14000"),
    "line.inter_byte_ms": ("500", "10000"),
    "line.sends": ("2", "4"),
    "line.max_frame": ("80",),
    "line.block_size": ("4096", "100"),
    "line.host_block_size": ("64",),
    "line.busy": ('"nak"', '"ignore"'),
    "line.final_eot_first": ('"keep"',),
    "line.final_eot_repeat": ('"reverse"',),
    "timers.wait_period_ms": ("1000", "20000"),
    "timers.card_ms": ("3000", "60000"),
    "timers.pin_ms": ("3000", "60000"),
    "timers.cashier_ms": ("6000", "120000"),
    "timers.bank_connect_ms": ("1000", "20000"),
    "timers.bank_answer_ms": ("3000", "60000"),
    "timers.reversal_attempt_ms": ("1500", "30000"),
    "timers.reversal_retry_ms": ("3000", "60000"),
    "timers.tunnel_open_ms": ("4500", "90000"),
    "timers.tunnel_reply_ms": ("3000", "60000"),
    "timers.tunnel_poll_ms": ("5000",),
    "rules.check_terminal_id": ("true",),
    "rules.already_reversed": ('"refuse"',),
    "rules.names_other": ('"ignore"',),
    "rules.pin_tries": ("1", "4"),
    "rules.no_pin_limit": ("30000", "3000000"),
    "rules.fallback": ("false",),
    "rules.partial_void": ("false",),
    "rules.partial_return": ("false",),
    "rules.return_same_day": ("true",),
    "rules.cashier_absent": ('"last"',),
    "rules.most_questions": ("1", "40"),
    "rules.journal_size": ("2",),
    "rules.card_data_track2": ("true",),
    "rules.printer": ("true",),
    "card.completion": ('"any"',),
    "pin.void": ('"always"',),
    "pin.return": ('"always"',),
    "pin.return-without-reference": ('"always"',),
    "pin.raise": ('"always"',),
    "pin.top-up": ('"always"',),
    "answer.unset_number": ('""',),
    "answer.receipt": ("false",),
    "answer.approved_code": ('"000"',),
    "answer.declined_code": ('"{code}"',),
    "answer.test_shows_code": ("true",),
    "answer.entry_by_pinpad": ('"2"',),
    "settlement.code": ('"500"',),
    "settlement.merchant": ("false",),
    "settlement.totals": ("false",),
    "settlement.receipt": ("false",),
    "vending.begins": ("true",),
    "vending.begin_after_ms": ("7500", "750000"),
    "vending.choice_within_ms": ("12000", "1200000"),
    "vending.funds": ("30000",),
    "vending.additional": ('"201001"',),
}


def profile_rows() -> Iterator[Mutant]:
    """Every rule row of the terminal profile: another legal value."""
    section = ""
    for line in _text(PROFILE).splitlines(keepends=True):
        if line.startswith("["):
            section = line[1:].partition("]")[0]
        name = f"{section}.{line.partition(' = ')[0]}"
        for value in OTHER_VALUES.get(name, ()):
            before, _, rest = line.partition("value = ")
            new = f"{before}value = {value}, mark{rest.partition(', mark')[2]}"
            yield Mutant(f"profile {name} = {value}", (Edit(PROFILE, line, new),))


# --- functions -------------------------------------------------------------------------------------------

MONEY = (
    ("", '"400", "25", "914"', '"400"'),
    ("", '"400", "25", "914"', '"25", "914"'),
    ("", '"A0", "916"', '"A0"'),
    ("", '"A0", "916"', '"916"'),
    ("", '"00", "000", "500"}', '"500"}'),
    ("", '"00", "000", "500"}', '"00", "000"}'),
    ("", '{"95", "501"}', '{"501"}'),
    ("bank_verdict", "if approves(response_code):", "if moves_money(response_code):"),
    ("bank_verdict", "return BankVerdict.UNUSABLE", "return BankVerdict.DECLINED"),
    ("bank_verdict", "BankVerdict.WRONG_PIN if", "BankVerdict.DECLINED if"),
    ("reversal_verdict", "return ReversalVerdict.ENDED", "return ReversalVerdict.ALARM"),
    ("reversal_verdict", "ReversalVerdict.RETRY if", "ReversalVerdict.ENDED if"),
    ("reversal_verdict", "else ReversalVerdict.ALARM", "else ReversalVerdict.RETRY"),
    ("reversal_verdict", "else ReversalVerdict.ALARM", "else ReversalVerdict.ENDED"),
    ("settlement_verdict", "return SettlementVerdict.AGREED", "return SettlementVerdict.REFUSED"),
    ("settlement_verdict", "return SettlementVerdict.DIFFERS", "return SettlementVerdict.AGREED"),
    ("settlement_verdict", "SettlementVerdict.RETRY if", "SettlementVerdict.REFUSED if"),
    ("settlement_verdict", "else SettlementVerdict.REFUSED", "else SettlementVerdict.RETRY"),
    ("fate_of_final", "return Fate.KEEP\n", "return Fate.REVERSE\n"),
    ("fate_of_final", "if eot_first is OnEot.REVERSE", "if eot_first is not OnEot.REVERSE"),
    ("fate_of_final", "if eot_repeat is OnEot.REVERSE", "if eot_repeat is not OnEot.REVERSE"),
    ("fate_of_final", "            return Fate.REVERSE\n", "            return Fate.KEEP_IN_DOUBT\n"),
    ("reversal_request", "return ReversalRequest.REFUSE_NONE", "return ReversalRequest.ALREADY_BY_PINPAD"),
    ("reversal_request", "if last.status != Status.DONE", "if False"),
    ("reversal_request", "if last.operation is Name.VOID", "if False"),
    ("reversal_request", "amount is not None and amount !=", "amount is not None and amount >"),
    ("reversal_request", "amount is not None and amount !=", "amount is not None and amount <"),
    ("reversal_request", "_is_other(rrn, last.rrn) or ", ""),
    ("reversal_request", " or _is_other(authorization_code, last.authorization_code)", ""),
    ("reversal_request", "case ReversedBy.NOBODY | ReversedBy.REFUSED:", "case ReversedBy.NOBODY:"),
    ("reversal_request", "ReversalRequest.REFUSE_DONE if last.told else ", ""),
    ("reversal_request", "if last.told else ReversalRequest.ALREADY_BY_REGISTER", ""),
    ("reversal_request", "case ReversedBy.PINPAD if last.told", "case ReversedBy.PINPAD if False"),
    ("reversal_request", "is AlreadyReversed.REFUSE", "is not AlreadyReversed.REFUSE"),
    ("_is_other", "named != own and ", ""),
    ("_is_other", '.strip("0")', ""),
    ("_is_other", '("", "-1")', '("",)'),
)

UNDOING = (
    ("_start", "stage=Stage.REVERSING, ", ""),
    ("_start", "    attempt(work)\n", "    work.remember(work.memory)\n"),
    ("pay", "is not None", "is None"),
    ("attempt", "    work.hang_up()\n", ""),
    ("attempt", "    work.next_keys()\n", ""),
    ("attempt", "timedelta(seconds=1)", "timedelta(seconds=0)"),
    ("attempt", "work.owed.reversing_at or moment", "moment"),
    ("attempt", "message = reversal_of(stamped", "message = reversal_of(work.owed"),
    ("attempt", "stamped.attempts + 1", "stamped.attempts"),
    ("attempt", "    work.display(Screen.REVERSAL)\n", ""),
    ("attempt", "    work.remember(replace(work.memory, pending=counted))\n", ""),
    ("attempt", "    work.remember(replace(work.memory, pending=counted))\n    work.dial(message)\n",
     "    work.dial(message)\n    work.remember(replace(work.memory, pending=counted))\n"),
    ("_finish", "replace(work.memory, pending=None)", "work.memory"),
    ("_finish", "if verdict is ReversalVerdict.ALARM", "if False"),
    ("_finish", "if pending.by_register", "if not pending.by_register"),
    ("_by_register", "or verdict is not ReversalVerdict.ENDED", ""),
    ("_by_register", "ReversedBy.REGISTER", "ReversedBy.PINPAD"),
    ("_by_register", "told=False", "told=True"),
    ("_by_register", "memory.journal.entries.get(last.number)", "None"),
    ("_by_pinpad", "if pending.status == 0:", "if pending.status != 0:"),
    ("_by_pinpad", "if pending.status == 0:", "if False:"),
    ("_by_pinpad", "if ended else ReversedBy.REFUSED", ""),
    ("_by_pinpad", "ReversedBy.PINPAD if ended else ", ""),
    ("_by_pinpad", "pending.entry)", "None)"),
    ("_remember_undone", "entry.undone()", "entry"),
    ("undo_unanswered", "    work.hang_up()\n", ""),
    ("undo_unanswered", "    tell_chip_of_silence(work)\n", ""),
    ("undo_unanswered", "OutcomeKind.INTERRUPTED", "OutcomeKind.NO_CONNECTION"),
    ("undo_unanswered", "    work.write_slip(work.outcome, Form.INTERRUPTED)\n", ""),
    ("undo_withdrawn", "    _undo_approved(work,", "    _start(work,"),
    ("undo_refused_by_card", "    _undo_approved(work,", "    _start(work,"),
    ("_undo_approved", "OutcomeKind.INTERRUPTED", "OutcomeKind.APPROVED"),
    ("_undo_approved", "bank=work.bank_said, ", ""),
    ("_undo_approved", "    work.write_slip(work.outcome, Form.INTERRUPTED)\n", ""),
    ("_undo_approved", "    work.memory = replace(work.memory, pending=refused)\n", ""),
    ("_undo_approved", "status=int(work.outcome.status)", "status=1"),
    ("undo_abandoned", "    work.hang_up()\n", ""),
    ("undo_abandoned", "    tell_chip_of_silence(work)\n", ""),
    ("undo_abandoned", "    work.ask(HandsOff())\n", ""),
    ("undo_abandoned", "    work.clear_desk()\n", ""),
    ("undo_abandoned", "    _start(work, because)", "    work.forget_pending()\n    work.rest()"),
    ("undo_lost", "            _remark_belief(work, str(fate))", "            pass"),
    ("undo_lost", "FinalFate.UNANSWERED | FinalFate.GONE | FinalFate.EOT_TO_REPEAT:",
     "FinalFate.UNANSWERED | FinalFate.GONE:"),
    ("undo_lost", "            pass\n", "            _remark_belief(work, str(fate))\n"),
    ("undo_lost", "    work.clear_desk()\n", ""),
    ("resume", "    work.rest()\n", ""),
    ("resume", "        settling.attempt(work)\n", ""),
    ("resume", "if pending.stage is Stage.ANSWERED", "if False"),
    ("resume", "if pending.stage is Stage.ANSWERED", "if True"),
    ("resume", "if pending.stage is Stage.REVERSING", "if True"),
    ("resume", "if pending.stage is Stage.REVERSING", "if False"),
    ("_remark_belief", '"doubt"', '"alarm"'),
    ("answer_undone", "    _finish(work)\n", ""),
    ("answer_undone", "    _answer_prepared(work)\n", ""),
    ("answer_undo_failed", "    work.hang_up()\n", ""),
    ("answer_undo_failed", "    _answer_prepared(work)\n", "    work.end(OutcomeKind.REVERSAL_OWED, '')\n"),
    ("_answer_prepared", "    work.answer(work.outcome)\n", ""),
    ("go_on_alone", "    work.clear_desk()\n", ""),
    ("go_on_alone", "    work.clear_desk()\n", "    work.hang_up()\n"),
    ("finish_alone", "    _finish(work)\n", ""),
    ("finish_alone", "    work.rest()\n", ""),
    ("fail_alone", "    work.hang_up()\n", ""),
    ("fail_alone", "if work.memory.pending is None", "if False"),
    ("fail_alone", "    work.rest()\n", ""),
    ("clear_first", "    work.ask(Wait())\n", ""),
    ("clear_first", "    pay(work)\n", ""),
    ("hold", "    work.ask(Wait())\n", ""),
    ("serve_held", "    _finish(work)\n", ""),
    ("serve_held", "    _serve(work)\n", ""),
    ("serve_in_new_day", "    settling.close_day(work)\n", ""),
    ("serve_in_new_day", "    _serve(work)\n", ""),
    ("serve_in_open_day", "    settling.give_up(work)\n", ""),
    ("serve_in_open_day", "    _serve(work)\n", ""),
    ("serve_without_bank", "    work.hang_up()\n", ""),
    ("serve_without_bank", ", debt_tried=True", ""),
    ("_serve", "    work.clear_desk()\n", ""),
    ("_serve", "if message is not None", "if message is None"),
    ("answer_owing", "    work.hang_up()\n", ""),
    ("answer_owing", "if reversal else OutcomeKind.SETTLEMENT_OWED", ""),
    ("reverse_for_register", "        status=last.status,\n", ""),
    ("reverse_for_register", "        rrn=last.rrn,\n", ""),
    ("reverse_for_register", "        authorization_code=last.authorization_code,\n", ""),
    ("reverse_for_register", "by_register=True", "by_register=False"),
    ("reverse_for_register", "    work.ask(Wait())\n", ""),
    ("reverse_for_register", "    attempt(work)\n", "    work.remember(work.memory)\n"),
    ("answer_reversed", "is ReversalVerdict.ENDED", "is not None"),
    ("answer_reversed", "OutcomeKind.DECLINED", "OutcomeKind.INTERRUPTED"),
    ("answer_not_reversed", "    work.hang_up()\n", ""),
    ("answer_not_reversed", "OutcomeKind.REVERSAL_OWED", "OutcomeKind.NO_CONNECTION"),
    ("answer_already_reversed", "_answer_about_last(work)", "answer_reversal_refused(work)"),
    ("answer_reversal_refused", "OutcomeKind.INTERRUPTED", "OutcomeKind.DECLINED"),
    ("_answer_about_last", "        rrn=last.rrn,\n", ""),
    ("_answer_about_last", "        authorization_code=last.authorization_code,\n", ""),
    ("_answer_about_last", "    work.with_amount(kept.amount)\n", ""),
    ("_answer_about_last", "if kept.masked_pan else None", "if False else None"),
    ("_answer_about_last", "Form.REVERSED", "Form.DECLINED"),
    ("_answer_about_last", "work.remember(work.memory, work.entry(EntryState.TOLD, None))",
     "work.remember(work.memory)"),
)  # fmt: skip

SETTLING = (
    ("begin", "    work.ask(Wait())\n", ""),
    ("attempt", "asked=bool(work.memory.settling)", "asked=False"),
    ("attempt", "asked=bool(work.memory.settling)", "asked=True"),
    ("attempt", "Transaction.SETTLEMENT", "Transaction.CLOSING"),
    ("_tell_totals", "    work.display(Screen.SETTLEMENT)\n", ""),
    ("_tell_totals", "    work.reconciling.waiting = transaction\n", ""),
    ("_tell_totals", "    work.next_message()\n", ""),
    ("_tell_totals", "    work.remember(replace(work.memory, settling=OWED))\n", ""),
    ("begin_upload", "work.memory.journal.kept()", "iter(())"),
    ("begin_upload", "    _upload_next(work)", "    _tell_totals(work, Transaction.CLOSING)"),
    ("go_on", "uploaded += 1", "uploaded += 0"),
    ("go_on", "settlement_verdict(code) is not", "settlement_verdict(code) is"),
    ("go_on", "    _upload_next(work)\n", "    _tell_totals(work, Transaction.CLOSING)\n"),
    ("_upload_next", "Transaction.CLOSING", "Transaction.SETTLEMENT"),
    ("_upload_next", "    work.next_message()\n", ""),
    ("_upload_next", "        amount=MinorUnits(kept.amount),\n", ""),
    ("_upload_next", "        currency=kept.money,\n", ""),
    ("_upload_next", "        card=kept.card(work.safe),\n", ""),
    ("_upload_next", "        original=kept.as_original(entry.rrn, entry.authorization_code),\n", ""),
    ("_upload_next", "        follows=entry.follows,\n", ""),
    ("_message", "        batch=work.memory.day,\n", ""),
    ("_message", "        totals=totals,\n", ""),
    ("answer_settled", "    work.answer(outcome)\n", ""),
    ("settle_alone", "    _close_day(work)\n", ""),
    ("settle_alone", "    work.rest()\n", ""),
    ("close_day", "    _close_day(work)\n", ""),
    ("_close_day", "and bank.totals != ours else None", "else None"),
    ("_close_day", "bank.totals if bank.totals is not None and bank.totals != ours else ", ""),
    ("_close_day", "bank=bank, totals=ours", "bank=bank"),
    ("_close_day", "        values=work.slip.kept_values(),\n", ""),
    ("_close_day", "if theirs is not None", "if False"),
    ("_close_day", "memory.next_day()", "memory"),
    ("_close_day", ", anew=True", ""),
    ("_slip", "if work.reconciling.uploaded else", "if False else"),
    ("_slip", "if theirs is None else", "if True else"),
    ("_slip", "if theirs is not None", "if False"),
    ("answer_refused", "    give_up(work)\n", ""),
    ("answer_refused", "OutcomeKind.TOTALS_DIFFER", "OutcomeKind.APPROVED"),
    ("answer_refused", ", totals=work.memory.journal.totals()", ""),
    ("give_up", "    work.remember(replace(work.memory, settling=\"\"))\n", ""),
    ("refuse_alone", "    give_up(work)\n", ""),
    ("refuse_alone", "    work.rest()\n", ""),
    ("answer_failed", "    work.hang_up()\n", ""),
    ("answer_failed", "    forget_unasked(work)\n", ""),
    ("answer_failed", "if owed else OutcomeKind.NO_CONNECTION", ""),
    ("forget_unasked", "and not work.reconciling.asked", ""),
    ("forget_unasked", "and not work.reconciling.asked", "and False"),
)  # fmt: skip

ORIGINALS = (
    ("original_of", "if request.slip is not None", "if False"),
    ("original_of", "if not given", "if given"),
    ("original_of", "if can_ask", "if not can_ask"),
    ("original_of", "Ask(missing[0])", "Ask(missing[-1])"),
    ("original_of", "is CashierAbsent.DECLINE", "is not CashierAbsent.DECLINE"),
    ("_by_slip", "number=slip)", "number=slip + 1)"),
    ("_by_slip", "rrn=request.rrn, ", 'rrn="", '),
    ("_by_slip", "return _may_follow(request, entry, journal, rules)", "return Follow(request, entry)"),
    ("_by_reference", "authorization_code=request.authorization_code", 'authorization_code=""'),
    ("_by_reference", "if entry.kept", "if not entry.kept"),
    ("_by_reference", "return _may_follow(request, entry, journal, rules)", "return Follow(request, entry)"),
    ("_by_reference", "if request.operation.day is Day.OPEN", "if False"),
    ("_by_reference", "if request.operation.day is Day.OPEN", "if True"),
    ("_last_matching", "if isinstance(decision, Follow)", "if not isinstance(decision, Follow)"),
    ("_may_follow", "not entry.kept or ", ""),
    ("_may_follow", " or entry.operation not in operation.follows", ""),
    ("_may_follow", "operation.day is Day.LATER and", "False and"),
    ("_may_follow", "and request.currency != (entry.request.currency or None)", "and False"),
    ("_may_follow", "and request.original_amount != entry.amount", "and False"),
    ("_may_follow", "if refused is not None", "if False"),
    (
        "_may_follow",
        "replace(request, rrn=entry.rrn, authorization_code=entry.authorization_code)",
        "request",
    ),
    ("_amount", "if left <= 0", "if False"),
    ("_amount", "if name is Name.RAISE", "if False"),
    ("_amount", "if amount > left", "if amount >= left"),
    ("_amount", "if amount > left", "if False"),
    ("_amount", "and entry.operation is Name.PREAUTHORIZATION", "and False"),
    ("_amount", "partial = amount < entry.amount", "partial = False"),
    ("_amount", "Name.VOID: rules.partial_void, ", ""),
    ("_amount", ", Name.RETURN: rules.partial_return", ""),
)

NEEDS = (
    ("_settlement", "None if work.memory.settling else _keyless(work)", "_keyless(work)"),
    ("_settlement", "None if work.memory.settling else _keyless(work)", "None"),
    ("_memory", "refused = _standing(request, work)", "refused = None"),
    ("_payment", "if refused is not None", "if False"),
    ("_payment", "work.can_ask and ", ""),
    ("_payment", " and work.questions < work.profile.rules.most_questions", ""),
    ("_payment", "Plan(Need.CARD, complete, original=entry)", "Plan(Need.CARD, request, original=entry)"),
    ("_payment", "Plan(Need.CARD, complete, original=entry)", "Plan(Need.CARD, complete)"),
    ("_standing", "len(memory.journal) >= rules.journal_size", "False"),
    ("_standing", "operation.leaves_slip and len", "len"),
    ("_standing", "if operation.asks_bank and (keyless := _keyless(work))", "if keyless := None"),
    ("_standing", "and prints and not work.paper", "and prints and work.paper"),
    ("_standing", " or operation.flow is Flow.MEMORY", ""),
    ("_keyless", "if work.safe.is_used_up(work.memory.keys)", "if False"),
    ("_card", "is CardNeed.NONE", "is not CardNeed.NONE"),
    ("_card", "work.card or request.card", "work.card"),
    ("_card", "card.by_its_stripe() if work.chip_failed else card", "card"),
    ("_card", "if request.operation.flow is Flow.CARD_ONLY", "if False"),
    ("_card", "if not _is_of(so_far.original, card, work)", "if False"),
    ("_card", "if _forbidden(request, card)", "if False"),
    ("_card", "chip=_read(request, card, work)", "chip=None"),
    ("_card", "so_far.chip.wants is CryptogramKind.AAC", "False"),
    ("_missing", "if work.chip_failed", "if False"),
    ("_missing", "and rows.fails", "and False"),
    ("_missing", "if swiped and card.says_chip else None", "if False else None"),
    ("_forbidden", "not by_stripe or operation.follows or", "not by_stripe or"),
    ("_forbidden", " or not operation.moves_money", ""),
    ("_forbidden", "operation.transaction is Transaction.CASH", "False"),
    ("_read", " or operation.follows", ""),
    ("_is_of", "not kept.sealed_pan or ", ""),
    ("_needs_pin", "return so_far.chip.asks_pin", "return False"),
    ("_needs_pin", "card.pin_rule is PinRule.ALWAYS or ", ""),
    ("_needs_pin", "PinRule.OVER_LIMIT and over_limit", "PinRule.OVER_LIMIT"),
    ("_needs_pin", "(request.amount or 0) > work", "(request.amount or 0) >= work"),
)

LINK = (
    ("receive", "        events = self._expire_incoming(now)\n", "        events = []\n"),
    ("tick", "        events = self._expire_incoming(now)\n", "        events = []\n"),
    ("tick", "Control.EOT.wire if under_way.eot_before_repeat", "Control.EOT.wire if False"),
    ("tick", "return events + self._pump(now)", "return events"),
    ("abandon", "        self._queue.clear()\n", ""),
    ("reset", "        self._owed: deque[Millis] = deque()",
     "        self._owed: deque[Millis] = getattr(self, '_owed', deque())"),
    ("reset", "        self._drop_unfinished()\n", ""),
    ("_take_frame", "        self._naks = 0\n", ""),
    ("_take_frame", "            self._refuse(NoteKind.BAD_TLV, str(error), events)\n", ""),
    ("_take_block",
     "                self._refuse(NoteKind.BLOCK_OUT_OF_ORDER, detail, events)\n                return\n",
     "                pass\n"),
    ("_take_block", "        self._last_block = now\n", ""),
    ("_refuse", "if self._naks < allowed", "if self._naks <= allowed"),
    ("_refuse", "        self._naks += 1\n", ""),
    ("_refuse", "        self._assembly.reset()\n", ""),
    ("_refuse", ", GaveUp(None, because))", ",)"),
    ("_pump", "if self.idle or any(deadline > now for deadline in self._owed)", "if self.idle"),
    ("_again", "if outgoing.copies < self.timing.sends", "if outgoing.copies <= self.timing.sends"),
    ("_again", "Transmit(Control.EOT.wire, because), ", ""),
    ("_again", ", GaveUp(outgoing.token, because))", ",)"),
    ("_take_ack", "            events.append(Delivered(outgoing.token))\n", ""),
    ("_take_ack", "        events += self._pump(now)\n", ""),
    ("_take_ack", "        self._owed.popleft()\n", "        self._owed.clear()\n"),
    ("_take_nak", "if deadline > now", "if True"),
    ("_take_nak", '            self._again(self._outgoing, now, "NAK", events)\n', "            pass\n"),
    ("_take_nak", "        del self._owed[live]\n", ""),
    ("_take_eot", "            events.append(PeerEot())\n", ""),
    ("_take_eot", "        self._owed.clear()\n", ""),
    ("_take_eot", "                self._owed.popleft()\n", "                pass\n"),
    ("_take_eot", "outgoing.copies, outgoing.on_last_block", "1, outgoing.on_last_block"),
)  # fmt: skip

EMULATOR = (
    ("receive", "            self._out.append(FlushLine())\n", "            pass\n"),
    ("handle", '                self._line_is_new("the register opened the line", now)\n', ""),
    ("handle", "                self._line_is_new(because, now)\n", ""),
    ("tick", "self._session.questions.open or ", ""),
    ("tick", " or self._bank.register_is_busy", ""),
    ("tick", "if self._link.idle and not busy", "if not busy"),
    ("_from_link", "            self._out.append(FlushLine())", "            pass"),
    ("_from_link", '                    self._register_left("EOT from the register", now)\n', ""),
    ("_started", "            self._session.answer_left()\n", "            pass\n"),
    ("_started", "            self._bank.sent(token, now)\n", "            pass\n"),
    ("_delivered", "            self._tell(AnswerFate(FinalFate.ACKED), now)\n", "            pass\n"),
    ("_delivered", "            self._session.questions.delivered = True\n", "            pass\n"),
    ("_refused", "            self._register_left(", "            str("),
    ("_gave_up", "            self._register_left(gave_up.because, now, flush=False)\n",
     "            pass\n"),
    ("_gave_up", "            self._tell(AnswerFate(FinalFate.UNANSWERED), now, flush=False)\n",
     "            self._tell(AnswerFate(FinalFate.ACKED), now, flush=False)\n"),
    ("_line_is_new", "        self._link.reset()\n", ""),
    ("_line_is_new", "        self._out.append(FlushLine())\n", ""),
    ("_line_is_new", "        self._register_left(because, now)\n", ""),
    ("_admit", "is_reply(message) or ", ""),
    ("_message", "            self._register_left(because, now, flush=False)\n", "            pass\n"),
    ("_message", "            self._link.abandon()", "            pass"),
    ("_message", "        self._vending.stop()\n", ""),
    ("_reply", "self.state is State.CASHIER and ", ""),
    ("_from_terminal", "                    self._next_wait = None\n", ""),
    ("_from_terminal", "                    self._bank.hang_up(call, now)\n", "                    pass\n"),
    ("_end_session", "        self._link.abandon()\n", ""),
    ("_end_session", "            self._out.append(FlushLine())\n", "            pass\n"),
    ("_end_session", "        self._bank.drop(now)\n", ""),
    ("_end_session", "        self._vending.rest(now)\n", ""),
)  # fmt: skip

SESSION = (
    ("begin", "self._request, self._final_left = request, False", "self._request = request"),
    ("end", "        self.questions = Questions()\n", ""),
    ("is_repeat", "request == self._request and not self._final_left", "False"),
    ("is_repeat", " and not self._final_left", ""),
    ("admits", " or (self._final_left and idle)", ""),
    ("admits", " or self.is_repeat(request)", ""),
    ("fate_of_left", "FinalFate.GONE if self._final_left else ", ""),
    ("fate_of_left", " if self._final_left else FinalFate.NEVER_LEFT", ""),
    ("fate_of_refused", "refused.copy > 1 and ", ""),
    ("fate_of_refused", " and refused.last_block", ""),
    ("fate_of_refused", "FinalFate.EOT_TO_REPEAT if repeat else ", ""),
)

# No story has TLS inside the tunnel: its bytes are random, and a story must be the same twice. So no story
# catches the mutants of _go_on and of "self._stale" in _take_bytes; tests/emulator has tests with TLS.
TUNNEL = (
    ("call", "        if self._broken:\n", "        if False:\n"),
    ("hang_up", "            self._stale = True\n", "            pass\n"),
    ("hang_up", "return self._withdraw()", "return []"),
    ("", "        self._closing = True\n", ""),
    ("drop", "        self._forget()\n", ""),
    ("drop", "effects = self._end_call(because)", "effects: list[TunnelEffect] = []"),
    ("awaiting", "return self._request is not None", "return False"),
    ("sent", "        request.started = True\n", ""),
    ("sent", "        call.asked = True\n", ""),
    ("delivered", "        if request.answered:\n", "        if False:\n"),
    ("delivered", "        request.deadline = later(now, patience)\n", ""),
    ("delivered", "timing.open_reply if request.step is Step.OPEN else timing.reply", "timing.reply"),
    ("reply", "if reply.data and not copy else []", "if False else []"),
    ("reply", "if reply.data and not copy else []", "if reply.data else []"),
    ("reply", "if copy and not _may_repeat(reply, request)", "if False"),
    ("reply", "if not reply.fits(request.step)", "if False"),
    ("reply", "        if request.delivered:\n", "        if True:\n"),
    ("tick", 'return self._break(f"no reply to the {request.token}")', "return []"),
    ("_go_on", "return self._spoil(error, now)", "return []"),
    ("_serve", "        if self._stale:\n", "        if False:\n"),
    ("_withdraw", "request is None or request.started", "True"),
    ("_answered", "                if own and not reply.ok:\n", "                if False:\n"),
    ("_answered", "                if not reply.ok:\n", "                if False:\n"),
    ("_answered", "                self._shut()", "                pass"),
    ("_answered", "self._open = reply.ok", "self._open = True"),
    ("_take_bytes", "if not self._open or self._stale", "if not self._open"),
    ("_take_bytes", "or not call.asked", ""),
    ("_break", "        self._shut()\n", ""),
    ("_break", "self._finish() if self._closing else self._end_call(because)", "self._end_call(because)"),
    ("_end_call", "BankFailed if call.asked else BankUnreachable", "BankUnreachable"),
    ("_end_call", "BankFailed if call.asked else BankUnreachable", "BankFailed"),
    ("_finish", "        self._forget()\n", ""),
    ("_may_repeat", "request.delivered and ", ""),
    ("_may_repeat", "reply.mode == request.step.mode and ", ""),
    ("_may_repeat", " and len(reply.data) < COPY_SIZE", ""),
)

BANK_CALLS = (
    ("dial", "if self._dialect.is_sealed(request.step) else None", "if False else None"),
    ("hear", "call is None or call.number != number", "call is None"),
    ("hear", 'return BankFailed(number, f"the bank\'s answer is of no use: {error}")', "return None"),
    ("_answer", "if _answers(answer, call.request)", "if True"),
    ("_answer", "                self._refuse_unsealed(answer, call)\n", ""),
    ("_answer",
     "                _refuse_other_code(answer, self._dialect.processing(call.request.transaction))\n",
     ""),
    ("_answer", "                _refuse_other_money(answer, call.request)\n", ""),
    ("_refuse_unsealed", "if sealed is None", "if False"),
    ("_refuse_unsealed", "if not self._safe.mac_is_right(sealed.covered.reveal(), sealed.mac, call.keys)",
     "if False"),
    ("_answers", "return same_terminal and same_time and ", "return same_terminal and "),
    ("_answers", "(answer.step, answer.stan) == (request.step, request.stan)", "answer.stan == request.stan"),
    ("_answers", "(answer.step, answer.stan) == (request.step, request.stan)", "answer.step == request.step"),
    ("_refuse_other_money", "if answer.amount not in (None, request.amount)", "if False"),
)  # fmt: skip

FUNCTIONS = {
    "terminal/money.py": MONEY,
    "terminal/undoing.py": UNDOING,
    "terminal/settling.py": SETTLING,
    "terminal/originals.py": ORIGINALS,
    "terminal/needs.py": NEEDS,
    "sa/link.py": LINK,
    "emulator/emulator.py": EMULATOR,
    "emulator/session.py": SESSION,
    "emulator/tunnel.py": TUNNEL,
    "emulator/bank_calls.py": BANK_CALLS,
}


def functions() -> Iterator[Mutant]:
    """Functions with one line of them broken."""
    for path, changes in FUNCTIONS.items():
        for within, old, new in changes:
            what = f"{_short(old)} -> {_short(new)}" if new.strip() else f"without {_short(old)}"
            place = f"{Path(path).stem}.{within}" if within else Path(path).stem
            yield Mutant(f"{place}: {what}", (Edit(path, old, new, within),))


def _kind(mutant: Mutant) -> str:
    path, word = mutant.edits[0].path, mutant.name.split(" ")[0]
    return {"row": "rows of the table", "deadline": "deadlines"}.get(word, path)


def _short(text: str) -> str:
    return " ".join(text.split())


# --- what cannot be seen ---------------------------------------------------------------------------------

_TRACE = "only the trace says it: an attempt keeps its deadline, and nothing but a settlement looks at it"
_HUNG_UP = "the action before or after it hangs up as well"
_LATE = "an answer that comes when no attempt is under way is ignored, and the next call replaces this one"
_QUEUED = "the next request waits in the link's queue instead; one withdrawn there costs only TLS anything"
_SPENT = "link or register are busy from the answer on, and the end of the session stops the waits"
_DESK = "rest() clears the desk, and so does the next request; nothing looks at it until then"

EQUIVALENT: dict[str, str] = {
    "row IDLE POWER_BACK: goes to None": "IDLE has no deadline to arm anew",
    "row IDLE REQUEST_HELD: ignored": "IDLE with a debt becomes OWING before a request can come",
    "row IDLE REQUEST_HELD: goes to S.RETRYING": "IDLE with a debt becomes OWING before a request can come",
    "row IDLE REQUEST_HELD: does undoing.pay": "IDLE with a debt becomes OWING before a request can come",
    "row IDLE DEBT_FOUND: does serving.drop": "no call is open, and drop() forgets no approved operation",
    "row CLEARING ATTEMPT_FAILED_HARMLESS: goes to S.IDLE": "the held request follows: IDLE serves it alike",
    "row BANK_ANSWER REGISTER_LEFT: does serving.finish_unheard": _LATE,
    "row OWING DEBT_GONE: does serving.withdraw": "fail_alone() has put everything to rest",
    "row RETRYING ATTEMPT_FAILED: goes to S.IDLE": "IDLE with a debt becomes OWING at once",
    "row SETTLING BANK_ASKED: goes to S.SETTLING": _TRACE,
    "row UNDOING BANK_ASKED: goes to S.UNDOING": _TRACE,
    "row REVERSING BANK_ASKED: goes to S.REVERSING": _TRACE,
    "row CLEARING BANK_ASKED: goes to S.CLEARING": _TRACE,
    "row RETRYING BANK_ASKED: goes to S.RETRYING": _TRACE,
    "row UNDOING BANK_ASKED: ignored": _TRACE,
    "row UNDOING BANK_ASKED: does serving.withdraw": _TRACE,
    "row REVERSING BANK_ASKED: ignored": _TRACE,
    "row REVERSING BANK_ASKED: does serving.withdraw": _TRACE,
    "row CLEARING BANK_ASKED: ignored": "what is cleared counts as asked from the start",
    "row CLEARING BANK_ASKED: does serving.withdraw": "what is cleared was asked before: see above",
    "undoing._start: without stage=Stage.REVERSING,": "attempt() sets the same stage",
    "undoing.attempt: without work.hang_up()": _HUNG_UP,
    "undoing.undo_unanswered: without work.hang_up()": _HUNG_UP,
    "undoing.undo_abandoned: without work.hang_up()": _HUNG_UP,
    "undoing.undo_abandoned: without work.ask(HandsOff())": "call_bank() has closed readers and keypad",
    "undoing.undo_abandoned: without work.clear_desk()": _DESK,
    "undoing.undo_lost: without work.clear_desk()": _DESK,
    "undoing.go_on_alone: without work.clear_desk()": _DESK,
    "undoing._serve: without work.clear_desk()": _DESK,
    "undoing.resume: if pending.stage is Stage.REVERSING -> if True": "attempt() sets it: a reason differs",
    "undoing.resume: if pending.stage is Stage.REVERSING -> if False": "attempt() sets it: a reason differs",
    "undoing.answer_undo_failed: without work.hang_up()": _LATE,
    "undoing.answer_owing: without work.hang_up()": _LATE,
    "undoing.answer_not_reversed: without work.hang_up()": _LATE,
    "undoing.fail_alone: without work.hang_up()": _LATE,
    "undoing.reverse_for_register: without status=last.status,": "_by_register() reads the last operation's",
    "settling.answer_failed: without work.hang_up()": _LATE,
    "settling._close_day: without , anew=True": "the file is longer, and read alike: a new day begins anew",
    "tunnel._finish: without self._forget()": "drop() forgets as well when the session ends",
    "tunnel.reply: if request.delivered: -> if True:": _QUEUED,
    "emulator._reply: without self.state is State.CASHIER and": "elsewhere the terminal hears no cashier",
    "emulator._from_terminal: without self._next_wait = None": _SPENT,
}
"""Mutants that change nothing that could be seen, and why. They are not played and not counted."""


# --- playing ---------------------------------------------------------------------------------------------


def _text(path: str) -> str:
    return (PACKAGE / path).read_text(encoding="utf-8")


def every_mutant() -> list[Mutant]:
    """Return all mutants; raises when one does not fit the source any more."""
    mutants = [*rows(), *deadlines(), *profile_rows(), *functions()]
    names = [mutant.name for mutant in mutants]
    if len(set(names)) != len(names):
        raise LookupError(f"two mutants are called {next(name for name in names if names.count(name) > 1)}")
    if unknown := sorted(set(EQUIVALENT) - set(names)):
        raise LookupError(f"EQUIVALENT names no mutant: {', '.join(unknown)}")
    for mutant in mutants:
        for edit in mutant.edits:
            edit.apply(_text(edit.path))
    return mutants


class _Changed(SourceFileLoader):
    """Compiles a module from a changed source; nothing of it is written anywhere."""

    edits: tuple[Edit, ...] = ()

    def get_code(self, fullname: str) -> CodeType:
        text = Path(self.path).read_text(encoding="utf-8")
        for edit in self.edits:
            text = edit.apply(text)
        return compile(text, self.path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def __init__(self, edits: tuple[Edit, ...]) -> None:
        self._edits = {f"smartsale_emu.{edit.path[:-3].replace('/', '.')}": edits for edit in edits}

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        edits = self._edits.get(fullname)
        if edits is None:
            return None
        spec = PathFinder.find_spec(fullname, path)  # type: ignore[arg-type]
        if spec is not None and spec.origin is not None:
            spec.loader = loader = _Changed(fullname, spec.origin)
            loader.edits = edits
        return spec


def _change_profile(edits: tuple[Edit, ...]) -> None:
    resources: Any = import_module("smartsale_emu.runtime.resources")
    read = resources._read

    def changed(what: str, file: object, origin: str) -> tuple[str, str]:
        text, told = read(what, file, origin)
        if origin == Path(PROFILE).name:
            for edit in edits:
                text = edit.apply(text)
        return text, told

    resources._read = changed


class HangsError(Exception):
    """The library takes too long."""


def _hangs(_number: int, _frame: FrameType | None) -> NoReturn:
    raise HangsError


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant. ``by``: the scenario that caught it, empty when none did."""

    name: str
    by: str = ""
    how: str = ""
    broken: bool = False


Stories = dict[str, str]
"""The texts of the library, by file: read once, so that who writes one meanwhile changes no verdict."""


def read_library() -> Stories:
    """Return the texts of all scenarios, in their order."""
    files = sorted(LIBRARY.rglob("*.yaml"))
    return {str(file.relative_to(TOP)): file.read_text(encoding="utf-8") for file in files}


def try_mutant(mutant: Mutant, stories: Stories, first: tuple[str, ...] = ()) -> Verdict:
    """Play the library against a mutant, in this process, which is of no use afterwards."""
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGALRM, _hangs)
    signal.alarm(SECONDS)
    file, profile = "?", any(edit.path == PROFILE for edit in mutant.edits)
    try:
        if profile:
            _change_profile(mutant.edits)
        else:
            sys.meta_path.insert(0, _Finder(mutant.edits))
        from smartsale_emu.errors import ScenarioError
        from smartsale_emu.runtime.playing import play_one, turns_of
        from smartsale_emu.scenario.loader import load_cases
    except Exception as error:
        return Verdict(mutant.name, how=f"cannot be imported: {error!r}", broken=True)
    try:
        for file in dict.fromkeys((*first, *stories)):
            cases = load_cases(stories[file], origin=file)
            for turn in turns_of(cases, seed=None, told=False):
                result = play_one(turn)
                if result.stopped and profile:  # a value that no profile can have
                    return Verdict(mutant.name, how=f"{file}: {result.stopped}", broken=True)
                if result.stopped:
                    return Verdict(mutant.name, file, f"stops with {result.stopped}")
                if result.failure is not None:
                    return Verdict(mutant.name, file, result.failure.problem)
    except ScenarioError as error:
        return Verdict(mutant.name, how=str(error), broken=True)
    except HangsError:
        return Verdict(mutant.name, file, f"not over in {SECONDS} s")
    except Exception as error:
        return Verdict(mutant.name, file, f"stops with {error!r}")
    finally:
        signal.alarm(0)
    return Verdict(mutant.name)


# --- the check -------------------------------------------------------------------------------------------


def check(mutants: list[Mutant], stories: Stories, workers: int) -> Iterator[Verdict]:
    """Yield a verdict for every mutant, in their order. What caught one is played first for the next ones."""
    good: deque[str] = deque(maxlen=12)
    running: deque[AsyncResult[Verdict]] = deque()
    with multiprocessing.get_context("fork").Pool(workers, maxtasksperchild=1) as pool:
        for mutant in mutants:
            if len(running) > workers:
                yield _ended(running, good)
            running.append(pool.apply_async(try_mutant, (mutant, stories, tuple(good))))
        while running:
            yield _ended(running, good)


def _ended(running: "deque[AsyncResult[Verdict]]", good: deque[str]) -> Verdict:
    verdict = running.popleft().get()
    if verdict.by and verdict.by not in good:
        good.append(verdict.by)
    return verdict


def main() -> int:
    """Say what became of every mutant; status 1 when too few were caught, 2 when one is none."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("-n", "--workers", type=int, default=1)
    parser.add_argument("--only", default="", metavar="WORD", help="mutants with this in their names")
    args = parser.parse_args()
    chosen = [mutant for mutant in every_mutant() if args.only in mutant.name]
    mutants = [mutant for mutant in chosen if mutant.name not in EQUIVALENT]
    for name in HEAVY:
        import_module(name)
    caught, broken, begun = 0, 0, time.monotonic()
    kinds: dict[str, list[bool]] = {}
    stories = read_library()
    (sound,) = check([Mutant("nothing", ())], stories, 1)
    if sound.by or sound.broken:
        print(f"the library fails without any mutant: {sound.by} {sound.how}")
        return 2
    for number, verdict in enumerate(check(mutants, stories, args.workers), start=1):
        caught += bool(verdict.by)
        broken += verdict.broken
        kinds.setdefault(_kind(mutants[number - 1]), []).append(bool(verdict.by))
        said = f"caught by {verdict.by}" if verdict.by else "NO MUTANT" if verdict.broken else "SURVIVED"
        how = f": {_short(verdict.how)[:120]}" if verdict.how else ""
        print(f"{number:>4} of {len(mutants)}  {verdict.name}\n        {said}{how}", flush=True)
    share = 100 * caught / len(mutants) if mutants else 100.0
    left_out = len(chosen) - len(mutants)
    print(f"\n{left_out} left out as equivalent; {time.monotonic() - begun:.0f} s")
    for kind, ends in kinds.items():
        print(f"{sum(ends):>5} of {len(ends):>3} ({100 * sum(ends) / len(ends):5.1f} %)  {kind}")
    print(f"caught {caught} of {len(mutants)} ({share:.1f} %)")
    return 2 if broken else 0 if share >= AIM else 1


if __name__ == "__main__":
    sys.exit(main())
