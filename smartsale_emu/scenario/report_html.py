"""What came of playing, as one page that needs nothing else: a list, and who said what to whom as drawings.

Read on a phone, printed, by light or in the dark. A drawing is cut into sheets of about a screen's height,
each with the names of the lifelines, so a long exchange can be read and printed. The script only folds.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from html import escape
from itertools import groupby

from smartsale_emu.scenario.exchange import ARRIVES, Happening, read_exchange
from smartsale_emu.scenario.results import Result
from smartsale_emu.scenario.told_results import expected, place, readable, replay, status, told_step, totals
from smartsale_emu.units import Millis

WIDTH, SHEET = 640, 820
"""Of a drawing, and the height at which the next sheet begins."""

PAUSE = Millis(1000)
"""From here on a pause is drawn as a break."""

OFTEN, LONGEST = 5, 12
"""What comes so often in a row is drawn once; and how many rows such a round may have."""

_COUNTED = re.compile(r"(?<=wait )\d+|(?<=attempt=)\d+")
_X = {"customer": 92, "register": 208, "pinpad": 404, "bank": 594}
_LINE, _CHAR, _BOLD, _HEAD = 15, 6.5, 7.4, 34


# --- one row of a drawing: its height and its marks, y = 0 at its top ---------------------------------------

Row = tuple[int, str]


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(text)}</text>'


def _breadth(text: str) -> float:
    """Return how many usual signs a text is as broad as: capitals are broader."""
    return sum(1.35 if sign.isupper() else 1.0 for sign in text)


def _wrapped(text: str, width: float, char: float = _CHAR) -> list[str]:
    fits = width / char * len(text) / max(_breadth(text), 1)
    return textwrap.wrap(text, max(12, int(fits))) or [""]


def _arrow(row: Happening) -> Row:
    start, end = _X[row.source], _X[row.target]
    brief = row.label.startswith("ack of")
    label = "ACK" if brief and not row.text else row.label
    fate = "" if row.fate == ARRIVES else f" — {row.fate}"
    lines = _wrapped(label + fate, abs(end - start) - 18, _BOLD)
    more = _wrapped(row.text, abs(end - start) - 18) if row.text else []
    kind = f"{row.kind} {'brief' if brief else ''} {_fate_class(row)}"
    middle, y = (start + end) / 2, 0
    marks = []
    for line, style in [*((line, "label") for line in lines), *((line, "more") for line in more)]:
        y += _LINE - 1
        marks.append(_text(middle, y, line, f"mid {style}"))
    y += 7
    return y + (5 if brief else 9), f'<g class="{kind}">{"".join(marks)}{_shaft(start, end, y, row)}</g>'


def _fate_class(row: Happening) -> str:
    return {ARRIVES: "", "lost": "lost"}.get(row.fate, "harmed")


def _shaft(start: int, end: int, y: int, row: Happening) -> str:
    way = 1 if end > start else -1
    if row.fate == "lost":
        end = start + round((end - start) * 0.62)
        cross = f"M{end - 5} {y - 5}l10 10m0 -10l-10 10"
        return f'<path class="shaft" d="M{start} {y}H{end - 6 * way}"/><path class="cross" d="{cross}"/>'
    head = f"M{end} {y}l{-8 * way} -4v8z"
    return f'<path class="shaft" d="M{start} {y}H{end - 6 * way}"/><path class="head" d="{head}"/>'


def _note(row: Happening) -> Row:
    """A note at the pinpad's line: a state, a decision, a screen."""
    x = _X["pinpad"] + 9
    width = WIDTH - x - 18
    lines = [(line, "label", _BOLD) for line in _wrapped(row.label, width, _BOLD)] if row.label else []
    char = _BOLD if row.kind == "screen" else _CHAR
    lines += [
        (line, "more", char) for part in row.text.split("\n") for line in _wrapped(part, width, char) if line
    ]
    high = len(lines) * (_LINE - 1) + 7
    wide = min(width, max((_breadth(line) * char for line, _, char in lines), default=0)) + 14
    texts = ((14 + at * (_LINE - 1), line, kind) for at, (line, kind, _) in enumerate(lines))
    marks = "".join(_text(x + 8, y, line, kind) for y, line, kind in texts)
    box = f'<rect x="{x}" y="1" width="{wide:.0f}" height="{high}" rx="5"/>'
    return high + 6, f'<g class="note {escape(row.kind)}">{box}{marks}</g>'


def _band(row: Happening, kind: str = "step") -> Row:
    """Something of the whole story: a step, or where it failed."""
    lines = _wrapped(row.text, WIDTH - 136)
    high = len(lines) * _LINE + 8
    marks = "".join(_text(120, 16 + at * _LINE, line, "more") for at, line in enumerate(lines))
    box = f'<rect x="54" y="1" width="{WIDTH - 58}" height="{high}" rx="5"/>'
    return high + 8, f'<g class="band {kind}">{box}{_text(62, 16, row.label, "label")}{marks}</g>'


def _pause(time: int) -> Row:
    marks = [
        f'<rect class="gap" x="{x - 6}" y="4" width="12" height="22"/>'
        f'<path class="life" d="M{x} 4l6 4l-12 5l12 5l-6 4"/>'
        for x in _X.values()
    ]
    middle = (_X["register"] + _X["pinpad"]) / 2
    return 32, f'<g class="pause">{"".join(marks)}{_text(middle, 19, f"{_lasting(time)} pass", "mid")}</g>'


def _drawn(row: Happening) -> Row:
    if row.kind == "failure":
        return _band(row, "failure")
    if row.kind in ("step", "again"):
        return _band(row, row.kind)
    return _arrow(row) if row.source in _X and row.target in _X else _note(row)


# --- a drawing ---------------------------------------------------------------------------------------------


def _drawing(result: Result) -> str:
    """Return the sheets of one case."""
    sheets: list[list[str]] = [[]]
    y, before, told = _HEAD, Millis(0), ""
    for row in _with_failure(result):
        rows = [_pause(row.at - before)] if row.at - before >= PAUSE else []
        before = max(before, row.until)
        high, marks = _drawn(row)
        now = f"{row.at / 1000:.{3 if row.at < 1_000_000 else 1}f}"
        if now != told:
            marks += _text(46, 15, now, "time")
            told = now
        rows.append((high, marks))
        if y + sum(height for height, _ in rows) > SHEET:
            sheets[-1].append(str(y))
            sheets.append([])
            y = _HEAD
        for height, drawn in rows:
            sheets[-1].append(f'<g transform="translate(0 {y})">{drawn}</g>')
            y += height
    sheets[-1].append(str(y))
    return "".join(_sheet(marks, int(high), result.case.name) for *marks, high in sheets)


def _folded(rows: Sequence[Happening]) -> Iterator[Happening]:
    """Yield what happened; of what goes on and on the first time, and how often it comes again."""
    kinds, at = [_kind(row) for row in rows], 0
    while at < len(rows):
        size, times = next(
            ((size, times) for size in range(1, LONGEST + 1) if (times := _times(kinds, at, size)) >= OFTEN),
            (1, 1),
        )
        yield from rows[at : at + size]
        if times > 1:
            again, last = rows[at + size], rows[at + size * times - 1]
            told = f"{times - 1} times more, until {last.until / 1000:.3f} s"
            yield replace(last, at=again.at, kind="again", source="", target="", label="again", text=told)
        at += size * times


def _kind(row: Happening) -> tuple[str, ...]:
    label, text = (_COUNTED.sub("", told) for told in (row.label, row.text))
    return row.kind, row.source, row.target, row.fate, label, text


def _times(kinds: Sequence[tuple[str, ...]], at: int, size: int) -> int:
    """Return how often these rows stand there, one after the other."""
    times = 1
    while kinds[at : at + size] == kinds[at + size * times : at + size * (times + 1)]:
        times += 1
    return times


def _with_failure(result: Result) -> Iterator[Happening]:
    """Yield what happened, the failure at its place."""
    rows, failure = list(_folded(read_exchange(result.log))), result.failure
    if failure is None:
        yield from rows
        return
    yield from (row for row in rows if row.at <= failure.at)
    text = f"{failure.problem} (terminal {failure.state})"
    where = f"step {failure.step + 1}" if failure.step < len(result.case.scenario.steps) else "the end"
    yield Happening(failure.at, failure.at, "failure", label=where, text=text)
    yield from (row for row in rows if row.at > failure.at)


def _sheet(marks: list[str], high: int, name: str) -> str:
    high += 8
    lives = "".join(
        f'<path class="life" d="M{x} 26V{high}"/><rect class="who" x="{x - 42}" y="4" width="84" height="22" '
        f'rx="11"/>{_text(x, 19, who, "mid who")}'
        for who, x in _X.items()
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {high}" width="{WIDTH}" height="{high}" role="img" '
        f'aria-label="{escape(name)}">{lives}{"".join(marks)}</svg>'
    )


# --- the page ----------------------------------------------------------------------------------------------


def report(results: Sequence[Result]) -> str:
    """Return the page."""
    found, broken = totals(results), [one for one in enumerate(results) if not one[1].passed]
    well = "passed" if not broken else "failed"
    head = (
        f'<header class="{well}"><h1>{found["passed"]} of {found["scenarios"]} scenarios passed</h1>'
        f"<p>{_lasting(found['virtual_ms'])} played in {found['wall_s']:.2f} s · "
        f"{found['failed']} failed · {found['stopped']} could not be played</p>"
        f'<progress max="{found["scenarios"] or 1}" value="{found["passed"]}"></progress>'
        '<p id="folds" hidden><button>Unfold all</button> <button>Fold all</button> '
        "<button>Only what failed</button></p></header>"
    )
    links = "".join(
        f'<li><a href="#s{at}">{escape(one.case.name)}</a>: {_why(one)}</li>' for at, one in broken
    )
    wrong = f'<section class="wrong"><h2>What failed</h2><ul>{links}</ul></section>' if broken else ""
    groups = groupby(sorted(enumerate(results), key=lambda one: _folder(one[1])), lambda one: _folder(one[1]))
    body = "".join(_group(folder, list(cases)) for folder, cases in groups)
    page = _PAGE.format(title=f"{well}: scenarios", style=_STYLE, body=head + wrong + body, fold=_FOLD)
    return readable(page)


def _why(result: Result) -> str:
    failure = result.failure
    return escape(f"{place(result, failure)}: {failure.problem}" if failure else result.stopped)


def _folder(result: Result) -> str:
    return result.case.origin.replace("\\", "/").rpartition("/")[0] or "(no folder)"


def _group(folder: str, cases: Iterable[tuple[int, Result]]) -> str:
    told = [(at, result) for at, result in cases]
    passed = sum(result.passed for _, result in told)
    shown = "".join(_case(at, result) for at, result in told)
    count = f"{passed} of {len(told)} passed"
    return f"<section><h2>{escape(folder)} <small>{count}</small></h2>{shown}</section>"


def _case(at: int, result: Result) -> str:
    case, state = result.case, status(result)
    lasting = _lasting(result.played.took) if result.played is not None else ""
    head = f'<b class="mark">{state}</b> <span>{escape(case.name)}</span> <time>{lasting}</time>'
    teaches = f'<p class="teaches">{escape(case.scenario.teaches)}</p>' if case.scenario.teaches else ""
    unfolded = "" if result.passed else " open"
    return (
        f'<details id="s{at}" class="case {state}"{unfolded}><summary>{head}</summary>'
        f"{teaches}{_wrong(result)}{_story(result)}{_exchange(result)}<dl>{_facts(result)}</dl></details>"
    )


def _wrong(result: Result) -> str:
    failure = result.failure
    if failure is None:
        return f'<pre class="problem">{escape(result.stopped)}</pre>' if result.stopped else ""
    rows = (
        ("where", f"{place(result, failure)}, after {failure.at / 1000:.3f} s, terminal {failure.state}"),
        ("expected", expected(result, failure)),
        ("came", failure.problem),
    )
    told = "".join(f"<dt>{name}</dt><dd><pre>{escape(text)}</pre></dd>" for name, text in rows)
    return f'<dl class="problem">{told}</dl>'


def _story(result: Result) -> str:
    bad = result.failure.step if result.failure else -1
    steps = "".join(
        f"<li{' class=bad' if number == bad else ''}><pre>{escape(told_step(result, number))}</pre></li>"
        for number in range(len(result.case.scenario.steps))
    )
    return f"<h3>The story</h3><ol>{steps}</ol>"


def _exchange(result: Result) -> str:
    if not result.log:
        return '<p class="none">No exchange was kept.</p>'
    return f'<h3>The exchange</h3><div class="sheets" tabindex="0">{_drawing(result)}</div>'


def _facts(result: Result) -> str:
    facts = [("file", result.case.origin), ("play again", replay(result))]
    if result.played is not None:
        facts.append(("digest", result.played.digest))
    return "".join(f"<dt>{name}</dt><dd><code>{escape(text)}</code></dd>" for name, text in facts)


def _lasting(millis: float) -> str:
    """Return a time as people say it.

    >>> _lasting(21_614), _lasting(125_000), _lasting(7_380_000)
    ('21.6 s', '2 min 05 s', '2 h 03 min')
    """
    seconds = millis / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


_DARK = """
--page:#11151b;--paper:#191f28;--ink:#e4e9f0;--mute:#9aa6b6;--rule:#343d4b;--blue:#7fb0ff;
--violet:#cf9bff;--green:#63cf98;--teal:#6cc9cf;--amber:#e8b45a;--red:#ff8a80;--redpaper:#3a1c1e;
--notepaper:#1d2833;--band:#232b37;
"""
_LIGHT = """
--page:#f4f6f9;--paper:#fff;--ink:#1b2330;--mute:#5f6b7c;--rule:#ccd3dd;--blue:#1f5fc4;
--violet:#8331b5;--green:#137a48;--teal:#0d6a72;--amber:#8f5a00;--red:#c3241c;--redpaper:#fdeceb;
--notepaper:#eef6f8;--band:#eceff4;
"""
_STYLE = (
    f"""
:root{{color-scheme:light dark;{_LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}
@media print{{:root{{color-scheme:light;{_LIGHT}--page:#fff}}}}
"""
    """
@media print{
  #folds{display:none!important} svg,li,.problem{break-inside:avoid}
  .sheets{overflow:visible!important} .sheets svg{min-width:0!important}
}
*{box-sizing:border-box} body{margin:0 auto;max-width:860px;padding:16px;background:var(--page);
  color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;
  overflow-wrap:anywhere} h1{font-size:1.55rem;margin:.2em 0} h2{font-size:1.05rem;margin:1.8em 0 .5em}
h2 small{color:var(--mute);font-weight:400;margin-left:.5em} h3{font-size:.8rem;text-transform:uppercase;
  letter-spacing:.06em;color:var(--mute);margin:1.4em 0 .4em} a{color:var(--blue)}
code,pre{font:12.5px/1.45 ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;margin:0;
  white-space:pre-wrap} header p{color:var(--mute);margin:.2em 0 .7em}
header.passed h1{color:var(--green)} header.failed h1{color:var(--red)} progress{appearance:none;
  display:block;width:100%;height:8px;border:0;border-radius:4px;background:var(--red);overflow:hidden}
progress::-webkit-progress-bar{background:var(--red)}
progress::-webkit-progress-value{background:var(--green)}
progress::-moz-progress-bar{background:var(--green)} button{font:inherit;font-size:.85rem;
  color:var(--ink);background:var(--paper);border:1px solid var(--rule);border-radius:6px;
  padding:3px 10px;cursor:pointer} .wrong ul{padding-left:1.2em} .case{background:var(--paper);
  border:1px solid var(--rule);border-left:4px solid var(--green);border-radius:8px;margin:8px 0;
  padding:0 14px} .case.failed,.case.stopped{border-left-color:var(--red)}
.case[open]{padding-bottom:14px} summary{display:flex;gap:10px;align-items:baseline;padding:9px 0;
  cursor:pointer} summary span{flex:1} summary time{color:var(--mute);font-size:.85rem;white-space:nowrap}
.mark{color:var(--green);font-size:.8rem;flex:none} .failed .mark,.stopped .mark{color:var(--red)}
.teaches{color:var(--mute);font-style:italic;margin:.1em 0 .9em} .none{color:var(--mute)} dl{display:grid;
  grid-template-columns:max-content 1fr;gap:4px 14px;margin:14px 0 0} dt{color:var(--mute);
  font-size:.85rem} dd{margin:0} .problem{background:var(--redpaper);border-radius:6px;padding:10px 12px;
  margin:0} ol{margin:0;padding-left:2em} li::marker{color:var(--mute);font-size:.85rem}
li.bad{background:var(--redpaper);border-radius:4px} li.bad::marker{color:var(--red);font-weight:700}
li.bad pre{color:var(--red)} .sheets{overflow-x:auto} .sheets svg{display:block;width:100%;
  min-width:520px;max-width:740px;height:auto} svg text{font-size:11.5px;fill:var(--ink);
  paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
svg .mid{text-anchor:middle} svg .time{text-anchor:end;fill:var(--mute);font-size:11px;
  font-variant-numeric:tabular-nums} svg .label{font-weight:600} svg .more{fill:var(--mute)}
.life{stroke:var(--rule);fill:none;stroke-width:1.5} rect.who{fill:var(--band);stroke:var(--rule)}
text.who{font-weight:600;stroke:none} .gap{fill:var(--paper)} .pause text{fill:var(--mute);
  font-style:italic} .shaft{stroke:var(--c);stroke-width:1.6;fill:none} .head{fill:var(--c)}
.unit{--c:var(--blue)} .bank{--c:var(--violet)} .hands{--c:var(--green)} .line,.message{--c:var(--blue)}
.unit .label{fill:var(--blue)} .bank .label{fill:var(--violet)} .hands .label{fill:var(--green)}
.brief{--c:var(--mute)} .brief .label{fill:var(--mute);font-weight:400;font-size:10px}
.lost,.harmed{--c:var(--red)} .harmed{--c:var(--amber)} .lost .label{fill:var(--red)}
.harmed .label{fill:var(--amber)} .harmed .shaft{stroke-dasharray:5 3} .cross{stroke:var(--red);
  stroke-width:2.2;fill:none} .note rect{fill:var(--notepaper);stroke:var(--rule)}
.note text,.band text{stroke:none} .note.state .label{fill:var(--teal)}
.note.decision .more{fill:var(--amber)} .note.screen .more{fill:var(--ink);font-weight:600}
.band rect{fill:var(--band)} .band .more{fill:var(--ink)} .band.again text{fill:var(--mute);
  font-style:italic} .failure rect{fill:var(--redpaper);stroke:var(--red);stroke-width:1.5}
.failure text{fill:var(--red) !important}
@media (max-width:600px){body{padding:10px} .case{padding:0 9px} .problem{padding:8px}}
"""
)
_FOLD = """
const all=[...document.querySelectorAll(".case")],bar=document.getElementById("folds");bar.hidden=false;
const [open,fold,bad]=bar.children;open.onclick=()=>all.forEach(c=>c.open=true);
fold.onclick=()=>all.forEach(c=>c.open=false);bad.onclick=()=>{const on=bad.toggleAttribute("data-on");
bad.textContent=on?"All":"Only what failed";
document.querySelectorAll("section:not(.wrong)").forEach(s=>{s.hidden=on&&!s.querySelector(".case:not(.passed)")});
all.forEach(c=>{c.hidden=on&&c.classList.contains("passed")})};
onhashchange=()=>{const c=document.getElementById(location.hash.slice(1));if(c)c.open=true};
"""
_PAGE = (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
    "<style>{style}</style></head><body>{body}<script>{fold}</script></body></html>\n"
)
