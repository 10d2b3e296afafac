"""Which outcome stands for a payment, for those who wait until theirs is stored."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, cast

from stream.verdict_store import binary
from stream.verdict_store.connector import Session, Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

Rank = tuple[int, int, int]

_RANKS: Final = Statement(
    "door_outcome_ranks",
    "SELECT transaction_id, reported_at, source_offset, source_partition FROM outcomes"
    " WHERE transaction_id = ANY ($1::text[])",
)
_SETTINGS: Final = {"default_transaction_read_only": "on", "enable_seqscan": "off", "jit": "off"}


class Reported:
    """Reads in a session of its own; any thread may call, one is served at a time."""

    def __init__(self, url: str, *, answer_seconds: float = 3.0) -> None:
        self._session = Session(url, name="api-outcomes", settings=_SETTINGS, answer_seconds=answer_seconds)
        self._lock = threading.Lock()

    def ranks(self, transaction_ids: Sequence[bytes]) -> dict[bytes, Rank]:
        """Return, as `OutcomeRow.rank` has it, the rank of the outcome that stands for each payment with one."""
        with self._lock:
            rows = self._session.call(_RANKS, binary.text_array(list(transaction_ids)))
        found = (cast("tuple[bytes, ...]", row) for row in rows)
        return {
            name: (binary.to_epoch_ms(reported_at), binary.to_int(offset), binary.to_int(partition))
            for name, reported_at, offset, partition in found
        }

    def close(self) -> None:
        """Close the session."""
        with self._lock:
            self._session.close()
