"""The files that come with the package: cards, profiles, receipt layouts, keys, scenarios.

Each is read as (text, origin): ``origin`` names the file in error messages. Keys and scenarios stand at the
top of a checkout; a wheel carries them inside the package, under ``data``.
"""

import os
import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from smartsale_emu.errors import KeySlotError, ProfileError
from smartsale_emu.runtime.ports import plain_reason

_SUFFIX = ".toml"


def read_card_files() -> dict[str, tuple[str, str]]:
    """Return every test card file by its card's name, in the order of names."""
    return _read_all(_package() / "payment" / "cards")


def read_card_file(path: str) -> tuple[str, str]:
    """Return a card file of the user's own, by its path; a long number in the path is not shown.

    Raises:
        ProfileError: it cannot be read.
    """
    return _read("card file", Path(path), re.sub(r"\d{8,}", "*", path))


def read_key_files(directory: Path | None = None) -> dict[str, tuple[str, str]]:
    """Return every key file of a directory (ours, when none is given) by its stem, in the order of names.

    Raises:
        KeySlotError: there is not one.
    """
    return {
        file.name.removesuffix(_SUFFIX): read_key_file(file, origin)
        for origin, file in find_key_files(directory).items()
    }


def find_key_files(directory: Path | None = None) -> dict[str, Traversable]:
    """Return the key files of a directory (ours, when none is given), by what errors call them.

    Raises:
        KeySlotError: there is not one.
    """
    place: Traversable = _data("keys") if directory is None else directory
    shown = "keys" if directory is None else str(directory)
    found = {f"{shown}/{name}{_SUFFIX}": place / (name + _SUFFIX) for name in _names(place)}
    if not found:
        there_are = "; a checkout has them at its top" if directory is None else ""
        problem = f"there is no key file (*{_SUFFIX})" if place.is_dir() else "is no directory"
        raise KeySlotError(f"{shown}: {problem}{there_are}")
    return found


def read_key_file(file: Traversable, origin: str) -> tuple[str, str]:
    """Return one key file. Raises ProfileError when it cannot be read."""
    return _read("key file", file, origin)


def write_key_file(file: Path, text: str) -> None:
    """Write a new key file that only its owner can read.

    Raises:
        KeySlotError: there is such a file already, or it cannot be written.
    """
    try:
        with os.fdopen(
            os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as new:
            new.write(text)
    except FileExistsError:
        raise KeySlotError(f"{file}: exists, and is not overwritten") from None
    except OSError as error:
        raise KeySlotError(f"{file}: {plain_reason(error)}") from None


def read_terminal_profile(name_or_path: str) -> tuple[str, str]:
    """Return a terminal profile: one of ours by name, any other by its path (with ``/`` or ``.toml``).

    Raises:
        ProfileError: there is none; the text lists what there is.
    """
    return _read_named("terminal profile", _package() / "terminal" / "profiles", name_or_path)


def read_bank_profile(name_or_path: str) -> tuple[str, str]:
    """Return a bank profile: one of ours by name, any other by its path (with ``/`` or ``.toml``).

    Raises:
        ProfileError: there is none; the text lists what there is.
    """
    return _read_named("bank profile", _package() / "host" / "profiles", name_or_path)


def bank_profile_names() -> list[str]:
    """Return the names of our bank profiles."""
    return _names(_package() / "host" / "profiles")


def read_rulebook(name_or_path: str) -> tuple[str, str]:
    """Return a rulebook of the bank: one of ours by name, any other by its path (with ``/`` or ``.toml``).

    Raises:
        ProfileError: there is none; the text lists what there is.
    """
    return _read_named("rulebook", _package() / "host" / "rulebooks", name_or_path)


def read_receipt_layout(name_or_path: str) -> tuple[str, str]:
    """Return a receipt layout: one of ours by name, any other by its path (with ``/`` or ``.toml``).

    Raises:
        ProfileError: there is none; the text lists what there is.
    """
    return _read_named("receipt layout", _package() / "payment" / "receipts", name_or_path)


def read_dissector_template() -> str:
    """Return the Lua script of the dissector, without its tables."""
    return (_package() / "traces" / "sa.lua").read_text(encoding="utf-8")


def read_recipes() -> dict[str, str]:
    """Return the recipes (CI jobs, a systemd unit) by the names of their files, in the order of names."""
    folder = sorted((_package() / "recipes").iterdir(), key=lambda entry: entry.name)
    return {entry.name: entry.read_text(encoding="utf-8") for entry in folder if entry.is_file()}


def read_scenarios() -> Iterator[tuple[str, str]]:
    """Yield every scenario that comes with the package, by folders: what errors call it, and its text."""
    yield from _scenarios(_data("scenarios"), "scenarios")


def _scenarios(folder: Traversable, shown: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _scenarios(entry, f"{shown}/{entry.name}")
        elif entry.name.endswith(".yaml"):
            yield f"{shown}/{entry.name}", entry.read_text(encoding="utf-8")


def _package() -> Traversable:
    return files("smartsale_emu")


def _data(kind: str) -> Traversable:
    """Return ``data/<kind>`` of an installed package, or ``<kind>`` beside the package of a checkout."""
    installed = _package() / "data" / kind
    return installed if installed.is_dir() else Path(str(_package())).parent / kind


def _read_named(what: str, directory: Traversable, name_or_path: str) -> tuple[str, str]:
    if name_or_path.endswith(_SUFFIX) or "/" in name_or_path or "\\" in name_or_path:
        return _read(what, Path(name_or_path), name_or_path)
    names = _names(directory)
    if name_or_path not in names:
        there_is = ", ".join(names) or "none"
        raise ProfileError(f"{what} {name_or_path!r} does not exist; there is: {there_is}")
    return _read(what, directory / (name_or_path + _SUFFIX), name_or_path + _SUFFIX)


def _read_all(directory: Traversable) -> dict[str, tuple[str, str]]:
    return {
        name: _read("file", directory / (name + _SUFFIX), f"{directory.name}/{name}{_SUFFIX}")
        for name in _names(directory)
    }


def _names(directory: Traversable) -> list[str]:
    if not directory.is_dir():
        return []
    return sorted(
        entry.name.removesuffix(_SUFFIX) for entry in directory.iterdir() if entry.name.endswith(_SUFFIX)
    )


def _read(what: str, file: Traversable, origin: str) -> tuple[str, str]:
    try:
        if isinstance(file, Path) and (file.is_char_device() or file.is_fifo() or file.is_socket()):
            raise ProfileError(f"{what} {origin}: is no file")
        return file.read_text(encoding="utf-8"), origin
    except OSError as error:
        raise ProfileError(f"{what} {origin}: {plain_reason(error)}") from None
    except UnicodeDecodeError:
        raise ProfileError(f"{what} {origin}: is no UTF-8 text") from None
