"""One exchange of a register with a pinpad: the request, the waits, the answer. Sans-I/O.

Timers and counters are those of PROTOCOL.md, section 3; `Habits` are the ways in which registers of the field
differ, for tests and scenarios.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from smartsale_emu.sa.codes import CommandMode, CommandResult, OperationCode
from smartsale_emu.sa.events import (
    Delivered,
    GaveUp,
    LinkEvent,
    LinkTiming,
    Noted,
    PeerEot,
    Received,
    Refused,
    Started,
    Transmit,
)
from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.framing import Control
from smartsale_emu.sa.link import Link
from smartsale_emu.sa.tlv import Message
from smartsale_emu.units import Millis, later

REGISTER_LINK: Final = LinkTiming(ack_timeout=Millis(5000))
"""A register waits 5 s for an ACK and sends three times."""

PACKET: Final = Millis(45_000)
TOTAL: Final = Millis(180_000)
AT_ONCE: Final = Millis(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterTiming:
    """``packet``: the longest silence of the pinpad; ``total``: the longest exchange. Milliseconds."""

    link: LinkTiming = REGISTER_LINK
    packet: Millis = PACKET
    total: Millis = TOTAL


class FinalHabit(StrEnum):
    """What a register says to the final answer."""

    ACK = "ack"
    ACK_EOT = "ack+eot"
    EOT = "eot"
    NONE = "none"  # the answer is lost on the way


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a register differs from a tidy one. ``ack_delay``: before every ACK, in milliseconds."""

    final: FinalHabit = FinalHabit.ACK
    ack_delay: Millis = AT_ONCE
    byte_by_byte: bool = False


class Because(StrEnum):
    """Why there is no answer."""

    NOT_ACKED = "the pinpad did not acknowledge the request"
    PINPAD_ENDED = "the pinpad ended the session"
    SILENT = "the pinpad fell silent"
    TOO_LONG = "the operation took too long"
    DAMAGED = "what the pinpad sent was damaged three times in a row"
    CANCELLED = "the register cancelled the operation"
    LINE_LOST = "the line to the pinpad broke"
    ANSWER_LOST = "the answer was lost on the way"


@dataclass(frozen=True, slots=True)
class Answered:
    """The pinpad's final answer; whether it is a success is in field 39."""

    message: Message


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The exchange ended without an answer. ``detail`` is for a log."""

    because: Because
    detail: str = ""


Outcome = Answered | NoAnswer


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes now, in one go."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Waited:
    """The pinpad asks for patience: a wait frame, the ``count``-th."""

    count: int


@dataclass(frozen=True, slots=True)
class Remarked:
    """Something on the line that a log may want."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The exchange is over; nothing follows."""

    outcome: Outcome


RegisterEffect = Send | Waited | Remarked | Ended


class RegisterSession:
    """One request and what comes of it.

    Call `start`, then `receive` and `tick` (at `next_deadline`), and carry out what they return, in order,
    until ``Ended``. Afterwards ``outcome`` holds it and every door returns nothing.
    """

    def __init__(
        self, request: Message, *, timing: RegisterTiming | None = None, habits: Habits | None = None
    ) -> None:
        self.request = request
        self.outcome: Outcome | None = None
        self.waits = 0
        self._timing = timing or RegisterTiming()
        self._habits = habits or Habits()
        self._link = Link(self._timing.link)
        self._later: deque[tuple[Millis, RegisterEffect]] = deque()  # effects that a slow register delays
        self._ending = False
        self._silent_at = self._total_at = Millis(0)

    def start(self, now: Millis) -> list[RegisterEffect]:
        """Send the request."""
        self._silent_at = later(now, self._timing.packet)
        self._total_at = later(now, self._timing.total)
        return self._follow(self._link.send(self.request, now, "request"), now)

    def receive(self, data: bytes, now: Millis) -> list[RegisterEffect]:
        """Take bytes of the pinpad, cut anywhere."""
        if self._ending:
            return []
        return self._follow(self._link.receive(data, now), now)

    def tick(self, now: Millis) -> list[RegisterEffect]:
        """Do what is due."""
        if self._ending:
            return self._due(now)
        if now >= self._total_at:
            return self._stop(Because.TOO_LONG, now)
        effects = self._follow(self._link.tick(now), now)
        if now >= self._silent_at and not self._ending:
            self._end(NoAnswer(Because.SILENT), now)
            effects += self._due(now)
        return effects

    def cancel(self, now: Millis) -> list[RegisterEffect]:
        """Give the operation up at the cashier's wish: EOT (section 3)."""
        return [] if self._ending else self._stop(Because.CANCELLED, now)

    def lose_line(self, now: Millis, detail: str = "") -> list[RegisterEffect]:
        """End because the line is gone."""
        if self._ending:
            return self._due(Millis(max(now, self._later[-1][0]))) if self._later else []
        self._end(NoAnswer(Because.LINE_LOST, detail), now)
        return self._due(now)

    def next_deadline(self) -> Millis | None:
        """When `tick` has to be called next; None once the exchange is over."""
        deadlines = [self._later[0][0]] if self._later else []
        if not self._ending:
            deadlines += [self._silent_at, self._total_at]
            if (of_link := self._link.next_deadline()) is not None:
                deadlines.append(of_link)
        return min(deadlines, default=None)

    # ------------------------------------------------------------------ what the link says

    def _follow(self, events: list[LinkEvent], now: Millis) -> list[RegisterEffect]:
        for place, event in enumerate(events):
            if self._ending:
                break
            if isinstance(event, Transmit):
                following = events[place + 1] if place + 1 < len(events) else None
                self._transmit(event.data, following, now)
            else:
                self._take(event, now)
        return self._due(now)

    def _transmit(self, data: bytes, following: LinkEvent | None, now: Millis) -> None:
        is_ack = data == Control.ACK.wire
        when = later(now, self._habits.ack_delay) if is_ack else now
        if is_ack and isinstance(following, Received) and is_final(following.message):
            match self._habits.final:
                case FinalHabit.NONE:
                    return
                case FinalHabit.EOT:
                    data = Control.EOT.wire
                case FinalHabit.ACK_EOT:
                    data += Control.EOT.wire
                case FinalHabit.ACK:
                    pass
        pieces = [data[i : i + 1] for i in range(len(data))] if self._habits.byte_by_byte else [data]
        for piece in pieces:
            self._put(Send(piece), when)

    def _take(self, event: LinkEvent, now: Millis) -> None:
        match event:
            case Received(message):
                self._silent_at = later(now, self._timing.packet)
                self._take_message(message, now)
            case Delivered():
                self._silent_at = later(now, self._timing.packet)
            case Refused() | PeerEot():
                self._end(NoAnswer(Because.PINPAD_ENDED), now)
            case GaveUp(token, because):
                reason = Because.DAMAGED if token is None else Because.NOT_ACKED
                self._end(NoAnswer(reason, because), now)
            case Noted(kind, detail):
                self._put(Remarked(f"{kind.value}: {detail}"), now)
            case Started() | Transmit():
                pass

    def _take_message(self, message: Message, now: Millis) -> None:
        if is_final(message):
            lost = self._habits.final is FinalHabit.NONE
            self._end(NoAnswer(Because.ANSWER_LOST) if lost else Answered(message), now)
        elif message.text(Tag.OPERATION_CODE) == str(int(OperationCode.WAIT)):
            self.waits += 1
            self._put(Waited(self.waits), now)
        else:
            reply = self._link.send(decline(message), now, "reply")
            for event in reply:
                if isinstance(event, Transmit):
                    self._transmit(event.data, None, now)

    # ------------------------------------------------------------------ the end, and effects that wait

    def _stop(self, because: Because, now: Millis) -> list[RegisterEffect]:
        self._put(Send(Control.EOT.wire), now)
        self._end(NoAnswer(because), now)
        return self._due(now)

    def _end(self, outcome: Outcome, now: Millis) -> None:
        self._ending = True
        self._put(Ended(outcome), now)

    def _put(self, effect: RegisterEffect, when: Millis) -> None:
        """Line an effect up behind those that wait already."""
        earliest = self._later[-1][0] if self._later else when
        self._later.append((Millis(max(when, earliest)), effect))

    def _due(self, now: Millis) -> list[RegisterEffect]:
        effects = []
        while self._later and self._later[0][0] <= now:
            _, effect = self._later.popleft()
            if isinstance(effect, Ended):
                self.outcome = effect.outcome
            effects.append(effect)
        return effects


_ON_THE_WAY = {str(int(code)) for code in (OperationCode.WAIT, OperationCode.CASHIER_QUESTION)}
_TUNNEL = {
    str(int(mode)) for mode in (CommandMode.HOST_CONNECTION, CommandMode.HOST_DATA, CommandMode.HOST_TLS_KEYS)
}


def is_final(message: Message) -> bool:
    """Tell whether this ends the exchange: neither a wait, nor a question, nor a use of our channel (5.1).

    >>> is_final(Message.of({25: 21})), is_final(Message.of({25: 63, 65: 16})), is_final(Message.of({25: 1}))
    (False, False, True)
    """
    code = message.text(Tag.OPERATION_CODE)
    if code == str(int(OperationCode.USER_COMMAND)):
        return message.text(Tag.COMMAND_MODE2) not in _TUNNEL
    return code not in _ON_THE_WAY


def decline(message: Message) -> Message:
    """Return the reply to what this register has not got: an operator window or a channel to the bank.

    >>> [(record.tag, record.value) for record in decline(Message.of({25: 52, 76: "?"})).records]
    [(25, b'52'), (67, b'3')]
    """
    mode = message.text(Tag.COMMAND_MODE2)
    result = CommandResult.NO_OPERATOR_WINDOW if mode is None else CommandResult.ERROR
    return Message.of(
        {
            Tag.OPERATION_CODE: message.text(Tag.OPERATION_CODE),
            Tag.COMMAND_MODE2: mode,
            Tag.COMMAND_RESULT: result,
        }
    )
