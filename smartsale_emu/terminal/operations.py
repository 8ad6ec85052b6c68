"""The operations of the terminal: one row each (PROTOCOL.md, sections 5.4 and 5.5)."""

from dataclasses import dataclass

from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.sa.codes import OperationCode
from smartsale_emu.sa.fields import Tag
from smartsale_emu.terminal.money import Undo


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation.

    ``needs``: mandatory request fields beside 25. ``optional``: fields that may be absent but not malformed.
    ``step`` and ``transaction``: the message to the bank. ``undo``: what an interruption means for the money.
    ``title``: as the receipt names it.
    """

    code: OperationCode
    title: str
    needs: tuple[int, ...] = ()
    optional: tuple[int, ...] = ()
    step: Step
    transaction: Transaction
    undo: Undo


_ROWS = (
    Operation(
        code=OperationCode.SALE,
        title="ОПЛАТА",
        needs=(Tag.AMOUNT, Tag.CURRENCY_CODE),
        step=Step.FINANCIAL,
        transaction=Transaction.PURCHASE,
        undo=Undo.BY_REVERSAL,
    ),
    Operation(
        code=OperationCode.TEST_CONNECTION,
        title="ПРОВЕРКА СОЕДИНЕНИЯ",
        step=Step.NETWORK,
        transaction=Transaction.ECHO,
        undo=Undo.NOTHING,
    ),
    Operation(
        code=OperationCode.EMERGENCY_REVERSAL,
        title="АВАРИЙНАЯ ОТМЕНА",
        optional=(Tag.AMOUNT, Tag.CURRENCY_CODE),
        step=Step.REVERSAL,
        transaction=Transaction.PURCHASE,
        undo=Undo.NEVER,
    ),
)

OPERATIONS: dict[int, Operation] = {row.code: row for row in _ROWS}
