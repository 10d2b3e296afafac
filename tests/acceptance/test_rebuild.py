"""A lost Redis is refilled, from Postgres or from Kafka: the vectors that follow are bit for bit those of no loss."""

from __future__ import annotations

import json
import random
import uuid
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest
import redis

from features.schema import FEATURE_NAMES
from features.store import layout
from local import kafka_admin

if TYPE_CHECKING:
    from pathlib import Path

    from local.kafka import Broker
    from local.valkey import ValkeyServer
    from tests.fixtures.deployment import Deployment

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

PAYMENTS = 1_600
REPORT_LOGS = tuple(layout.key(kind, b"") for kind in layout.REPORT_LETTERS)


def one_partition(deployment: Deployment, kafka: Broker) -> None:
    """Give a deployment topics of one partition: then the order of delivery is the file's, for payees too."""
    names = {what: f"{what}-{uuid.uuid4().hex[:8]}" for what in ("transactions", "outcomes")}
    letters = {f"{name}.dead-letter": 1 for name in names.values()}
    kafka_admin.make_topics(kafka.bootstrap_servers, dict.fromkeys(names.values(), 1) | letters)
    deployment.environment |= {
        "UPIFRAUD_TOPIC_TRANSACTIONS": names["transactions"],
        "UPIFRAUD_TOPIC_OUTCOMES": names["outcomes"],
    }


def split(here: Path) -> None:
    """Write the payments in two parts, before and after the loss, and the outcomes that were reported before it.

    They come in no order, neither of their times nor of ids, and some of them are corrected.
    """
    payments = pq.read_table(here / "payments.parquet")
    half = len(payments) // 2
    pq.write_table(payments[:half], here / "payments-1.parquet")
    pq.write_table(payments[half:], here / "payments-2.parquet")
    border = payments["event_time"][half].as_py()
    told = [
        {"transaction_id": one["transaction_id"], "outcome": ("FRAUD", "GENUINE")[n % 2], "reported_at": at}
        for n, one in enumerate(payments[:half:2].to_pylist())
        if (at := one["event_time"] + n % 50 * 3_600_000) < border - 1
    ]
    random.Random(4).shuffle(told)
    corrected = [{**row, "outcome": "GENUINE", "reported_at": row["reported_at"] + 1} for row in told[::3]]
    assert len(corrected) > 50
    for name, rows in (("outcomes-1", told), ("corrections-1", corrected), ("all-1", told + corrected)):
        (here / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def contents(server: ValkeyServer) -> dict[bytes, object]:
    """Return all that Redis holds but the identity key's fingerprint; source offsets as the version before had them."""
    with redis.Redis.from_url(server.url) as client:
        found: dict[bytes, object] = {}
        offsets: dict[bytes, bytes | None] = {}
        for key in client.keys("*"):
            if key == layout.OFFSETS:
                offsets |= client.hgetall(key) if client.type(key) == b"hash" else {}
            elif key.startswith(layout.OFFSETS):
                offsets[key[len(layout.OFFSETS) + 1 :]] = client.get(key)
            elif key != layout.IDENTITY_CHECK:
                found[key] = client.get(key)
        return {**found, layout.OFFSETS: offsets} if offsets else found


def test_what_follows_a_rebuild_is_what_follows_no_loss(
    deployment: Deployment, kafka: Broker, redis_server: ValkeyServer
) -> None:
    here = deployment.directory
    deployment.upifraud(
        "simulate", "--seed", "31", "--payers", "60", "--payments", str(PAYMENTS), "--fraud-rate", "0.05",
        "--hot-payee", "0.3", "--until", "now", "--out", str(here),
    )  # fmt: skip
    split(here)
    one_partition(deployment, kafka)

    worker = deployment.start_worker()
    deployment.upifraud("replay", str(here / "payments-1.parquet"))
    deployment.upifraud("replay", str(here / "payments-1.parquet"))  # all of them again: duplicates
    deployment.drain()
    for file in ("outcomes-1.jsonl", "corrections-1.jsonl"):
        deployment.upifraud("replay", str(here / file), "--topic", "outcomes")
        deployment.drain()
    assert worker.terminate() == 0
    held = contents(redis_server)
    assert any(key.startswith(REPORT_LOGS) for key in held)

    for source in ("postgres", "kafka"):
        with redis.Redis.from_url(redis_server.url) as client:
            client.flushall()
        told = deployment.upifraud("rebuild-features", "--from", source)
        assert told.startswith(f"{PAYMENTS // 2} payments, "), told
        assert contents(redis_server) == held, f"from {source}"
    deployment.refused("rebuild-features", because="so nothing was lost")

    deployment.start_worker()
    deployment.upifraud("replay", str(here / "payments-2.parquet"))
    deployment.drain()
    deployment.upifraud("export", "verdicts", "--out", str(here / "online.parquet"))
    deployment.upifraud(
        "features", "--payments", str(here / "payments.parquet"), "--outcomes", str(here / "all-1.jsonl"),
        "--out", str(here / "vectors.parquet"),
    )  # fmt: skip
    expected = pq.read_table(here / "vectors.parquet")
    online = {row["transaction_id"]: row["vector"] for row in pq.read_table(here / "online.parquet").to_pylist()}
    names = expected["transaction_id"].to_pylist()
    assert sorted(online) == sorted(names)
    found = np.array([online[name] for name in names], dtype=np.float32)
    after = slice(len(names) // 2, None)
    for column, feature in enumerate(FEATURE_NAMES):
        np.testing.assert_array_equal(found[after, column], expected[feature].to_numpy()[after], err_msg=feature)
    risk = FEATURE_NAMES.index("payee_fraud_rate_30d")
    assert (found[after, risk] > 0).any(), "no outcome was in any window: the test would not see one that was lost"
