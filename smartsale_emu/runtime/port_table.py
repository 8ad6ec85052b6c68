"""The table of port URLs: each scheme and what opens it; nothing heavy is imported before that."""

import sys
from collections.abc import Callable
from pathlib import Path

from smartsale_emu.errors import PortError
from smartsale_emu.runtime.ports import Port, parse_serial, parse_tcp, split_url

NO_PTY_HELP = "pty: is not available on Windows; use tcp:127.0.0.1:0 or serial:COMn"


def open_port(url: str, *, default_link: Path | None) -> Port:
    """Return the port that a URL names, not yet open.

    ``default_link`` is where a plain ``pty:`` puts its symlink; None: no symlink, the device's own name.

    Raises:
        PortError: the URL is wrong, or this system has no such ports.
    """
    scheme, rest = split_url(url)
    return _SCHEMES[scheme](rest, default_link)


def _pty(rest: str, default_link: Path | None) -> Port:
    if sys.platform == "win32":
        raise PortError(NO_PTY_HELP)
    from smartsale_emu.runtime.pty_port import PtyPort

    return PtyPort(Path(rest).absolute() if rest else default_link)


def _serial(rest: str, _default_link: Path | None) -> Port:
    from smartsale_emu.runtime.serial_port import open_serial_port

    return open_serial_port(parse_serial(rest))


def _tcp(rest: str, _default_link: Path | None) -> Port:
    from smartsale_emu.runtime.tcp_port import TcpPort

    return TcpPort(parse_tcp(rest))


_SCHEMES: dict[str, Callable[[str, Path | None], Port]] = {"pty": _pty, "serial": _serial, "tcp": _tcp}
