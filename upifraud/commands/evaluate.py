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
from upifraud.history_files import columns_of, one_or_all
from upifraud.options import FILE, FILES, SEVERAL, map_, max_rejected, refused, zone

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
  upifraud evaluate --verdicts verdicts.parquet --outcomes payments.csv --map columns.toml
      the outcomes are in a column of the payments' own file
"""


@click.command(epilog=EPILOG)
@click.option("--verdicts", type=FILE, required=True, help="Parquet file that `upifraud export verdicts` wrote.")
@click.option(
    "--outcomes",
    type=FILES,
    multiple=True,
    required=True,
    help=f"File of outcomes, or of payments where --map finds them; a payment without is genuine. {SEVERAL}",
)
@map_
@zone
@max_rejected("outcomes", "0%")
@refused
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
    outcomes: tuple[Path, ...],
    map_: Path | None,
    zone: str | None,
    max_rejected_outcomes: float,
    refused: Path | None,
    refused_rows: bool,
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
    from history.refused_file import refused_file
    from model.artifact import REPORT, canonical_json
    from model.errors import ModelError
    from model.training.evaluation import Scores, evaluate
    from model.training.labels import label
    from model.training.watched import amount_paise, payee_reported

    try:
        with refused_file(refused, with_rows=refused_rows) as note:
            reported = read_outcomes(one_or_all(outcomes), zone, columns_of(map_), note)
            reported.refusals.check(max_rejected_outcomes)
        with _readable(verdicts):
            stored = _read(verdicts, since, until, explained=out is not None)
        reported.match(stored.others + stored.transaction_id)
        reported.expect_a_match(verdicts)
        labels = label(stored.transaction_id, reported.rows)
        scores = Scores(
            stored.score,
            labels.fraud,
            amount_paise(stored.watched),
            labels.typology,
            stored.verdict,
            stored.event_time,
            payee_reported(stored.watched),
        )
        figures = evaluate(scores, alert_budget=alert_budget, base_rate=base_rate)
    except ModelError as error:
        raise click.ClickException(f"{error} ({reported.refusals})") from error
    if out is not None:
        from model.training.plots import draw, importance_plot

        out.mkdir(parents=True, exist_ok=True)
        plots = draw(scores, figures)
        if stored.strength is not None:
            strongest = sorted(stored.strength.items(), key=lambda item: (-item[1], item[0]))
            plots["importance.png"] = importance_plot(strongest)
        for name, png in plots.items():
            (out / name).write_bytes(png)
        (out / REPORT).write_bytes(canonical_json(figures))
    click.echo(json.dumps(figures, allow_nan=False))
    click.echo(str(reported.refusals), err=True)


@dataclass(frozen=True, slots=True)
class Stored:
    """What an evaluation needs of exported verdicts."""

    transaction_id: list[bytes]
    event_time: NDArray[np.int64]
    """Epoch milliseconds."""
    score: NDArray[np.float64]
    verdict: NDArray[np.uint8]
    watched: dict[str, NDArray[np.float32]]
    """Values of some features, those that there are."""
    strength: dict[str, float] | None
    """Mean absolute contribution of each feature; None where not asked for, or not in the file."""
    others: list[bytes]
    """Payments of the file outside the range that was asked for."""


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say in one line what is wrong with a file of verdicts."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise click.ClickException(
            f"{path}: expected a file that `upifraud export verdicts` wrote, got: {' '.join(str(error).split())}; "
            "export it anew."
        ) from error


def _read(path: Path, since: int | None, until: int | None, *, explained: bool) -> Stored:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from model.training.watched import WATCHED
    from model.verdict import Verdict
    from upifraud.verdict_file import by_features, features_of_all, values_of

    wanted = ("transaction_id", "event_time", "score", "verdict", "vector")
    file = pq.ParquetFile(path)
    missing = [name for name in wanted if name not in file.schema_arrow.names]
    if missing:
        raise click.ClickException(
            f"Expected the columns of `upifraud export verdicts` in {path}, it lacks {', '.join(missing)}."
        )
    columns = [name for name in WATCHED if name in features_of_all(file.schema_arrow)]
    strength: dict[str, float] | None = {} if explained and "contributions" in file.schema_arrow.names else None
    read = [*wanted, *({"schema_hash", *(["contributions"] if explained else [])} & set(file.schema_arrow.names))]
    codes = {verdict.name: int(verdict) for verdict in Verdict}
    ids: list[bytes] = []
    others: list[bytes] = []
    moments: list[Any] = [np.empty(0, dtype=np.int64)]
    scores: list[Any] = [np.empty(0)]
    given: list[Any] = [np.empty(0, dtype=np.uint8)]
    watched: dict[str, list[Any]] = {name: [np.empty(0, dtype=np.float32)] for name in columns}
    for batch in file.iter_batches(columns=read):
        times = batch["event_time"].cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()).to_numpy()
        within = (times >= (since if since is not None else times.min(initial=0))) & (
            times < (until if until is not None else times.max(initial=0) + 1)
        )
        chosen = batch.filter(pa.array(within))
        ids += [one.encode() for one in chosen["transaction_id"].to_pylist()]
        outside = batch["transaction_id"].filter(pa.array(~within))
        others += [one.encode() for one in outside.to_pylist()]
        moments.append(times[within])
        scores.append(chosen["score"].to_numpy())
        given.append(np.array([codes[name] for name in chosen["verdict"].to_pylist()], dtype=np.uint8))
        for name, values in values_of(columns, chosen, file.schema_arrow).items():
            watched[name].append(values)
        if strength is not None:
            for names, _, contributions in by_features("contributions", chosen, file.schema_arrow):
                for name, share in zip(names, np.abs(contributions).sum(axis=0).tolist(), strict=True):
                    strength[name] = strength.get(name, 0.0) + share
    mean = None if strength is None or not ids else {name: total / len(ids) for name, total in strength.items()}
    return Stored(
        ids,
        np.concatenate(moments),
        np.concatenate(scores),
        np.concatenate(given),
        {name: np.concatenate(parts) for name, parts in watched.items()},
        mean,
        others,
    )
