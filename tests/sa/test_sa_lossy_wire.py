"""Two links on a wire that loses, delays, damages and adds bytes: no wrong delivery, no silent loss."""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.sa.events import (
    Delivered,
    GaveUp,
    LinkEvent,
    LinkTiming,
    PeerEot,
    Received,
    Refused,
    Started,
    Transmit,
)
from smartsale_emu.sa.link import Link
from smartsale_emu.sa.tlv import Message
from smartsale_emu.units import Millis

TIMING = LinkTiming(block_size=64)


@dataclass(frozen=True)
class Fate:
    """What happens to one write. ``damage``: the byte at this place is changed, if there is one."""

    lost: bool = False
    delay: int = 1
    damage: int | None = None
    noise: bytes = b""

    def apply(self, data: bytes) -> bytes:
        if self.lost:
            return b""
        if self.damage is not None:
            place = self.damage % len(data)
            # a damaged control byte becomes noise, never another control byte: no protocol could tell
            changed = b"\xff" if len(data) == 1 else bytes((data[place] ^ 0x5A,))
            data = data[:place] + changed + data[place + 1 :]
        return self.noise + data


GOOD = Fate()
fates = st.builds(
    Fate,
    lost=st.sampled_from([False, False, True]),
    delay=st.integers(1, 3000),
    damage=st.none() | st.integers(0, 70),
    noise=st.sampled_from([b"", b"", b"\xff\x05", b"\x02", b"\x01\x30"]),
)


@dataclass
class Wire:
    """Sender and receiver, both ways in order, on one virtual clock."""

    script: deque[Fate]
    sender: Link = field(default_factory=lambda: Link(TIMING))
    receiver: Link = field(default_factory=lambda: Link(TIMING))
    now: int = 0
    told: list[LinkEvent] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    under_way: list[tuple[int, int, Link, bytes]] = field(default_factory=list)
    ticket: Iterator[int] = field(default_factory=count)
    last: dict[int, int] = field(default_factory=dict)

    def carry_out(self, events: list[LinkEvent], *, source: Link) -> None:
        target = self.receiver if source is self.sender else self.sender
        for event in events:
            if isinstance(event, Transmit):
                fate = self.script.popleft() if self.script else GOOD
                moment = max(self.now + fate.delay, self.last.get(id(target), 0))
                self.last[id(target)] = moment
                heapq.heappush(self.under_way, (moment, next(self.ticket), target, fate.apply(event.data)))
            elif source is self.sender:
                self.told.append(event)
            elif isinstance(event, Received):
                self.received.append(event)

    def step(self) -> bool:
        """Go to the next moment at which something happens; False when nothing will."""
        deadlines = [
            (deadline, link)
            for link in (self.sender, self.receiver)
            if (deadline := link.next_deadline()) is not None
        ]
        arrival = self.under_way[0][0] if self.under_way else None
        if deadlines and (arrival is None or min(deadlines, key=lambda pair: pair[0])[0] <= arrival):
            moment, link = min(deadlines, key=lambda pair: pair[0])
            self.now = max(self.now, moment)
            self.carry_out(link.tick(Millis(self.now)), source=link)
            return True
        if arrival is None:
            return False
        self.now, _, target, data = heapq.heappop(self.under_way)
        self.carry_out(target.receive(data, Millis(self.now)), source=target)
        return True

    def run(self) -> None:
        for _ in range(5000):
            if not self.step():
                return
        raise AssertionError("the line never comes to rest")


def messages(sizes: list[int]) -> list[Message]:
    return [Message.of({25: number, 90: "x" * size}) for number, size in enumerate(sizes)]


@given(st.lists(st.integers(0, 200), min_size=1, max_size=4), st.lists(fates, max_size=25))
def test_delivered_means_received_once_in_order_and_all_else_is_reported(
    sizes: list[int], script: list[Fate]
) -> None:
    wire = Wire(deque(script))
    wanted = messages(sizes)
    for number, message in enumerate(wanted):
        wire.carry_out(wire.sender.send(message, Millis(wire.now), number), source=wire.sender)
        wire.run()
        assert wire.sender.idle

    started = [event.token for event in wire.told if isinstance(event, Started)]
    ends = [event for event in wire.told if isinstance(event, Delivered | Refused | GaveUp)]
    assert started == list(range(len(wanted)))
    ended = [event.token for event in ends if isinstance(event.token, int)]
    assert ended == sorted(set(ended)), "each message has one end, in order"
    # over three bad frames in a row a link gives up the whole session, whatever it was sending
    assert len(wanted) - len(ended) <= ends.count(GaveUp(None, "3 NAKs in a row"))

    distinct = [event for place, event in enumerate(wire.received) if event not in wire.received[:place]]
    numbers = [wanted.index(event.message) for event in distinct]
    assert numbers == sorted(set(numbers)), "in order, nothing that was not sent"
    delivered = {event.token for event in wire.told if isinstance(event, Delivered)}
    assert delivered <= set(numbers)
    for event in distinct:
        copies = wire.received.count(event)
        assert copies == 1 if len(event.wire) > 64 else copies <= TIMING.sends


@given(st.lists(st.integers(0, 200), min_size=1, max_size=4))
def test_a_good_wire_delivers_everything_exactly_once(sizes: list[int]) -> None:
    wire = Wire(deque())
    for number, message in enumerate(messages(sizes)):
        wire.carry_out(wire.sender.send(message, Millis(0), number), source=wire.sender)
    wire.run()
    assert [event.message for event in wire.received] == messages(sizes)
    assert [event.token for event in wire.told if isinstance(event, Delivered)] == list(range(len(sizes)))


@given(st.lists(st.tuples(st.binary(max_size=30), st.integers(0, 9000)), max_size=20), st.booleans())
def test_no_bytes_at_no_time_break_a_link(chunks: list[tuple[bytes, int]], sending: bool) -> None:
    link = Link(LinkTiming(max_frame=64, max_message=128))
    now = 0
    if sending:
        link.send(Message.of({25: 1, 90: "x" * 700}), Millis(0), "ours")
    for data, pause in chunks:
        now += pause
        events = link.tick(Millis(now)) + link.receive(data, Millis(now))
        gone = [event for event in events if isinstance(event, PeerEot | Refused | GaveUp)]
        assert link.idle or not gone
        deadline = link.next_deadline()
        assert deadline is None or deadline > now or link.tick(Millis(now)) is not None
    for _ in range(20):
        if (deadline := link.next_deadline()) is None:
            break
        link.tick(deadline)
    assert link.next_deadline() is None
    assert link.idle
