"""New session keys as text of one data element: no host's layout is public, so this is our own (assumed).

For each key three letters (``TPK`` for PINs, ``TAK`` for MACs), three digits of length, that many hex digits
of its cryptogram under the master key, and six of its check value.
"""

import re
from collections.abc import Iterable, Mapping

from smartsale_emu.errors import DialectError
from smartsale_emu.security.key_slot import KeyUsage
from smartsale_emu.security.protection import SessionKey

_LETTERS = {KeyUsage.PIN: "TPK", KeyUsage.MAC: "TAK"}
_USAGES = {letters: usage for usage, letters in _LETTERS.items()}
_KCV = 6
_HEAD = re.compile(r"([A-Z]{3})([0-9]{3})")
_HEX = re.compile(r"(?:[0-9A-F]{2})+")


def keys_text(keys: Iterable[SessionKey]) -> str:
    """Write session keys.

    >>> keys_text([SessionKey(KeyUsage.PIN, "541B3C01A778416611C2E290748628CC", "76CDB5")])
    'TPK032541B3C01A778416611C2E290748628CC76CDB5'
    """
    return "".join(f"{_LETTERS[key.usage]}{len(key.cryptogram):03d}{key.cryptogram}{key.kcv}" for key in keys)


def keys_of(fields: Mapping[int, str], number: int) -> tuple[SessionKey, ...]:
    """Read the session keys in an element; none when it was not sent.

    Raises:
        DialectError: the element holds something else.
    """
    text, keys = fields.get(number, ""), []
    while text:
        head = _HEAD.match(text)
        if head is None or head[1] not in _USAGES:
            raise DialectError(f"DE{number}: holds no session keys")
        end = head.end() + int(head[2])
        cryptogram, kcv, text = text[head.end() : end], text[end : end + _KCV], text[end + _KCV :]
        if len(kcv) != _KCV or not (_HEX.fullmatch(cryptogram) and _HEX.fullmatch(kcv)):
            raise DialectError(f"DE{number}: holds no session keys")
        keys.append(SessionKey(_USAGES[head[1]], cryptogram, kcv))
    return tuple(keys)
