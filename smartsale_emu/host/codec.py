"""Messages as bytes and as data elements, under a packing; ``pyiso8583`` does the work.

Errors are :class:`DialectError` and name an element at most: those of the library carry the whole message,
and never hang on ours.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from smartsale_emu.errors import DialectError
from smartsale_emu.host.fields import Kind, well_formed
from smartsale_emu.host.packing import (
    SIGNED,
    TRACK_2,
    FieldTable,
    Packing,
    Track2,
    field_rows,
    field_spec,
)


@dataclass(frozen=True, slots=True)
class Parts:
    """One message: type, elements as texts, and how it stands on the wire.

    ``raw``: all of it, from the type on. ``pieces``: bytes of each element, its length in front; 0: the type.
    """

    mti: str
    fields: dict[int, str] = field(repr=False)
    raw: bytes = field(repr=False)
    pieces: Mapping[int, bytes] = field(repr=False)


@cache
def codec_of(packing: Packing) -> "Codec":
    """Return the codec of a packing; it keeps nothing, so one is enough for all who have the same."""
    return Codec(packing)


class Codec:
    """The packing of one host at work."""

    def __init__(self, packing: Packing) -> None:
        self._rows = field_rows(packing)
        self._spec = field_spec(packing, self._rows)
        self._signed = SIGNED if packing.table is FieldTable.BCD else frozenset()
        self._track2_is_packed = packing.track2 is not Track2.CHARACTERS
        self._hex = {
            number
            for number, row in self._rows.items()
            if row.kind is Kind.B and self._spec[str(number)]["data_enc"] != "b"
        }

    def write(self, mti: str, fields: Mapping[int, str]) -> Parts:
        """Return a message of well-formed elements.

        Raises:
            DialectError: a value is not of the kind or length of its element.
        """
        import iso8583

        for number, value in fields.items():
            if not well_formed(number, value, self._rows):
                raise DialectError(f"DE{number}: the value does not fit")
        document = {"t": mti} | {str(number): self._packed(number, value) for number, value in fields.items()}
        made: tuple[bytes | bytearray, dict[str, dict[str, bytes]]] | None = None
        with suppress(iso8583.EncodeError):  # it carries the elements
            made = iso8583.encode(document, self._spec)
        if made is None:
            raise DialectError("a value does not fit the packing")
        return Parts(mti, dict(fields), bytes(made[0]), _pieces(made[1]))

    def read(self, data: bytes) -> Parts:
        """Return a message with its elements as they stand there, whatever they hold.

        Raises:
            DialectError: it cannot be cut into elements.
        """
        import iso8583

        problem = ""
        document: dict[str, str] = {}
        encoded: dict[str, dict[str, bytes]] = {}
        try:
            document, encoded = iso8583.decode(data, self._spec)
        except iso8583.DecodeError as error:
            problem = f"cannot be read at element {error.field}, byte {error.pos}"
        except KeyError:
            problem = "has an element that the dialect does not know"
        if problem:  # raised out here: the caught error carries the elements, and must not hang on ours
            raise DialectError(f"a message of {len(data)} bytes {problem}")
        fields = {
            int(number): self._unpacked(int(number), value)
            for number, value in document.items()
            if number.isdigit() and number != "1"
        }
        return Parts(document["t"], fields, data, _pieces(encoded))

    def check(self, number: int, value: str) -> None:
        """Compare an element that was read with its row.

        Raises:
            DialectError: it is not of the kind or length of its element.
        """
        if not well_formed(number, value, self._rows):
            raise DialectError(f"DE{number}: the value is malformed")

    def _packed(self, number: int, value: str) -> str:
        if number == TRACK_2 and self._track2_is_packed:
            return value.replace("=", "D")
        if number in self._signed:
            return f"{ord(value[0]):02X}{value[1:]}"
        return value

    def _unpacked(self, number: int, value: str) -> str:
        if number == TRACK_2 and self._track2_is_packed:
            return value.replace("D", "=")
        if number in self._signed:
            return chr(int(value[:2], 16)) + value[2:]
        return value.upper() if number in self._hex else value


def _pieces(encoded: Mapping[str, Mapping[str, Any]]) -> dict[int, bytes]:
    return {
        0 if name == "t" else int(name): bytes(part["len"]) + bytes(part["data"])
        for name, part in encoded.items()
        if name == "t" or (name.isdigit() and name != "1")
    }
