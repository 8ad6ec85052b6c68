"""What is asked: bad fields, unknown operations, terminal ids; timers; two firmwares (PROTOCOL.md, 0.1)."""

import pytest
from emulator_kit import (
    PROFILES,
    SALE_AMOUNT,
    Shop,
    changed,
    customer,
    outcome,
    request,
    reversal,
    sale,
    text,
)

from smartsale_emu.sa.framing import encode_frame
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.virtual import Delivery
from smartsale_emu.terminal.table import State
from smartsale_emu.units import Millis

# --- what is asked -----------------------------------------------------------------------------------------

BAD_FIELD = "ОШИБКА В ЗАПРОСЕ: ПОЛЕ {}"


@pytest.mark.parametrize(
    ("fields", "code", "named"),
    [
        ({0: 100, 4: "643"}, "0", 25),
        ({0: 100, 4: "643", 25: ""}, "0", 25),
        ({0: 100, 4: "643", 25: "x1"}, "0", 25),
        ({0: 100, 4: "643", 25: "-1"}, "0", 25),
        ({4: "643", 25: 1}, "1", 0),
        ({0: "", 4: "643", 25: 1}, "1", 0),
        ({0: "0", 4: "643", 25: 1}, "1", 0),
        ({0: "12.00", 4: "643", 25: 1}, "1", 0),
        ({0: "-5", 4: "643", 25: 1}, "1", 0),
        ({0: "1000000000000", 4: "643", 25: 1}, "1", 0),
        ({0: 100, 25: 1}, "1", 4),
        ({0: 100, 4: "RUB", 25: 1}, "1", 4),
        ({0: 100, 4: "64", 25: 1}, "1", 4),
        ({0: "1O0", 25: 53}, "53", 0),
        ({4: "6", 25: 53}, "53", 4),
    ],
)
def test_a_field_that_is_missing_or_malformed(fields: dict[int, object], code: str, named: int) -> None:
    shop = Shop()
    till = shop.ask(request(fields))
    shop.settle()
    assert [what for _, what in till.heard] == ["ACK", "final"], "no wait"
    assert text(till.final, 25) == code
    assert outcome(till.final) == ("53", "ER2", BAD_FIELD.format(named), "0")
    assert (text(till.final, 0) or "").isdigit()


@pytest.mark.parametrize("code", [0, 21, 24, 41, 56, 63, 99, 255])
def test_an_unknown_operation(code: int) -> None:
    shop = Shop()
    till = shop.ask(request({0: 100, 4: "643", 25: code}))
    shop.settle()
    assert [what for _, what in till.heard] == ["ACK", "final"], "no wait"
    assert text(till.final, 25) == str(code)
    assert outcome(till.final) == ("0", "ER1", "ОПЕРАЦИЯ НЕ ПОДДЕРЖИВАЕТСЯ", "0")


def test_of_a_field_that_stands_twice_the_last_one_counts() -> None:
    shop = Shop(traced=True)
    twice = Message.of({0: 100, 4: "643"}).encode() + Message.of({0: SALE_AMOUNT, 25: 1}).encode()
    final = shop.serve(encode_frame(twice))
    assert text(final, 0) == str(SALE_AMOUNT)
    assert [row.amount for row in shop.operations] == [SALE_AMOUNT]
    assert any("stand twice" in trace.because for _, trace in shop.world.traces)


@pytest.mark.parametrize("given", [None, "", "00060056"])
def test_an_absent_empty_or_right_terminal_id_is_accepted(given: str | None) -> None:
    shop = Shop(changed(rules={"check_terminal_id": True}))
    assert text(shop.serve(sale(f27=given)), 39) == "1"


def test_a_wrong_terminal_id() -> None:
    assert text(Shop().serve(sale(f27="11111111")), 39) == "1", "accepted unless the profile checks it"
    shop = Shop(changed(rules={"check_terminal_id": True}))
    final = shop.serve(sale(f27="11111111"))
    assert outcome(final) == ("53", "ER2", "НЕВЕРНЫЙ НОМЕР ТЕРМИНАЛА", "0")
    assert text(final, 27) == "00060056"
    assert shop.operations == []


@pytest.mark.parametrize("amount", ["1200", "00001200", "000000001200"])
def test_amounts_come_back_without_leading_zeros(amount: str) -> None:
    final = Shop().serve(sale(amount=amount))
    assert text(final, 0) == str(SALE_AMOUNT)


def test_field_26_comes_back_and_field_4_echoes_the_request() -> None:
    final = Shop().serve(sale(f26="000012"))
    assert (text(final, 26), text(final, 4)) == ("12", "643")
    unasked = Shop().serve(reversal())
    assert (text(unasked, 26), text(unasked, 4), text(unasked, 0)) == ("0", "0", "1200")


# --- timers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field_57", "seconds"),
    [(None, 30), (5, 5), (90, 90), (0, 30), ("", 30), ("x", 30), (3600, 3600), (3601, 30)],
)
def test_the_time_for_the_card(field_57: object, seconds: int) -> None:
    shop = Shop(card=None)
    shop.ask(sale(f57=field_57))
    shop.reach(State.CARD_PROMPT)
    since = shop.world.now
    assert shop.world.run(lambda: shop.state is State.ANSWERING, within=4_000_000)
    assert shop.world.now - since == seconds * 1000


def test_the_other_timers() -> None:
    """PIN 30 s, bank answer 30 s, one attempt 15 s, the next 30 s later."""
    shop = Shop(cardholder=customer("mir-chip", pin_after=Millis(3_000_000)))
    shop.ask(sale())
    shop.reach(State.PIN_ENTRY)
    since = shop.world.now
    shop.reach(State.ANSWERING)
    assert shop.world.now - since == 30_000

    shop = Shop()
    shop.world.delivery = lambda _: Delivery.LOST_BACK
    shop.ask(sale())
    moments: dict[State, list[int]] = {}
    for state in (
        State.BANK_ANSWER,
        State.UNDOING,
        State.ANSWERING,
        State.OWING,
        State.RETRYING,
        State.OWING,
    ):
        shop.reach(state)
        moments.setdefault(state, []).append(shop.world.now)
    assert moments[State.UNDOING][0] - moments[State.BANK_ANSWER][0] == 30_000
    assert moments[State.ANSWERING][0] - moments[State.UNDOING][0] == 15_000
    assert moments[State.RETRYING][0] - moments[State.OWING][0] == 30_000
    assert moments[State.OWING][1] - moments[State.RETRYING][0] == 15_000


def test_the_bank_that_cannot_be_reached_in_ten_seconds() -> None:
    shop = Shop()
    shop.world.delivery = lambda _: Delivery.UNREACHABLE
    shop.world._call = lambda _effect: None  # type: ignore[method-assign,assignment]
    till = shop.ask(sale())
    shop.reach(State.BANK_CONNECT)
    since = shop.world.now
    assert shop.until(lambda: bool(till.finals))
    assert 10_000 <= shop.world.now - since < 10_050
    assert outcome(till.final) == ("34", None, "НЕТ СВЯЗИ", "0")


def test_the_profiles_differ_in_data_only() -> None:
    """The same sale under both: the same fields, but for the rows that they name."""
    finals = {name: Shop(profile).serve(sale()) for name, profile in PROFILES.items()}
    old, new = finals["unipos-2018"], finals["unipos-2023"]
    differing = {record.tag for record in old.records if record.value != new.get(record.tag)}
    assert [record.tag for record in old.records] == [record.tag for record in new.records]
    assert differing == {15, 23, 26, 90}
    assert [text(old, tag) for tag in (15, 23, 26)] == ["00", "-1", "-1"]
    assert [text(new, tag) for tag in (15, 23, 26)] == ["001", "0", "0"]


def test_an_operation_code_may_have_leading_zeros() -> None:
    final = Shop().serve(request({0: 100, 4: "643", 25: "001"}))
    assert (text(final, 25), text(final, 39)) == ("1", "1")
