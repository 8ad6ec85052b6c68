"""Requests of every operation, and what several tests ask of an answer and its slips."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from emulator_kit import (
    ACK,
    BANK_PROFILE,
    CARDS,
    EOT,
    EPOCH,
    SALE_AMOUNT,
    HandTill,
    Shop,
    assert_agreed,
    outcome,
    request,
    text,
)

from smartsale_emu.sa.receipt_data import ReceiptTag, parse_receipt
from smartsale_emu.sa.tlv import Message
from smartsale_emu.units import calendar

SALE, CASH, REFUND, VOID, BALANCE, AUTHORIZATION, HOLD = 1, 2, 3, 4, 13, 14, 15
COMPLETION, TOP_UP, LINK_TEST, RETURN, REVERSAL, CARD_DATA, SETTLEMENT, VOUCHER = (
    16,
    19,
    26,
    29,
    53,
    57,
    59,
    71,
)
SHORT, FULL, COPY = 20, 21, 22
RUB = "643"


def money(code: int, amount: object = SALE_AMOUNT, of: Message | None = None, **more: object) -> bytes:
    """Return a request that moves money; ``of``: the answer to the operation that it follows."""
    fields: dict[int, Any] = {0: amount, 4: RUB, 25: code}
    if of is not None:
        fields |= {14: text(of, 14), 13: text(of, 13)}
    return request(fields, **more)


def void(amount: object, of: Message, **more: object) -> bytes:
    return money(VOID, amount, of, **more)


def refund(amount: object, of: Message, **more: object) -> bytes:
    return money(RETURN, amount, of, **more)


def user_command(mode: object, **more: object) -> bytes:
    """Return a report or a copy: field 65."""
    return request({25: 63, 65: mode}, **more)


def settlement(**more: object) -> bytes:
    return request({25: SETTLEMENT, 27: ""}, **more)


def close_the_day(shop: Shop) -> None:
    """A settlement, agreed by the bank."""
    day = shop.memory.day
    done(shop, settlement())
    assert shop.memory.day == day + 1


def slips(message: Message | None) -> list[str]:
    """Return the slips of field 90: the client's, and the cashier's where there is one."""
    printed = (ReceiptTag.SLIP, ReceiptTag.CASHIER_COPY)
    return [record.value for record in parse_receipt(text(message, 90) or "") if record.tag in printed]


def lines(slip: str) -> list[tuple[str, ...]]:
    """Return the lines of a slip as words, empty ones left out."""
    return [tuple(line.split()) for line in slip.splitlines() if line.strip()]


def just_now(shop: Shop, stamp: str | None) -> bool:
    """Tell whether a field holds the pinpad's time, two seconds back at most."""
    now = calendar(EPOCH, shop.world.now)
    return stamp is not None and 0 <= (now - datetime.strptime(stamp, "%Y%m%d%H%M%S")).total_seconds() <= 2


def lose_the_answer(shop: Shop, frame: bytes) -> HandTill:
    """A register asks, refuses the final answer by EOT and has gone; what is owed is then paid."""
    till = shop.ask(frame, say=lambda _number, final: EOT if final else ACK)
    assert shop.until(lambda: any(what not in ("ACK", "wait") for _, what in till.heard))
    shop.world.plug(None)
    shop.settle()
    return till


def vanish_behind_the_bank(shop: Shop, frame: bytes) -> None:
    """A register asks, and closes the line while the bank is thinking; what is owed is then paid."""
    asked = len(shop.bank.heard)
    shop.ask(frame)
    assert shop.until(lambda: len(shop.bank.heard) > asked)
    shop.world.plug(None)
    shop.settle()


# --- what follows something --------------------------------------------------------------------------------

USE_RETURN = "НЕТ ТАКОЙ ОПЕРАЦИИ: ПОСЛЕ СВЕРКИ ИТОГОВ ВЫПОЛНИТЕ ВОЗВРАТ"
USE_VOID = "ОПЕРАЦИЯ ТЕКУЩЕГО ДНЯ: ВЫПОЛНИТЕ ОТМЕНУ"
TOO_MUCH = "СУММА БОЛЬШЕ ОСТАТКА ОПЕРАЦИИ"
WHOLE_ONLY = "ЧАСТИЧНАЯ ОПЕРАЦИЯ ЗАПРЕЩЕНА"
OTHER_CARD = "ДРУГАЯ КАРТА"
IMPOSSIBLE = "ОПЕРАЦИЯ НЕВОЗМОЖНА"
REFUSED_53 = ("53", "ER3", "ОПЕРАЦИЯ ПРЕРВАНА^TERMINATED.JPG~", "0")
CARD = "mir-contactless"


def sold(shop: Shop, amount: int = SALE_AMOUNT) -> Message:
    return done(shop, money(SALE, amount))


def done(shop: Shop, frame: bytes) -> Message:
    """Serve a request that must be approved."""
    final = shop.serve(frame)
    assert text(final, 39) == "1", outcome(final)
    return final


def refused_here(shop: Shop, frame: bytes, said: str) -> Message:
    """Serve a request that the pinpad must decline without asking the bank or moving money."""
    asked, kept, account = len(shop.bank.heard), shop.kept_amount, spent(shop)
    final = shop.serve(frame)
    assert outcome(final) == ("16", None, said, "0")
    assert (len(shop.bank.heard), shop.kept_amount, spent(shop)) == (asked, kept, account)
    assert text(final, 90) is None
    return final


def refused_by_the_bank(shop: Shop, frame: bytes, code: str) -> Message:
    account = spent(shop)
    final = shop.serve(frame)
    assert outcome(final)[:3] == ("16", code, "ОТКЛОНЕНО")
    assert spent(shop) == account
    return final


def spent(shop: Shop, card: str = CARD) -> int:
    """What has gone from the account, minor units; a hold too."""
    account = shop.ledger.account(card)
    return CARDS[card].account.balance - account.balance if account is not None else 0


def agreed(shop: Shop) -> None:
    shop.settle()
    assert_agreed(shop)


def strict_bank(shop: Shop, **rules: bool) -> None:
    """The bank takes no partial operations; the terminal does not know that."""
    shop.bank = shop.bank_with(replace(BANK_PROFILE, **rules))  # type: ignore[arg-type]
