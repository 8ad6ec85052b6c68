"""A short talk with a host that finds out whether it understands us: a link test, a purchase, its reversal.

Messages, keys and the reading of answers are those of the pinpad. Once a byte of the purchase may have left,
its reversal is sent whatever the host said, and whatever ends the talk: an interrupt, a lost answer, an error
of whoever watches. A host that cannot be read at the link test is asked for no money.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from smartsale_emu.emulator.bank_calls import BankCalls
from smartsale_emu.emulator.bank_side import PinpadSafe
from smartsale_emu.emulator.doors import Event, HostBytes
from smartsale_emu.emulator.tracing import Tracer
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.payment.authorization import (
    AuthorizationAnswer,
    AuthorizationRequest,
    CardData,
    Original,
    Step,
    Transaction,
)
from smartsale_emu.payment.response_codes import approves, moves_money
from smartsale_emu.runtime.bank_link import BankLink
from smartsale_emu.security.masking import Secret
from smartsale_emu.security.protection import KeysHeld
from smartsale_emu.terminal.events import BankAsked, BankFailed, BankReplied, BankUnreachable
from smartsale_emu.terminal.money import ReversalVerdict, reversal_verdict
from smartsale_emu.units import RUB, MinorUnits

AMOUNT = MinorUnits(100)
"""What the purchase is for: 1.00."""

REVERSALS = 3
"""How often the reversal is sent until the host answers it."""

PAUSE_S = 1.0
"""Between two of them, in seconds."""


@dataclass(frozen=True, slots=True)
class Shopper:
    """Whose terminal and whose card. ``pin``: None for none."""

    terminal_id: str
    merchant_id: str
    card: CardData
    pin: Secret | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """One message and what came of it. ``left``: a byte of it may have reached the host.

    ``sent_type``, ``answer_type``: MTIs. ``own_code``: the bank's own code of the answer, None if the profile
    knows none for it.
    """

    name: str
    request: AuthorizationRequest
    sent_type: str
    answer_type: str
    answer: AuthorizationAnswer | None
    own_code: str | None
    left: bool
    passed: bool
    because: str


class HostProbe:
    """One talk. ``watch`` is told each step; ``timeout``: of each answer, in seconds.

    ``now`` gives the local time with whole seconds; ``stan``: of the link test, 1 to 999998; the purchase has
    the next one. ``held``: what the keys begin at (`security.safe.keys_to_begin_with`).
    """

    def __init__(
        self,
        profile: BankProfile,
        safe: PinpadSafe,
        bank: BankLink,
        shopper: Shopper,
        *,
        timeout: float,
        now: Callable[[], datetime],
        stan: int,
        held: KeysHeld,
        watch: Callable[[Tried], None],
    ) -> None:
        self._profile, self._safe, self._bank, self._shopper = profile, safe, bank, shopper
        self._timeout, self._now, self._stan, self._held, self._watch = timeout, now, stan, held, watch
        self._calls = BankCalls(Dialect(profile), safe, Tracer(None))
        self._number = 0
        self._left = False
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End the talk early; what must be undone is undone first."""
        self._stopped.set()

    async def run(self) -> bool:
        """Talk; tells whether every step passed."""
        echo = await self._step("echo", self._plain(Step.NETWORK, Transaction.ECHO, self._stan))
        if echo.answer is None or self._stopped.is_set():
            return False
        asked = self._purchase()
        tried: Tried | None = None
        self._left = False
        try:
            tried = await self._step("purchase", asked)
        finally:
            undone = await self._undo(asked, tried) if self._left else False
        return echo.passed and tried.passed and undone

    # --- the messages ------------------------------------------------------------------------------------

    def _plain(self, step: Step, transaction: Transaction, stan: int) -> AuthorizationRequest:
        shopper = self._shopper
        return AuthorizationRequest(
            step, transaction, stan, self._now(), shopper.terminal_id, shopper.merchant_id
        )

    def _purchase(self) -> AuthorizationRequest:
        plain = self._plain(Step.FINANCIAL, Transaction.PURCHASE, self._stan + 1)
        return replace(plain, amount=AMOUNT, currency=RUB, card=self._shopper.card)

    def _reversal(self, asked: AuthorizationRequest, tried: Tried | None) -> AuthorizationRequest:
        answer = tried.answer if tried else None
        card = self._shopper.card
        return replace(
            asked,
            step=Step.REVERSAL,
            sent_at=max(self._now(), asked.sent_at + timedelta(seconds=1)),
            card=replace(card, track2=None),
            original=Original(
                asked.transaction,
                asked.stan,
                asked.sent_at,
                rrn=answer.rrn if answer else "",
                authorization_code=answer.authorization_code if answer else "",
            ),
        )

    async def _undo(self, asked: AuthorizationRequest, tried: Tried | None) -> bool:
        """Reverse until the host answers it, three times at most; nothing stops this."""
        reversal, attempts = self._reversal(asked, tried), 0
        for sending in range(REVERSALS):
            if sending:
                await asyncio.sleep(PAUSE_S)
            self._left = False
            undone = await self._step("reversal", replace(reversal, attempt=attempts), stoppable=False)
            attempts += undone.left
            if undone.answer is not None and _ends(undone):
                return undone.passed
        return False

    # --- one step ----------------------------------------------------------------------------------------

    async def _step(self, name: str, request: AuthorizationRequest, *, stoppable: bool = True) -> Tried:
        self._held = held = self._safe.for_next_message(self._held)
        request = replace(request, ksn=bytes.fromhex(held.ksn))
        if request.card is not None and self._shopper.pin is not None and request.step is Step.FINANCIAL:
            block = self._safe.pin_block(self._shopper.pin, request.card.pan, held)
            request = replace(request, pin_block=block)
        said = await self._ask(request, held, stoppable=stoppable)
        tried = self._judged(name, request, said)
        self._watch(tried)
        return tried

    async def _ask(
        self, request: AuthorizationRequest, held: KeysHeld, *, stoppable: bool
    ) -> AuthorizationAnswer | str:
        """Return the answer, or why there is none."""
        self._number += 1
        payload = self._calls.dial(self._number, request, held)
        if isinstance(payload, BankUnreachable):
            return payload.because
        ended: asyncio.Future[AuthorizationAnswer | str] = asyncio.get_running_loop().create_future()
        stopped = asyncio.ensure_future(self._stopped.wait())
        waiting: set[asyncio.Future[Any]] = {ended, stopped} if stoppable else {ended}
        try:
            self._bank.call(self._number, payload, lambda event: self._told(event, ended))
            await asyncio.wait(waiting, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._bank.hang_up(self._number)
            stopped.cancel()
        if ended.done():
            return ended.result()
        self._calls.hang_up()
        return "it was interrupted" if self._stopped.is_set() and stoppable else "no answer in time"

    def _told(self, event: Event, ended: "asyncio.Future[AuthorizationAnswer | str]") -> None:
        heard: Event | BankReplied | None = event
        if isinstance(event, HostBytes):
            heard = self._calls.hear(event.call, event.data, self._now().date())
        if isinstance(heard, BankAsked):
            self._left = True
        if ended.done():
            return
        if isinstance(heard, BankReplied):
            self._bank.hang_up(self._number, answered=True)
            ended.set_result(heard.answer)
        elif isinstance(heard, BankFailed | BankUnreachable):
            ended.set_result(heard.because)

    # --- what came of it ---------------------------------------------------------------------------------

    def _judged(self, name: str, request: AuthorizationRequest, said: AuthorizationAnswer | str) -> Tried:
        row = self._profile.messages[self._profile.kind(request.step, request.transaction)]
        answer = said if isinstance(said, AuthorizationAnswer) else None
        own = self._profile.wire.responses.from_host(answer.response_code) if answer else None
        passed, because = (False, said) if isinstance(said, str) else _verdict(request.step, said, own)
        return Tried(
            name=name,
            request=request,
            sent_type=row.repeat if request.attempt else row.request,
            answer_type=row.answer if answer else "",
            answer=answer,
            own_code=own,
            left=self._left,
            passed=passed,
            because=because,
        )


def _ends(undone: Tried) -> bool:
    """Tell whether the reversal need not be sent again."""
    return undone.answer is not None and _of_reversal(undone.answer, undone.own_code) != ReversalVerdict.RETRY


def _of_reversal(answer: AuthorizationAnswer, own: str | None) -> ReversalVerdict:
    first = reversal_verdict(answer.response_code)
    return first if own is None or first is ReversalVerdict.ENDED else reversal_verdict(own)


def _verdict(step: Step, answer: AuthorizationAnswer, own: str | None) -> tuple[bool, str]:
    code = answer.response_code
    if step is Step.REVERSAL:
        match _of_reversal(answer, own):
            case ReversalVerdict.ENDED:
                return True, "nothing of the purchase is left"
            case ReversalVerdict.RETRY:
                return False, "the host did not take it, or asks for it again later"
            case ReversalVerdict.ALARM:
                return False, "the host refuses: it may still hold the purchase"
    if approves(code) or (own is not None and approves(own)):
        return True, "approved"
    if step is Step.FINANCIAL and (moves_money(code) or (own is not None and moves_money(own))):
        return False, "approved in part or with a condition"
    return False, "the host understands us, and declines"
