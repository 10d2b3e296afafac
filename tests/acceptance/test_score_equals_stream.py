"""`score` writes what one worker stores after a merged replay, bit for bit, whatever is wrong with the files.

UPIFRAUD_TEST_PAYMENTS sets the size; 50000 is the full run.
"""

from __future__ import annotations

import json
import os
import uuid
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from local import kafka_admin
from tests.fixtures.hostile_history import make_hostile

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from local.kafka import Broker
    from tests.fixtures.deployment import Deployment

pytestmark = [pytest.mark.servers, pytest.mark.timeout(3600)]

PAYMENTS = min(50_000, int(os.environ.get("UPIFRAUD_TEST_PAYMENTS", "3000")))
ALLOWED = ("--max-rejected-payments", "20%", "--max-rejected-outcomes", "20%")


def numbers(column: pa.ChunkedArray, width: int) -> NDArray[np.uint8]:
    """Return the bytes of a column of numbers or of lists of numbers, [n, width of a row]: NaNs count as they are."""
    flat = column.combine_chunks()
    flat = flat.flatten() if hasattr(flat, "value_lengths") else flat
    values = np.ascontiguousarray(flat.to_numpy(zero_copy_only=False)).reshape(len(column), width)
    return values.view(np.uint8).reshape(len(column), width, -1)


def must_be_equal(found: Path, expected: Path) -> pa.Table:
    one, other = pq.read_table(found), pq.read_table(expected)
    assert one.schema.equals(other.schema, check_metadata=True)
    for name in ("transaction_id", "event_time", "verdict", "feature_state", "model_id", "schema_hash"):
        assert one[name].equals(other[name]), name
    features = json.loads(one.schema.metadata[b"features"])
    for name in ("score", "margin", "base_value", "vector", "contributions"):
        width = len(features) if name in ("vector", "contributions") else 1
        others = np.argwhere((numbers(one[name], width) != numbers(other[name], width)).any(axis=2))
        differing = [(one["transaction_id"][int(row)].as_py(), features[at]) for row, at in others[:5].tolist()]
        assert not len(others), f"{len(others)} values of {name} differ, first {differing}"
    return one


def test_a_scored_history_is_what_the_stream_stores(deployment: Deployment, kafka: Broker) -> None:
    here = deployment.directory
    deployment.upifraud(
        *("simulate", "--seed", "23", "--payers", str(max(250, PAYMENTS // 25)), "--payments", str(PAYMENTS)),
        *("--fraud-rate", "0.02", "--hot-payee", "0.3", "--out", str(here)),
    )
    clean = ("--payments", str(here / "payments.parquet"), "--outcomes", str(here / "outcomes.parquet"))
    deployment.upifraud(
        "train",
        *clean,
        "--trees",
        "20",
        "--alert-budget",
        "0.1",
        "--no-baselines",
        "--out",
        str(here / "model"),
        seconds=900,
    )
    payments, outcomes = make_hostile(here / "payments.parquet", here / "outcomes.parquet")

    names = {what: f"{what}-{uuid.uuid4().hex[:8]}" for what in ("transactions", "outcomes")}
    letters = {f"{name}.dead-letter": 1 for name in names.values()}
    kafka_admin.make_topics(kafka.bootstrap_servers, dict.fromkeys(names.values(), 1) | letters)
    deployment.environment |= {
        "UPIFRAUD_TOPIC_TRANSACTIONS": names["transactions"],
        "UPIFRAUD_TOPIC_OUTCOMES": names["outcomes"],
        "UPIFRAUD_COMMIT_INTERVAL_SECONDS": "0.05",  # a merged replay waits for commits: once at every outcome
        "UPIFRAUD_MODEL_DIR": str(here / "model"),
    }
    deployment.start_worker()
    told = deployment.upifraud("replay", str(payments), "--outcomes", str(outcomes), "--max", seconds=3000)
    deployment.drain()
    deployment.upifraud("export", "verdicts", "--out", str(here / "stored.parquet"))

    files = ("--payments", str(payments), "--outcomes", str(outcomes))
    said = deployment.upifraud(
        "score", *files, *ALLOWED, "--model", str(here / "model"), "--out", str(here / "scored.parquet"), seconds=600
    )
    scored = must_be_equal(here / "scored.parquet", here / "stored.parquet")

    # It was as bad as it should be: else the test would not see what it is for.
    assert scored.num_rows == PAYMENTS
    assert f"{PAYMENTS:,} verdicts of model" in said.splitlines()[0]
    assert f"{PAYMENTS:,} became verdicts" in told
    for reason in ("conflicting-duplicate", "missing-field", "bad-vpa", "time-in-future", "bad-time", "wrong-type"):
        assert reason in told, reason
        assert reason in said, reason
    states = set(scored["feature_state"].to_pylist())
    assert {"FULL", "COLD", "LATE"} <= states
    assert set(scored["verdict"].to_pylist()) > {"ALLOW"}

    without = deployment.upifraud(
        "score", "--payments", str(payments), *ALLOWED, "--model", str(here / "model"),
        "--out", str(here / "untold.parquet"), seconds=600,
    )  # fmt: skip
    assert f"{PAYMENTS:,} verdicts of model" in without
    assert not pq.read_table(here / "untold.parquet")["vector"].equals(scored["vector"]), "no outcome counted"
