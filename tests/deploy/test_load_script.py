"""The k6 scripts: run by node with k6's modules noted instead of done, and by k6 itself where it is installed."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry, generate_latest

from features.identity import Identities
from stream.batch_histogram import BatchHistogram
from stream.decode import decode_payments
from stream.schemas.documents import documents
from tests.fixtures.tools import GOT, ROOT, tool
from upifraud.demo.reading import read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.deployment import Deployment

LOAD = ROOT / "deploy" / "load"
UNDER_NODE = ROOT / "tests" / "fixtures" / "k6"
BATCH, CALLS = 40, 6


def pages(latencies: list[float], lag: int) -> list[str]:
    """Return a worker's page before and after it had these latencies."""
    registry = CollectorRegistry()
    histogram = BatchHistogram("end_to_end_latency_seconds", "", (0.01, 0.02, 0.05, 0.1, 0.5), registry=registry)
    histogram.observe_all(np.array([0.3, 0.4]))
    before = generate_latest(registry).decode() + "transactions_consumed_total 2.0\n"
    histogram.observe_all(np.array(latencies))
    after = generate_latest(registry).decode() + (
        f"transactions_consumed_total {2 + len(latencies)}.0\n"
        f'consumer_lag_records{{topic="transactions",partition="0"}} {lag}.0\n'
        'consumer_lag_records{topic="transactions",partition="1"} 1.0\n'
        'consumer_lag_records{topic="outcomes",partition="0"} 7.0\n'
        'consumer_lag_seconds{topic="transactions"} 1.5\n'
    )
    return [before, after, after.replace(f'"0"}} {lag}.0', '"0"} 0.0').replace('"1"} 1.0', '"1"} 0.0')]


def under_node(script: str, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [tool("node"), "--import", UNDER_NODE / "hooks.mjs", UNDER_NODE / "run.mjs", LOAD / script],
        env={**os.environ, "BATCH": str(BATCH), "RATE": "200", "SECONDS": "10", **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_payments(records: list[tuple[str, str]]) -> None:
    """Hold that records (key, value) are payments that the program takes, each with an id of its own."""
    assert len(records) == BATCH * CALLS
    validator = jsonschema.Draft202012Validator(json.loads(documents()["payment.schema.json"]))
    payments = [json.loads(value) for _, value in records]
    for payment in payments:
        validator.validate(payment)
    assert [key for key, _ in records] == [payment["payer_vpa"] for payment in payments]
    assert len({payment["transaction_id"] for payment in payments}) == len(payments)
    assert all(payment["payer_vpa"] != payment["payee_vpa"] for payment in payments)
    decoded = decode_payments([value.encode() for _, value in records], int(time.time() * 1000), Identities(bytes(16)))
    assert not decoded.rejections
    assert not any(decoded.unusable_optional.values()), "an optional field is not understood"


@pytest.mark.parametrize("script", sorted(path.name for path in LOAD.glob("*.js")))
def test_each_file_is_whole(script: str):
    done = subprocess.run([tool("node"), "--check", LOAD / script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_payments_go_to_kafka_as_the_program_wants_them():
    told = under_node("k6.js", PAGES=json.dumps(pages([0.02], 3)), UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS="a:1,b:2")
    check_payments([(message["key"], message["value"]) for message in told["messages"]])
    writer = told["writer"]
    assert writer["brokers"] == ["a:1", "b:2"]
    assert (writer["topic"], writer["requiredAcks"], writer["balancer"]) == ("transactions", -1, "balancer_murmur2")
    assert "sasl" not in writer
    assert "tls" not in writer


def test_kafka_is_spoken_to_as_the_settings_say():
    told = under_node(
        "k6.js",
        PAGES=json.dumps(pages([0.02], 3)),
        UPIFRAUD_KAFKA_SECURITY_PROTOCOL="SASL_SSL",
        UPIFRAUD_KAFKA_SASL_MECHANISM="SCRAM-SHA-512",
        UPIFRAUD_KAFKA_SASL_USERNAME="load",
        UPIFRAUD_KAFKA_SASL_PASSWORD="secret",
        UPIFRAUD_KAFKA_SSL_CA_LOCATION="/etc/ca.pem",
    )
    assert told["writer"]["sasl"] == {"username": "load", "password": "secret", "algorithm": "sasl_scram_sha512"}
    assert told["writer"]["tls"]["serverCaPem"] == "/etc/ca.pem"
    assert told["writer"]["tls"]["insecureSkipTlsVerify"] is False


def test_payments_go_to_a_bridge_byte_for_byte():
    told = under_node("k6-bridge.js", PAGES=json.dumps(pages([0.02], 3)), BRIDGE="http://bridge:8082/")
    assert {post["url"] for post in told["posts"]} == {"http://bridge:8082/topics/transactions"}
    assert {post["parameters"]["headers"]["Content-Type"] for post in told["posts"]} == {
        "application/vnd.kafka.binary.v2+json"
    }
    records = [record for post in told["posts"] for record in post["body"]["records"]]
    check_payments([tuple(base64.b64decode(record[part]).decode() for part in ("key", "value")) for record in records])


@pytest.mark.parametrize(
    "latencies", [[0.015], [0.001] * 98 + [0.4, 0.4], [9.0] * 5, list(np.linspace(0.001, 0.6, 500))]
)
def test_latency_and_lag_are_what_the_demo_reads(latencies: list[float]):
    made = pages(latencies, lag=30)
    told = under_node("k6.js", PAGES=json.dumps(made))["metrics"]
    before, after = (read(page, 0.0, "transactions") for page in made[:2])
    expected = after.end_to_end.since(before.end_to_end).quantile(0.99)
    assert expected is not None
    assert told["upifraud_latency_p99_ms"][-1] == pytest.approx(expected * 1000)
    assert told["upifraud_lag_records"][0] == after.lag_records == 31
    assert max(told["upifraud_lag_seconds"]) == 1.5
    assert told["upifraud_unfinished_records"] == [0]
    assert sum(told["upifraud_payments_not_sent"]) == sum(told["upifraud_worker_silent"]) == 0


@pytest.mark.parametrize("script", ["k6.js", "k6-bridge.js"])
def test_what_goes_wrong_is_counted(script: str):
    told = under_node(script, PAGES=json.dumps(pages([0.02], 3)), BROKEN="yes")["metrics"]
    assert sum(told["upifraud_payments_not_sent"]) == BATCH * CALLS
    stuck = under_node(script, PAGES=json.dumps(pages([0.02], 3)[:2]), PATIENCE="4")
    assert stuck["metrics"]["upifraud_unfinished_records"] == [4], "who waits no longer says what is left"
    idle = under_node(script, PAGES=json.dumps(pages([0.02], 3)[:1]))["metrics"]
    assert idle["upifraud_latency_p99_ms"][-1] > 1e12, "a latency that was not measured must not keep a threshold"


def test_the_rate_and_the_thresholds_are_those_asked_for():
    options = under_node("k6.js", PAGES=json.dumps(pages([0.02], 3)), P99_MS="70", MAX_LAG="900")["options"]
    paying = options["scenarios"]["payments"]
    assert paying["rate"] / int(paying["timeUnit"].removesuffix("s")) * BATCH == 200
    assert options["thresholds"]["upifraud_latency_p99_ms"] == ["value<=70"]
    assert options["thresholds"]["upifraud_lag_records"] == ["max<=900"]
    assert options["thresholds"]["dropped_iterations"] == ["count==0"]


def test_payments_are_posted_to_the_api_with_its_key():
    told = under_node("k6-api.js", STATUS="200", API="http://api:8000/", KEY="secret", DEADLINE_MS="500")
    assert {post["url"] for post in told["posts"]} == {"http://api:8000/v1/payments?deadline_ms=500"}
    assert {post["parameters"]["headers"]["Authorization"] for post in told["posts"]} == {"Bearer secret"}
    assert {post["parameters"]["tags"]["name"] for post in told["posts"]} == {"payments"}
    payments = [post["body"] for post in told["posts"]]
    assert len({payment["transaction_id"] for payment in payments}) == len(payments) == CALLS
    decoded = decode_payments(
        [json.dumps(one).encode() for one in payments], int(time.time() * 1000), Identities(bytes(16))
    )
    assert not decoded.rejections
    assert told["metrics"]["upifraud_final"] == [1] * CALLS
    assert told["metrics"]["upifraud_answered"] == [1] * CALLS


@pytest.mark.parametrize(("status", "final", "answered"), [("202", 0, 1), ("503", 0, 0), ("401", 0, 0)])
def test_answers_of_the_api_are_counted_for_what_they_are(status: str, final: int, answered: int):
    metrics = under_node("k6-api.js", STATUS=status, KEY="secret")["metrics"]
    assert metrics["upifraud_final"] == [final] * CALLS
    assert metrics["upifraud_answered"] == [answered] * CALLS


def test_the_api_gets_a_hundred_callers_and_the_thresholds_asked_for():
    options = under_node("k6-api.js", STATUS="200", KEY="secret", P95_MS="80")["options"]
    assert options["scenarios"]["payments"] == {
        "executor": "constant-vus", "exec": "pay", "vus": 100, "duration": "10s",
    }  # fmt: skip
    assert options["thresholds"]["http_req_duration{name:payments}"] == ["p(95)<=80"]
    assert options["thresholds"]["upifraud_answered"] == ["rate==1"]


def test_without_a_key_nothing_is_posted():
    done = subprocess.run(
        [tool("node"), "--import", UNDER_NODE / "hooks.mjs", UNDER_NODE / "run.mjs", LOAD / "k6-api.js"],
        env={**os.environ, "KEY": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "KEY: expected a key with the scope payments:write" in done.stderr


def test_a_wrong_setting_is_named():
    done = subprocess.run(
        [tool("node"), "--import", UNDER_NODE / "hooks.mjs", UNDER_NODE / "run.mjs", LOAD / "k6.js"],
        env={**os.environ, "RATE": "fast"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "RATE: expected a number above 0, got fast" in done.stderr


# By k6 itself -----------------------------------------------------------------------------------------------------


class Bridge(BaseHTTPRequestHandler):
    """As much of a Kafka HTTP bridge (API v2, binary) as the script uses: publishes, and answers with offsets."""

    producer: Producer

    def do_POST(self) -> None:
        assert self.headers["Content-Type"] == "application/vnd.kafka.binary.v2+json"
        records = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["records"]
        offsets: list[dict[str, Any]] = []
        for record in records:
            self.producer.produce(
                self.path.removeprefix("/topics/"),
                key=base64.b64decode(record["key"]),
                value=base64.b64decode(record["value"]),
                on_delivery=lambda error, sent: offsets.append(
                    {"error_code": 50002} if error else {"partition": sent.partition(), "offset": sent.offset()}
                ),
            )
        self.producer.flush()
        answer = json.dumps({"offsets": offsets}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.kafka.v2+json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def bridge(deployment: Deployment) -> Iterator[str]:
    handler = type("Handler", (Bridge,), {})
    servers = deployment.environment["UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS"]
    handler.producer = Producer({"bootstrap.servers": servers, "log_level": 2})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.servers
@pytest.mark.timeout(300)
def test_k6_runs_it_against_a_worker(deployment: Deployment, bridge: str):
    # Not a failure in CI either: building k6 takes minutes, and the scripts' own code runs under node above.
    k6 = shutil.which("k6", path=os.pathsep.join([str(GOT), os.environ["PATH"]]))
    if k6 is None:
        pytest.skip("needs k6: run deploy/tools.sh k6")
    worker = deployment.start_worker()

    def run(**environment: str) -> subprocess.CompletedProcess[str]:
        measured = {"RATE": "40", "SECONDS": "4", "BATCH": "20", "MAX_LAG": "100000", "PATIENCE": "120"}
        where = {"BRIDGE": bridge, "METRICS": f"http://127.0.0.1:{worker.port}/metrics"}
        return subprocess.run(
            [k6, "run", "--quiet", "--no-usage-report", LOAD / "k6-bridge.js"],
            env={**os.environ, **measured, **where, **environment, "MAX_LAG_SECONDS": "600"},
            capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip

    done = run(P99_MS="100000")
    assert done.returncode == 0, done.stdout + done.stderr
    # An arrival rate may make one call more or less than its product with the time.
    assert abs(deployment.verdicts() - 160) <= 20
    assert worker.metric("dead_letters_total") == 0
    missed = run(P99_MS="0.001")
    assert missed.returncode == 99, missed.stdout + missed.stderr
    assert "upifraud_latency_p99_ms" in missed.stderr
