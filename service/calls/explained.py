"""A record with what is behind it: the vector, all contributions, and what else the id was used for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from stream.wire import Alert, UtcTime, encode_alert

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class ExplainedRecord(Alert, frozen=True, kw_only=True):
    """The record, and more where it was asked for or is there."""

    earlier: (
        Annotated[tuple[UtcTime, ...], Meta(description="Event times of other payments with this id, latest first.")]
        | UnsetType
    ) = UNSET
    features: (
        Annotated[dict[str, float | None], Meta(description="The whole vector by name; null where it is missing.")]
        | UnsetType
    ) = UNSET
    contributions: (
        Annotated[dict[str, float], Meta(description="Exact SHAP values of all features, in log-odds.")] | UnsetType
    ) = UNSET


def features_of(names: Sequence[str], vector: NDArray[np.float32]) -> dict[str, float | None]:
    """Return a vector by name, missing as None; each number reads back as the very float32."""
    return {name: None if math.isnan(value) else value for name, value in zip(names, vector.tolist(), strict=True)}


def contributions_of(names: Sequence[str], contributions: NDArray[np.float64]) -> dict[str, float]:
    """Return contributions by name."""
    return dict(zip(names, contributions.tolist(), strict=True))


def written(record: Alert, **more: Any) -> bytes:
    """Return a record's JSON with more members behind its own, which stay the very bytes that they are alone."""
    body = encode_alert(record)
    if not more:
        return body
    return body[:-1] + b"," + msgspec.json.encode(more)[1:]
