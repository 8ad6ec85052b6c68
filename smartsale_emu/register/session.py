"""One exchange of a register with a pinpad: the request, the waits, the answer. Sans-I/O.

Timers and counters are those of PROTOCOL.md, section 3. What the pinpad asks of the register meanwhile, its
channel to the bank and the cashier, is in ``errands``.
"""

from collections import deque

from smartsale_emu.register.effects import (
    Answered,
    AskCashier,
    Because,
    CloseHost,
    Ended,
    FetchHost,
    NoAnswer,
    OpenHost,
    Outcome,
    RegisterEffect,
    Remarked,
    Send,
    SendHost,
    Waited,
)
from smartsale_emu.register.errands import Errand, Errands, Reply, Vanish
from smartsale_emu.register.habits import FinalHabit, Habits, RegisterTiming, TunnelAct, TunnelHabit
from smartsale_emu.sa.codes import CommandMode, OperationCode
from smartsale_emu.sa.events import (
    Delivered,
    GaveUp,
    LinkEvent,
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

__all__ = [
    "Answered",
    "AskCashier",
    "Because",
    "CloseHost",
    "Ended",
    "FetchHost",
    "FinalHabit",
    "Habits",
    "NoAnswer",
    "OpenHost",
    "Outcome",
    "RegisterEffect",
    "RegisterSession",
    "RegisterTiming",
    "Remarked",
    "Send",
    "SendHost",
    "TunnelAct",
    "TunnelHabit",
    "Waited",
    "is_final",
]

_REPLY = "reply"


class RegisterSession:
    """One request and what comes of it.

    Call `start`, then `receive` and `tick` (at `next_deadline`), and carry out what they return, in order,
    until ``Ended``. Afterwards ``outcome`` holds it and every door returns nothing.

    ``channel``: this register lends the pinpad its way to the bank; whoever drives it carries out
    ``OpenHost``, ``SendHost``, ``FetchHost`` and ``CloseHost`` and tells what came of them. ``window``: there
    is a cashier to ask. A register without them says so to the pinpad by itself.
    """

    def __init__(
        self,
        request: Message,
        *,
        timing: RegisterTiming | None = None,
        habits: Habits | None = None,
        channel: bool = False,
        window: bool = False,
    ) -> None:
        self.request = request
        self.outcome: Outcome | None = None
        self.waits = 0
        self._timing = timing or RegisterTiming()
        self._habits = habits or Habits()
        self._link = Link(self._timing.link)
        self._errands = Errands(self._habits, channel=channel, window=window)
        self._reply: tuple[Millis, Message] | None = None  # when it leaves
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
        self._send_reply(now)
        if now >= self._silent_at and not self._our_turn and not self._ending:
            self._end(NoAnswer(Because.SILENT), now)
        return effects + self._due(now)

    def cancel(self, now: Millis) -> list[RegisterEffect]:
        """Give the operation up at the cashier's wish: EOT (section 3)."""
        return [] if self._ending else self._stop(Because.CANCELLED, now)

    def lose_line(self, now: Millis, detail: str = "") -> list[RegisterEffect]:
        """End because the line is gone."""
        if self._ending:
            return self._due(Millis(max(now, self._later[-1][0]))) if self._later else []
        self._end(NoAnswer(Because.LINE_LOST, detail), now)
        return self._due(self._later[-1][0])

    def next_deadline(self) -> Millis | None:
        """When `tick` has to be called next; None once the exchange is over."""
        deadlines = [self._later[0][0]] if self._later else []
        if not self._ending:
            deadlines.append(self._total_at)
            if self._reply:
                deadlines.append(self._reply[0])
            elif not self._our_turn:
                deadlines.append(self._silent_at)
            if (of_link := self._link.next_deadline()) is not None:
                deadlines.append(of_link)
        return min(deadlines, default=None)

    # ------------------------------------------------------------------ what came of the pinpad's errands

    def host_opened(self, ok: bool, now: Millis, because: str = "") -> list[RegisterEffect]:  # noqa: FBT001
        """The connection to the bank stands, or could not be made and ``because`` says why."""
        return self._run(self._errands.opened(ok=ok, because=because), now)

    def host_sent(self, ok: bool, now: Millis) -> list[RegisterEffect]:  # noqa: FBT001
        """The bytes are on their way to the bank, or the connection to it broke."""
        return self._run(self._errands.sent(ok=ok), now)

    def host_fetched(self, data: bytes | None, now: Millis) -> list[RegisterEffect]:
        """Bytes of the bank, any number; None: nothing has come yet."""
        return self._run(self._errands.fetched(data), now)

    def host_closed(self, now: Millis) -> list[RegisterEffect]:
        """The bank closed the connection; after it no more bytes come."""
        return self._run(self._errands.hung_up(), now)

    def cashier_said(self, text: str | None, now: Millis) -> list[RegisterEffect]:
        """The cashier's answer, empty for a plain OK; None: there is no window to ask him."""
        return self._run(self._errands.said(text), now)

    def cashier_refused(self, now: Millis) -> list[RegisterEffect]:
        """The cashier cancelled the question."""
        return self._run(self._errands.refused(), now)

    def _run(self, errands: list[Errand], now: Millis) -> list[RegisterEffect]:
        if not self._ending:
            self._apply(errands, now)
        return self._due(now)

    def _apply(self, errands: list[Errand], now: Millis) -> None:
        for errand in errands:
            match errand:
                case Reply(message, delay):
                    earliest = self._later[-1][0] if self._later else now  # behind an ACK that is late
                    self._reply = Millis(max(later(now, delay), earliest)), message
                    self._send_reply(now)
                case Vanish():
                    self._end(NoAnswer(Because.VANISHED), now)
                case effect:
                    self._put(effect, now)

    def _send_reply(self, now: Millis) -> None:
        """Send the reply to the pinpad if its time has come."""
        if self._reply is None or now < self._reply[0]:
            return
        message, self._reply = self._reply[1], None
        self._silent_at = later(now, self._timing.packet)
        self._errands.replied()
        self._dispatch(self._link.send(message, now, _REPLY), now)

    @property
    def _our_turn(self) -> bool:
        """The pinpad waits for us, so that its silence is no fault."""
        return self._errands.busy or self._reply is not None

    # ------------------------------------------------------------------ what the link says

    def _follow(self, events: list[LinkEvent], now: Millis) -> list[RegisterEffect]:
        self._dispatch(events, now)
        return self._due(now)

    def _dispatch(self, events: list[LinkEvent], now: Millis) -> None:
        for place, event in enumerate(events):
            if self._ending:
                break
            if isinstance(event, Transmit):
                following = events[place + 1] if place + 1 < len(events) else None
                self._transmit(event.data, following, now)
            else:
                self._take(event, now)

    def _transmit(self, data: bytes, following: LinkEvent | None, now: Millis) -> None:
        is_ack = data == Control.ACK.wire
        when = later(now, self._habits.ack_delay) if is_ack else now
        if is_ack and isinstance(following, Received) and self._errands.vanishes_at(following, now):
            return
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
            case Received():
                self._silent_at = later(now, self._timing.packet)
                self._take_message(event, now)
            case Delivered(token):
                self._silent_at = later(now, self._timing.packet)
                if token == _REPLY:
                    self._errands.heard()
            case Refused() | PeerEot():
                self._end(NoAnswer(Because.PINPAD_ENDED), now)
            case GaveUp(token, because):
                reason = Because.DAMAGED if token is None else Because.NOT_ACKED
                self._end(NoAnswer(reason, because), now)
            case Noted(kind, detail):
                self._put(Remarked(f"{kind.value}: {detail}"), now)
            case Started() | Transmit():
                pass

    def _take_message(self, received: Received, now: Millis) -> None:
        message = received.message
        if is_final(message):
            lost = self._habits.final is FinalHabit.NONE
            self._end(NoAnswer(Because.ANSWER_LOST) if lost else Answered(message), now)
        elif message.text(Tag.OPERATION_CODE) == str(int(OperationCode.WAIT)):
            self.waits += 1
            self._put(Waited(self.waits), now)
        elif self._errands.repeats(received, now):
            self._put(Remarked("the pinpad repeated its request: nothing is done twice"), now)
        else:
            self._supersede()
            self._apply(self._errands.take(received, now), now)

    def _supersede(self) -> None:
        """The pinpad asks anew, so it has our last reply, or no longer wants it."""
        self._reply = None
        if self._errands.unheard:
            self._link.abandon()

    # ------------------------------------------------------------------ the end, and effects that wait

    def _stop(self, because: Because, now: Millis) -> list[RegisterEffect]:
        self._put(Send(Control.EOT.wire), now)
        self._end(NoAnswer(because), now)
        return self._due(now)

    def _end(self, outcome: Outcome, now: Millis) -> None:
        self._ending, self._reply = True, None
        for effect in (*self._errands.release(), Ended(outcome)):
            self._put(effect, now)

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
