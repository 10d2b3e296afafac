"""Verdicts as a Parquet file, there whole or not at all: stored ones, or those of a history.

A file over one set of features names them in its metadata key `features`. Where the models of its rows have several
sets, each row's vector is as long as its model's, and the key `feature_sets` has the names by schema hash.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.columns import FeatureState
from features.schema import FEATURE_NAMES
from model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from stream.verdict_store import Model, VerdictRecord
    from stream.verdict_store.artifacts import RetainedArtifacts

FEATURES: Final = "features"
FEATURE_SETS: Final = "feature_sets"

TOLERANCE: Final = 1e-9
"""How far a margin may be from the stored one; on the machine type that gave it, it is the same to the bit."""

TIME: Final = pa.timestamp("ms", tz="UTC")
VERDICTS: Final = [one.name for one in Verdict]
STATES: Final = [one.name for one in FeatureState]

Features = tuple[str, ...]


class Verdicts(NamedTuple):
    """Some verdicts, in the order of their rows: columns of one length n."""

    transaction_id: Any
    """Texts, in a list or an Arrow array."""
    event_time: NDArray[np.int64]
    """Epoch milliseconds."""
    score: NDArray[np.float64]
    margin: NDArray[np.float64]
    verdict: NDArray[np.uint8]
    state: NDArray[np.uint8]
    """Codes of FeatureState."""
    model: Sequence[Model]
    features: NDArray[np.int64]
    """How many each row's model has."""
    vectors: NDArray[np.float32]
    """One row's values behind the other's."""
    contributions: NDArray[np.float64]
    """In the same way."""


class VerdictFile:
    """A Parquet file that is there whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.partial")
        self._earlier = path.with_name(f"{path.name}.earlier.partial")
        self._writer: Any = None
        self._sets: dict[str, Features] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None and self._writer is None:
            self._open({"": tuple(FEATURE_NAMES)})
        if self._writer is not None:
            self._writer.close()
        if failure is None:
            self._partial.replace(self._path)
        else:
            self._partial.unlink(missing_ok=True)
            self._earlier.unlink(missing_ok=True)

    def write(self, rows: Verdicts) -> None:
        """Add verdicts."""
        self._know({model.model_id: model for model in rows.model}.values())
        self._writer.write_batch(_batch(rows, self._writer.schema))

    def _know(self, models: Iterable[Model]) -> None:
        """Let the metadata name the features of these models."""
        sets = dict(self._sets)
        for model in models:
            if sets.setdefault(model.schema_hash, model.features) != model.features:
                raise click.ClickException(
                    f"Expected one set of features of the schema {model.schema_hash}, got model {model.model_id} with "
                    "others: its row in the table of models was altered."
                )
        if self._writer is None:
            self._open(sets)
        elif _metadata(sets) != _metadata(self._sets):
            self._begin_anew(sets)
        self._sets = sets

    def _begin_anew(self, sets: Mapping[str, Features]) -> None:
        """Copy what was written behind metadata of more sets, which stand before all rows; few files have several."""
        self._writer.close()
        self._partial.replace(self._earlier)
        self._open(sets)
        for batch in pq.ParquetFile(self._earlier).iter_batches():
            self._writer.write_batch(batch.cast(self._writer.schema))
        self._earlier.unlink()

    def _open(self, sets: Mapping[str, Features]) -> None:
        try:
            self._writer = pq.ParquetWriter(self._partial, _schema(sets), compression="zstd")
        except OSError as error:
            raise click.ClickException(f"{self._partial} cannot be written: {error.strerror or error}.") from error


def of_records(records: Sequence[VerdictRecord], artifacts: RetainedArtifacts) -> Verdicts:
    """Return stored verdicts with contributions computed anew from their vectors, by the model that gave each.

    Raises ClickException where they do not add up to the stored margin.
    """
    contributions: list[NDArray[np.float64]] = [np.empty(0)] * len(records)
    by_model: dict[str, list[int]] = {}
    for row, record in enumerate(records):
        by_model.setdefault(record.model.model_id, []).append(row)
    for rows in by_model.values():
        artifact = artifacts.artifact(records[rows[0]].model)
        scored = artifact.scorer.score(np.stack([records[row].vector for row in rows]))
        _check_margins([records[row] for row in rows], scored.margin.tolist())
        for row, own in zip(rows, np.ascontiguousarray(scored.contributions), strict=True):
            contributions[row] = own
    return Verdicts(
        transaction_id=[record.transaction_id for record in records],
        event_time=np.array([record.event_time for record in records], dtype=np.int64),
        score=np.array([record.score for record in records]),
        margin=np.array([record.margin for record in records]),
        verdict=np.array([record.verdict for record in records], dtype=np.uint8),
        state=np.array([record.feature_state for record in records], dtype=np.uint8),
        model=[record.model for record in records],
        features=np.array([len(record.vector) for record in records]),
        vectors=np.concatenate([record.vector for record in records]),
        contributions=np.concatenate(contributions),
    )


def features_of_all(schema: pa.Schema) -> Features:
    """Return the features that every row of a file of verdicts has."""
    first, *others = _sets(schema).values()
    return tuple(name for name in first if all(name in other for other in others))


def by_features(
    column: str, batch: pa.RecordBatch, schema: pa.Schema
) -> Iterator[tuple[Features, NDArray[np.intp], NDArray[Any]]]:
    """Yield for each set of features in a file of verdicts its names, the rows that have it, and their values.

    column: `vector` or `contributions`, which become [rows, features]. Raises ValueError, or KeyError, where the file's
    metadata does not say what they are.
    """
    sets = _sets(schema)
    if None in sets:
        rows_of: dict[str | None, list[int]] = {None: list(range(len(batch)))}
    else:
        rows_of = {}
        for row, schema_hash in enumerate(batch["schema_hash"].to_pylist()):
            rows_of.setdefault(schema_hash, []).append(row)
    for schema_hash, rows in rows_of.items():
        names = sets[schema_hash]
        values = batch[column].take(pa.array(rows, pa.int64())).flatten().to_numpy(zero_copy_only=False)
        yield names, np.array(rows, dtype=np.intp), values.reshape(len(rows), len(names))


def values_of(wanted: Sequence[str], batch: pa.RecordBatch, schema: pa.Schema) -> dict[str, NDArray[np.float32]]:
    """Return features that every row has, float32[n] each."""
    found = {name: np.empty(len(batch), dtype=np.float32) for name in wanted}
    if wanted:
        for names, rows, vectors in by_features("vector", batch, schema):
            for name, values in found.items():
                values[rows] = vectors[:, names.index(name)]
    return found


def _sets(schema: pa.Schema) -> dict[str | None, Features]:
    """Return the features by schema hash; under None those of all rows."""
    metadata = schema.metadata or {}
    sets = json.loads(metadata.get(FEATURE_SETS.encode(), b"{}"))
    if not sets:
        sets = {None: json.loads(metadata.get(FEATURES.encode(), b"[]"))}
    return {schema_hash: tuple(names) for schema_hash, names in sets.items()}


def _schema(sets: Mapping[str, Features]) -> pa.Schema:
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
    return pa.schema(columns, metadata=_metadata(sets))


def _metadata(sets: Mapping[str, Features]) -> dict[str, str]:
    different = set(sets.values())
    if len(different) == 1:
        return {FEATURES: json.dumps(list(different.pop()))}
    return {FEATURE_SETS: json.dumps({schema_hash: list(names) for schema_hash, names in sets.items()})}


def _batch(rows: Verdicts, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        rows.transaction_id,
        pa.array(rows.event_time, pa.int64()).cast(TIME),
        rows.score,
        rows.margin,
        [model.base_value for model in rows.model],
        [VERDICTS[code] for code in rows.verdict.tolist()],
        [STATES[code] for code in rows.state.tolist()],
        [model.model_id for model in rows.model],
        [model.schema_hash for model in rows.model],
        _lists(rows.features, rows.vectors),
        _lists(rows.features, rows.contributions),
    ]
    return pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=schema)


def _lists(lengths: NDArray[np.int64], values: NDArray[Any]) -> pa.ListArray:
    ends = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=ends[1:])
    return pa.ListArray.from_arrays(ends, pa.array(values))


def _check_margins(records: Sequence[VerdictRecord], margins: Sequence[float]) -> None:
    for record, margin in zip(records, margins, strict=True):
        if not abs(record.margin - margin) <= TOLERANCE:
            raise click.ClickException(
                f"The verdict of {record.transaction_id} has margin {record.margin!r}, but model "
                f"{record.model.model_id} gives its vector {margin!r}: its row or its artifact was changed."
            )
