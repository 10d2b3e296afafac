"""The vector's order and its hash: a model trained on another vector than the one computed here refuses to load."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

import numpy as np

from features.compiled import row_dtype
from features.definitions import FEATURES
from features.entities import KINDS
from features.windows import BLOCK, HORIZON, PANES, WINDOWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from features.entities import Kind
    from features.feature import Feature

RULES_VERSION: Final = 1
"""Counts up whenever the meaning of a feature changes while its declaration does not."""

FEATURE_NAMES: Final = tuple(feature.name for feature in FEATURES)

PLAIN: Final = row_dtype([(feature.name, "f4") for feature in FEATURES if feature.window is None])
"""The plain features of one payment, each under its own name; NaN is missing."""

PLAIN_FEATURE: Final = -1
"""Stands in the program's first column for a plain feature."""

_NUMBERED: Final = (
    "amount_paise", "hour_of_day", "is_night", "is_p2m", "is_collect", "initiation", "same_bank", "device_age_seconds",
    "sim_age_seconds", "payer_seconds_since_last", "payer_seconds_since_first", "payer_amount_z_30d",
    "payer_amount_ratio_mean_30d", "payer_amount_ratio_max_30d", "payer_payee_seconds_since_last",
    "payer_payee_count_30d", "payee_seconds_since_first", "payee_seconds_since_last", "payer_inbound_sum_1h",
    "payer_pass_through_ratio_1h", "device_seconds_since_first", "payer_new_device", "payer_speed_kmh",
    "payee_fraud_rate_30d", "device_fraud_rate_30d",
)  # fmt: skip
"""Plain features had numbers once. These keep theirs in the hash, so that models of then load; newer ones have none."""


def schema_hash(features: tuple[Feature, ...] = FEATURES, rules_version: int = RULES_VERSION) -> str:
    """Return 16 hex digits that change with anything that changes the meaning of a vector."""
    declared = [
        [
            feature.name,
            _number(feature.entity),
            feature.aggregation,
            WINDOWS.get(feature.window or ""),
            _old_number(feature),
        ]
        for feature in features
    ]
    text = json.dumps([rules_version, HORIZON, BLOCK, PANES, declared], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _old_number(feature: Feature) -> int | None:
    return _NUMBERED.index(feature.name) if feature.name in _NUMBERED else None


def _number(kind: Kind | None) -> int | None:
    return None if kind is None else KINDS.index(kind)


SCHEMA_HASH: Final = schema_hash()


def columns_of(kind: Kind) -> NDArray[np.intp]:
    """Return where in the vector the features of one kind of entity are, ascending.

    What the payment alone tells is counted with the payer's: each payment has one.
    """
    owners = [feature.owner or KINDS[0] for feature in FEATURES]
    return np.array([at for at, owner in enumerate(owners) if owner is kind], dtype=np.intp)


def program(features: tuple[Feature, ...] = FEATURES) -> NDArray[np.int64]:
    """Compile the declarations to what the kernel reads: int64[f, 3].

    That is (kind of entity, aggregation, window) by number, or (PLAIN_FEATURE, field of PLAIN, 0).
    """
    order, fields = list(WINDOWS), list(PLAIN.names or ())
    rows = [
        (PLAIN_FEATURE, fields.index(feature.name), 0)
        if feature.window is None
        else (_number(feature.entity) or 0, int(feature.aggregation or 0), order.index(feature.window))
        for feature in features
    ]
    return np.array(rows, dtype=np.int64)


def window_lengths() -> NDArray[np.int64]:
    """Return the windows in milliseconds, ascending."""
    return np.array(list(WINDOWS.values()), dtype=np.int64)
