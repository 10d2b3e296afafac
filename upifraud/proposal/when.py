"""Which column, or columns, say when a payment was made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final, NamedTuple

from upifraud.proposal.choice import SURE, candidates, listed, quoted
from upifraud.proposal.names import EVENT_TIME, REPORTED_AT
from upifraud.proposal.proposal import Line, Option
from upifraud.proposal.times import MILLISECONDS, SCALES, Form, Times, joined, times_of
from upifraud.proposal.zone import propose_zone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upifraud.proposal.choice import Candidate
    from upifraud.proposal.proposal import Proposal, Toml
    from upifraud.proposal.sample import Column, Sample

_INDIA: Final = timezone(timedelta(hours=5, minutes=30))
_BEGINNINGS: Final = (datetime(2024, 1, 1, tzinfo=_INDIA), datetime(2015, 1, 5, tzinfo=_INDIA))
"""Mondays that steps are counted from, the first that leaves the last step in the past."""
_PAST: Final = datetime(2026, 1, 1, tzinfo=UTC)
_UPI: Final = datetime(2015, 1, 1, tzinfo=UTC)
_FIRST_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ANY_DAY: Final = datetime(2000, 1, 1, tzinfo=UTC)

_STEPS: Final = (
    ({"hour", "hours", "hr"}, "1h"),
    ({"day", "days"}, "1d"),
    ({"minute", "minutes", "min"}, "1m"),
    ({"second", "seconds", "sec", "secs"}, "1s"),
)
_SECONDS: Final = {"1s": 1, "1m": 60, "1h": 3_600, "1d": 86_400}
_KNOWN_STEPS: Final = (
    ({"step", "nameOrig", "nameDest"}, "step", "1h", "the columns are PaySim's, whose step is an hour"),
    (
        {"TransactionDT", "TransactionAmt"},
        "TransactionDT",
        "1s",
        "the columns are those of IEEE-CIS, which counts seconds",
    ),
    (
        {"Time", "V1", "V2", "Amount"},
        "Time",
        "1s",
        "the columns are those of a known set of card payments, which counts seconds",
    ),
)


class _Found(NamedTuple):
    candidate: Candidate
    times: Times


def propose_time(sample: Sample, proposal: Proposal, chosen: str | None) -> Times | None:
    """Write the line of event_time, with its zone; return what its times tell, None where no column has any."""
    found = [_Found(one, times) for one in candidates(sample, EVENT_TIME, proposal.used, chosen)
             if (times := times_of(one.column, named=one.worth >= SURE))]  # fmt: skip
    named = [one for one in found if one.candidate.worth >= SURE]
    if not named and chosen is None:
        named = _speaking(found)
        if len(named) > 1:
            options = (Option(one.candidate.column.name, f"{one.times.why}") for one in named[:5])
            proposal.ask(
                "event_time", None, "Several columns hold times, and no name says which is the payment's.", *options
            )
            return None
    if not named:
        proposal.ask(
            "event_time",
            None,
            "No column holds times that can be told from other numbers and texts.",
            *_any_named(sample, proposal),
        )
        return None
    best = max(named, key=_preference)
    if (
        best.times.form in {Form.DAY, Form.CLOCK}
        and chosen is None
        and (times := _two_columns(sample, proposal, named, found))
    ):
        return times
    return _one_column(sample, proposal, best)


def _preference(found: _Found) -> tuple[bool, bool, int, float]:
    """Rank times: a day is needed; what could be refused as too old comes after what could not; then the name."""
    times = found.times
    rank = {
        Form.ISO_ZONE: 5,
        Form.EPOCH: 4,
        Form.ISO_LOCAL: 4,
        Form.FORMAT: 4,
        Form.STEP: 2,
        Form.DAY: 1,
        Form.CLOCK: 0,
    }
    recent = (times.first is not None and times.first >= _UPI) or times.form is Form.STEP
    return times.form is not Form.CLOCK, recent, rank[times.form], found.candidate.worth + 0.01 * times.has_zone


def _speaking(found: list[_Found]) -> list[_Found]:
    """Return the columns whose values are times whatever their name says, but for those of reports."""
    forms = {Form.ISO_ZONE, Form.EPOCH, Form.ISO_LOCAL, Form.FORMAT, Form.DAY}
    return [one for one in found if one.times.form in forms and REPORTED_AT.worth(one.candidate.column.words) < SURE]


def _any_named(sample: Sample, proposal: Proposal) -> Iterator[Option]:
    for one in candidates(sample, EVENT_TIME, proposal.used, None)[:5]:
        if one.worth:
            yield Option(one.column.name, "its name speaks of time, but its values are no times that are known")


def _one_column(sample: Sample, proposal: Proposal, found: _Found) -> Times:
    name, times = found.candidate.column.name, found.times
    said = (
        f"{quoted(name)} holds {times.why}"
        if found.candidate.worth < SURE
        else f"{quoted(name)} by its name; {times.why}"
    )
    if times.form is Form.EPOCH:
        proposal.take("event_time", name, said, name)
        if times.per_second != MILLISECONDS:
            scale = SCALES[times.per_second]
            proposal.scale["event_time"] = Line(scale, "milliseconds are what is kept")
    elif times.form is Form.STEP:
        return _steps(sample, proposal, found)
    elif times.formats:
        proposal.take("event_time", {"column": name, "format": times.formats[0]}, said, name)
        _ask_format(proposal, times.formats, sample[name].texts)
    else:
        proposal.take("event_time", name, said, name)
    if times.form is Form.DAY:
        proposal.notes.append(
            f"{quoted(name)} has days and no times: all payments of a day are taken for midnight, so windows shorter "
            "than a day say little."
        )
    return _zoned(sample, proposal, times, name)


def _two_columns(sample: Sample, proposal: Proposal, named: list[_Found], found: list[_Found]) -> Times | None:
    """Join a column of days with one of times of day, or year, month, day and time; None where they are not there."""
    days = [one for one in named if one.times.form is Form.DAY]
    clocks = [one for one in found if one.times.form is Form.CLOCK]
    parts = {column.words: column.name for column in sample}
    calendar = [parts.get((word,)) for word in ("year", "month", "day")]
    if not clocks:
        return None
    clock = max(clocks, key=lambda one: one.candidate.worth)
    clock_name = clock.candidate.column.name
    if days:
        day = max(days, key=_preference)
        names, formats = [day.candidate.column.name, clock_name], joined(day.times, clock.times)
        first, last = day.times.first, day.times.last
    elif all(calendar):
        names, formats = [*(name for name in calendar if name), clock_name], (f"%Y %m %d {clock.times.formats[0]}",)
        years = sorted(int(text) for text in sample[names[0]].texts if text.isdecimal() and len(text) == 4)
        if not years:
            return None
        first, last = datetime(years[0], 1, 1, tzinfo=UTC), datetime(years[-1], 12, 31, tzinfo=UTC)
    else:
        return None
    columns: list[Toml] = [*names]
    proposal.take("event_time", {"columns": columns, "format": formats[0]}, f"{listed(names)} make one time", *names)
    _ask_format(proposal, formats, sample[names[0]].texts)
    times = Times(Form.FORMAT, formats, first=first, last=last, why="a day and a time of day")
    return _zoned(sample, proposal, times, *names)


def _ask_format(proposal: Proposal, formats: tuple[str, ...], texts: list[str]) -> None:
    """Ask which of several formats is meant, by the example of a value."""
    if len(formats) < 2:
        return
    options = []
    for form in formats:
        day = form.split(" ")[0] if " %H" in form or " %I" in form else form
        try:
            meant = datetime.strptime(texts[0].split(" ")[0] if day != form else texts[0], day).replace(tzinfo=UTC)
        except ValueError:
            meant = _ANY_DAY
        options.append(Option(form, f"{texts[0]} is {meant.day} {meant:%B %Y}"))
    why = "The days of the sample can be read in more than one way: none of them is greater than 12."
    proposal.ask("event_time", "format", why, *options)


def _steps(sample: Sample, proposal: Proposal, found: _Found) -> Times:
    column, times = found.candidate.column, found.times
    step, why = _step_of(sample, column)
    longest = timedelta(seconds=min(times.greatest * _SECONDS[step or "1h"], 3e9))
    epoch = next((one for one in _BEGINNINGS if one + longest < _PAST), _BEGINNINGS[-1])
    said = f"{quoted(column.name)} counts from a beginning that the file does not name"
    said += (
        f"; {why}. The beginning is taken for Monday, {epoch:%d %B %Y}: hours and weekdays are only as true as that."
    )
    proposal.take("event_time", {"column": column.name, "epoch": epoch, "step": step or "1h"}, said, column.name)
    if step is None:
        options = (Option("1h", "1 is an hour"), Option("1s", "1 is a second"), Option("1d", "1 is a day"))
        proposal.ask(
            "event_time", "step", f"{quoted(column.name)} counts, and nothing says how long a step is.", *options
        )
    size = _SECONDS[step or "1h"]
    least = min((float(text) for text in column.texts if text.replace(".", "", 1).isdecimal()), default=0.0)
    first = epoch + timedelta(seconds=min(least * size, 3e9))
    return Times(Form.STEP, first=first, last=epoch + longest, greatest=times.greatest, why=times.why)


def _step_of(sample: Sample, column: Column) -> tuple[str | None, str]:
    for names, of, step, why in _KNOWN_STEPS:
        if names <= set(sample.columns) and column.name == of:
            return step, why
    for words, step in _STEPS:
        if not words.isdisjoint(column.words):
            return step, "its name says how long a step is"
    return None, "how long a step is must be chosen"


def _zoned(sample: Sample, proposal: Proposal, times: Times, *names: str) -> Times:
    """Write the zone where the times have none, and what is earliest where they are old."""
    propose_zone(sample, proposal, times, *names)
    if times.first is not None and times.first < _UPI:
        day = times.first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        earliest = max(day - timedelta(days=366), _FIRST_TIME)  # before 1970 there are no epoch milliseconds
        proposal.take(
            "earliest", earliest,
            f"the first payments of the sample are of {times.first:%Y}; times before 2015 are refused "
            "without this line",
        )  # fmt: skip
    return times
