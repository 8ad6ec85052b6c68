"""The session that a pinpad in a vending machine opens by itself (PROTOCOL.md, sections 3 and 9.5)."""

from collections.abc import Callable

import pytest
from emulator_kit import (
    ACK,
    EOT,
    NAK,
    VENDING,
    HandTill,
    Shop,
    State,
    Step,
    assert_agreed,
    changed,
    link_test,
    sale,
    text,
)
from tunnel_kit import TunnelShop, settle_and_agree

from smartsale_emu.scenario.virtual import Delivery
from smartsale_emu.terminal.profile import Screen, TerminalProfile

BEGIN = bytes.fromhex("02 17 00 00 05 00 32 30 30 30 30 04 03 00 36 34 33 56 06 00 32 30 31 30 30 30 90 f9")
"""Recorded: 200.00 to spend, roubles, and how the machine counts."""
PAUSE, CHOICE = 75_000, 120_000
Say = Callable[[int, bool], bytes]


def shown(screen: Screen, profile: TerminalProfile = VENDING) -> str:
    return profile.screen(screen, None)


class Machine(HandTill):
    """A vending machine: everything that came, as bytes. It acknowledges after ``delay`` ms."""

    def __init__(self, say: Say | None = None) -> None:
        super().__init__(say)
        self.wires: list[tuple[int, bytes]] = []

    def receive(self, data: bytes, now: int) -> list[bytes]:  # type: ignore[override]
        self.wires.append((now, data))
        return super().receive(data, now)  # type: ignore[arg-type]

    @property
    def begins(self) -> list[int]:
        """When a session was begun, copies of the frame too."""
        return [moment for moment, data in self.wires if BEGIN in data]


def plugged(shop: Shop, say: Say | None = None, *, tell: bool = True) -> Machine:
    machine = Machine(say)
    shop.tills.append(machine)
    shop.world.plug(machine, tell=tell)
    return machine


def begun(shop: Shop) -> Machine:
    """A machine that has acknowledged the beginning."""
    machine = plugged(shop)
    shop.rest(10)
    assert machine.wires == [(machine.begins[0], BEGIN)]
    machine.taken.clear()  # the oracle is about answers
    return machine


def nothing_said(_number: int, _final: bool) -> bytes:
    return b""


# --- the beginning ---------------------------------------------------------------------------------------


def test_the_pinpad_begins_with_the_recorded_frame() -> None:
    shop = Shop(VENDING)
    assert shop.world.screen == shown(Screen.IDLE)
    machine = plugged(shop)
    shop.rest(10)
    assert machine.wires == [(1, BEGIN)]
    assert shop.world.screen == shown(Screen.VENDING)


@pytest.mark.parametrize("name", ["funds", "additional"])
def test_what_is_said_is_a_matter_of_the_profile(name: str) -> None:
    profile = changed(VENDING, vending={"funds": 4711} if name == "funds" else {"additional": "302001"})
    shop = Shop(profile)
    machine = plugged(shop)
    shop.rest(10)
    assert text(machine.final, 0) == ("4711" if name == "funds" else "20000")
    assert text(machine.final, 86) == ("201000" if name == "funds" else "302001")


def test_other_pinpads_wait_to_be_asked() -> None:
    shop = Shop()
    machine = plugged(shop)
    shop.rest(1_000_000)
    assert machine.wires == []


def test_without_an_ack_it_is_repeated_with_an_eot_in_front_and_begun_anew_later() -> None:
    """Recorded: 04 02 17…, and the next session 74 to 83 s after the last was given up."""
    shop = Shop(VENDING)
    machine = plugged(shop, nothing_said)
    shop.rest(21_010)
    assert machine.wires == [(1, BEGIN), (7001, EOT + BEGIN), (14_001, EOT + BEGIN), (21_001, EOT)]
    assert shop.world.screen == shown(Screen.IDLE)
    shop.rest(PAUSE)
    assert machine.wires[4:] == [(21_000 + PAUSE + 1, BEGIN)]


def test_a_nak_has_it_repeated_without_an_eot() -> None:
    shop = Shop(VENDING)
    machine = plugged(shop, lambda number, _final: ACK if number else NAK)
    shop.rest(10)
    assert [data for _, data in machine.wires] == [BEGIN, BEGIN]
    assert shop.world.screen == shown(Screen.VENDING)


@pytest.mark.parametrize("delay", [5000, 8000, 15_000])
def test_a_late_ack_counts(delay: int) -> None:
    shop = Shop(VENDING)
    machine = plugged(shop, nothing_said)
    shop.rest(delay)
    shop.world.write(ACK)
    shop.rest(10)
    assert shop.world.screen == shown(Screen.VENDING)
    sent = len(machine.begins)
    assert sent == 1 + delay // 7000
    shop.rest(CHOICE - 20)
    assert len(machine.begins) == sent
    shop.rest(20)
    assert machine.wires[-1][1] == EOT


def test_an_ack_after_the_end_changes_nothing() -> None:
    shop = Shop(VENDING)
    machine = plugged(shop, nothing_said)
    shop.rest(30_000)
    shop.world.write(ACK)
    shop.rest(100)
    assert shop.world.screen == shown(Screen.IDLE)
    shop.rest(21_000 + PAUSE - shop.world.now - 10)
    assert len(machine.begins) == 3
    shop.rest(20)
    assert len(machine.begins) == 4


# --- the end ---------------------------------------------------------------------------------------------


def test_nothing_is_chosen() -> None:
    shop = Shop(VENDING)
    machine = begun(shop)
    shop.rest(CHOICE + 10)
    assert [data for _, data in machine.wires] == [BEGIN, EOT]
    ended = machine.wires[-1][0]
    assert ended == CHOICE + 3
    assert shop.world.screen == shown(Screen.IDLE)
    shop.rest(PAUSE)
    assert machine.begins[1:] == [ended + PAUSE]
    assert shop.world.screen == shown(Screen.VENDING)


@pytest.mark.parametrize("instead", [True, False], ids=["instead of the ACK", "later"])
def test_the_machine_ends_the_session(instead: bool) -> None:
    """EOT from either side ends it (section 2)."""
    shop = Shop(VENDING)
    machine = plugged(shop, (lambda _number, _final: EOT) if instead else None)
    shop.rest(1000)
    if not instead:
        assert shop.world.screen == shown(Screen.VENDING)
        shop.world.write(EOT)
    shop.rest(10)
    assert shop.world.screen == shown(Screen.IDLE)
    shop.rest(PAUSE - 1020)
    assert len(machine.begins) == 1
    shop.rest(1030)
    assert len(machine.begins) == 2
    assert [data for _, data in machine.wires] == [BEGIN, BEGIN], "no EOT of the pinpad"


# --- what the machine asks -------------------------------------------------------------------------------


def test_goods_are_chosen_and_paid() -> None:
    """The machine asks for a sale as any register does."""
    shop = Shop(VENDING)
    machine = begun(shop)
    shop.rest(20_000)
    shop.world.write(sale())
    shop.until(lambda: len(machine.finals) > 1)
    answered = shop.world.now
    shop.rest(50)
    assert text(machine.final, 39) == "1"
    assert shop.world.screen == shown(Screen.IDLE)
    shop.rest(CHOICE)
    assert machine.begins[1] - answered in range(PAUSE, PAUSE + 10)
    assert EOT not in [data for _, data in machine.wires], "the time for a choice was over with the choice"
    machine.taken = machine.taken[:1]
    shop.settle()
    assert_agreed(shop)
    assert shop.kept_count == 1


def test_a_link_test_in_between_is_served() -> None:
    """A machine tests the link every 2 to 3 s until the terminal has acknowledged (section 9.5)."""
    shop = Shop(VENDING)
    machine = begun(shop)
    shop.world.write(link_test())
    shop.until(lambda: len(machine.finals) > 1)
    assert text(machine.final, 39) == "1"
    shop.rest(PAUSE + 10)
    assert len(machine.begins) == 2
    assert shop.world.screen == shown(Screen.VENDING)


@pytest.mark.parametrize("say", [None, nothing_said], ids=["ACK", "no ACK"])
@pytest.mark.parametrize("after", [0, 3, 500, 6990, 7010])
def test_a_machine_that_asks_before_it_has_acknowledged_is_served(say: Say | None, after: int) -> None:
    """Its request is acknowledged at once; the pinpad's own session is moot and not repeated any more."""
    shop = Shop(VENDING)
    machine = plugged(shop, nothing_said)
    shop.rest(after)
    machine._say = say or (lambda _number, _final: ACK)
    asked = shop.world.now
    shop.world.write(link_test())
    shop.rest(5)
    assert any(ACK in data and moment <= asked + 5 for moment, data in machine.wires)
    begins = len(machine.begins)
    if say is None:
        assert shop.until(lambda: text(machine.final, 25) == "26")
        assert text(machine.final, 39) == "1"
    shop.rest(60_000)
    assert shop.state is State.IDLE
    assert not shop.world.emulator.serving
    assert len(machine.begins) == begins
    shop.rest(PAUSE)
    assert len(machine.begins) > begins


# --- the line and the power ------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 1, 3000, 10_000, 60_000, 1_000_000])
def test_a_machine_that_comes_later_is_told_at_once(after: int) -> None:
    """What was said to nobody is gone, and is said again."""
    shop = Shop(VENDING)
    shop.rest(after)
    machine = plugged(shop)
    shop.rest(10)
    assert [data for _, data in machine.wires] == [BEGIN]
    assert shop.world.screen == shown(Screen.VENDING)


def test_a_line_that_cannot_tell_keeps_what_was_said() -> None:
    """Nothing drops the frame before it was read: not even that the machine writes first."""
    shop = Shop(VENDING)
    shop.rest(2000)
    machine = plugged(shop, tell=False)
    shop.world.write(ACK)
    shop.world._register_reads()
    shop.rest(10)
    assert [data for _, data in machine.wires] == [BEGIN]
    assert shop.world.screen == shown(Screen.VENDING)


def test_a_machine_that_comes_back_is_told_again() -> None:
    shop = Shop(VENDING)
    begun(shop)
    shop.world.plug(None)
    shop.rest(1000)
    assert shop.world.screen == shown(Screen.IDLE)
    begun(shop)
    assert shop.world.screen == shown(Screen.VENDING)


def _plays(shop: Shop, machine: Machine, frame: bytes) -> None:
    shop.world.plug(machine)
    shop.rest(10)
    if frame:
        shop.world.write(frame)
    shop.rest(CHOICE + PAUSE + 1000)


@pytest.mark.parametrize("frame", [sale(), b""], ids=["sale", "nothing"])
def test_the_power_fails_before_every_single_effect(frame: bytes) -> None:
    for cut in range(1000):
        shop, machine = Shop(VENDING), Machine()
        shop.tills.append(machine)
        was_cut = shop.run_with_cut(lambda: _plays(shop, machine, frame), cut)  # noqa: B023
        now, begins = shop.world.now, len(machine.begins)
        shop.rest(CHOICE + PAUSE)
        assert len(machine.begins) > begins, "it goes on beginning"
        assert not was_cut or machine.begins[begins] < now + 100
        machine.taken = [message for message in machine.taken if text(message, 25) is not None]
        assert_agreed(shop)
        if not was_cut:
            break
    assert (25 if frame else 6) < cut < 1000


def test_after_a_power_cut_it_begins_at_once_and_undoes_what_was_open() -> None:
    shop = Shop(VENDING)
    machine = begun(shop)
    shop.world.write(sale())
    shop.until(lambda: Step.FINANCIAL in shop.steps)
    shop.power_cycle()
    begins = len(machine.begins)
    shop.rest(1000)
    assert len(machine.begins) == begins + 1
    assert shop.steps == [Step.FINANCIAL, Step.REVERSAL]
    machine.taken = []
    shop.settle()
    assert shop.kept_count == 0


def test_while_a_reversal_is_owed_the_machine_is_told_all_the_same() -> None:
    shop = Shop(VENDING)
    machine = begun(shop)
    shop.world.delivery = lambda _: Delivery.LOST_BACK
    shop.world.write(sale())
    shop.until(lambda: text(machine.final, 39) == "53")
    shop.rest(PAUSE + 100)
    assert shop.memory.pending is not None
    assert len(machine.begins) == 2


# --- behind the register ---------------------------------------------------------------------------------


def test_a_machine_that_lends_its_way_to_the_bank() -> None:
    """Scheme ПКХ: the session that the pinpad begins is not about the bank, the sale is."""
    shop = TunnelShop(VENDING)
    till = shop.till()
    shop.rest(10)
    assert till.frames_heard == [BEGIN]
    shop.world.write(sale())
    shop.until(lambda: text(till.final, 25) == "1")
    assert text(till.final, 39) == "1"
    till.taken = till.taken[1:]
    shop.rest(1000)
    settle_and_agree(shop)
    assert shop.kept_count == 1
