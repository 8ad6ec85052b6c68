"""Framing and the bank's end of a connection: any slicing, any damage, and what ends the session."""

import bank_kit as kit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.errors import DialectError
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.framing import MAX_MESSAGE, PLAIN, StreamDecoder
from smartsale_emu.host.session import BankSession
from smartsale_emu.host.shown import shown_answer, shown_request
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Transaction
from smartsale_emu.payment.totals import Tally, Totals

DIALECT = Dialect(kit.PROFILE)
frame = PLAIN.frame


def session() -> BankSession:
    return BankSession(kit.bank(), DIALECT)


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=6), st.data())
def test_any_slicing_gives_the_same_messages(messages: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(frame, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = StreamDecoder()
    got = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += decoder.feed(stream[start:end])
    assert got == messages
    assert decoder.feed(frame(b"next")) == [b"next"], "nothing is left over"


@given(st.lists(st.binary(max_size=9000), max_size=5))
def test_noise_neither_grows_nor_breaks_otherwise(pieces: list[bytes]) -> None:
    decoder = StreamDecoder()
    for piece in pieces:
        try:
            decoder.feed(piece)
        except DialectError:
            assert decoder.broken
        assert len(decoder._kept) < 2 + MAX_MESSAGE


def test_what_came_whole_before_a_break_is_given_back() -> None:
    decoder = StreamDecoder()
    assert decoder.feed(frame(b"0800") + b"\xff\xff" + b"0800") == [b"0800"]
    assert "65535" in decoder.broken
    with pytest.raises(DialectError, match="65535"):
        decoder.feed(frame(b"0800"))


@pytest.mark.parametrize("size", [0, MAX_MESSAGE + 1])
def test_lengths_that_cannot_be(size: int) -> None:
    with pytest.raises(DialectError):
        frame(bytes(size))
    with pytest.raises(DialectError):
        StreamDecoder().feed(size.to_bytes(2, "big"))


def test_the_longest_message_passes() -> None:
    assert StreamDecoder().feed(frame(bytes(MAX_MESSAGE))) == [bytes(MAX_MESSAGE)]


def test_a_sale_and_its_reversal_over_a_stream() -> None:
    bank = session()
    original = kit.sale(1, 1200)
    requests = [original, kit.reversal(original), kit.reversal(original, attempt=1)]
    stream = b"".join(frame(DIALECT.encode_request(request)) for request in requests)
    reply, exchanges = bytearray(), []
    for byte in stream:
        sent, seen = bank.receive(bytes([byte]), kit.NOW)
        reply += sent
        exchanges += seen
    answers = [DIALECT.decode_answer(data, kit.NOW.date()) for data in StreamDecoder().feed(bytes(reply))]
    assert [answer.response_code for answer in answers] == ["00", "00", "00"]
    assert answers[1] == answers[2]
    assert [exchange.request for exchange in exchanges] == requests
    assert exchanges[1].because == "the money is back"
    assert bank.closed == ""


def test_a_day_over_a_stream() -> None:
    bank = session()

    def said(request: AuthorizationRequest) -> AuthorizationAnswer:
        reply, _ = bank.receive(frame(DIALECT.encode_request(request)), kit.NOW)
        (message,) = StreamDecoder().feed(reply)
        return DIALECT.decode_answer(message, kit.NOW.date())

    hold = kit.ask(Transaction.PREAUTHORIZATION, 1, 1000, pin="1234", batch=7)
    held = said(hold)
    assert said(kit.follow(Transaction.RAISE, 2, 500, hold, held, batch=7)).response_code == "00"
    done = kit.by_rrn(kit.follow(Transaction.COMPLETION, 3, 1200, hold, held, batch=7, card=False))
    completed = said(done)
    assert completed.response_code == "00"
    assert said(kit.follow(Transaction.VOID, 4, 200, done, completed, batch=7)).response_code == "00"
    assert said(kit.ask(Transaction.BALANCE, 5, pin="1234", batch=7)).balance == 10_000_000 - 1000
    told = kit.upload(6, done, completed.rrn, completed.authorization_code, follows=held.rrn)
    assert said(told).response_code == "00"
    totals = Totals(debit=Tally(1, 1200), void_debit=Tally(1, 200))
    settled = said(kit.reconciliation(7, 7, totals))
    assert (settled.response_code, settled.totals) == ("00", totals)


def test_a_trace_shows_batch_totals_balance_and_what_was_followed() -> None:
    totals = Totals(debit=Tally(1, 1200))
    shown = shown_request(kit.reconciliation(7, 12, totals))
    assert shown["batch"] == 12
    assert str(shown["totals"]).startswith("debit 1 of 1200, ")
    assert "totals" in shown_answer(kit.bank().handle(kit.reconciliation(7, 12, totals), kit.NOW))
    inquiry = kit.bank().handle(kit.ask(Transaction.BALANCE, 1, 0, "mir-poor", pin="1234"), kit.NOW)
    assert shown_answer(inquiry)["balance"] == "1000"
    sale = kit.sale(1, 100)
    approval = kit.bank().handle(sale, kit.NOW)
    followed = kit.by_rrn(kit.follow(Transaction.RETURN, 2, 100, sale, approval))
    shown = shown_request(kit.upload(3, followed, follows=approval.rrn))
    assert (shown["follows"], shown["original_transaction"]) == (approval.rrn, "return")
    assert "original_stan" not in shown_request(followed)


def test_a_request_without_sense_is_answered_96_and_the_session_goes_on() -> None:
    bank = session()
    wire = DIALECT.encode_request(kit.sale(1, 1200)).replace(b"000000001200", b"00000000120O", 1)
    reply, exchanges = bank.receive(frame(wire) + frame(DIALECT.encode_request(kit.echo(2))), kit.NOW)
    codes = [
        DIALECT.decode_answer(data, kit.NOW.date()).response_code for data in StreamDecoder().feed(reply)
    ]
    assert codes == ["96", "00"]
    assert (exchanges[0].request, exchanges[0].answer) == (None, None)
    assert "DE4" in exchanges[0].because
    assert bank.closed == ""


@pytest.mark.parametrize("junk", [frame(b"GET / HTTP/1.1\r\n\r\n"), b"GET / HTTP/1.1\r\n\r\n"])
def test_what_is_no_message_ends_the_session(junk: bytes) -> None:
    bank = session()
    echo = frame(DIALECT.encode_request(kit.echo(1)))
    reply, exchanges = bank.receive(echo + junk + echo, kit.NOW)
    assert len(StreamDecoder().feed(reply)) == 1
    assert exchanges[0].answer is not None
    assert bank.closed
    assert bank.receive(echo, kit.NOW) == (b"", [])


def test_a_trace_shows_names_and_no_secrets() -> None:
    sale = kit.sale(1, 1200)
    shown = shown_request(sale) | shown_request(kit.reversal(sale))
    shown |= shown_answer(kit.bank().handle(sale, kit.NOW))
    text = repr(shown) + repr(sale) + repr(session().receive(frame(DIALECT.encode_request(sale)), kit.NOW)[1])
    assert shown["card"] == "220012******9019"
    assert shown["original_stan"] == 1
    for secret in ("2200123456789019", "B64B7ABE", "b64b7abe", "30122010"):
        assert secret not in text
