"""Looking at a pinpad from beside: what is stale is not asked about twice, nothing is made or kept."""

import os
from pathlib import Path

import pytest

from smartsale_emu.errors import StateError
from smartsale_emu.runtime.file_lock import FileLock
from smartsale_emu.runtime.lookout import Sight, StateLookout, wait_until_ready
from smartsale_emu.runtime.state_dir import StateDir
from smartsale_emu.units import Millis

PORT = "tcp:127.0.0.1:5555"


class TestIsHeld:
    def test_no_lock_file_is_made(self, tmp_path: Path) -> None:
        assert not FileLock.is_held(tmp_path / "lock")
        assert list(tmp_path.iterdir()) == []

    def test_a_lock_is_seen_and_a_free_one_stays_free(self, tmp_path: Path) -> None:
        lock = FileLock.acquire(tmp_path / "lock")
        assert lock is not None
        assert FileLock.is_held(tmp_path / "lock")
        lock.release()
        assert not FileLock.is_held(tmp_path / "lock")
        again = FileLock.acquire(tmp_path / "lock")
        assert again is not None
        again.release()


class TestPort:
    def test_a_new_owner_forgets_what_a_dead_one_left(self, tmp_path: Path) -> None:
        (tmp_path / "listening").write_text(PORT)
        with StateDir(tmp_path):
            assert not (tmp_path / "listening").exists()

    def test_closing_twice_leaves_the_next_owner_alone(self, tmp_path: Path) -> None:
        first = StateDir(tmp_path)
        first.close()
        with StateDir(tmp_path) as second:
            second.tell_port(PORT)
            first.close()
            assert StateLookout(tmp_path).look() == Sight(PORT)

    def test_a_file_that_cannot_be_written_is_one_line(self, tmp_path: Path) -> None:
        with StateDir(tmp_path) as state:
            (tmp_path / "listening.new").mkdir()
            with pytest.raises(StateError, match=r"listening: "):
                state.tell_port(PORT)


class TestLooks:
    def test_what_is_stale_is_asked_about_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each question could get into the way of a pinpad that starts."""
        asked: list[Path] = []

        def nobody(lock: Path) -> bool:
            asked.append(lock)
            return False

        monkeypatch.setattr(FileLock, "is_held", staticmethod(nobody))
        file = tmp_path / "listening"
        file.write_text(PORT)
        lookout = StateLookout(tmp_path)
        assert not wait_until_ready(lookout, Millis(200)).name
        assert asked == [tmp_path / "lock"]
        os.utime(file, ns=(1, 1))
        lookout.look()
        assert len(asked) == 2

    def test_a_dead_ones_port_is_not_taken_for_the_new_owners(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The new owner has the lock, and removes the file a moment later."""
        file = tmp_path / "listening"
        file.write_text(PORT)

        def held(_lock: Path) -> bool:
            file.unlink()
            return True

        monkeypatch.setattr(FileLock, "is_held", staticmethod(held))
        assert not StateLookout(tmp_path).look().name

    def test_one_look_at_least(self, tmp_path: Path) -> None:
        with StateDir(tmp_path) as state:
            state.tell_port(PORT)
            assert wait_until_ready(StateLookout(tmp_path), Millis(0)) == Sight(PORT)
