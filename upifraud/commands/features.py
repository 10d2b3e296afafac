"""`upifraud features`: what the stream would have computed, for a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from upifraud.history_files import HistoryFiles, history_files
from upifraud.means import means, measuring_means

if TYPE_CHECKING:
    from collections.abc import Callable

    from history.measured import Measured
    from history.spill.spilled import Spilled

_BYTES: Final = 2
"""Of a feature in the file, packed: measured 1.5."""

EPILOG = """
\b
Examples:
  upifraud features --payments payments.parquet --out vectors.parquet
  upifraud features --payments payments.parquet --outcomes outcomes.parquet --out vectors.parquet
  upifraud features --payments payments.parquet --zone Asia/Kolkata --out vectors.parquet
      its timestamps have no zone: they are local times of India
  upifraud features --payments 'days/*.csv.gz' --map columns.toml --out vectors.parquet
      somebody else's files; the map says what their columns mean, and where outcomes are
  upifraud features --payments payments.csv --map columns.toml --refused refused.csv --out vectors.parquet
      which rows were refused, and why, is in refused.csv
  upifraud features --payments payments.parquet --max-rejected-payments 5% --out vectors.parquet
      one row in twenty may be none that the stream would take
  upifraud features --payments payments.parquet --memory 8GB --spill /scratch --out vectors.parquet
      a history of any length: what does not fit into 8 GB is measured in parts that lie on /scratch meanwhile
"""


@click.command(epilog=EPILOG)
@history_files
@measuring_means
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Parquet file to write.")
def command(
    files: HistoryFiles,
    memory: int,
    spill: Path | None,
    out: Path,
) -> None:
    """Compute point-in-time feature vectors of a history: one row a distinct payment, the same as online.

    Without outcomes the fraud rates are 0. They come from --outcomes or, where --map has them, the payments' own files.
    A history that does not fit into --memory is measured in parts, by way of --spill: the same vectors, bit for bit.
    Ends with how many rows were refused, by reason, as the stream would have refused them.
    """
    from features.schema import FEATURE_NAMES, SCHEMA_HASH
    from history.large import measuring
    from upifraud.progress import steps

    with (
        steps() as step,
        files.opened() as given,
        measuring(**given, step=step, means=means(memory, spill, out, _BYTES * len(FEATURE_NAMES))) as measured,
    ):
        _write(measured, out, step("writing", len(measured)))
        count, account = len(measured), list(measured.account())
    click.echo(f"{count} vectors of {len(FEATURE_NAMES)} features ({SCHEMA_HASH}) in {out}")
    for line in account:
        click.echo(line)


def _write(measured: Measured | Spilled, out: Path, done: Callable[[int], None]) -> None:
    """Write the vectors; the file has its name when it is whole."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from features.schema import FEATURE_NAMES, SCHEMA_HASH

    schema = pa.schema(
        [("transaction_id", pa.string()), *((name, pa.float32()) for name in FEATURE_NAMES)],
        metadata={"features": json.dumps(FEATURE_NAMES), "schema_hash": SCHEMA_HASH},
    )
    partial = out.with_name(f".{out.name}.partial")
    count = 0
    try:
        # Without dictionaries, which numbers that hardly repeat only try in vain: it takes less than half of the time.
        with pq.ParquetWriter(partial, schema, compression="zstd", use_dictionary=False) as file:
            for chunk in measured.chunks():
                values = np.ascontiguousarray(chunk.vectors.T)
                file.write_batch(
                    pa.RecordBatch.from_arrays([chunk.ids.cast(pa.string()), *map(pa.array, values)], schema=schema)
                )
                count += len(chunk)
                done(count)
        partial.rename(out)
    finally:
        partial.unlink(missing_ok=True)
