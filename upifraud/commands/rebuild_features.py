"""`upifraud rebuild-features`: the online store again, from the verdicts or from the records."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

import click

EPILOG = """
\b
When Redis was wiped, workers wait and say so. Then:
  upifraud rebuild-features                 windows are what they were; workers go on by themselves
  upifraud rebuild-features --from kafka    where Postgres was lost too, or keeps less than 31 days; back to where
                                            Kafka's retention reaches
Stop the workers first if Redis still holds something; they must not write meanwhile.
"""


@click.command(epilog=EPILOG)
@click.option(
    "--from",
    "source",
    type=click.Choice(["postgres", "kafka"]),
    default="postgres",
    show_default=True,
    help="postgres: exactly what was there. kafka: logs of payees and devices in the order of Kafka's timestamps.",
)
@click.option("--force", is_flag=True, help="Rebuild although the store is not empty; its logs are replaced.")
def command(source: str, force: bool) -> None:
    """Refill the entity logs in Redis with the payments of the last 31 days, up to the committed offsets."""
    from features.errors import FeatureError
    from features.store.redis_store import RedisEntityStore
    from features.windows import EXPIRY
    from stream.arrivals import partition_name
    from stream.errors import StreamError
    from stream.settings import read_settings
    from stream.source_topics import SourceTopics
    from stream.transport.config import client_config
    from upifraud.group import committed_offsets
    from upifraud.progress import steps
    from upifraud.rebuild import from_kafka, from_postgres

    if force and source == "kafka":
        raise click.UsageError("--force: from Kafka only an empty store can be filled; empty it with FLUSHDB first")
    since = int(time.time() * 1000) - EXPIRY
    try:
        settings = read_settings(os.environ)
        store = RedisEntityStore(settings.redis_url)
        committed = committed_offsets(settings)
        names = {partition_name(*place): offset for place, offset in committed.items()}
        held = [name for name, stands in zip(names, store.next_offsets(list(names)), strict=True) if stands]
        if held and not force:
            raise click.ClickException(
                f"Redis holds what was applied of {len(held)} partitions, so nothing was lost. "
                "Stop all workers and add --force to replace it."
            )
        if beyond := SourceTopics(client_config(settings)).shorter(
            {at: offset for at, offset in committed.items() if offset}
        ):
            topic = next(iter(beyond))[0]
            raise click.ClickException(
                f"Topic {topic} was made anew, or lost records: the group committed offsets that its log does not "
                f"reach. Run `upifraud accept-topic {topic} --from beginning` first."
            )
        with steps() as step:
            if source == "kafka":
                rebuilt = from_kafka.rebuild(settings, store, committed, since, step)
            else:
                rebuilt = from_postgres.rebuild(settings, store, committed, since, step)
    except (StreamError, FeatureError) as error:
        raise click.ClickException(str(error)) from error
    back = "nothing was found" if rebuilt.since is None else f"windows reach back to {_utc(rebuilt.since)}"
    click.echo(
        f"{rebuilt.payments} payments, {rebuilt.reports} outcome reports, {len(rebuilt.offsets)} source partitions; "
        f"{back}"
    )


def _utc(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat(timespec="seconds")
