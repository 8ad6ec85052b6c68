"""Registers of the field against a headless pinpad, over a pseudo-terminal and over TCP alike."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("SIGTERM and pseudo-terminals are not Windows's", allow_module_level=True)

from e2e_kit import QUICK, Server, bank_kept, ledger, memory_of, pinpad, settled, until
from foreign_till import ACK, EOT, LINK_TEST, NAK, SALE, Fields, Gone, Till, Wire, fields_of, frame

TRANSPORTS = {"pty": "pty:", "tcp": "tcp:127.0.0.1:0"}
Capture = pytest.CaptureFixture[str]


@pytest.fixture(params=TRANSPORTS)
def port(request: pytest.FixtureRequest) -> str:
    return TRANSPORTS[request.param]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def served(port: str, state: Path) -> Iterator[Server]:
    """A quick pinpad at the true speed."""
    with pinpad(state, port=port) as server:
        yield server


@pytest.fixture
def hurried(port: str, state: Path) -> Iterator[Server]:
    """A quick pinpad whose seven seconds are a third of one."""
    with pinpad(state, *QUICK, "--speed", "20", port=port) as server:
        yield server


def approved(answer: Fields) -> bool:
    return answer[39] == b"1" and answer[25] == b"1" and answer[0] == b"1200"


def final_copies(till: Till) -> int:
    """Count the frames that end a final answer: a whole one, or the last of several blocks."""
    wholes = [unit for unit in till.seen if unit[:1] == b"\x02" and fields_of(unit[3:-2])[25] != b"21"]
    lasts = [
        unit for unit in till.seen if unit[:1] == b"\x01" and fields_of(unit[5 : 5 + unit[3]])[2] == b"0"
    ]
    return len(wholes) + len(lasts)


def test_a_tidy_register(served: Server, state: Path, capsys: Capture) -> None:
    till = Till(Wire(served.port))
    assert till.ask(LINK_TEST)[39] == b"1"
    assert approved(till.ask(SALE))
    assert till.seen.count(ACK) == 2
    till.wire.close()
    until(lambda: settled(state), "the ACK of the final")
    assert bank_kept(state) == (1, 1200)
    assert ledger(capsys, state)["agree"] is True


def test_a_register_that_sends_byte_by_byte(served: Server) -> None:
    till = Till(Wire(served.port), byte_by_byte=True)
    assert approved(till.ask(SALE))
    assert approved(till.ask(SALE))
    till.wire.close()


def test_an_ack_that_comes_five_seconds_late(port: str, state: Path) -> None:
    with pinpad(state, *QUICK, "--speed", "10", port=port) as server:
        till = Till(Wire(server.port), ack_after=5 / 10)
        assert approved(till.ask(SALE))
        till.ack_after = 0
        assert till.ask(LINK_TEST)[25] == b"26"
        till.wire.close()
        until(lambda: settled(state), "the ACK of the final")
        assert bank_kept(state) == (1, 1200)


@pytest.mark.parametrize("farewell", [ACK, ACK + EOT], ids=["ACK", "ACK EOT"])
def test_what_a_register_says_to_the_final_answer(served: Server, state: Path, farewell: bytes) -> None:
    till = Till(Wire(served.port), farewell=farewell)
    for _ in range(3):
        assert approved(till.ask(SALE))
        assert till.ask(LINK_TEST)[39] == b"1"
    till.wire.close()
    until(lambda: settled(state), "the ACK of the final")
    assert bank_kept(state) == (3, 3600)


def test_a_register_that_never_closes_the_port(served: Server, state: Path) -> None:
    till = Till(Wire(served.port))
    for _ in range(5):
        assert approved(till.ask(SALE))
    until(lambda: settled(state), "the ACK of the final")
    assert bank_kept(state) == (5, 6000)
    till.wire.close()


def test_a_register_that_reopens_for_every_operation(served: Server, state: Path) -> None:
    for count in range(1, 6):
        till = Till(Wire(served.port), farewell=ACK + EOT)
        assert approved(till.ask(SALE))
        till.wire.close()
        until(lambda: settled(state), "the ACK of the final")
        assert bank_kept(state) == (count, 1200 * count)


def test_an_ack_and_the_next_request_in_one_write(served: Server) -> None:
    till = Till(Wire(served.port), farewell=ACK + frame(SALE))
    assert till.ask(LINK_TEST)[25] == b"26"
    till.farewell = ACK
    assert approved(till.answer())
    till.wire.close()


def test_the_same_request_twice_in_one_write_runs_once(served: Server, state: Path) -> None:
    till = Till(Wire(served.port))
    till.write(frame(SALE) + frame(SALE))
    assert approved(till.answer())
    assert till.ask(LINK_TEST)[25] == b"26"
    assert (till.seen.count(ACK), till.seen.count(NAK)) == (3, 0)
    until(lambda: settled(state), "the ACK of the final")
    assert bank_kept(state) == (1, 1200)
    till.wire.close()


def test_two_requests_in_one_write_the_second_takes_over(
    served: Server, state: Path, capsys: Capture
) -> None:
    till = Till(Wire(served.port))
    till.write(frame(SALE) + frame(LINK_TEST))
    assert till.answer()[25] == b"26"
    till.wire.close()
    until(lambda: settled(state), "the end of the sale")
    assert bank_kept(state) == (0, 0)
    assert ledger(capsys, state)["agree"] is True


def test_a_final_answer_that_nobody_acknowledges_is_sent_three_times_and_undone(
    hurried: Server, state: Path, capsys: Capture
) -> None:
    till = Till(Wire(hurried.port), farewell=b"")
    assert approved(till.ask(SALE))
    for unit in till.units():
        if unit == EOT:
            break
    assert (final_copies(till), till.seen[-1]) == (3, EOT)
    until(lambda: bank_kept(state) == (0, 0), "the emergency reversal")
    until(lambda: settled(state), "the end of the reversal")
    till.farewell = ACK
    assert till.ask(LINK_TEST)[25] == b"26"
    till.wire.close()
    report = ledger(capsys, state)
    assert report["agree"] is True
    assert memory_of(state)["last"]["reversed_by"] == "pinpad"  # type: ignore[index]


def test_eot_in_answer_to_the_first_copy_undoes_the_sale(
    served: Server, state: Path, capsys: Capture
) -> None:
    till = Till(Wire(served.port), farewell=EOT)
    assert approved(till.ask(SALE))
    until(lambda: memory_of(state)["last"] and settled(state), "the emergency reversal")
    assert bank_kept(state) == (0, 0)
    assert ledger(capsys, state)["agree"] is True
    till.wire.close()


def test_a_register_that_leaves_while_the_bank_is_asked_and_comes_back(
    served: Server, state: Path, capsys: Capture
) -> None:
    for _ in range(3):
        till = Till(Wire(served.port))
        till.write(frame(SALE))
        next(till.units())  # the ACK of the request, and away
        till.wire.close()
        back = Till(Wire(served.port))
        assert back.ask(LINK_TEST)[25] == b"26"
        back.wire.close()
    until(lambda: settled(state), "the reversals")
    assert bank_kept(state) == (0, 0)
    assert ledger(capsys, state)["agree"] is True


def test_nothing_of_a_lost_answer_is_read_by_the_one_who_opens_next(
    hurried: Server, port: str, state: Path
) -> None:
    """The close is seen. A bare descriptor: pyserial drops unread input and would hide a stale answer."""
    lost = Till(Wire(hurried.port, bare=True))
    lost.write(frame(SALE))
    until(lambda: not settled(state), "the bank's answer")
    lost.wire.close()  # without having read one byte
    until(lambda: settled(state), "the emergency reversal")
    assert only_its_own_answer(Till(Wire(hurried.port, bare=True)))
    assert bank_kept(state) == (0, 0)


def test_nothing_of_a_lost_answer_is_read_by_one_who_keeps_the_port_open(
    hurried: Server, port: str, state: Path
) -> None:
    """The missing ACK tells, and what was not read is dropped where the system can: not on a connection."""
    till = Till(Wire(hurried.port, bare=True))
    till.write(frame(SALE))
    until(lambda: not settled(state), "the bank's answer")
    until(lambda: settled(state), "the emergency reversal")
    assert bank_kept(state) == (0, 0)
    if port == "pty:":
        assert only_its_own_answer(till)
    else:
        till.farewell = b""
        while till.seen[-1:] != [EOT]:
            next(till.units())
        till.farewell = ACK
        assert only_its_own_answer(till)


def only_its_own_answer(till: Till) -> bool:
    """Run a link test: not one byte of another operation may come; an EOT of the last session may."""
    before = len(till.seen)
    assert till.ask(LINK_TEST)[25] == b"26"
    till.wire.close()
    acknowledged, *frames = [unit for unit in till.seen[before:] if unit != EOT]
    return acknowledged == ACK and [operation_of(unit) for unit in frames] in ([b"26"], [b"21", b"26"])


def operation_of(unit: bytes) -> bytes:
    """Return field 25 of a whole frame; nothing of a block or a control byte."""
    return fields_of(unit[3:-2])[25] if unit[:1] == b"\x02" else b""


def test_a_second_connection_while_an_operation_runs_is_closed_untouched(state: Path) -> None:
    slow = ("--card", "mir-chip", "--pin", "1234", "--card-delay", "3600")
    with pinpad(state, *slow, port="tcp:127.0.0.1:0") as server:
        first = Till(Wire(server.port))
        first.write(frame(SALE))
        units = first.units()
        assert next(units) == ACK
        assert fields_of(next(units)[3:-2])[25] == b"21"
        second = Wire(server.port)
        with pytest.raises(Gone):
            second.read(10)
        second.close()
        first.write(ACK + EOT)
        first.wire.close()


def test_two_registers_at_once_on_two_pinpads_do_not_meet(tmp_path: Path) -> None:
    with pinpad(tmp_path / "a") as one, pinpad(tmp_path / "b", port="tcp:127.0.0.1:0") as other:
        answers: list[bool] = []

        def sell(port: str) -> None:
            till = Till(Wire(port))
            answers.extend(approved(till.ask(SALE)) for _ in range(5))
            till.wire.close()

        threads = [threading.Thread(target=sell, args=(server.port,)) for server in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [True] * 10
