"""The slips of an operation as text: 32 columns, lines ending in CR LF (PROTOCOL.md, section 8)."""

from dataclasses import dataclass
from datetime import datetime

from smartsale_emu.pan import last_four
from smartsale_emu.payment.card import Card
from smartsale_emu.units import MinorUnits

WIDTH = 32
NEWLINE = "\r\n"


@dataclass(frozen=True, slots=True)
class CardFace:
    """What may be printed of a card. ``masked``: all but the last four digits starred; ``expiry`` YYMM."""

    masked: str
    expiry: str
    label: str = ""
    holder: str = ""
    aid: str = ""

    @classmethod
    def of(cls, card: Card) -> "CardFace":
        """Return the printable face of a card."""
        return cls(last_four(card.pan), card.expiry, card.label, card.holder, card.aid)

    @classmethod
    def of_masked(cls, masked_pan: str, expiry: str) -> "CardFace":
        """Return the printable face of a card of which only the 6/4 masked number is known."""
        return cls(last_four(masked_pan), expiry)


@dataclass(frozen=True, slots=True)
class Slip:
    """What a slip tells. ``number``: of the slip within the operating day, 1 to 9999."""

    title: str
    approved: bool
    number: int
    at: datetime
    terminal_id: str
    merchant_id: str
    amount: MinorUnits | None
    card: CardFace | None
    response_code: str
    authorization_code: str
    rrn: str


def format_amount(amount: MinorUnits) -> str:
    """Return an amount in roubles.

    >>> format_amount(MinorUnits(1200)), format_amount(MinorUnits(5))
    ('12.00', '0.05')
    """
    return f"{amount // 100}.{amount % 100:02d}"


def client_slip(slip: Slip) -> str:
    """Return the client's copy; of a declined operation it is the only one."""
    return _text(slip, "ЧЕК КЛИЕНТА", sign=False)


def cashier_slip(slip: Slip) -> str:
    """Return the cashier's copy, with a line for the signature."""
    return _text(slip, "ЧЕК КАССИРА", sign=True)


def _text(slip: Slip, copy: str, *, sign: bool) -> str:
    lines = [
        "ТЕСТОВЫЙ ЭМУЛЯТОР ПИНПАДА".center(WIDTH).rstrip(),
        _pair(copy, f"№ {slip.number:04d}".replace("№", "N")),
        slip.title,
        _pair(slip.at.strftime("%d.%m.%Y"), slip.at.strftime("%H:%M:%S")),
        _pair("ТЕРМИНАЛ:", slip.terminal_id),
        _pair("МЕРЧАНТ:", slip.merchant_id),
        *_card_lines(slip.card),
        *([_pair("СУММА (РУБ):", format_amount(slip.amount))] if slip.amount is not None else []),
        ("ОДОБРЕНО" if slip.approved else "ОТКЛОНЕНО").center(WIDTH).rstrip(),
        *_code_lines(slip),
        *(["", "ПОДПИСЬ: _______________________"] if sign and slip.approved else []),
        "=" * WIDTH,
    ]
    return NEWLINE.join(_printable(line) for line in lines) + NEWLINE


def _card_lines(card: CardFace | None) -> list[str]:
    if card is None:
        return []
    lines = [_pair("КАРТА:", card.label)] if card.label else []
    lines += [card.masked, _pair("СРОК ДЕЙСТВИЯ:", f"{card.expiry[2:]}/{card.expiry[:2]}")]
    lines += [_pair("КЛИЕНТ:", card.holder)] if card.holder not in ("", "/") else []
    lines += [_pair("AID:", card.aid)] if card.aid else []
    return lines


def _code_lines(slip: Slip) -> list[str]:
    rows = (
        ("КОД ОТВЕТА:", slip.response_code),
        ("КОД АВТОРИЗАЦИИ:", slip.authorization_code),
        ("RRN:", slip.rrn),
    )
    return [_pair(name, value) for name, value in rows if value]


def _pair(left: str, right: str) -> str:
    return left + right.rjust(max(len(right) + 1, WIDTH - len(left)))


def _printable(line: str) -> str:
    """A slip's text may hold neither ``^`` nor ``~``: registers split field 90 by them."""
    return line.replace("^", " ").replace("~", " ")[:WIDTH]
