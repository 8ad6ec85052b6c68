"""A whole shop on virtual time: pinpad, bank, customer, a register by hand, and the one oracle about money.

The register here shares nothing with ``smartsale_emu.register`` but the frame decoder, and it acknowledges by
rules that a test gives it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from smartsale_emu.emulator.emulator import Emulator
from smartsale_emu.host.bank import Bank
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.followers import Followers
from smartsale_emu.host.ledger import MemoryLedger, Operation, OperationState
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.host.session import BankSession, Exchange
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, Step, Transaction
from smartsale_emu.payment.card import TestCard, parse_card
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.payment.chip_shelf import ChipShelf, CounterBook
from smartsale_emu.payment.receipt import ReceiptLayout
from smartsale_emu.payment.totals import Totals
from smartsale_emu.sa.framing import Block, Control, Frame, FrameDecoder, encode_frame
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.agreement import compare
from smartsale_emu.scenario.virtual import Delivery, PowerCutError, World
from smartsale_emu.security.keys import KeyRing, parse_key
from smartsale_emu.security.masking import Secret
from smartsale_emu.security.safe import TerminalSafe
from smartsale_emu.terminal.memory import Memory, parse_memory
from smartsale_emu.terminal.profile import TerminalProfile
from smartsale_emu.terminal.table import State
from smartsale_emu.units import Millis

TOP = Path(__file__).parents[2]
PACKAGE = TOP / "smartsale_emu"
EPOCH = datetime(2026, 11, 23, 9, 30, 0)
ACK, NAK, EOT = Control.ACK.wire, Control.NAK.wire, Control.EOT.wire
WAIT_FRAME = bytes.fromhex("0205001902003231A5C2")
SALE_AMOUNT = 1200


def _profile_text(name: str) -> tuple[str, str]:
    file = PACKAGE / "terminal" / "profiles" / f"{name}.toml"
    return file.read_text(encoding="utf-8"), file.name


def _profile(name: str) -> TerminalProfile:
    text, origin = _profile_text(name)
    return TerminalProfile.parse(text, origin=origin, base=_profile_text)


def _layout() -> ReceiptLayout:
    file = PACKAGE / "payment" / "receipts" / "standard.toml"
    return ReceiptLayout.parse(file.read_text(encoding="utf-8"), origin=file.name)


def _cards() -> dict[str, TestCard]:
    files = sorted((PACKAGE / "payment" / "cards").glob("*.toml"))
    return {f.stem: parse_card(f.read_text(encoding="utf-8"), name=f.stem, origin=f.name) for f in files}


def _bank_profile_text(name: str) -> tuple[str, str]:
    file = PACKAGE / "host" / "profiles" / f"{name}.toml"
    return file.read_text(encoding="utf-8"), file.name


def bank_profile(name: str) -> BankProfile:
    """Return a bank profile that is shipped."""
    return BankProfile.parse(*_bank_profile_text(name), base=_bank_profile_text)


PROFILES = {name: _profile(name) for name in ("unipos-2018", "unipos-2023")}
VENDING, PRINTER = _profile("unipos-2018-vending"), _profile("unipos-2023-printer")
LAYOUT = _layout()
PROFILE = PROFILES["unipos-2023"]
CARDS = _cards()
KEYS = KeyRing(
    parse_key(file.read_text(encoding="utf-8"), file.name) for file in sorted((TOP / "keys").glob("*.toml"))
)
BANK_PROFILE = bank_profile("generic-ascii")
DIALECT = Dialect(BANK_PROFILE)

AFTER_ALL = 400_000
"""Milliseconds in which everything that can end has ended: the longest sale and several reversal attempts."""


def changed(profile: TerminalProfile = PROFILE, **tables: Mapping[str, Any]) -> TerminalProfile:
    """Return a profile with other rows: ``changed(line={"sends": 1})``."""
    return replace(
        profile, **{name: replace(getattr(profile, name), **rows) for name, rows in tables.items()}
    )


def sale(amount: object = SALE_AMOUNT, **more: object) -> bytes:
    return request({0: amount, 4: "643", 25: 1}, **more)


def reversal(amount: object | None = SALE_AMOUNT, **more: object) -> bytes:
    return request({25: 53, 0: amount}, **more)


def link_test() -> bytes:
    return request({25: 26, 27: ""})


def request(fields: Mapping[int, Any], **more: object) -> bytes:
    """Return a register's frame; ``f26=7`` adds field 26."""
    extra: dict[int, Any] = {int(name[1:]): value for name, value in more.items()}
    return encode_frame(Message.of({**fields, **extra}).encode())


class HandTill:
    """A register that says to each frame what ``say`` returns for it; by default ACK to everything.

    ``say(number, unit_is_final)``: ``number`` counts the pinpad's frames from 0, copies included.
    ``finals``: the whole final answers that came; ``taken``: those that were not refused by EOT.
    """

    def __init__(self, say: Callable[[int, bool], bytes] | None = None) -> None:
        self._say = say or (lambda _number, _final: ACK)
        self._decoder = FrameDecoder(8192)
        self._chunks: dict[int, bytes] = {}
        self.heard: list[tuple[Millis, str]] = []
        self.waits: list[Millis] = []
        self.finals: list[Message] = []
        self.taken: list[Message] = []
        self.frames = 0
        self._before = b""

    @property
    def final(self) -> Message | None:
        """The final answer, if a whole one came."""
        return self.finals[-1] if self.finals else None

    def receive(self, data: bytes, now: Millis) -> list[bytes]:
        said = [self._take(unit, now) for unit in self._decoder.feed(data)]
        return [piece for piece in said if piece.strip()]

    def _take(self, unit: object, now: Millis) -> bytes:
        match unit:
            case Control():
                self.heard.append((now, unit.name))
                return b""
            case Frame(data, wire) if wire == WAIT_FRAME:
                self.heard.append((now, "wait"))
                self.waits.append(now)
                return self._spoken(final=False)
            case Frame(data, wire):
                self.heard.append((now, "final"))
                return self._copy(wire) or self._final(Message.parse(data))
            case Block(number, last, chunk, wire):
                self.heard.append((now, "last block" if last else f"block {number}"))
                return self._copy(wire) or self._block(number, chunk, last=last)
            case _:
                raise AssertionError("the pinpad wrote noise")

    def _copy(self, wire: bytes) -> bytes:
        """A copy of the frame before is answered (with a blank for nothing) and not read again."""
        if wire == self._before:
            return self._spoken(final=True) or b" "
        self._before = wire
        return b""

    def _block(self, number: int, chunk: bytes, *, last: bool) -> bytes:
        if number == 1:
            self._chunks.clear()
        self._chunks[10_000 if last else number] = chunk
        if not last:
            return self._spoken(final=True)
        return self._final(Message.parse(b"".join(chunk for _, chunk in sorted(self._chunks.items()))))

    def _final(self, message: Message) -> bytes:
        self.finals.append(message)
        said = self._spoken(final=True)
        if said[:1] != EOT:
            self.taken.append(message)
        return said

    def _spoken(self, *, final: bool) -> bytes:
        number, self.frames = self.frames, self.frames + 1
        return self._say(number, final)

    def tick(self, _now: Millis) -> list[bytes]:
        return []

    def next_deadline(self) -> Millis | None:
        return None


@dataclass(slots=True)
class ScriptedBank:
    """The mock bank, with answers that a test puts in its mouth: then nothing happens at the bank.

    ``says``: a response code or a whole answer for a request, or None to let the bank decide.
    """

    bank: Bank
    says: Callable[[AuthorizationRequest], AuthorizationAnswer | str | None] = lambda _request: None
    heard: list[AuthorizationRequest] = field(default_factory=list)

    def handle(self, request: AuthorizationRequest, at: datetime) -> AuthorizationAnswer:
        self.heard.append(request)
        said = self.says(request)
        if said is None:
            return self.bank.handle(request, at)
        if isinstance(said, str):
            return AuthorizationAnswer(request.step, request.stan, said, answered_at=at)
        return replace(said, step=request.step, stan=request.stan, terminal_id=request.terminal_id)


class Overheard(BankSession):
    """A connection on which somebody listens, and may change what the bank answers."""

    def __init__(self, shop: "Shop") -> None:
        super().__init__(shop.bank, shop.dialect, shop.bank.bank.guard(shop.dialect))
        self._shop = shop

    def receive(self, data: bytes, at: datetime) -> tuple[bytes, list[Exchange]]:
        self._shop.sent.append(data)
        reply, exchanges = super().receive(self._shop.on_way_there(data), at)
        self._shop.exchanges += exchanges
        return self._shop.on_way_back(reply), exchanges


class Shop:
    """One pinpad, its bank, and every register that ever stood on the line.

    ``sent``: what has reached the bank, message after message, and ``exchanges`` what it made of it;
    ``on_way_there`` and ``on_way_back``: change messages and answers.
    """

    def __init__(
        self,
        profile: TerminalProfile = PROFILE,
        *,
        card: str | None = "mir-contactless",
        cardholder: Cardholder | None = None,
        traced: bool = False,
        epoch: datetime = EPOCH,
        memory: Memory | None = None,
        bank_profile: BankProfile = BANK_PROFILE,
        live_cards: bool = False,
    ) -> None:
        self.profile = profile
        self.counters = CounterBook()
        self.bank_profile, self.dialect = bank_profile, Dialect(bank_profile)
        self.ledger = MemoryLedger()
        self.bank = self.bank_with(bank_profile)
        self.sent: list[bytes] = []
        self.exchanges: list[Exchange] = []
        self.on_way_there: Callable[[bytes], bytes] = lambda data: data
        self.on_way_back: Callable[[bytes], bytes] = lambda reply: reply
        self._offered = 0
        self._traced, self._epoch, self._first_memory = traced, epoch, memory or Memory()
        self._live_cards = live_cards
        self._drawn = 0
        self.tills: list[HandTill] = []
        self.reversed_for_register: set[int] = set()
        self.unsure: set[str] = set()
        holder = cardholder or (customer(card) if card else Cardholder(None))
        shelf = ChipShelf(KEYS, self.counters)
        self.world = World(self._boot, self._answer_the_phone, cardholder=holder, shelf=shelf, epoch=epoch)

    def bank_with(self, profile: BankProfile) -> ScriptedBank:
        """Return a bank of this profile on the ledger of this shop."""
        return ScriptedBank(Bank(profile, CARDS.values(), self.ledger, KEYS, entropy=self._new_key))

    def _new_key(self, count: int) -> bytes:
        self._offered += 1
        return sha256(self._offered.to_bytes(4)).digest()[:count]

    def _answer_the_phone(self) -> BankSession:
        return Overheard(self)

    def _boot(self, saved: str | None) -> Emulator:
        memory = parse_memory(saved, origin="memory") if saved else self._first_memory
        safe = TerminalSafe(KEYS, self._entropy, self.bank_profile.protection)
        return Emulator(
            self.profile,
            self.dialect,
            memory,
            safe,
            layout=LAYOUT,
            epoch=self._epoch,
            traced=self._traced,
            live_cards=self._live_cards,
        )

    def _entropy(self, count: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(count, "big")

    # --- what a register does ----------------------------------------------------------------------------

    def till(self, say: Callable[[int, bool], bytes] | None = None) -> HandTill:
        """Plug in a new register that opens the line."""
        till = HandTill(say)
        self.tills.append(till)
        self.world.plug(till)
        return till

    def ask(self, frame: bytes, say: Callable[[int, bool], bytes] | None = None) -> HandTill:
        """A new register opens the line and sends a request; nothing has happened yet."""
        till = self.till(say)
        self.world.write(frame)
        return till

    def serve(self, frame: bytes, say: Callable[[int, bool], bytes] | None = None) -> Message:
        """A new register opens the line, sends a request and gets the final answer."""
        till = self.ask(frame, say)
        assert self.until(lambda: bool(till.finals)), "no final answer came"
        self.rest(50)
        return till.finals[-1]

    # --- time --------------------------------------------------------------------------------------------

    def until(self, condition: Callable[[], bool]) -> bool:
        return self.world.run(lambda: self._observe() or condition(), within=AFTER_ALL)

    def rest(self, millis: int) -> None:
        """Let so many milliseconds pass."""
        limit = Millis(self.world.now + millis)
        self.world.run(self._observe, within=millis)
        self.world.now = limit

    def _observe(self) -> bool:
        pending = self.memory.pending
        if pending is not None and pending.by_register:
            self.reversed_for_register.add(pending.request.stan)
        return False

    def reach(self, state: State) -> None:
        """Let time pass until the terminal is in a state."""
        assert self.until(lambda: self.world.emulator.state is state), f"{state} was never reached"

    def settle(self) -> None:
        """Let everything end: power on, bank back, no register does anything any more."""
        self.world.cut_before_effect = None
        self.world.delivery = lambda _: Delivery.FINE
        self.rest(AFTER_ALL)

    def power_cycle(self) -> None:
        self.world.power_on()

    def run_with_cut(self, run: Callable[[], object], before_effect: int) -> bool:
        """Run until the power fails before the n-th effect from now, then restart; False if it never did."""
        self.world.cut_before_effect = self.world.effects_done + before_effect
        try:
            run()
        except PowerCutError:
            self.world.power_on()
            return True
        self.world.cut_before_effect = None
        return False

    # --- what is known -----------------------------------------------------------------------------------

    @property
    def memory(self) -> Memory:
        return self.world.emulator.memory

    @property
    def state(self) -> State:
        return self.world.emulator.state

    @property
    def kept_count(self) -> int:
        """How many operations of the open day the pinpad keeps."""
        return len(list(self.memory.journal.kept()))

    @property
    def kept_amount(self) -> int:
        """Their net amount, in minor units."""
        return self.memory.journal.totals().net

    @property
    def operations(self) -> list[Operation]:
        return list(self.ledger.operations())

    @property
    def steps(self) -> list[Step]:
        """The messages that reached the bank."""
        return [heard.step for heard in self.bank.heard]

    def remarks(self, kind: str) -> list[int]:
        return [remark.stan for remark in self.memory.remarks if remark.kind == kind]


def customer(card: str, pin: str | None = None, **habits: Any) -> Cardholder:
    """A customer who knows his PIN."""
    test_card = CARDS[card]
    return Cardholder(test_card.card, Secret(pin) if pin else test_card.account.pin, **habits)


def hand_over(shop: Shop, card: str) -> None:
    """Another customer comes."""
    shop.world.cardholder = customer(card)


# --- the oracle --------------------------------------------------------------------------------------------


def assert_agreed(shop: Shop) -> None:
    """At rest, with bank and power back: bank, memory and registers agree, or a remark says why not."""
    memory = shop.memory
    assert shop.state is State.IDLE
    assert memory.pending is None
    saved = parse_memory(shop.world.saved, origin="memory") if shop.world.saved else Memory()
    assert (saved.last, saved.journal, saved.remarks) == (memory.last, memory.journal, memory.remarks)
    agreement = compare(
        shop.operations, shop.ledger.closed_batches(), memory, terminal_id=shop.profile.terminal_id
    )
    assert agreement.agree, agreement.disagreements
    assert_balances(shop)
    assert_day(shop)
    assert_registers(shop)


def assert_balances(shop: Shop) -> None:
    """The accounts lack exactly what is approved: the same money, counted another way."""
    held = dict.fromkeys(CARDS, 0)
    for row in shop.operations:
        if row.state is OperationState.APPROVED:
            held[row.account] += row.effect
    for account in shop.ledger.accounts():
        assert account.balance - CARDS[account.name].account.balance == held[account.name]


def assert_day(shop: Shop) -> None:
    """Totals, and what is left of every operation, worked out twice; the days before are closed once."""
    journal, day = shop.memory.journal, shop.memory.day
    today = [row for row in shop.operations if row.batch == day and row.state is OperationState.APPROVED]
    totals = Totals()
    for row in today:
        totals = totals.plus(row.transaction, row.amount)
    assert journal.totals() == totals
    for entry in journal.kept():
        (row,) = [row for row in today if entry.request and row.key.stan == entry.request.stan]
        assert journal.left(entry) == left_at_bank(shop, row), f"what is left of slip {entry.number}"
    closed = [batch.key.number for batch in shop.ledger.closed_batches()]
    assert closed == list(range(1, day)), "the bank has closed other days than the pinpad"
    heard = [till.taken[-1] for till in shop.tills if till.taken and text(till.taken[-1], 25) == "59"]
    assert len([final for final in heard if text(final, 39) == "1"]) <= len(closed)


def left_at_bank(shop: Shop, row: Operation) -> int:
    """How much of an operation the bank still lets be voided, returned or completed, in minor units."""
    followers = Followers(shop.bank_profile, shop.ledger)
    if row.transaction is not Transaction.PREAUTHORIZATION:
        return followers.left(row)
    return followers.held(row) if followers.is_open(row) else 0


def assert_registers(shop: Shop) -> None:
    """What a register read as 39 = 1 is kept, or a remark says that it may believe so; and vice versa.

    ``shop.unsure``: RRNs of answers to which a register said one thing and another. A balance is no money.
    """
    money = [row for row in shop.operations if row.transaction is not Transaction.BALANCE]
    approved = {row.rrn for row in money if row.state is OperationState.APPROVED}
    stans = {row.rrn: row.key.stan for row in shop.operations}
    excused = set(shop.remarks("doubt")) | shop.reversed_for_register
    believed = set()
    for message in (message for till in shop.tills for message in till.taken):
        rrn, approval = text(message, 14), text(message, 39) == "1"
        if rrn is None or rrn in shop.unsure or text(message, 25) == "13":
            continue
        if text(message, 25) == "53":
            assert not approval or rrn not in approved, "told as undone, and the bank holds it"
        elif approval:
            believed.add(rrn)
            assert rrn in approved or stans[rrn] in excused, "a register believes 39 = 1, and nobody says so"
        else:
            assert rrn not in approved, "told as refused, and the bank holds it"
    for rrn in approved - believed - shop.unsure:
        assert stans[rrn] in excused, "kept, and no register knows of it"


def text(message: Message | None, tag: int) -> str | None:
    """The text of a field, None if there is no message or no such field."""
    return message.text(tag) if message is not None else None


def outcome(message: Message | None) -> tuple[str | None, ...]:
    """Fields 39, 15, 19 and 28 of an answer."""
    return tuple(text(message, tag) for tag in (39, 15, 19, 28))


__all__ = ["Delivery", "HandTill", "ScriptedBank", "Shop", "State", "Step"]
