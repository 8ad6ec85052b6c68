"""All operations on the wire: types and codes, originals, batches, totals, balances; all comes back."""

from dataclasses import replace
from datetime import datetime

import bank_kit as kit
import pytest
from hypothesis import given
from hypothesis import strategies as st
from message_strategies import ALL_TOTALS, CODES, MOMENTS, RRNS, requests

from smartsale_emu.errors import DialectError
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.rules import always_follows
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    Original,
    Step,
    Transaction,
)
from smartsale_emu.payment.totals import Tally, Totals
from smartsale_emu.units import MinorUnits

DIALECT = Dialect(kit.PROFILE)
TODAY = kit.NOW.date()
TOTALS = Totals(Tally(12, 150_000), Tally(1, 2_000), Tally(2, 30_000), Tally(0, 0))

TYPES = {
    Transaction.PURCHASE: (b"0200", b"000000"),
    Transaction.CASH: (b"0200", b"010000"),
    Transaction.TOP_UP: (b"0200", b"210000"),
    Transaction.RETURN: (b"0200", b"200000"),
    Transaction.VOID: (b"0200", b"020000"),
    Transaction.VOID_OF_CREDIT: (b"0200", b"220000"),
    Transaction.VOID_OF_HOLD: (b"0100", b"020000"),
    Transaction.PREAUTHORIZATION: (b"0100", b"000000"),
    Transaction.RAISE: (b"0100", b"000000"),
    Transaction.COMPLETION: (b"0220", b"000000"),
    Transaction.BALANCE: (b"0100", b"310000"),
}

VOID = b"".join(
    [
        b"0200",
        bytes.fromhex(
            "F2 3C 07 80 0C C0 80 04"
        ),  # 1 2 3 4 7 | 11-14 | 22 23 24 | 25 | 37 38 | 41 42 | 49 | 62
        bytes.fromhex("00 00 00 40 00 00 00 00"),  # 90
        b"162200123456789019" + b"020000" + b"000000000500" + b"1123110000" + b"000124" + b"110000" + b"1123",
        b"3012" + b"051" + b"001" + b"001" + b"00",
        b"632709000123" + b"314159",  # 37, 38: of the purchase
        b"00060056" + b"111111111      " + b"643",
        b"006000007",  # 62: batch 7
        b"0000" + b"000123" + b"1123093000" + b"0" * 22,  # 90: no type, the terminal does not tell it
    ]
)
SETTLEMENT = b"".join(
    [
        b"0500",
        bytes.fromhex("A2 38 01 00 00 C0 00 04"),  # 1 3 7 | 11 12 13 | 24 | 41 42 | 62
        bytes.fromhex("00 78 07 80 80 00 00 00"),  # 74 75 76 77 | 86 87 88 89 | 97
        b"9200001123093000000200093000112300100060056111111111      ",
        b"006000007",
        b"0000000001" + b"0000000000" + b"0000000012" + b"0000000002",
        b"0000000000002000" + b"0000000000000000" + b"0000000000150000" + b"0000000000030000",
        b"D0000000000118000",
    ]
)
UPLOAD = b"".join(
    [
        b"0320",
        bytes.fromhex("F2 3C 07 80 0C C0 80 1C"),  # as the void, and 60 61 62
        bytes.fromhex("00 00 00 40 00 00 00 00"),
        b"162200123456789019" + b"020000" + b"000000000500" + b"1123190000" + b"000201" + b"190000" + b"1123",
        b"3012" + b"051" + b"001" + b"001" + b"00",
        b"632711000124" + b"628318",  # 37, 38: of the void itself
        b"00060056" + b"111111111      " + b"643",
        b"010" + b"0200000124",  # 60: type and STAN of the void
        b"012" + b"632709000123",  # 61: the RRN of the purchase that it followed
        b"006000007",
        b"0200" + b"000124" + b"1123110000" + b"0" * 22,
    ]
)


def void_request() -> AuthorizationRequest:
    request = kit.follow(
        Transaction.VOID,
        124,
        500,
        kit.sale(123, 1200),
        AuthorizationAnswer(Step.FINANCIAL, 123, "00", rrn="632709000123", authorization_code="314159"),
        batch=7,
        at=datetime(2026, 11, 23, 11, 0),
    )
    assert request.card is not None
    return replace(request, card=replace(request.card, track2=None))


def upload_request() -> AuthorizationRequest:
    return kit.upload(201, void_request(), "632711000124", "628318", follows="632709000123")


VECTORS = [
    (void_request(), VOID),
    (kit.reconciliation(200, 7, TOTALS), SETTLEMENT),
    (upload_request(), UPLOAD),
]


@pytest.mark.parametrize(("request_", "wire"), VECTORS, ids=["void", "settlement", "upload"])
def test_requests_to_the_byte_and_back(request_: AuthorizationRequest, wire: bytes) -> None:
    assert DIALECT.encode_request(request_) == wire
    assert DIALECT.decode_request(wire, TODAY) == request_


@pytest.mark.parametrize("wire", [vector[1] for vector in VECTORS], ids=["void", "settlement", "upload"])
def test_a_request_cut_anywhere_or_with_a_byte_after_it_is_refused(wire: bytes) -> None:
    for end in range(len(wire)):
        with pytest.raises(DialectError):
            DIALECT.decode_request(wire[:end], TODAY)
    with pytest.raises(DialectError):
        DIALECT.decode_request(wire + b"0", TODAY)


def test_a_settlement_is_answered_with_the_banks_totals() -> None:
    request = kit.reconciliation(200, 7, TOTALS)
    mine = Totals(debit=Tally(1, 100), credit=Tally(1, 700))
    said = AuthorizationAnswer(
        Step.RECONCILIATION, 200, "95", answered_at=kit.NOW, terminal_id="00060056", totals=mine
    )
    wire = DIALECT.encode_answer(request, said)
    assert wire[:4] == b"0510"
    assert b"C0000000000000600" in wire, "the shop owes the bank"
    assert DIALECT.decode_answer(wire, TODAY) == said
    without = DIALECT.decode_answer(DIALECT.encode_answer(request, replace(said, totals=None)), TODAY)
    assert without.totals is None, "the terminal's own totals do not come back as the bank's"


def test_a_balance_travels_in_54() -> None:
    request = kit.ask(Transaction.BALANCE, 5, pin="1234")
    for balance in (0, 123_456, -500, 999_999_999_999):
        said = AuthorizationAnswer(
            Step.FINANCIAL, 5, "00", "632709000005", "314159", kit.NOW, "00060056", None, MinorUnits(balance)
        )
        wire = DIALECT.encode_answer(request, said)
        assert wire[:4] == b"0110"
        assert DIALECT.decode_answer(wire, TODAY) == said


@pytest.mark.parametrize("transaction", TYPES)
def test_type_and_code_hang_on_the_transaction(transaction: Transaction) -> None:
    request = kit.ask(transaction, 1, 100)
    if always_follows(transaction):
        request = replace(request, original=Original(None, None, None, "632709000123"))
    wire = DIALECT.encode_request(request)
    assert (wire[:4], wire[30:36]) == TYPES[transaction] or (wire[:4], wire[38:44]) == TYPES[transaction]
    undone = replace(
        request, step=Step.REVERSAL, original=Original(transaction, 1, kit.NOW), follows="1" * 12
    )
    assert TYPES[transaction][0] + b"000001" in DIALECT.encode_request(undone)[60:], "DE90"


WRONG = {
    "net that is not the totals'": (b"D0000000000118000", b"C0000000000118000", "DE97"),
    "count with a letter": (b"0000000012", b"000000001X", "DE76"),
    "batch with a letter": (b"006000007", b"00600000X", "DE62"),
    "batch too long": (b"006000007", b"0070000007", "DE62"),
}


@pytest.mark.parametrize(("good", "bad", "names"), WRONG.values(), ids=WRONG.keys())
def test_malformed_reconciliations_are_refused(good: bytes, bad: bytes, names: str) -> None:
    assert SETTLEMENT.count(good) == 1
    with pytest.raises(DialectError, match=names):
        DIALECT.decode_request(SETTLEMENT.replace(good, bad), TODAY)


def test_what_has_no_totals_no_original_or_no_card_is_refused() -> None:
    no_totals = kit.reconciliation(1, 7, None)
    no_original = replace(upload_request(), original=None)
    no_card = replace(kit.ask(Transaction.TOP_UP, 1, 100), card=None)
    of_the_bank = replace(upload_request(), transaction=Transaction.SETTLEMENT)
    for request, names in (
        (no_totals, "DE74"),
        (no_original, "DE90"),
        (no_card, "DE2"),
        (replace(of_the_bank, original=Original(Transaction.SETTLEMENT, 1, kit.NOW)), "DE90"),
    ):
        with pytest.raises(DialectError, match=names):
            DIALECT.decode_request(DIALECT.encode_request(request), TODAY)


# --- whatever can occur comes back ---


@given(requests())
def test_any_request_comes_back(request_: AuthorizationRequest) -> None:
    assert DIALECT.decode_request(DIALECT.encode_request(request_), TODAY) == request_


@given(
    request_=requests(),
    code=st.from_regex(r"[A-Z0-9]{2}", fullmatch=True),
    rrn=RRNS | st.just(""),
    authorization=CODES,
    at=MOMENTS,
    totals=st.none() | ALL_TOTALS,
    balance=st.integers(-(10**12) + 1, 10**12 - 1),
)
def test_any_answer_comes_back(
    request_: AuthorizationRequest,
    code: str,
    rrn: str,
    authorization: str,
    at: datetime,
    totals: Totals | None,
    balance: int,
) -> None:
    account = request_.step not in (Step.NETWORK, Step.RECONCILIATION)
    inquiry = request_.step is Step.FINANCIAL and request_.transaction is Transaction.BALANCE
    said = AuthorizationAnswer(
        step=request_.step,
        stan=request_.stan,
        response_code=code,
        rrn=rrn if account else "",
        authorization_code=authorization if account else "",
        answered_at=at,
        terminal_id="00060056",
        totals=totals if request_.step is Step.RECONCILIATION else None,
        balance=MinorUnits(balance) if inquiry else None,
    )
    assert DIALECT.decode_answer(DIALECT.encode_answer(request_, said), TODAY) == said


@pytest.mark.parametrize("transaction", [Transaction.RETURN, *filter(always_follows, Transaction)])
def test_a_reversal_without_61_names_the_same_operation(transaction: Transaction) -> None:
    undone = kit.reversal(kit.ask(transaction, 1, 100))
    got = DIALECT.decode_request(DIALECT.encode_request(undone), TODAY)
    assert got.original is not None
    assert undone.original is not None
    assert (got.original.stan, got.original.sent_at) == (1, undone.original.sent_at)
    expected = Transaction.PREAUTHORIZATION if transaction is Transaction.RAISE else transaction
    assert got.transaction is expected
