"""Calls to the bank as messages: requests become bytes, bytes become answers, whatever way they travel."""

from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Protocol

from smartsale_emu.emulator.tracing import Tracer
from smartsale_emu.errors import DialectError
from smartsale_emu.host.dates import month_to_second
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.framing import StreamDecoder
from smartsale_emu.host.shown import shown_answer, shown_request
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Step
from smartsale_emu.payment.response_codes import moves_money
from smartsale_emu.security.protection import KeysHeld
from smartsale_emu.terminal.events import BankFailed, BankReplied, BankUnreachable
from smartsale_emu.units import NOTHING


class MessageSafe(Protocol):
    """Whoever has the keys of messages: the pinpad's safe."""

    def mac(self, covered: bytes, held: KeysHeld) -> bytes:
        """Return the MAC of a request."""

    def mac_is_right(self, covered: bytes, mac: bytes, held: KeysHeld) -> bool:
        """Tell whether an answer has its MAC."""


@dataclass(slots=True)
class _Call:
    """The open call. ``keys``: what its MAC and that of the answer are made with."""

    number: int
    request: AuthorizationRequest
    keys: KeysHeld
    decoder: StreamDecoder


class BankCalls:
    """The one call that is open."""

    def __init__(self, dialect: Dialect, safe: MessageSafe, trace: Tracer) -> None:
        self._dialect, self._safe, self._trace = dialect, safe, trace
        self._call: _Call | None = None

    def dial(self, number: int, request: AuthorizationRequest, keys: KeysHeld) -> bytes | BankUnreachable:
        """Return the bytes of a request, length included, or that it cannot be built."""
        seal = partial(self._safe.mac, held=keys) if self._dialect.is_sealed(request.step) else None
        try:
            payload = self._dialect.wire.frame(self._dialect.encode_request(request, seal))
        except DialectError as error:
            return BankUnreachable(number, f"the message cannot be built: {error}")
        self._call = _Call(number, request, keys, StreamDecoder(self._dialect.wire))
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
        for packet in call.decoder.feed(data):
            answer = self._dialect.decode_answer(self._dialect.wire.open_answer(packet), today)
            if self._trace.on:
                self._trace.note("bank", "answered", call=call.number, direction="in", **shown_answer(answer))
            if _answers(answer, call.request):
                self._refuse_unsealed(answer, call)
                _refuse_other_code(answer, self._dialect.processing(call.request.transaction))
                _refuse_other_money(answer, call.request)
                return answer
            because = "this answers another message (step, STAN, terminal or time)"
            self._trace.note("bank", because, call=call.number)
        return None

    def _refuse_unsealed(self, answer: AuthorizationAnswer, call: _Call) -> None:
        """Refuse an answer whose MAC is missing or wrong: it counts as none.

        Raises:
            DialectError: it is such an answer.
        """
        if not self._dialect.is_sealed(answer.step):
            return
        sealed = answer.sealed
        if sealed is None:
            raise DialectError("it has no MAC")
        if not self._safe.mac_is_right(sealed.covered.reveal(), sealed.mac, call.keys):
            raise DialectError("its MAC is wrong")


def _answers(answer: AuthorizationAnswer, request: AuthorizationRequest) -> bool:
    """Tell whether an answer belongs to the request; a bank may leave out the terminal id and the time."""
    same_terminal = answer.terminal_id in ("", request.terminal_id)
    same_time = answer.asked_at in ("", month_to_second(request.sent_at))
    return same_terminal and same_time and (answer.step, answer.stan) == (request.step, request.stan)


def _refuse_other_code(answer: AuthorizationAnswer, processing: str) -> None:
    """An answer about something else than was asked for is of no use.

    Raises:
        DialectError: it repeats another processing code than the request's.
    """
    if answer.processing not in ("", processing):
        raise DialectError("DE3: it repeats another processing code")


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
