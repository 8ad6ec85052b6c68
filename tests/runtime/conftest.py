"""What every test of the runtime room must leave behind: nothing open."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

_OPEN = Path("/proc/self/fd")


def _open_files() -> set[str]:
    found = set()
    for entry in _OPEN.iterdir():
        try:
            found.add(f"{entry.name} -> {entry.readlink()}")
        except OSError:  # the descriptor that lists the directory
            continue
    return found


@pytest.fixture(autouse=True)
def no_leaked_descriptors() -> Iterator[None]:
    if not _OPEN.is_dir():
        yield
        return
    before = _open_files()
    yield
    gc.collect()
    assert _open_files() - before == set()
