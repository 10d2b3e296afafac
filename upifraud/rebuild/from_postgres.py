"""Entity logs from what the verdicts keep: exact, every log in the order in which it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from features.rebuild import RebuildInput
from stream.stages.entity_risk import packed_reports
from stream.verdict_store import VerdictStore, scans
from upifraud.rebuild.judged import Judged
from upifraud.rebuild.progress import Rebuilt, Step
from upifraud.rebuild.topics import begin_topics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from features.store.contract import EntityStore
    from stream.settings import Settings
    from upifraud.group import Partition


def rebuild(
    settings: Settings, store: EntityStore, committed: Mapping[Partition, int], since: int, step: Step
) -> Rebuilt:
    """Load the logs of the verdicts from `since` on (epoch ms), the outcome reports, and the source offsets.

    `committed`: what the group committed; the offsets become these, or what is behind the last verdict of these topics.
    """
    verdicts = VerdictStore(settings.postgres_url)
    judged = Judged(settings.topic_transactions, committed)
    collected = RebuildInput()
    read = step("verdicts", scans.count(settings.postgres_url, since, None))
    for rows in verdicts.provenance(since):
        collected.add([row.provenance for row in rows])
        for row in rows:
            judged.add(row)
        read(len(collected))
    offsets = {**committed, **judged.reached(settings)}
    written = step("logs", collected.count_logs())
    logs = 0
    for batch in collected.batches():
        store.load(batch, {})
        logs += len(batch)
        written(logs)
    reports = sum(store.report(packed_reports(some)) for some in verdicts.reports())
    named = begin_topics(settings, store, offsets)  # last: a store that has offsets is whole
    return Rebuilt(len(collected), reports, named, since if len(collected) else None)
