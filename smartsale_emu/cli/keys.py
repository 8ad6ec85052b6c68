"""``keys``: slots and check values, whether key files are right, new test keys, TR-31 blocks."""

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

from smartsale_emu.errors import KeySlotError, SetupError
from smartsale_emu.runtime.assembly import load_bank_profile, load_keys
from smartsale_emu.runtime.resources import (
    bank_profile_names,
    find_key_files,
    read_key_file,
    write_key_file,
)
from smartsale_emu.security.bank_safe import BankSafe
from smartsale_emu.security.keys import (
    Algorithm,
    KeyForm,
    KeyRing,
    KeySlot,
    KeyUsage,
    SealedKey,
    check_value,
    dump_key,
    parse_key,
    random_key,
    seal_key,
)
from smartsale_emu.security.safe import TerminalSafe

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 140
"""Columns that the table needs; a narrower window wraps it."""

COMMENT = "# A random test key: never use it for money.\n"

_Read = KeySlot | SealedKey | SetupError
"""A key file that was read, or what is wrong with it."""


def run(args: argparse.Namespace) -> int:
    """Do what was asked; status 1 when a key file is wrong."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "list": _list,
        "verify": _verify,
        "generate": _generate,
        "export": _export,
    }
    return actions[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from rich.console import Console

    ring = load_keys(args.keys)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.width = max(console.width, WIDTH)
    console.print(_table(ring))
    return 0


def _table(ring: KeyRing) -> "Table":
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(title=f"Keys ({len(ring.names())})", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for name in ("slot", "usage", "key", "KCV", "form"):
        table.add_column(name, no_wrap=True)
    table.add_column("source")
    for slot in ring.slots():
        kind = f"{slot.algorithm} {slot.bits}"
        table.add_row(slot.name, slot.usage, kind, slot.kcv, _form(slot), slot.source)
    return table


def _form(slot: KeySlot) -> str:
    match slot.form:
        case KeyForm.CLEAR:
            return "clear"
        case KeyForm.CRYPTOGRAM:
            return f"under {slot.under}"
        case KeyForm.TR31:
            return f"TR-31 under {slot.under}"


def _verify(args: argparse.Namespace) -> int:
    wrong = 0
    for path in args.paths or [None]:
        for origin, verdict in _verdicts(path):
            if isinstance(verdict, SetupError):
                wrong += 1
                print(f"WRONG  {verdict}" if origin in str(verdict) else f"WRONG  {origin}: {verdict}")
            else:
                print(f"right  {origin}: key slot {verdict.name}, KCV {verdict.kcv}")
    if wrong:
        print(f"{wrong} wrong")
        return 1
    for path in args.paths or [None]:
        if path is None or path.is_dir():
            _tell_profiles(path)
    print("All are right.")
    return 0


def _tell_profiles(directory: Path | None) -> None:
    """Tell which bank profiles these keys are no whole set for."""
    ring = load_keys(directory)
    for name in bank_profile_names():
        protection = load_bank_profile(name).protection
        try:
            TerminalSafe(ring, os.urandom, protection)
            BankSafe(ring, os.urandom, protection)
        except KeySlotError as error:
            print(f"not for --bank-profile {name}: {error}")


def _verdicts(path: Path | None) -> Iterator[tuple[str, KeySlot | SetupError]]:
    """Yield every wanted file with its key, or with what is wrong. ``path``: None for our own keys."""
    files, others = _files(path)
    read = {origin: _read(file, origin) for origin, file in files.items()}
    at_hand = [_read(file, origin) for origin, file in others.items()] + list(read.values())
    by_name = {key.name: key for key in at_hand if not isinstance(key, SetupError)}
    names = [key.name for key in read.values() if not isinstance(key, SetupError)]
    for origin, key in read.items():
        if isinstance(key, SetupError):
            yield origin, key
        elif names.count(key.name) > 1:
            yield origin, KeySlotError(f"{origin}: key slot {key.name}: is filled twice")
        else:
            yield origin, _opened(key, by_name)


def _files(path: Path | None) -> tuple[Mapping[str, Traversable], Mapping[str, Traversable]]:
    """Return the files to check, and those that may hold a key above one: beside a single file, or ours."""
    if path is None or path.is_dir():
        return find_key_files(path), {}
    beside = {str(file): file for file in sorted(path.parent.glob("*.toml")) if file != path}
    return {str(path): path}, {**find_key_files(), **beside}


def _read(file: Traversable, origin: str) -> _Read:
    try:
        return parse_key(*read_key_file(file, origin))
    except SetupError as error:
        return error


def _opened(key: KeySlot | SealedKey, by_name: Mapping[str, KeySlot | SealedKey]) -> KeySlot | SetupError:
    """Return the key of one file, opened with no other keys than it needs: their mistakes are not its own."""
    needed = {key.name: key}
    while isinstance(key, SealedKey) and key.under in by_name and key.under not in needed:
        key = by_name[key.under]
        needed[key.name] = key
    try:
        return KeyRing(needed.values()).get(next(iter(needed)))
    except KeySlotError as error:
        return error


def _generate(args: argparse.Namespace) -> int:
    algorithm, usage = Algorithm(args.algorithm), KeyUsage(args.usage)
    if algorithm is Algorithm.TDES and args.bits == 256:
        raise KeySlotError("--bits 256: a TDES key has 128 or 192 bits")
    value = random_key(algorithm, args.bits, os.urandom)
    kcv, source = check_value(algorithm, value), "self-made at random"
    slot = KeySlot(args.name, usage, algorithm, value, kcv, source, args.ksn, tuple(args.bin))
    parse_key(dump_key(slot).reveal(), "the new key")
    written: KeySlot | SealedKey = slot
    if args.under:
        written = seal_key(slot, load_keys(args.keys).get(args.under), os.urandom)
    write_key_file(args.out, COMMENT + dump_key(written).reveal())
    print(f"{args.out}: key slot {slot.name}, for {usage}, {algorithm} {args.bits}, KCV {kcv}")
    return 0


def _export(args: argparse.Namespace) -> int:
    ring = load_keys(args.keys)
    print(seal_key(ring.get(args.name), ring.get(args.under, KeyUsage.WRAPPING), os.urandom).blob)
    return 0
