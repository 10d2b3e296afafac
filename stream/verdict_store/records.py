"""What the verdict store takes and returns, one row at a time; verdicts on their way in are columns (`columns`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


class Claim(IntEnum):
    """What became of a record that claimed its transaction_id."""

    FRESH = 0
    """The id is this record's from now on."""
    REPLAY = 1
    """It was this very record's already: redelivery."""
    DUPLICATE = 2
    """Another record has it, of the same time, amount and parties: it changes nothing."""
    CONFLICT = 3
    """Another record has it, with another time, amount or party: a dead letter."""


@dataclass(frozen=True, slots=True)
class Model:
    """What must be known of a model to audit its verdicts; `model_id` is unique for ever."""

    model_id: str
    schema_hash: str
    base_value: float
    features: tuple[str, ...]
    """Names in vector order."""
    thresholds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """A verdict that was there before: it stands, and its alert is sent again as it was."""

    verdict: int
    score: float
    alert: bytes | None
    """The alert's exact bytes; None if there was none."""


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    """One stored verdict, whole. Times are epoch milliseconds."""

    transaction_id: str
    event_time: int
    decided_at: int
    payer_vpa: str
    payee_vpa: str
    amount_paise: int
    verdict: int
    score: float
    margin: float
    feature_state: int
    model: Model
    vector: NDArray[np.float32]
    provenance: bytes
    source_partition: int
    source_offset: int
    alert: bytes | None
    facts: bytes | None
    """What is known of the payment beside these fields, as it was packed; None in rows from before it was kept."""
    rrn: int | None
    """Retrieval reference number."""
    hold_until: int | None
    """When a HOLD ends, epoch milliseconds; None where it has no end."""


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """One outcome with its origin. `reported_at` is epoch milliseconds."""

    transaction_id: bytes
    is_fraud: bool
    reported_at: int
    typology: str | None
    source: str | None
    source_partition: int
    source_offset: int

    @property
    def rank(self) -> tuple[int, int, int]:
        """Orders the outcomes of one payment: the greatest stands."""
        return self.reported_at, self.source_offset, self.source_partition


@dataclass(frozen=True, slots=True)
class PaymentRef:
    """A payment with a verdict, and the outcome that stands for it."""

    outcome: OutcomeRow
    event_time: int
    """Epoch milliseconds."""
    provenance: bytes
    """What the entity logs got from the payment, as it was stored with the verdict."""
    verdict: int

    @property
    def transaction_id(self) -> bytes:
        """The payment's id."""
        return self.outcome.transaction_id

    @property
    def report(self) -> Report:
        """What the entity logs get of it."""
        return Report(self.outcome.reported_at, self.outcome.is_fraud, self.provenance)


class Inserted(Struct, frozen=True):
    """What a store tells of verdicts that were given to it."""

    before: dict[int, StoredVerdict]
    """By row, the verdicts that were there before: they stand."""
    waiting: list[PaymentRef]
    """The outcomes that waited for these payments, new and old, when all of the rows were stored."""


class Report(NamedTuple):
    """What the entity logs got of one outcome."""

    reported_at: int
    """Epoch milliseconds."""
    is_fraud: bool
    provenance: bytes
    """As its payment's verdict has it."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the entity logs got from one payment, for rebuilding them."""

    event_time: int
    source_partition: int
    source_offset: int
    provenance: bytes
