"""The door of the bank: whose MAC is right, which keys a pinpad uses, and what it is told if none fit."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import count

import bank_kit as kit
import profile_kit
import pytest

from smartsale_emu.host.bank import Bank
from smartsale_emu.host.guard import Guard
from smartsale_emu.host.ledger import Changes, KeyOffer, Ledger, MemoryLedger
from smartsale_emu.host.session import BankSession
from smartsale_emu.payment.authorization import Transaction
from smartsale_emu.security.bank_safe import MOST_OFFERS, BankSafe
from smartsale_emu.security.keys import KeyRing, check_value
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.security.pin_block import PinFormat, encrypt_pin_block
from smartsale_emu.security.protection import NOTHING_HELD, KeysHeld
from smartsale_emu.security.safe import TerminalSafe

SEALED = ["nac-bcd", "tbank-style", "dukpt-tdes", "dukpt-aes"]
SESSION = ["generic-ascii", "nac-bcd", "tbank-style"]
TERMINAL = "00060056"
KEY_CHANGE = replace(kit.echo(), transaction=Transaction.KEY_CHANGE)


def offered(line: profile_kit.Line, number: int = 1) -> KeysHeld:
    """A key change that the pinpad takes."""
    answer = line.send(line.message(replace(KEY_CHANGE, stan=number)))
    assert answer.response_code == "00"
    return line.safe.accepted(answer.keys, line.held)


def no_key_twice() -> Callable[[int], bytes]:
    """Entropy whose keys differ by more than their parity."""
    drawn = count(1)
    return lambda size: sha256(next(drawn).to_bytes(4)).digest()[:size]


def with_keys(line: profile_kit.Line, keys: KeyRing) -> None:
    """Both ends start again with other key files, the pinpad with its memory, the bank with its ledger."""
    line.bank = Bank(line.profile, kit.CARDS.values(), line.ledger, keys, entropy=no_key_twice())
    line.session = BankSession(line.bank, line.dialect, line.bank.guard(line.dialect))
    line.safe = TerminalSafe(keys, profile_kit.entropy(8000), line.profile.protection)


def because(line: profile_kit.Line) -> str:
    assert line.exchange is not None
    return line.exchange.because


@pytest.mark.parametrize("name", SEALED)
def test_a_message_with_its_mac_is_let_in_and_answered_under_the_same_keys(name: str) -> None:
    line = profile_kit.Line(profile_kit.load(name))
    assert line.ask(kit.sale(1, 100), pin="1234") == "00"
    assert line.ask(kit.reversal(kit.sale(1, 100))) == "00"


@pytest.mark.parametrize("name", SEALED)
def test_a_wrong_mac_is_refused_before_anything_is_looked_at(name: str) -> None:
    line = profile_kit.Line(profile_kit.load(name))
    message = bytearray(line.message(kit.sale(1, 100), pin="1234"))
    message[-1] ^= 1
    assert line.send(bytes(message)).response_code == "A0"
    assert because(line) == "the MAC is wrong: another key, or a changed message"
    assert line.ledger.operations() == ()
    assert kit.moved(line.bank) == 0


@pytest.mark.parametrize("name", SEALED)
def test_the_refusal_is_sealed_with_the_keys_of_the_pinpad(name: str) -> None:
    line = profile_kit.Line(profile_kit.load(name))
    message = bytearray(line.message(kit.sale(1, 100)))
    message[-8] ^= 0x80
    answer = line.send(bytes(message))
    assert answer.sealed is not None
    assert line.safe.mac_is_right(answer.sealed.covered.reveal(), answer.sealed.mac, line.held)


@pytest.mark.parametrize(
    ("name", "ksn"),
    [("dukpt-tdes", bytes(9)), ("dukpt-aes", bytes(11)), ("dukpt-tdes", b"\xff" * 10), ("dukpt-aes", b"")],
)
def test_a_serial_number_that_is_none_is_refused_without_a_mac(name: str, ksn: bytes) -> None:
    line = profile_kit.Line(profile_kit.load(name))
    request = replace(kit.sale(1, 100), ksn=ksn, pin_block=None)
    message = line.dialect.wire.frame(line.dialect.encode_request(request, lambda _: bytes(8)))
    answer = line.send(message)
    assert (answer.response_code, answer.sealed, answer.stan) == ("A0", None, 1)
    assert because(line) == "no key has this serial number"
    assert line.session.closed == "", "the next message may be better"
    assert line.ask(kit.sale(2, 100), pin="1234") == "00"


def test_messages_of_network_management_need_no_mac_where_they_have_none() -> None:
    line = profile_kit.Line(profile_kit.load("nac-bcd"))
    plain = line.dialect.wire.frame(line.dialect.encode_request(kit.echo()))
    assert line.send(plain).response_code == "00"


# --- which keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SESSION)
def test_until_the_pinpad_has_spoken_both_keys_are_right(name: str) -> None:
    line = profile_kit.Line(profile_kit.load(name))
    new = offered(line)
    assert line.ask(kit.sale(2, 100), pin="1234", held=NOTHING_HELD) == "00"
    assert line.ledger.offers(TERMINAL) == (new.session, ())
    assert line.ask(kit.sale(3, 100), pin="1234", held=new) == "00"
    assert line.ledger.offers(TERMINAL) == (new.session,)


@pytest.mark.parametrize("name", SESSION)
def test_once_the_new_keys_were_used_the_old_ones_are_refused(name: str) -> None:
    line = profile_kit.Line(profile_kit.load(name))
    new = offered(line)
    assert line.ask(kit.sale(2, 100), pin="1234", held=new) == "00"
    refused = line.send(line.message(kit.sale(3, 100), pin="1234", held=NOTHING_HELD))
    assert refused.response_code == ("81" if name == "generic-ascii" else "A0")
    assert kit.moved(line.bank) == -100


@pytest.mark.parametrize("name", SESSION)
def test_however_many_offers_were_lost_the_keys_in_use_are_right(name: str) -> None:
    line = profile_kit.Line(profile_kit.load(name))
    held = offered(line)
    assert line.ask(kit.sale(2, 100), pin="1234", held=held) == "00"
    for number in range(3, 40):
        offered(line, number)
        assert line.ask(kit.sale(1000 + number, 1), pin="1234", held=held) == "00"
    assert len(line.ledger.offers(TERMINAL)) <= MOST_OFFERS


def test_an_offer_in_the_middle_forgets_only_those_before_it() -> None:
    line = profile_kit.Line(profile_kit.load("nac-bcd"))
    first, second, third = offered(line, 1), offered(line, 2), offered(line, 3)
    assert line.ask(kit.sale(4, 100), held=second, pin="1234") == "00"
    assert line.ledger.offers(TERMINAL) == (third.session, second.session)
    assert line.ask(kit.sale(5, 100), held=third, pin="1234") == "00"
    assert line.send(line.message(kit.sale(6, 100), pin="1234", held=first)).response_code == "A0"


def test_the_keys_of_one_terminal_are_not_those_of_another() -> None:
    line = profile_kit.Line(profile_kit.load("nac-bcd"))
    new = offered(line)
    other = replace(kit.sale(2, 100), terminal_id="00060057")
    assert line.send(line.message(other, held=new, pin="1234")).response_code == "A0"
    assert line.ask(other, held=NOTHING_HELD, pin="1234") == "00"
    assert line.ledger.offers("00060057") == ((),)


def test_a_pin_block_that_fits_nothing_forgets_nothing() -> None:
    line = profile_kit.Line(profile_kit.load("generic-ascii"))
    new = offered(line)
    request = replace(kit.sale(2, 100), pin_block=SecretBytes(bytes(range(8))))
    line.send(line.dialect.wire.frame(line.dialect.encode_request(request)))
    assert line.ledger.offers(TERMINAL) == (new.session, ())
    assert line.ask(kit.sale(3, 100, pin="")) in ("55", "00"), "without a PIN nothing tells which key it has"
    assert line.ledger.offers(TERMINAL) == (new.session, ())


@pytest.mark.parametrize("name", SESSION)
def test_offers_under_another_master_key_are_passed_over(name: str) -> None:
    """Whoever replaces the master key at both ends goes on with the keys of the slots."""
    ledger: Ledger = MemoryLedger()
    line = profile_kit.Line(profile_kit.load(name), ledger)
    strange = tuple(replace(key, cryptogram="AB" * 16) for key in offered(line).session)
    ledger.commit(Changes(offer=KeyOffer(TERMINAL, strange)))
    assert line.ask(kit.sale(2, 100), pin="1234") == "00"


@pytest.mark.parametrize("name", SESSION)
def test_a_key_that_waits_to_be_used_is_not_pushed_out_by_key_changes_that_nobody_takes(name: str) -> None:
    """No key change asks for a MAC: whoever knows the terminal's number may ask for as many as he likes."""
    line = profile_kit.Line(profile_kit.load(name))
    with_keys(line, kit.KEYS)
    held = offered(line)
    seen = [offered(line, number).session for number in range(2, 30)]
    assert len(set(seen)) == MOST_OFFERS - 2, "the last of them again and again"
    assert seen[-1] == line.ledger.offers(TERMINAL)[0]
    assert because(line).startswith("the last key offered for pin, KCV ")
    assert line.ask(kit.sale(30, 100), pin="1234", held=held) == "00"
    taken = KeysHeld(seen[-1])
    assert line.ask(kit.sale(31, 100), pin="1234", held=taken) == "00"
    assert line.ledger.offers(TERMINAL) == (taken.session,)
    assert offered(line, 32).session not in seen, "there is room again"


# --- the master key is replaced at both ends ---------------------------------------------------------------


def keys_with_master(number: int) -> KeyRing:
    master = kit.KEYS.get("terminal-master")
    value = SecretBytes(bytes(range(number, number + 16)))
    new = replace(master, value=value, kcv=check_value(master.algorithm, value))
    return KeyRing([*(slot for slot in kit.KEYS.slots() if slot.name != master.name), new])


def used_offer(name: str) -> profile_kit.Line:
    line = profile_kit.Line(profile_kit.load(name))
    line.held = offered(line)
    assert line.ask(kit.sale(2, 100), pin="1234") == "00"
    assert line.ledger.offers(TERMINAL) == (line.held.session,)
    return line


@pytest.mark.parametrize("name", SESSION)
def test_pinpad_and_bank_go_back_to_the_keys_of_the_slots_together(name: str) -> None:
    line = used_offer(name)
    with_keys(line, keys_with_master(3))
    for stan in range(3, 6):
        assert line.ask(kit.sale(stan, 100), pin="1234") == "00"
        assert line.held == NOTHING_HELD
    assert line.ledger.offers(TERMINAL) == ((),), "seen in use, so those before are forgotten"


@pytest.mark.parametrize("name", SESSION)
@pytest.mark.parametrize("spoken", [False, True])
def test_a_first_key_change_under_a_new_master_key_may_be_lost(name: str, spoken: bool) -> None:
    line = used_offer(name)
    before = line.held
    with_keys(line, keys_with_master(3))
    if spoken:
        assert line.ask(kit.sale(3, 100), pin="1234") == "00"
    new = offered(line, 4)
    assert line.ledger.offers(TERMINAL) == (new.session, (), before.session)
    assert line.ask(kit.sale(5, 100), pin="1234", held=NOTHING_HELD) == "00"
    assert line.ledger.offers(TERMINAL) == (new.session, ())
    assert line.ask(kit.sale(6, 100), pin="1234", held=new) == "00"
    assert line.ledger.offers(TERMINAL) == (new.session,)
    refused = line.send(line.message(kit.sale(7, 100), pin="1234", held=NOTHING_HELD))
    assert refused.response_code == ("81" if name == "generic-ascii" else "A0")


@pytest.mark.parametrize("name", SESSION)
@pytest.mark.parametrize("spoken", [0, 1, 2])
def test_the_master_key_may_be_put_back(name: str, spoken: int) -> None:
    line = used_offer(name)
    with_keys(line, keys_with_master(3))
    for stan in range(spoken):
        assert line.ask(kit.sale(3 + stan, 100), pin="1234") == "00"
    with_keys(line, kit.KEYS)
    assert line.ask(kit.sale(6, 100), pin="1234") == "00"
    assert bool(line.held.session) is (spoken == 0)


def test_too_many_offers_under_an_old_master_key_do_not_keep_new_ones_away() -> None:
    line = used_offer("nac-bcd")
    for number in range(3, 30):
        offered(line, number)
    with_keys(line, keys_with_master(3))
    assert line.ask(kit.sale(30, 100), pin="1234", held=offered(line, 31)) == "00"


# --- PINs: which key ---------------------------------------------------------------------------------------


def ambiguous(line: profile_kit.Line, new: KeysHeld, stan: int) -> bytes:
    """A sale with the right PIN under the keys of the slots; under new keys its block is of another PIN."""
    request, bank = kit.sale(stan, 100), BankSafe(kit.KEYS, bytes, line.profile.protection)
    assert request.card is not None
    (other,), (own,) = bank.candidates(b"", [new.session]), bank.candidates(b"", [()])
    entropy, pan, pin = profile_kit.entropy(stan), request.card.pan, Secret("1234")
    block = SecretBytes(b"")
    while not bank.is_block(block, pan, other) or bank.pin(block, pan, [other]) == pin:
        block = encrypt_pin_block(pin, pan, own.pin, form=PinFormat.ISO_1, entropy=entropy)
    seal = (lambda data: line.safe.mac(data, NOTHING_HELD)) if line.dialect.is_sealed(request.step) else None
    return line.dialect.wire.frame(line.dialect.encode_request(replace(request, pin_block=block), seal))


@pytest.mark.parametrize(("name", "code"), [("nac-bcd", "00"), ("generic-ascii", "81")])
def test_a_pin_is_read_under_the_keys_of_the_mac_or_is_not_trusted(name: str, code: str) -> None:
    """Format 1 knows no card: one block in hundreds is one under a wrong key too, and was a wrong PIN."""
    line = profile_kit.Line(profile_kit.changed(name, keys__pin_format="1"))
    new = offered(line)
    for stan in range(2, 7):
        assert line.send(ambiguous(line, new, stan)).response_code == code
    account = line.ledger.account("mir-chip")
    assert account is None or account.pin_tries_left == 3
    assert len(line.ledger.offers(TERMINAL)) == 2, "which key it was is not certain, or it is the old one"
    assert line.ask(kit.sale(7, 100), pin="1234", held=new) in ("00", "81")
    assert line.ask(kit.sale(8, 100), pin="1234", held=new) == "00"


@pytest.mark.parametrize("name", ["dukpt-tdes", "dukpt-aes"])
def test_offers_of_another_scheme_are_passed_over(name: str) -> None:
    """Whoever changes the scheme at both ends keeps the ledger: its session keys are of no use there."""
    before = profile_kit.Line(profile_kit.load("nac-bcd"))
    offered(before)
    line = profile_kit.Line(profile_kit.load(name), before.ledger)
    held = before.ledger.offers(TERMINAL)
    assert line.ask(kit.sale(2, 100), pin="1234") == "00"
    assert line.ask(kit.reversal(kit.sale(2, 100))) == "00"
    assert line.ledger.offers(TERMINAL) == held


def test_a_guard_of_a_bank_without_macs_lets_everything_in() -> None:
    line = profile_kit.Line(kit.PROFILE)
    guard = line.bank.guard(line.dialect)
    assert isinstance(guard, Guard)
    admission = guard.admit(kit.sale(1, 100), kit.NOW)
    assert (admission.refusal, admission.seal) == (None, None)
