"""Scenarios per second: a plain sale with card, PIN, ISO 8583 and its cryptography; reports off."""

import resource
import time
from dataclasses import replace

from smartsale_emu.runtime.playing import Turn, play_all
from smartsale_emu.scenario.loader import load_cases

PLAIN_SALE = """
format: 1
title: A plain sale
steps:
  - register: sale 100.00
  - card: insert mir-chip
  - pin: "1234"
  - expect: {answer: {39: "1"}}
"""


def turns(count: int) -> list[Turn]:
    """Return so many plain sales, each with a seed of its own."""
    (case,) = load_cases(PLAIN_SALE, origin="plain-sale.yaml")
    one = Turn(case, seed=0)
    return [replace(one, seed=seed) for seed in range(count)]


def per_second(count: int, *, workers: int = 1) -> float:
    """Play so many scenarios, all of which must pass; returns how many a second."""
    asked = turns(count)
    start = time.perf_counter()
    assert all(result.passed for result in play_all(asked, workers=workers))
    return count / (time.perf_counter() - start)


def megabytes() -> float:
    """Return the most memory that this process has ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
