"""The pinpad's way to its bank, as the options of ``run`` describe it."""

import argparse
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from smartsale_emu.emulator.tunnel import Tunnel
from smartsale_emu.errors import SetupError
from smartsale_emu.host.framing import Wire
from smartsale_emu.host.session import BankSession, Exchange
from smartsale_emu.runtime import DEFAULT_RULEBOOK
from smartsale_emu.runtime.assembly import build_tunnel
from smartsale_emu.runtime.bank_link import BankLink, NoBank, TcpBank
from smartsale_emu.runtime.host_server import HostServer, served
from smartsale_emu.runtime.ports import BankAddress, bank_address
from smartsale_emu.runtime.tls import TlsLayer, client_tls
from smartsale_emu.terminal.profile import TerminalProfile
from smartsale_emu.terminal.work import Scheme

ANY_LOCAL_PORT = BankAddress("127.0.0.1", 0)


@dataclass(frozen=True, slots=True)
class Way:
    """``link``: the pinpad's own (КПХ). ``tunnel``: through the register (ПКХ), None without."""

    link: BankLink
    tunnel: Tunnel | None = None


@dataclass(frozen=True, slots=True)
class LocalBank:
    """The mock bank of this process, for a pinpad that calls it and for a register that does."""

    link: BankLink
    connect: Callable[[], BankSession]
    watch: Callable[[Exchange], None]


@asynccontextmanager
async def way_to_bank(
    args: argparse.Namespace, profile: TerminalProfile, wire: Wire, local: LocalBank | None
) -> AsyncIterator[Way]:
    """Give the way to the bank. ``wire``: how the bank delimits messages; ``local``: the bank
    to use when ``--host`` names none.

    For scheme ПКХ the local bank listens on a port of its own as long as this lasts, so that the register can
    reach it.

    Raises:
        SetupError: an address or a TLS file is wrong, or options contradict each other.
    """
    addresses = [bank_address(url, "--host") for url in args.host or ()]
    _refuse_useless(args)
    tls = client_tls(addresses, ca=args.ca, cert=args.client_cert, key=args.client_key)
    if args.scheme == Scheme.KPH:
        if local is not None:
            yield Way(local.link)
            return
        timeout = profile.timers.bank_connect / 1000 / len(addresses) / args.speed
        yield Way(TcpBank(addresses, connect_timeout=timeout, wire=wire, keep=args.keep_connection, tls=tls))
        return
    if local is None:
        (address,) = addresses
        layer = partial(TlsLayer, tls, address.host) if tls is not None else None
        yield Way(NoBank(), build_tunnel(profile, address, layer))
        return
    async with served(HostServer(ANY_LOCAL_PORT, local.connect, watch=local.watch)) as url:
        yield Way(NoBank(), build_tunnel(profile, bank_address(url, "the mock bank")))


def _refuse_useless(args: argparse.Namespace) -> None:
    """Refuse options that would change nothing. Raises SetupError."""
    hosts, through_register = len(args.host or ()), args.scheme == Scheme.PKH
    if args.keep_connection and (through_register or not hosts):
        raise SetupError("--keep-connection: is of use only with --host, where the pinpad itself connects")
    if hosts and args.rules != DEFAULT_RULEBOOK:
        raise SetupError("--rules: is of use only without --host, for the mock bank in this process")
    if through_register and hosts > 1:
        raise SetupError("a second --host: is of no use with --scheme pkh, where the register connects")
