"""The stop-and-wait link, the same for pinpad and register (PROTOCOL.md, sections 0.1 and 3).

Bytes and the time go in, events come out; the link does no I/O and reads no clock. Each door returns what has
to be done and what has happened, in order: carry out every ``Transmit`` at once, in one write.

Who drives a link arms one timer for ``next_deadline`` and calls ``tick`` when it has passed.
"""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import assert_never

from smartsale_emu.errors import TlvError
from smartsale_emu.sa.assembly import Assembly, Verdict
from smartsale_emu.sa.events import (
    Admission,
    Admit,
    Delivered,
    GaveUp,
    Hear,
    LinkEvent,
    LinkTiming,
    Noted,
    NoteKind,
    PeerEot,
    Received,
    Refused,
    Started,
    Transmit,
    admit_all,
    hear_nothing,
)
from smartsale_emu.sa.framing import (
    Block,
    Control,
    Frame,
    FrameDecoder,
    Garbage,
    GarbageReason,
    Unit,
    encode_message,
)
from smartsale_emu.sa.tlv import Message
from smartsale_emu.units import Millis, later

__all__ = [
    "MAX_QUEUE",
    "Admit",
    "Delivered",
    "GaveUp",
    "Link",
    "LinkEvent",
    "LinkTiming",
    "NoteKind",
    "Noted",
    "PeerEot",
    "Received",
    "Refused",
    "Started",
    "Transmit",
]

MAX_QUEUE = 64
"""Messages that may wait behind the one under way; more is a mistake of the caller."""


@dataclass(slots=True)
class _Outgoing:
    """A message under way: the current block and how often it was sent (0: its turn has not come yet)."""

    token: Hashable
    blocks: list[bytes]
    eot_before_repeat: bool = False
    index: int = 0
    copies: int = 0

    @property
    def several(self) -> bool:
        return len(self.blocks) > 1

    @property
    def on_last_block(self) -> bool:
        return self.index == len(self.blocks) - 1


class Link:
    """One end of the line.

    Copies that the peer has not answered are counted one by one, so that a second ACK of a repeated frame is
    never taken for the ACK of the next one: that leaves only when every copy was answered or its
    ``ack_timeout`` is over.

    >>> link = Link()
    >>> link.send(Message.of({25: 21}), Millis(0), "wait")
    [Transmit(‹10 bytes›, 'frame'), Started(token='wait')]
    >>> link.next_deadline(), link.receive(b"\\x06", Millis(40)), link.idle
    (7000, [Delivered(token='wait')], True)
    """

    def __init__(
        self, timing: LinkTiming | None = None, *, admit: Admit | None = None, hear: Hear | None = None
    ) -> None:
        self.timing = timing or LinkTiming()
        self._admit, self._hear = admit or admit_all, hear or hear_nothing
        self._decoder = FrameDecoder(self.timing.max_frame)
        self._queue: deque[_Outgoing] = deque()
        self._outgoing: _Outgoing | None = None
        self.reset()

    # ------------------------------------------------------------------ doors

    def send(
        self,
        message: Message,
        now: Millis,
        token: Hashable,
        *,
        block_size: int | None = None,
        eot_before_repeat: bool = False,
    ) -> list[LinkEvent]:
        """Send a message, or queue it behind what is under way.

        ``block_size``: this message is cut into blocks of so many bytes on the wire, 32 to 65535, instead of
        the timing's (data to the bank, PROTOCOL.md, section 1). ``eot_before_repeat``: when its first block
        stays unanswered, the copy goes out in one write with an EOT in front (section 3, terminal behaviour
        seen). A copy after a NAK, or of a later block, which an EOT would tear from the first, has none.

        >>> begin = Message.of({0: 20000, 4: "643", 86: "201000"})
        >>> link = Link(LinkTiming(sends=2))
        >>> _ = link.send(begin, Millis(0), "session begin", eot_before_repeat=True)
        >>> [event.data[:4].hex(" ") for event in link.tick(Millis(7000))]
        ['04 02 17 00']

        Raises:
            ValueError: ``MAX_QUEUE`` messages are waiting already, a value does not fit its record, or
                it takes blocks and ``block_size`` is out of range.
        """
        if len(self._queue) >= MAX_QUEUE:
            raise ValueError(f"{MAX_QUEUE} messages are queued already")
        size = self.timing.block_size if block_size is None else block_size
        self._queue.append(_Outgoing(token, encode_message(message.encode(), size), eot_before_repeat))
        return self._pump(now)

    def withdraw(self, token: Hashable) -> bool:
        """Take back a queued message of which not one byte has left; return whether there was one."""
        for outgoing in self._queue:
            if outgoing.token == token:
                self._queue.remove(outgoing)
                return True
        return False

    def receive(self, data: bytes, now: Millis) -> list[LinkEvent]:
        """Take bytes of the peer. Bytes that come after the inter-byte time join nothing that came before."""
        events = self._expire_incoming(now)
        noise = b""
        for unit in self._decoder.feed(data):
            if isinstance(unit, Garbage) and unit.reason is GarbageReason.NOISE:
                noise += unit.data
                continue
            noise = self._note_noise(noise, events)
            self._hear(unit)
            self._take(unit, now, events)
        self._note_noise(noise, events)
        if data:
            self._last_byte = now
        return events

    def tick(self, now: Millis) -> list[LinkEvent]:
        """Do what is due: NAK half a frame, repeat or give up, send what had to wait."""
        events = self._expire_incoming(now)
        under_way = self._outgoing
        if under_way and under_way.copies and now >= self._owed[-1]:
            lead = Control.EOT.wire if under_way.eot_before_repeat and under_way.index == 0 else b""
            self._again(under_way, now, f"no ACK in {self.timing.ack_timeout} ms", events, lead)
        return events + self._pump(now)

    def next_deadline(self) -> Millis | None:
        """When ``tick`` has to be called next, or None."""
        deadlines = []
        if self._decoder.pending:
            deadlines.append(later(self._last_byte, self.timing.inter_byte))
        if self._assembly.begun:
            deadlines.append(later(self._last_block, self.timing.next_block))
        if self._owed and not self.idle:
            deadlines.append(self._owed[-1])
        return min(deadlines, default=None)

    def abandon(self) -> None:
        """Forget the queue and the message under way. ACKs owed for its copies stay owed, the next waits."""
        self._queue.clear()
        self._outgoing = None

    def reset(self) -> None:
        """The line is new: forget everything, owed ACKs and half a frame too."""
        self.abandon()
        self._drop_unfinished()
        self._assembly = Assembly(self.timing.max_message)
        self._owed: deque[Millis] = deque()  # when the time of each unanswered copy is over, the oldest first
        self._naks = 0
        self._last_byte = self._last_block = Millis(0)

    @property
    def idle(self) -> bool:
        """Nothing of ours is queued or waits for its ACK."""
        return self._outgoing is None and not self._queue

    # ------------------------------------------------------------------ incoming

    def _take(self, unit: Unit, now: Millis, events: list[LinkEvent]) -> None:
        match unit:
            case Frame():
                self._take_frame(unit, events)
            case Block():
                self._take_block(unit, now, events)
            case Control.ACK:
                self._take_ack(now, events)
            case Control.NAK:
                self._take_nak(now, events)
            case Control.EOT:
                self._take_eot(events)
            case Garbage():
                bad_crc = unit.reason is GarbageReason.BAD_CRC
                kind = NoteKind.BAD_CRC if bad_crc else NoteKind.BAD_HEADER
                self._refuse(kind, f"{len(unit.data)} bytes", events)
            case _:
                assert_never(unit)

    def _take_frame(self, frame: Frame, events: list[LinkEvent]) -> None:
        try:
            message = Message.parse(frame.data)
        except TlvError as error:
            self._refuse(NoteKind.BAD_TLV, str(error), events)
            return
        self._naks = 0
        if self._assembly.begun:
            events.append(Noted(NoteKind.ASSEMBLY_DROPPED, "a frame came instead of the next block"))
        self._assembly.reset()
        self._deliver(Received(message, frame.wire), "frame", events)

    def _deliver(self, received: Received, unit: str, events: list[LinkEvent]) -> bool:
        """Acknowledge a complete message and hand it over, or refuse it as the owner of the link says."""
        match self._admit(received.message, received.wire):
            case Admission.ACK:
                events += (Transmit(Control.ACK.wire, f"ACK of a {unit}"), received)
                return True
            case Admission.NAK:
                events.append(Noted(NoteKind.REFUSED, "busy: refused"))
                events.append(Transmit(Control.NAK.wire, "NAK: busy"))
            case Admission.IGNORE:
                events.append(Noted(NoteKind.REFUSED, "busy: not answered"))
        return False

    def _take_block(self, block: Block, now: Millis, events: list[LinkEvent]) -> None:
        verdict, detail = self._assembly.add(block)
        match verdict:
            case Verdict.OUT_OF_ORDER:
                self._refuse(NoteKind.BLOCK_OUT_OF_ORDER, detail, events)
                return
            case Verdict.TOO_LONG:
                self._refuse(NoteKind.MESSAGE_TOO_LONG, detail, events)
                return
            case Verdict.BAD_TLV:
                self._refuse(NoteKind.BAD_TLV, detail, events)
                return
            case Verdict.REPEATED:
                events.append(Noted(NoteKind.REPEATED_BLOCK, detail))
            case Verdict.RESTARTED:
                events.append(Noted(NoteKind.ASSEMBLY_DROPPED, detail))
            case Verdict.ACCEPTED:
                pass
            case _:
                assert_never(verdict)
        self._naks = 0
        self._last_block = now
        if (complete := self._assembly.take()) is not None:
            if not self._deliver(Received(*complete), "last block", events):
                self._assembly.refuse(complete)
        else:
            events.append(Transmit(Control.ACK.wire, f"ACK of block {block.number}"))

    def _refuse(self, kind: NoteKind, detail: str, events: list[LinkEvent]) -> None:
        """Answer NAK; after the last one in a row that we allow, EOT, and the session is given up."""
        self._naks += 1
        allowed = self.timing.naks_in_a_row
        events += (
            Noted(kind, detail),
            Transmit(Control.NAK.wire, f"NAK {self._naks} of {allowed}: {kind.value}"),
        )
        if self._naks < allowed:
            return
        because = f"{allowed} NAKs in a row"
        self._naks = 0
        self._assembly.reset()
        self.abandon()
        events += (Transmit(Control.EOT.wire, because), GaveUp(None, because))

    def _expire_incoming(self, now: Millis) -> list[LinkEvent]:
        events: list[LinkEvent] = []
        if self._decoder.pending and now >= later(self._last_byte, self.timing.inter_byte):
            detail = f"{self._drop_unfinished()} bytes of an unfinished frame dropped"
            self._refuse(NoteKind.INTER_BYTE_TIMEOUT, detail, events)
        if self._assembly.begun and now >= later(self._last_block, self.timing.next_block):
            self._assembly.reset()
            events.append(Noted(NoteKind.ASSEMBLY_DROPPED, f"no next block in {self.timing.next_block} ms"))
        return events

    def _drop_unfinished(self) -> int:
        if dropped := self._decoder.drop():
            self._hear(dropped)
        return len(dropped)

    def _note_noise(self, noise: bytes, events: list[LinkEvent]) -> bytes:
        if noise:
            self._hear(Garbage(noise, GarbageReason.NOISE))
            events.append(Noted(NoteKind.NOISE, f"{len(noise)} bytes skipped"))
        return b""

    # ------------------------------------------------------------------ outgoing

    def _pump(self, now: Millis) -> list[LinkEvent]:
        """Send the next block or message, if nothing is unanswered."""
        if self._outgoing and self._outgoing.copies:
            return []
        if self.idle or any(deadline > now for deadline in self._owed):
            return []
        self._owed.clear()
        events: list[LinkEvent] = []
        if self._outgoing is None:
            self._outgoing = self._queue.popleft()
        self._put(self._outgoing, now, "", events)
        if self._outgoing.index == 0:
            events.append(Started(self._outgoing.token))
        return events

    def _put(
        self, outgoing: _Outgoing, now: Millis, why: str, events: list[LinkEvent], lead: bytes = b""
    ) -> None:
        outgoing.copies += 1
        self._owed.append(later(now, self.timing.ack_timeout))
        because = f"block {outgoing.index + 1} of {len(outgoing.blocks)}" if outgoing.several else "frame"
        if why:
            because += f", copy {outgoing.copies} of {self.timing.sends}: {why}"
        if lead:
            because += ", after an EOT"
        events.append(Transmit(lead + outgoing.blocks[outgoing.index], because))

    def _again(
        self, outgoing: _Outgoing, now: Millis, because: str, events: list[LinkEvent], lead: bytes = b""
    ) -> None:
        """Send the current block once more, ``lead`` in front, or give up after the last send."""
        if outgoing.copies < self.timing.sends:
            self._put(outgoing, now, because, events, lead)
            return
        self.abandon()
        self._owed.clear()
        because = f"{outgoing.copies} sends: {because}"
        events += (Transmit(Control.EOT.wire, because), GaveUp(outgoing.token, because))

    def _take_ack(self, now: Millis, events: list[LinkEvent]) -> None:
        """An ACK answers the oldest unanswered copy, even one whose time is over."""
        if not self._owed:
            events.append(Noted(NoteKind.STRAY_ACK, "nothing was owed"))
            return
        self._owed.popleft()
        outgoing = self._outgoing
        if outgoing is None or not outgoing.copies:
            events.append(Noted(NoteKind.LATE_ACK, f"answers an earlier copy; {len(self._owed)} still owed"))
        elif outgoing.on_last_block:
            self._outgoing = None
            events.append(Delivered(outgoing.token))
        else:
            outgoing.index += 1
            outgoing.copies = 0
        events += self._pump(now)

    def _take_nak(self, now: Millis, events: list[LinkEvent]) -> None:
        """A NAK answers the oldest copy whose time is not over."""
        live = next((place for place, deadline in enumerate(self._owed) if deadline > now), None)
        if live is None:
            events.append(Noted(NoteKind.STRAY_NAK, "nothing was owed"))
            return
        del self._owed[live]
        if self._outgoing and self._outgoing.copies:
            self._again(self._outgoing, now, "NAK", events)
        else:
            events.append(Noted(NoteKind.STRAY_NAK, "of a copy of something already delivered"))
            events += self._pump(now)

    def _take_eot(self, events: list[LinkEvent]) -> None:
        outgoing = self._outgoing
        self.abandon()
        if self._assembly.begun:
            self._assembly.reset()
        if outgoing is None:
            if self._owed:
                self._owed.popleft()
            events.append(PeerEot())
            return
        self._owed.clear()
        events.append(Refused(outgoing.token, outgoing.copies, outgoing.on_last_block))
