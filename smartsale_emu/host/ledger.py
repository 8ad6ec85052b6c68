"""What the bank remembers: operations, accounts, closed batches, and how many authorizations it gave.

A ledger takes and gives values. The one in memory stands here; the one in a file is in ``runtime``. No card
number is ever stored clear: an operation names the account and shows the masked number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.payment.totals import Totals
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.security.protection import SessionKey
from smartsale_emu.units import CurrencyCode, MinorUnits


class OperationState(StrEnum):
    """Where an operation stands."""

    APPROVED = "approved"  # the money has moved
    DECLINED = "declined"  # nothing moved
    REVERSED = "reversed"  # it was approved, and the money is back
    REVERSED_EARLY = "reversed-early"  # its reversal came first: it will never be approved


class Claim(StrEnum):
    """Whether the terminal told an operation again when the totals of its batch differed."""

    UNASKED = "unasked"  # there was no upload of its batch, or it is not over
    CLAIMED = "claimed"  # uploaded
    UNCLAIMED = "unclaimed"  # not uploaded, and the batch was closed without it


@dataclass(frozen=True, slots=True)
class OperationKey:
    """What makes an operation the same one, in a repeat and in its reversal."""

    terminal_id: str
    merchant_id: str
    stan: int
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class BatchKey:
    """One operating day of one terminal. ``number``: 1 to 999999."""

    terminal_id: str
    merchant_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation and what became of it.

    ``account``: the card's name, empty when the bank knows none. ``content``: what the request asked for, to
    tell a repeat from another request under the same key; empty until the original has come.
    ``response_code``: the answer to the original; ``reversal_code``: the answer to every reversal of it.
    ``batch``: number of the operating day, 0 for none. ``original``: the operation that this one follows.
    ``effect``: what its approval added to the account, minor units with a sign; a reversal takes it away
    again. ``balance``: what an inquiry was told. ``approved``: the part that was approved, None for
    all of it. ``icc``: DE55 of the answer to the original, None if it has none.
    """

    key: OperationKey
    step: Step
    transaction: Transaction
    amount: MinorUnits
    currency: CurrencyCode | None
    card_masked: str
    account: str
    content: str
    state: OperationState
    response_code: str
    rrn: str
    authorization_code: str
    received_at: datetime
    because: str
    reversal_code: str = ""
    reversal_count: int = 0
    reversed_at: datetime | None = None
    batch: int = 0
    original: OperationKey | None = None
    effect: int = 0
    balance: MinorUnits | None = None
    claim: Claim = Claim.UNASKED
    approved: MinorUnits | None = None
    icc: SecretBytes | None = None

    @property
    def money(self) -> MinorUnits:
        """What it is about once it is decided: the part that was approved, else the amount asked for."""
        return self.amount if self.approved is None else self.approved

    @property
    def batch_key(self) -> BatchKey:
        """The batch that it belongs to; number 0 is none."""
        return BatchKey(self.key.terminal_id, self.key.merchant_id, self.batch)


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account as it stands now. ``balance`` in minor units; ``pin_tries_left`` 0: the PIN is blocked.

    ``counter``: the card's transaction counter (ATC) in the last cryptogram that was proved, None before.
    """

    name: str
    balance: MinorUnits
    pin_tries_left: int
    blocked: bool
    counter: int | None = None


@dataclass(frozen=True, slots=True)
class ClosedBatch:
    """A batch that the bank has closed, and the answer to every further reconciliation of it.

    ``claimed``: the terminal's totals; ``counted``: the bank's.
    """

    key: BatchKey
    claimed: Totals
    counted: Totals
    response_code: str
    closed_at: datetime
    because: str


@dataclass(frozen=True, slots=True)
class KeyOffer:
    """The session keys that a terminal was offered by a key change; none: those of the slots."""

    terminal_id: str
    keys: tuple[SessionKey, ...]


FROM_THE_START: tuple[tuple[SessionKey, ...], ...] = ((),)
"""What a terminal may be using before the first key change: the keys of the slots."""


@dataclass(frozen=True, slots=True)
class Changes:
    """All that one message changes. ``authorizations``: how many were given, this one included.

    ``rule_counts``: how often rules of the rulebook have held, by name, this time included. ``offer``: new
    session keys for a terminal. ``taken``: the offer that a message of it was made with; those before are
    forgotten, and nothing else ever forgets one.
    """

    operations: tuple[Operation, ...] = ()
    account: AccountState | None = None
    authorizations: int | None = None
    closed: ClosedBatch | None = None
    rule_counts: tuple[tuple[str, int], ...] = ()
    offer: KeyOffer | None = None
    taken: KeyOffer | None = None


class Ledger(Protocol):
    """What the bank needs of its memory."""

    def operation(self, key: OperationKey) -> Operation | None:
        """Return the operation under a key."""

    def operations(self) -> Sequence[Operation]:
        """Return all operations in the order in which the bank first heard of them."""

    def by_rrn(self, merchant_id: str, rrn: str) -> Sequence[Operation]:
        """Return the operations of a merchant under one retrieval reference number, in that order."""

    def followers(self, key: OperationKey) -> Sequence[Operation]:
        """Return the approved operations whose original is the one under a key, in that order."""

    def of_batch(self, key: BatchKey) -> Sequence[Operation]:
        """Return all operations of a batch, in that order."""

    def of_day(self, account: str, day: date) -> Sequence[Operation]:
        """Return all operations of an account that came on one day of the bank, in that order."""

    def account(self, name: str) -> AccountState | None:
        """Return an account that has changed since the bank opened; None if it has not."""

    def accounts(self) -> Sequence[AccountState]:
        """Return all accounts that have changed, by name."""

    def closed_batch(self, key: BatchKey) -> ClosedBatch | None:
        """Return a batch that was closed; None if it was not."""

    def closed_batches(self) -> Sequence[ClosedBatch]:
        """Return all closed batches in the order of their closing."""

    def authorizations(self) -> int:
        """Return how many authorization codes were given."""

    def rule_count(self, name: str) -> int:
        """Return how often a counted rule of the rulebook has held."""

    def offers(self, terminal_id: str) -> Sequence[tuple[SessionKey, ...]]:
        """Return the offers of session keys that a terminal may be using, the newest first.

        An empty one stands for the keys of the slots; without any key change it is the only one.
        """

    def commit(self, changes: Changes) -> None:
        """Write all changes or none; when it returns, they are kept.

        Raises:
            StateError: they could not be written.
        """


class MemoryLedger:
    """A ledger that lasts as long as the process."""

    def __init__(self) -> None:
        self._operations: dict[OperationKey, Operation] = {}
        self._by_rrn: dict[tuple[str, str], dict[OperationKey, None]] = {}
        self._by_original: dict[OperationKey, dict[OperationKey, None]] = {}
        self._by_batch: dict[BatchKey, dict[OperationKey, None]] = {}
        self._accounts: dict[str, AccountState] = {}
        self._closed: dict[BatchKey, ClosedBatch] = {}
        self._authorizations = 0
        self._rule_counts: dict[str, int] = {}
        self._offers: dict[str, tuple[tuple[SessionKey, ...], ...]] = {}

    def operation(self, key: OperationKey) -> Operation | None:
        return self._operations.get(key)

    def operations(self) -> Sequence[Operation]:
        return tuple(self._operations.values())

    def by_rrn(self, merchant_id: str, rrn: str) -> Sequence[Operation]:
        return tuple(self._operations[key] for key in self._by_rrn.get((merchant_id, rrn), ()))

    def followers(self, key: OperationKey) -> Sequence[Operation]:
        found = (self._operations[follower] for follower in self._by_original.get(key, ()))
        return tuple(operation for operation in found if operation.state is OperationState.APPROVED)

    def of_batch(self, key: BatchKey) -> Sequence[Operation]:
        return tuple(self._operations[member] for member in self._by_batch.get(key, ()))

    def of_day(self, account: str, day: date) -> Sequence[Operation]:
        of_account = (one for one in self._operations.values() if one.account == account)
        return tuple(one for one in of_account if one.received_at.date() == day)

    def account(self, name: str) -> AccountState | None:
        return self._accounts.get(name)

    def accounts(self) -> Sequence[AccountState]:
        return tuple(self._accounts[name] for name in sorted(self._accounts))

    def forget_last(self) -> None:
        """Lose the last approved operation, as a bank does that is put back to its backup."""
        for key in reversed(self._operations):
            if self._operations[key].state is OperationState.APPROVED:
                lost = self._operations.pop(key)
                for index in (self._by_rrn, self._by_original, self._by_batch):
                    for members in index.values():
                        members.pop(key, None)
                account = self._accounts.get(lost.account)
                if account is not None:
                    restored = MinorUnits(account.balance - lost.effect)
                    self._accounts[lost.account] = replace(account, balance=restored)
                return

    def forget_all(self) -> None:
        """Lose everything: a bank on its first day."""
        vars(self).update(vars(MemoryLedger()))

    def closed_batch(self, key: BatchKey) -> ClosedBatch | None:
        return self._closed.get(key)

    def closed_batches(self) -> Sequence[ClosedBatch]:
        return tuple(self._closed.values())

    def authorizations(self) -> int:
        return self._authorizations

    def rule_count(self, name: str) -> int:
        return self._rule_counts.get(name, 0)

    def offers(self, terminal_id: str) -> Sequence[tuple[SessionKey, ...]]:
        return self._offers.get(terminal_id, FROM_THE_START)

    def commit(self, changes: Changes) -> None:
        if changes.offer is not None:
            terminal = changes.offer.terminal_id
            self._offers[terminal] = (changes.offer.keys, *self.offers(terminal))
        if changes.taken is not None:
            held = self.offers(changes.taken.terminal_id)
            self._offers[changes.taken.terminal_id] = tuple(held[: held.index(changes.taken.keys) + 1])
        for operation in changes.operations:
            self._put(operation)
        if changes.account is not None:
            self._accounts[changes.account.name] = changes.account
        if changes.authorizations is not None:
            self._authorizations = changes.authorizations
        if changes.closed is not None:
            self._closed[changes.closed.key] = changes.closed
        self._rule_counts.update(changes.rule_counts)

    def _put(self, operation: Operation) -> None:
        """Keep an operation; its RRN, original and batch never change once it has them."""
        key = operation.key
        self._operations[key] = operation
        self._by_rrn.setdefault((key.merchant_id, operation.rrn), {})[key] = None
        self._by_batch.setdefault(operation.batch_key, {})[key] = None
        if operation.original is not None:
            self._by_original.setdefault(operation.original, {})[key] = None
