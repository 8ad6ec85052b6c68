"""Keys of one's own (``--keys``), serial numbers after power cuts, and what a start loads of all this."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from e2e_kit import PACKAGE_PARENT, QUICK, Server, bank, environment, memory_of, pinpad, run_cli

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGTERM")

OURS = PACKAGE_PARENT / "keys"
ANY_PORT = "tcp:127.0.0.1:0"


@pytest.fixture
def other_keys(tmp_path: Path) -> Path:
    """Our keys, but another one for PINs."""
    other = shutil.copytree(OURS, tmp_path / "keys")
    (other / "terminal-pin.toml").unlink()
    words = ["terminal-pin", "--usage", "pin", "--algorithm", "TDES", "--under", "terminal-master"]
    made = run_cli("keys", "generate", *words, "--out", other / "terminal-pin.toml")
    assert made.returncode == 0, made.stderr
    return other


def outcome(port: str, *words: str) -> tuple[str, str]:
    """Return fields 39 and 15 of one operation."""
    fields = json.loads(run_cli("register", *words, "--port", port, "--json").stdout)["fields"]
    return fields["39"]["text"], fields["15"]["text"]


def test_both_ends_need_the_same_other_keys(tmp_path: Path, other_keys: Path) -> None:
    others = ("--keys", str(other_keys))
    for name, options, expected in (("same", others, ("1", "001")), ("ours", (), ("16", "081"))):
        with (
            bank(tmp_path / f"bank-{name}", *others) as host,
            pinpad(tmp_path / name, *QUICK, *options, "--host", host.port, port=ANY_PORT) as server,
        ):
            assert outcome(server.port, "cash", "5") == expected


@pytest.mark.parametrize(("name", "refused"), [("terminal-pin", True), ("bank-dukpt-aes", False)])
def test_a_wrong_key_is_one_line_with_its_file(
    tmp_path: Path, other_keys: Path, name: str, *, refused: bool
) -> None:
    """At the start one that the scheme uses; any, by ``keys verify``."""
    file = other_keys / f"{name}.toml"
    text = file.read_text(encoding="utf-8")
    kcv = text.split('kcv = "')[1][:6]
    file.write_text(text.replace(kcv, "000000"), encoding="utf-8")
    says = f"{file}: key slot {name}: kcv: the key does not match its check value\n"
    assert run_cli("keys", "verify", other_keys).stdout.count(f"WRONG  {says}") == 1
    for words in (["run", "--port", ANY_PORT], ["host"]) if refused else ():
        done = run_cli(*words, "--headless", "--keys", other_keys, "--state", tmp_path / "state")
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"smartsale-emu: {says}")


@pytest.mark.parametrize("profile", ["dukpt-tdes", "dukpt-aes"])
def test_no_serial_number_is_used_twice_after_a_power_cut(tmp_path: Path, profile: str) -> None:
    numbers = []
    for _ in range(3):
        server = Server(tmp_path / "pinpad", "run", "--port", ANY_PORT, *QUICK, "--bank-profile", profile)
        try:
            assert outcome(server.port, "cash", "5") == ("1", "001")
        finally:
            server.kill()
        numbers.append(int(memory_of(tmp_path / "pinpad")["keys"]["ksn"], 16))
    assert numbers == sorted(set(numbers))


def test_a_start_loads_no_library_of_keys_that_it_does_not_need() -> None:
    """The default profile needs no TR-31, no DUKPT and no chip: it is on its port at once."""
    program = """
import sys
from smartsale_emu.cli.parser import build_parser
import smartsale_emu.cli.run
from smartsale_emu.host.ledger import MemoryLedger
from smartsale_emu.runtime import DEFAULT_BANK_PROFILE
from smartsale_emu.runtime.assembly import build_bank, load_bank_profile, load_keys
build_parser("run").parse_args(["run"])
build_bank(load_bank_profile(DEFAULT_BANK_PROFILE), MemoryLedger(), load_keys())
print([name for name in ("psec", "pyemv", "rich", "smartsale_emu.register") if name in sys.modules])
"""
    command = [sys.executable, "-c", program]
    told = subprocess.run(command, capture_output=True, check=True, env=environment(), encoding="utf-8")
    assert told.stdout == "[]\n"
