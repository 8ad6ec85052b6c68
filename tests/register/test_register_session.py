"""One exchange of a register, on virtual time, against bytes written by hand."""

from collections.abc import Iterable

import pytest

from smartsale_emu.register.requests import link_test_request, reversal_request, sale_request
from smartsale_emu.register.session import (
    Answered,
    Because,
    Ended,
    FinalHabit,
    Habits,
    NoAnswer,
    Outcome,
    RegisterEffect,
    RegisterSession,
    Send,
    Waited,
)
from smartsale_emu.sa.framing import encode_blocks, encode_frame
from smartsale_emu.sa.tlv import Message
from smartsale_emu.units import Millis, MinorUnits

ACK, NAK, EOT = b"\x06", b"\x15", b"\x04"
SALE = sale_request(amount=MinorUnits(1200), number=7)
WAIT = bytes.fromhex("0205001902003231A5C2")
FINAL_MESSAGE = Message.of({0: 1200, 4: "643", 19: "ОДОБРЕНО", 25: 1, 39: 1})
FINAL = encode_frame(FINAL_MESSAGE.encode())


def sent(effects: Iterable[RegisterEffect]) -> bytes:
    return b"".join(effect.data for effect in effects if isinstance(effect, Send))


def ended(effects: Iterable[RegisterEffect]) -> list[Outcome]:
    return [effect.outcome for effect in effects if isinstance(effect, Ended)]


def started(*, habits: Habits | None = None, request: Message = SALE) -> RegisterSession:
    """Return a session whose request was ACKed at 10 ms."""
    session = RegisterSession(request, habits=habits)
    session.start(Millis(0))
    assert session.receive(ACK, Millis(10)) == []
    return session


def run_silent(session: RegisterSession) -> list[tuple[Millis, RegisterEffect]]:
    """Let time pass with a silent pinpad until the end."""
    passed: list[tuple[Millis, RegisterEffect]] = []
    while (deadline := session.next_deadline()) is not None:
        effects = session.tick(deadline)
        passed += [(deadline, effect) for effect in effects]
        assert len(passed) < 100
    return passed


def test_a_sale_with_a_wait() -> None:
    session = RegisterSession(SALE)
    assert session.start(Millis(0)) == [Send(encode_frame(SALE.encode()))]
    assert session.receive(ACK, Millis(10)) == []
    assert session.receive(WAIT, Millis(20)) == [Send(ACK), Waited(1)]
    assert session.outcome is None
    assert session.receive(FINAL, Millis(9000)) == [Send(ACK), Ended(Answered(FINAL_MESSAGE))]
    assert session.outcome == Answered(FINAL_MESSAGE)
    assert session.waits == 1
    assert session.next_deadline() is None
    assert session.receive(FINAL, Millis(9001)) == []
    assert session.cancel(Millis(9002)) == session.lose_line(Millis(9003)) == []


def test_everything_glued_and_everything_byte_by_byte() -> None:
    glued = RegisterSession(SALE)
    glued.start(Millis(0))
    assert sent(glued.receive(ACK + WAIT + FINAL, Millis(5))) == ACK + ACK
    assert glued.outcome == Answered(FINAL_MESSAGE)
    slow = RegisterSession(SALE)
    slow.start(Millis(0))
    said = b"".join(
        sent(slow.receive(bytes([byte]), Millis(number))) for number, byte in enumerate(ACK + WAIT + FINAL)
    )
    assert said == ACK + ACK
    assert slow.outcome == Answered(FINAL_MESSAGE)


def test_an_answer_of_several_blocks() -> None:
    message = Message.of({25: 1, 39: 1, 90: "0xDF^^" + "строка\r\n" * 180 + "~"})
    session = started()
    for block in encode_blocks(message.encode()):
        assert session.outcome is None
        assert sent(session.receive(block, Millis(20))) == ACK
    assert session.outcome == Answered(message)


@pytest.mark.parametrize(
    ("final", "said", "outcome"),
    [
        (FinalHabit.ACK, ACK, Answered(FINAL_MESSAGE)),
        (FinalHabit.ACK_EOT, ACK + EOT, Answered(FINAL_MESSAGE)),
        (FinalHabit.EOT, EOT, Answered(FINAL_MESSAGE)),
        (FinalHabit.NONE, b"", NoAnswer(Because.ANSWER_LOST)),
    ],
)
def test_what_is_said_to_the_final_answer(final: FinalHabit, said: bytes, outcome: Outcome) -> None:
    session = started(habits=Habits(final=final))
    assert sent(session.receive(WAIT, Millis(20))) == ACK  # a wait is ACKed whatever the habit
    effects = session.receive(FINAL, Millis(30))
    assert sent(effects) == said
    assert ended(effects) == [outcome]


def test_a_register_that_acks_late() -> None:
    session = started(habits=Habits(ack_delay=Millis(5000)))
    assert session.receive(WAIT, Millis(1000)) == []
    assert session.next_deadline() == 6000
    assert session.tick(Millis(5999)) == []
    assert session.tick(Millis(6000)) == [Send(ACK), Waited(1)]
    assert session.receive(FINAL, Millis(7000)) == []
    assert session.outcome is None
    assert session.tick(Millis(12_000)) == [Send(ACK), Ended(Answered(FINAL_MESSAGE))]
    assert session.outcome == Answered(FINAL_MESSAGE)


def test_a_register_that_writes_byte_by_byte() -> None:
    session = RegisterSession(SALE, habits=Habits(byte_by_byte=True))
    effects = session.start(Millis(0))
    assert all(isinstance(effect, Send) and len(effect.data) == 1 for effect in effects)
    assert sent(effects) == encode_frame(SALE.encode())


def test_a_request_that_nobody_acks_is_sent_three_times() -> None:
    session = RegisterSession(SALE)
    frame = encode_frame(SALE.encode())
    assert sent(session.start(Millis(0))) == frame
    passed = run_silent(session)
    assert [(when, effect.data) for when, effect in passed if isinstance(effect, Send)] == [
        (5000, frame),
        (10_000, frame),
        (15_000, EOT),
    ]
    assert isinstance(session.outcome, NoAnswer)
    assert session.outcome.because is Because.NOT_ACKED


def test_a_nak_repeats_at_once() -> None:
    session = RegisterSession(SALE)
    frame = sent(session.start(Millis(0)))
    assert sent(session.receive(NAK, Millis(10))) == frame
    assert sent(session.receive(ACK + WAIT, Millis(20))) == ACK


def test_silence_of_45_seconds_ends_it_without_a_byte() -> None:
    session = started()
    session.receive(WAIT, Millis(10_000))
    assert run_silent(session) == [(Millis(55_000), Ended(NoAnswer(Because.SILENT)))]


def test_waits_for_ever_end_after_180_seconds_with_eot() -> None:
    session = started()
    now = 20
    while session.outcome is None and now < 200_000:
        session.receive(WAIT, Millis(now))
        now += 10_000
        effects = session.tick(Millis(now))
    assert now == 180_020
    assert effects == [Send(EOT), Ended(NoAnswer(Because.TOO_LONG))]


@pytest.mark.parametrize("before", [b"", ACK, ACK + WAIT])
def test_an_eot_of_the_pinpad_is_no_answer(before: bytes) -> None:
    session = RegisterSession(SALE)
    session.start(Millis(0))
    effects = session.receive(before + EOT, Millis(10))
    assert ended(effects) == [NoAnswer(Because.PINPAD_ENDED)]


def test_a_damaged_answer_is_refused_three_times() -> None:
    session = started()
    damaged = FINAL[:-1] + bytes([FINAL[-1] ^ 1])
    assert sent(session.receive(damaged, Millis(20))) == NAK
    assert sent(session.receive(damaged, Millis(30))) == NAK
    effects = session.receive(damaged, Millis(40))
    assert sent(effects) == NAK + EOT
    assert isinstance(session.outcome, NoAnswer)
    assert session.outcome.because is Because.DAMAGED


def test_a_damaged_answer_that_is_repeated_well_counts() -> None:
    session = started()
    session.receive(FINAL[:-1] + b"\x00", Millis(20))
    assert sent(session.receive(FINAL, Millis(30))) == ACK
    assert session.outcome == Answered(FINAL_MESSAGE)


def test_the_cashier_cancels() -> None:
    session = started()
    assert session.cancel(Millis(500)) == [Send(EOT), Ended(NoAnswer(Because.CANCELLED))]
    assert session.receive(FINAL, Millis(600)) == []


def test_the_line_breaks() -> None:
    session = started()
    assert session.lose_line(Millis(500), "gone") == [Ended(NoAnswer(Because.LINE_LOST, "gone"))]


def test_an_answer_read_before_the_line_broke_counts() -> None:
    session = started(habits=Habits(ack_delay=Millis(5000)))
    session.receive(FINAL, Millis(20))
    assert ended(session.lose_line(Millis(500))) == [Answered(FINAL_MESSAGE)]


@pytest.mark.parametrize(
    ("asked", "replied"),
    [
        ({25: 52, 76: "ВОПРОС^?"}, {25: 52, 67: 3}),
        ({25: 63, 64: 1, 65: 16, 70: "192.0.2.10;1979;"}, {25: 63, 65: 16, 67: 1}),
        ({25: 63, 64: 1, 65: 17}, {25: 63, 65: 17, 67: 1}),
    ],
)
def test_what_this_register_has_not_got_is_declined(
    asked: dict[int, str | bytes | int | None], replied: dict[int, str | bytes | int | None]
) -> None:
    session = started()
    effects = session.receive(encode_frame(Message.of(asked).encode()), Millis(20))
    assert sent(effects) == ACK + encode_frame(Message.of(replied).encode())
    assert session.outcome is None
    assert sent(session.receive(ACK + FINAL, Millis(40))) == ACK
    assert session.outcome == Answered(FINAL_MESSAGE)


def test_requests_as_recorded() -> None:
    assert encode_frame(link_test_request().encode()).hex(" ") == "02 08 00 19 02 00 32 36 1b 00 00 89 ff"
    assert reversal_request().records == Message.of({4: "643", 25: 53}).records


@pytest.mark.parametrize("amount", [-1, 0, 10**12])
def test_amounts_out_of_range(amount: int) -> None:
    with pytest.raises(ValueError, match="an amount is"):
        sale_request(amount=MinorUnits(amount))
    with pytest.raises(ValueError, match="an amount is"):
        reversal_request(amount=MinorUnits(amount))


def test_other_values_out_of_range() -> None:
    with pytest.raises(ValueError, match="number"):
        sale_request(amount=MinorUnits(1), number=1_000_000)
    with pytest.raises(ValueError, match="terminal id"):
        link_test_request(terminal_id="123456789")


def test_no_effect_shows_bytes_in_its_repr() -> None:
    assert repr(Send(b"2200123456789019")) == "Send()"
