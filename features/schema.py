"""The vector's order and its hash: a model trained on another vector than the one computed here refuses to load."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

import numpy as np

from features.definitions import FEATURES, Feature
from features.windows import BLOCK, HORIZON, PANES, WINDOWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

RULES_VERSION: Final = 1
"""Counts up whenever the meaning of a feature changes while its declaration does not."""

FEATURE_NAMES: Final = tuple(feature.name for feature in FEATURES)

PLAIN: Final = -1
"""Stands in the program's first column for a plain feature."""


def schema_hash(features: tuple[Feature, ...] = FEATURES, rules_version: int = RULES_VERSION) -> str:
    """Return 16 hex digits that change with anything that changes the meaning of a vector."""
    declared = [
        [feature.name, feature.entity, feature.aggregation, WINDOWS.get(feature.window or ""), feature.plain]
        for feature in features
    ]
    text = json.dumps([rules_version, HORIZON, BLOCK, PANES, declared], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


SCHEMA_HASH: Final = schema_hash()


def program(features: tuple[Feature, ...] = FEATURES) -> NDArray[np.int64]:
    """Compile the declarations to what the kernel reads: int64[f, 3] of (entity or PLAIN, operation, window index)."""
    order = {name: index for index, name in enumerate(WINDOWS)}
    rows = [
        (PLAIN, int(feature.plain), 0)
        if feature.plain is not None
        else (int(feature.entity or 0), int(feature.aggregation or 0), order[feature.window or ""])
        for feature in features
    ]
    return np.array(rows, dtype=np.int64)


def window_lengths() -> NDArray[np.int64]:
    """Return the windows in milliseconds, ascending."""
    return np.array(list(WINDOWS.values()), dtype=np.int64)
