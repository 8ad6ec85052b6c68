"""A tunnel without a line: who plays the register says what was delivered and what it replies."""

from collections.abc import Callable

from smartsale_emu.emulator.doors import HostBytes
from smartsale_emu.emulator.tunnel import (
    Closed,
    Layer,
    Say,
    Tell,
    Tunnel,
    TunnelEffect,
    TunnelTiming,
    TunnelToken,
    Withdraw,
)
from smartsale_emu.errors import ChannelError
from smartsale_emu.sa.tlv import Message
from smartsale_emu.sa.tunnel_frames import Step
from smartsale_emu.terminal.events import BankAsked, BankFailed, BankUnreachable
from smartsale_emu.units import Millis

ADDRESS = "192.0.2.10;1979;"
PAYLOAD, ANSWER = b"\x00\x05asked", b"\x00\x08answered"
BankEvent = BankAsked | BankUnreachable | BankFailed | HostBytes


def replied(step: Step, result: int = 0, data: bytes | None = None) -> Message:
    return Message.of({25: 63, 65: int(step.mode), 67: result, 70: data})


class Line:
    """A tunnel, and a link that sends at once; who plays the register says what it replies."""

    def __init__(self, timing: TunnelTiming | None = None, layer: Callable[[], Layer] | None = None) -> None:
        self.tunnel = Tunnel(ADDRESS, timing, layer)
        self.now = 0
        self.on_line: Say | None = None
        self.steps: list[Step] = []
        self.told: list[BankEvent] = []
        self.closed = 0

    def do(self, effects: list[TunnelEffect]) -> "Line":
        assert not any(isinstance(effect, Tell | Closed) for effect in effects[:-1]), "told last"
        for effect in effects:
            match effect:
                case Say():
                    assert self.on_line is None, "two questions at once"
                    assert effect.data is (effect.token.step is Step.SEND)
                    self.on_line = effect
                    self.steps.append(effect.token.step)
                case Withdraw(token):
                    assert self.on_line is not None
                    assert self.on_line.token == token
                    self.on_line = None
                case Tell(event):
                    self.told.append(event)
                case Closed():
                    self.closed += 1
        return self

    def call(self, number: int = 1, payload: bytes = PAYLOAD) -> "Line":
        return self.do(self.tunnel.call(number, payload, Millis(self.now)))

    def hang_up(self, number: int = 1, *, keep: bool = True) -> "Line":
        return self.do(self.tunnel.hang_up(number, keep=keep))

    def close(self) -> "Line":
        return self.do(self.tunnel.close(Millis(self.now)))

    def drop(self) -> "Line":
        self.on_line = None
        return self.do(self.tunnel.drop("the register has left"))

    def token(self, step: Step) -> TunnelToken:
        assert self.on_line is not None, "nothing was asked"
        assert self.on_line.token.step is step
        return self.on_line.token

    def leave(self, step: Step) -> "Line":
        """The first byte leaves."""
        return self.do(self.tunnel.sent(self.token(step)))

    def acked(self, step: Step) -> "Line":
        token, self.on_line = self.token(step), None
        return self.do(self.tunnel.delivered(token, Millis(self.now)))

    def deliver(self, step: Step) -> "Line":
        return self.leave(step).acked(step)

    def hear(self, message: Message) -> "Line":
        return self.do(self.tunnel.reply(message, Millis(self.now)))

    def exchange(self, step: Step, result: int = 0, data: bytes | None = None) -> "Line":
        return self.deliver(step).hear(replied(step, result, data))

    def at(self, now: int) -> "Line":
        """Let the time pass, every deadline at its moment."""
        while (deadline := self.tunnel.next_deadline()) is not None and deadline <= now:
            self.now = max(self.now, deadline)
            self.do(self.tunnel.tick(Millis(self.now)))
        self.now = now
        return self

    def fetch_on(self) -> "Line":
        """Serve a deadline that is due now."""
        return self.at(self.now)

    def take(self) -> list[BankEvent]:
        told, self.told = self.told, []
        return told


def asked(line: Line) -> Line:
    """A call whose payload the register has sent; the first fetch is asked for."""
    return line.call().exchange(Step.OPEN).exchange(Step.SEND)


def kinds(events: list[BankEvent]) -> list[type[BankEvent]]:
    return [type(event) for event in events]


def reach(line: Line, step: Step) -> Line:
    """Everything goes well until the register has acknowledged this request."""
    line.call()
    for earlier in (Step.OPEN, Step.SEND, Step.FETCH):
        if earlier is step:
            break
        line.exchange(earlier, 0, ANSWER if earlier is Step.FETCH else None)
    if step is Step.CLOSE:
        line.hang_up().close()
    line.deliver(step).take()
    return line


def assert_broken(line: Line) -> None:
    """Nothing more is asked of the register in this session; the next session begins anew."""
    before = len(line.steps)
    line.call(7)
    assert kinds(line.take()) == [BankUnreachable]
    line.close()
    assert (line.closed, len(line.steps)) == (1, before), "no close is sent without an open connection"
    line.call(8)
    assert line.token(Step.OPEN)


class XorLayer:
    """A toy: hello, HELLO, finish; then every byte is XORed. ``!`` from the bank breaks it."""

    def __init__(self) -> None:
        self.held, self.secure = b"", False

    def start(self) -> bytes:
        return b"hello"

    def feed(self, data: bytes) -> tuple[bytes, bytes, bool]:
        if data.startswith(b"!"):
            raise ChannelError("the bank's certificate is not trusted")
        send = b""
        if not self.secure:
            self.held += data
            self.secure, data = self.held.startswith(b"HELLO"), self.held[5:]
            send = b"finish" if self.secure else b""
        return (toggled(data), send, True) if self.secure else (b"", b"", False)

    def seal(self, plain: bytes) -> bytes:
        assert self.secure
        return toggled(plain)

    def close(self) -> bytes:
        raise AssertionError("the tunnel says no goodbye")


def toggled(data: bytes) -> bytes:
    return bytes(byte ^ 0x5A for byte in data)
