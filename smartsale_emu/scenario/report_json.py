"""What came of playing, as JSON for other programs.

One object; every key is always there, ``null``, ``""``, ``[]`` or ``{}`` when there is nothing to tell::

    format      1
    totals      scenarios, passed, failed, stopped (could not be played), virtual_ms, wall_s
    scenarios   a list, one for each case, in the order of playing:
      file, number    where it stands; number: of the case in its file, from 1
      name, title, teaches, parameters    parameters: an object, names to values
      seed, status    status: passed, failed or stopped
      virtual_ms, wall_s, digest          virtual_ms and digest: null if stopped
      failure   null, or: step (from 1; one past the last: the end), expected, came, at_ms, state, replay
      stopped   why it could not be played
      exchange  a list, empty if no log was kept: at_ms, until_ms, kind, from, to, label, text, fate, details

``from``, ``to`` and the rest of an exchange: see `exchange`.
"""

import json
from collections.abc import Sequence

from smartsale_emu.scenario.checks import Failure
from smartsale_emu.scenario.exchange import Happening, read_exchange
from smartsale_emu.scenario.results import Result
from smartsale_emu.scenario.told_results import expected, readable, replay, status, totals


def report(results: Sequence[Result]) -> str:
    """Return the report."""
    told = {"format": 1, "totals": totals(results), "scenarios": [_scenario(result) for result in results]}
    return readable(json.dumps(told, ensure_ascii=False, indent=1, default=str)) + "\n"


def _scenario(result: Result) -> dict[str, object]:
    case, played = result.case, result.played
    return {
        "file": case.origin,
        "number": case.number,
        "name": case.name,
        "title": case.scenario.title,
        "teaches": case.scenario.teaches or "",
        "parameters": dict(case.values),
        "seed": result.seed,
        "status": status(result),
        "virtual_ms": played.took if played is not None else None,
        "wall_s": round(result.wall, 6),
        "digest": played.digest if played is not None else None,
        "failure": _failure(result, result.failure) if result.failure is not None else None,
        "stopped": result.stopped,
        "exchange": [_happening(row) for row in read_exchange(result.log)],
    }


def _failure(result: Result, failure: Failure) -> dict[str, object]:
    return {
        "step": failure.step + 1,
        "expected": expected(result, failure),
        "came": failure.problem,
        "at_ms": failure.at,
        "state": failure.state,
        "replay": replay(result),
    }


def _happening(row: Happening) -> dict[str, object]:
    return {
        "at_ms": row.at,
        "until_ms": row.until,
        "kind": row.kind,
        "from": row.source,
        "to": row.target,
        "label": row.label,
        "text": row.text,
        "fate": row.fate,
        "details": dict(row.details),
    }
