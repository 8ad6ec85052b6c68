"""When a step happens: ``when: bank is asked``, ``when: screen says «Введите ПИН»``."""

from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from smartsale_emu.scenario.phrases import Phrase
from smartsale_emu.terminal.table import State


class Moment(StrEnum):
    """What is waited for."""

    NOW = "now"
    CARD_ASKED = "card is asked"
    PIN_ASKED = "PIN is asked"
    CASHIER_ASKED = "cashier is asked"
    BANK_ASKED = "bank is asked"
    REGISTER_WAITS = "register waits"
    FINAL_LEFT = "final leaves"
    ANSWERED = "register is answered"
    RESTS = "pinpad rests"
    STATE = "state"
    SCREEN = "screen"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A moment. ``which``: the n-th time since the step before; ``text``: a state, or words of the screen."""

    moment: Moment
    which: int = 1
    text: str = ""


def _at(moment: Moment, which: int = 1, text: str = "") -> Trigger:
    return Trigger(moment, which, text)


_STATES = "|".join(sorted((state.value for state in State), key=len, reverse=True))
TRIGGERS: tuple[Phrase[Trigger], ...] = (
    Phrase("now", partial(_at, Moment.NOW), "at once"),
    Phrase("card is asked", partial(_at, Moment.CARD_ASKED), "the readers are open"),
    Phrase("PIN is asked", partial(_at, Moment.PIN_ASKED), "the keypad is open"),
    Phrase("cashier is asked", partial(_at, Moment.CASHIER_ASKED), "a question came to the register"),
    Phrase("bank is asked[ {which} time]", partial(_at, Moment.BANK_ASKED), "a message left for the bank"),
    Phrase("register waits[ {which} time]", partial(_at, Moment.REGISTER_WAITS), "a wait frame came"),
    Phrase("final leaves[ {which} time]", partial(_at, Moment.FINAL_LEFT), "the final answer was written"),
    Phrase("register is answered", partial(_at, Moment.ANSWERED), "its exchange is over"),
    Phrase("pinpad rests", partial(_at, Moment.RESTS), "nothing is under way"),
    Phrase(f"state is {{text:{_STATES}}}", partial(_at, Moment.STATE), "of the terminal"),
    Phrase("screen says {text}", partial(_at, Moment.SCREEN), "the words stand in it"),
)
