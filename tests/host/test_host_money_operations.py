"""No order of operations, repeats, lost answers, reversals and settlements makes or loses money.

The model keeps plain counters and changes them as it goes; the bank works everything out from its ledger.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import bank_kit as kit
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from smartsale_emu.host.ledger import Ledger, MemoryLedger, OperationState
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    Original,
    Transaction,
)
from smartsale_emu.payment.totals import Totals
from smartsale_emu.runtime.ledger_file import LedgerFile, open_ledger

T = Transaction
NAMES = ("mir-chip", "mir-poor")
ALONE = (T.PURCHASE, T.CASH, T.TOP_UP, T.PREAUTHORIZATION, T.RETURN)
FOLLOWING = {
    T.PURCHASE: (T.VOID, T.RETURN),
    T.CASH: (T.VOID,),
    T.COMPLETION: (T.VOID, T.RETURN),
    T.TOP_UP: (T.VOID_OF_CREDIT,),
    T.RETURN: (T.VOID_OF_CREDIT,),
    T.PREAUTHORIZATION: (T.RAISE, T.COMPLETION, T.VOID_OF_HOLD),
}
DEBITS = (T.PURCHASE, T.CASH, T.PREAUTHORIZATION)


@dataclass
class Op:
    """An operation as the model sees it. ``left``: of a payment or credit; of a hold what is held."""

    request: AuthorizationRequest
    name: str
    batch: int
    root: "Op | None" = None
    state: str = "made"
    left: int = 0
    open: bool = True
    living: int = 0  # approved followers
    answer: AuthorizationAnswer | None = None

    @property
    def kind(self) -> T:
        return self.request.transaction

    @property
    def amount(self) -> int:
        return self.request.amount


class Operations(RuleBasedStateMachine):
    """A terminal that does what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = self.make_ledger()
        self.bank = kit.bank(self.ledger)
        self.now = kit.NOW
        self.batch = 1
        self.ops: list[Op] = []
        self.balance = {name: int(kit.CARDS[name].account.balance) for name in NAMES}

    def make_ledger(self) -> Ledger:
        return MemoryLedger()

    # --- the terminal ---

    @rule(kind=st.sampled_from(ALONE), name=st.sampled_from(NAMES), amount=st.integers(1, 900))
    def make(self, kind: T, name: str, amount: int) -> None:
        pin = kit.CARDS[name].account.pin.reveal()
        stan = len(self.ops) + 1
        request = kit.ask(kind, stan, amount, name, pin=pin, batch=self.batch, at=self.now)
        self._send(Op(request, name, self.batch))

    @precondition(lambda self: self.ops)
    @rule(data=st.data(), part=st.integers(1, 4), know=st.sampled_from(["all", "stan", "rrn"]))
    def follow(self, data: st.DataObject, part: int, know: str) -> None:
        known = [op for op in self.ops if op.kind in FOLLOWING and op.answer is not None]
        lively = [op for op in known if op.state == "approved" and op.open and op.left]
        often: int = data.draw(st.integers(0, 4))
        roots = lively if lively and often else known
        if not roots:
            return
        root = roots[data.draw(st.integers(0, len(roots) - 1))]
        kind = data.draw(st.sampled_from(FOLLOWING[root.kind]))
        some = max(1, root.left * part // 5)
        amount = data.draw(st.sampled_from([some, some, root.left, root.amount, root.left + 1]))
        self._send(Op(self._following(kind, amount, root, know), root.name, self.batch, root))

    @precondition(lambda self: self.ops)
    @rule(which=st.integers(0, 99))
    def repeat(self, which: int) -> None:
        self._send(self.ops[which % len(self.ops)])

    @rule(kind=st.sampled_from(ALONE), amount=st.integers(1, 900))
    def reverse_before_it_comes(self, kind: T, amount: int) -> None:
        request = kit.ask(kind, len(self.ops) + 1, amount, batch=self.batch, at=self.now)
        self.ops.append(Op(request, "mir-chip", self.batch))
        assert self._ask(kit.reversal(request)).response_code == "25"
        self.ops[-1].state = "never"

    @precondition(lambda self: self.ops)
    @rule(back=st.integers(0, 12), attempt=st.integers(0, 1))
    def reverse(self, back: int, attempt: int) -> None:
        op = self.ops[-1 - back % len(self.ops)]
        said = self._ask(kit.reversal(op.request, attempt=attempt)).response_code
        if op.state == "never":
            assert said == "25"
        elif op.state == "approved" and not self._may_be_undone(op):
            assert said == "12"
        else:
            assert said == "00"
            if op.state == "approved":
                self._undo(op)
                op.state = "reversed"

    @rule(wrong=st.booleans())
    def settle(self, wrong: bool) -> None:
        totals = Totals()
        for op in self.ops:
            if op.state == "approved" and op.batch == self.batch:
                totals = totals.plus(op.kind, op.amount)
        if wrong:
            claimed = totals.plus(T.PURCHASE, 1)
            answer = self._ask(kit.reconciliation(900_000, self.batch, claimed))
            assert (answer.response_code, answer.totals) == ("95", totals)
            return
        answer = self._ask(kit.reconciliation(900_000, self.batch, totals))
        assert (answer.response_code, answer.totals) == ("00", totals)
        self.batch += 1

    # --- what must hold ---

    @invariant()
    def balances_agree(self) -> None:
        assert {name: kit.balance(self.bank, name) for name in NAMES} == self.balance

    @invariant()
    def the_ledger_tells_the_same(self) -> None:
        approved = {op.key.stan for op in self.ledger.operations() if op.state is OperationState.APPROVED}
        assert approved == {op.request.stan for op in self.ops if op.state == "approved"}

    @invariant()
    def nobody_got_back_more_than_was_paid(self) -> None:
        for op in self.ops:
            assert op.left >= 0

    # --- the wire ---

    def _following(self, kind: T, amount: int, root: Op, know: str) -> AuthorizationRequest:
        assert root.answer is not None
        stan = len(self.ops) + 1
        request = kit.follow(kind, stan, amount, root.request, root.answer, batch=self.batch, at=self.now)
        if know == "stan":
            named = Original(None, root.request.stan, root.request.sent_at)
            return replace(request, original=named)
        return kit.by_rrn(request) if know == "rrn" else request

    def _send(self, op: Op) -> None:
        answer = self._ask(op.request)
        approved = answer.response_code == "00"
        if all(op is not known for known in self.ops):
            self.ops.append(op)
        if op.state == "made":
            expected = self._allowed(op)
            assert approved is expected, answer.because
            op.answer, op.state = answer, "approved" if expected else "declined"
            if expected:
                self._do(op)
        elif op.state in ("never", "reversed"):
            assert not approved
        elif op.answer is not None:
            assert answer == op.answer

    def _ask(self, request: AuthorizationRequest) -> AuthorizationAnswer:
        self.now += timedelta(seconds=7)
        return self.bank.handle(request, self.now)

    # --- the model of the bank ---

    def _allowed(self, op: Op) -> bool:
        root, balance = op.root, self.balance[op.name]
        if root is None:
            return op.kind not in DEBITS or op.amount <= balance
        if root.state != "approved" or op.amount <= 0:
            return False
        match op.kind:
            case T.VOID:
                return op.amount <= root.left and root.batch == self.batch
            case T.RETURN:
                return op.amount <= root.left
            case T.VOID_OF_CREDIT:
                return op.amount <= min(root.left, balance) and root.batch == self.batch
            case T.RAISE:
                return root.open and op.amount <= balance
            case T.COMPLETION:
                return root.open and op.amount <= root.left
            case T.VOID_OF_HOLD:
                return root.open and op.amount in (root.amount, root.left)
        raise AssertionError(op.kind)

    def _do(self, op: Op) -> None:
        op.left = op.amount
        self._move(op, +1)

    def _undo(self, op: Op) -> None:
        self._move(op, -1)
        op.left = 0

    def _move(self, op: Op, way: int) -> None:
        """Do an operation (``way`` +1) or undo it (-1)."""
        root, amount = op.root, way * op.amount
        if root is not None:
            root.living += way
        match op.kind:
            case T.PURCHASE | T.CASH | T.PREAUTHORIZATION:
                self.balance[op.name] -= amount
            case T.TOP_UP:
                self.balance[op.name] += amount
            case T.RETURN | T.VOID:
                self.balance[op.name] += amount
                if root is not None:
                    root.left -= amount
            case T.VOID_OF_CREDIT if root is not None:
                self.balance[op.name] -= amount
                root.left -= amount
                if root.root is not None:
                    root.root.left += amount
            case T.RAISE if root is not None:
                self.balance[op.name] -= amount
                root.left += amount
            case T.COMPLETION if root is not None:
                self.balance[op.name] += way * (root.left - op.amount)
                root.open = way < 0
            case T.VOID_OF_HOLD if root is not None:
                self.balance[op.name] += way * root.left
                root.open = way < 0

    def _may_be_undone(self, op: Op) -> bool:
        if op.living:
            return False
        if op.kind is T.RAISE and op.root is not None:
            return op.root.open
        if op.kind is T.VOID_OF_CREDIT and op.root is not None and op.root.root is not None:
            return op.amount <= op.root.root.left
        return True


class OperationsInAFile(Operations):
    """The same against the ledger in a file."""

    def make_ledger(self) -> LedgerFile:
        self.place = TemporaryDirectory()
        return open_ledger(Path(self.place.name) / "bank.sqlite")

    def teardown(self) -> None:
        assert isinstance(self.ledger, LedgerFile)
        self.ledger.close()
        self.place.cleanup()


TestOperations = Operations.TestCase
TestOperations.settings = settings(max_examples=250, stateful_step_count=40, deadline=None)
TestOperationsInAFile = OperationsInAFile.TestCase
TestOperationsInAFile.settings = settings(max_examples=10, stateful_step_count=25, deadline=None)
