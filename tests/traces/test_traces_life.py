"""The life of one operation: what is told of it, what is left out, and who holds the money."""

from dataclasses import replace
from datetime import datetime

import pytest
from traces_kit import SALE, ours, played, trace

from smartsale_emu.errors import TraceError
from smartsale_emu.host.ledger import Operation, OperationKey, OperationState
from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.traces.life import Follower, Life, Undone, lives
from smartsale_emu.traces.money import who_holds
from smartsale_emu.units import RUB, MinorUnits


def life(text: bytes, number: str = "1") -> Life:
    (one,) = lives(trace(text), number)
    return one


def told(one: Life) -> list[str]:
    return [f"{moment.who}: {moment.what}" for moment in one.moments]


def because(one: Life) -> list[str]:
    return [moment.because for moment in one.moments]


class TestSale:
    def test_its_facts(self) -> None:
        one = life(played(SALE))
        assert (one.stan, one.transaction, one.amount, one.code) == (1, "purchase", 10000, "00")
        assert (one.card, one.rrn) == ("220012******9019", "601510000001")
        assert (one.status, one.acknowledged, one.undone) == ("1", True, Undone.NOT_ASKED)

    def test_the_rrn_finds_the_same(self) -> None:
        assert life(played(SALE), "601510000001") == life(played(SALE), "000001")

    def test_it_is_told_in_order(self) -> None:
        lines = told(life(played(SALE)))
        wanted = [
            "register → pinpad: sale 100.00",
            "customer → pinpad: card mir-chip, chip",
            "pinpad: card prompt → PIN entry: card, PIN needed",
            "customer → pinpad: a PIN was entered",
            "pinpad → bank: purchase 100.00, STAN 000001",
            "bank → pinpad: RRN 601510000001, authorization code 314159",
            "pinpad → register: final answer: 1 done, ОДОБРЕНО",
            "line: final: lost",
            "pinpad → register: sent again",
            "register → pinpad: the register acknowledged the final answer",
        ]
        rest = iter(lines)
        assert all(line in rest for line in wanted), "each one behind the one before"
        assert lines[0] == wanted[0]

    def test_its_reasons_are_told(self) -> None:
        assert "operation sale" in because(life(played(SALE)))
        assert "block 3 of 3, copy 2 of 3: no ACK in 7000 ms" in because(life(played(SALE)))

    def test_the_shop_has_the_money(self) -> None:
        assert who_holds(life(played(SALE))) == "the shop has 100.00 of the customer's account"


def test_a_lost_answer_is_undone_and_the_register_may_believe_otherwise() -> None:
    one = life(ours("line/ack-of-final-lost"))
    assert (one.undone, one.acknowledged, one.status) == (Undone.DONE, False, "1")
    assert "pinpad: reversal, attempt 1" in told(one)
    assert "pinpad → bank: undo the purchase 100.00, STAN 000001" in told(one)
    assert who_holds(one) == (
        "nothing has moved: everybody has what they had before; it was undone. The register may believe that"
        " it was paid: an approval was sent, its ACK never came"
    )


def test_the_same_attempt_again_and_again_is_told_once() -> None:
    one = life(ours("reversal/bank-down-for-hours"))
    assert len(one.moments) < 50
    assert max(moment.times for moment in one.moments) > 100
    assert one.undone is Undone.DONE


def test_what_follows_is_known() -> None:
    one = life(ours("everyday/partial-void-and-return"))
    assert [(follower.transaction, follower.amount) for follower in one.followers if follower.stands] == [
        ("void", 30000),
        ("return", 50000),
        ("return", 20000),
    ]
    assert who_holds(one) == (
        "everybody has what they had before: all of it went back by void of 300.00 (STAN 000002),"
        " return of 500.00 (STAN 000004), return of 200.00 (STAN 000006)"
    )


def test_a_power_cut_does_not_end_a_life() -> None:
    one = life(ours("power/cut-while-the-bank-is-asked"))
    assert "power: the power is cut, for 10 s" in told(one)
    assert (one.undone, one.code) == (Undone.DONE, "")


def test_a_stan_that_comes_again_is_told_each_time() -> None:
    first, second = played(SALE), played(SALE).replace(b"2026-01-15", b"2026-01-16")
    found = lives(trace(first + second), "1")
    assert [one.sent_at[:10] for one in found] == ["2026-01-15", "2026-01-16"]
    assert len(found[0].moments) == len(found[1].moments)


def test_stories_one_after_another_are_not_mixed() -> None:
    paid, lost = played(SALE), ours("line/ack-of-final-lost")
    found = lives(trace(paid + lost + paid), "1")
    assert [one.undone for one in found] == [Undone.NOT_ASKED, Undone.DONE, Undone.NOT_ASKED]
    assert found[0].moments == found[2].moments


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("7", "the nearest are STAN 000001"),
        ("601510000009", "the nearest are RRN 601510000001"),
        ("x", "is no RRN"),
        ("1234567", "is no RRN"),
        ("", "is no RRN"),
    ],
)
def test_an_unknown_number_is_one_line(number: str, said: str) -> None:
    with pytest.raises(TraceError, match=said):
        lives(trace(played(SALE)), number)


def test_an_empty_trace_is_one_line() -> None:
    with pytest.raises(TraceError, match="there is no operation in it"):
        lives(trace(b""), "1")


# --- who holds the money -----------------------------------------------------------------------------------

NOBODY = "nothing has moved: everybody has what they had before"
SHOP = "the shop has 100.00 of the customer's account"
UNANSWERED = (
    "not decided: the bank was asked and may hold 100.00 as approved; the trace has no answer and no reversal"
    " of it. The pinpad owes the reversal, and sends it unless the answer comes"
)
BELIEVES = ". The register may believe that it was paid: an approval was sent, its ACK never came"
OWED = "; the pinpad still owes the bank its reversal"
LOST = (
    "not decided: the trace says that the bank approved 100.00, and its ledger does not have it: this is"
    " another bank's ledger, or it lost the row"
)
NOT_THERE = "nothing has moved at this bank: its ledger does not have it"
LATER = "; the trace has no answer of it: the pinpad owes the reversal, unless the answer came later"

PAID = Life(
    stan=1,
    sent_at="2026-01-15T10:00:00",
    transaction="purchase",
    amount=MinorUnits(10000),
    card="",
    rrn="601510000001",
    code="00",
    undone=Undone.NOT_ASKED,
    status="1",
    acknowledged=True,
    moments=(),
)
VOID = Follower("void", 2, MinorUnits(4000), stands=True)
AT = datetime(2026, 1, 15, 10)
ROW = Operation(
    key=OperationKey("00060056", "111111111", 1, AT),
    step=Step.FINANCIAL,
    transaction=Transaction.PURCHASE,
    amount=MinorUnits(10000),
    currency=RUB,
    card_masked="",
    account="",
    content="",
    state=OperationState.APPROVED,
    response_code="00",
    rrn="",
    authorization_code="",
    received_at=AT,
    because="",
)
ROW_OF_VOID = replace(
    ROW,
    key=replace(ROW.key, stan=2),
    transaction=Transaction.VOID,
    amount=MinorUnits(4000),
    original=ROW.key,
)

CUT_WHILE_CONNECTING = """
format: 1
title: The power fails while the pinpad connects to the bank
steps:
  - bank: hangs
  - register: sale 100.00
  - card: tap mir-contactless
    after: 1s
  - power: cut for 5s
    when: state is bank connect
    after: 1s
  - expect: {memory: {owes: no}}
    after: 10s
"""


def cut(text: bytes, mark: bytes) -> bytes:
    """Return a trace up to and with the first line that has the mark."""
    lines = text.splitlines(keepends=True)
    last = next(place for place, line in enumerate(lines) if mark in line)
    return b"".join(lines[: last + 1])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"undone": Undone.OWED},
            (
                "not decided: the bank may hold 100.00 as approved until it answers the reversal, which the"
                " pinpad repeats"
            ),
        ),
        (
            {"undone": Undone.ALARM},
            "not decided: the bank refused the reversal of 100.00; somebody has to ask it",
        ),
        ({"code": "51"}, f"{NOBODY}: the bank declined"),
        ({"code": ""}, UNANSWERED),
        ({"code": "", "left": False}, f"{NOBODY}: not one byte of it left for the bank"),
        ({"acknowledged": False}, f"{SHOP}; the register has not acknowledged it in this trace"),
        (
            {"followers": (VOID,)},
            "the shop has 60.00 of the customer's account: 100.00 less void of 40.00 (STAN 000002)",
        ),
        ({"followers": (replace(VOID, stands=False),)}, SHOP),
        (
            {"followers": (replace(VOID, stands=False, undecided=True),)},
            f"{SHOP}; not decided so far: void of 40.00 (STAN 000002)",
        ),
        ({"transaction": "balance"}, "no money: it only asked or told something"),
        ({"transaction": "return"}, "the customer has 100.00 back from the shop"),
        (
            {"transaction": "preauthorization"},
            "100.00 is held on the customer's account, and is still the customer's",
        ),
    ],
)
def test_by_the_trace(changed: dict[str, object], said: str) -> None:
    assert who_holds(replace(PAID, **changed)) == said  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "mark",
    [b'"direction": "out", "step": "financial"', b"the bank counts as asked from here on"],
    ids=["asked", "byte-left"],
)
def test_a_trace_that_ends_once_the_bank_was_asked_decides_nothing(mark: bytes) -> None:
    assert who_holds(life(cut(played(SALE), mark))) == UNANSWERED


@pytest.mark.parametrize(
    "name", ["bank/unreachable", "bank/hangs", "customer/cancel-while-connecting", "tunnel/bank-not-reached"]
)
def test_what_never_left_moved_nothing(name: str) -> None:
    assert who_holds(life(ours(name))) == f"{NOBODY}: not one byte of it left for the bank"


@pytest.mark.parametrize(
    "mark", [b"the power is cut", b"power is back, something is owed"], ids=["off", "on"]
)
def test_a_power_cut_while_it_connects_decides_nothing(mark: bytes) -> None:
    """What the pinpad does next says nothing of whether a byte left."""
    assert who_holds(life(cut(played(CUT_WHILE_CONNECTING), mark))) == UNANSWERED


def test_a_void_that_is_being_undone_leaves_the_sale_open() -> None:
    text = cut(ours("power/cut-of-a-void"), b'"step": "reversal"')
    said = f"{SHOP}; not decided so far: void of 100.00 (STAN 000002)"
    assert who_holds(life(text)) == said


def test_a_void_without_an_answer_leaves_the_sale_open() -> None:
    text = cut(ours("everyday/partial-void-and-return"), b'"transaction": "void"')
    said = "the shop has 1000.00 of the customer's account; not decided so far: void of 300.00 (STAN 000002)"
    assert who_holds(life(text)) == said


@pytest.mark.parametrize(
    ("state", "changed", "said"),
    [
        (OperationState.APPROVED, {}, SHOP),
        (OperationState.APPROVED, {"undone": Undone.OWED}, f"{SHOP}{OWED}"),
        (OperationState.APPROVED, {"code": ""}, f"{SHOP}{LATER}"),
        (OperationState.DECLINED, {"code": "51"}, f"{NOBODY}: the bank declined"),
        (
            OperationState.REVERSED,
            {"acknowledged": False},
            f"{NOBODY}; the bank has it as reversed{BELIEVES}",
        ),
        (OperationState.REVERSED_EARLY, {"status": "53"}, f"{NOBODY}; the bank has it as reversed-early"),
    ],
)
def test_by_the_ledger(state: OperationState, changed: dict[str, object], said: str) -> None:
    assert who_holds(replace(PAID, **changed), (replace(ROW, state=state),)) == said  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, LOST),
        ({"undone": Undone.OWED}, LOST),
        ({"undone": Undone.DONE}, NOT_THERE),
        ({"code": "51"}, NOT_THERE),
        ({"code": "", "undone": Undone.OWED}, f"{NOT_THERE}{OWED}"),
        ({"code": ""}, f"{NOT_THERE}{LATER}"),
        ({"code": "", "left": False}, NOT_THERE),
        ({"transaction": "balance"}, "no money: it only asked or told something"),
    ],
)
def test_a_ledger_that_does_not_have_it(changed: dict[str, object], said: str) -> None:
    other = replace(ROW, key=replace(ROW.key, stan=7))
    assert who_holds(replace(PAID, **changed), (other,)) == said  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("void", "said"),
    [
        (
            ROW_OF_VOID,
            "the shop has 60.00 of the customer's account: 100.00 less void of 40.00 (STAN 000002)",
        ),
        (
            replace(ROW_OF_VOID, amount=MinorUnits(10000)),
            "everybody has what they had before: all of it went back by void of 100.00 (STAN 000002)",
        ),
        (replace(ROW_OF_VOID, state=OperationState.REVERSED), SHOP),
        (replace(ROW_OF_VOID, original=replace(ROW.key, stan=3)), SHOP),
    ],
    ids=["part", "all", "reversed", "of-another"],
)
@pytest.mark.parametrize("followers", [(), (VOID,)], ids=["trace-has-none", "trace-has-one"])
def test_what_followed_is_the_ledgers_word(
    void: Operation, said: str, followers: tuple[Follower, ...]
) -> None:
    assert who_holds(replace(PAID, followers=followers), (ROW, void)) == said
