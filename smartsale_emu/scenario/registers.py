"""The register of a story: our own, which does what the story says, or a foreign one, which is waited for."""

from collections.abc import Mapping
from typing import Protocol

from smartsale_emu.register.effects import Answered, Waited
from smartsale_emu.register.habits import Habits, RegisterTiming
from smartsale_emu.sa.fields import Tag
from smartsale_emu.scenario.commands import TUNNEL
from smartsale_emu.scenario.model import Register
from smartsale_emu.scenario.overheard import Heard, Overheard
from smartsale_emu.scenario.phrases import read_phrase
from smartsale_emu.scenario.requests import Ask
from smartsale_emu.scenario.stage import Stage
from smartsale_emu.scenario.till import SessionTill
from smartsale_emu.scenario.virtual import Till, World
from smartsale_emu.units import Millis

Known = Mapping[str, Mapping[str, str]]
"""Fields of earlier answers, by the names of their steps."""


class RegisterSide(Protocol):
    """What a player does with the register, and sees of it."""

    def comes(self) -> bool | None:
        """Tell whether it has asked for something new; None: it asks when it is told to."""

    def ask(self, ask: Ask, habits: Register, known: Known) -> str:
        """Ask, or compare what was asked; returns what is not as the story says."""

    def send(self, data: bytes) -> None:
        """Write bytes."""

    def cancel(self) -> None:
        """Give the operation up."""

    def leave(self) -> None:
        """Close the port."""

    def crash(self) -> None:
        """Read nothing more; nobody sees that, nor that it is back."""

    def unplug(self) -> None:
        """Lose the port in the middle of an exchange that goes on when it is back."""

    def come_back(self) -> None:
        """Open the port again."""

    def answer_cashier(self, text: str | None) -> None:
        """Answer the question; None: cancel it."""

    @property
    def over(self) -> bool:
        """Whether no exchange is under way."""

    @property
    def cashier_asked(self) -> bool:
        """Whether a question waits for the cashier."""

    def heard(self) -> Heard:
        """Return what it heard of its last request."""


def _habits(row: Register) -> Habits:
    return Habits(
        final=row.final,
        ack_delay=row.ack_delay,
        byte_by_byte=row.byte_by_byte,
        open_delay=row.open_delay,
        fetch_delay=row.fetch_delay,
        fetch_size=row.fetch_size,
        tunnel=read_phrase(row.tunnel, TUNNEL) if row.tunnel else None,
    )


class _SilentTill:
    """A register that has opened its port; what it sends, the story says."""

    def receive(self, data: bytes, now: Millis) -> list[bytes]:  # noqa: ARG002
        """Read, and say nothing."""
        return []

    def tick(self, now: Millis) -> list[bytes]:  # noqa: ARG002
        """Say nothing."""
        return []

    def next_deadline(self) -> None:
        """There is nothing to do."""


SILENT = _SilentTill()


class OurRegister:
    """Our own register on the line of a world."""

    def __init__(self, world: World, overheard: Overheard, *, through_register: bool) -> None:
        self._world, self._overheard, self._through = world, overheard, through_register
        self._till: SessionTill | None = None
        self._open = self._unseen = False

    def comes(self) -> None:
        """It asks when it is told to."""

    def ask(self, ask: Ask, habits: Register, known: Known) -> str:
        """Begin an exchange."""
        self._till = SessionTill(
            ask.message(known),
            _habits(habits),
            timing=RegisterTiming(packet=habits.packet, total=habits.total),
            connect=self._world.connect if self._through else None,
            window=habits.cashier,
        )
        self._plug(self._till, unseen=self._open and habits.keeps_port)
        return ""

    def _plug(self, till: Till, *, unseen: bool = False) -> None:
        """Open the port; after a crash nobody sees it."""
        unseen, self._open, self._unseen = unseen or self._unseen, True, False
        self._overheard.renewed()
        self._world.plug(till, tell=not unseen)

    def _close(self, *, unseen: bool = False) -> None:
        self._open, self._unseen = False, unseen
        self._world.plug(None, tell=not unseen)

    def send(self, data: bytes) -> None:
        """Write bytes."""
        self._till = None
        self._world.write(data)

    def cancel(self) -> None:
        """Give the operation up."""
        if self._till is not None:
            self._world.write_all(self._till.cancel(self._world.now))

    def leave(self) -> None:
        """Close the port."""
        if self._till is not None:
            self._till.leave(self._world.now)
        self._close()

    def crash(self) -> None:
        """Read nothing more; nobody sees that, nor that it is back."""
        if self._till is not None:
            self._till.leave(self._world.now)
        self._close(unseen=True)

    def unplug(self) -> None:
        """Lose the port in the middle of an exchange that goes on when it is back."""
        self._close()

    def come_back(self) -> None:
        """Open the port again, with the exchange that was under way, or with nothing to say."""
        self._plug(self._till or SILENT)

    def answer_cashier(self, text: str | None) -> None:
        """Answer the question; None: cancel it."""
        if self._till is not None:
            self._world.write_all(self._till.said(text, self._world.now))

    @property
    def over(self) -> bool:
        """Whether no exchange is under way."""
        return self._till is None or self._till.outcome is not None

    @property
    def cashier_asked(self) -> bool:
        """Whether a question waits for the cashier."""
        return self._till is not None and self._till.asks is not None

    def heard(self) -> Heard:
        """Return what it heard of its last request."""
        till = self._till
        if till is None:
            return self._overheard.heard()
        answer = till.outcome.message if isinstance(till.outcome, Answered) else None
        return Heard(till.outcome, answer, sum(isinstance(told, Waited) for told in till.told))


def our_register(stage: Stage) -> OurRegister:
    """Return our register, on a stage of virtual time."""
    if not isinstance(stage.world, World):
        raise TypeError("our register needs virtual time")
    return OurRegister(stage.world, stage.overheard, through_register=stage.through_register)


class ForeignRegister:
    """Somebody else's register: what it asks for is waited for, and compared.

    It may have asked again already: what counts is the exchange that the story is at. ``met``: so many
    requests are of the time before it.
    """

    def __init__(self, overheard: Overheard, *, met: int = 0) -> None:
        self._overheard = overheard
        self._met = met  # requests that the story has come to

    # --- RegisterSide ------------------------------------------------------------------------------------

    def comes(self) -> bool:
        """Tell whether it has asked for something new."""
        return len(self._overheard.requests) > self._met

    def ask(self, ask: Ask, habits: Register, known: Known) -> str:  # noqa: ARG002
        """Compare what it asked with the story."""
        wanted, got = ask.message(known), self._overheard.requests[self._met]
        self._met += 1
        for tag in (Tag.OPERATION_CODE, Tag.AMOUNT):
            if wanted.text(tag) not in (None, got.text(tag)):
                return f"the register asked with field {int(tag)} = {got.text(tag)}, not {wanted.text(tag)}"
        return ""

    def send(self, data: bytes) -> None:  # noqa: ARG002
        """Nobody tells it what to do."""
        raise ValueError("a foreign register does what it likes: this step is not possible with --port")

    def cancel(self) -> None:
        """Nobody tells it what to do."""
        self.send(b"")

    def leave(self) -> None:
        """Nobody tells it what to do."""
        self.send(b"")

    def crash(self) -> None:
        """Nobody tells it what to do."""
        self.send(b"")

    def unplug(self) -> None:
        """Nobody tells it what to do."""
        self.send(b"")

    def come_back(self) -> None:
        """Nobody tells it what to do."""
        self.send(b"")

    def answer_cashier(self, text: str | None) -> None:  # noqa: ARG002
        """Nobody tells it what to do."""
        self.send(b"")

    @property
    def over(self) -> bool:
        """Whether no exchange is under way."""
        return self.comes() or self._overheard.over

    @property
    def cashier_asked(self) -> bool:
        """It has its own cashier."""
        return False

    def heard(self) -> Heard:
        """Return what it heard of the request that the story is at."""
        return self._overheard.exchanges()[self._met - 1] if self._met else Heard()
