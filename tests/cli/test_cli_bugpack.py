"""``bugpack`` as its user meets it: a session is packed, and the pack played."""

import json
import sys
from pathlib import Path

import pytest
from e2e.e2e_kit import Desk, pinpad

from smartsale_emu.cli import main
from smartsale_emu.runtime.assembly import load_cards
from smartsale_emu.runtime.resources import read_terminal_profile
from smartsale_emu.runtime.state_dir import MEMORY_NAME
from smartsale_emu.sa.framing import encode_frame
from smartsale_emu.sa.tlv import Message, Record

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGTERM and a pseudo-terminal")

LOST = "scenarios/line/ack-of-final-lost.yaml"
SAME = "It gives the same bytes"
CUSTOMER = ("--card", "mir-chip", "--pin", "1234", "--card-delay", "0", "--pin-delay", "0.1")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sales over a pseudo-terminal, a wrong PIN first; traced and recorded."""
    place = tmp_path_factory.mktemp("session")
    written = ("--trace", str(place / "trace.jsonl"), "--record", str(place / "recording.yaml"))
    with pinpad(place / "state", *CUSTOMER, "--wrong-pins", "1", *written) as server:
        Desk(server.port).done("sale", "12.00")
        Desk(server.port).done("sale", "3.00")
    return place


def packed(words: list[str | Path], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["bugpack", *map(str, words)]) == 0
    return capsys.readouterr().out


def played(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Play a pack; it must pass."""
    file = tmp_path / "pack.yaml"
    file.write_text(text, encoding="utf-8")
    status, out = main(["play", str(file)]), capsys.readouterr().out
    assert status == 0, out
    return out


def has_no_secret(text: str) -> None:
    for one in load_cards().values():
        assert one.card.pan not in text
        assert one.card.pan.encode().hex(" ") not in text


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["bugpack", *words]) == 2
    return capsys.readouterr().err


class TestOfATrace:
    def test_plays_to_the_same_bytes(
        self, session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        text = packed(["--trace", session / "trace.jsonl", "--state", session / "state"], capsys)
        assert SAME in text
        assert "\nwrote: " in text
        assert 'pin: "wrong"' in text
        assert 'pin: "1234"' in text
        has_no_secret(text)
        assert "1 of 1 scenarios passed" in played(text, tmp_path, capsys)

    def test_tells_what_a_stranger_needs(self, session: Path, capsys: pytest.CaptureFixture[str]) -> None:
        text = packed(["--trace", session / "trace.jsonl", "--state", session / "state"], capsys)
        for told in (
            "PINs below are the test cards' own",
            "# Versions\n#   smartsale-emu ",
            "#   terminal: unipos-2023\n#   bank: generic-ascii\n",
            "2 in day 1, net 15.00",
            "#   Pending: none",
            "#   Bank and pinpad agree.",
            "the bank answered 55",
        ):
            assert told in text
        assert str(session) not in text

    def test_a_pin_that_the_bank_refused_is_a_wrong_one(
        self, session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Were it the right one, the pinpad would write other bytes."""
        text = packed(["--trace", session / "trace.jsonl"], capsys).replace('"wrong"', '"1234"')
        file = tmp_path / "pack.yaml"
        file.write_text(text, encoding="utf-8")
        assert main(["play", str(file)]) == 1
        assert "other bytes than recorded" in capsys.readouterr().out

    def test_a_session_that_was_killed_and_went_on(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        trace, state = tmp_path / "trace.jsonl", tmp_path / "state"
        for amount in ("12.00", "3.00"):
            with pinpad(state, *CUSTOMER, "--trace", str(trace)) as server:
                Desk(server.port).done("sale", amount)
        text = packed(["--trace", trace, "--state", state], capsys)
        assert 'power: "cut for ' in text
        assert "2 in day 1, net 15.00" in text
        assert SAME in text
        played(text, tmp_path, capsys)

    def test_a_memory_from_before_is_told(
        self, session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The second sale alone: the pinpad and its bank count on from what is not in the trace."""
        lines = (session / "trace.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        second = [place for place, line in enumerate(lines) if "the register opened the line" in line][1]
        trace = tmp_path / "trace.jsonl"
        trace.write_text("".join([lines[0], *lines[second:]]), encoding="utf-8")
        text = packed(["--trace", trace], capsys)
        assert "The trace does not begin with a new memory (its first STAN is 000003)" in text
        assert "does NOT give the same bytes: frame" in text
        assert "\nwrote: " not in text
        assert "\nagree: false\n" in text
        played(text, tmp_path, capsys)

    def test_a_played_scenario_with_a_fault(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        trace = tmp_path / "trace.jsonl"
        assert main(["play", LOST, "-q", "--trace", str(trace)]) == 0
        capsys.readouterr()
        text = packed(["--trace", trace], capsys)
        assert "Faults were at work" in text
        has_no_secret(text)
        played(text, tmp_path, capsys)

    def test_a_card_of_ones_own_is_not_replayed(
        self, session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        trace = tmp_path / "trace.jsonl"
        old = (session / "trace.jsonl").read_text(encoding="utf-8")
        trace.write_text(old.replace("card mir-chip,", "card mine,"), encoding="utf-8")
        text = packed(["--trace", trace], capsys)
        assert "Card mine is none of the test cards: nothing is replayed." in text
        assert "sends" not in text
        played(text, tmp_path, capsys)

    def test_track_data_of_the_register_are_starred(
        self, session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        trace = tmp_path / "trace.jsonl"
        lines = (session / "trace.jsonl").read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        next(one for one in records if one.get("unit") == "STX" and one["direction"] == "in")["masked"] = [12]
        trace.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
        text = packed(["--trace", trace, "--last", "0"], capsys)
        assert "1 frames of the register hold stars" in text
        assert "the last 0 of" in text

    @pytest.mark.parametrize(
        ("text", "said"), [("", "there is no record"), ("nothing\n", ":1: this line is no JSON")]
    )
    def test_what_is_no_trace(
        self, text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        trace = tmp_path / "trace.jsonl"
        trace.write_text(text, encoding="utf-8")
        assert said in refused(["--trace", str(trace)], capsys)


class TestOfARecording:
    def test_plays_to_the_same_bytes(
        self, session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        recording = session / "recording.yaml"
        text = packed(["--recording", recording, "--trace", session / "trace.jsonl", "--last", "3"], capsys)
        assert text.endswith(recording.read_text(encoding="utf-8"))
        assert "PINs below stand as they were typed" in text
        assert SAME in text
        assert "the last 3 of" in text
        played(text, tmp_path, capsys)

    def test_a_card_number_in_it_is_starred(
        self, session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A register that reads the card sends its track: the pack has stars in its place."""
        track = b"2200123456789019=30122010000000000"
        frame = encode_frame(Message((Record(25, b"1"), Record(12, track))).encode())
        steps = f"steps:\n  - register: 'sends {frame[:9].hex(' ')}'\n    at: 1ms\n    when: now\n"
        steps += f"  - register: 'sends {frame[9:].hex(' ')}'\n    at: 2ms\n    when: now\n"
        head = (session / "recording.yaml").read_text(encoding="utf-8").partition("steps:")[0]
        recording = tmp_path / "recording.yaml"
        recording.write_text(head + steps, encoding="utf-8")
        text = packed(["--recording", recording], capsys)
        has_no_secret(text)
        assert "2a 2a 2a" in text
        assert "Card data that the register sent are starred here" in text
        assert "\nwrote: " not in text

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "is empty; `run --record` writes it when"),
            ("- 1\n", "is no recording"),
            ("{", "is no recording"),
        ],
    )
    def test_what_is_no_recording(
        self, text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        recording = tmp_path / "recording.yaml"
        recording.write_text(text, encoding="utf-8")
        assert said in refused(["--recording", str(recording)], capsys)


class TestTheFile:
    def test_is_written_once(self, session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        words = ["--trace", str(session / "trace.jsonl"), "--out", str(tmp_path / "pack.yaml")]
        assert SAME in packed([*words], capsys)
        assert "is not overwritten without --force" in refused(words, capsys)
        assert packed([*words, "--force"], capsys)

    def test_a_state_directory_alone(
        self, session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        text = packed(["--state", session / "state"], capsys)
        assert "there is nothing to replay" in text
        assert "2 in day 1, net 15.00" in text
        played(text, tmp_path, capsys)

    def test_a_bank_elsewhere(
        self, session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "state").mkdir()
        memory = (session / "state" / MEMORY_NAME).read_bytes()
        (tmp_path / "state" / MEMORY_NAME).write_bytes(memory)
        assert "There is no ledger of the bank" in packed(["--state", tmp_path / "state"], capsys)

    def test_a_profile_of_ones_own_comes_with_it(
        self, session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        own, text = tmp_path / "mine.toml", read_terminal_profile("unipos-2023")[0]
        own.write_text(f'extends = "unipos-2023"\ntitle = "Mine"\n{_row(text)}', encoding="utf-8")
        text = packed(["--trace", session / "trace.jsonl", "--terminal-profile", own], capsys)
        assert "terminal: unipos-2023, from a file of the user's own" in text
        assert '"set": {' in text
        assert str(tmp_path) not in text
        played(text, tmp_path, capsys)

    def test_nothing_to_pack(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "there is nothing to pack" in refused([], capsys)


def _row(text: str) -> str:
    """Return the first row of a profile that is a number, with another value."""
    table = ""
    for line in text.splitlines():
        table = line if line.startswith("[") else table
        if "{ value = " in line and line.split("value = ")[1].split(",")[0].isdigit():
            number = line.split("value = ")[1].split(",")[0]
            return f"{table}\n{line.replace(f'value = {number},', f'value = {int(number) + 1},')}\n"
    raise AssertionError
