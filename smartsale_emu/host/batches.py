"""Operating days: the bank counts a batch itself, compares, takes uploads, and closes it once.

A batch that is closed stays closed: every further reconciliation of it gets the same answer, an upload into
it changes nothing, and no operation enters it.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from smartsale_emu.host.accounts import NOBODY, Accounts, moved
from smartsale_emu.host.followers import Followers
from smartsale_emu.host.ledger import (
    AccountState,
    Changes,
    Claim,
    ClosedBatch,
    Ledger,
    Operation,
    OperationKey,
    OperationState,
)
from smartsale_emu.host.profile import BankProfile, Surplus
from smartsale_emu.host.records import answer, batch_key, original_key, rrn_of, same_money
from smartsale_emu.host.rules import (
    APPROVED,
    INVALID,
    ORIGINAL_DIFFERS,
    OUT_OF_BALANCE,
    RULES,
    SYSTEM_ERROR,
    UNKNOWN_CARD,
    Objection,
)
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Step, Transaction
from smartsale_emu.payment.totals import BUCKETS, Totals


class Batches:
    """The bank's books of operating days."""

    def __init__(
        self, profile: BankProfile, ledger: Ledger, accounts: Accounts, followers: Followers
    ) -> None:
        self._profile, self._ledger = profile, ledger
        self._accounts, self._followers = accounts, followers

    def is_closed(self, request: AuthorizationRequest) -> bool:
        """Tell whether the batch of a request is closed; no batch never is."""
        return request.batch != 0 and self._ledger.closed_batch(batch_key(request)) is not None

    # --- reconciliation ---

    def reconcile(self, request: AuthorizationRequest, at: datetime) -> AuthorizationAnswer:
        """Compare the totals of a batch, and close it if they agree or the profile lets a surplus pass."""
        if request.totals is None or request.batch == 0:
            return answer(request, INVALID, at, because="a reconciliation without batch or totals")
        closed = self._ledger.closed_batch(batch_key(request))
        if closed is not None:
            return _said(request, closed)
        counting = [one for one in self._ledger.of_batch(batch_key(request)) if _counts(one)]
        counted = _sum(counting)
        if counted == request.totals:
            because = f"batch {request.batch}: in balance, operations: {len(counting)}"
            return self._close(request, request.totals, counted, (), at, because)
        surplus = tuple(one for one in counting if one.claim is not Claim.CLAIMED)
        told = tuple(one for one in counting if one.claim is Claim.CLAIMED)
        because = _difference(request.batch, request.totals, counted)
        if request.transaction is Transaction.CLOSING and _sum(told) == request.totals:
            because = f"batch {request.batch}: not claimed by the terminal: {_listed(surplus)}"
            if self._profile.surplus_at_closing is Surplus.ACCEPT:
                return self._close(request, request.totals, counted, surplus, at, because)
        return replace(answer(request, OUT_OF_BALANCE, at, because=because), totals=counted)

    def _close(
        self,
        request: AuthorizationRequest,
        claimed: Totals,
        counted: Totals,
        surplus: Iterable[Operation],
        at: datetime,
        because: str,
    ) -> AuthorizationAnswer:
        closed = ClosedBatch(
            key=batch_key(request),
            claimed=claimed,
            counted=counted,
            response_code=self._profile.in_balance,
            closed_at=at,
            because=because,
        )
        unclaimed = tuple(replace(one, claim=Claim.UNCLAIMED) for one in surplus)
        self._ledger.commit(Changes(unclaimed, closed=closed))
        return _said(request, closed)

    # --- uploads ---

    def upload(self, request: AuthorizationRequest, at: datetime) -> AuthorizationAnswer:
        """Take an operation that the terminal tells again: claimed if it is known, repaired if it is not."""
        if self.is_closed(request):
            return answer(request, APPROVED, at, because="the batch is closed, nothing changes")
        named = request.original
        key = original_key(request, named) if named is not None else None
        if key is None or request.batch == 0 or request.transaction not in RULES:
            return answer(request, SYSTEM_ERROR, at, because="an upload of nothing")
        held = self._ledger.operation(key)
        if held is None:
            return self._repair(key, request, at)
        objection = _against(request, held)
        if objection is not None:
            return answer(request, objection.code, at, because=objection.because, rrn=held.rrn)
        if held.claim is not Claim.CLAIMED:
            self._ledger.commit(Changes((replace(held, claim=Claim.CLAIMED),)))
        return _uploaded(request, held, at, "the bank knows it")

    def _repair(self, key: OperationKey, request: AuthorizationRequest, at: datetime) -> AuthorizationAnswer:
        original = self._followers.of_upload(request)
        holder = self._accounts.holder(request.card)
        name = holder.card.name if holder is not None else ""
        if original is not None and request.card is None:
            name = original.account
        account = self._accounts.state(name) or NOBODY
        if account is NOBODY:
            return answer(request, UNKNOWN_CARD, at, because="an upload for a card without an account")
        entered = self._entered(key, request, original, account, at)
        after = moved(account, entered.effect)
        self._ledger.commit(Changes((entered,), after if entered.effect else None))
        return _uploaded(request, entered, at, entered.because)

    def _entered(
        self,
        key: OperationKey,
        request: AuthorizationRequest,
        original: Operation | None,
        account: AccountState,
        at: datetime,
    ) -> Operation:
        named, masked = request.original, original.card_masked if original is not None else ""
        return Operation(
            key=key,
            step=Step.FINANCIAL,
            transaction=request.transaction,
            amount=request.amount,
            currency=request.currency,
            card_masked=request.card.masked if request.card is not None else masked,
            account=account.name,
            content="",
            state=OperationState.APPROVED,
            response_code=APPROVED,
            rrn=(named.rrn if named is not None else "") or rrn_of(key.stan, at),
            authorization_code=named.authorization_code if named is not None else "",
            received_at=at,
            because="the bank had forgotten it, the upload repairs",
            batch=request.batch,
            original=original.key if original is not None else None,
            effect=self._followers.repaired(request, original),
            claim=Claim.CLAIMED,
        )


def _against(request: AuthorizationRequest, held: Operation) -> Objection | None:
    """What speaks against the upload of an operation that is known."""
    if held.state is not OperationState.APPROVED:
        return Objection(ORIGINAL_DIFFERS, f"uploaded as approved, at the bank it is {held.state}")
    if held.batch != request.batch:
        return Objection(ORIGINAL_DIFFERS, f"uploaded in batch {request.batch}, it is of batch {held.batch}")
    if held.transaction is not request.transaction or not same_money(request, held):
        return Objection(ORIGINAL_DIFFERS, "uploaded with another transaction, amount or card")
    return None


def _uploaded(
    request: AuthorizationRequest, held: Operation, at: datetime, because: str
) -> AuthorizationAnswer:
    said = answer(request, APPROVED, at, because=because, rrn=held.rrn)
    return replace(said, authorization_code=held.authorization_code)


def _said(request: AuthorizationRequest, closed: ClosedBatch) -> AuthorizationAnswer:
    said = answer(request, closed.response_code, closed.closed_at, because=closed.because)
    return replace(said, totals=closed.counted)


def _counts(operation: Operation) -> bool:
    return operation.state is OperationState.APPROVED and operation.transaction in BUCKETS


def _sum(operations: Iterable[Operation]) -> Totals:
    return Totals.of((one.transaction, one.money) for one in operations)


def _listed(operations: tuple[Operation, ...]) -> str:
    return f"{len(operations)}, {sum(one.money for one in operations)} in all"


def _difference(batch: int, claimed: Totals, counted: Totals) -> str:
    return f"batch {batch}: the terminal claims a net of {claimed.net}, the bank counts {counted.net}"
