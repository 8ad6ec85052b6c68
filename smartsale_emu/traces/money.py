"""Who holds the money of an operation, in one sentence."""

from collections.abc import Iterable, Sequence

from smartsale_emu.host.ledger import Operation, OperationState
from smartsale_emu.payment.authorization import Transaction
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.sa.codes import Status
from smartsale_emu.traces.life import Follower, Life, Undone
from smartsale_emu.traces.moments import stan_told
from smartsale_emu.units import MinorUnits

_HELD = {
    Transaction.PURCHASE: "the shop has {} of the customer's account",
    Transaction.COMPLETION: "the shop has {} of the customer's account",
    Transaction.CASH: "the customer has {} in cash, taken from the account",
    Transaction.TOP_UP: "the customer's account has {} more",
    Transaction.RETURN: "the customer has {} back from the shop",
    Transaction.VOID: "the customer has {} back",
    Transaction.VOID_OF_CREDIT: "the shop has {} back",
    Transaction.VOID_OF_HOLD: "the customer's {} is free again",
    Transaction.PREAUTHORIZATION: "{} is held on the customer's account, and is still the customer's",
    Transaction.RAISE: "{} more is held on the customer's account, and is still the customer's",
}
_NOTHING_MOVED = "nothing has moved: everybody has what they had before"
_BACK = frozenset(
    {Transaction.VOID, Transaction.RETURN, Transaction.VOID_OF_CREDIT, Transaction.VOID_OF_HOLD}
)


def who_holds(life: Life, ledger: Sequence[Operation] | None = None) -> str:
    """Return who holds the money. ``ledger``: the bank's operations, None when only the trace is known."""
    held = _HELD.get(Transaction(life.transaction)) if life.transaction in set(Transaction) else None
    if held is None:
        return "no money: it only asked or told something"
    if ledger is None:
        return _by_trace(life, held)
    row = row_of(life, ledger)
    return _beside_ledger(life) if row is None else _by_ledger(life, row, held, ledger)


def row_of(life: Life, ledger: Iterable[Operation]) -> Operation | None:
    """Return what the bank's ledger has of an operation, None when it does not have it."""
    keys = ((row.key.stan, row.key.sent_at.isoformat(), row) for row in ledger)
    return next((row for stan, sent_at, row in keys if (stan, sent_at) == (life.stan, life.sent_at)), None)


def _by_trace(life: Life, held: str) -> str:
    amount = format_amount(life.amount)
    if life.undone is Undone.OWED:
        return (
            f"not decided: the bank may hold {amount} as approved until it answers the reversal,"
            " which the pinpad repeats"
        )
    if life.undone is Undone.ALARM:
        return f"not decided: the bank refused the reversal of {amount}; somebody has to ask it"
    if life.undone is Undone.DONE:
        return f"{_NOTHING_MOVED}; it was undone{_register_believes(life)}"
    if life.unanswered:
        return (
            f"not decided: the bank was asked and may hold {amount} as approved; the trace has no answer and"
            " no reversal of it. The pinpad owes the reversal, and sends it unless the answer comes"
        )
    if not life.code:
        return f"{_NOTHING_MOVED}: not one byte of it left for the bank"
    if not life.approved:
        return f"{_NOTHING_MOVED}: the bank declined"
    doubt = "" if life.acknowledged else "; the register has not acknowledged it in this trace"
    return f"{_approved(life.followers, held, life.amount)}{_undecided(life.followers)}{doubt}"


def _beside_ledger(life: Life) -> str:
    """Tell an operation that the ledger does not have."""
    if life.approved and life.undone is not Undone.DONE:
        return (
            f"not decided: the trace says that the bank approved {format_amount(life.amount)}, and its"
            " ledger does not have it: this is another bank's ledger, or it lost the row"
        )
    return f"nothing has moved at this bank: its ledger does not have it{_debt(life)}"


def _by_ledger(life: Life, row: Operation, held: str, ledger: Iterable[Operation]) -> str:
    match row.state:
        case OperationState.APPROVED:
            followers = [
                Follower(one.transaction, one.key.stan, one.money, stands=True)
                for one in ledger
                if one.original == row.key and one.state is OperationState.APPROVED
            ]
            return f"{_approved(followers, held, row.money)}{_debt(life)}"
        case OperationState.DECLINED:
            return f"{_NOTHING_MOVED}: the bank declined"
        case _:
            return f"{_NOTHING_MOVED}; the bank has it as {row.state}{_register_believes(life)}"


def _debt(life: Life) -> str:
    """Say so when the pinpad owes the bank a reversal, as far as the trace tells."""
    if life.undone is Undone.OWED:
        return "; the pinpad still owes the bank its reversal"
    if life.unanswered:
        return "; the trace has no answer of it: the pinpad owes the reversal, unless the answer came later"
    return ""


def _approved(followers: Iterable[Follower], held: str, amount: MinorUnits) -> str:
    """Tell an operation that stands, less what later ones gave back."""
    stand = [one for one in followers if one.stands]
    completion = next((one for one in stand if one.transaction == Transaction.COMPLETION), None)
    if completion is not None:
        return f"the hold is over: {_follower(completion)} took its place"
    back = [one for one in stand if one.transaction in _BACK]
    other = "".join(f"; followed by {_follower(one)}" for one in stand if one not in back)
    left = MinorUnits(amount - sum(one.amount for one in back))
    if not back:
        return f"{held.format(format_amount(amount))}{other}"
    by = ", ".join(_follower(one) for one in back)
    if left <= 0:
        return f"everybody has what they had before: all of it went back by {by}"
    return f"{held.format(format_amount(left))}{other}: {format_amount(amount)} less {by}"


def _undecided(followers: Iterable[Follower]) -> str:
    named = ", ".join(_follower(one) for one in followers if one.undecided)
    return f"; not decided so far: {named}" if named else ""


def _follower(one: Follower) -> str:
    return f"{one.transaction.replace('_', ' ')} of {format_amount(one.amount)} ({stan_told(one.stan)})"


def _register_believes(life: Life) -> str:
    """Say so when the register was sent an approval that was undone later."""
    if life.status != str(int(Status.DONE)) or life.acknowledged:
        return ""
    return ". The register may believe that it was paid: an approval was sent, its ACK never came"
