"""Rows of payments and claims of ids, as they are polled for: a statement each, in a session that cannot write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from stream.verdict_store import binary
from stream.verdict_store.connector import Session, Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream.verdict_store.connector import Cells

ANSWER_SECONDS: Final = 1.0
"""A look that takes longer counts as failed: those who wait have their deadlines."""

# With the generic plan the server opens only the days between the two times: 25 to 50 us a look, a join 100 to 275 us.
_SETTINGS: Final = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "default_transaction_read_only": "on",
}
_STORED: Final = Statement(
    "stored_payments",
    "SELECT transaction_id, event_time, decided_at, payer_vpa, payee_vpa, amount_paise, verdict, score, margin,"
    " feature_state, model_key, vector, hold_until, source_partition, source_offset FROM verdicts_by_day"
    " WHERE transaction_id = ANY ($1::text[]) AND event_time BETWEEN $2::timestamptz AND $3::timestamptz",
)
_CLAIMS: Final = Statement(
    "claims_of_ids",
    "SELECT wanted.place::integer - 1, fingerprint FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place)"
    " JOIN payment_ids USING (id)",
)
_MODELS: Final = Statement("models_by_key", "SELECT model_key, model_id FROM models")
_APART_MS: Final = 36 * 3_600_000


@dataclass(frozen=True, slots=True)
class StoredPayment:
    """One row, as it is read for an answer. Times are epoch milliseconds."""

    transaction_id: bytes
    event_time: int
    decided_at: int
    payer_vpa: bytes
    payee_vpa: bytes
    amount_paise: int
    verdict: int
    score: float
    margin: float
    feature_state: int
    model_key: int
    vector: NDArray[np.float32]
    hold_until: int
    """-1 where there is none."""
    source_partition: int
    source_offset: int


class PolledRows:
    """Reads for the looking thread, and for it alone."""

    def __init__(self, url: str) -> None:
        self._session = Session(url, name="api", settings=_SETTINGS, answer_seconds=ANSWER_SECONDS)

    def claims(self, ids: Sequence[bytes]) -> list[int | None]:
        """Return the fingerprint that has each id (16 bytes); None for a free one."""
        wanted = np.frombuffer(b"".join(ids), dtype=np.uint64).reshape(-1, 2)
        found: list[int | None] = [None] * len(ids)
        for place, fingerprint in self._session.call(_CLAIMS, binary.uuid_array(wanted)):
            found[binary.to_int(_there(place))] = binary.to_int(_there(fingerprint))
        return found

    def stored(self, keys: Sequence[tuple[bytes, int]]) -> list[StoredPayment | None]:
        """Return the row of each (transaction_id, event_time)."""
        # Late payments apart: they would widen the days that are looked through for all.
        newest = max(event_time for _, event_time in keys)
        recent = [key for key in keys if key[1] > newest - _APART_MS]
        late = [key for key in keys if key[1] <= newest - _APART_MS]
        found = {
            (row.transaction_id, row.event_time): row for some in (recent, late) if some for row in self._stored(some)
        }
        return [found.get(key) for key in keys]

    def models(self) -> dict[int, str]:
        """Return the ids of all models by their keys."""
        return {binary.to_int(_there(key)): (name or b"").decode() for key, name in self._session.call(_MODELS)}

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    def _stored(self, keys: Sequence[tuple[bytes, int]]) -> list[StoredPayment]:
        times = [event_time for _, event_time in keys]
        ids = binary.text_array(list({name for name, _ in keys}))
        rows = self._session.call(_STORED, ids, binary.timestamptz(min(times)), binary.timestamptz(max(times)))
        return [_row(cells) for cells in rows]


def _row(cells: Cells) -> StoredPayment:
    name, event, decided, payer, payee, amount, verdict, score, margin, *rest = map(_there, cells[:11])
    state, model = rest
    vector, hold_until, partition, offset = cells[11:]
    return StoredPayment(
        transaction_id=name,
        event_time=binary.to_epoch_ms(event),
        decided_at=binary.to_epoch_ms(decided),
        payer_vpa=payer,
        payee_vpa=payee,
        amount_paise=binary.to_int(amount),
        verdict=binary.to_int(verdict),
        score=binary.to_float(score),
        margin=binary.to_float(margin),
        feature_state=binary.to_int(state),
        model_key=binary.to_int(model),
        vector=np.frombuffer(vector or b"", dtype="<f4"),
        hold_until=-1 if hold_until is None else binary.to_epoch_ms(hold_until),
        source_partition=binary.to_int(_there(partition)),
        source_offset=binary.to_int(_there(offset)),
    )


def _there(cell: bytes | None) -> bytes:
    """Return a cell of a column that is never null."""
    if cell is None:
        raise ValueError("Expected a value in a column of verdicts_by_day that is never null, got null.")
    return cell
