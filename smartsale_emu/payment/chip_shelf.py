"""The chips of the cards that lie at hand: each gets its key when it is presented, and counts its payments.

The application transaction counter (ATC, 9F36) belongs to the card: it is raised whenever the card is
selected, and never goes back (EMV Book 3, 6.5.5). Whoever holds the cards keeps it, the terminal does not.
"""

from dataclasses import replace
from typing import Protocol

from smartsale_emu.errors import KeySlotError
from smartsale_emu.payment.card import Card
from smartsale_emu.payment.chip import Chip
from smartsale_emu.security.keys import KeyRing, KeyUsage

ATC_LAST = 0xFFFF


class Counters(Protocol):
    """Where the counters are kept. ``card``: masked number and PAN sequence number."""

    def get(self, card: str) -> int:
        """Return the counter used last, 0 for a card that was never used."""

    def put(self, card: str, atc: int) -> None:
        """Keep a counter. Raises StateError if it cannot be kept."""


class CounterBook:
    """Counters that last as long as the program.

    >>> book = CounterBook()
    >>> book.put("220012******9019-01", 7)
    >>> book.get("220012******9019-01"), book.get("476173******0119-01")
    (7, 0)
    """

    def __init__(self) -> None:
        self._counters: dict[str, int] = {}

    def get(self, card: str) -> int:
        """Return the counter used last, 0 for a card that was never used."""
        return self._counters.get(card, 0)

    def put(self, card: str, atc: int) -> None:
        """Keep a counter."""
        self._counters[card] = atc


class ChipShelf:
    """Gives a card its chip when it is presented."""

    def __init__(self, keys: KeyRing, counters: Counters) -> None:
        self._keys, self._counters = keys, counters

    def require_key(self, card: Card) -> None:
        """See to it that the issuer key of a card is there, before anybody presents it.

        Raises:
            KeySlotError: its slot is empty or holds a key for another use.
        """
        if card.chip_rows is not None:
            self._keys.get(card.chip_rows.issuer_key, KeyUsage.ISSUER)

    def has_key(self, card: Card) -> bool:
        """Tell whether a card can be presented: a chip needs the key of its issuer."""
        try:
            self.require_key(card)
        except KeySlotError:
            return False
        return True

    def presented(self, card: Card) -> Card:
        """Return the card at the reader: its chip is selected, its counter raised. None: as it was.

        After 65535 the counter begins again: a real card would be at its end.

        Raises:
            KeySlotError: as ``require_key``.
            StateError: the counter cannot be kept.
        """
        rows = card.chip_rows
        if rows is None or rows.fails:
            return card
        issuer_key = self._keys.get(rows.issuer_key, KeyUsage.ISSUER).value
        atc = next_atc(self._counters.get(name_of(card)))
        self._counters.put(name_of(card), atc)
        return replace(card, chip=Chip.of(rows.profile, card.pan, issuer_key=issuer_key, atc=atc))

    def selected_again(self, card: Card) -> None:
        """Keep the counter of a card that was selected once more without leaving the reader.

        Raises:
            StateError: the counter cannot be kept.
        """
        if card.chip is not None:
            self._counters.put(name_of(card), card.chip.atc)


def next_atc(atc: int) -> int:
    """Return the counter after this one.

    >>> next_atc(0), next_atc(65534), next_atc(65535)
    (1, 65535, 1)
    """
    return atc % ATC_LAST + 1


def name_of(card: Card) -> str:
    """Return the name under which a card's counter is kept: number masked 6/4, and PAN sequence number."""
    return f"{card.masked}-{card.sequence or '00'}"
