"""The memory of a pinpad that is controlled, in its file."""

from pathlib import Path

import pytest

from smartsale_emu.runtime.disk import FileDisk
from smartsale_emu.runtime.memory_file import MemoryFile
from smartsale_emu.scenario.virtual import PowerCutError


def test_what_is_written_is_in_the_file(tmp_path: Path) -> None:
    with MemoryFile(tmp_path / "memory") as file:
        disk = FileDisk(file)
        assert disk.text == ""
        disk.save("one\n")
        disk.append("two\n")
        assert disk.text == (tmp_path / "memory").read_text() == "one\ntwo\n"
        disk.text = "three\n"
        assert FileDisk(file).text == "three\n"


def test_a_full_one_stops_the_pinpad_and_keeps_what_it_had(tmp_path: Path) -> None:
    with MemoryFile(tmp_path / "memory") as file:
        disk = FileDisk(file)
        disk.save("one\n")
        disk.full = True
        for write in (disk.save, disk.append):
            with pytest.raises(PowerCutError):
                write("two\n")
        assert file.load() == disk.text == "one\n"
