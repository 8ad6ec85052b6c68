"""The mock bank: one request in, one answer out, everything it must remember in the ledger before it answers.

What it promises about money:

* the same request again gets the same answer, and nothing moves twice (a PIN is not compared: whoever tries
  another one takes a new STAN);
* a reversal gives the money back once, however often it comes, and is answered alike each time;
* a reversal that overtakes its original is remembered, and the original is declined when it comes;
* an original that comes again after its reversal is declined: the operation is as if it had never been.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from smartsale_emu.errors import ProfileError
from smartsale_emu.host import issuer
from smartsale_emu.host.ledger import (
    AccountState,
    Changes,
    Ledger,
    Operation,
    OperationKey,
    OperationState,
)
from smartsale_emu.host.profile import APPROVED, BankProfile
from smartsale_emu.pan import mask_pan
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    Original,
    Step,
    Transaction,
)
from smartsale_emu.payment.card import TestCard
from smartsale_emu.payment.response_codes import moves_money
from smartsale_emu.security.keys import KeyRing, KeyUsage
from smartsale_emu.units import MinorUnits

_AUTHORIZATION_STRIDE = 314_159  # shares no factor with a million: every code once in a million


class Bank:
    """Accounts of test cards behind the rules of an issuer and an acquirer.

    Raises:
        KeySlotError: the key of the PIN block is missing, or is a key for something else.
        ProfileError: a card forces what is no response code.
    """

    def __init__(
        self, profile: BankProfile, cards: Iterable[TestCard], ledger: Ledger, keys: KeyRing
    ) -> None:
        self._profile = profile
        self._by_pan = {card.card.pan: card for card in cards}
        self._by_name = {card.card.name: card for card in self._by_pan.values()}
        for card in self._by_name.values():
            _check_force(card)
        self._ledger = ledger
        self._pin_key = keys.get(profile.pin_key, KeyUsage.PIN).value

    def handle(self, request: AuthorizationRequest, at: datetime) -> AuthorizationAnswer:
        """Answer one request that came ``at`` this local date and time.

        Raises:
            StateError: the ledger could not be written; nothing has happened and nothing may be answered.
        """
        match request.step:
            case Step.NETWORK:
                return _answer(request, APPROVED, at, because="the bank is here")
            case Step.FINANCIAL:
                return self._financial(request, at)
            case Step.REVERSAL:
                return self._reversal(request, at)
            case _:
                assert_never(request.step)

    def account(self, name: str) -> AccountState | None:
        """Return the account of a card as it stands now, by the card's name."""
        known = self._ledger.account(name)
        card = self._by_name.get(name)
        if known is not None or card is None:
            return known
        opening = card.account
        return AccountState(name, opening.balance, opening.pin_tries, opening.blocked)

    # --- a request that moves money ---

    def _financial(self, request: AuthorizationRequest, at: datetime) -> AuthorizationAnswer:
        key = _key(request, request)
        held = self._ledger.operation(key)
        if held is None:
            return self._first_time(key, request, at)
        if held.state is OperationState.REVERSED_EARLY and not held.content:
            return self._overtaken(held, request)
        if held.content != self._content(request):
            return _answer(
                request, issuer.ORIGINAL_DIFFERS, at, because="the same STAN and time with another content"
            )
        if held.state is OperationState.REVERSED:
            return _answer(
                request,
                self._profile.late_original,
                at,
                rrn=held.rrn,
                because="repeated after it was reversed",
            )
        return _answer_again(request, held)

    def _first_time(
        self, key: OperationKey, request: AuthorizationRequest, at: datetime
    ) -> AuthorizationAnswer:
        decision = self._decide(request, at)
        approved = moves_money(decision.code)
        given = self._ledger.authorizations() + 1 if approved else None
        operation = Operation(
            key=key,
            step=request.step,
            transaction=request.transaction,
            amount=request.amount,
            currency=request.currency,
            card_masked=request.card.masked if request.card is not None else "",
            account=decision.account.name,
            content=self._content(request),
            state=OperationState.APPROVED if approved else OperationState.DECLINED,
            response_code=decision.code,
            rrn=_rrn(request.stan, at),
            authorization_code=_authorization_code(given) if given is not None else "",
            received_at=at,
            because=decision.because,
        )
        unchanged = decision.account == self.account(decision.account.name)
        changed = None if unchanged or not decision.account.name else decision.account
        self._ledger.commit(Changes(operation, changed, given))
        return _answer_again(request, operation)

    def _decide(self, request: AuthorizationRequest, at: datetime) -> issuer.Decision:
        nobody = AccountState("", MinorUnits(0), 0, blocked=False)
        if request.transaction is not Transaction.PURCHASE or request.card is None:
            return issuer.Decision(issuer.SYSTEM_ERROR, "no purchase with a card", nobody)
        holder = self._by_pan.get(request.card.pan)
        account = self.account(holder.card.name) if holder is not None else None
        if holder is None or account is None:
            return issuer.Decision(issuer.UNKNOWN_CARD, "no account has this card number", nobody)
        return issuer.decide(request, holder, account, at=at, pin_key=self._pin_key, profile=self._profile)

    def _overtaken(self, held: Operation, request: AuthorizationRequest) -> AuthorizationAnswer:
        late = replace(
            held,
            content=self._content(request),
            response_code=self._profile.late_original,
            because="its reversal came first",
        )
        self._ledger.commit(Changes(late))
        return _answer_again(request, late)

    # --- a reversal ---

    def _reversal(self, request: AuthorizationRequest, at: datetime) -> AuthorizationAnswer:
        if request.original is None:
            return _answer(request, issuer.SYSTEM_ERROR, at, because="a reversal of nothing")
        key = _key(request, request.original)
        held = self._ledger.operation(key)
        if held is None:
            return self._early(key, request, at)
        if not self._same_money(request, held):
            because = "the reversal has another amount or card than its original"
            return _answer(request, issuer.ORIGINAL_DIFFERS, at, because=because)
        if held.reversal_count:
            return self._reversed(request, replace(held, reversal_count=held.reversal_count + 1), None)
        account = None
        state = held.state
        if state is OperationState.APPROVED:
            account = self.account(held.account)
            if account is None:
                because = f"the account {held.account} has gone, its money cannot be given back"
                return _answer(request, issuer.SYSTEM_ERROR, at, because=because)
            account, state = _credited(account, held.amount), OperationState.REVERSED
        undone = replace(held, state=state, reversal_code=APPROVED, reversal_count=1, reversed_at=at)
        return self._reversed(request, undone, account)

    def _early(self, key: OperationKey, request: AuthorizationRequest, at: datetime) -> AuthorizationAnswer:
        holder = self._by_pan.get(request.card.pan) if request.card is not None else None
        operation = Operation(
            key=key,
            step=Step.FINANCIAL,
            transaction=request.transaction,
            amount=request.amount,
            currency=request.currency,
            card_masked=request.card.masked if request.card is not None else "",
            account=holder.card.name if holder is not None else "",
            content="",
            state=OperationState.REVERSED_EARLY,
            response_code="",
            rrn=_rrn(request.stan, at),
            authorization_code="",
            received_at=at,
            because="its reversal came and the original has not",
            reversal_code=self._profile.reversal_of_unknown,
            reversal_count=1,
            reversed_at=at,
        )
        return self._reversed(request, operation, None)

    def _reversed(
        self, request: AuthorizationRequest, undone: Operation, account: AccountState | None
    ) -> AuthorizationAnswer:
        self._ledger.commit(Changes(undone, account))
        return AuthorizationAnswer(
            step=request.step,
            stan=request.stan,
            response_code=undone.reversal_code,
            rrn=undone.rrn,
            authorization_code=undone.authorization_code,
            answered_at=undone.reversed_at,
            terminal_id=request.terminal_id,
            because=_REVERSAL_REASONS[undone.state],
        )

    def _same_money(self, request: AuthorizationRequest, held: Operation) -> bool:
        if request.amount != held.amount or request.currency not in (None, held.currency):
            return False
        return request.card is None or request.card.masked == held.card_masked

    def _content(self, request: AuthorizationRequest) -> str:
        """What was asked for, in words that may be kept: a repeat has the same."""
        card = request.card
        holder = self._by_pan.get(card.pan) if card is not None else None
        who = holder.card.name if holder is not None else mask_pan(card.pan) if card is not None else "-"
        how = card.entry_mode if card is not None else "-"
        pin = "pin" if request.pin_block is not None else "no-pin"
        return f"{request.transaction} {request.amount} {request.currency or '-'} {who} {how} {pin}"


_REVERSAL_REASONS = {
    OperationState.REVERSED: "the money is back",
    OperationState.DECLINED: "the original was declined, there is nothing to give back",
    OperationState.REVERSED_EARLY: "the original has not been approved and never will be",
}


def _check_force(card: TestCard) -> None:
    forced = card.account.force
    if forced and not (len(forced) == 2 and forced.isascii() and forced.isalnum()):
        raise ProfileError(f"card {card.card.name}: account.force: must be a response code of two characters")


def _key(request: AuthorizationRequest, named: AuthorizationRequest | Original) -> OperationKey:
    return OperationKey(request.terminal_id, request.merchant_id, named.stan, named.sent_at)


def _credited(account: AccountState, amount: int) -> AccountState:
    return replace(account, balance=MinorUnits(account.balance + amount))


def _rrn(stan: int, at: datetime) -> str:
    """Return the usual form of a retrieval reference number: YDDDHH and the STAN.

    >>> _rrn(123, datetime(2026, 11, 23, 5, 0, 0))
    '632705000123'
    """
    return f"{at:%Y}"[-1] + f"{at:%j%H}{stan:06d}"


def _authorization_code(count: int) -> str:
    """Return the code of the ``count``-th approval: six digits that look drawn and are not.

    >>> _authorization_code(1), _authorization_code(2)
    ('314159', '628318')
    """
    return f"{count * _AUTHORIZATION_STRIDE % 1_000_000:06d}"


def _answer(
    request: AuthorizationRequest, code: str, at: datetime, *, because: str, rrn: str = ""
) -> AuthorizationAnswer:
    return AuthorizationAnswer(
        step=request.step,
        stan=request.stan,
        response_code=code,
        rrn=rrn,
        answered_at=at,
        terminal_id=request.terminal_id,
        because=because,
    )


def _answer_again(request: AuthorizationRequest, held: Operation) -> AuthorizationAnswer:
    """The answer to an original, the same each time."""
    return AuthorizationAnswer(
        step=request.step,
        stan=request.stan,
        response_code=held.response_code,
        rrn=held.rrn,
        authorization_code=held.authorization_code,
        answered_at=held.received_at,
        terminal_id=request.terminal_id,
        because=held.because,
    )
