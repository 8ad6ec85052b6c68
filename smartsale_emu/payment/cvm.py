"""Cardholder verification: the card's list of methods (8E) and the choice among them.

Source: EMV Book 3, 10.5 and annex C3; results (9F34) as in EMV Book 4, 6.3.4.5. Methods that need the card to
check a PIN by itself are known, but no terminal of this house supports them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum

from smartsale_emu.payment.verification import NO_FINDINGS, Tvr
from smartsale_emu.units import NOTHING, MinorUnits

_GO_ON, _METHOD, _NO_METHOD = 0x40, 0x3F, 0x3F
_UNKNOWN_OUTCOME, _FAILED, _SUCCESSFUL = 0, 1, 2


class CvmMethod(IntEnum):
    """The methods of a rule, its lower six bits."""

    FAIL = 0x00
    OFFLINE_PIN = 0x01
    ONLINE_PIN = 0x02
    OFFLINE_PIN_AND_SIGNATURE = 0x03
    OFFLINE_ENCIPHERED_PIN = 0x04
    OFFLINE_ENCIPHERED_PIN_AND_SIGNATURE = 0x05
    SIGNATURE = 0x1E
    NO_CVM = 0x1F


class Condition(IntEnum):
    """When a rule counts. "X" and "Y" are the two amounts of the list, in the card's currency."""

    ALWAYS = 0x00
    UNATTENDED_CASH = 0x01
    NO_CASH = 0x02
    IF_SUPPORTED = 0x03
    MANUAL_CASH = 0x04
    CASHBACK = 0x05
    UNDER_X = 0x06
    OVER_X = 0x07
    UNDER_Y = 0x08
    OVER_Y = 0x09


class CashKind(StrEnum):
    """Whether notes are paid out."""

    NONE = "none"
    CASH = "cash"
    CASHBACK = "cashback"


class CvmOutcome(Enum):
    """What the terminal does about the cardholder now."""

    ONLINE_PIN = "online PIN"
    SIGNATURE = "signature"
    NO_CVM = "no CVM"
    FAILED = "failed"


_OUTCOMES = {
    CvmMethod.ONLINE_PIN: (CvmOutcome.ONLINE_PIN, _UNKNOWN_OUTCOME, Tvr.ONLINE_PIN_ENTERED),
    CvmMethod.SIGNATURE: (CvmOutcome.SIGNATURE, _UNKNOWN_OUTCOME, NO_FINDINGS),
    CvmMethod.NO_CVM: (CvmOutcome.NO_CVM, _SUCCESSFUL, NO_FINDINGS),
}
_PIN_METHODS = frozenset(CvmMethod) - {CvmMethod.FAIL, CvmMethod.SIGNATURE, CvmMethod.NO_CVM}


@dataclass(frozen=True, slots=True)
class CvmRule:
    """One rule as the list writes it: the method with its bit 40, and the condition."""

    code: int
    condition: int

    @property
    def goes_on(self) -> bool:
        """Whether the next rule is tried when this one fails."""
        return bool(self.code & _GO_ON)

    @property
    def method(self) -> CvmMethod | None:
        """The method, or None for one that EMV does not know."""
        method = self.code & _METHOD
        return CvmMethod(method) if method in set(CvmMethod) else None


@dataclass(frozen=True, slots=True)
class CvmList:
    """The card's list. ``x`` and ``y``: amounts in minor units, 0 to 4294967295."""

    rules: tuple[CvmRule, ...]
    x: MinorUnits = NOTHING
    y: MinorUnits = NOTHING

    @classmethod
    def parse(cls, data: bytes) -> "CvmList":
        """Read a list: two amounts of four bytes, then rules of two bytes each.

        >>> [rule.method.name for rule in CvmList.parse(bytes.fromhex("000000000000000042031E031F03")).rules]
        ['ONLINE_PIN', 'SIGNATURE', 'NO_CVM']

        Raises:
            ValueError: it is shorter than one rule, longer than 252 bytes, or ends within a rule.
        """
        if not 10 <= len(data) <= 252 or len(data) % 2:
            raise ValueError("a CVM list is 10 to 252 bytes, an even number")
        rules = tuple(CvmRule(*data[place : place + 2]) for place in range(8, len(data), 2))
        x, y = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
        return cls(rules, MinorUnits(x), MinorUnits(y))

    def encode(self) -> bytes:
        """Return the bytes of 8E."""
        rules = b"".join(bytes([rule.code, rule.condition]) for rule in self.rules)
        return self.x.to_bytes(4, "big") + self.y.to_bytes(4, "big") + rules


@dataclass(frozen=True, slots=True)
class CvmFacts:
    """What the choice hangs on.

    ``card_currency``: the payment is in the card's currency. ``contactless_limit``: of a
    contactless payment, minor units; up to it no method is needed, above it "no CVM" does not count. None for
    a chip that was inserted.
    """

    amount: MinorUnits
    card_currency: bool = True
    online_pin: bool = True
    signature: bool = True
    no_cvm: bool = True
    unattended: bool = False
    cash: CashKind = CashKind.NONE
    contactless_limit: MinorUnits | None = None

    def supports(self, method: CvmMethod | None) -> bool:
        """Tell whether the terminal can do it here and now."""
        if method is CvmMethod.NO_CVM:
            return self.no_cvm and (self.contactless_limit is None or self.amount <= self.contactless_limit)
        able = {
            CvmMethod.FAIL: True,
            CvmMethod.ONLINE_PIN: self.online_pin,
            CvmMethod.SIGNATURE: self.signature,
        }
        return method is not None and able.get(method, False)


@dataclass(frozen=True, slots=True)
class CvmResult:
    """The choice. ``method`` and ``condition`` as in the list (the method with its bit 40), ``result``: 0
    unknown, 1 failed, 2 successful. ``tvr``: what it adds to the TVR; a chosen online PIN counts as entered.
    """

    outcome: CvmOutcome
    method: int
    condition: int
    result: int
    tvr: Tvr = NO_FINDINGS

    def encode(self) -> bytes:
        """Return the three bytes of 9F34."""
        return bytes([self.method, self.condition, self.result])


NOT_PERFORMED = CvmResult(CvmOutcome.NO_CVM, _NO_METHOD, 0, _UNKNOWN_OUTCOME)
"""For a card that says in its AIP that it knows no cardholder verification."""


def choose_cvm(cvm_list: CvmList, facts: CvmFacts) -> CvmResult:
    """Walk the list and return the first method that works, or what failed.

    >>> rules = CvmList.parse(bytes.fromhex("000000000000000042031E031F03"))
    >>> choose_cvm(rules, CvmFacts(MinorUnits(10000))).encode().hex()
    '420300'
    >>> choose_cvm(rules, CvmFacts(MinorUnits(10000), online_pin=False)).encode().hex()
    '1e0300'
    """
    if facts.contactless_limit is not None and facts.amount <= facts.contactless_limit:
        return _below_the_contactless_limit(cvm_list.rules)
    tvr, last = NO_FINDINGS, CvmRule(_NO_METHOD, 0)
    for rule in cvm_list.rules:
        if not _counts(rule, cvm_list, facts):
            continue
        last, problem = rule, _problem(rule, facts)
        if problem is None and rule.method in _OUTCOMES:
            outcome, result, finding = _OUTCOMES[rule.method]
            return CvmResult(outcome, rule.code, rule.condition, result, tvr | finding)
        tvr |= problem or NO_FINDINGS
        if not rule.goes_on:
            break
    return CvmResult(CvmOutcome.FAILED, last.code, last.condition, _FAILED, tvr | Tvr.CVM_FAILED)


def _below_the_contactless_limit(rules: Iterable[CvmRule]) -> CvmResult:
    own = (rule for rule in rules if rule.method is CvmMethod.NO_CVM)
    rule = next(own, CvmRule(CvmMethod.NO_CVM, Condition.ALWAYS))
    return CvmResult(CvmOutcome.NO_CVM, rule.code, rule.condition, _SUCCESSFUL)


def _counts(rule: CvmRule, cvm_list: CvmList, facts: CvmFacts) -> bool:
    """Tell whether the condition of a rule holds; one that EMV does not know never does."""
    cash, amount, known = facts.cash, facts.amount, facts.card_currency
    holds = {
        Condition.ALWAYS: True,
        Condition.UNATTENDED_CASH: facts.unattended and cash is CashKind.CASH,
        Condition.NO_CASH: cash is CashKind.NONE,
        Condition.IF_SUPPORTED: facts.supports(rule.method),
        Condition.MANUAL_CASH: not facts.unattended and cash is CashKind.CASH,
        Condition.CASHBACK: cash is CashKind.CASHBACK,
        Condition.UNDER_X: known and amount < cvm_list.x,
        Condition.OVER_X: known and amount > cvm_list.x,
        Condition.UNDER_Y: known and amount < cvm_list.y,
        Condition.OVER_Y: known and amount > cvm_list.y,
    }
    return any(holds[condition] for condition in Condition if condition == rule.condition)


def _problem(rule: CvmRule, facts: CvmFacts) -> Tvr | None:
    """Return what the TVR tells of a rule that cannot be carried out, or None when it can be."""
    if rule.method is None:
        return Tvr.CVM_UNKNOWN
    if not facts.supports(rule.method):
        return Tvr.PIN_PAD_MISSING if rule.method in _PIN_METHODS else NO_FINDINGS
    return None
