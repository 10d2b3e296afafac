"""The model as a directory of files that name each other by checksum; a worker reads it without pickle.

docs/specs/artifact.md has the files and their fields. A worker needs `artifact.json` and `tables.npz`; the rest is
kept for audit. Nothing here imports scikit-learn, shap or skops.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from model.calibration import Calibration
from model.compiled.scoring import Scorer
from model.compiled.tables import Tables
from model.distribution import Distribution, FeatureDistribution
from model.errors import ArtifactError, SchemaMismatchError
from model.risk_score import RiskMap
from model.verdict import Thresholds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

LAYOUT_VERSION = 1
"""Counts up whenever a file or an array changes its meaning; a worker refuses other versions."""

METADATA = "artifact.json"
TABLES = "tables.npz"
ESTIMATOR = "model.skops"
REPORT = "report.json"

DEFAULT_DIR = Path(__file__).parent / "artifacts" / "default"
"""The artifact that ships with the program."""

PROBE_VECTORS = "probe_vectors"
PROBE_MARGINS = "probe_margins"
PROBE_PROBABILITIES = "probe_probabilities"
PROBE_CONTRIBUTIONS = "probe_contributions"
PROBES = (PROBE_VECTORS, PROBE_MARGINS, PROBE_PROBABILITIES, PROBE_CONTRIBUTIONS)


@dataclass(frozen=True, eq=False)
class Artifact:
    """Everything that scores, explains and judges a payment, identified by its content."""

    model_id: str
    """16 hex digits of the content's SHA-256."""
    schema_hash: str
    feature_names: tuple[str, ...]
    tables: Tables
    calibration: Calibration
    thresholds: Thresholds
    distribution: Distribution
    score_distribution: FeatureDistribution | None
    """None in artifacts written before it was kept."""
    risk_map: RiskMap | None
    """None in artifacts written before there were risk scores."""
    metadata: Mapping[str, Any]
    """`artifact.json` as it stands: training span, counts, versions and more."""
    probes: Mapping[str, NDArray[Any]] = field(repr=False)
    """Vectors with the scores they had when the artifact was written."""

    @cached_property
    def scorer(self) -> Scorer:
        """The scorer, compiled and proven on this machine: probes must give the very bytes they gave when written.

        Raises ArtifactError otherwise: a verdict could not be rebuilt bit for bit.
        """
        scorer = Scorer(self.tables, self.calibration)
        vectors = self.probes[PROBE_VECTORS]
        for rows in (slice(None), slice(0, 1)):  # both paths of the kernel
            scored = scorer.score(vectors[rows])
            if not (
                np.array_equal(scored.margin, self.probes[PROBE_MARGINS][rows])
                and np.array_equal(scored.probability, self.probes[PROBE_PROBABILITIES][rows])
                and np.array_equal(scored.contributions, self.probes[PROBE_CONTRIBUTIONS][rows])
            ):
                raise ArtifactError(
                    f"Expected the scores that artifact {self.model_id} recorded, got others on this machine; "
                    "compare the versions in its artifact.json with those installed and report this."
                )
        return scorer

    @property
    def base_value(self) -> float:
        """The expected margin that contributions add to."""
        return float(self.tables.base_value)

    @property
    def usual(self) -> tuple[float | None, ...]:
        """Training median of genuine payments for each feature."""
        return tuple(feature.usual for feature in self.distribution.features)


def load(directory: Path | str, *, schema_hash: str | None = None) -> Artifact:
    """Read an artifact; every file that is there matches its checksum, and the tables and metadata are there.

    Raises ArtifactError if the directory is incomplete, altered, or of another layout, and SchemaMismatchError if
    `schema_hash` is given and the artifact was trained on other features.
    """
    directory = Path(directory)
    metadata = _metadata(directory)
    if metadata.get("layout_version") != LAYOUT_VERSION:
        raise ArtifactError(
            f"Expected an artifact of layout version {LAYOUT_VERSION} in {directory}, got "
            f"{metadata.get('layout_version')}; train it anew with `upifraud train`."
        )
    _check_sums(directory, metadata)
    if schema_hash is not None and metadata.get("schema_hash") != schema_hash:
        raise SchemaMismatchError(
            f"Expected an artifact for feature schema {schema_hash}, {directory} is for {metadata.get('schema_hash')}; "
            "run the release that it was trained with, or train anew with `upifraud train`."
        )
    arrays = _arrays(directory / TABLES)
    try:
        names = tuple(metadata["features"])
        artifact = Artifact(
            model_id=metadata["model_id"],
            schema_hash=metadata["schema_hash"],
            feature_names=names,
            tables=Tables.from_arrays(arrays),
            calibration=Calibration(
                margin=np.array(metadata["calibration"]["margin"], dtype=np.float64),
                probability=np.array(metadata["calibration"]["probability"], dtype=np.float64),
            ),
            thresholds=Thresholds(**metadata["thresholds"]),
            distribution=Distribution.from_json(metadata["distribution"], names),
            score_distribution=(
                FeatureDistribution.from_json(metadata["score_distribution"])
                if "score_distribution" in metadata
                else None
            ),
            risk_map=RiskMap.from_json(metadata["risk_map"]) if "risk_map" in metadata else None,
            metadata=metadata,
            probes={name: arrays[name] for name in PROBES},
        )
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ArtifactError(f"Expected the fields of docs/specs/artifact.md in {directory}, got {error!r}.") from error
    if int(artifact.tables.n_features) != len(names) or artifact.base_value != metadata["base_value"]:
        raise ArtifactError(f"{METADATA} and {TABLES} in {directory} contradict each other; train the artifact anew.")
    return artifact


def canonical_json(value: Any) -> bytes:
    """Return the one spelling of a JSON value that checksums are taken of: sorted keys, shortest floats, no NaN."""
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode()


def content_id(metadata: Mapping[str, Any]) -> str:
    """Return the model id of metadata: a hash of all of it but the id, and so of every file's checksum."""
    content = {name: value for name, value in metadata.items() if name != "model_id"}
    return hashlib.sha256(canonical_json(content)).hexdigest()[:16]


def _metadata(directory: Path) -> dict[str, Any]:
    path = directory / METADATA
    try:
        metadata = json.loads(path.read_bytes(), parse_constant=_no_number)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(
            f"Expected an artifact in {directory}, found no {METADATA}; train one with `upifraud train --out "
            f"{directory}`, or set UPIFRAUD_MODEL_DIR to the directory of another."
        ) from error
    except (OSError, ValueError, RecursionError) as error:  # hostile nesting ends the parser, not the program
        raise ArtifactError(f"Expected JSON in {path}, got {error}; copy or train the artifact anew.") from error
    if not isinstance(metadata, dict):
        raise ArtifactError(f"Expected a JSON object in {path}, got another value; copy or train the artifact anew.")
    return metadata


def _no_number(name: str) -> None:
    raise ValueError(f"{name}, which is no number")


def _check_sums(directory: Path, metadata: dict[str, Any]) -> None:
    try:
        content = content_id(metadata)
    except (ValueError, RecursionError) as error:  # 1e400 is read as infinity
        raise ArtifactError(
            f"Expected JSON in {directory / METADATA}, got {error}; train the artifact anew."
        ) from error
    if content != metadata.get("model_id"):
        raise ArtifactError(
            f"Expected {METADATA} in {directory} to hash to its model_id {metadata.get('model_id')}, got "
            f"{content}; it was altered: copy or train the artifact anew."
        )
    sums = metadata.get("files")
    if not isinstance(sums, dict) or TABLES not in sums:
        raise ArtifactError(f"Expected the checksum of {TABLES} in {directory / METADATA}; train the artifact anew.")
    for name, expected in sums.items():
        if name != Path(name).name or name in ("", ".", ".."):
            raise ArtifactError(
                f"Expected names of files beside {directory / METADATA}, got {name!r}; train the artifact anew."
            )
        path = directory / name
        if not path.is_file():
            if name == TABLES:
                raise ArtifactError(f"Expected {path}, found no file; copy or train the artifact anew.")
            continue  # kept for audit only: an image may leave it out
        try:
            actual = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise ArtifactError(f"Expected to read {path}, got {error.strerror}; copy the artifact anew.") from error
        if actual != expected:
            raise ArtifactError(
                f"Expected {path} with SHA-256 {expected}, got {actual}; copy or train the artifact anew."
            )


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise ArtifactError(f"Expected arrays in {path}, got {error}; train the artifact anew.") from error
