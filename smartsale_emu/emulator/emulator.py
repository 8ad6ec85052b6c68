"""The core: a pinpad on a line, in front of a bank. Bytes and events in, effects out. No I/O, no clock.

Whoever drives it (a port, a scenario on virtual time) calls one of three doors with the time, carries out the
effects in their order, and arms one timer for ``next_deadline``.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

from smartsale_emu.emulator.bank_side import BankSide, PinpadSafe
from smartsale_emu.emulator.doors import (
    Effect,
    Event,
    FlushLine,
    HostBytes,
    LineClosed,
    LineOpened,
    WriteLine,
)
from smartsale_emu.emulator.replies import is_reply, question
from smartsale_emu.emulator.session import ADMISSION_WHEN_BUSY, Session, fate_of_refused
from smartsale_emu.emulator.tracing import Tracer
from smartsale_emu.emulator.tunnel import Tunnel, TunnelToken
from smartsale_emu.emulator.vending import Vending
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.payment.receipt import ReceiptLayout
from smartsale_emu.sa.codes import OperationCode
from smartsale_emu.sa.events import (
    Admission,
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
from smartsale_emu.sa.tunnel_frames import is_of_tunnel
from smartsale_emu.terminal.effects import (
    Answer,
    AskCashier,
    CallBank,
    Display,
    EnterPin,
    HandsOff,
    HangUp,
    Note,
    Print,
    ReadCard,
    Remember,
    SelectAgain,
    TerminalEffect,
    Wait,
)
from smartsale_emu.terminal.events import (
    AnswerFate,
    BankAsked,
    BankEvent,
    BankFailed,
    BankUnreachable,
    FinalFate,
    PoweredOn,
    RegisterLeft,
    RequestReceived,
    TerminalEvent,
    said,
)
from smartsale_emu.terminal.memory import Memory
from smartsale_emu.terminal.profile import TerminalProfile
from smartsale_emu.terminal.table import State
from smartsale_emu.terminal.terminal import Terminal
from smartsale_emu.terminal.work import Scheme
from smartsale_emu.units import Millis, later

WAIT_MESSAGE = Message.of({Tag.OPERATION_CODE: int(OperationCode.WAIT)})
WAIT_TOKEN, FINAL_TOKEN = "wait", "final answer"
QUESTION_TOKEN, BEGIN_TOKEN = "question to the cashier", "beginning of a session"


class Emulator:
    """A pinpad. ``epoch``: the local date and time of ``now`` = 0; ``traced``: make ``Trace`` effects too.

    ``tunnel``: the way to the bank through the register (scheme ПКХ); without one the pinpad calls the bank
    itself (КПХ). ``layout``: of its slips. ``live_cards``: see `Terminal`.
    """

    def __init__(
        self,
        profile: TerminalProfile,
        dialect: Dialect,
        memory: Memory,
        safe: PinpadSafe,
        *,
        layout: ReceiptLayout,
        epoch: datetime,
        traced: bool = False,
        tunnel: Tunnel | None = None,
        live_cards: bool = False,
    ) -> None:
        scheme = Scheme.PKH if tunnel else Scheme.KPH
        self._terminal = Terminal(profile, layout, memory, safe, epoch, scheme=scheme, live_cards=live_cards)
        self._profile = profile
        self._trace = Tracer(self.put if traced else None)
        self._link = Link(profile.line.link_timing, admit=self._admit, hear=self._trace.heard)
        self._bank = BankSide(self, dialect, safe, tunnel, epoch, self._trace)
        self._vending = Vending(self, profile, self._trace)
        self._session = Session()
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
    def prints(self) -> bool:
        """True when the terminal has a printer of its own."""
        return self._profile.rules.printer

    @property
    def serving(self) -> bool:
        """True while a register's request is being served."""
        return self._session.open

    @property
    def awaits_ack(self) -> bool:
        """True while something is on the line, or waits to be."""
        return not self._link.idle

    # --- the three doors ---------------------------------------------------------------------------------

    def receive(self, data: bytes, now: Millis) -> list[Effect]:
        """Take bytes from the line, in any slicing."""
        if not self._session.open and self._link.idle:
            self._out.append(FlushLine())
        self._from_link(self._link.receive(data, now), now)
        return self._effects()

    def handle(self, event: Event, now: Millis) -> list[Effect]:
        """Take an event: hands, bank, the line's coming and going, power."""
        match event:
            case LineOpened():
                self._line_is_new("the register opened the line", now)
                self._vending.begin(now)
            case LineClosed(because):
                self._line_is_new(because, now)
                self._vending.rest(now)
            case HostBytes(call, data):
                self._bank.receive(call, data, now)
            case BankAsked() | BankUnreachable() | BankFailed():
                self._trace.note("bank", said(event), call=event.call)
                self._tell(event, now)
            case PoweredOn():
                self._tell(event, now)
                self._vending.begin(now)
            case _:
                self._trace.note("hands", said(event))
                self._tell(event, now)
        return self._effects()

    def tick(self, now: Millis) -> list[Effect]:
        """Let time pass."""
        self._from_link(self._link.tick(now), now)
        self._bank.tick(now)
        self._from_terminal(self._terminal.tick(now), now)
        if self._next_wait is not None and now >= self._next_wait:
            self._next_wait = later(now, self._profile.timers.wait_period)
            busy = self._session.questions.open or self._bank.register_is_busy
            if self._link.idle and not busy:
                self._from_link(self._link.send(WAIT_MESSAGE, now, WAIT_TOKEN), now)
        if not self.serving and self._terminal.at_rest:
            self._vending.tick(now)
        return self._effects()

    def next_deadline(self) -> Millis | None:
        """Return the moment at which ``tick`` has something to do, or None."""
        parts = (self._link, self._terminal, self._bank, self._vending)
        moments = (*(part.next_deadline() for part in parts), self._next_wait)
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
                    self._trace.frame(data, because)
                case Received(message, wire):
                    self._message(message, wire, now)
                case Started(token):
                    self._started(token, now)
                case Delivered(token):
                    self._trace.note("line", f"the register acknowledged the {token}", direction="in")
                    self._delivered(token, now)
                case Refused():
                    self._refused(event, now)
                case GaveUp():
                    self._gave_up(event, now)
                case PeerEot():
                    self._trace.note("line", "EOT", direction="in")
                    self._register_left("EOT from the register", now)
                case Noted(kind, detail):
                    self._trace.note("line", detail, what=kind.value)
                case _:
                    assert_never(event)

    def _started(self, token: object, now: Millis) -> None:
        if token == FINAL_TOKEN:
            self._session.answer_left()
        elif isinstance(token, TunnelToken):
            self._bank.sent(token, now)

    def _delivered(self, token: object, now: Millis) -> None:
        if token == FINAL_TOKEN and self.serving:
            self._tell(AnswerFate(FinalFate.ACKED), now)
        elif token == QUESTION_TOKEN:
            self._session.questions.delivered = True
        elif token == BEGIN_TOKEN and not self.serving:
            self._vending.begun(now)
        elif isinstance(token, TunnelToken):
            self._bank.delivered(token, now)

    def _refused(self, refused: Refused, now: Millis) -> None:
        """EOT instead of an ACK."""
        what = f"copy {refused.copy} of the {refused.token}"
        self._trace.note("line", f"EOT in answer to {what}", direction="in")
        if refused.token == BEGIN_TOKEN:
            self._vending.rest(now)
        elif refused.token != FINAL_TOKEN:
            self._register_left(f"EOT in answer to the {refused.token}", now)
        elif self.serving:
            self._tell(AnswerFate(fate_of_refused(refused)), now)

    def _gave_up(self, gave_up: GaveUp, now: Millis) -> None:
        """The link has sent EOT: what is unread was dropped before it, and the EOT must stay."""
        if gave_up.token == BEGIN_TOKEN:
            self._vending.rest(now)
        elif gave_up.token != FINAL_TOKEN:
            self._register_left(gave_up.because, now, flush=False)
        elif self.serving:
            self._tell(AnswerFate(FinalFate.UNANSWERED), now, flush=False)

    def _register_left(self, because: str, now: Millis, *, flush: bool = True) -> None:
        if not self.serving:
            self._vending.register_left(now)
            return
        if self.state is State.ANSWERING:
            self._tell(AnswerFate(self._session.fate_of_left), now, flush=flush)
        else:
            self._tell(RegisterLeft(because), now, flush=flush)

    def _line_is_new(self, because: str, now: Millis) -> None:
        self._trace.note("line", because)
        self._link.reset()
        self._out.append(FlushLine())
        self._register_left(because, now)

    def _admit(self, message: Message, wire: bytes) -> Admission:
        """Tell the link whether to acknowledge a message (the profile's row ``busy``).

        A takeover drops what the register has not read of the old session, before the ACK that begins the
        new one.
        """
        if is_reply(message) or self._session.admits(wire, idle=self._link.idle):
            return Admission.ACK
        admission = ADMISSION_WHEN_BUSY[self._terminal.profile.line.busy]
        if admission is Admission.ACK:
            self._out.append(FlushLine())
        return admission

    def _message(self, message: Message, wire: bytes, now: Millis) -> None:
        self._trace.message("in", message, "a complete message")
        if self._session.is_repeat(wire):
            self._trace.note("line", "the same request again: acknowledged, not run twice")
            return
        if is_reply(message):
            self._reply(message, wire, now)
            return
        if self.serving:
            because = "another request came: the register has given up its session"
            self._register_left(because, now, flush=False)
        else:
            self._link.abandon()  # a session that the pinpad was about to open: the register opens its own
        self._session.begin(wire)
        self._vending.stop()
        self._tell(RequestReceived(message), now)

    def _reply(self, message: Message, wire: bytes, now: Millis) -> None:
        """A reply of the register within an operation: about the bank's bytes, or the cashier's word."""
        if self.serving and is_of_tunnel(message) and self._bank.reply(message, now):
            return
        if self.state is State.CASHIER and (word := self._session.questions.answered_by(message, wire)):
            self._tell(word, now)
        else:
            self._trace.note("line", "a reply that nobody asked for")

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
                    self._session.answer(message)
                    self._trace.message("out", message, "the final answer")
                    self._bank.close(now)
                case AskCashier(text):
                    self._ask_cashier(text, now)
                case CallBank():
                    self._bank.call(effect, now, register=not self._terminal.at_rest)
                case HangUp(call):
                    self._bank.hang_up(call, now)
                case Note(kind, because, details):
                    self._trace.note(kind, because, **details)
                case Remember() | Display() | Print() | ReadCard() | EnterPin() | HandsOff() | SelectAgain():
                    self._out.append(effect)
                case _:
                    assert_never(effect)
        if self.serving and self._terminal.at_rest:
            self._end_session(now, flush=flush)

    def _ask_cashier(self, text: str, now: Millis) -> None:
        self._session.questions.ask(text)
        message = question(text)
        self._trace.message("out", message, "a question to the cashier")
        self._from_link(self._link.send(message, now, QUESTION_TOKEN), now)

    def _wait(self, now: Millis) -> None:
        if self._next_wait is None:
            self._next_wait = later(now, self._terminal.profile.timers.wait_period)
            self._from_link(self._link.send(WAIT_MESSAGE, now, WAIT_TOKEN), now)

    def _end_session(self, now: Millis, *, flush: bool) -> None:
        self._session.end()
        self._next_wait = None
        self._link.abandon()
        if flush:
            self._out.append(FlushLine())
        self._vending.rest(now)
        self._bank.drop(now)

    # --- what the parts want (bank_side.Owner, vending.Owner) ----------------------------------------------

    def tell_of_bank(self, event: BankEvent, now: Millis) -> None:
        """Something happened to the open call."""
        self._tell(event, now)

    def say(self, message: Message, token: TunnelToken, now: Millis, *, data: bool) -> None:
        """Hand a request of the tunnel to the link."""
        self._trace.message("out", message, str(token))
        size = self._profile.line.host_block_size if data else None
        self._from_link(self._link.send(message, now, token, block_size=size), now)

    def withdraw(self, token: TunnelToken) -> None:
        """Take a request of the tunnel back from the link."""
        self._link.withdraw(token)

    def tunnel_closed(self, now: Millis) -> None:
        """The final answer may leave."""
        message = self._session.take_answer()
        if message is not None:
            self._from_link(self._link.send(message, now, FINAL_TOKEN), now)

    def begin_session(self, message: Message, now: Millis) -> None:
        """Open a session with the register."""
        self._trace.message("out", message, "the pinpad begins a session")
        self._from_link(self._link.send(message, now, BEGIN_TOKEN, eot_before_repeat=True), now)

    def put(self, effect: Effect) -> None:
        """Ask for an effect."""
        self._out.append(effect)
