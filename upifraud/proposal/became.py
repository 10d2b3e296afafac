"""What became of the payments: which column says so, in which words, and when it was known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from upifraud.proposal.choice import SURE, candidates, quoted
from upifraud.proposal.labels import words_of_outcome
from upifraud.proposal.names import OUTCOME, REPORTED_AT
from upifraud.proposal.proposal import Line, Option
from upifraud.proposal.times import MILLISECONDS, SCALES, Form, times_of
from upifraud.proposal.zone import propose_zone

if TYPE_CHECKING:
    from upifraud.proposal.choice import Candidate
    from upifraud.proposal.labels import Words
    from upifraud.proposal.proposal import Proposal, Toml
    from upifraud.proposal.sample import Sample

LONGEST_MS: Final = 7 * 86_400_000
SHARE: Final = 5
"""A delay is at most this part of the file's span: a fifth."""

_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"))
RULE: Final = "7 days, or a fifth of the time that the file spans if that is less"


def propose_outcome(sample: Sample, proposal: Proposal, chosen: str | None, delay: str) -> None:
    """Write the lines of outcome and reported_at, if a column says what became of payments."""
    if propose_what_became(sample, proposal, chosen):
        _propose_reported_at(sample, proposal, delay)


def propose_what_became(sample: Sample, proposal: Proposal, chosen: str | None) -> bool:
    """Write the line of outcome, or ask what its words mean; False where no column says what became of payments."""
    found = [
        (one, words)
        for one in candidates(sample, OUTCOME, proposal.used, chosen)
        if (words := words_of_outcome(one.column, about_genuine="genuine" in one.column.words)) is not None
    ]
    sure = [pair for pair in found if pair[1].known and (pair[0].worth >= SURE or pair[1].in_words)]
    named = [pair for pair in found if pair[0].worth >= SURE]
    if sure:
        best, words = max(sure, key=lambda pair: (pair[0].worth, len(pair[0].column.texts)))
        _write(proposal, best, words)
    elif named:
        _ask_words(proposal, named[0][0])
    else:
        _nothing(proposal, found)
        return False
    return True


def delay_of(span_ms: int) -> str:
    """Return the delay proposed for labels of a file that spans so many milliseconds; never 0."""
    most = min(LONGEST_MS, max(span_ms // SHARE, 1_000))
    for size, unit in _UNITS:
        if most >= 2 * size or most == size or unit == "s":
            return f"{most // size}{unit}"
    raise AssertionError(span_ms)


def _write(proposal: Proposal, candidate: Candidate, words: Words) -> None:
    name = candidate.column.name
    fraud: list[Toml] = [*words.fraud]
    genuine: list[Toml] = [*words.genuine]
    said = f"{quoted(name)} by its {'values' if candidate.worth < SURE else 'name'}"
    if not set(words.fraud) & set(candidate.column.counts):
        said += "; the sample has no fraud in it"
    proposal.take("outcome", {"column": name, "fraud": fraud, "genuine": genuine}, said, name)


def _ask_words(proposal: Proposal, candidate: Candidate) -> None:
    """Ask which of the values mean fraud."""
    column = candidate.column
    values = [value for value, _ in column.counts.most_common()]
    proposal.take(
        "outcome",
        {"column": column.name, "fraud": [], "genuine": []},
        f"{quoted(column.name)} by its name",
        column.name,
    )
    rarest = list(reversed(values))
    options = []
    for value in rarest[:4]:
        others: list[Toml] = [other for other in values if other != value]
        options.append(
            Option(
                {"column": column.name, "fraud": [value], "genuine": others},
                f"{value} is fraud: {column.counts[value]} of {len(column.texts)} rows of the sample",
            )
        )
    what = "one value only" if len(values) == 1 else "values that are not known"
    proposal.ask("outcome", None, f"{quoted(column.name)} has {what}: which mean fraud?", *options)


def _nothing(proposal: Proposal, found: list[tuple[Candidate, Words]]) -> None:
    binary = [one.column.name for one, words in found if len(one.column.counts) == 2]
    example = binary[0] if binary else "COLUMN"
    proposal.notes.append(
        "No column says what became of the payments, so nothing can be trained yet. Give a file of outcomes "
        f'(--outcomes), or add a line: outcome = {{ column = "{example}", fraud = ["1"], genuine = ["0"] }}.'
    )


def _propose_reported_at(sample: Sample, proposal: Proposal, delay: str) -> None:
    if take_report_time(sample, proposal, SURE):
        return
    proposal.take(
        "reported_at",
        {"after": "event_time", "delay": delay},
        "The file does not say when a fraud was reported. Reports at once make any model look good, so a delay is "
        f"taken: {RULE}. "
        "Write how long it takes at your bank.",
    )


def take_report_time(sample: Sample, proposal: Proposal, least: float) -> bool:
    """Write the line of reported_at if a column's name says so as surely as `least`; False where none does."""
    for one in candidates(sample, REPORTED_AT, proposal.used, None):
        times = times_of(one.column, named=one.worth >= SURE) if one.worth >= least else None
        if times is None or times.form in {Form.STEP, Form.CLOCK}:
            continue
        name = one.column.name
        value: Toml = {"column": name, "format": times.formats[0]} if times.formats else name
        said = "by its name" if one.worth >= SURE else "holds the only times"
        proposal.take("reported_at", value, f"{quoted(name)} {said}", name)
        if times.form is Form.EPOCH and times.per_second != MILLISECONDS:
            proposal.scale["reported_at"] = Line(SCALES[times.per_second], "milliseconds are what is kept")
        propose_zone(sample, proposal, times, name)
        return True
    return False
