"""The counters of the test cards on disk: kept over restarts, and refused when they are no such file."""

import asyncio
from datetime import datetime
from pathlib import Path

import pytest
from test_runtime_driver import SALE, MemoryPort, MemoryStore, embedded, play

from smartsale_emu.errors import KeySlotError, StateError
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.payment.chip_shelf import ChipShelf
from smartsale_emu.runtime.assembly import (
    build_emulator,
    load_bank_profile,
    load_card,
    load_keys,
    load_layout,
    load_terminal_profile,
)
from smartsale_emu.runtime.chip_counters import ChipCounters
from smartsale_emu.runtime.driver import Clock, Driver
from smartsale_emu.security.keys import KeyRing
from smartsale_emu.security.masking import Secret
from smartsale_emu.units import Millis

CARD, OTHER = "220012******9019-01", "476173******0119-01"


def test_a_counter_is_there_in_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "cards.json"
    first = ChipCounters(path)
    assert first.get(CARD) == 0
    first.put(CARD, 41)
    first.put(OTHER, 1)
    first.put(CARD, 42)
    again = ChipCounters(path)
    assert (again.get(CARD), again.get(OTHER)) == (42, 1)
    assert first.get(CARD) == 42


def test_the_file_can_be_read_by_people(tmp_path: Path) -> None:
    path = tmp_path / "cards.json"
    ChipCounters(path).put(CARD, 7)
    assert path.read_text() == ('{\n  "counters": {\n    "220012******9019-01": 7\n  },\n  "format": 1\n}\n')
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "nonsense\n",
        '{"format": 2, "counters": {}}',
        '{"format": 1}',
        '{"format": 1, "counters": []}',
        '{"format": 1, "counters": {"a": -1}}',
        '{"format": 1, "counters": {"a": 65536}}',
        '{"format": 1, "counters": {"a": "1"}}',
        '{"format": 1, "counters": {"a": true}}',
    ],
)
def test_another_file_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cards.json"
    path.write_text(text)
    with pytest.raises(StateError, match=r"cards\.json: is no such file"):
        ChipCounters(path)


def test_a_counter_that_cannot_be_kept_is_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "state" / "cards.json"
    path.parent.mkdir()
    counters = ChipCounters(path)
    path.parent.rmdir()
    with pytest.raises(StateError, match=r"cards\.json"):
        counters.put(CARD, 1)
    assert counters.get(CARD) == 0


def driver_with(shelf: ChipShelf, port: MemoryPort) -> Driver:
    """A pinpad whose customer errs once, and so has his chip selected twice."""
    emulator = build_emulator(
        load_terminal_profile("unipos-2023"),
        load_bank_profile("generic-ascii"),
        load_keys(),
        layout=load_layout("standard"),
        memory_text=None,
        memory_origin="memory",
        epoch=datetime(2026, 11, 23, 9, 30),
        traced=False,
    )
    holder = Cardholder(
        load_card("mir-chip").card, Secret("1234"), card_after=Millis(1), pin_after=Millis(1), wrong_pins=1
    )
    store = MemoryStore(port.log)
    return Driver(emulator, port, embedded(), store, clock=Clock(), cardholder=holder, shelf=shelf)


def test_the_driver_hands_cards_over_with_their_chip_and_keeps_what_they_count(tmp_path: Path) -> None:
    path = tmp_path / "cards.json"
    ChipCounters(path).put(CARD, 41)

    async def story() -> None:
        port = MemoryPort()
        driver = driver_with(ChipShelf(load_keys(), ChipCounters(path)), port)
        running = asyncio.create_task(driver.run(lambda _name: None))
        while port.listener is None:
            await asyncio.sleep(0)
        port.listener.line_received(SALE)
        final = await port.finals.get()
        assert final.text(39) == "1"
        driver.stop()
        await running

    play(story)
    assert ChipCounters(path).get(CARD) == 43


def test_a_missing_issuer_key_ends_the_driver_by_its_name(tmp_path: Path) -> None:
    async def story() -> None:
        port = MemoryPort()
        driver = driver_with(ChipShelf(KeyRing(), ChipCounters(tmp_path / "cards.json")), port)
        running = asyncio.create_task(driver.run(lambda _name: None))
        while port.listener is None:
            await asyncio.sleep(0)
        port.listener.line_received(SALE)
        with pytest.raises(KeySlotError, match="issuer-mir"):
            await running

    play(story)
