"""A pinpad, its bank, its customer and a register on virtual time: a minute of timeouts in a millisecond.

``World`` is the loop of the real driver with a clock that jumps. It never sleeps, draws nothing at random and
can lose, delay or cut anything: the line, the bank, the power.
"""

import heapq
from collections import deque
from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import partial
from itertools import count
from typing import Protocol, TypeVar, assert_never

from smartsale_emu.emulator.doors import (
    CallHost,
    Effect,
    Event,
    FlushLine,
    HostBytes,
    LineClosed,
    LineOpened,
    Trace,
    WriteLine,
    at_reader,
    hand_event,
)
from smartsale_emu.emulator.emulator import Emulator
from smartsale_emu.host.session import BankSession
from smartsale_emu.payment.cardholder import Action, Cardholder, Prompt
from smartsale_emu.payment.chip_shelf import ChipShelf
from smartsale_emu.scenario.commands import BLINK
from smartsale_emu.scenario.connection import Connection
from smartsale_emu.terminal.effects import (
    Display,
    EnterPin,
    HandsOff,
    HangUp,
    Print,
    ReadCard,
    Remember,
    SelectAgain,
)
from smartsale_emu.terminal.events import BankAsked, BankFailed, BankUnreachable, PoweredOn
from smartsale_emu.terminal.memory import dump_change, dump_memory
from smartsale_emu.units import Millis, calendar

Result = TypeVar("Result")

BANK_DELAY, LINE_DELAY = Millis(300), Millis(1)
TOO_LATE = Millis(40_000)
AT_ONCE = Millis(0)
NONSENSE = b"\x00\x04????"
MOST_AT_ONCE = 100_000


class Till(Protocol):
    """The register's end of the line."""

    def receive(self, data: bytes, now: Millis) -> list[bytes]:
        """Take bytes of the pinpad; returns what to write, each in one go."""

    def tick(self, now: Millis) -> list[bytes]:
        """Let time pass; returns what to write."""

    def next_deadline(self) -> Millis | None:
        """When ``tick`` has something to do."""


Pieces = Sequence[tuple[Millis, bytes]]
"""Bytes, and how much later than usual they arrive; in order."""


class Wire(Protocol):
    """What the line does to a piece that is written to it."""

    def __call__(self, data: bytes, *, to_register: bool) -> bytes | Pieces:
        """Return what arrives; empty for nothing."""


def _unharmed(data: bytes, *, to_register: bool) -> bytes:  # noqa: ARG001
    return data


class Delivery(Enum):
    """What happens to a message on its way to the bank and back."""

    FINE = auto()
    UNREACHABLE = auto()  # not one byte leaves
    HANGS = auto()  # to connect neither succeeds nor fails; a register that hangs there gives up at once
    LOST_THERE = auto()  # the first byte leaves, nothing arrives
    LOST_BACK = auto()  # the bank acts, its answer is lost
    LATE = auto()  # the answer comes when nobody waits any more
    GARBAGE = auto()  # the answer is nonsense
    CLOSED = auto()  # the bank acts and the connection closes without an answer
    OVERTAKEN = auto()  # the message reaches the bank when nobody waits any more, its reversal before it


NO_BYTE_LEAVES = (Delivery.UNREACHABLE, Delivery.HANGS)


def _untouched(data: bytes) -> bytes:
    return data


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one message for the bank.

    ``late``: so much longer than usual, for LATE and OVERTAKEN than the bank's own time; ``spoil``: what
    becomes of the answer; ``copies``: how often it comes.
    """

    delivery: Delivery = Delivery.FINE
    late: Millis = AT_ONCE
    spoil: Callable[[bytes], bytes] = _untouched
    copies: int = 1


class PowerCutError(Exception):
    """The power failed before an effect was carried out."""


class World:
    """Everything around one pinpad. ``on_wire`` may change or drop what passes the line."""

    def __init__(
        self,
        boot: Callable[[str | None], Emulator],
        bank: Callable[[], BankSession],
        *,
        cardholder: Cardholder,
        epoch: datetime,
        shelf: ChipShelf | None = None,
        bank_delay: Millis = BANK_DELAY,
        line_delay: Millis = LINE_DELAY,
    ) -> None:
        self._boot, self._open_bank = boot, bank
        self._epoch, self._shelf = epoch, shelf
        self._bank_delay, self._line_delay = bank_delay, line_delay
        self._heap: list[tuple[Millis, int, Callable[[], None]]] = []
        self._order = count()
        self._hands = 0
        self._leaving: set[tuple[int, int]] = set()  # calls that were not hung up, with the life they are of
        self._life = 0
        self.cardholder = cardholder
        self.now = Millis(0)
        self.screen = ""
        self._disk: list[str] = []
        self.printed: list[str] = []
        self.unread = bytearray()
        self.till: Till | None = None
        self.traces: MutableSequence[tuple[Millis, Trace]] = []
        self.screens: list[str] = []
        self.effects_done = 0
        self.cut_before_effect: int | None = None
        self.cut_before: Callable[[Effect], bool] | None = None
        self.off = self.tells_all = False
        self.disk_full = False
        self.away = BLINK
        self.asked: Prompt | None = None
        self.delivery: Callable[[int], Delivery] = lambda _: Delivery.FINE
        self.on_wire: Wire = _unharmed
        self.fate: Callable[[bytes], Fate] | None = None  # instead of ``delivery``, by what is sent
        self.reachable: Callable[[], bool] | None = None  # the same for who only connects
        self.bank_messages = 0
        self.emulator = boot(None)
        self._do(self.emulator.handle(PoweredOn(), self.now))

    @property
    def saved(self) -> str | None:
        """The text of the memory's file, None as long as nothing was written."""
        return "".join(self._disk) if self._disk else None

    # --- the power ---------------------------------------------------------------------------------------

    def power_off(self) -> None:
        """The pinpad is dead, and what was on its way to it is gone."""
        self._life += 1
        self.off, self.asked, self.screen = True, None, ""
        self.cut_before_effect = self.cut_before = None

    def power_on(self) -> None:
        """Start the pinpad again on what it had saved. What was on its way to the pinpad is gone."""
        self.power_off()
        self.off = False
        self.emulator = self._boot(self.saved)
        self._do(self.emulator.handle(PoweredOn(), self.now))

    # --- the line ----------------------------------------------------------------------------------------

    def plug(self, till: Till | None, *, tell: bool = True) -> None:
        """A register opens the line (None: closes it), and reads what lies there.

        ``tell`` False: the port cannot see that; the register reads nothing before it has written.
        """
        self.till = till
        if tell and not self.off:
            event = LineOpened() if till else LineClosed("the register closed the line")
            self._do(self.emulator.handle(event, self.now))
            self._register_reads()
        if till is not None:
            self.write_all(till.tick(self.now))

    def write(self, data: bytes) -> None:
        """The register writes; the pinpad reads it a moment later."""
        for late, passed in _pieces(self.on_wire(data, to_register=False)):
            self._later(self._line_delay + late, partial(self._pinpad_reads, passed))

    def _pinpad_reads(self, data: bytes) -> None:
        if not self.off:
            self._do(self.emulator.receive(data, self.now))

    def write_all(self, chunks: list[bytes]) -> None:
        """The register writes several times."""
        for chunk in chunks:
            self.write(chunk)

    def _to_register(self, data: bytes) -> None:
        for late, passed in _pieces(self.on_wire(data, to_register=True)):
            if late:
                self._later(late, partial(self._arrives, passed), outlives_power=True)
            else:
                self._arrives(passed)

    def _arrives(self, data: bytes) -> None:
        self.unread += data
        self._later(self._line_delay, self._register_reads, outlives_power=True)

    def _register_reads(self) -> None:
        if self.till is None or not self.unread:
            return
        data = bytes(self.unread)
        self.unread.clear()
        self.write_all(self.till.receive(data, self.now))

    # --- time --------------------------------------------------------------------------------------------

    def _later(self, delay: int, action: Callable[[], None], *, outlives_power: bool = False) -> None:
        life = self._life

        def act() -> None:
            if outlives_power or life == self._life:
                action()

        heapq.heappush(self._heap, (Millis(self.now + delay), next(self._order), act))

    def _next_moment(self) -> Millis | None:
        moments = [None if self.off else self.emulator.next_deadline()]
        moments.append(self._heap[0][0] if self._heap else None)
        moments.append(self.till.next_deadline() if self.till else None)
        return min((moment for moment in moments if moment is not None), default=None)

    def step(self) -> bool:
        """Jump to the next moment at which something happens; False when nothing ever will."""
        moment = self._next_moment()
        if moment is None:
            return False
        self.now = max(self.now, moment)
        for _ in range(MOST_AT_ONCE):
            if not self._heap or self._heap[0][0] > self.now:
                break
            heapq.heappop(self._heap)[2]()
        else:
            raise AssertionError(f"time stands still at {self.now} ms: each act brings the next one at once")
        deadline = None if self.off else self.emulator.next_deadline()
        if deadline is not None and deadline <= self.now:
            self._do(self.emulator.tick(self.now))
        if self.till is not None:
            deadline = self.till.next_deadline()
            if deadline is not None and deadline <= self.now:
                self.write_all(self.till.tick(self.now))
        return True

    def run(self, until: Callable[[], bool], *, within: int = 600_000) -> bool:
        """Step until a condition holds; False when ``within`` milliseconds pass or nothing is left to do."""
        limit = self.now + within
        while not until():
            moment = self._next_moment()
            if moment is None or moment > limit:
                return False
            self.step()
        return True

    def rest(self, millis: int) -> None:
        """Let so many milliseconds pass."""
        limit = Millis(self.now + millis)
        self.run(lambda: False, within=millis)
        self.now = limit

    # --- effects -----------------------------------------------------------------------------------------

    def _tell_if_traced(self, kind: str, text: str) -> None:
        if self.tells_all:
            self.tell_trace(Trace(kind, text))

    def tell_trace(self, trace: Trace) -> None:
        """Keep a trace that somebody else makes, in its place."""
        self.traces.append((self.now, trace))

    def at_once(self, act: Callable[[], Result]) -> Result:
        """See `Place.at_once`."""
        return act()

    def tell(self, event: Event) -> None:
        """Something happens to the pinpad now."""
        self._do(self.emulator.handle(at_reader(event, self._shelf), self.now))

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            if self.cut_before_effect is not None and self.effects_done >= self.cut_before_effect:
                raise PowerCutError
            if self.cut_before is not None and self.cut_before(effect):
                raise PowerCutError
            self.effects_done += 1
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case WriteLine(data):
                self._to_register(data)
            case FlushLine():
                self.unread.clear()
            case Remember() | SelectAgain():
                self._keep(effect)
            case Print(text):
                self.printed.append(text)
                self._tell_if_traced("print", f"a slip of {len(text.splitlines())} lines")
            case CallHost():
                self._call(effect)
            case Display(text):
                self.screen = text
                self.screens.append(text)
                self._tell_if_traced("screen", text)
            case ReadCard(_, refused):
                self._act(self.cardholder.on_card_prompt(refused), Prompt.CARD)
            case EnterPin(attempt):
                self._act(self.cardholder.on_pin_prompt(attempt), Prompt.PIN)
            case HandsOff():
                self._hands += 1
                self.asked = None
            case HangUp(call):
                self._leaving.discard((self._life, call))
            case Trace():
                self.traces.append((self.now, effect))
            case _:
                assert_never(effect)

    def _keep(self, effect: Remember | SelectAgain) -> None:
        if self.disk_full:
            raise PowerCutError
        if isinstance(effect, SelectAgain):
            if self._shelf is not None:
                self._shelf.selected_again(effect.card)
        elif effect.anew:
            self._disk = [dump_memory(effect.memory)]
        else:
            self._disk.append(dump_change(effect.memory, effect.entries))

    def _act(self, action: Action | None, asked: Prompt) -> None:
        self._hands += 1
        self.asked = asked
        if action is None:
            return
        turn = self._hands

        def act() -> None:
            if turn == self._hands:
                self.tell(hand_event(action, self.cardholder.card))

        self._later(action.after, act)

    # --- the bank ----------------------------------------------------------------------------------------

    def _fate(self, payload: bytes) -> Fate:
        number, self.bank_messages = self.bank_messages, self.bank_messages + 1
        return self.fate(payload) if self.fate is not None else _fate_of(self.delivery(number))

    def _call(self, effect: CallHost) -> None:
        fate = self._fate(effect.payload)
        if fate.delivery is Delivery.HANGS:
            return
        if fate.delivery is Delivery.UNREACHABLE:
            self._later(
                self._line_delay,
                lambda: self.tell(BankUnreachable(effect.call, "the bank cannot be reached")),
            )
            return
        life = self._life
        self._leaving.add((life, effect.call))
        self._later(self._line_delay, lambda: self._leaves(effect, fate, life), outlives_power=True)

    def _leaves(self, effect: CallHost, fate: Fate, life: int) -> None:
        """The bytes leave, even while the power fails; not after a hang-up."""
        if (life, effect.call) not in self._leaving:
            return
        if life == self._life:
            self.tell(BankAsked(effect.call))
        if fate.delivery is Delivery.LOST_THERE:
            return
        if fate.delivery is Delivery.OVERTAKEN:
            session = self._open_bank()
            self._later(fate.late, lambda: self._arrives_late(session, effect.payload), outlives_power=True)
            return
        reply = self._bank_acts(self._open_bank(), effect.payload)
        if life == self._life:
            self._reply(effect.call, reply, fate)

    def _arrives_late(self, session: BankSession, data: bytes) -> None:
        self._bank_acts(session, data)

    def _bank_acts(self, session: BankSession, data: bytes) -> bytes:
        reply, _ = session.receive(data, calendar(self._epoch, self.now))
        return reply

    def _reply(self, call: int, reply: bytes, fate: Fate) -> None:
        delay = self._bank_delay + fate.late
        match fate.delivery:
            case Delivery.FINE | Delivery.LATE:
                for _ in range(fate.copies):
                    self._later(delay, lambda: self.tell(HostBytes(call, fate.spoil(reply))))
            case Delivery.GARBAGE:
                self._later(delay, lambda: self.tell(HostBytes(call, NONSENSE)))
            case Delivery.CLOSED:
                self._later(delay, lambda: self.tell(BankFailed(call, "the bank closed the connection")))
            case Delivery.LOST_BACK | Delivery.LOST_THERE | Delivery.OVERTAKEN:
                pass
            case Delivery.UNREACHABLE | Delivery.HANGS:
                pass
            case _:
                assert_never(fate.delivery)

    # --- the bank behind the register (ПКХ) ----------------------------------------------------------------

    def connect(self) -> Connection | None:
        """A register connects to the bank; None when that cannot be reached."""
        if self.reachable is not None:
            down = not self.reachable()
        else:
            down = self.delivery(self.bank_messages) in NO_BYTE_LEAVES
        if down:
            self.bank_messages += 1
            return None
        session, coming = self._open_bank(), deque[tuple[Millis, bytes | None]]()
        return Connection(lambda data: self._carry(session, data, coming), coming)

    def _carry(self, session: BankSession, data: bytes, coming: deque[tuple[Millis, bytes | None]]) -> bool:
        """Bytes of a register on their way to the bank, which no power cut of the pinpad stops."""
        fate = self._fate(data)
        if fate.delivery is Delivery.OVERTAKEN:
            self._later(fate.late, lambda: self._arrives_late(session, data), outlives_power=True)
        if fate.delivery is Delivery.UNREACHABLE or fate.delivery is Delivery.HANGS:
            return False
        if fate.delivery in (Delivery.LOST_THERE, Delivery.OVERTAKEN):
            return True
        reply = self._bank_acts(session, data)
        moment = Millis(self.now + self._bank_delay + fate.late)
        match fate.delivery:
            case Delivery.FINE | Delivery.LATE:
                coming += [(moment, fate.spoil(reply))] * (fate.copies if reply else 0)
                if session.closed:
                    coming.append((moment, None))
            case Delivery.GARBAGE:
                coming.append((moment, NONSENSE))
            case Delivery.CLOSED:
                coming.append((moment, None))
            case Delivery.LOST_BACK:
                pass
            case _:
                assert_never(fate.delivery)
        return True


def _fate_of(delivery: Delivery) -> Fate:
    return Fate(delivery, TOO_LATE if delivery in (Delivery.LATE, Delivery.OVERTAKEN) else Millis(0))


def _pieces(passed: bytes | Pieces) -> Pieces:
    if isinstance(passed, bytes | bytearray):
        return [(Millis(0), bytes(passed))] if passed else []
    return passed
