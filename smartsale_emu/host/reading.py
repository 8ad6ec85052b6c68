"""What one data element or a few say: the reading half of the dialect, the same under every profile.

The elements handed in are well formed where :mod:`smartsale_emu.host.dialect` looks into them. Every function
raises :class:`DialectError` about an element that is missing or means nothing, and never quotes a value.
"""

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import TypeVar

from smartsale_emu.errors import DialectError
from smartsale_emu.host.amounts import check_net, totals_of
from smartsale_emu.host.dates import full_time, with_year
from smartsale_emu.payment.authorization import CardData, Original, Step, Totals, Transaction
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.security.masking import Secret, SecretBytes

_T = TypeVar("_T")
_Fields = Mapping[int, str]


def need(fields: _Fields, number: int) -> str:
    """Return an element that must be there."""
    value = fields.get(number)
    if value is None:
        raise DialectError(f"DE{number}: is missing")
    return value


def response_code(fields: _Fields) -> str:
    """Return DE39: two or three letters or digits."""
    code = need(fields, 39)
    if not (code.isascii() and code.isalnum()):
        raise DialectError("DE39: is no response code")
    return code


def known(table: Mapping[str, _T], code: str, what: str) -> _T:
    """Return what a code of the profile stands for; ``what`` names its place in the error."""
    found = table.get(code)
    if found is None:
        raise DialectError(f"{what} is not one of this dialect")
    return found


def check_function(fields: _Fields, code: str, *, needed: bool) -> None:
    """Refuse a function code (DE24) of something else than the message asks for; ``needed``: no code too."""
    if (need(fields, 24) if needed else fields.get(24, code)) != code:
        raise DialectError("DE24: is the function code of something else")


def stan_of(fields: _Fields) -> int:
    """Return the STAN, 1 to 999999."""
    stan = int(need(fields, 11))
    if stan == 0:
        raise DialectError("DE11: must not be 0")
    return stan


def stan_text(stan: int) -> str:
    """Write a STAN, six digits."""
    if not 1 <= stan <= 999_999:
        raise DialectError("DE11: must be 1 to 999999")
    return f"{stan:06d}"


def sent_at(fields: _Fields, step: Step, today: date) -> datetime:
    """Return when a request was sent: DE7, else DE12 and 13; a link test may leave out all of them."""
    if 7 in fields:
        return with_year(fields[7], today)
    clock = answered_at(fields, today)
    if clock is not None:
        return clock
    if step is Step.NETWORK:
        return datetime.combine(today, time())
    raise DialectError("DE7: is missing")


def names_original(fields: _Fields) -> bool:
    """Tell whether a request refers to another operation."""
    return not fields.keys().isdisjoint({37, 38, 90})


def original_of(fields: _Fields, transaction: Transaction | None, today: date) -> Original | None:
    """Return the original that a request names; ``transaction``: what it was, if it is known."""
    if not names_original(fields):
        return None
    text = fields.get(90)
    return Original(
        transaction=transaction,
        stan=None if text is None else int(text[4:10]),
        sent_at=None if text is None else with_year(text[10:20], today),
        rrn=fields.get(37, "").strip(),
        authorization_code=fields.get(38, "").strip(),
    )


def card_of(fields: _Fields, entry_modes: Mapping[str, EntryMode], *, pin_incapable: str) -> CardData | None:
    """Return the card in a message, None when it names none; what DE2 and 14 leave out, track 2 tells.

    ``entry_modes``: what DE22 begins with; ``pin_incapable``: its third digit where no PIN can be entered.
    """
    track2 = fields.get(35)
    pan, expiry = fields.get(2, ""), fields.get(14, "")
    if track2 is not None:
        track_pan, _, rest = track2.replace("D", "=").partition("=")
        pan, expiry = pan or track_pan, expiry or rest[:4]
    if not pan:
        return None
    entry = need(fields, 22)
    return CardData(
        pan=pan,
        expiry=expiry,
        entry_mode=known(entry_modes, entry[:2], "DE22"),
        track2=None if track2 is None else Secret(track2),
        sequence=fields[23].removeprefix("0") if 23 in fields else "",
        pin_capable=entry[2] != pin_incapable,
    )


def batch_of(fields: _Fields, number: int) -> int:
    """Return the batch in element ``number``, 1 to 999999; 0 when none was sent."""
    text = fields.get(number, "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise DialectError(f"DE{number}: is no batch number")
    return int(text)


def follows_of(fields: _Fields, number: int) -> str:
    """Return the RRN of what an undone or uploaded operation followed, empty when none was sent."""
    text = fields.get(number, "").strip()
    if not (text.isascii() and text.isprintable() and len(text) <= 12):
        raise DialectError(f"DE{number}: is no retrieval reference number")
    return text


def secret_bytes(fields: _Fields, number: int) -> SecretBytes | None:
    """Return the bytes of an element, None when it was not sent."""
    return SecretBytes(bytes.fromhex(fields[number])) if number in fields else None


def claimed_totals(fields: _Fields) -> Totals:
    """Return the totals of a reconciliation; all of DE74 to 77 and 86 to 89 must be there."""
    totals = totals_of(fields)
    if totals is None:
        raise DialectError("DE74 to 77, 86 to 89: the totals are missing")
    check_net(fields, totals)
    return totals


def answered_at(fields: _Fields, today: date) -> datetime | None:
    """Return the time in DE12, with the date in DE13 or in DE12 itself; None when there is none."""
    text = fields.get(12, "")
    if len(text) == 12:
        return full_time(text)
    return with_year(fields[13] + text, today) if text and 13 in fields else None
