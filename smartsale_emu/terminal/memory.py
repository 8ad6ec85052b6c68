"""What survives a power cut: counters, totals, the last operation, the reversal that is owed.

A memory is a value; the terminal replaces it and asks for it to be written (effect ``Remember``). The card
number is kept sealed under the terminal's storage key and masked, never in clear; PIN and track never at all.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from smartsale_emu.errors import StateError
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    CardData,
    Original,
    Step,
    Transaction,
)
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.units import CurrencyCode, MinorUnits

FORMAT = 1
REMARKS_KEPT = 100
STAN_LAST = 999_999


class Safe(Protocol):
    """The secure part of the pinpad: it encrypts PINs and seals what must not lie in clear."""

    def pin_block(self, pin: Secret, pan: str) -> SecretBytes:
        """Return the ISO 9564 format 0 block under the PIN key, 8 bytes."""

    def seal(self, text: str) -> str:
        """Return the text under the storage key, in printable characters."""

    def unseal(self, sealed: str) -> str:
        """Return the text of a sealed one. Raises StateError if it was sealed under another key."""


class ReversedBy(StrEnum):
    """Who undid an operation."""

    NOBODY = ""
    PINPAD = "pinpad"
    REGISTER = "register"
    REFUSED = "refused"  # nobody: the pinpad disowns it, and the bank refused the reversal


class Stage(StrEnum):
    """How far an unfinished operation has come."""

    ASKED = "asked"  # the bank was asked, or is about to be
    ANSWERED = "answered"  # the bank approved; the final answer may have left
    REVERSING = "reversing"  # it is being undone


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """What a reversal needs of its original. ``sealed_pan`` opens with the terminal's storage key only."""

    transaction: str
    terminal_id: str
    merchant_id: str
    stan: int
    sent_at: str  # ISO 8601, local
    amount: int
    currency: str
    masked_pan: str
    sealed_pan: str
    expiry: str
    sequence: str
    entry_mode: str
    pin_capable: bool


@dataclass(frozen=True, slots=True)
class LastOperation:
    """The last money operation that the bank approved: the candidate of operation 53 (section 0.4).

    ``status``: field 39 that the register was sent. ``in_doubt``: kept although EOT answered its final.
    ``told``: the register acknowledged that operation 53 undid it.
    """

    operation: int
    request: KeptRequest
    status: int
    rrn: str
    authorization_code: str
    in_doubt: bool = False
    reversed_by: ReversedBy = ReversedBy.NOBODY
    told: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """An operation that the register has not acknowledged, or whose reversal is owed to the bank.

    ``status``: field 39 of its final answer, 0 as long as no approval is known. ``attempts``: reversals sent;
    ``reversing_at``: the time that all of them carry, ISO 8601. ``by_register``: operation 53 asked for it.
    """

    operation: int
    request: KeptRequest
    stage: Stage
    because: str
    status: int = 0
    rrn: str = ""
    authorization_code: str = ""
    attempts: int = 0
    reversing_at: str = ""
    by_register: bool = False


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence for the ledger about one operation: a doubt or an alarm."""

    kind: str  # "doubt": the register may believe otherwise; "alarm": bank and pinpad may differ
    stan: int
    text: str


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything the pinpad keeps.

    ``terminal_id``: under which it last ran. ``kept_count`` and ``kept_amount``: approved, taken by the
    register and not reversed; ``last`` is among them as long as nobody reversed it.
    """

    terminal_id: str = ""
    stan: int = 0
    slip: int = 0
    day: int = 1
    kept_count: int = 0
    kept_amount: int = 0
    last: LastOperation | None = None
    pending: Pending | None = None
    remarks: tuple[Remark, ...] = ()

    def next_stan(self) -> "Memory":
        """Return a memory with the next STAN: 1 to 999999, then 1 again."""
        return replace(self, stan=self.stan % STAN_LAST + 1)

    def next_slip(self) -> "Memory":
        """Return a memory with the next slip number: 1 to 9999, then 1 again."""
        return replace(self, slip=self.slip % 9999 + 1)

    def remarked(self, kind: str, stan: int, text: str) -> "Memory":
        """Return a memory with one more remark; the oldest of a hundred goes."""
        remarks = (*self.remarks, Remark(kind, stan, text))
        return replace(self, remarks=remarks[-REMARKS_KEPT:])


def keep_request(request: AuthorizationRequest, safe: Safe) -> KeptRequest:
    """Return what must be kept of a financial request so that it can be undone after a power cut."""
    card = request.card
    return KeptRequest(
        transaction=request.transaction,
        terminal_id=request.terminal_id,
        merchant_id=request.merchant_id,
        stan=request.stan,
        sent_at=request.sent_at.isoformat(),
        amount=request.amount,
        currency=request.currency or "",
        masked_pan=card.masked if card else "",
        sealed_pan=safe.seal(card.pan) if card else "",
        expiry=card.expiry if card else "",
        sequence=card.sequence if card else "",
        entry_mode=card.entry_mode if card else EntryMode.MANUAL,
        pin_capable=card.pin_capable if card else True,
    )


def reversal_of(pending: Pending, safe: Safe) -> AuthorizationRequest:
    """Return the reversal message for a pending operation: STAN, amount and card of the original.

    A repeat differs from the first sending in ``attempt`` only.
    """
    kept = pending.request
    original = Original(
        Step.FINANCIAL,
        kept.stan,
        datetime.fromisoformat(kept.sent_at),
        rrn=pending.rrn,
        authorization_code=pending.authorization_code,
    )
    return AuthorizationRequest(
        step=Step.REVERSAL,
        transaction=Transaction(kept.transaction),
        stan=kept.stan,
        sent_at=datetime.fromisoformat(pending.reversing_at),
        terminal_id=kept.terminal_id,
        merchant_id=kept.merchant_id,
        amount=MinorUnits(kept.amount),
        currency=CurrencyCode(kept.currency) if kept.currency else None,
        card=_card_of(kept, safe),
        original=original,
        attempt=pending.attempts,
    )


def _card_of(kept: KeptRequest, safe: Safe) -> CardData | None:
    if not kept.sealed_pan:
        return None
    return CardData(
        pan=safe.unseal(kept.sealed_pan),
        expiry=kept.expiry,
        entry_mode=EntryMode(kept.entry_mode),
        sequence=kept.sequence,
        pin_capable=kept.pin_capable,
    )


def answered(pending: Pending, answer: AuthorizationAnswer, *, status: int, because: str) -> Pending:
    """Return the pending operation with the bank's approval and the status its final answer will carry."""
    return replace(
        pending,
        stage=Stage.ANSWERED,
        status=status,
        rrn=answer.rrn,
        authorization_code=answer.authorization_code,
        because=because,
    )


def last_of(
    pending: Pending, reversed_by: ReversedBy = ReversedBy.NOBODY, *, in_doubt: bool = False
) -> LastOperation:
    """Return a finished operation that the bank had approved as the last one."""
    return LastOperation(
        operation=pending.operation,
        request=pending.request,
        status=pending.status,
        rrn=pending.rrn,
        authorization_code=pending.authorization_code,
        in_doubt=in_doubt,
        reversed_by=reversed_by,
    )


def dump_memory(memory: Memory) -> str:
    """Return the memory as JSON text for its file, on one line: it is written three times a sale."""
    return json.dumps({"format": FORMAT, **_values(memory)}, ensure_ascii=False, default=_values)


def _values(record: Memory | LastOperation | Pending | KeptRequest | Remark) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def parse_memory(text: str, *, origin: str) -> Memory:
    """Read the memory from its file's text; ``origin`` names the file in errors.

    Raises:
        StateError: not a memory of this format.
    """
    try:
        document = json.loads(text)
        if document.pop("format") != FORMAT:
            raise StateError(f"{origin}: a memory of another version; start anew with another --state DIR")
        last, pending = document.pop("last"), document.pop("pending")
        remarks = tuple(Remark(**remark) for remark in document.pop("remarks"))
        terminal_id = document.pop("terminal_id")
        if not isinstance(terminal_id, str) or not all(type(count) is int for count in document.values()):
            raise TypeError
        return Memory(terminal_id, **document, last=_last(last), pending=_pending(pending), remarks=remarks)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StateError(f"{origin}: is not a pinpad's memory") from None


def _last(values: dict[str, object] | None) -> LastOperation | None:
    if values is None:
        return None
    request, reversed_by = KeptRequest(**values.pop("request")), ReversedBy(values.pop("reversed_by"))  # type: ignore[arg-type]
    return LastOperation(**values, request=request, reversed_by=reversed_by)  # type: ignore[arg-type]


def _pending(values: dict[str, object] | None) -> Pending | None:
    if values is None:
        return None
    request, stage = KeptRequest(**values.pop("request")), Stage(values.pop("stage"))  # type: ignore[arg-type]
    return Pending(**values, request=request, stage=stage)  # type: ignore[arg-type]
