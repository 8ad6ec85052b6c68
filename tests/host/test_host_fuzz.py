"""Anything on the line of a bank: never an exception, an answer or a clean close, no more memory than due.

What comes is drawn as whole messages; then bytes are turned in them, they are cut and joined, in their frames
or with them. ``HYPOTHESIS_PROFILE=long``: about 100,000 messages to the bank, 50,000 answers of one.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import bank_kit as kit
import profile_kit
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from message_strategies import RRNS, requests

from smartsale_emu.emulator.bank_calls import BankCalls
from smartsale_emu.emulator.tracing import Tracer
from smartsale_emu.errors import DialectError
from smartsale_emu.host.codec import Codec
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.framing import MAX_MESSAGE, TPDU_SIZE, StreamDecoder, swapped
from smartsale_emu.host.ledger import MemoryLedger
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.host.session import BankSession, Exchange
from smartsale_emu.host.shown import shown_answer, shown_request
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Transaction
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.security.protection import NOTHING_HELD, KeysHeld
from smartsale_emu.security.safe import TerminalSafe
from smartsale_emu.terminal.events import BankFailed, BankReplied
from smartsale_emu.units import MinorUnits

PROFILES: dict[str, BankProfile] = {
    **{name: profile_kit.load(name) for name in profile_kit.NAMES},
    "bcd without a MAC": profile_kit.changed("nac-bcd", mac__algorithm="none"),
    "three digits without a MAC": profile_kit.changed("tbank-style", mac__algorithm="none"),
    "ascii as hex": profile_kit.changed(
        "generic-ascii",
        wire__bitmap="hex",
        wire__fixed_bytes="hex",
        wire__framing="4A",
        mac__algorithm="aes-cmac",
        mac__size=4,
        keys__scheme="dukpt-aes",
        keys__pin_format="4",
        keys__initial="terminal-dukpt-aes",
        keys__base="bank-dukpt-aes",
        pin__field=63,
        pin__ksn_field=53,
    ),
    "bcd with dukpt": profile_kit.changed(
        "nac-bcd",
        wire__framing="2B-inclusive",
        wire__track2="left-0",
        wire__odd_pad="right-F",
        wire__currency="packed",
        wire__response_code="packed",
        keys__scheme="dukpt-tdes",
        pin__ksn_field=53,
        mac__network=True,
    ),
}


@dataclass(frozen=True)
class Ends:
    """Both ends under one profile, but for what changes."""

    profile: BankProfile
    dialect: Dialect
    codec: Codec
    safe: TerminalSafe
    held: KeysHeld

    @classmethod
    def of(cls, profile: BankProfile) -> "Ends":
        safe = TerminalSafe(kit.KEYS, profile_kit.entropy(), profile.protection)
        held = safe.for_next_message(NOTHING_HELD)
        return cls(profile, Dialect(profile), Codec(profile.wire.packing), safe, held)

    def request(self, request: AuthorizationRequest, ksn: bytes | None = None) -> bytes:
        carried = replace(request, ksn=bytes.fromhex(self.held.ksn) if ksn is None else ksn)
        return self.dialect.encode_request(carried, partial(self.safe.mac, held=self.held))

    def answer(self, request: AuthorizationRequest, answer: AuthorizationAnswer) -> bytes:
        def seal(covered: bytes) -> bytes:
            rule = self.profile.protection.mac
            key = self.safe._of(self.held).answer_mac
            assert rule is not None
            assert key is not None
            return rule.make(covered, key)

        return self.dialect.encode_answer(request, answer, seal)


thoroughly = settings(suppress_health_check=list(HealthCheck))

ENDS = {name: Ends.of(profile) for name, profile in PROFILES.items()}
each_end = st.sampled_from(sorted(ENDS)).map(ENDS.__getitem__)

KSNS = st.one_of(*(st.binary(min_size=size, max_size=size) for size in (1, 10, 12))) | st.sampled_from(
    [bytes(10), bytes.fromhex("FFFF9876543210E00000"), b"\xff" * 12]
)
PLACES = st.integers(0, 400)
TURNS: st.SearchStrategy[Callable[[bytes], bytes]] = st.one_of(
    st.builds(
        lambda at, new: lambda data: data[:at] + new + data[at + len(new) :],
        PLACES,
        st.binary(min_size=1, max_size=8) | st.sampled_from([b"\xff" * 8, bytes(8), b"9999", b"D=", b"\x99"]),
    ),
    st.builds(lambda at, bit: partial(_flipped, at=at, bit=bit), PLACES, st.integers(0, 7)),
    st.builds(lambda at: lambda data: data[:at], PLACES),
    st.builds(lambda at, more: lambda data: data[:at] + more + data[at:], PLACES, st.binary(max_size=12)),
    st.builds(lambda at, size: lambda data: data[:at] + data[at + size :], PLACES, st.integers(1, 12)),
    st.builds(lambda at: lambda data: data[:at] + data, PLACES),
)


def _flipped(data: bytes, *, at: int, bit: int) -> bytes:
    place = at % len(data) if data else 0
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :] if data else data


def _turned(data: bytes, turns: list[Callable[[bytes], bytes]]) -> bytes:
    for turn in turns:
        data = turn(data)
    return data


@st.composite
def known_requests(draw: st.DrawFn) -> AuthorizationRequest:
    """Of cards that the bank knows, so that the message gets as far as the money."""
    transaction = draw(
        st.sampled_from([Transaction.PURCHASE, Transaction.PREAUTHORIZATION, Transaction.BALANCE])
    )
    request = kit.ask(
        transaction,
        draw(st.integers(1, 20)),
        draw(st.integers(0, 100_000)),
        draw(st.sampled_from(sorted(kit.CARDS))),
        pin=draw(st.sampled_from(["", "1234"])),
        batch=draw(st.integers(0, 3)),
        at=kit.NOW + timedelta(seconds=draw(st.integers(0, 5))),
    )
    if draw(st.booleans()):
        request = replace(request, icc=draw(st.binary(min_size=1, max_size=60).map(SecretBytes)))
    return kit.reversal(request) if draw(st.booleans()) else request


@st.composite
def streams(draw: st.DrawFn, ends: Ends) -> bytes:
    """A message that came, whole or damaged, in its frame or out of it."""
    damage = draw(st.sampled_from(["none", "none", "message", "message", "frame", "address", "noise"]))
    if damage == "noise":
        event("noise")
        noise = draw(st.binary(max_size=300))
        return _framed(ends, noise) if draw(st.booleans()) else noise
    message = b""
    with suppress(DialectError):  # not every request fits every profile
        ksn = None if not ends.held.ksn or draw(st.integers(0, 3)) else draw(KSNS)
        message = ends.request(draw(requests() | known_requests()), ksn)
    turns = draw(st.lists(TURNS, min_size=1, max_size=3))
    event(damage)
    if damage == "address":
        return _framed(ends, message, draw(st.binary(max_size=6)))
    if damage == "message":
        return _framed(ends, _turned(message, turns))
    framed = _framed(ends, message)
    return _turned(framed, turns) if damage == "frame" else framed


def _framed(ends: Ends, message: bytes, tpdu: bytes | None = None) -> bytes:
    wire = ends.dialect.wire
    if tpdu is not None:
        wire = replace(wire, tpdu=tpdu)
    with suppress(DialectError):
        return wire.frame(message)
    return b""


@thoroughly
@given(st.data())
def test_a_bank_answers_or_closes_whatever_comes(data: st.DataObject) -> None:
    ends = data.draw(each_end)
    ledger = MemoryLedger()
    bank = profile_kit.bank_of(ends.profile, ledger)
    session = BankSession(bank, ends.dialect, bank.guard(ends.dialect))
    for _ in range(data.draw(st.integers(1, 3))):
        whole = data.draw(streams(ends))
        at = data.draw(st.integers(0, max(1, len(whole))))
        for piece in (whole[:at], whole[at:]):
            known = len(ledger.operations())
            replies, exchanges = session.receive(piece, kit.NOW)
            _check_replies(ends, replies, exchanges, session)
            for exchange in exchanges:
                event("understood" if exchange.answer else "not understood")
            assert len(ledger.operations()) <= known + len(exchanges)
            assert len(session._stream._kept) < MAX_MESSAGE + 4
    if session.closed:
        event("closed")
        before = ledger.operations()
        assert session.receive(ends.dialect.wire.frame(ends.request(kit.echo())), kit.NOW) == (b"", [])
        assert ledger.operations() == before


def _check_replies(ends: Ends, replies: bytes, exchanges: list[Exchange], session: BankSession) -> None:
    """One reply for each exchange but the last of a session that ends; each is a message of this dialect."""
    packets = StreamDecoder(ends.dialect.wire).feed(replies)
    unanswered = len(exchanges) - len(packets)
    assert unanswered == 0 or (unanswered == 1 and session.closed)
    types = {row.answer for row in ends.profile.messages.values()}
    for packet in packets:
        assert len(packet) <= MAX_MESSAGE
        parts = ends.codec.read(packet[TPDU_SIZE:] if ends.dialect.wire.tpdu else packet)
        assert parts.mti in types
        assert parts.fields.keys() >= {11, 39}
    for exchange in exchanges:
        assert exchange.because
        if exchange.request:
            shown = repr((shown_request(exchange.request), exchange.because))
            assert exchange.request.card is None or exchange.request.card.pan not in shown.replace(
                "******", ""
            )


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("new", [0xFF, 0x3A])
def test_every_byte_of_a_message_may_be_another(name: str, new: int) -> None:
    """The session that reads it goes on with the next message, or has ended."""
    ends = ENDS[name]
    bank = profile_kit.bank_of(ends.profile, MemoryLedger())
    sale = kit.ask(Transaction.PURCHASE, 7, 100, "mastercard-magstripe")
    for whole in (ends.request(sale), ends.request(kit.reversal(sale))):
        good = ends.dialect.wire.frame(whole)
        for place in range(len(good)):
            session = BankSession(bank, ends.dialect, bank.guard(ends.dialect))
            damaged = good[:place] + bytes([new]) + good[place + 1 :]
            replies, exchanges = session.receive(damaged, kit.NOW)
            _check_replies(ends, replies, exchanges, session)
            if place >= ends.dialect.wire.prefix and not session.closed:
                assert len(session.receive(good, kit.NOW)[1]) == 1
                assert not session.closed


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("head", [b"\xff\xff", b"\x10\x0b", b"\x00\x00", b"9999", b"4097", b"+123", b" 12 "])
def test_a_flood_ends_the_session_or_is_taken_message_by_message(name: str, head: bytes) -> None:
    ends = ENDS[name]
    bank = profile_kit.bank_of(ends.profile, MemoryLedger())
    session = BankSession(bank, ends.dialect, bank.guard(ends.dialect))
    for _ in range(20):
        session.receive(head + b"0" * 1000, kit.NOW)
        assert len(session._stream._kept) < MAX_MESSAGE + 4
    assert session.closed


@pytest.mark.parametrize(("name", "code"), [("bcd with dukpt", "96"), ("dukpt-tdes", "A0")])
def test_a_serial_number_that_no_pinpad_has_is_answered(name: str, code: str) -> None:
    """Packed, a response code has no letters: the system error stands for it."""
    ends = ENDS[name]
    bank = profile_kit.bank_of(ends.profile, MemoryLedger())
    session = BankSession(bank, ends.dialect, bank.guard(ends.dialect))
    message = ends.request(kit.ask(Transaction.PURCHASE, 7, 100), ksn=bytes(10))
    replies, exchanges = session.receive(ends.dialect.wire.frame(message), kit.NOW)
    (packet,) = StreamDecoder(ends.dialect.wire).feed(replies)
    fields = ends.codec.read(ends.dialect.wire.open_answer(packet)).fields
    assert (fields[11], fields[39], session.closed) == ("000007", code, "")
    assert [exchange.because for exchange in exchanges] == ["no key has this serial number"]


@st.composite
def answer_streams(draw: st.DrawFn, ends: Ends, request: AuthorizationRequest) -> bytes:
    """What a bank may send instead of an answer, and answers with something turned in them."""
    made = AuthorizationAnswer(
        request.step,
        request.stan,
        draw(st.sampled_from(["00", "05", "51", "10", "95", "96"])),
        rrn=draw(RRNS),
        authorization_code="123456",
        answered_at=kit.NOW,
        terminal_id=request.terminal_id,
        totals=request.totals,
        balance=draw(st.none() | st.integers(-(10**11), 10**11).map(MinorUnits)),
        icc=draw(st.none() | st.binary(min_size=1, max_size=40).map(SecretBytes)),
    )
    message = b""
    with suppress(DialectError):
        message = ends.answer(request, made)
    wire = ends.dialect.wire
    if wire.tpdu and draw(st.integers(0, 9)):
        wire = replace(wire, tpdu=swapped(wire.tpdu))
    turns = draw(st.lists(TURNS, max_size=3))
    inside = draw(st.booleans())
    framed = b""
    with suppress(DialectError):
        framed = wire.frame(_turned(message, turns) if inside else message)
    return framed if inside else _turned(framed, turns)


@thoroughly
@given(st.data())
def test_a_pinpad_takes_an_answer_or_refuses_it_whatever_comes(data: st.DataObject) -> None:
    ends = data.draw(each_end)
    request = data.draw(requests() | known_requests())
    calls = BankCalls(ends.dialect, ends.safe, Tracer(None))
    dialled = calls.dial(1, replace(request, ksn=bytes.fromhex(ends.held.ksn)), ends.held)
    whole = data.draw(answer_streams(ends, request) | st.binary(max_size=200))
    with suppress(DialectError):  # the reading alone: no other exception ever
        shown_answer(ends.dialect.decode_answer(whole[ends.dialect.wire.prefix :], kit.NOW.date()))
    if not isinstance(dialled, bytes):
        event("not sent")
        return
    at = data.draw(st.integers(0, max(1, len(whole))))
    for piece in (whole[:at], whole[at:]):
        heard = calls.hear(1, piece, kit.NOW.date())
        event(type(heard).__name__)
        match heard:
            case BankReplied(_, answer):
                assert (answer.step, answer.stan) == (request.step, request.stan)
                assert answer.response_code.isalnum()
                return
            case BankFailed(_, because):
                assert request.card is None or request.card.pan not in because
                return
    assert calls._call is not None
    assert len(calls._call.decoder._kept) < MAX_MESSAGE + 4
