"""`upifraud export verdicts` and `upifraud explain` on a real verdict store and real artifacts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from model.training.publishing import publish
from model.training.train import TrainingSettings, train
from stream.verdict_store import Model, VerdictRows, VerdictStore, migrate
from tests.fixtures.verdict_rows import plain_rows
from upifraud.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from model.artifact import Artifact

pytestmark = pytest.mark.servers

NOON = 1_764_000_000_000
FEATURES = ("payer_count_5m", "payer_sum_24h", "amount_paise")
COLUMNS = [
    *("transaction_id", "event_time", "score", "margin", "base_value", "verdict", "feature_state"),
    *("model_id", "schema_hash", "vector", "contributions"),
]


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Artifact]]:
    """Artifacts of three models: two over the same features, one over others."""
    draw = np.random.default_rng(3)
    drawn = draw.normal(size=(2000, 4)).astype(np.float32)
    drawn[draw.random(drawn.shape) < 0.1] = np.nan
    fraud = np.nan_to_num(drawn[:, 0]) + draw.normal(size=2000) > 1.5
    made = {}
    for name, features in (("one", FEATURES), ("two", FEATURES), ("other", ("payer_mean_7d", *FEATURES[::-1]))):
        vectors = drawn[:, : len(features)]
        settings = TrainingSettings(
            trees=4, leaves=5, min_payments_per_leaf=5, seed=len(made), learning_rate=0.1 + len(made)
        )
        trained = train(vectors, fraud, NOON + np.arange(2000), settings)
        directory = tmp_path_factory.mktemp("kept") / name
        made[name] = (
            directory,
            publish(
                directory,
                trained,
                feature_names=features,
                schema_hash="0dd" if name == "other" else "5eed",
                sample=vectors,
                report={},
                plots={},
            ),
        )
    return made


@pytest.fixture
def store(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[VerdictStore]:
    migrate(postgres_url)
    monkeypatch.setenv("UPIFRAUD_POSTGRES_URL", postgres_url)
    monkeypatch.delenv("UPIFRAUD_MODEL_DIR", raising=False)
    opened = VerdictStore(postgres_url)
    yield opened
    opened.close()


def judge(
    store: VerdictStore, artifact: Artifact, names: list[str], event_time: int, *, off: float = 0.0
) -> VerdictRows:
    """Store verdicts as a worker with this artifact would."""
    n = len(names)
    key = store.model_key(Model(artifact.model_id, artifact.schema_hash, artifact.base_value, artifact.feature_names))
    vectors = np.random.default_rng(n).normal(size=(n, len(artifact.feature_names))).astype(np.float32)
    vectors[0, 1] = np.nan
    scored = artifact.scorer.score(vectors)
    rows = plain_rows(
        names,
        key,
        event_time + np.arange(n),
        amount_paise=np.full(n, 100),
        verdict=artifact.thresholds.verdicts(scored.probability),
        score=scored.probability,
        margin=scored.margin + off,
        feature_state=np.arange(n) % 4,
        vectors=vectors,
    )
    store.insert(rows)
    return rows


def export(out: Path, *options: str | Path) -> Result:
    return CliRunner().invoke(main, ["export", "verdicts", "--out", str(out), *map(str, options)])


def test_every_verdict_is_exported_with_contributions_that_add_up(
    store: VerdictStore, artifacts: dict[str, tuple[Path, Artifact]], tmp_path: Path
) -> None:
    first, second = (artifacts[name][1] for name in ("one", "two"))
    names = [f"t{number:03d}" for number in range(600)]
    rows = judge(store, first, names[:400], NOON)
    judge(store, second, names[400:], NOON + 1000)
    out = tmp_path / "verdicts.parquet"
    result = export(out, "--model-dir", artifacts["one"][0], "--model-dir", artifacts["two"][0].parent)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"600 verdicts in {out}\n"

    table = pq.read_table(out)
    assert table.column_names == COLUMNS
    assert json.loads(table.schema.metadata[b"features"]) == list(FEATURES)
    columns = table.to_pydict()
    assert columns["transaction_id"] == names
    assert [int(moment.timestamp() * 1000) for moment in columns["event_time"][:3]] == [NOON, NOON + 1, NOON + 2]
    vectors = np.array(columns["vector"][:400], dtype=np.float32)
    assert vectors.tobytes() == rows.vectors.tobytes()
    sums = np.array(columns["contributions"]).sum(axis=1) + np.array(columns["base_value"])
    np.testing.assert_allclose(sums, columns["margin"], atol=1e-12)
    assert columns["score"][:400] == rows.score.tolist()
    assert columns["feature_state"][:5] == ["FULL", "COLD", "LATE", "DEGRADED", "FULL"]
    assert [
        ("ALLOW", "REVIEW", "HOLD", "BLOCK").index(one) for one in columns["verdict"][:400]
    ] == rows.verdict.tolist()
    assert set(columns["model_id"][400:]) == {second.model_id}
    assert not np.array_equal(columns["contributions"][0], columns["contributions"][400])
    assert list(tmp_path.iterdir()) == [out]


def test_a_range_takes_since_and_leaves_until(
    store: VerdictStore, artifacts: dict[str, tuple[Path, Artifact]], tmp_path: Path
) -> None:
    directory, artifact = artifacts["one"]
    judge(store, artifact, ["a", "b", "c", "d"], NOON)
    out = tmp_path / "verdicts.parquet"
    assert export(out, "--model-dir", directory, "--since", NOON + 1, "--until", NOON + 3).exit_code == 0
    assert pq.read_table(out)["transaction_id"].to_pylist() == ["b", "c"]
    assert export(out, "--since", NOON + 100).exit_code == 0
    empty = pq.read_table(out)
    assert (empty.num_rows, empty.column_names) == (0, COLUMNS)
    assert json.loads(empty.schema.metadata[b"features"])


def test_a_model_whose_artifact_is_gone_is_named(
    store: VerdictStore, artifacts: dict[str, tuple[Path, Artifact]], tmp_path: Path
) -> None:
    judge(store, artifacts["one"][1], ["a"], NOON)
    out = tmp_path / "verdicts.parquet"
    out.write_text("an earlier export")
    result = export(out, "--model-dir", artifacts["two"][0])
    assert result.exit_code == 1
    assert artifacts["one"][1].model_id in result.stderr
    assert "--model-dir" in result.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == ["an earlier export"]


def test_a_row_that_its_model_cannot_have_given_is_named(
    store: VerdictStore, artifacts: dict[str, tuple[Path, Artifact]], tmp_path: Path
) -> None:
    directory, artifact = artifacts["one"]
    judge(store, artifact, ["forged"], NOON, off=1e-6)
    result = export(tmp_path / "verdicts.parquet", "--model-dir", directory)
    assert result.exit_code == 1
    assert "forged" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_each_row_is_over_its_own_models_features(
    store: VerdictStore, artifacts: dict[str, tuple[Path, Artifact]], tmp_path: Path
) -> None:
    """One model after the other, and beside each other while workers are rolled; and in several parts of a file."""
    early = [f"e{number:05d}" for number in range(18_100)]  # more than are written at once
    judged = {"one": judge(store, artifacts["one"][1], early, NOON)}
    judged["other"] = judge(store, artifacts["other"][1], [f"o{number}" for number in range(600)], NOON + 18_000)
    judged["two"] = judge(store, artifacts["two"][1], [f"t{number}" for number in range(50)], NOON + 18_100)
    kept = [part for name in judged for part in ("--model-dir", artifacts[name][0])]
    out = tmp_path / "verdicts.parquet"
    assert export(out, *kept).exit_code == 0
    assert list(tmp_path.iterdir()) == [out]

    table = pq.read_table(out)
    assert b"features" not in table.schema.metadata
    sets = json.loads(table.schema.metadata[b"feature_sets"])
    assert sets == {artifacts[name][1].schema_hash: list(artifacts[name][1].feature_names) for name in ("one", "other")}
    rows = {row["transaction_id"]: row for row in table.to_pylist()}
    assert list(rows) == sorted(rows, key=lambda name: (rows[name]["event_time"], name))
    for name, stored in judged.items():
        model = artifacts[name][1]
        for at, transaction_id in enumerate(stored.transaction_id):
            row = rows.pop(transaction_id.decode())
            assert (row["model_id"], row["schema_hash"]) == (model.model_id, model.schema_hash)
            assert np.array(row["vector"], dtype=np.float32).tobytes() == stored.vectors[at].tobytes()
            assert len(row["contributions"]) == len(model.feature_names)
            assert abs(sum(row["contributions"]) + row["base_value"] - row["margin"]) < 1e-9
    assert not rows


def test_a_file_over_several_sets_is_evaluated_with_each_rows_own_amount(
    store: VerdictStore, artifacts: dict[str, tuple[Path, Artifact]], tmp_path: Path
) -> None:
    for name in ("one", "other"):
        judge(store, artifacts[name][1], [f"{name}-{number}" for number in range(60)], NOON)
    out = tmp_path / "verdicts.parquet"
    kept = [part for name in ("one", "other") for part in ("--model-dir", artifacts[name][0])]
    assert export(out, *kept).exit_code == 0
    whole = pq.read_table(out)
    frauds = [name for name in whole["transaction_id"].to_pylist() if name.endswith("7")]
    outcomes = tmp_path / "outcomes.jsonl"
    outcomes.write_text(
        "".join(f'{{"transaction_id": "{name}", "outcome": "FRAUD", "reported_at": {NOON}}}\n' for name in frauds)
    )
    result = CliRunner().invoke(main, ["evaluate", "--verdicts", str(out), "--outcomes", str(outcomes)])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert (figures["payments"], figures["frauds"]) == (120, 12)
    sets = json.loads(whole.schema.metadata[b"feature_sets"])
    amounts = {
        row["transaction_id"]: row["vector"][sets[row["schema_hash"]].index("amount_paise")]
        for row in whole.to_pylist()
    }
    assert figures["fraud_amount_paise"] == pytest.approx(sum(amounts[name] for name in frauds))


def test_a_store_that_does_not_answer_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UPIFRAUD_POSTGRES_URL", "postgresql://asha:secret@127.0.0.1:1/nothing")
    result = export(tmp_path / "verdicts.parquet")
    assert result.exit_code == 1
    assert "Postgres" in result.stderr
    assert "secret" not in result.stderr
    assert list(tmp_path.iterdir()) == []


# Explain ----------------------------------------------------------------------------------------------------------


def explain(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


def test_a_verdict_is_explained_by_the_model_that_gave_it(
    store: VerdictStore, artifacts: dict[str, tuple[Path, Artifact]]
) -> None:
    directory, artifact = artifacts["two"]
    rows = judge(store, artifact, ["a", "b"], NOON)
    result = explain("b", "--json", "--model-dir", artifacts["one"][0], "--model-dir", directory)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["transaction_id"], told["model_id"], told["feature_state"]) == ("b", artifact.model_id, "COLD")
    assert told["event_time"] == "2025-11-24T16:00:00.001Z"
    assert told["score"] == rows.score[1]
    assert artifact.risk_map is not None
    assert (told["policy_id"], told["risk_score"]) == (None, artifact.risk_map.of(told["score"]))
    assert (told["decision"]["verdict"], told["decision"]["model"]["verdict"]) == (told["verdict"], told["verdict"])
    assert told["hold_until"] is None
    reasons = told["reasons"]
    assert sorted(reason["feature"] for reason in reasons) == sorted(FEATURES)
    shares = [reason["contribution"] for reason in reasons]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) + told["base_value"] == pytest.approx(told["margin"], abs=1e-9)
    values = {reason["feature"]: reason["value"] for reason in reasons}
    assert values == dict(zip(FEATURES, rows.vectors[1].tolist(), strict=True))


def test_a_person_reads_the_verdict_with_bars(store: VerdictStore, artifacts: dict[str, tuple[Path, Artifact]]) -> None:
    directory, artifact = artifacts["one"]
    judge(store, artifact, ["a"], NOON)
    result = explain("a", "--model-dir", directory)
    assert result.exit_code == 0, result.output
    for part in ("of 100", "Rs 1.00", "asha@okaxis -> shop@ybl", "no alert", "base value", "█"):
        assert part in result.stdout


def test_a_payment_without_a_verdict_is_an_error(store: VerdictStore) -> None:
    result = explain("nobody")
    assert result.exit_code == 1
    assert "no verdict for 'nobody'" in result.stderr


def test_a_verdict_without_its_model_is_an_error(
    store: VerdictStore, artifacts: dict[str, tuple[Path, Artifact]]
) -> None:
    artifact = artifacts["one"][1]
    judge(store, artifact, ["a"], NOON)
    result = explain("a")
    assert result.exit_code == 1
    assert artifact.model_id in result.stderr
