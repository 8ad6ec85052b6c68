"""The memory of a pinpad on a real port that is controlled: it can be full, and be given another text."""

from smartsale_emu.runtime.memory_file import MemoryFile
from smartsale_emu.scenario.virtual import PowerCutError


class Disk:
    """The pinpad's memory as long as the story lasts; ``full``: it takes nothing more."""

    def __init__(self) -> None:
        self._held, self.full = bytearray(), False  # bytes: appending copies nothing, and Cyrillic is short

    @property
    def text(self) -> str:
        """What it holds. To set it writes it, full or not."""
        return self._held.decode()

    @text.setter
    def text(self, text: str) -> None:
        self._write(text)

    def save(self, text: str) -> None:
        """Write all of it. Raises PowerCutError when it is full: the pinpad stops there."""
        self._need_room()
        self._write(text)

    def append(self, line: str) -> None:
        """Write a line behind it. Raises PowerCutError when it is full."""
        self._need_room()
        self._add(line)

    def _write(self, text: str) -> None:
        self._held = bytearray(text.encode())

    def _add(self, line: str) -> None:
        self._held += line.encode()

    def _need_room(self) -> None:
        if self.full:
            raise PowerCutError


class FileDisk(Disk):
    """A disk whose text stands in a file; what `save` or `append` returned from survives a power cut.

    Raises:
        StateError: there is a file that cannot be read; later on: it cannot be written.
    """

    def __init__(self, file: MemoryFile) -> None:
        super().__init__()
        self._file = file
        super()._write(file.load() or "")

    def _write(self, text: str) -> None:
        self._file.save(text)
        super()._write(text)

    def _add(self, line: str) -> None:
        self._file.append(line)
        super()._add(line)
