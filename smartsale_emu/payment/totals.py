"""The totals of an operating day: four buckets, each a count and an amount (PROTOCOL.md, section 5.5).

Terminal and bank add up alike, each from its own records; the settlement compares the results. A hold
(pre-authorization, its raise, its release) counts nowhere: only its completion does.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from smartsale_emu.payment.transaction import Transaction


class Bucket(StrEnum):
    """Where an approved operation counts; the names are those of fields 29 to 32 and 49 to 52."""

    DEBIT = "debit"  # money that the cardholder paid or drew
    CREDIT = "credit"  # money that came to the cardholder
    VOID_DEBIT = "void_debit"
    VOID_CREDIT = "void_credit"


BUCKETS: dict[Transaction, Bucket] = {
    Transaction.PURCHASE: Bucket.DEBIT,
    Transaction.CASH: Bucket.DEBIT,
    Transaction.COMPLETION: Bucket.DEBIT,
    Transaction.RETURN: Bucket.CREDIT,
    Transaction.TOP_UP: Bucket.CREDIT,
    Transaction.VOID: Bucket.VOID_DEBIT,
    Transaction.VOID_OF_CREDIT: Bucket.VOID_CREDIT,
}
"""What is not here counts nowhere."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many operations, and how much in minor units."""

    count: int = 0
    amount: int = 0

    def plus(self, amount: int) -> "Tally":
        """Return a tally with one more operation."""
        return Tally(self.count + 1, self.amount + amount)


@dataclass(frozen=True, slots=True)
class Totals:
    """The four buckets of one operating day.

    >>> totals = Totals().plus(Transaction.PURCHASE, 1200).plus(Transaction.VOID, 200)
    >>> totals.debit, totals.void_debit, totals.net
    (Tally(count=1, amount=1200), Tally(count=1, amount=200), 1000)
    """

    debit: Tally = Tally()
    credit: Tally = Tally()
    void_debit: Tally = Tally()
    void_credit: Tally = Tally()

    @classmethod
    def of(cls, operations: Iterable[tuple[Transaction, int]]) -> "Totals":
        """Return the totals of approved operations, each with its amount."""
        totals = cls()
        for transaction, amount in operations:
            totals = totals.plus(transaction, amount)
        return totals

    def plus(self, transaction: Transaction, amount: int) -> "Totals":
        """Return the totals with one more approved operation; one that counts nowhere changes nothing."""
        bucket = BUCKETS.get(transaction)
        if bucket is None:
            return self
        tally: Tally = getattr(self, bucket)
        return replace(self, **{bucket.value: tally.plus(amount)})

    @property
    def net(self) -> int:
        """What the bank owes the shop, in minor units; negative when the shop owes the bank."""
        return self.debit.amount - self.void_debit.amount - self.credit.amount + self.void_credit.amount
