"""Putting a pinpad and a bank together from files: profiles, cards, keys, memory, ledger."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from smartsale_emu.emulator.emulator import Emulator
from smartsale_emu.emulator.tunnel import Layer, Tunnel, TunnelTiming
from smartsale_emu.errors import ProfileError
from smartsale_emu.host.bank import Bank
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.ledger import Ledger
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.host.rulebook import Rulebook
from smartsale_emu.host.session import BankSession
from smartsale_emu.payment.card import TestCard, parse_card
from smartsale_emu.payment.receipt import ReceiptLayout
from smartsale_emu.payment.test_pans import is_test_pan
from smartsale_emu.runtime import DEFAULT_RULEBOOK
from smartsale_emu.runtime.ports import BankAddress
from smartsale_emu.runtime.resources import (
    read_bank_profile,
    read_card_file,
    read_card_files,
    read_key_files,
    read_receipt_layout,
    read_rulebook,
    read_terminal_profile,
)
from smartsale_emu.security.keys import KeyRing, parse_key
from smartsale_emu.security.safe import TerminalSafe
from smartsale_emu.terminal.memory import Memory, check_sealed, parse_memory
from smartsale_emu.terminal.profile import TerminalProfile


def load_terminal_profile(name: str) -> TerminalProfile:
    """Read a terminal profile by name or path. Raises ProfileError."""
    text, origin = read_terminal_profile(name)
    return TerminalProfile.parse(text, origin=origin, base=read_terminal_profile)


def load_layout(name: str) -> ReceiptLayout:
    """Read a receipt layout by name or path. Raises ProfileError."""
    text, origin = read_receipt_layout(name)
    return ReceiptLayout.parse(text, origin=origin)


def load_bank_profile(name: str) -> BankProfile:
    """Read a bank profile by name or path. Raises ProfileError."""
    text, origin = read_bank_profile(name)
    return BankProfile.parse(text, origin, base=read_bank_profile)


def load_rulebook(name: str) -> Rulebook:
    """Read a rulebook of the bank by name or path. Raises ProfileError."""
    text, origin = read_rulebook(name)
    return Rulebook.parse(text, origin)


def load_cards() -> dict[str, TestCard]:
    """Read every test card, by name. Raises ProfileError."""
    return {
        name: parse_card(text, name=name, origin=origin) for name, (text, origin) in read_card_files().items()
    }


def load_card(name: str, *, allow_live: bool = False) -> TestCard:
    """Read one test card, or a card file of the user's own by its path (with ``/`` or ``.toml``).

    ``allow_live``: take a card number too that is not a known test number.

    Raises:
        ProfileError: there is none (the text lists the cards there are), it cannot be read, or its number is
            not known as a test number.
    """
    card, origin = _card(name)
    if not allow_live and not is_test_pan(card.card.pan):
        problem = "is not a known test number; --allow-live-cards takes it all the same"
        raise ProfileError(f"{origin}: card.pan: {problem}")
    return card


def _card(name: str) -> tuple[TestCard, str]:
    files = read_card_files()
    if name.endswith(".toml") or "/" in name or "\\" in name:
        text, origin = read_card_file(name)
        return parse_card(text, name=Path(origin).stem, origin=origin), origin
    if name not in files:
        shown = "*" if any(digit in name for digit in "0123456789") else name  # it may be a card number
        raise ProfileError(f"card {shown!r} is not known; there is: {', '.join(files)}")
    text, origin = files[name]
    return parse_card(text, name=name, origin=origin), origin


def load_keys(directory: Path | None = None) -> KeyRing:
    """Read every key file of a directory (ours, when none is given). Raises KeySlotError, ProfileError."""
    files = read_key_files(directory).values()
    return KeyRing((parse_key(text, origin) for text, origin in files), origin=str(directory or "keys"))


@dataclass(frozen=True, slots=True)
class BankParts:
    """A mock bank: ``connect`` opens one connection to it."""

    bank: Bank
    connect: Callable[[], BankSession]


def build_bank(
    profile: BankProfile,
    ledger: Ledger,
    keys: KeyRing,
    *,
    rules: str = DEFAULT_RULEBOOK,
    own_cards: Iterable[TestCard] = (),
    entropy: Callable[[int], bytes] = os.urandom,
) -> BankParts:
    """Return the mock bank with every test card's account. ``rules``: a rulebook by name or path.

    ``own_cards``: of the user's own; one with the name or the number of a test card takes its place.

    Raises:
        ProfileError: the rulebook or a card file is wrong.
    """
    cards, rulebook = load_cards(), load_rulebook(rules)
    cards |= {one.card.name: one for one in own_cards}
    rulebook.check_cards(cards)
    rulebook.check_codes(profile.wire.responses)
    bank, dialect = Bank(profile, cards.values(), ledger, keys, rulebook, entropy), Dialect(profile)
    return BankParts(bank, lambda: BankSession(bank, dialect, bank.guard(dialect)))


def build_emulator(
    profile: TerminalProfile,
    bank_profile: BankProfile,
    keys: KeyRing,
    *,
    layout: ReceiptLayout,
    memory_text: str | None,
    memory_origin: Path | str,
    epoch: datetime,
    traced: bool,
    tunnel: Tunnel | None = None,
    live_cards: bool = False,
    entropy: Callable[[int], bytes] = os.urandom,
) -> Emulator:
    """Return a pinpad with the memory it had, or a new one. ``tunnel``: scheme ПКХ.

    ``live_cards``: a card that the register read may have any number, not only a known test number.

    Raises:
        KeySlotError: a key of the pinpad is missing, or is a key for something else.
        StateError: it is no memory, or its card numbers were sealed under another key.
    """
    memory = parse_memory(memory_text, origin=str(memory_origin)) if memory_text is not None else Memory()
    safe = TerminalSafe(keys, entropy, bank_profile.protection)
    check_sealed(memory, safe, origin=str(memory_origin))
    return Emulator(
        profile,
        Dialect(bank_profile),
        memory,
        safe,
        layout=layout,
        epoch=epoch,
        traced=traced,
        tunnel=tunnel,
        live_cards=live_cards,
    )


def build_tunnel(
    profile: TerminalProfile, address: BankAddress, layer: Callable[[], Layer] | None = None
) -> Tunnel:
    """Return the way to a bank through the register. ``layer``: the pinpad's own TLS inside of it."""
    timers = profile.timers
    timing = TunnelTiming(
        open_reply=timers.tunnel_open, reply=timers.tunnel_reply, poll_pause=timers.tunnel_poll
    )
    return Tunnel(f"{address.host};{address.port};", timing, layer)
