"""Whether what a scenario expects is so, and if not, what is instead."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from smartsale_emu.host.ledger import Operation, OperationState
from smartsale_emu.host.shown import shown_request
from smartsale_emu.payment.authorization import AuthorizationRequest
from smartsale_emu.payment.field55 import read_field55
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.register.effects import Answered, NoAnswer
from smartsale_emu.sa.fields import Tag
from smartsale_emu.scenario.agreement import compare
from smartsale_emu.scenario.expected import field_number, matches
from smartsale_emu.scenario.model import BankLedger, BankMessage, Expect, PinpadMemory, map_texts
from smartsale_emu.scenario.overheard import Heard
from smartsale_emu.scenario.phrases import duration
from smartsale_emu.scenario.requests import filled
from smartsale_emu.scenario.stage import Stage
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.units import Millis


@dataclass(frozen=True, slots=True)
class Failure:
    """Where a story went wrong. ``step``: its index; ``at``: the moment; ``state``: of the terminal."""

    step: int
    problem: str
    at: Millis
    state: str


def with_answers(expect: Expect, known: Mapping[str, Mapping[str, str]]) -> Expect:
    """Return an expectation with the values of earlier answers in its texts (`model.map_texts`).

    Raises:
        ValueError: there is no such answer or field.
    """
    return map_texts(expect, lambda _, text: filled(text, known))


def check(expect: Expect, stage: Stage, heard: Heard, asked_at: Millis) -> str:
    """Return what is not as expected, empty when all is."""
    return "; ".join(_differences(expect, stage, heard, asked_at))


def final_disagreement(stage: Stage) -> str:
    """Return how bank, pinpad and registers disagree at the end, empty when they do not.

    A register may believe otherwise where the pinpad says so itself (a doubt), or operation 53 undid it.
    """
    return "; ".join((*_books(stage), *_beliefs(stage, stage.overheard.exchanges())))


def _books(stage: Stage) -> tuple[str, ...]:
    agreement = compare(
        stage.ledger.operations(),
        stage.ledger.closed_batches(),
        stage.world.emulator.memory,
        terminal_id=stage.terminal.terminal_id,
    )
    memory = stage.world.emulator.memory
    owed = ("a reversal is still owed to the bank",) if memory.owes else ()
    return (*agreement.disagreements, *owed)


def _beliefs(stage: Stage, heard: Sequence[Heard]) -> Iterator[str]:
    """No charge that no register knows of, and no approval that is none."""
    rows = {row.rrn: row for row in stage.ledger.operations() if row.rrn}
    approved = {rrn for rrn, row in rows.items() if row.state is OperationState.APPROVED and row.effect}
    memory = stage.world.emulator.memory
    doubted = {remark.stan for remark in memory.remarks if remark.kind == "doubt"}
    believed, undone = set(), set()
    for one in heard:
        rrn, done, code = one.text(Tag.REFERENCE_NUMBER), one.text(Tag.STATUS) == "1", one.text(25)
        if rrn is None or rrn not in rows:
            continue
        if code == "53":
            undone |= {rrn} if done else set()
        elif done:
            believed.add(rrn)
        elif rrn in approved:
            yield f"the register was told that RRN {rrn} failed, and the bank holds it"
    for rrn in sorted(believed - approved - undone):
        if rows[rrn].key.stan not in doubted and rows[rrn].effect:
            yield f"the register was told 39 = 1 for RRN {rrn}, and the bank holds nothing"
    for rrn in sorted(approved - believed):
        if rows[rrn].key.stan not in doubted:
            yield f"the bank holds {format_amount(rows[rrn].money)} of RRN {rrn}, and no register knows of it"


def _differences(expect: Expect, stage: Stage, heard: Heard, asked_at: Millis) -> Iterator[str]:
    yield from _of_register(expect, stage, heard)
    if expect.screens is not None:
        yield from _in_order("the screens", expect.screens, stage.world.screens)
    if expect.screen is not None and expect.screen not in stage.world.screen:
        yield f"the screen says {stage.world.screen!r}, not {expect.screen!r}"
    if expect.line is not None:
        passed = [name for _, _, name, _ in stage.line.seen]
        if passed != expect.line:
            yield f"the line saw {', '.join(passed)}"
    if expect.state is not None and stage.world.emulator.state != expect.state:
        yield f"the terminal is in state {stage.world.emulator.state.value}"
    if expect.took is not None:
        yield from _took(expect.took, Millis(stage.world.now - asked_at))
    if expect.bank is not None:
        yield from _bank(expect.bank, stage)
    if expect.memory is not None:
        yield from _memory(expect.memory, stage)
    if expect.agree is not None and (not _books(stage)) != expect.agree:
        yield "; ".join(_books(stage)) or "bank and pinpad agree"


def _of_register(expect: Expect, stage: Stage, heard: Heard) -> Iterator[str]:
    if expect.outcome is not None:
        yield from _outcome(expect.outcome.value, heard)
    for name, wanted in (expect.answer or {}).items():
        yield from _field(name, wanted, heard)
    if expect.receipt is not None:
        yield from _in_order("the slip", expect.receipt, [_slip(stage, heard)])
    if expect.waits is not None:
        least = expect.waits.startswith(">=")
        wanted_waits = int(expect.waits.removeprefix(">="))
        if heard.waits < wanted_waits or (heard.waits > wanted_waits and not least):
            yield f"there were {heard.waits} wait frames, not {expect.waits}"


def _outcome(wanted: str, heard: Heard) -> Iterator[str]:
    got = "answered" if isinstance(heard.outcome, Answered) else "no answer"
    if got != wanted:
        why = heard.outcome.because.value if isinstance(heard.outcome, NoAnswer) else "it is still waiting"
        yield f"the register got {'an answer' if got == 'answered' else f'no answer: {why}'}"


def _field(name: str, wanted: str, heard: Heard) -> Iterator[str]:
    number = field_number(name)
    if heard.answer is None:
        yield f"field {name}: there was no answer"
        return
    got = heard.text(number)
    if not matches(wanted, got):
        yield f"field {name} is {'missing' if got is None else repr(got)}, not {wanted}"


def _slip(stage: Stage, heard: Heard) -> str:
    told = heard.text(Tag.RECEIPT_DATA) or ""
    return told or "\n".join(stage.world.printed)


def _in_order(what: str, wanted: Iterable[str], texts: Sequence[str]) -> Iterator[str]:
    whole, place = "\n".join(texts), 0
    for text in wanted:
        found = whole.find(text, place)
        if found < 0:
            yield f"{what} {'does' if what == 'the slip' else 'do'} not say {text!r} there"
            return
        place = found + len(text)


def _took(wanted: str, took: Millis) -> Iterator[str]:
    least, _, most = wanted.partition(" to ")
    match wanted[0]:
        case "<":
            right = took < duration(wanted[1:].strip())
        case ">":
            right = took > duration(wanted[1:].strip())
        case _:
            right = duration(least) <= took <= duration(most)
    if not right:
        yield f"it took {took / 1000:.3f} s, not {wanted}"


def _bank(wanted: BankLedger, stage: Stage) -> Iterator[str]:
    rows = stage.ledger.operations()
    found: dict[str, object] = {
        "asked": len(stage.bank_faults.heard),
        "operations": len(rows),
        "approved": _count(rows, OperationState.APPROVED),
        "declined": _count(rows, OperationState.DECLINED),
        "reversed": _count(rows, OperationState.REVERSED) + _count(rows, OperationState.REVERSED_EARLY),
        "net": -sum(row.effect for row in rows if row.state is OperationState.APPROVED),
        "codes": [row.response_code for row in rows],
        "closed_days": len(stage.ledger.closed_batches()),
    }
    for name, value in found.items():
        expected = getattr(wanted, name)
        if expected is not None and expected != value:
            yield f"bank.{name} is {_shown(name, value)}, not {_shown(name, expected)}"
    if wanted.heard is not None:
        yield from _heard(wanted.heard, stage.bank_faults.heard)
    if wanted.because is not None and not (rows and wanted.because in rows[-1].because):
        yield f"the bank's reason is {rows[-1].because if rows else 'none'!r}"
    for card, expected in (wanted.balance or {}).items():
        account = stage.bank.account(card)
        if account is None or account.balance != expected:
            yield f"{card} has {format_amount(account.balance) if account else 'no account'}"


def _heard(wanted: Sequence[BankMessage], heard: Sequence[AuthorizationRequest]) -> Iterator[str]:
    """Yield what is wrong with the first message that is not as expected; with their number if all are."""
    came = [_message(request) for request in heard]
    for number, (message, got) in enumerate(zip(wanted, came, strict=False), start=1):
        named = message.wanted()
        wrong = [name for name, value in named.items() if not matches(value, got.get(name))]
        if wrong:
            told = ", ".join(f"{name} is {got.get(name, 'missing')}, not {named[name]}" for name in wrong)
            yield f"of the bank's message {number} {told}; it was {_in_words(got)}"
            return
    if len(came) != len(wanted):
        more = "; ".join(_in_words(got) for got in came[len(wanted) :])
        yield f"the bank heard {len(came)} messages, not {len(wanted)}{f': also {more}' if more else ''}"


def _message(request: AuthorizationRequest) -> dict[str, str]:
    """Return a message by the names of the trace, its amount as people write it."""
    shown = {name: str(value) for name, value in shown_request(request).items()}
    amount = {"amount": format_amount(request.amount)} if "amount" in shown else {}
    return shown | amount | ({"cryptogram": _cryptogram(request.icc)} if request.icc is not None else {})


def _cryptogram(icc: SecretBytes) -> str:
    """Return the kind of the chip's last cryptogram, as its verification results (in 9F10) tell it."""
    told = read_field55(icc.reveal()).get("9F10") or bytes(5)
    return {0x00: "AAC", 0x40: "TC", 0x80: "ARQC"}.get(told[4] & 0xC0, "unknown")


def _in_words(message: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in message.items())


def _memory(wanted: PinpadMemory, stage: Stage) -> Iterator[str]:
    memory = stage.world.emulator.memory
    found: dict[str, object] = {
        "owes": memory.owes,
        "kept": len(list(memory.journal.kept())),
        "net": memory.journal.totals().net,
        "day": memory.day,
        "doubts": sum(remark.kind == "doubt" for remark in memory.remarks),
        "alarms": sum(remark.kind == "alarm" for remark in memory.remarks),
    }
    for name, value in found.items():
        expected = getattr(wanted, name)
        if expected is not None and expected != value:
            yield f"memory.{name} is {_shown(name, value)}, not {_shown(name, expected)}"


def _shown(name: str, value: object) -> str:
    return format_amount(value) if name == "net" and isinstance(value, int) else str(value)


def _count(rows: Sequence[Operation], state: OperationState) -> int:
    return sum(row.state is state for row in rows)
