"""Our register and the pinpad's tunnel on one wire that loses bytes: the two ends of scheme ПКХ together."""

import heapq
from collections import deque
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.emulator.doors import HostBytes
from smartsale_emu.emulator.tunnel import Closed, Say, Tell, Tunnel, TunnelEffect, TunnelToken, Withdraw
from smartsale_emu.register.requests import operation_request
from smartsale_emu.register.session import (
    Answered,
    CloseHost,
    FetchHost,
    NoAnswer,
    OpenHost,
    RegisterEffect,
    RegisterSession,
    Send,
    SendHost,
)
from smartsale_emu.sa.events import (
    Delivered,
    GaveUp,
    LinkEvent,
    PeerEot,
    Received,
    Refused,
    Started,
    Transmit,
)
from smartsale_emu.sa.link import Link
from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.events import BankAsked, BankFailed, BankUnreachable
from smartsale_emu.units import Millis

PAYLOAD = bytes(range(256)) * 3
ANSWER = b"".join(number.to_bytes(2, "big") for number in range(7000, 7256))
FINAL = Message.of({25: 26, 39: 1})
SLOWNESS = 10  # milliseconds from one end of the wire to the other
FETCH_TIME = 1000


@dataclass
class Wire:
    """A register that lends its channel, a pinpad of link and tunnel, and a bank that answers in portions.

    ``lost``: which of the writes on the line never arrive, counted over both ends.
    """

    lost: set[int]
    portions: deque[bytes]
    now: int = 0
    writes: int = 0
    called: bool = False
    asked: bool = False
    open: bool = False
    to_bank: list[bytes] = field(default_factory=list)
    from_bank: bytes = b""
    ends: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.register = RegisterSession(operation_request("test"), channel=True)
        self.link, self.tunnel = Link(), Tunnel("192.0.2.10;1979;")
        self._queue: list[tuple[int, int, str, bytes]] = []
        self._tickets = count()

    def run(self) -> None:
        """Play the operation to the register's end."""
        self._follow_register(self.register.start(Millis(0)))
        for _ in range(3000):
            if self.register.outcome is not None:
                return
            self._step()
        raise AssertionError("the exchange never ends")

    def _step(self) -> None:
        doors = {"register": self.register, "link": self.link, "tunnel": self.tunnel}
        due = [
            (deadline, -1, name, b"")
            for name, door in doors.items()
            if (deadline := door.next_deadline()) is not None
        ]
        moment, ticket, whom, data = min([*due, *self._queue[:1]])
        self.now = max(self.now, moment)
        if ticket >= 0:
            heapq.heappop(self._queue)
        now = Millis(self.now)
        match whom, ticket:
            case "register", -1:
                self._follow_register(self.register.tick(now))
            case "link", -1:
                self._follow_link(self.link.tick(now))
            case "tunnel", -1:
                self._follow_tunnel(self.tunnel.tick(now))
            case "register", _:
                self._follow_register(self.register.receive(data, now))
            case "pinpad", _:
                self._follow_link(self.link.receive(data, now))
            case "fetch", _:
                portion = self.portions.popleft() if self.portions and self.to_bank else None
                self._follow_register(self.register.host_fetched(portion, now))

    def _at(self, delay: int, whom: str, data: bytes = b"") -> None:
        heapq.heappush(self._queue, (self.now + delay, next(self._tickets), whom, data))

    def _write(self, whom: str, data: bytes) -> None:
        if self.writes not in self.lost:
            self._at(SLOWNESS, whom, data)
        self.writes += 1

    def _follow_register(self, effects: list[RegisterEffect]) -> None:
        now = Millis(self.now)
        for effect in effects:
            match effect:
                case Send(data):
                    self._write("pinpad", data)
                case OpenHost():
                    assert not self.open
                    self.open = True
                    self._follow_register(self.register.host_opened(True, now))
                case SendHost(data):
                    assert self.open
                    assert self.asked, "bytes at the bank before the pinpad said so"
                    self.to_bank.append(data)
                    self._follow_register(self.register.host_sent(True, now))
                case FetchHost():
                    assert self.open
                    self._at(FETCH_TIME if not self.portions else 0, "fetch")
                case CloseHost():
                    assert self.open
                    self.open = False
                case _:
                    pass

    def _follow_link(self, events: list[LinkEvent]) -> None:
        now = Millis(self.now)
        for event in events:
            match event:
                case Transmit(data):
                    self._write("register", data)
                case Received(message) if message.text(25) == "26":
                    if self.called:
                        continue  # the register repeats its request
                    self.called = True
                    self._follow_tunnel(self.tunnel.call(1, PAYLOAD, now))
                case Received(message):
                    self._follow_tunnel(self.tunnel.reply(message, now))
                case Started(TunnelToken() as token):
                    self._follow_tunnel(self.tunnel.sent(token))
                case Delivered(TunnelToken() as token):
                    self._follow_tunnel(self.tunnel.delivered(token, now))
                case Refused() | GaveUp() | PeerEot():
                    self._follow_tunnel(self.tunnel.drop("the register has left"))
                case _:
                    pass

    def _follow_tunnel(self, effects: list[TunnelEffect]) -> None:
        now = Millis(self.now)
        for effect in effects:
            match effect:
                case Say(message, token, _):
                    self._follow_link(self.link.send(message, now, token))
                case Withdraw():
                    self.link.abandon()
                case Tell(BankAsked()):
                    self.asked = True
                case Tell(HostBytes(_, data)):
                    self.from_bank += data
                    if len(self.from_bank) >= len(ANSWER):
                        self.ends.append("answered")
                        self.tunnel.hang_up(1)
                        self._follow_tunnel(self.tunnel.close(now))
                case Tell(BankFailed() | BankUnreachable() as end):
                    self.ends.append(end)
                    self._follow_tunnel(self.tunnel.close(now))
                case Closed():
                    self._follow_link(self.link.send(FINAL, now, "final"))
                case _:
                    pass


def portions(size: int) -> deque[bytes]:
    return deque(ANSWER[start : start + size] for start in range(0, len(ANSWER), size))


@pytest.mark.parametrize("size", [100, 256, 512])
def test_a_good_wire(size: int) -> None:
    wire = Wire(set(), portions(size))
    wire.run()
    assert wire.to_bank == [PAYLOAD]
    assert wire.from_bank == ANSWER
    assert wire.register.outcome == Answered(FINAL)
    assert not wire.open
    assert wire.now < 5000


@pytest.mark.parametrize("size", [100, 256, 512])
@pytest.mark.parametrize("lost", range(40))
def test_one_write_is_lost_and_nothing_else(size: int, lost: int) -> None:
    wire = Wire({lost}, portions(size))
    wire.run()
    assert wire.to_bank == [PAYLOAD]
    assert wire.from_bank == ANSWER
    assert wire.ends == ["answered"]
    assert not wire.open


@given(st.sets(st.integers(0, 60), max_size=8), st.sampled_from([100, 256, 512]))
def test_whatever_is_lost_the_bank_hears_it_once(lost: set[int], size: int) -> None:
    wire = Wire(lost, portions(size))
    wire.run()
    assert wire.to_bank in ([], [PAYLOAD])
    assert isinstance(wire.register.outcome, Answered | NoAnswer)
    assert ANSWER.startswith(wire.from_bank)
    assert len(wire.ends) <= 1
    assert not wire.open
