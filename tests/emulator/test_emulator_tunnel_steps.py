"""The way to the bank through the register, step by step, on virtual time (PROTOCOL.md, section 9.2)."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tunnel_line import ADDRESS, ANSWER, PAYLOAD, Line, asked, assert_broken, kinds, reach, replied

from smartsale_emu.emulator.doors import HostBytes
from smartsale_emu.emulator.tunnel import (
    COPY_SIZE,
    TunnelTiming,
)
from smartsale_emu.sa.tlv import Message, Record
from smartsale_emu.sa.tunnel_frames import Step
from smartsale_emu.terminal.events import BankAsked, BankFailed, BankUnreachable
from smartsale_emu.units import Millis


@pytest.fixture
def line() -> Line:
    return Line()


# ---------------------------------------------------------------------- the good way


def test_a_whole_session(line: Line) -> None:
    line.call()
    assert line.on_line is not None
    assert line.on_line.message == Message.of({25: 63, 64: 1, 65: 16, 70: ADDRESS})
    line.exchange(Step.OPEN)
    assert line.on_line.message == Message.of({25: 63, 64: 0, 65: 17, 70: PAYLOAD})
    assert line.take() == []
    line.leave(Step.SEND)
    assert line.take() == [BankAsked(1)]
    line.acked(Step.SEND).hear(replied(Step.SEND))
    assert line.on_line is not None
    assert line.on_line.message == Message.of({25: 63, 64: 1, 65: 17})
    line.exchange(Step.FETCH, 1).exchange(Step.FETCH, 0, ANSWER)
    assert line.take() == [HostBytes(1, ANSWER)]
    line.hang_up().close()
    assert line.on_line is not None
    assert line.on_line.message == Message.of({25: 63, 64: 0, 65: 16, 70: ADDRESS})
    assert line.closed == 0
    line.exchange(Step.CLOSE)
    assert line.closed == 1
    assert line.at(300_000).take() == []
    assert line.steps == [Step.OPEN, Step.SEND, Step.FETCH, Step.FETCH, Step.CLOSE]


def test_nothing_yet_is_asked_again_at_once_and_bytes_at_the_next_tick(line: Line) -> None:
    asked(line).exchange(Step.FETCH, 1)
    assert line.token(Step.FETCH)
    line.exchange(Step.FETCH, 0, ANSWER)
    assert line.on_line is None, "the bytes may be all that was awaited"
    assert line.tunnel.next_deadline() == line.now
    assert line.fetch_on().token(Step.FETCH)


@pytest.mark.parametrize("data", [None, b""])
def test_a_fetch_that_brings_no_byte_is_nothing_yet(line: Line, data: bytes | None) -> None:
    asked(line).take()
    line.exchange(Step.FETCH, 0, data)
    assert line.token(Step.FETCH)
    assert line.take() == []


def test_a_pause_between_polls() -> None:
    line = asked(Line(TunnelTiming(poll_pause=Millis(700)))).exchange(Step.FETCH, 1)
    assert (line.on_line, line.tunnel.next_deadline(), line.tunnel.awaiting) == (None, 700, False)
    line.at(699)
    assert line.on_line is None
    assert line.at(700).token(Step.FETCH)
    line.exchange(Step.FETCH, 0, ANSWER).fetch_on()
    assert line.token(Step.FETCH), "after bytes there is no pause"


def test_dual_connectors_reply_with_fields_70_and_69_opens_and_refuses(line: Line) -> None:
    extra = {70: bytes(range(128)), 69: b"\x01\x00\x01"}
    line.call().deliver(Step.OPEN).hear(Message.of({25: 63, 65: 16, 67: 1, **extra}))
    assert kinds(line.take()) == [BankUnreachable]
    opened = Message(
        tuple(
            Record(tag, value)
            for tag, value in ((25, b"63"), (65, b"16"), (67, b"0"), (70, bytes(128)), (69, b"\x01\x00\x01"))
        )
    )
    line.call(2).deliver(Step.OPEN).hear(opened).exchange(Step.SEND).exchange(Step.FETCH, 0, ANSWER)
    assert line.take() == [BankAsked(2), HostBytes(2, ANSWER)]


def test_the_registers_slowness_is_borne(line: Line) -> None:
    line.call().deliver(Step.OPEN).at(16_000).hear(replied(Step.OPEN)).exchange(Step.SEND)
    line.deliver(Step.FETCH).at(23_000).hear(replied(Step.FETCH, 1)).exchange(Step.FETCH, 0, ANSWER)
    assert line.take() == [BankAsked(1), HostBytes(1, ANSWER)]


def test_awaiting_from_the_request_to_its_reply(line: Line) -> None:
    assert not line.tunnel.awaiting
    line.call()
    assert line.tunnel.awaiting
    line.deliver(Step.OPEN)
    assert line.tunnel.awaiting
    line.hear(replied(Step.OPEN)).exchange(Step.SEND).exchange(Step.FETCH, 0, ANSWER)
    assert not line.tunnel.awaiting
    line.hang_up().close()
    assert line.tunnel.awaiting
    line.exchange(Step.CLOSE)
    assert not line.tunnel.awaiting


@given(chunks=st.lists(st.binary(max_size=200), max_size=12))
def test_any_slicing_of_the_banks_bytes(chunks: list[bytes]) -> None:
    """An empty chunk is "nothing yet"; the same many bytes twice would be a copy."""
    assume(not any(one == other and len(one) >= COPY_SIZE for one, other in pairwise(chunks)))
    line = asked(Line())
    for chunk in chunks:
        line.exchange(Step.FETCH, *((0, chunk) if chunk else (1, None))).fetch_on()
    first, *others = line.take()
    assert first == BankAsked(1)
    assert others == [HostBytes(1, chunk) for chunk in chunks if chunk]


# ---------------------------------------------------------------------- every step goes wrong


ASKING = (Step.OPEN, Step.SEND, Step.FETCH)
END = {Step.OPEN: BankUnreachable, Step.SEND: BankFailed, Step.FETCH: BankFailed}
GARBAGE: dict[str, Callable[[Step], Message]] = {
    "another mode": lambda step: Message.of({25: 63, 65: 33 - int(step.mode), 67: 1}),
    "another mode that brings bytes": lambda step: Message.of(
        {25: 63, 65: 33 - int(step.mode), 67: 0, 70: b"x"}
    ),
    "no result": lambda step: Message.of({25: 63, 65: int(step.mode), 70: b"x"}),
    "result 3": lambda step: Message.of({25: 63, 65: int(step.mode), 67: 3}),
    "result text": lambda step: Message.of({25: 63, 65: int(step.mode), 67: "OK"}),
    "no mode": lambda step: Message.of({25: 63, 67: 0}),
}


def test_a_refused_open_leaves_the_tunnel_usable(line: Line) -> None:
    line.call().exchange(Step.OPEN, 1)
    assert kinds(line.take()) == [BankUnreachable]
    assert not line.tunnel.awaiting
    line.call(2).exchange(Step.OPEN).exchange(Step.SEND)
    assert line.take() == [BankAsked(2)]


def test_close_after_a_refused_open_is_at_once(line: Line) -> None:
    line.call().exchange(Step.OPEN, 1).close()
    assert (line.closed, line.steps) == (1, [Step.OPEN])


def test_a_refused_send_breaks_the_tunnel(line: Line) -> None:
    reach(line, Step.SEND).hear(replied(Step.SEND, 1))
    assert kinds(line.take()) == [BankFailed]
    assert_broken(line)


@pytest.mark.parametrize("step", ASKING)
def test_a_missing_reply_breaks_the_tunnel_in_its_time(line: Line, step: Step) -> None:
    patience = 45_000 if step is Step.OPEN else 30_000
    reach(line, step)
    assert line.tunnel.next_deadline() == patience
    assert line.at(patience - 1).take() == []
    assert line.tunnel.awaiting
    (event,) = line.at(patience).take()
    assert isinstance(event, END[step])
    assert event == END[step](1, f"no reply to the request to {step.words}")
    assert not line.tunnel.awaiting
    assert_broken(line)


@pytest.mark.parametrize("step", ASKING)
@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_breaks_the_tunnel(line: Line, step: Step, garbage: str) -> None:
    reach(line, step).hear(GARBAGE[garbage](step))
    assert kinds(line.take()) == [END[step]]
    assert_broken(line)


@pytest.mark.parametrize("step", ASKING)
def test_the_register_vanishes_before_it_replies(line: Line, step: Step) -> None:
    reach(line, step).drop()
    assert line.take() == [END[step](1, "the register has left")]
    assert line.closed == 0
    assert line.at(300_000).take() == []
    line.call(2)
    assert line.token(Step.OPEN), "the next session begins anew"


@pytest.mark.parametrize("left", [False, True])
def test_the_register_vanishes_before_it_acknowledges_the_payload(line: Line, left: bool) -> None:
    line.call().exchange(Step.OPEN)
    if left:
        line.leave(Step.SEND)
    line.take()
    line.drop()
    assert kinds(line.take()) == [BankFailed if left else BankUnreachable]


def test_the_register_vanishes_when_nothing_is_open(line: Line) -> None:
    line.drop()
    assert (line.told, line.closed) == ([], 0)


@pytest.mark.parametrize("result", [0, 1])
def test_a_close_is_over_with_either_reply(line: Line, result: int) -> None:
    reach(line, Step.CLOSE).hear(replied(Step.CLOSE, result))
    assert line.closed == 1
    line.call(2)
    assert line.token(Step.OPEN)


def test_a_close_without_a_reply_is_over_after_its_time(line: Line) -> None:
    reach(line, Step.CLOSE).at(29_999)
    assert line.closed == 0
    line.at(30_000)
    assert (line.closed, line.take()) == (1, [])
    line.call(2)
    assert line.token(Step.OPEN), "a new session"


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_close_with_garbage_is_over(line: Line, garbage: str) -> None:
    reach(line, Step.CLOSE).hear(GARBAGE[garbage](Step.CLOSE))
    assert (line.closed, line.take(), line.tunnel.awaiting) == (1, [], False)


def test_the_register_vanishes_while_we_close(line: Line) -> None:
    reach(line, Step.CLOSE).drop()
    assert (line.closed, line.take(), line.tunnel.awaiting) == (0, [], False)
    assert line.at(300_000).closed == 0


def test_nothing_is_due_while_our_request_is_unacknowledged(line: Line) -> None:
    line.call().leave(Step.OPEN)
    assert line.tunnel.next_deadline() is None, "the link has its own time"
    line.at(20_000).acked(Step.OPEN)
    assert line.tunnel.next_deadline() == 65_000


def test_a_reply_after_its_time_changes_nothing(line: Line) -> None:
    reach(line, Step.SEND).at(30_000).take()
    line.hear(replied(Step.SEND)).hear(replied(Step.FETCH, 0, ANSWER))
    assert (line.take(), line.on_line) == ([], None)


def test_another_call_at_the_same_time_is_our_own_mistake(line: Line) -> None:
    line.call()
    with pytest.raises(ValueError, match="one call at a time"):
        line.call(2)


def test_a_call_while_the_tunnel_closes_is_our_own_mistake(line: Line) -> None:
    reach(line, Step.CLOSE)
    with pytest.raises(ValueError, match="none while it closes"):
        line.call(2)


# ---------------------------------------------------------------------- hanging up


def test_hanging_up_what_has_not_left_withdraws_it(line: Line) -> None:
    line.call().hang_up()
    assert (line.on_line, line.tunnel.awaiting, line.take()) == (None, False, [])
    line.close()
    assert (line.closed, line.steps) == (1, [Step.OPEN])


def test_a_payload_that_has_not_left_never_leaves_and_the_connection_stays(line: Line) -> None:
    line.call().exchange(Step.OPEN).hang_up()
    assert (line.on_line, line.take()) == (None, [])
    line.call(2, b"reversal")
    assert line.on_line is not None
    assert line.on_line.message.get(70) == b"reversal"
    line.leave(Step.SEND)
    assert line.take() == [BankAsked(2)]


def test_an_open_under_way_serves_the_next_call(line: Line) -> None:
    line.call().leave(Step.OPEN).hang_up().call(2)
    line.acked(Step.OPEN).hear(replied(Step.OPEN)).exchange(Step.SEND)
    assert line.steps == [Step.OPEN, Step.SEND, Step.FETCH]
    assert line.take() == [BankAsked(2)]


def test_a_refused_open_of_a_call_that_hung_up_is_not_the_next_ones(line: Line) -> None:
    line.call().leave(Step.OPEN).hang_up().call(2).acked(Step.OPEN).hear(replied(Step.OPEN, 1))
    assert line.take() == []
    line.exchange(Step.OPEN).exchange(Step.SEND)
    assert line.steps[:3] == [Step.OPEN, Step.OPEN, Step.SEND]


@pytest.mark.parametrize("step", [Step.SEND, Step.FETCH])
def test_a_reply_under_way_is_swallowed_before_the_next_request(line: Line, step: Step) -> None:
    reach(line, step).hang_up().call(2, b"reversal")
    assert line.on_line is None
    line.hear(replied(step, 0, ANSWER if step is Step.FETCH else None))
    assert line.take() == []
    line.deliver(Step.SEND)
    assert line.take() == [BankAsked(2)]


def test_a_hung_up_call_is_told_nothing_and_polls_no_more(line: Line) -> None:
    asked(line).exchange(Step.FETCH, 0, ANSWER).take()
    line.hang_up().at(300_000)
    assert (line.on_line, line.take(), line.tunnel.next_deadline()) == (None, [], None)


def test_nothing_yet_for_a_hung_up_call_holds_nobody_up() -> None:
    line = reach(Line(TunnelTiming(poll_pause=Millis(700))), Step.FETCH).hang_up()
    line.hear(replied(Step.FETCH, 1))
    assert line.tunnel.next_deadline() is None
    line.call(2)
    assert line.token(Step.SEND)


def test_a_broken_tunnel_ends_the_call_that_waited_behind_the_hung_up_one(line: Line) -> None:
    reach(line, Step.FETCH).hang_up().call(2).at(30_000)
    assert line.take() == [BankUnreachable(2, "no reply to the request to fetch from the bank")]
    assert_broken(line)


@pytest.mark.parametrize("number", [0, 2])
def test_hanging_up_another_call_changes_nothing(line: Line, number: int) -> None:
    line.call().hang_up(number).exchange(Step.OPEN).exchange(Step.SEND)
    assert line.take() == [BankAsked(1)]


def test_two_calls_over_one_connection(line: Line) -> None:
    asked(line).exchange(Step.FETCH, 0, ANSWER).hang_up()
    line.call(2, b"second").exchange(Step.SEND).exchange(Step.FETCH, 0, b"second answer").hang_up().close()
    assert line.take() == [
        BankAsked(1),
        HostBytes(1, ANSWER),
        BankAsked(2),
        HostBytes(2, b"second answer"),
    ]
    assert line.steps == [Step.OPEN, Step.SEND, Step.FETCH, Step.SEND, Step.FETCH, Step.CLOSE]


def test_an_unanswered_call_may_leave_its_connection_behind(line: Line) -> None:
    reach(line, Step.FETCH).hang_up(keep=False).call(2, b"reversal")
    line.hear(replied(Step.FETCH, 0, ANSWER[:4]))
    line.exchange(Step.CLOSE).exchange(Step.OPEN).exchange(Step.SEND).exchange(Step.FETCH, 0, b"undone")
    assert line.take() == [BankAsked(2), HostBytes(2, b"undone")], "half a late answer met nobody"
    assert line.closed == 0


def test_a_call_that_asked_nothing_leaves_its_connection_to_the_next(line: Line) -> None:
    line.call().exchange(Step.OPEN).hang_up(keep=False).call(2)
    assert line.steps == [Step.OPEN, Step.SEND, Step.SEND]


def test_a_connection_left_behind_is_closed_at_the_end(line: Line) -> None:
    reach(line, Step.FETCH).hang_up(keep=False).close()
    line.hear(replied(Step.FETCH, 1)).exchange(Step.CLOSE)
    assert line.closed == 1


@pytest.mark.parametrize("result", [0, 1])
def test_close_awaits_what_is_under_way(line: Line, result: int) -> None:
    line.call().deliver(Step.OPEN).close()
    assert (line.closed, line.tunnel.awaiting) == (0, True)
    line.hear(replied(Step.OPEN, result))
    if result == 0:
        line.exchange(Step.CLOSE)
    assert (line.closed, line.take()) == (1, [])


def test_close_hangs_up_and_withdraws_what_has_not_left(line: Line) -> None:
    line.call().exchange(Step.OPEN).close()
    assert line.on_line is not None
    assert line.on_line.token.step is Step.CLOSE
    line.exchange(Step.CLOSE)
    assert (line.closed, line.take()) == (1, [])


# ---------------------------------------------------------------------- copies of a reply


def test_a_reply_that_nobody_asked_for_is_nothing(line: Line) -> None:
    line.hear(replied(Step.OPEN)).hear(replied(Step.FETCH, 0, ANSWER)).hear(Message.of({25: 63, 65: 16}))
    assert (line.steps, line.take()) == ([], [])


@pytest.mark.parametrize("left", [False, True])
def test_a_copy_before_our_next_request_is_acknowledged_is_no_answer(line: Line, left: bool) -> None:
    asked(line).exchange(Step.FETCH, 1).take()
    if left:
        line.leave(Step.FETCH)
    line.hear(replied(Step.FETCH, 1))
    if not left:
        line.leave(Step.FETCH)
    line.acked(Step.FETCH)
    assert line.tunnel.awaiting, "the copy answered nothing"
    line.hear(replied(Step.FETCH, 0, ANSWER))
    assert line.take() == [HostBytes(1, ANSWER)]


def test_a_copy_of_another_mode_is_no_garbage(line: Line) -> None:
    line.call().exchange(Step.OPEN).deliver(Step.SEND).hear(replied(Step.OPEN)).take()
    line.hear(replied(Step.SEND)).exchange(Step.FETCH, 0, ANSWER)
    assert line.take() == [HostBytes(1, ANSWER)]


def test_a_copy_of_many_bytes_is_told_even_after_the_next_request_was_acknowledged(line: Line) -> None:
    chunk = bytes(range(COPY_SIZE))
    asked(line).exchange(Step.FETCH, 0, chunk).fetch_on().deliver(Step.FETCH).take()
    line.hear(replied(Step.FETCH, 0, chunk))
    assert (line.take(), line.tunnel.awaiting) == ([], True)
    line.hear(replied(Step.FETCH, 0, b"the rest"))
    assert line.take() == [HostBytes(1, b"the rest")]


def test_few_equal_bytes_twice_are_no_copy(line: Line) -> None:
    asked(line).exchange(Step.FETCH, 0, b"0").fetch_on().exchange(Step.FETCH, 0, b"0")
    assert line.take() == [BankAsked(1), HostBytes(1, b"0"), HostBytes(1, b"0")]


def test_nothing_yet_twice_is_no_copy_when_it_was_asked_twice(line: Line) -> None:
    asked(line).exchange(Step.FETCH, 1).exchange(Step.FETCH, 1)
    assert line.token(Step.FETCH)


def test_a_reply_whose_request_lost_its_ack_is_the_answer_and_the_next_request_waits(line: Line) -> None:
    line.call().leave(Step.OPEN).hear(replied(Step.OPEN))
    assert line.steps == [Step.OPEN]
    assert (line.tunnel.awaiting, line.tunnel.next_deadline()) == (True, None)
    line.at(7000).acked(Step.OPEN)
    assert line.token(Step.SEND)


def test_a_refusal_whose_request_lost_its_ack_is_told_at_once(line: Line) -> None:
    line.call().leave(Step.OPEN).hear(replied(Step.OPEN, 1))
    assert kinds(line.take()) == [BankUnreachable]
    line.call(2)
    assert line.steps == [Step.OPEN]
    line.acked(Step.OPEN)
    assert line.steps == [Step.OPEN, Step.OPEN]


def test_a_fetch_served_twice_brings_all_its_bytes_and_each_once(line: Line) -> None:
    """Our fetch was repeated after a lost ACK: the register fetches twice."""
    asked(line).leave(Step.FETCH).hear(replied(Step.FETCH, 0, b"first ")).hear(
        replied(Step.FETCH, 0, b"second ")
    )
    line.acked(Step.FETCH).hear(replied(Step.FETCH, 0, b"third ")).hear(replied(Step.FETCH, 0, b"third "))
    line.exchange(Step.FETCH, 0, b"fourth")
    told = [event.data for event in line.take() if isinstance(event, HostBytes)]
    assert told == [b"first ", b"second ", b"third ", b"fourth"]


def test_bytes_of_nobody_are_dropped(line: Line) -> None:
    asked(line).exchange(Step.FETCH, 0, ANSWER).hang_up().take()
    line.hear(replied(Step.FETCH, 0, b"late")).call(2).hear(replied(Step.FETCH, 0, b"later"))
    assert line.take() == [], "the bank has not been asked by call 2"
    line.deliver(Step.SEND)
    assert line.take() == [BankAsked(2)]
