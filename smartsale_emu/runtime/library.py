"""Profiles, cards and keys for scenarios: each file is read once, however many stories use it."""

from collections.abc import Iterable, Mapping
from copy import copy
from functools import cache
from pathlib import Path

from smartsale_emu.emulator.tunnel import Tunnel
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.host.rulebook import Rulebook
from smartsale_emu.payment.card import TestCard
from smartsale_emu.payment.receipt import ReceiptLayout
from smartsale_emu.profile_rows import overriding
from smartsale_emu.runtime import DEFAULT_RECEIPT_LAYOUT
from smartsale_emu.runtime.assembly import (
    build_tunnel,
    load_bank_profile,
    load_cards,
    load_keys,
    load_layout,
    load_rulebook,
    load_terminal_profile,
)
from smartsale_emu.runtime.ports import BankAddress
from smartsale_emu.runtime.resources import read_bank_profile, read_terminal_profile
from smartsale_emu.security.keys import KeyRing
from smartsale_emu.terminal.profile import TerminalProfile

_BANK_BEHIND_THE_REGISTER = BankAddress("bank.example", 5600)


class FileLibrary:
    """The files that come with the package, and those of the user by path (see `scenario.stage.Library`).

    ``bank``: where a register is sent to for it (scheme ПКХ). ``keys``: a directory of them, ``receipts``: a
    layout by name or file, ``own``: cards beside the test cards, or in place of those of their name.
    """

    def __init__(
        self,
        *,
        keys: Path | None = None,
        receipts: str = DEFAULT_RECEIPT_LAYOUT,
        own: Iterable[TestCard] = (),
    ) -> None:
        self._receipts = receipts
        added = {one.card.name: one for one in own}
        self.bank = _BANK_BEHIND_THE_REGISTER
        self._terminal = cache(load_terminal_profile)
        self._bank = cache(load_bank_profile)
        self._rulebook = cache(load_rulebook)
        self._layout = cache(load_layout)
        self._cards = cache(lambda: load_cards() | added)
        self._keys = cache(lambda: load_keys(keys))

    def with_bank(self, bank: BankAddress) -> "FileLibrary":
        """Return this one with another bank behind the register; files are not read again."""
        other = copy(self)
        other.bank = bank
        return other

    def terminal_profile(self, name: str, rows: Mapping[str, str]) -> TerminalProfile:
        """Return a terminal profile, with these rows in place of its own. Raises ProfileError."""
        if not rows:
            return self._terminal(name)
        text = overriding(name, rows)
        return TerminalProfile.parse(text, origin="terminal.set", base=read_terminal_profile)

    def bank_profile(self, name: str, rows: Mapping[str, str]) -> BankProfile:
        """Return a bank profile, with these rows in place of its own. Raises ProfileError."""
        if not rows:
            return self._bank(name)
        return BankProfile.parse(overriding(name, rows), "bank.set", base=read_bank_profile)

    def rulebook(self, name: str) -> Rulebook:
        """Return a rulebook. Raises ProfileError."""
        return self._rulebook(name)

    def layout(self) -> ReceiptLayout:
        """Return the receipt layout."""
        return self._layout(self._receipts)

    def cards(self) -> Mapping[str, TestCard]:
        """Return the test cards, by name."""
        return self._cards()

    def keys(self) -> KeyRing:
        """Return the keys."""
        return self._keys()

    def tunnel(self, profile: TerminalProfile) -> Tunnel:
        """Return a way to the bank through the register."""
        return build_tunnel(profile, self.bank)
