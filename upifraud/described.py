"""An artifact as the verdict store knows it."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from features.schema import SCHEMA_HASH
from stream.errors import FatalError
from stream.verdict_store import Model

if TYPE_CHECKING:
    from model.artifact import Artifact


def described(artifact: Artifact) -> Model:
    """Return what the verdict store keeps of an artifact, so that its verdicts can be audited.

    Raises FatalError for an artifact of another feature schema.
    """
    if artifact.schema_hash != SCHEMA_HASH:
        raise FatalError(
            f"Expected an artifact for feature schema {SCHEMA_HASH}, got one for {artifact.schema_hash}; train anew "
            "with `upifraud train`."
        )
    return Model(
        model_id=artifact.model_id,
        schema_hash=artifact.schema_hash,
        base_value=artifact.scorer.base_value,
        features=tuple(artifact.feature_names),
        thresholds={
            name: value
            for name, value in asdict(artifact.thresholds).items()
            if math.isfinite(value)  # a verdict that is never given has no threshold
        },
    )
