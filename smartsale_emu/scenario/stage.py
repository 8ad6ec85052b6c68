"""What a scenario is played on: a pinpad, a bank and a line on virtual time, made as the scenario says."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from smartsale_emu.emulator.emulator import Emulator
from smartsale_emu.emulator.tunnel import Tunnel
from smartsale_emu.errors import ProfileError
from smartsale_emu.host.bank import Bank
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.ledger import Ledger, MemoryLedger
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.host.rulebook import Rulebook
from smartsale_emu.host.session import BankSession, Exchange
from smartsale_emu.pan import mask_text
from smartsale_emu.payment.card import Card, ChipRows, TestCard
from smartsale_emu.payment.cardholder import Cardholder, Prompt
from smartsale_emu.payment.chip_shelf import ChipShelf, CounterBook, Counters
from smartsale_emu.payment.receipt import ReceiptLayout
from smartsale_emu.scenario.bank_answers import ErringDialect
from smartsale_emu.scenario.bank_faults import BankFaults
from smartsale_emu.scenario.key_counters import held_near_the_end
from smartsale_emu.scenario.line_faults import LineFaults
from smartsale_emu.scenario.meant import there_is
from smartsale_emu.scenario.model import Customer, OwnCard, Setting
from smartsale_emu.scenario.overheard import Overheard
from smartsale_emu.scenario.place import Place
from smartsale_emu.scenario.virtual import World
from smartsale_emu.security.keys import KeyRing
from smartsale_emu.security.masking import Secret
from smartsale_emu.security.protection import NOTHING_HELD
from smartsale_emu.security.safe import TerminalSafe
from smartsale_emu.terminal.memory import Memory, parse_memory
from smartsale_emu.terminal.profile import TerminalProfile
from smartsale_emu.units import Millis


class Library(Protocol):
    """Where profiles, cards and keys come from. ``rows``: with these rows in place of their own."""

    def terminal_profile(self, name: str, rows: Mapping[str, str]) -> TerminalProfile:
        """Return a terminal profile. Raises ProfileError."""

    def bank_profile(self, name: str, rows: Mapping[str, str]) -> BankProfile:
        """Return a bank profile. Raises ProfileError."""

    def rulebook(self, name: str) -> Rulebook:
        """Return a rulebook. Raises ProfileError."""

    def layout(self) -> ReceiptLayout:
        """Return the receipt layout."""

    def cards(self) -> Mapping[str, TestCard]:
        """Return the test cards, by name."""

    def keys(self) -> KeyRing:
        """Return the keys."""

    def tunnel(self, profile: TerminalProfile) -> Tunnel:
        """Return a way to the bank through the register."""


class Entropy:
    """Random bytes that a seed decides."""

    def __init__(self, seed: int, purpose: str) -> None:
        self._root = f"{seed} {purpose} ".encode()
        self._drawn = 0

    def __call__(self, count: int) -> bytes:
        """Return so many bytes."""
        made = b""
        while len(made) < count:
            self._drawn += 1
            made += hashlib.sha256(self._root + str(self._drawn).encode()).digest()
        return made[:count]


class LosingLedger(Ledger, Protocol):
    """A bank's memory that can be made to lose something."""

    def forget_last(self) -> None:
        """Lose the last approved operation, as a bank does that is put back to its backup."""

    def forget_all(self) -> None:
        """Lose everything: a bank on its first day."""


@dataclass(frozen=True, slots=True)
class Belongings:
    """What a pinpad and its bank are given; by default it lasts as long as the story.

    ``live_cards``: a card that the register read may have any number. ``entropy``: None: the seed decides.
    """

    ledger: LosingLedger = field(default_factory=MemoryLedger)
    counters: Counters = field(default_factory=CounterBook)
    live_cards: bool = False
    entropy: Callable[[int], bytes] | None = None


@dataclass(slots=True)
class Stage:
    """Everything that a story happens on. ``through_register``: the pinpad has no way of its own (ПКХ)."""

    world: Place
    bank: Bank
    bank_faults: BankFaults
    line: LineFaults
    ledger: LosingLedger
    cards: Mapping[str, TestCard]
    terminal: TerminalProfile
    through_register: bool
    shelf: ChipShelf
    overheard: Overheard

    def card(self, name: str) -> Card:
        """Return a card by its name. Raises ProfileError when there is none."""
        if name not in self.cards:
            raise ProfileError(f"card {mask_text(name)!r} is not known; {there_is(name, self.cards)}")
        return self.cards[name].card


class Props:
    """What a stage is made of, before there is time. The same seed makes the same bytes.

    Raises:
        ProfileError: a profile, a rulebook or a card is wrong or missing.
    """

    def __init__(
        self,
        setting: Setting,
        library: Library,
        *,
        seed: int,
        traced: bool,
        belongings: Belongings | None = None,
    ) -> None:
        owns = belongings or Belongings()
        self._setting, self._library, self._traced = setting, library, traced
        self._live_cards = owns.live_cards
        self.terminal = library.terminal_profile(setting.terminal.profile, setting.terminal.set)
        self.bank_profile = library.bank_profile(setting.bank.profile, setting.bank.set)
        self._keys = library.keys()
        self.cards = _cards(setting.cards, library.cards())
        self.cardholder = cardholder(setting.customer, self.cards)
        self.shelf = ChipShelf(self._keys, owns.counters)
        left, protection = setting.terminal.keys_left, self.bank_profile.protection
        self._held = NOTHING_HELD if left is None else held_near_the_end(left, protection, self._keys)
        self._dialect = Dialect(self.bank_profile)
        self._entropy = owns.entropy or Entropy(seed, "pinpad")
        self._banks_dialect = ErringDialect(self.bank_profile)
        self.ledger, self.overheard = owns.ledger, Overheard()
        rules = library.rulebook(setting.bank.rules)
        entropy = owns.entropy or Entropy(seed, "bank")
        self.bank = Bank(self.bank_profile, self.cards.values(), self.ledger, self._keys, rules, entropy)
        self._guard = self.bank.guard(self._dialect)

    def boot(self, saved: str | None) -> Emulator:
        """Return a pinpad with the memory it had, or a new one."""
        setting = self._setting
        return Emulator(
            self.terminal,
            self._dialect,
            parse_memory(saved, origin="memory") if saved is not None else Memory(keys=self._held),
            TerminalSafe(self._keys, self._entropy, self.bank_profile.protection),
            layout=self._library.layout(),
            epoch=setting.date,
            traced=self._traced,
            tunnel=self._library.tunnel(self.terminal) if setting.scheme == "pkh" else None,
            live_cards=self._live_cards,
        )

    def faults(self, now: Callable[[], Millis]) -> BankFaults:
        """Return the bank as it errs."""
        pkh = self._setting.scheme == "pkh"
        return BankFaults(self.bank, self._banks_dialect, now, self._setting.date, through_register=pkh)

    def connect(self, faults: BankFaults, watch: Callable[[Exchange], None] | None = None) -> BankSession:
        """Open a connection to the bank. ``watch``: is shown every exchange."""
        return BankSession(faults, self._banks_dialect, self._guard, watch)

    def stage(self, world: Place, faults: BankFaults, line: LineFaults) -> Stage:
        """Return the stage, once it has time and a line."""
        pkh = self._setting.scheme == "pkh"
        return Stage(
            world,
            self.bank,
            faults,
            line,
            self.ledger,
            self.cards,
            self.terminal,
            pkh,
            self.shelf,
            self.overheard,
        )


def build_stage(setting: Setting, library: Library, *, seed: int, traced: bool) -> Stage:
    """Return a new stage on virtual time. Raises ProfileError, as `Props`."""
    props = Props(setting, library, seed=seed, traced=traced)
    faults = props.faults(lambda: world.now)
    world = World(
        props.boot,
        lambda: props.connect(faults),
        cardholder=props.cardholder,
        epoch=setting.date,
        shelf=props.shelf,
        bank_delay=setting.bank.delay,
        line_delay=setting.latency,
    )
    tell = world.tell_trace if traced else None
    line = LineFaults(lambda: world.now, tell, watch=props.overheard.see)
    world.on_wire, world.fate, world.reachable = line, faults.fate, faults.reachable
    world.tells_all, faults.tell = traced, tell
    return props.stage(world, faults, line)


def cardholder(customer: Customer, cards: Mapping[str, TestCard]) -> Cardholder:
    """Return the customer as he is described. Raises ProfileError when his card is not known."""
    if customer.card is not None and customer.card not in cards:
        raise ProfileError(f"customer.card: {customer.card!r} is not known; {there_is(customer.card, cards)}")
    return Cardholder(
        card=cards[customer.card].card if customer.card else None,
        pin=Secret(customer.pin) if customer.pin else None,
        card_after=customer.card_after,
        pin_after=customer.pin_after,
        wrong_pins=customer.wrong_pins,
        cancels_at=Prompt(customer.cancels_at) if customer.cancels_at else None,
    )


def _cards(own: Mapping[str, OwnCard], ours: Mapping[str, TestCard]) -> dict[str, TestCard]:
    cards = dict(ours)
    for name, row in own.items():
        if row.like not in ours:
            raise ProfileError(f"cards.{name}.like: {row.like!r} is not known; {there_is(row.like, ours)}")
        cards[name] = _own(name, row, ours[row.like])
    return cards


def _own_chip(row: OwnCard, like: ChipRows) -> ChipRows:
    chip = like
    if row.chip_fails is not None:
        chip = replace(chip, fails=row.chip_fails)
    if row.usage_control is not None:
        chip = replace(chip, profile=replace(chip.profile, usage_control=int(row.usage_control, 16)))
    return chip


def _own(name: str, row: OwnCard, like: TestCard) -> TestCard:
    account, card = like.account, replace(like.card, name=name)
    if row.balance is not None:
        account = replace(account, balance=row.balance)
    if row.pin is not None:
        account = replace(account, pin=Secret(row.pin))
    if row.blocked is not None:
        account = replace(account, blocked=row.blocked)
    if row.expires is not None:
        card = replace(card, expiry=row.expires.replace("-", "")[-4:])
    if row.service_code is not None:
        card = replace(card, service_code=row.service_code)
    if row.pin_rule is not None:
        card = replace(card, pin_rule=row.pin_rule)
    if card.chip_rows is not None:
        card = replace(card, chip_rows=_own_chip(row, card.chip_rows))
    return replace(like, card=card, account=account)
