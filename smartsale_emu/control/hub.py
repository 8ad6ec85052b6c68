"""One event loop in a thread of its own, for all pinpads that this process controls."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Hub:
    """Runs what it is given in its loop. Its thread is a daemon: it ends with the process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pinpads", daemon=True)
        self._thread.start()

    @property
    def is_here(self) -> bool:
        """Whether the caller is in its loop."""
        return threading.current_thread() is self._thread

    def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the loop and return what it returns, or raise what it raises.

        Raises:
            RuntimeError: called from the loop itself, which would wait for itself.
        """
        if self.is_here:
            work.close()
            raise RuntimeError("a pinpad cannot be waited for in its own loop")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def wait_from_another_loop(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do the same for a caller that is a coroutine of another loop; where he is cancelled, it is too."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def call(self, act: Callable[[], Result]) -> Result:
        """Call a function in the loop, between two turns of it; at once for who is there already."""
        if self.is_here:
            return act()

        async def work() -> Result:
            return act()

        return self.wait(work())


_made: list[Hub] = []
_making = threading.Lock()


def the_hub() -> Hub:
    """Return the one of this process; one that was forked has its own."""
    with _making:
        if not _made:
            _made.append(Hub())
        return _made[0]


def _begin_anew() -> None:
    global _making
    _made.clear()
    _making = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
