"""A terminal profile: what one firmware generation does where nothing is documented, as data.

The rows live in ``terminal/profiles/*.toml``; each says how sure we are of it (PROTOCOL.md, section 0).
"""

from dataclasses import dataclass, field
from enum import StrEnum

from smartsale_emu.profile_rows import Mark, Rows
from smartsale_emu.units import Millis, MinorUnits


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


@dataclass(frozen=True, slots=True)
class LineRows:
    """The line: timers in milliseconds, sizes in bytes on the wire."""

    ack_timeout: Millis
    inter_byte: Millis
    sends: int
    max_frame: int
    block_size: int
    busy: Busy
    final_eot_first: OnEot
    final_eot_repeat: OnEot


@dataclass(frozen=True, slots=True)
class TimerRows:
    """The application's timers, in milliseconds."""

    wait_period: Millis
    card: Millis
    pin: Millis
    bank_connect: Millis
    bank_answer: Millis
    reversal_attempt: Millis
    reversal_retry: Millis


@dataclass(frozen=True, slots=True)
class RuleRows:
    """Decisions. ``no_pin_limit``: contactless amounts above it need a PIN."""

    check_terminal_id: bool
    already_reversed: AlreadyReversed
    pin_tries: int
    no_pin_limit: MinorUnits


@dataclass(frozen=True, slots=True)
class AnswerRows:
    """What an answer holds: field numbers in ascending order, codes, and whether slips travel in field 90."""

    unset_number: str
    receipt: bool
    approved_code: str
    declined_code: str
    fields: tuple[int, ...]
    test_fields: tuple[int, ...]
    test_shows_code: bool


@dataclass(frozen=True, slots=True)
class TerminalProfile:
    """One firmware generation. ``texts``: field 19; ``screen``: what the customer reads."""

    title: str
    terminal_id: str
    merchant_id: str
    line: LineRows
    timers: TimerRows
    rules: RuleRows
    answer: AnswerRows
    codes: dict[str, str]
    texts: dict[str, str]
    screen: dict[str, str]
    marks: dict[str, Mark] = field(repr=False)

    @classmethod
    def parse(cls, text: str, *, origin: str) -> "TerminalProfile":
        """Read the TOML text of a profile; ``origin`` names the file in errors.

        Raises:
            ProfileError: a row is missing, unknown or has a bad value; the text names file, table and key.
        """
        rows = Rows.parse(text, origin=origin)
        profile = cls(
            title=rows.title(),
            terminal_id=rows.digits("identity", "terminal_id", least=8, most=8),
            merchant_id=rows.digits("identity", "merchant_id", least=1, most=15),
            line=_line(rows),
            timers=_timers(rows),
            rules=_rules(rows),
            answer=_answer(rows),
            codes=rows.texts("codes"),
            texts=_outcome_texts(rows),
            screen=_screens(rows),
            marks=rows.marks(),
        )
        rows.refuse_unknown()
        return profile

    def host_code(self, response_code: str) -> str:
        """Return field 15 for a bank's response code other than an approval."""
        return self.codes.get(response_code) or self.answer.declined_code.format(code=response_code)

    def text(self, outcome: str, operation: int | None) -> str:
        """Return field 19 for an outcome, the operation's own text where the profile has one."""
        return self.texts.get(f"{outcome}-{operation}") or self.texts[outcome]


TEXTS = (
    "approved",
    "declined",
    "interrupted",
    "no_connection",
    "reversal_owed",
    "unknown_operation",
    "bad_field",
    "wrong_terminal",
)
SCREENS = (
    "idle",
    "card",
    "use_chip",
    "pin",
    "pin_again",
    "bank",
    "reversal",
    "approved",
    "declined",
    "interrupted",
    "no_connection",
)


def _outcome_texts(rows: Rows) -> dict[str, str]:
    """Every outcome has a text; an outcome of one operation may have its own: ``approved-26``."""
    texts = {key: rows.text("texts", key) for key in TEXTS} | rows.texts("texts")
    for key in texts:
        outcome, dash, operation = key.partition("-")
        if outcome not in TEXTS or bool(dash) is not operation.isdigit():
            raise rows.error("texts", key, "must be an outcome, or an outcome, a dash and an operation code")
    return texts


def _screens(rows: Rows) -> dict[str, str]:
    return {key: _template(rows, "screen", key, amount="", tries=0) for key in SCREENS}


def _template(rows: Rows, table: str, key: str, **values: object) -> str:
    text = rows.text(table, key)
    try:
        text.format(**values)
    except (ValueError, LookupError, AttributeError):
        names = ", ".join(f"{{{name}}}" for name in values)
        raise rows.error(table, key, f"holds braces other than {names}") from None
    return text


def _millis(rows: Rows, table: str, key: str) -> Millis:
    return Millis(rows.number(table, f"{key}_ms", least=1, most=3_600_000))


def _line(rows: Rows) -> LineRows:
    return LineRows(
        ack_timeout=_millis(rows, "line", "ack_timeout"),
        inter_byte=_millis(rows, "line", "inter_byte"),
        sends=rows.number("line", "sends", least=1, most=10),
        max_frame=rows.number("line", "max_frame", least=64, most=65535),
        block_size=rows.number("line", "block_size", least=64, most=8192),
        busy=Busy(rows.choice("line", "busy", Busy)),
        final_eot_first=OnEot(rows.choice("line", "final_eot_first", OnEot)),
        final_eot_repeat=OnEot(rows.choice("line", "final_eot_repeat", OnEot)),
    )


def _timers(rows: Rows) -> TimerRows:
    names = TimerRows.__dataclass_fields__
    return TimerRows(**{name: _millis(rows, "timers", name) for name in names})


def _rules(rows: Rows) -> RuleRows:
    return RuleRows(
        check_terminal_id=rows.flag("rules", "check_terminal_id"),
        already_reversed=AlreadyReversed(rows.choice("rules", "already_reversed", AlreadyReversed)),
        pin_tries=rows.number("rules", "pin_tries", least=1, most=9),
        no_pin_limit=MinorUnits(rows.number("rules", "no_pin_limit")),
    )


def _answer(rows: Rows) -> AnswerRows:
    return AnswerRows(
        unset_number=rows.text("answer", "unset_number"),
        receipt=rows.flag("answer", "receipt"),
        approved_code=rows.text("answer", "approved_code"),
        declined_code=_template(rows, "answer", "declined_code", code=""),
        fields=rows.numbers("answer", "fields"),
        test_fields=rows.numbers("answer", "test_fields"),
        test_shows_code=rows.flag("answer", "test_shows_code"),
    )
