"""The words for what goes wrong at a pinpad that is controlled: those of a scenario's steps."""

from typing import Final

from smartsale_emu.scenario.commands import PHRASES, Command, LineCloses
from smartsale_emu.scenario.phrases import Phrase, read_phrase

VERBS: Final = ("bank", "line", "power", "paper", "memory")
"""What can be said as a fault."""


def phrases() -> dict[str, tuple[Phrase[Command], ...]]:
    """Return what can be said, by verb."""
    return {verb: PHRASES[verb] for verb in VERBS}


def tidy(text: str) -> str:
    """Return a fault with blanks where they belong.

    >>> tidy("bank:no  answer to money")
    'bank: no answer to money'
    """
    verb, colon, phrase = text.partition(":")
    return f"{verb.strip()}: {' '.join(phrase.split())}" if colon else text.strip()


def read_fault(text: str) -> Command:
    """Return what a text such as ``line: drop ack of final`` says.

    Raises:
        ValueError: it is not understood, or not to be done here; the text says what there is.
    """
    verb, colon, phrase = tidy(text).partition(": ")
    if not colon or verb not in VERBS:
        raise ValueError(f"{text!r} must begin with one of {', '.join(VERBS)} and a colon{_meant(text)}")
    command = read_phrase(phrase, PHRASES[verb])
    if isinstance(command, LineCloses):
        raise ValueError("the port is the register's to close; 'power: cut' takes it away")
    return command


def _meant(text: str) -> str:
    """Return the verb under which a phrase would be understood, if there is one."""
    for verb in VERBS:
        if _understood(text, verb):
            return f"; is '{verb}: {text}' meant?"
    return ""


def _understood(text: str, verb: str) -> bool:
    try:
        read_phrase(text, PHRASES[verb])
    except ValueError:
        return False
    return True
