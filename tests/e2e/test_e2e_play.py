"""Scenarios on real ports against registers of their own, and sessions that are recorded and played again."""

import contextlib
import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("SIGTERM and pseudo-terminals are not Windows's", allow_module_level=True)

from e2e_kit import DEADLINE, PACKAGE_PARENT, Desk, Server, environment, memory_of, run_cli, settled, until
from foreign_till import ACK, EOT, Fields, Gone, Till, Wire, fields_of, frame
from small_till import SmallTill

SALE: Fields = {0: b"120000", 4: b"643", 25: b"1"}
LINK_TEST: Fields = {25: b"26", 27: b""}
HEAD = 'format: 1\ntitle: A story on a real port\nterminal: {set: {line.ack_timeout_ms: "400"}}\nsteps:\n'
PKH = HEAD.replace('{line.ack_timeout_ms: "400"}}', '{timers.bank_answer_ms: "700"}}\nscheme: pkh')
PAY = """\
  - register: sale 1200.00
    name: first
  - card: insert mir-chip
  - pin: 1234
"""
PAID = '  - expect: {outcome: answered, answer: {39: "1", 0: "120000"}, bank: {net: 1200.00}}\n'
BACK = '  - register: reversal 1200.00\n  - expect: {answer: {39: "1"}, bank: {net: 0.00, reversed: 1}}\n'


class Stage:
    """``play --port`` as a process; ``link``: what a register opens."""

    def __init__(self, folder: Path, text: str, port: str, *options: str) -> None:
        self.file, self.report = folder / "story.yaml", folder / "report.json"
        self.file.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "smartsale_emu", "play", str(self.file), "--port", port]
        self._err = (folder / "stderr").open("w+b")
        self.process = subprocess.Popen(
            [*command, "--json", str(self.report), *options],
            stdout=subprocess.PIPE,
            stderr=self._err,
            env=environment(),
            cwd=PACKAGE_PARENT,
        )
        assert self.process.stdout is not None
        self._out, self._told = self.process.stdout, b""
        self.link = self.ready()

    def ready(self) -> str:
        """Wait for the next READY and return the port's name."""
        deadline = time.monotonic() + DEADLINE
        while not (found := re.search(rb"READY port=(.*)\n", self._told)):
            left = max(0.0, deadline - time.monotonic())
            data = os.read(self._out.fileno(), 4096) if select.select([self._out], [], [], left)[0] else b""
            assert data, f"no READY: {self._told!r} {self.errors()}"
            self._told += data
        self._told = self._told[found.end() :]
        return found[1].decode()

    def errors(self) -> str:
        self._err.seek(0)
        return self._err.read().decode()

    def end(self) -> tuple[int, str]:
        """Wait until the story is over; returns the status and what was told since the last READY."""
        told, _ = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, (self._told + told).decode()

    def must_pass(self) -> str:
        status, told = self.end()
        assert status == 0, told
        assert "1 of 1 scenarios passed" in told
        return told

    def must_fail(self, because: str) -> str:
        status, told = self.end()
        assert status == 1, told
        assert because in told
        (case,) = json.loads(self.report.read_text(encoding="utf-8"))["scenarios"]
        assert because in case["failure"]["came"]
        return told

    def bury(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._out.close()
        self._err.close()


@contextlib.contextmanager
def played(folder: Path, steps: str, *options: str, port: str = "", head: str = HEAD) -> Iterator[Stage]:
    stage = Stage(folder, head + steps, port or f"pty:{folder / 'pinpad'}", *options)
    try:
        yield stage
    finally:
        stage.bury()


def test_sigterm_takes_the_port_back(tmp_path: Path) -> None:
    with played(tmp_path, PAY) as stage:
        stage.process.terminate()
        assert stage.end()[0] == 130
        assert not (tmp_path / "pinpad").is_symlink()
        assert stage.errors() == ""


def test_a_register_of_fifty_lines(tmp_path: Path) -> None:
    """pyserial and the protocol's description are enough to play against."""
    answered = '  - expect: {answer: {39: "1", 0: "120000"}}\n'  # and no more: it asks again at once
    with played(tmp_path, PAY + answered + BACK) as stage:
        till = SmallTill(stage.link)
        sale = till.ask(SALE)
        assert (sale[39], sale[0]) == (b"1", b"120000")
        assert till.ask({**SALE, 25: b"53"})[39] == b"1"
        stage.must_pass()


def test_a_register_that_lends_its_way_to_the_bank(tmp_path: Path) -> None:
    """Scheme ПКХ: the bank listens on a port of its own, and errs there too."""
    undone = '  - expect: {answer: {39: "53"}, bank: {net: 0.00, reversed: 1}}\n'
    lost = f"  - bank: no answer to money\n{PAY}{undone}"
    again = PAY.replace("name: first", "name: second")
    with played(tmp_path, lost + again + PAID, head=PKH) as stage:
        desk = Desk(stage.link)
        desk.refused(53, "sale", "1200.00")
        desk.done("sale", "1200.00")
        stage.must_pass()


class TestAgainstOurRegister:
    """Every operation is a process of its own."""

    def test_a_sale_with_card_and_pin_and_what_refers_to_it(self, tmp_path: Path) -> None:
        steps = f"{PAY}{PAID}  - register: void 1200.00 rrn=${{first.rrn}}\n  - card: insert mir-chip\n"
        steps += '  - expect: {answer: {39: "1"}, receipt: [ОТМЕНА], bank: {net: 0.00}, memory: {owes: no}}\n'
        with played(tmp_path, steps, "-v") as stage:
            assert stage.link == str(tmp_path / "pinpad")
            desk = Desk(stage.link)
            sale = desk.done("sale", "1200.00")
            desk.done("void", "1200.00", *sale.reference)
            told = stage.must_pass()
        assert "step 3  pin: 4 digits" in told
        assert "1234" not in told
        assert not (tmp_path / "pinpad").exists()

    def test_a_pin_that_is_wrong_at_first(self, tmp_path: Path) -> None:
        steps = PAY.replace("pin: 1234", "pin: wrong") + "  - pin: 1234\n    when: screen says НЕВЕРНЫЙ\n"
        with played(tmp_path, steps + PAID) as stage:
            Desk(stage.link).done("sale", "1200.00")
            stage.must_pass()

    def test_the_register_asks_for_something_else(self, tmp_path: Path) -> None:
        with played(tmp_path, PAY + PAID) as stage:
            asked = run_cli("register", "sale", "1199.00", "--port", stage.link)
            told = stage.must_fail("the register asked with field 0 = 119900, not 120000")
        assert asked.returncode == 1
        assert "step 1 of 4" in told

    def test_another_operation(self, tmp_path: Path) -> None:
        with played(tmp_path, PAY + PAID) as stage:
            assert run_cli("register", "test", "--port", stage.link).returncode == 1
            stage.must_fail("the register asked with field 25 = 26, not 1")

    def test_what_is_expected_does_not_come(self, tmp_path: Path) -> None:
        with played(tmp_path, PAY + PAID.replace('39: "1"', '39: "16"')) as stage:
            Desk(stage.link).done("sale", "1200.00")
            told = stage.must_fail("field 39 is '1', not 16")
        assert "step 4 of 4" in told
        assert f"again: smartsale-emu play {tmp_path / 'story.yaml'} --seed 1" in told

    def test_the_ack_of_the_final_is_lost(self, tmp_path: Path) -> None:
        """The register has the answer and the pinpad does not know: it takes the money back."""
        taken = "  - expect: {outcome: answered, memory: {owes: no}, bank: {reversed: 1, net: 0.00}}\n"
        with played(tmp_path, f"  - line: drop ack of final\n{PAY}{taken}{BACK}") as stage:
            desk = Desk(stage.link)
            desk.done("sale", "1200.00")
            desk.done("reversal", "1200.00")
            stage.must_pass()

    def test_the_bank_declines(self, tmp_path: Path) -> None:
        no = '  - expect: {answer: {39: "16", 15: any}, bank: {declined: 1, net: 0.00}}\n'
        with played(tmp_path, f"  - bank: decline 51\n{PAY}{no}") as stage:
            Desk(stage.link).refused(16, "sale", "1200.00")
            stage.must_pass()

    @pytest.mark.parametrize(
        "cut",
        [
            "cut for 200ms\n    when: bank is asked",
            "cut at bank answer for 200ms",
            "cut before CallHost for 200ms\n    when: PIN is asked",
        ],
        ids=["when asked", "at a state", "before an effect"],
    )
    def test_the_power_is_cut_and_the_register_asks_what_became_of_it(self, cut: str, tmp_path: Path) -> None:
        pay = PAY
        if "before" in cut:
            pay = PAY.replace("  - pin", f"  - power: {cut}\n  - pin")
        else:
            pay += f"  - power: {cut}\n"
        gone = "  - expect: {outcome: no answer, memory: {owes: no}, bank: {net: 0.00}}\n"
        told_so = "  - register: reversal 1200.00\n  - expect: {answer: {39: any}, bank: {net: 0.00}}\n"
        with played(tmp_path, pay + gone + told_so) as stage:
            desk = Desk(stage.link)
            lost = run_cli("register", "sale", "1200.00", "--port", stage.link)
            assert lost.returncode == 1
            assert stage.ready() == stage.link, "it is back, under the same name"
            desk.ask("reversal", "1200.00")
            stage.must_pass()

    def test_its_memory_is_full_for_a_while(self, tmp_path: Path) -> None:
        """Where it must write and cannot, it stops; it is back when it can."""
        pay = PAY.replace("  - pin", "  - memory: full\n    when: PIN is asked\n  - pin")
        pay += "  - memory: free\n    after: 500ms\n"
        gone = "  - expect: {outcome: no answer, memory: {owes: no}, bank: {net: 0.00}}\n"
        with played(tmp_path, pay + gone) as stage:
            assert run_cli("register", "sale", "1200.00", "--port", stage.link).returncode == 1
            stage.must_pass()


class TestAgainstAForeignRegister:
    """It shares no code with the package (`foreign_till`); over a pseudo-terminal and over TCP."""

    @pytest.fixture(params=["pty:", "tcp:127.0.0.1:0"], ids=["pty", "tcp"])
    def port(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def test_a_sale(self, port: str, tmp_path: Path) -> None:
        passed = "  - expect: {line: [request, ack of request, wait, ack of wait, block, ack of block, "
        passed += "block, ack of block, final, ack of final], waits: '1'}\n"
        with played(tmp_path, PAY + PAID + passed, port=port) as stage:
            till = Till(Wire(stage.link))
            answer = till.ask(SALE)
            assert (answer[39], answer[0], answer[25]) == (b"1", b"120000", b"1")
            stage.must_pass()
            till.wire.close()

    @pytest.mark.parametrize("how", ["byte by byte", "in one write"])
    def test_units_are_told_however_they_are_cut(self, how: str, port: str, tmp_path: Path) -> None:
        """The ACK of an answer counts, also with the next request right behind it."""
        again = "  - register: test\n  - expect: {line: [request, ack of request, wait, ack of wait, "
        again += "final, ack of final]}\n"
        with played(tmp_path, f"{PAY}{PAID.replace('outcome: answered, ', '')}{again}", port=port) as stage:
            till = Till(Wire(stage.link), byte_by_byte=how == "byte by byte")
            if how == "in one write":
                till.farewell = ACK + frame(LINK_TEST)
                assert till.ask(SALE)[39] == b"1"
                till.farewell = ACK
                assert till.answer()[25] == b"26"
            else:
                assert till.ask(SALE)[39] == b"1"
                assert till.ask(LINK_TEST)[25] == b"26"
            stage.must_pass()
            till.wire.close()

    def test_a_request_that_is_cut_off_in_its_middle(self, port: str, tmp_path: Path) -> None:
        """Its beginning reaches the pinpad too, a moment later."""
        with played(tmp_path, PAY + PAID, port=port) as stage:
            till = Till(Wire(stage.link))
            whole = frame(SALE)
            till.write(whole[:9])
            time.sleep(0.3)  # the register's own pause, longer than the port's
            till.write(whole[9:])
            assert till.answer()[39] == b"1"
            status, told = stage.end()
            till.wire.close()
        assert status == 0, told

    def test_a_register_that_closes_instead_of_an_ack(self, port: str, tmp_path: Path) -> None:
        lost = "  - expect: {outcome: no answer, bank: {reversed: 1, net: 0.00}, memory: {owes: no}}\n"
        with played(tmp_path, PAY + lost + BACK, port=port) as stage:
            till = Till(Wire(stage.link), farewell=b"")
            till.ask(SALE)
            till.wire.close()
            again = Till(Wire(stage.link, bare=True) if port == "pty:" else Wire(stage.link))
            assert again.ask({**SALE, 25: b"53"})[39] == b"1"
            stage.must_pass()
            again.wire.close()

    def test_a_register_that_never_acknowledges(self, port: str, tmp_path: Path) -> None:
        """The pinpad gives it up and undoes the sale; the story does not wait for the register's own end."""
        lost = "  - expect: {outcome: no answer, bank: {reversed: 1, net: 0.00}, memory: {owes: no}}\n"
        with played(tmp_path, PAY + lost + BACK, port=port) as stage:
            till = Till(Wire(stage.link), farewell=b"")
            assert till.ask(SALE)[39] == b"1"
            assert EOT in till.units(within=DEADLINE)
            till.farewell = ACK
            assert till.ask({**SALE, 25: b"53"})[39] == b"1"
            stage.must_pass()
            till.wire.close()

    def test_a_wrong_request(self, port: str, tmp_path: Path) -> None:
        with played(tmp_path, PAY + PAID, port=port) as stage:
            till = Till(Wire(stage.link))
            with pytest.raises(Gone):
                till.ask({**SALE, 0: b"100"})
            stage.must_fail("the register asked with field 0 = 100, not 120000")
            till.wire.close()

    def test_a_final_that_is_lost_comes_again(self, port: str, tmp_path: Path) -> None:
        with played(tmp_path, f"  - line: drop final\n{PAY}{PAID}", port=port) as stage:
            till = Till(Wire(stage.link))
            assert till.ask(SALE)[39] == b"1"
            told = stage.must_pass()
            till.wire.close()
        assert "FAILED" not in told

    def test_the_power_is_cut(self, port: str, tmp_path: Path) -> None:
        gone = "  - expect: {outcome: no answer, bank: {net: 0.00}, memory: {owes: no}}\n"
        cut = "  - power: cut for 100ms\n    when: bank is asked\n"
        with played(tmp_path, PAY + cut + gone, port=port) as stage:
            till = Till(Wire(stage.link))
            with pytest.raises(Gone):
                till.ask(SALE)
            till.wire.close()
            stage.must_pass()


RECORDED = ("--card", "mir-chip", "--pin", "1234", "--card-delay", "0", "--pin-delay", "0")


class TestOfARecord:
    @pytest.fixture(scope="class")
    @classmethod
    def session(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A session of four operations, recorded: a sale, a decline, a lost answer, a settlement."""
        folder = tmp_path_factory.mktemp("recorded")
        file, state = folder / "session.yaml", folder / "state"
        server = Server(state, "run", "--port", "pty:", *RECORDED, "--record", str(file))
        try:
            desk = Desk(server.port)
            sale = desk.done("sale", "1200.00")
            declined = desk.ask("sale", "9000000.00")
            assert (declined.status, declined[39]) == (1, "16")
            lost = Till(Wire(server.port, bare=True), farewell=b"")
            assert lost.ask({**SALE, 0: b"3400"})[39] == b"1"
            lost.wire.close()
            until(lambda: settled(state), "the reversal of the lost sale")
            desk.done("settlement")
            assert memory_of(state)["day"] == 2
            assert sale[39] == "1"
        except BaseException:
            server.kill()
            raise
        server.must_end_well()
        return file

    @staticmethod
    def play(file: Path, report: Path) -> tuple[int, str, dict[str, object]]:
        done = run_cli("play", file, "--json", report)
        (case,) = json.loads(report.read_text(encoding="utf-8"))["scenarios"]
        return done.returncode, done.stdout, case

    def test_it_passes_and_every_time_the_same(self, session: Path, tmp_path: Path) -> None:
        status, told, case = self.play(session, tmp_path / "1.json")
        assert status == 0, told
        again, _, same = self.play(session, tmp_path / "2.json")
        assert again == 0
        assert case["digest"] == same["digest"]

    def test_it_holds_the_fingerprint_of_what_the_pinpad_wrote(self, session: Path) -> None:
        text = session.read_text(encoding="utf-8")
        assert re.search(r'^wrote: "[0-9a-f]{16}"$', text, re.MULTILINE)
        assert text.count('register: "opens"') == 4
        assert 'pin: "1234"' in text

    def test_another_step_is_another_session(self, session: Path, tmp_path: Path) -> None:
        """Another PIN, and all that follows from it, is not what was recorded."""
        broken = tmp_path / "broken.yaml"
        text = session.read_text(encoding="utf-8")
        broken.write_text(text.replace('pin: "1234"', 'pin: "4321"', 1), encoding="utf-8")
        status, told, case = self.play(broken, tmp_path / "report.json")
        assert status == 1
        assert case["status"] == "failed"
        assert "the pinpad wrote other bytes than recorded" in told

    def test_another_fingerprint(self, session: Path, tmp_path: Path) -> None:
        broken = tmp_path / "broken.yaml"
        text = session.read_text(encoding="utf-8")
        broken.write_text(re.sub(r'(wrote: ")\w{16}', rf"\g<1>{'0' * 16}", text), encoding="utf-8")
        status, told, _ = self.play(broken, tmp_path / "report.json")
        assert status == 1
        found = re.search(r'wrote: "(\w{16})"', text)
        assert found is not None
        assert f"the pinpad wrote other bytes than recorded ({found[1]})" in told


@pytest.mark.parametrize("until_then", ["nothing", "a card is asked", "a final is not acknowledged"])
def test_a_session_that_ends_in_the_middle_is_played_again_too(until_then: str, tmp_path: Path) -> None:
    file = tmp_path / "session.yaml"
    customer = () if until_then == "a card is asked" else RECORDED
    server = Server(tmp_path / "state", "run", "--port", "pty:", *customer, "--record", str(file))
    try:
        if until_then != "nothing":
            till = Till(Wire(server.port, bare=True), farewell=b"")
            till.write(frame(SALE))
            if customer:
                till.answer()
            else:
                assert any(
                    fields_of(unit[3:-2]) == {25: b"21"} for unit in till.units() if unit[:1] == b"\x02"
                )
    except BaseException:
        server.kill()
        raise
    server.must_end_well()
    if until_then != "nothing":
        till.wire.close()
    done = run_cli("play", file)
    assert done.returncode == 0, done.stdout


class TestOfWhatIsNotRecorded:
    @staticmethod
    def refused(*options: str, file: Path) -> str:
        run = ("run", "--headless", "--port", "tcp:127.0.0.1:0", "--record", str(file), *options)
        done = run_cli(*run)
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("smartsale-emu: ")
        return line

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (("--host", "tcp:127.0.0.1:9"), "only with the mock bank in this process"),
            (("--scheme", "pkh"), "only with the mock bank in this process"),
            (("--card", "./mine.toml"), "only with our own test cards"),
            (("--keys", "."), "only with the keys that come with it"),
        ],
        ids=["a bank of its own", "through the register", "an own card", "own keys"],
    )
    def test_what_is_no_part_of_the_file(self, options: tuple[str, ...], told: str, tmp_path: Path) -> None:
        file = tmp_path / "session.yaml"
        assert told in self.refused(*options, "--state", str(tmp_path / "state"), file=file)
        assert not file.exists()

    def test_a_state_that_was_used_before(self, tmp_path: Path) -> None:
        state = tmp_path / "state"
        server = Server(state, "run", "--port", "pty:", *RECORDED)
        try:
            Desk(server.port).done("sale", "12.00")
        except BaseException:
            server.kill()
            raise
        server.must_end_well()
        told = self.refused("--state", str(state), file=tmp_path / "session.yaml")
        assert "needs a new --state" in told

    def test_a_file_that_cannot_be_written(self, tmp_path: Path) -> None:
        file = tmp_path / "no folder" / "session.yaml"
        assert str(file) in self.refused("--state", str(tmp_path / "state"), file=file)
