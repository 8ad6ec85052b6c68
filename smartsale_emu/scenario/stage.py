"""What a scenario is played on: a pinpad, a bank and a line on virtual time, made as the scenario says."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from smartsale_emu.emulator.emulator import Emulator
from smartsale_emu.emulator.tunnel import Tunnel
from smartsale_emu.errors import ProfileError
from smartsale_emu.host.bank import Bank
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.ledger import MemoryLedger
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.host.rulebook import Rulebook
from smartsale_emu.host.session import BankSession
from smartsale_emu.payment.card import Card, ChipRows, TestCard
from smartsale_emu.payment.cardholder import Cardholder, Prompt
from smartsale_emu.payment.chip_shelf import ChipShelf, CounterBook
from smartsale_emu.payment.receipt import ReceiptLayout
from smartsale_emu.scenario.bank_answers import ErringDialect
from smartsale_emu.scenario.bank_faults import BankFaults
from smartsale_emu.scenario.key_counters import held_near_the_end
from smartsale_emu.scenario.line_faults import LineFaults
from smartsale_emu.scenario.model import Customer, OwnCard, Scenario
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


@dataclass(slots=True)
class Stage:
    """Everything that a story happens on. ``through_register``: the pinpad has no way of its own (ПКХ)."""

    world: Place
    bank: Bank
    bank_faults: BankFaults
    line: LineFaults
    ledger: MemoryLedger
    cards: Mapping[str, TestCard]
    terminal: TerminalProfile
    through_register: bool
    overheard: Overheard

    def card(self, name: str) -> Card:
        """Return a card by its name. Raises ProfileError when there is none."""
        if name not in self.cards:
            raise ProfileError(f"card {name!r} is not known; there is: {', '.join(self.cards)}")
        return self.cards[name].card


class Props:
    """What a stage is made of, before there is time. The same seed makes the same bytes.

    Raises:
        ProfileError: a profile, a rulebook or a card is wrong or missing.
    """

    def __init__(self, scenario: Scenario, library: Library, *, seed: int, traced: bool) -> None:
        self._scenario, self._library, self._traced = scenario, library, traced
        self.terminal = library.terminal_profile(scenario.terminal.profile, scenario.terminal.set)
        self.bank_profile = library.bank_profile(scenario.bank.profile, scenario.bank.set)
        self._keys = library.keys()
        self.cards = _cards(scenario.cards, library.cards())
        self.cardholder = cardholder(scenario.customer, self.cards)
        self.shelf = ChipShelf(self._keys, CounterBook())
        left, protection = scenario.terminal.keys_left, self.bank_profile.protection
        self._held = NOTHING_HELD if left is None else held_near_the_end(left, protection, self._keys)
        self._dialect, self._entropy = Dialect(self.bank_profile), Entropy(seed, "pinpad")
        self._banks_dialect = ErringDialect(self.bank_profile)
        self.ledger, self.overheard = MemoryLedger(), Overheard()
        rules = library.rulebook(scenario.bank.rules)
        entropy = Entropy(seed, "bank")
        self.bank = Bank(self.bank_profile, self.cards.values(), self.ledger, self._keys, rules, entropy)
        self._guard = self.bank.guard(self._dialect)

    def boot(self, saved: str | None) -> Emulator:
        """Return a pinpad with the memory it had, or a new one."""
        scenario = self._scenario
        return Emulator(
            self.terminal,
            self._dialect,
            parse_memory(saved, origin="memory") if saved is not None else Memory(keys=self._held),
            TerminalSafe(self._keys, self._entropy, self.bank_profile.protection),
            layout=self._library.layout(),
            epoch=scenario.date,
            traced=self._traced,
            tunnel=self._library.tunnel(self.terminal) if scenario.scheme == "pkh" else None,
        )

    def faults(self, now: Callable[[], Millis]) -> BankFaults:
        """Return the bank as it errs."""
        pkh = self._scenario.scheme == "pkh"
        return BankFaults(self.bank, self._banks_dialect, now, self._scenario.date, through_register=pkh)

    def connect(self, faults: BankFaults) -> BankSession:
        """Open a connection to the bank."""
        return BankSession(faults, self._banks_dialect, self._guard)

    def stage(self, world: Place, faults: BankFaults, line: LineFaults) -> Stage:
        """Return the stage, once it has time and a line."""
        pkh = self._scenario.scheme == "pkh"
        return Stage(
            world, self.bank, faults, line, self.ledger, self.cards, self.terminal, pkh, self.overheard
        )


def build_stage(scenario: Scenario, library: Library, *, seed: int, traced: bool) -> Stage:
    """Return a new stage on virtual time. Raises ProfileError, as `Props`."""
    props = Props(scenario, library, seed=seed, traced=traced)
    faults = props.faults(lambda: world.now)
    world = World(
        props.boot,
        lambda: props.connect(faults),
        cardholder=props.cardholder,
        epoch=scenario.date,
        shelf=props.shelf,
        bank_delay=scenario.bank.delay,
        line_delay=scenario.latency,
    )
    tell = world.tell_trace if traced else None
    line = LineFaults(lambda: world.now, tell, watch=props.overheard.see)
    world.on_wire, world.fate, world.reachable = line, faults.fate, faults.reachable
    world.tells_all, faults.tell = traced, tell
    return props.stage(world, faults, line)


def cardholder(customer: Customer, cards: Mapping[str, TestCard]) -> Cardholder:
    """Return the customer as he is described. Raises ProfileError when his card is not known."""
    if customer.card is not None and customer.card not in cards:
        raise ProfileError(f"customer.card: {customer.card!r} is not known; there is: {', '.join(cards)}")
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
            raise ProfileError(f"cards.{name}.like: {row.like!r} is not known; there is: {', '.join(ours)}")
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
