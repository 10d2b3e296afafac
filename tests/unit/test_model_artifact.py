"""The artifact directory: what is written loads and scores the same; what was altered does not load."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from model.artifact import ESTIMATOR, METADATA, REPORT, TABLES, Artifact, canonical_json, content_id, load
from model.errors import ArtifactError, ModelError, SchemaMismatchError, VectorError, VerificationError
from model.training.publishing import check_place, publish
from model.training.train import Trained, TrainingSettings, train

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

NAMES = ("amount_paise", "payer_count_5m", "payer_seconds_since_last", "is_night", "payee_fraud_rate_30d")
SCHEMA = "0123456789abcdef"
SETTINGS = TrainingSettings(trees=12, leaves=8, depth=4, min_payments_per_leaf=5)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of OpenMP wait for each other by spinning, which is slow beside other work."""
    import sklearn.ensemble  # noqa: F401 (only what is loaded can be limited)

    with threadpool_limits(limits=1):
        yield


def history(n: int = 2500, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    vectors = np.empty((n, len(NAMES)), dtype=np.float32)
    vectors[:, 0] = np.round(124_300 * np.exp(random.normal(0, 1.2, n)))
    vectors[:, 1] = 1 + random.poisson(0.4, n)
    vectors[:, 2] = np.where(random.random(n) < 0.2, np.nan, random.exponential(40_000, n))
    vectors[:, 3] = random.random(n) < 0.15
    vectors[:, 4] = np.where(random.random(n) < 0.02, random.random(n), 0)
    log_odds = 1.2 * np.log(vectors[:, 0] / 124_300) + 1.5 * vectors[:, 1] + 4 * (vectors[:, 4] > 0) - 6.5
    return vectors, random.random(n) < 1 / (1 + np.exp(-log_odds)), np.arange(n) * 60_000


def trained() -> Trained:
    return train(*history(), SETTINGS)


def write(directory: Path, model: Trained, **changes: Any) -> Artifact:
    given: dict[str, Any] = {
        "feature_names": NAMES,
        "schema_hash": SCHEMA,
        "sample": history()[0],
        "report": {"held_out": {"roc_auc": 0.9}},
        "plots": {"calibration.png": b"a picture"},
    }
    return publish(directory, model, **given | changes)


@pytest.fixture(scope="module")
def model() -> Trained:
    return trained()


@pytest.fixture(scope="module")
def published(model: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("artifact") / "july"
    write(directory, model)
    return directory


@pytest.fixture
def copy(published: Path, tmp_path: Path) -> Path:
    return shutil.copytree(published, tmp_path / "copy")


def rewrite(directory: Path, **changes: Any) -> None:
    """Change metadata as somebody would who also mends the model id."""
    metadata = json.loads((directory / METADATA).read_bytes()) | changes
    metadata["model_id"] = content_id(metadata)
    (directory / METADATA).write_bytes(canonical_json(metadata))


def test_what_was_written_scores_as_what_was_trained(model: Trained, published: Path) -> None:
    artifact = load(published, schema_hash=SCHEMA)
    vectors = history(seed=1)[0]
    before, after = model.scorer.score(vectors), artifact.scorer.score(vectors)
    assert after.margin.tobytes() == before.margin.tobytes()
    assert after.probability.tobytes() == before.probability.tobytes()
    assert after.contributions.tobytes() == before.contributions.tobytes()
    assert artifact.feature_names == NAMES
    assert artifact.thresholds == model.thresholds
    assert artifact.distribution == model.distribution
    assert artifact.base_value == model.scorer.base_value


def test_the_same_input_gives_the_same_bytes_and_id(published: Path, tmp_path: Path) -> None:
    again = write(tmp_path / "again", trained())
    files = sorted(path.name for path in published.iterdir())
    assert files == ["artifact.json", "calibration.png", "model.skops", "report.json", "tables.npz"]
    for name in files:
        assert (tmp_path / "again" / name).read_bytes() == (published / name).read_bytes(), name
    assert again.model_id == load(published).model_id


def test_an_artifact_in_the_place_of_another_leaves_none_of_its_files(model: Trained, tmp_path: Path) -> None:
    """Of the files that are nobody's, all are kept: the directory may be one that holds more."""
    write(tmp_path, model, plots={"calibration.png": b"a picture", "of_another_release.png": b"another"})
    (tmp_path / "notes.txt").write_text("mine")
    write(tmp_path, model)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"artifact.json", "calibration.png", "model.skops", "notes.txt", "report.json", "tables.npz"}


def test_other_content_gives_another_id(model: Trained, published: Path, tmp_path: Path) -> None:
    assert write(tmp_path / "a", model, report={"other": 1}).model_id != load(published).model_id
    assert write(tmp_path / "b", model, schema_hash="fedcba9876543210").model_id != load(published).model_id


def test_the_estimator_is_bare_and_takes_vectors(model: Trained, published: Path) -> None:
    import skops.io

    untrusted = skops.io.get_untrusted_types(file=published / ESTIMATOR)
    assert untrusted == ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
    estimator = skops.io.load(published / ESTIMATOR, trusted=untrusted)
    assert type(estimator).__name__ == "HistGradientBoostingClassifier"
    vectors = history(seed=2)[0]
    assert np.array_equal(estimator.decision_function(vectors), model.estimator.decision_function(vectors))


def test_another_schema_is_refused_by_name(published: Path) -> None:
    with pytest.raises(SchemaMismatchError, match=f"fedcba9876543210.*{SCHEMA}.*train anew"):
        load(published, schema_hash="fedcba9876543210")


@pytest.mark.parametrize("name", [TABLES, ESTIMATOR, REPORT, "calibration.png"])
def test_a_file_with_one_bit_turned_is_refused(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"{name} with SHA-256"):
        load(copy)


def test_altered_metadata_is_refused(copy: Path) -> None:
    text = (copy / METADATA).read_text()
    metadata = json.loads(text)
    metadata["thresholds"]["review"] /= 2
    (copy / METADATA).write_text(json.dumps(metadata))
    with pytest.raises(ArtifactError, match="altered"):
        load(copy)


def test_metadata_in_other_whitespace_is_the_same(copy: Path) -> None:
    metadata = json.loads((copy / METADATA).read_bytes())
    (copy / METADATA).write_text(json.dumps(metadata))
    assert load(copy).model_id == metadata["model_id"]


def test_what_only_an_audit_needs_may_be_left_out(copy: Path, published: Path) -> None:
    for name in (ESTIMATOR, REPORT, "calibration.png"):
        (copy / name).unlink()
    assert load(copy, schema_hash=SCHEMA).model_id == load(published).model_id


@pytest.mark.parametrize("name", [TABLES, METADATA])
def test_what_a_worker_needs_may_not(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ArtifactError, match="found no"):
        load(copy)


@pytest.mark.parametrize("text", ["", "[]", "null", "{"])
def test_metadata_that_is_no_object_is_refused(copy: Path, text: str) -> None:
    (copy / METADATA).write_text(text)
    with pytest.raises(ArtifactError, match="Expected"):
        load(copy)


@pytest.mark.parametrize(
    "text",
    ['{"layout_version": 1, "base_value": NaN}', '{"layout_version": 1, "base_value": 1e400}', "[" * 100_000],
)
def test_numbers_and_nesting_that_json_does_not_have_are_refused(copy: Path, text: str) -> None:
    (copy / METADATA).write_text(text)
    with pytest.raises(ArtifactError, match="Expected JSON"):
        load(copy)


@pytest.mark.parametrize("name", ["../stranger", "/etc/hostname", "..", "sub/file"])
def test_names_that_lead_out_of_the_directory_are_refused(copy: Path, name: str) -> None:
    (copy.parent / "stranger").write_text("not of the artifact")
    metadata = json.loads((copy / METADATA).read_bytes())
    metadata["files"][name] = "0" * 64
    metadata["model_id"] = content_id(metadata)
    (copy / METADATA).write_bytes(canonical_json(metadata))
    with pytest.raises(ArtifactError, match="Expected names of files beside"):
        load(copy)


@pytest.mark.parametrize("value", [None, "x", -1, [], {}, [[1], [1, 2]], {"a": {}}, "1" * 100, 10**400, True])
def test_fields_of_any_other_kind_are_refused_or_harmless(copy: Path, value: Any) -> None:
    whole = json.loads((copy / METADATA).read_bytes())
    for name in whole:
        inside = whole[name] if isinstance(whole[name], dict) else {}
        for metadata in (whole | {name: value}, *(whole | {name: inside | {key: value}} for key in inside)):
            (copy / METADATA).write_bytes(canonical_json(metadata | {"model_id": content_id(metadata)}))
            try:
                load(copy)
            except ModelError:
                continue


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    check_place(tmp_path / "new" / "deeper")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    for place in (Path("/proc/model"), tmp_path / "file" / "model"):
        with pytest.raises(ArtifactError, match="can be written to"):
            check_place(place)


def test_another_layout_is_refused(copy: Path) -> None:
    rewrite(copy, layout_version=2)
    with pytest.raises(ArtifactError, match="layout version 1"):
        load(copy)


@pytest.mark.parametrize(
    "changes",
    [
        {"features": ["amount_paise"]},
        {"base_value": 0.0},
        {"thresholds": {"review": 0.9, "hold": 0.5, "block": 0.1}},
        {"calibration": {"margin": [0, 1], "probability": [1, 0]}},
        {"calibration": {}},
        {"distribution": {}},
        {"thresholds": {}},
        {"files": {}},
        {"files": None},
        {"schema_hash": None},
    ],
)
def test_metadata_that_contradicts_itself_is_refused(copy: Path, changes: dict[str, Any]) -> None:
    rewrite(copy, **changes)
    with pytest.raises(ArtifactError):
        load(copy, schema_hash=SCHEMA)


def test_arrays_that_would_be_read_out_of_bounds_are_refused(copy: Path, model: Trained) -> None:
    """The kernels do not check; the tables do, once."""
    from model.compiled.tables import Tables

    arrays = model.scorer.tables.arrays()
    for name in ("entry_values", "entry_group", "condition_row", "slot_feature"):
        broken = arrays[name].copy()
        broken[-1] = 30_000
        with pytest.raises(ArtifactError, match="contradict"):
            Tables.from_arrays(arrays | {name: broken})
    with pytest.raises(ArtifactError, match="thresholds"):
        Tables.from_arrays(arrays | {"thresholds": arrays["thresholds"].astype(np.float64)})
    with pytest.raises(ArtifactError, match="values"):
        Tables.from_arrays({name: array for name, array in arrays.items() if name != "values"})


def test_a_machine_that_scores_otherwise_is_refused(published: Path) -> None:
    """As if another processor rounded the last bit of one probe otherwise."""
    artifact = load(published)
    probes = dict(artifact.probes)
    probes["probe_margins"] = probes["probe_margins"].copy()
    probes["probe_margins"][-1] = np.nextafter(probes["probe_margins"][-1], 9)
    altered = Artifact(
        **{name: getattr(artifact, name) for name in Artifact.__dataclass_fields__ if name != "probes"}, probes=probes
    )
    with pytest.raises(ArtifactError, match="on this machine"):
        _ = altered.scorer


def test_tables_that_differ_from_the_estimator_are_not_written(tmp_path: Path) -> None:
    model = trained()
    (predictor,) = model.estimator._predictors[0]
    predictor.nodes["value"][-1] += 1e-6
    with pytest.raises(VerificationError, match="1e-09"):
        write(tmp_path / "never", model)
    assert not (tmp_path / "never").exists()


def test_another_number_of_names_is_refused(model: Trained, tmp_path: Path) -> None:
    with pytest.raises(VectorError, match="5 feature names"):
        write(tmp_path / "never", model, feature_names=NAMES[:4])


@pytest.mark.parametrize("vectors", [np.zeros((2, 5)), np.zeros((2, 4), np.float32), np.zeros(5, np.float32)])
def test_vectors_of_another_shape_or_type_are_refused(model: Trained, vectors: NDArray[Any]) -> None:
    with pytest.raises(VectorError, match=r"float32 \[n, 5\]"):
        model.scorer.score(vectors)


def test_all_errors_have_one_base() -> None:
    assert issubclass(SchemaMismatchError, ArtifactError)
    assert all(issubclass(error, ModelError) for error in (ArtifactError, VerificationError, VectorError))


@pytest.mark.slow
def test_a_worker_loads_without_training_libraries_or_pickle(published: Path) -> None:
    """A fresh process: what is imported on the way is what a worker pays for and trusts."""
    script = (
        "import sys, pickle\n"
        "def refuse(*_, **__): raise AssertionError('unpickled')\n"
        "pickle.load = pickle.loads = refuse\n"
        "from model.artifact import load\n"
        "artifact = load(sys.argv[1]); artifact.tables; artifact.distribution\n"
        "from model.reasons import Explainer; Explainer(artifact)\n"
        "print([name for name in ('sklearn', 'shap', 'skops', 'matplotlib', 'pandas') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script, published], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
