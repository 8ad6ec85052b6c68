"""What came instead of what a test expected, in words that lead to the mistake."""

from collections import Counter
from collections.abc import Iterator, Sequence

from smartsale_emu.control.exchanges import Exchange
from smartsale_emu.host.ledger import OperationState
from smartsale_emu.payment.cardholder import Prompt
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.sa.fields import Tag
from smartsale_emu.scenario.stage import Stage
from smartsale_emu.terminal.table import Kind, State
from smartsale_emu.units import MinorUnits

NOT_UNDERSTOOD = {
    "noise": "bytes that are no frame",
    "bad CRC": "a frame with a wrong CRC",
    "bad block header": "a block with a header that is none",
    "bad TLV": "a frame whose records do not fill it",
    "inter-byte timeout": "a frame that was cut off",
    "block out of order": "a block out of order",
    "message too long": "a message that is too long",
}
"""What a sound register never sends, by the link's word for it."""

_REFUSALS = {"ER1": "it knows no such operation", "ER2": "the request is not complete, or wrong"}

_REVERSED = (OperationState.REVERSED, OperationState.REVERSED_EARLY)

_NEVER_GIVEN = {
    State.CARD_PROMPT.value: 'nobody presented a card: pinpad.insert("mir-chip", pin="1234")',
    State.PIN_ENTRY.value: 'nobody typed a PIN: pinpad.insert(card, pin="1234"), pinpad.type_pin("1234")',
}
"""What a customer was asked for, by the state in which the pinpad waits for it."""

_STARTS = (Kind.POWER_BACK.value, Kind.POWER_BACK_OWING.value)

_SHOWN = {Tag.AMOUNT, Tag.CURRENCY_CODE, Tag.OPERATION_CODE, Tag.TERMINAL_TRX_ID, Tag.TERMINAL_ID}
"""Fields whose values may be told: they are nobody's secret."""


def wanted(operation: str, amount: MinorUnits | None) -> str:
    """Return what was expected: ``sale 100.00``."""
    return operation if amount is None else f"{operation} {format_amount(amount)}"


def not_understood(stage: Stage) -> list[str]:
    """Return what came over the line and is no message, a line for each kind."""
    counts, first = Counter[str](), dict[str, str]()
    for moment, trace in stage.world.traces:
        what = str(trace.details.get("what", "")) if trace.kind == "line" else ""
        if what in NOT_UNDERSTOOD:
            counts[what] += 1
            first.setdefault(what, f"{moment / 1000:.3f} s after the beginning: {trace.because}")
    return [
        f"{NOT_UNDERSTOOD[what]}, {f'{count} times, first ' if count > 1 else ''}{first[what]}"
        for what, count in counts.items()
    ]


def difference(operation: str, amount: MinorUnits | None, got: Exchange) -> str:
    """Return how a request differs from what was expected, empty when it does not."""
    if got.operation != operation:
        return f"the register asked for {got}{_refusal(got)}"
    if amount is None or got.amount == amount:
        return ""
    if got.amount is None:
        given = got.request.text(Tag.AMOUNT)
        told = "has no amount (field 0)" if given is None else f"has {given!r} in field 0, no minor units"
        return f"the {operation} {told}: {got}{_refusal(got)}"
    more = got.amount - amount
    off = f"{format_amount(MinorUnits(abs(more)))} {'more' if more > 0 else 'less'}"
    hint = f" (field 0 is in minor units: {amount})" if got.amount * 100 == amount else ""
    return f"the register asked for {format_amount(got.amount)}, which is {off}{hint}; it ended so: {got}"


def _refusal(got: Exchange) -> str:
    why = _REFUSALS.get(got.field(Tag.RESPONSE_CODE_HOST))
    if why is None:
        return ""
    fields = (
        f"{one.tag} = {got.request.text(one.tag)!r}" if one.tag in _SHOWN else str(one.tag)
        for one in got.request.records
    )
    return f"; the pinpad refused it: {why}; the fields of the request: {', '.join(fields) or 'none'}"


def nothing_came(stage: Stage, taken: Sequence[Exchange]) -> str:
    """Return why there may be no request."""
    return ", and no request came" + "".join(f"; {reason}" for reason in _silence(stage, taken))


def _silence(stage: Stage, taken: Sequence[Exchange]) -> Iterator[str]:
    garbage = not_understood(stage)
    if taken:
        before = "; ".join(map(str, taken))
        yield f"expected already (each call takes the next one): {before}"
    elif garbage:
        yield f"the register sent {'; '.join(garbage)}"
    elif not stage.line.seen:
        opened = any("opened the line" in trace.because for _, trace in stage.world.traces)
        yield "the register opened the port and wrote nothing" if opened else "nobody wrote to the port"


def by_itself(stage: Stage, operation: str, known: Sequence[Exchange]) -> str:
    """Return why an operation 53 may not have come: the pinpad has reversed something unasked."""
    undone = sum(row.state in _REVERSED for row in stage.ledger.operations())
    if operation != "reversal" or undone <= sum(one.operation == operation for one in known):
        return ""
    return "; a reversal by the pinpad itself is no request (operation 53): look at bank.ledger"


def never_given(stage: Stage) -> str:
    """Return what the pinpad has asked of the customer last and never got; empty where there is none."""
    asked = ""
    for _, trace in stage.world.traces:
        if trace.kind == "hands" or trace.details.get("event") in _STARTS:
            asked = ""
        elif trace.kind == "state":
            asked = _NEVER_GIVEN.get(str(trace.details["to"]), asked)
    return asked


def unfinished(stage: Stage, got: Exchange) -> str:
    """Return what an exchange waits for that goes on and on."""
    world = stage.world
    if world.asked is Prompt.CARD:
        why = 'it waits for a card that nobody presents: pinpad.insert("mir-chip", pin="1234")'
    elif world.asked is Prompt.PIN:
        why = 'it waits for a PIN that nobody types: pinpad.insert(card, pin="1234"), pinpad.type_pin("1234")'
    elif world.emulator.state is State.CASHIER:
        why = "it waits for the register's reply to its question to the cashier (25 = 52)"
    else:
        why = f"the pinpad is in the state «{world.emulator.state.value}»"
    shown = f", and its screen says «{' / '.join(world.screen.splitlines())}»" if world.screen else ""
    return f"{got} is under way: {why}{shown}"
