"""ISO 8583 messages to and from payment requests and answers, under a bank profile. Both ends use it.

A data element is written when the profile lists it for the message and there is a value for it. DE7, 12 and
13 carry the sender's local time. DE90 is laid out as in ISO 8583:1987: type, STAN, date and time of the
original, acquirer and forwarder filled with zeros. What the wire leaves out does not come back: the count of
a repeat (it reads as 1), and track and PIN block of a reversal, which no terminal may keep.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import TypeVar

from smartsale_emu.errors import DialectError
from smartsale_emu.host.dates import month_to_second, with_year
from smartsale_emu.host.fields import FieldSpec, ascii_spec, well_formed
from smartsale_emu.host.profile import BankProfile, FieldTable
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    CardData,
    Original,
    Step,
)
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.units import CurrencyCode, MinorUnits

_T = TypeVar("_T")
_Fields = Mapping[int, str]

_TABLES: Mapping[FieldTable, Callable[[], FieldSpec]] = {FieldTable.ASCII: ascii_spec}
_SENSITIVE_IN_REVERSALS = (35, 52)


class Dialect:
    """The ISO 8583 of one bank.

    Errors are :class:`DialectError` throughout and name a data element at most, never a value.
    """

    def __init__(self, profile: BankProfile) -> None:
        self._profile = profile
        self._spec = _TABLES[profile.field_table]()
        self._first = frozenset(row.request for row in profile.messages.values())
        self._requests = {
            kind: step for step, row in profile.messages.items() for kind in (row.request, row.repeat)
        }
        self._answers = {row.answer: step for step, row in profile.messages.items()}
        self._transactions = {code: transaction for transaction, code in profile.processing.items()}
        self._entry_modes = {code: mode for mode, code in profile.entry_modes.items()}

    # --- the terminal's end ---

    def encode_request(self, request: AuthorizationRequest) -> bytes:
        """Return a request as a message.

        Raises:
            DialectError: a value does not fit its data element.
        """
        row = self._profile.messages[request.step]
        values = self._request_values(request)
        kind = row.repeat if request.attempt else row.request
        return self._write(
            kind, {number: values[number] for number in row.request_fields if number in values}
        )

    def decode_answer(self, data: bytes, today: date) -> AuthorizationAnswer:
        """Read an answer; the years of its dates are those nearest to ``today``.

        Raises:
            DialectError: it is not an answer of this dialect.
        """
        kind, fields = self._read(data)
        step = _known(self._answers, kind, "the type of an answer")
        return AuthorizationAnswer(
            step=step,
            stan=_stan(fields),
            response_code=_response_code(fields),
            rrn=fields.get(37, "").strip(),
            authorization_code=fields.get(38, "").strip(),
            answered_at=_answered_at(fields, today),
            terminal_id=fields.get(41, "").rstrip(),
        )

    # --- the bank's end ---

    def decode_request(self, data: bytes, today: date) -> AuthorizationRequest:
        """Read a request; the years of its dates are those nearest to ``today``.

        Raises:
            DialectError: it is not a request of this dialect, or lacks what its kind must have.
        """
        kind, fields = self._read(data)
        step = _known(self._requests, kind, "the type of a request")
        block = fields.get(52)
        return AuthorizationRequest(
            step=step,
            transaction=_known(self._transactions, _need(fields, 3), "DE3"),
            stan=_stan(fields),
            sent_at=_sent_at(fields, step, today),
            terminal_id=_need(fields, 41).rstrip(),
            merchant_id=fields.get(42, "").rstrip(),
            amount=MinorUnits(int(_need(fields, 4) if step is Step.FINANCIAL else fields.get(4, "0"))),
            currency=CurrencyCode(fields[49]) if 49 in fields else None,
            card=self._card(fields, needed=step is Step.FINANCIAL),
            pin_block=None if block is None else SecretBytes(bytes.fromhex(block)),
            original=self._original(fields, today) if step is Step.REVERSAL else None,
            attempt=0 if kind in self._first else 1,
        )

    def encode_answer(self, request: AuthorizationRequest, answer: AuthorizationAnswer) -> bytes:
        """Return the answer to a request as a message; what an answer repeats is taken from the request.

        Raises:
            DialectError: a value does not fit its data element.
        """
        row = self._profile.messages[request.step]
        values = self._answer_values(request, answer)
        return self._write(
            row.answer, {number: values[number] for number in row.answer_fields if number in values}
        )

    def refusal(self, data: bytes, response_code: str) -> bytes | None:
        """Return the shortest answer to a request that makes no sense: its STAN, its terminal and a code.

        None when not even its type and STAN can be read, or when it is no request at all.
        """
        try:
            kind, fields = self._parse(data)
            step = _known(self._requests, kind, "the type of a request")
            answer = {number: fields[number] for number in (11, 41) if number in fields} | {39: response_code}
            return self._write(self._profile.messages[step].answer, answer) if 11 in fields else None
        except DialectError:
            return None

    # --- bytes and data elements ---

    def _write(self, kind: str, fields: _Fields) -> bytes:
        import iso8583

        for number, value in fields.items():
            if not well_formed(number, value):
                raise DialectError(f"DE{number}: the value does not fit")
        document = {"t": kind} | {str(number): value for number, value in fields.items()}
        raw, _ = iso8583.encode(document, self._spec)
        return bytes(raw)

    def _read(self, data: bytes) -> tuple[str, dict[int, str]]:
        """Return type and elements of a message, those that are looked into checked."""
        kind, fields = self._parse(data)
        for number in _READ & fields.keys():
            if not well_formed(number, fields[number]):
                raise DialectError(f"DE{number}: the value is malformed")
        return kind, fields

    def _parse(self, data: bytes) -> tuple[str, dict[int, str]]:
        """Return type and elements of a message as they stand there."""
        import iso8583

        problem = ""
        document: dict[str, str] = {}
        try:
            document, _ = iso8583.decode(data, self._spec)
        except iso8583.DecodeError as error:
            problem = f"cannot be read at element {error.field}, byte {error.pos}"
        except KeyError:
            problem = "has an element that the dialect does not know"
        if problem:  # raised out here: the caught error carries the elements, and must not hang on ours
            raise DialectError(f"a message of {len(data)} bytes {problem}")
        fields = {
            int(number): value for number, value in document.items() if number.isdigit() and number != "1"
        }
        return document["t"], fields

    # --- payment words to data elements ---

    def _request_values(self, request: AuthorizationRequest) -> dict[int, str]:
        values = {
            3: self._profile.processing[request.transaction],
            7: month_to_second(request.sent_at),
            11: _stan_text(request.stan),
            12: request.sent_at.strftime("%H%M%S"),
            13: request.sent_at.strftime("%m%d"),
            24: self._profile.nii,
            25: self._profile.condition,
            41: request.terminal_id.ljust(8),
            42: request.merchant_id.ljust(15),
        }
        if request.step is not Step.NETWORK:
            values[4] = f"{request.amount:012d}"
        if request.currency is not None:
            values[49] = request.currency
        if request.card is not None:
            values |= self._card_values(request.card)
        if request.pin_block is not None:
            values[52] = request.pin_block.reveal().hex().upper()
        if request.original is not None:
            values |= self._original_values(request.original)
        if request.step is Step.REVERSAL:
            for number in _SENSITIVE_IN_REVERSALS:
                values.pop(number, None)
        return values

    def _card_values(self, card: CardData) -> dict[int, str]:
        pin_digit = self._profile.pin_capable if card.pin_capable else self._profile.pin_incapable
        values = {2: card.pan, 22: self._profile.entry_modes[card.entry_mode] + pin_digit}
        if card.expiry:
            values[14] = card.expiry
        if card.sequence:
            values[23] = card.sequence.zfill(3)
        if card.track2 is not None:
            values[35] = card.track2.reveal()
        return values

    def _original_values(self, original: Original) -> dict[int, str]:
        kind = self._profile.messages[original.step].request
        values = {90: f"{kind}{_stan_text(original.stan)}{month_to_second(original.sent_at)}{'0' * 22}"}
        if original.rrn:
            values[37] = original.rrn.ljust(12)
        if original.authorization_code:
            values[38] = original.authorization_code.ljust(6)
        return values

    def _answer_values(self, request: AuthorizationRequest, answer: AuthorizationAnswer) -> dict[int, str]:
        values = self._request_values(request)
        for number in (12, 13, 37, 38):  # the bank's own, not what the terminal wrote there
            values.pop(number, None)
        values |= {11: _stan_text(answer.stan), 39: answer.response_code}
        if answer.answered_at is not None:
            values[12] = answer.answered_at.strftime("%H%M%S")
            values[13] = answer.answered_at.strftime("%m%d")
        if answer.rrn:
            values[37] = answer.rrn.ljust(12)
        if answer.authorization_code:
            values[38] = answer.authorization_code.ljust(6)
        return values

    # --- data elements to payment words ---

    def _card(self, fields: _Fields, *, needed: bool) -> CardData | None:
        track2 = fields.get(35)
        pan, expiry = fields.get(2, ""), fields.get(14, "")
        if track2 is not None:
            track_pan, _, rest = track2.replace("D", "=").partition("=")
            pan, expiry = pan or track_pan, expiry or rest[:4]
        if not pan:
            if needed:
                raise DialectError("DE2: is missing")
            return None
        entry = _need(fields, 22)
        return CardData(
            pan=pan,
            expiry=expiry,
            entry_mode=_known(self._entry_modes, entry[:2], "DE22"),
            track2=None if track2 is None else Secret(track2),
            sequence=fields[23].removeprefix("0") if 23 in fields else "",
            pin_capable=entry[2] != self._profile.pin_incapable,
        )

    def _original(self, fields: _Fields, today: date) -> Original:
        text = _need(fields, 90)
        return Original(
            step=_known(self._requests, text[:4], "DE90"),
            stan=int(text[4:10]),
            sent_at=with_year(text[10:20], today),
            rrn=fields.get(37, "").strip(),
            authorization_code=fields.get(38, "").strip(),
        )


_READ = frozenset({2, 3, 4, 7, 11, 12, 13, 14, 22, 23, 35, 37, 38, 39, 41, 42, 49, 52, 90})
"""The elements that are looked into; only these are checked, so a bank's own ones may hold what they like."""


def _need(fields: _Fields, number: int) -> str:
    value = fields.get(number)
    if value is None:
        raise DialectError(f"DE{number}: is missing")
    return value


def _response_code(fields: _Fields) -> str:
    code = _need(fields, 39)
    if not (code.isascii() and code.isalnum()):
        raise DialectError("DE39: is no response code")
    return code


def _known(table: Mapping[str, _T], code: str, what: str) -> _T:
    found = table.get(code)
    if found is None:
        raise DialectError(f"{what} is not one of this dialect")
    return found


def _stan(fields: _Fields) -> int:
    stan = int(_need(fields, 11))
    if stan == 0:
        raise DialectError("DE11: must not be 0")
    return stan


def _stan_text(stan: int) -> str:
    if not 1 <= stan <= 999_999:
        raise DialectError("DE11: must be 1 to 999999")
    return f"{stan:06d}"


def _sent_at(fields: _Fields, step: Step, today: date) -> datetime:
    if 7 in fields:
        return with_year(fields[7], today)
    if 12 in fields and 13 in fields:
        return with_year(fields[13] + fields[12], today)
    if step is Step.NETWORK:
        return datetime.combine(today, time())
    raise DialectError("DE7: is missing")


def _answered_at(fields: _Fields, today: date) -> datetime | None:
    return with_year(fields[13] + fields[12], today) if 12 in fields and 13 in fields else None
