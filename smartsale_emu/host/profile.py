"""A bank profile: all that differs from bank to bank in a host's dialect and habits, as marked data.

One TOML file per bank (``host/profiles/``), rows as in :mod:`smartsale_emu.profile_rows`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from smartsale_emu.host.fields import FIELDS
from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.response_codes import moves_money
from smartsale_emu.profile_rows import Mark, Rows

APPROVED = "00"
"""The response code (DE39) of a plain yes."""

_Key = TypeVar("_Key", bound=StrEnum)


class Framing(StrEnum):
    """How a message is delimited on a stream."""

    TWO_BYTES = "2B"  # two bytes big-endian, not counting themselves


class FieldTable(StrEnum):
    """How data elements are packed."""

    ASCII = "ascii"  # ASCII throughout, bitmap and bytes as they are


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One kind of message: its types (MTI) and the data elements that it may carry, ascending."""

    request: str
    repeat: str
    answer: str
    request_fields: tuple[int, ...]
    answer_fields: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BankProfile:
    """One bank. ``nii``: DE24; ``condition``: DE25;

    ``reversal_of_unknown``: answer to a reversal whose original never came. ``late_original``: answer to an
    original that comes after its reversal. ``pin_missing``: answer when the card demands a PIN and none came.
    """

    title: str
    framing: Framing
    field_table: FieldTable
    nii: str
    condition: str
    messages: Mapping[Step, MessageRow]
    processing: Mapping[Transaction, str]
    entry_modes: Mapping[EntryMode, str]
    pin_capable: str
    pin_incapable: str
    pin_key: str
    reversal_of_unknown: str
    late_original: str
    pin_missing: str
    marks: Mapping[str, Mark]

    @classmethod
    def parse(cls, text: str, origin: str) -> "BankProfile":
        """Read the TOML text of a bank profile; ``origin`` names the file in errors.

        Raises:
            ProfileError: broken TOML, a key that is unknown, missing or has a bad value; names file and key.
        """
        rows = Rows.parse(text, origin=origin)
        profile = cls(
            title=rows.title(),
            framing=Framing(rows.choice("wire", "framing", Framing)),
            field_table=FieldTable(rows.choice("wire", "field_table", FieldTable)),
            nii=rows.digits("wire", "nii", least=3, most=3),
            condition=rows.digits("wire", "condition", least=2, most=2),
            messages={step: _message(rows, step) for step in Step},
            processing=_codes(rows, "processing", Transaction, 6),
            entry_modes=_codes(rows, "entry_mode", EntryMode, 2),
            pin_capable=rows.digits("pin", "capable", least=1, most=1),
            pin_incapable=rows.digits("pin", "incapable", least=1, most=1),
            pin_key=rows.text("pin", "key"),
            reversal_of_unknown=_response_code(rows, "reversal_of_unknown"),
            late_original=_response_code(rows, "late_original"),
            pin_missing=_response_code(rows, "pin_missing"),
            marks=rows.marks(),
        )
        rows.refuse_unknown()
        _check(profile, rows)
        return profile


def _message(rows: Rows, step: Step) -> MessageRow:
    request = rows.digits(step, "request", least=4, most=4)
    repeats = step is Step.REVERSAL
    return MessageRow(
        request=request,
        repeat=rows.digits(step, "repeat", least=4, most=4) if repeats else request,
        answer=rows.digits(step, "answer", least=4, most=4),
        request_fields=_fields(rows, step, "request_fields"),
        answer_fields=_fields(rows, step, "answer_fields"),
    )


def _fields(rows: Rows, step: Step, key: str) -> tuple[int, ...]:
    numbers = rows.numbers(step, key)
    for number in numbers:
        if number not in FIELDS:
            raise rows.error(step, key, f"{number} is not a data element of ISO 8583")
    return tuple(sorted(set(numbers)))


def _codes(rows: Rows, table: str, keys: type[_Key], size: int) -> dict[_Key, str]:
    return {key: rows.digits(table, key, least=size, most=size) for key in keys}


def _response_code(rows: Rows, key: str) -> str:
    code = rows.text("codes", key)
    if not (len(code) == 2 and code.isascii() and code.isalnum()):
        raise rows.error("codes", key, "must be a response code of two characters")
    return code


def _check(profile: BankProfile, rows: Rows) -> None:
    """Refuse what could not be read back: two meanings of one code."""
    types = {kind for row in profile.messages.values() for kind in (row.request, row.answer)}
    if len(types) != 2 * len(profile.messages):
        raise rows.error(Step.FINANCIAL, "request", "message types must differ from each other")
    if len(set(profile.processing.values())) != len(profile.processing):
        raise rows.error("processing", "purchase", "processing codes must differ from each other")
    if len(set(profile.entry_modes.values())) != len(profile.entry_modes):
        raise rows.error("entry_mode", "chip", "entry modes must differ from each other")
    for key, code in (("late_original", profile.late_original), ("pin_missing", profile.pin_missing)):
        if moves_money(code):
            raise rows.error("codes", key, "must be a code that declines")
