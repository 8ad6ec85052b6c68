"""Whose card it is, and how its account stands: card files for the opening, the ledger for what changed."""

from collections.abc import Iterable
from dataclasses import replace

from smartsale_emu.host.ledger import AccountState, Ledger
from smartsale_emu.host.rulebook import NO_RULES, Issuer, Rulebook
from smartsale_emu.payment.authorization import CardData
from smartsale_emu.payment.card import TestCard
from smartsale_emu.units import MinorUnits

NOBODY = AccountState("", MinorUnits(0), 0, blocked=False)
"""The account of a card that the bank does not know."""


class Accounts:
    """The accounts of the test cards, and the issuers that keep them."""

    def __init__(self, cards: Iterable[TestCard], ledger: Ledger, rulebook: Rulebook = NO_RULES) -> None:
        self._by_pan = {card.card.pan: card for card in cards}
        self._by_name = {card.card.name: card for card in self._by_pan.values()}
        self._ledger, self._rulebook = ledger, rulebook

    def holder(self, card: CardData | None) -> TestCard | None:
        """Return the test card with the number of the card that was sent."""
        return self._by_pan.get(card.pan) if card is not None else None

    def named(self, name: str) -> TestCard | None:
        """Return a test card by its name."""
        return self._by_name.get(name)

    def issuer(self, holder: TestCard) -> Issuer | None:
        """Return the issuer of a card, None when the rulebook lists none for its number."""
        return self._rulebook.issuer_of(holder.card.pan)

    def pin_tries(self, holder: TestCard) -> int:
        """Return how many wrong PINs in a row block a card's PIN: the issuer's word, else the card file's."""
        issuer = self.issuer(holder)
        return holder.account.pin_tries if issuer is None or issuer.pin_tries is None else issuer.pin_tries

    def state(self, name: str) -> AccountState | None:
        """Return the account of a card as it stands now, by the card's name."""
        known, card = self._ledger.account(name), self._by_name.get(name)
        if known is not None or card is None:
            return known
        opening = card.account
        return AccountState(name, opening.balance, self.pin_tries(card), opening.blocked)


def moved(account: AccountState, effect: int) -> AccountState:
    """Return an account after ``effect``, minor units with a sign, was added to it."""
    return replace(account, balance=MinorUnits(account.balance + effect))
