"""``keys`` as its user meets it: no key in clear shown, nothing overwritten, what is wrong by file."""

import re
import stat
import sys
from pathlib import Path

import pytest

from smartsale_emu.cli import main
from smartsale_emu.security.keys import KeyForm, KeyRing, KeySlot, KeyUsage, parse_key
from smartsale_emu.security.tr31 import unwrap

KEYS = Path(__file__).parents[2] / "keys"
MASTER = """
name = "master"
usage = "master"
algorithm = "TDES"
value = "0123456789ABCDEFFEDCBA9876543210"
kcv = "08D7B4"
source = "published"
"""
SESSION = """
name = "session"
usage = "pin"
algorithm = "TDES"
cryptogram = "541B3C01A778416611C2E290748628CC"
under = "master"
kcv = "76CDB5"
source = "self-made"
"""


def our_ring() -> KeyRing:
    return KeyRing(parse_key(file.read_text(encoding="utf-8"), file.name) for file in KEYS.glob("*.toml"))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A directory with a master key and a session key under it."""
    (tmp_path / "master.toml").write_text(MASTER, encoding="utf-8")
    (tmp_path / "session.toml").write_text(SESSION, encoding="utf-8")
    return tmp_path


def assert_no_key(shown: str, ring: KeyRing) -> None:
    for slot in ring.slots():
        assert slot.value.reveal().hex() not in shown.lower(), slot.name


class TestList:
    def test_shows_slots_and_check_values_and_no_key(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["keys", "list"]) == 0
        out, err = capsys.readouterr()
        rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
        for slot in our_ring().slots():
            row = rows[slot.name]
            assert re.search(rf" {slot.usage} +{slot.algorithm} {slot.bits} +{slot.kcv} ", row)
            above = {KeyForm.CLEAR: "clear", KeyForm.CRYPTOGRAM: "under ", KeyForm.TR31: "TR-31 under "}
            assert above[slot.form] + slot.under in row
        assert_no_key(out, our_ring())
        assert err == ""

    def test_of_a_directory(self, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["keys", "list", "--keys", str(keys)]) == 0
        out = capsys.readouterr().out
        assert "Keys (2)" in out
        assert "76CDB5" in out
        assert "a1b3c2d5" not in out.lower()

    def test_a_wrong_key_is_one_line(self, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (keys / "session.toml").write_text(SESSION.replace("76CDB5", "76CDB6"), encoding="utf-8")
        assert main(["keys", "list", "--keys", str(keys)]) == 2
        file = keys / "session.toml"
        says = f"smartsale-emu: {file}: key slot session: kcv: the key does not match its check value\n"
        assert capsys.readouterr().err == says

    def test_an_empty_directory_is_one_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["keys", "list", "--keys", str(tmp_path)]) == 2
        assert capsys.readouterr().err == f"smartsale-emu: {tmp_path}: there is no key file (*.toml)\n"


class TestVerify:
    def test_our_keys_are_right(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["keys", "verify"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[:-1] == [
            f"right  keys/{file.name}: key slot {file.stem}, KCV {our_ring().get(file.stem).kcv}"
            for file in sorted(KEYS.glob("*.toml"))
        ]
        assert lines[-1] == "All are right."

    def test_a_set_that_lacks_a_key_is_told_profile_by_profile(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for file in KEYS.glob("*.toml"):
            if file.stem != "terminal-mac":
                (tmp_path / file.name).write_bytes(file.read_bytes())
        assert main(["keys", "verify", str(tmp_path)]) == 0
        told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not for ")]
        lacks = f"{tmp_path}: key slot terminal-mac: there is no key"
        names = ["nac-bcd", "tbank-style"]
        assert [line.split(" (")[0] for line in told] == [
            f"not for --bank-profile {name}: {lacks}" for name in names
        ]

    def test_each_wrong_file_is_told(self, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
        wrong = {
            "bad-kcv": MASTER.replace("08D7B4", "08D7B5").replace('"master"\nusage', '"bad"\nusage'),
            "circle": SESSION.replace('"session"', '"a"').replace('"master"', '"b"'),
            "circle-too": SESSION.replace('"session"', '"b"').replace('"master"', '"a"'),
            "no-kcv": MASTER.replace('kcv = "08D7B4"', ""),
            "no-toml": "name =",
            "orphan": SESSION.replace('"session"', '"orphan"').replace('"master"', '"none"'),
            "twice": SESSION.replace('"session"', '"twin"'),
            "twice-too": SESSION.replace('"session"', '"twin"'),
        }
        for name, text in wrong.items():
            (keys / f"{name}.toml").write_text(text, encoding="utf-8")
        (keys / "no-text.toml").write_bytes(b"\xff\xfe")
        assert main(["keys", "verify", str(keys)]) == 1
        out = capsys.readouterr().out
        lines = {line.split(".toml")[0].rsplit("/", 1)[-1]: line for line in out.splitlines()[:-1]}
        assert {name for name, line in lines.items() if line.startswith("right  ")} == {"master", "session"}
        said = {
            "bad-kcv": "key slot bad: kcv: the key does not match its check value",
            "circle": "under: the keys lie in a circle: a under b under a",
            "circle-too": "under: the keys lie in a circle: b under a under b",
            "no-kcv": "no-kcv.toml: key slot master: kcv: is missing",
            "no-toml": "is not a TOML file",
            "no-text": "is no UTF-8 text",
            "orphan": "key slot orphan: under: there is no key slot none",
            "twice": "key slot twin: is filled twice",
            "twice-too": "key slot twin: is filled twice",
        }
        assert set(lines) == {*said, "master", "session"}
        for name, words in said.items():
            assert lines[name].startswith("WRONG  ")
            assert lines[name].endswith(words)
        assert out.splitlines()[-1] == f"{len(said)} wrong"
        assert "0123456789ABCDEF" not in out

    def test_a_file_alone_with_the_key_beside_it(
        self, keys: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["keys", "verify", str(keys / "session.toml")]) == 0
        out = capsys.readouterr().out
        assert out == f"right  {keys}/session.toml: key slot session, KCV 76CDB5\nAll are right.\n"

    def test_a_file_alone_under_a_key_of_ours(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        text = (KEYS / "terminal-mac.toml").read_text(encoding="utf-8")
        (tmp_path / "copy.toml").write_text(text, encoding="utf-8")
        assert main(["keys", "verify", str(tmp_path / "copy.toml")]) == 0
        assert "key slot terminal-mac" in capsys.readouterr().out

    def test_a_mistake_beside_a_file_is_not_its_own(self, keys: Path) -> None:
        (keys / "broken.toml").write_text("name =", encoding="utf-8")
        (keys / "session-copy.toml").write_text(SESSION, encoding="utf-8")
        assert main(["keys", "verify", str(keys / "session.toml")]) == 0

    def test_no_such_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["keys", "verify", str(tmp_path / "none.toml")]) == 1
        assert "none.toml: " in capsys.readouterr().out

    def test_several_paths(self, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["keys", "verify", str(keys / "master.toml"), str(KEYS), str(keys / "session.toml")]) == 0
        assert len(capsys.readouterr().out.splitlines()) == len(list(KEYS.glob("*.toml"))) + 3


class TestGenerate:
    @pytest.mark.parametrize(
        ("options", "bits", "form"),
        [
            (["--usage", "pin", "--algorithm", "TDES"], 128, KeyForm.CLEAR),
            (["--usage", "mac", "--algorithm", "TDES", "--bits", "192"], 192, KeyForm.CLEAR),
            (["--usage", "data", "--algorithm", "AES", "--bits", "256"], 256, KeyForm.CLEAR),
            (
                ["--usage", "pin", "--algorithm", "TDES", "--under", "terminal-master"],
                128,
                KeyForm.CRYPTOGRAM,
            ),
            (["--usage", "pin", "--algorithm", "AES", "--under", "wrapping-aes"], 128, KeyForm.TR31),
            (
                ["--usage", "initial", "--algorithm", "TDES", "--ksn", "FFFF9876543210E00000"],
                128,
                KeyForm.CLEAR,
            ),
            (["--usage", "issuer", "--algorithm", "TDES", "--bin", "2200", "--bin", "4"], 128, KeyForm.CLEAR),
        ],
    )
    def test_writes_a_key_file_and_shows_no_key(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        options: list[str],
        bits: int,
        form: KeyForm,
    ) -> None:
        file = tmp_path / "new.toml"
        assert main(["keys", "generate", "my-new-key", *options, "--out", str(file)]) == 0
        written = parse_key(file.read_text(encoding="utf-8"), file.name)
        slot = KeyRing([*our_ring().slots(), written]).get("my-new-key", KeyUsage(options[1]))
        assert (slot.algorithm, slot.bits, slot.form) == (options[3], bits, form)
        out, err = capsys.readouterr()
        told = f"{file}: key slot my-new-key, for {options[1]}, {options[3]} {bits}, KCV {slot.kcv}\n"
        assert (out, err) == (told, "")
        assert main(["keys", "verify", str(file)]) == 0
        assert sys.platform == "win32" or stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_every_key_is_another_one(self, tmp_path: Path) -> None:
        values = set()
        for number in range(8):
            file = tmp_path / f"{number}.toml"
            main(["keys", "generate", "a", "--usage", "pin", "--algorithm", "AES", "--out", str(file)])
            key = parse_key(file.read_text(encoding="utf-8"), file.name)
            assert isinstance(key, KeySlot)
            values.add(key.value)
        assert len(values) == 8

    def test_overwrites_nothing(self, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = keys / "master.toml"
        assert (
            main(["keys", "generate", "a", "--usage", "pin", "--algorithm", "AES", "--out", str(file)]) == 2
        )
        assert capsys.readouterr().err == f"smartsale-emu: {file}: exists, and is not overwritten\n"
        assert file.read_text(encoding="utf-8") == MASTER

    @pytest.mark.parametrize(
        ("name", "options", "says"),
        [
            ("a", "pin --algorithm TDES --bits 256", "--bits 256: a TDES key has 128 or 192 bits"),
            ("A", "pin --algorithm TDES", "the new key: name: must be words"),
            ("a", "pin --algorithm TDES --ksn 00", "ksn: goes with a key for initial, and only with one"),
            ("a", "initial --algorithm TDES", "ksn: goes with a key for initial, and only with one"),
            ("a", "initial --algorithm AES --ksn 00", "ksn: of a key of AES has 12 bytes"),
            ("a", "issuer --algorithm TDES --bin 4x", "bins: must be a list of texts of 1 to 8 digits"),
            ("a", "pin --algorithm TDES --under none", "key slot none: there is no key"),
            ("a", "pin --algorithm TDES --under terminal-mac", "for mac, not for other keys"),
            (
                "a",
                "pin --algorithm AES --under wrapping-tdes",
                "an AES key goes under an AES wrapping key only",
            ),
        ],
    )
    def test_what_cannot_be_is_one_line_and_no_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, options: str, says: str
    ) -> None:
        file = tmp_path / "new.toml"
        assert main(["keys", "generate", name, "--usage", *options.split(), "--out", str(file)]) == 2
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1
        assert not file.exists()

    def test_a_directory_that_is_not_there(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "none" / "new.toml"
        assert (
            main(["keys", "generate", "a", "--usage", "pin", "--algorithm", "AES", "--out", str(file)]) == 2
        )
        assert capsys.readouterr().err.startswith(f"smartsale-emu: {file}: ")

    def test_out_is_required(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main(["keys", "generate", "a", "--usage", "pin", "--algorithm", "AES"])
        assert ended.value.code == 2
        assert "--out" in capsys.readouterr().err


class TestExport:
    @pytest.mark.parametrize(
        ("name", "above", "version"),
        [
            ("terminal-pin", "wrapping-tdes", "B"),
            ("terminal-pin", "wrapping-aes", "D"),
            ("terminal-dukpt-aes", "wrapping-aes", "D"),
            ("terminal-dukpt-tdes", "wrapping-tdes", "B"),
        ],
    )
    def test_prints_the_block_and_nothing_else(
        self, capsys: pytest.CaptureFixture[str], name: str, above: str, version: str
    ) -> None:
        assert main(["keys", "export", name, "--tr31", "--under", above]) == 0
        out, err = capsys.readouterr()
        assert re.fullmatch(rf"{version}[0-9A-Z]+\n", out)
        assert err == ""
        ring = our_ring()
        slot = ring.get(name)
        found = unwrap(out.strip(), ring.get(above))
        assert (found.value, found.fits(slot.usage)) == (slot.value, True)
        assert slot.ksn.startswith(found.ksn)
        assert_no_key(out, ring)

    @pytest.mark.parametrize(
        ("name", "above", "says"),
        [
            ("none", "wrapping-aes", "key slot none: there is no key"),
            ("terminal-pin", "none", "key slot none: there is no key"),
            ("terminal-pin", "terminal-master", "its key is for master, not for wrapping"),
            ("wrapping-aes", "wrapping-aes", "a key does not lie under itself"),
            ("terminal-storage", "wrapping-tdes", "an AES key goes under an AES wrapping key only"),
        ],
    )
    def test_what_cannot_be_is_one_line(
        self, capsys: pytest.CaptureFixture[str], name: str, above: str, says: str
    ) -> None:
        assert main(["keys", "export", name, "--tr31", "--under", above]) == 2
        out, err = capsys.readouterr()
        assert says in err
        assert (out, err.count("\n")) == ("", 1)
