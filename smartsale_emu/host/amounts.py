"""Totals and balances as data elements of ISO 8583:1987.

DE74 to 77 count credits, their voids, debits and their voids; DE86 to 89 are the amounts in the same order.
DE97 is the net: ``D`` when the debits outweigh, so that the bank owes the shop, ``C`` when the shop owes the
bank (assumed: a host may see it from the other side). DE54 holds amounts of 20 characters each.
"""

import re
from collections.abc import Mapping

from smartsale_emu.errors import DialectError
from smartsale_emu.payment.totals import Bucket, Tally, Totals
from smartsale_emu.units import CurrencyCode, MinorUnits

_BUCKETS = (Bucket.CREDIT, Bucket.VOID_CREDIT, Bucket.DEBIT, Bucket.VOID_DEBIT)
_COUNTS = dict(zip(_BUCKETS, (74, 75, 76, 77), strict=True))
_AMOUNTS = dict(zip(_BUCKETS, (86, 87, 88, 89), strict=True))
_NET = 97

TOTALS_FIELDS = frozenset({*_COUNTS.values(), *_AMOUNTS.values(), _NET})
"""The data elements that hold the totals of a batch."""

_AVAILABLE = re.compile(r"[0-9]{2}02[0-9]{3}([CD])([0-9]{12})")


def totals_values(totals: Totals) -> dict[int, str]:
    """Return the totals of a batch as data elements.

    >>> values = totals_values(Totals(debit=Tally(2, 1500), void_debit=Tally(1, 300)))
    >>> values[76], values[88], values[77], values[89], values[97]
    ('0000000002', '0000000000001500', '0000000001', '0000000000000300', 'D0000000000001200')
    """
    values = {_NET: f"{'C' if totals.net < 0 else 'D'}{abs(totals.net):016d}"}
    for bucket in _BUCKETS:
        tally: Tally = getattr(totals, bucket)
        values |= {_COUNTS[bucket]: f"{tally.count:010d}", _AMOUNTS[bucket]: f"{tally.amount:016d}"}
    return values


def totals_of(fields: Mapping[int, str]) -> Totals | None:
    """Return the totals that well-formed data elements hold; None when one of the eight is missing.

    >>> totals = Totals(debit=Tally(2, 1500), credit=Tally(1, 10_000))
    >>> totals_of(totals_values(totals)) == totals, totals_of({})
    (True, None)
    """
    if not fields.keys() >= TOTALS_FIELDS - {_NET}:
        return None
    return Totals(
        **{
            bucket.value: Tally(int(fields[_COUNTS[bucket]]), int(fields[_AMOUNTS[bucket]]))
            for bucket in _BUCKETS
        }
    )


def check_net(fields: Mapping[int, str], totals: Totals) -> None:
    """Compare the net that was sent with the totals; none sent is well.

    Raises:
        DialectError: they differ.
    """
    if fields.get(_NET, "") not in ("", totals_values(totals)[_NET]):
        raise DialectError("DE97: is not the net of the totals")


def balance_value(balance: MinorUnits, currency: CurrencyCode) -> str:
    """Return an available balance as DE54: no account type, amount type 02, currency, sign, 12 digits.

    >>> balance_value(MinorUnits(120_000), CurrencyCode("643"))
    '0002643C000000120000'
    """
    return f"0002{currency}{'D' if balance < 0 else 'C'}{abs(balance):012d}"


def balance_of(text: str) -> MinorUnits | None:
    """Return the first available balance of DE54; None when it holds none.

    >>> balance_of("0001643C0000999999990002643D000000000500"), balance_of("what is this")
    (-500, None)
    """
    for start in range(0, len(text), 20):
        found = _AVAILABLE.fullmatch(text[start : start + 20])
        if found is not None:
            return MinorUnits(int(found[2]) * (-1 if found[1] == "D" else 1))
    return None
