"""Putting a pinpad and a bank together from files: profiles, cards, keys, memory, ledger."""

import os
from collections.abc import Callable
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
from smartsale_emu.host.session import BankSession
from smartsale_emu.payment.card import TestCard, parse_card
from smartsale_emu.payment.receipt import ReceiptLayout
from smartsale_emu.runtime.ports import BankAddress
from smartsale_emu.runtime.resources import (
    read_bank_profile,
    read_card_files,
    read_key_files,
    read_receipt_layout,
    read_terminal_profile,
)
from smartsale_emu.security.keys import KeyRing, parse_key
from smartsale_emu.security.safe import TerminalSafe
from smartsale_emu.terminal.memory import Memory, parse_memory
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


def load_cards() -> dict[str, TestCard]:
    """Read every test card, by name. Raises ProfileError."""
    return {
        name: parse_card(text, name=name, origin=origin) for name, (text, origin) in read_card_files().items()
    }


def load_card(name: str) -> TestCard:
    """Read one test card. Raises ProfileError, which lists the cards there are."""
    files = read_card_files()
    if name not in files:
        shown = "*" if any(digit in name for digit in "0123456789") else name  # it may be a card number
        raise ProfileError(f"card {shown!r} is not known; there is: {', '.join(files)}")
    text, origin = files[name]
    return parse_card(text, name=name, origin=origin)


def load_keys() -> KeyRing:
    """Read every key file. Raises KeySlotError."""
    return KeyRing(parse_key(text, origin) for text, origin in read_key_files().values())


@dataclass(frozen=True, slots=True)
class BankParts:
    """A mock bank: ``connect`` opens one connection to it."""

    bank: Bank
    connect: Callable[[], BankSession]


def build_bank(profile: BankProfile, ledger: Ledger, keys: KeyRing) -> BankParts:
    """Return the mock bank with every test card's account."""
    bank, dialect = Bank(profile, load_cards().values(), ledger, keys), Dialect(profile)
    return BankParts(bank, lambda: BankSession(bank, dialect))


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
) -> Emulator:
    """Return a pinpad with the memory it had, or a new one. ``tunnel``: scheme ПКХ."""
    memory = parse_memory(memory_text, origin=str(memory_origin)) if memory_text is not None else Memory()
    safe = TerminalSafe(keys, os.urandom)
    return Emulator(
        profile,
        Dialect(bank_profile),
        memory,
        safe,
        layout=layout,
        epoch=epoch,
        traced=traced,
        tunnel=tunnel,
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
