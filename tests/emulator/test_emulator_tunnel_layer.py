"""TLS inside the tunnel, played by a toy: what is said before the payload, and what breaks it."""

import pytest
from tunnel_line import ANSWER, PAYLOAD, Line, XorLayer, assert_broken, kinds, reach, replied, toggled

from smartsale_emu.emulator.doors import HostBytes
from smartsale_emu.errors import ChannelError
from smartsale_emu.sa.tunnel_frames import Step
from smartsale_emu.terminal.events import BankAsked, BankFailed, BankUnreachable


@pytest.fixture
def secure() -> Line:
    return Line(layer=XorLayer)


def shaken(line: Line) -> Line:
    """The handshake is done and the payload is asked for."""
    line.call().exchange(Step.OPEN).exchange(Step.SEND).exchange(Step.FETCH, 0, b"HELLO").exchange(Step.SEND)
    assert line.take() == []
    return line


def test_the_handshake_comes_first_and_asks_the_bank_nothing(secure: Line) -> None:
    secure.call().exchange(Step.OPEN)
    assert secure.on_line is not None
    assert secure.on_line.message.get(70) == b"hello"
    secure.exchange(Step.SEND).exchange(Step.FETCH, 1).exchange(Step.FETCH, 0, b"HEL").exchange(
        Step.FETCH, 0, b"LO"
    )
    assert secure.on_line.message.get(70) == b"finish"
    secure.exchange(Step.SEND)
    assert secure.on_line.message.get(70) == toggled(PAYLOAD)
    assert secure.take() == []
    secure.leave(Step.SEND)
    assert secure.take() == [BankAsked(1)]
    secure.acked(Step.SEND).hear(replied(Step.SEND)).exchange(Step.FETCH, 0, toggled(ANSWER))
    assert secure.take() == [HostBytes(1, ANSWER)]
    secure.hang_up().close().exchange(Step.CLOSE)
    assert secure.closed == 1


def test_the_second_call_shakes_no_hands(secure: Line) -> None:
    shaken(secure).exchange(Step.SEND).exchange(Step.FETCH, 0, toggled(ANSWER)).hang_up().call(2)
    assert secure.on_line is not None
    assert secure.on_line.message.get(70) == toggled(PAYLOAD)


def test_a_connection_opened_anew_has_a_handshake_of_its_own(secure: Line) -> None:
    shaken(secure).exchange(Step.SEND).exchange(Step.FETCH, 0, toggled(b"half")).hang_up(keep=False)
    secure.call(2).exchange(Step.CLOSE).exchange(Step.OPEN)
    assert secure.on_line is not None
    assert secure.on_line.message.get(70) == b"hello"


def test_a_failed_handshake_is_unreachable_and_the_next_call_opens_anew(secure: Line) -> None:
    secure.call().exchange(Step.OPEN).exchange(Step.SEND).exchange(Step.FETCH, 0, b"!")
    assert secure.take() == [BankUnreachable(1, "the bank's certificate is not trusted")]
    secure.call(2).exchange(Step.CLOSE).exchange(Step.OPEN)
    assert secure.on_line is not None
    assert secure.on_line.message.get(70) == b"hello"


def test_bytes_over_a_failed_channel_do_not_end_the_next_call(secure: Line) -> None:
    secure.call().exchange(Step.OPEN).exchange(Step.SEND).exchange(Step.FETCH, 0, b"!").call(2).take()
    secure.hear(replied(Step.FETCH, 0, b"!!"))
    assert secure.take() == []
    assert secure.token(Step.CLOSE)


def test_a_failed_handshake_leaves_a_connection_to_be_closed(secure: Line) -> None:
    secure.call().exchange(Step.OPEN).exchange(Step.SEND).exchange(Step.FETCH, 0, b"!").close()
    assert secure.exchange(Step.CLOSE).closed == 1


def test_a_channel_that_breaks_after_the_payload_is_a_failure(secure: Line) -> None:
    shaken(secure).exchange(Step.SEND).exchange(Step.FETCH, 0, b"!")
    assert kinds(secure.take()) == [BankAsked, BankFailed]


def test_a_channel_that_breaks_while_we_close_does_not_hold_the_end(secure: Line) -> None:
    shaken(secure).exchange(Step.SEND).deliver(Step.FETCH).close().hear(replied(Step.FETCH, 0, b"!"))
    assert secure.exchange(Step.CLOSE).closed == 1


@pytest.mark.parametrize("door", ["start", "seal"])
def test_a_layer_that_cannot_begin_or_seal_is_unreachable(door: str) -> None:
    class Failing(XorLayer):
        def start(self) -> bytes:
            return self._fail() if door == "start" else super().start()

        def seal(self, plain: bytes) -> bytes:
            return self._fail() if door == "seal" else super().seal(plain)

        def _fail(self) -> bytes:
            raise ChannelError("no key")

    line = Line(layer=Failing).call().exchange(Step.OPEN)
    if door == "seal":
        line.exchange(Step.SEND).exchange(Step.FETCH, 0, b"HELLO").exchange(Step.SEND)
    assert line.take() == [BankUnreachable(1, "no key")]
    assert line.close().exchange(Step.CLOSE).closed == 1


@pytest.mark.parametrize("step", [Step.OPEN, Step.SEND, Step.FETCH])
def test_a_step_of_the_handshake_that_fails_is_unreachable(secure: Line, step: Step) -> None:
    reach(secure, step).at(45_000)
    assert kinds(secure.take()) == [BankUnreachable]
    assert_broken(secure)


def test_a_refused_frame_of_the_handshake_is_unreachable(secure: Line) -> None:
    reach(secure, Step.SEND).hear(replied(Step.SEND, 1))
    assert kinds(secure.take()) == [BankUnreachable]
    assert_broken(secure)


def test_an_unfinished_handshake_is_finished_by_the_next_call(secure: Line) -> None:
    secure.call().exchange(Step.OPEN).exchange(Step.SEND).deliver(Step.FETCH).hang_up()
    secure.hear(replied(Step.FETCH, 0, b"HELLO"))
    assert secure.on_line is None
    secure.call(2).exchange(Step.SEND)
    assert secure.on_line is not None
    assert secure.on_line.message.get(70) == toggled(PAYLOAD)


def test_a_withdrawn_record_spoils_the_connection(secure: Line) -> None:
    shaken(secure).hang_up().call(2)
    assert secure.token(Step.CLOSE), "the layer has counted a record that the bank never saw"


def test_bytes_of_the_channel_itself_are_told_to_nobody(secure: Line) -> None:
    secure.call().exchange(Step.OPEN).exchange(Step.SEND).exchange(
        Step.FETCH, 0, b"HELLO" + toggled(b"early")
    )
    assert secure.take() == []
    assert secure.token(Step.SEND)
