"""What is seen of a pinpad, and what is expected of its register."""

import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

from smartsale_emu.control.exchanges import Amount, Exchange, exchanges, minor_units
from smartsale_emu.control.fault_book import Fault
from smartsale_emu.control.near_misses import (
    by_itself,
    difference,
    never_given,
    nothing_came,
    unfinished,
    wanted,
)
from smartsale_emu.control.plainly import plainly
from smartsale_emu.control.verdict import doubts, verdict
from smartsale_emu.scenario.hands import Hands
from smartsale_emu.scenario.phrases import duration
from smartsale_emu.scenario.stage import Stage
from smartsale_emu.terminal.journal import Entry
from smartsale_emu.terminal.table import State
from smartsale_emu.traces.words import story
from smartsale_emu.units import Millis, MinorUnits

Result = TypeVar("Result")

WITHIN = "10s"


class UnexpectedError(AssertionError):
    """A pinpad saw something else than was expected of it. ``problem``: what, without the story."""

    def __init__(self, problem: str, story: str) -> None:
        super().__init__(f"{problem}\n\nWhat happened:\n{story}")
        self.problem = problem


class UnmetFaultWarning(UserWarning):
    """A fault was set, and what it waits for has never come: a test of it tests nothing."""


class Watched:
    """Eyes on a pinpad, and a memory of what its registers asked."""

    def __init__(self, stage: Stage, hands: Hands) -> None:
        self._stage, self._world, self._hands = stage, stage.world, hands
        self._taken = 0
        self._faults: list[Fault] = []  # those that wait for something

    # --- what is seen ------------------------------------------------------------------------------------

    @property
    def screen(self) -> str:
        """The text on the screen."""
        return self._world.screen

    @property
    def state(self) -> str:
        """The state of the terminal, by the words of the diagram."""
        return self._world.emulator.state.value

    @property
    def asks(self) -> str:
        """What it wants of the customer: ``card``, ``pin`` or nothing."""
        return self._world.asked.value if self._world.asked is not None else ""

    @property
    def owes(self) -> bool:
        """Whether a reversal, or the rest of a settlement, is owed to the bank."""
        return self._world.emulator.memory.owes

    @property
    def journal(self) -> Sequence[Entry]:
        """The slips of the open day."""
        return self._look(lambda: tuple(self._world.emulator.memory.journal.entries.values()))

    @property
    def printed(self) -> Sequence[str]:
        """The slips that the pinpad has printed itself; others are in the answers."""
        return self._look(lambda: tuple(self._world.printed))

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """What registers have asked, and how it ended."""
        return self._look(self._exchanges)

    @property
    def doubts(self) -> Sequence[str]:
        """What the pinpad could not decide, such as whether the register counts a sale as paid."""
        return self._look(lambda: doubts(self._world.emulator.memory.remarks))

    def story(self) -> str:
        """Return what happened so far, a line each; the last one tells what the customer never gave."""
        told, hint = self._look(lambda: (story(self._world.traces), never_given(self._stage)))
        return "\n".join([*told, hint] if hint else told)

    # --- what is expected --------------------------------------------------------------------------------

    def expect(self, operation: str, amount: Amount | None = None, *, within: str = WITHIN) -> Exchange:
        """Wait until the register's next operation is over, and return it, approved or not.

        Each call takes the next one. ``operation``: by its command, such as ``sale`` or ``preauth``.

        Raises:
            UnexpectedError: it is another operation or amount, or none; the text says what came instead.
            TypeError, ValueError: ``amount`` is neither a text nor a Decimal, or no amount.
        """
        __tracebackhide__ = True
        money = self._money(amount)
        self._run(self._next_is_over, within=duration(within))
        return self._take(operation, money, within)

    def expect_sale(self, amount: Amount | None = None, *, within: str = WITHIN) -> Exchange:
        """Expect a sale; as `expect`."""
        __tracebackhide__ = True
        return self.expect("sale", amount, within=within)

    def expect_void(self, amount: Amount | None = None, *, within: str = WITHIN) -> Exchange:
        """Expect a void; as `expect`."""
        __tracebackhide__ = True
        return self.expect("void", amount, within=within)

    def expect_return(self, amount: Amount | None = None, *, within: str = WITHIN) -> Exchange:
        """Expect a return; as `expect`."""
        __tracebackhide__ = True
        return self.expect("return", amount, within=within)

    def expect_reversal(self, amount: Amount | None = None, *, within: str = WITHIN) -> Exchange:
        """Expect operation 53; as `expect`."""
        __tracebackhide__ = True
        return self.expect("reversal", amount, within=within)

    def expect_settlement(self, *, within: str = WITHIN) -> Exchange:
        """Expect a settlement; as `expect`."""
        __tracebackhide__ = True
        return self.expect("settlement", within=within)

    def expect_screen(self, text: str, *, within: str = WITHIN) -> None:
        """Wait until the screen says something. Raises UnexpectedError."""
        __tracebackhide__ = True
        if not self._run(lambda: text in self.screen, within=duration(within)):
            self._complain(
                f"the screen was expected to say {text!r} within {within}; it says {self.screen!r}"
            )

    def rests(self, *, within: str = WITHIN) -> bool:
        """Wait until nothing is under way; False when it is not so within that time."""
        return self._run(self._at_rest, within=duration(within))

    def check(self, *, within: str = WITHIN) -> None:
        """Wait until nothing is under way, then see that all is as it should be.

        Nothing unexpected came over the line; bank, pinpad and register agree about the money; nobody was
        charged twice.

        Twice is: the bank holds the same amount of the same card, in the same kind of operation, more than
        once, and more often than `expect` has taken it with its answer. Two registers and two days make no
        difference. What was declined, reversed, voided or given back is no charge; a second void or return is
        not looked for. Once the line was told to do harm, nobody is blamed for what came over it.

        What the test's own fault has done is no failure: where the answer or its acknowledgement is lost, the
        register may count as paid what the pinpad has reversed. Look at `doubts`.

        Warns:
            UnmetFaultWarning: a fault of the line or the bank was set and has never happened.

        Raises:
            UnexpectedError: it says what is not so, with the story so far.
        """
        __tracebackhide__ = True
        self.rests(within=within)
        self._judge(within)

    # --- how ---------------------------------------------------------------------------------------------

    def _money(self, amount: Amount | None) -> MinorUnits | None:
        __tracebackhide__ = True
        return plainly(lambda: minor_units(amount)) if amount is not None else None

    def _take(self, operation: str, money: MinorUnits | None, within: str) -> Exchange:
        """Return the next exchange, which nobody waits for any more."""
        __tracebackhide__ = True
        told, known = wanted(operation, money), self.exchanges
        unasked = self._look(lambda: by_itself(self._stage, operation, known))
        if len(known) == self._taken:
            why = self._look(lambda: nothing_came(self._stage, known))
            self._complain(f"{told} was expected within {within}{why}{unasked}")
        got = known[self._taken]
        differs = difference(operation, money, got)
        if not got.over:
            why = self._look(lambda: unfinished(self._stage, got))
            self._complain(f"{told} was expected within {within}; {why}")
        self._taken += 1
        if differs:
            self._complain(f"{told} was expected; {differs}{unasked}")
        return got

    def _judge(self, within: str) -> None:
        __tracebackhide__ = True
        problems = self._look(self._problems)
        known = self.exchanges
        if known and not known[-1].over:
            why = self._look(lambda: unfinished(self._stage, known[-1]))
            problems.insert(0, f"The test is over, and after {within} more {why}.")
        if problems:
            self._complain("\n".join(problems))
        for fault in self._faults:
            if fault.times == 0:
                told = f"the fault {fault.phrase!r} has never happened"
                warnings.warn(told, UnmetFaultWarning, stacklevel=3)

    def _problems(self) -> list[str]:
        return verdict(self._stage, self._exchanges(), self._taken)

    def _complain(self, problem: str) -> None:
        __tracebackhide__ = True
        raise UnexpectedError(problem, self.story())

    def _exchanges(self) -> list[Exchange]:
        overheard = self._stage.overheard
        return exchanges(overheard.requests, overheard.exchanges())

    def _next_is_over(self) -> bool:
        known = self._exchanges()
        return len(known) > self._taken and known[self._taken].over

    def _at_rest(self) -> bool:
        emulator = self._world.emulator
        busy = emulator.serving or emulator.state is State.RETRYING
        return self._stage.overheard.over and not self._world.off and not busy

    def _look(self, act: Callable[[], Result]) -> Result:
        """Look at several things at one moment."""
        return act()

    def _run(self, until: Callable[[], bool], *, within: Millis) -> bool:
        return self._hands.run(until, within)
