"""What the register does in a scenario: ``sale 100.00``, ``void 50.00 rrn=${first.rrn}``, ``cancels``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from smartsale_emu.register.requests import OPERATIONS, Argument, Arguments, operation_request
from smartsale_emu.sa.framing import encode_block, encode_frame
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.phrases import KINDS, Phrase, money, quoted, read_phrase
from smartsale_emu.security.masking import Secret
from smartsale_emu.units import CurrencyCode

ACTS = ("cancels", "crashes", "leaves", "opens", "sends")
"""The first words of what a register does without asking for anything; at once, unless told otherwise."""

REFERENCE = re.compile(r"\$\{(\w+)\.(rrn|code|amount|number)\}")
"""A value of an earlier answer: the name of its step and the field."""

_PLAYED = re.compile(r"\$\{[^}]*\}")
_SAMPLE = {"rrn": "123456789012", "code": "123456", "amount": "1.00", "number": "1"}
_SAMPLE_TRACK = "2200123456789019=30122010000000000"
_AMOUNTS = (Argument.AMOUNT, Argument.ORIGINAL_AMOUNT)
_NUMBERS = (Argument.NUMBER, Argument.CARD_WITHIN)


@dataclass(frozen=True, slots=True)
class Ask:
    """The register asks for an operation; ``given``: arguments by name, as texts."""

    operation: str
    given: tuple[tuple[str, str], ...] = ()

    def message(self, known: Mapping[str, Mapping[str, str]]) -> Message:
        """Return the request. ``known``: the fields of earlier answers, by the names of their steps.

        Raises:
            ValueError: there is no such answer or field, or the values make no request.
        """
        return operation_request(
            self.operation, _arguments([(name, filled(text, known)) for name, text in self.given])
        )


@dataclass(frozen=True, slots=True)
class SendBytes:
    """The register writes these bytes and nothing else."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Cancel:
    """The register gives the operation up: EOT."""


@dataclass(frozen=True, slots=True)
class Leave:
    """The register closes its port in the middle of everything."""


@dataclass(frozen=True, slots=True)
class Crash:
    """The register's program dies and the pinpad cannot see it: what it writes lies unread."""


@dataclass(frozen=True, slots=True)
class Come:
    """The register opens its port, and says nothing yet."""


RegisterCommand = Ask | SendBytes | Cancel | Leave | Crash | Come

_OTHERS: tuple[Phrase[RegisterCommand], ...] = (
    Phrase("cancels", Cancel, "gives the operation up: EOT"),
    Phrase("leaves", Leave, "closes its port"),
    Phrase("crashes", Crash, "its program dies, unseen; what the pinpad writes lies unread until it is back"),
    Phrase("opens", Come, "opens its port"),
    Phrase("sends frame {data:hex}", lambda data: SendBytes(encode_frame(data)), "TLV records, framed"),
    Phrase(
        "sends block {number:count} {data:hex}",
        lambda number, data: SendBytes(encode_block(number, data)),
        "a piece of the records in a block of its own; number 0 is the last",
    ),
    Phrase("sends {data:hex}", SendBytes, "bytes, as they are"),
)
_WORDS = "|".join(sorted(OPERATIONS, key=len, reverse=True))
_NAMES = "|".join(argument.value for argument in Argument if argument is not Argument.AMOUNT)
_DYNAMIC = r"\$\{[^}]*\}"
ASK_PATTERN = rf"({_WORDS})( ({KINDS['amount'].pattern}|{_DYNAMIC}))?( ({_NAMES})=\S+)*"
PATTERNS: tuple[tuple[str, str], ...] = (
    (ASK_PATTERN, "OPERATION [AMOUNT] [name=value …]"),
    *((phrase.pattern, phrase.shown) for phrase in _OTHERS),
)
"""Every form, as a pattern and as it is told."""


def read_register(text: str) -> RegisterCommand:
    """Return what the register does.

    >>> read_register("void 50.00 rrn=${first.rrn}")
    Ask(operation='void', given=(('amount', '50.00'), ('rrn', '${first.rrn}')))

    Raises:
        ValueError: no such operation or argument, a bad value, or something that is needed is missing.
    """
    words = text.split()
    if not words or words[0] not in OPERATIONS:
        if words and words[0] in ACTS:
            return read_phrase(text, _OTHERS)
        raise ValueError(f"{quoted(text)} is no operation; there is: {', '.join((*OPERATIONS, *ACTS))}")
    ask = Ask(words[0], tuple(_given(word) for word in words[1:]))
    sample = Ask(ask.operation, tuple((name, _sampled(name, value)) for name, value in ask.given))
    sample.message({})
    return ask


def card_of(ask: Ask) -> str | None:
    """Return the test card whose track a request brings, None when it names none.

    >>> card_of(Ask("sale", (("amount", "1.00"), ("track2", "mir-magstripe"))))
    'mir-magstripe'
    """
    tracks = [text for name, text in ask.given if name == Argument.TRACK2]
    return tracks[0] if tracks and _names_a_card(tracks[0]) else None


def with_track(ask: Ask, track2: str) -> Ask:
    """Return a request that names a card with the card's track in its place."""
    given = ((name, track2 if name == Argument.TRACK2 else text) for name, text in ask.given)
    return replace(ask, given=tuple(given))


def _names_a_card(track2: str) -> bool:
    return not track2[:1].isdigit()


def _given(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        return Argument.AMOUNT.value, word
    if name not in list(Argument):
        raise ValueError(f"{quoted(name)} is no argument; there is: {_NAMES.replace('|', ', ')}")
    return name, value


def _sampled(name: str, value: str) -> str:
    """Put something right in the place of what is only known when it is played: a card, an answer."""
    if name == Argument.TRACK2 and _names_a_card(value):
        return _SAMPLE_TRACK
    return _PLAYED.sub(lambda found: _SAMPLE.get(found[0][2:-1].rpartition(".")[2], "1"), value)


def filled(text: str, known: Mapping[str, Mapping[str, str]]) -> str:
    """Return a text with the values of earlier answers in it.

    Raises:
        ValueError: there is no such answer or field.
    """

    def value(found: re.Match[str]) -> str:
        step, field = found[1], found[2]
        if field not in known.get(step, {}):
            raise ValueError(f"{found[0]}: no answer named {step} has brought a {field}")
        return known[step][field]

    return REFERENCE.sub(value, text)


def _arguments(given: list[tuple[str, str]]) -> Arguments:
    values: dict[str, object] = {}
    for name, text in given:
        if name in values:
            raise ValueError(f"{name} stands twice")
        if name in _AMOUNTS:
            values[name] = money(text)
        elif name in _NUMBERS:
            values[name] = int(text)
        elif name == Argument.TRACK2:
            values[name] = Secret(text)
        elif name == Argument.CURRENCY:
            values[name] = CurrencyCode(text)
        else:
            values[name] = text
    return Arguments(**values)  # type: ignore[arg-type]
