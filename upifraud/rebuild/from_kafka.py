"""Entity logs from the records themselves: for when Postgres is lost too, or keeps less than the windows reach.

Payments are decoded, freed of duplicates and applied as a worker does it, without verdicts and alerts. Each payer's
log comes out as it was. Logs that get records of several partitions (payees, devices) are ordered by Kafka's timestamps
where the workers had the order of arrival, which windows over payments in order of time do not see. So are outcome
reports. Of several on one payment that a worker got together, it kept the newest; here all are kept.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.entities import KINDS
from features.identity import Identities
from features.measure.risk import FRAUD, GENUINE, pack_report
from features.online import OnlineFeatures
from features.store.contract import Origin
from features.store.layout import IDENTITY_BYTES
from features.store.messages import Claims
from stream.decode import decode_outcomes, decode_payments
from stream.kafka.config import checked_client_config
from upifraud.rebuild.in_order import in_order
from upifraud.rebuild.progress import Rebuilt, Step
from upifraud.rebuild.topics import begin_topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from confluent_kafka import Message
    from numpy.typing import NDArray

    from features.store.contract import EntityStore
    from stream.decode import Decoded
    from stream.settings import Settings
    from upifraud.group import Partition

BATCH = 2_048
CLAIM_DAYS = 3
"""An id's reuse is found for so long, as in a worker."""
DAY_MS = 86_400_000


def rebuild(
    settings: Settings, store: EntityStore, committed: Mapping[Partition, int], since: int, step: Step
) -> Rebuilt:
    """Apply the payments below the committed offsets, with event time >= `since` (epoch ms), to an empty store.

    What Kafka has not any more is in no window.
    """
    identities = Identities(settings.identity_key, by_account=settings.party_identity == "account")
    store.check_identity(identities.fingerprint())
    ends = _ends(committed, settings.topic_transactions)
    outcomes = _Outcomes(_records(settings, _ends(committed, settings.topic_outcomes)), settings.earliest_time)
    features = OnlineFeatures(store, settings.replica_cache_bytes)
    fresh = _Fresh()
    read = step("payments", sum(ends.values()))
    records = payments = 0
    first: int | None = None
    for batch in _batches(_records(settings, ends)):
        # What was ahead of the clock then was rejected then; the newest timestamp is the nearest to that clock.
        clock = max(record.timestamp()[1] for record in batch)
        decoded = decode_payments(
            [record.value() for record in batch], clock, identities, earliest_ms=settings.earliest_time
        )
        kept = np.flatnonzero(fresh.of(decoded, clock) & (decoded.payments.event_time >= since))
        _apply(features, decoded, kept)
        outcomes.meet(batch, decoded, kept)
        if len(kept):
            earliest = int(decoded.payments.event_time[kept].min())
            first = earliest if first is None else min(first, earliest)
        payments += len(kept)
        records += len(batch)
        read(records)
    found = outcomes.reports()
    reports = store.report(found) if found else 0
    return Rebuilt(payments, reports, begin_topics(settings, store, committed), first)


def _ends(committed: Mapping[Partition, int], topic: str) -> dict[Partition, int]:
    return {partition: offset for partition, offset in committed.items() if partition[0] == topic}


def _records(settings: Settings, ends: Mapping[Partition, int]) -> Iterator[Message]:
    return in_order(checked_client_config(settings), ends)


def _batches(records: Iterable[Message]) -> Iterator[list[Message]]:
    remaining = iter(records)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _apply(features: OnlineFeatures, decoded: Decoded, kept: NDArray[np.intp]) -> None:
    """Apply payments as a worker would that got them in this order, but let no source offset move.

    A worker that waits for the rebuild takes offsets for the sign that it is done.
    """
    nowhere = Claims(np.zeros(len(kept), dtype=np.uint16), np.zeros(len(kept), dtype=np.int64))
    features.process(decoded.payments.take(kept), nowhere, [Origin(b"rebuild", 0, 0)])


class _Fresh:
    """Tells the first delivery of an id from those that follow, as far back as workers do."""

    def __init__(self) -> None:
        self._seen: dict[int, set[bytes]] = {}

    def of(self, decoded: Decoded, clock: int) -> NDArray[np.bool_]:
        """Return whether each payment is the first of its id, bool[n]."""
        day = clock // DAY_MS
        for old in [one for one in self._seen if one < day - CLAIM_DAYS]:
            del self._seen[old]
        today = self._seen.setdefault(day, set())
        fresh = np.zeros(len(decoded.rows), dtype=np.bool_)
        for row, claimed in enumerate(decoded.ids128):
            name = claimed.tobytes()
            if not any(name in ids for ids in self._seen.values()):
                today.add(name)
                fresh[row] = True
        return fresh


class _Outcome(NamedTuple):
    """One that stood when it came."""

    arrived: int
    """Kafka's timestamp."""
    number: int
    """Of equal timestamps the order in which they are read."""
    reported_at: int
    is_fraud: bool


class _Outcomes:
    """The outcomes of the topic in the order in which they came, and the reports they make once their payments are met.

    Those that a newer one had replaced before the payment came, or that were older than one that was there, make none.
    """

    def __init__(self, records: Iterable[Message], earliest_ms: int) -> None:
        self._reports: list[tuple[int, int, bytes, bytes]] = []
        self._of: dict[bytes, list[_Outcome]] = {}
        stands: dict[bytes, tuple[int, int, int]] = {}
        number = 0
        for batch in _batches(records):
            for row in decode_outcomes([record.value() for record in batch], earliest_ms=earliest_ms).rows:
                record = batch[row.index]
                # As in Postgres: the newest reported_at stands, ties by offset.
                rank = row.reported_at, record.offset() or 0, record.partition() or 0
                if row.transaction_id not in stands or rank > stands[row.transaction_id]:
                    stands[row.transaction_id] = rank
                    came = _Outcome(record.timestamp()[1], number, row.reported_at, row.is_fraud)
                    self._of.setdefault(row.transaction_id, []).append(came)
                number += 1

    def meet(self, batch: Sequence[Message], decoded: Decoded, kept: NDArray[np.intp]) -> None:
        """Make the reports on these payments."""
        payments = decoded.payments
        for row in kept.tolist():
            came = self._of.get(decoded.transaction_id[row])
            if came is None:
                continue
            payment_came = batch[int(decoded.rows[row])].timestamp()[1]
            waited = [one for one in came if one.arrived <= payment_came][-1:]
            for one in (*waited, *(one for one in came if one.arrived > payment_came)):
                report = pack_report(one.reported_at, FRAUD if one.is_fraud else GENUINE, int(payments.payment_id[row]))
                self._reports += [
                    (
                        max(one.arrived, payment_came),
                        one.number,
                        kind.reports + identity.to_bytes(IDENTITY_BYTES, "little"),
                        report,
                    )
                    for kind in KINDS
                    if kind.reports and (identity := int(getattr(payments, kind.name)[row]))
                ]

    def reports(self) -> list[tuple[bytes, bytes]]:
        """Return kind and identity, and the 16 bytes to set, in the order in which the workers set them."""
        return [(name, report) for _, _, name, report in sorted(self._reports, key=lambda one: one[:2])]
