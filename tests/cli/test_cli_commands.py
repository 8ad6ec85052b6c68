"""Every command as its user meets it: what it prints, and its exit status."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from smartsale_emu.cli import main
from smartsale_emu.cli.parser import build_parser
from smartsale_emu.terminal.memory import Memory, dump_memory

WAIT = "02 05 00 19 02 00 32 31 a5 c2"


class TestDecode:
    def test_names_the_fields(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["decode", "02:15:00", "0008003030303030313030", "0x040300363433", "190100 31462e"]) == 0
        printed = capsys.readouterr().out
        assert "AMOUNT" in printed
        assert "OPERATION_CODE" in printed
        assert "00000100" in printed

    def test_explains_a_bad_crc(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["decode", WAIT[:-2] + "c3"]) == 1
        assert "CRC" in capsys.readouterr().out

    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["decode", "--json", WAIT, "06"]) == 0
        units = json.loads(capsys.readouterr().out)["units"]
        assert [unit["kind"] for unit in units] == ["frame", "ACK"]
        assert units[0]["fields"][0]["text"] == "21"

    def test_reads_standard_input(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(WAIT))
        assert main(["decode"]) == 0
        assert "21" in capsys.readouterr().out

    @pytest.mark.parametrize(("given", "said"), [("0g", "'g' is not a hex"), ("123", "do not make whole")])
    def test_bad_hex_is_one_line(self, given: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["decode", given]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1


class TestDemo:
    def test_tells_its_story(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["demo"]) == 0
        printed = capsys.readouterr().out
        assert "39=1" in printed
        assert "39=16" in printed
        assert "answering → retrying" in printed
        assert "step=reversal" in printed
        assert "Bank and pinpad agree." in printed

    def test_frames_on_request(self, capsys: pytest.CaptureFixture[str]) -> None:
        main(["demo"])
        plain = capsys.readouterr().out
        main(["demo", "--frames"])
        assert len(capsys.readouterr().out) > len(plain)


class TestLedger:
    def test_new_state_agrees(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["ledger", "--state", str(tmp_path), "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["agree"] is True
        assert document["bank"] == {"operations": []}
        assert document["pinpad"]["last_operation"] is None
        assert document["pinpad"]["pending_reversal"] is None

    def test_no_such_directory(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["ledger", "--state", str(tmp_path / "none")]) == 2
        assert capsys.readouterr().err.startswith("smartsale-emu: state directory ")

    @pytest.mark.parametrize("damage", ['"stan": "x"', '"slip": true', '"terminal_id": 7'])
    def test_memory_of_wrong_types(
        self, damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        key = damage.partition(":")[0]
        good = dump_memory(Memory())
        start = good.index(key)
        end = good.index(",", start)
        (tmp_path / "memory.json").write_text(good[:start] + damage + good[end:])
        assert main(["ledger", "--state", str(tmp_path)]) == 2
        assert "is not a pinpad's memory" in capsys.readouterr().err

    def test_a_bank_of_its_own_must_be_named(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "memory.json").write_text(dump_memory(Memory().next_stan()))
        assert main(["ledger", "--state", str(tmp_path)]) == 2
        assert "--bank-state DIR" in capsys.readouterr().err

    def test_damaged_memory(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "memory.json").write_text("{}")
        assert main(["ledger", "--state", str(tmp_path)]) == 2
        assert "is not a pinpad's memory" in capsys.readouterr().err


class TestOptions:
    @pytest.mark.parametrize("amount", ["12.00", "12", "12,00", "0.01", "9999999999.99"])
    def test_good_amounts(self, amount: str) -> None:
        args = build_parser().parse_args(["register", "sale", amount, "--port", "COM1"])
        assert args.amount == round(float(amount.replace(",", ".")) * 100)

    @pytest.mark.parametrize(
        "words",
        [
            ["register", "sale", "0", "--port", "COM1"],
            ["register", "sale", "12.005", "--port", "COM1"],
            ["register", "sale", "nan", "--port", "COM1"],
            ["register", "sale", "1e30", "--port", "COM1"],
            ["register", "sale", "12", "--port", "COM1", "--currency", "RUB"],
            ["register", "sale", "12", "--port", "COM1", "--ern", "1000000"],
            ["register", "sale", "12"],
            ["register", "test", "--port", "COM1", "--terminal-id", "123456789"],
            ["run", "--speed", "0"],
            ["run", "--pin", "12"],
            ["run", "--card-delay", "-1"],
            ["nonsense"],
        ],
    )
    def test_bad_options_end_with_status_2(
        self, words: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        assert "smartsale-emu" in capsys.readouterr().err


LATER = {"pydantic", "yaml", "fastapi", "starlette", "uvicorn"}


@pytest.mark.parametrize(
    ("loads", "not_yet"),
    [
        ("from smartsale_emu.cli.parser import build_parser; build_parser('')", {"scenario", "control"}),
        ("import smartsale_emu.cli.run", {"control"}),
    ],
    ids=["parser", "run"],
)
def test_what_nobody_asked_for_is_not_loaded(loads: str, not_yet: set[str]) -> None:
    script = f"import sys; {loads}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = done.stdout.split()
    assert not LATER & set(loaded)
    assert not {f"smartsale_emu.{room}" for room in not_yet} & set(loaded)
