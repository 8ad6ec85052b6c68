"""Every row of the line (PROTOCOL.md, section 0.1), against a whole pinpad on virtual time."""

import pytest
from emulator_kit import (
    ACK,
    EOT,
    NAK,
    SALE_AMOUNT,
    WAIT_FRAME,
    Delivery,
    HandTill,
    Shop,
    assert_agreed,
    changed,
    link_test,
    request,
    reversal,
    sale,
    text,
)

from smartsale_emu.emulator.doors import FlushLine, LineClosed, LineOpened, WriteLine
from smartsale_emu.host.ledger import OperationState
from smartsale_emu.sa.framing import encode_blocks
from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.profile import Busy
from smartsale_emu.terminal.table import State
from smartsale_emu.units import Millis

ONE_FRAME = changed(answer={"receipt": False})
"""Final answers in one frame."""


def heard(till: HandTill) -> list[str]:
    return [what for _, what in till.heard]


# --- a good request ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [sale(), link_test()], ids=["sale", "link-test"])
def test_ack_and_a_wait_at_once(frame: bytes) -> None:
    shop = Shop(card=None)
    till = shop.ask(frame)
    shop.rest(50)
    assert till.heard[0][1] == "ACK"
    assert till.heard[0][0] <= 50
    assert till.waits[:1] == [till.heard[0][0]]


@pytest.mark.parametrize("frame", [reversal(), request({25: 59})], ids=["53", "59"])
def test_a_wait_at_once_where_only_the_bank_is_asked(frame: bytes) -> None:
    """Section 9.3: waits come during 53 and 59 too."""
    shop = Shop()
    shop.serve(sale())
    shop.world.delivery = lambda _: Delivery.LOST_THERE
    till = shop.ask(frame)
    shop.rest(50)
    assert heard(till) == ["ACK", "wait"]
    shop.settle()
    assert_agreed(shop)


def test_waits_every_ten_seconds_until_the_answer() -> None:
    shop = Shop(card=None)
    till = shop.ask(sale())
    assert shop.until(lambda: bool(till.finals))
    assert till.waits == [2, 10_002, 20_002]
    assert till.heard[-1][1] == "final"


def test_no_wait_leaves_while_the_one_before_is_unanswered() -> None:
    """Two copies of the first, one ACK: the next, due at 10 s, leaves when the other copy has had its 7 s."""
    shop = Shop(card=None)
    till = shop.ask(sale(), say=lambda number, _final: ACK if number == 1 else b"")
    shop.rest(15_000)
    assert till.waits == [2, 7002, 14_002]


def test_a_request_in_blocks_is_served() -> None:
    shop = Shop()
    till = shop.till()
    message = Message.of({0: SALE_AMOUNT, 4: "643", 25: 1, 89: "x" * 900})
    for block in encode_blocks(message.encode(), 512):
        shop.world.write(block)
        shop.rest(10)
    assert shop.until(lambda: bool(till.finals))
    assert text(till.final, 39) == "1"
    assert heard(till)[:4] == ["ACK", "ACK", "wait", "block 1"]


# --- damage ------------------------------------------------------------------------------------------------

BAD_CRC = sale()[:-1] + bytes([sale()[-1] ^ 0xFF])
BAD_TLV = request({25: 1})[:-2]


def test_a_bad_crc_is_refused_and_the_good_copy_served() -> None:
    shop = Shop()
    till = shop.ask(BAD_CRC)
    shop.rest(10)
    shop.world.write(sale())
    assert shop.until(lambda: bool(till.finals))
    assert heard(till)[:3] == ["NAK", "ACK", "wait"]


def test_the_third_refusal_in_a_row_gives_up_the_session() -> None:
    shop = Shop()
    shop.ask(sale())
    shop.reach(State.BANK_ANSWER)
    for _ in range(3):
        shop.world.write(BAD_CRC)
        shop.rest(10)
    assert heard(shop.tills[0]) == ["ACK", "wait", "NAK", "NAK", "NAK", "EOT"]
    shop.settle()
    assert_agreed(shop)
    assert [row.state for row in shop.operations] == [OperationState.REVERSED]


def test_noise_is_skipped_in_silence() -> None:
    shop = Shop()
    till = shop.till()
    shop.world.write(b"\x03\x04\x04\x55\x05" + sale())
    assert shop.until(lambda: bool(till.finals))
    assert heard(till)[:2] == ["ACK", "wait"]
    assert text(till.final, 39) == "1"


def test_a_length_above_the_limit_is_noise() -> None:
    shop = Shop()
    till = shop.till()
    shop.world.write(b"\x02\xff\xff" + sale())
    assert shop.until(lambda: bool(till.finals))
    assert text(till.final, 39) == "1"


def test_half_a_frame_and_five_seconds_of_silence() -> None:
    shop = Shop()
    till = shop.till()
    shop.world.write(sale()[:9])
    shop.rest(6000)
    assert till.heard == [(Millis(5002), "NAK")]
    shop.world.write(sale())
    assert shop.until(lambda: bool(till.finals))


def test_byte_by_byte() -> None:
    shop = Shop()
    till = shop.till()
    for byte in sale():
        shop.world.write(bytes([byte]))
        shop.rest(400)
    assert shop.until(lambda: bool(till.finals))
    assert heard(till)[:2] == ["ACK", "wait"]


# --- three sends -------------------------------------------------------------------------------------------


def test_three_sends_seven_seconds_apart_and_eot() -> None:
    shop = Shop(card=None)
    till = shop.ask(sale(), say=lambda _number, _final: b"")
    shop.rest(30_000)
    assert till.heard[1:] == [(2, "wait"), (7002, "wait"), (14_002, "wait"), (21_002, "EOT")]
    assert shop.state is State.IDLE


def test_a_nak_brings_the_same_bytes_at_once_within_the_three_sends() -> None:
    shop = Shop(card=None)
    till = shop.ask(sale(), say=lambda _number, _final: NAK)
    shop.rest(30_000)
    assert heard(till)[1:] == ["wait", "wait", "wait", "EOT"]
    assert till.heard[-1][0] < 50


def test_a_late_ack_of_a_wait_is_never_the_ack_of_the_final() -> None:
    """A register that ACKs the wait twice, the second time when the final is on the line."""
    shop = Shop(ONE_FRAME)
    acks = 0

    def say(_number: int, final: bool) -> bytes:
        nonlocal acks
        acks += 1
        return b"" if final or acks == 1 else ACK

    till = shop.ask(sale(), say=say)
    assert shop.until(lambda: len(till.waits) == 2)
    shop.rest(100)
    assert till.finals == [], "the final waits for the ACK owed to the first copy of the wait"
    shop.world.write(ACK)
    shop.rest(100)
    assert len(till.finals) == 1
    assert shop.kept_count == 0
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_count == 0


def test_a_register_that_acks_after_five_seconds() -> None:
    shop = Shop()
    till = shop.ask(sale(), say=lambda _number, _final: b"")
    for frames in range(1, 5):
        assert shop.until(lambda frames=frames: till.frames == frames)  # type: ignore[misc]
        shop.rest(5000)
        shop.world.write(ACK)
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_count == 1
    assert till.frames == 4, "nothing was sent twice"


# --- repeats and other requests ----------------------------------------------------------------------------

SERVING = [State.CARD_PROMPT, State.PIN_ENTRY, State.BANK_CONNECT, State.BANK_ANSWER]


@pytest.mark.parametrize("state", SERVING)
def test_the_same_request_again_runs_once(state: State) -> None:
    shop = Shop(card="mir-chip")
    till = shop.ask(sale())
    shop.reach(state)
    shop.world.write(sale())
    assert shop.until(lambda: bool(till.finals))
    shop.settle()
    assert_agreed(shop)
    assert heard(till).count("ACK") == 2
    assert len(till.finals) == 1
    assert len(shop.operations) == 1


def test_the_same_request_after_the_answer_is_a_new_operation() -> None:
    shop = Shop()
    till = shop.ask(sale())
    assert shop.until(lambda: shop.kept_count == 1)
    shop.world.write(sale())
    assert shop.until(lambda: shop.kept_count == 2)
    shop.settle()
    assert_agreed(shop)
    assert len(till.finals) == 2


def test_the_ack_of_the_answer_glued_to_the_next_request() -> None:
    """Whatever ``busy`` says: the operation is over with its ACK, and the next request is served."""
    for busy in Busy:
        shop = Shop(changed(answer={"receipt": False}, line={"busy": busy}))
        till = shop.ask(sale(), say=lambda _number, final: ACK + sale(amount=500) if final else ACK)
        assert shop.until(lambda till=till: len(till.finals) == 2)  # type: ignore[misc]
        assert [text(final, 0) for final in till.finals] == ["1200", "500"]
        assert shop.kept_count == 1


@pytest.mark.parametrize("state", [*SERVING, State.ANSWERING])
def test_busy_takeover(state: State) -> None:
    """The register has given up its session: what was asked of the bank is undone, the new one served."""
    shop = Shop(card="mir-chip")
    taken_over = False
    till = shop.ask(sale(), say=lambda _number, final: b"" if final and not taken_over else ACK)
    shop.reach(state)
    taken_over = True
    shop.world.write(sale(amount=500))
    shop.settle()
    assert_agreed(shop)
    assert text(till.final, 0) == "500"
    assert [row.amount for row in shop.operations if row.state is OperationState.APPROVED] == [500]


def test_the_same_request_while_its_answer_is_on_the_line_is_another_one() -> None:
    """The first byte of the answer has left and nobody took it: undone, and served anew."""
    shop = Shop(ONE_FRAME)
    refused = 1

    def say(_number: int, final: bool) -> bytes:
        nonlocal refused
        refused -= final
        return b"" if final and refused == 0 else ACK

    shop.ask(sale(), say=say)
    shop.reach(State.ANSWERING)
    shop.rest(10)
    shop.world.write(sale())
    shop.settle()
    assert_agreed(shop)
    assert [row.state for row in shop.operations] == [OperationState.REVERSED, OperationState.APPROVED]


@pytest.mark.parametrize("busy", [Busy.NAK, Busy.IGNORE])
@pytest.mark.parametrize("state", SERVING)
def test_busy_nak_and_busy_ignore(state: State, busy: Busy) -> None:
    shop = Shop(changed(line={"busy": busy}), card="mir-chip")
    till = shop.ask(sale())
    shop.reach(state)
    for _ in range(4):
        shop.world.write(sale(amount=500))
        shop.rest(10)
    assert heard(till)[2:] == ["NAK" if busy is Busy.NAK else "ACK"] * (4 if busy is Busy.NAK else 0)
    shop.settle()
    assert_agreed(shop)
    assert [row.amount for row in shop.operations] == [SALE_AMOUNT]


REPLIES = [
    request({25: 63, 65: 16, 67: 0}),
    request({25: 63, 65: 17, 67: 0, 70: b"bytes"}),
    request({25: 52, 67: 3}),
]


@pytest.mark.parametrize("reply", REPLIES, ids=["open", "data", "cashier"])
@pytest.mark.parametrize("state", SERVING)
def test_a_reply_of_the_tunnel_or_the_cashier_is_no_other_request(state: State, reply: bytes) -> None:
    shop = Shop(card="mir-chip")
    shop.ask(sale())
    shop.reach(state)
    shop.world.write(reply)
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_count == 1


@pytest.mark.parametrize("reply", REPLIES, ids=["open", "data", "cashier"])
def test_a_late_reply_at_rest_is_acknowledged_and_nothing_else(reply: bytes) -> None:
    shop = Shop()
    till = shop.ask(reply)
    shop.settle()
    assert heard(till) == ["ACK"]


@pytest.mark.parametrize("eot_after", [1, 30, 100])
def test_eot_after_the_ack_of_the_final_is_the_end_of_the_session(eot_after: int) -> None:
    shop = Shop()
    shop.ask(sale())
    assert shop.until(lambda: shop.kept_count == 1)
    shop.rest(eot_after)
    shop.world.write(EOT)
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_count == 1
    assert shop.memory.remarks == ()


def test_ack_and_eot_in_one_write() -> None:
    shop = Shop(ONE_FRAME)
    shop.ask(sale(), say=lambda _number, final: ACK + EOT if final else ACK)
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_count == 1


# --- the next session reads nothing stale ------------------------------------------------------------------


def test_a_register_that_opens_the_port_after_a_lost_answer_reads_nothing_old() -> None:
    shop = Shop(card="mir-chip")
    shop.ask(sale())
    shop.reach(State.BANK_ANSWER)
    shop.world.plug(None, tell=False)
    shop.rest(60_000)
    assert shop.world.unread, "the lost answer lies in the port"
    till = HandTill()
    shop.tills.append(till)
    shop.world.plug(till)
    shop.rest(20)
    assert till.heard == []


def test_a_register_that_never_closes_the_port_reads_nothing_old() -> None:
    """Nobody opens or closes: the flush comes with the first byte of the next request."""
    shop = Shop(card="mir-chip")
    shop.ask(sale())
    shop.reach(State.BANK_ANSWER)
    shop.world.plug(None, tell=False)
    shop.rest(60_000)
    till = HandTill()
    shop.tills.append(till)
    shop.world.plug(till, tell=False)
    shop.world.write(sale(amount=500))
    assert shop.until(lambda: bool(till.finals))
    assert heard(till)[:2] == ["ACK", "wait"]
    assert text(till.final, 0) == "500"


def test_a_takeover_drops_the_unread_answer_before_its_ack() -> None:
    shop = Shop(ONE_FRAME)
    emulator = shop.world.emulator
    shop.ask(sale(), say=lambda _number, final: b"" if final else ACK)
    shop.reach(State.ANSWERING)
    written = [
        effect
        for effect in emulator.receive(sale(amount=500), shop.world.now)
        if isinstance(effect, FlushLine | WriteLine)
    ]
    assert written[:2] == [FlushLine(), WriteLine(ACK)]
    assert FlushLine() not in written[2:], "the ACK of the new request is never dropped"


def test_nothing_is_flushed_between_our_ack_and_the_end() -> None:
    shop = Shop(ONE_FRAME)
    emulator = shop.world.emulator
    emulator.handle(LineOpened(), Millis(0))
    effects = emulator.receive(sale(), Millis(1))
    assert [effect for effect in effects if isinstance(effect, FlushLine | WriteLine)] == [
        FlushLine(),
        WriteLine(ACK),
        WriteLine(WAIT_FRAME),
    ]
    assert FlushLine() not in emulator.receive(ACK, Millis(2))
    assert FlushLine() in emulator.handle(LineClosed("closed"), Millis(3))
