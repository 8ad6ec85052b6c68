"""Days in any order of operations, failures and habits, drawn by Hypothesis: at rest the money is right.

Every operation with any original, every way in which the bank can fail, every habit of a register, power
cuts and settlements. After each run all is left alone for a while, the oracle speaks, the day is closed.
"""

from typing import Any

from emulator_kit import (
    EOT,
    Delivery,
    Shop,
    assert_agreed,
    changed,
    customer,
    link_test,
    request,
    reversal,
    text,
)
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from operation_kit import (
    BALANCE,
    CASH,
    COMPLETION,
    HOLD,
    RETURN,
    SALE,
    TOP_UP,
    VOID,
    VOUCHER,
    close_the_day,
    settlement,
)
from play_kit import CARDS_USED, SAYINGS, Done, approved, ask_for, forget, invent, report

from smartsale_emu.payment.authorization import AuthorizationRequest, Step
from smartsale_emu.payment.cardholder import Cardholder, Prompt
from smartsale_emu.payment.totals import BUCKETS
from smartsale_emu.terminal.events import CancelPressed, CardPulled
from smartsale_emu.terminal.profile import AlreadyReversed, Busy, OnEot
from smartsale_emu.terminal.table import State

says = st.sampled_from(["ack"] * len(SAYINGS) + list(SAYINGS))
CODES = [SALE, SALE, VOID, VOID, VOID, HOLD, HOLD, COMPLETION, TOP_UP, RETURN, VOUCHER, CASH, BALANCE]
AMOUNTS = [1, 40, 60, 100, 500, 1200, 400_000]
HABITS: list[dict[str, Any]] = [{}, {}, {"wrong_pins": 1}, {"wrong_pins": 9}, {"cancels_at": Prompt.PIN}]
COPY, CARD_DATA, UNKNOWN = request({25: 63, 65: 22}), request({25: 57}), request({25: 99})
STRIPE, CHIP_STRIPE = "5413330089020011=30121010000000000", "2200123456789019=30122010000000000"
WHILE = st.sampled_from([0, 1, 300, 2000, 8000, 8000, 8000, 20_000, 60_000])
"""How long a register is left alone after it has asked."""
PATIENCE = [1, 40, 300, 1500, 8000, 8000, 16_000, 31_000, 60_000]
HARMLESS = {Step.REVERSAL: ("91", "96", "30"), Step.RECONCILIATION: ("91", "96"), Step.UPLOAD: ("96",)}
"""What the bank may say without acting: nobody is told an untruth about the money or the day."""


class Days(RuleBasedStateMachine):
    """A shop to which anything may happen."""

    @initialize(
        line=st.fixed_dictionaries(
            {
                "busy": st.sampled_from(Busy),
                "final_eot_first": st.sampled_from(OnEot),
                "final_eot_repeat": st.sampled_from(OnEot),
            }
        ),
        already=st.sampled_from(AlreadyReversed),
        receipt=st.booleans(),
        same_day=st.booleans(),
    )
    def opens(self, line: dict[str, object], already: AlreadyReversed, receipt: bool, same_day: bool) -> None:
        profile = changed(
            line=line,
            answer={"receipt": receipt},
            rules={"already_reversed": already},
            follow={"return_same_day": same_day},
        )
        self.shop = Shop(profile)
        self.damaged, self.invented, self.answers = False, 0, 0

    # --- the register ------------------------------------------------------------------------------------

    @rule(
        code=st.sampled_from(CODES),
        amount=st.sampled_from(AMOUNTS),
        which=st.integers(0, 9),
        say=says,
        millis=WHILE,
    )
    def an_operation(self, code: int, amount: int, which: int, say: str, millis: int) -> None:
        """With an original where it needs one: the latest, an older one, one of another kind."""
        original = self._original(which) if code in (VOID, RETURN, COMPLETION) or which > 4 else None
        self._ask(ask_for(code, amount, original), say, millis)

    @rule(code=st.sampled_from([SALE, HOLD, TOP_UP, CASH]), amount=st.sampled_from(AMOUNTS[:6]))
    def an_operation_that_should_go_well(self, code: int, amount: int) -> None:
        self._ask(ask_for(code, amount), "ack", 8000)

    @rule(
        code=st.sampled_from([VOID, HOLD, COMPLETION]),
        part=st.sampled_from([1, 2, 3]),
        say=says,
        millis=WHILE,
    )
    def something_that_follows_the_last(self, code: int, part: int, say: str, millis: int) -> None:
        original = self._original(0)
        if original is not None:
            self._ask(ask_for(code, max(original.amount // part, 1), original), say, millis)

    @rule(amount=st.sampled_from([None, None, 100, 1200]), say=says, millis=WHILE)
    def an_emergency_reversal(self, amount: int | None, say: str, millis: int) -> None:
        self._ask(reversal(amount), say, millis)

    @rule(say=says, millis=WHILE)
    def a_settlement(self, say: str, millis: int) -> None:
        self._ask(settlement(), say, millis)

    @rule(frame=st.sampled_from([report(), link_test(), COPY, CARD_DATA, UNKNOWN]), say=says, millis=WHILE)
    def something_harmless(self, frame: bytes, say: str, millis: int) -> None:
        self._ask(frame, say, millis)

    @rule(
        code=st.sampled_from([VOID, RETURN, COMPLETION]),
        track=st.sampled_from([None, None, STRIPE, CHIP_STRIPE]),
    )
    def something_without_its_references(self, code: int, track: str | None) -> None:
        self._ask(ask_for(code, 60, None, f12=track), "ack", 1500)

    @precondition(lambda self: self.shop.state is State.CASHIER)
    @rule(said=st.sampled_from(["right", "right", "right", "wrong", "cancel", "no window"]))
    def the_cashier(self, said: str) -> None:
        original = self._original(0)
        right = (original.rrn, original.authorization_code)[self.answers % 2] if original else "1"
        self.answers += 1
        word = right if said == "right" else f"{self.answers}"
        result = {"cancel": 1, "no window": 3}.get(said, 0)
        self.shop.world.write(request({25: 52, 67: result, 77: word}))
        self.shop.rest(100)

    @precondition(lambda self: self.shop.state is not State.IDLE)
    @rule(how=st.sampled_from(["close", "pull", "eot", "reopen", "another"]))
    def the_register_leaves(self, how: str) -> None:
        world = self.shop.world
        match how:
            case "close" | "pull":
                world.plug(None, tell=how == "close")
            case "eot":
                world.write(EOT)
                world.plug(None, tell=False)
            case "reopen":
                self.shop.till()
            case _:
                world.write(ask_for(SALE, 77))

    # --- customer, bank, power, time -----------------------------------------------------------------------

    @rule(card=st.sampled_from(CARDS_USED), habit=st.sampled_from(HABITS))
    def another_customer(self, card: str, habit: dict[str, Any]) -> None:
        self.shop.world.cardholder = customer(card, **habit)

    @rule()
    def nobody_comes(self) -> None:
        self.shop.world.cardholder = Cardholder(None)

    @precondition(lambda self: self.shop.state is not State.IDLE)
    @rule(event=st.sampled_from([CancelPressed(), CardPulled()]))
    def hands(self, event: CancelPressed | CardPulled) -> None:
        self.shop.world.tell(event)

    @rule(delivery=st.sampled_from(Delivery), behind=st.integers(0, 4), lasts=st.sampled_from([1, 1, 2, 100]))
    def the_bank_fails(self, delivery: Delivery, behind: int, lasts: int) -> None:
        first = self.shop.world.bank_messages + behind
        self.shop.world.delivery = lambda number: (
            delivery if first <= number < first + lasts else Delivery.FINE
        )

    @rule()
    def the_bank_is_back(self) -> None:
        self.shop.world.delivery = lambda _: Delivery.FINE
        self.shop.bank.says = lambda _request: None

    @rule(step=st.sampled_from(list(HARMLESS)), which=st.integers(0, 2))
    def the_bank_will_not(self, step: Step, which: int) -> None:
        codes = HARMLESS[step]

        def said(asked: AuthorizationRequest) -> str | None:
            return codes[which % len(codes)] if asked.step is step else None

        self.shop.bank.says = said

    @rule(code=st.sampled_from(["05", "55", "75", "91"]))
    def the_bank_declines(self, code: str) -> None:
        self.shop.bank.says = lambda asked: code if asked.step is Step.FINANCIAL else None

    @precondition(lambda self: self.shop.state is State.IDLE and not self.shop.memory.owes)
    @rule(count=st.integers(1, 3))
    def the_bank_forgets(self, count: int) -> None:
        """What counts in the open day: an upload repairs it."""
        rows = [row for row in approved(self.shop) if row.batch == self.shop.memory.day]
        gone = [row for row in rows if row.transaction in BUCKETS][-count:]
        forget(self.shop, gone)
        self.damaged = self.damaged or bool(gone)

    @precondition(lambda self: self.shop.state is State.IDLE and not self.shop.memory.owes)
    @rule()
    def the_bank_invents(self) -> None:
        """More than all that it may forget: what makes up for each other, no totals can show."""
        self.invented += 1
        invent(self.shop, [100_000_000], first=self.invented)
        self.damaged = True

    @rule(before=st.integers(0, 25), millis=st.sampled_from(PATIENCE))
    def the_power_fails(self, before: int, millis: int) -> None:
        if not self.shop.run_with_cut(lambda: self.shop.rest(millis), before):
            self.shop.power_cycle()

    @rule(millis=st.sampled_from(PATIENCE))
    def time_passes(self, millis: int) -> None:
        self.shop.rest(millis)

    # --- the end -------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "shop"):
            return
        shop = self.shop
        shop.bank.says = lambda _request: None
        shop.settle()
        if not self.damaged:
            assert_agreed(shop)
        before = len(shop.steps)
        close_the_day(shop)
        if not self.damaged:
            assert shop.steps[before:] == [Step.RECONCILIATION], "in balance: nothing has to be uploaded"
        shop.settle()
        assert_agreed(shop)

    def _ask(self, frame: bytes, say: str, millis: int) -> None:
        self.shop.ask(frame, SAYINGS[say])
        self.shop.rest(millis)

    def _original(self, back: int) -> Done | None:
        finals = [final for till in self.shop.tills for final in till.finals if text(final, 13)]
        if not finals:
            return None
        final = finals[-1 - back % len(finals)]
        amount, code = int(text(final, 0) or 1), int(text(final, 25) or 0)
        return Done(code, amount, text(final, 14) or "", text(final, 13) or "")


TestDays = Days.TestCase
TestDays.settings = settings(
    max_examples=250, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
