"""`upifraud rebuild-features`: the online store from what the verdicts keep."""

from __future__ import annotations

import os
import time

import click

EPILOG = """
\b
When Redis was wiped, workers wait and say so. Then:
  upifraud rebuild-features        windows are what they were; workers go on by themselves
Stop the workers first if Redis still holds something; they must not write meanwhile.
"""


@click.command(epilog=EPILOG)
@click.option("--force", is_flag=True, help="Rebuild although the store is not empty; its logs are replaced.")
def command(force: bool) -> None:
    """Refill the entity logs in Redis from the verdicts of the last 31 days in Postgres."""
    from features.rebuild import RebuildInput
    from features.redis_store import RedisEntityStore
    from features.windows import EXPIRY
    from stream.arrivals import partition_name
    from stream.entity_risk import reports_of
    from stream.settings import read_settings
    from stream.verdict_store import VerdictStore, scans
    from upifraud.group import committed_offsets
    from upifraud.progress import steps

    settings = read_settings(os.environ)
    entity_store = RedisEntityStore(settings.redis_url)
    verdicts = VerdictStore(settings.postgres_url)
    committed = committed_offsets(settings)
    names = {partition_name(topic, partition): offset for (topic, partition), offset in committed.items()}
    held = [name for name, stands in zip(names, entity_store.next_offsets(list(names)), strict=True) if stands]
    if held and not force:
        raise click.ClickException(
            f"Redis holds what was applied of {len(held)} partitions, so nothing was lost. "
            "Stop all workers and add --force to replace it."
        )
    since = int(time.time() * 1000) - EXPIRY
    collected = RebuildInput()
    with steps() as step:
        read = step("verdicts", scans.count(settings.postgres_url, since, None))
        for rows in verdicts.provenance(since):
            collected.add([row.provenance for row in rows])
            for row in rows:
                name = partition_name(settings.topic_transactions, row.source_partition)
                names[name] = max(names.get(name, 0), row.source_offset + 1)
            read(len(collected))
        written = step("logs", collected.count_logs())
        logs = 0
        for batch in collected.batches():
            entity_store.load(batch, {})
            logs += len(batch)
            written(logs)
    reports = 0
    for refs in verdicts.outcomes():
        reports += entity_store.report(reports_of(refs))
    entity_store.load([], names)
    click.echo(f"{len(collected)} payments in {logs} logs, {reports} outcome reports, {len(names)} source partitions")
