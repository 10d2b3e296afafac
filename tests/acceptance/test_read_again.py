"""A group that starts from far back, when ids are forgotten: verdicts come back, and nothing is counted twice.

records 0 ------ 3,000 | probe     the claims age; the group goes to the beginning; some verdicts are gone
        <--------------            all are read again: located, or LATE; windows are what they were
"""

from __future__ import annotations

import json
import struct
import time
from typing import TYPE_CHECKING

import pytest
import redis
from confluent_kafka import Producer

from features.columns import FeatureState
from features.entities import PAYER
from features.schema import FEATURE_NAMES
from features.store import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fixtures.deployment import Deployment

pytestmark = [pytest.mark.servers, pytest.mark.apache, pytest.mark.timeout(600)]

COUNT = 3_000


def publish(deployment: Deployment, payments: Sequence[dict[str, object]]) -> None:
    producer = Producer({"bootstrap.servers": deployment.environment["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"]})
    for payment in payments:
        producer.produce("transactions", json.dumps(payment), str(payment["payer_vpa"]))
    assert producer.flush(30) == 0


def payment(name: str, event_time: int, payee: str = "shop@bank") -> dict[str, object]:
    return {
        "transaction_id": name, "event_time": event_time, "payer_vpa": "busy@bank", "payee_vpa": payee,
        "amount_paise": 10_000, "device_id": "phone",
    }  # fmt: skip


def vector(deployment: Deployment, name: str) -> dict[str, float]:
    stored = deployment.query("SELECT unpack_float32(vector) FROM verdicts_by_day WHERE transaction_id = %s", name)
    return dict(zip(FEATURE_NAMES, stored[0][0], strict=True))


def logs(deployment: Deployment) -> dict[bytes, bytes]:
    with redis.Redis.from_url(deployment.environment["UPIFRAUD_REDIS_URL"]) as client:
        return {key: client.get(key) for key in client.keys("*") if client.type(key) == b"string"}


def rows(deployment: Deployment) -> dict[str, tuple]:
    return {row[0]: row[1:] for row in deployment.query("SELECT transaction_id, v.* FROM verdicts_by_day AS v")}


def appended(log: bytes) -> int:
    """Return how many records were ever appended to a log; the worker may have folded it since."""
    if len(log) % 32 == 0:
        return len(log) // 32
    _magic, header, folded = struct.unpack("<IIQ", log[:16])
    return int(folded) + (len(log) - header) // 32


def forget_claims(deployment: Deployment) -> None:
    """Let five days pass for the claims."""
    deployment.query("UPDATE payment_ids SET claimed_on = claimed_on - 5 RETURNING 1")
    deployment.upifraud("housekeeping")
    assert deployment.query("SELECT count(*) FROM payment_ids") == [(0,)]


def test_what_is_read_again_without_claims_is_not_counted_again(deployment: Deployment) -> None:
    start = int(time.time() * 1000) - COUNT * 2_000 - 60_000
    payments = [payment(f"p{n}", start + n * 2_000, f"shop{n % 40}@bank") for n in range(COUNT)]
    worker = deployment.start_worker()
    publish(deployment, payments)
    publish(deployment, [payment("probe-1", start + COUNT * 2_000)])
    deployment.drain()
    assert worker.terminate() == 0
    assert vector(deployment, "probe-1")["payer_count_24h"] == COUNT + 1
    held, judged = logs(deployment), rows(deployment)
    assert any(len(log) % 32 for log in held.values()), "no log was folded: the test would not see what it is about"

    forget_claims(deployment)
    lost = [f"p{n}" for n in (0, 1_000, COUNT - 2)]
    deployment.query("DELETE FROM verdicts_by_day WHERE transaction_id = ANY(%s) RETURNING 1", lost)
    told = deployment.upifraud("rewind", "--to", "2020-01-01T00:00:00Z")
    assert f"{COUNT + 1} records will be read again" in told
    again = deployment.start_worker()
    publish(deployment, [payment("probe-2", start + COUNT * 2_000 + 2_000)])
    deployment.drain()

    found = vector(deployment, "probe-2")
    assert found["payer_count_24h"] == COUNT + 2
    assert found["payer_sum_24h"] == (COUNT + 2) * 10_000
    assert again.metric("duplicates_total") == 0
    after = rows(deployment)
    assert after.keys() == judged.keys() | {"probe-2"}
    kept = judged.keys() - set(lost)
    assert {name: after[name] for name in kept} == {name: judged[name] for name in kept}, "a row that stood was changed"
    states = dict(
        deployment.query(
            "SELECT transaction_id, feature_state FROM verdicts_by_day WHERE transaction_id = ANY(%s)", lost
        )
    )
    assert states["p0"] == FeatureState.LATE
    assert states[f"p{COUNT - 2}"] == FeatureState.FULL, "it is in all logs still, so it is measured at its positions"
    now = logs(deployment)
    payers = [key for key in held if key.startswith(layout.prefix(PAYER.letter))]
    assert len(payers) == 1
    assert appended(now[payers[0]]) == appended(held[payers[0]]) + 1, "more than the probe was appended"
    alerts = [record.value for record in deployment.records("alerts")]
    by_id: dict[str, set[bytes]] = {}
    for alert in alerts:
        by_id.setdefault(json.loads(alert)["transaction_id"], set()).add(alert)
    assert all(len(copies) == 1 for name, copies in by_id.items() if name in kept), (
        "an alert came again with other bytes"
    )
