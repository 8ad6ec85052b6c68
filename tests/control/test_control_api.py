"""The control API: what a program does to a pinpad and sees of it."""

import json
from collections.abc import Iterator

import pytest
from api_kit import Served, over, served

from smartsale_emu.control import openapi

NO_BODY = 204


@pytest.fixture
def desk() -> Iterator[Served]:
    with served() as it:
        yield it


def test_the_description_is_fresh() -> None:
    assert openapi.FILE.read_text(encoding="utf-8") == openapi.description(), (
        "python -m smartsale_emu.control.openapi"
    )


def test_a_pinpad_at_rest(desk: Served) -> None:
    state = desk.get("/state").json()
    assert (state["on"], state["state"], state["asks"], state["serving"]) == (True, "idle", "", False)
    assert state["screen"]["lines"] == ["ДОБРО ПОЖАЛОВАТЬ"]
    assert state["port"].startswith("tcp:127.0.0.1:")
    assert (state["owes"], state["card"], state["day"]["number"]) == ([], None, 1)
    assert desk.get("/health").json()["status"] == "ok"
    assert desk.get("/screen").json()["text"] == "ДОБРО ПОЖАЛОВАТЬ"


def test_a_sale_with_a_pin(desk: Served) -> None:
    assert desk.put("/card", {"card": "mir-chip"}).json() == {"card": "mir-chip", "how": "insert"}
    register = desk.register("sale", "100.00")
    assert desk.get("/state?asks=pin&within=20s").json()["state"] == "PIN entry"
    assert desk.post("/pin", {"pin": "1234"}).status_code == NO_BODY
    status, said = over(register)
    assert status == 0, said
    (sale,) = desk.get("/exchanges").json()
    assert (sale["operation"], sale["amount"], sale["approved"], sale["over"]) == ("sale", 10000, True, True)
    (slip,) = desk.get("/journal").json()
    assert (slip["operation"], slip["state"], slip["rrn"]) == ("sale", "kept", sale["rrn"])
    books = desk.get("/bank/ledger").json()
    assert (books["net"], books["agree"], books["balances"]["mir-chip"]) == (10000, True, 9_990_000)
    client, cashier = desk.get("/receipts").json()
    assert (client["copy"], cashier["copy"], client["source"]) == ("client", "cashier", "answer")
    assert "ОДОБРЕНО" in client["text"]
    assert desk.get("/state").json()["day"]["net"] == 10000


def test_a_customer_who_types_by_himself_and_a_card_that_is_taken_away(desk: Served) -> None:
    body = {"card": "mir-chip", "how": "insert", "pin": "1234"}
    assert [desk.put("/card", body).status_code for _ in range(2)] == [200, 200]
    assert desk.sale() == 0
    assert [desk.delete("/card").status_code for _ in range(2)] == [NO_BODY, NO_BODY]
    assert desk.get("/state").json()["card"] is None


def test_the_red_key(desk: Served) -> None:
    register = desk.register("sale", "1.00")
    assert desk.get("/state?asks=card&within=20s").status_code == 200
    assert desk.post("/keys", {"key": "cancel"}).status_code == NO_BODY
    assert over(register)[0] == 1
    assert desk.get("/exchanges").json()[0]["approved"] is False


def test_a_lost_answer_is_reversed(desk: Served) -> None:
    fault = desk.put("/faults/lost", {"phrase": "line: drop every ack of final"}).json()
    assert (fault["armed"], fault["times"]) == (True, 0)
    desk.put("/card", {"card": "mir-contactless"})
    desk.sale()
    desk.post("/clock", {"by": "60s"})
    assert desk.get("/state?rests=true").json()["owes"] == []
    books = desk.get("/bank/ledger").json()
    assert [row["state"] for row in books["operations"]] == ["reversed"]
    assert (books["agree"], books["net"]) == (True, 0)
    assert desk.get("/faults/lost").json()["times"] >= 1


def test_faults_are_set_and_taken_back_as_often_as_one_likes(desk: Served) -> None:
    one = {"phrase": "bank:  decline 51 to money"}
    first, again = desk.put("/faults/poor", one).json(), desk.put("/faults/poor", one).json()
    assert (
        first
        == again
        == {
            "name": "poor",
            "phrase": "bank: decline 51 to money",
            "armed": True,
            "times": 0,
        }
    )
    desk.put("/card", {"card": "mir-contactless"})
    assert desk.sale() == 1
    assert desk.get("/faults/poor").json()["armed"] is False
    assert desk.sale() == 0
    assert desk.put("/faults/poor", one).json()["armed"] is True
    assert [desk.delete("/faults/poor").status_code for _ in range(2)] == [NO_BODY, NO_BODY]
    assert desk.sale() == 0
    assert desk.get("/faults/poor").status_code == 404


def test_all_faults_at_once_or_none(desk: Served) -> None:
    desk.put("/faults/old", {"phrase": "bank: down"})
    wrong = {"faults": {"new": "line: drop final", "odd": "line: drop the moon"}}
    assert desk.put("/faults", wrong).status_code == 422
    assert [one["name"] for one in desk.get("/faults").json()["faults"]] == ["old"]


def test_all_faults_at_once(desk: Served) -> None:
    desk.put("/faults/old", {"phrase": "bank: down"})
    wanted = {
        "paper": "paper: out",
        "slow": "line: slow 9600 baud",
        "cut": "power: cut at bank answer for 1s",
    }
    told = desk.put("/faults", {"faults": wanted}).json()
    assert {one["name"]: one["armed"] for one in told["faults"]} == dict.fromkeys(wanted, True)
    assert {"form": "garbage [to [WHICH] MESSAGE]", "about": "the answer is nonsense"} in told["forms"][
        "bank"
    ]
    assert desk.get("/state").json()["paper"] is False
    assert desk.delete("/faults").status_code == NO_BODY
    assert desk.get("/faults").json()["faults"] == []
    assert desk.get("/state").json()["paper"] is True


def test_what_happens_once_has_no_name(desk: Served) -> None:
    assert desk.put("/faults/x", {"phrase": "bank: forgets"}).status_code == 422
    assert desk.post("/faults", {"phrase": "bank: forgets"}).json() == {"fault": None}
    named = desk.post("/faults", {"phrase": "bank: no answer to reversal"}).json()["fault"]
    assert (named["name"], named["armed"]) == ("fault-1", True)
    assert desk.post("/faults", {"phrase": "bank: recovers"}).json() == {"fault": None}
    assert desk.get("/faults").json()["faults"] == []


@pytest.mark.parametrize(
    ("phrase", "told"),
    [
        ("bank: explode", "is not understood; there is:"),
        ("pin: 1234", "must begin with one of bank, line, power, paper, memory and a colon"),
        ("line: closes", "the port is the register's to close"),
    ],
)
def test_a_fault_that_is_none(desk: Served, phrase: str, told: str) -> None:
    answer = desk.post("/faults", {"phrase": phrase})
    assert answer.status_code == 422
    assert told in answer.json()["error"]


def test_power(desk: Served) -> None:
    port = desk.get("/state").json()["port"]
    assert [desk.put("/power", {"on": False}).json() for _ in range(2)] == [
        {"on": False, "back_in_ms": None}
    ] * 2
    assert desk.get("/screen").json()["text"] == ""
    assert desk.post("/keys", {"key": "cancel"}).json() == {"error": "the pinpad has no power"}
    assert [desk.put("/power", {"on": True}).json()["on"] for _ in range(2)] == [True, True]
    assert desk.get("/state").json()["port"] == port
    assert desk.put("/power", {"on": False, "for": "100ms"}).json()["back_in_ms"] is not None
    assert desk.get("/state?rests=true").json()["on"] is True
    assert desk.put("/power", {"on": True, "for": "1s"}).status_code == 422


def test_the_shortest_power_cut(desk: Served) -> None:
    assert desk.post("/faults", {"phrase": "power: cut for 0ms"}).json() == {"fault": None}
    assert desk.get("/state?rests=true&within=20s").json()["back_in_ms"] is None
    assert desk.put("/power", {"on": False, "for": "0ms"}).status_code == 200
    assert desk.get("/state?rests=true&within=20s").json()["back_in_ms"] is None
    welcomes = desk.get("/events?follow=false").text.count('"words": "ДОБРО ПОЖАЛОВАТЬ"')
    assert welcomes == 3, "it began anew twice"


def test_a_power_cut_between_two_effects(desk: Served) -> None:
    desk.put("/card", {"card": "mir-contactless"})
    assert desk.put("/faults/cut", {"phrase": "power: cut before CallHost for 100ms"}).json()["armed"] is True
    assert desk.sale() == 1
    while desk.get("/state?rests=true&within=20s").json()["owes"]:
        pass  # it pays as soon as the power is back
    assert desk.get("/faults/cut").json()["armed"] is False
    assert desk.get("/bank/ledger").json()["agree"] is True


def test_the_clock_is_put_forward(desk: Served) -> None:
    before = desk.get("/clock").json()["ms"]
    after = desk.post("/clock", {"by": "24h"}).json()
    assert after["ms"] >= before + 86_400_000
    assert after["time"].startswith("2026-11-24T09:30")
    assert desk.put("/clock", {"ms": after["ms"] + 5000}).json()["ms"] >= after["ms"] + 5000
    assert desk.put("/clock", {"ms": 1}).json() == {"error": "that moment is past: a clock is not put back"}
    assert desk.post("/clock", {"by": "10000d"}).status_code == 422
    assert desk.post("/clock", {"by": "soon"}).json()["error"].startswith("by: must be a time")


def test_a_memory_is_saved_and_put_back(desk: Served) -> None:
    desk.put("/card", {"card": "mir-contactless"})
    empty = desk.get("/memory").json()
    assert desk.sale() == 0
    full = desk.get("/memory").json()
    assert desk.put("/memory", empty).status_code == NO_BODY
    assert desk.get("/journal").json() == []
    told = desk.get("/bank/ledger").json()
    assert told["agree"] is False
    assert desk.put("/memory", full).status_code == NO_BODY
    assert desk.get("/bank/ledger").json()["agree"] is True
    for nonsense in ("nonsense", "[" * 100_000):
        told = desk.put("/memory", {"memory": nonsense}).json()
        assert told == {"error": "memory: is not a pinpad's memory"}
    assert len(desk.get("/journal").json()) == 1


def test_a_reset_forgets_everything(desk: Served) -> None:
    desk.put("/card", {"card": "mir-contactless"})
    desk.put("/faults/slow", {"phrase": "line: slow 19200 baud"})
    assert desk.sale() == 0
    state = desk.post("/reset").json()
    assert (state["card"], state["faults"], state["day"]["slips"]) == (None, 0, 0)
    for path in ("/journal", "/exchanges", "/receipts"):
        assert desk.get(path).json() == []
    books = desk.get("/bank/ledger").json()
    assert (books["operations"], books["balances"]["mir-contactless"]) == ([], 10_000_000)
    desk.put("/card", {"card": "mir-contactless"})
    assert desk.sale() == 0
    assert desk.get("/bank/ledger").json()["agree"] is True


def test_events_are_numbered_and_go_on(desk: Served) -> None:
    desk.put("/card", {"card": "mir-contactless"})
    assert desk.sale() == 0
    told = desk.get("/events?follow=false")
    assert told.headers["content-type"].startswith("text/event-stream")
    blocks = [block.split("\n") for block in told.text.strip().split("\n\n")]
    numbers = [int(block[0].removeprefix("id: ")) for block in blocks]
    assert numbers == list(range(1, len(numbers) + 1))
    records = [json.loads(block[2].removeprefix("data: ")) for block in blocks]
    assert {"frame", "message", "state", "screen", "bank", "unit"} <= {one["kind"] for one in records}
    assert all(one["words"] is not None and "because" in one for one in records)
    rest = desk.get("/events?follow=false", headers={"last-event-id": str(numbers[-3])}).text
    assert rest.startswith(f"id: {numbers[-2]}\n")
    assert rest.count("id: ") == 2
    assert desk.get("/events?follow=false&after=999999").text == told.text


def test_no_answer_holds_a_card_number_a_track_or_a_pin(desk: Served) -> None:
    pin = "918172635449"
    desk.put("/card", {"card": "mir-chip", "pin": pin})
    register = desk.register("sale", "1.00")
    desk.get("/state?asks=pin&within=20s")
    desk.post("/clock", {"by": "10m"})
    over(register)
    desk.put("/card", {"card": "mir-contactless"})
    assert desk.sale() == 0
    paths = "state screen cards journal receipts exchanges memory bank/ledger faults scenario"
    told = "".join(desk.get(f"/{path}").text for path in [*paths.split(), "events?follow=false"])
    for secret in ("2200123456789019", b"2200123456789019".hex(), "234567", pin, pin.encode().hex()):
        assert secret not in told


def test_what_does_not_come_in_time_is_told(desk: Served) -> None:
    answer = desk.get("/state?asks=card&within=50ms")
    assert answer.status_code == 409
    assert answer.json() == {
        "error": "asks=card: not so within 50ms; the terminal is in the state «idle», asks for nothing, and "
        "its screen says «ДОБРО ПОЖАЛОВАТЬ»"
    }
    assert desk.get("/state?asks=card&within=61s").status_code == 422


def test_cards_and_the_table(desk: Served) -> None:
    cards = {one["name"]: one for one in desk.get("/cards").json()}
    assert cards["mir-chip"]["number"] == "220012******9019"
    assert (cards["mir-contactless"]["how"], cards["mastercard-magstripe"]["how"]) == ("tap", "swipe")
    table = desk.get("/diagram").json()
    assert {"source": "idle", "target": "card prompt"}.items() <= {
        key: value
        for arrow in table["arrows"]
        if (arrow["source"], arrow["target"]) == ("idle", "card prompt")
        for key, value in arrow.items()
    }.items()
    assert {"name": "PIN entry", "timer": "pin"} in table["states"]


def test_paper(desk: Served) -> None:
    assert desk.put("/paper", {"loaded": False}).json() == {"loaded": False}
    assert desk.get("/state").json()["paper"] is False


SCENARIO = """\
format: 1
title: A declined sale
customer: {card: mir-contactless}
steps:
  - bank: decline 51
  - register: sale 100.00
  - expect: {answer: {39: 16}}
"""


def test_a_scenario_is_played_against_the_register_at_the_port(desk: Served) -> None:
    assert desk.get("/scenario").json()["title"] == ""
    told = desk.put("/scenario", {"yaml": SCENARIO}).json()
    assert (told["title"], told["playing"]) == ("A declined sale", True)
    assert desk.sale() == 1
    while desk.get("/scenario").json()["playing"]:
        desk.get("/state?asks=card&within=50ms")
    told = desk.get("/scenario").json()
    assert (told["passed"], told["problem"]) == (True, "")


def test_a_scenario_is_stopped(desk: Served) -> None:
    desk.put("/scenario", {"yaml": SCENARIO})
    assert desk.get("/state").json()["scenario"] == "A declined sale"
    assert [desk.delete("/scenario").status_code for _ in range(2)] == [NO_BODY, NO_BODY]
    assert desk.get("/scenario").json()["problem"] == "it was stopped"
    assert desk.get("/faults").json()["faults"] == []


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("scheme: pkh\n", "scheme is not as this pinpad's"),
        ("matrix: {a: [x, y]}\n", "its matrix makes 2 cases"),
        ("nonsense: 1\n", "is no key here"),
    ],
)
def test_a_scenario_that_needs_another_pinpad(desk: Served, more: str, told: str) -> None:
    answer = desk.put("/scenario", {"yaml": SCENARIO.replace("steps:", more + "steps:")})
    assert answer.status_code == 422
    assert told in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/state?ask=pin&within=20s", "ask: is no key here; is 'asks' meant? there is: asks, state"),
        ("/health?foo=1", "foo: is no key here; this resource has no queries"),
    ],
)
def test_a_query_that_is_none_is_told_at_once(desk: Served, path: str, says: str) -> None:
    answer = desk.get(path)
    assert (answer.status_code, says in answer.json()["error"]) == (422, True), answer.text


def test_a_fault_that_there_is_not_is_told_apart_from_a_path_that_there_is_not(desk: Served) -> None:
    desk.put("/faults/lost", {"phrase": "line: drop final"})
    assert desk.get("/faults/none").json() == {"error": "no fault has the name none; there is: lost"}
    assert desk.get("/nothing").json() == {"error": "there is nothing here"}
