"""Answers of the bank that are right in form and wrong in content: to another message, or without a MAC."""

from dataclasses import replace
from datetime import timedelta

from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.host.sealing import Seal
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Step
from smartsale_emu.payment.field55 import answer_field55, read_answer
from smartsale_emu.scenario.commands import BankFault
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.units import RUB, CurrencyCode, MinorUnits

ERRING = frozenset(
    {
        BankFault.OTHER_STAN,
        BankFault.OTHER_TIME,
        BankFault.OTHER_TERMINAL,
        BankFault.OTHER_KIND,
        BankFault.OTHER_OPERATION,
        BankFault.OTHER_AMOUNT,
        BankFault.OTHER_CURRENCY,
        BankFault.NO_MAC,
        BankFault.WRONG_ARPC,
        BankFault.WRONG_KCV,
    }
)
"""The faults that are in what the bank writes, not on its way."""

_DOLLAR, _EURO = CurrencyCode("840"), CurrencyCode("978")


def erring(
    fault: BankFault, request: AuthorizationRequest, answer: AuthorizationAnswer
) -> AuthorizationAnswer:
    """Return the answer with what is wrong in the bank's own words; the rest `ErringDialect` does."""
    match fault:
        case BankFault.OTHER_STAN:
            return replace(answer, stan=request.stan % 999_999 + 1)
        case BankFault.OTHER_AMOUNT:
            return replace(answer, amount=MinorUnits((answer.amount or request.amount) + 100))
        case BankFault.WRONG_ARPC:
            return _with_wrong_arpc(answer)
        case BankFault.WRONG_KCV:
            return replace(answer, keys=tuple(replace(key, kcv=_other(key.kcv)) for key in answer.keys))
        case _:
            return answer


class ErringDialect(Dialect):
    """The bank's end of a dialect. ``faults``: of the next answer, which says so what it repeats."""

    def __init__(self, profile: BankProfile) -> None:
        super().__init__(profile)
        self.faults: tuple[BankFault, ...] = ()

    def encode_answer(
        self, request: AuthorizationRequest, answer: AuthorizationAnswer, seal: Seal | None = None
    ) -> bytes:
        """See `Dialect.encode_answer`. The MAC, if there is one, is right: it covers what is written."""
        faults, self.faults = self.faults, ()
        if not faults:
            return super().encode_answer(request, answer, seal)
        profile = self._profile
        for fault in faults:
            profile = _speaking(profile, fault, request)
        for fault in faults:
            request = _of_another(request, fault)
        return Dialect(profile).encode_answer(request, answer, seal)


def _of_another(request: AuthorizationRequest, fault: BankFault) -> AuthorizationRequest:
    match fault:
        case BankFault.OTHER_TIME:
            return replace(request, sent_at=request.sent_at + timedelta(hours=1))
        case BankFault.OTHER_TERMINAL:
            return replace(request, terminal_id=_other(request.terminal_id))
        case BankFault.OTHER_CURRENCY:
            return replace(request, currency=_DOLLAR if request.currency in (None, RUB) else _EURO)
        case _:
            return request


def _speaking(profile: BankProfile, fault: BankFault, request: AuthorizationRequest) -> BankProfile:
    """Return the profile of a bank that takes this request for one of another kind, or knows no MAC."""
    match fault:
        case BankFault.OTHER_KIND:
            step = Step.FINANCIAL if request.step is Step.REVERSAL else Step.REVERSAL
            own, other = (profile.kind(one, request.transaction) for one in (request.step, step))
            row = replace(profile.messages[own], answer=profile.messages[other].answer)
            return replace(profile, messages={**profile.messages, own: row})
        case BankFault.OTHER_OPERATION:
            code = profile.processing[request.transaction]
            other_code = next(one for one in profile.processing.values() if one != code)
            return replace(profile, processing={**profile.processing, request.transaction: other_code})
        case BankFault.NO_MAC:
            return replace(profile, wire=replace(profile.wire, mac=None))
        case _:
            return profile


def _other(text: str) -> str:
    return text[:-1] + ("1" if text[-1:] != "1" else "2")


def _with_wrong_arpc(answer: AuthorizationAnswer) -> AuthorizationAnswer:
    if answer.icc is None:
        return answer
    told = read_answer(answer.icc.reveal())
    if told.authentication is None:
        return answer
    spoilt = replace(told, authentication=last_bit(told.authentication))
    return replace(answer, icc=SecretBytes(answer_field55(spoilt)))


def last_bit(data: bytes) -> bytes:
    """Return bytes with the last bit flipped; nothing stays nothing."""
    return data[:-1] + bytes([data[-1] ^ 1]) if data else data
