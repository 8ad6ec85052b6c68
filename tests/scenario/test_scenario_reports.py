"""Reports of played scenarios: JUnit XML, JSON and the page, of good, bad and unplayable ones."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from smartsale_emu.emulator.doors import Trace
from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.scenario import report_html, report_json, report_junit
from smartsale_emu.scenario.loader import load_cases
from smartsale_emu.scenario.results import Result, play_case
from smartsale_emu.units import Millis

LOST = """
format: 1
title: The answer is lost
teaches: Silence is not a refusal.
steps:
  - register: sale 100.00
    habits: {final: none}
  - card: tap mir-contactless
  - expect: {outcome: no answer, bank: {reversed: 1, net: 0.00}}
"""
WRONG = """
format: 1
title: A <wrong> & "surprising" end
steps:
  - line: drop wait
  - register: sale 100.00
  - card: insert mir-chip
  - pin: "1234"
  - expect: {answer: {39: "16"}, bank: {net: 99.00}}
    after: 1500ms
"""
NEVER = """
format: 1
title: A card that nobody asks for
steps:
  - card: tap mir-contactless
"""
MATRIX = """
format: 1
title: Several amounts
matrix: {amount: ["1.00", "2.00"]}
steps:
  - register: sale ${amount}
  - card: tap mir-contactless
  - expect: {answer: {39: "1"}}
"""
TUNNEL = """
format: 1
title: The register calls the bank
scheme: pkh
steps:
  - register: sale 100.00
  - card: tap mir-contactless
  - expect: {answer: {39: "1"}}
"""


def played(text: str, origin: str = "shop/lost.yaml", *, told: bool = True) -> list[Result]:
    results = []
    for case in load_cases(text, origin=origin):
        ended, log = play_case(case, FileLibrary(), seed=1, told=told)
        results.append(Result(case, 1, 0.25, ended, log))
    return results


@pytest.fixture(scope="module")
def results() -> list[Result]:
    stopped = replace(
        played(LOST, "shop/stopped.yaml")[0], played=None, log=(), stopped="the card\x00 is \ud800 not known"
    )
    several = played(MATRIX, "day/several.yaml", told=False)
    return [*played(LOST), *played(WRONG, "shop/a file.yaml"), *several, *played(NEVER, "n.yaml"), stopped]


def long_log(count: int) -> list[tuple[Millis, Trace]]:
    return [(Millis(at * 700), Trace("decision", f"thing {at}")) for at in range(count)]


def waits(count: int) -> list[tuple[Millis, Trace]]:
    """Waits, each with its ACK, and something else in the end."""
    details = [
        {"to": "register", "bytes": 10, "fate": "arrives"},
        {"to": "pinpad", "bytes": 1, "fate": "arrives"},
    ]
    units = [("wait", details[0]), ("ack of wait", details[1])]
    log = [(Millis(at * 10_000), Trace("unit", name, shown)) for at in range(count) for name, shown in units]
    return [*log, (Millis(count * 10_000), Trace("decision", "enough"))]


# --- JUnit -----------------------------------------------------------------------------------------------

ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "time", "skipped"},
    "testcase": {"classname", "name", "time"},
    "properties": set(),
    "property": {"name", "value"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"properties", "failure", "error"},
    "properties": {"property"},
}


def test_junit_has_the_well_known_shape(results: list[Result]) -> None:
    root = ET.fromstring(report_junit.report(results))
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) == ATTRIBUTES[element.tag]
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
    for suite in root:
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
    for count in ("tests", "failures", "errors"):
        assert int(root.attrib[count]) == sum(int(suite.attrib[count]) for suite in root)
    assert {suite.attrib["name"] for suite in root} == {result.case.origin for result in results}


def test_junit_tells_a_failure(results: list[Result]) -> None:
    root = ET.fromstring(report_junit.report(results))
    failure = root.find("testsuite[@name='shop/a file.yaml']/testcase/failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("step 5 of 5: field 39 is '1', not 16")
    text = failure.text or ""
    for told in (
        "net: '99.00'",
        "after: 1500ms",
        "terminal idle",
        "smartsale-emu play 'shop/a file.yaml' --seed 1",
        "wait 1 (lost)",
        "register → pinpad  request: 25=1 0=10000",
        "bank → pinpad  39=00",
    ):
        assert told in text


def test_junit_holds_the_facts(results: list[Result]) -> None:
    root = ET.fromstring(report_junit.report(results[:1]))
    facts = {one.attrib["name"]: one.attrib["value"] for one in root.iter("property")}
    ended = results[0].played
    assert ended is not None
    assert facts == {"seed": "1", "virtual_ms": str(ended.took), "digest": ended.digest}
    assert root.find("testsuite/testcase[@classname='shop.lost']") is not None


def test_junit_replaces_what_xml_cannot_hold(results: list[Result]) -> None:
    error = ET.fromstring(report_junit.report(results)).find("testsuite/testcase/error")
    assert error is not None
    assert (
        error.attrib["message"] == "the card\N{REPLACEMENT CHARACTER} is \N{REPLACEMENT CHARACTER} not known"
    )


def test_junit_clips_its_texts(results: list[Result]) -> None:
    long = replace(results[1], log=long_log(5000))
    root = ET.fromstring(report_junit.report([long, replace(results[-1], stopped="x" * 20_000)]))
    texts = [text for element in root.iter() for text in (element.text or "", *element.attrib.values())]
    assert max(map(len, texts)) <= report_junit.LIMIT
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None
    lines = (failure.text or "").splitlines()
    assert lines[0] == "expected:"
    assert any(re.fullmatch(r"… \d+ characters are left out …", line) for line in lines)
    assert lines[-1].lstrip().startswith(f"{4999 * 0.7:.3f} s")


@pytest.mark.parametrize("length", [*range(7990, 8012), 79_999, 100_000, 1_000_000])
def test_a_clipped_text_is_never_too_long(length: int) -> None:
    text = "".join(chr(65 + at % 26) for at in range(length))
    clipped = report_junit.clipped(text)
    assert len(clipped) <= report_junit.LIMIT
    assert clipped[:1000] == text[:1000]
    assert clipped[-1000:] == text[-1000:]
    if length > report_junit.LIMIT:
        kept = re.sub(r"\n… \d+ characters are left out …\n", "", clipped)
        (left_out,) = re.findall(r"(\d+) characters", clipped)
        assert len(kept) + int(left_out) == length


# --- JSON ------------------------------------------------------------------------------------------------


def test_json_has_stable_keys(results: list[Result]) -> None:
    told = json.loads(report_json.report(results))
    assert list(told) == ["format", "totals", "scenarios"]
    assert told["format"] == 1
    assert told["totals"]["scenarios"] == len(results)
    assert told["totals"]["failed"] == 2
    assert told["totals"]["stopped"] == 1
    documented = set(re.findall(r"\w+", report_json.__doc__ or ""))
    for scenario in told["scenarios"]:
        assert set(scenario) == set(told["scenarios"][0])
        assert set(scenario) <= documented
        for row in scenario["exchange"]:
            assert set(row) == set(told["scenarios"][0]["exchange"][0])
            assert set(row) <= documented
    assert set(told["totals"]) <= documented
    assert [one["status"] for one in told["scenarios"]] == [
        "passed",
        "failed",
        "passed",
        "passed",
        "failed",
        "stopped",
    ]


def test_json_tells_a_failure(results: list[Result]) -> None:
    failure = json.loads(report_json.report(results))["scenarios"][1]["failure"]
    assert failure["step"] == 5
    assert failure["state"] == "idle"
    assert "field 39 is '1', not 16" in failure["came"]
    assert failure["replay"].endswith("--seed 1")


def test_the_exchange_puts_together_what_belongs_together() -> None:
    rows = report_json.read_exchange(played(LOST)[0].log)
    (request,) = [row for row in rows if row.label == "request"]
    assert (request.source, request.target, request.text) == ("register", "pinpad", "25=1 0=10000")
    assert request.details["25"] == "1"
    first = next(row for row in rows if row.label == "block 1 of 3")
    assert "39=1" in first.text
    copies = [row for row in rows if row.label == "final, block 3 of 3"]
    assert len(copies) == 3
    assert "copy 3 of 3" in copies[2].text
    assert [row.label for row in rows if row.target == "bank"] == ["financial purchase", "reversal purchase"]


def test_the_exchange_tells_the_tunnel_by_its_own_messages() -> None:
    rows = report_json.read_exchange(played(TUNNEL)[0].log)
    tunnel = [row.text for row in rows if row.label == "tunnel request"]
    assert tunnel[0].startswith("25=63 65=16 64=1")
    assert all(text.startswith("25=63") for text in tunnel)
    (first,) = [row for row in rows if row.label == "block 1 of 3"]
    assert first.text.startswith("25=1 39=1")


def test_a_log_without_units_is_told_by_its_frames() -> None:
    log = [(at, trace) for at, trace in played(LOST)[0].log if trace.kind != "unit"]
    rows = report_json.read_exchange(log)
    assert any(row.source == "pinpad" and row.label == "wait 1" for row in rows)
    assert any(row.label == "request" and row.text == "25=1 0=10000" for row in rows)
    assert any(row.label == "the register acknowledged the wait" for row in rows)


def test_bytes_one_by_one_are_one_row() -> None:
    details = {"to": "pinpad", "bytes": 1, "fate": "arrives"}
    rows = report_json.read_exchange([(Millis(at), Trace("unit", "bytes", details)) for at in range(40)])
    assert [(row.label, row.at, row.until) for row in rows] == [("bytes ×40", 0, 39)]


# --- the page --------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects addresses, the text, and whether what is opened is closed."""

    VOID = frozenset({"meta", "rect", "path", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        assert tag in self.VOID

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_needs_nothing_else(results: list[Result]) -> None:
    text = report_html.report(results)
    page = Page(text)
    assert page.open == []
    assert {link[1:] for link in page.links} == {"s1", "s4", "s5"}
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert len(set(page.ids)) == len(page.ids)
    assert not re.search(r"https?:|url\(|@import|//", text)
    assert "prefers-color-scheme:dark" in text
    assert "@media print" in text


def test_the_page_tells_everything(results: list[Result]) -> None:
    page = Page(report_html.report(results))
    for told in (
        "3 of 6 scenarios passed",
        "Silence is not a refusal.",
        'A <wrong> & "surprising" end',
        "Several amounts [amount=1.00]",
        "No exchange was kept.",
        "smartsale-emu play shop/lost.yaml --seed 1",
        "which never comes",
        "the card\N{REPLACEMENT CHARACTER} is",
    ):
        assert told in page.text


@pytest.mark.parametrize("report", [report_html.report, report_json.report, report_junit.report])
def test_a_report_is_utf_8_and_the_same_again(
    report: Callable[[Sequence[Result]], str], results: list[Result]
) -> None:
    text = report(results)
    text.encode()
    assert text == report(results)


def test_only_what_failed_is_unfolded(results: list[Result]) -> None:
    unfolded = re.findall(r'class="case (\w+)"( open)?>', report_html.report(results))
    assert all((state != "passed") == bool(is_open) for state, is_open in unfolded)
    assert len(unfolded) == len(results)


def drawings(page: str) -> list[ET.Element]:
    return [ET.fromstring(text) for text in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def test_a_drawing_shows_losses_pauses_and_the_failure(results: list[Result]) -> None:
    (*_, last) = drawings(report_html.report([results[1]]))
    kinds = [element.attrib.get("class", "") for element in last.iter("g")]
    assert kinds.count("band failure") == 1
    assert "band failure" in [kind for kind in kinds if kind][-1]
    text = report_html.report([results[1]])
    assert "wait 1 — lost" in text
    assert "7.0 s pass" in report_html.report([results[0]])


def test_a_long_log_becomes_several_sheets(results: list[Result]) -> None:
    sheets = drawings(report_html.report([replace(results[1], log=long_log(500))]))
    assert len(sheets) > 10
    for sheet in sheets:
        assert int(sheet.attrib["height"]) <= report_html.SHEET + 8
        names = {element.text for element in sheet.iter("text")}
        assert {"customer", "register", "pinpad", "bank"} <= names
        moved = [re.findall(r"\d+", group.attrib.get("transform", "")) for group in sheet.iter("g")]
        tops = [int(found[1]) for found in moved if found]
        assert tops == sorted(tops)


@pytest.mark.parametrize(("count", "folded"), [(4, False), (5, True), (300, True)])
def test_what_goes_on_and_on_is_drawn_once(results: list[Result], count: int, *, folded: bool) -> None:
    text = report_html.report([replace(results[0], log=waits(count))])
    assert (f"{count - 1} times more, until {(count - 1) * 10}.000 s" in text) == folded
    assert text.count(">ACK<") == (1 if folded else count)
    assert "enough" in text
    assert len(report_json.read_exchange(waits(count))) == 2 * count + 1


def test_no_pin_and_no_track_is_in_a_report(results: list[Result]) -> None:
    track = "4276550000000008=30122010000012345678"
    own = LOST.replace("sale 100.00", f"sale 100.00 track2={track}").replace(
        "  - card: tap mir-contactless\n", ""
    )
    cases = [results[1], *played(own)]
    for report in (report_html, report_json, report_junit):
        text = report.report(cases)
        assert track not in text
        assert not re.search(r"\b1234\b", text)


def test_nothing_played_is_a_report_too() -> None:
    assert ET.fromstring(report_junit.report([])).attrib["tests"] == "0"
    assert json.loads(report_json.report([]))["scenarios"] == []
    assert Page(report_html.report([])).open == []
