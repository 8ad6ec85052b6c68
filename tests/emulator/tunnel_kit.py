"""A shop whose bank is behind the register (scheme ПКХ), and two registers that lend it.

``TunnelTill`` is made by hand and can do something wrong at any request; ``OurTill`` is our own. What
counts as a request: every one of the pinpad to the register's channel, from 0, copies left out.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any

from emulator_kit import (
    ACK,
    EOT,
    EPOCH,
    KEYS,
    LAYOUT,
    NAK,
    PROFILE,
    HandTill,
    Shop,
    assert_agreed,
    link_test,
)
from play_kit import report

from smartsale_emu.emulator.emulator import Emulator
from smartsale_emu.emulator.tunnel import Layer
from smartsale_emu.register.habits import FinalHabit, Habits
from smartsale_emu.register.requests import Arguments, operation_request
from smartsale_emu.register.session import Answered
from smartsale_emu.runtime.assembly import build_tunnel
from smartsale_emu.runtime.ports import BankAddress
from smartsale_emu.sa.framing import Control, encode_frame
from smartsale_emu.sa.tlv import Message
from smartsale_emu.sa.tunnel_frames import Step as Ask
from smartsale_emu.scenario.connection import Connection
from smartsale_emu.scenario.till import FETCH_WAIT, SessionTill
from smartsale_emu.security.safe import TerminalSafe
from smartsale_emu.terminal.memory import parse_memory
from smartsale_emu.units import Millis, later

ADDRESS = BankAddress("192.0.2.10", 1979)
ASKS = {("16", "1"): Ask.OPEN, ("16", "0"): Ask.CLOSE, ("17", "0"): Ask.SEND, ("17", "1"): Ask.FETCH}
FETCH = encode_frame(Ask.FETCH.message().encode())
Connect = Callable[[], Connection | None]


class Deed(Enum):
    """What a register does at a request to its channel. ``…_DONE``: after it has done what was asked."""

    GOOD = auto()
    REFUSE = auto()  # 67 = 1
    REFUSE_DONE = auto()
    STALL = auto()  # no reply, ever
    STALL_DONE = auto()
    GARBLE = auto()  # 67 is no number
    GARBLE_DONE = auto()
    NO_RESULT = auto()  # no field 67
    WRONG_MODE = auto()  # 65 is the other one
    HALF = auto()  # the reply breaks off in the middle
    EOT = auto()  # instead of the ACK
    EOT_DONE = auto()
    CLOSE = auto()  # the line
    CLOSE_DONE = auto()
    SILENT = auto()  # not a byte more
    SILENT_DONE = auto()
    NAK_ONCE = auto()
    NAK_ALWAYS = auto()
    LATE_ACK = auto()  # when the pinpad has sent its copy already
    TWICE = auto()  # the reply, and the same once more
    TWICE_LATER = auto()  # the same once more when the next request was acknowledged
    SLOW = auto()  # the reply comes after 40 s
    OTHER_REQUEST = auto()  # the register asks for something else


LASTING = frozenset({Deed.EOT, Deed.EOT_DONE, Deed.CLOSE, Deed.CLOSE_DONE, Deed.SILENT, Deed.SILENT_DONE})
"""After these the register is gone."""
INSTEAD = frozenset({Deed.REFUSE, Deed.STALL, Deed.GARBLE})
"""With these the register does not do what was asked. Those that say not even ACK do not do it either."""
SLOWLY = 40_000
LATE = Millis(8000)


class TunnelTill(HandTill):
    """A register by hand, with a way to the bank. Delays in milliseconds; ``portion``: most bytes of a fetch.

    ``nothing_after``: a fetch waits so long for bytes. ``opened_with``: more fields of the reply to an open.
    ``steps`` and ``asked``: what the pinpad asked of the channel, and when; ``frames_heard``: all its frames
    but waits and copies, block after block.
    """

    def __init__(
        self,
        connect: Connect,
        say: Callable[[int, bool], bytes] | None = None,
        *,
        deeds: Mapping[int, Deed] | None = None,
        open_delay: int = 0,
        nothing_after: int = FETCH_WAIT,
        portion: int = 4096,
        opened_with: Mapping[int, bytes] | None = None,
    ) -> None:
        super().__init__(say)
        self._connect, self._deeds, self._opened_with = connect, dict(deeds or {}), dict(opened_with or {})
        self._open_delay, self._nothing_after, self._portion = open_delay, nothing_after, portion
        self._connection: Connection | None = None
        self._unread = b""
        self._letters: list[tuple[Millis, bytes]] = []
        self._errand: tuple[Millis, Ask, Message, Deed] | None = None
        self._unheard = False  # the pinpad has not acknowledged our reply
        self._now = Millis(0)
        self._mute_until = Millis(0)
        self.steps: list[Ask] = []
        self.asked: list[tuple[Millis, Ask]] = []
        self.frames_heard: list[bytes] = []
        self.gone = self.leaving = False

    # --- the line ----------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: Millis) -> list[bytes]:
        if self.gone:
            return []
        self._now = now
        return super().receive(data, now) + self._due()

    def tick(self, now: Millis) -> list[bytes]:
        self._now = now
        if self._errand is not None and now >= self._errand[0]:
            self._run_errand()
        return self._due()

    def next_deadline(self) -> Millis | None:
        moments = [moment for moment, _ in self._letters]
        if self._errand is not None:
            moments.append(self._errand[0])
        return min(moments, default=None)

    def _due(self) -> list[bytes]:
        due = [letter for moment, letter in self._letters if moment <= self._now]
        self._letters = [letter for letter in self._letters if letter[0] > self._now]
        return due

    def _write(self, data: bytes, delay: int = 0) -> None:
        self._letters.append((later(self._now, Millis(delay)), data))

    def _take(self, unit: object, now: Millis) -> bytes:
        if unit is Control.ACK:
            self._unheard = False
        return super()._take(unit, now)

    def _copy(self, wire: bytes) -> bytes:
        """A fetch may be the same bytes in earnest; a copy of it comes before our reply was acknowledged."""
        if wire == FETCH and self._errand is None and not self._unheard:
            self._before = b""
        if wire != self._before:
            self.frames_heard.append(wire)
        elif self._now < self._mute_until:
            self._write(ACK, self._mute_until - self._now)
            return b" "
        return super()._copy(wire)

    def _final(self, message: Message) -> bytes:
        ask = ASKS.get((message.text(65) or "", message.text(64) or ""))
        if message.text(25) != "63" or ask is None:
            return super()._final(message)
        deed = self._deeds.pop(len(self.steps), Deed.GOOD)
        said = self._said(deed)
        if said[:1] not in (ACK, b" "):
            self._before = b""  # its repeat is read anew
            return said or b" "
        self.steps.append(ask)
        self.asked.append((self._now, ask))
        if not self.gone and deed is not Deed.OTHER_REQUEST:
            delay = self._delay(ask) + max(self._mute_until - self._now, 0)
            self._errand = later(self._now, Millis(delay)), ask, message, deed
            if delay == 0:
                self._run_errand()
        return said

    # --- the channel ---------------------------------------------------------------------------------------

    def _said(self, deed: Deed) -> bytes:
        """What is said at once to a request; a blank for nothing."""
        match deed:
            case Deed.EOT | Deed.SILENT | Deed.CLOSE:
                self.gone, self.leaving = True, deed is Deed.CLOSE
                return EOT if deed is Deed.EOT else b" "
            case Deed.NAK_ONCE | Deed.NAK_ALWAYS:
                if deed is Deed.NAK_ALWAYS:
                    self._deeds[len(self.steps)] = deed
                return NAK
            case Deed.LATE_ACK:
                self._mute_until = later(self._now, LATE)
                self._write(ACK, LATE)
                return b" "
            case Deed.OTHER_REQUEST:
                self._before = b""  # what comes now is of another session
                self._write(link_test())
            case Deed.SILENT_DONE:
                return b" "
        return self._spoken(final=False)

    def _delay(self, ask: Ask) -> int:
        if ask is Ask.OPEN:
            return self._open_delay
        if ask is not Ask.FETCH or self._unread or self._connection is None:
            return 0
        arrival = self._connection.next_arrival()
        wait = self._nothing_after if arrival is None else min(arrival - self._now, self._nothing_after)
        return max(wait, 0)

    def _run_errand(self) -> None:
        assert self._errand is not None
        (_, ask, message, deed), self._errand = self._errand, None
        result, data = (1, None) if deed in INSTEAD else self._do(ask, message)
        if deed is Deed.EOT_DONE:
            self._write(EOT)
        self.gone, self.leaving = deed in LASTING, deed is Deed.CLOSE_DONE
        if deed in LASTING or deed in (Deed.STALL, Deed.STALL_DONE):
            return
        told: Any = 1 if deed is Deed.REFUSE_DONE else result
        if deed in (Deed.GARBLE, Deed.GARBLE_DONE):
            told = "?"
        fields = {
            25: 63,
            65: 33 - int(ask.mode) if deed is Deed.WRONG_MODE else int(ask.mode),
            67: None if deed is Deed.NO_RESULT else told,
            70: data,
        }
        more = self._opened_with if ask is Ask.OPEN else {}
        self._reply(encode_frame(Message.of({**fields, **more}).encode()), deed)

    def _reply(self, frame: bytes, deed: Deed) -> None:
        self._unheard = True
        self._write(
            frame[: len(frame) // 2] if deed is Deed.HALF else frame, SLOWLY if deed is Deed.SLOW else 0
        )
        if deed in (Deed.TWICE, Deed.TWICE_LATER):
            self._write(frame, 0 if deed is Deed.TWICE else 20)

    def _do(self, ask: Ask, message: Message) -> tuple[int, bytes | None]:
        """Do what was asked; returns fields 67 and 70."""
        match ask:
            case Ask.OPEN:
                self._connection = self._connect()
            case Ask.CLOSE:
                was_open, self._connection, self._unread = self._connection is not None, None, b""
                return int(not was_open), None
            case Ask.SEND:
                return int(
                    self._connection is None or not self._connection.send(message.get(70) or b"")
                ), None
            case Ask.FETCH:
                self._unread += (self._connection and self._connection.read(self._now)) or b""
                data, self._unread = self._unread[: self._portion], self._unread[self._portion :]
                return int(not data), data or None
        return int(self._connection is None), None


class OurTill(HandTill):
    """Our own register."""

    def __init__(self, request: Message, connect: Connect | None, habits: Habits | None = None) -> None:
        super().__init__()
        self.inner = SessionTill(request, habits, connect=connect)
        self._takes = habits is None or habits.final in (FinalHabit.ACK, FinalHabit.ACK_EOT)

    def receive(self, data: bytes, now: Millis) -> list[bytes]:
        return self._seen(self.inner.receive(data, now))

    def tick(self, now: Millis) -> list[bytes]:
        return self._seen(self.inner.tick(now))

    def next_deadline(self) -> Millis | None:
        return self.inner.next_deadline()

    def _seen(self, written: list[bytes]) -> list[bytes]:
        outcome = self.inner.outcome
        if isinstance(outcome, Answered) and not self.finals:
            self.finals.append(outcome.message)
            if self._takes:
                self.taken.append(outcome.message)
        return written


class TunnelShop(Shop):
    """A shop in scheme ПКХ. ``layer``: TLS inside the tunnel; ``habits``: of the hand registers to come."""

    def __init__(
        self,
        *args: Any,
        layer: Callable[[], Layer] | None = None,
        bank_delay: int = 300,
        **more: Any,
    ) -> None:
        self._layer = layer
        self.habits: dict[str, Any] = {}
        super().__init__(*args, **more)
        self.world._bank_delay = Millis(bank_delay)

    def _boot(self, saved: str | None) -> Emulator:
        memory = parse_memory(saved, origin="memory") if saved else self._first_memory
        safe = TerminalSafe(KEYS, self._entropy, self.bank_profile.protection)
        return Emulator(
            self.profile,
            self.dialect,
            memory,
            safe,
            layout=LAYOUT,
            epoch=self._epoch,
            traced=self._traced,
            tunnel=build_tunnel(self.profile, ADDRESS, self._layer),
        )

    def till(self, say: Callable[[int, bool], bytes] | None = None) -> TunnelTill:
        till = TunnelTill(self.world.connect, say, **self.habits)
        self.tills.append(till)
        self.world.plug(till)
        return till

    def ask(self, frame: bytes, say: Callable[[int, bool], bytes] | None = None) -> TunnelTill:
        till = self.till(say)
        self.world.write(frame)
        return till

    @property
    def last(self) -> TunnelTill:
        till = self.tills[-1]
        assert isinstance(till, TunnelTill)
        return till

    def misbehave(self, frame: bytes, deeds: Mapping[int, Deed], **habits: Any) -> TunnelTill:
        """A register asks, does something wrong, and everything that can come of it has come."""
        self.habits = {"deeds": deeds, **habits}
        till = self.ask(frame)
        self.habits = {}
        self.until(lambda: bool(till.finals) or till.leaving)
        if till.leaving:
            self.world.plug(None)
        self.rest(200_000)
        return till

    def ours(self, name: str, habits: Habits | None = None, **arguments: Any) -> OurTill:
        """Our own register performs an operation, to its end."""
        till = OurTill(operation_request(name, Arguments(**arguments)), self.world.connect, habits)
        self.tills.append(till)
        self.world.plug(till)
        self.until(lambda: till.inner.outcome is not None)
        self.rest(200_000)
        return till


def settle_and_agree(shop: TunnelShop) -> None:
    """A last session that needs no bank: what is owed to it is its first thing; then all agree."""
    shop.settle()
    shop.serve(report())
    shop.settle()
    assert_agreed(shop)


__all__ = ["EPOCH", "PROFILE", "Ask"]
