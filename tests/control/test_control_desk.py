"""Hands on a pinpad: the customer, the clock, and what goes wrong in the words of scenarios."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from smartsale_emu.control import UnexpectedError, VirtualPinpad
from smartsale_emu.control.watched import UnmetFaultWarning
from smartsale_emu.errors import ProfileError, SetupError
from smartsale_emu.register.habits import FinalHabit
from smartsale_emu.sa.framing import encode_frame
from smartsale_emu.sa.tlv import Message

SALE = encode_frame(Message.of({0: "10000", 4: "643", 25: "1"}).encode())


@pytest.fixture
def desk() -> VirtualPinpad:
    return VirtualPinpad()


def begin(desk: VirtualPinpad) -> None:
    """Let a register ask for a sale and acknowledge the wait."""
    desk.write(SALE)
    desk.read()
    desk.write(b"\x06")


@pytest.mark.parametrize("way", ["insert", "tap", "swipe"])
def test_a_card_that_there_is_not(desk: VirtualPinpad, way: str) -> None:
    with pytest.raises(
        ProfileError, match=r"'mir-chpi' is not known; is 'mir-chip' meant\? there is: .*visa-"
    ):
        getattr(desk, way)("mir-chpi")


@pytest.mark.parametrize(("way", "card"), [("insert", "mir-chip"), ("tap", "mir-contactless")])
def test_the_customer_presents_his_card_whenever_he_is_asked(
    desk: VirtualPinpad, way: str, card: str
) -> None:
    getattr(desk, way)(card, pin="1234")
    assert desk.ask("sale 100.00").approved
    assert desk.ask("sale 200.00").approved


@pytest.mark.parametrize(
    ("way", "told"), [("insert", "chip"), ("tap", "contactless"), ("swipe", "magstripe")]
)
def test_how_a_card_is_read(desk: VirtualPinpad, way: str, told: str) -> None:
    begin(desk)
    getattr(desk, way)("mir-chip")
    assert f"card mir-chip, {told}" in desk.story()


def test_a_bank_that_takes_its_time() -> None:
    quick, slow = (VirtualPinpad(card="mir-contactless", bank_delay=delay) for delay in ("0ms", "5s"))
    for desk in (quick, slow):
        assert desk.ask("sale 100.00").approved
    assert slow.clock.now - quick.clock.now >= timedelta(seconds=4)
    with pytest.raises(SetupError, match=r"bank\.delay: must be a time such as"):
        VirtualPinpad(bank_delay="soon")


def test_a_customer_who_takes_his_time(desk: VirtualPinpad) -> None:
    begin(desk)
    assert (desk.asks, desk.state) == ("card", "card prompt")
    desk.insert("mir-chip")
    assert desk.asks == "pin"
    desk.type_pin("1234")
    assert desk.asks == ""


def test_a_customer_who_swipes_a_chip_card(desk: VirtualPinpad) -> None:
    """He is asked for the chip and does not know what to do, until the time is over or somebody helps."""
    desk.swipe("mir-chip")
    sale = desk.ask("sale 100.00")
    assert (sale.field(39), sale.field(15)) == ("53", "ER3")
    assert timedelta(seconds=30) <= desk.clock.now < timedelta(seconds=31)
    begin(desk)
    assert (desk.asks, "ЧИПОМ" in desk.screen) == ("card", True)
    desk.swipe("mir-chip")
    assert desk.asks == "card"
    desk.insert("mir-chip")
    assert desk.asks == "pin"


@pytest.mark.parametrize("way", ["insert", "swipe"])
def test_a_card_whose_chip_fails_is_read_by_its_stripe(desk: VirtualPinpad, way: str) -> None:
    getattr(desk, way)("mir-broken-chip", pin="1234")
    assert desk.ask("sale 100.00").approved is (way == "insert")


def test_a_customer_who_changes_his_mind(desk: VirtualPinpad) -> None:
    begin(desk)
    desk.cancel()
    assert "ПРЕРВАНА" in desk.screen
    assert desk.bank.asked == 0


def test_a_pin_that_nobody_asks_for(desk: VirtualPinpad) -> None:
    with pytest.raises(UnexpectedError, match="did not ask for a PIN within 3s; its state is «idle»"):
        desk.type_pin("1234", within="3s")


@pytest.mark.parametrize("pin", ["", "123", "1234567890123", "12a4", "١٢٣٤"])
def test_what_is_no_pin(desk: VirtualPinpad, pin: str) -> None:
    with pytest.raises(ValueError, match="4 to 12 digits"):
        desk.type_pin(pin)
    with pytest.raises(ValueError, match="4 to 12 digits"):
        desk.insert("mir-chip", pin=pin)


def test_the_clock(desk: VirtualPinpad) -> None:
    begin(desk)
    desk.clock.advance("29s")
    assert desk.asks == "card"
    desk.clock.advance(timedelta(seconds=2))
    assert desk.asks == ""
    assert timedelta(seconds=31) <= desk.clock.now < timedelta(seconds=32)
    with pytest.raises(ValueError, match="must be a time such as"):
        desk.clock.advance("soon")
    with pytest.raises(ValueError, match="backwards"):
        desk.clock.advance(timedelta(seconds=-1))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "line: drpo final",
            r"'drpo final' is not understood; there is: drop \[WHICH\] UNIT; UNIT is one of: ack",
        ),
        (
            "bank: declin 51",
            r"there is: decline CODE \[to \[WHICH\] MESSAGE\] \[after TIME\]; MESSAGE is one of",
        ),
        ("power: cut at lunch", "there is: cut .*STATE is one of: .*card prompt"),
        ("drop ack of final", "must begin with one of bank, line, .*; is 'line: drop ack of final' meant"),
        ("clock: +24h", "must begin with one of bank, line, power, paper, memory and a colon"),
        ("line: closes", r"the port is the register's to close; 'power: cut' takes it away"),
    ],
)
def test_a_fault_that_is_none(desk: VirtualPinpad, text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        desk.fault(text)


def test_faults_of_the_bank(desk: VirtualPinpad) -> None:
    desk.insert("mir-chip", pin="1234")
    desk.bank.decline("51")
    assert desk.ask("sale 100.00").field(39) == "16"
    desk.bank.fault("bank: decline 05")  # the verb may be said, as in a scenario
    assert desk.ask("sale 100.00").field(39) == "16"
    desk.bank.fault("down for 1h")
    assert desk.ask("sale 100.00").field(39) == "34"
    desk.bank.recover()
    desk.bank.approve_only("40.00")
    assert not desk.ask("sale 100.00").approved
    desk.check()
    assert desk.bank.net == 0


def test_what_the_bank_knows(desk: VirtualPinpad) -> None:
    desk.insert("mir-chip", pin="1234")
    sale = desk.ask("sale 100.00")
    assert [row.rrn for row in desk.bank.ledger] == [sale.rrn]
    assert (desk.bank.net, desk.bank.asked) == (10000, 1)
    assert [entry.rrn for entry in desk.journal] == [sale.rrn]
    desk.bank.decline("51")
    before = desk.bank.balance("mir-chip")
    desk.ask("sale 7.50")
    desk.ask("sale 7.50")
    assert before - desk.bank.balance("mir-chip") == 750
    with pytest.raises(ValueError, match=r"card 'mir-chpi' has no account; is 'mir-chip' meant\?"):
        desk.bank.balance("mir-chpi")


def test_a_fault_of_the_line(desk: VirtualPinpad) -> None:
    desk.insert("mir-chip", pin="1234")
    desk.fault("line: drop ack of final")
    sale = desk.ask("sale 100.00")
    assert sale.approved
    desk.check(within="60s")
    desk.clear_faults()
    assert desk.ask("sale 300.00").approved


@pytest.mark.parametrize("fault", ["cut at bank answer for 5s", "cut before CallHost", "cut at answering"])
def test_a_power_cut_on_the_way(desk: VirtualPinpad, fault: str) -> None:
    desk.insert("mir-chip", pin="1234")
    desk.fault(f"power: {fault}")
    assert desk.ask("sale 100.00").lost.startswith("the pinpad went away: its power was cut")
    assert "the power is cut, for" in desk.story()
    desk.clock.advance("2m")
    desk.check()
    assert desk.bank.net == 0
    assert desk.ask("sale 100.00").approved


def test_a_power_cut_that_is_taken_back(desk: VirtualPinpad) -> None:
    desk.insert("mir-chip", pin="1234")
    desk.fault("power: cut at bank answer")
    desk.clear_faults()
    assert desk.ask("sale 100.00").approved
    assert "the power is cut" not in desk.story()


def test_a_memory_that_is_mended_with_all_the_rest() -> None:
    desk = VirtualPinpad(card="mir-contactless")
    desk.fault("memory: full")
    assert desk.ask("sale 100.00").lost
    desk.clear_faults()
    assert desk.ask("sale 100.00").approved


def test_paper_that_is_loaded_with_all_the_rest() -> None:
    desk = VirtualPinpad(card="mir-contactless", terminal_profile="unipos-2023-printer")
    desk.fault("paper: out")
    assert not desk.ask("sale 100.00").approved
    assert not desk.printed
    desk.clear_faults()
    assert desk.ask("sale 100.00").approved
    assert desk.printed


def test_a_power_cut_leaves_nothing_of_itself_when_it_is_taken_back() -> None:
    desk = VirtualPinpad(card="mir-contactless")
    desk.fault("power: cut before CallHost for 1h")
    desk.clear_faults()
    desk.fault("memory: full")
    desk.ask("sale 100.00")
    assert "the power is cut, for 1 s" in desk.story()


@pytest.mark.parametrize("phrase", ["line: drop 9th final", "line:drop  every 9th final"])
def test_a_fault_that_has_never_happened(desk: VirtualPinpad, phrase: str) -> None:
    desk.insert("mir-chip", pin="1234")
    desk.fault(phrase)
    for number in range(1, 10):
        with pytest.warns(
            UnmetFaultWarning, match=r"^the fault 'line: drop .*9th final' has never happened$"
        ):
            desk.check()
        desk.ask(f"sale {number}00.00", final=FinalHabit.ACK)
    desk.check(within="60s")


@pytest.mark.parametrize(
    "act",
    [
        lambda desk: desk.bank.decline("51"),
        lambda desk: desk.bank.approve_only("40.00"),
        lambda desk: desk.bank.fault("no answer to reversal"),
    ],
)
def test_a_fault_of_the_bank_that_has_never_happened(
    desk: VirtualPinpad, act: Callable[[VirtualPinpad], None]
) -> None:
    desk.fault("line: drop final")
    act(desk)
    desk.fault("line: recovers")
    with pytest.warns(UnmetFaultWarning, match="the fault 'bank: ") as told:
        desk.check()
    assert len(told) == 1
    desk.bank.recover()
    desk.check()
    act(desk)
    desk.clear_faults()
    desk.check()


@pytest.mark.parametrize(
    "phrase",
    ["line: slow 9600 baud", "paper: out", "memory: full", "power: cut at bank answer", "bank: forgets"],
)
def test_what_need_not_happen(desk: VirtualPinpad, phrase: str) -> None:
    desk.fault(phrase)
    desk.check()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"card": "mir-chpi"}, "customer.card: 'mir-chpi' is not known; is 'mir-chip' meant"),
        ({"scheme": "khp"}, "scheme"),
        ({"terminal_profile": "unipos"}, "unipos"),
        ({"terminal_set": {"timers.crad_ms": "1"}}, "crad_ms"),
    ],
)
def test_arguments_that_are_wrong(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(SetupError, match=told):
        VirtualPinpad(**arguments)  # type: ignore[arg-type]


def test_both_schemes_sell() -> None:
    for scheme in ("kph", "pkh"):
        with VirtualPinpad(card="mir-contactless", scheme=scheme) as desk:  # type: ignore[arg-type]
            assert desk.ask("sale 100.00").approved
