"""A pinpad on a real port: its power, its memory, its clock, and those who wait for it."""

import asyncio
import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smartsale_emu.control import Pinpad, UnexpectedError
from smartsale_emu.control.hub import Hub, the_hub
from smartsale_emu.errors import SetupError, StateError
from smartsale_emu.runtime.live_world import LiveWorld
from smartsale_emu.sa.framing import encode_frame
from smartsale_emu.sa.tlv import Message

SALE = encode_frame(Message.of({0: "10000", 4: "643", 25: "1"}).encode())
TCP = "tcp:127.0.0.1:0"
PORTS = [TCP] if sys.platform == "win32" else [TCP, "pty:"]


class Line:
    """A register on a socket that acknowledges whatever comes, until it is told to stop."""

    def __init__(self, pinpad: Pinpad) -> None:
        host, _, port = pinpad.port.removeprefix("socket://").rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._reader = threading.Thread(target=self._acknowledge, daemon=True)
        self._reader.start()

    def _acknowledge(self) -> None:
        try:
            while data := self._socket.recv(4096):
                if data[:1] in (b"\x01", b"\x02") or data[1:2] in (b"\x01", b"\x02"):
                    self._socket.sendall(b"\x06")
        except OSError:
            pass

    def ask(self, request: bytes = SALE) -> None:
        """Write a request."""
        self._socket.sendall(request)

    def close(self) -> None:
        """Leave, and wait until the reader has noticed."""
        with contextlib.suppress(OSError):  # the pinpad has hung up: its power was cut
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(5)
        self._socket.close()


@pytest.fixture
def pinpad() -> Iterator[Pinpad]:
    pinpad = Pinpad(TCP, card="mir-contactless").start()
    yield pinpad
    pinpad.close()


@pytest.fixture
def line(pinpad: Pinpad) -> Iterator[Line]:
    line = Line(pinpad)
    yield line
    line.close()


@pytest.mark.parametrize("port", PORTS)
def test_a_port_stays_the_same_when_the_power_is_cut(port: str) -> None:
    with Pinpad(port) as pinpad:
        name = pinpad.port
        pinpad.restart()
        assert pinpad.port == name
        pinpad.fault("power: cut for 1ms")
        assert pinpad.port == name
        assert pinpad.state == "idle"


def test_what_a_register_waits_for(pinpad: Pinpad, line: Line) -> None:
    line.ask()
    sale = pinpad.expect_sale("100.00")
    assert sale.approved
    assert (pinpad.bank.net, len(pinpad.journal)) == (10000, 1)
    assert "screen  «ОДОБРЕНО»" in pinpad.story()
    pinpad.check()


def test_a_customer_with_time(pinpad: Pinpad, line: Line) -> None:
    pinpad.remove()
    line.ask()
    pinpad.expect_screen("ВСТАВЬТЕ")
    pinpad.insert("mir-chip")
    pinpad.type_pin("1234")
    assert pinpad.expect_sale().approved


def test_the_clock(pinpad: Pinpad, line: Line) -> None:
    pinpad.remove()
    line.ask()
    pinpad.expect_screen("ВСТАВЬТЕ")
    pinpad.clock.advance("31s")
    assert pinpad.expect_sale().field(15) == "ER3"
    assert pinpad.clock.now.total_seconds() >= 31


@pytest.mark.parametrize("fault", ["power: cut at answering for 10ms", "power: cut before CallHost for 10ms"])
def test_a_power_cut_on_the_way_revives(pinpad: Pinpad, line: Line, fault: str) -> None:
    pinpad.fault(fault)
    line.ask()
    assert pinpad.expect_sale("100.00").lost.startswith("the pinpad went away")
    assert pinpad.rests()
    pinpad.check()
    assert "the power is cut, for 0.01 s" in pinpad.story()
    assert pinpad.bank.net == 0


def test_a_register_that_leaves(pinpad: Pinpad) -> None:
    pinpad.remove()
    line = Line(pinpad)
    line.ask()
    pinpad.expect_screen("ВСТАВЬТЕ")
    line.close()
    assert pinpad.expect_sale("100.00").lost == "the register vanished"


def test_a_memory_that_is_full(pinpad: Pinpad, line: Line) -> None:
    pinpad.fault("memory: full")
    line.ask()
    assert pinpad.expect_sale("100.00").lost
    pinpad.fault("memory: free")
    pinpad.check()
    assert (pinpad.state, pinpad.bank.asked) == ("idle", 0)


def test_a_pinpad_that_has_never_begun_is_not_switched_on_by_mending() -> None:
    pinpad = Pinpad(TCP)
    pinpad.clear_faults()
    assert not pinpad.rests(within="0s")


def test_the_memory_of_a_new_pinpad(pinpad: Pinpad) -> None:
    new = pinpad.snapshot()
    assert new
    pinpad.restore(new)
    assert pinpad.snapshot() == new
    with pytest.raises(StateError, match="the memory to restore: is not a pinpad's memory"):
        pinpad.restore("")


def test_a_memory_whose_last_line_has_no_end(pinpad: Pinpad, line: Line) -> None:
    """What is written behind it begins a line of its own."""
    line.ask()
    pinpad.expect_sale()
    pinpad.restore(pinpad.snapshot()[:-1])
    pinpad.restart()
    assert pinpad.rests()


def test_who_restarts_while_a_memory_is_restored(
    pinpad: Pinpad, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = pinpad.snapshot()
    line.ask()
    pinpad.expect_sale()
    restarting = threading.Thread(target=pinpad.restart)
    power_off = LiveWorld.power_off

    def slowly(world: LiveWorld) -> None:
        power_off(world)
        if threading.current_thread() is not restarting:
            restarting.start()
            restarting.join(0.3)

    monkeypatch.setattr(LiveWorld, "power_off", slowly)
    pinpad.restore(new)
    restarting.join(30)
    monkeypatch.undo()
    assert pinpad.rests()
    assert not pinpad.journal


def test_a_memory_of_former_times(pinpad: Pinpad, line: Line) -> None:
    before = pinpad.snapshot()
    line.ask()
    pinpad.expect_sale()
    after = pinpad.snapshot()
    pinpad.restore(before)
    assert not pinpad.journal
    with pytest.raises(UnexpectedError, match=r"the bank holds STAN 1 of 100\.00 as approved, the pinpad"):
        pinpad.check()
    pinpad.restore(after)
    pinpad.check()
    with pytest.raises(StateError, match="the memory to restore"):
        pinpad.restore("nonsense")
    assert pinpad.state == "idle"


@pytest.mark.parametrize("how", ["restart", "restore"])
def test_a_start_in_mid_answer_is_not_the_registers_fault(pinpad: Pinpad, how: str) -> None:
    host, _, port = pinpad.port.removeprefix("socket://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as register:
        register.sendall(SALE)
        while pinpad.state != "answering":
            register.sendall(b"\x06" * bool(register.recv(4096).strip(b"\x06")))
        if how == "restart":
            pinpad.restart()
        else:
            pinpad.restore(pinpad.snapshot())
    pinpad.clock.advance("1m")
    pinpad.check()
    assert [row.state.value for row in pinpad.bank.ledger] == ["reversed"]


def test_a_customer_who_swipes_a_chip_card(pinpad: Pinpad, line: Line) -> None:
    pinpad.swipe("mir-chip")
    line.ask()
    pinpad.expect_screen("ЧИПОМ")
    assert pinpad.asks == "card"
    pinpad.insert("mir-chip", pin="1234")
    assert pinpad.expect_sale().approved
    assert pinpad.story().count("card mir-chip, magstripe") == 1


def test_what_cannot_start() -> None:
    with Pinpad(TCP) as pinpad:
        taken = pinpad.port.replace("socket://", "tcp:")
        with pytest.raises(SetupError, match="in use"):
            Pinpad(taken).start()
    with pytest.raises(SetupError, match="is not understood"):
        Pinpad("usb:1").start()


def test_a_scheme_with_the_bank_behind_the_register() -> None:
    with Pinpad(TCP, card="mir-contactless", scheme="pkh") as pinpad:
        assert pinpad.state == "idle"


def test_many_threads_look_on(pinpad: Pinpad, line: Line) -> None:
    """Nobody is in the way of the loop, or hears of half an exchange."""
    failures: list[Exception] = []
    stop = threading.Event()

    def look() -> None:
        try:
            before = 0
            while not stop.is_set():
                seen = pinpad.exchanges
                assert [one.amount for one in seen] == list(range(1, len(seen) + 1))
                assert all(one.approved for one in seen[:-1])
                assert len(seen) >= before
                before = len(seen)
                pinpad.story()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for amount in range(1, 6):
        line.ask(encode_frame(Message.of({0: str(amount), 4: "643", 25: "1"}).encode()))
        pinpad.expect_sale()
    stop.set()
    for thread in threads:
        thread.join(5)
    assert not failures


# --- coroutines --------------------------------------------------------------------------------------------


async def sold(pinpad: Pinpad) -> bool:
    """Let a register in this very loop ask for a sale."""
    host, _, port = pinpad.port.removeprefix("socket://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))

    async def acknowledge() -> None:
        while data := await reader.read(4096):
            if data[:1] in (b"\x01", b"\x02") or data[1:2] in (b"\x01", b"\x02"):
                writer.write(b"\x06")

    acknowledging = asyncio.create_task(acknowledge())
    writer.write(SALE)
    sale = await pinpad.aexpect("sale", "100.00")
    writer.close()
    await acknowledging
    return sale.approved


def test_a_register_in_the_loop_that_waits() -> None:
    async def story() -> bool:
        async with Pinpad(TCP, card="mir-contactless") as pinpad:
            await pinpad.aexpect_screen("ДОБРО")
            return await sold(pinpad) and await pinpad.arests()

    assert asyncio.run(story())


@pytest.mark.parametrize(
    ("work", "told"),
    [
        (
            lambda pinpad: pinpad.aexpect("sale", within="10ms"),
            "sale was expected within 10ms, and no request",
        ),
        (lambda pinpad: pinpad.aexpect_screen("?", within="10ms"), "the screen was expected to say"),
    ],
)
def test_what_a_coroutine_expects_in_vain(work: Callable[[Pinpad], object], told: str) -> None:
    async def story() -> None:
        async with Pinpad(TCP) as pinpad:
            await work(pinpad)  # type: ignore[misc]

    with pytest.raises(UnexpectedError, match=told):
        asyncio.run(story())


def test_a_coroutine_that_would_hold_up_its_own_register(pinpad: Pinpad) -> None:
    async def story() -> None:
        pinpad.expect_sale()

    with pytest.raises(RuntimeError, match=r"hold up the event loop .* await pinpad.aexpect"):
        asyncio.run(story())


def test_a_coroutine_may_stop_waiting(pinpad: Pinpad) -> None:
    async def story() -> None:
        await asyncio.wait_for(pinpad.aexpect("sale"), 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(story())


# --- the hub -----------------------------------------------------------------------------------------------


def test_the_hub_does_not_wait_for_itself() -> None:
    hub = Hub()

    async def again() -> None:
        hub.wait(again())

    with pytest.raises(RuntimeError, match="in its own loop"):
        hub.wait(again())
    assert hub.call(lambda: hub.call(lambda: hub.is_here))


def test_there_is_one_hub() -> None:
    assert the_hub() is the_hub()
    assert not the_hub().is_here


def test_a_pinpad_that_is_closed_in_a_power_cut_stays_closed() -> None:
    pinpad = Pinpad().start()
    cutting = threading.Thread(target=pinpad.fault, args=("power: cut for 1h",))
    cutting.start()
    while not pinpad.story().endswith("for 3600 s"):
        time.sleep(0.01)
    pinpad.close()
    cutting.join(30)
    assert not cutting.is_alive()
    assert not Path(pinpad.port).exists()


def test_a_coroutine_does_not_wait_for_the_end_of_a_power_cut() -> None:
    async def test() -> bool:
        async with Pinpad("tcp:127.0.0.1:0") as pinpad:
            pinpad.fault("power: cut for 100ms")
            dark = await pinpad.arests(within="0s")
            return not dark and await pinpad.arests()

    assert asyncio.run(test())


def test_memory_that_is_free_switches_nothing_on() -> None:
    pinpad = Pinpad().start()
    pinpad.close()
    pinpad.fault("memory: full")
    pinpad.fault("memory: free")
    assert not Path(pinpad.port).exists()
