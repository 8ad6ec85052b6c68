"""``kill -9`` of a headless pinpad at random moments of sales, and a restart on the same state."""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

from e2e_kit import QUICK, Server, bank, bank_kept, ledger, memory_of, pinpad, pinpad_kept, settled, until
from foreign_till import SALE, Till, TimeIsUp, Wire, frame

Capture = pytest.CaptureFixture[str]
SEED = 20_261_123


def sell(port: str) -> float:
    """Sell once and return how many seconds that took."""
    till, start = Till(Wire(port)), time.monotonic()
    assert till.ask(SALE)[39] == b"1"
    took = time.monotonic() - start
    till.wire.close()
    return took


class PowerCuts:
    """Cut the power at random moments of sales, again and again; look at the money after each."""

    def __init__(
        self, state: Path, bank_state: Path, look: Callable[[], dict[str, object]], *host: str
    ) -> None:
        self._state, self._bank_state, self._look, self._host = state, bank_state, look, host
        self.found: Counter[str] = Counter()
        self._kept = (0, 0)

    def start(self) -> Server:
        return Server(self._state, "run", *QUICK, *self._host)

    def measure(self) -> tuple[float, float]:
        """Return how long the first sale of a process takes here, and how long a later one, in seconds."""
        first, later = [], []
        for _ in range(3):
            server = self.start()
            try:
                first.append(sell(server.port))
                later.append(sell(server.port))
                until(lambda: settled(self._state), "the ACK of the final")
            finally:
                server.kill()
        self._kept = bank_kept(self._bank_state)
        return min(first), min(later)

    def cut(self, moment: float, *, warm: bool) -> None:
        """One sale, cut so many seconds after its request; then a restart, and all must agree.

        ``warm``: a whole sale before it, so that everything is imported and a sale is all disk and line.
        """
        server = self.start()
        if warm:
            sell(server.port)
            until(lambda: settled(self._state), "the ACK of the final")
            self._kept = bank_kept(self._bank_state)
        acknowledged = self._sell_and_kill(server, moment)
        pending = memory_of(self._state)["pending"]
        self.found[str(pending["stage"]) if isinstance(pending, dict) else "nothing pending"] += 1
        server = self.start()
        try:
            until(lambda: settled(self._state), "the end of the story")
        finally:
            server.kill()
        self._check(acknowledged=acknowledged)

    def cut_often(self, times: int, seed: int) -> str:
        """Cut so many sales, each at a moment drawn from a sale's whole length and a little more."""
        dice, (first, later) = random.Random(seed), self.measure()
        for turn in range(times):
            whole = later if turn % 2 else first
            self.cut(dice.uniform(0, 1.2 * whole), warm=bool(turn % 2))
        lengths = (
            f"the first sale of a process takes {first * 1000:.0f} ms, a later one {later * 1000:.0f} ms"
        )
        return f"\nseed {seed}; {lengths}; found: {dict(self.found)}"

    def _sell_and_kill(self, server: Server, moment: float) -> bool:
        """Return whether the register had acknowledged the final answer."""
        till, start = Till(Wire(server.port)), time.monotonic()
        try:
            till.write(frame(SALE))
            till.answer(within=moment)
            till.wire.read(start + moment - time.monotonic())
        except TimeIsUp:
            return False
        finally:
            server.kill()
            till.wire.close()
        return True

    def _check(self, *, acknowledged: bool) -> None:
        report, memory = self._look(), memory_of(self._state)
        assert (report["agree"], report["disagreements"]) == (True, [])
        kept, former = bank_kept(self._bank_state), self._kept
        assert kept == pinpad_kept(self._state)
        self._kept = kept
        if kept != former:
            assert acknowledged, "kept, though the register never acknowledged it"
            assert kept == (former[0] + 1, former[1] + 1200)
            self.found["kept"] += 1
        elif acknowledged:
            self.found["undone, though the register had just acknowledged it"] += 1
            assert any(f"STAN {memory['stan']}" in str(note) for note in as_list(report["notes"]))


def as_list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def test_fifty_power_cuts_at_random_moments_of_sales(tmp_path: Path, capsys: Capture) -> None:
    state = tmp_path / "state"
    cuts = PowerCuts(state, state, lambda: ledger(capsys, state))
    told = cuts.cut_often(50, SEED)
    with capsys.disabled():
        print(told)
    assert cuts.found["asked"] + cuts.found["answered"] > 0, (
        "no cut fell between the bank's question and the ACK"
    )


def test_power_cuts_of_the_pinpad_alone_while_the_bank_lives(tmp_path: Path, capsys: Capture) -> None:
    state, bank_state = tmp_path / "pinpad", tmp_path / "bank"
    with bank(bank_state) as server:
        cuts = PowerCuts(state, bank_state, lambda: ledger(capsys, state, bank_state), "--host", server.port)
        told = cuts.cut_often(10, SEED + 1)
    with capsys.disabled():
        print(told)


def test_a_sale_can_be_made_right_after_a_power_cut(tmp_path: Path, capsys: Capture) -> None:
    """The reversal that is owed goes first, whoever asks for what."""
    state = tmp_path / "state"
    server = Server(state, "run", *QUICK)
    till = Till(Wire(server.port), farewell=b"")
    assert till.ask(SALE)[39] == b"1"
    server.kill()
    till.wire.close()
    assert not settled(state)
    with pinpad(state) as again:
        till = Till(Wire(again.port))
        assert till.ask(SALE)[39] == b"1"
        till.wire.close()
        until(lambda: settled(state), "the ACK of the final")
    assert bank_kept(state) == (1, 1200)
    assert ledger(capsys, state)["agree"] is True
