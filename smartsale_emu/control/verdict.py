"""What is wrong at the end of a test: on the line, in the books, and on the customer's account."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from smartsale_emu.control.exchanges import Exchange
from smartsale_emu.control.near_misses import not_understood
from smartsale_emu.host.ledger import Operation, OperationKey, OperationState
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.scenario.checks import final_disagreement
from smartsale_emu.scenario.stage import Stage
from smartsale_emu.terminal.events import FinalFate
from smartsale_emu.terminal.memory import Remark

_BY_THE_REGISTER = tuple(f": {fate}" for fate in FinalFate)
"""How a doubt ends that the register has raised, and no power cut."""

_KEPT = "kept in doubt"


def verdict(stage: Stage, exchanges: Sequence[Exchange], taken: int) -> list[str]:
    """Return what is wrong, a paragraph each. ``taken``: so many exchanges somebody has expected."""
    books = final_disagreement(stage)
    return [
        *_twice(stage.ledger.operations(), exchanges, taken),
        *([_books(books, owes=stage.world.emulator.memory.owes)] if books else ()),
        *(_on_the_line(stage, exchanges) if not stage.line.harmed else ()),
    ]


def _on_the_line(stage: Stage, exchanges: Sequence[Exchange]) -> Iterator[str]:
    """What a sound register never does, as long as nobody has told the line to do harm."""
    for what in not_understood(stage):
        yield f"The register sent {what}."
    settled = {one.rrn for one in exchanges if one.operation == "reversal" and one.approved}
    told = {row.key.stan for row in stage.ledger.operations() if row.rrn in settled}
    yield from _not_acknowledged([one for one in stage.world.emulator.memory.remarks if one.stan not in told])


def doubts(remarks: Sequence[Remark]) -> list[str]:
    """Return what the pinpad could not decide, a sentence each."""
    return [_in_words(one) for one in remarks if one.kind == "doubt"]


def _in_words(remark: Remark) -> str:
    return f"STAN {remark.stan}, {remark.text}"


def _not_acknowledged(remarks: Sequence[Remark]) -> Iterator[str]:
    raised = [one for one in remarks if one.kind == "doubt" and one.text.endswith(_BY_THE_REGISTER)]
    for kept, what_follows in (
        (False, "the pinpad had it reversed. A register that counts it as paid gives the goods away"),
        (True, "the pinpad keeps it in doubt. A register that counts it as unpaid takes the money twice"),
    ):
        told = [_in_words(one) for one in raised if one.text.startswith(_KEPT) is kept]
        if told:
            yield (
                "The register did not acknowledge the answer to an operation that the bank had approved, so "
                f"{what_follows}: {'; '.join(told)}"
            )


def _books(disagreement: str, *, owes: bool) -> str:
    hint = (
        " (after a fault that is meant: bank.recover(), then pinpad.clock.advance('1m') for the next attempt)"
        if owes
        else ""
    )
    return f"Bank, pinpad and register do not agree: {disagreement}{hint}."


def _twice(rows: Sequence[Operation], exchanges: Sequence[Exchange], taken: int) -> Iterator[str]:
    """The same charge of the same card more often than somebody has expected it.

    Seen is what this bank holds as approved and has not given back since; a return or a void is no charge.
    """
    back: Counter[OperationKey] = Counter()
    for row in rows:
        if row.state is OperationState.APPROVED and row.original is not None:
            back[row.original] += max(row.effect, 0)
    alike: dict[tuple[str, str, int], list[Operation]] = defaultdict(list)
    for row in rows:
        if row.state is OperationState.APPROVED and row.effect + back[row.key] < 0:
            alike[row.account or row.card_masked, str(row.transaction), row.money].append(row)
    for (card, _, money), charges in alike.items():
        rrns = {row.rrn for row in charges}
        wanted = sum(one.rrn in rrns for one in exchanges[:taken])
        if len(charges) > max(wanted, 1):
            yield _told(card, format_amount(money), charges, wanted)


def _told(card: str, money: str, charges: Sequence[Operation], wanted: int) -> str:
    times = {1: "once", 2: "twice"}
    often = times.get(len(charges), f"{len(charges)} times")
    each = "".join(
        f"\n  at {row.received_at:%H:%M:%S}, RRN {row.rrn}, STAN {row.key.stan}" for row in charges
    )
    expected = (
        f"the test expected {times.get(wanted, f'{wanted} times')}" if wanted else "nobody expected that"
    )
    return (
        f"The customer was charged {often}: {money} from the card {card}, and the bank holds all of it; "
        f"{expected}.{each}\n"
        "A register that is not sure asks for the reversal (operation 53) before it asks again. "
        "Where two equal charges are meant, expect each of them: pinpad.expect_sale(...)."
    )
