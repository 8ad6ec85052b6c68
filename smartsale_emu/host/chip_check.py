"""What the bank makes of a chip payment: field 55 (DE55) of a request is compared, proved, and answered.

In this order, and the first that objects decides:

* field 55 can be read, and says the amount, currency and date of the message (the date may be a day earlier:
  a card that was read before midnight);
* the cryptogram (9F26) is this card's, over these data (EMV Book 2, 8.1);
* the card's counter (9F36) is above the last one, and after 65535 begins again: a cryptogram is good once;
* where the cardholder gave a PIN to be checked here, the PIN came along.

A card whose PIN is always needed may go without one if its cryptogram is proved: card and terminal have then
agreed on how to verify the cardholder. Not so where they say that this has failed.

A cryptogram that is proved counts, whatever becomes of the request: the counter is kept, and the answer bears
the issuer's own cryptogram (91) and code (8A). One that is not leaves no trace on the account, takes no PIN
try, and is answered without field 55. The key is that of the rulebook's issuer, else the one whose ``bins``
say most of the card number; without any the request is decided as if it had no field 55, and the reason says
so. Contactless cards are gone when the answer comes: they are given 8A alone.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from smartsale_emu.errors import KeySlotError
from smartsale_emu.host.chip_rows import ChipRows, Scrutiny
from smartsale_emu.host.ledger import AccountState
from smartsale_emu.host.rulebook import Issuer, Rulebook
from smartsale_emu.host.rules import NOT_HONOURED, Objection
from smartsale_emu.payment.authorization import AuthorizationRequest
from smartsale_emu.payment.ber_tlv import BerTlvError, DataObjects
from smartsale_emu.payment.card import EntryMode, TestCard
from smartsale_emu.payment.chip_data import card_code
from smartsale_emu.payment.chip_issuer import cryptogram_problem, make_arpc
from smartsale_emu.payment.chip_shelf import ATC_LAST
from smartsale_emu.payment.cvm import CvmMethod
from smartsale_emu.payment.field55 import IssuerAnswer, answer_field55, read_field55
from smartsale_emu.payment.verification import Tvr
from smartsale_emu.security.cryptogram import CryptogramError
from smartsale_emu.security.keys import KeyRing, KeyUsage
from smartsale_emu.security.masking import SecretBytes

_METHOD, _FAILED = 0x3F, 1


@dataclass(frozen=True, slots=True)
class Proof:
    """A cryptogram that is the card's own, and what its issuer needs to answer it."""

    key: SecretBytes
    data: DataObjects = field(repr=False)
    pan: str = field(repr=False)
    sequence: str
    contactless: bool

    @property
    def counter(self) -> int:
        """The card's transaction counter (ATC), 0 to 65535."""
        return int.from_bytes(self.data.get("9F36") or b"", "big")

    @property
    def holder_failed(self) -> bool:
        """Whether the terminal says that the cardholder's verification has failed: in 95, or in 9F34."""
        found = Tvr.parse(self.data.get("95") or bytes(5))
        return bool(found & Tvr.CVM_FAILED) or (self.data.get("9F34") or bytes(3))[2] == _FAILED

    def answer(self, code: str) -> SecretBytes:
        """Return field 55 of the answer; ``code``: the bank's, two characters."""
        told = IssuerAnswer(None if self.contactless else self._arpc(code), code=card_code(code))
        return SecretBytes(answer_field55(told))

    def _arpc(self, code: str) -> bytes:
        return make_arpc(self.key, self.data, pan=self.pan, sequence=self.sequence, response_code=code)


@dataclass(frozen=True, slots=True)
class ChipFinding:
    """What came of field 55. ``proof``: None when nothing was proved. ``note``: to be added to the reason."""

    objection: Objection | None = None
    proof: Proof | None = None
    note: str = ""


NOTHING_FOUND = ChipFinding()
"""No field 55, and nothing to say about that."""


class ChipDesk:
    """Where the bank looks at chip payments. ``pin_missing``: the answer when a PIN did not come.

    Raises:
        KeySlotError: a key that an issuer of the rulebook names is missing, or is no issuer's; or an issuer
            key does not match its check value.
    """

    def __init__(self, keys: KeyRing, rulebook: Rulebook, rows: ChipRows, *, pin_missing: str) -> None:
        self._keys, self._rulebook, self._rows, self._pin_missing = keys, rulebook, rows, pin_missing
        if rows.arqc is not Scrutiny.CHECK:
            return
        keys.open_issuers()
        for issuer in rulebook.issuers:
            if issuer.key:
                _require_key(keys, issuer)

    def look(self, request: AuthorizationRequest, holder: TestCard, account: AccountState) -> ChipFinding:
        """Look at field 55 of a request, or at its absence."""
        if request.icc is None:
            return self._without(request, holder)
        if self._rows.arqc is Scrutiny.IGNORE:
            return ChipFinding(note="field 55 is not looked at")
        try:
            data = read_field55(request.icc.reveal())
        except BerTlvError as error:
            return _against(holder, str(error))
        key = self._key(holder)
        if key is None:
            return ChipFinding(note="the cryptogram is not checked: there is no key of its issuer")
        proof = _differs(request, data) or _proof(request, holder, data, key)
        return _against(holder, proof) if isinstance(proof, str) else self._proved(proof, request, account)

    def _without(self, request: AuthorizationRequest, holder: TestCard) -> ChipFinding:
        swiped = request.card is not None and request.card.entry_mode is EntryMode.MAGSTRIPE
        if swiped and holder.card.says_chip and not self._rows.chip_by_stripe:
            return _against(holder, "its stripe was read, and it has a chip")
        return NOTHING_FOUND

    def _key(self, holder: TestCard) -> SecretBytes | None:
        issuer = self._rulebook.issuer_of(holder.card.pan)
        if issuer is not None and issuer.key:
            return self._keys.get(issuer.key, KeyUsage.ISSUER).value
        slot = self._keys.issuer_of(holder.card.pan)
        return slot.value if slot is not None else None

    def _proved(self, proof: Proof, request: AuthorizationRequest, account: AccountState) -> ChipFinding:
        """Look further at a cryptogram that is the card's own."""
        name, last = account.name, account.counter
        if self._rows.counter is Scrutiny.CHECK and not _rises(last, proof.counter):
            because = f"{name}: the card's counter (9F36) says {proof.counter}, it was {last} before"
            return ChipFinding(Objection(NOT_HONOURED, f"{because}: was it copied, or its count lost?"))
        if request.pin_block is None and _pin_was_given(proof.data):
            because = f"{name}: field 55 tells of a PIN to be checked here, and none was sent"
            return ChipFinding(Objection(self._pin_missing, because), proof)
        return ChipFinding(proof=proof)


def _require_key(keys: KeyRing, issuer: Issuer) -> None:
    try:
        keys.get(issuer.key, KeyUsage.ISSUER)
    except KeySlotError as error:
        raise KeySlotError(f"{issuer.place}: key: {error}") from None


def _rises(last: int | None, counter: int) -> bool:
    """Tell whether a counter comes after the last one, None for a card that was never seen.

    >>> _rises(None, 0), _rises(5, 6), _rises(5, 5), _rises(65535, 1), _rises(65535, 65535)
    (True, True, False, True, False)
    """
    return last is None or counter > last or (last == ATC_LAST and 0 < counter < last)


def _against(holder: TestCard, because: str) -> ChipFinding:
    return ChipFinding(Objection(NOT_HONOURED, f"{holder.card.name}: {because}"))


def _differs(request: AuthorizationRequest, data: DataObjects) -> str:
    """Return which object says something else than the message."""
    if data.get("9F02") != bytes.fromhex(f"{request.amount:012}"):
        return "field 55: 9F02 is not the amount (DE4)"
    if request.currency is not None and data.get("5F2A") != bytes.fromhex(f"0{request.currency}"):
        return "field 55: 5F2A is not the currency (DE49)"
    days = (request.sent_at, request.sent_at - timedelta(days=1))
    if data.get("9A") not in [bytes.fromhex(f"{day:%y%m%d}") for day in days]:
        return "field 55: 9A is not the date (DE13)"
    return ""


def _proof(
    request: AuthorizationRequest, holder: TestCard, data: DataObjects, key: SecretBytes
) -> Proof | str:
    """Return the proof that the card made the cryptogram, or what is wrong with it."""
    card, pan = request.card, holder.card.pan
    sent = card.sequence if card is not None else ""
    sequence = sent or (data.get("5F34") or b"").hex() or holder.card.sequence
    try:
        problem = cryptogram_problem(key, data, pan=pan, sequence=sequence)
    except CryptogramError as error:
        problem = str(error)
    contactless = card is not None and card.entry_mode is EntryMode.CONTACTLESS
    return problem or Proof(key, data, pan, sequence, contactless)


def _pin_was_given(data: DataObjects) -> bool:
    """Tell whether the terminal says that the cardholder gave a PIN for the issuer: in 95, or in 9F34."""
    if Tvr.parse(data.get("95") or bytes(5)) & Tvr.ONLINE_PIN_ENTERED:
        return True
    result = data.get("9F34") or bytes(3)
    return result[0] & _METHOD == CvmMethod.ONLINE_PIN and result[2] != _FAILED
