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


def labels(
    place: Place, rows: NDArray[np.int64], asked: NDArray[np.intp], reported_before: int | None, *, reported: bool
) -> Labels:
    """Return the labels of the payments `asked` of those in `rows`, both ascending, as of a moment (epoch ms).

    The rule is that of `model.training.labels.label`.
    """
    wanted = rows[asked]
    fraud = np.zeros(len(wanted), dtype=np.bool_)
    fraud_at = np.zeros(len(wanted), dtype=np.int64)
    typology: list[str | None] = [None] * len(wanted)
    count = 0
    for bucket in range(place.buckets.ids) if reported and len(wanted) else ():
        with Opened(place.matched(bucket), ["row", "reported_at", "fraud", "order", "typology"]) as file:
            batch = file.batch(0)
        row, reported_at, order = (array_of(batch, name) for name in ("row", "reported_at", "order"))
        at = np.minimum(np.searchsorted(wanted, row), len(wanted) - 1)
        known = wanted[at] == row
        if reported_before is not None:
            known &= reported_at < reported_before
        newest = np.flatnonzero(known)
        newest = newest[np.lexsort((order[newest], reported_at[newest], row[newest]))]
        stands = newest[np.flatnonzero(np.diff(row[newest], append=-1))]
        count += len(stands)
        frauds = stands[array_of(batch, "fraud")[stands]]
        fraud[at[frauds]] = True
        fraud_at[at[frauds]] = reported_at[frauds]
        kinds = batch.column("typology").take(pa.array(frauds)).to_pylist()
        for where, kind in zip(at[frauds].tolist(), kinds, strict=True):
            typology[where] = kind
    return Labels(fraud, typology, fraud_at[fraud], count)
