"""The verdict store in memory: the same promises but for the disk, for tests and for trying things out."""

from __future__ import annotations

import json
from dataclasses import replace
from operator import attrgetter
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from stream.verdict_store.claims import Claimants, Known, contest, decide
from stream.verdict_store.copy_rows import copy_buffer
from stream.verdict_store.outcomes import standing
from stream.verdict_store.postgres import check_same_model
from stream.verdict_store.records import (
    Inserted,
    Model,
    OutcomeRow,
    PaymentRef,
    Provenance,
    Report,
    StoredVerdict,
    VerdictRecord,
)
from stream.verdict_store.scans import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from stream.verdict_store.columns import VerdictRows
    from stream.verdict_store.postgres import Key

_Item = TypeVar("_Item")


class MemoryVerdictStore:
    """`VerdictStore` without a server; one object serves any number of threads."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._ids: dict[tuple[int, int], tuple[int, int, int, int]] = {}
        self._models: dict[int, Model] = {}
        self._verdicts: dict[Key, VerdictRecord] = {}
        self._outcomes: dict[bytes, OutcomeRow] = {}
        self._waiting: set[bytes] = set()
        self._reports: dict[tuple[bytes, int, bool], None] = {}

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def claim(
        self,
        ids: NDArray[np.uint64],
        fingerprints: NDArray[np.int64],
        partitions: NDArray[np.int32],
        offsets: NDArray[np.int64],
        day: int,
    ) -> NDArray[np.uint8]:
        """See `VerdictStore.claim`."""
        claims = Claimants(ids, fingerprints, partitions, offsets)
        contested = contest(claims)
        with self._lock:
            known = []
            for place, row in enumerate(contested.first.tolist()):
                id_ = (int(ids[row, 0]), int(ids[row, 1]))
                claimed = (int(fingerprints[row]), int(partitions[row]), int(offsets[row]), day)
                owner = self._ids.setdefault(id_, claimed)
                if owner is not claimed:
                    known.append((place, *owner[:3]))
        columns = np.array(known, dtype=np.int64).reshape(-1, 4).T
        return decide(claims, contested, Known(*columns))

    def claimed(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """See `VerdictStore.claimed`."""
        with self._lock:
            return np.array([(high, low) in self._ids for high, low in ids.tolist()], dtype=np.bool_)

    def claim_of(self, id_: tuple[int, int]) -> tuple[int, int, int] | None:
        """Return fingerprint, partition and offset of an id's claim; None if it has none."""
        with self._lock:
            owner = self._ids.get(id_)
        return None if owner is None else owner[:3]

    def forget_ids(self, before: int) -> int:
        """See `VerdictStore.forget_ids`."""
        with self._lock:
            old = [id_ for id_, (*_, claimed_on) in self._ids.items() if claimed_on < before]
            for id_ in old:
                del self._ids[id_]
        return len(old)

    def insert(self, rows: VerdictRows, *, replays: NDArray[np.bool_] | None = None) -> Inserted:  # noqa: ARG002 - only a hint
        """See `VerdictStore.insert`."""
        if len(rows):
            copy_buffer(rows)  # refuses what Postgres would
        stored = {}
        with self._lock:
            for row in range(len(rows)):
                record = self._record(rows, row)
                key = (rows.transaction_id[row], record.event_time)
                if key in self._verdicts:
                    stored[row] = self._stored(key)
                else:
                    self._verdicts[key] = record
            return Inserted(stored, self._with_verdict(sorted(self._waiting & set(rows.transaction_id))))

    def stored(self, keys: Sequence[Key]) -> dict[Key, StoredVerdict]:
        """See `VerdictStore.stored`."""
        with self._lock:
            return {key: self._stored(key) for key in keys if key in self._verdicts}

    def model_key(self, model: Model) -> int:
        """See `VerdictStore.model_key`."""
        given = replace(model, thresholds=json.loads(json.dumps(dict(model.thresholds))))
        with self._lock:
            for key, there in self._models.items():
                if there.model_id == given.model_id:
                    check_same_model(there, given)
                    return key
            self._models[len(self._models) + 1] = given
            return len(self._models)

    def put_outcomes(self, outcomes: Sequence[OutcomeRow]) -> list[PaymentRef]:
        """See `VerdictStore.put_outcomes`."""
        with self._lock:
            given = [outcome.transaction_id for outcome in standing(outcomes)]
            for outcome in standing(outcomes):
                there = self._outcomes.get(outcome.transaction_id)
                if there is None or outcome.rank > there.rank:
                    self._outcomes[outcome.transaction_id] = outcome
                    self._waiting.add(outcome.transaction_id)
            return self._with_verdict(given)

    def settle(self, refs: Sequence[PaymentRef]) -> None:
        """See `VerdictStore.settle`."""
        with self._lock:
            for ref in refs:
                self._reports[ref.transaction_id, ref.outcome.reported_at, ref.outcome.is_fraud] = None
                if self._outcomes[ref.transaction_id].rank == ref.outcome.rank:
                    self._waiting.discard(ref.transaction_id)

    def get(self, transaction_id: str) -> VerdictRecord | None:
        """See `VerdictStore.get`."""
        with self._lock:
            return self._latest(transaction_id.encode())

    def verdicts(self, since: int | None = None, until: int | None = None) -> Iterator[list[VerdictRecord]]:
        """See `VerdictStore.verdicts`."""
        return _lists(self._between(since, until))

    def provenance(self, since: int | None = None, until: int | None = None) -> Iterator[list[Provenance]]:
        """See `VerdictStore.provenance`."""
        fields = attrgetter("event_time", "source_partition", "source_offset", "provenance")
        return _lists([Provenance(*fields(record)) for record in self._between(since, until)])

    def outcome_of(self, transaction_id: bytes) -> OutcomeRow | None:
        """Return the outcome that stands for an id; None if there is none."""
        with self._lock:
            return self._outcomes.get(transaction_id)

    def outcomes(self) -> Iterator[list[PaymentRef]]:
        """See `VerdictStore.outcomes`."""
        with self._lock:
            found = self._with_verdict(sorted(self._outcomes))
        return _lists(found)

    def reports(self) -> Iterator[list[Report]]:
        """See `VerdictStore.reports`; whoever settles here always keeps the order."""
        with self._lock:
            given = list(self._reports)
            under_way = [
                (name, row.reported_at, row.is_fraud) for name, row in self._outcomes.items() if name in self._waiting
            ]
            given += sorted(set(under_way) - self._reports.keys(), key=lambda one: one[1])
            found = [
                Report(reported_at, is_fraud, latest.provenance)
                for name, reported_at, is_fraud in given
                if (latest := self._latest(name)) is not None
            ]
        return _lists(found)

    def _record(self, rows: VerdictRows, row: int) -> VerdictRecord:
        return VerdictRecord(
            transaction_id=rows.transaction_id[row].decode(),
            event_time=int(rows.event_time[row]),
            decided_at=int(rows.decided_at[row]),
            payer_vpa=rows.payer_vpa[row].decode(),
            payee_vpa=rows.payee_vpa[row].decode(),
            amount_paise=int(rows.amount_paise[row]),
            verdict=int(rows.verdict[row]),
            score=float(rows.score[row]),
            margin=float(rows.margin[row]),
            feature_state=int(rows.feature_state[row]),
            model=self._models[int(rows.model_key[row])],
            vector=rows.vectors[row].copy(),
            provenance=rows.provenance[row].tobytes(),
            source_partition=int(rows.source_partition[row]),
            source_offset=int(rows.source_offset[row]),
            alert=rows.alerts[row],
            facts=rows.facts[row],
            rrn=None if rows.rrn[row] < 0 else int(rows.rrn[row]),
            hold_until=None if rows.hold_until[row] < 0 else int(rows.hold_until[row]),
        )

    def _stored(self, key: Key) -> StoredVerdict:
        record = self._verdicts[key]
        return StoredVerdict(record.verdict, record.score, record.alert)

    def _between(self, since: int | None, until: int | None) -> list[VerdictRecord]:
        with self._lock:
            kept = [
                record
                for record in self._verdicts.values()
                if (since is None or since <= record.event_time) and (until is None or record.event_time < until)
            ]
        return sorted(kept, key=lambda record: (record.event_time, record.transaction_id.encode()))

    def _latest(self, transaction_id: bytes) -> VerdictRecord | None:
        found = [record for (id_, _), record in self._verdicts.items() if id_ == transaction_id]
        return max(found, key=lambda record: record.event_time, default=None)

    def _with_verdict(self, ids: Sequence[bytes]) -> list[PaymentRef]:
        latest = ((id_, self._latest(id_)) for id_ in ids)
        return [
            PaymentRef(self._outcomes[id_], record.event_time, record.provenance, record.verdict)
            for id_, record in latest
            if record is not None
        ]


def _lists(items: list[_Item]) -> Iterator[list[_Item]]:
    for start in range(0, len(items), ROWS):
        yield items[start : start + ROWS]
