"""The metrics port."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
import urllib.request
from collections import deque
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection
from itertools import count

import pytest

from stream import metrics
from stream.errors import PortTakenError
from stream.running.health import Health
from stream.running.probes import CLIENT_SECONDS, CLIENTS, ProbeServer


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


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


@pytest.mark.slow
def test_two_hundred_clients_that_say_nothing_keep_nobody_out_and_take_no_thread(server):
    before = threading.active_count()
    with ExitStack() as idle:
        for _ in range(200):
            idle.enter_context(connect(server))
        assert ask(server, "/healthz")[0] == 200
        assert threading.active_count() == before


@pytest.mark.slow
def test_a_client_that_sends_a_byte_now_and_then_is_cut_off_all_the_same(server):
    """A time limit for each read never ends for one that always sends another byte."""
    with connect(server) as slow:
        slow.settimeout(0.2)
        deadline = time.monotonic() + 6 * CLIENT_SECONDS
        for byte in b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 10_000:
            try:
                slow.sendall(bytes([byte]))
                if slow.recv(1) == b"":
                    break
            except TimeoutError:
                assert time.monotonic() < deadline, "it may go on for ever"
            except ConnectionError:
                break
        else:
            pytest.fail("it was never cut off")
        assert ask(server, "/healthz")[0] == 200


@pytest.mark.slow
def test_slow_clients_beyond_the_limit_cost_the_oldest_of_them_and_not_the_kubelet(server):
    with ExitStack() as slow:
        clients = [slow.enter_context(connect(server)) for _ in range(2 * CLIENTS)]
        for client in clients[CLIENTS:]:
            client.sendall(b"GET /healthz HT")
        assert [ask(server, "/healthz")[0] for _ in range(20)] == [200] * 20
        assert clients[0].recv(1) == b""
        clients[-1].sendall(b"TP/1.1\r\n\r\n")
        assert clients[-1].recv(100).startswith(b"HTTP/1.1 200 OK\r\n"), "who is new and slow may finish"


def raw(server, request):
    with connect(server) as client:
        client.sendall(request)
        answer = b""
        while part := client.recv(65536):
            answer += part
        return answer


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/"])
def test_an_answer_does_not_say_what_it_was_made_with(server, path):
    head = raw(server, b"GET %s HTTP/1.1\r\n\r\n" % path.encode()).partition(b"\r\n\r\n")[0].lower()
    assert b"python" not in head
    assert b"server:" not in head


def test_the_head_alone_can_be_asked_for(server):
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("HEAD", "/healthz")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0
    connection.close()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"POST /healthz HTTP/1.1", b"405 Method Not Allowed"),
        (b"GET /healthz", b"400 Bad Request"),
        (b"hello", b"400 Bad Request"),
        (b"\x16\x03\x01", b"400 Bad Request"),
        (b"GET /healthz?verbose HTTP/1.0", b"200 OK"),
    ],
)
def test_a_request_that_is_none_is_told_so(server, request_line, status):
    assert raw(server, request_line + b"\r\n\r\n").startswith(b"HTTP/1.1 " + status + b"\r\n")


def test_a_request_without_end_is_cut_off(server):
    with connect(server) as client:
        send_for_ever = partial(deque, (client.sendall(b"x" * 4096) for _ in count()), maxlen=0)
        with pytest.raises(ConnectionError):
            send_for_ever()
