"""Entity logs from what the verdicts keep: exact, every log in the order in which it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from features.rebuild import RebuildInput
from stream.arrivals import partition_name
from stream.entity_risk import reports_of
from stream.verdict_store import VerdictStore, scans
from upifraud.rebuild.progress import Rebuilt, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from features.store.contract import EntityStore
    from stream.settings import Settings


def rebuild(settings: Settings, store: EntityStore, committed: Mapping[bytes, int], since: int, step: Step) -> Rebuilt:
    """Load the logs of the verdicts from `since` on (epoch ms), the outcome reports, and the source offsets.

    `committed`: what the group committed; the offsets become these, or what is behind the last verdict stored.
    """
    verdicts = VerdictStore(settings.postgres_url)
    offsets = dict(committed)
    collected = RebuildInput()
    read = step("verdicts", scans.count(settings.postgres_url, since, None))
    for rows in verdicts.provenance(since):
        collected.add([row.provenance for row in rows])
        for row in rows:
            name = partition_name(settings.topic_transactions, row.source_partition)
            offsets[name] = max(offsets.get(name, 0), row.source_offset + 1)
        read(len(collected))
    written = step("logs", collected.count_logs())
    logs = 0
    for batch in collected.batches():
        store.load(batch, {})
        logs += len(batch)
        written(logs)
    reports = sum(store.report(reports_of(refs)) for refs in verdicts.outcomes())
    store.load([], offsets)  # last: a store that has offsets is whole
    return Rebuilt(len(collected), reports, offsets, since if len(collected) else None)
