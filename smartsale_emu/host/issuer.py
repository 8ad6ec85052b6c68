"""The issuer's decision about one request: pure rules over a card, its account and what is asked.

The rules stand in the order in which they are asked; the first that objects decides. A rule of the rulebook
comes before all of them: one that declines decides, one that approves decides how much, and with which code,
when nothing else objects.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from smartsale_emu.host.accounts import moved
from smartsale_emu.host.chip_check import NOTHING_FOUND, ChipFinding
from smartsale_emu.host.ledger import AccountState, Ledger, Operation
from smartsale_emu.host.policy import Asked, Ruling, approved_amount, declines, limit_objection, rule_on, told
from smartsale_emu.host.rulebook import BookRule, Issuer, Rulebook
from smartsale_emu.host.rules import (
    APPROVED,
    BAD_AMOUNT,
    BLOCKED,
    EXPIRED,
    NOT_HONOURED,
    OVER_LIMIT,
    PART_APPROVED,
    PIN_TRIES_OVER,
    POOR,
    RULES,
    UNKNOWN_CARD,
    WRONG_PIN,
    WRONG_PIN_BLOCK,
    Objection,
    PinDemand,
    Rule,
)
from smartsale_emu.payment.authorization import AuthorizationRequest, Transaction
from smartsale_emu.payment.card import PinRule, TestCard
from smartsale_emu.payment.response_codes import moves_money
from smartsale_emu.security.bank_safe import BankSafe, Offers
from smartsale_emu.security.dukpt_tdes import KsnError
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.security.pin_block import PinBlockError
from smartsale_emu.units import MAX_AMOUNT, MinorUnits


@dataclass(frozen=True, slots=True)
class Decision:
    """A response code, why, and the account after it.

    ``effect``: what was added to the account, minor units with a sign. ``original``: the operation that this
    one follows. ``balance``: what an inquiry is told. ``approved``: the part that is approved, None for
    all of it. ``counts``: how often rules of the rulebook have held by now. ``icc``: DE55 of the answer.
    """

    code: str
    because: str
    account: AccountState
    effect: int = 0
    original: Operation | None = None
    balance: MinorUnits | None = None
    approved: MinorUnits | None = None
    counts: tuple[tuple[str, int], ...] = ()
    icc: SecretBytes | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """All that the issuer looks at.

    ``pin_missing``: the answer when a PIN is demanded and none came; ``pin_tries``: wrong ones in a row that
    block it. ``issuer``: None when the rulebook lists none for the card. ``offers``: the session keys that
    the terminal was offered. ``chip``: what came of DE55.
    """

    request: AuthorizationRequest
    holder: TestCard
    account: AccountState
    at: datetime
    safe: BankSafe
    offers: Offers
    pin_missing: str
    pin_tries: int
    issuer: Issuer | None
    rulebook: Rulebook
    ledger: Ledger
    chip: ChipFinding = NOTHING_FOUND

    @property
    def name(self) -> str:
        """The card's name."""
        return self.holder.card.name

    @property
    def rule(self) -> Rule:
        """The row of the transaction that is asked for."""
        return RULES[self.request.transaction]


def decide(case: Case) -> Decision:
    """Decide about a transaction that stands alone, of a known card."""
    ruling = _ruling(case)
    amount = approved_amount(ruling.rule, case.request.amount)
    return _decide(case, ruling, case.rule.direction * amount, None)


def decide_following(case: Case, original: Operation, effect: int) -> Decision:
    """Decide about a transaction whose original and effect the acquirer has found good."""
    return _decide(case, _ruling(case), effect, original)


def _ruling(case: Case) -> Ruling:
    """Ask the rulebook. A card whose file forces an answer is not approved in another way by a rule."""
    issuer = case.issuer.name if case.issuer is not None else ""
    asked = Asked(case.request, case.name, case.holder.card.pan, issuer, case.at)
    ruling = rule_on(case.rulebook.rules, asked, case.ledger.rule_count)
    forced = case.holder.account.force and ruling.rule is not None and not declines(ruling.rule)
    return replace(ruling, rule=None) if forced else ruling


def _decide(case: Case, ruling: Ruling, effect: int, original: Operation | None) -> Decision:
    rule, proof = ruling.rule, case.chip.proof
    if proof is not None:
        case = replace(case, account=replace(case.account, counter=proof.counter))
    if rule is not None and declines(rule):
        decision = Decision(rule.code, f"{case.name}: {told(rule)}", case.account, original=original)
    else:
        decision = _own(case, rule, effect, original)
    icc = proof.answer(decision.code) if proof is not None else None
    because = "; ".join(filter(None, (decision.because, case.chip.note)))
    return replace(decision, counts=ruling.counts, icc=icc, because=because)


def _own(case: Case, rule: BookRule | None, effect: int, original: Operation | None) -> Decision:
    """What the issuer itself says, and how a rule that approves words it."""
    forced = case.holder.account.force
    if forced:
        return _forced(case, forced, effect, original)
    objection = case.chip.objection
    if objection is None and (original is None or case.rule.like_new):
        objection = _standing(case)
    if objection is not None:
        return _declined(case, objection)
    decision = _with_pin(case, approved_amount(rule, case.request.amount), effect, original)
    return decision if rule is None or decision.code != APPROVED else _worded(case, rule, decision)


def _worded(case: Case, rule: BookRule, decision: Decision) -> Decision:
    asked, because = case.request.amount, f"{decision.because}, {told(rule)}"
    amount = approved_amount(rule, asked)
    if amount == asked:
        return replace(decision, code=rule.code or APPROVED, because=because)
    because = f"{because}: {amount} of {asked}"
    return replace(decision, code=PART_APPROVED, because=because, approved=amount)


def _with_pin(case: Case, amount: MinorUnits, effect: int, original: Operation | None) -> Decision:
    objection, account = _pin(case)
    if objection is None:
        objection = _money(case, amount, effect, original)
    if objection is not None:
        return Decision(objection.code, objection.because, account, original=original)
    after = moved(account, effect)
    because = f"{case.name}: approved, {after.balance} left"
    return Decision(APPROVED, because, after, effect, original, _told(case, after))


def _forced(case: Case, code: str, effect: int, original: Operation | None) -> Decision:
    because = f"{case.name}: its card file forces this answer"
    if not moves_money(code):
        return Decision(code, because, case.account, original=original)
    after = moved(case.account, effect)
    return Decision(code, because, after, effect, original, _told(case, after))


def _declined(case: Case, objection: Objection) -> Decision:
    return Decision(objection.code, objection.because, case.account)


def _told(case: Case, account: AccountState) -> MinorUnits | None:
    """The balance that an inquiry is told: no more than an amount may be."""
    asks = case.request.transaction is Transaction.BALANCE
    return MinorUnits(min(account.balance, MAX_AMOUNT)) if asks else None


def _standing(case: Case) -> Objection | None:
    """What speaks against the card itself."""
    request, card, name = case.request, case.holder.card, case.name
    if case.rulebook.issuers and case.issuer is None:
        return Objection(UNKNOWN_CARD, f"{name}: it belongs to no issuer of the rulebook")
    if case.account.blocked:
        return Objection(BLOCKED, f"{name}: reported lost or stolen")
    sent = request.card.expiry if request.card is not None else ""
    if sent and sent != card.expiry:
        return Objection(EXPIRED, f"{name}: the expiry date sent is not the card's")
    if f"{case.at:%y%m}" > card.expiry:
        return Objection(EXPIRED, f"{name}: good until {card.expiry} (YYMM)")
    if case.account.pin_tries_left <= 0:
        return Objection(PIN_TRIES_OVER, f"{name}: no PIN tries are left")
    return None


def _pin(case: Case) -> tuple[Objection | None, AccountState]:
    """Check the PIN. A wrong one takes a try, a right one gives them all back."""
    request, account, name = case.request, case.account, case.name
    if request.pin_block is None or request.card is None:
        needed = _needs_pin(case)
        because = f"{name}: a PIN is needed and none was sent"
        return (Objection(case.pin_missing, because) if needed else None), account
    try:
        keys = case.safe.candidates(request.ksn, case.offers)
        if request.sealed is not None:  # whose MAC was right: the keys of the MAC are those of the PIN
            keys = case.safe.sealed_with(request.sealed.covered.reveal(), request.sealed.mac, keys)
        pin = case.safe.pin(request.pin_block, request.card.pan, keys)
    except (PinBlockError, KsnError):
        because = f"{name}: the PIN block cannot be trusted, is it under another key or of another format?"
        return Objection(WRONG_PIN_BLOCK, because), account
    if account.pin_tries_left <= 0:
        return Objection(PIN_TRIES_OVER, f"{name}: no PIN tries are left"), account
    if pin != case.holder.account.pin:
        left = account.pin_tries_left - 1
        return Objection(WRONG_PIN, f"{name}: wrong PIN, {left} tries left"), replace(
            account, pin_tries_left=left
        )
    return None, replace(account, pin_tries_left=case.pin_tries)


def _needs_pin(case: Case) -> bool:
    match case.rule.pin:
        case PinDemand.ALWAYS:
            return True
        case PinDemand.NEVER:
            return False
        case PinDemand.BY_CARD:
            proof = case.chip.proof  # proved, card and terminal have agreed on another way than a PIN
            return case.holder.card.pin_rule is PinRule.ALWAYS and (proof is None or proof.holder_failed)


def _money(case: Case, amount: MinorUnits, effect: int, original: Operation | None) -> Objection | None:
    """What speaks against the amount. ``amount``: what would be approved of the request's."""
    request, holder, account, name = case.request, case.holder.account, case.account, case.name
    if request.amount <= 0 and case.rule.direction:
        return Objection(BAD_AMOUNT, f"{name}: a {request.transaction} of nothing")
    if amount <= 0 and case.rule.direction:
        return Objection(POOR, f"{name}: the share that a rule approves is nothing")
    currency = (case.issuer.currency if case.issuer is not None else None) or holder.currency
    if request.currency not in (None, currency):
        return Objection(NOT_HONOURED, f"{name}: the account is kept in {currency}")
    objection = _limits(case, amount, effect) if original is None or case.rule.like_new else None
    if objection is not None:
        return objection
    if effect < 0 and -effect > account.balance:
        return Objection(POOR, f"{name}: {account.balance} on the account")
    return None


def _limits(case: Case, amount: MinorUnits, effect: int) -> Objection | None:
    """The card's own limit, and those of its issuer on whatever takes money."""
    limit = case.holder.account.limit
    if limit is not None and amount > limit:
        return Objection(OVER_LIMIT, f"{case.name}: one operation may be {limit} at most")
    if case.issuer is None or effect >= 0:
        return None
    return limit_objection(case.issuer, case.ledger, account=case.name, amount=amount, at=case.at)
