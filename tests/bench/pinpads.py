"""Many pinpads in one process: how fast one starts, what it weighs, and whether all sell at once."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from smartsale_emu.control import Pinpad
from tests.sample_register.register import RRN, STATUS, Register

COUNT, SALES = 50, 20
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Figures:
    """``right``: sales that register, pinpad and bank agree about; ``start_ms``: the slowest start but two;
    ``empty_kb``, ``sold_kb``: RSS of the process per pinpad, new and after its sales.
    """

    right: int
    start_ms: float
    median_ms: float
    empty_kb: float
    sold_kb: float
    seconds: float


def resident_kb() -> float:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 1024


def measure() -> Figures:
    """Start all, sell with all at once, look at every book, close all."""
    with Pinpad(card="mir-contactless") as first, Register(first.port) as register:
        register.pay(100)  # what is read and imported once is not one pinpad's
    before = resident_kb()
    pinpads, times = [], []
    for _ in range(COUNT):
        begin = time.perf_counter()
        pinpads.append(Pinpad(card="mir-contactless").start())
        times.append((time.perf_counter() - begin) * 1000)
    empty = resident_kb()
    begin = time.perf_counter()
    with ThreadPoolExecutor(COUNT) as tills:
        right = sum(tills.map(sell, pinpads))
    seconds, sold = time.perf_counter() - begin, resident_kb()
    for pinpad in pinpads:
        pinpad.close()
    times.sort()
    return Figures(
        right, times[-3], times[COUNT // 2], (empty - before) / COUNT, (sold - before) / COUNT, seconds
    )


def sell(pinpad: Pinpad) -> int:
    """Sell for 1.00, 2.00, … and return how many were right; none when the books do not agree."""
    with Register(pinpad.port) as register:
        answers = [register.pay(100 * number) for number in range(1, SALES + 1)]
    pinpad.check()
    rows = {row.rrn: row.money for row in pinpad.bank.ledger}
    return sum(
        answer[STATUS] == "1" and rows.get(answer[RRN]) == 100 * number
        for number, answer in enumerate(answers, start=1)
    )
