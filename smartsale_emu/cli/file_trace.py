"""The trace of ``run`` in a file, and the moment at which it begins."""

from datetime import datetime

from smartsale_emu.emulator.doors import Effect, Trace
from smartsale_emu.runtime.trace_file import TraceFile
from smartsale_emu.traces.records import as_line
from smartsale_emu.units import Millis


def this_millisecond() -> datetime:
    """Return the local date and time, in whole milliseconds."""
    now = datetime.now()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class FileTrace:
    """The trace as JSON lines: one per frame, message, state change, bank message and decision."""

    def __init__(self, file: TraceFile, epoch: datetime) -> None:
        self._file, self._epoch = file, epoch

    def see(self, effect: Effect, now: Millis) -> None:
        """Write a Trace effect down; others are told by the traces beside them."""
        if isinstance(effect, Trace):
            self._file.write(as_line(effect, now, self._epoch))
