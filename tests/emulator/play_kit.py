"""What a shop does in a day: operations by name, a picture of the money, a bank damaged on purpose."""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from emulator_kit import (
    ACK,
    CARDS,
    EOT,
    EPOCH,
    NAK,
    PROFILE,
    Shop,
    left_at_bank,
    request,
    text,
)
from operation_kit import SHORT, done, user_command

from smartsale_emu.host.ledger import Changes, Operation, OperationKey, OperationState
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.payment.authorization import AuthorizationRequest, CardData, Step, Transaction
from smartsale_emu.terminal.memory import dump_memory
from smartsale_emu.units import RUB, MinorUnits

CARDS_USED = ["mir-contactless", "mir-chip", "mir-poor", "mir-blocked", "mastercard-magstripe"]
SAYINGS: dict[str, Callable[[int, bool], bytes]] = {
    "ack": lambda _number, _final: ACK,
    "silence": lambda _number, _final: b"",
    "nak": lambda _number, _final: NAK,
    "eot": lambda _number, _final: EOT,
    "final-silence": lambda _number, final: b"" if final else ACK,
    "final-eot": lambda _number, final: EOT if final else ACK,
    "every-other": lambda number, _final: ACK if number % 2 else b"",
    "last-block-eot-to-a-repeat": lambda number, _final: ACK if number < 3 else b"" if number == 3 else EOT,
}
"""How a register may answer the frames of the pinpad: see ``HandTill``."""
MEANWHILE = timedelta(hours=1)


@dataclass(frozen=True)
class Done:
    """An operation that a register has the answer of."""

    code: int
    amount: int
    rrn: str
    authorization_code: str


def report() -> bytes:
    return user_command(SHORT)


def ask_for(code: int, amount: int, of: Done | None = None, **more: object) -> bytes:
    """A register's request for an operation; ``of``: its original."""
    refers = {14: of.rrn, 13: of.authorization_code} if of else {}
    return request({0: amount, 4: "643", 25: code, **refers}, **more)


def do(shop: Shop, code: int, amount: int, of: Done | None = None) -> Done:
    """Perform an operation that must be approved."""
    final = done(shop, ask_for(code, amount, of))
    return Done(code, amount, text(final, 14) or "", text(final, 13) or "")


# --- a picture of the money ------------------------------------------------------------------------------


def balances(shop: Shop) -> dict[str, int]:
    """What every account lacks or has won, in minor units."""
    accounts = shop.ledger.accounts()
    moved = {account.name: account.balance - CARDS[account.name].account.balance for account in accounts}
    return {name: amount for name, amount in moved.items() if amount}


def picture(shop: Shop, rows: Iterable[OperationKey]) -> tuple[object, ...]:
    """All that counts: accounts, totals, and what is left of some operations, at bank and pinpad."""
    journal = shop.memory.journal
    at_bank, here = [], []
    for key in rows:
        row = shop.ledger.operation(key)
        assert row is not None
        at_bank.append(left_at_bank(shop, row))
        entry = next((entry for entry in journal.kept() if entry.rrn == row.rrn), None)
        here.append(journal.left(entry) if entry else None)
    return balances(shop), journal.totals(), at_bank, here


def approved(shop: Shop) -> list[Operation]:
    """What the bank holds of money; a balance is none."""
    held = [row for row in shop.operations if row.state is OperationState.APPROVED]
    return [row for row in held if row.transaction is not Transaction.BALANCE]


# --- the same shop once more -----------------------------------------------------------------------------


def once_more(shop: Shop, *, profile: BankProfile | None = None) -> Shop:
    """Return a copy of a shop at rest, an hour later: the bank's books, the memory, the registers."""
    epoch = EPOCH + MEANWHILE + timedelta(milliseconds=shop.world.now)
    bank = profile or shop.bank_profile
    copy = Shop(PROFILE, epoch=epoch.replace(microsecond=0), memory=shop.memory, bank_profile=bank)
    copy._offered = shop._offered
    copy.world.cardholder = shop.world.cardholder
    copy.world._disk.append(dump_memory(shop.memory))
    vars(copy.ledger).update(deepcopy(vars(shop.ledger)))
    vars(copy.counters).update(deepcopy(vars(shop.counters)))
    copy.tills, copy.unsure = list(shop.tills), set(shop.unsure)
    copy.reversed_for_register = set(shop.reversed_for_register)
    return copy


# --- a damaged bank --------------------------------------------------------------------------------------


def forget(shop: Shop, rows: Sequence[Operation]) -> None:
    """The bank loses operations from its books and gives their money back."""
    ledger = shop.ledger
    for row in rows:
        del ledger._operations[row.key]
        del ledger._by_rrn[row.key.merchant_id, row.rrn][row.key]
        del ledger._by_batch[row.batch_key][row.key]
        if row.original is not None:
            del ledger._by_original[row.original][row.key]
        account = ledger.account(row.account)
        assert account is not None
        moved = replace(account, balance=MinorUnits(account.balance - row.effect))
        ledger.commit(Changes((), moved))


def invent(shop: Shop, amounts: Sequence[int], *, card: str = "visa-chip", first: int = 0) -> list[Operation]:
    """The bank approves top-ups of this terminal's open day that its pinpad never asked for."""
    before = len(shop.operations)
    test_card = CARDS[card].card
    for number, amount in enumerate(amounts, start=first):
        asked = AuthorizationRequest(
            step=Step.FINANCIAL,
            transaction=Transaction.TOP_UP,
            stan=900_000 + number,
            sent_at=datetime(2026, 11, 23, 3, 0, 0),
            terminal_id=shop.profile.terminal_id,
            merchant_id=shop.profile.merchant_id,
            amount=MinorUnits(amount),
            currency=RUB,
            card=CardData(test_card.pan, test_card.expiry, test_card.entry_mode),
            batch=shop.memory.day,
        )
        said = shop.bank.bank.handle(asked, datetime(2026, 11, 23, 3, 0, 30))
        assert said.response_code == "00", said.because
        shop.unsure.add(said.rrn)  # no register knows of it
    return shop.operations[before:]
