"""A user's mistake, told at the line where he made it."""

from collections.abc import Callable
from typing import TypeVar

from smartsale_emu.errors import SetupError

Result = TypeVar("Result")


def plainly(act: Callable[[], Result]) -> Result:
    """Do what somebody asked for; what he wrote wrong is raised without our source above it.

    Each caller sets ``__tracebackhide__`` too, so that pytest shows the line of the test.

    Raises:
        TypeError, ValueError, SetupError: as ``act`` does.
    """
    __tracebackhide__ = True
    try:
        return act()
    except (TypeError, ValueError, SetupError) as error:
        raise error.with_traceback(None) from None
