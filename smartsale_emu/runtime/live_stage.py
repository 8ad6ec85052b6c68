"""A stage in real time: a pinpad on a real port, with its bank, its line and its customer."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.errors import SetupError
from smartsale_emu.host.session import BankSession, Exchange
from smartsale_emu.runtime.disk import Disk
from smartsale_emu.runtime.driver import Clock, Watcher
from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.runtime.live_bank import BankBehindRegister, FaultyBank, bound_socket
from smartsale_emu.runtime.live_line import FaultyPort
from smartsale_emu.runtime.live_world import LiveWorld, Waits
from smartsale_emu.runtime.port_table import open_port
from smartsale_emu.runtime.ports import Port
from smartsale_emu.scenario.bank_faults import BankFaults
from smartsale_emu.scenario.line_faults import LineFaults, Watch
from smartsale_emu.scenario.model import Setting
from smartsale_emu.scenario.overheard import Overheard
from smartsale_emu.scenario.stage import Belongings, Props, Stage
from smartsale_emu.units import calendar


@dataclass(frozen=True, slots=True)
class Outfit:
    """What a pinpad is given that outlives the process.

    ``link``: of a plain ``pty:``; ``speed``: of its clock.
    ``died``: told why when it has stopped by itself, because its port or its memory is gone.
    """

    belongings: Belongings = field(default_factory=Belongings)
    disk: Disk = field(default_factory=Disk)
    link: Path | None = None
    speed: float = 1.0
    died: Callable[[BaseException], None] | None = None


def live_stage(
    setting: Setting,
    url: str,
    wait: Waits,
    *,
    seed: int,
    ready: Callable[[str], None],
    watchers: tuple[Watcher, ...] = (),
    library: FileLibrary | None = None,
    revives: bool = False,
    keeps: int | None = None,
    outfit: Outfit | None = None,
) -> Stage:
    """Return a pinpad on the port ``url``, still without power. ``ready`` is told what a register opens.

    A TCP port that the system has chosen is the same again after a power cut.
    ``outfit``: what is given to it, where it outlives the process.
    ``wait``: runs what there is to do in the loop of the pinpad. ``revives``, ``keeps``: see `LiveWorld`.

    Raises:
        SetupError: a profile, a card or a key is wrong or missing.
    """
    outfit = outfit or Outfit()
    clock = Clock(outfit.speed)
    props, bound = _props(setting, library or FileLibrary(), seed, outfit.belongings)
    faults, overheard = props.faults(clock.now), props.overheard
    bank = _bank(props, faults, setting, clock, bound, lambda one: tell(Trace("host", one.because)))

    def begins() -> None:  # what is expected is of this exchange
        unit = line.seen[-1]
        line.seen.clear()
        line.seen.append(unit)
        world.screens.clear()

    def tell(trace: Trace) -> None:
        world.tell_trace(trace)

    faults.tell = tell
    line = LineFaults(clock.now, tell, watch=_watch(overheard, begins))
    door = _Door(url, outfit.link, line, overheard, ready)
    world = LiveWorld(
        wait,
        props.boot,
        door.port,
        bank,
        clock=clock,
        cardholder=props.cardholder,
        shelf=props.shelf,
        ready=door.ready,
        ended=overheard.ended,
        watchers=watchers,
        revives=revives,
        keeps=keeps,
        disk=outfit.disk,
        died=outfit.died,
    )
    return props.stage(world, faults, line)


def _props(
    setting: Setting, library: FileLibrary, seed: int, belongings: Belongings
) -> tuple[Props, socket.socket | None]:
    """Return the props, and where the bank listens that a register connects to."""
    bound, address = bound_socket() if setting.scheme == "pkh" else (None, None)
    shelf = library.with_bank(address) if address else library
    try:
        return Props(setting, shelf, seed=seed, traced=True, belongings=belongings), bound
    except SetupError:
        if bound is not None:
            bound.close()
        raise


def _watch(overheard: Overheard, begins: Callable[[], None]) -> Watch:
    """Return who listens to the line; ``begins`` is called when a register asks for something new."""

    def watch(name: str, data: bytes, *, to_register: bool) -> None:
        before = len(overheard.requests)
        overheard.see(name, data, to_register=to_register)
        if len(overheard.requests) > before:
            begins()

    return watch


class _Door:
    """Opens the port of a pinpad, with a line that errs; a TCP port of the system's choice stays the same."""

    def __init__(
        self,
        url: str,
        link: Path | None,
        line: LineFaults,
        overheard: Overheard,
        ready: Callable[[str], None],
    ) -> None:
        self._url, self._link, self._line = url, link, line
        self._overheard, self._ready = overheard, ready

    def port(self) -> Port:
        """Return the port, not yet open. Raises PortError."""
        return FaultyPort(open_port(self._url, default_link=self._link), self._line, self._overheard)

    def ready(self, name: str) -> None:
        """It is open, under this name."""
        if self._url.startswith("tcp:"):
            self._url = f"{self._url.rpartition(':')[0]}:{name.rpartition(':')[2]}"
        self._ready(name)


def _bank(
    props: Props,
    faults: BankFaults,
    setting: Setting,
    clock: Clock,
    bound: socket.socket | None,
    told: Callable[[Exchange], None],
) -> FaultyBank | BankBehindRegister:
    """Return the bank in this process, or, on a socket, the one that a register connects to."""

    def connect() -> BankSession:
        return props.connect(faults, told)

    def today() -> datetime:
        return calendar(setting.date, clock.now())

    if bound is None:
        return FaultyBank(connect, faults.fate, today, delay=setting.bank.delay)
    return BankBehindRegister(
        bound,
        connect,
        props.bank_profile.wire.framing,
        fate=faults.fate,
        reachable=faults.reachable,
        today=today,
        delay=setting.bank.delay,
    )
