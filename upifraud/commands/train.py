"""`upifraud train`: a model of one's own history."""

from __future__ import annotations

import os
import re
import warnings
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upifraud.commands.simulate import MOMENT
from upifraud.history_files import HistoryFiles, history_files
from upifraud.means import means, measuring_means

if TYPE_CHECKING:
    from collections.abc import Callable

    from history.measured import Measured
    from history.spill.spilled import Spilled
    from model.artifact import Artifact
    from model.training.choice import Chosen
    from model.training.train import TrainingSettings
    from model.training.vectors import Held

EPILOG = """
\b
Examples:
  upifraud train --payments payments.parquet --outcomes outcomes.parquet --out artifacts/july
  upifraud train --payments payments.parquet --outcomes outcomes.parquet --since 2026-05-01T00:00:00+05:30 \\
      --until 2026-07-01T00:00:00+05:30 --label-delay 14d --out artifacts/july
      payments before May warm the windows; what was reported from 15 July on is not known yet
  upifraud train --payments payments.csv --map columns.toml --out artifacts/july
      somebody else's file, with its outcomes in a column of its own: the map says which
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
@history_files
@measuring_means
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
@click.option(
    "--baselines/--no-baselines",
    default=True,
    show_default=True,
    help="Compare with a logistic regression and a random forest on the same vectors.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Directory to write.")
def command(
    files: HistoryFiles,
    since: int | None,
    until: int | None,
    label_delay: int,
    memory: int,
    spill: Path | None,
    out: Path,
    *,
    baselines: bool,
    **chosen: Any,
) -> None:
    """Train a model on a history, and write it as an artifact with its report.

    The earliest frauds train the trees, later ones set probabilities and thresholds, the last ones are held out for
    the report. The artifact is checked against shap and scikit-learn before it is written. A history that does not fit
    into --memory is measured in parts, by way of --spill. Ends with how many rows were refused, by reason, as the
    stream would have refused them.
    """
    from history.large import measuring
    from model.errors import ModelError
    from model.training.publishing import check_place
    from model.training.train import TrainingSettings
    from upifraud.progress import steps

    settings = replace(TrainingSettings(), **{name: value for name, value in chosen.items() if value is not None})
    files.expect_outcomes()
    try:
        check_place(out)
    except ModelError as error:
        raise click.ClickException(str(error)) from error
    with (
        steps() as step,
        files.opened() as given,
        measuring(**given, step=step, means=means(memory, spill, out, 0)) as measured,
    ):
        measured.expect_a_match(files.title)
        account = list(measured.account())
        try:
            made = train_artifact(measured, since, until, label_delay, settings, out, step, baselines=baselines)
        except ModelError as error:
            raise click.ClickException(f"{error} ({'; '.join(account)})") from error
    _summarise(made.artifact, out)
    for line in account:
        click.echo(line)


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What a training leaves."""

    artifact: Artifact
    baselines: dict[str, Any]
    """Fitted to the same vectors, by name; empty where none were asked for."""


def train_artifact(
    measured: Measured | Spilled,
    since: int | None,
    until: int | None,
    label_delay: int,
    settings: TrainingSettings,
    out: Path,
    step: Callable[[str, int], Callable[[int], None]],
    *,
    baselines: bool = False,
) -> Made:
    """Train on payments with since <= event_time < until and write the artifact; times in epoch milliseconds."""
    # Threads of OpenMP wait by spinning, which takes six times as long beside other work; read when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from sklearn.exceptions import ConvergenceWarning

    from features.schema import FEATURE_NAMES, SCHEMA_HASH
    from model.errors import TrainingError
    from model.training.baselines import fit_beside
    from model.training.publishing import publish
    from model.training.report import make_report
    from model.training.train import train_of
    from model.training.vectors import Within
    from model.training.watched import WATCHED

    times = measured.event_time
    until = int(times.max()) + 1 if until is None else until
    asked = (times < until) & (times >= (since or times.min()))
    rows = asked.nonzero()[0]
    if not len(rows):
        raise TrainingError("Expected payments between --since and --until, got none; give a wider range.")
    labels = measured.labels(rows, until + label_delay)
    event_time = times[rows]
    simple: Future[dict[str, Any]] = Future()

    def begin_baselines(chosen: Chosen, held: Held) -> None:
        nonlocal simple
        if baselines:
            simple = fit_beside(held, chosen.fitted, labels.fraud[chosen.fitted], settings.seed)
        else:
            simple.set_result({})

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        trained = train_of(
            Within(measured, rows),
            labels.fraud,
            event_time,
            settings,
            feature_names=FEATURE_NAMES,
            watched=WATCHED,
            step=step,
            fitted=begin_baselines,
        )
        trained.facts["history"] = {
            "payments": len(rows),
            "frauds": int(labels.fraud.sum()),
            "reported": labels.reported,
            "first_event_time": int(event_time.min()),
            "until": until,
            "label_delay_ms": label_delay,
        }
        stage = step("report", 2)
        report, plots = make_report(trained, labels, event_time, FEATURE_NAMES, simple.result)
    stage(1)
    artifact = publish(
        out,
        trained,
        feature_names=FEATURE_NAMES,
        schema_hash=SCHEMA_HASH,
        sample=trained.held.of(trained.chosen.evenly),
        report=report,
        plots=plots,
    )
    stage(2)
    return Made(artifact, simple.result())


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
    for name, figures in report["metrics"]["baselines"].items():
        click.echo(
            f"Beside it, {name.replace('_', ' ')}: average precision {figures['average_precision']:.3f}, ROC AUC "
            f"{figures['roc_auc']:.3f}, {figures['recall_at_budget']:.1%} of frauds."
        )
    for finding in report["findings"]:
        option = f" [{finding['option']}]" if finding["option"] else ""
        click.echo(f"{finding['code']}: {finding['text']}{option}")
