"""Key files: one key each, readable, with its check value and where it comes from.

TOML rows: ``name``, ``usage``, ``algorithm``, ``kcv``, ``source``; the key itself as ``value`` (hex), as
``cryptogram`` (hex, ECB under the master key that ``under`` names), or as ``tr31`` (a block under the
wrapping key that ``under`` names); ``ksn`` (hex, counter zero) with an initial key, ``bins`` with an issuer
key. Texts of errors name the file and the slot, never a value.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

from smartsale_emu.errors import KeySlotError
from smartsale_emu.security import dukpt_aes, dukpt_tdes
from smartsale_emu.security.key_slot import (
    KEY_LENGTHS,
    Algorithm,
    KeyForm,
    KeySlot,
    KeyUsage,
    SealedKey,
    check_value,
)
from smartsale_emu.security.masking import Secret, SecretBytes

_Kind = TypeVar("_Kind", bound=StrEnum)
_TEXTS: Final = ("usage", "algorithm", "kcv", "source")
"""The rows of every key file, after ``name``."""

_MORE: Final = MappingProxyType({KeyUsage.INITIAL: "ksn", KeyUsage.ISSUER: "bins"})
"""The row that goes with one usage only."""

_NAME = re.compile(r"[a-z][a-z0-9]{0,14}(-[a-z0-9]{1,15})*")
"""Words of a name are shorter than any key, so no key is shown that stands where a name should."""

_BIN = re.compile(r"[0-9]{1,8}")
_DUKPT: Final = MappingProxyType({Algorithm.TDES: dukpt_tdes, Algorithm.AES: dukpt_aes})


def parse_key(text: str, origin: str) -> KeySlot | SealedKey:
    """Read a key file; compare a clear key with its check value. ``origin`` names the file in errors.

    A key under another is opened, and compared, by the ``KeyRing`` that holds both.

    >>> slot = parse_key('''
    ... name = "terminal-pin"
    ... usage = "pin"
    ... algorithm = "TDES"
    ... value = "0123456789ABCDEFFEDCBA9876543210"
    ... kcv = "08D7B4"
    ... source = "published"
    ... ''', "pin.toml")
    >>> slot
    KeySlot(terminal-pin, KCV 08D7B4)

    Raises:
        KeySlotError: the file is not a key file, or the key does not match its check value.
    """
    rows = _rows(text, origin)
    name, under = rows["name"], rows.get("under", "")
    where = f"{origin}: key slot {name}"
    algorithm = _choice(Algorithm, rows["algorithm"], f"{where}: algorithm")
    usage = _choice(KeyUsage, rows["usage"], f"{where}: usage")
    kcv = _hex(rows["kcv"], f"{where}: kcv").hex().upper()
    ksn, bins = _more(rows, usage, algorithm, where)
    form = next(form for form in KeyForm if form in rows)
    if form is KeyForm.CLEAR:
        value = SecretBytes(_hex(rows[form], f"{where}: value"))
        require_right(algorithm, value, kcv=kcv, where=where, row=form)
        return KeySlot(name, usage, algorithm, value, kcv, rows["source"], ksn, bins)
    blob = rows[form] if form is KeyForm.TR31 else _hex(rows[form], f"{where}: {form}").hex().upper()
    return SealedKey(name, usage, algorithm, form, blob, under, kcv, rows["source"], ksn, bins, origin=origin)


def require_right(algorithm: Algorithm, key: SecretBytes, *, kcv: str, where: str, row: str) -> None:
    """Compare a key with its check value. ``where`` and ``row`` begin the text of the error.

    Raises:
        KeySlotError: the key is too long or too short, or does not match.
    """
    if len(key.reveal()) not in KEY_LENGTHS[algorithm]:
        lengths = " or ".join(str(length) for length in KEY_LENGTHS[algorithm])
        raise KeySlotError(f"{where}: {row}: a {algorithm} key has {lengths} bytes")
    if check_value(algorithm, key) != kcv:
        raise KeySlotError(f"{where}: kcv: the key does not match its check value")


def require_name(name: str, where: str) -> str:
    """Return a name of a key slot.

    Raises:
        KeySlotError: it is none; the text does not show it, since it may be a key.
    """
    if not _NAME.fullmatch(name):
        raise KeySlotError(
            f"{where}: must be words of small letters and digits, 15 signs each at most, with hyphens"
        )
    return name


def dump_key(key: KeySlot | SealedKey) -> Secret:
    """Return the text of a key's file; ``parse_key`` reads the same key from it."""
    if isinstance(key, KeySlot):
        held = {KeyForm.CLEAR.value: key.value.reveal().hex().upper()}
    else:
        held = {key.form.value: key.blob, "under": key.under}
    rows: dict[str, object] = {
        "name": key.name,
        "usage": key.usage.value,
        "algorithm": key.algorithm.value,
        **held,
        "kcv": key.kcv,
    }
    if key.ksn:
        rows["ksn"] = key.ksn.hex().upper()
    if key.bins:
        rows["bins"] = key.bins
    rows["source"] = key.source
    return Secret(
        "".join(f"{row} = {json.dumps(value, ensure_ascii=False)}\n" for row, value in rows.items())
    )


def _rows(text: str, origin: str) -> dict[str, str]:
    """Return the rows; ``bins`` with commas between them."""
    document: dict[str, object] | None = None
    with suppress(tomllib.TOMLDecodeError):  # it carries the text, and the text is the key
        document = tomllib.loads(text)
    if document is None:
        raise KeySlotError(f"{origin}: is not a TOML file")
    name = require_name(_text(document, "name", origin), f"{origin}: name")
    where = f"{origin}: key slot {name}"
    rows = {"name": name} | {row: _text(document, row, where) for row in _TEXTS}
    forms = [form for form in KeyForm if form in document]
    if len(forms) != 1:
        raise KeySlotError(f"{origin}: one of {', '.join(KeyForm)} must hold the key")
    rows[forms[0]] = _text(document, forms[0], origin)
    if forms[0] is not KeyForm.CLEAR:
        rows["under"] = require_name(_text(document, "under", origin), f"{origin}: under")
    if "ksn" in document:
        rows["ksn"] = _text(document, "ksn", origin)
    if "bins" in document:
        rows["bins"] = _bins(document.pop("bins"), origin)
    if document:
        odd = min(document)
        shown = f"{odd}: " if _NAME.fullmatch(odd) else ""
        raise KeySlotError(f"{origin}: {shown}is not a row of such a key file")
    return rows


def _text(document: dict[str, object], row: str, origin: str) -> str:
    value = document.pop(row, None)
    if value is None:
        raise KeySlotError(f"{origin}: {row}: is missing")
    if not isinstance(value, str) or not value:
        raise KeySlotError(f"{origin}: {row}: must be a text")
    return value


def _bins(value: object, origin: str) -> str:
    bins = value if isinstance(value, list) else []
    if not bins or not all(isinstance(prefix, str) and _BIN.fullmatch(prefix) for prefix in bins):
        raise KeySlotError(f"{origin}: bins: must be a list of texts of 1 to 8 digits")
    return ",".join(bins)


def _more(
    rows: Mapping[str, str], usage: KeyUsage, algorithm: Algorithm, where: str
) -> tuple[bytes, tuple[str, ...]]:
    for owner, row in _MORE.items():
        if (row in rows) != (usage is owner):
            raise KeySlotError(f"{where}: {row}: goes with a key for {owner}, and only with one")
    ksn = _ksn(rows["ksn"], algorithm, f"{where}: ksn") if "ksn" in rows else b""
    return ksn, tuple(rows["bins"].split(",")) if "bins" in rows else ()


def _ksn(text: str, algorithm: Algorithm, where: str) -> bytes:
    ksn, dukpt = _hex(text, where), _DUKPT[algorithm]
    if len(ksn) != dukpt.KSN_SIZE:
        raise KeySlotError(f"{where}: of a key of {algorithm} has {dukpt.KSN_SIZE} bytes")
    if int.from_bytes(ksn) % (1 << dukpt.COUNTER_BITS):
        raise KeySlotError(f"{where}: its counter, the last {dukpt.COUNTER_BITS} bits, must be zero")
    return ksn


def _choice(kind: type[_Kind], value: str, where: str) -> _Kind:
    if value not in list(kind):
        raise KeySlotError(f"{where}: must be one of {', '.join(kind)}")
    return kind(value)


def _hex(text: str, where: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise KeySlotError(f"{where}: must be hexadecimal") from None
