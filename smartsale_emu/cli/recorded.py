"""``run --record``: the session as a scenario file."""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from smartsale_emu.errors import SetupError
from smartsale_emu.runtime.ports import plain_reason
from smartsale_emu.runtime.state_dir import StateDir

if TYPE_CHECKING:
    from smartsale_emu.scenario.recording import Recorder

SEED = 1


@contextmanager
def recorded(args: argparse.Namespace, state: StateDir, epoch: datetime) -> "Iterator[Recorder]":
    """Give a recorder, and write its file when the session is over.

    Raises:
        SetupError: what is asked for cannot be played again, or the file cannot be written.
    """
    from smartsale_emu.scenario.recording import Recorder

    problem = _hindrance(args, state)
    if problem:
        raise SetupError(f"--record: {problem}")
    recorder = Recorder(epoch, SEED, _head(args))
    try:
        args.record.write_text("", encoding="utf-8")
        yield recorder
        args.record.write_text(recorder.text(), encoding="utf-8")
    except OSError as error:
        raise SetupError(f"{args.record}: {plain_reason(error)}") from None


def entropy_for(purpose: str, recorder: "Recorder | None") -> Callable[[int], bytes]:
    """Return where random bytes come from: a session that is recorded has them from its seed."""
    if recorder is None:
        return os.urandom
    from smartsale_emu.scenario.stage import Entropy

    return Entropy(recorder.seed, purpose)


def _hindrance(args: argparse.Namespace, state: StateDir) -> str:
    if args.host or args.scheme != "kph":
        return "only with the mock bank in this process, and the pinpad that calls it itself"
    if state.memory.exists() or state.ledger.exists():
        return "needs a new --state: what went before is not in the file"
    if args.allow_live_cards or (args.card and ("/" in args.card or args.card.endswith(".toml"))):
        return "only with our own test cards"
    if args.keys:
        return "only with the keys that come with it"
    return ""


def _head(args: argparse.Namespace) -> dict[str, object]:
    return {
        "terminal": {"profile": args.terminal_profile},
        "bank": {"profile": args.bank_profile, "rules": args.rules, "delay": "0ms"},
    }
