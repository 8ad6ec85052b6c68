"""Recorded answers of real pinpads, byte for byte, and the limits of registers that read them."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from emulator_kit import (
    CARDS,
    PROFILES,
    Shop,
    changed,
    link_test,
    request,
    reversal,
    sale,
    text,
)

from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Step
from smartsale_emu.payment.card import Card
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.sa.framing import encode_frame
from smartsale_emu.sa.tlv import Message
from smartsale_emu.terminal.events import CancelPressed
from smartsale_emu.terminal.table import State

RECORDED_CARD = Card(
    name="recorded",
    pan="2200000000006639",
    expiry="1903",
    entry_mode=CARDS["mir-chip"].card.entry_mode,
    service_code="201",
    pin_rule=CARDS["mastercard-magstripe"].card.pin_rule,
    label="",
)


def recorded(at: datetime, terminal_id: str, answer: AuthorizationAnswer | str | None, card: Card) -> Shop:
    """A shop of 2018-2020 on the day of a record, with the recorded answer in the bank's mouth."""
    profile = changed(PROFILES["unipos-2018"], answer={"receipt": False})
    shop = Shop(
        replace(profile, terminal_id=terminal_id),
        cardholder=Cardholder(card),
        epoch=at,
    )
    if answer is not None:
        shop.bank.says = lambda asked: answer if asked.step is not Step.REVERSAL else "00"
    return shop


def approval(at: datetime, authorization_code: str, rrn: str) -> AuthorizationAnswer:
    return AuthorizationAnswer(
        Step.FINANCIAL, 0, "00", rrn=rrn, authorization_code=authorization_code, answered_at=at
    )


def wire(fields: dict[int, str]) -> bytes:
    return encode_frame(Message.of(fields).encode())


def final_bytes(shop: Shop, frame: bytes) -> bytes:
    """The wire bytes of the final answer."""
    return encode_frame(shop.serve(frame).encode())


def test_recorded_sale_of_2018() -> None:
    at = datetime(2018, 10, 16, 19, 15, 23)
    shop = recorded(at, "00266286", approval(at, "247629", "828913349373"), RECORDED_CARD)
    expected = bytes.fromhex(
        "029900000300313030040300363433060e003230313831303136313931353233"
        "0a10002a2a2a2a2a2a2a2a2a2a2a2a36363339"
        "0b0400313930330d06003234373632390e0c00383238393133333439333733 0f020030301308 00cec4cec1d0c5cdce"
        "150e003230313831303136313931353233170200 2d31190100311a02002d311b08003030323636323836"
        "1c0900313131313131313131270100318d79"
    )
    assert final_bytes(shop, sale(amount="00000100")) == expected


def test_recorded_sale_of_2019() -> None:
    at = datetime(2019, 2, 25, 15, 32, 2)
    shop = recorded(at, "00266286", approval(at, "212840", "905632625568"), RECORDED_CARD)
    expected = wire(
        {
            0: "1000",
            4: "643",
            6: "20190225153202",
            10: "************6639",
            11: "1903",
            13: "212840",
            14: "905632625568",
            15: "00",
            19: "ОДОБРЕНО",
            21: "20190225153202",
            23: "-1",
            25: "1",
            26: "-1",
            27: "00266286",
            28: "111111111",
            39: "1",
        }
    )
    assert final_bytes(shop, sale(amount="00001000")) == expected


def test_recorded_refusal_of_a_reversal() -> None:
    at = datetime(2019, 2, 25, 15, 33, 51)
    shop = recorded(at, "00266286", None, RECORDED_CARD)
    expected = wire(
        {
            0: "1000",
            4: "0",
            6: "20190225153351",
            15: "ER3",
            19: "ОПЕРАЦИЯ ПРЕРВАНА^TERMINATED.JPG~",
            21: "20190225153351",
            23: "-1",
            25: "53",
            26: "-1",
            27: "00266286",
            28: "0",
            39: "53",
        }
    )
    assert final_bytes(shop, request({25: 53, 0: "00001000"})) == expected


def test_recorded_interruption_after_the_approval() -> None:
    """The customer cancels while the bank approves: the pinpad's clock (21) is the bank's (6)."""
    at = datetime(2019, 7, 1, 21, 27, 5)
    card = replace(RECORDED_CARD, pan="220000000000001910", expiry="2011")
    shop = recorded(at - timedelta(seconds=1), "00060056", approval(at, "168419", "000010000267"), card)
    till = shop.ask(sale(amount="00000100"))
    shop.reach(State.BANK_ANSWER)
    shop.world.tell(CancelPressed())
    assert shop.until(lambda: bool(till.finals))
    assert till.final is not None
    expected = bytes.fromhex(
        "02b500000300313030040300363433060e0032303139303730313231323730350a12002a2a2a2a2a2a2a2a2a2a2a2a2a2a"
        "313931300b0400323031310d06003136383431390e0c003030303031303030303236370f0200303013 2100"
        "cecfc5d0c0d6c8df20cfd0c5d0c2c0cdc05e5445524d494e415445442e4a50477e"
        "150e00323031393037303132313237303517 02002d31190100311a02002d311b08003030303630303536"
        "1c0900313131313131313131270200 35331d35"
    )
    assert encode_frame(till.final.encode()) == expected


@pytest.mark.parametrize(
    ("code", "said", "status"),
    [("00", "ОПЕРАЦИЯ ОДОБРЕНА^APPROVED.JPG~", "1"), ("91", "ОПЕРАЦИЯ ОТКЛОНЕНА^DECLINED.JPG~", "16")],
    ids=["ok", "declined"],
)
def test_recorded_link_tests(code: str, said: str, status: str) -> None:
    shop = recorded(datetime(2020, 3, 19, 15, 14, 14), "00060056", code, RECORDED_CARD)
    expected = wire({19: said, 21: "20200319151414", 25: "26", 27: "00060056", 39: status})
    assert final_bytes(shop, link_test()) == expected


def test_recorded_settlement_of_2020() -> None:
    """No totals, no receipt, 15 = "ER3" with status 1, 28 = "0": rows of the profile (section 7)."""
    shop = Shop(PROFILES["unipos-2018"], epoch=datetime(2020, 3, 19, 18, 6, 9))
    expected = bytes.fromhex(
        "024a00060e0032303230303331393138303630390f0300455233150e003230323030333139313830363039"
        "1702002d311902003539 1a02002d311b080030303036303035361c01003027010031d5e4"
    )
    assert final_bytes(shop, bytes.fromhex("02080019020035391b0000c494")) == expected
    assert shop.memory.day == 2, "for the bank it was approved"


def test_the_recorded_request_of_2022_is_served() -> None:
    frame = wire(
        {0: "200", 4: "643", 21: "20220516103158", 25: "1", 26: "12", 27: "00322346", 89: "VM00080951"}
    )
    final = Shop().serve(frame)
    assert (text(final, 39), text(final, 0), text(final, 26)) == ("1", "200", "12")


def test_no_answer_breaks_the_limits_of_known_registers() -> None:
    """At most 20 fields; 25, 39 and 0 digits only; nothing is sent empty."""
    shop = Shop()
    asked: list[AuthorizationRequest] = shop.bank.heard
    finals = [shop.serve(frame) for frame in (sale(), reversal(), reversal(), link_test(), request({25: 99}))]
    for final in finals:
        assert len(final.records) <= 20
        assert all(record.value for record in final.records)
        assert all((text(final, tag) or "0").isdigit() for tag in (0, 25, 39))
    assert len(asked) == 3
