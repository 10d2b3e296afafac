"""A history through `train`, then the stream: the verdicts are the ones that the files give, to the last bit."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.schema import FEATURE_NAMES, SCHEMA_HASH
from local import kafka_admin
from model.artifact import load

if TYPE_CHECKING:
    from tests.fixtures.deployment import Deployment

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]


GRID = 600_000
"""Milliseconds: so coarse that many payments, and outcomes of others, have one time."""


def untidy(payments: str, outcomes: str) -> None:
    """Let times coincide, payments come late, and outcomes be reported at or before their payment's own time."""
    table = pq.read_table(payments)
    times = table["event_time"].to_numpy() // GRID * GRID
    own = dict(zip(table["transaction_id"].to_pylist(), times.tolist(), strict=True))
    table = table.set_column(table.schema.get_field_index("event_time"), "event_time", pa.array(times))
    order = np.argsort(np.arange(len(times)) + 40 * (np.arange(len(times)) % 9 == 0), kind="stable")
    pq.write_table(table.take(order), payments)
    told = pq.read_table(outcomes)
    reported = [
        (own[name], own[name] - GRID, at // GRID * GRID)[number % 3]
        for number, (name, at) in enumerate(
            zip(told["transaction_id"].to_pylist(), told["reported_at"].to_pylist(), strict=True)
        )
    ]
    told = told.set_column(told.schema.get_field_index("reported_at"), "reported_at", pa.array(reported))
    pq.write_table(told, outcomes)


def test_the_stream_gives_what_the_files_give(deployment: Deployment, kafka):
    here = deployment.directory
    deployment.upifraud(
        "simulate", "--seed", "21", "--payers", "250", "--payments", "3000", "--fraud-rate", "0.03", "--out", str(here)
    )
    payments, outcomes = str(here / "payments.parquet"), str(here / "outcomes.parquet")
    untidy(payments, outcomes)
    times = pq.read_table(payments)["event_time"].to_numpy()
    middle = str(int(times[len(times) * 2 // 3]))
    deployment.upifraud(
        "train", "--payments", payments, "--outcomes", outcomes, "--until", middle, "--trees", "20",
        "--out", str(here / "model"),
    )  # fmt: skip

    # One partition: then the order of delivery is the file's, for payees and devices too.
    names = {what: f"{what}-{uuid.uuid4().hex[:8]}" for what in ("transactions", "outcomes")}
    letters = {f"{name}.dead-letter": 1 for name in names.values()}
    kafka_admin.make_topics(kafka.bootstrap_servers, dict.fromkeys(names.values(), 1) | letters)
    deployment.environment |= {
        "UPIFRAUD_TOPIC_TRANSACTIONS": names["transactions"],
        "UPIFRAUD_TOPIC_OUTCOMES": names["outcomes"],
        # A merged replay waits for commits: once at every outcome.
        "UPIFRAUD_COMMIT_INTERVAL_SECONDS": "0.05",
        "UPIFRAUD_MODEL_DIR": str(here / "model"),
    }
    deployment.start_worker()
    deployment.upifraud("replay", payments, "--outcomes", outcomes, "--max", seconds=600)
    deployment.drain()
    deployment.upifraud("export", "verdicts", "--out", str(here / "online.parquet"))

    deployment.upifraud(
        "features", "--payments", payments, "--outcomes", outcomes, "--out", str(here / "vectors.parquet")
    )
    vectors = pq.read_table(here / "vectors.parquet")
    matrix = np.column_stack([vectors[name].to_numpy() for name in FEATURE_NAMES])
    scored = load(here / "model", schema_hash=SCHEMA_HASH).scorer.score(matrix)

    online = {row["transaction_id"]: row for row in pq.read_table(here / "online.parquet").to_pylist()}
    ids = vectors["transaction_id"].to_pylist()
    assert set(online) == set(ids)
    stream = np.array([online[one]["vector"] for one in ids], dtype=np.float32)
    for column, name in enumerate(FEATURE_NAMES):
        assert np.array_equal(stream[:, column], matrix[:, column], equal_nan=True), name
    assert np.array_equal([online[one]["margin"] for one in ids], scored.margin)

    # The same file with what was computed offline in the places of what the stream stored.
    exported = pq.read_table(here / "online.parquet")
    row_of = {transaction_id: row for row, transaction_id in enumerate(ids)}
    rows = [row_of[one] for one in exported["transaction_id"].to_pylist()]
    computed = {"score": scored.probability, "margin": scored.margin}
    offline = exported
    for name, column in computed.items():
        offline = offline.set_column(offline.schema.get_field_index(name), name, pa.array(column[rows]))
    pq.write_table(offline, here / "offline.parquet")
    found = [
        json.loads(
            deployment.upifraud("evaluate", "--verdicts", str(here / file), "--outcomes", outcomes, "--since", middle)
        )
        for file in ("online.parquet", "offline.parquet")
    ]
    assert found[0] == found[1]
    assert found[0]["frauds"] > 3
