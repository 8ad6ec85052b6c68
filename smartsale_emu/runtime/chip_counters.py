"""The counters of the test cards on disk: a card that has paid once counts on in the next run."""

import json
from pathlib import Path

from smartsale_emu.errors import StateError
from smartsale_emu.payment.chip_shelf import ATC_LAST
from smartsale_emu.runtime.memory_file import MemoryFile

FORMAT = 1


class ChipCounters:
    """A file of counters, written whole whenever one is raised.

    Raises:
        StateError: the file is there and is no such file.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, MemoryFile(path)
        self._counters = _parse(self._file.load(), path)

    def get(self, card: str) -> int:
        """Return the counter used last, 0 for a card that was never used."""
        return self._counters.get(card, 0)

    def put(self, card: str, atc: int) -> None:
        """Keep a counter; it is on the disk when this returns.

        Raises:
            StateError: it cannot be written.
        """
        counters = self._counters | {card: atc}
        text = json.dumps({"format": FORMAT, "counters": counters}, indent=2, sort_keys=True)
        self._file.save(text + "\n")
        self._counters = counters


def _parse(text: str | None, path: Path) -> dict[str, int]:
    if text is None:
        return {}
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise ValueError
        counters: dict[str, int] = document["counters"]
        if not all(type(atc) is int and 0 <= atc <= ATC_LAST for atc in counters.values()):
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StateError(f"card counters {path}: is no such file") from None
    return counters
