"""What a trial says of the data: what makes its figures uncertain, or too good, and what to do about it.

The training has said its part already (`model.training.findings`); what it said of the payments that it held out
itself is said here of the later part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from model.training.findings import DAY_MS, FEW_TO_JUDGE, Finding
from upifraud.trial.tables import interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from features.columns import PaymentColumns
    from upifraud.trial.split import Split

_SAID_ANEW: Final = frozenset({"few-frauds-to-judge-by", "payees-reported-before", "baseline-ahead"})
_SHOWN: Final = 5
_ONCE: Final = 0.9
_COARSE: Final = 0.95
_ENOUGH: Final = 50
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What is known of a trial's data."""

    event_time: NDArray[np.int64]
    parts: Split
    fraud: NDArray[np.bool_]
    """As finally known."""
    columns: PaymentColumns | None
    """None where the payments are on disk."""
    metrics: Mapping[str, Any]
    """Of the later part."""
    constant: Sequence[str]
    """Features that have one value in the whole later part."""
    reordered: bool
    assumed_delay: str | None
    """Of the map, where it makes up when frauds were reported."""
    of_training: Sequence[Mapping[str, Any]]
    """What the training said of the earlier part."""


def findings(facts: Facts) -> list[Finding]:
    """Return what is to be said, the most important first."""
    return [
        *_frauds(facts),
        *_reports(facts),
        *_times(facts),
        *_parties(facts),
        *_constant(facts),
        *_baselines(facts),
        *(
            Finding(said["code"], said["text"], said["option"])
            for said in facts.of_training
            if said["code"] not in _SAID_ANEW
        ),
    ]


def _frauds(facts: Facts) -> Iterator[Finding]:
    test = int(facts.fraud[facts.parts.test].sum())
    if test < FEW_TO_JUDGE:
        low, high = interval(test / 2, test)
        yield Finding(
            "few-frauds-to-judge-by",
            f"The later part has {test:,} frauds. A recall of 50 % could as well be {low:.0%} to {high:.0%}: compare "
            "models on more, or with a smaller --train-share.",
            "--train-share",
        )
    share, budget = float(facts.fraud.mean()), facts.metrics["alert_budget"]
    if share > 2 * budget:
        enough = min(1.0, math.ceil(share * 150) / 100)
        yield Finding(
            "more-frauds-than-alerts",
            f"{share:.2%} of the payments are fraud, and --alert-budget lets {budget:.2%} be looked at: not all frauds "
            "can be found. Real streams have far fewer; to see what the ranking is worth, try --alert-budget "
            f"{enough:.2g}.",
            "--alert-budget",
        )


def _reports(facts: Facts) -> Iterator[Finding]:
    if facts.assumed_delay is not None:
        yield Finding(
            "delay-is-assumed",
            f"The map takes every report to come {facts.assumed_delay} after its payment; the file does not say. Write "
            "into the map how long it takes at your bank: the features of reports depend on it.",
            "--map",
        )
    groups = facts.metrics.get("by_payee")
    if groups is not None:
        before = groups.get("REPORTED_BEFORE", {"frauds": 0})["frauds"]
        yield Finding(
            "payees-reported-before",
            f"{before:,} of {facts.metrics['frauds']:,} frauds of the later part went to a payee with a fraud reported "
            "earlier. Only those can be found by what was reported of the payee.",
        )


def _times(facts: Facts) -> Iterator[Finding]:
    if facts.reordered:
        yield Finding(
            "not-in-order",
            "The rows are not in order of time. They were measured as if they had been; `replay`, `features` and "
            "`train` take the order of the file for that of delivery, so sort it before you use them.",
        )
    within_hour = facts.event_time % _HOUR_MS
    if len(facts.event_time) > _ENOUGH and float((within_hour == within_hour[0]).mean()) > _COARSE:
        yield Finding(
            "coarse-times",
            "Nearly all times are a whole number of hours apart: windows of minutes, and all that depends on seconds, "
            "say nothing here. Give times to the second if you have them.",
        )
    days = (int(facts.event_time.max()) - int(facts.event_time.min())) / DAY_MS
    if days < 2:
        yield Finding(
            "very-short-history",
            f"The file spans {days * 24:,.1f} hours: nothing is known of anybody's days and weeks.",
        )


def _parties(facts: Facts) -> Iterator[Finding]:
    if facts.columns is None:
        return
    for name in ("payer", "payee"):
        _, counts = np.unique(getattr(facts.columns, name), return_counts=True)
        if len(counts) == 1:
            yield Finding(
                f"one-{name}", f"All payments have one {name}: what is known of a {name} tells nothing apart."
            )
        elif (once := float((counts == 1).mean())) > _ONCE:
            yield Finding(
                f"{name}s-seen-once",
                f"{once:.1%} of the {name}s are there once only: nothing is known of their past. Check that the map "
                f"names the column that stays the same when the {name} comes again.",
                "--map",
            )


def _constant(facts: Facts) -> Iterator[Finding]:
    if facts.constant:
        shown = ", ".join(facts.constant[:_SHOWN])
        more = f" and {len(facts.constant) - _SHOWN} more" if len(facts.constant) > _SHOWN else ""
        yield Finding(
            "features-constant",
            f"{len(facts.constant)} features have one value in the whole later part and tell nothing apart: {shown}"
            f"{more}. More columns of the file in the map may help.",
            "--map",
        )


def _baselines(facts: Facts) -> Iterator[Finding]:
    own = facts.metrics["average_precision"]
    for name, figures in facts.metrics["baselines"].items():
        if own is not None and figures["average_precision"] > own:
            yield Finding(
                "baseline-ahead",
                f"The {name.replace('_', ' ')} ranks the later part better ({figures['average_precision']:.3f} against "
                f"{own:.3f}). With few frauds that may be chance; see the intervals.",
            )
