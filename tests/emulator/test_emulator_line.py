"""Every row of the line (PROTOCOL.md, section 0.1), against a whole pinpad on virtual time."""

import pytest
from emulator_kit import (
    ACK,
    EOT,
    NAK,
    PROFILES,
    SALE_AMOUNT,
    WAIT_FRAME,
    HandTill,
    Shop,
    assert_agreed,
    changed,
    customer,
    link_test,
    outcome,
    request,
    reversal,
    sale,
    text,
)

from smartsale_emu.emulator import FlushLine, LineClosed, LineOpened, WriteLine
from smartsale_emu.host.ledger import OperationState
from smartsale_emu.sa.framing import encode_blocks, encode_frame
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.virtual import Delivery
from smartsale_emu.terminal.profile import Busy
from smartsale_emu.terminal.table import State
from smartsale_emu.units import Millis


def heard(till: HandTill) -> list[str]:
    return [what for _, what in till.heard]


def without_receipt() -> Shop:
    """Final answers in one frame."""
    return Shop(changed(answer={"receipt": False}))


# --- a good request ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [sale(), link_test()], ids=["sale", "link-test"])
def test_ack_and_a_wait_at_once(frame: bytes) -> None:
    shop = Shop(card=None)
    till = shop.ask(frame)
    shop.rest(50)
    assert till.heard[0][1] == "ACK"
    assert till.heard[0][0] <= 50
    assert till.waits[:1] == [till.heard[0][0]]


def test_waits_every_ten_seconds_until_the_answer() -> None:
    shop = Shop(card=None)
    till = shop.ask(sale())
    assert shop.until(lambda: bool(till.finals))
    assert till.waits == [2, 10_002, 20_002]
    assert till.heard[-1][1] == "final"


def test_no_wait_leaves_while_the_one_before_is_unanswered() -> None:
    """Two copies of the first, one ACK: the next is due at 10 s and leaves when the other copy's 7 s are over."""
    shop = Shop(card=None)
    till = shop.ask(sale(), say=lambda number, _final: ACK if number == 1 else b"")
    shop.rest(15_000)
    assert till.waits == [2, 7002, 14_002]


@pytest.mark.parametrize("amount", ["1200", "00001200", "000000001200"])
def test_amounts_come_back_without_leading_zeros(amount: str) -> None:
    final = Shop().serve(sale(amount=amount))
    assert text(final, 0) == str(SALE_AMOUNT)


def test_field_26_comes_back_and_field_4_echoes_the_request() -> None:
    final = Shop().serve(sale(f26="000012"))
    assert (text(final, 26), text(final, 4)) == ("12", "643")
    unasked = Shop().serve(reversal())
    assert (text(unasked, 26), text(unasked, 4), text(unasked, 0)) == ("0", "0", "1200")


def test_a_request_in_blocks_is_served() -> None:
    shop = Shop()
    till = shop.till()
    fields = {0: SALE_AMOUNT, 4: "643", 25: 1, 89: "x" * 900}
    for block in encode_blocks(Message.of(fields).encode(), 512):
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
    assert heard(shop.tills[0]) == ["ACK", "wait", "NAK", "NAK", "EOT"], "the last NAK was dropped with all unread"
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
    shop = without_receipt()
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
    assert shop.memory.kept_count == 0
    shop.settle()
    assert_agreed(shop)
    assert shop.memory.kept_count == 0


def test_a_register_that_acks_after_five_seconds() -> None:
    shop = Shop()
    till = shop.ask(sale(), say=lambda _number, _final: b"")
    answered = 0
    while shop.memory.kept_count == 0 and shop.world.now < 100_000:
        assert shop.until(lambda: till.frames > answered or shop.memory.kept_count == 1)
        answered = till.frames
        shop.rest(5000)
        shop.world.write(ACK)
    shop.settle()
    assert_agreed(shop)
    assert shop.memory.kept_count == 1
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
    assert shop.until(lambda: shop.memory.kept_count == 1)
    shop.world.write(sale())
    assert shop.until(lambda: shop.memory.kept_count == 2)
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
        assert shop.memory.kept_count == 1


@pytest.mark.parametrize("state", [*SERVING, State.ANSWERING])
def test_busy_takeover(state: State) -> None:
    """The register has given up its session: what was asked of the bank is undone, the new request is served."""
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
    assert shop.memory.kept_count == 1


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
    assert shop.until(lambda: shop.memory.kept_count == 1)
    shop.rest(eot_after)
    shop.world.write(EOT)
    shop.settle()
    assert_agreed(shop)
    assert shop.memory.kept_count == 1
    assert shop.memory.remarks == ()


def test_ack_and_eot_in_one_write() -> None:
    shop = without_receipt()
    shop.ask(sale(), say=lambda _number, final: ACK + EOT if final else ACK)
    shop.settle()
    assert_agreed(shop)
    assert shop.memory.kept_count == 1


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
    shop = without_receipt()
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
    shop = without_receipt()
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


# --- what is asked -----------------------------------------------------------------------------------------

BAD_FIELD = "ОШИБКА В ЗАПРОСЕ: ПОЛЕ {}"


@pytest.mark.parametrize(
    ("fields", "code", "named"),
    [
        ({0: 100, 4: "643"}, "0", 25),
        ({0: 100, 4: "643", 25: ""}, "0", 25),
        ({0: 100, 4: "643", 25: "x1"}, "0", 25),
        ({0: 100, 4: "643", 25: "-1"}, "0", 25),
        ({4: "643", 25: 1}, "1", 0),
        ({0: "", 4: "643", 25: 1}, "1", 0),
        ({0: "0", 4: "643", 25: 1}, "1", 0),
        ({0: "12.00", 4: "643", 25: 1}, "1", 0),
        ({0: "-5", 4: "643", 25: 1}, "1", 0),
        ({0: "1000000000000", 4: "643", 25: 1}, "1", 0),
        ({0: 100, 25: 1}, "1", 4),
        ({0: 100, 4: "RUB", 25: 1}, "1", 4),
        ({0: 100, 4: "64", 25: 1}, "1", 4),
        ({0: "1O0", 25: 53}, "53", 0),
        ({4: "6", 25: 53}, "53", 4),
    ],
)
def test_a_field_that_is_missing_or_malformed(fields: dict[int, object], code: str, named: int) -> None:
    shop = Shop()
    till = shop.ask(request(fields))
    shop.settle()
    assert heard(till) == ["ACK", "final"], "no wait"
    assert text(till.final, 25) == code
    assert outcome(till.final) == ("53", "ER2", BAD_FIELD.format(named), "0")
    assert (text(till.final, 0) or "").isdigit()


@pytest.mark.parametrize("code", [0, 3, 4, 21, 29, 59, 63, 99, 255])
def test_an_unknown_operation(code: int) -> None:
    shop = Shop()
    till = shop.ask(request({0: 100, 4: "643", 25: code}))
    shop.settle()
    assert heard(till) == ["ACK", "final"], "no wait"
    assert text(till.final, 25) == str(code)
    assert outcome(till.final) == ("0", "ER1", "ОПЕРАЦИЯ НЕ ПОДДЕРЖИВАЕТСЯ", "0")


def test_of_a_field_that_stands_twice_the_last_one_counts() -> None:
    shop = Shop(traced=True)
    twice = Message.of({0: 100, 4: "643"}).encode() + Message.of({0: SALE_AMOUNT, 25: 1}).encode()
    final = shop.serve(encode_frame(twice))
    assert text(final, 0) == str(SALE_AMOUNT)
    assert [row.amount for row in shop.operations] == [SALE_AMOUNT]
    assert any("stand twice" in trace.because for _, trace in shop.world.traces)


@pytest.mark.parametrize("given", [None, "", "00060056"])
def test_an_absent_empty_or_right_terminal_id_is_accepted(given: str | None) -> None:
    shop = Shop(changed(rules={"check_terminal_id": True}))
    assert text(shop.serve(sale(f27=given)), 39) == "1"


def test_a_wrong_terminal_id() -> None:
    assert text(Shop().serve(sale(f27="11111111")), 39) == "1", "accepted unless the profile checks it"
    shop = Shop(changed(rules={"check_terminal_id": True}))
    final = shop.serve(sale(f27="11111111"))
    assert outcome(final) == ("53", "ER2", "НЕВЕРНЫЙ НОМЕР ТЕРМИНАЛА", "0")
    assert text(final, 27) == "00060056"
    assert shop.operations == []


# --- timers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field_57", "seconds"),
    [(None, 30), (5, 5), (90, 90), (0, 30), ("", 30), ("x", 30), (3600, 3600), (3601, 30)],
)
def test_the_time_for_the_card(field_57: object, seconds: int) -> None:
    shop = Shop(card=None)
    shop.ask(sale(f57=field_57))
    shop.reach(State.CARD_PROMPT)
    since = shop.world.now
    assert shop.world.run(lambda: shop.state is State.ANSWERING, within=4_000_000)
    assert shop.world.now - since == seconds * 1000


def test_the_other_timers() -> None:
    """PIN 30 s, bank answer 30 s, one attempt 15 s, the next 30 s later."""
    shop = Shop(cardholder=customer("mir-chip", pin_after=Millis(3_000_000)))
    shop.ask(sale())
    shop.reach(State.PIN_ENTRY)
    since = shop.world.now
    shop.reach(State.ANSWERING)
    assert shop.world.now - since == 30_000

    shop = Shop()
    shop.world.delivery = lambda _: Delivery.LOST_BACK
    shop.ask(sale())
    moments = {}
    for state in (State.BANK_ANSWER, State.UNDOING, State.ANSWERING, State.OWING, State.RETRYING, State.OWING):
        shop.reach(state)
        moments.setdefault(state, []).append(shop.world.now)
    assert moments[State.UNDOING][0] - moments[State.BANK_ANSWER][0] == 30_000
    assert moments[State.ANSWERING][0] - moments[State.UNDOING][0] == 15_000
    assert moments[State.RETRYING][0] - moments[State.OWING][0] == 30_000
    assert moments[State.OWING][1] - moments[State.RETRYING][0] == 15_000


def test_the_bank_that_cannot_be_reached_in_ten_seconds() -> None:
    shop = Shop()
    shop.world.delivery = lambda _: Delivery.UNREACHABLE
    shop.world._call = lambda _effect: None  # type: ignore[method-assign]
    till = shop.ask(sale())
    shop.reach(State.BANK_CONNECT)
    since = shop.world.now
    assert shop.until(lambda: bool(till.finals))
    assert 10_000 <= shop.world.now - since < 10_050
    assert outcome(till.final) == ("34", None, "НЕТ СВЯЗИ", "0")


def test_the_profiles_differ_in_data_only() -> None:
    """The same sale under both: the same fields, but for the rows that they name."""
    finals = {name: Shop(profile).serve(sale()) for name, profile in PROFILES.items()}
    old, new = finals["unipos-2018"], finals["unipos-2023"]
    differing = {record.tag for record in old.records if record.value != new.get(record.tag)}
    assert [record.tag for record in old.records] == [record.tag for record in new.records]
    assert differing == {15, 23, 26, 90}
    assert [text(old, tag) for tag in (15, 23, 26)] == ["00", "-1", "-1"]
    assert [text(new, tag) for tag in (15, 23, 26)] == ["001", "0", "0"]
