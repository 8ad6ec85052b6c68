"""What came of playing, as JUnit XML: a suite for every file, a test case for every case."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from smartsale_emu.scenario.checks import Failure
from smartsale_emu.scenario.exchange import read_exchange, told_line
from smartsale_emu.scenario.results import Result
from smartsale_emu.scenario.told_results import expected, place, readable, replay, status

LIMIT = 8000
"""Characters of a text at most; servers that collect such reports are not fond of more."""

_NAME = "smartsale-emu play"


def report(results: Sequence[Result]) -> str:
    """Return the report, to be written as UTF-8."""
    root = ET.Element("testsuites", {"name": _NAME, **_counts(results)})
    for origin, cases in groupby(sorted(results, key=_origin), key=_origin):
        _suite(root, origin, list(cases))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def clipped(text: str, limit: int = LIMIT) -> str:
    """Return a text of at most so many characters: its beginning, its end, and a line about the rest.

    >>> clipped("a" * 100 + "b" * 100, limit=60)
    'aaaaaaaaaaaaa\\n… 174 characters are left out …\\nbbbbbbbbbbbbb'
    """
    if len(text) <= limit:
        return text
    kept = (limit - len(_left_out(len(text)))) // 2
    return f"{text[:kept]}{_left_out(len(text) - 2 * kept)}{text[len(text) - kept :]}"


def xml_text(text: str) -> str:
    """Return a text that may stand in the report."""
    return clipped(readable(text))


def _left_out(count: int) -> str:
    return f"\n… {count} characters are left out …\n"


def _origin(result: Result) -> str:
    return result.case.origin


def _counts(results: Sequence[Result]) -> dict[str, str]:
    found = [status(result) for result in results]
    return {
        "tests": str(len(found)),
        "failures": str(found.count("failed")),
        "errors": str(found.count("stopped")),
        "time": f"{sum(result.wall for result in results):.6f}",
    }


def _suite(root: ET.Element, origin: str, results: Sequence[Result]) -> None:
    counts = _counts(results)
    suite = ET.SubElement(root, "testsuite", {"name": xml_text(origin), **counts, "skipped": "0"})
    for result in results:
        _case(suite, result)


def _case(suite: ET.Element, result: Result) -> None:
    name = {"classname": xml_text(_class_name(result.case.origin)), "name": xml_text(result.case.name)}
    case = ET.SubElement(suite, "testcase", {**name, "time": f"{result.wall:.6f}"})
    properties = ET.SubElement(case, "properties")
    for key, value in _facts(result):
        ET.SubElement(properties, "property", {"name": key, "value": xml_text(value)})
    if result.stopped:
        error = ET.SubElement(case, "error", {"message": xml_text(result.stopped), "type": "stopped"})
        error.text = xml_text(f"{result.stopped}\nreplay: {replay(result)}")
    elif result.failure is not None:
        message = {"message": xml_text(_message(result, result.failure)), "type": "failed"}
        ET.SubElement(case, "failure", message).text = xml_text(_told(result, result.failure))


def _class_name(origin: str) -> str:
    """Return the file as a dotted name, as collectors group by it.

    >>> _class_name("scenarios/line/final-lost.yaml"), _class_name("../x.y.yml")
    ('scenarios.line.final-lost', 'x_y')
    """
    stem = re.sub(r"\.ya?ml$", "", origin.replace("\\", "/"))
    return ".".join(part.replace(".", "_") for part in stem.split("/") if part.strip("."))


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    yield "seed", str(result.seed)
    if result.played is not None:
        yield "virtual_ms", str(result.played.took)
        yield "digest", result.played.digest


def _message(result: Result, failure: Failure) -> str:
    return f"{place(result, failure)}: {failure.problem}"


def _told(result: Result, failure: Failure) -> str:
    """Return what it takes to understand it; of a long exchange the beginning and the end are kept."""
    exchange = [told_line(row) for row in read_exchange(result.log)] or ["nothing was kept"]
    where = f"{place(result, failure)}, after {failure.at / 1000:.3f} s, terminal {failure.state}"
    parts = (
        ("expected", expected(result, failure)),
        ("came", failure.problem),
        ("where", where),
        ("replay", replay(result)),
        ("exchange", "\n".join(exchange)),
    )
    return "\n".join(f"{name}:\n{clipped(text, LIMIT // 8)}" for name, text in parts[:-1]) + (
        f"\nexchange:\n{parts[-1][1]}"
    )
