"""A terminal profile: what one firmware generation does where nothing is documented, as data.

The rows live in ``terminal/profiles/*.toml``; each says how sure we are of it (PROTOCOL.md, section 0).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from smartsale_emu.profile_rows import Mark, Rows
from smartsale_emu.sa.events import LinkTiming
from smartsale_emu.terminal.operations import OPERATIONS, CardNeed, Name, PinNeed
from smartsale_emu.terminal.originals import CashierAbsent, FollowRules
from smartsale_emu.terminal.outcome import OutcomeKind
from smartsale_emu.units import Millis, MinorUnits

_Need = TypeVar("_Need", bound=StrEnum)
_RESPONSE_CODE = re.compile(r"[0-9A-Z]{2,3}")


class Busy(StrEnum):
    """What another request on the same line does while an operation runs (0.1)."""

    TAKEOVER = "takeover"  # the register has given up its session; the new request is served
    NAK = "nak"
    IGNORE = "ignore"


class OnEot(StrEnum):
    """What an EOT in answer to the final answer means for the money (0.3)."""

    REVERSE = "reverse"
    KEEP = "keep"


class AlreadyReversed(StrEnum):
    """The answer to operation 53 when the pinpad has reversed the candidate by itself (0.4)."""

    APPROVE = "approve"
    REFUSE = "refuse"


class NamesOther(StrEnum):
    """What operation 53 gets whose 14 or 13 is not the candidate's (0.4)."""

    REFUSE = "refuse"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class LineRows:
    """The line: timers in milliseconds, sizes in bytes on the wire."""

    ack_timeout: Millis
    inter_byte: Millis
    sends: int
    max_frame: int
    block_size: int
    host_block_size: int
    busy: Busy
    final_eot_first: OnEot
    final_eot_repeat: OnEot

    @property
    def link_timing(self) -> LinkTiming:
        """What the link has to know of it."""
        return LinkTiming(
            ack_timeout=self.ack_timeout,
            inter_byte=self.inter_byte,
            sends=self.sends,
            block_size=self.block_size,
            max_frame=self.max_frame,
        )


@dataclass(frozen=True, slots=True)
class TimerRows:
    """The application's timers, in milliseconds. ``tunnel_…``: the register's replies in scheme ПКХ."""

    wait_period: Millis
    card: Millis
    pin: Millis
    cashier: Millis
    bank_connect: Millis
    bank_answer: Millis
    reversal_attempt: Millis
    reversal_retry: Millis
    tunnel_open: Millis
    tunnel_reply: Millis
    tunnel_poll: Millis


@dataclass(frozen=True, slots=True)
class RuleRows:
    """Decisions. ``no_pin_limit``: contactless amounts above it need a PIN.

    ``fallback``: the stripe of a card is read when its chip does not answer.

    ``most_questions``: so often may the cashier be asked within one operation.
    ``journal_size``: so many slips fill the journal. ``card_data_track2``: operation 57 tells track 2.
    ``printer``: the terminal prints its slips itself and sends no field 90.
    """

    check_terminal_id: bool
    already_reversed: AlreadyReversed
    names_other: NamesOther
    pin_tries: int
    no_pin_limit: MinorUnits
    fallback: bool
    most_questions: int
    journal_size: int
    card_data_track2: bool
    printer: bool


@dataclass(frozen=True, slots=True)
class AnswerRows:
    """What an answer holds. ``fields``: numbers in ascending order, by the list that an operation names.

    ``entry_by_pinpad``: field 8.
    """

    unset_number: str
    receipt: bool
    approved_code: str
    declined_code: str
    test_shows_code: bool
    entry_by_pinpad: str
    fields: dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class SettlementRows:
    """The answer to a settlement: ``code`` in field 15, empty for the approval's; ``merchant``: field 28."""

    code: str
    merchant: bool
    totals: bool
    receipt: bool


@dataclass(frozen=True, slots=True)
class VendingRows:
    """The session that the pinpad opens by itself (section 9.5). ``funds`` in minor units.

    ``begin_after``: at rest for so long, the pinpad begins. ``choice_within``: the customer chooses goods.
    ``additional``: field 86, as it stands on the line.
    """

    begins: bool
    begin_after: Millis
    choice_within: Millis
    funds: MinorUnits
    additional: str


@dataclass(frozen=True, slots=True)
class TerminalProfile:
    """One firmware generation. ``texts``: field 19, of a decline also by the bank's code (``declined-51``,
    ``declined-116``); ``screens``: what the customer reads.

    ``questions``: field 76, by the field that is asked for. ``currencies``: how slips name them.
    """

    title: str
    terminal_id: str
    merchant_id: str
    line: LineRows
    timers: TimerRows
    rules: RuleRows
    follow: FollowRules
    answer: AnswerRows
    settlement: SettlementRows
    vending: VendingRows
    cards: dict[Name, CardNeed]
    pins: dict[Name, PinNeed]
    codes: dict[str, str]
    texts: dict[str, str]
    screens: dict[str, str]
    questions: dict[str, str]
    currencies: dict[str, str]
    marks: dict[str, Mark] = field(repr=False)

    @classmethod
    def parse(
        cls, text: str, *, origin: str, base: Callable[[str], tuple[str, str]] | None = None
    ) -> "TerminalProfile":
        """Read the TOML text of a profile; ``origin`` names the file in errors.

        ``base``: gives text and origin of the profile that ``extends = "NAME"`` builds on.

        Raises:
            ProfileError: a row is missing, unknown or has a bad value; the text names file, table and key.
        """
        rows = Rows.parse(text, origin=origin, base=base)
        profile = cls(
            title=rows.title(),
            terminal_id=rows.digits("identity", "terminal_id", least=8, most=8),
            merchant_id=rows.digits("identity", "merchant_id", least=1, most=15),
            line=_line(rows),
            timers=_timers(rows),
            rules=_rules(rows),
            follow=_follow(rows),
            answer=_answer(rows),
            settlement=_settlement(rows),
            vending=_vending(rows),
            cards=_needs(rows, "card", CardNeed),
            pins=_needs(rows, "pin", PinNeed),
            codes=rows.texts("codes"),
            texts=_keyed(rows, "texts", OutcomeKind, by_code=OutcomeKind.DECLINED, field="", code=""),
            screens=_keyed(rows, "screen", Screen, title="", amount="", tries=0),
            questions={key: rows.text("questions", key) for key in ("rrn", "authorization_code")},
            currencies=rows.texts("currencies"),
            marks=rows.marks(),
        )
        rows.refuse_unknown()
        return profile

    def host_code(self, response_code: str) -> str:
        """Return field 15 for a bank's code other than an approval; three characters stay as they are."""
        if len(response_code) == 3:
            return self.codes.get(response_code, response_code)
        return self.codes.get(response_code) or self.answer.declined_code.format(code=response_code)

    def text(self, outcome: OutcomeKind, operation: Name | None, response_code: str = "") -> str:
        """Return field 19 for an outcome: the operation's own text, else that of the bank's code, if any."""
        own = self.texts.get(f"{outcome}-{operation}") or self.texts.get(f"{outcome}-{response_code}")
        return own or self.texts[outcome]

    def screen(self, screen: "Screen", operation: Name | None) -> str:
        """Return what the customer reads, the operation's own screen where the profile has one."""
        return self.screens.get(f"{screen}-{operation}") or self.screens[screen]

    def card_need(self, operation: Name) -> CardNeed:
        """Return which card an operation asks for."""
        return self.cards.get(operation, OPERATIONS[operation].card)

    def pin_need(self, operation: Name) -> PinNeed:
        """Return whether an operation asks for the PIN."""
        return self.pins.get(operation, OPERATIONS[operation].pin)

    def currency(self, code: str) -> str:
        """Return how slips and screens name a currency."""
        return self.currencies.get(code, code)


class Screen(StrEnum):
    """What the screen can show."""

    IDLE = "idle"
    CARD = "card"
    USE_CHIP = "use_chip"
    USE_STRIPE = "use_stripe"
    PIN = "pin"
    PIN_AGAIN = "pin_again"
    CASHIER = "cashier"
    BANK = "bank"
    REVERSAL = "reversal"
    SETTLEMENT = "settlement"
    VENDING = "vending"
    APPROVED = "approved"
    DECLINED = "declined"
    INTERRUPTED = "interrupted"
    NO_CONNECTION = "no_connection"
    NO_PAPER = "no_paper"


def _keyed(
    rows: Rows, table: str, keys: type[StrEnum], *, by_code: StrEnum | None = None, **values: object
) -> dict[str, str]:
    """Every key has a text; that of one operation may have its own: ``approved-link-test``.

    ``by_code``: the key whose text a response code of the bank may have for itself.
    """
    texts = {str(key): rows.template(table, key, **values) for key in keys}
    for key in rows.texts(table):
        general, dash, ending = key.partition("-")
        of_code = general == by_code and _RESPONSE_CODE.fullmatch(ending)
        if general not in list(keys) or (dash and ending not in list(Name) and not of_code):
            raise rows.error(table, key, f"must be one of {', '.join(keys)}, alone or with -OPERATION")
        texts[key] = rows.template(table, key, **values)
    return texts


def _needs(rows: Rows, table: str, kind: type[_Need]) -> dict[Name, _Need]:
    """What the profile says of single operations; the rest is the operation's own."""
    needs = {}
    for key in rows.texts(table):
        if key not in list(Name):
            raise rows.error(table, key, f"must be one of {', '.join(Name)}")
        needs[Name(key)] = kind(rows.choice(table, key, kind))
    return needs


def _millis(rows: Rows, table: str, key: str, least: int = 1) -> Millis:
    return Millis(rows.number(table, f"{key}_ms", least=least, most=3_600_000))


def _line(rows: Rows) -> LineRows:
    return LineRows(
        ack_timeout=_millis(rows, "line", "ack_timeout"),
        inter_byte=_millis(rows, "line", "inter_byte"),
        sends=rows.number("line", "sends", least=1, most=10),
        max_frame=rows.number("line", "max_frame", least=64, most=65535),
        block_size=rows.number("line", "block_size", least=64, most=8192),
        host_block_size=rows.number("line", "host_block_size", least=64, most=8192),
        busy=Busy(rows.choice("line", "busy", Busy)),
        final_eot_first=OnEot(rows.choice("line", "final_eot_first", OnEot)),
        final_eot_repeat=OnEot(rows.choice("line", "final_eot_repeat", OnEot)),
    )


def _timers(rows: Rows) -> TimerRows:
    least = {"tunnel_poll": 0}
    return TimerRows(
        **{name: _millis(rows, "timers", name, least.get(name, 1)) for name in TimerRows.__dataclass_fields__}
    )


def _rules(rows: Rows) -> RuleRows:
    return RuleRows(
        check_terminal_id=rows.flag("rules", "check_terminal_id"),
        already_reversed=AlreadyReversed(rows.choice("rules", "already_reversed", AlreadyReversed)),
        names_other=NamesOther(rows.choice("rules", "names_other", NamesOther)),
        pin_tries=rows.number("rules", "pin_tries", least=1, most=9),
        no_pin_limit=MinorUnits(rows.number("rules", "no_pin_limit")),
        fallback=rows.flag("rules", "fallback"),
        most_questions=rows.number("rules", "most_questions", least=0, most=99),
        journal_size=rows.number("rules", "journal_size", least=1, most=9000),
        card_data_track2=rows.flag("rules", "card_data_track2"),
        printer=rows.flag("rules", "printer"),
    )


def _follow(rows: Rows) -> FollowRules:
    return FollowRules(
        partial_void=rows.flag("rules", "partial_void"),
        partial_return=rows.flag("rules", "partial_return"),
        return_same_day=rows.flag("rules", "return_same_day"),
        cashier_absent=CashierAbsent(rows.choice("rules", "cashier_absent", CashierAbsent)),
    )


def _answer(rows: Rows) -> AnswerRows:
    lists = {operation.answer for operation in OPERATIONS.values()}
    return AnswerRows(
        unset_number=rows.text("answer", "unset_number"),
        receipt=rows.flag("answer", "receipt"),
        approved_code=rows.text("answer", "approved_code"),
        declined_code=rows.template("answer", "declined_code", code=""),
        test_shows_code=rows.flag("answer", "test_shows_code"),
        entry_by_pinpad=rows.text("answer", "entry_by_pinpad"),
        fields={name: rows.numbers("fields", name) for name in sorted(lists)},
    )


def _settlement(rows: Rows) -> SettlementRows:
    return SettlementRows(
        code=rows.text("settlement", "code"),
        merchant=rows.flag("settlement", "merchant"),
        totals=rows.flag("settlement", "totals"),
        receipt=rows.flag("settlement", "receipt"),
    )


def _vending(rows: Rows) -> VendingRows:
    return VendingRows(
        begins=rows.flag("vending", "begins"),
        begin_after=_millis(rows, "vending", "begin_after"),
        choice_within=_millis(rows, "vending", "choice_within"),
        funds=MinorUnits(rows.number("vending", "funds", least=1)),
        additional=rows.text("vending", "additional"),
    )
