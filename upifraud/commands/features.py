"""`upifraud features`: what the stream would have computed, for a file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from upifraud.options import FILE, max_rejected, zone

EPILOG = """
\b
Examples:
  upifraud features --payments payments.parquet --out vectors.parquet
  upifraud features --payments payments.parquet --outcomes outcomes.parquet --out vectors.parquet
  upifraud features --payments payments.parquet --zone Asia/Kolkata --out vectors.parquet
      its timestamps have no zone: they are local times of India
  upifraud features --payments payments.parquet --max-rejected-payments 5% --out vectors.parquet
      one row in twenty may be none that the stream would take
"""


@click.command(epilog=EPILOG)
@click.option("--payments", type=FILE, required=True, help="File of payments; file order is delivery order.")
@click.option("--outcomes", type=FILE, help="File of outcomes; without it the fraud rates are 0.")
@zone
@max_rejected("payments", "1%")
@max_rejected("outcomes", "0%")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Parquet file to write.")
def command(
    payments: Path,
    outcomes: Path | None,
    zone: str | None,
    max_rejected_payments: float,
    max_rejected_outcomes: float,
    out: Path,
) -> None:
    """Compute point-in-time feature vectors of a history: one row a distinct payment, the same as online.

    Ends with how many rows were refused, by reason, as the stream would have refused them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from features.schema import FEATURE_NAMES, SCHEMA_HASH
    from history.measured import Limits, measure
    from upifraud.progress import steps

    limits = Limits(max_rejected_payments, max_rejected_outcomes)
    with steps() as step:
        measured = measure(payments, outcomes, zone=zone, limits=limits, step=step)
    columns = {"transaction_id": pa.array([one.decode() for one in measured.transaction_id])}
    columns |= {name: pa.array(measured.vectors[:, k]) for k, name in enumerate(FEATURE_NAMES)}
    table = pa.table(columns).replace_schema_metadata(
        {"features": json.dumps(FEATURE_NAMES), "schema_hash": SCHEMA_HASH}
    )
    pq.write_table(table, out)
    click.echo(f"{len(measured.transaction_id)} vectors of {len(FEATURE_NAMES)} features ({SCHEMA_HASH}) in {out}")
    for line in measured.account():
        click.echo(line)
