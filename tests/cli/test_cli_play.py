"""``play`` as its user meets it: what it tells, its status, and the reports that it leaves behind."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from smartsale_emu.cli import main
from smartsale_emu.runtime.playing import Turn, play_all
from smartsale_emu.scenario.results import Result

PAN, PIN = "2201382000000013", "1234"
CHIP_PAN = "2200123456789019"
Capture = pytest.CaptureFixture[str]

SALE = """\
format: 1
title: A sale
steps:
  - register: sale 100.00
  - card: tap mir-contactless
  - expect: {answer: {39: "1"}}
"""
WITH_PIN = """\
format: 1
title: A sale with a PIN
steps:
  - register: sale 1200.00
  - card: insert mir-chip
  - pin: 1234
  - expect: {answer: {39: "1"}, bank: {net: 1200.00}}
"""
FAILING = """\
format: 1
title: A decline that does not come
steps:
  - register: sale 1200.00
  - card: insert mir-chip
  - pin: 1234
  - expect: {answer: {39: "16"}}
"""
MATRIX = """\
format: 1
title: Several amounts
matrix: {amount: ["1.00", "2.00", "3.00", "4.00", "5.00", "6.00"]}
steps:
  - register: sale ${amount}
  - card: tap mir-contactless
  - expect: {bank: {net: "${amount}"}}
"""
BY_CHANCE = """\
format: 1
title: A bank that is away at times
seed: 5
steps:
  - bank: unreachable to money
    chance: 50%
  - register: sale 100.00
  - card: tap mir-contactless
  - expect: {answer: {39: "1"}}
"""


def written(folder: Path, name: str, text: str) -> str:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return str(file)


def play(capsys: Capture, *arguments: str | Path) -> tuple[int, str, list[str]]:
    """Play; returns the status, standard output, and the lines of standard error that say something."""
    status = main(["play", *map(str, arguments)])
    told = capsys.readouterr()
    return status, told.out, [line for line in told.err.splitlines() if line.strip()]


def results(out: str) -> list[str]:
    return [line for line in out.splitlines() if line.startswith(("passed", "FAILED"))]


class TestFiles:
    def test_a_file(self, tmp_path: Path, capsys: Capture) -> None:
        file = written(tmp_path, "sale.yaml", SALE)
        status, out, err = play(capsys, file)
        assert (status, err) == (0, [])
        assert results(out) == [f"passed  {file}: A sale"]
        assert re.search(r"^1 of 1 scenarios passed: \d+ s simulated in [\d.]+ s$", out, re.MULTILINE)

    def test_a_folder_is_searched_to_its_bottom_in_the_order_of_names(
        self, tmp_path: Path, capsys: Capture
    ) -> None:
        last = written(tmp_path, "z.yml", SALE)
        first = written(tmp_path, "a/deep/sale.yaml", WITH_PIN)
        written(tmp_path, "notes.txt", "no scenario")
        status, out, err = play(capsys, tmp_path)
        assert (status, err) == (0, [])
        assert results(out) == [f"passed  {first}: A sale with a PIN", f"passed  {last}: A sale"]

    def test_every_case_of_a_matrix_is_named(self, tmp_path: Path, capsys: Capture) -> None:
        file = written(tmp_path, "many.yaml", MATRIX)
        status, out, _ = play(capsys, file)
        assert status == 0
        assert results(out)[2] == f"passed  {file}: Several amounts [amount=3.00]"
        assert "6 of 6 scenarios passed" in out

    def test_a_file_that_does_not_exist(self, tmp_path: Path, capsys: Capture) -> None:
        file = tmp_path / "nowhere.yaml"
        assert play(capsys, file) == (2, "", [f"{file}: no such file or device"])

    def test_an_empty_folder(self, tmp_path: Path, capsys: Capture) -> None:
        status, out, err = play(capsys, tmp_path)
        assert (status, out) == (2, "")
        assert err == ["smartsale-emu: play: there is no scenario (*.yaml) there"]

    def test_a_wrong_file_beside_a_good_one(self, tmp_path: Path, capsys: Capture) -> None:
        """The good one is played; every mistake of the other is a line with file, line and key."""
        good = written(tmp_path, "good.yaml", SALE)
        text = SALE.replace("tap mir", "lick mir").replace("title: A sale", "titel: A sale")
        wrong = written(tmp_path, "wrong.yaml", text)
        status, out, err = play(capsys, tmp_path)
        assert status == 2
        assert results(out) == [f"passed  {good}: A sale"]
        assert len(err) == 3
        assert all(line.startswith(f"{wrong}:") for line in err)
        assert f"{wrong}:2: titel: is no key here; is title meant?" in err
        assert any(line.startswith(f"{wrong}:5: ") and "lick" in line for line in err)

    @pytest.mark.parametrize(
        ("content", "told"),
        [(b"\xff\xfe\x00", "is no UTF-8 text"), (b"- a\n- b\n", "a scenario is a table of keys")],
        ids=["no text", "a list"],
    )
    def test_a_file_of_something_else(
        self, content: bytes, told: str, tmp_path: Path, capsys: Capture
    ) -> None:
        file = tmp_path / "other.yaml"
        file.write_bytes(content)
        status, out, err = play(capsys, file)
        assert (status, out, len(err)) == (2, "", 1)
        assert err[0].startswith(str(file))
        assert told in err[0]

    def test_a_card_that_nobody_knows(self, tmp_path: Path, capsys: Capture) -> None:
        text = SALE.replace("title: A sale", "title: A sale\ncustomer: {card: mir-lost}")
        file = written(tmp_path, "lost.yaml", text)
        status, out, err = play(capsys, file)
        assert (status, out, len(err)) == (2, "", 1)
        assert err[0].startswith(f"{file}:3: customer.card: ")
        assert "'mir-lost' is not known" in err[0]


class TestOfAFailure:
    def test_the_step_what_was_expected_and_how_to_play_it_again(
        self, tmp_path: Path, capsys: Capture
    ) -> None:
        file = written(tmp_path, "failing.yaml", FAILING)
        status, out, err = play(capsys, file)
        assert (status, err) == (1, [])
        assert results(out) == [f"FAILED  {file}: A decline that does not come"]
        assert "step 4 of 4, after " in out
        assert "terminal «idle»: field 39 is '1', not 16" in out
        assert "states: " in out
        assert "0 of 1 scenarios passed" in out
        again = next(line.strip() for line in out.splitlines() if line.startswith("  again: "))
        assert again == f"again: smartsale-emu play {file} --seed 1 -v"
        words = again.removeprefix("again: smartsale-emu ").split()
        assert main(words) == 1
        assert "field 39 is '1', not 16" in capsys.readouterr().out

    def test_its_log_is_told_although_nobody_asked(self, tmp_path: Path, capsys: Capture) -> None:
        file = written(tmp_path, "failing.yaml", FAILING)
        _, out, _ = play(capsys, file, "-q")
        assert "step 1  register: sale 1200.00" in out
        assert "step 3  pin: 4 digits" in out

    def test_something_that_never_comes(self, tmp_path: Path, capsys: Capture) -> None:
        text = SALE.replace("  - expect", "  - pin: 1234\n  - expect")
        status, out, _ = play(capsys, written(tmp_path, "pin.yaml", text))
        assert status == 1
        assert "step 3 of 4" in out
        assert "it waits for «PIN is asked», which never comes" in out

    def test_others_are_played_nevertheless(self, tmp_path: Path, capsys: Capture) -> None:
        for name, text in [("a", FAILING), ("b", SALE), ("c", FAILING), ("d", WITH_PIN)]:
            written(tmp_path, f"{name}.yaml", text)
        status, out, _ = play(capsys, tmp_path)
        assert status == 1
        assert [line.split()[0] for line in results(out)] == ["FAILED", "passed", "FAILED", "passed"]
        assert "2 of 4 scenarios passed" in out


class TestHowMuchIsTold:
    def test_quiet_tells_failures_and_the_last_line(self, tmp_path: Path, capsys: Capture) -> None:
        written(tmp_path, "a.yaml", SALE)
        failing = written(tmp_path, "b.yaml", FAILING)
        status, out, _ = play(capsys, tmp_path, "-q")
        assert status == 1
        assert results(out) == [f"FAILED  {failing}: A decline that does not come"]
        _, out, _ = play(capsys, tmp_path / "a.yaml", "-q")
        assert len(out.splitlines()) == 1

    def test_verbose_tells_the_story_in_its_order(self, tmp_path: Path, capsys: Capture) -> None:
        status, out, _ = play(capsys, written(tmp_path, "sale.yaml", SALE), "-v")
        assert status == 0
        place = 0
        for words in [
            "step 1  register: sale 100.00",
            "register → pinpad  request",
            "idle → card prompt: operation sale",
            "step 2  card: tap mir-contactless",
            "bank: asked",
            "0.3",  # the moment
            "bank: answered",
            "pinpad → register  final",
            "register → pinpad  ack of final",
            "step 3  expect",
        ]:
            place = out.index(words, place)

    @pytest.mark.parametrize("text", [WITH_PIN, FAILING], ids=["a pass", "a failure"])
    def test_no_card_number_and_no_pin_is_told(self, text: str, tmp_path: Path, capsys: Capture) -> None:
        own = text.replace("1234", "8642").replace("insert mir-chip", "insert mine")
        own = own.replace("steps:", 'cards: {mine: {like: mir-chip, pin: "8642"}}\nsteps:')
        own += f"  - register: sale 5.00 track2={CHIP_PAN}=30122010000000000\n"
        own += "  - expect: {answer: {25: any}}\n"
        file = written(tmp_path, "secrets.yaml", own)
        reports = {kind: tmp_path / f"report.{kind}" for kind in ("junit", "html", "json")}
        options = [word for kind, report in reports.items() for word in (f"--{kind}", str(report))]
        status, out, err = play(capsys, file, "-v", *options)
        assert status == (1 if text is FAILING else 0)
        told = out + "\n".join(err) + "".join(report.read_text("utf-8") for report in reports.values())
        assert "step 3" in told
        for secret in (PAN, CHIP_PAN, "30122010000000000"):
            assert secret not in told
        assert not re.search(r"\b8642\b", told)


class TestReports:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "stories"
        written(folder, "a.yaml", WITH_PIN)
        written(folder, "b.yaml", FAILING)
        return folder

    def test_json(self, folder: Path, tmp_path: Path, capsys: Capture) -> None:
        file = tmp_path / "report.json"
        status, out, _ = play(capsys, folder, "--json", file)
        report = json.loads(file.read_text(encoding="utf-8"))
        assert status == 1
        assert len(results(out)) == 2
        assert report["totals"]["passed"] == report["totals"]["failed"] == 1
        well, badly = report["scenarios"]
        assert (well["status"], well["failure"], well["exchange"]) == ("passed", None, [])
        assert (badly["status"], badly["file"]) == ("failed", str(folder / "b.yaml"))
        failure = badly["failure"]
        assert (failure["step"], failure["came"], failure["state"]) == (4, "field 39 is '1', not 16", "idle")
        assert failure["replay"] == f"smartsale-emu play {folder / 'b.yaml'} --seed 1"

    def test_junit(self, folder: Path, tmp_path: Path, capsys: Capture) -> None:
        file = tmp_path / "report.xml"
        play(capsys, folder, "--junit", file)
        root = ET.parse(file).getroot()
        cases = list(root.iter("testcase"))
        assert [len(case.findall("failure")) for case in cases] == [0, 1]

    def test_html(self, folder: Path, tmp_path: Path, capsys: Capture) -> None:
        file = tmp_path / "report.html"
        play(capsys, folder, "--html", file)
        page = file.read_text(encoding="utf-8")
        assert page.lower().startswith("<!doctype html>")
        assert "A sale with a PIN" in page
        assert "field 39 is &#x27;1&#x27;, not 16" in page or "field 39 is '1', not 16" in page

    @pytest.mark.parametrize("kind", ["junit", "html", "json"])
    def test_one_that_cannot_be_written(
        self, kind: str, folder: Path, tmp_path: Path, capsys: Capture
    ) -> None:
        file = tmp_path / "no folder" / "report"
        status, out, err = play(capsys, folder / "a.yaml", f"--{kind}", file)
        assert status == 2
        assert err == [f"smartsale-emu: {file}: no such file or device"]
        assert "1 of 1 scenarios passed" in out


def test_the_schema_is_json(capsys: Capture) -> None:
    status, out, err = play(capsys, "--schema")
    assert (status, err) == (0, [])
    schema = json.loads(out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"format", "title", "steps"} <= set(schema["required"])
    assert {"register", "matrix", "wrote"} <= set(schema["properties"])


class TestOrderAndSeeds:
    @pytest.fixture
    def many(self, tmp_path: Path) -> str:
        return written(tmp_path, "many.yaml", MATRIX)

    def order(self, capsys: Capture, *arguments: str) -> list[str]:
        status, out, _ = play(capsys, *arguments)
        assert status == 0
        return results(out)

    def test_a_seed_decides_the_order(self, many: str, capsys: Capture) -> None:
        plain = self.order(capsys, many)
        shuffled = self.order(capsys, many, "--shuffle", "--seed", "3")
        assert shuffled == self.order(capsys, many, "--shuffle", "--seed", "3")
        assert shuffled != self.order(capsys, many, "--shuffle", "--seed", "4")
        assert sorted(shuffled) == sorted(plain)
        assert shuffled != plain

    def test_a_seed_decides_the_bytes(self, tmp_path: Path, capsys: Capture) -> None:
        """A PIN block is random; the same seed makes the same one."""
        file = written(tmp_path, "pin.yaml", WITH_PIN)

        def digest(*arguments: str) -> str:
            report = tmp_path / "report.json"
            play(capsys, file, "--json", report, *arguments)
            (case,) = json.loads(report.read_text(encoding="utf-8"))["scenarios"]
            return f"{case['seed']} {case['digest']}"

        assert digest() == digest("--seed", "1")
        assert digest("--seed", "7") == digest("--seed", "7")
        assert digest("--seed", "7").startswith("7 ")

    def test_two_workers_give_the_same(self, tmp_path: Path, capsys: Capture) -> None:
        folder = tmp_path / "stories"
        for number in range(3):
            written(folder, f"{number}.yaml", MATRIX)
        written(folder, "1a.yaml", FAILING)
        written(folder, "2a.yaml", WITH_PIN)

        def played(workers: str) -> tuple[int, list[str], list[object]]:
            file = tmp_path / f"report{workers}.json"
            status, out, _ = play(capsys, folder, "-n", workers, "--json", file)
            cases = json.loads(file.read_text(encoding="utf-8"))["scenarios"]
            return status, results(out), [{**case, "wall_s": 0} for case in cases]

        alone = played("1")
        assert alone[0] == 1
        assert len(alone[1]) == 20
        assert played("2") == alone

    def test_one_that_is_interrupted_has_not_passed(
        self, many: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(turns: list[Turn], *, workers: int) -> Iterator[Result]:
            yield from play_all(turns[:1], workers=workers)
            raise KeyboardInterrupt

        monkeypatch.setattr("smartsale_emu.cli.play.play_all", interrupted)
        status, out, _ = play(capsys, many)
        assert (status, out.splitlines()[1]) == (130, "interrupted")

    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_until_failure_tells_the_seed(self, workers: str, tmp_path: Path, capsys: Capture) -> None:
        written(tmp_path, "a.yaml", SALE)
        file = written(tmp_path, "b.yaml", BY_CHANCE)
        seeds = [seed for seed in range(5, 15) if play(capsys, file, "--seed", str(seed), "-q")[0]]
        assert seeds[0] > 5, "some rounds pass, and then one fails"
        report = tmp_path / "report.json"
        status, out, _ = play(capsys, tmp_path, "--until-failure", "-q", "-n", workers, "--json", report)
        assert status == 1
        assert f"again: smartsale-emu play {file} --seed {seeds[0]} -v" in out
        rounds = seeds[0] - 5 + 1
        assert f"{2 * rounds - 1} of {2 * rounds} scenarios passed" in out
        kept = json.loads(report.read_text(encoding="utf-8"))["scenarios"]
        assert [case["seed"] for case in kept] == [rounds, seeds[0]], "the report is of the last round"

    @pytest.mark.parametrize(
        "words", [("--seed", "-1"), ("--seed", "x"), ("-n", "0"), ("-n", "65")], ids=" ".join
    )
    def test_numbers_that_are_none(self, words: tuple[str, str], many: str, capsys: Capture) -> None:
        with pytest.raises(SystemExit) as ended:
            main(["play", many, *words])
        assert ended.value.code == 2
        assert words[0] in capsys.readouterr().err


class TestOfAPort:
    """What is told before a port is opened; playing on one is in the tests of processes."""

    def test_one_story_at_a_time(self, tmp_path: Path, capsys: Capture) -> None:
        file = written(tmp_path, "many.yaml", MATRIX)
        assert play(capsys, file, "--port", "tcp:127.0.0.1:0") == (
            2,
            "",
            ["smartsale-emu: --port plays one scenario at a time, these are 6"],
        )

    @pytest.mark.parametrize(
        "step", ["register: cancels", "register: sends 06", "cashier: ok", "line: closes"]
    )
    def test_nobody_tells_a_register_of_your_own_what_to_do(
        self, step: str, tmp_path: Path, capsys: Capture
    ) -> None:
        file = written(tmp_path, "sale.yaml", SALE.replace("  - expect", f"  - {step}\n  - expect"))
        status, out, err = play(capsys, file, "--port", "tcp:127.0.0.1:0")
        verb = step.partition(":")[0]
        assert (status, out) == (2, "")
        assert err == [f"smartsale-emu: {file}:6: {verb}: a register of your own does what it likes"]

    def test_a_port_that_is_none(self, tmp_path: Path, capsys: Capture) -> None:
        file = written(tmp_path, "sale.yaml", SALE)
        status, out, err = play(capsys, file, "--port", "carrier-pigeon:")
        assert (status, out, len(err)) == (2, "", 1)
        assert err[0].startswith("smartsale-emu: ")
