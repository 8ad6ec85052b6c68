"""The driver: effects in their order, one timer, no door entered twice; and the ways to the bank."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

import pytest

from smartsale_emu.emulator.doors import CallHost, Effect, Event, HostBytes
from smartsale_emu.emulator.emulator import Emulator
from smartsale_emu.errors import PortError, SetupError, StateError
from smartsale_emu.host.ledger import MemoryLedger
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.runtime.assembly import (
    BankParts,
    build_bank,
    build_emulator,
    load_bank_profile,
    load_card,
    load_keys,
    load_layout,
    load_terminal_profile,
)
from smartsale_emu.runtime.bank_link import BankLink, EmbeddedBank, TcpBank
from smartsale_emu.runtime.driver import Clock, Driver, SteadyClock, Watcher
from smartsale_emu.runtime.host_server import HostServer
from smartsale_emu.runtime.ports import BankAddress, LineListener, bank_address
from smartsale_emu.sa.framing import Block, Control, Frame, FrameDecoder, encode_frame
from smartsale_emu.sa.tlv import Message
from smartsale_emu.security.masking import Secret
from smartsale_emu.terminal.effects import Display
from smartsale_emu.terminal.events import BankAsked, BankFailed
from smartsale_emu.terminal.memory import Memory, Stage, parse_memory
from smartsale_emu.units import Millis

DEADLINE = 10.0


class MemoryPort:
    """A port whose other end acknowledges everything at once."""

    name = "memory"

    def __init__(self) -> None:
        self.log: list[str] = []
        self.finals: asyncio.Queue[Message] = asyncio.Queue()
        self._decoder, self._chunks = FrameDecoder(), b""
        self.listener: LineListener | None = None

    async def open(self, listener: LineListener) -> None:
        self.listener = listener

    def write(self, data: bytes) -> None:
        self.log.append(f"write {len(data)}")
        for unit in self._decoder.feed(data):
            if isinstance(unit, Frame):
                self._answer(Message.parse(unit.data))
            elif isinstance(unit, Block):
                self._chunks += unit.chunk
                self._answer(Message.parse(self._chunks) if unit.last else None)

    def _answer(self, message: Message | None) -> None:
        assert self.listener is not None
        if message is not None and message.text(25) != "21":
            self.log.append("final")
            self.finals.put_nowait(message)
        self.listener.line_received(Control.ACK.wire)  # from inside a write: must wait its turn

    def flush(self) -> None:
        self.log.append("flush")

    def close(self) -> None:
        self.log.append("close")


class MemoryStore:
    """A store that notes when it is written, and can fail."""

    def __init__(self, log: list[str]) -> None:
        self.log, self.text, self.broken = log, "", False

    @property
    def memory(self) -> Memory:
        return parse_memory(self.text, origin="memory")

    def save(self, text: str) -> None:
        self._fail_or_log("remember anew")
        self.text = text

    def append(self, line: str) -> None:
        self._fail_or_log("remember")
        self.text += line

    def _fail_or_log(self, what: str) -> None:
        if self.broken:
            raise StateError("memory: no space left on device")
        self.log.append(what)


def bank_parts() -> BankParts:
    return build_bank(load_bank_profile("generic-ascii"), MemoryLedger(), load_keys())


def built(memory: str | None = None) -> Emulator:
    return build_emulator(
        load_terminal_profile("unipos-2023"),
        load_bank_profile("generic-ascii"),
        load_keys(),
        layout=load_layout("standard"),
        memory_text=memory,
        memory_origin="memory",
        epoch=datetime(2026, 11, 23, 9, 30),
        traced=False,
    )


def pinpad(
    port: MemoryPort, bank: BankLink, *, clock: Clock | None = None, watchers: tuple[Watcher, ...] = ()
) -> tuple[Driver, MemoryStore]:
    store, emulator = MemoryStore(port.log), built()
    holder = Cardholder(load_card("mir-chip").card, Secret("1234"), card_after=Millis(1), pin_after=Millis(1))
    steps = clock or Clock()
    return Driver(emulator, port, bank, store, clock=steps, cardholder=holder, watchers=watchers), store


def embedded() -> EmbeddedBank:
    return EmbeddedBank(bank_parts().connect, today=lambda: datetime(2026, 11, 23, 9, 30))


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE):
            await story()

    asyncio.run(bounded())


SALE = encode_frame(Message.of({0: 1200, 4: "643", 25: 1}).encode())


def test_a_sale_with_an_acknowledgement_from_inside_the_write() -> None:
    async def story() -> None:
        port = MemoryPort()
        driver, store = pinpad(port, embedded())
        running = asyncio.create_task(driver.run(lambda name: port.log.append(f"ready {name}")))
        while port.listener is None:
            await asyncio.sleep(0)
        port.listener.line_received(SALE)
        final = await port.finals.get()
        assert final.text(39) == "1"
        assert (store.memory.pending, len(store.memory.journal)) == (None, 1)
        assert store.memory.last is not None
        assert store.memory.last.status == 1
        first_final = port.log.index("final")
        assert port.log[0] == "ready memory"
        assert port.log[:first_final].count("remember") == 2  # before the bank, before the answer
        driver.stop()
        await running
        assert port.log[-1] == "close"

    play(story)


def test_memory_that_cannot_be_written_stops_the_pinpad_before_the_bank_is_asked() -> None:
    async def story() -> None:
        port, asked = MemoryPort(), list[int]()

        class Bank(EmbeddedBank):
            def call(self, call: int, payload: bytes, tell: Callable[[Event], None]) -> None:
                asked.append(call)

        driver, store = pinpad(port, Bank(bank_parts().connect, today=datetime.now))
        running = asyncio.create_task(driver.run(lambda _: None))
        while port.listener is None:
            await asyncio.sleep(0)
        store.broken = True
        port.listener.line_received(SALE)
        while driver._done is None or not driver._done.done():  # card and PIN come by timers first
            await asyncio.sleep(0)
        store.broken, written = False, list(port.log)
        port.listener.line_received(SALE)  # before the loop has ended the run
        assert port.log == written, "a pinpad whose memory has failed serves nobody"
        with pytest.raises(StateError, match="no space left"):
            await running
        assert asked == []

    play(story)


def test_a_trace_that_cannot_be_written_costs_no_effect() -> None:
    """The ACK of the answer is remembered although the watcher fails at it; then the pinpad stops."""

    async def story() -> None:
        class Broken:
            def see(self, effect: Effect, now: Millis) -> None:
                if port.finals.qsize():
                    raise SetupError("trace: no space left on device")

        port = MemoryPort()
        driver, store = pinpad(port, embedded())
        driver._watchers = (Broken(),)
        running = asyncio.create_task(driver.run(lambda _: None))
        while port.listener is None:
            await asyncio.sleep(0)
        port.listener.line_received(SALE)
        with pytest.raises(SetupError, match="no space left"):
            await running
        assert (store.memory.pending, len(store.memory.journal)) == (None, 1)
        assert store.memory.last is not None
        assert store.memory.last.status == 1

    play(story)


def test_a_mistake_of_ours_ends_the_run_and_is_not_swallowed() -> None:
    """An effect that fails takes those behind it along: a pinpad that went on would owe money in silence."""

    async def story() -> None:
        class Bank(EmbeddedBank):
            def call(self, call: int, payload: bytes, tell: Callable[[Event], None]) -> None:
                raise ZeroDivisionError

        port = MemoryPort()
        driver, store = pinpad(port, Bank(bank_parts().connect, today=datetime.now))
        running = asyncio.create_task(driver.run(lambda _: None))
        while port.listener is None:
            await asyncio.sleep(0)
        port.listener.line_received(SALE)
        with pytest.raises(ZeroDivisionError):
            await running
        assert store.memory.pending is not None
        assert store.memory.pending.stage is Stage.ASKED

    play(story)


def test_a_port_that_disappears_ends_the_run() -> None:
    async def story() -> None:
        port = MemoryPort()
        driver, _ = pinpad(port, embedded())
        running = asyncio.create_task(driver.run(lambda _: None))
        while port.listener is None:
            await asyncio.sleep(0)
        port.listener.line_failed(PortError("serial:x: the port has disappeared"))
        with pytest.raises(PortError, match="disappeared"):
            await running

    play(story)


def test_speed_makes_the_clock_run_faster() -> None:
    slow, fast = Clock(), Clock(1000)
    assert fast.wall(Millis(1_000_000)) < slow.wall(Millis(1_000_000)) - 900


class SlowBank(EmbeddedBank):
    """A bank whose answer takes its time."""

    def call(self, call: int, payload: bytes, tell: Callable[[Event], None]) -> None:
        asyncio.get_running_loop().call_later(0.03, super().call, call, payload, tell)


@pytest.mark.parametrize(("clock", "same"), [(SteadyClock(), True), (Clock(), False)])
def test_a_steady_clock_gives_the_answer_the_moment_of_its_question(clock: Clock, *, same: bool) -> None:
    """So a session that is recorded plays to the same bytes, whatever second the bank has answered in."""
    moments: dict[str, Millis] = {}

    class Watch:
        def see(self, effect: Effect, now: Millis) -> None:
            if isinstance(effect, CallHost):
                moments["asked"] = now
            if isinstance(effect, Display) and "ОДОБРЕНО" in effect.text:
                moments["answered"] = now

    async def story() -> None:
        port = MemoryPort()
        bank = SlowBank(bank_parts().connect, today=lambda: datetime(2026, 11, 23, 9, 30))
        driver, _ = pinpad(port, bank, clock=clock, watchers=(Watch(),))
        running = asyncio.create_task(driver.run(lambda _: None))
        while port.listener is None:
            await asyncio.sleep(0)
        port.listener.line_received(SALE)
        await port.finals.get()
        driver.stop()
        await running
        assert (moments["asked"] == moments["answered"]) is same

    play(story)


def test_a_link_test_through_the_server() -> None:
    async def story() -> None:
        exchanges: list[str] = []
        server = HostServer(
            BankAddress("127.0.0.1", 0), bank_parts().connect, watch=lambda e: exchanges.append(e.because)
        )
        name: asyncio.Queue[str] = asyncio.Queue()
        serving = asyncio.create_task(server.run(name.put_nowait))
        address = bank_address(await name.get(), "the bank")
        port = MemoryPort()
        driver, _ = pinpad(port, TcpBank([address], connect_timeout=DEADLINE))
        running = asyncio.create_task(driver.run(lambda _: None))
        while port.listener is None:
            await asyncio.sleep(0)
        port.listener.line_received(encode_frame(Message.of({25: 26}).encode()))
        assert (await port.finals.get()).text(39) == "1"
        assert exchanges == ["the bank is here"]
        driver.stop()
        server.stop()
        await asyncio.gather(running, serving)

    play(story)


def test_the_embedded_bank_answers_one_call() -> None:
    told: list[Event] = []
    embedded().call(3, b"\x00\x02zz", told.append)
    assert isinstance(told[0], BankAsked)
    assert isinstance(told[-1], BankFailed)
    assert not any(isinstance(event, HostBytes) for event in told)


def test_a_memory_of_another_storage_key_is_refused_before_the_pinpad_starts() -> None:
    """What it owes could never be sent: the card number of its reversal cannot be read."""

    async def story() -> None:
        port = MemoryPort()
        driver, store = pinpad(port, embedded())
        running = asyncio.create_task(driver.run(lambda _name: None))
        while port.listener is None:
            await asyncio.sleep(0)
        port.listener.line_received(SALE)
        await port.finals.get()
        driver.stop()
        await running
        assert built(store.text).memory.stan == 1
        strange = re.sub(r'("sealed_pan": )"[^"]+"', rf'\1"{"AbCd" * 16}"', store.text)
        with pytest.raises(StateError, match=r"^memory: .*another key.*--state DIR$"):
            built(strange)

    play(story)
