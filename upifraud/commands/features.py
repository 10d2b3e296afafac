"""`upifraud features`: what the stream would have computed, for a file."""

from __future__ import annotations

import json
from pathlib import Path

import click

EPILOG = """
\b
Examples:
  upifraud features --payments payments.parquet --out vectors.parquet
  upifraud features --payments payments.parquet --outcomes outcomes.parquet --out vectors.parquet
"""

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(epilog=EPILOG)
@click.option("--payments", type=FILE, required=True, help="Parquet file of payments; file order is delivery order.")
@click.option("--outcomes", type=FILE, help="Parquet file of outcomes; without it the fraud rates are 0.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Parquet file to write.")
def command(payments: Path, outcomes: Path | None, out: Path) -> None:
    """Compute point-in-time feature vectors of a history: one row a distinct payment, the same as online."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from features.schema import FEATURE_NAMES, SCHEMA_HASH
    from upifraud.history import measure, rows_in
    from upifraud.progress import steps

    with steps() as step:
        total = rows_in(payments)
        measured = measure(payments, outcomes, reading=step("reading", total), measuring=step("measuring", total))
    columns = {"transaction_id": pa.array([one.decode() for one in measured.transaction_id])}
    columns |= {name: pa.array(measured.vectors[:, k]) for k, name in enumerate(FEATURE_NAMES)}
    table = pa.table(columns).replace_schema_metadata(
        {"features": json.dumps(FEATURE_NAMES), "schema_hash": SCHEMA_HASH}
    )
    pq.write_table(table, out)
    click.echo(f"{len(measured.transaction_id)} vectors of {len(FEATURE_NAMES)} features ({SCHEMA_HASH}) in {out}")
