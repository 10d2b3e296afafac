"""The metrics port."""

from __future__ import annotations

import json
import socket
import struct
import urllib.request

import pytest

from stream import metrics
from stream.errors import PortTakenError
from stream.health import Health
from stream.probes import ProbeServer


@pytest.fixture
def health():
    return Health(lambda: 0.0, stall_seconds=60, rebalance_seconds=60)


@pytest.fixture
def server(health):
    with ProbeServer(health, host="127.0.0.1", port=0) as server:
        yield server


def ask(server, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_healthz_and_readyz_answer_with_status_and_reasons(server, health):
    assert ask(server, "/healthz") == (200, '{"status": "ok", "reasons": [], "waiting_for": {}}\n')
    status, body = ask(server, "/readyz")
    assert (status, json.loads(body)["reasons"]) == (503, ["no partitions were assigned yet"])
    health.rebalance_ended()
    assert ask(server, "/readyz")[0] == 200


def test_metrics_have_the_names_that_dashboards_rely_on(server):
    metrics.FRAUD_PREDICTIONS.labels("BLOCK").inc(0)
    metrics.CONSUMER_LAG_RECORDS.labels("transactions", 0).set(0)
    body = ask(server, "/metrics")[1]
    for series in (
        "transactions_consumed_total ", 'fraud_predictions_total{verdict="BLOCK"}', "duplicates_total ",
        "end_to_end_latency_seconds_bucket", "micro_batch_records_bucket", "rebalances_total ",
        'consumer_lag_records{partition="0",topic="transactions"}', "feature_store_cache_hits ",
        "feature_store_cache_misses ",
    ):  # fmt: skip
        assert f"\n{series}" in body
    for name in (
        "dead_letters_total", "stage_latency_seconds", "consumer_lag_seconds", "model_drift_score",
        "optional_fields_unknown_total",
    ):  # fmt: skip
        assert f"# HELP {name} " in body


def test_another_path_is_not_found(server):
    assert ask(server, "/")[0] == 404


def test_a_taken_port_is_refused_with_the_way_out(server, health):
    with pytest.raises(PortTakenError, match=f"127.0.0.1:{server.port} cannot be opened .* UPIFRAUD_METRICS_PORT"):
        ProbeServer(health, host="127.0.0.1", port=server.port)


def test_a_client_that_hangs_up_is_no_news(server, capfd):
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closes with a reset
    assert ask(server, "/healthz")[0] == 200
    assert capfd.readouterr().err == ""
