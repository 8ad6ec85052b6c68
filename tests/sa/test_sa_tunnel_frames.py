"""The tunnel's frames against recorded ones (PROTOCOL.md, sections 5.2 and 9.2)."""

import pytest
from frames import VECTORS

from smartsale_emu.sa.framing import encode_frame
from smartsale_emu.sa.tlv import Message, Record
from smartsale_emu.sa.tunnel_frames import Step, TunnelReply

RECORDED = {vector.name: vector for vector in VECTORS}
STEPS = {
    "host-open": Step.OPEN,
    "host-send": Step.SEND,
    "host-receive": Step.FETCH,
    "host-close": Step.CLOSE,
}


@pytest.mark.parametrize("name", STEPS)
def test_a_request_is_the_recorded_one_byte_for_byte(name: str) -> None:
    recorded = RECORDED[name]
    data = dict(recorded.fields).get(70)
    message = STEPS[name].message(None if data is None else data.encode())
    assert encode_frame(message.encode()) == bytes.fromhex(recorded.frame)


@pytest.mark.parametrize(("name", "step"), [("host-opened", Step.OPEN), ("host-sent", Step.SEND)])
def test_a_recorded_reply_answers_its_step_and_no_other_mode(name: str, step: Step) -> None:
    reply = TunnelReply.of(Message.parse(bytes.fromhex(RECORDED[name].frame)[3:-2]))
    assert reply.ok
    assert {other for other in Step if reply.fits(other)} == {
        other for other in Step if other.mode is step.mode
    }


def test_what_dual_connector_adds_to_its_reply_is_no_byte_of_the_bank() -> None:
    for result in (0, 1):
        reply = TunnelReply.of(
            Message(
                tuple(
                    Record(tag, value)
                    for tag, value in (
                        (25, b"63"),
                        (65, b"16"),
                        (67, b"%d" % result),
                        (70, bytes(128)),
                        (69, b"\x01\x00\x01"),
                    )
                )
            )
        )
        assert (reply.fits(Step.OPEN), reply.ok, reply.data) == (True, result == 0, b"")


@pytest.mark.parametrize(
    "fields",
    [
        {25: 63, 65: 17},
        {25: 63, 67: 0},
        {25: 63, 65: 17, 67: ""},
        {25: 63, 65: 17, 67: "-1"},
        {25: 63, 65: 17, 67: "x"},
        {25: 63, 65: 17, 67: "²"},
        {25: 63, 65: 17, 67: 2},
        {25: 63, 65: 17, 67: "0000"},
        {25: 63, 65: "seventeen", 67: 0},
        {25: 63, 65: 18, 67: 0},
    ],
)
def test_a_reply_without_mode_or_known_result_fits_nothing_and_brings_nothing(
    fields: dict[int, str | int],
) -> None:
    reply = TunnelReply.of(Message.of({**fields, 70: b"bytes"}))
    assert not any(reply.fits(step) for step in Step)
    assert not (reply.data and reply.ok and reply.mode != 17)


def test_padded_numbers_are_numbers_and_bytes_stay_out_of_the_repr() -> None:
    reply = TunnelReply.of(Message.of({25: 63, 65: "017", 67: "00", 70: b"2200123456789019"}))
    assert reply.fits(Step.FETCH)
    assert reply.data == b"2200123456789019"
    assert "2200" not in repr(reply)
