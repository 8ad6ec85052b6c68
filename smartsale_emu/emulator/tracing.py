"""What the core tells a trace: frames, messages, decisions. Nothing secret is ever in it."""

from collections.abc import Callable

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.sa.fields import display
from smartsale_emu.sa.framing import Block, Control, Frame, FrameDecoder, Garbage, Unit
from smartsale_emu.sa.redaction import Redacted, Redaction
from smartsale_emu.sa.tlv import Message

_STARTS = {1: "SOH", 2: "STX"}
CUT_SHORT = "cut short"
"""The word for a frame whose rest never came."""


class Tracer:
    """Makes ``Trace`` effects and hands them to ``put``; silent without one."""

    def __init__(self, put: Callable[[Trace], None] | None) -> None:
        self._put = put
        self._in, self._out = Redaction(), Redaction()

    @property
    def on(self) -> bool:
        """Whether anybody listens."""
        return self._put is not None

    def note(self, kind: str, because: str, **details: object) -> None:
        """Tell anything."""
        if self._put:
            self._put(Trace(kind, because, details))

    def frame(self, data: bytes, because: str) -> None:
        """Tell what is written to the line: its kind, its size, and its bytes without their secrets."""
        if self._put:
            units = FrameDecoder(len(data)).feed(data)
            shown = [self._out.unit(unit) for unit in units]
            self._frame("out", _name(units[-1]), shown, because)

    def heard(self, unit: Unit | bytes) -> None:
        """Tell what came from the line, the same way; bytes: a frame cut short."""
        if self._put:
            name = _name(unit)
            self._frame("in", name, [self._in.unit(unit)], f"{name} from the register")

    def _frame(self, direction: str, name: str, shown: list[Redacted], because: str) -> None:
        wire = b"".join(part.wire for part in shown)
        masked = [tag for part in shown for tag in part.masked]
        details: dict[str, object] = {"direction": direction, "unit": name, "bytes": len(wire)}
        details |= {"hex": wire.hex()} | ({"masked": masked} if masked else {})
        self.note("frame", because, **details)

    def message(self, direction: str, message: Message, because: str) -> None:
        """Tell a message by its fields, as far as they may be shown."""
        if self._put:
            if direction == "out":
                self._out.expect(message.encode())
            fields = [[record.tag, *display(record)] for record in message.records]
            self.note("message", because, direction=direction, fields=fields)


def _name(unit: Unit | bytes) -> str:
    match unit:
        case Control():
            return unit.name
        case Frame() | Block():
            return _STARTS[unit.wire[0]]
        case Garbage():
            return unit.reason.value
        case _:
            return CUT_SHORT
