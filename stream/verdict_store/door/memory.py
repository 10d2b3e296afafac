"""The door of the verdict store in memory: what is promised is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from features.store.provenance import read_provenance
from stream.verdict_store.door.asked import MOST_FOUND, PAYEE_ACCOUNT, PAYER_ACCOUNT, SEARCH_SECONDS, ClaimOf, Newest
from stream.verdict_store.door.searches import answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from stream.verdict_store.door.asked import Cursor, Found, Period, Wanted
    from stream.verdict_store.door.reader import Key, Rank
    from stream.verdict_store.memory import MemoryVerdictStore
    from stream.verdict_store.records import VerdictRecord

_ACCOUNTS = {"payer_account": PAYER_ACCOUNT, "payee_account": PAYEE_ACCOUNT}


class MemoryDoor:
    """`Door` of a `MemoryVerdictStore`."""

    def __init__(self, store: MemoryVerdictStore) -> None:
        self._store = store

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def make_ready(self) -> None:
        """Do nothing: it is ready."""

    def stored(self, keys: Sequence[Key]) -> dict[Key, VerdictRecord]:
        """See `Door.stored`."""
        there = {(record.transaction_id.encode(), record.event_time): record for record in self._records()}
        return {key: there[key] for key in keys if key in there}

    def claims(self, ids: NDArray[np.uint64]) -> dict[int, ClaimOf]:
        """See `Door.claims`."""
        claims = ((row, self._store.claim_of((high, low))) for row, (high, low) in enumerate(ids.tolist()))
        return {row: ClaimOf(*claim) for row, claim in claims if claim is not None}

    def newest(self, transaction_id: str) -> Newest | None:
        """See `Door.newest`."""
        found = sorted(
            (record for record in self._records() if record.transaction_id == transaction_id),
            key=lambda record: record.event_time,
            reverse=True,
        )
        return Newest(found[0], tuple(record.event_time for record in found[1:])) if found else None

    def outcome_ranks(self, transaction_ids: Sequence[bytes]) -> dict[bytes, Rank]:
        """See `Door.outcome_ranks`."""
        standing = ((name, self._store.outcome_of(name)) for name in transaction_ids)
        return {name: outcome.rank for name, outcome in standing if outcome is not None}

    def search(
        self,
        wanted: Wanted,
        period: Period,
        *,
        cursor: Cursor | None = None,
        limit: int = MOST_FOUND,
        seconds: float = SEARCH_SECONDS,  # noqa: ARG002 - it never takes long
    ) -> Found:
        """See `Door.search`."""
        found = [
            record
            for record in self._records()
            if period.since <= record.event_time < period.until
            and period.verdict in (None, record.verdict)
            and (cursor is None or _rank(record) < (cursor.event_time, cursor.transaction_id.encode()))
            and _value(record, wanted) == wanted.value
        ]
        return answer(sorted(found, key=_rank, reverse=True)[: limit + 1], limit, partial=False)

    def _records(self) -> list[VerdictRecord]:
        return [record for part in self._store.verdicts() for record in part]


def _rank(record: VerdictRecord) -> tuple[int, bytes]:
    return record.event_time, record.transaction_id.encode()


def _value(record: VerdictRecord, wanted: Wanted) -> int | bytes | None:
    if wanted.kind == "rrn":
        return record.rrn
    if wanted.kind == "device":
        return int(read_provenance([record.provenance])["device"][0]) or None
    if (key := _ACCOUNTS.get(wanted.kind)) is not None:
        text = msgspec.json.decode(record.facts or b"{}").get(key)
        return None if text is None else int(text[:16], 16)
    return str(getattr(record, wanted.kind)).encode()
