"""The customer at a pinpad that is controlled: what somebody lets him do, at once."""

from collections.abc import Callable
from dataclasses import replace

from smartsale_emu.emulator.doors import Event
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.cardholder import Cardholder, Prompt
from smartsale_emu.scenario.stage import Stage
from smartsale_emu.security.masking import Secret
from smartsale_emu.terminal.events import CancelPressed, CardPresented, CardPulled, PinEntered
from smartsale_emu.units import Millis

AT_ONCE = Millis(0)


class Customer:
    """He has nothing to do with time: what he is asked for later he gives at once. ``tell``: the pinpad."""

    def __init__(self, stage: Stage, tell: Callable[[Event], object]) -> None:
        self._stage, self._world, self._tell = stage, stage.world, tell

    @property
    def held(self) -> tuple[str, EntryMode] | None:
        """The card that he presents, and how; None without one."""
        card = self._world.cardholder.card
        return (card.name, card.entry_mode) if card is not None else None

    def present(self, name: str, mode: EntryMode | None, pin: str | None) -> None:
        """He presents a card, now and whenever he is asked, and types ``pin`` when he is asked.

        ``mode``: how; None: as the card's file says.

        Raises:
            ProfileError: there is no such card; the text says which there are.
            ValueError: a PIN has 4 to 12 digits.
        """
        card = self._stage.card(name)
        card = replace(card, entry_mode=mode) if mode is not None else card
        secret = pin_of(pin) if pin is not None else None
        holder = Cardholder(card, secret, card_after=AT_ONCE, pin_after=AT_ONCE)

        def present() -> None:
            self._world.cardholder = holder
            if self._world.asked is Prompt.CARD:
                self._tell(CardPresented(card))

        self._world.at_once(present)

    def take_card(self) -> None:
        """He takes his card, out of the reader if it is there, and presents none any more."""

        def take() -> None:
            held, self._world.cardholder = self.held, Cardholder(None)
            if held is not None and held[1] is EntryMode.CHIP:
                self._tell(CardPulled())

        self._world.at_once(take)

    def type_pin(self, pin: Secret) -> None:
        """He types a PIN (`pin_of`) and presses the green key."""
        self._tell(PinEntered(pin))

    def cancel(self) -> None:
        """He presses the red key."""
        self._tell(CancelPressed())


def pin_of(digits: str) -> Secret:
    """Return what somebody types. Raises ValueError when it is no PIN."""
    if not (digits.isascii() and digits.isdigit() and 4 <= len(digits) <= 12):
        raise ValueError("a PIN has 4 to 12 digits")
    return Secret(digits)
