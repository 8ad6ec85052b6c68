"""``host check``: whether a real host understands a bank profile, and the profile the host."""

import argparse
import asyncio
import os
import signal
import sys
from datetime import datetime
from functools import partial

from smartsale_emu.cli.code_words import meaning
from smartsale_emu.cli.host_check_options import refuse_useless
from smartsale_emu.cli.signals import on_stop_signal
from smartsale_emu.host.shown import shown_answer, shown_request
from smartsale_emu.payment.authorization import CardData
from smartsale_emu.payment.card import EntryMode, PinRule, TestCard
from smartsale_emu.payment.receipt import format_amount
from smartsale_emu.payment.response_codes import moves_money
from smartsale_emu.runtime import DEFAULT_TERMINAL_PROFILE
from smartsale_emu.runtime.assembly import load_bank_profile, load_card, load_keys, load_terminal_profile
from smartsale_emu.runtime.bank_link import TcpBank
from smartsale_emu.runtime.host_probe import AMOUNT, HostProbe, Shopper, Tried
from smartsale_emu.runtime.ports import bank_address
from smartsale_emu.runtime.tls import client_tls
from smartsale_emu.security.masking import Secret
from smartsale_emu.security.safe import TerminalSafe, keys_to_begin_with

_NOT_TOLD = frozenset({"step", "response_code"})
_MOST_STAN = 999_998
_ADVICE = "Does it speak another --profile, other keys (--keys), or TLS (tls:)?"


def run(args: argparse.Namespace) -> int:
    """Talk to the host; status 0 when every step passed, else 1."""
    refuse_useless(args)
    profile = load_bank_profile(args.bank_profile)
    address = bank_address(args.to, "--to")
    tls = client_tls([address], ca=args.ca, cert=args.client_cert, key=args.client_key, option="--to")
    shopper = _shopper(args, load_card(args.card, allow_live=args.allow_live_cards))
    keys = load_keys(args.keys)
    teller = _Teller()
    start = partial(
        HostProbe,
        profile,
        TerminalSafe(keys, os.urandom, profile.protection),
        shopper=shopper,
        timeout=args.timeout / 1000,
        now=lambda: datetime.now().replace(microsecond=0),
        stan=1 + int.from_bytes(os.urandom(4), "big") % _MOST_STAN,
        held=keys_to_begin_with(profile.protection, keys, os.urandom),
        watch=teller.tried,
    )
    teller.say(f"{profile.title}, at {address.url}, card {shopper.card.masked}")

    async def talk() -> bool:
        bank = TcpBank([address], connect_timeout=args.timeout / 1000, tls=tls)
        probe = start(bank=bank)
        on_stop_signal(probe.stop)
        if hasattr(signal, "SIGHUP"):  # the window is closed
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, probe.stop)
        try:
            return await probe.run()
        finally:
            bank.close()

    passed = asyncio.run(talk())
    teller.end(passed=passed)
    return 0 if passed else 1


def _shopper(args: argparse.Namespace, test_card: TestCard) -> Shopper:
    terminal, card = load_terminal_profile(DEFAULT_TERMINAL_PROFILE), test_card.card
    own_pin = test_card.account.pin if card.pin_rule is PinRule.ALWAYS else None
    return Shopper(
        terminal_id=args.terminal_id or terminal.terminal_id,
        merchant_id=args.merchant_id or terminal.merchant_id,
        card=CardData(
            pan=card.pan,
            expiry=card.expiry,
            entry_mode=card.entry_mode,
            track2=None if card.entry_mode is EntryMode.MANUAL else card.track2,
            sequence=card.sequence,
        ),
        pin=Secret(args.pin) if args.pin else own_pin,
    )


class _Teller:
    """Says what happens. A reader that has gone stops nothing: a reversal may still be owed."""

    def __init__(self) -> None:
        self._owed: Tried | None = None
        self._answered = self._deaf = False

    def tried(self, tried: Tried) -> None:
        """One step is done."""
        self.say("")
        sent = tried.sent_type if tried.left else f"{tried.sent_type} was not sent"
        self.say(f"{tried.name}: {sent}  {_pairs(shown_request(tried.request))}")
        if tried.answer is not None:
            self._answered = True
            code = tried.answer.response_code
            told = _pairs(shown_answer(tried.answer))
            self.say(f"  {tried.answer_type}  DE39 {code}: {meaning(code, tried.own_code)}  {told}".rstrip())
        self.say(f"  {'passed' if tried.passed else 'FAILED'}: {tried.because}")
        if tried.name == "purchase" and tried.left and not _declined(tried):
            self._owed = tried
        if tried.name == "reversal" and tried.passed:
            self._owed = None

    def end(self, *, passed: bool) -> None:
        """Everything is done."""
        self.say("")
        if self._owed is not None:
            request, answer = self._owed.request, self._owed.answer
            rrn = f", RRN {answer.rrn}" if answer is not None and answer.rrn else ""
            self.say(
                f"The host may still hold {format_amount(AMOUNT)} on the card {_masked(self._owed)}: "
                f"terminal {request.terminal_id}, STAN {request.stan:06d}{rrn}. Undo it there."
            )
        if passed:
            self.say("Host and profile understand each other.")
        else:
            self.say("The check has failed." if self._answered else f"The check has failed. {_ADVICE}")

    def say(self, line: str) -> None:
        """Print a line, if anybody still reads."""
        if self._deaf:
            return
        try:
            print(line, flush=True)
        except OSError:
            self._deaf = True
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115


def _declined(tried: Tried) -> bool:
    """Tell whether the host has said in plain words that no money moved."""
    codes = (tried.own_code, tried.answer.response_code) if tried.answer is not None else (None,)
    return tried.answer is not None and not any(code is not None and moves_money(code) for code in codes)


def _masked(tried: Tried) -> str:
    return tried.request.card.masked if tried.request.card is not None else ""


def _pairs(shown: dict[str, str | int]) -> str:
    return "  ".join(f"{name}={value}" for name, value in shown.items() if name not in _NOT_TOLD)
