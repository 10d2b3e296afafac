"""Verdicts and claims for those who wait for them, in a session that cannot write."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from stream.verdict_store import binary
from stream.verdict_store.connector import Session, Statement
from stream.verdict_store.door import searches
from stream.verdict_store.door.asked import MOST_FOUND, SEARCH_SECONDS, ClaimOf, Newest, Period, Wanted
from stream.verdict_store.door.rows import model_keys, record_of
from stream.verdict_store.records import Model, VerdictRecord
from stream.verdict_store.scans import WHOLE_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream.verdict_store.connector import Cells
    from stream.verdict_store.door.asked import Cursor, Found

Key = tuple[bytes, int]
Rank = tuple[int, int, int]

ANSWER_SECONDS: Final = 3.0
"""Longer than any search takes; whoever waits for a row has a shorter patience than this of their own."""

_SETTINGS: Final = {
    "default_transaction_read_only": "on",
    # With a plan for any parameters the server opens only the days between the two times, and plans nothing anew:
    # 25 us a look against 50 to 100.
    "plan_cache_mode": "force_generic_plan",
    # A plan made while a day was small must not scan it once it is large.
    "enable_seqscan": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}
_STORED: Final = Statement(
    "door_stored",
    f"{WHOLE_ROWS} WHERE transaction_id = ANY ($1::text[]) AND event_time BETWEEN $2::timestamptz AND $3::timestamptz",
)
_NEWEST: Final = Statement(
    "door_newest", f"{WHOLE_ROWS} WHERE transaction_id = $1::text ORDER BY event_time DESC LIMIT 1"
)
_TIMES: Final = Statement(
    "door_times",
    "SELECT event_time FROM verdicts_by_day WHERE transaction_id = $1::text ORDER BY event_time DESC LIMIT 1000",
)
_CLAIMS: Final = Statement(
    "door_claims",
    "SELECT wanted.place, fingerprint, source_partition, source_offset"
    " FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place) JOIN payment_ids USING (id)",
)
_MODELS: Final = Statement(
    "door_models",
    "SELECT model_key, model_id, schema_hash, base_value, array_to_json(features)::text, thresholds::text FROM models",
)
_OUTCOMES: Final = Statement(
    "door_outcomes",
    "SELECT transaction_id, reported_at, source_offset, source_partition FROM outcomes"
    " WHERE transaction_id = ANY ($1::text[])",
)
_APART_MS: Final = 36 * 3_600_000
_MOST_GROUPS: Final = 4


class Door:
    """Reads for one thread. Every method raises RetryableError where the same call may succeed later."""

    def __init__(self, url: str, *, name: str = "door", answer_seconds: float = ANSWER_SECONDS) -> None:
        self._answer_seconds = answer_seconds
        settings = {**_SETTINGS, "statement_timeout": f"{round(answer_seconds * 1000)}"}
        self._session = Session(url, name=name, settings=settings, answer_seconds=answer_seconds + 1)
        self._models: dict[int, Model] = {}

    def close(self) -> None:
        """Close the session; the next call opens another."""
        self._session.close()

    def make_ready(self) -> None:
        """Connect, and let the server plan what is asked for: else the first who asks waits a tenth of a second."""
        self.stored([(b"", 0)])
        self.claims(np.zeros((1, 2), dtype=np.uint64))
        self.newest("")
        self.search(Wanted("rrn", -1), Period(0, 1))

    @property
    def server_pid(self) -> int:
        """The process that serves this session, for measuring it."""
        return self._session.server_pid

    def stored(self, keys: Sequence[Key]) -> dict[Key, VerdictRecord]:
        """Return those of the payments (transaction_id, event_time) that have a verdict, whole."""
        if not keys:
            return {}
        wanted, found = set(keys), {}
        for group in _groups(keys):
            times = [event_time for _, event_time in group]
            ids = binary.text_array(list({transaction_id for transaction_id, _ in group}))
            rows = self._session.call(_STORED, ids, binary.timestamptz(min(times)), binary.timestamptz(max(times)))
            for record in self._records(rows):
                key = (record.transaction_id.encode(), record.event_time)
                if key in wanted:
                    found[key] = record
        return found

    def claims(self, ids: NDArray[np.uint64]) -> dict[int, ClaimOf]:
        """Return, by their place among ids (uint64 [n, 2]), the claims of those that have one; claims nothing."""
        if not len(ids):
            return {}
        found = self._session.call(_CLAIMS, binary.uuid_array(ids))
        return {
            place - 1: ClaimOf(fingerprint, partition, offset)
            for place, fingerprint, partition, offset in (
                map(binary.to_int, cast("tuple[bytes, ...]", row)) for row in found
            )
        }

    def newest(self, transaction_id: str) -> Newest | None:
        """Return the latest payment's verdict under an id, and when the earlier ones were."""
        if "\0" in transaction_id:
            return None
        name = transaction_id.encode(errors="replace")
        records = self._records(self._session.call(_NEWEST, name))
        if not records:
            return None
        times = (binary.to_epoch_ms(cast("bytes", row[0])) for row in self._session.call(_TIMES, name))
        return Newest(records[0], tuple(at for at in times if at < records[0].event_time))

    def outcome_ranks(self, transaction_ids: Sequence[bytes]) -> dict[bytes, Rank]:
        """Return, as `OutcomeRow.rank` has it, the rank of the outcome that stands for each payment with one."""
        rows = self._session.call(_OUTCOMES, binary.text_array(list(transaction_ids)))
        return {
            name: (binary.to_epoch_ms(reported_at), binary.to_int(offset), binary.to_int(partition))
            for name, reported_at, offset, partition in (cast("tuple[bytes, ...]", row) for row in rows)
        }

    def search(
        self,
        wanted: Wanted,
        period: Period,
        *,
        cursor: Cursor | None = None,
        limit: int = MOST_FOUND,
        seconds: float = SEARCH_SECONDS,
    ) -> Found:
        """Return verdicts of a period, latest first, behind the cursor; at most `limit`, in about `seconds`.

        Days that have an index of what is searched by are read by it. The others are scanned, latest rows first, until
        time runs out: then the answer is `partial`.
        """
        found = searches.search(self._session, wanted, period, cursor, limit, seconds)
        searches.be_patient(self._session, self._answer_seconds)
        records = self._records(found.rows)
        return searches.answer(records, limit, partial=found.partial)

    def _records(self, rows: Sequence[Cells]) -> list[VerdictRecord]:
        if not model_keys(rows) <= self._models.keys():
            self._models = dict(map(_model, self._session.call(_MODELS)))
        return [record_of(row, self._models) for row in rows]


def _groups(keys: Sequence[Key]) -> list[list[Key]]:
    """Split keys by time: a late one must not make the server look into all the days between."""
    ordered = sorted(keys, key=lambda key: key[1])
    if ordered[-1][1] - ordered[0][1] <= _APART_MS:  # nearly always
        return [ordered]
    gaps = sorted(
        (before[1] - after[1], place)
        for place, (before, after) in enumerate(itertools.pairwise(ordered), start=1)
        if after[1] - before[1] > _APART_MS
    )
    cuts = [0, *sorted(place for _, place in gaps[: _MOST_GROUPS - 1]), len(ordered)]
    return [ordered[first:behind] for first, behind in itertools.pairwise(cuts)]


def _model(row: Cells) -> tuple[int, Model]:
    key, model_id, schema_hash, base_value, features, thresholds = cast("tuple[bytes, ...]", row)
    model = Model(
        model_id.decode(),
        schema_hash.decode(),
        binary.to_float(base_value),
        tuple(json.loads(features)),
        json.loads(thresholds),
    )
    return binary.to_int(key), model
