"""What the bank does with each transaction, as a table, and its response codes (DE39).

A transaction either stands alone (a purchase) or follows an original (its void); a return may do both.
"""

from dataclasses import dataclass
from enum import StrEnum

from smartsale_emu.payment.transaction import Transaction

APPROVED = "00"
UNKNOWN_TERMINAL = "03"
NOT_HONOURED = "05"
PART_APPROVED = "10"
INVALID = "12"
BAD_AMOUNT = "13"
UNKNOWN_CARD = "14"
NOT_FOUND = "25"
BLOCKED = "41"
POOR = "51"
EXPIRED = "54"
WRONG_PIN = "55"
NOT_AT_TERMINAL = "58"
OVER_LIMIT = "61"
TOO_OFTEN = "65"
PIN_TRIES_OVER = "75"
WRONG_PIN_BLOCK = "81"
ORIGINAL_DIFFERS = "94"
OUT_OF_BALANCE = "95"
SYSTEM_ERROR = "96"
WRONG_MAC = "A0"


class PinDemand(StrEnum):
    """Whose rule says whether a PIN must come. One that comes is always checked."""

    BY_CARD = "by-card"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Rule:
    """What the bank does with one transaction.

    ``direction``: -1 takes the amount from the account, +1 gives it, 0 moves nothing. ``alone``: it may come
    without an original. ``follows``: what its original may be. ``like_new``: the state of the card and the
    limits of the account are asked although it follows something.
    """

    direction: int
    pin: PinDemand = PinDemand.NEVER
    alone: bool = True
    follows: frozenset[Transaction] = frozenset()
    like_new: bool = False


@dataclass(frozen=True, slots=True)
class Objection:
    """Why not: a response code and the reason for the trace."""

    code: str
    because: str


_HOLD = frozenset({Transaction.PREAUTHORIZATION})

RULES: dict[Transaction, Rule] = {
    Transaction.PURCHASE: Rule(-1, PinDemand.BY_CARD),
    Transaction.CASH: Rule(-1, PinDemand.ALWAYS),
    Transaction.TOP_UP: Rule(+1),
    Transaction.BALANCE: Rule(0, PinDemand.ALWAYS),
    Transaction.PREAUTHORIZATION: Rule(-1, PinDemand.BY_CARD),
    Transaction.RETURN: Rule(+1, follows=frozenset({Transaction.PURCHASE, Transaction.COMPLETION})),
    Transaction.VOID: Rule(
        +1, alone=False, follows=frozenset({Transaction.PURCHASE, Transaction.CASH, Transaction.COMPLETION})
    ),
    Transaction.VOID_OF_CREDIT: Rule(
        -1, alone=False, follows=frozenset({Transaction.RETURN, Transaction.TOP_UP})
    ),
    Transaction.VOID_OF_HOLD: Rule(+1, alone=False, follows=_HOLD),
    Transaction.RAISE: Rule(-1, alone=False, follows=_HOLD, like_new=True),
    Transaction.COMPLETION: Rule(-1, alone=False, follows=_HOLD),
}
"""What is not here asks nothing of an account."""


def told_apart(one: Transaction, other: Transaction) -> bool:
    """Tell whether an original tells the two apart: one of them always names one, the other never does.

    >>> told_apart(Transaction.PREAUTHORIZATION, Transaction.RAISE)
    True
    >>> told_apart(Transaction.PURCHASE, Transaction.RETURN)
    False
    """
    habits = {_habit(one), _habit(other)}
    return habits == {"always", "never"}


def always_follows(transaction: Transaction) -> bool:
    """Tell whether a transaction makes no sense without an original."""
    return _habit(transaction) == "always"


def _habit(transaction: Transaction) -> str:
    rule = RULES.get(transaction)
    if rule is None or not rule.follows:
        return "never"
    return "sometimes" if rule.alone else "always"
