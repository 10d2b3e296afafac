"""The verdicts of a micro-batch as columns: what one COPY writes, and what stands then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from msgspec import Struct
from msgspec.structs import astuple

from features.compiled import row_dtype

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from stream.verdict_store.records import StoredVerdict

NUMBERS: Final = row_dtype(
    [
        ("event_time", "i8"),
        ("decided_at", "i8"),
        ("amount_paise", "i8"),
        ("score", "f8"),
        ("margin", "f8"),
        ("source_offset", "i8"),
        ("rrn", "i8"),  # retrieval reference number; -1 where there is none
        ("hold_until", "i8"),  # when a HOLD ends; -1 where none does
        ("source_partition", "i4"),
        ("verdict", "i2"),  # 0 ALLOW, 1 REVIEW, 2 HOLD, 3 BLOCK
        ("feature_state", "i2"),  # `features.columns.FeatureState`
        ("model_key", "i2"),  # as `model_key` of the store returned it
    ]
)
"""The numbers of one verdict. Times are epoch milliseconds, money is paise."""


class VerdictRows(Struct, frozen=True, eq=False):
    """Verdicts, a row each; a number is a column of its name. Texts are UTF-8 without U+0000."""

    transaction_id: list[bytes]
    payer_vpa: list[bytes]
    payee_vpa: list[bytes]
    numbers: NDArray[np.record]
    """Of NUMBERS."""
    vectors: NDArray[np.float32]
    """Shape [n, f]."""
    provenance: NDArray[np.uint8]
    """Shape [n, w]; opaque to the store."""
    alerts: list[bytes | None]
    """The exact bytes that are published; None where no alert is."""
    facts: list[bytes | None]
    """What is known of the payment beside these columns, as `stream/facts.py` packs it; None where nothing is."""

    @classmethod
    def of(cls, **columns: Any) -> Self:
        """Return the rows of these columns, the numbers each by its name."""
        numbers = np.empty(len(columns["transaction_id"]), dtype=NUMBERS)
        for name in NUMBERS.names or ():
            if len(columns[name]) != len(numbers):
                raise ValueError(f"Expected columns of one length, got {len(columns[name])} of {name}.")
            numbers[name] = columns.pop(name)
        return cls(numbers=numbers, **columns)

    def __post_init__(self) -> None:
        lengths = [*map(len, astuple(self))]
        if len({*lengths}) != 1:
            names = self.__struct_fields__
            raise ValueError(f"Expected columns of one length, got {dict(zip(names, lengths, strict=True))}.")

    def __len__(self) -> int:
        return len(self.transaction_id)

    def __getattr__(self, name: str) -> NDArray[Any]:
        """Return a column of numbers by its name; it shares its memory with the rows."""
        if name in (NUMBERS.names or ()):
            return self.numbers[name]
        raise AttributeError(name)

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return the given rows, in the order given."""
        chosen = rows.tolist()
        taken: list[Any] = [
            [column[row] for row in chosen] if isinstance(column, list) else column[rows] for column in astuple(self)
        ]
        return type(self)(*taken)


class StoredVerdicts(Struct, frozen=True, eq=False):
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
        numbers, alerts = rows.numbers, rows.alerts
        verdict, score = numbers["verdict"], numbers["score"]
        is_new = np.empty(len(rows), dtype=np.bool_)
        is_new[:] = True
        if before:
            verdict, score, alerts = verdict.copy(), score.copy(), list(alerts)
            for row, stored in before.items():
                verdict[row], score[row], alerts[row] = stored.verdict, stored.score, stored.alert
                is_new[row] = False
        return cls(
            transaction_id=rows.transaction_id,
            event_time=numbers["event_time"],
            payer_vpa=rows.payer_vpa,
            payee_vpa=rows.payee_vpa,
            amount_paise=numbers["amount_paise"],
            verdict=verdict,
            score=score,
            alerts=alerts,
            is_new=is_new,
        )
