"""The faults that somebody has set on a pinpad, by name: what is armed, what has happened."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from smartsale_emu.control.fault_words import read_fault, tidy
from smartsale_emu.scenario.commands import (
    BankApprovesPart,
    BankDeclines,
    BankDoes,
    BankFault,
    BankRecovers,
    Command,
    CutPower,
    FillDisk,
    LineDoes,
    LineRecovers,
    LineSlow,
    LoadPaper,
)
from smartsale_emu.scenario.meter import always
from smartsale_emu.units import Millis

_Met = BankDoes | BankDeclines | BankApprovesPart | LineDoes
"""Faults that wait for a message or a unit."""

_ONE_CUT = "the power is to be cut already: one such fault at a time"


class ConflictError(Exception):
    """Something cannot be done now, or not in this way; the text is one clear line."""


@dataclass(slots=True)
class Fault:
    """One fault. ``stands``: whether it may still happen; ``times``: how often it has; None: not counted."""

    name: str
    phrase: str
    command: Command
    stands: Callable[[], bool] = lambda: False
    seen: int = 0
    withdrawn: bool = field(default=False)

    @property
    def verb(self) -> str:
        """The first word of what was said."""
        return self.phrase.partition(":")[0]

    @property
    def armed(self) -> bool:
        """Whether it lasts, or may still happen."""
        return not self.withdrawn and self.stands()

    @property
    def times(self) -> int | None:
        """How often it has happened."""
        if not isinstance(self.command, _Met):
            return None
        which = _which(self.command)
        if which > 0:
            return int(self.seen >= which)
        return self.seen if which == 0 else self.seen // -which

    def allows(self) -> bool:
        """Tell a meter whether it may happen, and count (see `scenario.meter.Meter`)."""
        if self.withdrawn:
            return False
        self.seen += 1
        return True


class Faulty(Protocol):
    """A pinpad as far as faults are done to it. ``paper``: its printer has some."""

    @property
    def paper(self) -> bool:
        """Whether its printer has paper."""

    @property
    def disk_full(self) -> bool:
        """Whether its memory takes nothing more."""

    def now(self) -> Millis:
        """Return the moment."""

    def do(self, command: Command, allows: Callable[[], bool] = always) -> None:
        """Do what a command says, now. Raises ValueError when it cannot be done."""

    def cut(self, away: Millis) -> None:
        """Cut the power for so long."""

    def cut_at(self, cut: CutPower) -> Callable[[], bool]:
        """Cut the power once the pinpad gets there; returns what tells whether that is still to come."""

    def mend_power(self) -> None:
        """Cut no power any more."""


class FaultBook:
    """Faults by name, in the order in which they were set. Its methods are for any thread.

    ``lock``: whoever changes anything at the pinpad holds it.
    """

    def __init__(self, pinpad: Faulty, lock: AbstractContextManager[object]) -> None:
        self._pinpad = pinpad
        self._faults: dict[str, Fault] = {}
        self._numbers = count(1)
        self._eras = {"bank": 0, "line": 0}
        self._slow = 0
        self._lock = lock

    def faults(self) -> list[Fault]:
        """Return all that were set and not taken back."""
        return list(self._faults.values())

    def get(self, name: str) -> Fault | None:
        """Return a fault by its name."""
        return self._faults.get(name)

    def put(self, name: str, phrase: str) -> Fault:
        """Let a fault of this name be armed: the same one that is armed already is left as it is.

        Raises:
            ValueError: the phrase is not understood, happens once, or cannot happen here.
        """
        fault = _lasting(name, phrase)
        with self._lock:
            self._refuse_second_cut(fault)
            self._set([fault])
            return self._faults[name]

    def put_all(self, phrases: Mapping[str, str]) -> None:
        """Let these faults be armed and no others; where one of them cannot be, nothing changes.

        Raises:
            ValueError: as `put`.
        """
        wanted = [_lasting(name, phrase) for name, phrase in phrases.items()]
        if sum(isinstance(one.command, CutPower) for one in wanted) > 1:
            raise ValueError(_ONE_CUT)
        with self._lock:
            self._set(wanted, gone=[one.name for one in self.faults() if one.name not in phrases])

    def _set(self, wanted: Sequence[Fault], *, gone: Sequence[str] = ()) -> None:
        """Arm these and take those back; where one of them cannot be armed, nothing changes."""
        fresh = [one for one in wanted if not self._is_armed(one)]
        may_fail = [one for one in fresh if isinstance(one.command, _Met)]
        try:
            for one in may_fail:
                self._arm(one)
        except ValueError:
            for one in may_fail:
                one.withdrawn = True
            raise
        for name in (*gone, *(one.name for one in fresh)):
            self.drop(name)
        for one in fresh:
            if not isinstance(one.command, _Met):
                self._arm(one)
            self._faults[one.name] = one

    def _is_armed(self, wanted: Fault) -> bool:
        known = self._faults.get(wanted.name)
        return known is not None and known.phrase == wanted.phrase and known.armed

    def do(self, phrase: str) -> Fault | None:
        """Do it now; what lasts, or waits for its moment, is armed under a new name and returned.

        Raises:
            ValueError: it is not understood.
        """
        text = tidy(phrase)
        command = read_fault(text)
        with self._lock:
            if _lasts(command):
                return self.put(next(name for name in self._names() if name not in self._faults), text)
            if isinstance(command, CutPower):
                self._pinpad.cut(command.away)
                return None
            self._pinpad.do(command)
            if isinstance(command, BankRecovers | LineRecovers):
                self._forget("bank" if isinstance(command, BankRecovers) else "line")
        return None

    def drop(self, name: str) -> None:
        """Take a fault back; of a name that there is not nothing is done."""
        with self._lock:
            fault = self._faults.pop(name, None)
            if fault is None or not fault.armed:
                return
            fault.withdrawn = True
            match fault.command:
                case LineSlow():
                    self._pinpad.do(LineSlow(0))
                case LoadPaper():
                    self._pinpad.do(LoadPaper(loaded=True))
                case FillDisk():
                    self._pinpad.do(FillDisk(full=False))
                case CutPower():
                    self._pinpad.mend_power()
                case _:
                    pass

    def clear(self) -> None:
        """Nothing goes wrong any more, whoever has let it; the paper is loaded, and the memory takes more."""
        with self._lock:
            for name in list(self._faults):
                self.drop(name)
            self._pinpad.do(BankRecovers())
            self._pinpad.do(LineRecovers())
            self._forget("bank")
            self._forget("line")
            self._pinpad.mend_power()
            self._pinpad.do(FillDisk(full=False))
            if not self._pinpad.paper:
                self._pinpad.do(LoadPaper(loaded=True))

    def _names(self) -> "map[str]":
        return map("fault-{}".format, self._numbers)

    def _forget(self, verb: str) -> None:
        self._eras[verb] += 1
        for name in [one.name for one in self.faults() if one.verb == verb]:
            del self._faults[name]

    def _refuse_second_cut(self, fault: Fault) -> None:
        cuts = (one for one in self.faults() if isinstance(one.command, CutPower) and one.armed)
        if isinstance(fault.command, CutPower) and any(one.name != fault.name for one in cuts):
            raise ValueError(_ONE_CUT)

    def _arm(self, fault: Fault) -> None:
        command = fault.command
        match command:
            case BankDoes() | BankDeclines() | BankApprovesPart() | LineDoes():
                self._pinpad.do(command, fault.allows)
                fault.stands = self._waits(fault)
            case LineSlow(baud):
                self._pinpad.do(command)
                self._slow = number = self._slow + 1
                fault.stands = lambda: self._slow == number and baud > 0
            case LoadPaper():
                self._pinpad.do(command)
                fault.stands = lambda: not self._pinpad.paper
            case FillDisk():
                self._pinpad.do(command)
                fault.stands = lambda: self._pinpad.disk_full
            case CutPower():
                fault.stands = self._pinpad.cut_at(command)
            case _:
                raise AssertionError(fault.phrase)

    def _waits(self, fault: Fault) -> Callable[[], bool]:
        command = fault.command
        assert isinstance(command, _Met)
        era, which = self._eras[fault.verb], _which(command)
        until = None
        if isinstance(command, BankDoes) and command.fault is BankFault.UNREACHABLE and command.time:
            until = self._pinpad.now() + command.time

        def stands() -> bool:
            spent = 0 < which <= fault.seen
            late = until is not None and self._pinpad.now() >= until
            return not spent and not late and self._eras[fault.verb] == era

        return stands


def _lasts(command: Command) -> bool:
    """Tell whether a command stays, or waits for its moment; others happen once, at once."""
    match command:
        case BankDoes() | BankDeclines() | BankApprovesPart() | LineDoes():
            return True
        case LineSlow(baud):
            return baud > 0
        case LoadPaper(loaded):
            return not loaded
        case FillDisk(full):
            return full
        case CutPower(state=state, effect=effect):
            return bool(state or effect)
        case _:
            return False


def _which(command: _Met) -> int:
    match command:
        case LineDoes():
            return command.which
        case BankApprovesPart():
            return 1
        case _:
            return command.aim.which


def _lasting(name: str, phrase: str) -> Fault:
    """Return a fault that is not armed yet. Raises ValueError when it is none, or happens once."""
    text = tidy(phrase)
    fault = Fault(name, text, read_fault(text))
    if not _lasts(fault.command):
        raise ValueError(f"{text!r} happens once, and has no name: POST it")
    return fault
