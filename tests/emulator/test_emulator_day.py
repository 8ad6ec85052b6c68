"""A day of two hundred operations: pinpad, bank and the sum of receipts agree to the kopeck (5.5, 8)."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Any

import pytest
from emulator_kit import ACK, EOT, Shop, assert_agreed, changed, customer, reversal, text
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
from play_kit import Done, approved, ask_for, balances, do, forget, invent, once_more, report

from smartsale_emu.host.ledger import OperationState
from smartsale_emu.payment.authorization import Step
from smartsale_emu.payment.totals import BUCKETS, Bucket, Tally, Totals
from smartsale_emu.sa.receipt_data import parse_receipt
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.virtual import Delivery

OPERATIONS = 200
PAYERS = ["mir-contactless", "mir-chip", "visa-chip", "mastercard-magstripe"]
REFUSED = ["mir-poor", "mir-blocked", "visa-do-not-honour"]
FIELDS = {
    Bucket.DEBIT: (29, 30),
    Bucket.CREDIT: (31, 32),
    Bucket.VOID_DEBIT: (49, 50),
    Bucket.VOID_CREDIT: (51, 52),
}
"""Amount and count."""


@dataclass
class Held:
    """What the shop still has of an operation. ``left``: in minor units; ``card``: the customer's."""

    done: Done
    card: str
    left: int


@dataclass
class Player:
    """Plays operations one after the other, drawn from a seed; keeps the receipts of approved ones."""

    shop: Shop
    random: Random
    money: list[Held] = field(default_factory=list)
    credits: list[Held] = field(default_factory=list)
    holds: list[Held] = field(default_factory=list)
    receipts: dict[str, tuple[int, str]] = field(default_factory=dict)
    played: Counter[str] = field(default_factory=Counter)

    def play(self, count: int) -> None:
        acts = [*[self.sale] * 5, *[self.void] * 4, self.cash, self.top_up, self.credit, *[self.hold] * 2]
        acts += [*[self.raise_hold] * 2, *[self.complete] * 2, self.void_hold, self.void_credit]
        acts += [self.declined, self.wrong_pins, self.lost_answer, self.silent_bank, self.balance]
        acts += [*[self.reversed_by_register] * 2, self.report]
        for number in range(count):
            act = acts[number % len(acts)] if number < len(acts) else self.random.choice(acts)
            act()
            self.played[act.__name__] += 1

    # --- one operation -----------------------------------------------------------------------------------

    def ask(self, code: int, amount: int, card: str, of: Done | None = None, **habits: Any) -> Message:
        self.shop.world.cardholder = customer(card, **habits)
        final = self.shop.serve(ask_for(code, amount, of))
        self.shop.rest(self.random.choice((50, 700, 1500)))
        return final

    def done(self, code: int, amount: int, card: str, of: Done | None = None) -> Done | None:
        """None when the bank or the pinpad did not want it (nothing left, too much)."""
        final = self.ask(code, amount, card, of)
        if text(final, 39) != "1":
            return None
        rrn = text(final, 14) or ""
        self.receipts[rrn] = (code, text(final, 90) or "")
        return Done(code, amount, rrn, text(final, 13) or "")

    def amount(self, most: int = 90_000) -> int:
        return self.random.randint(100, most)

    def card(self) -> str:
        return self.random.choice(PAYERS)

    def pick(self, held: list[Held], otherwise: Callable[[], None]) -> Held:
        while not [one for one in held if one.left > 0]:
            otherwise()
        return self.random.choice([one for one in held if one.left > 0])

    def part(self, held: Held) -> int:
        return held.left if self.random.random() < 0.4 else self.random.randint(1, held.left)

    def new(self, code: int, amount: int, into: list[Held]) -> None:
        card = self.card()
        done = self.done(code, amount, card)
        assert done is not None
        into.append(Held(done, card, amount))

    # --- the repertoire ------------------------------------------------------------------------------------

    def sale(self) -> None:
        self.new(SALE, self.amount(), self.money)

    def cash(self) -> None:
        self.new(CASH, self.amount(), self.money)

    def top_up(self) -> None:
        self.new(TOP_UP, self.amount(), self.credits)

    def credit(self) -> None:
        self.new(VOUCHER, self.amount(), self.credits)

    def hold(self) -> None:
        self.new(HOLD, self.amount(), self.holds)

    def void(self) -> None:
        self._void(self.pick(self.money, self.sale))

    def void_credit(self) -> None:
        self._void(self.pick(self.credits, self.top_up))

    def _void(self, held: Held, amount: int | None = None) -> None:
        amount = amount or self.part(held)
        assert self.done(VOID, amount, held.card, held.done)
        held.left -= amount

    def void_hold(self) -> None:
        """Of this day: a hold of a day that is closed can only be completed."""
        if not any(held.left > 0 for held in self.holds if held.done.rrn in self.receipts):
            self.hold()
        held = next(held for held in reversed(self.holds) if held.left and held.done.rrn in self.receipts)
        self._void(held, held.left)

    def raise_hold(self) -> None:
        held, amount = self.pick(self.holds, self.hold), self.amount(5000)
        assert self.done(HOLD, amount, held.card, held.done)
        held.left += amount

    def complete(self) -> None:
        held = self.pick(self.holds, self.hold)
        amount = self.part(held)
        done = self.done(COMPLETION, amount, held.card, held.done)
        assert done is not None
        held.left = 0
        self.money.append(Held(done, held.card, amount))

    def declined(self) -> None:
        card = self.random.choice(REFUSED)
        assert self.done(SALE, 95_000, card) is None
        held = self.pick(self.money, self.sale)
        assert self.done(VOID, held.left + 1, held.card, held.done) is None

    def wrong_pins(self) -> None:
        tries = self.random.choice((1, 2))
        final = self.ask(SALE, self.amount(), "visa-chip", wrong_pins=tries)
        assert text(final, 39) == "1"
        rrn = text(final, 14) or ""
        self.receipts[rrn] = (SALE, text(final, 90) or "")

    def lost_answer(self) -> None:
        """Silence, or EOT to the first copy: undone, whatever it was."""
        code, of, card, amount = self._anything()
        said = self.random.choice((b"", EOT))
        self.shop.world.cardholder = customer(card)
        self.shop.ask(ask_for(code, amount, of), say=lambda _number, final: said if final else ACK)
        self.shop.rest(60_000)

    def silent_bank(self) -> None:
        code, of, card, amount = self._anything()
        first = self.shop.world.bank_messages
        how = self.random.choice((Delivery.LOST_BACK, Delivery.LOST_THERE, Delivery.GARBAGE))
        self.shop.world.delivery = lambda number: how if number == first else Delivery.FINE
        assert text(self.ask(code, amount, card, of), 39) == "53"
        self.shop.rest(60_000)

    def _anything(self) -> tuple[int, Done | None, str, int]:
        code = self.random.choice((SALE, VOID, HOLD, COMPLETION, TOP_UP))
        if code in (SALE, TOP_UP):
            return code, None, self.card(), self.amount()
        held = self.pick(self.money, self.sale) if code == VOID else self.pick(self.holds, self.hold)
        return code, held.done, held.card, min(held.left, self.amount())

    def reversed_by_register(self) -> None:
        """Operation 53: its receipt goes out of the sum."""
        code = self.random.choice((SALE, CASH, TOP_UP, VOUCHER, HOLD))
        done = self.done(code, self.amount(), self.card())
        assert done is not None
        final = self.shop.serve(reversal(None))
        assert (text(final, 39), text(final, 14)) == ("1", done.rrn)
        del self.receipts[done.rrn]

    def balance(self) -> None:
        assert text(self.ask(BALANCE, 1, self.card()), 39) == "1"

    def report(self) -> None:
        slip = parse_receipt(text(self.shop.serve(report()), 90) or "")[0].value
        assert slip_totals(slip) == sum_of_receipts(self.receipts)


# --- three ways to count ---------------------------------------------------------------------------------


def sum_of_receipts(receipts: dict[str, tuple[int, str]]) -> Totals:
    """Add up what is printed: the client's copy, its title and its amount, nothing else."""
    titles = {rrn: slip_title(slip) for rrn, (_, slip) in receipts.items()}
    totals = Totals()
    for rrn, (_, slip) in receipts.items():
        printed = parse_receipt(slip)[0].value
        bucket = _bucket(titles, printed, titles[rrn])
        if bucket is not None:
            tally: Tally = getattr(totals, bucket)
            totals = replace(totals, **{bucket.value: tally.plus(kopecks(printed, r"СУММА \(РУБ\):"))})
    return totals


def _bucket(titles: dict[str, str], printed: str, title: str) -> Bucket | None:
    if title != "ОТМЕНА":
        return TITLES[title]
    found = re.search(r"RRN ОПЕРАЦИИ: +(\d+)", printed)
    assert found is not None
    original = TITLES[titles[found[1]]]
    return {Bucket.DEBIT: Bucket.VOID_DEBIT, Bucket.CREDIT: Bucket.VOID_CREDIT, None: None}[original]


TITLES = {
    "ОПЛАТА": Bucket.DEBIT,
    "ВЫДАЧА НАЛИЧНЫХ": Bucket.DEBIT,
    "ЗАВЕРШЕНИЕ ПРЕДАВТОРИЗАЦИИ": Bucket.DEBIT,
    "ПОПОЛНЕНИЕ СЧЕТА": Bucket.CREDIT,
    "ВОЗВРАТ": Bucket.CREDIT,
    "ВОЗВРАТ БЕЗ ССЫЛКИ": Bucket.CREDIT,
    "ПРЕДАВТОРИЗАЦИЯ": None,
    "ДОАВТОРИЗАЦИЯ": None,
}


def slip_title(slip: str) -> str:
    (title,) = [line for line in parse_receipt(slip)[0].value.split("\r\n") if line in (*TITLES, "ОТМЕНА")]
    return title


def kopecks(printed: str, label: str) -> int:
    found = re.search(label + r" +(\d+)\.(\d\d)\r\n", printed)
    assert found is not None, label
    return int(found[1] + found[2])


def slip_totals(printed: str) -> Totals:
    """The totals as a report or a settlement slip prints them (the pinpad's own stand first)."""
    labels = {
        Bucket.DEBIT: "ДЕБЕТ",
        Bucket.CREDIT: "КРЕДИТ",
        Bucket.VOID_DEBIT: "ОТМЕНЫ ДЕБЕТА",
        Bucket.VOID_CREDIT: "ОТМЕНЫ КРЕДИТА",
    }
    tallies = {}
    for bucket, label in labels.items():
        found = re.search(rf"\n{label}: (\d+) +(\d+)\.(\d\d)\r\n", printed)
        assert found is not None, label
        tallies[bucket.value] = Tally(int(found[1]), int(found[2] + found[3]))
    return Totals(**tallies)


def answer_totals(final: Message) -> Totals:
    """Fields 29 to 32 and 49 to 52."""
    return Totals(
        **{
            bucket.value: Tally(int(text(final, count) or ""), int(text(final, amount) or ""))
            for bucket, (amount, count) in FIELDS.items()
        }
    )


def bank_totals(shop: Shop, batch: int) -> Totals:
    """What the bank's rows add up to, by their effect on the shop's side of the books."""
    totals = Totals()
    for row in shop.operations:
        if row.batch == batch and row.state is OperationState.APPROVED and row.transaction in BUCKETS:
            totals = totals.plus(row.transaction, row.amount)
    return totals


# --- the day ---------------------------------------------------------------------------------------------


@cache
def played(seed: int) -> Player:
    """The day before its settlement. It is never changed: take ``once_more`` of its shop."""
    player = Player(Shop(), Random(seed))
    player.play(OPERATIONS)
    player.shop.settle()
    return player


def settled(shop: Shop) -> Message:
    final = shop.serve(settlement())
    assert text(final, 39) == "1"
    return final


def alarms(shop: Shop) -> list[str]:
    """The beginnings of the remarks that say that bank and pinpad differ."""
    return [" ".join(remark.text.split()[:5]) for remark in shop.memory.remarks if remark.kind == "alarm"]


SEEDS = [1, 2, 3]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_day_of_two_hundred_operations_agrees_to_the_kopeck(seed: int) -> None:
    player = played(seed)
    assert len(player.played) == 17, "everything of the repertoire"
    assert_agreed(player.shop)
    shop = once_more(player.shop)
    receipts = sum_of_receipts(player.receipts)
    final = settled(shop)
    assert shop.steps == [Step.RECONCILIATION], "agreed at once"
    assert answer_totals(final) == receipts
    assert slip_totals(parse_receipt(text(final, 90) or "")[0].value) == receipts
    assert bank_totals(shop, 1) == receipts
    (batch,) = shop.ledger.closed_batches()
    assert batch.counted == batch.claimed == receipts
    assert min(receipts.debit.count, receipts.credit.count, receipts.void_debit.count) > 5
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_accounts_move_by_what_the_receipts_say_and_what_is_held(seed: int) -> None:
    player = played(seed)
    held = sum(hold.left for hold in player.holds)
    assert sum(balances(player.shop).values()) == -sum_of_receipts(player.receipts).net - held


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bank_that_forgot_ten_operations_is_repaired_by_the_upload(seed: int) -> None:
    player = played(seed)
    shop = once_more(player.shop)
    before, random = balances(shop), Random(seed)
    counted = [row for row in approved(shop) if row.transaction in BUCKETS]
    forget(shop, random.sample(counted, 10))
    assert balances(shop) != before
    assert bank_totals(shop, 1) != sum_of_receipts(player.receipts)
    final = settled(shop)
    assert answer_totals(final) == bank_totals(shop, 1) == sum_of_receipts(player.receipts)
    assert balances(shop) == before
    assert shop.steps.count(Step.UPLOAD) == len(approved(shop))
    assert alarms(shop) == []
    shop.settle()
    assert_agreed(shop)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bank_that_holds_two_more_closes_the_day_and_it_is_reported(seed: int) -> None:
    player = played(seed)
    shop = once_more(player.shop)
    before = balances(shop)
    invent(shop, (12_345, 6_789), card="mir-limited")
    final = settled(shop)
    receipts = sum_of_receipts(player.receipts)
    slip = parse_receipt(text(final, 90) or "")[0].value
    assert answer_totals(final) == slip_totals(slip) == receipts
    assert "ДЕНЬ ЗАКРЫТ С РАСХОЖДЕНИЕМ" in slip
    assert re.search(r"РАСХОЖДЕНИЕ: +-191\.34\r\n", slip)
    (batch,) = shop.ledger.closed_batches()
    assert batch.claimed == receipts
    assert batch.counted == replace(receipts, credit=receipts.credit.plus(12_345).plus(6_789))
    assert balances(shop) == before | {"mir-limited": 12_345 + 6_789}
    assert alarms(shop) == ["batch 1 was closed with"]
    shop.settle()
    assert_agreed(shop)


# --- the next day ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_the_second_day_returns_what_the_first_sold(seed: int) -> None:
    """Document, 2.3: a return of what an earlier day sold, in parts, never more than what is left."""
    first = played(seed)
    shop = once_more(first.shop)
    settled(shop)
    second = Player(shop, Random(seed + 100), holds=[replace(hold) for hold in first.holds])
    bought = [held for held in first.money if held.left > 1 and held.done.code in (SALE, COMPLETION)][:12]
    assert len(bought) == 12
    for held in bought:
        part = second.random.randint(1, held.left - 1)
        assert second.done(RETURN, part, held.card, held.done)
        assert second.done(RETURN, held.left - part + 1, held.card, held.done) is None
    second.play(60)
    shop.settle()
    assert_agreed(shop)
    receipts = sum_of_receipts(second.receipts)
    assert receipts.credit.count >= len(bought)
    final = settled(shop)
    assert answer_totals(final) == receipts == bank_totals(shop, 2)
    assert [batch.key.number for batch in shop.ledger.closed_batches()] == [1, 2]
    shop.settle()
    assert_agreed(shop)


def test_a_void_of_a_return_gives_the_sale_back_what_the_return_took() -> None:
    """What is left is counted alike by both: the bank would take the void, so the pinpad asks for it."""
    shop = Shop(changed(follow={"return_same_day": True}))
    paid = do(shop, SALE, 1000)
    back = do(shop, RETURN, 300, paid)
    do(shop, VOID, 100, back)
    assert text(shop.serve(ask_for(VOID, 801, paid)), 39) == "16"
    do(shop, VOID, 200, back)
    do(shop, VOID, 1000, paid)
    assert balances(shop) == {}
    close_the_day(shop)
    assert_agreed(shop)
