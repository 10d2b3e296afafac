"""Labels of a spilled history: of each payment the newest report stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from history.spill.tables import Opened, array_of
from model.training.labels import Labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from history.spill.place import Place


def labels(place: Place, rows: NDArray[np.int64], reported_before: int | None, *, reported: bool) -> Labels:
    """Return the labels of payments in these rows, ascending, by what was reported before a moment (epoch ms).

    The rule is that of `model.training.labels.label`.
    """
    fraud = np.zeros(len(rows), dtype=np.bool_)
    typology: list[str | None] = [None] * len(rows)
    count = 0
    for bucket in range(place.buckets.ids) if reported else ():
        with Opened(place.matched(bucket), ["row", "reported_at", "fraud", "order", "typology"]) as file:
            batch = file.batch(0)
        row, reported_at, order = (array_of(batch, name) for name in ("row", "reported_at", "order"))
        known = np.flatnonzero(reported_at < reported_before) if reported_before is not None else np.arange(len(row))
        newest = known[np.lexsort((order[known], reported_at[known], row[known]))]
        last = np.flatnonzero(np.diff(row[newest], append=-1) != 0)
        stands = newest[last]
        count += len(stands)
        frauds = stands[array_of(batch, "fraud")[stands]]
        at = np.searchsorted(rows, row[frauds])
        fraud[at] = True
        for where, kind in zip(at.tolist(), batch.column("typology").take(pa.array(frauds)).to_pylist(), strict=True):
            typology[where] = kind
    return Labels(fraud, typology, count)

