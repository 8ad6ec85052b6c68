"""What came instead of what was expected, and what is wrong at the end."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from smartsale_emu.control import UnexpectedError, VirtualPinpad, virtual_pinpad
from smartsale_emu.register.habits import FinalHabit
from smartsale_emu.sa.framing import encode_frame
from smartsale_emu.sa.tlv import Message
from smartsale_emu.units import Millis


def asks(**fields: str) -> bytes:
    """Return a request by its field numbers: ``_25="1"``."""
    return encode_frame(Message.of({int(name[1:]): text for name, text in fields.items()}).encode())


def problem(act: Callable[[], object]) -> str:
    """Return what is wrong, without the story."""
    with pytest.raises(UnexpectedError) as told:
        act()
    assert "What happened:\n" in str(told.value)
    return told.value.problem


@pytest.fixture
def desk() -> VirtualPinpad:
    return VirtualPinpad(card="mir-contactless")


def test_each_call_takes_the_next_exchange(desk: VirtualPinpad) -> None:
    first, second = desk.ask("sale 100.00"), desk.ask("sale 100.00")
    assert desk.expect_sale("100.00") == first
    assert desk.expect_sale(Decimal(100)) == second
    assert first.rrn != second.rrn
    desk.check()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("sale 99.00", "the register asked for 99.00, which is 1.00 less; it ended so: sale 99.00: 39 = 1"),
        ("sale 100.01", "the register asked for 100.01, which is 0.01 more"),
        ("sale 1.00", "which is 99.00 less (field 0 is in minor units: 10000)"),
        ("settlement", "the register asked for settlement: 39 = 1"),
    ],
)
def test_another_request(desk: VirtualPinpad, asked: str, told: str) -> None:
    desk.ask(asked)
    wrong = problem(lambda: desk.expect_sale("100.00"))
    assert wrong.startswith("sale 100.00 was expected; ")
    assert told in wrong


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (
            asks(_0="10000", _25="99"),
            "it knows no such operation; the fields of the request: 0 = '10000', 25",
        ),
        (asks(_0="10000"), "the pinpad refused it: the request is not complete, or wrong"),
        (asks(_0="100.00", _25="1"), "the sale has '100.00' in field 0, no minor units: sale: 39 = 53"),
        (
            asks(_25="1", _12="2200=9912"),
            "asked for a request with 25 = '1': 39 = 53 ОШИБКА В ЗАПРОСЕ: ПОЛЕ 0; the",
        ),
    ],
)
def test_a_request_that_is_refused(desk: VirtualPinpad, request_: bytes, told: str) -> None:
    desk.write(request_)
    desk.read()
    desk.write(b"\x06" * 9)
    desk.clock.advance("30s")
    wrong = problem(lambda: desk.expect_sale("100.00"))
    assert told in wrong
    assert "2200" not in wrong  # a track is nobody's business


def test_nothing_came(desk: VirtualPinpad) -> None:
    told = problem(lambda: desk.expect_sale("100.00", within="2s"))
    assert told == "sale 100.00 was expected within 2s, and no request came; nobody wrote to the port"
    desk.write(b"\xff\xff" + asks(_25="1")[:-1] + b"?")
    told = problem(desk.expect_sale)
    assert "the register sent bytes that are no frame" in told
    assert "a frame with a wrong CRC, " in told
    assert "a frame with a wrong CRC" in problem(desk.check)


def test_nothing_more_came(desk: VirtualPinpad) -> None:
    desk.ask("sale 100.00")
    desk.expect_sale()
    told = problem(desk.expect_sale)
    assert "expected already (each call takes the next one): sale 100.00: 39 = 1" in told


UNASKED = "; a reversal by the pinpad itself is no request (operation 53): look at bank.ledger"


def test_a_reversal_by_the_pinpad_itself(desk: VirtualPinpad) -> None:
    desk.bank.fault("no answer to money")
    desk.ask("sale 100.00")
    assert UNASKED not in problem(lambda: desk.expect_void(within="2s"))
    assert problem(lambda: desk.expect_reversal(within="2s")).endswith(UNASKED)
    desk.ask("sale 200.00")
    assert problem(lambda: desk.expect_reversal("100.00")).endswith(UNASKED)


def test_a_reversal_that_the_register_asked_for(desk: VirtualPinpad) -> None:
    desk.ask("sale 100.00")
    desk.ask("reversal 100.00")
    assert desk.expect_sale("100.00").approved
    assert desk.expect_reversal("100.00").approved
    assert UNASKED not in problem(lambda: desk.expect_reversal(within="2s"))


NO_CARD = 'nobody presented a card: pinpad.insert("mir-chip", pin="1234")'
NO_PIN = 'nobody typed a PIN: pinpad.insert(card, pin="1234"), pinpad.type_pin("1234")'


def last_line(desk: VirtualPinpad) -> str:
    return desk.story().splitlines()[-1]


@pytest.mark.parametrize("leaves", [False, True])
def test_the_story_tells_what_the_customer_never_gave(desk: VirtualPinpad, *, leaves: bool) -> None:
    for hands, told in ((desk.remove, NO_CARD), (lambda: desk.insert("mir-chip"), NO_PIN)):
        hands()
        if leaves:
            desk.write(asks(_0="10000", _4="643", _25="1"))
            desk.clock.advance("3s")
            desk.write(b"\x04")
            desk.clock.advance("3s")
        else:
            desk.ask("sale 100.00")
        assert (last_line(desk), desk.state) == (told, "idle")
    desk.insert("mir-chip", pin="1234")
    assert desk.ask("sale 100.00").approved
    assert last_line(desk) not in (NO_CARD, NO_PIN)


def test_a_customer_who_cancels_has_forgotten_nothing(desk: VirtualPinpad) -> None:
    desk.remove()
    desk.write(asks(_0="10000", _4="643", _25="1"))
    desk.clock.advance("3s")
    assert last_line(desk) == NO_CARD
    desk.cancel()
    desk.clock.advance("60s")
    assert last_line(desk) != NO_CARD


def test_a_customer_whom_a_power_cut_spares_the_question(desk: VirtualPinpad) -> None:
    desk.remove()
    desk.fault("power: cut at card prompt for 1s")
    desk.ask("sale 100.00")
    assert last_line(desk) != NO_CARD


@pytest.mark.parametrize(
    ("hands", "told"),
    [
        (lambda desk: desk.remove(), "it waits for a card that nobody presents"),
        (lambda desk: desk.insert("mir-chip"), "it waits for a PIN that nobody types"),
    ],
)
def test_an_exchange_that_goes_on(
    desk: VirtualPinpad, hands: Callable[[VirtualPinpad], None], told: str
) -> None:
    hands(desk)
    desk.write(asks(_0="10000", _4="643", _25="1"))
    desk.read()
    desk.write(b"\x06")
    wrong = problem(lambda: desk.expect_sale("100.00", within="2s"))
    assert told in wrong
    assert "its screen says «К ОПЛАТЕ 100.00 РУБ / " in wrong
    assert (
        f"The test is over, and after 2s more sale 100.00: not answered yet is under way: {told}"
        in problem(lambda: desk.check(within="2s"))
    )


def test_our_own_register_whose_exchange_goes_on(
    desk: VirtualPinpad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virtual_pinpad, "LONGEST", Millis(2500))
    desk.remove()
    assert problem(lambda: desk.ask("sale 100.00")).startswith(
        "after 2.5 s sale 100.00: not answered yet is under way: it waits for a card that nobody presents"
    )


def test_a_return(desk: VirtualPinpad) -> None:
    sale = desk.ask("sale 100.00")
    desk.expect_sale("100.00")
    desk.ask("settlement")
    assert desk.expect_settlement().approved
    desk.ask(f"return 40.00 rrn={sale.rrn} code={sale.code}")
    assert desk.expect_return("40.00").approved
    assert desk.bank.net == 6000
    desk.ask("sale 1.00")
    assert "the register asked for sale 1.00" in problem(desk.expect_return)


def test_a_double_charge(desk: VirtualPinpad) -> None:
    desk.ask("sale 100.00")
    desk.ask("sale 100.00")
    told = problem(desk.check)
    assert told.startswith("The customer was charged twice: 100.00 from the card mir-contactless")
    assert "nobody expected that" in told
    desk.expect_sale("100.00")
    assert "the test expected once" in problem(desk.check)
    desk.expect_sale("100.00")
    desk.check()


def test_a_charge_that_was_given_back_is_none(desk: VirtualPinpad) -> None:
    first = desk.ask("sale 100.00")
    desk.ask(f"void 100.00 rrn={first.rrn} code={first.code}")
    desk.ask("sale 100.00")
    desk.check()


def test_two_charges_that_differ_are_none(desk: VirtualPinpad) -> None:
    desk.ask("sale 100.00")
    desk.ask("sale 100.01")
    desk.check()


def test_an_answer_that_the_register_does_not_acknowledge(desk: VirtualPinpad) -> None:
    desk.ask("sale 100.00", final=FinalHabit.NONE)
    assert "did not acknowledge the answer to an operation that the bank had approved" in problem(
        lambda: desk.check(within="60s")
    )
    desk.ask("reversal 100.00")  # it is not sure, and says so
    desk.check()


def test_a_reversal_of_something_else_excuses_nothing(desk: VirtualPinpad) -> None:
    desk.ask("sale 100.00", final=FinalHabit.NONE)
    desk.clock.advance("1m")
    desk.ask("sale 50.00")
    desk.ask("reversal 50.00")
    told = problem(desk.check)
    assert "did not acknowledge" in told
    assert "STAN 1," in told


def test_a_request_that_takes_the_place_of_another(desk: VirtualPinpad) -> None:
    """The pinpad serves the second; the first has no answer any more (PROTOCOL.md, section 0.1)."""
    for amount in ("10000", "5000"):
        desk.write(encode_frame(Message.of({0: amount, 4: "643", 25: "1"}).encode()))
        desk.read()
    assert desk.expect_sale("100.00").lost == "the register asked for something else before the answer came"
    assert not desk.exchanges[-1].over


def test_a_fault_of_the_tests_own_is_no_failure_and_leaves_a_doubt(desk: VirtualPinpad) -> None:
    """The register was told 39 = 1, and the pinpad has reversed it: from here nobody can know."""
    desk.fault("line: drop every ack of final")
    assert desk.ask("sale 100.00").approved
    desk.check(within="60s")
    assert desk.doubts == ["STAN 1, the register may believe 39 = 1: no acknowledgement to any copy"]
    assert desk.bank.net == 0


NOT_ACKNOWLEDGED = "did not acknowledge the answer to an operation that the bank had approved, so the pinpad "


def test_a_power_cut_in_mid_answer_is_not_the_registers_fault(desk: VirtualPinpad) -> None:
    desk.fault("power: cut at answering for 1ms")
    desk.ask("sale 100.00")
    desk.clock.advance("1m")
    desk.check()
    assert [row.state.value for row in desk.bank.ledger] == ["reversed"]


def test_a_power_cut_elsewhere_is_no_excuse(desk: VirtualPinpad) -> None:
    desk.fault("power: cut at answering for 1ms")
    desk.ask("sale 50.00")
    desk.clock.advance("1m")
    desk.ask("sale 100.00", final=FinalHabit.NONE)
    told = problem(lambda: desk.check(within="60s"))
    assert f"{NOT_ACKNOWLEDGED}had it reversed." in told
    assert "STAN 2" in told
    assert "STAN 1" not in told


def test_an_answer_that_is_kept_in_doubt(desk: VirtualPinpad) -> None:
    """The register says nothing to the first copy of the answer, and gives up at the second."""
    desk.write(asks(_0="10000", _4="643", _25="1"))
    while desk.read() and "pinpad → register  final" not in desk.story():
        desk.write(b"\x06")
    desk.clock.advance("16s")
    desk.write(b"\x04")
    told = problem(desk.check)
    assert f"{NOT_ACKNOWLEDGED}keeps it in doubt. A register that counts it as unpaid" in told
    assert "kept in doubt: EOT in answer to a repeat" in told
    assert [row.state.value for row in desk.bank.ledger] == ["approved"]


def test_a_question_that_nobody_answers(desk: VirtualPinpad) -> None:
    desk.ask("sale 100.00")
    before = desk.clock.now
    assert str(desk.ask("void 100.00")) == "void 100.00: 39 = 16 НЕТ RRN ИЛИ КОДА АВТОРИЗАЦИИ"
    assert (desk.clock.now - before).total_seconds() < 1


def test_a_cashier_who_knows(desk: VirtualPinpad) -> None:
    sale = desk.ask("sale 100.00")
    assert desk.ask("void 100.00", cashier=[sale.rrn]).field(39) == "53", "he cancels the second question"
    assert desk.ask("void 100.00", cashier=[sale.rrn, sale.code]).approved
    assert desk.bank.net == 0
    with pytest.raises(TypeError, match=r"cashier is a list of texts, such as \['1'\]"):
        desk.ask("void 100.00", cashier="1")


def test_what_is_owed_to_the_bank(desk: VirtualPinpad) -> None:
    desk.bank.fault("no answer to money")
    desk.bank.fault("never arrives to every reversal")
    desk.ask("sale 100.00")
    told = problem(desk.check)
    assert told.startswith("Bank, pinpad and register do not agree: a reversal is still owed to the bank")
    assert "bank.recover()" in told
    desk.bank.recover()
    desk.clock.advance("1m")
    desk.check()
    assert desk.bank.net == 0


def test_books_that_differ(desk: VirtualPinpad) -> None:
    desk.ask("sale 100.00")
    desk.bank.fault("forgets")
    told = problem(desk.check)
    assert "the pinpad keeps STAN 1 of 100.00, the bank has never heard of it" in told


def test_time_that_was_waited_for_has_passed(desk: VirtualPinpad) -> None:
    """Whoever asks again and again comes to the end."""
    desk.remove()
    desk.write(asks(_0="10000", _4="643", _25="1"))
    waited = 0
    while not desk.rests(within="500ms"):
        waited += 1
        desk.write(b"\x06" * bool(desk.read("500ms")))
        assert waited < 100
    assert 30 <= desk.clock.now.total_seconds() <= 60


def test_a_screen(desk: VirtualPinpad) -> None:
    desk.expect_screen("ДОБРО")
    assert "was expected to say 'ОДОБРЕНО' within 1s; it says 'ДОБРО" in problem(
        lambda: desk.expect_screen("ОДОБРЕНО", within="1s")
    )


def test_what_is_no_amount_is_told_before_anything_is_waited_for(desk: VirtualPinpad) -> None:
    before = desk.clock.now
    with pytest.raises(TypeError, match=r"an amount is a text or a Decimal, such as '100.00', not 10000"):
        desk.expect_sale(10000)  # type: ignore[arg-type]
    assert desk.clock.now == before
