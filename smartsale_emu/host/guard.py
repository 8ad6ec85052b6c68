"""Who speaks: the bank checks the MAC of a request before it looks at it, and gives its answer one.

It also sees there which session keys a pinpad uses after a key change, and forgets those before them.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.ledger import Changes, KeyOffer, Ledger
from smartsale_emu.host.records import answer
from smartsale_emu.host.rules import WRONG_MAC
from smartsale_emu.host.sealing import Seal
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest
from smartsale_emu.security.bank_safe import BankSafe, Offers
from smartsale_emu.security.dukpt_tdes import KsnError
from smartsale_emu.security.protection import MessageKeys


@dataclass(frozen=True, slots=True)
class Admission:
    """``refusal``: the answer to a request that the bank does not look at. ``seal``: of the answer.

    A refusal without a seal is for a request that no keys of this terminal are known for.
    """

    refusal: AuthorizationAnswer | None = None
    seal: Seal | None = None


class Guard:
    """The door of the bank."""

    def __init__(self, dialect: Dialect, safe: BankSafe, ledger: Ledger) -> None:
        self._dialect, self._safe, self._ledger = dialect, safe, ledger

    def admit(self, request: AuthorizationRequest, at: datetime) -> Admission:
        """Check the MAC of a request, where messages of its kind have one.

        A request that is refused has moved nothing. Its answer is sealed with the terminal's newest keys, so
        that who has the right ones can believe it.

        Raises:
            StateError: the ledger could not be written.
        """
        offers = self._ledger.offers(request.terminal_id)
        if not self._dialect.is_sealed(request.step):
            self._forget_before(request, offers)
            return Admission()
        try:
            keys = self._safe.candidates(request.ksn, offers)
        except KsnError:
            return Admission(answer(request, WRONG_MAC, at, because="no key has this serial number"))
        sealed = request.sealed
        fitting = sealed and self._safe.sealed_with(sealed.covered.reveal(), sealed.mac, keys)
        if fitting:
            self._forget_before(request, offers)
            return Admission(seal=partial(self._safe.mac, keys=fitting[0]))
        because = "the MAC is wrong: another key, or a changed message" if sealed else "there is no MAC"
        refusal = answer(request, WRONG_MAC, at, because=because)
        return Admission(refusal, partial(self._safe.mac, keys=keys[0]))

    def _forget_before(self, request: AuthorizationRequest, offers: Offers) -> None:
        """Forget the keys before those in use: a pinpad does not go back to them.

        Where it must go back, to the keys of the slots from some that those do not open, they are held.
        """
        if self._safe.usable(offers) == tuple(offers[-1:]):
            return
        used = self._safe.offer_used(offers, partial(self._fits, request))
        if used is None or used == offers[-1]:
            return
        use = KeyOffer(request.terminal_id, used)
        self._ledger.commit(Changes(taken=use) if used in offers else Changes(offer=use))

    def _fits(self, request: AuthorizationRequest, keys: MessageKeys) -> bool:
        """Tell whether a message was made with these keys: its MAC says so, or else its PIN block."""
        if self._dialect.is_sealed(request.step):
            sealed = request.sealed
            return sealed is not None and bool(
                self._safe.sealed_with(sealed.covered.reveal(), sealed.mac, [keys])
            )
        block, card = request.pin_block, request.card
        return block is not None and card is not None and self._safe.is_block(block, card.pan, keys)
