"""What the line does to units that are named by their place in the protocol."""

import hashlib
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.errors import TlvError
from smartsale_emu.sa.codes import CommandMode, OperationCode
from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.framing import Block, Control, Frame, FrameDecoder
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.commands import LineDoes, LineFault, LineSlow, Unit
from smartsale_emu.scenario.meter import Meter, always
from smartsale_emu.scenario.virtual import Pieces
from smartsale_emu.units import Millis

_ACKS = {
    Unit.REQUEST: Unit.ACK_OF_REQUEST,
    Unit.WAIT: Unit.ACK_OF_WAIT,
    Unit.QUESTION: Unit.ACK_OF_QUESTION,
    Unit.REPLY: Unit.ACK_OF_REPLY,
    Unit.TUNNEL: Unit.ACK_OF_TUNNEL,
    Unit.FINAL: Unit.ACK_OF_FINAL,
    Unit.BLOCK: Unit.ACK_OF_BLOCK,
    Unit.SESSION: Unit.ACK_OF_SESSION,
}
_ACK_ALONE = (Control.ACK.wire, Control.ACK.wire + Control.EOT.wire)
_NOISE = b"\xff\x00\x55"
_MAX_FRAME = 8192
_BITS_OF_A_BYTE = 10  # start, eight, stop
_TUNNEL_MODES = frozenset(
    str(int(mode)) for mode in (CommandMode.HOST_CONNECTION, CommandMode.HOST_DATA, CommandMode.HOST_TLS_KEYS)
)


class Watch(Protocol):
    """Whoever looks at every unit that is sent, with its name."""

    def __call__(self, name: str, data: bytes, *, to_register: bool) -> None:
        """Look at one."""


@dataclass(slots=True)
class _Armed:
    """A fault that waits for its unit."""

    fault: LineDoes
    meter: Meter


class LineFaults:
    """The line of a world, and what was asked of it. ``seen``: every unit that was sent, in its order.
    ``harmed``: it was told to do harm at some time.

    A piece that one end writes is one unit of the protocol. A register that writes byte by byte is met by no
    fault: its bytes pass one by one.
    """

    def __init__(
        self,
        now: Callable[[], Millis],
        tell: Callable[[Trace], None] | None = None,
        *,
        watch: Watch | None = None,
    ) -> None:
        self._now, self._tell, self._watch = now, tell, watch
        self._armed: list[_Armed] = []
        self._baud = 0
        self.harmed = False
        self._free_at = {True: Millis(0), False: Millis(0)}
        self._last: dict[bool, Unit] = {}  # the unit that each side has last sent and that awaits an ACK
        self._held: dict[bool, bytes] = {True: b"", False: b""}
        self.seen: deque[tuple[Millis, bool, str, bytes]] = deque(maxlen=10_000)
        self.counts: Counter[str] = Counter()
        self._told, self._written = hashlib.sha256(), hashlib.sha256()

    def arm(self, fault: LineDoes, allows: Callable[[], bool] = always) -> None:
        """From now on. ``allows``: asked each time whether the fault may happen."""
        if fault.fault in (LineFault.NAK, LineFault.EOT):
            fault = replace(fault, unit=_ACKS.get(fault.unit, fault.unit))
        self._armed.append(_Armed(fault, Meter(fault.which, allows)))
        self.harmed = True

    def slow(self, speed: LineSlow) -> None:
        """Every byte takes its time from now on."""
        self._baud = speed.baud

    def digest(self) -> bytes:
        """Return a fingerprint of every byte that was sent, and when."""
        return self._told.digest()

    def written(self) -> str:
        """Return a fingerprint of what the pinpad has written, in its order, whenever it did."""
        return self._written.hexdigest()[:16]

    def recover(self) -> None:
        """Everything is as it should be."""
        self._armed.clear()
        self._baud = 0
        self._held = {True: b"", False: b""}

    def __call__(self, data: bytes, *, to_register: bool) -> Pieces:
        """Take what one end writes; see `virtual.Wire`."""
        ack, behind = _ack_apart(data)
        if ack and self._watch is not None:
            told = self._unit(ack, to_register=to_register)
            self._watch(_name(told, ack), ack, to_register=to_register)
        unit = self._unit(data, to_register=to_register)
        name = _name(unit, data)
        self.seen.append((self._now(), to_register, name, data))
        if to_register:
            self._written.update(data)
        self._told.update(b"%d%c" % (self._now(), b"<>"[to_register]) + data)
        self.counts[name] += 1
        pieces: Pieces = [(Millis(0), self._held[to_register] + data)]
        self._held[to_register] = b""
        for armed in list(self._armed):
            if armed.fault.unit is unit:
                pieces = self._meet(armed, pieces, to_register=to_register)
        pieces = self._paced(pieces, to_register=to_register) if self._baud else pieces
        if self._watch is not None:
            self._watch(name, behind, to_register=to_register)
        if self._tell is not None:
            held = bool(self._held[to_register])
            self._tell(_trace(name, data, pieces, to_register=to_register, held=held))
        return pieces

    # --- which unit it is --------------------------------------------------------------------------------

    def _unit(self, data: bytes, *, to_register: bool) -> Unit | None:
        if data in _ACK_ALONE:
            told = self._last.get(not to_register)
            return _ACKS[told] if told else None
        units = FrameDecoder(_MAX_FRAME).feed(data)
        unit = _frame_unit(units[-1], to_register=to_register) if units else None
        if unit is not None:
            self._last[to_register] = unit
        return unit

    # --- what becomes of it ------------------------------------------------------------------------------

    def _meet(self, armed: _Armed, pieces: Pieces, *, to_register: bool) -> Pieces:
        fault = armed.fault
        met = armed.meter.meets()
        if armed.meter.spent:
            self._armed.remove(armed)
        if not met:
            return pieces
        if fault.fault is LineFault.GLUE:
            self._held[to_register] = b"".join(data for _, data in pieces)
            return []
        return [harmed for late, data in pieces for harmed in _harmed(fault, late, data)]

    def _paced(self, pieces: Pieces, *, to_register: bool) -> Pieces:
        """Let every byte take its time, one behind the other."""
        now, slow = self._now(), []
        for late, data in pieces:
            at = max(Millis(now + late), self._free_at[to_register])
            for place in range(len(data)):
                at = Millis(at + max(1, _BITS_OF_A_BYTE * 1000 // self._baud))
                slow.append((Millis(at - now), data[place : place + 1]))
            self._free_at[to_register] = at
        return slow


def _ack_apart(data: bytes) -> tuple[bytes, bytes]:
    """Return the ACK that is written in one go with something else, and what stands behind it."""
    together = data[:1] == Control.ACK.wire and len(data) > 1 and data not in _ACK_ALONE
    return (data[:1], data[1:]) if together else (b"", data)


def _trace(name: str, data: bytes, pieces: Pieces, *, to_register: bool, held: bool) -> Trace:
    """Tell what was sent, and what the line makes of it."""
    fate = "held back" if held else _fate(data, pieces)
    details: dict[str, object] = {
        "to": "register" if to_register else "pinpad",
        "bytes": len(data),
        "fate": fate,
    }
    return Trace("unit", name, details)


def _fate(data: bytes, pieces: Pieces) -> str:
    """Tell in words what becomes of a unit."""
    arrived = [piece for _, piece in pieces]
    late = max((late for late, _ in pieces), default=Millis(0))
    behind = f", {late / 1000:g} s late" if late else ""
    whole = b"".join(arrived)
    if not arrived:
        return "lost"
    if arrived == [data]:
        return f"arrives{behind}"
    if whole == data:
        return f"in {len(arrived)} pieces{behind}"
    if arrived == [data, data]:
        return f"twice{behind}"
    if whole.endswith(data):
        return f"behind {len(whole) - len(data)} bytes more"
    return next((f"becomes {control.name}" for control in Control if control.wire == whole), "damaged")


def _name(unit: Unit | None, data: bytes) -> str:
    if unit is not None:
        return unit.value
    return next((control.name for control in Control if control.wire == data), "bytes")


def _frame_unit(unit: object, *, to_register: bool) -> Unit | None:
    match unit:
        case Block():
            return Unit.FINAL if unit.last and to_register else Unit.BLOCK
        case Frame(data):
            try:
                message = Message.parse(data)
            except TlvError:
                return None
            return unit_of(message, to_register=to_register)
        case _:
            return None


def unit_of(message: Message, *, to_register: bool) -> Unit:
    """Return what a message of one end is in the protocol.

    >>> unit_of(Message.of({25: 21}), to_register=True).value
    'wait'
    """
    code, mode = message.text(Tag.OPERATION_CODE), message.text(Tag.COMMAND_MODE2)
    return _of_pinpad(code, mode) if to_register else _of_register(code, mode)


def _of_pinpad(code: str | None, mode: str | None) -> Unit:
    if code is None:
        return Unit.SESSION
    if code == str(int(OperationCode.WAIT)):
        return Unit.WAIT
    if code == str(int(OperationCode.CASHIER_QUESTION)):
        return Unit.QUESTION
    tunnel = code == str(int(OperationCode.USER_COMMAND)) and mode in _TUNNEL_MODES
    return Unit.TUNNEL if tunnel else Unit.FINAL


def _of_register(code: str | None, mode: str | None) -> Unit:
    question = code == str(int(OperationCode.CASHIER_QUESTION))
    tunnel = code == str(int(OperationCode.USER_COMMAND)) and mode in _TUNNEL_MODES
    return Unit.REPLY if question or tunnel else Unit.REQUEST


def _harmed(fault: LineDoes, late: Millis, data: bytes) -> Pieces:
    at = min(fault.at or len(data) // 2, len(data))
    match fault.fault:
        case LineFault.DROP | LineFault.GLUE:
            return []
        case LineFault.TWICE:
            return [(late, data), (Millis(late + fault.time), data)]
        case LineFault.DELAY:
            return [(Millis(late + fault.time), data)]
        case LineFault.SPLIT:
            return [(late, data[:at]), (Millis(late + (fault.time or 20)), data[at:])]
        case LineFault.TRUNCATE:
            return [(late, data[:at])]
        case LineFault.FLIP:
            bit = fault.at or 8 * (len(data) // 2)
            place = min(bit // 8, len(data) - 1)
            spoilt = bytes([data[place] ^ (1 << bit % 8)])
            return [(late, data[:place] + spoilt + data[place + 1 :])]
        case LineFault.SPOIL_CRC:
            return [(late, data[:-1] + bytes([data[-1] ^ 0xFF]))]
        case LineFault.NOISE:
            return [(late, _NOISE + data)]
        case LineFault.NAK:
            return [(late, Control.NAK.wire)]
        case LineFault.EOT:
            return [(late, Control.EOT.wire)]
