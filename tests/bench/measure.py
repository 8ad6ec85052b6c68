"""Measuring: the best of several rounds, since noise only ever adds."""

import statistics
import time
from collections.abc import Callable


def rate(work: Callable[[int], object], *, count: int, rounds: int = 5) -> float:
    """Return how many times a second ``work(count)`` does its thing, in the best of several rounds."""
    best = 0.0
    for _ in range(rounds):
        start = time.perf_counter()
        work(count)
        best = max(best, count / (time.perf_counter() - start))
    return best


def median_ms(work: Callable[[], object], *, rounds: int = 7) -> float:
    """Return the median of the milliseconds that ``work`` takes."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)
