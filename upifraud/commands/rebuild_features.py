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
    from stream.errors import StreamError
    from stream.kafka.arrivals import partition_name
    from stream.kafka.config import checked_client_config
    from stream.kafka.source_topics import SourceTopics
    from stream.settings import read_settings
    from upifraud.group import committed_offsets, held_since, set_back
    from upifraud.progress import steps
    from upifraud.rebuild import from_kafka, from_postgres

    if force and source == "kafka":
        raise click.UsageError("--force: from Kafka only an empty store can be filled; empty it with FLUSHDB first")
    since = int(time.time() * 1000) - EXPIRY
    try:
        settings = read_settings(os.environ)
        store = RedisEntityStore(settings.redis_url)
        topics = SourceTopics(checked_client_config(settings))
        there = [*topics.partitions(settings.topic_transactions), *topics.partitions(settings.topic_outcomes)]
        committed = {
            partition: offset for partition, offset in committed_offsets(settings).items() if partition in there
        }
        held = [stands for stands in store.next_offsets([partition_name(*partition) for partition in there]) if stands]
        if held and not force:
            raise click.ClickException(
                f"Redis holds what was applied of {len(held)} partitions, so nothing was lost. "
                "Stop all workers and add --force to replace it."
            )
        beyond = topics.shorter({partition: offset for partition, offset in committed.items() if offset})
        if beyond and source == "kafka":
            topic = next(iter(beyond))[0]
            raise click.ClickException(
                f"Topic {topic} was made anew, or lost records: its log ends before what the group committed, and only "
                "the verdicts tell what of it was worked on. Leave out --from kafka, or run `upifraud accept-topic "
                f"{topic} --from beginning` first."
            )
        committed = {partition: offset for partition, offset in committed.items() if partition not in beyond}
        with steps() as step:
            if source == "kafka":
                rebuilt = from_kafka.rebuild(settings, store, committed, since, step)
            else:
                rebuilt = from_postgres.rebuild(settings, store, committed, since, step)
        if beyond:
            firsts = held_since(settings, list(beyond), 0)
            reached = {partition: rebuilt.offsets.get(partition_name(*partition), 0) for partition in beyond}
            set_back(settings, {partition: max(offset, firsts[partition][1]) for partition, offset in reached.items()})
    except (StreamError, FeatureError) as error:
        raise click.ClickException(str(error)) from error
    back = "nothing was found" if rebuilt.since is None else f"windows reach back to {_utc(rebuilt.since)}"
    click.echo(
        f"{rebuilt.payments} payments, {rebuilt.reports} outcome reports, {len(rebuilt.offsets)} source partitions; "
        f"{back}"
    )


def _utc(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat(timespec="seconds")
