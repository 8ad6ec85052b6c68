"""Dates of ISO 8583. Most have no year: it is inferred from a date that whoever reads hands in."""

from datetime import date, datetime, timedelta

from smartsale_emu.errors import DialectError

_HALF_A_YEAR = timedelta(days=183)


def month_to_second(moment: datetime) -> str:
    """Return a date and time as DE7 has it.

    >>> month_to_second(datetime(2026, 11, 23, 9, 30, 5))
    '1123093005'
    """
    return moment.strftime("%m%d%H%M%S")


def with_year(text: str, today: date) -> datetime:
    """Return the date and time of ``MMDDhhmmss`` in the year that brings it nearest to ``today``.

    >>> with_year("1231235959", date(2027, 1, 2)).isoformat()
    '2026-12-31T23:59:59'

    Raises:
        DialectError: there is no such date or time near ``today``.
    """
    found = [moment for year in (0, -1, 1) if (moment := _moment(today.year + year, text)) is not None]
    for moment in found:
        if abs(moment.date() - today) < _HALF_A_YEAR:
            return moment
    raise DialectError("a date or time does not exist")


def full_time(text: str) -> datetime:
    """Return the date and time of ``YYMMDDhhmmss``, of this century.

    >>> full_time("230329125425").isoformat()
    '2023-03-29T12:54:25'

    Raises:
        DialectError: there is no such date or time.
    """
    moment = _moment(2000 + int(text[:2]), text[2:])
    if moment is None:
        raise DialectError("a date or time does not exist")
    return moment


def _moment(year: int, text: str) -> datetime | None:
    month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(0, 10, 2))
    try:
        return datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
