"""`upifraud evaluate`: how good the verdicts were, now that their outcomes are known."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from upifraud.commands.simulate import MOMENT
from upifraud.commands.train import SHARE
from upifraud.options import FILE, max_rejected, zone

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

EPILOG = """
\b
Examples:
  upifraud export verdicts --out verdicts.parquet
  upifraud evaluate --verdicts verdicts.parquet --outcomes outcomes.parquet
  upifraud evaluate --verdicts verdicts.parquet --outcomes outcomes.parquet --base-rate 7e-6 --out report
      with what precision would be at 7 frauds in a million payments, and plots
"""

AMOUNT = "amount_paise"


@click.command(epilog=EPILOG)
@click.option("--verdicts", type=FILE, required=True, help="Parquet file that `upifraud export verdicts` wrote.")
@click.option("--outcomes", type=FILE, required=True, help="File of outcomes; a payment without is genuine.")
@zone
@max_rejected("outcomes", "0%")
@click.option("--since", type=MOMENT, help="First event time.")
@click.option("--until", type=MOMENT, help="Event time before which to stop.")
@click.option(
    "--alert-budget", type=SHARE, default=0.005, show_default=True, help="Share of payments that can be reviewed."
)
@click.option(
    "--base-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Also give the figures as they would be with this share of fraud.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Directory for plots and report.json.")
def command(
    verdicts: Path,
    outcomes: Path,
    zone: str | None,
    max_rejected_outcomes: float,
    since: int | None,
    until: int | None,
    alert_budget: float,
    base_rate: float | None,
    out: Path | None,
) -> None:
    """Compare verdicts with outcomes; one JSON object on stdout.

    How many outcomes were refused, by reason, goes to stderr.
    """
    from history.reading import read_outcomes
    from model.artifact import REPORT, canonical_json
    from model.errors import ModelError
    from model.training.evaluation import Scores, evaluate
    from model.training.labels import label

    try:
        reported = read_outcomes(outcomes, zone)
        reported.refusals.check(max_rejected_outcomes)
        with _readable(verdicts):
            stored = _read(verdicts, since, until)
        reported.match(stored.others + stored.transaction_id)
        reported.expect_a_match(verdicts)
        labels = label(stored.transaction_id, reported.rows)
        scores = Scores(stored.score, labels.fraud, stored.amount_paise, labels.typology, stored.verdict)
        figures = evaluate(scores, alert_budget=alert_budget, base_rate=base_rate)
    except ModelError as error:
        raise click.ClickException(f"{error} ({reported.refusals})") from error
    if out is not None:
        from model.training.plots import draw

        out.mkdir(parents=True, exist_ok=True)
        for name, png in draw(scores, figures).items():
            (out / name).write_bytes(png)
        (out / REPORT).write_bytes(canonical_json(figures))
    click.echo(json.dumps(figures, allow_nan=False))
    click.echo(str(reported.refusals), err=True)


@dataclass(frozen=True, slots=True)
class Stored:
    """What an evaluation needs of exported verdicts."""

    transaction_id: list[bytes]
    score: NDArray[np.float64]
    amount_paise: NDArray[np.float64] | None
    """None where amounts are no feature."""
    verdict: NDArray[np.uint8]
    others: list[bytes]
    """Payments of the file outside the range that was asked for."""


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say in one line what is wrong with a file of verdicts."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException, KeyError) as error:
        raise click.ClickException(
            f"{path}: expected a file that `upifraud export verdicts` wrote, got: {' '.join(str(error).split())}; "
            "export it anew."
        ) from error


def _read(path: Path, since: int | None, until: int | None) -> Stored:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from model.verdict import Verdict

    wanted = ("transaction_id", "event_time", "score", "verdict", "vector")
    file = pq.ParquetFile(path)
    missing = [name for name in wanted if name not in file.schema_arrow.names]
    if missing:
        raise click.ClickException(
            f"Expected the columns of `upifraud export verdicts` in {path}, it lacks {', '.join(missing)}."
        )
    features = json.loads((file.schema_arrow.metadata or {}).get(b"features", b"[]"))
    amount_at = features.index(AMOUNT) if AMOUNT in features else None
    codes = {verdict.name: int(verdict) for verdict in Verdict}
    ids: list[bytes] = []
    others: list[bytes] = []
    scores: list[Any] = [np.empty(0)]
    amounts: list[Any] = [np.empty(0)]
    given: list[Any] = [np.empty(0, dtype=np.uint8)]
    for batch in file.iter_batches(columns=list(wanted)):
        times = batch["event_time"].cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()).to_numpy()
        within = (times >= (since if since is not None else times.min(initial=0))) & (
            times < (until if until is not None else times.max(initial=0) + 1)
        )
        chosen = batch.filter(pa.array(within))
        ids += [one.encode() for one in chosen["transaction_id"].to_pylist()]
        outside = batch["transaction_id"].filter(pa.array(~within))
        others += [one.encode() for one in outside.to_pylist()]
        scores.append(chosen["score"].to_numpy())
        given.append(np.array([codes[name] for name in chosen["verdict"].to_pylist()], dtype=np.uint8))
        if amount_at is not None:
            vectors = chosen["vector"].flatten().to_numpy().reshape(len(chosen), len(features))
            amounts.append(vectors[:, amount_at].astype(np.float64))
    return Stored(
        ids,
        np.concatenate(scores),
        np.concatenate(amounts) if amount_at is not None else None,
        np.concatenate(given),
        others,
    )
