"""Whether a pinpad that another process runs can be used: seen from beside, without a word to it.

What a pinpad leaves in the file system (the port in its state directory, the symlink of a pseudo-terminal)
stays behind when it is killed, so its lock is asked too. Our question takes a free lock for an instant, in
which a pinpad that starts would be refused: so what was found stale is not asked about again, and what is
fresh was written by one who has the lock already.
"""

import json
import os
import select
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from smartsale_emu.errors import PortError, SetupError
from smartsale_emu.runtime.file_lock import FileLock
from smartsale_emu.runtime.ports import TcpAddress, plain_reason
from smartsale_emu.runtime.state_dir import LISTENING_NAME, LOCK_NAME
from smartsale_emu.units import Millis

_PAUSE = 0.05  # seconds between two looks
_SETTLES = 0.01  # seconds in which a new owner has removed what a dead one left
_PATIENCE = 2.0  # seconds for an answer over the network
_MOST = 65_536  # bytes of an answer
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look found: the pinpad's name where it can be used, or why it cannot. ``over``: never will."""

    name: str = ""
    reason: str = ""
    over: bool = False


class Lookout(Protocol):
    """One way to see a pinpad."""

    def look(self) -> Sight:
        """Look once. Raises SetupError when waiting cannot help."""


def wait_until_ready(lookout: Lookout, within: Millis, pid: int | None = None) -> Sight:
    """Look, again and again, until the pinpad can be used or the time is up; at least once.

    ``pid``: the process that was started; who is seen when it has ended is another pinpad.
    """
    deadline = time.monotonic() + within / 1000
    while True:
        sight = lookout.look()
        if pid is not None and has_ended(pid):
            seen = f"{sight.name} is of another one" if sight.name else sight.reason
            return Sight(reason=f"process {pid} has ended; {seen}", over=True)
        left = deadline - time.monotonic()
        if sight.name or left <= 0:
            return sight
        time.sleep(min(_PAUSE, left))


def has_ended(pid: int) -> bool:
    """Tell whether a process is gone, or waits to be buried by who started it. Not for Windows.

    Without descriptors of processes (macOS) one that waits to be buried is taken for a living one.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    except (AttributeError, OSError):
        return not _is_there(pid)
    try:
        return bool(select.select([descriptor], [], [], 0)[0])
    finally:
        os.close(descriptor)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class StateLookout:
    """Sees a pinpad, or a bank, by its state directory: whatever its port is."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._file = directory.absolute(), directory.absolute() / LISTENING_NAME
        self._trace = _Trace(self._file, self._directory / LOCK_NAME)

    def look(self) -> Sight:
        """See `Lookout.look`; the name is the port's."""
        if not self._directory.is_dir():
            return Sight(reason=f"state directory {self._directory}: there is none")
        try:
            if not self._trace.is_of_the_living():
                return Sight(reason=f"state directory {self._directory}: nobody there has a port")
            name = self._file.read_text(encoding="utf-8")
        except OSError as error:
            return Sight(reason=f"state directory {self._directory}: {plain_reason(error)}")
        if name.startswith("/") and not Path(name).exists():
            return Sight(reason=f"{name}: the pinpad has no power")
        return Sight(name)


class LinkLookout:
    """Sees a pinpad by the symlink of its pseudo-terminal."""

    def __init__(self, link: Path) -> None:
        self._link = link.absolute()
        self._trace = _Trace(self._link, self._link.with_name(self._link.name + ".lock"))

    def look(self) -> Sight:
        """See `Lookout.look`. Raises PortError when there is something else by that name."""
        if not self._link.is_symlink():
            if self._link.exists():
                raise PortError(f"{self._link}: is not the link of a pinpad; use --state DIR or --api URL")
            return Sight(reason=f"{self._link}: there is none")
        try:
            if self._trace.is_of_the_living() and self._link.exists():
                return Sight(str(self._link))
        except OSError as error:
            return Sight(reason=f"{self._link}: {plain_reason(error)}")
        return Sight(reason=f"{self._link}: was left by a pinpad that runs no more")


class TcpLookout:
    """Sees that somebody listens on a TCP port, by connecting: the pinpad takes that for a register."""

    def __init__(self, address: TcpAddress) -> None:
        if not address.port:
            raise PortError(f"{address.url}: which port it is, nobody knows; use --state DIR")
        self._address = TcpAddress(_ANY.get(address.host, address.host), address.port)

    def look(self) -> Sight:
        """See `Lookout.look`."""
        try:
            socket.create_connection((self._address.host, self._address.port), timeout=_PATIENCE).close()
        except socket.gaierror:
            return Sight(reason=f"{self._address.url}: unknown host")
        except OSError as error:
            return Sight(reason=f"{self._address.url}: {plain_reason(error)}")
        return Sight(self._address.url)


class ApiLookout:
    """Sees a pinpad by its control API, ``http://HOST:PORT``."""

    def __init__(self, url: str, token: str = "") -> None:
        self._url = url
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    def look(self) -> Sight:
        """See `Lookout.look`. Raises SetupError when the API does not let us in."""
        from urllib.error import HTTPError
        from urllib.request import ProxyHandler, Request, build_opener

        request = Request(f"{self._url}/api/v1/health", headers=self._headers)
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=_PATIENCE) as answer:
                return self._told(answer.read(_MOST))
        except HTTPError as error:
            with error:
                if error.code == 401:
                    raise SetupError(f"--api {self._url}: --token is missing or wrong") from None
                return Sight(reason=f"{self._url}: answers {error.code}")
        except OSError as error:  # a URLError is one, and its reason another
            inner = getattr(error, "reason", error)
            return Sight(
                reason=f"{self._url}: {plain_reason(inner if isinstance(inner, OSError) else error)}"
            )
        except Exception as error:
            return Sight(reason=f"{self._url}: answers no HTTP ({type(error).__name__})")

    def _told(self, body: bytes) -> Sight:
        health = None
        with suppress(ValueError):
            health = json.loads(body)
        if not isinstance(health, dict) or health.get("status") != "ok":
            return Sight(reason=f"{self._url}: another program answers there")
        return Sight(self._url) if health.get("on") else Sight(reason=f"{self._url}: the pinpad has no power")


class _Trace:
    """A file that its owner leaves behind when he dies, and his lock, which he does not."""

    def __init__(self, file: Path, lock: Path) -> None:
        self._file, self._lock = file, lock
        self._stale: tuple[int, int] | None = None

    def is_of_the_living(self) -> bool:
        """Tell whether the file's owner lives. Raises OSError when it cannot be told."""
        found = self._found()
        if found is None or found == self._stale:
            return False
        if FileLock.is_held(self._lock):
            time.sleep(_SETTLES)
            return self._found() == found
        self._stale = found
        return False

    def _found(self) -> tuple[int, int] | None:
        try:
            status = self._file.lstat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns
