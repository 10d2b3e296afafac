"""`upifraud accept-topic`: a topic that was made anew under its old name is gone on with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from upifraud.commands.simulate import MOMENT

if TYPE_CHECKING:
    from stream.kafka.source_topics import Partition
    from stream.settings import Settings

BEGINNING, COMMITTED = "beginning", "committed"
EPILOG = """
\b
Examples:
  upifraud accept-topic transactions --from beginning     all of its records are new
  upifraud accept-topic transactions --from now           none of them is: they were copied from the earlier topic
  upifraud accept-topic transactions --from 2026-11-25T21:00:00+05:30
                                                          copied up to then
  upifraud accept-topic transactions --from committed     a version before this one worked on it already

\b
All workers must be stopped. Windows stay as they are: the payments of the earlier topic were made. A payment that is
read again within three days of its first time is a duplicate, whichever topic it is in; a copy of an older one counts
twice, so leave copies out with --from.
"""


class Start(click.ParamType):
    """`beginning`, `committed`, or a moment."""

    name = "beginning|committed|now|TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Leave the two words, and read all else as a moment."""
        return value if value in (BEGINNING, COMMITTED) else MOMENT.convert(value, param, ctx)


@click.command(epilog=EPILOG)
@click.argument("topic")
@click.option("--from", "since", type=Start(), required=True, help="Which of its records are new.")
@click.option("--dry-run", is_flag=True, help="Only say what would be read.")
def command(topic: str, since: str | int, dry_run: bool) -> None:
    """Let workers read a topic that was made anew under its old name.

    Both the group's offsets and those that Redis holds become those of the new topic.
    """
    from features.errors import FeatureError
    from features.store.redis_store import RedisEntityStore
    from stream.errors import StreamError
    from stream.kafka.arrivals import partition_name
    from stream.kafka.config import checked_client_config
    from stream.kafka.source_topics import SourceTopics
    from stream.settings import read_settings
    from upifraud import group

    try:
        settings = read_settings(os.environ)
        if topic not in (settings.topic_transactions, settings.topic_outcomes):
            raise click.UsageError(
                f"TOPIC: expected {settings.topic_transactions} or {settings.topic_outcomes}, got {topic}"
            )
        if not dry_run:
            group.require_idle(settings, lambda said: click.echo(said, err=True))
        store, topics = RedisEntityStore(settings.redis_url), SourceTopics(checked_client_config(settings))
        now, held = topics.ids([topic])[topic], store.topic_id(topic.encode())
        partitions = topics.partitions(topic)
        committed = {
            partition: at for partition, at in group.committed_offsets(settings).items() if partition in partitions
        }
        stands = store.next_offsets([partition_name(*partition) for partition in partitions])
        reached = {
            partition: max(at or 0, committed.get(partition, 0))
            for partition, at in zip(partitions, stands, strict=True)
        }
        shorter = topics.shorter({partition: at for partition, at in reached.items() if at > 0})
        is_same = held is not None and now is not None and held == now.encode()
        if shorter and is_same:
            raise click.ClickException(
                f"{topic} is the topic whose records were applied, and has lost some of them. Run `upifraud "
                "rebuild-features --force`, which finds out where to go on."
            )
        if not shorter and (is_same or held is None or now is None):
            raise click.ClickException(
                f"{topic} is the topic whose records were applied, and has all of them: there is nothing to accept."
            )
        starts = _starts(settings, partitions, committed, since)
        if not dry_run:
            # The group first: if the store does not come to it, the topic is still refused, and this is run again.
            group.set_back(settings, starts)
            offsets = {partition_name(*partition): offset for partition, offset in starts.items()}
            store.begin_topic(topic.encode(), None if now is None else now.encode(), offsets)
        ends = topics.ends(list(starts))
    except (StreamError, FeatureError) as error:
        raise click.ClickException(str(error)) from error
    left = sum(max(0, ends[partition] - offset) for partition, offset in starts.items())
    click.echo(
        f"{topic}: {'would be' if dry_run else 'is'} gone on with in {len(starts)} of {len(partitions)} partitions; "
        f"{left} records are there to be read"
    )


def _starts(
    settings: Settings, partitions: list[Partition], committed: dict[Partition, int], since: str | int
) -> dict[Partition, int]:
    """Return the first offset of each partition whose record is new."""
    from upifraud import group

    held = group.held_since(settings, partitions, 0 if isinstance(since, str) else since)
    firsts = {partition: first if since == BEGINNING else at_time for partition, (at_time, first) in held.items()}
    if since == COMMITTED:
        firsts = {partition: max(held[partition][1], committed.get(partition, 0)) for partition in partitions}
    return firsts
