"""What goes wrong at the bank, or on the way to it, by the message that it meets."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.errors import DialectError
from smartsale_emu.host.bank import Bank
from smartsale_emu.host.framing import StreamDecoder
from smartsale_emu.host.rulebook import BookRule, Conditions
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Step, Transaction
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.scenario.bank_answers import ERRING, ErringDialect, erring, last_bit
from smartsale_emu.scenario.commands import (
    Aim,
    BankApprovesPart,
    BankDeclines,
    BankDoes,
    BankErrs,
    BankFault,
    Message,
)
from smartsale_emu.scenario.meter import Follower, Meter, always
from smartsale_emu.scenario.virtual import TOO_LATE, Delivery, Fate
from smartsale_emu.units import Millis

_DELIVERIES = {
    BankFault.UNREACHABLE: Delivery.UNREACHABLE,
    BankFault.HANGS: Delivery.HANGS,
    BankFault.LOST_THERE: Delivery.LOST_THERE,
    BankFault.LOST_BACK: Delivery.LOST_BACK,
    BankFault.LATE: Delivery.LATE,
    BankFault.OVERTAKEN: Delivery.OVERTAKEN,
    BankFault.GARBAGE: Delivery.GARBAGE,
    BankFault.CLOSES: Delivery.CLOSED,
}


@dataclass(slots=True)
class _Armed:
    """A command that waits for its message; ``until``: then it is over."""

    command: BankErrs
    aim: Aim
    meter: Meter | Follower
    until: Millis | None = None


class BankFaults:
    """A bank that errs when a scenario wants it to; what it answers is sealed as ever.

    ``through_register``: the pinpad has no way of its own to it (ПКХ).
    """

    def __init__(
        self,
        bank: Bank,
        dialect: ErringDialect,
        now: Callable[[], Millis],
        today: datetime,
        *,
        through_register: bool = False,
    ) -> None:
        self._bank, self._dialect, self._now, self._today = bank, dialect, now, today
        self._through_register = through_register
        self.tell: Callable[[Trace], None] | None = None
        self._armed: list[_Armed] = []
        self.heard: list[AuthorizationRequest] = []

    def arm(self, command: BankErrs, allows: Callable[[], bool] = always) -> None:
        """From now on. ``allows``: asked each time whether it may happen.

        Raises:
            ValueError: it cannot happen to this bank.
        """
        self._refuse_impossible(command)
        aim = Aim(Message.MONEY) if isinstance(command, BankApprovesPart) else command.aim
        lasts = isinstance(command, BankDoes) and command.fault is BankFault.UNREACHABLE and command.time
        until = Millis(self._now() + command.time) if lasts and isinstance(command, BankDoes) else None
        meter = Meter(aim.which, allows)
        late = isinstance(command, BankDeclines) and command.time
        if late:  # decided once, on the way there; the bank follows
            self._armed.append(_Armed(BankDoes(BankFault.LATE, aim, late), aim, meter))
        self._armed.append(_Armed(command, aim, Follower(meter) if late else meter, until))

    def _refuse_impossible(self, command: BankErrs) -> None:
        fault = command.fault if isinstance(command, BankDoes) else None
        if fault is BankFault.NO_MAC and not self._dialect.is_sealed(Step.FINANCIAL):
            raise ValueError("the messages of this bank have no MAC")
        if fault is BankFault.HANGS and self._through_register:
            raise ValueError(
                "here the register connects, and it says when it gives up: bank: unreachable, open_delay"
            )

    def recover(self) -> None:
        """Nothing goes wrong any more."""
        self._armed.clear()

    # --- at the bank -------------------------------------------------------------------------------------

    def handle(self, request: AuthorizationRequest, at: datetime) -> AuthorizationAnswer:
        """Answer a request; see `host.session.Handler`."""
        self.heard.append(request)
        commands = self._met(request, at_bank=True)
        answer = self._decided(commands, request, at)
        self._dialect.faults = tuple(one.fault for one in commands if isinstance(one, BankDoes))
        for fault in self._dialect.faults:
            answer = erring(fault, request, answer)
        return answer

    def _decided(
        self,
        commands: list[BankErrs],
        request: AuthorizationRequest,
        at: datetime,
    ) -> AuthorizationAnswer:
        for command in commands:
            match command:
                case BankDeclines(code) if request.step is not Step.FINANCIAL:
                    return AuthorizationAnswer(
                        request.step,
                        request.stan,
                        code,
                        answered_at=at,
                        terminal_id=request.terminal_id,
                        because="the scenario says so",
                    )
                case BankDeclines(code):
                    return self._ruled(request, at, BookRule("scenario", "the scenario", Conditions(), code))
                case BankApprovesPart(amount):
                    rule = BookRule("scenario", "the scenario", Conditions(), amount=amount)
                    return self._ruled(request, at, rule)
                case BankDoes():
                    pass
        return self._bank.handle(request, at)

    def _ruled(self, request: AuthorizationRequest, at: datetime, rule: BookRule) -> AuthorizationAnswer:
        with self._bank.overruled(rule):
            return self._bank.handle(request, at)

    # --- on the way --------------------------------------------------------------------------------------

    def fate(self, payload: bytes) -> Fate:
        """Tell what becomes of a message and its answer; see `virtual.World.fate`."""
        request = self._read(payload) if self._armed else None
        if request is None:
            return Fate()
        fate = Fate()
        for command in self._met(request, at_bank=False):
            fate = _worse(fate, command)
        return fate

    def _note(self, command: BankErrs) -> None:
        if self.tell is not None:
            self.tell(Trace("fault", _words(command)))

    def reachable(self) -> bool:
        """Tell whether a register that connects gets through; what it will send nobody knows yet."""
        for armed in list(self._armed):
            down = isinstance(armed.command, BankDoes) and armed.command.fault is BankFault.UNREACHABLE
            if down and armed.aim.message is Message.ANY and self._still(armed) and armed.meter.meets():
                if armed.meter.spent:
                    self._armed.remove(armed)
                return False
        return True

    def _still(self, armed: _Armed) -> bool:
        """Tell whether a command is not over yet; one that is goes."""
        if armed.until is None or self._now() < armed.until:
            return True
        self._armed.remove(armed)
        return False

    def _read(self, payload: bytes) -> AuthorizationRequest | None:
        wire = self._dialect.wire
        try:
            (packet,) = StreamDecoder(wire).feed(payload)
            return self._dialect.decode_request(wire.open_request(packet)[0], self._today.date())
        except (DialectError, ValueError):
            return None

    def _met(self, request: AuthorizationRequest, *, at_bank: bool) -> list[BankErrs]:
        met = []
        for armed in list(self._armed):
            if not self._still(armed):
                continue
            if _acts_at_bank(armed.command) == at_bank and _is(request, armed.aim.message):
                if armed.meter.meets():
                    met.append(armed.command)
                    self._note(armed.command)
                if armed.meter.spent:
                    self._armed.remove(armed)
        return met


def _words(command: BankErrs) -> str:
    match command:
        case BankDoes(fault, _, time):
            return f"the bank: {fault.value}" + (f", {time / 1000:g} s" if time else "")
        case BankDeclines(code):
            return f"the bank declines with {code}"
        case BankApprovesPart(amount):
            return f"the bank approves only {format_amount(amount)}"


def _acts_at_bank(command: BankErrs) -> bool:
    return not isinstance(command, BankDoes) or command.fault in ERRING


def _is(request: AuthorizationRequest, message: Message) -> bool:
    key_change = request.transaction is Transaction.KEY_CHANGE
    match message:
        case Message.ANY:
            return True
        case Message.MONEY:
            return request.step is Step.FINANCIAL
        case Message.REVERSAL:
            return request.step is Step.REVERSAL
        case Message.SETTLEMENT:
            return request.step is Step.RECONCILIATION
        case Message.UPLOAD:
            return request.step is Step.UPLOAD
        case Message.TEST:
            return request.step is Step.NETWORK and not key_change
        case Message.KEY_CHANGE:
            return key_change


def _worse(fate: Fate, command: BankErrs) -> Fate:
    if not isinstance(command, BankDoes):
        return fate
    late = command.time or TOO_LATE
    match command.fault:
        case BankFault.TWICE:
            return replace(fate, copies=2)
        case BankFault.WRONG_MAC:
            return replace(fate, spoil=last_bit)
        case BankFault.LATE | BankFault.OVERTAKEN:
            return replace(fate, delivery=_DELIVERIES[command.fault], late=late)
        case _:
            return replace(fate, delivery=_DELIVERIES[command.fault])
