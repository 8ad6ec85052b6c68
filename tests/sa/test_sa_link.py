"""The link, rule by rule, on virtual time (PROTOCOL.md, sections 0.1 and 3)."""

import pytest
from frames import VECTORS

from smartsale_emu.sa.events import (
    Admission,
    Delivered,
    GaveUp,
    LinkEvent,
    LinkTiming,
    Noted,
    NoteKind,
    PeerEot,
    Received,
    Refused,
    Started,
    Transmit,
)
from smartsale_emu.sa.framing import (
    Control,
    Garbage,
    Unit,
    crc16,
    encode_blocks,
    encode_frame,
    encode_message,
)
from smartsale_emu.sa.link import MAX_QUEUE, Admit, Link
from smartsale_emu.sa.tlv import Message, Record, encode_records
from smartsale_emu.units import Millis

ACK, NAK, EOT = b"\x06", b"\x15", b"\x04"
WAIT = Message.of({25: 21})
WAIT_WIRE = encode_frame(WAIT.encode())
FINAL = Message.of({0: 100, 25: 1, 39: 1})
FINAL_WIRE = encode_frame(FINAL.encode())
REQUEST = Message.of({0: 100, 4: 643, 25: 1})
REQUEST_WIRE = encode_frame(REQUEST.encode())
LONG = Message.of({25: 1, 90: "Ч" * 1501})
LONG_WIRES = encode_message(LONG.encode())
BAD_CRC = REQUEST_WIRE[:-1] + bytes((REQUEST_WIRE[-1] ^ 1,))
BAD_TLV = encode_frame(b"\x19\x05\x001")


def sealed_block(number: int, chunk: bytes) -> bytes:
    header = encode_records([Record(1, b"1"), Record(2, b"%d" % number)])
    body = len(header).to_bytes(2, "little") + header + chunk
    covered = b"\x01" + len(body).to_bytes(2, "little") + body
    return covered + crc16(covered).to_bytes(2, "big")


class Line:
    """A link and its clock; what it transmitted and what it told, apart."""

    def __init__(self, timing: LinkTiming | None = None, *, admit: Admit | None = None) -> None:
        self.link = Link(timing, admit=admit)
        self.now = 0
        self.sent: list[bytes] = []
        self.told: list[LinkEvent] = []

    def _carry_out(self, events: list[LinkEvent]) -> list[LinkEvent]:
        self.sent += [event.data for event in events if isinstance(event, Transmit)]
        self.told += [event for event in events if not isinstance(event, Transmit)]
        return events

    def at(self, now: int) -> "Line":
        """Let the time pass; every deadline on the way is served at its moment."""
        while (deadline := self.link.next_deadline()) is not None and deadline <= now:
            assert deadline >= self.now
            self.now = deadline
            self._carry_out(self.link.tick(deadline))
            assert self.link.next_deadline() != deadline, "a served deadline must move"
        self.now = now
        return self

    def send(
        self, message: Message, token: str, *, block_size: int | None = None, eot_before_repeat: bool = False
    ) -> "Line":
        self._carry_out(
            self.link.send(
                message, Millis(self.now), token, block_size=block_size, eot_before_repeat=eot_before_repeat
            )
        )
        return self

    def hear(self, data: bytes) -> list[LinkEvent]:
        return self._carry_out(self.link.receive(data, Millis(self.now)))

    def take(self) -> tuple[list[bytes], list[LinkEvent]]:
        taken = self.sent, self.told
        self.sent, self.told = [], []
        return taken


def notes(events: list[LinkEvent]) -> list[NoteKind]:
    return [event.kind for event in events if isinstance(event, Noted)]


@pytest.fixture
def line() -> Line:
    return Line()


# ---------------------------------------------------------------------- incoming frames


def test_a_good_frame_is_acked_before_it_is_told(line: Line) -> None:
    events = line.hear(REQUEST_WIRE)
    assert [type(event) for event in events] == [Transmit, Received]
    assert line.take() == ([ACK], [Received(REQUEST, REQUEST_WIRE)])


def test_byte_by_byte_and_two_glued_frames(line: Line) -> None:
    for byte in REQUEST_WIRE[:-1]:
        assert line.hear(bytes((byte,))) == []
    line.hear(REQUEST_WIRE[-1:] + WAIT_WIRE)
    assert line.take() == ([ACK, ACK], [Received(REQUEST, REQUEST_WIRE), Received(WAIT, WAIT_WIRE)])


def test_a_repeat_of_a_frame_is_acked_and_told_again_with_the_same_wire(line: Line) -> None:
    line.hear(REQUEST_WIRE)
    line.hear(REQUEST_WIRE)
    assert line.take() == ([ACK, ACK], [Received(REQUEST, REQUEST_WIRE)] * 2)


def test_noise_is_skipped_unanswered_and_counted(line: Line) -> None:
    line.hear(b"\xff\xfe\x05" + REQUEST_WIRE + b"\x03")
    sent, told = line.take()
    assert sent == [ACK]
    assert told == [
        Noted(NoteKind.NOISE, "3 bytes skipped"),
        Received(REQUEST, REQUEST_WIRE),
        Noted(NoteKind.NOISE, "1 bytes skipped"),
    ]


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        (BAD_CRC, NoteKind.BAD_CRC),
        (BAD_TLV, NoteKind.BAD_TLV),
        (encode_blocks(BAD_TLV[3:-2])[0], NoteKind.BAD_TLV),
        (sealed_block(-1, b""), NoteKind.BAD_HEADER),
    ],
)
def test_a_damaged_frame_is_naked(line: Line, wire: bytes, kind: NoteKind) -> None:
    line.hear(wire)
    sent, told = line.take()
    assert sent == [NAK]
    assert notes(told) == [kind]


def test_the_third_nak_in_a_row_gives_up_the_session(line: Line) -> None:
    for _ in range(3):
        line.hear(BAD_CRC)
    sent, told = line.take()
    assert sent == [NAK, NAK, NAK, EOT]
    assert told[-1] == GaveUp(None, "3 NAKs in a row")
    line.hear(BAD_CRC)
    assert line.take()[0] == [NAK], "the count began anew"


def test_a_good_frame_between_resets_the_count_of_naks(line: Line) -> None:
    for wire in (BAD_CRC, BAD_TLV, REQUEST_WIRE, BAD_CRC, BAD_TLV):
        line.hear(wire)
    assert line.take()[0] == [NAK, NAK, ACK, NAK, NAK]


def test_giving_up_over_naks_drops_what_we_were_sending(line: Line) -> None:
    line.send(WAIT, "wait").send(FINAL, "final")
    line.hear(BAD_CRC * 3)
    assert line.link.idle
    line.take()
    assert line.at(60_000).take() == ([], [])


# ---------------------------------------------------------------------- inter-byte time


def test_half_a_frame_and_five_seconds_of_silence_are_naked_and_dropped(line: Line) -> None:
    line.hear(REQUEST_WIRE[:7])
    line.at(1000).hear(REQUEST_WIRE[7:9])
    assert line.link.next_deadline() == 6000
    assert line.at(5999).take() == ([], [])
    sent, told = line.at(6000).take()
    assert sent == [NAK]
    assert told == [Noted(NoteKind.INTER_BYTE_TIMEOUT, "9 bytes of an unfinished frame dropped")]
    assert line.link.next_deadline() is None
    line.hear(REQUEST_WIRE)
    assert line.take() == ([ACK], [Received(REQUEST, REQUEST_WIRE)])


def test_a_frame_in_two_writes_four_seconds_apart_is_good(line: Line) -> None:
    line.hear(REQUEST_WIRE[:7])
    line.at(4999).hear(REQUEST_WIRE[7:])
    assert line.take() == ([ACK], [Received(REQUEST, REQUEST_WIRE)])


def test_bytes_after_the_time_join_nothing_even_if_no_tick_came_between() -> None:
    link = Link()
    link.receive(REQUEST_WIRE[:7], Millis(0))
    events = link.receive(REQUEST_WIRE, Millis(6000))
    assert [event.data for event in events if isinstance(event, Transmit)] == [NAK, ACK]
    assert events[-1] == Received(REQUEST, REQUEST_WIRE)


def test_three_half_frames_give_up_too(line: Line) -> None:
    for start in (0, 6000, 12_000):
        line.at(start).hear(b"\x02\x05")
    assert line.at(20_000).take()[0] == [NAK, NAK, NAK, EOT]


# ---------------------------------------------------------------------- incoming blocks


def test_blocks_are_acked_one_by_one_and_told_once(line: Line) -> None:
    for wire in LONG_WIRES:
        line.hear(wire)
    assert line.take() == ([ACK] * 4, [Received(LONG, b"".join(LONG_WIRES))])
    assert line.link.next_deadline() is None


@pytest.mark.parametrize("repeated", range(4))
def test_a_repeated_block_is_acked_and_not_appended(line: Line, repeated: int) -> None:
    for place, wire in enumerate(LONG_WIRES):
        line.hear(wire)
        if place == repeated:
            line.at(line.now + 5000).hear(wire)
    sent, told = line.take()
    assert sent == [ACK] * 5
    assert [event for event in told if isinstance(event, Received)] == [Received(LONG, b"".join(LONG_WIRES))]
    assert notes(told) == [NoteKind.REPEATED_BLOCK]


def test_a_whole_message_in_block_zero_may_come_again_like_any_frame(line: Line) -> None:
    (wire,) = encode_blocks(REQUEST.encode())
    line.hear(wire * 2)
    assert line.take() == ([ACK, ACK], [Received(REQUEST, wire)] * 2)


def test_the_same_long_message_again_is_told_again(line: Line) -> None:
    for wire in LONG_WIRES * 2:
        line.hear(wire)
    assert line.take() == ([ACK] * 8, [Received(LONG, b"".join(LONG_WIRES))] * 2)


def test_a_block_out_of_order_is_naked_and_the_right_one_still_counts(line: Line) -> None:
    for place in (0, 2, 1, 2, 3):
        line.hear(LONG_WIRES[place])
    sent, told = line.take()
    assert sent == [ACK, NAK, ACK, ACK, ACK]
    assert told == [
        Noted(NoteKind.BLOCK_OUT_OF_ORDER, "block 3 came instead of 2"),
        Received(LONG, b"".join(LONG_WIRES)),
    ]


def test_a_message_that_begins_in_the_middle_is_naked(line: Line) -> None:
    line.hear(LONG_WIRES[1])
    assert line.take()[0] == [NAK]


def test_block_one_in_the_middle_begins_anew(line: Line) -> None:
    for place in (0, 1, 0, 1, 2, 3):
        line.hear(LONG_WIRES[place])
    sent, told = line.take()
    assert sent == [ACK] * 6
    assert notes(told) == [NoteKind.ASSEMBLY_DROPPED]
    assert told[-1] == Received(LONG, b"".join(LONG_WIRES))


def test_a_frame_in_the_middle_drops_the_unfinished_message(line: Line) -> None:
    line.hear(LONG_WIRES[0] + REQUEST_WIRE)
    sent, told = line.take()
    assert sent == [ACK, ACK]
    assert notes(told) == [NoteKind.ASSEMBLY_DROPPED]
    assert told[-1] == Received(REQUEST, REQUEST_WIRE)
    line.hear(LONG_WIRES[1])
    assert line.take()[0] == [NAK]


def test_eot_in_the_middle_drops_the_unfinished_message(line: Line) -> None:
    """The peer has given it up: a message that it begins then is not joined to the old half."""
    line.hear(LONG_WIRES[0])
    line.hear(EOT)
    line.hear(encode_blocks(REQUEST.encode())[0])
    assert [event.message for event in line.told if isinstance(event, Received)] == [REQUEST]


def test_an_unfinished_message_is_dropped_after_45_seconds(line: Line) -> None:
    line.hear(LONG_WIRES[0])
    line.at(44_999).hear(LONG_WIRES[1])
    sent, told = line.at(44_999 + 45_000).take()
    assert (sent, notes(told)) == ([ACK, ACK], [NoteKind.ASSEMBLY_DROPPED])
    assert line.link.next_deadline() is None


def test_a_message_over_the_limit_is_naked_each_time_and_then_given_up() -> None:
    line = Line(LinkTiming(max_message=1000))
    for place in (0, 1, 2, 2, 2):
        line.hear(LONG_WIRES[place])
    sent, told = line.take()
    assert sent == [ACK, ACK, NAK, NAK, NAK, EOT]
    assert notes(told) == [NoteKind.MESSAGE_TOO_LONG] * 3


def test_empty_blocks_without_end_are_bounded_too() -> None:
    line = Line(LinkTiming(max_message=100))
    answers = []
    for number in range(1, 30):
        line.hear(sealed_block(number, b""))
        answers += line.take()[0]
    assert answers[:13] == [ACK] * 13
    assert answers[13:16] == [NAK, NAK, NAK]


# ---------------------------------------------------------------------- outgoing


def test_an_acked_frame_is_delivered(line: Line) -> None:
    line.send(WAIT, "wait")
    assert line.link.next_deadline() == 7000
    line.at(40).hear(ACK)
    assert line.take() == ([WAIT_WIRE], [Started("wait"), Delivered("wait")])
    assert line.link.idle
    assert line.link.next_deadline() is None


def test_an_ack_five_seconds_late_is_in_time(line: Line) -> None:
    line.send(WAIT, "wait").send(FINAL, "final")
    line.at(5000).hear(ACK)
    line.at(10_000).hear(ACK)
    sent, told = line.take()
    assert sent == [WAIT_WIRE, FINAL_WIRE]
    assert told == [Started("wait"), Delivered("wait"), Started("final"), Delivered("final")]


def test_silence_repeats_the_same_bytes_and_then_gives_up_with_eot(line: Line) -> None:
    line.send(FINAL, "final").send(WAIT, "wait")
    assert line.at(6999).take() == ([FINAL_WIRE], [Started("final")])
    assert line.at(7000).take() == ([FINAL_WIRE], [])
    assert line.at(14_000).take() == ([FINAL_WIRE], [])
    assert line.at(21_000).take() == ([EOT], [GaveUp("final", "3 sends: no ACK in 7000 ms")])
    assert line.link.idle
    assert line.at(90_000).take() == ([], [])


def test_a_nak_repeats_at_once_within_the_same_three_sends(line: Line) -> None:
    line.send(FINAL, "final")
    for _ in range(3):
        line.hear(NAK)
    assert line.take() == ([FINAL_WIRE] * 3 + [EOT], [Started("final"), GaveUp("final", "3 sends: NAK")])


def test_silence_and_nak_share_the_three_sends(line: Line) -> None:
    line.send(FINAL, "final").at(7000).hear(NAK)
    assert line.take()[0] == [FINAL_WIRE] * 3
    line.at(8000).hear(NAK)
    assert line.take() == ([EOT], [GaveUp("final", "3 sends: NAK")])


def test_the_ack_of_the_third_copy_delivers(line: Line) -> None:
    line.send(FINAL, "final").at(14_500).hear(ACK)
    assert line.take()[1] == [Started("final"), Delivered("final")]


def test_the_second_ack_of_a_repeated_wait_is_not_the_ack_of_the_final(line: Line) -> None:
    line.send(WAIT, "wait").at(7000).send(FINAL, "final")
    line.at(7100).hear(ACK)
    assert line.take() == ([WAIT_WIRE, WAIT_WIRE], [Started("wait"), Delivered("wait")])
    line.at(9000).hear(ACK)
    sent, told = line.take()
    assert sent == [FINAL_WIRE]
    assert told == [Noted(NoteKind.LATE_ACK, "answers an earlier copy; 0 still owed"), Started("final")]
    assert not line.link.idle
    line.at(9100).hear(ACK)
    assert line.take()[1] == [Delivered("final")]


def test_the_final_leaves_when_the_time_of_every_copy_of_the_wait_is_over(line: Line) -> None:
    line.send(WAIT, "wait").at(7000).send(FINAL, "final")
    line.at(7100).hear(ACK)
    line.take()
    assert line.link.next_deadline() == 14_000
    assert line.at(13_999).take() == ([], [])
    assert line.at(14_000).take() == ([FINAL_WIRE], [Started("final")])


def test_a_nak_of_a_copy_of_something_delivered_repeats_nothing(line: Line) -> None:
    line.send(WAIT, "wait").at(7000).send(FINAL, "final")
    line.hear(ACK + NAK)
    sent, told = line.take()
    assert sent == [WAIT_WIRE, WAIT_WIRE, FINAL_WIRE]
    assert notes(told) == [NoteKind.STRAY_NAK]


@pytest.mark.parametrize(("byte", "kind"), [(ACK, NoteKind.STRAY_ACK), (NAK, NoteKind.STRAY_NAK)])
def test_an_answer_to_nothing_is_only_noted(line: Line, byte: bytes, kind: NoteKind) -> None:
    line.hear(byte)
    sent, told = line.take()
    assert (sent, notes(told)) == ([], [kind])


def test_an_ack_after_giving_up_is_only_noted(line: Line) -> None:
    line.send(FINAL, "final").at(21_500).take()
    line.hear(ACK)
    sent, told = line.take()
    assert (sent, notes(told)) == ([], [NoteKind.STRAY_ACK])


def test_a_long_message_goes_block_by_block(line: Line) -> None:
    line.send(LONG, "long")
    for place in range(4):
        assert line.take()[0] == [LONG_WIRES[place]]
        line.hear(ACK)
    assert line.take() == ([], [Delivered("long")])


def test_every_block_has_its_own_three_sends(line: Line) -> None:
    line.send(LONG, "long").hear(NAK + NAK + ACK)
    line.hear(NAK + NAK + ACK)
    sent, told = line.take()
    assert sent == [LONG_WIRES[0]] * 3 + [LONG_WIRES[1]] * 3 + [LONG_WIRES[2]]
    assert told == [Started("long")]


def test_the_second_ack_of_a_repeated_block_is_not_the_ack_of_the_next(line: Line) -> None:
    line.send(LONG, "long").at(7000).hear(ACK)
    assert line.take()[0] == [LONG_WIRES[0]] * 2
    line.hear(ACK)
    assert line.take()[0] == [LONG_WIRES[1]]


def test_a_message_may_have_a_block_size_of_its_own(line: Line) -> None:
    line.send(LONG, "to the bank", block_size=500).send(LONG, "usual")
    own = encode_message(LONG.encode(), 500)
    assert len(own[0]) == 500
    assert len(LONG_WIRES[0]) == 512
    for wire in (*own, *LONG_WIRES):
        assert line.take()[0] == [wire]
        line.hear(ACK)


@pytest.mark.parametrize("size", [0, 31])
def test_a_block_size_out_of_range_is_our_own_mistake(line: Line, size: int) -> None:
    with pytest.raises(ValueError, match="outside 32 to 65535"):
        line.send(LONG, "long", block_size=size)
    assert line.link.idle


# ---------------------------------------------------------------------- EOT before a repeat, taking back


def test_an_unanswered_session_begin_is_repeated_after_an_eot_in_one_write(line: Line) -> None:
    (recorded,) = [vector for vector in VECTORS if vector.name == "vending-session-begin"]
    wire = bytes.fromhex(recorded.frame)
    line.send(Message.of(dict(recorded.fields)), "begin", eot_before_repeat=True)
    assert line.at(6999).take()[0] == [wire]
    assert line.at(7000).take()[0] == [EOT + wire]
    assert line.at(14_000).take()[0] == [EOT + wire]
    assert line.at(21_000).take() == ([EOT], [GaveUp("begin", "3 sends: no ACK in 7000 ms")])


def test_a_naked_message_is_repeated_without_the_eot(line: Line) -> None:
    line.send(WAIT, "begin", eot_before_repeat=True).hear(NAK)
    assert line.take()[0] == [WAIT_WIRE, WAIT_WIRE]


def test_only_the_first_block_is_repeated_after_an_eot(line: Line) -> None:
    line.send(LONG, "long", eot_before_repeat=True).at(7000).hear(ACK + ACK)
    assert line.take()[0] == [LONG_WIRES[0], EOT + LONG_WIRES[0], LONG_WIRES[1]]
    assert line.at(14_000).take()[0] == [LONG_WIRES[1]]


def test_the_next_message_is_repeated_as_it_says_itself(line: Line) -> None:
    line.send(WAIT, "begin", eot_before_repeat=True).send(FINAL, "final").hear(ACK)
    assert line.at(7000).take()[0] == [WAIT_WIRE, FINAL_WIRE, FINAL_WIRE]


def test_a_copy_after_an_eot_owes_one_ack(line: Line) -> None:
    line.send(WAIT, "begin", eot_before_repeat=True).at(7000).send(FINAL, "final").hear(ACK)
    assert line.take()[0] == [WAIT_WIRE, EOT + WAIT_WIRE]
    line.hear(ACK)
    assert line.take()[0] == [FINAL_WIRE]


def test_a_queued_message_can_be_taken_back_before_its_first_byte_leaves(line: Line) -> None:
    line.send(WAIT, "wait").send(FINAL, "final").send(REQUEST, "behind")
    assert line.link.withdraw("final")
    assert not line.link.withdraw("final")
    line.hear(ACK)
    assert line.take()[0] == [WAIT_WIRE, REQUEST_WIRE]


@pytest.mark.parametrize("token", ["under way", "delivered", "never sent"])
def test_what_has_left_cannot_be_taken_back(line: Line, token: str) -> None:
    line.send(WAIT, "delivered").hear(ACK)
    line.send(LONG, "under way")
    assert not line.link.withdraw(token)
    line.hear(ACK)
    assert line.take()[0] == [WAIT_WIRE, *LONG_WIRES[:2]]


def test_crossing_messages_are_both_served(line: Line) -> None:
    line.send(WAIT, "wait").hear(REQUEST_WIRE + ACK)
    assert line.take() == (
        [WAIT_WIRE, ACK],
        [Started("wait"), Received(REQUEST, REQUEST_WIRE), Delivered("wait")],
    )


# ---------------------------------------------------------------------- EOT


def test_eot_with_nothing_unanswered_is_the_end_of_a_session(line: Line) -> None:
    line.send(FINAL, "final").hear(ACK + EOT)
    assert line.take()[1] == [Started("final"), Delivered("final"), PeerEot()]


def test_eot_instead_of_the_ack_refuses_and_drops_the_queue(line: Line) -> None:
    line.send(WAIT, "wait").send(FINAL, "final").hear(EOT)
    assert line.take() == ([WAIT_WIRE], [Started("wait"), Refused("wait", copy=1, last_block=True)])
    assert line.link.idle
    assert line.at(60_000).take() == ([], [])


def test_eot_in_answer_to_a_repeat_says_so(line: Line) -> None:
    line.send(FINAL, "final").at(7010).hear(EOT)
    assert line.take()[1] == [Started("final"), Refused("final", copy=2, last_block=True)]


def test_eot_in_answer_to_a_block_that_is_not_the_last(line: Line) -> None:
    line.send(LONG, "long").hear(ACK + EOT)
    assert line.take()[1] == [Started("long"), Refused("long", copy=1, last_block=False)]


def test_eot_between_two_blocks_refuses_copy_zero(line: Line) -> None:
    line.send(LONG, "long").at(7000).hear(ACK + EOT)
    assert line.take()[1] == [Started("long"), Refused("long", copy=0, last_block=False)]


def test_eot_after_a_repeated_final_ends_the_session_and_answers_the_second_copy(line: Line) -> None:
    line.send(FINAL, "final").at(7000).hear(ACK + EOT)
    assert line.take()[1] == [Started("final"), Delivered("final"), PeerEot()]
    line.send(WAIT, "wait")
    assert line.take()[0] == [WAIT_WIRE], "nothing is owed any more"


def test_eot_while_a_message_waits_for_its_turn_drops_it_unbegun(line: Line) -> None:
    line.send(WAIT, "wait").at(7000).send(FINAL, "final").hear(ACK + EOT)
    assert line.take() == ([WAIT_WIRE] * 2, [Started("wait"), Delivered("wait"), PeerEot()])
    assert line.link.idle


# ---------------------------------------------------------------------- admission


@pytest.mark.parametrize(("verdict", "sent"), [(Admission.NAK, [NAK]), (Admission.IGNORE, [])])
def test_a_message_that_is_not_admitted_is_not_told(verdict: Admission, sent: list[bytes]) -> None:
    line = Line(admit=lambda message, wire: verdict)
    line.hear(REQUEST_WIRE)
    answers, told = line.take()
    assert (answers, notes(told), len(told)) == (sent, [NoteKind.REFUSED], 1)


def test_refusing_for_being_busy_never_gives_up_the_session() -> None:
    line = Line(admit=lambda message, wire: Admission.NAK)
    line.hear(REQUEST_WIRE * 4)
    assert line.take()[0] == [NAK] * 4


def test_the_repeat_of_the_last_block_of_a_refused_message_is_judged_again() -> None:
    verdicts = [Admission.NAK, Admission.IGNORE, Admission.ACK]
    line = Line(admit=lambda message, wire: verdicts.pop(0))
    for wire in (*LONG_WIRES, LONG_WIRES[-1], LONG_WIRES[-1], LONG_WIRES[-1]):
        line.hear(wire)
    sent, told = line.take()
    assert sent == [ACK, ACK, ACK, NAK, ACK, ACK]
    assert notes(told) == [NoteKind.REFUSED, NoteKind.REFUSED, NoteKind.REPEATED_BLOCK]
    assert [event for event in told if isinstance(event, Received)] == [Received(LONG, b"".join(LONG_WIRES))]


def test_a_repeat_of_the_first_block_after_a_refused_message_completes_nothing() -> None:
    line = Line(admit=lambda message, wire: Admission.NAK)
    for wire in (*LONG_WIRES, LONG_WIRES[0], LONG_WIRES[0]):
        line.hear(wire)
    sent, told = line.take()
    assert sent == [ACK, ACK, ACK, NAK, ACK, ACK]
    assert notes(told) == [NoteKind.REFUSED, NoteKind.REPEATED_BLOCK]


# ---------------------------------------------------------------------- abandon, reset, bounds


def test_after_abandon_the_owed_ack_still_holds_back_the_next_message(line: Line) -> None:
    line.send(WAIT, "old").send(FINAL, "old final")
    line.link.abandon()
    assert line.link.idle
    line.take()
    line.at(100).send(WAIT, "new")
    assert line.take() == ([], [])
    line.hear(ACK)
    sent, told = line.take()
    assert (sent, notes(told), told[-1]) == ([WAIT_WIRE], [NoteKind.LATE_ACK], Started("new"))


def test_after_reset_nothing_is_owed_and_half_a_frame_is_forgotten(line: Line) -> None:
    line.send(WAIT, "old").hear(LONG_WIRES[0] + b"\x02\x05")
    line.link.reset()
    assert line.link.next_deadline() is None
    line.take()
    line.send(FINAL, "new").hear(ACK + REQUEST_WIRE)
    assert line.take() == (
        [FINAL_WIRE, ACK],
        [Started("new"), Delivered("new"), Received(REQUEST, REQUEST_WIRE)],
    )


def test_the_queue_is_bounded(line: Line) -> None:
    for number in range(MAX_QUEUE + 1):
        line.send(WAIT, str(number))
    with pytest.raises(ValueError, match="queued"):
        line.send(WAIT, "one too many")


def test_a_late_timer_repeats_once_and_counts_from_then(line: Line) -> None:
    line.send(FINAL, "final")
    line.take()
    assert [type(event) for event in line.link.tick(Millis(30_000))] == [Transmit]
    assert line.link.next_deadline() == 37_000


# ---------------------------------------------------------------------- what is heard


def test_every_unit_is_heard_as_it_comes() -> None:
    heard: list[Unit | bytes] = []
    link = Link(hear=heard.append)
    link.receive(b"?!" + REQUEST_WIRE + BAD_CRC + ACK + b"\x02\x05", Millis(0))
    assert [type(unit).__name__ for unit in heard] == ["Garbage", "Frame", "Garbage", "Control"]
    first, last = heard[0], heard[-1]
    assert isinstance(first, Garbage), "neighbouring noise is heard as one"
    assert (first.data, last) == (b"?!", Control.ACK)


def test_half_a_frame_is_heard_when_it_is_dropped() -> None:
    heard: list[Unit | bytes] = []
    link = Link(hear=heard.append)
    link.receive(REQUEST_WIRE[:7], Millis(0))
    assert heard == []
    link.tick(Millis(link.timing.inter_byte))
    assert heard == [REQUEST_WIRE[:7]]
    link.receive(REQUEST_WIRE[:3], Millis(9000))
    link.reset()
    assert heard == [REQUEST_WIRE[:7], REQUEST_WIRE[:3]]
