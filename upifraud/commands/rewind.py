"""`upifraud rewind`: the consumer group goes back in time, after a restore of Postgres."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click

from upifraud.commands.simulate import MOMENT

if TYPE_CHECKING:
    from stream.settings import Settings
    from upifraud.group import Partition

EPILOG = """
\b
Examples:
  upifraud rewind --backup /backups/upifraud-20261125T211700Z     where the backup ends, and 10 minutes before
  upifraud rewind --to 2026-11-25T21:00:00+05:30 --dry-run        what would be read again

\b
All workers must be stopped. Going back too far counts nothing twice: what has a verdict keeps it, and its alert is
published again, byte for byte; what has none gets one, LATE where its windows is gone. Offsets go forward
only over what Kafka has no more, and that is said; those that Redis holds go with them.
"""

ABOUT, OFFSETS = "about", "offsets.tsv"
TRANSACTIONS, OUTCOMES = "transactions", "outcomes"
"""What backup.sh calls the topics, whatever their names are."""


@click.command(epilog=EPILOG)
@click.option(
    "--backup", type=click.Path(exists=True, file_okay=False, path_type=Path), help="To where this backup ends."
)
@click.option("--to", type=MOMENT, help="To the records of this time (Kafka's timestamps).")
@click.option(
    "--margin",
    type=click.FloatRange(min=0),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="So much further: Kafka's timestamps are those of the producers' clocks.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be read again.")
def command(backup: Path | None, to: int | None, margin: float, dry_run: bool) -> None:
    """Set the committed offsets of both topics back, so that workers read again what was lost with Postgres."""
    from features.errors import FeatureError
    from stream.errors import StreamError
    from stream.settings import read_settings
    from upifraud import group

    if (backup is None) == (to is None):
        raise click.UsageError("Expected either --backup or --to.")
    try:
        settings = read_settings(os.environ)
        topics = {TRANSACTIONS: settings.topic_transactions, OUTCOMES: settings.topic_outcomes}
        saved = Backup(int(to or 0), {}) if backup is None else Backup.read(backup, topics)
        if not dry_run:
            group.require_idle(settings, lambda said: click.echo(said, err=True))
        committed = {
            partition: offset
            for partition, offset in group.committed_offsets(settings).items()
            if partition[0] in topics.values()
        }
        held = group.held_since(settings, list(committed), saved.taken_at - round(margin * 1000))
        back = {}
        for partition, offset in committed.items():
            at_time, first = held[partition]
            # A partition that the backup has nothing of may have waited then, however old its records were.
            reached = offset if backup is None else saved.following.get(partition, first)
            wanted = min(offset, at_time, reached)
            if wanted < first:
                click.echo(
                    f"Warning: {partition[0]}:{partition[1]}: offsets {wanted} to {first - 1} are not in Kafka any "
                    "more; what was in them has no verdict and counts in no window.",
                    err=True,
                )
            back[partition] = max(wanted, first)
        if not dry_run and back:
            group.set_back(settings, back)
            _pass_over(settings, {partition: held[partition][1] for partition in back})
    except (StreamError, FeatureError) as error:
        raise click.ClickException(str(error)) from error
    for topic in topics.values():
        again = {
            partition: max(0, committed[partition] - back[partition]) for partition in back if partition[0] == topic
        }
        click.echo(
            f"{topic}: {sum(again.values())} records {'would be' if dry_run else 'will be'} read again, in "
            f"{sum(count > 0 for count in again.values())} of {len(again)} partitions"
        )


def _pass_over(settings: Settings, firsts: dict[Partition, int]) -> None:
    """Let the online store, too, stand no earlier than what Kafka still has: a worker starts where it stands."""
    from features.store.redis_store import RedisEntityStore
    from stream.kafka.arrivals import partition_name

    store = RedisEntityStore(settings.redis_url)
    names = {partition_name(*partition): first for partition, first in firsts.items()}
    stands = dict(zip(names, store.next_offsets(list(names)), strict=True))
    behind = {name: first for name, first in names.items() if (at := stands[name]) is not None and at < first}
    store.load([], behind)
    store.close()


@dataclass(frozen=True, slots=True)
class Backup:
    """What backup.sh wrote: when the snapshot was taken (epoch ms); by partition, the offset behind the last one."""

    taken_at: int
    following: dict[tuple[str, int], int]

    @classmethod
    def read(cls, directory: Path, topics: dict[str, str]) -> Self:
        """Read a backup's notes; `topics`: the names of the two topics by what backup.sh calls them."""
        try:
            about = dict(line.split("\t") for line in (directory / ABOUT).read_text().splitlines())
            taken_at = int(datetime.fromisoformat(about["taken_at"]).timestamp() * 1000)
            rows = [line.split("\t") for line in (directory / OFFSETS).read_text().splitlines()]
            following = {(topics[topic], int(partition)): int(offset) for topic, partition, offset in rows}
        except (OSError, ValueError, KeyError) as error:
            raise click.ClickException(
                f"{directory} is no backup: expected the files {ABOUT} and {OFFSETS} as backup.sh writes them, got "
                f"{type(error).__name__} ({error}). Name the directory upifraud-... itself."
            ) from error
        return cls(taken_at, following)
