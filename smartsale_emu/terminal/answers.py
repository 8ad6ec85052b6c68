"""An outcome, written as the fields of a final answer (PROTOCOL.md, sections 0.2, 4 and 5.1).

Which fields an answer holds is a row of the terminal profile; here is what each of them says.
"""

from dataclasses import dataclass
from datetime import datetime

from smartsale_emu.payment.receipt import Slip, cashier_slip, client_slip
from smartsale_emu.sa.codes import OperationCode
from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.receipt_data import ReceiptRecord, ReceiptTag, build_receipt
from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.money import BankVerdict, bank_verdict
from smartsale_emu.terminal.outcome import ENDINGS, Outcome, OutcomeKind
from smartsale_emu.terminal.profile import TerminalProfile
from smartsale_emu.units import CurrencyCode, MinorUnits


@dataclass(frozen=True, slots=True)
class Asked:
    """What the answer repeats of the request. ``code``: field 25."""

    code: str
    title: str
    amount: MinorUnits | None
    currency: CurrencyCode | None
    ern: str


def build_answer(
    asked: Asked, outcome: Outcome, profile: TerminalProfile, *, at: datetime, slip: int
) -> Message:
    """Return the final answer, its fields ascending; a field without a value is left out."""
    rows = profile.answer
    is_test = asked.code == str(int(OperationCode.TEST_CONNECTION))
    wanted = rows.test_fields if is_test else rows.fields
    values = _values(asked, outcome, profile, at)
    if is_test and not rows.test_shows_code and outcome.bank is not None:
        values.pop(Tag.RESPONSE_CODE_HOST, None)
    if rows.receipt and Tag.RECEIPT_DATA in wanted:
        code = values.get(Tag.RESPONSE_CODE_HOST, "")
        receipt = _receipt(asked, outcome, profile, at, slip, code=code)
        if receipt:
            values[Tag.RECEIPT_DATA] = receipt
    return Message.of(
        {number: value for number in sorted(wanted) if (value := values.get(number)) is not None}
    )


def _values(asked: Asked, outcome: Outcome, profile: TerminalProfile, at: datetime) -> dict[int, str]:
    bank, card, unset = outcome.bank, outcome.card, profile.answer.unset_number
    values: dict[int, str | None] = {
        Tag.AMOUNT: str(asked.amount) if asked.amount is not None else "0",
        Tag.CURRENCY_CODE: asked.currency or "0",
        Tag.DATE_TIME_HOST: _stamp(bank.answered_at if bank and bank.answered_at else at),
        Tag.PAN: card.masked if card else None,
        Tag.CARD_EXPIRY_DATE: card.expiry if card else None,
        Tag.AUTHORIZATION_CODE: bank.authorization_code or None if bank else None,
        Tag.REFERENCE_NUMBER: bank.rrn or None if bank else None,
        Tag.RESPONSE_CODE_HOST: _code(outcome, profile),
        Tag.TEXT_RESPONSE: _text(asked, outcome, profile),
        Tag.TERMINAL_DATE_TIME: _stamp(at),
        Tag.TRX_ID: unset,
        Tag.OPERATION_CODE: asked.code,
        Tag.TERMINAL_TRX_ID: asked.ern or unset,
        Tag.TERMINAL_ID: profile.terminal_id,
        Tag.MERCHANT_ID: profile.merchant_id if bank else "0",
        Tag.STATUS: str(int(outcome.status)),
    }
    return {number: value for number, value in values.items() if value is not None}


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S")


def _code(outcome: Outcome, profile: TerminalProfile) -> str | None:
    if outcome.bank is None:
        return ENDINGS[outcome.kind].code
    approved = bank_verdict(outcome.bank.response_code) is BankVerdict.APPROVED
    if approved or outcome.kind is OutcomeKind.APPROVED:
        return profile.answer.approved_code
    return profile.host_code(outcome.bank.response_code)


def _text(asked: Asked, outcome: Outcome, profile: TerminalProfile) -> str:
    operation = int(asked.code) if asked.code.isdigit() else None
    return profile.text(outcome.kind, operation).replace("{field}", str(outcome.field))


def _receipt(
    asked: Asked, outcome: Outcome, profile: TerminalProfile, at: datetime, number: int, *, code: str
) -> str:
    bank, approved = outcome.bank, outcome.kind is OutcomeKind.APPROVED
    if bank is None or outcome.kind not in (OutcomeKind.APPROVED, OutcomeKind.DECLINED):
        return ""
    slip = Slip(
        title=asked.title,
        approved=approved,
        number=number,
        at=at,
        terminal_id=profile.terminal_id,
        merchant_id=profile.merchant_id,
        amount=asked.amount,
        card=outcome.card,
        response_code=code,
        authorization_code=bank.authorization_code,
        rrn=bank.rrn,
    )
    records = [ReceiptRecord(ReceiptTag.SLIP, "", client_slip(slip))]
    if approved:
        records.append(ReceiptRecord(ReceiptTag.CASHIER_COPY, "", cashier_slip(slip)))
    if outcome.card and outcome.card.label:
        records.append(ReceiptRecord(ReceiptTag.CARD_TYPE, "", outcome.card.label))
    return build_receipt(records)
