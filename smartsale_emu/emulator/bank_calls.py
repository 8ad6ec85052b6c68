"""Calls to the bank as messages: requests become bytes, bytes become answers, whatever way they travel."""

from dataclasses import dataclass
from datetime import date

from smartsale_emu.emulator.tracing import Tracer
from smartsale_emu.errors import DialectError
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.framing import StreamDecoder, frame
from smartsale_emu.host.shown import shown_answer, shown_request
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Step
from smartsale_emu.payment.response_codes import moves_money
from smartsale_emu.terminal.events import BankFailed, BankReplied, BankUnreachable
from smartsale_emu.units import NOTHING


@dataclass(slots=True)
class _Call:
    """The open call."""

    number: int
    request: AuthorizationRequest
    decoder: StreamDecoder


class BankCalls:
    """The one call that is open."""

    def __init__(self, dialect: Dialect, trace: Tracer) -> None:
        self._dialect, self._trace = dialect, trace
        self._call: _Call | None = None

    def dial(self, number: int, request: AuthorizationRequest) -> bytes | BankUnreachable:
        """Return the bytes of a request, length included, or that it cannot be built."""
        try:
            payload = frame(self._dialect.encode_request(request))
        except DialectError as error:
            return BankUnreachable(number, f"the message cannot be built: {error}")
        self._call = _Call(number, request, StreamDecoder())
        if self._trace.on:
            self._trace.note("bank", "asked", call=number, direction="out", **shown_request(request))
        return payload

    def hang_up(self) -> None:
        """Forget the open call."""
        self._call = None

    def hear(self, number: int, data: bytes, today: date) -> BankReplied | BankFailed | None:
        """Take bytes of the bank; returns how the call ended, None if it has not. Then it is forgotten."""
        call = self._call
        if call is None or call.number != number:
            self._trace.note("bank", "the call was given up: its answer changes nothing", call=number)
            return None
        try:
            answer = self._answer(call, data, today)
        except DialectError as error:
            self._call = None
            return BankFailed(number, f"the bank's answer is of no use: {error}")
        if answer is None:
            return None
        self._call = None
        return BankReplied(number, answer)

    def _answer(self, call: _Call, data: bytes, today: date) -> AuthorizationAnswer | None:
        for message in call.decoder.feed(data):
            answer = self._dialect.decode_answer(message, today)
            if self._trace.on:
                self._trace.note("bank", "answered", call=call.number, direction="in", **shown_answer(answer))
            if _answers(answer, call.request):
                _refuse_other_money(answer, call.request)
                return answer
            because = "this answers another message (step, STAN or terminal)"
            self._trace.note("bank", because, call=call.number)
        return None


def _answers(answer: AuthorizationAnswer, request: AuthorizationRequest) -> bool:
    """Tell whether the bank's answer belongs to the request; a bank may leave its terminal id out."""
    same_terminal = answer.terminal_id in ("", request.terminal_id)
    return same_terminal and (answer.step, answer.stan) == (request.step, request.stan)


def _refuse_other_money(answer: AuthorizationAnswer, request: AuthorizationRequest) -> None:
    """An approval of other money than was asked for is of no use: it is undone (PROTOCOL.md, section 0.2).

    Raises:
        DialectError: it repeats another amount or currency than the request's.
    """
    asked = request.step is Step.FINANCIAL and request.amount != NOTHING
    if not asked or not moves_money(answer.response_code):
        return
    if answer.amount not in (None, request.amount):
        raise DialectError("it approves another amount")
    if answer.currency not in (None, request.currency):
        raise DialectError("it approves in another currency")
