"""Old answers played back, and messages whose type was changed on their way: believed by neither end."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from emulator_kit import EPOCH, Shop, assert_agreed, hand_over, outcome, sale, text
from operation_kit import done, settlement
from play_kit import approved, forget
from test_emulator_keys import PROFILES, key_change, shop_of

from smartsale_emu.host.codec import Codec
from smartsale_emu.host.ledger import OperationState
from smartsale_emu.payment.authorization import Step
from smartsale_emu.terminal.memory import STAN_LAST, Memory

TAPPED = "mir-contactless"
INTERRUPTED = ("53", "ER3", "ОПЕРАЦИЯ ПРЕРВАНА^TERMINATED.JPG~")
every_profile = pytest.mark.parametrize("name", PROFILES)


def noted(shop: Shop) -> list[bytes]:
    """What the bank answers from now on."""
    replies: list[bytes] = []

    def note(reply: bytes) -> bytes:
        replies.append(reply)
        return reply

    shop.on_way_back = note
    return replies


def cut_off(shop: Shop, reply: bytes) -> None:
    """Nothing reaches the bank any more, and somebody answers in its place."""
    shop.on_way_there, shop.on_way_back = lambda _: b"", lambda _: reply


@every_profile
def test_an_old_approval_is_none_when_its_stan_comes_again(name: str) -> None:
    """A contactless card: its issuer proves nothing to it."""
    first = shop_of(name, card=TAPPED)
    replies = noted(first)
    done(first, sale(1200))
    shop = shop_of(name, card=TAPPED, epoch=EPOCH + timedelta(days=30), memory=Memory(stan=STAN_LAST))
    cut_off(shop, replies[0])
    assert outcome(shop.serve(sale(1200)))[:3] == INTERRUPTED
    assert shop.bank.heard == []
    shop.rest(100_000)
    assert shop.memory.pending is not None
    shop.on_way_there, shop.on_way_back = lambda data: data, lambda reply: reply
    shop.settle()
    assert_agreed(shop)


@every_profile
def test_an_old_answer_to_a_reversal_is_none(name: str) -> None:
    first = shop_of(name, card=TAPPED)
    first.on_way_back = lambda _: b""
    first.serve(sale(1200))
    replies = noted(first)
    first.settle()
    assert first.memory.pending is None
    shop = shop_of(name, card=TAPPED, epoch=EPOCH + timedelta(days=30), memory=Memory(stan=STAN_LAST))
    shop.on_way_back = lambda _: b""
    assert outcome(shop.serve(sale(1200)))[:3] == INTERRUPTED
    cut_off(shop, replies[-1])
    shop.rest(100_000)
    assert shop.memory.pending is not None
    shop.on_way_there, shop.on_way_back = lambda data: data, lambda reply: reply
    shop.settle()
    assert shop.operations[-1].state is OperationState.REVERSED
    assert_agreed(shop)


@pytest.mark.parametrize("name", ["nac-bcd", "tbank-style", "generic-ascii"])
def test_an_old_key_change_with_another_stan_is_none(name: str) -> None:
    """Its DE11 is edited, for no MAC covers it; DE7 is that of the day on which the keys were new."""
    shop = shop_of(name, card=TAPPED)
    replies = noted(shop)
    done(shop, key_change())
    old = shop.dialect.wire.open_answer(replies[-1][2:])
    done(shop, sale(100))
    shop.rest(10)
    done(shop, key_change())
    hand_over(shop, TAPPED)
    done(shop, sale(100))
    held = shop.memory.keys.session

    def edited(_: bytes) -> bytes:
        codec = Codec(shop.bank_profile.wire.packing)
        parts = codec.read(old)
        way_back = shop.dialect.wire.open_request(shop.sent[-1][2:])[1]
        stan = f"{shop.memory.stan:06d}"
        return way_back.frame(codec.write(parts.mti, {**parts.fields, 11: stan}).raw)

    shop.on_way_back = edited
    assert text(shop.serve(key_change()), 39) != "1"
    assert shop.memory.keys.session == held
    shop.on_way_back = lambda reply: reply
    hand_over(shop, TAPPED)
    done(shop, sale(100))
    shop.settle()
    assert_agreed(shop)


# --- tbank-style: its MAC does not cover the type ---


def typed(**types: str) -> Callable[[bytes], bytes]:
    """Change types on the way, and lose messages whose type becomes nothing: ``m0200="0100"``."""

    def change(data: bytes) -> bytes:
        there = types.get(f"m{data[2:6].decode()}")
        if there is None:
            return data
        return data[:2] + there.encode() + data[6:] if there else b""

    return change


@pytest.mark.parametrize("at_once", [False, True], ids=["later", "in the same second"])
def test_the_approval_does_not_pass_for_the_answer_to_its_reversal(at_once: bool) -> None:
    shop = shop_of("tbank-style", card=TAPPED)
    approvals: list[bytes] = []

    def back(reply: bytes) -> bytes:
        if shop.sent[-1][2:4] == b"02":
            approvals.append(reply)
            return reply[:-1] + bytes([reply[-1] ^ 1]) if at_once else b""
        return approvals[0][:2] + b"0410" + approvals[0][6:]

    shop.on_way_back, shop.on_way_there = back, typed(m0400="", m0401="")
    assert outcome(shop.serve(sale(1200)))[:3] == INTERRUPTED
    shop.rest(300_000)
    assert shop.memory.pending is not None, "the bank still holds the money"
    shop.on_way_there, shop.on_way_back = lambda data: data, lambda reply: reply
    shop.settle()
    assert [one.state for one in shop.operations] == [OperationState.REVERSED]
    assert_agreed(shop)


def test_a_purchase_is_not_made_a_hold() -> None:
    shop = shop_of("tbank-style", card=TAPPED)
    shop.on_way_there, shop.on_way_back = typed(m0200="0100"), typed(m0110="0210")
    assert outcome(shop.serve(sale(1200)))[:3] == INTERRUPTED
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize("made", ["0320", "0200", "0100", "0220"])
def test_a_reversal_is_not_made_anything_else(made: str) -> None:
    shop = shop_of("tbank-style", card=TAPPED)
    answer = f"{int(made) + 10:04d}"
    shop.on_way_there = typed(m0400=made, m0401=made)
    shop.on_way_back = typed(**{"m0210": "", f"m{answer}": "0410"})
    assert outcome(shop.serve(sale(1200)))[:3] == INTERRUPTED
    shop.rest(300_000)
    assert shop.memory.pending is not None
    shop.on_way_there, shop.on_way_back = lambda data: data, lambda reply: reply
    shop.settle()
    assert [one.state for one in shop.operations] == [OperationState.REVERSED]
    assert_agreed(shop)


def test_an_upload_is_not_made_a_purchase() -> None:
    """The terminal tells a sale again; as a purchase it would be paid a second time."""
    shop = shop_of("tbank-style", card=TAPPED)
    done(shop, sale(1200))
    told = approved(shop)
    forget(shop, told)
    shop.on_way_there, shop.on_way_back = typed(m0320="0200"), typed(m0210="0330")
    shop.serve(settlement())
    shop.rest(300_000)
    assert Step.UPLOAD not in shop.steps
    assert shop.steps.count(Step.FINANCIAL) == 1
    assert approved(shop) == []
    shop.on_way_there, shop.on_way_back = lambda data: data, lambda reply: reply
    shop.settle()
    assert [one.amount for one in approved(shop)] == [1200]
    assert_agreed(shop)
