"""A dissector of the SA protocol for Wireshark, in Lua, made from our own tables: it is never stale."""

from collections.abc import Iterable, Mapping

from smartsale_emu import __version__
from smartsale_emu.sa.codes import (
    OLD_FORMS,
    TITLES,
    CommandMode,
    CommandResult,
    ConnectorError,
    OperationCode,
    Status,
    title,
)
from smartsale_emu.sa.fields import FIELDS, Field, Kind, Policy, Tag
from smartsale_emu.sa.framing import DEFAULT_MAX_FRAME
from smartsale_emu.sa.receipt_data import ReceiptTag
from smartsale_emu.sa.tlv import ENCODING
from smartsale_emu.sa.tunnel_frames import Step
from smartsale_emu.units import RUB

_TABLES, _MADE = "-- TABLES\n", "-- MADE: do not edit, make it anew.\n"
_CURRENCIES = {int(RUB): "Russian rouble"}
_NUMBERS = {
    "WAIT": int(OperationCode.WAIT),
    "QUESTION": int(OperationCode.CASHIER_QUESTION),
    "USER_COMMAND": int(OperationCode.USER_COMMAND),
    "MAX_FRAME": DEFAULT_MAX_FRAME,
}


def dissector(template: str) -> str:
    """Return the Lua script: ``template`` with our tables in it.

    Raises:
        ValueError: the template has no place for them.
    """
    if _TABLES not in template or _MADE not in template:
        raise ValueError("the template of the dissector has no place for its tables")
    made = (
        f"-- Made by smartsale-emu {__version__} from its own tables; do not edit it,"
        " make it anew:\n--   smartsale-emu trace dissector --install\n"
    )
    return template.replace(_MADE, made).replace(_TABLES, tables())


def tables() -> str:
    """Return every table that the script needs, as Lua."""
    operations = {int(code): name.english for code, name in TITLES.items()}
    operations |= {code: title(code).english for code in OLD_FORMS}
    parts = [
        *(f"local {name} = {value}\n" for name, value in _NUMBERS.items()),
        "-- number: name, meaning, how its value is told\n",
        _table("FIELDS", {row.number: _row(row) for row in FIELDS.values()}),
        _table("OPERATIONS", _quoted(operations)),
        _table("STATUSES", _words(Status)),
        _table("COMMANDS", _words(CommandMode)),
        _table("RESULTS", _words(CommandResult)),
        _table("CONNECTOR_ERRORS", {int(one): _quote(one.name) for one in ConnectorError}),
        _table("CURRENCIES", _quoted(_CURRENCIES)),
        _table("RECORDS", _words(ReceiptTag)),
        _table("TUNNEL", {f"{int(step.mode)}/{step.submode}": _quote(step.words) for step in Step}),
        _table("WORDS", {int(tag): name for tag, name in _WORDS.items()}),
        _table("CP1251", _quoted({byte: _sign(byte) for byte in range(128, 256)})),
    ]
    return "".join(parts)


_WORDS = {
    Tag.CURRENCY_CODE: "CURRENCIES",
    Tag.SETTLEMENT_CURRENCY: "CURRENCIES",
    Tag.OPERATION_CODE: "OPERATIONS",
    Tag.ORIG_OPERATION: "OPERATIONS",
    Tag.STATUS: "STATUSES",
    Tag.COMMAND_MODE2: "COMMANDS",
    Tag.COMMAND_RESULT: "RESULTS",
    Tag.CONNECTOR_STATUS: "CONNECTOR_ERRORS",
}
"""Whose value has a word, and in which table it stands."""


def _row(row: Field) -> str:
    return f"{{ {_quote(row.name)}, {_quote(row.meaning)}, {_quote(_style(row))} }}"


def _style(row: Field) -> str:
    if row.policy is Policy.DATE:
        return "date"
    if "AMOUNT" in row.name:
        return "amount"
    return "binary" if row.kind is Kind.BINARY else "text"


def _sign(byte: int) -> str:
    return bytes((byte,)).decode(ENCODING, errors="replace")


def _words(
    values: Iterable[OperationCode | Status | CommandMode | CommandResult | ReceiptTag],
) -> dict[int, str]:
    return {int(one): _quote(one.name.lower().replace("_", " ")) for one in values}


def _quoted(texts: Mapping[int, str]) -> dict[int, str]:
    return {key: _quote(text) for key, text in texts.items()}


def _table(name: str, rows: Mapping[int, str] | Mapping[str, str]) -> str:
    """Return a Lua table; the values are Lua already."""
    keyed = [(f"[{key}]" if isinstance(key, int) else f"[{_quote(key)}]", text) for key, text in rows.items()]
    return f"local {name} = {{\n" + "".join(f"  {key} = {text},\n" for key, text in keyed) + "}\n"


def _quote(text: str) -> str:
    r"""Return a text as a Lua string.

    >>> print(_quote('a "b" \\ c\n'))
    "a \"b\" \\ c\n"
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
