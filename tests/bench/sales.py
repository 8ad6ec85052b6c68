"""Whole sales on virtual time: link, table, PIN crypto, ISO 8583, bank, memory, receipt. Tracing off."""

from datetime import datetime

from smartsale_emu.emulator.emulator import Emulator
from smartsale_emu.host.ledger import MemoryLedger
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.runtime import DEFAULT_BANK_PROFILE, DEFAULT_RECEIPT_LAYOUT, DEFAULT_TERMINAL_PROFILE
from smartsale_emu.runtime.assembly import (
    build_bank,
    build_emulator,
    load_bank_profile,
    load_card,
    load_keys,
    load_layout,
    load_terminal_profile,
)
from smartsale_emu.sa.framing import Control, FrameDecoder, encode_frame
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.virtual import World
from smartsale_emu.security.masking import Secret
from smartsale_emu.units import Millis

EPOCH = datetime(2026, 11, 23, 9, 30)
AMOUNT = 100
SETTLEMENT = encode_frame(Message.of({25: 59, 27: ""}).encode())
SALE = encode_frame(Message.of({0: AMOUNT, 4: "643", 25: 1}).encode())


class Acknowledger:
    """The least of a register: it ACKs every frame; work that is not the pinpad's is small."""

    def __init__(self) -> None:
        self._decoder = FrameDecoder()

    def receive(self, data: bytes, now: Millis) -> list[bytes]:
        frames = [unit for unit in self._decoder.feed(data) if not isinstance(unit, Control)]
        return [Control.ACK.wire] * len(frames)

    def tick(self, now: Millis) -> list[bytes]:
        return []

    def next_deadline(self) -> Millis | None:
        return None


class Shop:
    """A world in which sales are made one after another."""

    def __init__(self) -> None:
        keys = load_keys()
        profile, bank_profile = (
            load_terminal_profile(DEFAULT_TERMINAL_PROFILE),
            load_bank_profile(DEFAULT_BANK_PROFILE),
        )
        layout, self.ledger = load_layout(DEFAULT_RECEIPT_LAYOUT), MemoryLedger()
        bank = build_bank(bank_profile, self.ledger, keys)

        def boot(saved: str | None) -> Emulator:
            return build_emulator(
                profile,
                bank_profile,
                keys,
                layout=layout,
                memory_text=saved,
                memory_origin="memory",
                epoch=EPOCH,
                traced=False,
            )

        holder = Cardholder(load_card("mir-chip").card, Secret("1234"))
        self.world = World(boot, bank.connect, cardholder=holder, epoch=EPOCH)
        self.world.plug(Acknowledger())

    def sell(self, count: int) -> None:
        """Make so many sales; every one must be approved and kept. Then the day is settled."""
        world = self.world
        for sold in range(count):
            world.write(SALE)
            assert world.run(lambda sold=sold: self._kept > sold, within=60_000)  # type: ignore[misc]
        day = world.emulator.memory.day
        world.write(SETTLEMENT)
        assert world.run(lambda: world.emulator.memory.day > day, within=60_000)
        world.rest(1_000)

    @property
    def _kept(self) -> int:
        journal = self.world.emulator.memory.journal
        last = journal.last_slip()
        return last.number if last and last.kept else 0
