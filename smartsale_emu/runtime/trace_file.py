"""The trace on disk, one JSON object per line, whole lines only; and what is made of it."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from smartsale_emu.errors import SetupError, TraceError
from smartsale_emu.runtime.ports import plain_reason
from smartsale_emu.traces.records import TraceText, read_trace


class TraceFile:
    """A trace that is appended to, UTF-8, a line at a time.

    Raises:
        SetupError: the path cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("a", encoding="utf-8", newline="\n", buffering=1)
        except OSError as error:
            raise SetupError(f"trace {path}: {plain_reason(error)}") from None

    def write(self, record: Mapping[str, object]) -> None:
        """Append one record; what is no JSON type is written as its text.

        Raises:
            SetupError: the disk takes no more.
        """
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=str)
        try:
            self._file.write(line + "\n")
        except OSError as error:
            raise SetupError(f"trace {self._path}: {plain_reason(error)}") from None

    def close(self) -> None:
        """Close the file; a disk that is full has been told by `write`. Twice is once."""
        with contextlib.suppress(OSError):
            self._file.close()

    def __enter__(self) -> "TraceFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load_trace(path: Path) -> TraceText:
    """Read a trace file, even while it is written.

    Raises:
        TraceError: there is no such file, or a line of it is no record of a trace.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise TraceError(f"trace {path}: {plain_reason(error)}") from None
    return read_trace(text, str(path))


def write_new(path: Path, data: bytes, *, force: bool = False) -> None:
    """Write a file that is not there yet; ``force``: also one that is.

    Raises:
        TraceError: there is one, or it cannot be written.
    """
    try:
        with path.open("wb" if force else "xb") as file:
            file.write(data)
    except FileExistsError:
        raise TraceError(f"{path}: exists, and is not overwritten without --force") from None
    except OSError as error:
        raise TraceError(f"{path}: {plain_reason(error)}") from None
