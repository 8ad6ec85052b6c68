"""Virtual time: what becomes of a world in which it does not pass."""

from dataclasses import replace

import pytest

from smartsale_emu.control import VirtualPinpad
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.cardholder import Action, Cardholder
from smartsale_emu.runtime.assembly import load_card
from smartsale_emu.scenario import virtual
from smartsale_emu.units import Millis


class Stubborn(Cardholder):
    """He swipes his card again and again, whatever he is told."""

    def on_card_prompt(self, refused: EntryMode | None = None) -> Action | None:
        """Forget that the stripe will not do."""
        return Cardholder.on_card_prompt(self)


def test_time_that_stands_still_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual, "MOST_AT_ONCE", 1000)
    pinpad = VirtualPinpad()
    swiped = replace(load_card("mir-chip").card, entry_mode=EntryMode.MAGSTRIPE)
    pinpad._stage.world.cardholder = Stubborn(swiped, card_after=Millis(0))
    with pytest.raises(AssertionError, match="time stands still at 1 ms: "):
        pinpad.ask("sale 100.00")
