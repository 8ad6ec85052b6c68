"""``trace``: a trace as a capture file, and the dissector that reads it."""

import argparse
import sys

from smartsale_emu.errors import SetupError
from smartsale_emu.runtime.resources import read_dissector_template
from smartsale_emu.runtime.trace_file import load_trace, write_new
from smartsale_emu.runtime.wireshark import install_script
from smartsale_emu.traces.capture import capture, packets_of
from smartsale_emu.traces.dissector import dissector


def run(args: argparse.Namespace) -> int:
    """Make what is asked for; status 0."""
    return _pcapng(args) if args.made == "pcapng" else _dissector(args)


def _pcapng(args: argparse.Namespace) -> int:
    trace = load_trace(args.trace)
    if trace.cut_short:
        print(f"{args.trace}: the last line is not whole yet, and is left out", file=sys.stderr)
    packets = packets_of(trace)
    write_new(args.file, capture(packets), force=args.force)
    counted = "1 packet" if len(packets) == 1 else f"{len(packets)} packets"
    print(f"{args.file}: {counted}; open it with: wireshark {args.file}")
    return 0


def _dissector(args: argparse.Namespace) -> int:
    if args.install and args.file is not None:
        raise SetupError("trace dissector: --install knows its own place; leave FILE out")
    text = dissector(read_dissector_template())
    if args.install:
        print(f"{install_script(text)}: installed; Wireshark reads it at its next start (or Ctrl-Shift-L)")
    elif args.file is not None:
        write_new(args.file, text.encode(), force=args.force)
        print(f"{args.file}: written; try it with: tshark -X lua_script:{args.file} -r FILE.pcapng")
    else:
        sys.stdout.write(text)
    return 0
