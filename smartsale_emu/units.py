"""The units of the house: every duration, amount and currency says in its type what it is.

The core reads no clock: a moment is a number of milliseconds since the emulator started, handed in by whoever
drives it. The calendar is ``epoch + now``, where the epoch is a naive local date and time.
"""

from datetime import datetime, timedelta
from typing import NewType

Millis = NewType("Millis", int)
"""Milliseconds, of a duration or since the start of the emulator. Never negative."""

MinorUnits = NewType("MinorUnits", int)
"""An amount in minor units (kopecks), 0 to 999_999_999_999."""

CurrencyCode = NewType("CurrencyCode", str)
"""ISO 4217 numeric code, three digits: ``643`` is the Russian rouble."""

RUB = CurrencyCode("643")

NOTHING = MinorUnits(0)
"""No amount, or none given."""

MAX_AMOUNT = MinorUnits(999_999_999_999)
"""The largest amount of field 0: 9999999999.99 (PROTOCOL.md, section 4)."""


def later(now: Millis, delay: Millis) -> Millis:
    """Return the moment ``delay`` milliseconds after ``now``.

    >>> later(Millis(1000), Millis(500))
    1500
    """
    return Millis(now + delay)


def calendar(epoch: datetime, now: Millis) -> datetime:
    """Return the naive local date and time of the moment ``now``, whole seconds.

    >>> calendar(datetime(2026, 11, 23, 9, 30, 0), Millis(61_500)).isoformat()
    '2026-11-23T09:31:01'
    """
    return (epoch + timedelta(milliseconds=now)).replace(microsecond=0)
