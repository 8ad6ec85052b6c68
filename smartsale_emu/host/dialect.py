"""ISO 8583 messages to and from payment requests and answers, under a bank profile. Both ends use it.

A data element is written when the profile lists it for the message and there is a value for it. DE7, 12 and
13 carry the sender's local time. DE62 is the batch, six digits, DE61 the RRN of what an undone or uploaded
operation followed. An original is named by DE37, DE38 and, where its STAN and time are known, by DE90, which
is laid out as in ISO 8583:1987: type, STAN, date and time of the original, acquirer and forwarder filled with
zeros; a type that is not known is ``0000``.

What the wire leaves out does not come back: the count of a repeat (it reads as 1), what an original was
unless it is undone or uploaded, and track and PIN block of a message that no terminal may keep them for. A
pre-authorization and its raise may share type and code: DE37 tells them apart, in their reversals DE61.
"""

from collections.abc import Callable, Mapping
from datetime import date

from smartsale_emu.errors import DialectError
from smartsale_emu.host.amounts import TOTALS_FIELDS, balance_of, balance_value, totals_of, totals_values
from smartsale_emu.host.dates import month_to_second
from smartsale_emu.host.fields import FieldSpec, ascii_spec, well_formed
from smartsale_emu.host.profile import BankProfile, FieldTable, MessageKind, MessageRow
from smartsale_emu.host.reading import (
    answered_at,
    batch_of,
    claimed_totals,
    follows_of,
    known,
    names_original,
    need,
    original_of,
    response_code,
    sent_at,
    stan_of,
    stan_text,
)
from smartsale_emu.host.rules import always_follows
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    CardData,
    Original,
    Step,
    Transaction,
)
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.units import RUB, CurrencyCode, MinorUnits

_NO_TYPE = "0000"
_Fields = Mapping[int, str]

_TABLES: Mapping[FieldTable, Callable[[], FieldSpec]] = {FieldTable.ASCII: ascii_spec}
_SENSITIVE = (35, 52)
_KEPT_BY_TERMINALS = (Step.REVERSAL, Step.UPLOAD)
"""Messages made from what the terminal remembers: no track, no PIN, and all about one earlier operation."""


class Dialect:
    """The ISO 8583 of one bank.

    Errors are :class:`DialectError` throughout and name a data element at most, never a value.
    """

    def __init__(self, profile: BankProfile) -> None:
        self._profile = profile
        self._spec = _TABLES[profile.field_table]()
        self._first = frozenset(row.request for row in profile.messages.values())
        self._requests = {
            mti: kind for kind, row in profile.messages.items() for mti in (row.request, row.repeat)
        }
        self._answers = {row.answer: kind for kind, row in profile.messages.items()}
        self._entry_modes = {code: mode for mode, code in profile.entry_modes.items()}

    # --- the terminal's end ---

    def encode_request(self, request: AuthorizationRequest) -> bytes:
        """Return a request as a message.

        Raises:
            DialectError: a value does not fit its data element.
        """
        row = self._row(request)
        values = self._request_values(request)
        mti = row.repeat if request.attempt else row.request
        return self._write(mti, {number: values[number] for number in row.request_fields if number in values})

    def decode_answer(self, data: bytes, today: date) -> AuthorizationAnswer:
        """Read an answer; the years of its dates are those nearest to ``today``.

        Raises:
            DialectError: it is not an answer of this dialect.
        """
        mti, fields = self._read(data)
        return AuthorizationAnswer(
            step=known(self._answers, mti, "the type of an answer").step,
            stan=stan_of(fields),
            response_code=response_code(fields),
            rrn=fields.get(37, "").strip(),
            authorization_code=fields.get(38, "").strip(),
            answered_at=answered_at(fields, today),
            terminal_id=fields.get(41, "").rstrip(),
            totals=totals_of(fields),
            balance=balance_of(fields.get(54, "")),
            amount=MinorUnits(int(fields[4])) if 4 in fields else None,
            currency=CurrencyCode(fields[49]) if 49 in fields else None,
        )

    # --- the bank's end ---

    def decode_request(self, data: bytes, today: date) -> AuthorizationRequest:
        """Read a request; the years of its dates are those nearest to ``today``.

        Raises:
            DialectError: it is not a request of this dialect, or lacks what its kind must have.
        """
        mti, fields = self._read(data)
        kind = known(self._requests, mti, "the type of a request")
        step, code, block = kind.step, need(fields, 3), fields.get(52)
        transaction = self._transaction(kind, code, fields)
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
            pin_block=None if block is None else SecretBytes(bytes.fromhex(block)),
            original=original_of(fields, transaction if step in _KEPT_BY_TERMINALS else None, today),
            attempt=0 if mti in self._first else 1,
            batch=batch_of(fields),
            totals=claimed_totals(fields) if step is Step.RECONCILIATION else None,
            follows=follows_of(fields),
        )

    def encode_answer(self, request: AuthorizationRequest, answer: AuthorizationAnswer) -> bytes:
        """Return the answer to a request as a message; what an answer repeats is taken from the request.

        Raises:
            DialectError: a value does not fit its data element.
        """
        row = self._row(request)
        values = self._answer_values(request, answer)
        return self._write(
            row.answer, {number: values[number] for number in row.answer_fields if number in values}
        )

    def refusal(self, data: bytes, response_code: str) -> bytes | None:
        """Return the shortest answer to a request that makes no sense: its STAN, its terminal and a code.

        None when not even its type and STAN can be read, or when it is no request at all.
        """
        try:
            mti, fields = self._parse(data)
            kind = known(self._requests, mti, "the type of a request")
            answer = {number: fields[number] for number in (11, 41) if number in fields} | {39: response_code}
            return self._write(self._profile.messages[kind].answer, answer) if 11 in fields else None
        except DialectError:
            return None

    # --- bytes and data elements ---

    def _row(self, request: AuthorizationRequest) -> MessageRow:
        return self._profile.messages[self._profile.kind(request.step, request.transaction)]

    def _write(self, mti: str, fields: _Fields) -> bytes:
        import iso8583

        for number, value in fields.items():
            if not well_formed(number, value):
                raise DialectError(f"DE{number}: the value does not fit")
        document = {"t": mti} | {str(number): value for number, value in fields.items()}
        raw, _ = iso8583.encode(document, self._spec)
        return bytes(raw)

    def _read(self, data: bytes) -> tuple[str, dict[int, str]]:
        """Return type and elements of a message, those that are looked into checked."""
        mti, fields = self._parse(data)
        for number in _READ & fields.keys():
            if not well_formed(number, fields[number]):
                raise DialectError(f"DE{number}: the value is malformed")
        return mti, fields

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
            11: stan_text(request.stan),
            12: request.sent_at.strftime("%H%M%S"),
            13: request.sent_at.strftime("%m%d"),
            24: self._profile.nii,
            25: self._profile.condition,
            41: request.terminal_id.ljust(8),
            42: request.merchant_id.ljust(15),
        }
        if request.step is not Step.NETWORK:
            values[4] = f"{request.amount:012d}"
        if request.batch:
            values[62] = f"{request.batch:06d}"
        if request.follows:
            values[61] = request.follows
        if request.totals is not None:
            values |= totals_values(request.totals)
        if request.currency is not None:
            values[49] = request.currency
        if request.card is not None:
            values |= self._card_values(request.card)
        if request.pin_block is not None:
            values[52] = request.pin_block.reveal().hex().upper()
        if request.original is not None:
            values |= self._original_values(request, request.original)
        if request.step in _KEPT_BY_TERMINALS:
            for number in _SENSITIVE:
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

    def _original_values(self, request: AuthorizationRequest, original: Original) -> dict[int, str]:
        values = {}
        if original.stan is not None and original.sent_at is not None:
            kept = request.step in _KEPT_BY_TERMINALS
            named = original.transaction or (request.transaction if kept else None)
            start = self._type_of(named) + stan_text(original.stan)
            values[90] = f"{start}{month_to_second(original.sent_at)}{'0' * 22}"
            if request.step is Step.UPLOAD:
                values[60] = start
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
        for number in {12, 13, 37, 38} | TOTALS_FIELDS:  # the bank's own, not what the terminal wrote there
            values.pop(number, None)
        values |= {11: stan_text(answer.stan), 39: answer.response_code}
        if answer.answered_at is not None:
            values[12] = answer.answered_at.strftime("%H%M%S")
            values[13] = answer.answered_at.strftime("%m%d")
        if answer.rrn:
            values[37] = answer.rrn.ljust(12)
        if answer.authorization_code:
            values[38] = answer.authorization_code.ljust(6)
        if answer.totals is not None:
            values |= totals_values(answer.totals)
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
            refers = 61 in fields
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
        track2 = fields.get(35)
        pan, expiry = fields.get(2, ""), fields.get(14, "")
        if track2 is not None:
            track_pan, _, rest = track2.replace("D", "=").partition("=")
            pan, expiry = pan or track_pan, expiry or rest[:4]
        if not pan:
            if needed:
                raise DialectError("DE2: is missing")
            return None
        entry = need(fields, 22)
        return CardData(
            pan=pan,
            expiry=expiry,
            entry_mode=known(self._entry_modes, entry[:2], "DE22"),
            track2=None if track2 is None else Secret(track2),
            sequence=fields[23].removeprefix("0") if 23 in fields else "",
            pin_capable=entry[2] != self._profile.pin_incapable,
        )


_READ = TOTALS_FIELDS | {2, 3, 4, 7, 11, 12, 13, 14, 22, 23, 35, 37, 38, 39, 41, 42, 49, 52, 90}
"""The elements that are looked into; only these are checked, so a bank's own ones may hold what they like."""
