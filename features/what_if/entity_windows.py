"""One entity's windows as of a moment, over all that its log has."""
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from features.compiled import njit
from features.definitions import FEATURES
from features.feature import Aggregation
from features.measure.ingest import old_clock_at
from features.measure.logs import NEVER, NONE
from features.measure.vector import PROGRAM, WINDOW_LENGTHS, aggregate
from features.measure.window import measure
from features.windows import HORIZON

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.entities import Kind

_OF_NOTHING = (Aggregation.COUNT, Aggregation.SUM, Aggregation.DISTINCT)
"""What is 0, and not missing, where a window holds no payment."""
_COUNT, _SUM, _DISTINCT = (int(one) for one in _OF_NOTHING)


@njit()
def entity_windows(logs, slot, kind, now, scratch, out):  # type: ignore[no-untyped-def]
    """Fill in the windowed features of a kind of entity at `now`, by the log in a slot; out: float32[f].

    Measured as for a payment that came now, which is not counted: in a dense log the horizon behind its clock is as far
    back as can be looked.
    """
    log, totals = logs.slots[slot], scratch.totals[kind]
    position = log.length
    old_clock = old_clock_at(logs.slots, logs.blocks, slot, position)
    if old_clock != NEVER:
        now = max(now, min(log.clock - HORIZON, old_clock + HORIZON))
    measure(logs, slot, position, position, now, np.int64(NONE), WINDOW_LENGTHS, totals, scratch.work)  # type: ignore[arg-type]
    out[:] = np.nan
    for column in range(len(PROGRAM)):
        if PROGRAM[column, 0] == kind:
            sums, operation = totals[PROGRAM[column, 2]], PROGRAM[column, 1]
            if sums.payments > 0 or operation in (_COUNT, _SUM, _DISTINCT):
                out[column] = aggregate(sums, operation, np.int64(0), np.int64(0))


def values_by_name(kind: Kind, values: NDArray[np.float32] | None) -> dict[str, float]:
    """Return the windowed features of a kind by name; without values those of an entity without a log."""
    found = {}
    for column, feature in enumerate(FEATURES):
        if feature.entity is kind:
            found[feature.name] = (
                float(values[column]) if values is not None else 0.0 if feature.aggregation in _OF_NOTHING else math.nan
            )
    return found
