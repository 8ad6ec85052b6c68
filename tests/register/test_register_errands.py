"""What the pinpad asks meanwhile: the channel to the bank and the cashier, on virtual time."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sa.frames import VECTORS

from smartsale_emu.register.habits import MAX_FETCH
from smartsale_emu.register.requests import operation_request
from smartsale_emu.register.session import (
    Answered,
    AskCashier,
    Because,
    CloseHost,
    Ended,
    FetchHost,
    Habits,
    NoAnswer,
    OpenHost,
    RegisterEffect,
    RegisterSession,
    Remarked,
    Send,
    SendHost,
    TunnelAct,
    TunnelHabit,
)
from smartsale_emu.sa.framing import encode_blocks, encode_frame
from smartsale_emu.sa.link import Link, Received
from smartsale_emu.sa.tlv import Message
from smartsale_emu.units import Millis

ACK, EOT = b"\x06", b"\x04"
BY_NAME = {vector.name: bytes.fromhex(vector.frame) for vector in VECTORS}
OPEN, OPENED = BY_NAME["host-open"], BY_NAME["host-opened"]
SENDING, SENT = BY_NAME["host-send"], BY_NAME["host-sent"]
FETCH, CLOSE = BY_NAME["host-receive"], BY_NAME["host-close"]
FINAL_MESSAGE = Message.of({25: 26, 39: 1})
FINAL = encode_frame(FINAL_MESSAGE.encode())
POSTED = Message.parse(SENDING[3:-2]).get(70)
assert POSTED is not None


def frame(fields: dict[int, str | bytes | int | None]) -> bytes:
    return encode_frame(Message.of(fields).encode())


REFUSED = {16: frame({25: 63, 65: 16, 67: 1}), 17: frame({25: 63, 65: 17, 67: 1})}
QUESTION = frame({25: 52, 76: "4^1^5^Отмена^Введите RRN~"})


def sent(effects: Iterable[RegisterEffect]) -> bytes:
    return b"".join(effect.data for effect in effects if isinstance(effect, Send))


def others(effects: Iterable[RegisterEffect]) -> list[RegisterEffect]:
    return [effect for effect in effects if not isinstance(effect, Send | Remarked)]


class Lab:
    """A session whose request was ACKed, a clock, and the pinpad's mouth."""

    def __init__(self, *, channel: bool = True, window: bool = True, habits: Habits | None = None) -> None:
        self.now = Millis(0)
        self.session = RegisterSession(
            operation_request("test"), channel=channel, window=window, habits=habits
        )
        self.session.start(self.now)
        self.says(ACK)

    def says(self, data: bytes, *, after: int = 10) -> list[RegisterEffect]:
        self.now = Millis(self.now + after)
        return self.session.receive(data, self.now)

    def waits(self, until: int) -> list[RegisterEffect]:
        """Let time pass; every deadline on the way is kept."""
        effects = []
        while (deadline := self.session.next_deadline()) is not None and deadline <= until:
            self.now = deadline
            effects += self.session.tick(deadline)
        self.now = Millis(until)
        return effects

    def opened(self) -> "Lab":
        assert self.says(OPEN) == [Send(ACK), OpenHost("192.0.2.10", 1979)]
        assert sent(self.session.host_opened(True, self.now)) == OPENED
        assert self.says(ACK) == []
        return self


def data_reply(data: bytes) -> bytes:
    return frame({25: 63, 65: 17, 67: 0, 70: data})


# --- the tidy way -------------------------------------------------------------------------------------------


def test_a_whole_conversation_as_recorded() -> None:
    lab = Lab()
    assert lab.says(OPEN) == [Send(ACK), OpenHost("192.0.2.10", 1979)]
    assert lab.session.host_opened(True, lab.now) == [Send(OPENED)]
    assert lab.says(ACK + SENDING) == [Send(ACK), SendHost(POSTED)]
    assert lab.session.host_sent(True, lab.now) == [Send(SENT)]
    assert lab.says(ACK + FETCH) == [Send(ACK), FetchHost()]
    assert lab.session.host_fetched(None, lab.now) == [Send(REFUSED[17])]
    assert lab.says(ACK + FETCH) == [Send(ACK), FetchHost()]
    assert lab.session.host_fetched(b"\x00\x02OK", lab.now) == [Send(data_reply(b"\x00\x02OK"))]
    assert lab.says(ACK + CLOSE) == [Send(ACK), CloseHost(), Send(OPENED)]
    assert lab.says(ACK + FINAL) == [Send(ACK), Ended(Answered(FINAL_MESSAGE))]


def test_bank_data_of_the_pinpad_in_blocks() -> None:
    lab, payload = Lab().opened(), bytes(range(256)) * 5
    effects: list[RegisterEffect] = []
    for block in encode_blocks(Message.of({25: 63, 64: 0, 65: 17, 70: payload}).encode(), 500):
        assert others(effects) == []
        effects = lab.says(block)
        assert sent(effects) == ACK
    assert others(effects) == [SendHost(payload)]


def received(lab: Lab, first: bytes) -> Message:
    """Read a reply of any number of blocks as a pinpad does."""
    pinpad, said = Link(), first
    while True:
        for event in pinpad.receive(said, lab.now):
            if isinstance(event, Received):
                lab.says(ACK)
                return event.message
        said = sent(lab.says(ACK))
        assert said


@pytest.mark.parametrize("size", [MAX_FETCH, 200])
def test_much_data_of_the_bank_comes_in_portions_and_in_order(size: int) -> None:
    lab = Lab(habits=Habits(fetch_size=size)).opened()
    data = bytes(number * 7 % 251 for number in range(2 * size + 100))
    assert others(lab.says(FETCH)) == [FetchHost()]
    said = sent(lab.session.host_fetched(data, lab.now))
    portions = [received(lab, said).get(70)]
    while sum(len(portion or b"") for portion in portions) < len(data):
        effects = lab.says(FETCH)
        assert others(effects) == []  # what is there is not waited for
        portions.append(received(lab, sent(effects).removeprefix(ACK)).get(70))
    assert [len(portion or b"") for portion in portions] == [size, size, 100]
    assert b"".join(portion or b"" for portion in portions) == data
    assert others(lab.says(FETCH)) == [FetchHost()]


@pytest.mark.parametrize("address", ["bank.example.org;443;", "bank.example.org;443", "fd00::1;65535;"])
def test_names_and_addresses(address: str) -> None:
    host, port = address.split(";")[:2]
    assert others(Lab().says(frame({25: 63, 64: 1, 65: 16, 70: address}))) == [OpenHost(host, int(port))]


def test_a_certificate_beside_the_address_is_borne() -> None:
    effects = Lab().says(frame({25: 63, 64: 1, 65: 16, 70: "h;1;", 91: "CA:" + "x" * 900}))
    assert others(effects) == [OpenHost("h", 1)]


# --- what cannot be done ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["", "192.0.2.10", "192.0.2.10;", ";1979;", "h;0;", "h;65536;", "h;1;2", "h h;1;", "х;1;", None],
)
def test_a_malformed_address_is_refused(address: str | None) -> None:
    effects = Lab().says(frame({25: 63, 64: 1, 65: 16, 70: address}))
    assert (sent(effects), others(effects)) == (ACK + REFUSED[16], [])


@pytest.mark.parametrize("request_", [SENDING, FETCH, CLOSE], ids=["send", "fetch", "close"])
@pytest.mark.parametrize("state", ["never opened", "refused", "closed"])
def test_nothing_is_done_without_a_connection(state: str, request_: bytes) -> None:
    lab = Lab()
    if state == "refused":
        lab.says(OPEN)
        assert sent(lab.session.host_opened(False, lab.now)) == REFUSED[16]
        lab.says(ACK)
    elif state == "closed":
        lab.opened().says(frame({25: 63, 64: 0, 65: 16}))
        lab.says(ACK)
    effects = lab.says(request_)
    assert sent(effects) == ACK + REFUSED[16 if request_ is CLOSE else 17]
    assert others(effects) == []


@pytest.mark.parametrize(
    "fields",
    [
        {25: 63, 65: 16},
        {25: 63, 64: 2, 65: 16},
        {25: 63, 64: "", 65: 17},
        {25: 63, 64: 0, 65: 17},
        {25: 63, 64: 0, 65: 17, 70: ""},
        {25: 63, 64: 1, 65: 18},
        {25: 63, 65: 18, 70: b"key"},
    ],
)
def test_what_is_not_understood_is_refused(fields: dict[int, str | bytes | int | None]) -> None:
    effects = Lab().opened().says(frame(fields))
    mode = str(fields[65])
    assert sent(effects) == ACK + frame({25: 63, 65: mode, 67: 1})
    assert others(effects) == []


@pytest.mark.parametrize("request_", [OPEN, SENDING, FETCH, CLOSE])
def test_a_register_without_a_channel(request_: bytes) -> None:
    effects = Lab(channel=False).says(request_)
    assert sent(effects) == ACK + REFUSED[16 if request_ in (OPEN, CLOSE) else 17]
    assert others(effects) == []


def test_a_refused_open_says_why_and_may_be_tried_again() -> None:
    lab = Lab()
    lab.says(OPEN)
    effects = lab.session.host_opened(False, lab.now, "192.0.2.10:1979: nobody listens there")
    assert effects == [
        Remarked("the bank was not reached: 192.0.2.10:1979: nobody listens there"),
        Send(REFUSED[16]),
    ]
    assert others(lab.says(ACK + OPEN)) == [OpenHost("192.0.2.10", 1979)]


def test_a_send_that_fails_is_refused_and_the_connection_is_over() -> None:
    lab = Lab().opened()
    lab.says(SENDING)
    assert sent(lab.session.host_sent(False, lab.now)) == REFUSED[17]
    effects = lab.says(ACK + SENDING)
    assert (sent(effects), others(effects)) == (ACK + REFUSED[17], [])
    assert others(lab.says(ACK + CLOSE)) == [CloseHost()]


def test_what_the_bank_said_before_it_hung_up_is_still_fetched() -> None:
    lab = Lab().opened()
    lab.says(FETCH)
    assert lab.session.host_closed(lab.now) == [Remarked("the bank closed the connection")]
    assert sent(lab.session.host_fetched(b"bye", lab.now)) == data_reply(b"bye")
    assert others(lab.says(ACK + FETCH)) == [FetchHost()]  # whoever fetches waits, so that nobody spins
    assert sent(lab.session.host_fetched(None, lab.now)) == REFUSED[17]
    effects = lab.says(ACK + SENDING)
    assert (sent(effects), others(effects)) == (ACK + REFUSED[17], [])


# --- repeats and changes of mind ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "effect", "answer", "reply"),
    [
        (OPEN, OpenHost("192.0.2.10", 1979), lambda s, now: s.host_opened(True, now), OPENED),
        (SENDING, SendHost(POSTED), lambda s, now: s.host_sent(True, now), SENT),
    ],
    ids=["open", "send"],
)
def test_a_repeated_request_is_not_done_twice(
    request_: bytes,
    effect: RegisterEffect,
    answer: Callable[[RegisterSession, Millis], list[RegisterEffect]],
    reply: bytes,
) -> None:
    lab = Lab() if request_ is OPEN else Lab().opened()
    assert others(lab.says(request_)) == [effect]
    while_working = lab.says(request_, after=7000)
    assert (sent(while_working), others(while_working)) == (ACK, [])
    assert sent(answer(lab.session, lab.now)) == reply
    while_unheard = lab.says(request_, after=1000)
    assert (sent(while_unheard), others(while_unheard)) == (ACK, [])
    assert sent(lab.waits(lab.now + 4000)) == reply  # the link repeats what was not acknowledged
    heard = lab.says(ACK + ACK)
    assert (sent(heard), others(heard)) == (b"", [])
    after_it = lab.says(request_, after=1000)
    assert (sent(after_it), others(after_it)) == (ACK, [])
    assert lab.session.outcome is None


def test_a_repeated_fetch_is_not_done_twice() -> None:
    lab = Lab().opened()
    lab.says(FETCH)
    while_working = lab.says(FETCH, after=7000)
    assert (sent(while_working), others(while_working)) == (ACK, [])
    lab.session.host_fetched(b"data", lab.now)
    while_unheard = lab.says(FETCH, after=2000)
    assert (sent(while_unheard), others(while_unheard)) == (ACK, [])
    assert sent(lab.waits(lab.now + 4000)) == data_reply(b"data")


def test_a_next_fetch_whose_ack_of_the_reply_was_lost() -> None:
    lab = Lab().opened()
    lab.says(FETCH)
    assert sent(lab.session.host_fetched(b"da", lab.now)) == data_reply(b"da")
    assert others(lab.says(FETCH, after=20)) == [FetchHost()]
    assert sent(lab.session.host_fetched(b"ta", lab.now)) == b""  # an ACK is owed for the copy before
    assert sent(lab.waits(lab.now + 5000)) == data_reply(b"ta")


def test_a_next_request_takes_the_place_of_an_unheard_reply() -> None:
    lab = Lab().opened()
    lab.says(SENDING)
    assert sent(lab.session.host_sent(True, lab.now)) == SENT
    assert others(lab.says(FETCH)) == [FetchHost()]  # the pinpad has our reply, its ACK was lost
    lab.session.host_fetched(b"data", lab.now)
    assert sent(lab.waits(lab.now + 6000)) == data_reply(b"data")  # and never once more SENT


@pytest.mark.parametrize("late", [True, False])
def test_a_pinpad_that_closes_while_we_connect(late: bool) -> None:
    lab = Lab()
    lab.says(OPEN)
    effects = lab.says(CLOSE)
    assert (sent(effects), others(effects)) == (ACK + REFUSED[16], [CloseHost()])
    if late:
        assert lab.session.host_opened(True, lab.now) == []
    assert others(lab.says(ACK + FINAL)) == [Ended(Answered(FINAL_MESSAGE))]


def test_data_that_come_unasked_are_kept() -> None:
    lab = Lab().opened()
    lab.says(FETCH)
    lab.says(SENDING)  # the pinpad no longer waits for the fetch
    assert lab.session.host_fetched(b"la", lab.now) == lab.session.host_fetched(b"te", lab.now) == []
    assert sent(lab.session.host_sent(True, lab.now)) == SENT
    assert sent(lab.says(ACK + FETCH)) == ACK + data_reply(b"late")


def test_opening_anew_closes_what_was_open() -> None:
    lab = Lab().opened()
    effects = lab.says(frame({25: 63, 64: 1, 65: 16, 70: "192.0.2.11;1979;"}))
    assert others(effects) == [CloseHost(), OpenHost("192.0.2.11", 1979)]


# --- time ---------------------------------------------------------------------------------------------------


def test_the_pinpads_silence_does_not_count_while_it_waits_for_us() -> None:
    lab = Lab()
    lab.says(QUESTION)
    assert lab.waits(100_000) == []
    reply = frame({25: 52, 67: 0, 77: "123456"})
    assert sent(lab.session.cashier_said("123456", lab.now)) == reply
    lab.says(ACK)
    assert lab.waits(200_000)[-1] == Ended(NoAnswer(Because.SILENT, ""))
    assert lab.session.outcome == NoAnswer(Because.SILENT)


def test_the_whole_time_counts_all_the_same() -> None:
    lab = Lab()
    lab.says(OPEN)
    assert lab.waits(200_000) == [Send(EOT), CloseHost(), Ended(NoAnswer(Because.TOO_LONG))]


def test_a_slow_register() -> None:
    lab = Lab(habits=Habits(open_delay=Millis(16_000), fetch_delay=Millis(7000)))
    lab.says(OPEN)
    assert lab.session.host_opened(True, lab.now) == []
    assert lab.waits(lab.now + 15_999) == []
    assert lab.says(OPEN, after=0) == [
        Send(ACK),
        Remarked("the pinpad repeated its request: nothing is done twice"),
    ]
    assert lab.waits(lab.now + 1) == [Send(OPENED)]
    lab.says(ACK)
    lab.says(FETCH)
    assert lab.session.host_fetched(None, lab.now) == []
    assert lab.waits(lab.now + 7000) == [Send(REFUSED[17])]


def test_a_late_ack_goes_before_everything_that_it_allows() -> None:
    lab = Lab(habits=Habits(ack_delay=Millis(2000)))
    assert lab.says(OPEN) == []
    assert lab.waits(lab.now + 2000) == [Send(ACK), OpenHost("192.0.2.10", 1979)]
    slow = Lab(channel=False, habits=Habits(ack_delay=Millis(6000)))
    assert slow.says(OPEN) == []
    assert slow.waits(slow.now + 6000) == [Send(ACK), Send(REFUSED[16])]


# --- the end ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end",
    [
        lambda lab: lab.says(FINAL),
        lambda lab: lab.says(EOT),
        lambda lab: lab.session.cancel(lab.now),
        lambda lab: lab.session.lose_line(lab.now),
        lambda lab: lab.waits(300_000),
    ],
    ids=["final", "eot", "cancel", "line lost", "silence"],
)
@pytest.mark.parametrize("connected", [True, False])
def test_every_end_closes_the_connection_first(
    connected: bool, end: Callable[[Lab], list[RegisterEffect]]
) -> None:
    lab = Lab()
    if connected:
        lab.opened()
    else:
        lab.says(OPEN)  # it is being made
    effects = others(end(lab))
    assert [type(effect) for effect in effects] == [CloseHost, Ended]
    assert lab.session.host_opened(True, lab.now) == lab.session.host_fetched(b"late", lab.now) == []


def test_without_a_connection_nothing_is_closed() -> None:
    assert others(Lab().says(FINAL)) == [Ended(Answered(FINAL_MESSAGE))]


# --- the cashier --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (lambda s, now: s.cashier_said("ДА", now), {25: 52, 67: 0, 77: "ДА"}),
        (lambda s, now: s.cashier_said("", now), {25: 52, 67: 0}),
        (lambda s, now: s.cashier_said(None, now), {25: 52, 67: 3}),
        (lambda s, now: s.cashier_refused(now), {25: 52, 67: 1}),
    ],
    ids=["text", "ok", "no window", "cancelled"],
)
def test_what_the_cashier_answers(
    answer: Callable[[RegisterSession, Millis], list[RegisterEffect]],
    reply: dict[int, str | bytes | int | None],
) -> None:
    lab = Lab(channel=False)
    assert lab.says(QUESTION) == [Send(ACK), AskCashier("Введите RRN")]
    assert answer(lab.session, lab.now) == [Send(frame(reply))]
    assert answer(lab.session, lab.now) == []
    assert others(lab.says(ACK + QUESTION)) == [AskCashier("Введите RRN")]  # he is asked once more


def test_a_register_without_a_window() -> None:
    effects = Lab(window=False).says(QUESTION)
    assert effects == [Send(ACK), Send(frame({25: 52, 67: 3}))]


def test_an_answer_that_nobody_waits_for() -> None:
    lab = Lab().opened()
    assert lab.session.cashier_said("?", lab.now) == lab.session.cashier_refused(lab.now) == []
    assert lab.session.host_sent(True, lab.now) == []


# --- misdeeds -----------------------------------------------------------------------------------------------


def misbehaving(act: TunnelAct, *, done: bool, step: int = 2) -> Lab:
    return Lab(habits=Habits(tunnel=TunnelHabit(step, act, done))).opened()


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize(
    ("act", "reply"),
    [
        (TunnelAct.REFUSE, REFUSED[17]),
        (TunnelAct.GARBLE, frame({25: 63, 65: 17, 67: "?"})),
        (TunnelAct.STALL, b""),
    ],
)
def test_a_misdeed_before_or_after_the_bytes_left(act: TunnelAct, reply: bytes, done: bool) -> None:
    lab = misbehaving(act, done=done)
    effects = lab.says(SENDING)
    assert others(effects) == ([SendHost(POSTED)] if done else [])
    said = sent(effects) + sent(lab.session.host_sent(True, lab.now))
    assert said == ACK + reply
    if act is TunnelAct.STALL:
        repeated = lab.says(SENDING, after=7000)
        assert (sent(repeated), others(repeated)) == (ACK, [])
    else:
        lab.says(ACK)
    assert sent(lab.says(FETCH)) == ACK  # from then on it behaves
    assert sent(lab.session.host_fetched(b"x", lab.now)) == data_reply(b"x")


@pytest.mark.parametrize("done", [True, False])
def test_a_register_that_vanishes(done: bool) -> None:
    lab = misbehaving(TunnelAct.VANISH, done=done)
    effects = lab.says(SENDING)
    assert others(effects)[:1] == ([SendHost(POSTED)] if done else [CloseHost()])
    effects += lab.session.host_sent(True, lab.now)
    assert sent(effects) == (ACK if done else b"")
    assert others(effects)[-2:] == [CloseHost(), Ended(NoAnswer(Because.VANISHED))]
    assert lab.says(FETCH) == []
    assert lab.session.next_deadline() is None


def test_a_stalling_register_gives_up_a_silent_pinpad() -> None:
    lab = misbehaving(TunnelAct.STALL, done=False)
    lab.says(SENDING)
    assert lab.waits(100_000)[-1] == Ended(NoAnswer(Because.SILENT))


def test_repeats_and_questions_are_no_steps() -> None:
    lab = Lab(habits=Habits(tunnel=TunnelHabit(2, TunnelAct.REFUSE)))
    lab.says(OPEN)
    lab.says(OPEN, after=7000)
    lab.session.host_opened(True, lab.now)
    lab.says(ACK + QUESTION)
    lab.session.cashier_said(None, lab.now)
    lab.says(ACK)
    assert sent(lab.says(SENDING)) == ACK + REFUSED[17]


# --- any slicing --------------------------------------------------------------------------------------------

TURNS: Sequence[tuple[bytes, Callable[[RegisterSession, Millis], list[RegisterEffect]]]] = (
    (ACK + OPEN, lambda s, now: s.host_opened(True, now)),
    (ACK + SENDING, lambda s, now: s.host_sent(True, now)),
    (ACK + FETCH, lambda s, now: s.host_fetched(None, now)),
    (ACK + QUESTION, lambda s, now: s.cashier_said("1", now)),
    (ACK + FETCH, lambda s, now: s.host_fetched(b"x" * 30, now)),
    (ACK + CLOSE, lambda s, now: []),
    (ACK + FINAL, lambda s, now: []),
)


def play(cuts: list[int]) -> list[RegisterEffect]:
    """Play all turns; the bytes of each are cut at ``cuts``, counted over all of them."""
    session, place = RegisterSession(operation_request("test"), channel=True, window=True), 0
    effects = session.start(Millis(0))
    for data, answer in TURNS:
        marks = sorted({0, len(data), *(cut - place for cut in cuts if place < cut < place + len(data))})
        for start, stop in pairwise(marks):
            effects += session.receive(data[start:stop], Millis(place + start))
        place += len(data)
        effects += answer(session, Millis(place))
    return effects


@given(st.lists(st.integers(0, sum(len(data) for data, _ in TURNS)), max_size=60))
def test_any_slicing_of_the_pinpads_bytes_gives_the_same_effects(cuts: list[int]) -> None:
    assert play(cuts) == play([])
    assert play([])[-1] == Ended(Answered(FINAL_MESSAGE))


@given(
    st.lists(st.sampled_from([ACK, OPEN, SENDING, FETCH, CLOSE, QUESTION, b"\x15", b"?"]), max_size=30),
    st.data(),
)
def test_nothing_is_sent_or_fetched_without_a_connection(said: list[bytes], data: st.DataObject) -> None:
    """Whatever the pinpad asks and however the bank behaves: open before use, close once, at most one."""
    lab, connected = Lab(), False
    for word in [*said, EOT]:
        for effect in lab.says(word, after=data.draw(st.sampled_from([1, 5000, 8000]))):
            match effect:
                case OpenHost():
                    assert not connected
                    connected = True
                    if not data.draw(st.booleans()):
                        lab.session.host_opened(False, lab.now)
                        connected = False
                    elif data.draw(st.booleans()):
                        lab.session.host_opened(True, lab.now)
                case SendHost() | FetchHost():
                    assert connected
                    if data.draw(st.booleans()):
                        lab.session.host_sent(True, lab.now)
                        lab.session.host_fetched(b"x", lab.now)
                case CloseHost():
                    assert connected
                    connected = False
                case _:
                    pass
    assert lab.session.outcome is not None
    assert not connected


def test_no_effect_shows_the_banks_bytes() -> None:
    assert repr(SendHost(b"2200123456789019")) == "SendHost()"
