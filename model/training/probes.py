"""Vectors that sit where tables go wrong: on thresholds, next to them, at infinities, partly and wholly missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.compiled.tables import Tables


def probe_vectors(tables: Tables, rows: int, seed: int = 0) -> NDArray[np.float32]:
    """Return float32 [rows, features] drawn around the thresholds of the tables; the first row is all missing."""
    random = np.random.default_rng(seed)
    shape = (rows, int(tables.n_features))
    vectors = random.standard_normal(shape).astype(np.float32)
    infinities = np.array([-np.inf, np.inf], dtype=np.float32)
    for slot, feature in enumerate(tables.slot_feature):
        thresholds = tables.thresholds[tables.threshold_start[slot] : tables.threshold_start[slot + 1]]
        with np.errstate(over="ignore"):  # the neighbour of the greatest float32 is infinite
            values = np.concatenate(
                [
                    thresholds,
                    np.nextafter(thresholds, infinities[0]),
                    np.nextafter(thresholds, infinities[1]),
                    np.tile(infinities, -(-len(thresholds) // 8)),
                ]
            )
        vectors[:, feature] = random.choice(values, size=rows)
    missing = random.random((rows, 1)) * (random.random((rows, 1)) < 0.75)  # a quarter of the rows lack nothing
    vectors[random.random(shape) < missing] = np.nan
    vectors[:1] = np.nan
    return vectors
