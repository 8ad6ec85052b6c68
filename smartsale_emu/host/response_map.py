"""Response codes (DE39): the bank's own words, two characters, and what a host writes for them, two or three.

A row may say what is written in one kind of message only: ``00-reconciliation``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from smartsale_emu.host.rules import SYSTEM_ERROR
from smartsale_emu.payment.response_codes import approves, is_bank_code, moves_money
from smartsale_emu.profile_rows import Rows

TABLE = "response_codes"


@dataclass(frozen=True, slots=True)
class ResponseMap:
    """What one host writes. ``length``: of its codes; ``written``: own code, or own code and kind, to theirs.

    ``digits``: the host packs its codes, so that they hold no letters.

    >>> codes = ResponseMap(3, {"00": "000", "00-reversal": "400", "96": "909"})
    >>> codes.to_host("00", "financial"), codes.to_host("00", "reversal"), codes.to_host("B7", "financial")
    ('000', '400', '909')
    >>> codes.from_host("400"), codes.from_host("777")
    ('00', None)
    """

    length: int = 2
    written: Mapping[str, str] = field(default_factory=dict)
    digits: bool = False

    def to_host(self, code: str, kind: str) -> str:
        """Return what the host writes for a code of the bank, in a kind of message.

        A code that no row names is written as it is if it fits, else as a system error.

        >>> ResponseMap(2, digits=True).to_host("A0", "financial")
        '96'
        """
        found = self.written.get(f"{code}-{kind}") or self.written.get(code)
        if found is None:
            found = code if self._fits(code) else self.written.get(SYSTEM_ERROR, SYSTEM_ERROR)
        return found

    def has(self, code: str) -> bool:
        """Tell whether a code of the bank is written as itself, and not as a system error.

        >>> codes = ResponseMap(3, {"51": "116", "96": "909"})
        >>> codes.has("51"), codes.has("62")
        (True, False)
        """
        return code in self.written or self._fits(code)

    def _fits(self, code: str) -> bool:
        return len(code) == self.length and (code.isdigit() or not self.digits)

    def from_host(self, code: str) -> str | None:
        """Return the bank's own code of what a host wrote, the first that fits; None for an unknown one."""
        for own, written in self.written.items():
            if written == code:
                return own.partition("-")[0]
        return code if len(code) == 2 and self.length == 2 else None


def response_map(
    rows: Rows, *, length: int, digits: bool, needed: Iterable[str], kinds: Iterable[str]
) -> ResponseMap:
    """Read the table ``response_codes`` of a bank profile. ``needed``: codes that a row must be found for.

    Raises:
        ProfileError: a key is no code, a code has another length than the host's, one is missing, or a yes
            would be read as a no.
    """
    endings = {f"-{kind}" for kind in kinds} | {""}
    written = rows.texts(TABLE)
    for key, code in written.items():
        own, ending = key[:2], key[2:]
        if not (is_bank_code(own) and ending in endings):
            raise rows.error(TABLE, key, "must be a code of two characters, perhaps with -KIND of a message")
        if not (len(code) == length and code.isascii() and code.isalnum()):
            raise rows.error(TABLE, key, f"must be a response code of {length} characters")
        if digits and not code.isdigit():
            raise rows.error(TABLE, key, "must be digits where response_code is packed")
        if not ending and (approves(own), moves_money(own)) != (approves(code), moves_money(code)):
            raise rows.error(TABLE, key, "approves on one side only")
    for own in needed if length != 2 else ():
        if own not in written:
            raise rows.error(TABLE, own, "is missing")
    return ResponseMap(length, written, digits)
