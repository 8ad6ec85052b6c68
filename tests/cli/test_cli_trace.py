"""``trace``, ``explain`` and ``play --trace`` as their user meets them."""

import json
import re
from pathlib import Path

import pytest

from smartsale_emu.cli import main
from smartsale_emu.host.ledger import Changes
from smartsale_emu.runtime import wireshark
from smartsale_emu.runtime.ledger_file import open_ledger
from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.runtime.resources import read_scenarios
from smartsale_emu.runtime.state_dir import LEDGER_NAME, MEMORY_NAME
from smartsale_emu.scenario.loader import load_cases
from smartsale_emu.scenario.player import Player
from smartsale_emu.scenario.stage import build_stage

LOST = "scenarios/line/ack-of-final-lost.yaml"
VOIDED = "scenarios/everyday/partial-void-and-return.yaml"


@pytest.fixture
def traced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    file = tmp_path / "trace.jsonl"
    assert main(["play", LOST, "-q", "--trace", str(file)]) == 0
    capsys.readouterr()
    return file


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line that a command refuses with."""
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("smartsale-emu: ")
    return error


class TestPlay:
    def test_its_trace_is_appended(self, traced: Path) -> None:
        once = traced.read_bytes()
        assert main(["play", LOST, "-q", "--trace", str(traced)]) == 0
        assert traced.read_bytes() == once + once

    def test_a_trace_that_cannot_be_written(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "trace" in refused(["play", LOST, "-q", "--trace", str(tmp_path)], capsys)


class TestPcapng:
    def test_writes_it(self, traced: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "line.pcapng"
        assert main(["trace", "pcapng", str(traced), str(file)]) == 0
        assert f"{file}: 12 packets; open it" in capsys.readouterr().out
        assert file.read_bytes()[:4].hex() == "0a0d0d0a"

    @pytest.mark.parametrize(("wire", "told"), [("04020000", "2 packets"), ("06", "1 packet;")])
    def test_it_counts_packets(
        self, wire: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """An EOT and the frame that left with it are one line of the trace."""
        head = {"time": "2026-11-23T09:30:00", "ms": 0, "kind": "frame", "because": "told"}
        traced = tmp_path / "trace.jsonl"
        traced.write_text(json.dumps({**head, "direction": "out", "unit": "STX", "hex": wire}) + "\n")
        file = tmp_path / "line.pcapng"
        assert main(["trace", "pcapng", str(traced), str(file)]) == 0
        assert f"{file}: {told}" in capsys.readouterr().out

    def test_a_file_that_is_there_is_kept(
        self, traced: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "line.pcapng"
        file.write_bytes(b"mine")
        words = ["trace", "pcapng", str(traced), str(file)]
        assert "is not overwritten without --force" in refused(words, capsys)
        assert file.read_bytes() == b"mine"
        assert main([*words, "--force"]) == 0
        assert file.read_bytes() != b"mine"

    def test_a_trace_that_still_grows(
        self, traced: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        whole = traced.read_bytes()
        traced.write_bytes(whole[:-20])
        assert main(["trace", "pcapng", str(traced), str(tmp_path / "line.pcapng")]) == 0
        assert "the last line is not whole yet" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (None, "no such file"),
            (b"", "there is no frame in it"),
            (b"{}\n{}\n", ":1: this line is no record"),
            (b"one\ntwo\n", ":1: this line is no JSON"),
        ],
        ids=["missing", "empty", "no-record", "no-json"],
    )
    def test_a_trace_that_is_none(
        self, text: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "trace.jsonl"
        if text is not None:
            file.write_bytes(text)
        error = refused(["trace", "pcapng", str(file), str(tmp_path / "line.pcapng")], capsys)
        assert str(file) in error
        assert said in error.lower() or said in error
        assert not (tmp_path / "line.pcapng").exists()

    def test_a_folder_that_is_not_there(
        self, traced: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "no" / "line.pcapng"
        assert str(file) in refused(["trace", "pcapng", str(traced), str(file)], capsys)


class TestDissector:
    def test_is_printed(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["trace", "dissector"]) == 0
        assert 'local sa = Proto("sa"' in capsys.readouterr().out

    def test_is_written(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "sa.lua"
        assert main(["trace", "dissector", str(file)]) == 0
        assert str(file) in capsys.readouterr().out
        assert "RECEIPT_DATA" in file.read_text(encoding="utf-8")
        assert "is not overwritten" in refused(["trace", "dissector", str(file)], capsys)

    @pytest.mark.parametrize("asked", [True, False], ids=["tshark-says", "by-default"])
    def test_is_installed_where_wireshark_looks(
        self, asked: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "plugins"
        monkeypatch.setattr(wireshark, "_told_by_tshark", lambda: folder if asked else None)
        monkeypatch.setattr(wireshark, "_by_default", lambda: tmp_path / "default" / "plugins")
        assert main(["trace", "dissector", "--install"]) == 0
        file = (folder if asked else tmp_path / "default" / "plugins") / wireshark.SCRIPT
        assert str(file) in capsys.readouterr().out
        assert file.is_file()
        assert main(["trace", "dissector", "--install"]) == 0, "over an older one"

    def test_two_places_are_one_too_many(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "leave FILE out" in refused(["trace", "dissector", "x.lua", "--install"], capsys)

    def test_the_default_places(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setattr(wireshark.sys, "platform", "linux")
        assert wireshark._by_default() == tmp_path / ".local" / "lib" / "wireshark" / "plugins"
        monkeypatch.setattr(wireshark.sys, "platform", "win32")
        monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
        assert wireshark._by_default() == tmp_path / "roaming" / "Wireshark" / "plugins"


class TestExplain:
    def test_tells_the_life(self, traced: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["explain", "1", "--trace", str(traced)]) == 0
        printed = capsys.readouterr().out
        assert "purchase 100.00, STAN 000001, RRN 601510000001" in printed
        assert "no ACK in 7000 ms" in printed
        assert "answer 00, approved" in printed
        assert printed.rstrip().splitlines()[-1].startswith("Who holds the money: nothing has moved")

    def test_a_program_reads_one_line_for_each_thing(
        self, traced: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["explain", "1", "--trace", str(traced)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if line != line.rstrip()] == []
        moments = lines[1:-1]
        assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3}  \S", line) for line in moments)
        assert max(map(len, moments)) > 100

    def test_one_number_several_operations(self, traced: Path, capsys: pytest.CaptureFixture[str]) -> None:
        text = traced.read_bytes()
        traced.write_bytes(text + text.replace(b"2026-01-15", b"2026-01-16"))
        assert main(["explain", "1", "--trace", str(traced)]) == 0
        printed = capsys.readouterr().out
        assert "1 of 2 with this number" in printed
        assert "2 of 2 with this number" in printed

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            (["--state", "nowhere"], "no such memory"),
            (["--ledger", "nowhere"], "there is no ledger here"),
        ],
    )
    def test_what_is_not_there(
        self, more: list[str], said: str, traced: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert said in refused(["explain", "1", "--trace", str(traced), *more], capsys)

    def test_an_unknown_number(self, traced: Path, capsys: pytest.CaptureFixture[str]) -> None:
        error = refused(["explain", "2", "--trace", str(traced)], capsys)
        assert "the nearest are STAN 000001" in error

    def test_with_what_bank_and_pinpad_remember(
        self, traced: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        state = kept(tmp_path / "state")
        assert main(["explain", "1", "--trace", str(traced), "--state", str(state)]) == 0
        printed = capsys.readouterr().out
        assert "The bank's ledger: reversed, 100.00; it answered 00, approved, because" in printed
        assert "reversal asked once, answered 00" in printed
        assert "The pinpad's remark, doubt:" in printed
        assert "the bank has it as reversed. The register may believe" in printed

    @pytest.mark.parametrize("name", ["", "bank.sqlite"], ids=["folder", "file"])
    def test_with_a_bank_of_its_own(
        self, name: str, traced: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ledger = kept(tmp_path / "bank") / name
        assert main(["explain", "1", "--trace", str(traced), "--ledger", str(ledger)]) == 0
        printed = capsys.readouterr().out
        assert "The bank's ledger: reversed" in printed
        assert "The pinpad's" not in printed

    def test_a_ledger_of_another_bank(
        self, traced: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "bank.sqlite"
        open_ledger(file).close()
        assert main(["explain", "1", "--trace", str(traced), "--ledger", str(file)]) == 0
        *_, heard, holds = capsys.readouterr().out.splitlines()
        assert heard == "The bank's ledger has never heard of it."
        assert holds == ("Who holds the money: nothing has moved at this bank: its ledger does not have it.")

    def test_a_trace_that_ends_before_the_void(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "trace.jsonl"
        assert main(["play", VOIDED, "-q", "--trace", str(file)]) == 0
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        end = next(place for place, line in enumerate(lines) if "acknowledged the final answer" in line)
        file.write_text("".join(lines[: end + 1]), encoding="utf-8")
        capsys.readouterr()
        bank = kept(tmp_path / "bank", VOIDED)
        assert main(["explain", "1", "--trace", str(file), "--ledger", str(bank)]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == (
            "Who holds the money: everybody has what they had before: all of it went back by void of 300.00"
            " (STAN 000002), return of 500.00 (STAN 000004), return of 200.00 (STAN 000006)."
        )


def kept(state: Path, played: str = LOST) -> Path:
    """Play the story again, and put what pinpad and bank remember into a state directory."""
    text = next(text for origin, text in read_scenarios() if origin == played)
    library = FileLibrary()
    (case,) = load_cases(text, origin=played, library=library)
    stage = build_stage(case.scenario, library, seed=case.scenario.seed, traced=False)
    assert Player(case.scenario, stage, seed=case.scenario.seed).play().passed
    state.mkdir()
    (state / MEMORY_NAME).write_text(stage.world.saved or "", encoding="utf-8")
    with open_ledger(state / LEDGER_NAME) as ledger:
        ledger.commit(Changes(tuple(stage.ledger.operations())))
    return state
