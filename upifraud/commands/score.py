"""`upifraud score`: the verdicts that the stream would have given, for a file."""

from __future__ import annotations

import os
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from upifraud.history_files import HistoryFiles, history_files
from upifraud.means import means, measuring_means

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from history.chunk import Chunk
    from model.artifact import Artifact
    from stream.verdict_store import Model
    from upifraud.verdict_file import Verdicts

EPILOG = """
\b
Examples:
  upifraud score --payments payments.parquet --outcomes outcomes.parquet --model artifacts/july --out verdicts.parquet
  upifraud evaluate --verdicts verdicts.parquet --outcomes outcomes.parquet
      how good these verdicts are
  upifraud score --payments 'days/*.csv.gz' --map columns.toml --model artifacts/july --out verdicts.parquet
      somebody else's files; the map says what their columns mean, and where outcomes are
  upifraud score --payments payments.parquet --model artifacts/july --out verdicts.parquet
      as if no outcome had been reported yet
  upifraud score --payments payments.parquet --model artifacts/july --memory 8GB --spill /scratch --out verdicts.parquet
      a history of any length: what does not fit into 8 GB is measured in parts that lie on /scratch meanwhile
"""

_BYTES = 16
"""Of one feature of one payment: its value, its contribution, and its value again where it waits for its turn."""


@click.command(epilog=EPILOG)
@history_files
@measuring_means
@click.option(
    "--model",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="The artifact that gives the verdicts, as UPIFRAUD_MODEL_DIR of a worker.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Parquet file to write.")
def command(files: HistoryFiles, memory: int, spill: Path | None, directory: Path, out: Path) -> None:
    """Give the payments of a history their verdicts, without servers: one row a distinct payment, by event time.

    The file is the one that `upifraud export verdicts` writes after `upifraud replay` of the same files to one worker
    and topics of one partition: the same rows, bit for bit. Settings that change vectors count here, too. A history
    that does not fit into --memory is measured in parts, by way of --spill. Ends with how many verdicts there are of
    each kind, and how many rows were refused, by reason.
    """
    from features.schema import SCHEMA_HASH
    from history.by_time import by_time
    from history.large import measuring
    from model.artifact import load
    from model.verdict import Verdict
    from upifraud.described import described
    from upifraud.progress import steps
    from upifraud.verdict_file import VerdictFile

    artifact = load(directory, schema_hash=SCHEMA_HASH)
    model = described(artifact)
    given: Counter[int] = Counter()
    waiting = spill or out.absolute().parent
    waiting.mkdir(parents=True, exist_ok=True)
    with (
        steps() as step,
        files.opened() as history,
        measuring(**history, step=step, means=means(memory, spill, out, _BYTES * len(model.features))) as measured,
        TemporaryDirectory(dir=waiting, prefix=".upifraud-waiting-") as folder,
        VerdictFile(out) as file,
    ):
        done = step("scoring", len(measured))
        for rows in _scored(by_time(measured.chunks(), measured.event_time, Path(folder)), artifact, model):
            file.write(rows)
            given.update(rows.verdict.tolist())
            done(given.total())
        account = list(measured.account())
    kinds = ", ".join(f"{given[verdict]:,} {verdict.name}" for verdict in Verdict)
    click.echo(f"{given.total():,} verdicts of model {artifact.model_id} in {out}: {kinds}")
    for line in account:
        click.echo(line)


def _scored(chunks: Iterable[Chunk], artifact: Artifact, model: Model) -> Iterator[Verdicts]:
    """Yield the verdicts on payments in their order, on all cores: a row's depend on its vector alone."""
    cores = os.cpu_count() or 1
    coming = iter(chunks)
    with ThreadPoolExecutor(cores) as threads:
        under_way = deque(threads.submit(_judge, chunk, artifact, model) for chunk in islice(coming, cores + 1))
        while under_way:
            done = under_way.popleft().result()
            under_way.extend(threads.submit(_judge, chunk, artifact, model) for chunk in islice(coming, 1))
            yield done


def _judge(chunk: Chunk, artifact: Artifact, model: Model) -> Verdicts:
    import numpy as np
    import pyarrow as pa

    from upifraud.verdict_file import Verdicts

    scored = artifact.scorer.score(chunk.vectors)
    return Verdicts(
        transaction_id=chunk.ids.cast(pa.string()),
        event_time=chunk.event_time,
        score=scored.probability,
        margin=scored.margin,
        verdict=artifact.thresholds.verdicts(scored.probability),
        state=chunk.state,
        model=[model] * len(chunk),
        features=np.full(len(chunk), chunk.vectors.shape[1]),
        vectors=chunk.vectors.ravel(),
        contributions=scored.contributions.ravel(),
    )
