"""``decode``: bytes in hexadecimal, explained."""

import argparse
import json
import re
import sys

from smartsale_emu.errors import SetupError
from smartsale_emu.sa.explain import explain


def run(args: argparse.Namespace) -> int:
    """Explain the bytes; status 0 when all of them are sound, 1 when something is damaged."""
    pieces = explain(_bytes(" ".join(args.hex) or sys.stdin.read()))
    if args.json:
        print(json.dumps({"units": [piece.as_json() for piece in pieces]}, ensure_ascii=False, indent=1))
    else:
        for piece in pieces:
            print("\n".join(piece.lines()))
    return 1 if any(piece.problems for piece in pieces) else 0


def _bytes(text: str) -> bytes:
    digits = re.sub(r"0x|[\s:,;-]", "", text, flags=re.IGNORECASE)
    if not digits:
        raise SetupError("decode: there are no bytes to decode")
    bad = re.search(r"[^0-9A-Fa-f]", digits)
    if bad:
        raise SetupError(
            f"decode: {bad[0]!r} is not a hexadecimal digit (place {bad.start() + 1} of the digits)"
        )
    if len(digits) % 2:
        raise SetupError(f"decode: {len(digits)} hexadecimal digits do not make whole bytes")
    return bytes.fromhex(digits)
