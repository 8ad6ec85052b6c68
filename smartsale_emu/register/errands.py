"""What the pinpad asks of the register while an operation runs: a channel to the bank, the cashier.

Scheme ПКХ (PROTOCOL.md, sections 5.2 and 9.2) and the question to the cashier (section 9.4). Sans-I/O: what
has to be done comes out as effects, what came of it goes in, and the reply to the pinpad comes out.

**Copies.** A pinpad whose request we ACKed, but who lost that ACK, sends the same bytes again. Nothing is
done twice for them: while the work lasts or our reply is not acknowledged, the link repeats the reply by
itself; after that, a copy of what succeeded is only ACKed. Three requests may be the same bytes in earnest,
and count as new once our reply was acknowledged: a fetch, a question, and what was refused before. A fetch so
soon that no pinpad would repeat it yet is new even before: then the ACK of our reply was lost. Beyond these a
lost ACK cannot be told from a new request.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, assert_never

from smartsale_emu.register.effects import (
    AskCashier,
    CloseHost,
    FetchHost,
    OpenHost,
    RegisterEffect,
    Remarked,
    SendHost,
)
from smartsale_emu.register.habits import AT_ONCE, Habits, TunnelAct, TunnelHabit
from smartsale_emu.sa.codes import CommandResult, OperationCode
from smartsale_emu.sa.events import Received
from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.tlv import Message
from smartsale_emu.sa.tunnel_frames import Step, is_of_tunnel
from smartsale_emu.units import Millis

SOONEST_REPEAT: Final = Millis(4000)
"""No pinpad repeats a request sooner: they wait 5 s or more for our ACK (section 3)."""

_MISTOLD: Final[Mapping[TunnelAct, str | int]] = {
    TunnelAct.REFUSE: CommandResult.ERROR,
    TunnelAct.GARBLE: "?",
}
_ADDRESS: Final = re.compile(r"([A-Za-z0-9._:-]{1,253});([0-9]{1,5});?")


class Ask(Enum):
    """What a request of the pinpad is."""

    OPEN = auto()
    CLOSE = auto()
    SEND = auto()
    FETCH = auto()
    QUESTION = auto()
    OTHER = auto()  # of the channel, but nothing that we know


_ASKS: Final[Mapping[tuple[str | None, str | None], Ask]] = MappingProxyType(
    {(str(int(step.mode)), str(step.submode)): Ask[step.name] for step in Step}
)
"""Fields 65 and 64 of a request to the channel (section 5.2)."""


class Progress(Enum):
    """How far we are with the pinpad's last request."""

    WORKING = auto()
    REPLIED = auto()  # not yet acknowledged
    HEARD = auto()


@dataclass(frozen=True, slots=True)
class Reply:
    """Send this to the pinpad after ``delay`` milliseconds."""

    message: Message
    delay: Millis = AT_ONCE


@dataclass(frozen=True, slots=True)
class Vanish:
    """The register is gone from here on: a habit."""


Errand = RegisterEffect | Reply | Vanish


@dataclass(slots=True)
class _Request:
    """The pinpad's last request and what became of it. ``mode``: field 65 as the pinpad wrote it."""

    ask: Ask
    mode: str | None
    wire: bytes
    at: Millis
    progress: Progress = Progress.WORKING
    awaited: bool = False  # somebody was sent for it and has not come back yet
    succeeded: bool = False
    act: TunnelAct | None = None  # what the register does wrong instead of the reply


def what_is_asked(message: Message) -> Ask:
    """Tell what a message that is no wait and no final answer asks of the register.

    >>> what_is_asked(Message.of({25: 63, 64: 1, 65: 17})), what_is_asked(Message.of({25: 52, 76: "?"}))
    (<Ask.FETCH: 4>, <Ask.QUESTION: 5>)
    """
    if message.text(Tag.OPERATION_CODE) == str(int(OperationCode.CASHIER_QUESTION)):
        return Ask.QUESTION
    mode, sub = message.text(Tag.COMMAND_MODE2), message.text(Tag.COMMAND_MODE)
    return _ASKS.get((mode, sub), Ask.OTHER)


def read_address(message: Message) -> tuple[str, int] | None:
    """Read field 70 of an "open", ``ip;port;``; None if it is not of that form. Host names are as good.

    >>> read_address(Message.of({70: "192.0.2.10;1979;"})), read_address(Message.of({70: "192.0.2.10"}))
    (('192.0.2.10', 1979), None)
    """
    parts = _ADDRESS.fullmatch(message.text(Tag.FILE_DATA) or "")
    if parts is None or not 1 <= int(parts[2]) <= 65_535:
        return None
    return parts[1], int(parts[2])


def question(message: Message) -> str:
    r"""Return what a 52 asks, on one line: part 4 of field 76, or all of it if there is no such part.

    >>> question(Message.of({76: "4^1^5^Отмена^Введите\r\nRRN~"})), question(Message.of({76: "RRN?~"}))
    ('Введите RRN', 'RRN?')
    """
    text = message.text(Tag.CASHIER_REQUEST) or ""
    parts = text.split("^")
    asked = (parts[4] if len(parts) > 4 else "") or " ".join(parts)
    return " ".join("".join(char if char.isprintable() else " " for char in asked).rstrip("~").split())


class Errands:
    """The channel to the bank and the cashier, as far as this register has them."""

    def __init__(self, habits: Habits, *, channel: bool, window: bool) -> None:
        self._habits, self._channel, self._window = habits, channel, window
        self._last: _Request | None = None
        self._steps = 0
        self._connecting = self._connected = self._hung_up = False
        self._unread = bytearray()

    # ------------------------------------------------------------------ the pinpad asks

    def take(self, received: Received, now: Millis) -> list[Errand]:
        """Take a request of the pinpad that `repeats` does not know already."""
        request = _Request(
            what_is_asked(received.message), received.message.text(Tag.COMMAND_MODE2), received.wire, now
        )
        self._last = request
        if (habit := self._misdeed(received.message)) is not None and not habit.done:
            request.act = habit.act
            return self._reply(CommandResult.ERROR)
        request.act = habit.act if habit else None
        return self._serve(request, received.message)

    def repeats(self, received: Received, now: Millis) -> bool:
        """Tell whether this is the last request once more, for which nothing is to be done."""
        last = self._last
        if last is None or received.wire != last.wire:
            return False
        match last.progress:
            case Progress.WORKING:
                return True
            case Progress.REPLIED:
                return not (last.ask is Ask.FETCH and now - last.at < SOONEST_REPEAT)
            case Progress.HEARD:
                return last.succeeded and last.ask not in (Ask.FETCH, Ask.QUESTION)
            case other:
                assert_never(other)

    def vanishes_at(self, received: Received, now: Millis) -> bool:
        """Tell whether this register will not even ACK this request: a habit."""
        habit = self._habits.tunnel
        if habit is None or habit.done or habit.act is not TunnelAct.VANISH:
            return False
        return (
            is_of_tunnel(received.message)
            and self._steps + 1 == habit.step
            and not self.repeats(received, now)
        )

    def _misdeed(self, message: Message) -> TunnelHabit | None:
        if not is_of_tunnel(message):
            return None
        self._steps += 1
        habit = self._habits.tunnel
        return habit if habit is not None and habit.step == self._steps else None

    def _serve(self, request: _Request, message: Message) -> list[Errand]:
        if request.ask is Ask.QUESTION:
            if not self._window:
                return self._reply(CommandResult.NO_OPERATOR_WINDOW)
            return self._await(AskCashier(question(message)))
        if not self._channel:
            return self._reply(CommandResult.ERROR)
        match request.ask:
            case Ask.OPEN:
                return self._open(message)
            case Ask.CLOSE:
                was_open = self._connected
                return [*self.release(), *self._reply(CommandResult.OK if was_open else CommandResult.ERROR)]
            case Ask.SEND:
                data = message.get(Tag.FILE_DATA)
                if not data or not self._connected or self._hung_up:
                    return self._reply(CommandResult.ERROR)
                return self._await(SendHost(data))
            case Ask.FETCH:
                return self._fetch()
            case Ask.OTHER:
                return self._reply(CommandResult.ERROR)
            case other:
                assert_never(other)

    def _open(self, message: Message) -> list[Errand]:
        before = self.release()
        if (address := read_address(message)) is None:
            return [*before, Remarked("open: field 70 is not ip;port;"), *self._reply(CommandResult.ERROR)]
        self._connecting = True
        return [*before, *self._await(OpenHost(*address))]

    def _fetch(self) -> list[Errand]:
        if not self._connected:
            return self._reply(CommandResult.ERROR)
        return self._reply_data() if self._unread else self._await(FetchHost())

    # ------------------------------------------------------------------ what came of it

    def opened(self, *, ok: bool, because: str) -> list[Errand]:
        """The connection stands, or could not be made."""
        if not self._connecting:
            return []
        self._connecting, self._connected, self._hung_up = False, ok, False
        said: list[Errand] = [] if ok else [Remarked(f"the bank was not reached: {because}".rstrip(": "))]
        if not self._awaits(Ask.OPEN):
            return said
        return [*said, *self._reply(CommandResult.OK if ok else CommandResult.ERROR)]

    def sent(self, *, ok: bool) -> list[Errand]:
        """The bytes are on their way to the bank, or the connection broke."""
        self._hung_up = self._hung_up or not ok
        if not self._awaits(Ask.SEND):
            return []
        return self._reply(CommandResult.OK if ok else CommandResult.ERROR)

    def fetched(self, data: bytes | None) -> list[Errand]:
        """Bytes of the bank, or nothing yet. What comes unasked is kept for the next fetch."""
        if self._connected:
            self._unread += data or b""
        if not self._awaits(Ask.FETCH):
            return []
        return self._reply_data() if self._unread else self._reply(CommandResult.ERROR)

    def hung_up(self) -> list[Errand]:
        """The bank closed the connection: what was read before can still be fetched."""
        if not self._connected or self._hung_up:
            return []
        self._hung_up = True
        return [Remarked("the bank closed the connection")]

    def said(self, text: str | None) -> list[Errand]:
        """The cashier answered; None: there is no window to ask him."""
        if not self._awaits(Ask.QUESTION):
            return []
        if text is None:
            return self._reply(CommandResult.NO_OPERATOR_WINDOW)
        return self._reply(CommandResult.OK, {Tag.CASHIER_RESPONSE: text or None})

    def refused(self) -> list[Errand]:
        """The cashier cancelled the question."""
        return self._reply(CommandResult.ERROR) if self._awaits(Ask.QUESTION) else []

    def release(self) -> list[RegisterEffect]:
        """Give the connection back, also one that is being made."""
        if not (self._connected or self._connecting):
            return []
        self._connecting = self._connected = False
        self._unread.clear()
        return [CloseHost()]

    # ------------------------------------------------------------------ the reply, and how far it got

    @property
    def busy(self) -> bool:
        """The pinpad waits for us, not we for it."""
        return self._last is not None and self._last.awaited

    @property
    def unheard(self) -> bool:
        """A reply is on the line and not yet acknowledged."""
        return self._last is not None and self._last.progress is Progress.REPLIED

    def replied(self) -> None:
        """The reply is on the line."""
        if self._last is not None:
            self._last.progress = Progress.REPLIED

    def heard(self) -> None:
        """The pinpad acknowledged the reply."""
        if self._last is not None and self._last.progress is Progress.REPLIED:
            self._last.progress = Progress.HEARD

    def _awaits(self, ask: Ask) -> bool:
        return self._last is not None and self._last.awaited and self._last.ask is ask

    def _await(self, effect: RegisterEffect) -> list[Errand]:
        if self._last is not None:
            self._last.awaited = True
        return [effect]

    def _reply_data(self) -> list[Errand]:
        size = self._habits.fetch_size
        data = bytes(self._unread[:size])
        del self._unread[:size]
        return self._reply(CommandResult.OK, {Tag.FILE_DATA: data})

    def _reply(
        self, result: CommandResult, more: dict[int, str | bytes | None] | None = None
    ) -> list[Errand]:
        request = self._last
        if request is None:
            return []
        request.awaited, request.succeeded = False, result is CommandResult.OK and request.act is None
        if request.act is TunnelAct.VANISH:
            return [Vanish()]
        if request.act is TunnelAct.STALL:
            return [Remarked("this register does not reply")]
        shown: str | int = result if request.act is None else _MISTOLD[request.act]
        fields: dict[int, str | bytes | int | None] = {
            Tag.OPERATION_CODE: OperationCode.USER_COMMAND,
            Tag.COMMAND_MODE2: request.mode,
            Tag.COMMAND_RESULT: shown,
        }
        if request.ask is Ask.QUESTION:
            fields |= {Tag.OPERATION_CODE: OperationCode.CASHIER_QUESTION, Tag.COMMAND_MODE2: None}
        if request.act is None and more:
            fields |= more
        return [Reply(Message.of(fields), self._delay(request.ask))]

    def _delay(self, ask: Ask) -> Millis:
        return {Ask.OPEN: self._habits.open_delay, Ask.FETCH: self._habits.fetch_delay}.get(ask, AT_ONCE)
