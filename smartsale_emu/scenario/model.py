"""The schema of a scenario file, ``format: 1``: what may stand where, with the words that an editor shows."""

import re
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from smartsale_emu.payment.card import PinRule
from smartsale_emu.register.habits import MAX_FETCH, FinalHabit
from smartsale_emu.scenario.commands import PHRASES, TUNNEL
from smartsale_emu.scenario.expected import LINE_NAMES, field_number, read_wanted
from smartsale_emu.scenario.phrases import KINDS, Phrase, duration, money, read_phrase
from smartsale_emu.scenario.requests import PATTERNS, read_register
from smartsale_emu.scenario.triggers import TRIGGERS
from smartsale_emu.terminal.table import State
from smartsale_emu.units import Millis, MinorUnits

_NAME, _MONTH = r"[A-Za-z0-9_-]+", "(0[1-9]|1[0-2])"
_TIME = KINDS["time"].pattern


def _said(read: Callable[[str], object], forms: list[tuple[str, str]]) -> Any:
    """A text that is read when it is played; here it is only checked."""

    def check(value: object) -> object:
        if not isinstance(value, str):
            raise ValueError("must be a text")
        read(value)
        return value

    patterns = [{"pattern": f"^{pattern}$", "description": about} for pattern, about in forms]
    told = "; ".join(about for _, about in forms)
    schema = {"type": ["string", "number"], "anyOf": patterns, "description": told}
    return BeforeValidator(check), WithJsonSchema(schema)


def _forms(phrases: tuple[Phrase[Any], ...]) -> list[tuple[str, str]]:
    return [(phrase.pattern, f"{phrase.shown}: {phrase.about}") for phrase in phrases]


def _command(verb: str) -> Any:
    return _said(lambda text: read_phrase(text, PHRASES[verb]), _forms(PHRASES[verb]))


def _read(read: Callable[[str], object], pattern: str, *examples: str) -> Any:
    def value(given: object) -> object:
        return read(given) if isinstance(given, str) else given

    schema = {"type": ["string", "number"], "pattern": f"^{pattern}$", "examples": list(examples)}
    return BeforeValidator(value), WithJsonSchema(schema)


def _like(pattern: str, told: str) -> Any:
    """A text of a form; ``told``: what it must be, in words."""

    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError(f"must be {told}")
        return text

    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


def _day(text: str) -> datetime:
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date and a time such as 2026-11-23 09:30") from None
    if day.tzinfo is not None or not 2000 <= day.year < 2100:
        raise ValueError("must be a local time, of the years 2000 to 2099")
    return day


def _balance(text: str) -> int:
    return -money(text[1:]) if text.startswith("-") else money(text)


def _chance(text: str) -> float:
    number = text.removesuffix("%")
    if not (text.endswith("%") and number.isdecimal() and number.isascii() and 0 <= int(number) <= 100):
        raise ValueError("must be 0% to 100%")
    return int(number) / 100


def _known_field(name: str) -> str:
    field_number(name)
    return name


def _known_unit(name: str) -> str:
    if name not in LINE_NAMES:
        raise ValueError(f"{name!r} is no unit of the line; there is: {', '.join(LINE_NAMES)}")
    return name


Time = Annotated[Millis, *_read(duration, KINDS["time"].pattern, "500ms", "2s")]
Amount = Annotated[MinorUnits, *_read(money, KINDS["amount"].pattern, "100.00")]
Balance = Annotated[int, *_read(_balance, rf"-?{KINDS['amount'].pattern}", "100.00", "-7.50")]
Day = Annotated[datetime, *_read(_day, r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d(\.\d{3})?)?", "2026-11-23 09:30")]
Chance = Annotated[float, *_read(_chance, r"\d{1,3}%", "10%")]
Tunnel = Annotated[str, *_said(lambda text: read_phrase(text, TUNNEL), _forms(TUNNEL))]
When = Annotated[str, *_said(lambda text: read_phrase(text, TRIGGERS), _forms(TRIGGERS))]
Pin = Annotated[str, *_like("[0-9]{4,12}", "4 to 12 digits")]
Took = Annotated[str, *_like(rf"([<>] ?{_TIME}|{_TIME} to {_TIME})", "such as < 5s, > 5s, or 4s to 6s")]
Waits = Annotated[str, *_like("(>= ?)?[0-9]{1,3}", "a number of wait frames: 0, 3, or >= 2")]
FieldName = Annotated[str, AfterValidator(_known_field)]
Wanted = Annotated[str, AfterValidator(read_wanted)]
LineName = Annotated[str, AfterValidator(_known_unit), WithJsonSchema({"enum": list(LINE_NAMES)})]
Asks = Annotated[str, *_said(read_register, list(PATTERNS))]

CardText = Annotated[str, *_command("card")]
PinText = Annotated[str, *_command("pin")]
KeyText = Annotated[str, *_command("key")]
CashierText = Annotated[str, *_command("cashier")]
BankText = Annotated[str, *_command("bank")]
LineText = Annotated[str, *_command("line")]
PowerText = Annotated[str, *_command("power")]
PaperText = Annotated[str, *_command("paper")]
MemoryText = Annotated[str, *_command("memory")]
ClockText = Annotated[str, *_command("clock")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Terminal(_Part):
    """The pinpad's firmware."""

    profile: str = Field("unipos-2023", description="a terminal profile, by name or file")
    set: dict[str, str] = Field({}, description="rows with other values: rules.fallback: false")
    keys_left: int | None = Field(
        None, ge=0, le=1000, description="messages that its DUKPT key still has a serial number for"
    )


class Bank(_Part):
    """The bank."""

    profile: str = Field("generic-ascii", description="a bank profile, by name or file")
    set: dict[str, str] = Field({}, description="rows with other values: codes.in_balance: 501")
    rules: str = Field("default", description="a rulebook, by name or file")
    delay: Time = Field(Millis(300), description="how long an answer takes")


class Customer(_Part):
    """A customer who acts by himself."""

    card: str | None = Field(None, description="a test card, or one of `cards`")
    pin: Pin | None = Field(None, description="what he types; none: he types nothing")
    card_after: Time = Millis(500)
    pin_after: Time = Millis(1500)
    wrong_pins: int = Field(0, ge=0, le=15, description="tries that are wrong before the right one")
    cancels_at: Literal["card", "pin"] | None = None


class OwnCard(_Part):
    """A card that differs from a test card in some way."""

    like: str = Field(description="the test card that it is a copy of")
    balance: Amount | None = None
    pin: Pin | None = None
    expires: str | None = Field(
        None,
        pattern=rf"^([0-9]{{4}}-{_MONTH}|[0-9]{{2}}{_MONTH})$",
        description="2025-12, or YYMM as in the card files",
    )
    service_code: str | None = Field(None, pattern=r"^[0-9]{3}$")
    pin_rule: PinRule | None = Field(None, description="when a PIN is needed, where no chip says it")
    blocked: bool | None = None
    chip_fails: bool | None = None
    usage_control: str | None = Field(
        None, pattern="^[0-9A-F]{4}$", description="what its chip is for, tag 9F07: C100 for cash only"
    )


class Register(_Part):
    """How the register differs from a tidy one, in every exchange or in one."""

    final: FinalHabit = Field(FinalHabit.ACK, description="what it says to the final answer")
    ack_delay: Time = Millis(0)
    byte_by_byte: bool = False
    keeps_port: bool = Field(
        default=False, description="its port is still open: the pinpad sees no new line, and forgets nothing"
    )
    open_delay: Time = Field(Millis(0), description='before its reply to the pinpad\'s "open" (ПКХ)')
    fetch_delay: Time = Field(Millis(0), description='before its reply to the pinpad\'s "fetch" (ПКХ)')
    fetch_size: int = Field(
        MAX_FETCH, ge=1, le=MAX_FETCH, description='bytes of the bank in one reply to "fetch" (ПКХ)'
    )
    tunnel: Tunnel | None = Field(None, description="what it does wrong with the pinpad's way to the bank")
    packet: Time = Field(Millis(45_000), description="the longest silence of the pinpad that it bears")
    total: Time = Field(Millis(180_000), description="the longest exchange")
    cashier: bool = Field(default=True, description="there is somebody to answer questions")


class Outcome(StrEnum):
    """How the register's exchange ended."""

    ANSWERED = "answered"
    NO_ANSWER = "no answer"


class BankMessage(_Part):
    """A message that the bank heard, by the names of the trace: a text, `any`, `missing` or a /pattern/."""

    step: Wanted | None = Field(None, description="financial, reversal, network, reconciliation, upload")
    transaction: Wanted | None = Field(None, description="purchase, void, preauthorization, key_change, …")
    stan: Wanted | None = None
    sent_at: Wanted | None = None
    terminal_id: Wanted | None = None
    merchant_id: Wanted | None = None
    amount: Wanted | None = Field(None, description="100.00")
    currency: Wanted | None = None
    pin_block: Wanted | None = Field(None, description="present, or missing")
    icc: Wanted | None = Field(None, description="what the chip says: present, or missing")
    cryptogram: Wanted | None = Field(
        None, description="the chip's last: ARQC asks, TC approves, AAC refuses"
    )
    ksn: Wanted | None = Field(None, description="present, or missing")
    mac: Wanted | None = Field(None, description="present, or missing")
    attempt: Wanted | None = Field(
        None, description="of a reversal: missing for the first one (0400), 1 (0401)"
    )
    batch: Wanted | None = Field(None, description="number of the operating day")
    follows: Wanted | None = Field(None, description="RRN of what an undone or uploaded operation followed")
    totals: Wanted | None = None
    card: Wanted | None = Field(None, description="its number, masked")
    entry_mode: Wanted | None = Field(None, description="chip, contactless, magstripe, manual, fallback")
    sequence: Wanted | None = None
    track2: Wanted | None = Field(None, description="present, or missing")
    original_transaction: Wanted | None = None
    original_stan: Wanted | None = None
    original_sent_at: Wanted | None = None
    original_rrn: Wanted | None = None
    original_authorization_code: Wanted | None = None

    def wanted(self) -> dict[str, str]:
        """Return what was written, by name."""
        return self.model_dump(exclude_none=True)


class BankLedger(_Part):
    """What the bank holds."""

    asked: int | None = Field(None, description="messages that reached it")
    heard: list[BankMessage] | None = Field(None, description="all of them so far, in their order")
    operations: int | None = None
    approved: int | None = None
    declined: int | None = None
    reversed: int | None = None
    net: Balance | None = Field(
        None, description="what all approved operations come to, money taken counts up"
    )
    codes: list[str] | None = Field(None, description="of its operations, in their order")
    because: str | None = Field(None, description="stands in the reason of its last operation")
    closed_days: int | None = None
    balance: dict[str, Amount] | None = Field(None, description="of cards, by name")


class PinpadMemory(_Part):
    """What the pinpad remembers."""

    owes: bool | None = Field(None, description="a reversal, or the rest of a settlement")
    kept: int | None = Field(None, description="operations of the open day")
    net: Balance | None = None
    day: int | None = None
    doubts: int | None = None
    alarms: int | None = None


class Expect(_Part):
    """What must be so; without ``when``: when the register is answered and the pinpad rests."""

    of: str | None = Field(None, description="the named answer that `answer` and `receipt` are of")
    outcome: Outcome | None = None
    answer: dict[FieldName, Wanted] | None = Field(
        None, description="fields: exact text, `any`, `missing`, or a /pattern/"
    )
    receipt: list[str] | None = Field(None, description="texts that stand in the slip, in this order")
    line: list[LineName] | None = Field(None, description="units that passed the line since the last request")
    screens: list[str] | None = Field(None, description="texts that the screen has shown, in this order")
    screen: str | None = Field(None, description="a text that it shows now")
    state: Literal[tuple(state.value for state in State)] | None = None  # type: ignore[valid-type]
    waits: Waits | None = Field(None, description="wait frames: 0, 3, or >= 2")
    took: Took | None = Field(None, description="since the request: < 5s, > 5s, or 4s to 6s")
    bank: BankLedger | None = None
    memory: PinpadMemory | None = None
    agree: bool | None = Field(None, description="whether bank and pinpad agree")


def map_texts(expect: Expect, change: Callable[[str, str], str]) -> Expect:
    """Return an expectation with its texts changed: those in which values of earlier answers may stand.

    ``change`` is given each of them with its key.
    """

    def several(key: str, texts: list[str] | None) -> list[str] | None:
        return None if texts is None else [change(key, text) for text in texts]

    bank, answer = expect.bank, expect.answer
    if bank is not None and bank.heard is not None:
        heard = [_map_message(message, change) for message in bank.heard]
        bank = bank.model_copy(update={"heard": heard})
    texts = {
        "answer": None if answer is None else {name: change("answer", text) for name, text in answer.items()},
        "receipt": several("receipt", expect.receipt),
        "screens": several("screens", expect.screens),
        "screen": None if expect.screen is None else change("screen", expect.screen),
    }
    return expect.model_copy(update={**texts, "bank": bank})


def _map_message(message: BankMessage, change: Callable[[str, str], str]) -> BankMessage:
    return message.model_copy(update={name: change("bank", text) for name, text in message.wanted().items()})


class Step(_Part):
    """One thing that happens. Exactly one verb; the others say when."""

    asks: Asks | None = Field(None, alias="register")
    card: CardText | None = None
    pin: PinText | None = None
    key: KeyText | None = None
    cashier: CashierText | None = None
    bank: BankText | None = None
    line: LineText | None = None
    power: PowerText | None = None
    paper: PaperText | None = None
    memory: MemoryText | None = None
    clock: ClockText | None = None
    expect: Expect | None = None
    when: When | None = None
    after: Time | None = Field(None, description="so much later")
    at: Time | None = Field(None, description="not before this time of the story")
    while_: When | None = Field(None, alias="while", description="a fault happens only while this is so")
    until: When | None = Field(None, description="a fault happens until this was so")
    chance: Chance | None = Field(None, description="a fault happens so often; `seed` decides when")
    name: str | None = Field(None, pattern=f"^{_NAME}$", description="of an answer: ${name.rrn} later on")
    habits: Register | None = Field(None, description="of the register in this exchange")
    note: str | None = None

    def said(self, verb: str) -> object:
        """Return what stands behind a verb, None where it is not this step's."""
        return getattr(self, "asks" if verb == "register" else verb)

    @property
    def verb(self) -> str:
        """The one verb of the step."""
        return next(verb for verb in VERBS if self.said(verb) is not None)

    @model_validator(mode="after")
    def _one_verb(self) -> "Step":
        said = [verb for verb in VERBS if self.said(verb) is not None]
        if len(said) != 1:
            there = f"{', '.join(said)} stand together" if said else "there is none"
            raise ValueError(f"a step has exactly one of {', '.join(VERBS)}; {there}")
        if said[0] != "register" and (self.name or self.habits):
            raise ValueError("name and habits go with register only")
        if said[0] not in ("bank", "line") and (self.while_ or self.until or self.chance is not None):
            raise ValueError("while, until and chance go with bank and line only")
        return self


VERBS = (
    "register",
    "card",
    "pin",
    "key",
    "cashier",
    "bank",
    "line",
    "power",
    "paper",
    "memory",
    "clock",
    "expect",
)


class Setting(_Part):
    """A pinpad with its bank and its customer, before anything happens."""

    scheme: Literal["kph", "pkh"] = Field(
        "kph", description="who calls the bank: the pinpad, or the register"
    )
    date: Day = Field(datetime(2026, 1, 15, 10, 0), description="local date and time at the beginning")
    seed: int = Field(1, ge=0, description="of all random bytes")
    terminal: Terminal = Terminal()
    bank: Bank = Bank()
    cards: dict[str, OwnCard] = {}
    customer: Customer = Customer()
    latency: Time = Field(Millis(1), description="of the line, and of the way to the bank")


class Scenario(Setting):
    """A story that is played, and what must come of it."""

    format: Literal["1"]
    title: str = Field(min_length=3, description="what happens, in one line")
    teaches: str | None = Field(None, description="what a register's author learns from it, in one line")
    till: Register = Field(Register(), alias="register")
    parameters: dict[str, str] = Field({}, description="${name} in every text below stands for them")
    matrix: dict[str, list[str]] = Field({}, description="parameters with several values: a case for each")
    steps: list[Step] = Field(min_length=1)
    wrote: str | None = Field(
        None, pattern=r"^[0-9a-f]{16}$", description="fingerprint of all that the pinpad writes (recorded)"
    )
    agree: bool = Field(default=True, description="whether bank, pinpad and register must agree at the end")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a scenario file."""
    schema = _as_yaml_is_written(Scenario.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


_PLACEHOLDER = {"type": "string", "pattern": r"\$\{"}
_WRITTEN = {
    "string": ["string", "number", "boolean"],
    "integer": ["integer", "string"],
    "boolean": ["boolean", "string"],
}


def _as_yaml_is_written(part: Any) -> Any:
    """Return a schema that takes what a YAML reader makes of our texts: numbers, truths, ``${name}``."""
    if isinstance(part, list):
        return [_as_yaml_is_written(one) for one in part]
    if not isinstance(part, dict):
        return part
    if part.get("const") == "1":
        return {
            **{key: value for key, value in part.items() if key not in ("const", "type")},
            "enum": [1, "1"],
        }
    read = {key: _as_yaml_is_written(value) for key, value in part.items()}
    kind = read.get("type")
    if isinstance(kind, str) and kind in _WRITTEN:
        if "enum" in read or "pattern" in read or "minimum" in read:
            return {"anyOf": [{**read, "type": _WRITTEN[kind] if "enum" not in read else kind}, _PLACEHOLDER]}
        return {**read, "type": _WRITTEN[kind]}
    if isinstance(kind, list) and ("anyOf" in read or "pattern" in read):
        return {"anyOf": [read, _PLACEHOLDER]}
    return read
