"""Everything that can happen to a tunnel, in any order, drawn by Hypothesis."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tunnel_line import ADDRESS, PAYLOAD, BankEvent, XorLayer, replied

from smartsale_emu.emulator.doors import HostBytes
from smartsale_emu.emulator.tunnel import (
    Closed,
    Say,
    Tell,
    Tunnel,
    TunnelEffect,
    TunnelTiming,
    Withdraw,
)
from smartsale_emu.sa.tlv import Message
from smartsale_emu.sa.tunnel_frames import Step
from smartsale_emu.terminal.events import BankAsked, BankFailed, BankUnreachable
from smartsale_emu.units import Millis

SELDOM = st.sampled_from([False, False, False, True])


class TunnelMachine(RuleBasedStateMachine):
    """Everything that can happen, in any order; the model knows only what the register said."""

    def __init__(self) -> None:
        super().__init__()
        self.tunnel = Tunnel(ADDRESS, TunnelTiming(poll_pause=Millis(50)), XorLayer if self.layered else None)
        self.now = 0
        self.request: Say | None = None
        self.stage = "none"  # queued, left, acked: what the link did with the request
        self.answered = False
        self.opened = False  # as the register said last
        self.lost = False  # a reply was missing, refused or nonsense: no more questions
        self.numbers = 0
        self.current: int | None = None
        self.asked: set[int] = set()
        self.ended: set[int] = set()
        self.closing = False
        self.chunks = 0
        self.last: Message | None = None

    layered = False

    def do(self, effects: list[TunnelEffect]) -> None:
        assert not any(isinstance(effect, Tell | Closed) for effect in effects[:-1])
        for effect in effects:
            match effect:
                case Say():
                    self.said(effect)
                case Withdraw(token):
                    assert self.request is not None
                    assert (self.request.token, self.stage) == (token, "queued")
                    self.request, self.stage = None, "none"
                case Tell(event):
                    self.tell(event)
                case Closed():
                    assert self.closing
                    assert self.current is None
                    self.anew()

    def said(self, say: Say) -> None:
        assert self.request is None, "two questions at once"
        assert not self.lost, "asked again after the tunnel broke"
        assert self.opened is (say.token.step is not Step.OPEN), say.token.step
        assert self.closing or self.current is not None, "nobody wants this"
        self.request, self.stage, self.answered = say, "queued", False

    def tell(self, event: BankEvent) -> None:
        assert event.call == self.current
        match event:
            case BankAsked(call):
                assert call not in self.asked
                assert self.stage == "left"
                self.asked.add(call)
            case BankUnreachable(call):
                assert call not in self.asked
                self.ended.add(call)
                self.current = None
            case BankFailed(call):
                assert call in self.asked
                self.ended.add(call)
                self.current = None
            case HostBytes(call):
                assert call in self.asked

    def anew(self) -> None:
        self.opened = self.lost = self.closing = False
        if self.stage != "left":  # the link still repeats a request whose ACK is missing
            self.request, self.stage = None, "none"

    def settle(self) -> None:
        """A request that is acknowledged and answered is over."""
        if self.stage == "acked" and self.answered:
            self.request, self.stage = None, "none"

    @property
    def moment(self) -> Millis:
        return Millis(self.now)

    @precondition(lambda self: self.current is None and not self.closing)
    @rule()
    def call(self) -> None:
        self.numbers += 1
        self.current = self.numbers
        self.do(self.tunnel.call(self.numbers, PAYLOAD, self.moment))

    @precondition(lambda self: self.current is not None)
    @rule(keep=st.booleans(), really=SELDOM)
    def hang_up(self, keep: bool, really: bool) -> None:
        if not really:
            return
        number, self.current = self.current, None
        self.do(self.tunnel.hang_up(number or 0, keep=keep))

    @precondition(lambda self: not self.closing and self.numbers > 0)
    @rule(really=SELDOM)
    def close(self, really: bool) -> None:
        if not really:
            return
        self.closing, self.current = True, None
        self.do(self.tunnel.close(self.moment))

    @precondition(lambda self: self.numbers > 0)
    @rule(really=SELDOM)
    def drop(self, really: bool) -> None:
        if not really:
            return
        self.request, self.stage = None, "none"
        self.do(self.tunnel.drop("gone"))
        assert self.current is None
        self.anew()

    @precondition(lambda self: self.stage == "queued")
    @rule()
    def leave(self) -> None:
        assert self.request is not None
        self.stage = "left"
        self.do(self.tunnel.sent(self.request.token))

    @precondition(lambda self: self.stage == "left")
    @rule()
    def acknowledge(self) -> None:
        assert self.request is not None
        token, self.stage = self.request.token, "acked"
        self.settle()
        self.do(self.tunnel.delivered(token, self.moment))

    @precondition(lambda self: self.stage in ("left", "acked") and not self.answered and not self.lost)
    @rule(kind=st.sampled_from(["good"] * 6 + ["nothing"] * 3 + ["garbage"]))
    def answer(self, kind: str) -> None:
        assert self.request is not None
        step = self.request.token.step
        message = self.reply_to(step, kind)
        if message == self.last and self.stage == "left":
            return  # it would be taken for a copy, rightly
        self.last, self.answered = message, True
        if kind == "garbage" or (kind == "nothing" and step is Step.SEND):
            self.lost, self.opened = True, False
        elif step is Step.OPEN:
            self.opened = kind == "good"
        elif step is Step.CLOSE:
            self.opened = False
        self.settle()
        if self.lost:
            self.request, self.stage = None, "none"
        self.do(self.tunnel.reply(message, self.moment))

    def reply_to(self, step: Step, kind: str) -> Message:
        if kind == "garbage":
            return Message.of({25: 63, 65: int(step.mode), 67: 9})
        if kind == "nothing":
            return replied(step, 1)
        if step is not Step.FETCH:
            return replied(step)
        self.chunks += 1
        return replied(step, 0, b"HELLO%d" % self.chunks)

    @precondition(lambda self: self.request is not None)
    @rule(steps=st.integers(1, 8))
    def go_well(self, steps: int) -> None:
        """The link and the register do so many things as they should."""
        for _ in range(steps):
            if self.stage == "queued":
                self.leave()
            if self.stage == "left":
                self.acknowledge()
            if self.stage == "acked" and not self.answered:
                self.answer("good")
            elif self.request is None:
                self.wait(1.0)

    @precondition(lambda self: self.last is not None)
    @rule()
    def copy(self) -> None:
        assert self.last is not None
        if self.stage == "acked":
            return  # may be an answer: the module's docstring says what remains
        assert self.tunnel.reply(self.last, self.moment) == []

    @precondition(lambda self: self.stage in ("none", "queued") or self.answered)
    @rule(brings=st.booleans())
    def unasked(self, brings: bool) -> None:
        self.chunks += 1
        self.last = replied(Step.FETCH, 0, b"%d" % self.chunks) if brings else replied(Step.OPEN, 1)
        before = self.request
        self.do(self.tunnel.reply(self.last, self.moment))
        assert before is None or self.request is before, "an answer to nothing withdraws nothing"

    @rule(share=st.sampled_from([0.3, 1.0]))
    def wait(self, share: float) -> None:
        deadline = self.tunnel.next_deadline()
        if deadline is None:
            self.now += 1
        else:
            self.now = max(self.now, self.now + int((deadline - self.now) * share))
        if self.stage == "acked" and deadline is not None and self.now >= deadline:
            self.request, self.stage = None, "none"
            self.lost, self.opened = True, False
        self.do(self.tunnel.tick(self.moment))

    @invariant()
    def waits_exactly_while_something_is_asked(self) -> None:
        assert self.tunnel.awaiting is (self.request is not None) or self.stage == "left"

    @invariant()
    def a_call_that_is_not_over_has_something_to_wait_for(self) -> None:
        if self.current is not None or self.closing:
            assert self.request is not None or self.tunnel.next_deadline() is not None

    def teardown(self) -> None:
        """With a register that does all, the session comes to its end."""
        if not self.closing:
            self.close(really=True)
        self.go_well(8)
        assert not self.closing


class LayeredMachine(TunnelMachine):
    """The same with a layer."""

    layered = True


TestTunnelInAnyOrder = TunnelMachine.TestCase
TestTunnelInAnyOrder.settings = settings(max_examples=150, stateful_step_count=40)
TestLayeredInAnyOrder = LayeredMachine.TestCase
TestLayeredInAnyOrder.settings = settings(max_examples=100, stateful_step_count=40)
