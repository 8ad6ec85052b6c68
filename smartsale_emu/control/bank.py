"""The bank of a pinpad that is controlled: what it holds, and what it is told to do wrong."""

from collections.abc import Callable, Sequence

from smartsale_emu.control.exchanges import Amount, minor_units
from smartsale_emu.control.plainly import plainly
from smartsale_emu.host.ledger import Operation, OperationState
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.scenario.meant import there_is
from smartsale_emu.scenario.stage import Stage
from smartsale_emu.units import MinorUnits


class BankDesk:
    """The bank behind one pinpad. What is said of its faults is in the words of scenarios."""

    def __init__(self, stage: Stage, fault: Callable[[str], None]) -> None:
        self._stage, self._fault = stage, fault

    @property
    def ledger(self) -> Sequence[Operation]:
        """Every operation that it knows of, in their order."""
        return self._stage.ledger.operations()

    @property
    def net(self) -> MinorUnits:
        """What all approved operations come to, in minor units; money taken counts up."""
        return MinorUnits(-sum(row.effect for row in self.ledger if row.state is OperationState.APPROVED))

    @property
    def asked(self) -> int:
        """How many messages have reached it."""
        return len(self._stage.bank_faults.heard)

    def balance(self, card: str) -> MinorUnits:
        """Return what a card's account holds, in minor units.

        Raises:
            ValueError: there is no such card.
        """
        __tracebackhide__ = True
        account = self._stage.bank.account(card)
        if account is None:
            raise ValueError(f"card {card!r} has no account; {there_is(card, self._stage.cards)}")
        return account.balance

    def decline(self, code: str, *, to: str = "money") -> None:
        """Say no to the next message of a kind, with a response code of the bank's."""
        __tracebackhide__ = True
        self.fault(f"decline {code} to {to}")

    def approve_only(self, amount: Amount) -> None:
        """Approve less than the next request asks for."""
        __tracebackhide__ = True
        money = plainly(lambda: minor_units(amount))
        self.fault(f"approve only {format_amount(money)}")

    def fault(self, phrase: str) -> None:
        """Do something wrong from now on: ``no answer``, ``late answer 35s to reversal``, ``down for 1h``.

        Raises:
            ValueError: it is not understood; the text says what there is.
        """
        __tracebackhide__ = True
        self._fault(f"bank: {phrase.removeprefix('bank:').strip()}")

    def recover(self) -> None:
        """Do nothing wrong any more."""
        self.fault("recovers")
