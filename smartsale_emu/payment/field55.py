"""Field 55 of a bank message: what card and terminal say about a payment, and what the issuer answers."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from smartsale_emu.payment.ber_tlv import BerTlvError, DataObjects
from smartsale_emu.payment.chip import Chip, Cryptogram
from smartsale_emu.payment.chip_data import TerminalData
from smartsale_emu.payment.emv_tags import (
    FORBIDDEN_TAGS,
    REPEATED_TAGS,
    REQUEST_TAGS,
    REVERSAL_TAGS,
    TAGS,
    Kind,
)

MOST_BYTES = 255
"""Bytes that field 55 may have (ISO 8583:1993)."""


@dataclass(frozen=True, slots=True)
class IssuerAnswer:
    """What the issuer sends to the card: tag 91, scripts (71 and 72) in their order, tag 8A or empty."""

    authentication: bytes | None = None
    scripts: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    code: str = ""


def field55(chip: Chip, made: Cryptogram, data: TerminalData) -> bytes:
    """Return field 55 of a request."""
    values = chip.values(made, data)
    return _encoded((tag, values[tag]) for tag in REQUEST_TAGS if tag in values)


def reversal_field55(chip: Chip, made: Cryptogram, data: TerminalData) -> bytes:
    """Return field 55 of a reversal; ``made``: the last cryptogram of the payment."""
    values = chip.values(made, data)
    return _encoded((tag, values[tag]) for tag in REVERSAL_TAGS if tag in values)


def answer_field55(answer: IssuerAnswer) -> bytes:
    """Return field 55 of an answer.

    >>> answer_field55(IssuerAnswer(bytes(8), code="00")).hex()
    '910800000000000000008a023030'

    Raises:
        BerTlvError: a part does not fit.
    """
    authentication = [] if answer.authentication is None else [("91", answer.authentication)]
    code = [("8A", answer.code.encode("ascii", "replace"))] if answer.code else []
    return _encoded([*authentication, *answer.scripts, *code])


def read_field55(data: bytes) -> DataObjects:
    """Read field 55, of a request or of an answer; objects that nobody knows are kept.

    Raises:
        BerTlvError: it is no list of data objects; an object has a wrong length, stands twice, is no number
            where it must be one, or may not travel in this field.
    """
    objects = DataObjects.parse(data)
    _check(objects)
    return objects


def read_answer(data: bytes) -> IssuerAnswer:
    """Read field 55 of an answer; what else stands in it is left out.

    >>> read_answer(bytes.fromhex("910800000000000000008a023030")).code
    '00'

    Raises:
        BerTlvError: as ``read_field55``.
    """
    objects = read_field55(data)
    scripts = tuple((item.tag, item.value) for item in objects if item.tag in REPEATED_TAGS)
    return IssuerAnswer(objects.get("91"), scripts, (objects.get("8A") or b"").decode("ascii"))


def _encoded(pairs: Iterable[tuple[str, bytes]]) -> bytes:
    objects = DataObjects.of(pairs)
    _check(objects)
    data = objects.encode()
    if len(data) > MOST_BYTES:
        raise BerTlvError(f"field 55: {len(data)} bytes are more than {MOST_BYTES}")
    return data


def _check(objects: DataObjects) -> None:
    met: set[str] = set()
    for item in objects:
        where = f"field 55: tag {item.tag}" if len(item.tag) <= 4 else "field 55: a long tag"
        if item.tag in FORBIDDEN_TAGS:
            raise BerTlvError(f"{where}: may not stand in it")
        if item.tag in met and item.tag not in REPEATED_TAGS:
            raise BerTlvError(f"{where}: stands twice")
        met.add(item.tag)
        problem = _problem(item.tag, item.value)
        if problem:
            raise BerTlvError(f"{where}: {problem}")


def _problem(tag: str, value: bytes) -> str:
    row = TAGS.get(tag)
    if row is None:
        return ""
    if not row.least <= len(value) <= row.most:
        return f"{row.name}: {len(value)} bytes do not fit"
    if row.kind is Kind.NUMERIC and not value.hex().isdecimal():
        return f"{row.name}: is not a number"
    if row.kind is Kind.LETTERS and not (value.isascii() and value.decode().isprintable()):
        return f"{row.name}: is not a text"
    return ""
