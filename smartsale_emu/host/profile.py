"""A bank profile: all that differs from bank to bank in a host's dialect and habits, as marked data.

One TOML file per bank (``host/profiles/``), rows as in :mod:`smartsale_emu.profile_rows`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from smartsale_emu.host.chip_rows import ChipRows
from smartsale_emu.host.fields import FIELDS
from smartsale_emu.host.protection_rows import protection
from smartsale_emu.host.rules import told_apart
from smartsale_emu.host.wire_rows import WireRows
from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.response_codes import approves, is_bank_code, moves_money
from smartsale_emu.profile_rows import Mark, Rows
from smartsale_emu.security.protection import Protection

_CODES = ("reversal_of_unknown", "late_original", "pin_missing", "in_balance")

_Key = TypeVar("_Key", bound=StrEnum)


class MessageKind(StrEnum):
    """A kind of message: a pair of types (MTI), one for the request and one for the answer."""

    FINANCIAL = "financial"
    AUTHORIZATION = "authorization"
    ADVICE = "advice"
    REVERSAL = "reversal"
    NETWORK = "network"
    RECONCILIATION = "reconciliation"
    UPLOAD = "upload"

    @property
    def step(self) -> Step:
        """The terminal's word for it: whatever asks something of an account is one step."""
        return Step.FINANCIAL if self in _OF_ACCOUNTS else Step(self.value)


_OF_ACCOUNTS = frozenset({MessageKind.FINANCIAL, MessageKind.AUTHORIZATION, MessageKind.ADVICE})
_CARRIERS = {
    Transaction.ECHO: frozenset({MessageKind.NETWORK}),
    Transaction.KEY_CHANGE: frozenset({MessageKind.NETWORK}),
    Transaction.SETTLEMENT: frozenset({MessageKind.RECONCILIATION}),
    Transaction.CLOSING: frozenset({MessageKind.RECONCILIATION}),
}
"""What may carry a transaction; the others ask something of an account."""


class Surplus(StrEnum):
    """What becomes of a batch at closing when the bank holds operations that the terminal did not upload."""

    ACCEPT = "accept"  # the batch is closed, they are marked as unclaimed and stay approved
    REFUSE = "refuse"  # out of balance


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
    """One bank. ``nii``: DE24 where that is no function code; ``condition``: DE25.

    ``carried_by`` and ``processing``: message kind and DE3 of a transaction.
    ``reversal_of_unknown``: answer to a reversal whose original never came. ``late_original``: answer to an
    original that comes after its reversal. ``pin_missing``: answer when a PIN is demanded and none came.
    ``in_balance``: answer when the totals of a batch agree.
    """

    title: str
    wire: WireRows
    nii: str
    condition: str
    messages: Mapping[MessageKind, MessageRow]
    carried_by: Mapping[Transaction, MessageKind]
    processing: Mapping[Transaction, str]
    entry_modes: Mapping[EntryMode, str]
    pin_capable: str
    pin_incapable: str
    protection: Protection
    reversal_of_unknown: str
    late_original: str
    pin_missing: str
    in_balance: str
    partial_void: bool
    partial_return: bool
    surplus_at_closing: Surplus
    chip: ChipRows
    marks: Mapping[str, Mark]

    @classmethod
    def parse(
        cls, text: str, origin: str, *, base: Callable[[str], tuple[str, str]] | None = None
    ) -> "BankProfile":
        """Read the TOML text of a bank profile; ``origin`` names the file in errors.

        ``base``: gives text and origin of the profile that ``extends = "NAME"`` builds on.

        Raises:
            ProfileError: broken TOML, a key that is unknown, missing or has a bad value; names file and key.
        """
        rows = Rows.parse(text, origin=origin, base=base)
        codes = {key: _response_code(rows, key) for key in _CODES}
        wire = WireRows.read(rows, kinds=MessageKind, codes=codes.values())
        profile = cls(
            title=rows.title(),
            wire=wire,
            nii=rows.digits("wire", "nii", least=3, most=3),
            condition=rows.digits("wire", "condition", least=2, most=2),
            messages={kind: _message(rows, kind) for kind in MessageKind},
            carried_by={transaction: _carrier(rows, transaction) for transaction in Transaction},
            processing=_codes(rows, "processing", Transaction, 6),
            entry_modes=_codes(rows, "entry_mode", EntryMode, 2),
            pin_capable=rows.digits("pin", "capable", least=1, most=1),
            pin_incapable=rows.digits("pin", "incapable", least=1, most=1),
            protection=protection(
                rows, wire.mac.rule if wire.mac else None, pin_field=wire.pin_field, ksn_field=wire.ksn_field
            ),
            reversal_of_unknown=codes["reversal_of_unknown"],
            late_original=codes["late_original"],
            pin_missing=codes["pin_missing"],
            in_balance=codes["in_balance"],
            partial_void=rows.flag("rules", "partial_void"),
            partial_return=rows.flag("rules", "partial_return"),
            surplus_at_closing=Surplus(rows.choice("rules", "surplus_at_closing", Surplus)),
            chip=ChipRows.read(rows),
            marks=rows.marks(),
        )
        rows.refuse_unknown()
        _check_messages(profile, rows)
        _check_codes(profile, rows)
        return profile

    def kind(self, step: Step, transaction: Transaction) -> MessageKind:
        """Return the kind of message that carries a step of a transaction."""
        return self.carried_by[transaction] if step is Step.FINANCIAL else MessageKind(step.value)


def _message(rows: Rows, kind: MessageKind) -> MessageRow:
    request = rows.digits(kind, "request", least=4, most=4)
    repeats = kind is MessageKind.REVERSAL
    return MessageRow(
        request=request,
        repeat=rows.digits(kind, "repeat", least=4, most=4) if repeats else request,
        answer=rows.digits(kind, "answer", least=4, most=4),
        request_fields=_fields(rows, kind, "request_fields"),
        answer_fields=_fields(rows, kind, "answer_fields"),
    )


def _fields(rows: Rows, kind: MessageKind, key: str) -> tuple[int, ...]:
    numbers = rows.numbers(kind, key)
    for number in numbers:
        if number not in FIELDS:
            raise rows.error(kind, key, f"{number} is not a data element of ISO 8583")
    return tuple(sorted(set(numbers)))


def _carrier(rows: Rows, transaction: Transaction) -> MessageKind:
    kind = MessageKind(rows.choice("carried_by", transaction, MessageKind))
    allowed = _CARRIERS.get(transaction, _OF_ACCOUNTS)
    if kind not in allowed:
        raise rows.error("carried_by", transaction, f"must be one of {', '.join(sorted(allowed))}")
    return kind


def _codes(rows: Rows, table: str, keys: type[_Key], size: int) -> dict[_Key, str]:
    return {key: rows.digits(table, key, least=size, most=size) for key in keys}


def _response_code(rows: Rows, key: str) -> str:
    code = rows.text("codes", key)
    if not is_bank_code(code):
        raise rows.error("codes", key, "must be a response code of two characters")
    return code


def _check_messages(profile: BankProfile, rows: Rows) -> None:
    """Refuse messages that could not be read back: two meanings of one type, or of one type and code."""
    types: set[str] = set()
    for kind, row in profile.messages.items():
        for key, number in (("request", row.request), ("repeat", row.repeat), ("answer", row.answer)):
            if number in types and not (key == "repeat" and number == row.request):
                raise rows.error(kind, key, "message types must differ from each other")
            types.add(number)
    seen: dict[tuple[MessageKind, str], list[Transaction]] = {}
    for transaction, code in profile.processing.items():
        sharing = seen.setdefault((profile.carried_by[transaction], code), [])
        sharing.append(transaction)
        if len(sharing) > 2 or (len(sharing) == 2 and not told_apart(*sharing)):
            problem = f"cannot be told from {sharing[0]}: the same kind of message and processing code"
            raise rows.error("processing", transaction, problem)
    if len(set(profile.entry_modes.values())) != len(profile.entry_modes):
        raise rows.error("entry_mode", "chip", "entry modes must differ from each other")


def _check_codes(profile: BankProfile, rows: Rows) -> None:
    """Refuse a no that says yes, and the other way round."""
    for key, code in (("late_original", profile.late_original), ("pin_missing", profile.pin_missing)):
        if moves_money(code):
            raise rows.error("codes", key, "must be a code that declines")
    if not approves(profile.in_balance):
        raise rows.error("codes", "in_balance", "must be a code that approves")
