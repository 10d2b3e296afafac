"""What a training says of its history: what makes the figures uncertain, what was done, which option to change."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from model.distribution import describe, sample_rows
from model.verdict import MIN_ALERTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from model.training.labels import Labels
    from model.training.train import Trained

DAY_MS: Final = 86_400_000
LONGEST_WINDOW_DAYS: Final = 30
FEW_TO_FIT: Final = 200
FEW_TO_JUDGE: Final = 100
AT_ONCE_MS: Final = 3_600_000
LARGE_DRIFT: Final = 0.25
"""Of the population stability index, by the usual rule of thumb."""
RARE: Final = 1e-4
FREQUENT: Final = 0.02
LEAST_EXPECTED: Final = 10
"""Frauds in a tenth of the history, from which on their share says something."""
NAMED: Final = 6

_EVER_OLDER: Final = "_seconds_since_first"
"""Features that only grow, so that they differ by definition."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is worth knowing."""

    code: str
    """Stable: programs may act on it."""
    text: str
    """Plain sentences."""
    option: str | None = None
    """What to change, where an option of `train` changes it."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What findings are made of."""

    trained: Trained
    labels: Labels
    """Of all payments that were trained with."""
    event_time: NDArray[np.int64]
    """Epoch milliseconds of each."""
    feature_names: Sequence[str]
    held_out: Mapping[str, Any]
    """Figures of the payments held out."""
    drift: NDArray[np.float64]
    """Of each feature, as `drift_of` gives it."""
    compared: Mapping[str, Any]
    """Figures of the model, as baselines have them; empty without baselines."""
    baselines: Mapping[str, Mapping[str, Any]]


def drift_of(trained: Trained, fraud: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the population stability index of each feature, of genuine payments held out against those that fitted."""
    fitted, compared = trained.chosen.fitted, trained.chosen.compared
    fitted, compared = fitted[~fraud[fitted]], compared[~fraud[compared]]
    fitted = fitted[sample_rows(len(fitted))]  # no more of them are looked at, and a copy of all would be large
    before = describe(trained.held.of(fitted), np.zeros(len(fitted), dtype=np.bool_))
    return before.drift(before.count(trained.held.of(compared)))


def findings(facts: Facts) -> list[Finding]:
    """Return what is to be said, in a fixed order."""
    return [
        *_thinned(facts),
        *_frauds(facts),
        *_base_rate(facts),
        *_history(facts),
        *_reports(facts),
        *_features(facts),
        *_thresholds(facts),
        *_baselines(facts),
    ]


def _thinned(facts: Facts) -> Iterator[Finding]:
    training = facts.trained.facts
    fit, fitted = training["slices"]["fit"], training["fitted_payments"]
    frauds, genuine = training["fitted_frauds"], fit["payments"] - fit["frauds"]
    if fitted < fit["payments"]:
        kept, all_frauds = fitted - frauds, fit["frauds"]
        of = "" if frauds == all_frauds else f" (of {all_frauds:,})"
        yield Finding(
            "genuine-thinned",
            f"The trees saw {kept:,} of {genuine:,} genuine payments, {round(kept / frauds):,} for each of "
            f"{frauds:,} frauds{of}. Probabilities and figures are of all payments.",
        )


def _frauds(facts: Facts) -> Iterator[Finding]:
    slices = facts.trained.facts["slices"]
    fit, held_out = slices["fit"]["frauds"], slices["hold_out"]["frauds"]
    if fit < FEW_TO_FIT:
        yield Finding(
            "few-frauds-to-train-on",
            f"The trees saw {fit:,} frauds. With fewer than {FEW_TO_FIT} a model learns single cases: give a longer "
            "history, or reports that are missing.",
            "--since",
        )
    if held_out < FEW_TO_JUDGE:
        interval = facts.held_out["average_precision_interval"]
        said = (
            "" if interval is None else f" Average precision could as well be {interval[0]:.2f} to {interval[1]:.2f}."
        )
        yield Finding(
            "few-frauds-to-judge-by",
            f"The figures are of {held_out:,} frauds held out.{said} Compare models on a longer history.",
            "--since",
        )


def _base_rate(facts: Facts) -> Iterator[Finding]:
    training = facts.trained.facts
    if training["settings"]["base_rate"] is not None:
        return
    share = training["base_rate"]
    if share < RARE:
        yield Finding(
            "fraud-is-rare",
            f"One payment in {round(1 / share):,} of those that calibrate is fraud, so few scores are high. Choose "
            "verdicts by --alert-budget, and lower --hold-precision and --block-precision if HOLD and BLOCK are never "
            "given.",
            "--alert-budget",
        )
    elif share > FREQUENT:
        yield Finding(
            "fraud-is-frequent",
            f"{share:.1%} of the payments that calibrate are fraud, and scores are probabilities for a stream like "
            "that. UPI has about 7 in a million: give the share of your stream.",
            "--base-rate",
        )


def _history(facts: Facts) -> Iterator[Finding]:
    days = (int(facts.event_time.max()) - int(facts.event_time.min())) / DAY_MS
    if days < 2 * LONGEST_WINDOW_DAYS:
        yield Finding(
            "short-history",
            f"The history spans {days:,.1f} days. Windows reach back {LONGEST_WINDOW_DAYS}: before they are full, "
            "parties look newer than they are. Give the months before as well, and name the first day to train on.",
            "--since",
        )
    begin, end = int(facts.event_time.min()), int(facts.event_time.max())
    last = facts.event_time > end - (end - begin) // 10
    before, lately = (float(facts.labels.fraud[rows].mean()) if rows.any() else 0.0 for rows in (~last, last))
    expected, found = before * int(last.sum()), lately * int(last.sum())
    if max(expected, found) >= LEAST_EXPECTED and not expected / 3 < found < 3 * expected:
        yield Finding(
            "fraud-share-changes",
            f"{lately:.3%} of the payments of the last {days / 10:,.1f} days are fraud, and {before:.3%} of those "
            "before. If reports on the last days are missing, end before them; if fraud itself changed, train on what "
            "is recent.",
            "--until",
        )


def _reports(facts: Facts) -> Iterator[Finding]:
    delay = facts.labels.fraud_reported_at - facts.event_time[facts.labels.fraud]
    at_once = float((delay < AT_ONCE_MS).mean())
    if at_once > 0.5:
        yield Finding(
            "labels-at-once",
            f"{at_once:.0%} of the frauds are reported within an hour of the payment. No bank hears of them so soon: "
            "the figures are better than they can be. Give the times of reports, or a delay in the map.",
            "--map",
        )
    late, last = int(np.quantile(delay, 0.9)), int(facts.labels.fraud_reported_at.max())
    end = int(facts.event_time.max())
    if late > AT_ONCE_MS and last < end + late / 2:
        yield Finding(
            "labels-not-yet-known",
            f"A tenth of the frauds are reported later than {late / DAY_MS:.1f} days after the payment, and the last "
            f"report came {_apart(last - end)} the last payment. Some of the last frauds count as genuine: end before.",
            "--until",
        )
    groups = facts.held_out.get("by_payee")
    if groups is not None:
        before, frauds = groups["REPORTED_BEFORE"]["frauds"], facts.held_out["frauds"]
        yield Finding(
            "payees-reported-before",
            f"{before:,} of {frauds:,} frauds held out went to a payee with a fraud reported earlier. Only those can "
            "be found by what was reported.",
        )


def _apart(milliseconds: int) -> str:
    return f"{abs(milliseconds) / DAY_MS:.1f} days {'after' if milliseconds >= 0 else 'before'}"


def _features(facts: Facts) -> Iterator[Finding]:
    trained, names = facts.trained, np.array(facts.feature_names, dtype=object)
    missing = np.isnan(trained.held.of(trained.chosen.fitted)).all(axis=0)
    if missing.any():
        yield Finding(
            "features-missing",
            f"{int(missing.sum())} of {len(names)} features have no value in the earlier payments, as the history "
            f"lacks what they are made of; the model does not use them: {_named(names[missing])}.",
        )
    far = np.flatnonzero(facts.drift > LARGE_DRIFT)
    far = far[[not name.endswith(_EVER_OLDER) for name in names[far]]] if len(far) else far
    if len(far):
        strongest = far[np.argsort(-facts.drift[far], kind="stable")]
        yield Finding(
            "features-drift",
            f"{len(far)} features are distributed otherwise in the payments held out than in those that fitted (index "
            f"above {LARGE_DRIFT}): {_named(names[strongest])}. Windows that fill up do this: begin later. So does a "
            "change in where the payments come from.",
            "--since",
        )


def _named(names: NDArray[np.object_]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _thresholds(facts: Facts) -> Iterator[Finding]:
    thresholds, training = facts.trained.thresholds, facts.trained.facts
    names = [name for name in ("review", "hold", "block") if getattr(thresholds, name) > 1]
    if not names:
        return
    settings, slice_ = training["settings"], training["slices"]["calibrate"]
    budget, payments, frauds = settings["alert_budget"], slice_["payments"], slice_["frauds"]
    cause = (
        f"{' and '.join(name.upper() for name in names)} never: thresholds were set on {payments:,} payments with "
        f"{frauds:,} frauds, of which --alert-budget {budget:.4g} lets {int(budget * payments):,} be flagged"
    )
    if budget * payments < max(frauds, MIN_ALERTS):
        enough = ceil(min(max(frauds, MIN_ALERTS) / payments, 1.0) * 1_000) / 1_000
        cure = f". A larger budget is the cure: --alert-budget {enough:.4g} or more."
        yield Finding("verdict-never", cause + cure, "--alert-budget")
    else:
        cure = ", and none of the highest scores are fraud often enough: lower --hold-precision, --block-precision."
        yield Finding("verdict-never", cause + cure, "--hold-precision")


def _baselines(facts: Facts) -> Iterator[Finding]:
    own = facts.compared.get("average_precision")
    ahead = {name: one["average_precision"] for name, one in facts.baselines.items() if one["average_precision"] > own}
    if ahead:
        said = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in ahead.items())
        yield Finding(
            "baseline-ahead",
            f"A simpler model ranks the payments held out better (average precision): {said}; the trees {own:.3f}. "
            "With few frauds that is chance; else give a longer history.",
        )
