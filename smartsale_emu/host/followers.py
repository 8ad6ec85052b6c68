"""Operations that follow others: which original is meant, and how much of it is left.

What is left is never stored: it is worked out from the approved followers, so that a reversal of any of them
restores it by itself. A hold is open until it is completed or released; its raises belong to it.
"""

from collections.abc import Callable, Sequence

from smartsale_emu.host.ledger import Ledger, Operation, OperationState
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.host.records import original_key
from smartsale_emu.host.rules import BAD_AMOUNT, INVALID, NOT_FOUND, RULES, UNKNOWN_CARD, Objection
from smartsale_emu.payment.authorization import AuthorizationRequest, Transaction

_VOIDS = frozenset({Transaction.VOID, Transaction.VOID_OF_CREDIT})
_CLOSES_HOLD = frozenset({Transaction.COMPLETION, Transaction.VOID_OF_HOLD})
_NOT_APPROVED = {
    OperationState.DECLINED: "was declined",
    OperationState.REVERSED: "has been reversed",
    OperationState.REVERSED_EARLY: "was reversed before it came",
}


class Followers:
    """Finds originals and measures what is left of them."""

    def __init__(self, profile: BankProfile, ledger: Ledger) -> None:
        self._profile, self._ledger = profile, ledger

    # --- which one ---

    def original(self, request: AuthorizationRequest, account: str) -> Operation | Objection:
        """Return the original of a request, or what speaks against it.

        ``account``: the name of the card that was sent, empty when none was.
        """
        found = self._candidates(request)
        if not found:
            return Objection(NOT_FOUND, "the original is not known")
        rule = RULES[request.transaction]
        wishes: list[Callable[[Operation], bool]] = [
            lambda one: one.transaction in rule.follows,
            lambda one: one.state is OperationState.APPROVED,
            lambda one: account in ("", one.account),
            lambda one: one.key.terminal_id == request.terminal_id,
        ]
        for wish in wishes:  # each narrows the choice if it leaves one
            found = [one for one in found if wish(one)] or found
        if len(found) > 1:
            return Objection(NOT_FOUND, f"operations that could be the original: {len(found)}")
        objection = self._against(request, found[0], account)
        return found[0] if objection is None else objection

    def of_upload(self, request: AuthorizationRequest) -> Operation | None:
        """Return what an uploaded operation followed, if the bank knows it."""
        follows = RULES[request.transaction].follows
        found = [
            one
            for one in self._ledger.by_rrn(request.merchant_id, request.follows)
            if request.follows and one.transaction in follows and one.state is OperationState.APPROVED
        ]
        own = [one for one in found if one.key.terminal_id == request.terminal_id]
        return next(iter(own or found), None)

    def _candidates(self, request: AuthorizationRequest) -> Sequence[Operation]:
        """By STAN and time where they agree with the RRN, else by RRN; the authorization code must agree."""
        named = request.original
        if named is None:
            return ()
        key = original_key(request, named)
        held = self._ledger.operation(key) if key is not None else None
        if held is not None and named.rrn in ("", held.rrn):
            found: Sequence[Operation] = (held,)
        else:
            found = self._ledger.by_rrn(request.merchant_id, named.rrn) if named.rrn else ()
        return [one for one in found if named.authorization_code in ("", one.authorization_code)]

    def _against(self, request: AuthorizationRequest, original: Operation, account: str) -> Objection | None:
        if original.transaction not in RULES[request.transaction].follows:
            return Objection(INVALID, f"the original is a {original.transaction}")
        if account not in ("", original.account):
            return Objection(UNKNOWN_CARD, "the original was made with another card")
        if original.state is not OperationState.APPROVED:
            return Objection(INVALID, f"the original {_NOT_APPROVED[original.state]}")
        closed = original.batch and self._ledger.closed_batch(original.batch_key) is not None
        if request.transaction in _VOIDS and closed:
            return Objection(INVALID, "the batch is closed: a return it must be")
        return None

    # --- how much ---

    def left(self, operation: Operation) -> int:
        """Return what is left of an operation: its amount without voids and returns that stand."""
        return operation.money - sum(map(self.left, self._ledger.followers(operation.key)))

    def is_open(self, hold: Operation) -> bool:
        """Tell whether a hold was neither completed nor released."""
        return not any(one.transaction in _CLOSES_HOLD for one in self._ledger.followers(hold.key))

    def held(self, hold: Operation) -> int:
        """Return what a hold keeps, its raises included."""
        raises = (one for one in self._ledger.followers(hold.key) if one.transaction is Transaction.RAISE)
        return hold.money + sum(one.amount for one in raises)

    def effect(self, request: AuthorizationRequest, original: Operation) -> int | Objection:
        """Return what a follower does to the account, minor units with a sign, or what speaks against it."""
        if request.amount <= 0:
            return Objection(BAD_AMOUNT, f"a {request.transaction} of nothing")
        if Transaction.PREAUTHORIZATION in RULES[request.transaction].follows:
            return self._effect_on_hold(request, original)
        whole = self._whole_only(request.transaction)
        if whole and request.amount != original.money:
            return Objection(BAD_AMOUNT, f"of {original.money} only the whole: the bank takes no part")
        left = self.left(original)
        if request.amount > left:
            return Objection(BAD_AMOUNT, f"of {original.money} only {left} is left")
        return RULES[request.transaction].direction * request.amount

    def repaired(self, request: AuthorizationRequest, original: Operation | None) -> int:
        """Return what an uploaded operation did to the account when it was approved.

        A completion whose hold the bank does not know, or that is closed, has nothing to give back.
        """
        hold = original if original is not None and self.is_open(original) else None
        match request.transaction:
            case Transaction.COMPLETION:
                return (self.held(hold) if hold is not None else 0) - request.amount
            case Transaction.VOID_OF_HOLD:
                return self.held(hold) if hold is not None else 0
            case _:
                return RULES[request.transaction].direction * request.amount

    def _whole_only(self, transaction: Transaction) -> bool:
        partial = self._profile.partial_void if transaction in _VOIDS else self._profile.partial_return
        return not partial

    def _effect_on_hold(self, request: AuthorizationRequest, hold: Operation) -> int | Objection:
        if not self.is_open(hold):
            return Objection(INVALID, "the hold was completed or released before")
        held = self.held(hold)
        match request.transaction:
            case Transaction.COMPLETION:
                if request.amount > held:
                    return Objection(BAD_AMOUNT, f"only {held} is held")
                return held - request.amount
            case Transaction.VOID_OF_HOLD:
                if request.amount not in (hold.money, held):
                    return Objection(BAD_AMOUNT, f"of {held} held only the whole can be released")
                return held
            case _:
                return -request.amount

    # --- reversals ---

    def hindrance(self, operation: Operation) -> str:
        """Return why an approved operation cannot be reversed any more, empty when it can."""
        followers = self._ledger.followers(operation.key)
        if followers:
            return f"later operations build on it: {len(followers)}"
        original = self._ledger.operation(operation.original) if operation.original is not None else None
        if original is None:
            return ""
        if operation.transaction is Transaction.RAISE and not self.is_open(original):
            return "the hold that it raised was completed or released"
        if operation.transaction is Transaction.VOID_OF_CREDIT and original.original is not None:
            paid = self._ledger.operation(original.original)
            if paid is not None and self.left(paid) < operation.amount:
                return "what it took back was returned once more"
        return ""
