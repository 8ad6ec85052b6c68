"""A bank's end of one connection: bytes of the stream in, bytes to send and what was decided out. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from smartsale_emu.errors import DialectError
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.framing import StreamDecoder
from smartsale_emu.host.guard import Admission, Guard
from smartsale_emu.host.rules import SYSTEM_ERROR
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest

UNREADABLE = SYSTEM_ERROR
"""The answer to a message whose type and STAN can be read and nothing else makes sense."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One message that came, for the trace. Request and answer are None when it could not be read."""

    request: AuthorizationRequest | None
    answer: AuthorizationAnswer | None
    because: str


class Handler(Protocol):
    """Whoever answers requests; a bank, or a fake that fails on purpose."""

    def handle(self, request: AuthorizationRequest, at: datetime) -> AuthorizationAnswer:
        """Answer one request."""


class BankSession:
    """One connection to the bank. When ``closed`` says why, send what is left and close the connection.

    ``guard``: checks and makes MACs; a bank whose messages have none needs none. ``watch``: is shown every
    exchange.
    """

    def __init__(
        self,
        bank: Handler,
        dialect: Dialect,
        guard: Guard | None = None,
        watch: Callable[[Exchange], None] | None = None,
    ) -> None:
        self._bank, self._dialect, self._guard, self._watch = bank, dialect, guard, watch
        self._stream = StreamDecoder(dialect.wire)
        self.closed = ""

    def receive(self, data: bytes, at: datetime) -> tuple[bytes, list[Exchange]]:
        """Take bytes of the stream and answer every message that is whole now, in their order.

        A message that cannot be read is answered 96 if its type and STAN can, else it ends the session. So
        does an answer that the dialect cannot write; the terminal is left to undo what it asked for.

        Raises:
            StateError: the bank's ledger could not be written.
        """
        replies, exchanges = bytearray(), []
        for message in self._messages(data):
            reply, exchange = self._answer(message, at)
            replies += reply
            exchanges.append(exchange)
            if self._watch is not None:
                self._watch(exchange)
            if not reply:
                self.closed = exchange.because
                break
        return bytes(replies), exchanges

    def _messages(self, data: bytes) -> list[bytes]:
        if self.closed:
            return []
        try:
            messages = self._stream.feed(data)
        except DialectError:
            messages = []
        self.closed = self._stream.broken
        return messages

    def _answer(self, packet: bytes, at: datetime) -> tuple[bytes, Exchange]:
        try:
            message, way_back = self._dialect.wire.open_request(packet)
        except DialectError as error:
            return b"", Exchange(None, None, f"closed: {error}")
        try:
            request = self._dialect.decode_request(message, at.date())
        except DialectError as error:
            refusal = self._dialect.refusal(message, UNREADABLE)
            if refusal is None:
                return b"", Exchange(None, None, f"closed: {error}")
            return way_back.frame(refusal), Exchange(None, None, f"answered {UNREADABLE}: {error}")
        admission = self._guard.admit(request, at) if self._guard else Admission()
        if admission.refusal is not None and admission.seal is None:
            because = admission.refusal.because
            refusal = self._dialect.refusal(message, admission.refusal.response_code)
            if refusal is None:
                return b"", Exchange(request, None, f"closed: {because}")
            return way_back.frame(refusal), Exchange(request, admission.refusal, because)
        answer = admission.refusal or self._bank.handle(request, at)
        try:
            reply = way_back.frame(self._dialect.encode_answer(request, answer, admission.seal))
        except DialectError as error:
            return b"", Exchange(request, None, f"closed: the answer cannot be built: {error}")
        return reply, Exchange(request, answer, answer.because)
