"""Stores: Redis, Postgres and Kafka as the workers see them, and the memory of the workers themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.board import Section, board
from deploy.grafana.panels import BAD, GOOD, WARN, heat, lines, number, states
from deploy.grafana.queries import RATE, Query, increase, of, quantile, rate

if TYPE_CHECKING:
    from grafana_foundation_sdk.models import dashboard

    from deploy.grafana.panels import Panel, Steps

HITS, MISSES = (f"sum(rate({of(f'feature_store_cache_{what}')}[{RATE}]))" for what in ("hits", "misses"))
HIT_SHARE = f"{HITS} / ({HITS} + {MISSES})"
SLOW: Steps = ((None, GOOD), (0.05, WARN), (0.25, BAD))


def stores() -> dashboard.Dashboard:
    """Return the dashboard of the servers and of memory."""
    return board(
        "stores",
        "Stores",
        "Redis, Postgres and Kafka as the workers see them: time of calls from the worker and back, queueing and the "
        "network included.",
        [_now(), _redis(), _postgres(), _kafka(), _memory()],
    )


def _now() -> Section:
    return Section(
        "Now",
        [
            number(
                f"{name}, p99",
                about,
                "s",
                Query(quantile(0.99, metric), "p99"),
                steps=SLOW,
            )
            for name, metric, about in (
                ("Redis", "redis_latency_seconds", "One call carries a whole micro-batch, so it grows with it."),
                ("Postgres", "postgres_latency_seconds", "One transaction, its commit to disk included."),
                ("Kafka", "kafka_delivery_seconds", "Until the broker confirmed all that a micro-batch sent."),
            )
        ]
        + [
            number(
                "Replica hits",
                "Share of entity logs that were at hand in the worker; the others were read whole. Low for long: raise "
                "UPIFRAUD_REPLICA_CACHE_BYTES.",
                "percentunit",
                Query(HIT_SHARE, "hits"),
            ),
            number(
                "Replicas",
                "Bytes of entity logs that the workers keep, of UPIFRAUD_REPLICA_CACHE_BYTES each.",
                "bytes",
                Query(f"sum({of('feature_store_cache_bytes')})", "replicas"),
            ),
            number(
                "Largest worker",
                "Resident memory of the largest worker; its limit is 4 GiB.",
                "bytes",
                Query(f"max({of('process_resident_memory_bytes')})", "largest"),
                steps=((None, GOOD), (3 * 2**30, WARN), (3.6 * 2**30, BAD)),
            ),
        ],
    )


def _calls(server: str, metric: str, by: str, about: str) -> list[Panel]:
    name = f"{{{{{by}}}}}"
    return [
        lines(f"{server} calls, p50", about, "s", Query(quantile(0.5, metric, by), name), log=True),
        lines(
            f"{server} calls, p99",
            f"The same where it is slow. {about}",
            "s",
            Query(quantile(0.99, metric, by), name),
            log=True,
        ),
        heat(
            f"{server} calls, all",
            "A second band above the first is a server that stalls now and then: a checkpoint, an AOF rewrite, a slow "
            "disk.",
            "s",
            Query(increase(f"{metric}_bucket", "le"), "{{le}}"),
        ),
        lines(
            f"{server} calls a second",
            "Calls a second that were answered, or failed.",
            "cps",
            Query(rate(f"{metric}_count", by), name),
        ),
    ]


def _redis() -> Section:
    apply = "`apply` appends a micro-batch to the entity logs and reads them back in one step; `report` sets outcomes."
    return Section(
        "Redis",
        [
            *_calls("Redis", "redis_latency_seconds", "operation", apply),
            lines(
                "Replica hits and misses",
                "Entity logs that were at hand in the worker, and those that were read whole. Misses after a rebalance "
                "are normal: the new owner starts with none.",
                "cps",
                Query(HITS, "hits"),
                Query(MISSES, "misses"),
                stacked=True,
            ),
            lines(
                "Replica memory",
                "Bytes of entity logs that each worker keeps. At UPIFRAUD_REPLICA_CACHE_BYTES the least recently used "
                "go.",
                "bytes",
                Query(f"sum by (instance) ({of('feature_store_cache_bytes')})", "{{instance}}"),
            ),
            lines(
                "Memory of Redis",
                "What Redis uses, and its maxmemory, 0 where it has none. At the limit it refuses writes, and the "
                "workers wait: nothing is lost, but nothing is judged.",
                "bytes",
                Query(f"max({of('redis_memory_used_bytes')})", "used"),
                Query(f"max({of('redis_memory_max_bytes')})", "maxmemory"),
                alerts=("UpiFraudRedisMemory",),
            ),
            lines(
                "Keys that Redis threw away",
                "Must be 0: each is an entity whose windows are lost. The policy has to be noeviction; then run "
                "`upifraud rebuild-features`.",
                "short",
                Query(f"max({of('redis_evicted_keys')})", "evicted"),
                alerts=("UpiFraudRedisEvicts",),
            ),
        ],
    )


def _postgres() -> Section:
    about = "`claim` and `insert` come with every micro-batch and wait for the disk; the others with outcomes."
    days = lines(
        "Days with partitions ahead",
        "Days after today that have their partition. The housekeeping job makes them; without it workers make each as "
        "its first payment comes, which takes a moment.",
        "none",
        Query(f"min({of('verdict_days_ahead')})", "days"),
        alerts=("UpiFraudVerdictDaysMissing",),
        width=24,
    )
    return Section("Postgres", [*_calls("Postgres", "postgres_latency_seconds", "operation", about), days])


def _kafka() -> Section:
    about = "Alerts and dead letters of a micro-batch, from the first sent to the last confirmed by all replicas."
    return Section("Kafka delivery", _calls("Kafka", "kafka_delivery_seconds", "topic", about))


def _memory() -> Section:
    return Section(
        "Waits and memory",
        [
            lines(
                "Calls made again",
                "Retries a second because the server did not answer. Nothing is lost meanwhile; lag grows.",
                "cps",
                Query(rate("retries_total", "server"), "{{server}}"),
            ),
            states(
                "Servers",
                "Whether any worker waits for the server.",
                Query(f"min by (server) ({of('server_up')})", "{{server}}"),
                {1: ("up", GOOD), 0: ("waited for", BAD)},
                alerts=("UpiFraudServerUnreachable",),
            ),
            lines(
                "Memory of the workers",
                "Resident memory; a pod is killed at its limit of 4 GiB. Replicas, compiled kernels and Kafka's fetch "
                "buffers are the most of it; growth that never ends is a leak.",
                "bytes",
                Query(of("process_resident_memory_bytes"), "{{instance}}"),
                limit=4 * 2**30,
            ),
            lines(
                "Open files",
                "File descriptors: connections to brokers and stores. Growth is a connection that is not closed.",
                "none",
                Query(of("process_open_fds"), "{{instance}}"),
            ),
        ],
    )
