"""A world that writes down everything that could be logged, and a day of every operation in it."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from canary_marks import EPOCH, TRACK2, keys

from smartsale_emu.emulator.doors import CallHost, Effect, Event, Trace
from smartsale_emu.emulator.emulator import Emulator
from smartsale_emu.host.bank import Bank
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.ledger import MemoryLedger
from smartsale_emu.host.session import BankSession
from smartsale_emu.payment.card import Account, Card, TestCard
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.payment.chip_shelf import ChipShelf, CounterBook
from smartsale_emu.register.answers import till_view
from smartsale_emu.register.effects import Answered, AskCashier, RegisterEffect
from smartsale_emu.register.habits import FinalHabit, Habits
from smartsale_emu.register.requests import OPERATIONS, Arguments, operation_request
from smartsale_emu.register.session import RegisterSession
from smartsale_emu.runtime import (
    DEFAULT_BANK_PROFILE,
    DEFAULT_RECEIPT_LAYOUT,
    DEFAULT_RULEBOOK,
    DEFAULT_TERMINAL_PROFILE,
)
from smartsale_emu.runtime.assembly import (
    build_emulator,
    build_tunnel,
    load_bank_profile,
    load_layout,
    load_rulebook,
    load_terminal_profile,
)
from smartsale_emu.runtime.ports import BankAddress
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.till import SessionTill
from smartsale_emu.scenario.virtual import World
from smartsale_emu.security.masking import Secret
from smartsale_emu.units import Millis, MinorUnits


class AnsweringTill(SessionTill):
    """A register with a window: the cashier says one thing after another, then cancels."""

    def __init__(self, request: Message, final: FinalHabit, says: Iterable[str], world: "OpenWorld") -> None:
        connect = world.connect if world.through_register else None
        habits = Habits(final=final)
        super().__init__(request, habits, connect=connect)
        self._session = RegisterSession(request, habits=habits, channel=connect is not None, window=True)
        self._says = iter(says)

    def _at_bank(self, effect: RegisterEffect, now: Millis) -> list[RegisterEffect]:
        if not isinstance(effect, AskCashier):
            return super()._at_bank(effect, now)
        said = next(self._says, None)
        if said is None:
            return self._session.cashier_refused(now)
        return self._session.cashier_said(said, now)


class OpenWorld(World):
    """``rules``: rows of the terminal profile that differ. ``through_register``: scheme ПКХ.

    ``to_bank``, ``to_till``: what may hold a card. `all_seen` is all the rest, which may not.
    """

    def __init__(
        self,
        card: Card,
        pin: str,
        account_pin: str,
        *,
        through_register: bool = False,
        bank_profile: str = DEFAULT_BANK_PROFILE,
        **rules: Any,
    ) -> None:
        self.reprs: list[str] = []
        self.traced: list[str] = []
        self.views: list[str] = []
        self.to_bank, self.to_till = b"", b""
        self.through_register = through_register
        profile = load_terminal_profile(DEFAULT_TERMINAL_PROFILE)
        profile = replace(profile, rules=replace(profile.rules, **rules))
        bank_rows, layout = load_bank_profile(bank_profile), load_layout(DEFAULT_RECEIPT_LAYOUT)
        self.protection = bank_rows.protection
        account = Account(balance=MinorUnits(10_000_000), pin=Secret(account_pin))
        self.ledger = MemoryLedger()
        rulebook, dialect = load_rulebook(DEFAULT_RULEBOOK), Dialect(bank_rows)
        bank = Bank(bank_rows, [TestCard(card, account)], self.ledger, keys(), rulebook, os.urandom)

        def boot(saved: str | None) -> Emulator:
            return build_emulator(
                profile,
                bank_rows,
                keys(),
                layout=layout,
                memory_text=saved,
                memory_origin="memory",
                epoch=EPOCH,
                traced=True,
                live_cards=True,
                tunnel=build_tunnel(profile, BankAddress("192.0.2.1", 1)) if through_register else None,
            )

        holder = Cardholder(card, Secret(pin))
        guard = bank.guard(dialect)
        super().__init__(
            boot,
            lambda: BankSession(bank, dialect, guard),
            cardholder=holder,
            epoch=EPOCH,
            shelf=ChipShelf(keys(), CounterBook()),
        )
        self.on_wire = self._overhear

    def _overhear(self, data: bytes, *, to_register: bool) -> bytes:
        self.to_till += data if to_register else b""
        return data

    def _carry_out(self, effect: Effect) -> None:
        self.reprs.append(repr(effect))
        if isinstance(effect, CallHost):
            self.to_bank += effect.payload
        if isinstance(effect, Trace):
            self.traced.append(json.dumps([effect.because, effect.details], ensure_ascii=False, default=str))
        super()._carry_out(effect)

    def _bank_acts(self, session: BankSession, data: bytes) -> bytes:
        self.to_bank += data
        return super()._bank_acts(session, data)

    def tell(self, event: Event) -> None:
        self.reprs.append(repr(event))
        super().tell(event)

    def ask(
        self,
        request: Message,
        final: FinalHabit = FinalHabit.ACK,
        *,
        says: Sequence[str] = (),
        as_: str = "sale",
    ) -> Message | None:
        """Serve one register; returns the final answer that it got."""
        till = AnsweringTill(request, final, says, self)
        self.plug(till)
        self.run(lambda: till.outcome is not None and not self.emulator.serving, within=300_000)
        self.rest(60_000)
        assert till.outcome is not None
        self.reprs.append(repr(till.told))
        self.views.append(repr(till_view(till.outcome, operation=OPERATIONS[as_])))
        return till.outcome.message if isinstance(till.outcome, Answered) else None

    def done(self, name: str, *, says: Sequence[str] = (), **arguments: Any) -> Message:
        """Serve one operation that must succeed."""
        answer = self.ask(operation_request(name, Arguments(**arguments)), says=says, as_=name)
        assert answer is not None
        assert answer.text(39) == "1", (name, answer.text(19))
        return answer

    def all_seen(self) -> dict[str, str | bytes]:
        return {
            "trace": "\n".join(self.traced),
            "repr of effects and events": "\n".join(self.reprs),
            "what the register shows": "\n".join(self.views),
            "memory and journal": self.saved or "",
            "screen": "\n".join(self.screens),
            "paper": "\n".join(self.printed),
            "ledger": repr((self.ledger.operations(), self.ledger.accounts(), self.ledger.closed_batches())),
            "core": repr((self.emulator, self.emulator.memory, self.cardholder)),
        }


def whole_day(world: OpenWorld) -> None:
    """Every operation of the Document, 2.1, and a day after it."""
    sale = world.done("sale", amount=MinorUnits(120_000))
    world.done("sale", amount=MinorUnits(700), track2=Secret(TRACK2))
    world.done("void", amount=MinorUnits(20_000), **reference(sale))
    world.done("void", amount=MinorUnits(10_000), says=(sale.text(14) or "", sale.text(13) or ""))
    hold = world.done("preauth", amount=MinorUnits(50_000))
    world.done("raise", amount=MinorUnits(10_000), **reference(hold))
    world.done("completion", amount=MinorUnits(55_000), **reference(hold))
    for name in ("top-up", "cash", "return-without-reference"):
        world.done(name, amount=MinorUnits(3_000))
    world.done("reversal", amount=MinorUnits(3_000))
    for name in ("balance", "card-data", "test", "short-report", "full-report", "copy", "settlement", "copy"):
        world.done(name)
    world.done("return", amount=MinorUnits(30_000), **reference(sale))
    world.done("settlement")


def reference(answer: Message) -> dict[str, str]:
    """Name an operation by its answer."""
    return {"rrn": answer.text(14) or "", "code": answer.text(13) or ""}
