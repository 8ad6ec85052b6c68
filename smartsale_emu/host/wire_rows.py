"""What hosts differ in on the wire, as rows of a bank profile: framing, packing, places, codes, MAC."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from smartsale_emu.host import rules
from smartsale_emu.host.fields import FIELDS
from smartsale_emu.host.framing import TPDU_ID, TPDU_SIZE, Framing, Wire
from smartsale_emu.host.packing import (
    Digits,
    FieldTable,
    Form,
    OddPad,
    Packing,
    TimeForm,
    Track2,
)
from smartsale_emu.host.response_map import ResponseMap, response_map
from smartsale_emu.host.sealing import MacSettings, mac_settings
from smartsale_emu.payment.transaction import Transaction
from smartsale_emu.profile_rows import Rows

PIN_BLOCK = 52
"""The element of a PIN block of eight bytes."""

_FREE = frozenset({*range(46, 49), *range(56, 64), *range(105, 128)})
"""Elements that the standard leaves to those who use it, long enough for anything."""


def _is_code(name: str, value: object) -> bool:
    return name.isupper() and isinstance(value, str) and len(value) == 2


_OWN_WORDS = frozenset(value for name, value in vars(rules).items() if _is_code(name, value))
"""Codes that the bank writes by itself; [codes] and the rules of a bank may add others."""

FUNCTIONS = (*map(str, Transaction), "reversal", "upload")
"""What has a function code."""


class Element24(StrEnum):
    """What DE24 holds."""

    NII = "nii"  # a network's number
    FUNCTION_CODE = "function-code"  # as in ISO 8583:1993


@dataclass(frozen=True, slots=True)
class Places:
    """Elements that the standard does not assign. ``told``: type and STAN of what is uploaded.

    ``keys``: new session keys.
    """

    batch: int
    follows: int
    told: int
    keys: int


@dataclass(frozen=True, slots=True)
class WireRows:
    """One host on the wire.

    ``answer_repeats_time``: DE7 of an answer is the request's, or the answer is to another message.
    ``function_codes``: DE24 in its other meaning, by transaction, and of a reversal and an upload.
    ``pin_field``: element of a PIN block longer than the eight bytes that DE52 holds; 52 for none.
    ``ksn_field``: element of the serial number of a DUKPT key, 0 for none. ``mac``: None when there is none.
    """

    framing: Wire
    packing: Packing
    answer_repeats_time: bool
    element_24: Element24
    function_codes: Mapping[str, str]
    pin_field: int
    ksn_field: int
    places: Places
    responses: ResponseMap
    mac: MacSettings | None

    @classmethod
    def read(cls, rows: Rows, *, kinds: Iterable[str], codes: Iterable[str]) -> "WireRows":
        """Read the rows. ``kinds``: of messages; ``codes``: that the bank writes besides its own.

        Raises:
            ProfileError: a row is missing, has a bad value, or contradicts another.
        """
        pin_field = _chosen(rows, "pin", "field", _FREE | {PIN_BLOCK, 53})
        ksn_field = _chosen(rows, "pin", "ksn_field", _FREE | {0, 53})
        places = Places(*(_chosen(rows, "places", key, _FREE) for key in Places.__dataclass_fields__))
        used = [places.batch, places.follows, places.told, places.keys, *filter(None, (pin_field, ksn_field))]
        if len(set(used)) != len(used):
            raise rows.error("places", "batch", "each purpose, those of [pin] too, needs its own element")
        packing = _packing(rows, frozenset({pin_field, ksn_field} - {0, PIN_BLOCK}))
        return cls(
            framing=_framing(rows),
            packing=packing,
            answer_repeats_time=rows.flag("wire", "answer_repeats_time"),
            element_24=Element24(rows.choice("wire", "element_24", Element24)),
            function_codes={key: rows.digits("function_code", key, least=3, most=3) for key in FUNCTIONS},
            pin_field=pin_field,
            ksn_field=ksn_field,
            places=places,
            responses=response_map(
                rows,
                length=packing.code_length,
                digits=packing.response_code is Digits.PACKED,
                needed=sorted(_OWN_WORDS.union(codes)),
                kinds=kinds,
            ),
            mac=mac_settings(rows),
        )


def _chosen(rows: Rows, table: str, key: str, allowed: frozenset[int]) -> int:
    number = rows.number(table, key, most=max(FIELDS))
    if number not in allowed:
        raise rows.error(table, key, f"{number} is not an element that is free for this")
    return number


def _framing(rows: Rows) -> Wire:
    framing = Framing(rows.choice("wire", "framing", Framing))
    text = rows.text("wire", "tpdu")
    if framing is not Framing.WITH_TPDU:
        return Wire(framing)
    tpdu = bytes.fromhex(text) if len(text) == 2 * TPDU_SIZE and _is_hex(text) else b""
    if not tpdu.startswith(TPDU_ID):
        raise rows.error("wire", "tpdu", "must be ten hexadecimal digits, 60 and two addresses")
    return Wire(framing, tpdu)


def _is_hex(text: str) -> bool:
    return set(text) <= set("0123456789ABCDEFabcdef")


def _packing(rows: Rows, chosen_bytes: frozenset[int]) -> Packing:
    packing = Packing(
        table=FieldTable(rows.choice("wire", "field_table", FieldTable)),
        bitmap=Form(rows.choice("wire", "bitmap", Form)),
        fixed_bytes=Form(rows.choice("wire", "fixed_bytes", Form)),
        odd_pad=OddPad(rows.choice("wire", "odd_pad", OddPad)),
        track2=Track2(rows.choice("wire", "track2", Track2)),
        currency=Digits(rows.choice("wire", "currency", Digits)),
        response_code=Digits(rows.choice("wire", "response_code", Digits)),
        code_length=rows.number("wire", "response_code_length", least=2, most=3),
        time=TimeForm(rows.choice("wire", "time", TimeForm)),
        chosen_bytes=chosen_bytes,
    )
    if packing.table is FieldTable.ASCII:
        for key in ("track2", "currency", "response_code"):
            if getattr(packing, key) != "characters":
                raise rows.error("wire", key, "is packed only where field_table is bcd")
    return packing
