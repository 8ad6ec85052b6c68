"""What a step of a scenario can say: a table of phrases for each of its verbs.

``card: tap mir-contactless``, ``bank: decline 51 after 2s``, ``line: drop ack of final``. The tables are the
grammar, the JSON Schema and the list in an error, all in one.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import get_args

from smartsale_emu.emulator.doors import Effect
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.register.habits import TunnelAct, TunnelHabit
from smartsale_emu.scenario.phrases import Phrase
from smartsale_emu.terminal.table import State
from smartsale_emu.units import NOTHING, Millis, MinorUnits

NOW = Millis(0)
BLINK = Millis(1000)
"""How long the power is away when nobody says."""

# --- people ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PresentCard:
    """A card is presented; it is read as its file says, or as ``entry_mode`` does."""

    card: str
    entry_mode: EntryMode | None = None


@dataclass(frozen=True, slots=True)
class PullCard:
    """The chip card is taken out of the reader too early."""


@dataclass(frozen=True, slots=True)
class TypePin:
    """A PIN is typed: these digits; empty: one that is wrong for the card at hand."""

    digits: str = ""


@dataclass(frozen=True, slots=True)
class PressCancel:
    """The cancel key of the pinpad."""


@dataclass(frozen=True, slots=True)
class AnswerCashier:
    """The cashier answers the question on his screen; None: he cancels it."""

    text: str | None


# --- power, paper, time ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CutPower:
    """The power fails and is back after ``away``. ``state``, ``effect``: not before then."""

    away: Millis = BLINK
    state: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True)
class LoadPaper:
    """The pinpad's own printer has paper, or has run out of it."""

    loaded: bool


@dataclass(frozen=True, slots=True)
class FillDisk:
    """The pinpad's memory takes nothing more, or takes again; where it must write and cannot, it stops."""

    full: bool


@dataclass(frozen=True, slots=True)
class Pass:
    """So much time passes."""

    time: Millis


# --- the bank ----------------------------------------------------------------------------------------------


class BankFault(StrEnum):
    """What goes wrong between pinpad and bank."""

    UNREACHABLE = "unreachable"  # not one byte leaves
    HANGS = "hangs"  # to connect neither succeeds nor fails
    LOST_THERE = "never arrives"  # the bytes leave, and the bank hears nothing
    LOST_BACK = "no answer"  # the bank acts, its answer is lost
    LATE = "late answer"
    OVERTAKEN = "late arrival"  # the bank hears it when nobody waits any more
    TWICE = "answer twice"
    OTHER_STAN = "answer another STAN"
    OTHER_TIME = "answer another time"
    OTHER_TERMINAL = "answer another terminal"
    OTHER_KIND = "answer another kind"
    OTHER_OPERATION = "answer another operation"
    OTHER_AMOUNT = "answer another amount"
    OTHER_CURRENCY = "answer another currency"
    GARBAGE = "garbage"
    CLOSES = "close"  # the bank acts and closes the connection
    WRONG_MAC = "wrong MAC"
    NO_MAC = "no MAC"
    WRONG_ARPC = "wrong ARPC"
    WRONG_KCV = "wrong check value"


class Message(StrEnum):
    """Whom of the bank's messages a fault meets."""

    ANY = "any"
    MONEY = "money"  # whatever asks something of an account
    REVERSAL = "reversal"
    SETTLEMENT = "settlement"
    UPLOAD = "upload"
    TEST = "test"
    KEY_CHANGE = "key change"


@dataclass(frozen=True, slots=True)
class Aim:
    """Which messages of a kind from now on: the ``which``-th, 0 for every one, -n for every n-th."""

    message: Message = Message.ANY
    which: int = 1


@dataclass(frozen=True, slots=True)
class BankDoes:
    """A fault. ``time``: how late, or how long; 0 for what is usual."""

    fault: BankFault
    aim: Aim = Aim()
    time: Millis = NOW


@dataclass(frozen=True, slots=True)
class BankDeclines:
    """The bank says no with a code of its own, ``time`` later than usual."""

    code: str
    aim: Aim = Aim(Message.MONEY)
    time: Millis = NOW


@dataclass(frozen=True, slots=True)
class BankApprovesPart:
    """The bank approves less than it is asked for."""

    amount: MinorUnits = NOTHING


@dataclass(frozen=True, slots=True)
class BankForgets:
    """The bank loses the last operation that it approved."""


@dataclass(frozen=True, slots=True)
class BankRecovers:
    """All that was said about the bank is over."""


# --- the line ----------------------------------------------------------------------------------------------


class LineFault(StrEnum):
    """What the line does to a unit."""

    DROP = "drop"
    TWICE = "repeat"
    DELAY = "delay"
    SPLIT = "split"
    GLUE = "glue"  # it waits for the next one and arrives with it, in one go
    TRUNCATE = "truncate"
    FLIP = "flip"
    SPOIL_CRC = "spoil CRC of"
    NOISE = "noise before"
    NAK = "NAK for"  # the peer's ACK becomes a NAK
    EOT = "EOT for"


class Unit(StrEnum):
    """What passes the line, by its place in the protocol. ``ACK_OF_…``: what the peer says to it."""

    REQUEST = "request"
    ACK_OF_REQUEST = "ack of request"
    WAIT = "wait"
    ACK_OF_WAIT = "ack of wait"
    QUESTION = "question"
    ACK_OF_QUESTION = "ack of question"
    REPLY = "reply"
    ACK_OF_REPLY = "ack of reply"
    TUNNEL = "tunnel request"
    ACK_OF_TUNNEL = "ack of tunnel request"
    FINAL = "final"
    ACK_OF_FINAL = "ack of final"
    SESSION = "session frame"  # with which a vending pinpad begins
    ACK_OF_SESSION = "ack of session frame"
    BLOCK = "block"
    ACK_OF_BLOCK = "ack of block"


@dataclass(frozen=True, slots=True)
class LineDoes:
    """A fault. ``which``: the n-th such unit, 0 for every, -n for every n-th; ``at``: a byte or bit of it."""

    fault: LineFault
    unit: Unit
    which: int = 1
    time: Millis = NOW
    at: int = 0


@dataclass(frozen=True, slots=True)
class LineSlow:
    """Every byte takes its time, as on a serial line of so many baud; 0: no longer."""

    baud: int


@dataclass(frozen=True, slots=True)
class LineCloses:
    """The register's port closes, or comes back."""

    closed: bool


@dataclass(frozen=True, slots=True)
class LineRecovers:
    """All that was said about the line is over."""


PersonCommand = PresentCard | PullCard | TypePin | PressCancel | AnswerCashier
DeviceCommand = CutPower | LoadPaper | FillDisk | Pass
BankErrs = BankDoes | BankDeclines | BankApprovesPart
BankCommand = BankErrs | BankForgets | BankRecovers
LineCommand = LineDoes | LineSlow | LineCloses | LineRecovers
Command = PersonCommand | DeviceCommand | BankCommand | LineCommand

# --- the tables --------------------------------------------------------------------------------------------


def _either(words: type[StrEnum]) -> str:
    return "|".join(sorted((word.value for word in words), key=len, reverse=True))


_EFFECTS = "|".join(sorted(effect.__name__ for effect in get_args(Effect)))


def _bank_does(
    fault: BankFault, usual: Message, message: str = "", which: int = 1, time: Millis = NOW
) -> BankDoes:
    return BankDoes(fault, Aim(Message(message or usual), which), time)


def _declines(code: str, message: str = "", which: int = 1, time: Millis = NOW) -> BankDeclines:
    return BankDeclines(code, Aim(Message(message or "money"), which), time)


def _down(time: Millis = NOW) -> BankDoes:
    return BankDoes(BankFault.UNREACHABLE, Aim(which=0), time)


def _line_does(fault: LineFault, unit: str, which: int = 1, time: Millis = NOW, at: int = 0) -> LineDoes:
    return LineDoes(fault, Unit(unit), which, time, at)


_TO = f"[ to [{{which}} ]{{message:{_either(Message)}}}]"
_UNIT = f"[{{which}} ]{{unit:{_either(Unit)}}}"


def _fault(fault: BankFault, about: str, time: str = "", usual: Message = Message.ANY) -> Phrase[BankDoes]:
    form = f"{fault.value}{f' {time}' if time else ''}{_TO}"
    return Phrase(form, partial(_bank_does, fault, usual), about)


def _harm(fault: LineFault, about: str, form: str = "{fault} {unit}") -> Phrase[LineDoes]:
    text = form.replace("{fault}", fault.value).replace("{unit}", _UNIT)
    return Phrase(text, partial(_line_does, fault), about)


TUNNEL: tuple[Phrase[TunnelHabit], ...] = (
    Phrase(
        f"{{act:{_either(TunnelAct)}}} step {{step:count}}",
        lambda act, step: TunnelHabit(step, TunnelAct(act)),
        "instead of what it is asked there",
    ),
    Phrase(
        f"{{act:{_either(TunnelAct)}}} after step {{step:count}}",
        lambda act, step: TunnelHabit(step, TunnelAct(act), done=True),
        "after it has done what it is asked there",
    ),
)
"""What a register does wrong with its channel; steps are the pinpad's requests to it, from 1."""

PHRASES: dict[str, tuple[Phrase[Command], ...]] = {
    "card": (
        Phrase("insert {card:name}", lambda card: PresentCard(card, EntryMode.CHIP), "into the reader"),
        Phrase("tap {card:name}", lambda card: PresentCard(card, EntryMode.CONTACTLESS), "contactless"),
        Phrase("swipe {card:name}", lambda card: PresentCard(card, EntryMode.MAGSTRIPE), "its stripe"),
        Phrase("present {card:name}", PresentCard, "as its file says"),
        Phrase("remove", PullCard, "pulled out before the end"),
    ),
    "pin": (
        Phrase("wrong", TypePin, "a PIN that is not the card's"),
        Phrase("{digits}", TypePin, "4 to 12 digits"),
    ),
    "key": (Phrase("cancel", PressCancel, "the red key"),),
    "cashier": (
        Phrase("cancel", partial(AnswerCashier, None), "he cancels the question"),
        Phrase("ok", partial(AnswerCashier, ""), "he confirms it and types nothing"),
        Phrase("type {text}", AnswerCashier, "what he types"),
    ),
    "power": (
        Phrase("cut[ for {away:time}]", CutPower, "now; back after a second, or after this time"),
        Phrase(f"cut at {{state:{_either(State)}}}[ for {{away:time}}]", CutPower, "once it gets there"),
        Phrase(
            f"cut before {{effect:{_EFFECTS}}}[ for {{away:time}}]", CutPower, "before it does such a thing"
        ),
    ),
    "paper": (
        Phrase("out", partial(LoadPaper, loaded=False), "the printer runs out of paper"),
        Phrase("in", partial(LoadPaper, loaded=True), "paper is loaded"),
    ),
    "memory": (
        Phrase("full", partial(FillDisk, full=True), "it takes nothing more"),
        Phrase("free", partial(FillDisk, full=False), "it takes again"),
    ),
    "clock": (Phrase(r"\+{time}", Pass, "time passes"),),
    "bank": (
        _fault(BankFault.UNREACHABLE, "not one byte leaves"),
        _fault(BankFault.HANGS, "to connect neither succeeds nor fails"),
        Phrase("down[ for {time}]", _down, "unreachable, for a time or until it is back"),
        _fault(BankFault.LOST_THERE, "the bytes leave, and the bank hears nothing"),
        _fault(BankFault.LOST_BACK, "the bank acts, its answer is lost"),
        _fault(BankFault.LATE, "the answer comes late", "{time}"),
        _fault(BankFault.OVERTAKEN, "the bank hears it late", "{time}"),
        _fault(BankFault.TWICE, "two copies of the answer"),
        _fault(BankFault.OTHER_STAN, "the answer is to another message: by its DE11"),
        _fault(BankFault.OTHER_TIME, "by its DE7"),
        _fault(BankFault.OTHER_TERMINAL, "by its DE41"),
        _fault(BankFault.OTHER_KIND, "by its type: a reversal's to a sale"),
        _fault(BankFault.OTHER_OPERATION, "by its DE3"),
        _fault(BankFault.OTHER_AMOUNT, "by its DE4"),
        _fault(BankFault.OTHER_CURRENCY, "by its DE49"),
        _fault(BankFault.GARBAGE, "the answer is nonsense"),
        _fault(BankFault.CLOSES, "the bank acts and hangs up"),
        _fault(BankFault.WRONG_MAC, "the answer's MAC is spoilt"),
        _fault(BankFault.NO_MAC, "the answer comes without the MAC that it should have"),
        _fault(BankFault.WRONG_ARPC, "the answer's issuer authentication is spoilt"),
        _fault(BankFault.WRONG_KCV, "new keys do not fit their check values", usual=Message.KEY_CHANGE),
        Phrase(f"decline {{code}}{_TO}[ after {{time}}]", _declines, "it says no with this code"),
        Phrase("approve only {amount}", BankApprovesPart, "less than is asked"),
        Phrase("forgets", BankForgets, "it loses the last approved operation"),
        Phrase("recovers", BankRecovers, "all this is over"),
    ),
    "line": (
        _harm(LineFault.DROP, "it never arrives"),
        _harm(LineFault.TWICE, "it arrives twice, once so much later", "{fault} {unit}[ by {time}]"),
        _harm(LineFault.DELAY, "it arrives later", "{fault} {unit} by {time}"),
        _harm(LineFault.SPLIT, "in two pieces", "{fault} {unit}[ after {at:count} bytes][ by {time}]"),
        _harm(LineFault.GLUE, "it arrives together with the next one"),
        _harm(LineFault.TRUNCATE, "its end is missing", "{fault} {unit}[ after {at:count} bytes]"),
        _harm(LineFault.FLIP, "one bit of it", "{fault} [bit {at:count} of ]{unit}"),
        _harm(LineFault.SPOIL_CRC, "its CRC"),
        _harm(LineFault.NOISE, "bytes that mean nothing"),
        _harm(LineFault.NAK, "as if it were damaged"),
        _harm(LineFault.EOT, "as if the peer gave up"),
        Phrase("slow {baud:count} baud", LineSlow, "bytes take their time; 0: no longer"),
        Phrase("closes", partial(LineCloses, closed=True), "the register's port closes"),
        Phrase("opens", partial(LineCloses, closed=False), "and is back"),
        Phrase("recovers", LineRecovers, "all this is over"),
    ),
}
"""What can stand behind each verb, but ``register`` and ``expect``."""
