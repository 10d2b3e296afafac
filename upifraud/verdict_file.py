"""Verdicts as a Parquet file: vectors as they were stored, contributions computed anew from them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Self

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.columns import FeatureState
from features.schema import FEATURE_NAMES
from model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stream.verdict_store import VerdictRecord
    from stream.verdict_store.artifacts import RetainedArtifacts

TOLERANCE: Final = 1e-9
"""How far a margin may be from the stored one; on the machine type that gave it, it is the same to the bit."""

TIME: Final = pa.timestamp("ms", tz="UTC")
VERDICTS: Final = [one.name for one in Verdict]
STATES: Final = [one.name for one in FeatureState]


class VerdictFile:
    """A Parquet file that is there whole or not at all."""

    def __init__(self, path: Path, artifacts: RetainedArtifacts) -> None:
        self._path = path
        self._artifacts = artifacts
        self._partial = path.with_name(f"{path.name}.partial")
        self._writer: Any = None
        self._features: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None and self._writer is None:
            self._open(tuple(FEATURE_NAMES))
        if self._writer is not None:
            self._writer.close()
        if failure is None:
            self._partial.replace(self._path)
        else:
            self._partial.unlink(missing_ok=True)

    def write(self, records: Sequence[VerdictRecord]) -> None:
        """Add verdicts; all of a file are over the same features."""
        models = {record.model.model_id: record.model for record in records}
        for model in models.values():
            if self._writer is None:
                self._open(model.features)
            if model.features != self._features:
                raise click.ClickException(
                    f"Expected verdicts over one set of features, got model {model.model_id} with others: choose a "
                    "range with --since and --until in which the models share them."
                )
        self._writer.write_batch(_batch(records, self._artifacts, self._writer.schema))

    def _open(self, features: tuple[str, ...]) -> None:
        self._features = features
        try:
            self._writer = pq.ParquetWriter(self._partial, _schema(features), compression="zstd")
        except OSError as error:
            raise click.ClickException(f"{self._partial} cannot be written: {error.strerror or error}.") from error


def _schema(features: tuple[str, ...]) -> pa.Schema:
    columns = [
        ("transaction_id", pa.string()),
        ("event_time", TIME),
        ("score", pa.float64()),
        ("margin", pa.float64()),
        ("base_value", pa.float64()),
        ("verdict", pa.string()),
        ("feature_state", pa.string()),
        ("model_id", pa.string()),
        ("schema_hash", pa.string()),
        ("vector", pa.list_(pa.float32())),
        ("contributions", pa.list_(pa.float64())),
    ]
    return pa.schema(columns, metadata={"features": json.dumps(list(features))})


def _batch(records: Sequence[VerdictRecord], artifacts: RetainedArtifacts, schema: pa.Schema) -> pa.RecordBatch:
    vectors = np.stack([record.vector for record in records])
    contributions = np.empty(vectors.shape, dtype=np.float64)
    by_model: dict[str, list[int]] = {}
    for row, record in enumerate(records):
        by_model.setdefault(record.model.model_id, []).append(row)
    for rows in by_model.values():
        artifact = artifacts.artifact(records[rows[0]].model)
        scored = artifact.scorer.score(vectors[rows])
        _check_margins([records[row] for row in rows], scored.margin.tolist())
        contributions[rows] = scored.contributions
    ends = np.arange(len(records) + 1, dtype=np.int32) * vectors.shape[1]
    columns = [
        [record.transaction_id for record in records],
        pa.array([record.event_time for record in records], TIME),
        [record.score for record in records],
        [record.margin for record in records],
        [record.model.base_value for record in records],
        [VERDICTS[record.verdict] for record in records],
        [STATES[record.feature_state] for record in records],
        [record.model.model_id for record in records],
        [record.model.schema_hash for record in records],
        pa.ListArray.from_arrays(ends, pa.array(vectors.ravel())),
        pa.ListArray.from_arrays(ends, pa.array(contributions.ravel())),
    ]
    return pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=schema)


def _check_margins(records: Sequence[VerdictRecord], margins: Sequence[float]) -> None:
    for record, margin in zip(records, margins, strict=True):
        if not abs(record.margin - margin) <= TOLERANCE:
            raise click.ClickException(
                f"The verdict of {record.transaction_id} has margin {record.margin!r}, but model "
                f"{record.model.model_id} gives its vector {margin!r}: its row or its artifact was changed."
            )
