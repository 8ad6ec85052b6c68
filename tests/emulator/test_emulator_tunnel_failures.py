"""Scheme ПКХ when something fails at any step of the tunnel (PROTOCOL.md, sections 0.2, 0.3 and 9.2).

Afterwards bank, memory and answer agree, always. Without a register there is no way to the bank: what is owed
to it is the first thing of the next session, whatever that session is about.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
from emulator_kit import (
    Shop,
    State,
    Step,
    assert_agreed,
    hand_over,
    link_test,
    outcome,
    request,
    reversal,
    sale,
    text,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from operation_kit import (
    BALANCE,
    CARD_DATA,
    COMPLETION,
    HOLD,
    SALE,
    TOP_UP,
    close_the_day,
    money,
    settlement,
    user_command,
    void,
)
from play_kit import forget
from tunnel_kit import LASTING, Ask, Deed, OurTill, TunnelShop, TunnelTill, settle_and_agree

from smartsale_emu.payment.authorization import Transaction
from smartsale_emu.register.habits import Habits, TunnelAct, TunnelHabit
from smartsale_emu.register.requests import Arguments, operation_request
from smartsale_emu.scenario.virtual import Delivery
from smartsale_emu.terminal.memory import Stage
from smartsale_emu.units import MinorUnits

BANK_DELAY = 2500
OPEN, SEND, FETCHES, CLOSE = 0, 1, (2, 3, 4), 5
"""The requests of a sale: the bank's answer comes with the third fetch."""
ALL_STEPS = range(6)
GONE = LASTING | {Deed.NAK_ALWAYS}
HARMLESS = frozenset({Deed.GOOD, Deed.NAK_ONCE, Deed.LATE_ACK, Deed.TWICE})
NOT_DONE = frozenset(
    {Deed.REFUSE, Deed.STALL, Deed.GARBLE, Deed.EOT, Deed.CLOSE, Deed.SILENT, Deed.NAK_ALWAYS}
)
SINGLE = [deed for deed in Deed if deed not in (Deed.TWICE_LATER, Deed.OTHER_REQUEST)]


def told(deed: Deed, step: int) -> str | None:
    """Field 39 that the register of a sale must get; None for no answer at all."""
    if deed in GONE:
        return None
    nothing_yet = deed is Deed.REFUSE and step in FETCHES
    nothing_lost = deed is Deed.REFUSE_DONE and step in FETCHES[:-1]
    in_time = deed is Deed.SLOW and step == OPEN
    if deed in HARMLESS or step == CLOSE or nothing_yet or nothing_lost or in_time:
        return "1"
    return "34" if step == OPEN else "53"


def assert_as_told(shop: TunnelShop, final: str | None, *, asked: bool, heard: bool) -> None:
    """``asked``: the message to the bank has left; ``heard``: the bank has it."""
    owed = final != "1" and asked
    pending = shop.memory.pending
    assert (Step.FINANCIAL in shop.steps) == heard
    if pending is not None:
        assert owed
        assert pending.stage is Stage.REVERSING
        assert shop.world.emulator.next_deadline() is None
    settle_and_agree(shop)
    assert shop.kept_count == (final == "1")
    assert shop.steps.count(Step.REVERSAL) == owed


# --- a register that does something wrong ----------------------------------------------------------------


@pytest.mark.parametrize("step", ALL_STEPS)
@pytest.mark.parametrize("deed", SINGLE)
def test_a_register_does_something_wrong_at_a_step_of_a_sale(deed: Deed, step: int) -> None:
    shop = TunnelShop(bank_delay=BANK_DELAY)
    final = text(shop.misbehave(sale(), {step: deed}).final, 39)
    assert final == told(deed, step)
    asked = final == "1" or step >= SEND
    assert_as_told(shop, final, asked=asked, heard=asked and not (step == SEND and deed in NOT_DONE))


ACTS = {
    (TunnelAct.REFUSE, False): Deed.REFUSE,
    (TunnelAct.REFUSE, True): Deed.REFUSE_DONE,
    (TunnelAct.STALL, False): Deed.STALL,
    (TunnelAct.STALL, True): Deed.STALL_DONE,
    (TunnelAct.GARBLE, False): Deed.GARBLE,
    (TunnelAct.GARBLE, True): Deed.GARBLE_DONE,
    (TunnelAct.VANISH, False): Deed.SILENT,
    (TunnelAct.VANISH, True): Deed.SILENT_DONE,
}


@pytest.mark.parametrize("step", ALL_STEPS)
@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("act", list(TunnelAct))
def test_our_register_does_something_wrong_at_a_step_of_a_sale(act: TunnelAct, done: bool, step: int) -> None:
    shop, deed = TunnelShop(bank_delay=BANK_DELAY), ACTS[act, done]
    till = shop.ours("sale", Habits(tunnel=TunnelHabit(step + 1, act, done)), amount=1200)
    final = text(till.final, 39)
    its_patience_ends_first = act is TunnelAct.STALL and step == OPEN  # 45 s, as the pinpad's
    assert final == (None if its_patience_ends_first else told(deed, step))
    asked = final == "1" or step >= SEND
    assert_as_told(shop, final, asked=asked, heard=asked and not (step == SEND and deed in NOT_DONE))


@pytest.mark.parametrize("second", ALL_STEPS)
@pytest.mark.parametrize("first", ALL_STEPS)
@pytest.mark.parametrize("deed", [Deed.LATE_ACK, Deed.TWICE, Deed.TWICE_LATER, Deed.REFUSE_DONE])
def test_a_register_does_something_wrong_twice(deed: Deed, first: int, second: int) -> None:
    """A copy that comes too late may be taken for an answer: then nobody is told an untruth all the same."""
    shop = TunnelShop(bank_delay=BANK_DELAY)
    shop.misbehave(sale(), {first: deed, second: deed})
    settle_and_agree(shop)


@pytest.mark.parametrize("step", ALL_STEPS)
def test_another_request_comes_in_the_middle(step: int) -> None:
    """The register has given up its sale (section 0.1): what is owed goes first, then the link test."""
    shop = TunnelShop(bank_delay=BANK_DELAY)
    till = shop.misbehave(sale(), {step: Deed.OTHER_REQUEST})
    assert (text(till.final, 25), text(till.final, 39)) == ("26", "1")
    sold = [Step.FINANCIAL] if step > SEND else []
    undone = [Step.REVERSAL] if step >= SEND else []
    assert shop.steps == [*sold, *undone, Step.NETWORK]
    assert_agreed(shop)


# --- every other operation -------------------------------------------------------------------------------


def _after_nothing(shop: TunnelShop, code: int) -> bytes:
    return money(code, 500)


def _after_sale(shop: TunnelShop) -> bytes:
    return void(500, shop.serve(sale()))


def _after_hold(shop: TunnelShop, code: int) -> bytes:
    return money(code, 500, shop.serve(money(HOLD, 5000)))


MONEY: dict[str, Callable[[TunnelShop], bytes]] = {
    "void": _after_sale,
    "pre-authorization": lambda shop: _after_nothing(shop, HOLD),
    "raise": lambda shop: _after_hold(shop, HOLD),
    "completion": lambda shop: _after_hold(shop, COMPLETION),
    "top-up": lambda shop: _after_nothing(shop, TOP_UP),
}
DEEDS = [
    Deed.REFUSE,
    Deed.REFUSE_DONE,
    Deed.STALL_DONE,
    Deed.GARBLE,
    Deed.HALF,
    Deed.EOT_DONE,
    Deed.CLOSE,
    Deed.SILENT,
    Deed.LATE_ACK,
]


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("name", list(MONEY))
def test_a_register_does_something_wrong_at_every_step_of(name: str, deed: Deed) -> None:
    """Whole, or as if it had never been (section 0.3): the answer says which."""
    for step in ALL_STEPS:
        shop = TunnelShop(bank_delay=BANK_DELAY)
        frame = MONEY[name](shop)
        before = list(shop.memory.journal.kept())
        final = text(shop.misbehave(frame, {step: deed}).final, 39)
        assert final == told(deed, step), step
        settle_and_agree(shop)
        assert (list(shop.memory.journal.kept()) == before) == (final != "1"), step


@pytest.mark.parametrize("deed", DEEDS)
def test_a_register_does_something_wrong_at_every_step_of_a_reversal(deed: Deed) -> None:
    """Operation 53 is owed from the moment it was granted, with or without the register."""
    for step in ALL_STEPS:
        shop = TunnelShop(bank_delay=BANK_DELAY)
        shop.serve(sale())
        final = text(shop.misbehave(reversal(), {step: deed}).final, 39)
        assert final == {"53": "34"}.get(told(deed, step) or "", told(deed, step)), step
        settle_and_agree(shop)
        assert shop.kept_count == 0, step


@pytest.mark.parametrize("deed", DEEDS)
def test_a_settlement_is_interrupted_at_every_step(deed: Deed) -> None:
    """Asked, the day is closed once, by the next session at the latest; not asked, it goes on."""
    step, over = 0, False
    while not over:
        shop = TunnelShop()
        shop.serve(sale())
        shop.serve(sale(300))
        forget(shop, shop.operations[:1])
        till = shop.misbehave(settlement(), {step: deed})
        final, over = text(till.final, 39), len(till.steps) < step
        assert final in ("1", "34", None)
        asked = Ask.SEND in till.steps or step == SEND
        assert final != "1" or shop.memory.day == 2
        assert bool(shop.memory.settling) == (asked and shop.memory.day == 1), step
        shop.settle()
        shop.serve(user_command(20))
        assert shop.memory.day == (2 if asked else 1), step
        if not asked:
            close_the_day(shop)
        shop.unsure.update(text(answer, 14) or "" for other in shop.tills for answer in other.finals)
        settle_and_agree(shop)  # but for the RRN of what the bank forgot and was told again
        step += 1
    assert step > 8, "totals, two uploads and totals again"


# --- what is owed is the first thing of the next session -------------------------------------------------


def owing(shop: TunnelShop) -> None:
    """A sale whose register left while the bank was asked."""
    shop.misbehave(sale(), {2: Deed.SILENT})
    assert shop.steps == [Step.FINANCIAL]
    assert shop.state is State.OWING


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (user_command(20), "1"),
        (user_command(22, f64=1), "16"),
        (link_test(), "1"),
        (sale(300), "1"),
        (settlement(), "1"),
        (request({25: BALANCE, 4: "643"}), "1"),
        (request({25: CARD_DATA}), "1"),
        (request({25: 99}), "0"),
        (request({25: SALE, 0: "x", 4: "643"}), "53"),
        (reversal(None), "53"),
    ],
    ids=["report", "copy", "link", "sale", "settlement", "balance", "card", "unknown", "bad", "reversal"],
)
def test_what_is_owed_goes_first_whatever_is_asked(frame: bytes, status: str) -> None:
    """Recorded so from a real terminal (section 0.3)."""
    shop = TunnelShop()
    owing(shop)
    hand_over(shop, "mir-chip")
    final = shop.serve(frame)
    sold, undone = shop.bank.heard[:2]
    assert (undone.step, undone.stan, undone.attempt) == (Step.REVERSAL, sold.stan, 0)
    assert shop.steps.count(Step.REVERSAL) == 1
    assert text(final, 39) == status
    assert shop.last.waits, "the register waits meanwhile"
    settle_and_agree(shop)


def test_without_a_register_nothing_is_tried() -> None:
    shop = TunnelShop()
    owing(shop)
    assert shop.world.emulator.next_deadline() is None
    shop.rest(3_600_000)
    shop.power_cycle()
    shop.rest(3_600_000)
    assert shop.world.emulator.next_deadline() is None
    assert shop.steps == [Step.FINANCIAL]
    settle_and_agree(shop)
    assert [asked.attempt for asked in shop.bank.heard] == [0, 0]


@pytest.mark.parametrize("frame", [reversal(None), reversal(5), sale(100), user_command(20), settlement()])
def test_after_a_settlement_that_never_left_every_request_is_answered(frame: bytes) -> None:
    """The register leaves before it has opened the connection: nothing is owed, nothing is held."""
    shop = TunnelShop()
    shop.serve(sale(100))
    shop.ask(settlement())
    shop.reach(State.SETTLING)
    shop.world.plug(None)
    shop.rest(10)
    assert (shop.state, shop.memory.settling) == (State.IDLE, "")
    assert text(shop.serve(frame), 39) in ("1", "53")
    settle_and_agree(shop)


@pytest.mark.parametrize("deed", [Deed.REFUSE, Deed.STALL, Deed.GARBLE])
def test_a_register_that_cannot_connect_is_served_what_needs_no_bank(deed: Deed) -> None:
    """The other answers are 39 = 34 with a text (section 0.3)."""
    shop = TunnelShop()
    owing(shop)
    assert text(shop.misbehave(user_command(20), {0: deed}).final, 39) == "1"
    refused = shop.misbehave(link_test(), {0: deed}).final
    assert text(refused, 39) == "34"
    assert text(refused, 19)
    assert shop.memory.pending is not None
    settle_and_agree(shop)
    assert [asked.attempt for asked in shop.bank.heard] == [0, 0], "not a byte of the others had left"


def test_a_reversal_that_left_and_was_not_answered_is_repeated_as_such() -> None:
    shop = TunnelShop()
    owing(shop)
    first = shop.world.bank_messages
    shop.world.delivery = lambda number: Delivery.LOST_BACK if number == first else Delivery.FINE
    assert text(shop.serve(link_test()), 39) == "34"
    assert text(shop.serve(link_test()), 39) == "1"
    assert [asked.attempt for asked in shop.bank.heard] == [0, 0, 1, 0]
    assert_agreed(shop)


@pytest.mark.parametrize("deed", DEEDS)
def test_the_next_session_is_interrupted_too(deed: Deed) -> None:
    for step in ALL_STEPS:
        shop = TunnelShop(bank_delay=BANK_DELAY)
        owing(shop)
        shop.misbehave(sale(300), {step: deed})
        settle_and_agree(shop)
        assert shop.operations[0].state.name.startswith("REVERSED"), step


def test_a_lost_final_answer_is_undone_in_the_next_session() -> None:
    """Document, 2.2: a register without an answer tells its cashier that nothing was done."""
    shop = TunnelShop()
    shop.ask(sale(), lambda _number, final: b"" if final else b"\x06")
    shop.settle()
    assert shop.memory.pending is not None
    assert shop.steps == [Step.FINANCIAL]
    settle_and_agree(shop)
    assert shop.kept_count == 0
    assert shop.remarks("doubt") == [1]


def test_a_new_line_ends_the_session() -> None:
    shop = TunnelShop(bank_delay=BANK_DELAY)
    shop.ask(sale())
    shop.until(lambda: len(shop.last.steps) > 2)
    again = shop.ask(sale(300))
    shop.until(lambda: bool(again.finals))
    shop.rest(50)
    assert outcome(again.final)[0] == "1"
    assert shop.steps == [Step.FINANCIAL, Step.REVERSAL, Step.FINANCIAL]
    assert_agreed(shop)


# --- the power -------------------------------------------------------------------------------------------

ALL_FRAMES: dict[str, Callable[[TunnelShop], bytes]] = {
    **MONEY,
    "sale": lambda shop: _after_nothing(shop, SALE),
    "reversal": lambda shop: (shop.serve(sale()), reversal())[1],
    "settlement": lambda shop: (shop.serve(sale()), settlement())[1],
}


@pytest.mark.parametrize("name", list(ALL_FRAMES))
def test_the_power_fails_before_every_single_effect_of(name: str) -> None:
    for cut in range(1000):
        shop = TunnelShop(bank_delay=1500)
        frame = ALL_FRAMES[name](shop)
        before = list(shop.memory.journal.kept())
        shop.ask(frame)
        was_cut = shop.run_with_cut(lambda shop=shop: shop.rest(60_000), cut)  # type: ignore[misc]
        asked = shop.steps[-1:] != []
        settle_and_agree(shop)
        if was_cut and name in MONEY and text(shop.tills[-2].final, 39) != "1":
            assert list(shop.memory.journal.kept()) == before
        if not was_cut:
            break
    assert 20 < cut < 1000
    assert asked


@pytest.mark.parametrize("second", [0, 1, 2, 5, 9])
def test_the_power_fails_again_in_the_next_session(second: int) -> None:
    for cut in range(0, 1000, 2):
        shop = TunnelShop(bank_delay=1500)
        shop.ask(sale())
        if not shop.run_with_cut(lambda shop=shop: shop.rest(60_000), cut):  # type: ignore[misc]
            break
        shop.ask(link_test())
        shop.run_with_cut(lambda shop=shop: shop.rest(60_000), second)  # type: ignore[misc]
        settle_and_agree(shop)


# --- a line that harms what passes -----------------------------------------------------------------------

Harm = tuple[str, int]


class LossyLine:
    """Harms the n-th piece that passes. Bytes without a CRC are lost or turned into noise, nothing worse."""

    def __init__(self, harms: dict[int, Harm]) -> None:
        self._harms, self._pieces = harms, -1

    def __call__(self, data: bytes, *, to_register: bool) -> bytes:
        self._pieces += 1
        harm, where = self._harms.get(self._pieces, ("", 0))
        place = where % len(data)
        match harm:
            case "lose":
                return b""
            case "flip":
                bit = 0x40 if len(data) == 1 else 1 << where % 8
                return data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]
            case "cut":
                return data[:place]
            case "double" if len(data) > 1 and not to_register:
                return data * 2
        return data


harms = st.dictionaries(
    st.integers(0, 70),
    st.tuples(st.sampled_from(["lose", "flip", "cut", "double"]), st.integers(0, 600)),
    max_size=5,
)


@given(harms=harms, delay=st.sampled_from([300, 1500, 20_000]), name=st.sampled_from(["sale", "preauth"]))
@settings(max_examples=400, suppress_health_check=list(HealthCheck))
def test_whatever_the_line_harms_all_agree_afterwards(harms: dict[int, Harm], delay: int, name: str) -> None:
    shop = TunnelShop(bank_delay=delay)
    shop.world.on_wire = LossyLine(harms)
    till = OurTill(operation_request(name, Arguments(amount=MinorUnits(1200))), shop.world.connect)
    shop.tills.append(till)
    shop.world.plug(till)
    shop.rest(400_000)
    assert till.inner.outcome is not None
    shop.world.on_wire = LossyLine({})
    settle_and_agree(shop)
    assert shop.steps.count(Step.FINANCIAL) <= 1


def test_a_line_that_harms_nothing_was_worth_the_trial() -> None:
    """The pieces of a sale reach beyond the last that may be harmed above."""
    shop, line = TunnelShop(bank_delay=20_000), LossyLine({})
    shop.world.on_wire = line
    shop.ours("sale", amount=1200)
    assert line._pieces > 70
    assert [row.transaction for row in shop.operations] == [Transaction.PURCHASE]


__all__ = ["Shop", "TunnelTill", "replace"]
