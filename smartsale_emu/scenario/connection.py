"""A register's connection to the bank on virtual time (scheme ПКХ)."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from smartsale_emu.units import Millis


@dataclass(slots=True)
class Connection:
    """A register's connection to the bank (scheme ПКХ). ``send``: False when it is broken.

    ``coming``: what the bank sends back, and when; None when it closes the connection.
    """

    send: Callable[[bytes], bool]
    coming: deque[tuple[Millis, bytes | None]] = field(default_factory=deque)

    def next_arrival(self) -> Millis | None:
        """When there is something to read."""
        return self.coming[0][0] if self.coming else None

    def read(self, now: Millis) -> bytes | None:
        """Return what has come, empty for nothing; None, once, when the bank has closed the connection."""
        read = b""
        while self.coming and self.coming[0][0] <= now:
            data = self.coming[0][1]
            if data is None and read:
                break
            self.coming.popleft()
            if data is None:
                return None
            read += data
        return read
