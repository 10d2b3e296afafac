"""`upifraud score`: the verdicts that the stream would have given, for a file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from upifraud.history_files import HistoryFiles, history_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from history.measured import Measured
    from model.artifact import Artifact
    from upifraud.verdict_file import Verdicts

EPILOG = """
\b
Examples:
  upifraud score --payments payments.parquet --outcomes outcomes.parquet --model artifacts/july --out verdicts.parquet
  upifraud evaluate --verdicts verdicts.parquet --outcomes outcomes.parquet
      how good these verdicts are
  upifraud score --payments payments.parquet --model artifacts/july --out verdicts.parquet
      as if no outcome had been reported yet
  upifraud score --payments payments.csv --map columns.toml --model artifacts/july --out verdicts.parquet
      somebody else's file; where its map has outcomes, they were reported
"""

ROW_GROUP = 16_384


@click.command(epilog=EPILOG)
@history_files
@click.option(
    "--model",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="The artifact that gives the verdicts, as UPIFRAUD_MODEL_DIR of a worker.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Parquet file to write.")
def command(
    files: HistoryFiles,
    directory: Path,
    out: Path,
) -> None:
    """Give the payments of a history their verdicts, without servers: one row a distinct payment, by event time.

    The file is the one that `upifraud export verdicts` writes after `upifraud replay` of the same files to one worker
    and topics of one partition: the same rows, bit for bit. Settings that change vectors count here, too. Without
    outcomes nothing was ever reported; they come from --outcomes or, where --map has them, the payments' own files.
    Ends with how many verdicts there are of each kind, and how many rows were refused, by reason.
    """
    from features.schema import SCHEMA_HASH
    from history.measured import measure
    from model.artifact import load
    from model.verdict import Verdict
    from upifraud.progress import steps
    from upifraud.verdict_file import VerdictFile

    artifact = load(directory, schema_hash=SCHEMA_HASH)
    given: Counter[int] = Counter()
    with steps() as step:
        with files.opened() as history:
            measured = measure(**history, step=step)
        with VerdictFile(out) as file:
            for rows in _scored(measured, artifact, step("scoring", len(measured.transaction_id))):
                file.write(rows)
                given.update(rows.verdict.tolist())
    kinds = ", ".join(f"{given[verdict]:,} {verdict.name}" for verdict in Verdict)
    click.echo(f"{given.total():,} verdicts of model {artifact.model_id} in {out}: {kinds}")
    for line in measured.account():
        click.echo(line)


def _scored(measured: Measured, artifact: Artifact, done: Callable[[int], None]) -> Iterator[Verdicts]:
    """Yield the verdicts on measured payments in the order of an export, some at a time."""
    import numpy as np

    from upifraud.described import described
    from upifraud.verdict_file import Verdicts

    model = described(artifact)
    order = _export_order(measured.event_time, measured.transaction_id)
    for start in range(0, len(order), ROW_GROUP):
        rows = order[start : start + ROW_GROUP]
        vectors = measured.vectors[rows]
        scored = artifact.scorer.score(vectors)
        yield Verdicts(
            transaction_id=[measured.transaction_id[row].decode() for row in rows.tolist()],
            event_time=measured.event_time[rows],
            score=scored.probability,
            margin=scored.margin,
            verdict=artifact.thresholds.verdicts(scored.probability),
            state=measured.state[rows],
            model=[model] * len(rows),
            features=np.full(len(rows), vectors.shape[1]),
            vectors=vectors.ravel(),
            contributions=scored.contributions.ravel(),
        )
        done(start + len(rows))


def _export_order(event_time: NDArray[np.int64], transaction_id: list[bytes]) -> NDArray[np.intp]:
    """Return the rows by event time; of one time by the bytes of the id, as Postgres sorts them."""
    import numpy as np

    order = np.argsort(event_time, kind="stable")
    times = event_time[order]
    edges = np.flatnonzero(np.diff(times, prepend=times[:1] - 1, append=times[-1:] + 1))
    for edge in np.flatnonzero(np.diff(edges) > 1).tolist():
        tied = slice(edges[edge], edges[edge + 1])
        order[tied] = sorted(order[tied].tolist(), key=transaction_id.__getitem__)
    return order
