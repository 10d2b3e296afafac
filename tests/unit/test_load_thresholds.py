"""A load test's checks: what is kept, what is missed, and where a test may not go at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from upifraud.cli import main
from upifraud.load.thresholds import Measured, Thresholds, checks
from upifraud.load.workers import Fleet, Lookout, SilentWorkerError, fetch

GOOD = Measured(
    asked_rate=100, rate=100, published=1000, done=1000, dead_letters=0, failed=0, p50_ms=5, p99_ms=20, lag=40,
    lag_seconds=0.5, late_p99_ms=3, restarts=0,
)  # fmt: skip
STRICT = Thresholds(p50_ms=5, p99_ms=20, max_lag=40, max_lag_seconds=0.5)


def missed(measured: Measured, thresholds: Thresholds = STRICT) -> list[str]:
    return [check.name for check in checks(measured, thresholds) if not check.kept]


def test_bounds_are_inclusive():
    assert missed(GOOD) == []
    assert len(list(checks(GOOD, STRICT))) == 10


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"stopped": True}, "run to its end"),
        ({"late_p99_ms": 101.0}, "switch late (p99)"),
        ({"failed": 1}, "not taken by Kafka"),
        ({"restarts": 1}, "worker restarts"),
        ({"done": 999}, "not finished"),
        ({"dead_letters": 1}, "dead letters"),
        ({"p50_ms": 5.1}, "latency (p50)"),
        ({"p99_ms": 20.1}, "latency (p99)"),
        ({"p99_ms": None}, "latency (p99)"),
        ({"lag": 41}, "lag (most)"),
        ({"lag_seconds": 0.6}, "lag (most)"),
    ],
)
def test_each_threshold_can_be_missed(change, name):
    assert missed(replace(GOOD, **change)) == [name]


def test_what_was_not_asked_for_is_not_checked():
    assert missed(replace(GOOD, p50_ms=None, p99_ms=1e6, lag=10**6, lag_seconds=1e6), Thresholds()) == []


# Workers ----------------------------------------------------------------------------------------------------------


def page(consumed: int, lag: int, latencies: tuple[int, int, int]) -> str:
    below = (latencies[0], latencies[0] + latencies[1], sum(latencies))
    return (
        f"# TYPE transactions_consumed counter\ntransactions_consumed_total {consumed}\n"
        f'# TYPE consumer_lag_records gauge\nconsumer_lag_records{{topic="transactions",partition="0"}} {lag}\n'
        f'consumer_lag_records{{topic="outcomes",partition="0"}} 5\n'
        "# TYPE end_to_end_latency_seconds histogram\n"
        f'end_to_end_latency_seconds_bucket{{le="0.01"}} {below[0]}\n'
        f'end_to_end_latency_seconds_bucket{{le="0.02"}} {below[1]}\n'
        f'end_to_end_latency_seconds_bucket{{le="+Inf"}} {below[2]}\n'
        "end_to_end_latency_seconds_sum 1\n"
        f"end_to_end_latency_seconds_count {below[2]}\n"
    )


def looked_at(*pages: dict[str, str]) -> tuple[Lookout, list[Fleet]]:
    """Let a lookout look once at each state of the workers, by hand."""
    states = iter(pages)
    state: dict[str, str] = {}

    def get(url: str) -> str:
        return state[url]

    state.update(next(states))
    lookout = Lookout(list(state), "transactions", get)
    lookout.close()
    fleets = [lookout.look()]
    for following in states:
        state.update(following)
        fleets.append(lookout.look())
    return lookout, fleets


def test_workers_are_added_up_and_the_worst_moment_is_kept():
    lookout, fleets = looked_at(
        {"a": page(100, 3, (10, 0, 0)), "b": page(50, 1, (5, 0, 0))},
        {"a": page(180, 40, (10, 80, 0)), "b": page(60, 30, (5, 10, 0))},
        {"a": page(200, 0, (10, 100, 0)), "b": page(70, 0, (5, 19, 1))},
    )
    assert [fleet.consumed for fleet in fleets] == [150, 240, 270]
    assert (lookout.lag, lookout.restarts) == (70, 0), "outcomes are none of it"
    latency = fleets[-1].latency_since(fleets[0])
    assert latency.count == 120
    assert latency.quantile(0.5) == pytest.approx(0.01 + 0.01 * 60 / 119)


def test_a_worker_that_began_anew_is_noticed():
    lookout, _ = looked_at({"a": page(100, 0, (1, 0, 0))}, {"a": page(3, 0, (1, 0, 0))})
    assert lookout.restarts == 1


def test_a_silent_worker_says_what_to_do():
    with pytest.raises(SilentWorkerError, match="--metrics"):
        fetch("http://127.0.0.1:1/metrics")


# Where to ---------------------------------------------------------------------------------------------------------


def load(monkeypatch: pytest.MonkeyPatch, servers: str, *arguments: str) -> Result:
    monkeypatch.setenv("UPIFRAUD_KAFKA_BOOTSTRAP_SERVERS", servers)
    return CliRunner().invoke(main, ["load", "--rate", "10", "--seconds", "1", *arguments])


@pytest.mark.parametrize("servers", ["kafka.example:9092", "127.0.0.1:9092,10.0.0.7:9092", "localhost.example:9092"])
def test_somebody_elses_kafka_must_be_named_on_purpose(monkeypatch: pytest.MonkeyPatch, servers: str):
    refused = load(monkeypatch, servers)
    assert refused.exit_code == 2
    assert f"--against {servers}" in refused.stderr


@pytest.mark.parametrize("servers", ["127.0.0.1:1", "[::1]:1", "localhost:1"])
def test_this_machine_needs_no_naming_but_a_worker(monkeypatch: pytest.MonkeyPatch, servers: str):
    refused = load(monkeypatch, servers, "--metrics", "http://127.0.0.1:1/metrics")
    assert refused.exit_code == 1
    assert "Expected a worker's metrics at http://127.0.0.1:1/metrics" in refused.stderr


def test_another_kafka_than_the_settings_is_refused(monkeypatch: pytest.MonkeyPatch):
    refused = load(monkeypatch, "kafka.example:9092", "--against", "kafka.staging:9092")
    assert refused.exit_code == 2
    assert "expected the same" in refused.stderr


@pytest.mark.parametrize("url", ["file:///etc/passwd", "127.0.0.1:9464", "ftp://host/metrics"])
def test_only_web_addresses_are_read(monkeypatch: pytest.MonkeyPatch, url: str):
    assert load(monkeypatch, "127.0.0.1:1", "--metrics", url).exit_code == 2
