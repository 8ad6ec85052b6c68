"""``wait-ready``: wait until a pinpad that runs beside can be used."""

import argparse
import re
import sys
from pathlib import Path

from smartsale_emu.errors import SetupError
from smartsale_emu.runtime.lookout import (
    ApiLookout,
    LinkLookout,
    Lookout,
    StateLookout,
    TcpLookout,
    wait_until_ready,
)
from smartsale_emu.runtime.ports import SCHEMES, parse_tcp
from smartsale_emu.runtime.state_dir import state_home
from smartsale_emu.units import Millis

_UNSEEN = "whether a pinpad is at the other end cannot be seen from here; use --state DIR or --api URL"


def run(args: argparse.Namespace) -> int:
    """Wait; status 0 and the pinpad's name when it can be used, else 1 and the reason."""
    if args.pid is not None and sys.platform == "win32":
        raise SetupError("--pid: a process cannot be watched on Windows; leave it out")
    sight = wait_until_ready(_lookout(args), args.within, args.pid)
    if not sight.name:
        within = "" if sight.over else f" within {_shown(args.within)}"
        print(f"smartsale-emu: not ready{within}: {sight.reason}", file=sys.stderr)
        return 1
    print(sight.name)
    return 0


def _lookout(args: argparse.Namespace) -> Lookout:
    if args.token and not args.api:
        raise SetupError("--token: belongs to --api")
    if args.api is not None:
        return ApiLookout(_api(args.api), args.token)
    if args.port is not None:
        return _at_port(args.port)
    return StateLookout(args.state or state_home() / "pinpad")


def _at_port(port: str) -> Lookout:
    """Return who looks at a port; without a scheme it is the path of a link. Raises SetupError."""
    scheme, colon, rest = port.partition(":")
    if not (colon and scheme in SCHEMES):
        scheme, rest = "serial" if re.fullmatch(r"COM\d{1,3}", port, re.IGNORECASE) else "pty", port
    if scheme == "serial":
        raise SetupError(f"--port {port}: {_UNSEEN}")
    if scheme == "tcp":
        return TcpLookout(parse_tcp(rest))
    if not rest:
        raise SetupError(f"--port {port}: of which pinpad? use pty:LINK, or --state DIR")
    return LinkLookout(Path(rest))


def _api(text: str) -> str:
    """Return where the API is, without a path. Raises SetupError."""
    found = re.fullmatch(r"(http://|https://)?([^/\s@?#]+)/?(?:api/v1/?)?", text)
    if found is None:
        raise SetupError(f"--api {text!r} is not understood: use HOST:PORT or http://HOST:PORT")
    if found[1] is None:
        parse_tcp(found[2])
    return f"{found[1] or 'http://'}{found[2]}"


def _shown(within: Millis) -> str:
    return f"{within // 1000}s" if within % 1000 == 0 else f"{within}ms"
