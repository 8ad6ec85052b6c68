"""What the bank remembers: operations, accounts, and how many authorizations it gave.

A ledger takes and gives values. The one in memory stands here; the one in a file is in ``runtime``. No card
number is ever stored clear: an operation names the account and shows the masked number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.units import CurrencyCode, MinorUnits


class OperationState(StrEnum):
    """Where an operation stands."""

    APPROVED = "approved"  # the money has moved
    DECLINED = "declined"  # nothing moved
    REVERSED = "reversed"  # it was approved, and the money is back
    REVERSED_EARLY = "reversed-early"  # its reversal came first: it will never be approved


@dataclass(frozen=True, slots=True)
class OperationKey:
    """What makes an operation the same one, in a repeat and in its reversal."""

    terminal_id: str
    merchant_id: str
    stan: int
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation and what became of it.

    ``account``: the card's name, empty when the bank knows none. ``content``: what the request asked for, to
    tell a repeat from another request under the same key; empty until the original has come.
    ``response_code``: the answer to the original; ``reversal_code``: the answer to every reversal of it.
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


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account as it stands now. ``balance`` in minor units; ``pin_tries_left`` 0: the PIN is blocked."""

    name: str
    balance: MinorUnits
    pin_tries_left: int
    blocked: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """All that one message changes. ``authorizations``: how many were given, this one included."""

    operation: Operation
    account: AccountState | None = None
    authorizations: int | None = None


class Ledger(Protocol):
    """What the bank needs of its memory."""

    def operation(self, key: OperationKey) -> Operation | None:
        """Return the operation under a key."""

    def operations(self) -> Sequence[Operation]:
        """Return all operations in the order in which the bank first heard of them."""

    def account(self, name: str) -> AccountState | None:
        """Return an account that has changed since the bank opened; None if it has not."""

    def accounts(self) -> Sequence[AccountState]:
        """Return all accounts that have changed, by name."""

    def authorizations(self) -> int:
        """Return how many authorization codes were given."""

    def commit(self, changes: Changes) -> None:
        """Write all changes or none; when it returns, they are kept.

        Raises:
            StateError: they could not be written.
        """


class MemoryLedger:
    """A ledger that lasts as long as the process."""

    def __init__(self) -> None:
        self._operations: dict[OperationKey, Operation] = {}
        self._accounts: dict[str, AccountState] = {}
        self._authorizations = 0

    def operation(self, key: OperationKey) -> Operation | None:
        return self._operations.get(key)

    def operations(self) -> Sequence[Operation]:
        return tuple(self._operations.values())

    def account(self, name: str) -> AccountState | None:
        return self._accounts.get(name)

    def accounts(self) -> Sequence[AccountState]:
        return tuple(self._accounts[name] for name in sorted(self._accounts))

    def authorizations(self) -> int:
        return self._authorizations

    def commit(self, changes: Changes) -> None:
        self._operations[changes.operation.key] = changes.operation
        if changes.account is not None:
            self._accounts[changes.account.name] = changes.account
        if changes.authorizations is not None:
            self._authorizations = changes.authorizations
