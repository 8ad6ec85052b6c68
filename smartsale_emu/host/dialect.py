"""ISO 8583 messages to and from payment requests and answers, under a bank profile. Both ends use it.

A data element is written when the profile lists it for the message and there is a value for it; those that
its tables [pin] and [mac] name need no listing. DE12 and 13 carry the sender's local time, DE7 that of the
request, in its answer too. DE24 is looked at where it is a function code. The batch, six
digits, stands in DE62 and the RRN of what an undone or uploaded operation followed in DE61, or where else the
profile puts them. A PIN block of eight bytes stands in DE52, a longer one and the serial number of a DUKPT
key where the profile says. An original is named by DE37, DE38 and, if its STAN and time are known, by DE90,
laid out as in ISO 8583:1987: type, STAN, date and time of the original, acquirer and forwarder filled with
zeros; a type that is not known is ``0000``.

The dialect holds no keys: who has one hands in what makes the MAC, and compares that of a message that came.

What the wire leaves out does not come back: the count of a repeat (it reads as 1), what an original was
unless it is undone or uploaded, and track and PIN block of a message that no terminal may keep them for. A
pre-authorization and its raise may share type and code: DE37 tells them apart, in their reversals DE61.
"""

from collections.abc import Mapping
from datetime import date, datetime

from smartsale_emu.errors import DialectError
from smartsale_emu.host.amounts import TOTALS_FIELDS, balance_of, balance_value, totals_of, totals_values
from smartsale_emu.host.codec import Parts, codec_of
from smartsale_emu.host.dates import month_to_second
from smartsale_emu.host.framing import Wire
from smartsale_emu.host.key_words import keys_of, keys_text
from smartsale_emu.host.packing import TimeForm
from smartsale_emu.host.profile import BankProfile, MessageKind, MessageRow
from smartsale_emu.host.reading import (
    answered_at,
    batch_of,
    card_of,
    check_function,
    claimed_totals,
    follows_of,
    known,
    names_original,
    need,
    original_of,
    response_code,
    secret_bytes,
    sent_at,
    stan_of,
    stan_text,
)
from smartsale_emu.host.rules import always_follows
from smartsale_emu.host.sealing import Seal, seal_message, sealed_in
from smartsale_emu.host.wire_rows import PIN_BLOCK, Element24
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    CardData,
    Original,
    Sealed,
    Step,
    Transaction,
)
from smartsale_emu.units import RUB, CurrencyCode, MinorUnits

_NO_TYPE = "0000"
_Fields = Mapping[int, str]

_TRACK_2, _CHIP_DATA = 35, 55
_SHORT_BLOCK = 8
"""Bytes of a PIN block that DE52 holds."""

_BANKS_OWN = TOTALS_FIELDS | {12, 13, 37, 38, _CHIP_DATA}
_KEPT_BY_TERMINALS = (Step.REVERSAL, Step.UPLOAD)
"""Messages made from what the terminal remembers: no track, no PIN, and all about one earlier operation."""


class Dialect:
    """The ISO 8583 of one bank.

    Errors are :class:`DialectError` throughout and name a data element at most, never a value.
    """

    def __init__(self, profile: BankProfile) -> None:
        self._profile = profile
        self._rows = profile.wire
        self._codec = codec_of(profile.wire.packing)
        self._pin_fields = frozenset({PIN_BLOCK, profile.wire.pin_field})
        self._first = frozenset(row.request for row in profile.messages.values())
        self._requests = {
            mti: kind for kind, row in profile.messages.items() for mti in (row.request, row.repeat)
        }
        self._answers = {row.answer: kind for kind, row in profile.messages.items()}
        self._checked = _READ | self._pin_fields | {profile.wire.ksn_field}
        self._repeating = {3, 7} if profile.wire.answer_repeats_time else {3}
        self._entry_modes = {code: mode for mode, code in profile.entry_modes.items()}

    @property
    def wire(self) -> Wire:
        """How this bank's messages are framed."""
        return self._rows.framing

    def is_sealed(self, step: Step) -> bool:
        """Tell whether messages of a step must have a MAC."""
        return self._rows.mac is not None and (step is not Step.NETWORK or self._rows.mac.network)

    def processing(self, transaction: Transaction) -> str:
        """Return the processing code (DE3) of a transaction."""
        return self._profile.processing[transaction]

    # --- the terminal's end ---

    def encode_request(self, request: AuthorizationRequest, seal: Seal | None = None) -> bytes:
        """Return a request as a message. ``seal``: makes its MAC, where the profile wants one.

        Raises:
            DialectError: a value does not fit its data element, or a MAC is wanted and ``seal`` is None.
        """
        row = self._row(request)
        values = self._request_values(request)
        mti = row.repeat if request.attempt else row.request
        carried = {*row.request_fields, self._rows.ksn_field}
        if PIN_BLOCK in carried:
            carried |= self._pin_fields
        fields = {number: values[number] for number in sorted(carried) if number in values}
        return self._write(mti, fields, request.step, seal, answer=False)

    def decode_answer(self, data: bytes, today: date) -> AuthorizationAnswer:
        """Read an answer; the years of its dates are those nearest to ``today``.

        Raises:
            DialectError: it is not an answer of this dialect.
        """
        parts = self._read(data)
        fields, kind = parts.fields, known(self._answers, parts.mti, "the type of an answer")
        step, repeated = kind.step, self._repeated(kind, parts.fields)
        return AuthorizationAnswer(
            step=step,
            stan=stan_of(fields),
            response_code=response_code(fields),
            rrn=fields.get(37, "").strip(),
            authorization_code=fields.get(38, "").strip(),
            answered_at=answered_at(fields, today),
            terminal_id=fields.get(41, "").rstrip(),
            asked_at=repeated.get(7, ""),
            processing=repeated.get(3, ""),
            totals=totals_of(fields),
            keys=keys_of(fields, self._rows.places.keys) if step is Step.NETWORK else (),
            balance=balance_of(fields.get(54, "")),
            amount=MinorUnits(int(fields[4])) if 4 in fields else None,
            currency=CurrencyCode(fields[49]) if 49 in fields else None,
            icc=secret_bytes(fields, _CHIP_DATA),
            sealed=self._sealed(parts, step, answer=True),
        )

    # --- the bank's end ---

    def decode_request(self, data: bytes, today: date) -> AuthorizationRequest:
        """Read a request; the years of its dates are those nearest to ``today``.

        Raises:
            DialectError: it is not a request of this dialect, or lacks what its kind must have.
        """
        parts = self._read(data)
        mti, fields = parts.mti, parts.fields
        kind = known(self._requests, mti, "the type of a request")
        step, places = kind.step, self._rows.places
        transaction = self._transaction(kind, need(fields, 3), fields)
        if self._rows.element_24 is Element24.FUNCTION_CODE:
            listed = 24 in self._profile.messages[kind].request_fields
            check_function(fields, self._element_24(step, transaction), needed=listed)
        asks = step is Step.FINANCIAL and transaction is not Transaction.BALANCE
        return AuthorizationRequest(
            step=step,
            transaction=transaction,
            stan=stan_of(fields),
            sent_at=sent_at(fields, step, today),
            terminal_id=need(fields, 41).rstrip(),
            merchant_id=fields.get(42, "").rstrip(),
            amount=MinorUnits(int(need(fields, 4) if asks or step is Step.UPLOAD else fields.get(4, "0"))),
            currency=CurrencyCode(fields[49]) if 49 in fields else None,
            card=self._card(fields, needed=step is Step.FINANCIAL and not names_original(fields)),
            pin_block=secret_bytes(fields, PIN_BLOCK) or secret_bytes(fields, self._rows.pin_field),
            original=original_of(fields, transaction if step in _KEPT_BY_TERMINALS else None, today),
            attempt=0 if mti in self._first else 1,
            batch=batch_of(fields, places.batch),
            totals=claimed_totals(fields) if step is Step.RECONCILIATION else None,
            follows=follows_of(fields, places.follows),
            icc=secret_bytes(fields, _CHIP_DATA),
            ksn=bytes.fromhex(fields.get(self._rows.ksn_field, "")),
            sealed=self._sealed(parts, step, answer=False),
        )

    def encode_answer(
        self, request: AuthorizationRequest, answer: AuthorizationAnswer, seal: Seal | None = None
    ) -> bytes:
        """Return the answer to a request as a message; what an answer repeats is taken from the request.

        ``seal``: makes its MAC, where the profile wants one. DE39 is what the profile's host writes for the
        response code.

        Raises:
            DialectError: a value does not fit its data element, or a MAC is wanted and ``seal`` is None.
        """
        row = self._row(request)
        values = self._answer_values(request, answer)
        fields = {number: values[number] for number in row.answer_fields if number in values}
        return self._write(row.answer, fields, request.step, seal, answer=True)

    def refusal(self, data: bytes, response_code: str) -> bytes | None:
        """Return the shortest answer to a request that makes no sense: its STAN, its terminal and a code.

        None when not even its type and STAN can be read, or when it is no request at all. It has no MAC under
        any profile, since whose key that would be is not known.
        """
        try:
            parts = self._codec.read(data)
            kind = known(self._requests, parts.mti, "the type of a request")
            if 11 not in parts.fields:
                return None
            answer = {number: value for number, value in parts.fields.items() if number in (11, 41)}
            answer[39] = self._rows.responses.to_host(response_code, kind)
            return self._codec.write(self._profile.messages[kind].answer, answer).raw
        except DialectError:
            return None

    # --- bytes and data elements ---

    def _repeated(self, kind: MessageKind, fields: _Fields) -> _Fields:
        """Return what an answer must repeat of its request."""
        asked = self._profile.messages[kind].request_fields
        return {number: fields[number] for number in self._repeating & fields.keys() if number in asked}

    def _row(self, request: AuthorizationRequest) -> MessageRow:
        return self._profile.messages[self._profile.kind(request.step, request.transaction)]

    def _write(self, mti: str, fields: _Fields, step: Step, seal: Seal | None, *, answer: bool) -> bytes:
        settings = self._rows.mac
        if settings is None or not self.is_sealed(step):
            return self._codec.write(mti, fields).raw
        if seal is None:
            raise DialectError("a MAC is needed, and there is nothing to make it with")
        return seal_message(self._codec, mti, fields, settings, seal=seal, answer=answer)

    def _sealed(self, parts: Parts, step: Step, *, answer: bool) -> Sealed | None:
        settings = self._rows.mac
        if settings is None or not self.is_sealed(step):
            return None
        return sealed_in(self._codec, parts, settings, answer=answer)

    def _read(self, data: bytes) -> Parts:
        """Return a message, those elements that are looked into checked."""
        parts = self._codec.read(data)
        for number in self._checked & parts.fields.keys():
            self._codec.check(number, parts.fields[number])
        return parts

    # --- payment words to data elements ---

    def _request_values(self, request: AuthorizationRequest) -> dict[int, str]:
        places = self._rows.places
        values = {
            3: self._profile.processing[request.transaction],
            7: month_to_second(request.sent_at),
            11: stan_text(request.stan),
            24: self._element_24(request.step, request.transaction),
            25: self._profile.condition,
            41: request.terminal_id.ljust(8),
            42: request.merchant_id.ljust(15),
            **self._clock_values(request.sent_at),
        }
        if request.step is not Step.NETWORK:
            values[4] = f"{request.amount:012d}"
        if request.batch:
            values[places.batch] = f"{request.batch:06d}"
        if request.follows:
            values[places.follows] = request.follows
        if request.totals is not None:
            values |= totals_values(request.totals)
        if request.currency is not None:
            values[49] = request.currency
        if request.card is not None:
            values |= self._card_values(request.card)
        if request.original is not None:
            values |= self._original_values(request, request.original)
        values |= self._secret_values(request)
        if request.step in _KEPT_BY_TERMINALS:
            for number in {_TRACK_2, *self._pin_fields}:
                values.pop(number, None)
        return values

    def _element_24(self, step: Step, transaction: Transaction) -> str:
        if self._rows.element_24 is Element24.NII:
            return self._profile.nii
        return self._rows.function_codes[step if step in _KEPT_BY_TERMINALS else transaction]

    def _clock_values(self, moment: datetime) -> dict[int, str]:
        whole = self._rows.packing.time is TimeForm.DATE_AND_TIME
        return {12: moment.strftime("%y%m%d%H%M%S" if whole else "%H%M%S"), 13: moment.strftime("%m%d")}

    def _secret_values(self, request: AuthorizationRequest) -> dict[int, str]:
        values = {}
        if request.pin_block is not None:
            block = request.pin_block.reveal()
            short = len(block) <= _SHORT_BLOCK
            values[PIN_BLOCK if short else self._rows.pin_field] = block.hex().upper()
        if request.icc is not None:
            values[_CHIP_DATA] = request.icc.reveal().hex().upper()
        if request.ksn and self._rows.ksn_field:  # where there is none, it is left from another scheme
            values[self._rows.ksn_field] = request.ksn.hex().upper()
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

    def _original_values(self, request: AuthorizationRequest, original: Original) -> dict[int, str]:
        values = {}
        if original.stan is not None and original.sent_at is not None:
            kept = request.step in _KEPT_BY_TERMINALS
            named = original.transaction or (request.transaction if kept else None)
            start = self._type_of(named) + stan_text(original.stan)
            values[90] = f"{start}{month_to_second(original.sent_at)}{'0' * 22}"
            if request.step is Step.UPLOAD:
                values[self._rows.places.told] = start
        if original.rrn:
            values[37] = original.rrn.ljust(12)
        if original.authorization_code:
            values[38] = original.authorization_code.ljust(6)
        return values

    def _type_of(self, transaction: Transaction | None) -> str:
        if transaction is None:
            return _NO_TYPE
        return self._profile.messages[self._profile.carried_by[transaction]].request

    def _answer_values(self, request: AuthorizationRequest, answer: AuthorizationAnswer) -> dict[int, str]:
        values = self._request_values(request)
        for number in _BANKS_OWN:  # not what the terminal wrote there
            values.pop(number, None)
        kind = self._profile.kind(request.step, request.transaction)
        code = self._rows.responses.to_host(answer.response_code, kind)
        values |= {11: stan_text(answer.stan), 39: code}
        if answer.answered_at is not None:
            values |= self._clock_values(answer.answered_at)
        if answer.rrn:
            values[37] = answer.rrn.ljust(12)
        if answer.authorization_code:
            values[38] = answer.authorization_code.ljust(6)
        if answer.totals is not None:
            values |= totals_values(answer.totals)
        if answer.amount is not None:
            values[4] = f"{answer.amount:012d}"
        if answer.keys:
            values[self._rows.places.keys] = keys_text(answer.keys)
        if answer.icc is not None:
            values[_CHIP_DATA] = answer.icc.reveal().hex().upper()
        if answer.balance is not None:
            values[54] = balance_value(answer.balance, request.currency or RUB)
        return values

    # --- data elements to payment words ---

    def _transaction(self, kind: MessageKind, code: str, fields: _Fields) -> Transaction:
        """Return what a message asks for. Type and DE3 tell, and whether it names an original; of a reversal
        and an upload it is the type in DE90, and DE61 names what the operation followed.
        """
        refers = names_original(fields)
        if kind.step in _KEPT_BY_TERMINALS:
            kind = known(self._requests, need(fields, 90)[:4], "DE90")
            refers = self._rows.places.follows in fields
            if kind.step is not Step.FINANCIAL:
                raise DialectError("DE90: what it names asks nothing of an account")
        profile = self._profile
        found = [
            transaction
            for transaction, carrier in profile.carried_by.items()
            if carrier is kind and profile.processing[transaction] == code
        ]
        if not found:
            raise DialectError("DE3 is not one of this dialect")
        return next((one for one in found if always_follows(one) is refers), found[0])

    def _card(self, fields: _Fields, *, needed: bool) -> CardData | None:
        card = card_of(fields, self._entry_modes, pin_incapable=self._profile.pin_incapable)
        if card is None and needed:
            raise DialectError("DE2: is missing")
        return card


_READ = TOTALS_FIELDS | {2, 3, 4, 7, 11, 12, 13, 14, 22, 23, 35, 37, 38, 39, 41, 42, 49, 55, 90}
"""The elements that are looked into; only these are checked, so a bank's own ones may hold what they like."""
