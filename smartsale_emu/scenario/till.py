"""Our register as one end of a world's line."""

from smartsale_emu.register.session import Habits, Outcome, RegisterEffect, RegisterSession, Send
from smartsale_emu.sa.tlv import Message
from smartsale_emu.units import Millis


class SessionTill:
    """One exchange of our register, in the shape that ``World.plug`` takes."""

    def __init__(self, request: Message, habits: Habits | None = None) -> None:
        self._session = RegisterSession(request, habits=habits)
        self._started = False
        self.told: list[RegisterEffect] = []

    @property
    def outcome(self) -> Outcome | None:
        """How the exchange ended; None while it runs."""
        return self._session.outcome

    def receive(self, data: bytes, now: Millis) -> list[bytes]:
        """Take bytes of the pinpad."""
        return self._written(self._session.receive(data, now))

    def tick(self, now: Millis) -> list[bytes]:
        """Let time pass; the first call sends the request."""
        if not self._started:
            self._started = True
            return self._written(self._session.start(now))
        return self._written(self._session.tick(now))

    def next_deadline(self) -> Millis | None:
        """When ``tick`` has something to do."""
        return self._session.next_deadline()

    def _written(self, effects: list[RegisterEffect]) -> list[bytes]:
        self.told += effects
        return [effect.data for effect in effects if isinstance(effect, Send)]
