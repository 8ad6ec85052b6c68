"""What the core tells a trace: frames, messages, decisions. Nothing secret is ever in it."""

from collections.abc import Callable

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.sa.fields import display
from smartsale_emu.sa.framing import Control
from smartsale_emu.sa.tlv import Message

_UNITS = {control.wire[0]: control.name for control in Control} | {2: "STX", 1: "SOH"}


class Tracer:
    """Makes ``Trace`` effects and hands them to ``put``; silent without one."""

    def __init__(self, put: Callable[[Trace], None] | None) -> None:
        self._put = put

    @property
    def on(self) -> bool:
        """Whether anybody listens."""
        return self._put is not None

    def note(self, kind: str, because: str, **details: object) -> None:
        """Tell anything."""
        if self._put:
            self._put(Trace(kind, because, details))

    def frame(self, data: bytes, because: str) -> None:
        """Tell what is written to the line, by its kind and size."""
        if self._put:
            after_eot = len(data) > 1 and data[:1] == Control.EOT.wire
            unit = _UNITS.get(data[1 if after_eot else 0], "?")
            self.note("frame", because, direction="out", unit=unit, bytes=len(data))

    def message(self, direction: str, message: Message, because: str) -> None:
        """Tell a message by its fields, as far as they may be shown."""
        if self._put:
            fields = [[record.tag, *display(record)] for record in message.records]
            self.note("message", because, direction=direction, fields=fields)
