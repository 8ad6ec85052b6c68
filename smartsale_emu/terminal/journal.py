"""The journal of the operating day: what the pinpad has done, in the order of its slips.

A value like the memory: an entry that is written again under its number replaces the former one. Totals and
what is left of an operation are worked out from the entries, never kept beside them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import dropwhile

from smartsale_emu.payment.totals import Totals
from smartsale_emu.terminal.kept import KeptRequest
from smartsale_emu.terminal.operations import Name


class EntryState(StrEnum):
    """What an entry is to the money."""

    KEPT = "kept"  # approved, and the register took the answer
    UNDONE = "undone"  # approved, and reversed since: as if it had never been
    TOLD = "told"  # a slip that moved nothing: declined, a reversal, a settlement


@dataclass(frozen=True, slots=True)
class Entry:
    """One slip of the day.

    ``number``: of the slip, 1 to 9999. ``request``: what was asked of the bank, None where nothing was.
    ``follows``: the RRN of the operation that a void, a return, a raise or a completion refers to.
    ``form`` and ``values``: the slip itself, to be printed again.
    """

    number: int
    operation: Name
    state: EntryState
    request: KeptRequest | None
    rrn: str = ""
    authorization_code: str = ""
    follows: str = ""
    form: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def amount(self) -> int:
        """In minor units; 0 where nothing was asked of the bank."""
        return self.request.amount if self.request else 0

    @property
    def kept(self) -> bool:
        """Whether it counts."""
        return self.state is EntryState.KEPT

    def undone(self) -> "Entry":
        """Return the entry as one that counts no more."""
        return replace(self, state=EntryState.UNDONE)


@dataclass(frozen=True, slots=True)
class Journal:
    """The entries of the open day by slip number, in their order.

    The settlement of the day before stands in front as number 0, only so that it can be printed again.
    """

    entries: dict[int, Entry] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entries) - (0 in self.entries)

    def plus(self, entries: Iterable[Entry]) -> "Journal":
        """Return a journal with these entries, each in the place of a former one of its number."""
        return Journal({**self.entries, **{entry.number: entry for entry in entries}})

    def kept(self) -> Iterator[Entry]:
        """Yield what counts, in the order of the slips."""
        return (entry for entry in self.entries.values() if entry.kept)

    def totals(self) -> Totals:
        """Return the totals of the day."""
        return Totals.of((one.request.transaction, one.amount) for one in self.kept() if one.request)

    def last_slip(self) -> Entry | None:
        """Return the entry whose slip was printed last."""
        return next((entry for entry in reversed(self.entries.values()) if entry.form), None)

    def find(
        self, *, rrn: str = "", authorization_code: str = "", number: int | None = None
    ) -> Iterator[Entry]:
        """Yield the entries to which all that is given applies, the latest first."""
        for entry in reversed(self.entries.values()):
            if rrn and entry.rrn != rrn:
                continue
            if authorization_code and entry.authorization_code != authorization_code:
                continue
            if number is None or entry.number == number:
                yield entry

    def followers(self, entry: Entry) -> Iterator[Entry]:
        """Yield what counts, came after an entry and refers to it.

        An RRN may be given twice: a return of another terminal's sale can have that sale's own, and does not
        follow itself.
        """
        after = dropwhile(lambda one: one.number != entry.number, self.entries.values())
        next(after, None)
        return (later for later in after if later.kept and entry.rrn and later.follows == entry.rrn)

    def left(self, entry: Entry) -> int:
        """Return how much of a kept entry may still be voided, returned or completed, in minor units.

        A raise adds to a hold; a completion leaves nothing of it. A return takes what is left of it itself:
        one that was voided takes nothing.
        """
        left = entry.amount
        for follower in self.followers(entry):
            if follower.operation is Name.RAISE:
                left += follower.amount
            elif follower.operation is Name.COMPLETION:
                return 0
            else:
                left -= self.left(follower)
        return left
