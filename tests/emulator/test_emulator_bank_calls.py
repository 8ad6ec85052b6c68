"""Calls to the bank under a profile with its own framing: what leaves is framed so, and answers must be."""

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "host"))

import bank_kit as bank
import profile_kit
import pytest

from smartsale_emu.emulator.bank_calls import BankCalls
from smartsale_emu.emulator.tracing import Tracer
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.host.session import BankSession
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    Step,
    Totals,
    Transaction,
)
from smartsale_emu.security.masking import Secret
from smartsale_emu.security.protection import KeysHeld
from smartsale_emu.terminal.events import BankFailed, BankReplied

TODAY = bank.NOW.date()


SEALED = [name for name in profile_kit.NAMES if Dialect(profile_kit.load(name)).is_sealed(Step.FINANCIAL)]


class Caller:
    """The pinpad's side of a line to a bank, message after message."""

    def __init__(self, name: str, **rows: object) -> None:
        self.line = profile_kit.Line(profile_kit.changed(name, **rows))
        self.noted: list[str] = []
        self.calls = BankCalls(
            self.line.dialect, self.line.safe, Tracer(lambda told: self.noted.append(told.because))
        )
        self.number = 0

    def asks(self, request: AuthorizationRequest, pin: str = "") -> bytes:
        """Return what the bank answers."""
        held = self.line.held = self.line.safe.for_next_message(self.line.held)
        self.number += 1
        request = replace(request, ksn=bytes.fromhex(held.ksn), pin_block=None)
        if pin and request.card is not None:
            request = replace(
                request, pin_block=self.line.safe.pin_block(Secret(pin), request.card.pan, held)
            )
        payload = self.calls.dial(self.number, request, held)
        assert isinstance(payload, bytes)
        return self.line.session.receive(payload, bank.NOW)[0]

    def hears(self, reply: bytes) -> BankReplied | BankFailed | None:
        return self.calls.hear(self.number, reply, TODAY)


@pytest.mark.parametrize("name", profile_kit.NAMES)
def test_a_call_under_every_profile(name: str) -> None:
    caller = Caller(name)
    reply = caller.asks(bank.sale(1, 1200), pin="1234")
    heard = [caller.hears(bytes([byte])) for byte in reply]
    assert isinstance(heard[-1], BankReplied)
    assert heard[-1].answer.response_code in ("00", "000")
    assert set(heard[:-1]) == {None}


@pytest.mark.parametrize("name", SEALED)
def test_an_answer_with_any_bit_of_its_mac_turned_is_none(name: str) -> None:
    wrong = "the bank's answer is of no use: its MAC is wrong"
    for bit in range(64):
        caller = Caller(name)
        reply = bytearray(caller.asks(bank.sale(1, 1200), pin="1234"))
        reply[-8 + bit // 8] ^= 1 << bit % 8
        ending = caller.hears(bytes(reply))
        assert isinstance(ending, BankFailed)
        assert ending.because == wrong


@pytest.mark.parametrize("name", SEALED)
def test_an_answer_to_the_message_before_is_none(name: str) -> None:
    """Its STAN is another, and with a key for every message its MAC is wrong besides."""
    caller = Caller(name)
    old = caller.asks(bank.sale(1, 1200), pin="1234")
    caller.asks(bank.sale(1, 1200), pin="1234")
    ending = caller.hears(old)
    if name.startswith("dukpt"):
        assert isinstance(ending, BankFailed)
        assert "MAC is wrong" in ending.because
    else:
        assert isinstance(ending, BankReplied), "a repeat under the same keys is the same message"


@pytest.mark.parametrize("name", SEALED)
def test_an_answer_without_its_mac_is_none(name: str) -> None:
    caller = Caller(name)
    caller.asks(bank.sale(1, 1200), pin="1234")
    plain = Dialect(profile_kit.changed(name, mac__algorithm="none"))
    said = AuthorizationAnswer(Step.FINANCIAL, 1, "00", terminal_id="00060056")
    packet = plain.encode_answer(bank.sale(1, 1200), said)
    way_back = caller.line.dialect.wire.open_request(caller.line.message(bank.echo(1))[2:])[1]
    ending = caller.hears(way_back.frame(packet))
    assert isinstance(ending, BankFailed)
    assert ending.because == "the bank's answer is of no use: it has no MAC"


# --- whose answer it is ---

LATER = bank.NOW + timedelta(days=30)
ANOTHERS = "this answers another message (step, STAN, terminal or time)"
DAY: list[AuthorizationRequest] = [
    bank.echo(1),
    replace(bank.echo(2), transaction=Transaction.KEY_CHANGE),
    bank.sale(3, 1200),
    bank.sale(3, 1200),
    bank.reversal(bank.sale(3, 1200)),
    bank.reversal(bank.sale(3, 1200), attempt=1),
    bank.reconciliation(4, 1, Totals()),
    bank.upload(5, bank.sale(3, 1200)),
    bank.reconciliation(6, 1, Totals(), Transaction.CLOSING),
]
every_row = pytest.mark.parametrize("repeats", [True, False], ids=["repeats", "own time"])


@every_row
@pytest.mark.parametrize("name", profile_kit.NAMES)
def test_every_message_and_its_repeat_get_their_answers(name: str, repeats: bool) -> None:
    caller = Caller(name, wire__answer_repeats_time=repeats)
    for request in DAY:
        ending = caller.hears(caller.asks(request, pin="1234" if request.step is Step.FINANCIAL else ""))
        assert isinstance(ending, BankReplied), request.step
        assert (ending.answer.step, ending.answer.stan) == (request.step, request.stan)
    assert ANOTHERS not in caller.noted


@pytest.mark.parametrize("name", profile_kit.NAMES)
def test_the_answer_of_a_month_ago_is_another_messages(name: str) -> None:
    """The same STAN, and under session keys the right MAC: the call goes on waiting for its own."""
    caller = Caller(name)
    old = caller.asks(bank.sale(1, 1200), pin="1234")
    fresh = caller.asks(bank.sale(1, 1200, at=LATER), pin="1234")
    assert caller.hears(old) is None
    assert caller.noted[-1] == ANOTHERS
    assert isinstance(caller.hears(fresh), BankReplied)


@pytest.mark.parametrize("name", profile_kit.NAMES)
def test_a_host_that_writes_its_own_time_into_de7_is_a_row(name: str) -> None:
    for repeats in (False, True):
        caller = Caller(name, wire__answer_repeats_time=repeats)
        request = bank.sale(1, 1200, pin="")
        caller.asks(request)
        held = caller.line.held
        own = replace(request, sent_at=LATER, pin_block=None, ksn=bytes.fromhex(held.ksn))
        reply = caller.line.session.receive(caller.line.message(own, held=held), bank.NOW)[0]
        assert isinstance(caller.hears(reply), BankReplied) is not repeats


def without(profile: BankProfile, number: int) -> BankProfile:
    """A profile whose answers have one element less."""
    rows = {
        kind: replace(row, answer_fields=tuple(one for one in row.answer_fields if one != number))
        for kind, row in profile.messages.items()
    }
    return replace(profile, messages=rows)


@pytest.mark.parametrize("number", [3, 7])
@pytest.mark.parametrize("name", profile_kit.NAMES)
def test_what_an_answer_leaves_out_is_not_compared(name: str, number: int) -> None:
    caller = Caller(name)
    host = profile_kit.Line(without(caller.line.profile, number))
    caller.line.session = host.session
    ending = caller.hears(caller.asks(bank.sale(1, 1200), pin="1234"))
    assert isinstance(ending, BankReplied)
    assert (ending.answer.asked_at == "", ending.answer.processing == "") == (number == 7, number == 3)


@pytest.mark.parametrize("name", profile_kit.NAMES)
def test_an_answer_about_something_else_is_of_no_use(name: str) -> None:
    """Of another pinpad with the same number and keys, at the very same time: a top-up, not a purchase."""
    caller = Caller(name)
    other = Caller(name).asks(bank.ask(Transaction.TOP_UP, 1, 1200), pin="1234")
    caller.asks(bank.sale(1, 1200), pin="1234")
    ending = caller.hears(other)
    assert isinstance(ending, BankFailed)
    assert ending.because == "the bank's answer is of no use: DE3: it repeats another processing code"


def test_an_answer_to_another_terminal_is_of_no_use() -> None:
    dialect = Dialect(profile_kit.load("nac-bcd"))
    caller = Caller("nac-bcd")
    calls, session = BankCalls(dialect, caller.line.safe, Tracer(None)), BankSession(bank.bank(), dialect)
    payload = calls.dial(1, bank.echo(1), KeysHeld())
    assert isinstance(payload, bytes)
    assert payload[2:7].hex() == "6000010000"
    reply, _ = session.receive(payload, bank.NOW)
    ending = calls.hear(1, reply.replace(bytes.fromhex("6000000001"), bytes.fromhex("6000770001"), 1), TODAY)
    assert isinstance(ending, BankFailed)
    assert "TPDU" in ending.because
