"""Outcomes of a micro-batch as rows and rejections, by the same rules as payments."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stream.decode import required
from stream.decode.document import ObjectReader
from stream.decode.fields import OUTCOME_FIELDS, read_optional
from stream.decode.later_rules import too_early
from stream.decode.rejection import Rejected, Rejection
from stream.wire import EARLIEST_TIME_MS, LAST_TIME_MS, Outcome, RejectionReason

if TYPE_CHECKING:
    from collections.abc import Sequence

FRAUD: Final = "FRAUD"
GENUINE: Final = "GENUINE"

_object = ObjectReader(Outcome)


@dataclass(frozen=True, slots=True)
class DecodedOutcome:
    """One well-formed outcome."""

    index: int
    """Its place in the list of values that was decoded."""
    transaction_id: bytes
    is_fraud: bool
    reported_at: int
    """Epoch milliseconds."""
    typology: str | None
    source: str | None


@dataclass(frozen=True, slots=True)
class DecodedOutcomes:
    """What a run of outcome records holds, in delivery order."""

    rows: list[DecodedOutcome]
    rejections: list[Rejection]
    unusable_optional: dict[str, int]
    """How often an optional field was there but counts as unknown, by its name."""


def decode_outcomes(values: Sequence[bytes | None], *, earliest_ms: int = EARLIEST_TIME_MS) -> DecodedOutcomes:
    """Take every value apart: each index ends up in a row or a rejection, whatever the bytes.

    Which of several outcomes for one payment stands is decided where they are stored. A reported_at may lie ahead of
    the clock: histories are replayed with their labels' delay. It may not lie before `earliest_ms` (epoch
    milliseconds).
    """
    rows: list[DecodedOutcome] = []
    rejections: list[Rejection] = []
    unusable: Counter[str] = Counter()
    for index, value in enumerate(values):
        try:
            row, unusable_here = _read_outcome(index, value, earliest_ms)
        except Rejected as rejected:
            rejections.append(rejected.at(index))
        else:
            rows.append(row)
            unusable.update(unusable_here)
    return DecodedOutcomes(rows, rejections, dict(unusable))


def _read_outcome(index: int, value: bytes | None, earliest_ms: int) -> tuple[DecodedOutcome, list[str]]:
    found = _object.read(value)
    transaction_id = required.transaction_id(found["transaction_id"])
    outcome = required.one_of((FRAUD, GENUINE), found["outcome"], "outcome")
    reported_at = required.time(found["reported_at"], "reported_at")
    if reported_at > LAST_TIME_MS:
        raise Rejected(
            RejectionReason.OUT_OF_RANGE, "reported_at: expected a time before the year 10000; check its unit"
        )
    too_soon = too_early(reported_at, "reported_at", earliest_ms)
    if too_soon is not None:
        raise too_soon
    optional, unusable = read_optional(OUTCOME_FIELDS, found)
    row = DecodedOutcome(
        index=index,
        transaction_id=transaction_id.encode(),
        is_fraud=outcome == FRAUD,
        reported_at=reported_at,
        typology=optional.get("typology"),
        source=optional.get("source"),
    )
    return row, unusable
