"""State directory, memory file, trace file, and the files that come with the package."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from smartsale_emu.errors import KeySlotError, ProfileError, SetupError, StateError
from smartsale_emu.payment.card import parse_card
from smartsale_emu.runtime import resources
from smartsale_emu.runtime.file_lock import FileLock
from smartsale_emu.runtime.memory_file import MemoryFile
from smartsale_emu.runtime.state_dir import StateDir, default_state_dir
from smartsale_emu.runtime.trace_file import TraceFile
from smartsale_emu.terminal.memory import Memory, dump_change, dump_memory, parse_memory

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="modes and signals of POSIX")
NOT_ROOT = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="nothing is forbidden to root"
)


class TestStateDir:
    def test_it_is_made_for_its_owner_only(self, tmp_path: Path) -> None:
        with StateDir(tmp_path / "deep" / "state") as state:
            assert state.path.is_dir()
            assert state.memory.parent == state.ledger.parent == state.port.parent == state.path
            assert sys.platform == "win32" or state.path.stat().st_mode & 0o777 == 0o700

    def test_one_process_at_a_time(self, tmp_path: Path) -> None:
        with StateDir(tmp_path), pytest.raises(StateError, match=r"in use by another process$"):
            StateDir(tmp_path)
        StateDir(tmp_path).close()

    def test_a_file_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StateError, match=r"^state directory .*file: "):
            StateDir(tmp_path / "file")

    @POSIX
    def test_the_lock_of_a_killed_process_is_free(self, tmp_path: Path) -> None:
        code = (
            "import sys, pathlib; from smartsale_emu.runtime.state_dir import StateDir\n"
            f"state = StateDir(pathlib.Path({str(tmp_path)!r})); print('taken', flush=True); sys.stdin.read()"
        )
        owner = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1)
        with owner:
            assert owner.stdout is not None
            assert owner.stdout.readline() == b"taken\n"
            with pytest.raises(StateError):
                StateDir(tmp_path)
            owner.send_signal(signal.SIGKILL)
            owner.wait()
        StateDir(tmp_path).close()

    def test_the_default_is_the_first_that_nobody_has(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME", str(tmp_path))
        home = tmp_path / "smartsale-emu"
        with default_state_dir() as first, default_state_dir() as second:
            assert [first.path, second.path] == [home / "pinpad", home / "pinpad-2"]
            with default_state_dir("bank") as bank:
                assert bank.path == home / "bank"
        with default_state_dir() as again:
            assert again.path == home / "pinpad"

    def test_a_default_that_cannot_be_made_does_not_search_for_ever(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").touch()
        variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME"
        monkeypatch.setenv(variable, str(tmp_path / "file"))
        with pytest.raises(StateError, match=r"^state directory .*: "):
            default_state_dir()


@POSIX
def test_a_lock_file_that_its_owner_removes_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = FileLock.acquire(path)
    assert first is not None
    assert FileLock.acquire(path) is None
    first.release(remove=True)
    first.release()
    assert not path.exists()
    second = FileLock.acquire(path)
    assert second is not None
    assert path.exists()
    second.release()


class TestMemoryFile:
    def test_there_is_none_at_first(self, tmp_path: Path) -> None:
        assert MemoryFile(tmp_path / "memory.json").load() is None

    def test_the_last_text_counts(self, tmp_path: Path) -> None:
        memory = MemoryFile(tmp_path / "memory.json")
        memory.save("первый, и длиннее второго")
        memory.save("второй\r\n")
        assert MemoryFile(tmp_path / "memory.json").load() == "второй\r\n"
        assert [path.name for path in tmp_path.iterdir()] == ["memory.json"]

    def test_lines_are_appended_to_what_was_saved_last(self, tmp_path: Path) -> None:
        path = tmp_path / "memory.json"
        with MemoryFile(path) as memory:
            memory.save("one\n")
            memory.append("два\n")
            memory.append("three\n")
            assert MemoryFile(path).load() == "one\nдва\nthree\n"
            memory.save("anew\n")
            memory.append("and more\n")
        assert path.read_bytes() == b"anew\nand more\n"

    def test_nothing_is_appended_to_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(StateError, match=r"memory\.json: no such file"):
            MemoryFile(tmp_path / "memory.json").append("line\n")

    def test_a_line_may_be_cut_anywhere_by_the_power(self, tmp_path: Path) -> None:
        """Within a letter too; the lines before it count."""
        whole, path = dump_memory(Memory().next_stan()), tmp_path / "memory.json"
        later = dump_change(Memory().next_stan().next_stan().remarked("doubt", 2, "ОПЛАТА"), ())
        for size in range(len(later.encode())):
            path.write_bytes(whole.encode() + later.encode()[:size])
            text = MemoryFile(path).load()
            assert text is not None
            assert parse_memory(text, origin="memory").stan == 1

    @POSIX
    def test_nobody_else_may_read_it(self, tmp_path: Path) -> None:
        memory = MemoryFile(tmp_path / "memory.json")
        memory.save("{}")
        assert (tmp_path / "memory.json").stat().st_mode & 0o777 == 0o600

    def test_half_a_write_leaves_the_former_text(self, tmp_path: Path) -> None:
        memory = MemoryFile(tmp_path / "memory.json")
        memory.save("former")
        (tmp_path / "memory.json.new").write_text("hal")  # killed between write and rename
        assert memory.load() == "former"
        memory.save("next")
        assert memory.load() == "next"

    def test_what_is_no_text_is_one_clear_line(self, tmp_path: Path) -> None:
        (tmp_path / "memory.json").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(StateError, match="is damaged"):
            MemoryFile(tmp_path / "memory.json").load()

    def test_a_directory_that_is_gone(self, tmp_path: Path) -> None:
        with pytest.raises(StateError, match="no such file"):
            MemoryFile(tmp_path / "gone" / "memory.json").save("{}")

    @NOT_ROOT
    def test_no_permission(self, tmp_path: Path) -> None:
        (tmp_path / "memory.json").touch(mode=0)
        with pytest.raises(StateError, match=r"permission denied$"):
            MemoryFile(tmp_path / "memory.json").load()


class TestTraceFile:
    def test_a_line_can_be_read_as_soon_as_it_is_written(self, tmp_path: Path) -> None:
        path = tmp_path / "trace.jsonl"
        with TraceFile(path) as trace:
            trace.write({"at": 1, "text": "ОДОБРЕНО\nвторая"})
            assert json.loads(path.read_text(encoding="utf-8")) == {"at": 1, "text": "ОДОБРЕНО\nвторая"}
            trace.write({"path": path})
        assert len(path.read_bytes().splitlines()) == 2

    def test_a_trace_goes_on(self, tmp_path: Path) -> None:
        for number in (1, 2):
            with TraceFile(tmp_path / "trace.jsonl") as trace:
                trace.write({"number": number})
        assert (tmp_path / "trace.jsonl").read_text() == '{"number":1}\n{"number":2}\n'

    def test_a_path_that_cannot_be_written(self, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match=r"^trace .*gone.*: no such file"):
            TraceFile(tmp_path / "gone" / "trace.jsonl")


class TestResources:
    def test_every_card_is_good(self) -> None:
        cards = resources.read_card_files()
        assert "mir-chip" in cards
        for name, (text, origin) in cards.items():
            assert parse_card(text, name=name, origin=origin).card.name == name
            assert origin == f"cards/{name}.toml"

    def test_the_keys_of_a_checkout_are_found(self) -> None:
        text, origin = resources.read_key_files()["terminal-pin"]
        assert text
        assert origin == "keys/terminal-pin.toml"

    @pytest.mark.parametrize("read", [resources.read_terminal_profile, resources.read_bank_profile])
    def test_an_unknown_profile_lists_what_there_is(self, read: object) -> None:
        assert callable(read)
        with pytest.raises(ProfileError, match=r"profile 'nonsense' does not exist; there is: [a-z0-9, -]+$"):
            read("nonsense")

    def test_a_profile_by_name_and_by_path(self, tmp_path: Path) -> None:
        text, origin = resources.read_bank_profile("generic-ascii")
        assert origin == "generic-ascii.toml"
        copy = tmp_path / "mine.toml"
        copy.write_text(text, encoding="utf-8")
        assert resources.read_bank_profile(str(copy)) == (copy.read_text(encoding="utf-8"), str(copy))

    def test_a_path_that_leads_nowhere(self, tmp_path: Path) -> None:
        with pytest.raises(ProfileError, match="no such file"):
            resources.read_terminal_profile(str(tmp_path / "gone.toml"))

    def test_a_profile_that_is_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "bad.toml").write_bytes(b"\xff")
        with pytest.raises(ProfileError, match="is no UTF-8 text"):
            resources.read_terminal_profile(str(tmp_path / "bad.toml"))

    def test_our_scenarios_are_read_by_folders(self) -> None:
        origins = [origin for origin, _ in resources.read_scenarios()]
        assert origins == sorted(origins)
        assert "scenarios/everyday/first-steps.yaml" in origins

    def test_an_installed_package_has_its_data_inside(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "data" / "keys").mkdir(parents=True)
        monkeypatch.setattr(resources, "_package", lambda: tmp_path)
        with pytest.raises(KeySlotError, match="no key file"):
            resources.read_key_files()
        (tmp_path / "data" / "keys" / "one.toml").write_text("x = 1")
        assert resources.read_key_files() == {"one": ("x = 1", "keys/one.toml")}
