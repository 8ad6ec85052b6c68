"""The register's way to the bank, lent to a pinpad: one TCP connection, worked by a thread of its own.

Connecting may take long, and meanwhile the line to the pinpad must be read: so the work is done aside, and
what came of it is collected by `HostChannel.told`, in order. Of a closed connection nothing more is told.
"""

import contextlib
import queue
import socket
import threading
from collections.abc import Callable

from smartsale_emu.register.effects import RegisterEffect
from smartsale_emu.register.session import RegisterSession
from smartsale_emu.runtime.ports import plain_reason
from smartsale_emu.units import Millis

CONNECT_TIMEOUT = 16.0  # seconds, for every address of the host; a pinpad awaits our reply for 45
SEND_TIMEOUT = 10.0
FETCH_WAIT = 1.0  # "nothing yet" is said so late, so that a pinpad's polling does not spin
_READ_SIZE = 4096

Told = Callable[[RegisterSession, Millis], list[RegisterEffect]]
"""What came of an effect: the door of the session to call."""


class HostChannel:
    """The channel of one register; one connection is open at a time. Times in seconds."""

    def __init__(self, *, connect_timeout: float = CONNECT_TIMEOUT, fetch_wait: float = FETCH_WAIT) -> None:
        self._connect_timeout, self._fetch_wait = connect_timeout, fetch_wait
        self._connection: _Connection | None = None

    def open(self, host: str, port: int) -> None:
        """Begin to connect; an earlier connection is closed."""
        self.close()
        self._connection = _Connection(host, port, self._connect_timeout, self._fetch_wait)

    def send(self, data: bytes) -> None:
        """Begin to send everything."""
        if self._connection is not None:
            self._connection.work.put(lambda connection: connection.send(data))

    def fetch(self) -> None:
        """Begin to wait for bytes."""
        if self._connection is not None:
            self._connection.work.put(lambda connection: connection.fetch())

    def close(self) -> None:
        """Close the connection, also one that is being made; without one nothing happens."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def open_or_opening(self) -> bool:
        """Something may be told soon."""
        return self._connection is not None

    def told(self) -> Told | None:
        """Return the next that came of the work, or None; never waits."""
        if self._connection is None:
            return None
        try:
            return self._connection.told.get_nowait()
        except queue.Empty:
            return None


class _Connection:
    """One connection and its thread, which carries out the orders in ``work`` one after the other."""

    def __init__(self, host: str, port: int, connect_timeout: float, fetch_wait: float) -> None:
        self.work: queue.SimpleQueue[Callable[[_Connection], None]] = queue.SimpleQueue()
        self.told: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self._address, self._connect_timeout, self._fetch_wait = (host, port), connect_timeout, fetch_wait
        self._over = threading.Event()
        self._socket: socket.socket | None = None
        self._at_end = False
        threading.Thread(target=self._run, name="register's channel", daemon=True).start()

    def close(self) -> None:
        """End the thread; it gives the socket back. A connection attempt ends by itself, unseen."""
        self._over.set()
        self.work.put(lambda _: None)
        if (opened := self._socket) is not None:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)

    def send(self, data: bytes) -> None:
        """Send everything; told: ``host_sent``."""
        sent = False
        if self._socket is not None and not self._at_end:
            self._socket.settimeout(SEND_TIMEOUT)
            with contextlib.suppress(OSError):
                self._socket.sendall(data)
                sent = True
        self.told.put(lambda session, now: session.host_sent(ok=sent, now=now))

    def fetch(self) -> None:
        """Wait for bytes as long as a fetch may last; told: ``host_fetched``, ``host_closed`` at the end."""
        data = self._read()
        self.told.put(lambda session, now: session.host_fetched(data, now))

    def _read(self) -> bytes | None:
        if self._socket is None or self._at_end:
            self._over.wait(self._fetch_wait)
            return None
        self._socket.settimeout(self._fetch_wait)
        try:
            data = self._socket.recv(_READ_SIZE)
        except TimeoutError:
            return None
        except OSError:
            data = b""
        if not data:
            self._at_end = True
            self.told.put(lambda session, now: session.host_closed(now))
            self._over.wait(self._fetch_wait)
        return data or None

    def _run(self) -> None:
        try:
            self._socket = socket.create_connection(self._address, self._connect_timeout)
        except (OSError, UnicodeError) as error:
            because = f"{self._address[0]}:{self._address[1]}: {_reason(error)}"
            self.told.put(lambda session, now: session.host_opened(ok=False, now=now, because=because))
            return
        with self._socket:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.told.put(lambda session, now: session.host_opened(ok=True, now=now))
            while not self._over.is_set():
                self.work.get()(self)


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return "unknown host"
    if isinstance(error, TimeoutError):
        return "no answer"
    return plain_reason(error) if isinstance(error, OSError) else "the system refuses"
