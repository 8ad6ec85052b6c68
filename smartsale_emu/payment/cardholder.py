"""A cardholder who acts by himself: a card, a PIN, delays and mistakes, all decided beforehand."""

from dataclasses import dataclass
from enum import StrEnum

from smartsale_emu.payment.card import Card, EntryMode
from smartsale_emu.security.masking import Secret
from smartsale_emu.units import Millis

CARD_AFTER, PIN_AFTER = Millis(500), Millis(1500)


class Act(StrEnum):
    """What a cardholder can do at the pinpad."""

    PRESENT_CARD = "present card"
    TYPE_PIN = "type PIN"
    CANCEL = "press cancel"


class Prompt(StrEnum):
    """What the pinpad asks of a cardholder."""

    CARD = "card"
    PIN = "pin"


@dataclass(frozen=True, slots=True)
class Action:
    """One act, ``after`` so many milliseconds. ``pin`` only with TYPE_PIN."""

    act: Act
    after: Millis
    pin: Secret | None = None


@dataclass(frozen=True, slots=True)
class Cardholder:
    """How the customer behaves.

    ``wrong_pins``: so many tries are wrong before the right one. ``cancels_at``: presses cancel instead of
    giving what that prompt asks. Without a PIN he never types one, and the pinpad's timer runs out.
    """

    card: Card | None
    pin: Secret | None = None
    card_after: Millis = CARD_AFTER
    pin_after: Millis = PIN_AFTER
    wrong_pins: int = 0
    cancels_at: Prompt | None = None

    def on_card_prompt(self, refused: EntryMode | None = None) -> Action | None:
        """Return what he does when a card is asked for, or None for nothing.

        ``refused``: the way that will not do for a card with a chip. Where it is the only one he has, he does
        not know what to do.
        """
        if self.cancels_at is Prompt.CARD:
            return Action(Act.CANCEL, self.card_after)
        card = self.card
        if card is None or (card.says_chip and card.entry_mode is refused):
            return None
        return Action(Act.PRESENT_CARD, self.card_after)

    def on_pin_prompt(self, attempt: int) -> Action | None:
        """Return what he does when a PIN is asked for; ``attempt`` counts from 1."""
        if self.cancels_at is Prompt.PIN:
            return Action(Act.CANCEL, self.pin_after)
        if self.pin is None:
            return None
        pin = wrong_pin(self.pin) if attempt <= self.wrong_pins else self.pin
        return Action(Act.TYPE_PIN, self.pin_after, pin)


def wrong_pin(pin: Secret) -> Secret:
    """Return a PIN of the same length that differs in its last digit.

    >>> wrong_pin(Secret("1239")).reveal()
    '1230'
    """
    digits = pin.reveal()
    return Secret(digits[:-1] + str((int(digits[-1]) + 1) % 10))
