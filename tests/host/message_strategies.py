"""Whatever a terminal can send to a bank, for tests of every dialect."""

from dataclasses import replace
from datetime import timedelta

import bank_kit as kit
from hypothesis import strategies as st

from smartsale_emu.host.rules import RULES, always_follows
from smartsale_emu.payment.authorization import AuthorizationRequest, CardData, Original, Step, Transaction
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.totals import Tally, Totals
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.units import RUB, MinorUnits

MOMENTS = st.integers(-10_000_000, 10_000_000).map(lambda seconds: kit.NOW + timedelta(seconds=seconds))
STANS = st.integers(1, 999_999)
RRNS = st.from_regex(r"[A-Z0-9]{1,12}", fullmatch=True)
CODES = st.from_regex(r"([A-Z0-9]{1,6})?", fullmatch=True)
BATCHES = st.integers(0, 999_999)
TALLIES = st.builds(Tally, st.integers(0, 10**10 - 1), st.integers(0, 10**14))
ALL_TOTALS = st.builds(Totals, TALLIES, TALLIES, TALLIES, TALLIES)
CARDS = st.builds(
    CardData,
    pan=st.from_regex(r"[0-9]{13,19}", fullmatch=True),
    expiry=st.from_regex(r"[0-9]{4}", fullmatch=True),
    entry_mode=st.sampled_from(EntryMode),
    track2=st.none() | st.from_regex(r"[0-9]{13,19}=[0-9]{7,17}", fullmatch=True).map(Secret),
    sequence=st.from_regex(r"([0-9]{2})?", fullmatch=True),
    pin_capable=st.booleans(),
)
BLOCKS = st.none() | st.binary(min_size=8, max_size=8).map(SecretBytes)


@st.composite
def requests(draw: st.DrawFn) -> AuthorizationRequest:
    """Any request that a terminal can send."""
    step = draw(st.sampled_from(Step))
    plain = AuthorizationRequest(
        step, Transaction.ECHO, draw(STANS), draw(MOMENTS), "00060056", "111111111", batch=draw(BATCHES)
    )
    match step:
        case Step.NETWORK:
            return replace(plain, batch=0)
        case Step.RECONCILIATION:
            transaction = draw(st.sampled_from([Transaction.SETTLEMENT, Transaction.CLOSING]))
            return replace(plain, transaction=transaction, totals=draw(ALL_TOTALS))
    transaction = draw(st.sampled_from(sorted(RULES)))
    money = replace(
        plain,
        transaction=transaction,
        amount=MinorUnits(draw(st.integers(0, 999_999_999_999))),
        currency=draw(st.sampled_from([RUB, None])),
        card=draw(CARDS),
    )
    if step is not Step.FINANCIAL:
        return draw(_told_again(money))
    return draw(_asked(money))


@st.composite
def _asked(draw: st.DrawFn, request: AuthorizationRequest) -> AuthorizationRequest:
    rule = RULES[request.transaction]
    if request.transaction is not Transaction.COMPLETION:
        request = replace(request, pin_block=draw(BLOCKS))
    elif request.card is not None:  # an advice carries no track
        request = replace(request, card=replace(request.card, track2=None))
    if not rule.follows or (rule.alone and draw(st.booleans())):
        return request
    known = draw(st.booleans())
    original = Original(
        None, draw(STANS) if known else None, draw(MOMENTS) if known else None, draw(RRNS), draw(CODES)
    )
    return replace(request, original=original, card=draw(st.sampled_from([request.card, None])))


@st.composite
def _told_again(draw: st.DrawFn, request: AuthorizationRequest) -> AuthorizationRequest:
    assert request.card is not None
    original = Original(
        request.transaction, draw(STANS), draw(MOMENTS), draw(RRNS | st.just("")), draw(CODES)
    )
    follows = draw(RRNS) if always_follows(request.transaction) else ""
    attempt = draw(st.integers(0, 1)) if request.step is Step.REVERSAL else 0
    card = replace(request.card, track2=None)
    return replace(request, original=original, follows=follows, attempt=attempt, card=card)
