"""How often something is met: the n-th time, every time, every n-th, and only while somebody allows it."""

from collections.abc import Callable
from dataclasses import dataclass


def always() -> bool:
    """Allow everything."""
    return True


def never() -> bool:
    """Allow nothing."""
    return False


@dataclass(slots=True)
class Meter:
    """Counts what could be met. ``which``: n for the n-th alone, 0 for every one, -n for every n-th.

    >>> meter = Meter(-2)
    >>> [meter.meets() for _ in range(4)], meter.spent
    ([False, True, False, True], False)
    """

    which: int = 1
    allows: Callable[[], bool] = always
    seen: int = 0
    met: bool = False  # the last time

    def meets(self) -> bool:
        """Count one more; tells whether it is met. What is not allowed at the moment is not counted."""
        self.met = False
        if self.spent or not self.allows():
            return False
        self.seen += 1
        exactly = self.which > 0 and self.seen == self.which
        self.met = exactly or self.which == 0 or (self.which < 0 and self.seen % -self.which == 0)
        return self.met

    @property
    def spent(self) -> bool:
        """Whether nothing will be met any more."""
        return 0 < self.which <= self.seen


@dataclass(slots=True)
class Follower:
    """Meets what another meter has met the last time; it counts nothing itself."""

    of: Meter

    def meets(self) -> bool:
        """Tell whether the other one met it."""
        return self.of.met

    @property
    def spent(self) -> bool:
        """Whether nothing will be met any more."""
        return self.of.spent
