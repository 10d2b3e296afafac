"""The verdicts of a micro-batch as columns: what one COPY writes, and what stands then."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from stream.verdict_store.records import StoredVerdict


@dataclass(frozen=True, slots=True)
class VerdictRows:
    """Verdicts as columns of one length. Texts are UTF-8 without U+0000, times epoch milliseconds, money paise."""

    transaction_id: list[bytes]
    event_time: NDArray[np.int64]
    decided_at: NDArray[np.int64]
    payer_vpa: list[bytes]
    payee_vpa: list[bytes]
    amount_paise: NDArray[np.int64]
    verdict: NDArray[np.integer]
    """0 ALLOW, 1 REVIEW, 2 HOLD, 3 BLOCK."""
    score: NDArray[np.float64]
    margin: NDArray[np.float64]
    feature_state: NDArray[np.integer]
    """`features.columns.FeatureState`."""
    model_key: NDArray[np.integer]
    """As `model_key` of the store returned it."""
    vectors: NDArray[np.float32]
    """Shape [n, f]."""
    provenance: NDArray[np.uint8]
    """Shape [n, w]; opaque to the store."""
    source_partition: NDArray[np.int32]
    source_offset: NDArray[np.int64]
    alerts: list[bytes | None]
    """The exact bytes that are published; None where no alert is."""
    facts: list[bytes | None]
    """What is known of the payment beside these columns, as `stream/facts.py` packs it; None where nothing is."""
    rrn: NDArray[np.int64]
    """Retrieval reference number; -1 where there is none."""
    hold_until: NDArray[np.int64]
    """When a HOLD ends, epoch milliseconds; -1 where none does."""

    def __post_init__(self) -> None:
        lengths = tuple(map(len, _columns(self)))
        if len(set(lengths)) != 1:
            raise ValueError(f"Expected columns of one length, got {dict(zip(_NAMES, lengths, strict=True))}.")

    def __len__(self) -> int:
        return len(self.transaction_id)

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return the given rows, in the order given."""
        chosen = rows.tolist()
        taken: list[Any] = [
            [column[row] for row in chosen] if isinstance(column, list) else column[rows] for column in _columns(self)
        ]
        return type(self)(*taken)


_NAMES: Final = tuple(field.name for field in fields(VerdictRows))
_columns: Callable[[VerdictRows], tuple[Any, ...]] = attrgetter(*_NAMES)


@dataclass(frozen=True, slots=True)
class StoredVerdicts:
    """Verdicts as they stand in the store: columns of one length.

    Of a payment that came again they have what was stored at first. What was computed from it again is not here, so
    nobody can take it for the verdict.
    """

    transaction_id: list[bytes]
    event_time: NDArray[np.int64]
    """Epoch milliseconds."""
    payer_vpa: list[bytes]
    payee_vpa: list[bytes]
    amount_paise: NDArray[np.int64]
    verdict: NDArray[np.integer]
    score: NDArray[np.float64]
    alerts: list[bytes | None]
    """The exact bytes of each alert; None where there is none."""
    is_new: NDArray[np.bool_]
    """Whether it was stored now; else it was there, and may have been delivered before."""

    def __len__(self) -> int:
        return len(self.transaction_id)

    @classmethod
    def of(cls, rows: VerdictRows, before: Mapping[int, StoredVerdict]) -> Self:
        """Return what stands of rows that were given to the store; `before` has, by row, the verdicts it had."""
        verdict, score, alerts = rows.verdict, rows.score, rows.alerts
        is_new = np.ones(len(rows), dtype=np.bool_)
        if before:
            verdict, score, alerts = verdict.copy(), score.copy(), list(alerts)
            for row, stored in before.items():
                verdict[row], score[row], alerts[row] = stored.verdict, stored.score, stored.alert
                is_new[row] = False
        return cls(
            transaction_id=rows.transaction_id,
            event_time=rows.event_time,
            payer_vpa=rows.payer_vpa,
            payee_vpa=rows.payee_vpa,
            amount_paise=rows.amount_paise,
            verdict=verdict,
            score=score,
            alerts=alerts,
            is_new=is_new,
        )
