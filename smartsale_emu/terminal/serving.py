"""The actions of an operation that goes its way: the customer, the bank, the final answer and its end."""

from dataclasses import replace

from smartsale_emu.payment.authorization import AuthorizationRequest, CardData, Original, Transaction
from smartsale_emu.payment.card import Card, EntryMode
from smartsale_emu.payment.receipt import Form
from smartsale_emu.sa.codes import Status
from smartsale_emu.sa.fields import Tag
from smartsale_emu.terminal.chip_work import ask_chip, reversal_icc, tell_chip_of_silence
from smartsale_emu.terminal.effects import AskCashier, EnterPin, HandsOff, ReadCard, Wait
from smartsale_emu.terminal.journal import EntryState
from smartsale_emu.terminal.kept import keep_request
from smartsale_emu.terminal.memory import Pending, Stage, answered, last_of
from smartsale_emu.terminal.operations import OPERATIONS, Name, Undo
from smartsale_emu.terminal.outcome import Outcome, OutcomeKind
from smartsale_emu.terminal.profile import Screen
from smartsale_emu.terminal.requests import Refusal
from smartsale_emu.terminal.work import Work
from smartsale_emu.units import NOTHING


def rest(work: Work) -> None:
    """Nobody is being served."""
    work.rest()


# --- the cashier and the customer ------------------------------------------------------------------------


def ask_cashier(work: Work) -> None:
    """Ask the cashier for a reference of the original that the register did not give."""
    key = "rrn" if work.asking == Tag.REFERENCE_NUMBER else "authorization_code"
    work.questions += 1
    work.display(Screen.CASHIER)
    work.ask(AskCashier(work.profile.questions[key]))


def prompt_card(work: Work) -> None:
    """Ask for a card."""
    _prompt_card(work, Screen.CARD)


def prompt_chip(work: Work) -> None:
    """The service code of a swiped card demands its chip."""
    work.card = None
    _prompt_card(work, Screen.USE_CHIP, refused=EntryMode.MAGSTRIPE)


def prompt_stripe(work: Work) -> None:
    """The chip does not answer: the stripe is read instead, and the bank is told so."""
    work.card, work.chip_failed = None, True
    work.note("decision", "the chip does not answer: its stripe may be read (the row fallback)")
    _prompt_card(work, Screen.USE_STRIPE)


def _prompt_card(work: Work, screen: Screen, *, refused: EntryMode | None = None) -> None:
    work.ask(Wait())
    work.display(screen)
    work.ask(ReadCard(work.timer("card") or work.profile.timers.card, refused))


def prompt_pin(work: Work) -> None:
    """Ask for the PIN."""
    work.ask(Wait())
    work.pin_attempt += 1
    work.display(Screen.PIN)
    work.ask(EnterPin(work.pin_attempt, work.profile.timers.pin))


def prompt_pin_again(work: Work) -> None:
    """The bank said the PIN is wrong and tries are left: nothing is owed for that message."""
    work.forget_pending()
    work.pin_attempt += 1
    work.display(Screen.PIN_AGAIN, tries=work.profile.rules.pin_tries - work.pin_attempt + 1)
    work.ask(EnterPin(work.pin_attempt, work.profile.timers.pin))


def withdraw(work: Work) -> None:
    """The customer cancels while the bank is thinking: an approval will be refused and reversed."""
    work.withdrawn = True
    work.note("decision", "cancelled while the bank was asked: an approval will be reversed")


# --- the bank --------------------------------------------------------------------------------------------


def call_bank(work: Work) -> None:
    """Ask the bank; what moves money is remembered before, as something to undo."""
    work.ask(Wait(), HandsOff())
    work.display(Screen.BANK)
    work.next_message()
    message = _message(work)
    if work.undo is Undo.BY_REVERSAL:
        pending = Pending(
            operation=work.good_request.operation.name,
            request=keep_request(message, work.safe, reversal_icc(work)),
            stage=Stage.ASKED,
            because="the bank has been asked and its answer is not known",
        )
        work.remember(replace(work.memory, pending=pending))
    work.dial(message)


def note_asked(work: Work) -> None:
    """The first byte has left: what was sent may be done from now on."""
    work.reconciling.asked = True
    work.note("decision", "the bank counts as asked from here on")


def _message(work: Work) -> AuthorizationRequest:
    request, card, pin = work.good_request, work.card, work.pin
    work.pin = None
    operation = request.operation
    icc = ask_chip(work)
    return AuthorizationRequest(
        step=operation.step,
        transaction=_transaction(work),
        stan=work.memory.stan,
        sent_at=work.date,
        terminal_id=work.profile.terminal_id,
        merchant_id=work.profile.merchant_id,
        amount=request.amount or NOTHING,
        currency=request.currency,
        card=_card(work),
        pin_block=work.safe.pin_block(pin, card.pan, work.memory.keys) if pin and card else None,
        original=_original(work),
        batch=work.memory.day if operation.moves_money else 0,
        icc=icc,
    )


def _transaction(work: Work) -> Transaction:
    """A void is to the bank what its original makes it."""
    operation = work.good_request.operation
    if operation.name is Name.VOID and work.original is not None:
        return OPERATIONS[work.original.operation].voided_as or operation.transaction
    return operation.transaction


def _original(work: Work) -> Original | None:
    request, entry = work.good_request, work.original
    if not request.operation.follows:
        return None
    if entry is not None and entry.request is not None:
        return entry.request.as_original(entry.rrn, entry.authorization_code)
    return Original(None, None, None, rrn=request.rrn, authorization_code=request.authorization_code)


def _card(work: Work) -> CardData | None:
    """The card that was read, else the original's."""
    if work.card is not None:
        return _card_data(work.card)
    kept = work.original.request if work.original else None
    return kept.card(work.safe) if kept else None


def _card_data(card: Card) -> CardData:
    return CardData(
        pan=card.pan,
        expiry=card.expiry,
        entry_mode=card.entry_mode,
        track2=card.track2 if card.entry_mode is not EntryMode.MANUAL else None,
        sequence=card.sequence,
    )


# --- the final answer ------------------------------------------------------------------------------------


def answer_refusal(work: Work) -> None:
    """Unknown operation or bad field: no card, no bank."""
    refusal = work.request
    if not isinstance(refusal, Refusal):
        raise AssertionError("no refusal to answer")
    work.answer(Outcome(refusal.kind, refusal.because, field=refusal.field))


def answer_refused_here(work: Work) -> None:
    """The terminal itself declines: the original, the card, the journal or the paper forbids it."""
    refused = work.refused
    if refused is None:
        raise AssertionError("nothing was refused")
    work.end(refused.kind, refused.because, field=refused.field)


def answer_card(work: Work) -> None:
    """The register asked for the card's data and nothing else."""
    card = work.card
    track2 = card.track2.reveal() if card and work.profile.rules.card_data_track2 else None
    work.answer(Outcome(OutcomeKind.APPROVED, work.because, card=work.face, track2=track2))


def answer_cancelled(work: Work) -> None:
    """Customer or cashier cancelled, or the card was pulled, and the bank was not asked."""
    work.hang_up()
    work.forget_pending()
    work.end(OutcomeKind.INTERRUPTED, work.because)


def answer_not_given(work: Work) -> None:
    """Card, PIN or the cashier's answer did not come in time."""
    work.end(OutcomeKind.INTERRUPTED, work.because)


def answer_unreachable(work: Work) -> None:
    """Not one byte left for the bank."""
    work.hang_up()
    tell_chip_of_silence(work)
    work.forget_pending()
    work.end(OutcomeKind.NO_CONNECTION, work.because)


def answer_no_answer(work: Work) -> None:
    """The bank was asked something harmless and did not answer."""
    work.hang_up()
    tell_chip_of_silence(work)
    work.end(OutcomeKind.INTERRUPTED, work.because)


def answer_declined(work: Work) -> None:
    """The bank said no: nothing is owed, and that is remembered before the register hears it."""
    if not work.good_request.operation.leaves_slip:
        work.end(OutcomeKind.DECLINED, work.because, bank=work.bank)
        return
    pending = work.memory.pending
    outcome = Outcome(OutcomeKind.DECLINED, work.because, bank=work.bank, card=work.face)
    work.write_slip(outcome, Form.DECLINED)
    entry = work.entry(EntryState.TOLD, pending.request if pending else None)
    work.remember(replace(work.memory, pending=None), entry)
    work.answer(outcome)


def answer_approved(work: Work) -> None:
    """The bank said yes: the approval is on disk before the answer leaves, still as something to undo."""
    outcome = Outcome(OutcomeKind.APPROVED, work.because, bank=work.bank, card=work.face)
    operation = work.good_request.operation
    if operation.moves_money:
        work.write_slip(outcome, operation.form)
        because = "the register has not acknowledged the answer"
        entry = work.entry(EntryState.KEPT, work.owed.request)
        waiting = answered(work.owed, work.bank_said, status=int(Status.DONE), because=because, entry=entry)
        work.remember(replace(work.memory, pending=waiting))
    elif operation.leaves_slip:
        work.write_slip(outcome, operation.form)
        work.remember(work.memory, work.entry(EntryState.TOLD, None))
    work.answer(outcome)


def take_keys(work: Work) -> None:
    """The bank's new session keys are right: from now on messages are made with them."""
    held = work.safe.accepted(work.bank_said.keys, work.memory.keys)
    for key in work.bank_said.keys:
        work.note("decision", "a session key was changed", usage=str(key.usage), kcv=key.kcv)
    work.remember(replace(work.memory, keys=held))
    work.end(OutcomeKind.APPROVED, work.because, bank=work.bank)


def refuse_keys(work: Work) -> None:
    """A new session key does not match its check value, or none came: the old ones stay."""
    work.end(OutcomeKind.KEYS_REFUSED, "the bank's new keys were not taken")


# --- the end ---------------------------------------------------------------------------------------------


def drop(work: Work) -> None:
    """The register left and nothing is owed."""
    work.hang_up()
    work.forget_pending()
    work.rest()


def complete(work: Work) -> None:
    """The register has the answer: what was approved is the last operation, nothing is owed for it."""
    _complete(work, in_doubt=False)


def complete_in_doubt(work: Work) -> None:
    """Kept, although the register answered the final by EOT: bank and pinpad agree, the register may not."""
    work.memory = work.memory.remarked("doubt", work.owed.request.stan, f"kept in doubt: {work.fate}")
    _complete(work, in_doubt=True)


def _complete(work: Work, *, in_doubt: bool) -> None:
    memory, pending = work.memory, work.memory.pending
    if pending is not None and pending.stage is Stage.ANSWERED and pending.entry is not None:
        last = last_of(pending, in_doubt=in_doubt)
        work.remember(replace(memory, last=last, pending=None), pending.entry)
    elif _told_reversed(work) and memory.last is not None:
        work.remember(replace(memory, last=replace(memory.last, told=True)))
    work.rest()


def _told_reversed(work: Work) -> bool:
    approved = work.outcome is not None and work.outcome.kind is OutcomeKind.APPROVED
    return approved and work.name is Name.REVERSAL


def finish_unheard(work: Work) -> None:
    """The register did not take an answer that moves nothing."""
    work.note("decision", f"the answer was not taken ({work.fate}); nothing follows for the money")
    work.rest()
