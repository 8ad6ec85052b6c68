"""Ports: where a register connects. The contract, and the table of port URLs.

| URL | What it is |
|---|---|
| ``pty:`` or ``pty:/path/of/link`` | a pseudo-terminal under a stable symlink (Linux, macOS) |
| ``serial:DEVICE[?baud=115200]``, ``COM9``, ``/dev/ttyS0`` | a serial port, 8N1, no flow control |
| ``tcp:HOST:PORT`` | the register connects; port 0 takes any free one |

The transports are those of PROTOCOL.md, section 3. `open_port` (port_table.py) makes one from its URL.

A bank has an address of its own kind: ``tcp:HOST:PORT`` or ``tls:HOST:PORT`` (`bank_address`).
"""

import errno
import re
from dataclasses import dataclass
from typing import Protocol

from smartsale_emu.errors import PortError

DEFAULT_BAUD = 115_200
"""Bits per second of a serial port (PROTOCOL.md, section 3)."""

SCHEMES = ("pty", "serial", "tcp")

URL_HELP = "use pty:[LINK], serial:DEVICE[?baud=115200] or tcp:HOST:PORT"


class LineListener(Protocol):
    """Who is told what happens on the line. Called from the event loop, never re-entered by a port."""

    def line_opened(self) -> None:
        """A register opened the line; told before the first byte that it wrote."""

    def line_received(self, data: bytes) -> None:
        """Bytes of the register, at least one, cut anywhere."""

    def line_closed(self, because: str) -> None:
        """The register closed the line; told after the last byte that it wrote."""

    def line_failed(self, error: PortError) -> None:
        """The port itself is gone; nothing more will be told."""

    def line_busy(self) -> bool:
        """Tell whether an operation is running: then a second TCP connection is closed untouched."""


class Port(Protocol):
    """One place where one register at a time connects.

    ``name`` is exactly what a register's ``--port`` takes; known once the port is open.
    """

    name: str

    async def open(self, listener: LineListener) -> None:
        """Make the port ready for a register.

        Raises:
            PortError: it is wrong, busy, missing or not permitted; one clear line.
        """

    def write(self, data: bytes) -> None:
        """Send in one go; what the system does not take now is kept and sent when it can."""

    def flush(self) -> None:
        """Drop everything that the register has not read yet, as far as the transport can."""

    def close(self) -> None:
        """Give the port back; twice is once. The listener hears nothing more."""


@dataclass(frozen=True, slots=True)
class SerialAddress:
    """A serial device and its speed in bits per second."""

    device: str
    baud: int = DEFAULT_BAUD

    @property
    def url(self) -> str:
        """The name by which errors call the port."""
        return f"serial:{self.device}"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host and a TCP port, 0 to 65535."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as a port URL."""
        return _url("tcp", self.host, self.port)


@dataclass(frozen=True, slots=True)
class BankAddress:
    """Where a bank listens: a host and a TCP port, 0 to 65535; ``tls``: it speaks TLS there."""

    host: str
    port: int
    tls: bool = False

    @property
    def url(self) -> str:
        """The address as a URL.

        >>> BankAddress("::1", 8583, tls=True).url
        'tls:[::1]:8583'
        """
        return _url("tls" if self.tls else "tcp", self.host, self.port)


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}:[{host}]:{port}" if ":" in host else f"{scheme}:{host}:{port}"


def split_url(url: str) -> tuple[str, str]:
    """Return a port URL as (scheme, rest); a bare device name is ``serial``.

    >>> split_url("tcp:127.0.0.1:0"), split_url("COM9"), split_url("/dev/ttyS0")
    (('tcp', '127.0.0.1:0'), ('serial', 'COM9'), ('serial', '/dev/ttyS0'))

    Raises:
        PortError: no such scheme.
    """
    if url.startswith("/") or re.fullmatch(r"COM\d{1,3}", url, re.IGNORECASE):
        return "serial", url
    scheme, colon, rest = url.partition(":")
    if not colon or scheme not in SCHEMES:
        raise PortError(f"port {url!r} is not understood: {URL_HELP}")
    return scheme, rest


def parse_serial(text: str) -> SerialAddress:
    """Read ``DEVICE[?baud=N]``, N from 1 to 4000000.

    >>> parse_serial("COM9?baud=19200")
    SerialAddress(device='COM9', baud=19200)

    Raises:
        PortError: no device, or not a speed.
    """
    device, question, query = text.partition("?")
    baud = re.fullmatch(r"baud=(\d{1,7})", query) if question else None
    if not device or (question and (baud is None or not 1 <= int(baud[1]) <= 4_000_000)):
        raise PortError(f"port 'serial:{text}' is not understood: use serial:DEVICE[?baud=115200]")
    return SerialAddress(device, int(baud[1]) if baud else DEFAULT_BAUD)


def parse_tcp(text: str) -> TcpAddress:
    """Read ``HOST:PORT`` or ``[IPV6]:PORT``.

    >>> parse_tcp("[::1]:5555").url
    'tcp:[::1]:5555'

    Raises:
        PortError: not a host name, or not a port number.
    """
    return TcpAddress(*_host_and_port("tcp", text))


def bank_address(url: str, option: str) -> BankAddress:
    """Read a bank's URL, ``tcp:HOST:PORT`` or ``tls:HOST:PORT``; ``option`` names it in errors.

    >>> bank_address("tls:bank.example:8583", "--host")
    BankAddress(host='bank.example', port=8583, tls=True)

    Raises:
        PortError: another scheme, or a wrong address.
    """
    scheme, _, rest = url.partition(":")
    if scheme not in ("tcp", "tls"):
        raise PortError(f"{option} {url!r}: a bank is reached over tcp:HOST:PORT or tls:HOST:PORT")
    return BankAddress(*_host_and_port(scheme, rest), tls=scheme == "tls")


def _host_and_port(scheme: str, text: str) -> tuple[str, int]:
    parts = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]\s]+)):(\d{1,5})", text)
    if parts is None or int(parts[3]) > 65_535:
        raise PortError(f"port '{scheme}:{text}' is not understood: use {scheme}:HOST:PORT, PORT 0 to 65535")
    host = parts[1] or parts[2]
    try:
        host.encode("idna")
    except UnicodeError:
        raise PortError(f"port '{scheme}:{text}' is not understood: {host!r} is no host name") from None
    return host, int(parts[3])


def plain_reason(error: OSError) -> str:
    """Return in a few words why the system refused a port or a file."""
    if error.errno in _REASONS:
        return _REASONS[error.errno]
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:] if text else "the system refuses"


_REASONS = {
    errno.EADDRINUSE: "address already in use",
    errno.EADDRNOTAVAIL: "this computer has no such address",
    errno.ECONNREFUSED: "nobody listens there",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOENT: "no such file or device",
    errno.ENODEV: "no such file or device",
    errno.ENXIO: "no such file or device",
    errno.ENOTTY: "not a serial port",
    errno.EBUSY: "in use by another program",
    errno.EAGAIN: "in use by another program",
}
