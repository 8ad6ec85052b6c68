"""What the control API takes and gives. Amounts are in minor units (kopecks), times in milliseconds."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from smartsale_emu.payment.card import EntryMode

Asks = Literal["card", "pin"]
Prompt = Literal["", "card", "pin"]
Copy = Literal["client", "cashier", ""]
How = Literal["insert", "tap", "swipe"]
MODES: dict[How, EntryMode] = {
    "insert": EntryMode.CHIP,
    "tap": EntryMode.CONTACTLESS,
    "swipe": EntryMode.MAGSTRIPE,
}

Pin = Annotated[str, Field(pattern=r"^[0-9]{4,12}$", description="4 to 12 digits")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Time = Annotated[str, Field(max_length=20, description="a time such as 500ms, 2s, 1.5s, 3m or 24h")]
Phrase = Annotated[
    str, Field(max_length=200, description="as a scenario says it: `bank: no answer to money`")
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Taken(_Part):
    """What a client sends: a value of another kind is not made to fit."""

    model_config = ConfigDict(strict=True)


class Error(_Part):
    """Why it was not done."""

    error: str = Field(description="one clear line")


# --- what is taken -----------------------------------------------------------------------------------------


class CardIn(_Taken):
    """A card that the customer presents, now and whenever he is asked for one."""

    card: Name = Field(description="the name of a test card, as of `GET /cards`")
    how: How | None = Field(None, description="into the reader, contactless, or its stripe; as its file says")
    pin: Pin | None = Field(
        None, repr=False, description="what he types whenever he is asked; none: until `POST /pin`"
    )


class PinIn(_Taken):
    """A PIN and the green key."""

    pin: Pin = Field(repr=False)


class KeyIn(_Taken):
    """A key of the pinpad."""

    key: Literal["cancel"]


class FaultIn(_Taken):
    """A fault."""

    phrase: Phrase


class FaultsIn(_Taken):
    """All faults that shall be armed."""

    faults: dict[Name, Phrase] = Field(max_length=100)


class PowerIn(_Taken):
    """Power on or off. ``for``: off for so long, then on again by itself."""

    on: bool
    for_: Time | None = Field(None, alias="for")


class PaperIn(_Taken):
    """Whether the pinpad's own printer has paper."""

    loaded: bool


class ClockIn(_Taken):
    """A moment in the pinpad's time; what is due until then is done at once."""

    ms: int = Field(ge=0, le=4_000_000_000, description="since it began; not before now")


class AdvanceIn(_Taken):
    """How far the clock is put forward."""

    by: Time


class MemoryState(_Taken):
    """The pinpad's memory as its file holds it; card numbers stand in it sealed."""

    memory: str = Field(min_length=2)


class ScenarioIn(_Taken):
    """A scenario: its steps are played against the register at the port."""

    yaml: str = Field(min_length=10)


# --- what is given -----------------------------------------------------------------------------------------


class Health(_Part):
    """That somebody is here."""

    status: Literal["ok"] = "ok"
    version: str
    on: bool


class Held(_Part):
    """The card that the customer presents."""

    card: str
    how: str


class Count(_Part):
    """How many operations, and how much."""

    count: int
    amount: int


class Day(_Part):
    """The open day, as the pinpad counts it. ``net``: what the bank owes the shop."""

    number: int
    slips: int
    debit: Count
    credit: Count
    void_debit: Count
    void_credit: Count
    net: int


class Owed(_Part):
    """What the pinpad owes the bank: the reversal of an operation, or the rest of a settlement."""

    what: Literal["reversal", "settlement"]
    stan: int | None
    amount: int | None
    because: str


class Setup(_Part):
    """What the pinpad was started with. ``scheme``: who calls the bank, the pinpad (kph) or the register."""

    terminal_profile: str
    bank_profile: str
    rules: str
    scheme: str
    terminal_id: str


class Screen(_Part):
    """What the pinpad shows. ``asks``: what it wants of the customer, empty for nothing."""

    text: str
    lines: list[str]
    asks: Prompt


class PinpadState(_Part):
    """Everything at a glance. ``serving``: a register is being served; ``event``: the newest record."""

    on: bool
    back_in_ms: int | None
    port: str
    screen: Screen
    state: str = Field(description="of the terminal, as of `GET /diagram`")
    asks: Prompt
    serving: bool
    card: Held | None
    paper: bool
    owes: list[Owed]
    day: Day
    faults: int = Field(description="that are armed")
    scenario: str = Field(description="the title of the one that is played, else empty")
    clock: "Clock"
    setup: Setup
    event: int


class Clock(_Part):
    """The pinpad's time: since it began, and its date and time (local, ISO 8601)."""

    ms: int
    time: str


class Power(_Part):
    """Whether there is power, and in how many milliseconds it is back by itself."""

    on: bool
    back_in_ms: int | None


class Card(_Part):
    """A test card. ``how``: how it is usually read; ``usable``: whether there is a key for its chip."""

    name: str
    label: str
    number: str = Field(description="masked")
    expires: str = Field(description="YYMM")
    how: How
    pin: str = Field(description="when it needs a PIN: always, never, over-limit")
    balance: int
    usable: bool


class Slip(_Part):
    """A row of the pinpad's journal. ``state``: kept, undone, or told (it moved nothing)."""

    number: int
    operation: str
    state: str
    amount: int
    card: str
    rrn: str
    code: str
    stan: int | None
    follows: str


class Receipt(_Part):
    """A receipt. ``source``: the answer to a register (field 90), or the pinpad's own printer."""

    source: Literal["answer", "printer"]
    operation: str
    copy_: Copy = Field(alias="copy")
    text: str


class Exchange(_Part):
    """What a register asked, and how it ended. ``lost``: why it has no answer."""

    operation: str
    amount: int | None
    over: bool
    approved: bool
    status: str = Field(description="field 39 of the answer")
    code: str = Field(description="field 13")
    rrn: str = Field(description="field 14")
    response_code: str = Field(description="field 15, the bank's")
    text: str = Field(description="field 19")
    lost: str


class Operation(_Part):
    """A row of the bank's ledger. ``effect``: what its approval added to the account."""

    transaction: str
    amount: int
    approved_amount: int | None = Field(description="the part that was approved, where that is not all")
    card: str
    account: str
    state: str
    response_code: str
    rrn: str
    code: str
    stan: int
    batch: int
    effect: int
    received_at: str
    because: str
    reversals: int


class Ledger(_Part):
    """What the bank holds, and whether the pinpad's memory says the same. ``net``: money taken counts up."""

    operations: list[Operation]
    balances: dict[str, int]
    net: int
    agree: bool
    disagreements: list[str]
    notes: list[str]


class Fault(_Part):
    """A fault. ``armed``: it lasts or may still happen; ``times``: how often it has, null: not counted."""

    name: str
    phrase: str
    armed: bool
    times: int | None


class Form(_Part):
    """One form of a fault."""

    form: str
    about: str


class Faults(_Part):
    """All faults that were set, and what can be said."""

    faults: list[Fault]
    forms: dict[str, list[Form]]


class Done(_Part):
    """What was done. ``fault``: the one that waits for its moment or lasts; null: it has happened."""

    fault: Fault | None


class Arrow(_Part):
    """A transition of the state diagram and the kinds of events that cause it."""

    source: str
    target: str
    kinds: list[str]


class Node(_Part):
    """A state. ``timer``: the row of the terminal profile that limits it; empty: nothing does."""

    name: str
    timer: str


class Diagram(_Part):
    """The terminal's table of states."""

    states: list[Node]
    arrows: list[Arrow]


class Scenario(_Part):
    """The scenario that is played, or was played last. ``passed``: null as long as it is played."""

    title: str
    playing: bool
    passed: bool | None
    step: int
    problem: str
