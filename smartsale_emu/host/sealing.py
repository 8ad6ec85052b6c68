"""What a message authentication code (MAC) of a host covers. No MAC is made here: whoever has the key does.

The MAC is the last element: DE128 where a secondary bitmap stands, else DE64. One that is shorter than the
element is filled up with zeros on the right (assumed).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from smartsale_emu.errors import DialectError
from smartsale_emu.host.codec import Codec, Parts
from smartsale_emu.payment.authorization import Sealed
from smartsale_emu.profile_rows import Rows
from smartsale_emu.security.mac import MacAlgorithm
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.security.protection import MacRule

Seal = Callable[[bytes], bytes]
"""Makes the MAC, of the profile's size, of the bytes that it covers."""

_SHORT, _LONG = 64, 128
_WIDTH = 8
"""Bytes of DE64 and DE128."""

_NO_MAC = "none"


class MacInput(StrEnum):
    """What a MAC covers."""

    MESSAGE = "message"  # everything before it as it stands on the wire, from the type on
    FIELDS = "fields"  # the listed elements, those that are there, ascending; lengths counted


@dataclass(frozen=True, slots=True)
class MacSettings:
    """How one host's messages are sealed.

    ``request_fields``, ``answer_fields``: what is covered, 0 being the type; None for the whole message.
    ``network``: messages of network management have a MAC too.
    """

    rule: MacRule
    request_fields: frozenset[int] | None
    answer_fields: frozenset[int] | None
    network: bool

    def covered(self, parts: Parts, *, number: int, answer: bool) -> bytes:
        """Return the bytes that the MAC in element ``number`` of a message covers."""
        chosen = self.answer_fields if answer else self.request_fields
        if chosen is None:
            return parts.raw[: len(parts.raw) - len(parts.pieces[number])]
        return b"".join(parts.pieces[one] for one in sorted(parts.pieces.keys() & chosen))


def mac_settings(rows: Rows) -> MacSettings | None:
    """Read the table ``mac`` of a bank profile; None when its messages have no MAC.

    Raises:
        ProfileError: a row is missing or has a bad value.
    """
    word = rows.choice("mac", "algorithm", (_NO_MAC, *MacAlgorithm))
    padding = rows.number("mac", "padding", least=1, most=2)
    size = rows.number("mac", "size", least=4, most=_WIDTH)
    network = rows.flag("mac", "network")
    lists = (_covered(rows, "request_fields"), _covered(rows, "answer_fields"))
    whole = rows.choice("mac", "input", MacInput) == MacInput.MESSAGE
    for key, chosen in zip(("request_fields", "answer_fields"), lists, strict=True):
        if not whole and not chosen:
            raise rows.error("mac", key, "must name the elements that the MAC covers")
    if word == _NO_MAC:
        return None
    algorithm = MacAlgorithm(word)
    if algorithm is not MacAlgorithm.RETAIL and padding != 1:
        raise rows.error("mac", "padding", "is 1 with CMAC, which pads in its own way")
    covered = (None, None) if whole else lists
    return MacSettings(MacRule(algorithm, padding, size), covered[0], covered[1], network)


def _covered(rows: Rows, key: str) -> frozenset[int]:
    numbers = frozenset(rows.numbers("mac", key))
    if numbers & {1, _SHORT, 65, _LONG} or max(numbers, default=0) > _LONG:
        raise rows.error("mac", key, "may hold 0 for the type and 2 to 127, without the MAC itself")
    return numbers


def seal_message(
    codec: Codec, mti: str, fields: Mapping[int, str], settings: MacSettings, *, seal: Seal, answer: bool
) -> bytes:
    """Return a message with its MAC.

    Raises:
        DialectError: a value does not fit its element, or the MAC has another size than the profile's.
    """
    number = _place(fields)
    parts = codec.write(mti, {**fields, number: bytes(_WIDTH).hex()})
    mac = seal(settings.covered(parts, number=number, answer=answer))
    if len(mac) != settings.rule.size:
        raise DialectError(f"DE{number}: a MAC of {settings.rule.size} bytes is needed")
    return codec.write(mti, {**fields, number: mac.ljust(_WIDTH, b"\0").hex().upper()}).raw


def sealed_in(codec: Codec, parts: Parts, settings: MacSettings, *, answer: bool) -> Sealed | None:
    """Return the MAC of a message that came, and what it covers; None when it has none in its place.

    A MAC that is longer than the profile's comes whole, so that it is found to be wrong.

    Raises:
        DialectError: the element of the MAC is malformed.
    """
    number = _place(parts.fields)
    if number not in parts.fields:
        return None
    codec.check(number, parts.fields[number])
    held, size = bytes.fromhex(parts.fields[number]), settings.rule.size
    covered = settings.covered(parts, number=number, answer=answer)
    return Sealed(SecretBytes(covered), held if any(held[size:]) else held[:size])


def _place(numbers: Iterable[int]) -> int:
    return _LONG if any(number > _SHORT for number in numbers) else _SHORT
