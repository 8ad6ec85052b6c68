"""The mock bank: one request in, one answer out, everything it must remember in the ledger before it answers.

What it promises about money:

* the same request again gets the same answer, DE55 included, and nothing moves twice (a PIN is not compared:
  whoever tries another one takes a new STAN);
* a reversal undoes exactly the operation that it names, once, however often it comes, and is answered alike
  each time; what later operations build on cannot be reversed any more, and then nothing moves;
* a reversal that overtakes its original is remembered, and the original is declined when it comes;
* an original that comes again after its reversal is declined: the operation is as if it had never been;
* voids and returns never give back more than was paid, completions never take more than was held;
* a batch is closed once, and no operation enters it afterwards.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import assert_never

from smartsale_emu.errors import KeySlotError
from smartsale_emu.host import issuer
from smartsale_emu.host.accounts import NOBODY, Accounts, moved
from smartsale_emu.host.batches import Batches
from smartsale_emu.host.chip_check import ChipDesk
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.followers import Followers
from smartsale_emu.host.guard import Guard
from smartsale_emu.host.ledger import (
    AccountState,
    Changes,
    KeyOffer,
    Ledger,
    Operation,
    OperationKey,
    OperationState,
)
from smartsale_emu.host.merchants import merchant_objection
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.host.records import (
    answer,
    answer_again,
    authorization_code,
    original_key,
    own_key,
    rrn_of,
    same_money,
)
from smartsale_emu.host.rulebook import NO_RULES, BookRule, Rulebook
from smartsale_emu.host.rules import (
    APPROVED,
    INVALID,
    ORIGINAL_DIFFERS,
    RULES,
    SYSTEM_ERROR,
    UNKNOWN_CARD,
    Objection,
)
from smartsale_emu.pan import mask_pan
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Step, Transaction
from smartsale_emu.payment.card import TestCard
from smartsale_emu.payment.response_codes import moves_money
from smartsale_emu.security.bank_safe import BankSafe
from smartsale_emu.security.keys import KeyRing
from smartsale_emu.security.protection import KeyScheme


def _no_entropy(_: int) -> bytes:
    raise AssertionError("this bank was given no entropy")


class Bank:
    """Accounts of test cards behind the rules of an issuer and an acquirer.

    ``entropy``: random bytes, for new session keys.

    Raises:
        KeySlotError: a key of the profile's scheme or of an issuer of the rulebook is missing, or is a key
            for something else.
    """

    def __init__(
        self,
        profile: BankProfile,
        cards: Iterable[TestCard],
        ledger: Ledger,
        keys: KeyRing,
        rulebook: Rulebook = NO_RULES,
        entropy: Callable[[int], bytes] = _no_entropy,
    ) -> None:
        self._profile, self._ledger, self._rulebook = profile, ledger, rulebook
        self._accounts = Accounts(cards, ledger, rulebook)
        self._followers = Followers(profile, ledger)
        self._batches = Batches(profile, ledger, self._accounts, self._followers)
        self._safe = BankSafe(keys, entropy, profile.protection)
        self._chips = ChipDesk(keys, rulebook, profile.chip, pin_missing=profile.pin_missing)

    def handle(self, request: AuthorizationRequest, at: datetime) -> AuthorizationAnswer:
        """Answer one request that came ``at`` this local date and time.

        Raises:
            StateError: the ledger could not be written; nothing has happened and nothing may be answered.
        """
        objection = merchant_objection(self._rulebook.merchants, request)
        if objection is not None and request.step is not Step.FINANCIAL:  # a repeat may have its answer
            return answer(request, objection.code, at, because=objection.because)
        match request.step:
            case Step.NETWORK if request.transaction is Transaction.KEY_CHANGE:
                return self._key_change(request, at)
            case Step.NETWORK:
                return answer(request, APPROVED, at, because="the bank is here")
            case Step.FINANCIAL:
                return self._financial(request, at)
            case Step.REVERSAL:
                return self._reversal(request, at)
            case Step.RECONCILIATION:
                return self._batches.reconcile(request, at)
            case Step.UPLOAD:
                return self._batches.upload(request, at)
            case _:
                assert_never(request.step)

    def account(self, name: str) -> AccountState | None:
        """Return the account of a card as it stands now, by the card's name."""
        return self._accounts.state(name)

    def reset_pin(self, name: str) -> None:
        """Give a card all its PIN tries back, by the card's name, as an issuer does when its holder asks.

        Raises:
            StateError: the ledger could not be written.
        """
        holder, account = self._accounts.named(name), self.account(name)
        if holder is not None and account is not None:
            tries = self._accounts.pin_tries(holder)
            self._ledger.commit(Changes(account=replace(account, pin_tries_left=tries)))

    @contextmanager
    def overruled(self, rule: BookRule) -> Iterator[None]:
        """Let a rule stand before all those of the rulebook, as long as this lasts."""
        book = self._rulebook
        self._rulebook = replace(book, rules=(rule, *book.rules))
        try:
            yield
        finally:
            self._rulebook = book

    def guard(self, dialect: Dialect) -> Guard:
        """Return the door of this bank for messages in a dialect."""
        return Guard(dialect, self._safe, self._ledger)

    def _key_change(self, request: AuthorizationRequest, at: datetime) -> AuthorizationAnswer:
        if self._profile.protection.scheme is not KeyScheme.MASTER_SESSION:
            return answer(request, INVALID, at, because="this scheme has no session keys")
        held = self._ledger.offers(request.terminal_id)
        usable = self._safe.usable(held)
        try:
            keys = self._safe.offer(usable)
        except KeySlotError as error:
            return answer(request, SYSTEM_ERROR, at, because=f"no new keys can be made: {error}")
        for offer in (*usable, keys):  # the keys of the slots too, where the pinpad has gone back to them
            if offer not in held:
                self._ledger.commit(Changes(offer=KeyOffer(request.terminal_id, offer)))
        which = "the last key offered" if keys in held else "a new key"
        because = ", ".join(f"{which} for {key.usage}, KCV {key.kcv}" for key in keys)
        return replace(answer(request, APPROVED, at, because=because), keys=keys)

    # --- a request that asks something of an account ---

    def _financial(self, request: AuthorizationRequest, at: datetime) -> AuthorizationAnswer:
        key = own_key(request)
        held = self._ledger.operation(key)
        if held is None:
            return self._first_time(key, request, at)
        if held.state is OperationState.REVERSED_EARLY and not held.content:
            return self._overtaken(held, request)
        if held.content != self._content(request):
            because = "the same STAN and time with another content"
            return answer(request, ORIGINAL_DIFFERS, at, because=because)
        if held.state is OperationState.REVERSED:
            because = "repeated after it was reversed"
            return answer(request, self._profile.late_original, at, rrn=held.rrn, because=because)
        return answer_again(request, held)

    def _first_time(
        self, key: OperationKey, request: AuthorizationRequest, at: datetime
    ) -> AuthorizationAnswer:
        decision = self._decide(request, at)
        approved, original = moves_money(decision.code), decision.original
        given = self._ledger.authorizations() + 1 if approved else None
        masked = original.card_masked if original is not None else ""
        operation = Operation(
            key=key,
            step=request.step,
            transaction=request.transaction,
            amount=request.amount,
            currency=request.currency,
            card_masked=request.card.masked if request.card is not None else masked,
            account=decision.account.name,
            content=self._content(request),
            state=OperationState.APPROVED if approved else OperationState.DECLINED,
            response_code=decision.code,
            rrn=rrn_of(request.stan, at),
            authorization_code=authorization_code(given) if given is not None else "",
            received_at=at,
            because=decision.because,
            batch=request.batch,
            original=original.key if original is not None else None,
            effect=decision.effect,
            balance=decision.balance,
            approved=decision.approved,
            icc=decision.icc,
        )
        unchanged = decision.account == self.account(decision.account.name)
        changed = None if unchanged or not decision.account.name else decision.account
        self._ledger.commit(Changes((operation,), changed, given, rule_counts=decision.counts))
        return answer_again(request, operation)

    def _decide(self, request: AuthorizationRequest, at: datetime) -> issuer.Decision:
        objection = merchant_objection(self._rulebook.merchants, request)
        if objection is not None:
            return _objected(objection)
        rule = RULES.get(request.transaction)
        if rule is None:
            return _objected(Objection(SYSTEM_ERROR, f"a {request.transaction} asks nothing of an account"))
        holder = self._accounts.holder(request.card)
        case = self._case(request, holder, at)
        if request.card is not None and case is None:
            return _objected(Objection(UNKNOWN_CARD, "no account has this card number"))
        if self._batches.is_closed(request):
            return _objected(Objection(INVALID, "the batch is closed"), case)
        if rule.follows and (request.original is not None or not rule.alone):
            return self._decide_following(request, case, at)
        if case is None:
            return _objected(Objection(SYSTEM_ERROR, f"a {request.transaction} without a card"))
        return issuer.decide(case)

    def _decide_following(
        self, request: AuthorizationRequest, case: issuer.Case | None, at: datetime
    ) -> issuer.Decision:
        original = self._followers.original(request, case.name if case is not None else "")
        if isinstance(original, Objection):
            return _objected(original, case)
        case = case or self._case(request, self._accounts.named(original.account), at)
        if case is None:
            return _objected(Objection(SYSTEM_ERROR, f"the account {original.account} has gone"))
        effect = self._followers.effect(request, original)
        if isinstance(effect, Objection):
            return replace(_objected(effect, case), original=original)
        return issuer.decide_following(case, original, effect)

    def _case(
        self, request: AuthorizationRequest, holder: TestCard | None, at: datetime
    ) -> issuer.Case | None:
        account = self.account(holder.card.name) if holder is not None else None
        if holder is None or account is None:
            return None
        return issuer.Case(
            request=request,
            holder=holder,
            account=account,
            at=at,
            safe=self._safe,
            offers=self._ledger.offers(request.terminal_id),
            pin_missing=self._profile.pin_missing,
            pin_tries=self._accounts.pin_tries(holder),
            issuer=self._accounts.issuer(holder),
            rulebook=self._rulebook,
            ledger=self._ledger,
            chip=self._chips.look(request, holder, account),
        )

    def _overtaken(self, held: Operation, request: AuthorizationRequest) -> AuthorizationAnswer:
        late = replace(
            held,
            content=self._content(request),
            response_code=self._profile.late_original,
            because="its reversal came first",
        )
        self._ledger.commit(Changes((late,)))
        return answer_again(request, late)

    def _content(self, request: AuthorizationRequest) -> str:
        """What was asked for, in words that may be kept: a repeat has the same."""
        card, original = request.card, request.original
        holder = self._accounts.holder(card)
        who = holder.card.name if holder is not None else mask_pan(card.pan) if card is not None else "-"
        how = card.entry_mode if card is not None else "-"
        pin = "pin" if request.pin_block is not None else "no-pin"
        content = f"{request.transaction} {request.amount} {request.currency or '-'} {who} {how} {pin}"
        if request.icc is not None:
            content += f" icc {sha256(request.icc.reveal()).hexdigest()[:8]}"
        return content if original is None else f"{content} of {original.rrn or '-'} {original.stan or '-'}"

    # --- a reversal ---

    def _reversal(self, request: AuthorizationRequest, at: datetime) -> AuthorizationAnswer:
        key = original_key(request, request.original) if request.original is not None else None
        if key is None:
            return answer(request, SYSTEM_ERROR, at, because="a reversal of nothing")
        held = self._ledger.operation(key)
        if held is None:
            return self._early(key, request, at)
        if not same_money(request, held):
            because = "the reversal has another amount or card than its original"
            return answer(request, ORIGINAL_DIFFERS, at, because=because)
        if held.reversal_count:
            return self._reversed(request, replace(held, reversal_count=held.reversal_count + 1), None)
        undone = replace(held, reversal_code=APPROVED, reversal_count=1, reversed_at=at)
        if held.state is not OperationState.APPROVED:
            return self._reversed(request, undone, None)
        hindrance = self._followers.hindrance(held)
        if hindrance:
            return answer(request, INVALID, at, because=hindrance, rrn=held.rrn)
        account = self.account(held.account)
        if account is None:
            because = f"the account {held.account} has gone, its money cannot be given back"
            return answer(request, SYSTEM_ERROR, at, because=because)
        restored = moved(account, -held.effect) if held.effect else None
        return self._reversed(request, replace(undone, state=OperationState.REVERSED), restored)

    def _early(self, key: OperationKey, request: AuthorizationRequest, at: datetime) -> AuthorizationAnswer:
        holder = self._accounts.holder(request.card)
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
            rrn=rrn_of(request.stan, at),
            authorization_code="",
            received_at=at,
            because="its reversal came and the original has not",
            reversal_code=self._profile.reversal_of_unknown,
            reversal_count=1,
            reversed_at=at,
            batch=request.batch,
        )
        return self._reversed(request, operation, None)

    def _reversed(
        self, request: AuthorizationRequest, undone: Operation, account: AccountState | None
    ) -> AuthorizationAnswer:
        self._ledger.commit(Changes((undone,), account))
        said = answer(
            request,
            undone.reversal_code,
            undone.reversed_at or undone.received_at,
            because=_REVERSAL_REASONS[undone.state],
            rrn=undone.rrn,
        )
        return replace(said, authorization_code=undone.authorization_code)


_REVERSAL_REASONS = {
    OperationState.REVERSED: "the money is back",
    OperationState.DECLINED: "the original was declined, there is nothing to give back",
    OperationState.REVERSED_EARLY: "the original has not been approved and never will be",
}


def _objected(objection: Objection, case: issuer.Case | None = None) -> issuer.Decision:
    account = case.account if case is not None else NOBODY
    return issuer.Decision(objection.code, objection.because, account)
