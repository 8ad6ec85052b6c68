"""The power of a pinpad that is served: put by a story and by the API at once, with its port taken."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from smartsale_emu.control import Pinpad
from smartsale_emu.errors import PortError
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.sa.framing import encode_frame
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.commands import BLINK
from smartsale_emu.units import Millis
from tests.control.api_kit import DEADLINE, Served, over, served

SALE = encode_frame(Message.of({0: "10000", 4: "643", 25: "1"}).encode())
DARK = "format: 1\ntitle: dark\nsteps:\n  - power: cut for {time}\n  - paper: out\n"
SPOILS = (
    "format: 1\ntitle: spoils\nsteps:\n  - paper: out\n  - memory: full\n  - line: drop ack of final\n"
    "  - power: cut before Print\n  - expect: {screen: never}\n    when: screen says never\n"
)


@pytest.fixture
def api() -> Iterator[Served]:
    with served() as one:
        yield one


@contextlib.contextmanager
def port_taken(api: Served) -> Iterator[None]:
    """Take its port while it has no power."""
    port = int(api.pinpad.port.rpartition(":")[2])
    assert api.put("/power", {"on": False}).json()["on"] is False
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        yield


def play(api: Served, story: str) -> None:
    assert api.put("/scenario", {"yaml": story}).status_code == 200


def wait_for_end(api: Served) -> dict[str, object]:
    """Wait until the scenario is over."""
    api.pinpad.world.run(lambda: not api.service.stories.playing, within=10_000)
    told: dict[str, object] = api.get("/scenario").json()
    assert told["playing"] is False
    return told


def test_a_pinpad_whose_port_is_taken_stays_without_power_and_can_be_switched_on_later(api: Served) -> None:
    with port_taken(api):
        refused = api.put("/power", {"on": True})
        assert (refused.status_code, "in use" in refused.json()["error"]) == (409, True)
        assert api.get("/power").json() == {"on": False, "back_in_ms": None}
    assert api.put("/power", {"on": True}).json()["on"] is True
    assert api.get("/state").json()["state"] == "idle"


def test_a_pinpad_that_cannot_come_back_says_why(api: Served) -> None:
    with port_taken(api):
        assert api.put("/power", {"on": False, "for": "10ms"}).json()["back_in_ms"] is not None
        api.pinpad.world.run(lambda: api.pinpad.back_in is None, within=5_000)
        assert api.get("/power").json() == {"on": False, "back_in_ms": None}
    told = [event.text for event in api.pinpad.log.since(0)]
    assert any("cannot come back" in text and "in use" in text for text in told)


def test_power_that_is_there_already_changes_nothing(api: Served) -> None:
    before = api.pinpad.world.emulator
    assert api.put("/power", {"on": True}).json()["on"] is True
    assert api.pinpad.world.emulator is before


def test_a_story_and_the_api_switch_on_at_once(api: Served) -> None:
    play(api, DARK.format(time="300ms"))
    api.pinpad.world.run(lambda: not api.pinpad.on, within=5_000)
    assert api.put("/power", {"on": True}).json()["on"] is True
    assert wait_for_end(api)["passed"] is True
    assert api.get("/state").json()["on"] is True


def test_many_who_switch_at_once(api: Served) -> None:
    def switch(number: int) -> None:
        for turn in range(5):
            if (number + turn) % 2:
                api.pinpad.power_on()
            else:
                api.pinpad.cut(Millis(1))

    threads = [threading.Thread(target=switch, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    api.pinpad.power_on()
    assert api.get("/state").json()["state"] == "idle"


def test_a_story_that_is_stopped_in_the_dark_leaves_the_power_on(api: Served) -> None:
    play(api, DARK.format(time="1h"))
    api.pinpad.world.run(lambda: not api.pinpad.on, within=5_000)
    assert api.delete("/scenario").status_code == 204
    assert api.get("/power").json() == {"on": True, "back_in_ms": None}
    assert api.get("/scenario").json()["problem"] == "it was stopped"


def test_a_pinpad_that_somebody_has_switched_off_stays_off_when_a_story_is_stopped(api: Served) -> None:
    play(api, SPOILS)
    api.put("/power", {"on": False})
    api.delete("/scenario")
    assert api.get("/power").json()["on"] is False


@pytest.mark.parametrize("ends", [True, False], ids=["ended", "stopped"])
def test_what_a_story_has_let_go_wrong_ends_with_it(api: Served, ends: bool) -> None:
    api.put("/faults/mine", {"phrase": "bank: decline 51 to settlement"})
    step = "paper: in" if ends else "expect: {screen: never}\n    when: screen says never"
    play(api, f"format: 1\ntitle: bank down\nsteps:\n  - bank: down\n  - memory: full\n  - {step}\n")
    if ends:
        assert wait_for_end(api)["passed"] is True
    else:
        api.pinpad.world.run(lambda: api.pinpad.disk_full, within=5_000)
        api.delete("/scenario")
    assert [one["armed"] for one in api.get("/faults").json()["faults"]] == [True]
    api.put("/card", {"card": "mir-contactless"})
    assert api.sale() == 0


def test_a_story_that_is_stopped_leaves_nothing_that_goes_wrong(api: Served) -> None:
    play(api, SPOILS)
    api.pinpad.world.run(lambda: api.pinpad.world.cut_before is not None, within=5_000)
    assert api.get("/state").json()["paper"] is False
    api.delete("/scenario")
    assert api.get("/state").json()["paper"] is True
    assert (api.pinpad.world.cut_before, api.pinpad.disk_full) == (None, False)
    api.put("/card", {"card": "mir-contactless"})
    assert api.sale() == 0


@pytest.mark.parametrize("path", ["/memory", "/reset"])
def test_a_story_is_stopped_by_what_makes_the_pinpad_another(api: Served, path: str) -> None:
    memory = api.get("/memory").json()
    play(api, SPOILS)
    answer = api.put(path, memory) if path == "/memory" else api.post(path)
    assert answer.status_code < 300
    assert api.get("/scenario").json()["problem"] == "it was stopped"
    assert api.get("/power").json()["on"] is True


def test_of_many_stories_that_begin_at_once_one_is_played(api: Served) -> None:
    threads = [threading.Thread(target=play, args=(api, SPOILS)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert api.get("/scenario").json()["playing"] is True
    api.delete("/scenario")
    told = [event.text for event in api.pinpad.log.since(0)]
    api.pinpad.world.run(lambda: False, within=100)
    assert len(api.pinpad.log.since(len(told))) == 0
    assert api.get("/scenario").json()["playing"] is False


def test_paper_that_is_out_is_out_after_a_power_cut(api: Served) -> None:
    api.put("/paper", {"loaded": False})
    api.put("/power", {"on": False})
    api.put("/power", {"on": True})
    assert api.get("/state").json()["paper"] is False


def test_an_absence_ends_when_the_clock_is_put_forward(api: Served) -> None:
    api.put("/power", {"on": False, "for": "1h"})
    api.post("/clock", {"by": "59m"})
    assert api.get("/power").json()["on"] is False
    api.post("/clock", {"by": "2m"})
    assert api.get("/power").json() == {"on": True, "back_in_ms": None}


def test_time_passes_for_a_pinpad_without_power_that_was_busy() -> None:
    with Pinpad("tcp:127.0.0.1:0", terminal_set={"timers.card_ms": "3000"}) as pinpad:
        host, _, port = pinpad.port.removeprefix("socket://").partition(":")
        with socket.create_connection((host, int(port))) as line:
            line.sendall(SALE)
            pinpad.expect_screen("КАРТ")
            pinpad.close()
            pinpad.clock.advance("24h")
        pinpad.start()


def test_a_pinpad_whose_port_is_taken_is_refused_once_and_can_start_later() -> None:
    with Pinpad("tcp:127.0.0.1:0") as first:
        port = first.port.rpartition(":")[2]
        second = Pinpad(f"tcp:127.0.0.1:{port}")
        with pytest.raises(PortError):
            second.start()
    with second:
        assert second.state == "idle"


def test_a_bank_behind_the_register_listens_as_long_as_its_pinpad_is_there() -> None:
    with Pinpad("tcp:127.0.0.1:0", scheme="pkh") as pinpad:
        bank = pinpad._live._bank._address
        pinpad.restart()
        socket.create_connection(bank, timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(bank, timeout=5)
    with pinpad:
        socket.create_connection(bank, timeout=5).close()


def test_reset_and_faults_at_once_do_not_wait_for_each_other(api: Served) -> None:
    def reset() -> None:
        for _ in range(10):
            api.pinpad.reset()

    def cut() -> None:
        for _ in range(10):
            api.pinpad.faults.do("power: cut for 1ms")

    threads = [threading.Thread(target=act, daemon=True) for act in (reset, cut, reset, cut)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert not any(thread.is_alive() for thread in threads)


def test_a_message_that_is_late_does_not_reach_a_bank_that_is_new(api: Served) -> None:
    api.put("/faults/late", {"phrase": "bank: late arrival 300ms to money"})
    api.put("/card", {"card": "mir-contactless"})
    register = api.register("sale", "100.00")
    api.pinpad.world.run(lambda: api.pinpad.world.bank_messages > 0, within=5_000)
    api.post("/reset")
    over(register)
    api.pinpad.world.rest(500)
    ledger = api.get("/bank/ledger").json()
    assert (ledger["operations"], ledger["agree"]) == ([], True)


def test_a_card_that_is_taken_away_before_it_is_presented_is_not_presented(api: Served) -> None:
    card = api.pinpad.stage.card("mir-contactless")
    api.pinpad.world.cardholder = Cardholder(card, card_after=Millis(200))
    register = api.register("sale", "100.00")
    api.pinpad.world.run(lambda: api.pinpad.world.asked is not None, within=5_000)
    assert api.delete("/card").status_code == 204
    api.pinpad.world.rest(400)
    assert api.get("/state").json()["asks"] == "card"
    api.post("/keys", {"key": "cancel"})
    assert over(register)[0] == 1
    assert api.get("/bank/ledger").json()["operations"] == []


def test_a_clock_that_is_put_forward_far_holds_up_nobody(api: Served) -> None:
    api.put("/card", {"card": "mir-contactless"})
    api.put("/faults/owed", {"phrase": "bank: unreachable to every reversal"})
    api.put("/faults/lost", {"phrase": "line: drop every ack of final"})
    over(api.register("sale", "100.00"))
    api.post("/clock", {"by": "60s"})
    assert api.get("/state").json()["owes"]
    jump = threading.Thread(target=api.post, args=("/clock", {"by": "365d"}), daemon=True)
    jump.start()
    assert api.put("/power", {"on": False}).json()["on"] is False
    jump.join(DEADLINE)
    assert not jump.is_alive()


def test_while_it_is_dark_the_memory_is_what_its_disk_holds(api: Served) -> None:
    api.put("/card", {"card": "mir-contactless"})
    assert api.sale() == 0
    api.put("/power", {"on": False})
    assert api.get("/state").json()["state"] == "idle"
    assert len(api.get("/journal").json()) == 1
    memory = api.get("/memory").json()
    assert api.put("/memory", memory).status_code == 204
    assert api.get("/bank/ledger").json()["agree"] is True


def test_a_cut_that_never_came_does_not_make_the_next_one_longer(api: Served) -> None:
    api.put("/faults/cut", {"phrase": "power: cut at settling for 1h"})
    api.put("/power", {"on": False})
    api.put("/power", {"on": True})
    assert api.pinpad.world.away == BLINK


@pytest.mark.parametrize("wrong", ["bank: hangs", "bank: no MAC to money"])
def test_faults_of_which_one_cannot_be_change_nothing(wrong: str) -> None:
    with served(scheme="pkh") as api:
        api.put("/faults/mine", {"phrase": "line: drop 9th final"})
        given = {"faults": {"new": "bank: decline 51", "wrong": wrong, "slow": "line: slow to 300 baud"}}
        assert api.put("/faults", given).status_code == 422
        assert [one["name"] for one in api.get("/faults").json()["faults"]] == ["mine"]
        api.put("/card", {"card": "mir-contactless"})
        assert api.sale() == 0


def test_what_is_delayed_on_the_line_does_not_reach_the_next_connection(api: Served) -> None:
    api.put("/faults/late", {"phrase": "line: delay wait by 300ms"})
    host, _, port = api.pinpad.port.removeprefix("tcp:").rpartition(":")
    with socket.create_connection((host, int(port))) as first:
        first.sendall(SALE)
        assert first.recv(1) == b"\x06"
    with socket.create_connection((host, int(port)), timeout=0.6) as second, pytest.raises(TimeoutError):
        second.recv(1)


def test_a_clock_that_two_put_to_one_moment_gets_there_once(api: Served) -> None:
    moment = api.get("/clock").json()["ms"] + 3_600_000
    threads = [threading.Thread(target=api.put, args=("/clock", {"ms": moment})) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert api.get("/clock").json()["ms"] < moment + 1_800_000


def test_a_scenario_that_does_not_stop_is_not_told_to_have_stopped(
    api: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(api, SPOILS)
    telling = api.service.stories._telling
    asked_to_stop, telling.stop = telling.stop, threading.Event()  # it looks at the other one
    monkeypatch.setattr("smartsale_emu.control.story_teller._STOPS_WITHIN", 0.1)
    assert api.delete("/scenario").status_code == 409
    assert api.put("/scenario", {"yaml": SPOILS}).status_code == 409
    assert api.get("/scenario").json()["playing"] is True
    asked_to_stop.set()
    assert wait_for_end(api)["problem"] == "it was stopped"


def test_a_bank_behind_the_register_gives_its_port_back_although_nobody_has_used_it() -> None:
    pinpad = Pinpad("tcp:127.0.0.1:0", scheme="pkh")
    bank = pinpad._live._bank
    pinpad.close()
    assert bank._bound is None
    with pinpad:
        socket.create_connection(bank._address, timeout=5).close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no process")
def test_a_process_that_was_forked_has_pinpads_of_its_own() -> None:
    script = (
        "import os; from smartsale_emu.control import Pinpad\n"
        "make = lambda: Pinpad('tcp:127.0.0.1:0').start().close()\n"
        "make(); child = os.fork()\n"
        "make()\n"
        "os._exit(0) if child == 0 else print(os.waitpid(child, 0)[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=DEADLINE
    )
    assert done.stdout.strip() == "0"
