"""The pinpad's way to the bank through the register (scheme ПКХ; PROTOCOL.md, section 9.2). No I/O, no clock.

The pinpad asks, the register does and replies: field 63, with 65 = 16 to open or close the connection and
65 = 17 to send bytes or to fetch what came. One request is under way at a time: it is over when the register
has acknowledged it and has replied, and only then the next one leaves.

Which reply answers which request cannot be seen in the frames, so this is how copies are told (a register
repeats a reply whose ACK was lost, and it serves a request twice whose ACK came late):

* what comes while no request of ours is on the line answers nothing;
* a reply identical to the one before is a copy if it comes before our next request was acknowledged, is of
  another mode than this one, or brings so many bytes that the bank cannot have sent the same ones twice;
* bytes of the bank in a reply that answers nothing and is no copy still count: the register read them.

What remains: a copy with few bytes or none, that comes after the next request of its mode was acknowledged,
is taken for the answer; then every reply stands for the request after its own until the mode changes. Equal
bytes that the bank did send twice are dropped when they look like a copy. Both end in an answer that cannot
be read, or in none, and so in a reversal: no money is lost by them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from smartsale_emu.emulator.doors import HostBytes
from smartsale_emu.errors import ChannelError
from smartsale_emu.sa.tlv import Message
from smartsale_emu.sa.tunnel_frames import Step, TunnelReply
from smartsale_emu.terminal.events import BankAsked, BankFailed, BankUnreachable
from smartsale_emu.units import Millis, later

OPEN_REPLY, REPLY, AT_ONCE = Millis(45_000), Millis(30_000), Millis(0)

COPY_SIZE = 64
"""So many equal bytes in two replies one after the other are a copy. **Assumed.**"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelTiming:
    """How long the register may take, in milliseconds from its ACK of our request (section 0.1).

    ``open_reply``: for its reply to an open. ``reply``: to anything else. ``poll_pause``: between "nothing
    yet" and the next fetch; 0 is at once, as real pinpads do.
    """

    open_reply: Millis = OPEN_REPLY
    reply: Millis = REPLY
    poll_pause: Millis = AT_ONCE


class Layer(Protocol):
    """TLS made by the pinpad inside the tunnel; one object for one connection. All may raise ChannelError."""

    def start(self) -> bytes:
        """Return the first bytes to send."""

    def feed(self, data: bytes) -> tuple[bytes, bytes, bool]:
        """Take bytes of the bank; return the plain ones, those to send, and if the handshake is done."""

    def seal(self, plain: bytes) -> bytes:
        """Return plain bytes as they have to be sent. Only after the handshake."""

    def close(self) -> bytes:
        """Return the goodbye. The tunnel never sends it: the register closes the connection anyway."""


@dataclass(frozen=True, slots=True)
class TunnelToken:
    """Names one request on the link."""

    number: int
    step: Step

    def __str__(self) -> str:
        return f"request to {self.step.words}"


@dataclass(frozen=True, slots=True)
class Say:
    """Hand this to the link. ``data``: bytes for the bank, cut in smaller blocks (section 1)."""

    message: Message
    token: TunnelToken
    data: bool


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take this back from the link's queue; not one byte of it has left, and none may."""

    token: TunnelToken


@dataclass(frozen=True, slots=True)
class Tell:
    """Something about the bank that the terminal has to know."""

    event: BankAsked | BankUnreachable | BankFailed | HostBytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The session's connection is over; the final answer may leave."""


TunnelEffect = Say | Withdraw | Tell | Closed
"""``Tell`` and ``Closed`` are always the last of a list, so whoever is told may call the tunnel again."""


@dataclass(slots=True)
class _Call:
    number: int
    payload: bytes = field(repr=False)
    handed_over: bool = False  # its frame was given to the link
    asked: bool = False  # the first byte of that frame has left


@dataclass(slots=True)
class _Request:
    """The request under way. ``call``: whom it serves. ``carries``: the payload of that call is in it."""

    token: TunnelToken
    call: int | None
    carries: bool
    started: bool = False
    delivered: bool = False
    answered: bool = False
    deadline: Millis | None = None

    @property
    def step(self) -> Step:
        return self.token.step

    @property
    def waits(self) -> bool:
        """It is on the line and unanswered."""
        return self.started and not self.answered


class Tunnel:
    """The tunnel of one pinpad. ``address`` as field 70 says it; ``layer`` makes the TLS of a connection.

    >>> tunnel = Tunnel("192.0.2.10;1979;")
    >>> (say,) = tunnel.call(1, b"to the bank", Millis(0))
    >>> say.message.text(70), str(say.token), tunnel.awaiting
    ('192.0.2.10;1979;', 'request to open the connection to the bank', True)
    """

    def __init__(
        self, address: str, timing: TunnelTiming | None = None, layer: Callable[[], Layer] | None = None
    ) -> None:
        self._address = address.encode("ascii", errors="replace")
        self._timing = timing or TunnelTiming()
        self._make_layer = layer
        self._numbers = 0
        self._last_reply: Message | None = None
        self._forget()

    def _forget(self) -> None:
        self._request: _Request | None = None
        self._call: _Call | None = None
        self._poll_at: Millis | None = None
        self._closing = False
        self._broken = ""  # why this session's tunnel is of no use any more
        self._shut()

    def _shut(self) -> None:
        self._open = False
        self._stale = False  # open, but to be closed before anything else
        self._layer: Layer | None = None
        self._secure = False
        self._outbox = b""  # what the layer wants to send by itself

    # --- the terminal's side ---------------------------------------------------------------------------

    def call(self, call: int, payload: bytes, now: Millis) -> list[TunnelEffect]:
        """Open the connection if need be, make it secure, send the payload, then fetch until ``hang_up``.

        ``BankAsked`` is told when the first byte of the frame with the payload leaves. A failure before is
        ``BankUnreachable``, one after it ``BankFailed``; either ends the call.

        Raises:
            ValueError: another call is not over, or the tunnel is closing.
        """
        if self._call is not None or self._closing:
            raise ValueError("the tunnel serves one call at a time, and none while it closes")
        if self._broken:
            return [Tell(BankUnreachable(call, f"the tunnel is broken: {self._broken}"))]
        self._call = _Call(call, payload)
        return self._go_on(now)

    def hang_up(self, call: int, *, keep: bool = True) -> list[TunnelEffect]:
        """End a call; an unknown one, or one that is over, is fine.

        A request of which nothing has left is withdrawn; one under way is finished and its reply swallowed.
        ``keep``: the next call uses the same connection; otherwise, since a late answer might come over this
        one, it is closed and opened anew for the next call.
        """
        if self._call is None or self._call.number != call:
            return []
        if self._call.asked and not keep:
            self._stale = True
        self._call, self._poll_at = None, None
        return self._withdraw()

    def close(self, now: Millis) -> list[TunnelEffect]:
        """End the session: close a healthy open connection, then say ``Closed``, whatever the reply was.

        A call that is not over is hung up. No goodbye of the TLS layer is sent: it would be one more frame.
        Afterwards the tunnel is as new.
        """
        effects = self.hang_up(self._call.number) if self._call else []
        self._closing = True
        return effects + self._go_on(now)

    def drop(self, because: str) -> list[TunnelEffect]:
        """The register has left: everything is over, a call too. ``Closed`` is not said."""
        effects = self._end_call(because)
        self._forget()
        return effects

    @property
    def awaiting(self) -> bool:
        """The register's ACK or reply is awaited: no wait frame may be sent now (section 0.1)."""
        return self._request is not None

    # --- the link's side -------------------------------------------------------------------------------

    def sent(self, token: TunnelToken) -> list[TunnelEffect]:
        """The first byte of this request has left."""
        request, call = self._request, self._call
        if request is None or request.token != token:
            return []
        request.started = True
        if call is None or not request.carries:
            return []
        call.asked = True
        return [Tell(BankAsked(call.number))]

    def delivered(self, token: TunnelToken, now: Millis) -> list[TunnelEffect]:
        """The register has acknowledged the whole request: from now on its reply is due."""
        request = self._request
        if request is None or request.token != token:
            return []
        request.delivered = True
        if request.answered:
            self._request = None
            return self._go_on(now)
        timing = self._timing
        patience = timing.open_reply if request.step is Step.OPEN else timing.reply
        request.deadline = later(now, patience)
        return []

    def reply(self, message: Message, now: Millis) -> list[TunnelEffect]:
        """Take a message 25 = 63 with 65 = 16 or 17. Fields that are not known are borne."""
        copy, self._last_reply = message == self._last_reply, message
        request, reply = self._request, TunnelReply.of(message)
        if request is None or not request.waits:
            return self._take_bytes(reply.data, now) if reply.data and not copy else []
        if copy and not _may_repeat(reply, request):
            return []
        if not reply.fits(request.step):
            return self._break(f"the reply to the {request.token} is none")
        request.answered = True
        if request.delivered:
            self._request = None
        return self._answered(request, reply, now)

    # --- time --------------------------------------------------------------------------------------------

    def tick(self, now: Millis) -> list[TunnelEffect]:
        """Do what is due: fetch again, or give up a register that does not reply."""
        request = self._request
        if request is None:
            return self._go_on(now)
        if request.deadline is None or now < request.deadline:
            return []
        return self._break(f"no reply to the {request.token}")

    def next_deadline(self) -> Millis | None:
        """Return the moment at which ``tick`` has something to do, or None."""
        return self._poll_at if self._request is None else self._request.deadline

    # --- what comes next ---------------------------------------------------------------------------------

    def _go_on(self, now: Millis) -> list[TunnelEffect]:
        """Make the next request, if none is under way and there is something to be asked."""
        if self._request is not None or (self._poll_at is not None and now < self._poll_at):
            return []
        self._poll_at = None
        if self._closing:
            return self._ask(Step.CLOSE, self._address) if self._open else self._finish()
        if self._call is None:
            return []
        try:
            return self._serve(self._call)
        except ChannelError as error:
            return self._spoil(error, now)

    def _serve(self, call: _Call) -> list[TunnelEffect]:
        """Make the next request of a call. Raises ChannelError."""
        if not self._open:
            return self._ask(Step.OPEN, self._address)
        if self._stale:
            return self._ask(Step.CLOSE, self._address)
        if self._layer is None and self._make_layer is not None:
            self._layer = self._make_layer()
            self._outbox = self._layer.start()
        if self._outbox:
            data, self._outbox = self._outbox, b""
            return self._ask(Step.SEND, data)
        if call.handed_over or (self._layer is not None and not self._secure):
            return self._ask(Step.FETCH)
        data = call.payload if self._layer is None else self._layer.seal(call.payload)
        call.handed_over = True
        return self._ask(Step.SEND, data, carries=True)

    def _ask(self, step: Step, data: bytes | None = None, *, carries: bool = False) -> list[TunnelEffect]:
        self._numbers += 1
        token = TunnelToken(self._numbers, step)
        self._request = _Request(token, self._call.number if self._call else None, carries)
        return [Say(step.message(data), token, step is Step.SEND)]

    def _withdraw(self) -> list[TunnelEffect]:
        request = self._request
        if request is None or request.started:
            return []
        self._request = None
        if request.step is Step.SEND and self._layer is not None:
            self._stale = True  # the layer has counted a record that the bank will never see
        return [Withdraw(request.token)]

    # --- what a reply means ------------------------------------------------------------------------------

    def _answered(self, request: _Request, reply: TunnelReply, now: Millis) -> list[TunnelEffect]:
        own = self._call is not None and self._call.number == request.call  # not of a call that hung up
        match request.step:
            case Step.OPEN:
                self._open = reply.ok
                if own and not reply.ok:
                    return self._end_call("the register could not connect to the bank")
            case Step.CLOSE:
                self._shut()  # a register that refuses to close knows of no connection
            case Step.SEND:
                if not reply.ok:
                    return self._break(f"the register refused the {request.token}")
            case Step.FETCH:
                if reply.data:
                    return self._take_bytes(reply.data, now)
                self._poll_at = later(now, self._timing.poll_pause) if own else None
            case _:
                assert_never(request.step)
        return self._go_on(now)

    def _take_bytes(self, data: bytes, now: Millis) -> list[TunnelEffect]:
        """Take bytes of the bank. Those that no call waits for are dropped, after the layer has seen them."""
        if not self._open or self._stale:
            return self._go_on(now)
        plain = data
        if self._layer is not None:
            try:
                plain, outbox, secure = self._layer.feed(data)
            except ChannelError as error:
                return self._spoil(error, now)
            self._outbox, self._secure = self._outbox + outbox, secure
        call = self._call
        if not plain or call is None or not call.asked:
            return self._go_on(now)
        self._poll_at = now  # the next fetch is for ``tick``: these bytes may be all that was awaited
        return [Tell(HostBytes(call.number, plain))]

    # --- ends --------------------------------------------------------------------------------------------

    def _spoil(self, error: ChannelError, now: Millis) -> list[TunnelEffect]:
        """The secure channel has failed, the register's connection has not: the next call opens a new one."""
        self._stale = True
        return self._end_call(str(error)) or self._go_on(now)

    def _break(self, because: str) -> list[TunnelEffect]:
        """Nobody knows whether a connection is open: this session asks nothing more of the register."""
        self._broken, self._request = because, None
        self._shut()
        return self._finish() if self._closing else self._end_call(because)

    def _end_call(self, because: str) -> list[TunnelEffect]:
        call, self._call, self._poll_at = self._call, None, None
        if call is None:
            return []
        end = BankFailed if call.asked else BankUnreachable
        return [Tell(end(call.number, because))]

    def _finish(self) -> list[TunnelEffect]:
        self._forget()
        return [Closed()]


def _may_repeat(reply: TunnelReply, request: _Request) -> bool:
    """Tell whether a reply identical to the one before may be the answer to this request all the same."""
    return request.delivered and reply.mode == request.step.mode and len(reply.data) < COPY_SIZE
