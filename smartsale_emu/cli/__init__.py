"""The command line. What a command needs is imported when it runs: a pinpad is on its port at once."""

import io
import sys
from collections.abc import Sequence
from importlib import import_module

from smartsale_emu.cli.parser import build_parser
from smartsale_emu.errors import SetupError

SETUP_FAILED = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status. A setup that cannot work is one line and status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="replace"
            )  # a console or pipe that is not UTF-8 loses signs, not the run
    words = sys.argv[1:] if argv is None else argv
    args = build_parser(words[0] if words else "").parse_args(words)
    try:
        command = import_module(f"smartsale_emu.cli.{args.command.replace('-', '_')}")
        status: int = command.run(args)
    except SetupError as error:
        print(f"smartsale-emu: {error}", file=sys.stderr)
        return SETUP_FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:  # of our own output; ports and files have errors of their own
        print(f"smartsale-emu: {error.strerror or error}", file=sys.stderr)
        return SETUP_FAILED
    return status
