"""The one way to ``psec`` and ``pyemv``.

Both libraries reach triple DES through a name that ``cryptography`` is about to take away, and hand it short
keys, which it is about to refuse; today it warns about each. So their modules get a stand-in, which takes
triple DES from where it lives now and writes every key out to 24 bytes. It is put in once, when a library is
first asked for: ``cryptography`` is slow to import.
"""

from functools import cache
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # cryptography is slow to import
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES


def psec(name: str) -> ModuleType:
    """Return a module of ``psec``: ``"pinblock"``, ``"mac"``, ``"tr31"``, ``"des"``, ``"aes"``, ``"cvv"`` ...

    >>> key = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    >>> psec("des").generate_kcv(key, 3).hex().upper()
    '08D7B4'

    Raises:
        ValueError: there is no such module.
    """
    return _module(_psec(), name)


def pyemv(name: str) -> ModuleType:
    """Return a module of ``pyemv``: ``"kd"``, ``"ac"``, ``"mac"``, ``"cvn"``, ``"tools"`` ...

    >>> imk = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    >>> pyemv("kd").derive_icc_mk_a(imk, "9901234567890123", "45").hex().upper()
    'F84315C7B95BD3B0C74694922C3808B0'

    Raises:
        ValueError: there is no such module.
    """
    return _module(_pyemv(), name)


def whole_tdes_key(key: bytes) -> bytes:
    """Return the 24 bytes of a triple DES key of 8, 16 or 24 bytes (keying options 3, 2 and 1)."""
    return {8: key * 3, 16: key + key[:8]}.get(len(key), key)


def xor(one: bytes, other: bytes) -> bytes:
    """Return two byte strings of one length mixed bit by bit; the libraries' own ones carry no types.

    >>> xor(b"\\x0f\\xf0", b"\\xff\\xff").hex()
    'f00f'

    Raises:
        ValueError: the lengths differ.
    """
    if len(one) != len(other):
        raise ValueError("two byte strings of one length are needed")
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))


@cache
def _psec() -> ModuleType:
    import psec

    return _with_stand_in(psec)


@cache
def _pyemv() -> ModuleType:
    import pyemv

    return _with_stand_in(pyemv)


def _module(library: ModuleType, name: str) -> ModuleType:
    module = vars(library).get(name)
    if not isinstance(module, ModuleType):
        raise ValueError(f"{library.__name__} has no module {name}")
    return module


def _with_stand_in(library: ModuleType) -> ModuleType:
    from cryptography.hazmat.primitives.ciphers.algorithms import AES

    stand_in = SimpleNamespace(TripleDES=_triple_des, AES=AES)
    for module in vars(library).values():
        if isinstance(module, ModuleType) and "_algorithms" in vars(module):
            vars(module)["_algorithms"] = stand_in
    return library


def _triple_des(key: bytes) -> "TripleDES":
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES

    return TripleDES(whole_tdes_key(bytes(key)))
