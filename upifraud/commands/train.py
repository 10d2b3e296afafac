"""`upifraud train`: a model of one's own history."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upifraud.commands.simulate import MOMENT
from upifraud.options import FILE, max_rejected, zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from history.measured import Measured
    from model.artifact import Artifact
    from model.training.train import TrainingSettings
    from model.verdict import Thresholds

EPILOG = """
\b
Examples:
  upifraud train --payments payments.parquet --outcomes outcomes.parquet --out artifacts/july
  upifraud train --payments payments.parquet --outcomes outcomes.parquet --since 2026-05-01T00:00:00+05:30 \\
      --until 2026-07-01T00:00:00+05:30 --label-delay 14d --out artifacts/july
      payments before May warm the windows; what was reported from 15 July on is not known yet
  upifraud train --payments payments.parquet --outcomes outcomes.parquet --base-rate 7e-6 --out artifacts/july
      scores are probabilities for a stream with 7 frauds in a million payments
"""

SHARE = click.FloatRange(0, 1, min_open=True)
CHUNK = 65_536
"""Vectors that are looked at together."""

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])")
_MILLISECONDS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Duration(click.ParamType):
    """A duration on the command line, as milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a number with its unit."""
        if isinstance(value, int):
            return value
        match = _DURATION.fullmatch(value)
        if match is None:
            self.fail(f"expected a duration as 7d, 12h, 30m or 45s; got {value!r}", param, ctx)
        return int(float(match[1]) * _MILLISECONDS[match[2]])


DURATION = Duration()


@click.command(epilog=EPILOG)
@click.option("--payments", type=FILE, required=True, help="File of payments; file order is delivery order.")
@click.option("--outcomes", type=FILE, required=True, help="File of outcomes.")
@zone
@max_rejected("payments", "1%")
@max_rejected("outcomes", "0%")
@click.option("--since", type=MOMENT, help="First event time to train on; payments before warm the windows.")
@click.option("--until", type=MOMENT, help="Event time before which to stop.  [default: after the last payment]")
@click.option(
    "--label-delay",
    type=DURATION,
    default="7d",
    show_default=True,
    help="Outcomes reported later than this after --until are not used; a payment without one counts as genuine.",
)
@click.option("--alert-budget", type=SHARE, help="Share of payments that get REVIEW or stricter.  [default: 0.005]")
@click.option("--hold-precision", type=SHARE, help="Share of frauds among HOLD or stricter.  [default: 0.5]")
@click.option("--block-precision", type=SHARE, help="Share of frauds among BLOCK.  [default: 0.9]")
@click.option(
    "--base-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of fraud in the stream that scores are probabilities for.  [default: the history's]",
)
@click.option("--trees", type=click.IntRange(1, 1000), help="Number of trees.  [default: 200]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed and files, same model.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Directory to write.")
def command(
    payments: Path,
    outcomes: Path,
    zone: str | None,
    max_rejected_payments: float,
    max_rejected_outcomes: float,
    since: int | None,
    until: int | None,
    label_delay: int,
    out: Path,
    **chosen: Any,
) -> None:
    """Train a model on a history, and write it as an artifact with its report.

    The earliest frauds train the trees, later ones set probabilities and thresholds, the last ones are held out for
    the report. The artifact is checked against shap and scikit-learn before it is written. Ends with how many rows
    were refused, by reason, as the stream would have refused them.
    """
    from history.measured import Limits, measure
    from model.errors import ModelError
    from model.training.publishing import check_place
    from model.training.train import TrainingSettings
    from upifraud.progress import steps

    settings = replace(TrainingSettings(), **{name: value for name, value in chosen.items() if value is not None})
    limits = Limits(max_rejected_payments, max_rejected_outcomes)
    try:
        check_place(out)
    except ModelError as error:
        raise click.ClickException(str(error)) from error
    with steps() as step:
        measured = measure(payments, outcomes, zone=zone, limits=limits, step=step)
        if measured.reported is not None:
            measured.reported.expect_a_match(payments)
        try:
            artifact = train_artifact(measured, since, until, label_delay, settings, out, step)
        except ModelError as error:
            raise click.ClickException(f"{error} ({'; '.join(measured.account())})") from error
    _summarise(artifact, out)
    for line in measured.account():
        click.echo(line)


def train_artifact(
    measured: Measured,
    since: int | None,
    until: int | None,
    label_delay: int,
    settings: TrainingSettings,
    out: Path,
    step: Callable[[str, int], Callable[[int], None]],
) -> Artifact:
    """Train on payments with since <= event_time < until and write the artifact; times in epoch milliseconds."""
    from features.schema import FEATURE_NAMES, SCHEMA_HASH
    from model.errors import TrainingError
    from model.training.labels import label
    from model.training.publishing import publish
    from model.training.report import WATCHED, make_report
    from model.training.train import train_chunks

    until = int(measured.event_time.max()) + 1 if until is None else until
    asked = (measured.event_time < until) & (measured.event_time >= (since or measured.event_time.min()))
    rows = asked.nonzero()[0]
    if not len(rows):
        raise TrainingError("Expected payments between --since and --until, got none; give a wider range.")
    reports = [] if measured.reported is None else measured.reported.rows
    labels = label([measured.transaction_id[row] for row in rows.tolist()], reports, until + label_delay)
    event_time = measured.event_time[rows]
    stage = step("training", 3)
    trained = train_chunks(
        _Within(measured.vectors, asked),
        labels.fraud,
        event_time,
        settings,
        feature_names=FEATURE_NAMES,
        watched=WATCHED,
    )
    trained.facts["history"] = {
        "payments": len(rows),
        "frauds": int(labels.fraud.sum()),
        "reported": labels.reported,
        "first_event_time": int(event_time.min()),
        "until": until,
        "label_delay_ms": label_delay,
    }
    stage(1)
    report, plots = make_report(trained, labels.fraud, FEATURE_NAMES, labels.typology)
    stage(2)
    artifact = publish(
        out,
        trained,
        feature_names=FEATURE_NAMES,
        schema_hash=SCHEMA_HASH,
        sample=trained.held.of(trained.chosen.evenly),
        report=report,
        plots=plots,
    )
    stage(3)
    return artifact


@dataclass(frozen=True, slots=True, eq=False)
class _Within:
    """The vectors of some rows of a history, in chunks, as often as they are asked for."""

    vectors: NDArray[np.float32]
    asked: NDArray[np.bool_]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(self.vectors), CHUNK):
            yield self.vectors[start : start + CHUNK][self.asked[start : start + CHUNK]]


def _summarise(artifact: Artifact, out: Path) -> None:
    import json

    from model.artifact import REPORT

    report = json.loads((out / REPORT).read_bytes())
    history, held_out = report["training"]["history"], report["held_out"]
    click.echo(
        f"Model {artifact.model_id} in {out}, trained on {history['payments']} payments of which "
        f"{history['frauds']} were fraud."
    )
    click.echo(
        f"On {held_out['payments']} payments held out ({held_out['frauds']} frauds): average precision "
        f"{held_out['average_precision']:.3f}, ROC AUC {held_out['roc_auc']:.3f}, "
        f"{held_out['recall_at_budget']:.1%} of frauds within {held_out['alert_budget']:.2%} of payments."
    )
    thresholds = artifact.thresholds
    named = ", ".join(
        f"{name} from {least:.4g}" if least <= 1 else f"{name} never"
        for name, least in (("REVIEW", thresholds.review), ("HOLD", thresholds.hold), ("BLOCK", thresholds.block))
    )
    click.echo(f"Verdicts: {named}.")
    if never := _why_never(thresholds, report["training"]):
        click.echo(never)


def _why_never(thresholds: Thresholds, training: dict[str, Any]) -> str | None:
    """Say what to do where a verdict is never given; None where all are."""
    names = [name for name in ("review", "hold", "block") if getattr(thresholds, name) > 1]
    if not names:
        return None
    from model.verdict import MIN_ALERTS

    settings, slice_ = training["settings"], training["slices"]["calibrate"]
    budget, payments, frauds = settings["alert_budget"], slice_["payments"], slice_["frauds"]
    cause = (
        f"{' and '.join(name.upper() for name in names)} never: thresholds were set on {payments:,} payments with "
        f"{frauds:,} frauds, of which --alert-budget {budget:.4g} lets {int(budget * payments):,} be flagged"
    )
    if budget * payments < max(frauds, MIN_ALERTS):
        enough = min(max(frauds, MIN_ALERTS) / payments, 1.0)
        return f"{cause}. A larger budget is the cure: --alert-budget {ceil(enough * 1_000) / 1_000:.4g} or more."
    return f"{cause}, and none of the highest scores are fraud often enough: lower --hold-precision, --block-precision."
