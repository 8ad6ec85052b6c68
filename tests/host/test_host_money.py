"""No order of sales, repeats and reversals makes or loses money."""

from datetime import timedelta

import bank_kit as kit
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from smartsale_emu.host.ledger import MemoryLedger, OperationState
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest

NAMES = ("mir-chip", "mir-poor", "mir-limited", "mir-issuer-down", "mir-contactless")


class Money(RuleBasedStateMachine):
    """A terminal that sends, repeats and reverses as it likes; the model counts what is paid."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = MemoryLedger()
        self.bank = kit.bank(self.ledger)
        self.now = kit.NOW
        self.made: list[AuthorizationRequest] = []
        self.answers: dict[int, AuthorizationAnswer] = {}
        self.reversals: dict[int, AuthorizationAnswer] = {}
        self.paid: dict[int, tuple[str, int]] = {}

    @rule(
        name=st.sampled_from(NAMES),
        amount=st.integers(1, 3000),
        pin=st.sampled_from([None, None, "0000", ""]),
    )
    def make(self, name: str, amount: int, pin: str | None) -> None:
        self.made.append(kit.sale(len(self.made) + 1, amount, name, pin=pin, at=self.now))

    @precondition(lambda self: self.made)
    @rule(which=st.integers(0, 99))
    def send(self, which: int) -> None:
        request = self._pick(which)
        answer = self._ask(request)
        if request.stan in self.reversals:
            assert answer.response_code != "00"
            return
        assert self.answers.setdefault(request.stan, answer) == answer
        if answer.response_code == "00" and request.card is not None:
            name = next(name for name, card in kit.CARDS.items() if card.card.pan == request.card.pan)
            self.paid[request.stan] = (name, request.amount)

    @precondition(lambda self: self.made)
    @rule(which=st.integers(0, 99), attempt=st.integers(0, 2))
    def reverse(self, which: int, attempt: int) -> None:
        request = self._pick(which)
        answer = self._ask(kit.reversal(request, attempt=attempt))
        expected = "00" if request.stan in self.answers else "25"
        assert answer.response_code == expected
        assert self.reversals.setdefault(request.stan, answer) == answer
        self.paid.pop(request.stan, None)

    @invariant()
    def money_is_conserved(self) -> None:
        for name in NAMES:
            account = self.bank.account(name)
            assert account is not None
            taken = sum(amount for payer, amount in self.paid.values() if payer == name)
            assert account.balance == kit.CARDS[name].account.balance - taken
            assert account.balance >= 0

    @invariant()
    def the_ledger_tells_the_same(self) -> None:
        approved = {
            held.key.stan for held in self.ledger.operations() if held.state is OperationState.APPROVED
        }
        assert approved == set(self.paid)

    def _pick(self, which: int) -> AuthorizationRequest:
        return self.made[which % len(self.made)]

    def _ask(self, request: AuthorizationRequest) -> AuthorizationAnswer:
        self.now += timedelta(seconds=7)
        return self.bank.handle(request, self.now)


TestMoney = Money.TestCase
TestMoney.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
