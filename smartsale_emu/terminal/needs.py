"""What a request needs next: a reference, a card, a PIN, the bank, or nothing any more.

Asked again after every answer that comes in, with what lies on the desk by then. Pure: nothing is changed;
the terminal lays the plan on the desk.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from smartsale_emu.payment.card import Card, EntryMode, PinRule
from smartsale_emu.payment.chip_data import CryptogramKind
from smartsale_emu.payment.transaction import Transaction
from smartsale_emu.terminal.chip_reading import Reading, read_chip, words
from smartsale_emu.terminal.journal import Entry
from smartsale_emu.terminal.operations import CardNeed, Flow, PinNeed
from smartsale_emu.terminal.originals import Ask, Follow, Refused, original_of
from smartsale_emu.terminal.outcome import OutcomeKind
from smartsale_emu.terminal.requests import Request
from smartsale_emu.terminal.work import Work


class Need(StrEnum):
    """What comes next."""

    CASHIER = "the cashier must be asked"
    CARD = "a card is needed"
    CHIP = "the chip of the card is needed"
    STRIPE = "its chip does not answer, its stripe is needed"
    PIN = "the PIN is needed"
    BANK = "the bank is asked"
    NOTHING = "it is answered here"
    REFUSED = "it is refused here"
    REVERSAL = "an operation is to be reversed"
    SETTLEMENT = "the day is to be closed"


@dataclass(frozen=True, slots=True)
class Plan:
    """What comes next, with all that was found out. ``asking``: the field that the cashier is asked for."""

    need: Need
    request: Request
    original: Entry | None = None
    refused: Refused | None = None
    asking: int | None = None
    card: Card | None = None
    chip: Reading | None = None


def plan(work: Work) -> Plan:
    """Return what the request on the desk needs next."""
    request = work.good_request
    match request.operation.flow:
        case Flow.REVERSAL:
            return Plan(Need.REVERSAL, request)
        case Flow.SETTLEMENT:
            return _settlement(request, work)
        case Flow.MEMORY:
            return _memory(request, work)
        case Flow.PAYMENT | Flow.CARD_ONLY:
            return _payment(request, work)
        case _:
            assert_never(request.operation.flow)


def _settlement(request: Request, work: Work) -> Plan:
    """One that was begun is ended with the last key; a new one needs a key of its own."""
    refused = None if work.memory.settling else _keyless(work)
    return Plan(Need.REFUSED if refused else Need.SETTLEMENT, request, refused=refused)


def _memory(request: Request, work: Work) -> Plan:
    refused = _standing(request, work)
    return Plan(Need.REFUSED if refused else Need.NOTHING, request, refused=refused)


def _payment(request: Request, work: Work) -> Plan:
    refused = _standing(request, work)
    if refused is not None:
        return Plan(Need.REFUSED, request, refused=refused)
    if not request.operation.follows:
        return _card(Plan(Need.CARD, request), work)
    can_ask = work.can_ask and work.questions < work.profile.rules.most_questions
    found = original_of(request, work.memory.journal, work.profile.follow, can_ask=can_ask)
    match found:
        case Ask(tag):
            return Plan(Need.CASHIER, request, asking=tag)
        case Refused():
            return Plan(Need.REFUSED, request, refused=found)
        case Follow(complete, entry):
            return _card(Plan(Need.CARD, complete, original=entry), work)
        case _:
            assert_never(found)


def _standing(request: Request, work: Work) -> Refused | None:
    """What speaks against any operation of this kind at this moment: no room for its slip, or no paper."""
    rules, memory, operation = work.profile.rules, work.memory, request.operation
    if operation.leaves_slip and len(memory.journal) >= rules.journal_size:
        return Refused(OutcomeKind.JOURNAL_FULL, f"the journal holds {len(memory.journal)} slips")
    if operation.asks_bank and (keyless := _keyless(work)):
        return keyless
    prints = operation.leaves_slip or operation.flow is Flow.MEMORY
    if rules.printer and prints and not work.paper:
        return Refused(OutcomeKind.NO_PAPER, "the printer has no paper")
    return None


def _keyless(work: Work) -> Refused | None:
    if work.safe.is_used_up(work.memory.keys):
        return Refused(OutcomeKind.NO_KEYS, "the initial key has no serial number left")
    return None


def _card(so_far: Plan, work: Work) -> Plan:
    request = so_far.request
    if work.profile.card_need(request.operation.name) is CardNeed.NONE:
        return replace(so_far, need=Need.BANK)
    card = work.card or request.card
    if card is None:
        return so_far
    missing = _missing(card, work)
    if missing is Need.REFUSED:
        refused = Refused(OutcomeKind.CARD_DECLINED, "its chip does not answer (the row fallback)")
        return replace(so_far, need=missing, refused=refused)
    if missing is not None:
        return replace(so_far, need=missing)
    card = card.by_its_stripe() if work.chip_failed else card
    so_far = replace(so_far, card=card)
    if request.operation.flow is Flow.CARD_ONLY:
        return replace(so_far, need=Need.NOTHING)
    if not _is_of(so_far.original, card, work):
        refused = Refused(OutcomeKind.WRONG_CARD, "the original was made with another card")
        return replace(so_far, need=Need.REFUSED, refused=refused)
    if _forbidden(request, card):
        refused = Refused(OutcomeKind.CARD_DECLINED, f"its service code is {card.service_code}")
        return replace(so_far, need=Need.REFUSED, refused=refused)
    so_far = replace(so_far, chip=_read(request, card, work))
    if so_far.chip is not None and so_far.chip.wants is CryptogramKind.AAC:
        because = f"the action codes want the chip to refuse (AAC): {words(so_far.chip.tvr)}"
        return replace(so_far, need=Need.REFUSED, refused=Refused(OutcomeKind.CARD_DECLINED, because))
    return replace(so_far, need=Need.PIN if _needs_pin(so_far, card, work) else Need.BANK)


def _missing(card: Card, work: Work) -> Need | None:
    """Tell what must be read instead: a chip before a stripe, and a stripe when the chip has failed."""
    rows = card.chip_rows
    if work.chip_failed:
        return None
    if card.entry_mode is EntryMode.CHIP and rows is not None and rows.fails:
        return Need.STRIPE if work.profile.rules.fallback else Need.REFUSED
    swiped = card.entry_mode is EntryMode.MAGSTRIPE
    return Need.CHIP if swiped and card.says_chip else None


def _forbidden(request: Request, card: Card) -> bool:
    """Tell whether a card that was read by its stripe is not for this use; what follows an original is."""
    operation = request.operation
    by_stripe = card.entry_mode in (EntryMode.MAGSTRIPE, EntryMode.FALLBACK)
    if not by_stripe or operation.follows or not operation.moves_money:
        return False
    return card.stripe_forbids(cash=operation.transaction is Transaction.CASH)


def _read(request: Request, card: Card, work: Work) -> Reading | None:
    """Read the chip, if there is one that signs; what follows an original only takes the card's number."""
    operation = request.operation
    if card.chip is None or operation.follows:
        return None
    need = work.profile.pin_need(operation.name)
    return read_chip(card.chip, card, request, work.profile, need=need, on=work.date.date())


def _is_of(original: Entry | None, card: Card, work: Work) -> bool:
    """Tell whether this is the original's card; where its day is closed, the bank compares."""
    kept = original.request if original else None
    return kept is None or not kept.sealed_pan or work.safe.unseal(kept.sealed_pan) == card.pan


def _needs_pin(so_far: Plan, card: Card, work: Work) -> bool:
    """By the list of the chip where there is one, else by the card's rule."""
    request = so_far.request
    if so_far.chip is not None:
        return so_far.chip.asks_pin
    need = work.profile.pin_need(request.operation.name)
    match need:
        case PinNeed.NEVER:
            return False
        case PinNeed.ALWAYS:
            return True
        case PinNeed.BY_CARD:
            over_limit = (request.amount or 0) > work.profile.rules.no_pin_limit
            return card.pin_rule is PinRule.ALWAYS or (card.pin_rule is PinRule.OVER_LIMIT and over_limit)
        case _:
            assert_never(need)
