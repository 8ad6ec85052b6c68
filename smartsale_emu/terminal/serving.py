"""The actions of an operation that goes its way: the customer, the bank, the final answer and its end."""

from dataclasses import replace

from smartsale_emu.payment.authorization import AuthorizationRequest, CardData
from smartsale_emu.payment.card import Card, EntryMode
from smartsale_emu.sa.codes import OperationCode, Status
from smartsale_emu.terminal.effects import EnterPin, HandsOff, ReadCard, Wait
from smartsale_emu.terminal.memory import Pending, Stage, answered, keep_request, last_of
from smartsale_emu.terminal.money import Undo
from smartsale_emu.terminal.outcome import Outcome, OutcomeKind
from smartsale_emu.terminal.requests import Refusal
from smartsale_emu.terminal.work import Work
from smartsale_emu.units import NOTHING


def rest(work: Work) -> None:
    """Nobody is being served."""
    work.rest()


# --- the customer ----------------------------------------------------------------------------------------


def prompt_card(work: Work) -> None:
    """Ask for a card."""
    work.ask(Wait())
    work.display("card")
    work.ask(ReadCard(work.timer("card")))


def prompt_chip(work: Work) -> None:
    """The service code of a swiped card demands its chip."""
    work.card = None
    work.display("use_chip")
    work.ask(ReadCard(work.timer("card")))


def prompt_pin(work: Work) -> None:
    """Ask for the PIN."""
    work.pin_attempt += 1
    work.display("pin")
    work.ask(EnterPin(work.pin_attempt, work.timer("pin")))


def prompt_pin_again(work: Work) -> None:
    """The bank said the PIN is wrong and tries are left: nothing is owed for that message."""
    work.forget_pending()
    work.pin_attempt += 1
    work.display("pin_again", tries=work.profile.rules.pin_tries - work.pin_attempt + 1)
    work.ask(EnterPin(work.pin_attempt, work.timer("pin")))


def withdraw(work: Work) -> None:
    """The customer cancels while the bank is thinking: an approval will be refused and reversed."""
    work.withdrawn = True
    work.note("decision", "cancelled while the bank was asked: an approval will be reversed")


# --- the bank --------------------------------------------------------------------------------------------


def call_for_test(work: Work) -> None:
    """Ask the bank whether it is there."""
    work.ask(Wait())
    work.display("bank")
    work.memory = work.memory.next_stan()
    work.dial(_message(work))


def call_for_money(work: Work) -> None:
    """Remember the operation as one to undo, then ask the bank."""
    work.memory = work.memory.next_stan()
    message = _message(work)
    pending = Pending(
        operation=int(work.good_request.operation.code),
        request=keep_request(message, work.safe),
        stage=Stage.ASKED,
        because="the bank has been asked and its answer is not known",
    )
    work.ask(HandsOff())
    work.display("bank")
    work.remember(replace(work.memory, pending=pending))
    work.dial(message)


def note_asked(work: Work) -> None:
    """The first byte has left: what was sent may be done from now on."""
    work.note("decision", "the bank counts as asked from here on")


def _message(work: Work) -> AuthorizationRequest:
    request, card, pin = work.good_request, work.card, work.pin
    work.pin = None
    return AuthorizationRequest(
        step=request.operation.step,
        transaction=request.operation.transaction,
        stan=work.memory.stan,
        sent_at=work.date,
        terminal_id=work.profile.terminal_id,
        merchant_id=work.profile.merchant_id,
        amount=request.amount or NOTHING,
        currency=request.currency,
        card=_card_data(card) if card else None,
        pin_block=work.safe.pin_block(pin, card.pan) if pin and card else None,
    )


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


def answer_cancelled(work: Work) -> None:
    """The customer pressed cancel or pulled the card, and the bank was not asked."""
    work.hang_up()
    work.forget_pending()
    work.end(OutcomeKind.INTERRUPTED, work.because)


def answer_not_given(work: Work) -> None:
    """Card or PIN did not come in time."""
    work.end(OutcomeKind.INTERRUPTED, work.because)


def answer_unreachable(work: Work) -> None:
    """Not one byte left for the bank."""
    work.hang_up()
    work.forget_pending()
    work.end(OutcomeKind.NO_CONNECTION, work.because)


def answer_no_answer(work: Work) -> None:
    """The bank was asked something harmless and did not answer."""
    work.hang_up()
    work.end(OutcomeKind.INTERRUPTED, work.because)


def answer_declined(work: Work) -> None:
    """The bank said no: nothing is owed, and that is remembered before the register hears it."""
    if work.memory.pending is not None:
        work.remember(replace(work.memory, pending=None).next_slip())
    work.end(OutcomeKind.DECLINED, work.because, bank=work.bank)


def answer_approved(work: Work) -> None:
    """The bank said yes: the approval is on disk before the answer leaves, still as something to undo."""
    if work.undo is Undo.BY_REVERSAL:
        because = "the register has not acknowledged the answer"
        waiting = answered(work.owed, work.bank_said, status=int(Status.DONE), because=because)
        work.remember(replace(work.memory, pending=waiting).next_slip())
    work.end(OutcomeKind.APPROVED, work.because, bank=work.bank)


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
    if pending is not None and pending.stage is Stage.ANSWERED:
        work.remember(
            replace(
                memory,
                last=last_of(pending, in_doubt=in_doubt),
                pending=None,
                kept_count=memory.kept_count + 1,
                kept_amount=memory.kept_amount + pending.request.amount,
            )
        )
    elif _told_reversed(work) and memory.last is not None:
        work.remember(replace(memory, last=replace(memory.last, told=True)))
    work.rest()


def _told_reversed(work: Work) -> bool:
    approved = work.outcome is not None and work.outcome.kind is OutcomeKind.APPROVED
    return approved and work.good_request.operation.code is OperationCode.EMERGENCY_REVERSAL


def finish_unheard(work: Work) -> None:
    """The register did not take an answer that moves nothing."""
    work.note("decision", f"the answer was not taken ({work.fate}); nothing follows for the money")
    work.rest()
