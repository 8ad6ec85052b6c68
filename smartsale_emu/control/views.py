"""What can be seen of a served pinpad, as values of the API. To be called in the pinpad's loop."""

from collections.abc import Iterator
from itertools import groupby

from smartsale_emu.control import api_models as api
from smartsale_emu.control.exchanges import Exchange, exchanges
from smartsale_emu.control.fault_book import Fault
from smartsale_emu.control.fault_words import phrases
from smartsale_emu.control.served_pinpad import ServedPinpad
from smartsale_emu.host.ledger import Operation as Row
from smartsale_emu.host.ledger import OperationState
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.totals import Tally
from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.receipt_data import ReceiptTag, parse_receipt
from smartsale_emu.scenario.agreement import compare
from smartsale_emu.terminal.journal import Entry
from smartsale_emu.terminal.memory import Memory
from smartsale_emu.terminal.table import DEADLINES, TRANSITIONS, State
from smartsale_emu.units import calendar

_HOW: dict[EntryMode, api.How] = {mode: how for how, mode in api.MODES.items()}
_COPIES: dict[int, api.Copy] = {ReceiptTag.SLIP: "client", ReceiptTag.CASHIER_COPY: "cashier"}


def state(pinpad: ServedPinpad, setup: api.Setup, playing: str) -> api.PinpadState:
    """Return everything at a glance. ``playing``: the title of the scenario that is played."""
    world, memory = pinpad.world, pinpad.world.emulator.memory
    return api.PinpadState(
        on=pinpad.on,
        back_in_ms=pinpad.back_in,
        port=pinpad.port,
        screen=screen(pinpad),
        state=world.emulator.state.value,
        asks=_asks(pinpad),
        serving=world.emulator.serving and pinpad.on,
        card=held(pinpad),
        paper=pinpad.paper,
        owes=list(_owes(memory)),
        day=_day(memory),
        faults=sum(one.armed for one in pinpad.faults.faults()),
        scenario=playing,
        clock=clock(pinpad),
        setup=setup,
        event=pinpad.log.last,
    )


def screen(pinpad: ServedPinpad) -> api.Screen:
    """Return what it shows."""
    text = pinpad.world.screen
    return api.Screen(text=text, lines=text.splitlines(), asks=_asks(pinpad))


def _asks(pinpad: ServedPinpad) -> api.Prompt:
    asked = pinpad.world.asked
    return "" if asked is None else asked.value


def held(pinpad: ServedPinpad) -> api.Held | None:
    """Return the card that the customer presents."""
    found = pinpad.customer.held
    return api.Held(card=found[0], how=_HOW.get(found[1], "swipe")) if found else None


def _owes(memory: Memory) -> Iterator[api.Owed]:
    pending = memory.pending
    if pending is not None:
        request = pending.request
        yield api.Owed(what="reversal", stan=request.stan, amount=request.amount, because=pending.because)
    if memory.settling:
        yield api.Owed(what="settlement", stan=None, amount=None, because=memory.settling)


def _day(memory: Memory) -> api.Day:
    totals = memory.journal.totals()

    def count(tally: Tally) -> api.Count:
        return api.Count(count=tally.count, amount=tally.amount)

    return api.Day(
        number=memory.day,
        slips=len(memory.journal),
        debit=count(totals.debit),
        credit=count(totals.credit),
        void_debit=count(totals.void_debit),
        void_credit=count(totals.void_credit),
        net=totals.net,
    )


def clock(pinpad: ServedPinpad) -> api.Clock:
    """Return its time."""
    now = pinpad.now()
    return api.Clock(ms=now, time=calendar(pinpad.epoch, now).isoformat(timespec="seconds"))


def power(pinpad: ServedPinpad) -> api.Power:
    """Return whether there is power."""
    return api.Power(on=pinpad.on, back_in_ms=pinpad.back_in)


def cards(pinpad: ServedPinpad) -> list[api.Card]:
    """Return the cards that lie at hand."""
    bank, shelf = pinpad.stage.bank, pinpad.stage.shelf
    return [
        api.Card(
            name=name,
            label=one.card.label,
            number=one.card.masked,
            expires=one.card.expiry,
            how=_HOW.get(one.card.entry_mode, "swipe"),
            pin=one.card.pin_rule.value,
            balance=account.balance if (account := bank.account(name)) is not None else 0,
            usable=shelf.has_key(one.card),
        )
        for name, one in pinpad.stage.cards.items()
    ]


# --- books -----------------------------------------------------------------------------------------------


def journal(pinpad: ServedPinpad) -> list[api.Slip]:
    """Return the slips of the open day."""
    return [_slip(entry) for entry in pinpad.world.emulator.memory.journal.entries.values()]


def _slip(entry: Entry) -> api.Slip:
    return api.Slip(
        number=entry.number,
        operation=entry.operation.value,
        state=entry.state.value,
        amount=entry.amount,
        card=entry.request.masked_pan if entry.request else "",
        rrn=entry.rrn,
        code=entry.authorization_code,
        stan=entry.request.stan if entry.request else None,
        follows=entry.follows,
    )


def ledger(pinpad: ServedPinpad) -> api.Ledger:
    """Return what the bank holds, and whether the pinpad agrees."""
    stage = pinpad.stage
    rows = stage.ledger.operations()
    books = compare(
        rows,
        stage.ledger.closed_batches(),
        stage.world.emulator.memory,
        terminal_id=stage.terminal.terminal_id,
    )
    accounts = {name: stage.bank.account(name) for name in stage.cards}
    return api.Ledger(
        operations=[_operation(row) for row in rows],
        balances={name: one.balance for name, one in accounts.items() if one is not None},
        net=-sum(row.effect for row in rows if row.state is OperationState.APPROVED),
        agree=books.agree,
        disagreements=list(books.disagreements),
        notes=list(books.notes),
    )


def _operation(row: Row) -> api.Operation:
    return api.Operation(
        transaction=row.transaction.value,
        amount=row.amount,
        approved_amount=row.approved,
        card=row.card_masked,
        account=row.account,
        state=row.state.value,
        response_code=row.response_code,
        rrn=row.rrn,
        code=row.authorization_code,
        stan=row.key.stan,
        batch=row.batch,
        effect=row.effect,
        received_at=row.received_at.isoformat(timespec="seconds"),
        because=row.because,
        reversals=row.reversal_count,
    )


def _asked(pinpad: ServedPinpad) -> list[Exchange]:
    overheard = pinpad.stage.overheard
    return exchanges(overheard.requests, overheard.exchanges())[pinpad.forgotten :]


def asked(pinpad: ServedPinpad) -> list[api.Exchange]:
    """Return what registers have asked, and how it ended."""
    return [
        api.Exchange(
            operation=one.operation,
            amount=one.amount,
            over=one.answer is not None or bool(one.lost),
            approved=one.approved,
            status=one.field(Tag.STATUS),
            code=one.code,
            rrn=one.rrn,
            response_code=one.field(Tag.RESPONSE_CODE_HOST),
            text=one.field(Tag.TEXT_RESPONSE),
            lost=one.lost,
        )
        for one in _asked(pinpad)
    ]


def receipts(pinpad: ServedPinpad) -> list[api.Receipt]:
    """Return the receipts: of the answers that registers took, then those that the pinpad printed itself."""
    made = [
        api.Receipt(source="answer", operation=one.operation, copy=_COPIES[part.tag], text=part.value)
        for one in _asked(pinpad)
        for part in parse_receipt(one.receipt)
        if part.tag in _COPIES
    ]
    printed = pinpad.world.printed
    return [*made, *(api.Receipt(source="printer", operation="", copy="", text=text) for text in printed)]


# --- faults and the diagram ------------------------------------------------------------------------------


def fault(one: Fault) -> api.Fault:
    """Return one fault."""
    return api.Fault(name=one.name, phrase=one.phrase, armed=one.armed, times=one.times)


def faults(pinpad: ServedPinpad) -> api.Faults:
    """Return all faults, and what can be said."""
    forms = {
        verb: [api.Form(form=one.shown, about=one.about) for one in said] for verb, said in phrases().items()
    }
    return api.Faults(faults=[fault(one) for one in pinpad.faults.faults()], forms=forms)


def diagram() -> api.Diagram:
    """Return the terminal's table."""
    order = list(State)
    rows = sorted(
        (order.index(row.source), order.index(row.target or row.source), row.kind.value)
        for row in TRANSITIONS
    )
    return api.Diagram(
        states=[
            api.Node(name=one.value, timer=DEADLINES[one].timer if one in DEADLINES else "") for one in order
        ],
        arrows=[
            api.Arrow(
                source=order[pair[0]].value, target=order[pair[1]].value, kinds=[kind for *_, kind in group]
            )
            for pair, group in groupby(rows, key=lambda row: row[:2])
        ],
    )
