"""The options of ``bugpack``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from smartsale_emu.runtime import DEFAULT_BANK_PROFILE, DEFAULT_RULEBOOK, DEFAULT_TERMINAL_PROFILE

if TYPE_CHECKING:
    _Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

LAST = 200
_DESCRIPTION = """\
Write one YAML file that tells a bug: versions, profiles, what pinpad and bank hold and whether they agree,
the last lines of the trace in words, all in comments; below them the session, which `play` replays.

The session comes from --recording (`run --record`), byte by byte, PINs as they were typed; or from --trace
(`run --trace`), where PINs are the test card's own, or `wrong` where the bank said so. The pack is played at
once: it says whether the pinpad wrote the same bytes again (starred ones aside), and what may be the reason.

It cannot be the same where the pinpad had a memory before the trace begins, where the bank was another one
(--host) or reached through the register, where faults were at work, or a card was none of the test cards.
Card data that the register sent are starred.
"""


def add_bugpack(commands: "_Commands") -> None:
    """Add the command ``bugpack``."""
    pack = commands.add_parser(
        "bugpack",
        help="all about a bug in one file that `play` replays",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    pack.add_argument(
        "--trace", type=Path, metavar="FILE", help="of `run --trace`; its last session, also one that goes on"
    )
    pack.add_argument("--recording", type=Path, metavar="FILE", help="of `run --record`, where there is one")
    pack.add_argument(
        "--state", type=Path, metavar="DIR", help="the pinpad's state directory: what it and the bank hold"
    )
    pack.add_argument(
        "--bank-state", type=Path, metavar="DIR", help="the bank's, if it ran as a server of its own"
    )
    pack.add_argument("--out", type=Path, metavar="FILE", help="is written, and must not be there")
    pack.add_argument("--force", action="store_true", help="write over a file that is there")
    pack.add_argument(
        "--last", type=_count, default=LAST, metavar="N", help="lines of the trace (default: %(default)s)"
    )
    _add_profiles(pack)


def _add_profiles(pack: argparse.ArgumentParser) -> None:
    ran = pack.add_argument_group("as `run` had them; a recording knows them itself, a trace does not")
    for name, default in (
        ("terminal-profile", DEFAULT_TERMINAL_PROFILE),
        ("bank-profile", DEFAULT_BANK_PROFILE),
        ("rules", DEFAULT_RULEBOOK),
    ):
        ran.add_argument(
            f"--{name}", metavar="NAME", default=default, help="by name or file (default: %(default)s)"
        )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of up to six digits")
    return int(text)
