"""The rules of money, as pure functions (PROTOCOL.md, sections 0.3 and 0.4); all truth tables are tested.

Nothing here knows a state, a timer or a byte: what was asked, what was heard, and what follows for the money.
"""

from enum import StrEnum
from typing import assert_never

from smartsale_emu.payment.response_codes import approves, moves_money
from smartsale_emu.sa.codes import Status
from smartsale_emu.terminal.events import FinalFate
from smartsale_emu.terminal.memory import LastOperation, ReversedBy
from smartsale_emu.terminal.operations import Name
from smartsale_emu.terminal.profile import AlreadyReversed, OnEot
from smartsale_emu.units import MinorUnits

WRONG_PIN = frozenset({"55", "117"})
REVERSAL_ENDS = frozenset({"00", "000", "400", "25", "914"})
RETRIED = frozenset({"91", "907", "96", "909", "30", "904", "A0", "916"})
"""The bank could not, or did not, look at the message: a wrong MAC too."""
IN_BALANCE = frozenset({"00", "000", "500"})
OUT_OF_BALANCE = frozenset({"95", "501"})


class Fate(StrEnum):
    """What becomes of an operation whose final answer left."""

    KEEP = "kept"
    KEEP_IN_DOUBT = "kept, in doubt"
    REVERSE = "reversed"


class BankVerdict(StrEnum):
    """What a response code means for a request that moves money."""

    APPROVED = "approved"
    WRONG_PIN = "wrong PIN"
    UNUSABLE = "no usable answer"  # the bank may have moved money, and not as it was asked
    DECLINED = "declined"


class ReversalVerdict(StrEnum):
    """What the bank's answer to a reversal means."""

    ENDED = "ended"
    RETRY = "retry"
    ALARM = "ended with an alarm"


class SettlementVerdict(StrEnum):
    """What the bank's answer to a message of a settlement means."""

    AGREED = "agreed"
    DIFFERS = "the totals differ"
    RETRY = "retry"
    REFUSED = "refused"


class ReversalRequest(StrEnum):
    """What operation 53 of the register gets; each value is its *because*."""

    SEND = "the last operation is reversed"
    ALREADY_BY_PINPAD = "the pinpad has reversed it by itself"
    ALREADY_BY_REGISTER = "it was reversed, the answer to that was lost"
    REFUSE_NONE = "there is no operation to reverse"
    REFUSE_STATUS = "the last operation did not end with status 1"
    REFUSE_VOID = "a void is never reversed"
    REFUSE_AMOUNT = "the amount differs from the last operation's"
    REFUSE_OTHER = "another operation than the last one is named"
    REFUSE_DONE = "it was reversed, there is nothing left to reverse"
    REFUSE_BY_PINPAD = "the pinpad has reversed it by itself (already_reversed = refuse)"


def bank_verdict(response_code: str) -> BankVerdict:
    """Tell what the bank's response code means for a financial request.

    >>> [bank_verdict(code).value for code in ("00", "55", "75")]
    ['approved', 'wrong PIN', 'declined']
    """
    if approves(response_code):
        return BankVerdict.APPROVED
    if moves_money(response_code):  # a part, or with a condition (0.2: partial approval is off)
        return BankVerdict.UNUSABLE
    return BankVerdict.WRONG_PIN if response_code in WRONG_PIN else BankVerdict.DECLINED


def reversal_verdict(response_code: str) -> ReversalVerdict:
    """Tell whether an answer ends a reversal. Silence and nonsense are no answers: they never come here.

    >>> [reversal_verdict(code).value for code in ("25", "91", "05")]
    ['ended', 'retry', 'ended with an alarm']
    """
    if response_code in REVERSAL_ENDS:
        return ReversalVerdict.ENDED
    return ReversalVerdict.RETRY if response_code in RETRIED else ReversalVerdict.ALARM


def settlement_verdict(response_code: str) -> SettlementVerdict:
    """Tell what an answer to totals, or to an upload, means.

    >>> [settlement_verdict(code).value for code in ("500", "95", "91", "05")]
    ['agreed', 'the totals differ', 'retry', 'refused']
    """
    if response_code in IN_BALANCE:
        return SettlementVerdict.AGREED
    if response_code in OUT_OF_BALANCE:
        return SettlementVerdict.DIFFERS
    return SettlementVerdict.RETRY if response_code in RETRIED else SettlementVerdict.REFUSED


def fate_of_final(fate: FinalFate, *, eot_first: OnEot, eot_repeat: OnEot) -> Fate:
    """Tell what becomes of the money after the final answer's fate on the line."""
    match fate:
        case FinalFate.ACKED:
            return Fate.KEEP
        case FinalFate.EOT_TO_FIRST:
            return Fate.REVERSE if eot_first is OnEot.REVERSE else Fate.KEEP_IN_DOUBT
        case FinalFate.EOT_TO_REPEAT:
            return Fate.REVERSE if eot_repeat is OnEot.REVERSE else Fate.KEEP_IN_DOUBT
        case FinalFate.UNANSWERED | FinalFate.GONE | FinalFate.NEVER_LEFT:
            return Fate.REVERSE
        case _:
            assert_never(fate)


def reversal_request(
    last: LastOperation | None,
    amount: MinorUnits | None,
    *,
    already_reversed: AlreadyReversed,
    rrn: str = "",
    authorization_code: str = "",
) -> ReversalRequest:
    """Tell what operation 53 gets: ``last`` is the last money operation that the bank approved.

    ``amount``, ``rrn`` and ``authorization_code``: of the request, None or empty when it gave none.
    """
    if last is None:
        return ReversalRequest.REFUSE_NONE
    if last.status != Status.DONE:
        return ReversalRequest.REFUSE_STATUS
    if last.operation is Name.VOID:
        return ReversalRequest.REFUSE_VOID
    if amount is not None and amount != last.request.amount:
        return ReversalRequest.REFUSE_AMOUNT
    if _is_other(rrn, last.rrn) or _is_other(authorization_code, last.authorization_code):
        return ReversalRequest.REFUSE_OTHER
    match last.reversed_by:
        case ReversedBy.NOBODY | ReversedBy.REFUSED:
            return ReversalRequest.SEND
        case ReversedBy.REGISTER:
            return ReversalRequest.REFUSE_DONE if last.told else ReversalRequest.ALREADY_BY_REGISTER
        case ReversedBy.PINPAD if last.told:
            return ReversalRequest.REFUSE_DONE
        case ReversedBy.PINPAD if already_reversed is AlreadyReversed.REFUSE:
            return ReversalRequest.REFUSE_BY_PINPAD
        case ReversedBy.PINPAD:
            return ReversalRequest.ALREADY_BY_PINPAD
        case _:
            assert_never(last.reversed_by)


def _is_other(named: str, own: str) -> bool:
    """Tell whether a reference is another operation's; zeros and "-1" are how registers leave it unset."""
    return named != own and named.strip("0") not in ("", "-1")
