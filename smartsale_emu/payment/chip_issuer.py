"""The issuer's side of a chip payment: is this cryptogram of our card, and what do we answer to it.

Pure functions over field 55 as it was read (``read_field55``); the issuer has only its master key, the card
number and the PAN sequence number (EMV Book 2, 8.1 and 8.2).
"""

import hmac

from smartsale_emu.payment.ber_tlv import DataObjects
from smartsale_emu.payment.chip_data import (
    CRYPTOGRAM_TAGS,
    ApplicationData,
    CryptogramKind,
    Cvn,
    card_code,
    code_approves,
    cryptogram_key,
    make_cryptogram,
)
from smartsale_emu.payment.emv_tags import TAGS
from smartsale_emu.security.cryptogram import arpc_method_1, arpc_method_2, icc_master_key
from smartsale_emu.security.masking import SecretBytes

APPROVED_STATUS, REFUSED_STATUS = bytes.fromhex("00820000"), bytes(4)
"""Card status update: the issuer approves and the card's counters start anew; or neither."""

_KIND_BITS = 0xC0


def cryptogram_problem(
    issuer_key: SecretBytes,
    field55: DataObjects,
    *,
    pan: str,
    sequence: str,
    kind: CryptogramKind = CryptogramKind.ARQC,
) -> str:
    """Return what is wrong with the cryptogram, or nothing: one clear phrase with tags, never with values.

    ``kind``: what 9F27 must say it is. ``sequence``: two digits or empty; a 5F34 must say the same.

    Raises:
        CryptogramError: there is no such card number or sequence number, or the key has not 16 bytes.
    """
    icc_key = icc_master_key(issuer_key, pan, sequence)
    wanted = (*CRYPTOGRAM_TAGS, "9F26", "9F27")
    values = {tag: value for tag in wanted if (value := field55.get(tag)) is not None}
    missing = [tag for tag in wanted if tag not in values]
    if missing:
        return f"field 55 has no {', '.join(missing)}"
    wrong = [tag for tag, value in values.items() if not TAGS[tag].least <= len(value) <= TAGS[tag].most]
    if wrong:
        return f"field 55: {', '.join(wrong)}: wrong length"
    if values["9F27"][0] & _KIND_BITS != kind:
        return f"9F27 is not that of an {kind.name}"
    if field55.get("5F34") not in (None, bytes.fromhex(sequence or "00")):
        return "5F34 is of another card"
    try:
        expected = make_cryptogram(icc_key, values)
    except ValueError as error:
        return f"9F10: {error}"
    return "" if hmac.compare_digest(expected, values["9F26"]) else "the cryptogram (9F26) is wrong"


def make_arpc(
    issuer_key: SecretBytes, field55: DataObjects, *, pan: str, sequence: str, response_code: str
) -> bytes:
    """Return tag 91 of the answer: 10 bytes for CVN 10 (answer and code), 8 for CVN 18 (answer and status).

    ``response_code``: as the bank answers it, two or three characters. Give it only what
    ``cryptogram_problem`` found good.

    Raises:
        CryptogramError: there is no such card number or sequence number, or the key has not 16 bytes.
        ValueError: field 55 lacks 9F26, 9F36 or 9F10, or the 9F10 is of another form.
    """
    arqc, atc, told = field55.get("9F26"), field55.get("9F36"), field55.get("9F10")
    if arqc is None or atc is None or told is None:
        raise ValueError("an answer to the card needs 9F26, 9F36 and 9F10 of the request")
    cvn, code = ApplicationData(told).cvn, card_code(response_code)
    icc_key = icc_master_key(issuer_key, pan, sequence)
    key = cryptogram_key(cvn, icc_key, int.from_bytes(atc, "big"))
    if cvn is Cvn.CVN10:
        return arpc_method_1(key, arqc, code.encode("ascii", "replace")) + code.encode("ascii", "replace")
    status = APPROVED_STATUS if code_approves(code) else REFUSED_STATUS
    return arpc_method_2(key, arqc, status) + status
