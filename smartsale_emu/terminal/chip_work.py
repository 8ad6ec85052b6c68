"""The chip at work: it signs what the bank is asked, and it is told what the bank answered.

A card that was inserted makes two cryptograms (EMV Book 3, 9): one for the bank, and one when its answer is
known, for which it checks that its issuer wrote it. A card that was tapped has gone by then: it makes only
the first, and nobody checks the issuer's word.
"""

from dataclasses import replace

from smartsale_emu.payment.ber_tlv import BerTlvError
from smartsale_emu.payment.chip import Cryptogram
from smartsale_emu.payment.chip_data import CryptogramKind, card_code
from smartsale_emu.payment.chip_shelf import next_atc
from smartsale_emu.payment.field55 import field55, read_answer, reversal_field55
from smartsale_emu.payment.response_codes import approves, moves_money
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.terminal.chip_reading import Reading, terminal_data, words
from smartsale_emu.terminal.effects import SelectAgain
from smartsale_emu.terminal.work import Work

_REFUSED = "05"
_NO_ANSWER = "Z3"  # unable to go online, declined (EMV Book 4, annex A.6)

UNREADABLE = b""
"""Stands for a field 55 that cannot be read: no chip takes it for its issuer's word."""


def ask_chip(work: Work) -> SecretBytes | None:
    """Return field 55 of the request that is being made, None without a chip.

    Asked again (the PIN was wrong), the card is selected once more and signs anew: a cryptogram is good once.
    One that was tapped is taken as tapped again, although nobody asks for it.
    """
    reading = work.chip
    if reading is None:
        return None
    reading = _signed(work, reading if reading.first is None else _selected_again(work, reading))
    if reading.first is None or reading.data is None:
        raise AssertionError("the chip has signed nothing")
    return SecretBytes(field55(reading.chip, reading.first, reading.data))


def _signed(work: Work, reading: Reading) -> Reading:
    data = terminal_data(
        reading,
        work.good_request,
        work.profile,
        on=work.date.date(),
        unpredictable=work.safe.unpredictable_number(),
        stan=work.memory.stan,
    )
    first = reading.chip.first_generate(data, reading.wants)
    work.chip = reading = replace(reading, data=data, first=first, second=None)
    work.note(
        "decision",
        f"the chip answers {first.cid.name}",
        atc=first.atc,
        tvr=words(reading.tvr),
        cvm=reading.cvm.outcome.value,
    )
    return reading


def _selected_again(work: Work, reading: Reading) -> Reading:
    chip = replace(reading.chip, atc=next_atc(reading.chip.atc))
    if work.card is not None:
        work.card = replace(work.card, chip=chip)
        work.ask(SelectAgain(work.card))
    return replace(reading, chip=chip)


def tell_chip(work: Work) -> None:
    """Tell the chip what the bank answered, or that the customer has cancelled: the second cryptogram."""
    answer = work.bank_said
    code = _REFUSED if work.withdrawn else _code(answer.response_code)
    second = _second(work, code, _issuer_authentication(answer.icc))
    if second is not None and not work.withdrawn and chip_refuses(work):
        failed = second.issuer_authentication_failed
        work.because = "the card refused the approval" + (": its issuer did not write it" if failed else "")


def tell_chip_of_silence(work: Work) -> None:
    """Tell the chip that the bank was not reached, or gave no usable answer: it makes the AAC."""
    if work.chip is not None and work.chip.second is None:
        _second(work, _NO_ANSWER, None)


def _second(work: Work, code: str, issuer_authentication: bytes | None) -> Cryptogram | None:
    reading = work.chip
    if reading is None or reading.tapped or reading.first is None or reading.data is None:
        return None
    second = reading.chip.second_generate(
        reading.first, code=code, issuer_authentication=issuer_authentication, data=reading.data
    )
    work.chip = replace(reading, second=second)
    if work.memory.pending is not None:
        asked = replace(work.memory.pending.request, icc=reversal_icc(work))
        work.memory = replace(work.memory, pending=replace(work.memory.pending, request=asked))
    work.note(
        "decision",
        f"the chip answers {second.cid.name}",
        tvr=words(second.tvr),
        tsi=", ".join(work.chip.tsi.words()),
    )
    return second


def reversal_icc(work: Work) -> str:
    """Return DE55 that a reversal would carry, hexadecimal, of the last cryptogram; empty without one."""
    reading = work.chip
    made = (reading.second or reading.first) if reading else None
    if reading is None or made is None or reading.data is None:
        return ""
    return reversal_field55(reading.chip, made, reading.data).hex().upper()


def chip_refuses(work: Work) -> bool:
    """Tell whether the bank has approved and the card has not."""
    second = work.chip.second if work.chip else None
    approved = work.bank is not None and approves(work.bank.response_code)
    return approved and second is not None and second.cid is not CryptogramKind.TC


def _code(response_code: str) -> str:
    """Return the code that the card is told: an approval that is of no use here is a refusal to it."""
    useless = moves_money(response_code) and not approves(response_code)
    return _REFUSED if useless else card_code(response_code)


def _issuer_authentication(icc: SecretBytes | None) -> bytes | None:
    if icc is None:
        return None
    try:
        return read_answer(icc.reveal()).authentication
    except BerTlvError:
        return UNREADABLE
