"""What a trial says of the data: what makes its figures uncertain, or too good, and what to do about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from upifraud.trial.tables import interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from model.artifact import Artifact

DAY_MS: Final = 86_400_000
LONGEST_WINDOW_MS: Final = 30 * DAY_MS
FEW_TRAIN: Final = 200
FEW_TEST: Final = 100
AT_ONCE_MS: Final = 3_600_000
LARGE_DRIFT: Final = 0.25
SHOWN: Final = 5
_SAMPLE: Final = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What is known of a trial's data; arrays are by payment, in order of rows."""

    event_time: NDArray[np.int64]
    train: NDArray[np.intp]
    test: NDArray[np.intp]
    fraud: NDArray[np.bool_]
    """As finally known."""
    payer: NDArray[np.uint64]
    payee: NDArray[np.uint64]
    """Hashes."""
    delay_ms: NDArray[np.int64]
    """Of each report, from the payment on."""
    report_row: NDArray[np.int64]
    report_fraud: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    reordered: bool
    assumed_delay: str | None
    """Of the map, where it makes up when frauds were reported."""
    alert_budget: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is worth knowing."""

    code: str
    text: str


def findings(facts: Facts, artifact: Artifact) -> list[Finding]:
    """Return what is to be said, the most important first."""
    return [*_frauds(facts), *_reports(facts), *_history(facts), *_parties(facts), *_features(facts, artifact)]


def _frauds(facts: Facts) -> Iterator[Finding]:
    train, test = int(facts.fraud[facts.train].sum()), int(facts.fraud[facts.test].sum())
    if train < FEW_TRAIN:
        yield Finding(
            "few-frauds-to-train-on",
            f"The earlier part has {train:,} frauds. With fewer than {FEW_TRAIN} a model learns single cases; give a "
            "longer "
            "history, or reports that are missing.",
        )
    if test < FEW_TEST:
        low, high = interval(test / 2, test)
        yield Finding(
            "few-frauds-to-judge-by",
            f"The later part has {test:,} frauds. A recall of 50 % could as well be {low:.0%} to {high:.0%}: compare "
            "models "
            "on more, or with a smaller --train-share.",
        )
    share = float(facts.fraud.mean())
    if share > 2 * facts.alert_budget:
        yield Finding(
            "more-frauds-than-alerts",
            f"{share:.2%} of the payments are fraud, and --alert-budget lets {facts.alert_budget:.2%} be looked at: "
            "not all "
            f"frauds can be found. Real streams have far fewer; to see what the ranking is worth, try --alert-budget "
            f"{min(1.0, math.ceil(share * 150) / 100):.2g}.",
        )
    if 0 < share < 2e-5:
        yield Finding(
            "very-few-frauds",
            f"One payment in {round(1 / share):,} is fraud. All frauds are kept and genuine payments are thinned; "
            "scores are "
            "calibrated for the share in the file.",
        )


def _reports(facts: Facts) -> Iterator[Finding]:
    if facts.assumed_delay is not None:
        yield Finding(
            "delay-is-assumed",
            f"The map takes every report to come {facts.assumed_delay} after its payment; the file does not say. "
            "Write into "
            "the map how long it takes at your bank: the features of reports depend on it.",
        )
    if len(facts.delay_ms):
        early = float((facts.delay_ms < AT_ONCE_MS).mean())
        if early > 0.5:
            yield Finding(
                "labels-at-once",
                f"{early:.0%} of the reports are known within an hour of the payment. No bank hears of frauds so "
                "soon: the "
                "model would seem better than it can be. Give the times of reports, or a delay in the map.",
            )
    known = facts.report_fraud
    hit = np.isin(facts.payee[facts.test][facts.fraud[facts.test]], facts.payee[facts.report_row[known]])
    if len(hit):
        before = _reported_before(facts)
        yield Finding(
            "payees-reported-before",
            f"{before:,} of {len(hit):,} frauds of the later part went to a payee with a fraud reported before them: "
            "only "
            "those can be found by what is known of the payee.",
        )


def _reported_before(facts: Facts) -> int:
    """Count the later frauds whose payee had been reported for fraud when they were made."""
    rows = facts.report_row[facts.report_fraud]
    at = facts.event_time[rows] + facts.delay_ms[facts.report_fraud]
    first: dict[int, int] = {}
    for payee, moment in zip(facts.payee[rows].tolist(), at.tolist(), strict=True):
        first[payee] = min(moment, first.get(payee, moment))
    frauds = facts.test[facts.fraud[facts.test]]
    times = zip(facts.payee[frauds].tolist(), facts.event_time[frauds].tolist(), strict=True)
    return sum(first.get(payee, moment + 1) <= moment for payee, moment in times)


def _history(facts: Facts) -> Iterator[Finding]:
    span = int(facts.event_time.max() - facts.event_time.min())
    if span < 2 * LONGEST_WINDOW_MS:
        yield Finding(
            "short-history",
            f"The file spans {span / DAY_MS:,.1f} days. Windows reach back 30: before they are full, payers look "
            "newer than "
            "they are. Two months or more are better.",
        )
    if facts.reordered:
        yield Finding(
            "not-in-order",
            "The rows are not in order of time. They were measured as if they had been; `replay`, `features` and "
            "`train` take "
            "the order of the file for that of delivery, so sort it before you use them.",
        )
    within_day = facts.event_time % DAY_MS
    whole_hours = float((within_day % 3_600_000 == within_day[0] % 3_600_000).mean())
    if whole_hours > 0.95 and len(facts.event_time) > 50:
        yield Finding(
            "coarse-times",
            "Nearly all times are a whole number of hours apart: windows of minutes and what depends on seconds say "
            "nothing "
            "here. Give times to the second if you have them.",
        )


def _parties(facts: Facts) -> Iterator[Finding]:
    for name, hashes in (("payer", facts.payer), ("payee", facts.payee)):
        _, counts = np.unique(hashes, return_counts=True)
        if len(counts) == 1:
            yield Finding(
                f"one-{name}", f"All payments have one {name}: what is known of a {name} tells nothing apart."
            )
        elif (once := float((counts == 1).mean())) > 0.9:
            yield Finding(
                f"{name}s-seen-once",
                f"{once:.1%} of the {name}s are there once only: nothing is known of their past. Check that the map "
                "names the "
                f"column that stays the same when the {name} comes again.",
            )


def _features(facts: Facts, artifact: Artifact) -> Iterator[Finding]:
    names = artifact.feature_names
    step = max(1, len(facts.train) // _SAMPLE)
    sample = facts.vectors[facts.train[::step]]
    missing = np.isnan(sample).all(axis=0)
    low = np.nanmin(np.where(np.isnan(sample), np.inf, sample), axis=0)
    high = np.nanmax(np.where(np.isnan(sample), -np.inf, sample), axis=0)
    constant = ~missing & (low == high) & ~np.isnan(sample).any(axis=0)
    for code, flags, what in (
        (
            "features-missing",
            missing,
            "have no value in the whole earlier part, as the file lacks what they are made of",
        ),
        ("features-constant", constant, "are the same in the whole earlier part"),
    ):
        if flags.any():
            yield Finding(
                code, f"{int(flags.sum())} of {len(names)} features {what}: {_named(names, np.flatnonzero(flags))}."
            )
    later = facts.vectors[facts.test[:: max(1, len(facts.test) // _SAMPLE)]]
    index = artifact.distribution.drift(artifact.distribution.count(np.ascontiguousarray(later)))
    far = np.flatnonzero(index > LARGE_DRIFT)
    if len(far):
        strongest = far[np.argsort(-index[far], kind="stable")]
        yield Finding(
            "features-drift",
            f"{len(far)} features are distributed otherwise in the later part than in the earlier one (index above "
            f"{LARGE_DRIFT}): {_named(names, strongest)}. Windows that fill up do this; so does a change of the "
            "file's source.",
        )


def _named(names: Sequence[str], rows: NDArray[np.intp]) -> str:
    shown = ", ".join(names[row] for row in rows[:SHOWN].tolist())
    return shown + (f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else "")
