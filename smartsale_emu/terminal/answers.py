"""An outcome, written as the fields of a final answer (PROTOCOL.md, sections 0.2, 4 and 5.1).

Which fields an answer holds is a row of the terminal profile; here is what each of them says.
"""

from dataclasses import dataclass
from datetime import datetime

from smartsale_emu.payment.authorization import Totals
from smartsale_emu.sa.codes import CommandResult
from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.money import BankVerdict, bank_verdict
from smartsale_emu.terminal.operations import Flow, Name, Operation
from smartsale_emu.terminal.outcome import ENDINGS, Outcome, OutcomeKind
from smartsale_emu.terminal.profile import TerminalProfile
from smartsale_emu.units import CurrencyCode, MinorUnits


@dataclass(frozen=True, slots=True)
class Asked:
    """What the answer repeats of the request. ``code`` and ``mode``: fields 25 and 65.

    ``operation``: None when the request names none that is known.
    """

    operation: Operation | None
    code: str
    mode: str | None
    amount: MinorUnits | None
    currency: CurrencyCode | None
    ern: str

    @property
    def name(self) -> Name | None:
        """The operation's name."""
        return self.operation.name if self.operation else None


def build_answer(
    asked: Asked, outcome: Outcome, profile: TerminalProfile, *, at: datetime, receipt: str | None
) -> Message:
    """Return the final answer, its fields ascending; a field without a value is left out."""
    wanted = profile.answer.fields[asked.operation.answer if asked.operation else "money"]
    values = _values(asked, outcome, profile, at) | {Tag.RECEIPT_DATA: receipt or None}
    values |= _of_operation(asked, outcome, profile)
    return Message.of(
        {number: value for number in sorted(wanted) if (value := values.get(number)) is not None}
    )


def field_15(outcome: Outcome, profile: TerminalProfile) -> str | None:
    """Return the response code as the register is told it, None for none."""
    if outcome.bank is None:
        approved = outcome.kind is OutcomeKind.APPROVED
        return profile.answer.approved_code if approved else ENDINGS[outcome.kind].code
    approved = bank_verdict(outcome.bank.response_code) is BankVerdict.APPROVED
    if approved or outcome.kind is OutcomeKind.APPROVED:
        return profile.answer.approved_code
    return profile.host_code(outcome.bank.response_code)


def field_19(name: Name | None, outcome: Outcome, profile: TerminalProfile) -> str:
    """Return the text for the cashier."""
    code = outcome.bank.response_code if outcome.bank else ""
    return profile.text(outcome.kind, name, code).format(field=outcome.field, code=code)


def _values(asked: Asked, outcome: Outcome, profile: TerminalProfile, at: datetime) -> dict[int, str | None]:
    bank, card, unset = outcome.bank, outcome.card, profile.answer.unset_number
    return {
        Tag.AMOUNT: str(asked.amount) if asked.amount is not None else "0",
        Tag.CURRENCY_CODE: asked.currency or "0",
        Tag.DATE_TIME_HOST: _stamp(bank.answered_at if bank and bank.answered_at else at),
        Tag.PAN: card.masked if card else None,
        Tag.CARD_EXPIRY_DATE: card.expiry if card else None,
        Tag.TRACK2: outcome.track2,
        Tag.AUTHORIZATION_CODE: bank.authorization_code or None if bank else None,
        Tag.REFERENCE_NUMBER: bank.rrn or None if bank else None,
        Tag.RESPONSE_CODE_HOST: field_15(outcome, profile),
        Tag.TEXT_RESPONSE: field_19(asked.name, outcome, profile),
        Tag.TERMINAL_DATE_TIME: _stamp(at),
        Tag.TRX_ID: unset,
        Tag.OPERATION_CODE: asked.code,
        Tag.TERMINAL_TRX_ID: asked.ern or unset,
        Tag.TERMINAL_ID: profile.terminal_id,
        Tag.MERCHANT_ID: profile.merchant_id if bank else "0",
        Tag.STATUS: str(int(outcome.status)),
        Tag.COMMAND_MODE2: asked.mode,
    }


def _of_operation(asked: Asked, outcome: Outcome, profile: TerminalProfile) -> dict[int, str | None]:
    """What some operations say in their own way."""
    approved, bank, name = outcome.kind is OutcomeKind.APPROVED, outcome.bank, asked.name
    if name is Name.LINK_TEST and bank is not None and not profile.answer.test_shows_code:
        return {Tag.RESPONSE_CODE_HOST: None}
    if name is Name.BALANCE and approved and bank is not None and bank.balance is not None:
        return {Tag.AMOUNT: str(bank.balance)}
    if name is Name.CARD_DATA and outcome.card is not None:
        return {Tag.CARD_ENTRY_MODE: profile.answer.entry_by_pinpad}
    if asked.operation is not None and asked.operation.flow is Flow.MEMORY:
        result = CommandResult.OK if approved else CommandResult.ERROR
        code = None if approved else field_15(outcome, profile)  # no bank approved a report
        return {Tag.COMMAND_RESULT: str(int(result)), Tag.RESPONSE_CODE_HOST: code}
    if name is Name.SETTLEMENT:
        return _settlement(outcome, profile)
    return {}


def _settlement(outcome: Outcome, profile: TerminalProfile) -> dict[int, str | None]:
    rows, values = profile.settlement, dict[int, str | None]()
    if outcome.kind is OutcomeKind.APPROVED and rows.code:
        values[Tag.RESPONSE_CODE_HOST] = rows.code
    if not rows.merchant:
        values[Tag.MERCHANT_ID] = "0"
    if rows.totals and outcome.totals is not None:
        values |= totals_fields(outcome.totals)
    if not rows.receipt:
        values[Tag.RECEIPT_DATA] = None
    return values


def totals_fields(totals: Totals) -> dict[int, str]:
    """Return fields 29 to 32 and 49 to 52: amounts in minor units, and counts."""
    tallies = (
        (totals.debit, Tag.DEBIT_AMOUNT, Tag.DEBIT_COUNT),
        (totals.credit, Tag.CREDIT_AMOUNT, Tag.CREDIT_COUNT),
        (totals.void_debit, Tag.VOID_DEBIT_AMOUNT, Tag.VOID_DEBIT_COUNT),
        (totals.void_credit, Tag.VOID_CREDIT_AMOUNT, Tag.SLIP_NUMBER_52),
    )
    amounts = {int(amount): str(tally.amount) for tally, amount, _ in tallies}
    return amounts | {int(count): str(tally.count) for tally, _, count in tallies}


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S")
