"""The operations of the terminal: one row each (PROTOCOL.md, sections 5.4 and 5.5)."""

from dataclasses import dataclass

from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.sa.codes import OperationCode
from smartsale_emu.terminal.money import Undo


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    ``needs``: mandatory request fields beside 25. ``optional``: fields that may be absent but not malformed.
    ``asks_card``: the customer presents a card. ``step`` and ``transaction``: the message to the bank.
    ``undo``: what an interruption means for the money. ``title``: as the receipt names it.
    """

    code: OperationCode
    title: str
    needs: tuple[int, ...]
    optional: tuple[int, ...]
    asks_card: bool
    step: Step
    transaction: Transaction
    undo: Undo


OPERATIONS: dict[int, Operation] = {
    row.code: row
    for row in (
        Operation(
            OperationCode.SALE, "ОПЛАТА", (0, 4), (), True, Step.FINANCIAL, Transaction.PURCHASE, Undo.BY_REVERSAL
        ),
        Operation(
            OperationCode.TEST_CONNECTION,
            "ПРОВЕРКА СОЕДИНЕНИЯ",
            (),
            (),
            False,
            Step.NETWORK,
            Transaction.ECHO,
            Undo.NOTHING,
        ),
        Operation(
            OperationCode.EMERGENCY_REVERSAL,
            "АВАРИЙНАЯ ОТМЕНА",
            (),
            (0, 4),
            False,
            Step.REVERSAL,
            Transaction.PURCHASE,
            Undo.NEVER,
        ),
    )
}
