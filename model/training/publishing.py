"""A trained model written as an artifact: checked against shap and scikit-learn first, the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from model.artifact import (
    ESTIMATOR,
    LAYOUT_VERSION,
    METADATA,
    PROBE_CONTRIBUTIONS,
    PROBE_MARGINS,
    PROBE_PROBABILITIES,
    PROBE_VECTORS,
    REPORT,
    TABLES,
    Artifact,
    canonical_json,
    content_id,
    load,
)
from model.errors import ArtifactError, VectorError
from model.training.archive import npz_bytes, skops_bytes
from model.training.reference import probe_vectors, verify

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from model.training.train import Trained

VERIFIED_PROBES = 256
VERIFIED_SAMPLE = 256
KEPT_PROBES = 64

VERSIONED = ("numba", "numpy", "scikit-learn", "shap", "skops", "upi-fraud-stream")


def publish(
    directory: Path,
    trained: Trained,
    *,
    feature_names: Sequence[str],
    schema_hash: str,
    sample: NDArray[np.float32],
    report: Mapping[str, Any],
    plots: Mapping[str, bytes],
) -> Artifact:
    """Write an artifact and return it as loaded; the same input gives the same bytes and the same model id.

    sample: training vectors to check beside probes made from the thresholds. Raises VerificationError, and writes
    nothing, if the tables differ from shap.TreeExplainer, decision_function or predict_proba by more than 1e-9.
    """
    scorer = trained.scorer
    if len(feature_names) != scorer.n_features:
        raise VectorError(f"Expected {scorer.n_features} feature names, got {len(feature_names)}.")
    step = max(1, len(sample) // VERIFIED_SAMPLE)
    probes = probe_vectors(scorer.tables, VERIFIED_PROBES)
    differences = verify(trained.estimator, scorer, np.concatenate([probes, sample[::step][:VERIFIED_SAMPLE]]))

    kept = probes[:KEPT_PROBES]
    scored = scorer.score(kept)
    arrays = scorer.tables.arrays() | {
        PROBE_VECTORS: kept,
        PROBE_MARGINS: scored.margin,
        PROBE_PROBABILITIES: scored.probability,
        PROBE_CONTRIBUTIONS: np.ascontiguousarray(scored.contributions),
    }
    files = {
        TABLES: npz_bytes(arrays),
        ESTIMATOR: skops_bytes(trained.estimator),
        REPORT: canonical_json(report),
        **plots,
    }
    metadata = {
        "layout_version": LAYOUT_VERSION,
        "schema_hash": schema_hash,
        "features": list(feature_names),
        "base_value": scorer.base_value,
        "thresholds": {
            "review": trained.thresholds.review,
            "hold": trained.thresholds.hold,
            "block": trained.thresholds.block,
        },
        "calibration": {
            "margin": scorer.calibration.margin.tolist(),
            "probability": scorer.calibration.probability.tolist(),
        },
        "distribution": trained.distribution.to_json(feature_names),
        "score_distribution": trained.score_distribution.to_json(),
        "risk_map": trained.risk_map.to_json(),
        "training": trained.facts,
        "verification": {"rows": differences.rows, "greatest_difference_below": 1e-9},
        "versions": _versions(),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    metadata["model_id"] = content_id(metadata)
    _write(directory, files, canonical_json(metadata))
    return load(directory, schema_hash=schema_hash)


def check_place(directory: Path) -> None:
    """Raise ArtifactError where an artifact could not be written, before the work that leads to it; leaves nothing."""
    above = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    try:
        with TemporaryDirectory(dir=above):
            pass
    except OSError as error:
        raise ArtifactError(
            f"Expected a directory that can be written to at {directory}, got: {error.strerror}. Name another place."
        ) from error


def _write(directory: Path, files: Mapping[str, bytes], metadata: bytes) -> None:
    """Write the metadata last, so that a directory written by halves does not load."""
    directory.mkdir(parents=True, exist_ok=True)
    stale = [directory / name for name in _listed(directory / METADATA) - set(files)]
    (directory / METADATA).unlink(missing_ok=True)
    for path in stale:
        path.unlink(missing_ok=True)
    for name, content in files.items():
        (directory / name).write_bytes(content)
    unfinished = directory / f"{METADATA}.unfinished"
    unfinished.write_bytes(metadata)
    unfinished.replace(directory / METADATA)


def _listed(metadata: Path) -> set[str]:
    """Return the names of the files beside an artifact's metadata; none where it is no artifact's."""
    try:
        names = set(json.loads(metadata.read_bytes())["files"])
    except (OSError, ValueError, TypeError, KeyError):
        return set()
    return {name for name in names if isinstance(name, str) and name == Path(name).name and name not in (".", "..", "")}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in VERSIONED:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # run from a source tree that is not installed
            versions[package] = "unknown"
    return versions
