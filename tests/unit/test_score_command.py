"""`score` writes verdicts as an export does, and like `features` says what it refused; or it writes nothing."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from features.schema import FEATURE_NAMES, SCHEMA_HASH
from history.spill.plan import Plan
from model.artifact import DEFAULT_DIR, METADATA, canonical_json, content_id, load
from tests.fixtures.histories import hostile
from tests.unit.test_history_refusals import FILES, MINUTE, START, outcomes, payments, run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_every_payment_gets_the_verdict_of_its_vector(tmp_path: Path) -> None:
    """In order of time and id, while the file has them in another."""
    count = 300
    times = [START + row // 3 * MINUTE for row in range(count)][::-1]
    history = payments(tmp_path / "a.parquet", count, event_time=times)
    told = outcomes(tmp_path / "b.parquet", count, reported_at=[time + 1 for time in times])
    out = tmp_path / "out" / "verdicts.parquet"
    out.parent.mkdir()
    files = ("--payments", history, "--outcomes", told)
    result = run("score", *files, "--model", DEFAULT_DIR, "--out", out)
    assert result.exit_code == 0, result.output
    assert list(out.parent.iterdir()) == [out]
    artifact = load(DEFAULT_DIR)
    table = pq.read_table(out)
    rows = table.to_pylist()
    assert [(row["event_time"], row["transaction_id"]) for row in rows] == sorted(
        (row["event_time"], row["transaction_id"]) for row in rows
    )
    assert json.loads(table.schema.metadata[b"features"]) == list(FEATURE_NAMES)

    assert run("features", *files, "--out", tmp_path / "vectors.parquet").exit_code == 0
    measured = {row.pop("transaction_id"): row for row in pq.read_table(tmp_path / "vectors.parquet").to_pylist()}
    vectors = np.array([list(measured[row["transaction_id"]].values()) for row in rows], dtype=np.float32)
    assert vectors.tobytes() == np.array([row["vector"] for row in rows], dtype=np.float32).tobytes()
    scored = artifact.scorer.score(vectors)
    assert [row["margin"] for row in rows] == scored.margin.tolist()
    assert [row["score"] for row in rows] == scored.probability.tolist()
    assert np.array_equal([row["contributions"] for row in rows], scored.contributions)
    names = ("ALLOW", "REVIEW", "HOLD", "BLOCK")
    assert [names.index(row["verdict"]) for row in rows] == artifact.thresholds.verdicts(scored.probability).tolist()
    assert {(row["model_id"], row["schema_hash"], row["base_value"]) for row in rows} == {
        (artifact.model_id, artifact.schema_hash, artifact.base_value)
    }
    first, *account = result.stdout.splitlines()
    kinds = [sum(row["verdict"] == name for row in rows) for name in names]
    told_kinds = ", ".join(f"{kind} {name}" for kind, name in zip(kinds, names, strict=True))
    assert first == f"300 verdicts of model {artifact.model_id} in {out}: {told_kinds}"
    assert account == [f"{history}: 300 rows, 0 refused", f"{told}: 300 rows, 0 refused"]


def test_a_history_larger_than_memory_gives_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = hostile(tmp_path, 1_500, 150)
    given = ("score", "--payments", files.payments, "--outcomes", files.outcomes, "--model", DEFAULT_DIR)
    allowed = ("--max-rejected-payments", "20%", "--max-rejected-outcomes", "20%")
    in_memory, on_disk = tmp_path / "memory.parquet", tmp_path / "disk.parquet"
    result = run(*given, *allowed, "--out", in_memory)
    assert result.exit_code == 0, result.output
    monkeypatch.setattr(Plan, "fits_in_memory", property(lambda _: False))
    spill = tmp_path / "spill"
    again = run(*given, *allowed, "--spill", spill, "--out", on_disk)
    assert again.exit_code == 0, again.output
    assert on_disk.read_bytes() == in_memory.read_bytes()
    assert again.stdout.replace(on_disk.name, in_memory.name) == result.stdout
    assert list(spill.iterdir()) == []


def test_what_is_refused_is_said_and_beyond_a_limit_nothing_is_written(tmp_path: Path) -> None:
    out = tmp_path / "verdicts.parquet"
    files = ("score", "--payments", FILES / "payments-one-null-amount.parquet", "--model", DEFAULT_DIR, "--out", out)
    result = run(*files)
    assert result.exit_code == 1
    assert "--max-rejected-payments of 1 %" in result.stderr
    assert list(tmp_path.iterdir()) == []
    result = run(*files, "--max-rejected-payments", "34%")
    assert result.exit_code == 0
    assert "3 rows, 1 refused: 1 missing-field (row 2: " in result.stdout
    assert pq.read_table(out).num_rows == 2


def test_an_artifact_of_other_features_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    """As a worker refuses it."""
    other = tmp_path / "other"
    shutil.copytree(DEFAULT_DIR, other)
    metadata = json.loads((other / METADATA).read_bytes()) | {"schema_hash": "0" * 16}
    (other / METADATA).write_bytes(canonical_json(metadata | {"model_id": content_id(metadata)}))
    files = ("score", "--payments", payments(tmp_path / "a.parquet"), "--out", tmp_path / "out")
    result = run(*files, "--model", other)
    assert result.exit_code == 1
    assert f"Expected an artifact for feature schema {SCHEMA_HASH}, {other} is for {'0' * 16}" in result.stderr
    assert "train anew with `upifraud train`" in result.stderr
    assert run(*files, "--model", tmp_path / "nothing").exit_code == 2
    assert not (tmp_path / "out").exists()
