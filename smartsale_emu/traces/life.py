"""The life of one operation, found in a trace by its RRN or its STAN."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from smartsale_emu.errors import TraceError
from smartsale_emu.payment.authorization import Step
from smartsale_emu.payment.response_codes import moves_money
from smartsale_emu.sa.fields import Tag
from smartsale_emu.traces.moments import BANK, Moment, amount_of, is_request, moment_of
from smartsale_emu.traces.records import Record, TraceText, fields_of
from smartsale_emu.units import MinorUnits

RRN_LENGTH, STAN_DIGITS = 12, 6
_NEAR = 5
_AT_REST = frozenset({"idle", "owing"})
_CONNECTING, _CONNECTED = "bank connect", "bank answer"
_AT_REST_EVENTS = ("power is back", "next attempt is due")
_ENDED, _FAILED = "reversal ended", "the attempt failed"


class Undone(StrEnum):
    """What became of the reversal of an operation."""

    NOT_ASKED = "not asked"
    OWED = "owed"  # asked, and not answered so far
    DONE = "done"
    ALARM = "alarm"  # the bank refused it


@dataclass(frozen=True, slots=True)
class Follower:
    """A later operation that follows this one: a void, a return, a completion.

    ``stands``: the bank approved it, and nobody asked to undo it; ``undecided``: the bank may have it as
    approved, and the trace does not say.
    """

    transaction: str
    stan: int
    amount: MinorUnits
    stands: bool
    undecided: bool = False


@dataclass(frozen=True, slots=True)
class Life:
    """One operation. ``sent_at``: the date and time in its request, ISO 8601; ``amount``: 0 for none.

    ``code``: what the bank answered, empty for nothing; ``status``: field 39 of the final answer, empty if
    none was made; ``acknowledged``: the register took it; ``left``: a byte of the request may have left.
    """

    stan: int
    sent_at: str
    transaction: str
    amount: MinorUnits
    card: str
    rrn: str
    code: str
    undone: Undone
    status: str
    acknowledged: bool
    moments: tuple[Moment, ...]
    followers: tuple[Follower, ...] = ()
    left: bool = True

    @property
    def unanswered(self) -> bool:
        """Whether the bank may have heard it, and the trace has neither its answer nor a reversal."""
        return _unanswered(self.code, self.undone, left=self.left)

    @property
    def approved(self) -> bool:
        """Whether the bank approved it, as far as the pinpad has heard."""
        return moves_money(self.code)


def lives(trace: TraceText, number: str) -> list[Life]:
    """Return the operations with this RRN (12 characters) or STAN (1 to 6 digits), in the order of the trace.

    Raises:
        TraceError: ``number`` is neither, or there is none; the text says which numbers there are.
    """
    by_stan = number.isascii() and number.isdigit() and len(number) <= STAN_DIGITS
    if not by_stan and len(number) != RRN_LENGTH:
        raise TraceError(f"explain: {number!r} is no RRN (12 characters) and no STAN (1 to 6 digits)")
    found: list[Life] = []
    there: set[str] = set()
    for story in _stories(trace.records):
        numbers = _numbers(story, by_stan=by_stan)
        wanted = number.zfill(STAN_DIGITS) if by_stan else number
        there |= {told for told, _ in numbers}
        found += [_life(story, asked) for told, asked in numbers if told == wanted]
    if not found:
        name = "STAN" if by_stan else "RRN"
        near = ", ".join(f"{name} {one}" for one in _nearest(number, there))
        near = f"the nearest are {near}" if near else "there is no operation in it"
        raise TraceError(f"{trace.origin}: {number} is in no message to the bank; {near}")
    return found


def _stories(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Cut a trace where the time goes back: scenarios that were played one after another."""
    begin = 0
    for place, (before, record) in enumerate(pairwise(records), start=1):
        if record.at < before.at:
            yield records[begin:place]
            begin = place
    yield records[begin:]


def _numbers(records: Sequence[Record], *, by_stan: bool) -> list[tuple[str, Record]]:
    """Return each operation's first message to the bank, with its STAN or, where it is known, its RRN."""
    asked = _asked(records)
    if by_stan:
        return [(f"{_stan(one):06d}", one) for one in asked]
    last: dict[int, Record] = {}
    first = {one.line for one in asked}
    numbers = []
    for record in records:
        if record.line in first:
            last[_stan(record)] = record
        elif _is_answer(record) and record.text("rrn") and _stan(record) in last:
            numbers.append((record.text("rrn"), last.pop(_stan(record))))
    return numbers


def _nearest(wanted: str, there: Iterable[str]) -> list[str]:
    numbers = {int(one): one for one in there if one.isascii() and one.isdigit()}
    around = int(wanted) if wanted.isascii() and wanted.isdigit() else 0
    return [numbers[one] for one in sorted(sorted(numbers, key=lambda one: abs(one - around))[:_NEAR])]


def _asked(records: Iterable[Record]) -> list[Record]:
    """Return the first message to the bank of each operation."""
    first: dict[tuple[object, object], Record] = {}
    for record in records:
        if record.kind == "bank" and record.text("direction") == "out" and _own(record):
            first.setdefault((record.details.get("stan"), record.details.get("sent_at")), record)
    return list(first.values())


def _own(record: Record) -> bool:
    return record.text("step") not in (Step.REVERSAL, Step.UPLOAD)


def _is_answer(record: Record) -> bool:
    return record.kind == "bank" and record.text("direction") == "in" and _own(record)


def _stan(record: Record) -> int:
    stan = record.details.get("stan")
    return stan if isinstance(stan, int) else 0


def _answer(records: Sequence[Record], asked: Record) -> dict[str, str]:
    """Return the bank's answer to a request: that with its STAN, before the STAN is used again."""
    for record in _after(records, asked):
        if record.kind == "bank" and record.text("direction") == "out" and _own(record):
            if _stan(record) == _stan(asked) and record.text("sent_at") != asked.text("sent_at"):
                break
        elif _is_answer(record) and _stan(record) == _stan(asked):
            return {key: str(value) for key, value in record.details.items()}
    return {}


def _after(records: Sequence[Record], mark: Record) -> Iterator[Record]:
    return (record for record in records if record.line > mark.line)


# --- one life --------------------------------------------------------------------------------------------


def _life(records: Sequence[Record], asked: Record) -> Life:
    stretches = list(_stretches(records))
    own = next(stretch for stretch in stretches if asked in stretch)
    later = [stretch for stretch in stretches if stretch[0].line > own[-1].line]
    about = [_about(stretch, asked) for stretch in later]
    everything = [*own, *(record for stretch in about for record in stretch)]
    answer = _answer(records, asked)
    final = [record for record in own if _is_final(record)]
    return Life(
        stan=_stan(asked),
        sent_at=asked.text("sent_at"),
        transaction=asked.text("transaction"),
        amount=amount_of(asked),
        card=asked.text("card"),
        rrn=answer.get("rrn", ""),
        code=answer.get("response_code", ""),
        undone=_undone(everything, asked),
        status=fields_of(final[-1]).get(Tag.STATUS, "") if final else "",
        acknowledged=any("acknowledged the final answer" in record.because for record in own),
        moments=tuple(_told(own, about)),
        followers=tuple(_followers(records, asked)),
        left=_left(records, asked),
    )


def _stretches(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Cut a trace where the register asks for something, or the pinpad does something by itself."""
    stretch: list[Record] = []
    for place, record in enumerate(records):
        again = place + 1 < len(records) and records[place + 1].because.startswith("the same request again")
        alone = record.kind == "state" and record.text("event").startswith(_AT_REST_EVENTS)
        if stretch and (alone or (is_request(record) and not again)):
            yield stretch
            stretch = []
        stretch.append(record)
    if stretch:
        yield stretch


def _left(records: Sequence[Record], asked: Record) -> bool:
    """Tell whether a byte of a request may have left: the pinpad did not give up while it connected."""
    changed = next((record for record in _after(records, asked) if record.kind == "state"), None)
    return changed is None or changed.text("from") != _CONNECTING or changed.text("to") == _CONNECTED


def _unanswered(code: str, undone: Undone, *, left: bool) -> bool:
    return left and not code and undone is Undone.NOT_ASKED


def _is_final(record: Record) -> bool:
    return record.kind == "message" and record.text("direction") == "out" and Tag.STATUS in fields_of(record)


def _about(stretch: Sequence[Record], asked: Record) -> list[Record]:
    """Return what a later stretch tells of the operation: attempts to undo it, and how they ended."""
    calls = {record.details.get("call") for record in stretch if _undoes(record, asked)}
    if not calls:
        return []
    if not is_request(stretch[0]):
        return [record for record in stretch if record.kind in ("state", "decision", "bank", "host")]
    return [
        record
        for record in stretch
        if (record.kind == "bank" and record.details.get("call") in calls)
        or record.details.get("reversal_of") == _stan(asked)
        or (record.kind == "decision" and record.because.startswith((_ENDED, _FAILED)))
    ]


def _undoes(record: Record, asked: Record) -> bool:
    return (
        record.kind == "bank"
        and record.text("step") == Step.REVERSAL
        and record.text("direction") == "out"
        and record.details.get("original_stan", record.details.get("stan")) == _stan(asked)
        and record.text("original_sent_at") in ("", asked.text("sent_at"))
    )


def _undone(records: Iterable[Record], asked: Record) -> Undone:
    undone = Undone.NOT_ASKED
    for record in records:
        if _undoes(record, asked):
            undone = Undone.OWED
        elif record.kind == "decision" and record.because.startswith(_ENDED) and undone is Undone.OWED:
            undone = Undone.ALARM if "alarm" in record.because else Undone.DONE
    return undone


def _followers(records: Sequence[Record], asked: Record) -> Iterator[Follower]:
    rrn = _answer(records, asked).get("rrn", "")
    for record in _asked(records):
        of_rrn = rrn and record.text("original_rrn") == rrn
        of_stan = record.text("original_sent_at") == asked.text("sent_at") and (
            record.details.get("original_stan") == _stan(asked)
        )
        if record.line > asked.line and (of_rrn or of_stan):
            yield _follower(records, record)


def _follower(records: Sequence[Record], asked: Record) -> Follower:
    code = _answer(records, asked).get("response_code", "")
    undone = _undone(_after(records, asked), asked)
    stands = moves_money(code) and undone is Undone.NOT_ASKED
    silent = _unanswered(code, undone, left=_left(records, asked))
    undecided = silent or undone in (Undone.OWED, Undone.ALARM)
    return Follower(asked.text("transaction"), _stan(asked), amount_of(asked), stands, undecided)


# --- telling ---------------------------------------------------------------------------------------------


def _told(own: Sequence[Record], about: Sequence[Sequence[Record]]) -> Iterator[Moment]:
    """Tell a life; what happens again and again while nobody is there is told once, with its number."""
    yield from _moments(_until_rest(own))
    before: list[Moment] = []
    for stretch in about:
        told = list(_moments(stretch))
        if told and before and [_words(one) for one in told] == [_words(one) for one in before]:
            before[0] = replace(before[0], times=before[0].times + 1, until=told[0].at)
            continue
        yield from before
        before = told
    yield from before


def _words(moment: Moment) -> tuple[str, str, str]:
    return moment.who, moment.what, moment.because


def _until_rest(stretch: Sequence[Record]) -> Iterator[Record]:
    """Yield a stretch; once the pinpad is at rest what is said on the line is about something else."""
    rests = False
    for record in stretch:
        rests = rests or (record.kind == "state" and record.text("to") in _AT_REST)
        if not (rests and record.kind in ("line", "frame", "unit")):
            yield record


def _moments(records: Iterable[Record]) -> Iterator[Moment]:
    """Yield the moments; a reason is not said again just behind itself, nor without what came of it."""
    held: Moment | None = None
    for record in records:
        moment = moment_of(record)
        if moment is None:
            continue
        if held is not None and held.at == moment.at:
            if moment.what == f"{_FAILED}: {held.because}":
                continue
            if moment.because and moment.because in (held.what, held.because):
                if held.who == BANK:
                    held = None
                else:
                    moment = replace(moment, because="")
        if held is not None:
            yield held
        held = moment
    if held is not None:
        yield held
