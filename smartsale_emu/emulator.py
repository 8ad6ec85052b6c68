"""The core: a pinpad on a line, in front of a bank. Bytes and events in, effects out. No I/O, no clock.

Whoever drives it (a port, a scenario on virtual time) calls one of three doors with the time, carries out the
effects in their order, and arms one timer for ``next_deadline``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from smartsale_emu.doors import (
    CallHost,
    Effect,
    Event,
    FlushLine,
    HostBytes,
    LineClosed,
    LineOpened,
    Trace,
    WriteLine,
)
from smartsale_emu.errors import DialectError
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.framing import StreamDecoder, frame
from smartsale_emu.host.shown import shown_answer, shown_request
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest
from smartsale_emu.sa.codes import CommandMode, OperationCode
from smartsale_emu.sa.events import (
    Admission,
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
from smartsale_emu.sa.fields import Tag, display
from smartsale_emu.sa.framing import Control
from smartsale_emu.sa.link import Link
from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.effects import (
    Answer,
    CallBank,
    Display,
    EnterPin,
    HandsOff,
    HangUp,
    Note,
    ReadCard,
    Remember,
    TerminalEffect,
    Wait,
)
from smartsale_emu.terminal.events import (
    AnswerFate,
    BankAsked,
    BankFailed,
    BankReplied,
    BankUnreachable,
    FinalFate,
    RegisterLeft,
    RequestReceived,
    TerminalEvent,
    said,
)
from smartsale_emu.terminal.memory import Memory, Safe
from smartsale_emu.terminal.profile import Busy, TerminalProfile
from smartsale_emu.terminal.table import State
from smartsale_emu.terminal.terminal import Terminal
from smartsale_emu.units import Millis, calendar, later

__all__ = [
    "CallHost",
    "Effect",
    "Emulator",
    "Event",
    "FlushLine",
    "HostBytes",
    "LineClosed",
    "LineOpened",
    "Trace",
    "WriteLine",
]

WAIT_MESSAGE = Message.of({Tag.OPERATION_CODE: int(OperationCode.WAIT)})
WAIT_TOKEN, FINAL_TOKEN = "wait", "final answer"


@dataclass(slots=True)
class _Call:
    """The open call to the bank."""

    number: int
    request: AuthorizationRequest
    decoder: StreamDecoder


class Emulator:
    """A pinpad. ``epoch``: the local date and time of ``now`` = 0; ``traced``: make ``Trace`` effects too."""

    def __init__(
        self,
        profile: TerminalProfile,
        dialect: Dialect,
        memory: Memory,
        safe: Safe,
        *,
        epoch: datetime,
        traced: bool = False,
    ) -> None:
        line = profile.line
        self._link = Link(
            LinkTiming(
                ack_timeout=line.ack_timeout,
                inter_byte=line.inter_byte,
                sends=line.sends,
                block_size=line.block_size,
                max_frame=line.max_frame,
            ),
            admit=self._admit,
        )
        self._terminal = Terminal(profile, memory, safe, epoch)
        self._dialect, self._epoch, self._traced = dialect, epoch, traced
        self._call: _Call | None = None
        self._serving: bytes | None = None  # the wire bytes of the request that is being served
        self._final_left = False
        self._next_wait: Millis | None = None
        self._out: list[Effect] = []

    # --- what can be seen --------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The terminal's state."""
        return self._terminal.state

    @property
    def memory(self) -> Memory:
        """What the pinpad remembers."""
        return self._terminal.memory

    @property
    def serving(self) -> bool:
        """True while a register's request is being served."""
        return self._serving is not None

    # --- the three doors ---------------------------------------------------------------------------------

    def receive(self, data: bytes, now: Millis) -> list[Effect]:
        """Take bytes from the line, in any slicing."""
        if self._serving is None:
            self._out.append(FlushLine())
        self._from_link(self._link.receive(data, now), now)
        return self._effects()

    def handle(self, event: Event, now: Millis) -> list[Effect]:
        """Take an event: hands, bank, the line's coming and going, power."""
        match event:
            case LineOpened():
                self._line_is_new("the register opened the line", now)
            case LineClosed(because):
                self._line_is_new(because, now)
            case HostBytes(call, data):
                self._host_bytes(call, data, now)
            case BankAsked() | BankUnreachable() | BankFailed():
                self._trace("bank", said(event), call=event.call)
                self._tell(event, now)
            case _:
                self._trace("hands", said(event))
                self._tell(event, now)
        return self._effects()

    def tick(self, now: Millis) -> list[Effect]:
        """Let time pass."""
        self._from_link(self._link.tick(now), now)
        self._from_terminal(self._terminal.tick(now), now)
        if self._next_wait is not None and now >= self._next_wait:
            self._next_wait = later(now, self._terminal.profile.timers.wait_period)
            if self._link.idle:
                self._from_link(self._link.send(WAIT_MESSAGE, now, WAIT_TOKEN), now)
        return self._effects()

    def next_deadline(self) -> Millis | None:
        """Return the moment at which ``tick`` has something to do, or None."""
        moments = (self._link.next_deadline(), self._terminal.next_deadline(), self._next_wait)
        return min((moment for moment in moments if moment is not None), default=None)

    def _effects(self) -> list[Effect]:
        effects, self._out = self._out, []
        return effects

    # --- the line ----------------------------------------------------------------------------------------

    def _from_link(self, events: Iterable[LinkEvent], now: Millis) -> None:
        events = tuple(events)
        if any(isinstance(event, Transmit) and event.data == Control.EOT.wire for event in events):
            self._out.append(FlushLine())  # what is unread is stale; the EOT, and a NAK before it, must stay
        for event in events:
            match event:
                case Transmit(data, because):
                    self._out.append(WriteLine(data))
                    self._trace_bytes(data, because)
                case Received(message, wire):
                    self._message(message, wire, now)
                case Started(token):
                    self._final_left = self._final_left or token == FINAL_TOKEN
                case Delivered(token):
                    self._trace("line", f"the register acknowledged the {token}", direction="in")
                    if token == FINAL_TOKEN and self.serving:
                        self._tell(AnswerFate(FinalFate.ACKED), now)
                case Refused():
                    self._refused(event, now)
                case GaveUp():
                    self._gave_up(event, now)
                case PeerEot():
                    self._trace("line", "EOT", direction="in")
                    self._register_left("EOT from the register", now)
                case Noted(kind, detail):
                    self._trace("line", detail, what=kind.value)
                case _:
                    assert_never(event)

    def _refused(self, refused: Refused, now: Millis) -> None:
        """EOT instead of an ACK. Only who was sent the last block again may have the whole answer already."""
        self._trace("line", f"EOT in answer to copy {refused.copy} of the {refused.token}", direction="in")
        if refused.token != FINAL_TOKEN:
            self._register_left("EOT in answer to a wait frame", now)
        elif self.serving:
            repeat = refused.copy > 1 and refused.last_block
            self._tell(AnswerFate(FinalFate.EOT_TO_REPEAT if repeat else FinalFate.EOT_TO_FIRST), now)

    def _gave_up(self, gave_up: GaveUp, now: Millis) -> None:
        """The link has sent EOT: what is unread was dropped before it, and the EOT must stay."""
        if gave_up.token != FINAL_TOKEN:
            self._register_left(gave_up.because, now, flush=False)
        elif self.serving:
            self._tell(AnswerFate(FinalFate.UNANSWERED), now, flush=False)

    def _register_left(self, because: str, now: Millis, *, flush: bool = True) -> None:
        if not self.serving:
            return
        if self.state is State.ANSWERING:
            fate = FinalFate.GONE if self._final_left else FinalFate.NEVER_LEFT
            self._tell(AnswerFate(fate), now, flush=flush)
        else:
            self._tell(RegisterLeft(because), now, flush=flush)

    def _line_is_new(self, because: str, now: Millis) -> None:
        self._trace("line", because)
        self._link.reset()
        self._out.append(FlushLine())
        self._register_left(because, now)

    def _admit(self, message: Message, wire: bytes) -> Admission:
        """Tell the link whether to acknowledge a message (the profile's row ``busy``).

        The answer's ACK may have come in the same bytes, just before: then the operation is over. A takeover
        drops what the register has not read of the old session, before the ACK that begins the new one.
        """
        over = not self.serving or (self._final_left and self._link.idle)
        if over or self._is_repeat(wire) or _belongs_to_operation(message):
            return Admission.ACK
        admission = _ADMISSION[self._terminal.profile.line.busy]
        if admission is Admission.ACK:
            self._out.append(FlushLine())
        return admission

    def _is_repeat(self, wire: bytes) -> bool:
        return wire == self._serving and not self._final_left

    def _message(self, message: Message, wire: bytes, now: Millis) -> None:
        self._trace_message("in", message, "a complete message")
        if self._is_repeat(wire):
            self._trace("line", "the same request again: acknowledged, not run twice")
            return
        if _belongs_to_operation(message):
            self._trace("line", "a reply that nobody asked for")
            return
        self._register_left("another request came: the register has given up its session", now, flush=False)
        self._serving, self._final_left = wire, False
        self._tell(RequestReceived(message), now)

    # --- the terminal ------------------------------------------------------------------------------------

    def _tell(self, event: TerminalEvent, now: Millis, *, flush: bool = True) -> None:
        self._from_terminal(self._terminal.handle(event, now), now, flush=flush)

    def _from_terminal(self, effects: Iterable[TerminalEffect], now: Millis, *, flush: bool = True) -> None:
        for effect in effects:
            match effect:
                case Wait():
                    self._wait(now)
                case Answer(message):
                    self._next_wait = None
                    self._trace_message("out", message, "the final answer")
                    self._from_link(self._link.send(message, now, FINAL_TOKEN), now)
                case CallBank(call, request):
                    self._call_host(call, request, now)
                case HangUp(call):
                    self._call = None
                    self._out.append(HangUp(call))
                case Note(kind, because, details):
                    if self._traced:
                        self._out.append(Trace(kind, because, details))
                case Remember() | Display() | ReadCard() | EnterPin() | HandsOff():
                    self._out.append(effect)
                case _:
                    assert_never(effect)
        if self.serving and self._terminal.at_rest:
            self._end_session(flush=flush)

    def _wait(self, now: Millis) -> None:
        if self._next_wait is None:
            self._next_wait = later(now, self._terminal.profile.timers.wait_period)
            self._from_link(self._link.send(WAIT_MESSAGE, now, WAIT_TOKEN), now)

    def _end_session(self, *, flush: bool) -> None:
        self._serving, self._next_wait = None, None
        self._link.abandon()
        if flush:
            self._out.append(FlushLine())

    # --- the bank ----------------------------------------------------------------------------------------

    def _call_host(self, call: int, request: AuthorizationRequest, now: Millis) -> None:
        try:
            payload = frame(self._dialect.encode_request(request))
        except DialectError as error:
            self._tell(BankUnreachable(call, f"the message cannot be built: {error}"), now)
            return
        self._call = _Call(call, request, StreamDecoder())
        if self._traced:
            self._trace("bank", "asked", call=call, direction="out", **shown_request(request))
        self._out.append(CallHost(call, payload))

    def _host_bytes(self, number: int, data: bytes, now: Millis) -> None:
        call = self._call
        if call is None or call.number != number:
            self._trace("bank", "the call was given up: its answer changes nothing", call=number)
            return
        try:
            today = calendar(self._epoch, now).date()
            for message in call.decoder.feed(data):
                answer = self._dialect.decode_answer(message, today)
                if self._traced:
                    self._trace("bank", "answered", call=number, direction="in", **shown_answer(answer))
                if _answers(answer, call.request):
                    self._call = None
                    self._out.append(HangUp(number))
                    self._tell(BankReplied(number, answer), now)
                    return
                self._trace("bank", "this answers another message (step, STAN or terminal)", call=number)
        except DialectError as error:
            self._call = None
            self._out.append(HangUp(number))
            self._tell(BankFailed(number, f"the bank's answer is of no use: {error}"), now)

    # --- the trace ---------------------------------------------------------------------------------------

    def _trace(self, kind: str, because: str, **details: object) -> None:
        if self._traced:
            self._out.append(Trace(kind, because, details))

    def _trace_bytes(self, data: bytes, because: str) -> None:
        if self._traced:
            unit = {6: "ACK", 21: "NAK", 4: "EOT", 2: "STX", 1: "SOH"}.get(data[0], "?")
            self._trace("frame", because, direction="out", unit=unit, bytes=len(data))

    def _trace_message(self, direction: str, message: Message, because: str) -> None:
        if self._traced:
            fields = [[record.tag, *display(record)] for record in message.records]
            self._trace("message", because, direction=direction, fields=fields)


def _answers(answer: AuthorizationAnswer, request: AuthorizationRequest) -> bool:
    """Tell whether the bank's answer belongs to the request; a bank may leave its terminal id out."""
    same_terminal = answer.terminal_id in ("", request.terminal_id)
    return same_terminal and (answer.step, answer.stan) == (request.step, request.stan)


_ADMISSION = {Busy.TAKEOVER: Admission.ACK, Busy.NAK: Admission.NAK, Busy.IGNORE: Admission.IGNORE}

TUNNEL_MODES = frozenset({str(int(CommandMode.HOST_CONNECTION)), str(int(CommandMode.HOST_DATA))})


def _belongs_to_operation(message: Message) -> bool:
    """Tell whether a register's message is a reply within an operation: tunnel or cashier (0.1)."""
    code = message.text(Tag.OPERATION_CODE)
    if code == str(int(OperationCode.USER_COMMAND)):
        return message.text(Tag.COMMAND_MODE2) in TUNNEL_MODES
    return code == str(int(OperationCode.CASHIER_QUESTION))
