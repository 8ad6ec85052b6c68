"""A bank's end of one connection: bytes of the stream in, bytes to send and what was decided out. No I/O."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from smartsale_emu.errors import DialectError
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.framing import StreamDecoder, frame
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest

UNREADABLE = "96"
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
    """One connection to the bank. When ``closed`` says why, send what is left and close the connection."""

    def __init__(self, bank: Handler, dialect: Dialect) -> None:
        self._bank = bank
        self._dialect = dialect
        self._stream = StreamDecoder()
        self.closed = ""

    def receive(self, data: bytes, at: datetime) -> tuple[bytes, list[Exchange]]:
        """Take bytes of the stream and answer every message that is whole now, in their order.

        A message that cannot be read is answered 96 if its type and STAN can, else it ends the session.

        Raises:
            StateError: the bank's ledger could not be written.
        """
        replies, exchanges = bytearray(), []
        for message in self._messages(data):
            reply, exchange = self._answer(message, at)
            replies += reply
            exchanges.append(exchange)
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

    def _answer(self, message: bytes, at: datetime) -> tuple[bytes, Exchange]:
        try:
            request = self._dialect.decode_request(message, at.date())
        except DialectError as error:
            refusal = self._dialect.refusal(message, UNREADABLE)
            if refusal is None:
                return b"", Exchange(None, None, f"closed: {error}")
            return frame(refusal), Exchange(None, None, f"answered {UNREADABLE}: {error}")
        answer = self._bank.handle(request, at)
        return frame(self._dialect.encode_answer(request, answer)), Exchange(request, answer, answer.because)
